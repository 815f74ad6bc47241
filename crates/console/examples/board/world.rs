//! A small province, made up: sites with devices, and one outage of which as much has happened as
//! is asked for. Serves the tests of the API and whoever works on the board.

use async_trait::async_trait;
use console::{
    Backend, BackendError, BuiltinNoteDoc, BuiltinTicketDoc, CheckDoc, ConfigDoc, ConsoleState,
    CoreDoc, DeskDoc, HeartbeatDoc, JournalDoc, ProbeDoc, StatusDoc, TargetDoc, WatcherDoc,
    WindowDoc,
};
use journal::{Record, RecordKind};
use model::decision::{
    Affected, AlarmLine, AlarmState, Change, Condition, Decision, IncidentLine, Intent, IntentOp,
    Priority, Scope, Verdict, VerdictLine, Work,
};
use model::{DeliveryLine, DeliveryStep, DeskCall, Event, IncidentId, Timestamp};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use telemetry::Telemetry;
use views::{Language, Views};

/// How much has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing; another incident was over long ago.
    Before,
    /// An uplink is cut, the ticket of one desk is there, another desk is away.
    During,
    /// It is back.
    After,
}

const SITES: [(&str, &str); 18] = [
    ("semarang", "Kota Semarang"),
    ("demak", "Kab. Demak"),
    ("kudus", "Kab. Kudus"),
    ("jepara", "Kab. Jepara"),
    ("pati", "Kab. Pati"),
    ("rembang", "Kab. Rembang"),
    ("blora", "Kab. Blora"),
    ("grobogan", "Kab. Grobogan"),
    ("kendal", "Kab. Kendal"),
    ("batang", "Kab. Batang"),
    ("pekalongan", "Kota Pekalongan"),
    ("tegal", "Kota Tegal"),
    ("brebes", "Kab. Brebes"),
    ("salatiga", "Kota Salatiga"),
    ("surakarta", "Kota Surakarta"),
    ("klaten", "Kab. Klaten"),
    ("magelang", "Kota Magelang"),
    ("cilacap", "Kab. Cilacap"),
];

/// Sites behind the cut.
const CUT: [&str; 5] = ["demak", "kudus", "jepara", "pati", "rembang"];

/// The incident of the outage.
pub const OUTAGE: &str = "k7f3-18452";

/// What the daemon would be.
pub struct World {
    pub phase: Phase,
    pub views: Arc<Views>,
    /// What was submitted.
    pub submitted: Mutex<Vec<Event<'static>>>,
    /// Answers every submission with this, once set.
    pub refuse: Mutex<Option<BackendError>>,
    /// Changes the status before it is given.
    pub spoil: Mutex<Option<fn(&mut StatusDoc)>>,
    started: SystemTime,
}

impl World {
    /// With its views in `dir`.
    pub fn new(dir: &Path, phase: Phase) -> Arc<World> {
        let views = Views::open(dir, "noc-k7f3").expect("views");
        let world = World {
            phase,
            views: Arc::new(views),
            submitted: Mutex::default(),
            refuse: Mutex::default(),
            spoil: Mutex::default(),
            started: SystemTime::now(),
        };
        world.views.apply(&world.records()).expect("applied");
        Arc::new(world)
    }

    /// What the router needs to show it.
    pub fn console(self: &Arc<Self>, telemetry: Arc<Telemetry>) -> ConsoleState {
        ConsoleState {
            views: Arc::clone(&self.views),
            backend: Arc::clone(self) as Arc<dyn Backend>,
            telemetry,
            token: None,
            public_url: "http://noc.example:8640".to_owned(),
            body_limit: 4096,
            reader: Language::Id.into(),
            also: None,
        }
    }

    fn minutes_ago(&self, minutes: u64) -> Timestamp {
        clock(self.started) - Duration::from_secs(minutes * 60)
    }

    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let old = "k7f3-9120";
        let mut first =
            self.incident(300, old, Change::Opened, Priority::P2, Scope::Situs, &["cilacap"]);
        first.root = vec!["cilacap/ups".into()];
        records.push(self.decided(
            301,
            &[
                Decision::Incident(Box::new(first.clone())),
                self.intent(
                    300,
                    old,
                    IntentOp::Create,
                    Priority::P2,
                    "UPS-A baterai lemah di Kab. Cilacap",
                ),
            ],
        ));
        records.push(self.delivered(299, old, "rt", DeliveryStep::Settled, Some("4790")));
        first.change = Change::Resolved;
        first.condition = Condition::Clear;
        first.work = Work::Resolved;
        first.at = self.minutes_ago(192);
        records.push(self.decided(192, &[Decision::Incident(Box::new(first))]));
        if self.phase == Phase::Before {
            return number(records);
        }

