//! Levels on values, each with a separate level to clear it, on the last value or on the mean over a
//! sliding time.
//!
//! A mean is kept only while there is something to average: it starts with the first value that is
//! not quiet, and everything before counts as quiet. So a million quiet checks cost nothing, and a
//! watch that is young cannot raise what it has not seen enough of. Samples lost to an outage that
//! was confirmed are not counted as loss: the outage tells of them.

use crate::Correlator;
use crate::state::{AlarmKey, CheckIx, Mean};
use model::settings::Measure;
use model::{AlarmState, Timestamp, Values, Verdict};
use std::borrow::Cow;
use std::time::Duration;

/// A sliding time is kept in this many slots.
pub(crate) const SLOTS: i64 = 12;
/// The value of a sample that says how much of it was lost.
pub(crate) const LOSS: &str = "loss_pct";
/// The value of a sample that says how many of its flows (packets of one fixed kind each, which take
/// one way each) got no answer at all.
pub(crate) const FLOWS: &str = "flows_lost";
/// So many samples lost in a row count as loss. More are a fade of what is given time to come back:
/// elsewhere they would be an outage.
const LOST_IN_A_ROW: u32 = 2;
/// What is usual is known after so many samples …
const USUAL_AFTER: u8 = 64;
/// … and remembered over about so many: half a day at one every 20 s.
const USUAL_OVER: f64 = 2048.0;

impl Correlator {
    /// Judges the values of an answer. Something to say only when a level is involved.
    pub(crate) fn handle_levels(
        &mut self,
        ix: CheckIx,
        at: Timestamp,
        values: &Values<'_>,
    ) -> Option<(Verdict, Cow<'static, str>, bool)> {
        let mut said = None;
        let mut learned = false;
        let some_flows = self.loses_some_flows(ix);
        for n in 0..self.rule(ix).thresholds.len() {
            let t = &self.rule(ix).thresholds[n];
            let Some((_, value)) = values.iter().find(|(v, _)| *v == t.value) else { continue };
            if some_flows && t.value == LOSS {
                // What some flows lose all of is no loss on the way, but a way.
                self.state.means.remove(&(ix, n as u8));
                continue;
            }
            let usual = matches!(t.measure, Measure::Baseline { .. });
            let now = self.judge(ix, n, at, *value);
            if usual && !learned {
                learned = true;
                self.learn_usual(ix, *value);
            }
            // That a level was crossed says more than that another was not.
            if !matches!((&said, &now), (Some(_), None | Some((Verdict::BelowThreshold, ..)))) {
                said = now;
            }
        }
        said
    }

    /// Samples that got no answer at all were lost, now that an answer shows that it was no outage.
    /// In doubt the probe asks more often than usual, and a mean is over time: they count as many as
    /// there would have been at the usual pace.
    pub(crate) fn count_lost(&mut self, ix: CheckIx, at: Timestamp, lost: u32) {
        let silent = at.since(self.state.checks[ix as usize].onset).as_secs_f64();
        let usual = silent / self.rule(ix).interval.as_secs_f64().max(0.001);
        let lost = lost.min((usual as u32).clamp(1, LOST_IN_A_ROW));
        for n in 0..self.rule(ix).thresholds.len() {
            if self.rule(ix).thresholds[n].value == LOSS {
                for _ in 0..lost {
                    self.judge(ix, n, at, 100.0);
                }
            }
        }
    }

