//! An answer 2xx means durable: whatever was accepted before a kill is in the journal after it.

use journeys::{Daemon, Room};
use std::collections::BTreeSet;
use std::time::Duration;

const TOKEN: &str = "token-of-the-lab";
const KILLS: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn accepted_means_durable() {
    let Some(_room) = Room::enter("intake", &[]) else { return };
    let configuration = format!(
        "[probe]\nenabled = false\n\n[[source]]\nname = \"lab\"\nkind = \"events\"\ntoken = \"{TOKEN}\"\n"
    );
    let inventory = "[[device]]\nid = \"lab/here\"\naddress = \"127.0.0.1\"\nchecks = []\n";
    let mut daemon =
        Daemon::on_machine(&configuration, inventory).expect("the daemon can be installed");
    let mut accepted = BTreeSet::new();
    let mut number = 0_u32;
    for kill in 1..=KILLS {
        daemon.start().await;
        let (url, client) = (
            daemon.url("/api/v1/intake/events"),
            reqwest::Client::builder().no_proxy().build().expect("a client"),
        );
        let from = number;
        number += 10_000;
        let sender = tokio::spawn(async move {
            let mut accepted = Vec::new();
            for n in from.. {
                let event = format!(
                    r#"{{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"lab","key":"k{n}","state":"problem","severity":"info","summary":"s"}}"#
                );
                let answer = client
                    .post(&url)
                    .bearer_auth(TOKEN)
                    .header("content-type", "application/json")
                    .body(event)
                    .send()
                    .await;
                match answer {
                    Ok(answer) if answer.status().is_success() => accepted.push(format!("k{n}")),
                    Ok(answer) => {
                        panic!("the intake refuses: {}", answer.text().await.unwrap_or_default())
                    }
                    Err(_) => return accepted,
                }
            }
            accepted
        });
        tokio::time::sleep(Duration::from_millis(u64::from(300 * kill))).await;
        daemon.kill_9();
        let got = sender.await.expect("the sender ends");
        assert!(!got.is_empty(), "something was accepted before kill {kill}");
        accepted.extend(got);
    }
    let export = daemon.cli(&["journal", "export", "-"]);
    let export = String::from_utf8(export).expect("NDJSON is text");
    let kept: Vec<_> = export
        .lines()
        .filter_map(|line| {
            serde_json::from_str::<serde_json::Value>(line).ok()?["key"].as_str().map(str::to_owned)
        })
        .collect();
    let kept_once: BTreeSet<_> = kept.iter().cloned().collect();
    assert_eq!(kept.len(), kept_once.len(), "nothing is doubled");
    let lost: Vec<_> = accepted.difference(&kept_once).collect();
    assert!(lost.is_empty(), "accepted and lost: {lost:?}");
    daemon.cli(&["journal", "verify"]);
}
