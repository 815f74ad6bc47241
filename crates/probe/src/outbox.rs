//! How observations leave: gathered into frames, published in order, never waited for.
//!
//! The scheduler puts them here and goes on. A sink that is full or away leaves them where they
//! are; the queue has a bound, and past it the oldest go first: what a target said a quarter of
//! an hour ago is worth less than what it says now.

use async_trait::async_trait;
use model::Event;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use telemetry::Telemetry;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

/// Observations in one frame at most.
const FRAME_MAX: usize = 512;

/// An observation waits this long at most for company.
const GATHER: Duration = Duration::from_millis(100);

/// Observations that wait: about ten minutes of two thousand targets, about 20 MB.
const QUEUE_MAX: usize = 65_536;

/// The first pause after a refusal; doubled each time …
const BACK_OFF_MIN: Duration = Duration::from_millis(50);

/// … up to this.
const BACK_OFF_MAX: Duration = Duration::from_secs(2);

/// What is left at the end gets this long.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Takes observations and makes them durable.
#[async_trait]
pub trait ObservationSink: Send + Sync + 'static {
    /// Publishes a batch as one frame, durable on `Ok`. On an error nothing of it was taken; it
    /// comes again.
    async fn publish(&self, batch: Vec<Event<'static>>) -> Result<(), SinkError>;
}

/// Why a batch was not taken. Trying again later makes sense for both.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// There is no room now.
    #[error("the journal has no room for observations")]
    Full,
    /// It cannot be reached, or cannot write.
    #[error("the journal takes no observations: {0}")]
    Unavailable(String),
}

/// The queue between the scheduler and the sink.
pub(crate) struct Outbox {
    queue: Mutex<VecDeque<Event<'static>>>,
    grew: Notify,
    telemetry: Arc<Telemetry>,
}

impl Outbox {
    pub(crate) fn new(telemetry: Arc<Telemetry>) -> Arc<Outbox> {
        Arc::new(Outbox { queue: Mutex::default(), grew: Notify::new(), telemetry })
    }

    /// Adds observations; never waits.
    pub(crate) fn put(&self, observations: Vec<Event<'static>>) {
        let (dropped, waiting) = {
            let mut queue = self.lock();
            queue.extend(observations);
            let dropped = queue.len().saturating_sub(QUEUE_MAX);
            queue.drain(..dropped);
            (dropped, queue.len())
        };
        self.telemetry.probe.observations_dropped(dropped);
        self.telemetry.probe.observations_queued(waiting);
        self.grew.notify_one();
    }

