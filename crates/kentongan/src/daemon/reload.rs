//! Signals of the operating system: SIGTERM and SIGINT end the daemon in good order, SIGHUP reads
//! the configuration again.

use super::backend::Status;
use super::core_loop::Control;
use crate::config;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The signals that we listen to.
pub struct Signals {
    term: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// From here on none of them kills us.
    pub fn listen() -> Result<Signals> {
        let on = |kind| signal(kind).context("listening to signals");
        Ok(Signals {
            term: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    /// Until somebody wants us to end.
    pub async fn obey(
        mut self,
        path: PathBuf,
        status: Arc<Status>,
        core: Option<mpsc::Sender<Control>>,
        shutdown: CancellationToken,
    ) {
        loop {
            tokio::select! {
                _ = self.term.recv() => { tracing::info!("SIGTERM: ending in good order"); return shutdown.cancel(); }
                _ = self.interrupt.recv() => { tracing::info!("SIGINT: ending in good order"); return shutdown.cancel(); }
                _ = self.hangup.recv() => read_again(&path, &status, core.as_ref()).await,
                () = shutdown.cancelled() => return,
            }
        }
    }
}

/// Reads the configuration again. A wrong one changes nothing, and says so.
async fn read_again(
    path: &std::path::Path,
    status: &Arc<Status>,
    core: Option<&mpsc::Sender<Control>>,
) {
    let read = {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || config::load(&path)).await
    };
    match read {
        Ok(Ok(configuration)) => {
            tracing::info!(hash = &configuration.hash[..12], "the configuration was read again");
            if let Some(core) = core
                && core.send(Control::Reload(Arc::new(configuration))).await.is_err()
            {
                tracing::error!("the core takes no configuration any more");
            }
        }
        Ok(Err(report)) => {
            let problems = report.problems().len();
            tracing::error!(
                problems,
                "the new configuration is wrong; the old one stays in force:\n{}",
                report.render(false)
            );
            status.configuration_refused(format!(
                "{problems} problem(s); `kentongan check` names them"
            ));
        }
        Err(error) => tracing::error!(%error, "the configuration could not be read"),
    }
}
