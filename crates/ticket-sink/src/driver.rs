//! Turns [`Deliveries`]: takes intents in, makes lines durable, sends requests, hands answers back.
//!
//! The order is the one that `Deliveries` asks for: lines are durable before the requests they
//! announce leave. Nothing is polled on a timer; the loop sleeps until an intent, an answer or the
//! next instant that something waits for.

use crate::desk::{Desk, lost, put};
use async_trait::async_trait;
use delivery::{
    Answer, BreakerState, Changes, Deliveries, DeliveryState, DeskStatus, Destination, Outcome,
    Request, Step,
};
use model::{DeliveryLine, DeliveryStep, DeskCall, IncidentId, Intent, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use telemetry::Telemetry;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many inputs are taken before the steps they lead to are done.
const INPUT_BATCH: usize = 256;

/// How many batches of lines a slow listener may be behind.
const LISTENER_LAG_MAX: usize = 1024;

/// How often every ticket is looked at once more: whether it is still there, and alone.
const SWEEP_EVERY: Duration = Duration::from_mins(5);

/// The longest pause between two tries to make lines durable.
const RECORD_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How long a stop waits for a desk to end our session, which ends by itself otherwise.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// How long a drain waits for answers, beyond which they are left as doubts on record.
pub const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Makes lines durable. All of them or none, in their order.
#[async_trait]
pub trait Recorder: Send + Sync + 'static {
    /// Returns the number of the newest record once the lines are durable.
    async fn record(&self, lines: &[DeliveryLine]) -> Result<u64, RecordError>;

    /// Hands over what people did to tickets, in the lines that have [`DeliveryLine::heard`]: `Ok`
    /// means that it is durable where incidents hear of it. Called before such lines are recorded;
    /// after a crash in between it is called again with the same.
    async fn hear(&self, lines: &[DeliveryLine]) -> Result<(), RecordError>;
}

/// Why lines are not durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Another process owns the journal now. This one must not speak to any desk any more.
    #[error("the journal has another owner")]
    Fenced,
    /// Not now; again later.
    #[error("the journal cannot take delivery lines: {0}")]
    Unavailable(String),
}

/// What the driver is told.
#[derive(Debug)]
pub enum Input {
    /// An intent that is on record, and the desks that shall have the ticket.
    Intent {
        /// Only a create is asked for them; what follows concerns the same desks.
        desks: Vec<Destination>,
        /// The intent.
        intent: Box<Intent>,
    },
    /// The incident is closed: its tickets need not be remembered once they show it.
    Forget(IncidentId),
    /// Look at every ticket once more, now.
    Sweep,
    /// Something is said to have happened to a ticket: read it soon. Nothing else is believed.
    Look {
        /// On this desk.
        desk: Arc<str>,
        /// The desk's own id of it.
        ticket: String,
    },
    /// What is on record, for a snapshot. Every input sent before is in it.
    Snapshot(oneshot::Sender<Snapshot>),
}

/// What is on record about deliveries.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The state.
    pub state: DeliveryState,
    /// The newest record that is in it, as the recorder numbered it; 0 when this process has
    /// recorded nothing.
    pub record: u64,
}

/// Lines that are durable.
pub type Lines = Arc<[DeliveryLine]>;

/// One driver for all desks.
pub struct Driver {
    deliveries: Deliveries,
    desks: BTreeMap<Arc<str>, Arc<dyn Desk>>,
    recorder: Arc<dyn Recorder>,
    telemetry: Arc<Telemetry>,
    clock: Clock,
    calls: JoinSet<Ended>,
    /// Of each call under way, so that one that panics is answered as well.
    under_way: HashMap<tokio::task::Id, Ended>,
    /// Lines that are being made durable, and the number of the last of them.
    batch: (Vec<DeliveryLine>, u64),
    /// An input for which there is no room yet.
    held: Option<Input>,
    /// The newest record.
    record: u64,
    lines: broadcast::Sender<Lines>,
    status: watch::Sender<Vec<DeskStatus>>,
}

/// A call that ended.
struct Ended {
    desk: Arc<str>,
    what: EndedWith,
}

