//! What other monitors told us.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByAnswer {
    kind: &'static str,
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

/// What other monitors told us.
///
/// `kind` is the kind of the source that a route belongs to (`zabbix`, `events`), never its name.
#[derive(Debug)]
pub struct IntakeMetrics {
    requests: Family<ByAnswer, Counter>,
    accepted: Family<ByKind, Counter>,
    refused: Family<ByKind, Counter>,
    seconds: Family<ByKind, Histogram, fn() -> Histogram>,
}

fn answer_seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0])
}

impl IntakeMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let m = IntakeMetrics {
            requests: Family::default(),
            accepted: Family::default(),
            refused: Family::default(),
            seconds: Family::new_with_constructor(answer_seconds),
        };
        registry.register(
            "intake_requests",
            "Requests to the intake, by kind of source and class of status",
            m.requests.clone(),
        );
        registry.register(
            "intake_events_accepted",
            "Events that the intake made durable, by kind of source",
            m.accepted.clone(),
        );
        registry.register(
            "intake_events_refused",
            "Events that the intake could not use, by kind of source",
            m.refused.clone(),
        );
        registry.register(
            "intake_answer_seconds",
            "Time from a request's head to its durable answer, by kind of source",
            m.seconds.clone(),
        );
        m
    }

    /// These events are durable and the source was told so. Some of the same request may have been
    /// refused.
    pub fn events_accepted(
        &self,
        kind: &'static str,
        source: &str,
        accepted: u64,
        refused: u64,
        took: Duration,
    ) {
        self.request(kind, 200);
        self.accepted.get_or_create_owned(&ByKind { kind }).inc_by(accepted);
        self.seconds.get_or_create_owned(&ByKind { kind }).observe(took.as_secs_f64());
        if refused > 0 {
            self.refused.get_or_create_owned(&ByKind { kind }).inc_by(refused);
            tracing::warn!(kind, source, accepted, refused, "some events could not be used");
        } else {
            tracing::debug!(kind, source, accepted, ?took, "events accepted");
        }
    }

    /// A source that we know sent nothing that could be used.
    pub fn events_refused(
        &self,
        kind: &'static str,
        source: &str,
        status: u16,
        refused: u64,
        why: &str,
    ) {
        self.request(kind, status);
        self.refused.get_or_create_owned(&ByKind { kind }).inc_by(refused);
        tracing::warn!(kind, source, status, refused, why, "request could not be used");
    }

    /// A request did not get as far as its events: no token, no such route, not a body. Anybody
    /// can send as many of these as he likes, so they are counted and not logged.
    pub fn request_refused(&self, kind: &'static str, status: u16) {
        self.request(kind, status);
        tracing::debug!(kind, status, "request refused");
    }

    /// The journal could not take the events; the source was told to come back.
    pub fn events_postponed(&self, kind: &'static str, source: &str, why: &str) {
        self.request(kind, 503);
        tracing::error!(
            kind,
            source,
            why,
            "events not accepted, the source has to send them again"
        );
    }

    fn request(&self, kind: &'static str, status: u16) {
        let class = match status {
            200..=299 => "2xx",
            300..=499 => "4xx",
            _ => "5xx",
        };
        self.requests.get_or_create_owned(&ByAnswer { kind, class }).inc();
    }
}
