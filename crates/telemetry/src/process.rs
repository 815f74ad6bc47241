//! What this process costs, read from /proc at each scrape under the names everybody uses for it
//! (`process_*`, without our prefix).

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt;

/// /proc counts CPU time in ticks of this many a second on every Linux there is: the kernel fixes
/// what it tells user space (`USER_HZ`) at 100, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(crate) struct Process;

/// What /proc says; `None` where it does not say it (not Linux, or hidden from us).
#[derive(Debug, Default, PartialEq)]
struct Reading {
    cpu_seconds: Option<f64>,
    threads: Option<i64>,
    start_seconds: Option<f64>,
    virtual_bytes: Option<i64>,
    resident_bytes: Option<i64>,
    open_fds: Option<i64>,
    max_fds: Option<i64>,
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let r = Reading::take();
        if let Some(v) = r.cpu_seconds {
            let help = "Total user and system CPU time spent in seconds.";
            let e = encoder.encode_descriptor(
                "process_cpu_seconds",
                help,
                None,
                MetricType::Counter,
            )?;
            ConstCounter::new(v).encode(e)?;
        }
        let mut gauge = |name: &str, help: &str, value: Option<f64>| -> fmt::Result {
            let Some(value) = value else { return Ok(()) };
            let e = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(e)
        };
        let whole = |v: Option<i64>| v.map(|v| v as f64);
        gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            whole(r.resident_bytes),
        )?;
        gauge(
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            whole(r.virtual_bytes),
        )?;
        gauge("process_open_fds", "Number of open file descriptors.", whole(r.open_fds))?;
        gauge("process_max_fds", "Maximum number of open file descriptors.", whole(r.max_fds))?;
        gauge("process_threads", "Number of OS threads in the process.", whole(r.threads))?;
        gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
            r.start_seconds,
        )
    }
}

impl Reading {
    fn take() -> Reading {
        let text = |path: &str| std::fs::read_to_string(path).ok();
        let mut r = Reading::default();
        if let Some(stat) = text("/proc/self/stat") {
            r.read_stat(&stat, text("/proc/stat").as_deref().and_then(boot_seconds));
        }
        if let Some(status) = text("/proc/self/status") {
            r.read_status(&status);
        }
        if let Some(limits) = text("/proc/self/limits") {
            r.max_fds = limits
                .lines()
                .find(|l| l.starts_with("Max open files"))
                .and_then(|l| l.split_whitespace().nth(3)?.parse().ok());
        }
        // The directory we are reading is itself one of them.
        r.open_fds = std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|d| i64::try_from(d.count()).unwrap_or(i64::MAX).saturating_sub(1));
        r
    }

    /// `/proc/self/stat`: `pid (name) state …`. The name may hold blanks and parentheses, so the
    /// fields are counted after its last one.
    fn read_stat(&mut self, stat: &str, boot: Option<f64>) {
        let Some((_, rest)) = stat.rsplit_once(')') else { return };
        // The first of them is field 3 of proc(5), so field n stands at n - 3.
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<f64>().ok());
        if let (Some(user), Some(system)) = (field(14), field(15)) {
            self.cpu_seconds = Some((user + system) / TICKS_PER_SECOND);
        }
        if let (Some(boot), Some(start)) = (boot, field(22)) {
            self.start_seconds = Some(boot + start / TICKS_PER_SECOND);
        }
    }

    fn read_status(&mut self, status: &str) {
        for line in status.lines() {
            let Some((key, value)) = line.split_once(':') else { continue };
            let number = || value.split_whitespace().next().and_then(|v| v.parse::<i64>().ok());
            match key {
                "VmSize" => self.virtual_bytes = number().map(|kib| kib.saturating_mul(1024)),
                "VmRSS" => self.resident_bytes = number().map(|kib| kib.saturating_mul(1024)),
                "Threads" => self.threads = number(),
                _ => {}
            }
        }
    }
}

/// When the machine started, from `/proc/stat`.
fn boot_seconds(stat: &str) -> Option<f64> {
    stat.lines().find_map(|l| l.strip_prefix("btime ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat =
            "42 (a) b) (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 7 0 6000 1000 20";
        let mut r = Reading::default();
        r.read_stat(stat, Some(1000.0));
        assert_eq!((r.cpu_seconds, r.start_seconds), (Some(3.0), Some(1060.0)));
    }

    #[test]
    fn nonsense_is_no_reading() {
        let mut r = Reading::default();
        r.read_stat("", None);
        r.read_stat("1 (x) S", Some(1.0));
        r.read_status("VmRSS:\nThreads: many\n");
        assert_eq!(r, Reading::default());
    }

    #[test]
    fn this_process_can_be_read() {
        let r = Reading::take();
        assert!(r.resident_bytes.is_some_and(|b| b > 100_000), "{r:?}");
        assert!(r.open_fds.is_some_and(|n| n > 2) && r.start_seconds.is_some(), "{r:?}");
    }
}
