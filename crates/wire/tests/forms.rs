//! The forms of the contract: what it prints is read, and what is read is printed back.

use model::event::{Event, Kind, Outcome};
use model::{Decision, Severity, Timestamp};
use wire::{EventError, read_decision, read_event, write_decision, write_event};

/// The lines of the contract, with its dots filled in; what is printed for them stands below when
/// it differs.
const EVENTS: &[&str] = &[
    r#"{"kind":"observation","at":"2026-11-24T02:15:00.250Z","probe":"noc-1","target":"semarang/core-sw1","check":"icmp","outcome":"reply","values":{"rtt_ms":1.92,"loss_pct":0}}"#,
    r#"{"kind":"observation","at":"2026-11-24T02:15:20.000Z","probe":"noc-1","target":"semarang/core-sw1","check":"icmp","outcome":"no-reply"}"#,
    r#"{"kind":"observation","at":"2026-11-24T02:15:40.000Z","probe":"noc-1","target":"semarang/core-sw1","check":"icmp","outcome":"failed","reason":"no-buffer"}"#,
    r#"{"kind":"observation","at":"2026-11-24T02:16:00.000Z","probe":"noc-1","target":"semarang/core-sw1/Gi0/1","check":"snmp:if-status","outcome":"reply","values":{"oper_status":2,"admin_status":1}}"#,
    r#"{"kind":"signal","at":"2026-11-24T02:16:01.000Z","source":"zabbix","key":"41232","state":"problem","severity":"high","target":"semarang/core-sw1","summary":"Link down"}"#,
    r#"{"kind":"signal","at":"2026-11-24T02:16:02.000Z","source":"zabbix","key":"41232","state":"ok"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"acknowledge","incident":"k7f3-17","by":"sari"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"note","incident":"k7f3-17","by":"sari","text":"teknisi \"berangkat\"\nETA 10:00"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"resolve","incident":"k7f3-17","by":"sari","reason":"kabel diganti"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"misroute","incident":"k7f3-17","by":"sari","team":"Pusat Data","reason":"server mati"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"misroute","incident":"k7f3-17","by":"sari"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"reprioritise","incident":"k7f3-17","by":"sari","priority":"P2","reason":"kantor tutup"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"maintenance","by":"sari","id":"mw-1","owner":"sari","reason":"ganti UPS","scope":["semarang","class:switch"],"start":"2026-11-24T03:00:00.000Z","end":"2026-11-24T05:00:00.000Z"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"silence","by":"sari","id":"s-1","owner":"budi","scope":["dc/app1"],"start":"2026-11-24T03:00:00.000Z","end":"2026-11-24T05:00:00.000Z"}"#,
    r#"{"kind":"command","at":"2026-11-24T02:16:03.000Z","op":"end-window","by":"sari","id":"mw-1"}"#,
    r#"{"kind":"desk","at":"2026-11-24T02:16:04.000Z","desk":"rt","incident":"k7f3-17","change":"taken","by":"budi"}"#,
    r#"{"kind":"desk","at":"2026-11-24T02:16:04.000Z","desk":"rt","incident":"k7f3-17","change":"closed"}"#,
    r#"{"kind":"config","at":"2026-11-24T02:16:05.000Z","hash":"e3b0c442"}"#,
    r#"{"kind":"config","at":"2026-11-24T02:16:05.000Z","hash":"e3b0c442","instance":"noc-k7f3"}"#,
    r#"{"kind":"gap","at":"2026-11-24T02:16:06.000Z","since":"2026-11-24T02:10:00.000Z"}"#,
    r#"{"kind":"tick","at":"2026-11-24T02:16:07.000Z"}"#,
];

#[test]
fn every_event_of_the_contract_reads_and_prints_the_same() {
    for line in EVENTS {
        let read = read_event(line).unwrap_or_else(|e| panic!("{line}\n{e}"));
        let mut out = Vec::new();
        write_event(&mut out, read.seq, &read.event);
        assert_eq!(String::from_utf8(out).unwrap(), *line);
    }
}

