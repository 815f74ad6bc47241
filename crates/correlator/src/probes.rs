//! Those who watch: which probe can be believed, and what is said when one sees nothing.
//!
//! A probe is *silent* when nothing was heard of it for 2.5 intervals. Where another one watches, it
//! is left out until it is heard again, and nobody waits for it.
//! What an isolated one says is in `blind`.

use crate::Correlator;
use crate::state::{AlarmKey, CheckIx, IncidentIx, Timer, Watcher};
use model::{Condition, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Evidence is stale after this many intervals (design.md section 6).
const STALE_AFTER: f64 = 2.5;
/// A pause longer than so many intervals is none that a probe is used to.
const USED_TO_MAX: u32 = 4;

/// What follows from inventory and settings about a probe.
#[derive(Debug, Clone, Default)]
pub(crate) struct Post {
    /// The device it stands at.
    pub(crate) at: Option<u32>,
    /// The devices that tell whether it sees anything.
    pub(crate) witnesses: Vec<u32>,
    /// How often it observes, by its most frequent check.
    interval: Option<Duration>,
}

impl Post {
    /// Whether a device tells about the isolation of this probe.
    pub(crate) fn guards(&self, device: u32) -> bool {
        if self.witnesses.is_empty() {
            self.at == Some(device)
        } else {
            self.witnesses.contains(&device)
        }
    }
}

impl Correlator {
    /// Derives what follows from inventory and settings about each probe.
    pub(crate) fn man_posts(&mut self) {
        self.posts.clear();
        self.learn_probes();
        for ix in 0..self.state.checks.len() {
            let c = &self.state.checks[ix];
            self.observes_as_often(c.probe, c.name);
        }
    }

    /// Learns who the probes are that were named since.
    pub(crate) fn learn_probes(&mut self) {
        for p in self.posts.len()..self.state.probes.len() {
            let known = self.inventory.probe(self.state.probes.name(p as u32));
            self.posts.push(known.map_or_else(Post::default, |known| Post {
                at: known.at.map(|d| d.0),
                witnesses: known.witnesses.iter().map(|d| d.0).collect(),
                interval: None,
            }));
        }
        self.state.watchers.resize_with(self.state.probes.len(), Watcher::default);
    }

    /// A probe has a check of this name.
    pub(crate) fn observes_as_often(&mut self, probe: u16, name: u16) {
        let interval = self.rules[usize::from(name)].interval;
        let of = &mut self.posts[usize::from(probe)].interval;
        *of = Some(of.map_or(interval, |i| i.min(interval)));
    }

    /// What a check is called in an alarm: by its name, with the probe where there are several and it
    /// is not the first one, so that no two alarms of a target have one name.
    pub(crate) fn seen_from(&self, probe: u16, check: &Arc<str>) -> Arc<str> {
        let name = self.state.probes.name(u32::from(probe));
        match &self.inventory.probes[..] {
            [first, _, ..] if first.id != *name => format!("{check}@{name}").into(),
            _ => check.clone(),
        }
    }

    /// The probe that an alarm's name tells of, and the name of its check.
    pub(crate) fn told_from<'a>(&self, alarm: &'a str) -> (Arc<str>, &'a str) {
        if let Some((check, probe)) = alarm.rsplit_once('@')
            && let Some(known) = self.inventory.probe(probe)
        {
            return (known.id.clone(), check);
        }
        let first = self.inventory.probes.first().map_or_else(|| "probe".into(), |p| p.id.clone());
        (first, alarm)
    }

    // ---- silent ----

    /// Something was heard of a probe.
    pub(crate) fn heard_from(&mut self, probe: u16) {
        let now = self.state.now;
        let w = &mut self.state.watchers[usize::from(probe)];
        if w.heard == Timestamp::default() {
            w.heard = now;
            let due = now + self.time_out(probe);
            self.set_timer(due, Timer::Watch(u32::from(probe)));
            return;
        }
        w.pause = w.pause.max(now.since(w.heard));
        w.heard = now;
        if w.silent.is_some() {
            self.heard_again(u32::from(probe));
        }
    }

    /// How long a probe may say nothing. One that observes less often than it should is used to it.
    fn time_out(&self, probe: u16) -> Duration {
        let interval = self.posts[usize::from(probe)].interval.unwrap_or(Duration::from_secs(20));
        let used_to = self.state.watchers[usize::from(probe)].pause.min(interval * USED_TO_MAX);
        interval.max(used_to).mul_f64(STALE_AFTER)
    }

    /// The time-out of a probe is over, unless something was heard since.
    pub(crate) fn look_for(&mut self, probe: u32) {
        let now = self.state.now;
        let due = self.state.watchers[probe as usize].heard + self.time_out(probe as u16);
        let w = &mut self.state.watchers[probe as usize];
        if now < due {
            w.pause = Duration::ZERO;
            self.set_timer(due, Timer::Watch(probe));
            return;
        }
        if w.silent.is_some() {
            return;
        }
        w.silent = Some(now);
        self.unseen_by(probe);
        self.who_counts();
        self.recondition(probe);
        self.evaluate();
    }

    fn heard_again(&mut self, probe: u32) {
        let w = &mut self.state.watchers[probe as usize];
        w.silent = None;
        let was_out = w.out;
        let due = self.state.now + self.time_out(probe as u16);
        self.set_timer(due, Timer::Watch(probe));
        if was_out && self.state.watchers[probe as usize].isolated.is_none() {
            self.start_over(probe);
        }
        self.who_counts();
    }

    /// After a stop nobody is silent before his time is up again.
    pub(crate) fn everybody_has_time(&mut self) {
        for w in &mut self.state.watchers {
            if w.silent.is_none() && w.heard > Timestamp::default() {
                w.heard = self.state.now;
            }
        }
    }

    /// Sees whose evidence counts: that of the isolated does not, nor that of the silent while
    /// another one watches.
    pub(crate) fn who_counts(&mut self) {
        let watches = |w: &Watcher| {
            w.isolated.is_none() && w.silent.is_none() && w.heard > Timestamp::default()
        };
        let somebody = self.state.watchers.iter().any(watches);
        let mut changed = false;
        for p in 0..self.state.watchers.len() {
            let w = &mut self.state.watchers[p];
            let out = w.isolated.is_some() || (w.silent.is_some() && (somebody || w.out));
            changed |= std::mem::replace(&mut w.out, out) != out;
            if out {
                self.nobody_waits_for(p as u32);
            }
        }
        if changed {
            self.reach.count_probes(&self.inventory, &self.state);
            self.dirty.all = true;
        }
    }

    /// What a probe only suspects stalls nobody while it does not count.
    fn nobody_waits_for(&mut self, probe: u32) {
        for ix in self.checks_by(probe) {
            self.no_longer_suspect(ix);
        }
    }

    /// What a probe suspects it must see again from the start; what is confirmed stands.
    fn start_over(&mut self, probe: u32) {
        let why = format!("{} was silent for a while", self.state.probes.name(probe));
        for ix in self.checks_by(probe) {
            self.forget_samples(ix, &why);
        }
    }

    // ---- what is not known ----

    /// What fails by the word of this probe was not observed since.
    pub(crate) fn unseen_by(&mut self, probe: u32) {
        let unseen = self.state.alarms.keys().filter_map(|k| match k {
            AlarmKey::Silent(ix) | AlarmKey::Level(ix, _) => Some(*ix),
            AlarmKey::Signal(_) => None,
        });
        let by = |ix: &CheckIx| u32::from(self.state.checks[*ix as usize].probe) == probe;
        let aside = &self.state.aside;
        let unseen: Vec<CheckIx> = unseen.filter(by).filter(|ix| !aside.contains(ix)).collect();
        self.state.unseen.extend(unseen);
    }

    /// A failing check is observed again: its incident is no longer unknown.
    pub(crate) fn seen_again(&mut self, ix: CheckIx) {
        if self.state.unseen.is_empty() || !self.state.unseen.remove(&ix) {
            return;
        }
        let levels = AlarmKey::Level(ix, 0)..=AlarmKey::Level(ix, u8::MAX);
        let alarms = self.state.alarms.range(levels).map(|(_, a)| a);
        let all: BTreeSet<IncidentIx> = alarms
            .chain(self.state.alarms.get(&AlarmKey::Silent(ix)))
            .filter_map(|a| a.incident)
            .collect();
        for i in all {
            if self.state.incidents[&i].condition == Condition::Unknown {
                self.say_condition(i, "it is observed again");
            }
        }
    }

    /// Incidents of which nothing is observed any more are neither failing nor over.
    pub(crate) fn recondition(&mut self, probe: u32) {
        let name = self.state.probes.name(probe);
        let why = if self.state.watchers[probe as usize].isolated.is_some() {
            format!("{name} is isolated, and nobody else observes it")
        } else {
            format!("nothing is heard from {name}, and nobody else observes it")
        };
        let by = |ix: CheckIx| u32::from(self.state.checks[ix as usize].probe) == probe;
        for i in self.incidents_with(by) {
            self.say_condition(i, &why);
        }
    }

    fn incidents_with(&self, of: impl Fn(CheckIx) -> bool) -> BTreeSet<IncidentIx> {
        let members = self.state.alarms.iter().filter(|(k, _)| match k {
            AlarmKey::Silent(ix) | AlarmKey::Level(ix, _) => of(*ix),
            AlarmKey::Signal(_) => false,
        });
        members.filter_map(|(_, a)| a.incident).collect()
    }

    pub(crate) fn say_condition(&mut self, ix: IncidentIx, why: &str) {
        let Some(i) = self.state.incidents.get(&ix).filter(|i| i.open() && !i.fresh) else {
            return;
        };
        let now = self.condition_of(i);
        if now == i.condition || (now != Condition::Unknown && i.condition != Condition::Unknown) {
            return;
        }
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.condition = now;
        }
        self.incident_line(ix, model::Change::Updated, why.to_owned());
    }

    /// Whether a check was observed since the watch began, by a probe that can be believed.
    pub(crate) fn observed_lately(&self, ix: CheckIx) -> bool {
        let c = &self.state.checks[ix as usize];
        let w = &self.state.watchers[usize::from(c.probe)];
        c.last_at >= self.state.watching_since
            && w.isolated.is_none()
            && w.silent.is_none()
            && !self.state.unseen.contains(&ix)
    }

    /// Whether all that fails of an incident was not observed for too long.
    pub(crate) fn all_unseen(&self, members: &BTreeSet<AlarmKey>) -> bool {
        !self.state.unseen.is_empty()
            && !members.is_empty()
            && members.iter().all(|k| match k {
                AlarmKey::Silent(ix) | AlarmKey::Level(ix, _) => self.state.unseen.contains(ix),
                AlarmKey::Signal(_) => false,
            })
    }
}
