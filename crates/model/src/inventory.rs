//! The inventory: sites, devices, links, services, probes; as a person wrote it, and as the core
//! walks it.
//!
//! [`InventorySpec`] is what was written. [`Inventory::build`] checks all of it at once and gives
//! either the walkable form or every [`Problem`], each with the table, the place in it and the key,
//! so that the configuration layer can point at the line.

mod build;
mod spec;

pub use spec::{
    Criticality, DeviceSpec, InventorySpec, LinkSpec, Needs, ProbeSpec, ServiceSpec, SiteSpec,
};

use crate::graph::Graph;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Something wrong with an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `site`, `device`, `link`, `service` or `probe`.
    pub table: &'static str,
    /// Which one, counted from 0 in the order written.
    pub index: usize,
    /// The key in it.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}
/// A device's place in [`Inventory::devices`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceIx(pub u32);

/// A link's place in [`Inventory::links`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkIx(pub u32);

/// A site's place in [`Inventory::sites`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SiteIx(pub u32);

/// An element that can be needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// A device, passive ones included.
    Device(DeviceIx),
    /// A link.
    Link(LinkIx),
}

/// A site.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its id.
    pub id: Arc<str>,
    /// What people call it; its id where nothing is given.
    pub name: Arc<str>,
    /// How many people work there.
    pub users: u64,
    /// Whom to tell.
    pub contacts: Vec<String>,
    /// Its devices, passive ones left out.
    pub devices: Vec<DeviceIx>,
}

/// A device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its id.
    pub id: Arc<str>,
    /// What people call it; its id where nothing is given.
    pub name: Arc<str>,
    /// Its addresses, the main one first.
    pub addresses: Vec<String>,
    /// `switch`, `router`, …
    pub class: Arc<str>,
    /// How much it matters.
    pub criticality: Criticality,
    /// Its site.
    pub site: Option<SiteIx>,
    /// Nothing to probe.
    pub passive: bool,
    /// What it needs besides its links.
    pub needs: Option<Needs<Element>>,
    /// Free words.
    pub tags: Vec<String>,
    /// The checks asked of it.
    pub checks: Vec<String>,
}

/// A link.
#[derive(Debug, Clone)]
pub struct Link {
    /// Its id.
    pub id: Arc<str>,
    /// Both ends.
    pub ends: [DeviceIx; 2],
    /// The ports at both ends as `device/port`, where given.
    pub ports: [Option<Arc<str>>; 2],
    /// `fibre`, `radio`, …
    pub kind: Arc<str>,
    /// What it needs.
    pub needs: Option<Needs<Element>>,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its id.
    pub id: Arc<str>,
    /// What people call it; its id where nothing is given.
    pub name: Arc<str>,
    /// How much it matters.
    pub criticality: Criticality,
    /// What it needs.
    pub needs: Needs<Element>,
}

/// A probe.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its id.
    pub id: Arc<str>,
    /// The device it stands at.
    pub at: Option<DeviceIx>,
    /// Devices that tell whether it can see anything at all.
    pub witnesses: Vec<DeviceIx>,
}

/// The inventory, checked and walkable.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The sites.
    pub sites: Vec<Site>,
    /// The devices.
    pub devices: Vec<Device>,
    /// The links.
    pub links: Vec<Link>,
    /// The services.
    pub services: Vec<Service>,
    /// The probes.
    pub probes: Vec<Probe>,
    /// Who is joined to whom.
    pub graph: Graph,
    device_by_id: FxHashMap<Arc<str>, DeviceIx>,
    link_by_id: FxHashMap<Arc<str>, LinkIx>,
    site_by_id: FxHashMap<Arc<str>, SiteIx>,
    link_by_port: FxHashMap<Arc<str>, LinkIx>,
    /// Services by the devices and links their needs name.
    services_of: FxHashMap<Element, Vec<u32>>,
    /// Names, aliases and addresses that mean exactly one device.
    known_as: FxHashMap<Arc<str>, DeviceIx>,
}

