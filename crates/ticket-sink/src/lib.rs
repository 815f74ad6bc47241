//! Speaks to the ticket systems: one module a kind of desk, one driver for all of them.
//!
//! Decides nothing: what to ask next is said by `delivery`, and nothing is sent before the line
//! that announces it is durable. Never tries a request again by itself, follows no redirect, and
//! says "nothing was done" only when that is certain.

mod config;
mod desk;
mod desks;
mod driver;
mod examine;
mod http;
mod template;
mod way;
mod words;

pub use config::{DeskConfig, DeskKind, DeskProblem, OperationConfig, PriorityName, PriorityNames};
pub use desk::{Desk, lost, put};
pub use desks::Desks;
pub use desks::builtin::{
    BuiltinDesk, BuiltinError, BuiltinNote, BuiltinTicket, CopyError, LIST_MAX, copy_file, files_in,
};
pub use desks::generic::GenericDesk;
pub use desks::redmine::RedmineDesk;
pub use desks::rt::RtDesk;
pub use driver::{DRAIN_MAX, Driver, Input, Lines, RecordError, Recorder, Snapshot};
pub use examine::{Check, CheckVerdict, Report, test_ticket};
pub use words::Words;
