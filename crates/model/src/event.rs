//! What happened: the inputs of the core.

use crate::decision::Priority;
use crate::id::IncidentId;
use crate::settings::Window;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::borrow::Cow;

/// One thing that happened. Borrowed from the text it was read from where that is possible, so
/// that a million of them an hour cost no allocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// When it happened, by its producer.
    pub at: Timestamp,
    /// When the journal took it; absent in a recording that never went through a journal.
    pub received: Option<Timestamp>,
    /// What happened.
    pub kind: Kind<'a>,
}

impl Event<'_> {
    /// The same event, no longer borrowed from the text it was read from.
    pub fn into_owned(self) -> Event<'static> {
        fn own(text: Cow<'_, str>) -> Cow<'static, str> {
            Cow::Owned(text.into_owned())
        }
        let kind = match self.kind {
            Kind::Observation(o) => Kind::Observation(Observation {
                probe: own(o.probe),
                target: own(o.target),
                check: own(o.check),
                outcome: match o.outcome {
                    Outcome::Reply(values) => {
                        Outcome::Reply(values.into_iter().map(|(name, v)| (own(name), v)).collect())
                    }
                    Outcome::NoReply => Outcome::NoReply,
                    Outcome::Failed { reason } => Outcome::Failed { reason: own(reason) },
                },
            }),
            Kind::Signal(s) => Kind::Signal(Signal {
                source: own(s.source),
                key: own(s.key),
                state: s.state,
                severity: s.severity,
                target: s.target.map(own),
                summary: s.summary.map(own),
            }),
            Kind::Command(c) => Kind::Command(c),
            Kind::Desk(d) => Kind::Desk(d),
            Kind::Config { hash, instance } => Kind::Config { hash, instance },
            Kind::Gap { since } => Kind::Gap { since },
            Kind::Tick => Kind::Tick,
        };
        Event { at: self.at, received: self.received, kind }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind<'a> {
    /// One answer to a check.
    Observation(Observation<'a>),
    /// A state told by somebody else.
    Signal(Signal<'a>),
    /// What a person asked for.
    Command(Command),
    /// What was seen on a ticket of ours.
    Desk(DeskNews),
    /// A configuration takes effect here. `instance` is set on the first one of a journal.
    Config {
        /// SHA-256 of the configuration's text, hex.
        hash: String,
        /// The unique name of this installation, from which incident ids and ticket keys are made.
        instance: Option<String>,
    },
    /// Nothing was watched between `since` and now.
    Gap {
        /// The last instant before the stop.
        since: Timestamp,
    },
    /// Time passes; nothing else happens.
    Tick,
}

/// One answer to a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation<'a> {
    /// Who asked.
    pub probe: Cow<'a, str>,
    /// Of whom: a device, or a port as `device/port`.
    pub target: Cow<'a, str>,
    /// What: `icmp`, `snmp:if-status`, …
    pub check: Cow<'a, str>,
    /// The answer.
    pub outcome: Outcome<'a>,
}

/// The answer to a check. That the target is silent and that we could not ask are never confused.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<'a> {
    /// It answered, with these values.
    Reply(Values<'a>),
    /// It was asked and is silent.
    NoReply,
    /// It could not be asked.
    Failed {
        /// Why not, as a short word: `no-buffer`, `no-route`, `no-permission`, …
        reason: Cow<'a, str>,
    },
}

/// Named numbers; the unit ends the name (`rtt_ms`, `loss_pct`). Booleans are 0 and 1.
pub type Values<'a> = SmallVec<[(Cow<'a, str>, f64); 2]>;

/// A state told by somebody else.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal<'a> {
    /// Who says so: the name of the `[[source]]`.
    pub source: Cow<'a, str>,
    /// The source's own key of the problem.
    pub key: Cow<'a, str>,
    /// Whether it is one.
    pub state: SignalState,
    /// How bad the source finds it.
    pub severity: Option<Severity>,
    /// What it is about: an id of the inventory, or what the source calls it.
    pub target: Option<Cow<'a, str>>,
    /// In the source's words.
    pub summary: Option<Cow<'a, str>>,
}

/// Whether a signal says that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignalState {
    /// Something is wrong.
    Problem,
    /// It no longer is.
    Ok,
}

/// How bad a source finds it (Zabbix's scale; `not classified` is `Info`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// For the record.
    Info,
    /// Look at it some time.
    Warning,
    /// Average.
    Average,
    /// High.
    High,
    /// Disaster.
    Disaster,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Severity; 5] =
        [Severity::Info, Severity::Warning, Severity::Average, Severity::High, Severity::Disaster];
}

/// What a person asked for, and who.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// The person.
    pub by: String,
    /// What.
    pub operation: Operation,
}

/// What a person can ask for.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// "I have seen it and am on it."
    Acknowledge {
        /// Which incident.
        incident: IncidentId,
    },
    /// A note for the diary and the ticket.
    Note {
        /// Which incident.
        incident: IncidentId,
        /// The note.
        text: String,
    },
    /// The work is done, whatever the checks say.
    Resolve {
        /// Which incident.
        incident: IncidentId,
        /// Why, in the person's words.
        reason: String,
    },
    /// The priority is this, until the incident ends or `until`.
    Reprioritise {
        /// Which incident.
        incident: IncidentId,
        /// The priority.
        priority: Priority,
        /// Why, in the person's words.
        reason: String,
        /// When the computed one is effective again; `None`: not before the incident ends.
        until: Option<Timestamp>,
    },
    /// The ticket went to the wrong team: a rule that sends tickets is wrong.
    Misroute {
        /// Which incident.
        incident: IncidentId,
        /// Whose it is, where the person knows.
        team: Option<String>,
        /// Why, in the person's words.
        reason: String,
    },
    /// A window in which alarms are expected: suppression and SLA both read it.
    Maintenance(Window),
    /// A window in which nobody wants to hear of it.
    Silence(Window),
    /// A maintenance window or silence ends now.
    EndWindow {
        /// The window's id.
        id: String,
    },
}

/// What was seen on a ticket of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct DeskNews {
    /// On which desk.
    pub desk: String,
    /// The incident that the ticket belongs to.
    pub incident: IncidentId,
    /// What changed.
    pub change: DeskChange,
    /// By whom, where the desk says so.
    pub by: Option<String>,
    /// What was written, of a note; cut to [`DESK_TEXT_MAX`] bytes.
    pub text: Option<String>,
    /// The priority that was chosen, where it corresponds to one of ours.
    pub priority: Option<Priority>,
}

/// The longest text of a note that is heard, in bytes; the whole of it stands on the ticket.
pub const DESK_TEXT_MAX: usize = 2000;

/// What a person did to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeskChange {
    /// Somebody owns it now.
    Taken,
    /// Somebody wrote a note.
    Noted,
    /// Somebody closed or resolved it.
    Closed,
    /// Somebody opened it again.
    Reopened,
    /// Somebody changed its priority.
    Reprioritised,
    /// Somebody merged it into another.
    Merged,
    /// It is gone.
    Deleted,
}

impl DeskChange {
    /// Everything that a person can do to a ticket.
    pub const ALL: [DeskChange; 7] = [
        DeskChange::Taken,
        DeskChange::Noted,
        DeskChange::Closed,
        DeskChange::Reopened,
        DeskChange::Reprioritised,
        DeskChange::Merged,
        DeskChange::Deleted,
    ];
}
