//! What every desk can be asked, whatever it is.

use async_trait::async_trait;
use delivery::{Answer, Call, Changes, DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef};

/// A ticket system.
///
/// Each method is one request as far as the promise goes: it never tries again by itself, and it
/// says [`Outcome::Rejected`] only when it is certain that nothing was done. A method may read
/// before it answers, to see that the desk did what it said.
#[async_trait]
pub trait Desk: Send + Sync + 'static {
    /// What kind of desk it is: a bare word for metrics.
    fn kind(&self) -> &'static str;

    /// Its name, its limits and what it can do.
    fn rules(&self) -> &DeskRules;

    /// All tickets that may have the key, in whatever status.
    async fn find(&self, key: &str) -> Outcome<Vec<Row>>;

    /// Opens a ticket that carries the key.
    async fn create(&self, draft: &Draft) -> Outcome<TicketRef>;

    /// Adds a note.
    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()>;

    /// Sets the priority.
    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()>;

    /// Resolves it; one that is not open any more is resolved.
    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()>;

    /// Opens it again; one that is open is left alone.
    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()>;

    /// Reads it, with the operation ids of its notes when asked for.
    async fn read(&self, ticket: &TicketRef, notes: bool) -> Outcome<Snapshot>;

    /// Which tickets with a key of ours changed last. Only asked where [`delivery::Abilities`] say
    /// that the desk can tell.
    async fn changes(&self) -> Outcome<Changes> {
        let reason = "this desk cannot tell which tickets changed".into();
        Outcome::Rejected { retry: false, reason }
    }

    /// Ends what is kept open there, a session. Nothing is lost where this is left out: the desk ends
    /// it by itself later.
    async fn close(&self) {}
}

/// Puts a call to a desk.
pub async fn put(desk: &dyn Desk, call: &Call) -> Answer {
    match call {
        Call::Find { key } => Answer::Rows(desk.find(key).await),
        Call::Create(draft) => Answer::Created(desk.create(draft).await),
        Call::Note { ticket, note } => Answer::Written(desk.note(ticket, note).await),
        Call::Priority { ticket, priority } => {
            Answer::Written(desk.set_priority(ticket, *priority).await)
        }
        Call::Resolve { ticket } => Answer::Written(desk.resolve(ticket).await),
        Call::Reopen { ticket } => Answer::Written(desk.reopen(ticket).await),
        Call::Read { ticket, notes } => Answer::Ticket(desk.read(ticket, *notes).await),
    }
}

/// The answer to a call of which nobody knows how it ended.
pub fn lost(call: &Call, reason: &str) -> Answer {
    let reason = reason.to_owned();
    match call {
        Call::Find { .. } => Answer::Rows(Outcome::Unknown { reason }),
        Call::Create(_) => Answer::Created(Outcome::Unknown { reason }),
        Call::Read { .. } => Answer::Ticket(Outcome::Unknown { reason }),
        Call::Note { .. } | Call::Priority { .. } | Call::Resolve { .. } | Call::Reopen { .. } => {
            Answer::Written(Outcome::Unknown { reason })
        }
    }
}
