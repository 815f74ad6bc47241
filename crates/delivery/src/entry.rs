//! One incident on one desk: what is on record about it, and what comes next.
//!
//! The durable part changes in [`Entry::apply`] only, from lines that are on record. So what is
//! rebuilt after a crash is what was there before it, by construction; the rest (`way`, `look`) is
//! what only this process knows, and forgetting it costs a look.

use crate::answer::{Answer, Call, Draft, Note, Outcome, Row, Snapshot};
use crate::backoff::backoff;
use crate::desired::{Desired, Pending};
use crate::rules::DeskRules;
use model::{
    DeliveryLine, DeliveryStep, DeskCall, IncidentId, IntentOp, Priority, TicketRef, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The id of a ticket that was decided on a dry run and exists nowhere.
pub const DRY_RUN_ID: &str = "dry-run";

/// After this many refusals that no waiting will heal, a note is left out, and so is everything
/// else on the ticket of an incident that is closed.
pub const REFUSALS_MAX: u32 = 3;

/// How long a line may take to become durable before the request it announces is called off.
const RECORD_SLACK: Duration = Duration::from_secs(5);

/// How soon after a lost answer the first look is taken. What it finds is believed at once.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// A look that fails is on record the first time and then every so many times: a desk that is away
/// for a day shall not fill the journal.
const FAILED_LOOK_EVERY: u32 = 20;

/// One incident on one desk.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    // --- what it should be ---
    pub(crate) desired: Desired,
    /// The incident is closed: forget it as soon as the desk shows what it should.
    pub(crate) closing: bool,

    // --- what is on record ---
    pub(crate) key: String,
    pub(crate) generation: u32,
    reserved: bool,
    known: Option<Known>,
    /// Every note up to this revision was said or left out for good.
    noted: u32,
    /// The desk shows everything up to this revision.
    settled: u32,
    /// A request that writes and whose end is not on record. There is never a second one.
    doubt: Option<Doubt>,
    /// How often the current thing was tried.
    attempt: u32,
    /// Nothing is done before.
    next_try: Option<Timestamp>,
    /// The desk will not have a ticket, and the incident is over.
    abandoned: bool,

    // --- what only this process knows ---
    #[serde(skip)]
    pub(crate) way: Way,
    #[serde(skip)]
    look: Look,
    /// Some request about it has left.
    #[serde(skip)]
    pub(crate) asked: bool,
}

/// The ticket as last known.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    ticket: TicketRef,
    open: bool,
    /// The priority that we gave it; none when we found it with one that is none of ours.
    priority: Option<Priority>,
    /// It was read back after the create.
    checked: bool,
    /// The state that the ticket's text told last.
    said_open: bool,
    /// The priority that it told last.
    said_priority: Option<Priority>,
    /// Something was decided on a dry run, so the ticket may differ from this.
    dry: bool,
}

/// A request whose end is not on record.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Doubt {
    call: DeskCall,
    op: Option<IntentOp>,
    operation: Option<String>,
    revision: u32,
    attempt: u32,
    open: bool,
    priority: Option<Priority>,
    /// Before it is a doubt: until when the request may be under way. After: from when on an empty
    /// look counts.
    deadline: Timestamp,
    /// It is on record as a doubt; before that it is a request under way (or one that was under way
    /// when the process ended).
    noticed: bool,
}

/// What this process is doing about it.
#[derive(Debug, Clone, Default)]
pub(crate) enum Way {
    /// Nothing.
    #[default]
    Rest,
    /// A line is being made durable; then, where there is one, this request leaves.
    Recording(Option<Box<Call>>),
    /// This request may leave now.
    Outgoing(Box<Call>),
    /// A request of this kind is under way since then.
    Calling(DeskCall, Timestamp),
}

/// What this process saw while looking.
#[derive(Debug, Clone, Default)]
struct Look {
    /// No ticket has the key; asked just now, nothing was written since.
    absent: bool,
    /// Empty looks that count.
    empty: u32,
    /// Looks that failed, in a row.
    failed: u32,
    /// Refusals that no waiting will heal, in a row.
    refused: u32,
    /// No look before.
    not_before: Option<Timestamp>,
}

