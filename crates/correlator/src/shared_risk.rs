//! What fails together because it needs the same thing: a PDU, a duct, a hypervisor, a switch that
//! nobody can ask.
//!
//! # The rule
//! The *symptoms* are what the base rule would open incidents for, and services that fail their own
//! check while their needs hold. D(e) is everything that fails if element `e` fails on top of what
//! is blamed already: what needs it, and what cannot be reached any more because of that. `e` may
//! explain the symptoms in D(e) only if nothing in D(e) is seen good, and `e` itself is seen failed
//! or covers at least two of them, and they began within twice the slowest interval involved. The
//! one with the most symptoms is chosen, then the one with the smallest D, then by id; those with
//! the same D and the same evidence cannot be told apart and stand together.
//!
//! An everyday picture: two lamps go out at the same moment. If they hang on one fuse, and the third
//! lamp on that fuse is dark too, nobody changes bulbs. One lamp that still burns clears the fuse.
//!
//! Everything here is a question about the state as it is; nothing is kept but what follows from
//! the inventory alone ([`Risks`]).

use crate::Correlator;
use crate::state::{AlarmKey, Cause, IncidentIx, Phase};
use model::inventory::{Element, LinkIx, Needs};
use model::{Inventory, Timestamp};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Of those whose evidence may clear one shared element, this many are waited for at a time.
const ASKED_FOR_ONE: usize = 4;

/// What can fail, or need something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    Device(u32),
    Link(u32),
    Service(u32),
}

impl From<Element> for Part {
    fn from(e: Element) -> Part {
        match e {
            Element::Device(d) => Part::Device(d.0),
            Element::Link(l) => Part::Link(l.0),
        }
    }
}

/// Who needs whom, the other way round; from the inventory alone.
#[derive(Debug, Default)]
pub(crate) struct Risks {
    /// Whether there is anything shared at all. Where not, nothing here is ever asked.
    any: bool,
    pub(crate) needed_by: FxHashMap<Part, Vec<Part>>,
    /// The devices to probe that fail with an element for certain, whatever else stands.
    sure: FxHashMap<Part, Vec<u32>>,
}

/// Something the base rule would open an incident for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symptom {
    pub(crate) onset: Timestamp,
    pub(crate) interval: Duration,
}

/// What explains a symptom better than its own failure does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) cause: Cause,
    /// The elements that cannot be told apart.
    pub(crate) root: Vec<Arc<str>>,
    /// The device among them, for windows.
    pub(crate) device: u32,
    /// The symptoms it explains.
    pub(crate) parts: Vec<Part>,
    /// When the first and the last of them began.
    pub(crate) span: (Timestamp, Timestamp),
}

/// What is found out while one event is looked at.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Where the alarms of an incident went that it lost.
    pub(crate) went: BTreeMap<IncidentIx, IncidentIx>,
    /// What explains each symptom looked at so far.
    chosen: BTreeMap<Part, Option<Rc<Choice>>>,
    /// What is blamed still, also where something nearer hides all it explains.
    standing: BTreeSet<Cause>,
    /// Symptoms whose incident is another than the one that explains them now.
    pub(crate) again: BTreeSet<Part>,
}

impl Findings {
    /// Whether this is what explains some symptom now.
    pub(crate) fn blames(&self, cause: Cause) -> bool {
        self.standing.contains(&cause) || self.chosen.values().flatten().any(|c| c.cause == cause)
    }
}

