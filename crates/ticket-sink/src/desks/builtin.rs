//! Tickets that kentongan keeps itself, in a SQLite file, so that a fresh machine has somewhere to
//! put them. The key and the operation ids are unique there, so nothing can be doubled at all.

use crate::desk::Desk;
use async_trait::async_trait;
use delivery::{DeskRules, Draft, Note, Outcome, Row, Snapshot};
use model::{Priority, TicketRef, Timestamp};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// The most tickets that one listing returns.
pub const LIST_MAX: u32 = 1000;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS ticket (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        incident TEXT NOT NULL,
        queue TEXT NOT NULL,
        title TEXT NOT NULL,
        text TEXT NOT NULL,
        priority TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('open', 'resolved')),
        created INTEGER NOT NULL,
        updated INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS ticket_by_status ON ticket (status, number);
    CREATE TABLE IF NOT EXISTS note (
        id INTEGER PRIMARY KEY,
        ticket INTEGER NOT NULL REFERENCES ticket (number),
        operation TEXT NOT NULL UNIQUE,
        text TEXT NOT NULL,
        created INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS note_by_ticket ON note (ticket, id);
";

/// The built-in desk.
pub struct BuiltinDesk {
    rules: DeskRules,
    db: Arc<Mutex<Connection>>,
}

/// A ticket of the built-in desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltinTicket {
    /// `T-1`, `T-2`, …
    pub id: String,
    /// Our key on it.
    pub key: String,
    /// The incident it is about.
    pub incident: String,
    /// The queue that a route named, or nothing.
    pub queue: String,
    /// One line.
    pub title: String,
    /// The body.
    pub text: String,
    /// How urgent.
    pub priority: Priority,
    /// Whether it is open.
    pub open: bool,
    /// When it was opened.
    pub created: Timestamp,
    /// When it changed last.
    pub updated: Timestamp,
    /// Its notes, the oldest first; empty in a listing.
    pub notes: Vec<BuiltinNote>,
}

/// A note on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltinNote {
    /// Its operation id.
    pub operation: String,
    /// The text.
    pub text: String,
    /// When it was added.
    pub created: Timestamp,
}

/// Why the built-in desk's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the built-in desk's file")]
pub struct BuiltinError(#[from] rusqlite::Error);

/// The files of built-in desks in the data directory.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn files_in(data_dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(data_dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_file_name) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// What the file of the desk of this name is called.
pub(crate) fn file_name(desk: &str) -> String {
    match desk {
        "builtin" => "desk.db".to_owned(),
        name => format!("desk-{}.db", model::id::short_hash(&["desk", name], 8)),
    }
}

fn is_file_name(name: &str) -> bool {
    let middle = name.strip_prefix("desk").and_then(|n| n.strip_suffix(".db"));
    middle.is_some_and(|m| {
        m.is_empty()
            || m.strip_prefix('-').is_some_and(|hash| {
                !hash.is_empty() && hash.bytes().all(|b| b.is_ascii_alphanumeric())
            })
    })
}

/// How often a file that is busy is tried, and how long between.
const BUSY_TRIES: u32 = 50;
const BUSY_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Copies the file of a built-in desk, used or not, to `to`, as it is at one moment. Blocks.
///
/// # Errors
/// When it cannot be read, or `to` is there already or cannot be written.
pub fn copy_file(from: &Path, to: &Path) -> Result<(), CopyError> {
    // Made first and by us alone: nothing that is there is ever written over.
    std::fs::File::create_new(to)?;
    let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    source.busy_timeout(std::time::Duration::from_secs(5))?;
    let mut target = Connection::open(to)?;
    {
        let copy = Backup::new(&source, &mut target)?;
        let mut tries = 0;
        // All pages in one step: a copy in several would begin anew at every change.
        while copy.step(-1)? != StepResult::Done {
            tries += 1;
            if tries > BUSY_TRIES {
                return Err(CopyError::Busy);
            }
            std::thread::sleep(BUSY_PAUSE);
        }
    }
    // One file that stands alone, without a write-ahead log beside it.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    let whole: String = target.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if whole != "ok" {
        return Err(CopyError::Damaged(whole));
    }
    target.close().map_err(|(_, e)| e)?;
    std::fs::File::open(to)?.sync_all()?;
    Ok(())
}

/// Why the file of a built-in desk was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Somebody writes it all the time. Trying again makes sense.
    #[error("it stays busy; try again")]
    Busy,
    /// The copy does not hold together.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// SQLite's word.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The system's word.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
}

