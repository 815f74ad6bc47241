//! Records in the cluster's journal. A record's number is its sequence in the stream, so the
//! condition "right behind the last one I know" is the fence: as soon as somebody else has owned,
//! the end is elsewhere, and a stale owner's append stores nothing.
//!
//! An answer that does not come leaves in doubt whether the record is stored. Then the place where
//! it would stand is read: if what stands there has its hash, it is stored; if nothing does, the
//! very same bytes are sent again. So it is never there twice, however often that happens.

use super::Link;
use super::messages::{read_record, write_record};
use super::session::{BATCH_MAX, Published, Session};
use crate::chain::{ChainEnd, GENESIS};
use crate::error::JournalError;
use crate::port::{Epoch, NewRecord, Record};
use model::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How many messages of others are passed over in search of one of ours.
const FOREIGN_MAX: u64 = 1000;

/// The pause after a failure, from the first to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LONGEST: Duration = Duration::from_secs(3);

/// The pause after the end was elsewhere.
const PAUSE_OVERTAKEN: Duration = Duration::from_millis(5);

/// The end of the chain as this process knows it. The lock is held while a record is appended, so
/// that one is never built on another that is in doubt.
#[derive(Default)]
pub struct Records {
    end: Mutex<Option<ChainEnd>>,
}

impl Records {
    /// Appends an epoch record. When the server does not answer the outcome is open: the caller
    /// tries again and gets the epoch after.
    pub async fn own(&self, link: &Link, owner: &str) -> Result<Epoch, JournalError> {
        let mut known = self.end.lock().await;
        let session = link.session().await?;
        loop {
            *known = None;
            let mut end = end_of(&session).await?;
            let record = end.follow_with_epoch(owner, (link.options.clock)());
            let message = write_record(
                &link.options.prefix,
                &link.identity(),
                &record,
                session.client.max_payload(),
            )?;
            match session.publish(&session.records, end.number, vec![message]).await? {
                Published::Stored(sequence) if sequence == record.number => {
                    end.advance(&record);
                    *known = Some(end);
                    link.telemetry.journal.records_appended(1);
                    return Ok(Epoch {
                        number: record.epoch,
                        record: record.number,
                        owner: owner.to_owned(),
                    });
                }
                // Somebody else has owned at the same moment; we come after.
                Published::Stored(_) | Published::Overtaken | Published::SeenBefore => {}
            }
        }
    }

    /// Appends records, and does not come back before they are stored, or somebody else owns.
    pub async fn append(
        &self,
        link: &Link,
        epoch: u64,
        new: &[NewRecord],
    ) -> Result<Vec<Record>, JournalError> {
        let mut known = self.end.lock().await;
        let mut sent: Option<Vec<Record>> = None;
        let mut attempt = 0u32;
        loop {
            let mut connects = link.connects.subscribe();
            let tried = match link.session().await {
                Err(why) => Err(why),
                Ok(session) => {
                    connects.mark_unchanged();
                    tokio::select! {
                        () = link.cancel.cancelled() => return Err(JournalError::Closed),
                        tried = try_append(link, &session, epoch, new, &mut known, &mut sent) => tried,
                        // An answer that was under way never comes on a new connection.
                        _ = connects.changed() => Ok(None),
                    }
                }
            };
            match tried {
                Ok(Some(records)) => {
                    link.telemetry.journal.records_appended(records.len() as u64);
                    if attempt > 0 {
                        link.set_error(None);
                    }
                    return Ok(records);
                }
                Ok(None) => tokio::time::sleep(PAUSE_OVERTAKEN).await,
                Err(why) if why.worth_retrying() => {
                    attempt += 1;
                    link.telemetry.journal.record_retried(&why, attempt);
                    link.set_error(Some(why.to_string()));
                    let pause = PAUSE_FIRST * 2u32.saturating_pow(attempt.min(10) - 1);
                    tokio::select! {
                        () = link.cancel.cancelled() => return Err(JournalError::Closed),
                        () = tokio::time::sleep(pause.min(PAUSE_LONGEST)) => {}
                        _ = connects.changed() => {}
                    }
                }
                Err(why) => {
                    if let JournalError::Fenced { epoch, by } = why {
                        link.telemetry.journal.append_fenced(epoch, by);
                    }
                    return Err(why);
                }
            }
        }
    }

