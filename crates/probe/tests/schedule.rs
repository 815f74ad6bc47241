//! The probe as the daemon runs it, with engines of our own and a clock that jumps.

// What fails in a helper is to fail the test; what is compared was never computed.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use async_trait::async_trait;
use model::{Event, Kind, Outcome, Timestamp};
use probe::{
    Agent, Ask, Check, CheckPlan, Engines, Inputs, Names, ObservationSink, Oid, Pace, PingEngine,
    Plan, Resolver, Sample, SampleSpec, SinkError, SnmpEngine, SnmpError, Target, Varbind, run,
};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::Telemetry;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// What a fake target does.
enum Does {
    Answer,
    KeepSilent,
    Break,
    Hang,
}

/// A network in which each target does what a function of time and address says.
struct Net {
    began: Instant,
    does: Box<dyn Fn(Duration, SocketAddr) -> Does + Send + Sync>,
    samples: AtomicU64,
}

#[async_trait]
impl PingEngine for Net {
    async fn sample(&self, to: SocketAddr, spec: SampleSpec) -> Sample {
        self.samples.fetch_add(1, Ordering::SeqCst);
        let sent = spec.packets;
        match (self.does)(self.began.elapsed(), to) {
            Does::Answer => {
                sleep(spec.gap() * u32::from(sent - 1) + MS).await;
                Sample { sent, received: sent, rtt_sum: MS * u32::from(sent), ..Sample::default() }
            }
            Does::KeepSilent => {
                sleep(spec.timeout).await;
                Sample { sent, ..Sample::default() }
            }
            Does::Break => panic!("an engine with a bug"),
            Does::Hang => std::future::pending().await,
        }
    }

    fn packets_sent(&self) -> u64 {
        self.samples.load(Ordering::SeqCst) * 3
    }
}

#[async_trait]
impl SnmpEngine for Net {
    async fn get(&self, _: &Agent, _: &[Oid]) -> Result<Vec<Varbind>, SnmpError> {
        Err(SnmpError::NoReply)
    }
    async fn get_bulk(&self, _: &Agent, _: &[Oid], _: u32) -> Result<Vec<Varbind>, SnmpError> {
        Err(SnmpError::NoReply)
    }
    fn packets_sent(&self) -> u64 {
        0
    }
}

struct Nobody;

#[async_trait]
impl Resolver for Nobody {
    async fn resolve(&self, _: &str) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Keeps what it is given, unless it refuses.
#[derive(Default)]
struct Desk {
    seen: Mutex<Vec<Event<'static>>>,
    frames: AtomicUsize,
    largest: AtomicUsize,
    refuses: AtomicBool,
}

#[async_trait]
impl ObservationSink for Desk {
    async fn publish(&self, batch: Vec<Event<'static>>) -> Result<(), SinkError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(SinkError::Unavailable("the disk is full".into()));
        }
        self.frames.fetch_add(1, Ordering::SeqCst);
        self.largest.fetch_max(batch.len(), Ordering::SeqCst);
        self.seen.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Desk {
    /// (milliseconds since the beginning, target, outcome word or reason).
    fn told(&self) -> Vec<(i64, String, String)> {
        let seen = self.seen.lock().unwrap();
        let line = |event: &Event<'static>| {
            let Kind::Observation(o) = &event.kind else { panic!("{event:?}") };
            assert_eq!(o.probe, "noc-1");
            let word = match &o.outcome {
                Outcome::Reply(_) => "reply".to_owned(),
                Outcome::NoReply => "no-reply".to_owned(),
                Outcome::Failed { reason } => reason.to_string(),
            };
            (event.at.as_millis(), o.target.to_string(), word)
        };
        seen.iter().map(line).collect()
    }

