//! Who answers, who does not, and what that says about what failed.
//!
//! # The rule
//! One incident for each unreachable device that has a reachable neighbour: its root is that
//! device, or the device and its link when exactly one link joins it to the reachable side.
//! Everything unreachable behind it is explained by it. Routing goes round failures, so no path is
//! ever assumed: a device with one reachable neighbour and a link to it *should* answer.
//!
//! An everyday picture: a street is dark. The first dark house beside a lit one is where the cable
//! is cut; the houses behind it are only dark because of it. One does not call the electrician for
//! each house, and one does not call him at all before having looked at the neighbours *after* the
//! light went out. The last half of that sentence is the hold.
//!
//! A device that was never observed is neither lit nor dark: it is looked through.

use crate::few::Few;
use crate::state::{AlarmKey, Check, CheckIx, Phase, State, TargetIx};
use model::Inventory;
use model::inventory::{DeviceIx, Element, LinkIx, SiteIx};
use model::{AlarmState, Observation, Timestamp};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a target is under the inventory at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A device.
    Device(DeviceIx),
    /// A port of this device, and the link it is an end of.
    Port(DeviceIx, Option<LinkIx>),
    /// A link, under its own name.
    Link(LinkIx),
    /// A site.
    Site(SiteIx),
    /// A service, by its place.
    Service(u32),
    /// Nothing we know.
    Stranger,
}

impl Thing {
    pub(crate) fn is_known(self) -> bool {
        self != Thing::Stranger
    }
}

/// What is known about one device, derived from its checks.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeviceView {
    /// Its place among the targets; `u32::MAX` until it is seen.
    pub(crate) target: TargetIx,
    /// Something was observed of it, by any check.
    pub(crate) observed: bool,
    /// The newest answer by any check.
    pub(crate) last_reply: Timestamp,
    /// Checks of reachability that are confirmed silent.
    pub(crate) silent: Few<CheckIx>,
    /// Checks of reachability that are suspect.
    pub(crate) suspect: Few<CheckIx>,
    /// Answers by checks that are not silent, since it fell silent.
    pub(crate) answers_elsewhere: u8,
    /// The probes that observed it, a bit each.
    by: u64,
}

impl DeviceView {
    /// Confirmed unreachable.
    pub(crate) fn down(&self) -> bool {
        !self.silent.is_empty() && self.answers_elsewhere < 2
    }
}

/// What is known about one link, derived from the ports at its ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkView {
    /// Port checks that are confirmed down.
    pub(crate) down: Few<CheckIx>,
    /// Ends that are switched off on purpose.
    pub(crate) admin_down: Few<TargetIx>,
}

/// All that follows from state and inventory together.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// By target.
    pub(crate) things: Vec<Thing>,
    /// By device.
    pub(crate) devices: Vec<DeviceView>,
    /// By link.
    pub(crate) links: Vec<LinkView>,
    /// The check of each target that was seen first. Most have no other, and where there are a million
    /// this finds it without looking far.
    first_check: Vec<CheckIx>,
    /// Checks by target, name and probe.
    pub(crate) check_index: FxHashMap<(TargetIx, u16, u16), CheckIx>,
    /// The checks of each device and its ports.
    by_device: Vec<SmallVec<[CheckIx; 4]>>,
    /// The signals that stand, by their device.
    pub(crate) signals: BTreeMap<u32, BTreeSet<u32>>,
    /// The signals that stand, by the service they are about.
    pub(crate) service_signals: BTreeMap<u32, BTreeSet<u32>>,
    /// Devices that a probe stands at whose evidence counts.
    stands: BTreeSet<u32>,
    /// The probes whose evidence does not count, a bit each.
    out: u64,
    /// How many links each device is away from the nearest probe.
    pub(crate) depth: Vec<u32>,
}

/// A connected set of unreachable devices, and what it says.
#[derive(Debug, Default)]
pub(crate) struct Component {
    /// The unreachable devices, ascending.
    pub(crate) members: Vec<u32>,
    /// The members beside the reachable side, each with the links that lead there.
    pub(crate) frontier: BTreeMap<u32, Vec<u32>>,
}

/// Devices never observed that hang together: looked through.
#[derive(Debug, Default)]
struct Region {
    /// A probe stands behind them at a device that was never observed.
    stood_at: bool,
    /// Who answers there.
    boundary: BTreeSet<u32>,
    /// Who was never heard, though the inventory says it is checked.
    unheard: BTreeSet<u32>,
    /// Unreachable devices at its other edges.
    beyond: Vec<u32>,
}

