//! Whatever can be said reads back, whatever is read never panics, and the schemas of `schemas/`
//! agree with both.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use model::decision::*;
use model::delivery::*;
use model::event::*;
use model::settings::Window;
use model::{IncidentId, Timestamp};
use proptest::prelude::*;
use std::sync::Arc;
use wire::{
    limits, read_decision, read_delivery, read_event, write_decision, write_delivery, write_event,
};

fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z][a-z0-9/:._-]{0,30}",
        1 => "\\PC{1,40}".prop_filter("an id", |s| !s.chars().any(char::is_control)),
    ]
}

fn prose() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "\\PC{0,60}", any::<String>()]
}

fn note() -> impl Strategy<Value = String> {
    prose().prop_filter("something", |s| !s.trim().is_empty())
}

fn time() -> impl Strategy<Value = Timestamp> {
    (0i64..253_402_300_800_000).prop_map(Timestamp::from_millis)
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO,
        (-5i64..5000).prop_map(|v| v as f64),
        (0i64..5000).prop_map(|v| v as f64 / 100.0),
    ]
}

fn values() -> impl Strategy<Value = Values<'static>> {
    proptest::collection::btree_map(id(), number(), 0..5)
        .prop_map(|m| m.into_iter().map(|(k, v)| (k.into(), v)).collect())
}

fn outcome() -> impl Strategy<Value = Outcome<'static>> {
    prop_oneof![
        values().prop_map(Outcome::Reply),
        Just(Outcome::NoReply),
        id().prop_map(|r| Outcome::Failed { reason: r.into() }),
    ]
}

fn incident() -> impl Strategy<Value = IncidentId> {
    id().prop_map(|s| IncidentId::from_text(&s))
}

/// On the heap: as a value on the stack it would be too large for a test's thread.
fn window() -> BoxedStrategy<Window> {
    (
        id(),
        id(),
        prose(),
        proptest::collection::vec(id(), 1..4),
        0i64..4_000_000_000_000,
        1i64..1_000_000,
        proptest::option::of(id()),
        proptest::option::of(id()),
    )
        .prop_map(|(id, owner, reason, scope, start, long, change, rrule)| Window {
            id,
            owner,
            reason,
            change,
            rrule,
            scope,
            start: Timestamp::from_millis(start),
            end: Timestamp::from_millis(start + long),
            silence: false,
        })
        .boxed()
}

fn operation() -> BoxedStrategy<Operation> {
    prop_oneof![
        incident().prop_map(|incident| Operation::Acknowledge { incident }),
        (incident(), note()).prop_map(|(incident, text)| Operation::Note { incident, text }),
        (incident(), prose())
            .prop_map(|(incident, reason)| Operation::Resolve { incident, reason }),
        (
            incident(),
            proptest::sample::select(Priority::ALL),
            prose(),
            proptest::option::of(0i64..4_000_000_000_000)
        )
            .prop_map(|(incident, priority, reason, until)| Operation::Reprioritise {
                incident,
                priority,
                reason,
                until: until.map(Timestamp::from_millis),
            }),
        window().prop_map(Operation::Maintenance),
        window().prop_map(|w| Operation::Silence(Window { silence: true, ..w })),
        id().prop_map(|id| Operation::EndWindow { id }),
    ]
    .boxed()
}

fn kind() -> impl Strategy<Value = Kind<'static>> {
    use proptest::option::of;
    use proptest::sample::select;
    prop_oneof![
        3 => (id(), id(), id(), outcome()).prop_map(|(probe, target, check, outcome)| {
            Kind::Observation(Observation {
                probe: probe.into(), target: target.into(), check: check.into(), outcome,
            })
        }),
        2 => (id(), id(), select(&[SignalState::Problem, SignalState::Ok][..]),
              of(select(&Severity::ALL[..])), of(id()), of(prose()))
            .prop_map(|(source, key, state, severity, target, summary)| {
                Kind::Signal(Signal {
                    source: source.into(), key: key.into(), state, severity,
                    target: target.map(Into::into), summary: summary.map(Into::into),
                })
            }),
        2 => (id(), operation()).prop_map(|(by, operation)| Kind::Command(Command { by, operation })),
        1 => (id(), incident(), select(&DeskChange::ALL[..]), of(id()), of(prose()),
              of(select(Priority::ALL)))
            .prop_map(|(desk, incident, change, by, text, priority)| {
                Kind::Desk(DeskNews { desk, incident, change, by, text, priority })
            }),
        1 => (id(), of(id())).prop_map(|(hash, instance)| Kind::Config { hash, instance }),
        1 => time().prop_map(|since| Kind::Gap { since }),
        1 => Just(Kind::Tick),
    ]
}

fn event() -> impl Strategy<Value = (Option<u64>, Event<'static>)> {
    (proptest::option::of(any::<u64>()), time(), proptest::option::of(time()), kind())
        .prop_map(|(seq, at, received, kind)| (seq, Event { at, received, kind }))
}

