//! What configurations' hashes mean, in a stream of their own: the last message of each subject.
//!
//! A body may be larger than a message: it is packed and cut, and its first part is stored last, so
//! that whoever finds the first part finds the others.

use super::Link;
use super::messages::HEADER_BYTES_MAX;
use super::session::Session;
use crate::error::JournalError;
use crate::frame::{pack, unpack};
use async_nats::HeaderMap;
use bytes::Bytes;

mod header {
    pub const HASH: &str = "Kentongan-Configuration";
    pub const PART: &str = "Kentongan-Part";
    pub const PARTS: &str = "Kentongan-Parts";
    pub const SIZE: &str = "Kentongan-Size";
}

/// Most parts of one body: the bound of what is read back.
const PARTS_MAX: u32 = 256;

/// The subjects of the stream.
pub fn subjects(prefix: &str) -> String {
    format!("{prefix}.configuration.*.*")
}

fn subject(prefix: &str, hash: &str, part: u32) -> String {
    let plain: String = hash.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{prefix}.configuration.{plain}.{part}")
}

/// Keeps it; durable on `Ok`.
pub async fn put(
    link: &Link,
    session: &Session,
    hash: &str,
    body: &Bytes,
) -> Result<(), JournalError> {
    let stream = session.configurations(&link.options).await?;
    let packed = pack(body).map_err(|e| JournalError::Invalid(e.to_string()))?;
    let longest = session.client.max_payload().saturating_sub(HEADER_BYTES_MAX).max(1);
    let parts: Vec<&[u8]> = packed.chunks(longest).collect();
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    if count > PARTS_MAX {
        return Err(JournalError::Invalid(format!(
            "configuration {hash} has {} bytes even when packed, and the server takes {longest} in one \
             message: raise its max_payload",
            packed.len()
        )));
    }
    for (part, bytes) in (0..count).zip(parts).rev() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HASH, hash);
        headers.insert(header::PART, part.to_string());
        headers.insert(header::PARTS, count.to_string());
        headers.insert(header::SIZE, body.len().to_string());
        headers.insert("Nats-Expected-Stream", stream.cached_info().config.name.as_str());
        let subject = subject(&link.options.prefix, hash, part);
        session.store(subject, headers, Bytes::copy_from_slice(bytes)).await?;
    }
    Ok(())
}

/// What a hash means.
pub async fn get(
    link: &Link,
    session: &Session,
    hash: &str,
) -> Result<Option<Bytes>, JournalError> {
    let stream = session.configurations(&link.options).await?;
    let mut packed = Vec::new();
    let mut parts = 1;
    let mut size = 0;
    let mut part = 0;
    while part < parts {
        let subject = subject(&link.options.prefix, hash, part);
        let Some(message) = session.last_of(&stream, &subject).await? else { return Ok(None) };
        let said = |name| message.headers.get(name).map(async_nats::HeaderValue::as_str);
        let number = |name| said(name).and_then(|v| v.parse::<u32>().ok());
        if said(header::HASH) != Some(hash) {
            return Ok(None);
        }
        if part == 0 {
            parts = number(header::PARTS).unwrap_or(1).min(PARTS_MAX);
            size = said(header::SIZE).and_then(|v| v.parse().ok()).unwrap_or(usize::MAX);
        }
        packed.extend_from_slice(&message.payload);
        part += 1;
    }
    unpack(&packed, size).map(Some).map_err(|e| JournalError::Damaged {
        place: format!("configuration {hash}"),
        what: e.to_string(),
    })
}

/// Every hash, the oldest first.
pub async fn hashes(link: &Link, session: &Session) -> Result<Vec<String>, JournalError> {
    let stream = session.configurations(&link.options).await?;
    let state = session.state(&stream).await?;
    let mut hashes = Vec::new();
    if state.messages > 0 {
        let all = state.first_sequence..=state.last_sequence;
        session
            .range(&stream, all, |_, headers, _| {
                let text = |name| headers.get(name).map(async_nats::HeaderValue::as_str);
                if text(header::PART) == Some("0") {
                    hashes.extend(text(header::HASH).map(str::to_owned));
                }
                true
            })
            .await?;
    }
    Ok(hashes)
}
