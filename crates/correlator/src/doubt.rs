//! What is in doubt: put there afresh, asked until it is confirmed, or answering before it was.

use crate::Correlator;
use crate::evaluate::ASK_AGAIN;
use crate::reach::{Thing, silent};
use crate::state::{Alarm, AlarmKey, Cause, CheckIx, Phase, Timer};
use model::AlarmState;
use model::inventory::DeviceIx;
use std::collections::BTreeSet;
use std::time::Duration;

/// What is behind a failure may be silent so much earlier than what is nearer.
const TOGETHER: Duration = Duration::from_secs(60);
/// What has lasted long enough is asked for until it has answered, for so long.
const ASKED_FOR: Duration = Duration::from_secs(10);

impl Correlator {
    /// A check that was asked afresh answers: it is no part of the old incident any more.
    pub(crate) fn part_of(&mut self, ix: CheckIx) {
        let key = silent(ix);
        if self.state.alarms.contains_key(&key) && !self.is_flapping(key) {
            self.drop_alarm(key);
            let device = self.reach.device_of(self.state.checks[ix as usize].target);
            self.dirty.devices.extend(device.map(|d| d.0));
        }
    }

    /// A device that was in doubt answers, and nothing comes of it. What failed with it and waited to
    /// be explained by it was seen through what was silent, for too short a time to be confirmed: it is
    /// asked afresh, as behind any other that comes back.
    pub(crate) fn only_doubted(&mut self, ix: CheckIx) {
        let check = &self.state.checks[ix as usize];
        let (since, target) = (check.onset, check.target);
        let Some(device) = self.reach.device_of(target).filter(|_| self.proves_reach(ix)) else {
            return;
        };
        self.shows_again(ix, self.state.now);
        let mut behind = BTreeSet::new();
        for m in self.reach.down_beside(&self.inventory, device.0) {
            if !behind.contains(&m) {
                behind.extend(self.reach.all_around(&self.inventory, m));
            }
        }
        let further = |m: &u32| self.reach.depth[*m as usize] > self.reach.depth[device.0 as usize];
        let mut keys: BTreeSet<AlarmKey> =
            behind.into_iter().filter(further).flat_map(|m| self.reach_alarms(m)).collect();
        // What was read of its ports just then, and that its agent did not answer.
        keys.extend(self.local_alarms_of(device.0));
        let with_it = |a: &Alarm| a.onset + TOGETHER >= since;
        for key in keys {
            if matches!(key, AlarmKey::Silent(_))
                && self.waits_to_be_told(key)
                && self.state.alarms.get(&key).is_some_and(|a| with_it(a))
            {
                self.confirm_afresh(key, "what may explain it answers; it is asked afresh");
            }
        }
    }

    /// Whether an end of a link is in doubt: suspect, and not known to be unreachable.
    pub(crate) fn ends_in_doubt(&self, link: u32) -> bool {
        let in_doubt = |d: &DeviceIx| {
            let view = &self.reach.devices[d.0 as usize];
            view.observed && !view.down() && !view.suspect.is_empty()
        };
        self.inventory.links[link as usize].ends.iter().any(in_doubt)
    }

    /// What has to fail for a while is asked when that is over: the next sample of the grid may come
    /// when the failure has just ended, and nobody would hear of a minute without an answer.
    pub(crate) fn ask_when_it_has_lasted(&mut self, ix: CheckIx, lasts: Duration) {
        if !lasts.is_zero() {
            let onset = self.state.checks[ix as usize].onset;
            self.set_timer((onset + lasts).max(self.state.now), Timer::Lasts(ix));
        }
    }

    /// Asks what is in doubt for as long as it takes to be confirmed.
    pub(crate) fn has_it_lasted(&mut self, ix: CheckIx) {
        let c = &self.state.checks[ix as usize];
        let lasts = self.rule(ix).down_for;
        let (target, now, long) = (c.target, self.state.now, c.onset + lasts);
        if c.phase != Phase::Suspect || long > now {
            return;
        }
        self.ask_about(target);
        if now < long + ASKED_FOR {
            // It may have been asked a moment ago, and is not asked twice at once.
            self.set_timer(now + ASK_AGAIN, Timer::Lasts(ix));
        }
    }

