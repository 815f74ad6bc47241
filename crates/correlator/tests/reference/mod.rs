//! The slow, obvious correlator: what should be open, said with sets and nothing else.
//!
//! Written from the rules alone (issue 3, items 1 to 3) and from no line of the real one. It knows
//! no events, timers or incidents: only who is seen to fail, who is seen to be well, and since when.
//! Where the two disagree one of them is wrong, and it is easier to see here which.
//!
//! # The rules
//! 1. *Symptoms*: each silent device with a reachable neighbour, and each down link of which neither
//!    end is silent, and each service that fails its own check while its needs hold. What was never
//!    observed is neither up nor down, and paths run through it. What has no link and is reached
//!    through something that is hidden behind a nearer failure is hidden with it.
//! 2. *D(e)*: what falls if `e` fails on top of what is blamed already. Something works while it has
//!    not failed, nothing that it needs has, and a way over what works leads from it to where a
//!    probe stands. What failed well before on its own account is blamed already. A device without links stands beside the probe, unless it needs something: then
//!    it is reached through that, as a virtual machine is through its host.
//! 3. Element `e` may explain the symptoms in D(e) if nothing observed in D(e) is well, or was when
//!    they had failed, if they are at least two, and if they began about together. Most symptoms first, then the smallest D, then
//!    the id; those with the same symptoms and the same D cannot be told apart (but where a device
//!    that is seen to be silent is among them, the passive ones that carry only it are not named).
//! 4. What was blamed stays blamed until something of its D is well, also while something nearer
//!    hides part of it; where that hides all, it is masked.
//! 5. What remains is named alone: the link itself; the device, with its link when exactly one joins
//!    it to the reachable side and nothing says that the link is well.

#![allow(dead_code, reason = "each test uses what it needs")]

use model::Inventory;
use model::inventory::{Element, Needs};
use std::collections::{BTreeMap, BTreeSet};

/// Ids that cannot be told apart, sorted.
pub type Root = Vec<String>;

/// A device, link or service: its place in the inventory, devices first, then links, then services.
type E = usize;
type Set = BTreeSet<E>;

/// What is seen, by ids. Times in any unit, the same for all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// Devices that do not answer, each with since when it could be seen to fail.
    pub silent: BTreeMap<String, i64>,
    /// Devices that answer.
    pub answering: BTreeSet<String>,
    /// Links with a port that says it is down, by link and the device that says so: since when.
    pub down: BTreeMap<(String, String), i64>,
    /// Links with a port that says it is up, by link and the device that says so.
    pub up: BTreeSet<(String, String)>,
    /// Links of which a port is switched off on purpose: as if they were not there.
    pub removed: BTreeSet<String>,
    /// Services that fail a check of their own, since when.
    pub services: BTreeMap<String, i64>,
    /// Since when the network is as it is.
    pub changed: i64,
    /// How long it takes until a device is asked again.
    pub device_interval: i64,
    /// How long it takes until a port is asked again.
    pub port_interval: i64,
}

/// What is blamed from one look to the next.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    /// Elements that explain several symptoms, the oldest first.
    blamed: Vec<Blame>,
    /// What was asked afresh when something that explained it was cleared, and when: it is seen to fail
    /// since then.
    afresh: BTreeMap<E, i64>,
    /// What was seen well while another had failed already, and since when that one fails.
    well_beside: BTreeMap<(E, E), i64>,
}

/// What is blamed for several symptoms.
#[derive(Debug, Clone)]
struct Blame {
    /// Those that look the same.
    root: Vec<E>,
    /// Since when they can have failed.
    from: i64,
    /// What it explained when we looked last.
    explained: Set,
}

/// What should be open, when nothing was blamed before.
pub fn at_once(inventory: &Inventory, seen: &Seen) -> BTreeSet<Root> {
    Reference::default().look(inventory, seen)
}

/// The ids of everything that does not work when these have failed, they included.
pub fn fallen(inventory: &Inventory, failed: &BTreeSet<String>) -> BTreeSet<String> {
    let nothing = Seen::default();
    let look = Look::new(inventory, &nothing);
    let failed = look.elements().into_iter().filter(|e| failed.contains(&look.id(*e))).collect();
    look.fallen(&failed).into_iter().map(|e| look.id(e)).collect()
}

