//! The bounds of everything that grows, and how often each was met.
//!
//! What follows from the inventory (checks, their alarms, levels, timers) is bounded by it. Named
//! here is what others can make grow: people, other monitors, time.

use serde::{Deserialize, Serialize};

/// Windows that people asked for. One more is not taken, and the answer says so.
pub(crate) const WINDOWS_MAX: usize = 1000;
/// Windows that ended lately. The one that ended first is forgotten first.
pub(crate) const ENDED_WINDOWS_MAX: usize = 1000;
/// Names of what a window held back. More are counted, not named.
pub(crate) const HIDDEN_TARGETS_MAX: usize = 200;

/// How often each bound was met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Met {
    /// A window that a person asked for was not taken.
    pub windows: u64,
    /// A window that ended lately was forgotten early.
    pub ended_windows: u64,
    /// A target that a window held back is counted, not named.
    pub hidden_targets: u64,
}