    fn judge(
        &mut self,
        ix: CheckIx,
        n: usize,
        at: Timestamp,
        value: f64,
    ) -> Option<(Verdict, Cow<'static, str>, bool)> {
        let (slot_key, key) = ((ix, n as u8), AlarmKey::Level(ix, n as u8));
        let level = self.level(ix, n)?;
        let raised = self.state.alarms.contains_key(&key);
        let quiet = level.measure != Measure::Rise && !level.beyond(level.clear, value);
        if quiet && !raised && !self.state.means.contains_key(&slot_key) {
            return None;
        }
        let interval = self.rule(ix).interval;
        let measured = if level.over.is_zero() {
            value
        } else {
            let mean = self.state.means.entry(slot_key).or_default();
            match level.measure {
                Measure::Rise => value - mean.least(at, level.over, value),
                Measure::Least => {
                    let least = mean.least(at, level.over, value);
                    let enough = level.over.as_secs_f64() / interval.as_secs_f64().max(0.001);
                    // Before it was so for long enough it was not.
                    if raised || f64::from(mean.total().1) >= enough * 0.8 { least } else { 0.0 }
                }
                Measure::Mean | Measure::Baseline { .. } => {
                    mean.add(at, level.over, value);
                    mean.over(&level, interval)
                }
            }
        };
        let name = &self.rule(ix).thresholds[n].value;
        if raised {
            if level.beyond(level.clear, measured) {
                if self.is_another_loss(key) {
                    self.dirty.alarms.insert(key);
                }
                return Some((
                    Verdict::Joined,
                    "still beyond the level that clears it".into(),
                    true,
                ));
            }
            let reason = match level.measure {
                Measure::Rise => format!("{name} rises no more: {measured:.2}"),
                Measure::Baseline { .. } => {
                    format!("{name} is {measured:.2}, back within {:.2}", level.clear)
                }
                _ => format!("{name} is {measured:.2}, back within {}", level.clear),
            };
            if level.measure != Measure::Rise {
                self.state.means.remove(&slot_key);
            }
            self.end_alarm(key, &reason);
            return Some((Verdict::Recovered, "back within its level".into(), false));
        }
        if level.beyond(level.raise, measured) {
            let over = if level.over.is_zero() {
                String::new()
            } else {
                format!(" over {}", model::time::show_duration(level.over))
            };
            let reason = match (level.measure, self.usual(ix)) {
                (Measure::Rise, _) => format!("{name} rose by {measured:.2}{over}, to {value}"),
                (Measure::Baseline { .. }, Some(usual)) => format!(
                    "{name} is {measured:.2}{over}; usual here is {usual:.2}, the level is {:.2}",
                    level.raise
                ),
                (Measure::Least, _) => {
                    format!("{name} is at least {measured}{over}; the level is {}", level.raise)
                }
                _ => format!("{name} is {measured:.2}{over}; the level is {}", level.raise),
            };
            self.raise_alarm(key, at, AlarmState::Ok, reason);
            return Some((Verdict::Joined, "beyond its level".into(), false));
        }
        if level.measure == Measure::Rise {
            return None;
        }
        let forgotten = quiet && level.measure == Measure::Least;
        if forgotten || self.state.means.get(&slot_key).is_some_and(|m| m.total().0 == 0.0) {
            self.state.means.remove(&slot_key);
        }
        if quiet {
            return None;
        }
        Some((
            Verdict::BelowThreshold,
            format!("{} is {value}; not enough of it to raise", self.rule(ix).thresholds[n].value)
                .into(),
            false,
        ))
    }

    /// Whether some of the flows to a target lose everything, and others do not.
    fn loses_some_flows(&self, ix: CheckIx) -> bool {
        let levels = AlarmKey::Level(ix, 0)..=AlarmKey::Level(ix, u8::MAX);
        !self.state.alarms.is_empty()
            && self.state.alarms.range(levels).any(|(k, _)| {
                let AlarmKey::Level(_, n) = *k else { return false };
                self.rule(ix).thresholds.get(usize::from(n)).is_some_and(|t| t.value == FLOWS)
            })
    }

    /// Whether a level is about how much a value rose.
    pub(crate) fn is_a_rise(&self, ix: CheckIx, n: u8) -> bool {
        self.rule(ix).thresholds.get(usize::from(n)).is_some_and(|t| t.measure == Measure::Rise)
    }

    /// The mean of a level of a check now, when there is anything to average.
    pub(crate) fn mean_of(&self, ix: CheckIx, n: u8) -> Option<f64> {
        let mean = self.state.means.get(&(ix, n))?;
        Some(mean.over(&self.level(ix, usize::from(n))?, self.rule(ix).interval))
    }

    /// Whether a value is not quiet, as one of the levels of its check goes.
    pub(crate) fn is_beyond_clear(&self, ix: CheckIx, n: usize, value: f64) -> bool {
        self.level(ix, n).is_some_and(|l| l.measure != Measure::Rise && l.beyond(l.clear, value))
    }

