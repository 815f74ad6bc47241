//! Turns the core: events out of the journal, through the correlator, decisions into the journal,
//! and only then to everybody who acts on them.
//!
//! # The order
//! 1. A batch of events is read and each is handed to the core; its decisions are drained at once.
//! 2. One record with all of them is appended, "through event N". What changed nothing is one
//!    letter an event, and a batch of nothing but that may wait a moment for company.
//! 3. Then, and not before, the views and the desks hear of it.
//!
//! A crash between 1 and 3 repeats 1 with the same outcome, for the core is deterministic. A timer
//! that is due becomes a `tick` event like any other, so that a replay sees it too.

use super::desks::Desks;
use super::plan;
use super::sinks::Door;
use crate::config::Configuration;
use anyhow::{Context, Result, bail};
use console::TargetDoc;
use correlator::Correlator;
use journal::{Clock, Epoch, EventFrame, Journal, JournalError, NewRecord, RecordKind, Snapshot};
use model::{AlarmState, Decision, Event, IncidentId, Intent, Kind, Outcome, Timestamp, Work};
use probe::{Ask, Plan};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use telemetry::{Stage, Telemetry};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use views::routine;

/// Events read from the journal at once.
const EVENTS_AT_ONCE: usize = 4096;
/// Verdicts that changed nothing wait this long for company …
const ROUTINE_WAIT: Duration = Duration::from_secs(2);
/// … or until there are so many of them.
const ROUTINE_MAX: usize = 16_384;
/// A snapshot is taken after this many events …
const SNAPSHOT_EVENTS: u64 = 200_000;
/// … or after this long, when there was any.
const SNAPSHOT_EVERY: Duration = Duration::from_mins(5);
/// The loop turns at least this often, so that it can be seen to live.
const BEAT: Duration = Duration::from_secs(1);
/// The pause between two tries to append a record.
const APPEND_AGAIN: Duration = Duration::from_millis(500);

/// Called when a configuration takes effect.
pub type TakesEffect = Arc<dyn Fn(&Arc<Configuration>) + Send + Sync>;

/// What others want of the core.
pub enum Control {
    /// Another configuration.
    Reload(Arc<Configuration>),
    /// A copy of the core, to ask it what would be if.
    Copy(oneshot::Sender<Correlator>),
    /// Every target as it is now.
    Targets(oneshot::Sender<Vec<TargetDoc>>),
    /// Every window that has not ended, and those that ended lately.
    Windows(oneshot::Sender<Vec<correlator::WindowLook>>),
}

/// What others may see of the loop at any time.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    /// When it turned last, in milliseconds since `began`.
    beat: AtomicU64,
    /// The last event taken.
    pub last_event: AtomicU64,
    /// Events not taken yet.
    pub behind: AtomicU64,
    /// Open incidents.
    pub open: AtomicU64,
    /// Alarms held.
    pub held: AtomicU64,
    /// Alarms explained by something else.
    pub suppressed: AtomicU64,
    /// Alarms that flap.
    pub flapping: AtomicU64,
    /// Observations taken.
    pub observations: AtomicU64,
    /// The probes of the inventory, as the core sees them.
    pub probes: Mutex<Vec<correlator::ProbeLook>>,
    /// How often each rule sent a ticket to the wrong team.
    pub misroutes: Mutex<Vec<(String, u64)>>,
    /// The last record appended.
    pub last_record: watch::Sender<u64>,
}

impl Pulse {
    /// Has just turned.
    pub fn new(last_record: u64) -> Arc<Pulse> {
        Arc::new(Pulse {
            began: Instant::now(),
            beat: 0.into(),
            last_event: 0.into(),
            behind: 0.into(),
            open: 0.into(),
            held: 0.into(),
            suppressed: 0.into(),
            flapping: 0.into(),
            observations: 0.into(),
            probes: Mutex::default(),
            misroutes: Mutex::default(),
            last_record: watch::Sender::new(last_record),
        })
    }

    /// How long ago it turned last.
    pub fn age(&self) -> Duration {
        let beat = Duration::from_millis(self.beat.load(Ordering::Relaxed));
        self.began.elapsed().saturating_sub(beat)
    }

