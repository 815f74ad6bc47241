//! Ten thousand alarms in a minute: as many tickets as there are causes, the most urgent first,
//! every event accounted for, and a state that does not grow with the noise.

#![allow(clippy::unwrap_used, reason = "a test")]

mod desk;
mod lots;

use desk::{DAWN, Desk, device};
use lots::Lots;
use model::event::{Command, Operation, Severity};
use model::inventory::{InventorySpec, LinkSpec, ProbeSpec, SiteSpec};
use model::settings::Window;
use model::{Criticality, IncidentId, Kind, Priority, Timestamp};
use std::collections::BTreeSet;

const S: i64 = 1000;
const AREAS: usize = 10;
const HOSTS: usize = 499;
const STRANGERS: usize = 2000;

fn area(n: usize) -> String {
    format!("area-{n}")
}

/// Ten areas behind a core, four of them vital, and two devices of no importance beside it.
fn world() -> InventorySpec {
    let mut spec = InventorySpec::default();
    let link = |a: &str, b: &str| LinkSpec { between: [a.into(), b.into()], ..LinkSpec::default() };
    spec.devices.push(device("noc/core", Criticality::Normal));
    spec.sites.push(SiteSpec { id: "noc".into(), ..SiteSpec::default() });
    for n in ["noc/printer", "noc/clock"] {
        spec.devices.push(device(n, Criticality::Normal));
        spec.links.push(link("noc/core", n));
    }
    for a in 0..AREAS {
        spec.sites.push(SiteSpec { id: area(a), users: 50, ..SiteSpec::default() });
        let weight = if a % 3 == 0 { Criticality::Vital } else { Criticality::Normal };
        let router = format!("{}/rtr", area(a));
        spec.devices.push(device(&router, weight));
        spec.links.push(link("noc/core", &router));
        for h in 0..HOSTS {
            let host = format!("{}/h{h}", area(a));
            spec.devices.push(device(&host, Criticality::Normal));
            spec.links.push(link(&router, &host));
        }
    }
    let at = Some("noc/core".into());
    spec.probes.push(ProbeSpec { id: "noc-1".into(), at, ..ProbeSpec::default() });
    spec
}

fn fails(id: &str) -> bool {
    id != "noc/core"
}

#[test]
fn ten_thousand_alarms_in_a_minute_are_twelve_tickets() {
    let spec = world();
    let mut desk = Desk::new(&spec);
    let mut lots = Lots(7);
    let ids: Vec<&str> = spec.devices.iter().map(|d| &*d.id).collect();
    for round in 0..4 {
        for (n, id) in ids.iter().enumerate() {
            desk.ping(round * 20 * S + 4 * n as i64, id, true);
        }
    }
    let quiet = desk.bytes();
    let cut = 80 * S;
    // Each device is found silent at some moment within the minute, whoever is nearer or farther,
    // and asked again every two seconds; Zabbix says the same of it some time within the minute.
    let mut turns: Vec<(i64, usize, u8)> = Vec::new();
    let mut signals = 0;
    for (n, id) in ids.iter().enumerate() {
        let first = cut + lots.below(55 * S);
        turns.extend((0..3).map(|k| (first + k * 2 * S, n, 0)));
        turns.extend([20, 40, 60].map(|more| (first + more * S, n, 0)));
        if fails(id) && signals < 4998 {
            signals += 1;
            turns.push((cut + lots.below(60 * S), n, 1));
        }
    }
    turns.sort_unstable();
    let (mut alarms, mut worst) = (0, 0);
    for (t, n, kind) in turns {
        if kind == 1 {
            let severity = [Severity::Average, Severity::High, Severity::Disaster][n % 3];
            desk.signal(t, &n.to_string(), Some(ids[n]), Some(severity));
        } else {
            desk.ping(t, ids[n], !fails(ids[n]));
        }
        if t < cut + 60 * S {
            alarms = desk.alarms.len();
        }
        if worst == 0 && desk.creates.len() == 12 {
            worst = t - cut;
        }
    }
    desk.accounts_for_everything();
    assert!(alarms >= 9_990, "{alarms} alarms in the minute");
    assert_eq!(desk.alarms.len(), 10_000);
    let causes: BTreeSet<&IncidentId> = desk.standing();
    assert_eq!(causes.len(), 12, "every alarm is in one of the twelve");
    assert!(desk.creates.len() <= 13, "{} tickets: {:?}", desk.creates.len(), desk.creates);
    most_urgent_first(&desk);
    let loud = desk.bytes();
    // What an alarm takes (a check's own and a signal with its names and words), and its incident.
    assert!(loud < quiet + 10_000 * 400, "{quiet} bytes before, {loud} with 10,000 alarms");
    println!(
        "{} events, {} alarms, {} tickets, the last {} s after the cut; state {quiet} -> {loud} bytes",
        desk.events(),
        desk.alarms.len(),
        desk.creates.len(),
        worst / S
    );

    // All is well again, and three days later the state is what it was.
    for n in 0..4998 {
        desk.signal(cut + 180 * S, &(n + 1).to_string(), None, None);
    }
    for round in 0..5 {
        for (n, id) in ids.iter().enumerate() {
            desk.ping(cut + (200 + round * 20) * S + 4 * n as i64, id, true);
        }
    }
    desk.happens(cut + 4 * 86_400 * S, Kind::Tick);
    let after = desk.bytes();
    // What is remembered is that 4096 problems ended, so that late news does not open them again.
    assert!(after < quiet + 4096 * 40, "{quiet} bytes before, {after} after the storm");
}

