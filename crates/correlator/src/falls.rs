//! What falls when elements fail: what needs them, and what cannot be reached any more because of
//! that; and what of it can be seen.

use crate::Correlator;
use crate::shared_risk::Part;
use model::inventory::{DeviceIx, Element, LinkIx};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// What fails when some elements fail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fallen {
    /// They, and what needs them.
    pub(crate) devices: BTreeSet<u32>,
    pub(crate) links: BTreeSet<u32>,
    /// What cannot be reached any more.
    pub(crate) dark: BTreeSet<u32>,
    /// Devices where it would be seen first: those that fail, and the ends of what fails.
    pub(crate) first: BTreeSet<u32>,
    /// Services whose needs are no longer met.
    pub(crate) services: BTreeSet<u32>,
}

impl Correlator {
    /// What does not work any more when these fail: what needs them, what cannot be reached because
    /// of that, and what has no link of its own and so is reached through what it needs: a virtual
    /// machine falls with the fibre to the site where its host stands.
    pub(crate) fn fall(&self, of: &[Part]) -> Fallen {
        let mut of: BTreeSet<Part> = of.iter().copied().collect();
        loop {
            let all: Vec<Part> = of.iter().copied().collect();
            let fallen = self.fall_by_needs(&all);
            let before = of.len();
            let works = |e: &Element| match e {
                Element::Device(d) => !fallen.devices.contains(&d.0) && !fallen.dark.contains(&d.0),
                Element::Link(l) => !fallen.links.contains(&l.0),
            };
            for d in &fallen.dark {
                let through = self.risks.needed_by.get(&Part::Device(*d)).into_iter().flatten();
                of.extend(through.filter(|p| match p {
                    Part::Device(x) => {
                        let unlinked = self.inventory.graph.neighbours(*x).is_empty();
                        let needs = self.inventory.devices[*x as usize].needs.as_ref();
                        unlinked && needs.is_some_and(|n| !n.met(&works))
                    }
                    _ => false,
                }));
            }
            if of.len() == before {
                return fallen;
            }
        }
    }

    fn fall_by_needs(&self, of: &[Part]) -> Fallen {
        let (devices, links) = self.risks.fail(&self.inventory, of);
        let mut fallen = Fallen { devices, links, ..Fallen::default() };
        let mut beside = BTreeSet::new();
        for &d in &fallen.devices {
            if self.inventory.devices[d as usize].passive {
                beside.extend(self.inventory.graph.neighbours(d).iter().map(|(m, _)| *m));
            } else {
                fallen.first.insert(d);
            }
        }
        let mut edge = beside.clone();
        for &l in &fallen.links {
            let [a, b] = self.inventory.links[l as usize].ends;
            edge.extend([a.0, b.0]);
            if !fallen.devices.contains(&a.0) && !fallen.devices.contains(&b.0) {
                beside.extend([a.0, b.0]);
            }
        }
        let mut lit = BTreeSet::new();
        for d in edge {
            if !fallen.devices.contains(&d) && !fallen.dark.contains(&d) && !lit.contains(&d) {
                self.walk_to_a_probe(d, &mut fallen, &mut lit);
            }
        }
        // What stands beside a dark passive device is seen in its place.
        for d in fallen.dark.clone() {
            if self.inventory.devices[d as usize].passive {
                beside.extend(self.inventory.graph.neighbours(d).iter().map(|(m, _)| *m));
            }
        }
        let dark = beside.into_iter().filter(|d| fallen.dark.contains(d));
        let first: Vec<u32> =
            dark.filter(|d| !self.inventory.devices[*d as usize].passive).collect();
        fallen.first.extend(first);
        let mut services = BTreeSet::new();
        for &d in fallen.devices.iter().chain(&fallen.dark) {
            services.extend(self.inventory.services_of(Element::Device(DeviceIx(d))));
        }
        for &l in &fallen.links {
            services.extend(self.inventory.services_of(Element::Link(LinkIx(l))));
        }
        let works = |e: &Element| match e {
            Element::Device(d) => !fallen.devices.contains(&d.0) && !fallen.dark.contains(&d.0),
            Element::Link(l) => !fallen.links.contains(&l.0),
        };
        services.retain(|s| !self.inventory.services[*s as usize].needs.met(&works));
        fallen.services = services;
        fallen
    }

    /// Whether a way leads from `start` to a probe round what has fallen: nearest first, so that
    /// little is walked where one does, and no more than what is dark where none does.
    fn walk_to_a_probe(&self, start: u32, fallen: &mut Fallen, lit: &mut BTreeSet<u32>) {
        let mut seen = BTreeSet::from([start]);
        let mut queue = BinaryHeap::from([(Reverse(self.reach.depth[start as usize]), start)]);
        while let Some((_, n)) = queue.pop() {
            if self.reach.stands_at(n) || lit.contains(&n) {
                lit.extend(seen);
                return;
            }
            for &(m, l) in self.inventory.graph.neighbours(n) {
                let gone = fallen.links.contains(&l)
                    || fallen.devices.contains(&m)
                    || self.reach.removed(l);
                if !gone && seen.insert(m) {
                    queue.push((Reverse(self.reach.depth[m as usize]), m));
                }
            }
        }
        fallen.dark.extend(seen);
    }

    /// Everything in `fallen` that can be seen and is not in `before`.
    pub(crate) fn seen_in(&self, fallen: &Fallen, before: &Fallen) -> BTreeSet<Part> {
        let device = |d: &&u32| {
            self.reach.devices[**d as usize].observed
                && !before.devices.contains(*d)
                && !before.dark.contains(*d)
        };
        let devices = fallen.devices.iter().chain(&fallen.dark).filter(device);
        // A link is seen at a port that somebody asks; elsewhere nobody tells of it.
        let told = |l: &&u32| self.port_known(LinkIx(**l));
        let links = fallen.links.difference(&before.links).filter(told);
        let fails = |s: &&u32| self.symptom(Part::Service(**s)).is_some();
        let services = fallen.services.difference(&before.services).filter(fails);
        devices
            .map(|d| Part::Device(*d))
            .chain(links.map(|l| Part::Link(*l)))
            .chain(services.map(|s| Part::Service(*s)))
            .collect()
    }
}
