//! Frames and records as NATS messages: CloudEvents 1.0 in binary mode, with a few headers of ours
//! that make the numbers. Whatever else somebody publishes on our subjects is not a frame, has no
//! numbers, and is passed over.

use crate::chain::{hash_from_hex, hex};
use crate::error::JournalError;
use crate::frame::{pack, unpack};
use crate::port::{EventFrame, Record, RecordKind};
use async_nats::HeaderMap;
use bytes::Bytes;
use model::Timestamp;

mod header {
    pub const FIRST: &str = "Kentongan-First";
    pub const COUNT: &str = "Kentongan-Count";
    pub const RECEIVED: &str = "Kentongan-Received";
    pub const PRODUCER: &str = "Kentongan-Producer";
    pub const SPOOL: &str = "Kentongan-Spool";
    pub const SPOOL_FIRST: &str = "Kentongan-Spool-First";
    pub const KIND: &str = "Kentongan-Kind";
    pub const EPOCH: &str = "Kentongan-Epoch";
    pub const RECORD: &str = "Kentongan-Record";
    pub const AT: &str = "Kentongan-At";
    pub const THROUGH: &str = "Kentongan-Through";
    pub const PREV: &str = "Kentongan-Prev";
    pub const HASH: &str = "Kentongan-Hash";
    pub const SIZE: &str = "Kentongan-Size";
    pub const ENCODING: &str = "Content-Encoding";
}

/// Above this a record's body is packed, so that it fits into a message. Below, any program can
/// read it.
const RECORD_BYTES_PLAIN: usize = 256 * 1024;

/// A message to publish.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub subject: String,
    pub headers: HeaderMap,
    pub payload: Bytes,
}

/// From which spool a frame came, and under which number it stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromSpool {
    pub spool: String,
    pub first: u64,
}

/// A frame as it was found in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFrame {
    pub sequence: u64,
    pub frame: EventFrame,
    pub from: Option<FromSpool>,
}

/// The subject under which a producer's frames go.
pub fn subject_of(prefix: &str, producer: &str) -> String {
    match producer.split_once(':') {
        Some(("probe", name)) => format!("{prefix}.obs.{}", token(name)),
        Some(("intake", name)) => format!("{prefix}.signal.{}", token(name)),
        _ if producer == "command" || producer.starts_with("command:") => {
            format!("{prefix}.command")
        }
        _ => format!("{prefix}.core"),
    }
}

/// All of them.
pub fn event_subjects(prefix: &str) -> Vec<String> {
    ["obs.*", "signal.*", "command", "core"].iter().map(|s| format!("{prefix}.{s}")).collect()
}

/// The one of records.
pub fn record_subject(prefix: &str) -> String {
    format!("{prefix}.decision")
}

/// A name as one token of a subject.
fn token(name: &str) -> String {
    let clean: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' })
        .collect();
    if clean.is_empty() { "_".into() } else { clean }
}

/// A frame as a message.
pub fn write_frame(
    prefix: &str,
    identity: &str,
    frame: &EventFrame,
    from: Option<&FromSpool>,
) -> Outgoing {
    let mut headers = cloud_event(
        &format!("{identity}-event-{}", frame.first),
        identity,
        &frame.producer,
        "kentongan.events",
        frame.received,
    );
    headers.insert(header::FIRST, frame.first.to_string());
    headers.insert(header::COUNT, frame.count.to_string());
    headers.insert(header::RECEIVED, frame.received.to_string());
    headers.insert(header::PRODUCER, frame.producer.as_str());
    if let Some(from) = from {
        headers.insert(header::SPOOL, from.spool.as_str());
        headers.insert(header::SPOOL_FIRST, from.first.to_string());
        headers.insert("Nats-Msg-Id", format!("{}:{}", from.spool, from.first));
    }
    Outgoing { subject: subject_of(prefix, &frame.producer), headers, payload: frame.body.clone() }
}

