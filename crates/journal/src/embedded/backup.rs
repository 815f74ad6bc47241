//! Backup of a journal that may be running, and restoring it.
//!
//! Each file is copied by SQLite's own backup, in one step under a read lock that does not hold
//! the writer up. The ledger goes first: the files of events that are copied after it hold at
//! least the events that its records speak of. `backup.json` is written last and names every file
//! with its hash; a folder without it is a backup that was cut short.
//!
//! # Numbers after a restore
//! What was taken after the backup was made is lost, but its numbers were given: incidents have ids
//! made of them, and desks hold tickets under keys made of those. Were the numbers given again,
//! a new incident could find the ticket of a lost one and take it for its own. So a restored journal
//! goes on far enough behind the last number it knows, with a `gap` in the place of what is lost.

use super::segments::{self, open_readable};
use super::{EmbeddedJournal, clock_of_this_machine, disk, ledger};
use crate::chain::hex;
use crate::error::JournalError;
use crate::frame::pack;
use crate::port::RESTORE;
use crate::verify;
use model::{Event, Kind, Timestamp};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// The list of a backup's files.
const MANIFEST: &str = "backup.json";

/// How often a file that is busy is tried, and how long between.
const BUSY_TRIES: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackedUp {
    /// The instance's unique name.
    pub identity: String,
    /// The last event in it; 0 for none.
    pub last_event: u64,
    /// The last record in it; 0 for none.
    pub last_record: u64,
    /// Its files.
    files: Vec<BackupFile>,
    /// Files of others that were saved with it, relative to the backup's folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    beside: Vec<BackupFile>,
}

impl BackedUp {
    /// The files of others that were saved with it, relative to the backup's folder.
    pub fn beside(&self) -> impl Iterator<Item = &Path> {
        self.beside.iter().map(|f| Path::new(&f.name))
    }
}

/// What [`restore`] has put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The backup.
    pub backed_up: BackedUp,
    /// The number of the `gap` with which it goes on.
    pub goes_on_at: u64,
}

/// Numbers left out after a restore, besides …
const LEFT_OUT: u64 = 1_000_000;
/// … so many for each second since the last event in the backup: more than any installation takes
/// over hours.
const LEFT_OUT_A_SECOND: u64 = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupFile {
    name: String,
    sha256: String,
}

/// Saves something of somebody else's into the folder of a backup, and says which files those are,
/// relative to it.
pub type Beside<'a> = &'a mut dyn FnMut(&Path) -> Result<Vec<PathBuf>, JournalError>;

/// Copies the journal in `dir`, running or not, into the folder `into`, which must be new or
/// empty. Blocks.
pub fn backup(dir: &Path, into: &Path) -> Result<BackedUp, JournalError> {
    backup_with(dir, into, &mut |_| Ok(Vec::new()))
}

/// [`backup`], and what `beside` saves after it: every ticket that the records speak of was made
/// before they say so. The backup counts as finished only when that is saved as well.
pub fn backup_with(dir: &Path, into: &Path, beside: Beside<'_>) -> Result<BackedUp, JournalError> {
    make_empty(into)?;
    let mut files = vec![copy_database(dir, into, ledger::FILE)?.ok_or_else(|| {
        JournalError::Invalid(format!("there is no journal in {}", dir.display()))
    })?];
    for id in segments::list(dir)? {
        // One that is gone or empty was dropped meanwhile, or has nothing yet.
        files.extend(copy_database(dir, into, &id.to_string())?);
    }
    let db = ledger::open_to_read(into)?;
    let wrong = |e: rusqlite::Error| JournalError::sqlite("reading", &into.join(ledger::FILE), &e);
    let mut last_event =
        ledger::number(&db, ledger::key::LAST_EVENT).map_err(wrong)?.unwrap_or(0).cast_unsigned();
    if let Some(id) = segments::list(into)?.last()
        && let Some(db) = open_readable(&id.path(into))?
    {
        let newest = segments::bounds(&db, into, id)?;
        last_event = last_event.max(newest.map_or(0, |s| s.last));
    }
    let backed_up = BackedUp {
        identity: ledger::text(&db, ledger::key::IDENTITY).map_err(wrong)?.unwrap_or_default(),
        last_event,
        last_record: ledger::chain_end(&db).map_err(wrong)?.number,
        files,
        beside: Vec::new(),
    };
    drop(db);
    sweep_beside(into, &backed_up)?;
    let backed_up = BackedUp { beside: hashes_of(into, beside(into)?)?, ..backed_up };
    let path = into.join(MANIFEST);
    let text = serde_json::to_vec_pretty(&backed_up)
        .map_err(|e| JournalError::disk("writing", &path, &e))?;
    File::create(&path)
        .and_then(|mut f| f.write_all(&text).and_then(|()| f.sync_all()))
        .map_err(|e| JournalError::disk("writing", &path, &e))?;
    disk::sync_dir(into)?;
    Ok(backed_up)
}

