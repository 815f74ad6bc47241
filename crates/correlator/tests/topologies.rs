//! Hundreds of real networks, thousands of failures in them, and the incidents that must come of
//! each: no more, no fewer, and the right ones.
//!
//! Needs `../shared/data/topologies` beside the project (or `KENTONGAN_SHARED`); says so loudly and
//! passes when it is not there, fails then when `KENTONGAN_NO_SKIP=1`. `KENTONGAN_SOAK=1` runs every
//! scenario instead of a sample; `KENTONGAN_SCENARIO=N` runs one and prints it.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use correlator::Correlator;
use flate2::read::GzDecoder;
use model::event::{Observation, Outcome};
use model::inventory::{DeviceSpec, InventorySpec, LinkSpec, ProbeSpec};
use model::{
    Change, Condition, Decision, Event, IncidentId, IntentOp, Inventory, Kind, Settings, Timestamp,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

const DAWN: i64 = 1_795_478_400_000;
const S: i64 = 1000;

struct Net {
    nodes: usize,
    links: Vec<(usize, usize)>,
}

struct Scenario {
    net: String,
    noc: usize,
    fail: Vec<String>,
    ping: BTreeSet<Vec<String>>,
    snmp: BTreeSet<Vec<String>>,
}

fn shared() -> Option<PathBuf> {
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

fn nets(at: &std::path::Path) -> BTreeMap<String, Net> {
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

fn scenarios(at: &std::path::Path) -> Vec<Scenario> {
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

/// A stream of numbers that is the same everywhere (SplitMix64).
struct Lots(u64);

impl Lots {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as i64
    }
}

struct Run {
    core: Correlator,
    number: u64,
    open: BTreeMap<IncidentId, Vec<String>>,
    ever: BTreeSet<IncidentId>,
    creates: BTreeMap<IncidentId, usize>,
    notifies: usize,
    log: Vec<String>,
}

impl Run {
    fn take<'a>(&mut self, at: i64, target: &'a str, check: &'static str, outcome: Outcome<'a>) {
        self.number += 1;
        let kind = Kind::Observation(Observation {
            probe: "p".into(),
            target: target.into(),
            check: check.into(),
            outcome,
        });
        let event = Event { at: Timestamp::from_millis(at), received: None, kind };
        self.core.handle_event(self.number, &event);
        while let Some(d) = self.core.poll_decision() {
            match &d {
                Decision::Incident(i) => {
                    self.log
                        .push(format!("{} {} {} {:?} {}", i.at, i.id, i.change, i.root, i.reason));
                    self.ever.insert(i.id.clone());
                    if i.condition == Condition::Clear
                        || matches!(i.change, Change::Merged | Change::Closed)
                    {
                        self.open.remove(&i.id);
                    } else if i.condition == Condition::Failing {
                        self.open
                            .insert(i.id.clone(), i.root.iter().map(ToString::to_string).collect());
                    }
                }
                Decision::Intent(i) if i.op == IntentOp::Create => {
                    *self.creates.entry(i.incident.clone()).or_default() += 1;
                }
                Decision::Intent(i) if i.op == IntentOp::Notify => self.notifies += 1,
                _ => {}
            }
        }
        while self.core.poll_ask().is_some() {}
    }
}

/// Runs one failure from health to health. What went wrong, if anything did.
fn run(net: &Net, s: &Scenario, snmp: bool, seed: u64) -> Result<(), String> {
    let device = |n: usize| format!("n{n}");
    let spec = InventorySpec {
        devices: (0..net.nodes)
            .map(|n| DeviceSpec {
                id: device(n),
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
        probes: vec![ProbeSpec { id: "p".into(), at: Some(device(s.noc)), ..ProbeSpec::default() }],
        ..InventorySpec::default()
    };
    let inventory = Arc::new(Inventory::build(&spec).map_err(|p| format!("{p:?}"))?);
    let failed = |id: &str| s.fail.iter().any(|f| f == id);
    let alive: Vec<(u32, u32)> = net
        .links
        .iter()
        .enumerate()
        .filter(|(l, _)| !failed(&format!("l{l}")))
        .map(|(_, (a, b))| (*a as u32, *b as u32))
        .collect();
    let up = |n: u32| !failed(&format!("n{n}"));
    let graph = model::graph::Graph::build(net.nodes, alive.into_iter());
    let reachable = graph.reachable(&[s.noc as u32], up);
    let whole = model::graph::Graph::build(
        net.nodes,
        net.links.iter().map(|(a, b)| (*a as u32, *b as u32)),
    );
    let frontier: Vec<bool> = (0..net.nodes)
        .map(|n| {
            !reachable[n] && whole.neighbours(n as u32).iter().any(|(m, _)| reachable[*m as usize])
        })
        .collect();

    let mut lots = Lots(seed);
    let (fails, mends, ends) = (DAWN + 120 * S, DAWN + 720 * S, DAWN + 1020 * S);
    // Whoever is behind falls silent first, up to a minute before what is nearer.
    let silent_from: Vec<i64> = (0..net.nodes)
        .map(|n| if frontier[n] { fails + 60 * S } else { fails + lots.below(60 * S) })
        .collect();
    let silent = |n: usize, t: i64| !reachable[n] && t >= silent_from[n] && t < mends;
    let mut turns: Vec<(i64, usize, Option<usize>)> = Vec::new();
    let mut schedule = |n: usize, port: Option<usize>, lots: &mut Lots| {
        let mut t = DAWN + lots.below(20 * S);
        while t < ends {
            turns.push((t, n, port));
            t += 20 * S;
        }
    };
    for n in 0..net.nodes {
        schedule(n, None, &mut lots);
        if snmp {
            for &(_, l) in whole.neighbours(n as u32) {
                schedule(n, Some(l as usize), &mut lots);
            }
        }
    }
    turns.sort_unstable();
    let mut r = Run {
        core: Correlator::new(inventory, Settings::default()),
        number: 0,
        open: BTreeMap::new(),
        ever: BTreeSet::new(),
        creates: BTreeMap::new(),
        notifies: 0,
        log: Vec::new(),
    };
    let wanted = if snmp { &s.snmp } else { &s.ping };
    let mut looked = false;
    for (t, n, port) in turns {
        if t >= mends && !looked {
            looked = true;
            let roots: BTreeSet<Vec<String>> = r.open.values().cloned().collect();
            if roots != *wanted {
                return Err(format!("open: {roots:?}, wanted: {wanted:?}\n{}", r.log.join("\n")));
            }
            if r.ever.len() != wanted.len() {
                return Err(format!(
                    "{} incidents for {} causes\n{}",
                    r.ever.len(),
                    wanted.len(),
                    r.log.join("\n")
                ));
            }
        }
        match port {
            None if silent(n, t) => r.take(t, &device(n), "icmp", Outcome::NoReply),
            None => r.take(
                t,
                &device(n),
                "icmp",
                Outcome::Reply([("rtt_ms".into(), 1.0)].into_iter().collect()),
            ),
            Some(_) if silent(n, t) => r.take(t, &device(n), "snmp:if-status", Outcome::NoReply),
            Some(l) => {
                let (a, b) = net.links[l];
                let other = if a == n { b } else { a };
                let gone = failed(&format!("l{l}")) || failed(&device(other));
                let down = gone && t >= fails + 60 * S && t < mends;
                let values = [
                    ("oper_status".into(), if down { 2.0 } else { 1.0 }),
                    ("admin_status".into(), 1.0),
                ];
                r.take(
                    t,
                    &format!("n{n}/l{l}"),
                    "snmp:if-status",
                    Outcome::Reply(values.into_iter().collect()),
                );
            }
        }
    }
    if !r.open.is_empty() {
        return Err(format!("still open: {:?}\n{}", r.open, r.log.join("\n")));
    }
    if r.creates.values().any(|c| *c != 1)
        || r.creates.len() != wanted.len()
        || r.notifies != 2 * wanted.len()
    {
        return Err(format!(
            "{} creates and {} messages for {} causes\n{}",
            r.creates.len(),
            r.notifies,
            wanted.len(),
            r.log.join("\n")
        ));
    }
    Ok(())
}

#[test]
fn every_failure_of_every_network_is_named() {
    let Some(at) = shared() else { return };
    let (nets, scenarios) = (nets(&at), scenarios(&at));
    let one: Option<usize> = std::env::var("KENTONGAN_SCENARIO").ok().and_then(|n| n.parse().ok());
    let step = if std::env::var_os("KENTONGAN_SOAK").is_some() { 1 } else { 97 };
    let (mut tried, mut wrong) = (0, Vec::new());
    for (n, s) in scenarios.iter().enumerate() {
        if one.map_or(n % step != 0, |one| n != one) {
            continue;
        }
        for snmp in [false, true] {
            tried += 1;
            if let Err(why) = run(&nets[&s.net], s, snmp, n as u64) {
                let what = if snmp { "snmp" } else { "ping" };
                wrong.push(format!("scenario {n} ({} {what}, {:?} fails): {why}", s.net, s.fail));
            }
        }
    }
    println!("{tried} runs, {} wrong", wrong.len());
    assert!(
        wrong.is_empty(),
        "{} of {tried} wrong; the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(3)].join("\n\n")
    );
}