/// What comes next for an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Next {
    /// Nothing.
    Nothing,
    /// Nothing before then.
    Wait(Timestamp),
    /// Put the key on record.
    Reserve,
    /// Say that a request from before the restart is in doubt.
    Notice,
    /// Look what became of the request in doubt.
    LookUp,
    /// There is no way to look: settle the doubt the careful way.
    Presume,
    /// Ask whether a ticket has the key.
    Find,
    /// Open the ticket.
    Create,
    /// Read the new ticket back.
    Check,
    /// Read it again after a dry run.
    Refresh,
    /// Say something.
    Say,
    /// Set the priority.
    SetPriority,
    /// Resolve or open again.
    SetState,
    /// Say that the desk shows what it should.
    Settle,
}

/// How a `Next` is carried out.
pub(crate) enum Plan {
    /// Put a line on record.
    Line(DeliveryLine),
    /// Put a line on record, then send.
    Send(DeliveryLine, Call),
    /// Ask; nothing on record is needed for that.
    Ask(Call),
}

/// Who an entry is; entries do not repeat it.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a> {
    pub(crate) desk: &'a Arc<str>,
    pub(crate) incident: &'a IncidentId,
}

impl Entry {
    pub(crate) fn new(key: String) -> Entry {
        Entry {
            desired: Desired::default(),
            closing: false,
            key,
            generation: 0,
            reserved: false,
            known: None,
            noted: 0,
            settled: 0,
            doubt: None,
            attempt: 0,
            next_try: None,
            abandoned: false,
            way: Way::Rest,
            look: Look::default(),
            asked: false,
        }
    }

    // --- getters ---

    /// The ticket, once it is known.
    pub(crate) fn ticket(&self) -> Option<&TicketRef> {
        self.known.as_ref().map(|k| &k.ticket)
    }

    /// The desk does not show yet what it should.
    pub(crate) fn unsettled(&self) -> bool {
        self.doubt.is_some()
            || (self.desired.wanted && !self.abandoned && self.settled < self.desired.revision)
    }

    /// Nobody knows what became of a request.
    pub(crate) fn doubtful(&self) -> bool {
        self.doubt.as_ref().is_some_and(|d| d.noticed)
    }

    /// A request of it is under way or about to be.
    pub(crate) fn in_flight(&self) -> bool {
        matches!(self.way, Way::Recording(Some(_)) | Way::Outgoing(_) | Way::Calling(..))
    }

    /// Until when the request that is about to leave may be under way.
    pub(crate) fn sending_deadline(&self) -> Option<Timestamp> {
        self.doubt.as_ref().filter(|d| !d.noticed).map(|d| d.deadline)
    }

    /// What stands for a `Next` that it does not make a request.
    pub(crate) fn needs_request(next: Next, rules: &DeskRules) -> bool {
        match next {
            Next::LookUp | Next::Find | Next::Check | Next::Refresh => true,
            // Whether the desk can is seen when it is planned; that costs nobody anything but a
            // turn.
            Next::Create | Next::SetState => !rules.dry_run,
            Next::Say => !rules.dry_run && rules.can.note,
            Next::SetPriority => !rules.dry_run && rules.can.priority,
            Next::Nothing
            | Next::Wait(_)
            | Next::Reserve
            | Next::Notice
            | Next::Presume
            | Next::Settle => false,
        }
    }

    /// The ticket that counts: one from a dry run does not, once the desk is on no dry run.
    fn standing(&self, rules: &DeskRules) -> Option<&Known> {
        self.known.as_ref().filter(|k| rules.dry_run || k.ticket.id != DRY_RUN_ID)
    }

    // --- what comes next ---

