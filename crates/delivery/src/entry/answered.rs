//! What an answer means for an entry: a line, or nothing that needs to be on record.

use super::{Doubt, Entry, FAILED_LOOK_EVERY, FIRST_LOOK, Look, Name, REFUSALS_MAX, Way};
use crate::answer::{Answer, Outcome, Row, Snapshot};
use crate::backoff::backoff;
use crate::rules::DeskRules;
use model::{DeliveryLine, DeliveryStep, DeskCall, Heard, IntentOp, TicketRef, Timestamp};
use std::time::Duration;

impl Entry {
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
        let sweeping = self.doubt.is_none() && self.standing(rules).is_some();
        let rows = match rows {
            Outcome::Done(rows) => rows,
            Outcome::Rejected { .. } | Outcome::Unknown { .. } if sweeping => {
                // The next sweep asks again.
                self.to_sweep = false;
                return None;
            }
            Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => {
                return self.look_failed(name, &reason, rules, now);
            }
        };
        let strangers = rows.len();
        let mut ours: Vec<Row> =
            rows.into_iter().filter(|r| r.key.as_deref() == Some(self.key.as_str())).collect();
        ours.sort_by_cached_key(|r| natural(&r.ticket.id));
        if sweeping {
            return self.swept(name, &ours, strangers > ours.len(), now);
        }
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

    /// What a sweep's search shows: the ticket, and perhaps others with its key. The one that is
    /// worked on stays the one that counts.
    fn swept(
        &mut self,
        name: Name<'_>,
        ours: &[Row],
        strangers: bool,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let counts = &self.known.as_ref()?.ticket.id;
        let other = |r: &&Row| {
            r.open && r.ticket.id != *counts && self.twins.iter().all(|t| t.ticket != r.ticket)
        };
        if let Some(twin) = ours.iter().find(other) {
            return Some(DeliveryLine {
                call: Some(DeskCall::Find),
                about: Some(twin.ticket.clone()),
                reason: format!(
                    "ticket {} has the key as well; {counts} is the one that counts",
                    twin.ticket.id
                ),
                ..self.line(name, DeliveryStep::Twin, now)
            });
        }
        self.to_sweep = false;
        // A search that ignores what it was asked shows nothing.
        self.missed = !strangers && ours.iter().all(|r| r.ticket.id != *counts);
        None
    }

    fn handle_ticket(
        &mut self,
        name: Name<'_>,
        outcome: Outcome<Snapshot>,
        rules: &DeskRules,
        asked: Timestamp,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let verifying = std::mem::take(&mut self.missed);
        let listens = self.listens(rules);
        let snapshot = match outcome {
            Outcome::Done(snapshot) if snapshot.gone => {
                // Whatever was in doubt about it is of no consequence any more.
                return Some(match self.doubt.as_ref().and_then(|d| d.about.clone()) {
                    Some(twin) => DeliveryLine {
                        call: Some(DeskCall::Resolve),
                        about: Some(twin),
                        reason: "the other ticket is not there any more".into(),
                        ..self.line(name, DeliveryStep::Found, now)
                    },
                    None => {
                        self.deleted_line(name, &snapshot, "the ticket is not there any more", now)
                    }
                });
            }
            Outcome::Done(snapshot) if listens => {
                return self.listen(name, &snapshot, rules, asked, now);
            }
            failed if listens && !verifying => {
                return self.listened_in_vain(name, &failed, rules, now);
            }
            _ if verifying => return None,
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
            if let Some(refused) = self.rereads(rules).cloned() {
                return self.read_after_refusal(name, &refused, &snapshot, now);
            }
            self.looked(&snapshot, rules, now);
            return Some(self.read_back(name, &snapshot, now));
        };
        if doubt.shows_in(&snapshot) {
            self.look = Look::default();
            let line = self.doubt_line(name, DeliveryStep::Found, now)?;
            return Some(DeliveryLine { reason: "the desk has done it".into(), ..line });
        }
        self.seen_nothing(name, "the ticket does not show it", rules, false, asked, now)
    }

    /// A ticket that was read because a request about it was refused.
    fn read_after_refusal(
        &mut self,
        name: Name<'_>,
        refused: &Doubt,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        if !refused.shows_in(snapshot) {
            self.look.undone = true;
            return None;
        }
        self.look = Look::default();
        Some(DeliveryLine {
            reason: "the desk refused it and has done it all the same".into(),
            ..self.line_about(refused, name, DeliveryStep::Found, now)
        })
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
        } else if step == DeliveryStep::Checked && snapshot.owner.is_some() {
            // Whoever a rule of the desk gave it to at once has not taken it.
            line.heard = Some(Heard { owner: snapshot.owner.clone(), ..Heard::default() });
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
            let pause = FIRST_LOOK.saturating_mul(1 << self.look.early.min(10)).min(spacing);
            self.look.early += 1;
            line.next_try = Some((now + pause).min(counts_from));
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

    pub(super) fn look_failed(
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
        if refused >= REFUSALS_MAX && line.call == Some(DeskCall::Reopen) && !self.closing {
            let why = format!("it cannot be opened again ({reason}); it gets a successor");
            return Some(self.gone_line(name, &why, now));
        }
        let max = if refused >= REFUSALS_MAX { rules.refused_max } else { rules.retry_max };
        let mut pause = backoff(&self.key, line.attempt, rules.retry_first, max);
        if line.call == Some(DeskCall::Create) && !retry {
            // There are desks that say no after they have opened the ticket. Before another is
            // opened a look is taken, and by then that look can see it.
            pause = pause.max(rules.settling());
        }
        Some(DeliveryLine { next_try: Some(now + pause), reason, ..line })
    }
}

impl Doubt {
    /// Whether the ticket is as if the request had been done.
    fn shows_in(&self, snapshot: &Snapshot) -> bool {
        match self.call {
            DeskCall::Note => self.operation.as_ref().is_some_and(|op| snapshot.notes.contains(op)),
            DeskCall::Priority => self.priority.is_some_and(|p| snapshot.priorities.contains(&p)),
            _ => self.open == snapshot.open,
        }
    }
}

/// Orders ids as a person would: `T-9` before `T-10`, and without a number by their text.
pub(super) fn natural(id: &str) -> (String, u128, String) {
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
