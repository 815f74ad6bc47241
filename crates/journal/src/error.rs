//! What can go wrong, whose side it is, and whether trying again makes sense.

use std::path::{Path, PathBuf};

/// What can go wrong with a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// There is no room. Nothing of the append was kept; records still go in when events do not.
    #[error("the journal is full: {what}; nothing was taken, try again once there is room")]
    Full {
        /// Which bound was met.
        what: String,
    },
    /// Somebody else owns the records now. Nothing was written; do not try again, stop.
    #[error("epoch {epoch} is over: epoch {by} has begun; nothing was written")]
    Fenced {
        /// The epoch of who tried.
        epoch: u64,
        /// The epoch that is in force.
        by: u64,
    },
    /// The server is away. Trying again makes sense.
    #[error("the cluster's journal is away while {doing}: {what}; try again")]
    Unavailable {
        /// What we were about.
        doing: String,
        /// What it said, or did not.
        what: String,
    },
    /// The server is there and cannot do what we need. Trying again does not help; change it.
    #[error("the cluster's journal cannot be used: {what}")]
    Unsuitable {
        /// What is missing, and what to do.
        what: String,
    },
    /// A file or message of ours does not hold what we wrote.
    #[error("{what}, in {place}; it was left as it is (restore a backup, or move it away)")]
    Damaged {
        /// The file, or stream and sequence.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// Another process has this journal open.
    #[error("{dir} is in use by another process ({owner}); stop that one first", dir = dir.display())]
    InUse {
        /// The journal's folder.
        dir: PathBuf,
        /// What the lock file says about it.
        owner: String,
    },
    /// The caller asked for what cannot be done: a fault of ours, or of the command line.
    #[error("{0}")]
    Invalid(String),
    /// It was opened for reading.
    #[error("this journal was opened for reading only")]
    ReadOnly,
    /// The disk failed us. After a failed write the journal takes nothing more until it is opened
    /// again, because what the disk holds is no longer known.
    #[error("{doing} {file}: {what}", file = file.display())]
    Disk {
        /// What we were about.
        doing: &'static str,
        /// On which file.
        file: PathBuf,
        /// What the system said.
        what: String,
    },
    /// It was closed while we waited.
    #[error("the journal was closed")]
    Closed,
}

impl JournalError {
    /// Whether trying the same again later makes sense.
    pub fn worth_retrying(&self) -> bool {
        matches!(self, JournalError::Full { .. } | JournalError::Unavailable { .. })
    }

    pub(crate) fn disk(
        doing: &'static str,
        file: &Path,
        what: &impl std::fmt::Display,
    ) -> JournalError {
        JournalError::Disk { doing, file: file.to_owned(), what: what.to_string() }
    }

    pub(crate) fn damaged(file: &Path, what: impl Into<String>) -> JournalError {
        JournalError::Damaged { place: file.display().to_string(), what: what.into() }
    }

    /// What SQLite said, in our words: full, damaged, or a disk that failed.
    pub(crate) fn sqlite(doing: &'static str, file: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => JournalError::Full {
                what: format!("no space left on the disk of {}", file.display()),
            },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                JournalError::damaged(file, error.to_string())
            }
            _ => match error {
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..) => {
                    JournalError::damaged(file, format!("a row cannot be read ({error})"))
                }
                _ => JournalError::disk(doing, file, error),
            },
        }
    }
}
