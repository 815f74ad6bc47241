//! The tables, and when a file is thrown away instead of read.

use crate::ViewsError;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Raised with every change of the tables or of what stands in them: a file of another version is
/// not migrated, it is built again from the records.
const SCHEMA_VERSION: i64 = 1;

/// "knti": so that `file` and SQLite's own tools can tell whose it is.
const APPLICATION_ID: i64 = 0x6b6e_7469;

/// Files up to this size are read through for damage when they are opened; a larger one would
/// delay the start, and its damage shows when a page is read (the file is thrown away then).
const CHECKED_BYTES_MAX: u64 = 64 << 20;

const TABLES: &str = "
CREATE TABLE progress (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    identity TEXT NOT NULL,
    record INTEGER NOT NULL,
    hash BLOB,
    pruned_at INTEGER NOT NULL
) STRICT;

CREATE TABLE incidents (
    id TEXT PRIMARY KEY,
    open INTEGER NOT NULL,
    title TEXT NOT NULL DEFAULT '',
    condition TEXT NOT NULL, work TEXT NOT NULL, priority TEXT NOT NULL, scope TEXT NOT NULL,
    root TEXT NOT NULL, affected TEXT NOT NULL,
    since INTEGER NOT NULL, opened_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
    recovered_at INTEGER, resolved_at INTEGER, closed_at INTEGER,
    acknowledged_at INTEGER, acknowledged_by TEXT,
    change TEXT NOT NULL, reason TEXT NOT NULL,
    into_id TEXT, recurrence_of TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX incidents_newest ON incidents (opened_at, id);
CREATE INDEX incidents_open ON incidents (opened_at, id) WHERE open = 1;
CREATE INDEX incidents_updated ON incidents (updated_at);

CREATE TABLE diary (
    incident TEXT NOT NULL, n INTEGER NOT NULL,
    at INTEGER NOT NULL, kind TEXT NOT NULL, word TEXT NOT NULL,
    subject TEXT, aside TEXT, by TEXT, event INTEGER, reason TEXT NOT NULL,
    PRIMARY KEY (incident, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally (
    incident TEXT NOT NULL, word TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (incident, word)
) STRICT, WITHOUT ROWID;

CREATE TABLE titles (incident TEXT PRIMARY KEY, title TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE verdicts (
    event INTEGER PRIMARY KEY,
    at INTEGER NOT NULL, target TEXT, verdict TEXT NOT NULL, incident TEXT, reason TEXT NOT NULL
) STRICT;
CREATE INDEX verdicts_at ON verdicts (at);

CREATE TABLE routine (first INTEGER PRIMARY KEY, at INTEGER NOT NULL, runs BLOB NOT NULL) STRICT;

CREATE TABLE alarms (
    target TEXT NOT NULL, name TEXT NOT NULL,
    state TEXT NOT NULL, was TEXT NOT NULL, since INTEGER NOT NULL,
    incident TEXT, reason TEXT NOT NULL,
    PRIMARY KEY (target, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX alarms_incident ON alarms (incident);

CREATE TABLE tickets (
    incident TEXT NOT NULL, desk TEXT NOT NULL,
    key TEXT NOT NULL, generation INTEGER NOT NULL,
    told TEXT NOT NULL, step TEXT NOT NULL, call TEXT,
    ticket TEXT, url TEXT, priority TEXT, open INTEGER NOT NULL,
    revision INTEGER NOT NULL, attempt INTEGER NOT NULL, next_try INTEGER,
    since INTEGER NOT NULL, updated_at INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (incident, desk)
) STRICT, WITHOUT ROWID;

CREATE TABLE unreadable (record INTEGER NOT NULL, line INTEGER NOT NULL, error TEXT NOT NULL) STRICT;
";

/// The file, open for writing, of this version and for this installation. Whatever else was there
/// is gone.
pub(crate) fn open_writer(path: &Path, identity: &str) -> Result<Connection, ViewsError> {
    let why = match try_writer(path, identity) {
        Ok(db) => return Ok(db),
        Err(Refused::Rebuild(why)) => why,
        Err(Refused::No(error)) => return Err(error),
    };
    if path.exists() {
        tracing::warn!(path = %path.display(), why, "views are built again from the records");
    }
    remove(path)?;
    match try_writer(path, identity) {
        Ok(db) => Ok(db),
        Err(Refused::No(error)) => Err(error),
        Err(Refused::Rebuild(why)) => Err(ViewsError::Unusable { path: path.to_owned(), why }),
    }
}

/// Takes the file away, with what SQLite keeps beside it.
pub(crate) fn remove(path: &Path) -> Result<(), ViewsError> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(PathBuf::from(name)) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(ViewsError::Remove { path: path.to_owned(), source }),
        }
    }
    Ok(())
}

/// A second connection to the same file that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, ViewsError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "query_only", true)?;
    db.set_prepared_statement_cache_capacity(32);
    if version(&db)? != SCHEMA_VERSION {
        let why = "it is of another version; the daemon builds it again when it starts".to_owned();
        return Err(ViewsError::Unusable { path: path.to_owned(), why });
    }
    Ok(db)
}

enum Refused {
    /// What is there cannot be used, and may be thrown away.
    Rebuild(String),
    /// Throwing it away would not help (no permission, disk full, …).
    No(ViewsError),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) {
            Refused::Rebuild(error.to_string())
        } else {
            Refused::No(ViewsError::Sqlite(error))
        }
    }
}

/// Whether the file itself is broken.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

fn try_writer(path: &Path, identity: &str) -> Result<Connection, Refused> {
    let size = std::fs::metadata(path).map_or(0, |m| m.len());
    let mut db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    // A crash of the machine may lose the last transactions, never tear one: the records after
    // `progress` are applied again.
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "wal_autocheckpoint", 1000)?;
    db.set_prepared_statement_cache_capacity(64);

    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    if tables == 0 {
        let tx = db.transaction()?;
        tx.execute_batch(TABLES)?;
        tx.execute("INSERT INTO progress VALUES (1, ?1, 0, NULL, 0)", [identity])?;
        tx.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.commit()?;
        return Ok(db);
    }
    let found = version(&db)?;
    if found != SCHEMA_VERSION {
        return Err(Refused::Rebuild(format!("it has version {found}, not {SCHEMA_VERSION}")));
    }
    let whose: Option<String> =
        db.query_row("SELECT identity FROM progress", [], |r| r.get(0)).optional()?;
    if whose.as_deref() != Some(identity) {
        return Err(Refused::Rebuild("it belongs to another journal".to_owned()));
    }
    if size <= CHECKED_BYTES_MAX {
        let said: String = db.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?;
        if said != "ok" {
            return Err(Refused::Rebuild(said));
        }
    }
    Ok(db)
}

fn version(db: &Connection) -> Result<i64, rusqlite::Error> {
    db.query_row("PRAGMA user_version", [], |r| r.get(0))
}
