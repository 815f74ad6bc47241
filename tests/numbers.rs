//! The numbers that were promised, measured on the release build as it is: `make bench`.
//!
//! Each line says what was measured, what was wanted and whether it holds. Nothing here fails a
//! build: a busy machine is not a slower program. Waits for nothing but the daemon.

use anyhow::{Context, Result};
use axum::extract::State;
use axum::routing::any;
use axum::{Json, Router};
use journeys::{Daemon, shell};
use serde_json::json;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The 24th of November 2026.
const TWENTY_FOURTH: Duration = Duration::from_hours(498_744);

const TOKEN: &str = "token-of-the-lab";

/// Outages measured, one host after the other.
const HOSTS: u32 = 200;

fn main() -> Result<()> {
    // Cargo passes `--bench`; a word of its own picks one measurement.
    let only = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| name.contains(only));
    let release = shell::workspace().join("target/release/kentongan");
    if std::env::var_os("KENTONGAN_BIN").is_none() {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let words = ["build", "-q", "--release", "-p", "kentongan"];
        let built = Command::new(cargo).args(words).current_dir(shell::workspace()).status()?;
        anyhow::ensure!(built.success(), "kentongan does not build");
        // Nothing else runs yet, so the environment can be set for the harness to read.
        return again_with(&release);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        println!("{:<58} {:>14} {:>12}", "what", "measured", "wanted");
        if wanted("start") {
            start_on_an_empty_journal().await?;
        }
        if wanted("memory") {
            memory_with_two_thousand_devices().await?;
        }
        if wanted("webhook") {
            webhooks_at_a_hundred_a_second().await?;
        }
        if wanted("ticket") {
            from_event_to_desk().await?;
        }
        if wanted("million") {
            start_on_a_million_events().await?;
        }
        if wanted("replay") {
            replay()?;
        }
        Ok(())
    })
}

fn again_with(binary: &std::path::Path) -> Result<()> {
    let me = std::env::current_exe()?;
    let status =
        Command::new(me).args(std::env::args().skip(1)).env("KENTONGAN_BIN", binary).status()?;
    anyhow::ensure!(status.success(), "the measurement failed");
    Ok(())
}

fn line(what: &str, measured: f64, unit: &str, wanted: f64, better: &str) {
    let holds = if better == "<" { measured < wanted } else { measured > wanted };
    let mark = if holds { "" } else { "   NOT HELD" };
    println!(
        "{what:<58} {:>14} {:>12}{mark}",
        format!("{measured:.1} {unit}"),
        format!("{better} {wanted} {unit}")
    );
}

async fn start_on_an_empty_journal() -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..7 {
        let mut daemon = Daemon::on_machine("", &devices(1))?;
        times.push(time_to_listening(&mut daemon).await?);
        daemon.stop().await;
    }
    line("start to listening, empty journal (median of 7)", at(&mut times, 0.5), "ms", 500.0, "<");
    Ok(())
}

async fn time_to_listening(daemon: &mut Daemon) -> Result<f64> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = daemon.url("/livez");
    let started = Instant::now();
    daemon.spawn();
    while !client.get(&url).send().await.is_ok_and(|a| a.status().is_success()) {
        anyhow::ensure!(started.elapsed() < Duration::from_mins(2), "it never listens");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(millis(started.elapsed()))
}

async fn memory_with_two_thousand_devices() -> Result<()> {
    let mut daemon = Daemon::on_machine("", &devices(2000))?;
    daemon.start().await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let pid = daemon.pid().context("it runs")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let rss =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:")).context("a process has a size")?;
    let kib: f64 = rss.trim().trim_end_matches(" kB").parse()?;
    line("RSS a minute into watching 2,000 devices", kib / 1024.0, "MiB", 60.0, "<");
    daemon.stop().await;
    Ok(())
}

async fn webhooks_at_a_hundred_a_second() -> Result<()> {
    let source = format!(
        "[probe]\nenabled = false\n\n[[source]]\nname = \"zabbix\"\nkind = \"zabbix\"\ntoken = \"{TOKEN}\"\n"
    );
    let mut daemon = Daemon::on_machine(&source, &devices(10))?;
    daemon.start().await;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = daemon.url("/api/v1/intake/zabbix");
    let begun = Instant::now();
    let mut asked = tokio::task::JoinSet::new();
    for n in 0..2000_u32 {
        let due = begun + Duration::from_millis(10) * n;
        tokio::time::sleep_until(due.into()).await;
        let (client, url) = (client.clone(), url.clone());
        asked.spawn(async move {
            // From when it was due, so that a stall counts for all that wait behind it.
            let body = json!({"event_source": "0", "event_object": "0", "event_value": "1", "event_update_status": "0",
                "event_id": n.to_string(), "event_name": "Link down", "event_nseverity": "2", "event_date": "2026.11.24",
                "event_time": "03:36:55", "host_host": format!("sw-{n}"), "host_name": format!("Switch {n}")});
            let answer = client.post(&url).bearer_auth(TOKEN).json(&body).send().await?;
            anyhow::ensure!(answer.status().is_success(), "{}: {}", answer.status(), answer.text().await?);
            Ok::<_, anyhow::Error>(millis(due.elapsed()))
        });
    }
    let mut times = Vec::new();
    while let Some(one) = asked.join_next().await {
        times.push(one??);
    }
    println!(
        "{:<58} {:>14}",
        "webhook at 100/s answered durable, p50",
        format!("{:.1} ms", at(&mut times, 0.5))
    );
    line("webhook at 100/s answered durable, p99", at(&mut times, 0.99), "ms", 20.0, "<");
    daemon.stop().await;
    Ok(())
}

