//! What configurations' hashes mean, in the ledger beside the records: the newest few.

use super::ledger;
use crate::error::JournalError;
use crate::frame::{pack, unpack};
use crate::port::CONFIGURATIONS_MAX;
use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::Path;

/// Made where it is not there: a ledger of an older version has none.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS configuration (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        hash   TEXT    NOT NULL UNIQUE,
        size   INTEGER NOT NULL,     -- bytes of the body before packing
        body   BLOB    NOT NULL      -- zstd with checksum
    );";

/// Makes the table.
pub fn make(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(TABLE)
}

/// One on its way to the disk.
pub struct PackedConfiguration {
    hash: String,
    size: usize,
    /// The body, packed.
    pub body: Vec<u8>,
}

impl PackedConfiguration {
    /// Packs it.
    pub fn of(hash: &str, body: &[u8]) -> std::io::Result<PackedConfiguration> {
        Ok(PackedConfiguration { hash: hash.to_owned(), size: body.len(), body: pack(body)? })
    }

    /// Writes it as the newest and lets the oldest go, within the caller's transaction.
    pub fn insert(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached("DELETE FROM configuration WHERE hash = ?")?.execute([&self.hash])?;
        db.prepare_cached("INSERT INTO configuration (hash, size, body) VALUES (?,?,?)")?
            .execute(params![self.hash, self.size as i64, self.body])?;
        db.prepare_cached(
            "DELETE FROM configuration WHERE number NOT IN
             (SELECT number FROM configuration ORDER BY number DESC LIMIT ?)",
        )?
        .execute([CONFIGURATIONS_MAX as i64])?;
        Ok(())
    }
}

/// What a hash means.
pub fn read(db: &Connection, path: &Path, hash: &str) -> Result<Option<Bytes>, JournalError> {
    let wrong = |e: rusqlite::Error| JournalError::sqlite("reading a configuration from", path, &e);
    if !there(db).map_err(wrong)? {
        return Ok(None);
    }
    let row = db
        .prepare_cached("SELECT size, body FROM configuration WHERE hash = ?")
        .and_then(|mut s| {
            s.query_row([hash], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
                .optional()
        })
        .map_err(wrong)?;
    let Some((size, packed)) = row else { return Ok(None) };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    unpack(&packed, size).map(Some).map_err(|e| {
        JournalError::damaged(path, format!("configuration {hash} cannot be read ({e})"))
    })
}

/// Every hash, the oldest first.
pub fn hashes(db: &Connection) -> rusqlite::Result<Vec<String>> {
    if !there(db)? {
        return Ok(Vec::new());
    }
    let mut statement = db.prepare_cached("SELECT hash FROM configuration ORDER BY number")?;
    let hashes = statement.query_map([], |row| row.get(0))?;
    hashes.collect()
}

fn there(db: &Connection) -> rusqlite::Result<bool> {
    ledger::has_table(db, "configuration")
}
