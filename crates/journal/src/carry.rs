//! Carrying a journal's content elsewhere: as text, or into another journal with every number and
//! hash as it is.

use crate::chain::hex;
use crate::error::JournalError;
use crate::port::{Import, Journal, RecordKind};
use std::collections::BTreeSet;
use std::io::Write;

/// How many events go at once.
const EVENTS_AT_ONCE: usize = 10_000;

/// How many records.
const RECORDS_AT_ONCE: usize = 256;

/// Who journals that a configuration takes effect.
const CORE: &str = "core";

/// What an export wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// Lines.
    pub lines: u64,
    /// The number of the first event or record; 0 for none.
    pub first: u64,
    /// And of the last.
    pub last: u64,
}

/// What a line of a `config` event begins with.
const CONFIG: &str = r#"{"kind":"config""#;

/// Writes the events `from..=to` that are still kept, one line each, with `seq` and `received` in
/// front: a file that `kentongan replay` takes. In front of the first event that names a
/// configuration (and of the first event of all, for the one in force there) stands what it means,
/// where the journal still knows it.
pub async fn export_events(
    journal: &dyn Journal,
    from: u64,
    to: u64,
    out: &mut (impl Write + Send),
) -> Result<Exported, JournalError> {
    let to = to.min(journal.last_event().await?);
    let mut next = from.max(journal.first_event().await?);
    let mut exported = Exported::default();
    let mut text = Vec::new();
    let mut written = BTreeSet::new();
    if next <= to
        && let Some(hash) = in_force_before(journal, next).await?
    {
        exported.configuration(journal, hash, &mut written, &mut text).await?;
        write(out, &text)?;
    }
    while next <= to {
        let frames = journal.read_events(next, EVENTS_AT_ONCE).await?;
        let Some(end) = frames.last().map(crate::EventFrame::last) else { break };
        text.clear();
        for frame in &frames {
            for (number, line) in frame.lines()? {
                if (next..=to).contains(&number) {
                    if let Some(hash) = configuration_of(line) {
                        exported.configuration(journal, hash, &mut written, &mut text).await?;
                    }
                    wire::stamp_event(&mut text, number, frame.received, line.as_bytes());
                    text.push(b'\n');
                    exported.count(number);
                }
            }
        }
        write(out, &text)?;
        next = end + 1;
    }
    Ok(exported)
}

/// The hash that a `config` event names.
fn configuration_of(line: &str) -> Option<String> {
    let config = line.starts_with(CONFIG).then(|| wire::read_event(line).ok()).flatten()?;
    match config.event.kind {
        model::Kind::Config { hash, .. } => Some(hash),
        _ => None,
    }
}

/// The configuration in force before event `number`, as far back as events are kept.
async fn in_force_before(
    journal: &dyn Journal,
    number: u64,
) -> Result<Option<String>, JournalError> {
    let mut next = journal.first_event().await?;
    let mut found = None;
    while next < number {
        let frames = journal.read_events(next, EVENTS_AT_ONCE).await?;
        let Some(end) = frames.last().map(crate::EventFrame::last) else { break };
        for frame in frames.iter().filter(|f| f.producer == CORE) {
            for (n, line) in frame.lines()? {
                if n < number {
                    found = configuration_of(line).or(found);
                }
            }
        }
        next = end + 1;
    }
    Ok(found)
}

/// How records are written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordForm {
    /// Their lines only: what `kentongan replay` prints.
    Lines,
    /// In front of each one's lines a line about the record: number, epoch, time, kind, the event
    /// it goes through, hashes.
    WithChain,
}

/// Writes the records `from..=to` of these kinds (all, when none is named).
pub async fn export_records(
    journal: &dyn Journal,
    from: u64,
    to: u64,
    kinds: &[RecordKind],
    form: RecordForm,
    out: &mut (impl Write + Send),
) -> Result<Exported, JournalError> {
    let mut next = from;
    let mut exported = Exported::default();
    let mut text = Vec::new();
    while next <= to {
        let records = journal.read_records(next, RECORDS_AT_ONCE).await?;
        let Some(end) = records.last().map(|r| r.number) else { break };
        text.clear();
        for record in records.iter().filter(|r| r.number <= to) {
            if !kinds.is_empty() && !kinds.contains(&record.kind) {
                continue;
            }
            if form == RecordForm::WithChain {
                let head = serde_json::json!({
                    "record": record.number,
                    "epoch": record.epoch,
                    "at": record.at.to_string(),
                    "kind": record.kind.word(),
                    "through": record.through,
                    "prev": hex(&record.prev),
                    "hash": hex(&record.hash),
                });
                text.extend_from_slice(head.to_string().as_bytes());
                text.push(b'\n');
                exported.lines += 1;
            }
            text.extend_from_slice(&record.body);
            if text.last().is_some_and(|b| *b != b'\n') {
                text.push(b'\n');
            }
            let lines = record.body.split(|b| *b == b'\n').filter(|l| !l.is_empty()).count();
            exported.count(record.number);
            exported.lines += lines as u64;
            exported.lines -= 1;
        }
        write(out, &text)?;
        next = end + 1;
    }
    Ok(exported)
}