/// The ids of what can be seen to fail and is not hidden behind something nearer.
pub fn visible(inventory: &Inventory, seen: &Seen) -> BTreeSet<String> {
    let look = Look::new(inventory, seen);
    look.symptoms().into_keys().map(|e| look.id(e)).collect()
}

impl Reference {
    /// The roots of what should be open, and not hidden, now.
    pub fn look(&mut self, inventory: &Inventory, seen: &Seen) -> BTreeSet<Root> {
        let mut look = Look::new(inventory, seen);
        self.afresh.retain(|s, _| look.symptoms().contains_key(s));
        look.afresh.clone_from(&self.afresh);
        let mut open: Set = look.symptoms().into_keys().collect();
        let (mut roots, mut blamed) = (BTreeSet::new(), Set::new());

        // Who was blamed stays so until something of it is well.
        let mut since = look.symptoms();
        self.well_beside.retain(|(s, _), from| since.get(s).is_some_and(|s| s.0 == *from));
        for Blame { root: before, from, explained } in std::mem::take(&mut self.blamed) {
            // What failed before it did so on its own account.
            let older = open.iter().copied().filter(|s| since[s].0 < from);
            let already: Set = blamed.iter().copied().chain(older).collect();
            let falls = |e: &E| look.observed(&look.more(&already, *e));
            let stays = |e: &E| {
                falls(e).iter().all(|x| !look.well(*x)) && falls(e).iter().any(|x| look.fails(*x))
            };
            let still: Vec<E> = before.into_iter().filter(stays).collect();
            let most = still.iter().map(|e| falls(e).len()).max();
            let root: Vec<E> = still.into_iter().filter(|e| Some(falls(e).len()) == most).collect();
            let Some(&e) = root.first() else {
                // "The first good member of D(e) retires e", and what it explained is checked again
                // before anything is made of it: it is seen to fail since then (items 2 and 5).
                self.afresh.extend(explained.iter().map(|s| (*s, seen.changed)));
                look.afresh.clone_from(&self.afresh);
                since = look.symptoms();
                continue;
            };
            let explained: Set = open.intersection(&look.more(&already, e)).copied().collect();
            // While all of it is hidden nobody can say whether it is over: it is masked.
            if !explained.is_empty() {
                roots.insert(look.names(&root));
            }
            open.retain(|s| !explained.contains(s));
            blamed.insert(e);
            self.blamed.push(Blame { root, from, explained });
        }

        // Then whoever explains most of what is left.
        while open.len() >= 2 {
            let all: Vec<Candidate> = look
                .elements()
                .into_iter()
                .filter_map(|e| look.candidate(e, &blamed, &open))
                .filter(|c| !self.acquitted(c))
                .collect();
            let Some(best) = all.iter().min_by_key(|c| c.order(&look)) else { break };
            let same = |c: &&Candidate| c.symptoms == best.symptoms && c.observed == best.observed;
            let root: Vec<E> = all.iter().filter(same).map(|c| c.element).collect();
            let root = look.without_what_only_carries(root);
            let from = best.symptoms.iter().map(|s| since[s].0).min().unwrap_or(i64::MIN);
            open.retain(|s| !best.symptoms.contains(s));
            // What is blamed is what is named, and falls with no more than that.
            blamed.extend(root.first());
            roots.insert(look.names(&root));
            self.blamed.push(Blame { root, from, explained: best.symptoms.clone() });
        }

        for (s, (from, _)) in &since {
            let well = (0..look.devices + look.links).filter(|w| look.well(*w));
            self.well_beside.extend(well.map(|w| ((*s, w), *from)));
        }

        // Then each for itself.
        roots.extend(open.iter().map(|s| look.alone(*s)));
        roots
    }

    /// Whether one that would fail with it was seen well when all that it would explain had failed.
    fn acquitted(&self, c: &Candidate) -> bool {
        let was_well = |w: &E| c.symptoms.iter().all(|s| self.well_beside.contains_key(&(*s, *w)));
        c.observed.iter().any(was_well)
    }
}

/// What one element would explain.
#[derive(Debug, Clone)]
struct Candidate {
    element: E,
    symptoms: Set,
    observed: Set,
}