impl BuiltinDesk {
    /// Opens the file, or makes it.
    pub fn open(path: &Path, rules: DeskRules) -> Result<BuiltinDesk, BuiltinError> {
        let db = Connection::open(path)?;
        db.busy_timeout(std::time::Duration::from_secs(5))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "FULL")?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.execute_batch(SCHEMA)?;
        Ok(BuiltinDesk { rules, db: Arc::new(Mutex::new(db)) })
    }

    /// Tickets, the newest first: all of them or only the open or resolved ones, at most `limit`
    /// (and [`LIST_MAX`]), those opened before the ticket `before` where given. Without their notes.
    pub async fn list(
        &self,
        open: Option<bool>,
        before: Option<&str>,
        limit: u32,
    ) -> Result<Vec<BuiltinTicket>, BuiltinError> {
        let before = before.and_then(number).unwrap_or(i64::MAX);
        self.with(move |db| {
            let mut query = db.prepare_cached(
                "SELECT number, key, incident, queue, title, text, priority, status, created, updated
                 FROM ticket WHERE number < ?1 AND (?2 IS NULL OR status = ?2)
                 ORDER BY number DESC LIMIT ?3",
            )?;
            let rows = query.query_map(
                params![before, open.map(status_word), limit.min(LIST_MAX)],
                ticket_of_row,
            )?;
            rows.collect()
        })
        .await
    }

    /// One ticket with its notes.
    pub async fn get(&self, id: &str) -> Result<Option<BuiltinTicket>, BuiltinError> {
        let Some(number) = number(id) else { return Ok(None) };
        self.with(move |db| {
            let ticket = db
                .prepare_cached(
                    "SELECT number, key, incident, queue, title, text, priority, status, created,
                     updated FROM ticket WHERE number = ?1",
                )?
                .query_row([number], ticket_of_row)
                .optional()?;
            let Some(mut ticket) = ticket else { return Ok(None) };
            let mut notes = db.prepare_cached(
                "SELECT operation, text, created FROM note WHERE ticket = ?1 ORDER BY id",
            )?;
            let rows = notes.query_map([number], |row| {
                Ok(BuiltinNote {
                    operation: row.get(0)?,
                    text: row.get(1)?,
                    created: Timestamp::from_millis(row.get(2)?),
                })
            })?;
            ticket.notes = rows.collect::<Result<_, _>>()?;
            Ok(Some(ticket))
        })
        .await
    }

    /// Works on the file away from the async threads.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, BuiltinError> {
        let db = self.db.clone();
        let done = tokio::task::spawn_blocking(move || {
            let db = db.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            work(&db)
        })
        .await;
        // The work does not panic; should it, nobody else is harmed by a closed error.
        Ok(done.unwrap_or(Err(rusqlite::Error::InvalidQuery))?)
    }

    /// Changes one ticket, if it is there.
    async fn change(
        &self,
        ticket: &TicketRef,
        sql: &'static str,
        value: &'static str,
    ) -> Outcome<()> {
        let Some(number) = number(&ticket.id) else { return no_such(ticket) };
        match self.with(move |db| db.execute(sql, params![number, value, now()])).await {
            Ok(0) => no_such(ticket),
            Ok(_) => Outcome::Done(()),
            Err(error) => file(&error),
        }
    }
}

