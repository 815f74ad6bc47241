//! Turns the crank: one task that waits for the plan, the asks, the answers and the clock, and
//! one beside it that publishes.

use crate::agent::AsyncSnmp;
use crate::check::{self, Answered};
use crate::names::{Names, SystemResolver};
use crate::outbox::{ObservationSink, Outbox};
use crate::pace::Pace;
use crate::ping::PingEngine;
use crate::plan::{Ask, Plan};
use crate::schedule::{Schedule, Start};
use crate::snmp::SnmpEngine;
use crate::surge::SurgePing;
use model::Timestamp;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use telemetry::Telemetry;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// A sample that is not back after ten times its time-out and this never comes back.
const GRACE: Duration = Duration::from_secs(30);

/// What the probe listens to.
pub struct Inputs {
    /// What to ask. Sending another plan is a reload; the sender may go away.
    pub plan: watch::Receiver<Arc<Plan>>,
    /// What the core wants to know now.
    pub asks: mpsc::Receiver<Ask>,
    /// Failures that the core has confirmed, or has stopped suspecting: they are asked again no
    /// more than usual. Optional; without it, doubt ends by itself after `down_of` samples.
    pub confirmed: mpsc::Receiver<Ask>,
}

/// Everything that touches the world.
#[derive(Clone)]
pub struct Engines {
    /// Echo requests.
    pub ping: Arc<dyn PingEngine>,
    /// SNMP requests.
    pub snmp: Arc<dyn SnmpEngine>,
    /// Names of targets.
    pub names: Arc<Names>,
    /// Shared by both engines; the plan sets its rate.
    pub pace: Arc<Pace>,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Engines {
    /// The real ones. Opens nothing yet: sockets are opened when they are first needed.
    pub fn real(pps: u32, telemetry: &Arc<Telemetry>) -> Engines {
        let pace = Arc::new(Pace::new(pps));
        Engines {
            ping: Arc::new(SurgePing::new(pace.clone(), telemetry.clone())),
            snmp: Arc::new(AsyncSnmp::new(pace.clone(), telemetry.clone())),
            names: Names::new(Arc::new(SystemResolver)),
            pace,
            clock: Arc::new(wall_clock),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }
}

/// Asks what the plan says until `shutdown`, then publishes what is left and returns.
pub async fn run(
    inputs: Inputs,
    engines: Engines,
    sink: Arc<dyn ObservationSink>,
    telemetry: Arc<Telemetry>,
    shutdown: CancellationToken,
) {
    let outbox = Outbox::new(telemetry.clone());
    let stop_publishing = CancellationToken::new();
    let publisher = tokio::spawn({
        let (outbox, stop) = (outbox.clone(), stop_publishing.clone());
        async move { outbox.publish_to(&*sink, stop).await }
    });
    let mut probe = Probe {
        plan: Arc::default(),
        schedule: Schedule::new(Instant::now()),
        samples: JoinSet::new(),
        flying: HashMap::new(),
        engines,
        outbox,
        telemetry,
    };
    probe.turn(inputs, shutdown).await;
    probe.samples.shutdown().await;
    stop_publishing.cancel();
    if let Err(error) = publisher.await {
        tracing::error!(%error, "the publisher of observations ended badly");
    }
}

struct Probe {
    plan: Arc<Plan>,
    schedule: Schedule,
    samples: JoinSet<Answered>,
    /// What each sample's task is about.
    flying: HashMap<Id, Start>,
    engines: Engines,
    outbox: Arc<Outbox>,
    telemetry: Arc<Telemetry>,
}

impl Probe {
    async fn turn(&mut self, inputs: Inputs, shutdown: CancellationToken) {
        let Inputs { mut plan, mut asks, mut confirmed } = inputs;
        let first = plan.borrow_and_update().clone();
        self.take_plan(first);
        let (mut plan_open, mut asks_open, mut confirmed_open) = (true, true, true);
        loop {
            self.start_what_is_due();
            let wake = self.schedule.poll_timeout();
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = plan.changed(), if plan_open => match changed {
                    Ok(()) => {
                        let new = plan.borrow_and_update().clone();
                        self.take_plan(new);
                    }
                    Err(_) => plan_open = false,
                },
                ask = asks.recv(), if asks_open => match ask {
                    Some(ask) => {
                        let heard = self.schedule.handle_ask(&ask, Instant::now());
                        self.telemetry.probe.ask_heard(heard.word());
                    }
                    None => asks_open = false,
                },
                ask = confirmed.recv(), if confirmed_open => match ask {
                    Some(ask) => self.schedule.handle_confirmed(&ask),
                    None => confirmed_open = false,
                },
                Some(done) = self.samples.join_next_with_id() => self.take_answer(done),
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
    }

    fn take_plan(&mut self, plan: Arc<Plan>) {
        self.engines.pace.set(plan.pps);
        self.schedule.handle_plan(&plan, Instant::now());
        let names: HashSet<&str> = plan
            .targets
            .iter()
            .map(|t| t.address.as_str())
            .filter(|a| a.parse::<IpAddr>().is_err())
            .collect();
        self.engines.names.keep(&names);
        for name in names {
            // Looked up before it is first needed; what comes of it is kept there.
            let (known, name) = (self.engines.names.clone(), name.to_owned());
            tokio::spawn(async move { known.address(&name).await });
        }
        self.telemetry.probe.scheduled(self.schedule.len());
        tracing::info!(
            targets = plan.targets.len(),
            checks = self.schedule.len(),
            pps = self.engines.pace.pps(),
            "the plan of the probe is in force"
        );
        self.plan = plan;
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some(start) = self.schedule.poll_start(now) {
            self.telemetry.probe.asked_late(start.lag);
            if start.extra {
                self.telemetry.probe.asked_again();
            }
            let (engines, probe) = (self.engines.clone(), self.plan.probe.clone());
            let (target, plan) = (start.target.clone(), start.plan);
            let task = self.samples.spawn(async move {
                let never = plan.timeout * 10 + GRACE;
                match timeout(never, check::ask(&engines, &probe, &target, plan)).await {
                    Ok(answered) => answered,
                    Err(_) => check::lost(&engines, &probe, &target, plan.check),
                }
            });
            self.flying.insert(task.id(), start);
        }
        for protocol in self.schedule.poll_held(now) {
            self.telemetry.probe.held_back(protocol);
        }
        self.tell_in_flight();
    }

    fn take_answer(&mut self, done: Result<(Id, Answered), JoinError>) {
        let id = done.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let start = self.flying.remove(&id).expect("every sample is entered when it starts");
        let answered = done.map_or_else(
            |error| {
                tracing::error!(%error, check = %start.plan.check, "taking a sample ended badly");
                check::lost(&self.engines, &self.plan.probe, &start.target, start.plan.check)
            },
            |(_, answered)| answered,
        );
        if self.schedule.handle_answer(start.ticket, answered.finding, Instant::now()) {
            self.telemetry.probe.sample_taken(start.plan.check.word(), answered.outcome);
            if let Some(reason) = answered.reason {
                self.telemetry.probe.sample_failed(reason.word());
            }
            self.outbox.put(answered.observations);
        }
        self.tell_in_flight();
    }

    fn tell_in_flight(&self) {
        for (protocol, count) in self.schedule.in_flight() {
            self.telemetry.probe.in_flight(protocol, count);
        }
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 4))
}
