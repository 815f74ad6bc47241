//! What the probe asks, and what it costs.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BySample {
    check: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByProtocol {
    protocol: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByResult {
    result: &'static str,
}

/// What the probe asks, and what it costs.
#[derive(Debug)]
pub struct ProbeMetrics {
    samples: Family<BySample, Counter>,
    failed: Family<ByReason, Counter>,
    packets: Family<ByProtocol, Counter>,
    socket_drops: Family<ByProtocol, Counter>,
    asks: Family<ByResult, Counter>,
    asked_again: Counter,
    lag: Histogram,
    in_flight: Family<ByProtocol, Gauge>,
    held_back: Family<ByProtocol, Counter>,
    scheduled: Gauge,
    observations: Counter,
    refused: Counter,
    dropped: Counter,
    queued: Gauge,
}

impl ProbeMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let m = ProbeMetrics {
            samples: Family::default(),
            failed: Family::default(),
            packets: Family::default(),
            socket_drops: Family::default(),
            asks: Family::default(),
            asked_again: Counter::default(),
            lag: Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]),
            in_flight: Family::default(),
            held_back: Family::default(),
            scheduled: Gauge::default(),
            observations: Counter::default(),
            refused: Counter::default(),
            dropped: Counter::default(),
            queued: Gauge::default(),
        };
        registry.register(
            "probe_samples",
            "Times a check was asked, by check and outcome",
            m.samples.clone(),
        );
        registry.register(
            "probe_failed",
            "Times a check could not be asked or understood, by reason",
            m.failed.clone(),
        );
        registry.register("probe_packets_sent", "Packets sent to targets", m.packets.clone());
        registry.register(
            "probe_socket_drops",
            "Answers that the kernel dropped because our receive buffer was full: loss made by us",
            m.socket_drops.clone(),
        );
        registry.register(
            "probe_asks",
            "What the core wanted asked at once: asked, joined (was about to be), deferred (the target has had its share), unknown",
            m.asks.clone(),
        );
        registry.register(
            "probe_asked_again",
            "Samples taken off the schedule because of a suspicion",
            m.asked_again.clone(),
        );
        registry.register(
            "probe_schedule_lag_seconds",
            "How late a check was asked",
            m.lag.clone(),
        );
        registry.register("probe_in_flight", "Samples being taken", m.in_flight.clone());
        registry.register(
            "probe_held_back",
            "Times a due check waited because the most samples were in flight already",
            m.held_back.clone(),
        );
        registry.register("probe_scheduled_checks", "Checks on the schedule", m.scheduled.clone());
        registry.register(
            "probe_observations_published",
            "Observations that are durable",
            m.observations.clone(),
        );
        registry.register(
            "probe_publish_refused",
            "Times a frame of observations was not taken and is kept for another try",
            m.refused.clone(),
        );
        registry.register(
            "probe_observations_dropped",
            "Observations thrown away, the oldest first, because the queue was full",
            m.dropped.clone(),
        );
        registry.register(
            "probe_observations_queued",
            "Observations that wait to be published",
            m.queued.clone(),
        );
        m
    }

    /// A check was asked, with this outcome (`reply`, `no-reply`, `failed`).
    pub fn sample_taken(&self, check: &'static str, outcome: &'static str) {
        self.samples.get_or_create(&BySample { check, outcome }).inc();
    }

    /// It could not be asked or understood, for this reason.
    pub fn sample_failed(&self, reason: &'static str) {
        self.failed.get_or_create(&ByReason { reason }).inc();
    }

    /// This many packets left (`icmp`, `snmp`).
    pub fn packets_sent(&self, protocol: &'static str, count: u64) {
        self.packets.get_or_create(&ByProtocol { protocol }).inc_by(count);
    }

    /// The kernel dropped this many answers because our buffer was full. Targets seen as silent
    /// about now may have answered.
    pub fn answers_dropped_by_kernel(&self, protocol: &'static str, count: u64) {
        if count > 0 {
            self.socket_drops.get_or_create(&ByProtocol { protocol }).inc_by(count);
            tracing::warn!(
                protocol,
                count,
                "answers were dropped because our receive buffer was full; some targets may wrongly \
                 look silent (raise net.core.rmem_max, or give the daemon CAP_NET_ADMIN)"
            );
        }
    }

    /// The core wanted something asked at once; what came of it.
    pub fn ask_heard(&self, result: &'static str) {
        self.asks.get_or_create(&ByResult { result }).inc();
    }

    /// A check was asked off its schedule because of a suspicion.
    pub fn asked_again(&self) {
        self.asked_again.inc();
    }

    /// A check was asked this long after it was due.
    pub fn asked_late(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// This many samples are being taken.
    pub fn in_flight(&self, protocol: &'static str, count: usize) {
        self.in_flight.get_or_create(&ByProtocol { protocol }).set(as_gauge(count));
    }

    /// A due check waits because the most samples are in flight already.
    pub fn held_back(&self, protocol: &'static str) {
        self.held_back.get_or_create(&ByProtocol { protocol }).inc();
    }

    /// This many checks are on the schedule.
    pub fn scheduled(&self, count: usize) {
        self.scheduled.set(as_gauge(count));
    }

    /// A frame of this many observations is durable.
    pub fn observations_published(&self, count: usize) {
        self.observations.inc_by(count as u64);
    }

    /// A frame was not taken; it is kept, and tried again.
    pub fn publish_refused(&self, why: &dyn std::fmt::Display, waiting: usize) {
        self.refused.inc();
        tracing::warn!(%why, waiting, "observations cannot be published; they are kept and tried again");
    }

    /// This many observations were thrown away because the queue was full.
    pub fn observations_dropped(&self, count: usize) {
        if count > 0 {
            self.dropped.inc_by(count as u64);
            tracing::error!(
                count,
                "observations were thrown away: the queue is full, the oldest went first"
            );
        }
    }

    /// This many observations wait to be published.
    pub fn observations_queued(&self, count: usize) {
        self.queued.set(as_gauge(count));
    }
}

fn as_gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
