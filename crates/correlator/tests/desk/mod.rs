//! A core that is fed in the order of time, and a desk that counts what it hears.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::type_complexity,
    reason = "each test uses what it needs"
)]

use correlator::Correlator;
use model::event::{Observation, Outcome, Severity, Signal, SignalState};
use model::inventory::{DeviceSpec, InventorySpec};
use model::{
    AlarmState, Change, Decision, Event, IncidentId, IncidentLine, IntentOp, Inventory, Kind,
    Priority, Settings, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// 2026-11-24T00:00:00Z.
pub const DAWN: i64 = 1_795_478_400_000;

pub struct Desk {
    pub core: Correlator,
    number: u64,
    pub verdicts: BTreeMap<&'static str, usize>,
    /// The last line of each incident.
    pub incidents: BTreeMap<IncidentId, IncidentLine>,
    /// What was created, in order: when, which, how urgent, by which event.
    pub creates: Vec<(Timestamp, IncidentId, Priority, u64)>,
    pub notifies: usize,
    /// How each alarm stands, and in which incident.
    pub alarms: BTreeMap<(Arc<str>, Arc<str>), (AlarmState, Option<IncidentId>)>,
}

impl Desk {
    pub fn new(spec: &InventorySpec) -> Desk {
        let inventory = Inventory::build(spec).unwrap_or_else(|p| panic!("{p:?}"));
        Desk {
            core: Correlator::new(Arc::new(inventory), Settings::default()),
            number: 0,
            verdicts: BTreeMap::new(),
            incidents: BTreeMap::new(),
            creates: Vec::new(),
            notifies: 0,
            alarms: BTreeMap::new(),
        }
    }

    /// How many events there were.
    pub fn events(&self) -> usize {
        self.number as usize
    }

    /// Something happens `ms` after dawn. Exactly one verdict comes of it.
    pub fn happens(&mut self, ms: i64, kind: Kind<'_>) {
        self.number += 1;
        let event = Event { at: Timestamp::from_millis(DAWN + ms), received: None, kind };
        self.core.handle_event(self.number, &event);
        let mut verdicts = 0;
        while let Some(d) = self.core.poll_decision() {
            match d {
                Decision::Verdict(v) => {
                    assert_eq!(v.event, self.number);
                    verdicts += 1;
                    *self.verdicts.entry(v.verdict.word()).or_default() += 1;
                }
                Decision::Alarm(a) => {
                    self.alarms.insert((a.target, a.check), (a.state, a.incident));
                }
                Decision::Incident(i) => {
                    self.incidents.insert(i.id.clone(), *i);
                }
                Decision::Intent(i) => match i.op {
                    IntentOp::Create => {
                        self.creates.push((i.at, i.incident, i.priority, self.number));
                    }
                    IntentOp::Notify => self.notifies += 1,
                    _ => {}
                },
            }
        }
        assert_eq!(verdicts, 1, "event {}", self.number);
        while self.core.poll_ask().is_some() {}
    }

    pub fn ping(&mut self, ms: i64, target: &str, answers: bool) {
        let outcome = if answers {
            Outcome::Reply([("rtt_ms".into(), 1.0)].into_iter().collect())
        } else {
            Outcome::NoReply
        };
        let (probe, check) = ("noc-1".into(), "icmp".into());
        let o = Observation { probe, target: target.into(), check, outcome };
        self.happens(ms, Kind::Observation(o));
    }

    pub fn signal(&mut self, ms: i64, key: &str, target: Option<&str>, severity: Option<Severity>) {
        let state = if severity.is_some() { SignalState::Problem } else { SignalState::Ok };
        self.happens(
            ms,
            Kind::Signal(Signal {
                source: "zabbix".into(),
                key: key.into(),
                state,
                severity,
                target: target.map(Into::into),
                summary: Some("unreachable".into()),
            }),
        );
    }

    /// Every event came to exactly one verdict, and every alarm that stands is in an incident.
    pub fn accounts_for_everything(&self) {
        assert_eq!(self.verdicts.values().sum::<usize>(), self.events());
        for (name, (state, incident)) in &self.alarms {
            if *state != AlarmState::Ok && *state != AlarmState::Unknown {
                let i = incident.as_ref().and_then(|i| self.incidents.get(i));
                let open = i.is_some_and(|i| i.change != Change::Merged && i.work.word() == "new");
                assert!(open, "{name:?} is {state} in {incident:?}");
            }
        }
    }

    /// The incidents in which alarms stand.
    pub fn standing(&self) -> BTreeSet<&IncidentId> {
        let raised = self.alarms.values().filter(|(s, _)| *s != AlarmState::Ok);
        raised.filter_map(|(_, i)| i.as_ref()).collect()
    }

    /// How large the state is that has to survive a restart, in bytes.
    pub fn bytes(&self) -> usize {
        postcard::to_allocvec(self.core.state()).unwrap().len()
    }
}

pub fn device(id: &str, criticality: model::Criticality) -> DeviceSpec {
    let address = Some("192.0.2.1".into());
    DeviceSpec { id: id.into(), address, criticality, ..DeviceSpec::default() }
}