/// The inverse of [`write_frame`]; `None` for what is not a frame of ours.
pub fn read_frame(sequence: u64, headers: &HeaderMap, payload: &Bytes) -> Option<StoredFrame> {
    let first: u64 = number(headers, header::FIRST)?;
    let count: u32 = number(headers, header::COUNT)?;
    if first == 0 || count == 0 || first.checked_add(u64::from(count)).is_none() {
        return None;
    }
    let from = match (text(headers, header::SPOOL), number(headers, header::SPOOL_FIRST)) {
        (Some(spool), Some(first)) => Some(FromSpool { spool: spool.to_owned(), first }),
        _ => None,
    };
    Some(StoredFrame {
        sequence,
        frame: EventFrame {
            first,
            count,
            received: time(headers, header::RECEIVED)?,
            producer: text(headers, header::PRODUCER)?.to_owned(),
            body: payload.clone(),
        },
        from,
    })
}

/// A record as a message, which the server takes only if it is at most `payload_max` long.
pub fn write_record(
    prefix: &str,
    identity: &str,
    record: &Record,
    payload_max: usize,
) -> Result<Outgoing, JournalError> {
    let mut headers = cloud_event(
        &format!("{identity}-record-{}", record.number),
        identity,
        "core",
        &format!("kentongan.records.{}", record.kind.word()),
        record.at,
    );
    headers.insert(header::RECORD, record.number.to_string());
    headers.insert(header::EPOCH, record.epoch.to_string());
    headers.insert(header::AT, record.at.to_string());
    headers.insert(header::KIND, record.kind.word());
    headers.insert(header::THROUGH, record.through.to_string());
    headers.insert(header::PREV, hex(&record.prev));
    headers.insert(header::HASH, hex(&record.hash));
    let payload = if record.body.len() <= RECORD_BYTES_PLAIN {
        record.body.clone()
    } else {
        headers.insert(header::ENCODING, "zstd");
        headers.insert(header::SIZE, record.body.len().to_string());
        Bytes::from(pack(&record.body).map_err(|e| JournalError::Invalid(e.to_string()))?)
    };
    let longest = payload_max.saturating_sub(HEADER_BYTES_MAX);
    if payload.len() > longest {
        return Err(JournalError::Invalid(format!(
            "record {} has {} bytes even when packed, and the server takes {longest} in one \
             message: raise its max_payload",
            record.number,
            payload.len()
        )));
    }
    Ok(Outgoing { subject: record_subject(prefix), headers, payload })
}

/// What the headers of one message need at the most.
pub const HEADER_BYTES_MAX: usize = 4 * 1024;

/// The inverse of [`write_record`]; `None` for what is not a record of ours, or says another place
/// than it stands at.
pub fn read_record(sequence: u64, headers: &HeaderMap, payload: &Bytes) -> Option<Record> {
    let number_said: u64 = number(headers, header::RECORD)?;
    let body = match text(headers, header::ENCODING) {
        None => payload.clone(),
        Some("zstd") => unpack(payload, number(headers, header::SIZE)?).ok()?,
        Some(_) => return None,
    };
    (number_said == sequence).then_some(())?;
    Some(Record {
        number: sequence,
        epoch: number(headers, header::EPOCH)?,
        at: time(headers, header::AT)?,
        kind: RecordKind::from_word(text(headers, header::KIND)?)?,
        through: number(headers, header::THROUGH)?,
        body,
        prev: hash_from_hex(text(headers, header::PREV)?)?,
        hash: hash_from_hex(text(headers, header::HASH)?)?,
    })
}

fn cloud_event(id: &str, identity: &str, who: &str, kind: &str, at: Timestamp) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", id);
    headers.insert("ce-source", format!("/kentongan/{identity}/{}", who.replace([' ', '%'], "_")));
    headers.insert("ce-type", kind);
    headers.insert("ce-time", at.to_string());
    headers.insert("content-type", "application/x-ndjson");
    headers
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}

