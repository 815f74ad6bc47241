//! Files of events: one for each UTC day of `received`, dropped whole. A day has more than one
//! where they have a greatest size (the spool's have, so that what was handed on can go soon).

use crate::error::JournalError;
use crate::frame::unpack;
use crate::port::EventFrame;
use model::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "kent", in the header of every file of ours.
const APPLICATION_ID: i32 = 0x6b65_6e74;

/// The form of the files. A file with another is refused by name.
const FORM: i32 = 1;

/// How long a reader or the writer waits for the other's short locks.
const BUSY: Duration = Duration::from_secs(5);

const FRAMES: &str = "
    CREATE TABLE frame (
        first    INTEGER PRIMARY KEY,  -- number of its first event
        count    INTEGER NOT NULL,     -- how many events
        received INTEGER NOT NULL,     -- when it was taken, ms since 1970
        producer TEXT    NOT NULL,
        size     INTEGER NOT NULL,     -- bytes of the body before packing
        body     BLOB    NOT NULL      -- NDJSON, zstd with checksum
    );";

/// Which file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// `2026-11-24`.
    pub day: String,
    /// 1, 2, … within the day.
    pub part: u32,
}

impl SegmentId {
    /// The first one of a day.
    pub fn of(received: Timestamp) -> SegmentId {
        SegmentId { day: day_of(received), part: 1 }
    }

    /// From a file's name.
    pub fn parse(name: &str) -> Option<SegmentId> {
        let rest = name.strip_prefix("events-")?.strip_suffix(".db")?;
        let (day, part) = match rest.split_once('.') {
            Some((day, part)) => (day, part.parse().ok().filter(|p| *p > 1)?),
            None => (rest, 1),
        };
        let shape = day.len() == 10
            && day.bytes().enumerate().all(|(i, b)| match i {
                4 | 7 => b == b'-',
                _ => b.is_ascii_digit(),
            });
        shape.then(|| SegmentId { day: day.to_owned(), part })
    }

    /// Where it is.
    pub fn path(&self, dir: &Path) -> PathBuf {
        dir.join(self.to_string())
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            1 => write!(f, "events-{}.db", self.day),
            n => write!(f, "events-{}.{n}.db", self.day),
        }
    }
}

/// The UTC day of an instant, `2026-11-24`.
pub fn day_of(at: Timestamp) -> String {
    let mut text = [0u8; 24];
    at.write_rfc3339(&mut text);
    text[..10].iter().map(|b| char::from(*b)).collect()
}

/// Every file of events in a folder, in order.
pub fn list(dir: &Path) -> Result<Vec<SegmentId>, JournalError> {
    let entries =
        std::fs::read_dir(dir).map_err(|e| JournalError::disk("listing the folder", dir, &e))?;
    let mut found: Vec<SegmentId> =
        entries.flatten().filter_map(|e| SegmentId::parse(e.file_name().to_str()?)).collect();
    found.sort();
    Ok(found)
}

/// Which events a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Which file.
    pub id: SegmentId,
    /// The first event in it.
    pub first: u64,
    /// The last; one less than `first` when it has none yet.
    pub last: u64,
    /// When the last one was taken.
    pub received: Timestamp,
}

/// Opens a file to write in it; makes what is not there. Also heals what a crash left: SQLite
/// replays or discards its own log.
pub fn open_writable(path: &Path, schema: &str) -> Result<Connection, JournalError> {
    let wrong = |e: &rusqlite::Error| JournalError::sqlite("opening", path, e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|e| wrong(&e))?;
    db.busy_timeout(BUSY).map_err(|e| wrong(&e))?;
    // FULL: the log is synced at every commit. That is what an answer rests on.
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=2000;",
    )
    .map_err(|e| wrong(&e))?;
    if state(&db, path)? == State::Empty {
        let tx = db.transaction().map_err(|e| wrong(&e))?;
        tx.execute_batch(schema)
            .and_then(|()| tx.pragma_update(None, "application_id", APPLICATION_ID))
            .and_then(|()| tx.pragma_update(None, "user_version", FORM))
            .map_err(|e| wrong(&e))?;
        tx.commit().map_err(|e| wrong(&e))?;
        if let Some(dir) = path.parent() {
            super::disk::sync_dir(dir)?;
        }
    }
    Ok(db)
}

/// Opens a file of events to write in it.
pub fn open_segment(dir: &Path, id: &SegmentId) -> Result<Connection, JournalError> {
    open_writable(&id.path(dir), FRAMES)
}

/// Opens a file to read, while somebody else may write it. `None` when it is not there, or nothing
/// was ever committed to it.
pub fn open_readable(path: &Path) -> Result<Option<Connection>, JournalError> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = match Connection::open_with_flags(path, flags) {
        Ok(db) => db,
        Err(_) if !path.exists() => return Ok(None),
        Err(e) => return Err(JournalError::sqlite("opening", path, &e)),
    };
    db.busy_timeout(BUSY).map_err(|e| JournalError::sqlite("opening", path, &e))?;
    Ok((state(&db, path)? == State::Ours).then_some(db))
}

#[derive(PartialEq, Eq)]
enum State {
    Empty,
    Ours,
}

/// Whether a file is ours, in a form we know.
fn state(db: &Connection, path: &Path) -> Result<State, JournalError> {
    let wrong = |e: rusqlite::Error| JournalError::sqlite("reading", path, &e);
    let number = |pragma: &str| db.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(wrong)?;
    if tables == 0 {
        return Ok(State::Empty);
    }
    if number("PRAGMA application_id").map_err(wrong)? != i64::from(APPLICATION_ID) {
        return Err(JournalError::damaged(path, "a database that is not a journal of kentongan"));
    }
    match number("PRAGMA user_version").map_err(wrong)? {
        form if form == i64::from(FORM) => Ok(State::Ours),
        form => Err(JournalError::damaged(
            path,
            format!("a journal in form {form}, this program knows form {FORM}"),
        )),
    }
}

