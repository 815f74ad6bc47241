//! The bounds of everything that grows, and how often each was met.
//!
//! What follows from the inventory (checks, their alarms, levels, timers) is bounded by it. Named
//! here is what others can make grow: people, other monitors, probes, time. What is turned away is
//! counted, and the verdict of its event says so; problems that are turned away fail somewhere, so
//! an incident of its own says that too.

use crate::Correlator;
use crate::state::{AlarmKey, Cause, IncidentIx, Names, TargetIx, Timer, Waiter};
use model::{Observation, Severity, Timestamp, Verdict};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Windows that people asked for. One more is not taken, and the answer says so.
pub(crate) const WINDOWS_MAX: usize = 1000;
/// Rules by whose names misroutes are counted, those of earlier configurations included.
pub(crate) const MISROUTED_MAX: usize = 1000;
/// Windows that ended lately. The one that ended first is forgotten first.
pub(crate) const ENDED_WINDOWS_MAX: usize = 1000;
/// Names of what a window held back. More are counted, not named.
pub(crate) const HIDDEN_TARGETS_MAX: usize = 200;
/// Problems told by others that stand. One more is counted in the incident that says so.
pub(crate) const SIGNALS_MAX: usize = 50_000;
/// Ends of problems remembered, so that news that comes late does not open them again. Those that
/// ended first are forgotten first.
pub(crate) const ENDED_SIGNALS_MAX: usize = 4096;
/// Incidents that are over and not closed, besides one for each element of the inventory. The one
/// that is over for longest is closed early.
pub(crate) const OVER_MAX: usize = 10_000;
/// Names of checks, besides those of the configuration. What comes under one more is not taken.
pub(crate) const CHECK_NAMES_MAX: usize = 1000;
/// Names of probes, besides those of the inventory. What comes from one more is not taken.
pub(crate) const PROBE_NAMES_MAX: usize = 1000;
/// Checks of one device and its ports. What one more of them says is not taken.
pub(crate) const CHECKS_OF_DEVICE_MAX: usize = 5000;
/// Names that nothing stands for any more are let go of when there are so many of them, or an
/// eighth of what the inventory has.
const NAMES_SPARE: usize = 4096;

/// What we say of ourselves is told as a problem of this source.
const OURSELVES: &str = "kentongan";
/// That problems were turned away.
const SIGNALS_KEY: &str = "too-many-signals";

/// How often each bound was met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// A window that a person asked for was not taken.
    pub windows: u64,
    /// A window that ended lately was forgotten early.
    pub ended_windows: u64,
    /// A target that a window held back is counted, not named.
    pub hidden_targets: u64,
    /// A problem told by others was not kept.
    pub signals: u64,
    /// The end of a problem told by others was forgotten early.
    pub ended_signals: u64,
    /// An incident that is over was closed early.
    pub over: u64,
    /// An observation was not taken, for there are too many names of checks or of probes.
    pub names: u64,
    /// An observation was not taken, for its device has too many checks.
    pub checks: u64,
    /// A misroute was not counted by the name of its rule, for there are too many names.
    pub misroutes: u64,
}

impl Met {
    /// Each bound by its name, and how often it was met.
    pub fn each(&self) -> [(&'static str, u64); 9] {
        // Whole, so that no bound is forgotten here.
        let Met {
            windows,
            ended_windows,
            hidden_targets,
            signals,
            ended_signals,
            over,
            names,
            checks,
            misroutes,
        } = *self;
        [
            ("windows", windows),
            ("ended_windows", ended_windows),
            ("hidden_targets", hidden_targets),
            ("signals", signals),
            ("ended_signals", ended_signals),
            ("incidents_over", over),
            ("names", names),
            ("checks_of_device", checks),
            ("misroutes", misroutes),
        ]
    }
}

impl Correlator {
    // ---- problems of others ----

    /// Whether one more problem can be kept. What was overruled makes room first: nothing of it
    /// stands, and told again it stands anew.
    pub(crate) fn takes_another_signal(&mut self) -> bool {
        if self.state.signals.len() >= SIGNALS_MAX && !self.none_overruled {
            let index = &mut self.signal_index;
            self.state.signals.retain(|_, s| {
                if s.overruled.is_some() {
                    index.remove(&(s.source.clone(), s.key.clone()));
                }
                s.overruled.is_none()
            });
            self.none_overruled = true;
        }
        self.state.signals.len() < SIGNALS_MAX
    }

    /// A problem is turned away. That something fails of which no more is known is said once.
    pub(crate) fn turn_away(&mut self, at: Timestamp) {
        self.state.met.signals += 1;
        let name = signals_name();
        if !self.signal_index.contains_key(&name) {
            let target = self.intern(&format!("{OURSELVES}:{SIGNALS_KEY}"));
            let said =
                format!("{SIGNALS_MAX} problems told by others stand; more are counted, not kept");
            self.raise_signal(at, name.clone(), target, Some(Severity::High), said);
            self.evaluate();
        }
        let Some(ix) = self.signal_index.get(&name).copied() else { return };
        let key = AlarmKey::Signal(ix);
        let target = self.target_of_alarm(key);
        let incident = self.state.alarms.get(&key).and_then(|a| a.incident);
        let reason = "too many problems stand; this one is counted, not kept";
        self.verdict(at, Some(target), Verdict::Joined, incident, reason, false);
    }