    /// The difference between what should be and what is known, as the one next thing to do.
    pub(crate) fn next(&self, rules: &DeskRules, now: Timestamp) -> Next {
        if !matches!(self.way, Way::Rest) {
            return Next::Nothing;
        }
        if let Some(doubt) = &self.doubt {
            if !doubt.noticed {
                return Next::Notice;
            }
            let look = match doubt.call {
                DeskCall::Create => rules.can.find,
                DeskCall::Note => rules.can.read_notes,
                _ => rules.can.read,
            };
            return match self.paused(now) {
                Some(until) => Next::Wait(until),
                None if look => Next::LookUp,
                None if doubt.call == DeskCall::Create => Next::Nothing,
                None => Next::Presume,
            };
        }
        if !self.desired.wanted || self.abandoned {
            return Next::Nothing;
        }
        let Some(known) = self.standing(rules) else {
            return self.next_towards_a_ticket(rules, now);
        };
        if let Some(until) = self.paused(now) {
            return Next::Wait(until);
        }
        if !rules.dry_run && known.dry && rules.can.read {
            Next::Refresh
        } else if !rules.dry_run && !known.checked && rules.can.read {
            Next::Check
        } else if self.pending(known).is_some() {
            Next::Say
        } else if known.priority.is_some_and(|p| p != self.desired.priority) {
            Next::SetPriority
        } else if known.open != self.desired.open {
            Next::SetState
        } else if self.settled < self.desired.revision {
            Next::Settle
        } else {
            Next::Nothing
        }
    }

    fn next_towards_a_ticket(&self, rules: &DeskRules, now: Timestamp) -> Next {
        let over_on_dry_run = self.known.is_some() && !self.desired.open;
        if over_on_dry_run {
            return if self.settled < self.desired.revision { Next::Settle } else { Next::Nothing };
        }
        if !self.reserved {
            Next::Reserve
        } else if let Some(until) = self.paused(now) {
            Next::Wait(until)
        } else if rules.can.find && !self.look.absent && !rules.dry_run {
            Next::Find
        } else {
            Next::Create
        }
    }

    fn paused(&self, now: Timestamp) -> Option<Timestamp> {
        self.next_try.max(self.look.not_before).filter(|until| *until > now)
    }

    fn pending(&self, known: &Known) -> Option<&Pending> {
        self.desired.next_note(known.said_open, known.said_priority)
    }

    /// How `next` is carried out. Only called with what [`Entry::next`] has just returned.
    pub(crate) fn plan(
        &self,
        name: Name<'_>,
        next: Next,
        rules: &DeskRules,
        now: Timestamp,
    ) -> Option<Plan> {
        let line = |step| self.line(name, step, now);
        let plan = match next {
            Next::Nothing | Next::Wait(_) => return None,
            Next::Reserve => Plan::Line(DeliveryLine {
                reason: "the desk shall have a ticket under this key".into(),
                ..line(DeliveryStep::Reserved)
            }),
            Next::Notice => Plan::Line(self.doubtful_line(
                name,
                rules,
                now,
                "the process ended before an answer came",
            )?),
            Next::LookUp => {
                let doubt = self.doubt.as_ref()?;
                Plan::Ask(match self.ticket() {
                    Some(ticket) if doubt.call != DeskCall::Create => {
                        Call::Read { ticket: ticket.clone(), notes: doubt.call == DeskCall::Note }
                    }
                    _ => Call::Find { key: self.key.clone() },
                })
            }
            Next::Presume => Plan::Line(self.presumed(name, now)?),
            Next::Find => Plan::Ask(Call::Find { key: self.key.clone() }),
            Next::Create => self.plan_create(name, rules, now),
            Next::Check | Next::Refresh => {
                Plan::Ask(Call::Read { ticket: self.ticket()?.clone(), notes: false })
            }
            Next::Say => {
                let known = self.standing(rules)?;
                let pending = self.pending(known)?;
                let line = DeliveryLine {
                    call: Some(DeskCall::Note),
                    op: Some(pending.op),
                    operation: Some(pending.id.clone()),
                    revision: pending.revision,
                    priority: Some(pending.priority),
                    ..line(DeliveryStep::Sending)
                };
                let note = Note { operation: pending.id.clone(), text: self.note_text(pending) };
                let call = Call::Note { ticket: known.ticket.clone(), note };
                self.send(line, call, rules.can.note, rules, now)
            }
            Next::SetPriority => {
                let known = self.standing(rules)?;
                let priority = self.desired.priority;
                let line = DeliveryLine {
                    call: Some(DeskCall::Priority),
                    op: Some(IntentOp::Reprioritise),
                    priority: Some(priority),
                    ..line(DeliveryStep::Sending)
                };
                let call = Call::Priority { ticket: known.ticket.clone(), priority };
                self.send(line, call, rules.can.priority, rules, now)
            }
            Next::SetState => {
                let ticket = self.standing(rules)?.ticket.clone();
                let open = self.desired.open;
                let (op, call, able) = if open {
                    (IntentOp::Reopen, Call::Reopen { ticket }, rules.can.reopen)
                } else {
                    (IntentOp::Resolve, Call::Resolve { ticket }, rules.can.resolve)
                };
                let line = DeliveryLine {
                    call: Some(call.kind()),
                    op: Some(op),
                    open,
                    ..line(DeliveryStep::Sending)
                };
                self.send(line, call, able, rules, now)
            }
            Next::Settle => Plan::Line(DeliveryLine {
                reason: "the desk shows what it should".into(),
                attempt: 0,
                ..line(DeliveryStep::Settled)
            }),
        };
        Some(plan)
    }

