//! What a person does on the desk's ticket: the incident follows, once, and not against them.

mod desk;

use desk::{Desk, device};
use model::event::{DeskChange, DeskNews, Severity};
use model::inventory::InventorySpec;
use model::{Decision, Event, IncidentId, IntentOp, Kind, Priority, Timestamp, Work};

/// An incident of another monitor, and what a person does about it; gives what was decided.
fn at_the_desk(
    desk: &mut Desk,
    ms: i64,
    number: u64,
    id: &IncidentId,
    news: &[(DeskChange, Option<Priority>)],
) -> Vec<Decision> {
    let mut out = Vec::new();
    for (n, (change, priority)) in news.iter().enumerate() {
        let news = DeskNews {
            desk: "rt".into(),
            incident: id.clone(),
            change: *change,
            by: Some("sari".into()),
            text: (*change == DeskChange::Noted).then(|| "teknisi berangkat".into()),
            priority: *priority,
        };
        let at = Timestamp::from_millis(desk::DAWN + ms + n as i64);
        let event = Event { at, received: None, kind: Kind::Desk(news) };
        desk.core.handle_event(number + n as u64, &event);
        out.extend(std::iter::from_fn(|| desk.core.poll_decision()));
    }
    out
}

fn open() -> (Desk, IncidentId) {
    let spec = InventorySpec {
        devices: vec![device("a", model::Criticality::Normal)],
        ..InventorySpec::default()
    };
    let mut desk = Desk::new(&spec);
    desk.signal(1_000, "k", Some("a"), Some(Severity::High));
    let id = desk.incidents.keys().next().expect("an incident").clone();
    (desk, id)
}

#[test]
fn taking_acknowledges_and_a_priority_of_a_person_is_the_incidents() {
    let (mut desk, id) = open();
    let was = desk.incidents[&id].priority;
    assert_ne!(was, Priority::P1);
    let news = [
        (DeskChange::Taken, None),
        (DeskChange::Noted, None),
        (DeskChange::Reprioritised, Some(Priority::P1)),
        (DeskChange::Closed, None),
    ];
    let decided = at_the_desk(&mut desk, 60_000, 100, &id, &news);
    let lines: Vec<_> = decided
        .iter()
        .filter_map(|d| match d {
            Decision::Incident(i) => Some((i.work, i.priority, i.by.as_deref())),
            _ => None,
        })
        .collect();
    assert_eq!(
        lines,
        [(Work::Assigned, was, Some("sari")), (Work::Assigned, Priority::P1, Some("sari")),]
    );
    let said: Vec<&str> = decided
        .iter()
        .filter_map(|d| match d {
            Decision::Verdict(v) => Some(&*v.reason),
            _ => None,
        })
        .collect();
    assert_eq!(
        said,
        [
            "sari took the ticket at rt",
            "sari wrote a note at rt: teknisi berangkat",
            "sari changed the ticket's priority at rt to P1",
            "sari closed the ticket at rt",
        ]
    );
    // What desks are told of it: the new priority, once. (The one it was said at has it already.)
    let intents = |all: &[Decision]| -> Vec<IntentOp> {
        let op = |d: &Decision| match d {
            Decision::Intent(i) => Some(i.op),
            _ => None,
        };
        all.iter().filter_map(op).collect()
    };
    assert_eq!(intents(&decided), [IntentOp::Reprioritise]);

    // A desk says it twice when the process died in between: nothing comes of it.
    let again = at_the_desk(&mut desk, 61_000, 200, &id, &news);
    assert!(intents(&again).is_empty());
    assert!(again.iter().all(|d| matches!(d, Decision::Verdict(_))), "{again:?}");
}

/// A priority that is none of ours says nothing about the incident's.
#[test]
fn a_priority_that_is_none_of_ours_changes_nothing_here() {
    let (mut desk, id) = open();
    let decided = at_the_desk(&mut desk, 60_000, 100, &id, &[(DeskChange::Reprioritised, None)]);
    assert!(matches!(&decided[..], [Decision::Verdict(_)]), "{decided:?}");
}
