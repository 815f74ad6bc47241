//! The embedded side: SQLite files in one folder.
//!
//! ```text
//! journal/
//!   lock                    taken by the one process that writes
//!   journal.db              records, snapshots, the instance's name
//!   events-2026-11-24.db    the frames taken on that day (UTC)
//!   events-2026-11-25.db
//!   reserve                 nothing, in the size of the reserve
//! ```
//!
//! Any SQLite tool can look into them. One thread writes ([`writer`]), with everything that waits
//! in one synced commit; readers go beside it ([`reader`]).

mod backup;
mod configurations;
mod disk;
mod ledger;
mod reader;
mod segments;
mod writer;

use crate::error::JournalError;
use crate::frame::{APPEND_BYTES_MAX, pack, parts_of};
use crate::port::{
    Accepted, Clock, Epoch, EventFrame, Expired, Health, Import, Journal, NewFrame, NewRecord,
    Record, RecordKind, Snapshot,
};
use async_trait::async_trait;
use bytes::Bytes;
use configurations::PackedConfiguration;
use disk::Room;
use ledger::{PackedSnapshot, key};
use model::Timestamp;
use reader::{Shared, Status};
use segments::{SegmentId, SegmentInfo};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telemetry::Telemetry;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use writer::{Active, PackedPart, Request, Writer};

pub use backup::{BackedUp, Beside, Restored, backup, backup_with, restore};
pub(crate) use ledger::new_identity;
pub(crate) use reader::Tail;
pub(crate) use segments::day_of;
pub(crate) use writer::follows;

/// How many appends may wait for the writer before the next one waits outside.
const WAITING_MAX: usize = 4096;

/// How many bytes of them.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The longest record: a batch's decisions. Far above what a batch gives; it bounds one append.
const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Most records in one append: what a NATS server takes in one atomic batch.
const RECORDS_MAX: usize = 1000;

/// How often a journal that another process writes is looked at while somebody waits for an event.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How the embedded journal is kept.
#[derive(Clone)]
pub struct EmbeddedOptions {
    /// The journal's folder, made when it is not there.
    pub dir: PathBuf,
    /// What the instance's unique name begins with.
    pub name: String,
    /// How long a day of events is kept after it has ended.
    pub retention: Duration,
    /// How long records are kept.
    pub record_retention: Duration,
    /// Bytes set aside for records on a full disk; 0 for none.
    pub reserve_bytes: u64,
    /// Events are refused while less than this is free on the disk.
    pub free_bytes_min: u64,
    /// Most bytes of all files of the journal for events to be taken. `None`: as the disk has.
    pub max_bytes: Option<u64>,
    /// A day's events continue in a new file at this size. `u64::MAX`: one file a day.
    pub segment_bytes: u64,
    /// How many bytes of the newest events are kept in memory for whoever follows closely.
    pub tail_bytes: usize,
    /// Where the time is read.
    pub clock: Clock,
}

impl EmbeddedOptions {
    /// The defaults, for a folder.
    pub fn new(dir: impl Into<PathBuf>) -> EmbeddedOptions {
        const DAY: Duration = Duration::from_hours(24);
        EmbeddedOptions {
            dir: dir.into(),
            name: "kentongan".into(),
            retention: DAY * 35,
            record_retention: DAY * 400,
            reserve_bytes: 64 << 20,
            free_bytes_min: 64 << 20,
            max_bytes: None,
            segment_bytes: u64::MAX,
            tail_bytes: 4 << 20,
            clock: clock_of_this_machine(),
        }
    }
}

/// The system's clock. It may jump; the journal's stamps do not go back with it.
pub fn clock_of_this_machine() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 4))
    })
}

/// A journal in a folder of SQLite files.
pub struct EmbeddedJournal {
    shared: Arc<Shared>,
    identity: Mutex<String>,
    /// `None` when it was opened for reading.
    writer: Mutex<Option<WriterHandle>>,
    requests: Option<mpsc::WeakSender<Request>>,
    waiting_bytes: Arc<Semaphore>,
    closed: CancellationToken,
}

