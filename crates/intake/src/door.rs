//! The door: who is it, may he, and what did he bring. In this order, so that a stranger never
//! makes us read a body.

use crate::problem::Problem;
use crate::source::{Admission, Source, SourceKind, Sources};
use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

/// Who sends this, by the token he shows.
pub(crate) fn admit(
    sources: &Sources,
    kind: SourceKind,
    headers: &HeaderMap,
) -> Result<Source, Problem> {
    let token = bearer(headers);
    let challenge = match (sources.admit(kind, token), token) {
        (Admission::Welcome(source), _) => return Ok(source),
        (Admission::NoSuchSource, _) => {
            let kind = kind.word();
            return Err(Problem::new(
                StatusCode::NOT_FOUND,
                "no-source",
                "No such source is configured",
                format!(
                    "Nobody may send here until kentongan.toml has a source of this kind: \
                     [[source]] name = \"{kind}\" kind = \"{kind}\" token_file = \"…\". \
                     Add it and send the daemon SIGHUP."
                ),
            ));
        }
        (Admission::WrongRoute(source), _) => {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "wrong-route",
                "This token belongs to another route",
                format!(
                    "The token is that of source {:?}, which is of kind {:?} and sends to \
                     /api/v1/intake/{}. Correct the URL, or use the token of a source of kind {:?}.",
                    source.name,
                    source.kind.word(),
                    source.kind.word(),
                    kind.word()
                ),
            ));
        }
        (Admission::Unknown, None) => "Bearer realm=\"kentongan\"",
        (Admission::Unknown, Some(_)) => "Bearer realm=\"kentongan\", error=\"invalid_token\"",
    };
    let what = match token {
        None => "The request has no header \"Authorization: Bearer TOKEN\".",
        Some(_) => "The token in the header \"Authorization: Bearer TOKEN\" is not one of ours.",
    };
    let where_to = match kind {
        SourceKind::Zabbix => {
            "In Zabbix: Administration (from 6.4: Alerts) > Media types > the webhook > parameter \
             \"token\"; it has to be the token of a [[source]] of kind \"zabbix\" in kentongan.toml."
        }
        SourceKind::Events => {
            "It has to be the token of a [[source]] of kind \"events\" in kentongan.toml."
        }
    };
    Err(Problem::new(
        StatusCode::UNAUTHORIZED,
        "token",
        "A token is needed",
        format!("{what} {where_to}"),
    )
    .with("www-authenticate", challenge))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

/// How a body is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it comes.
    Json,
    /// One event a line.
    Lines,
}

/// What the body is said to be. Nothing said is JSON.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let refuse = |detail: String| {
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", "Cannot read this", detail)
    };
    if let Some(coding) = headers.get(header::CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(refuse(
            "Compressed bodies are not read: send it without Content-Encoding.".to_owned(),
        )
        .with("accept-encoding", "identity"));
    }
    let Some(said) = headers.get(header::CONTENT_TYPE) else { return Ok(Form::Json) };
    let said = said.to_str().unwrap_or("").to_ascii_lowercase();
    let mut parts = said.split(';').map(str::trim);
    let form = match parts.next().unwrap_or("") {
        "application/json" => Form::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Form::Lines,
        _ => {
            return Err(refuse(
                "Send JSON and say so: the header \"Content-Type: application/json\", or \
                 \"application/x-ndjson\" for one event a line."
                    .to_owned(),
            ));
        }
    };
    for charset in parts.filter_map(|p| p.strip_prefix("charset=")) {
        if !matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii") {
            return Err(refuse("Send it in UTF-8.".to_owned()));
        }
    }
    Ok(form)
}

/// The whole body, if it is no longer than `limit` and comes within `patience`.
pub(crate) async fn body(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    patience: Duration,
) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The body is too large",
            format!(
                "At most {limit} bytes are read in one request (body_limit in [http] of \
                 kentongan.toml). Send the events in smaller batches."
            ),
        )
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if announced.is_some_and(|n: u64| n > limit as u64) {
        return Err(too_large());
    }
    let mut body = body;
    let read = async {
        let mut all: Vec<u8> = Vec::new();
        while let Some(frame) =
            std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.transpose()?
        {
            let Ok(data) = frame.into_data() else { continue };
            if all.len() + data.len() > limit {
                return Ok(None);
            }
            all.extend_from_slice(&data);
        }
        Ok::<_, axum::Error>(Some(Bytes::from(all)))
    };
    match tokio::time::timeout(patience, read).await {
        Ok(Ok(Some(bytes))) => Ok(bytes),
        Ok(Ok(None)) => Err(too_large()),
        Ok(Err(e)) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "body",
            "The body broke off",
            format!("Reading the body failed: {}", innermost(&e)),
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "slow",
            "The body did not come in time",
            format!("The whole body has to come within {} s.", patience.as_secs_f32()),
        )
        .with("connection", "close")),
    }
}

fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// The body as text. What is none says where it stops being one.
pub(crate) fn text(body: &[u8]) -> Result<&str, Problem> {
    let refuse = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "not-text", "The body is not UTF-8 text", detail)
    };
    if body.starts_with(&[0x1f, 0x8b]) {
        return Err(refuse("It looks compressed (gzip); send it as it is.".to_owned()));
    }
    let text = std::str::from_utf8(body).map_err(|e| {
        let at = e.valid_up_to();
        let line = body[..at].split(|b| *b == b'\n').count();
        refuse(format!("Byte {} (line {line}) is not UTF-8.", at + 1))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "empty",
            "The body is empty",
            "Send one event, or several with one on each line.",
        ));
    }
    Ok(text)
}
