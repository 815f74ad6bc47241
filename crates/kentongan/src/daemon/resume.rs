//! What happens at a start: the newest snapshot, the events behind it once more, and what was
//! decided is never decided again.
//!
//! | what is there | what is done |
//! |---|---|
//! | nothing | a new core |
//! | a snapshot of this version, of a configuration that is at hand or that the journal kept | it, then the events behind it up to the last decision, in silence, each under the configuration that was in force: the core is deterministic, so it decides the same again and nobody needs to hear it twice |
//! | a snapshot of a configuration that nobody knows any more, with nothing decided behind it | it, under the configuration at hand |
//! | anything else | the open incidents are rebuilt from the decisions on record, and the checks asked again |
//!
//! Events behind the last decision were never decided on: the loop takes them as usual.

use crate::config::Configuration;
use anyhow::{Context, Result, bail};
use correlator::{Correlator, Past, State};
use delivery::DeliveryState;
use journal::{Journal, JournalError, RecordKind, Snapshot};
use model::delivery::DeliveryLine;
use model::{
    AlarmLine, AlarmState, Change, Decision, IncidentId, IncidentLine, Intent, IntentOp, Inventory,
    Kind, Settings, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Grows when the shape of a snapshot's body changes.
const FORM: u32 = 4;
/// Records read at once.
const RECORDS_AT_ONCE: usize = 1024;
/// Events read at once.
const EVENTS_AT_ONCE: usize = 65_536;

/// A snapshot's body.
#[derive(Serialize, Deserialize)]
pub struct Frozen {
    core: State,
    deliveries: DeliveryState,
}

#[derive(Serialize)]
struct FrozenRef<'a> {
    core: &'a State,
    deliveries: &'a DeliveryState,
}

impl Frozen {
    /// As bytes.
    pub fn encode(core: &Correlator, deliveries: &DeliveryState) -> Result<Vec<u8>> {
        postcard::to_allocvec(&FrozenRef { core: core.state(), deliveries })
            .context("writing the snapshot")
    }
}

/// Which program and which configuration a snapshot belongs to.
pub fn version_of(c: &Configuration) -> String {
    format!("{}/{FORM}/{}", env!("CARGO_PKG_VERSION"), c.hash)
}

fn same_program(version: &str) -> bool {
    version.starts_with(&format!("{}/{FORM}/", env!("CARGO_PKG_VERSION")))
}

/// The core of a snapshot of this program, under the configuration that it was taken under, with the
/// hash of that one; `None` when either cannot be had.
pub async fn core_of(
    journal: &Arc<dyn Journal>,
    snapshot: &Snapshot,
    c: &Configuration,
) -> Result<Option<(Correlator, String)>> {
    if !same_program(&snapshot.version) {
        return Ok(None);
    }
    let Ok(frozen) = postcard::from_bytes::<Frozen>(&snapshot.body) else { return Ok(None) };
    let hash = snapshot.version.rsplit('/').next().unwrap_or_default().to_owned();
    let told = told_by(journal, c, &hash).await?;
    Ok(told
        .map(|(inventory, settings)| (Correlator::restore(inventory, settings, frozen.core), hash)))
}

/// What was decided through event `through`, for a look back at the events after it.
pub async fn past_through(
    journal: &Arc<dyn Journal>,
    through: u64,
    identity: &str,
) -> Result<Past> {
    let told = read_records(journal, 1, through).await?;
    Ok(Past {
        instance: identity.to_owned(),
        last_event: through,
        last_received: told.last_at,
        incidents: told.incidents(),
        alarms: told.alarms.values().filter(|a| a.state != AlarmState::Ok).cloned().collect(),
    })
}

/// Where we go on from.
pub struct Resumed {
    /// The core, through the last decision.
    pub core: Correlator,
    /// What the desks were told, through the snapshot.
    pub deliveries: DeliveryState,
    /// What was done about telling them since.
    pub lines: Vec<DeliveryLine>,
    /// What they should be told since (and whatever of it was done already).
    pub intents: Vec<Intent>,
    /// The last record.
    pub last_record: u64,
    /// When the last event was received; `None` when there is none.
    pub last_received: Option<Timestamp>,
    /// The state comes from another configuration: what the one at hand no longer has is let go
    /// when its `config` event is taken.
    pub another_configuration: bool,
    /// How it went, for the log.
    pub how: &'static str,
}

/// Brings everything back to where it was.
pub async fn resume(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    identity: &str,
) -> Result<Resumed> {
    let snapshot = journal.latest_snapshot().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the snapshot cannot be read; going on without it");
        None
    });
    let last_received = last_received(journal).await?;
    if let Some(snapshot) = &snapshot
        && same_program(&snapshot.version)
    {
        match postcard::from_bytes::<Frozen>(&snapshot.body) {
            Ok(frozen) => {
                if let Some(resumed) =
                    from_snapshot(journal, c, snapshot, frozen, last_received).await?
                {
                    return Ok(resumed);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the snapshot does not hold what was written; going on without it");
            }
        }
    }
    from_records(journal, c, identity, last_received).await
}

