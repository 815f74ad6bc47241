//! From intents to desks: which desks get which ticket, and the driver that speaks to them.

use super::core_loop::Pulse;
use super::resume::Resumed;
use super::sinks::Door;
use crate::config::Configuration;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use console::{BuiltinNoteDoc, BuiltinTicketDoc, DeskDoc};
use correlator::Correlator;
use delivery::{BreakerState, Deliveries, DeliveryState, DeskStatus, Destination};
use journal::{Epoch, Journal, JournalError, NewRecord, RecordKind};
use model::delivery::DeliveryLine;
use model::route::DEFAULT_ROUTE;
use model::{DeskNews, Event, IncidentId, Intent, IntentOp, Kind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use telemetry::Telemetry;
use ticket_sink::{BuiltinDesk, Driver, Input, Lines, RecordError, Recorder};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Intents on their way to the driver.
const INTENTS_MAX: usize = 8192;
/// Tickets of the built-in desk that the board lists.
const BUILTIN_LISTED: u32 = 200;
/// The driver gives its state within this time, or there is no snapshot.
const SNAPSHOT_WITHIN: Duration = Duration::from_secs(10);

/// Makes delivery lines durable, as the owner of the records.
pub struct Recording {
    pub journal: Arc<dyn Journal>,
    /// The way of what people did at a desk into the journal.
    pub door: Arc<Door>,
    pub epoch: Epoch,
    pub pulse: Arc<Pulse>,
}

#[async_trait]
impl Recorder for Recording {
    async fn record(&self, lines: &[DeliveryLine]) -> Result<u64, RecordError> {
        let mut body = Vec::with_capacity(lines.len() * 320);
        for line in lines {
            wire::write_delivery(&mut body, line);
            body.push(b'\n');
        }
        let through = self.pulse.last_event.load(std::sync::atomic::Ordering::Relaxed);
        let record = NewRecord { kind: RecordKind::Delivery, through, body: body.into() };
        match self.journal.append_records(&self.epoch, vec![record]).await {
            Ok(records) => {
                let number = records.last().map_or(0, |r| r.number);
                self.pulse.last_record.send_if_modified(|last| {
                    let newer = number > *last;
                    *last = number.max(*last);
                    newer
                });
                Ok(number)
            }
            Err(JournalError::Fenced { .. }) => Err(RecordError::Fenced),
            Err(other) => Err(RecordError::Unavailable(other.to_string())),
        }
    }

    async fn hear(&self, lines: &[DeliveryLine]) -> Result<(), RecordError> {
        let mut by_desk: BTreeMap<&str, Vec<Event<'static>>> = BTreeMap::new();
        for line in lines {
            let events = by_desk.entry(&*line.desk).or_default();
            for news in line.heard.iter().flat_map(|h| &h.news) {
                let news = DeskNews {
                    desk: line.desk.to_string(),
                    incident: line.incident.clone(),
                    change: news.change,
                    by: news.by.clone(),
                    text: news.text.clone(),
                    priority: news.priority,
                };
                events.push(Event { at: line.at, received: None, kind: Kind::Desk(news) });
            }
        }
        for (desk, events) in by_desk.into_iter().filter(|(_, events)| !events.is_empty()) {
            let appended = self.door.append(format!("desk:{desk}"), &events).await;
            appended.map_err(|e| RecordError::Unavailable(e.to_string()))?;
        }
        Ok(())
    }
}

/// What a desk said last: whether it answered, and what was wrong.
type Said = (bool, Option<String>);

/// The way to the desks. Cheap to clone.
#[derive(Clone)]
pub struct Desks(Option<Arc<Inner>>);

struct Inner {
    input: mpsc::Sender<Input>,
    status: watch::Receiver<Vec<DeskStatus>>,
    builtin: Vec<Arc<BuiltinDesk>>,
    names: Vec<Arc<str>>,
    /// What each desk said last: whether it answered, and what was wrong.
    said: Mutex<BTreeMap<Arc<str>, Said>>,
}

impl Desks {
    /// There are none: an edge.
    pub fn none() -> Desks {
        Desks(None)
    }

    /// Opens the desks, brings them to where they were, and starts the driver.
    pub async fn start(
        c: &Arc<Configuration>,
        identity: &str,
        resumed: &Resumed,
        recording: Recording,
        telemetry: &Arc<Telemetry>,
        shutdown: CancellationToken,
    ) -> Result<(Desks, JoinHandle<()>)> {
        let opened = {
            let c = c.clone();
            let open = move || ticket_sink::Desks::open(&c.desks, &c.data_dir);
            tokio::task::spawn_blocking(open).await.context("opening the desks")?
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(problems) => {
                let said: Vec<String> = problems
                    .iter()
                    .map(|p| format!("desk {}: {}: {}", p.desk, p.key, p.message))
                    .collect();
                bail!("the desks cannot be opened:\n{}", said.join("\n"));
            }
        };
        let names: Vec<Arc<str>> = opened.all.keys().cloned().collect();
        let mut deliveries =
            Deliveries::resume(identity, opened.rules(), resumed.deliveries.clone());
        for line in &resumed.lines {
            deliveries.apply(line);
        }
        for intent in &resumed.intents {
            let to = destinations(&resumed.core, c, &names, intent);
            if deliveries.handle_intent(&to, intent).is_err() {
                tracing::error!(
                    intent = intent.id,
                    "there is no room for another ticket; it stays on record"
                );
            }
        }
        // What was closed in the meantime needs no remembering: that it was is on no delivery line.
        let closed: Vec<IncidentId> =
            deliveries.incidents().into_iter().filter(|id| !resumed.core.knows(id)).collect();
        for incident in closed {
            deliveries.forget(&incident);
        }
        let driver = Driver::new(deliveries, opened.all, Arc::new(recording), telemetry.clone());
        let (input, inputs) = mpsc::channel(INTENTS_MAX);
        let status = driver.status();
        let lines = driver.lines();
        let desks = Desks(Some(Arc::new(Inner {
            input,
            status,
            builtin: opened.builtin,
            names,
            said: Mutex::default(),
        })));
        let listener = desks.clone();
        tokio::spawn(async move { listener.listen(lines).await });
        let over = shutdown.clone();
        let task = tokio::spawn(async move {
            if let Err(error) = driver.run(inputs, shutdown).await {
                tracing::error!(%error, "the desks are not spoken to any more");
                over.cancel();
            }
        });
        Ok((desks, task))
    }

    /// Hands an intent over. It is on record already.
    pub async fn tell(&self, core: &Correlator, c: &Configuration, intent: Intent) {
        let Some(inner) = &self.0 else { return };
        if intent.op == IntentOp::Notify {
            // For channels; desks have no use for it.
            return;
        }
        let desks = destinations(core, c, &inner.names, &intent);
        if inner.input.send(Input::Intent { desks, intent: Box::new(intent) }).await.is_err() {
            tracing::warn!("the desks have stopped; what they should hear stays on record");
        }
    }

    /// A closed incident needs no remembering.
    pub async fn forget(&self, incident: IncidentId) {
        if let Some(inner) = &self.0 {
            let _ = inner.input.send(Input::Forget(incident)).await;
        }
    }

    /// What is on record about deliveries, everything handed over before included.
    pub async fn snapshot(&self) -> Option<DeliveryState> {
        let inner = self.0.as_ref()?;
        let (answer, answered) = oneshot::channel();
        inner.input.send(Input::Snapshot(answer)).await.ok()?;
        tokio::time::timeout(SNAPSHOT_WITHIN, answered).await.ok()?.ok().map(|s| s.state)
    }

    /// Desks are opened at the start; a configuration that has others takes effect at the next one.
    pub fn reconfigure(&self, c: &Configuration) {
        let Some(inner) = &self.0 else { return };
        let now: Vec<&str> = c.desks.iter().map(|d| d.name.as_str()).collect();
        if inner.names.iter().any(|n| !now.contains(&&**n))
            || now.iter().any(|n| !inner.names.iter().any(|m| &**m == *n))
        {
            tracing::warn!("the new configuration has other desks; they change at the next start");
        }
    }

    /// Remembers what each desk said last.
    async fn listen(&self, mut lines: broadcast::Receiver<Lines>) {
        use model::delivery::DeliveryStep as S;
        let Some(inner) = &self.0 else { return };
        loop {
            let heard = match lines.recv().await {
                Ok(lines) => lines,
                Err(broadcast::error::RecvError::Lagged(_)) => continue,
                Err(broadcast::error::RecvError::Closed) => return,
            };
            let mut said = inner.said.lock().unwrap_or_else(PoisonError::into_inner);
            for line in heard.iter() {
                let now = match line.step {
                    S::Confirmed | S::Found | S::NotFound | S::Checked | S::Settled | S::Heard => {
                        (true, None)
                    }
                    S::Refused | S::Doubtful | S::Unanswered | S::Unkeyed | S::GivenUp => {
                        (false, Some(line.reason.clone()))
                    }
                    S::Reserved | S::Sending | S::Unable | S::DryRun | S::Twin | S::Gone => {
                        continue;
                    }
                };
                let before = said.insert(line.desk.clone(), now.clone());
                // One line for each change of state, not for each try.
                match (before.is_none_or(|b| b.0), now) {
                    (true, (false, Some(why))) => {
                        tracing::warn!(desk = &*line.desk, incident = %line.incident, why, "the desk did not do it; it is tried again");
                    }
                    (false, (true, _)) => {
                        tracing::info!(desk = &*line.desk, "the desk answers again");
                    }
                    _ => {}
                }
            }
        }
    }

    /// How they are.
    pub fn docs(&self, c: &Configuration) -> Vec<DeskDoc> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let status = inner.status.borrow();
        let said = inner.said.lock().unwrap_or_else(PoisonError::into_inner);
        let docs = status.iter().map(|s| {
            let (reachable, last_error) =
                said.get(&s.desk).cloned().map_or((None, None), |(ok, why)| (Some(ok), why));
            let config = c.desks.iter().find(|d| d.name == *s.desk);
            DeskDoc {
                name: s.desk.to_string(),
                kind: config.map_or("builtin", |d| d.kind.word()).into(),
                dry_run: s.dry_run,
                reachable,
                waiting: s.pending as u64,
                oldest: s.oldest.map(|t| t.to_string()),
                doubtful: s.doubtful as u64,
                breaker: s.breaker.word().into(),
                tried_at: match s.breaker {
                    BreakerState::Open { until } => Some(until.to_string()),
                    BreakerState::Closed | BreakerState::HalfOpen { .. } => None,
                },
                last_error,
            }
        });
        docs.collect()
    }

    /// The tickets of the built-in desks, the newest first.
    pub async fn builtin_tickets(&self) -> Vec<BuiltinTicketDoc> {
        let Some(inner) = &self.0 else { return Vec::new() };
        let mut docs = Vec::new();
        for desk in &inner.builtin {
            match desk.list(None, None, BUILTIN_LISTED).await {
                Ok(tickets) => docs.extend(tickets.into_iter().map(|t| {
                    BuiltinTicketDoc {
                        id: t.id,
                        key: t.key,
                        incident: t.incident,
                        title: t.title,
                        text: t.text,
                        priority: t.priority.word().into(),
                        open: t.open,
                        created_at: t.created.to_string(),
                        updated_at: t.updated.to_string(),
                        notes: t
                            .notes
                            .into_iter()
                            .map(|n| BuiltinNoteDoc { at: n.created.to_string(), text: n.text })
                            .collect(),
                    }
                })),
                Err(error) => {
                    tracing::warn!(%error, "the tickets of the built-in desk cannot be listed");
                }
            }
        }
        docs
    }
}