    /// A level as it is for this check now: what is usual for it counted in.
    fn level(&self, ix: CheckIx, n: usize) -> Option<Level> {
        let t = self.rule(ix).thresholds.get(n)?;
        let (mut raise, mut clear) = (t.raise, t.clear);
        if let Measure::Baseline { raise: times, clear: fewer } = t.measure {
            match self.usual(ix) {
                Some(usual) => {
                    raise = raise.max(usual * times);
                    clear = clear.max(usual * fewer);
                }
                // Nothing is unusual before it is known what is usual.
                None => raise = f64::INFINITY,
            }
        }
        Some(Level { raise, clear, low: t.raise < t.clear, over: t.over, measure: t.measure })
    }

    /// What is usual for the value of a check that has a level relative to that.
    pub(crate) fn usual(&self, ix: CheckIx) -> Option<f64> {
        let known = self.state.checks[ix as usize].learned >= USUAL_AFTER;
        known.then(|| f64::from(self.state.usual[ix as usize]))
    }

    fn learn_usual(&mut self, ix: CheckIx, value: f64) {
        let all = &mut self.state.usual;
        if all.len() <= ix as usize {
            // There may be a million, and a vector that doubles wastes half of them.
            all.reserve_exact(ix as usize + 1 - all.len() + all.len() / 32);
            all.resize(ix as usize + 1, 0.0);
        }
        let learned = &mut self.state.checks[ix as usize].learned;
        *learned = learned.saturating_add(1);
        let over = if *learned == u8::MAX { USUAL_OVER } else { f64::from(*learned) };
        let mean = f64::from(all[ix as usize]);
        // A bad hour moves it hardly; a new way that stays is usual after half a day.
        let value = if *learned > 16 { value.min(2.0 * mean) } else { value };
        all[ix as usize] = (mean + (value - mean) / over) as f32;
    }
}

/// A level, ready to be held against.
#[derive(Debug, Clone, Copy)]
struct Level {
    raise: f64,
    clear: f64,
    /// Low is bad.
    low: bool,
    over: Duration,
    measure: Measure,
}

impl Level {
    /// Whether `value` is on the bad side of `level`: at or above it, or below it where low is bad.
    fn beyond(&self, level: f64, value: f64) -> bool {
        if self.low { value < level } else { value >= level }
    }
}

impl Mean {
    fn add(&mut self, at: Timestamp, over: Duration, value: f64) {
        let width = (over.as_millis() as i64 / SLOTS).max(1);
        let slot = at.as_millis().div_euclid(width);
        while self.slots.front().is_some_and(|(s, ..)| *s <= slot - SLOTS) {
            self.slots.pop_front();
        }
        match self.slots.iter_mut().rev().find(|(s, ..)| *s == slot) {
            Some((_, sum, count)) => {
                *sum += value;
                *count += 1;
            }
            None => self.slots.push_back((slot, value, 1)),
        }
    }

    fn total(&self) -> (f64, u32) {
        self.slots.iter().fold((0.0, 0), |(sum, count), (_, s, c)| (sum + s, count + c))
    }

    /// Takes in a value, and says which was the least within the time.
    fn least(&mut self, at: Timestamp, over: Duration, value: f64) -> f64 {
        let width = (over.as_millis() as i64 / SLOTS).max(1);
        let slot = at.as_millis().div_euclid(width);
        while self.slots.front().is_some_and(|(s, ..)| *s <= slot - SLOTS) {
            self.slots.pop_front();
        }
        match self.slots.iter_mut().rev().find(|(s, ..)| *s == slot) {
            Some((_, low, count)) => {
                *low = low.min(value);
                *count += 1;
            }
            None => self.slots.push_back((slot, value, 1)),
        }
        self.slots.iter().map(|(_, low, _)| *low).fold(value, f64::min)
    }

    /// The mean over the time: what was not told counts as quiet, and where low is bad a mean over
    /// too little says nothing.
    fn over(&self, level: &Level, interval: Duration) -> f64 {
        let (sum, count) = self.total();
        let expected = (level.over.as_secs_f64() / interval.as_secs_f64().max(0.001)).max(1.0);
        if !level.low {
            sum / f64::from(count).max(expected)
        } else if f64::from(count) >= expected * 0.8 {
            sum / f64::from(count)
        } else {
            level.clear
        }
    }
}
