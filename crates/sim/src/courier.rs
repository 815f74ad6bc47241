//! Tickets under faults: a desk that misbehaves, and the processes that keep tickets on it, of which
//! one may die or stand still at any step while another takes over.
//!
//! Everything follows from a seed. The world keeps within its [`Bounds`]; within them every incident
//! has exactly one ticket in the end, and it shows what it should. A history *beyond* them may open
//! a second one; a sweep then finds, links and closes it.

use crate::desk::{DeskFault, FakeDesk, Ticket, failed};
use crate::dice::Dice;
use delivery::{Answer, Call, Deliveries, DeskRules, Outcome, Request, Row, Step};
use model::{
    DeliveryLine, DeliveryStep, DeskCall, IncidentId, Intent, IntentOp, Priority, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

/// Within what the desk and the processes stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The longest that a process stands still between its last look at the clock and a request.
    pub pause: Duration,
    /// The longest that the desk works on a request.
    pub commit: Duration,
    /// The longest until a search shows a new ticket.
    pub lag: Duration,
}

/// A rule of delivery that is broken on purpose, to see that it is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A lost answer to a write counts as "nothing was done".
    BlindRetry,
    /// A search that failed counts as "there is none".
    TrustFailedFind,
    /// A search is believed without comparing the keys.
    TrustEveryRow,
    /// Who takes over takes a request without an end as never sent.
    ForgetSending,
    /// Who takes over does not wait for what the one before may still send.
    IgnorePause,
    /// Nobody waits for what the desk may still be working on.
    IgnoreCommitDelay,
    /// A process that has lost the journal goes on.
    IgnoreFence,
}

/// What is told.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// Everything else follows from it.
    pub seed: u64,
    /// The world breaks its bounds now and then.
    pub beyond: bool,
    /// A rule that is broken.
    pub mutation: Option<Mutation>,
    /// Tell it in words as well.
    pub in_words: bool,
}

/// How a history ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// Incidents told of.
    pub incidents: usize,
    /// Requests that went wrong.
    pub faults: usize,
    /// Processes that died or were overtaken.
    pub lives: usize,
    /// Second tickets of one incident, found, linked and closed.
    pub doubles: usize,
    /// What is not as it should be.
    pub wrong: Vec<String>,
    /// The history in words, where they were asked for.
    pub story: String,
}

const INSTANCE: &str = "noc";
const DESK: &str = "rt";
const START: Timestamp = Timestamp::from_millis(1_000_000);
const FAULTS_MAX: usize = 14;
const LIVES_MAX: u32 = 7;
/// A history that is not at rest by then will not be.
const TURNS_MAX: usize = 60_000;

/// The bounds that histories are told within; each from nothing to so much.
const LONGEST: Bounds = Bounds {
    pause: Duration::from_secs(20),
    commit: Duration::from_secs(60),
    lag: Duration::from_secs(15),
};

/// Tells a history to its end.
pub fn courier(history: History) -> Ending {
    let mut world = World::new(history);
    world.plan();
    world.start();
    world.drive();
    if history.beyond {
        world.sweep();
        world.drive();
    }
    world.ending()
}

enum Coming {
    Intent(Box<Intent>),
    Commit {
        call: Box<Call>,
        twice: bool,
    },
    /// A request arrives: what it finds is its answer.
    Look {
        to: u32,
        incident: IncidentId,
        call: Box<Call>,
        everything: bool,
    },
    /// A request that writes arrives, is done, and is answered.
    Write {
        to: u32,
        incident: IncidentId,
        call: Box<Call>,
        said: Said,
    },
    Answer {
        to: u32,
        incident: IncidentId,
        answer: Box<Answer>,
    },
    /// A process goes on.
    GoOn(u32),
    /// Another process takes the journal.
    TakeOver,
}

/// What the asker hears of a request that was done.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    Done,
    Nothing,
    No,
}

/// One that keeps the tickets.
struct Process {
    number: u32,
    deliveries: Deliveries,
    /// It stands still.
    still: bool,
    /// Lines that are not yet appended.
    batch: Vec<DeliveryLine>,
    last: u64,
    /// Lines that are appended, and it does not know yet.
    appended: Option<u64>,
    /// A request that it has looked at the clock for and not sent.
    in_hand: Option<Request>,
    dead: bool,
}

