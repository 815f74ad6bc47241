//! Waiting for something to become true, and seeing that something stays untrue.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How often we look.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks until `look` finds something; fails, in its last words, when `limit` has passed.
pub async fn within<T, E: Display>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return found,
            Err(why) if started.elapsed() >= limit => {
                panic!("{what}: not within {limit:?}: {why}")
            }
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Looks for the whole of `span` and fails as soon as `look` objects.
pub async fn throughout<E: Display>(
    span: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Result<(), E>,
) {
    let started = Instant::now();
    while started.elapsed() < span {
        if let Err(why) = look().await {
            panic!("{what}: after {:?}: {why}", started.elapsed());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