impl Inventory {
    /// The device, link, site or service whose id is nearly `wrong`.
    pub fn closest(&self, wrong: &str) -> Option<Arc<str>> {
        let devices = self.devices.iter().map(|d| &d.id);
        let links = self.links.iter().map(|l| &l.id);
        let others = self.sites.iter().map(|s| &s.id).chain(self.services.iter().map(|s| &s.id));
        let far = |id: &Arc<str>| build::distance(wrong, id);
        let near = devices.chain(links).chain(others).min_by_key(|id| (far(id), (*id).clone()))?;
        (far(near) <= 2 + wrong.len() / 5).then(|| near.clone())
    }

    /// Checks all that was written, and makes it walkable.
    ///
    /// # Errors
    /// Every problem there is, in the order written.
    pub fn build(spec: &InventorySpec) -> Result<Inventory, Vec<Problem>> {
        build::Builder::new(spec).run(true)
    }

    /// The same for what is known to be a part: what leads to a device may stand in the rest, so
    /// nothing is said about what can be reached.
    ///
    /// # Errors
    /// Every other problem there is, in the order written.
    pub fn build_part(spec: &InventorySpec) -> Result<Inventory, Vec<Problem>> {
        build::Builder::new(spec).run(false)
    }

    /// The device of this id.
    pub fn device(&self, id: &str) -> Option<DeviceIx> {
        self.device_by_id.get(id).copied()
    }

    /// The link of this id.
    pub fn link(&self, id: &str) -> Option<LinkIx> {
        self.link_by_id.get(id).copied()
    }

    /// The site of this id.
    pub fn site(&self, id: &str) -> Option<SiteIx> {
        self.site_by_id.get(id).copied()
    }

    /// The probe of this id.
    pub fn probe(&self, id: &str) -> Option<&Probe> {
        self.probes.iter().find(|p| &*p.id == id)
    }

    /// The link that this port (`device/port`) is an end of.
    pub fn link_at(&self, port: &str) -> Option<LinkIx> {
        self.link_by_port.get(port).copied()
    }

    /// The device that `target` is, or (as `device/port`) is a port of: the longest known prefix.
    pub fn device_of(&self, target: &str) -> Option<DeviceIx> {
        if let Some(ix) = self.device(target) {
            return Some(ix);
        }
        let mut end = target.len();
        while let Some(slash) = target[..end].rfind('/') {
            if let Some(ix) = self.device(&target[..slash]) {
                return Some(ix);
            }
            end = slash;
        }
        None
    }

    /// The device that another monitor calls `name`: its id, an alias, its name or an address,
    /// provided that it means exactly one.
    pub fn known_as(&self, name: &str) -> Option<DeviceIx> {
        self.device(name).or_else(|| self.known_as.get(name).copied())
    }

    /// The services whose needs name this element, by their place in `services`.
    pub fn services_of(&self, element: Element) -> &[u32] {
        self.services_of.get(&element).map_or(&[], Vec::as_slice)
    }

    /// The id of an element.
    pub fn id_of(&self, element: Element) -> &Arc<str> {
        match element {
            Element::Device(d) => &self[d].id,
            Element::Link(l) => &self[l].id,
        }
    }
}

impl std::ops::Index<DeviceIx> for Inventory {
    type Output = Device;
    fn index(&self, ix: DeviceIx) -> &Device {
        &self.devices[ix.0 as usize]
    }
}

impl std::ops::Index<LinkIx> for Inventory {
    type Output = Link;
    fn index(&self, ix: LinkIx) -> &Link {
        &self.links[ix.0 as usize]
    }
}

impl std::ops::Index<SiteIx> for Inventory {
    type Output = Site;
    fn index(&self, ix: SiteIx) -> &Site {
        &self.sites[ix.0 as usize]
    }
}
