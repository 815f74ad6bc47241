//! The invariants of the design that the core has to keep, each by its name: over random networks
//! with classes, needs, passive elements and services, random events, restarts, *reloads* of another
//! network and other settings, and *clocks that jump*.
//!
//! A failing life is shrunk, printed, and its seed kept beside this file; every later run begins with
//! it. To run one again: `cargo test -p correlator --test invariants NAME`. For more lives:
//! `PROPTEST_CASES=20000 cargo test --release -p correlator --test invariants`.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of a test")]

mod told;

use correlator::Correlator;
use model::event::{Observation, Outcome};
use model::exception::{Exception, Match, RuleChange};
use model::inventory::{
    DeviceIx, DeviceSpec, InventorySpec, LinkSpec, Needs, ProbeSpec, ServiceSpec, SiteSpec,
};
use model::settings::{Flapping, Window};
use model::{
    AlarmState, Change, Condition, Criticality, Decision, Event, IncidentId, IntentOp, Inventory,
    Kind, Settings, Timestamp, Verdict,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const DAWN: i64 = 1_795_478_400_000;
const HOUR: i64 = 3_600_000;

// ---- worlds ----

/// A network and the settings that go with it, as they were drawn.
#[derive(Debug, Clone)]
struct Plan {
    devices: usize,
    links: Vec<(usize, usize)>,
    /// By device: its class, and whether it stands on a shared element.
    kinds: Vec<u8>,
    probes: usize,
    settings: u8,
}

fn plan() -> impl Strategy<Value = Plan> {
    (
        2usize..8,
        prop::collection::vec((0usize..8, 0usize..8), 0..4),
        prop::collection::vec(0u8..8, 8),
        1usize..3,
        any::<u8>(),
    )
        .prop_map(|(devices, links, kinds, probes, settings)| Plan {
            devices,
            links,
            kinds,
            probes,
            settings,
        })
}

fn id(n: usize) -> String {
    format!("s{}/d{n}", n % 3)
}

impl Plan {
    fn inventory(&self) -> Arc<Inventory> {
        let n = self.devices;
        let kind = |d: usize| self.kinds[d % self.kinds.len()];
        let element = |e: &str| Needs::Element(e.to_owned());
        let pairs = (1..n)
            .map(|d| (d / 2, d))
            .chain(self.links.iter().map(|(a, b)| (a % n, b % n)).filter(|(a, b)| a != b));
        let spec = InventorySpec {
            sites: (0..3)
                .map(|s| SiteSpec { id: format!("s{s}"), users: 10, ..SiteSpec::default() })
                .collect(),
            devices: (0..n)
                .map(|d| DeviceSpec {
                    id: id(d),
                    address: Some(format!("192.0.2.{d}")),
                    criticality: [Criticality::Normal, Criticality::Important, Criticality::Vital]
                        [d % 3],
                    class: Some(["router", "switch", "radio"][d % 3].into()),
                    tags: if kind(d) == 1 { vec!["dns".into()] } else { Vec::new() },
                    needs: (kind(d) >= 5 && d > 0).then(|| element("pdu")),
                    ..DeviceSpec::default()
                })
                .chain([DeviceSpec { id: "pdu".into(), passive: true, ..DeviceSpec::default() }])
                .collect(),
            links: pairs
                .enumerate()
                .map(|(l, (a, b))| LinkSpec {
                    between: [format!("{}/p{l}", id(a)), format!("{}/p{l}", id(b))],
                    kind: Some(if kind(b) == 2 { "radio" } else { "fibre" }.into()),
                    ..LinkSpec::default()
                })
                .collect(),
            services: vec![ServiceSpec {
                id: "samsat".into(),
                criticality: Criticality::Vital,
                needs: Some(Needs::Any(vec![element(&id(n - 1)), element(&id(n / 2))])),
                ..ServiceSpec::default()
            }],
            probes: (0..self.probes)
                .map(|p| ProbeSpec {
                    id: ["p", "q"][p].into(),
                    at: Some(id(p.min(n - 1))),
                    witnesses: Vec::new(),
                })
                .collect(),
        };
        Arc::new(Inventory::build(&spec).unwrap_or_else(|p| panic!("{p:#?}")))
    }

    fn settings(&self) -> Settings {
        let mut s = Settings::default();
        let bit = |n: u8| self.settings >> n & 1 == 1;
        if bit(0) {
            s.flapping = Flapping { start: 3, end: 1, window: Duration::from_mins(20) };
        }
        if bit(1) {
            s.hold_max = Duration::from_secs(30);
        }
        if bit(2) {
            s.checks.get_mut("icmp").unwrap().thresholds.remove(1);
        }
        if bit(3) {
            s.exceptions.clear();
        }
        if bit(4) {
            s.notify_per_hour = 1;
        }
        if bit(5) {
            let of = Match { site: Some("s1".into()), ..Match::default() };
            let change = RuleChange {
                down_needs: Some(2),
                flap_start: Some(4),
                thresholds: Some(Vec::new()),
                ..RuleChange::default()
            };
            s.exceptions.insert(0, Exception { check: "icmp".into(), of, change });
        }
        if bit(6) {
            s.reopen_within = Duration::ZERO;
        }
        if bit(7) {
            s.windows.push(Window {
                id: "from-the-file".into(),
                owner: "sari".into(),
                reason: "planned".into(),
                change: None,
                rrule: None,
                scope: vec!["s2".into()],
                start: Timestamp::from_millis(DAWN + 60_000),
                end: Timestamp::from_millis(DAWN + 300_000),
                silence: false,
            });
        }
        s
    }
}

/// What may happen.
#[derive(Debug, Clone)]
enum Happens {
    Ping {
        probe: usize,
        device: usize,
        answer: u8,
    },
    Port {
        device: usize,
        port: usize,
        oper: u8,
        admin: bool,
    },
    Agent {
        device: usize,
        answers: bool,
    },
    Signal {
        key: u8,
        device: usize,
        problem: bool,
        severity: u8,
    },
    Command {
        what: u8,
        incident: usize,
        device: usize,
    },
    Desk {
        incident: usize,
        change: u8,
    },
    Tick,
    Gap,
    /// Another network and other settings.
    Reload(usize),
    /// The clocks of those who observe are off by so much from here on, in minutes.
    Clocks(i16),
    /// Our own clock jumps ahead by so much, in minutes.
    Ahead(u16),
    /// The daemon is stopped and started; no event.
    Restart,
}

fn happens() -> impl Strategy<Value = Happens> {
    let d = 0usize..8;
    prop_oneof![
        24 => (0usize..2, d.clone(), 0u8..9).prop_map(|(probe, device, answer)| Happens::Ping { probe, device, answer }),
        4 => (d.clone(), 0usize..10, prop_oneof![Just(1u8), Just(2), Just(4)], prop::bool::weighted(0.1))
            .prop_map(|(device, port, oper, admin)| Happens::Port { device, port, oper, admin }),
        2 => (d.clone(), any::<bool>()).prop_map(|(device, answers)| Happens::Agent { device, answers }),
        4 => (0u8..4, 0usize..10, any::<bool>(), 0u8..5).prop_map(|(key, device, problem, severity)| Happens::Signal { key, device, problem, severity }),
        1 => (0u8..7, 0usize..4, d.clone()).prop_map(|(what, incident, device)| Happens::Command { what, incident, device }),
        1 => (0usize..4, 0u8..7).prop_map(|(incident, change)| Happens::Desk { incident, change }),
        2 => Just(Happens::Tick),
        1 => Just(Happens::Gap),
        1 => (0usize..3).prop_map(Happens::Reload),
        1 => prop_oneof![Just(0i16), -90i16..90].prop_map(Happens::Clocks),
        1 => (1u16..90).prop_map(Happens::Ahead),
        1 => Just(Happens::Restart),
    ]
}

type Life = (Vec<Plan>, Vec<(u32, Happens)>);

fn life() -> impl Strategy<Value = Life> {
    let after = prop_oneof![5 => 0u32..3_000, 3 => 3_000u32..30_000, 1 => 30_000u32..400_000];
    (prop::collection::vec(plan(), 3), prop::collection::vec((after, happens()), 1..200))
}

struct World {
    plans: Vec<Plan>,
    plan: usize,
    core: Correlator,
    now: i64,
    clocks: i64,
    number: u64,
    incidents: Vec<IncidentId>,
    told: Told,
}

impl World {
    fn new(plans: &[Plan]) -> World {
        World {
            plans: plans.to_vec(),
            plan: 0,
            core: Correlator::new(plans[0].inventory(), plans[0].settings()),
            now: DAWN,
            clocks: 0,
            number: 0,
            incidents: Vec::new(),
            told: Told::default(),
        }
    }

    /// What is left when all of this has happened.
    fn after(plans: &[Plan], steps: &[(u32, Happens)]) -> World {
        let mut world = World::new(plans);
        for (after, h) in steps {
            world.step(*after, h);
        }
        world
    }

    /// Devices that are asked.
    fn devices(&self) -> usize {
        self.plans[self.plan].devices
    }

    fn observation(
        &self,
        probe: usize,
        target: String,
        check: &'static str,
        outcome: Outcome<'static>,
    ) -> Kind<'static> {
        let probes = &self.core.inventory().probes;
        let probe = probes[probe % probes.len()].id.to_string();
        Kind::Observation(Observation {
            probe: probe.into(),
            target: target.into(),
            check: check.into(),
            outcome,
        })
    }

    fn kind(&mut self, h: &Happens) -> Kind<'static> {
        let device = |d: usize| id(d % self.devices());
        let values = |all: &[(&'static str, f64)]| {
            Outcome::Reply(all.iter().map(|(n, v)| ((*n).into(), *v)).collect())
        };
        let incident = |n: usize| {
            self.incidents.get(n).cloned().unwrap_or_else(|| IncidentId::from_text("none-1"))
        };
        match h {
            Happens::Ping { probe, device: d, answer } => {
                let outcome = match answer {
                    0..=3 => Outcome::NoReply,
                    4 => Outcome::Failed { reason: "no-route".into() },
                    5 => values(&[("rtt_ms", 900.0), ("loss_pct", 66.667), ("flows_lost", 2.0)]),
                    _ => values(&[("rtt_ms", 1.0), ("loss_pct", 0.0), ("flows_lost", 0.0)]),
                };
                self.observation(*probe, device(*d), "icmp", outcome)
            }
            Happens::Port { device: d, port, oper, admin } => {
                let admin = if *admin { 2.0 } else { 1.0 };
                let outcome = values(&[("oper_status", f64::from(*oper)), ("admin_status", admin)]);
                self.observation(0, format!("{}/p{port}", device(*d)), "snmp:if-status", outcome)
            }
            Happens::Agent { device: d, answers } => {
                let outcome =
                    if *answers { values(&[("uptime_s", 10.0)]) } else { Outcome::NoReply };
                self.observation(0, device(*d), "snmp:uptime", outcome)
            }
            Happens::Signal { key, device: d, problem, severity } => {
                let target = match d {
                    8 => None,
                    9 => Some("somewhere-else".into()),
                    d => Some(id(*d)),
                };
                told::signal(*key, target, *problem, *severity)
            }
            Happens::Command { what, incident: n, device: d } => {
                let until = Some(Timestamp::from_millis(self.now + 90_000));
                let window = told::window(device(*d), None, self.now);
                told::command(*what, *n, incident(*n), until, &window)
            }
            Happens::Desk { incident: n, change } => told::desk(incident(*n), *change),
            Happens::Gap => Kind::Gap { since: Timestamp::from_millis(self.now - 60_000) },
            Happens::Reload(n) => {
                self.plan = *n;
                let plan = &self.plans[*n];
                self.core.reconfigure(plan.inventory(), plan.settings());
                Kind::Config { hash: format!("{n}"), instance: None }
            }
            Happens::Tick | Happens::Clocks(_) | Happens::Ahead(_) | Happens::Restart => Kind::Tick,
        }
    }

    /// One thing happens so many milliseconds after the last, and this is what was decided.
    fn step(&mut self, after: u32, h: &Happens) -> Vec<Decision> {
        match h {
            Happens::Restart => {
                told::restart(&mut self.core);
                return Vec::new();
            }
            Happens::Clocks(minutes) => self.clocks = i64::from(*minutes) * 60_000,
            Happens::Ahead(minutes) => self.now += i64::from(*minutes) * 60_000,
            _ => {}
        }
        self.now += i64::from(after);
        self.number += 1;
        let skew = match h {
            Happens::Ping { .. } | Happens::Port { .. } | Happens::Agent { .. } => self.clocks,
            _ => 0,
        };
        let event = Event {
            at: Timestamp::from_millis(self.now + skew),
            received: Some(Timestamp::from_millis(self.now)),
            kind: self.kind(h),
        };
        let said = told::put(&mut self.core, self.number, &event, &mut self.incidents);
        for d in &said {
            self.told.take(d);
        }
        while self.core.poll_ask().is_some() {}
        said
    }

    /// The clocks are right again, whatever they showed is past, and everybody who is not in
    /// `silent` answers for so many rounds of twenty seconds.
    fn rounds(&mut self, rounds: u32, silent: &BTreeSet<usize>) {
        if self.clocks != 0 {
            self.step(0, &Happens::Clocks(0));
            self.now += 2 * HOUR;
        }
        for round in 0..rounds {
            for d in 0..self.devices() {
                for probe in 0..self.core.inventory().probes.len() {
                    let answer = if silent.contains(&d) { 0 } else { 8 };
                    let after = if d == 0 && probe == 0 { 20_000 } else { 1 };
                    self.step(after, &Happens::Ping { probe, device: d, answer });
                }
                if round % 10 == 0 && !silent.contains(&d) {
                    self.step(1, &Happens::Agent { device: d, answers: true });
                    for port in 0..10 {
                        let port = Happens::Port { device: d, port, oper: 1, admin: false };
                        self.step(1, &port);
                    }
                }
            }
        }
    }

    fn all_is_well(&mut self, rounds: u32) {
        for key in 0..4 {
            self.step(1, &Happens::Signal { key, device: 0, problem: false, severity: 0 });
        }
        self.rounds(rounds, &BTreeSet::new());
    }
}

