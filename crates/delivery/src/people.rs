//! People at the desk: what they do is heard once, answered where it must be, and never undone.

use super::*;
use model::{DeskChange, News};

/// What a person does to a ticket.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Edit {
    Take(&'static str),
    Say(&'static str),
    Close,
    Reopen,
    Set(Priority),
    MergeInto(usize),
    Delete,
}

const POLL: Duration = Duration::from_secs(30);

fn listening(name: &str) -> DeskRules {
    DeskRules { poll: POLL, commit_delay: Duration::ZERO, ..DeskRules::new(name) }
}

impl Desk {
    /// What was changed last, as a list of tickets says.
    pub(super) fn changed(&self) -> Changes {
        let rows = self.tickets.iter().enumerate();
        let shown = rows.filter(|(n, t)| t.merged_into.is_none() && self.deleted != Some(n + 1));
        let rows = shown.map(|(n, t)| Changed {
            id: (n + 1).to_string(),
            changed: format!("{:09}", t.changes),
        });
        Changes { rows: rows.collect(), complete: true }
    }
}

impl World {
    /// A person does it, unless one of our own requests about it is just under way: what comes
    /// between a look and the write after it cannot be seen by anybody.
    pub(super) fn edit(&mut self, desk: Arc<str>, ticket: usize, edit: Edit) {
        let absent = self.desks[&desk].tickets.len() < ticket;
        if absent || self.deliveries.in_flight() > 0 {
            self.later(Duration::from_millis(700), Coming::Edit { desk, ticket, edit });
            return;
        }
        let at = self.desks.get_mut(&desk).expect("it exists");
        let mut changed = true;
        let before = &mut at.tickets[ticket - 1];
        let said = before.remarks.len() + 1;
        match &edit {
            Edit::Take(by) => {
                changed = before.owner.replace((*by).into()).as_deref() != Some(by);
                before.last = Some((*by).into());
            }
            Edit::Say(text) => {
                let id = said.to_string();
                before.remarks.push(Remark { id, by: Some("sari".into()), text: (*text).into() });
            }
            Edit::Close => changed = std::mem::replace(&mut before.open, false),
            Edit::Reopen => changed = !std::mem::replace(&mut before.open, true),
            Edit::Set(p) => changed = std::mem::replace(&mut before.priority, *p) != *p,
            Edit::MergeInto(other) => {
                before.merged_into = Some(*other);
                at.tickets[other - 1].last = Some("sari".into());
            }
            Edit::Delete => at.deleted = Some(ticket),
        }
        if changed {
            let t = &mut at.tickets[ticket - 1];
            t.changes += 1;
            t.last.get_or_insert_with(|| "sari".into());
            self.edits.push((self.now, ticket, edit));
        }
    }

    fn at(&mut self, seconds: u64, edit: Edit) {
        let desk = self.rules[0].name.clone();
        self.later(Duration::from_secs(seconds), Coming::Edit { desk, ticket: 1, edit });
    }

    fn run(&mut self, seconds: u64) {
        self.until = self.now + Duration::from_secs(seconds);
        self.drive();
        self.now = self.until;
    }

    /// What was heard, in the order of the journal.
    fn news(&self) -> Vec<(Timestamp, &DeliveryLine, &News)> {
        let of = |l: &'_ DeliveryLine| l.heard.clone().map(|h| h.news).unwrap_or_default().len();
        let lines = self.lines.iter().filter(|l| of(l) > 0);
        let each =
            lines.flat_map(|l| l.heard.iter().flat_map(|h| &h.news).map(move |n| (l.at, l, n)));
        each.collect()
    }

    fn heard(&self) -> Vec<String> {
        let word = |n: &News| {
            let what = n.text.clone().or(n.priority.map(|p| p.to_string())).unwrap_or_default();
            format!("{:?} {} {what}", n.change, n.by.as_deref().unwrap_or("-")).trim().to_owned()
        };
        self.news().into_iter().map(|(_, _, n)| word(n)).collect()
    }

    fn writes_of(&self, kind: DeskCall) -> usize {
        self.written.iter().filter(|(_, c)| c.kind() == kind).count()
    }
}

fn told(rules: DeskRules, intents: &[(u64, u32, IntentOp, Priority)]) -> World {
    let mut world = World::new(vec![rules], Vec::new());
    for (at, revision, op, priority) in intents {
        let intent = intent("a", *revision, *op, *priority);
        world.later(Duration::from_secs(*at), Coming::Intent(Box::new(intent)));
    }
    world
}

#[test]
fn what_people_do_is_heard_within_a_poll_and_once() {
    use IntentOp::Create;
    for changes in [false, true] {
        let mut rules = listening("rt");
        rules.can.changes = changes;
        let mut world = told(rules, &[(0, 1, Create, Priority::P2)]);
        world.at(60, Edit::Take("sari"));
        world.at(61, Edit::Say("teknisi berangkat"));
        world.at(62, Edit::Set(Priority::P1));
        world.run(93);
        let all = ["Taken sari", "Noted sari teknisi berangkat", "Reprioritised sari P1"];
        assert_eq!(world.heard(), all, "changes: {changes}");
        world.run(1800);
        assert_eq!(world.heard(), all, "changes: {changes}");
        assert_eq!(world.written.len(), 1, "nothing but the create: {:?}", world.written);
        let reads = world.desks["rt"].reads;
        assert!(if changes { reads < 15 } else { reads > 50 }, "{changes}: {reads} reads");
    }
}

/// A priority that a person chose stays, whatever is decided later; a note says what was decided.
#[test]
fn a_priority_of_a_person_is_theirs_from_then_on() {
    use IntentOp::{Create, Reprioritise};
    let mut world = told(
        listening("rt"),
        &[
            (0, 1, Create, Priority::P2),
            (200, 2, Reprioritise, Priority::P1),
            // In the very second of the decision, before any poll.
            (400, 3, Reprioritise, Priority::P2),
        ],
    );
    world.at(199, Edit::Set(Priority::P3));
    world.run(1000);
    assert_eq!(world.desks["rt"].tickets[0].priority, Priority::P3);
    assert_eq!(world.writes_of(DeskCall::Priority), 0, "{:?}", world.written);
    // Our own note came after it, so that the desk names us and not who it was.
    assert_eq!(world.heard(), ["Reprioritised - P3"]);
    assert_eq!(world.desks["rt"].tickets[0].notes, ["a.2", "a.3"]);
    let status = world.deliveries.status();
    assert_eq!(status[0].pending, 0, "the desk shows what it should: {status:?}");
}

/// The correlator makes the incident what the person said; the desk that said it hears nothing.
#[test]
fn what_a_person_chose_is_not_told_back_to_them() {
    use IntentOp::{Create, Reprioritise};
    let mut world = told(
        listening("rt"),
        &[(0, 1, Create, Priority::P2), (100, 2, Reprioritise, Priority::P1)],
    );
    world.at(60, Edit::Set(Priority::P1));
    world.run(300);
    assert_eq!(world.heard(), ["Reprioritised sari P1"]);
    assert_eq!(world.written.len(), 1, "{:?}", world.written);
}

#[test]
fn a_closure_while_the_failure_lasts_is_answered_once_and_opened_again_later() {
    use IntentOp::{Create, Resolve};
    let rules = DeskRules { reopen_after: Duration::from_mins(15), ..listening("rt") };
    let mut world = told(rules, &[(0, 1, Create, Priority::P1), (4000, 2, Resolve, Priority::P1)]);
    world.at(60, Edit::Close);
    world.run(800);
    assert_eq!(world.heard(), ["Closed sari"]);
    let ticket = &world.desks["rt"].tickets[0];
    assert!(!ticket.open && ticket.notes.len() == 1, "{ticket:?}");
    world.run(300);
    assert!(world.desks["rt"].tickets[0].open, "open again after a quarter of an hour");
    // Again: one more answer, and twice the time.
    world.at(10, Edit::Close);
    world.run(1500);
    let ticket = &world.desks["rt"].tickets[0];
    assert!(!ticket.open && ticket.notes.len() == 2, "{ticket:?}");
    world.run(500);
    assert!(world.desks["rt"].tickets[0].open);
    world.run(1000);
    let ticket = &world.desks["rt"].tickets[0];
    assert!(!ticket.open, "the incident is over");
    assert_eq!(ticket.notes.len(), 3, "two answers and the resolution");
    assert_eq!((world.writes_of(DeskCall::Reopen), world.writes_of(DeskCall::Resolve)), (2, 1));
    assert_eq!(world.heard(), ["Closed sari", "Closed sari"]);
}

#[test]
fn a_closure_is_left_where_that_is_configured_or_the_failure_ends() {
    use IntentOp::{Create, Resolve};
    let never = DeskRules { reopen_after: Duration::ZERO, ..listening("rt") };
    let mut world = told(never, &[(0, 1, Create, Priority::P1)]);
    world.at(60, Edit::Close);
    world.run(100_000);
    let ticket = &world.desks["rt"].tickets[0];
    assert!(!ticket.open && ticket.notes.len() == 1, "{ticket:?}");

    let intents = [(0, 1, Create, Priority::P1), (300, 2, Resolve, Priority::P1)];
    let mut world = told(listening("rt"), &intents);
    world.at(60, Edit::Close);
    world.run(5000);
    let ticket = &world.desks["rt"].tickets[0];
    assert!(!ticket.open && ticket.notes.len() == 2, "the answer and the resolution: {ticket:?}");
    assert_eq!(world.writes_of(DeskCall::Reopen) + world.writes_of(DeskCall::Resolve), 0);
}

/// Where the incident is opened again after a person closed its ticket, the ticket is as well.
#[test]
fn what_is_decided_after_a_person_has_its_way() {
    use IntentOp::{Create, Reopen, Resolve};
    let mut world = told(
        listening("rt"),
        &[
            (0, 1, Create, Priority::P1),
            (300, 2, Resolve, Priority::P1),
            (400, 3, Reopen, Priority::P1),
            (600, 4, Resolve, Priority::P1),
        ],
    );
    world.at(60, Edit::Close);
    world.run(500);
    assert!(world.desks["rt"].tickets[0].open, "open again at once");
    // After the end a person opens it again: it is theirs, and stays so.
    world.at(200, Edit::Reopen);
    world.run(4000);
    assert!(world.desks["rt"].tickets[0].open);
    assert_eq!(world.heard(), ["Closed sari", "Reopened sari"]);
    assert_eq!((world.writes_of(DeskCall::Reopen), world.writes_of(DeskCall::Resolve)), (1, 1));
}

#[test]
fn a_merged_ticket_is_followed_and_a_deleted_one_has_a_successor() {
    use IntentOp::{Create, Note, Resolve};
    let mut world = told(
        listening("rt"),
        &[
            (0, 1, Create, Priority::P1),
            (200, 2, Note, Priority::P1),
            (300, 3, Resolve, Priority::P1),
        ],
    );
    world.run(10);
    // Somebody's own ticket.
    let mut other = world.desks["rt"].tickets[0].clone();
    (other.key, other.notes) = (String::new(), Vec::new());
    world.desks.get_mut("rt").expect("it exists").tickets.push(other);
    world.at(60, Edit::MergeInto(2));
    world.run(3000);
    assert_eq!(world.heard(), ["Merged sari"]);
    let tickets = &world.desks["rt"].tickets;
    assert_eq!(tickets.len(), 2);
    assert_eq!(tickets[1].notes, ["a.2", "a.3"], "what is to be said is said where it is read");
    assert!(tickets[1].open, "it is somebody's ticket: they close it");

    let mut world = told(listening("rt"), &[(0, 1, Create, Priority::P1)]);
    world.at(60, Edit::Delete);
    world.run(120);
    assert_eq!(world.heard(), ["Deleted -"], "within a poll");
    let tickets = &world.desks["rt"].tickets;
    assert_eq!(tickets.len(), 2);
    assert_ne!(tickets[0].key, tickets[1].key);
    world.run(3000);
    assert_eq!(world.desks["rt"].tickets.len(), 2);
}

/// There are desks that give the number of a ticket that was deleted to the next one.
#[test]
fn a_number_that_was_given_again_is_another_ticket() {
    let mut world = told(listening("rt"), &[(0, 1, IntentOp::Create, Priority::P1)]);
    world.run(60);
    let ticket = &mut world.desks.get_mut("rt").expect("it exists").tickets[0];
    (ticket.key, ticket.open, ticket.changes) = ("kent-stranger".into(), false, 9);
    world.run(60);
    assert_eq!(world.heard(), ["Deleted -"], "and not closed by a person");
    let tickets = &world.desks["rt"].tickets;
    assert!(tickets.len() == 2 && tickets[1].open && tickets[0].notes.is_empty(), "{tickets:?}");
}

/// Whoever a rule of the desk gives a new ticket to has not taken it.
#[test]
fn an_owner_by_rule_has_taken_nothing() {
    let mut world = told(listening("rt"), &[(0, 1, IntentOp::Create, Priority::P1)]);
    world.loaded.push((DeskCall::Create, Fault::None));
    world.later(
        Duration::from_millis(60),
        Coming::Edit { desk: "rt".into(), ticket: 1, edit: Edit::Take("duty") },
    );
    // Between the create and the look after it.
    while world.desks["rt"].tickets.is_empty() {
        world.run(0);
        world.now = world.now + Duration::from_millis(10);
    }
    world.desks.get_mut("rt").expect("it exists").tickets[0].owner = Some("duty".into());
    world.run(300);
    assert_eq!(world.heard(), Vec::<String>::new());
    world.at(0, Edit::Take("sari"));
    world.run(60);
    assert_eq!(world.heard(), ["Taken sari"]);
}

/// Polling takes its turn after everything that writes, and half of what the desk lets through.
#[test]
fn listening_never_keeps_a_write_waiting() {
    let mut rules = DeskRules { per_minute: 120, max_in_flight: 4, ..listening("rt") };
    rules.can.changes = false;
    let mut world = World::new(vec![rules], Vec::new());
    for n in 0..300 {
        let create = intent(&format!("i{n}"), 1, IntentOp::Create, Priority::P3);
        world.later(Duration::ZERO, Coming::Intent(Box::new(create)));
    }
    world.run(1200);
    assert_eq!(world.desks["rt"].tickets.len(), 300);
    // 300 tickets to read in 30 s, and 120 requests a minute: the desk is read all the time.
    for n in 0..20 {
        let note = intent(&format!("i{n}"), 2, IntentOp::Note, Priority::P3);
        world.later(Duration::from_secs(10 * n), Coming::Intent(Box::new(note)));
    }
    let began = world.now;
    world.run(300);
    let notes: Vec<_> =
        world.written.iter().filter(|(_, c)| c.kind() == DeskCall::Note).map(|w| w.0).collect();
    assert_eq!(notes.len(), 20);
    for (n, at) in notes.iter().enumerate() {
        let late = at.since(began + Duration::from_secs(10 * n as u64));
        assert!(late < Duration::from_millis(50), "note {n} left after {late:?}");
    }
}

fn edits() -> impl Strategy<Value = Vec<(u16, u8, u8, u8)>> {
    prop::collection::vec((0u16..1200, any::<u8>(), any::<u8>(), any::<u8>()), 0..12)
}

fn edit_of(what: u8, which: u8) -> Edit {
    match what % 6 {
        0 => Edit::Take(["sari", "budi", "wayan"][usize::from(which) % 3]),
        1 => Edit::Say(["sudah dicek", "menunggu suku cadang"][usize::from(which) % 2]),
        2 => Edit::Close,
        3 => Edit::Reopen,
        _ => Edit::Set(PRIORITIES[usize::from(which) % 3]),
    }
}

/// Acceptance: random edits by people, between random decisions and over deaths of the process, are
/// heard; whatever state that leads to, what comes next is heard within one poll; each decision is at most one write a field; nothing is written once all
/// is quiet; and what a person chose last is what the ticket shows.
#[test]
fn random_edits_of_people_converge_in_one_cycle() {
    let strategy = (edits(), story(), any::<bool>());
    let outcome = runner(400).run(&strategy, |(edits, story, changes)| {
        converge(&edits, &story, changes).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn converge(edits: &[(u16, u8, u8, u8)], story: &Story, changes: bool) -> Result<(), String> {
    let mut rules = DeskRules {
        visibility_delay: Duration::from_secs(1),
        reopen_after: Duration::from_secs(40),
        ..listening("rt")
    };
    rules.can.changes = changes;
    let mut world = World::new(vec![rules], Vec::new());
    tell(&mut world, story);
    let many = story.incidents.len();
    for (at, ticket, what, which) in edits {
        let (ticket, edit) = (usize::from(*ticket) % many + 1, edit_of(*what, *which));
        let desk: Arc<str> = "rt".into();
        world.later(Duration::from_secs((*at).into()), Coming::Edit { desk, ticket, edit });
    }
    // Deaths, by the dice of the story; no faults of the desk: those have their own test.
    for (n, roll) in story.dice.iter().take(6).enumerate() {
        world.run(u64::from(*roll));
        if n % 2 == 0 {
            world.crash();
        }
    }
    world.run(1300);
    for (at, ticket, edit) in &world.edits {
        let Edit::Say(text) = edit else { continue };
        let found = world.news().iter().any(|(heard, line, n)| {
            of_ticket(line, *ticket) && n.text.as_deref() == Some(*text) && heard >= at
        });
        if !found {
            return Err(format!("{text} at {at} was not heard"));
        }
    }
    for number in 1..=many {
        let of = |what: DeskChange| {
            world
                .news()
                .into_iter()
                .rev()
                .find(|(_, l, n)| of_ticket(l, number) && n.change == what)
        };
        let last_take = world.edits.iter().rev().find_map(|(_, t, e)| match e {
            Edit::Take(by) if *t == number => Some(*by),
            _ => None,
        });
        let taken = of(DeskChange::Taken).and_then(|(_, _, n)| n.by.clone());
        if taken.as_deref() != last_take {
            return Err(format!("ticket {number}: {last_take:?} took it: {:?}", world.heard()));
        }
        // Set and set back between two looks: nobody saw it.
        let last_set = world.edits.iter().rev().find_map(|(_, t, e)| match e {
            Edit::Set(p) if *t == number => Some(*p),
            _ => None,
        });
        let shows = world.desks["rt"].tickets[number - 1].priority;
        if of(DeskChange::Reprioritised).is_some() && last_set.is_some_and(|p| p != shows) {
            return Err(format!("ticket {number}: {last_set:?} was overwritten by {shows}"));
        }
    }
    one_cycle(&mut world, many, changes)?;
    // At most one write a field for each decision, and one reopening for each closure.
    let intents = |pick: fn(IntentOp) -> bool| world.intents.iter().filter(|i| pick(i.op)).count();
    let closed =
        world.news().into_iter().filter(|(_, _, n)| n.change == DeskChange::Closed).count();
    let reprioritised = intents(|op| op == IntentOp::Reprioritise);
    if world.writes_of(DeskCall::Priority) > reprioritised + world.crashes {
        return Err(format!("{reprioritised} decisions: {:?}", world.written));
    }
    let states = intents(|op| matches!(op, IntentOp::Resolve | IntentOp::Reopen | IntentOp::Merge));
    let of_state = world.writes_of(DeskCall::Resolve) + world.writes_of(DeskCall::Reopen);
    if of_state > states + closed + world.crashes {
        return Err(format!("{states} decisions, {closed} closures: {:?}", world.written));
    }
    // Quiet from here on: no ping-pong.
    world.run(8000);
    let (written, said) = (world.written.len(), world.news().len());
    world.run(3000);
    if (world.written.len(), world.news().len()) != (written, said) {
        return Err(format!("it does not come to rest: {:?}", &world.written[written..]));
    }
    Ok(())
}

fn of_ticket(line: &DeliveryLine, number: usize) -> bool {
    line.ticket.as_ref().is_some_and(|t| t.id == number.to_string())
}

/// One more edit of everything on each ticket (of a desk that cannot tell what changed: on each that
/// is open, for the others are looked at seldom): after one poll all of it was heard, and what is known
/// is what is there.
fn one_cycle(world: &mut World, many: usize, changes: bool) -> Result<(), String> {
    let before = world.news().len();
    let open = |t: &usize| changes || world.desks["rt"].tickets[t - 1].open;
    let tickets: Vec<usize> = (1..=many).filter(open).collect();
    for ticket in tickets.clone() {
        let other = PRIORITIES
            .into_iter()
            .find(|p| *p != world.desks["rt"].tickets[ticket - 1].priority)
            .expect("there are three");
        let open = world.desks["rt"].tickets[ticket - 1].open;
        for edit in [
            Edit::Take("malam"),
            Edit::Say("ganti jaga"),
            Edit::Set(other),
            if open { Edit::Close } else { Edit::Reopen },
        ] {
            let desk: Arc<str> = "rt".into();
            world.later(Duration::ZERO, Coming::Edit { desk, ticket, edit });
        }
    }
    world.run(POLL.as_secs() + 2);
    for number in tickets {
        let news = world.news().into_iter().skip(before);
        let heard: BTreeSet<String> = news
            .filter(|(_, l, _)| of_ticket(l, number))
            .map(|(_, _, n)| format!("{:?}", n.change))
            .collect();
        let state = if heard.contains("Closed") { "Closed" } else { "Reopened" };
        let all = ["Taken", "Noted", "Reprioritised", state].map(str::to_owned);
        if heard != BTreeSet::from(all) {
            return Err(format!("ticket {number}: only {heard:?} was heard in one poll"));
        }
        let ticket = &world.desks["rt"].tickets[number - 1];
        let known = world.lines.iter().rev().find(|l| of_ticket(l, number)).ok_or("no line")?;
        if (known.open, known.priority) != (ticket.open, Some(ticket.priority)) {
            return Err(format!("ticket {number} is {ticket:?}, known as {known:?}"));
        }
    }
    Ok(())
}
