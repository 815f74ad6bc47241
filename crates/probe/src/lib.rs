//! Asks devices how they are, by ICMP and SNMP, on a schedule, and hands on what they said.
//! Never decides what an answer means: it knows no alarm and no incident, and a target that is
//! silent (*no reply*) is never confused with one we could not ask (*failed*, with a reason).
//!
//! Reading order: [`plan`] is what to ask; `schedule` when (a pure state machine); `check` how one
//! question becomes observations, through the two engines behind [`PingEngine`] and
//! [`SnmpEngine`]; `outbox` how observations leave; [`run`] turns the crank. [`once`] asks a list
//! of targets a single time, for the command line.

mod check;
pub mod plan;
mod ports;
mod schedule;
mod uptime;
mod walk;

mod names;
mod outbox;
mod pace;
mod reason;
mod run;

mod agent;
mod ping;
mod snmp;
mod socket;
mod surge;

pub mod once;

pub use agent::AsyncSnmp;
pub use names::{Names, Resolver, SystemResolver};
pub use outbox::{ObservationSink, SinkError};
pub use pace::Pace;
pub use ping::{PingEngine, Sample, SampleSpec};
pub use plan::{Ask, Check, CheckPlan, Plan, SnmpAccess, Target};
pub use reason::Reason;
pub use run::{Engines, Inputs, run};
pub use snmp::{Agent, Oid, SnmpEngine, SnmpError, Value, Varbind};
pub use surge::SurgePing;