        let title =
            "Backbone Semarang–Demak putus: 5 situs tidak terjangkau <script>alert(1)</script>";
        let mut lines = vec![self.verdict(18452, Verdict::Opened)];
        lines.push(self.alarm(12, "demak/rtr1", AlarmState::Raised));
        let opened = self.incident(12, OUTAGE, Change::Opened, Priority::P1, Scope::Masif, &CUT);
        lines.push(Decision::Incident(Box::new(opened.clone())));
        lines.push(self.intent(12, OUTAGE, IntentOp::Create, Priority::P1, title));
        for n in 0..19 {
            lines.push(self.verdict(18453 + n, Verdict::SuppressedByRoot));
        }
        records.push(self.decided(12, &lines));
        records.push(self.delivered(12, OUTAGE, "rt", DeliveryStep::Confirmed, Some("4821")));
        records.push(self.delivered(11, OUTAGE, "glpi", DeliveryStep::Refused, None));
        records.push(self.delivered(10, OUTAGE, "zammad", DeliveryStep::Doubtful, None));
        let mut taken = opened.clone();
        taken.at = self.minutes_ago(7);
        taken.change = Change::Acknowledged;
        taken.work = Work::Assigned;
        taken.by = Some("sari".to_owned());
        "sari menghubungi penyedia serat optik.".clone_into(&mut taken.reason);
        records.push(self.decided(7, &[Decision::Incident(Box::new(taken.clone()))]));

