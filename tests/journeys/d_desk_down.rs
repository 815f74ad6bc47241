//! D. Request Tracker is away for a minute while a site goes down: the other desk is not delayed,
//! everybody can see that a ticket is pending, and when it is back the ticket appears, once.

use crate::setting::{A_WHILE, AT_ONCE, Setting, list};
use journeys::room::Need;
use journeys::{Daemon, Room, wait};
use serde_json::Value;
use std::time::{Duration, Instant};

const AWAY: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn d_the_desk_is_away_for_a_minute() {
    let Some(room) = Room::enter("D", &[Need::Root, Need::Namespaces, Need::Snmpd, Need::Rt])
    else {
        return;
    };
    let mut setting =
        Setting::new(&room, "[[desk]]\nname = \"own\"\nkind = \"builtin\"\nnote_every = \"0s\"\n")
            .await;
    setting.start_and_settle().await;

    setting.rt.stop();
    setting.proxy.refuse().await;
    let gone = Instant::now();
    setting.net.cut("semarang");
    let own = wait::within(AT_ONCE, "the ticket on the other desk", async || {
        let own = tickets_on(&setting.daemon, "own").await?.pop().unwrap_or_default();
        anyhow::ensure!(own["told"] == "told", "{own}");
        Ok(own)
    })
    .await;
    assert_eq!(own["priority"], "P1", "{own}");

    let pending = wait::within(AT_ONCE, "the ticket that is pending", async || {
        let rt = tickets_on(&setting.daemon, "rt").await?.pop().unwrap_or_default();
        anyhow::ensure!(rt["told"] == "pending", "{rt}");
        Ok(rt)
    })
    .await;
    assert!(!pending["reason"].as_str().unwrap_or_default().is_empty(), "it says why: {pending}");
    let status = setting.daemon.get("/api/v1/status").await.expect("the status");
    let desk = list(&status["desks"]).into_iter().find(|d| d["name"] == "rt").expect("the desk");
    assert_eq!(desk["waiting"].as_u64(), Some(1), "the board says so: {desk}");

    tokio::time::sleep(AWAY.saturating_sub(gone.elapsed())).await;
    assert_eq!(setting.rt.tickets().expect("tickets").len(), 0);
    setting.rt.start();
    setting.proxy.accept().await.expect("the door opens again");
    let ticket = setting.rt.expect_ticket(AT_ONCE).await;
    setting.rt.expect_no_more_tickets(A_WHILE).await;
    assert_eq!(tickets_on(&setting.daemon, "own").await.expect("tickets").len(), 1);

    setting.net.mend("semarang");
    setting.rt.expect_status(ticket.id, &["resolved"], AT_ONCE).await;
    setting.daemon.stop().await;
}

async fn tickets_on(daemon: &Daemon, desk: &str) -> anyhow::Result<Vec<Value>> {
    let tickets = list(&daemon.get("/api/v1/tickets").await?);
    Ok(tickets.into_iter().filter(|t| t["desk"] == desk).collect())
}
