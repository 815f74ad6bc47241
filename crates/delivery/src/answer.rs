//! What is asked of a desk, and what may come back.

use model::{DeskCall, Priority, TicketRef};
use std::sync::Arc;

/// One request to a desk: complete, nothing left to choose.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Which tickets have this key? All of them, in whatever status.
    Find {
        /// The key.
        key: String,
    },
    /// Open a ticket.
    Create(Draft),
    /// Add a note.
    Note {
        /// To which ticket.
        ticket: TicketRef,
        /// What to say.
        note: Note,
    },
    /// Set the priority.
    Priority {
        /// Of which ticket.
        ticket: TicketRef,
        /// To what.
        priority: Priority,
    },
    /// Resolve it.
    Resolve {
        /// Which.
        ticket: TicketRef,
    },
    /// Open it again.
    Reopen {
        /// Which.
        ticket: TicketRef,
    },
    /// Read it back.
    Read {
        /// Which.
        ticket: TicketRef,
        /// With the operation ids of the notes on it.
        notes: bool,
    },
}

impl Call {
    /// The kind of request.
    pub const fn kind(&self) -> DeskCall {
        match self {
            Call::Find { .. } => DeskCall::Find,
            Call::Create(_) => DeskCall::Create,
            Call::Note { .. } => DeskCall::Note,
            Call::Priority { .. } => DeskCall::Priority,
            Call::Resolve { .. } => DeskCall::Resolve,
            Call::Reopen { .. } => DeskCall::Reopen,
            Call::Read { .. } => DeskCall::Read,
        }
    }
}

/// A ticket to open.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The key, for the desk's own field.
    pub key: String,
    /// The incident's id.
    pub incident: String,
    /// One line.
    pub title: String,
    /// The body; ends with the marker `[kent:KEY]`.
    pub text: String,
    /// How urgent.
    pub priority: Priority,
    /// The queue or group that a route named.
    pub group: Option<Arc<str>>,
    /// The category that a route named, for desks that have categories.
    pub category: Option<Arc<str>>,
}

/// A note to add.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Its operation id.
    pub operation: String,
    /// The text; ends with the marker `[kent-op:OPERATION]`.
    pub text: String,
}

impl Note {
    /// The marker at the end of a note, by which it is recognized later.
    pub fn marker(operation: &str) -> String {
        format!("[kent-op:{operation}]")
    }

    /// The operation ids of all markers in `text`.
    pub fn operations_in(text: &str) -> impl Iterator<Item = &str> {
        text.split("[kent-op:").skip(1).filter_map(|rest| {
            let id = &rest[..rest.find(']')?];
            (!id.is_empty() && !id.contains(char::is_whitespace)).then_some(id)
        })
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// The desk did it.
    Done(T),
    /// Nothing was done, for certain.
    Rejected {
        /// It may well work later, without anybody changing anything.
        retry: bool,
        /// Why, in one sentence.
        reason: String,
    },
    /// Nobody knows. For a look: it failed.
    Unknown {
        /// Why, in one sentence.
        reason: String,
    },
}

impl<T> Outcome<T> {
    /// The word for metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Outcome::Done(_) => "done",
            Outcome::Rejected { retry: true, .. } => "failed",
            Outcome::Rejected { retry: false, .. } => "refused",
            Outcome::Unknown { .. } => "unknown",
        }
    }

    /// Of a look that went before a write and failed: the write was not sent, so nothing was done.
    pub fn before_sending(self) -> Outcome<T> {
        match self {
            Outcome::Unknown { reason } => Outcome::Rejected { retry: true, reason },
            other => other,
        }
    }

    /// The same with another value inside.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Outcome<U> {
        match self {
            Outcome::Done(value) => Outcome::Done(f(value)),
            Outcome::Rejected { retry, reason } => Outcome::Rejected { retry, reason },
            Outcome::Unknown { reason } => Outcome::Unknown { reason },
        }
    }
}

/// One row of what a search returned. It need not be ours: it is compared with the key here.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The ticket.
    pub ticket: TicketRef,
    /// The key that stands on it, where the row says.
    pub key: Option<String>,
    /// Whether it is open.
    pub open: bool,
    /// Which of our priorities look like the one it has: several when the desk has fewer than we,
    /// none when a person chose another.
    pub priorities: Vec<Priority>,
}

/// A ticket as read back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// The desk says for certain that it is not there any more (404, or a status that says deleted).
    /// Nothing else here counts then.
    pub gone: bool,
    /// The key that stands on it.
    pub key: Option<String>,
    /// Whether it is open.
    pub open: bool,
    /// As in [`Row`].
    pub priorities: Vec<Priority>,
    /// The operation ids of its notes, when they were asked for.
    pub notes: Vec<String>,
    /// The ticket that answered, when it is another: a person merged the one asked for into it.
    pub merged_into: Option<TicketRef>,
    /// Who owns it, where the desk says and anybody does.
    pub owner: Option<String>,
    /// Who changed it last, where the desk says and it was not our own user.
    pub last: Option<String>,
    /// When the desk says that it was changed, in a form of which the later one is the greater text.
    pub changed: Option<String>,
    /// What people wrote on it, oldest first, when notes were asked for.
    pub remarks: Vec<Remark>,
}

/// Something that a person wrote on a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The desk's own id of it; the later, the higher its number.
    pub id: String,
    /// Who wrote it, where the desk says.
    pub by: Option<String>,
    /// What it says.
    pub text: String,
}

/// The tickets with a key of ours that changed last, the latest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Some of them, from the latest on.
    pub rows: Vec<Changed>,
    /// There are no others: what is not here is gone, or does not have its key any more.
    pub complete: bool,
}

/// A ticket that changed lately, as a list of them says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The ticket's id.
    pub id: String,
    /// As in [`Snapshot`].
    pub changed: String,
}

/// What came back for a [`Call`].
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// For `Find`.
    Rows(Outcome<Vec<Row>>),
    /// For `Create`.
    Created(Outcome<TicketRef>),
    /// For `Note`, `Priority`, `Resolve`, `Reopen`.
    Written(Outcome<()>),
    /// For `Read`.
    Ticket(Outcome<Snapshot>),
}

impl Answer {
    /// The word for metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Answer::Rows(o) => o.word(),
            Answer::Created(o) => o.word(),
            Answer::Written(o) => o.word(),
            Answer::Ticket(o) => o.word(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found_wherever_they_stand() {
        let text = format!(
            "naik\n\n{}\nx [kent-op:] [kent-op:a b] {}",
            Note::marker("k7f3-17.2"),
            Note::marker("k7f3-17.3")
        );
        assert_eq!(Note::operations_in(&text).collect::<Vec<_>>(), ["k7f3-17.2", "k7f3-17.3"]);
        assert_eq!(Note::operations_in("[kent-op:cut off").count(), 0);
    }
}