        let small = "k7f3-18500";
        let mut second =
            self.incident(4, small, Change::Opened, Priority::P3, Scope::Lokal, &["magelang"]);
        second.root = vec!["magelang/ap2".into()];
        records.push(self.decided(
            4,
            &[
                Decision::Incident(Box::new(second.clone())),
                self.intent(
                    4,
                    small,
                    IntentOp::Create,
                    Priority::P3,
                    "magelang/ap2 tidak terjangkau",
                ),
            ],
        ));
        if self.phase == Phase::After {
            taken.at = self.minutes_ago(1);
            taken.change = Change::Resolved;
            taken.work = Work::Resolved;
            taken.condition = Condition::Clear;
            records.push(self.decided(
                1,
                &[
                    self.alarm(1, "demak/rtr1", AlarmState::Ok),
                    Decision::Incident(Box::new(taken)),
                    self.intent(1, OUTAGE, IntentOp::Resolve, Priority::P1, title),
                ],
            ));
            for (desk, id) in [("rt", "4821"), ("glpi", "77"), ("zammad", "1009")] {
                records.push(self.delivered(1, OUTAGE, desk, DeliveryStep::Settled, Some(id)));
            }
            second.at = self.minutes_ago(1);
            second.change = Change::Resolved;
            second.work = Work::Resolved;
            second.condition = Condition::Clear;
            records.push(self.decided(1, &[Decision::Incident(Box::new(second))]));
        }
        number(records)
    }

    fn decided(&self, minutes: u64, decisions: &[Decision]) -> Record {
        let mut body = Vec::new();
        for d in decisions {
            wire::write_decision(&mut body, d);
            body.push(b'\n');
        }
        record(RecordKind::Decisions, self.minutes_ago(minutes), body)
    }

    fn delivered(
        &self,
        minutes: u64,
        id: &str,
        desk: &str,
        step: DeliveryStep,
        ticket: Option<&str>,
    ) -> Record {
        let at = self.minutes_ago(minutes);
        let line = DeliveryLine {
            at,
            incident: IncidentId::from_text(id),
            desk: desk.into(),
            key: "kent-2gxq".to_owned(),
            generation: 0,
            step,
            call: Some(DeskCall::Create),
            op: Some(IntentOp::Create),
            operation: None,
            revision: 1,
            attempt: if ticket.is_some() { 1 } else { 4 },
            deadline: None,
            next_try: None,
            ticket: ticket.map(|id| model::TicketRef {
                id: id.to_owned(),
                url: (desk == "rt")
                    .then(|| format!("http://rt.example/Ticket/Display.html?id={id}")),
            }),
            about: None,
            priority: Some(Priority::P1),
            open: true,
            heard: None,
            reason: if ticket.is_some() {
                String::new()
            } else {
                "tidak ada jawaban dalam 10s".to_owned()
            },
        };
        let mut body = Vec::new();
        wire::write_delivery(&mut body, &line);
        record(RecordKind::Delivery, at, body)
    }

    fn verdict(&self, event: u64, verdict: Verdict) -> Decision {
        Decision::Verdict(VerdictLine {
            at: self.minutes_ago(12),
            event,
            target: Some("demak/rtr1".into()),
            verdict,
            incident: Some(IncidentId::from_text(OUTAGE)),
            reason: "demak/rtr1 diam, semarang/core-sw1 menjawab".into(),
            routine: false,
        })
    }

    fn alarm(&self, minutes: u64, target: &str, state: AlarmState) -> Decision {
        Decision::Alarm(AlarmLine {
            at: self.minutes_ago(minutes),
            target: target.into(),
            check: "icmp".into(),
            state,
            was: AlarmState::Held,
            incident: Some(IncidentId::from_text(OUTAGE)),
            reason: "3 dari 5 sampel diam".to_owned(),
        })
    }

    fn incident(
        &self,
        minutes: u64,
        id: &str,
        change: Change,
        priority: Priority,
        scope: Scope,
        sites: &[&str],
    ) -> IncidentLine {
        let devices = sites
            .iter()
            .flat_map(|s| ["rtr1", "sw1", "ap1", "ap2"].map(|d| format!("{s}/{d}").into()));
        let several = sites.len() > 1;
        IncidentLine {
            at: self.minutes_ago(minutes),
            id: IncidentId::from_text(id),
            change,
            condition: Condition::Failing,
            work: Work::New,
            priority,
            scope,
            root: vec!["demak/rtr1".into(), "demak/rtr1/xe0|semarang/core-sw1/xe3".into()],
            affected: Affected {
                devices: if several {
                    devices.collect()
                } else {
                    vec![format!("{}/ap2", sites[0]).into()]
                },
                sites: sites.iter().map(|s| (*s).into()).collect(),
                services: if several { vec!["samsat".into()] } else { Vec::new() },
                users: if several { 8400 } else { 0 },
            },
            since: self.minutes_ago(minutes + 1),
            reason:
                "demak/rtr1 diam sejak sampel terakhir, semarang/core-sw1 di depannya menjawab; \
                     5 situs tidak terjangkau sepenuhnya (masif) dan samsat vital, jadi P1."
                    .to_owned(),
            into: None,
            recurrence_of: None,
            by: None,
        }
    }

    fn intent(
        &self,
        minutes: u64,
        id: &str,
        op: IntentOp,
        priority: Priority,
        title: &str,
    ) -> Decision {
        Decision::Intent(Box::new(Intent {
            at: self.minutes_ago(minutes),
            id: format!("{id}.1"),
            incident: IncidentId::from_text(id),
            op,
            revision: 1,
            priority,
            title: title.to_owned(),
            text: "Semua perangkat menjawab lagi.".to_owned(),
            into: None,
            event: 18452,
            received: self.minutes_ago(minutes),
        }))
    }

    fn target(&self, site: (&str, &str), device: &str, n: usize) -> TargetDoc {
        let id = format!("{}/{device}", site.0);
        let cut = self.phase == Phase::During && CUT.contains(&site.0);
        let single = self.phase == Phase::During && id == "magelang/ap2";
        let state = match id.as_str() {
            _ if cut || single => "down",
            "klaten/ap1" if self.phase == Phase::During => "flapping",
            "tegal/ap2" => "unknown",
            "brebes/ap1" if self.phase == Phase::During => "suspect",
            _ => "up",
        };
        let up = state == "up";
        TargetDoc {
            name: id.clone(),
            site: Some(site.0.to_owned()),
            site_name: Some(site.1.to_owned()),
            class: if device.starts_with("ap") { "ap" } else { "router" }.to_owned(),
            criticality: "normal".to_owned(),
            state: state.to_owned(),
            since: Some(self.minutes_ago(if up { 4000 } else { 12 }).to_string()),
            last_seen: Some(self.minutes_ago(if up { 0 } else { 12 }).to_string()),
            rtt_ms: up.then_some(1.3 + n as f64 * 0.37),
            loss_pct: Some(if up { 0.0 } else { 100.0 }),
            incident: cut.then(|| OUTAGE.to_owned()).or(single.then(|| "k7f3-18500".to_owned())),
            maintenance: false,
            checks: vec![CheckDoc { check: "icmp".into(), state: "ok".into(), last: None }],
            id,
        }
    }
}

#[async_trait]
impl Backend for World {
    async fn submit(&self, event: Event<'static>) -> Result<u64, BackendError> {
        if let Some(error) = self.refuse.lock().expect("lock").take() {
            return Err(error);
        }
        let mut submitted = self.submitted.lock().expect("lock");
        submitted.push(event);
        Ok(20_000 + submitted.len() as u64)
    }

