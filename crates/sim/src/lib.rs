//! A world with its own clock: a fleet, what goes wrong in it, a probe that finds out late, and the
//! real core that hears of it; beside it what really happened, so that what was said can be measured.
//!
//! Opens no socket, reads no clock, and throws no dice but those of a seed: the same plan gives the
//! same events, the same decisions and the same measure, on every machine. **It judges nothing
//! itself: every decision is the correlator's.**
//!
//! Start at [`run`]; [`script`] tells what goes wrong, [`province`] makes a network to try it on.

mod courier;
mod desk;
mod dice;
mod fleet;
mod ledger;
mod measure;
mod run;
mod scenario;
mod schedule;
mod world;

pub use courier::{Bounds, Ending, History, Mutation, courier};
pub use desk::{DeskFault, FakeDesk, Ticket};
pub use dice::Dice;
pub use fleet::{DEVICES_MAX, DEVICES_MIN, province};
pub use measure::{Came, Cause, IncidentSeen, OUTAGE, Report, Stages, quantile};
pub use run::{Plan, Unwatched, Watcher, run};
pub use scenario::{Scenario, Script, script};
pub use schedule::Asking;
pub use world::{Fault, What};
