//! What is served: the read models in the form in which API, board and command line show them.
//!
//! Times are text (RFC 3339, UTC) and words are the model's own, because this is the outside form;
//! nothing reads these documents back.

use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One incident, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentDoc {
    /// Its id; never changes.
    #[schema(example = "k7f3-17")]
    pub id: String,
    /// A line that names the root and the scope.
    pub title: String,
    /// Whether it still wants somebody: neither resolved, closed nor merged.
    pub open: bool,
    /// Whether the cause stands: `failing`, `clear`, `unknown` or `masked`.
    pub condition: String,
    /// How far people are: `new`, `assigned`, `in-progress`, `on-hold`, `resolved` or `closed`.
    pub work: String,
    /// `P1` to `P4`.
    pub priority: String,
    /// `lokal`, `situs` or `masif`.
    pub scope: String,
    /// The ids that cannot be told apart.
    pub root: Vec<String>,
    /// How much fails because of it.
    pub counts: CountsDoc,
    /// What fails because of it. In lists of many incidents these may be cut; `counts` is not.
    pub affected: AffectedDoc,
    /// When the first sign of it was seen.
    #[schema(format = DateTime)]
    pub since: String,
    /// When it was opened.
    #[schema(format = DateTime)]
    pub opened_at: String,
    /// When something about it changed last.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// When nothing of it failed any more.
    #[schema(format = DateTime)]
    pub recovered_at: Option<String>,
    /// When it was resolved.
    #[schema(format = DateTime)]
    pub resolved_at: Option<String>,
    /// When it was closed.
    #[schema(format = DateTime)]
    pub closed_at: Option<String>,
    /// When somebody said that they have seen it.
    #[schema(format = DateTime)]
    pub acknowledged_at: Option<String>,
    /// Who said so.
    pub acknowledged_by: Option<String>,
    /// What happened to it last.
    pub change: String,
    /// Why it is as it is, in a sentence.
    pub reason: String,
    /// The incident that goes on, when this one was merged.
    pub into: Option<String>,
    /// The earlier incident of the same root.
    pub recurrence_of: Option<String>,
    /// Its tickets, one for each desk.
    pub tickets: Vec<TicketDoc>,
}

/// How much fails because of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct CountsDoc {
    /// Devices unreachable or broken.
    pub devices: usize,
    /// Sites with at least one of them.
    pub sites: usize,
    /// Services whose needs are false.
    pub services: usize,
    /// People at sites with no device reachable.
    pub users: u64,
}

/// What fails because of an incident, by id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct AffectedDoc {
    /// Devices unreachable or broken, the root's included.
    pub devices: Vec<String>,
    /// Sites with at least one of them.
    pub sites: Vec<String>,
    /// Services whose needs are false.
    pub services: Vec<String>,
    /// People at sites with no device reachable.
    pub users: u64,
}

/// One incident with everything that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    pub incident: IncidentDoc,
    /// What happened, in order.
    pub diary: Vec<DiaryLine>,
    /// Lines that the diary did not keep because it was full.
    pub diary_left_out: u64,
    /// How many events came to which verdict because of it.
    pub verdicts: BTreeMap<String, u64>,
    /// The alarms it explains now.
    pub alarms: Vec<AlarmDoc>,
}

/// A page of incidents.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IncidentPage {
    /// The newest first.
    pub incidents: Vec<IncidentDoc>,
    /// Where the next page begins; absent on the last one.
    pub next: Option<String>,
}

/// One line of an incident's diary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DiaryLine {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// What kind of record it comes from: `incident`, `alarm`, `verdict`, `intent`, `delivery`.
    pub kind: String,
    /// Its word there: a change, an alarm state, a verdict, an operation, a delivery step.
    pub word: String,
    /// What it is about: a target, a desk.
    pub subject: Option<String>,
    /// Who did it, when a person did.
    pub by: Option<String>,
    /// The event behind it.
    pub event: Option<u64>,
    /// What happened, in a sentence.
    pub text: String,
}

/// One alarm, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlarmDoc {
    /// Of what.
    pub target: String,
    /// Which check.
    pub check: String,
    /// `suspect`, `held`, `raised`, `clearing`, `flapping`, `unknown` or `ok`.
    pub state: String,
    /// What it was before.
    pub was: String,
    /// Since when it is so.
    #[schema(format = DateTime)]
    pub since: String,
    /// The incident that explains it.
    pub incident: Option<String>,
    /// Why, in a sentence.
    pub reason: String,
}

/// How far one desk is with one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TicketDoc {
    /// The incident.
    pub incident: String,
    /// The desk.
    pub desk: String,
    /// `pending` (not there yet, or not as it should be), `told`, `doubtful` (nobody knows whether
    /// the desk did it; it is being looked up), `passed` (it was over before the desk could be told, and
    /// gets no ticket) or `dry-run` (nothing is sent).
    pub told: String,
    /// The last step of the delivery.
    pub step: String,
    /// The call it was about.
    pub call: Option<String>,
    /// The desk's own id of the ticket, once known.
    pub ticket: Option<String>,
    /// Where a person can look at it.
    pub url: Option<String>,
    /// The key under which it is found again.
    pub key: String,
    /// Its priority as far as known.
    pub priority: Option<String>,
    /// Whether it is open as far as known.
    pub open: bool,
    /// Tries of the same thing.
    pub attempt: u32,
    /// When it goes on by itself.
    #[schema(format = DateTime)]
    pub next_try: Option<String>,
    /// When it was reserved.
    #[schema(format = DateTime)]
    pub since: String,
    /// When something happened last.
    #[schema(format = DateTime)]
    pub updated_at: String,
    /// What happened last, in a sentence.
    pub reason: String,
}

/// What an event came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VerdictDoc {
    /// The event's number.
    pub event: u64,
    /// The verdict.
    pub verdict: String,
    /// It changed nothing: only its verdict was kept.
    pub routine: bool,
    /// When it happened (of a routine one: about when it was decided).
    #[schema(format = DateTime)]
    pub at: String,
    /// What it was about.
    pub target: Option<String>,
    /// The incident it has to do with.
    pub incident: Option<String>,
    /// Why, in a sentence.
    pub reason: Option<String>,
}

/// Why something ended as it did, and what would have changed it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct ExplainDoc {
    /// What was asked for, as understood.
    pub what: String,
    /// `event`, `incident`, `alarm`, `target` or `why-not`.
    pub kind: String,
    /// The answer, a sentence each.
    pub because: Vec<String>,
    /// What would have changed it, a sentence each. With `tried`, each was tried on a copy of the
    /// core and really came out so; else it is what holds in general.
    pub otherwise: Vec<String>,
    /// The rules that decided, a sentence each.
    pub rules: Vec<String>,
    /// What they were applied to, a line each.
    pub inputs: Vec<String>,
    /// What led to what, a line each, in order.
    pub chain: Vec<String>,
    /// Whether the events were run again, so that `rules`, `inputs`, `chain` and `otherwise` are of
    /// this very case.
    pub tried: bool,
    /// How far the events have been run again, in percent, while that is not done: ask again.
    pub pending: Option<u8>,
    /// What else there is to know: another configuration, events that are no longer kept, …
    pub notes: Vec<String>,
    /// The verdict, where an event was asked for.
    pub verdict: Option<VerdictDoc>,
    /// The alarms it is about.
    pub alarms: Vec<AlarmDoc>,
    /// The incident behind it, with its diary.
    pub incident: Option<IncidentDetail>,
}