    fn plan_create(&self, name: Name<'_>, rules: &DeskRules, now: Timestamp) -> Plan {
        let line = DeliveryLine {
            call: Some(DeskCall::Create),
            op: Some(IntentOp::Create),
            priority: Some(self.desired.priority),
            open: true,
            ticket: None,
            ..self.line(name, DeliveryStep::Sending, now)
        };
        let call = Call::Create(Draft {
            key: self.key.clone(),
            incident: name.incident.to_string(),
            title: self.desired.title.clone(),
            text: format!("{}\n\n[kent:{}]", self.desired.text, self.key),
            priority: self.desired.priority,
            group: self.desired.group.clone(),
        });
        self.send(line, call, true, rules, now)
    }

    /// Sends, or says why not.
    fn send(
        &self,
        mut line: DeliveryLine,
        call: Call,
        able: bool,
        rules: &DeskRules,
        now: Timestamp,
    ) -> Plan {
        if rules.dry_run {
            line.step = DeliveryStep::DryRun;
            line.ticket.get_or_insert_with(|| TicketRef { id: DRY_RUN_ID.into(), url: None });
            line.attempt = 0;
            line.reason =
                format!("{} decided; the desk is on dry run, nothing was sent", call.kind());
            return Plan::Line(line);
        }
        if !able {
            line.step = DeliveryStep::Unable;
            line.attempt = 0;
            line.reason = format!("this desk has no way to {}", call.kind());
            return Plan::Line(line);
        }
        line.attempt = self.attempt + 1;
        line.deadline = Some(now + rules.timeout + RECORD_SLACK);
        line.reason = match line.attempt {
            1 => format!("{} leaves", call.kind()),
            n => format!("{} leaves, try {n}", call.kind()),
        };
        Plan::Send(line, call)
    }

    fn note_text(&self, pending: &Pending) -> String {
        let missing = match self.desired.left_out {
            0 => String::new(),
            n => format!("(+{n} …)\n"),
        };
        format!("{missing}{}\n\n{}", pending.text, Note::marker(&pending.id))
    }

    fn line(&self, name: Name<'_>, step: DeliveryStep, now: Timestamp) -> DeliveryLine {
        DeliveryLine {
            at: now,
            incident: name.incident.clone(),
            desk: name.desk.clone(),
            key: self.key.clone(),
            generation: self.generation,
            step,
            call: None,
            op: None,
            operation: None,
            revision: self.desired.revision,
            attempt: self.attempt,
            deadline: None,
            next_try: None,
            ticket: self.ticket().cloned(),
            priority: self.known.as_ref().map_or(Some(self.desired.priority), |k| k.priority),
            open: self.known.as_ref().map_or(self.desired.open, |k| k.open),
            reason: String::new(),
        }
    }

    /// A line about the request in doubt.
    fn doubt_line(
        &self,
        name: Name<'_>,
        step: DeliveryStep,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let doubt = self.doubt.as_ref()?;
        Some(DeliveryLine {
            call: Some(doubt.call),
            op: doubt.op,
            operation: doubt.operation.clone(),
            revision: doubt.revision,
            attempt: doubt.attempt,
            priority: doubt.priority,
            open: doubt.open,
            ..self.line(name, step, now)
        })
    }

