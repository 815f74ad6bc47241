//! From what is confirmed to incidents: which alarms have one cause, and which incident that is.
//!
//! Runs after anything confirmed changed, and when evidence arrives that a held alarm waits for.
//! It is idempotent: run twice, the second time decides nothing.

use crate::Correlator;
use crate::reach::{Component, Need, Thing, held};
use crate::shared_risk::{Findings, Part};
use crate::state::{AlarmKey, Cause, CheckIx, IncidentIx, TargetIx, Waiter};
use model::inventory::{DeviceIx, LinkIx};
use model::{AlarmState, Timestamp, Verdict};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A device is asked for at most this often.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(2);
/// At the first sign of a failure so many of those nearer are asked.
const ASKED_AROUND_MAX: usize = 16;
/// Another monitor may see an outage this much earlier than we do.
const ABOUT_THE_SAME_TIME: Duration = Duration::from_secs(120);

/// What has to be looked at before the event at hand is done.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    /// Devices of which something confirmed changed.
    pub(crate) devices: BTreeSet<u32>,
    /// Alarms about one device, port or link alone that are held.
    pub(crate) alarms: BTreeSet<AlarmKey>,
    /// Probes that may be isolated, or may see again.
    pub(crate) probes: BTreeSet<u32>,
    /// Everything.
    pub(crate) all: bool,
}

impl Correlator {
    /// Whether there is anything to look at.
    pub(crate) fn unsettled(&self) -> bool {
        self.dirty.all
            || !self.dirty.devices.is_empty()
            || !self.dirty.probes.is_empty()
            || !self.dirty.alarms.is_empty()
            || !self.touched.is_empty()
    }

    /// Whoever waits for this device looks again.
    pub(crate) fn heard_of(&mut self, device: u32) {
        let target = self.reach.devices[device as usize].target;
        let from = (target, Waiter::Around(0));
        let waiters: Vec<(TargetIx, Waiter)> =
            self.state.waiting.range(from..).take_while(|(t, _)| *t == target).copied().collect();
        for w in waiters {
            self.state.waiting.remove(&w);
            match w.1 {
                Waiter::Around(t) => {
                    self.dirty.devices.extend(self.reach.device_of(t).map(|d| d.0));
                }
                Waiter::Alarm(key) => {
                    self.dirty.alarms.insert(key);
                }
            }
        }
    }

    /// Looks at what changed, and brings the incidents in line with it.
    pub(crate) fn look_once(&mut self) {
        self.look_at_probes();
        let mut dirty = std::mem::take(&mut self.dirty);
        let mut findings = Findings::default();
        if !self.state.aside.is_empty() {
            self.tell_of_the_blind(&mut findings.went);
        }
        let mut look_at = BTreeSet::new();
        if dirty.all {
            look_at = self.unreachable();
            dirty.alarms =
                self.state.alarms.iter().filter(|(_, a)| held(a.state)).map(|(k, _)| *k).collect();
        }
        for d in dirty.devices {
            self.blamed_with(d, &mut findings);
            if self.reach.devices[d as usize].down() {
                look_at.insert(d);
            } else {
                self.can_be_seen(d, &mut findings.went);
                look_at.extend(self.reach.down_beside(&self.inventory, d));
            }
        }
        let mut seen = BTreeSet::new();
        for d in look_at {
            if !seen.contains(&d) && self.reach.devices[d as usize].down() {
                self.look_around(d, &mut seen, &mut findings);
            }
        }
        for key in dirty.alarms {
            if self.waits_alone(key) || self.is_another_loss(key) {
                self.look_at_local(key, &mut findings);
            }
        }
        // Whoever is explained otherwise now, since somebody else was looked at.
        while let Some(part) = findings.again.pop_first() {
            match part {
                Part::Device(d) => {
                    if !seen.contains(&d) && self.reach.devices[d as usize].down() {
                        self.look_around(d, &mut seen, &mut findings);
                    }
                }
                // An end that is in doubt says first whether it is the link at all.
                Part::Link(l) if self.ends_in_doubt(l) => {}
                Part::Link(_) | Part::Service(_) => {
                    for key in self.alarms_of(part) {
                        if self.state.alarms.contains_key(&key) {
                            self.look_at_local(key, &mut findings);
                        }
                    }
                }
            }
        }
        self.settle_touched(&findings.went);
    }