#[async_trait]
impl Desk for BuiltinDesk {
    fn kind(&self) -> &'static str {
        "builtin"
    }

    fn rules(&self) -> &DeskRules {
        &self.rules
    }

    async fn find(&self, key: &str) -> Outcome<Vec<Row>> {
        let key = key.to_owned();
        let found = self
            .with(move |db| {
                db.prepare_cached(
                    "SELECT number, key, priority, status FROM ticket WHERE key = ?1",
                )?
                .query_row([key], |row| {
                    Ok(Row {
                        ticket: reference(row.get(0)?),
                        key: row.get(1)?,
                        priorities: priority(&row.get::<_, String>(2)?).into_iter().collect(),
                        open: row.get::<_, String>(3)? == "open",
                    })
                })
                .optional()
            })
            .await;
        match found {
            Ok(row) => Outcome::Done(row.into_iter().collect()),
            Err(error) => file(&error),
        }
    }

    async fn create(&self, draft: &Draft) -> Outcome<TicketRef> {
        let draft = draft.clone();
        let made = self
            .with(move |db| {
                let now = now();
                db.execute(
                    "INSERT INTO ticket
                     (key, incident, queue, title, text, priority, status, created, updated)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'open', ?7, ?7) ON CONFLICT (key) DO NOTHING",
                    params![
                        draft.key,
                        draft.incident,
                        draft.group.as_deref().unwrap_or(""),
                        draft.title,
                        draft.text,
                        draft.priority.word(),
                        now
                    ],
                )?;
                let number: i64 = db
                    .prepare_cached("SELECT number FROM ticket WHERE key = ?1")?
                    .query_row([draft.key], |row| row.get(0))?;
                Ok(reference(number))
            })
            .await;
        match made {
            Ok(ticket) => Outcome::Done(ticket),
            Err(error) => file(&error),
        }
    }

    async fn note(&self, ticket: &TicketRef, note: &Note) -> Outcome<()> {
        let Some(number) = number(&ticket.id) else { return no_such(ticket) };
        let note = note.clone();
        let done = self
            .with(move |db| {
                let at = now();
                let found =
                    db.execute("UPDATE ticket SET updated = ?2 WHERE number = ?1", [number, at])?;
                if found > 0 {
                    db.execute(
                        "INSERT INTO note (ticket, operation, text, created) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (operation) DO NOTHING",
                        params![number, note.operation, note.text, at],
                    )?;
                }
                Ok(found)
            })
            .await;
        match done {
            Ok(0) => no_such(ticket),
            Ok(_) => Outcome::Done(()),
            Err(error) => file(&error),
        }
    }

    async fn set_priority(&self, ticket: &TicketRef, priority: Priority) -> Outcome<()> {
        let sql = "UPDATE ticket SET priority = ?2, updated = ?3 WHERE number = ?1";
        self.change(ticket, sql, priority.word()).await
    }

    async fn resolve(&self, ticket: &TicketRef) -> Outcome<()> {
        let sql = "UPDATE ticket SET status = ?2, updated = ?3 WHERE number = ?1";
        self.change(ticket, sql, "resolved").await
    }

    async fn reopen(&self, ticket: &TicketRef) -> Outcome<()> {
        let sql = "UPDATE ticket SET status = ?2, updated = ?3 WHERE number = ?1";
        self.change(ticket, sql, "open").await
    }

    async fn read(&self, ticket: &TicketRef, _notes: bool) -> Outcome<Snapshot> {
        match self.get(&ticket.id).await {
            Ok(Some(seen)) => Outcome::Done(Snapshot {
                key: Some(seen.key),
                open: seen.open,
                priorities: vec![seen.priority],
                notes: seen.notes.into_iter().map(|n| n.operation).collect(),
                ..Snapshot::default()
            }),
            Ok(None) => Outcome::Done(Snapshot { gone: true, ..Snapshot::default() }),
            Err(error) => file(&error),
        }
    }
}

/// What is unique in the file cannot be doubled, so trying again is always right.
fn file<T>(error: &BuiltinError) -> Outcome<T> {
    Outcome::Rejected { retry: true, reason: format!("{error}: {}", error.0) }
}

fn no_such<T>(ticket: &TicketRef) -> Outcome<T> {
    Outcome::Rejected { retry: false, reason: format!("there is no ticket {}", ticket.id) }
}

fn ticket_of_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<BuiltinTicket> {
    Ok(BuiltinTicket {
        id: reference(row.get(0)?).id,
        key: row.get(1)?,
        incident: row.get(2)?,
        queue: row.get(3)?,
        title: row.get(4)?,
        text: row.get(5)?,
        priority: priority(&row.get::<_, String>(6)?).unwrap_or(Priority::P3),
        open: row.get::<_, String>(7)? == "open",
        created: Timestamp::from_millis(row.get(8)?),
        updated: Timestamp::from_millis(row.get(9)?),
        notes: Vec::new(),
    })
}

fn reference(number: i64) -> TicketRef {
    TicketRef { id: format!("T-{number}"), url: None }
}

fn number(id: &str) -> Option<i64> {
    id.strip_prefix("T-")?.parse().ok()
}

fn priority(word: &str) -> Option<Priority> {
    Priority::from_word(word)
}

const fn status_word(open: bool) -> &'static str {
    if open { "open" } else { "resolved" }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_desks_are_known_by_their_names() {
        for desk in ["builtin", "second", "a b", "Ünï"] {
            assert!(is_file_name(&file_name(desk)), "{desk}");
        }
        for other in ["desk.db-wal", "desk-.db", "views.db", "desk-../x.db", "desk.dbx", "desk2.db"]
        {
            assert!(!is_file_name(other), "{other}");
        }
    }
}