impl Risks {
    pub(crate) fn build(inventory: &Inventory) -> Risks {
        let mut risks = Risks {
            any: inventory.devices.iter().any(|d| d.passive || d.needs.is_some())
                || inventory.links.iter().any(|l| l.needs.is_some()),
            ..Risks::default()
        };
        if !risks.any {
            return risks;
        }
        let mut note = |part: Part, needs: &Needs<Element>| {
            needs.for_each(&mut |e| {
                let of = risks.needed_by.entry((*e).into()).or_default();
                if of.last() != Some(&part) {
                    of.push(part);
                }
            });
        };
        for (i, d) in inventory.devices.iter().enumerate() {
            d.needs.iter().for_each(|n| note(Part::Device(i as u32), n));
        }
        for (i, l) in inventory.links.iter().enumerate() {
            l.needs.iter().for_each(|n| note(Part::Link(i as u32), n));
        }
        for (i, s) in inventory.services.iter().enumerate() {
            note(Part::Service(i as u32), &s.needs);
        }
        let needed: Vec<Part> = risks.needed_by.keys().copied().collect();
        for e in needed {
            let (devices, _) = risks.fail(inventory, &[e]);
            let sure = devices.into_iter().filter(|d| !inventory.devices[*d as usize].passive);
            risks.sure.insert(e, sure.collect());
        }
        risks
    }

    /// What fails with these, by needs alone.
    pub(crate) fn fail(
        &self,
        inventory: &Inventory,
        start: &[Part],
    ) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let (mut devices, mut links) = (BTreeSet::new(), BTreeSet::new());
        let mut queue: Vec<Part> = start.to_vec();
        while let Some(p) = queue.pop() {
            match p {
                Part::Device(d) => {
                    if !devices.insert(d) {
                        continue;
                    }
                    queue.extend(inventory.graph.neighbours(d).iter().map(|(_, l)| Part::Link(*l)));
                }
                Part::Link(l) => {
                    if !links.insert(l) {
                        continue;
                    }
                }
                Part::Service(_) => continue,
            }
            for &x in self.needed_by.get(&p).into_iter().flatten() {
                let needs = match x {
                    Part::Device(d) => inventory.devices[d as usize].needs.as_ref(),
                    Part::Link(l) => inventory.links[l as usize].needs.as_ref(),
                    Part::Service(_) => None,
                };
                let works = |e: &Element| match e {
                    Element::Device(d) => !devices.contains(&d.0),
                    Element::Link(l) => !links.contains(&l.0),
                };
                if needs.is_some_and(|n| !n.met(&works)) {
                    queue.push(x);
                }
            }
        }
        (devices, links)
    }

    /// Whether this may be blamed for what others show.
    fn shared(&self, inventory: &Inventory, p: Part) -> bool {
        let passive = |d: u32| inventory.devices[d as usize].passive;
        match p {
            Part::Device(d) => passive(d) || self.needed_by.contains_key(&p),
            Part::Link(l) => {
                self.needed_by.contains_key(&p)
                    || inventory.links[l as usize].ends.iter().any(|d| passive(d.0))
            }
            Part::Service(_) => false,
        }
    }

    /// What may be blamed for a failure of one of these, by needs alone: they, and whatever they need.
    fn above(&self, inventory: &Inventory, from: impl IntoIterator<Item = Part>) -> BTreeSet<Part> {
        let mut seen: BTreeSet<Part> = BTreeSet::new();
        let mut queue: Vec<Part> = from.into_iter().collect();
        while let Some(p) = queue.pop() {
            if !seen.insert(p) {
                continue;
            }
            let needs = match p {
                Part::Device(d) => inventory.devices[d as usize].needs.as_ref(),
                Part::Link(l) => inventory.links[l as usize].needs.as_ref(),
                Part::Service(s) => Some(&inventory.services[s as usize].needs),
            };
            if let Some(needs) = needs {
                needs.for_each(&mut |e| queue.push((*e).into()));
            }
        }
        seen.retain(|p| self.shared(inventory, *p));
        seen
    }
}

impl Correlator {
    /// Whether anything in this inventory is shared.
    pub(crate) fn shares(&self) -> bool {
        self.risks.any
    }