    /// A problem ended: when there is ample room again, that too is said.
    pub(crate) fn there_is_room(&mut self) {
        if self.state.signals.len() > SIGNALS_MAX / 10 * 9 {
            return;
        }
        if let Some(ix) = self.signal_index.remove(&signals_name()) {
            let turned_away = self.state.met.signals;
            let reason = format!(
                "there is room again; {turned_away} were not kept so far: they count when told again"
            );
            self.end_alarm(AlarmKey::Signal(ix), &reason);
            self.forget_signal(ix);
        }
    }

    // ---- names ----

    /// The numbers of the names of an observation's check and probe.
    pub(crate) fn names_of(&mut self, o: &Observation<'_>) -> Result<(u16, u16), &'static str> {
        let (checks, probes) = (&mut self.state.check_names, &mut self.state.probes);
        if let (Some(check), Some(probe)) = (checks.get(&o.check), probes.get(&o.probe)) {
            return Ok((check as u16, probe as u16));
        }
        let room = |names: &Names, name: &str, most, declared: bool| {
            let most = if declared { usize::from(u16::MAX) } else { most };
            names.get(name).is_some() || names.len() < most
        };
        let declared = self.settings.checks.contains_key(&*o.check);
        let posted = self.inventory.probe(&o.probe).is_some();
        if !room(checks, &o.check, CHECK_NAMES_MAX, declared)
            || !room(probes, &o.probe, PROBE_NAMES_MAX, posted)
        {
            self.state.met.names += 1;
            return Err("there are too many names of checks or probes; it is counted, not taken");
        }
        let names = (checks.intern(&o.check) as u16, probes.intern(&o.probe) as u16);
        if self.posts.len() < probes.len() {
            self.learn_probes();
            self.reach.count_probes(&self.inventory, &self.state);
        }
        Ok(names)
    }

    /// Whether one more check of a device or of one of its ports is taken. What the configuration
    /// asks of the device itself always is.
    pub(crate) fn takes_another_check(
        &mut self,
        target: TargetIx,
        o: &Observation<'_>,
    ) -> Result<(), &'static str> {
        let Some(d) = self.reach.device_of(target) else { return Ok(()) };
        if self.reach.checks_of_device(d.0).len() < CHECKS_OF_DEVICE_MAX {
            return Ok(());
        }
        let device = &self.inventory[d];
        if *device.id == *o.target
            && device.checks.iter().any(|c| **c == *o.check)
            && self.inventory.probe(&o.probe).is_some()
        {
            return Ok(());
        }
        self.state.met.checks += 1;
        Err("its device has too many checks; this one is counted, not taken")
    }

    /// Lets go of names that nothing stands for any more. Between two events, when nobody holds one.
    pub(crate) fn let_go_of_names(&mut self) {
        // Each problem and each incident has one name; a few more may lie about.
        let (steady, used) = (self.state.targets.steady, self.state.targets.used());
        let told = self.state.signals.len() + self.state.incidents.len();
        if used <= steady + told + NAMES_SPARE.max(steady / 8) {
            return;
        }
        let mut stands: Vec<bool> = self.reach.things.iter().map(|t| t.is_known()).collect();
        self.state.checks.iter().for_each(|c| stands[c.target as usize] = true);
        let steady = stands.iter().filter(|s| **s).count();
        let mut keep = |t: TargetIx| stands[t as usize] = true;
        self.state.signals.values().for_each(|s| keep(s.target));
        self.state.incidents.values().for_each(|i| match i.cause {
            Cause::Device(t) | Cause::Link(t) | Cause::Other(t) => keep(t),
            Cause::Blind(_) | Cause::Storm(_) => {}
        });
        self.state.admin_down.iter().for_each(|t| keep(*t));
        self.state.elsewhere.keys().for_each(|t| keep(*t));
        for (t, waiter) in &self.state.waiting {
            keep(*t);
            if let Waiter::Around(t) = waiter {
                keep(*t);
            }
        }
        let names = &mut self.state.targets;
        names.keep(&stands);
        names.steady = steady;
        self.reach.things.truncate(names.len());
    }

    // ---- what is over ----

    /// Closes early what is over for longest, when there is too much of it.
    pub(crate) fn close_early(&mut self) {
        let elements = self.inventory.devices.len()
            + self.inventory.links.len()
            + self.inventory.services.len();
        while self.over_since.len() > OVER_MAX + elements
            && let Some(&(since, ix)) = self.over_since.first()
        {
            self.state.met.over += 1;
            let due = since + self.settings.close_after;
            self.state.timers.remove(&(due, Timer::Close(ix)));
            self.close_because(ix, "too many incidents are over; it is closed early".into());
        }
    }

    /// An incident is over since then.
    pub(crate) fn note_over(&mut self, ix: IncidentIx) {
        if let Some(since) = self.state.incidents.get(&ix).and_then(|i| i.recovered_at) {
            self.over_since.insert((since, ix));
        }
    }
}

fn signals_name() -> (Arc<str>, Arc<str>) {
    (OURSELVES.into(), SIGNALS_KEY.into())
}
