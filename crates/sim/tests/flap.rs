//! A link that comes and goes twenty times an hour for six hours, in many worlds: one ticket, at most
//! two messages an hour, and the last one says how it ended.
//!
//! `KENTONGAN_SOAK=1 cargo test --release -p sim --test flap -- --nocapture` tries eighty worlds, seeds
//! 1 to 20 in four sizes; `KENTONGAN_SEED=N` replays one seed, and with `KENTONGAN_TELL=1` prints what
//! the core said. A restart in the middle: `flap` of the correlator.

mod told;

use model::{Condition, Decision, IncidentId, IntentOp, Timestamp};
use sim::{Scenario, Watcher, run};
use std::collections::BTreeMap;
use std::fmt::Write;
use told::{plan, wrong};

/// What people heard, and what the core said of alarms and incidents.
#[derive(Default)]
struct Heard {
    said: String,
    /// By incident: the last message, and whether its ticket is open.
    last: BTreeMap<IncidentId, (String, bool)>,
    conditions: BTreeMap<IncidentId, Condition>,
}

impl Watcher for Heard {
    fn decision(&mut self, d: &Decision) {
        let at = |t: Timestamp| t.since(told::DAWN).as_secs();
        match d {
            Decision::Alarm(a) => {
                let _ = writeln!(
                    self.said,
                    "{} {} {} {:?} (was {:?}) {:?}: {}",
                    at(a.at),
                    a.target,
                    a.check,
                    a.state,
                    a.was,
                    a.incident,
                    a.reason
                );
            }
            Decision::Incident(i) => {
                self.conditions.insert(i.id.clone(), i.condition);
                let root = i.root.join("+");
                let _ = writeln!(
                    self.said,
                    "{} {} {:?} {root}: {}",
                    at(i.at),
                    i.id,
                    i.change,
                    i.reason
                );
            }
            Decision::Intent(i) => {
                let _ = writeln!(self.said, "{} {} {:?} {}", at(i.at), i.incident, i.op, i.title);
                let (last, open) = self.last.entry(i.incident.clone()).or_default();
                match i.op {
                    IntentOp::Notify => last.clone_from(&i.text),
                    IntentOp::Create | IntentOp::Reopen => *open = true,
                    IntentOp::Resolve | IntentOp::Merge => *open = false,
                    IntentOp::Note | IntentOp::Reprioritise => {}
                }
            }
            Decision::Verdict(_) => {}
        }
    }
}

#[test]
fn what_flaps_is_one_ticket_two_messages_an_hour_and_the_final_state() {
    let wanted = told::seeds(2);
    let (first, last) = (*wanted.start(), *wanted.end());
    let (mut worlds, mut bad, mut out) = (0, 0, String::new());
    for seed in first..=last.min(first.max(20)) {
        for devices in [30, 60, 90, 150] {
            let mut heard = Heard::default();
            let report =
                run(&plan(Scenario::Flap, seed, devices, Scenario::Flap.length()), &mut heard);
            worlds += 1;
            let mut what = wrong(&report);
            for i in &report.incidents {
                if i.messages_in_an_hour > 2 {
                    let _ = writeln!(what, "{}: {} in an hour", i.id, i.messages_in_an_hour);
                }
            }
            for (id, (last, open)) in &heard.last {
                let over = heard.conditions.get(id) == Some(&Condition::Clear);
                if over == *open || over != last.starts_with("Pulih.") {
                    let _ = writeln!(what, "{id}: over {over}, ticket open {open}, heard {last:?}");
                }
            }
            if report.causes[0].tickets != 1 {
                let _ = writeln!(what, "{} tickets", report.causes[0].tickets);
            }
            if !what.is_empty() {
                bad += 1;
                let _ = writeln!(
                    out,
                    "KENTONGAN_SEED={seed}, {devices} devices, {}\n{what}",
                    report.causes[0].element
                );
            }
            if std::env::var_os("KENTONGAN_TELL").is_some() {
                println!("devices {devices}\n{}", heard.said);
            }
        }
    }
    println!("{worlds} worlds, {bad} not as they should be\n{out}");
    assert!(out.is_empty(), "{bad} of {worlds} worlds:\n{out}");
}