    /// What explains a symptom, when it is not its own failure.
    pub(crate) fn choice(&self, part: Part, findings: &mut Findings) -> Option<Rc<Choice>> {
        if !self.risks.any {
            return None;
        }
        if let Some(known) = findings.chosen.get(&part) {
            return known.clone();
        }
        if let Some(joins) = self.joins(part) {
            let joins = Some(Rc::new(joins));
            findings.chosen.insert(part, joins.clone());
            return joins;
        }
        let (symptoms, chosen) = self.choose(part);
        findings.standing.extend(chosen.iter().map(|c| c.cause));
        for s in symptoms {
            let choice = chosen.iter().find(|c| c.parts.contains(&s)).cloned();
            if s != part && self.told_otherwise(s, choice.as_deref()) {
                findings.again.insert(s);
            }
            findings.chosen.insert(s, choice);
        }
        findings.chosen.entry(part).or_insert(None).clone()
    }

    /// The open incident of a shared element that a new symptom belongs to for certain.
    fn joins(&self, part: Part) -> Option<Choice> {
        let Part::Device(d) = part else { return None };
        let symptom = self.symptom(part)?;
        for e in self.risks.above(&self.inventory, [part]) {
            let Some(cause) = self.cause_of(e) else { continue };
            let Some(ix) = self.open.get(&cause) else { continue };
            let i = &self.state.incidents[ix];
            let Some((first, last)) = i.shared else { continue };
            let sure = self.risks.sure.get(&e).is_some_and(|s| s.binary_search(&d).is_ok());
            let near = symptom.onset + symptom.interval * 2 >= last
                && symptom.onset <= first + symptom.interval * 2;
            if sure && near && !self.cleared(e, last.max(symptom.onset)) {
                return Some(Choice {
                    cause,
                    root: i.root.clone(),
                    device: self.device_in(&i.root),
                    parts: vec![part],
                    span: (first.min(symptom.onset), last.max(symptom.onset)),
                });
            }
        }
        None
    }

    /// Whether one that would fail with `e` for certain has been seen good since.
    pub(crate) fn cleared(&self, e: Part, since: Timestamp) -> bool {
        let sure = self.risks.sure.get(&e).into_iter().flatten();
        sure.copied().any(|d| self.device_good(d, since))
    }

    fn device_in(&self, root: &[Arc<str>]) -> u32 {
        root.iter().find_map(|r| self.inventory.device(r)).map_or(u32::MAX, |d| d.0)
    }

    /// What an element is called as a cause.
    fn cause_of(&self, e: Part) -> Option<Cause> {
        match e {
            Part::Device(d) => Some(Cause::Device(self.reach.devices[d as usize].target)),
            Part::Link(l) => {
                self.state.targets.get(&self.inventory.links[l as usize].id).map(Cause::Link)
            }
            Part::Service(s) => {
                self.state.targets.get(&self.inventory.services[s as usize].id).map(Cause::Other)
            }
        }
    }

    pub(crate) fn id_of(&self, e: Part) -> &Arc<str> {
        match e {
            Part::Device(d) => &self.inventory.devices[d as usize].id,
            Part::Link(l) => &self.inventory.links[l as usize].id,
            Part::Service(s) => &self.inventory.services[s as usize].id,
        }
    }

    /// Whether the incident that a symptom is told in is another than this choice says.
    fn told_otherwise(&self, s: Part, choice: Option<&Choice>) -> bool {
        let wanted = match choice {
            Some(c) => Some(c.cause),
            None => self.cause_of(s),
        };
        self.told_in(s).is_some_and(|i| Some(self.state.incidents[&i].cause) != wanted)
    }

    pub(crate) fn told_in(&self, s: Part) -> Option<IncidentIx> {
        self.alarms_of(s).into_iter().find_map(|k| self.state.alarms.get(&k)?.incident)
    }

    /// The alarms that a symptom is seen by.
    pub(crate) fn alarms_of(&self, s: Part) -> Vec<AlarmKey> {
        match s {
            Part::Device(d) => self.reach_alarms(d).into_vec(),
            Part::Link(l) => {
                let down = &self.reach.links[l as usize].down;
                down.iter().map(|ix| AlarmKey::Silent(*ix)).collect()
            }
            Part::Service(s) => {
                let of = self.reach.service_signals.get(&s).into_iter().flatten();
                of.map(|ix| AlarmKey::Signal(*ix)).collect()
            }
        }
    }

