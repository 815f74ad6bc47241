//! Whether we live, whether we are ready, and the numbers.

use crate::Shared;
use crate::backend::StatusDoc;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Format;
use utoipa::ToSchema;

/// The core's loop turns at least once a second; one that has not for this long hangs.
const BEAT_AGE_MAX: Duration = Duration::from_secs(15);

/// A core that is further behind than this works off what it missed and cannot judge the present.
const BEHIND_MAX: u64 = 10_000;

/// Status is answered from memory; longer than this means that something holds it.
const STATUS_WITHIN: Duration = Duration::from_secs(2);

/// The answer of a health check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthDoc {
    /// All of it is good.
    ok: bool,
    /// What was looked at.
    checks: Vec<HealthCheck>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthCheck {
    name: &'static str,
    ok: bool,
    detail: String,
}

/// Whether the daemon's core turns. When not, a restart is the cure.
#[utoipa::path(get, path = "/livez", tag = "health",
    responses((status = 200, body = HealthDoc), (status = 503, body = HealthDoc)))]
pub(crate) async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    answer(status(&shared).await.map(|s| vec![beat(&s)]))
}

/// Whether events are made durable and judged. When not, whoever sends them keeps them.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = HealthDoc), (status = 503, body = HealthDoc)))]
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    answer(status(&shared).await.map(|s| vec![beat(&s), journal(&s), caught_up(&s), desks(&s)]))
}

/// The numbers: Prometheus text, or OpenMetrics where Accept asks for it.
#[utoipa::path(get, path = "/metrics", tag = "health",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain")))]
pub(crate) async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok());
    let format = Format::asked_for(accept);
    let text = shared.telemetry.render(format);
    ([(header::CONTENT_TYPE, format.content_type()), (header::VARY, "accept")], text)
        .into_response()
}

async fn status(shared: &Shared) -> Option<StatusDoc> {
    tokio::time::timeout(STATUS_WITHIN, shared.backend.status()).await.ok()
}

fn answer(checks: Option<Vec<HealthCheck>>) -> Response {
    let checks = checks.unwrap_or_else(|| {
        vec![HealthCheck { name: "status", ok: false, detail: "the daemon does not say".into() }]
    });
    let ok = checks.iter().all(|c| c.ok);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(HealthDoc { ok, checks })).into_response()
}

fn beat(s: &StatusDoc) -> HealthCheck {
    let age = Duration::from_millis(s.core.beat_age_ms);
    let detail = format!("turned {} ms ago", s.core.beat_age_ms);
    HealthCheck { name: "core", ok: age <= BEAT_AGE_MAX, detail }
}

fn journal(s: &StatusDoc) -> HealthCheck {
    let detail = match (&s.journal.last_error, s.journal.writable) {
        (_, true) => "writable".to_owned(),
        (Some(error), false) => error.clone(),
        (None, false) => "not writable".to_owned(),
    };
    HealthCheck { name: "journal", ok: s.journal.writable, detail }
}

fn caught_up(s: &StatusDoc) -> HealthCheck {
    let detail = format!("{} events behind", s.core.behind);
    HealthCheck { name: "caught-up", ok: s.core.behind <= BEHIND_MAX, detail }
}

/// Neither a desk that is down (its tickets wait) nor one that has had nothing to do yet makes us
/// unready; that there is none at all does.
fn desks(s: &StatusDoc) -> HealthCheck {
    let idle = s.desks.iter().filter(|d| d.reachable.is_none()).count();
    let detail = format!("{} known, {idle} not asked anything yet", s.desks.len());
    HealthCheck { name: "desks", ok: !s.desks.is_empty() || s.role == "edge", detail }
}
