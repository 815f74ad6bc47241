//! Read models for everything a person sees: incidents with their diaries, alarms, tickets, and
//! what each event came to. Built from the journal's records and from nothing else, so they can be
//! thrown away and built again at any time.
//!
//! Decides nothing, never writes to the journal, and is never waited for by the core: the records
//! are durable before they come here, and `progress` moves in the same transaction as the rows, so
//! a crash at any point costs time and nothing else.

mod apply;
mod diary;
mod docs;
mod query;
pub mod routine;
mod schema;

pub use apply::{DIARY_CHATTY_MAX, DIARY_LINES_MAX, KEPT, ROUTINE_KEPT};
pub use docs::{
    AffectedDoc, AlarmDoc, CountsDoc, DiaryLine, ExplainDoc, IncidentDetail, IncidentDoc,
    IncidentPage, TicketDoc, VerdictDoc,
};
pub use model::Reader;
pub use model::settings::Language;
pub use query::{IncidentFilter, LIMIT_MAX, Which};

use apply::Applying;
use journal::Record;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file's name in the data directory.
pub const FILE_NAME: &str = "views.db";

/// Connections kept for reading; a question that finds none opens one, and it is closed again when
/// there are enough.
const READERS_KEPT_MAX: usize = 4;

/// Why the views could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ViewsError {
    /// The caller skipped records; nothing was applied. Read again from `expected`.
    #[error("record {got} was given to the views, but {expected} comes next")]
    OutOfOrder {
        /// The record that comes next.
        expected: u64,
        /// The one that was given.
        got: u64,
    },
    /// The file was damaged and has been started over. Nothing is lost: apply the records again,
    /// from the first one on.
    #[error("the views were damaged ({0}) and are started over; apply the records from the first")]
    StartedOver(String),
    /// The cursor is not one that we gave out.
    #[error("the cursor is not one that an earlier page named")]
    BadCursor,
    /// They were opened to read only.
    #[error("the views are open for reading only")]
    ReadOnly,
    /// There is a file, but it cannot be used.
    #[error("using the views in {path}: {why}")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The old file could not be taken away.
    #[error("taking away the old views in {path}")]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The database said no; trying again may help (disk full, file locked).
    #[error("asking the database of the views")]
    Sqlite(#[from] rusqlite::Error),
}

/// The read models. One thread applies; any number ask. Every method blocks on a file, so an
/// asynchronous caller wraps it.
pub struct Views {
    path: PathBuf,
    identity: String,
    /// The one connection that writes; none when opened to read only.
    writer: Mutex<Option<Connection>>,
    readers: Mutex<Vec<Connection>>,
    /// The last record whose rows are committed.
    applied: AtomicU64,
    /// Lines that could not be read since the start.
    unreadable: AtomicU64,
    /// Counts how often the file was started over; readers of an older one are dropped.
    generation: AtomicU64,
    /// A reader met a broken page; the one who applies will start over.
    damaged: AtomicBool,
    read_only: bool,
}

impl Views {
    /// Opens (or makes) the views in the data directory `dir` for the journal called `identity`.
    /// A file of another version or another journal, and one that is damaged, is thrown away;
    /// `applied` is 0 then and the caller applies all records again.
    pub fn open(dir: &Path, identity: &str) -> Result<Views, ViewsError> {
        let path = dir.join(FILE_NAME);
        let db = schema::open_writer(&path, identity)?;
        let (applied, _) = apply::progress(&db)?;
        Ok(Views {
            path,
            identity: identity.to_owned(),
            writer: Mutex::new(Some(db)),
            readers: Mutex::default(),
            applied: applied.into(),
            unreadable: 0.into(),
            generation: 0.into(),
            damaged: false.into(),
            read_only: false,
        })
    }

    /// Opens the views to read only, as the command line does beside a daemon or without one.
    pub fn open_read_only(dir: &Path) -> Result<Views, ViewsError> {
        let path = dir.join(FILE_NAME);
        if !path.exists() {
            let why = "it does not exist; the daemon makes it when it starts".to_owned();
            return Err(ViewsError::Unusable { path, why });
        }
        let db = schema::open_reader(&path)?;
        let (applied, _) = apply::progress(&db)?;
        Ok(Views {
            path,
            identity: String::new(),
            writer: Mutex::default(),
            readers: Mutex::new(vec![db]),
            applied: applied.into(),
            unreadable: 0.into(),
            generation: 0.into(),
            damaged: false.into(),
            read_only: true,
        })
    }

    /// Turns records into rows, all of them in one transaction or none. Records that are applied
    /// already are passed over. Returns the number of the last one applied.
    pub fn apply(&self, records: &[Record]) -> Result<u64, ViewsError> {
        if self.read_only {
            return Err(ViewsError::ReadOnly);
        }
        let mut writer = lock(&self.writer);
        if self.damaged.load(Ordering::Acquire) {
            self.renew(&mut writer)?;
            return Err(ViewsError::StartedOver("a page could not be read".to_owned()));
        }
        if writer.is_none() {
            *writer = Some(schema::open_writer(&self.path, &self.identity)?);
        }
        let db = writer.as_mut().ok_or(ViewsError::ReadOnly)?;
        match apply_to(db, records) {
            Ok((applied, unreadable)) => {
                self.applied.store(applied, Ordering::Release);
                self.unreadable.fetch_add(unreadable, Ordering::Relaxed);
                Ok(applied)
            }
            Err(ViewsError::Sqlite(e)) if schema::is_damage(&e) => {
                tracing::error!(path = %self.path.display(), error = %e, "views damaged, started over");
                self.renew(&mut writer)?;
                Err(ViewsError::StartedOver(e.to_string()))
            }
            Err(e) => Err(e),
        }
    }