fn number<T: std::str::FromStr>(headers: &HeaderMap, name: &str) -> Option<T> {
    text(headers, name)?.parse().ok()
}

fn time(headers: &HeaderMap, name: &str) -> Option<Timestamp> {
    number(headers, name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::ChainEnd;
    use crate::port::NewRecord;
    use proptest::prelude::*;

    #[test]
    fn producers_have_their_subjects() {
        for (producer, subject) in [
            ("probe:noc-1", "k.obs.noc-1"),
            ("intake:zabbix", "k.signal.zabbix"),
            ("intake:zab bix.*>", "k.signal.zab_bix___"),
            ("probe:", "k.obs._"),
            ("command", "k.command"),
            ("command:sari", "k.command"),
            ("core", "k.core"),
            ("whoever", "k.core"),
        ] {
            assert_eq!(subject_of("k", producer), subject);
        }
    }

    fn a_time() -> impl Strategy<Value = Timestamp> {
        (0i64..4_000_000_000_000).prop_map(Timestamp::from_millis)
    }

    proptest! {
        #[test]
        fn a_frame_reads_back(
            first in 1u64..u64::MAX / 2, count in 1u32.., received in a_time(),
            name in "[ -~é]{1,20}", spool in prop::option::of(("[a-z0-9-]{1,12}", any::<u64>()))
        ) {
            let frame = EventFrame {
                first, count, received,
                producer: format!("probe:{name}"),
                body: Bytes::from_static(b"{}\n"),
            };
            let from = spool.map(|(spool, first)| FromSpool { spool, first });
            let sent = write_frame("kentongan", "noc-k7f3", &frame, from.as_ref());
            let stored = read_frame(9, &sent.headers, &sent.payload).unwrap();
            prop_assert_eq!(stored, StoredFrame { sequence: 9, frame, from });
            prop_assert!(!sent.subject.contains([' ', '*', '>']));
        }

        #[test]
        fn a_record_reads_back_small_or_large(
            lines in 0usize..20_000, at in a_time(), epoch in any::<u64>(), through in any::<u64>()
        ) {
            let body = Bytes::from("{\"kind\":\"verdict\",\"n\":1}\n".repeat(lines));
            let new = NewRecord { kind: RecordKind::Decisions, through, body };
            let end = ChainEnd { number: 6, ..ChainEnd::EMPTY };
            let record = end.follow(new, epoch, at);
            let sent = write_record("k", "noc-k7f3", &record, 1 << 20).unwrap();
            prop_assert!(sent.payload.len() < 1 << 20);
            prop_assert_eq!(read_record(7, &sent.headers, &sent.payload), Some(record));
            prop_assert_eq!(read_record(8, &sent.headers, &sent.payload), None);
        }

        /// Anybody may publish on our subjects: nothing in the headers makes us panic.
        #[test]
        fn any_headers_are_read_or_passed_over(
            values in prop::collection::vec("[ -~]{0,70}", 13),
            payload in prop::collection::vec(any::<u8>(), 0..200),
            numbers in prop::collection::vec(any::<u64>(), 13), mix in any::<u16>()
        ) {
            let names = [
                header::FIRST, header::COUNT, header::RECEIVED, header::PRODUCER, header::SPOOL,
                header::SPOOL_FIRST, header::KIND, header::EPOCH, header::RECORD, header::AT,
                header::THROUGH, header::PREV, header::SIZE,
            ];
            let mut headers = HeaderMap::new();
            for (i, name) in names.iter().enumerate() {
                if mix >> i & 1 == 1 {
                    headers.insert(*name, numbers[i].to_string());
                } else {
                    headers.insert(*name, values[i].as_str());
                }
            }
            if mix & 1 << 13 != 0 {
                headers.insert(header::ENCODING, "zstd");
            }
            let payload = Bytes::from(payload);
            if let Some(stored) = read_frame(1, &headers, &payload) {
                prop_assert!(stored.frame.last() >= stored.frame.first);
            }
            let _ = read_record(1, &headers, &payload);
        }
    }
}
