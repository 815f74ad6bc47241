//! Short stories, each with the one thing it shows.

use super::*;
use model::DeliveryStep;

fn quiet(rules: Vec<DeskRules>, intents: &[(u64, Intent)]) -> World {
    let mut world = World::new(rules, Vec::new());
    for (at, intent) in intents {
        world.later(Duration::from_secs(*at), Coming::Intent(Box::new(intent.clone())));
    }
    world
}

fn steps(world: &World, incident: &str) -> Vec<String> {
    let of = |l: &&DeliveryLine| l.incident.as_str() == incident;
    let word = |l: &DeliveryLine| match l.call {
        Some(call) => format!("{} {call}", l.step),
        None => l.step.to_string(),
    };
    world.lines.iter().filter(of).map(word).collect()
}

fn desk<'a>(world: &'a mut World, name: &str) -> &'a mut Desk {
    world.desks.get_mut(name).expect("it exists")
}

#[test]
fn the_way_of_a_ticket_where_all_is_well() {
    use IntentOp::{Create, Note, Reopen, Reprioritise, Resolve};
    let at = |s, r, op, p| (s, intent("a", r, op, p));
    let mut world = quiet(
        vec![DeskRules::new("rt")],
        &[
            at(0, 1, Create, Priority::P2),
            at(10, 2, Note, Priority::P2),
            at(20, 3, Reprioritise, Priority::P1),
            at(30, 4, Resolve, Priority::P1),
            at(40, 5, Reopen, Priority::P1),
        ],
    );
    world.drive();
    world.verdict().unwrap();
    assert_eq!(
        steps(&world, "a"),
        [
            "reserved",
            "sending create",
            "confirmed create",
            "checked read",
            "settled",
            "sending note",
            "confirmed note",
            "settled",
            "sending note",
            "confirmed note",
            "sending priority",
            "confirmed priority",
            "settled",
            "sending note",
            "confirmed note",
            "sending resolve",
            "confirmed resolve",
            "settled",
            "sending note",
            "confirmed note",
            "sending reopen",
            "confirmed reopen",
            "settled",
        ]
    );
    let rt = desk(&mut world, "rt");
    assert_eq!((rt.writes, rt.reads), (8, 2));
    assert_eq!(world.deliveries.told(&IncidentId::from_text("a")), Some(crate::Told::Told));
}

/// Acceptance: a desk that is away for a minute gets the ticket once when it is back, soon; what
/// passed meanwhile is not told; another desk does not wait.
#[test]
fn a_desk_that_is_away_delays_nobody_and_is_told_what_still_stands() {
    use IntentOp::{Create, Reopen, Reprioritise, Resolve};
    let mut world = quiet(
        vec![DeskRules::new("away"), DeskRules::new("here")],
        &[
            (0, intent("a", 1, Create, Priority::P2)),
            (20, intent("a", 2, Resolve, Priority::P2)),
            (30, intent("a", 3, Reprioritise, Priority::P1)),
            (40, intent("a", 4, Reopen, Priority::P1)),
            (0, intent("b", 1, Create, Priority::P3)),
            (20, intent("b", 2, Resolve, Priority::P3)),
        ],
    );
    let back = world.now + Duration::from_mins(1);
    desk(&mut world, "away").down_until = Some(back);
    world.drive();
    let of = |world: &World, desk: &str, incident: &str, step| {
        world
            .lines
            .iter()
            .find(|l| &*l.desk == desk && l.incident.as_str() == incident && l.step == step)
            .map(|l| l.at)
    };
    let here = of(&world, "here", "a", DeliveryStep::Confirmed).expect("confirmed");
    assert!(here.since(Timestamp::from_millis(1_000_000)) < Duration::from_secs(1));
    let away = of(&world, "away", "a", DeliveryStep::Confirmed).expect("confirmed");
    assert!(away >= back && away.since(back) <= Duration::from_secs(31), "{away} {back}");
    let away = desk(&mut world, "away");
    // a: one create with the priority it has now. b: one create, what it says, and its resolution.
    assert_eq!(away.writes, 1 + 3);
    assert!(
        away.tickets.iter().any(|t| t.open && t.priority == Priority::P1 && t.notes.is_empty())
    );
    assert!(away.tickets.iter().any(|t| !t.open && t.notes == ["b.2"]));
}

