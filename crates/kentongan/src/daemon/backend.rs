//! What the console may ask of the daemon.

use super::core_loop::{Control, Pulse};
use super::desks::Desks;
use super::questions::{Questions, State};
use super::sinks::Door;
use crate::config::{Backend as Kind, Configuration};
use crate::explain::moment::Until;
use crate::explain::{self, Found, Question};
use async_trait::async_trait;
use console::{
    Backend, BackendError, BuiltinTicketDoc, ConfigDoc, CoreDoc, HeartbeatDoc, JournalDoc,
    MisrouteDoc, ProbeDoc, StatusDoc, TargetDoc, WatcherDoc, WindowDoc,
};
use journal::{Clock, Journal, JournalError};
use model::{Event, Timestamp};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use views::{ExplainDoc, Reader, Views};

/// The core answers the board within this time, or counts as busy.
const CORE_ANSWERS: Duration = Duration::from_secs(2);

/// Samples are counted over this many seconds: a few targets are asked every twenty.
const RATE_OVER: f64 = 20.0;

/// The daemon, seen from the console and the heartbeat.
pub struct Status {
    pub role: &'static str,
    pub identity: String,
    pub journal: Arc<dyn Journal>,
    pub views: Arc<Views>,
    pub door: Arc<Door>,
    pub desks: Desks,
    pub pulse: Arc<Pulse>,
    pub clock: Clock,
    pub control: Option<mpsc::Sender<Control>>,
    pub configuration: RwLock<InForce>,
    pub started: Instant,
    pub started_at: Timestamp,
    pub heartbeat: Mutex<HeartbeatDoc>,
    pub probing: Mutex<Rate>,
    pub questions: Questions,
}

/// The configuration in force.
pub struct InForce {
    pub configuration: Arc<Configuration>,
    pub loaded_at: Timestamp,
    pub refused: Option<String>,
}

/// How many observations a second, measured between two looks.
#[derive(Debug, Default)]
pub struct Rate {
    at: Option<Instant>,
    count: u64,
    per_second: f64,
    last_sample: Option<Timestamp>,
}

impl Status {
    fn in_force(&self) -> std::sync::RwLockReadGuard<'_, InForce> {
        self.configuration.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another configuration is in force.
    pub fn configuration_took_effect(&self, configuration: &Arc<Configuration>) {
        let loaded_at = (self.clock)();
        *self.configuration.write().unwrap_or_else(PoisonError::into_inner) =
            InForce { configuration: configuration.clone(), loaded_at, refused: None };
    }

    /// The newest configuration is wrong; the one in force stays.
    pub fn configuration_refused(&self, why: String) {
        self.configuration.write().unwrap_or_else(PoisonError::into_inner).refused = Some(why);
    }

