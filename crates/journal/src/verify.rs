//! Is the journal what was written? Walks the whole chain of records and names the first one that
//! was touched; with a folder also reads every frame of events.

use crate::chain::hash_of;
use crate::embedded::EmbeddedJournal;
use crate::error::JournalError;
use crate::port::{Journal, Record, RecordKind};
use std::fmt;
use std::path::Path;

/// How many records are looked at together.
const RECORDS_AT_ONCE: usize = 256;

/// How many events are.
const EVENTS_AT_ONCE: usize = 20_000;

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Records that are as they were written.
    pub records: u64,
    /// The first record still kept; earlier ones were dropped at the end of their retention.
    pub first_record: u64,
    /// The last record that was looked at.
    pub last_record: u64,
    /// The hash of the last good record: whoever keeps it elsewhere can tell later whether the
    /// whole chain up to it was rewritten.
    pub hash: [u8; 32],
    /// Events that can be read, each with the number it should have. Only for a folder.
    pub events: u64,
    /// The first thing that is not as it was written.
    pub touched: Option<Touched>,
}

/// The first thing that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Touched {
    /// A record.
    Record {
        /// Which.
        number: u64,
        /// What differs.
        what: String,
    },
    /// Events from here on.
    Events {
        /// The first of them.
        number: u64,
        /// What differs.
        what: String,
    },
}

impl fmt::Display for Touched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Touched::Record { number, what } => write!(f, "record {number}: {what}"),
            Touched::Events { number, what } => write!(f, "event {number}: {what}"),
        }
    }
}

/// Walks the records of a journal. `Err` only when it cannot be asked.
pub async fn verify(journal: &dyn Journal) -> Result<Verified, JournalError> {
    let (dropped, hung_up_at) = journal.chain_start().await?;
    let last = journal.last_record().await?;
    let mut walk = Walk {
        found: Verified {
            records: 0,
            first_record: dropped + 1,
            last_record: last,
            hash: hung_up_at,
            events: 0,
            touched: None,
        },
        next: dropped + 1,
        epoch: None,
    };
    while walk.found.touched.is_none() && walk.next <= last {
        match journal.read_records(walk.next, RECORDS_AT_ONCE).await {
            Ok(records) => {
                // Only records that were there when we began: the journal may be running.
                let records = records.into_iter().filter(|r| r.number <= last).collect::<Vec<_>>();
                if records.is_empty() {
                    walk.touch(walk.next, "it is missing, and all that follow");
                }
                for record in &records {
                    walk.step(record);
                }
            }
            Err(JournalError::Damaged { what, .. }) => {
                // One by one, to find which.
                loop {
                    match journal.read_records(walk.next, 1).await {
                        Ok(one) if one.len() == 1 && walk.found.touched.is_none() => {
                            walk.step(&one[0]);
                        }
                        Err(JournalError::Damaged { what, .. }) => {
                            walk.touch(walk.next, &what);
                            break;
                        }
                        Err(e) => return Err(e),
                        Ok(_) => {
                            walk.touch(walk.next, &what);
                            break;
                        }
                    }
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(walk.found)
}

struct Walk {
    found: Verified,
    next: u64,
    epoch: Option<u64>,
}

impl Walk {
    fn touch(&mut self, number: u64, what: &str) {
        self.found.touched.get_or_insert(Touched::Record { number, what: what.to_owned() });
    }

    fn step(&mut self, record: &Record) {
        if self.found.touched.is_some() {
            return;
        }
        if record.number != self.next {
            self.touch(self.next, "it is missing");
        } else if record.prev != self.found.hash {
            self.touch(record.number, "it does not name the hash of the record before it");
        } else if hash_of(record) != record.hash {
            self.touch(record.number, "its content does not give its hash");
        } else if let Some(epoch) = self.epoch
            && record.epoch != epoch + u64::from(record.kind == RecordKind::Epoch)
        {
            self.touch(record.number, "it belongs to an epoch that was not in force");
        } else {
            self.next += 1;
            self.epoch = Some(record.epoch);
            self.found.records += 1;
            self.found.hash = record.hash;
        }
    }
}

/// Verifies the journal in a folder, running or not: its records, and that every event that should
/// be there can be read. Blocks.
pub fn verify_dir(dir: &Path) -> Result<Verified, JournalError> {
    let journal = EmbeddedJournal::open_read_only(dir)?;
    let walk = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|e| JournalError::disk("starting to read", dir, &e))?;
        runtime.block_on(async {
            let mut found = verify(&journal).await?;
            verify_events(&journal, &mut found).await?;
            Ok(found)
        })
    };
    // On a thread of its own: a caller inside a runtime may not run another one on this one.
    std::thread::scope(|s| s.spawn(walk).join().unwrap_or(Err(JournalError::Closed)))
}

async fn verify_events(journal: &dyn Journal, found: &mut Verified) -> Result<(), JournalError> {
    let mut next = journal.first_event().await?;
    let last = journal.last_event().await?;
    let mut at_once = EVENTS_AT_ONCE;
    while next <= last {
        let frames = match journal.read_events(next, at_once).await {
            Ok(frames) => frames,
            Err(JournalError::Damaged { .. }) if at_once > 1 => {
                // Frame by frame, to find which.
                at_once = 1;
                continue;
            }
            Err(JournalError::Damaged { place, what }) => {
                let what = format!("{what}, in {place}");
                found.touched.get_or_insert(Touched::Events { number: next, what });
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        if frames.is_empty() {
            let what = "it is missing, and all that follow".into();
            found.touched.get_or_insert(Touched::Events { number: next, what });
            return Ok(());
        }
        for frame in frames {
            let what = if !frame.follows(next) {
                Some("it is missing".to_owned())
            } else if frame.lines()?.count() != frame.count as usize {
                Some(format!("its frame does not have the {} lines it should", frame.count))
            } else {
                None
            };
            if let Some(what) = what {
                found.touched.get_or_insert(Touched::Events { number: next, what });
                return Ok(());
            }
            found.events += u64::from(frame.count);
            next = frame.last() + 1;
        }
    }
    Ok(())
}
