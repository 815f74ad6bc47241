//! What a person asks for. Each is an event: the answer comes when it is durable, and what follows
//! from it is the core's business.

use crate::Shared;
use crate::ask::{At, Body};
use crate::backend::BackendError;
use crate::problem::{Problem, cut};
use crate::read::ask;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use model::calendar::{check_rule, rule_ends};
use model::id::short_hash;
use model::settings::Window;
use model::time::parse_duration;
use model::{Command, Event, IncidentId, Kind, Operation, Priority, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// Longest name of a person, in characters.
const NAME_CHARS_MAX: usize = 64;

/// Longest note or reason, in bytes; a desk's own limit is rarely lower.
const TEXT_BYTES_MAX: usize = 4000;

/// Longest window: a silence of a year is a fault that nobody will remember.
const WINDOW_MAX: Duration = Duration::from_hours(31 * 24);

/// What the diary says of a priority that somebody set without saying why.
const NO_REASON: &str = "no reason given";

/// Most entries in the scope of one window.
const SCOPE_MAX: usize = 500;

/// Something about an incident, and who asks for it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandBody {
    /// Who asks.
    #[schema(example = "sari")]
    by: String,
    /// The note (`note`; with `acknowledge` it is noted as well).
    text: Option<String>,
    /// Why, in the person's words (`resolve`; `reprioritise` and `misroute`, where it may be absent).
    reason: Option<String>,
    /// `P1` to `P4` (`reprioritise`).
    priority: Option<String>,
    /// Until when the priority is that, RFC 3339 (`reprioritise`); until the incident ends unless told.
    until: Option<String>,
    /// Whose ticket it is, where the person knows (`misroute`).
    #[schema(example = "Pusat Data")]
    team: Option<String>,
}

/// It is durable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TakenDoc {
    /// The number of the event that it became.
    event: u64,
    /// The incident or the window that it is about.
    id: String,
}

type Taken = Result<(StatusCode, Json<TakenDoc>), Problem>;

/// "I have seen it and am on it."
#[utoipa::path(post, path = "/api/v1/incidents/{id}/acknowledge", tag = "commands",
    params(("id" = String, Path, description = "The incident's id")), request_body = CommandBody,
    security(("token" = [])),
    responses((status = 202, body = TakenDoc), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
    Body(body): Body<CommandBody>,
) -> Taken {
    let incident = known(&shared, &id).await?;
    let by = name(&body.by)?;
    only(&body, &["text"])?;
    let note = body.text.as_deref().map(|t| text("text", Some(t))).transpose()?;
    let operation = Operation::Acknowledge { incident: incident.clone() };
    let taken = submit(&shared, &by, operation, &id).await?;
    if let Some(text) = note {
        let noted = submit(&shared, &by, Operation::Note { incident, text }, &id).await;
        if noted.is_err() {
            let detail = "It is acknowledged, but the note was not taken. Send the note again.";
            return Err(Problem::unavailable(detail));
        }
    }
    Ok(taken)
}

