//! What holds whatever happens: random inventories, random events, restarts in between.
//!
//! A failing case is shrunk and its seed kept; `cargo test -p correlator --test properties` runs it
//! first from then on.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of a test")]

mod told;

use correlator::Correlator;
use model::event::{Observation, Outcome};
use model::inventory::{DeviceSpec, InventorySpec, LinkSpec, ProbeSpec, SiteSpec};
use model::{
    AlarmState, Change, Criticality, Decision, Event, IncidentId, IntentOp, Inventory, Kind,
    Settings, Timestamp,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const DAWN: i64 = 1_795_478_400_000;

const PROBES: [&str; 3] = ["p", "q", "r"];

/// How many probes a world of so many devices has.
fn probes(devices: usize) -> usize {
    devices % 3 + 1
}

fn inventory(devices: usize, links: &[(usize, usize)]) -> Arc<Inventory> {
    let id = |n: usize| format!("s{}/d{n}", n % 3);
    let spec = InventorySpec {
        sites: (0..3)
            .map(|s| SiteSpec { id: format!("s{s}"), users: 10, ..SiteSpec::default() })
            .collect(),
        devices: (0..devices)
            .map(|n| DeviceSpec {
                id: id(n),
                address: Some(format!("192.0.2.{n}")),
                criticality: [Criticality::Normal, Criticality::Important, Criticality::Vital]
                    [n % 3],
                ..DeviceSpec::default()
            })
            .collect(),
        // A tree first, so that everybody can be reached; then whatever else was drawn.
        links: (1..devices)
            .map(|n| (n / 2, n))
            .chain(links.iter().map(|(a, b)| (a % devices, b % devices)).filter(|(a, b)| a != b))
            .enumerate()
            .map(|(l, (a, b))| LinkSpec {
                between: [format!("{}/p{l}", id(a)), format!("{}/p{l}", id(b))],
                ..LinkSpec::default()
            })
            .collect(),
        // One, two or three who watch: at the first device, at the second with two witnesses, at
        // the last.
        probes: PROBES[..probes(devices)]
            .iter()
            .zip([0, 1, devices - 1])
            .map(|(p, at)| ProbeSpec {
                id: (*p).into(),
                at: Some(id(at)),
                witnesses: if *p == "q" { vec![id(0), id(devices - 1)] } else { Vec::new() },
            })
            .collect(),
        ..InventorySpec::default()
    };
    Arc::new(Inventory::build(&spec).unwrap())
}

/// What may happen, with how long after the event before.
#[derive(Debug, Clone)]
enum Happens {
    Ping {
        probe: u8,
        device: usize,
        answer: u8,
    },
    Port {
        device: usize,
        port: usize,
        oper: u8,
        admin: bool,
    },
    Loss {
        device: usize,
        pct: u8,
    },
    Signal {
        key: u8,
        device: usize,
        problem: bool,
        severity: u8,
    },
    Command {
        what: u8,
        incident: u8,
        device: usize,
    },
    Desk {
        incident: u8,
        change: u8,
    },
    Tick,
    Gap,
    Stranger,
    /// The daemon is stopped and started; no event.
    Restart,
}

fn happens() -> impl Strategy<Value = Happens> {
    let d = 0usize..8;
    prop_oneof![
        20 => (0u8..3, d.clone(), 0u8..8).prop_map(|(probe, device, answer)| Happens::Ping { probe, device, answer }),
        4 => (d.clone(), 0usize..10, prop_oneof![Just(1u8), Just(2), Just(4)], prop::bool::weighted(0.1))
            .prop_map(|(device, port, oper, admin)| Happens::Port { device, port, oper, admin }),
        2 => (d.clone(), prop_oneof![Just(0u8), Just(50), Just(100)]).prop_map(|(device, pct)| Happens::Loss { device, pct }),
        3 => (0u8..4, 0usize..10, any::<bool>(), 0u8..5).prop_map(|(key, device, problem, severity)| Happens::Signal { key, device, problem, severity }),
        1 => (0u8..7, 0u8..4, d.clone()).prop_map(|(what, incident, device)| Happens::Command { what, incident, device }),
        1 => (0u8..4, 0u8..7).prop_map(|(incident, change)| Happens::Desk { incident, change }),
        2 => Just(Happens::Tick),
        1 => Just(Happens::Gap),
        1 => Just(Happens::Stranger),
        1 => Just(Happens::Restart),
    ]
}

struct World {
    core: Correlator,
    now: i64,
    number: u64,
    decisions: Vec<Decision>,
    incidents: Vec<IncidentId>,
}

impl World {
    fn new(devices: usize, links: &[(usize, usize)]) -> World {
        World {
            core: Correlator::new(inventory(devices, links), Settings::default()),
            now: DAWN,
            number: 0,
            decisions: Vec::new(),
            incidents: Vec::new(),
        }
    }

    fn device(&self, n: usize) -> String {
        let all = &self.core.inventory().devices;
        all[n % all.len()].id.to_string()
    }

    fn kind(&self, h: &Happens) -> Kind<'static> {
        let by = |probe: u8, target: String, check: &'static str, outcome| {
            let probe = usize::from(probe) % self.core.inventory().probes.len();
            Kind::Observation(Observation {
                probe: PROBES[probe].into(),
                target: target.into(),
                check: check.into(),
                outcome,
            })
        };
        let observation =
            |target: String, check: &'static str, outcome| by(0, target, check, outcome);
        let reply =
            |name: &'static str, v: f64| Outcome::Reply([(name.into(), v)].into_iter().collect());
        let incident = |n: u8| {
            self.incidents
                .get(usize::from(n))
                .cloned()
                .unwrap_or_else(|| IncidentId::from_text("none-1"))
        };
        match h {
            // A device tends to stay as it is: five in eight silences come in a row by device number.
            Happens::Ping { probe, device, answer } => by(
                *probe,
                self.device(*device),
                "icmp",
                match answer {
                    0..=3 => Outcome::NoReply,
                    4 => Outcome::Failed { reason: "no-route".into() },
                    8 => reply("loss_pct", 0.0),
                    _ => reply("rtt_ms", 1.0),
                },
            ),
            Happens::Port { device, port, oper, admin } => {
                let values = [
                    ("oper_status".into(), f64::from(*oper)),
                    ("admin_status".into(), if *admin { 2.0 } else { 1.0 }),
                ];
                observation(
                    format!("{}/p{port}", self.device(*device)),
                    "snmp:if-status",
                    Outcome::Reply(values.into_iter().collect()),
                )
            }
            Happens::Loss { device, pct } => {
                observation(self.device(*device), "icmp", reply("loss_pct", f64::from(*pct)))
            }
            Happens::Signal { key, device, problem, severity } => {
                let target = match device {
                    8 => None,
                    9 => Some("somewhere-else".into()),
                    d => Some(self.device(*d)),
                };
                told::signal(*key, target, *problem, *severity)
            }
            Happens::Command { what, incident: n, device } => {
                let until = (*device > 3).then(|| Timestamp::from_millis(self.now + 90_000));
                let change = (*device > 4).then(|| format!("chg-{n}"));
                let window = told::window(self.device(*device), change, self.now);
                told::command(*what, usize::from(*n), incident(*n), until, &window)
            }
            Happens::Desk { incident: n, change } => told::desk(incident(*n), *change),
            Happens::Tick => Kind::Tick,
            Happens::Gap => Kind::Gap { since: Timestamp::from_millis(self.now - 60_000) },
            Happens::Stranger => observation("nobody".into(), "icmp", Outcome::NoReply),
            Happens::Restart => unreachable!("no event"),
        }
    }

    fn step(&mut self, after: u32, h: &Happens) -> Vec<Decision> {
        if matches!(h, Happens::Restart) {
            told::restart(&mut self.core);
            return Vec::new();
        }
        self.now += i64::from(after);
        self.number += 1;
        // Producers' clocks are ahead or behind by up to three seconds.
        let skew = i64::from(after % 7) * 1000 - 3000;
        let event = Event {
            at: Timestamp::from_millis(self.now + skew),
            received: Some(Timestamp::from_millis(self.now)),
            kind: self.kind(h),
        };
        let said = told::put(&mut self.core, self.number, &event, &mut self.incidents);
        self.decisions.extend(said.iter().cloned());
        said
    }
}

