//! Questions: everything that is only read.

use crate::Shared;
use crate::ask::{Asked, At, reader};
use crate::backend::{BuiltinTicketDoc, StatusDoc, TargetDoc, WindowDoc};
use crate::problem::{Problem, cut};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};
use views::{
    AlarmDoc, ExplainDoc, IncidentDetail, IncidentFilter, IncidentPage, Reader, TicketDoc, Views,
    ViewsError, Which,
};

/// Asks the views on a thread where blocking is allowed.
pub(crate) async fn ask<T: Send + 'static>(
    shared: &Arc<Shared>,
    question: impl FnOnce(&Views) -> Result<T, ViewsError> + Send + 'static,
) -> Result<T, Problem> {
    let views = Arc::clone(&shared.views);
    match tokio::task::spawn_blocking(move || question(&views)).await {
        Ok(answer) => Ok(answer?),
        Err(error) => {
            tracing::error!(%error, "a question to the views did not end");
            Err(Problem::internal())
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct IncidentsQuery {
    /// `open` (the default), `resolved` or `all`.
    state: Option<String>,
    /// How many at most (1 to 500; 100 unless told).
    limit: Option<usize>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Incidents, the newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "incidents", params(IncidentsQuery),
    responses((status = 200, body = IncidentPage), (status = 400, body = Problem)))]
pub(crate) async fn incidents(
    State(shared): State<Arc<Shared>>,
    Asked(query): Asked<IncidentsQuery>,
) -> Result<Json<IncidentPage>, Problem> {
    let which = match query.state.as_deref() {
        None | Some("open") => Which::Open,
        Some("resolved") => Which::Resolved,
        Some("all") => Which::All,
        Some(other) => {
            let detail = format!("state is {:?}; it may be open, resolved or all.", cut(other));
            return Err(Problem::bad_request(detail));
        }
    };
    let filter = IncidentFilter { which, limit: limit(query.limit)?, cursor: query.cursor };
    Ok(Json(ask(&shared, move |views| views.incidents(&filter)).await?))
}

fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked {
        None => Ok(100),
        Some(n) if (1..=views::LIMIT_MAX).contains(&n) => Ok(n),
        Some(n) => Err(Problem::bad_request(format!(
            "limit is {n}; it may be 1 to {}. Follow next for more.",
            views::LIMIT_MAX
        ))),
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct LanguageQuery {
    /// `id` or `en`; that of the configuration unless told.
    lang: Option<String>,
}

/// One incident with its diary, its tickets and its alarms.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "incidents",
    params(("id" = String, Path, description = "The incident's id"), LanguageQuery),
    responses((status = 200, body = IncidentDetail), (status = 404, body = Problem)))]
pub(crate) async fn incident(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
    Asked(query): Asked<LanguageQuery>,
) -> Result<Json<IncidentDetail>, Problem> {
    let reader = reader(query.lang.as_deref(), &shared)?;
    let asked = id.clone();
    let found = ask(&shared, move |views| views.incident(&asked, reader)).await?;
    found.map(Json).ok_or_else(|| Problem::unknown_incident(&id))
}

/// Why an incident is as it is, and what would have changed it.
#[utoipa::path(get, path = "/api/v1/incidents/{id}/explain", tag = "incidents",
    params(("id" = String, Path, description = "The incident's id"), LanguageQuery),
    responses((status = 200, body = ExplainDoc), (status = 404, body = Problem)))]
pub(crate) async fn explain_incident(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
    Asked(query): Asked<LanguageQuery>,
) -> Result<Json<ExplainDoc>, Problem> {
    let reader = reader(query.lang.as_deref(), &shared)?;
    let found = explained(&shared, &id, reader).await?;
    match found {
        Some(doc) if doc.kind == "incident" => Ok(Json(doc)),
        _ => Err(Problem::unknown_incident(&id)),
    }
}

/// Why something is as it is: an event's number, an incident's id, `last`, a target, or a target
/// and a check with a blank (or `*`) between them.
#[utoipa::path(get, path = "/api/v1/explain/{*what}", tag = "explain",
    params(("what" = String, Path, description = "An event's number, an incident's id, `last`, a target, or `target check`"), LanguageQuery),
    responses((status = 200, body = ExplainDoc), (status = 404, body = Problem)))]
pub(crate) async fn explain(
    State(shared): State<Arc<Shared>>,
    At(what): At<String>,
    Asked(query): Asked<LanguageQuery>,
) -> Result<Json<ExplainDoc>, Problem> {
    let reader = reader(query.lang.as_deref(), &shared)?;
    explained(&shared, &what, reader).await?.map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "Nothing is called {:?}: neither an event, an incident, nor a target with an alarm. \
             An event may not be decided yet, or be older than what is kept.",
            cut(&what)
        ))
    })
}

async fn explained(
    shared: &Arc<Shared>,
    what: &str,
    reader: Reader,
) -> Result<Option<ExplainDoc>, Problem> {
    if let Some(doc) = shared.backend.explain(what, &reader).await {
        return Ok(Some(doc));
    }
    let what = what.to_owned();
    ask(shared, move |views| views.explain(&what, reader)).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhyNotQuery {
    /// When, RFC 3339; now unless told.
    at: Option<String>,
    /// `id` or `en`; that of the configuration unless told.
    lang: Option<String>,
}

/// Why there was no incident for a target at a time: it was healthy, not confirmed, held and for
/// whom, explained by something else, in maintenance, below its level, never asked, not in the
/// inventory; or that there was one.
#[utoipa::path(get, path = "/api/v1/why-not/{*target}", tag = "explain",
    params(("target" = String, Path, description = "A device, a port, a link, a site or a service"), WhyNotQuery),
    responses((status = 200, body = ExplainDoc), (status = 400, body = Problem), (status = 503, body = Problem)))]