/// The writing thread, and the lock that makes it the only one.
struct WriterHandle {
    requests: mpsc::Sender<Request>,
    thread: JoinHandle<()>,
    _lock: File,
}

impl EmbeddedJournal {
    /// Opens a journal to write it; makes it when it is not there. Fails, naming the file, when
    /// another process has it or a file does not hold what was written.
    pub fn open(
        options: EmbeddedOptions,
        telemetry: Arc<Telemetry>,
    ) -> Result<EmbeddedJournal, JournalError> {
        let dir = options.dir.as_path();
        fs::create_dir_all(dir).map_err(|e| JournalError::disk("making the folder", dir, &e))?;
        let lock = disk::lock(dir)?;
        let (room, reserve) =
            Room::new(dir, options.reserve_bytes, options.free_bytes_min, options.max_bytes);
        if let Err(why) = reserve {
            telemetry.journal.reserve_missing(&why);
        }
        let db = ledger::open(dir)?;
        let path = dir.join(ledger::FILE);
        let wrong = |e: rusqlite::Error| JournalError::sqlite("reading", &path, &e);
        let identity = ledger::identity(&db, &options.name).map_err(wrong)?;
        let end = ledger::chain_end(&db).map_err(wrong)?;
        let recorded = ledger::last_record(&db).map_err(wrong)?;
        if recorded > end.number {
            return Err(JournalError::damaged(
                &path,
                format!("records {} to {recorded} were cut off", end.number + 1),
            ));
        }
        let (segments, active) = open_segments(dir)?;
        for pair in segments.windows(2) {
            if pair[0].last + 1 < pair[1].first {
                telemetry.journal.events_missing(pair[0].last + 1, pair[1].first - 1);
            }
        }
        let noted = ledger::number(&db, key::LAST_EVENT).map_err(wrong)?.unwrap_or(0);
        let noted_at = ledger::number(&db, key::LAST_RECEIVED).map_err(wrong)?;
        let newest = segments.last();
        // Whatever was taken away by hand, a number that a record speaks of is not given again.
        let last = newest.map_or(0, |s| s.last).max(noted.cast_unsigned()).max(end.through);
        let received = newest
            .map_or(Timestamp::MIN, |s| s.received)
            .max(noted_at.map_or(Timestamp::MIN, Timestamp::from_millis))
            .max(end.at);
        let shared =
            Arc::new(Shared::new(dir, true, segments, last, end.clone(), options.tail_bytes));
        shared.set_status(Status {
            refusing: None,
            bytes: room.used(),
            reserve: room.reserve_held(),
        });
        let writer = Writer {
            shared: shared.clone(),
            telemetry,
            clock: options.clock,
            ledger: db,
            active,
            last,
            received,
            end,
            room,
            retention: options.retention,
            record_retention: options.record_retention,
            segment_bytes: options.segment_bytes,
            broken: None,
            refusing: None,
        };
        let (requests, inbox) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("journal-writer".into())
            .spawn(move || writer.run(inbox))
            .map_err(|e| JournalError::disk("starting the writer of", &options.dir, &e))?;
        Ok(EmbeddedJournal {
            shared,
            identity: Mutex::new(identity),
            requests: Some(requests.downgrade()),
            writer: Mutex::new(Some(WriterHandle { requests, thread, _lock: lock })),
            waiting_bytes: Arc::new(Semaphore::new(WAITING_BYTES_MAX)),
            closed: CancellationToken::new(),
        })
    }

    /// Opens a journal to read it, whether or not a daemon is writing it.
    pub fn open_read_only(dir: &Path) -> Result<EmbeddedJournal, JournalError> {
        let db = ledger::open_to_read(dir)?;
        let wrong =
            |e: rusqlite::Error| JournalError::sqlite("reading", &dir.join(ledger::FILE), &e);
        let identity = ledger::text(&db, key::IDENTITY).map_err(wrong)?.unwrap_or_default();
        let end = ledger::chain_end(&db).map_err(wrong)?;
        let shared = Arc::new(Shared::new(dir, false, Vec::new(), 0, end, 0));
        shared.segments()?;
        Ok(EmbeddedJournal {
            shared,
            identity: Mutex::new(identity),
            writer: Mutex::new(None),
            requests: None,
            waiting_bytes: Arc::new(Semaphore::new(WAITING_BYTES_MAX)),
            closed: CancellationToken::new(),
        })
    }