fn arcs() -> impl Strategy<Value = Vec<Arc<str>>> {
    proptest::collection::vec(id().prop_map(Arc::from), 0..4)
}

fn decision() -> impl Strategy<Value = Decision> {
    use proptest::option::of;
    use proptest::sample::select;
    let verdict = (
        time(),
        any::<u64>(),
        of(id()),
        select(Verdict::ALL),
        of(incident()),
        prose(),
        any::<bool>(),
    )
        .prop_map(|(at, event, target, verdict, incident, reason, routine)| {
            Decision::Verdict(VerdictLine {
                at,
                event,
                target: target.map(Arc::from),
                verdict,
                incident,
                reason: reason.into(),
                routine,
            })
        });
    let alarm = (
        time(),
        id(),
        id(),
        select(AlarmState::ALL),
        select(AlarmState::ALL),
        of(incident()),
        prose(),
    )
        .prop_map(|(at, target, check, state, was, incident, reason)| {
            Decision::Alarm(AlarmLine {
                at,
                target: target.into(),
                check: check.into(),
                state,
                was,
                incident,
                reason,
            })
        });
    let words = (
        select(Change::ALL),
        select(Condition::ALL),
        select(Work::ALL),
        select(Priority::ALL),
        select(Scope::ALL),
    );
    let lists = (arcs(), arcs(), arcs(), arcs(), any::<u64>());
    let incident_line = (
        time(),
        incident(),
        words,
        lists,
        time(),
        prose(),
        of(incident()),
        of(incident()),
        of(id()),
    )
        .prop_map(|(at, id, w, l, since, reason, into, recurrence_of, by)| {
            Decision::Incident(Box::new(IncidentLine {
                at,
                id,
                change: w.0,
                condition: w.1,
                work: w.2,
                priority: w.3,
                scope: w.4,
                root: l.0,
                affected: Affected { devices: l.1, sites: l.2, services: l.3, users: l.4 },
                since,
                reason,
                into,
                recurrence_of,
                by,
            }))
        });
    let intent = (
        (time(), id(), incident(), select(IntentOp::ALL), any::<u32>(), select(Priority::ALL)),
        (prose(), prose(), of(incident()), any::<u64>(), time()),
    )
        .prop_map(|(a, b)| {
            Decision::Intent(Box::new(Intent {
                at: a.0,
                id: a.1,
                incident: a.2,
                op: a.3,
                revision: a.4,
                priority: a.5,
                title: b.0,
                text: b.1,
                into: b.2,
                event: b.3,
                received: b.4,
            }))
        });
    prop_oneof![verdict, alarm, incident_line, intent]
}

fn delivery() -> impl Strategy<Value = DeliveryLine> {
    use proptest::option::of;
    use proptest::sample::select;
    (
        (time(), incident(), id(), id(), any::<u32>(), select(DeliveryStep::ALL)),
        (
            of(select(DeskCall::ALL)),
            of(select(IntentOp::ALL)),
            of(id()),
            any::<u32>(),
            any::<u32>(),
        ),
        (of(time()), of(time()), of((prose(), of(prose()))), of(select(Priority::ALL))),
        (any::<bool>(), prose(), of((prose(), of(prose()))), of(heard())),
    )
        .prop_map(|(a, b, c, d)| DeliveryLine {
            at: a.0,
            incident: a.1,
            desk: a.2.into(),
            key: a.3,
            generation: a.4,
            step: a.5,
            call: b.0,
            op: b.1,
            operation: b.2,
            revision: b.3,
            attempt: b.4,
            deadline: c.0,
            next_try: c.1,
            ticket: c.2.map(|(id, url)| TicketRef { id, url }),
            about: d.2.map(|(id, url)| TicketRef { id, url }),
            priority: c.3,
            open: d.0,
            heard: d.3,
            reason: d.1,
        })
}

fn heard() -> impl Strategy<Value = Heard> {
    use proptest::option::of;
    use proptest::sample::select;
    let news = (select(&DeskChange::ALL[..]), of(id()), of(prose()), of(select(Priority::ALL)))
        .prop_map(|(change, by, text, priority)| News { change, by, text, priority });
    (proptest::collection::vec(news, 0..4), of(prose()), of(prose()), any::<u32>())
        .prop_map(|(news, owner, note, closures)| Heard { news, owner, note, closures })
}

fn written(seq: Option<u64>, event: &Event<'_>) -> String {
    let mut out = Vec::new();
    write_event(&mut out, seq, event);
    String::from_utf8(out).unwrap()
}

fn read_back(line: &str) -> Result<(Option<u64>, Event<'static>), String> {
    read_event(line).map(|l| (l.seq, l.event.into_owned())).map_err(|e| e.to_string())
}

