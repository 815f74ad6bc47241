//! A. A fibre is cut, one ticket stands in a real Request Tracker; it is spliced, the ticket is
//! resolved; it is cut again within the reopen window, the same ticket is open again. Then E on
//! what the journal kept of it. Once with each journal.

use crate::e_replay::expect_the_same_decisions;
use crate::setting::{A_WHILE, AT_ONCE, Setting, expect_no_secret};
use journeys::Room;
use journeys::daemon::API_TOKEN;
use journeys::nats::Nats;
use journeys::network;
use journeys::room::Need;
use journeys::wait;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_fibre_on_the_embedded_journal() {
    let Some(room) =
        Room::enter("A (embedded), E", &[Need::Root, Need::Namespaces, Need::Snmpd, Need::Rt])
    else {
        return;
    };
    cut_splice_and_cut_again(Setting::new(&room, "").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_fibre_on_nats() {
    let Some(room) = Room::enter(
        "A (NATS), E",
        &[Need::Root, Need::Namespaces, Need::Snmpd, Need::Rt, Need::Nats],
    ) else {
        return;
    };
    // The wire between the machine and the NOC comes with the network; NATS listens on every one.
    let nats = Nats::start([0, 0, 0, 0].into()).expect("nats-server runs");
    let url = nats.url().replace("0.0.0.0", &network::MACHINE.to_string());
    let journal = format!("[journal]\nkind = \"nats\"\n\n[journal.nats]\nurl = \"{url}\"\n");
    cut_splice_and_cut_again(Setting::new(&room, &journal).await).await;
}

async fn cut_splice_and_cut_again(mut setting: Setting) {
    setting.start_and_settle().await;
    setting.rt.expect_no_more_tickets(A_WHILE / 4).await;

    let ticket = setting.expect_the_cut_of_semarang().await;
    setting.rt.expect_no_more_tickets(A_WHILE).await;

    setting.net.mend("semarang");
    setting.rt.expect_status(ticket.id, &["resolved"], AT_ONCE).await;
    setting.rt.expect_no_more_tickets(A_WHILE / 2).await;

    setting.net.cut("semarang");
    setting.rt.expect_status(ticket.id, &["open", "new"], AT_ONCE).await;
    setting.rt.expect_no_more_tickets(A_WHILE).await;

    setting.net.mend("semarang");
    setting.rt.expect_status(ticket.id, &["resolved"], AT_ONCE).await;
    assert_eq!(
        setting.rt.tickets().expect("tickets").len(),
        1,
        "one cause, one ticket, however often it came back"
    );

    // RT writes a ticket's history a moment after its row.
    wait::within(Duration::from_secs(3), "the history of the ticket", async || {
        let history = setting.rt.history(ticket.id)?;
        let times = |what: &str, new: Option<&str>| {
            history.iter().filter(|line| line.what == what && line.new.as_deref() == new).count()
        };
        let seen = (times("Create", None), times("Status", Some("resolved")));
        anyhow::ensure!(seen == (1, 2), "created and resolved {seen:?} times: {history:#?}");
        Ok::<_, anyhow::Error>(())
    })
    .await;

    expect_no_secret(&setting.daemon, &[setting.rt.token(), network::COMMUNITY, API_TOKEN]).await;
    setting.daemon.stop().await;
    expect_the_same_decisions(&setting.daemon);
}
