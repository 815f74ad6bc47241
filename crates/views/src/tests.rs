//! Hand-made records in, documents out.

use super::routine::code_of;
use super::*;
use journal::RecordKind;
use model::decision::{
    Affected, AlarmLine, AlarmState, Change, Condition, Decision, IncidentLine, Intent, IntentOp,
    Priority, Scope, Verdict, VerdictLine, Work,
};
use model::{DeliveryLine, DeliveryStep, DeskCall, IncidentId, Timestamp, delivery::TicketRef};
use proptest::prelude::*;
use std::time::Duration;

fn at(seconds: u64) -> Timestamp {
    "2026-11-24T02:00:00Z".parse::<Timestamp>().unwrap() + Duration::from_secs(seconds)
}

fn record(number: u64, kind: RecordKind, when: Timestamp, body: Vec<u8>) -> Record {
    Record {
        number,
        epoch: 1,
        at: when,
        kind,
        through: number * 10,
        body: body.into(),
        prev: [number as u8 - 1; 32],
        hash: [number as u8; 32],
    }
}

/// One record of decisions.
fn decided(number: u64, when: Timestamp, decisions: &[Decision], more: &str) -> Record {
    let mut body = Vec::new();
    for d in decisions {
        wire::write_decision(&mut body, d);
        body.push(b'\n');
    }
    body.extend_from_slice(more.as_bytes());
    record(number, RecordKind::Decisions, when, body)
}

fn delivered(number: u64, line: &DeliveryLine) -> Record {
    let mut body = Vec::new();
    wire::write_delivery(&mut body, line);
    record(number, RecordKind::Delivery, line.at, body)
}

fn verdict(event: u64, verdict: Verdict, incident: Option<&str>) -> Decision {
    Decision::Verdict(VerdictLine {
        at: at(event),
        event,
        target: Some("semarang/core-sw1".into()),
        verdict,
        incident: incident.map(IncidentId::from_text),
        reason: format!("because of {event}").into(),
        routine: false,
    })
}

fn alarm(seconds: u64, state: AlarmState, incident: Option<&str>) -> Decision {
    Decision::Alarm(AlarmLine {
        at: at(seconds),
        target: "semarang/core-sw1".into(),
        check: "icmp".into(),
        state,
        was: AlarmState::Suspect,
        incident: incident.map(IncidentId::from_text),
        reason: "three of five samples were silent".into(),
    })
}

fn incident_line(seconds: u64, id: &str, change: Change) -> IncidentLine {
    let (condition, work) = match change {
        Change::Recovered => (Condition::Clear, Work::New),
        Change::Resolved => (Condition::Clear, Work::Resolved),
        Change::Closed => (Condition::Clear, Work::Closed),
        Change::Acknowledged => (Condition::Failing, Work::Assigned),
        _ => (Condition::Failing, Work::New),
    };
    IncidentLine {
        at: at(seconds),
        id: IncidentId::from_text(id),
        change,
        condition,
        work,
        priority: Priority::P1,
        scope: Scope::Masif,
        root: vec!["noc/rtr1/xe0|semarang/core-sw1/Gi0/1".into(), "semarang/core-sw1".into()],
        affected: Affected {
            devices: vec!["semarang/core-sw1".into(), "semarang/srv1".into()],
            sites: vec!["semarang".into()],
            services: vec!["samsat".into()],
            users: 1200,
        },
        since: at(0),
        reason: "the uplink is silent".into(),
        into: None,
        recurrence_of: None,
        by: (change == Change::Acknowledged).then(|| "sari".to_owned()),
    }
}

fn incident(seconds: u64, id: &str, change: Change) -> Decision {
    Decision::Incident(Box::new(incident_line(seconds, id, change)))
}

fn intent(seconds: u64, id: &str, op: IntentOp) -> Decision {
    Decision::Intent(Box::new(Intent {
        at: at(seconds),
        id: format!("{id}.1"),
        incident: IncidentId::from_text(id),
        op,
        revision: 1,
        priority: Priority::P1,
        title: "Semarang tidak terjangkau".into(),
        text: "semua".into(),
        into: None,
        event: 3,
        received: at(seconds),
    }))
}

