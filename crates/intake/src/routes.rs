//! The routes, and the one way a request takes through all of them.

use crate::door::{self, Form};
use crate::problem::{Problem, ProblemDocument, Rejected};
use crate::sink::{EventSink, SinkError};
use crate::source::{Source, SourceKind, Sources};
use crate::{events, zabbix};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use model::{Event, Timestamp};
use serde::Serialize;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::{Stage, Telemetry};
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::OpenApi;

/// Tells what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How many bodies are read and made durable at the same time. With the default body limit this is
/// 256 MiB at the very worst; Zabbix opens as many connections as it has alerters.
const REQUESTS_MAX: usize = 256;

/// How long a source may take to send its body. Zabbix gives a webhook 30 s for all of it.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// How long the journal may take before the source is told to come back; below the 30 s after
/// which a Zabbix webhook gives up without having heard anything.
const SINK_PATIENCE: Duration = Duration::from_secs(20);

/// Everything the routes need.
pub struct Intake {
    /// Who may send what.
    pub sources: Arc<Sources>,
    /// Where events go.
    pub sink: Arc<dyn EventSink>,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// What time it is.
    pub clock: Clock,
    /// The longest body, in bytes.
    pub body_limit: usize,
    /// How long a body may take; for tests, otherwise what [`Intake::new`] says.
    pub body_patience: Duration,
    seats: Semaphore,
}

impl Intake {
    /// The longest body when nothing else is configured.
    pub const BODY_LIMIT: usize = 1024 * 1024;

    /// With the default bounds.
    pub fn new(
        sources: Arc<Sources>,
        sink: Arc<dyn EventSink>,
        telemetry: Arc<Telemetry>,
        clock: Clock,
    ) -> Intake {
        Intake {
            sources,
            sink,
            telemetry,
            clock,
            body_limit: Intake::BODY_LIMIT,
            body_patience: BODY_PATIENCE,
            seats: Semaphore::new(REQUESTS_MAX),
        }
    }
}

/// All routes below `/api/v1/intake/`, paths included.
pub fn router(intake: Intake) -> Router {
    Router::new()
        .route("/api/v1/intake/events", post(post_events).fallback(only_post))
        .route("/api/v1/intake/zabbix", post(post_zabbix).fallback(only_post))
        .route("/api/v1/intake", any(no_such_route))
        .route("/api/v1/intake/", any(no_such_route))
        .route("/api/v1/intake/{*rest}", any(no_such_route))
        .with_state(Arc::new(intake))
}

/// The description of the routes, to be merged into that of the whole API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        paths(post_events, post_zabbix),
        components(schemas(EventsAnswer, ZabbixAnswer, Rejected, ProblemDocument)),
        modifiers(&Token),
        tags((name = "intake", description = "What other monitors and scripts send"))
    )]
    struct Api;

    struct Token;
    impl utoipa::Modify for Token {
        fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
            use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
            let bearer = HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("The token of a [[source]] in kentongan.toml."))
                .build();
            let components = api.components.get_or_insert_default();
            components.add_security_scheme("source_token", SecurityScheme::Http(bearer));
        }
    }

    Api::openapi()
}

/// Which of the events sent are durable now, and which could not be used.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct EventsAnswer {
    /// How many were accepted.
    accepted: u64,
    /// The number of the first of them.
    first: u64,
    /// The number of the last of them.
    last: u64,
    /// Those that could not be used, the first hundred.
    rejected: Vec<Rejected>,
    /// How many could not be used.
    rejected_count: u64,
}

/// The message is durable.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ZabbixAnswer {
    /// Always true.
    ok: bool,
    /// The number of its event.
    event: u64,
}