/// Has the journal keep what a configuration says, before its hash is named there.
pub async fn keep(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    identity: &str,
) -> Result<(), JournalError> {
    journal.put_configuration(&c.hash, c.recorded(identity).into()).await
}

/// What the core was told by the configuration of this hash; `None` when nobody knows any more.
pub async fn told_by(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    hash: &str,
) -> Result<Option<(Arc<Inventory>, Settings)>> {
    if hash == c.hash {
        return Ok(Some((c.inventory.clone(), c.settings.clone())));
    }
    let Some(body) = journal.configuration(hash).await.context("reading a configuration")? else {
        return Ok(None);
    };
    let read = std::str::from_utf8(&body)
        .map_err(|e| e.to_string())
        .and_then(wire::read_configuration)
        .and_then(|r| match Inventory::build(&r.inventory) {
            Ok(inventory) => Ok((Arc::new(inventory), r.settings)),
            Err(problems) => Err(problems.first().map_or(String::new(), |p| p.message.clone())),
        });
    Ok(read
        .inspect_err(|why| {
            tracing::warn!(hash, why, "a configuration kept in the journal cannot be used");
        })
        .ok())
}

async fn from_snapshot(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    snapshot: &Snapshot,
    frozen: Frozen,
    last_received: Option<Timestamp>,
) -> Result<Option<Resumed>> {
    let behind = read_records(journal, snapshot.through_record + 1, u64::MAX).await?;
    let decided = behind.decided_through.max(snapshot.through_event);
    let mut hash = snapshot.version.rsplit('/').next().unwrap_or_default().to_owned();
    let (core, how) = match told_by(journal, c, &hash).await? {
        Some((inventory, settings)) => {
            let mut core = Correlator::restore(inventory, settings, frozen.core);
            if !run_again(journal, c, &mut core, &mut hash, decided).await? {
                return Ok(None);
            }
            (core, "from the snapshot")
        }
        None if decided > snapshot.through_event => return Ok(None),
        None => {
            let (inventory, settings) = (c.inventory.clone(), c.settings.clone());
            let core = Correlator::restore(inventory, settings, frozen.core);
            (core, "from the snapshot of another configuration")
        }
    };
    let mut resumed = behind.resumed(core, frozen.deliveries, last_received, how);
    resumed.last_record = resumed.last_record.max(snapshot.through_record);
    resumed.another_configuration = hash != c.hash;
    Ok(Some(resumed))
}

/// Hands the core the events that were decided on already, and lets nobody hear what it says. What
/// is in force changes where it changed then; `hash` says what that is. False when somebody would
/// have to know a configuration that nobody knows any more.
async fn run_again(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    core: &mut Correlator,
    hash: &mut String,
    through: u64,
) -> Result<bool> {
    // A `config` event behind a `gap` is a start: under the same configuration nothing changes then.
    let mut starting = core.last_event() == 0;
    while core.last_event() < through {
        let next = core.last_event() + 1;
        let frames = journal.read_events(next, EVENTS_AT_ONCE).await?;
        if frames.is_empty() {
            bail!(
                "events {next} to {through} were decided on and are missing from the journal; restore a backup"
            );
        }
        for frame in &frames {
            // Not across the waits below: what reads the lines is not `Send`.
            let lines: Vec<(u64, &str)> = frame.lines()?.collect();
            for (number, line) in lines {
                if number < next || number > through {
                    continue;
                }
                match wire::read_event(line) {
                    Ok(read) => {
                        let mut event = read.event;
                        event.received = Some(frame.received);
                        if let Kind::Config { hash: new, .. } = &event.kind
                            && (new != hash || !starting)
                        {
                            let Some((inventory, settings)) = told_by(journal, c, new).await?
                            else {
                                return Ok(false);
                            };
                            core.reconfigure(inventory, settings);
                            hash.clone_from(new);
                        }
                        starting = matches!(event.kind, Kind::Gap { .. });
                        core.handle_event(number, &event);
                    }
                    Err(error) => {
                        core.handle_unreadable(number, frame.received, &error.to_string());
                    }
                }
                while core.poll_decision().is_some() {}
                while core.poll_ask().is_some() {}
            }
        }
    }
    Ok(true)
}

async fn from_records(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    identity: &str,
    last_received: Option<Timestamp>,
) -> Result<Resumed> {
    let all = read_records(journal, 1, u64::MAX).await?;
    let (inventory, settings) = (c.inventory.clone(), c.settings.clone());
    let (core, how) = if all.decided_through == 0 {
        (Correlator::new(inventory, settings), "from nothing")
    } else {
        let past = Past {
            instance: identity.to_owned(),
            last_event: all.decided_through,
            last_received: last_received.unwrap_or_default(),
            incidents: all.incidents(),
            alarms: all.alarms.values().filter(|a| a.state != AlarmState::Ok).cloned().collect(),
        };
        (Correlator::rebuild(inventory, settings, &past), "from the decisions on record")
    };
    Ok(all.resumed(core, DeliveryState::default(), last_received, how))
}