/// Puts a backup back into the folder `into`, which must be new or empty, and verifies what is
/// then there. Blocks.
pub fn restore(from: &Path, into: &Path) -> Result<Restored, JournalError> {
    let path = from.join(MANIFEST);
    let text = fs::read(&path).map_err(|e| JournalError::Damaged {
        place: path.display().to_string(),
        what: format!("not a finished backup ({e})"),
    })?;
    let backed_up: BackedUp = serde_json::from_slice(&text)
        .map_err(|e| JournalError::damaged(&path, format!("a list that cannot be read ({e})")))?;
    for file in &backed_up.files {
        let ours = file.name == ledger::FILE || segments::SegmentId::parse(&file.name).is_some();
        if !ours {
            return Err(JournalError::damaged(&path, format!("it names {:?}", file.name)));
        }
        let source = from.join(&file.name);
        if hash_of_file(&source)? != file.sha256 {
            return Err(JournalError::damaged(&source, "not the file that was backed up"));
        }
    }
    for file in &backed_up.beside {
        let plain = |c| matches!(c, Component::Normal(_));
        if !Path::new(&file.name).components().all(plain) {
            return Err(JournalError::damaged(&path, format!("it names {:?}", file.name)));
        }
        let source = from.join(&file.name);
        if hash_of_file(&source)? != file.sha256 {
            return Err(JournalError::damaged(&source, "not the file that was backed up"));
        }
    }
    make_empty(into)?;
    for file in &backed_up.files {
        let (source, target) = (from.join(&file.name), into.join(&file.name));
        fs::copy(&source, &target)
            .and_then(|_| File::open(&target))
            .and_then(|f| f.sync_all())
            .map_err(|e| JournalError::disk("writing", &target, &e))?;
    }
    disk::sync_dir(into)?;
    let verified = verify::verify_dir(into)?;
    if let Some(touched) = verified.touched {
        return Err(JournalError::Damaged {
            place: from.display().to_string(),
            what: touched.to_string(),
        });
    }
    let goes_on_at = go_on(into, backed_up.last_event, (clock_of_this_machine())())?;
    Ok(Restored { backed_up, goes_on_at })
}

/// Writes the event that a restored journal goes on with; its number.
fn go_on(dir: &Path, last: u64, now: Timestamp) -> Result<u64, JournalError> {
    let db = ledger::open(dir)?;
    let wrong = |e: rusqlite::Error| JournalError::sqlite("reading", &dir.join(ledger::FILE), &e);
    let end = ledger::chain_end(&db).map_err(wrong)?;
    let noted = ledger::number(&db, ledger::key::LAST_RECEIVED).map_err(wrong)?;
    let mut since = end.at.max(noted.map_or(Timestamp::MIN, Timestamp::from_millis));
    if let Some(id) = segments::list(dir)?.last()
        && let Some(db) = open_readable(&id.path(dir))?
        && let Some(newest) = segments::bounds(&db, dir, id)?
    {
        since = since.max(newest.received);
    }
    let received = now.max(since);
    let since = if since == Timestamp::MIN { received } else { since };
    let lost = received.since(since).as_secs().saturating_mul(LEFT_OUT_A_SECOND);
    let last = last.max(end.through);
    let first = last.saturating_add(LEFT_OUT).saturating_add(lost);
    // As people read it: behind a round number.
    let first = first.next_multiple_of(LEFT_OUT) + 1;
    let gap = Event { at: received, received: None, kind: Kind::Gap { since } };
    let mut body = Vec::new();
    wire::write_event(&mut body, None, &gap);
    body.push(b'\n');
    let id = segments::SegmentId::of(received);
    let path = id.path(dir);
    let packed = pack(&body).map_err(|e| JournalError::disk("packing for", &path, &e))?;
    let frame = segments::PackedFrame {
        first,
        count: 1,
        received,
        producer: RESTORE,
        size: body.len(),
        body: &packed,
    };
    let mut db = segments::open_segment(dir, &id)?;
    let wrong = |e: rusqlite::Error| JournalError::sqlite("writing events to", &path, &e);
    let tx = db.transaction().map_err(wrong)?;
    segments::insert(&tx, &frame).map_err(wrong)?;
    tx.commit().map_err(wrong)?;
    Ok(first)
}

