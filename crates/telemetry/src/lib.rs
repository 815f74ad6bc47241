//! Names of every metric and the log events that go with them, as types.
//!
//! One file per area; each has a struct whose methods are named thing-and-past-tense and move the
//! counters and write the log line together. [`Telemetry::new`] registers them all once; everybody
//! gets an `Arc` of it. Never global, so that two of them can live in one test. Labels are bounded:
//! bare words of ours and names from the configuration, never a target, an address or an id.

pub mod core;
pub mod delivery;
pub mod http;
pub mod intake;
pub mod journal;
pub mod probe;
mod process;
mod text;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::Arc;

pub use crate::core::{CoreMetrics, Stage};
pub use crate::delivery::DeliveryMetrics;
pub use crate::http::HttpMetrics;
pub use crate::intake::IntakeMetrics;
pub use crate::journal::JournalMetrics;
pub use crate::probe::ProbeMetrics;

/// Everything that is counted. Each area is a field; see its file for what can be told to it.
pub struct Telemetry {
    /// What the core decides, and how far it is.
    pub core: CoreMetrics,
    /// What the desks are asked.
    pub delivery: DeliveryMetrics,
    /// What was asked of us over HTTP.
    pub http: HttpMetrics,
    /// What other monitors told us.
    pub intake: IntakeMetrics,
    /// What the journal takes.
    pub journal: JournalMetrics,
    /// What the probe asks.
    pub probe: ProbeMetrics,
    /// Ours, all with the prefix `kentongan_`.
    registry: Registry,
    /// `process_*`, called as everywhere else.
    process: Registry,
}

/// A form in which the metrics can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text format 0.0.4: what is served unless something else is asked for.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What an `Accept` header asks for. Prometheus names both, with weights; anything that does
    /// not name OpenMetrics, or likes plain text better, gets the older form.
    pub fn asked_for(accept: Option<&str>) -> Format {
        let mut open = 0.0_f32;
        let mut plain = 0.0_f32;
        for part in accept.unwrap_or("").split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let kind = pieces.next().unwrap_or("");
            let weight = pieces
                .find_map(|p| p.strip_prefix("q=")?.trim().parse::<f32>().ok())
                .unwrap_or(1.0);
            if kind.eq_ignore_ascii_case("application/openmetrics-text") {
                open = open.max(weight);
            } else if kind.eq_ignore_ascii_case("text/plain") {
                plain = plain.max(weight);
            }
        }
        if open > 0.0 && open >= plain { Format::OpenMetrics } else { Format::Prometheus }
    }

    /// The `Content-Type` of it.
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Telemetry {
    /// All metrics at zero.
    pub fn new() -> Arc<Telemetry> {
        let mut registry = Registry::with_prefix("kentongan");
        registry.register(
            "build",
            "What is running",
            Info::new(vec![
                ("version", env!("CARGO_PKG_VERSION")),
                ("rustc", option_env!("KENTONGAN_RUSTC").unwrap_or("unknown")),
            ]),
        );
        let core = CoreMetrics::register(&mut registry);
        let delivery = DeliveryMetrics::register(&mut registry);
        let http = HttpMetrics::register(&mut registry);
        let intake = IntakeMetrics::register(&mut registry);
        let journal = JournalMetrics::register(&mut registry);
        let probe = ProbeMetrics::register(&mut registry);
        let mut process = Registry::default();
        process.register_collector(Box::new(process::Process));
        Arc::new(Telemetry { core, delivery, http, intake, journal, probe, registry, process })
    }

    /// The text, as asked for.
    pub fn render(&self, format: Format) -> String {
        let open = self.openmetrics();
        match format {
            Format::OpenMetrics => open,
            Format::Prometheus => text::to_prometheus_text(&open),
        }
    }

    /// The OpenMetrics text.
    pub fn openmetrics(&self) -> String {
        let mut out = String::new();
        encode_registry(&mut out, &self.registry)
            .and_then(|()| encode_registry(&mut out, &self.process))
            .and_then(|()| encode_eof(&mut out))
            .expect("writing to a String cannot fail, and no collector of ours does");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn accept_decides_the_form() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, form) in [
            (None, Format::Prometheus),
            (Some("*/*"), Format::Prometheus),
            (Some("text/html, text/plain"), Format::Prometheus),
            (Some("application/openmetrics-text"), Format::OpenMetrics),
            (Some("application/openmetrics-text; version=1.0.0"), Format::OpenMetrics),
            (Some(prometheus), Format::OpenMetrics),
            (Some("application/openmetrics-text;q=0.3,text/plain;q=0.9"), Format::Prometheus),
            (Some("application/openmetrics-text;q=0"), Format::Prometheus),
        ] {
            assert_eq!(Format::asked_for(accept), form, "{accept:?}");
        }
    }

    #[test]
    fn both_forms_have_every_sample_and_counters_are_called_total_in_both() {
        let t = Telemetry::new();
        t.core.verdicts_given("held", 2);
        t.core.stage_passed(Stage::Record, Duration::from_millis(3));
        t.core.open_incidents("P1", "failing", 1);
        t.core.bound_met("signals", 7);
        t.http.answered("/livez", "GET", 200, Duration::from_millis(1));
        let open = t.render(Format::OpenMetrics);
        let old = t.render(Format::Prometheus);
        assert!(open.ends_with("# EOF\n") && !old.contains("# EOF"));
        assert!(open.contains("# TYPE kentongan_verdicts counter\n"));
        assert!(old.contains("# TYPE kentongan_verdicts_total counter\n"));
        for sample in [
            "kentongan_verdicts_total{verdict=\"held\"} 2\n",
            "kentongan_open_incidents{priority=\"P1\",condition=\"failing\"} 1\n",
            "kentongan_core_bounds_met{bound=\"signals\"} 7\n",
            "kentongan_stage_seconds_count{stage=\"record\"} 1\n",
            "kentongan_build_info{version=",
            "process_resident_memory_bytes ",
        ] {
            assert!(open.contains(sample), "{sample} in {open}");
            assert!(old.contains(sample), "{sample} in {old}");
        }
    }

    #[test]
    fn a_family_stands_once() {
        let text = Telemetry::new().render(Format::Prometheus);
        let mut names: Vec<&str> = text.lines().filter(|l| l.starts_with("# TYPE ")).collect();
        let before = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), before);
    }

    /// Debian's own tool reads what we write. Skipped, and says so, where it is not installed.
    #[test]
    fn promtool_finds_nothing_to_say() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};
        let t = Telemetry::new();
        t.core.events_taken("observation", 5);
        t.core.verdicts_given("normal", 5);
        t.core.alarms("raised", 1);
        t.core.queued("intents", 3);
        t.http.answered("/api/v1/incidents/{id}", "GET", 404, Duration::from_millis(1));
        let started = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = started else {
            eprintln!("SKIPPED: promtool is not installed (apt-get install prometheus)");
            return;
        };
        child.stdin.take().unwrap().write_all(t.render(Format::Prometheus).as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr) + String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.trim().is_empty(), "{said}");
    }
}