/// What the records say from some point on.
#[derive(Default)]
struct Told {
    last: u64,
    decided_through: u64,
    lines: Vec<DeliveryLine>,
    intents: Vec<Intent>,
    latest: BTreeMap<IncidentId, (usize, IncidentLine)>,
    alarms: BTreeMap<(Arc<str>, Arc<str>), AlarmLine>,
    seen: usize,
    /// When the last record was written.
    last_at: Timestamp,
}

impl Told {
    /// Where we go on from, under the configuration at hand.
    fn resumed(
        self,
        core: Correlator,
        deliveries: DeliveryState,
        last_received: Option<Timestamp>,
        how: &'static str,
    ) -> Resumed {
        Resumed {
            core,
            deliveries,
            lines: self.lines,
            intents: self.intents,
            last_record: self.last,
            last_received,
            another_configuration: false,
            how,
        }
    }

    /// The incidents that are not closed, oldest first, with revision and whether they have a ticket.
    fn incidents(&self) -> Vec<(IncidentLine, u32, bool)> {
        let mut open: Vec<_> = self
            .latest
            .values()
            .filter(|(_, i)| !matches!(i.change, Change::Closed | Change::Merged))
            .collect();
        open.sort_by_key(|(seen, _)| *seen);
        let with_intents = open.into_iter().map(|(_, line)| {
            let of = self.intents.iter().filter(|i| i.incident == line.id);
            let revision = of.clone().map(|i| i.revision).max().unwrap_or(0);
            (line.clone(), revision, of.clone().any(|i| i.op == IntentOp::Create))
        });
        with_intents.collect()
    }
}

/// Reads them from record `from` on, as far as they are about events through `through`.
async fn read_records(journal: &Arc<dyn Journal>, from: u64, through: u64) -> Result<Told> {
    let mut told = Told { last: from - 1, ..Told::default() };
    loop {
        let records = journal.read_records(told.last + 1, RECORDS_AT_ONCE).await?;
        let Some(last) = records.last() else { return Ok(told) };
        told.last = last.number;
        for record in &records {
            if record.through > through {
                return Ok(told);
            }
            told.last_at = record.at;
            let text = std::str::from_utf8(&record.body)
                .with_context(|| format!("record {} is not UTF-8", record.number))?;
            if record.kind == RecordKind::Decisions {
                told.decided_through = told.decided_through.max(record.through);
            }
            for line in text.lines() {
                match record.kind {
                    RecordKind::Epoch => {}
                    RecordKind::Decisions if line.starts_with(r#"{"kind":"routine""#) => {}
                    RecordKind::Decisions => match wire::read_decision(line) {
                        Ok(decision) => told.take(decision),
                        Err(error) => {
                            tracing::warn!(record = record.number, %error, "a decision of another version cannot be read");
                        }
                    },
                    RecordKind::Delivery => match wire::read_delivery(line) {
                        Ok(line) => told.lines.push(line),
                        Err(error) => {
                            tracing::warn!(record = record.number, %error, "a line of another version cannot be read");
                        }
                    },
                }
            }
        }
    }
}

impl Told {
    fn take(&mut self, decision: Decision) {
        match decision {
            Decision::Verdict(_) => {}
            Decision::Alarm(a) => {
                self.alarms.insert((a.target.clone(), a.check.clone()), a);
            }
            Decision::Incident(i) => {
                self.seen += 1;
                let first = self.latest.get(&i.id).map_or(self.seen, |(seen, _)| *seen);
                if i.change == Change::Closed {
                    // Nothing of it will be asked again.
                    self.latest.remove(&i.id);
                    self.intents.retain(|x| x.incident != i.id);
                    self.lines.retain(|x| x.incident != i.id);
                } else {
                    self.latest.insert(i.id.clone(), (first, *i));
                }
            }
            Decision::Intent(i) => self.intents.push(*i),
        }
    }
}

async fn last_received(journal: &Arc<dyn Journal>) -> Result<Option<Timestamp>> {
    let last = journal.last_event().await?;
    if last == 0 {
        return Ok(None);
    }
    Ok(journal.read_events(last, 1).await?.last().map(|f| f.received))
}

/// What is journalled before anything else: that nothing was watched since, and which configuration
/// is in force from here.
pub fn first_events(
    resumed: &Resumed,
    c: &Configuration,
    identity: &str,
    now: Timestamp,
) -> Vec<model::Event<'static>> {
    let config = super::core_loop::config_event(now, &c.hash, Some(identity.to_owned()));
    match resumed.last_received {
        None => vec![config],
        Some(since) => {
            let gap = model::Event { at: now, received: None, kind: Kind::Gap { since } };
            vec![gap, config]
        }
    }
}
