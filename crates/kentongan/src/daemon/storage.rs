//! Opens the journal that the configuration names, and the views beside it; keeps the views up with
//! the records, and old days from piling up.

use crate::config::{Backend, Configuration};
use anyhow::{Context, Result};
use journal::{EmbeddedJournal, EmbeddedOptions, Journal, NatsJournal, NatsLogin, NatsOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Telemetry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use views::{Views, ViewsError};

/// Records applied to the views in one transaction.
const APPLIED_AT_ONCE: usize = 256;
/// How often old days are looked for.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// The folder of the embedded journal (or of the spool) in the data directory.
pub fn journal_dir(data_dir: &Path) -> std::path::PathBuf {
    data_dir.join("journal")
}

/// How the embedded journal of this configuration is kept.
pub fn embedded_options(c: &Configuration) -> EmbeddedOptions {
    let mut options = EmbeddedOptions::new(journal_dir(&c.data_dir));
    options.name.clone_from(&c.instance);
    options.retention = c.journal.retention;
    options.reserve_bytes = u64::from(c.journal.reserve_mb) << 20;
    options
}

/// Opens the journal to write it.
pub async fn open_journal(
    c: &Configuration,
    telemetry: &Arc<Telemetry>,
) -> Result<Arc<dyn Journal>> {
    std::fs::create_dir_all(&c.data_dir)
        .with_context(|| format!("making the data directory {}", c.data_dir.display()))?;
    let embedded = embedded_options(c);
    match &c.journal.backend {
        Backend::Embedded => {
            let telemetry = telemetry.clone();
            let opened =
                tokio::task::spawn_blocking(move || EmbeddedJournal::open(embedded, telemetry));
            Ok(Arc::new(
                opened.await.context("opening the journal")?.context("opening the journal")?,
            ))
        }
        Backend::Nats(nats) => {
            let options = nats_options(c, nats);
            let opened = NatsJournal::open(options, telemetry.clone()).await;
            Ok(Arc::new(opened.context("opening the cluster's journal")?))
        }
    }
}

fn nats_options(c: &Configuration, nats: &crate::config::Nats) -> NatsOptions {
    let mut options = NatsOptions::new(nats.url.clone(), journal_dir(&c.data_dir));
    options.login = match (&nats.user, &nats.password, &nats.credentials_file) {
        (_, _, Some(file)) => NatsLogin::Credentials(file.clone()),
        (Some(user), Some(password), None) => {
            NatsLogin::Password { user: user.clone(), password: password.clone() }
        }
        _ => NatsLogin::None,
    };
    options.prefix.clone_from(&nats.prefix);
    options.replicas = usize::from(nats.replicas);
    options.name.clone_from(&c.instance);
    options.retention = c.journal.retention;
    options.reserve_bytes = u64::from(c.journal.reserve_mb) << 20;
    options
}

/// Opens the views, on a thread that may wait for the disk.
pub async fn open_views(c: &Configuration, identity: &str) -> Result<Arc<Views>> {
    let (dir, identity) = (c.data_dir.clone(), identity.to_owned());
    let opened = tokio::task::spawn_blocking(move || Views::open(&dir, &identity));
    Ok(Arc::new(opened.await.context("opening the views")?.context("opening the views")?))
}

/// Keeps the views up with the records, until `shutdown`. Never holds up whoever writes them: it
/// reads what it has not shown yet from the journal itself.
pub async fn keep_views(
    journal: Arc<dyn Journal>,
    views: Arc<Views>,
    mut newest: watch::Receiver<u64>,
    shutdown: CancellationToken,
) {
    loop {
        newest.borrow_and_update();
        match catch_up(&journal, &views).await {
            Ok(()) => {}
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "the views cannot be kept up; they are tried again"
                );
                tokio::time::sleep(Duration::from_secs(1)).await;
                if shutdown.is_cancelled() {
                    return;
                }
                continue;
            }
        }
        tokio::select! {
            changed = newest.changed() => if changed.is_err() { return },
            () = shutdown.cancelled() => {
                if let Err(error) = catch_up(&journal, &views).await {
                    tracing::warn!(error = format!("{error:#}"), "the views lag behind; they catch up at the next start");
                }
                return;
            }
        }
    }
}

/// Applies every record that the views do not show yet.
pub async fn catch_up(journal: &Arc<dyn Journal>, views: &Arc<Views>) -> Result<()> {
    loop {
        let records = journal.read_records(views.applied() + 1, APPLIED_AT_ONCE).await?;
        if records.is_empty() {
            return Ok(());
        }
        let views = views.clone();
        match tokio::task::spawn_blocking(move || views.apply(&records)).await? {
            Ok(_) => {}
            Err(ViewsError::StartedOver(why)) => {
                tracing::warn!(why, "the views were damaged and are built again");
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The views show a journal that was set back to an earlier state: they are built again.
pub async fn check_views(journal: &Arc<dyn Journal>, views: &Arc<Views>) -> Result<()> {
    let applied = views.applied();
    if applied == 0 {
        return Ok(());
    }
    let shown = {
        let views = views.clone();
        tokio::task::spawn_blocking(move || views.applied_hash()).await??
    };
    let kept = journal.read_records(applied, 1).await?;
    let same = kept.first().is_some_and(|r| r.number == applied && Some(r.hash) == shown);
    if !same {
        tracing::warn!(
            applied,
            "the views show another past than the journal has; they are built again"
        );
        let views = views.clone();
        tokio::task::spawn_blocking(move || views.start_over()).await??;
    }
    Ok(())
}

/// Drops old days, now and every hour.
pub async fn expire(journal: Arc<dyn Journal>, clock: journal::Clock, shutdown: CancellationToken) {
    loop {
        match journal.expire(clock()).await {
            Ok(dropped) if dropped.events + dropped.records > 0 => {
                tracing::info!(
                    segments = dropped.segments,
                    events = dropped.events,
                    records = dropped.records,
                    "dropped what has been kept long enough"
                );
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "old days could not be dropped; tried again in an hour");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EXPIRE_EVERY) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
