//! Asking at the first doubt is bounded: nobody bears more than three times the normal packets,
//! however much is suspected around him, whether the asks are answered or not.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use correlator::Correlator;
use model::event::{Observation, Outcome};
use model::inventory::{DeviceSpec, InventorySpec, LinkSpec, ProbeSpec};
use model::{Event, Inventory, Kind, Settings, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

const DAWN: i64 = 1_795_478_400_000;
const INTERVAL: i64 = 20_000;

/// A stream of numbers that is the same everywhere (SplitMix64).
struct Lots(u64);

impl Lots {
    fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as i64
    }
}

/// One core, 20 routers behind it, ten hosts behind each: everybody's neighbour is suspected.
fn inventory() -> Arc<Inventory> {
    let device =
        |id: String| DeviceSpec { id, address: Some("192.0.2.1".into()), ..DeviceSpec::default() };
    let link = |a: String, b: String| LinkSpec { between: [a, b], ..LinkSpec::default() };
    let mut spec = InventorySpec {
        devices: vec![device("core".into()), device("fw".into())],
        links: vec![link("core".into(), "fw".into())],
        probes: vec![ProbeSpec {
            id: "p".into(),
            at: Some("core".into()),
            witnesses: vec!["fw".into()],
        }],
        ..InventorySpec::default()
    };
    for r in 0..20 {
        spec.devices.push(device(format!("r{r}")));
        spec.links.push(link("core".into(), format!("r{r}")));
        for h in 0..10 {
            spec.devices.push(device(format!("r{r}h{h}")));
            spec.links.push(link(format!("r{r}"), format!("r{r}h{h}")));
        }
    }
    Arc::new(Inventory::build(&spec).unwrap())
}

/// Half an hour in which each sample is silent with this chance. The asks of each target, and how
/// many samples are normal for it.
fn storm(silent_pct: i64, answered: bool) -> (BTreeMap<String, Vec<i64>>, usize) {
    let inventory = inventory();
    let mut core = Correlator::new(inventory.clone(), Settings::default());
    let mut lots = Lots(silent_pct as u64);
    let rounds = 90;
    let mut turns: Vec<(i64, usize)> = Vec::new();
    for d in 0..inventory.devices.len() {
        let phase = lots.below(INTERVAL);
        turns.extend((0..rounds).map(|r| (DAWN + phase + r * INTERVAL, d)));
    }
    turns.sort_unstable();
    let mut asks: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut number = 0;
    let mut take = |at: i64, target: &str, silent: bool| {
        number += 1;
        let outcome = if silent {
            Outcome::NoReply
        } else {
            Outcome::Reply([("rtt_ms".into(), 1.0)].into_iter().collect())
        };
        let kind = Kind::Observation(Observation {
            probe: "p".into(),
            target: target.to_owned().into(),
            check: "icmp".into(),
            outcome,
        });
        let event = Event { at: Timestamp::from_millis(at), received: None, kind };
        core.handle_event(number, &event);
        while core.poll_decision().is_some() {}
        let mut asked = Vec::new();
        while let Some(ask) = core.poll_ask() {
            asks.entry(ask.target.to_string()).or_default().push(at);
            asked.push(ask.target.to_string());
        }
        asked
    };
    for (at, d) in turns {
        let id = inventory.devices[d].id.to_string();
        let mut asked = take(at, &id, lots.below(100) < silent_pct);
        while answered && let Some(target) = asked.pop() {
            asked.extend(take(at + 1, &target, lots.below(100) < silent_pct));
        }
    }
    (asks, rounds as usize)
}

#[test]
fn a_storm_of_suspicion_asks_nobody_more_than_twice_an_interval() {
    for silent_pct in [5, 30, 60, 95] {
        for answered in [false, true] {
            let (asks, normal) = storm(silent_pct, answered);
            assert!(!asks.is_empty(), "somebody is asked");
            for (target, at) in &asks {
                assert!(
                    at.len() <= 2 * normal,
                    "{target} was asked {} times on top of {normal} samples",
                    at.len()
                );
                for three in at.windows(3) {
                    assert!(
                        three[2] - three[0] >= INTERVAL,
                        "{target} was asked three times in {} ms",
                        three[2] - three[0]
                    );
                }
            }
            let all: usize = asks.values().map(Vec::len).sum();
            println!(
                "{silent_pct} % silent, answered {answered}: {all} asks, {} samples",
                222 * normal
            );
        }
    }
}
