//! Levels on values, each with a separate level to clear it, on the last value or on the mean over a
//! sliding time.
//!
//! A mean is kept only while there is something to average: it starts with the first value that is
//! not quiet, and everything before counts as quiet. So a million quiet checks cost nothing, and a
//! watch that is young cannot raise what it has not seen enough of. Samples lost to an outage that
//! was confirmed are not counted as loss: the outage tells of them.

use crate::Correlator;
use crate::state::{AlarmKey, CheckIx, Mean};
use model::settings::Threshold;
use model::{AlarmState, Timestamp, Values, Verdict};
use std::borrow::Cow;
use std::time::Duration;

/// A sliding time is kept in this many slots.
const SLOTS: i64 = 12;

impl Correlator {
    /// Judges the values of an answer. Something to say only when a level is involved.
    pub(crate) fn handle_levels(
        &mut self,
        ix: CheckIx,
        at: Timestamp,
        values: &Values<'_>,
    ) -> Option<(Verdict, Cow<'static, str>, bool)> {
        let rule = usize::from(self.state.checks[ix as usize].name);
        if self.rules[rule].thresholds.is_empty() {
            return None;
        }
        let mut said = None;
        for n in 0..self.rules[rule].thresholds.len() {
            let name = &self.rules[rule].thresholds[n].value;
            if let Some((_, value)) = values.iter().find(|(v, _)| v == name) {
                let now = self.judge(ix, n, at, *value);
                // That a level was crossed says more than that another was not.
                if !matches!((&said, &now), (Some(_), None | Some((Verdict::BelowThreshold, ..)))) {
                    said = now;
                }
            }
        }
        said
    }

    /// Samples that got no answer at all were lost, now that an answer shows that it was no outage.
    pub(crate) fn count_lost(&mut self, ix: CheckIx, at: Timestamp, lost: u32) {
        let rule = usize::from(self.state.checks[ix as usize].name);
        for n in 0..self.rules[rule].thresholds.len() {
            if self.rules[rule].thresholds[n].value == "loss_pct" {
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
        let rule = &self.rules[usize::from(self.state.checks[ix as usize].name)];
        let t = rule.thresholds.get(n)?;
        let (slot_key, key) = ((ix, n as u8), AlarmKey::Level(ix, n as u8));
        let raised = self.state.alarms.contains_key(&key);
        let quiet = !beyond(t, t.clear, value);
        if quiet && !raised && !self.state.means.contains_key(&slot_key) {
            return None;
        }
        let (t, interval) = (t.clone(), rule.interval);
        let mean = if t.over.is_zero() {
            value
        } else {
            let mean = self.state.means.entry(slot_key).or_default();
            mean.add(at, t.over, value);
            let (sum, count) = mean.total();
            let expected = (t.over.as_secs_f64() / interval.as_secs_f64().max(0.001)).max(1.0);
            if t.raise >= t.clear {
                sum / f64::from(count).max(expected)
            } else if f64::from(count) >= expected * 0.8 {
                sum / f64::from(count)
            } else {
                t.clear
            }
        };
        if raised {
            if beyond(&t, t.clear, mean) {
                return Some((
                    Verdict::Joined,
                    "still beyond the level that clears it".into(),
                    true,
                ));
            }
            self.state.means.remove(&slot_key);
            self.end_alarm(key, &format!("{} is {mean:.2}, back within {}", t.value, t.clear));
            return Some((Verdict::Recovered, "back within its level".into(), false));
        }
        if beyond(&t, t.raise, mean) {
            let over = if t.over.is_zero() {
                String::new()
            } else {
                format!(" over {}", model::time::show_duration(t.over))
            };
            let reason = format!("{} is {mean:.2}{over}; the level is {}", t.value, t.raise);
            self.raise_alarm(key, at, AlarmState::Ok, reason);
            return Some((Verdict::Joined, "beyond its level".into(), false));
        }
        if self.state.means.get(&slot_key).is_some_and(|m| m.total().0 == 0.0) {
            self.state.means.remove(&slot_key);
        }
        if quiet {
            return None;
        }
        Some((
            Verdict::BelowThreshold,
            format!("{} is {value}; not enough of it to raise", t.value).into(),
            false,
        ))
    }
}

/// Whether `value` is on the bad side of `level`: at or above it, or below it where low is bad.
fn beyond(t: &Threshold, level: f64, value: f64) -> bool {
    if t.raise >= t.clear { value >= level } else { value < level }
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
}