/// Send events in kentongan's own schema.
///
/// One JSON object, or one a line (NDJSON): observations, signals, commands, as in
/// `schemas/event.schema.json`. A wrong event is named by its line, the others still count. The
/// answer comes when they are durable.
#[utoipa::path(
    post, path = "/api/v1/intake/events", tag = "intake",
    security(("source_token" = [])),
    request_body(content(
        (Object = "application/json"),
        (String = "application/x-ndjson"),
    ), description = "schemas/event.schema.json"),
    responses(
        (status = 200, description = "Durable", body = EventsAnswer),
        (status = 400, description = "Not a body of text", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "No token of ours", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "The token belongs to another route", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "No source of this kind is configured", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Neither JSON nor NDJSON", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "Not one of the events can be used", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Cannot be made durable now; send it again", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
async fn post_events(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let read = |intake: &Intake, source: &Source, text: &str, form: Form| {
        let batch = events::read(text, form == Form::Lines)
            .sent_by(&source.name, |name| intake.sources.has(name));
        if !batch.events.is_empty() {
            return Ok(batch);
        }
        let detail = match (batch.rejected.first(), batch.rejected_count) {
            (Some(only), 1) => only.problem.clone(),
            (first, n) => format!(
                "None of the {n} events can be used; the first: {}",
                first.map_or("", |r| &r.problem)
            ),
        };
        let title = "No event can be used";
        let mut problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "events", title, detail);
        problem.rejected = batch.rejected.into();
        Err((problem, batch.rejected_count))
    };
    let answer = |numbers: Range<u64>, rejected: Vec<Rejected>, rejected_count: u64| {
        let (first, last) = (numbers.start, numbers.end.saturating_sub(1));
        let accepted = numbers.end.saturating_sub(numbers.start);
        Json(EventsAnswer { accepted, first, last, rejected, rejected_count }).into_response()
    };
    take(&intake, SourceKind::Events, request, read, answer).await
}

/// Send what a Zabbix webhook has to tell.
///
/// A flat JSON object of texts, each the value of a macro: `event_id`, `event_value`,
/// `event_update_status`, `event_nseverity`, `event_name`, `host_host`, `host_name`, `host_ip`, …
/// The answer comes when it is durable.
#[utoipa::path(
    post, path = "/api/v1/intake/zabbix", tag = "intake",
    security(("source_token" = [])),
    request_body(content = Object, content_type = "application/json",
        description = "The parameters of the media type, as one flat object of texts"),
    responses(
        (status = 200, description = "Durable", body = ZabbixAnswer),
        (status = 400, description = "Not JSON", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "No token of ours", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "The token belongs to another route", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "No source of this kind is configured", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 408, description = "The body did not come in time", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 413, description = "The body is too large", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 415, description = "Not JSON", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "It does not say which problem it is about", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Cannot be made durable now; Zabbix tries again by itself", body = ProblemDocument, content_type = "application/problem+json"),
    )
)]
async fn post_zabbix(State(intake): State<Arc<Intake>>, request: Request) -> Response {
    let read = |intake: &Intake, source: &Source, text: &str, _: Form| {
        let now = (intake.clock)();
        let event = zabbix::Payload::read(text)
            .and_then(|p| zabbix::signal_of(&p, &source.name, now, |n| intake.sink.resolve(n)));
        match event {
            Ok(event) => Ok(events::Batch { events: vec![event], ..Default::default() }),
            Err(e) => {
                let (status, kind) = match e {
                    zabbix::PayloadError::NotJson(_) => (StatusCode::BAD_REQUEST, "json"),
                    _ => (StatusCode::UNPROCESSABLE_ENTITY, "zabbix"),
                };
                let title = "The webhook's message cannot be used";
                Err((Problem::new(status, kind, title, e.to_string()), 1))
            }
        }
    };
    let answer = |numbers: Range<u64>, _, _| {
        Json(ZabbixAnswer { ok: true, event: numbers.start }).into_response()
    };
    take(&intake, SourceKind::Zabbix, request, read, answer).await
}

