//! What the console asks of the daemon around it.

use async_trait::async_trait;
use model::{Event, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;
use views::{ExplainDoc, Reader};

/// The daemon, as the console sees it. Every answer is given from memory and soon: the board asks
/// every two seconds, and a backend that hangs counts as dead.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Makes a command durable; returns the event's number. What comes of it is the core's business.
    async fn submit(&self, event: Event<'static>) -> Result<u64, BackendError>;

    /// How the daemon is.
    async fn status(&self) -> StatusDoc;

    /// Every target of the inventory as it is now, passive ones left out, by id.
    async fn targets(&self) -> Vec<TargetDoc>;

    /// Maintenance windows and silences that have not ended, and those that ended lately.
    async fn windows(&self) -> Vec<WindowDoc>;

    /// Whether a window may name this: an id of the inventory, `class:x` or `tag:x`.
    async fn knows_scope(&self, scope: &str) -> bool;

    /// More than the views can say of why something is as it is; None leaves it to them.
    async fn explain(&self, what: &str, reader: &Reader) -> Option<ExplainDoc> {
        let _ = (what, reader);
        None
    }

    /// Why there was no incident for a target then (now, when no time is given).
    async fn why_not(
        &self,
        target: &str,
        at: Option<Timestamp>,
        reader: &Reader,
    ) -> Option<ExplainDoc> {
        let _ = (target, at, reader);
        None
    }

    /// The tickets of the built-in desk, the newest first; empty where there is none.
    async fn builtin_tickets(&self) -> Vec<BuiltinTicketDoc> {
        Vec::new()
    }

    /// The time zone in which windows come again, by its IANA name.
    fn timezone(&self) -> String;

    /// What time it is.
    fn now(&self) -> Timestamp;
}

/// Why a command was not taken. In both cases nothing happened and trying again makes sense.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// There is more waiting than there is room for.
    #[error("too much is waiting to be made durable")]
    Full,
    /// The journal does not take it.
    #[error("the journal does not take it: {0}")]
    Unavailable(String),
}

/// How the daemon is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct StatusDoc {
    /// What runs.
    pub version: String,
    /// The installation's name from the configuration.
    pub instance: String,
    /// The unique name of its journal.
    pub identity: String,
    /// `edge`, `core` or `both`.
    pub role: String,
    /// The language of the configuration, `id` or `en`.
    pub language: String,
    /// The time zone of the configuration, for people's clocks.
    #[schema(example = "Asia/Jakarta")]
    pub timezone: String,
    /// The daemon's clock when this was written.
    #[schema(format = DateTime)]
    pub now: String,
    /// When it started.
    #[schema(format = DateTime)]
    pub started_at: String,
    /// For how long it has been running.
    pub uptime_s: u64,
    /// The journal.
    pub journal: JournalDoc,
    /// The core.
    pub core: CoreDoc,
    /// Every desk of the configuration.
    pub desks: Vec<DeskDoc>,
    /// The probe of this process; absent where there is none.
    pub probe: Option<ProbeDoc>,
    /// Every probe of the configuration, as the core sees it; empty where there is no core.
    pub watchers: Vec<WatcherDoc>,
    /// The outside watcher's URL.
    pub heartbeat: HeartbeatDoc,
    /// The configuration in force.
    pub config: ConfigDoc,
}

/// The journal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct JournalDoc {
    /// `embedded` or `nats`.
    pub kind: String,
    /// Whether events can be made durable.
    pub writable: bool,
    /// Whether the broker answers; absent without a broker.
    pub connected: Option<bool>,
    /// Events that wait here for the broker.
    pub spool_events: u64,
    /// Its size on disk.
    pub bytes: u64,
    /// The oldest event it keeps.
    #[schema(format = DateTime)]
    pub oldest: Option<String>,
    /// What it said last when something went wrong.
    pub last_error: Option<String>,
}

/// The core.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct CoreDoc {
    /// The last event it took.
    pub last_event: u64,
    /// Events in the journal that it has not taken yet.
    pub behind: u64,
    /// How long ago its loop turned last. It turns at least once a second.
    pub beat_age_ms: u64,
    /// Records that the views have not shown yet.
    pub views_behind: u64,
    /// Incidents that are open.
    pub open_incidents: u64,
    /// Confirmed alarms that wait for the evidence of what stands before them.
    pub held: u64,
    /// Alarms explained by an incident of something else.
    pub suppressed: u64,
    /// Alarms that flap.
    pub flapping: u64,
    /// Rules that sent tickets to the wrong team, as people said.
    pub misroutes: Vec<MisrouteDoc>,
}

/// A rule that sent tickets to the wrong team.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct MisrouteDoc {
    /// The name of the `[[route]]`; `default` for what no other took.
    pub route: String,
    /// How many tickets.
    pub times: u64,
}

