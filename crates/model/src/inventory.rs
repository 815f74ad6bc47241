//! The inventory: sites, devices, links, services, probes; as a person wrote it, and as the core
//! walks it.
//!
//! [`InventorySpec`] is what was written. [`Inventory::build`] checks all of it at once and gives
//! either the walkable form or every [`Problem`], each with the table, the place in it and the key,
//! so that the configuration layer can point at the line.

use crate::graph::Graph;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How much it matters. In ascending order, so that the highest is the `max`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Criticality {
    /// An office can wait.
    #[default]
    Normal,
    /// Many are hindered.
    Important,
    /// A public service stands still.
    Vital,
}

/// A boolean over elements: what must be there for something to work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Needs<T> {
    /// This element.
    Element(T),
    /// All of these.
    All(Vec<Needs<T>>),
    /// At least one of these.
    Any(Vec<Needs<T>>),
    /// At least `n` of these.
    AtLeast {
        /// How many.
        n: u32,
        /// Of which.
        of: Vec<Needs<T>>,
    },
}

impl<T> Needs<T> {
    /// Whether they are met, when `works` says which elements work.
    pub fn met(&self, works: &impl Fn(&T) -> bool) -> bool {
        match self {
            Needs::Element(e) => works(e),
            Needs::All(of) => of.iter().all(|n| n.met(works)),
            Needs::Any(of) => of.is_empty() || of.iter().any(|n| n.met(works)),
            Needs::AtLeast { n, of } => of.iter().filter(|x| x.met(works)).count() >= *n as usize,
        }
    }

    /// Calls `f` with every element named in them.
    pub fn for_each(&self, f: &mut impl FnMut(&T)) {
        match self {
            Needs::Element(e) => f(e),
            Needs::All(of) | Needs::Any(of) | Needs::AtLeast { of, .. } => {
                for n in of {
                    n.for_each(f);
                }
            }
        }
    }
}

/// A site, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SiteSpec {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// How many people work there.
    pub users: u64,
    /// Whom to tell.
    pub contacts: Vec<String>,
}

/// A device, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceSpec {
    /// Its id, usually `site/name`.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its main address.
    pub address: Option<String>,
    /// Further addresses.
    pub addresses: Vec<String>,
    /// `switch`, `router`, `server`, …
    pub class: Option<String>,
    /// How much it matters.
    pub criticality: Criticality,
    /// The site, when its id does not say so.
    pub site: Option<String>,
    /// The address space, where addresses overlap.
    pub realm: Option<String>,
    /// Nothing to probe: a room, a PDU, a duct.
    pub passive: bool,
    /// What it needs besides its links.
    pub needs: Option<Needs<String>>,
    /// Free words.
    pub tags: Vec<String>,
    /// What other monitors call it.
    pub aliases: Vec<String>,
    /// The checks asked of it; `None`: the default, `icmp`.
    pub checks: Option<Vec<String>>,
}

/// A link, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LinkSpec {
    /// Its id; `A|B` when it has none.
    pub id: Option<String>,
    /// Both ends: devices, or ports as `device/port`.
    pub between: [String; 2],
    /// `fibre`, `radio`, `circuit`, …
    pub kind: Option<String>,
    /// What it needs.
    pub needs: Option<Needs<String>>,
}

/// A service, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceSpec {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// How much it matters.
    pub criticality: Criticality,
    /// What it needs.
    pub needs: Option<Needs<String>>,
}

/// A probe, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProbeSpec {
    /// Its id.
    pub id: String,
    /// The device it stands at.
    pub at: Option<String>,
    /// Devices that tell whether it can see anything at all.
    pub witnesses: Vec<String>,
}