/// How everything stands, by the decisions alone.
#[derive(Default)]
struct Told {
    /// Open incidents and their roots.
    open: BTreeMap<IncidentId, Vec<Arc<str>>>,
    created: BTreeMap<IncidentId, usize>,
    /// Whether the ticket of each is open.
    tickets: BTreeMap<IncidentId, bool>,
    /// Those that a person resolved.
    by_hand: BTreeSet<IncidentId>,
    merged: BTreeSet<IncidentId>,
    revisions: BTreeMap<IncidentId, u32>,
    /// The last message to people about each.
    heard: BTreeMap<IncidentId, String>,
    alarms: BTreeMap<(Arc<str>, Arc<str>), (AlarmState, Option<IncidentId>)>,
}

impl Told {
    fn take(&mut self, d: &Decision) {
        match d {
            Decision::Incident(i) => {
                if i.condition == Condition::Clear {
                    self.open.remove(&i.id);
                } else {
                    self.open.insert(i.id.clone(), i.root.clone());
                }
                match i.change {
                    Change::Merged => {
                        self.merged.insert(i.id.clone());
                    }
                    Change::Resolved if i.condition != Condition::Clear => {
                        self.by_hand.insert(i.id.clone());
                    }
                    Change::Reopened => {
                        self.by_hand.remove(&i.id);
                    }
                    _ => {}
                }
            }
            Decision::Intent(i) => {
                let before = self.revisions.insert(i.incident.clone(), i.revision);
                assert_eq!(i.revision, before.unwrap_or(0) + 1, "revisions count up by one: {i:?}");
                match i.op {
                    IntentOp::Create => {
                        *self.created.entry(i.incident.clone()).or_default() += 1;
                        self.tickets.insert(i.incident.clone(), true);
                    }
                    IntentOp::Resolve | IntentOp::Merge => {
                        self.tickets.insert(i.incident.clone(), false);
                    }
                    IntentOp::Reopen => {
                        self.tickets.insert(i.incident.clone(), true);
                    }
                    IntentOp::Notify => {
                        self.heard.insert(i.incident.clone(), i.text.clone());
                    }
                    IntentOp::Note | IntentOp::Reprioritise => {}
                }
            }
            Decision::Alarm(a) => {
                let name = (a.target.clone(), a.check.clone());
                self.alarms.insert(name, (a.state, a.incident.clone()));
            }
            Decision::Verdict(_) => {}
        }
    }
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// "Every accepted event gets exactly one verdict; counts agree."
    #[test]
    fn every_event_gets_exactly_one_verdict((plans, steps) in life()) {
        let mut world = World::new(&plans);
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
        prop_assert_eq!(world.core.last_event(), world.number);
        let open: usize = world.core.counts().incidents.values().sum();
        prop_assert_eq!(open, world.told.open.len(), "the metrics count what was told: {:?}", world.told.open);
    }