    async fn status(&self) -> StatusDoc {
        let during = self.phase == Phase::During;
        let desk = |name: &str, away: bool, doubtful: u64| DeskDoc {
            name: name.to_owned(),
            kind: name.to_owned(),
            dry_run: false,
            reachable: Some(!away),
            waiting: u64::from(away),
            oldest: away.then(|| self.minutes_ago(11).to_string()),
            doubtful,
            breaker: if away { "open" } else { "closed" }.to_owned(),
            tried_at: away.then(|| self.now().to_string()),
            last_error: away.then(|| "sambungan ditolak (10.0.0.9:443)".to_owned()),
        };
        let mut doc = StatusDoc {
            version: "0.1.0".to_owned(),
            instance: "noc".to_owned(),
            identity: "noc-k7f3".to_owned(),
            role: "both".to_owned(),
            language: "id".to_owned(),
            timezone: "Asia/Jakarta".to_owned(),
            now: self.now().to_string(),
            started_at: self.minutes_ago(4000).to_string(),
            uptime_s: 240_000,
            journal: JournalDoc {
                kind: "embedded".to_owned(),
                writable: true,
                bytes: 48_000_000,
                ..JournalDoc::default()
            },
            core: CoreDoc {
                last_event: 18_733,
                beat_age_ms: 40,
                suppressed: if during { 19 } else { 0 },
                flapping: u64::from(during),
                ..CoreDoc::default()
            },
            desks: vec![
                desk("rt", false, 0),
                desk("glpi", during, 0),
                desk("zammad", false, u64::from(during)),
            ],
            probe: Some(ProbeDoc {
                id: "noc-1".to_owned(),
                enabled: true,
                targets: 72,
                samples_per_s: 3.6,
                last_sample: Some(self.now().to_string()),
                last_error: None,
            }),
            watchers: vec![WatcherDoc {
                id: "noc-1".into(),
                at: Some("noc/rtr1".into()),
                sight: "watching".into(),
                since: None,
                last_heard: None,
            }],
            heartbeat: HeartbeatDoc {
                configured: true,
                last_ok: Some(self.now().to_string()),
                last_error: None,
            },
            config: ConfigDoc { hash: "9f2c".to_owned(), ..ConfigDoc::default() },
        };
        if let Some(spoil) = *self.spoil.lock().expect("lock") {
            spoil(&mut doc);
        }
        doc
    }

    async fn targets(&self) -> Vec<TargetDoc> {
        let all = SITES.iter().flat_map(|s| ["rtr1", "sw1", "ap1", "ap2"].map(|d| (*s, d)));
        all.enumerate().map(|(n, (site, device))| self.target(site, device, n)).collect()
    }

    async fn windows(&self) -> Vec<WindowDoc> {
        vec![WindowDoc {
            id: "w-ups".to_owned(),
            owner: "budi".to_owned(),
            reason: "ganti baterai UPS".to_owned(),
            scope: vec!["cilacap".to_owned()],
            start: self.minutes_ago(30).to_string(),
            end: (self.now() + Duration::from_mins(90)).to_string(),
            silence: false,
            active: true,
            hides: 2,
            hid: 2,
            from: "command".to_owned(),
            ..WindowDoc::default()
        }]
    }

    fn timezone(&self) -> String {
        "Asia/Jakarta".to_owned()
    }

    async fn knows_scope(&self, scope: &str) -> bool {
        scope == "class:ap" || SITES.iter().any(|(id, _)| *id == scope)
    }

    async fn builtin_tickets(&self) -> Vec<BuiltinTicketDoc> {
        vec![BuiltinTicketDoc {
            id: "7".to_owned(),
            key: "kent-2gxq".to_owned(),
            incident: OUTAGE.to_owned(),
            title: "Backbone Semarang–Demak putus".to_owned(),
            text: "Akar masalah: demak/rtr1\nTerdampak: 20 perangkat".to_owned(),
            priority: "P1".to_owned(),
            open: true,
            created_at: self.minutes_ago(12).to_string(),
            updated_at: self.minutes_ago(7).to_string(),
            notes: vec![BuiltinNoteDoc {
                at: self.minutes_ago(7).to_string(),
                text: "sari menghubungi penyedia serat optik.".to_owned(),
            }],
        }]
    }

    fn now(&self) -> Timestamp {
        clock(SystemTime::now())
    }
}

fn clock(time: SystemTime) -> Timestamp {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(since.as_millis() as i64)
}

fn record(kind: RecordKind, at: Timestamp, body: Vec<u8>) -> Record {
    Record {
        number: 0,
        epoch: 1,
        at,
        kind,
        through: 0,
        body: body.into(),
        prev: [0; 32],
        hash: [0; 32],
    }
}

fn number(mut records: Vec<Record>) -> Vec<Record> {
    for (n, record) in records.iter_mut().enumerate() {
        record.number = n as u64 + 1;
    }
    records
}