#[test]
fn the_urgent_go_first_and_the_limits_hold() {
    let rules = DeskRules { max_in_flight: 3, per_minute: 60, ..DeskRules::new("rt") };
    let mut all = Vec::new();
    for n in 0..40 {
        let priority = if n >= 35 { Priority::P1 } else { Priority::P3 };
        all.push((0, intent(&format!("i{n:02}"), 1, IntentOp::Create, priority)));
    }
    let mut world = quiet(vec![rules], &all);
    let start = world.now;
    world.drive();
    world.verdict().unwrap();
    let confirmed: Vec<&DeliveryLine> =
        world.lines.iter().filter(|l| l.step == DeliveryStep::Confirmed).collect();
    // What had already begun ends first; from then on the urgent ones pass.
    let late = confirmed.iter().rposition(|l| l.priority == Some(Priority::P1)).unwrap();
    assert!(late <= 3 + 5, "the last P1 came at place {late}");
    // 120 requests: a burst of six, then one a second.
    let took = confirmed.last().unwrap().at.since(start);
    assert!(took > Duration::from_secs(70) && took < Duration::from_secs(130), "{took:?}");
}

#[test]
fn a_desk_that_drops_keys_is_never_asked_to_create_twice_in_doubt() {
    let rules = DeskRules::new("rt");
    let mut world = quiet(vec![rules], &[(0, intent("a", 1, IntentOp::Create, Priority::P2))]);
    desk(&mut world, "rt").drops_keys = true;
    world.drive();
    assert!(world.deliveries.status()[0].keyless);
    assert!(steps(&world, "a").contains(&"unkeyed read".to_owned()));
    // The next create is lost after its commit, and no search will ever show it.
    world.loaded.push((DeskCall::Create, Fault::LostAfterCommit));
    world.later(
        Duration::ZERO,
        Coming::Intent(Box::new(intent("b", 1, IntentOp::Create, Priority::P1))),
    );
    let until = world.now + Duration::from_hours(1);
    while world.now < until {
        world.pump();
        let next = world.coming.keys().next().map(|(at, _)| *at);
        let wake = world.deliveries.poll_timeout(world.now).map(|(at, _)| at);
        world.now = next.into_iter().chain(wake).min().expect("it keeps looking");
        let due: Vec<_> = world.coming.range(..=(world.now, u64::MAX)).map(|(k, _)| *k).collect();
        for key in due {
            match world.coming.remove(&key).expect("just seen") {
                Coming::Intent(i) => world.deliveries.handle_intent(&["rt".into()], &i).unwrap(),
                Coming::Answer { desk, incident, answer, .. } => {
                    world.deliveries.handle_answer(&desk, &incident, *answer, world.now);
                }
                Coming::Commit { .. } | Coming::Changes { .. } | Coming::Edit { .. } => {
                    unreachable!()
                }
            }
        }
    }
    assert_eq!(desk(&mut world, "rt").tickets.len(), 2);
    assert_eq!(world.deliveries.told(&IncidentId::from_text("b")), Some(crate::Told::Doubtful));
    assert_eq!(world.deliveries.status()[0].doubtful, 1);
    assert!(steps(&world, "b").len() < 20, "looking in vain fills no journal");
}

#[test]
fn a_dry_run_decides_everything_and_sends_nothing() {
    use IntentOp::{Create, Note, Resolve};
    let dry = DeskRules { dry_run: true, ..DeskRules::new("rt") };
    let mut world = quiet(
        vec![dry],
        &[
            (0, intent("a", 1, Create, Priority::P2)),
            (5, intent("a", 2, Note, Priority::P2)),
            (9, intent("b", 1, Create, Priority::P2)),
            (9, intent("b", 2, Resolve, Priority::P2)),
        ],
    );
    world.drive();
    let rt = desk(&mut world, "rt");
    assert_eq!((rt.writes, rt.reads), (0, 0));
    assert_eq!(
        steps(&world, "a"),
        ["reserved", "dry-run create", "settled", "dry-run note", "settled"]
    );
    // Taken off the dry run, what is still open gets a ticket and what has passed gets none.
    world.rules[0].dry_run = false;
    world.snapshot = None;
    world.crash();
    world.later(Duration::ZERO, Coming::Intent(Box::new(intent("a", 3, Note, Priority::P2))));
    world.drive();
    let rt = desk(&mut world, "rt");
    assert_eq!(rt.tickets.len(), 1);
    assert_eq!(rt.tickets[0].notes, ["a.3"]);
}

