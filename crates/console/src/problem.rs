//! Errors as everybody gets them: problem documents (RFC 9457).

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, whose side it is and what to do (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; stable.
    #[serde(rename = "type")]
    #[schema(example = "urn:kentongan:problem:unknown-incident")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// This case, and what to do about it.
    pub detail: String,
    /// Seconds after which trying again makes sense; absent when it does not by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem of the kind `name`.
    pub fn new(status: StatusCode, name: &str, title: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:kentongan:problem:{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// Trying again after so many seconds makes sense.
    pub fn retry(mut self, after: u32) -> Problem {
        self.retry_after = Some(after);
        self
    }

    /// The request is not as it should be.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be read", detail)
    }

    /// The request can be read and makes no sense.
    pub fn unprocessable(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "unprocessable",
            "The request makes no sense",
            detail,
        )
    }

    /// There is nothing here.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not-found", "There is nothing here", detail)
    }

    /// No incident is called that.
    pub fn unknown_incident(id: &str) -> Problem {
        let detail = format!(
            "No incident has the id {:?}; GET /api/v1/incidents?state=all lists those there are.",
            cut(id)
        );
        Problem::new(StatusCode::NOT_FOUND, "unknown-incident", "Unknown incident", detail)
    }

    /// The request may not do this.
    pub fn forbidden(name: &str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, name, "Not allowed", detail)
    }

    /// We cannot, and it is not the request's fault.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Problem::new(status, "unavailable", "Not now", detail).retry(5)
    }

    /// Something of ours is broken. What exactly stands in the log, not here.
    pub fn internal() -> Problem {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The daemon failed to answer",
            "Something is broken on our side; the log of the daemon says what.",
        )
    }
}

/// What stood in a request, short enough to be repeated in an answer.
pub(crate) fn cut(text: &str) -> &str {
    let mut end = text.len().min(80);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Problem::bad_request(rejection.body_text())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Problem::bad_request(rejection.body_text())
    }
}

impl From<views::ViewsError> for Problem {
    fn from(error: views::ViewsError) -> Self {
        match error {
            views::ViewsError::BadCursor => Problem::bad_request(
                "cursor is not the next of an earlier page; leave it out for the first page.",
            ),
            other => {
                tracing::error!(error = %other, cause = ?std::error::Error::source(&other), "asking the views");
                Problem::unavailable("The views cannot be read at the moment.")
            }
        }
    }
}