    /// "Every unreachable device is explained by exactly one open incident", and no cause has two.
    #[test]
    fn every_failure_is_explained_by_exactly_one_open_incident((plans, steps) in life()) {
        let mut world = World::new(&plans);
        for (after, h) in &steps {
            world.step(*after, h);
            for (name, (state, incident)) in &world.told.alarms {
                if matches!(state, AlarmState::Raised | AlarmState::Flapping) {
                    let Some(incident) = incident else { return Err(TestCaseError::fail(format!("{name:?} is {state} without an incident"))) };
                    prop_assert!(world.told.open.contains_key(incident), "{:?} is {} in {}, which is not open, after {:?}", name, state, incident, h);
                }
            }
            let inventory = world.core.inventory();
            let known = world.told.open.values().filter(|root| inventory.device(&root[0]).is_some() || root.len() > 1);
            let known: Vec<_> = known.collect();
            let roots: BTreeSet<_> = known.iter().collect();
            prop_assert_eq!(roots.len(), known.len(), "two open incidents with one root: {:?}, after {:?}", world.told.open, h);
        }
    }

    /// What fails and goes on failing is told, whatever was before: nothing is held for ever, no
    /// window hides it after its end, and every device that is down has its incident.
    #[test]
    fn what_fails_for_good_is_told((plans, steps) in life(), silent in prop::collection::btree_set(2usize..8, 1..4)) {
        let mut world = World::after(&plans, &steps);
        world.all_is_well(20);
        let silent: BTreeSet<usize> = silent.into_iter().filter(|d| *d < world.devices()).collect();
        world.rounds(40, &silent);
        for d in &silent {
            let ix = world.core.inventory().device(&id(*d)).unwrap();
            let look = world.core.look_at(DeviceIx(ix.0));
            prop_assert!(matches!(look.state, Some(AlarmState::Raised | AlarmState::Flapping)), "{} is {:?}", id(*d), look);
            let incident = look.incident.expect("it is part of one");
            prop_assert!(world.told.open.contains_key(&incident), "{} is in {}, which is not open", id(*d), incident);
        }
    }