enum EndedWith {
    Answer(IncidentId, Answer),
    Changes(Outcome<Changes>),
}

impl Driver {
    /// With deliveries as they are after a restart (see [`Deliveries`]), and the desks.
    pub fn new(
        deliveries: Deliveries,
        desks: BTreeMap<Arc<str>, Arc<dyn Desk>>,
        recorder: Arc<dyn Recorder>,
        telemetry: Arc<Telemetry>,
    ) -> Driver {
        let status = watch::Sender::new(deliveries.status());
        Driver {
            deliveries,
            desks,
            recorder,
            telemetry,
            clock: Clock::start(),
            calls: JoinSet::new(),
            under_way: HashMap::new(),
            batch: (Vec::new(), 0),
            held: None,
            record: 0,
            lines: broadcast::Sender::new(LISTENER_LAG_MAX),
            status,
        }
    }

    /// Lines, once they are durable.
    pub fn lines(&self) -> broadcast::Receiver<Lines> {
        self.lines.subscribe()
    }

    /// How the desks stand.
    pub fn status(&self) -> watch::Receiver<Vec<DeskStatus>> {
        self.status.subscribe()
    }

    /// Runs until `shutdown` (then: answers of requests under way are waited for, at most
    /// [`DRAIN_MAX`], and nothing new begins), until the sender of `input` is gone and nothing is
    /// left to do, or until the journal has another owner.
    pub async fn run(
        mut self,
        mut input: mpsc::Receiver<Input>,
        shutdown: CancellationToken,
    ) -> Result<Deliveries, RecordError> {
        let mut listening = true;
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        sweeps.reset();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                turned = self.turn() => turned?,
            }
            if !listening && self.deliveries.is_idle() {
                self.close().await;
                return Ok(self.deliveries);
            }
            let now = self.clock.now();
            let wake = self.deliveries.poll_timeout(now).map(|(at, _)| at.since(now));
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(ended) = self.calls.join_next_with_id() => self.take_ended(ended),
                given = input.recv(), if listening && self.held.is_none() => match given {
                    Some(given) => self.take(given),
                    None => listening = false,
                },
                _ = sweeps.tick() => self.deliveries.sweep(),
                () = tokio::time::sleep(wake.unwrap_or(Duration::MAX)), if wake.is_some() => {}
            }
            while let Some(ended) = self.calls.try_join_next_with_id() {
                self.take_ended(ended);
            }
            if let Some(held) = self.held.take() {
                self.take(held);
            }
            for _ in 0..INPUT_BATCH {
                if self.held.is_some() {
                    break;
                }
                let Ok(given) = input.try_recv() else { break };
                self.take(given);
            }
        }
        self.drain().await?;
        self.close().await;
        Ok(self.deliveries)
    }

    /// Ends the sessions on desks, as far as that takes no time.
    async fn close(&self) {
        for desk in self.desks.values() {
            let _ = tokio::time::timeout(CLOSE_MAX, desk.close()).await;
        }
    }

    /// Nothing new begins; what is under way ends, as far as it does in time.
    async fn drain(&mut self) -> Result<(), RecordError> {
        self.deliveries.drain();
        let until = tokio::time::Instant::now() + DRAIN_MAX;
        loop {
            match tokio::time::timeout_at(until, self.turn()).await {
                Ok(turned) => turned?,
                Err(_) => break,
            }
            if self.calls.is_empty() {
                break;
            }
            match tokio::time::timeout_at(until, self.calls.join_next_with_id()).await {
                Ok(Some(ended)) => self.take_ended(ended),
                Ok(None) | Err(_) => break,
            }
        }
        let left = self.calls.len();
        if left > 0 {
            tracing::warn!(
                left,
                "requests to desks are left without an answer; they are looked up at the next start"
            );
        }
        self.calls.abort_all();
        Ok(())
    }

    /// Does every step there is: requests leave, lines become durable, requests they announced
    /// leave, until there is none.
    ///
    /// May be dropped at any await and called again: the lines stay in `batch` until they are
    /// durable, and a line that is on record twice says nothing new.
    async fn turn(&mut self) -> Result<(), RecordError> {
        loop {
            while let Some(step) = self.deliveries.poll_step(self.clock.now()) {
                match step {
                    Step::Record { number, line } => {
                        self.batch.0.push(line);
                        self.batch.1 = number;
                    }
                    Step::Call(request) => self.send(*request),
                    Step::Changes { desk, deadline } => self.ask_changes(desk, deadline),
                }
            }
            if self.batch.0.is_empty() {
                break;
            }
            self.record = self.make_durable().await?;
            let (batch, last) = std::mem::take(&mut self.batch);
            self.deliveries.handle_recorded(last);
            self.tell(batch);
        }
        let now = self.clock.now();
        let status = self.deliveries.status();
        for desk in &status {
            let oldest = desk.oldest.map_or(Duration::ZERO, |at| now.since(at));
            self.telemetry.delivery.desk_stands(
                &desk.desk,
                desk.pending,
                oldest,
                desk.doubtful,
                desk.in_flight,
            );
            let open = desk.breaker != BreakerState::Closed;
            self.telemetry.delivery.breaker(&desk.desk, open);
        }
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
        Ok(())
    }

    async fn make_durable(&self) -> Result<u64, RecordError> {
        let batch = &self.batch.0;
        let mut pause = Duration::from_millis(50);
        let mut unheard =
            batch.iter().any(|l| l.heard.as_ref().is_some_and(|h| !h.news.is_empty()));
        loop {
            let outcome = if unheard {
                self.recorder.hear(batch).await.map(|()| {
                    unheard = false;
                    None
                })
            } else {
                self.recorder.record(batch).await.map(Some)
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(number)) => return Ok(number),
                Err(RecordError::Fenced) => return Err(RecordError::Fenced),
                Err(RecordError::Unavailable(reason)) => {
                    tracing::warn!(%reason, lines = batch.len(), "delivery lines wait for the journal");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RECORD_PAUSE_MAX);
                }
            }
        }
    }

    /// Counts and shows lines that are durable now.
    fn tell(&self, batch: Vec<DeliveryLine>) {
        for line in &batch {
            self.telemetry.delivery.step_recorded(&line.desk, line.step.word(), line.attempt);
            let created = matches!(line.call, Some(DeskCall::Create | DeskCall::Find))
                && matches!(line.step, DeliveryStep::Confirmed | DeliveryStep::Found);
            if created && let Some(received) = self.deliveries.received(&line.desk, &line.incident)
            {
                self.telemetry.delivery.ticket_confirmed(self.clock.now().since(received));
            }
            match line.step {
                DeliveryStep::Doubtful
                | DeliveryStep::Refused
                | DeliveryStep::GivenUp
                | DeliveryStep::Gone
                | DeliveryStep::Twin
                | DeliveryStep::Unkeyed
                | DeliveryStep::Unanswered => tracing::warn!(
                    desk = &*line.desk, incident = %line.incident, step = line.step.word(),
                    call = line.call.map(DeskCall::word), attempt = line.attempt,
                    reason = line.reason, "delivery"
                ),
                DeliveryStep::Heard => tracing::info!(
                    desk = &*line.desk, incident = %line.incident,
                    ticket = line.ticket.as_ref().map(|t| &*t.id), "at the desk: {}", line.reason
                ),
                _ => tracing::debug!(
                    desk = &*line.desk, incident = %line.incident, step = line.step.word(),
                    call = line.call.map(DeskCall::word), reason = line.reason, "delivery"
                ),
            }
        }
        // Nobody has to listen.
        let _ = self.lines.send(batch.into());
    }

    fn take(&mut self, given: Input) {
        match given {
            Input::Intent { desks, intent } => {
                if self.deliveries.handle_intent(&desks, &intent).is_err() {
                    self.held = Some(Input::Intent { desks, intent });
                }
            }
            Input::Forget(incident) => self.deliveries.forget(&incident),
            Input::Sweep => self.deliveries.sweep(),
            Input::Look { desk, ticket } => {
                if !self.deliveries.hint(&desk, &ticket) {
                    tracing::debug!(
                        desk = &*desk,
                        ticket,
                        "a hint about a ticket that is none of ours"
                    );
                }
            }
            Input::Snapshot(to) => {
                let state = self.deliveries.snapshot();
                // Whoever asked may have stopped waiting.
                let _ = to.send(Snapshot { state, record: self.record });
            }
        }
    }

    fn send(&mut self, request: Request) {
        let Request { desk: name, incident, call, deadline, received, first } = request;
        let now = self.clock.now();
        if first {
            self.telemetry.delivery.first_request_left(now.since(received));
        }
        let unanswered = lost(&call, "the request broke off inside kentongan");
        let under_way =
            Ended { desk: name.clone(), what: EndedWith::Answer(incident.clone(), unanswered) };
        let desk = self.desks.get(&name).cloned();
        let telemetry = self.telemetry.clone();
        let left = deadline.since(now);
        let task = self.calls.spawn(async move {
            let Some(desk) = desk else {
                let answer = lost(&call, "the desk is not configured");
                return Ended { desk: name, what: EndedWith::Answer(incident, answer) };
            };
            let started = Instant::now();
            let answer = tokio::time::timeout(left, put(&*desk, &call))
                .await
                .unwrap_or_else(|_| lost(&call, "no answer in time"));
            telemetry.delivery.call_ended(
                &name,
                desk.kind(),
                call.kind().word(),
                answer.word(),
                started.elapsed(),
            );
            Ended { desk: name, what: EndedWith::Answer(incident, answer) }
        });
        self.under_way.insert(task.id(), under_way);
    }

    fn ask_changes(&mut self, name: Arc<str>, deadline: Timestamp) {
        let unanswered = |reason: &str| Outcome::Unknown { reason: reason.to_owned() };
        let what = EndedWith::Changes(unanswered("the request broke off inside kentongan"));
        let under_way = Ended { desk: name.clone(), what };
        let desk = self.desks.get(&name).cloned();
        let telemetry = self.telemetry.clone();
        let left = deadline.since(self.clock.now());
        let task = self.calls.spawn(async move {
            let Some(desk) = desk else {
                let changes = unanswered("the desk is not configured");
                return Ended { desk: name, what: EndedWith::Changes(changes) };
            };
            let started = Instant::now();
            let changes = tokio::time::timeout(left, desk.changes())
                .await
                .unwrap_or_else(|_| unanswered("no answer in time"));
            let took = started.elapsed();
            telemetry.delivery.call_ended(&name, desk.kind(), "changes", changes.word(), took);
            Ended { desk: name, what: EndedWith::Changes(changes) }
        });
        self.under_way.insert(task.id(), under_way);
    }

    fn take_ended(&mut self, ended: Result<(tokio::task::Id, Ended), tokio::task::JoinError>) {
        let ended = match ended {
            Ok((id, ended)) => {
                self.under_way.remove(&id);
                ended
            }
            Err(error) => {
                let Some(ended) = self.under_way.remove(&error.id()) else {
                    return;
                };
                tracing::error!(desk = &*ended.desk, %error, "a request to a desk broke off inside kentongan");
                ended
            }
        };
        let now = self.clock.now();
        match ended.what {
            EndedWith::Answer(incident, answer) => {
                self.deliveries.handle_answer(&ended.desk, &incident, answer, now);
            }
            EndedWith::Changes(changes) => {
                if let Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } = &changes {
                    tracing::warn!(
                        desk = &*ended.desk,
                        reason,
                        "the desk did not say which tickets changed"
                    );
                }
                self.deliveries.handle_changes(&ended.desk, changes, now);
            }
        }
    }
}

/// The wall clock, which does not go back while we run.
#[derive(Debug, Clone, Copy)]
struct Clock {
    started: Timestamp,
    since: Instant,
}

impl Clock {
    fn start() -> Clock {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let ms = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX / 4);
        Clock { started: Timestamp::from_millis(ms), since: Instant::now() }
    }

    fn now(self) -> Timestamp {
        self.started + self.since.elapsed()
    }
}
