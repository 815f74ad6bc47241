//! Ids that are types, and how they are made from what happened (never from a clock or a die).

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// The id of an incident: `TAG-EVENT`, with a letter behind it when one event opened several.
/// TAG is short for the instance (so that two installations never share a ticket), EVENT is the
/// number of the event that opened it. It never changes, whatever the root turns out to be.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentId(Arc<str>);

impl IncidentId {
    /// The id of the `nth` (from 0) incident that event `event` opened at the instance `tag`.
    pub fn of(tag: &str, event: u64, nth: u32) -> Self {
        match nth {
            0 => IncidentId(format!("{tag}-{event}").into()),
            n if n < 26 => {
                IncidentId(format!("{tag}-{event}{}", char::from(b'a' + n as u8)).into())
            }
            n => IncidentId(format!("{tag}-{event}z{n}").into()),
        }
    }

    /// As a person wrote it; no check is made that it exists.
    pub fn from_text(text: &str) -> Self {
        IncidentId(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Lower-case letters and digits that cannot be mistaken for one another (no 0/o, 1/l/i, no u).
const ALPHABET: &[u8; 30] = b"23456789abcdefghjkmnpqrstvwxyz";

/// The first `len` characters (at most 32) of a hash over the parts, in letters and digits.
/// Parts are length-prefixed, so `["ab","c"]` and `["a","bc"]` differ.
pub fn short_hash(parts: &[&str], len: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(len).map(|b| char::from(ALPHABET[usize::from(b % 30)])).collect()
}

/// The tag that stands in front of every incident id of the instance called `instance`.
pub fn instance_tag(instance: &str) -> String {
    short_hash(&["instance", instance], 4)
}

/// The key under which a desk's ticket is found again: at most 32 characters of `[a-z0-9-]`.
/// `generation` counts successors of a ticket that was deleted or cannot be reopened.
pub fn ticket_key(incident: &IncidentId, instance: &str, generation: u32) -> String {
    format!("kent-{}", short_hash(&[instance, incident.as_str(), &generation.to_string()], 26))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_where_they_come_from() {
        assert_eq!(IncidentId::of("k7f3", 17, 0).as_str(), "k7f3-17");
        assert_eq!(IncidentId::of("k7f3", 17, 1).as_str(), "k7f3-17b");
        assert_ne!(instance_tag("a"), instance_tag("b"));
        let key = ticket_key(&IncidentId::of("k7f3", 17, 0), "noc", 0);
        assert!(
            key.len() <= 32
                && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        );
    }
}
