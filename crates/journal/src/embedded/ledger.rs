//! `journal.db`: the records with their chain, the last snapshots, and what must outlive the
//! files of events (the instance's name, the last number given).

use super::segments::{open_readable, open_writable};
use crate::chain::{ChainEnd, GENESIS};
use crate::error::JournalError;
use crate::frame::{pack, unpack};
use crate::port::{Record, RecordKind, Snapshot};
use model::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::path::Path;

/// Its name in the journal's folder.
pub const FILE: &str = "journal.db";

/// How many snapshots are kept: the newest, and one to fall back on.
const SNAPSHOTS_KEPT: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
    CREATE TABLE record (
        number  INTEGER PRIMARY KEY,
        epoch   INTEGER NOT NULL,
        at      INTEGER NOT NULL,     -- ms since 1970
        kind    TEXT    NOT NULL,     -- epoch, decisions, delivery
        through INTEGER NOT NULL,     -- the last event it takes into account
        prev    BLOB    NOT NULL,     -- the hash of the record before
        hash    BLOB    NOT NULL,     -- SHA-256 over prev, kind, epoch, through, number, at, body
        size    INTEGER NOT NULL,     -- bytes of the body before packing
        body    BLOB    NOT NULL      -- NDJSON, zstd with checksum
    );
    CREATE TABLE snapshot (
        number         INTEGER PRIMARY KEY AUTOINCREMENT,
        version        TEXT    NOT NULL,
        through_event  INTEGER NOT NULL,
        through_record INTEGER NOT NULL,
        size           INTEGER NOT NULL,
        body           BLOB    NOT NULL
    );";

/// What stands in `meta`, under which key.
pub mod key {
    /// The instance's unique name.
    pub const IDENTITY: &str = "identity";
    /// The last event number given when a file was dropped.
    pub const LAST_EVENT: &str = "last_event";
    /// The latest `received` then.
    pub const LAST_RECEIVED: &str = "last_received";
    /// The last record's number, so that a cut-off end is noticed.
    pub const LAST_RECORD: &str = "last_record";
    /// The number of the last record dropped.
    pub const CHAIN_START: &str = "chain_start";
    /// Its hash.
    pub const CHAIN_START_HASH: &str = "chain_start_hash";
}

/// Opens it to write; makes it when it is not there.
pub fn open(dir: &Path) -> Result<Connection, JournalError> {
    let path = dir.join(FILE);
    let db = open_writable(&path, SCHEMA)?;
    super::configurations::make(&db).map_err(|e| JournalError::sqlite("opening", &path, &e))?;
    Ok(db)
}

/// Whether a table is there.
pub fn has_table(db: &Connection, name: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")?
        .exists([name])
}

/// Opens it to read.
pub fn open_to_read(dir: &Path) -> Result<Connection, JournalError> {
    let path = dir.join(FILE);
    open_readable(&path)?.ok_or_else(|| {
        JournalError::Invalid(format!(
            "there is no journal in {} ({FILE} is missing)",
            dir.display()
        ))
    })
}

/// A text of `meta`.
pub fn text(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT value FROM meta WHERE key = ?")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// A number of `meta`.
pub fn number(db: &Connection, key: &str) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT value FROM meta WHERE key = ?")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// Sets a value of `meta`.
pub fn set(db: &Connection, key: &str, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?
        .execute(params![key, value])?;
    Ok(())
}

/// A name nobody else has: `name` as one plain word, and four characters from `random`. Two
/// installations must not find each other's tickets.
pub fn new_identity(name: &str, random: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let name: String = name.chars().map(plain).collect();
    format!("{name}-{}", model::id::short_hash(&["identity", random], 4))
}

/// The instance's name, made up at the first call.
pub fn identity(db: &Connection, name: &str) -> rusqlite::Result<String> {
    if let Some(identity) = text(db, key::IDENTITY)? {
        return Ok(identity);
    }
    let random: String = db.query_row("SELECT hex(randomblob(16))", [], |row| row.get(0))?;
    let identity = new_identity(name, &random);
    set(db, key::IDENTITY, &identity)?;
    Ok(identity)
}

/// Writes a record, within the caller's transaction.
pub fn insert(db: &Connection, record: &Record, packed: &[u8]) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached("INSERT INTO record VALUES (?,?,?,?,?,?,?,?,?)")?;
    statement.execute(params![
        record.number.cast_signed(),
        record.epoch.cast_signed(),
        record.at.as_millis(),
        record.kind.word(),
        record.through.cast_signed(),
        record.prev,
        record.hash,
        record.body.len() as i64,
        packed,
    ])?;
    set(db, key::LAST_RECORD, record.number.cast_signed())
}

/// Where the chain is hung up: the last record dropped, and its hash.
pub fn chain_start(db: &Connection) -> rusqlite::Result<(u64, [u8; 32])> {
    let number = number(db, key::CHAIN_START)?.unwrap_or(0).cast_unsigned();
    let hash = db
        .query_row("SELECT value FROM meta WHERE key = ?", [key::CHAIN_START_HASH], |row| {
            row.get::<_, [u8; 32]>(0)
        })
        .optional()?;
    Ok((number, hash.unwrap_or(GENESIS)))
}

/// The end of the chain.
pub fn chain_end(db: &Connection) -> rusqlite::Result<ChainEnd> {
    let (number, hash) = chain_start(db)?;
    let mut end = ChainEnd { number, hash, ..ChainEnd::EMPTY };
    let last = db
        .query_row(
            "SELECT number, hash, at, epoch, through FROM record ORDER BY number DESC LIMIT 1",
            [],
            |row| {
                Ok(ChainEnd {
                    number: row.get::<_, i64>(0)?.cast_unsigned(),
                    hash: row.get(1)?,
                    at: Timestamp::from_millis(row.get(2)?),
                    epoch: row.get::<_, i64>(3)?.cast_unsigned(),
                    through: row.get::<_, i64>(4)?.cast_unsigned(),
                })
            },
        )
        .optional()?;
    if let Some(last) = last {
        end = last;
    }
    Ok(end)
}

