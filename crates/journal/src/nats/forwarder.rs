//! Hands the spool's frames on to the cluster's journal: in order, each exactly once, for as long
//! as it takes.
//!
//! The numbers of events are counted here. A batch of frames is published on the condition that
//! the stream still ends where the counting began; if another machine was quicker, nothing is
//! stored, we look again and count from there.
//!
//! *Was it stored?* After an answer that did not come, or a crash, that has to be found out before
//! anything is sent again. Every batch we send is conditional on the one before it, so from the
//! place where we last looked, our stored frames stand one behind the other without anything in
//! between: it is enough to read on from that place until a message is not our next one. That
//! place is written into the spool before the first batch is sent from it, and moved forward
//! lazily as answers come. Message ids make the server refuse a repeat as well, but only for two
//! minutes; nothing rests on them.

use super::Link;
use super::events::{End, end_of};
use super::messages::{FromSpool, read_frame, write_frame};
use super::session::{Published, Session};
use crate::embedded::EmbeddedJournal;
use crate::error::JournalError;
use crate::port::{EventFrame, Journal as _};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the position stands in the spool's notes.
const NOTE: &str = "forwarded";

/// Most frames in one batch: a round trip for each batch is then no limit, and a batch that was
/// overtaken costs little.
const BATCH_FRAMES: usize = 64;

/// Most bytes in one batch.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Most events read from the spool for one batch.
const BATCH_EVENTS: usize = 20_000;

/// How often the position is written down while answers come.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// The pause after a failure, from the first to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);

/// How far we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// A sequence of the stream behind which our frames stand one behind the other.
    behind: u64,
    /// The spool's number of the first event that is not known to be stored.
    next: u64,
}

/// Runs until the journal is closed.
pub async fn run(link: Arc<Link>) {
    let mut forwarder = Forwarder {
        link: link.clone(),
        position: None,
        saved: None,
        saved_at: Instant::now(),
        end: None,
    };
    let mut attempt = 0u32;
    while !link.cancel.is_cancelled() {
        let mut connects = link.connects.subscribe();
        let step = tokio::select! {
            () = link.cancel.cancelled() => break,
            step = forwarder.step_on_this_connection() => step,
        };
        match step {
            Ok(()) => {
                if attempt > 0 {
                    link.telemetry.journal.forward_recovered(attempt);
                    link.set_error(None);
                }
                attempt = 0;
            }
            Err(JournalError::Closed) => break,
            Err(why) => {
                attempt += 1;
                forwarder.end = None;
                link.telemetry.journal.forward_retried(&why, attempt);
                link.tell_waiting();
                link.set_error(Some(why.to_string()));
                let pause = PAUSE_FIRST * 2u32.saturating_pow(attempt.min(10) - 1);
                tokio::select! {
                    () = link.cancel.cancelled() => break,
                    () = tokio::time::sleep(pause.min(PAUSE_LONGEST)) => {}
                    // The server is back: no need to sit out the pause.
                    _ = connects.changed() => {}
                }
            }
        }
    }
    // Not needed for safety; it saves the next start some reading.
    let _ = forwarder.save().await;
}

async fn noted(spool: &EmbeddedJournal) -> Result<Option<Position>, JournalError> {
    let Some(text) = spool.noted(NOTE).await? else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|e| JournalError::Damaged {
        place: "the spool's journal.db".into(),
        what: format!("the place it was handed on to cannot be read ({e})"),
    })
}

/// The spool's last event that is known to be in the stream.
pub async fn handed_on(spool: &EmbeddedJournal) -> Result<u64, JournalError> {
    match noted(spool).await? {
        Some(position) => Ok(position.next - 1),
        None => Ok(spool.first_event().await? - 1),
    }
}

struct Forwarder {
    link: Arc<Link>,
    /// `None` until it was read from the spool.
    position: Option<Position>,
    /// As it is written down.
    saved: Option<Position>,
    saved_at: Instant,
    /// The stream's end, as far as we know; `None` when we have to look.
    end: Option<End>,
}

impl Forwarder {
    /// One batch, or waiting for one; given up when the connection is made anew, because an answer
    /// that was under way then never comes.
    async fn step_on_this_connection(&mut self) -> Result<(), JournalError> {
        let link = self.link.clone();
        let session = link.session().await?;
        let mut connects = link.connects.subscribe();
        let again = tokio::select! {
            step = self.step(&session) => return step,
            _ = connects.changed() => Ok(()),
        };
        self.end = None;
        again
    }

