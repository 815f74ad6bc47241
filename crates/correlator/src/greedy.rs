//! Whom to blame for what fails together: the choice among those who may be.
//!
//! The most symptoms, then the smallest D, then the id; then the same again for what is left, on top
//! of what is blamed already.

use crate::Correlator;
use crate::falls::Fallen;
use crate::reach::Need;
use crate::shared_risk::{Choice, Part, Symptom};
use model::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// Where more stand at the edge of what is unreachable, nobody compares them all.
const COMPARED_MAX: usize = 64;

/// What falls with an element and can be seen, and the symptoms among it that it explains.
type Explains = (BTreeSet<Part>, BTreeSet<Part>);

impl Correlator {
    /// All symptoms that hang together with this one through what they may share, and the elements
    /// that explain them.
    pub(crate) fn choose(&self, start: Part) -> (BTreeSet<Part>, Vec<Rc<Choice>>) {
        let mut symptoms: BTreeMap<Part, Symptom> = BTreeMap::new();
        let mut suspects: BTreeMap<Part, Fallen> = BTreeMap::new();
        let mut queue = Vec::new();
        let mut around: BTreeSet<u32> = BTreeSet::new();
        if let Some(s) = self.symptom(start) {
            symptoms.insert(start, s);
            queue.push(start);
        }
        let slowest = self.rules.iter().map(|r| r.interval).max().unwrap_or_default() * 2;
        while let Some(s) = queue.pop() {
            let mut found: BTreeSet<Part> = BTreeSet::new();
            if let Part::Device(d) = s
                && !around.contains(&d)
            {
                let edge = self.edge_around(d);
                around.extend(edge.iter().copied());
                found.extend(edge.into_iter().map(Part::Device));
            }
            for e in self.suspects(s) {
                // One that answered well after this symptom began clears whatever it needs of it.
                if suspects.contains_key(&e) || self.cleared(e, symptoms[&s].onset + slowest) {
                    continue;
                }
                let fallen = self.fall(&[e]);
                found.extend(fallen.first.iter().map(|d| Part::Device(*d)));
                found.extend(fallen.services.iter().map(|s| Part::Service(*s)));
                for &l in &fallen.links {
                    // The end of a link that falls may have failed with it, when its other ways are
                    // gone.
                    let ends = self.inventory.links[l as usize].ends.map(|d| Part::Device(d.0));
                    found.extend(ends);
                    found.insert(Part::Link(l));
                }
                suspects.insert(e, fallen);
            }
            for p in found {
                if !symptoms.contains_key(&p)
                    && let Some(seen) = self.symptom(p)
                {
                    symptoms.insert(p, seen);
                    queue.push(p);
                }
            }
        }
        let chosen = self.greedily(&symptoms, suspects);
        (symptoms.into_keys().collect(), chosen)
    }

    /// The unreachable devices beside the reachable side that hang together with this one: what one of
    /// them is unreachable because of may depend on what the others are.
    fn edge_around(&self, device: u32) -> BTreeSet<u32> {
        let need = |_| Need { held: false, since: Timestamp::MIN };
        let c = self.reach.component(&self.inventory, device, false, need);
        let edge: BTreeSet<u32> =
            c.map_or_else(|_| BTreeSet::new(), |c| c.frontier.into_keys().collect());
        if edge.len() > COMPARED_MAX { BTreeSet::new() } else { edge }
    }

    fn greedily(
        &self,
        symptoms: &BTreeMap<Part, Symptom>,
        mut suspects: BTreeMap<Part, Fallen>,
    ) -> Vec<Rc<Choice>> {
        let mut left = symptoms.clone();
        let (mut blamed, mut chosen) =
            self.still_blamed(&mut left, &suspects.keys().copied().collect());
        let mut before = self.fall(&blamed);
        loop {
            if !blamed.is_empty() {
                self.suspect_the_plain(&left, &mut suspects);
            }
            let mut found: Vec<(Part, BTreeSet<Part>, BTreeSet<Part>)> = Vec::new();
            for (&e, alone) in suspects.iter().filter(|(e, _)| !blamed.contains(e)) {
                let Some((falls, covers)) = self.explains(e, alone, &blamed, &before, &left) else {
                    continue;
                };
                let others = covers.iter().filter(|p| **p != e).count();
                // Its own failure counts when it is of the same moment.
                let itself = covers.contains(&e) || self.signalled(e);
                if others < if itself { 1 } else { 2 } {
                    continue;
                }
                let since = covers.iter().map(|p| symptoms[p].onset).max().unwrap_or_default();
                if falls.iter().chain([&e]).any(|p| self.part_good(*p, since)) {
                    continue;
                }
                found.push((e, falls, covers));
            }
            let best = found
                .iter()
                .min_by_key(|(e, falls, covers)| {
                    (Reverse(covers.len()), falls.len(), self.id_of(*e).clone())
                })
                .cloned();
            let Some((_, falls, covers)) = best else { break };
            let alike: Vec<Part> = found
                .iter()
                .filter(|(_, f, c)| *f == falls && *c == covers)
                .map(|(e, ..)| *e)
                .collect();
            let alike = self.without_what_only_carries(&alike);
            left.retain(|p, _| !covers.contains(p));
            // What is blamed is what is named, and falls with no more than that.
            blamed.extend(alike.iter().min_by_key(|e| self.id_of(**e)));
            before = self.fall(&blamed);
            let onsets = || covers.iter().map(|p| symptoms[p].onset);
            let Some(span) = onsets().min().zip(onsets().max()) else { break };
            chosen.extend(self.choice_of(&alike, covers.into_iter().collect(), span).map(Rc::new));
        }
        chosen
    }

