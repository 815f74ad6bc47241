//! What changes too often to mean anything.
//!
//! *Confirmed* changes within a sliding time are counted, not samples: a check that needs three bad
//! samples to fail has had its say three times already. Many changes start it, few end it, and the
//! gap between the two numbers keeps the flapping itself from flapping. While it lasts the incident
//! stays open; when it ends, whatever is true then is told.

use crate::Correlator;
use crate::state::{AlarmKey, Cause, CheckIx, Phase, Timer};
use model::{AlarmState, Timestamp};
use std::collections::VecDeque;
use std::time::Duration;

/// Changes remembered for each check; enough to judge, whatever is configured.
const CHANGES_MAX: usize = 64;
/// What flapped and cannot be seen now is looked at again after this long.
const LOOK_AGAIN: Duration = Duration::from_mins(5);

impl Correlator {
    /// Counts a confirmed change. True when there are so many that it flaps.
    pub(crate) fn count_change(&mut self, ix: CheckIx) -> bool {
        let f = self.flapping_of(ix);
        if f.start == 0 {
            return false;
        }
        let now = self.state.now;
        let changes = self.state.changes.entry(ix).or_default();
        changes.push_back(now);
        if changes.len() > CHANGES_MAX {
            changes.pop_front();
        }
        lately(changes, now - f.window) >= f.start as usize
    }

    /// Whether there were so many changes lately that it flaps.
    pub(crate) fn flaps(&self, ix: CheckIx) -> bool {
        let f = self.flapping_of(ix);
        f.start > 0 && self.changes_lately(ix) >= f.start as usize
    }

    pub(crate) fn changes_lately(&self, ix: CheckIx) -> usize {
        let from = self.state.now - self.flapping_of(ix).window;
        self.state.changes.get(&ix).map_or(0, |c| lately(c, from))
    }

    /// A sign of failure begins, or ends before it was confirmed. Where an incident of the same cause is over, the time in which it would
    /// be opened again begins anew: what is never well for so long is one trouble, though not all of
    /// it lasts long enough to be confirmed.
    pub(crate) fn shows_again(&mut self, ix: CheckIx, at: Timestamp) {
        let cause = Cause::Device(self.state.checks[ix as usize].target);
        let Some(over) = self.over.get(&cause).and_then(|all| all.last()) else { return };
        let within = self.settings.reopen_within;
        if let Some(i) = self.state.incidents.get_mut(over)
            && i.recovered_at.is_some_and(|since| at < since.max(i.last_sign) + within)
        {
            i.last_sign = at;
        }
    }

    pub(crate) fn is_flapping(&self, key: AlarmKey) -> bool {
        self.state.alarms.get(&key).is_some_and(|a| a.state == AlarmState::Flapping)
    }

    /// An alarm that is part of an incident flaps from here on. One that nobody was told of yet goes
    /// its usual way; if it is raised, it is raised as flapping.
    pub(crate) fn begin_flapping(&mut self, ix: CheckIx) {
        let key = AlarmKey::Silent(ix);
        let Some(alarm) = self.state.alarms.get_mut(&key) else { return };
        if alarm.incident.is_none() {
            if self.state.checks[ix as usize].phase == Phase::Ok {
                self.end_alarm(key, "it answers again");
            }
            return;
        }
        if alarm.state == AlarmState::Flapping {
            return;
        }
        let was = std::mem::replace(&mut alarm.state, AlarmState::Flapping);
        let incident = alarm.incident;
        let reason = format!(
            "{} confirmed changes within {}",
            self.changes_lately(ix),
            model::time::show_duration(self.flapping_of(ix).window)
        );
        self.clear_hold(key);
        self.touched.extend(incident);
        self.alarm_line(key, AlarmState::Flapping, was, incident, reason);
        self.watch_flapping(key);
    }

