//! Another inventory or other settings: what they take away, and what they call otherwise.

use crate::Correlator;
use crate::reach::Thing;
use crate::state::{AlarmKey, Cause, CheckIx, IncidentIx, Phase};
use model::{AlarmLine, AlarmState, Decision, Inventory};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What an alarm is called: its target and its check.
type Name = (Arc<str>, Arc<str>);

/// What was said of alarms and of checks that are in doubt, by the names they had.
pub(crate) struct Called {
    alarms: BTreeMap<AlarmKey, Name>,
    in_doubt: BTreeMap<CheckIx, Name>,
}

impl Correlator {
    /// What a probe saw that is there no more was seen by nobody. Before the inventory changes, so
    /// that it ends under the name it had.
    pub(crate) fn let_go_of_probes(&mut self, inventory: &Inventory) {
        let gone: Vec<u16> = (0..self.state.probes.len() as u16)
            .filter(|p| {
                let name = self.state.probes.name(u32::from(*p));
                self.inventory.probe(name).is_some() && inventory.probe(name).is_none()
            })
            .collect();
        if gone.is_empty() {
            return;
        }
        let of_them: Vec<CheckIx> = (0..self.state.checks.len() as CheckIx)
            .filter(|ix| gone.contains(&self.state.checks[*ix as usize].probe))
            .collect();
        for ix in of_them {
            self.has_a_name(ix);
            let levels = AlarmKey::Level(ix, 0)..=AlarmKey::Level(ix, u8::MAX);
            let mut keys: Vec<AlarmKey> =
                self.state.alarms.range(levels).map(|(k, _)| *k).collect();
            keys.push(AlarmKey::Silent(ix));
            for key in keys {
                self.end_alarm(key, "its probe was removed from the inventory");
            }
            let means = self.state.means.range((ix, 0)..=(ix, u8::MAX)).map(|(k, _)| *k);
            for mean in means.collect::<Vec<_>>() {
                self.state.means.remove(&mean);
            }
            self.state.changes.remove(&ix);
            let c = &mut self.state.checks[ix as usize];
            (c.phase, c.history, c.seen, c.good_run) = (Phase::Unknown, 0, 0, 0);
        }
    }

    /// What everything is called now that stands in the record as something else than ok.
    pub(crate) fn called(&self) -> Called {
        let alarms = self.state.alarms.keys().map(|k| (*k, self.name_of(*k)));
        let in_doubt = (0..self.state.checks.len() as CheckIx).filter(|ix| {
            let c = &self.state.checks[*ix as usize];
            c.phase == Phase::Suspect && !self.state.alarms.contains_key(&AlarmKey::Silent(*ix))
        });
        Called {
            alarms: alarms.collect(),
            in_doubt: in_doubt.map(|ix| (ix, self.name_of(AlarmKey::Silent(ix)))).collect(),
        }
    }

    /// Says it where the name of an alarm is another one now, so that nothing stands under the old.
    pub(crate) fn say_new_names(&mut self, before: Called) {
        for (key, old) in before.alarms {
            let Some(a) = self.state.alarms.get(&key) else { continue };
            let (state, incident) = (a.state, a.incident);
            self.say_new_name(key, old, state, incident);
        }
        for (ix, old) in before.in_doubt {
            if self.state.checks[ix as usize].phase == Phase::Suspect {
                self.say_new_name(AlarmKey::Silent(ix), old, AlarmState::Suspect, None);
            }
        }
    }

    fn say_new_name(
        &mut self,
        key: AlarmKey,
        old: Name,
        state: AlarmState,
        incident: Option<IncidentIx>,
    ) {
        let new = self.name_of(key);
        if new == old {
            return;
        }
        let incident = incident.and_then(|i| Some(self.state.incidents.get(&i)?.id.clone()));
        let reason = format!("it is called {} from here on", new.1);
        let (target, check) = old.clone();
        self.out.push_back(Decision::Alarm(AlarmLine {
            at: self.state.now,
            target,
            check,
            state: AlarmState::Ok,
            was: state,
            incident: incident.clone(),
            reason,
        }));
        self.out.push_back(Decision::Alarm(AlarmLine {
            at: self.state.now,
            target: new.0,
            check: new.1,
            state,
            was: AlarmState::Ok,
            incident,
            reason: format!("it was called {} until here", old.1),
        }));
    }

    /// What others said of something that nobody had declared is about something that is known now:
    /// its incident is about that from here on, or belongs to the one that is.
    pub(crate) fn recognise_strangers(&mut self) {
        let signals: Vec<(AlarmKey, IncidentIx)> = self
            .state
            .alarms
            .iter()
            .filter(|(k, _)| matches!(k, AlarmKey::Signal(_)))
            .filter_map(|(k, a)| Some((*k, a.incident?)))
            .collect();
        for (key, incident) in signals {
            let target = self.target_of_alarm(key);
            let thing = self.reach.things[target as usize];
            let was = self.state.incidents[&incident].cause;
            if !matches!(was, Cause::Other(_)) || thing == Thing::Stranger {
                continue;
            }
            let (cause, root) = self.local_cause(key, target, thing);
            match self.open.get(&cause).copied() {
                _ if cause == was => {}
                None => self.reroot(incident, cause, root, None),
                Some(known) => {
                    self.attach(key, known, &mut BTreeMap::new());
                    if self.state.incidents[&incident].members.is_empty() {
                        self.merge(incident, known);
                    }
                }
            }
        }
    }
}
