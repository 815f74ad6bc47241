//! What was decided: the outputs of the core, and the words they use.

use crate::id::IncidentId;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Gives an enum of bare words its text, both ways.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every word there is, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word, the same in metric, log, ticket and console.
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The reverse of `word`.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.word()) }
        }
    };
}

pub(crate) use words;

words! {
    /// The named reason that ends the way of an event. Exactly one for each event.
    Verdict {
        /// An answer as it should be.
        Normal = "normal",
        /// A first sign of failure; nothing is confirmed.
        Suspect = "suspect",
        /// Confirmed, but its possible ancestors have not been heard yet.
        Held = "held",
        /// It opened an incident.
        Opened = "opened",
        /// It is evidence of an incident that is open already.
        Joined = "joined",
        /// Something nearer to the probe failed and explains it.
        SuppressedByRoot = "suppressed-by-root",
        /// It changed something about an incident or an alarm, but not whether it stands.
        Updated = "updated",
        /// A first good sign after a failure.
        Clearing = "clearing",
        /// The alarm is over.
        Recovered = "recovered",
        /// It changes so often that the change says nothing.
        Flapping = "flapping",
        /// Worse than good, not as bad as the raise level.
        BelowThreshold = "below-threshold",
        /// A maintenance window covers it.
        InMaintenance = "in-maintenance",
        /// A silence covers it.
        Silenced = "silenced",
        /// We could not ask, or could not understand.
        Unknown = "unknown",
        /// The same thing was said before.
        Duplicate = "duplicate",
        /// It is older than what we know already.
        Late = "late",
        /// Nothing in the inventory is called that.
        UnmatchedTarget = "unmatched-target",
        /// The port is switched off on purpose.
        AdminDown = "admin-down",
        /// What a person asked for.
        Command = "command",
        /// What was seen on a ticket.
        Desk = "desk",
        /// A configuration took effect.
        Config = "config",
        /// Nothing was watched for a while.
        Gap = "gap",
        /// Time passed.
        Time = "time",
    }
}

words! {
    /// The correlator's state for one check or signal.
    AlarmState {
        /// Good.
        Ok = "ok",
        /// A first sign of failure.
        Suspect = "suspect",
        /// Confirmed, waiting for the evidence of its possible ancestors (or for a window to end).
        Held = "held",
        /// Confirmed, and part of an incident.
        Raised = "raised",
        /// Failing, with a first good sign.
        Clearing = "clearing",
        /// Changes too often to mean anything.
        Flapping = "flapping",
        /// Not known: not asked, not answered in a way we can read, or stale.
        Unknown = "unknown",
    }
}

words! {
    /// P1 (drop everything) to P4 (recorded and shown, never ticketed).
    Priority {
        /// Drop everything.
        P1 = "P1",
        /// Today, now.
        P2 = "P2",
        /// Soon.
        P3 = "P3",
        /// For the record.
        P4 = "P4",
    }
}

words! {
    /// How far it reaches.
    Scope {
        /// One device.
        Lokal = "lokal",
        /// Two devices or more.
        Situs = "situs",
        /// Three sites or more wholly unreachable, or all of a site with two devices or more.
        Masif = "masif",
    }
}

words! {
    /// Whether the cause still stands.
    Condition {
        /// It does.
        Failing = "failing",
        /// Nothing of it fails any more.
        Clear = "clear",
        /// We cannot tell.
        Unknown = "unknown",
        /// Something nearer hides it.
        Masked = "masked",
    }
}

words! {
    /// How far people are with it.
    Work {
        /// Nobody took it yet.
        New = "new",
        /// Somebody has it.
        Assigned = "assigned",
        /// Somebody works on it.
        InProgress = "in-progress",
        /// It waits for something outside.
        OnHold = "on-hold",
        /// The service is back.
        Resolved = "resolved",
        /// Done; nothing will change any more.
        Closed = "closed",
    }
}

words! {
    /// What happened to an incident.
    Change {
        /// A new one.
        Opened = "opened",
        /// More or less is affected, or its priority changed.
        Updated = "updated",
        /// The best explanation is another element now.
        Rerooted = "rerooted",
        /// It turned out to be the same cause as another, which goes on.
        Merged = "merged",
        /// A part of it turned out to have a cause of its own.
        Split = "split",
        /// Somebody has seen it.
        Acknowledged = "acknowledged",
        /// Somebody has it.
        Assigned = "assigned",
        /// It waits for something outside.
        OnHold = "on-hold",
        /// Nothing of it fails any more.
        Recovered = "recovered",
        /// The same cause is back within the reopen window.
        Reopened = "reopened",
        /// The work is done.
        Resolved = "resolved",
        /// Done; nothing will change any more.
        Closed = "closed",
    }
}

