//! The built-in desk: the same examination, and its listing.

#![allow(clippy::unwrap_used, reason = "in a test it is the check")]

use delivery::{Deliveries, Destination, Draft, Note, Outcome};
use model::{IncidentId, Intent, IntentOp, Priority, TicketRef, Timestamp};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::Telemetry;
use ticket_sink::{Desk, Desks, Driver, Input, RecordError, Recorder};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[derive(Default)]
struct Memory(Mutex<Vec<model::DeliveryLine>>);

#[async_trait::async_trait]
impl Recorder for Memory {
    async fn hear(&self, _: &[model::DeliveryLine]) -> Result<(), RecordError> {
        panic!("nobody but we writes the built-in desk")
    }

    async fn record(&self, lines: &[model::DeliveryLine]) -> Result<u64, RecordError> {
        let mut all = self.0.lock().unwrap();
        all.extend_from_slice(lines);
        Ok(all.len() as u64)
    }
}

fn draft(key: &str) -> Draft {
    Draft {
        key: key.into(),
        incident: "k7f3-1".into(),
        title: "é 😀 '; DROP TABLE ticket; --".into(),
        text: "isi".into(),
        priority: Priority::P2,
        group: Some("Network".into()),
        category: None,
    }
}

#[tokio::test]
async fn the_key_and_the_notes_are_unique_whatever_is_asked_twice() {
    let dir = tempfile::tempdir().unwrap();
    let desks = Desks::open(&[], dir.path()).unwrap();
    let desk = &desks.builtin[0];
    let first = desk.create(&draft("kent-a")).await;
    assert_eq!(first, desk.create(&draft("kent-a")).await);
    assert_eq!(first, Outcome::Done(TicketRef { id: "T-1".into(), url: None }));
    let Outcome::Done(ticket) = first else { panic!() };
    let note = Note { operation: "k7f3-1.2".into(), text: "naik".into() };
    assert_eq!(desk.note(&ticket, &note).await, Outcome::Done(()));
    assert_eq!(desk.note(&ticket, &note).await, Outcome::Done(()));
    assert_eq!(desk.set_priority(&ticket, Priority::P1).await, Outcome::Done(()));
    assert_eq!(desk.resolve(&ticket).await, Outcome::Done(()));
    let seen = desk.get("T-1").await.unwrap().unwrap();
    assert_eq!((seen.notes.len(), seen.open, seen.priority), (1, false, Priority::P1));
    assert_eq!(seen.title, draft("").title);
    assert_eq!(seen.queue, "Network");
    let nowhere = TicketRef { id: "T-99".into(), url: None };
    assert!(matches!(desk.note(&nowhere, &note).await, Outcome::Rejected { retry: false, .. }));
    assert_eq!(desk.find("kent-b").await, Outcome::Done(Vec::new()));
}

#[tokio::test]
async fn tickets_are_listed_the_newest_first_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let desks = Desks::open(&[], dir.path()).unwrap();
    let desk = desks.builtin[0].clone();
    for n in 0..10 {
        let Outcome::Done(ticket) = desk.create(&draft(&format!("kent-{n}"))).await else {
            panic!()
        };
        if n % 2 == 0 {
            desk.resolve(&ticket).await;
        }
    }
    let ids = |tickets: Vec<ticket_sink::BuiltinTicket>| {
        tickets.into_iter().map(|t| t.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(desk.list(None, None, 3).await.unwrap()), ["T-10", "T-9", "T-8"]);
    assert_eq!(ids(desk.list(None, Some("T-8"), 2).await.unwrap()), ["T-7", "T-6"]);
    assert_eq!(ids(desk.list(Some(true), None, 100).await.unwrap()).len(), 5);
    // What is in the file is there after the process.
    drop((desk, desks));
    let again = Desks::open(&[], dir.path()).unwrap();
    assert_eq!(again.builtin[0].list(None, None, u32::MAX).await.unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_any_desk_has_one() {
    let dir = tempfile::tempdir().unwrap();
    let desks = Desks::open(&[], dir.path()).unwrap();
    let report = ticket_sink::test_ticket(&*desks.builtin[0]).await;
    assert!(report.is_good() && report.closed, "{report}");
    let memory: Arc<Memory> = Arc::default();
    let unpaced = |r: delivery::DeskRules| delivery::DeskRules {
        note_every: Duration::ZERO,
        tickets_for_passed: true,
        ..r
    };
    let rules = desks.rules().into_iter().map(unpaced).collect();
    let deliveries = Deliveries::new("noc", rules);
    let driver = Driver::new(deliveries, desks.all.clone(), memory.clone(), Telemetry::new());
    let (input, receiver) = mpsc::channel(8);
    let running = tokio::spawn(driver.run(receiver, CancellationToken::new()));
    for (revision, op) in [(1, IntentOp::Create), (2, IntentOp::Note), (3, IntentOp::Resolve)] {
        let intent = Box::new(Intent {
            at: Timestamp::from_millis(0),
            id: format!("k7f3-1.{revision}"),
            incident: IncidentId::from_text("k7f3-1"),
            op,
            revision,
            priority: Priority::P1,
            title: "judul".into(),
            text: "teks".into(),
            into: None,
            event: 1,
            received: Timestamp::from_millis(0),
        });
        let desks = vec![Destination::from("builtin")];
        input.send(Input::Intent { desks, intent }).await.unwrap();
    }
    drop(input);
    running.await.unwrap().unwrap();
    let ticket = desks.builtin[0].get("T-2").await.unwrap().unwrap();
    assert!(!ticket.open);
    assert_eq!(ticket.notes.len(), 2);
}

/// A backup is taken while the desk works, holds what was there, and writes over nothing.
#[tokio::test]
async fn a_file_in_use_is_copied_as_it_is_and_never_over_another() {
    let dir = tempfile::tempdir().unwrap();
    let second =
        ticket_sink::DeskConfig { name: "second".into(), ..ticket_sink::DeskConfig::builtin() };
    let desks = Desks::open(&[ticket_sink::DeskConfig::builtin(), second], dir.path()).unwrap();
    for desk in &desks.builtin {
        desk.create(&draft("kent-a")).await;
    }
    let files = ticket_sink::files_in(dir.path()).unwrap();
    assert_eq!(files.len(), 2, "{files:?}");
    let other = tempfile::tempdir().unwrap();
    for file in &files {
        let to = other.path().join(file.file_name().unwrap());
        ticket_sink::copy_file(file, &to).unwrap();
        assert!(ticket_sink::copy_file(file, &to).is_err(), "nothing is written over");
    }
    let beside: Vec<_> = std::fs::read_dir(other.path()).unwrap().flatten().collect();
    assert_eq!(beside.len(), 2, "the copies stand alone: {beside:?}");
    // What comes after the copy is not in it.
    desks.builtin[0].create(&draft("kent-b")).await;
    let copies = Desks::open(&[ticket_sink::DeskConfig::builtin()], other.path()).unwrap();
    let tickets = copies.builtin[0].list(None, None, 10).await.unwrap();
    assert_eq!(tickets.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(), ["kent-a"]);
    assert!(ticket_sink::files_in(&other.path().join("nowhere")).unwrap().is_empty());
}