/// A request's whole way: door, body, events, journal, answer.
async fn take(
    intake: &Arc<Intake>,
    kind: SourceKind,
    request: Request,
    read: impl FnOnce(&Intake, &Source, &str, Form) -> Result<events::Batch, (Problem, u64)>,
    answer: impl FnOnce(Range<u64>, Vec<Rejected>, u64) -> Response,
) -> Response {
    let started = Instant::now();
    let counts = &intake.telemetry.intake;
    let Brought { source, body, form, seat } = match come_in(intake, kind, request).await {
        Ok(brought) => brought,
        Err(problem) => {
            counts.request_refused(kind.word(), problem.status.as_u16());
            return problem.into_response();
        }
    };
    let read = door::text(&body)
        .map_err(|problem| (problem, 0))
        .and_then(|text| read(intake, &source, text, form));
    let batch = match read {
        Ok(batch) => batch,
        Err((problem, refused)) => {
            let status = problem.status.as_u16();
            counts.events_refused(kind.word(), &source.name, status, refused, &problem.detail);
            return problem.into_response();
        }
    };
    intake.telemetry.core.stage_passed(Stage::Intake, started.elapsed());
    let accepted = batch.events.len() as u64;
    let made = make_durable(intake, &source, batch.events).await;
    drop(seat);
    match made {
        Ok(numbers) => {
            let (refused, took) = (batch.rejected_count, started.elapsed());
            counts.events_accepted(kind.word(), &source.name, accepted, refused, took);
            answer(numbers, batch.rejected, refused)
        }
        Err((why, problem)) => {
            counts.events_postponed(kind.word(), &source.name, &why);
            problem.into_response()
        }
    }
}

/// Who sends it and what he brought.
struct Brought<'i> {
    source: Source,
    body: bytes::Bytes,
    form: Form,
    /// Kept until the request is answered.
    seat: SemaphorePermit<'i>,
}

async fn come_in(
    intake: &Intake,
    kind: SourceKind,
    request: Request,
) -> Result<Brought<'_>, Problem> {
    let (head, body) = request.into_parts();
    let source = door::admit(&intake.sources, kind, &head.headers)?;
    let form = door::form(&head.headers)?;
    let seat = tokio::time::timeout(intake.body_patience, intake.seats.acquire()).await;
    let Ok(Ok(seat)) = seat else { return Err(come_back("Too many requests at once.", "2")) };
    let body = door::body(&head.headers, body, intake.body_limit, intake.body_patience).await?;
    Ok(Brought { source, body, form, seat })
}

/// Hands events to the journal. It goes on when the source hangs up meanwhile: whatever was begun
/// is finished, and nothing is left half done.
async fn make_durable(
    intake: &Arc<Intake>,
    source: &Source,
    events: Vec<Event<'static>>,
) -> Result<Range<u64>, (String, Problem)> {
    let (sink, name) = (Arc::clone(&intake.sink), source.name.clone());
    let work = tokio::spawn(async move { sink.accept(&name, events).await });
    match tokio::time::timeout(SINK_PATIENCE, work).await {
        Ok(Ok(Ok(numbers))) => Ok(numbers),
        Ok(Ok(Err(e))) => {
            let problem = match e {
                SinkError::Full => come_back(
                    "The journal has no room for more events until the operator makes some.",
                    "30",
                ),
                SinkError::Unavailable(_) => {
                    come_back("The journal cannot be written just now.", "5")
                }
            };
            Err((e.to_string(), problem))
        }
        Ok(Err(_)) => {
            let problem = come_back("The events could not be handed to the journal.", "5");
            Err(("the task that writes to the journal ended".to_owned(), problem))
        }
        Err(_) => {
            let problem = come_back(
                "The journal has not answered in time; whether it has the events is not known.",
                "5",
            );
            Err((format!("no answer within {} s", SINK_PATIENCE.as_secs()), problem))
        }
    }
}

fn come_back(detail: &str, seconds: &'static str) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "unavailable",
        "Cannot be accepted now",
        format!("{detail} Nothing was promised about this request: send all of it again."),
    )
    .with("retry-after", seconds)
}

async fn only_post(State(intake): State<Arc<Intake>>) -> Problem {
    intake.telemetry.intake.request_refused("none", 405);
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "Only POST",
        "Events are sent with POST.",
    )
    .with("allow", "POST")
}

async fn no_such_route(State(intake): State<Arc<Intake>>) -> Problem {
    intake.telemetry.intake.request_refused("none", 404);
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-route",
        "No such intake",
        "There are /api/v1/intake/zabbix and /api/v1/intake/events.",
    )
}
