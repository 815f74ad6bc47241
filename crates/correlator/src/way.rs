//! Where on the way packets are lost, or take too long.
//!
//! What is lost on one link is lost for everybody behind it. So the base rule of reachability is
//! applied to loss: one incident at the first lossy element, seen from the probe; whatever is lossy
//! behind it is explained by it. And *ping to is not ping through*: a router answers pings when it
//! has nothing better to do, so when those behind it lose nothing, the loss is its own way of
//! answering, and nobody is called for it.
//!
//! Loss is a matter of counting, and of two neighbours behind one bad link one has counted enough
//! before the other has. What is on its way to its level therefore counts as lossy, when somebody
//! behind it is.

use crate::Correlator;
use crate::level::{FLOWS, LOSS};
use crate::lossy::{Alike, Loss, ON_ITS_WAY};
use crate::reach::Thing;
use crate::state::{AlarmKey, Cause, CheckIx, Incident, IncidentIx};
use model::settings::Measure;
use model::{Priority, Timestamp};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What is nearer and began to lose within this time of what is further is the same loss.
const ONE_LOSS: Duration = Duration::from_hours(1);
/// So many of an incident are asked whether it is explained by what is nearer.
const MEMBERS_ASKED_MAX: usize = 3;
/// Which devices are behind which is remembered for so many.
const BEHIND_MAX: usize = 256;

/// What a level on the way to a target is about: a value, over whatever time. A loss that takes an
/// hour to be told here is told within minutes there.
type Kind = String;

/// How a device answers, as far as one such level goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answers {
    Well,
    Badly,
    /// It is not asked, or does not answer at all.
    Not,
}

/// Who is behind whom, by the inventory alone: behind a device are those that no probe reaches
/// without it.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    known: BTreeMap<u32, Arc<[u32]>>,
}

impl Correlator {
    /// The first on the way that answers as badly, when this alarm is about the way to its target.
    pub(crate) fn where_on_the_way(&mut self, key: AlarmKey) -> Option<(Cause, Vec<Arc<str>>)> {
        let AlarmKey::Level(ix, n) = key else { return None };
        let Thing::Device(d) = self.reach.things[self.state.checks[ix as usize].target as usize]
        else {
            return None;
        };
        let kind = self.kind(ix, n)?;
        let loss = self.loss_of(ix, n);
        let mut first = d.0;
        while let Some(next) = self.nearer_and_bad(first, &kind, loss.as_ref()) {
            first = next;
        }
        let id = self.inventory.devices[first as usize].id.clone();
        let mut root = vec![id];
        // The link is as good an explanation when it is the only one towards the probe.
        let depth = |m: u32| self.reach.depth[m as usize];
        let links: Vec<u32> = self
            .inventory
            .graph
            .neighbours(first)
            .iter()
            .filter(|(m, l)| depth(*m) < depth(first) && !self.reach.removed(*l))
            .map(|(_, l)| *l)
            .collect();
        if let [link] = links[..]
            && !self.only_itself(first, &kind)
        {
            root.push(self.inventory.links[link as usize].id.clone());
        }
        root.sort();
        Some((Cause::Device(self.reach.devices[first as usize].target), root))
    }

    /// Other alarms of this kind that stand for an incident of their own and are explained by this
    /// one's now.
    pub(crate) fn further_on_the_way(
        &mut self,
        key: AlarmKey,
        incident: IncidentIx,
    ) -> Vec<AlarmKey> {
        let AlarmKey::Level(ix, n) = key else { return Vec::new() };
        let Some(kind) = self.kind(ix, n) else { return Vec::new() };
        let cause = self.state.incidents[&incident].cause;
        let mut all = Vec::new();
        for i in self.explained_from(&kind, cause).into_iter().filter(|i| *i != incident) {
            let members = self.state.incidents[&i].members.iter().copied();
            all.extend(members.filter(|k| {
                matches!(k, AlarmKey::Level(ix, n) if self.kind(*ix, *n).as_ref() == Some(&kind))
            }));
        }
        all
    }

    /// The oldest incident that was opened for somebody further on and is explained by what is nearer
    /// now: it is the same one, seen better. Chance decides who reaches his level first.
    pub(crate) fn told_further_on(&mut self, key: AlarmKey, cause: Cause) -> Option<IncidentIx> {
        let AlarmKey::Level(ix, n) = key else { return None };
        let kind = self.kind(ix, n)?;
        let all = self.explained_from(&kind, cause);
        all.into_iter().find(|i| self.only_a_bad_way(&self.state.incidents[i]))
    }

