//! A network as it really is, a probe that asks everybody in turn, and what the core says of it.
//!
//! Every device and every monitored port is asked every 20 s at a moment of its own. When something
//! fails, whoever is behind it falls silent first, up to a minute before what is nearer.

#![allow(dead_code, reason = "each test uses what it needs")]

use crate::lots::Lots;
use crate::reference::{self, Root, Seen};
use correlator::Correlator;
use model::event::{Observation, Outcome};
use model::{Change, Condition, Decision, Event, IncidentId, IntentOp, Inventory, Kind, Settings};
use model::{Timestamp, Work};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const DAWN: i64 = 1_795_478_400_000;
/// A second, in milliseconds.
pub const S: i64 = 1000;
const ROUND: i64 = 20 * S;
const RACE: i64 = 60 * S;

pub struct Feed {
    inventory: Arc<Inventory>,
    pub core: Correlator,
    lots: Lots,
    now: i64,
    number: u64,
    /// What has failed.
    failed: BTreeSet<String>,
    /// When each silent device fell silent.
    silent: BTreeMap<String, i64>,
    /// When each link went down.
    down: BTreeMap<String, i64>,
    /// Since when each symptom can be seen.
    visible: BTreeMap<String, i64>,
    /// When something failed or was mended last.
    last_change: i64,
    /// Whom to ask: moment within the round, device, and link when it is a port.
    turns: Vec<(i64, String, Option<String>)>,
    pub book: Book,
}

/// What the decisions add up to.
#[derive(Default)]
pub struct Book {
    /// Open and failing.
    pub open: BTreeMap<IncidentId, Root>,
    /// Open, and hidden by something nearer.
    pub masked: BTreeMap<IncidentId, Root>,
    pub creates: BTreeMap<IncidentId, usize>,
    /// Whose ticket is not resolved.
    pub tickets: BTreeSet<IncidentId>,
    pub merged: BTreeMap<IncidentId, IncidentId>,
    pub merges: usize,
    pub reroots: usize,
    pub splits: usize,
    pub reopened: usize,
    pub maskings: usize,
    /// Incidents that recovered since the last change of the world.
    pub recovered: Vec<(IncidentId, Root)>,
    pub log: Vec<String>,
}