    /// Takes records of another journal as they are.
    pub async fn import(&self, link: &Link, records: &[Record]) -> Result<(), JournalError> {
        let mut known = self.end.lock().await;
        *known = None;
        let session = link.session().await?;
        let Some(head) = records.first() else { return Ok(()) };
        let mut end = match session.last(&session.records).await? {
            Ok(_) => end_of(&session).await?,
            // Nothing there: the chain is hung up where the other one's is.
            Err(last) => {
                if last + 1 != head.number {
                    session.purge_before(&session.records, head.number).await?;
                }
                ChainEnd { number: head.number - 1, hash: head.prev, ..ChainEnd::EMPTY }
            }
        };
        for records in records.chunks(BATCH_MAX / 4) {
            let mut behind = end.clone();
            let mut messages = Vec::with_capacity(records.len());
            for record in records {
                crate::embedded::follows(&behind, record)?;
                behind.advance(record);
                messages.push(write_record(
                    &link.options.prefix,
                    &link.identity(),
                    record,
                    session.client.max_payload(),
                )?);
            }
            match session.publish(&session.records, end.number, messages).await? {
                Published::Stored(_) => end = behind,
                Published::Overtaken | Published::SeenBefore => {
                    return Err(JournalError::Invalid("somebody else writes there".into()));
                }
            }
            link.telemetry.journal.records_appended(records.len() as u64);
        }
        Ok(())
    }
}

/// One try; `None` when the end was elsewhere and the next try begins from there. Safe to drop
/// at any await: what is in doubt then is in `sent`, and looked for first.
async fn try_append(
    link: &Link,
    session: &Session,
    epoch: u64,
    new: &[NewRecord],
    known: &mut Option<ChainEnd>,
    sent: &mut Option<Vec<Record>>,
) -> Result<Option<Vec<Record>>, JournalError> {
    session.check()?;
    if let Some(records) = sent.take() {
        // They may be stored already. Put back first, so that a failed look asks again.
        *sent = Some(records.clone());
        if stands(session, &records).await? {
            *known = Some(end_behind(known.as_ref(), &records));
            return Ok(Some(records));
        }
        let end = end_of(session).await?;
        if known.as_ref().is_none_or(|k| (k.number, k.hash) != (end.number, end.hash)) {
            // Somebody else's record is where ours would be: ours is not stored and, for its
            // condition, will not be.
            *sent = None;
            *known = Some(end);
        }
    }
    let end = match known.clone() {
        Some(end) => end,
        None => end_of(session).await?,
    };
    *known = Some(end.clone());
    if end.epoch != epoch {
        return Err(JournalError::Fenced { epoch, by: end.epoch });
    }
    if new.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let records = sent.take().unwrap_or_else(|| {
        let now = (link.options.clock)();
        let mut end = end.clone();
        let build = |new: &NewRecord| {
            let record = end.follow(new.clone(), epoch, now);
            end.advance(&record);
            record
        };
        new.iter().map(build).collect()
    });
    let messages = records
        .iter()
        .map(|r| {
            let payload_max = session.client.max_payload();
            write_record(&link.options.prefix, &link.identity(), r, payload_max)
        })
        .collect::<Result<Vec<_>, _>>()?;
    *sent = Some(records.clone());
    match session.publish(&session.records, end.number, messages).await? {
        Published::Stored(sequence) if records.last().is_some_and(|r| r.number == sequence) => {
            *known = Some(end_behind(Some(&end), &records));
            Ok(Some(records))
        }
        Published::Stored(_) | Published::Overtaken | Published::SeenBefore => Ok(None),
    }
}

/// Whether these very records stand where they were to go. All of them do or none, for they were
/// one batch.
async fn stands(session: &Session, records: &[Record]) -> Result<bool, JournalError> {
    let Some(first) = records.first() else { return Ok(true) };
    let there = session.get(&session.records, first.number).await?;
    Ok(there
        .and_then(|m| read_record(m.sequence, &m.headers, &m.payload))
        .is_some_and(|r| r.hash == first.hash))
}