    /// The young incidents about somebody who answers badly because of what is nearer.
    fn explained_from(&mut self, kind: &Kind, cause: Cause) -> BTreeSet<IncidentIx> {
        let levels = AlarmKey::Level(0, 0)..=AlarmKey::Level(CheckIx::MAX, u8::MAX);
        let told = self.state.alarms.range(levels).filter_map(|(k, a)| Some((*k, a.incident?)));
        let told: Vec<(AlarmKey, IncidentIx)> = told
            .filter(|(k, i)| {
                let AlarmKey::Level(ix, n) = *k else { return false };
                self.kind(ix, n).as_ref() == Some(kind)
                    && self.state.incidents.get(i).is_some_and(|i| {
                        let stands = self.stands_for(*k, i) || self.only_a_bad_way(i);
                        let young = i.opened_at + ONE_LOSS >= self.state.now;
                        i.open() && young && i.cause != cause && stands
                    })
            })
            .collect();
        let mut found = BTreeSet::new();
        let mut asked: BTreeMap<IncidentIx, usize> = BTreeMap::new();
        for (k, i) in told {
            let n = asked.entry(i).or_default();
            *n += 1;
            if *n <= MEMBERS_ASKED_MAX
                && !found.contains(&i)
                && self.where_on_the_way(k).is_some_and(|(c, _)| c == cause)
            {
                found.insert(i);
            }
        }
        found
    }

    /// Whether all that an incident has is how badly a device answers to pings while those behind it
    /// answer well.
    pub(crate) fn only_how_it_answers(&mut self, ix: IncidentIx) -> bool {
        let i = &self.state.incidents[&ix];
        let Cause::Device(t) = i.cause else { return false };
        let Some(d) = self.reach.device_of(t) else { return false };
        let mut kinds = BTreeSet::new();
        for key in &i.members {
            match key {
                AlarmKey::Level(ix, n) if self.stands_for(*key, i) => {
                    let Some(kind) = self.kind(*ix, *n) else { return false };
                    kinds.insert(kind);
                }
                _ => return false,
            }
        }
        !kinds.is_empty() && kinds.iter().all(|kind| self.only_itself(d.0, kind))
    }

    /// Whether an alarm is about the way to its target: what gets lost or takes long there.
    pub(crate) fn is_about_the_way(&self, key: AlarmKey) -> bool {
        matches!(key, AlarmKey::Level(ix, n) if self.kind(ix, n).is_some())
    }

    /// Whether nothing of an incident is more than a bad way.
    pub(crate) fn only_a_bad_way(&self, i: &Incident) -> bool {
        !i.members.is_empty() && i.members.iter().all(|k| self.is_about_the_way(*k))
    }

