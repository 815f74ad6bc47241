//! What we say when it is a no: problem documents (RFC 9457), each with what to change and where.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A refusal, before it is written out.
#[derive(Debug)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// The last part of `type`: stays the same, for programs.
    pub kind: &'static str,
    /// In a few words, the same for every occurrence.
    pub title: &'static str,
    /// What happened this time and what to do about it.
    pub detail: String,
    /// The events that could not be used.
    pub rejected: Box<[Rejected]>,
    /// A header (in small letters) and its value, that belongs to the status.
    pub header: Option<(&'static str, &'static str)>,
}

/// One event of a request that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Rejected {
    /// Its line, counted from 1; empty lines count.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// A problem document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProblemDocument {
    /// Names the kind of problem.
    #[schema(example = "urn:kentongan:problem:token")]
    pub r#type: String,
    /// In a few words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time and what to do about it.
    pub detail: String,
    /// The events that could not be used, where it is about events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rejected: Vec<Rejected>,
}

impl Problem {
    /// A refusal with nothing but words.
    pub fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            status,
            kind,
            title,
            detail: detail.into(),
            rejected: Box::default(),
            header: None,
        }
    }

    /// With a header.
    pub fn with(mut self, name: &'static str, value: &'static str) -> Problem {
        self.header = Some((name, value));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = ProblemDocument {
            r#type: format!("urn:kentongan:problem:{}", self.kind),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            rejected: self.rejected.into_vec(),
        };
        // Only texts and numbers: there is nothing in it that JSON could not say.
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let json = HeaderValue::from_static("application/problem+json");
        let mut response = (self.status, [(header::CONTENT_TYPE, json)], body).into_response();
        if let Some((name, value)) = self.header {
            let name = HeaderName::from_static(name);
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}
