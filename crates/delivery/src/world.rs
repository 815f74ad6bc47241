//! A world with its own clock: deliveries on one end, desks that misbehave on the other, and a
//! process that may die between any two steps.
//!
//! The desks commit and lose the answer, lose the request, commit late, refuse, fail to search,
//! return everything, or show what they did only after a while, all within their visibility delay.
//! Whatever happens, in the end every incident has exactly one ticket that shows what it should.

use crate::answer::{Answer, Call, Changed, Changes, Note, Outcome, Remark, Row, Snapshot};
use crate::deliveries::{Deliveries, Request, Step};
use crate::desired::Destination;
use crate::rules::DeskRules;
use model::{DeliveryLine, DeskCall, IncidentId, Intent, IntentOp, Priority, TicketRef, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

#[path = "outages.rs"]
mod outages;
#[path = "pacing.rs"]
mod pacing;
#[path = "people.rs"]
mod people;
#[path = "stories.rs"]
mod stories;

pub(crate) fn intent(incident: &str, revision: u32, op: IntentOp, priority: Priority) -> Intent {
    Intent {
        at: Timestamp::from_millis(1_000),
        id: format!("{incident}.{revision}"),
        incident: IncidentId::from_text(incident),
        op,
        revision,
        priority,
        title: format!("{incident} tidak terjangkau"),
        text: format!("teks {revision}"),
        into: None,
        event: 1,
        received: Timestamp::from_millis(1_000),
    }
}

/// A rule of delivery that is broken on purpose, to see that the checks see it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mutation {
    None,
    /// A lost answer to a write counts as "nothing was done".
    BlindRetry,
    /// A search that failed counts as "there is none".
    TrustFailedFind,
    /// A search is believed without comparing the keys.
    TrustEveryRow,
    /// After a restart, a request without an end is taken as never sent.
    ForgetSending,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    LostAfterCommit,
    LostBeforeCommit,
    /// The answer is lost and the commit comes so much later.
    LateCommit(Duration),
    RefusedForNow,
    Refused,
    LookFails,
    ReturnsEverything,
}

#[derive(Debug, Clone)]
struct Ticket {
    key: String,
    /// Searches see it from then on.
    seen_from: Timestamp,
    open: bool,
    priority: Priority,
    notes: Vec<String>,
    owner: Option<String>,
    /// What people wrote.
    remarks: Vec<Remark>,
    /// The person who changed it last.
    last: Option<String>,
    /// Counts its changes, ours among them.
    changes: u32,
    /// The number of the ticket that it was merged into.
    merged_into: Option<usize>,
}

impl Ticket {
    fn new(key: &str, priority: Priority, seen_from: Timestamp) -> Ticket {
        Ticket {
            key: key.to_owned(),
            seen_from,
            open: true,
            priority,
            notes: Vec::new(),
            owner: None,
            remarks: Vec::new(),
            last: None,
            changes: 0,
            merged_into: None,
        }
    }
}

/// A desk.
#[derive(Debug, Default)]
struct Desk {
    tickets: Vec<Ticket>,
    /// The number of a ticket that somebody deleted.
    deleted: Option<usize>,
    writes: usize,
    reads: usize,
    /// When each note came, and on which ticket.
    noted: Vec<(String, Timestamp)>,
    down_until: Option<Timestamp>,
    drops_keys: bool,
    /// Requests that came while it was down.
    asked_while_down: usize,
    /// It fails whenever it should open the ticket of this incident.
    chokes_on: Option<String>,
}

impl Desk {
    fn row(n: usize, t: &Ticket) -> Row {
        Row {
            ticket: TicketRef { id: (n + 1).to_string(), url: None },
            key: (!t.key.is_empty()).then(|| t.key.clone()),
            open: t.open,
            priorities: vec![t.priority],
        }
    }

    fn is_deleted(&self, at: &TicketRef) -> bool {
        self.deleted.is_some_and(|n| n.to_string() == at.id)
    }

    /// As it is read, whatever it was merged into.
    fn ticket(&mut self, at: &TicketRef) -> &mut Ticket {
        let n: usize = at.id.parse().expect("our ids are numbers");
        let n = self.tickets[n - 1].merged_into.unwrap_or(n);
        &mut self.tickets[n - 1]
    }

    fn written(&mut self, at: &TicketRef) -> &mut Ticket {
        let t = self.ticket(at);
        t.changes += 1;
        t.last = None;
        t
    }