    /// A new, empty file in place of the old one. Everybody's hold on the old one is dropped
    /// before the new one takes its name.
    fn renew(&self, writer: &mut Option<Connection>) -> Result<(), ViewsError> {
        *writer = None;
        self.generation.fetch_add(1, Ordering::AcqRel);
        lock(&self.readers).clear();
        self.applied.store(0, Ordering::Release);
        schema::remove(&self.path)?;
        *writer = Some(schema::open_writer(&self.path, &self.identity)?);
        self.damaged.store(false, Ordering::Release);
        Ok(())
    }

    /// The number of the last record whose rows are here; 0 when there are none.
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// The hash of that record, to be held against the journal's: another hash under the same
    /// number means that the journal was restored to an earlier state, and [`Views::start_over`].
    pub fn applied_hash(&self) -> Result<Option<[u8; 32]>, ViewsError> {
        self.read(|db| Ok(apply::progress(db)?.1))
    }

    /// Throws everything away; the caller applies the records again from the first.
    pub fn start_over(&self) -> Result<(), ViewsError> {
        if self.read_only {
            return Err(ViewsError::ReadOnly);
        }
        self.renew(&mut lock(&self.writer))
    }

    /// How many lines of records could not be read since the start.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Incidents, the newest first, a page at a time.
    pub fn incidents(&self, filter: &IncidentFilter) -> Result<IncidentPage, ViewsError> {
        self.read(|db| query::incidents(db, filter))
    }

    /// The incidents that went away last.
    pub fn recently_resolved(&self, limit: usize) -> Result<Vec<IncidentDoc>, ViewsError> {
        self.read(|db| query::recently_resolved(db, limit))
    }

    /// One incident with its diary, its tickets and its alarms.
    pub fn incident(
        &self,
        id: &str,
        reader: impl Into<Reader>,
    ) -> Result<Option<IncidentDetail>, ViewsError> {
        let reader = reader.into();
        self.read(|db| query::incident(db, id, &reader))
    }

    /// Whether there is such an incident.
    pub fn knows(&self, id: &str) -> Result<bool, ViewsError> {
        self.read(|db| {
            let asked = "SELECT EXISTS (SELECT 1 FROM incidents WHERE id = ?1)";
            Ok(db.prepare_cached(asked)?.query_row([id], |r| r.get(0))?)
        })
    }

    /// Alarms by target and check: those that are not good, or all of them.
    pub fn alarms(&self, limit: usize, with_ok: bool) -> Result<Vec<AlarmDoc>, ViewsError> {
        self.read(|db| query::alarms(db, limit, with_ok))
    }

    /// The alarms of one target, or of one check of it, good ones included.
    pub fn alarms_of(
        &self,
        target: &str,
        check: Option<&str>,
    ) -> Result<Vec<AlarmDoc>, ViewsError> {
        self.read(|db| query::alarms_of(db, target, check))
    }

    /// Tickets, open ones first.
    pub fn tickets(&self, limit: usize) -> Result<Vec<TicketDoc>, ViewsError> {
        self.read(|db| query::tickets(db, limit))
    }

    /// What an event came to.
    pub fn verdict_of(&self, event: u64) -> Result<Option<VerdictDoc>, ViewsError> {
        self.read(|db| query::verdict(db, event))
    }

    /// Why something is as it is: an event's number, an incident's id, `last`, a target, or
    /// `target check`. None when nothing is called that.
    pub fn explain(
        &self,
        what: &str,
        reader: impl Into<Reader>,
    ) -> Result<Option<ExplainDoc>, ViewsError> {
        let reader = reader.into();
        self.read(|db| query::explain(db, what, &reader))
    }

    /// Asks on a connection of its own, in one transaction, so that a document never mixes two
    /// states; the one who applies is not held up by it.
    fn read<T>(
        &self,
        ask: impl FnOnce(&Connection) -> Result<T, ViewsError>,
    ) -> Result<T, ViewsError> {
        let generation = self.generation.load(Ordering::Acquire);
        let kept = lock(&self.readers).pop();
        let mut db = match kept {
            Some(db) => db,
            None => schema::open_reader(&self.path)?,
        };
        let answer = {
            let tx = db.transaction()?;
            ask(&tx)
        };
        if matches!(&answer, Err(ViewsError::Sqlite(e)) if schema::is_damage(e)) {
            self.damaged.store(true, Ordering::Release);
            return answer;
        }
        let mut readers = lock(&self.readers);
        let current = self.generation.load(Ordering::Acquire) == generation;
        if current && readers.len() < READERS_KEPT_MAX {
            readers.push(db);
        }
        answer
    }
}

fn apply_to(db: &mut Connection, records: &[Record]) -> Result<(u64, u64), ViewsError> {
    let tx = db.transaction()?;
    let (applied, _) = apply::progress(&tx)?;
    let new = records.iter().filter(|r| r.number > applied);
    let mut applying = Applying::new(&tx)?;
    let mut last: Option<&Record> = None;
    for record in new {
        // The journal may have dropped its oldest records, so the first one may be any.
        let before = last.map_or(applied, |r| r.number);
        if before != 0 && record.number != before + 1 {
            return Err(ViewsError::OutOfOrder { expected: before + 1, got: record.number });
        }
        applying.record(record)?;
        last = Some(record);
    }
    let Some(last) = last else { return Ok((applied, 0)) };
    let unreadable = applying.finish(last)?;
    tx.commit()?;
    Ok((last.number, unreadable))
}

/// A panic while holding one of our locks leaves nothing half done: the transaction was rolled back.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