impl Candidate {
    /// The least is the best.
    fn order(&self, look: &Look<'_>) -> (std::cmp::Reverse<usize>, usize, String) {
        (std::cmp::Reverse(self.symptoms.len()), self.observed.len(), look.id(self.element))
    }
}

/// What is seen, in the inventory's numbers.
struct Look<'a> {
    inventory: &'a Inventory,
    devices: usize,
    links: usize,
    silent: BTreeMap<E, i64>,
    answering: Set,
    down: BTreeMap<E, i64>,
    up: Set,
    removed: Set,
    services: BTreeMap<E, i64>,
    /// What was asked afresh, and when.
    afresh: BTreeMap<E, i64>,
    stands: Set,
    device_interval: i64,
    port_interval: i64,
}

impl<'a> Look<'a> {
    fn new(inventory: &'a Inventory, seen: &Seen) -> Self {
        let (devices, links) = (inventory.devices.len(), inventory.links.len());
        let device = |id: &str| inventory.device(id).map(|d| d.0 as usize);
        let link = |id: &str| inventory.link(id).map(|l| devices + l.0 as usize);
        let service = |id: &str| {
            inventory.services.iter().position(|s| &*s.id == id).map(|s| devices + links + s)
        };
        // What a silent device said of its ports is out of date.
        let told = |by: &str| !seen.silent.contains_key(by);
        let mut down = BTreeMap::new();
        for ((l, _), since) in seen.down.iter().filter(|((_, d), _)| told(d)) {
            if let Some(l) = link(l) {
                down.entry(l).and_modify(|s: &mut i64| *s = (*s).min(*since)).or_insert(*since);
            }
        }
        Look {
            inventory,
            devices,
            links,
            silent: seen.silent.iter().filter_map(|(d, t)| Some((device(d)?, *t))).collect(),
            answering: seen.answering.iter().filter_map(|d| device(d)).collect(),
            up: seen.up.iter().filter(|(_, d)| told(d)).filter_map(|(l, _)| link(l)).collect(),
            down,
            removed: seen.removed.iter().filter_map(|l| link(l)).collect(),
            services: seen.services.iter().filter_map(|(s, t)| Some((service(s)?, *t))).collect(),
            afresh: BTreeMap::new(),
            stands: inventory.probes.iter().filter_map(|p| p.at).map(|d| d.0 as usize).collect(),
            device_interval: seen.device_interval,
            port_interval: seen.port_interval,
        }
    }

    // ---- names ----

    fn id(&self, e: E) -> String {
        if e < self.devices {
            self.inventory.devices[e].id.to_string()
        } else if e < self.devices + self.links {
            self.inventory.links[e - self.devices].id.to_string()
        } else {
            self.inventory.services[e - self.devices - self.links].id.to_string()
        }
    }

    fn names(&self, of: &[E]) -> Root {
        let mut names: Root = of.iter().map(|e| self.id(*e)).collect();
        names.sort();
        names
    }

    fn is_link(&self, e: E) -> bool {
        (self.devices..self.devices + self.links).contains(&e)
    }

    // ---- what is seen ----

    fn never_observed(&self, device: E) -> bool {
        !self.silent.contains_key(&device) && !self.answering.contains(&device)
    }

    /// Whether an element is seen to be well. That a port into a provider's circuit is up says
    /// nothing of the circuit.
    fn well(&self, e: E) -> bool {
        if self.is_link(e) {
            let circuit = &*self.inventory.links[e - self.devices].kind == "circuit";
            return self.up.contains(&e) && !self.down.contains_key(&e) && !circuit;
        }
        self.answering.contains(&e)
    }

    /// Whether it is seen to fail.
    fn fails(&self, e: E) -> bool {
        self.silent.contains_key(&e) || self.down.contains_key(&e) || self.services.contains_key(&e)
    }

    fn observed(&self, of: &Set) -> Set {
        of.iter().copied().filter(|e| self.well(*e) || self.fails(*e)).collect()
    }

    // ---- the network ----

    /// Devices and links, in the order of their ids.
    fn elements(&self) -> Vec<E> {
        let mut all: Vec<E> =
            (0..self.devices + self.links).filter(|e| !self.removed.contains(e)).collect();
        all.sort_by_key(|e| self.id(*e));
        all
    }

    fn ends(&self, link: E) -> [E; 2] {
        self.inventory.links[link - self.devices].ends.map(|d| d.0 as usize)
    }