    fn told_of(&self, target: &str) -> Vec<(i64, String)> {
        self.told().into_iter().filter(|t| t.1 == target).map(|t| (t.0, t.2)).collect()
    }
}

struct Running {
    net: Arc<Net>,
    desk: Arc<Desk>,
    plan: watch::Sender<Arc<Plan>>,
    asks: mpsc::Sender<Ask>,
    confirmed: mpsc::Sender<Ask>,
    telemetry: Arc<Telemetry>,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn stop(self) -> Arc<Desk> {
        self.shutdown.cancel();
        self.task.await.unwrap();
        self.desk
    }
}

fn start(
    plan: Plan,
    does: impl Fn(Duration, SocketAddr) -> Does + Send + Sync + 'static,
) -> Running {
    let began = Instant::now();
    let net = Arc::new(Net { began, does: Box::new(does), samples: AtomicU64::new(0) });
    let desk = Arc::new(Desk::default());
    let telemetry = Telemetry::new();
    let (plan_in, plan_out) = watch::channel(Arc::new(plan));
    let (asks, asks_out) = mpsc::channel(64);
    let (confirmed, confirmed_out) = mpsc::channel(64);
    let shutdown = CancellationToken::new();
    let engines = Engines {
        ping: net.clone(),
        snmp: net.clone(),
        names: Names::new(Arc::new(Nobody)),
        pace: Arc::new(Pace::new(1000)),
        clock: Arc::new(move || {
            Timestamp::from_millis(i64::try_from(began.elapsed().as_millis()).unwrap())
        }),
    };
    let inputs = Inputs { plan: plan_out, asks: asks_out, confirmed: confirmed_out };
    let task =
        tokio::spawn(run(inputs, engines, desk.clone(), telemetry.clone(), shutdown.clone()));
    Running { net, desk, plan: plan_in, asks, confirmed, telemetry, shutdown, task }
}

fn plan(targets: impl IntoIterator<Item = (String, String)>, interval: Duration) -> Plan {
    let checks = vec![CheckPlan { interval, ..CheckPlan::of(Check::Icmp) }];
    let target = |(id, address): (String, String)| {
        let checks = checks.clone();
        Arc::new(Target { id: id.into(), address, checks, snmp: None, ports: vec![] })
    };
    Plan { probe: "noc-1".into(), pps: 1000, targets: targets.into_iter().map(target).collect() }
}

fn one(interval: Duration) -> Plan {
    plan([("sw1".to_owned(), "10.0.0.1".to_owned())], interval)
}

fn ask(target: &str) -> Ask {
    Ask { target: target.into(), check: "icmp".into() }
}

#[tokio::test(start_paused = true)]
async fn two_thousand_targets_are_asked_evenly_and_published_in_frames() {
    let targets = (0..2000).map(|i| (format!("d{i}"), format!("10.0.{}.{}", i / 250, i % 250)));
    let running = start(plan(targets, 20 * S), |_, _| Does::Answer);
    sleep(60 * S + 500 * MS).await;
    let telemetry = running.telemetry.clone();
    let desk = running.stop().await;
    let told = desk.told();
    assert!((5950..=6060).contains(&told.len()), "{}", told.len());
    let mut seconds = [0u32; 60];
    for (at, ..) in told.iter().filter(|t| t.0 < 60_000) {
        seconds[(*at / 1000) as usize] += 1;
    }
    assert!(seconds.iter().all(|n| (60..=140).contains(n)), "{seconds:?}");
    let frames = desk.frames.load(Ordering::SeqCst);
    assert!(frames <= 620 && desk.largest.load(Ordering::SeqCst) <= 512, "{frames}");
    let text = telemetry.openmetrics();
    assert!(text.contains("kentongan_probe_scheduled_checks 2000\n"), "{text}");
    assert!(text.contains("kentongan_probe_samples_total{check=\"icmp\",outcome=\"reply\"} "));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_seen_in_seconds_and_so_is_its_end() {
    let down = 100 * S..300 * S;
    let running =
        start(
            one(20 * S),
            move |at, _| if down.contains(&at) { Does::KeepSilent } else { Does::Answer },
        );
    sleep(400 * S).await;
    let told = running.stop().await.told_of("sw1");
    let silent: Vec<i64> = told.iter().filter(|t| t.1 == "no-reply").map(|t| t.0).collect();
    let first = silent[0];
    assert!((100_000..120_000).contains(&first));
    let after: Vec<i64> = silent.iter().take(7).map(|t| t - first).collect();
    assert_eq!(after, [0, 2000, 4000, 6000, 8000, 10_000, 20_000]);
    let back: Vec<i64> =
        told.iter().filter(|t| t.1 == "reply" && t.0 > first).map(|t| t.0).collect();
    assert!(back[0] < 320_000);
    assert_eq!(back[1] - back[0], 2000, "the first good answer is asked again");
    assert_eq!(back[2] - back[0], 20_000, "and then as usual");
    assert!(told.windows(2).all(|w| w[0].0 < w[1].0), "in order");
}

#[tokio::test(start_paused = true)]
async fn what_the_core_has_confirmed_is_asked_as_usual() {
    let running = start(one(60 * S), |_, _| Does::KeepSilent);
    while running.desk.told().len() < 2 {
        sleep(100 * MS).await;
    }
    running.confirmed.send(ask("sw1")).await.unwrap();
    sleep(30 * S).await;
    let told = running.stop().await.told_of("sw1");
    assert_eq!(told.len(), 3, "the one that was in flight, and no more: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_ask_is_answered_at_once() {
    let running = start(one(60 * S), |_, _| Does::Answer);
    while running.desk.told().is_empty() {
        sleep(100 * MS).await;
    }
    sleep(S).await;
    let now = running.net.began.elapsed();
    for _ in 0..10 {
        running.asks.send(ask("sw1")).await.unwrap();
    }
    running.asks.send(ask("nobody")).await.unwrap();
    sleep(10 * S).await;
    let telemetry = running.telemetry.clone();
    let told = running.stop().await.told_of("sw1");
    assert!((told[1].0 - i64::try_from(now.as_millis()).unwrap()).abs() <= 1, "{told:?}");
    assert!(told.len() <= 3, "ten asks are at most two samples: {told:?}");
    assert!(telemetry.openmetrics().contains("kentongan_probe_asks_total{result=\"unknown\"} 1\n"));
}

#[tokio::test(start_paused = true)]
async fn a_reload_takes_effect_at_once_and_moves_nobody() {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let running =
        start(plan([pair("a", "10.0.0.1"), pair("b", "10.0.0.2")], 20 * S), |_, _| Does::Answer);
    sleep(39 * S).await;
    running
        .plan
        .send(Arc::new(plan([pair("a", "10.0.0.1"), pair("c", "10.0.0.3")], 20 * S)))
        .unwrap();
    sleep(61 * S).await;
    let desk = running.stop().await;
    let a = desk.told_of("a");
    assert!(a.windows(2).all(|w| w[1].0 - w[0].0 == 20_000), "{a:?}");
    assert!(desk.told_of("b").iter().all(|t| t.0 < 39_000));
    let c = desk.told_of("c");
    assert!(c.len() >= 3 && c[0].0 >= 39_000 && c[0].0 < 59_000, "{c:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_refuses_stops_nobody_and_loses_nothing() {
    let targets = (0..100).map(|i| (format!("d{i}"), format!("10.0.0.{i}")));
    let running = start(plan(targets, 10 * S), |_, _| Does::Answer);
    sleep(15 * S).await;
    running.desk.refuses.store(true, Ordering::SeqCst);
    sleep(60 * S).await;
    let before = running.desk.told().len();
    let asked = running.net.samples.load(Ordering::SeqCst);
    assert!(asked >= 740, "asking went on: {asked}");
    running.desk.refuses.store(false, Ordering::SeqCst);
    sleep(10 * S).await;
    let desk = running.stop().await;
    let told = desk.told();
    assert!(told.len() > before + 600);
    for i in 0..100 {
        let of = desk.told_of(&format!("d{i}"));
        assert!(of.windows(2).all(|w| w[1].0 - w[0].0 == 10_000), "d{i}: {of:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_an_engine_is_ours_and_never_the_targets() {
    let targets = [("broken", "10.0.0.1"), ("hangs", "10.0.0.2"), ("fine", "10.0.0.3")];
    let targets = targets.map(|(a, b)| (a.to_owned(), b.to_owned()));
    let running = start(plan(targets, 10 * S), |_, to| match to.ip().to_string().as_str() {
        "10.0.0.1" => Does::Break,
        "10.0.0.2" => Does::Hang,
        _ => Does::Answer,
    });
    sleep(100 * S).await;
    let desk = running.stop().await;
    let (broken, hangs) = (desk.told_of("broken"), desk.told_of("hangs"));
    assert!(broken.len() >= 9 && broken.iter().all(|t| t.1 == "probe-error"), "{broken:?}");
    assert!(!hangs.is_empty() && hangs.iter().all(|t| t.1 == "probe-error"), "{hangs:?}");
    assert!(desk.told_of("fine").len() >= 9);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_does_not_resolve_is_failed_and_never_silent() {
    let target = ("sw1".to_owned(), "sw1.example".to_owned());
    let running = start(plan([target], 20 * S), |_, _| Does::KeepSilent);
    sleep(100 * S).await;
    let told = running.stop().await.told_of("sw1");
    assert!(told.len() >= 4 && told.iter().all(|t| t.1 == "no-name"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn an_snmp_check_without_a_community_says_so_and_a_silent_agent_is_one_observation() {
    let snmp = probe::SnmpAccess { community: "public".into(), port: 161 };
    let targets = [("with", Some(snmp)), ("without", None)].map(|(id, snmp)| {
        let checks = vec![CheckPlan { interval: 60 * S, ..CheckPlan::of(Check::IfStatus) }];
        Arc::new(Target {
            id: id.into(),
            address: "10.0.0.1".into(),
            checks,
            snmp,
            ports: vec!["Gi0/1".into(), "Gi0/2".into()],
        })
    });
    let plan = Plan { probe: "noc-1".into(), pps: 1000, targets: targets.to_vec() };
    let running = start(plan, |_, _| Does::Answer);
    sleep(59 * S).await;
    let desk = running.stop().await;
    let with = desk.told_of("with");
    assert!(with.len() <= 3 && with.iter().all(|t| t.1 == "no-reply"), "{with:?}");
    assert_eq!(
        desk.told_of("without").iter().map(|t| t.1.as_str()).collect::<Vec<_>>(),
        ["no-community"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_end_publishes_what_is_known_and_waits_for_no_sample() {
    let running = start(one(S), |at, _| if at < 5 * S { Does::Answer } else { Does::Hang });
    sleep(6 * S).await;
    let began = Instant::now();
    let desk = running.stop().await;
    assert!(began.elapsed() < S);
    assert!(desk.told().len() >= 4);
}
