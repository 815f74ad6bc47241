//! A ticket system at the level of outcomes: what it holds, and what goes wrong with one request.

use delivery::{Answer, Call, Note, Outcome, Row, Snapshot};
use model::{DeskCall, Priority, TicketRef, Timestamp};
use std::time::Duration;

/// A ticket as the desk holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    /// For which incident it was opened; the desk itself does not know that.
    pub incident: String,
    /// The key, unless the desk dropped it.
    pub key: Option<String>,
    /// Searches see it from then on.
    pub seen_from: Timestamp,
    /// Not resolved.
    pub open: bool,
    /// How urgent.
    pub priority: Priority,
    /// The operation ids of its notes, in their order.
    pub notes: Vec<String>,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DeskFault {
    /// It is done and the answer is lost.
    LostAfterCommit,
    /// Nothing is done and nobody answers.
    LostBeforeCommit,
    /// The asker gives up; it is done so long after the request had left.
    Slow(Duration),
    /// It is done and the desk says that it refused.
    RefusedAfterCommit,
    /// It is not done and will not be until somebody changes something.
    Refused,
    /// It is not done; later it may well be.
    RefusedForNow,
    /// It is done two times.
    Twice,
    /// The search fails.
    LookFails,
    /// The search ignores what it was asked and returns a page of everything else.
    ReturnsEverything,
}

/// A desk.
#[derive(Debug, Clone, Default)]
pub struct FakeDesk {
    /// By their number, which is their place from 1.
    pub tickets: Vec<Ticket>,
    /// Requests to write that arrived.
    pub writes: usize,
    /// Keys are dropped in silence.
    pub drops_keys: bool,
}

impl FakeDesk {
    /// Does what is asked. A new ticket can be found from `seen_from` on.
    ///
    /// # Panics
    ///
    /// When the request is a look, or speaks of a ticket that never was.
    pub fn commit(&mut self, call: &Call, seen_from: Timestamp) -> Answer {
        match call {
            Call::Create(draft) => {
                assert!(draft.text.ends_with(&format!("[kent:{}]", draft.key)));
                self.tickets.push(Ticket {
                    incident: draft.incident.clone(),
                    key: (!self.drops_keys).then(|| draft.key.clone()),
                    seen_from,
                    open: true,
                    priority: draft.priority,
                    notes: Vec::new(),
                });
                return Answer::Created(Outcome::Done(reference(self.tickets.len())));
            }
            Call::Note { ticket, note } => {
                assert!(note.text.ends_with(&Note::marker(&note.operation)));
                self.ticket(ticket).notes.push(note.operation.clone());
            }
            Call::Priority { ticket, priority } => self.ticket(ticket).priority = *priority,
            Call::Resolve { ticket } => self.ticket(ticket).open = false,
            Call::Reopen { ticket } => self.ticket(ticket).open = true,
            Call::Find { .. } | Call::Read { .. } => panic!("a look commits nothing"),
        }
        Answer::Written(Outcome::Done(()))
    }

    /// Shows what is asked; `everything`: the page of a search that ignores its filter, on which the
    /// ticket that was searched for is not.
    ///
    /// # Panics
    ///
    /// When the request writes, or speaks of a ticket that never was.
    pub fn look(&mut self, call: &Call, everything: bool, now: Timestamp) -> Answer {
        match call {
            Call::Find { key } => {
                let visible = |t: &&Ticket| t.seen_from <= now;
                let asked = |t: &Ticket| t.key.as_deref() == Some(key);
                // The page of everything holds the one searched for only when there is room.
                let others = self.tickets.iter().any(|t| visible(&t) && !asked(t));
                let rows = self.tickets.iter().enumerate();
                let everything = everything && others;
                let rows = rows.filter(|(_, t)| visible(t) && asked(t) != everything);
                let row = |(n, t): (usize, &Ticket)| Row {
                    ticket: reference(n + 1),
                    key: t.key.clone(),
                    open: t.open,
                    priorities: vec![t.priority],
                };
                Answer::Rows(Outcome::Done(rows.map(row).collect()))
            }
            Call::Read { ticket, notes } => {
                let t = self.ticket(ticket);
                Answer::Ticket(Outcome::Done(Snapshot {
                    key: t.key.clone(),
                    open: t.open,
                    priorities: vec![t.priority],
                    notes: if *notes { t.notes.clone() } else { Vec::new() },
                    ..Snapshot::default()
                }))
            }
            _ => panic!("a write is no look"),
        }
    }

    /// The ticket of this number.
    pub fn by_ref(&self, at: &TicketRef) -> Option<&Ticket> {
        self.tickets.get(at.id.parse::<usize>().ok()?.checked_sub(1)?)
    }

    fn ticket(&mut self, at: &TicketRef) -> &mut Ticket {
        let place = at.id.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        place
            .and_then(|n| self.tickets.get_mut(n))
            .expect("only tickets that are there are asked for")
    }
}

fn reference(number: usize) -> TicketRef {
    TicketRef { id: number.to_string(), url: None }
}

/// The answer to `call` when it came to nothing that the asker could use.
pub(crate) fn failed(call: &Call, outcome: &Outcome<()>) -> Answer {
    fn other<T>(outcome: &Outcome<()>) -> Outcome<T> {
        match outcome {
            Outcome::Rejected { retry, reason } => {
                Outcome::Rejected { retry: *retry, reason: reason.clone() }
            }
            Outcome::Unknown { reason } => Outcome::Unknown { reason: reason.clone() },
            Outcome::Done(()) => Outcome::Unknown { reason: "no answer".into() },
        }
    }
    match call.kind() {
        DeskCall::Find => Answer::Rows(other(outcome)),
        DeskCall::Create => Answer::Created(other(outcome)),
        DeskCall::Read => Answer::Ticket(other(outcome)),
        _ => Answer::Written(other(outcome)),
    }
}