    fn beats(&self) {
        self.beat.store(self.began.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

/// What is shown of a target beside what the core knows.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    rtt_ms: Option<f64>,
    loss_pct: Option<f64>,
}

/// Everything the loop needs.
pub struct CoreLoop {
    pub core: Correlator,
    pub configuration: Arc<Configuration>,
    pub journal: Arc<dyn Journal>,
    pub epoch: Epoch,
    pub door: Arc<Door>,
    pub desks: Desks,
    pub telemetry: Arc<Telemetry>,
    pub pulse: Arc<Pulse>,
    pub clock: Clock,
    pub control: mpsc::Receiver<Control>,
    pub plan: watch::Sender<Arc<Plan>>,
    pub asks: mpsc::Sender<Ask>,
    pub confirmed: mpsc::Sender<Ask>,
    pub reloaded: TakesEffect,
    pub shutdown: CancellationToken,
    state: Turning,
}

/// What the loop remembers between two turns.
#[derive(Default)]
struct Turning {
    batch: Batch,
    /// A tick was journalled and has not come back yet.
    ticking: bool,
    /// Configurations whose `config` event has not come back yet.
    reloads: VecDeque<Arc<Configuration>>,
    /// There is a snapshot of this run: without one, a crash would cost what is only in the core.
    snapped: bool,
    snapshot_event: u64,
    snapshot_at: Option<Instant>,
    last: HashMap<Arc<str>, Last>,
}

/// Decisions that are not durable yet.
#[derive(Default)]
struct Batch {
    /// The first event of `codes`.
    from: u64,
    codes: Vec<u8>,
    /// Lines that matter.
    body: Vec<u8>,
    intents: Vec<Intent>,
    closed: Vec<IncidentId>,
    since: Option<Instant>,
}

impl CoreLoop {
    #[allow(
        clippy::too_many_arguments,
        reason = "wiring: each is named once, here and at the call"
    )]
    pub fn new(
        core: Correlator,
        configuration: Arc<Configuration>,
        journal: Arc<dyn Journal>,
        epoch: Epoch,
        door: Arc<Door>,
        desks: Desks,
        telemetry: Arc<Telemetry>,
        pulse: Arc<Pulse>,
        clock: Clock,
        control: mpsc::Receiver<Control>,
        plan: watch::Sender<Arc<Plan>>,
        asks: mpsc::Sender<Ask>,
        confirmed: mpsc::Sender<Ask>,
        reloaded: TakesEffect,
        shutdown: CancellationToken,
    ) -> CoreLoop {
        let snapshot_event = core.last_event();
        let state = Turning { snapshot_event, ..Turning::default() };
        CoreLoop {
            core,
            configuration,
            journal,
            epoch,
            door,
            desks,
            telemetry,
            pulse,
            clock,
            control,
            plan,
            asks,
            confirmed,
            reloaded,
            shutdown,
            state,
        }
    }

    /// This configuration takes effect with its `config` event, which is in the journal already.
    pub fn expect(&mut self, configuration: Arc<Configuration>) {
        self.state.reloads.push_back(configuration);
    }

    /// Turns until `shutdown`; then takes what is there, and leaves a snapshot.
    pub async fn run(mut self) -> Result<()> {
        let outcome = self.turn_until_told().await;
        if outcome.is_ok() {
            self.flush().await?;
            self.snapshot().await;
        }
        outcome
    }

