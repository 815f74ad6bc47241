//! Forty incidents on a real desk, each through its whole life, while a proxy loses answers, fails,
//! dawdles and cuts answers short, and the daemon is killed in between: counted in the desk's own
//! database there is one ticket each, in the right state, with the right priority and each note once.
//!
//! `KENTONGAN_SOAK` makes it two hundred. `KENTONGAN_SEED` repeats the moments of the kills.

use crate::setting::{Dice, list};
use journeys::room::Need;
use journeys::{Daemon, Proxy, Redmine, RequestTracker, Room, Znuny, redmine, rt, wait, znuny};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

const TOKEN: &str = "token-of-the-lab";

/// One request in so many meets a fault.
const FAULT_EVERY: usize = 5;

/// How long the desk may take, in bad weather, to show what all incidents ask for, for each of them.
const FOR_EACH: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn bad_weather_over_request_tracker() {
    let Some(_room) = Room::enter("bad weather, RT", &[Need::Root, Need::Rt]) else { return };
    weather(&Desk::Rt(RequestTracker::open().expect("Request Tracker runs"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_weather_over_redmine() {
    let Some(_room) = Room::enter("bad weather, Redmine", &[Need::Root, Need::Redmine]) else {
        return;
    };
    weather(&Desk::Redmine(Redmine::open().expect("Redmine runs"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_weather_over_znuny() {
    let Some(_room) = Room::enter("bad weather, Znuny", &[Need::Root, Need::Znuny]) else { return };
    weather(&Desk::Znuny(Znuny::open().expect("Znuny runs"))).await;
}

/// A desk whose database we can read.
enum Desk {
    Rt(RequestTracker),
    Redmine(Redmine),
    Znuny(Znuny),
}

/// A ticket as the database has it, in our words.
#[derive(Debug)]
struct Shown {
    id: i64,
    key: Option<String>,
    open: bool,
    priority: &'static str,
    /// Everything that is written on it.
    text: String,
}

impl Desk {
    const fn address(&self) -> &'static str {
        match self {
            Desk::Rt(_) => rt::ADDRESS,
            Desk::Redmine(_) => redmine::ADDRESS,
            Desk::Znuny(_) => znuny::ADDRESS,
        }
    }

    fn table(&self, url: &str) -> String {
        let (kind, queue, login) = match self {
            Desk::Rt(rt) => ("rt", "Network", format!("token = \"{}\"", rt.token())),
            Desk::Redmine(r) => ("redmine", "network", format!("token = \"{}\"", r.token())),
            Desk::Znuny(_) => ("znuny", "Network", znuny::LOGIN.to_owned()),
        };
        // Where it lies below the address.
        let folder = if kind == "znuny" { znuny::FOLDER } else { "" };
        format!(
            "[[desk]]\nname = \"desk\"\nkind = \"{kind}\"\nurl = \"{url}{folder}\"\n{login}\nqueue = \"{queue}\"\n\
             timeout = \"5s\"\nvisibility_delay = \"500ms\"\ncommit_delay = \"1s\"\nretry_max = \"2s\"\nnote_every = \"0s\"\nper_minute = 6000\n"
        )
    }

    fn shown(&self) -> anyhow::Result<Vec<Shown>> {
        match self {
            Desk::Rt(rt) => rt
                .tickets()?
                .into_iter()
                .map(|t| {
                    let priority = match t.priority {
                        100 => "P1",
                        50 => "P2",
                        0 => "P3",
                        _ => "none of ours",
                    };
                    let open = t.status != "resolved";
                    Ok(Shown { id: t.id, key: t.key, open, priority, text: rt.text(t.id)? })
                })
                .collect(),
            Desk::Redmine(redmine) => {
                let shown = redmine.issues()?.into_iter().map(|i| {
                    let priority = match i.priority.as_str() {
                        "Urgent" => "P1",
                        "High" => "P2",
                        "Normal" => "P3",
                        _ => "none of ours",
                    };
                    let text = format!("{}\n{}", i.text, i.notes.join("\n"));
                    Shown { id: i.id, key: i.key, open: i.status != "Closed", priority, text }
                });
                Ok(shown.collect())
            }
            Desk::Znuny(znuny) => {
                let shown = znuny.tickets()?.into_iter().map(|t| {
                    let priority = match t.priority.as_str() {
                        "5 very high" => "P1",
                        "4 high" => "P2",
                        "3 normal" => "P3",
                        _ => "none of ours",
                    };
                    let open = t.state != "closed successful";
                    Shown { id: t.id, key: t.key, open, priority, text: t.articles.join("\n") }
                });
                Ok(shown.collect())
            }
        }
    }
}

async fn weather(desk: &Desk) {
    let soak = std::env::var_os("KENTONGAN_SOAK").is_some_and(|v| v != "0" && !v.is_empty());
    let many: usize = if soak { 200 } else { 40 };
    let upstream = desk.address().parse().expect("an address");
    let proxy = Proxy::start([127, 0, 0, 1].into(), upstream).await.expect("the proxy listens");
    let configuration = format!(
        "[probe]\nenabled = false\n\n[correlator]\nreopen_within = \"1h\"\n\n\
         [[source]]\nname = \"lab\"\nkind = \"events\"\ntoken = \"{TOKEN}\"\n\n{}",
        desk.table(&proxy.url())
    );
    let mut inventory = String::new();
    for n in 1..=many {
        write!(
            inventory,
            "[[device]]\nid = \"lab/d{n:03}\"\naddress = \"127.0.0.1\"\ncriticality = \"vital\"\nchecks = []\n\n"
        )
        .expect("writing to a string");
    }
    let mut daemon =
        Daemon::on_machine(&configuration, &inventory).expect("the daemon can be installed");
    let mut dice = Dice::new();
    let started = Instant::now();
    daemon.start().await;
    proxy.bad_weather(FAULT_EVERY);
    let patience = FOR_EACH * u32::try_from(many).expect("a small number");

    tell_all(&daemon, many, "problem").await;
    let mut ids = BTreeMap::new();
    wait::within(Duration::from_secs(30), "an incident for each problem", async || {
        let incidents = list(&daemon.get("/api/v1/incidents?state=all&limit=500").await?);
        ids = incidents.iter().map(|i| (id_of(i), i["root"].to_string())).collect();
        anyhow::ensure!(ids.len() == many, "{} incidents", ids.len());
        Ok::<_, anyhow::Error>(())
    })
    .await;
    kill_and_settle(&mut daemon, desk, &mut dice, many, true, patience).await;
    eprintln!("{:?}: {many} tickets are open", started.elapsed());

    for id in ids.keys() {
        let note =
            json!({ "by": "sari", "text": format!("Catatan untuk {id}: teknisi berangkat.") });
        daemon.act(id, "note", &note).await;
        let priority = json!({ "by": "sari", "priority": "P1", "reason": "pimpinan meminta" });
        daemon.act(id, "reprioritise", &priority).await;
    }
    kill_and_settle(&mut daemon, desk, &mut dice, many, true, patience).await;
    eprintln!("{:?}: noted, and of another priority", started.elapsed());

    for (state, open) in [("ok", false), ("problem", true), ("ok", false)] {
        tell_all(&daemon, many, state).await;
        kill_and_settle(&mut daemon, desk, &mut dice, many, open, patience).await;
        eprintln!(
            "{:?}: every ticket is {}",
            started.elapsed(),
            if open { "open" } else { "resolved" }
        );
    }

    let faults = proxy.fair_weather();
    eprintln!(
        "faults met: {faults:?}; {} requests, {} starts",
        proxy.requests().len(),
        daemon.starts
    );
    assert!(
        faults.values().all(|n| *n > 0) && faults.len() == 5,
        "every kind of fault: {faults:?}"
    );
    examine(&daemon, desk, &ids).await;
    daemon.stop().await;
    daemon.cli(&["journal", "verify"]);
}

/// One ticket for each incident, as its incident is, and each note once.
async fn examine(daemon: &Daemon, desk: &Desk, ids: &BTreeMap<String, String>) {
    let incidents = list(&daemon.get("/api/v1/incidents?state=all&limit=500").await.expect("them"));
    assert_eq!(incidents.len(), ids.len(), "a reopened incident is the same one");
    let priorities: BTreeMap<String, Value> =
        incidents.iter().map(|i| (id_of(i), i["priority"].clone())).collect();
    let tickets = list(&daemon.get("/api/v1/tickets?limit=500").await.expect("them"));
    let by_key: BTreeMap<&str, &str> = tickets
        .iter()
        .filter_map(|t| Some((t["key"].as_str()?, t["incident"].as_str()?)))
        .collect();
    let shown = desk.shown().expect("the database can be read");
    assert_eq!(shown.len(), ids.len(), "one ticket each");
    let mut seen = BTreeSet::new();
    for ticket in &shown {
        let key = ticket.key.as_deref().expect("each ticket has its key");
        let id = by_key[key];
        assert!(seen.insert(id), "incident {id} has two tickets");
        assert!(!ticket.open, "{ticket:?}");
        assert_eq!(priorities[id], ticket.priority, "{ticket:?}");
        assert_eq!(ticket.text.matches(&format!("[kent:{key}]")).count(), 1, "{ticket:?}");
        assert_eq!(ticket.text.matches(&format!("Catatan untuk {id}: ")).count(), 1, "{ticket:?}");
        let operations: Vec<&str> = ticket
            .text
            .split("[kent-op:")
            .skip(1)
            .filter_map(|rest| rest.split(']').next())
            .collect();
        let once: BTreeSet<&&str> = operations.iter().collect();
        assert_eq!(once.len(), operations.len(), "a note is there twice: {ticket:?}");
        // The person's note, the priority, resolved, open again, resolved.
        assert!(operations.len() >= 5, "{ticket:?}");
    }
}

/// Kills the daemon twice while it is at it, then waits until the desk shows what it should.
async fn kill_and_settle(
    daemon: &mut Daemon,
    desk: &Desk,
    dice: &mut Dice,
    many: usize,
    open: bool,
    patience: Duration,
) {
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(dice.between(300, 3000))).await;
        daemon.kill_9();
        daemon.start().await;
    }
    wait::within(patience, "the desk to show what it should", async || {
        let shown = desk.shown()?;
        let so = shown.iter().filter(|t| t.open == open).count();
        let more: Vec<i64> = shown.iter().skip(many).map(|t| t.id).collect();
        assert!(more.is_empty(), "more tickets than incidents: {more:?}");
        anyhow::ensure!(so == many, "{so} of {many} tickets are so");
        let tickets = list(&daemon.get("/api/v1/tickets?limit=500").await?);
        let told = tickets.iter().filter(|t| t["told"] == "told").count();
        anyhow::ensure!(told == many, "{told} of {many} are told");
        let status = daemon.get("/api/v1/status").await?;
        let waiting = list(&status["desks"]).first().map(|d| d["waiting"].clone());
        anyhow::ensure!(waiting == Some(json!(0)), "waiting: {waiting:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await;
}

async fn tell_all(daemon: &Daemon, many: usize, state: &str) {
    for n in 1..=many {
        daemon.signal(TOKEN, &format!("k{n}"), &format!("lab/d{n:03}"), state).await;
    }
}

fn id_of(incident: &Value) -> String {
    incident["id"].as_str().expect("an incident has an id").to_owned()
}