    /// The outside watcher was called, or not.
    pub fn heartbeat_was(&self, outcome: Result<(), String>) {
        let mut doc = self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(()) => {
                if doc.last_error.take().is_some() {
                    tracing::info!("the heartbeat is heard again");
                }
                doc.last_ok = Some((self.clock)().to_string());
            }
            Err(why) => {
                if doc.last_error.is_none() {
                    tracing::warn!(why, "the heartbeat is not heard");
                }
                doc.last_error = Some(why);
            }
        }
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Control) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.control.as_ref()?.send(ask(answer)).await.ok()?;
        tokio::time::timeout(CORE_ANSWERS, answered).await.ok()?.ok()
    }

    /// What the core says of a target now, from a copy of it.
    async fn as_it_is(&self, target: &str) -> Option<Found> {
        let core = self.ask(Control::Copy).await?;
        let target = target.to_owned();
        let said = tokio::task::spawn_blocking(move || Found {
            explanation: core.why_not(&target),
            from: core.last_event(),
            another_configuration: false,
        });
        said.await.ok()
    }

    fn fill(doc: &mut ExplainDoc, state: State, reader: &Reader) {
        match state {
            State::Known(Ok(found)) => explain::add(doc, &found, reader),
            State::Known(Err(why)) => doc.notes.push(why),
            State::Running(percent) => doc.pending = Some(percent),
        }
    }

    fn misroutes(&self) -> Vec<MisrouteDoc> {
        let counted = self.pulse.misroutes.lock().unwrap_or_else(PoisonError::into_inner);
        let doc =
            |(route, times): &(String, u64)| MisrouteDoc { route: route.clone(), times: *times };
        counted.iter().map(doc).collect()
    }

    fn watchers(&self) -> Vec<WatcherDoc> {
        let probes = self.pulse.probes.lock().unwrap_or_else(PoisonError::into_inner);
        let doc = |p: &correlator::ProbeLook| WatcherDoc {
            id: p.id.to_string(),
            at: p.at.as_ref().map(ToString::to_string),
            sight: p.sight.word().into(),
            since: p.since.map(|t| t.to_string()),
            last_heard: p.heard.map(|t| t.to_string()),
        };
        probes.iter().map(doc).collect()
    }

    fn probe_doc(&self, c: &Configuration) -> Option<ProbeDoc> {
        if self.role == "core" {
            return None;
        }
        let mut rate = self.probing.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.pulse.observations.load(Ordering::Relaxed);
        let now = Instant::now();
        let elapsed = rate.at.map_or(0.0, |at| (now - at).as_secs_f64());
        if rate.at.is_none() || elapsed >= RATE_OVER {
            if rate.at.is_some() {
                rate.per_second = (count - rate.count) as f64 / elapsed;
            }
            if count > rate.count {
                rate.last_sample = Some((self.clock)());
            }
            (rate.at, rate.count) = (Some(now), count);
        }
        let targets = super::plan::of(c).targets.len() as u64;
        Some(ProbeDoc {
            id: c.probe.id.clone(),
            enabled: c.probe.enabled,
            targets,
            samples_per_s: digits(rate.per_second),
            last_sample: rate.last_sample.map(|t| t.to_string()),
            last_error: None,
        })
    }
}

/// Two digits that say something: one target asked every twenty seconds is not "0.0".
fn digits(per_second: f64) -> f64 {
    let scale = if per_second >= 10.0 { 1.0 } else { 100.0 };
    (per_second * scale).round() / scale
}

#[async_trait]
impl Backend for Status {
    async fn submit(&self, event: Event<'static>) -> Result<u64, BackendError> {
        let accepted = self.door.append("command".into(), &[event]).await.map_err(|e| match e {
            JournalError::Full { .. } => BackendError::Full,
            other => BackendError::Unavailable(other.to_string()),
        })?;
        Ok(accepted.first.unwrap_or_default())
    }

    async fn status(&self) -> StatusDoc {
        let health = self.journal.health().await;
        let (configuration, loaded_at, refused) = {
            let f = self.in_force();
            (f.configuration.clone(), f.loaded_at, f.refused.clone())
        };
        let c = &configuration;
        let load = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
        let last_record = *self.pulse.last_record.borrow();
        StatusDoc {
            version: env!("CARGO_PKG_VERSION").into(),
            instance: c.instance.clone(),
            identity: self.identity.clone(),
            role: self.role.into(),
            language: match c.locale.language {
                model::settings::Language::Id => "id",
                model::settings::Language::En => "en",
            }
            .into(),
            timezone: c.locale.timezone.iana_name().unwrap_or("UTC").into(),
            now: (self.clock)().to_string(),
            started_at: self.started_at.to_string(),
            uptime_s: self.started.elapsed().as_secs(),
            journal: JournalDoc {
                kind: match c.journal.backend {
                    Kind::Embedded => "embedded",
                    Kind::Nats(_) => "nats",
                }
                .into(),
                writable: health.writable,
                connected: health.connected,
                spool_events: health.spool_events,
                bytes: health.bytes,
                oldest: health.oldest.map(|t| t.to_string()),
                last_error: health.last_error,
            },
            core: CoreDoc {
                last_event: load(&self.pulse.last_event),
                behind: load(&self.pulse.behind),
                beat_age_ms: if self.control.is_some() {
                    self.pulse.age().as_millis() as u64
                } else {
                    0
                },
                views_behind: last_record.saturating_sub(self.views.applied()),
                open_incidents: load(&self.pulse.open),
                held: load(&self.pulse.held),
                suppressed: load(&self.pulse.suppressed),
                flapping: load(&self.pulse.flapping),
                misroutes: self.misroutes(),
            },
            desks: self.desks.docs(c),
            probe: self.probe_doc(c),
            watchers: self.watchers(),
            heartbeat: self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            config: ConfigDoc { hash: c.hash.clone(), loaded_at: loaded_at.to_string(), refused },
        }
    }