    /// Finishes what is being written and gives the folder free. Dropping it does the same.
    pub fn close(&self) {
        self.closed.cancel();
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(WriterHandle { requests, thread, _lock }) = handle {
            drop(requests);
            // A writer that panicked has nothing more to write.
            let _ = thread.join();
            self.shared.close_idle();
        }
    }

    /// The last event, without asking anybody. Only for one that this process writes.
    pub(crate) fn last_now(&self) -> u64 {
        *self.shared.last.borrow()
    }

    /// A value that the caller keeps here beside the journal's own.
    pub(crate) async fn note(&self, key: &'static str, value: String) -> Result<(), JournalError> {
        self.ask(0, |reply| Request::Note { key, value, reply }).await
    }

    /// The value of [`note`](Self::note).
    pub(crate) async fn noted(&self, key: &'static str) -> Result<Option<String>, JournalError> {
        self.read(move |shared| {
            shared.with_ledger(|db, path| {
                ledger::text(db, key).map_err(|e| JournalError::sqlite("reading", path, &e))
            })
        })
        .await
    }

    /// Drops files whose events are all at most this one.
    pub(crate) async fn drop_through(&self, event: u64) -> Result<(), JournalError> {
        self.ask(0, |reply| Request::DropThrough { event, reply }).await
    }

    /// Asks the writer, and waits for its answer.
    async fn ask<T>(
        &self,
        bytes: usize,
        request: impl FnOnce(oneshot::Sender<Result<T, JournalError>>) -> Request,
    ) -> Result<T, JournalError> {
        let requests = self.requests.as_ref().ok_or(JournalError::ReadOnly)?;
        let permits = u32::try_from(bytes.min(WAITING_BYTES_MAX)).unwrap_or(u32::MAX);
        let permit = self.waiting_bytes.acquire_many(permits).await;
        let (reply, answer) = oneshot::channel();
        // The sender is not held while we wait, so that closing does not wait for us.
        let sender = requests.upgrade().ok_or(JournalError::Closed)?;
        sender.send(request(reply)).await.map_err(|_| JournalError::Closed)?;
        drop(sender);
        let answer = answer.await.map_err(|_| JournalError::Closed)?;
        drop(permit);
        answer
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Shared) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || read(&shared))
            .await
            .map_err(|_| JournalError::Closed)?
    }
}

impl Drop for EmbeddedJournal {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Journal for EmbeddedJournal {
    async fn append_events(&self, frame: NewFrame) -> Result<Accepted, JournalError> {
        let parts = parts_of(&frame)?;
        let mut packed = Vec::with_capacity(parts.len());
        let mut bytes = 0;
        for part in parts {
            let body = pack(&part.body)
                .map_err(|e| JournalError::disk("packing for", &self.shared.dir, &e))?;
            bytes += part.body.len() + body.len();
            packed.push(PackedPart { part, packed: body });
        }
        debug_assert!(bytes <= 3 * APPEND_BYTES_MAX, "parts_of bounds it");
        let producer = frame.producer;
        self.ask(bytes, |reply| Request::Events { producer, parts: packed, reply }).await
    }

    async fn read_events(
        &self,
        from: u64,
        max_events: usize,
    ) -> Result<Vec<EventFrame>, JournalError> {
        if let Some(frames) = self.shared.read_tail(from, max_events) {
            return Ok(frames);
        }
        if self.shared.live() && from > *self.shared.last.borrow() {
            return Ok(Vec::new());
        }
        self.read(move |shared| shared.read_files(from, max_events)).await
    }

