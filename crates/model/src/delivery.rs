//! What was done about telling a desk: the lines that the journal keeps before and after each call,
//! and from which the ticket view is built.

use crate::decision::{IntentOp, Priority, words};
use crate::event::DeskChange;
use crate::id::IncidentId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

words! {
    /// How far one incident is on one desk.
    DeliveryStep {
        /// The desk shall have a ticket for the incident; its key is fixed from now on.
        Reserved = "reserved",
        /// A call that writes leaves after this line; until `deadline` its answer may come.
        Sending = "sending",
        /// The desk has done it.
        Confirmed = "confirmed",
        /// The desk said no and did nothing (or was not reached at all); again at `next_try`.
        Refused = "refused",
        /// Nobody knows whether the desk did it; looked up at `next_try`, and an empty answer
        /// counts from `deadline` on.
        Doubtful = "doubtful",
        /// A look showed it: the ticket, the note, the state.
        Found = "found",
        /// A look did not show it. Only the looks after `deadline` count.
        NotFound = "not-found",
        /// The look itself failed, which says nothing about the ticket; again at `next_try`.
        Unanswered = "unanswered",
        /// The new ticket was read back, and the desk has kept its key.
        Checked = "checked",
        /// The new ticket was read back, and the desk has not kept its key: from now on a look that
        /// shows nothing proves nothing on this desk.
        Unkeyed = "unkeyed",
        /// The desk shows what it should, through `revision`.
        Settled = "settled",
        /// A note that the desk will not take, or of which nobody can find out: left out for good.
        GivenUp = "given-up",
        /// This desk has no such operation; what can be said of it was said in a note.
        Unable = "unable",
        /// Decided, and not sent because the desk is on dry run.
        DryRun = "dry-run",
        /// Another open ticket has the key as well: `about`. It is told which one counts and closed.
        Twin = "twin",
        /// The ticket is not as we left it: a person did what `heard` says. What of it an incident
        /// should know is in the journal as `desk` events already.
        Heard = "heard",
        /// The ticket is not there any more: somebody deleted it. From now on the key is that of its
        /// successor.
        Gone = "gone",
    }
}

words! {
    /// One kind of request to a desk.
    DeskCall {
        /// Look a ticket up by its key.
        Find = "find",
        /// Open a ticket.
        Create = "create",
        /// Add a note to it.
        Note = "note",
        /// Set its priority.
        Priority = "priority",
        /// Resolve it.
        Resolve = "resolve",
        /// Open it again.
        Reopen = "reopen",
        /// Read it back.
        Read = "read",
    }
}

impl DeskCall {
    /// Whether the call may change something on the desk.
    pub const fn writes(self) -> bool {
        !matches!(self, DeskCall::Find | DeskCall::Read)
    }
}

/// A ticket as its desk calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TicketRef {
    /// The desk's own id, opaque text.
    pub id: String,
    /// Where a person can look at it, where the desk has such a page.
    pub url: Option<String>,
}

/// One step in keeping one desk's ticket for one incident as it should be.
///
/// Every value is absolute, never "one more": a line that is applied twice changes nothing the
/// second time, and a series that is applied from an earlier point ends in the same state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryLine {
    /// When, by the clock of the one who delivers.
    pub at: Timestamp,
    /// For which incident.
    pub incident: IncidentId,
    /// On which desk.
    pub desk: Arc<str>,
    /// The key under which the ticket is found again.
    pub key: String,
    /// Counts the successors of a ticket that was deleted or cannot be reopened, from 0.
    pub generation: u32,
    /// What happened.
    pub step: DeliveryStep,
    /// The request that it is about, where there is one.
    pub call: Option<DeskCall>,
    /// The kind of the intent that asked for it, where there is one.
    pub op: Option<IntentOp>,
    /// The operation id of a note: the id of the intent whose text it carries.
    pub operation: Option<String>,
    /// The intent that it is about: the note's own, otherwise the newest one taken into account.
    pub revision: u32,
    /// Counts the tries of the same thing from 1; 0 where nothing is tried.
    pub attempt: u32,
    /// `sending`: when the answer must have come. `doubtful`, `not-found`, `unanswered`: from when
    /// on a look that shows nothing means that there is nothing.
    pub deadline: Option<Timestamp>,
    /// When it goes on by itself.
    pub next_try: Option<Timestamp>,
    /// The ticket, once it is known.
    pub ticket: Option<TicketRef>,
    /// Another ticket with the same key, when it is about that one.
    pub about: Option<TicketRef>,
    /// Its priority as far as known; before there is a ticket, the one it shall have. None when a
    /// person chose one that none of ours corresponds to.
    pub priority: Option<Priority>,
    /// Whether it is open as far as known; before there is a ticket, whether it shall be.
    pub open: bool,
    /// What people did to it: on `heard`, and on a `gone` that a person brought about.
    pub heard: Option<Heard>,
    /// One sentence for a person.
    pub reason: String,
}

/// What people did to a ticket since it was last looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// What the incident should know; it may be that nothing is.
    pub news: Vec<News>,
    /// Who owns the ticket, or owned it last.
    pub owner: Option<String>,
    /// The newest note of a person that was heard, by the desk's own id.
    pub note: Option<String>,
    /// How often a person has closed the ticket while the failure lasted.
    pub closures: u32,
}

/// One thing that a person did to a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// What.
    pub change: DeskChange,
    /// Who, where the desk says so.
    pub by: Option<String>,
    /// What a note says.
    pub text: Option<String>,
    /// The priority that was chosen, where it corresponds to one of ours.
    pub priority: Option<Priority>,
}
