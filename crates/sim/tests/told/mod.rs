//! What tests do with a simulated world: make it from a seed, run it, say what came of it.

#![allow(dead_code, clippy::unwrap_used, reason = "helpers of tests, each uses its part")]

use model::{Inventory, Settings, Timestamp};
use sim::{Came, Dice, Plan, Report, Scenario, Unwatched, What, province, quantile, run, script};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// 2026-11-24T00:00:00Z.
pub const DAWN: Timestamp = Timestamp::from_millis(1_795_478_400_000);

/// A scenario as `kentongan simulate` would tell it.
pub fn plan(scenario: Scenario, seed: u64, devices: usize, length: Duration) -> Plan {
    let dice = Dice::new(seed);
    let spec = province(devices, &mut dice.apart(10));
    let inventory = Arc::new(Inventory::build(&spec).unwrap());
    let told = script(scenario, &inventory, DAWN, length, None, &mut dice.apart(11)).unwrap();
    Plan {
        inventory,
        settings: Settings::default(),
        asking: BTreeMap::new(),
        faults: told.faults,
        windows: told.windows,
        background_loss: 0.01,
        start: DAWN,
        length: told.length,
        seed,
    }
}

pub fn tell(scenario: Scenario, seed: u64, devices: usize, length: Duration) -> Report {
    run(&plan(scenario, seed, devices, length), &mut Unwatched)
}

/// What is not as it should be, and the way there from outside; empty when all is well.
pub fn wrong(r: &Report) -> String {
    let mut out = String::new();
    for c in r.causes.iter().filter(|c| c.came == Came::Missed || c.doubled() > 0) {
        let _ = writeln!(
            out,
            "{} {} ({:?}, {:?} to {:?}, {} times, {} devices): {} tickets of {} allowed: {:?}",
            c.came.word(),
            c.element,
            c.what,
            c.from,
            c.until,
            c.times,
            c.devices,
            c.tickets,
            c.tickets_allowed,
            c.incidents
        );
    }
    for i in r.incidents.iter().filter(|i| (i.cause.is_none() && !i.merged) || i.left_open) {
        let word = if i.left_open { "left open" } else { "invented" };
        let _ = writeln!(out, "{word} {} root {} opened {:?}", i.id, i.root.join("+"), i.opened);
    }
    out
}

/// In a few lines.
pub fn summary(r: &Report) -> String {
    let mut out = format!(
        "{} events ({} routine), {} samples + {} extra, {} incidents, tickets {:?}, merged {}\n",
        r.events_in_all(),
        r.routine,
        r.samples,
        r.samples_extra,
        r.incidents.len(),
        r.tickets(),
        r.merged()
    );
    for c in &r.causes {
        let what = match c.what {
            What::Down => "down".to_owned(),
            What::Loss(share) => format!("loses {:.0} %", share * 100.0),
        };
        let _ = writeln!(
            out,
            "  {} {what} {:?}+{:?} x{} devices {} -> {} tickets {} named {} after {:?}",
            c.element,
            c.from,
            c.lasted(),
            c.times,
            c.devices,
            c.came.word(),
            c.tickets,
            c.named,
            c.stages.map(|s| s.whole()),
        );
    }
    for i in &r.incidents {
        let _ = writeln!(
            out,
            "  {} {:?} {} opened {:?} of {:?} messages {} ({} in an hour)",
            i.id,
            i.priority,
            i.root.join("+"),
            i.opened,
            i.cause.map(|c| r.causes[c].element.to_string()),
            i.messages,
            i.messages_in_an_hour
        );
    }
    out + &shares(r)
}

/// From outage to ticket, and each stage's share.
pub fn shares(r: &Report) -> String {
    let all = r.latencies();
    let whole: Vec<Duration> = all.iter().map(sim::Stages::whole).collect();
    let mut out = format!(
        "outage to ticket: {} outages, p50 {:.1?} p95 {:.1?} worst {:.1?}\n",
        all.len(),
        quantile(&whole, 0.5),
        quantile(&whole, 0.95),
        quantile(&whole, 1.0)
    );
    let sum: f64 = whole.iter().map(Duration::as_secs_f64).sum();
    for n in 0..4 {
        let mut part: Vec<Duration> = all.iter().map(|s| s.parts()[n].1).collect();
        let share = part.iter().map(Duration::as_secs_f64).sum::<f64>() / sum.max(1e-9) * 100.0;
        part.sort();
        let name = sim::Stages::default().parts()[n].0;
        let _ = writeln!(
            out,
            "  {name:<12} {share:3.0} %  p50 {:.1?} p95 {:.1?} worst {:.1?}",
            quantile(&part, 0.5),
            quantile(&part, 0.95),
            quantile(&part, 1.0)
        );
    }
    out
}

/// Whether the long count is wanted.
pub fn soak() -> bool {
    std::env::var_os("KENTONGAN_SOAK").is_some_and(|v| v != "0" && !v.is_empty())
}

/// Whether what came of a failure is to be printed.
pub fn tells() -> bool {
    std::env::var_os("KENTONGAN_TELL").is_some()
}

/// The seed of a single story.
pub fn seed() -> u64 {
    std::env::var("KENTONGAN_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1)
}

/// The seeds of many: `few`, unless more are wanted or one.
pub fn seeds(few: u64) -> std::ops::RangeInclusive<u64> {
    let wanted = std::env::var("KENTONGAN_SOAK").ok().and_then(|n| n.parse::<u64>().ok());
    let many = match wanted {
        Some(1) => 100,
        Some(n) if n > 1 => n,
        _ => few,
    };
    match std::env::var("KENTONGAN_SEED").ok().and_then(|s| s.parse().ok()) {
        Some(seed) => seed..=seed,
        None => 1..=many,
    }
}

/// A length that shows all of a scenario: a whole day only where the count is long.
pub fn short(scenario: Scenario) -> Duration {
    match scenario {
        Scenario::Night if !soak() => Duration::from_secs(6 * 3600),
        Scenario::Flap if !soak() => Duration::from_secs(4 * 3600),
        _ => scenario.length(),
    }
}
