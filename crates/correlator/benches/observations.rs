//! How many observations a second one core takes: a quiet network, one in which one check in a
//! hundred changes, and how long a cut takes to explain.

use correlator::Correlator;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use model::event::{Observation, Outcome, Values};
use model::inventory::{DeviceSpec, InventorySpec, LinkSpec, ProbeSpec, SiteSpec};
use model::{Event, Inventory, Kind, Settings, Timestamp};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAWN: i64 = 1_795_478_400_000;

/// A core, a router for each hundred, and hosts behind them.
fn inventory(hosts: usize) -> (Arc<Inventory>, Vec<String>) {
    let mut spec = InventorySpec::default();
    let device = |id: &str, spec: &mut InventorySpec| {
        spec.devices.push(DeviceSpec {
            id: id.into(),
            address: Some("192.0.2.1".into()),
            ..DeviceSpec::default()
        });
    };
    device("core", &mut spec);
    for s in 0..hosts.div_ceil(100) {
        spec.sites.push(SiteSpec { id: format!("s{s}"), users: 10, ..SiteSpec::default() });
        let router = format!("s{s}/rtr");
        device(&router, &mut spec);
        spec.links
            .push(LinkSpec { between: ["core".into(), router.clone()], ..LinkSpec::default() });
        for h in 0..100.min(hosts - s * 100) {
            let host = format!("s{s}/h{h}");
            device(&host, &mut spec);
            spec.links.push(LinkSpec { between: [router.clone(), host], ..LinkSpec::default() });
        }
    }
    spec.probes.push(ProbeSpec { id: "p".into(), at: Some("core".into()), ..ProbeSpec::default() });
    let ids = spec.devices.iter().map(|d| d.id.clone()).collect();
    (Arc::new(Inventory::build(&spec).expect("the inventory is good")), ids)
}

fn event(ids: &[String], n: u64, good: bool) -> Event<'_> {
    let per_round = ids.len() as u64;
    let at = DAWN + (n / per_round * 20_000 + n % per_round * 20_000 / per_round) as i64;
    let mut values = Values::new();
    values.push(("rtt_ms".into(), 1.5));
    values.push(("loss_pct".into(), 0.0));
    Event {
        at: Timestamp::from_millis(at),
        received: None,
        kind: Kind::Observation(Observation {
            probe: "p".into(),
            target: ids[(n % per_round) as usize].as_str().into(),
            check: "icmp".into(),
            outcome: if good { Outcome::Reply(values) } else { Outcome::NoReply },
        }),
    }
}

fn drain(core: &mut Correlator) {
    while let Some(d) = core.poll_decision() {
        black_box(d);
    }
    while core.poll_ask().is_some() {}
}

/// The time this thread had a core, so that what else the machine does counts little.
fn on_core() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(told.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

fn observations(c: &mut Criterion) {
    let mut group = c.benchmark_group("observations");
    group.sample_size(10);
    const BATCH: u64 = 1_000_000;
    group.throughput(Throughput::Elements(BATCH));
    for checks in [100_000, 1_000_000] {
        let (inventory, ids) = inventory(checks);
        for (name, bad_each) in [("quiet", 0u64), ("one in a hundred changes", 100)] {
            let mut core = Correlator::new(inventory.clone(), Settings::default());
            let mut n = 0u64;
            let mut feed = |many: u64| {
                for _ in 0..many {
                    let good = bad_each == 0
                        || !(n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).is_multiple_of(bad_each);
                    core.handle_event(n + 1, &event(&ids, n, good));
                    n += 1;
                    drain(&mut core);
                }
            };
            feed(ids.len() as u64);
            group.bench_function(format!("{name}, {checks} checks"), |b| {
                b.iter_custom(|times| {
                    let from = on_core();
                    feed(BATCH * times);
                    on_core().saturating_sub(from)
                });
            });
        }
    }
    group.finish();
}

/// Everybody but the core falls silent: from the first silence until all of it is explained.
fn cut(c: &mut Criterion) {
    let mut group = c.benchmark_group("a cut of all");
    group.sample_size(10);
    for hosts in [1_000, 10_000, 100_000] {
        let (inventory, ids) = inventory(hosts);
        let all = ids.len() as u64;
        // With every sample that is taken meanwhile; and of these the one that explains most.
        let run = |longest: bool| {
            let mut core = Correlator::new(inventory.clone(), Settings::default());
            for n in 0..all * 2 {
                core.handle_event(n + 1, &event(&ids, n, true));
                drain(&mut core);
            }
            let (from, mut worst) = (on_core(), Duration::ZERO);
            for n in all * 2..all * 6 {
                let at = longest.then(Instant::now);
                core.handle_event(n + 1, &event(&ids, n, n % all == 0));
                drain(&mut core);
                worst = worst.max(at.map_or(Duration::ZERO, |at| at.elapsed()));
            }
            if longest { worst } else { on_core().saturating_sub(from) }
        };
        for (name, longest) in [("all its samples", false), ("the longest of them", true)] {
            group.bench_function(format!("{hosts} devices, {name}"), |b| {
                b.iter_custom(|times| (0..times).map(|_| run(longest)).sum());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, observations, cut);
criterion_main!(benches);
