//! A copy of the core that lives a moment of another past: what would have come of it.

use crate::Correlator;
use crate::reach::Thing;
use crate::state::{AlarmKey, CheckIx, Waiter};
use model::{
    AlarmState, Change, Decision, Event, IncidentLine, Kind, Observation, Outcome, Timestamp,
    Verdict,
};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Whoever is waited for is heard in at most so many rounds.
const ROUNDS_MAX: usize = 8;

/// Where an alarm stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "place")]
pub enum Place {
    /// Nothing is confirmed.
    Nowhere,
    /// Confirmed, and waiting for evidence.
    Held,
    /// Held by a window.
    Covered {
        /// Its id.
        window: String,
    },
    /// It stands for the cause of an incident.
    Own {
        /// What the incident is about.
        root: Vec<Arc<str>>,
    },
    /// Something else explains it.
    Under {
        /// What does.
        root: Vec<Arc<str>>,
    },
}

/// The alarm that is looked at: of a check, or of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Focus {
    /// Its target.
    pub(super) target: String,
    /// Its name: `icmp`, `icmp:loss_pct/5m`, `signal:zabbix:4`.
    pub(super) alarm: String,
}

/// A copy of the core, and what it said since.
pub(super) struct Trial {
    pub(super) core: Correlator,
    pub(super) said: Vec<Decision>,
}

impl Trial {
    pub(super) fn of(core: &Correlator) -> Trial {
        Trial { core: core.copy(), said: Vec::new() }
    }

    /// The event at hand.
    pub(super) fn event(&mut self, number: u64, event: &Event<'_>) {
        self.core.handle_event(number, event);
        while let Some(d) = self.core.poll_decision() {
            self.said.push(d);
        }
        while self.core.poll_ask().is_some() {}
    }

    /// Something that did not happen.
    pub(super) fn happen(&mut self, at: Timestamp, received: Timestamp, kind: Kind<'static>) {
        let number = self.core.last_event() + 1;
        self.event(number, &Event { at, received: Some(received.max(self.core.now())), kind });
    }

    /// Another answer to a check that is known, as soon after its last one as can be.
    pub(super) fn answers(&mut self, check: CheckIx, good: bool) {
        let at = self.core.state.checks[check as usize].last_at + Duration::from_millis(1);
        self.answers_at(check, good, at.max(self.core.now()));
    }

    pub(super) fn answers_at(&mut self, check: CheckIx, good: bool, at: Timestamp) {
        let c = &self.core.state.checks[check as usize];
        let target = self.core.state.targets.name(c.target).to_string();
        let name = self.core.state.check_names.name(u32::from(c.name)).to_string();
        let probe = self.core.state.probes.name(u32::from(c.probe)).to_string();
        let port = matches!(self.core.reach.things[c.target as usize], Thing::Port(..));
        let outcome = answer(&name, port, good);
        let observation =
            Observation { probe: probe.into(), target: target.into(), check: name.into(), outcome };
        self.happen(at, at, Kind::Observation(observation));
    }

    /// Nobody says anything for a while.
    pub(super) fn wait(&mut self, d: Duration) {
        let at = self.core.now() + d;
        self.happen(at, at, Kind::Tick);
    }

    /// Every device that is believed to answer answers once more, at its checks of reachability.
    /// Only those around `device`, and where probes stand: nobody else is waited for.
    pub(super) fn neighbours_answer(&mut self, device: u32) {
        let inventory = &self.core.inventory;
        let neighbours: BTreeSet<u32> = inventory
            .graph
            .neighbours(device)
            .iter()
            .map(|n| n.0)
            .chain(inventory.probes.iter().filter_map(|p| p.at).map(|d| d.0))
            .filter(|d| *d != device)
            .collect();
        for m in neighbours {
            let view = &self.core.reach.devices[m as usize];
            if view.observed && !view.down() && view.suspect.is_empty() {
                for ix in self.core.reach_checks(m) {
                    self.answers(ix, true);
                }
            }
        }
    }

    /// A held alarm comes to its end: whoever it waits for is heard, answering as before, one after
    /// the other; and in the end its hold is over. Gives those that were heard.
    pub(super) fn settle(&mut self, focus: &Focus) -> Vec<Arc<str>> {
        let heard = self.hear(focus);
        if self.place(focus) == Place::Held {
            self.wait(self.core.settings.hold_max + Duration::from_millis(1));
        }
        heard
    }

