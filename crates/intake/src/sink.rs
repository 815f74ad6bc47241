//! Where events go: the port that the daemon gives us.

use async_trait::async_trait;
use model::Event;
use std::ops::Range;

/// Takes events for good.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// Makes all of `events` durable, as one frame, and gives the numbers they got. `Ok` is a
    /// promise: the source is told that it need not send them again.
    async fn accept(
        &self,
        source: &str,
        events: Vec<Event<'static>>,
    ) -> Result<Range<u64>, SinkError>;

    /// The id of the device that another monitor calls `name`, when the inventory knows exactly
    /// one that is called so.
    fn resolve(&self, name: &str) -> Option<String>;
}

/// Why events were not taken. It is our side, and trying again makes sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// There is no room; somebody has to make some.
    #[error("the journal has no room for more events")]
    Full,
    /// It cannot be written just now.
    #[error("the journal cannot be written: {0}")]
    Unavailable(String),
}
