//! What others can make grow: a flood of problems of things that nobody declared, of ends, of names.
//! The state stays within its bounds, and that something fails of which no more is known is told.

#![allow(clippy::unwrap_used, reason = "a test")]

mod desk;
mod lots;

use correlator::{Correlator, State};
use desk::{DAWN, Desk, device};
use lots::Lots;
use model::event::{Observation, Outcome, Severity};
use model::inventory::{InventorySpec, LinkSpec, ProbeSpec};
use model::{Criticality, Event, Inventory, Kind, Settings, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;

const S: i64 = 1000;
const FLOOD: usize = 100_000;
/// Problems that stand (`SIGNALS_MAX` of the core).
const STAND: usize = 50_000;

fn world() -> InventorySpec {
    let mut spec = InventorySpec::default();
    spec.devices.push(device("core", Criticality::Normal));
    spec.devices.push(device("rtr", Criticality::Vital));
    spec.links.push(LinkSpec { between: ["core".into(), "rtr".into()], ..LinkSpec::default() });
    let at = Some("core".into());
    spec.probes.push(ProbeSpec { id: "noc-1".into(), at, ..ProbeSpec::default() });
    spec
}

fn turned_away(desk: &Desk, of: &str) -> u64 {
    desk.core.counts().met.each().into_iter().find(|(name, _)| *name == of).unwrap().1
}

/// What stands after a restart is what stood.
fn survives_a_restart(desk: &mut Desk, spec: &InventorySpec) {
    let bytes = postcard::to_allocvec(desk.core.state()).unwrap();
    let state: State = postcard::from_bytes(&bytes).unwrap();
    let inventory = Arc::new(Inventory::build(spec).unwrap());
    desk.core = Correlator::restore(inventory, Settings::default(), state);
    assert_eq!(postcard::to_allocvec(desk.core.state()).unwrap(), bytes);
}

#[test]
fn a_flood_of_problems_is_bounded_and_what_is_turned_away_is_told() {
    let spec = world();
    let mut desk = Desk::new(&spec);
    let mut lots = Lots(11);
    for round in 0..4 {
        for id in ["core", "rtr"] {
            desk.ping(round * 20 * S, id, true);
        }
    }
    let mut told = BTreeSet::new();
    for n in 0..FLOOD {
        let key = lots.below(1 << 40).to_string();
        told.insert(key.clone());
        let target = format!("stranger-{}", lots.below(1 << 40));
        let target = lots.percent(50).then_some(target);
        desk.signal(80 * S + n as i64 / 10, &key, target.as_deref(), Some(Severity::Average));
        if n == FLOOD / 2 - 7 {
            survives_a_restart(&mut desk, &spec);
        }
    }
    desk.accounts_for_everything();
    assert_eq!(turned_away(&desk, "signals") as usize, told.len() - STAND);
    let open = |desk: &Desk| desk.core.counts().incidents.values().sum::<usize>();
    assert!(open(&desk) <= STAND + 2, "{} open incidents", open(&desk));
    let bytes = desk.bytes();
    assert!(bytes < STAND * 600, "{bytes} bytes");
    // Said once, with a ticket of its own.
    let ours = |i: &&model::IncidentLine| &*i.root[0] == "kentongan:too-many-signals";
    let all: Vec<_> = desk.incidents.values().filter(ours).collect();
    assert_eq!(all.len(), 1);
    let id = all[0].id.clone();
    assert_eq!(desk.creates.iter().filter(|c| c.1 == id).count(), 1);

    // What we see ourselves is told as ever.
    for k in 0..8 {
        desk.ping((91 + k * 20) * S, "core", true);
        desk.ping((91 + k * 20) * S, "rtr", false);
    }
    let of_rtr = desk.incidents.values().filter(|i| i.root.contains(&"rtr".into())).count();
    assert_eq!(of_rtr, 1);
    survives_a_restart(&mut desk, &spec);

    // All of it ends: the room is said, and what is over is let go of, the oldest first.
    for (n, key) in told.iter().enumerate() {
        desk.signal(300 * S + n as i64 / 10, key, None, None);
    }
    assert_eq!(desk.incidents[&id].condition.word(), "clear");
    assert!(turned_away(&desk, "incidents_over") > 0 && turned_away(&desk, "ended_signals") > 0);
    survives_a_restart(&mut desk, &spec);
    desk.happens(30 * 86_400 * S, Kind::Tick);
    desk.signal(30 * 86_400 * S, "one-more", None, Some(Severity::Average));
    desk.happens(30 * 86_400 * S, Kind::Tick);
    let after = desk.bytes();
    assert!(after < 4096 * 60, "{bytes} bytes in the flood, {after} after it");
    desk.accounts_for_everything();
}

#[test]
fn strangers_that_come_and_go_for_ever_leave_nothing() {
    let spec = world();
    let mut desk = Desk::new(&spec);
    let mut lots = Lots(12);
    let mut most = 0;
    for n in 0..40_000 {
        let (key, target) = (lots.below(1 << 40).to_string(), lots.below(1 << 40).to_string());
        desk.signal(n * S, &key, Some(&target), Some(Severity::Warning));
        desk.signal(n * S + 500, &key, None, None);
        if n % 8000 == 7999 {
            survives_a_restart(&mut desk, &spec);
            desk.incidents.clear();
            desk.alarms.clear();
            most = most.max(desk.bytes());
        }
    }
    // Ten thousand incidents that are over, their names, and ends that are remembered.
    assert!(most < 10_000 * 600, "{most} bytes");
}

/// A whole list of problems that ends with one message has one time: the room is made by an eighth all
/// the same, and news that comes late opens nothing again.
#[test]
fn many_that_end_at_once_are_not_forgotten_at_once() {
    const MANY: usize = 4200;
    let mut desk = Desk::new(&world());
    for (at, severity) in [(10 * S, Some(Severity::Warning)), (20 * S, None)] {
        for n in 0..MANY {
            desk.signal(at, &format!("{n:04}"), None, severity);
        }
    }
    assert_eq!(turned_away(&desk, "ended_signals"), 4096 / 8);
    let before = desk.incidents.len();
    for n in MANY - 3000..MANY {
        desk.signal(15 * S, &format!("{n:04}"), None, Some(Severity::Warning));
    }
    assert_eq!(desk.incidents.len(), before);
}

#[test]
fn names_and_ports_that_a_probe_invents_are_bounded() {
    let spec = world();
    let mut desk = Desk::new(&spec);
    let observe = |desk: &mut Desk, target: &str, check: &str, probe: &str| {
        let (target, check, probe) = (target.into(), check.into(), probe.into());
        let outcome = Outcome::Reply([("rtt_ms".into(), 1.0)].into_iter().collect());
        desk.happens(0, Kind::Observation(Observation { probe, target, check, outcome }));
    };
    for n in 0..70_000 {
        observe(&mut desk, "rtr", &format!("invented-{n}"), "noc-1");
        observe(&mut desk, "rtr", "icmp", &format!("invented-{n}"));
    }
    assert!(turned_away(&desk, "names") > 130_000);
    for n in 0..70_000 {
        observe(&mut desk, &format!("rtr/eth{n}"), "snmp:if-status", "noc-1");
    }
    assert!(turned_away(&desk, "checks_of_device") > 60_000);
    assert!(desk.core.counts().checks < 6000);
    survives_a_restart(&mut desk, &spec);
    // What the configuration names has room.
    for k in 0..8 {
        desk.ping(k * 20 * S, "core", true);
        desk.ping(k * 20 * S, "rtr", k == 0);
    }
    assert_eq!(desk.creates.len(), 1, "{:?}", desk.incidents);
}

/// The same decisions, whether the core goes on or is restored from a snapshot at any moment.
#[test]
fn places_of_names_given_anew_survive_a_restart() {
    let spec = world();
    let inventory = Arc::new(Inventory::build(&spec).unwrap());
    let run = |restart_each: u64| {
        let mut core = Correlator::new(inventory.clone(), Settings::default());
        let (mut lots, mut said) = (Lots(13), Vec::new());
        for n in 1..15_000u64 {
            let (key, state) = (lots.below(6000), lots.percent(45));
            let signal = model::Signal {
                source: "zabbix".into(),
                key: key.to_string().into(),
                state: if state { model::SignalState::Ok } else { model::SignalState::Problem },
                severity: Some(Severity::High),
                target: Some(format!("t{}", lots.below(1 << 30)).into()),
                summary: None,
            };
            let at = Timestamp::from_millis(DAWN + n as i64 * 40 * S);
            core.handle_event(n, &Event { at, received: None, kind: Kind::Signal(signal) });
            while let Some(d) = core.poll_decision() {
                said.push(format!("{d:?}"));
            }
            if n.is_multiple_of(restart_each) {
                let bytes = postcard::to_allocvec(core.state()).unwrap();
                let state = postcard::from_bytes(&bytes).unwrap();
                core = Correlator::restore(inventory.clone(), Settings::default(), state);
            }
        }
        said
    };
    let (straight, broken) = (run(u64::MAX), run(997));
    let differ = straight.iter().zip(&broken).find(|(a, b)| a != b);
    assert_eq!(differ, None);
}
