//! At most one note a minute on a ticket: what comes within it is said in one, whatever fails.

use super::*;
use model::DeliveryStep;

const MINUTE: Duration = Duration::from_mins(1);

fn paced(note_every: Duration) -> DeskRules {
    DeskRules { note_every, ..DeskRules::new("rt") }
}

fn told(intents: &[(u64, Intent)]) -> World {
    let mut world = World::new(vec![paced(MINUTE)], Vec::new());
    for (at, intent) in intents {
        world.later(Duration::from_secs(*at), Coming::Intent(Box::new(intent.clone())));
    }
    world.drive();
    world.verdict().expect("in the end all is as it should be");
    world
}

/// The operation of each note and how many seconds after the first intent it was said.
fn notes(world: &World) -> Vec<(String, u64)> {
    let start = Timestamp::from_millis(1_000_000);
    let said = |l: &&DeliveryLine| {
        l.call == Some(DeskCall::Note) && l.step == DeliveryStep::Confirmed && l.about.is_none()
    };
    let line = |l: &DeliveryLine| {
        (l.operation.clone().expect("a note has one"), l.at.since(start).as_secs())
    };
    world.lines.iter().filter(said).map(line).collect()
}

fn confirmed(world: &World, call: DeskCall) -> Vec<u64> {
    let start = Timestamp::from_millis(1_000_000);
    let of = |l: &&DeliveryLine| l.call == Some(call) && l.step == DeliveryStep::Confirmed;
    world.lines.iter().filter(of).map(|l| l.at.since(start).as_secs()).collect()
}

#[test]
fn what_comes_within_a_minute_is_said_in_one_note_and_nothing_is_lost() {
    use IntentOp::{Create, Note, Reprioritise, Resolve};
    let at = |s, r, op, p| (s, intent("a", r, op, p));
    let mut world = told(&[
        at(0, 1, Create, Priority::P2),
        at(10, 2, Note, Priority::P2),
        at(20, 3, Note, Priority::P2),
        at(30, 4, Reprioritise, Priority::P1),
        at(40, 5, Note, Priority::P1),
        at(50, 6, Resolve, Priority::P1),
    ]);
    // The first at once; the rest, the resolution among them, when the minute is over.
    assert_eq!(notes(&world), [("a.2".to_owned(), 10), ("a.6".to_owned(), 70)]);
    // The priority does not wait; closing comes after its note.
    assert_eq!(confirmed(&world, DeskCall::Priority), [30]);
    assert_eq!(confirmed(&world, DeskCall::Resolve), [70]);
    let desk = world.desks.get_mut("rt").expect("it exists");
    assert_eq!(desk.tickets[0].notes, ["a.2", "a.3", "a.4", "a.5", "a.6"]);
}

#[test]
fn a_ticket_that_was_just_closed_is_opened_again_at_once_and_told_later() {
    use IntentOp::{Create, Reopen, Resolve};
    let at = |s, r, op| (s, intent("a", r, op, Priority::P2));
    let world = told(&[at(0, 1, Create), at(100, 2, Resolve), at(110, 3, Reopen)]);
    assert_eq!(confirmed(&world, DeskCall::Reopen), [110]);
    assert_eq!(notes(&world), [("a.2".to_owned(), 100), ("a.3".to_owned(), 160)]);
}

#[test]
fn a_back_and_forth_within_the_minute_is_not_told() {
    use IntentOp::{Create, Note, Reopen, Resolve};
    let at = |s, r, op| (s, intent("a", r, op, Priority::P2));
    let world = told(&[at(0, 1, Create), at(10, 2, Note), at(20, 3, Resolve), at(30, 4, Reopen)]);
    assert_eq!(notes(&world), [("a.2".to_owned(), 10)]);
}

#[test]
fn what_is_too_long_for_one_note_goes_on_in_the_next() {
    let mut all = vec![(0, intent("a", 1, IntentOp::Create, Priority::P2))];
    for n in 2..=8 {
        let mut note = intent("a", n, IntentOp::Note, Priority::P2);
        note.text = "x".repeat(7_000);
        all.push((10 + u64::from(n), note));
    }
    let world = told(&all);
    let said = notes(&world);
    assert_eq!(said.iter().map(|(op, _)| op.as_str()).collect::<Vec<_>>(), ["a.2", "a.5", "a.8"]);
    assert!(said[2].1 - said[1].1 >= 60, "{said:?}");
}

/// Invariant: whatever fails, no ticket gets two notes within the time, none is lost and none is
/// said twice; and a process that starts again keeps to it.
#[test]
fn whatever_fails_notes_keep_their_pace_and_none_is_lost() {
    let every = Duration::from_secs(4);
    let outcome = runner(2000).run(&story(), |story| {
        let rules = DeskRules {
            max_in_flight: 2,
            commit_delay: Duration::ZERO,
            visibility_delay: VISIBILITY,
            ..paced(every)
        };
        let mut world = World::new(vec![rules], story.dice.clone());
        tell(&mut world, &story);
        world.drive();
        world.verdict().map_err(TestCaseError::fail)?;
        let mut last: BTreeMap<&str, Timestamp> = BTreeMap::new();
        for (ticket, at) in &world.desks["rt"].noted {
            if let Some(before) = last.insert(ticket, *at) {
                prop_assert!(at.since(before) >= every, "{ticket}: {before} and {at}");
            }
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