type Arrivals = Arc<Mutex<Vec<Instant>>>;

/// A desk that takes everything and notes when it was first asked for a key.
async fn desk() -> Result<(String, Arrivals)> {
    async fn serve(
        State(arrivals): State<Arrivals>,
        request: axum::extract::Request,
    ) -> Json<serde_json::Value> {
        if request.uri().path() == "/find" {
            arrivals.lock().expect("no holder panics").push(Instant::now());
            return Json(json!({"items": []}));
        }
        Json(json!({"id": "1", "key": "", "status": "open"}))
    }
    let arrivals = Arrivals::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let app = Router::new().fallback(any(serve)).with_state(arrivals.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((url, arrivals))
}

async fn from_event_to_desk() -> Result<()> {
    let (url, arrivals) = desk().await?;
    let mut configuration = format!(
        "[probe]\nenabled = false\n\n[[source]]\nname = \"lab\"\nkind = \"events\"\ntoken = \"{TOKEN}\"\n\n\
         [[desk]]\nname = \"lab\"\nkind = \"generic\"\nurl = \"{url}\"\nresolved_status = \"resolved\"\nper_minute = 60000\n\n\
         [desk.find]\nurl = \"{{{{ base }}}}/find?key={{{{ key | urlencode }}}}\"\nitems = \"/items\"\nid = \"id\"\nkey = \"key\"\nstatus = \"status\"\n\n\
         [desk.create]\nurl = \"{{{{ base }}}}/create\"\nid = \"/id\"\n\n\
         [desk.create.body]\nkey = \"{{{{ key }}}}\"\ntitle = \"{{{{ title }}}}\"\n"
    );
    for operation in ["note", "priority", "resolve", "reopen", "read"] {
        write!(
            configuration,
            "\n[desk.{operation}]\nurl = \"{{{{ base }}}}/{operation}/{{{{ ticket }}}}\"\n"
        )?;
    }
    configuration.push_str("key = \"/key\"\nstatus = \"/status\"\n");
    // A router with hosts behind it: a host that is confirmed silent is held until the router has
    // answered since, so that it is the router's answer that ends the hold and opens the incident.
    let mut inventory = devices(HOSTS);
    inventory.push_str("[[device]]\nid = \"lab/rtr\"\naddress = \"127.1.9.1\"\n\n");
    for n in 0..HOSTS {
        let _ = write!(inventory, "[[link]]\nbetween = [\"lab/rtr\", \"lab/d{n}\"]\n\n");
    }
    let sample = |target: &str, ago: Duration, answers: bool| {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut event = json!({"kind": "observation", "at": rfc3339(since_1970.saturating_sub(ago)), "probe": "lab-1",
            "target": target, "check": "icmp", "outcome": if answers { "reply" } else { "no-reply" }});
        if answers {
            event["values"] = json!({"rtt_ms": 1.0, "loss_pct": 0.0});
        }
        event
    };
    let mut daemon = Daemon::on_machine(&configuration, &inventory)?;
    daemon.start().await;
    let path = "/api/v1/intake/events";
    daemon.post(path, TOKEN, &sample("lab/rtr", Duration::from_secs(10), true)).await?;
    let mut times = Vec::new();
    for n in 0..HOSTS {
        for ago in [6, 4, 2] {
            let silent = sample(&format!("lab/d{n}"), Duration::from_secs(ago), false);
            let (status, body) = daemon.post(path, TOKEN, &silent).await?;
            anyhow::ensure!(status < 300, "{status}: {body}");
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        let before = arrivals.lock().expect("no holder panics").len();
        let answer = sample("lab/rtr", Duration::ZERO, true);
        let (status, body) = daemon.post(path, TOKEN, &answer).await?;
        anyhow::ensure!(status < 300, "{status}: {body}");
        let accepted = Instant::now();
        let asked = loop {
            if let Some(asked) = arrivals.lock().expect("no holder panics").get(before) {
                break *asked;
            }
            anyhow::ensure!(
                accepted.elapsed() < Duration::from_secs(20),
                "the desk is never asked"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        times.push(millis(asked.saturating_duration_since(accepted)));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "{:<58} {:>14}",
        "event that ends a hold to first request at the desk, p50",
        format!("{:.1} ms", at(&mut times, 0.5))
    );
    line(
        "event that ends a hold to first request at the desk, p99",
        at(&mut times, 0.99),
        "ms",
        250.0,
        "<",
    );
    daemon.stop().await;
    Ok(())
}

async fn start_on_a_million_events() -> Result<()> {
    const BATCH: usize = 4000;
    let source = format!(
        "[probe]\nenabled = false\n\n[[source]]\nname = \"lab\"\nkind = \"events\"\ntoken = \"{TOKEN}\"\n"
    );
    let mut daemon = Daemon::on_machine(&source, &devices(10))?;
    daemon.start().await;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let begun = Instant::now();
    for batch in 0..1_000_000 / BATCH {
        let mut body = String::new();
        for n in 0..BATCH {
            let (event, device) = (batch * BATCH + n, n % 10);
            let at = rfc3339(TWENTY_FOURTH + Duration::from_millis(8) * event as u32);
            writeln!(
                body,
                r#"{{"kind":"observation","at":"{at}","probe":"noc-1","target":"lab/d{device}","check":"icmp","outcome":"reply","values":{{"rtt_ms":1.92,"loss_pct":0.0}}}}"#
            )?;
        }
        loop {
            let answer = client
                .post(daemon.url("/api/v1/intake/events"))
                .bearer_auth(TOKEN)
                .header("content-type", "application/x-ndjson")
                .body(body.clone())
                .send()
                .await?;
            match answer.status().as_u16() {
                200..300 => {
                    let said: serde_json::Value = serde_json::from_str(&answer.text().await?)?;
                    anyhow::ensure!(said["accepted"] == BATCH, "{said}");
                    break;
                }
                503 | 429 => tokio::time::sleep(Duration::from_millis(200)).await,
                status => anyhow::bail!("{status}: {}", answer.text().await?),
            }
        }
    }
    println!(
        "{:<58} {:>14}",
        "a million observations through the intake, in batches",
        format!("{:.0}/s", 1e6 / begun.elapsed().as_secs_f64())
    );
    daemon.kill_9();
    let killed = time_to_listening(&mut daemon).await?;
    line("start to listening, a million events, after a kill", killed, "ms", 3000.0, "<");
    let begun = Instant::now();
    daemon.expect_ready(Duration::from_mins(5)).await;
    while daemon.metric("kentongan_core_last_event", &[]).await? < 1e6 {
        anyhow::ensure!(begun.elapsed() < Duration::from_mins(5), "the core never catches up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "{:<58} {:>14}",
        "  and to have caught up after that",
        format!("{:.0} ms", millis(begun.elapsed()))
    );
    daemon.stop().await;
    let stopped = time_to_listening(&mut daemon).await?;
    line("start to listening, a million events, after a stop", stopped, "ms", 3000.0, "<");
    daemon.stop().await;
    Ok(())
}

fn replay() -> Result<()> {
    const EVENTS: u32 = 1_000_000;
    let daemon = Daemon::on_machine("", &devices(2000))?;
    let mut text = String::with_capacity(180 * EVENTS as usize);
    for n in 0..EVENTS {
        let (device, round) = (n % 2000, n / 2000);
        let at = TWENTY_FOURTH
            + Duration::from_secs(20) * round
            + Duration::from_millis(10) * (device % 2000);
        // One device in two hundred is silent for ten rounds of a hundred.
        let silent = device % 200 == 7 && round % 100 < 10;
        let (outcome, values) = if silent {
            ("no-reply", "")
        } else {
            ("reply", r#","values":{"rtt_ms":1.92,"loss_pct":0.0}"#)
        };
        writeln!(
            text,
            r#"{{"kind":"observation","at":"{}","probe":"noc-1","target":"lab/d{device}","check":"icmp","outcome":"{outcome}"{values}}}"#,
            rfc3339(at)
        )?;
    }
    let file = daemon.home().join("million.ndjson");
    std::fs::write(&file, text)?;
    let file = file.to_str().context("a path in UTF-8")?;
    for (what, words, wanted) in [
        ("replay on one core, full output", &["replay", file][..], 300_000.0),
        ("replay on one core, --summary", &["replay", "--summary", file][..], 400_000.0),
    ] {
        let plain = daemon.command(words);
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", "0"]).arg(plain.get_program()).args(plain.get_args());
        pinned.current_dir(daemon.home()).stdout(std::process::Stdio::null());
        let begun = Instant::now();
        anyhow::ensure!(pinned.status()?.success(), "replay fails");
        line(what, f64::from(EVENTS) / begun.elapsed().as_secs_f64(), "/s", wanted, ">");
    }
    Ok(())
}

/// So many devices on loopback, every one of which answers.
fn devices(count: u32) -> String {
    let mut text = String::new();
    for n in 0..count {
        let _ = write!(
            text,
            "[[device]]\nid = \"lab/d{n}\"\naddress = \"127.1.{}.{}\"\n\n",
            n / 250,
            1 + n % 250
        );
    }
    text
}

/// The value at this share of the sorted times.
fn at(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share).round() as usize]
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A time since 1970, as text.
fn rfc3339(since_1970: Duration) -> String {
    jiff::Timestamp::UNIX_EPOCH
        .saturating_add(since_1970)
        .map_or_else(|_| String::new(), |t| format!("{t:.3}"))
}
