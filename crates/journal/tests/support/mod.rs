//! A world for one test: a folder, a clock that can be turned, and for the cluster's side a real
//! nats-server on a free port.
#![allow(dead_code, reason = "each test file takes what it needs")]

pub mod proxy;
pub mod server;

use bytes::Bytes;
use journal::{
    EmbeddedJournal, EmbeddedOptions, EventFrame, Journal, NatsJournal, NatsOptions, NewFrame,
    NewRecord, RecordKind,
};
use model::Timestamp;
use server::NatsServer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use telemetry::Telemetry;
use tempfile::TempDir;

/// 2026-11-24T02:00:00Z.
pub const START: i64 = 1_795_485_600_000;

/// A clock that the test turns.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> TestClock {
        TestClock(Arc::new(AtomicI64::new(START)))
    }

    pub fn turn(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub fn days(&self, days: i64) {
        self.turn(days * 86_400_000);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    pub fn journal_clock(&self) -> journal::Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// Which side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Embedded,
    Nats,
}

/// One test's surroundings.
pub struct World {
    pub side: Side,
    pub clock: TestClock,
    pub server: Option<NatsServer>,
    /// Where the server is reached: itself, or a proxy in front of it.
    pub url: String,
    dir: TempDir,
    /// Where the journal is now; a crash moves it.
    pub at: PathBuf,
    pub retention: Duration,
    pub record_retention: Duration,
    pub max_bytes: Option<u64>,
    pub reserve_bytes: u64,
    pub answer_within: Duration,
    pub tail_bytes: usize,
}

/// An open journal.
pub struct Opened {
    pub journal: Arc<dyn Journal>,
    pub embedded: Option<Arc<EmbeddedJournal>>,
    pub nats: Option<Arc<NatsJournal>>,
    pub telemetry: Arc<Telemetry>,
}

impl World {
    /// `None` when there is no server to test with, which was then said aloud.
    pub fn new(side: Side) -> Option<World> {
        let dir = tempfile::tempdir().unwrap();
        let server = match side {
            Side::Embedded => None,
            Side::Nats => Some(NatsServer::start(&dir.path().join("server"))?),
        };
        let url = server.as_ref().map_or_else(String::new, NatsServer::url);
        Some(World {
            side,
            clock: TestClock::new(),
            server,
            url,
            at: dir.path().join("journal"),
            dir,
            retention: Duration::from_hours(35 * 24),
            record_retention: Duration::from_hours(400 * 24),
            max_bytes: None,
            reserve_bytes: 0,
            answer_within: Duration::from_secs(5),
            tail_bytes: 256 << 10,
        })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn embedded_options(&self, at: &Path) -> EmbeddedOptions {
        EmbeddedOptions {
            name: "noc".into(),
            retention: self.retention,
            record_retention: self.record_retention,
            reserve_bytes: self.reserve_bytes,
            free_bytes_min: 0,
            max_bytes: self.max_bytes,
            tail_bytes: self.tail_bytes,
            clock: self.clock.journal_clock(),
            ..EmbeddedOptions::new(at)
        }
    }

    pub fn nats_options(&self, at: &Path) -> NatsOptions {
        NatsOptions {
            name: "noc".into(),
            retention: self.retention,
            record_retention: self.record_retention,
            spool_bytes_max: self.max_bytes.unwrap_or(1 << 30),
            reserve_bytes: self.reserve_bytes,
            free_bytes_min: 0,
            tail_bytes: self.tail_bytes,
            answer_within: self.answer_within,
            clock: self.clock.journal_clock(),
            ..NatsOptions::new(self.url.clone(), at)
        }
    }

    pub async fn open(&self) -> Opened {
        self.open_at(&self.at).await
    }

    pub async fn open_at(&self, at: &Path) -> Opened {
        let telemetry = Telemetry::new();
        match self.side {
            Side::Embedded => {
                let options = self.embedded_options(at);
                let embedded = Arc::new(EmbeddedJournal::open(options, telemetry.clone()).unwrap());
                Opened {
                    journal: embedded.clone(),
                    embedded: Some(embedded),
                    nats: None,
                    telemetry,
                }
            }
            Side::Nats => {
                let options = self.nats_options(at);
                let nats = Arc::new(NatsJournal::open(options, telemetry.clone()).await.unwrap());
                Opened { journal: nats.clone(), embedded: None, nats: Some(nats), telemetry }
            }
        }
    }

    /// The power goes: for the embedded side a copy of the files as they are, without closing
    /// anything; for the cluster's the server is killed and started again.
    pub async fn crash(&mut self, opened: Opened) -> Opened {
        match self.side {
            Side::Embedded => {
                let copy = self.path(&format!("after-crash-{}", self.clock.now().as_millis()));
                self.clock.turn(1);
                copy_files(&self.at, &copy);
                drop(opened);
                self.at = copy;
            }
            Side::Nats => {
                let server = self.server.as_mut().unwrap();
                server.kill();
                opened.close().await;
                server.restart();
            }
        }
        self.open().await
    }
}

impl Opened {
    /// Waits until what was appended can be read.
    pub async fn settle(&self) {
        if let Some(nats) = &self.nats {
            within(20, "forwarding", nats.forwarded()).await.unwrap();
        }
    }

    pub async fn close(self) {
        if let Some(embedded) = &self.embedded {
            embedded.close();
        }
        if let Some(nats) = &self.nats {
            nats.close().await;
        }
    }

    /// Appends `count` events of a producer, `{"n":from}` and so on.
    pub async fn append(&self, producer: &str, from: u64, count: u64) -> journal::Accepted {
        self.journal.append_events(frame(producer, from, count)).await.unwrap()
    }

    /// Every event's line, from the first kept to the last, with its number checked.
    pub async fn lines(&self) -> Vec<String> {
        let mut next = self.journal.first_event().await.unwrap();
        let last = self.journal.last_event().await.unwrap();
        let mut lines = Vec::new();
        while next <= last {
            let frames = self.journal.read_events(next, 500).await.unwrap();
            assert!(!frames.is_empty(), "event {next} of {last} cannot be read");
            for frame in frames {
                assert!(
                    frame.follows(next),
                    "numbers are contiguous: {} behind {next}",
                    frame.first
                );
                next = frame.first;
                for (number, line) in frame.lines().unwrap() {
                    assert_eq!(number, next);
                    lines.push(line.to_owned());
                    next += 1;
                }
            }
        }
        lines
    }

    pub async fn read_all(&self) -> Vec<EventFrame> {
        let first = self.journal.first_event().await.unwrap();
        let mut frames = Vec::new();
        let mut next = first;
        loop {
            let read = self.journal.read_events(next, 1000).await.unwrap();
            let Some(last) = read.last() else { return frames };
            next = last.last() + 1;
            frames.extend(read);
        }
    }
}

/// `count` lines with numbers from `from` on.
pub fn body(from: u64, count: u64) -> Bytes {
    let lines: Vec<String> = (from..from + count).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    Bytes::from(lines.concat())
}

/// Text of `words` times 16 letters that does not pack well; another one for each seed.
pub fn noise(seed: u64, words: u64) -> String {
    let word = |i: u64| format!("{:016x}", (seed * words + i).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (0..words).map(word).collect::<Vec<_>>().concat()
}

pub fn frame(producer: &str, from: u64, count: u64) -> NewFrame {
    NewFrame::new(producer, count as u32, body(from, count))
}

pub fn decisions(through: u64, text: &str) -> NewRecord {
    let body = Bytes::from(format!("{{\"kind\":\"verdict\",\"t\":\"{text}\"}}\n"));
    NewRecord { kind: RecordKind::Decisions, through, body }
}

/// Copies a folder's files, without the lock and without what SQLite rebuilds.
pub fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if text != "lock" && text != "reserve" && !text.ends_with("-shm") {
            std::fs::copy(entry.path(), to.join(&name)).unwrap();
        }
    }
}

/// Fails when it takes longer, naming what.
pub async fn within<T>(seconds: u64, what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(seconds), future)
        .await
        .unwrap_or_else(|_| panic!("{what} took longer than {seconds} s"))
}

/// The value of a metric.
pub fn metric(telemetry: &Telemetry, name: &str) -> u64 {
    let text = telemetry.openmetrics();
    let line = text.lines().find(|l| l.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name} in {text}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .parse::<f64>()
        .unwrap() as u64
}