struct World {
    now: Timestamp,
    dice: Dice,
    history: History,
    bounds: Bounds,
    rules: DeskRules,
    desk: FakeDesk,
    lines: Vec<DeliveryLine>,
    intents: Vec<Intent>,
    /// The one that may append.
    owner: u32,
    processes: Vec<Process>,
    coming: BTreeMap<(Timestamp, u64), Coming>,
    serial: u64,
    faults: usize,
    calm: bool,
    story: String,
}

impl World {
    fn new(history: History) -> World {
        let mut dice = Dice::new(history.seed);
        let mut up_to = |longest: Duration| dice.between(Duration::ZERO, longest);
        let bounds = Bounds {
            pause: up_to(LONGEST.pause),
            commit: up_to(LONGEST.commit),
            lag: up_to(LONGEST.lag),
        };
        let mut rules = DeskRules {
            max_in_flight: 2,
            commit_delay: bounds.commit,
            visibility_delay: bounds.lag,
            pause_max: bounds.pause,
            ..DeskRules::new(DESK)
        };
        match history.mutation {
            Some(Mutation::IgnorePause) => rules.pause_max = Duration::ZERO,
            Some(Mutation::IgnoreCommitDelay) => rules.commit_delay = Duration::ZERO,
            _ => {}
        }
        let drops_keys = !history.beyond && dice.chance(0.05);
        World {
            now: START,
            dice,
            history,
            bounds,
            rules,
            desk: FakeDesk { drops_keys, ..FakeDesk::default() },
            lines: Vec::new(),
            intents: Vec::new(),
            owner: 0,
            processes: Vec::new(),
            coming: BTreeMap::new(),
            serial: 0,
            faults: 0,
            calm: false,
            story: String::new(),
        }
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if self.history.in_words {
            let after = self.now.since(START).as_secs_f64();
            let _ = writeln!(self.story, "{after:9.3} {}", what());
        }
    }

    fn later(&mut self, after: Duration, what: Coming) {
        self.serial += 1;
        self.coming.insert((self.now + after, self.serial), what);
    }

    /// What the incidents go through.
    fn plan(&mut self) {
        const PRIORITIES: [Priority; 3] = [Priority::P1, Priority::P2, Priority::P3];
        for n in 0..=self.dice.below(3) {
            let name = format!("k7f3-{n}");
            let mut at = Duration::from_millis(n as u64 * 700);
            let mut priority = PRIORITIES[n % 3];
            let mut open = true;
            self.later(at, intent(&name, 1, IntentOp::Create, priority));
            let steps = self.dice.below(7);
            for step in 0..steps {
                let op = match self.dice.below(6) {
                    0 | 1 if open => IntentOp::Resolve,
                    0 | 1 => IntentOp::Reopen,
                    2 => IntentOp::Reprioritise,
                    3 if step + 1 == steps => IntentOp::Merge,
                    _ => IntentOp::Note,
                };
                match op {
                    IntentOp::Resolve | IntentOp::Merge => open = false,
                    IntentOp::Reopen => open = true,
                    IntentOp::Reprioritise => priority = PRIORITIES[self.dice.below(3)],
                    _ => {}
                }
                at += self.dice.between(Duration::ZERO, Duration::from_secs(40));
                self.later(at, intent(&name, step as u32 + 2, op, priority));
            }
        }
    }

    /// A process takes the journal and goes on from what is durable.
    fn start(&mut self) {
        self.owner += 1;
        let mut deliveries = Deliveries::new(INSTANCE, vec![self.rules.clone()]);
        for line in &self.lines {
            let forgets = self.history.mutation == Some(Mutation::ForgetSending);
            if !(forgets && line.step == DeliveryStep::Sending) {
                deliveries.apply(line);
            }
        }
        for intent in &self.intents {
            deliveries.handle_intent(&[DESK.into()], intent).expect("there is room");
        }
        self.processes.push(Process {
            number: self.owner,
            deliveries,
            still: false,
            batch: Vec::new(),
            last: 0,
            appended: None,
            in_hand: None,
            dead: false,
        });
    }

    /// A pass over all tickets, as it is made now and then.
    fn sweep(&mut self) {
        self.calm = true;
        self.now = self.now + Duration::from_mins(5);
        let process = self.processes.last_mut().expect("somebody owns the journal");
        process.deliveries.sweep();
    }