    /// "One episode has at most one primary ticket"; "a resolved incident never leaves an open ticket
    /// behind", and an open one that has a ticket has an open one.
    #[test]
    fn one_ticket_that_is_open_as_long_as_its_incident((plans, steps) in life()) {
        let mut world = World::new(&plans);
        for (after, h) in &steps {
            world.step(*after, h);
            for (incident, created) in &world.told.created {
                prop_assert_eq!(*created, 1, "{}", incident);
                let fails = world.told.open.contains_key(incident);
                let by_hand = world.told.by_hand.contains(incident);
                prop_assert_eq!(world.told.tickets[incident], fails && !by_hand, "the ticket of {} after {:?}", incident, h);
            }
            for incident in world.told.tickets.keys() {
                prop_assert!(world.told.created.contains_key(incident), "the first thing a desk hears is create");
            }
        }
    }

    /// "Suppression never hides": what is suppressed names what suppresses it.
    #[test]
    fn what_is_suppressed_names_what_suppresses_it((plans, steps) in life()) {
        let mut world = World::new(&plans);
        for (after, h) in &steps {
            for d in world.step(*after, h) {
                let Decision::Verdict(v) = d else { continue };
                match v.verdict {
                    Verdict::SuppressedByRoot => {
                        let incident = v.incident.as_ref();
                        prop_assert!(incident.is_some_and(|i| world.told.open.contains_key(i)), "{:?}", v);
                    }
                    Verdict::InMaintenance | Verdict::Silenced => {
                        let named = world.core.windows().any(|w| v.reason.contains(&w.id));
                        prop_assert!(named, "{:?}", v);
                    }
                    _ => {}
                }
            }
        }
    }

