//! Backup of a journal that may be running, and restoring it.
//!
//! Each file is copied by SQLite's own backup, in one step under a read lock that does not hold
//! the writer up. The ledger goes first: the files of events that are copied after it hold at
//! least the events that its records speak of. `backup.json` is written last and names every file
//! with its hash; a folder without it is a backup that was cut short.

use super::segments::{self, open_readable};
use super::{EmbeddedJournal, disk, ledger};
use crate::chain::hex;
use crate::error::JournalError;
use crate::verify;
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
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
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupFile {
    name: String,
    sha256: String,
}

/// Copies the journal in `dir`, running or not, into the folder `into`, which must be new or
/// empty. Blocks.
pub fn backup(dir: &Path, into: &Path) -> Result<BackedUp, JournalError> {
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
    };
    drop(db);
    sweep_beside(into, &backed_up)?;
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
pub fn restore(from: &Path, into: &Path) -> Result<BackedUp, JournalError> {
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
    match verified.touched {
        Some(touched) => Err(JournalError::Damaged {
            place: from.display().to_string(),
            what: touched.to_string(),
        }),
        None => Ok(backed_up),
    }
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
