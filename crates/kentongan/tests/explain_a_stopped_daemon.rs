//! `kentongan explain` on a data directory whose daemon does not run: the events are run again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod binary;

use binary::kentongan;
use correlator::Correlator;
use journal::{EmbeddedJournal, EmbeddedOptions, Journal, NewFrame, NewRecord, RecordKind};
use model::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use telemetry::Telemetry;

const CONFIGURATION: &str = r#"
[locale]
language = "en"
[[site]]
id = "semarang"
[[device]]
id = "noc/rtr1"
address = "192.0.2.1"
[[device]]
id = "semarang/sw1"
address = "192.0.2.2"
criticality = "vital"
[[device]]
id = "semarang/h1"
address = "192.0.2.3"
[[device]]
id = "semarang/h2"
address = "192.0.2.4"
[[link]]
between = ["noc/rtr1", "semarang/sw1"]
[[link]]
between = ["semarang/sw1", "semarang/h1"]
[[link]]
between = ["semarang/sw1", "semarang/h2"]
[[probe]]
id = "noc-1"
at = "noc/rtr1"
"#;

/// 2026-11-24T00:00:00Z.
const DAWN: i64 = 1_795_478_400_000;

fn said(dir: &Path, args: &[&str]) -> String {
    let output = kentongan(dir, args);
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{args:?}: {err}");
    String::from_utf8(output.stdout).unwrap()
}

/// A minute in which everybody answers, then the switch is silent, and the host behind it.
fn events() -> Vec<(i64, String)> {
    let mut out = Vec::new();
    let mut observe = |s: i64, target: &str, outcome: &str| {
        let at = Timestamp::from_millis(DAWN + s * 1000);
        out.push((
            s,
            format!(
                r#"{{"kind":"observation","at":"{at}","probe":"noc-1","target":"{target}","check":"icmp",{outcome}}}"#
            ),
        ));
    };
    let reply = r#""outcome":"reply","values":{"rtt_ms":1.0}"#;
    let silent = r#""outcome":"no-reply""#;
    for s in [0, 20, 40] {
        observe(s, "noc/rtr1", reply);
        observe(s + 1, "semarang/sw1", reply);
        observe(s + 2, "semarang/h1", reply);
    }
    for s in [60, 62, 64] {
        observe(s, "semarang/h1", silent);
        observe(s + 1, "semarang/sw1", silent);
    }
    for s in [66, 86, 106, 126, 146, 166] {
        observe(s, "noc/rtr1", reply);
        observe(s + 1, "semarang/sw1", silent);
        observe(s + 2, "semarang/h1", silent);
    }
    out
}

/// What the daemon would have left behind: events, and the decisions about them.
async fn left_behind(dir: &Path) {
    let configuration = kentongan::config::load(&dir.join("kentongan.toml")).ok().unwrap();
    let clock = Arc::new(AtomicI64::new(DAWN));
    let mut options = EmbeddedOptions::new(dir.join("data/journal"));
    options.clock = {
        let clock = clock.clone();
        Arc::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)))
    };
    let journal = EmbeddedJournal::open(options, Telemetry::new()).unwrap();
    let identity = journal.identity().await.unwrap();
    let epoch = journal.own(&identity).await.unwrap();
    let mut core = Correlator::new(configuration.inventory.clone(), configuration.settings.clone());
    for (s, line) in events() {
        clock.store(DAWN + s * 1000, Ordering::Relaxed);
        let frame = NewFrame::new("probe:noc-1", 1, format!("{line}\n"));
        let accepted = journal.append_events(frame).await.unwrap();
        let number = accepted.first.unwrap();
        let mut event = wire::read_event(&line).unwrap().event;
        event.received = Some(accepted.received);
        core.handle_event(number, &event);
        let mut body = Vec::new();
        while let Some(decision) = core.poll_decision() {
            wire::write_decision(&mut body, &decision);
            body.push(b'\n');
        }
        while core.poll_ask().is_some() {}
        let record = NewRecord { kind: RecordKind::Decisions, through: number, body: body.into() };
        journal.append_records(&epoch, vec![record]).await.unwrap();
    }
    journal.close();
}

#[tokio::test]
async fn a_data_directory_is_explained_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = format!("[http]\nlisten = \"127.0.0.1:{port}\"\n{CONFIGURATION}");
    std::fs::write(dir.join("kentongan.toml"), text).unwrap();
    left_behind(dir).await;

    // As after a restore: there is a journal, and nobody has made the views yet.
    let list = said(dir, &["incident", "list"]);
    assert!(list.contains("noc/rtr1|semarang/sw1 or semarang/sw1 does not answer"), "{list}");
    assert!(!list.contains("[P1]"), "the priority stands in a column of its own: {list}");

    let incident = said(dir, &["explain", "last"]);
    for part in [
        "the rules\n  icmp: failed when 3 of the last 5 samples are bad",
        "One incident for each unreachable device beside one that answers",
        "it would have been otherwise\n",
        "Had maintenance covered noc/rtr1|semarang/sw1 or semarang/sw1: maintenance would cover it",
        "diary\n",
        " WIB",
    ] {
        assert!(incident.contains(part), "{part:?} is missing:\n{incident}");
    }
    let indonesian = said(dir, &["explain", "last", "--lang", "id"]);
    assert!(indonesian.contains("Jika pemeliharaan mencakup"), "{indonesian}");
    assert!(indonesian.contains("tidak menjawab, terlihat oleh icmp dari noc-1"), "{indonesian}");

    let event = said(dir, &["explain", "10"]);
    assert!(event.contains("After 2 more bad samples"), "{event}");
    let json: serde_json::Value =
        serde_json::from_str(&said(dir, &["explain", "10", "--json"])).unwrap();
    assert_eq!((&json["tried"], &json["verdict"]["verdict"]), (&true.into(), &"suspect".into()));

    let then = |target: &str| said(dir, &["explain", "--why-not", target]);
    let early = then("semarang/h1@2026-11-24T07:00:50");
    assert!(early.contains("healthy: it answers"), "{early}");
    assert!(early.contains("After 3 more bad samples: there would be an incident"), "{early}");
    let late = then("semarang/h1");
    assert!(
        late.contains("it failed, and noc/rtr1|semarang/sw1 or semarang/sw1 explains it"),
        "{late}"
    );
    assert!(late.contains("Had semarang/sw1 answered: there would be an incident"), "{late}");
    assert!(then("semarang/h2").contains("it was never asked"));
    assert!(then("semarang/h9").contains("it is not in the inventory"));
    assert!(said(dir, &["explain", "semarang"]).contains("a site; failing: "));

    let none = kentongan(dir, &["explain", "99999"]);
    let why = String::from_utf8(none.stderr).unwrap();
    assert_eq!(none.status.code(), Some(1));
    assert!(why.contains("there is no event 99999; the last one is 33"), "{why}");
    let before = kentongan(dir, &["explain", "--why-not", "semarang/h1@2026-11-23T07:00:00"]);
    let why = String::from_utf8(before.stderr).unwrap();
    assert!(why.contains("nothing is kept from then"), "{why}");
}
