//! Desks that give a session for a time: it is opened once, ended at the end, and when it ends in
//! between, no request is sent twice.

#![allow(clippy::unwrap_used, reason = "in a test it is the check")]

mod fake;

use delivery::Outcome;
use fake::{DIALECTS, Dialect, Fake, Op, draft};
use std::sync::Arc;
use ticket_sink::{Desk, Desks};

fn with_sessions() -> impl Iterator<Item = &'static Dialect> {
    DIALECTS.iter().filter(|d| d.sessions)
}

fn open(dialect: &Dialect, fake: &Fake) -> Arc<dyn Desk> {
    let dir = tempfile::tempdir().unwrap();
    let config = toml::from_str(&(dialect.config)(&fake.url)).unwrap();
    Desks::open(&[config], dir.path()).unwrap().all.into_values().next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_serves_all_and_is_ended() {
    for dialect in with_sessions() {
        let fake = Fake::start().await;
        let desk = open(dialect, &fake);
        let asked = (0..8).map(|_| {
            let desk = desk.clone();
            tokio::spawn(async move { desk.find("kent-abc").await })
        });
        for asked in asked.collect::<Vec<_>>() {
            assert_eq!(asked.await.unwrap(), Outcome::Done(Vec::new()), "{}", dialect.name);
        }
        assert_eq!(fake.with(|s| s.logins), 1, "{}", dialect.name);
        desk.close().await;
        // An access token of OAuth ends by itself.
        if dialect.name == "glpi" {
            assert!(fake.with(|s| s.sessions.is_empty()), "it is ended there");
            assert_eq!(desk.find("kent-abc").await, Outcome::Done(Vec::new()), "and opened again");
            assert_eq!(fake.with(|s| s.logins), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ends_in_between_sends_nothing_twice() {
    for dialect in with_sessions() {
        let fake = Fake::start().await;
        let desk = open(dialect, &fake);
        assert_eq!(desk.find("kent-abc").await, Outcome::Done(Vec::new()));
        fake.with(|s| s.sessions.clear());
        let refused = desk.create(&draft()).await;
        assert!(matches!(refused, Outcome::Rejected { retry: true, .. }), "{refused:?}");
        assert_eq!(fake.with(|s| (s.tickets.len(), s.count(Op::Create))), (0, 0));
        let created = desk.create(&draft()).await;
        assert!(matches!(created, Outcome::Done(_)), "{created:?}");
        assert_eq!(fake.with(|s| (s.tickets.len(), s.logins)), (1, 2), "{}", dialect.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_is_refused_or_lost_did_nothing() {
    for dialect in with_sessions() {
        let fake = Fake::start().await;
        let desk = open(dialect, &fake);
        fake.with(|s| s.login_answers = 503);
        let lost = desk.create(&draft()).await;
        assert!(matches!(lost, Outcome::Rejected { retry: true, .. }), "{lost:?}");
        fake.with(|s| s.login_answers = 401);
        let refused = desk.create(&draft()).await;
        assert!(
            matches!(&refused, Outcome::Rejected { retry: false, reason } if reason.contains("login")),
            "{refused:?}"
        );
        fake.with(|s| s.login_answers = 200);
        assert!(matches!(desk.create(&draft()).await, Outcome::Done(_)));
        assert_eq!(fake.with(|s| s.tickets.len()), 1, "{}", dialect.name);
    }
}
