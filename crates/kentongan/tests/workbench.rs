//! `kentongan replay --config A --against B`: a change of the configuration is tried on what
//! happened before it is tried on the night.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod binary;

use binary::{err, kentongan, out};
use serde_json::{Value, json};
use std::fmt::Write as _;

const GENTLE: &str = r#"
[[device]]
id = "a"
address = "10.0.0.1"
[[device]]
id = "b"
address = "10.0.0.2"
"#;

/// It looks away for longer, and thinks more of `b`.
const SLOW: &str = r#"
[check.icmp]
down_needs = 8
down_of = 10
loss_raise_pct = 90
loss_raise_slow_pct = 80
[[device]]
id = "a"
address = "10.0.0.1"
[[device]]
id = "b"
address = "10.0.0.2"
criticality = "vital"
"#;

/// Both are asked every twenty seconds for a quarter of an hour from 09:00 in Jakarta, and again from
/// 23:30. `a` is silent for a minute and forty seconds in the morning, `b` for five minutes both times.
fn recording() -> String {
    let mut text = String::new();
    let mut sample = |target: &str, at: u32, silent: bool| {
        let (h, m, s) = (at / 3600, at / 60 % 60, at % 60);
        let outcome = if silent { r#""no-reply""# } else { r#""reply","values":{"rtt_ms":1.0}"# };
        writeln!(
            text,
            r#"{{"kind":"observation","at":"2026-03-10T{h:02}:{m:02}:{s:02}Z","probe":"p","target":"{target}","check":"icmp","outcome":{outcome}}}"#
        )
        .unwrap();
    };
    for begin in [2 * 3600, 16 * 3600 + 1800] {
        for second in (0..900).step_by(20) {
            sample("a", begin + second, begin == 7200 && (120..220).contains(&second));
            sample("b", begin + second, (300..600).contains(&second));
        }
    }
    text
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("gentle.toml", GENTLE), ("slow.toml", SLOW), ("day.ndjson", &recording())]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_slower_configuration_is_seen_to_miss_an_outage() {
    let folder = folder();
    let args = ["--config", "gentle.toml", "replay", "--against", "slow.toml", "day.ndjson"];
    let table = kentongan(folder.path(), &args);
    assert_eq!(table.status.code(), Some(0), "{}", err(&table));
    let text = out(&table);
    for line in [
        "                    gentle.toml  slow.toml  change",
        "incidents           3            2          -1",
        "  P2                0            2          +2",
        "  P3                3            0          -3",
        "  07:00–15:00       4            2          -2",
        "  23:00–07:00       2            2",
        "missed outages      0            1          +1",
        "180 events; 3 outages of at least 1m by the samples alone",
        "2026-03-10 09:02:00 WIB  P3           –          a",
        "2026-03-10 09:02:00 WIB  told         missed     a did not answer for 1m40s",
        "2026-03-10 09:05:00 WIB  P3           P2         b",
        "2026-03-10 23:35:00 WIB  P3           P2         b",
    ] {
        assert!(text.lines().any(|l| l == line), "{line:?} is not in\n{text}");
    }
    assert!(!text.contains('\x1b'), "no colour in a file");
}

#[test]
fn a_program_reads_one_object() {
    let folder = folder();
    let args =
        ["--config", "gentle.toml", "replay", "--against", "slow.toml", "--json", "day.ndjson"];
    let printed = kentongan(folder.path(), &args);
    let found: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!((&found["events"], &found["outage_seconds"]), (&json!(180), &json!(60)));
    assert_eq!(found["a"]["incidents"], json!({"P1": 0, "P2": 0, "P3": 3, "P4": 0}));
    assert_eq!(found["b"]["tickets"], json!({"P1": 0, "P2": 2, "P3": 0, "P4": 0}));
    assert_eq!(
        found["b"]["missed"],
        json!([{"device": "a", "from": "2026-03-10T02:02:00.000Z", "to": "2026-03-10T02:03:40.000Z", "seconds": 100}])
    );
    assert_eq!(found["a"]["missed"], json!([]));
    let night = &found["a"]["shifts"][2];
    assert_eq!(night["most_on"], "2026-03-10");
    assert_eq!((&night["messages"], &night["most"]), (&json!(2), &json!(2)));
    let differences = &found["differences"];
    assert_eq!(differences["only_a"][0]["root"], json!(["a"]));
    assert_eq!(differences["only_b"], json!([]));
    let [morning, night] = &differences["priority"].as_array().unwrap()[..] else {
        panic!("{differences:#}")
    };
    assert_eq!(
        (&morning["a"]["priority"], &morning["b"]["priority"]),
        (&json!("P3"), &json!("P2"))
    );
    assert_eq!(night["a"]["from"], "2026-03-10T16:35:00.000Z");
    assert!(night["a"]["to"].is_string(), "it is over");
}

#[test]
fn an_outage_is_what_one_says_it_is() {
    let folder = folder();
    let args = [
        "--config",
        "gentle.toml",
        "replay",
        "--against",
        "slow.toml",
        "--outage",
        "2m",
        "--json",
        "day.ndjson",
    ];
    let found: Value = serde_json::from_slice(&kentongan(folder.path(), &args).stdout).unwrap();
    assert_eq!((&found["outages"], &found["b"]["missed"]), (&json!(2), &json!([])));
}

#[test]
fn a_configuration_against_itself_differs_in_nothing() {
    let folder = folder();
    let args = [
        "--config",
        "slow.toml",
        "replay",
        "--against",
        "slow.toml",
        "--outage",
        "3m",
        "day.ndjson",
    ];
    let text = out(&kentongan(folder.path(), &args));
    assert!(
        text.ends_with("both tell the same incidents, and neither missed any outage\n"),
        "{text}"
    );
}

#[test]
fn a_wrong_configuration_on_either_side_is_status_2() {
    let folder = folder();
    std::fs::write(folder.path().join("wrong.toml"), "[htp]\n").unwrap();
    for (a, b) in [("gentle.toml", "wrong.toml"), ("wrong.toml", "gentle.toml")] {
        let refused =
            kentongan(folder.path(), &["--config", a, "replay", "--against", b, "day.ndjson"]);
        assert_eq!(refused.status.code(), Some(2));
        assert!(err(&refused).contains("no key called \"htp\""), "{}", err(&refused));
        assert_eq!(out(&refused), "");
    }
}

#[test]
fn shifts_are_those_of_the_site() {
    let folder = folder();
    let two = format!("[locale]\nshifts = [\"06:00\", \"18:00\"]\n{GENTLE}");
    std::fs::write(folder.path().join("two.toml"), two).unwrap();
    let args =
        ["--config", "gentle.toml", "replay", "--against", "two.toml", "--json", "day.ndjson"];
    let found: Value = serde_json::from_slice(&kentongan(folder.path(), &args).stdout).unwrap();
    let shifts = found["a"]["shifts"].as_array().unwrap();
    let of: Vec<_> =
        shifts.iter().map(|s| (s["shift"].as_str().unwrap(), s["messages"].as_u64())).collect();
    assert_eq!(of, [("06:00–18:00", Some(4)), ("18:00–06:00", Some(2))]);
    let wrong = format!("[locale]\nshifts = [\"18:00\", \"06:00\"]\n{GENTLE}");
    std::fs::write(folder.path().join("two.toml"), wrong).unwrap();
    let refused = err(&kentongan(folder.path(), &args));
    assert!(refused.contains("\"06:00\" is not after the one before it"), "{refused}");
}
