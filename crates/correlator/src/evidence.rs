//! What the ports around a silent device say, and what answers behind it. Evidence only removes
//! candidates; it never makes one.
//!
//! A near port that is up argues against the link, though not on a provider's circuit, whose box
//! keeps the port up whatever happens beyond. Ping *to* a router is not ping *through* it: one that
//! is silent while something answers that only it leads to is busy or mute, and not down.

use crate::Correlator;
use crate::reach::Thing;
use crate::state::{Check, Phase};
use model::Timestamp;
use model::inventory::LinkIx;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// A link of this kind is somebody else's: the port at our end is up whatever happens to it.
const CIRCUIT: &str = "circuit";

/// What the ports that lead to a device say of it.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    /// Those that are up, of links that are our own.
    pub(crate) up: BTreeSet<Arc<str>>,
    /// Those that are down.
    pub(crate) down: BTreeSet<Arc<str>>,
    /// Ways that lead there of which nothing is known.
    pub(crate) unknown: usize,
}

impl Correlator {
    /// A port of this link that was up after `since`, told by a device that answers; on a link that
    /// is our own. Stale evidence is none.
    pub(crate) fn port_up(&self, link: LinkIx, since: Timestamp) -> Option<Arc<str>> {
        let l = &self.inventory[link];
        if &*l.kind == CIRCUIT {
            return None;
        }
        (0..2).find_map(|side| {
            let port = l.ports[side].as_ref()?;
            let up = |c: &Check| c.phase == Phase::Ok && c.last_reply > since && self.fresh(c);
            self.checks_of_port(l.ends[side].0, port).any(up).then(|| port.clone())
        })
    }

    /// Whether a port of this link has told something since its device can be asked.
    pub(crate) fn port_known(&self, link: LinkIx) -> bool {
        let l = &self.inventory[link];
        let told = |c: &Check| {
            c.phase == Phase::Bad || (&*l.kind != CIRCUIT && c.last_reply > Timestamp::MIN)
        };
        let mut ends = l.ends.iter().zip(&l.ports);
        ends.any(|(d, port)| port.as_ref().is_some_and(|p| self.checks_of_port(d.0, p).any(told)))
    }

