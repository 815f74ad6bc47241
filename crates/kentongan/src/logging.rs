//! Where log events go: to standard error, for people on a terminal, as JSON otherwise.

use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// The variable with the filter: `info`, `debug`, `info,journal=debug`, …
pub const VARIABLE: &str = "KENTONGAN_LOG";

/// What is logged when the variable says nothing: ourselves from `info` on, libraries when
/// something is wrong.
const DEFAULT: &str = "warn,kentongan=info,correlator=info,delivery=info,journal=info,views=info,\
    probe=info,intake=info,ticket_sink=info,console=info,telemetry=info";

/// What is logged by a command that ends by itself: its output is what people want to read.
const QUIET: &str = "warn";

/// Begins to log, for the daemon or for a command. A filter that cannot be read is said, and the
/// default is used.
pub fn begin(daemon: bool, color: bool) {
    let default = if daemon { DEFAULT } else { QUIET };
    let given = std::env::var(VARIABLE).ok().filter(|v| !v.is_empty());
    let (filter, wrong) = match given.as_deref().map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(e)) => (EnvFilter::new(default), Some(e)),
        None => (EnvFilter::new(default), None),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let begun = if std::io::stderr().is_terminal() {
        builder.with_ansi(color).with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
    if begun.is_ok()
        && let Some(wrong) = wrong
    {
        tracing::warn!(variable = VARIABLE, %wrong, "this filter cannot be read, using the default");
    }
}
