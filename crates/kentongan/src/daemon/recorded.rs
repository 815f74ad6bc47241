//! A recording is decided again as it was: the daemon's own loop runs on an embedded journal through
//! a reload, a stop and a crash, and what `replay --as-recorded` makes of the export are the very
//! bytes that were decided.

use super::core_loop::{Control, CoreLoop, Pulse};
use super::desks::{Desks, Recording};
use super::resume::{self, Resumed};
use super::sinks::Door;
use crate::config::{self, Configuration};
use crate::replay::{Replay, replay};
use journal::{EmbeddedJournal, EmbeddedOptions, Journal, RecordKind};
use model::event::{Observation, Outcome, Values};
use model::{Event, Kind, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use telemetry::Telemetry;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// 2026-03-10T02:00:00Z.
const START: i64 = 1_773_108_000_000;

/// A patient configuration, one that is less so and knows that `b` matters, one with another device.
const PATIENT: &str = "[[device]]\nid = \"a\"\naddress = \"10.0.0.1\"\n[[device]]\nid = \"b\"\naddress = \"10.0.0.2\"\n";
const HASTY: &str = "[check.icmp]\ndown_needs = 2\ndown_of = 2\n\
    [[device]]\nid = \"a\"\naddress = \"10.0.0.1\"\n\
    [[device]]\nid = \"b\"\naddress = \"10.0.0.2\"\ncriticality = \"vital\"\n";
const LARGER: &str = "[[desk]]\nname = \"secret\"\nkind = \"builtin\"\n\
    [[device]]\nid = \"b\"\naddress = \"10.0.0.2\"\n[[device]]\nid = \"c\"\naddress = \"10.0.0.3\"\n";

struct Life {
    folder: tempfile::TempDir,
    now: Arc<AtomicI64>,
    journal: Arc<dyn Journal>,
    identity: String,
}

/// A daemon without its network.
struct Running {
    configuration: Arc<Configuration>,
    door: Arc<Door>,
    pulse: Arc<Pulse>,
    control: mpsc::Sender<Control>,
    over: CancellationToken,
    core: JoinHandle<anyhow::Result<()>>,
    how: &'static str,
    _plan: watch::Receiver<Arc<probe::Plan>>,
}

impl Life {
    async fn begin() -> Life {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let now = Arc::new(AtomicI64::new(START));
        let clock = now.clone();
        let options = EmbeddedOptions {
            reserve_bytes: 0,
            free_bytes_min: 0,
            clock: Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst))),
            ..EmbeddedOptions::new(folder.path().join("journal"))
        };
        let journal: Arc<dyn Journal> =
            Arc::new(EmbeddedJournal::open(options, Telemetry::new()).unwrap());
        let identity = journal.identity().await.unwrap();
        Life { folder, now, journal, identity }
    }

    fn configuration(&self, text: &str) -> Arc<Configuration> {
        let path = self.folder.path().join("kentongan.toml");
        std::fs::write(&path, text).unwrap();
        Arc::new(config::load_with(&path, Vec::new()).map_err(|r| r.render(false)).unwrap())
    }

    /// As `start` does it.
    async fn start(&self, text: &str) -> Running {
        let configuration = self.configuration(text);
        let telemetry = Telemetry::new();
        let now = self.now.clone();
        let clock: journal::Clock =
            Arc::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst)));
        let epoch = self.journal.own(&self.identity).await.unwrap();
        let door =
            Door::new(self.journal.clone(), configuration.inventory.clone(), telemetry.clone());
        let resumed: Resumed =
            resume::resume(&self.journal, &configuration, &self.identity).await.unwrap();
        let events = resume::first_events(&resumed, &configuration, &self.identity, clock());
        let pulse = Pulse::new(resumed.last_record.max(epoch.record));
        resume::keep(&self.journal, &configuration, &self.identity).await.unwrap();
        door.append("core".into(), &events).await.unwrap();
        let recording = Recording {
            journal: self.journal.clone(),
            door: door.clone(),
            epoch: epoch.clone(),
            pulse: pulse.clone(),
        };
        let over = CancellationToken::new();
        let (desks, _) = Desks::start(
            &configuration,
            &self.identity,
            &resumed,
            recording,
            &telemetry,
            over.child_token(),
        )
        .await
        .unwrap();
        let (plan, plans) = watch::channel(super::plan::of(&configuration));
        let (asks, _) = mpsc::channel(8);
        let (confirmed, _) = mpsc::channel(8);
        let (control, controls) = mpsc::channel(8);
        let (another, how) = (resumed.another_configuration, resumed.how);
        let mut core = CoreLoop::new(
            resumed.core,
            configuration.clone(),
            self.journal.clone(),
            epoch,
            door.clone(),
            desks,
            telemetry,
            pulse.clone(),
            clock,
            controls,
            plan,
            asks,
            confirmed,
            Arc::new(|_| {}),
            over.clone(),
        );
        if another {
            core.expect(configuration.clone());
        }
        let core = tokio::spawn(core.run());
        let running =
            Running { configuration, door, pulse, control, over, core, how, _plan: plans };
        self.taken(&running).await;
        running
    }

    /// Waits until everything in the journal has been decided on.
    async fn taken(&self, running: &Running) {
        let all = async {
            while running.pulse.last_event.load(Ordering::Relaxed)
                < self.journal.last_event().await.unwrap()
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("the core takes events");
    }

    /// Twenty seconds pass; whoever is named in `silent` does not answer.
    async fn sample(&self, running: &Running, silent: &[&str]) {
        self.now.fetch_add(20_000, Ordering::SeqCst);
        let at = Timestamp::from_millis(self.now.load(Ordering::SeqCst));
        let inventory = running.door.inventory();
        let ping = |target: &str| {
            let outcome = if silent.contains(&target) {
                Outcome::NoReply
            } else {
                Outcome::Reply(Values::from_iter([
                    ("rtt_ms".into(), 1.5),
                    ("loss_pct".into(), 0.0),
                ]))
            };
            let observation = Observation {
                probe: "p".into(),
                target: target.to_owned().into(),
                check: "icmp".into(),
                outcome,
            };
            Event { at, received: None, kind: Kind::Observation(observation) }
        };
        let events: Vec<_> = inventory.devices.iter().map(|d| ping(&d.id)).collect();
        running.door.append("probe:p".into(), &events).await.unwrap();
        self.taken(running).await;
    }

    async fn reload(&self, running: &mut Running, text: &str) {
        let configuration = self.configuration(text);
        let before = self.journal.last_event().await.unwrap();
        running.control.send(Control::Reload(configuration.clone())).await.unwrap();
        self.journal.wait_events(before + 1).await.unwrap();
        self.taken(running).await;
        running.configuration = configuration;
    }

    /// What was decided, as `journal export --decisions` writes it.
    async fn decided(&self) -> String {
        let records = self.journal.read_records(1, 100_000).await.unwrap();
        let decisions = records.iter().filter(|r| r.kind == RecordKind::Decisions);
        let text: String =
            decisions.map(|r| std::str::from_utf8(&r.body).unwrap().to_owned()).collect();
        let lines = text.lines().filter(|l| !l.starts_with(r#"{"kind":"routine""#));
        lines.fold(String::new(), |all, line| all + line + "\n")
    }

    async fn exported(&self) -> std::path::PathBuf {
        let mut out = Vec::new();
        journal::export_events(&*self.journal, 1, u64::MAX, &mut out).await.unwrap();
        let file = self.folder.path().join("export.ndjson");
        std::fs::write(&file, out).unwrap();
        file
    }
}

impl Running {
    async fn stop(self) {
        self.over.cancel();
        self.core.await.unwrap().unwrap();
    }

    /// Nothing is finished; what was not durable is lost.
    async fn crash(self) {
        self.core.abort();
        let _ = self.core.await;
        self.over.cancel();
    }
}

fn as_recorded(file: &Path) -> (bool, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let what = Replay { files: vec![file.to_owned()], ..Replay::default() };
    let good = replay(&what, None, &mut out, &mut err).unwrap();
    (good, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_through_reloads_and_stops_is_decided_again_to_the_byte() {
    let life = Life::begin().await;
    let mut daemon = life.start(PATIENT).await;
    for silent in [&[][..], &["a"], &["a"], &[], &[], &["b"], &["b"]] {
        life.sample(&daemon, silent).await;
    }
    // `b` has been silent twice: too little before, enough from here on.
    life.reload(&mut daemon, HASTY).await;
    for silent in [&["b"][..], &["b"], &["a", "b"], &["a", "b"], &["a"], &["a"], &["a"]] {
        life.sample(&daemon, silent).await;
    }
    daemon.stop().await;
    life.now.fetch_add(600_000, Ordering::SeqCst);
    // Another configuration at the start: `a`, which is down, is no longer in it.
    let mut daemon = life.start(LARGER).await;
    assert_eq!(daemon.how, "from the snapshot");
    for silent in [&[][..], &["c"], &["c"], &["c"], &["c"]] {
        life.sample(&daemon, silent).await;
    }
    life.reload(&mut daemon, PATIENT).await;
    life.sample(&daemon, &["a"]).await;
    // The same again: secrets may have changed, which are on no record.
    life.reload(&mut daemon, PATIENT).await;
    for silent in [&["a"][..], &["a"], &["a"], &["a"]] {
        life.sample(&daemon, silent).await;
    }
    daemon.crash().await;
    // What follows the last snapshot was decided under `PATIENT`; nobody but the journal knows it now.
    let daemon = life.start(HASTY).await;
    assert_eq!(daemon.how, "from the snapshot");
    for silent in [&["a", "b"][..], &["a", "b"], &["b"], &["b"], &[], &[], &[]] {
        life.sample(&daemon, silent).await;
    }
    daemon.stop().await;

    let (file, decided) = (life.exported().await, life.decided().await);
    for what in [
        r#""change":"opened""#,
        r#""change":"recovered""#,
        r#""priority":"P2""#,
        "removed from the inventory",
    ] {
        assert!(decided.contains(what), "{what} is not in\n{decided}");
    }
    let (good, again, err) = as_recorded(&file);
    assert_eq!((good, err.as_str()), (true, ""));
    let first = again.lines().zip(decided.lines()).position(|(a, b)| a != b);
    assert_eq!(again, decided, "line {first:?} differs");

    // Secrets and desks are none of the core's business.
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|l| wire::is_configuration(l)).count(), 3, "each once");
    assert!(!text.contains("secret"));
    // Under the last of them alone it would have been another story.
    let mut out = Vec::new();
    let what = Replay { files: vec![file.clone()], ..Replay::default() };
    let last = life.configuration(HASTY);
    assert!(replay(&what, Some(&last), &mut out, &mut Vec::new()).unwrap());
    assert_ne!(String::from_utf8(out).unwrap(), decided);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_without_its_configurations_is_not_pretended_to_be_obeyed() {
    let life = Life::begin().await;
    let mut daemon = life.start(PATIENT).await;
    life.reload(&mut daemon, HASTY).await;
    life.sample(&daemon, &[]).await;
    daemon.stop().await;
    let file = life.exported().await;
    let text = std::fs::read_to_string(&file).unwrap();
    let hash = &life.configuration(HASTY).hash;
    let without = |which: &dyn Fn(&str) -> bool| {
        let lines = text.lines().filter(|l| !wire::is_configuration(l) || !which(l));
        std::fs::write(&file, lines.fold(String::new(), |all, l| all + l + "\n")).unwrap();
        as_recorded(&file)
    };
    let (good, _, err) = without(&|l| l.contains(hash));
    assert!(!good);
    assert!(
        err.contains(&format!("configuration {} is not in the recording", &hash[..12])),
        "{err}"
    );
    let (good, out, err) = without(&|_| true);
    assert_eq!((good, out.as_str()), (false, ""));
    assert!(
        err.contains("export.ndjson:1: the recording does not hold the configuration"),
        "{err}"
    );
}
