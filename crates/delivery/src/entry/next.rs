//! The next thing to do for an entry: the difference between what should be and what is known.

use super::{
    DRY_RUN_ID, Doubt, Entry, FIRST_LOOK, Known, Name, Next, PASSED_AFTER, Plan, RECORD_SLACK, Way,
};
use crate::answer::{Call, Draft, Note};
use crate::joined::Joined;
use crate::rules::DeskRules;
use model::id::{short_hash, ticket_key};
use model::{DeliveryLine, DeliveryStep, DeskCall, IntentOp, TicketRef, Timestamp};
use std::time::Duration;

impl Entry {
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
        if self.rereads(rules).is_some() {
            Next::Reread
        } else if !rules.dry_run && known.dry && rules.can.read {
            Next::Refresh
        } else if !rules.dry_run && !known.checked && rules.can.read {
            Next::Check
        } else if self.pending(known, rules).is_some() {
            self.next_to_say(known, rules, now)
        } else if self.objects() {
            Next::Object
        } else if let Some(field) = self.next_field(known, rules, now) {
            field
        } else if self.settled < self.desired.revision {
            Next::Settle
        } else if let Some(twin) = self.twins.first() {
            if twin.told { Next::CloseTwin } else { Next::TellTwin }
        } else if self.missed {
            Next::Verify
        } else if self.to_sweep {
            Next::Sweep
        } else {
            self.next_watch(rules).unwrap_or(Next::Nothing)
        }
    }

    /// There is something to say. While it has to wait for the minute to end, what the ticket shows is
    /// put right; only closing waits for its note, because there are desks where a note opens again.
    fn next_to_say(&self, known: &Known, rules: &DeskRules, now: Timestamp) -> Next {
        let until = self.noted_at.map(|at| at + rules.note_every).filter(|until| {
            *until > now && !rules.note_every.is_zero() && rules.can.note && !rules.dry_run
        });
        let Some(until) = until else { return Next::Say };
        let same = known.priority.is_none_or(|p| p == self.desired.priority);
        let only_closes = same && !self.desired.open;
        match self.next_field(known, rules, now).filter(|_| !only_closes) {
            Some(field) if field != Next::SetState || self.desired.open => field,
            // People are heard meanwhile.
            _ => match self.next_watch(rules) {
                Some(Next::Watch(due)) if due < until => Next::Watch(due),
                _ => Next::Wait(until),
            },
        }
    }

    fn next_towards_a_ticket(&self, rules: &DeskRules, now: Timestamp) -> Next {
        let over_on_dry_run = self.known.is_some() && !self.desired.open;
        if over_on_dry_run {
            return if self.settled < self.desired.revision { Next::Settle } else { Next::Nothing };
        }
        if self.passed() {
            Next::Nothing
        } else if !self.reserved {
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

    /// What was refused and is still to be read, where that can be read.
    pub(super) fn rereads(&self, rules: &DeskRules) -> Option<&Doubt> {
        let can = |d: &&Doubt| match d.call {
            DeskCall::Note => rules.can.read_notes,
            _ => rules.can.read,
        };
        self.refused.as_deref().filter(can).filter(|_| !self.look.undone && !rules.dry_run)
    }

    fn pending(&self, known: &Known, rules: &DeskRules) -> Option<Joined<'_>> {
        let join = !rules.note_every.is_zero();
        self.desired.joined(known.said_open, known.said_priority, join)
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
                Plan::Ask(match doubt.about.as_ref().or_else(|| self.ticket()) {
                    Some(ticket) if doubt.call != DeskCall::Create => {
                        Call::Read { ticket: ticket.clone(), notes: doubt.call == DeskCall::Note }
                    }
                    _ => Call::Find { key: self.key.clone() },
                })
            }
            Next::Presume => Plan::Line(self.presumed(name, now)?),
            Next::Find | Next::Sweep => Plan::Ask(Call::Find { key: self.key.clone() }),
            Next::Create => self.plan_create(name, rules, now),
            Next::Check | Next::Refresh | Next::Verify => {
                Plan::Ask(Call::Read { ticket: self.ticket()?.clone(), notes: false })
            }
            Next::Reread => {
                let refused = self.refused.as_ref()?;
                let ticket = refused.about.as_ref().or_else(|| self.ticket())?.clone();
                Plan::Ask(Call::Read { ticket, notes: refused.call == DeskCall::Note })
            }
            Next::TellTwin => {
                let twin = self.twins.first()?.ticket.clone();
                let operation = twin_operation(&self.key, &twin);
                let text = format!(
                    "Tiket ganda: yang berlaku adalah {0}; tiket ini ditutup.\n\
                     Duplicate: the ticket that counts is {0}; this one is closed.\n\n{1}",
                    self.ticket()?.url.as_ref().unwrap_or(&self.ticket()?.id),
                    Note::marker(&operation)
                );
                let line = DeliveryLine {
                    call: Some(DeskCall::Note),
                    op: Some(IntentOp::Note),
                    operation: Some(operation.clone()),
                    about: Some(twin.clone()),
                    ..line(DeliveryStep::Sending)
                };
                let call = Call::Note { ticket: twin, note: Note { operation, text } };
                self.send(line, call, rules.can.note, rules, now)
            }
            Next::CloseTwin => {
                let twin = self.twins.first()?.ticket.clone();
                let line = DeliveryLine {
                    call: Some(DeskCall::Resolve),
                    op: Some(IntentOp::Merge),
                    open: false,
                    about: Some(twin.clone()),
                    ..line(DeliveryStep::Sending)
                };
                let call = Call::Resolve { ticket: twin };
                self.send(line, call, rules.can.resolve, rules, now)
            }
            Next::Say => {
                let known = self.standing(rules)?;
                let said = self.pending(known, rules)?;
                let line = DeliveryLine {
                    call: Some(DeskCall::Note),
                    op: Some(said.op()),
                    operation: Some(said.last().id.clone()),
                    revision: said.last().revision,
                    priority: Some(said.priority()),
                    ..line(DeliveryStep::Sending)
                };
                let note = Note { operation: said.last().id.clone(), text: self.note_text(&said) };
                let call = Call::Note { ticket: known.ticket.clone(), note };
                self.send(line, call, rules.can.note, rules, now)
            }
            Next::Peek | Next::Watch(_) => Plan::Ask(Call::Read {
                ticket: self.standing(rules)?.ticket.clone(),
                notes: rules.can.remarks && (next != Next::Peek || self.look.thorough),
            }),
            Next::Object => {
                let note = self.objection(name.incident, rules);
                let line = DeliveryLine {
                    call: Some(DeskCall::Note),
                    op: Some(IntentOp::Note),
                    operation: Some(note.operation.clone()),
                    ..line(DeliveryStep::Sending)
                };
                let call = Call::Note { ticket: self.standing(rules)?.ticket.clone(), note };
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
                if open && !rules.can.reopen && rules.can.resolve && !rules.dry_run {
                    let why = "this desk cannot open a ticket again; it gets a successor";
                    return Some(Plan::Line(self.gone_line(name, why, now)));
                }
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
        if !self.desired.open
            && !rules.tickets_for_passed
            && now.since(self.desired.received) >= PASSED_AFTER
        {
            return Plan::Line(DeliveryLine {
                reason: "it was over before the desk could be told; it gets no ticket".into(),
                attempt: 0,
                ..self.line(name, DeliveryStep::Settled, now)
            });
        }
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
            text: format!("{}{}\n\n[kent:{}]", self.desired.text, self.successor(), self.key),
            priority: self.desired.priority,
            group: self.desired.group.clone(),
            category: self.desired.category.clone(),
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

    /// What the body of a ticket says whose predecessor was deleted.
    fn successor(&self) -> &'static str {
        if self.generation == 0 {
            return "";
        }
        "\n\nTiket sebelumnya dihapus di helpdesk, sedangkan gangguan masih berlangsung.\n\
         The ticket before this one was deleted at the desk while the failure lasts."
    }

    fn note_text(&self, said: &Joined<'_>) -> String {
        let missing = match self.desired.left_out {
            0 => String::new(),
            n => format!("(+{n} …)\n"),
        };
        format!("{missing}{}", said.text())
    }

    pub(super) fn line(&self, name: Name<'_>, step: DeliveryStep, now: Timestamp) -> DeliveryLine {
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
            about: None,
            priority: self.known.as_ref().map_or(Some(self.desired.priority), |k| k.priority),
            open: self.known.as_ref().map_or(self.desired.open, |k| k.open),
            heard: None,
            reason: String::new(),
        }
    }

    /// The ticket counts no more: from now on the key is that of its successor.
    pub(super) fn gone_line(&self, name: Name<'_>, why: &str, now: Timestamp) -> DeliveryLine {
        let generation = self.generation + 1;
        DeliveryLine {
            key: ticket_key(name.incident, name.instance, generation),
            generation,
            about: self.ticket().cloned(),
            ticket: None,
            priority: Some(self.desired.priority),
            open: self.desired.open,
            reason: why.into(),
            ..self.line(name, DeliveryStep::Gone, now)
        }
    }

    /// A line about the request in doubt.
    pub(super) fn doubt_line(
        &self,
        name: Name<'_>,
        step: DeliveryStep,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        Some(self.line_about(self.doubt.as_ref()?, name, step, now))
    }

    /// A line about a request that was sent.
    pub(super) fn line_about(
        &self,
        sent: &Doubt,
        name: Name<'_>,
        step: DeliveryStep,
        now: Timestamp,
    ) -> DeliveryLine {
        DeliveryLine {
            call: Some(sent.call),
            op: sent.op,
            operation: sent.operation.clone(),
            revision: sent.revision,
            attempt: sent.attempt,
            priority: sent.priority,
            open: sent.open,
            about: sent.about.clone(),
            ..self.line(name, step, now)
        }
    }

    pub(super) fn doubtful_line(
        &self,
        name: Name<'_>,
        rules: &DeskRules,
        now: Timestamp,
        reason: &str,
    ) -> Option<DeliveryLine> {
        let doubt = self.doubt.as_ref()?;
        let restarted = matches!(self.way, Way::Rest);
        // A request that another process announced may have left until its deadline, and as much
        // later as that process may have stood still between its last look at the clock and the
        // sending. Of ours we know that we stopped waiting for it now; one to a part of ourselves
        // ended with us.
        let left = match restarted {
            true if rules.local => now,
            true => doubt.deadline.max(now) + rules.pause_max,
            false => now,
        };
        let first_look =
            if restarted { Duration::ZERO } else { FIRST_LOOK.min(rules.visibility_delay) };
        Some(DeliveryLine {
            deadline: Some(left + rules.settling()),
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
}

/// The operation id of the note on another ticket with the key: the same each time it is tried.
fn twin_operation(key: &str, twin: &TicketRef) -> String {
    format!("{key}.{}", short_hash(&["twin", &twin.id], 8))
}
