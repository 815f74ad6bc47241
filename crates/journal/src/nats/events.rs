//! Events in the cluster's journal: finding a number, reading on from it, and following live.
//!
//! Every frame says the number of its first event in a header, and the one who published it could
//! only do so right behind the frame it had counted from. So numbers along the stream only grow,
//! without a gap, and a number is found by halving.

use super::Link;
use super::messages::{StoredFrame, read_frame};
use super::records;
use super::session::Session;
use crate::embedded::{Tail, day_of};
use crate::error::JournalError;
use crate::port::{EventFrame, Expired};
use async_nats::jetstream::consumer::{DeliverPolicy, pull::OrderedConfig};
use futures_util::StreamExt as _;
use model::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How many messages of others are passed over in search of one of ours.
const FOREIGN_MAX: u64 = 10_000;

/// Most bytes of bodies that one read gives back.
const READ_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many places where a reader stopped are remembered: the next read goes on from there.
const HINTS_MAX: usize = 8;

/// After so long without a message the follower looks itself whether it has missed one.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The pause after a failure, growing to the second.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(3);

/// Where the stream of events ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The sequence of the last message, ours or not: what a publish has to expect.
    pub sequence: u64,
    /// The number that the next event gets.
    pub next: u64,
    /// When the last one was taken.
    pub received: Timestamp,
}

/// Looks at the end, by the leader.
pub async fn end_of(session: &Session) -> Result<End, JournalError> {
    let message = match session.last(&session.events).await? {
        Err(0) => return Ok(End { sequence: 0, next: 1, received: Timestamp::MIN }),
        Err(last) => return Err(emptied(last)),
        Ok(message) => message,
    };
    let sequence = message.sequence;
    let mut found = read_frame(sequence, &message.headers, &message.payload);
    let mut at = sequence;
    while found.is_none() && at > 1 && sequence - at < FOREIGN_MAX {
        at -= 1;
        match session.get(&session.events, at).await? {
            Some(m) => found = read_frame(at, &m.headers, &m.payload),
            None => break,
        }
    }
    match found {
        Some(StoredFrame { frame, .. }) => {
            Ok(End { sequence, next: frame.last() + 1, received: frame.received })
        }
        None if at <= 1 => Ok(End { sequence, next: 1, received: Timestamp::MIN }),
        None => Err(emptied(sequence)),
    }
}

fn emptied(sequence: u64) -> JournalError {
    JournalError::Damaged {
        place: format!("the stream of events, up to {sequence}"),
        what: "no frame of ours is left, so nobody knows which number comes next".into(),
    }
}

/// What reading shares: the newest frames, and where readers stopped.
pub struct Events {
    tail: Mutex<Tail>,
    last: watch::Sender<u64>,
    hints: Mutex<VecDeque<(u64, u64)>>,
    following: tokio::sync::OnceCell<()>,
}

impl Events {
    pub fn new(tail_bytes: usize) -> Events {
        Events {
            tail: Mutex::new(Tail::new(tail_bytes)),
            last: watch::Sender::new(0),
            hints: Mutex::new(VecDeque::new()),
            following: tokio::sync::OnceCell::new(),
        }
    }

    /// Whole frames from the one that holds `from`.
    pub async fn read(
        &self,
        session: &Session,
        from: u64,
        max_events: usize,
    ) -> Result<Vec<EventFrame>, JournalError> {
        let from = from.max(1);
        if let Some(frames) = lock(&self.tail).read(from, max_events) {
            return Ok(frames);
        }
        let state = session.state(&session.events).await?;
        let hint = lock(&self.hints).iter().find(|(number, _)| *number == from).map(|h| h.1);
        let begin = match hint {
            Some(sequence) if sequence >= state.first_sequence => sequence,
            _ => locate(session, from, state.first_sequence, state.last_sequence).await?,
        };
        let mut frames: Vec<EventFrame> = Vec::new();
        let (mut events, mut bytes) = (max_events, READ_BYTES_MAX);
        let mut stopped = begin;
        if begin <= state.last_sequence && events > 0 {
            session
                .range(
                    &session.events,
                    begin..=state.last_sequence,
                    |sequence, headers, payload| {
                        stopped = sequence + 1;
                        let stored = read_frame(sequence, headers, payload);
                        if let Some(StoredFrame { frame, .. }) = stored
                            && frame.last() >= from
                        {
                            let wanted = frame.last() + 1 - frame.first.max(from);
                            events = events.saturating_sub(wanted as usize);
                            bytes = bytes.saturating_sub(frame.body.len());
                            frames.push(frame);
                        }
                        events > 0 && bytes > 0
                    },
                )
                .await?;
        }
        if let Some(last) = frames.last() {
            let mut hints = lock(&self.hints);
            hints.retain(|(number, _)| *number != from);
            hints.push_back((last.last() + 1, stopped));
            while hints.len() > HINTS_MAX {
                hints.pop_front();
            }
        }
        Ok(frames)
    }