    /// Something became known of a device: what is blamed for it, or was cleared by it, is looked at
    /// again with all it explains.
    fn blamed_with(&self, device: u32, findings: &mut Findings) {
        if !self.shares() {
            return;
        }
        let links = self.inventory.graph.neighbours(device).iter().map(|(_, l)| Part::Link(*l));
        let mut incidents = BTreeSet::new();
        for part in links.chain([Part::Device(device)]) {
            incidents.extend(self.explained_above(part));
        }
        for ix in incidents {
            for key in &self.state.incidents[&ix].members {
                let target = self.target_of_alarm(*key);
                match self.reach.things[target as usize] {
                    Thing::Device(d) if self.is_reach(*key) => {
                        findings.again.insert(Part::Device(d.0));
                    }
                    Thing::Port(_, Some(l)) => {
                        findings.again.insert(Part::Link(l.0));
                    }
                    Thing::Service(s) => {
                        findings.again.insert(Part::Service(s));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Unreachable devices, ascending.
    fn unreachable(&self) -> BTreeSet<u32> {
        let silent = self.state.alarms.keys().filter_map(|k| match k {
            AlarmKey::Silent(ix) => self.reach.device_of(self.state.checks[*ix as usize].target),
            _ => None,
        });
        silent.map(|d| d.0).filter(|d| self.reach.devices[*d as usize].down()).collect()
    }

    /// Whether an alarm says that its device cannot be reached.
    pub(crate) fn is_reach(&self, key: AlarmKey) -> bool {
        match key {
            AlarmKey::Silent(ix) => {
                let check = &self.state.checks[ix as usize];
                self.reach.device_of(check.target).is_some_and(|d| {
                    let view = &self.reach.devices[d.0 as usize];
                    view.down() && view.silent.contains(&ix)
                })
            }
            _ => false,
        }
    }

    /// The alarms that say that this device cannot be reached.
    pub(crate) fn reach_alarms(&self, device: u32) -> SmallVec<[AlarmKey; 2]> {
        self.reach.devices[device as usize].silent.iter().map(|ix| AlarmKey::Silent(*ix)).collect()
    }

    /// Explains the unreachable devices around `start`, or waits for whose evidence is wanted first.
    fn look_around(&mut self, start: u32, seen: &mut BTreeSet<u32>, findings: &mut Findings) {
        if let Some(incident) = self.surrounded(start) {
            for key in self.reach_alarms(start).into_iter().chain(self.said_of_the_same(&[start])) {
                self.attach(key, incident, &mut findings.went);
            }
            return;
        }
        if self.goes_with_what_it_needs(start, findings) {
            return;
        }
        let now = self.state.now;
        let forced = self.reach_alarms(start).iter().any(|k| {
            self.state
                .alarms
                .get(k)
                .is_some_and(|a| held(a.state) && a.covered_by.is_none() && a.hold_until <= now)
        });
        if !forced {
            let wanted = self.unsure_of(start);
            if !wanted.is_empty() {
                let waiter = Waiter::Around(self.reach.devices[start as usize].target);
                self.wait_for(&wanted, waiter);
                return;
            }
        }
        let since = |m: u32| {
            let held_since = self.reach_alarms(m).into_iter().filter_map(|k| {
                let a = self.state.alarms.get(&k)?;
                (held(a.state) && a.covered_by.is_none()).then(|| a.onset + self.race_of(k, a))
            });
            let waits = held_since.max().filter(|_| !forced);
            let silent = self.reach_alarms(m).into_iter().filter_map(|k| self.state.alarms.get(&k));
            let onset = silent.map(|a| a.onset).max();
            Need { held: waits.is_some(), since: waits.or(onset).unwrap_or(Timestamp::MIN) }
        };
        let c = match self.reach.component(&self.inventory, start, self.young(), since) {
            Ok(c) => c,
            Err(wanted) => {
                // Under the name of the member in want, so that all who wait behind it wait once.
                let waiter = Waiter::Around(self.reach.devices[wanted.beside as usize].target);
                self.wait_for(&wanted.devices, waiter);
                return;
            }
        };
        if !forced {
            let unsure = c.members.iter().find_map(|m| {
                let wanted = self.unsure_of(*m);
                (!wanted.is_empty()).then_some((*m, wanted))
            });
            if let Some((m, wanted)) = unsure {
                let waiter = Waiter::Around(self.reach.devices[m as usize].target);
                self.wait_for(&wanted, waiter);
                return;
            }
        }
        seen.extend(c.members.iter().copied());
        let needs: Vec<(u32, Need)> = c.frontier.keys().map(|f| (*f, since(*f))).collect();
        let mut wanting = BTreeSet::new();
        for (f, need) in needs.into_iter().filter(|(_, n)| n.held) {
            let mut wanted = self.may_clear(Part::Device(f), need.since);
            wanted.extend(self.ports_to_hear(f, &c.frontier[&f], self.silent_since(f)));
            if !wanted.is_empty() {
                self.wait_for(&wanted, Waiter::Around(self.reach.devices[f as usize].target));
                wanting.insert(f);
            }
        }
        for (f, group) in self.reach.explain(&self.inventory, &c) {
            if wanting.contains(&f) {
                continue;
            }
            let group = self.with_those_through(group);
            let links = c.frontier.get(&f).cloned().unwrap_or_default();
            if let Some(incident) = self.explain_group(&c, f, &links, &group, findings) {
                let began = self.silent_since(f);
                self.mask_behind(&c, f, &group, incident, began);
            }
        }
        for &m in &c.members {
            let cause = Cause::Device(self.reach.devices[m as usize].target);
            self.touched.extend(self.open.get(&cause));
        }
    }

    /// The incident that explains everything around a device which nothing reachable is beside: it
    /// explains the device too, and nobody further away has to be looked at.
    fn surrounded(&self, device: u32) -> Option<IncidentIx> {
        let neighbours = self.inventory.graph.neighbours(device);
        if neighbours.is_empty()
            || self.reach.stands_at(device)
            || self.open.contains_key(&Cause::Device(self.reach.devices[device as usize].target))
        {
            return None;
        }
        let mut one = None;
        for &(m, link) in neighbours {
            if self.reach.removed(link) || !self.reach.devices[m as usize].down() {
                return None;
            }
            for key in self.reach_alarms(m) {
                let a = self.state.alarms.get(&key)?;
                let i = a.incident.filter(|_| a.state == AlarmState::Raised)?;
                if one.is_some_and(|one| one != i) {
                    return None;
                }
                one = Some(i);
            }
        }
        one
    }

    /// The unreachable devices of `group` have one cause: `f`, or its only link to the reachable
    /// side, or what `f` shares with others that fail.
    fn explain_group(
        &mut self,
        c: &Component,
        f: u32,
        links: &[u32],
        group: &[u32],
        findings: &mut Findings,
    ) -> Option<IncidentIx> {
        let alarms: Vec<AlarmKey> = group
            .iter()
            .flat_map(|&m| self.reach_alarms(m))
            .filter(|k| self.state.alarms.contains_key(k))
            .collect();
        let own = self.reach_alarms(f);
        if !own.is_empty() && own.iter().all(|k| self.recovering(*k)) {
            // A first good answer: nothing is explained anew by what is about to be over.
            return None;
        }
        let choice = self.choice(Part::Device(f), findings);
        let (cause, root, device, known) = if let Some(choice) = &choice {
            (choice.cause, choice.root.clone(), choice.device, self.same_as_shared(choice))
        } else {
            let cause = Cause::Device(self.reach.devices[f as usize].target);
            let known = self
                .open
                .get(&cause)
                .copied()
                .or_else(|| self.same_under_another_name(c, f, links, &alarms, findings));
            (cause, self.base_root(f, links), f, known)
        };
        if self.only_flaps(cause, &own) {
            return None;
        }
        let incident = if let Some(i) = known {
            i
        } else {
            if let Some(window) = self.window_over(&root, device) {
                self.cover(&alarms, &window);
                return None;
            }
            self.open_or_reopen(cause, &root, &alarms)
        };
        // While it flaps, what leads to it comes and goes as well.
        let flaps = own.iter().any(|k| self.is_flapping(*k));
        if !flaps || self.state.incidents[&incident].cause != cause {
            self.reroot(incident, cause, root, choice.map(|c| c.span));
        }
        if findings.blames(cause) {
            self.unmask(incident);
        }
        for key in alarms {
            self.attach(key, incident, &mut findings.went);
        }
        for key in self.said_of_the_same(group) {
            self.attach(key, incident, &mut findings.went);
        }
        Some(incident)
    }

    /// The device, and its link when exactly one joins it to the reachable side and no port at its
    /// near end says that the link is up.
    fn base_root(&self, f: u32, links: &[u32]) -> Vec<Arc<str>> {
        let mut root: Vec<Arc<str>> = vec![self.inventory.devices[f as usize].id.clone()];
        if let [link] = links
            && self.port_up(LinkIx(*link), self.silent_since(f)).is_none()
        {
            root.push(self.inventory.links[*link as usize].id.clone());
        }
        root.sort();
        root
    }

    /// What else is failing of these devices because they cannot be reached: their agents, the links
    /// that end at them, and what others began to say of them at about the same time. What failed
    /// well before is another matter, and stays where it is.
    pub(crate) fn said_of_the_same(&self, group: &[u32]) -> Vec<AlarmKey> {
        let mut keys = Vec::new();
        for &m in group {
            let silent_since = self
                .reach_alarms(m)
                .iter()
                .filter_map(|k| self.state.alarms.get(k))
                .map(|a| a.onset)
                .min();
            let of = self.local_alarms_of(m).into_iter().chain(self.asked_in_vain(m));
            keys.extend(of.filter(|k| match k {
                AlarmKey::Silent(_) => !self.has_an_incident_before(*k, silent_since),
                AlarmKey::Level(..) | AlarmKey::Signal(_) => {
                    self.state.alarms.get(k).is_some_and(|a| {
                        held(a.state)
                            || silent_since.is_some_and(|s| {
                                matches!(k, AlarmKey::Signal(_))
                                    && a.onset + ABOUT_THE_SAME_TIME >= s
                            })
                    })
                }
            }));
        }
        keys
    }

    /// Whether an alarm is of a link that failed before this, and has its own incident.
    fn has_an_incident_before(&self, key: AlarmKey, began: Option<Timestamp>) -> bool {
        let own = self.state.alarms.get(&key).and_then(|a| {
            let i = self.state.incidents.get(&a.incident?)?;
            Some(matches!(i.cause, Cause::Link(_)) && i.open() && i.shared.is_none())
        });
        let onset = self.state.alarms.get(&key).map(|a| a.onset);
        own == Some(true) && onset.zip(began).is_some_and(|(o, b)| o + ABOUT_THE_SAME_TIME < b)
    }

    /// The alarms about a device alone, or about the links that end at it. A link between two that are
    /// unreachable goes with the first of them.
    pub(crate) fn local_alarms_of(&self, device: u32) -> Vec<AlarmKey> {
        let mut keys = Vec::new();
        for &ix in self.reach.checks_of_device(device) {
            let target = self.state.checks[ix as usize].target;
            if matches!(self.reach.things[target as usize], Thing::Device(_)) {
                let key = AlarmKey::Silent(ix);
                let of_device = !self.is_reach(key) && !self.state.aside.contains(&ix);
                if of_device && self.state.alarms.contains_key(&key) {
                    keys.push(key);
                }
            }
            let levels = AlarmKey::Level(ix, 0)..=AlarmKey::Level(ix, u8::MAX);
            keys.extend(self.state.alarms.range(levels).map(|(k, _)| *k));
        }
        for &(other, l) in self.inventory.graph.neighbours(device) {
            if other < device && self.reach.devices[other as usize].down() {
                continue;
            }
            let down = self.reach.links[l as usize].down.iter().map(|ix| AlarmKey::Silent(*ix));
            keys.extend(down.filter(|k| self.state.alarms.contains_key(k)));
        }
        let signals = self.reach.signals.get(&device).into_iter().flatten();
        keys.extend(
            signals.map(|ix| AlarmKey::Signal(*ix)).filter(|k| self.state.alarms.contains_key(k)),
        );
        keys
    }

    /// An alarm that is about its own device, port or link alone, or about something unknown.
    fn look_at_local(&mut self, key: AlarmKey, findings: &mut Findings) {
        let alarm = &self.state.alarms[&key];
        let onset = alarm.onset;
        let patient = held(alarm.state) && self.state.now < alarm.hold_until;
        let target = self.target_of_alarm(key);
        let thing = self.reach.things[target as usize];
        let concerned: Vec<DeviceIx> = match thing {
            Thing::Device(d) | Thing::Port(d, None) => vec![d],
            Thing::Port(_, Some(l)) | Thing::Link(l) => {
                let mut ends = self.inventory[l].ends.to_vec();
                ends.sort_unstable();
                ends
            }
            Thing::Site(_) | Thing::Service(_) | Thing::Stranger => Vec::new(),
        };
        let mut wanted = BTreeSet::new();
        for d in concerned {
            let view = &self.reach.devices[d.0 as usize];
            if view.down() {
                let behind = view
                    .silent
                    .iter()
                    .find_map(|ix| self.state.alarms.get(&AlarmKey::Silent(*ix))?.incident);
                // Otherwise it waits with its device, whose own hold has an end.
                if let Some(i) = behind {
                    self.goes_behind(key, i, Some(self.silent_since(d.0)), findings);
                }
                return;
            }
            // Nobody has asked it yet, and everything around it is unreachable: so is it.
            if matches!(key, AlarmKey::Signal(_))
                && !view.observed
                && let Some(i) = self.surrounded(d.0)
            {
                self.goes_behind(key, i, None, findings);
                return;
            }
            if !matches!(key, AlarmKey::Level(..))
                && view.observed
                && (!view.suspect.is_empty() || view.last_reply <= onset)
            {
                wanted.insert(d.0);
            }
        }
        if let (AlarmKey::Silent(ix), Thing::Device(d)) = (key, thing) {
            let probe = self.state.checks[ix as usize].probe;
            if !self.hears_otherwise(probe, d.0, onset) {
                wanted.extend(self.may_be_blind(probe, onset));
            }
            if self.is_path(ix) {
                wanted.extend(self.unsure_on_the_way(ix, d.0, onset + self.race(key)));
            }
        }
        let part = match thing {
            Thing::Port(_, Some(l)) | Thing::Link(l) => Some(Part::Link(l.0)),
            Thing::Service(s) => Some(Part::Service(s)),
            _ => None,
        };
        if patient {
            wanted.extend(part.into_iter().flat_map(|p| self.may_clear(p, onset)));
            if !wanted.is_empty() {
                self.wait_for(&wanted, Waiter::Alarm(key));
                return;
            }
        }
        if let Some(choice) = part.and_then(|p| self.choice(p, findings)).or_else(|| match thing {
            Thing::Device(d) if matches!(key, AlarmKey::Signal(_)) => {
                self.blamed_for_others(d.0, findings)
            }
            _ => None,
        }) {
            let known = self.same_as_shared(&choice);
            let incident = if let Some(i) = known {
                i
            } else {
                if let Some(window) = self.window_over(&choice.root, choice.device) {
                    self.cover(&[key], &window);
                    return;
                }
                self.open_or_reopen(choice.cause, &choice.root, &[key])
            };
            self.reroot(incident, choice.cause, choice.root.clone(), Some(choice.span));
            self.unmask(incident);
            self.attach(key, incident, &mut findings.went);
            return;
        }
        if let (AlarmKey::Silent(ix), Thing::Device(d)) = (key, thing)
            && self.is_path(ix)
            && self.look_at_path(ix, d.0, &mut findings.went)
        {
            return;
        }
        if let Thing::Port(_, Some(l)) | Thing::Link(l) = thing
            && let Some(i) = self.rooted_in(l)
        {
            self.attach(key, i, &mut findings.went);
            return;
        }
        if let Some(i) = self.told_by_another_level(key) {
            self.attach(key, i, &mut findings.went);
            return;
        }
        let way = self.where_on_the_way(key);
        let on_the_way = way.is_some();
        let (cause, root) = way.unwrap_or_else(|| self.local_cause(key, target, thing));
        let incident = if let Some(i) = self.open.get(&cause) {
            *i
        } else if let Some(i) =
            self.left_of_a_device(key).or_else(|| self.told_further_on(key, cause))
        {
            self.reroot(i, cause, root, None);
            i
        } else {
            let device = match thing {
                Thing::Device(d) | Thing::Port(d, _) => d.0,
                Thing::Link(_) | Thing::Site(_) | Thing::Service(_) | Thing::Stranger => u32::MAX,
            };
            if let Some(window) = self.window_over(&root, device) {
                self.cover(&[key], &window);
                return;
            }
            self.open_or_reopen(cause, &root, &[key])
        };
        self.attach(key, incident, &mut findings.went);
        if on_the_way {
            for further in self.further_on_the_way(key, incident) {
                self.attach(further, incident, &mut findings.went);
            }
        }
    }

    /// An alarm about something that is hidden by what `incident` is about: it belongs there, unless
    /// it has an incident of its own from before.
    fn goes_behind(
        &mut self,
        key: AlarmKey,
        incident: IncidentIx,
        began: Option<Timestamp>,
        findings: &mut Findings,
    ) {
        match self.state.alarms.get(&key).and_then(|a| a.incident) {
            Some(own) if own != incident && self.has_an_incident_before(key, began) => {
                self.attach(key, own, &mut findings.went);
                self.mask(own, incident);
            }
            _ => self.attach(key, incident, &mut findings.went),
        }
    }

    /// The open incident that names this link among its roots already: the link and the device at
    /// its far end could not be told apart, and whatever the ports say of it belongs there. An agent
    /// may answer from its cache for a while after the link is back.
    fn rooted_in(&self, link: LinkIx) -> Option<IncidentIx> {
        let id = &self.inventory[link].id;
        let still = |cause: Cause| match cause {
            Cause::Device(t) => {
                self.reach.device_of(t).is_some_and(|d| self.reach.devices[d.0 as usize].down())
            }
            Cause::Link(_) | Cause::Other(_) | Cause::Blind(_) | Cause::Storm(_) => true,
        };
        let names = |i: &&IncidentIx| {
            self.state.incidents.get(i).is_some_and(|i| i.root.contains(id) && still(i.cause))
        };
        self.open.values().find(names).copied()
    }

    pub(crate) fn local_cause(
        &mut self,
        key: AlarmKey,
        target: TargetIx,
        thing: Thing,
    ) -> (Cause, Vec<Arc<str>>) {
        match thing {
            Thing::Device(d) => (Cause::Device(target), vec![self.inventory[d].id.clone()]),
            Thing::Port(_, Some(LinkIx(l))) | Thing::Link(LinkIx(l)) => {
                let id = self.inventory.links[l as usize].id.clone();
                (Cause::Link(self.intern(&id)), vec![id])
            }
            // A signal about a port is about its device.
            Thing::Port(d, None) if matches!(key, AlarmKey::Signal(_)) => {
                let id = self.inventory[d].id.clone();
                (Cause::Device(self.intern(&id)), vec![id])
            }
            Thing::Port(_, None) | Thing::Site(_) | Thing::Service(_) => {
                (Cause::Other(target), vec![self.state.targets.name(target).clone()])
            }
            Thing::Stranger => {
                // Each signal about something unknown is an incident of its own.
                let own = match key {
                    AlarmKey::Signal(ix) => {
                        let s = &self.state.signals[&ix];
                        let own = format!("{}:{}", s.source, s.key);
                        self.intern(&own)
                    }
                    _ => target,
                };
                (Cause::Other(own), vec![self.state.targets.name(target).clone()])
            }
        }
    }

    /// Gives a name a number, and learns what it is.
    pub(crate) fn intern(&mut self, name: &str) -> TargetIx {
        if let Some(ix) = self.state.targets.get(name) {
            return ix;
        }
        let ix = self.state.targets.intern(name);
        self.reach.learn_one(&self.inventory, &self.state, ix);
        ix
    }

    /// What an alarm is about.
    pub(crate) fn target_of_alarm(&self, key: AlarmKey) -> TargetIx {
        match key {
            AlarmKey::Silent(ix) | AlarmKey::Level(ix, _) => self.state.checks[ix as usize].target,
            AlarmKey::Signal(ix) => self.state.signals[&ix].target,
        }
    }

    /// Makes an alarm part of an incident, taking it out of the one it was in.
    pub(crate) fn attach(
        &mut self,
        key: AlarmKey,
        incident: IncidentIx,
        went: &mut BTreeMap<IncidentIx, IncidentIx>,
    ) {
        let flapping = matches!(key, AlarmKey::Silent(ix) if self.flaps(ix));
        let Some(alarm) = self.state.alarms.get_mut(&key) else { return };
        let before = alarm.incident;
        if before == Some(incident) && !held(alarm.state) {
            return;
        }
        let was = alarm.state;
        alarm.incident = Some(incident);
        alarm.covered_by = None;
        alarm.outlasted = None;
        if held(alarm.state) {
            alarm.state = if flapping { AlarmState::Flapping } else { AlarmState::Raised };
        }
        let state = alarm.state;
        self.clear_hold(key);
        if let Some(old) = before
            && old != incident
        {
            if let Some(i) = self.state.incidents.get_mut(&old) {
                i.members.remove(&key);
            }
            went.insert(old, incident);
            self.touched.insert(old);
        }
        if let Some(i) = self.state.incidents.get_mut(&incident) {
            i.members.insert(key);
        }
        self.touched.insert(incident);
        let reason = match self.role_in(key, Some(incident)) {
            Verdict::SuppressedByRoot => {
                format!("{} explains it", self.state.incidents[&incident].root.join(" or "))
            }
            _ => "nothing nearer explains it".to_owned(),
        };
        self.alarm_line(key, state, was, Some(incident), reason);
        if state == AlarmState::Flapping {
            self.watch_flapping(key);
        }
    }

    /// Whether an alarm stands for the incident's own cause, or is explained by it.
    pub(crate) fn role_in(&self, key: AlarmKey, incident: Option<IncidentIx>) -> Verdict {
        let Some(i) = incident.and_then(|i| self.state.incidents.get(&i)) else {
            return Verdict::Joined;
        };
        if self.stands_for(key, i) { Verdict::Joined } else { Verdict::SuppressedByRoot }
    }

    /// Whether an alarm stands for an incident's own cause.
    pub(crate) fn stands_for(&self, key: AlarmKey, i: &crate::state::Incident) -> bool {
        let target = self.target_of_alarm(key);
        match i.cause {
            Cause::Device(t) => {
                self.reach.device_of(target) == self.reach.device_of(t)
                    || self.is_root_link(target, i)
            }
            Cause::Link(_) | Cause::Other(_) | Cause::Blind(_) | Cause::Storm(_) => true,
        }
    }

    pub(crate) fn is_root_link(&self, target: TargetIx, i: &crate::state::Incident) -> bool {
        match self.reach.things[target as usize] {
            Thing::Port(_, Some(l)) => i.root.contains(&self.inventory[l].id),
            _ => false,
        }
    }

    /// Whether the watch is so young that a device may simply not have been asked yet.
    fn young(&self) -> bool {
        let icmp = self.settings.checks.get("icmp").map_or(Duration::from_secs(20), |r| r.interval);
        self.state.now < self.state.watching_since + icmp.mul_f64(2.5)
    }

    /// These are waited for, and asked at once.
    pub(crate) fn wait_for(&mut self, devices: &BTreeSet<u32>, waiter: Waiter) {
        for &d in devices {
            self.state.waiting.insert((self.reach.devices[d as usize].target, waiter));
            self.ask(d);
        }
    }

    /// What a target's device should be asked now.
    pub(crate) fn ask_about(&mut self, target: TargetIx) {
        match self.reach.things[target as usize] {
            Thing::Port(d, _) => {
                self.asks.insert((d.0, "snmp:if-status"));
            }
            Thing::Device(d) => self.ask(d.0),
            Thing::Link(_) | Thing::Site(_) | Thing::Service(_) | Thing::Stranger => {}
        }
    }

    /// Asked for at most twice an interval, so that nobody bears more than three times the normal
    /// packets, whatever is suspected around him.
    fn ask(&mut self, device: u32) {
        let now = self.state.now;
        let [before, last] =
            self.asked.get(&device).copied().unwrap_or([Timestamp::MIN, Timestamp::MIN]);
        if last + ASK_AGAIN > now {
            return;
        }
        let interval = self.settings.checks.get("icmp").map_or(ASK_AGAIN, |r| r.interval);
        if before + interval <= now {
            self.asked.insert(device, [last, now]);
            self.asks.insert((device, "icmp"));
        }
    }

    /// The first sign of a failure: the target is asked now, and whoever may explain it.
    pub(crate) fn ask_around(&mut self, ix: CheckIx) {
        let c = &self.state.checks[ix as usize];
        let Some(d) = self.reach.device_of(c.target) else { return };
        let post = &self.posts[usize::from(c.probe)];
        let mut whom: Vec<u32> = vec![d.0];
        whom.extend(self.reach.nearer(&self.inventory, d.0).take(ASKED_AROUND_MAX));
        whom.extend(&post.witnesses);
        whom.extend(post.at);
        for device in whom {
            let view = &self.reach.devices[device as usize];
            if view.observed && !view.down() {
                self.ask(device);
            }
        }
    }
}