#[test]
fn what_a_desk_cannot_do_is_said_and_does_not_block() {
    use IntentOp::{Create, Reprioritise, Resolve};
    let mut rules = DeskRules::new("rt");
    rules.can = crate::Abilities { priority: false, resolve: false, ..crate::Abilities::ALL };
    let mut world = quiet(
        vec![rules],
        &[
            (0, intent("a", 1, Create, Priority::P2)),
            (5, intent("a", 2, Reprioritise, Priority::P1)),
            (9, intent("a", 3, Resolve, Priority::P1)),
        ],
    );
    world.drive();
    let steps = steps(&world, "a");
    assert!(steps.contains(&"unable priority".into()) && steps.contains(&"unable resolve".into()));
    assert_eq!(desk(&mut world, "rt").tickets[0].notes, ["a.2", "a.3"]);
    assert_eq!(world.deliveries.status()[0].pending, 0);
}

#[test]
fn a_lost_note_on_a_desk_whose_notes_cannot_be_read_is_left_out_rather_than_doubled() {
    let mut rules = DeskRules::new("rt");
    rules.can.read_notes = false;
    let mut world = quiet(
        vec![rules],
        &[
            (0, intent("a", 1, IntentOp::Create, Priority::P2)),
            (5, intent("a", 2, IntentOp::Note, Priority::P2)),
            (50, intent("a", 3, IntentOp::Note, Priority::P2)),
        ],
    );
    world.loaded.push((DeskCall::Note, Fault::LostAfterCommit));
    world.drive();
    assert_eq!(desk(&mut world, "rt").tickets[0].notes, ["a.2", "a.3"]);
    assert!(steps(&world, "a").contains(&"given-up note".into()));
}

#[test]
fn a_closed_incident_is_forgotten_once_its_desk_knows() {
    use IntentOp::{Create, Resolve};
    let mut world = quiet(vec![DeskRules::new("rt")], &[]);
    let back = world.now + Duration::from_mins(1);
    desk(&mut world, "rt").down_until = Some(back);
    for (revision, op) in [(1, Create), (2, Resolve)] {
        let i = intent("a", revision, op, Priority::P2);
        world.deliveries.handle_intent(&["rt".into()], &i).unwrap();
    }
    world.deliveries.forget(&IncidentId::from_text("a"));
    assert_eq!(world.deliveries.len(), 1, "the desk does not know yet");
    assert_eq!(world.deliveries.incidents(), [IncidentId::from_text("a")]);
    world.drive();
    assert!(world.deliveries.is_empty() && world.deliveries.is_idle());
    assert!(!desk(&mut world, "rt").tickets[0].open);
}

#[test]
fn of_several_tickets_with_the_key_the_oldest_wins_and_the_others_are_named() {
    let mut world =
        quiet(vec![DeskRules::new("rt")], &[(0, intent("a", 1, IntentOp::Create, Priority::P2))]);
    let key = model::id::ticket_key(&IncidentId::from_text("a"), INSTANCE, 0);
    for key in ["kent-other", &key, &key] {
        let now = world.now;
        desk(&mut world, "rt").tickets.push(Ticket::new(key, Priority::P2, now));
    }
    world.drive();
    let found = world.lines.iter().find(|l| l.step == DeliveryStep::Found).unwrap();
    assert_eq!(found.ticket.as_ref().unwrap().id, "2");
    assert!(found.reason.contains("and so have 3"), "{}", found.reason);
    assert_eq!(desk(&mut world, "rt").writes, 0);
}

/// A ticket that somebody deleted gets a successor while the failure lasts, under a key of its own.
#[test]
fn a_deleted_ticket_gets_a_successor_while_the_failure_lasts() {
    use IntentOp::{Create, Resolve};
    let mut world = quiet(vec![DeskRules::new("rt")], &[(0, intent("a", 1, Create, Priority::P2))]);
    world.drive();
    desk(&mut world, "rt").deleted = Some(1);
    world.deliveries.sweep();
    world.drive();
    assert_eq!(desk(&mut world, "rt").tickets.len(), 2);
    let successor = model::id::ticket_key(&IncidentId::from_text("a"), INSTANCE, 1);
    assert_eq!(desk(&mut world, "rt").tickets[1].key, successor);
    assert!(steps(&world, "a").contains(&"gone".into()));
    world.deliveries.sweep();
    world.drive();
    assert_eq!(desk(&mut world, "rt").tickets.len(), 2, "the successor is there");
    // Once the failure is over nobody needs another.
    let resolve = intent("a", 2, Resolve, Priority::P2);
    world.later(Duration::ZERO, Coming::Intent(Box::new(resolve)));
    world.drive();
    desk(&mut world, "rt").deleted = Some(2);
    world.deliveries.sweep();
    world.drive();
    assert_eq!(desk(&mut world, "rt").tickets.len(), 2);
    assert_eq!(world.deliveries.status()[0].pending, 0);
}

