//! Hundreds of real networks and the failures in them, each with the incidents that must result.
//!
//! Read from `../shared/data/topologies` beside the project (or `KENTONGAN_SHARED`); said loudly
//! when it is not there, and a failure then when `KENTONGAN_NO_SKIP=1`.

#![allow(clippy::unwrap_used, dead_code, reason = "helpers of tests; each uses what it needs")]

use flate2::read::GzDecoder;
use model::Inventory;
use model::inventory::{DeviceSpec, InventorySpec, LinkSpec, ProbeSpec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

pub struct Net {
    pub nodes: usize,
    pub links: Vec<(usize, usize)>,
}

pub struct Scenario {
    pub net: String,
    pub noc: usize,
    /// `n3` a node, `l7` a link.
    pub fail: Vec<String>,
    /// The roots that must be found when only ping is known.
    pub ping: BTreeSet<Vec<String>>,
    /// The same when reachable devices also tell of their ports.
    pub snmp: BTreeSet<Vec<String>>,
}

/// Where they are, if they are here.
pub fn shared() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let at =
        std::env::var_os("KENTONGAN_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let at = at.join("data/topologies");
    if at.is_dir() {
        return Some(at);
    }
    assert!(std::env::var_os("KENTONGAN_NO_SKIP").is_none(), "{} is missing", at.display());
    eprintln!("SKIPPED: {} is missing; real topologies were not tried", at.display());
    None
}

pub fn nets(at: &std::path::Path) -> BTreeMap<String, Net> {
    let mut nets = BTreeMap::new();
    for set in std::fs::read_dir(at).unwrap().map(|d| d.unwrap().path()).filter(|p| p.is_dir()) {
        for file in std::fs::read_dir(set).unwrap().map(|f| f.unwrap().path()) {
            let v: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            let number = |v: &Value| v.as_u64().unwrap() as usize;
            let links =
                v["links"].as_array().unwrap().iter().map(|l| (number(&l[0]), number(&l[1])));
            let net = Net { nodes: v["nodes"].as_array().unwrap().len(), links: links.collect() };
            nets.insert(v["name"].as_str().unwrap().to_owned(), net);
        }
    }
    nets
}

pub fn scenarios(at: &std::path::Path) -> Vec<Scenario> {
    let mut text = String::new();
    let file = std::fs::File::open(at.join("scenarios-open.jsonl.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let words = |v: &Value| {
        v.as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let sets = |v: &Value| {
        let sorted = |s: &Value| {
            let mut w = words(s);
            w.sort();
            w
        };
        v.as_array().unwrap().iter().map(sorted).collect::<BTreeSet<_>>()
    };
    text.lines()
        .map(|line| {
            let v: Value = serde_json::from_str(line).unwrap();
            Scenario {
                net: v["net"].as_str().unwrap().to_owned(),
                noc: v["noc"].as_u64().unwrap() as usize,
                fail: words(&v["fail"]),
                ping: sets(&v["ping"]),
                snmp: sets(&v["snmp"]),
            }
        })
        .collect()
}

/// The network as an inventory: nodes `n0`, `n1`, …; links `l0`, `l1`, … with a port at each end.
pub fn inventory(net: &Net, noc: usize) -> Arc<Inventory> {
    let spec = InventorySpec {
        devices: (0..net.nodes)
            .map(|n| DeviceSpec {
                id: format!("n{n}"),
                address: Some("192.0.2.1".into()),
                ..DeviceSpec::default()
            })
            .collect(),
        links: net
            .links
            .iter()
            .enumerate()
            .map(|(l, (a, b))| LinkSpec {
                id: Some(format!("l{l}")),
                between: [format!("n{a}/l{l}"), format!("n{b}/l{l}")],
                ..LinkSpec::default()
            })
            .collect(),
        probes: vec![ProbeSpec {
            id: "p".into(),
            at: Some(format!("n{noc}")),
            ..ProbeSpec::default()
        }],
        ..InventorySpec::default()
    };
    Arc::new(Inventory::build(&spec).unwrap_or_else(|p| panic!("{p:#?}")))
}

/// Whether every case is tried rather than a sample.
pub fn soak() -> bool {
    std::env::var_os("KENTONGAN_SOAK").is_some()
}
