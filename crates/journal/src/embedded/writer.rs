//! The one thread that writes.
//!
//! Group commit: while a commit is being synced, appends queue up; the next commit takes all of
//! them. One alone waits for one sync, a thousand at once wait for one or two. Events go first,
//! into the day's file; then records and the rest, into the ledger, because records speak of
//! events.
//!
//! A commit that fails for lack of room leaves everything as it was. One that fails for any other
//! reason leaves unknown what the disk holds (a failed sync drops dirty pages for good), so the
//! journal then refuses everything until it is opened again and reads what is really there.

use super::configurations::PackedConfiguration;
use super::disk::{self, ReserveChange, Room, RoomForRecords};
use super::ledger::{self, PackedSnapshot, key};
use super::reader::{Shared, Status};
use super::segments::{self, PackedFrame, SegmentId, SegmentInfo};
use crate::chain::{ChainEnd, hash_of};
use crate::error::JournalError;
use crate::frame::{Part, pack};
use crate::port::{
    Accepted, Clock, Epoch, EventFrame, Expired, Import, NewRecord, Record, RecordKind,
};
use model::Timestamp;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Telemetry;
use tokio::sync::{mpsc, oneshot};

/// Most appends in one commit. Enough for a storm; a bound so that the first one's answer comes.
const GROUP_MAX: usize = 2048;

/// Most packed bytes in one commit, for the same reason.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What a row costs beside its body, for the estimate of a file's size.
const ROW_OVERHEAD: u64 = 64;

type Reply<T> = oneshot::Sender<Result<T, JournalError>>;

/// A part of a frame, with its body as it goes to the disk.
pub struct PackedPart {
    pub part: Part,
    pub packed: Vec<u8>,
}

/// What can be asked of the writer.
pub enum Request {
    Events { producer: String, parts: Vec<PackedPart>, reply: Reply<Accepted> },
    Records { epoch: u64, records: Vec<NewRecord>, reply: Reply<Vec<Record>> },
    Own { owner: String, reply: Reply<Epoch> },
    Snapshot { snapshot: PackedSnapshot, reply: Reply<()> },
    Configuration { configuration: PackedConfiguration, reply: Reply<()> },
    Note { key: &'static str, value: String, reply: Reply<()> },
    Expire { now: Timestamp, reply: Reply<Expired> },
    DropThrough { event: u64, reply: Reply<()> },
    Import { what: Import, reply: Reply<()> },
}

/// Everything the writing thread owns.
pub struct Writer {
    pub shared: Arc<Shared>,
    pub telemetry: Arc<Telemetry>,
    pub clock: Clock,
    pub ledger: Connection,
    pub active: Option<Active>,
    /// The last event number given.
    pub last: u64,
    /// The latest `received` given.
    pub received: Timestamp,
    pub end: ChainEnd,
    pub room: Room,
    pub retention: Duration,
    pub record_retention: Duration,
    pub segment_bytes: u64,
    /// Why nothing is written any more.
    pub broken: Option<JournalError>,
    /// Why events are refused now.
    pub refusing: Option<String>,
}

/// The file that events go into now.
pub struct Active {
    pub id: SegmentId,
    pub db: Connection,
    /// Its size, by estimate.
    pub bytes: u64,
}

/// Events that wait for the next commit.
struct WaitingEvents {
    producer: String,
    parts: Vec<PackedPart>,
    reply: Reply<Accepted>,
}

/// What waits for the next commit of the ledger.
enum LedgerWork {
    Records { epoch: u64, records: Vec<NewRecord>, reply: Reply<Vec<Record>> },
    Own { owner: String, reply: Reply<Epoch> },
    Snapshot { snapshot: PackedSnapshot, reply: Reply<()> },
    Configuration { configuration: PackedConfiguration, reply: Reply<()> },
    Note { key: &'static str, value: String, reply: Reply<()> },
}

/// What to answer once the commit is durable.
enum LedgerAnswer {
    Records(Result<Vec<Record>, JournalError>),
    Own(Epoch),
    Done(Result<(), JournalError>),
}

impl Writer {
    /// Writes until nobody can ask any more.
    pub fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        while let Some(first) = requests.blocking_recv() {
            let mut events = Vec::new();
            let mut ledger = Vec::new();
            let mut alone = Vec::new();
            let mut bytes = 0;
            let mut taken = 0;
            let mut next = Some(first);
            while let Some(request) = next.take() {
                taken += 1;
                match request {
                    Request::Events { producer, parts, reply } => {
                        bytes += parts.iter().map(|p| p.packed.len()).sum::<usize>();
                        events.push(WaitingEvents { producer, parts, reply });
                    }
                    Request::Records { epoch, records, reply } => {
                        bytes += records.iter().map(|r| r.body.len()).sum::<usize>();
                        ledger.push(LedgerWork::Records { epoch, records, reply });
                    }
                    Request::Own { owner, reply } => ledger.push(LedgerWork::Own { owner, reply }),
                    Request::Snapshot { snapshot, reply } => {
                        bytes += snapshot.body.len();
                        ledger.push(LedgerWork::Snapshot { snapshot, reply });
                    }
                    Request::Configuration { configuration, reply } => {
                        bytes += configuration.body.len();
                        ledger.push(LedgerWork::Configuration { configuration, reply });
                    }
                    Request::Note { key, value, reply } => {
                        ledger.push(LedgerWork::Note { key, value, reply });
                    }
                    other => alone.push(other),
                }
                if taken < GROUP_MAX && bytes < GROUP_BYTES_MAX {
                    next = requests.try_recv().ok();
                }
            }
            self.commit_events(events);
            self.commit_ledger(ledger);
            for request in alone {
                self.answer_alone(request);
            }
            self.tell_status();
        }
    }