/// A note for the diary and the ticket.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/note", tag = "commands",
    params(("id" = String, Path, description = "The incident's id")), request_body = CommandBody,
    security(("token" = [])),
    responses((status = 202, body = TakenDoc), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn note(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
    Body(body): Body<CommandBody>,
) -> Taken {
    let incident = known(&shared, &id).await?;
    only(&body, &["text"])?;
    let text = text("text", body.text.as_deref())?;
    submit(&shared, &name(&body.by)?, Operation::Note { incident, text }, &id).await
}

/// The work is done, whatever the checks say.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/resolve", tag = "commands",
    params(("id" = String, Path, description = "The incident's id")), request_body = CommandBody,
    security(("token" = [])),
    responses((status = 202, body = TakenDoc), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn resolve(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
    Body(body): Body<CommandBody>,
) -> Taken {
    let incident = known(&shared, &id).await?;
    only(&body, &["reason"])?;
    let reason = text("reason", body.reason.as_deref())?;
    submit(&shared, &name(&body.by)?, Operation::Resolve { incident, reason }, &id).await
}

/// The priority is this, until the incident ends or `until` comes.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/reprioritise", tag = "commands",
    params(("id" = String, Path, description = "The incident's id")), request_body = CommandBody,
    security(("token" = [])),
    responses((status = 202, body = TakenDoc), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn reprioritise(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
    Body(body): Body<CommandBody>,
) -> Taken {
    let incident = known(&shared, &id).await?;
    only(&body, &["reason", "priority", "until"])?;
    let given = body.priority.as_deref().unwrap_or_default();
    let priority = Priority::from_word(given).ok_or_else(|| {
        Problem::unprocessable(format!("priority is {:?}; it may be P1 to P4.", cut(given)))
    })?;
    let reason = match body.reason.as_deref() {
        None => NO_REASON.to_owned(),
        given => text("reason", given)?,
    };
    let until = match body.until.as_deref() {
        None => None,
        Some(given) => {
            let at: Timestamp =
                given.parse().map_err(|e| Problem::unprocessable(format!("until: {e}.")))?;
            if at <= shared.backend.now() {
                let detail = format!("until is {at}, which has gone by already.");
                return Err(Problem::unprocessable(detail));
            }
            Some(at)
        }
    };
    let operation = Operation::Reprioritise { incident, priority, reason, until };
    submit(&shared, &name(&body.by)?, operation, &id).await
}

/// The ticket went to the wrong team. The rule that sent it is named in the diary and counted.
#[utoipa::path(post, path = "/api/v1/incidents/{id}/misroute", tag = "commands",
    params(("id" = String, Path, description = "The incident's id")), request_body = CommandBody,
    security(("token" = [])),
    responses((status = 202, body = TakenDoc), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn misroute(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
    Body(body): Body<CommandBody>,
) -> Taken {
    let incident = known(&shared, &id).await?;
    only(&body, &["team", "reason"])?;
    let team = body.team.as_deref().map(|t| called("team", "the team whose it is", t));
    let reason = body.reason.as_deref().map(|r| text("reason", Some(r)));
    let operation = Operation::Misroute {
        incident,
        team: team.transpose()?,
        reason: reason.transpose()?.unwrap_or_default(),
    };
    submit(&shared, &name(&body.by)?, operation, &id).await
}

/// A window in which alarms are expected (maintenance) or unwanted (silence). There is always an end.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WindowBody {
    /// Who asks; the window is theirs.
    #[schema(example = "sari")]
    by: String,
    /// Why.
    reason: String,
    /// Ids of devices, links, services and sites; or `class:x`, `tag:x`. A site covers its devices.
    #[schema(example = json!(["semarang"]))]
    scope: Vec<String>,
    /// From when on; at once unless told.
    start: Option<String>,
    /// Until when. Either this or `duration`.
    end: Option<String>,
    /// For how long, such as `2h`.
    duration: Option<String>,
    /// A silence rather than maintenance.
    #[serde(default)]
    silence: bool,
    /// The change that it is for. What fails on its scope within two hours of its end is suspected to
    /// be its doing.
    #[schema(example = "CHG-41")]
    change: Option<String>,
    /// It comes again by this rule of RFC 5545, in the time zone of the installation; it has `COUNT`
    /// or `UNTIL`.
    #[schema(example = "FREQ=WEEKLY;BYDAY=TU;COUNT=8")]
    rrule: Option<String>,
    /// A name for it; one is made unless told.
    id: Option<String>,
}

/// Begins (or plans) a maintenance window or a silence.
#[utoipa::path(post, path = "/api/v1/maintenance", tag = "maintenance", request_body = WindowBody,
    security(("token" = [])),
    responses((status = 202, body = TakenDoc), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn begin_window(
    State(shared): State<Arc<Shared>>,
    Body(body): Body<WindowBody>,
) -> Taken {
    let now = shared.backend.now();
    let window = window_of(&body, now, &shared.backend.timezone())?;
    for scope in &window.scope {
        if !shared.backend.knows_scope(scope).await {
            return Err(Problem::unprocessable(format!(
                "scope names {:?}, which is neither in the inventory nor class:… or tag:… of \
                 something in it; a window over nothing would hide nothing.",
                cut(scope)
            )));
        }
    }
    if shared.backend.windows().await.iter().any(|w| w.id == window.id) {
        let detail = format!("There is a window {:?} already; leave id out.", cut(&window.id));
        let status = StatusCode::CONFLICT;
        return Err(Problem::new(status, "window-exists", "The id is taken", detail));
    }
    let id = window.id.clone();
    let by = window.owner.clone();
    let operation =
        if window.silence { Operation::Silence(window) } else { Operation::Maintenance(window) };
    submit(&shared, &by, operation, &id).await
}

fn window_of(body: &WindowBody, now: Timestamp, zone: &str) -> Result<Window, Problem> {
    let owner = name(&body.by)?;
    let reason = text("reason", Some(&body.reason))?;
    let when = |key: &str, given: &str| {
        given.parse::<Timestamp>().map_err(|e| Problem::unprocessable(format!("{key}: {e}.")))
    };
    let start = body.start.as_deref().map_or(Ok(now), |s| when("start", s))?;
    let end = match (&body.end, &body.duration) {
        (Some(end), None) => when("end", end)?,
        (None, Some(duration)) => {
            let d = parse_duration(duration)
                .map_err(|e| Problem::unprocessable(format!("duration: {e}.")))?;
            start + d
        }
        _ => {
            let detail = "Give either end or duration: a window always ends by itself.";
            return Err(Problem::unprocessable(detail));
        }
    };
    if end <= start || end <= now {
        let detail =
            format!("The window would end at {end}, which is not after its start and now.");
        return Err(Problem::unprocessable(detail));
    }
    if end.since(start) > WINDOW_MAX {
        let detail = "A window lasts 31 days at most; a longer one would be forgotten.";
        return Err(Problem::unprocessable(detail));
    }
    let rrule = body.rrule.as_deref().map(|rule| rule_of(rule, start, end, zone)).transpose()?;
    let change = body.change.as_deref().map(name).transpose().map_err(|_| {
        let detail = format!("change names the change, 1 to {NAME_CHARS_MAX} characters.");
        Problem::unprocessable(detail)
    })?;
    let mut scope: Vec<String> = body.scope.iter().map(|s| s.trim().to_owned()).collect();
    scope.sort();
    scope.dedup();
    if scope.is_empty() || scope.len() > SCOPE_MAX || scope.iter().any(String::is_empty) {
        let detail = format!("scope names what is covered, 1 to {SCOPE_MAX} ids.");
        return Err(Problem::unprocessable(detail));
    }
    let id = body.id.clone().unwrap_or_else(|| {
        let seed = [&owner, &reason, &scope.join(" "), &start.to_string(), &now.to_string()];
        format!("w-{}", short_hash(&seed.map(String::as_str), 6))
    });
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    if id.is_empty() || id.len() > NAME_CHARS_MAX || !id.bytes().all(fits) {
        let detail = "id may have letters, digits, '-', '_' and '.', 64 at most.";
        return Err(Problem::unprocessable(detail));
    }
    Ok(Window { id, owner, reason, change, scope, start, end, rrule, silence: body.silence })
}

/// A rule that somebody asks for, not one that stands in a file, has to end by itself: nobody will
/// remember it.
fn rule_of(rule: &str, start: Timestamp, end: Timestamp, zone: &str) -> Result<String, Problem> {
    let rule = check_rule(rule, start, end, zone)
        .map_err(|e| Problem::unprocessable(format!("rrule: {e}.")))?;
    if !rule_ends(&rule) {
        let detail = "rrule never ends; add COUNT=8 or UNTIL=20270630, or put the window into the \
                      configuration.";
        return Err(Problem::unprocessable(detail));
    }
    Ok(rule)
}

/// Who asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByBody {
    /// Who asks.
    #[schema(example = "sari")]
    by: String,
}

/// Ends a maintenance window or a silence now.
#[utoipa::path(post, path = "/api/v1/maintenance/{id}/end", tag = "maintenance",
    params(("id" = String, Path, description = "The window's id")), request_body = ByBody,
    security(("token" = [])),
    responses((status = 202, body = TakenDoc), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn end_window(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
    Body(body): Body<ByBody>,
) -> Taken {
    let by = name(&body.by)?;
    if !shared.backend.windows().await.iter().any(|w| w.id == id) {
        let detail =
            format!("No window has the id {:?}; GET /api/v1/maintenance lists them.", cut(&id));
        let status = StatusCode::NOT_FOUND;
        return Err(Problem::new(status, "unknown-window", "Unknown window", detail));
    }
    submit(&shared, &by, Operation::EndWindow { id: id.clone() }, &id).await
}

async fn submit(shared: &Shared, by: &str, operation: Operation, id: &str) -> Taken {
    let event = Event {
        at: shared.backend.now(),
        received: None,
        kind: Kind::Command(Command { by: by.to_owned(), operation }),
    };
    match shared.backend.submit(event).await {
        Ok(event) => Ok((StatusCode::ACCEPTED, Json(TakenDoc { event, id: id.to_owned() }))),
        Err(error) => {
            if let BackendError::Unavailable(why) = &error {
                tracing::warn!(why, "a command could not be made durable");
            }
            Err(Problem::unavailable(format!("Nothing was done: {error}. Try again.")))
        }
    }
}

async fn known(shared: &Arc<Shared>, id: &str) -> Result<IncidentId, Problem> {
    let asked = id.to_owned();
    if ask(shared, move |views| views.knows(&asked)).await? {
        Ok(IncidentId::from_text(id))
    } else {
        Err(Problem::unknown_incident(id))
    }
}

/// Refuses what this command would silently ignore.
fn only(body: &CommandBody, allowed: &[&str]) -> Result<(), Problem> {
    let given = [
        ("text", body.text.is_some()),
        ("reason", body.reason.is_some()),
        ("priority", body.priority.is_some()),
        ("until", body.until.is_some()),
        ("team", body.team.is_some()),
    ];
    match given.iter().find(|(key, is)| *is && !allowed.contains(key)) {
        None => Ok(()),
        Some((key, _)) => Err(Problem::unprocessable(format!(
            "{key} has no meaning here; besides by there may be {}.",
            allowed.join(" and ")
        ))),
    }
}

fn name(by: &str) -> Result<String, Problem> {
    called("by", "the person who asks", by)
}

fn called(key: &str, whom: &str, given: &str) -> Result<String, Problem> {
    let given = given.trim();
    let length = given.chars().count();
    if given.is_empty() || length > NAME_CHARS_MAX || given.chars().any(char::is_control) {
        let detail = format!("{key} names {whom}, 1 to {NAME_CHARS_MAX} characters.");
        return Err(Problem::unprocessable(detail));
    }
    Ok(given.to_owned())
}

fn text(key: &str, given: Option<&str>) -> Result<String, Problem> {
    let given = given.unwrap_or_default().trim();
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if given.is_empty() || given.len() > TEXT_BYTES_MAX || given.chars().any(odd) {
        let detail =
            format!("{key} has to be there, {TEXT_BYTES_MAX} bytes of plain text at most.");
        return Err(Problem::unprocessable(detail));
    }
    Ok(given.to_owned())
}
