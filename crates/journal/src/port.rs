//! The port: what a journal takes and gives, whichever side it is.

use crate::error::JournalError;
use async_trait::async_trait;
use bytes::Bytes;
use model::Timestamp;
use std::fmt;
use std::sync::Arc;

/// So many configurations are kept, for all that the events still kept may name: a new one every
/// few hours of the default retention.
pub const CONFIGURATIONS_MAX: usize = 256;

/// The producer of the one event that a restored journal begins with. Its number leaves those out
/// that may have been given after the backup was made.
pub const RESTORE: &str = "restore";

/// Where the journal reads the time. Injected, so that a test can turn it back.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Events to append, as one frame: all of it becomes durable, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFrame {
    /// Who brings them: `probe:noc-1`, `intake:zabbix`, `command`, `core`.
    pub producer: String,
    /// How many.
    pub count: u32,
    /// `count` lines, one JSON object each, without `seq` and `received`.
    pub body: Bytes,
}

impl NewFrame {
    /// From lines that end with a newline each.
    pub fn new(producer: impl Into<String>, count: u32, body: impl Into<Bytes>) -> NewFrame {
        NewFrame { producer: producer.into(), count, body: body.into() }
    }
}

/// What became of an appended frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The number of its first event. Known at once with the embedded journal. `None` where the
    /// frame is durable in the spool of an edge and gets its numbers when the cluster's journal
    /// takes it.
    pub first: Option<u64>,
    /// How many events.
    pub count: u32,
    /// When it was taken; one for the whole frame. In the cluster's journal it may become later.
    pub received: Timestamp,
}

/// Events as they stand in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFrame {
    /// The number of the first one; the others follow.
    pub first: u64,
    /// How many.
    pub count: u32,
    /// When the journal took them.
    pub received: Timestamp,
    /// Who brought them.
    pub producer: String,
    /// `count` lines, one JSON object each.
    pub body: Bytes,
}

impl EventFrame {
    /// The number of the last one.
    pub fn last(&self) -> u64 {
        self.first + u64::from(self.count) - 1
    }

    /// Whether it may stand where `next` would be the next number: it has that number, or it is
    /// where a restored journal goes on.
    pub fn follows(&self, next: u64) -> bool {
        self.first == next || (self.first > next && self.producer == RESTORE)
    }

    /// Each event's number and line.
    pub fn lines(&self) -> Result<impl Iterator<Item = (u64, &str)>, JournalError> {
        let text = std::str::from_utf8(&self.body).map_err(|_| JournalError::Damaged {
            place: format!("the frame of event {}", self.first),
            what: "a body that is not UTF-8".into(),
        })?;
        Ok((self.first..).zip(text.lines()))
    }
}

/// What kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Somebody took ownership.
    Epoch,
    /// What the core decided over a batch of events.
    Decisions,
    /// What became of a desk's calls.
    Delivery,
}

impl RecordKind {
    /// Its word in headers and exports.
    pub const fn word(self) -> &'static str {
        match self {
            RecordKind::Epoch => "epoch",
            RecordKind::Decisions => "decisions",
            RecordKind::Delivery => "delivery",
        }
    }

    /// The inverse of [`word`](Self::word).
    pub fn from_word(word: &str) -> Option<RecordKind> {
        [RecordKind::Epoch, RecordKind::Decisions, RecordKind::Delivery]
            .into_iter()
            .find(|k| k.word() == word)
    }
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// What kind. [`RecordKind::Epoch`] is written by [`Journal::own`] alone.
    pub kind: RecordKind,
    /// The last event it takes into account. It never goes back along the chain: where a record
    /// says less than the one before (0 will do for one that has no view of events), it is stored
    /// with that one's.
    pub through: u64,
    /// Its lines, NDJSON.
    pub body: Bytes,
}

/// A record as it stands in the journal.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number; they start at 1 and are consecutive.
    pub number: u64,
    /// Under which ownership it was written.
    pub epoch: u64,
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: RecordKind,
    /// The last event it takes into account.
    pub through: u64,
    /// Its lines, NDJSON.
    pub body: Bytes,
    /// The hash of the record before it; zeros for the first one.
    pub prev: [u8; 32],
    /// SHA-256 over all of the above.
    pub hash: [u8; 32],
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("number", &self.number)
            .field("epoch", &self.epoch)
            .field("at", &self.at)
            .field("kind", &self.kind)
            .field("through", &self.through)
            .field("bytes", &self.body.len())
            .field("hash", &crate::chain::hex(&self.hash[..4]))
            .finish_non_exhaustive()
    }
}

/// The right to append records, until somebody else takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epoch {
    /// Which ownership; each is one more than the one before.
    pub number: u64,
    /// The record that says so.
    pub record: u64,
    /// Who.
    pub owner: String,
}