fn step(seconds: u64, id: &str, step: DeliveryStep, ticket: Option<&str>) -> DeliveryLine {
    DeliveryLine {
        at: at(seconds),
        incident: IncidentId::from_text(id),
        desk: "rt".into(),
        key: "kent-x".into(),
        generation: 0,
        step,
        call: Some(DeskCall::Create),
        op: Some(IntentOp::Create),
        operation: None,
        revision: 1,
        attempt: 1,
        deadline: None,
        next_try: None,
        ticket: ticket.map(|id| TicketRef {
            id: id.into(),
            url: Some(format!("http://rt.example/Ticket/Display.html?id={id}")),
        }),
        about: None,
        priority: Some(Priority::P1),
        open: true,
        heard: None,
        reason: String::new(),
    }
}

fn opened(number: u64, id: &str, seconds: u64) -> Record {
    decided(
        number,
        at(seconds),
        &[
            verdict(seconds, Verdict::Opened, Some(id)),
            alarm(seconds, AlarmState::Raised, Some(id)),
            incident(seconds, id, Change::Opened),
            intent(seconds, id, IntentOp::Create),
        ],
        "",
    )
}

fn open_ids(views: &Views) -> Vec<String> {
    let page = views.incidents(&IncidentFilter::default()).unwrap();
    page.incidents.into_iter().map(|i| i.id).collect()
}

#[test]
fn an_outage_from_its_opening_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc-k7f3").unwrap();
    views
        .apply(&[
            record(1, RecordKind::Epoch, at(0), b"{\"owner\":\"x\"}".to_vec()),
            opened(2, "k7f3-3", 3),
        ])
        .unwrap();
    assert_eq!(views.applied(), 2);
    assert_eq!(views.applied_hash().unwrap(), Some([2; 32]));

    let page = views.incidents(&IncidentFilter::default()).unwrap();
    let doc = &page.incidents[0];
    assert_eq!((doc.title.as_str(), doc.open), ("Semarang tidak terjangkau", true));
    assert_eq!((doc.counts.devices, doc.counts.sites, doc.counts.users), (2, 1, 1200));
    assert_eq!(doc.opened_at, "2026-11-24T02:00:03.000Z");
    assert!(doc.tickets.is_empty() && page.next.is_none());
    assert_eq!(views.alarms(10, false).unwrap()[0].incident.as_deref(), Some("k7f3-3"));

    // The desk is away, then nobody knows, then the ticket is found.
    let mut away = step(5, "k7f3-3", DeliveryStep::Unanswered, None);
    away.next_try = Some(at(9));
    let told = |views: &Views| views.tickets(10).unwrap()[0].told.clone();
    views.apply(&[delivered(3, &away)]).unwrap();
    assert_eq!(told(&views), "pending");
    views.apply(&[delivered(4, &step(6, "k7f3-3", DeliveryStep::Doubtful, None))]).unwrap();
    assert_eq!(told(&views), "doubtful");
    // A look that fails leaves it in doubt; before anything was sent it would only be pending.
    let mut looked = step(7, "k7f3-3", DeliveryStep::Unanswered, None);
    looked.deadline = Some(at(30));
    views.apply(&[delivered(5, &looked)]).unwrap();
    assert_eq!(told(&views), "doubtful");
    views.apply(&[delivered(6, &step(8, "k7f3-3", DeliveryStep::Found, Some("42")))]).unwrap();
    let ticket = views.tickets(10).unwrap().remove(0);
    assert_eq!((ticket.told.as_str(), ticket.ticket.as_deref()), ("told", Some("42")));
    assert_eq!(ticket.since, at(5).to_string());

    views
        .apply(&[
            decided(7, at(20), &[incident(20, "k7f3-3", Change::Acknowledged)], ""),
            decided(
                8,
                at(30),
                &[
                    verdict(30, Verdict::Recovered, Some("k7f3-3")),
                    alarm(30, AlarmState::Ok, Some("k7f3-3")),
                    incident(30, "k7f3-3", Change::Recovered),
                    incident(30, "k7f3-3", Change::Resolved),
                    intent(30, "k7f3-3", IntentOp::Resolve),
                ],
                "",
            ),
        ])
        .unwrap();
    let detail = views.incident("k7f3-3", Language::Id).unwrap().unwrap();
    let doc = &detail.incident;
    assert!(!doc.open);
    assert_eq!(doc.acknowledged_by.as_deref(), Some("sari"));
    assert_eq!(doc.recovered_at, Some(at(30).to_string()));
    assert_eq!(doc.resolved_at, Some(at(30).to_string()));
    assert_eq!(doc.tickets.len(), 1);
    assert!(detail.alarms.is_empty() && views.alarms(10, false).unwrap().is_empty());
    assert_eq!(detail.verdicts["opened"], 1);
    let told: Vec<&str> = detail.diary.iter().map(|l| l.text.as_str()).collect();
    assert!(told.contains(&"rt: membuat tiket #42: ditemukan."), "{told:#?}");
    assert!(told.iter().any(|t| t.starts_with("Diakui oleh sari")), "{told:#?}");
    assert!(told.last().unwrap().starts_with("Tiket diselesaikan"), "{told:#?}");
    assert_eq!(open_ids(&views), Vec::<String>::new());
    assert_eq!(views.recently_resolved(5).unwrap()[0].id, "k7f3-3");

    // The same root is back within the window.
    views.apply(&[decided(9, at(60), &[incident(60, "k7f3-3", Change::Reopened)], "")]).unwrap();
    let again = views.incident("k7f3-3", Language::En).unwrap().unwrap().incident;
    assert!(again.open && again.resolved_at.is_none() && again.recovered_at.is_none());
    assert_eq!(again.opened_at, at(3).to_string());
}