/// What is rebuilt after a crash knows of the successor.
#[test]
fn a_ticket_that_cannot_be_opened_again_gets_a_successor() {
    use IntentOp::{Create, Reopen, Resolve};
    let mut rules = DeskRules::new("rt");
    rules.can.reopen = false;
    let mut world = quiet(
        vec![rules],
        &[
            (0, intent("a", 1, Create, Priority::P2)),
            (60, intent("a", 2, Resolve, Priority::P2)),
            (120, intent("a", 3, Reopen, Priority::P2)),
        ],
    );
    world.drive();
    let open: Vec<bool> = desk(&mut world, "rt").tickets.iter().map(|t| t.open).collect();
    assert_eq!(open, [false, true]);
    world.snapshot = None;
    world.crash();
    world.later(Duration::ZERO, Coming::Intent(Box::new(intent("a", 4, Resolve, Priority::P2))));
    world.drive();
    let open: Vec<bool> = desk(&mut world, "rt").tickets.iter().map(|t| t.open).collect();
    assert_eq!(open, [false, false]);
}

#[test]
fn a_sweep_tells_and_closes_another_ticket_with_the_key_and_asks_nobody_twice() {
    let mut world =
        quiet(vec![DeskRules::new("rt")], &[(0, intent("a", 1, IntentOp::Create, Priority::P2))]);
    world.drive();
    let (now, key) = (world.now, model::id::ticket_key(&IncidentId::from_text("a"), INSTANCE, 0));
    desk(&mut world, "rt").tickets.push(Ticket::new(&key, Priority::P2, now));
    world.loaded.push((DeskCall::Resolve, Fault::LostAfterCommit));
    world.deliveries.sweep();
    world.drive();
    let rt = desk(&mut world, "rt");
    assert_eq!((rt.tickets[0].open, rt.tickets[1].open), (true, false));
    assert_eq!((rt.tickets[0].notes.len(), rt.tickets[1].notes.len()), (0, 1));
    let writes = rt.writes;
    world.deliveries.sweep();
    world.drive();
    assert_eq!(desk(&mut world, "rt").writes, writes);
}

#[test]
fn a_line_that_becomes_durable_too_late_lets_nothing_leave() {
    let mut d = Deliveries::new(INSTANCE, vec![DeskRules::new("rt")]);
    let t0 = Timestamp::from_millis(1_000_000);
    let a = IncidentId::from_text("a");
    d.handle_intent(&["rt".into()], &intent("a", 1, IntentOp::Create, Priority::P1)).unwrap();
    let Some(Step::Record { number, .. }) = d.poll_step(t0) else { panic!("reserved first") };
    assert_eq!(d.poll_step(t0), None, "nothing leaves before its line is durable");
    d.handle_recorded(number);
    let Some(Step::Call(find)) = d.poll_step(t0) else { panic!("then the look") };
    assert!(find.first && find.call.kind() == DeskCall::Find);
    d.handle_answer("rt", &a, Answer::Rows(Outcome::Done(Vec::new())), t0);
    let Some(Step::Record { number, line }) = d.poll_step(t0) else { panic!("then sending") };
    let late = line.deadline.unwrap() + Duration::from_millis(1);
    d.handle_recorded(number);
    let Some(Step::Record { line, number }) = d.poll_step(late) else { panic!("called off") };
    assert_eq!(line.step, DeliveryStep::Refused);
    d.handle_recorded(number);
    let Some(Step::Call(again)) = d.poll_step(late) else { panic!("and looked up again") };
    assert!(!again.first && again.call.kind() == DeskCall::Find);
}

