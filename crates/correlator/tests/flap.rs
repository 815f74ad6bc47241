//! A link that goes down and comes back twenty times an hour, for six hours: one ticket, at most two
//! messages an hour, and whoever is on duty learns how it ended.

mod story;

use model::{Decision, IntentOp, Timestamp};
use story::Story;

/// Twenty changes an hour.
const EVERY_S: u64 = 180;
const CHANGES: u64 = 120;

/// One life of a flapping office, told from when on samples are taken (`phase_s`) and how much each
/// change comes early or late (`seed`; 0: none does). `restart_at` is the change before which the
/// core is stopped and started.
fn life(
    phase_s: u64,
    seed: u64,
    up_in_the_end: bool,
    restart_at: Option<u64>,
    steady: &str,
) -> Story {
    let mut story = Story::default();
    for line in [
        "site semarang users=120",
        "device noc/rtr1",
        "device semarang/sw1",
        "device semarang/h1",
        "link noc/rtr1 semarang/sw1",
        "link semarang/sw1 semarang/h1",
        "probe noc-1 noc/rtr1",
        "run 5m",
    ] {
        story.line(line);
    }
    story.line(&format!("run {phase_s}s"));
    let mut dice = seed;
    // An even number of changes ends up; one more or less ends down.
    let changes = if up_in_the_end { CHANGES } else { CHANGES - 1 };
    for n in 0..changes {
        if restart_at == Some(n) {
            story.line("restart");
        }
        story.line(if n % 2 == 0 { "break semarang/sw1" } else { "mend semarang/sw1" });
        // A linear congruential generator (Knuth's MMIX): the same story for the same seed.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let jitter = if seed == 0 { 0 } else { (dice >> 33) % 61 };
        story.line(&format!("run {}s", EVERY_S - jitter / 2 + jitter % 31));
    }
    if restart_at == Some(changes) {
        story.line("restart");
    }
    story.line(&format!("run {steady}"));
    story
}

struct Heard {
    creates: usize,
    /// When people were told something, and its title and text.
    told: Vec<(Timestamp, String)>,
    /// The last thing the ticket was told about whether it is open.
    ticket_open: bool,
}

fn heard(story: &Story) -> Heard {
    let mut heard = Heard { creates: 0, told: Vec::new(), ticket_open: false };
    for d in &story.decisions {
        let Decision::Intent(i) = d else { continue };
        match i.op {
            IntentOp::Create => (heard.creates, heard.ticket_open) = (heard.creates + 1, true),
            IntentOp::Reopen => heard.ticket_open = true,
            IntentOp::Resolve | IntentOp::Merge => heard.ticket_open = false,
            IntentOp::Notify => heard.told.push((i.at, i.text.clone())),
            IntentOp::Note | IntentOp::Reprioritise => {}
        }
    }
    heard
}

fn check(story: &Story, up_in_the_end: bool, whose: &str) {
    let heard = heard(story);
    assert_eq!(heard.creates, 1, "{whose}: tickets");
    for (at, _) in &heard.told {
        let hour = heard.told.iter().filter(|(t, _)| *t >= *at && t.since(*at).as_secs() < 3600);
        assert!(hour.count() <= 2, "{whose}: more than two messages within an hour of {at}");
    }
    let (_, last) = heard.told.last().expect("somebody was told");
    if up_in_the_end {
        assert!(last.starts_with("Pulih."), "{whose}: the last they heard was {last:?}");
    } else {
        assert!(last.starts_with("Tidak naik-turun lagi"), "{whose}: they heard {last:?}");
    }
    assert_eq!(heard.ticket_open, !up_in_the_end, "{whose}: the ticket follows what is true");
}

#[test]
fn one_ticket_two_messages_an_hour_and_the_final_state() {
    for up in [true, false] {
        for phase_s in [0, 3, 7, 11, 19] {
            check(&life(phase_s, 0, up, None, "75m"), up, &format!("phase {phase_s}, up {up}"));
        }
    }
}

#[test]
fn changes_that_come_early_or_late_are_the_same_flap() {
    for up in [true, false] {
        for seed in 1..=8 {
            check(&life(seed, seed, up, None, "75m"), up, &format!("seed {seed}, up {up}"));
        }
    }
}

#[test]
fn a_restart_in_the_middle_changes_nothing_of_it() {
    for up in [true, false] {
        let steady = life(5, 3, up, None, "75m");
        for at in [1, 2, 3, 4, 5, 60, 61, CHANGES - 2, CHANGES - 1] {
            let stopped = life(5, 3, up, Some(at), "75m");
            check(&stopped, up, &format!("stopped before change {at}, up {up}"));
            assert_eq!(steady.out, stopped.out, "stopped before change {at}, up {up}");
        }
    }
}
