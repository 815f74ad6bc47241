//! The hash chain of the records: each one's hash covers its content and the hash before it, so
//! that whoever changes one has to change all that follow, and whoever kept a later hash notices.

use crate::port::{NewRecord, Record, RecordKind};
use bytes::Bytes;
use model::Timestamp;
use sha2::{Digest, Sha256};

/// The hash before the first record.
pub const GENESIS: [u8; 32] = [0; 32];

/// The end of the chain, from which the next record is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEnd {
    /// The last record's number; 0 when there was never one.
    pub number: u64,
    /// Its hash.
    pub hash: [u8; 32],
    /// When it was written.
    pub at: Timestamp,
    /// Under which epoch.
    pub epoch: u64,
    /// The furthest event that any record covers: the last record's, for it never goes back.
    pub through: u64,
}

impl ChainEnd {
    /// Of a chain without records.
    pub const EMPTY: ChainEnd =
        ChainEnd { number: 0, hash: GENESIS, at: Timestamp::MIN, epoch: 0, through: 0 };

    /// The record that follows. The end itself stays, until the record is durable.
    pub fn follow(&self, new: NewRecord, epoch: u64, now: Timestamp) -> Record {
        let mut record = Record {
            number: self.number + 1,
            epoch,
            at: self.at.max(now),
            kind: new.kind,
            through: self.through.max(new.through),
            body: new.body,
            prev: self.hash,
            hash: GENESIS,
        };
        record.hash = hash_of(&record);
        record
    }

    /// The record that says somebody took ownership.
    pub fn follow_with_epoch(&self, owner: &str, now: Timestamp) -> Record {
        let epoch = self.epoch + 1;
        let body = serde_json::json!({
            "kind": "epoch",
            "at": self.at.max(now).to_string(),
            "epoch": epoch,
            "owner": owner,
        });
        let mut line = body.to_string().into_bytes();
        line.push(b'\n');
        let new =
            NewRecord { kind: RecordKind::Epoch, through: self.through, body: Bytes::from(line) };
        self.follow(new, epoch, now)
    }

    /// Moves the end behind a record that is durable.
    pub fn advance(&mut self, record: &Record) {
        *self = ChainEnd {
            number: record.number,
            hash: record.hash,
            at: record.at,
            epoch: record.epoch,
            through: record.through,
        };
    }
}

/// SHA-256 over the hash before and all that the record says. Fields have fixed widths, and the
/// one that has not is last, so no two records give the same input.
pub fn hash_of(record: &Record) -> [u8; 32] {
    let kind: u8 = match record.kind {
        RecordKind::Epoch => 1,
        RecordKind::Decisions => 2,
        RecordKind::Delivery => 3,
    };
    let mut sha = Sha256::new();
    sha.update(record.prev);
    sha.update([kind]);
    sha.update(record.epoch.to_be_bytes());
    sha.update(record.through.to_be_bytes());
    sha.update(record.number.to_be_bytes());
    sha.update(record.at.as_millis().to_be_bytes());
    sha.update(&record.body);
    sha.finalize().into()
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// The inverse of [`hex`], for a hash.
pub fn hash_from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut out = [0u8; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = (high * 16 + low) as u8;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let new = NewRecord {
            kind: RecordKind::Decisions,
            through: 7,
            body: Bytes::from_static(b"{}\n"),
        };
        ChainEnd::EMPTY.follow(new, 1, Timestamp::from_millis(5))
    }

    #[test]
    fn every_field_is_covered() {
        let good = record();
        assert_eq!(good.hash, hash_of(&good));
        let touches: [fn(&mut Record); 7] = [
            |r| r.number += 1,
            |r| r.epoch += 1,
            |r| r.at = Timestamp::from_millis(6),
            |r| r.kind = RecordKind::Delivery,
            |r| r.through += 1,
            |r| r.body = Bytes::from_static(b"{} \n"),
            |r| r.prev[0] ^= 1,
        ];
        for touch in touches {
            let mut bad = good.clone();
            touch(&mut bad);
            assert_ne!(hash_of(&bad), good.hash, "{bad:?}");
        }
    }

    #[test]
    fn hex_reads_back_and_refuses_the_rest() {
        let hash = record().hash;
        assert_eq!(hash_from_hex(&hex(&hash)), Some(hash));
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
            assert_eq!(hash_from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn time_in_the_chain_never_goes_back() {
        let mut end = ChainEnd::EMPTY;
        end.advance(&end.follow_with_epoch("a", Timestamp::from_millis(100)));
        let next = end.follow_with_epoch("b", Timestamp::from_millis(50));
        assert_eq!((next.epoch, next.at), (2, Timestamp::from_millis(100)));
    }
}
