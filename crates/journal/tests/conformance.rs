//! What both sides of the journal promise, examined on both: the embedded one, and the cluster's
//! with a real nats-server.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use journal::{
    CONFIGURATIONS_MAX, EmbeddedJournal, FRAME_BYTES_MAX, Import, Journal as _, JournalError,
    NewFrame, NewRecord, RecordForm, RecordKind, Snapshot, Touched, copy, export_events,
    export_records, verify,
};
use std::sync::Arc;
use std::time::Duration;
use support::{Side, World, body, decisions, frame, noise, within};
use telemetry::Telemetry;

/// Each story is a test on the embedded side and one on the cluster's.
macro_rules! both_sides {
    ($($name:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::World::new(super::Side::Embedded).unwrap()).await;
            })*
        }
        mod nats {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(world) = super::World::new(super::Side::Nats) {
                    super::$name(world).await;
                }
            })*
        }
    };
}

both_sides! {
    events_come_back_in_order_with_numbers_from_1
    what_was_answered_is_there_after_a_crash
    events_are_read_from_any_point
    appenders_at_once_get_numbers_without_a_gap
    waiting_ends_when_the_event_can_be_read
    received_never_goes_back
    a_stale_owner_cannot_write
    records_are_all_or_none_and_read_from_any_point
    a_snapshot_and_what_came_after_it_are_where_a_restart_begins
    days_are_dropped_whole_and_numbers_go_on
    events_that_no_record_covers_are_kept
    old_records_go_and_the_chain_still_holds
    frames_and_records_may_be_large
    what_is_no_frame_is_refused
    when_it_is_full_events_are_refused_and_records_are_not
    a_copy_has_every_number_and_hash
    an_export_has_seq_and_received_in_front
    the_name_is_made_once
    a_configuration_is_kept_under_its_hash
    the_oldest_configurations_are_let_go
    an_export_says_what_its_configurations_mean
    a_restored_journal_leaves_out_the_numbers_that_may_have_been_given
}

async fn events_come_back_in_order_with_numbers_from_1(world: World) {
    let j = world.open().await;
    assert_eq!(j.journal.last_event().await.unwrap(), 0);
    assert_eq!(j.journal.first_event().await.unwrap(), 1);
    assert_eq!(j.journal.read_events(1, 10).await.unwrap(), vec![]);
    let mut n = 0;
    for i in 0..30u64 {
        let accepted =
            j.append(["probe:noc-1", "intake:zabbix", "core"][i as usize % 3], n, i + 1).await;
        assert_eq!(accepted.count, i as u32 + 1);
        if world.side == Side::Embedded {
            assert_eq!(accepted.first, Some(n + 1));
        }
        n += i + 1;
    }
    j.settle().await;
    assert_eq!(j.journal.last_event().await.unwrap(), n);
    let expected: Vec<String> = (0..n).map(|n| format!("{{\"n\":{n}}}")).collect();
    assert_eq!(j.lines().await, expected);
    let frames = j.read_all().await;
    assert_eq!(frames.len(), 30, "frames stay whole");
    assert_eq!(frames[1].producer, "intake:zabbix");
    assert_eq!(frames[4].body, body(10, 5));
}

async fn what_was_answered_is_there_after_a_crash(mut world: World) {
    let mut j = world.open().await;
    let mut n = 0;
    for round in 0..4u64 {
        let epoch = j.journal.own("me").await.unwrap();
        assert_eq!(epoch.number, round + 1);
        for _ in 0..10 {
            j.append("probe:noc-1", n, 5).await;
            n += 5;
        }
        let written =
            j.journal.append_records(&epoch, vec![decisions(n, "a"), decisions(n, "b")]).await;
        assert_eq!(written.unwrap().len(), 2);
        j = world.crash(j).await;
        j.settle().await;
        assert_eq!(j.journal.last_event().await.unwrap(), n);
        assert_eq!(j.journal.last_record().await.unwrap(), (round + 1) * 3);
    }
    assert_eq!(j.lines().await.len() as u64, n);
    let verified = verify(&*j.journal).await.unwrap();
    assert_eq!((verified.records, verified.touched), (12, None));
}