/// What a member needs of its neighbours before it can be explained.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    /// It still has to be explained.
    pub(crate) held: bool,
    /// From when on their answers count.
    pub(crate) since: Timestamp,
}

/// Why a component cannot be explained yet.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The member whose neighbours have to be heard first.
    pub(crate) beside: u32,
    /// Those neighbours.
    pub(crate) devices: BTreeSet<u32>,
}

/// Of those whose evidence is wanted, this many are waited for at a time. When one of them has been
/// heard the look goes on from there: so a great outage costs little while it unfolds.
const WANTED_MAX: usize = 16;

impl Reach {
    /// Builds everything again: at a start, and when the inventory changes.
    pub(crate) fn build(inventory: &Inventory, state: &mut State) -> Reach {
        let mut reach = Reach {
            things: Vec::new(),
            devices: vec![
                DeviceView {
                    target: u32::MAX,
                    last_reply: Timestamp::MIN,
                    ..DeviceView::default()
                };
                inventory.devices.len()
            ],
            links: vec![LinkView::default(); inventory.links.len()],
            first_check: Vec::new(),
            check_index: FxHashMap::default(),
            signals: BTreeMap::new(),
            service_signals: BTreeMap::new(),
            by_device: vec![SmallVec::new(); inventory.devices.len()],
            stands: BTreeSet::new(),
            out: 0,
            depth: depths(inventory),
        };
        reach.count_probes(inventory, state);
        for (i, d) in inventory.devices.iter().enumerate() {
            let target = state.targets.intern_shared(&d.id);
            reach.devices[i].target = target;
            reach.devices[i].answers_elsewhere = state.elsewhere.get(&target).copied().unwrap_or(0);
        }
        reach.learn(inventory, state);
        for ix in 0..state.checks.len() as CheckIx {
            let check = &state.checks[ix as usize];
            reach.index_check((check.target, check.name, check.probe), ix);
            reach.note_check(inventory, state, ix, check);
        }
        for &port in &state.admin_down {
            if let Thing::Port(_, Some(l)) = reach.things[port as usize] {
                reach.links[l.0 as usize].admin_down.insert(port);
            }
        }
        reach
    }

    /// Learns what the targets are that were interned since.
    pub(crate) fn learn(&mut self, inventory: &Inventory, state: &State) {
        for ix in self.things.len()..state.targets.len() {
            let name = state.targets.name(ix as u32);
            self.things.push(thing(inventory, name));
        }
    }

    /// Learns what this target is, which may have the place of another one that is gone.
    pub(crate) fn learn_one(&mut self, inventory: &Inventory, state: &State, target: TargetIx) {
        self.learn(inventory, state);
        self.things[target as usize] = thing(inventory, state.targets.name(target));
    }

    /// Takes in a check that is new.
    pub(crate) fn index_check(&mut self, key: (TargetIx, u16, u16), ix: CheckIx) {
        self.check_index.insert(key, ix);
        let target = key.0 as usize;
        if self.first_check.len() <= target {
            self.first_check.resize(target + 1, CheckIx::MAX);
        }
        self.first_check[target] = self.first_check[target].min(ix);
        if let Some(d) = self.device_of(key.0) {
            self.by_device[d.0 as usize].push(ix);
            self.devices[d.0 as usize].by |= bit(u32::from(key.2));
        }
    }

    /// The check that a target was seen by first, when this observation is of that one. Nearly all
    /// are, and then no name has to be looked up.
    pub(crate) fn first_of(
        &self,
        state: &State,
        target: TargetIx,
        o: &Observation<'_>,
    ) -> Option<CheckIx> {
        let ix = *self.first_check.get(target as usize)?;
        let c = state.checks.get(ix as usize).filter(|c| c.target == target)?;
        let same = **state.check_names.name(u32::from(c.name)) == *o.check
            && **state.probes.name(u32::from(c.probe)) == *o.probe;
        same.then_some(ix)
    }

    /// The check of this target, name and probe, when it was seen before.
    pub(crate) fn check_of(&self, state: &State, key: (TargetIx, u16, u16)) -> Option<CheckIx> {
        let first = self.first_check.get(key.0 as usize);
        if let Some(&ix) = first
            && let Some(c) = state.checks.get(ix as usize)
            && (c.target, c.name, c.probe) == key
        {
            return Some(ix);
        }
        self.check_index.get(&key).copied()
    }