/// Where a restart begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Who can read it: the program's version and the configuration's hash, say.
    pub version: String,
    /// The last event it includes.
    pub through_event: u64,
    /// The last record it includes.
    pub through_record: u64,
    /// Opaque.
    pub body: Bytes,
}

/// What [`Journal::expire`] dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Files of events (embedded), or purges of the stream (NATS).
    pub segments: u64,
    /// Events in them.
    pub events: u64,
    /// Records.
    pub records: u64,
    /// Files whose retention is over and that are kept because no record covers their events yet.
    pub held_back: u64,
}

/// How it is, for `/readyz` and `status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Events can be appended.
    pub writable: bool,
    /// Whether the cluster's journal is connected; `None` for the embedded one.
    pub connected: Option<bool>,
    /// Events that are durable here and not yet in the cluster's journal.
    pub spool_events: u64,
    /// Bytes on the local disk.
    pub bytes: u64,
    /// When the oldest event kept was taken.
    pub oldest: Option<Timestamp>,
    /// The reserve for a full disk is in place.
    pub reserve: bool,
    /// What went wrong last, and has not been made good.
    pub last_error: Option<String>,
}

/// What [`copy`](crate::copy) carries over, with numbers and hashes as they are.
#[derive(Debug, Clone)]
pub enum Import {
    /// The instance's unique name. Only into a journal without events and records.
    Identity(String),
    /// Frames. The first follows what is there, or the journal has no events at all.
    Frames(Vec<EventFrame>),
    /// Records. The first follows what is there by number and hash, or there are none at all.
    Records(Vec<Record>),
}

/// A durable ordered log of events and records. See the crate's documentation for its promises.
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Takes a frame. Returns when it is durable.
    async fn append_events(&self, frame: NewFrame) -> Result<Accepted, JournalError>;

    /// Whole frames in order, from the one that holds event `from` or the first after it, until
    /// `max_events` are reached or there are no more. The first frame may begin before `from`.
    async fn read_events(
        &self,
        from: u64,
        max_events: usize,
    ) -> Result<Vec<EventFrame>, JournalError>;

    /// Waits until an event with this number or a later one can be read. Safe to drop.
    async fn wait_events(&self, number: u64) -> Result<(), JournalError>;

    /// The number of the last event; 0 when there was never one.
    async fn last_event(&self) -> Result<u64, JournalError>;

    /// The number of the first event still kept; the next one to come when none is.
    async fn first_event(&self) -> Result<u64, JournalError>;

    /// Takes ownership of the records: appends an epoch record. Every other [`Epoch`] is stale
    /// from now on.
    async fn own(&self, owner: &str) -> Result<Epoch, JournalError>;

    /// Appends records, all or none. Returns when they are durable.
    async fn append_records(
        &self,
        epoch: &Epoch,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Record>, JournalError>;

    /// Records in order, from `from` or the first after it, at most `max`.
    async fn read_records(&self, from: u64, max: usize) -> Result<Vec<Record>, JournalError>;

    /// The number of the last record; 0 when there was never one.
    async fn last_record(&self) -> Result<u64, JournalError>;

    /// The number and hash of the record before the first one kept: where the chain is hung up.
    /// (0, zeros) while no record was dropped.
    async fn chain_start(&self) -> Result<(u64, [u8; 32]), JournalError>;

    /// Keeps a snapshot, and the one before it. May be refused when the disk is full; a journal
    /// without it is complete, only slower to start from.
    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), JournalError>;

    /// The newest snapshot.
    async fn latest_snapshot(&self) -> Result<Option<Snapshot>, JournalError>;

    /// Keeps what a configuration's hash means, as the newest; beyond [`CONFIGURATIONS_MAX`] the
    /// oldest are let go. May be refused when the disk is full.
    async fn put_configuration(&self, hash: &str, body: Bytes) -> Result<(), JournalError>;

    /// What a configuration's hash means; `None` when it was never kept, or was let go.
    async fn configuration(&self, hash: &str) -> Result<Option<Bytes>, JournalError>;

    /// The hashes of all that are kept, the oldest first.
    async fn configurations(&self) -> Result<Vec<String>, JournalError>;

    /// Drops what has been kept long enough: days of events, whole, and old records. Events that
    /// no record covers yet are kept.
    async fn expire(&self, now: Timestamp) -> Result<Expired, JournalError>;

    /// The unique name of this installation, made when the journal was.
    async fn identity(&self) -> Result<String, JournalError>;

    /// How it is.
    async fn health(&self) -> Health;

    /// Takes over what another journal holds, as it is. For [`copy`](crate::copy).
    async fn import(&self, what: Import) -> Result<(), JournalError>;
}