/// Of what was created at the same moment, the most urgent comes first.
fn most_urgent_first(desk: &Desk) {
    for pair in desk.creates.windows(2) {
        if pair[0].3 == pair[1].3 {
            assert!(pair[0].2 <= pair[1].2, "{:?} before {:?}", pair[0], pair[1]);
        }
    }
}

#[test]
fn of_twelve_at_once_the_most_urgent_comes_first() {
    let spec = world();
    let mut desk = Desk::new(&spec);
    let ids: Vec<&str> = spec.devices.iter().map(|d| &*d.id).collect();
    let scope: Vec<String> = (0..AREAS).map(area).chain(["noc".into()]).collect();
    let at = |s: i64| Timestamp::from_millis(DAWN + s * S);
    let window = Window {
        id: "big".into(),
        owner: "sari".into(),
        reason: "power".into(),
        change: None,
        scope,
        start: at(0),
        end: at(400),
        rrule: None,
        silence: false,
    };
    let operation = Operation::Maintenance(window);
    desk.happens(0, Kind::Command(Command { by: "sari".into(), operation }));
    for round in 1..18 {
        for (n, id) in ids.iter().enumerate() {
            desk.ping(round * 20 * S + n as i64, id, round < 4 || !fails(id));
        }
    }
    assert!(desk.creates.is_empty(), "all of it is in maintenance");
    desk.happens(401 * S, Kind::Tick);
    assert_eq!(desk.creates.len(), 12, "{:?}", desk.creates);
    assert!(desk.creates.iter().all(|c| c.3 == desk.creates[0].3), "at one moment");
    let order: Vec<Priority> = desk.creates.iter().map(|c| c.2).collect();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!((order[0], order[11]), (Priority::P1, Priority::P3));
    desk.accounts_for_everything();
}

#[test]
fn a_storm_of_strangers_is_thirty_tickets_a_digest_and_every_disaster() {
    let mut spec = InventorySpec::default();
    spec.devices.push(device("noc/core", Criticality::Normal));
    let mut desk = Desk::new(&spec);
    let mut disasters = 0;
    for n in 0..STRANGERS {
        let disaster = n % 100 == 50;
        disasters += usize::from(disaster);
        let severity = if disaster { Severity::Disaster } else { Severity::Average };
        desk.signal(n as i64 * 25, &n.to_string(), None, Some(severity));
    }
    desk.happens(120 * S, Kind::Tick);
    desk.accounts_for_everything();
    assert_eq!(desk.incidents.len(), STRANGERS + 1, "each keeps its identity");
    let urgent = desk.creates.iter().filter(|c| c.2 == Priority::P1).count();
    assert_eq!(urgent, disasters, "no P1 waits in a digest");
    assert_eq!(desk.creates.len(), 30 + disasters + 1, "thirty, the disasters and the digest");
    let digest = desk.incidents.values().find(|i| &*i.root[0] == "storm").unwrap();
    assert!(digest.reason.contains("of them open"), "{}", digest.reason);
    for n in 0..STRANGERS {
        desk.signal(200 * S + n as i64, &n.to_string(), None, None);
    }
    for minute in 4..12 {
        desk.happens(minute * 60 * S, Kind::Tick);
    }
    let open = desk.incidents.values().filter(|i| i.condition.word() != "clear").count();
    assert_eq!(open, 0, "the digest ends with the last of it");
}