    fn commit(&mut self, call: &Call, lag: Duration, now: Timestamp) -> Answer {
        match call {
            Call::Create(draft) => {
                assert!(draft.text.ends_with(&format!("[kent:{}]", draft.key)));
                let key = if self.drops_keys { "" } else { &draft.key };
                self.tickets.push(Ticket::new(key, draft.priority, now + lag));
                let id = self.tickets.len().to_string();
                return Answer::Created(Outcome::Done(TicketRef { id, url: None }));
            }
            Call::Note { ticket, note } => {
                assert!(note.text.ends_with(&Note::marker(&note.operation)));
                let said = Note::operations_in(&note.text).map(str::to_owned);
                self.written(ticket).notes.extend(said);
                self.noted.push((ticket.id.clone(), now));
            }
            Call::Priority { ticket, priority } => self.written(ticket).priority = *priority,
            Call::Resolve { ticket } => self.written(ticket).open = false,
            Call::Reopen { ticket } => self.written(ticket).open = true,
            Call::Find { .. } | Call::Read { .. } => unreachable!("looks commit nothing"),
        }
        Answer::Written(Outcome::Done(()))
    }

    fn look(&mut self, call: &Call, everything: bool, now: Timestamp) -> Answer {
        self.reads += 1;
        match call {
            Call::Find { key } => {
                let rows = self
                    .tickets
                    .iter()
                    .enumerate()
                    .filter(|(n, t)| t.seen_from <= now && self.deleted != Some(n + 1))
                    .filter(|(_, t)| everything || t.key == *key);
                // The desk that ignores its filter shows a page, and ours is not on it.
                let rows: Vec<Row> = rows
                    .filter(|(_, t)| !everything || t.key != *key)
                    .map(|(n, t)| Desk::row(n, t))
                    .collect();
                Answer::Rows(Outcome::Done(rows))
            }
            Call::Read { ticket, .. } if self.is_deleted(ticket) => {
                Answer::Ticket(Outcome::Done(Snapshot { gone: true, ..Snapshot::default() }))
            }
            Call::Read { ticket, notes } => {
                let n: usize = ticket.id.parse().expect("our ids are numbers");
                let into = self.tickets[n - 1].merged_into;
                let t = self.ticket(ticket).clone();
                Answer::Ticket(Outcome::Done(Snapshot {
                    key: (!t.key.is_empty()).then_some(t.key),
                    open: t.open,
                    priorities: vec![t.priority],
                    notes: if *notes { t.notes } else { Vec::new() },
                    merged_into: into.map(|n| TicketRef { id: n.to_string(), url: None }),
                    owner: t.owner,
                    last: t.last,
                    changed: Some(format!("{:09}", t.changes)),
                    remarks: if *notes { t.remarks } else { Vec::new() },
                    gone: false,
                }))
            }
            _ => unreachable!("writes are no looks"),
        }
    }
}

fn unknown(call: &Call, reason: &str) -> Answer {
    failed(call, Outcome::Unknown { reason: reason.into() })
}

fn failed(call: &Call, outcome: Outcome<()>) -> Answer {
    match call.kind() {
        DeskCall::Find => Answer::Rows(outcome.map(|()| Vec::new())),
        DeskCall::Create => Answer::Created(outcome.map(|()| unreachable!())),
        DeskCall::Read => Answer::Ticket(outcome.map(|()| unreachable!())),
        _ => Answer::Written(outcome),
    }
}

/// Something that comes at its time.
#[derive(Debug)]
enum Coming {
    Intent(Box<Intent>),
    /// To the process that asked, if it still lives.
    Answer {
        life: u32,
        desk: Arc<str>,
        incident: IncidentId,
        answer: Box<Answer>,
    },
    Commit {
        desk: Arc<str>,
        call: Box<Call>,
        lag: Duration,
    },
    /// A desk tells the process that asked what changed.
    Changes {
        life: u32,
        desk: Arc<str>,
    },
    /// A person does something to the ticket of this number.
    Edit {
        desk: Arc<str>,
        ticket: usize,
        edit: people::Edit,
    },
}