    async fn turn_until_told(&mut self) -> Result<()> {
        self.state.snapshot_at = Some(Instant::now());
        self.tell_pulse().await;
        loop {
            self.pulse.beats();
            let next = self.core.last_event() + 1;
            let wake = self.wake_in();
            let journal = self.journal.clone();
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return Ok(()),
                Some(control) = self.control.recv() => self.control(control).await?,
                ready = journal.wait_events(next) => match ready {
                    Ok(()) => self.take_events(next).await?,
                    Err(error) => {
                        tracing::warn!(%error, "the journal cannot be read; tried again");
                        tokio::time::sleep(APPEND_AGAIN).await;
                    }
                },
                () = tokio::time::sleep(wake) => self.time_passes().await?,
            }
        }
    }

    /// When to come back at the latest.
    fn wake_in(&self) -> Duration {
        let mut wake = BEAT;
        if let Some((due, _)) = self.core.poll_timeout()
            && !self.state.ticking
        {
            wake = wake.min(due.since((self.clock)()) + Duration::from_millis(1));
        }
        if let Some(since) = self.state.batch.since {
            wake = wake.min(ROUTINE_WAIT.saturating_sub(since.elapsed()));
        }
        wake
    }

    async fn time_passes(&mut self) -> Result<()> {
        let now = (self.clock)();
        if let Some((due, why)) = self.core.poll_timeout()
            && due <= now
            && !self.state.ticking
        {
            tracing::debug!(why, "a timer is due");
            let tick = Event { at: now, received: None, kind: Kind::Tick };
            match self.door.append("core".into(), &[tick]).await {
                Ok(_) => self.state.ticking = true,
                Err(error) => tracing::warn!(%error, "a tick could not be journalled; tried again"),
            }
        }
        if self.state.batch.since.is_some_and(|s| s.elapsed() >= ROUTINE_WAIT) {
            self.flush().await?;
        }
        if self.state.snapshot_at.is_none_or(|at| at.elapsed() >= SNAPSHOT_EVERY)
            && self.core.last_event() > self.state.snapshot_event
        {
            self.flush().await?;
            self.snapshot().await;
        }
        self.tell_pulse().await;
        Ok(())
    }

    async fn take_events(&mut self, next: u64) -> Result<()> {
        let frames = match self.journal.read_events(next, EVENTS_AT_ONCE).await {
            Ok(frames) => frames,
            Err(error @ JournalError::Damaged { .. }) => {
                return Err(error).context("reading events");
            }
            Err(error) => {
                tracing::warn!(%error, "events could not be read; tried again");
                tokio::time::sleep(APPEND_AGAIN).await;
                return Ok(());
            }
        };
        let began = Instant::now();
        let mut snapshot = false;
        for frame in &frames {
            let codes = &self.state.batch;
            if !codes.codes.is_empty()
                && codes.from + codes.codes.len() as u64 != frame.first.max(next)
            {
                // Numbers are left out where a restored journal goes on; a batch has none left out.
                self.flush().await?;
            }
            snapshot |= self.take_frame(frame, next)?;
        }
        let took = began.elapsed();
        self.telemetry.core.batch_decided(took);
        self.telemetry.core.stage_passed(Stage::Correlate, took);
        let batch = &self.state.batch;
        if !batch.body.is_empty() || batch.codes.len() >= ROUTINE_MAX || snapshot {
            self.flush().await?;
        }
        if snapshot
            || !self.state.snapped
            || self.core.last_event() >= self.state.snapshot_event + SNAPSHOT_EVENTS
        {
            self.flush().await?;
            self.snapshot().await;
        }
        Ok(())
    }

    /// Hands a frame's events to the core. True when a configuration took effect.
    fn take_frame(&mut self, frame: &EventFrame, next: u64) -> Result<bool> {
        let mut reloaded = false;
        for (number, line) in frame.lines()? {
            if number < next {
                continue;
            }
            match wire::read_event(line) {
                Ok(read) => {
                    let mut event = read.event;
                    event.received = Some(frame.received);
                    reloaded |= self.before(&event);
                    self.watch(&event);
                    self.core.handle_event(number, &event);
                }
                Err(error) => {
                    self.core.handle_unreadable(number, frame.received, &error.to_string());
                }
            }
            self.drain(number);
        }
        Ok(reloaded)
    }

    /// What has to be done before the core takes an event.
    fn before(&mut self, event: &Event<'_>) -> bool {
        match &event.kind {
            Kind::Tick => self.state.ticking = false,
            Kind::Config { hash, .. } => {
                if let Some(at) = self.state.reloads.iter().position(|c| c.hash == *hash) {
                    let configuration =
                        self.state.reloads.remove(at).unwrap_or_else(|| self.configuration.clone());
                    self.core.reconfigure(
                        configuration.inventory.clone(),
                        configuration.settings.clone(),
                    );
                    self.door.learn(configuration.inventory.clone());
                    self.plan.send_replace(plan::of(&configuration));
                    self.desks.reconfigure(&configuration);
                    (self.reloaded)(&configuration);
                    self.configuration = configuration;
                    return true;
                }
            }
            _ => {}
        }
        false
    }

    /// Remembers the values that the board shows.
    fn watch(&mut self, event: &Event<'_>) {
        let kind = match &event.kind {
            Kind::Observation(o) => {
                self.pulse.observations.fetch_add(1, Ordering::Relaxed);
                if let Outcome::Reply(values) = &o.outcome
                    && o.check == "icmp"
                {
                    let value = |name| values.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
                    let last = Last { rtt_ms: value("rtt_ms"), loss_pct: value("loss_pct") };
                    if let Some(known) = self.state.last.get_mut(&*o.target) {
                        *known = last;
                    } else if let Some(d) = self.core.inventory().device(&o.target) {
                        // Bounded by the inventory: only its devices have a place here.
                        let id = self.core.inventory()[d].id.clone();
                        self.state.last.insert(id, last);
                    }
                }
                "observation"
            }
            Kind::Signal(_) => "signal",
            Kind::Command(_) => "command",
            Kind::Desk(_) => "desk",
            Kind::Config { .. } => "config",
            Kind::Gap { .. } => "gap",
            Kind::Tick => "tick",
        };
        self.telemetry.core.events_taken(kind, 1);
    }

    /// Takes the decisions about event `number` into the batch, and passes on what the core asks for.
    fn drain(&mut self, number: u64) {
        let batch = &mut self.state.batch;
        if batch.codes.is_empty() {
            batch.from = number;
        }
        batch.since.get_or_insert_with(Instant::now);
        let mut code = routine::HAS_ROW;
        while let Some(decision) = self.core.poll_decision() {
            let metrics = &self.telemetry.core;
            match &decision {
                Decision::Verdict(v) => {
                    metrics.verdicts_given(v.verdict.word(), 1);
                    if v.routine {
                        code = routine::code_of(v.verdict);
                        continue;
                    }
                    metrics.decisions_made("verdict", 1);
                }
                Decision::Alarm(a) => {
                    metrics.decisions_made("alarm", 1);
                    if matches!(a.state, AlarmState::Held | AlarmState::Raised) {
                        // The probe need not hurry any more: it is known.
                        let ours = format!("@{}", self.configuration.probe.id);
                        let check = a.check.strip_suffix(ours.as_str()).unwrap_or(&a.check);
                        let _ = self
                            .confirmed
                            .try_send(Ask { target: a.target.clone(), check: check.into() });
                    }
                }
                Decision::Incident(i) => {
                    metrics.decisions_made("incident", 1);
                    metrics.incident_changed(i.change.word());
                    tracing::info!(incident = %i.id, change = %i.change, priority = %i.priority, scope = %i.scope, root = i.root.join(" "), devices = i.affected.devices.len(), "incident: {}", i.reason);
                    if i.work == Work::Closed {
                        batch.closed.push(i.id.clone());
                    }
                }
                Decision::Intent(i) => {
                    metrics.decisions_made("intent", 1);
                    metrics.intent_formed(i.op.word());
                    batch.intents.push((**i).clone());
                }
            }
            wire::write_decision(&mut batch.body, &decision);
            batch.body.push(b'\n');
        }
        batch.codes.push(code);
        while let Some(ask) = self.core.poll_ask() {
            // A hint: a full queue means that the probe is busy asking anyway.
            let _ = self.asks.try_send(Ask { target: ask.target, check: ask.check.into() });
        }
    }

    /// Makes the batch durable, then tells everybody. Tries until it is done: what was decided must
    /// not be lost, and nobody may act on what is not durable.
    async fn flush(&mut self) -> Result<()> {
        if self.state.batch.codes.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.state.batch);
        let mut body = batch.body;
        body.extend_from_slice(
            format!("{{\"kind\":\"routine\",\"from\":{},\"codes\":\"", batch.from).as_bytes(),
        );
        body.extend_from_slice(&batch.codes);
        body.extend_from_slice(b"\"}\n");
        let record = NewRecord {
            kind: RecordKind::Decisions,
            through: self.core.last_event(),
            body: body.into(),
        };
        let began = Instant::now();
        let number = self.append(record).await?;
        self.telemetry.core.stage_passed(Stage::Record, began.elapsed());
        self.pulse.last_record.send_if_modified(|last| {
            let newer = number > *last;
            *last = number.max(*last);
            newer
        });
        for intent in batch.intents {
            self.desks.tell(&self.core, &self.configuration, intent).await;
        }
        for incident in batch.closed {
            self.desks.forget(incident).await;
        }
        self.tell_pulse().await;
        Ok(())
    }

    async fn append(&self, record: NewRecord) -> Result<u64> {
        let mut said = false;
        loop {
            match self.journal.append_records(&self.epoch, vec![record.clone()]).await {
                Ok(records) => return Ok(records.last().map_or(0, |r| r.number)),
                Err(error @ (JournalError::Fenced { .. } | JournalError::Damaged { .. })) => {
                    return Err(error).context("making decisions durable");
                }
                Err(error) => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::error!(%error, "decisions cannot be made durable; nobody hears of them until they are");
                    }
                    self.pulse.beats();
                    tokio::select! {
                        () = tokio::time::sleep(APPEND_AGAIN) => {}
                        () = self.shutdown.cancelled() => bail!("ended while decisions could not be made durable; they are decided again at the next start"),
                    }
                }
            }
        }
    }

    async fn control(&mut self, control: Control) -> Result<()> {
        match control {
            Control::Reload(configuration) => {
                let identity = self.core.instance().to_owned();
                let kept = super::resume::keep(&self.journal, &configuration, &identity).await;
                if let Err(error) = kept {
                    tracing::error!(%error, "the new configuration could not be journalled; the old one stays in force");
                    return Ok(());
                }
                let event = config_event((self.clock)(), &configuration.hash, None);
                self.state.reloads.push_back(configuration);
                if let Err(error) = self.door.append("core".into(), &[event]).await {
                    self.state.reloads.pop_back();
                    tracing::error!(%error, "the new configuration could not be journalled; the old one stays in force");
                }
            }
            Control::Copy(answer) => {
                let _ = answer.send(self.core.copy());
            }
            Control::Targets(answer) => {
                let _ = answer.send(self.targets());
            }
            Control::Windows(answer) => {
                let _ = answer.send(self.core.window_looks());
            }
        }
        Ok(())
    }

    fn targets(&self) -> Vec<TargetDoc> {
        let inventory = self.core.inventory();
        let mut docs: Vec<TargetDoc> = Vec::with_capacity(inventory.devices.len());
        for (ix, device) in inventory.devices.iter().enumerate() {
            if device.passive {
                continue;
            }
            let look = self.core.look_at(model::inventory::DeviceIx(ix as u32));
            let last = self.state.last.get(&device.id).copied().unwrap_or_default();
            let up = matches!(look.state, Some(AlarmState::Ok | AlarmState::Suspect));
            let site = device.site.map(|s| &inventory[s]);
            docs.push(TargetDoc {
                id: device.id.to_string(),
                name: device.name.to_string(),
                site: site.map(|s| s.id.to_string()),
                site_name: site.map(|s| s.name.to_string()),
                class: device.class.to_string(),
                criticality: format!("{:?}", device.criticality).to_lowercase(),
                state: match look.state {
                    None => "new",
                    Some(AlarmState::Ok) => "up",
                    Some(AlarmState::Suspect) => "suspect",
                    Some(AlarmState::Unknown) => "unknown",
                    Some(AlarmState::Flapping) => "flapping",
                    Some(AlarmState::Held | AlarmState::Raised | AlarmState::Clearing) => "down",
                }
                .into(),
                since: look.since.map(|t| t.to_string()),
                last_seen: look.last_seen.map(|t| t.to_string()),
                rtt_ms: last.rtt_ms.filter(|_| up),
                loss_pct: last.loss_pct.filter(|_| up),
                incident: look.incident.map(|i| i.to_string()),
                maintenance: look.covered_by.is_some(),
                checks: look
                    .checks
                    .into_iter()
                    .map(|(check, target, state, at)| console::CheckDoc {
                        check: if target == device.id {
                            check.to_string()
                        } else {
                            format!("{check} {target}")
                        },
                        state: state.word().into(),
                        last: (at > Timestamp::MIN).then(|| at.to_string()),
                    })
                    .collect(),
            });
        }
        docs.sort_by(|a, b| a.id.cmp(&b.id));
        docs
    }

    /// Leaves a place to start from. Without it a start is only slower.
    async fn snapshot(&mut self) {
        self.state.snapshot_event = self.core.last_event();
        self.state.snapshot_at = Some(Instant::now());
        let through_record = *self.pulse.last_record.borrow();
        let Some(deliveries) = self.desks.snapshot().await else {
            tracing::warn!("no snapshot: the desks did not answer in time");
            return;
        };
        let body = match super::resume::Frozen::encode(&self.core, &deliveries) {
            Ok(body) => body,
            Err(error) => return tracing::warn!(%error, "no snapshot"),
        };
        let snapshot = Snapshot {
            version: super::resume::version_of(&self.configuration),
            through_event: self.core.last_event(),
            through_record,
            body: body.into(),
        };
        match self.journal.put_snapshot(snapshot).await {
            Ok(()) => self.state.snapped = true,
            Err(error) => tracing::warn!(%error, "no snapshot; the next start takes longer"),
        }
    }

    async fn tell_pulse(&self) {
        let counts = self.core.counts();
        let metrics = &self.telemetry.core;
        for priority in model::Priority::ALL {
            for condition in model::Condition::ALL {
                let n = counts.incidents.get(&(*priority, *condition)).copied().unwrap_or(0);
                metrics.open_incidents(priority.word(), condition.word(), n as i64);
            }
        }
        for state in AlarmState::ALL {
            metrics.alarms(state.word(), counts.alarms.get(state).copied().unwrap_or(0) as i64);
        }
        metrics.timers(counts.timers);
        for (bound, times) in counts.met.each() {
            metrics.bound_met(bound, times);
        }
        let probes = self.core.probes();
        metrics.probes(probes.iter().map(|p| {
            (&*p.id, p.sight == correlator::Sight::Isolated, p.sight == correlator::Sight::Silent)
        }));
        *self.pulse.probes.lock().unwrap_or_else(PoisonError::into_inner) = probes;
        let misroutes = self.core.misroutes();
        for (rule, times) in misroutes {
            metrics.misrouted(rule, *times);
        }
        *self.pulse.misroutes.lock().unwrap_or_else(PoisonError::into_inner) =
            misroutes.iter().map(|(rule, times)| (rule.clone(), *times)).collect();
        let last = self.core.last_event();
        let behind = self.journal.last_event().await.unwrap_or(last).saturating_sub(last);
        metrics.progressed(last, behind);
        let set = |to: &AtomicU64, n: usize| to.store(n as u64, Ordering::Relaxed);
        self.pulse.last_event.store(last, Ordering::Relaxed);
        self.pulse.behind.store(behind, Ordering::Relaxed);
        set(&self.pulse.open, counts.incidents.values().sum());
        set(&self.pulse.held, counts.alarms.get(&AlarmState::Held).copied().unwrap_or(0));
        set(&self.pulse.flapping, counts.alarms.get(&AlarmState::Flapping).copied().unwrap_or(0));
        set(&self.pulse.suppressed, self.core.suppressed());
    }
}

/// "This configuration takes effect."
pub fn config_event(at: Timestamp, hash: &str, instance: Option<String>) -> Event<'static> {
    Event { at, received: None, kind: Kind::Config { hash: hash.to_owned(), instance } }
}