/// The inventory, as written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InventorySpec {
    /// The sites.
    pub sites: Vec<SiteSpec>,
    /// The devices.
    pub devices: Vec<DeviceSpec>,
    /// The links.
    pub links: Vec<LinkSpec>,
    /// The services.
    pub services: Vec<ServiceSpec>,
    /// The probes.
    pub probes: Vec<ProbeSpec>,
}

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
        let far = |id: &Arc<str>| distance(wrong, id);
        let near = devices.chain(links).chain(others).min_by_key(|id| (far(id), (*id).clone()))?;
        (far(near) <= 2 + wrong.len() / 5).then(|| near.clone())
    }

    /// Checks all that was written, and makes it walkable.
    ///
    /// # Errors
    /// Every problem there is, in the order written.
    pub fn build(spec: &InventorySpec) -> Result<Inventory, Vec<Problem>> {
        Builder::new(spec).run()
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

/// Characters that no id may have: they mean something in our texts.
const NOT_IN_IDS: &[char] = &[' ', '\t', '\n', '|', '*', '>', '"', '\''];

struct Builder<'a> {
    spec: &'a InventorySpec,
    out: Inventory,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn new(spec: &'a InventorySpec) -> Self {
        Builder { spec, out: Inventory::default(), problems: Vec::new() }
    }

    fn run(mut self) -> Result<Inventory, Vec<Problem>> {
        self.sites();
        self.devices();
        self.links();
        self.services();
        self.probes();
        self.out.graph = Graph::build(
            self.out.devices.len(),
            self.out.links.iter().map(|l| (l.ends[0].0, l.ends[1].0)),
        );
        if self.problems.is_empty() {
            self.reachability();
        }
        if self.problems.is_empty() { Ok(self.out) } else { Err(self.problems) }
    }

    fn problem(
        &mut self,
        table: &'static str,
        index: usize,
        key: &'static str,
        message: String,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem { table, index, key, message, help: help.into() });
    }

    fn id_ok(&mut self, table: &'static str, index: usize, id: &str) -> bool {
        if id.is_empty() {
            self.problem(
                table,
                index,
                "id",
                "the id is empty".into(),
                "give it an id such as \"semarang/core-sw1\"",
            );
            return false;
        }
        if let Some(c) = id.chars().find(|c| NOT_IN_IDS.contains(c) || c.is_control()) {
            self.problem(
                table,
                index,
                "id",
                format!("the id {id:?} contains {c:?}"),
                "ids have no spaces, quotes and none of | * >; use - or _ instead",
            );
            return false;
        }
        true
    }

    fn sites(&mut self) {
        for (i, s) in self.spec.sites.iter().enumerate() {
            if !self.id_ok("site", i, &s.id) {
                continue;
            }
            let id: Arc<str> = s.id.as_str().into();
            let ix = SiteIx(self.out.sites.len() as u32);
            if self.out.site_by_id.insert(id.clone(), ix).is_some() {
                self.problem(
                    "site",
                    i,
                    "id",
                    format!("there are two sites called {id:?}"),
                    "rename or remove one of them",
                );
                continue;
            }
            let name = s.name.as_deref().unwrap_or(&s.id).into();
            self.out.sites.push(Site {
                id,
                name,
                users: s.users,
                contacts: s.contacts.clone(),
                devices: Vec::new(),
            });
        }
    }

    fn site_of(&self, d: &DeviceSpec) -> Option<SiteIx> {
        if let Some(site) = &d.site {
            return self.out.site(site);
        }
        let mut end = d.id.len();
        loop {
            if let Some(ix) = self.out.site(&d.id[..end]) {
                return Some(ix);
            }
            end = d.id[..end].rfind('/')?;
        }
    }

    fn devices(&mut self) {
        let mut names: FxHashMap<Arc<str>, Option<DeviceIx>> = FxHashMap::default();
        let mut kept = Vec::new();
        for (i, d) in self.spec.devices.iter().enumerate() {
            if !self.id_ok("device", i, &d.id) {
                continue;
            }
            let id: Arc<str> = d.id.as_str().into();
            let ix = DeviceIx(self.out.devices.len() as u32);
            if self.out.device_by_id.contains_key(&id) {
                self.problem(
                    "device",
                    i,
                    "id",
                    format!("there are two devices called {id:?}"),
                    "rename or remove one of them",
                );
                continue;
            }
            if let Some(site) = &d.site
                && self.out.site(site).is_none()
            {
                let help = self.did_you_mean(site, "site");
                self.problem(
                    "device",
                    i,
                    "site",
                    format!("device {id:?} stands at site {site:?}, which does not exist"),
                    help,
                );
            }
            if !d.passive
                && d.address.is_none()
                && d.addresses.is_empty()
                && d.checks.as_ref().is_none_or(|c| !c.is_empty())
            {
                self.problem(
                    "device",
                    i,
                    "id",
                    format!("device {id:?} has no address, so nothing can be asked of it"),
                    "give it an address = \"…\", or say passive = true",
                );
            }
            self.out.device_by_id.insert(id.clone(), ix);
            let site = self.site_of(d);
            if let (Some(site), false) = (site, d.passive) {
                self.out.sites[site.0 as usize].devices.push(ix);
            }
            let addresses: Vec<String> = d.address.iter().chain(&d.addresses).cloned().collect();
            let mut seen = FxHashSet::default();
            for name in addresses.iter().chain(&d.aliases).chain(&d.name) {
                if seen.insert(name.as_str()) {
                    names.entry(name.as_str().into()).and_modify(|n| *n = None).or_insert(Some(ix));
                }
            }
            let checks = match (&d.checks, d.passive) {
                (Some(c), _) => c.clone(),
                (None, true) => Vec::new(),
                (None, false) => vec!["icmp".to_owned()],
            };
            self.out.devices.push(Device {
                id,
                name: d.name.as_deref().unwrap_or(&d.id).into(),
                addresses,
                class: d.class.as_deref().unwrap_or("").into(),
                criticality: d.criticality,
                site,
                passive: d.passive,
                needs: None,
                tags: d.tags.clone(),
                checks,
            });
            kept.push(i);
        }
        self.out.known_as = names.into_iter().filter_map(|(n, ix)| Some((n, ix?))).collect();
        // Needs may name what is written later, links too: they are resolved in `needs`.
        self.needs_of_devices(&kept);
    }

    fn needs_of_devices(&mut self, kept: &[usize]) {
        // Links are not known yet; only their ids are needed, and they are known from the spec.
        let links = self.link_ids();
        for (place, &i) in kept.iter().enumerate() {
            if let Some(needs) = &self.spec.devices[i].needs {
                let needs = self.resolve(needs, "device", i, &links);
                self.out.devices[place].needs = needs;
            }
        }
    }

    /// The ids that links have or get, in the order written.
    fn link_ids(&self) -> FxHashMap<String, LinkIx> {
        let mut seen: FxHashMap<String, u32> = FxHashMap::default();
        let mut ids = FxHashMap::default();
        for (i, l) in self.spec.links.iter().enumerate() {
            ids.entry(link_id(l, &mut seen)).or_insert(LinkIx(i as u32));
        }
        ids
    }

    fn resolve(
        &mut self,
        needs: &Needs<String>,
        table: &'static str,
        index: usize,
        links: &FxHashMap<String, LinkIx>,
    ) -> Option<Needs<Element>> {
        let all = |this: &mut Self, of: &[Needs<String>]| -> Option<Vec<Needs<Element>>> {
            let resolved: Vec<_> =
                of.iter().map(|n| this.resolve(n, table, index, links)).collect();
            resolved.into_iter().collect()
        };
        match needs {
            Needs::Element(id) => {
                if let Some(d) = self.out.device(id) {
                    Some(Needs::Element(Element::Device(d)))
                } else if let Some(l) = links.get(id) {
                    Some(Needs::Element(Element::Link(*l)))
                } else {
                    let help = self.did_you_mean(id, "device");
                    self.problem(
                        table,
                        index,
                        "needs",
                        format!("needs names {id:?}, which is neither a device nor a link"),
                        help,
                    );
                    None
                }
            }
            Needs::All(of) => all(self, of).map(Needs::All),
            Needs::Any(of) => all(self, of).map(Needs::Any),
            Needs::AtLeast { n, of } => {
                if *n as usize > of.len() {
                    self.problem(
                        table,
                        index,
                        "needs",
                        format!("at_least {n} of {} can never be met", of.len()),
                        "ask for fewer, or name more",
                    );
                }
                all(self, of).map(|of| Needs::AtLeast { n: *n, of })
            }
        }
    }

    fn did_you_mean(&self, wrong: &str, table: &str) -> String {
        let mut best: Option<(usize, &str)> = None;
        let ids: Box<dyn Iterator<Item = &Arc<str>>> = match table {
            "site" => Box::new(self.out.sites.iter().map(|s| &s.id)),
            _ => Box::new(self.out.devices.iter().map(|d| &d.id)),
        };
        for id in ids {
            let d = distance(wrong, id);
            if d <= 2 + wrong.len() / 5 && best.is_none_or(|(b, _)| d < b) {
                best = Some((d, id));
            }
        }
        match best {
            Some((_, id)) => format!("did you mean {id:?}?"),
            None => format!("add a [[{table}]] with id = {wrong:?}, or correct the id"),
        }
    }

    fn links(&mut self) {
        let mut seen: FxHashMap<String, u32> = FxHashMap::default();
        let ids = self.link_ids();
        for (i, l) in self.spec.links.iter().enumerate() {
            let id: Arc<str> = link_id(l, &mut seen).into();
            if l.id.is_some() && !self.id_ok("link", i, &id) {
                continue;
            }
            let mut ends = [DeviceIx(0); 2];
            let mut ports: [Option<Arc<str>>; 2] = [None, None];
            let mut ok = true;
            for side in 0..2 {
                let end = &l.between[side];
                if let Some(ix) = self.out.device_of(end) {
                    ends[side] = ix;
                    if **end != *self.out[ix].id {
                        ports[side] = Some(Arc::from(end.as_str()));
                    }
                } else {
                    ok = false;
                    let help = self.did_you_mean(end, "device");
                    self.problem(
                        "link",
                        i,
                        "between",
                        format!(
                            "link {id:?} ends at {end:?}, which is no device and no port of one"
                        ),
                        help,
                    );
                }
            }
            if ok && ends[0] == ends[1] {
                ok = false;
                self.problem(
                    "link",
                    i,
                    "between",
                    format!("link {id:?} joins {:?} to itself", &*self.out[ends[0]].id),
                    "a link joins two devices",
                );
            }
            let ix = LinkIx(self.out.links.len() as u32);
            if self.out.link_by_id.contains_key(&id) || self.out.device_by_id.contains_key(&id) {
                self.problem(
                    "link",
                    i,
                    "id",
                    format!("the id {id:?} is taken already"),
                    "give the link another id",
                );
                ok = false;
            }
            if !ok {
                continue;
            }
            for port in ports.iter().flatten() {
                if let Some(other) = self.out.link_by_port.insert(port.clone(), ix) {
                    let other = self.out[other].id.clone();
                    self.problem(
                        "link",
                        i,
                        "between",
                        format!("port {port:?} is an end of link {other:?} already"),
                        "a port is an end of one link; correct one of them",
                    );
                }
            }
            self.out.link_by_id.insert(id.clone(), ix);
            let needs = l.needs.as_ref().and_then(|n| self.resolve(n, "link", i, &ids));
            self.out.links.push(Link {
                id,
                ends,
                ports,
                kind: l.kind.as_deref().unwrap_or("").into(),
                needs,
            });
        }
    }

    fn services(&mut self) {
        let links = self.link_ids();
        let mut seen = FxHashSet::default();
        for (i, s) in self.spec.services.iter().enumerate() {
            if !self.id_ok("service", i, &s.id) {
                continue;
            }
            if !seen.insert(s.id.as_str()) {
                self.problem(
                    "service",
                    i,
                    "id",
                    format!("there are two services called {:?}", s.id),
                    "rename or remove one of them",
                );
                continue;
            }
            let Some(needs) = &s.needs else {
                self.problem(
                    "service",
                    i,
                    "id",
                    format!("service {:?} needs nothing, so it can never be seen to fail", s.id),
                    "give it needs = { all = [\"…\"] }",
                );
                continue;
            };
            let Some(needs) = self.resolve(needs, "service", i, &links) else { continue };
            let place = self.out.services.len() as u32;
            needs.for_each(&mut |e| {
                let of = self.out.services_of.entry(*e).or_default();
                if of.last() != Some(&place) {
                    of.push(place);
                }
            });
            self.out.services.push(Service {
                id: s.id.as_str().into(),
                name: s.name.as_deref().unwrap_or(&s.id).into(),
                criticality: s.criticality,
                needs,
            });
        }
    }

    fn probes(&mut self) {
        let mut seen = FxHashSet::default();
        for (i, p) in self.spec.probes.iter().enumerate() {
            if !self.id_ok("probe", i, &p.id) {
                continue;
            }
            if !seen.insert(p.id.as_str()) {
                self.problem(
                    "probe",
                    i,
                    "id",
                    format!("there are two probes called {:?}", p.id),
                    "rename or remove one of them",
                );
                continue;
            }
            let at = p.at.as_ref().and_then(|at| {
                let found = self.out.device(at);
                if found.is_none() {
                    let help = self.did_you_mean(at, "device");
                    self.problem(
                        "probe",
                        i,
                        "at",
                        format!("probe {:?} stands at {at:?}, which is no device", p.id),
                        help,
                    );
                }
                found
            });
            let mut witnesses = Vec::new();
            for w in &p.witnesses {
                if let Some(ix) = self.out.device(w) {
                    witnesses.push(ix);
                } else {
                    let help = self.did_you_mean(w, "device");
                    self.problem(
                        "probe",
                        i,
                        "witnesses",
                        format!("witness {w:?} of probe {:?} is no device", p.id),
                        help,
                    );
                }
            }
            self.out.probes.push(Probe { id: p.id.as_str().into(), at, witnesses });
        }
    }

    /// Every device with a link must have a way to where some probe stands.
    fn reachability(&mut self) {
        let starts: Vec<u32> = self.out.probes.iter().filter_map(|p| p.at).map(|d| d.0).collect();
        if starts.is_empty() {
            if !self.out.links.is_empty() {
                let message = "there are links, but no probe says where it stands, so nobody can tell what is behind what".to_owned();
                self.problem(
                    "link",
                    0,
                    "between",
                    message,
                    "add a [[probe]] with id = \"…\" and at = \"the device it is plugged into\"",
                );
            }
            return;
        }
        let reached = self.out.graph.reachable(&starts, |_| true);
        for (i, d) in self.spec.devices.iter().enumerate() {
            let Some(ix) = self.out.device(&d.id) else { continue };
            if !d.passive && !self.out.graph.neighbours(ix.0).is_empty() && !reached[ix.0 as usize]
            {
                self.problem("device", i, "id", format!("no probe can reach device {:?}: its links lead to no device that a probe stands at", d.id), "add the missing [[link]], or a [[probe]] on its side");
            }
        }
    }
}