/// The examples of the contract itself, where it lies beside the project.
#[test]
fn the_examples_of_the_contract_are_events() {
    let root = std::env::var_os("KENTONGAN_SHARED").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        Into::into,
    );
    let file = root.join("design.md");
    let Ok(text) = std::fs::read_to_string(&file) else {
        assert!(
            std::env::var("KENTONGAN_NO_SKIP").as_deref() != Ok("1"),
            "{} is not there and nothing may be skipped",
            file.display()
        );
        eprintln!("SKIPPED: {} is not there (KENTONGAN_SHARED says where else)", file.display());
        return;
    };
    let mut read = 0;
    for (at, _) in text.match_indices("{\"kind\":") {
        let mut json = serde_json::Deserializer::from_str(&text[at..]).into_iter();
        let Some(Ok(serde_json::Value::Object(mut event))) = json.next() else { continue };
        if matches!(event["kind"].as_str(), Some("verdict" | "alarm" | "incident" | "intent")) {
            continue;
        }
        for (key, value) in &mut event {
            match (key.as_str(), value.as_str()) {
                ("at" | "since", Some("…")) => *value = "2026-11-24T02:15:00Z".into(),
                (_, Some("…")) => *value = "x".into(),
                ("change", Some(all)) => *value = all.split('|').next().into(),
                _ => {}
            }
        }
        let line = serde_json::Value::Object(event).to_string();
        read_event(&line).unwrap_or_else(|e| panic!("{line}\n{e}"));
        read += 1;
    }
    assert!(read >= 11, "only {read} examples were found");
}