    /// One batch, or waiting for one. Safe to drop at any await: what is doubtful then is resolved
    /// by the look that comes before the next batch.
    async fn step(&mut self, session: &Session) -> Result<(), JournalError> {
        let (mut position, mut end) = match (self.position, self.end) {
            (Some(position), Some(end)) => (position, end),
            _ => self.look(session).await?,
        };
        let spool = &self.link.spool;
        let waiting = (spool.last_event().await? + 1).saturating_sub(position.next);
        self.link.set_forwarded(position.next - 1);
        if waiting == 0 {
            if self.saved == self.position {
                return spool.wait_events(position.next).await;
            }
            let pause = SAVE_EVERY.saturating_sub(self.saved_at.elapsed());
            return match tokio::time::timeout(pause, spool.wait_events(position.next)).await {
                Ok(waited) => waited,
                Err(_) => self.save().await,
            };
        }
        let frames = self.next_frames(position.next).await?;
        let events: u64 = frames.iter().map(|f| u64::from(f.count)).sum();
        let Some(last) = frames.last().map(EventFrame::last) else {
            return Err(JournalError::Damaged {
                place: "the spool".into(),
                what: format!("event {} is missing", position.next),
            });
        };
        let identity = self.link.identity();
        let received = end.received.max((self.link.options.clock)());
        let mut next = end.next;
        let messages: Vec<_> = frames
            .into_iter()
            .map(|local| {
                let from = FromSpool { spool: self.link.spool_name.clone(), first: local.first };
                let frame = EventFrame { first: next, received, ..local };
                next = frame.last() + 1;
                write_frame(&self.link.options.prefix, &identity, &frame, Some(&from))
            })
            .collect();
        let count = messages.len() as u64;
        // Until the answer is here the end is in doubt; if this future is dropped, we look again.
        self.end = None;
        match session.publish(&session.events, end.sequence, messages).await? {
            Published::Stored(sequence) if sequence == end.sequence + count => {
                end = End { sequence, next, received };
                position = Position { behind: sequence, next: last + 1 };
                self.position = Some(position);
                self.end = Some(end);
                self.link.telemetry.journal.events_forwarded(events);
                self.link.set_forwarded(last);
                if self.saved_at.elapsed() >= SAVE_EVERY {
                    self.save().await?;
                }
                Ok(())
            }
            // Stored elsewhere than asked cannot be; the look will tell.
            Published::Stored(_) | Published::Overtaken => {
                self.link.telemetry.journal.forward_overtaken();
                Ok(())
            }
            // One that was under way has arrived after all: look again, after a pause.
            Published::SeenBefore => Err(JournalError::Unavailable {
                doing: "forwarding".into(),
                what: "the server has these frames already".into(),
            }),
        }
    }

    /// Finds out which of our frames are stored and where the stream ends, and writes the place
    /// down before anything is sent from it.
    async fn look(&mut self, session: &Session) -> Result<(Position, End), JournalError> {
        session.check()?;
        let end = end_of(session).await?;
        let mut position = match self.position {
            Some(position) => position,
            None => self.read_position(end.sequence).await?,
        };
        if end.sequence < position.behind {
            // The stream was put back to an earlier state. What is still in the spool goes again;
            // what is stored is behind no known place, so all of it is looked through.
            position.behind = 0;
        }
        let first = session.state(&session.events).await?.first_sequence;
        let mut at = (position.behind + 1).max(first);
        while at <= end.sequence {
            let Some(message) = session.get(&session.events, at).await? else { break };
            let stored = read_frame(at, &message.headers, &message.payload);
            let ours = stored.and_then(|s| {
                let from = s.from.filter(|f| f.spool == self.link.spool_name)?;
                Some((from.first, u64::from(s.frame.count)))
            });
            match ours {
                Some((first, count)) => {
                    let next = first == position.next;
                    position.next += if next { count } else { 0 };
                    self.link.telemetry.journal.events_forwarded(if next { count } else { 0 });
                }
                // Behind the place where we looked last, the first message that is not ours ends
                // what we have stored. From the stream's beginning, ours may stand anywhere.
                None if position.behind > 0 => break,
                None => {}
            }
            at += 1;
        }
        position.behind = end.sequence;
        self.position = Some(position);
        self.save().await?;
        self.end = Some(end);
        Ok((position, end))
    }

    /// As it was written down. A spool that never was handed on has nothing in the stream.
    async fn read_position(&self, end: u64) -> Result<Position, JournalError> {
        match noted(&self.link.spool).await? {
            Some(position) => Ok(position),
            None => Ok(Position { behind: end, next: self.link.spool.first_event().await? }),
        }
    }

    /// Writes down how far we are, and lets go what is stored.
    async fn save(&mut self) -> Result<(), JournalError> {
        let Some(position) = self.position else { return Ok(()) };
        if self.saved == Some(position) {
            return Ok(());
        }
        let text =
            serde_json::to_string(&position).map_err(|e| JournalError::Invalid(e.to_string()))?;
        self.link.spool.note(NOTE, text).await?;
        self.saved = Some(position);
        self.saved_at = Instant::now();
        self.link.spool.drop_through(position.next - 1).await
    }

    async fn next_frames(&self, from: u64) -> Result<Vec<EventFrame>, JournalError> {
        let mut frames = self.link.spool.read_events(from, BATCH_EVENTS).await?;
        let mut bytes = 0;
        let fit = frames
            .iter()
            .take(BATCH_FRAMES)
            .take_while(|f| {
                bytes += f.body.len();
                bytes <= BATCH_BYTES
            })
            .count();
        frames.truncate(fit.max(1));
        Ok(frames)
    }
}
