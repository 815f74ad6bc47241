//! The nouns of kentongan: time as a value, ids, the inventory, events, decisions, settings.
//!
//! Knows nobody: no clock, no socket, no task, no randomness, no format of any outside message
//! (the twins that travel are in `wire`). What derives `serde` here does so for one reason only:
//! it is part of the core's plain state, and a snapshot *is* that state.

pub mod calendar;
pub mod decision;
pub mod delivery;
pub mod doubt;
pub mod event;
pub mod exception;
pub mod facts;
pub mod graph;
pub mod id;
pub mod inventory;
pub mod route;
pub mod sentence;
pub mod settings;
pub mod time;

pub use decision::{
    Affected, AlarmLine, AlarmState, Change, Condition, Decision, IncidentLine, Intent, IntentOp,
    Priority, Scope, Verdict, VerdictLine, Work,
};
pub use delivery::{DeliveryLine, DeliveryStep, DeskCall, Heard, News, TicketRef};
pub use event::{
    Command, DeskChange, DeskNews, Event, Kind, Observation, Operation, Outcome, Severity, Signal,
    SignalState, Values,
};
pub use facts::Facts;
pub use id::IncidentId;
pub use inventory::{Criticality, Inventory};
pub use route::Route;
pub use sentence::Reader;
pub use settings::Settings;
pub use time::Timestamp;
