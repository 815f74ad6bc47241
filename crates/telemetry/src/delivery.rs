//! What the desks are asked, and how long a ticket takes.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByCall {
    desk: String,
    kind: &'static str,
    call: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByDeskCall {
    desk: String,
    call: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByDesk {
    desk: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByStep {
    desk: String,
    step: &'static str,
}

/// What the desks are asked, and how long a ticket takes.
#[derive(Debug)]
pub struct DeliveryMetrics {
    calls: Family<ByCall, Counter>,
    call_time: Family<ByDeskCall, Histogram>,
    steps: Family<ByStep, Counter>,
    retries: Family<ByDesk, Counter>,
    pending: Family<ByDesk, Gauge>,
    oldest: Family<ByDesk, Gauge>,
    breaker_open: Family<ByDesk, Gauge>,
    doubtful: Family<ByDesk, Gauge>,
    in_flight: Family<ByDesk, Gauge>,
    event_to_ticket: Histogram,
    event_to_request: Histogram,
}

impl DeliveryMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let m = DeliveryMetrics {
            calls: Family::default(),
            call_time: Family::new_with_constructor(|| {
                Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
            }),
            steps: Family::default(),
            retries: Family::default(),
            pending: Family::default(),
            oldest: Family::default(),
            breaker_open: Family::default(),
            doubtful: Family::default(),
            in_flight: Family::default(),
            event_to_ticket: Histogram::new([1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0]),
            event_to_request: Histogram::new([
                0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
            ]),
        };
        registry.register(
            "delivery_calls",
            "Requests to desks that ended, by desk, kind of desk, request and outcome",
            m.calls.clone(),
        );
        registry.register(
            "delivery_call_seconds",
            "How long a request to a desk took",
            m.call_time.clone(),
        );
        registry.register(
            "delivery_steps",
            "Steps on record, by desk and word; doubtful is a request of which nobody knew what \
             became",
            m.steps.clone(),
        );
        registry.register(
            "delivery_retries",
            "Requests that write and left again after they had failed",
            m.retries.clone(),
        );
        registry.register(
            "delivery_pending",
            "Tickets that do not show yet what they should",
            m.pending.clone(),
        );
        registry.register(
            "delivery_oldest_pending_seconds",
            "How long the oldest of them has been waiting",
            m.oldest.clone(),
        );
        registry.register(
            "delivery_breaker_open",
            "Whether a desk is left alone for a while because it failed several times in a row",
            m.breaker_open.clone(),
        );
        registry.register(
            "delivery_doubtful",
            "Tickets with a request of which nobody knows what became",
            m.doubtful.clone(),
        );
        registry.register("delivery_in_flight", "Requests under way", m.in_flight.clone());
        registry.register(
            "event_to_ticket_seconds",
            "From the journal taking an event to its ticket confirmed by the desk",
            m.event_to_ticket.clone(),
        );
        registry.register(
            "event_to_request_seconds",
            "From the journal taking an event to the first request to a desk leaving",
            m.event_to_request.clone(),
        );
        m
    }

    /// A request to a desk ended.
    pub fn call_ended(
        &self,
        desk: &str,
        kind: &'static str,
        call: &'static str,
        outcome: &'static str,
        took: Duration,
    ) {
        self.calls
            .get_or_create_owned(&ByCall { desk: desk.to_owned(), kind, call, outcome })
            .inc();
        self.call_time
            .get_or_create_owned(&ByDeskCall { desk: desk.to_owned(), call })
            .observe(took.as_secs_f64());
        tracing::debug!(desk, call, outcome, ms = took.as_millis() as u64, "desk answered");
    }

    /// A step is on record. `attempt` counts the tries of a request that is about to leave.
    pub fn step_recorded(&self, desk: &str, step: &'static str, attempt: u32) {
        let desk = desk.to_owned();
        if step == "sending" && attempt > 1 {
            self.retries.get_or_create_owned(&ByDesk { desk: desk.clone() }).inc();
        }
        self.steps.get_or_create_owned(&ByStep { desk, step }).inc();
    }

    /// How a desk stands now.
    pub fn desk_stands(
        &self,
        desk: &str,
        pending: usize,
        oldest: Duration,
        doubtful: usize,
        in_flight: usize,
    ) {
        let by = ByDesk { desk: desk.to_owned() };
        let set = |family: &Family<ByDesk, Gauge>, n: i64| {
            family.get_or_create_owned(&by).set(n);
        };
        set(&self.pending, pending as i64);
        set(&self.oldest, oldest.as_secs() as i64);
        set(&self.doubtful, doubtful as i64);
        set(&self.in_flight, in_flight as i64);
    }

    /// Whether a desk is left alone because it failed several times in a row.
    pub fn breaker(&self, desk: &str, open: bool) {
        let by = ByDesk { desk: desk.to_owned() };
        self.breaker_open.get_or_create_owned(&by).set(i64::from(open));
    }

    /// The first request about an incident leaves, so long after its event was taken.
    pub fn first_request_left(&self, after: Duration) {
        self.event_to_request.observe(after.as_secs_f64());
    }

    /// A desk has confirmed a ticket, so long after its event was taken.
    pub fn ticket_confirmed(&self, after: Duration) {
        self.event_to_ticket.observe(after.as_secs_f64());
    }
}