    /// Whoever a held alarm waits for is heard, answering, until it waits no more.
    pub(super) fn hear(&mut self, focus: &Focus) -> Vec<Arc<str>> {
        let mut heard = BTreeSet::new();
        for _ in 0..ROUNDS_MAX {
            let Some(key) = self.core.alarm_called(focus) else { break };
            if self.core.place_of(key) != Place::Held {
                break;
            }
            let Some(d) = self.core.reach.device_of(self.core.target_of_alarm(key)) else { break };
            let Some(alarm) = self.core.state.alarms.get(&key) else { break };
            let from = alarm.onset + self.core.race(key) + Duration::from_millis(1);
            let wanted = self.core.waited_for(d.0, key);
            if wanted.is_empty() {
                break;
            }
            for id in wanted {
                let Some(w) = self.core.inventory.device(&id) else { continue };
                for ix in self.core.reach_checks(w.0) {
                    for _ in 0..self.core.up_needs(ix) {
                        let last = self.core.state.checks[ix as usize].last_at;
                        let at = from.max(self.core.now()).max(last + Duration::from_millis(1));
                        self.answers_at(ix, true, at);
                    }
                }
                heard.insert(id);
            }
        }
        heard.into_iter().collect()
    }

    /// What the event of this number came to.
    pub(super) fn verdict(&self, number: u64) -> Option<Verdict> {
        self.said.iter().rev().find_map(|d| match d {
            Decision::Verdict(v) if v.event == number => Some(v.verdict),
            _ => None,
        })
    }

    /// Incidents that were opened, or opened again.
    pub(super) fn opened(&self) -> Vec<&IncidentLine> {
        let lines = self.said.iter().filter_map(|d| match d {
            Decision::Incident(i) if matches!(i.change, Change::Opened | Change::Reopened) => {
                Some(&**i)
            }
            _ => None,
        });
        lines.collect()
    }

    /// Where the alarm stands now.
    pub(super) fn place(&self, focus: &Focus) -> Place {
        self.core.alarm_called(focus).map_or(Place::Nowhere, |key| self.core.place_of(key))
    }
}

/// A good or a bad answer to a check, with what its level checks would find quiet.
pub(super) fn answer(check: &str, port: bool, good: bool) -> Outcome<'static> {
    match (port, good) {
        (true, good) => {
            let oper = if good { 1.0 } else { 2.0 };
            Outcome::Reply(
                [("oper_status".into(), oper), ("admin_status".into(), 1.0)].into_iter().collect(),
            )
        }
        (false, true) if check == "icmp" => {
            Outcome::Reply([("rtt_ms".into(), 1.0), ("loss_pct".into(), 0.0)].into_iter().collect())
        }
        (false, true) => Outcome::Reply(model::Values::new()),
        (false, false) => Outcome::NoReply,
    }
}

impl Correlator {
    /// A copy that goes its own way; nothing here notices.
    pub fn copy(&self) -> Correlator {
        Correlator::restore(self.inventory.clone(), self.settings.clone(), self.state.clone())
    }

    /// The checks whose silence says that a device cannot be reached.
    pub(super) fn reach_checks(&self, device: u32) -> Vec<CheckIx> {
        let checks = self.reach.checks_of_device(device).iter().copied();
        checks
            .filter(|ix| {
                let c = &self.state.checks[*ix as usize];
                self.reach.proves_reach(&self.inventory, &self.state, c)
            })
            .collect()
    }

    pub(super) fn alarm_called(&self, focus: &Focus) -> Option<AlarmKey> {
        let named = |k: &AlarmKey| {
            let (target, alarm) = self.name_of(*k);
            *target == *focus.target && *alarm == *focus.alarm
        };
        self.state.alarms.keys().copied().find(named)
    }

    pub(super) fn place_of(&self, key: AlarmKey) -> Place {
        let Some(alarm) = self.state.alarms.get(&key) else { return Place::Nowhere };
        if let Some(window) = &alarm.covered_by {
            return Place::Covered { window: window.clone() };
        }
        let incident = alarm.incident.and_then(|i| self.state.incidents.get(&i));
        match incident {
            Some(i) if alarm.state != AlarmState::Suspect => {
                let root = i.root.clone();
                match self.role_in(key, alarm.incident) {
                    Verdict::SuppressedByRoot => Place::Under { root },
                    _ => Place::Own { root },
                }
            }
            _ if alarm.state == AlarmState::Suspect => Place::Nowhere,
            _ => Place::Held,
        }
    }

    /// Whose evidence an alarm of this device waits for: what is wanted around it, and around what
    /// hangs together with it.
    pub(super) fn waited_for(&self, device: u32, key: AlarmKey) -> Vec<Arc<str>> {
        let around: BTreeSet<u32> = self
            .reach
            .all_around(&self.inventory, device)
            .into_iter()
            .map(|m| self.reach.devices[m as usize].target)
            .collect();
        let mut ids: Vec<Arc<str>> = self
            .state
            .waiting
            .iter()
            .filter(|(_, w)| match w {
                Waiter::Around(t) => around.contains(t),
                Waiter::Alarm(k) => *k == key,
            })
            .map(|(t, _)| self.state.targets.name(*t).clone())
            .collect();
        ids.sort();
        ids.dedup();
        ids
    }
}
