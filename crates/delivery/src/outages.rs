//! A desk that is away or slow: asked seldom, caught up soon, in nobody's way.

use super::*;
use model::DeliveryStep;
use std::collections::BTreeSet;

fn at_once(n: usize, ops: &[(u64, IntentOp)]) -> Vec<(u64, Intent)> {
    let mut all = Vec::new();
    for i in 0..n {
        for (r, (at, op)) in ops.iter().enumerate() {
            all.push((*at, intent(&format!("i{i:03}"), r as u32 + 1, *op, Priority::P3)));
        }
    }
    all
}

fn away(rules: Vec<DeskRules>, intents: &[(u64, Intent)], desk: &str, secs: u64) -> World {
    let mut world = World::new(rules, Vec::new());
    for (at, intent) in intents {
        world.later(Duration::from_secs(*at), Coming::Intent(Box::new(intent.clone())));
    }
    let back = world.now + Duration::from_secs(secs);
    world.desks.get_mut(desk).expect("it exists").down_until = Some(back);
    world.drive();
    world
}

fn confirmed<'a>(world: &'a World, desk: &'a str) -> impl Iterator<Item = &'a DeliveryLine> {
    let of = move |l: &&DeliveryLine| {
        &*l.desk == desk && l.step == DeliveryStep::Confirmed && l.call == Some(DeskCall::Create)
    };
    world.lines.iter().filter(of)
}

/// Acceptance: two hundred tickets wait for a desk that is away for ten minutes. It is asked a few
/// dozen times, not thousands; when it is back all of them are there soon; the other desk has them
/// within the second.
#[test]
fn a_desk_that_is_away_is_asked_seldom_and_caught_up_soon() {
    let rules = vec![DeskRules::new("away"), DeskRules::new("here")];
    let world = away(rules, &at_once(200, &[(0, IntentOp::Create)]), "away", 600);
    world.verdict().expect("in the end all is as it should be");
    let start = Timestamp::from_millis(1_000_000);
    let last = confirmed(&world, "here").map(|l| l.at).max().expect("confirmed");
    assert!(last.since(start) < Duration::from_secs(60), "{last}");
    let (first, last) = (
        confirmed(&world, "away").map(|l| l.at).min().expect("confirmed"),
        confirmed(&world, "away").map(|l| l.at).max().expect("confirmed"),
    );
    assert!(first.since(start) >= Duration::from_secs(600));
    assert!(last.since(start) < Duration::from_secs(600 + 31 + 60), "{:?}", last.since(start));
    let asked = world.desks["away"].asked_while_down;
    assert!(asked < 60, "{asked} requests to a desk that was away");
}

/// A ticket that a desk chokes on does not speak for the others.
#[test]
fn a_ticket_that_the_desk_chokes_on_does_not_keep_the_others_waiting() {
    let mut all = at_once(20, &[(0, IntentOp::Create)]);
    all.push((0, intent("poison", 1, IntentOp::Create, Priority::P1)));
    let mut world = World::new(vec![DeskRules::new("rt")], Vec::new());
    world.desks.get_mut("rt").expect("it exists").chokes_on = Some("poison".into());
    for (at, intent) in all {
        world.later(Duration::from_secs(at), Coming::Intent(Box::new(intent)));
    }
    world.drive_until(Duration::from_mins(10));
    let done: BTreeSet<&str> = confirmed(&world, "rt").map(|l| l.incident.as_str()).collect();
    assert_eq!(done.len(), 20, "{done:?}");
}

/// One catch-up ticket for each incident still open; none for what has passed, unless that is wanted.
#[test]
fn what_passed_while_the_desk_was_away_gets_no_ticket_unless_that_is_wanted() {
    use IntentOp::{Create, Reopen, Resolve};
    let open = |name: &str| (0, intent(name, 1, Create, Priority::P2));
    let intents = [
        open("stands"),
        open("passed"),
        (30, intent("passed", 2, Resolve, Priority::P2)),
        open("back"),
        (30, intent("back", 2, Resolve, Priority::P2)),
        (400, intent("back", 3, Reopen, Priority::P2)),
    ];
    for (wanted, tickets) in [(true, 3), (false, 2)] {
        let rules = DeskRules { tickets_for_passed: wanted, ..DeskRules::new("rt") };
        let mut world = away(vec![rules], &intents, "rt", 300);
        let rt = &world.desks["rt"];
        assert_eq!(rt.tickets.len(), tickets, "{wanted}");
        assert_eq!(rt.tickets.iter().filter(|t| t.open).count(), 2);
        let status = world.deliveries.status();
        assert_eq!((status[0].pending, status[0].doubtful), (0, 0));
        let passed = IncidentId::from_text("passed");
        assert_eq!(world.deliveries.told(&passed).is_some(), wanted);
        // What a person writes on it later opens none either, and a new process knows.
        world.crash();
        world.later(
            Duration::from_secs(1),
            Coming::Intent(Box::new(intent("passed", 3, IntentOp::Note, Priority::P2))),
        );
        world.drive();
        assert_eq!(world.desks["rt"].tickets.len(), tickets, "{wanted}");
        world.deliveries.forget(&passed);
        assert!(!world.deliveries.incidents().contains(&passed));
    }
}

/// An incident that is over within the minute, on a desk that is there, has its ticket.
#[test]
fn what_is_over_soon_has_its_ticket() {
    let rules = DeskRules { tickets_for_passed: false, ..DeskRules::new("rt") };
    let ops = [(0, IntentOp::Create), (0, IntentOp::Resolve)];
    let mut intents = at_once(3, &ops);
    for (_, intent) in &mut intents {
        intent.received = Timestamp::from_millis(1_000_000);
    }
    let world = away(vec![rules], &intents, "rt", 0);
    world.verdict().expect("in the end all is as it should be");
    assert_eq!(world.desks["rt"].tickets.len(), 3);
}

/// Invariant: whatever fails, and whatever passes meanwhile, nothing doubles and nothing is lost that
/// still stands; the breaker changes when, not what.
#[test]
fn whatever_fails_the_breaker_changes_when_and_not_what() {
    let outcome = runner(1500).run(&(story(), 0u64..200), |(story, down)| {
        let rules = DeskRules {
            max_in_flight: 2,
            commit_delay: Duration::ZERO,
            visibility_delay: VISIBILITY,
            ..DeskRules::new("rt")
        };
        let other = DeskRules { name: "other".into(), ..rules.clone() };
        let mut world = World::new(vec![rules, other], story.dice.clone());
        let back = world.now + Duration::from_secs(down);
        world.desks.get_mut("rt").expect("it exists").down_until = Some(back);
        tell(&mut world, &story);
        world.drive();
        world.faults += world.desks["rt"].asked_while_down;
        world.verdict().map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