/// The hashes of these files in `dir`.
fn hashes_of(dir: &Path, names: Vec<PathBuf>) -> Result<Vec<BackupFile>, JournalError> {
    let hashed = names.into_iter().map(|name| {
        let sha256 = hash_of_file(&dir.join(&name))?;
        Ok(BackupFile { name: name.to_string_lossy().into_owned(), sha256 })
    });
    hashed.collect()
}

impl EmbeddedJournal {
    /// [`backup`] of this journal while it runs. Blocks.
    pub fn backup(&self, into: &Path) -> Result<BackedUp, JournalError> {
        backup(&self.shared.dir, into)
    }
}

fn make_empty(dir: &Path) -> Result<(), JournalError> {
    fs::create_dir_all(dir).map_err(|e| JournalError::disk("making the folder", dir, &e))?;
    let mut entries =
        fs::read_dir(dir).map_err(|e| JournalError::disk("listing the folder", dir, &e))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => {
            Err(JournalError::Invalid(format!("{} is not empty; name a new folder", dir.display())))
        }
    }
}

/// Copies one database. `None` when there is nothing in it.
fn copy_database(dir: &Path, into: &Path, name: &str) -> Result<Option<BackupFile>, JournalError> {
    let (source, target) = (dir.join(name), into.join(name));
    let Some(from) = open_readable(&source)? else { return Ok(None) };
    let wrong = |e: rusqlite::Error| JournalError::sqlite("backing up", &source, &e);
    let mut to =
        Connection::open(&target).map_err(|e| JournalError::sqlite("writing", &target, &e))?;
    {
        let copy = Backup::new(&from, &mut to).map_err(wrong)?;
        let mut tries = 0;
        // All pages in one step: a copy in several would begin anew at every commit of the writer.
        while copy.step(-1).map_err(wrong)? != StepResult::Done {
            tries += 1;
            if tries > BUSY_TRIES {
                return Err(JournalError::disk("backing up", &source, &"it stays busy"));
            }
            std::thread::sleep(BUSY_PAUSE);
        }
    }
    to.close().map_err(|(_, e)| JournalError::sqlite("writing", &target, &e))?;
    File::open(&target)
        .and_then(|f| f.sync_all())
        .map_err(|e| JournalError::disk("syncing", &target, &e))?;
    Ok(Some(BackupFile { name: name.to_owned(), sha256: hash_of_file(&target)? }))
}

/// Removes what reading the copies has left beside them.
fn sweep_beside(dir: &Path, backed_up: &BackedUp) -> Result<(), JournalError> {
    for file in &backed_up.files {
        for suffix in ["-wal", "-shm"] {
            let path = dir.join(format!("{}{suffix}", file.name));
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(JournalError::disk("removing", &path, &e));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn hash_of_file(path: &Path) -> Result<String, JournalError> {
    let wrong = |e: std::io::Error| JournalError::disk("reading", path, &e);
    let mut file = File::open(path).map_err(wrong)?;
    let mut sha = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(wrong)? {
            0 => return Ok(hex(&sha.finalize())),
            n => sha.update(&buffer[..n]),
        }
    }
}
