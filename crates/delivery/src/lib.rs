//! Decides what a desk should be asked next so that its ticket becomes what an incident asks for:
//! one desired document an incident and desk, the ticket as last known, the fewest calls between.
//!
//! Opens no socket, reads no clock, draws no lots, spawns nothing. Who turns it ([`Deliveries`]
//! says how) writes every [`model::DeliveryLine`] down before the call that it announces.
//!
//! # Why no ticket is ever opened twice
//!
//! No ticket system gives a promise that the same request sent twice opens one ticket. So the
//! promise is made here, from four rules that hold together:
//!
//! 1. *A key before anything else.* The key of a ticket follows from the instance, the incident and
//!    a generation; it is on record before the first request, and the first request asks whether a
//!    ticket has it already.
//! 2. *Announce, then send.* A request that writes leaves only after a `sending` line is durable. A
//!    `sending` without an end, after a crash or with a lost answer, is a *doubt*.
//! 3. *Only a look leads out of doubt.* What is found is believed at once. An empty answer is
//!    believed only when it was given after the last moment at which the request can have left, the
//!    desk's commit delay and its visibility delay, as often as the desk needs. A look that fails
//!    says nothing, and a refusal is read after.
//! 4. *Every row is compared here.* A search that ignores its filter and returns everything neither
//!    hands us a stranger's ticket nor proves that ours is missing.
//!
//! What remains is a desk that commits or shows later than it is said to, and somebody in between who
//! repeats requests: [`Deliveries::sweep`] finds what comes of that.

mod answer;
mod backoff;
mod breaker;
mod deliveries;
mod desired;
mod entry;
mod joined;
mod pace;
mod queue;
mod rules;

pub use answer::{Answer, Call, Changed, Changes, Draft, Note, Outcome, Remark, Row, Snapshot};
pub use backoff::backoff;
pub use breaker::BreakerState;
pub use deliveries::{
    Deliveries, DeliveryState, DeskStatus, Full, Request, Step, TICKETS_MAX, Told, Wake,
};
pub use desired::{Destination, NOTES_MAX, Wording};
pub use entry::{DRY_RUN_ID, REFUSALS_MAX};
pub use rules::{Abilities, DeskRules};

#[cfg(test)]
mod world;