#[test]
fn a_merged_incident_is_not_open_and_names_the_one_that_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    let mut merged = incident_line(9, "a-2", Change::Merged);
    merged.into = Some(IncidentId::from_text("a-1"));
    views
        .apply(&[
            opened(1, "a-1", 1),
            opened(2, "a-2", 2),
            decided(3, at(9), &[Decision::Incident(Box::new(merged))], ""),
        ])
        .unwrap();
    assert_eq!(open_ids(&views), ["a-1"]);
    let doc = views.incident("a-2", Language::Id).unwrap().unwrap().incident;
    assert_eq!(doc.into.as_deref(), Some("a-1"));
}

#[test]
fn pages_follow_one_another_without_holes_or_repeats() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    let records: Vec<Record> = (1..=23).map(|n| opened(n, &format!("a-{n}"), n / 3)).collect();
    views.apply(&records).unwrap();
    let mut seen = Vec::new();
    let mut filter = IncidentFilter { which: Which::All, limit: 5, cursor: None };
    loop {
        let page = views.incidents(&filter).unwrap();
        assert!(page.incidents.len() <= 5);
        seen.extend(page.incidents.into_iter().map(|i| i.id));
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => break,
        }
    }
    let mut distinct = seen.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!((seen.len(), distinct.len()), (23, 23));
    filter.cursor = Some("nonsense".into());
    assert!(matches!(views.incidents(&filter), Err(ViewsError::BadCursor)));
}

#[test]
fn every_event_has_its_verdict_routine_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    let (n, d) = (char::from(code_of(Verdict::Normal)), char::from(code_of(Verdict::Duplicate)));
    let line = format!("{{\"kind\":\"routine\",\"from\":11,\"codes\":\"{n}{n}-{d}\"}}\n");
    views.apply(&[decided(1, at(20), &[verdict(13, Verdict::Suspect, None)], &line)]).unwrap();
    let of = |event| views.verdict_of(event).unwrap().map(|v| (v.verdict, v.routine));
    assert_eq!(of(11), Some(("normal".into(), true)));
    assert_eq!(of(12), Some(("normal".into(), true)));
    assert_eq!(of(13), Some(("suspect".into(), false)));
    assert_eq!(of(14), Some(("duplicate".into(), true)));
    assert_eq!(of(15), None);
    assert_eq!(of(10), None);
    assert_eq!(of(u64::MAX), None);
    let why = views.explain("11", Language::En).unwrap().unwrap();
    assert!(why.because[0].starts_with("normal: An answer as it should be"));
}