    /// Waits until an event with this number or a later one can be read. The first one who waits
    /// starts the follower.
    pub async fn wait(self: &Arc<Self>, link: &Arc<Link>, number: u64) -> Result<(), JournalError> {
        self.following
            .get_or_init(|| async {
                tokio::spawn(follow(self.clone(), link.clone()));
            })
            .await;
        let mut last = self.last.subscribe();
        tokio::select! {
            () = link.cancel.cancelled() => Err(JournalError::Closed),
            seen = last.wait_for(|l| *l >= number) => match seen {
                Ok(_) => Ok(()),
                Err(_) => Err(JournalError::Closed),
            },
        }
    }

    /// What is dropped from the stream is not kept in memory either.
    pub fn forget_before(&self, first: u64) {
        lock(&self.tail).forget_before(first);
    }

    fn take(&self, frame: EventFrame) {
        let number = frame.last();
        lock(&self.tail).push(frame);
        self.last.send_if_modified(|l| {
            let grown = number > *l;
            *l = number.max(*l);
            grown
        });
    }
}

/// The first sequence whose frame ends at or after `number`; one behind the last when none does.
pub async fn locate(
    session: &Session,
    number: u64,
    first: u64,
    last: u64,
) -> Result<u64, JournalError> {
    search(session, first, last, |frame| frame.last() >= number).await
}

