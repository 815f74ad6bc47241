//! What every desk has to pass, whatever it is: one table of dialects, one list of questions. A desk
//! is asked by its own methods, without anybody who would try again, so that each answer is seen.

#![allow(clippy::unwrap_used, reason = "in a test it is the check")]

mod fake;

use delivery::{Draft, Note, Outcome};
use fake::{DIALECTS, Dialect, Fake, Fault, Op, TOKEN};
use model::{Priority, TicketRef};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use ticket_sink::{Desk, DeskConfig, Desks};

struct Room {
    dialect: &'static Dialect,
    fake: Fake,
    desk: Arc<dyn Desk>,
    _dir: tempfile::TempDir,
}

impl Room {
    async fn open(dialect: &'static Dialect) -> Room {
        let fake = Fake::start().await;
        let config: DeskConfig = toml::from_str(&(dialect.config)(&fake.url)).unwrap();
        assert!(!format!("{config:?}").contains(TOKEN), "{}: a secret is shown", dialect.name);
        let dir = tempfile::tempdir().unwrap();
        let desks = Desks::open(&[config], dir.path()).unwrap();
        let desk = desks.all.values().next().unwrap().clone();
        assert_eq!(desk.kind(), dialect.name);
        Room { dialect, fake, desk, _dir: dir }
    }

    /// Opens a ticket.
    async fn ticket(&self) -> TicketRef {
        done(self.desk.create(&draft("judul", "isi")).await)
    }

    fn count(&self, op: Op) -> usize {
        self.fake.with(|s| s.count(op))
    }

    /// The one ticket there is.
    fn only(&self) -> fake::Ticket {
        self.fake.with(|s| {
            assert_eq!(s.tickets.len(), 1, "{}: {:#?}", self.dialect.name, s.tickets);
            s.tickets[0].clone()
        })
    }
}

fn draft(title: &str, text: &str) -> Draft {
    Draft {
        key: "kent-abc".into(),
        incident: "k7f3-1".into(),
        title: title.into(),
        text: format!("{text}\n\n[kent:kent-abc]"),
        priority: Priority::P2,
        group: None,
        category: None,
    }
}

fn note(operation: &str, text: &str) -> Note {
    let text = format!("{text}\n\n{}", Note::marker(operation));
    Note { operation: operation.into(), text }
}

#[track_caller]
fn done<T: Debug>(outcome: Outcome<T>) -> T {
    match outcome {
        Outcome::Done(value) => value,
        other => panic!("{other:?}"),
    }
}