    /// Takes in whose evidence counts, and where those stand.
    pub(crate) fn count_probes(&mut self, inventory: &Inventory, state: &State) {
        let out = |p: u32| state.watchers.get(p as usize).is_some_and(|w| w.out);
        let apart = (state.watchers.len() as u32).min(PROBES_MAX);
        self.out = (0..apart).filter(|p| out(*p)).fold(0, |mask, p| mask | bit(p));
        let counts = |p: &&model::inventory::Probe| !state.probes.get(&p.id).is_some_and(out);
        self.stands =
            inventory.probes.iter().filter(counts).filter_map(|p| p.at).map(|d| d.0).collect();
    }

    /// Whether somebody whose evidence counts observes a device, or nobody ever did.
    pub(crate) fn watched(&self, device: u32) -> bool {
        let by = self.devices[device as usize].by;
        by == 0 || by & !self.out != 0
    }

    /// The neighbours of a device that are nearer to a probe.
    pub(crate) fn nearer<'a>(
        &'a self,
        inventory: &'a Inventory,
        device: u32,
    ) -> impl Iterator<Item = u32> + 'a {
        let own = self.depth[device as usize];
        let neighbours = inventory.graph.neighbours(device).iter().map(|(m, _)| *m);
        neighbours.filter(move |m| self.depth[*m as usize] < own)
    }

    /// The checks of a device and of its ports.
    pub(crate) fn checks_of_device(&self, device: u32) -> &[CheckIx] {
        &self.by_device[device as usize]
    }

    fn note_check(&mut self, inventory: &Inventory, state: &State, ix: CheckIx, check: &Check) {
        let Some(d) = self.device_of(check.target) else { return };
        let view = &mut self.devices[d.0 as usize];
        // A sample leaves a trace in one of these for good.
        view.observed |= check.last_reply > Timestamp::MIN || check.onset > Timestamp::MIN;
        view.last_reply = view.last_reply.max(check.last_reply);
        if state.aside.contains(&ix) {
            return;
        }
        if self.proves_reach(inventory, state, check) {
            let view = &mut self.devices[d.0 as usize];
            match check.phase {
                Phase::Bad | Phase::Clearing => {
                    view.silent.insert(ix);
                }
                Phase::Suspect if self.out & bit(u32::from(check.probe)) == 0 => {
                    view.suspect.insert(ix);
                }
                Phase::Ok | Phase::Unknown | Phase::Suspect => {}
            }
        } else if let (Thing::Port(_, Some(l)), Phase::Bad | Phase::Clearing) =
            (self.things[check.target as usize], check.phase)
        {
            self.links[l.0 as usize].down.insert(ix);
        }
    }

    /// The device that a target is or is a port of.
    pub(crate) fn device_of(&self, target: TargetIx) -> Option<DeviceIx> {
        match self.things[target as usize] {
            Thing::Device(d) | Thing::Port(d, _) => Some(d),
            Thing::Link(_) | Thing::Site(_) | Thing::Service(_) | Thing::Stranger => None,
        }
    }

    /// Whether silence of this check means that the device cannot be reached: `icmp`, or any other
    /// check of a device of which no `icmp` is asked.
    pub(crate) fn proves_reach(&self, inventory: &Inventory, state: &State, check: &Check) -> bool {
        let Thing::Device(d) = self.things[check.target as usize] else { return false };
        &**state.check_names.name(u32::from(check.name)) == "icmp"
            || !inventory[d].checks.iter().any(|c| c == "icmp")
    }

    /// A signal stands that is about this target.
    pub(crate) fn signal_stands(&mut self, target: TargetIx, signal: u32) {
        if let Some(d) = self.device_of(target) {
            self.signals.entry(d.0).or_default().insert(signal);
        }
        if let Thing::Service(s) = self.things[target as usize] {
            self.service_signals.entry(s).or_default().insert(signal);
        }
    }

    /// It no longer does.
    pub(crate) fn signal_is_over(&mut self, target: TargetIx, signal: u32) {
        if let Some(d) = self.device_of(target)
            && let Some(of) = self.signals.get_mut(&d.0)
        {
            of.remove(&signal);
        }
        if let Thing::Service(s) = self.things[target as usize]
            && let Some(of) = self.service_signals.get_mut(&s)
        {
            of.remove(&signal);
            if of.is_empty() {
                self.service_signals.remove(&s);
            }
        }
    }

    /// Whether a probe stands at this device.
    pub(crate) fn stands_at(&self, device: u32) -> bool {
        self.stands.contains(&device)
    }

    /// Looked through: never observed, and no probe stands there.
    fn transparent(&self, device: u32) -> bool {
        !self.devices[device as usize].observed && !self.stands.contains(&device)
    }

    /// Whether a link is switched off on purpose.
    pub(crate) fn removed(&self, link: u32) -> bool {
        !self.links[link as usize].admin_down.is_empty()
    }

    /// The component that the unreachable device `start` is in; or, while it cannot be explained
    /// yet, whose evidence is wanted first. `since` says for a member from when on the evidence of
    /// its neighbours counts, when it still has to be explained. Those never heard are waited for
    /// only while the watch is so young that they may yet be (`young`).
    pub(crate) fn component(
        &self,
        inventory: &Inventory,
        start: u32,
        young: bool,
        since: impl Fn(u32) -> Need,
    ) -> Result<Component, Wanted> {
        let mut c = Component::default();
        let mut wanted = BTreeSet::new();
        let mut seen = BTreeSet::from([start]);
        let mut queue = VecDeque::from([start]);
        let mut regions: Vec<Region> = Vec::new();
        let mut region_of: BTreeMap<u32, usize> = BTreeMap::new();
        // Neighbours from which no way leads to anybody who answers, and who were not heard since.
        let mut enclosed: BTreeSet<u32> = BTreeSet::new();
        while let Some(n) = queue.pop_front() {
            c.members.push(n);
            let need = since(n);
            let mut want = |d: u32| {
                // What hangs behind this one is waited for only while it is suspect: it is about to
                // be confirmed, and belongs to the same outage.
                if need.held && self.stale(d, need.since) {
                    wanted.insert(d);
                }
            };
            let mut out = Vec::new();
            let mut alone = true;
            for &(m, link) in inventory.graph.neighbours(n) {
                if self.removed(link) {
                    continue;
                }
                alone = false;
                if self.devices[m as usize].down() {
                    if seen.insert(m) {
                        queue.push_back(m);
                    }
                } else if self.transparent(m) {
                    let r = *region_of.entry(m).or_insert(usize::MAX);
                    let r = if r == usize::MAX {
                        self.region(inventory, m, &mut regions, &mut region_of)
                    } else {
                        r
                    };
                    let region = &regions[r];
                    let mut lit = region.stood_at;
                    for &d in &region.boundary {
                        let ahead = self.ahead(inventory, d, need.since);
                        lit |= ahead;
                        if ahead || !self.devices[d as usize].suspect.is_empty() {
                            want(d);
                        }
                    }
                    if young && lit {
                        region.unheard.iter().for_each(|d| want(*d));
                    }
                    queue.extend(region.beyond.iter().filter(|d| seen.insert(**d)));
                    if lit {
                        out.push(link);
                    }
                } else {
                    let ahead = self.ahead(inventory, m, need.since);
                    if ahead {
                        out.push(link);
                    }
                    let heard = self.devices[m as usize].observed;
                    let may_be_heard = young && !inventory.devices[m as usize].checks.is_empty();
                    let suspect = !self.devices[m as usize].suspect.is_empty();
                    if (ahead && (heard || may_be_heard)) || suspect {
                        want(m);
                    } else if need.held && heard && self.stale(m, need.since) {
                        enclosed.insert(m);
                    }
                }
            }
            if !wanted.is_empty() {
                let devices = wanted.into_iter().take(WANTED_MAX).collect();
                return Err(Wanted { beside: n, devices });
            }
            if self.stands.contains(&n) {
                // It is where we stand: no link leads from here to the reachable side.
                c.frontier.insert(n, Vec::new());
            } else if !out.is_empty() || alone {
                out.sort_unstable();
                c.frontier.insert(n, out);
            }
        }
        c.members.sort_unstable();
        if c.frontier.is_empty() && !enclosed.is_empty() {
            // All around is silent or was not heard since: whoever was not is about to fall silent,
            // and leads to what explains it.
            let devices = enclosed.into_iter().take(WANTED_MAX).collect();
            return Err(Wanted { beside: start, devices });
        }
        if c.frontier.is_empty() {
            // Nothing at all answers, and nobody stands among them: the first by the order of the
            // inventory stands for all, rather than none.
            c.frontier.insert(c.members[0], Vec::new());
        }
        Ok(c)
    }

    /// Whether an unreachable device has a neighbour on the reachable side, or none at all: whether
    /// the base rule says that it failed itself.
    pub(crate) fn beside_the_lit(
        &self,
        inventory: &Inventory,
        device: u32,
        since: Timestamp,
    ) -> bool {
        let linked = inventory.graph.neighbours(device).iter().any(|(_, l)| !self.removed(*l));
        self.stands.contains(&device)
            || !linked
            || self.lit_links(inventory, device, since).next().is_some()
    }

    /// The links of a device that lead to the reachable side, through what was never observed where
    /// that lies between.
    pub(crate) fn lit_links<'a>(
        &'a self,
        inventory: &'a Inventory,
        device: u32,
        since: Timestamp,
    ) -> impl Iterator<Item = u32> + 'a {
        let (mut regions, mut region_of) = (Vec::new(), BTreeMap::new());
        let leads = move |m: u32| {
            if self.devices[m as usize].down() {
                return false;
            }
            if !self.transparent(m) {
                return self.ahead(inventory, m, since);
            }
            let r = match region_of.get(&m) {
                Some(r) => *r,
                None => self.region(inventory, m, &mut regions, &mut region_of),
            };
            let ahead = |d: &u32| self.ahead(inventory, *d, since);
            regions[r].stood_at || regions[r].boundary.iter().any(ahead)
        };
        let links = inventory.graph.neighbours(device).iter().filter(|(_, l)| !self.removed(*l));
        let mut leads = leads;
        links.filter(move |(m, _)| leads(*m)).map(|(_, l)| *l)
    }

    /// Every unreachable device that hangs together with `start`, ascending.
    pub(crate) fn all_around(&self, inventory: &Inventory, start: u32) -> Vec<u32> {
        self.component(inventory, start, false, |_| Need { held: false, since: Timestamp::MIN })
            .map_or_else(|_| Vec::new(), |c| c.members)
    }

    /// The unreachable devices beside this one, looking through the never observed.
    pub(crate) fn down_beside(&self, inventory: &Inventory, device: u32) -> BTreeSet<u32> {
        let mut beside = BTreeSet::new();
        let (mut regions, mut region_of) = (Vec::new(), BTreeMap::new());
        for &(m, _) in inventory.graph.neighbours(device) {
            if self.devices[m as usize].down() {
                beside.insert(m);
            } else if self.transparent(m) && !region_of.contains_key(&m) {
                let r = self.region(inventory, m, &mut regions, &mut region_of);
                beside.extend(&regions[r].beyond);
            }
        }
        beside
    }

    /// Whether a device that is not down is on the reachable side: it answered since then, or a probe
    /// stands at it, or a way that avoids everything that is down leads from it to one of which that
    /// is true. What only the failed lead to is behind them, and says nothing about them.
    fn ahead(&self, inventory: &Inventory, device: u32, since: Timestamp) -> bool {
        let lit = |d: u32| {
            let view = &self.devices[d as usize];
            self.stands.contains(&d)
                || (view.observed && view.suspect.is_empty() && view.last_reply > since)
        };
        if lit(device) {
            return true;
        }
        let mut seen = BTreeSet::from([device]);
        let mut queue = VecDeque::from([device]);
        while let Some(n) = queue.pop_front() {
            for &(m, link) in inventory.graph.neighbours(n) {
                if self.removed(link) || !seen.insert(m) {
                    continue;
                }
                // Where a probe stands that sees, its way begins, whether the device answers or not.
                if self.devices[m as usize].down() && !self.stands.contains(&m) {
                    continue;
                }
                if lit(m) {
                    return true;
                }
                queue.push_back(m);
            }
        }
        false
    }

    /// Whether the evidence of a device is not good enough to say that it answers since then.
    fn stale(&self, device: u32, since: Timestamp) -> bool {
        let view = &self.devices[device as usize];
        self.watched(device) && (!view.suspect.is_empty() || view.last_reply <= since)
    }

    /// Walks the never observed from `start`.
    fn region(
        &self,
        inventory: &Inventory,
        start: u32,
        regions: &mut Vec<Region>,
        region_of: &mut BTreeMap<u32, usize>,
    ) -> usize {
        let place = regions.len();
        let mut region = Region::default();
        let mut queue = VecDeque::from([start]);
        region_of.insert(start, place);
        while let Some(n) = queue.pop_front() {
            if !inventory.devices[n as usize].checks.is_empty() {
                region.unheard.insert(n);
            }
            for &(m, link) in inventory.graph.neighbours(n) {
                if self.removed(link) {
                    continue;
                }
                if self.devices[m as usize].down() {
                    region.beyond.push(m);
                } else if self.transparent(m) {
                    if region_of.insert(m, place) != Some(place) {
                        queue.push_back(m);
                    }
                } else if self.devices[m as usize].observed {
                    region.boundary.insert(m);
                } else {
                    // Where a probe stands is on the reachable side even if it was never observed.
                    region.stood_at = true;
                    if !inventory.devices[m as usize].checks.is_empty() {
                        region.unheard.insert(m);
                    }
                }
            }
        }
        regions.push(region);
        place
    }

    /// The members that each frontier device explains: those it is nearest to, the first one on a tie.
    pub(crate) fn explain(&self, inventory: &Inventory, c: &Component) -> BTreeMap<u32, Vec<u32>> {
        let mut by: BTreeMap<u32, u32> = c.frontier.keys().map(|&f| (f, f)).collect();
        let mut queue: VecDeque<u32> = c.frontier.keys().copied().collect();
        while let Some(n) = queue.pop_front() {
            let root = by[&n];
            for &(m, link) in inventory.graph.neighbours(n) {
                let inside = self.devices[m as usize].down() || self.transparent(m);
                if inside && !self.removed(link) && !by.contains_key(&m) {
                    by.insert(m, root);
                    queue.push_back(m);
                }
            }
        }
        let first = *c.frontier.keys().next().expect("a component has a frontier");
        let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for m in &c.members {
            groups.entry(by.get(m).copied().unwrap_or(first)).or_default().push(*m);
        }
        groups
    }

    /// Whether an element works, as far as reachability tells.
    pub(crate) fn works(&self, e: Element) -> bool {
        match e {
            Element::Device(d) => !self.devices[d.0 as usize].down(),
            Element::Link(l) => self.links[l.0 as usize].down.is_empty(),
        }
    }
}