#[test]
fn explain_understands_what_people_write() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    assert!(views.explain("last", Language::Id).unwrap().is_none());
    views.apply(&[opened(1, "k7f3-3", 3)]).unwrap();
    for (what, kind) in [
        ("3", "event"),
        ("event:3", "event"),
        ("#3", "event"),
        ("k7f3-3", "incident"),
        ("last", "incident"),
        ("semarang/core-sw1", "target"),
        ("semarang/core-sw1 icmp", "alarm"),
        ("semarang/core-sw1*icmp", "alarm"),
    ] {
        let doc = views.explain(what, Language::Id).unwrap().unwrap_or_else(|| panic!("{what}"));
        assert_eq!(doc.kind, kind, "{what}");
        assert!(!doc.because.is_empty() && !doc.otherwise.is_empty(), "{what}");
        assert_eq!(doc.incident.unwrap().incident.id, "k7f3-3", "{what}");
    }
    for what in ["", "999", "nobody", "semarang/core-sw1 snmp:uptime"] {
        assert!(views.explain(what, Language::Id).unwrap().is_none(), "{what}");
    }
}

#[test]
fn applying_twice_changes_nothing_and_a_hole_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    let records = [opened(5, "a-1", 1), opened(6, "a-2", 2)];
    // The journal may have dropped what came before.
    assert_eq!(views.apply(&records).unwrap(), 6);
    let before = views.incident("a-2", Language::Id).unwrap();
    assert_eq!(views.apply(&records).unwrap(), 6);
    assert_eq!(views.incident("a-2", Language::Id).unwrap(), before);
    let refused = views.apply(&[opened(7, "a-3", 3), opened(9, "a-4", 4)]);
    assert!(matches!(refused, Err(ViewsError::OutOfOrder { expected: 8, got: 9 })), "{refused:?}");
    assert_eq!((views.applied(), open_ids(&views).len()), (6, 2));
}

#[test]
fn a_line_of_another_version_is_noted_and_the_rest_counts() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    let more = "{\"kind\":\"prophecy\"}\n\u{0}\nnot json\n{\"kind\":\"routine\",\"from\":-1}\n";
    views.apply(&[decided(1, at(1), &[incident(1, "a-1", Change::Opened)], more)]).unwrap();
    assert_eq!((views.unreadable(), views.applied()), (4, 1));
    assert_eq!(open_ids(&views), ["a-1"]);
}

#[test]
fn the_file_is_kept_over_a_restart_and_thrown_away_when_it_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(FILE_NAME);
    let fill = || {
        let views = Views::open(dir.path(), "noc").unwrap();
        if views.applied() == 0 {
            views.apply(&[opened(1, "a-1", 1)]).unwrap();
        }
        assert_eq!(open_ids(&views), ["a-1"]);
    };
    fill();
    assert_eq!(Views::open(dir.path(), "noc").unwrap().applied(), 1);
    assert_eq!(Views::open(dir.path(), "another").unwrap().applied(), 0, "another journal");

    fill();
    Connection::open(&file).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(Views::open_read_only(dir.path()), Err(ViewsError::Unusable { .. })));
    assert_eq!(Views::open(dir.path(), "noc").unwrap().applied(), 0, "another version");

    fill();
    std::fs::write(&file, b"this was never a database").unwrap();
    assert_eq!(Views::open(dir.path(), "noc").unwrap().applied(), 0, "not a database");

    fill();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100..].iter_mut().for_each(|b| *b = 0xa5);
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(Views::open(dir.path(), "noc").unwrap().applied(), 0, "damaged pages");

    fill();
    let views = Views::open(dir.path(), "noc").unwrap();
    assert_eq!(open_ids(&views), ["a-1"]);
    views.start_over().unwrap();
    assert_eq!((views.applied(), open_ids(&views)), (0, Vec::new()));
    views.apply(&[opened(1, "a-9", 1)]).unwrap();
    assert_eq!(open_ids(&views), ["a-9"]);
}

#[test]
fn damage_that_shows_while_running_starts_over() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<Record> = (1..=60).map(|n| opened(n, &format!("a-{n}"), n)).collect();
    {
        let views = Views::open(dir.path(), "noc").unwrap();
        views.apply(&records[..50]).unwrap();
    }
    let views = Views::open(dir.path(), "noc").unwrap();
    // Every page but the first, behind the back of the open file.
    let file = dir.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..].iter_mut().for_each(|b| *b = 0xa5);
    std::fs::write(&file, bytes).unwrap();
    lock(&views.writer).as_ref().unwrap().execute_batch("PRAGMA shrink_memory").unwrap();
    let said = views.apply(&records[50..]);
    assert!(matches!(said, Err(ViewsError::StartedOver(_))), "{said:?}");
    assert_eq!(views.applied(), 0);
    assert_eq!(views.apply(&records).unwrap(), 60);
    assert_eq!(open_ids(&views).len(), 60);
}

