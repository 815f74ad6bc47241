//! What was asked of us over HTTP.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRoute {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByRouteOnly {
    route: String,
}

/// What was asked of us over HTTP.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: Family<ByRoute, Counter>,
    seconds: Family<ByRouteOnly, Histogram, fn() -> Histogram>,
    refused: Family<ByWhy, Counter>,
    streams: Gauge,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ByWhy {
    why: &'static str,
}

fn request_seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0])
}

impl HttpMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let m = HttpMetrics {
            requests: Family::default(),
            seconds: Family::new_with_constructor(request_seconds),
            refused: Family::default(),
            streams: Gauge::default(),
        };
        registry.register(
            "http_requests",
            "Requests answered, by route, method and status",
            m.requests.clone(),
        );
        registry.register(
            "http_request_seconds",
            "Time to the head of the answer, by route",
            m.seconds.clone(),
        );
        registry.register(
            "http_refused",
            "Requests refused before they reached their route, by why",
            m.refused.clone(),
        );
        registry.register("http_streams", "Event streams that are open now", m.streams.clone());
        m
    }

    /// A request was answered. `route` is the route's template (`/api/v1/incidents/{id}`) or
    /// `unmatched`, never what stood in the request; so is an unusual method: `other`.
    pub fn answered(&self, route: &str, method: &str, status: u16, took: Duration) {
        let method = match method {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            _ => "other",
        };
        let labels = ByRoute { route: route.to_owned(), method, status };
        self.requests.get_or_create_owned(&labels).inc();
        let labels = ByRouteOnly { route: labels.route };
        self.seconds.get_or_create_owned(&labels).observe(took.as_secs_f64());
    }

    /// A request was refused at the door: `token`, `cross-site`, `host`, …
    pub fn refused(&self, why: &'static str) {
        self.refused.get_or_create_owned(&ByWhy { why }).inc();
        tracing::warn!(why, "request refused");
    }

    /// So many event streams are open.
    pub fn streams(&self, n: usize) {
        self.streams.set(i64::try_from(n).unwrap_or(i64::MAX));
    }
}
