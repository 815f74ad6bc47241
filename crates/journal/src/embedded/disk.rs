//! What is asked of the file system beside SQLite: one owner, how much room there is, a reserve,
//! and folders that are synced.
//!
//! The reserve is a file that holds nothing. When the disk is full it is given up, and the room it
//! leaves is for records alone: what was decided can still be written down while events are
//! refused. It is made again when there is room for it and as much again.

// statvfs and posix_fallocate have no safe form in std.
#![allow(unsafe_code)]

use crate::error::JournalError;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a measurement of the disk is believed.
const MEASURE_EVERY: Duration = Duration::from_millis(500);

/// After how many appended bytes it is measured again, if that comes first.
const MEASURE_AFTER_BYTES: u64 = 1024 * 1024;

/// What SQLite may write for bytes given to it: pages, the log beside the file, indexes.
const WRITE_FACTOR: u64 = 3;

/// Takes the folder for this process until the file is dropped.
pub fn lock(dir: &Path) -> Result<File, JournalError> {
    let path = dir.join("lock");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(|e| JournalError::disk("opening the lock", &path, &e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            let owner = owner.trim();
            return Err(JournalError::InUse {
                dir: dir.to_owned(),
                owner: if owner.is_empty() { "unknown".into() } else { owner.into() },
            });
        }
        Err(fs::TryLockError::Error(e)) => {
            return Err(JournalError::disk("locking", &path, &e));
        }
    }
    // Who it is, for the message above; the lock itself does not depend on it.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "process {}", std::process::id()));
    Ok(file)
}

/// Makes what was created or removed in a folder durable.
pub fn sync_dir(dir: &Path) -> Result<(), JournalError> {
    File::open(dir)
        .and_then(|d| d.sync_all())
        .map_err(|e| JournalError::disk("syncing the folder", dir, &e))
}

/// Bytes an unprivileged process may still write on the disk of `dir`.
fn free_bytes(dir: &Path) -> io::Result<u64> {
    let path = CString::new(dir.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a NUL in the path"))?;
    // SAFETY: `stat` is plain numbers, for which all zeros is a value, and `path` ends with a NUL
    // and outlives the call.
    let stat = unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        if libc::statvfs(path.as_ptr(), &raw mut stat) != 0 {
            return Err(io::Error::last_os_error());
        }
        stat
    };
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Gives a file its blocks, so that they are ours whatever others write.
fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    let len = libc::off_t::try_from(bytes).unwrap_or(libc::off_t::MAX);
    // SAFETY: the descriptor is open for writing as long as `file` lives.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, len) } {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code)),
    }
}

/// Bytes of all files in a folder, without the reserve.
pub fn used_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .filter(|e| e.file_name() != RESERVE)
        .filter_map(|e| e.metadata().ok())
        .filter(fs::Metadata::is_file)
        .map(|m| m.len())
        .sum()
}

const RESERVE: &str = "reserve";

/// How much room there is, for whom.
pub struct Room {
    dir: PathBuf,
    /// Below this much free space events are refused.
    floor: u64,
    /// Most bytes the folder's files may have for events to be taken; records may use the
    /// reserve's size on top.
    max_bytes: Option<u64>,
    reserve_bytes: u64,
    reserve_held: bool,
    measured: Option<Instant>,
    used: u64,
    free: u64,
    /// Bytes appended since the measurement, by estimate.
    appended: u64,
}

/// What changed about the reserve, for the caller to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReserveChange {
    /// It is there again.
    Restored,
}

impl Room {
    /// Measures, and makes the reserve where there is room for it. `Err` in the second place says
    /// why there is none; the journal works without.
    pub fn new(
        dir: &Path,
        reserve_bytes: u64,
        floor: u64,
        max_bytes: Option<u64>,
    ) -> (Room, Result<(), io::Error>) {
        let mut room = Room {
            dir: dir.to_owned(),
            floor,
            max_bytes,
            reserve_bytes,
            reserve_held: false,
            measured: None,
            used: 0,
            free: 0,
            appended: 0,
        };
        room.measure();
        let held = fs::metadata(room.reserve_file()).is_ok_and(|m| m.len() == reserve_bytes);
        let made = if reserve_bytes == 0 || held { Ok(()) } else { room.make_reserve() };
        room.reserve_held = reserve_bytes > 0 && made.is_ok();
        room.measure();
        (room, made)
    }

    /// The file.
    pub fn reserve_file(&self) -> PathBuf {
        self.dir.join(RESERVE)
    }

    /// Whether it is in place, or none was asked for.
    pub fn reserve_held(&self) -> bool {
        self.reserve_held || self.reserve_bytes == 0
    }