    async fn explain(&self, what: &str, reader: &Reader) -> Option<ExplainDoc> {
        let kept = {
            let (views, what, reader) = (self.views.clone(), what.to_owned(), reader.clone());
            tokio::task::spawn_blocking(move || views.explain(&what, reader)).await.ok()?.ok()?
        };
        let configuration = self.in_force().configuration.clone();
        if let Some(mut doc) = kept {
            if let Some(event) = explain::event_behind(&doc) {
                let question = Question::Event(event);
                let state = self.questions.ask(&self.journal, &configuration, question).await;
                Self::fill(&mut doc, state, reader);
                return Some(doc);
            }
            if let Some(found) = self.as_it_is(what).await {
                explain::add(&mut doc, &found, reader);
            }
            return Some(doc);
        }
        let target = what.split([' ', '*']).next().unwrap_or(what);
        let found = self.as_it_is(target).await?;
        let unknown = matches!(
            &found.explanation.answer,
            correlator::explain::Answer::Target {
                why: correlator::explain::WhyNot::NotInInventory { .. },
                ..
            }
        );
        (!unknown).then(|| explain::of_target(target, "target", &found, reader))
    }

    async fn why_not(
        &self,
        target: &str,
        at: Option<Timestamp>,
        reader: &Reader,
    ) -> Option<ExplainDoc> {
        let kind = "why-not";
        let Some(at) = at.filter(|at| *at < self.now()) else {
            let found = self.as_it_is(target).await?;
            return Some(explain::of_target(target, kind, &found, reader));
        };
        let configuration = self.in_force().configuration.clone();
        let question = Question::WhyNot(target.to_owned(), Until::Time(at));
        let state = self.questions.ask(&self.journal, &configuration, question).await;
        let mut doc = ExplainDoc {
            what: format!("{target}@{at}"),
            kind: kind.to_owned(),
            ..ExplainDoc::default()
        };
        Self::fill(&mut doc, state, reader);
        Some(doc)
    }

    async fn targets(&self) -> Vec<TargetDoc> {
        self.ask(Control::Targets).await.unwrap_or_default()
    }

    async fn windows(&self) -> Vec<WindowDoc> {
        let now = (self.clock)();
        let windows = self.ask(Control::Windows).await.unwrap_or_default();
        let names = |of: Vec<Arc<str>>| of.iter().map(ToString::to_string).collect();
        let docs = windows.into_iter().map(|w| WindowDoc {
            active: !w.over && w.start <= now && now < w.end,
            over: w.over,
            id: w.window.id,
            owner: w.window.owner,
            reason: w.window.reason,
            scope: w.window.scope,
            start: w.start.to_string(),
            end: w.end.to_string(),
            silence: w.window.silence,
            change: w.window.change,
            rrule: w.window.rrule,
            hides: w.hides as u64,
            hid: w.hid,
            hid_targets: names(w.hid_targets),
            overran: names(w.overran),
            advice: w.advice,
            from: if w.asked_for { "command" } else { "config" }.into(),
        });
        docs.collect()
    }

    fn timezone(&self) -> String {
        self.in_force().configuration.settings.zone().to_owned()
    }

    async fn knows_scope(&self, scope: &str) -> bool {
        let inventory = self.door.inventory();
        if let Some(class) = scope.strip_prefix("class:") {
            return inventory.devices.iter().any(|d| &*d.class == class);
        }
        if let Some(tag) = scope.strip_prefix("tag:") {
            return inventory.devices.iter().any(|d| d.tags.iter().any(|t| t == tag));
        }
        inventory.device(scope).is_some()
            || inventory.link(scope).is_some()
            || inventory.site(scope).is_some()
            || inventory.services.iter().any(|s| &*s.id == scope)
    }

    async fn builtin_tickets(&self) -> Vec<BuiltinTicketDoc> {
        self.desks.builtin_tickets().await
    }

    fn now(&self) -> Timestamp {
        (self.clock)()
    }
}