type Story = (usize, Vec<(usize, usize)>, Vec<(u32, Happens)>);

fn story() -> impl Strategy<Value = Story> {
    let after = prop_oneof![5 => 0u32..3_000, 3 => 3_000u32..30_000, 1 => 30_000u32..400_000];
    (
        2usize..8,
        prop::collection::vec((0usize..8, 0usize..8), 0..4),
        prop::collection::vec((after, happens()), 1..160),
    )
}

/// The state of everything, as the decisions tell it.
#[derive(Default)]
struct Told {
    open: BTreeMap<IncidentId, Vec<Arc<str>>>,
    created: BTreeMap<IncidentId, usize>,
    last_work: BTreeMap<IncidentId, bool>,
    revisions: BTreeMap<IncidentId, u32>,
}

impl Told {
    fn take(&mut self, d: &Decision) {
        match d {
            Decision::Incident(i) => {
                if matches!(i.change, Change::Recovered | Change::Merged | Change::Closed)
                    || i.condition == model::Condition::Clear
                {
                    self.open.remove(&i.id);
                } else {
                    self.open.insert(i.id.clone(), i.root.clone());
                }
            }
            Decision::Intent(i) => {
                let before = self.revisions.insert(i.incident.clone(), i.revision);
                assert_eq!(i.revision, before.unwrap_or(0) + 1, "revisions count up by one: {i:?}");
                match i.op {
                    IntentOp::Create => *self.created.entry(i.incident.clone()).or_default() += 1,
                    IntentOp::Resolve | IntentOp::Merge => {
                        self.last_work.insert(i.incident.clone(), false);
                    }
                    IntentOp::Reopen => {
                        self.last_work.insert(i.incident.clone(), true);
                    }
                    _ => {}
                }
                if i.op != IntentOp::Notify {
                    assert!(
                        self.created.contains_key(&i.incident),
                        "the first thing a desk hears is create: {i:?}"
                    );
                }
            }
            _ => {}
        }
    }
}