    /// Where something is blamed already, what nothing needs may explain others too: a router that was
    /// the last way after the duct failed.
    fn suspect_the_plain(
        &self,
        left: &BTreeMap<Part, Symptom>,
        suspects: &mut BTreeMap<Part, Fallen>,
    ) {
        let devices: Vec<u32> = left
            .keys()
            .filter_map(|p| match p {
                Part::Device(d) => Some(*d),
                Part::Link(_) | Part::Service(_) => None,
            })
            .collect();
        if !(2..=COMPARED_MAX).contains(&devices.len()) {
            return;
        }
        for d in devices {
            let since = self.silent_since(d);
            let links = self.reach.lit_links(&self.inventory, d, since).map(Part::Link);
            for e in links.chain([Part::Device(d)]) {
                suspects.entry(e).or_insert_with(|| self.fall(&[e]));
            }
        }
    }

    /// What of `left` an element explains on top of what is blamed. What failed well before that did so
    /// on its own account: it is blamed already.
    fn explains(
        &self,
        e: Part,
        alone: &Fallen,
        blamed: &[Part],
        before: &Fallen,
        left: &BTreeMap<Part, Symptom>,
    ) -> Option<Explains> {
        let mut older: BTreeSet<Part> = BTreeSet::new();
        loop {
            let already: Vec<Part> = blamed.iter().chain(&older).copied().collect();
            let with = || self.fall(&already.iter().copied().chain([e]).collect::<Vec<_>>());
            let falls = match (already.is_empty(), older.is_empty()) {
                (true, _) => self.seen_in(alone, before),
                (_, true) => self.seen_in(&with(), before),
                _ => self.seen_in(&with(), &self.fall(&already)),
            };
            let within = falls.iter().filter(|p| !older.contains(*p));
            let within: Vec<(Part, Symptom)> =
                within.filter_map(|p| Some((*p, *left.get(p)?))).collect();
            let covers = best_window(within);
            let first = covers.iter().map(|p| left[p].onset).min()?;
            let last = covers.iter().map(|p| left[p].onset).max()?;
            let pace = covers.iter().map(|p| left[p].interval).max()?;
            let earlier = |p: &Part, s: &Symptom| {
                !covers.contains(p)
                    && !older.contains(p)
                    && (s.onset + pace.max(s.interval) * 2 < last
                        || (s.onset < first && falls.contains(p)))
            };
            let more: Vec<Part> =
                left.iter().filter(|(p, s)| earlier(p, s)).map(|(p, _)| *p).collect();
            if more.is_empty() {
                return Some((falls, covers));
            }
            older.extend(more);
        }
    }
}

/// The symptoms that began together: the most that lie within twice the slowest interval among
/// them; of several such, the latest.
fn best_window(mut all: Vec<(Part, Symptom)>) -> BTreeSet<Part> {
    all.sort_by_key(|(p, s)| (s.onset, *p));
    let paces: BTreeSet<Duration> = all.iter().map(|(_, s)| s.interval).collect();
    let mut best: (usize, Timestamp, BTreeSet<Part>) = Default::default();
    for pace in paces {
        let those: Vec<_> = all.iter().filter(|(_, s)| s.interval <= pace).collect();
        let mut from = 0;
        let mut widest = 0..0;
        for to in 0..those.len() {
            while those[from].1.onset + pace * 2 < those[to].1.onset {
                from += 1;
            }
            if to + 1 - from >= widest.len() {
                widest = from..to + 1;
            }
        }
        let Some(last) = those[widest.clone()].last() else { continue };
        if (widest.len(), last.1.onset) > (best.0, best.1) {
            let parts = those[widest.clone()].iter().map(|(p, _)| *p).collect();
            best = (widest.len(), last.1.onset, parts);
        }
    }
    best.2
}
