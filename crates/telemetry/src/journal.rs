//! What the journal takes, how long a commit lasts, and what waits to be forwarded.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

/// What the journal takes, how long a commit lasts, and what waits to be forwarded.
#[derive(Debug)]
pub struct JournalMetrics {
    frames: Counter,
    events: Counter,
    bytes: Counter,
    records: Counter,
    commit_seconds: Histogram,
    full_refusals: Counter,
    fenced: Counter,
    reserve_releases: Counter,
    segments_dropped: Counter,
    broken: Counter,
    spool_events: Gauge,
    forwarded_events: Counter,
    forward_retries: Counter,
    record_retries: Counter,
    connected: Gauge,
}

impl JournalMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let m = JournalMetrics {
            frames: Counter::default(),
            events: Counter::default(),
            bytes: Counter::default(),
            records: Counter::default(),
            commit_seconds: Histogram::new([
                0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0,
            ]),
            full_refusals: Counter::default(),
            fenced: Counter::default(),
            reserve_releases: Counter::default(),
            segments_dropped: Counter::default(),
            broken: Counter::default(),
            spool_events: Gauge::default(),
            forwarded_events: Counter::default(),
            forward_retries: Counter::default(),
            record_retries: Counter::default(),
            connected: Gauge::default(),
        };
        registry.register("journal_frames", "Event frames made durable", m.frames.clone());
        registry.register("journal_events", "Events made durable", m.events.clone());
        registry.register(
            "journal_event_bytes",
            "Bytes of events made durable, before compression",
            m.bytes.clone(),
        );
        registry.register("journal_records", "Records made durable", m.records.clone());
        registry.register(
            "journal_commit_seconds",
            "How long one synced commit took; everything that waited went into it",
            m.commit_seconds.clone(),
        );
        registry.register(
            "journal_full_refusals",
            "Appends refused because there is no room",
            m.full_refusals.clone(),
        );
        registry.register(
            "journal_fenced",
            "Appends of a stale owner that were refused",
            m.fenced.clone(),
        );
        registry.register(
            "journal_reserve_releases",
            "Times the reserve was given up so that records could still be written",
            m.reserve_releases.clone(),
        );
        registry.register(
            "journal_segments_dropped",
            "Files of events dropped at the end of their retention",
            m.segments_dropped.clone(),
        );
        registry.register(
            "journal_broken",
            "Times the journal stopped itself because a write failed half way",
            m.broken.clone(),
        );
        registry.register(
            "journal_spool_events",
            "Events that are durable here and not yet in the cluster's journal",
            m.spool_events.clone(),
        );
        registry.register(
            "journal_forwarded_events",
            "Events handed on to the cluster's journal",
            m.forwarded_events.clone(),
        );
        registry.register(
            "journal_forward_retries",
            "Times a frame could not be handed on and was kept for another try",
            m.forward_retries.clone(),
        );
        registry.register(
            "journal_record_retries",
            "Times a record's append to the cluster's journal had to be tried again",
            m.record_retries.clone(),
        );
        registry.register(
            "journal_cluster_connected",
            "1 while the cluster's journal is connected",
            m.connected.clone(),
        );
        m
    }

    /// Frames of events are durable.
    pub fn frames_appended(&self, frames: u64, events: u64, bytes: u64) {
        self.frames.inc_by(frames);
        self.events.inc_by(events);
        self.bytes.inc_by(bytes);
    }

    /// Records are durable.
    pub fn records_appended(&self, records: u64) {
        self.records.inc_by(records);
    }

    /// One commit was synced.
    pub fn commit_synced(&self, took: Duration) {
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// Appends were refused because there is no room. `first` of an episode says it; while it
    /// lasts only the counter goes on.
    pub fn append_refused_full(&self, appends: u64, what: &str, first: bool) {
        self.full_refusals.inc_by(appends);
        if first {
            tracing::error!(what, "the journal is full; events are refused until there is room");
        }
    }

    /// There is room again after refusals.
    pub fn room_found_again(&self) {
        tracing::info!("the journal has room again");
    }

    /// A stale owner tried to write.
    pub fn append_fenced(&self, epoch: u64, by: u64) {
        self.fenced.inc();
        tracing::error!(epoch, by, "an append was refused: another owner has taken over");
    }

    /// The reserve was given up.
    pub fn reserve_released(&self, file: &Path) {
        self.reserve_releases.inc();
        tracing::error!(
            file = %file.display(),
            "the disk is full: the reserve is given up so that decisions can still be written; \
             make room soon"
        );
    }

    /// The reserve is there again.
    pub fn reserve_restored(&self) {
        tracing::info!("the disk has room again; the reserve is restored");
    }

    /// The reserve could not be made.
    pub fn reserve_missing(&self, why: &dyn Display) {
        tracing::warn!(%why, "the reserve for a full disk could not be made");
    }

    /// A file of events was dropped at the end of its retention.
    pub fn segment_dropped(&self, file: &str, events: u64) {
        self.segments_dropped.inc();
        tracing::info!(file, events, "a day of events was dropped at the end of its retention");
    }

    /// Numbers are missing between two files of events.
    pub fn events_missing(&self, first: u64, last: u64) {
        tracing::warn!(first, last, "events are missing from the journal: a file was taken away");
    }

    /// A write failed half way; nothing more is written until the journal is opened again.
    pub fn journal_broke(&self, why: &dyn Display) {
        self.broken.inc();
        tracing::error!(%why, "the journal stops itself; open it again once the cause is gone");
    }

    /// This many events wait in the spool.
    pub fn spool_measured(&self, events: u64) {
        self.spool_events.set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    /// Events were handed on and acknowledged.
    pub fn events_forwarded(&self, events: u64) {
        self.forwarded_events.inc_by(events);
    }

    /// Handing on failed; the frames are kept.
    pub fn forward_retried(&self, why: &dyn Display, attempt: u32) {
        self.forward_retries.inc();
        // The first failure and then each time the pause has reached its longest.
        if attempt == 1 || attempt.is_multiple_of(12) {
            tracing::warn!(%why, attempt, "events stay in the spool; forwarding is tried again");
        }
    }

    /// Handing on works again.
    pub fn forward_recovered(&self, attempts: u32) {
        tracing::info!(attempts, "forwarding to the cluster's journal works again");
    }

    /// Another machine wrote between our look and our write; nothing is lost, we look again.
    pub fn forward_overtaken(&self) {
        self.forward_retries.inc();
    }

    /// The append of a record failed and is tried again.
    pub fn record_retried(&self, why: &dyn Display, attempt: u32) {
        self.record_retries.inc();
        if attempt == 1 || attempt.is_multiple_of(12) {
            tracing::warn!(%why, attempt, "a record could not be appended yet; it is tried again");
        }
    }

    /// The cluster's journal is connected, or not any more.
    pub fn cluster_connected(&self, yes: bool) {
        let was = self.connected.set(i64::from(yes));
        if yes && was == 0 {
            tracing::info!("connected to the cluster's journal");
        } else if !yes && was == 1 {
            tracing::warn!("the cluster's journal is away");
        }
    }

    /// The live reader of the cluster's journal lost its place and starts again from it.
    pub fn follow_restarted(&self, why: &dyn Display) {
        tracing::debug!(%why, "reading the cluster's journal starts again");
    }
}