struct World {
    now: Timestamp,
    deliveries: Deliveries,
    rules: Vec<DeskRules>,
    desks: BTreeMap<Arc<str>, Desk>,
    /// The journal: what is durable.
    lines: Vec<DeliveryLine>,
    intents: Vec<Intent>,
    snapshot: Option<(Vec<u8>, usize, usize)>,
    coming: BTreeMap<(Timestamp, u64), Coming>,
    serial: u64,
    life: u32,
    dice: Vec<u8>,
    rolled: usize,
    faults: usize,
    crashes: usize,
    mutation: Mutation,
    /// What goes wrong with the next request of a kind, besides chance.
    loaded: Vec<(DeskCall, Fault)>,
    /// Nothing is told beyond, where people are listened to without end.
    until: Timestamp,
    /// What people did, and when.
    edits: Vec<(Timestamp, usize, people::Edit)>,
    /// The requests that wrote.
    written: Vec<(Timestamp, Call)>,
}

const INSTANCE: &str = "noc";
const VISIBILITY: Duration = Duration::from_secs(5);

impl World {
    fn new(rules: Vec<DeskRules>, dice: Vec<u8>) -> World {
        World {
            now: Timestamp::from_millis(1_000_000),
            deliveries: Deliveries::new(INSTANCE, rules.clone()),
            desks: rules.iter().map(|r| (r.name.clone(), Desk::default())).collect(),
            rules,
            lines: Vec::new(),
            intents: Vec::new(),
            snapshot: None,
            coming: BTreeMap::new(),
            serial: 0,
            life: 0,
            dice,
            rolled: 0,
            faults: 0,
            crashes: 0,
            mutation: Mutation::None,
            loaded: Vec::new(),
            until: Timestamp::MAX,
            edits: Vec::new(),
            written: Vec::new(),
        }
    }

    /// The next byte of chance; zero, where all is well, once they are used up.
    fn roll(&mut self) -> u8 {
        self.rolled += 1;
        self.dice.get(self.rolled - 1).copied().unwrap_or(0)
    }

    fn later(&mut self, after: Duration, what: Coming) {
        self.serial += 1;
        self.coming.insert((self.now + after, self.serial), what);
    }

    fn fault(&mut self, call: &Call) -> Fault {
        if let Some(at) = self.loaded.iter().position(|(kind, _)| *kind == call.kind()) {
            self.faults += 1;
            return self.loaded.remove(at).1;
        }
        let kind = self.roll();
        let writes = call.kind().writes();
        let fault = match kind % 16 {
            9 if writes => Fault::LostAfterCommit,
            10 if writes => Fault::LostBeforeCommit,
            11 if writes => {
                Fault::LateCommit(Duration::from_millis(u64::from(self.roll()) * 2400 / 255))
            }
            12 => Fault::RefusedForNow,
            13 => Fault::Refused,
            14 if !writes => Fault::LookFails,
            15 if call.kind() == DeskCall::Find => Fault::ReturnsEverything,
            _ => Fault::None,
        };
        // A note that is refused for good is left out by design; other tests show that.
        let fault = match (fault, call.kind()) {
            (Fault::Refused, DeskCall::Note) => Fault::RefusedForNow,
            (fault, _) => fault,
        };
        self.faults += usize::from(fault != Fault::None);
        fault
    }

    fn send(&mut self, request: Request) {
        let Request { desk, incident, call, .. } = request;
        let fault = self.fault(&call);
        let lag = Duration::from_millis(u64::from(self.roll() % 25) * 100);
        let took = Duration::from_millis(20 + u64::from(self.roll()));
        let now = self.now;
        let at = self.desks.get_mut(&desk).expect("only desks that exist are asked");
        let writes = call.kind().writes();
        at.writes += usize::from(writes);
        if writes {
            self.written.push((now, call.clone()));
        }
        let down = at.down_until.is_some_and(|until| now < until);
        at.asked_while_down += usize::from(down);
        let choked = matches!(&call, Call::Create(d) if Some(&d.incident) == at.chokes_on.as_ref());
        let mut answer = if choked {
            unknown(&call, "HTTP 500")
        } else if down {
            failed(&call, Outcome::Rejected { retry: true, reason: "connection refused".into() })
        } else {
            match fault {
                Fault::None | Fault::ReturnsEverything if !writes => {
                    at.look(&call, fault == Fault::ReturnsEverything, now)
                }
                Fault::None | Fault::ReturnsEverything | Fault::LookFails if writes => {
                    at.commit(&call, lag, now)
                }
                Fault::LostAfterCommit => {
                    at.commit(&call, lag, now);
                    unknown(&call, "connection reset")
                }
                Fault::LateCommit(after) => {
                    let late = Box::new(call.clone());
                    self.later(after, Coming::Commit { desk: desk.clone(), call: late, lag });
                    unknown(&call, "timed out")
                }
                Fault::RefusedForNow => {
                    failed(&call, Outcome::Rejected { retry: true, reason: "busy".into() })
                }
                Fault::Refused => {
                    failed(&call, Outcome::Rejected { retry: false, reason: "no right".into() })
                }
                _ => unknown(&call, "connection reset"),
            }
        };
        match (self.mutation, &answer) {
            (
                Mutation::BlindRetry,
                Answer::Created(Outcome::Unknown { .. }) | Answer::Written(Outcome::Unknown { .. }),
            ) => {
                answer =
                    failed(&call, Outcome::Rejected { retry: true, reason: "timed out".into() });
            }
            (
                Mutation::TrustFailedFind,
                Answer::Rows(Outcome::Unknown { .. } | Outcome::Rejected { .. }),
            ) => {
                answer = Answer::Rows(Outcome::Done(Vec::new()));
            }
            (Mutation::TrustEveryRow, Answer::Rows(Outcome::Done(rows))) => {
                if let Call::Find { key } = &call {
                    let ours = |r: &Row| Row { key: Some(key.clone()), ..r.clone() };
                    answer = Answer::Rows(Outcome::Done(rows.iter().map(ours).collect()));
                }
            }
            _ => {}
        }
        let life = self.life;
        let answer = Box::new(answer);
        self.later(took, Coming::Answer { life, desk, incident, answer });
    }