    // ---- symptoms and evidence ----

    /// Whether the base rule would open an incident for this, and since when it fails.
    pub(crate) fn symptom(&self, p: Part) -> Option<Symptom> {
        let of_check = |ix: u32| {
            let c = &self.state.checks[ix as usize];
            (c.onset, self.rules[usize::from(c.name)].interval)
        };
        match p {
            Part::Device(d) => {
                let view = &self.reach.devices[d as usize];
                if !view.down() {
                    return None;
                }
                let seen: Vec<_> = view.silent.iter().map(|ix| of_check(*ix)).collect();
                let onset = seen.iter().map(|s| s.0).min()?;
                let interval = seen.iter().map(|s| s.1).max()?;
                let beside = self.reach.beside_the_lit(&self.inventory, d, onset)
                    && !self.hidden_with_what_it_needs(d);
                beside.then_some(Symptom { onset, interval })
            }
            Part::Link(l) => {
                let view = &self.reach.links[l as usize];
                if view.down.is_empty() || !view.admin_down.is_empty() {
                    return None;
                }
                let seen: Vec<_> = view
                    .down
                    .iter()
                    .filter(|ix| self.state.alarms.contains_key(&AlarmKey::Silent(**ix)))
                    .map(|ix| of_check(*ix))
                    .collect();
                let onset = seen.iter().map(|s| s.0).min()?;
                let interval = seen.iter().map(|s| s.1).max()?;
                let reached = self.inventory.links[l as usize].ends.iter().all(|d| {
                    let end = &self.reach.devices[d.0 as usize];
                    !end.down() && (!end.observed || end.suspect.is_empty())
                });
                reached.then_some(Symptom { onset, interval })
            }
            Part::Service(s) => {
                let service = &self.inventory.services[s as usize];
                let signals = self.reach.service_signals.get(&s)?;
                let onset = signals
                    .iter()
                    .filter_map(|ix| self.state.alarms.get(&AlarmKey::Signal(*ix)))
                    .map(|a| a.onset)
                    .min()?;
                let met = service.needs.met(&|e| self.reach.works(*e));
                met.then_some(Symptom { onset, interval: Duration::from_mins(1) })
            }
        }
    }

    /// Whether a device answered after `since`: what failed then and still does is not this.
    fn device_good(&self, d: u32, since: Timestamp) -> bool {
        let view = &self.reach.devices[d as usize];
        if !view.observed || view.last_reply <= since {
            return false;
        }
        // A first good answer of one that is down is no proof yet; but one that answered and fell
        // silent later was not part of it.
        !view.down()
            || view.silent.iter().all(|ix| {
                let c = &self.state.checks[*ix as usize];
                c.phase == Phase::Bad && c.onset > since
            })
    }

    pub(crate) fn part_good(&self, p: Part, since: Timestamp) -> bool {
        match p {
            Part::Device(d) => self.device_good(d, since),
            Part::Link(l) => {
                self.port_up(LinkIx(l), since).is_some() || self.went_down_later(LinkIx(l), since)
            }
            Part::Service(_) => false,
        }
    }

    /// Whether others tell of a failure of the element itself.
    pub(crate) fn signalled(&self, e: Part) -> bool {
        matches!(e, Part::Device(d) if self.reach.signals.get(&d).is_some_and(|s| !s.is_empty()))
    }

    // ---- who may be blamed ----