    /// The links at a device, each with the device at its far end.
    fn links_at(&self, device: E) -> Vec<(E, E)> {
        let all = self.inventory.graph.neighbours(device as u32).iter();
        let numbered = all.map(|(far, l)| (self.devices + *l as usize, *far as usize));
        numbered.filter(|(l, _)| !self.removed.contains(l)).collect()
    }

    fn met(&self, needs: Option<&Needs<Element>>, fallen: &[bool]) -> bool {
        let works = |e: &Element| match e {
            Element::Device(d) => !fallen[d.0 as usize],
            Element::Link(l) => !fallen[self.devices + l.0 as usize],
        };
        needs.is_none_or(|n| n.met(&works))
    }

    /// Everything that does not work when these have failed, they included.
    fn fallen(&self, failed: &Set) -> Set {
        let all = self.devices + self.links;
        let mut dead: Vec<bool> = (0..all).map(|e| failed.contains(&e)).collect();
        let mut fallen = dead.clone();
        loop {
            let before = (dead.clone(), fallen.clone());
            for d in 0..self.devices {
                // What has no link of its own is reached through what it needs.
                let through = if self.links_at(d).is_empty() { &fallen } else { &dead };
                dead[d] |= !self.met(self.inventory.devices[d].needs.as_ref(), &through.clone());
            }
            for l in 0..self.links {
                let at = self.devices + l;
                dead[at] |= !self.met(self.inventory.links[l].needs.as_ref(), &dead);
                dead[at] |= self.ends(at).iter().any(|d| dead[*d]);
                fallen[at] |= self.ends(at).iter().any(|d| fallen[*d]);
            }
            (0..all).for_each(|e| fallen[e] |= dead[e]);
            let reached = self.reached(&fallen);
            for d in 0..self.devices {
                fallen[d] |= !reached[d];
            }
            if (&dead, &fallen) == (&before.0, &before.1) {
                break;
            }
        }
        let services = self.inventory.services.iter().enumerate();
        let broken = services.filter(|(_, s)| !self.met(Some(&s.needs), &fallen));
        let broken: Vec<E> = broken.map(|(s, _)| self.devices + self.links + s).collect();
        (0..fallen.len()).filter(|e| fallen[*e]).chain(broken).collect()
    }

    /// The devices that a probe reaches over what has not fallen.
    fn reached(&self, fallen: &[bool]) -> Vec<bool> {
        let mut reached = vec![false; self.devices];
        let beside_the_probe = |d: &E| self.stands.contains(d) || self.links_at(*d).is_empty();
        let mut next: Vec<E> =
            (0..self.devices).filter(|d| beside_the_probe(d) && !fallen[*d]).collect();
        while let Some(d) = next.pop() {
            if !std::mem::replace(&mut reached[d], true) {
                let over = self.links_at(d).into_iter().filter(|(l, m)| !fallen[*l] && !fallen[*m]);
                next.extend(over.map(|(_, m)| m));
            }
        }
        reached
    }

    /// D(e): what falls with it on top of what is blamed.
    fn more(&self, blamed: &Set, e: E) -> Set {
        let mut with = blamed.clone();
        with.insert(e);
        &self.fallen(&with) - &self.fallen(blamed)
    }

    // ---- the rules ----

    /// What the base rule would open incidents for, each with since when and how often it is asked.
    ///
    /// "Everything else unreachable is explained by those" (item 1): so is what has no link of its
    /// own and is reached through something that is hidden behind a nearer failure.
    fn symptoms(&self) -> BTreeMap<E, (i64, i64)> {
        let mut all = self.beside_the_reachable();
        let hidden = self.hidden();
        all.retain(|s, _| !hidden.contains(s));
        for (s, (since, _)) in &mut all {
            *since = self.afresh.get(s).map_or(*since, |from| *from.max(since));
        }
        all
    }