    async fn wait_events(&self, number: u64) -> Result<(), JournalError> {
        let mut last = self.shared.last.subscribe();
        if self.shared.live() {
            return tokio::select! {
                biased;
                seen = last.wait_for(|l| *l >= number) => {
                    seen.map(drop).map_err(|_| JournalError::Closed)
                }
                () = self.closed.cancelled() => Err(JournalError::Closed),
            };
        }
        while self.last_event().await? < number {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.closed.cancelled() => return Err(JournalError::Closed),
            }
        }
        Ok(())
    }

    async fn last_event(&self) -> Result<u64, JournalError> {
        if self.shared.live() {
            return Ok(*self.shared.last.borrow());
        }
        self.read(|shared| {
            let newest = shared.segments()?.last().map_or(0, |s| s.last);
            let noted = shared.with_ledger(|db, path| {
                ledger::number(db, key::LAST_EVENT)
                    .map_err(|e| JournalError::sqlite("reading", path, &e))
            })?;
            Ok(newest.max(noted.unwrap_or(0).cast_unsigned()).max(shared.end()?.through))
        })
        .await
    }

    async fn first_event(&self) -> Result<u64, JournalError> {
        let last = self.last_event().await?;
        let first = |segments: &[SegmentInfo]| {
            segments.iter().find(|s| s.last >= s.first).map_or(last + 1, |s| s.first)
        };
        self.read(Shared::segments).await.map(|s| first(&s))
    }

    async fn own(&self, owner: &str) -> Result<Epoch, JournalError> {
        let owner = owner.to_owned();
        self.ask(0, |reply| Request::Own { owner, reply }).await
    }

    async fn append_records(
        &self,
        epoch: &Epoch,
        records: Vec<NewRecord>,
    ) -> Result<Vec<Record>, JournalError> {
        let bytes = check_records(&records)?;
        let epoch = epoch.number;
        self.ask(bytes, |reply| Request::Records { epoch, records, reply }).await
    }

    async fn read_records(&self, from: u64, max: usize) -> Result<Vec<Record>, JournalError> {
        self.read(move |shared| shared.with_ledger(|db, path| ledger::read(db, path, from, max)))
            .await
    }

    async fn last_record(&self) -> Result<u64, JournalError> {
        if self.shared.live() {
            return Ok(self.shared.end()?.number);
        }
        self.read(|shared| {
            shared.with_ledger(|db, _| ledger::last_record(db).map_err(|e| shared.ledger_wrong(&e)))
        })
        .await
    }

    async fn chain_start(&self) -> Result<(u64, [u8; 32]), JournalError> {
        self.read(|shared| {
            shared.with_ledger(|db, _| ledger::chain_start(db).map_err(|e| shared.ledger_wrong(&e)))
        })
        .await
    }

    async fn put_snapshot(&self, snapshot: Snapshot) -> Result<(), JournalError> {
        let bytes = snapshot.body.len();
        let shared = self.shared.clone();
        let snapshot = tokio::task::spawn_blocking(move || PackedSnapshot::of(&snapshot))
            .await
            .map_err(|_| JournalError::Closed)?
            .map_err(|e| JournalError::disk("packing a snapshot for", &shared.dir, &e))?;
        self.ask(bytes, |reply| Request::Snapshot { snapshot, reply }).await
    }

    async fn latest_snapshot(&self) -> Result<Option<Snapshot>, JournalError> {
        self.read(|shared| {
            shared.with_ledger(|db, _| {
                ledger::latest_snapshot(db).map_err(|e| shared.ledger_wrong(&e))
            })
        })
        .await
    }

    async fn put_configuration(&self, hash: &str, body: Bytes) -> Result<(), JournalError> {
        let configuration = PackedConfiguration::of(hash, &body)
            .map_err(|e| JournalError::disk("packing for", &self.shared.dir, &e))?;
        self.ask(body.len(), |reply| Request::Configuration { configuration, reply }).await
    }

    async fn configuration(&self, hash: &str) -> Result<Option<Bytes>, JournalError> {
        let hash = hash.to_owned();
        self.read(move |shared| {
            shared.with_ledger(|db, path| configurations::read(db, path, &hash))
        })
        .await
    }