#[test]
fn stamps_stand_in_front_and_can_be_put_there_later() {
    let received = Timestamp::from_millis(1_795_486_501_000);
    for line in EVENTS {
        let mut stamped = Vec::new();
        wire::stamp_event(&mut stamped, 17, received, line.as_bytes());
        let text = std::str::from_utf8(&stamped).unwrap();
        let read = read_event(text).unwrap();
        assert_eq!((read.seq, read.event.received), (Some(17), Some(received)));
        let mut again = Vec::new();
        write_event(&mut again, Some(17), &read.event);
        assert_eq!(std::str::from_utf8(&again).unwrap(), text);
        assert!(text.starts_with(r#"{"seq":17,"received":"2026-11-24T"#), "{text}");
    }
}

#[test]
fn keys_may_come_in_any_order_and_times_in_any_offset() {
    let line = r#" { "outcome" : "reply", "values": {"up": true, "errors": 1e3}, "check":"icmp", "seq": 9,
        "target":"a/b", "probe":"noc-1", "received":"2026-11-24T09:15:01+07:00", "at":"2026-11-24T09:15:00.250999+07:00", "kind":"observation"} "#;
    let line = read_event(line).unwrap();
    assert_eq!(line.seq, Some(9));
    assert_eq!(line.event.at.to_string(), "2026-11-24T02:15:00.250Z");
    let Kind::Observation(o) = line.event.kind else { panic!() };
    let Outcome::Reply(values) = o.outcome else { panic!() };
    assert_eq!(values[0], ("up".into(), 1.0));
    assert_eq!(values[1], ("errors".into(), 1000.0));
}

#[test]
fn an_observation_borrows_from_its_line() {
    let line = read_event(EVENTS[0]).unwrap();
    let Kind::Observation(o) = line.event.kind else { panic!() };
    for text in [&o.probe, &o.target, &o.check] {
        assert!(matches!(text, std::borrow::Cow::Borrowed(_)));
    }
}

#[test]
fn windows_have_an_owner_and_a_start_by_default() {
    let line = r#"{"kind":"command","at":"2026-11-24T02:16:03Z","op":"maintenance","by":"sari","id":"m","scope":["a"],"end":"2026-11-24T05:00:00Z"}"#;
    let Kind::Command(c) = read_event(line).unwrap().event.kind else { panic!() };
    let model::Operation::Maintenance(w) = c.operation else { panic!() };
    assert_eq!(
        (w.owner.as_str(), w.start.to_string().as_str()),
        ("sari", "2026-11-24T02:16:03.000Z")
    );
}

/// A line, and words that its refusal has to have.
const REFUSED: &[(&str, &[&str])] = &[
    ("", &["not a JSON object"]),
    ("[]", &["not a JSON object", "sequence"]),
    ("17", &["not a JSON object"]),
    ("{", &["not a JSON object", "EOF"]),
    (r#"{"kind":"tick","at":"2026-11-24T02:15:00Z"} x"#, &["trailing characters", "column 45"]),
    (r#"{"kind":"tick","at":"2026-11-24T02:15:00Z"}{}"#, &["trailing characters"]),
    ("{}", &["\"kind\"", "missing"]),
    (
        r#"{"kind":"trap","at":"2026-11-24T02:15:00Z"}"#,
        &["kind \"trap\"", "observation, signal, command"],
    ),
    (r#"{"kind":"tik","at":"2026-11-24T02:15:00Z"}"#, &["did you mean \"tick\"?"]),
    (r#"{"kind":"tick"}"#, &["\"at\"", "missing"]),
    (r#"{"kind":"tick","at":"yesterday"}"#, &["at \"yesterday\"", "RFC 3339"]),
    (r#"{"kind":"tick","at":"-000001-01-01T00:00:00Z"}"#, &["RFC 3339"]),
    (r#"{"kind":"tick","at":5}"#, &["at has to be a text, not integer `5`"]),
    (r#"{"kind":"tick","at":null}"#, &["at has to be a text"]),
    (
        r#"{"kind":"tick","at":"2026-11-24T02:15:00Z","at":"2026-11-24T02:15:00Z"}"#,
        &["\"at\"", "twice"],
    ),
    (
        r#"{"kind":"tick","at":"2026-11-24T02:15:00Z","since":"2026-11-24T02:15:00Z"}"#,
        &["\"since\"", "a tick", "at"],
    ),
    (r#"{"kind":"tick","at":"2026-11-24T02:15:00Z","seq":-1}"#, &["seq has to be a whole number"]),
    (
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"z","key":"1","state":"problem","sevrity":"high"}"#,
        &["unknown key \"sevrity\"", "source, key", "did you mean \"severity\"?"],
    ),
    (
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"z","key":"1","state":"problem","host":{"name":["deep",{}]}}"#,
        &["unknown key \"host\"", "a signal has"],
    ),
    (
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"z","key":"1","state":"problem","severity":"critical"}"#,
        &["severity \"critical\"", "info, warning, average, high, disaster"],
    ),
    (
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"z","key":"1","state":"firing"}"#,
        &["state \"firing\"", "problem, ok"],
    ),
    (
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"z","state":"ok"}"#,
        &["\"key\"", "missing"],
    ),
    (
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"","key":"1","state":"ok"}"#,
        &["source must not be empty"],
    ),
    (
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"z","key":"a\u0000b","state":"ok"}"#,
        &["key has a control character"],
    ),
    (
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"z","key":"a\u0085b","state":"ok"}"#,
        &["key has a control character"],
    ),
    (
        r#"{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"icmp","outcome":"noreply"}"#,
        &["outcome \"noreply\"", "did you mean \"no-reply\"?"],
    ),
    (
        r#"{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"icmp","outcome":"no-reply","values":{}}"#,
        &["\"values\"", "no-reply"],
    ),
    (
        r#"{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"icmp","outcome":"failed"}"#,
        &["\"reason\"", "missing"],
    ),
    (
        r#"{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"icmp","outcome":"reply","values":{"rtt_ms":"fast"}}"#,
        &["values.rtt_ms has to be a number, true or false"],
    ),
    (
        r#"{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"icmp","outcome":"reply","values":{"rtt_ms":NaN}}"#,
        &["not a JSON object"],
    ),
    (
        r#"{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"icmp","outcome":"reply","values":{"rtt_ms":1e999}}"#,
        &["number out of range"],
    ),
    (
        r#"{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"icmp","outcome":"reply","values":{"a":1,"a":2}}"#,
        &["values.a", "twice"],
    ),
    (
        r#"{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"icmp","outcome":"reply","values":[1]}"#,
        &["values has to be an object of numbers"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"ack","incident":"a-1","by":"sari"}"#,
        &["op \"ack\"", "acknowledge, note"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"acknowledge","incident":"a-1"}"#,
        &["\"by\"", "missing"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"note","incident":"a-1","by":"sari"}"#,
        &["\"text\"", "missing"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"note","incident":"a-1","by":"sari","text":"  "}"#,
        &["text must not be empty"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"reprioritise","incident":"a-1","by":"sari","priority":"p1"}"#,
        &["priority \"p1\"", "P1, P2, P3, P4", "did you mean \"P1\"?"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"maintenance","by":"sari","id":"m","scope":["a"]}"#,
        &["end is missing", "for ever"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"maintenance","by":"sari","id":"m","scope":["a"],"end":"2026-11-24T02:15:00Z"}"#,
        &["end is not after its start"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"maintenance","by":"sari","id":"m","scope":[],"end":"2026-11-25T02:15:00Z"}"#,
        &["scope is empty"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"maintenance","by":"sari","id":"m","scope":[5],"end":"2026-11-25T02:15:00Z"}"#,
        &["scope has to be a text, not integer `5`"],
    ),
    (
        r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"maintenance","by":"sari","id":"m","scope":"a","end":"2026-11-25T02:15:00Z"}"#,
        &["scope has to be a list of ids"],
    ),
    (
        r#"{"kind":"desk","at":"2026-11-24T02:15:00Z","desk":"rt","incident":"a-1","change":"close"}"#,
        &["change \"close\"", "did you mean \"closed\"?"],
    ),
];

#[test]
fn what_is_wrong_is_named() {
    for (line, words) in REFUSED {
        let error = read_event(line).expect_err(line).to_string();
        for word in *words {
            assert!(error.contains(word), "{line}\nsays: {error}\nlacks: {word}");
        }
    }
}

#[test]
fn the_bounds_hold() {
    let signal = |key: &str, summary: &str| {
        format!(
            r#"{{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"z","key":"{key}","state":"ok","summary":"{summary}"}}"#
        )
    };
    assert!(read_event(&signal(&"k".repeat(256), "")).is_ok());
    assert!(
        read_event(&signal(&"k".repeat(257), "")).unwrap_err().to_string().contains("257 bytes")
    );

    let long = signal("1", &"é".repeat(3000));
    let Kind::Signal(s) = read_event(&long).unwrap().event.kind else { panic!() };
    let summary = s.summary.unwrap();
    assert!(
        summary.len() <= 2048 && summary.len() > 2040 && summary.ends_with("é…"),
        "{}",
        summary.len()
    );

    let huge = signal("1", &"x".repeat(64 * 1024));
    assert!(matches!(read_event(&huge), Err(EventError::TooLong { .. })));

    let many: Vec<String> = (0..65).map(|i| format!("\"v{i}\":{i}")).collect();
    let reply = |n: usize| {
        format!(
            r#"{{"kind":"observation","at":"2026-11-24T02:15:00Z","probe":"p","target":"t","check":"c","outcome":"reply","values":{{{}}}}}"#,
            many[..n].join(",")
        )
    };
    assert!(read_event(&reply(64)).is_ok());
    assert!(read_event(&reply(65)).unwrap_err().to_string().contains("more than the 64 values"));

    let deep = format!(r#"{{"kind":"tick","at":"2026-11-24T02:15:00Z","x":{}"#, "[".repeat(60_000));
    assert!(read_event(&deep).is_err());
}

#[test]
fn severity_is_optional_and_known() {
    let Kind::Signal(s) = read_event(EVENTS[4]).unwrap().event.kind else { panic!() };
    assert_eq!(s.severity, Some(Severity::High));
    let Kind::Signal(s) = read_event(EVENTS[5]).unwrap().event.kind else { panic!() };
    assert_eq!(s.severity, None);
}

const DECISIONS: &[&str] = &[
    r#"{"kind":"verdict","at":"2026-11-24T02:15:00.250Z","event":17,"target":"semarang/core-sw1","verdict":"suppressed-by-root","incident":"k7f3-12","reason":"behind semarang/rtr1"}"#,
    r#"{"kind":"verdict","at":"2026-11-24T02:15:00.250Z","event":18,"verdict":"time","reason":"","routine":true}"#,
    r#"{"kind":"alarm","at":"2026-11-24T02:15:00.250Z","target":"semarang/core-sw1","check":"icmp","state":"raised","was":"held","incident":"k7f3-12","reason":"3 of 5 silent"}"#,
    r#"{"kind":"incident","at":"2026-11-24T02:15:00.250Z","id":"k7f3-12","change":"opened","condition":"failing","work":"new","priority":"P1","scope":"masif","root":["noc/rtr1/xe0|semarang/core-sw1/Gi0/1","semarang/core-sw1"],"affected":{"devices":["semarang/core-sw1"],"sites":["semarang"],"services":["samsat"],"users":1200},"reason":"…","since":"2026-11-24T02:14:00.000Z"}"#,
    r#"{"kind":"incident","at":"2026-11-24T02:15:00.250Z","id":"k7f3-12","change":"merged","condition":"clear","work":"closed","priority":"P4","scope":"lokal","root":[],"affected":{"devices":[],"sites":[],"services":[],"users":0},"reason":"","since":"2026-11-24T02:14:00.000Z","into":"k7f3-9","recurrence_of":"k7f3-3","by":"sari"}"#,
    r#"{"kind":"intent","at":"2026-11-24T02:15:00.250Z","id":"k7f3-12.1","incident":"k7f3-12","op":"create","revision":1,"priority":"P1","title":"t","text":"a\nb","event":17,"received":"2026-11-24T02:15:00.300Z"}"#,
    r#"{"kind":"intent","at":"2026-11-24T02:15:00.250Z","id":"k7f3-12.2","incident":"k7f3-12","op":"merge","revision":2,"priority":"P1","title":"t","text":"","into":"k7f3-9","event":17,"received":"2026-11-24T02:15:00.300Z"}"#,
];

#[test]
fn every_decision_of_the_contract_reads_and_prints_the_same() {
    for line in DECISIONS {
        let read: Decision = read_decision(line).unwrap_or_else(|e| panic!("{line}\n{e}"));
        let mut out = Vec::new();
        write_decision(&mut out, &read);
        assert_eq!(String::from_utf8(out).unwrap(), *line);
    }
}

#[test]
fn a_decision_that_this_version_does_not_know_is_an_error() {
    for (line, word) in [
        (r#"{"kind":"forecast"}"#, "forecast"),
        (r#"{ "at":"x", "kind":"forecast"}"#, "forecast"),
        (&DECISIONS[0].replace("suppressed-by-root", "guessed"), "guessed"),
        (&DECISIONS[0].replace("\"event\"", "\"number\""), "number"),
        (&DECISIONS[2].replace("held", "hold"), "hold"),
        ("", "EOF"),
        (r#"{"kind":"verd"#, "EOF"),
    ] {
        let error = read_decision(line).expect_err(line).to_string();
        assert!(error.contains(word), "{line}: {error}");
    }
}

#[test]
fn a_value_that_is_no_number_is_left_out() {
    let mut line = read_event(EVENTS[0]).unwrap();
    let Kind::Observation(o) = &mut line.event.kind else { panic!() };
    o.outcome = Outcome::Reply(
        [("a".into(), f64::NAN), ("b".into(), 1.5), ("c".into(), f64::INFINITY)]
            .into_iter()
            .collect(),
    );
    let mut out = Vec::new();
    write_event(&mut out, None, &line.event);
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with(r#""values":{"b":1.5}}"#), "{text}");
    let _: Event<'_> = read_event(&text).unwrap().event;
}