/// The id that a link has or gets: `A|B` in the order written; parallel ones get `#2`, `#3`, …
fn link_id(l: &LinkSpec, seen: &mut FxHashMap<String, u32>) -> String {
    if let Some(id) = &l.id {
        return id.clone();
    }
    let base = format!("{}|{}", l.between[0], l.between[1]);
    let n = seen.entry(base.clone()).or_insert(0);
    *n += 1;
    if *n == 1 { base } else { format!("{base}#{n}") }
}

/// Levenshtein distance, for "did you mean".
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let here = (before + usize::from(ca != *cb)).min(row[j] + 1).min(row[j + 1] + 1);
            before = row[j + 1];
            row[j + 1] = here;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str) -> DeviceSpec {
        DeviceSpec { id: id.into(), address: Some("10.0.0.1".into()), ..DeviceSpec::default() }
    }

    fn link(a: &str, b: &str) -> LinkSpec {
        LinkSpec { between: [a.into(), b.into()], ..LinkSpec::default() }
    }

    fn probe(at: &str) -> ProbeSpec {
        ProbeSpec { id: "noc-1".into(), at: Some(at.into()), ..ProbeSpec::default() }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let spec = InventorySpec {
            sites: vec![SiteSpec { id: "a".into(), ..SiteSpec::default() }],
            devices: vec![
                device("a/sw1"),
                device("a/sw1"),
                device("b sw"),
                DeviceSpec { site: Some("aa".into()), ..device("c") },
            ],
            links: vec![link("a/sw1/p1", "a/sw2")],
            services: vec![ServiceSpec {
                id: "s".into(),
                needs: Some(Needs::Element("x".into())),
                ..ServiceSpec::default()
            }],
            probes: vec![probe("nowhere")],
        };
        let problems = Inventory::build(&spec).unwrap_err();
        let what: Vec<_> = problems.iter().map(|p| (p.table, p.index, p.key)).collect();
        assert_eq!(
            what,
            [
                ("device", 1, "id"),
                ("device", 2, "id"),
                ("device", 3, "site"),
                ("link", 0, "between"),
                ("service", 0, "needs"),
                ("probe", 0, "at")
            ]
        );
        assert_eq!(problems[3].help, "did you mean \"a/sw1\"?");
    }

    #[test]
    fn a_device_nobody_can_reach_is_a_problem() {
        let spec = InventorySpec {
            devices: vec![device("a"), device("b"), device("c"), device("d"), device("alone")],
            links: vec![link("a", "b"), link("c", "d")],
            probes: vec![probe("a")],
            ..InventorySpec::default()
        };
        let problems = Inventory::build(&spec).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.index).collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn parallel_links_and_ports_get_names() {
        let spec = InventorySpec {
            sites: vec![SiteSpec { id: "a".into(), ..SiteSpec::default() }],
            devices: vec![device("a/r1"), device("a/r1/sub")],
            links: vec![
                link("a/r1/xe0", "a/r1/sub/Gi0/1"),
                link("a/r1", "a/r1/sub"),
                link("a/r1", "a/r1/sub"),
            ],
            probes: vec![probe("a/r1")],
            ..InventorySpec::default()
        };
        let inv = Inventory::build(&spec).unwrap();
        let ids: Vec<_> = inv.links.iter().map(|l| &*l.id).collect();
        assert_eq!(ids, ["a/r1/xe0|a/r1/sub/Gi0/1", "a/r1|a/r1/sub", "a/r1|a/r1/sub#2"]);
        assert_eq!(inv.link_at("a/r1/sub/Gi0/1"), Some(LinkIx(0)));
        assert_eq!(inv.device_of("a/r1/sub/Gi0/1"), inv.device("a/r1/sub"));
        assert_eq!(inv[inv.device("a/r1").unwrap()].site, inv.site("a"));
    }
}