/// The bound on what waits in memory: 100,000 tickets of a desk that is away.
#[test]
fn a_hundred_thousand_pending_tickets_are_taken_in_quickly() {
    let mut d = Deliveries::new(INSTANCE, vec![DeskRules::new("rt")]);
    let start = std::time::Instant::now();
    for n in 0..100_000 {
        let create = intent(&format!("k7f3-{n}"), 1, IntentOp::Create, Priority::P3);
        d.handle_intent(&["rt".into()], &create).unwrap();
    }
    assert_eq!(d.status()[0].pending, 100_000);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn a_drain_starts_nothing_and_leaves_nothing_half_done() {
    let mut d = Deliveries::new(INSTANCE, vec![DeskRules::new("rt")]);
    let t0 = Timestamp::from_millis(1_000_000);
    for incident in ["a", "b"] {
        d.handle_intent(&["rt".into()], &intent(incident, 1, IntentOp::Create, Priority::P1))
            .unwrap();
    }
    let turn = |d: &mut Deliveries| {
        let (mut lines, mut calls, mut last) = (Vec::new(), Vec::new(), 0);
        while let Some(step) = d.poll_step(t0) {
            match step {
                Step::Record { number, line } => {
                    last = number;
                    lines.push(line);
                }
                Step::Call(request) => calls.push(request),
                Step::Changes { .. } => unreachable!("nobody is listened to"),
            }
        }
        (lines, calls, last)
    };
    let (_, _, last) = turn(&mut d);
    d.handle_recorded(last);
    let (_, calls, _) = turn(&mut d);
    assert_eq!(calls.len(), 2);
    let none = || Answer::Rows(Outcome::Done(Vec::new()));
    d.handle_answer("rt", &calls[0].incident, none(), t0);
    let (lines, _, last) = turn(&mut d);
    assert_eq!(lines[0].step, DeliveryStep::Sending);
    d.drain();
    d.handle_recorded(last);
    let (lines, calls_now, last) = turn(&mut d);
    assert!(calls_now.is_empty(), "what was announced does not leave any more");
    assert_eq!(lines[0].step, DeliveryStep::Refused);
    d.handle_recorded(last);
    assert_eq!(d.in_flight(), 1, "the other look is still under way");
    d.handle_answer("rt", &calls[1].incident, none(), t0);
    assert_eq!(d.in_flight(), 0);
    assert!(turn(&mut d).1.is_empty());
    assert_eq!(d.status()[0].doubtful, 0);
}

/// Each desk says it in its own words, where it has some; the others say it as the core does.
#[test]
fn a_desk_with_words_of_its_own_says_it_in_them() {
    let rules = ["plain", "worded"].map(DeskRules::new).to_vec();
    let mut deliveries = Deliveries::new(INSTANCE, rules);
    let mut now = Timestamp::from_millis(1_000_000);
    let mut said: Vec<(String, String)> = Vec::new();
    for (revision, op) in [(1, IntentOp::Create), (2, IntentOp::Note)] {
        let words = crate::Wording { title: "judul".into(), text: format!("isi {revision}") };
        let worded = Destination { wording: Some(words), ..Destination::from("worded") };
        let category = Some("7".into());
        let plain = Destination { category, ..Destination::from("plain") };
        let intent = intent("a", revision, op, Priority::P2);
        deliveries.handle_intent(&[plain, worded], &intent).expect("there is room");
        loop {
            let mut last = None;
            while let Some(step) = deliveries.poll_step(now) {
                let Step::Call(request) = step else {
                    let Step::Record { number, .. } = step else { unreachable!() };
                    last = Some(number);
                    continue;
                };
                let answer = match &request.call {
                    Call::Find { .. } => Answer::Rows(Outcome::Done(Vec::new())),
                    Call::Create(draft) => {
                        said.push((
                            format!("{} {}", request.desk, draft.title),
                            draft.text.clone(),
                        ));
                        assert_eq!(draft.category.is_some(), &*request.desk == "plain");
                        let ticket = TicketRef { id: "1".into(), url: None };
                        Answer::Created(Outcome::Done(ticket))
                    }
                    Call::Note { note, .. } => {
                        said.push((request.desk.to_string(), note.text.clone()));
                        Answer::Written(Outcome::Done(()))
                    }
                    Call::Read { .. } => Answer::Ticket(Outcome::Done(Snapshot {
                        key: Some(model::id::ticket_key(&intent.incident, INSTANCE, 0)),
                        open: true,
                        ..Snapshot::default()
                    })),
                    other => panic!("{other:?}"),
                };
                deliveries.handle_answer(&request.desk, &request.incident, answer, now);
            }
            let Some(last) = last else { break };
            deliveries.handle_recorded(last);
            now = now + Duration::from_millis(1);
        }
    }
    let begins: Vec<String> = said
        .iter()
        .map(|(who, text)| format!("{who}: {}", text.lines().next().unwrap_or_default()))
        .collect();
    assert_eq!(
        begins,
        [
            "plain a tidak terjangkau: teks 1",
            "worded judul: isi 1",
            "plain: teks 2",
            "worded: isi 2"
        ]
    );
}