words! {
    /// What a desk or a person should be told.
    IntentOp {
        /// Open the ticket.
        Create = "create",
        /// Add a note to it.
        Note = "note",
        /// Change its priority.
        Reprioritise = "reprioritise",
        /// Resolve it.
        Resolve = "resolve",
        /// Open it again.
        Reopen = "reopen",
        /// Close it, linked to the one that goes on.
        Merge = "merge",
        /// Tell people.
        Notify = "notify",
    }
}

/// One line of the record of decisions.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// What an event came to.
    Verdict(VerdictLine),
    /// An alarm changed its state.
    Alarm(AlarmLine),
    /// An incident changed.
    Incident(Box<IncidentLine>),
    /// Somebody should be told.
    Intent(Box<Intent>),
}

/// What an event came to.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictLine {
    /// When the event happened.
    pub at: Timestamp,
    /// The number of the event.
    pub event: u64,
    /// What it was about, where it was about something.
    pub target: Option<Arc<str>>,
    /// The verdict.
    pub verdict: Verdict,
    /// The incident it has to do with.
    pub incident: Option<IncidentId>,
    /// One sentence for a person.
    pub reason: Cow<'static, str>,
    /// The event changed nothing: kept as one letter beside its frame, not as a line.
    pub routine: bool,
}

/// An alarm changed its state.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmLine {
    /// When, by the core's clock.
    pub at: Timestamp,
    /// Of what: a device, a port, or `source:key` of a signal without a known target.
    pub target: Arc<str>,
    /// Which check (`icmp`, `snmp:if-status`, `icmp:loss`, `signal:zabbix:41232`, …); as another
    /// probe than the first sees it: `icmp@noc-2`.
    pub check: Arc<str>,
    /// What it is now.
    pub state: AlarmState,
    /// What it was.
    pub was: AlarmState,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// One sentence for a person.
    pub reason: String,
}

/// An incident changed; everything that is true of it afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentLine {
    /// When, by the core's clock.
    pub at: Timestamp,
    /// Which.
    pub id: IncidentId,
    /// What happened to it.
    pub change: Change,
    /// Whether the cause stands.
    pub condition: Condition,
    /// How far people are.
    pub work: Work,
    /// How urgent it is, overrides included.
    pub priority: Priority,
    /// How far it reaches.
    pub scope: Scope,
    /// The ids that cannot be told apart. Sorted.
    pub root: Vec<Arc<str>>,
    /// What fails because of it.
    pub affected: Affected,
    /// When the first sign of it was seen.
    pub since: Timestamp,
    /// One sentence for a person: what happened and why this priority.
    pub reason: String,
    /// The incident that goes on, when `change` is `merged`.
    pub into: Option<IncidentId>,
    /// The earlier incident of the same root, when there was one.
    pub recurrence_of: Option<IncidentId>,
    /// Who did it, when a person did.
    pub by: Option<String>,
}

/// What fails because of an incident. Every list is sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Affected {
    /// Devices unreachable or broken, the root's included.
    pub devices: Vec<Arc<str>>,
    /// Sites with at least one of them.
    pub sites: Vec<Arc<str>>,
    /// Services whose needs are false.
    pub services: Vec<Arc<str>>,
    /// People at sites with no device reachable.
    pub users: u64,
}

/// Somebody should be told: immutable, with an id of its own. Doing it twice changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// When it was decided, by the core's clock.
    pub at: Timestamp,
    /// `INCIDENT.REVISION`.
    pub id: String,
    /// The incident.
    pub incident: IncidentId,
    /// What to do.
    pub op: IntentOp,
    /// Counts the intents of an incident from 1.
    pub revision: u32,
    /// How urgent it is now.
    pub priority: Priority,
    /// A line that names the root and the scope.
    pub title: String,
    /// What to say: the whole of it for `create` and `notify`, the change for the others.
    pub text: String,
    /// The incident that goes on, for `merge`.
    pub into: Option<IncidentId>,
    /// The number of the event behind it, for the latency from event to ticket.
    pub event: u64,
    /// When the journal took that event.
    pub received: Timestamp,
}
