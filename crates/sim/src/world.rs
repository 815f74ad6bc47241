//! What is really so: who is broken, which links are cut, what gets lost on the way. The probe sees
//! a part of it, late; the measure knows all of it.

use model::Inventory;
use model::inventory::{DeviceIx, Element, LinkIx, Needs};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What is wrong with an element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum What {
    /// It does not work at all.
    Down,
    /// This share of the packets through it is lost, there and back together (0 to 1).
    Loss(f64),
}

/// One cause: what goes wrong with one element, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The element; a passive one takes with it what needs it.
    pub element: Element,
    /// What is wrong.
    pub what: What,
    /// When, counted from the beginning; more than once for what comes and goes. Ascending.
    pub spans: Vec<(Duration, Duration)>,
}

/// A device as one probe reaches it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Way {
    /// Links on the way.
    pub(crate) hops: u32,
    /// The share of packets that make it there and back.
    pub(crate) pass: f64,
}

/// The state of everything at one moment.
pub(crate) struct World {
    inventory: Arc<Inventory>,
    /// The devices each probe stands at, and those that stand beside it.
    starts: Vec<Vec<u32>>,
    /// How many faults hold each element down.
    broken: Vec<u32>,
    severed: Vec<u32>,
    /// The loss of each link.
    lossy: Vec<f64>,
    pub(crate) dead: Vec<bool>,
    pub(crate) cut: Vec<bool>,
    /// By probe, then by device.
    pub(crate) ways: Vec<Vec<Option<Way>>>,
}

/// What a cause does by itself, in an otherwise sound world.
#[derive(Debug, Clone, Default)]
pub(crate) struct Effect {
    /// Devices that do not work.
    pub(crate) dead: Vec<u32>,
    /// Links that carry nothing.
    pub(crate) cut: Vec<u32>,
    /// Probed devices that no probe reaches.
    pub(crate) unreachable: BTreeSet<u32>,
    /// Probed devices whose way loses packets.
    pub(crate) lossy: BTreeSet<u32>,
}

impl World {
    /// Everything works.
    pub(crate) fn new(inventory: Arc<Inventory>) -> World {
        let alone: Vec<u32> = (0..inventory.devices.len() as u32)
            .filter(|d| inventory.graph.neighbours(*d).is_empty())
            .collect();
        let mut starts: Vec<Vec<u32>> = inventory
            .probes
            .iter()
            .map(|p| p.at.iter().map(|d| d.0).chain(alone.iter().copied()).collect())
            .collect();
        if starts.is_empty() {
            starts.push(alone);
        }
        let mut world = World {
            broken: vec![0; inventory.devices.len()],
            severed: vec![0; inventory.links.len()],
            lossy: vec![0.0; inventory.links.len()],
            dead: vec![false; inventory.devices.len()],
            cut: vec![false; inventory.links.len()],
            ways: Vec::new(),
            starts,
            inventory,
        };
        world.settle();
        world
    }

    /// A fault begins (`on`) or ends. Follow with [`Self::settle`].
    pub(crate) fn turn(&mut self, fault: &Fault, on: bool) {
        match (fault.element, fault.what) {
            (Element::Device(d), What::Down) => count(&mut self.broken[d.0 as usize], on),
            (Element::Link(l), What::Down) => count(&mut self.severed[l.0 as usize], on),
            (Element::Link(l), What::Loss(share)) => {
                self.lossy[l.0 as usize] = if on { share } else { 0.0 };
            }
            // What goes to a device and through it comes over its links.
            (Element::Device(d), What::Loss(share)) => {
                for &(_, l) in self.inventory.clone().graph.neighbours(d.0) {
                    self.lossy[l as usize] = if on { share } else { 0.0 };
                }
            }
        }
    }

    /// Finds out what follows from what is broken: who has what it needs, who can be reached, and
    /// how well.
    pub(crate) fn settle(&mut self) {
        let inventory = self.inventory.clone();
        for (d, n) in self.broken.iter().enumerate() {
            self.dead[d] = *n > 0;
        }
        for (l, n) in self.severed.iter().enumerate() {
            self.cut[l] = *n > 0;
        }
        loop {
            let mut more = false;
            let (dead, cut) = (&self.dead, &self.cut);
            let works = |e: &Element| match *e {
                Element::Device(DeviceIx(d)) => !dead[d as usize],
                Element::Link(LinkIx(l)) => !cut[l as usize],
            };
            let unmet = |needs: &Option<Needs<Element>>| {
                needs.as_ref().is_some_and(|needs| !needs.met(&works))
            };
            let devices = inventory.devices.iter().enumerate();
            let dies: Vec<usize> =
                devices.filter(|(d, x)| !dead[*d] && unmet(&x.needs)).map(|(d, _)| d).collect();
            let links = inventory.links.iter().enumerate();
            let parts: Vec<usize> =
                links.filter(|(l, x)| !cut[*l] && unmet(&x.needs)).map(|(l, _)| l).collect();
            for d in dies {
                self.dead[d] = true;
                more = true;
            }
            for l in parts {
                self.cut[l] = true;
                more = true;
            }
            if !more {
                break;
            }
        }
        self.ways = self.starts.iter().map(|starts| self.walk(starts)).collect();
    }

