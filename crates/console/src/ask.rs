//! What stands in a request, read so that every error is a problem document.

use crate::Shared;
use crate::problem::{Problem, cut};
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use views::{Language, Reader};

/// Query parameters.
#[derive(FromRequestParts)]
#[from_request(via(Query), rejection(Problem))]
pub(crate) struct Asked<T>(pub(crate) T);

/// Path parameters.
#[derive(FromRequestParts)]
#[from_request(via(Path), rejection(Problem))]
pub(crate) struct At<T>(pub(crate) T);

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        let kind = kind.and_then(|k| k.split(';').next()).map(str::trim).unwrap_or_default();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json",
                "The body has to be JSON",
                format!("Content-Type is {:?}; send application/json.", cut(kind)),
            ));
        }
        let limit = shared.body_limit;
        let too_large = || {
            Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The body is too large",
                format!("At most {limit} bytes are read; see body_limit of [http]."),
            )
        };
        let announced = request.headers().get(header::CONTENT_LENGTH);
        let announced = announced.and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|n| n > limit) {
            return Err(too_large());
        }
        let bytes = to_bytes(request.into_body(), limit).await.map_err(|_| too_large())?;
        serde_json::from_slice(&bytes).map(Body).map_err(|e| {
            if e.is_data() {
                Problem::unprocessable(e.to_string())
            } else {
                Problem::bad_request(format!("The body is not JSON: {e}."))
            }
        })
    }
}

/// Who reads: the language asked for by `?lang=`, else that of the configuration; the clock is that
/// of the configuration.
pub(crate) fn reader(asked: Option<&str>, shared: &Shared) -> Result<Reader, Problem> {
    let in_language = |language| Reader { language, ..shared.reader.clone() };
    match asked {
        None => Ok(shared.reader.clone()),
        Some("id") => Ok(in_language(Language::Id)),
        Some("en") => Ok(in_language(Language::En)),
        Some(other) => {
            Err(Problem::bad_request(format!("lang is {:?}; it may be id or en.", cut(other))))
        }
    }
}