/// The desks that get an incident's ticket: those of the first route that matches; without routes,
/// all of them. The last resort of a configuration whose routes match nothing is all of them as
/// well: a ticket too many is seen, a ticket too few is not. What comes after the create is for the
/// desks that have the ticket; only their words are of interest then.
fn destinations(
    core: &Correlator,
    c: &Configuration,
    names: &[Arc<str>],
    intent: &Intent,
) -> Vec<Destination> {
    let routes = &c.settings.routes;
    let mut to: Vec<Destination> = Vec::new();
    if !routes.is_empty() && intent.op == IntentOp::Create {
        let named = core.routed(&intent.incident);
        let kept = named.and_then(|name| routes.iter().find(|r| r.name == name));
        // A rule that is not there any more gives way to the one that takes it now.
        let rule = match named {
            Some(DEFAULT_ROUTE) => None,
            _ => kept.or_else(|| core.route_of(&intent.incident)),
        };
        to.extend(rule.map(|r| Destination {
            group: r.queue.as_deref().map(Into::into),
            category: r.category.as_deref().map(Into::into),
            ..Destination::from(r.desk.as_str())
        }));
    }
    if to.is_empty() {
        to.extend(names.iter().map(|n| Destination::from(&**n)));
    }
    word(core, c, intent, &mut to);
    to
}

/// Says it in the words of the desks that have words of their own.
fn word(core: &Correlator, c: &Configuration, intent: &Intent, to: &mut [Destination]) {
    let mut facts = None;
    for destination in to {
        let config = c.desks.iter().find(|d| d.name == *destination.desk);
        let Some(words) = config.and_then(|d| d.words.as_ref()) else { continue };
        // An incident that nobody remembers any more is told in the built-in words.
        let Some(facts) = facts.get_or_insert_with(|| core.facts(&intent.incident)) else {
            return;
        };
        let (wording, wrong) = words.of(intent, facts);
        if let Some(wrong) = wrong {
            tracing::warn!(
                desk = &*destination.desk, incident = %intent.incident, wrong,
                "a template could not be rendered; the built-in words are used"
            );
        }
        destination.wording = Some(wording);
    }
}