    /// Whether a device that was asked afresh, and is down no more but in doubt, still explains what is
    /// behind it: when it answers, that is asked afresh as behind any other.
    pub(crate) fn explains_while_in_doubt(&self, ix: CheckIx, device: DeviceIx) -> bool {
        let view = &self.reach.devices[device.0 as usize];
        view.silent.is_empty()
            && self.open.contains_key(&Cause::Device(self.state.checks[ix as usize].target))
            && self.proves_reach(ix)
    }

    /// Forgets the samples of what is not confirmed; a confirmed failure must be seen good again
    /// from the start.
    pub(crate) fn forget_samples(&mut self, ix: CheckIx, why: &str) {
        let c = &mut self.state.checks[ix as usize];
        c.good_run = 0;
        match c.phase {
            Phase::Bad => {}
            Phase::Clearing => {
                c.phase = Phase::Bad;
                let alarm = self.state.alarms.get(&silent(ix));
                if alarm.is_some_and(|a| a.state == AlarmState::Clearing) {
                    self.shift(silent(ix), AlarmState::Raised, why);
                }
            }
            Phase::Ok | Phase::Unknown => {
                (c.history, c.seen) = (0, 0);
            }
            Phase::Suspect => {
                (c.history, c.seen, c.phase) = (0, 0, Phase::Unknown);
                self.no_longer_suspect(ix);
                if self.is_flapping(silent(ix)) {
                    return;
                }
                self.alarm_line(
                    silent(ix),
                    AlarmState::Unknown,
                    AlarmState::Suspect,
                    self.lingering(ix),
                    why.into(),
                );
            }
        }
    }

    /// What was confirmed must be confirmed again, with samples from now on. It stays in its incident.
    pub(crate) fn confirm_afresh(&mut self, key: AlarmKey, reason: &str) {
        let AlarmKey::Silent(ix) = key else { return };
        let now = self.state.now;
        let target = {
            let c = &mut self.state.checks[ix as usize];
            (c.phase, c.history, c.seen, c.good_run, c.onset) = (Phase::Suspect, 0, 0, 0, now);
            c.target
        };
        if let Some(d) = self.reach.device_of(target) {
            self.reach.devices[d.0 as usize].silent.remove(&ix);
        }
        self.now_suspect(ix);
        if let Thing::Port(_, Some(l)) = self.reach.things[target as usize] {
            self.reach.links[l.0 as usize].down.remove(&ix);
        }
        let Some(alarm) = self.state.alarms.get_mut(&key) else { return };
        let was = alarm.state;
        let incident = alarm.incident;
        // What flaps keeps flapping; that it fails must be seen again all the same.
        if was != AlarmState::Flapping {
            alarm.state = AlarmState::Suspect;
            self.alarm_line(key, AlarmState::Suspect, was, incident, reason.into());
        }
        self.ask_about(target);
    }

    /// How long after the first failure of this alarm something nearer may still be about to fail.
    ///
    /// What is behind a failure can fall silent up to a minute before what is nearer does. Where the
    /// probe asks again at the first doubt, whoever is nearer is asked too, and its answer settles it.
    /// Where samples come at their usual pace (a recording, or a probe that does not listen), only
    /// an answer from after that minute does: three intervals.
    pub(crate) fn race(&self, key: AlarmKey) -> Duration {
        self.state.alarms.get(&key).map_or(Duration::ZERO, |a| self.race_of(key, a))
    }

    /// The same, for one that is at hand.
    pub(crate) fn race_of(&self, key: AlarmKey, a: &Alarm) -> Duration {
        let AlarmKey::Silent(ix) = key else { return Duration::ZERO };
        let interval = self.rules[usize::from(self.state.checks[ix as usize].name)].interval;
        let asked_again = a.confirmed.since(a.onset) < interval.mul_f64(1.5);
        if asked_again { Duration::ZERO } else { interval * 3 }
    }
}
