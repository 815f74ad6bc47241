//! A thousand incidents within a minute, over HTTP to a desk that takes 50 ms for each request, under
//! the default limits: when the last has its ticket, and how long the urgent ones waited. Takes that
//! minute; `crates/delivery/tests/storm.rs` has the same in virtual time, and fails when it is missed.

#![allow(clippy::unwrap_used, reason = "a measurement that breaks off says why")]

#[path = "../tests/fake/mod.rs"]
#[allow(
    unused_imports,
    clippy::wildcard_imports,
    reason = "it is asked in one dialect only, and is a module of tests"
)]
mod fake;

use async_trait::async_trait;
use delivery::{Deliveries, Destination};
use fake::{Fake, Op, RT};
use model::{
    DeliveryLine, DeliveryStep, DeskCall, IncidentId, Intent, IntentOp, Priority, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use telemetry::Telemetry;
use ticket_sink::{DeskConfig, Desks, Driver, Input, RecordError, Recorder};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const INCIDENTS: u64 = 1_000;
const LATENCY: Duration = Duration::from_millis(50);
/// What a group commit to a disk that is no fast one takes.
const SYNC: Duration = Duration::from_millis(10);
const URGENT_EVERY: u64 = 20;

/// Makes lines durable as slowly as a disk does, and remembers when tickets were confirmed.
#[derive(Default)]
struct Disk(Mutex<BTreeMap<IncidentId, Instant>>);

#[async_trait]
impl Recorder for Disk {
    async fn record(&self, lines: &[DeliveryLine]) -> Result<u64, RecordError> {
        tokio::time::sleep(SYNC).await;
        let mut confirmed = self.0.lock().unwrap();
        for line in lines {
            let create = line.call == Some(DeskCall::Create);
            if create && line.step == DeliveryStep::Confirmed {
                confirmed.insert(line.incident.clone(), Instant::now());
            }
        }
        Ok(1)
    }

    async fn hear(&self, _: &[DeliveryLine]) -> Result<(), RecordError> {
        Ok(())
    }
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(storm());
}

async fn storm() {
    let fake = Fake::start().await;
    fake.with(|s| s.latency = LATENCY);
    let config: DeskConfig = toml::from_str(&(RT.config)(&fake.url)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let desks = Desks::open(std::slice::from_ref(&config), dir.path()).unwrap();
    let deliveries = Deliveries::new("noc", desks.rules());
    let disk = Arc::<Disk>::default();
    let driver = Driver::new(deliveries, desks.all, disk.clone(), Telemetry::new());
    let (input, inputs) = mpsc::channel(64);
    let running = tokio::spawn(driver.run(inputs, CancellationToken::new()));

    let start = Instant::now();
    let mut opened = BTreeMap::new();
    for n in 0..INCIDENTS {
        let due = start + Duration::from_millis(n * 60_000 / INCIDENTS);
        tokio::time::sleep_until(due.into()).await;
        let intent = Box::new(intent(n));
        opened.insert(intent.incident.clone(), (Instant::now(), intent.priority));
        input.send(Input::Intent { desks: vec![Destination::from("rt")], intent }).await.unwrap();
    }
    drop(input);
    let end = running.await.unwrap().unwrap();
    assert_eq!(end.status()[0].pending, 0);
    let requests = fake.with(|s| {
        assert_eq!((s.tickets.len() as u64, s.count(Op::Create) as u64), (INCIDENTS, INCIDENTS));
        s.seen.len()
    });
    let confirmed = disk.0.lock().unwrap().clone();
    let mut urgent: Vec<Duration> = opened
        .iter()
        .filter(|(_, (_, priority))| *priority == Priority::P1)
        .map(|(incident, (at, _))| confirmed[incident] - *at)
        .collect();
    urgent.sort_unstable();
    let p99 = urgent[(urgent.len() * 99).div_ceil(100) - 1];
    let last = *confirmed.values().max().unwrap() - start;
    println!("{INCIDENTS} incidents in a minute, {requests} requests of 50 ms");
    said("the last ticket", last, Duration::from_secs(90));
    said("a P1 (99 of 100)", p99, Duration::from_secs(5));
}

fn said(what: &str, measured: Duration, wanted: Duration) {
    let mark = if measured < wanted { "" } else { "   NOT HELD" };
    println!("{what:<24} {measured:>10.2?}   < {wanted:?}{mark}");
}

fn intent(n: u64) -> Intent {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let at = Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap());
    Intent {
        at,
        id: format!("k7f3-{n}.1"),
        incident: IncidentId::from_text(&format!("k7f3-{n}")),
        op: IntentOp::Create,
        revision: 1,
        priority: if n.is_multiple_of(URGENT_EVERY) { Priority::P1 } else { Priority::P3 },
        title: format!("kab-semarang/kec-{n}/rtr1 tidak terjangkau (lokal)"),
        text: "Sejak 02:15:20 WIB".into(),
        into: None,
        event: 1,
        received: at,
    }
}