#[test]
fn damage_that_a_reader_meets_is_repaired_by_the_next_apply() {
    let dir = tempfile::tempdir().unwrap();
    let records: Vec<Record> = (1..=60).map(|n| opened(n, &format!("a-{n}"), n)).collect();
    {
        let views = Views::open(dir.path(), "noc").unwrap();
        views.apply(&records).unwrap();
    }
    let views = Views::open(dir.path(), "noc").unwrap();
    let file = dir.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..].iter_mut().for_each(|b| *b = 0xa5);
    std::fs::write(&file, bytes).unwrap();
    assert!(views.incidents(&IncidentFilter::default()).is_err());
    let said = views.apply(&[]);
    assert!(matches!(said, Err(ViewsError::StartedOver(_))), "{said:?}");
    assert_eq!(views.apply(&records).unwrap(), 60);
    assert_eq!(open_ids(&views).len(), 60);
}

#[test]
fn a_reader_sees_what_another_process_applied() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Views::open_read_only(dir.path()), Err(ViewsError::Unusable { .. })));
    let writer = Views::open(dir.path(), "noc").unwrap();
    let reader = Views::open_read_only(dir.path()).unwrap();
    writer.apply(&[opened(1, "a-1", 1)]).unwrap();
    assert_eq!(open_ids(&reader), ["a-1"]);
    assert!(matches!(reader.apply(&[opened(2, "a-2", 2)]), Err(ViewsError::ReadOnly)));
    drop(writer);
    assert_eq!(open_ids(&Views::open_read_only(dir.path()).unwrap()), ["a-1"]);
}

#[test]
fn the_diary_has_an_end_and_says_what_it_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    let mut lines = vec![incident(1, "a-1", Change::Opened)];
    let flips = DIARY_CHATTY_MAX as u64 + 50;
    lines.extend((0..flips).map(|n| alarm(n, AlarmState::Raised, Some("a-1"))));
    lines.push(incident(2000, "a-1", Change::Acknowledged));
    views.apply(&[decided(1, at(1), &lines, "")]).unwrap();
    let detail = views.incident("a-1", Language::Id).unwrap().unwrap();
    // A thousand alarms do not push out what people did.
    assert_eq!(detail.diary.len() as i64, DIARY_CHATTY_MAX + 2);
    assert_eq!(detail.diary_left_out, 50);
    assert_eq!(detail.diary.last().unwrap().word, "acknowledged");
    assert!(detail.verdicts.is_empty());

    let again = vec![incident(3000, "a-1", Change::Rerooted); DIARY_LINES_MAX as usize];
    views.apply(&[decided(2, at(2), &again, "")]).unwrap();
    let detail = views.incident("a-1", Language::Id).unwrap().unwrap();
    assert_eq!(detail.diary.len() as i64, DIARY_LINES_MAX);
    assert_eq!(detail.diary_left_out, 50 + DIARY_CHATTY_MAX as u64 + 2);
}

#[test]
fn after_thirteen_months_closed_things_go_and_open_ones_stay() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    let routine = "{\"kind\":\"routine\",\"from\":11,\"codes\":\"aaa\"}\n";
    views
        .apply(&[
            opened(1, "a-1", 1),
            opened(2, "a-2", 2),
            decided(3, at(9), &[incident(9, "a-1", Change::Resolved)], routine),
        ])
        .unwrap();
    let after = |d: Duration| at(0) + d + Duration::from_hours(24);
    views.apply(&[decided(4, after(ROUTINE_KEPT), &[], "")]).unwrap();
    assert!(views.verdict_of(11).unwrap().is_none());
    assert!(views.verdict_of(1).unwrap().is_some());
    assert!(views.incident("a-1", Language::Id).unwrap().is_some());
    views.apply(&[decided(5, after(KEPT), &[], "")]).unwrap();
    assert!(views.incident("a-1", Language::Id).unwrap().is_none());
    assert!(views.verdict_of(1).unwrap().is_none());
    assert_eq!(open_ids(&views), ["a-2"]);
}

