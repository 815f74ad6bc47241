//! The daemon: opens what it needs in order, connects it, waits, and takes it down in the reverse
//! order. Decides nothing.
//!
//! The way of an event is in [`core_loop`]; what happens at a start in [`resume`].

mod backend;
mod core_loop;
mod desks;
mod heartbeat;
mod plan;
mod questions;
#[cfg(test)]
mod recorded;
mod reload;
pub(crate) mod resume;
mod sinks;
mod start;
pub(crate) mod storage;

pub use start::{Role, run};