/// Of more probes than this, the rest share a bit, which always counts.
const PROBES_MAX: u32 = 63;

/// The bit of a probe.
fn bit(probe: u32) -> u64 {
    1 << probe.min(PROBES_MAX)
}

/// How many links each device is away from where a probe stands.
fn depths(inventory: &Inventory) -> Vec<u32> {
    let mut depth = vec![u32::MAX; inventory.devices.len()];
    let mut queue: VecDeque<u32> = VecDeque::new();
    for at in inventory.probes.iter().filter_map(|p| p.at) {
        depth[at.0 as usize] = 0;
        queue.push_back(at.0);
    }
    while let Some(n) = queue.pop_front() {
        for &(m, _) in inventory.graph.neighbours(n) {
            if depth[m as usize] == u32::MAX {
                depth[m as usize] = depth[n as usize] + 1;
                queue.push_back(m);
            }
        }
    }
    depth
}

/// What a name means in this inventory. A link's own name comes before what it looks like: `A|B`
/// begins as a port of `A` would.
fn thing(inventory: &Inventory, name: &str) -> Thing {
    if let Some(d) = inventory.device(name) {
        return Thing::Device(d);
    }
    if let Some(l) = inventory.link(name) {
        return Thing::Link(l);
    }
    if let Some(s) = inventory.site(name) {
        return Thing::Site(s);
    }
    if let Some(s) = inventory.services.iter().position(|s| &*s.id == name) {
        return Thing::Service(s as u32);
    }
    match inventory.device_of(name) {
        Some(d) => Thing::Port(d, inventory.link_at(name)),
        None => Thing::Stranger,
    }
}

/// Whether an alarm may still change its mind about who explains it.
pub(crate) fn held(state: AlarmState) -> bool {
    state == AlarmState::Held
}

/// The alarm of a check's own state.
pub(crate) fn silent(ix: CheckIx) -> AlarmKey {
    AlarmKey::Silent(ix)
}
