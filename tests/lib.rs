//! The world of the journeys: a real network in namespaces, real servers (Request Tracker, Redmine,
//! Znuny, Zabbix, NATS, Prometheus), a proxy that loses answers, and the daemon itself as a process that can be
//! killed. Knows the daemon only from outside: its command line, its files and its HTTP contract.
//!
//! Suggested reading order: [`room`] (what a test needs, and what happens where it is missing),
//! [`network`], [`rt`], [`proxy`], [`daemon`], then a journey.

#[path = "world/room.rs"]
pub mod room;

#[path = "world/network.rs"]
pub mod network;

#[path = "world/rt.rs"]
pub mod rt;

#[path = "world/redmine.rs"]
pub mod redmine;

#[path = "world/person.rs"]
pub mod person;
#[path = "world/znuny.rs"]
pub mod znuny;

#[path = "world/zabbix.rs"]
pub mod zabbix;

#[path = "world/nats.rs"]
pub mod nats;

#[path = "world/proxy.rs"]
pub mod proxy;

#[path = "world/daemon.rs"]
pub mod daemon;

#[path = "world/shell.rs"]
pub mod shell;

#[path = "world/wait.rs"]
pub mod wait;

pub use daemon::Daemon;
pub use network::Network;
pub use proxy::Proxy;
pub use redmine::Redmine;
pub use room::{Need, Room};
pub use rt::RequestTracker;
pub use znuny::Znuny;