    /// What is the matter with the way, in a word or two.
    pub(crate) fn bad_way(&self, key: AlarmKey) -> &'static str {
        match key {
            AlarmKey::Level(ix, n) => match self.kind(ix, n) {
                Some(value) if value == FLOWS => "path to",
                Some(value) if value == LOSS => "loss on the way to",
                _ => "latency on the way to",
            },
            _ => "",
        }
    }

    /// What is the matter with the way to a target, unless another alarm of the incident says it
    /// better: what is nearer to the probe, and that some ways of several lose everything.
    pub(crate) fn way_words(&self, i: &Incident, key: AlarmKey, target: &str) -> Option<String> {
        let words = self.bad_way(key);
        let mut others = i.members.iter().filter(|k| **k != key && self.is_about_the_way(**k));
        let flows = "path to";
        let better = others.any(|k| {
            let nearer = self.stands_for(*k, i) && !self.stands_for(key, i);
            let same = self.target_of_alarm(*k) == self.target_of_alarm(key);
            nearer || (same && self.bad_way(*k) == flows && words != flows)
        });
        let said = self.state.alarms.get(&key).map_or("", |a| a.said.as_str());
        (!better).then(|| format!("{words} {target}: {said}"))
    }

    /// What a bad way alone is worth, nothing being unreachable.
    pub(crate) fn for_a_bad_way(
        &mut self,
        ix: IncidentIx,
        computed: Priority,
        why: String,
    ) -> (Priority, String) {
        if !self.only_a_bad_way(&self.state.incidents[&ix]) {
            return (computed, why);
        }
        if self.only_how_it_answers(ix) {
            let why = format!("{why}; most of those behind it answer well, so it is P4");
            return (Priority::P4, why);
        }
        if computed < Priority::P2 {
            return (Priority::P2, format!("{why}; nothing is unreachable, so at most P2"));
        }
        (computed, why)
    }

    fn kind(&self, ix: CheckIx, n: u8) -> Option<Kind> {
        let t = self.rule(ix).thresholds.get(usize::from(n))?;
        let way =
            t.value == LOSS || t.value == FLOWS || matches!(t.measure, Measure::Baseline { .. });
        (way && self.proves_reach(ix)).then(|| t.value.clone())
    }

    /// The next device towards a probe that answers as badly, looking through those of which nothing
    /// can be said.
    fn nearer_and_bad(&mut self, device: u32, kind: &Kind, loss: Option<&Loss>) -> Option<u32> {
        let mut seen = BTreeSet::new();
        let mut queue = VecDeque::from([device]);
        let mut between = Vec::new();
        let mut known = None;
        while let Some(n) = queue.pop_front() {
            let nearer: BTreeSet<u32> = self.reach.nearer(&self.inventory, n).collect();
            for m in nearer {
                if !seen.insert(m) {
                    continue;
                }
                let alike = match (self.answers(m, kind), loss) {
                    (Answers::Not, _) => Alike::Perhaps,
                    (_, Some(loss)) => self.loses_alike(m, device, &between, loss),
                    (Answers::Badly, None) => Alike::Yes,
                    (Answers::Well, None) => Alike::No,
                };
                if alike == Alike::Perhaps {
                    if known.is_none() && loss.is_some() && self.known_to_lose_since(m).is_some() {
                        known = Some(m);
                    }
                    // Whoever is nearer still may say more, with all that is behind it.
                    queue.push_back(m);
                    between.push(m);
                }
                if alike == Alike::Yes && !self.only_itself(m, kind) {
                    return Some(m);
                }
            }
        }
        // What is known to lose explains it, as long as nothing speaks against that.
        known
    }

    /// Since when packets are lost on the way to a device, by an open incident that says so.
    pub(crate) fn known_to_lose_since(&self, device: u32) -> Option<Timestamp> {
        let cause = Cause::Device(self.reach.devices[device as usize].target);
        let i = &self.state.incidents[self.open.get(&cause)?];
        let lost = |k: &AlarmKey| matches!(k, AlarmKey::Level(ix, n) if self.kind(*ix, *n).as_deref() == Some(LOSS));
        (self.only_a_bad_way(i) && i.members.iter().any(lost)).then_some(i.since)
    }

    fn answers(&self, device: u32, kind: &Kind) -> Answers {
        if self.reach.devices[device as usize].down() {
            return Answers::Not;
        }
        let mut answers = Answers::Not;
        for &ix in self.reach.checks_of_device(device) {
            let levels = self.rule(ix).thresholds.iter().zip(0u8..);
            let mut same = levels.filter(|(t, _)| t.value == *kind).peekable();
            if same.peek().is_none() || !self.proves_reach(ix) {
                continue;
            }
            let badly = same.any(|(t, n)| {
                let much = t.clear + (t.raise - t.clear) * ON_ITS_WAY;
                self.state.alarms.contains_key(&AlarmKey::Level(ix, n))
                    || self.mean_of(ix, n).is_some_and(|mean| mean >= much)
            });
            if badly {
                return Answers::Badly;
            }
            let rule = self.rule(ix);
            let stale = rule.interval.mul_f64(rule.stale_after);
            if self.state.checks[ix as usize].last_reply + stale >= self.state.now {
                answers = Answers::Well;
            }
        }
        answers
    }

    /// Whether more of those behind a device answer well than badly: what is lost is lost between it
    /// and its own attention.
    fn only_itself(&mut self, device: u32, kind: &Kind) -> bool {
        if kind == LOSS {
            return self.loses_by_itself(device);
        }
        let (mut well, mut badly) = (0, 0);
        for &m in &*self.behind(device) {
            match self.answers(m, kind) {
                Answers::Well => well += 1,
                Answers::Badly => badly += 1,
                Answers::Not => {}
            }
        }
        well > badly
    }

    pub(crate) fn behind(&mut self, device: u32) -> Arc<[u32]> {
        if let Some(known) = self.behind.known.get(&device) {
            return known.clone();
        }
        let stands: Vec<u32> =
            self.inventory.probes.iter().filter_map(|p| p.at).map(|d| d.0).collect();
        let graph = &self.inventory.graph;
        let with = graph.reachable(&stands, |_| true);
        let elsewhere: Vec<u32> = stands.iter().copied().filter(|n| *n != device).collect();
        let without = graph.reachable(&elsewhere, |n| n != device);
        let behind: Arc<[u32]> = (0..with.len() as u32)
            .filter(|n| *n != device && with[*n as usize] && !without[*n as usize])
            .collect();
        if self.behind.known.len() >= BEHIND_MAX {
            self.behind.known.clear();
        }
        self.behind.known.insert(device, behind.clone());
        behind
    }
}
