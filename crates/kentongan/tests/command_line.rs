//! The binary as a script meets it: exit status, what is on standard output, what is on standard
//! error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod binary;

use binary::{err, kentongan, out};
use std::process::Output;

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn init_then_check_is_good_and_init_again_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let init = kentongan(folder.path(), &["init"]);
    assert_eq!(code(&init), 0, "{}", err(&init));
    assert!(out(&init).contains("kentongan check\n  kentongan run"), "{}", out(&init));
    let check = kentongan(folder.path(), &["check"]);
    assert_eq!(code(&check), 0, "{}", err(&check));
    assert!(out(&check).contains("is good"));
    assert_eq!(code(&kentongan(folder.path(), &["init"])), 2);
    assert_eq!(code(&kentongan(folder.path(), &["init", "--force"])), 0);
}

#[test]
fn a_wrong_configuration_is_status_2_everywhere_and_nothing_is_done() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kentongan.toml"), "[htp]\nlisten = 1\n").unwrap();
    let check = kentongan(folder.path(), &["check", "--json"]);
    assert_eq!(code(&check), 2);
    let problems: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(problems[0]["key"], "htp");
    assert_eq!(problems[0]["line"], 1);
    assert_eq!(problems[0]["column"], 2);
    assert_eq!(problems[0]["level"], "error");
    assert_eq!(problems[0]["help"], "did you mean \"http\"?");
    for args in [&["run"][..], &["replay", "-"], &["journal", "verify"]] {
        let refused = kentongan(folder.path(), args);
        assert_eq!(code(&refused), 2, "{args:?}");
        assert!(err(&refused).contains("no key called \"htp\""), "{args:?}: {}", err(&refused));
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[test]
fn a_wrong_call_is_status_2() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["bogus"][..],
        &[],
        &["replay"],
        &["incident", "resolve", "x"],
        &["incident", "reprioritise", "x", "P9", "--reason", "y"],
        &["maintenance", "add", "x", "--reason", "y"],
        &["check"],
    ] {
        assert_eq!(code(&kentongan(folder.path(), args)), 2, "{args:?}");
    }
}

#[test]
fn without_a_daemon_nothing_is_pretended() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[http]\nlisten = \"127.0.0.1:{}\"\n", free_port());
    std::fs::write(folder.path().join("kentongan.toml"), text).unwrap();
    for args in [
        &["status"][..],
        &["incident", "list"],
        &["explain", "1"],
        &["incident", "ack", "x-1", "--by", "sari"],
        &["maintenance", "add", "x", "--for", "1h", "--reason", "y", "--by", "sari"],
    ] {
        let failed = kentongan(folder.path(), args);
        assert_eq!(code(&failed), 1, "{args:?}");
        assert!(err(&failed).contains("the daemon does not run"), "{args:?}: {}", err(&failed));
    }
}

#[test]
fn a_mistake_in_the_inventory_does_not_lock_the_operator_out() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[http]\nlisten = \"127.0.0.1:{}\"\n[[device]]\nidd = 1\n", free_port());
    std::fs::write(folder.path().join("kentongan.toml"), text).unwrap();
    let list = kentongan(folder.path(), &["incident", "list"]);
    // It gets as far as asking the daemon.
    assert_eq!(code(&list), 1);
    assert!(err(&list).contains("see `kentongan check`"), "{}", err(&list));
    assert!(err(&list).contains("the daemon does not run"), "{}", err(&list));
}

#[test]
fn the_schema_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let printed = kentongan(folder.path(), &["check", "--schema"]);
    assert_eq!(code(&printed), 0);
    let schema: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn colours_never_reach_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("kentongan.toml"), "[htp]\n").unwrap();
    assert!(!out(&kentongan(folder.path(), &["check"])).contains('\x1b'));
}

#[test]
fn a_simulated_world_is_measured_and_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["simulate", "fibre-cut", "--seed", "3", "--devices", "60", "--hours", "1"];
    let shown = kentongan(folder.path(), &args);
    assert_eq!(code(&shown), 0, "{}{}", out(&shown), err(&shown));
    assert!(out(&shown).contains("0 missed, 0 without a cause, 0 told twice"), "{}", out(&shown));
    assert!(out(&shown).contains("From outage to ticket"), "{}", out(&shown));
    assert_eq!(out(&kentongan(folder.path(), &args)), out(&shown), "one seed, two worlds");

    let written = kentongan(folder.path(), &[&args[..], &["--json", "--write", "world"]].concat());
    assert_eq!(code(&written), 0, "{}", err(&written));
    let told: serde_json::Value = serde_json::from_slice(&written.stdout).unwrap();
    let config = ["--config", "world/kentongan.toml"];
    let check = kentongan(folder.path(), &[&config[..], &["check"]].concat());
    assert_eq!(code(&check), 0, "{}", out(&check));
    let replay = ["replay", "--summary", "world/events.ndjson"];
    let replayed = kentongan(folder.path(), &[&config[..], &replay].concat());
    assert_eq!(code(&replayed), 0, "{}", err(&replayed));
    let summary: serde_json::Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert_eq!(summary["events"], told["events"]);
    assert_eq!(summary["verdicts"], told["verdicts"]);
    let tickets: u64 =
        told["tickets"].as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!(summary["intents"]["create"], tickets);

    // On one's own network, at a place of one's own choice.
    let own = [&config[..], &["simulate", "fibre-cut", "--at", "semarang/rtr1", "--json"]].concat();
    let own = kentongan(folder.path(), &own);
    let told: serde_json::Value = serde_json::from_slice(&own.stdout).unwrap();
    assert_eq!(told["causes"][0]["element"], "semarang/rtr1", "{}", err(&own));
}

#[test]
fn a_wrong_world_is_refused_with_what_may_have_been_meant() {
    let folder = tempfile::tempdir().unwrap();
    for (args, said) in [
        (&["simulate", "fibrecut"][..], "fibre-cut"),
        (&["simulate", "fibre-cut", "--at", "dc/core3"], "did you mean \"dc/core"),
        (&["simulate", "storm", "--at", "dc/core1"], "--at says nothing there"),
        (&["simulate", "night", "--hours", "1"], "takes at least 3h"),
        (&["simulate", "night", "--hours", "-1"], "hours"),
        (&["simulate", "loss", "--devices", "3"], "40"),
    ] {
        let refused = kentongan(folder.path(), args);
        assert_eq!(code(&refused), 2, "{args:?}");
        assert!(err(&refused).contains(said), "{args:?}: {}", err(&refused));
    }
}