    fn doubtful_line(
        &self,
        name: Name<'_>,
        rules: &DeskRules,
        now: Timestamp,
        reason: &str,
    ) -> Option<DeliveryLine> {
        let doubt = self.doubt.as_ref()?;
        let restarted = matches!(self.way, Way::Rest);
        // Of a request that another process sent nobody knows when it ended; of ours we know that
        // we stopped waiting for it now, and one to a part of ourselves ended with us.
        let ended = if restarted && !rules.local { doubt.deadline.max(now) } else { now };
        let first_look =
            if restarted { Duration::ZERO } else { FIRST_LOOK.min(rules.visibility_delay) };
        Some(DeliveryLine {
            deadline: Some(ended + rules.visibility_delay),
            next_try: Some(now + first_look),
            reason: reason.to_owned(),
            ..self.doubt_line(name, DeliveryStep::Doubtful, now)?
        })
    }

    /// Where nothing can be read back: a state is set again, which is harmless; a note is left out,
    /// because twice is worse than once too few on a ticket that also shows the state.
    fn presumed(&self, name: Name<'_>, now: Timestamp) -> Option<DeliveryLine> {
        let note = self.doubt.as_ref()?.call == DeskCall::Note;
        let (step, reason) = if note {
            (
                DeliveryStep::GivenUp,
                "the answer was lost and this desk cannot be read; not said again",
            )
        } else {
            (DeliveryStep::NotFound, "the answer was lost and this desk cannot be read; set again")
        };
        Some(DeliveryLine { reason: reason.into(), ..self.doubt_line(name, step, now)? })
    }

    // --- what came back ---

    /// Takes the answer to the request under way. What it means is a line, or nothing that needs to
    /// be on record.
    pub(crate) fn handle_answer(
        &mut self,
        name: Name<'_>,
        answer: Answer,
        rules: &DeskRules,
        keyless: bool,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let Way::Calling(call, asked) = self.way else { return None };
        let line = match (call, answer) {
            (DeskCall::Find, Answer::Rows(rows)) => {
                self.handle_rows(name, rows, rules, keyless, asked, now)
            }
            (DeskCall::Create, Answer::Created(outcome)) => {
                self.handle_written(name, outcome.map(Some), rules, now)
            }
            (DeskCall::Read, Answer::Ticket(outcome)) => {
                self.handle_ticket(name, outcome, rules, asked, now)
            }
            (_, Answer::Written(outcome)) if call.writes() => {
                self.handle_written(name, outcome.map(|()| None), rules, now)
            }
            // An answer to another question is no answer.
            (call, _) if call.writes() => {
                self.doubtful_line(name, rules, now, "the answer does not belong to the request")
            }
            _ => self.look_failed(name, "the answer does not belong to the request", rules, now),
        };
        self.way = if line.is_some() { Way::Recording(None) } else { Way::Rest };
        line
    }

    /// The request was announced and will not leave: nothing was done.
    pub(crate) fn call_off(
        &mut self,
        name: Name<'_>,
        why: &str,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        self.way = Way::Recording(None);
        self.look = Look::default();
        Some(DeliveryLine {
            next_try: None,
            reason: format!("{why}; it did not leave"),
            ..self.doubt_line(name, DeliveryStep::Refused, now)?
        })
    }

