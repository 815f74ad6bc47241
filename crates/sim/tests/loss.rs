//! One link loses five packets in a hundred for hours, and nothing else is wrong: one incident about
//! loss, told within two hours, and nobody is called down.
//!
//! `KENTONGAN_SOAK=N cargo test --release -p sim --test loss -- --nocapture` tries N seeds in two
//! sizes of world (1: a hundred). `KENTONGAN_SEED=N` replays one of them, and with `KENTONGAN_TELL=1`
//! prints what the core said.

mod told;

use model::{AlarmState, Decision, Timestamp};
use sim::{Fault, Plan, Report, Scenario, Watcher, What, run};
use std::fmt::Write;
use std::time::Duration;
use told::{plan, summary, wrong};

const fn hours(n: u64) -> Duration {
    Duration::from_secs(3600 * n)
}

/// What the core said of alarms and incidents.
#[derive(Default)]
struct Said(String);

impl Watcher for Said {
    fn decision(&mut self, d: &Decision) {
        let at = |t: Timestamp| t.since(told::DAWN).as_secs();
        let _ = match d {
            Decision::Alarm(a) if !matches!(a.state, AlarmState::Suspect) => writeln!(
                self.0,
                "{} {} {} {:?} (was {:?}) {:?}: {}",
                at(a.at),
                a.target,
                a.check,
                a.state,
                a.was,
                a.incident,
                a.reason
            ),
            Decision::Incident(i) => {
                let root = i.root.join("+");
                writeln!(self.0, "{} {} {:?} {root}: {}", at(i.at), i.id, i.change, i.reason)
            }
            _ => Ok(()),
        };
    }
}

/// The lossy link of a night, and nothing else of it.
fn lossy(seed: u64, devices: usize) -> Plan {
    let plan = plan(Scenario::Night, seed, devices, hours(8));
    let fault = plan.faults.iter().find(|f| f.what == What::Loss(0.05)).expect("one is lossy");
    let from = fault.spans[0].0.min(hours(1));
    Plan { faults: vec![Fault { spans: vec![(from, from + hours(5))], ..fault.clone() }], ..plan }
}

/// What there is beside the one incident.
fn too_many(report: &Report) -> String {
    let mut out = String::new();
    if report.incidents.len() != 1 {
        let _ = writeln!(out, "{} incidents", report.incidents.len());
    }
    for i in report.incidents.iter().filter(|_| report.incidents.len() != 1) {
        let merged = if i.merged { "merged" } else { "" };
        let _ = writeln!(out, "  {} {} at {:?} {merged}", i.id, i.root.join("+"), i.opened);
    }
    out
}

/// What may never be, whatever chance does.
fn never(report: &Report) -> String {
    let mut out = String::new();
    for i in report.incidents.iter().filter(|i| !i.of_loss) {
        let _ = writeln!(out, "  {} {} is about something else", i.id, i.root.join("+"));
    }
    if report.missed() > 0 || report.invented() > 0 || report.left_open() > 0 {
        out += &wrong(report);
    }
    let told = report.incidents.iter().filter_map(|i| i.ticket).min();
    if told.is_none_or(|t| t > report.causes[0].from + hours(2)) {
        let _ = writeln!(out, "  told at {told:?}");
    }
    out
}

/// Of a few worlds each has one. Of hundreds, one in a hundred may have a second one: a link that loses
/// one packet in twenty loses one in five for five minutes once in a while, by chance, long before
/// anybody behind it has lost enough to show where.
#[test]
fn a_link_that_loses_one_in_twenty_is_one_incident_about_loss() {
    let (mut worlds, mut more, mut bad) = (0, String::new(), String::new());
    let mut second = 0;
    for seed in told::seeds(5) {
        for devices in [60, 150] {
            let plan = lossy(seed, devices);
            let mut said = Said::default();
            let report = run(&plan, &mut said);
            worlds += 1;
            let which = format!(
                "KENTONGAN_SEED={seed}, {devices} devices, {} before {} of them",
                report.causes[0].element, report.causes[0].devices
            );
            let (never, many) = (never(&report), too_many(&report));
            if !never.is_empty() {
                let _ = writeln!(bad, "{which}\n{never}");
            }
            if !many.is_empty() {
                second += 1;
                let _ = writeln!(more, "{which}\n{many}");
            }
            if std::env::var_os("KENTONGAN_TELL").is_some() {
                println!("{which}\n{}\n{}", summary(&report), said.0);
            }
        }
    }
    println!("{worlds} worlds, {second} with more than one incident\n{more}");
    assert!(bad.is_empty(), "{bad}");
    assert!(second * 100 <= worlds, "{second} of {worlds} worlds:\n{more}");
}
