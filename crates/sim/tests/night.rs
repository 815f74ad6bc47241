//! A day and a night with a thousand targets, one per cent of all packets lost: no false ticket, no
//! outage missed, no link that loses packets called down, and every ticket in time.
//!
//! `KENTONGAN_SOAK=1 cargo test --release -p sim --test night -- --nocapture` takes the whole day and
//! all thousand; without it a smaller sample. `KENTONGAN_SEED=N` takes another night.

mod told;

use sim::{Plan, Report, Scenario, Unwatched, What, quantile, run};
use std::time::Duration;
use told::{plan, shares, summary, wrong};

const fn hours(n: u64) -> Duration {
    Duration::from_secs(3600 * n)
}

/// How large the sample is: targets and hours.
fn size() -> (usize, Duration) {
    if told::soak() { (1000, hours(24)) } else { (150, hours(12)) }
}

fn quiet(seed: u64) -> Plan {
    let (devices, length) = size();
    Plan { faults: Vec::new(), ..plan(Scenario::Night, seed, devices, length) }
}

#[test]
fn a_sound_network_that_loses_one_packet_in_a_hundred_is_left_alone() {
    let seed = told::seed();
    let report = run(&quiet(seed), &mut Unwatched);
    println!("a sound day, seed {seed}: {}", summary(&report));
    let lost = report.verdicts.get(&model::Verdict::BelowThreshold).copied().unwrap_or(0);
    assert!(lost as f64 > report.samples as f64 * 0.02, "only {lost} samples lost a packet");
    assert_eq!(report.incidents.len(), 0, "seed {seed}\n{}", wrong(&report));
}

#[test]
fn a_link_that_loses_one_in_twenty_is_told_as_loss_within_two_hours_and_never_as_down() {
    let seed = told::seed();
    let mut quiet = quiet(seed);
    let lossy = plan(Scenario::Night, seed, size().0, quiet.length);
    let fault =
        lossy.faults.into_iter().find(|f| f.what == What::Loss(0.05)).expect("one is lossy");
    // From its beginning to the end of the day.
    let from = fault.spans[0].0.min(hours(3));
    let lasts = quiet.length.saturating_sub(from + hours(2)).min(hours(6));
    quiet.faults = vec![sim::Fault { spans: vec![(from, from + lasts)], ..fault }];
    let report = run(&quiet, &mut Unwatched);
    println!("a lossy link, seed {seed}: {}", summary(&report));
    assert_eq!(report.missed(), 0, "seed {seed}\n{}", wrong(&report));
    assert_eq!(report.invented(), 0, "seed {seed}\n{}", wrong(&report));
    assert!(report.incidents.iter().all(|i| i.of_loss), "seed {seed}\n{}", summary(&report));
    assert_eq!(report.incidents.len(), 1, "seed {seed}: one cause\n{}", summary(&report));
    let first = report.incidents.iter().filter_map(|i| i.ticket).min().expect("one is told");
    let after = first.saturating_sub(from);
    assert!(after <= hours(2), "seed {seed}: told after {after:?}");
}

#[test]
fn every_outage_of_a_night_has_its_ticket_in_time() {
    let seed = told::seed();
    let (devices, length) = size();
    let report = told::tell(Scenario::Night, seed, devices, length);
    println!("a night, seed {seed}: {}", summary(&report));
    in_time(&report, seed);
    assert_eq!(report.missed(), 0, "seed {seed}\n{}", wrong(&report));
    assert_eq!(report.invented(), 0, "seed {seed}\n{}", wrong(&report));
    assert_eq!(report.left_open(), 0, "seed {seed}\n{}", wrong(&report));
}

fn in_time(report: &Report, seed: u64) {
    let all: Vec<Duration> = report.latencies().iter().map(sim::Stages::whole).collect();
    assert!(all.len() >= 3, "seed {seed}: too few outages to say anything: {}", all.len());
    let (p95, worst) = (quantile(&all, 0.95), quantile(&all, 1.0));
    assert!(p95 <= Duration::from_secs(120), "seed {seed}: p95 {p95:?}\n{}", shares(report));
    assert!(worst <= Duration::from_secs(150), "seed {seed}: worst {worst:?}\n{}", shares(report));
}