    fn handle_rows(
        &mut self,
        name: Name<'_>,
        rows: Outcome<Vec<Row>>,
        rules: &DeskRules,
        keyless: bool,
        asked: Timestamp,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let rows = match rows {
            Outcome::Done(rows) => rows,
            Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => {
                return self.look_failed(name, &reason, rules, now);
            }
        };
        let strangers = rows.len();
        let mut ours: Vec<Row> =
            rows.into_iter().filter(|r| r.key.as_deref() == Some(self.key.as_str())).collect();
        ours.sort_by_cached_key(|r| natural(&r.ticket.id));
        if let Some(oldest) = ours.first() {
            self.look = Look::default();
            let others: Vec<&str> = ours[1..].iter().map(|r| r.ticket.id.as_str()).collect();
            let mut line = match self.doubt_line(name, DeliveryStep::Found, now) {
                Some(line) => line,
                None => DeliveryLine {
                    call: Some(DeskCall::Find),
                    op: Some(IntentOp::Create),
                    ..self.line(name, DeliveryStep::Found, now)
                },
            };
            // What a person set in between stays theirs: only one of our own priorities is taken.
            let asked_for = line.priority.filter(|p| oldest.priorities.contains(p));
            line.priority = asked_for.or_else(|| oldest.priorities.first().copied());
            line.open = oldest.open;
            line.ticket = Some(oldest.ticket.clone());
            line.reason = if others.is_empty() {
                format!("ticket {} has the key", oldest.ticket.id)
            } else {
                format!(
                    "ticket {} has the key, and so have {}",
                    oldest.ticket.id,
                    others.join(", ")
                )
            };
            return Some(line);
        }
        if strangers > 0 {
            let reason =
                format!("the search returned {strangers} tickets, none of them with the key");
            return self.look_failed(name, &reason, rules, now);
        }
        self.look.failed = 0;
        self.look.not_before = None;
        if self.doubt.is_none() {
            self.look.absent = true;
            return None;
        }
        let line = self.seen_nothing(name, "no ticket has the key", rules, keyless, asked, now)?;
        self.look.absent = line.next_try.is_none();
        Some(line)
    }

    fn handle_ticket(
        &mut self,
        name: Name<'_>,
        outcome: Outcome<Snapshot>,
        rules: &DeskRules,
        asked: Timestamp,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let snapshot = match outcome {
            Outcome::Done(snapshot) => snapshot,
            Outcome::Rejected { retry: false, reason } if self.doubt.is_none() => {
                return Some(DeliveryLine {
                    call: Some(DeskCall::Read),
                    reason: format!("could not be read back: {reason}"),
                    ..self.line(name, DeliveryStep::Unable, now)
                });
            }
            Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => {
                return self.look_failed(name, &reason, rules, now);
            }
        };
        self.look.failed = 0;
        self.look.not_before = None;
        let Some(doubt) = &self.doubt else {
            return Some(self.read_back(name, &snapshot, now));
        };
        let landed = match doubt.call {
            DeskCall::Note => {
                doubt.operation.as_ref().is_some_and(|op| snapshot.notes.contains(op))
            }
            DeskCall::Priority => doubt.priority.is_some_and(|p| snapshot.priorities.contains(&p)),
            _ => doubt.open == snapshot.open,
        };
        if landed {
            self.look = Look::default();
            let line = self.doubt_line(name, DeliveryStep::Found, now)?;
            return Some(DeliveryLine { reason: "the desk has done it".into(), ..line });
        }
        self.seen_nothing(name, "the ticket does not show it", rules, false, asked, now)
    }

    /// A ticket that was read without a doubt: after its create, or after a dry run.
    fn read_back(&self, name: Name<'_>, snapshot: &Snapshot, now: Timestamp) -> DeliveryLine {
        let fresh = self.known.as_ref().is_some_and(|k| !k.checked);
        let (step, reason) = if !fresh {
            (DeliveryStep::Found, "read again after a dry run")
        } else if snapshot.key.as_deref() == Some(self.key.as_str()) {
            (DeliveryStep::Checked, "the desk has kept the key")
        } else {
            (
                DeliveryStep::Unkeyed,
                "the desk has not kept the key: does the field exist, may we write and read it?",
            )
        };
        let mut line = DeliveryLine {
            call: Some(DeskCall::Read),
            reason: reason.into(),
            ..self.line(name, step, now)
        };
        if !fresh {
            line.open = snapshot.open;
            line.priority = snapshot.priorities.first().copied();
        }
        line
    }