/// A frame on its way into a file.
pub struct PackedFrame<'a> {
    /// The number of its first event.
    pub first: u64,
    /// How many.
    pub count: u32,
    /// When it was taken.
    pub received: Timestamp,
    /// By whom.
    pub producer: &'a str,
    /// How long the body is.
    pub size: usize,
    /// The body, packed.
    pub body: &'a [u8],
}

/// Writes a frame, within the caller's transaction.
pub fn insert(db: &Connection, frame: &PackedFrame<'_>) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(
        "INSERT INTO frame (first, count, received, producer, size, body) VALUES (?,?,?,?,?,?)",
    )?;
    statement.execute(params![
        frame.first.cast_signed(),
        frame.count,
        frame.received.as_millis(),
        frame.producer,
        frame.size.cast_signed() as i64,
        frame.body,
    ])?;
    Ok(())
}

/// What a file holds; `None` when no frame was ever committed to it.
pub fn bounds(
    db: &Connection,
    dir: &Path,
    id: &SegmentId,
) -> Result<Option<SegmentInfo>, JournalError> {
    let wrong = |e: rusqlite::Error| JournalError::sqlite("reading", &id.path(dir), &e);
    let first = db
        .query_row("SELECT first FROM frame ORDER BY first LIMIT 1", [], |row| number(row, 0))
        .optional()
        .map_err(wrong)?;
    let Some(first) = first else { return Ok(None) };
    let (last, count, received) = db
        .query_row(
            "SELECT first, count, received FROM frame ORDER BY first DESC LIMIT 1",
            [],
            |row| Ok((number(row, 0)?, number(row, 1)?, row.get::<_, i64>(2)?)),
        )
        .map_err(wrong)?;
    let received = Timestamp::from_millis(received);
    Ok(Some(SegmentInfo { id: id.clone(), first, last: last + count.max(1) - 1, received }))
}

/// When the first event of a file was taken.
pub fn oldest(db: &Connection) -> Option<Timestamp> {
    db.query_row("SELECT received FROM frame ORDER BY first LIMIT 1", [], |row| {
        row.get::<_, i64>(0)
    })
    .ok()
    .map(Timestamp::from_millis)
}

/// How much one read may take.
pub struct Budget {
    /// Events still wanted.
    pub events: usize,
    /// Bytes still allowed.
    pub bytes: usize,
}

/// Reads whole frames from the one that holds `from` (or the first after it) into `out`, until the
/// budget is spent.
pub fn read(
    db: &Connection,
    path: &Path,
    from: u64,
    budget: &mut Budget,
    out: &mut Vec<EventFrame>,
) -> Result<(), JournalError> {
    let wrong = |e: rusqlite::Error| JournalError::sqlite("reading", path, &e);
    let mut statement = db
        .prepare_cached(
            "SELECT first, count, received, producer, size, body FROM frame
             WHERE first >= coalesce((SELECT max(first) FROM frame WHERE first <= ?1), ?1)
             ORDER BY first",
        )
        .map_err(wrong)?;
    let mut rows = statement.query([from.cast_signed()]).map_err(wrong)?;
    while budget.events > 0 && budget.bytes > 0 {
        let Some(row) = rows.next().map_err(wrong)? else { break };
        let first = number(row, 0).map_err(wrong)?;
        let count = row.get::<_, u32>(1).map_err(wrong)?;
        if count == 0 || first + u64::from(count) <= from {
            continue;
        }
        let size = usize::try_from(number(row, 4).map_err(wrong)?).unwrap_or(usize::MAX);
        let packed = row.get_ref(5).map_err(wrong)?;
        let body = packed
            .as_blob()
            .map_err(|e| e.to_string())
            .and_then(|packed| unpack(packed, size).map_err(|e| e.to_string()))
            .map_err(|e| {
                JournalError::damaged(
                    path,
                    format!("the frame of event {first} cannot be read ({e})"),
                )
            })?;
        let wanted = first + u64::from(count) - first.max(from);
        budget.events = budget.events.saturating_sub(wanted as usize);
        budget.bytes = budget.bytes.saturating_sub(body.len());
        out.push(EventFrame {
            first,
            count,
            received: Timestamp::from_millis(row.get(2).map_err(wrong)?),
            producer: row.get(3).map_err(wrong)?,
            body,
        });
    }
    Ok(())
}

/// A number that was never negative.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_in_order() {
        for name in ["events-2026-11-24.db", "events-2026-11-24.2.db", "events-2026-11-24.10.db"] {
            assert_eq!(SegmentId::parse(name).unwrap().to_string(), name);
        }
        let mut ids: Vec<_> =
            ["events-2026-11-25.db", "events-2026-11-24.10.db", "events-2026-11-24.9.db"]
                .iter()
                .filter_map(|n| SegmentId::parse(n))
                .collect();
        ids.sort();
        assert_eq!(ids[0].part, 9);
        assert_eq!(ids[2].day, "2026-11-25");
        for name in [
            "journal.db",
            "events-.db",
            "events-2026-11-24.db-wal",
            "events-2026-11-24.1.db",
            "events-2026-11-24.x.db",
            "events-2026-1-24.db",
            "events-2026.11.24.db",
        ] {
            assert_eq!(SegmentId::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_database_of_somebody_else_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events-2026-11-24.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let refused = open_writable(&path, FRAMES).unwrap_err().to_string();
        assert!(refused.contains("events-2026-11-24.db"), "{refused}");
    }
}