/// What [`copy`] carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Events.
    pub events: u64,
    /// Records.
    pub records: u64,
    /// Configurations that were not there.
    pub configurations: u64,
    /// The newest snapshot went with them.
    pub snapshot: bool,
}

/// Carries everything over that `to` does not have yet, with the instance's name, every number,
/// time and hash as they are. `to` is new, or holds the beginning of `from`: a copy that was cut
/// short goes on. Whatever side each of them is.
pub async fn copy(from: &dyn Journal, to: &dyn Journal) -> Result<Copied, JournalError> {
    let last_event = from.last_event().await?;
    let last_record = from.last_record().await?;
    let mut copied = Copied::default();
    let (have_events, have_records) = (to.last_event().await?, to.last_record().await?);
    let (name, theirs) = (from.identity().await?, to.identity().await?);
    if name != theirs {
        if have_events > 0 || have_records > 0 {
            return Err(JournalError::Invalid(format!(
                "the target is the journal of {theirs}, not of {name}"
            )));
        }
        to.import(Import::Identity(name)).await?;
    }
    if have_records > 0 {
        let ours = from.read_records(have_records, 1).await?;
        let there = to.read_records(have_records, 1).await?;
        if ours.first() != there.first() {
            return Err(JournalError::Invalid(format!(
                "the target does not hold the beginning of this journal: record {have_records} differs"
            )));
        }
    }
    let mut next = if have_events > 0 { have_events + 1 } else { from.first_event().await? };
    while next <= last_event {
        let frames = from.read_events(next, EVENTS_AT_ONCE).await?;
        let Some(end) = frames.last().map(crate::EventFrame::last) else { break };
        if frames[0].first < next {
            return Err(JournalError::Invalid(format!(
                "the target holds a part of the frame of event {}",
                frames[0].first
            )));
        }
        copied.events += frames.iter().map(|f| u64::from(f.count)).sum::<u64>();
        to.import(Import::Frames(frames)).await?;
        next = end + 1;
    }
    let mut next =
        if have_records > 0 { have_records + 1 } else { from.chain_start().await?.0 + 1 };
    while next <= last_record {
        let records = from.read_records(next, RECORDS_AT_ONCE).await?;
        let Some(end) = records.last().map(|r| r.number) else { break };
        copied.records += records.len() as u64;
        to.import(Import::Records(records)).await?;
        next = end + 1;
    }
    let have = to.configurations().await?;
    for hash in from.configurations().await? {
        if !have.contains(&hash)
            && let Some(body) = from.configuration(&hash).await?
        {
            to.put_configuration(&hash, body).await?;
            copied.configurations += 1;
        }
    }
    if let Some(snapshot) = from.latest_snapshot().await?
        && snapshot.through_record <= last_record
        && snapshot.through_event <= last_event
    {
        to.put_snapshot(snapshot).await?;
        copied.snapshot = true;
    }
    Ok(copied)
}

impl Exported {
    /// Writes what a configuration means, once.
    async fn configuration(
        &mut self,
        journal: &dyn Journal,
        hash: String,
        written: &mut BTreeSet<String>,
        text: &mut Vec<u8>,
    ) -> Result<(), JournalError> {
        if !written.contains(&hash)
            && let Some(body) = journal.configuration(&hash).await?
        {
            text.extend_from_slice(&body);
            text.push(b'\n');
            self.lines += 1;
            written.insert(hash);
        }
        Ok(())
    }

    fn count(&mut self, number: u64) {
        if self.first == 0 {
            self.first = number;
        }
        self.last = number;
        self.lines += 1;
    }
}

fn write(out: &mut impl Write, text: &[u8]) -> Result<(), JournalError> {
    out.write_all(text).map_err(|e| JournalError::Disk {
        doing: "writing",
        file: "the export".into(),
        what: e.to_string(),
    })
}
