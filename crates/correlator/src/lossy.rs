//! How much gets lost, where, since when; and whether two lose alike.
//!
//! What one link loses, everybody behind it loses to the same share, but chance makes one of them
//! reach its level long before another. So nobody is called well because he has not reached it:
//! what was lost is counted since the loss at hand began, of all together who would share it.

use crate::Correlator;
use crate::level::LOSS;
use crate::reach::Thing;
use crate::state::{AlarmKey, Cause, CheckIx, IncidentIx};
use model::Timestamp;
use model::settings::{Measure, Threshold};
use std::collections::BTreeSet;
use std::time::Duration;

/// From this part of the way between the level that clears and the one that raises on, a target is
/// on its way to be lossy.
pub(crate) const ON_ITS_WAY: f64 = 0.25;
/// A sample is several packets, about so many.
const PACKETS: f64 = 3.0;
/// So many say as much as all.
const ASKED_MAX: usize = 64;
/// What loses by itself loses this much more than what is nearer …
const MUCH_MORE: f64 = 2.5;
/// … and so many packets beyond that: by chance it happens once in millions of times.
const BEYOND_CHANCE: f64 = 8.0;
/// It is certain enough when it is so much more likely, as a logarithm: twenty times.
const SURE: f64 = 3.0;

/// So many requests in a row an agent misses before it is said to be silent, where packets get lost.
const REQUESTS_MISSED: u8 = 4;

/// Packets lost of those sent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Lost {
    pub(crate) lost: f64,
    pub(crate) of: f64,
}

impl Lost {
    /// The share, from 0 to 1.
    fn share(self) -> f64 {
        if self.of > 0.0 { self.lost / self.of } else { 0.0 }
    }

    /// Whether it lost so much more than this share that it is another loss.
    fn much_more_than(self, share: f64) -> bool {
        self.lost >= MUCH_MORE * share * self.of + BEYOND_CHANCE
    }
}

/// Whether somebody nearer loses as somebody further on does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alike {
    Yes,
    /// Too little was sent to tell.
    Perhaps,
    No,
}

/// A loss that is to be explained.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss {
    /// The time of its mean.
    over: Duration,
    /// Since when it lasts, as far as that mean remembers.
    from: Timestamp,
    own: Lost,
}

impl Correlator {
    /// The loss that this level is about.
    pub(crate) fn loss_of(&self, ix: CheckIx, n: u8) -> Option<Loss> {
        let t = self.rule(ix).thresholds.get(usize::from(n)).filter(|t| counts(t))?;
        let mean = self.state.means.get(&(ix, n))?;
        let width = slot(t.over);
        let now = self.state.now.as_millis().div_euclid(width);
        let each = width as f64 / self.rule(ix).interval.as_millis().max(1) as f64;
        // It began where most was lost beyond what is no loss yet, looking back from now.
        let (mut beyond, mut most, mut first) = (0.0, f64::MIN, now);
        for back in 0..crate::level::SLOTS {
            let s = mean.slots.iter().find(|(s, ..)| *s == now - back);
            let (sum, count) = s.map_or((0.0, 0), |(_, sum, count)| (*sum, *count));
            beyond += sum - t.clear * if back == 0 { f64::from(count) } else { each };
            if beyond > most {
                (most, first) = (beyond, now - back);
            }
        }
        let from = Timestamp::from_millis(first * width);
        let own = self.lost_since(ix, t.over, from)?;
        Some(Loss { over: t.over, from, own })
    }

    /// What a check lost since then.
    fn lost_since(&self, ix: CheckIx, over: Duration, from: Timestamp) -> Option<Lost> {
        let rule = self.rule(ix);
        let all = || rule.thresholds.iter().zip(0u8..).filter(|(t, _)| counts(t));
        let (t, n) =
            all().find(|(t, _)| t.over == over).or_else(|| all().max_by_key(|(t, _)| t.over))?;
        let expected =
            self.state.now.since(from).as_secs_f64() / rule.interval.as_secs_f64().max(0.001);
        let width = slot(t.over);
        let mean = self.state.means.get(&(ix, n));
        let slots = mean.into_iter().flat_map(|m| &m.slots);
        let (sum, count) = slots
            .filter(|(s, ..)| *s >= from.as_millis().div_euclid(width))
            .fold((0.0, 0), |(sum, count), (_, s, c)| (sum + s, count + c));
        let of = f64::from(count).max(expected) * PACKETS;
        Some(Lost { lost: sum / 100.0 * PACKETS, of })
    }

    /// What a device lost since then, by the check by which it lost most; nothing when it is not
    /// asked, or does not answer.
    fn lost_by(&self, device: u32, over: Duration, from: Timestamp) -> Option<Lost> {
        if self.reach.devices[device as usize].down() {
            return None;
        }
        let heard = |ix: &CheckIx| {
            let rule = self.rule(*ix);
            let stale = rule.interval.mul_f64(rule.stale_after);
            self.state.checks[*ix as usize].last_reply + stale >= self.state.now
        };
        let checks = self.reach.checks_of_device(device).iter().copied();
        let known = checks.filter(|ix| self.proves_reach(*ix)).filter(heard);
        known
            .filter_map(|ix| self.lost_since(ix, over, from))
            .max_by(|a, b| a.share().total_cmp(&b.share()))
    }

