//! What a desk should show for one incident, folded from the incident's intents.

use model::{Intent, IntentOp, Priority, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most notes that wait for one ticket. An incident that changes this often while its desk is
/// away is told in fewer words: the oldest plain notes are left out, and the next one says so.
pub const NOTES_MAX: usize = 256;

/// The longest title. RT, Redmine and most others cut at 255 bytes or refuse.
const TITLE_MAX_CHARS: usize = 180;

/// A desk that shall have the ticket, as a route named it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// The desk's name.
    pub desk: Arc<str>,
    /// The queue or group there, when the route names one.
    pub group: Option<Arc<str>>,
    /// The category there, when the route names one.
    pub category: Option<Arc<str>>,
    /// What this desk says instead of the intent's own words.
    pub wording: Option<Wording>,
}

/// The words of one intent for one desk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Wording {
    /// One line.
    pub title: String,
    /// The text.
    pub text: String,
}

impl Destination {
    /// The intent as this desk shall hear it.
    pub(crate) fn worded(&self, intent: &Intent) -> Option<Intent> {
        let Wording { title, text } = self.wording.clone()?;
        Some(Intent { title, text, ..intent.clone() })
    }
}

impl From<&str> for Destination {
    fn from(desk: &str) -> Self {
        Destination { desk: desk.into(), group: None, category: None, wording: None }
    }
}

/// The desired document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Desired {
    /// The newest intent that is in here; 0 when there was none yet.
    pub(crate) revision: u32,
    /// The newest intent that opened or resolved it.
    pub(crate) state_revision: u32,
    /// Whether there shall be a ticket at all.
    pub(crate) wanted: bool,
    /// Whether it shall be open.
    pub(crate) open: bool,
    /// How urgent it shall be; never P4, which no desk hears of.
    pub(crate) priority: Priority,
    /// One line.
    pub(crate) title: String,
    /// The body; a successor of the ticket would have it as well.
    pub(crate) text: String,
    /// The queue or group.
    pub(crate) group: Option<Arc<str>>,
    /// The category.
    pub(crate) category: Option<Arc<str>>,
    /// What is still to be said, by revision.
    pub(crate) notes: Vec<Pending>,
    /// How many notes were left out because of [`NOTES_MAX`].
    pub(crate) left_out: u32,
    /// When the journal took the event behind the create.
    pub(crate) received: Timestamp,
    /// When the oldest intent that the desk does not show yet was decided.
    pub(crate) waiting_since: Option<Timestamp>,
}

/// Something still to be said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// The intent's revision.
    pub(crate) revision: u32,
    /// The intent's id: the operation id.
    pub(crate) id: String,
    /// The intent's kind.
    pub(crate) op: IntentOp,
    /// The priority it speaks of.
    pub(crate) priority: Priority,
    /// The text.
    pub(crate) text: String,
}

impl Pending {
    /// Whether it speaks of the ticket's state, and which.
    pub(crate) fn state(&self) -> Option<bool> {
        match self.op {
            IntentOp::Resolve | IntentOp::Merge => Some(false),
            IntentOp::Reopen => Some(true),
            _ => None,
        }
    }
}

impl Default for Desired {
    fn default() -> Self {
        Desired {
            revision: 0,
            state_revision: 0,
            wanted: false,
            open: true,
            priority: Priority::P3,
            title: String::new(),
            text: String::new(),
            group: None,
            category: None,
            notes: Vec::new(),
            left_out: 0,
            received: Timestamp::MAX,
            waiting_since: None,
        }
    }
}

impl Desired {
    /// Takes one more intent in. `noted`: up to which revision everything was said already.
    pub(crate) fn fold(&mut self, intent: &Intent, noted: u32) {
        if intent.op == IntentOp::Notify || intent.revision <= self.revision {
            return;
        }
        self.revision = intent.revision;
        self.priority = intent.priority.min(Priority::P3);
        self.waiting_since.get_or_insert(intent.at);
        if !matches!(intent.op, IntentOp::Note | IntentOp::Reprioritise) {
            self.state_revision = intent.revision;
        }
        match intent.op {
            IntentOp::Create => {
                self.wanted = true;
                self.open = true;
                self.title = one_line(&intent.title);
                self.received = intent.received;
                self.text.clone_from(&intent.text);
            }
            IntentOp::Resolve | IntentOp::Merge => self.open = false,
            IntentOp::Reopen => self.open = true,
            IntentOp::Note | IntentOp::Reprioritise | IntentOp::Notify => {}
        }
        if intent.op != IntentOp::Create && intent.revision > noted && !intent.text.is_empty() {
            self.push(Pending {
                revision: intent.revision,
                id: intent.id.clone(),
                op: intent.op,
                priority: self.priority,
                text: intent.text.clone(),
            });
        }
    }