    /// "Recovery is always told": when all is well nothing is open, no ticket is, and the last that
    /// people heard of each incident is that it is over.
    #[test]
    fn recovery_is_always_told((plans, steps) in life()) {
        let mut world = World::after(&plans, &steps);
        world.all_is_well(400);
        prop_assert!(world.told.open.is_empty(), "still open: {:?}", world.told.open);
        for (incident, open) in &world.told.tickets {
            prop_assert!(!open, "the desk still has {incident} open");
        }
        for (incident, text) in &world.told.heard {
            let over = ["Pulih.", "Dihapus dari inventaris", "Badai"].iter().any(|w| text.starts_with(w));
            prop_assert!(over || world.told.merged.contains(incident), "the last word about {incident} is {text:?}");
        }
    }

    /// "In doubt, say unknown and keep the incident open": that we could not ask, and that nobody
    /// watched, ends nothing.
    #[test]
    fn doubt_ends_nothing((plans, steps) in life()) {
        let mut world = World::new(&plans);
        for (after, h) in &steps {
            let doubt = matches!(h, Happens::Ping { answer: 4, .. } | Happens::Gap);
            if !doubt {
                world.step(*after, h);
                continue;
            }
            // What was due by then is not ended by the doubt.
            world.step(*after, &Happens::Tick);
            for d in world.step(0, h) {
                if let Decision::Incident(i) = d {
                    // What goes on under another name has not ended.
                    let goes_on = i.into.as_ref().is_some_and(|into| world.told.open.contains_key(into));
                    prop_assert!(i.condition != Condition::Clear || goes_on, "{:?} ended {}: {}", h, i.id, i.reason);
                }
            }
        }
    }