    /// Until nothing is left to do.
    fn drive(&mut self) {
        for _ in 0..TURNS_MAX {
            for at in 0..self.processes.len() {
                self.pump(at);
            }
            self.processes.retain(|p| !p.dead);
            let wake = self.processes.iter().filter(|p| !p.still);
            let wake = wake.filter_map(|p| p.deliveries.poll_timeout(self.now));
            let wake = wake.map(|(at, _)| at).min();
            let next = self.coming.keys().next().map(|(at, _)| *at);
            let Some(at) = next.into_iter().chain(wake).min() else { return };
            // What a desk without keys has in doubt is looked for without end.
            if next.is_none() && self.desk.drops_keys && at.since(self.now) > Duration::from_mins(4)
            {
                return;
            }
            self.now = self.now.max(at);
            while let Some(entry) = self.coming.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let what = entry.remove();
                self.comes(what);
            }
        }
        self.coming.clear();
        self.processes.clear();
    }

    fn comes(&mut self, what: Coming) {
        match what {
            Coming::Intent(intent) => {
                self.say(|| format!("intent {} {} {}", intent.id, intent.op, intent.priority));
                self.intents.push((*intent).clone());
                for process in &mut self.processes {
                    let given = process.deliveries.handle_intent(&[DESK.into()], &intent);
                    given.expect("there is room");
                }
            }
            Coming::Commit { call, twice } => {
                self.say(|| format!("desk does {}", call.kind()));
                self.commit(&call, twice);
            }
            Coming::Look { to, incident, call, everything } => {
                let answer = self.desk.look(&call, everything, self.now);
                let answer = self.mutate(&call, answer);
                self.answer(to, incident, answer);
            }
            Coming::Write { to, incident, call, said } => {
                let lag = self.lag();
                self.say(|| format!("desk does {} of {to}, to be seen in {lag:?}", call.kind()));
                let done = self.desk.commit(&call, self.now + lag);
                let answer = match said {
                    Said::Done => done,
                    Said::Nothing => lost(&call),
                    Said::No => refused(&call, false),
                };
                let answer = self.mutate(&call, answer);
                self.answer(to, incident, answer);
            }
            Coming::Answer { to, incident, answer } => {
                let now = self.now;
                if let Some(p) = self.processes.iter_mut().find(|p| p.number == to) {
                    p.deliveries.handle_answer(DESK, &incident, *answer, now);
                }
            }
            Coming::GoOn(number) => {
                if let Some(p) = self.processes.iter_mut().find(|p| p.number == number) {
                    p.still = false;
                }
            }
            Coming::TakeOver => {
                self.start();
                let owner = self.owner;
                self.say(|| format!("process {owner} takes over"));
            }
        }
    }

    fn commit(&mut self, call: &Call, twice: bool) {
        for _ in 0..=usize::from(twice) {
            let lag = self.lag();
            self.desk.commit(call, self.now + lag);
        }
    }

    fn answer(&mut self, to: u32, incident: IncidentId, answer: Answer) {
        let after = self.dice.between(Duration::from_millis(5), Duration::from_millis(300));
        self.later(after, Coming::Answer { to, incident, answer: Box::new(answer) });
    }

    /// At most so long; often just so long, since it is at the edge that rules break.
    fn up_to(&mut self, longest: Duration) -> Duration {
        if self.dice.chance(0.4) { longest } else { self.dice.between(Duration::ZERO, longest) }
    }

    fn lag(&mut self) -> Duration {
        let lag = self.up_to(self.bounds.lag);
        if self.breaks_bounds() { lag + self.bounds.lag + Duration::from_mins(1) } else { lag }
    }

    /// Only about creates: a change that comes so late may undo what was done after it.
    fn breaks_bounds(&mut self) -> bool {
        self.history.beyond && !self.calm && self.dice.chance(0.1)
    }

    /// Whether something happens to a process here, and what: it dies, or it stands still.
    fn interrupted(&mut self, at: usize, sending: bool) -> bool {
        if self.calm || !self.proven() || self.owner >= LIVES_MAX || !self.dice.chance(0.04) {
            return false;
        }
        let number = self.processes[at].number;
        let away = self.dice.between(Duration::from_millis(100), Duration::from_mins(2));
        if self.dice.chance(0.5) {
            self.say(|| format!("process {number} dies"));
            self.processes[at].dead = true;
            if number == self.owner {
                self.later(away, Coming::TakeOver);
            }
            return true;
        }
        let in_hand = self.processes[at].in_hand.as_ref().map(|r| r.call.kind());
        let pause = match sending {
            true if in_hand == Some(DeskCall::Create) && self.breaks_bounds() => {
                self.bounds.pause + Duration::from_mins(3)
            }
            true => self.up_to(self.bounds.pause),
            false => away,
        };
        self.processes[at].still = true;
        self.say(|| format!("process {number} stands still for {pause:?} (in hand: {sending})"));
        self.later(pause, Coming::GoOn(number));
        if number == self.owner && self.dice.chance(0.7) {
            let after = self.dice.between(Duration::ZERO, pause);
            self.later(after, Coming::TakeOver);
        }
        true
    }

    /// Does everything that a process can do now.
    fn pump(&mut self, at: usize) {
        loop {
            let process = &mut self.processes[at];
            if process.dead || process.still {
                return;
            }
            if let Some(request) = process.in_hand.take() {
                self.send(at, request);
                continue;
            }
            if let Some(last) = process.appended.take() {
                process.deliveries.handle_recorded(last);
                continue;
            }
            match process.deliveries.poll_step(self.now) {
                Some(Step::Record { number, line }) => {
                    process.batch.push(line);
                    process.last = number;
                }
                Some(Step::Changes { .. }) => unreachable!("nobody is listened to here"),
                Some(Step::Call(request)) => {
                    process.in_hand = Some(*request);
                    if self.interrupted(at, true) {
                        return;
                    }
                }
                None if process.batch.is_empty() => return,
                None => {
                    if self.interrupted(at, false) {
                        return;
                    }
                    let process = &mut self.processes[at];
                    let fenced = process.number != self.owner;
                    if fenced && self.history.mutation != Some(Mutation::IgnoreFence) {
                        process.dead = true;
                        return;
                    }
                    let (number, batch) = (process.number, std::mem::take(&mut process.batch));
                    process.appended = Some(process.last);
                    for line in batch {
                        self.say(|| told(number, &line));
                        self.lines.push(line);
                    }
                    if self.interrupted(at, false) {
                        return;
                    }
                }
            }
        }
    }

    /// A desk that drops keys is known as one by its first ticket, when that was well answered.
    fn proven(&self) -> bool {
        !self.desk.drops_keys || self.lines.iter().any(|l| l.step == DeliveryStep::Unkeyed)
    }

    fn fault(&mut self, call: &Call) -> Option<DeskFault> {
        if self.calm || !self.proven() || self.faults >= FAULTS_MAX || !self.dice.chance(0.3) {
            return None;
        }
        let fault = if call.kind().writes() {
            match self.dice.below(if self.history.beyond { 7 } else { 6 }) {
                0 => DeskFault::LostAfterCommit,
                1 => DeskFault::LostBeforeCommit,
                2 => DeskFault::Slow(self.up_to(self.bounds.commit)),
                // Where no search can find what was opened, a refusal has to be believed.
                3 if self.desk.drops_keys && call.kind() == DeskCall::Create => DeskFault::Refused,
                3 => DeskFault::RefusedAfterCommit,
                // A note that is refused for good is left out by design, and a ticket that cannot be
                // opened again gets a successor; stories show that.
                4 if !matches!(call.kind(), DeskCall::Note | DeskCall::Reopen) => {
                    DeskFault::Refused
                }
                6 if call.kind() == DeskCall::Create => DeskFault::Twice,
                _ => DeskFault::RefusedForNow,
            }
        } else {
            match self.dice.below(3) {
                0 if call.kind() == DeskCall::Find => DeskFault::ReturnsEverything,
                1 => DeskFault::RefusedForNow,
                _ => DeskFault::LookFails,
            }
        };
        self.faults += 1;
        Some(fault)
    }

    fn send(&mut self, at: usize, request: Request) {
        let Request { incident, call, deadline, .. } = request;
        let to = self.processes[at].number;
        // What an overtaken process still sends is the most dangerous when the desk is slow as well.
        let overtaken = call.kind().writes() && to != self.owner && !self.calm;
        let fault = if overtaken && self.proven() && self.dice.chance(0.5) {
            self.faults += 1;
            Some(DeskFault::Slow(self.up_to(self.bounds.commit)))
        } else {
            self.fault(&call)
        };
        let way = self.dice.between(Duration::from_millis(5), Duration::from_millis(300));
        self.say(|| format!("process {to} sends {incident} {} {fault:?}", call.kind()));
        let call = Box::new(call);
        if !call.kind().writes() {
            let everything = fault == Some(DeskFault::ReturnsEverything);
            match fault {
                None | Some(DeskFault::ReturnsEverything) => {
                    self.later(way, Coming::Look { to, incident, call, everything });
                }
                Some(DeskFault::LookFails) => {
                    let answer = self.mutate(&call, lost(&call));
                    self.answer(to, incident, answer);
                }
                Some(_) => {
                    let answer = self.mutate(&call, refused(&call, true));
                    self.answer(to, incident, answer);
                }
            }
            return;
        }
        self.desk.writes += 1;
        let write =
            |said| Coming::Write { to, incident: incident.clone(), call: call.clone(), said };
        match fault {
            None | Some(DeskFault::LookFails | DeskFault::ReturnsEverything) => {
                let write = write(Said::Done);
                self.later(way.min(self.bounds.commit), write);
            }
            Some(DeskFault::LostAfterCommit) => {
                let write = write(Said::Nothing);
                self.later(way.min(self.bounds.commit), write);
            }
            Some(DeskFault::RefusedAfterCommit) => {
                let write = write(Said::No);
                self.later(way.min(self.bounds.commit), write);
            }
            Some(DeskFault::LostBeforeCommit) => {
                let answer = self.mutate(&call, lost(&call));
                self.answer(to, incident, answer);
            }
            Some(DeskFault::Refused) => self.answer(to, incident, refused(&call, false)),
            Some(DeskFault::RefusedForNow) => self.answer(to, incident, refused(&call, true)),
            Some(DeskFault::Twice) => {
                self.later(way, Coming::Commit { call: call.clone(), twice: true });
                self.answer(to, incident, lost(&call));
            }
            Some(DeskFault::Slow(after)) => {
                let create = call.kind() == DeskCall::Create;
                let late = if create && self.breaks_bounds() {
                    Duration::from_mins(4)
                } else {
                    Duration::ZERO
                };
                self.later(after + late, Coming::Commit { call: call.clone(), twice: false });
                let answer = self.mutate(&call, lost(&call));
                let patience = deadline.since(self.now);
                let answer = Box::new(answer);
                self.later(patience, Coming::Answer { to, incident, answer });
            }
        }
    }

    /// What a process that has a rule broken takes an answer for.
    fn mutate(&self, call: &Call, answer: Answer) -> Answer {
        match (self.history.mutation, &answer) {
            (
                Some(Mutation::BlindRetry),
                Answer::Created(Outcome::Unknown { .. }) | Answer::Written(Outcome::Unknown { .. }),
            ) => refused(call, true),
            (
                Some(Mutation::TrustFailedFind),
                Answer::Rows(Outcome::Unknown { .. } | Outcome::Rejected { .. }),
            ) => Answer::Rows(Outcome::Done(Vec::new())),
            (Some(Mutation::TrustEveryRow), Answer::Rows(Outcome::Done(rows))) => {
                let Call::Find { key } = call else { return answer };
                let ours = |r: &Row| Row { key: Some(key.clone()), ..r.clone() };
                Answer::Rows(Outcome::Done(rows.iter().map(ours).collect()))
            }
            _ => answer,
        }
    }

    // --- how it ended ---

    fn ending(&self) -> Ending {
        let mut ending = Ending {
            faults: self.faults,
            lives: self.owner as usize,
            story: self.story.clone(),
            ..Ending::default()
        };
        let incidents: BTreeSet<&IncidentId> = self.intents.iter().map(|i| &i.incident).collect();
        ending.incidents = incidents.len();
        let Some(process) = self.processes.iter().find(|p| p.number == self.owner) else {
            ending.wrong.push("it never came to rest".into());
            return ending;
        };
        let doubtful =
            |i: &IncidentId| process.deliveries.told(i) == Some(delivery::Told::Doubtful);
        for incident in incidents {
            let of = |t: &&Ticket| t.incident == incident.as_str();
            let mut tickets: Vec<&Ticket> = self.desk.tickets.iter().filter(of).collect();
            // A desk that keeps no keys cannot be asked; the doubt is shown.
            if self.desk.drops_keys && doubtful(incident) && tickets.len() <= 1 {
                continue;
            }
            if self.history.beyond && tickets.len() > 1 {
                let counts = process.deliveries.tickets(incident);
                let counts = counts.first().and_then(|(_, t)| self.desk.by_ref(t));
                let others: Vec<&Ticket> = tickets
                    .extract_if(.., |t| counts.is_none_or(|c| !std::ptr::eq(*t, c)))
                    .collect();
                ending.doubles += others.len();
                let closed = others.iter().all(|t| !t.open && !t.notes.is_empty());
                if !closed {
                    ending
                        .wrong
                        .push(format!("{incident}: a second ticket stays open: {others:?}"));
                }
            }
            match tickets[..] {
                [ticket] => {
                    if let Err(what) = self.examine(incident, ticket) {
                        ending.wrong.push(format!("{incident}: {what}"));
                    }
                }
                _ => ending.wrong.push(format!("{incident}: {} tickets", tickets.len())),
            }
        }
        let unrest = |d: &delivery::DeskStatus| d.pending + d.doubtful + d.in_flight > 0;
        if let Some(desk) = process.deliveries.status().iter().find(|d| unrest(d))
            && !self.desk.drops_keys
        {
            ending.wrong.push(format!("not at rest: {desk:?}"));
        }
        let least: usize = self.intents.iter().map(least_writes).sum();
        let most = least + self.faults + self.owner as usize + 2 * ending.doubles;
        if self.desk.writes > most {
            ending.wrong.push(format!("{} writes for {least} changes", self.desk.writes));
        }
        ending
    }

    fn examine(&self, incident: &IncidentId, ticket: &Ticket) -> Result<(), String> {
        let intents: Vec<&Intent> =
            self.intents.iter().filter(|i| i.incident == *incident).collect();
        let last = intents.last().ok_or("no intents")?;
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
        let said = |id: &String| intents.iter().find(|i| i.id == *id && i.op != IntentOp::Create);
        let told = ticket.notes.iter().rev().find_map(|id| said(id).and_then(|i| state(i.op)));
        if told.unwrap_or(true) != open {
            return Err(format!("the notes end with open = {told:?}"));
        }
        Ok(())
    }
}

