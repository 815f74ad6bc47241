//! The messages of `schemas/`, to and from the model: events that come in, decisions that go out.
//! Opens no file and no socket, judges nothing but the form: whether a target exists or a time is
//! late is for the core to say.
//!
//! Every line is one JSON object in the form of the contract, keys in the order printed there.
//! Reading is strict: what is not understood is an error that names the key and what it may say,
//! because a key that is silently dropped is a threshold that silently never applies. Reading
//! borrows from the line where it can; an observation costs no allocation.

pub mod limits;

mod configuration;
mod decision;
mod delivery;
mod event;
mod flat;
mod json;
mod schema;
mod words;

pub use configuration::{Recorded, is_configuration, read_configuration, write_configuration};
pub use decision::{DecisionError, read_decision, write_decision};
pub use delivery::{read_delivery, write_delivery};
pub use event::{EventError, Line, cut, read_event, stamp_event, write_event};
pub use schema::{decision_schema, event_schema};
pub use words::{desk_change_word, did_you_mean, severity_word};
