//! What only the embedded side has: files that can be torn, a disk, a lock, a backup, a process
//! that can be killed.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use journal::{
    EmbeddedJournal, Journal, JournalError, NewFrame, RecordKind, Touched, backup, restore, verify,
    verify_dir,
};
use rusqlite::Connection;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{Side, World, copy_files, decisions, frame, noise, within};
use telemetry::Telemetry;

fn world() -> World {
    World::new(Side::Embedded).unwrap()
}

fn open_error(world: &World) -> JournalError {
    let Err(error) = EmbeddedJournal::open(world.embedded_options(&world.at), Telemetry::new())
    else {
        panic!("it opened")
    };
    error
}

/// A journal of three days with ten records, closed.
async fn three_days(world: &World) {
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    for day in 0..3u64 {
        for part in 0..20 {
            j.append("probe:noc-1", day * 100 + part * 5, 5).await;
        }
        let through = (day + 1) * 100;
        j.journal.append_records(&epoch, vec![decisions(through, "d"); 3]).await.unwrap();
        world.clock.days(1);
    }
    j.close().await;
}

#[tokio::test]
async fn one_process_writes_and_others_read() {
    let world = world();
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    let refused = open_error(&world);
    assert!(matches!(refused, JournalError::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");

    let reader = EmbeddedJournal::open_read_only(&world.at).unwrap();
    assert_eq!(reader.last_event().await.unwrap(), 0);
    assert_eq!(reader.identity().await.unwrap(), j.journal.identity().await.unwrap());
    for day in 0..3u64 {
        j.append("core", day * 2, 2).await;
        j.journal.append_records(&epoch, vec![decisions(day, "d")]).await.unwrap();
        let last = (day + 1) * 2;
        within(5, "another process's event", reader.wait_events(last)).await.unwrap();
        assert_eq!(reader.last_event().await.unwrap(), last);
        assert_eq!(reader.read_events(last, 10).await.unwrap()[0].first, last - 1);
        assert_eq!(reader.last_record().await.unwrap(), day + 2);
        world.clock.days(1);
    }
    assert_eq!(reader.append_events(frame("core", 0, 1)).await, Err(JournalError::ReadOnly));
    assert!(matches!(reader.own("x").await, Err(JournalError::ReadOnly)));
    assert!(!reader.health().await.writable);
    // It reads on when the writer is gone, and when there is nothing left but the files.
    j.close().await;
    assert_eq!(reader.read_events(1, 100).await.unwrap().len(), 3);
    let reader = EmbeddedJournal::open_read_only(&world.at).unwrap();
    assert_eq!(reader.last_event().await.unwrap(), 6);
    assert_eq!(verify(&reader).await.unwrap().touched, None);
    assert!(EmbeddedJournal::open_read_only(&world.path("nowhere")).is_err());
}

#[tokio::test]
async fn a_closed_journal_says_so_and_gives_the_folder_free() {
    let world = world();
    let j = world.open().await;
    let embedded = j.embedded.clone().unwrap();
    let waiting = tokio::spawn({
        let embedded = embedded.clone();
        async move { embedded.wait_events(1).await }
    });
    tokio::task::yield_now().await;
    j.close().await;
    assert_eq!(within(5, "the end", waiting).await.unwrap(), Err(JournalError::Closed));
    assert_eq!(embedded.append_events(frame("core", 0, 1)).await, Err(JournalError::Closed));
    world.open().await.close().await;
}

/// Every way a file can be damaged is an error that names it, and the file stays as it is.
#[tokio::test]
async fn a_damaged_file_is_named_and_left_alone() {
    type Damage = fn(&Path);
    let torn: Damage = |p| {
        let bytes = fs::read(p).unwrap();
        fs::write(p, &bytes[..bytes.len() / 2 + 100]).unwrap();
    };
    let garbage: Damage =
        |p| fs::write(p, b"this is not a database at all, sorry".repeat(300)).unwrap();
    let holes: Damage = |p| {
        let mut bytes = fs::read(p).unwrap();
        let from = 4096.min(bytes.len());
        bytes[from..].fill(0);
        fs::write(p, bytes).unwrap();
    };
    for (file, damage) in [
        ("events-2026-11-26.db", torn),
        ("events-2026-11-26.db", garbage),
        ("events-2026-11-26.db", holes),
        ("events-2026-11-24.db", garbage),
        ("events-2026-11-24.db", holes),
        ("journal.db", garbage),
        ("journal.db", holes),
        ("journal.db", torn),
    ] {
        let world = world();
        three_days(&world).await;
        let path = world.at.join(file);
        damage(&path);
        let before = fs::read(&path).unwrap();
        // Damage in the middle of a file shows when that part is read: at the latest by verify.
        let said = match EmbeddedJournal::open(world.embedded_options(&world.at), Telemetry::new())
        {
            Err(error) => error.to_string(),
            Ok(opened) => {
                drop(opened);
                match verify_dir(&world.at) {
                    Err(error) => error.to_string(),
                    Ok(found) => found.touched.expect("damage is found").to_string(),
                }
            }
        };
        assert!(said.contains(file) || said.contains("record"), "{file}: {said}");
        assert_eq!(fs::read(&path).unwrap(), before, "{file} was changed");
    }
}

#[tokio::test]
async fn a_file_that_a_crash_left_half_made_is_no_obstacle() {
    let world = world();
    three_days(&world).await;
    // The next day's file was just being made.
    fs::write(world.at.join("events-2026-11-27.db"), b"").unwrap();
    // And the one after had its header, and no table yet.
    let db = Connection::open(world.at.join("events-2026-11-28.db")).unwrap();
    db.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE x (y); DROP TABLE x;").unwrap();
    drop(db);
    let j = world.open().await;
    assert_eq!(j.journal.last_event().await.unwrap(), 300);
    j.append("core", 300, 1).await;
    assert_eq!(j.lines().await.len(), 301);
}

/// Also in the middle of what is read at once: the frame that is named is the one that is damaged.
#[tokio::test]
async fn verify_names_the_event_whose_frame_is_damaged() {
    for (first, day) in [(1i64, "24"), (56, "24"), (96, "24"), (151, "25"), (296, "26")] {
        let world = world();
        three_days(&world).await;
        let path = world.at.join(format!("events-2026-11-{day}.db"));
        let db = Connection::open(path).unwrap();
        let changed =
            db.execute("UPDATE frame SET body = x'00' WHERE first = ?1", [first]).unwrap();
        assert_eq!(changed, 1, "there is a frame of event {first}");
        drop(db);
        let found = verify_dir(&world.at).unwrap();
        match found.touched {
            Some(Touched::Events { number, what }) => {
                assert_eq!(number, first.cast_unsigned(), "{what}");
                assert!(what.contains(&format!("the frame of event {first} cannot")), "{what}");
            }
            other => panic!("event {first}: {other:?}"),
        }
        assert_eq!(found.events, first.cast_unsigned() - 1, "those before it are good");
    }
}

#[tokio::test]
async fn a_day_taken_away_leaves_a_gap_and_no_number_twice() {
    let world = world();
    three_days(&world).await;
    fs::remove_file(world.at.join("events-2026-11-25.db")).unwrap();
    fs::remove_file(world.at.join("events-2026-11-26.db")).unwrap();
    let j = world.open().await;
    assert_eq!(j.journal.last_event().await.unwrap(), 300, "records speak of event 300");
    j.append("core", 0, 1).await;
    let read = j.journal.read_events(150, 10).await.unwrap();
    assert_eq!(read[0].first, 301, "the first after the gap");
    j.close().await;
    let found = verify_dir(&world.at).unwrap().touched.unwrap();
    assert_eq!(found, Touched::Events { number: 101, what: "it is missing".into() });
}

/// Whatever is changed in a record, its number is named; so is the first that is missing.
#[tokio::test]
async fn verify_names_the_first_record_that_was_touched() {
    let forged = {
        // Another body, packed as it should be: only the hash can tell.
        let other = world();
        let j = other.open().await;
        let epoch = j.journal.own("me").await.unwrap();
        j.journal.append_records(&epoch, vec![decisions(0, "forged")]).await.unwrap();
        j.close().await;
        let db = Connection::open(other.at.join("journal.db")).unwrap();
        db.query_row("SELECT body, size FROM record WHERE number = 2", [], |r| {
            Ok((r.get::<_, Vec<u8>>(0)?, r.get::<_, i64>(1)?))
        })
        .unwrap()
    };
    for (change, number, what) in [
        ("UPDATE record SET through = 99 WHERE number = 5", 5, "does not give its hash"),
        ("UPDATE record SET at = at + 1 WHERE number = 6", 6, "does not give its hash"),
        ("UPDATE record SET epoch = 7 WHERE number = 4", 4, "does not give its hash"),
        ("UPDATE record SET kind = 'delivery' WHERE number = 4", 4, "does not give its hash"),
        ("UPDATE record SET kind = 'nonsense' WHERE number = 7", 7, "nonsense"),
        ("UPDATE record SET body = ?1, size = ?2 WHERE number = 8", 8, "does not give its hash"),
        ("UPDATE record SET body = x'00' WHERE number = 3", 3, "cannot be read"),
        ("UPDATE record SET hash = zeroblob(32) WHERE number = 3", 3, "does not give its hash"),
        ("UPDATE record SET hash = zeroblob(31) WHERE number = 3", 3, "cannot be read"),
        ("UPDATE record SET prev = zeroblob(32) WHERE number = 2", 2, "the record before it"),
        ("DELETE FROM record WHERE number = 5", 5, "missing"),
        ("DELETE FROM record WHERE number <= 2", 1, "missing"),
        ("DELETE FROM record WHERE number >= 9", 9, "missing"),
    ] {
        let world = world();
        three_days(&world).await;
        let db = Connection::open(world.at.join("journal.db")).unwrap();
        let mut statement = db.prepare(change).unwrap();
        if statement.parameter_count() == 2 {
            statement.execute(rusqlite::params![forged.0, forged.1]).unwrap();
        } else {
            statement.execute([]).unwrap();
        }
        drop(statement);
        drop(db);
        match verify_dir(&world.at).unwrap().touched {
            Some(Touched::Record { number: n, what: w }) => {
                assert_eq!(n, number, "{change}: {w}");
                assert!(w.contains(what), "{change}: {w}");
            }
            other => panic!("{change}: {other:?}"),
        }
    }
    let world = world();
    three_days(&world).await;
    let whole = verify_dir(&world.at).unwrap();
    assert_eq!((whole.records, whole.events, whole.touched), (10, 300, None));
}

#[tokio::test]
async fn records_cut_off_at_the_end_stop_the_daemon() {
    let world = world();
    three_days(&world).await;
    let db = Connection::open(world.at.join("journal.db")).unwrap();
    db.execute("DELETE FROM record WHERE number >= 8", []).unwrap();
    drop(db);
    let refused = open_error(&world).to_string();
    assert!(refused.contains("records 8 to 10") && refused.contains("journal.db"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_consistent_while_everything_goes_on() {
    let world = world();
    three_days(&world).await;
    let j = Arc::new(world.open().await);
    let stop = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn({
        let (j, stop) = (j.clone(), stop.clone());
        async move {
            let epoch = j.journal.own("me").await.unwrap();
            let mut n = 300;
            while !stop.load(Ordering::SeqCst) {
                j.append("core", n, 10).await;
                n += 10;
                j.journal.append_records(&epoch, vec![decisions(n, "d")]).await.unwrap();
            }
            n
        }
    });
    let mut backups = Vec::new();
    for i in 0..4 {
        let into = world.path(&format!("backup-{i}"));
        let at = world.at.clone();
        let done = tokio::task::spawn_blocking({
            let into = into.clone();
            move || backup(&at, &into)
        });
        backups.push((into, done.await.unwrap().unwrap()));
    }
    stop.store(true, Ordering::SeqCst);
    let written = writing.await.unwrap();
    assert!(backups[3].1.last_event > backups[0].1.last_event, "it went on meanwhile");
    let lines = j.lines().await;
    assert_eq!(lines.len() as u64, written);
    for (i, (from, backed_up)) in backups.iter().enumerate() {
        assert_eq!(backed_up.identity, j.journal.identity().await.unwrap());
        let into = world.path(&format!("restored-{i}"));
        let put_back = restore(from, &into).unwrap();
        assert_eq!(&put_back.backed_up, backed_up);
        let restored = world.open_at(&into).await;
        assert_eq!(restored.journal.last_event().await.unwrap(), put_back.goes_on_at);
        assert_eq!(restored.journal.last_record().await.unwrap(), backed_up.last_record);
        let mut there = restored.lines().await;
        let gap = there.pop().unwrap();
        assert!(gap.starts_with(r#"{"kind":"gap""#), "what is lost is said: {gap}");
        assert_eq!(there[..], lines[..there.len()]);
        let records = restored.journal.read_records(1, 100_000).await.unwrap();
        assert!(
            records.iter().all(|r| r.through <= backed_up.last_event),
            "no record speaks of an event that is not there"
        );
        restored.append("core", 0, 1).await;
    }
    assert!(backup(&world.at, &world.path("backup-0")).is_err(), "not over another one");
}

#[tokio::test]
async fn what_is_no_whole_backup_is_not_restored() {
    let world = world();
    three_days(&world).await;
    let good = world.path("good");
    backup(&world.at, &good).unwrap();
    type Harm = fn(&Path);
    let harms: [(Harm, &str); 5] = [
        (|d| fs::remove_file(d.join("backup.json")).unwrap(), "backup.json"),
        (|d| fs::write(d.join("backup.json"), "{}").unwrap(), "backup.json"),
        (|d| fs::remove_file(d.join("events-2026-11-25.db")).unwrap(), "events-2026-11-25.db"),
        (
            |d| {
                let mut f = fs::OpenOptions::new().append(true).open(d.join("journal.db")).unwrap();
                f.write_all(b"x").unwrap();
            },
            "journal.db",
        ),
        (
            |d| {
                let text = fs::read_to_string(d.join("backup.json")).unwrap();
                fs::write(d.join("backup.json"), text.replace("journal.db", "../../etc/x"))
                    .unwrap();
            },
            "etc/x",
        ),
    ];
    for (i, (harm, named)) in harms.into_iter().enumerate() {
        let bad = world.path(&format!("bad-{i}"));
        copy_files(&good, &bad);
        harm(&bad);
        let refused = restore(&bad, &world.path(&format!("into-{i}"))).unwrap_err().to_string();
        assert!(refused.contains(named), "{named}: {refused}");
    }
    assert!(restore(&good, &world.at).is_err(), "not over a journal");
    restore(&good, &world.path("into")).unwrap();
    let nothing = backup(&world.path("nowhere"), &world.path("b")).unwrap_err().to_string();
    assert!(nothing.contains("nowhere"), "{nothing}");
}

/// The child of the next test: appends until it is killed, and says what was answered.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os("KENTONGAN_TEST_APPEND_TO") else { return };
    let world = world();
    let options = world.embedded_options(&PathBuf::from(dir));
    let journal = Arc::new(EmbeddedJournal::open(options, Telemetry::new()).unwrap());
    let epoch = journal.own("child").await.unwrap();
    let mut out = std::io::stderr();
    let tasks: Vec<_> = (0..4u64)
        .map(|task| {
            let (journal, epoch) = (journal.clone(), epoch.clone());
            tokio::spawn(async move {
                for n in 0.. {
                    let line = format!("{{\"task\":{task},\"n\":{n}}}\n");
                    let done = journal.append_events(NewFrame::new("core", 1, line)).await.unwrap();
                    let first = done.first.unwrap();
                    // One write for a line, so that lines of tasks do not mix.
                    let _ = std::io::stderr()
                        .write_all(format!("event {first} {task} {n}\n").as_bytes());
                    if n % 5 == 0 {
                        let new = vec![decisions(first, &format!("{task}-{n}"))];
                        let written = journal.append_records(&epoch, new).await.unwrap();
                        let said = format!("record {} {task}-{n} 0\n", written[0].number);
                        let _ = std::io::stderr().write_all(said.as_bytes());
                    }
                }
            })
        })
        .collect();
    out.write_all(b"ready 0 0 0\n").unwrap();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn what_was_answered_survives_kill_9() {
    let world = world();
    let mut events = std::collections::BTreeMap::new();
    let mut records = std::collections::BTreeMap::new();
    for round in 0..5u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_appends_until_it_is_killed", "--nocapture"])
            .env("KENTONGAN_TEST_APPEND_TO", &world.at)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let began = Instant::now();
        let mut ready = false;
        for line in lines {
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["ready", ..] => ready = true,
                ["event", number, task, n] => {
                    let number: u64 = number.parse().unwrap();
                    let text = format!("{{\"task\":{task},\"n\":{n}}}");
                    assert_eq!(events.insert(number, text), None, "a number given twice");
                }
                ["record", number, text, _] => {
                    records.insert(number.parse::<u64>().unwrap(), text.to_owned());
                }
                _ => {}
            }
            if ready && began.elapsed() > Duration::from_millis(200 + round * 70) {
                child.kill().unwrap();
                ready = false;
            }
        }
        child.wait().unwrap();
    }
    assert!(events.len() > 50 && records.len() > 5, "{} {}", events.len(), records.len());
    let j = world.open().await;
    let there = j.lines().await;
    for (number, text) in &events {
        assert_eq!(&there[*number as usize - 1], text, "event {number}");
    }
    let written = j.journal.read_records(1, 1_000_000).await.unwrap();
    assert_eq!(written.iter().filter(|r| r.kind == RecordKind::Epoch).count(), 5);
    for (number, text) in &records {
        let body = String::from_utf8(written[*number as usize - 1].body.to_vec()).unwrap();
        assert!(body.contains(text.as_str()), "record {number}: {body}");
    }
    j.close().await;
    assert_eq!(verify_dir(&world.at).unwrap().touched, None);
}

/// The child of the next test, on a disk of 24 MiB of its own.
#[tokio::test(flavor = "multi_thread")]
async fn child_on_a_small_disk() {
    let Some(dir) = std::env::var_os("KENTONGAN_TEST_SMALL_DISK") else { return };
    let dir = PathBuf::from(dir);
    let mut world = world();
    world.at = dir.join("journal");
    world.reserve_bytes = 4 << 20;
    let j = world.open().await;
    let epoch = j.journal.own("me").await.unwrap();
    for n in 0..100u64 {
        j.append("core", n, 1).await;
    }
    // Somebody else fills the disk to the last byte.
    let filler = dir.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[7u8; 4096]).is_ok() {}
    drop(file);
    let noise = |n: u64| noise(n, 4000);
    let line = format!("{{\"t\":\"{}\"}}\n", noise(0));
    let refused = j.journal.append_events(NewFrame::new("core", 1, line)).await.unwrap_err();
    assert!(matches!(refused, JournalError::Full { .. }), "{refused}");
    for n in 0..30 {
        j.journal.append_records(&epoch, vec![decisions(100, &noise(n))]).await.unwrap();
    }
    assert_eq!(support::metric(&j.telemetry, "kentongan_journal_reserve_releases_total"), 1);
    assert!(!j.journal.health().await.reserve);
    // At the very end even records find no room, and nothing breaks.
    let mut file = fs::OpenOptions::new().append(true).open(&filler).unwrap();
    while file.write_all(&[7u8; 4096]).is_ok() {}
    drop(file);
    let mut n = 30;
    let end = loop {
        match j.journal.append_records(&epoch, vec![decisions(100, &noise(n))]).await {
            Ok(_) => n += 1,
            Err(end) => break end,
        }
    };
    assert!(matches!(end, JournalError::Full { .. }), "{end}");
    fs::remove_file(&filler).unwrap();
    j.journal.append_records(&epoch, vec![decisions(100, "room again")]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    j.append("core", 100, 1).await;
    assert!(j.journal.health().await.reserve, "the reserve is there again");
    assert_eq!(j.journal.last_event().await.unwrap(), 101);
    j.close().await;
    let whole = verify_dir(&world.at).unwrap();
    assert_eq!((whole.events, whole.records, whole.touched), (101, n + 2, None));
}

#[test]
fn a_disk_that_is_really_full_still_takes_decisions() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=24m none \"$1\" || exit 77
                  exec \"$0\" --exact child_on_a_small_disk --nocapture";
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(dir.path())
        .env("KENTONGAN_TEST_SMALL_DISK", dir.path())
        .output();
    let skipped = match &ran {
        Ok(out) => {
            out.status.code() == Some(77)
                || String::from_utf8_lossy(&out.stderr).contains("unshare")
        }
        Err(_) => true,
    };
    if skipped {
        let what = "a small disk cannot be mounted here: the full disk is NOT tested";
        assert!(std::env::var_os("KENTONGAN_NO_SKIP").is_none_or(|v| v != "1"), "{what}");
        let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
        return;
    }
    let out = ran.unwrap();
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains("1 passed"), "{said}");
}

/// Numbers, for a release build: `cargo test --release -p journal --test embedded -- --ignored
/// --nocapture how_fast`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints numbers"]
async fn how_fast() {
    let world = world();
    let j = Arc::new(world.open().await);
    let one = "{\"kind\":\"observation\",\"at\":\"2026-11-24T02:15:00.250Z\",\"probe\":\"noc-1\",\"target\":\"semarang/core-sw1\",\"check\":\"icmp\",\"outcome\":\"reply\",\"values\":{\"rtt_ms\":1.92,\"loss_pct\":0.0}}\n";
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..300 {
        let began = Instant::now();
        j.journal.append_events(NewFrame::new("core", 1, one)).await.unwrap();
        took.push(began.elapsed());
    }
    took.sort();
    println!("one durable append: p50 {:?} p99 {:?}", took[150], took[297]);
    let body = |from: u64| -> String {
        (0..100)
            .map(|i| {
                one.replace("core-sw1", &format!("sw{}", from * 37 + i))
                    .replace("1.92", &format!("{}.{}", i % 40, from % 997))
            })
            .collect()
    };
    let bodies: Vec<bytes::Bytes> = (0..64).map(|n| body(n).into()).collect();
    let frames = 10_000u64;
    let began = Instant::now();
    let tasks: Vec<_> = (0..16u64)
        .map(|t| {
            let (j, bodies) = (j.clone(), bodies.clone());
            tokio::spawn(async move {
                for i in 0..frames / 16 {
                    let body = bodies[((t + i) % 64) as usize].clone();
                    j.journal.append_events(NewFrame::new("probe:noc-1", 100, body)).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let events = frames / 16 * 16 * 100;
    let rate = events as f64 / began.elapsed().as_secs_f64();
    println!("{events} events in frames of 100, 16 at once: {rate:.0} events/s");
    Arc::into_inner(j).unwrap().close().await;
    let began = Instant::now();
    let j = world.open().await;
    println!("open: {:?}, {} bytes", began.elapsed(), j.journal.health().await.bytes);
    let began = Instant::now();
    let (mut next, mut read) = (1, 0u64);
    loop {
        let frames = j.journal.read_events(next, 20_000).await.unwrap();
        let Some(last) = frames.last() else { break };
        next = last.last() + 1;
        read += frames.iter().map(|f| u64::from(f.count)).sum::<u64>();
    }
    println!("{read} events read back: {:?}", began.elapsed());
}