fn decided(d: &Decision) -> String {
    let mut out = Vec::new();
    write_decision(&mut out, d);
    String::from_utf8(out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_event_reads_back((seq, event) in event()) {
        let line = written(seq, &event);
        prop_assert!(!line.contains('\n') && line.len() <= limits::LINE_MAX);
        let (number, read) = read_back(&line).map_err(|e| TestCaseError::fail(format!("{line}: {e}")))?;
        prop_assert_eq!(number, seq);
        prop_assert_eq!(&read, &event);
        prop_assert_eq!(written(seq, &read), line);
    }

    #[test]
    fn a_decision_reads_back(d in decision()) {
        let line = decided(&d);
        prop_assert!(!line.contains('\n'));
        let read = read_decision(&line).map_err(|e| TestCaseError::fail(format!("{line}: {e}")))?;
        prop_assert_eq!(&read, &d);
        prop_assert_eq!(decided(&read), line);
    }

    #[test]
    fn a_delivery_line_reads_back(d in delivery()) {
        let mut out = Vec::new();
        write_delivery(&mut out, &d);
        let line = String::from_utf8(out).unwrap();
        prop_assert!(!line.contains('\n'));
        let read = read_delivery(&line).map_err(|e| TestCaseError::fail(format!("{line}: {e}")))?;
        prop_assert_eq!(read, d);
        prop_assert!(read_delivery(&line.replacen("delivery", "verdict", 1)).is_err());
    }

    #[test]
    fn any_bytes_are_an_event_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = read_event(&text).map_err(|e| e.to_string());
        let _ = read_decision(&text).map_err(|e| e.to_string());
        let _ = read_delivery(&text).map_err(|e| e.to_string());
    }

    /// A good line with one byte changed, taken out or put in.
    #[test]
    fn a_damaged_line_is_an_event_or_an_error(
        (seq, event) in event(), d in decision(), at in any::<usize>(), byte in any::<u8>(), how in 0..3,
    ) {
        for line in [written(seq, &event), decided(&d)] {
            let mut bytes = line.into_bytes();
            let at = at % bytes.len();
            match how {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                _ => bytes.insert(at, byte),
            }
            let text = String::from_utf8_lossy(&bytes);
            if let Ok(read) = read_back(&text) {
                // What was accepted can be said again.
                prop_assert_eq!(read_back(&written(read.0, &read.1)).unwrap(), read);
            }
            let _ = read_decision(&text).map_err(|e| e.to_string());
        }
    }

    #[test]
    fn what_is_written_is_valid_by_its_schema((seq, event) in event(), d in decision()) {
        thread_local! {
            static EVENT: jsonschema::Validator = validator(&wire::event_schema());
            static DECISION: jsonschema::Validator = validator(&wire::decision_schema());
        }
        for (schema, line) in [(&EVENT, written(seq, &event)), (&DECISION, decided(&d))] {
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            schema.with(|s| s.validate(&json).map_err(|e| TestCaseError::fail(format!("{line}: {e}"))))?;
        }
    }

    /// What the schema refuses, the reader refuses: a key taken out or a strange one put in, a
    /// word or number in the wrong place.
    #[test]
    fn the_reader_is_as_strict_as_the_schema((seq, event) in event(), nth in any::<usize>(), how in 0..4) {
        thread_local! {
            static EVENT: jsonschema::Validator = validator(&wire::event_schema());
        }
        let mut json: serde_json::Value = serde_json::from_str(&written(seq, &event)).unwrap();
        let object = json.as_object_mut().unwrap();
        let key = object.keys().nth(nth % object.len()).unwrap().clone();
        match how {
            0 => { object.remove(&key); }
            1 => { object.insert(key, serde_json::json!([1])); }
            2 => { object.insert(key, "xyzzy".into()); }
            _ => { object.insert("flavour".into(), "sweet".into()); }
        }
        let valid = EVENT.with(|s| s.is_valid(&json));
        let read = read_event(&json.to_string()).is_ok();
        prop_assert!(valid || !read, "the reader takes what the schema refuses: {json}");
    }
}

fn validator(schema: &serde_json::Value) -> jsonschema::Validator {
    jsonschema::draft202012::new(schema).unwrap()
}

/// The files in `schemas/` are what the code says. `KENTONGAN_BLESS=1` rewrites them.
#[test]
fn the_schema_files_are_what_the_code_says() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas");
    for (name, built) in [
        ("event.schema.json", wire::event_schema()),
        ("decision.schema.json", wire::decision_schema()),
    ] {
        let file = folder.join(name);
        if std::env::var_os("KENTONGAN_BLESS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            let text = serde_json::to_string_pretty(&built).unwrap();
            std::fs::write(&file, text + "\n").unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let kept: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(
            kept == built,
            "schemas/{name} is not what the code says; run this test with KENTONGAN_BLESS=1 and review the difference"
        );
    }
}

#[test]
fn the_schemas_are_schemas() {
    for schema in [wire::event_schema(), wire::decision_schema()] {
        assert!(jsonschema::meta::is_valid(&schema));
    }
}
