//! What one note says: where a desk takes so many notes a minute, everything that waits is said in
//! one, and nothing of it is lost.
//!
//! The note carries the operation id of the last thing that it says and, in its text, the marker of
//! each. What is on record of it is "said through this revision", as for a note that says one thing,
//! so a lost answer is looked up by one id, and finding it settles all of them.

use crate::answer::Note;
use crate::desired::{Desired, Pending};
use model::{IntentOp, Priority};

/// The longest text of a note that says several things, in bytes; what is beyond waits for the next
/// one. Jira refuses comments above 32,767 characters, and the others take more.
const JOINED_MAX: usize = 24_000;

/// Things to say in one note, in their order; never empty.
pub(crate) struct Joined<'a> {
    parts: Vec<&'a Pending>,
}

impl Desired {
    /// What the next note says; `None`: there is nothing to say. With `join` it says all that waits.
    pub(crate) fn joined(
        &self,
        said_open: bool,
        said_priority: Option<Priority>,
        join: bool,
    ) -> Option<Joined<'_>> {
        let first = self.next_note(said_open, said_priority)?;
        let mut joined = Joined { parts: vec![first] };
        if !join {
            return Some(joined);
        }
        let (mut open, mut priority) = (said_open, said_priority);
        let mut length = first.text.len();
        loop {
            let last = joined.last();
            open = last.state().unwrap_or(open);
            if last.op == IntentOp::Reprioritise {
                priority = Some(last.priority);
            }
            let Some(next) = self.next_after(last.revision, open, priority) else { break };
            length += next.text.len();
            if length > JOINED_MAX {
                break;
            }
            joined.parts.push(next);
        }
        Some(joined)
    }
}

impl Joined<'_> {
    /// The last thing that it says: the note's operation and revision are those of this one.
    pub(crate) fn last(&self) -> &Pending {
        self.parts[self.parts.len() - 1]
    }

    /// What kind of note it is: one that speaks of the state, where it does, else of the priority.
    pub(crate) fn op(&self) -> IntentOp {
        let state = self.parts.iter().rfind(|p| p.state().is_some());
        let priority = self.parts.iter().rfind(|p| p.op == IntentOp::Reprioritise);
        state.or(priority).map_or(IntentOp::Note, |p| p.op)
    }

    /// The priority that whoever has read it knows of.
    pub(crate) fn priority(&self) -> Priority {
        let told = self.parts.iter().rfind(|p| p.op == IntentOp::Reprioritise);
        let state = self.parts.iter().rfind(|p| p.state().is_some());
        told.or(state).map_or(self.last().priority, |p| p.priority)
    }

    /// The text, with a marker for each thing that it says.
    pub(crate) fn text(&self) -> String {
        let texts: Vec<&str> = self.parts.iter().map(|p| p.text.as_str()).collect();
        let markers: Vec<String> = self.parts.iter().map(|p| Note::marker(&p.id)).collect();
        format!("{}\n\n{}", texts.join("\n\n"), markers.join(" "))
    }
}