    /// The checks of a port, unless its device does not answer or its agent is silent: what it said
    /// then is unknown.
    fn checks_of_port<'a>(
        &'a self,
        device: u32,
        port: &str,
    ) -> impl Iterator<Item = &'a Check> + 'a {
        let target = self.state.targets.get(port);
        let answers = !self.reach.devices[device as usize].down();
        let checks = self.reach.checks_of_device(device);
        let mute = move |name: u16, probe: u16| {
            let agent = (self.reach.devices[device as usize].target, name, probe);
            self.reach.check_index.get(&agent).is_some_and(|ix| {
                matches!(self.state.checks[*ix as usize].phase, Phase::Bad | Phase::Clearing)
            })
        };
        checks
            .iter()
            .map(|ix| &self.state.checks[*ix as usize])
            .filter(move |c| answers && Some(c.target) == target && !mute(c.name, c.probe))
    }

    /// Whether a port of this link said that it is down so long after `since` only that it was up then,
    /// and for a while: what had failed by then did not fail with it.
    pub(crate) fn went_down_later(&self, link: LinkIx, since: Timestamp) -> bool {
        let l = &self.inventory[link];
        let ports = l.ends.iter().zip(&l.ports).filter_map(|(d, port)| Some((d.0, port.as_ref()?)));
        let down = ports
            .flat_map(|(d, port)| self.checks_of_port(d, port))
            .filter(|c| c.phase == Phase::Bad)
            .map(|c| (c.onset, self.rules[usize::from(c.name)].interval));
        let first = down.min();
        &*l.kind != CIRCUIT && first.is_some_and(|(onset, pace)| onset > since + pace * 2)
    }

    fn fresh(&self, c: &Check) -> bool {
        let rule = &self.rules[usize::from(c.name)];
        self.state.now <= c.last_at + rule.interval.mul_f64(rule.stale_after)
    }

    /// The neighbours that will say soon whether the link from them to `device` is up.
    pub(crate) fn ports_to_hear(
        &self,
        device: u32,
        links: &[u32],
        since: Timestamp,
    ) -> BTreeSet<u32> {
        let mut hear = BTreeSet::new();
        let [link] = links else { return hear };
        let l = &self.inventory.links[*link as usize];
        for side in 0..2 {
            let (near, Some(port)) = (l.ends[side].0, &l.ports[side]) else { continue };
            let soon = |c: &Check| c.phase == Phase::Ok && c.last_at <= since && self.fresh(c);
            if near != device && self.checks_of_port(near, port).any(soon) {
                hear.insert(near);
            }
        }
        hear
    }

    /// What the ports of its neighbours say of a device, since it fell silent.
    pub(crate) fn ports_towards(&self, device: u32, since: Timestamp) -> Ports {
        let mut ports = Ports::default();
        for &(m, link) in self.inventory.graph.neighbours(device) {
            let l = &self.inventory.links[link as usize];
            let side = usize::from(l.ends[1].0 == m);
            let port = l.ports[side].as_ref();
            let newest = port.and_then(|p| {
                self.checks_of_port(m, p).filter(|c| c.last_reply > since && self.fresh(c)).last()
            });
            match (newest.map(|c| c.phase), port) {
                (Some(Phase::Ok), Some(p)) if &*l.kind != CIRCUIT => {
                    ports.up.insert(p.clone());
                }
                (Some(Phase::Bad), Some(p)) => {
                    ports.down.insert(p.clone());
                }
                _ => ports.unknown += 1,
            }
        }
        ports
    }

    /// Something that answers although, by the inventory, only this silent device leads to it.
    pub(crate) fn answers_behind(&self, device: u32) -> Option<Arc<str>> {
        let view = &self.reach.devices[device as usize];
        if !view.down() || self.reach.stands_at(device) {
            return None;
        }
        let onset = view.silent.iter().map(|ix| self.state.checks[*ix as usize].onset).max()?;
        let icmp = self.settings.checks.get("icmp").cloned().unwrap_or_default();
        let stale = icmp.interval.mul_f64(icmp.stale_after);
        let mut done = BTreeSet::from([device]);
        for &(start, link) in self.inventory.graph.neighbours(device) {
            if self.reach.removed(link) || done.contains(&start) {
                continue;
            }
            let mut seen = BTreeSet::from([start]);
            let mut queue = VecDeque::from([start]);
            let mut answers: Option<u32> = None;
            let mut leads_back = false;
            while let Some(n) = queue.pop_front() {
                let v = &self.reach.devices[n as usize];
                if self.reach.stands_at(n) {
                    leads_back = true;
                    break;
                }
                let good = v.observed
                    && !v.down()
                    && v.suspect.is_empty()
                    && v.last_reply > onset
                    && self.state.now <= v.last_reply + stale;
                if good && answers.is_none_or(|a| n < a) {
                    answers = Some(n);
                }
                for &(m, l) in self.inventory.graph.neighbours(n) {
                    if m != device && !self.reach.removed(l) && seen.insert(m) {
                        queue.push_back(m);
                    }
                }
            }
            done.extend(seen);
            if let (Some(a), false) = (answers, leads_back) {
                return Some(self.inventory.devices[a as usize].id.clone());
            }
        }
        None
    }

    /// What the ports say about a silent device, in half a sentence.
    pub(crate) fn port_hint(&self, device: u32) -> Option<String> {
        let view = &self.reach.devices[device as usize];
        let onset = view.silent.iter().map(|ix| self.state.checks[*ix as usize].onset).max()?;
        let ports = self.ports_towards(device, onset);
        if let Some(up) = ports.up.first() {
            return Some(format!("it has power, for port {up} that leads to it is up"));
        }
        let behind = |m: u32| self.reach.devices[m as usize].down();
        let around = self.inventory.graph.neighbours(device);
        let known = around.iter().filter(|(m, _)| !behind(*m)).count();
        (ports.down.len() >= 2 && ports.down.len() == known)
            .then(|| "every port that leads to it is down".to_owned())
    }

    /// Whether this target is a port of a link, for those who look at alarms.
    pub(crate) fn link_of_port(&self, target: u32) -> Option<LinkIx> {
        match self.reach.things[target as usize] {
            Thing::Port(_, l) => l,
            Thing::Link(l) => Some(l),
            _ => None,
        }
    }
}
