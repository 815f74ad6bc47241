//! Reading: the newest frames from memory, the rest from the files, beside the writer and without
//! waiting for it.

use super::ledger;
use super::segments::{self, Budget, SegmentId, SegmentInfo};
use crate::chain::ChainEnd;
use crate::error::JournalError;
use crate::port::EventFrame;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The most bytes of bodies that one read gives back. Whoever wants more asks again.
const READ_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many open files wait for the next read. Readers are few: the core, views, an export.
const IDLE_FILES_MAX: usize = 6;

/// What the writer and the readers of one journal share.
pub struct Shared {
    /// The journal's folder.
    pub dir: PathBuf,
    /// Whether a writer of this process keeps `segments`, `last` and `end` true. If not, another
    /// process may be writing, and the files are looked at again for every question.
    live: bool,
    segments: Mutex<Vec<SegmentInfo>>,
    /// The last event that is durable.
    pub last: watch::Sender<u64>,
    end: Mutex<ChainEnd>,
    tail: Mutex<Tail>,
    idle: Mutex<Vec<(PathBuf, Connection)>>,
    status: Mutex<Status>,
}

/// What the writer tells about itself.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Why events are refused now, if they are.
    pub refusing: Option<String>,
    /// Bytes on the disk.
    pub bytes: u64,
    /// The reserve is in place.
    pub reserve: bool,
}

impl Shared {
    /// Of a folder whose content the caller has just looked at.
    pub fn new(
        dir: &Path,
        live: bool,
        segments: Vec<SegmentInfo>,
        last: u64,
        end: ChainEnd,
        tail_bytes: usize,
    ) -> Shared {
        Shared {
            dir: dir.to_owned(),
            live,
            segments: Mutex::new(segments),
            last: watch::Sender::new(last),
            end: Mutex::new(end),
            tail: Mutex::new(Tail::new(tail_bytes)),
            idle: Mutex::new(Vec::new()),
            status: Mutex::new(Status { reserve: true, ..Status::default() }),
        }
    }

    /// Whether this process writes it.
    pub fn live(&self) -> bool {
        self.live
    }

    /// The files of events, in order.
    pub fn segments(&self) -> Result<Vec<SegmentInfo>, JournalError> {
        if !self.live {
            self.look_again()?;
        }
        Ok(lock(&self.segments).clone())
    }

    /// For the writer: what the files are from now on.
    pub fn change_segments(&self, change: impl FnOnce(&mut Vec<SegmentInfo>)) {
        change(&mut lock(&self.segments));
    }

    /// The end of the records' chain.
    pub fn end(&self) -> Result<ChainEnd, JournalError> {
        if !self.live {
            let db = ledger::open_to_read(&self.dir)?;
            return ledger::chain_end(&db).map_err(|e| self.ledger_wrong(&e));
        }
        Ok(lock(&self.end).clone())
    }

    /// For the writer: the chain has a new end.
    pub fn set_end(&self, end: ChainEnd) {
        *lock(&self.end) = end;
    }

    /// For the writer: frames are durable.
    pub fn publish(&self, frames: impl IntoIterator<Item = EventFrame>, last: u64) {
        {
            let mut tail = lock(&self.tail);
            for frame in frames {
                tail.push(frame);
            }
        }
        self.last.send_replace(last);
    }

    /// For the writer: what is dropped from the files is not kept in memory either.
    pub fn forget_before(&self, first: u64) {
        lock(&self.tail).forget_before(first);
    }

    /// How the writer is.
    pub fn status(&self) -> Status {
        lock(&self.status).clone()
    }

    /// For the writer.
    pub fn set_status(&self, status: Status) {
        *lock(&self.status) = status;
    }

    /// The newest frames, if `from` is among them.
    pub fn read_tail(&self, from: u64, max_events: usize) -> Option<Vec<EventFrame>> {
        lock(&self.tail).read(from, max_events)
    }

    /// Frames from the files. Blocks.
    pub fn read_files(
        &self,
        from: u64,
        max_events: usize,
    ) -> Result<Vec<EventFrame>, JournalError> {
        let mut budget = Budget { events: max_events, bytes: READ_BYTES_MAX };
        let mut out = Vec::new();
        for segment in self.segments()?.iter().filter(|s| s.last >= from) {
            if budget.events == 0 || budget.bytes == 0 {
                break;
            }
            let path = segment.id.path(&self.dir);
            // A file that is gone was dropped at the end of its retention while we read.
            self.with_file(&path, |db| segments::read(db, &path, from, &mut budget, &mut out))?;
        }
        Ok(out)
    }

    /// Does something with the ledger. Blocks.
    pub fn with_ledger<T>(
        &self,
        read: impl FnOnce(&Connection, &Path) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let path = self.dir.join(ledger::FILE);
        self.with_file(&path, |db| read(db, &path))?.ok_or_else(|| {
            JournalError::Invalid(format!("there is no journal in {}", self.dir.display()))
        })
    }

    /// Does something with a file, or nothing when it is not there.
    pub fn with_file<T>(
        &self,
        path: &Path,
        read: impl FnOnce(&Connection) -> Result<T, JournalError>,
    ) -> Result<Option<T>, JournalError> {
        let idle = {
            let mut idle = lock(&self.idle);
            idle.iter().position(|(p, _)| p == path).map(|at| idle.swap_remove(at).1)
        };
        let db = match idle {
            // One that was dropped meanwhile is not kept alive by us.
            Some(_) if !path.exists() => return Ok(None),
            Some(db) => db,
            None => match segments::open_readable(path)? {
                Some(db) => db,
                None => return Ok(None),
            },
        };
        // A file that gave an error is closed rather than kept.
        let result = read(&db)?;
        let mut idle = lock(&self.idle);
        if idle.len() >= IDLE_FILES_MAX {
            idle.remove(0);
        }
        idle.push((path.to_owned(), db));
        Ok(Some(result))
    }