    /// From which share on somebody counts as on his way to be lossy.
    fn lossy_from(&self, device: u32) -> f64 {
        self.least_level(device, |t| t.clear + (t.raise - t.clear) * ON_ITS_WAY)
    }

    fn least_level(&self, device: u32, of: impl Fn(&Threshold) -> f64) -> f64 {
        let checks = self.reach.checks_of_device(device).iter();
        let levels = checks.flat_map(|ix| &self.rule(*ix).thresholds).filter(|t| counts(t));
        levels.map(|t| of(t) / 100.0).fold(1.0, f64::min)
    }

    /// Whether a device, those behind it that are not behind `further`, and those between them lose as
    /// it does there: then it is lost on the way to the device, or nearer.
    pub(crate) fn loses_alike(
        &mut self,
        device: u32,
        further: u32,
        between: &[u32],
        loss: &Loss,
    ) -> Alike {
        let own = self.lost_by(device, loss.over, loss.from).unwrap_or_default();
        if loss.own.much_more_than(own.share().max(self.long_share(device))) {
            return Alike::No;
        }
        if self.is_told_lossy(device) {
            return Alike::Yes;
        }
        // Whoever is blamed for losing already is asked since then: when this one began is a guess, and
        // the hours before say nothing.
        let blamed = self.known_to_lose_since(device).filter(|since| *since > loss.from);
        let since = blamed.and_then(|since| self.lost_by(device, loss.over, since)).unwrap_or(own);
        if self.looks_lossy(device, since) < -SURE {
            return Alike::No;
        }
        let behind = self.behind(device);
        let there = self.behind(further);
        let depth = |m: u32| self.reach.depth[m as usize];
        // Of a ring nobody is behind another; those next to it go through it all the same.
        let next = self.inventory.graph.neighbours(device).iter().map(|(m, _)| *m);
        let next = next.filter(|m| depth(*m) > depth(device));
        let others: BTreeSet<u32> = between
            .iter()
            .chain(&*behind)
            .copied()
            .chain(next)
            .filter(|m| *m != further && there.binary_search(m).is_err())
            .collect();
        // Some of everywhere.
        let step = others.len().div_ceil(ASKED_MAX).max(1);
        let (mut all, mut badly, mut asked) = (self.looks_lossy(device, own), 0, 0);
        for m in others.into_iter().step_by(step) {
            let Some(lost) = self.lost_by(m, loss.over, loss.from) else { continue };
            let looks = self.looks_lossy(m, lost);
            all += looks;
            asked += 1;
            badly += usize::from(looks > 0.0);
        }
        // Beyond one that may be well it must be all the surer.
        let sure = if between.is_empty() { SURE } else { 2.0 * SURE };
        // The others may lose for reasons of their own, but not most of them.
        if all >= sure && 2 * badly >= asked { Alike::Yes } else { Alike::Perhaps }
    }

    /// Whether a level of a device is raised that is about loss.
    fn is_told_lossy(&self, device: u32) -> bool {
        let checks = self.reach.checks_of_device(device).iter();
        let mut levels = checks.flat_map(|ix| {
            let levels = self.rule(*ix).thresholds.iter().zip(0u8..);
            levels.filter(|(t, _)| counts(t)).map(|(_, n)| AlarmKey::Level(*ix, n))
        });
        levels.any(|k| self.state.alarms.contains_key(&k))
    }

    /// How much more likely it is that a device lost so much because it is lossy than because it is
    /// well, as a logarithm: the likelihood ratio of two Poisson processes.
    fn looks_lossy(&self, device: u32, l: Lost) -> f64 {
        let lossy = self.least_level(device, |t| t.raise);
        let well = self.least_level(device, |t| t.clear / 2.0).max(lossy / 100.0);
        l.lost * (lossy / well).ln() - l.of * (lossy - well)
    }

    /// The open incident that another level of this check about loss stands in: what the same packets
    /// say over another time is the same loss.
    pub(crate) fn told_by_another_level(&self, key: AlarmKey) -> Option<IncidentIx> {
        let AlarmKey::Level(ix, n) = key else { return None };
        let thresholds = &self.rule(ix).thresholds;
        if !thresholds.get(usize::from(n)).is_some_and(counts)
            || self.state.alarms.get(&key)?.incident.is_some()
        {
            return None;
        }
        let levels = thresholds.iter().zip(0u8..).filter(|(t, m)| *m != n && counts(t));
        levels.map(|(_, m)| AlarmKey::Level(ix, m)).find_map(|other| {
            let told = self.state.alarms.get(&other)?.incident?;
            let i = self.state.incidents.get(&told)?;
            (i.open() && self.only_a_bad_way(i) && !self.is_another_loss(other)).then_some(told)
        })
    }

    /// When the loss began that an alarm is about.
    pub(crate) fn loss_began(&self, key: AlarmKey) -> Option<Timestamp> {
        let AlarmKey::Level(ix, n) = key else { return None };
        Some(self.loss_of(ix, n)?.from)
    }