    /// What may be blamed for a symptom.
    pub(crate) fn suspects(&self, s: Part) -> BTreeSet<Part> {
        let mut from = vec![s];
        if let Part::Device(d) = s {
            // Its ways to the reachable side, through what nobody can ask.
            let mut seen = BTreeSet::from([d]);
            let mut queue = vec![d];
            while let Some(n) = queue.pop() {
                for &(m, l) in self.inventory.graph.neighbours(n) {
                    from.push(Part::Link(l));
                    if self.inventory.devices[m as usize].passive && seen.insert(m) {
                        from.push(Part::Device(m));
                        queue.push(m);
                    }
                }
            }
        }
        let mut above = self.risks.above(&self.inventory, from);
        // The ways to what it needs look the same as that.
        let mut ways = Vec::new();
        for p in &above {
            if let Part::Device(d) = *p
                && self.reach.devices[d as usize].down()
            {
                let since = self.silent_since(d);
                ways.extend(self.reach.lit_links(&self.inventory, d, since).map(Part::Link));
            }
        }
        above.extend(ways);
        above
    }

    /// Where a device that is seen to be silent is among those that look the same, the passive things
    /// that carry nothing but it are not named: that would need more than what it explains itself.
    pub(crate) fn without_what_only_carries(&self, alike: &[Part]) -> Vec<Part> {
        let device = |p: &Part| match p {
            Part::Device(d) => Some(*d),
            Part::Link(_) | Part::Service(_) => None,
        };
        let silent = |d: u32| self.reach.devices[d as usize].down();
        let passive = |d: u32| self.inventory.devices[d as usize].passive;
        let any_silent = alike.iter().filter_map(device).any(silent);
        let named = |p: &&Part| !any_silent || device(p).is_none_or(|d| !passive(d));
        alike.iter().filter(named).copied().collect()
    }

    pub(crate) fn choice_of(
        &self,
        alike: &[Part],
        parts: Vec<Part>,
        span: (Timestamp, Timestamp),
    ) -> Option<Choice> {
        let mut root: Vec<Arc<str>> = alike.iter().map(|e| self.id_of(*e).clone()).collect();
        root.sort();
        // A device rather than a link, so that the cause stays the same when the link is cleared.
        let by_id = |e: &&Part| (matches!(e, Part::Link(_)), self.id_of(**e).clone());
        let named = alike.iter().filter(|e| self.cause_of(**e).is_some()).min_by_key(by_id)?;
        Some(Choice {
            cause: self.cause_of(*named)?,
            device: self.device_in(&root),
            root,
            parts,
            span,
        })
    }

    /// Whose evidence could clear what may explain this symptom, of those not heard since `since`.
    pub(crate) fn may_clear(&self, s: Part, since: Timestamp) -> BTreeSet<u32> {
        let mut wanted = BTreeSet::new();
        if !self.risks.any || self.joins(s).is_some() {
            return wanted;
        }
        for e in self.suspects(s) {
            if self.cleared(e, since) {
                continue;
            }
            let fallen = self.fall(&[e]);
            let unheard = |d: &u32| {
                let view = &self.reach.devices[*d as usize];
                Part::Device(*d) != s
                    && view.observed
                    && !view.down()
                    && self.reach.watched(*d)
                    && (!view.suspect.is_empty() || view.last_reply <= since)
            };
            wanted.extend(fallen.first.iter().copied().filter(unheard).take(ASKED_FOR_ONE));
        }
        wanted
    }

    /// What a device is blamed for of others, when there is a sign of its own failure.
    pub(crate) fn blamed_for_others(&self, d: u32, findings: &mut Findings) -> Option<Rc<Choice>> {
        let e = Part::Device(d);
        if !self.risks.any || !self.risks.shared(&self.inventory, e) {
            return None;
        }
        let cause = self.cause_of(e);
        let first = self.fall(&[e]).first;
        first.into_iter().map(Part::Device).find_map(|p| {
            let chosen = self.choice(p, findings).filter(|c| Some(c.cause) == cause)?;
            if self.told_otherwise(p, Some(&chosen)) {
                findings.again.insert(p);
            }
            Some(chosen)
        })
    }

    /// The open incidents of shared elements that this part would fail with.
    pub(crate) fn explained_above(&self, p: Part) -> Vec<IncidentIx> {
        if !self.risks.any {
            return Vec::new();
        }
        self.blaming(&self.suspects(p).into_iter().collect())
    }
}