    /// Closes what waits open.
    pub fn close_idle(&self) {
        lock(&self.idle).clear();
    }

    pub fn ledger_wrong(&self, error: &rusqlite::Error) -> JournalError {
        JournalError::sqlite("reading", &self.dir.join(ledger::FILE), error)
    }

    /// For a journal that another process may be writing: looks at the newest file, and at those
    /// that were not there before.
    fn look_again(&self) -> Result<(), JournalError> {
        let ids = segments::list(&self.dir)?;
        let known = lock(&self.segments).clone();
        let mut found = Vec::with_capacity(ids.len());
        let newest = ids.last().cloned();
        for id in ids {
            let as_before = known.iter().find(|s| s.id == id && Some(&id) != newest.as_ref());
            match as_before {
                Some(info) => found.push(info.clone()),
                None => found.extend(look_at(self, &id)?),
            }
        }
        let last = found.last().map_or(0, |s| s.last);
        *lock(&self.segments) = found;
        self.last.send_if_modified(|l| {
            let grown = last > *l;
            *l = last.max(*l);
            grown
        });
        Ok(())
    }
}

fn look_at(shared: &Shared, id: &SegmentId) -> Result<Option<SegmentInfo>, JournalError> {
    let found =
        shared.with_file(&id.path(&shared.dir), |db| segments::bounds(db, &shared.dir, id))?;
    Ok(found.flatten())
}

/// No lock of ours is held across anything that may panic half way, so a poisoned one is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The newest frames, kept so that whoever follows closely reads no file.
pub struct Tail {
    frames: VecDeque<EventFrame>,
    bytes: usize,
    bytes_max: usize,
}

/// What a frame costs beside its body.
const FRAME_OVERHEAD: usize = 128;

impl Tail {
    /// Of at most so many bytes.
    pub fn new(bytes_max: usize) -> Tail {
        Tail { frames: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// Adds the next frame; the oldest go when the bound is met. A frame that does not follow the
    /// last one starts the tail anew, so that what is in it has no gap.
    pub fn push(&mut self, frame: EventFrame) {
        if self.frames.back().is_some_and(|back| back.last() + 1 != frame.first) {
            self.frames.clear();
            self.bytes = 0;
        }
        self.bytes += frame.body.len() + FRAME_OVERHEAD;
        self.frames.push_back(frame);
        while self.bytes > self.bytes_max {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= oldest.body.len() + FRAME_OVERHEAD;
        }
    }

    /// Drops frames that end before this event.
    pub fn forget_before(&mut self, first: u64) {
        while self.frames.front().is_some_and(|f| f.last() < first) {
            if let Some(frame) = self.frames.pop_front() {
                self.bytes -= frame.body.len() + FRAME_OVERHEAD;
            }
        }
    }

    /// Frames from the one that holds `from`. `None` when it begins before what is kept.
    pub fn read(&self, from: u64, max_events: usize) -> Option<Vec<EventFrame>> {
        let front = self.frames.front()?;
        if from < front.first {
            return None;
        }
        let begin = self.frames.partition_point(|f| f.last() < from);
        let mut wanted = max_events;
        let mut out = Vec::new();
        for frame in self.frames.range(begin..) {
            if wanted == 0 {
                break;
            }
            wanted = wanted.saturating_sub((frame.last() + 1 - frame.first.max(from)) as usize);
            out.push(frame.clone());
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use model::Timestamp;
    use proptest::prelude::*;

    fn frame(first: u64, count: u32) -> EventFrame {
        EventFrame {
            first,
            count,
            received: Timestamp::from_millis(0),
            producer: "t".into(),
            body: Bytes::from("{}\n".repeat(count as usize)),
        }
    }

    proptest! {
        /// The tail gives exactly what a list of all frames would, or says that it cannot.
        #[test]
        fn the_tail_agrees_with_the_whole(
            counts in prop::collection::vec(1u32..20, 1..40), bound in 200usize..4000,
            from in 1u64..500, max in 1usize..100
        ) {
            let mut tail = Tail::new(bound);
            let mut all = Vec::new();
            let mut next = 1;
            for count in counts {
                all.push(frame(next, count));
                tail.push(frame(next, count));
                next += u64::from(count);
            }
            prop_assert!(tail.bytes <= bound);
            if let Some(read) = tail.read(from, max) {
                let mut wanted = max;
                let expected: Vec<_> = all.iter().filter(|f| f.last() >= from).take_while(|f| {
                    let take = wanted > 0;
                    wanted = wanted.saturating_sub((f.last() + 1 - f.first.max(from)) as usize);
                    take
                }).cloned().collect();
                prop_assert_eq!(read, expected);
            } else {
                prop_assert!(tail.frames.front().is_none_or(|f| from < f.first));
            }
        }
    }

    #[test]
    fn a_gap_starts_the_tail_anew() {
        let mut tail = Tail::new(10_000);
        tail.push(frame(1, 2));
        tail.push(frame(10, 2));
        assert_eq!(tail.read(1, 10), None);
        assert_eq!(tail.read(10, 10), Some(vec![frame(10, 2)]));
        assert_eq!(tail.read(12, 10), Some(vec![]));
    }
}
