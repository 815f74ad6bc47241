//! What stands around every route: its time is measured and bounded, its panics are caught, and the
//! browser is told what a page of ours may do.

use crate::Shared;
use crate::problem::Problem;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest way to an answer. A webhook that waits longer is better sent again.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub(crate) async fn measure(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    // The template, never the path: a scanner must not make labels.
    let route = request.extensions().get::<MatchedPath>().map(|m| m.as_str().to_owned());
    let route = route.unwrap_or_else(|| "unmatched".to_owned());
    let method = request.method().clone();
    let answered = tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await;
    let response = answered.unwrap_or_else(|_| {
        tracing::error!(route, "no answer within {} s", ANSWER_WITHIN.as_secs());
        Problem::unavailable("The daemon did not answer in time. Try again.").into_response()
    });
    let status = response.status();
    shared.telemetry.http.answered(&route, method.as_str(), status.as_u16(), began.elapsed());
    response
}

/// Headers for the browser. The page has its script and its style in files of their own, so nothing
/// inline is allowed: a title that comes from another monitor stays text.
pub(crate) async fn harden(request: Request, next: Next) -> Response {
    const SET: [(HeaderName, HeaderValue); 5] = [
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                 connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            ),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ),
    ];
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SET {
        headers.insert(name, value);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

// The layer hands it over by value.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn panicked(what: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let said = what.downcast_ref::<String>().map(String::as_str);
    let said = said.or(what.downcast_ref::<&str>().copied()).unwrap_or("");
    tracing::error!(said, "a request made its handler panic");
    Problem::internal().into_response()
}

pub(crate) async fn nothing_here(request: Request) -> Problem {
    let path = crate::problem::cut(request.uri().path());
    let detail = format!("{path:?} is no path of this daemon; /api/openapi.json lists them.");
    Problem::not_found(detail)
}

pub(crate) async fn not_that_way(request: Request) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        "Not by this method",
        format!(
            "{} is not possible here; /api/openapi.json says what is.",
            crate::problem::cut(request.method().as_str())
        ),
    )
}