    /// An empty look for a request in doubt.
    fn seen_nothing(
        &mut self,
        name: Name<'_>,
        what: &str,
        rules: &DeskRules,
        keyless: bool,
        asked: Timestamp,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let counts_from = self.doubt.as_ref()?.deadline;
        let spacing = rules.visibility_delay.max(Duration::from_millis(1));
        let mut line = self.doubt_line(name, DeliveryStep::NotFound, now)?;
        line.deadline = Some(counts_from);
        if asked < counts_from {
            line.next_try = Some((now + spacing).min(counts_from));
            line.reason = format!("{what}, but it is too early for that to count");
            return Some(line);
        }
        self.look.empty += 1;
        if keyless {
            let pause = backoff(&self.key, self.look.empty, spacing, rules.refused_max);
            line.next_try = Some(now + pause);
            line.reason = format!("{what}, but this desk does not keep keys: a person must look");
            if self.look.empty % FAILED_LOOK_EVERY != 1 {
                self.look.not_before = line.next_try;
                return None;
            }
        } else if self.look.empty < rules.empty_looks {
            line.next_try = Some(now + spacing);
            line.reason = format!("{what}; one more look");
        } else {
            line.deadline = None;
            line.reason = format!("{what}: the request did nothing");
            self.look = Look::default();
        }
        Some(line)
    }

    fn look_failed(
        &mut self,
        name: Name<'_>,
        reason: &str,
        rules: &DeskRules,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        self.look.failed += 1;
        let pause = backoff(&self.key, self.look.failed, rules.retry_first, rules.retry_max);
        self.look.not_before = Some(now + pause);
        if self.look.failed % FAILED_LOOK_EVERY != 1 {
            return None;
        }
        let line = self.doubt_line(name, DeliveryStep::Unanswered, now);
        Some(DeliveryLine {
            attempt: self.look.failed,
            deadline: self.doubt.as_ref().map(|d| d.deadline),
            next_try: self.look.not_before,
            reason: format!("looking failed: {reason}"),
            ..line.unwrap_or_else(|| self.line(name, DeliveryStep::Unanswered, now))
        })
    }

    fn handle_written(
        &mut self,
        name: Name<'_>,
        outcome: Outcome<Option<TicketRef>>,
        rules: &DeskRules,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        match outcome {
            Outcome::Done(ticket) => {
                self.look = Look::default();
                let line = self.doubt_line(name, DeliveryStep::Confirmed, now)?;
                Some(DeliveryLine {
                    ticket: ticket.or_else(|| line.ticket.clone()),
                    reason: "done".into(),
                    ..line
                })
            }
            Outcome::Rejected { retry, reason } => self.refused(name, retry, reason, rules, now),
            Outcome::Unknown { reason } => {
                self.look = Look::default();
                self.doubtful_line(name, rules, now, &reason)
            }
        }
    }

    fn refused(
        &mut self,
        name: Name<'_>,
        retry: bool,
        reason: String,
        rules: &DeskRules,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let refused = if retry { 0 } else { self.look.refused + 1 };
        self.look = Look { refused, ..Look::default() };
        let line = self.doubt_line(name, DeliveryStep::Refused, now)?;
        let note = line.call == Some(DeskCall::Note);
        if refused >= REFUSALS_MAX && (note || self.closing) {
            self.look.refused = 0;
            return Some(DeliveryLine {
                step: DeliveryStep::GivenUp,
                reason: format!("refused {refused} times: {reason}"),
                ..line
            });
        }
        let max = if refused >= REFUSALS_MAX { rules.refused_max } else { rules.retry_max };
        let pause = backoff(&self.key, line.attempt, rules.retry_first, max);
        Some(DeliveryLine { next_try: Some(now + pause), reason, ..line })
    }

    // --- what is on record ---

