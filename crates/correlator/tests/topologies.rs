//! Hundreds of real networks, thousands of failures in them, and the incidents that must come of
//! each: no more, no fewer, and the right ones.
//!
//! `KENTONGAN_SOAK=1` runs every scenario instead of a sample; `KENTONGAN_SCENARIO=N` runs one and
//! prints it.

mod lots;
mod networks;

use correlator::Correlator;
use lots::Lots;
use model::event::{Observation, Outcome};
use model::{Change, Condition, Decision, Event, IncidentId, IntentOp, Kind, Settings, Timestamp};
use networks::{Net, Scenario};
use std::collections::{BTreeMap, BTreeSet};

const DAWN: i64 = 1_795_478_400_000;
const S: i64 = 1000;

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
    let inventory = networks::inventory(net, s.noc);
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
    let Some(at) = networks::shared() else { return };
    let (nets, scenarios) = (networks::nets(&at), networks::scenarios(&at));
    let one: Option<usize> = std::env::var("KENTONGAN_SCENARIO").ok().and_then(|n| n.parse().ok());
    let step = if networks::soak() { 1 } else { 97 };
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