/// Runs an examination for every dialect, and names the one that fails.
macro_rules! every {
    ($room:ident, $body:block) => {
        for dialect in DIALECTS {
            eprintln!("examined: {}", dialect.name);
            let $room = Room::open(dialect).await;
            $body
        }
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_goes_its_whole_way() {
    every!(room, {
        let (desk, can) = (&room.desk, room.desk.rules().can);
        if can.find {
            assert_eq!(done(desk.find("kent-abc").await), []);
        }
        let ticket = room.ticket().await;
        assert!(!ticket.id.is_empty());
        if can.find {
            let rows = done(desk.find("kent-abc").await);
            assert_eq!(rows.len(), 1);
            assert_eq!(rows[0].key.as_deref(), Some("kent-abc"));
            assert!(rows[0].open && rows[0].priorities.contains(&Priority::P2), "{rows:?}");
            assert_eq!(rows[0].ticket.id, ticket.id, "both ways give the ticket one name");
        }
        if can.note {
            done(desk.note(&ticket, &note("k7f3-1.2", "naik")).await);
            assert_eq!(room.only().notes.len(), 1);
        }
        if can.priority {
            done(desk.set_priority(&ticket, Priority::P1).await);
            assert_eq!(room.only().priority, (room.dialect.p1)());
        }
        if can.resolve {
            done(desk.resolve(&ticket).await);
            assert_eq!(room.only().status, room.dialect.resolved);
        }
        if can.reopen {
            done(desk.reopen(&ticket).await);
            assert_eq!(room.only().status, room.dialect.open);
        }
        if can.read {
            let seen = done(desk.read(&ticket, can.read_notes).await);
            assert_eq!((seen.key.as_deref(), seen.open), (Some("kent-abc"), true));
            assert!(seen.priorities.contains(&Priority::P1), "{seen:?}");
            if can.read_notes {
                assert_eq!(seen.notes, ["k7f3-1.2"]);
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_so_already_is_done_and_changes_nothing() {
    every!(room, {
        let (desk, can) = (&room.desk, room.desk.rules().can);
        let ticket = room.ticket().await;
        if !can.resolve {
            continue;
        }
        done(desk.reopen(&ticket).await);
        assert_eq!(room.count(Op::Change), 0, "a new ticket is open");
        done(desk.resolve(&ticket).await);
        let once = room.only();
        done(desk.resolve(&ticket).await);
        let twice = room.only();
        assert_eq!((&once.status, &once.notes), (&twice.status, &twice.notes));
        done(desk.reopen(&ticket).await);
        done(desk.reopen(&ticket).await);
        assert_eq!(room.only().status, room.dialect.open);
        assert!(room.only().notes.is_empty(), "no change leaves a note behind");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubt_is_said_as_doubt_and_refusal_as_refusal() {
    use Fault::*;
    every!(room, {
        let secrets = |reason: &str| {
            assert!(!reason.contains(TOKEN), "{}: a secret in {reason}", room.dialect.name);
        };
        for fault in [
            CommitThenDrop,
            DropBeforeCommit,
            CommitThen(500),
            CommitThen(503),
            CommitThen(408),
            CommitThen(302),
            Refuse(500),
            CommitThenHtml,
            Html,
            CutBody,
            Empty,
            Slow(Duration::from_millis(650)),
        ] {
            let before = room.count(Op::Create);
            room.fake.fail(Op::Create, fault);
            match room.desk.create(&draft("judul", "isi")).await {
                Outcome::Unknown { reason } => secrets(&reason),
                other => panic!("{}: {fault:?}: {other:?}", room.dialect.name),
            }
            assert_eq!(room.count(Op::Create), before + 1, "{fault:?}: sent once");
        }
        for (status, again) in [(400, false), (401, false), (403, false), (422, false), (429, true)]
        {
            let before = room.count(Op::Create);
            room.fake.fail(Op::Create, Refuse(status));
            match room.desk.create(&draft("judul", "isi")).await {
                Outcome::Rejected { retry, reason } => {
                    assert_eq!(retry, again, "{status}: {reason}");
                    secrets(&reason);
                }
                other => panic!("{}: {status}: {other:?}", room.dialect.name),
            }
            assert_eq!(room.count(Op::Create), before + 1, "{status}: sent once");
        }
        if !room.desk.rules().can.find {
            continue;
        }
        for fault in
            [DropBeforeCommit, Refuse(401), Refuse(404), Refuse(500), Html, Truncated, Empty]
        {
            let before = room.count(Op::Find);
            room.fake.fail(Op::Find, fault);
            match room.desk.find("kent-abc").await {
                // There `{}` is how a search says that it found none; the one by the title shows it.
                Outcome::Done(rows) if fault == Empty && room.dialect.key_in_title => {
                    assert!(rows.iter().any(|r| r.key.as_deref() == Some("kent-abc")), "{rows:?}");
                }
                Outcome::Done(rows) => panic!("{}: {fault:?}: {rows:?}", room.dialect.name),
                Outcome::Rejected { reason, .. } | Outcome::Unknown { reason } => secrets(&reason),
            }
            assert_eq!(room.count(Op::Find), before + 1, "{fault:?}: asked once");
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_inside_a_success_is_one_and_keeps_our_secrets() {
    let bodies = [
        ("glpi", r#"[{"id":false,"message":"no: rahasia-1-2-3"}]"#),
        ("itop", r#"{"code":1,"message":"no: rahasia-1-2-3"}"#),
        (
            "znuny",
            r#"{"Error":{"ErrorCode":"TicketCreate.AuthFail","ErrorMessage":"no: rahasia-1-2-3"}}"#,
        ),
    ];
    for (name, body) in bodies {
        assert!(body.contains(TOKEN));
        let room = Room::open(DIALECTS.iter().find(|d| d.name == name).unwrap()).await;
        room.fake.fail(Op::Create, Fault::Body(body));
        match room.desk.create(&draft("judul", "isi")).await {
            Outcome::Rejected { retry: false, reason } => {
                assert!(reason.contains("no: ***"), "{name}: {reason}");
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_desk_did_is_read_back() {
    every!(room, {
        let (desk, can) = (&room.desk, room.desk.rules().can);
        if !can.read {
            continue;
        }
        room.fake.fail(Op::Create, Fault::DropKey);
        let keyless = room.ticket().await;
        assert_eq!(done(desk.read(&keyless, false).await).key, None);
        for n in 0..3 {
            room.fake.fail(Op::Change, Fault::Ignore);
            let outcome = match n {
                0 => desk.set_priority(&keyless, Priority::P1).await,
                1 => desk.resolve(&keyless).await,
                _ => {
                    room.fake.with(|s| s.faults.clear());
                    done(desk.resolve(&keyless).await);
                    room.fake.fail(Op::Change, Fault::Ignore);
                    desk.reopen(&keyless).await
                }
            };
            assert!(matches!(outcome, Outcome::Rejected { retry: false, .. }), "{n}: {outcome:?}");
        }
        let stranger = TicketRef { id: "4711".into(), url: None };
        match desk.read(&stranger, false).await {
            Outcome::Done(seen) => assert!(seen.gone, "{seen:?}"),
            Outcome::Rejected { retry: false, .. } => {}
            other => panic!("{}: {other:?}", room.dialect.name),
        }
        room.fake.fail(Op::Find, Fault::Everything);
        let rows = done(desk.find("kent-abc").await);
        let in_title = room.dialect.key_in_title;
        assert!(
            rows.iter().all(|r| (r.key.as_deref() == Some("kent-abc")) == in_title),
            "{rows:?}"
        );
        assert!(!rows.is_empty(), "a filter that is ignored is seen");
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_text_arrives_as_it_was_meant() {
    let long = format!("{}😀ujung", "é".repeat(5_000));
    let texts = [
        "semarang <script>alert(1)</script> & \"kutip\" 'satu'",
        "{\"json\": [1, null], \"x\": \"\\\\n\"}",
        "{{ templat }} {% jinja %} %s %00 ${env} #{x}",
        "é ü 漢字 العربية 😀👩‍👩‍👧 \u{202e}terbalik",
        "[kent:kent-lain] {noformat}{code}*a*{noformat} \\ ' -- ; DROP",
        long.as_str(),
    ];
    every!(room, {
        for title in texts {
            room.fake.with(|s| s.tickets.clear());
            let ticket = done(room.desk.create(&draft(title, title)).await);
            let there = room.only();
            let title = format!("{}{title}", (room.dialect.prefix)("k7f3-1"));
            if title.chars().count() <= room.dialect.title_max {
                assert_eq!(there.title, title, "{}", room.dialect.name);
            } else {
                let count = there.title.chars().count();
                assert!(count <= room.dialect.title_max, "{}: {count}", room.dialect.name);
                let head = there.title.strip_suffix('…').expect("a cut is seen");
                assert!(title.starts_with(head) && count + 10 > room.dialect.title_max);
            }
            assert!(
                there.text.ends_with("\n[kent:kent-abc]"),
                "{}: {}",
                room.dialect.name,
                there.text
            );
            let can = room.desk.rules().can;
            if can.note {
                done(room.desk.note(&ticket, &note("k7f3-1.2", title.as_str())).await);
                let said = room.only().notes[0].clone();
                assert_eq!(said, note("k7f3-1.2", title.as_str()).text, "{}", room.dialect.name);
            }
            if can.read_notes {
                let seen = done(room.desk.read(&ticket, true).await);
                assert_eq!(seen.notes, ["k7f3-1.2"], "{}", room.dialect.name);
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_and_a_change_are_sent_once() {
    use Fault::*;
    every!(room, {
        let (desk, can) = (&room.desk, room.desk.rules().can);
        let ticket = room.ticket().await;
        for fault in [CommitThenDrop, CommitThen(502), CommitThenHtml, CutBody] {
            if can.note {
                let before = room.count(Op::Note);
                room.fake.fail(Op::Note, fault);
                let outcome = desk.note(&ticket, &note("k7f3-1.3", "x")).await;
                // Redmine answers without a body, so there is nothing to cut, and is read back.
                let seen = fault == CutBody && desk.kind() == "redmine";
                let fair = matches!(outcome, Outcome::Unknown { .. })
                    || (seen && outcome == Outcome::Done(()));
                assert!(fair, "{fault:?}: {outcome:?}");
                assert_eq!(room.count(Op::Note), before + 1, "{fault:?}");
            }
            if can.priority {
                let before = room.count(Op::Change);
                let other = if before % 2 == 0 { Priority::P1 } else { Priority::P3 };
                room.fake.fail(Op::Change, fault);
                let outcome = desk.set_priority(&ticket, other).await;
                assert!(!matches!(outcome, Outcome::Rejected { .. }), "{fault:?}: {outcome:?}");
                assert_eq!(room.count(Op::Change), before + 1, "{fault:?}");
            }
        }
    });
}