impl Book {
    fn take(&mut self, d: &Decision) {
        match d {
            Decision::Incident(i) => {
                self.log.push(format!(
                    "{} {} {} {} {} {:?}: {}",
                    i.at, i.id, i.change, i.condition, i.work, i.root, i.reason
                ));
                let root: Root = i.root.iter().map(ToString::to_string).collect();
                match i.change {
                    Change::Rerooted => self.reroots += 1,
                    Change::Split => self.splits += 1,
                    Change::Reopened => self.reopened += 1,
                    Change::Merged => {
                        self.merges += 1;
                        let into = i.into.clone().unwrap_or_else(|| panic!("{i:?} into nothing"));
                        self.merged.insert(i.id.clone(), into);
                    }
                    Change::Recovered => self.recovered.push((i.id.clone(), root.clone())),
                    _ => {}
                }
                let was_masked = self.masked.remove(&i.id).is_some();
                self.open.remove(&i.id);
                if i.work == Work::Closed || matches!(i.change, Change::Merged | Change::Closed) {
                    return;
                }
                match i.condition {
                    Condition::Clear => {}
                    Condition::Masked => {
                        self.maskings += usize::from(!was_masked);
                        self.masked.insert(i.id.clone(), root);
                    }
                    Condition::Failing | Condition::Unknown => {
                        self.open.insert(i.id.clone(), root);
                    }
                }
            }
            Decision::Alarm(a) if a.incident.is_some() => {
                let i = a.incident.as_ref().map(ToString::to_string).unwrap_or_default();
                let (at, t, c) = (a.at, &a.target, &a.check);
                self.log.push(format!("{at}   {t} {c} {} in {i}: {}", a.state, a.reason));
            }
            Decision::Intent(i) => {
                self.log.push(format!("{}   {} {}", i.at, i.id, i.op));
                match i.op {
                    IntentOp::Create => {
                        *self.creates.entry(i.incident.clone()).or_default() += 1;
                        self.tickets.insert(i.incident.clone());
                    }
                    IntentOp::Reopen => {
                        self.tickets.insert(i.incident.clone());
                    }
                    IntentOp::Resolve | IntentOp::Merge => {
                        self.tickets.remove(&i.incident);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The roots of what is open and not hidden.
    pub fn roots(&self) -> BTreeSet<Root> {
        self.open.values().cloned().collect()
    }

    /// The incident that goes on for this one.
    pub fn survivor(&self, id: &IncidentId) -> IncidentId {
        let mut id = id.clone();
        while let Some(into) = self.merged.get(&id) {
            id = into.clone();
        }
        id
    }
}

impl Feed {
    /// A healthy network, watched long enough to be known. With `snmp`, every port at the end of a
    /// link is asked as well.
    pub fn new(inventory: &Arc<Inventory>, snmp: bool, seed: u64) -> Feed {
        let mut lots = Lots(seed);
        let mut turns = Vec::new();
        for d in inventory.devices.iter().filter(|d| !d.checks.is_empty()) {
            turns.push((lots.below(ROUND), d.id.to_string(), None));
        }
        for l in inventory.links.iter().filter(|_| snmp) {
            for (end, port) in l.ends.iter().zip(&l.ports) {
                let d = &inventory[*end];
                if port.is_some() && !d.checks.is_empty() {
                    turns.push((lots.below(ROUND), d.id.to_string(), Some(l.id.to_string())));
                }
            }
        }
        turns.sort();
        // Here things fail and are mended as often as the test wants: that is not flapping.
        let mut settings = Settings::default();
        settings.flapping.start = 0;
        let mut feed = Feed {
            inventory: inventory.clone(),
            core: Correlator::new(inventory.clone(), settings),
            lots,
            now: DAWN,
            number: 0,
            failed: BTreeSet::new(),
            silent: BTreeMap::new(),
            down: BTreeMap::new(),
            visible: BTreeMap::new(),
            last_change: DAWN,
            turns,
            book: Book::default(),
        };
        feed.run(120 * S);
        feed
    }

    /// What has failed now.
    pub fn failed(&self) -> &BTreeSet<String> {
        &self.failed
    }

    /// These fail.
    pub fn fail(&mut self, what: &[String]) {
        self.failed.extend(what.iter().cloned());
        self.changed();
    }

    /// These are mended.
    pub fn mend(&mut self, what: &[String]) {
        for w in what {
            assert!(self.failed.remove(w), "{w} had not failed");
        }
        self.changed();
    }

    fn changed(&mut self) {
        self.book.recovered.clear();
        self.last_change = self.now;
        let fallen = reference::fallen(&self.inventory, &self.failed);
        let asked: Vec<String> = self
            .inventory
            .devices
            .iter()
            .filter(|d| !d.checks.is_empty())
            .map(|d| d.id.to_string())
            .collect();
        let was: BTreeSet<String> = self.silent.keys().cloned().collect();
        self.silent.retain(|d, _| fallen.contains(d));
        self.down.retain(|l, _| fallen.contains(l));
        for d in asked.iter().filter(|d| fallen.contains(*d)) {
            self.silent.entry(d.clone()).or_insert(self.now + RACE);
        }
        for l in &self.inventory.links {
            if fallen.contains(&*l.id) {
                self.down.entry(l.id.to_string()).or_insert(self.now + RACE);
            }
        }
        let seen = self.seen();
        let visible = reference::visible(&self.inventory, &seen);
        // A link that one end still tells of fails since then, also while the other end is silent.
        let told: BTreeSet<&String> = seen.down.keys().map(|(l, _)| l).collect();
        self.visible.retain(|id, _| visible.contains(id) || told.contains(id));
        for id in &visible {
            self.visible.entry(id.clone()).or_insert(self.now);
        }
        // Whoever is behind falls silent before what is nearer.
        for (d, from) in &mut self.silent {
            if !was.contains(d) && !visible.contains(d) {
                *from = self.now + self.lots.below(RACE);
            }
        }
    }

    /// What can be seen of the network as it is now.
    pub fn seen(&self) -> Seen {
        let since = |id: &str| *self.visible.get(id).unwrap_or(&self.now);
        let mut seen = Seen {
            changed: self.last_change,
            device_interval: 20 * S,
            port_interval: 60 * S,
            ..Seen::default()
        };
        for (_, d, link) in &self.turns {
            let silent = self.silent.contains_key(d);
            match link {
                None if silent => {
                    seen.silent.insert(d.clone(), since(d));
                }
                None => {
                    seen.answering.insert(d.clone());
                }
                Some(_) if silent => {}
                Some(l) if self.down.contains_key(l) => {
                    seen.down.insert((l.clone(), d.clone()), since(l));
                }
                Some(l) => {
                    seen.up.insert((l.clone(), d.clone()));
                }
            }
        }
        seen
    }

    /// Time passes, and everybody is asked in turn.
    pub fn run(&mut self, how_long: i64) {
        let end = self.now + how_long;
        let mut round = (self.now - DAWN) / ROUND;
        let turns = std::mem::take(&mut self.turns);
        let (silent, down) = (self.silent.clone(), self.down.clone());
        while DAWN + round * ROUND < end {
            for (moment, d, link) in &turns {
                let at = DAWN + round * ROUND + moment;
                if at < self.now || at >= end {
                    continue;
                }
                let is = |when: Option<&i64>| when.is_some_and(|from| *from <= at);
                let gone = is(silent.get(d));
                match link {
                    None if gone => self.observe(at, d, "icmp", Outcome::NoReply),
                    None => {
                        let answer = [("rtt_ms".into(), 1.0)];
                        self.observe(at, d, "icmp", Outcome::Reply(answer.into_iter().collect()));
                    }
                    Some(_) if gone => self.observe(at, d, "snmp:if-status", Outcome::NoReply),
                    Some(l) => {
                        let oper = if is(down.get(l)) { 2.0 } else { 1.0 };
                        let says = [("oper_status".into(), oper), ("admin_status".into(), 1.0)];
                        let port = self.port(l, d);
                        let outcome = Outcome::Reply(says.into_iter().collect());
                        self.observe(at, &port, "snmp:if-status", outcome);
                    }
                }
            }
            round += 1;
        }
        self.turns = turns;
        self.now = end;
    }

    fn port(&self, link: &str, device: &str) -> String {
        let found = self.inventory.link(link).and_then(|l| {
            let l = &self.inventory[l];
            let side = l.ends.iter().position(|d| &*self.inventory[*d].id == device)?;
            l.ports[side].clone()
        });
        found.map_or_else(|| panic!("{link} has no port at {device}"), |p| p.to_string())
    }

    fn observe<'a>(&mut self, at: i64, target: &'a str, check: &'static str, outcome: Outcome<'a>) {
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
            self.book.take(&d);
        }
        while self.core.poll_ask().is_some() {}
    }
}