fn told(process: u32, line: &DeliveryLine) -> String {
    let call = line.call.map_or("", DeskCall::word);
    let secs = |at: Option<Timestamp>| at.map(|at| at.since(START).as_secs_f64());
    format!(
        "  {process}: {} {} {call} open={} {:?} try {} until {:?} again {:?}: {}",
        line.incident,
        line.step,
        line.open,
        line.priority,
        line.attempt,
        secs(line.deadline),
        secs(line.next_try),
        line.reason
    )
}

fn state(op: IntentOp) -> Option<bool> {
    match op {
        IntentOp::Resolve | IntentOp::Merge => Some(false),
        IntentOp::Create | IntentOp::Reopen => Some(true),
        _ => None,
    }
}

fn least_writes(intent: &Intent) -> usize {
    match intent.op {
        IntentOp::Create | IntentOp::Note => 1,
        IntentOp::Notify => 0,
        _ => 2,
    }
}

fn intent(incident: &str, revision: u32, op: IntentOp, priority: Priority) -> Coming {
    Coming::Intent(Box::new(Intent {
        at: START,
        id: format!("{incident}.{revision}"),
        incident: IncidentId::from_text(incident),
        op,
        revision,
        priority,
        title: format!("{incident} tidak terjangkau"),
        text: format!("teks {revision}"),
        into: None,
        event: 1,
        received: START,
    }))
}

fn lost(call: &Call) -> Answer {
    failed(call, &Outcome::Unknown { reason: "connection reset".into() })
}

fn refused(call: &Call, retry: bool) -> Answer {
    failed(call, &Outcome::Rejected { retry, reason: "no".into() })
}
