//! What has no link of its own is reached through what it needs: a virtual machine through its host.
//!
//! # The rule
//! Where that is unreachable because of something nearer, this is too, and the incident of what is
//! nearer explains both: *everything else unreachable is explained by those*. It is no symptom of its
//! own then.
//!
//! An everyday picture: who lives at the end of a dead street cannot be rung up at his neighbour's
//! either.

use crate::Correlator;
use crate::shared_risk::{Findings, Part};
use crate::state::{Cause, IncidentIx, Waiter};
use model::AlarmState;
use model::inventory::Element;
use std::collections::BTreeSet;

impl Correlator {
    /// Whether a device without links is reached through something that is hidden behind a nearer
    /// failure.
    pub(crate) fn hidden_with_what_it_needs(&self, device: u32) -> bool {
        let needs = &self.inventory.devices[device as usize].needs;
        let Some(needs) = needs.as_ref().filter(|_| self.unlinked(device)) else { return false };
        !needs.met(&|e| match e {
            Element::Device(x) => !self.hidden(x.0),
            Element::Link(_) => true,
        })
    }

    fn unlinked(&self, device: u32) -> bool {
        let mut links = self.inventory.graph.neighbours(device).iter();
        !self.reach.stands_at(device) && links.all(|(_, l)| self.reach.removed(*l))
    }

    /// Whether a device is unreachable because of something nearer.
    fn hidden(&self, device: u32) -> bool {
        let since = self.silent_since(device);
        self.reach.devices[device as usize].down()
            && (!self.reach.beside_the_lit(&self.inventory, device, since)
                || self.hidden_with_what_it_needs(device))
    }

    /// These, and the unreachable devices that are reached through them and hidden with them.
    pub(crate) fn with_those_through(&self, group: Vec<u32>) -> Vec<u32> {
        if !self.shares() {
            return group;
        }
        let mut all: BTreeSet<u32> = group.iter().copied().collect();
        let mut queue = group;
        while let Some(d) = queue.pop() {
            let needing = self.risks.needed_by.get(&Part::Device(d)).into_iter().flatten();
            for part in needing {
                let Part::Device(through) = *part else { continue };
                let goes = self.reach.devices[through as usize].down()
                    && self.hidden_with_what_it_needs(through);
                if goes && all.insert(through) {
                    queue.push(through);
                }
            }
        }
        all.into_iter().collect()
    }

    /// A device that is hidden with what it is reached through goes where that went. While that waits
    /// to be explained it waits with it, and that has an end.
    pub(crate) fn goes_with_what_it_needs(&mut self, device: u32, findings: &mut Findings) -> bool {
        let needs = self.inventory.devices[device as usize].needs.as_ref();
        let Some(needs) = needs.filter(|_| self.unlinked(device)) else { return false };
        if needs.met(&|e| self.reach.works(*e)) {
            return false;
        }
        let mut needed = BTreeSet::new();
        needs.for_each(&mut |e| {
            if let Element::Device(x) = e {
                needed.insert(x.0);
            }
        });
        needed.retain(|x| self.reach.devices[*x as usize].down());
        let hidden = self.hidden_with_what_it_needs(device);
        let waits = |x: &u32| self.reach_alarms(*x).into_iter().any(|k| self.waits_to_be_told(k));
        if !hidden && !needed.iter().any(waits) {
            return false;
        }
        if hidden {
            needed.retain(|x| self.hidden(*x));
        }
        let alarms: Vec<_> = needed
            .iter()
            .flat_map(|x| self.reach_alarms(*x))
            .filter_map(|k| self.state.alarms.get(&k))
            .map(|a| (a.state, a.incident, a.covered_by.clone()))
            .collect();
        let own = self.reach_alarms(device);
        let told = alarms.iter().find(|a| a.0 == AlarmState::Raised && hidden).and_then(|a| a.1);
        if let Some(incident) = told {
            for key in own.into_iter().chain(self.said_of_the_same(&[device])) {
                self.attach(key, incident, &mut findings.went);
            }
            self.mask_own(device, incident);
        } else if let Some(window) = alarms.into_iter().find_map(|a| a.2) {
            self.cover(&own, &window);
        } else {
            let target = self.reach.devices[device as usize].target;
            self.wait_for(&needed, Waiter::Around(target));
        }
        true
    }

    /// What failed of its own before stays open, masked.
    fn mask_own(&mut self, device: u32, incident: IncidentIx) {
        let own = Cause::Device(self.reach.devices[device as usize].target);
        if let Some(&own) = self.open.get(&own)
            && own != incident
        {
            self.mask(own, incident);
        }
    }
}
