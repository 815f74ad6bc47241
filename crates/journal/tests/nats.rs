//! What only the cluster's side has: a server that goes away, is slow, swallows answers, is too
//! old; machines that write at once; strangers on our subjects.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use journal::{Journal, JournalError, NatsJournal, NatsLogin, RecordKind, Touched, verify};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::proxy::Proxy;
use support::server::{NatsServer, free_port};
use support::{Side, World, decisions, frame, metric, noise, within};
use telemetry::Telemetry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn world() -> Option<World> {
    World::new(Side::Nats)
}

fn numbers(lines: &[String]) -> Vec<u64> {
    lines.iter().map(|l| l[5..l.len() - 1].parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_delays_and_loses_nothing() {
    let Some(mut world) = world() else { return };
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    let mut n = 0;
    for _ in 0..3 {
        j.append("probe:noc-1", n, 10).await;
        n += 10;
        j.settle().await;
        world.server.as_mut().unwrap().kill();
        // Events are answered for at once, from the spool.
        let began = Instant::now();
        for _ in 0..20 {
            j.append("probe:noc-1", n, 10).await;
            n += 10;
        }
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        within(10, "noticing", async {
            while j.journal.health().await.connected != Some(false)
                || j.journal.health().await.spool_events < 100
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        assert!(j.journal.health().await.last_error.is_some());
        let away = j.journal.last_event().await.unwrap_err();
        assert!(away.worth_retrying(), "{away}");
        // A decision waits.
        let waiting = tokio::spawn({
            let (journal, epoch) = (j.journal.clone(), epoch.clone());
            async move { journal.append_records(&epoch, vec![decisions(n, "waits")]).await }
        });
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!waiting.is_finished());
        world.server.as_mut().unwrap().restart();
        within(30, "the decision", waiting).await.unwrap().unwrap();
        j.settle().await;
        within(10, "following", j.journal.wait_events(n)).await.unwrap();
        assert_eq!(j.journal.last_event().await.unwrap(), n);
        let health = j.journal.health().await;
        assert_eq!((health.spool_events, health.connected), (0, Some(true)), "{health:?}");
        assert_eq!(health.last_error, None);
    }
    assert_eq!(numbers(&j.lines().await), (0..n).collect::<Vec<_>>());
    assert_eq!(j.journal.last_record().await.unwrap(), 4);
    assert!(metric(&j.telemetry, "kentongan_journal_forward_retries_total") > 0);
    assert_eq!(metric(&j.telemetry, "kentongan_journal_forwarded_events_total"), n);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_the_server_takes_events_and_hands_them_on_later() {
    let Some(mut world) = world() else { return };
    world.server.as_mut().unwrap().kill();
    let j = world.open().await;
    j.append("probe:noc-1", 0, 10).await;
    assert!(j.journal.identity().await.unwrap_err().worth_retrying());
    j.close().await;
    let j = world.open().await;
    j.append("probe:noc-1", 10, 10).await;
    assert!(j.journal.own("me").await.unwrap_err().worth_retrying());
    world.server.as_mut().unwrap().restart();
    j.settle().await;
    assert_eq!(numbers(&j.lines().await), (0..20).collect::<Vec<_>>());
    assert_eq!(j.journal.own("me").await.unwrap().number, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_is_waited_for() {
    let Some(mut world) = world() else { return };
    let proxy = Proxy::before(world.server.as_ref().unwrap().port()).await;
    world.url = proxy.url();
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    proxy.delay(150);
    let began = Instant::now();
    for n in 0..200u64 {
        j.append("probe:noc-1", n * 5, 5).await;
    }
    assert!(began.elapsed() < Duration::from_secs(5), "appends do not wait for the server");
    for n in 0..3 {
        j.journal.append_records(&epoch, vec![decisions(n, "slow")]).await.unwrap();
    }
    within(60, "forwarding", j.nats.as_ref().unwrap().forwarded()).await.unwrap();
    proxy.delay(0);
    assert_eq!(numbers(&j.lines().await), (0..1000).collect::<Vec<_>>());
    assert_eq!(j.journal.last_record().await.unwrap(), 4);
}

/// The server stores what we send and its answer never comes: nothing may be there twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes_doubles_nothing() {
    let Some(mut world) = world() else { return };
    world.answer_within = Duration::from_millis(400);
    let proxy = Proxy::before(world.server.as_ref().unwrap().port()).await;
    world.url = proxy.url();
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    let mut n = 0;
    for round in 0..6u64 {
        j.append("probe:noc-1", n, 3).await;
        n += 3;
        j.settle().await;
        proxy.swallow(true);
        j.append("probe:noc-1", n, 3).await;
        n += 3;
        let deciding = tokio::spawn({
            let (journal, epoch) = (j.journal.clone(), epoch.clone());
            let new = vec![decisions(n, &format!("{round}a")), decisions(n, &format!("{round}b"))];
            async move { journal.append_records(&epoch, new).await }
        });
        within(10, "an answer", proxy.has_swallowed()).await;
        // For some rounds long enough that the wait for the answer ends, then the line is cut.
        tokio::time::sleep(Duration::from_millis(round * 150)).await;
        proxy.swallow(false);
        proxy.cut();
        within(30, "the decision", deciding).await.unwrap().unwrap();
        j.settle().await;
    }
    assert_eq!(numbers(&j.lines().await), (0..n).collect::<Vec<_>>());
    let records = j.journal.read_records(2, 100).await.unwrap();
    let said: Vec<String> =
        records.iter().map(|r| String::from_utf8(r.body.to_vec()).unwrap()).collect();
    let expected: Vec<String> = (0..6)
        .flat_map(|r| ["a", "b"].map(|p| format!("{{\"kind\":\"verdict\",\"t\":\"{r}{p}\"}}\n")))
        .collect();
    assert_eq!(said, expected);
    assert_eq!(verify(&*j.journal).await.unwrap().touched, None);
}

/// The forwarder dies between the server's storing and its own noting; the next one finds out.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_storing_and_noting_doubles_nothing() {
    let Some(mut world) = world() else { return };
    world.answer_within = Duration::from_secs(30);
    let proxy = Proxy::before(world.server.as_ref().unwrap().port()).await;
    world.url = proxy.url();
    let mut n = 0;
    for round in 0..4u64 {
        let j = world.open().await;
        for _ in 0..=round {
            j.append("probe:noc-1", n, 2).await;
            n += 2;
        }
        j.settle().await;
        proxy.swallow(true);
        for _ in 0..5 {
            j.append("intake:zabbix", n, 2).await;
            n += 2;
        }
        within(10, "an answer", proxy.has_swallowed()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Its files as they are now, and nothing it would do at an orderly end.
        let copy = world.path(&format!("copy-{round}"));
        support::copy_files(&world.at.join("spool"), &copy.join("spool"));
        drop(j);
        proxy.swallow(false);
        proxy.cut();
        world.at = copy;
        // Another machine may write in between.
        if round % 2 == 1 {
            let other = world.open_at(&world.path("other")).await;
            other.append("probe:other", 1_000_000 + round, 1).await;
            other.settle().await;
            other.close().await;
        }
    }
    let j = world.open().await;
    j.settle().await;
    let all = numbers(&j.lines().await);
    let ours: Vec<u64> = all.iter().copied().filter(|n| *n < 1_000_000).collect();
    assert_eq!(ours, (0..n).collect::<Vec<_>>());
    assert_eq!(all.len() - ours.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn machines_that_write_at_once_share_one_row_of_numbers() {
    let Some(world) = world() else { return };
    let mut machines = Vec::new();
    for m in 0..3 {
        machines.push(Arc::new(world.open_at(&world.path(&format!("machine-{m}"))).await));
    }
    let tasks: Vec<_> = machines
        .iter()
        .enumerate()
        .map(|(m, j)| {
            let j = j.clone();
            tokio::spawn(async move {
                for i in 0..30u64 {
                    j.append(&format!("probe:m{m}"), m as u64 * 1000 + i * 2, 2).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                within(60, "forwarding", j.nats.as_ref().unwrap().forwarded()).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let all = machines[0].read_all().await;
    for j in &machines {
        assert_eq!(j.read_all().await, all, "every machine reads the same");
    }
    let lines = numbers(&machines[0].lines().await);
    assert_eq!(lines.len(), 180);
    for m in 0..3u64 {
        let own: Vec<u64> = lines.iter().copied().filter(|n| n / 1000 == m).collect();
        assert_eq!(own, (m * 1000..m * 1000 + 60).collect::<Vec<_>>());
    }
    assert!(all.windows(2).all(|w| w[0].received <= w[1].received));
}

/// Two that own in turns, appending as they please: every record has the epoch in force.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_that_fight_leave_one_chain() {
    let Some(world) = world() else { return };
    let mut tasks = Vec::new();
    let start = Arc::new(tokio::sync::Barrier::new(3));
    for m in 0..3u64 {
        let j = world.open_at(&world.path(&format!("machine-{m}"))).await;
        let start = start.clone();
        tasks.push(tokio::spawn(async move {
            let (mut written, mut fenced) = (0u64, 0u64);
            start.wait().await;
            for _ in 0..8 {
                let epoch = j.journal.own(&format!("m{m}")).await.unwrap();
                for i in 0..5 {
                    tokio::time::sleep(Duration::from_millis(m * 3 + i)).await;
                    let new = vec![decisions(0, &format!("m{m}-{i}")); 2];
                    match j.journal.append_records(&epoch, new).await {
                        Ok(records) => {
                            assert!(records.iter().all(|r| r.epoch == epoch.number));
                            written += 2;
                        }
                        Err(JournalError::Fenced { .. }) => {
                            fenced += 1;
                            break;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            (written, fenced)
        }));
    }
    let (mut written, mut fenced) = (0, 0);
    for task in tasks {
        let (w, f) = task.await.unwrap();
        written += w;
        fenced += f;
    }
    let j = world.open().await;
    let verified = verify(&*j.journal).await.unwrap();
    assert_eq!((verified.records, verified.touched), (written + 24, None));
    assert!(fenced > 0, "nobody was ever in anybody's way");
    let records = j.journal.read_records(1, 10_000).await.unwrap();
    let epochs = records.iter().filter(|r| r.kind == RecordKind::Epoch).map(|r| r.epoch);
    assert!(epochs.eq(1..=24));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_publish_has_no_number_and_is_named() {
    let Some(world) = world() else { return };
    let stranger = async_nats::connect(&world.url).await.unwrap();
    let j = world.open().await;
    let say = |subject: &'static str| {
        let stranger = stranger.clone();
        async move {
            stranger.request(subject, Bytes::from_static(b"hello")).await.unwrap();
        }
    };
    say("kentongan.signal.zabbix").await;
    j.append("core", 0, 2).await;
    j.settle().await;
    for _ in 0..3 {
        say("kentongan.obs.noc-1").await;
    }
    j.append("core", 2, 2).await;
    j.settle().await;
    say("kentongan.core").await;
    assert_eq!(j.journal.last_event().await.unwrap(), 4);
    assert_eq!(numbers(&j.lines().await), [0, 1, 2, 3]);
    for from in 1..=4 {
        assert_eq!(j.journal.read_events(from, 1).await.unwrap()[0].first, (from - 1) / 2 * 2 + 1);
    }
    within(5, "following", j.journal.wait_events(4)).await.unwrap();

    let epoch = j.journal.own("me").await.unwrap();
    j.journal.append_records(&epoch, vec![decisions(4, "a")]).await.unwrap();
    say("kentongan.decision").await;
    j.journal.append_records(&epoch, vec![decisions(4, "b")]).await.unwrap();
    let found = verify(&*j.journal).await.unwrap().touched.unwrap();
    assert!(matches!(found, Touched::Record { number: 3, .. }), "{found}");
    // It still works: the chain goes on behind the stranger.
    let other = world.open_at(&world.path("other")).await;
    assert_eq!(other.journal.own("other").await.unwrap().number, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_cloud_events_that_anybody_can_read() {
    let Some(world) = world() else { return };
    let j = world.open().await;
    let stranger = async_nats::connect(&world.url).await.unwrap();
    let mut heard = stranger.subscribe("kentongan.>").await.unwrap();
    stranger.flush().await.unwrap();
    let mut hear = async || {
        use futures_util::StreamExt as _;
        within(5, "a message", heard.next()).await.unwrap()
    };
    j.append("intake:zabbix", 0, 2).await;
    let message = hear().await;
    assert_eq!(message.subject.as_str(), "kentongan.signal.zabbix");
    assert_eq!(&message.payload[..], b"{\"n\":0}\n{\"n\":1}\n");
    let headers = message.headers.unwrap();
    let identity = j.journal.identity().await.unwrap();
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-id", &format!("{identity}-event-1")),
        ("ce-source", &format!("/kentongan/{identity}/intake:zabbix")),
        ("ce-type", "kentongan.events"),
        ("ce-time", "2026-11-24T02:00:00.000Z"),
        ("content-type", "application/x-ndjson"),
        ("Kentongan-First", "1"),
        ("Kentongan-Count", "2"),
    ] {
        assert_eq!(headers.get(name).unwrap().as_str(), value, "{name}");
    }
    j.journal.own("me").await.unwrap();
    let message = hear().await;
    assert_eq!(message.subject.as_str(), "kentongan.decision");
    assert_eq!(message.headers.unwrap().get("Kentongan-Kind").unwrap().as_str(), "epoch");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spool_lets_go_what_was_handed_on() {
    let Some(mut world) = world() else { return };
    // A file of the spool is then 256 KiB.
    world.max_bytes = Some(2 << 20);
    let j = world.open().await;
    for n in 0..200u64 {
        let noise = noise(n, 1500);
        let line = format!("{{\"n\":{n},\"t\":\"{noise}\"}}\n");
        let new = journal::NewFrame::new("core", 1, line);
        let mut tries = 0;
        // 200 frames of some 10 kB are more than the spool may hold at once.
        while let Err(refused) = j.journal.append_events(new.clone()).await {
            assert!(matches!(refused, JournalError::Full { .. }), "{refused}");
            tries += 1;
            assert!(tries < 200, "the spool never empties: {:?}", j.journal.health().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    j.settle().await;
    assert_eq!(j.journal.last_event().await.unwrap(), 200);
    let files = std::fs::read_dir(world.at.join("spool")).unwrap().flatten();
    let bytes: u64 = files.map(|f| f.metadata().unwrap().len()).sum();
    assert!(bytes < 2 << 20, "{bytes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_gone_or_somebody_elses_are_not_made_anew() {
    let Some(mut world) = world() else { return };
    let j = world.open().await;
    j.append("core", 0, 1).await;
    j.settle().await;
    j.close().await;
    // A fresh server where the old one was: numbers would begin at 1 again.
    world.server = NatsServer::start(&world.path("fresh"));
    world.url = world.server.as_ref().unwrap().url();
    let refused = open_error(&world).await;
    assert!(refused.to_string().contains("is gone"), "{refused}");
    assert!(!refused.worth_retrying());
    // Another installation's.
    let others = world.open_at(&world.path("others")).await;
    others.close().await;
    let refused = open_error(&world).await;
    assert!(refused.to_string().contains("this machine has worked with"), "{refused}");
}

async fn open_error(world: &World) -> JournalError {
    match NatsJournal::open(world.nats_options(&world.at), Telemetry::new()).await {
        Ok(_) => panic!("it opened"),
        Err(refused) => refused,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_changed_by_hand_is_refused_by_name() {
    let Some(world) = world() else { return };
    let client = async_nats::connect(&world.url).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    jetstream
        .create_stream(async_nats::jetstream::stream::Config {
            name: "KENTONGAN-EVENTS".into(),
            subjects: ["obs.*", "signal.*", "command", "core"]
                .map(|s| format!("kentongan.{s}"))
                .into(),
            max_age: Duration::from_secs(3600),
            allow_direct: true,
            allow_atomic_publish: true,
            discard: async_nats::jetstream::stream::DiscardPolicy::New,
            ..Default::default()
        })
        .await
        .unwrap();
    let refused = open_error(&world).await.to_string();
    assert!(refused.contains("KENTONGAN-EVENTS") && refused.contains("max_age"), "{refused}");
}

/// A server that says it is another version; no real one is needed for that.
async fn server_that_says(info: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = socket.write_all(format!("INFO {info}\r\n").as_bytes()).await;
                let mut buffer = [0u8; 4096];
                while let Ok(n @ 1..) = socket.read(&mut buffer).await {
                    let said = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    if said.contains("PING") {
                        let _ = socket.write_all(b"PONG\r\n").await;
                    }
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_will_not_do_is_refused_with_the_reason() {
    let mut world = World::new(Side::Embedded).unwrap();
    for (info, reason) in [
        (
            r#"{"server_id":"x","version":"2.9.10","headers":true,"jetstream":true,"max_payload":1048576}"#,
            "too old",
        ),
        (
            r#"{"server_id":"x","version":"2.12.0","headers":true,"jetstream":true,"max_payload":1048576}"#,
            "too old",
        ),
        (
            r#"{"server_id":"x","version":"2.15.1","headers":true,"max_payload":1048576}"#,
            "JetStream",
        ),
        (
            r#"{"server_id":"x","version":"2.15.1","headers":true,"jetstream":true,"max_payload":65536}"#,
            "max_payload",
        ),
    ] {
        world.url = server_that_says(info).await;
        let refused = open_error(&world).await;
        assert!(matches!(refused, JournalError::Unsuitable { .. }), "{refused}");
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    world.url = "nonsense://".into();
    assert!(matches!(open_error(&world).await, JournalError::Unsuitable { .. }));
    // Nobody there is no reason not to start.
    world.url = format!("nats://127.0.0.1:{}", free_port());
    let options = world.nats_options(&world.path("alone"));
    let alone = NatsJournal::open(options, Telemetry::new()).await.unwrap();
    alone.append_events(frame("core", 0, 1)).await.unwrap();
    alone.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_lets_us_in_and_is_never_said() {
    let Some(mut world) = world() else { return };
    let server = world.server.as_mut().unwrap();
    server.restart_with("authorization { user: noc, password: sesame-open }");
    let refused = open_error(&world).await;
    assert!(matches!(refused, JournalError::Unsuitable { .. }), "{refused}");
    for (password, good) in [("wrong-word", false), ("sesame-open", true)] {
        let mut options = world.nats_options(&world.at);
        options.login =
            NatsLogin::Password { user: "noc".into(), password: password.to_owned().into() };
        assert!(!format!("{:?}", options.login).contains(password));
        match NatsJournal::open(options, Telemetry::new()).await {
            Ok(journal) => {
                assert!(good);
                assert_eq!(journal.own("me").await.unwrap().number, 1);
            }
            Err(refused) => {
                assert!(!good, "{refused}");
                assert!(!refused.to_string().contains(password), "{refused}");
            }
        }
    }
}

/// Three servers, any one of which may be killed.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_servers_may_be_killed() {
    let mut world = World::new(Side::Embedded).unwrap();
    let Some(mut servers) = NatsServer::start_three(&world.path("servers")) else { return };
    world.url = servers.iter().map(NatsServer::url).collect::<Vec<_>>().join(",");
    let mut options = world.nats_options(&world.at);
    options.replicas = 3;
    // They need a moment to find each other.
    let began = Instant::now();
    let journal = loop {
        let telemetry = Telemetry::new();
        let opened = NatsJournal::open(options.clone(), telemetry).await;
        match opened {
            Ok(journal) if journal.identity().await.is_ok() => break Arc::new(journal),
            other => {
                let why = other.map(drop);
                assert!(began.elapsed() < Duration::from_secs(60), "{why:?}");
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
        }
    };
    let own = || async {
        loop {
            match journal.own("me").await {
                Ok(epoch) => return epoch,
                Err(why) => assert!(why.worth_retrying(), "{why}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let epoch = within(60, "owning", own()).await;
    let mut n = 0;
    for victim in &mut servers {
        for round in 0..20u64 {
            journal.append_events(frame("probe:noc-1", n, 5)).await.unwrap();
            n += 5;
            if round == 5 {
                victim.kill();
            }
            let new = vec![decisions(n, "a"), decisions(n, "b")];
            within(60, "a decision", journal.append_records(&epoch, new)).await.unwrap();
        }
        within(60, "forwarding", journal.forwarded()).await.unwrap();
        victim.restart();
    }
    let opened = support::Opened {
        journal: journal.clone(),
        embedded: None,
        nats: Some(journal.clone()),
        telemetry: Telemetry::new(),
    };
    let lines = within(60, "reading", async {
        // The one that has just come back may still be catching up.
        while journal.last_event().await != Ok(n) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        opened.lines().await
    });
    assert_eq!(numbers(&lines.await), (0..n).collect::<Vec<_>>());
    let verified = verify(&*journal).await.unwrap();
    assert_eq!((verified.records, verified.touched), (121, None));
}

/// Numbers, as in `embedded.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints numbers"]
async fn how_fast() {
    let Some(world) = world() else { return };
    let j = Arc::new(world.open().await);
    let epoch = j.journal.own("me").await.unwrap();
    let mut took = Vec::new();
    let mut seen = Vec::new();
    for n in 0..200 {
        let began = Instant::now();
        j.journal.append_records(&epoch, vec![decisions(n, "d")]).await.unwrap();
        took.push(began.elapsed());
        let began = Instant::now();
        j.append("core", n, 1).await;
        j.journal.wait_events(n + 1).await.unwrap();
        seen.push(began.elapsed());
    }
    took.sort();
    seen.sort();
    println!("one record: p50 {:?} p99 {:?}", took[100], took[197]);
    println!("from append to readable in the stream: p50 {:?} p99 {:?}", seen[100], seen[197]);
    let began = Instant::now();
    for n in 0..2000u64 {
        j.append("probe:noc-1", n * 100, 100).await;
    }
    println!("200000 events spooled: {:?}", began.elapsed());
    within(120, "forwarding", j.nats.as_ref().unwrap().forwarded()).await.unwrap();
    println!("and forwarded: {:?}", began.elapsed());
    let fresh = world.open_at(&world.path("fresh")).await;
    let began = Instant::now();
    let (mut next, mut read) = (1, 0);
    loop {
        let frames = fresh.journal.read_events(next, 20_000).await.unwrap();
        let Some(last) = frames.last() else { break };
        next = last.last() + 1;
        read += frames.len();
    }
    println!("{} events in {read} frames read back: {:?}", next - 1, began.elapsed());
}