    /// The process dies and another one starts from what is durable.
    fn crash(&mut self) {
        self.crashes += 1;
        self.life += 1;
        let (state, lines_from, intents_from) = match &self.snapshot {
            Some((bytes, lines, intents)) => {
                (postcard::from_bytes(bytes).expect("our own snapshot"), *lines, *intents)
            }
            None => (crate::DeliveryState::default(), 0, 0),
        };
        self.deliveries = Deliveries::resume(INSTANCE, self.rules.clone(), state);
        // Some lines and intents that the snapshot knows already come again; that must not matter.
        let again = usize::from(self.roll() % 4);
        for line in &self.lines[lines_from.saturating_sub(again)..] {
            if self.mutation == Mutation::ForgetSending && line.step == model::DeliveryStep::Sending
            {
                continue;
            }
            self.deliveries.apply(line);
        }
        for intent in &self.intents[intents_from.saturating_sub(again)..] {
            self.deliveries.handle_intent(&self.destinations(), intent).expect("there is room");
        }
        let down = Duration::from_millis(u64::from(self.roll()) * 40);
        self.now = self.now + down;
    }

    fn destinations(&self) -> Vec<Destination> {
        self.rules.iter().map(|r| Destination::from(&*r.name)).collect()
    }

    /// The chance that the process dies here.
    fn may_crash(&mut self) -> bool {
        if self.crashes < 6 && self.roll() >= 240 {
            self.crash();
            return true;
        }
        false
    }

    /// Does everything that can be done now.
    fn pump(&mut self) {
        for _ in 0..10_000 {
            let mut batch = Vec::new();
            let mut last = 0;
            let life = self.life;
            while let Some(step) = self.deliveries.poll_step(self.now) {
                match step {
                    Step::Record { number, line } => {
                        last = number;
                        batch.push(line);
                    }
                    Step::Changes { desk, .. } => {
                        let life = self.life;
                        self.later(Duration::from_millis(30), Coming::Changes { life, desk });
                    }
                    Step::Call(request) => {
                        self.send(*request);
                        if self.may_crash() {
                            break;
                        }
                    }
                }
            }
            if life != self.life {
                continue;
            }
            if batch.is_empty() {
                return;
            }
            if self.may_crash() {
                continue;
            }
            self.lines.extend(batch);
            if self.may_crash() {
                continue;
            }
            self.deliveries.handle_recorded(last);
            if self.roll() >= 200 {
                let bytes =
                    postcard::to_allocvec(&self.deliveries.snapshot()).expect("plain values");
                self.snapshot = Some((bytes, self.lines.len(), self.intents.len()));
            }
        }
        panic!("it never comes to rest");
    }

    /// Until nothing is left to do.
    fn drive(&mut self) {
        self.drive_until(Duration::from_hours(24 * 365));
    }

