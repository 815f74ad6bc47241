//! What people and their programs see: the HTTP API with its OpenAPI document, health, metrics,
//! and the board page.
//!
//! Decides nothing and keeps nothing: what it shows comes from the views and from the daemon's
//! status, and what a person asks for becomes an event that the [`Backend`] makes durable. Binds no
//! socket either; the daemon serves the router.

mod around;
mod ask;
mod backend;
mod board;
mod commands;
mod door;
mod health;
mod problem;
mod read;

pub use backend::{
    Backend, BackendError, BuiltinNoteDoc, BuiltinTicketDoc, CheckDoc, ConfigDoc, CoreDoc, DeskDoc,
    HeartbeatDoc, JournalDoc, MisrouteDoc, ProbeDoc, StatusDoc, TargetDoc, WatcherDoc, WindowDoc,
};
pub use problem::Problem;
pub use views::ExplainDoc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use secrecy::SecretString;
use std::sync::Arc;
use telemetry::Telemetry;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use utoipa::Modify;
use utoipa::openapi::RefOr;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use views::{Reader, Views};

/// Everything the router needs.
pub struct ConsoleState {
    /// What is read.
    pub views: Arc<Views>,
    /// The daemon.
    pub backend: Arc<dyn Backend>,
    /// What is counted.
    pub telemetry: Arc<Telemetry>,
    /// The token of `[http]`; without one only this machine may change something.
    pub token: Option<SecretString>,
    /// `public_url` of `[http]`: its host is a name of ours.
    pub public_url: String,
    /// Largest body of a command, in bytes.
    pub body_limit: usize,
    /// The language and the clock of the configuration.
    pub reader: Reader,
    /// Routes of others (the intake's) with their description, served behind the same layers. They
    /// guard themselves, and have no fallback of their own.
    pub also: Option<(Router, utoipa::openapi::OpenApi)>,
}

/// What the handlers share.
struct Shared {
    views: Arc<Views>,
    backend: Arc<dyn Backend>,
    telemetry: Arc<Telemetry>,
    token: Option<SecretString>,
    hosts: Vec<String>,
    body_limit: usize,
    reader: Reader,
}

/// The whole of what is served.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: without the peer's address
/// nobody counts as this machine, and without a token nobody could change anything.
pub fn router(state: ConsoleState) -> Router {
    let hosts = door::host_of_url(&state.public_url).into_iter().collect();
    let shared = Arc::new(Shared {
        views: state.views,
        backend: state.backend,
        telemetry: state.telemetry,
        token: state.token,
        hosts,
        body_limit: state.body_limit,
        reader: state.reader,
    });
    let (others, other_api) = state.also.unzip();
    let document = openapi(other_api);
    // It cannot fail: the document holds text, numbers and maps with text keys only.
    let document: Arc<str> = document.to_json().expect("OpenAPI is JSON").into();

    let (mut router, _) = api(&shared).split_for_parts();
    router = router
        .route(
            "/api/openapi.json",
            get(move || {
                let text = document.to_string();
                async { ([(axum::http::header::CONTENT_TYPE, "application/json")], text) }
            }),
        )
        .route("/", get(board::page))
        .route("/papan", get(board::page))
        .route("/incident/{id}", get(board::page))
        .route("/ticket/{id}", get(board::page))
        .route("/board.css", get(board::style))
        .route("/board.js", get(board::script))
        .route("/icon.svg", get(board::icon));
    let router = router.with_state(Arc::clone(&shared));
    let router = match others {
        Some(others) => router.merge(others),
        None => router,
    };
    router
        .fallback(around::nothing_here)
        .method_not_allowed_fallback(around::not_that_way)
        .layer(CatchPanicLayer::custom(around::panicked))
        .layer(axum::middleware::from_fn_with_state(shared, around::measure))
        .layer(axum::middleware::from_fn(around::harden))
        .layer(CompressionLayer::new())
}

/// The OpenAPI document of the routes that are mounted, with those of others.
pub fn openapi(also: Option<utoipa::openapi::OpenApi>) -> utoipa::openapi::OpenApi {
    let mut document = described(reading().merge(changing()).into_openapi());
    if let Some(also) = also {
        document.merge(also);
    }
    describe_answers(&mut document);
    document
}

/// OpenAPI wants a description of every answer: where a route gives none, its status says enough.
fn describe_answers(document: &mut utoipa::openapi::OpenApi) {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.options,
            &mut item.head,
            &mut item.patch,
            &mut item.trace,
        ];
        for operation in operations.into_iter().flatten() {
            for (status, answer) in &mut operation.responses.responses {
                let RefOr::T(answer) = answer else { continue };
                if answer.description.is_empty() {
                    let status = status.parse().ok().and_then(|s| StatusCode::from_u16(s).ok());
                    let reason = status.and_then(|s| s.canonical_reason());
                    reason.unwrap_or("Any other answer").clone_into(&mut answer.description);
                }
            }
        }
    }
}

fn api(shared: &Arc<Shared>) -> OpenApiRouter<Arc<Shared>> {
    let guard = axum::middleware::from_fn_with_state(Arc::clone(shared), door::guard);
    // A route layer runs for POST only where it is mounted: GET /api/v1/maintenance stays open.
    reading().merge(changing().route_layer(guard))
}

fn reading() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(read::incidents))
        .routes(routes!(read::incident))
        .routes(routes!(read::explain_incident))
        .routes(routes!(read::explain))
        .routes(routes!(read::why_not))
        .routes(routes!(read::alarms))
        .routes(routes!(read::targets))
        .routes(routes!(read::tickets))
        .routes(routes!(read::builtin_tickets))
        .routes(routes!(read::builtin_ticket))
        .routes(routes!(read::windows))
        .routes(routes!(read::status))
        .routes(routes!(board::board))
        .routes(routes!(health::metrics))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
}

fn changing() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(commands::acknowledge))
        .routes(routes!(commands::note))
        .routes(routes!(commands::resolve))
        .routes(routes!(commands::reprioritise))
        .routes(routes!(commands::misroute))
        .routes(routes!(commands::begin_window))
        .routes(routes!(commands::end_window))
}

/// What no route says by itself.
fn described(mut document: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    struct Token;
    impl Modify for Token {
        fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
            let scheme = HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(
                    "The token of [http]. Where none is configured, only the daemon's own machine \
                     may change something, and needs none.",
                ))
                .build();
            let components = document.components.get_or_insert_default();
            components.add_security_scheme("token", SecurityScheme::Http(scheme));
        }
    }
    Token.modify(&mut document);
    "kentongan".clone_into(&mut document.info.title);
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.info.description = Some(
        "One cause = one incident = one ticket. Errors are problem documents (RFC 9457)."
            .to_owned(),
    );
    document.info.license = None;
    document.info.contact = None;
    // The router's way to say "the rest of the path" is not OpenAPI's.
    let paths = std::mem::take(&mut document.paths.paths);
    document.paths.paths =
        paths.into_iter().map(|(path, i)| (path.replace("{*", "{"), i)).collect();
    document
}