    /// Publishes until told to stop, then what is left, as far as that goes quickly.
    pub(crate) async fn publish_to(&self, sink: &dyn ObservationSink, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.at_least(1) => {}
            }
            let gathered = Instant::now() + GATHER;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = timeout_at(gathered, self.at_least(FRAME_MAX)) => {}
            }
            self.publish_one(sink, &stop).await;
        }
        let end = Instant::now() + LAST_WORDS;
        while self.len() > 0 && Instant::now() < end {
            let last = timeout_at(end, self.publish_one(sink, &CancellationToken::new())).await;
            if last.is_err() {
                tracing::warn!(left = self.len(), "stopped with observations that nobody took");
            }
        }
    }

    /// Publishes one frame, however often it takes.
    async fn publish_one(&self, sink: &dyn ObservationSink, stop: &CancellationToken) {
        let mut pause = BACK_OFF_MIN;
        loop {
            let batch: Vec<_> = {
                let mut queue = self.lock();
                let n = queue.len().min(FRAME_MAX);
                queue.drain(..n).collect()
            };
            let count = batch.len();
            if count == 0 {
                return;
            }
            // The copy is what comes back into the queue when the sink refuses.
            match sink.publish(batch.clone()).await {
                Ok(()) => {
                    self.telemetry.probe.observations_published(count);
                    self.telemetry.probe.observations_queued(self.len());
                    return;
                }
                Err(error) => {
                    let (dropped, waiting) = self.put_back(batch);
                    self.telemetry.probe.publish_refused(&error, waiting);
                    self.telemetry.probe.observations_dropped(dropped);
                    self.telemetry.probe.observations_queued(waiting);
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = sleep(pause) => pause = (pause * 2).min(BACK_OFF_MAX),
            }
        }
    }

    /// To the front, where they came from; the oldest of them go first when that is too much.
    fn put_back(&self, batch: Vec<Event<'static>>) -> (usize, usize) {
        let mut queue = self.lock();
        let room = QUEUE_MAX.saturating_sub(queue.len());
        let dropped = batch.len().saturating_sub(room);
        for event in batch.into_iter().skip(dropped).rev() {
            queue.push_front(event);
        }
        (dropped, queue.len())
    }

    async fn at_least(&self, count: usize) {
        loop {
            let grew = self.grew.notified();
            if self.len() >= count {
                return;
            }
            grew.await;
        }
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Event<'static>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Kind, Timestamp};

    fn event(n: i64) -> Event<'static> {
        Event { at: Timestamp::from_millis(n), received: None, kind: Kind::Tick }
    }

    #[derive(Default)]
    struct Sink {
        frames: Mutex<Vec<(Instant2, Vec<i64>)>>,
        refuse: Mutex<u32>,
    }
    type Instant2 = Option<Instant>;

    #[async_trait]
    impl ObservationSink for Sink {
        async fn publish(&self, batch: Vec<Event<'static>>) -> Result<(), SinkError> {
            let mut refuse = self.refuse.lock().unwrap();
            if *refuse > 0 {
                *refuse -= 1;
                return Err(SinkError::Full);
            }
            let numbers = batch.iter().map(|e| e.at.as_millis()).collect();
            self.frames.lock().unwrap().push((Some(Instant::now()), numbers));
            Ok(())
        }
    }

    fn start(sink: &Arc<Sink>) -> (Arc<Outbox>, CancellationToken, tokio::task::JoinHandle<()>) {
        let outbox = Outbox::new(Telemetry::new());
        let stop = CancellationToken::new();
        let (o, s, t) = (outbox.clone(), sink.clone(), stop.clone());
        let task = tokio::spawn(async move { o.publish_to(&*s, t).await });
        (outbox, stop, task)
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_holds_a_tenth_of_a_second_or_512() {
        let sink = Arc::new(Sink::default());
        let (outbox, stop, task) = start(&sink);
        let began = Instant::now();
        outbox.put(vec![event(1)]);
        sleep(Duration::from_millis(50)).await;
        outbox.put(vec![event(2)]);
        sleep(Duration::from_millis(100)).await;
        outbox.put((3..603).map(event).collect());
        sleep(Duration::from_millis(500)).await;
        stop.cancel();
        task.await.unwrap();
        let frames = sink.frames.lock().unwrap();
        let sizes: Vec<usize> = frames.iter().map(|f| f.1.len()).collect();
        assert_eq!(sizes, [2, 512, 88]);
        assert!(frames[0].0.unwrap() - began <= Duration::from_millis(101));
        assert!(
            frames[1].0.unwrap() - began <= Duration::from_millis(152),
            "a full frame goes at once"
        );
        let all: Vec<i64> = frames.iter().flat_map(|f| f.1.clone()).collect();
        assert_eq!(all, (1..603).collect::<Vec<_>>(), "in order, each once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_frame_comes_again_in_order() {
        let sink = Arc::new(Sink { refuse: Mutex::new(5), ..Sink::default() });
        let (outbox, stop, task) = start(&sink);
        outbox.put((0..600).map(event).collect());
        sleep(Duration::from_secs(1)).await;
        outbox.put((600..700).map(event).collect());
        sleep(Duration::from_secs(10)).await;
        stop.cancel();
        task.await.unwrap();
        let all: Vec<i64> = sink.frames.lock().unwrap().iter().flat_map(|f| f.1.clone()).collect();
        assert_eq!(all, (0..700).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_loses_the_oldest_and_counts_them() {
        let sink = Arc::new(Sink { refuse: Mutex::new(u32::MAX), ..Sink::default() });
        let (outbox, stop, task) = start(&sink);
        let telemetry = outbox.telemetry.clone();
        for n in 0..70 {
            outbox.put((n * 1000..(n + 1) * 1000).map(event).collect());
            assert!(outbox.len() <= QUEUE_MAX);
            sleep(Duration::from_secs(1)).await;
        }
        assert!(outbox.len() <= QUEUE_MAX && outbox.len() > QUEUE_MAX - FRAME_MAX);
        *sink.refuse.lock().unwrap() = 0;
        sleep(Duration::from_mins(1)).await;
        stop.cancel();
        task.await.unwrap();
        let all: Vec<i64> = sink.frames.lock().unwrap().iter().flat_map(|f| f.1.clone()).collect();
        assert_eq!(all.len(), QUEUE_MAX);
        assert_eq!(all, (70_000 - QUEUE_MAX as i64..70_000).collect::<Vec<_>>());
        let dropped = 70_000 - QUEUE_MAX;
        let line = format!("kentongan_probe_observations_dropped_total {dropped}\n");
        assert!(telemetry.openmetrics().contains(&line), "{line}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sink_that_never_answers_does_not_hold_up_the_end() {
        let sink = Arc::new(Sink { refuse: Mutex::new(u32::MAX), ..Sink::default() });
        let (outbox, stop, task) = start(&sink);
        outbox.put(vec![event(1)]);
        sleep(Duration::from_secs(5)).await;
        let began = Instant::now();
        stop.cancel();
        task.await.unwrap();
        assert!(began.elapsed() <= LAST_WORDS + Duration::from_millis(10));
    }
}