    async fn configurations(&self) -> Result<Vec<String>, JournalError> {
        self.read(|shared| {
            shared.with_ledger(|db, _| {
                configurations::hashes(db).map_err(|e| shared.ledger_wrong(&e))
            })
        })
        .await
    }

    async fn expire(&self, now: Timestamp) -> Result<Expired, JournalError> {
        self.ask(0, |reply| Request::Expire { now, reply }).await
    }

    async fn identity(&self) -> Result<String, JournalError> {
        Ok(self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn health(&self) -> Health {
        let status = self.shared.status();
        let oldest = self
            .read(|shared| {
                let Some(first) = shared.segments()?.into_iter().next() else { return Ok(None) };
                let path = first.id.path(&shared.dir);
                shared.with_file(&path, |db| Ok(segments::oldest(db)))
            })
            .await;
        let alive = self.requests.as_ref().is_some_and(|r| r.upgrade().is_some());
        let bytes =
            if self.shared.live() { status.bytes } else { disk::used_bytes(&self.shared.dir) };
        Health {
            writable: alive && status.refusing.is_none(),
            connected: None,
            spool_events: 0,
            bytes,
            reserve: status.reserve,
            last_error: status.refusing.or(oldest.as_ref().err().map(ToString::to_string)),
            oldest: oldest.ok().flatten().flatten(),
        }
    }

    async fn import(&self, what: Import) -> Result<(), JournalError> {
        let identity = match &what {
            Import::Identity(identity) => Some(identity.clone()),
            Import::Frames(_) | Import::Records(_) => None,
        };
        self.ask(0, |reply| Request::Import { what, reply }).await?;
        if let Some(identity) = identity {
            *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = identity;
        }
        Ok(())
    }
}

/// Checks records before they go anywhere, and says how long they are together.
pub(crate) fn check_records(records: &[NewRecord]) -> Result<usize, JournalError> {
    if records.iter().any(|r| r.kind == RecordKind::Epoch) {
        return Err(JournalError::Invalid("an epoch begins by owning, not by a record".into()));
    }
    if records.len() > RECORDS_MAX {
        return Err(JournalError::Invalid(format!(
            "{} records in one append, the most is {RECORDS_MAX}",
            records.len()
        )));
    }
    let bytes = records.iter().map(|r| r.body.len()).sum();
    if bytes > RECORD_BYTES_MAX {
        return Err(JournalError::Invalid(format!(
            "records of {bytes} bytes in one append, the most is {RECORD_BYTES_MAX}"
        )));
    }
    Ok(bytes)
}

/// Looks at every file of events, sweeps those that never got a frame, and opens the newest.
fn open_segments(dir: &Path) -> Result<(Vec<SegmentInfo>, Option<Active>), JournalError> {
    let mut infos: Vec<SegmentInfo> = Vec::new();
    let mut active = None;
    let ids = segments::list(dir)?;
    let newest = ids.last().cloned();
    for id in ids {
        // Opened to write, even the old ones: a crash may have left a log beside any of the last,
        // and opening folds it in.
        let db = segments::open_segment(dir, &id)?;
        let Some(info) = segments::bounds(&db, dir, &id)? else {
            drop(db);
            writer::remove_database(&id.path(dir))?;
            continue;
        };
        if let Some(before) = infos.last()
            && before.last >= info.first
        {
            return Err(JournalError::damaged(
                &id.path(dir),
                format!(
                    "events {} to {} stand in {} as well",
                    info.first,
                    before.last.min(info.last),
                    before.id
                ),
            ));
        }
        if Some(&id) == newest.as_ref() {
            let bytes = fs::metadata(id.path(dir)).map_or(0, |m| m.len());
            active = Some(Active { id: id.clone(), db, bytes });
        }
        infos.push(info);
    }
    if active.is_none()
        && let Some(info) = infos.last()
    {
        let id: SegmentId = info.id.clone();
        let bytes = fs::metadata(id.path(dir)).map_or(0, |m| m.len());
        active = Some(Active { db: segments::open_segment(dir, &id)?, id, bytes });
    }
    Ok((infos, active))
}