async fn events_are_read_from_any_point(world: World) {
    let j = world.open().await;
    // Frames of 1 to 7 events; the last number is 28 * 7.
    let mut n = 0;
    for i in 0..49u64 {
        j.append("probe:noc-1", n, i % 7 + 1).await;
        n += i % 7 + 1;
    }
    j.settle().await;
    j.close().await;
    // Opened again there is nothing in memory: the files, or the stream, have to tell.
    let j = world.open().await;
    let all = j.read_all().await;
    for from in 1..=n {
        for max in [1usize, 5, 1000] {
            let read = j.journal.read_events(from, max).await.unwrap();
            let begin = all.iter().position(|f| f.last() >= from).unwrap();
            let mut wanted = max as u64;
            let expected: Vec<_> = all[begin..]
                .iter()
                .take_while(|f| {
                    let take = wanted > 0;
                    wanted = wanted.saturating_sub(f.last() + 1 - f.first.max(from));
                    take
                })
                .collect();
            assert_eq!(read.iter().collect::<Vec<_>>(), expected, "from {from}, at most {max}");
        }
    }
    assert_eq!(j.journal.read_events(n + 1, 10).await.unwrap(), vec![]);
    assert_eq!(j.journal.read_events(0, 1).await.unwrap()[0].first, 1);
}