/// The first sequence whose frame fulfils `reached`, which holds from some frame on.
pub async fn search(
    session: &Session,
    first: u64,
    last: u64,
    reached: impl Fn(&EventFrame) -> bool,
) -> Result<u64, JournalError> {
    let (mut low, mut high) = (first.max(1), last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        // A message of somebody else says nothing: the next one of ours speaks for it.
        let mut at = middle;
        let mut found = None;
        while at < high && at - middle < FOREIGN_MAX && found.is_none() {
            if let Some(m) = session.get(&session.events, at).await? {
                found = read_frame(at, &m.headers, &m.payload);
            }
            at += 1;
        }
        match found {
            Some(stored) if !reached(&stored.frame) => low = stored.sequence + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The number of the first event kept; the next one to come when there is none.
pub async fn first_event(session: &Session) -> Result<u64, JournalError> {
    match first_frame(session).await? {
        Some(frame) => Ok(frame.first),
        None => Ok(end_of(session).await?.next),
    }
}

/// When the first event kept was taken.
pub async fn oldest(session: &Session) -> Result<Option<Timestamp>, JournalError> {
    Ok(first_frame(session).await?.map(|f| f.received))
}

async fn first_frame(session: &Session) -> Result<Option<EventFrame>, JournalError> {
    let state = session.state(&session.events).await?;
    let mut at = state.first_sequence.max(1);
    while at <= state.last_sequence && at - state.first_sequence < FOREIGN_MAX {
        if let Some(m) = session.get(&session.events, at).await?
            && let Some(stored) = read_frame(at, &m.headers, &m.payload)
        {
            return Ok(Some(stored.frame));
        }
        at += 1;
    }
    Ok(None)
}

/// Drops whole days that ended before `limit`, as far as records cover their events, and never
/// the last frame, from which numbers go on.
pub async fn expire(
    events: &Events,
    session: &Session,
    limit: Timestamp,
    telemetry: &telemetry::Telemetry,
) -> Result<Expired, JournalError> {
    let day = day_of(limit);
    let covered = records::end_of(session).await?;
    let state = session.state(&session.events).await?;
    let (first, last) = (state.first_sequence.max(1), state.last_sequence);
    let mut expired = Expired::default();
    if first >= last {
        return Ok(expired);
    }
    let old = search(session, first, last - 1, |f| day_of(f.received) >= day).await?;
    let mut until = old;
    if covered.number > 0 {
        until = search(session, first, last - 1, |f| {
            day_of(f.received) >= day || f.last() > covered.through
        })
        .await?;
        expired.held_back = u64::from(until < old);
    }
    if until > first {
        let before = first_event(session).await?;
        session.purge_before(&session.events, until).await?;
        expired.segments = 1;
        let first_kept = first_event(session).await?;
        events.forget_before(first_kept);
        expired.events = first_kept.saturating_sub(before);
        telemetry.journal.segment_dropped("the stream of events", expired.events);
    }
    Ok(expired)
}

/// Follows the stream's end until the journal is closed: keeps the newest frames, and tells how
/// far it is. A gap or an error means to begin anew right behind the last message seen.
async fn follow(events: Arc<Events>, link: Arc<Link>) {
    let mut next: Option<u64> = None;
    let mut pause = PAUSE_FIRST;
    let cancel = link.cancel.clone();
    while !cancel.is_cancelled() {
        let before = next;
        let mut connects = link.connects.subscribe();
        let stopped = tokio::select! {
            () = cancel.cancelled() => return,
            stopped = follow_once(&events, &link, &mut next) => stopped,
        };
        if let Err(why) = stopped {
            link.telemetry.journal.follow_restarted(&why);
            pause = if next == before { (pause * 2).min(PAUSE_LONGEST) } else { PAUSE_FIRST };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                _ = connects.changed() => {}
            }
        }
    }
}

async fn follow_once(
    events: &Arc<Events>,
    link: &Arc<Link>,
    next: &mut Option<u64>,
) -> Result<(), JournalError> {
    let session = link.session().await?;
    let mut connects = link.connects.subscribe();
    let begin = if let Some(next) = *next {
        next
    } else {
        // From the last frame that is there, so that the tail has a beginning.
        let end = end_of(&session).await?;
        events.last.send_if_modified(|l| {
            *l = (end.next - 1).max(*l);
            true
        });
        end.sequence.max(1)
    };
    *next = Some(begin);
    let away = |what: String| JournalError::Unavailable { doing: "following events".into(), what };
    let consumer = session
        .events
        .create_consumer(OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: begin },
            ..OrderedConfig::default()
        })
        .await
        .map_err(|e| away(e.to_string()))?;
    let mut messages = consumer.messages().await.map_err(|e| away(e.to_string()))?;
    let mut expected = begin;
    loop {
        let message = tokio::select! {
            message = tokio::time::timeout(LOOK_EVERY, messages.next()) => message,
            // After a reconnect the old subscription may stay silent for long.
            _ = connects.changed() => return Ok(()),
        };
        let message = match message {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(e))) => return Err(away(e.to_string())),
            Ok(None) => return Err(away("it ended".into())),
            Err(_) => {
                // A hint that never came is made good by a look.
                if session.state(&session.events).await?.last_sequence >= expected {
                    return Err(away("messages were missed".into()));
                }
                continue;
            }
        };
        let sequence = message.info().map_err(|e| away(e.to_string()))?.stream_sequence;
        if sequence < expected {
            continue;
        }
        if sequence > expected {
            // Messages before it are gone only when they were dropped for age while we were away.
            let first = session.state(&session.events).await?.first_sequence;
            if first < sequence {
                return Err(away(format!("{sequence} came where {expected} was expected")));
            }
        }
        let message: async_nats::Message = message.into();
        let headers = message.headers.unwrap_or_default();
        if let Some(stored) = read_frame(sequence, &headers, &message.payload) {
            events.take(stored.frame);
        }
        expected = sequence + 1;
        *next = Some(expected);
    }
}

/// No lock of ours is held across anything that may panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