    fn push(&mut self, pending: Pending) {
        if self.notes.len() >= NOTES_MAX {
            let oldest = self.notes.iter().position(|n| n.op == IntentOp::Note).unwrap_or(0);
            self.notes.remove(oldest);
            self.left_out += 1;
        }
        self.notes.push(pending);
    }

    /// Everything up to `revision` has been said.
    pub(crate) fn said_through(&mut self, revision: u32) {
        let before = self.notes.len();
        self.notes.retain(|n| n.revision > revision);
        if self.notes.len() < before {
            self.left_out = 0;
        }
    }

    /// The next thing to say. Whoever reads the ticket needs the last state and the last priority,
    /// not the way there: of the notes that go with a change of state only the last is said, and
    /// only if the ticket was not told that state last; the same for priorities.
    pub(crate) fn next_note(
        &self,
        said_open: bool,
        said_priority: Option<Priority>,
    ) -> Option<&Pending> {
        self.next_after(0, said_open, said_priority)
    }

    /// The same of what comes after `revision`.
    pub(crate) fn next_after(
        &self,
        revision: u32,
        said_open: bool,
        said_priority: Option<Priority>,
    ) -> Option<&Pending> {
        let last_state = self.notes.iter().rfind(|n| n.state().is_some());
        let last_priority = self.notes.iter().rfind(|n| n.op == IntentOp::Reprioritise);
        self.notes.iter().filter(|n| n.revision > revision).find(|n| match n.op {
            IntentOp::Resolve | IntentOp::Reopen => {
                last_state.is_some_and(|l| l.revision == n.revision) && n.state() != Some(said_open)
            }
            IntentOp::Reprioritise => {
                last_priority.is_some_and(|l| l.revision == n.revision)
                    && said_priority != Some(n.priority)
            }
            // A merge names the incident that goes on, which no earlier note did.
            _ => true,
        })
    }
}

/// The title on one line, of a length that desks take; cut between characters.
fn one_line(title: &str) -> String {
    let mut line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((at, _)) = line.char_indices().nth(TITLE_MAX_CHARS) {
        line.truncate(at);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::intent;
    use model::Priority::{P1, P2};

    fn folded(ops: &[(IntentOp, Priority)]) -> Desired {
        let mut desired = Desired::default();
        for (n, (op, priority)) in ops.iter().enumerate() {
            desired.fold(&intent("a", n as u32 + 1, *op, *priority), 0);
        }
        desired
    }

    fn said(desired: &Desired, open: bool, priority: Priority) -> Vec<u32> {
        let (mut left, mut open, mut priority) = (desired.clone(), open, priority);
        let mut out = Vec::new();
        while let Some(note) = left.next_note(open, Some(priority)).cloned() {
            out.push(note.revision);
            open = note.state().unwrap_or(open);
            if note.op == IntentOp::Reprioritise {
                priority = note.priority;
            }
            left.said_through(note.revision);
        }
        out
    }

    #[test]
    fn what_passed_unseen_is_not_told() {
        use IntentOp::{Create, Merge, Note, Reopen, Reprioritise, Resolve};
        let check = |ops: &[(IntentOp, Priority)], want: &[u32]| {
            assert_eq!(said(&folded(ops), true, P2), want, "{ops:?}");
        };
        check(&[(Create, P2), (Note, P2), (Note, P2)], &[2, 3]);
        check(&[(Create, P2), (Resolve, P2)], &[2]);
        check(&[(Create, P2), (Resolve, P2), (Reopen, P2)], &[]);
        check(&[(Create, P2), (Resolve, P2), (Reopen, P2), (Resolve, P2)], &[4]);
        check(&[(Create, P2), (Reprioritise, P1), (Reprioritise, P2)], &[]);
        check(&[(Create, P2), (Reprioritise, P1), (Note, P1), (Reprioritise, P1)], &[3, 4]);
        check(&[(Create, P2), (Resolve, P2), (Merge, P2)], &[3]);
    }

    #[test]
    fn notes_are_bounded_and_a_title_is_one_line() {
        let mut desired = Desired::default();
        for n in 1..=NOTES_MAX as u32 + 10 {
            desired.fold(&intent("a", n, IntentOp::Note, P2), 0);
        }
        assert_eq!((desired.notes.len(), desired.left_out), (NOTES_MAX, 10));
        assert_eq!(desired.notes[0].revision, 11);
        assert_eq!(one_line("a\n b\tc"), "a b c");
        assert_eq!(one_line(&"é".repeat(10_000)).chars().count(), TITLE_MAX_CHARS + 1);
    }
}
