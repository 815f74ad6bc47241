//! A person works at a real desk, by its own API, and the incident follows within one poll: they take
//! the ticket, write a note, choose another priority, close it while the failure lasts, delete it,
//! merge it. What they chose stays, what we wrote ourselves is no news, and nothing is said twice.

use crate::setting::list;
use journeys::person::Person;
use journeys::room::Need;
use journeys::{Daemon, Redmine, RequestTracker, Room, redmine, rt, wait};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const TOKEN: &str = "token-of-the-lab";

/// How often the desk is asked; by default it would be 30 s.
const POLL: Duration = Duration::from_secs(5);

/// One poll, and what two requests and the way through the journal take on a busy machine.
const WITHIN: Duration = Duration::from_secs(9);

/// When a ticket is opened again that was closed while the failure lasts.
const REOPEN_AFTER: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn people_at_request_tracker_are_heard() {
    let Some(_room) = Room::enter("two ways, RT", &[Need::Root, Need::Rt]) else { return };
    let desk = Desk::Rt(RequestTracker::open().expect("Request Tracker runs"));
    two_ways(&desk, &Person::at_rt()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_at_redmine_are_heard() {
    let Some(_room) = Room::enter("two ways, Redmine", &[Need::Root, Need::Redmine]) else {
        return;
    };
    let desk = Desk::Redmine(Redmine::open().expect("Redmine runs"));
    let sari = Person::at_redmine().await.expect("sari works at Redmine");
    two_ways(&desk, &sari).await;
}

/// A desk whose database we can read.
enum Desk {
    Rt(RequestTracker),
    Redmine(Redmine),
}

/// A ticket as the database has it.
#[derive(Debug)]
struct Shown {
    open: bool,
    priority: String,
    text: String,
}

impl Desk {
    fn table(&self) -> String {
        let (kind, queue, token, at) = match self {
            Desk::Rt(rt) => ("rt", "Network", rt.token(), rt::ADDRESS),
            Desk::Redmine(redmine) => ("redmine", "network", redmine.token(), redmine::ADDRESS),
        };
        format!(
            "[[desk]]\nname = \"desk\"\nkind = \"{kind}\"\nurl = \"http://{at}\"\ntoken = \"{token}\"\nqueue = \"{queue}\"\n\
             visibility_delay = \"500ms\"\nnote_every = \"0s\"\npoll = \"{}s\"\nreopen_after = \"{}s\"\n",
            POLL.as_secs(),
            REOPEN_AFTER.as_secs(),
        )
    }

    fn shown(&self, ticket: i64) -> anyhow::Result<Shown> {
        let there = || anyhow::anyhow!("ticket {ticket} is not there");
        match self {
            Desk::Rt(rt) => {
                let t = rt.tickets()?.into_iter().find(|t| t.id == ticket).ok_or_else(there)?;
                let open = !matches!(t.status.as_str(), "resolved" | "deleted");
                let priority = match t.priority {
                    100 => "P1",
                    50 => "P2",
                    _ => "P3",
                };
                Ok(Shown { open, priority: priority.into(), text: rt.text(ticket)? })
            }
            Desk::Redmine(redmine) => {
                let i = redmine.issues()?.into_iter().find(|i| i.id == ticket).ok_or_else(there)?;
                let priority = match i.priority.as_str() {
                    "Urgent" => "P1",
                    "High" => "P2",
                    _ => "P3",
                };
                let text = format!("{}\n{}", i.text, i.notes.join("\n"));
                Ok(Shown { open: i.status != "Closed", priority: priority.into(), text })
            }
        }
    }
}

async fn two_ways(desk: &Desk, person: &Person) {
    let configuration = format!(
        "[probe]\nenabled = false\n\n[[source]]\nname = \"lab\"\nkind = \"events\"\ntoken = \"{TOKEN}\"\n\n{}",
        desk.table()
    );
    let inventory: String = ["a", "b", "c", "d"]
        .map(|n| {
            format!("[[device]]\nid = \"lab/{n}\"\naddress = \"127.0.0.1\"\ncriticality = \"vital\"\nchecks = []\n\n")
        })
        .concat();
    let mut daemon =
        Daemon::on_machine(&configuration, &inventory).expect("the daemon can be installed");
    daemon.start().await;

    taken_noted_and_given_a_priority(&daemon, desk, person).await;
    closed_while_it_lasts(&mut daemon, desk, person).await;
    deleted(&daemon, desk, person).await;
    if let Desk::Rt(_) = desk {
        merged(&daemon, desk, person).await;
    }
    daemon.stop().await;
    daemon.cli(&["journal", "verify"]);
}

async fn taken_noted_and_given_a_priority(daemon: &Daemon, desk: &Desk, person: &Person) {
    let (id, ticket) = ticket_for(daemon, "a").await;
    let began = Instant::now();
    person.take(ticket).await.expect("they take it");
    follows(daemon, &id, "it is theirs", |i| {
        i["incident"]["work"] == "assigned" && i["incident"]["acknowledged_by"] == person.name()
    })
    .await;
    eprintln!("taken: {:?}", began.elapsed());

    let began = Instant::now();
    person.note(ticket, "Teknisi sudah di lokasi, 15 menit lagi.").await.expect("they write");
    follows(daemon, &id, "their note", |i| {
        i.to_string().contains("Teknisi sudah di lokasi, 15 menit lagi.")
    })
    .await;
    eprintln!("noted: {:?}", began.elapsed());

    assert_eq!(desk.shown(ticket).expect("it").priority, "P2");
    let began = Instant::now();
    person.prioritise(ticket, true).await.expect("they choose");
    follows(daemon, &id, "their priority", |i| i["incident"]["priority"] == "P1").await;
    eprintln!("given a priority: {:?}", began.elapsed());

    // Somebody at the console wants another one: theirs stays at the desk, and a note says so.
    let body = json!({ "by": "budi", "priority": "P3", "reason": "sudah ada jalur cadangan" });
    daemon.act(&id, "reprioritise", &body).await;
    wait::within(WITHIN, "the note about it", async || {
        let shown = desk.shown(ticket)?;
        anyhow::ensure!(shown.text.matches("[kent-op:").count() == 1, "{shown:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await;
    wait::throughout(POLL * 2, "their priority stays", async || {
        let shown = desk.shown(ticket)?;
        anyhow::ensure!(shown.priority == "P1" && shown.open, "{shown:?}");
        anyhow::ensure!(shown.text.matches("[kent-op:").count() == 1, "{shown:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await;
    // Each thing was heard once, and our own note not at all.
    assert_eq!(heard(daemon, &id).await.len(), 3, "{:?}", heard(daemon, &id).await);

    tell(daemon, "a", "ok").await;
    wait::within(WITHIN, "the end", async || {
        anyhow::ensure!(!desk.shown(ticket)?.open, "it is open");
        Ok::<_, anyhow::Error>(())
    })
    .await;
}

async fn closed_while_it_lasts(daemon: &mut Daemon, desk: &Desk, person: &Person) {
    let (id, ticket) = ticket_for(daemon, "b").await;
    let closed = Instant::now();
    person.close(ticket).await.expect("they close it");
    follows(daemon, &id, "closed at the desk", |i| i.to_string().contains("menutup tiket")).await;
    eprintln!("closed: {:?}", closed.elapsed());
    wait::within(WITHIN, "the answer to them", async || {
        let shown = desk.shown(ticket)?;
        anyhow::ensure!(shown.text.contains("masih berlangsung"), "{shown:?}");
        anyhow::ensure!(!shown.open, "{shown:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await;
    // It is on record, so a death of the process in between is nothing.
    daemon.kill_9();
    daemon.start().await;
    wait::within(REOPEN_AFTER + WITHIN, "the ticket to be open again", async || {
        anyhow::ensure!(desk.shown(ticket)?.open, "it is closed");
        Ok::<_, anyhow::Error>(())
    })
    .await;
    eprintln!("open again: {:?}", closed.elapsed());
    assert!(closed.elapsed() >= REOPEN_AFTER);
    let shown = desk.shown(ticket).expect("it");
    assert_eq!(shown.text.matches("masih berlangsung").count(), 1, "once: {shown:?}");
    assert_eq!(heard(daemon, &id).await.len(), 1, "{:?}", heard(daemon, &id).await);
    tell(daemon, "b", "ok").await;
    wait::within(WITHIN, "the end", async || {
        anyhow::ensure!(!desk.shown(ticket)?.open, "it is open");
        Ok::<_, anyhow::Error>(())
    })
    .await;
}

async fn deleted(daemon: &Daemon, desk: &Desk, person: &Person) {
    let (id, ticket) = ticket_for(daemon, "c").await;
    let key = key_of(daemon, &id).await;
    let began = Instant::now();
    person.delete(ticket).await.expect("they delete it");
    follows(daemon, &id, "deleted at the desk", |i| i.to_string().contains("menghapus tiket"))
        .await;
    eprintln!("deleted: {:?}", began.elapsed());
    let successor = wait::within(WITHIN, "its successor", async || {
        let (_, successor) = ticket_of(daemon, "c").await?;
        // Not by its number: on SQLite, Redmine gives the one of an issue that was deleted again.
        anyhow::ensure!(key_of(daemon, &id).await != key, "still the one that was deleted");
        Ok::<_, anyhow::Error>(successor)
    })
    .await;
    assert!(desk.shown(successor).expect("it").open);
    tell(daemon, "c", "ok").await;
    wait::within(WITHIN, "the end", async || {
        anyhow::ensure!(!desk.shown(successor)?.open, "it is open");
        Ok::<_, anyhow::Error>(())
    })
    .await;
}

async fn merged(daemon: &Daemon, desk: &Desk, person: &Person) {
    let (id, ticket) = ticket_for(daemon, "d").await;
    let began = Instant::now();
    let into = person.merge_into_their_own(ticket).await.expect("they merge it");
    follows(daemon, &id, "merged at the desk", |i| i.to_string().contains("menggabung tiket"))
        .await;
    eprintln!("merged: {:?}", began.elapsed());
    assert_eq!(ticket_of(daemon, "d").await.expect("it").1, into);
    tell(daemon, "d", "ok").await;
    // What is to be said is said there; it is their ticket, and they close it.
    wait::within(WITHIN, "the end, as a note", async || {
        let shown = desk.shown(into)?;
        anyhow::ensure!(shown.text.contains("[kent-op:") && shown.open, "{shown:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await;
}

/// Waits until the incident is as `so` wants it: within one poll.
async fn follows(daemon: &Daemon, id: &str, what: &str, so: impl Fn(&Value) -> bool) {
    wait::within(WITHIN, what, async || {
        let incident = daemon.get(&format!("/api/v1/incidents/{id}")).await?;
        anyhow::ensure!(so(&incident), "{incident}");
        Ok::<_, anyhow::Error>(())
    })
    .await;
}

/// A problem, its incident, and its ticket once it is checked and settled.
async fn ticket_for(daemon: &Daemon, device: &str) -> (String, i64) {
    tell(daemon, device, "problem").await;
    let found = wait::within(Duration::from_secs(30), "the ticket", async || {
        let status = daemon.get("/api/v1/status").await?;
        anyhow::ensure!(list(&status["desks"])[0]["waiting"] == 0, "{}", status["desks"]);
        ticket_of(daemon, device).await
    })
    .await;
    // What is done in the second of its making has the same time as the making.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    found
}

async fn ticket_of(daemon: &Daemon, device: &str) -> anyhow::Result<(String, i64)> {
    let incidents = list(&daemon.get("/api/v1/incidents?state=all&limit=100").await?);
    let name = format!("lab/{device}");
    let incident = incidents.iter().find(|i| i["root"].to_string().contains(&name));
    let id = incident.and_then(|i| i["id"].as_str()).unwrap_or_default().to_owned();
    let tickets = list(&daemon.get("/api/v1/tickets?limit=100").await?);
    let ticket = tickets.iter().find(|t| t["incident"] == id.as_str() && t["told"] == "told");
    let number = ticket.and_then(|t| t["ticket"].as_str()).and_then(|t| t.parse().ok());
    number.map(|n| (id, n)).ok_or_else(|| anyhow::anyhow!("no ticket for {name}: {tickets:?}"))
}

/// The key under which the incident's ticket is found.
async fn key_of(daemon: &Daemon, id: &str) -> Value {
    let tickets = list(&daemon.get("/api/v1/tickets?limit=100").await.expect("the tickets"));
    tickets.iter().find(|t| t["incident"] == id).map_or(Value::Null, |t| t["key"].clone())
}

/// What the diary says of people at the desk.
async fn heard(daemon: &Daemon, id: &str) -> Vec<String> {
    let incident = daemon.get(&format!("/api/v1/incidents/{id}")).await.expect("the incident");
    let diary = list(&incident["diary"]);
    let lines = diary.iter().filter(|l| l["word"] == "desk");
    lines.map(|l| l["text"].to_string()).collect()
}

async fn tell(daemon: &Daemon, device: &str, state: &str) {
    daemon.signal(TOKEN, device, &format!("lab/{device}"), state).await;
}
