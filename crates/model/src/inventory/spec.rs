//! The inventory as a person wrote it.

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

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

impl InventorySpec {
    /// The id that each link has or gets, in the order written.
    pub fn link_ids(&self) -> Vec<String> {
        let mut seen = FxHashMap::default();
        self.links.iter().map(|l| link_id(l, &mut seen)).collect()
    }
}

/// The id that a link has or gets: `A|B` in the order written; parallel ones get `#2`, `#3`, …
pub(super) fn link_id(l: &LinkSpec, seen: &mut FxHashMap<String, u32>) -> String {
    if let Some(id) = &l.id {
        return id.clone();
    }
    let base = format!("{}|{}", l.between[0], l.between[1]);
    let n = seen.entry(base.clone()).or_insert(0);
    *n += 1;
    if *n == 1 { base } else { format!("{base}#{n}") }
}