/// 400 random lives each; `PROPTEST_CASES` for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// Every accepted event gets exactly one verdict, and it is about that event.
    #[test]
    fn exactly_one_verdict_an_event((devices, links, steps) in story()) {
        let mut world = World::new(devices, &links);
        let mut verdicts = 0;
        for (after, h) in &steps {
            let said = world.step(*after, h);
            let about: Vec<u64> = said.iter().filter_map(|d| match d { Decision::Verdict(v) => Some(v.event), _ => None }).collect();
            if matches!(h, Happens::Restart) {
                prop_assert!(about.is_empty());
            } else {
                prop_assert_eq!(about, vec![world.number], "{:?}", h);
                verdicts += 1;
            }
        }
        prop_assert_eq!(verdicts, world.number);
    }

    /// A restart from a snapshot changes nothing that is ever decided.
    #[test]
    fn a_restart_changes_nothing((devices, links, steps) in story(), at in prop::collection::btree_set(0usize..160, 0..20)) {
        let without: Vec<_> = steps.iter().filter(|(_, h)| !matches!(h, Happens::Restart)).collect();
        let (mut steady, mut stopped) = (World::new(devices, &links), World::new(devices, &links));
        for (n, (after, h)) in without.into_iter().enumerate() {
            if at.contains(&n) {
                told::restart(&mut stopped.core);
            }
            prop_assert_eq!(steady.step(*after, h), stopped.step(*after, h), "step {} {:?}", n, h);
        }
    }

    /// Every raised alarm belongs to an open incident; no two open incidents have one root; every
    /// ticketed incident has exactly one `create`, and its last word to the desk says how it is.
    #[test]
    fn everything_that_fails_is_explained_once((devices, links, steps) in story()) {
        let mut world = World::new(devices, &links);
        let mut told = Told::default();
        let mut alarms: BTreeMap<(Arc<str>, Arc<str>), (AlarmState, Option<IncidentId>)> = BTreeMap::new();
        for (after, h) in &steps {
            for d in world.step(*after, h) {
                told.take(&d);
                if let Decision::Alarm(a) = d {
                    alarms.insert((a.target, a.check), (a.state, a.incident));
                }
            }
            for (name, (state, incident)) in &alarms {
                if matches!(state, AlarmState::Raised | AlarmState::Flapping) {
                    let Some(incident) = incident else { return Err(TestCaseError::fail(format!("{name:?} is {state} without an incident"))) };
                    prop_assert!(told.open.contains_key(incident), "{:?} is {} in {}, which is not open, after {:?}", name, state, incident, h);
                }
            }
            let known: BTreeMap<&IncidentId, &Vec<Arc<str>>> = told.open.iter().filter(|(_, root)| world.core.inventory().device(&root[0]).is_some() || root.len() > 1).collect();
            let roots: BTreeSet<_> = known.values().collect();
            prop_assert_eq!(roots.len(), known.len(), "two open incidents with one root: {:?}", known);
        }
        for (incident, created) in &told.created {
            prop_assert_eq!(*created, 1, "{}", incident);
        }
    }

    /// What an isolated probe observes opens nothing and clears nothing, where nobody else watches.
    #[test]
    fn the_blind_call_nobody_down_and_nobody_up((devices, links, steps) in story()) {
        let devices = if devices < 5 { 3 } else { 6 };
        let ours = |h: &Happens| !matches!(h, Happens::Signal { .. });
        let steps: Vec<_> = steps.into_iter().filter(|(_, h)| ours(h)).collect();
        let mut world = World::new(devices, &links);
        let mut told = Told::default();
        let blind = |told: &Told| told.open.values().any(|root| root.iter().any(|r| &**r == "p"));
        for (after, h) in &steps {
            let before = blind(&told);
            let said = world.step(*after, h);
            for d in &said {
                told.take(d);
            }
            if before && blind(&told) && matches!(h, Happens::Ping { .. } | Happens::Port { .. } | Happens::Loss { .. }) {
                for d in &said {
                    if let Decision::Incident(i) = d {
                        let is_blind = i.root.iter().any(|r| &**r == "p");
                        let quiet = matches!(i.change, Change::Updated | Change::Closed) || is_blind;
                        prop_assert!(quiet, "{} {} {:?} while blind, after {:?}", i.id, i.change, i.root, h);
                    }
                }
            }
        }
    }

    /// Let everything answer for long enough, and nothing is open.
    #[test]
    fn when_all_is_well_nothing_is_open((devices, links, steps) in story()) {
        let mut world = World::new(devices, &links);
        let mut told = Told::default();
        for (after, h) in &steps {
            for d in world.step(*after, h) {
                told.take(&d);
            }
        }
        for round in 0..400u32 {
            for n in 0..devices {
                for probe in 0..probes(devices) as u8 {
                    // Twelve minutes of answers first; then ones that say that nothing is lost.
                    let answer = if round < 36 { 7 } else { 8 };
                    let ping = Happens::Ping { probe, device: n, answer };
                    for d in world.step(if n == 0 && probe == 0 { 20_000 } else { 1 }, &ping) {
                        told.take(&d);
                    }
                }
                for port in 0..10 {
                    if round % 10 == 0 {
                        for d in world.step(1, &Happens::Port { device: n, port, oper: 1, admin: false }) {
                            told.take(&d);
                        }
                    }
                }
            }
            for key in 0..4 {
                if round == 0 {
                    for d in world.step(1, &Happens::Signal { key, device: 0, problem: false, severity: 0 }) {
                        told.take(&d);
                    }
                }
            }
            for d in world.step(1, &Happens::Loss { device: round as usize % devices, pct: 0 }) {
                told.take(&d);
            }
        }
        prop_assert!(told.open.is_empty(), "still open: {:?}", told.open);
        for (incident, open) in &told.last_work {
            prop_assert!(!open, "the desk still has {incident} open");
        }
    }
}

#[test]
fn an_at_far_ahead_of_received_is_not_believed() {
    let mut world = World::new(3, &[]);
    let at = Timestamp::from_millis(DAWN + 3_600_000);
    let kind = world.kind(&Happens::Ping { probe: 0, device: 1, answer: 7 });
    let event = Event { at, received: Some(Timestamp::from_millis(DAWN)), kind };
    world.core.handle_event(1, &event);
    assert_eq!(world.core.now(), Timestamp::from_millis(DAWN));
    assert_eq!(world.core.counts().clocks_ahead, 1);
    assert!(Duration::from_secs(5) < at.since(world.core.now()));
}