    /// Bytes used, as last measured.
    pub fn used(&self) -> u64 {
        self.used + self.appended
    }

    /// Whether `bytes` of events may be written now.
    pub fn for_events(&mut self, bytes: u64) -> Result<Option<ReserveChange>, String> {
        self.look_if_due();
        let mut change = None;
        if !self.reserve_held()
            && self.free > self.floor + 2 * self.reserve_bytes
            && self.max_bytes.is_none_or(|max| self.used() < max)
            && self.make_reserve().is_ok()
        {
            self.reserve_held = true;
            change = Some(ReserveChange::Restored);
        }
        let needed = bytes * WRITE_FACTOR;
        if self.free.saturating_sub(self.appended) < self.floor + needed {
            self.measured = None;
            return Err(format!(
                "{} MiB are free on the disk of {}, and {} MiB are kept free for records",
                self.free >> 20,
                self.dir.display(),
                self.floor >> 20
            ));
        }
        if let Some(max) = self.max_bytes
            && self.used() + needed > max
        {
            self.measured = None;
            return Err(format!("{} has reached its most, {} MiB", self.dir.display(), max >> 20));
        }
        self.appended += needed;
        Ok(change)
    }

    /// Whether `bytes` of records may be written: more than for events, by the reserve.
    pub fn for_records(&mut self, bytes: u64) -> RoomForRecords {
        self.look_if_due();
        let needed = bytes * WRITE_FACTOR;
        if let Some(max) = self.max_bytes {
            if self.used() + needed > max + self.reserve_bytes {
                self.measured = None;
                return RoomForRecords::None(format!(
                    "{} has reached its most, reserve included",
                    self.dir.display()
                ));
            }
            if self.used() + needed > max {
                self.appended += needed;
                return RoomForRecords::InReserve;
            }
        }
        self.appended += needed;
        RoomForRecords::Enough
    }

    /// Gives the reserve up. Whether there was one.
    pub fn release_reserve(&mut self) -> bool {
        let had = self.reserve_held && fs::remove_file(self.reserve_file()).is_ok();
        if had {
            // The blocks are free only once the folder's change is on the disk.
            let _ = sync_dir(&self.dir);
        }
        self.reserve_held = false;
        self.measured = None;
        had
    }

    fn look_if_due(&mut self) {
        if self.measured.is_none_or(|at| at.elapsed() >= MEASURE_EVERY)
            || self.appended >= MEASURE_AFTER_BYTES
        {
            self.measure();
        }
    }

    fn measure(&mut self) {
        self.used = used_bytes(&self.dir);
        // A disk that cannot be asked is not called full for that.
        self.free = free_bytes(&self.dir).unwrap_or(u64::MAX / 4);
        self.appended = 0;
        self.measured = Some(Instant::now());
    }

    fn make_reserve(&mut self) -> io::Result<()> {
        let path = self.reserve_file();
        if self.free < self.floor + self.reserve_bytes {
            return Err(io::Error::other(format!("only {} MiB are free", self.free >> 20)));
        }
        let made = File::create(&path).and_then(|file| {
            preallocate(&file, self.reserve_bytes)?;
            file.sync_all()
        });
        if made.is_err() {
            let _ = fs::remove_file(&path);
        }
        self.measured = None;
        made
    }
}

/// Where a record would go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomForRecords {
    /// There is room.
    Enough,
    /// Only if the reserve is given up.
    InReserve,
    /// Not even then.
    None(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_owner_and_the_next_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = lock(dir.path()).unwrap();
        let refused = lock(dir.path()).unwrap_err();
        let me = format!("process {}", std::process::id());
        assert!(refused.to_string().contains(&me), "{refused}");
        drop(held);
        lock(dir.path()).unwrap();
    }

    #[test]
    fn the_reserve_takes_its_room_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let (mut room, made) = Room::new(dir.path(), 1 << 20, 0, None);
        made.unwrap();
        assert!(room.reserve_held());
        let meta = fs::metadata(room.reserve_file()).unwrap();
        assert!(std::os::unix::fs::MetadataExt::blocks(&meta) * 512 >= 1 << 20, "not sparse");
        assert!(room.release_reserve());
        assert!(!room.reserve_file().exists() && !room.reserve_held());
        assert_eq!(room.for_events(10), Ok(Some(ReserveChange::Restored)));
        assert!(room.reserve_file().exists());
    }

    #[test]
    fn events_meet_the_floor_before_records_do() {
        let dir = tempfile::tempdir().unwrap();
        let (mut room, _) = Room::new(dir.path(), 0, u64::MAX / 8, None);
        assert!(room.for_events(1).unwrap_err().contains("kept free for records"));
        assert_eq!(room.for_records(1), RoomForRecords::Enough);
    }
}
