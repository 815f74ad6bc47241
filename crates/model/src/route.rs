//! Which tickets go where: the first rule that an incident matches, and the one that always does.

use serde::{Deserialize, Serialize};

/// The rule of an incident that no other takes.
pub const DEFAULT_ROUTE: &str = "default";

/// Which tickets go to which desk. An empty list matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// What people call it: by this name a misroute is counted.
    pub name: String,
    /// Classes of a root device.
    pub classes: Vec<String>,
    /// Sites of a root device.
    pub sites: Vec<String>,
    /// Tags of a root device.
    pub tags: Vec<String>,
    /// Sources of the signal that opened it.
    pub sources: Vec<String>,
    /// The desk.
    pub desk: String,
    /// Its queue or group.
    pub queue: Option<String>,
    /// The category that the ticket gets there.
    pub category: Option<String>,
    /// The team whose ticket it is; it stands on the ticket.
    pub team: Option<String>,
}
