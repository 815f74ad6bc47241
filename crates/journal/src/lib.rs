//! The durable ordered log: what happened (events, in frames) and what was decided (records, in a
//! hash chain). One port, [`Journal`], with two sides: [`EmbeddedJournal`], SQLite files in the
//! data directory, and [`NatsJournal`], JetStream streams fed from a local spool. Nothing above
//! knows which one it has.
//!
//! It never looks inside a body: a frame is lines, a record is bytes. (An export does, to put what a
//! configuration's hash means in front of the event that names it.) It judges nothing, decides
//! nothing, and forgets only whole days whose retention is over.
//!
//! What both sides promise, and one suite examines (`tests/conformance.rs`):
//!
//! - **An `Ok` means durable**: synced, here or on the server's disk; a crash afterwards loses nothing.
//! - **Events are numbered from 1 without a gap**, in the order they were taken; numbers survive
//!   restarts, the dropping of old days, export and copy.
//! - **`received` never goes back**, whatever the clock does.
//! - **A stale owner cannot write a record.** Owning is itself a record, with the next epoch.
//! - **A record that was touched is found**, by its number: each one's hash covers the one before.
//! - **Events are refused before records are** when there is no room.

mod carry;
mod chain;
mod embedded;
mod error;
mod frame;
mod nats;
mod port;
mod verify;

pub use carry::{Copied, Exported, RecordForm, copy, export_events, export_records};
pub use embedded::{
    BackedUp, Beside, EmbeddedJournal, EmbeddedOptions, Restored, backup, backup_with,
    clock_of_this_machine, restore,
};
pub use error::JournalError;
pub use frame::{APPEND_BYTES_MAX, FRAME_BYTES_MAX, LINE_BYTES_MAX};
pub use nats::{NATS_VERSION_MIN, NatsJournal, NatsLogin, NatsOptions};
pub use port::{
    Accepted, CONFIGURATIONS_MAX, Clock, Epoch, EventFrame, Expired, Health, Import, Journal,
    NewFrame, NewRecord, RESTORE, Record, RecordKind, Snapshot,
};
pub use verify::{Touched, Verified, verify, verify_dir};