    // --- events ---------------------------------------------------------------------------------

    fn commit_events(&mut self, waiting: Vec<WaitingEvents>) {
        if waiting.is_empty() {
            return;
        }
        let bytes = waiting.iter().flat_map(|w| &w.parts).map(|p| p.packed.len() as u64).sum();
        let received = self.received.max((self.clock)());
        match self.room_for_events(bytes).and_then(|()| self.write_events(&waiting, received)) {
            Ok(()) => {
                if self.refusing.take().is_some() {
                    self.telemetry.journal.room_found_again();
                }
                self.received = received;
                let mut frames = Vec::with_capacity(waiting.len());
                let (mut events, mut raw) = (0u64, 0u64);
                let mut answers = Vec::with_capacity(waiting.len());
                for WaitingEvents { producer, parts, reply } in waiting {
                    let first = self.last + 1;
                    let mut count = 0u32;
                    for PackedPart { part, .. } in parts {
                        let frame = EventFrame {
                            first: self.last + 1,
                            count: part.count,
                            received,
                            producer: producer.clone(),
                            body: part.body,
                        };
                        self.last = frame.last();
                        count += frame.count;
                        raw += frame.body.len() as u64;
                        frames.push(frame);
                    }
                    events += u64::from(count);
                    answers.push((reply, Accepted { first: Some(first), count, received }));
                }
                self.telemetry.journal.frames_appended(frames.len() as u64, events, raw);
                let last = self.last;
                self.shared.change_segments(|s| {
                    if let Some(active) = s.last_mut() {
                        active.last = last;
                        active.received = received;
                    }
                });
                self.shared.publish(frames, last);
                self.tell_status();
                for (reply, accepted) in answers {
                    // Nobody waiting any more is nobody's loss: the events are durable.
                    let _ = reply.send(Ok(accepted));
                }
            }
            Err(error) => {
                let appends = waiting.len() as u64;
                self.refused(&error, appends);
                self.tell_status();
                for w in waiting {
                    let _ = w.reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn room_for_events(&mut self, bytes: u64) -> Result<(), JournalError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        match self.room.for_events(bytes) {
            Ok(change) => {
                if change == Some(ReserveChange::Restored) {
                    self.telemetry.journal.reserve_restored();
                }
                Ok(())
            }
            Err(what) => Err(JournalError::Full { what }),
        }
    }

    fn write_events(
        &mut self,
        waiting: &[WaitingEvents],
        received: Timestamp,
    ) -> Result<(), JournalError> {
        let frames = waiting.iter().flat_map(|w| w.parts.iter().map(|p| (&w.producer, p)));
        let mut first = self.last + 1;
        let packed: Vec<PackedFrame<'_>> = frames
            .map(|(producer, p)| {
                let frame = PackedFrame {
                    first,
                    count: p.part.count,
                    received,
                    producer,
                    size: p.part.body.len(),
                    body: &p.packed,
                };
                first += u64::from(frame.count);
                frame
            })
            .collect();
        self.write_frames(&packed)
    }

    /// Writes frames of one day in one commit.
    fn write_frames(&mut self, frames: &[PackedFrame<'_>]) -> Result<(), JournalError> {
        let Some(head) = frames.first() else { return Ok(()) };
        let (received, first) = (head.received, head.first);
        self.turn_to(received, first)?;
        let Some(active) = &mut self.active else { return Err(JournalError::Closed) };
        let path = active.id.path(&self.shared.dir);
        let wrong = |e: rusqlite::Error| JournalError::sqlite("writing events to", &path, &e);
        let began = Instant::now();
        let tx = active.db.transaction().map_err(wrong)?;
        for frame in frames {
            segments::insert(&tx, frame).map_err(wrong)?;
        }
        tx.commit().map_err(wrong)?;
        self.telemetry.journal.commit_synced(began.elapsed());
        active.bytes += frames.iter().map(|f| f.body.len() as u64 + ROW_OVERHEAD).sum::<u64>();
        Ok(())
    }

    /// Makes the file of this instant's day the active one.
    fn turn_to(&mut self, received: Timestamp, first: u64) -> Result<(), JournalError> {
        let today = SegmentId::of(received);
        let id = match &self.active {
            Some(a) if a.id.day == today.day && a.bytes < self.segment_bytes => return Ok(()),
            Some(a) if a.id.day == today.day => SegmentId { part: a.id.part + 1, ..today },
            _ => today,
        };
        let db = segments::open_segment(&self.shared.dir, &id)?;
        self.shared.change_segments(|s| {
            // One that never got a frame is replaced in the list, and swept at the next start.
            s.retain(|s| s.last >= s.first);
            s.push(SegmentInfo { id: id.clone(), first, last: first - 1, received });
        });
        // Dropping the old connection folds its log into the file.
        self.active = Some(Active { id, db, bytes: 0 });
        Ok(())
    }

    // --- the ledger -----------------------------------------------------------------------------

    fn commit_ledger(&mut self, work: Vec<LedgerWork>) {
        if work.is_empty() {
            return;
        }
        let mut written = self.write_ledger(&work);
        if matches!(written, Err(JournalError::Full { .. })) && self.release_reserve() {
            written = self.write_ledger(&work);
        }
        match written {
            Ok((answers, end)) => {
                let records = end.number - self.end.number;
                self.end = end.clone();
                self.shared.set_end(end);
                self.tell_status();
                if records > 0 {
                    self.telemetry.journal.records_appended(records);
                }
                for (work, answer) in work.into_iter().zip(answers) {
                    match (work, answer) {
                        (LedgerWork::Records { reply, .. }, LedgerAnswer::Records(result)) => {
                            if let Err(JournalError::Fenced { epoch, by }) = &result {
                                self.telemetry.journal.append_fenced(*epoch, *by);
                            }
                            let _ = reply.send(result);
                        }
                        (LedgerWork::Own { reply, .. }, LedgerAnswer::Own(epoch)) => {
                            let _ = reply.send(Ok(epoch));
                        }
                        (
                            LedgerWork::Snapshot { reply, .. }
                            | LedgerWork::Configuration { reply, .. }
                            | LedgerWork::Note { reply, .. },
                            LedgerAnswer::Done(result),
                        ) => {
                            let _ = reply.send(result);
                        }
                        _ => unreachable!("write_ledger answers each in kind"),
                    }
                }
            }
            Err(error) => {
                self.refused(&error, work.len() as u64);
                self.tell_status();
                for work in work {
                    match work {
                        LedgerWork::Records { reply, .. } => drop(reply.send(Err(error.clone()))),
                        LedgerWork::Own { reply, .. } => drop(reply.send(Err(error.clone()))),
                        LedgerWork::Snapshot { reply, .. }
                        | LedgerWork::Configuration { reply, .. }
                        | LedgerWork::Note { reply, .. } => {
                            drop(reply.send(Err(error.clone())));
                        }
                    }
                }
            }
        }
    }

    /// Writes all of it in one commit, and gives the answers and the chain's new end, which count
    /// only because the commit has succeeded.
    fn write_ledger(
        &mut self,
        work: &[LedgerWork],
    ) -> Result<(Vec<LedgerAnswer>, ChainEnd), JournalError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let bytes = work.iter().map(LedgerWork::bytes).sum();
        match self.room.for_records(bytes) {
            RoomForRecords::Enough => {}
            RoomForRecords::InReserve => drop(self.release_reserve()),
            RoomForRecords::None(what) => return Err(JournalError::Full { what }),
        }
        let path = self.shared.dir.join(ledger::FILE);
        let wrong = |e: rusqlite::Error| JournalError::sqlite("writing records to", &path, &e);
        let unpackable = |e: std::io::Error| JournalError::disk("packing for", &path, &e);
        let began = Instant::now();
        let now = (self.clock)();
        let mut end = self.end.clone();
        let mut answers = Vec::with_capacity(work.len());
        let tx = self.ledger.transaction().map_err(wrong)?;
        for work in work {
            answers.push(match work {
                LedgerWork::Records { epoch, .. } if *epoch != end.epoch => {
                    LedgerAnswer::Records(Err(JournalError::Fenced {
                        epoch: *epoch,
                        by: end.epoch,
                    }))
                }
                LedgerWork::Records { epoch, records, .. } => {
                    let mut written = Vec::with_capacity(records.len());
                    for new in records {
                        let record = end.follow(new.clone(), *epoch, now);
                        let packed = pack(&record.body).map_err(unpackable)?;
                        ledger::insert(&tx, &record, &packed).map_err(wrong)?;
                        end.advance(&record);
                        written.push(record);
                    }
                    LedgerAnswer::Records(Ok(written))
                }
                LedgerWork::Own { owner, .. } => {
                    let record = end.follow_with_epoch(owner, now);
                    let packed = pack(&record.body).map_err(unpackable)?;
                    ledger::insert(&tx, &record, &packed).map_err(wrong)?;
                    end.advance(&record);
                    LedgerAnswer::Own(Epoch {
                        number: record.epoch,
                        record: record.number,
                        owner: owner.clone(),
                    })
                }
                LedgerWork::Snapshot { snapshot, .. } => LedgerAnswer::Done(
                    // Like events, a snapshot does not get the room that is kept for records.
                    match self.room.for_events(snapshot.body.len() as u64) {
                        Ok(_) => snapshot.insert(&tx).map_err(wrong),
                        Err(what) => Err(JournalError::Full { what }),
                    },
                ),
                LedgerWork::Configuration { configuration, .. } => LedgerAnswer::Done(
                    match self.room.for_events(configuration.body.len() as u64) {
                        Ok(_) => configuration.insert(&tx).map_err(wrong),
                        Err(what) => Err(JournalError::Full { what }),
                    },
                ),
                LedgerWork::Note { key, value, .. } => {
                    ledger::set(&tx, key, value).map_err(wrong)?;
                    LedgerAnswer::Done(Ok(()))
                }
            });
        }
        tx.commit().map_err(wrong)?;
        self.telemetry.journal.commit_synced(began.elapsed());
        Ok((answers, end))
    }

    // --- the rest, one at a time ----------------------------------------------------------------

    fn answer_alone(&mut self, request: Request) {
        match request {
            Request::Expire { now, reply } => {
                let result = self.expire(now);
                self.note_failure(result.as_ref().err());
                let _ = reply.send(result);
            }
            Request::DropThrough { event, reply } => {
                let result = self.drop_through(event);
                self.note_failure(result.as_ref().err());
                let _ = reply.send(result);
            }
            Request::Import { what, reply } => {
                let result = self.import(what);
                self.note_failure(result.as_ref().err());
                let _ = reply.send(result);
            }
            Request::Events { .. }
            | Request::Records { .. }
            | Request::Own { .. }
            | Request::Snapshot { .. }
            | Request::Configuration { .. }
            | Request::Note { .. } => unreachable!("these go with a group"),
        }
    }

    fn expire(&mut self, now: Timestamp) -> Result<Expired, JournalError> {
        let kept_from = segments::day_of(now - self.retention);
        let (old, _) = self.old_segments();
        let mut expired = Expired::default();
        let mut doomed = Vec::new();
        for segment in old.into_iter().filter(|s| s.id.day < kept_from) {
            if self.end.number > 0 && segment.last > self.end.through {
                expired.held_back += 1;
            } else {
                expired.segments += 1;
                expired.events += segment.last + 1 - segment.first;
                doomed.push(segment);
            }
        }
        self.drop_segments(&doomed)?;
        let path = self.shared.dir.join(ledger::FILE);
        expired.records = ledger::drop_records(&mut self.ledger, now - self.record_retention)
            .map_err(|e| JournalError::sqlite("dropping records from", &path, &e))?;
        Ok(expired)
    }

    fn drop_through(&mut self, event: u64) -> Result<(), JournalError> {
        let (old, active) = self.old_segments();
        let doomed: Vec<_> = old.into_iter().filter(|s| s.last <= event).collect();
        self.drop_segments(&doomed)?;
        // An active file that is all handed on and large is left behind as well.
        if active.is_some_and(|a| a.last <= event)
            && self.active.as_ref().is_some_and(|a| a.bytes >= self.segment_bytes)
        {
            let (received, next) = (self.received, self.last + 1);
            self.turn_to(received, next)?;
            return self.drop_through(event);
        }
        Ok(())
    }

    /// The files that are not written any more, and the one that is.
    fn old_segments(&self) -> (Vec<SegmentInfo>, Option<SegmentInfo>) {
        let mut old = Vec::new();
        let mut active = None;
        self.shared.change_segments(|s| {
            for segment in s.iter() {
                if self.active.as_ref().is_some_and(|a| a.id == segment.id) {
                    active = Some(segment.clone());
                } else {
                    old.push(segment.clone());
                }
            }
        });
        (old, active)
    }

    fn drop_segments(&mut self, doomed: &[SegmentInfo]) -> Result<(), JournalError> {
        if doomed.is_empty() {
            return Ok(());
        }
        // Numbers and time go on from where they were, even when no file is left to tell.
        let path = self.shared.dir.join(ledger::FILE);
        let wrong = |e: rusqlite::Error| JournalError::sqlite("writing to", &path, &e);
        let tx = self.ledger.transaction().map_err(wrong)?;
        ledger::set(&tx, key::LAST_EVENT, self.last.cast_signed()).map_err(wrong)?;
        ledger::set(&tx, key::LAST_RECEIVED, self.received.as_millis()).map_err(wrong)?;
        tx.commit().map_err(wrong)?;
        self.shared.change_segments(|s| s.retain(|s| !doomed.iter().any(|d| d.id == s.id)));
        self.shared.close_idle();
        let first = doomed.iter().map(|s| s.last + 1).max().unwrap_or(0);
        self.shared.forget_before(first);
        for segment in doomed {
            remove_database(&segment.id.path(&self.shared.dir))?;
            let events = segment.last + 1 - segment.first;
            self.telemetry.journal.segment_dropped(&segment.id.to_string(), events);
        }
        disk::sync_dir(&self.shared.dir)
    }

    fn import(&mut self, what: Import) -> Result<(), JournalError> {
        match what {
            Import::Identity(identity) => {
                if self.last > 0 || self.end.number > 0 {
                    return Err(JournalError::Invalid(
                        "the name of a journal that has been written cannot change".into(),
                    ));
                }
                let path = self.shared.dir.join(ledger::FILE);
                ledger::set(&self.ledger, key::IDENTITY, identity)
                    .map_err(|e| JournalError::sqlite("writing to", &path, &e))
            }
            Import::Frames(frames) => self.import_frames(&frames),
            Import::Records(records) => self.import_records(&records),
        }
    }

    fn import_frames(&mut self, frames: &[EventFrame]) -> Result<(), JournalError> {
        for day in
            frames.chunk_by(|a, b| segments::day_of(a.received) == segments::day_of(b.received))
        {
            let mut next = self.last + 1;
            let mut received = self.received;
            let mut packed = Vec::with_capacity(day.len());
            for frame in day {
                let fresh = self.last == 0 && packed.is_empty();
                if !(frame.follows(next) || fresh) || frame.count == 0 || frame.first == 0 {
                    return Err(JournalError::Invalid(format!(
                        "event {} cannot follow event {}",
                        frame.first,
                        next - 1
                    )));
                }
                if frame.received < received {
                    return Err(JournalError::Invalid(format!(
                        "event {} was taken at {}, before the one in front of it",
                        frame.first, frame.received
                    )));
                }
                (next, received) = (frame.last() + 1, frame.received);
                let body = pack(&frame.body)
                    .map_err(|e| JournalError::disk("packing for", &self.shared.dir, &e))?;
                packed.push(body);
            }
            let rows: Vec<PackedFrame<'_>> = day
                .iter()
                .zip(&packed)
                .map(|(frame, body)| PackedFrame {
                    first: frame.first,
                    count: frame.count,
                    received: frame.received,
                    producer: &frame.producer,
                    size: frame.body.len(),
                    body,
                })
                .collect();
            self.room_for_events(packed.iter().map(|p| p.len() as u64).sum())?;
            self.write_frames(&rows)?;
            self.last = next - 1;
            self.received = received;
            let last = self.last;
            self.shared.change_segments(|s| {
                if let Some(active) = s.last_mut() {
                    active.last = last;
                    active.received = received;
                }
            });
            self.shared.publish(day.iter().cloned(), last);
        }
        Ok(())
    }

    fn import_records(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let Some(head) = records.first() else { return Ok(()) };
        let path = self.shared.dir.join(ledger::FILE);
        let wrong = |e: rusqlite::Error| JournalError::sqlite("writing records to", &path, &e);
        let mut end = self.end.clone();
        let tx = self.ledger.transaction().map_err(wrong)?;
        if end.number == 0 && head.number > 1 {
            end.number = head.number - 1;
            end.hash = head.prev;
            ledger::set(&tx, key::CHAIN_START, end.number.cast_signed()).map_err(wrong)?;
            ledger::set(&tx, key::CHAIN_START_HASH, end.hash).map_err(wrong)?;
        }
        for record in records {
            follows(&end, record)?;
            let packed =
                pack(&record.body).map_err(|e| JournalError::disk("packing for", &path, &e))?;
            ledger::insert(&tx, record, &packed).map_err(wrong)?;
            end.advance(record);
        }
        tx.commit().map_err(wrong)?;
        self.telemetry.journal.records_appended(records.len() as u64);
        self.end = end.clone();
        self.shared.set_end(end);
        Ok(())
    }

    // --- doubt ----------------------------------------------------------------------------------

    fn release_reserve(&mut self) -> bool {
        let released = self.room.release_reserve();
        if released {
            self.telemetry.journal.reserve_released(&self.room.reserve_file());
        }
        released
    }

    fn refused(&mut self, error: &JournalError, appends: u64) {
        if let JournalError::Full { what } = error {
            let first = self.refusing.is_none();
            self.refusing = Some(what.clone());
            self.telemetry.journal.append_refused_full(appends, what, first);
        }
        self.note_failure(Some(error));
    }

    fn note_failure(&mut self, error: Option<&JournalError>) {
        if let Some(error @ (JournalError::Disk { .. } | JournalError::Damaged { .. })) = error
            && self.broken.is_none()
        {
            self.broken = Some(error.clone());
            self.telemetry.journal.journal_broke(error);
        }
    }

    fn tell_status(&self) {
        self.shared.set_status(Status {
            refusing: self.broken.as_ref().map(ToString::to_string).or(self.refusing.clone()),
            bytes: self.room.used(),
            reserve: self.room.reserve_held(),
        });
    }
}

impl LedgerWork {
    fn bytes(&self) -> u64 {
        match self {
            LedgerWork::Records { records, .. } => {
                records.iter().map(|r| r.body.len() as u64 / 2 + 256).sum()
            }
            LedgerWork::Own { .. } | LedgerWork::Note { .. } => 256,
            // Room for these is looked for by themselves.
            LedgerWork::Snapshot { .. } | LedgerWork::Configuration { .. } => 0,
        }
    }
}

/// Whether a record of another journal follows the end of this one.
pub fn follows(end: &ChainEnd, record: &Record) -> Result<(), JournalError> {
    if record.number != end.number + 1 || record.prev != end.hash {
        return Err(JournalError::Invalid(format!(
            "record {} does not follow record {} of this journal",
            record.number, end.number
        )));
    }
    if hash_of(record) != record.hash {
        return Err(JournalError::Invalid(format!(
            "record {} was touched: its hash does not fit",
            record.number
        )));
    }
    if record.kind == RecordKind::Epoch && record.epoch != end.epoch + 1 && end.epoch != 0 {
        return Err(JournalError::Invalid(format!(
            "record {} begins epoch {} after epoch {}",
            record.number, record.epoch, end.epoch
        )));
    }
    Ok(())
}

/// Removes a database with what SQLite keeps beside it. The log goes first: a log whose file is
/// gone would be taken for that of the next file of this name.
pub fn remove_database(path: &std::path::Path) -> Result<(), JournalError> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let file = PathBuf::from(name);
        match std::fs::remove_file(&file) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(JournalError::disk("removing", &file, &e)),
        }
    }
    Ok(())
}
