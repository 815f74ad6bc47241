//! What the core decides, and how far it is.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Where on its way an event spends time; the label of [`CoreMetrics::stage_passed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the request's first byte to handing its events to the journal.
    Intake,
    /// From there until they are durable.
    Journal,
    /// From durable until the core has decided.
    Correlate,
    /// From decided until the decision is durable.
    Record,
    /// From there until the call to the desk leaves.
    Deliver,
}

impl Stage {
    /// All of them, in the order an event passes them.
    pub const ALL: [Stage; 5] =
        [Stage::Intake, Stage::Journal, Stage::Correlate, Stage::Record, Stage::Deliver];

    const fn word(self) -> &'static str {
        match self {
            Stage::Intake => "intake",
            Stage::Journal => "journal",
            Stage::Correlate => "correlate",
            Stage::Record => "record",
            Stage::Deliver => "deliver",
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByVerdict {
    verdict: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByOp {
    op: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByChange {
    change: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByPriority {
    priority: &'static str,
    condition: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByBound {
    bound: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRoute {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByProbe {
    probe: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByStage {
    stage: &'static str,
}

/// What the core decides, and how far it is.
///
/// Every label is one of the model's bare words, so that it is the same in log, ticket and console;
/// never an id, but for that of a probe: those are as few as the configuration names.
#[derive(Debug)]
pub struct CoreMetrics {
    events: Family<ByKind, Counter>,
    verdicts: Family<ByVerdict, Counter>,
    decisions: Family<ByKind, Counter>,
    incident_changes: Family<ByChange, Counter>,
    intents: Family<ByOp, Counter>,
    open_incidents: Family<ByPriority, Gauge>,
    alarms: Family<ByState, Gauge>,
    batch: Histogram,
    behind: Gauge,
    last_event: Gauge,
    timers: Gauge,
    bounds: Family<ByBound, Gauge>,
    isolated: Family<ByProbe, Gauge>,
    silent: Family<ByProbe, Gauge>,
    misroutes: Family<ByRoute, Gauge>,
    queued: Family<ByQueue, Gauge>,
    stages: Family<ByStage, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByQueue {
    queue: &'static str,
}

fn stage_seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0])
}

impl CoreMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let batch =
            Histogram::new([0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0]);
        let m = CoreMetrics {
            events: Family::default(),
            verdicts: Family::default(),
            decisions: Family::default(),
            incident_changes: Family::default(),
            intents: Family::default(),
            open_incidents: Family::default(),
            alarms: Family::default(),
            batch,
            behind: Gauge::default(),
            last_event: Gauge::default(),
            timers: Gauge::default(),
            bounds: Family::default(),
            isolated: Family::default(),
            silent: Family::default(),
            misroutes: Family::default(),
            queued: Family::default(),
            stages: Family::new_with_constructor(stage_seconds),
        };
        registry.register("events", "Events the core has taken, by kind", m.events.clone());
        registry.register("verdicts", "Verdicts given, by their word", m.verdicts.clone());
        registry.register("decisions", "Lines of decision, by kind", m.decisions.clone());
        registry.register(
            "incident_changes",
            "What happened to incidents, by change",
            m.incident_changes.clone(),
        );
        registry.register(
            "intents",
            "What desks or people should be told, by op",
            m.intents.clone(),
        );
        registry.register(
            "open_incidents",
            "Incidents that are not resolved, by priority and condition",
            m.open_incidents.clone(),
        );
        registry.register("alarms", "Alarms, by their state now", m.alarms.clone());
        registry.register(
            "core_batch_seconds",
            "Time the core needs for one batch of events",
            m.batch.clone(),
        );
        registry.register(
            "core_events_behind",
            "Events in the journal that the core has not taken yet",
            m.behind.clone(),
        );
        registry.register(
            "core_last_event",
            "Number of the last event the core has taken",
            m.last_event.clone(),
        );
        registry.register("core_timers", "Timers of the core that are set", m.timers.clone());
        registry.register(
            "core_bounds_met",
            "How often something was turned away or forgotten early, by the bound of the core",
            m.bounds.clone(),
        );
        registry.register(
            "core_misroutes",
            "How often people said that the wrong team had a ticket, by the rule that sent it",
            m.misroutes.clone(),
        );
        registry.register(
            "probe_isolated",
            "Whether a probe sees nothing, so that what it observes means nothing",
            m.isolated.clone(),
        );
        registry.register(
            "probe_silent",
            "Whether nothing is heard from a probe",
            m.silent.clone(),
        );
        registry.register(
            "queue_depth",
            "What waits between two parts of the daemon, by queue",
            m.queued.clone(),
        );
        registry.register(
            "stage_seconds",
            "Time an event spends in each stage of its way",
            m.stages.clone(),
        );
        // A stage without a sample is a line with zeroes, not a hole in a graph.
        for stage in Stage::ALL {
            drop(m.stages.get_or_create_owned(&ByStage { stage: stage.word() }));
        }
        m
    }

    /// The core took `n` events of this kind (`observation`, `signal`, …).
    pub fn events_taken(&self, kind: &'static str, n: u64) {
        self.events.get_or_create_owned(&ByKind { kind }).inc_by(n);
    }

    /// `n` events came to this verdict.
    pub fn verdicts_given(&self, verdict: &'static str, n: u64) {
        self.verdicts.get_or_create_owned(&ByVerdict { verdict }).inc_by(n);
    }

    /// `n` lines of this kind were decided (`verdict`, `routine`, `alarm`, `incident`, `intent`).
    pub fn decisions_made(&self, kind: &'static str, n: u64) {
        self.decisions.get_or_create_owned(&ByKind { kind }).inc_by(n);
    }

    /// This happened to an incident (`opened`, `rerooted`, …).
    pub fn incident_changed(&self, change: &'static str) {
        self.incident_changes.get_or_create_owned(&ByChange { change }).inc();
    }

    /// Somebody should be told, and this is what (`create`, `note`, …).
    pub fn intent_formed(&self, op: &'static str) {
        self.intents.get_or_create_owned(&ByOp { op }).inc();
    }

    /// So many incidents of this priority and condition are open now.
    pub fn open_incidents(&self, priority: &'static str, condition: &'static str, n: i64) {
        self.open_incidents.get_or_create_owned(&ByPriority { priority, condition }).set(n);
    }

    /// So many alarms are in this state now.
    pub fn alarms(&self, state: &'static str, n: i64) {
        self.alarms.get_or_create_owned(&ByState { state }).set(n);
    }

    /// One batch is through.
    pub fn batch_decided(&self, took: Duration) {
        self.batch.observe(took.as_secs_f64());
    }

    /// The number of the last event taken, and how many wait behind it.
    pub fn progressed(&self, last_event: u64, behind: u64) {
        self.last_event.set(i64::try_from(last_event).unwrap_or(i64::MAX));
        self.behind.set(i64::try_from(behind).unwrap_or(i64::MAX));
    }

    /// So many timers are set.
    pub fn timers(&self, n: usize) {
        self.timers.set(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// So often this bound was met.
    pub fn bound_met(&self, bound: &'static str, times: u64) {
        let times = i64::try_from(times).unwrap_or(i64::MAX);
        self.bounds.get_or_create_owned(&ByBound { bound }).set(times);
    }

    /// The rule of this name has sent so many tickets to the wrong team. The names are those of the
    /// configuration.
    pub fn misrouted(&self, route: &str, times: u64) {
        let times = i64::try_from(times).unwrap_or(i64::MAX);
        self.misroutes.get_or_create_owned(&ByRoute { route: route.to_owned() }).set(times);
    }

    /// These are the probes of the configuration: its id, whether it is isolated, whether it is silent.
    pub fn probes<'a>(&self, probes: impl Iterator<Item = (&'a str, bool, bool)>) {
        // Only those that there are: one that was removed is no longer told of.
        self.isolated.clear();
        self.silent.clear();
        for (id, isolated, silent) in probes {
            let label = ByProbe { probe: id.to_owned() };
            self.isolated.get_or_create_owned(&label).set(i64::from(isolated));
            self.silent.get_or_create_owned(&label).set(i64::from(silent));
        }
    }

    /// So much waits in this queue. The name is one of a few fixed words.
    pub fn queued(&self, queue: &'static str, n: usize) {
        self.queued
            .get_or_create_owned(&ByQueue { queue })
            .set(i64::try_from(n).unwrap_or(i64::MAX));
    }

    /// An event (or a batch of them) spent this long in a stage.
    pub fn stage_passed(&self, stage: Stage, took: Duration) {
        self.stages
            .get_or_create_owned(&ByStage { stage: stage.word() })
            .observe(took.as_secs_f64());
    }
}