    /// Makes a line that is on record part of what is known.
    pub(crate) fn apply(&mut self, line: &DeliveryLine) {
        self.key.clone_from(&line.key);
        self.generation = line.generation;
        self.reserved = true;
        match line.step {
            DeliveryStep::Reserved => {}
            DeliveryStep::Sending => {
                self.attempt = line.attempt;
                self.next_try = None;
                self.doubt = Doubt::of(line, false);
            }
            DeliveryStep::Doubtful => {
                self.attempt = line.attempt;
                self.next_try = line.next_try;
                self.doubt = Doubt::of(line, true);
            }
            DeliveryStep::Confirmed
            | DeliveryStep::Found
            | DeliveryStep::DryRun
            | DeliveryStep::Unable
            | DeliveryStep::GivenUp => {
                self.doubt = None;
                self.attempt = 0;
                self.next_try = None;
                self.apply_done(line);
            }
            DeliveryStep::Refused => {
                self.doubt = None;
                self.attempt = line.attempt;
                self.next_try = line.next_try;
            }
            DeliveryStep::NotFound => {
                self.attempt = line.attempt;
                self.next_try = line.next_try;
                if line.next_try.is_none() {
                    self.doubt = None;
                }
            }
            DeliveryStep::Unanswered => self.next_try = line.next_try,
            DeliveryStep::Checked | DeliveryStep::Unkeyed => {
                self.next_try = None;
                if let Some(known) = &mut self.known {
                    known.checked = true;
                }
            }
            DeliveryStep::Settled => {
                self.attempt = 0;
                self.next_try = None;
                self.settled = self.settled.max(line.revision);
                self.noted(line.revision);
                if self.settled >= self.desired.revision {
                    self.desired.waiting_since = None;
                }
            }
        }
    }

    /// Something was done, or shall count as done.
    fn apply_done(&mut self, line: &DeliveryLine) {
        let dry = line.step == DeliveryStep::DryRun;
        match line.call {
            Some(DeskCall::Create | DeskCall::Find) => match &line.ticket {
                Some(ticket) if line.step != DeliveryStep::GivenUp => {
                    self.known = Some(Known {
                        ticket: ticket.clone(),
                        open: line.open,
                        priority: line.priority,
                        checked: line.step != DeliveryStep::Confirmed,
                        said_open: line.open,
                        said_priority: line.priority,
                        dry,
                    });
                    self.desired.text = String::new();
                }
                _ => self.abandoned = true,
            },
            Some(DeskCall::Note) => self.noted(line.revision),
            _ => {}
        }
        let Some(known) = &mut self.known else { return };
        match line.call {
            Some(DeskCall::Note) => match line.op {
                Some(IntentOp::Resolve | IntentOp::Merge) => known.said_open = false,
                Some(IntentOp::Reopen) => known.said_open = true,
                Some(IntentOp::Reprioritise) => known.said_priority = line.priority,
                _ => {}
            },
            Some(DeskCall::Priority) => known.priority = line.priority,
            Some(DeskCall::Resolve | DeskCall::Reopen) => known.open = line.open,
            Some(DeskCall::Read) if line.step == DeliveryStep::Unable => known.checked = true,
            Some(DeskCall::Read) => {
                known.open = line.open;
                known.priority = line.priority;
                known.dry = false;
            }
            Some(DeskCall::Create | DeskCall::Find) | None => {}
        }
        known.dry |= dry;
    }

    fn noted(&mut self, revision: u32) {
        self.noted = self.noted.max(revision);
        self.desired.said_through(self.noted);
    }

    /// Takes one more intent in.
    pub(crate) fn fold(&mut self, intent: &model::Intent) {
        self.desired.fold(intent, self.noted, self.known.is_some());
        if self.settled >= self.desired.revision {
            self.desired.waiting_since = None;
        }
    }
}

impl Doubt {
    /// What a `sending` or `doubtful` line leaves open.
    fn of(line: &DeliveryLine, noticed: bool) -> Option<Doubt> {
        Some(Doubt {
            call: line.call?,
            op: line.op,
            operation: line.operation.clone(),
            revision: line.revision,
            attempt: line.attempt,
            open: line.open,
            priority: line.priority,
            deadline: line.deadline.unwrap_or(line.at),
            noticed,
        })
    }
}

/// Orders ids as a person would: `T-9` before `T-10`, and without a number by their text.
fn natural(id: &str) -> (String, u128, String) {
    let digits = id.len() - id.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (word, number) = id.split_at(digits);
    (word.to_owned(), number.parse().unwrap_or(u128::MAX), id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_tickets_come_first() {
        let mut ids = ["T-10", "T-9", "12", "7", "abc", ""];
        ids.sort_by_cached_key(|id| natural(id));
        assert_eq!(ids, ["7", "12", "", "T-9", "T-10", "abc"]);
    }
}
