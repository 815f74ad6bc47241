//! Tells somebody outside that the whole way works, so that our death is noticed by somebody who is
//! not dead: a URL is called while the core turns, the journal can be written, and no desk has been
//! left waiting by our own fault. When it stays away for a minute, somebody should be woken.

use super::backend::Status;
use crate::config::Heartbeat;
use console::Backend as _;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The core has to have turned within this time.
const CORE_TURNS: Duration = Duration::from_secs(10);

/// Calls it until `shutdown`.
pub async fn beat(
    heartbeat: Heartbeat,
    status: Arc<Status>,
    client: reqwest::Client,
    shutdown: CancellationToken,
) {
    loop {
        let outcome = match broken(&status).await {
            Some(why) => Err(why),
            None => call(&client, &heartbeat.url).await,
        };
        status.heartbeat_was(outcome);
        tokio::select! {
            () = tokio::time::sleep(heartbeat.every) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Why the way does not work, when it does not.
async fn broken(status: &Arc<Status>) -> Option<String> {
    let now = status.status().await;
    if !now.journal.writable {
        return Some("not called: the journal cannot be written".into());
    }
    if Duration::from_millis(now.core.beat_age_ms) > CORE_TURNS {
        return Some(format!(
            "not called: the core has not turned for {} ms",
            now.core.beat_age_ms
        ));
    }
    None
}

async fn call(client: &reqwest::Client, url: &str) -> Result<(), String> {
    let sent = client.get(url).timeout(Duration::from_secs(10)).send().await;
    // The URL may hold a token; an error that repeats it must not.
    let answer = sent.map_err(|e| e.without_url().to_string())?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!("it answered {}", answer.status()))
    }
}