    /// Sees to it that we look again when few enough changes are left.
    pub(crate) fn watch_flapping(&mut self, key: AlarmKey) {
        let AlarmKey::Silent(ix) = key else { return };
        let f = self.flapping_of(ix);
        let Some(changes) = self.state.changes.get(&ix) else { return };
        let Some(last_to_leave) =
            changes.len().checked_sub(1 + f.end as usize).and_then(|n| changes.get(n))
        else {
            return;
        };
        let at = *last_to_leave + f.window + Duration::from_millis(1);
        self.state.timers.retain(|(_, t)| *t != Timer::Flap(ix));
        self.set_timer(at.max(self.state.now), Timer::Flap(ix));
    }

    /// Ends the flapping of a check if it has been steady enough, and tells how it ended.
    pub(crate) fn look_at_flapping(&mut self, ix: CheckIx) {
        let key = AlarmKey::Silent(ix);
        if !self.is_flapping(key) {
            return;
        }
        if self.changes_lately(ix) > self.flapping_of(ix).end as usize {
            self.watch_flapping(key);
            return;
        }
        if !self.observed_lately(ix) {
            // How it ended is told when somebody has looked.
            let interval = self.rule(ix).interval;
            self.set_timer(self.state.now + interval.mul_f64(2.5), Timer::Flap(ix));
            return;
        }
        let steady = match self.state.checks[ix as usize].phase {
            Phase::Ok => true,
            Phase::Bad | Phase::Clearing => false,
            Phase::Suspect | Phase::Unknown => {
                // In doubt it stays as it is, until it has been seen.
                self.set_timer(self.state.now + LOOK_AGAIN, Timer::Flap(ix));
                return;
            }
        };
        self.state.changes.remove(&ix);
        if steady {
            self.end_alarm(key, "it has been steady, and answers");
        } else if let Some(alarm) = self.state.alarms.get_mut(&key) {
            alarm.state = AlarmState::Raised;
            let incident = alarm.incident;
            self.touched.extend(incident);
            self.alarm_line(
                key,
                AlarmState::Raised,
                AlarmState::Flapping,
                incident,
                "it has been steady, and fails".into(),
            );
        }
        self.evaluate();
    }

    /// Whether an alarm of an incident gave a first good sign.
    pub(crate) fn recovering(&self, key: AlarmKey) -> bool {
        let AlarmKey::Silent(ix) = key else { return false };
        self.state.alarms.get(&key).is_some_and(|a| {
            a.incident.is_some()
                && match a.state {
                    AlarmState::Clearing => true,
                    AlarmState::Flapping => self.state.checks[ix as usize].phase == Phase::Clearing,
                    _ => false,
                }
        })
    }

    /// Whether the failure of a device that flaps as part of another's incident is so young that it
    /// may be that other again, which is not confirmed yet. It is looked at once more when it lasts.
    pub(crate) fn only_flaps(&mut self, cause: Cause, own: &[AlarmKey]) -> bool {
        let mut until = Timestamp::MIN;
        for key in own {
            let (AlarmKey::Silent(ix), Some(a)) = (*key, self.state.alarms.get(key)) else {
                return false;
            };
            let elsewhere = a
                .incident
                .and_then(|i| self.state.incidents.get(&i))
                .is_some_and(|i| i.open() && i.cause != cause);
            if a.state != AlarmState::Flapping || !elsewhere {
                return false;
            }
            until = until.max(self.state.checks[ix as usize].onset + self.settings.hold_max);
        }
        if own.is_empty() || until <= self.state.now {
            return false;
        }
        let key = own[0];
        self.clear_hold(key);
        if let Some(a) = self.state.alarms.get_mut(&key) {
            a.hold_until = until;
        }
        self.set_timer(until, Timer::Hold(key));
        true
    }
}

/// How many of these changes are newer than that.
fn lately(changes: &VecDeque<Timestamp>, from: Timestamp) -> usize {
    changes.iter().filter(|t| **t > from).count()
}