/// One desk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct DeskDoc {
    /// Its name from the configuration.
    pub name: String,
    /// `rt`, `generic`, `builtin`, …
    pub kind: String,
    /// Everything is decided and shown, nothing is sent.
    pub dry_run: bool,
    /// Whether it answered when it was asked last; absent before it was asked.
    pub reachable: Option<bool>,
    /// Incidents for which something has yet to be told.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    #[schema(format = DateTime)]
    pub oldest: Option<String>,
    /// Tickets of which nobody knows whether they were made or changed.
    pub doubtful: u64,
    /// `closed`: it is asked as usual. `open`: it failed several times in a row and is left alone until
    /// `tried_at`. `half-open`: one request tries it.
    pub breaker: String,
    /// When it is tried again, where it is left alone.
    #[schema(format = DateTime)]
    pub tried_at: Option<String>,
    /// What it said last when something went wrong.
    pub last_error: Option<String>,
}

/// The probe of this process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct ProbeDoc {
    /// Its id.
    pub id: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// Targets it asks.
    pub targets: u64,
    /// Samples it takes in a second.
    pub samples_per_s: f64,
    /// When it published last.
    #[schema(format = DateTime)]
    pub last_sample: Option<String>,
    /// Why it cannot ask, and what to do about it.
    pub last_error: Option<String>,
}

/// A probe of the configuration, as the core sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct WatcherDoc {
    /// Its id.
    pub id: String,
    /// The device it stands at.
    pub at: Option<String>,
    /// `watching`; `silent` (nothing is heard of it), `isolated` (it sees nothing, and what it
    /// observes means nothing), `unheard` (nothing ever was).
    pub sight: String,
    /// Since when it is silent or isolated.
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// When its last observation was taken.
    #[schema(format = DateTime)]
    pub last_heard: Option<String>,
}

/// The URL called while the whole way works, so that somebody else notices our death.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct HeartbeatDoc {
    /// Whether there is one.
    pub configured: bool,
    /// When it was called last with success.
    #[schema(format = DateTime)]
    pub last_ok: Option<String>,
    /// Why it was not, when it was not.
    pub last_error: Option<String>,
}

/// The configuration in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct ConfigDoc {
    /// SHA-256 of its text.
    pub hash: String,
    /// When it took effect.
    #[schema(format = DateTime)]
    pub loaded_at: String,
    /// Why the newest one was refused, while an older one is in force.
    pub refused: Option<String>,
}

/// One target of the inventory, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct TargetDoc {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its site's id.
    pub site: Option<String>,
    /// What people call its site.
    pub site_name: Option<String>,
    /// Its class.
    pub class: String,
    /// `vital`, `important` or `normal`.
    pub criticality: String,
    /// `up`, `down`, `suspect`, `flapping`, `unknown` (we could not ask) or `new` (never asked).
    pub state: String,
    /// Since when it is so.
    #[schema(format = DateTime)]
    pub since: Option<String>,
    /// When it answered last.
    #[schema(format = DateTime)]
    pub last_seen: Option<String>,
    /// Its last round-trip time.
    pub rtt_ms: Option<f64>,
    /// Its last loss.
    pub loss_pct: Option<f64>,
    /// The incident that explains its state.
    pub incident: Option<String>,
    /// Whether a maintenance window covers it now.
    pub maintenance: bool,
    /// What is asked of it.
    pub checks: Vec<CheckDoc>,
}

/// One check of a target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct CheckDoc {
    /// Its name.
    pub check: String,
    /// The alarm's state, `ok` when there is none.
    pub state: String,
    /// When it was answered last.
    #[schema(format = DateTime)]
    pub last: Option<String>,
}

/// A maintenance window or a silence.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct WindowDoc {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// What it covers.
    pub scope: Vec<String>,
    /// From here …
    #[schema(format = DateTime)]
    pub start: String,
    /// … to here.
    #[schema(format = DateTime)]
    pub end: String,
    /// A silence rather than maintenance.
    pub silence: bool,
    /// It has begun and has not ended.
    pub active: bool,
    /// The change that it is for.
    pub change: Option<String>,
    /// It comes again by this rule; `start` and `end` are this time's or the next.
    pub rrule: Option<String>,
    /// It has ended, and does not come again.
    pub over: bool,
    /// Alarms that it holds back now: every suppression has a count.
    pub hides: u64,
    /// Alarms that it has held back since it began.
    pub hid: u64,
    /// What they were about, the first of them.
    pub hid_targets: Vec<String>,
    /// What still failed when it ended: it has overrun.
    pub overran: Vec<String>,
    /// What should be done about it: a silence that matches nothing for an hour, an overrun.
    pub advice: Option<String>,
    /// `config` (it stands in the configuration and ends there) or `command`.
    pub from: String,
}

/// A ticket of the built-in desk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct BuiltinTicketDoc {
    /// Its number.
    pub id: String,
    /// The key under which it is found again.
    pub key: String,
    /// The incident.
    pub incident: String,
    /// Its subject.
    pub title: String,
    /// Its first text.
    pub text: String,
    /// `P1` to `P4`.
    pub priority: String,
    /// Whether it is open.
    pub open: bool,
    /// When it was opened.
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it changed last.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// What was added.
    pub notes: Vec<BuiltinNoteDoc>,
}

/// A note on a ticket of the built-in desk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct BuiltinNoteDoc {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// The note.
    pub text: String,
}