/// The last record's number as it was written down with it; more than the table holds when its
/// end was cut off.
pub fn last_record(db: &Connection) -> rusqlite::Result<u64> {
    let written = number(db, key::LAST_RECORD)?.unwrap_or(0);
    Ok(written.cast_unsigned().max(chain_end(db)?.number))
}

/// Reads records.
pub fn read(
    db: &Connection,
    path: &Path,
    from: u64,
    max: usize,
) -> Result<Vec<Record>, JournalError> {
    let wrong = |e: rusqlite::Error| JournalError::sqlite("reading records from", path, &e);
    let mut statement = db
        .prepare_cached("SELECT * FROM record WHERE number >= ? ORDER BY number LIMIT ?")
        .map_err(wrong)?;
    let limit = i64::try_from(max).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![from.cast_signed(), limit]).map_err(wrong)?;
    let mut out = Vec::new();
    while let Some(row) = rows.next().map_err(wrong)? {
        let number = row.get::<_, i64>(0).map_err(wrong)?;
        out.push(record_of(row).map_err(|what| {
            JournalError::damaged(path, format!("record {number} cannot be read ({what})"))
        })?);
    }
    Ok(out)
}

fn record_of(row: &Row<'_>) -> Result<Record, String> {
    let wrong = |e: rusqlite::Error| e.to_string();
    let kind: String = row.get(3).map_err(wrong)?;
    let size = row.get::<_, i64>(7).map_err(wrong)?;
    let packed = row.get_ref(8).map_err(wrong)?.as_blob().map_err(|e| e.to_string())?;
    let size = usize::try_from(size).map_err(|e| e.to_string())?;
    Ok(Record {
        number: row.get::<_, i64>(0).map_err(wrong)?.cast_unsigned(),
        epoch: row.get::<_, i64>(1).map_err(wrong)?.cast_unsigned(),
        at: Timestamp::from_millis(row.get(2).map_err(wrong)?),
        kind: RecordKind::from_word(&kind).ok_or_else(|| format!("its kind is {kind:?}"))?,
        through: row.get::<_, i64>(4).map_err(wrong)?.cast_unsigned(),
        prev: row.get(5).map_err(wrong)?,
        hash: row.get(6).map_err(wrong)?,
        body: unpack(packed, size).map_err(|e| e.to_string())?,
    })
}

/// Drops records written before `limit`, except the last one. How many.
pub fn drop_records(db: &mut Connection, limit: Timestamp) -> rusqlite::Result<u64> {
    let tx = db.transaction()?;
    let last = tx
        .query_row(
            "SELECT number, hash FROM record
             WHERE at < ?1 AND number < (SELECT max(number) FROM record)
             ORDER BY number DESC LIMIT 1",
            [limit.as_millis()],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)),
        )
        .optional()?;
    let Some((number, hash)) = last else { return Ok(0) };
    let dropped = tx.execute("DELETE FROM record WHERE number <= ?", [number])?;
    set(&tx, key::CHAIN_START, number)?;
    set(&tx, key::CHAIN_START_HASH, hash)?;
    tx.commit()?;
    Ok(dropped as u64)
}

/// A snapshot, packed for the disk.
pub struct PackedSnapshot {
    version: String,
    through_event: u64,
    through_record: u64,
    size: usize,
    /// The body, packed.
    pub body: Vec<u8>,
}

impl PackedSnapshot {
    /// Packs it.
    pub fn of(snapshot: &Snapshot) -> std::io::Result<PackedSnapshot> {
        Ok(PackedSnapshot {
            version: snapshot.version.clone(),
            through_event: snapshot.through_event,
            through_record: snapshot.through_record,
            size: snapshot.body.len(),
            body: pack(&snapshot.body)?,
        })
    }

    /// Writes it and drops the ones before the last, within the caller's transaction.
    pub fn insert(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached(
            "INSERT INTO snapshot (version, through_event, through_record, size, body)
             VALUES (?,?,?,?,?)",
        )?
        .execute(params![
            self.version,
            self.through_event.cast_signed(),
            self.through_record.cast_signed(),
            self.size as i64,
            self.body,
        ])?;
        db.prepare_cached(
            "DELETE FROM snapshot WHERE number <= (SELECT max(number) FROM snapshot) - ?",
        )?
        .execute([SNAPSHOTS_KEPT])?;
        Ok(())
    }
}

/// The newest snapshot that can be read: a damaged one is passed over, for it can be done without.
pub fn latest_snapshot(db: &Connection) -> rusqlite::Result<Option<Snapshot>> {
    let mut statement = db.prepare_cached(
        "SELECT version, through_event, through_record, size, body FROM snapshot
         ORDER BY number DESC",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let size = usize::try_from(row.get::<_, i64>(3)?).unwrap_or(usize::MAX);
        let Ok(body) = row.get_ref(4)?.as_blob().map(|packed| unpack(packed, size)) else {
            continue;
        };
        match body {
            Ok(body) => {
                return Ok(Some(Snapshot {
                    version: row.get(0)?,
                    through_event: row.get::<_, i64>(1)?.cast_unsigned(),
                    through_record: row.get::<_, i64>(2)?.cast_unsigned(),
                    body,
                }));
            }
            Err(why) => tracing::warn!(%why, "a snapshot cannot be read; the one before is used"),
        }
    }
    Ok(None)
}