#[test]
fn tries_of_a_night_are_a_few_lines() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc").unwrap();
    let mut records = vec![opened(1, "a-1", 1)];
    for n in 1..=100 {
        let mut line = step(10 + n, "a-1", DeliveryStep::Refused, None);
        line.attempt = n as u32;
        records.push(delivered(n + 1, &line));
    }
    views.apply(&records).unwrap();
    let detail = views.incident("a-1", Language::Id).unwrap().unwrap();
    assert_eq!(detail.diary.iter().filter(|l| l.kind == "delivery").count(), 7);
    assert_eq!(detail.incident.tickets[0].attempt, 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever stands in a record, it is applied: never a panic, never a stop.
    #[test]
    fn any_bytes_are_applied(
        bodies in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..200)), 1..6)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let views = Views::open(dir.path(), "noc").unwrap();
        let mut number = 0;
        for (delivery, body) in bodies {
            number += 1;
            let kind = if delivery { RecordKind::Delivery } else { RecordKind::Decisions };
            prop_assert_eq!(views.apply(&[record(number, kind, at(number), body)]).unwrap(), number);
        }
    }

    /// However records are cut into calls, the rows are the same.
    #[test]
    fn the_cut_does_not_matter(cuts in proptest::collection::vec(1usize..5, 1..8)) {
        let records: Vec<Record> = (1..=12u64)
            .map(|n| {
                let id = format!("a-{}", n % 4);
                let change = [Change::Opened, Change::Updated, Change::Resolved][(n % 3) as usize];
                let routine = format!("{{\"kind\":\"routine\",\"from\":{},\"codes\":\"aa-b\"}}\n", n * 4);
                decided(n, at(n), &[verdict(n, Verdict::Joined, Some(&id)), incident(n, &id, change)], &routine)
            })
            .collect();
        let show = |views: &Views| {
            let all = IncidentFilter { which: Which::All, ..IncidentFilter::default() };
            let page = views.incidents(&all).unwrap();
            let details: Vec<_> =
                page.incidents.iter().map(|i| views.incident(&i.id, Language::Id).unwrap()).collect();
            let verdicts: Vec<_> =
                (0..60).map(|n| views.verdict_of(n).unwrap().map(|v| v.verdict)).collect();
            (page, details, verdicts)
        };
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let whole = Views::open(one.path(), "noc").unwrap();
        whole.apply(&records).unwrap();
        let mut rest = &records[..];
        for cut in cuts {
            // Closed and opened again between the pieces, as a restart does.
            let pieces = Views::open(other.path(), "noc").unwrap();
            let (now, later) = rest.split_at(cut.min(rest.len()));
            pieces.apply(now).unwrap();
            rest = later;
        }
        let pieces = Views::open(other.path(), "noc").unwrap();
        pieces.apply(rest).unwrap();
        prop_assert_eq!(show(&whole), show(&pieces));
    }
}

/// What was over before its desk could be told has no ticket, and says so instead of waiting for ever.
#[test]
fn what_passed_without_a_ticket_is_not_pending() {
    let dir = tempfile::tempdir().unwrap();
    let views = Views::open(dir.path(), "noc-k7f3").unwrap();
    let mut settled = step(90, "k7f3-3", DeliveryStep::Settled, None);
    settled.call = None;
    views.apply(&[opened(1, "k7f3-3", 3), delivered(2, &settled)]).unwrap();
    assert_eq!(views.tickets(10).unwrap()[0].told, "passed");
    let detail = views.incident("k7f3-3", Language::En).unwrap().unwrap();
    let told: Vec<&str> = detail.diary.iter().map(|l| l.text.as_str()).collect();
    assert!(told.iter().any(|t| t.contains("over before the desk could be told")), "{told:#?}");
    // One that has its ticket is told, and nothing of it stands in the diary.
    let with = step(91, "k7f3-3", DeliveryStep::Settled, Some("42"));
    views.apply(&[delivered(3, &with)]).unwrap();
    assert_eq!(views.tickets(10).unwrap()[0].told, "told");
    let again = views.incident("k7f3-3", Language::En).unwrap().unwrap().diary.len();
    assert_eq!(again, told.len());
}
