//! What two thousand targets cost, alone in its process so that the numbers are theirs.

// What fails in a helper is to fail the test; what is compared was never computed.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use async_trait::async_trait;
use model::{Event, Kind, Outcome};
use probe::{Check, CheckPlan, Engines, Inputs, ObservationSink, Plan, SinkError, Target, run};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::Telemetry;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Resident memory of this process, in kB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[derive(Default)]
struct Count(Mutex<HashMap<String, u32>>);

#[async_trait]
impl ObservationSink for Count {
    async fn publish(&self, batch: Vec<Event<'static>>) -> Result<(), SinkError> {
        let mut counts = self.0.lock().unwrap();
        for event in batch {
            let Kind::Observation(o) = event.kind else { continue };
            let word = match o.outcome {
                Outcome::Reply(values) if values.iter().any(|v| v.0 == "loss_pct" && v.1 > 0.0) => {
                    "loss".to_owned()
                }
                Outcome::Reply(_) => "reply".to_owned(),
                Outcome::NoReply => "no-reply".to_owned(),
                Outcome::Failed { reason } => reason.into_owned(),
            };
            *counts.entry(word).or_default() += 1;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_targets_are_cheap_to_keep_and_to_ask() {
    let before = resident();
    let checks = vec![CheckPlan { interval: Duration::from_secs(3), ..CheckPlan::of(Check::Icmp) }];
    let target = |i: u32| {
        Arc::new(Target {
            id: format!("site{}/device{i}", i / 20).into(),
            address: format!("127.{}.{}.1", 30 + i / 250, i % 250),
            checks: checks.clone(),
            snmp: None,
            ports: vec![],
        })
    };
    let plan =
        Plan { probe: "noc-1".into(), pps: 10_000, targets: (0..2000).map(target).collect() };
    let telemetry = Telemetry::new();
    let engines = Engines::real(plan.pps, &telemetry);
    let (ping, sink) = (engines.ping.clone(), Arc::new(Count::default()));
    let (_plan_in, plan) = watch::channel(Arc::new(plan));
    let (_asks_in, asks) = mpsc::channel(1);
    let (_confirmed_in, confirmed) = mpsc::channel(1);
    let shutdown = CancellationToken::new();
    let inputs = Inputs { plan, asks, confirmed };
    let task = tokio::spawn(run(inputs, engines, sink.clone(), telemetry, shutdown.clone()));
    tokio::time::sleep(Duration::from_secs(7)).await;
    let grown = resident().saturating_sub(before);
    shutdown.cancel();
    task.await.unwrap();
    let counts = sink.0.lock().unwrap().clone();
    eprintln!("2,000 targets every 3 s: {grown} kB more, {counts:?}");
    if let Some(trouble) = ping.trouble() {
        assert!(std::env::var("KENTONGAN_NO_SKIP").is_err(), "must not be skipped: {trouble}");
        eprintln!("SKIPPED: {trouble}");
        return;
    }
    assert!(grown < 24_000, "{grown} kB");
    assert_eq!(counts.keys().collect::<Vec<_>>(), ["reply"], "no loss: {counts:?}");
    assert!(counts["reply"] >= 4000, "{counts:?}");
}