    /// The same, for so long at most.
    fn drive_until(&mut self, most: Duration) {
        let end = self.now + most;
        for _ in 0..100_000 {
            self.pump();
            let next = self.coming.keys().next().map(|(at, _)| *at);
            let wake = self.deliveries.poll_timeout(self.now).map(|(at, _)| at);
            let Some(at) = next.into_iter().chain(wake).min().filter(|at| *at <= end) else {
                return;
            };
            if at > self.until {
                return;
            }
            self.now = self.now.max(at);
            let due: Vec<_> = self.coming.range(..=(self.now, u64::MAX)).map(|(k, _)| *k).collect();
            for key in due {
                let Some(what) = self.coming.remove(&key) else { continue };
                match what {
                    Coming::Intent(intent) => {
                        self.intents.push((*intent).clone());
                        let to = self.destinations();
                        self.deliveries.handle_intent(&to, &intent).expect("there is room");
                    }
                    Coming::Answer { life, desk, incident, answer } if life == self.life => {
                        self.deliveries.handle_answer(&desk, &incident, *answer, self.now);
                    }
                    Coming::Answer { .. } => {}
                    Coming::Changes { life, desk } => {
                        if life == self.life {
                            let rows = self.desks[&desk].changed();
                            let now = self.now;
                            self.deliveries.handle_changes(&desk, Outcome::Done(rows), now);
                        }
                    }
                    Coming::Edit { desk, ticket, edit } => self.edit(desk, ticket, edit),
                    Coming::Commit { desk, call, lag } => {
                        let now = self.now;
                        self.desks.get_mut(&desk).expect("it exists").commit(&call, lag, now);
                    }
                }
            }
            self.may_crash();
        }
        panic!("it never ends");
    }

    /// What must be true in the end, or what is not.
    fn verdict(&self) -> Result<(), String> {
        let incidents: BTreeSet<&IncidentId> = self.intents.iter().map(|i| &i.incident).collect();
        for (name, desk) in &self.desks {
            let mut keys: BTreeMap<&str, Vec<&Ticket>> = BTreeMap::new();
            for ticket in &desk.tickets {
                keys.entry(&ticket.key).or_default().push(ticket);
            }
            if let Some((key, all)) = keys.iter().find(|(_, all)| all.len() > 1) {
                return Err(format!("{name}: {} tickets with the key {key}", all.len()));
            }
            for incident in &incidents {
                let key = model::id::ticket_key(incident, INSTANCE, 0);
                let Some(ticket) = keys.get(key.as_str()).map(|all| all[0]) else {
                    return Err(format!("{name}: no ticket for {incident}"));
                };
                self.examine(incident, ticket).map_err(|e| format!("{name}: {incident}: {e}"))?;
            }
            if desk.tickets.len() != incidents.len() {
                return Err(format!("{name}: tickets that nobody asked for"));
            }
        }
        let status = self.deliveries.status();
        if let Some(desk) = status.iter().find(|s| s.pending + s.doubtful + s.in_flight > 0) {
            return Err(format!("not at rest: {desk:?}"));
        }
        let least: usize = self
            .intents
            .iter()
            .map(|i| match i.op {
                IntentOp::Create | IntentOp::Note => 1,
                IntentOp::Notify => 0,
                _ => 2,
            })
            .sum();
        for (name, desk) in &self.desks {
            if desk.writes > least + self.faults + self.crashes {
                return Err(format!("{name}: {} writes for {least} changes", desk.writes));
            }
        }
        Ok(())
    }

    fn examine(&self, incident: &IncidentId, ticket: &Ticket) -> Result<(), String> {
        let intents: Vec<&Intent> = self
            .intents
            .iter()
            .filter(|i| i.incident == *incident && i.op != IntentOp::Notify)
            .collect();
        let last = intents.last().ok_or("no intents")?;
        let state = |op| match op {
            IntentOp::Resolve | IntentOp::Merge => Some(false),
            IntentOp::Create | IntentOp::Reopen => Some(true),
            _ => None,
        };
        let open = intents.iter().rev().find_map(|i| state(i.op)).unwrap_or(true);
        if ticket.open != open {
            return Err(format!("open is {}, should be {open}", ticket.open));
        }
        if ticket.priority != last.priority {
            return Err(format!("{} instead of {}", ticket.priority, last.priority));
        }
        let once: BTreeSet<&String> = ticket.notes.iter().collect();
        if once.len() < ticket.notes.len() {
            return Err(format!("a note twice: {:?}", ticket.notes));
        }
        for intent in &intents {
            let must = matches!(intent.op, IntentOp::Note | IntentOp::Merge);
            if must && !once.contains(&intent.id) {
                return Err(format!("note {} is missing", intent.id));
            }
        }
        let told = ticket.notes.iter().rev().find_map(|id| {
            intents
                .iter()
                .find(|i| i.id == *id && i.op != IntentOp::Create)
                .and_then(|i| state(i.op))
        });
        if told.unwrap_or(true) != open {
            return Err(format!("the notes end with open = {told:?}"));
        }
        Ok(())
    }
}

