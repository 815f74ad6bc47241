//! Takes what other monitors and people's scripts send over HTTP, one module per source, and hands
//! it on as events. Answers 2xx only when the events are durable; judges form and token, never
//! what an event means.
//!
//! The way of a request: the [`Sources`] say who may send what, the door checks the
//! token before a byte of the body is read, [`zabbix`] and [`events`] turn the body into events,
//! the [`EventSink`] makes them durable. Whatever goes wrong is a [`Problem`] document
//! that says whose side it is and what to change there.

pub mod events;
pub mod zabbix;

mod door;
mod problem;
mod routes;
mod sink;
mod source;

pub use problem::{Problem, ProblemDocument, Rejected};
pub use routes::{Clock, Intake, openapi, router};
pub use sink::{EventSink, SinkError};
pub use source::{Source, SourceKind, Sources};
