//! E. What the journal kept of a live run, given to `replay` twice, comes to the same bytes twice,
//! and to the decisions that the live run made, line for line.

use journeys::Daemon;
use serde_json::Value;

/// Exports what a stopped daemon's journal holds and replays it.
pub fn expect_the_same_decisions(daemon: &Daemon) {
    daemon.cli(&["journal", "verify"]);

    let events = daemon.cli(&["journal", "export", "-"]);
    // Beside the events stand the configurations that they were decided under.
    let configuration = r#"{"kind":"configuration""#;
    let count = lines(&events).iter().filter(|l| !l.starts_with(configuration)).count();
    assert!(count > 100, "a run leaves more than {count} events");
    let file = daemon.home().join("run.ndjson");
    std::fs::write(&file, &events).expect("the export can be kept");
    let file = file.to_str().expect("a path in UTF-8");

    let once = daemon.cli(&["replay", file]);
    let twice = daemon.cli(&["replay", file]);
    assert!(once == twice, "the same input gives the same bytes");

    let live = daemon.cli(&["journal", "export", "-", "--decisions"]);
    let (live, replayed) = (lines(&live), lines(&once));
    for (n, (lived, replayed)) in live.iter().zip(&replayed).enumerate() {
        assert_eq!(lived, replayed, "decision {} differs: lived (left), replayed (right)", n + 1);
    }
    assert_eq!(
        live.len(),
        replayed.len(),
        "as many decisions replayed as lived; the first surplus: {:?}",
        live.get(replayed.len()).or(replayed.get(live.len()))
    );

    let summary = daemon.cli(&["replay", "--summary", file]);
    let summary: Value = serde_json::from_slice(&summary).expect("one JSON object");
    let verdicts = summary["verdicts"].as_object().expect("verdicts by name");
    let total: u64 = verdicts.values().filter_map(Value::as_u64).sum();
    assert_eq!(summary["events"].as_u64(), Some(count as u64), "{summary}");
    assert_eq!(total, count as u64, "exactly one verdict an event: {summary}");
}

fn lines(bytes: &[u8]) -> Vec<&str> {
    std::str::from_utf8(bytes).expect("NDJSON is text").lines().collect()
}