/// A story: what each incident goes through, and what chance does meanwhile.
#[derive(Debug, Clone)]
struct Story {
    incidents: Vec<Vec<(u8, u16, u8)>>,
    dice: Vec<u8>,
}

fn story() -> impl Strategy<Value = Story> {
    let step = (any::<u8>(), 0u16..9000, any::<u8>());
    let incidents = prop::collection::vec(prop::collection::vec(step, 0..8), 1..5);
    (incidents, prop::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(incidents, dice)| Story { incidents, dice })
}

const PRIORITIES: [Priority; 3] = [Priority::P1, Priority::P2, Priority::P3];

fn tell(world: &mut World, story: &Story) {
    for (n, steps) in story.incidents.iter().enumerate() {
        let name = format!("k7f3-{n}");
        let mut at = Duration::from_millis(n as u64 * 700);
        let mut priority = PRIORITIES[n % 3];
        let mut revision = 1;
        let mut open = true;
        let create = intent(&name, 1, IntentOp::Create, priority);
        world.later(at, Coming::Intent(Box::new(create)));
        for (i, (what, gap, to)) in steps.iter().enumerate() {
            let op = match what % 6 {
                0 | 1 if open => IntentOp::Resolve,
                0 | 1 => IntentOp::Reopen,
                2 => IntentOp::Reprioritise,
                3 => IntentOp::Notify,
                4 if i + 1 == steps.len() => IntentOp::Merge,
                _ => IntentOp::Note,
            };
            match op {
                IntentOp::Resolve => open = false,
                IntentOp::Reopen => open = true,
                IntentOp::Reprioritise => priority = PRIORITIES[usize::from(*to) % 3],
                _ => {}
            }
            revision += 1;
            at += Duration::from_millis(u64::from(*gap));
            world.later(at, Coming::Intent(Box::new(intent(&name, revision, op, priority))));
        }
    }
}

fn check(story: &Story, mutation: Mutation) -> Result<World, String> {
    // What this world does late is late within the visibility delay; the edges of the other delays
    // are tried in `sim`.
    let rules = DeskRules {
        max_in_flight: 2,
        commit_delay: Duration::ZERO,
        visibility_delay: VISIBILITY,
        ..DeskRules::new("rt")
    };
    let mut world = World::new(vec![rules], story.dice.clone());
    world.mutation = mutation;
    tell(&mut world, story);
    world.drive();
    world.verdict()?;
    Ok(world)
}

fn runner(cases: u32) -> TestRunner {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    )
}

/// Invariant: one episode has at most one primary ticket on a desk, whatever fails in between.
#[test]
fn whatever_fails_there_is_one_ticket_and_it_shows_what_it_should() {
    let mut runner = runner(3000);
    let outcome = runner.run(&story(), |story| {
        check(&story, Mutation::None).map(|_| ()).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Invariant: a crash at any point loses nothing and doubles nothing; what is rebuilt from the
/// lines and intents is what was there.
#[test]
fn what_is_rebuilt_is_what_was_there() {
    let mut runner = runner(500);
    let outcome = runner.run(&story(), |story| {
        let mut world = check(&story, Mutation::None).map_err(TestCaseError::fail)?;
        let before = postcard::to_allocvec(&world.deliveries.snapshot()).expect("plain values");
        world.snapshot = None;
        world.dice.clear();
        world.crash();
        let after = postcard::to_allocvec(&world.deliveries.snapshot()).expect("plain values");
        prop_assert_eq!(before, after);
        world.drive();
        world.verdict().map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// The checks above would notice if a rule were broken.
#[test]
fn every_broken_rule_is_noticed() {
    for mutation in [
        Mutation::BlindRetry,
        Mutation::TrustFailedFind,
        Mutation::TrustEveryRow,
        Mutation::ForgetSending,
    ] {
        let outcome = runner(3000).run(&story(), |story| {
            let told = std::panic::catch_unwind(|| check(&story, mutation).map(|_| ()));
            told.unwrap_or_else(|_| Err("it panicked".into())).map_err(TestCaseError::fail)
        });
        assert!(outcome.is_err(), "{mutation:?} went unnoticed");
    }
}