    /// Whether an alarm is thought to be part of a loss that is nearer, and loses so much more now that
    /// it is another one. Over the shortest of times: what is nearer may be over already, and has
    /// forgotten what it lost.
    pub(crate) fn is_another_loss(&self, key: AlarmKey) -> bool {
        let AlarmKey::Level(ix, n) = key else { return false };
        if !self.rule(ix).thresholds.get(usize::from(n)).is_some_and(counts) {
            return false;
        }
        let nearer =
            self.state.alarms.get(&key).and_then(|a| a.incident).and_then(|i| {
                match self.state.incidents.get(&i)?.cause {
                    Cause::Device(t) => self.reach.device_of(t),
                    _ => None,
                }
            });
        let Some(nearer) = nearer.filter(|d| {
            self.reach.device_of(self.state.checks[ix as usize].target) != Some(*d)
                && !self.reach.devices[d.0 as usize].down()
        }) else {
            return false;
        };
        let levels = self.rule(ix).thresholds.iter().zip(0u8..).filter(|(t, _)| counts(t));
        let shortest = levels.min_by_key(|(t, _)| t.over).map(|(_, n)| n);
        let Some(loss) = shortest.and_then(|n| self.loss_of(ix, n)) else { return false };
        let there = self.lost_by(nearer.0, loss.over, loss.from).map_or(0.0, Lost::share);
        loss.own.much_more_than(there.max(self.long_share(nearer.0)))
    }

    /// The share that a device lost over the longest time that is remembered.
    fn long_share(&self, device: u32) -> f64 {
        let checks = self.reach.checks_of_device(device).iter();
        checks
            .filter(|ix| self.proves_reach(**ix))
            .filter_map(|ix| {
                let levels = self.rule(*ix).thresholds.iter().zip(0u8..);
                let (_, n) = levels.filter(|(t, _)| counts(t)).max_by_key(|(t, _)| t.over)?;
                Some(self.mean_of(*ix, n)? / 100.0)
            })
            .fold(0.0, f64::max)
    }

    /// How many silent samples, of how many, confirm that a target is silent. Where a part of the
    /// packets is lost, whole samples are by chance: then all of them must be silent, unless the
    /// silence has to last anyway. An agent is asked with fewer packets, and must miss more requests.
    pub(crate) fn confirmed_by(&self, ix: CheckIx) -> (u8, u8) {
        let rule = self.rule(ix);
        let usual = (rule.down_needs, rule.down_of);
        let target = self.state.checks[ix as usize].target;
        let Thing::Device(d) = self.reach.things[target as usize] else { return usual };
        if !rule.down_for.is_zero() || !self.loses_some_now(d.0) {
            return usual;
        }
        let all = rule.down_needs.max(rule.down_of);
        let all = if self.proves_reach(ix) { all } else { all.max(REQUESTS_MISSED) };
        (all, all)
    }

    /// Whether a device answers, and loses a part of the packets lately.
    fn loses_some_now(&self, device: u32) -> bool {
        self.reach.checks_of_device(device).iter().any(|ix| {
            let levels = self.rule(*ix).thresholds.iter().zip(0u8..).filter(|(t, _)| counts(t));
            let shortest = levels.min_by_key(|(t, _)| t.over).map(|(_, n)| n);
            let loss = shortest.and_then(|n| self.loss_of(*ix, n));
            loss.is_some_and(|l| self.looks_lossy(device, l.own) >= SURE)
        })
    }

    /// Whether more of those behind a device lose little than much, since it began to.
    pub(crate) fn loses_by_itself(&mut self, device: u32) -> bool {
        let Some(loss) = self.worst_loss(device) else { return false };
        let (mut well, mut badly) = (0, 0);
        for &m in &*self.behind(device) {
            match self.lost_by(m, loss.over, loss.from) {
                Some(l) if l.share() >= self.lossy_from(m) => badly += 1,
                Some(_) => well += 1,
                None => {}
            }
        }
        well > badly
    }

    /// The loss of a device that is told of, or nearest to be.
    fn worst_loss(&self, device: u32) -> Option<Loss> {
        let mut worst: Option<(f64, CheckIx, u8)> = None;
        for &ix in self.reach.checks_of_device(device) {
            for (t, n) in self.rule(ix).thresholds.iter().zip(0u8..).filter(|(t, _)| counts(t)) {
                let Some(mean) = self.mean_of(ix, n) else { continue };
                let near = mean / t.raise.max(0.001);
                if worst.is_none_or(|(most, ..)| near > most) {
                    worst = Some((near, ix, n));
                }
            }
        }
        let (_, ix, n) = worst?;
        self.loss_of(ix, n)
    }
}

/// Whether a level is about how much gets lost over some time.
fn counts(t: &Threshold) -> bool {
    t.value == LOSS && t.measure == Measure::Mean && !t.over.is_zero() && t.raise > t.clear
}

fn slot(over: Duration) -> i64 {
    (over.as_millis() as i64 / crate::level::SLOTS).max(1)
}