    /// "Everything that grows has a named bound": when all has been well for long enough, nothing of
    /// what happened is left but the checks.
    #[test]
    fn what_happened_is_forgotten_in_the_end((plans, steps) in life()) {
        let mut world = World::after(&plans, &steps);
        world.all_is_well(400);
        world.now += 73 * HOUR;
        world.step(0, &Happens::Tick);
        world.step(HOUR as u32, &Happens::Tick);
        for incident in &world.incidents {
            prop_assert!(!world.core.knows(incident), "{} is still known", incident);
        }
        let counts = world.core.counts();
        prop_assert!(counts.alarms.is_empty(), "{:?}", counts);
        prop_assert!(counts.timers <= 8, "{:?}", counts);
    }

    /// "The same journal and the same program give the same bytes", across restarts at any moment.
    #[test]
    fn a_restart_changes_nothing_through_reloads_and_jumps((plans, steps) in life(), at in prop::collection::btree_set(0usize..200, 0..20)) {
        let without: Vec<_> = steps.iter().filter(|(_, h)| !matches!(h, Happens::Restart)).collect();
        let (mut steady, mut stopped) = (World::new(&plans), World::new(&plans));
        for (n, (after, h)) in without.into_iter().enumerate() {
            if at.contains(&n) {
                told::restart(&mut stopped.core);
            }
            prop_assert_eq!(steady.step(*after, h), stopped.step(*after, h), "step {} {:?}", n, h);
        }
    }
}