    fn beside_the_reachable(&self) -> BTreeMap<E, (i64, i64)> {
        let mut all = BTreeMap::new();
        for (d, since) in &self.silent {
            let beside_the_probe = self.links_at(*d).is_empty();
            if beside_the_probe || !self.links_to_the_reachable_side(*d).is_empty() {
                all.insert(*d, (*since, self.device_interval));
            }
        }
        for (l, since) in &self.down {
            let hidden = self.ends(*l).iter().any(|d| self.silent.contains_key(d));
            if !hidden && !self.removed.contains(l) {
                all.insert(*l, (*since, self.port_interval));
            }
        }
        let mut failing = vec![false; self.devices + self.links];
        for e in self.silent.keys().chain(self.down.keys()) {
            failing[*e] = true;
        }
        for (s, since) in &self.services {
            let needs = &self.inventory.services[s - self.devices - self.links].needs;
            if self.met(Some(needs), &failing) {
                all.insert(*s, (*since, self.device_interval));
            }
        }
        all
    }

    /// What is silent and hidden behind a nearer failure, and what is reached through that.
    fn hidden(&self) -> Set {
        let all = self.beside_the_reachable();
        let mut hidden: Vec<bool> = (0..self.devices + self.links)
            .map(|e| self.silent.contains_key(&e) && !all.contains_key(&e))
            .collect();
        loop {
            let through = |d: &E| {
                let needs = self.inventory.devices[*d].needs.as_ref();
                !hidden[*d] && self.links_at(*d).is_empty() && !self.met(needs, &hidden)
            };
            let Some(d) = self.silent.keys().copied().find(through) else { break };
            hidden[d] = true;
        }
        (0..hidden.len()).filter(|e| hidden[*e]).collect()
    }

    /// The links of a silent device that lead to somebody who answers, or to where a probe stands,
    /// through what was never observed where that lies between.
    fn links_to_the_reachable_side(&self, device: E) -> Vec<E> {
        let leads = |first: E| {
            let (mut seen, mut next) = (Set::new(), vec![first]);
            while let Some(d) = next.pop() {
                if self.answering.contains(&d) {
                    return true;
                }
                if self.never_observed(d) && seen.insert(d) {
                    if self.stands.contains(&d) {
                        return true;
                    }
                    next.extend(self.links_at(d).into_iter().map(|(_, far)| far));
                }
            }
            false
        };
        self.links_at(device).into_iter().filter(|(_, far)| leads(*far)).map(|(l, _)| l).collect()
    }

    /// What `e` would explain, if it may.
    fn candidate(&self, e: E, blamed: &Set, open: &Set) -> Option<Candidate> {
        // Nobody blames what is only looked through: that would not be the base rule any more.
        let looked_through = |d: E| {
            self.never_observed(d)
                && !self.inventory.devices[d].passive
                && !self.stands.contains(&d)
        };
        let about = if self.is_link(e) { self.ends(e).to_vec() } else { vec![e] };
        if about.into_iter().any(looked_through) {
            return None;
        }

        let all = self.symptoms();
        let mut before = blamed.clone();
        let (symptoms, d) = loop {
            let d = self.more(&before, e);
            let symptoms: Set = open.intersection(&d).copied().collect();
            let newest = symptoms.iter().map(|s| all[s].0).max()?;
            let slowest = symptoms.iter().map(|s| all[s].1).max()?;
            // What failed well before did so on its own account: it is blamed already.
            let together = |s: &E| all[s].0 + 2 * slowest >= newest;
            let older: Set =
                open.iter().copied().filter(|s| !together(s) && !before.contains(s)).collect();
            if older.is_empty() {
                break (symptoms, d);
            }
            before.extend(older);
        };
        let well = d.iter().any(|x| self.well(*x));
        (!well && symptoms.len() >= 2).then(|| Candidate {
            element: e,
            symptoms,
            observed: self.observed(&d),
        })
    }

    /// Where a device that is seen to be silent is among those that look the same, what it stands on
    /// is not named: that would need more than what the device itself explains.
    fn without_what_only_carries(&self, root: Vec<E>) -> Vec<E> {
        let passive = |e: &E| *e < self.devices && self.inventory.devices[*e].passive;
        if root.iter().any(|e| self.silent.contains_key(e)) {
            return root.into_iter().filter(|e| !passive(e)).collect();
        }
        root
    }

    /// The root of a symptom that nothing else explains.
    fn alone(&self, symptom: E) -> Root {
        let mut root = vec![symptom];
        if self.silent.contains_key(&symptom)
            && let [link] = self.links_to_the_reachable_side(symptom)[..]
            && !self.well(link)
        {
            root.push(link);
        }
        self.names(&root)
    }
}