fn end_behind(end: Option<&ChainEnd>, records: &[Record]) -> ChainEnd {
    let mut end = end.cloned().unwrap_or(ChainEnd::EMPTY);
    for record in records {
        end.advance(record);
    }
    end
}

/// The end of the chain, by the leader.
pub async fn end_of(session: &Session) -> Result<ChainEnd, JournalError> {
    let message = match session.last(&session.records).await? {
        Err(0) => return Ok(ChainEnd::EMPTY),
        Err(number) => {
            return Err(JournalError::Damaged {
                place: format!("the stream of records, up to {number}"),
                what: "no record is left, so the chain has no end to go on from".into(),
            });
        }
        Ok(message) => message,
    };
    let sequence = message.sequence;
    let mut last = read_record(sequence, &message.headers, &message.payload);
    let mut at = sequence;
    while last.is_none() && at > 1 && sequence - at < FOREIGN_MAX {
        at -= 1;
        let Some(m) = session.get(&session.records, at).await? else { break };
        last = read_record(at, &m.headers, &m.payload);
    }
    match last {
        Some(record) => Ok(ChainEnd {
            // A message of somebody else has taken a number; `verify` names it.
            number: sequence,
            hash: record.hash,
            at: record.at,
            epoch: record.epoch,
            through: record.through,
        }),
        None if at <= 1 => Ok(ChainEnd { number: sequence, ..ChainEnd::EMPTY }),
        None => Err(JournalError::Damaged {
            place: format!("the stream of records, up to {sequence}"),
            what: "no record of ours is among the last messages".into(),
        }),
    }
}

/// Records from `from` on.
pub async fn read(session: &Session, from: u64, max: usize) -> Result<Vec<Record>, JournalError> {
    let state = session.state(&session.records).await?;
    let from = from.max(state.first_sequence).max(1);
    let mut records = Vec::new();
    if max > 0 && from <= state.last_sequence {
        session
            .range(&session.records, from..=state.last_sequence, |sequence, headers, payload| {
                records.extend(read_record(sequence, headers, payload));
                records.len() < max
            })
            .await?;
    }
    Ok(records)
}

/// Where the chain is hung up: what the first record kept says came before it.
pub async fn chain_start(session: &Session) -> Result<(u64, [u8; 32]), JournalError> {
    let state = session.state(&session.records).await?;
    let mut at = state.first_sequence.max(1);
    while at <= state.last_sequence && at - state.first_sequence < FOREIGN_MAX {
        if let Some(m) = session.get(&session.records, at).await?
            && let Some(record) = read_record(at, &m.headers, &m.payload)
        {
            // Messages of others before the first record of a fresh journal hang nothing up.
            return Ok(if record.prev == GENESIS { (0, GENESIS) } else { (at - 1, record.prev) });
        }
        at += 1;
    }
    Ok((0, GENESIS))
}

/// Drops records written before `limit`, except the last one. How many.
pub async fn expire(session: &Session, limit: Timestamp) -> Result<u64, JournalError> {
    let state = session.state(&session.records).await?;
    let (first, last) = (state.first_sequence.max(1), state.last_sequence);
    // Times in the chain never go back: halve. A message of somebody else goes with its neighbours.
    let (mut low, mut high) = (first, last);
    while low < high {
        let middle = low + (high - low) / 2;
        let message = session.get(&session.records, middle).await?;
        let record = message.and_then(|m| read_record(middle, &m.headers, &m.payload));
        if record.is_some_and(|r| r.at >= limit) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if low > first {
        session.purge_before(&session.records, low).await?;
    }
    Ok(low - first)
}

/// Appends in a task of its own, so that a caller that goes away does not leave an append in doubt.
pub async fn append_detached(
    link: Arc<Link>,
    records: Arc<Records>,
    epoch: u64,
    new: Vec<NewRecord>,
) -> Result<Vec<Record>, JournalError> {
    tokio::spawn(async move { records.append(&link, epoch, &new).await })
        .await
        .map_err(|_| JournalError::Closed)?
}