    /// The shortest way to every device, as packets take it.
    fn walk(&self, starts: &[u32]) -> Vec<Option<Way>> {
        let mut ways = vec![None; self.inventory.devices.len()];
        let mut queue = VecDeque::new();
        for &s in starts.iter().filter(|s| !self.dead[**s as usize]) {
            ways[s as usize] = Some(Way { hops: 0, pass: 1.0 });
            queue.push_back(s);
        }
        while let Some(n) = queue.pop_front() {
            let Some(here) = ways[n as usize] else { continue };
            for &(m, l) in self.inventory.graph.neighbours(n) {
                if ways[m as usize].is_none() && !self.dead[m as usize] && !self.cut[l as usize] {
                    let pass = here.pass * (1.0 - self.lossy[l as usize]);
                    ways[m as usize] = Some(Way { hops: here.hops + 1, pass });
                    queue.push_back(m);
                }
            }
        }
        ways
    }

    /// Whether some probe reaches this device.
    pub(crate) fn reached(&self, device: u32) -> bool {
        self.ways.iter().any(|ways| ways[device as usize].is_some())
    }

    /// Whether a probe could see this device: it is asked something.
    pub(crate) fn probed(&self, device: u32) -> bool {
        probed(&self.inventory, device)
    }

    /// Whether this port has light: the link is whole and its other end works.
    pub(crate) fn port_up(&self, link: u32, end: usize) -> bool {
        let other = self.inventory.links[link as usize].ends[1 - end];
        !self.cut[link as usize] && !self.dead[other.0 as usize]
    }

    /// Whether anybody could notice this cause now, beside all else that is wrong: something of it
    /// stands at the edge of what can be reached, or a port that is read is dark because of it.
    pub(crate) fn visible(&self, effect: &Effect) -> bool {
        let edge = |d: u32| {
            self.inventory.graph.neighbours(d).iter().any(|&(m, _)| self.reached(m) && m != d)
                || self.starts.iter().any(|s| s.contains(&d))
        };
        let of_device = |d: u32| {
            edge(d)
                && if self.probed(d) {
                    true
                } else {
                    effect.unreachable.iter().any(|x| !self.reached(*x))
                }
        };
        let of_link = |l: u32| {
            let ends = self.inventory.links[l as usize].ends.map(|d| d.0);
            match ends.map(|d| self.reached(d)) {
                [true, true] => self.port_is_read(l, 0) || self.port_is_read(l, 1),
                [true, false] => self.probed(ends[1]),
                [false, true] => self.probed(ends[0]),
                [false, false] => false,
            }
        };
        effect.dead.iter().any(|d| of_device(*d)) || effect.cut.iter().any(|l| of_link(*l))
    }

    fn port_is_read(&self, link: u32, end: usize) -> bool {
        let link = &self.inventory.links[link as usize];
        let device = &self.inventory[link.ends[end]];
        link.ports[end].is_some() && device.checks.iter().any(|c| c == "snmp:if-status")
    }
}

/// Finds out what single failures would do in a sound world.
pub(crate) struct Surveyor {
    sound: World,
    trial: World,
}

impl Surveyor {
    pub(crate) fn new(inventory: &Arc<Inventory>) -> Surveyor {
        Surveyor { sound: World::new(inventory.clone()), trial: World::new(inventory.clone()) }
    }

    /// What this fault does by itself.
    pub(crate) fn effect(&mut self, fault: &Fault) -> Effect {
        self.trial.turn(fault, true);
        self.trial.settle();
        let (sound, trial) = (&self.sound, &self.trial);
        let devices = 0..sound.inventory.devices.len() as u32;
        let seen = devices.clone().filter(|d| sound.probed(*d) && sound.reached(*d));
        let pass = |w: &World, d: u32| {
            w.ways.iter().filter_map(|ways| ways[d as usize]).map(|w| w.pass).fold(0.0, f64::max)
        };
        let links = 0..sound.inventory.links.len() as u32;
        let effect = Effect {
            dead: devices.filter(|d| trial.dead[*d as usize]).collect(),
            cut: links.filter(|l| trial.cut[*l as usize]).collect(),
            unreachable: seen.clone().filter(|d| !trial.reached(*d)).collect(),
            lossy: seen
                .filter(|d| trial.reached(*d) && pass(trial, *d) < pass(sound, *d))
                .collect(),
        };
        self.trial.turn(fault, false);
        effect
    }

    /// Whether a probe stands there, or it stands beside the probe.
    pub(crate) fn stands_at(&self, device: u32) -> bool {
        self.sound.inventory.probes.iter().any(|p| p.at.is_some_and(|d| d.0 == device))
    }

    /// Whether a port of this link is read.
    pub(crate) fn port_is_read(&self, link: u32) -> bool {
        self.sound.port_is_read(link, 0) || self.sound.port_is_read(link, 1)
    }
}

/// Whether this device is asked anything.
pub(crate) fn probed(inventory: &Inventory, device: u32) -> bool {
    let d = &inventory.devices[device as usize];
    !d.passive && !d.checks.is_empty()
}

fn count(n: &mut u32, on: bool) {
    if on {
        *n += 1;
    } else {
        *n = n.saturating_sub(1);
    }
}
