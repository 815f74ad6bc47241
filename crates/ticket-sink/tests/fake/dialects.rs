//! The dialects that the fake speaks, and what a test has to know of each.

use super::{
    glpi, glpi_v2, itop, jira, odd_config, osticket, redmine, rt_config, servicenow, zammad, znuny,
};
use serde_json::{Value, json};

/// One dialect.
#[derive(Clone, Copy)]
pub struct Dialect {
    /// The kind of desk.
    pub name: &'static str,
    /// A configuration for the fake at this address.
    pub config: fn(&str) -> String,
    /// What stands before the title of a ticket of this incident.
    pub prefix: fn(&str) -> String,
    /// The status in the store that says resolved, …
    pub resolved: &'static str,
    /// … and the one that says reopened.
    pub open: &'static str,
    /// P1, as it is in the store.
    pub p1: fn() -> Value,
    /// The most characters of a title.
    pub title_max: usize,
    /// It gives sessions for a time.
    pub sessions: bool,
    /// It can do everything.
    pub whole: bool,
    /// The key ends the title as well, so that a ticket whose field was dropped is still found.
    pub key_in_title: bool,
}

pub const RT: Dialect = Dialect {
    name: "rt",
    config: rt_config,
    prefix: |_| String::new(),
    resolved: "resolved",
    open: "open",
    p1: || json!(100),
    title_max: usize::MAX,
    sessions: false,
    whole: true,
    key_in_title: false,
};

const ODD: Dialect = Dialect {
    name: "generic",
    config: odd_config,
    prefix: |incident| format!("[{incident}] "),
    resolved: "done",
    open: "todo",
    p1: || json!(9),
    ..RT
};

/// All of them.
pub static DIALECTS: &[Dialect] = &[
    RT,
    ODD,
    redmine::DIALECT,
    zammad::DIALECT,
    znuny::DIALECT,
    glpi::DIALECT,
    servicenow::DIALECT,
    jira::DIALECT,
    itop::DIALECT,
    glpi_v2::DIALECT,
    osticket::DIALECT,
];