pub(crate) async fn why_not(
    State(shared): State<Arc<Shared>>,
    At(target): At<String>,
    Asked(query): Asked<WhyNotQuery>,
) -> Result<Json<ExplainDoc>, Problem> {
    let reader = reader(query.lang.as_deref(), &shared)?;
    let at = match query.at.as_deref().map(str::parse) {
        None => None,
        Some(Ok(at)) => Some(at),
        Some(Err(error)) => {
            let error: model::time::NotATime = error;
            return Err(Problem::bad_request(format!("at: {error}.")));
        }
    };
    let found = shared.backend.why_not(&target, at, &reader).await;
    found
        .map(Json)
        .ok_or_else(|| Problem::unavailable("The core did not answer in time. Try again."))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlarmsQuery {
    /// Only those of this target, good ones included.
    target: Option<String>,
    /// Good ones as well.
    #[serde(default)]
    all: bool,
    /// How many at most (1 to 500).
    limit: Option<usize>,
}

/// A list, wrapped so that it can grow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alarms {
    /// By target and check.
    alarms: Vec<AlarmDoc>,
}

/// Alarms: those that are not good, by target and check.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "state", params(AlarmsQuery),
    responses((status = 200, body = Alarms), (status = 400, body = Problem)))]
pub(crate) async fn alarms(
    State(shared): State<Arc<Shared>>,
    Asked(query): Asked<AlarmsQuery>,
) -> Result<Json<Alarms>, Problem> {
    let limit = limit(query.limit.or(Some(views::LIMIT_MAX)))?;
    let alarms = ask(&shared, move |views| match &query.target {
        Some(target) => views.alarms_of(target, None),
        None => views.alarms(limit, query.all),
    })
    .await?;
    Ok(Json(Alarms { alarms }))
}

/// A list, wrapped so that it can grow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tickets {
    /// Open ones first.
    tickets: Vec<TicketDoc>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitQuery {
    /// How many at most (1 to 500; 100 unless told).
    limit: Option<usize>,
}

/// Tickets on all desks, and how far each of them is.
#[utoipa::path(get, path = "/api/v1/tickets", tag = "tickets", params(LimitQuery),
    responses((status = 200, body = Tickets), (status = 400, body = Problem)))]
pub(crate) async fn tickets(
    State(shared): State<Arc<Shared>>,
    Asked(query): Asked<LimitQuery>,
) -> Result<Json<Tickets>, Problem> {
    let limit = limit(query.limit)?;
    let tickets = ask(&shared, move |views| views.tickets(limit)).await?;
    Ok(Json(Tickets { tickets }))
}

/// A list, wrapped so that it can grow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BuiltinTickets {
    /// The newest first.
    tickets: Vec<BuiltinTicketDoc>,
}

/// The tickets of the built-in desk, with their texts.
#[utoipa::path(get, path = "/api/v1/desk/tickets", tag = "tickets",
    responses((status = 200, body = BuiltinTickets)))]
pub(crate) async fn builtin_tickets(State(shared): State<Arc<Shared>>) -> Json<BuiltinTickets> {
    Json(BuiltinTickets { tickets: shared.backend.builtin_tickets().await })
}

/// One ticket of the built-in desk, by its number or its key.
#[utoipa::path(get, path = "/api/v1/desk/tickets/{id}", tag = "tickets",
    params(("id" = String, Path, description = "The ticket's number or key")),
    responses((status = 200, body = BuiltinTicketDoc), (status = 404, body = Problem)))]
pub(crate) async fn builtin_ticket(
    State(shared): State<Arc<Shared>>,
    At(id): At<String>,
) -> Result<Json<BuiltinTicketDoc>, Problem> {
    let mut all = shared.backend.builtin_tickets().await.into_iter();
    all.find(|t| t.id == id || t.key == id).map(Json).ok_or_else(|| {
        Problem::not_found(format!("The built-in desk has no ticket {:?}.", cut(&id)))
    })
}

/// A list, wrapped so that it can grow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Targets {
    /// By id.
    targets: Vec<TargetDoc>,
}

/// Every target of the inventory, as it is now.
#[utoipa::path(get, path = "/api/v1/targets", tag = "state",
    responses((status = 200, body = Targets)))]
pub(crate) async fn targets(State(shared): State<Arc<Shared>>) -> Json<Targets> {
    Json(Targets { targets: shared.backend.targets().await })
}

/// A list, wrapped so that it can grow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Windows {
    /// By start.
    windows: Vec<WindowDoc>,
}

/// Maintenance windows and silences.
#[utoipa::path(get, path = "/api/v1/maintenance", tag = "maintenance",
    responses((status = 200, body = Windows)))]
pub(crate) async fn windows(State(shared): State<Arc<Shared>>) -> Json<Windows> {
    Json(Windows { windows: shared.backend.windows().await })
}

/// How the daemon is.
#[utoipa::path(get, path = "/api/v1/status", tag = "state",
    responses((status = 200, body = StatusDoc)))]
pub(crate) async fn status(State(shared): State<Arc<Shared>>) -> Json<StatusDoc> {
    Json(shared.backend.status().await)
}
