//! What a quiet check costs in memory: the core's state and all that it derives, counted by the
//! allocator itself; the inventory aside.
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]

use correlator::Correlator;
use model::event::{Observation, Outcome, Values};
use model::inventory::{DeviceSpec, InventorySpec, LinkSpec, ProbeSpec};
use model::{Event, Inventory, Kind, Settings, Timestamp};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, counting what is in use and how often it was asked.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static ASKED: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        ASKED.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DAWN: i64 = 1_795_478_400_000;
/// A router for each hundred of them.
const DEVICES: usize = 50_000;

fn inventory() -> Arc<Inventory> {
    let device =
        |id: String| DeviceSpec { id, address: Some("192.0.2.1".into()), ..DeviceSpec::default() };
    let mut spec = InventorySpec::default();
    spec.devices.push(device("core".into()));
    for n in 0..DEVICES {
        let site = n / 100;
        let id = if n % 100 == 0 { format!("s{site}/rtr") } else { format!("s{site}/h{n}") };
        let above = if n % 100 == 0 { "core".to_owned() } else { format!("s{site}/rtr") };
        spec.links.push(LinkSpec { between: [above, id.clone()], ..LinkSpec::default() });
        spec.devices.push(device(id));
    }
    spec.probes.push(ProbeSpec { id: "p".into(), at: Some("core".into()), ..ProbeSpec::default() });
    Arc::new(Inventory::build(&spec).unwrap_or_else(|p| panic!("{p:?}")))
}

/// One round: everybody answers each of these checks.
fn round(core: &mut Correlator, ids: &[Arc<str>], checks: &[&str], number: &mut u64, round: i64) {
    for (n, id) in ids.iter().enumerate() {
        let at = DAWN + round * 20_000 + (n * 20_000 / ids.len()) as i64;
        for check in checks {
            *number += 1;
            let mut values = Values::new();
            values.push(("rtt_ms".into(), 1.5));
            values.push(("loss_pct".into(), 0.0));
            let event = Event {
                at: Timestamp::from_millis(at),
                received: None,
                kind: Kind::Observation(Observation {
                    probe: "p".into(),
                    target: (&**id).into(),
                    check: (*check).into(),
                    outcome: Outcome::Reply(values),
                }),
            };
            core.handle_event(*number, &event);
            while core.poll_decision().is_some() {}
            while core.poll_ask().is_some() {}
        }
    }
}

#[test]
fn a_quiet_check_is_small_and_costs_no_allocation() {
    let inventory = inventory();
    let ids: Vec<Arc<str>> = inventory.devices.iter().map(|d| d.id.clone()).collect();
    for checks in [&["icmp"][..], &["icmp", "snmp:if-status", "snmp:uptime", "snmp:ups"][..]] {
        let before = IN_USE.load(Ordering::Relaxed);
        let mut core = Correlator::new(inventory.clone(), Settings::default());
        let mut number = 0;
        for n in 0..3 {
            round(&mut core, &ids, checks, &mut number, n);
        }
        let bytes = IN_USE.load(Ordering::Relaxed) - before;
        let each = bytes as f64 / (ids.len() * checks.len()) as f64;

        let asked = ASKED.load(Ordering::Relaxed);
        round(&mut core, &ids, checks, &mut number, 3);
        let asked = ASKED.load(Ordering::Relaxed) - asked;
        println!(
            "{} devices, {} check(s) each: {each:.1} bytes a check, {:.4} allocations an observation",
            ids.len(),
            checks.len(),
            asked as f64 / (ids.len() * checks.len()) as f64
        );
        assert!(each <= 200.0, "{each:.1} bytes a check");
        assert!(asked < ids.len() / 100, "{asked} allocations in a quiet round");
        drop(core);
    }
}