async fn appenders_at_once_get_numbers_without_a_gap(world: World) {
    let j = Arc::new(world.open().await);
    let mut tasks = Vec::new();
    for task in 0..8u64 {
        let j = j.clone();
        tasks.push(tokio::spawn(async move {
            let producer = format!("probe:p{task}");
            for i in 0..40u64 {
                j.append(&producer, task * 1000 + i * 3, 3).await;
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    j.settle().await;
    let lines = j.lines().await;
    assert_eq!(lines.len(), 8 * 40 * 3);
    for task in 0..8u64 {
        let own: Vec<u64> = lines
            .iter()
            .map(|l| l[5..l.len() - 1].parse().unwrap())
            .filter(|n| n / 1000 == task)
            .collect();
        let expected: Vec<u64> = (task * 1000..task * 1000 + 120).collect();
        assert_eq!(own, expected, "a producer's events keep their order");
    }
    let commits = support::metric(&j.telemetry, "kentongan_journal_commit_seconds_count");
    assert!(commits < 320, "{commits} commits for 320 frames: commits are shared");
}

async fn waiting_ends_when_the_event_can_be_read(world: World) {
    let j = Arc::new(world.open().await);
    j.append("core", 0, 1).await;
    within(10, "an event that is there", j.journal.wait_events(1)).await.unwrap();
    // Dropping a wait is fine.
    let early = tokio::time::timeout(Duration::from_millis(50), j.journal.wait_events(2)).await;
    assert!(early.is_err(), "event 2 was not there yet");
    for round in 0..20u64 {
        let number = 2 + round * 2;
        let waiting = tokio::spawn({
            let j = j.clone();
            async move {
                j.journal.wait_events(number).await.unwrap();
                j.journal.read_events(number, 10).await.unwrap()
            }
        });
        j.append("core", number - 1, 2).await;
        let read = within(10, "waiting", waiting).await.unwrap();
        assert_eq!(read[0].first, number, "it can be read at once");
    }
}

async fn received_never_goes_back(mut world: World) {
    let j = world.open().await;
    j.append("core", 0, 1).await;
    j.settle().await;
    world.clock.turn(5_000);
    j.append("core", 1, 1).await;
    j.settle().await;
    world.clock.turn(-3_600_000);
    j.append("core", 2, 1).await;
    j.settle().await;
    let j = world.crash(j).await;
    j.append("core", 3, 1).await;
    j.settle().await;
    world.clock.turn(7_200_000);
    j.append("core", 4, 1).await;
    j.settle().await;
    let received: Vec<i64> =
        j.read_all().await.iter().map(|f| f.received.as_millis() - support::START).collect();
    assert_eq!(received[..4], [0, 5_000, 5_000, 5_000]);
    assert!(received[4] > 5_000);
}

async fn a_stale_owner_cannot_write(world: World) {
    let j = world.open().await;
    let first = j.journal.own("first").await.unwrap();
    j.journal.append_records(&first, vec![decisions(0, "mine")]).await.unwrap();
    let second = j.journal.own("second").await.unwrap();
    assert_eq!((first.number, second.number), (1, 2));
    let refused = j.journal.append_records(&first, vec![decisions(0, "stale")]).await;
    assert_eq!(refused, Err(JournalError::Fenced { epoch: 1, by: 2 }));
    let written = j.journal.append_records(&second, vec![decisions(0, "new")]).await.unwrap();
    assert_eq!((written[0].number, written[0].epoch), (4, 2));
    let kinds: Vec<_> =
        j.journal.read_records(1, 10).await.unwrap().iter().map(|r| (r.epoch, r.kind)).collect();
    let (epoch, decided) = (RecordKind::Epoch, RecordKind::Decisions);
    assert_eq!(kinds, [(1, epoch), (1, decided), (2, epoch), (2, decided)]);
    if world.side == Side::Nats {
        // Another machine, with its own idea of the end.
        let other = world.open_at(&world.path("other")).await;
        let third = other.journal.own("third").await.unwrap();
        assert_eq!(third.number, 3);
        let refused = j.journal.append_records(&second, vec![decisions(0, "stale")]).await;
        assert_eq!(refused, Err(JournalError::Fenced { epoch: 2, by: 3 }));
        other.journal.append_records(&third, vec![decisions(0, "third")]).await.unwrap();
        assert_eq!(j.journal.last_record().await.unwrap(), 6);
        let fourth = j.journal.own("first again").await.unwrap();
        assert_eq!(fourth.number, 4);
        j.journal.append_records(&fourth, vec![decisions(0, "back")]).await.unwrap();
        other.close().await;
    }
    assert_eq!(verify(&*j.journal).await.unwrap().touched, None);
}

async fn records_are_all_or_none_and_read_from_any_point(world: World) {
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    for batch in 0..10u64 {
        let new: Vec<NewRecord> =
            (0..=batch).map(|i| decisions(batch * 10 + i, &format!("{batch}-{i}"))).collect();
        let written = j.journal.append_records(&epoch, new.clone()).await.unwrap();
        for (new, written) in new.iter().zip(&written) {
            assert_eq!((&new.body, new.through), (&written.body, written.through));
        }
    }
    assert_eq!(j.journal.append_records(&epoch, vec![]).await.unwrap(), vec![]);
    let all = j.journal.read_records(1, 1000).await.unwrap();
    assert_eq!(all.iter().map(|r| r.number).collect::<Vec<_>>(), (1..=56).collect::<Vec<u64>>());
    for from in 1..=56 {
        let read = j.journal.read_records(from, 5).await.unwrap();
        let from = from as usize - 1;
        assert_eq!(read, all[from..(from + 5).min(56)]);
    }
    // One that may not stand there takes the others with it.
    let bad = NewRecord { kind: RecordKind::Epoch, ..decisions(0, "no") };
    assert!(j.journal.append_records(&epoch, vec![decisions(0, "x"), bad]).await.is_err());
    let many = vec![decisions(0, "x"); 1001];
    assert!(j.journal.append_records(&epoch, many).await.is_err());
    assert_eq!(j.journal.last_record().await.unwrap(), 56);
}

async fn a_snapshot_and_what_came_after_it_are_where_a_restart_begins(mut world: World) {
    let j = world.open().await;
    assert_eq!(j.journal.latest_snapshot().await.unwrap(), None);
    let epoch = j.journal.own("me").await.unwrap();
    let snapshot = |n: u64| Snapshot {
        version: format!("0.1.0/{n}"),
        through_event: n * 10,
        through_record: n + 1,
        body: Bytes::from(vec![n as u8; 100_000]),
    };
    for n in 1..=5u64 {
        j.append("core", (n - 1) * 10, 10).await;
        j.journal.append_records(&epoch, vec![decisions(n * 10, "d")]).await.unwrap();
        j.journal.put_snapshot(snapshot(n)).await.unwrap();
    }
    j.append("core", 50, 7).await;
    let mut at = j;
    for _ in 0..2 {
        at = world.crash(at).await;
        at.settle().await;
        let found = at.journal.latest_snapshot().await.unwrap().unwrap();
        assert_eq!(found, snapshot(5));
        let after = at.journal.read_events(found.through_event + 1, 1000).await.unwrap();
        assert_eq!(after.iter().map(|f| f.count).sum::<u32>(), 7);
        assert_eq!(at.journal.read_records(found.through_record + 1, 10).await.unwrap(), vec![]);
    }
}

async fn days_are_dropped_whole_and_numbers_go_on(mut world: World) {
    world.retention = Duration::from_hours(3 * 24);
    let mut j = world.open().await;
    for day in 0..6u64 {
        for part in 0..3 {
            j.append("core", day * 9 + part * 3, 3).await;
            j.settle().await;
            world.clock.turn(3_600_000);
        }
        world.clock.turn(21 * 3_600_000);
    }
    assert_eq!(j.lines().await.len(), 54);
    // It is the seventh day, two hours in: the first three days have ended three days ago.
    let expired = j.journal.expire(world.clock.now()).await.unwrap();
    assert_eq!(expired.events, 27);
    if world.side == Side::Embedded {
        assert_eq!(expired.segments, 3);
        assert!(!world.at.join("events-2026-11-24.db").exists());
        assert!(world.at.join("events-2026-11-27.db").exists());
    }
    assert_eq!(j.journal.first_event().await.unwrap(), 28);
    assert_eq!(j.lines().await[0], "{\"n\":27}");
    assert_eq!(j.journal.read_events(1, 1).await.unwrap()[0].first, 28, "the first after it");
    assert_eq!(j.journal.expire(world.clock.now()).await.unwrap().events, 0);
    j = world.crash(j).await;
    assert_eq!(j.journal.first_event().await.unwrap(), 28);
    assert_eq!(j.journal.last_event().await.unwrap(), 54);
    // A long time later one more comes, and all else goes.
    world.clock.days(100);
    j.append("core", 54, 1).await;
    j.settle().await;
    assert_eq!(j.journal.expire(world.clock.now()).await.unwrap().events, 27);
    j = world.crash(j).await;
    j.append("core", 55, 1).await;
    j.settle().await;
    assert_eq!(j.journal.first_event().await.unwrap(), 55);
    assert_eq!(j.lines().await, ["{\"n\":54}", "{\"n\":55}"]);
}

async fn events_that_no_record_covers_are_kept(mut world: World) {
    world.retention = Duration::from_hours(24);
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    for day in 0..4u64 {
        j.append("core", day * 10, 10).await;
        j.settle().await;
        world.clock.days(1);
    }
    j.append("core", 40, 1).await;
    j.settle().await;
    world.clock.days(10);
    j.append("core", 41, 1).await;
    j.settle().await;
    j.journal.append_records(&epoch, vec![decisions(15, "half of the second day")]).await.unwrap();
    let expired = j.journal.expire(world.clock.now()).await.unwrap();
    assert_eq!(expired.events, 10, "only the first day is decided");
    assert!(expired.held_back > 0);
    assert_eq!(j.journal.first_event().await.unwrap(), 11);
    j.journal.append_records(&epoch, vec![decisions(41, "all")]).await.unwrap();
    let expired = j.journal.expire(world.clock.now()).await.unwrap();
    assert_eq!((expired.events, expired.held_back), (31, 0));
}

async fn old_records_go_and_the_chain_still_holds(mut world: World) {
    world.record_retention = Duration::from_hours(24 * 10);
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    for day in 0..20u64 {
        j.journal.append_records(&epoch, vec![decisions(day, "d")]).await.unwrap();
        world.clock.days(1);
    }
    assert_eq!(j.journal.chain_start().await.unwrap(), (0, [0; 32]));
    let tenth = j.journal.read_records(11, 1).await.unwrap()[0].clone();
    let expired = j.journal.expire(world.clock.now()).await.unwrap();
    assert_eq!(expired.records, 11, "the epoch and ten days");
    assert_eq!(j.journal.chain_start().await.unwrap(), (11, tenth.hash));
    assert_eq!(j.journal.read_records(1, 1).await.unwrap()[0].number, 12);
    let j = world.crash(j).await;
    let verified = verify(&*j.journal).await.unwrap();
    assert_eq!((verified.first_record, verified.records, verified.touched), (12, 10, None));
    world.clock.days(1000);
    j.journal.expire(world.clock.now()).await.unwrap();
    let epoch = j.journal.own("me again").await.unwrap();
    assert_eq!(epoch.number, 2, "the last record stays, and epochs go on");
    assert_eq!(verify(&*j.journal).await.unwrap().touched, None);
}

async fn frames_and_records_may_be_large(world: World) {
    let j = world.open().await;
    // 40 lines of 100 kB: 4 MB in one append.
    let line = |n: usize| format!("{{\"n\":{n},\"t\":\"{}\"}}\n", format!("{n:04}").repeat(25_000));
    let text: String = (0..40).map(line).collect();
    let accepted = j.journal.append_events(NewFrame::new("core", 40, text.clone())).await.unwrap();
    assert_eq!(accepted.count, 40);
    j.settle().await;
    let frames = j.read_all().await;
    assert!(frames.len() > 1 && frames.iter().all(|f| f.body.len() <= FRAME_BYTES_MAX));
    let joined: Vec<u8> = frames.iter().flat_map(|f| f.body.to_vec()).collect();
    assert_eq!(joined, text.as_bytes());
    let epoch = j.journal.own("me").await.unwrap();
    let body = Bytes::from("{\"kind\":\"verdict\",\"verdict\":\"normal\"}\n".repeat(100_000));
    let new = NewRecord { kind: RecordKind::Decisions, through: 40, body: body.clone() };
    j.journal.append_records(&epoch, vec![new]).await.unwrap();
    assert_eq!(j.journal.read_records(2, 1).await.unwrap()[0].body, body);
    assert_eq!(verify(&*j.journal).await.unwrap().touched, None);
}

async fn what_is_no_frame_is_refused(world: World) {
    let j = world.open().await;
    for bad in [
        NewFrame::new("core", 2, "{}\n"),
        NewFrame::new("core", 1, "nonsense\n"),
        NewFrame::new("core", 0, ""),
        NewFrame::new("a\nb", 1, "{}\n"),
        NewFrame::new("core", 1, format!("{{\"t\":\"{}\"}}", "x".repeat(300 * 1024))),
    ] {
        let refused = j.journal.append_events(bad).await.unwrap_err();
        assert!(matches!(refused, JournalError::Invalid(_)), "{refused}");
        assert!(!refused.worth_retrying());
    }
    j.append("core", 0, 1).await;
    j.settle().await;
    assert_eq!(j.lines().await.len(), 1);
}

async fn when_it_is_full_events_are_refused_and_records_are_not(mut world: World) {
    world.max_bytes = Some(2 << 20);
    world.reserve_bytes = 4 << 20;
    let j = world.open().await;
    if let Some(server) = &mut world.server {
        // With the server there, the spool empties as fast as it fills.
        server.kill();
    }
    let epoch = match world.side {
        Side::Embedded => Some(j.journal.own("me").await.unwrap()),
        Side::Nats => None,
    };
    let mut taken = 0u64;
    let refused = loop {
        // Text that does not pack well.
        let noise = noise(taken, 2000);
        let line = format!("{{\"n\":{taken},\"t\":\"{noise}\"}}\n");
        match j.journal.append_events(NewFrame::new("core", 1, line)).await {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 1000, "2 MiB are never full");
    };
    assert!(matches!(refused, JournalError::Full { .. }), "{refused}");
    assert!(refused.worth_retrying());
    assert!(taken > 20, "{taken}");
    let health = j.journal.health().await;
    assert!(!health.writable && health.last_error.is_some(), "{health:?}");
    assert!(health.bytes < 3 << 20, "{health:?}");
    assert!(support::metric(&j.telemetry, "kentongan_journal_full_refusals_total") > 0);
    if let Some(epoch) = epoch {
        // Decisions can still be written, first beside the reserve, then in its place.
        for n in 0..20 {
            j.journal
                .append_records(&epoch, vec![decisions(taken, &format!("d{n}"))])
                .await
                .unwrap();
        }
        let noise = noise(1, 6000);
        let mut written = 0;
        let end = loop {
            match j
                .journal
                .append_records(&epoch, vec![decisions(taken, &format!("{written}{noise}"))])
                .await
            {
                Ok(_) => written += 1,
                Err(end) => break end,
            }
            assert!(written < 1000, "the reserve never ends");
        };
        assert!(matches!(end, JournalError::Full { .. }), "{end}");
        assert!(written > 5, "{written}");
        assert!(!world.at.join("reserve").exists(), "the reserve was given up");
        assert!(!j.journal.health().await.reserve);
        assert_eq!(verify(&*j.journal).await.unwrap().touched, None);
        // More room: everything goes on.
        j.close().await;
        world.max_bytes = None;
        let j = world.open().await;
        j.append("core", 0, 1).await;
        assert_eq!(j.journal.last_event().await.unwrap(), taken + 1);
        assert!(world.at.join("reserve").exists(), "and the reserve is there again");
    } else {
        world.server.as_mut().unwrap().restart();
        within(30, "emptying the spool", j.nats.as_ref().unwrap().forwarded()).await.unwrap();
        assert_eq!(j.journal.last_event().await.unwrap(), taken);
        // What was handed on is let go, and there is room again.
        let mut tries = 0;
        while j.journal.append_events(frame("core", 0, 1)).await.is_err() {
            tries += 1;
            assert!(tries < 100, "there is never room again: {:?}", j.journal.health().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(j.journal.health().await.writable);
    }
}

async fn a_copy_has_every_number_and_hash(mut world: World) {
    world.retention = Duration::from_hours(24);
    let from = world.open().await;
    let epoch = from.journal.own("me").await.unwrap();
    for day in 0..5u64 {
        for i in 0..10 {
            from.append("intake:zabbix", day * 30 + i * 3, 3).await;
        }
        from.settle().await;
        let through = (day + 1) * 30;
        from.journal.append_records(&epoch, vec![decisions(through, "d"); 3]).await.unwrap();
        world.clock.days(1);
    }
    from.journal.expire(world.clock.now()).await.unwrap();
    let snapshot = Snapshot {
        version: "v".into(),
        through_event: 150,
        through_record: 16,
        body: Bytes::from_static(b"state"),
    };
    from.journal.put_snapshot(snapshot.clone()).await.unwrap();
    let (frames, records) =
        (from.read_all().await, from.journal.read_records(1, 100).await.unwrap());
    assert!(frames[0].first > 1, "the first days are gone");

    // To the other side, and from there back to this one.
    let there_and_back = [
        match world.side {
            Side::Embedded => World::new(Side::Nats),
            Side::Nats => World::new(Side::Embedded),
        },
        World::new(world.side),
    ];
    let mut source = from;
    for target_world in there_and_back.iter().flatten() {
        let target = target_world.open().await;
        let copied = copy(&*source.journal, &*target.journal).await.unwrap();
        assert_eq!(copied.events, 150 + 1 - frames[0].first);
        assert_eq!((copied.records, copied.snapshot), (16, true));
        assert_eq!(target.read_all().await, frames);
        assert_eq!(target.journal.read_records(1, 100).await.unwrap(), records);
        assert_eq!(target.journal.latest_snapshot().await.unwrap(), Some(snapshot.clone()));
        assert_eq!(
            target.journal.identity().await.unwrap(),
            source.journal.identity().await.unwrap()
        );
        let verified = verify(&*target.journal).await.unwrap();
        assert_eq!((verified.records, verified.touched), (16, None));
        // Again: nothing to do. And it goes on from there.
        let again = copy(&*source.journal, &*target.journal).await.unwrap();
        assert_eq!((again.events, again.records), (0, 0));
        source = target;
    }
    let epoch = source.journal.own("the copy").await.unwrap();
    assert_eq!((epoch.number, epoch.record), (2, 17));
    source.append("core", 0, 1).await;
    source.settle().await;
    assert_eq!(source.journal.last_event().await.unwrap(), 151);
    // Something else is not continued with this.
    let other = World::new(Side::Embedded).unwrap();
    let other = other.open().await;
    other.append("core", 0, 1).await;
    assert!(copy(&*source.journal, &*other.journal).await.is_err());
    let mut forged = records[1].clone();
    forged.body = Bytes::from_static(b"{}\n");
    let refused = other.journal.import(Import::Records(vec![forged])).await.unwrap_err();
    assert!(refused.to_string().contains("touched"), "{refused}");
}

async fn an_export_has_seq_and_received_in_front(world: World) {
    let j = world.open().await;
    j.append("core", 0, 3).await;
    j.settle().await;
    world.clock.turn(1500);
    j.append("core", 3, 2).await;
    j.settle().await;
    let mut out = Vec::new();
    let exported = export_events(&*j.journal, 2, 4, &mut out).await.unwrap();
    assert_eq!((exported.lines, exported.first, exported.last), (3, 2, 4));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"seq\":2,\"received\":\"2026-11-24T02:00:00.000Z\",\"n\":1}\n\
         {\"seq\":3,\"received\":\"2026-11-24T02:00:00.000Z\",\"n\":2}\n\
         {\"seq\":4,\"received\":\"2026-11-24T02:00:01.500Z\",\"n\":3}\n"
    );
    let epoch = j.journal.own("me").await.unwrap();
    j.journal.append_records(&epoch, vec![decisions(5, "a"), decisions(5, "b")]).await.unwrap();
    let mut out = Vec::new();
    let kinds = [RecordKind::Decisions];
    let exported = export_records(&*j.journal, 1, u64::MAX, &kinds, RecordForm::Lines, &mut out)
        .await
        .unwrap();
    assert_eq!((exported.lines, exported.first, exported.last), (2, 2, 3));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"kind\":\"verdict\",\"t\":\"a\"}\n{\"kind\":\"verdict\",\"t\":\"b\"}\n"
    );
    let mut out = Vec::new();
    export_records(&*j.journal, 1, u64::MAX, &[], RecordForm::WithChain, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count(), 6);
    assert!(text.contains("\"owner\":\"me\"") && text.contains("\"hash\":\""), "{text}");
}

async fn the_name_is_made_once(mut world: World) {
    let j = world.open().await;
    let name = j.journal.identity().await.unwrap();
    assert!(name.starts_with("noc-") && name.len() == 8, "{name}");
    let j = world.crash(j).await;
    assert_eq!(j.journal.identity().await.unwrap(), name);
    if world.side == Side::Nats {
        let other = world.open_at(&world.path("other")).await;
        assert_eq!(other.journal.identity().await.unwrap(), name, "every machine agrees");
    }
    let refused = j.journal.import(Import::Identity("x".into())).await;
    assert!(refused.is_ok(), "nothing is written yet");
    assert_eq!(j.journal.identity().await.unwrap(), "x");
    j.append("core", 0, 1).await;
    j.settle().await;
    assert!(j.journal.import(Import::Identity("y".into())).await.is_err());
}

#[tokio::test]
async fn verify_says_the_hash_to_keep() {
    let world = World::new(Side::Embedded).unwrap();
    let j = world.open().await;
    let empty = verify(&*j.journal).await.unwrap();
    assert_eq!((empty.records, empty.hash, empty.touched), (0, [0; 32], None::<Touched>));
    let epoch = j.journal.own("me").await.unwrap();
    let written = j.journal.append_records(&epoch, vec![decisions(0, "a")]).await.unwrap();
    assert_eq!(verify(&*j.journal).await.unwrap().hash, written[0].hash);
}

async fn a_configuration_is_kept_under_its_hash(mut world: World) {
    let j = world.open().await;
    assert_eq!(j.journal.configuration("abc1").await.unwrap(), None);
    assert_eq!(j.journal.configurations().await.unwrap(), Vec::<String>::new());
    // One that no message takes whole, even packed: noise does not pack.
    let large = Bytes::from(noise(1, 3 << 16));
    for (hash, text) in [
        ("abc1", Bytes::from_static(b"one")),
        ("abc2", large.clone()),
        ("abc1", Bytes::from_static(b"newer")),
    ] {
        j.journal.put_configuration(hash, text).await.unwrap();
    }
    let j = world.crash(j).await;
    assert_eq!(j.journal.configuration("abc1").await.unwrap().unwrap(), "newer");
    assert_eq!(j.journal.configuration("abc2").await.unwrap().unwrap(), large);
    assert_eq!(j.journal.configuration("abc3").await.unwrap(), None);
    assert_eq!(j.journal.configurations().await.unwrap(), ["abc2", "abc1"]);

    let other = world.open_at(&world.path("copy")).await;
    if world.side == Side::Embedded {
        let copied = copy(&*j.journal, &*other.journal).await.unwrap();
        assert_eq!(copied.configurations, 2);
        assert_eq!(other.journal.configuration("abc2").await.unwrap().unwrap(), large);
        assert_eq!(copy(&*j.journal, &*other.journal).await.unwrap().configurations, 0);
    } else {
        // Another machine of the cluster sees the same.
        assert_eq!(other.journal.configuration("abc2").await.unwrap().unwrap(), large);
    }
    other.close().await;
}

async fn the_oldest_configurations_are_let_go(world: World) {
    let j = world.open().await;
    for n in 0..CONFIGURATIONS_MAX + 3 {
        j.journal.put_configuration(&format!("h{n}"), Bytes::from(format!("{n}"))).await.unwrap();
    }
    let kept = j.journal.configurations().await.unwrap();
    assert_eq!((kept.len(), kept[0].as_str()), (CONFIGURATIONS_MAX, "h3"));
    assert_eq!(j.journal.configuration("h2").await.unwrap(), None);
    assert_eq!(j.journal.configuration("h3").await.unwrap().unwrap(), "3");
}

async fn an_export_says_what_its_configurations_mean(world: World) {
    let j = world.open().await;
    let line = |text: &str| {
        Bytes::from(format!("{{\"kind\":{text},\"at\":\"2026-11-24T02:00:00.000Z\"}}\n"))
    };
    for (n, text) in [
        r#""config","hash":"abc1""#,
        r#""tick""#,
        r#""config","hash":"abc2""#,
        r#""config","hash":"abc1""#,
        r#""config","hash":"lost""#,
    ]
    .iter()
    .enumerate()
    {
        // As `wire` writes it: the hash behind the time.
        let body = match text.split_once(",\"hash\"") {
            None => line(text),
            Some((kind, hash)) => Bytes::from(format!(
                "{{\"kind\":{kind},\"at\":\"2026-11-24T02:00:0{n}.000Z\",\"hash\"{hash}}}\n"
            )),
        };
        j.journal.append_events(NewFrame::new("core", 1, body)).await.unwrap();
    }
    j.settle().await;
    for hash in ["abc1", "abc2"] {
        let body = Bytes::from(format!("{{\"kind\":\"configuration\",\"hash\":\"{hash}\"}}"));
        j.journal.put_configuration(hash, body).await.unwrap();
    }
    let exported = async |from, to| {
        let mut out = Vec::new();
        export_events(&*j.journal, from, to, &mut out).await.unwrap();
        let lines = String::from_utf8(out).unwrap();
        let kind = |l: &str| match serde_json::from_str::<serde_json::Value>(l).unwrap() {
            v if v["kind"] == "configuration" => format!("={}", v["hash"].as_str().unwrap()),
            v => v["seq"].to_string(),
        };
        lines.lines().map(kind).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(exported(1, 5).await, "=abc1 1 2 =abc2 3 4 5");
    assert_eq!(exported(2, 3).await, "=abc1 2 =abc2 3", "what was in force before the first one");
    assert_eq!(exported(4, 5).await, "=abc2 =abc1 4 5");
}

async fn a_restored_journal_leaves_out_the_numbers_that_may_have_been_given(world: World) {
    let dir = world.path("saved-from");
    let saved = journal_with_ten_events(&world, &dir).await;
    let restored = world.path("restored");
    let done = journal::restore(&saved, &restored).unwrap();
    assert_eq!(done.backed_up.last_event, 10);
    assert!(done.goes_on_at >= 1_000_010, "{}", done.goes_on_at);
    let opened =
        EmbeddedJournal::open(world.embedded_options(&restored), Telemetry::new()).unwrap();
    assert_eq!(opened.last_event().await.unwrap(), done.goes_on_at);
    let frames = opened.read_events(11, 10).await.unwrap();
    assert_eq!((frames[0].first, frames[0].producer.as_str()), (done.goes_on_at, journal::RESTORE));
    assert!(frames[0].body.starts_with(b"{\"kind\":\"gap\""), "{:?}", frames[0].body);
    let accepted = opened.append_events(frame("core", 10, 1)).await.unwrap();
    assert_eq!(accepted.first, Some(done.goes_on_at + 1));
    assert_eq!(verify(&opened).await.unwrap().touched, None);
    // It is carried over as it is, to either side.
    let j = world.open().await;
    copy(&opened, &*j.journal).await.unwrap();
    assert_eq!(j.journal.last_event().await.unwrap(), done.goes_on_at + 1);
    assert_eq!(verify(&*j.journal).await.unwrap().touched, None);
}

async fn journal_with_ten_events(world: &World, dir: &std::path::Path) -> std::path::PathBuf {
    let journal = EmbeddedJournal::open(world.embedded_options(dir), Telemetry::new()).unwrap();
    journal.append_events(frame("core", 0, 10)).await.unwrap();
    let saved = world.path("saved");
    journal.backup(&saved).unwrap();
    saved
}
