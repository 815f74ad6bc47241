//! B. A real Zabbix, with the media type that we ship, tells of a problem and of its end; a problem
//! that is delivered twice is still one ticket.

use journeys::room::Need;
use journeys::zabbix::Zabbix;
use journeys::{Daemon, Proxy, RequestTracker, Room, rt, wait};
use std::time::Duration;

const TOKEN: &str = "token-of-the-zabbix-source";
const HOST: &str = "sw-journeys";

/// Zabbix's own way takes a few seconds before it calls.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn b_zabbix_problem_and_recovery() {
    let Some(_room) = Room::enter("B", &[Need::Root, Need::Zabbix, Need::Rt]) else { return };
    let rt = RequestTracker::open().expect("Request Tracker runs");
    let to_rt = Proxy::start([127, 0, 0, 1].into(), rt::ADDRESS.parse().expect("an address"))
        .await
        .expect("a proxy");
    let configuration = format!(
        "[probe]\nenabled = false\n\n[[source]]\nname = \"zabbix\"\nkind = \"zabbix\"\ntoken = \"{TOKEN}\"\n\n\
         [[desk]]\nname = \"rt\"\nkind = \"rt\"\nurl = \"{}\"\ntoken = \"{}\"\nqueue = \"Network\"\nkey_field = \"AlertKey\"\nnote_every = \"0s\"\n",
        to_rt.url(),
        rt.token()
    );
    let inventory = format!(
        "[[site]]\nid = \"semarang\"\n\n[[device]]\nid = \"semarang/core-sw1\"\naddress = \"127.0.0.1\"\nclass = \"switch\"\n\
         criticality = \"vital\"\naliases = [\"{HOST}\"]\nchecks = []\n"
    );
    let mut daemon =
        Daemon::on_machine(&configuration, &inventory).expect("the daemon can be installed");
    daemon.start().await;
    let (status, body) = daemon
        .post("/api/v1/intake/zabbix", "not the token", &serde_json::json!({}))
        .await
        .expect("an answer");
    assert_eq!(status, 401, "{body}");

    // Between Zabbix and us stands a proxy that loses an answer: Zabbix then delivers the same problem again.
    let daemon_address = daemon.url("").trim_start_matches("http://").parse().expect("an address");
    let to_daemon = Proxy::start([127, 0, 0, 1].into(), daemon_address).await.expect("a proxy");
    let zabbix = Zabbix::start().await.expect("Zabbix runs");
    zabbix.provision(HOST, &to_daemon.url(), TOKEN).await.expect("Zabbix is set up");

    to_daemon.swallow_next("POST", "/api/v1/intake/zabbix");
    zabbix.send(HOST, 1).await.expect("a value");
    let ticket = rt.expect_ticket(SOON).await;
    let text = rt.text(ticket.id).expect("text");
    assert!(text.contains("Link down") && text.contains("semarang/core-sw1"), "{text}");

    wait::within(SOON, "Zabbix to deliver the problem twice", async || {
        let delivered = to_daemon
            .requests()
            .iter()
            .filter(|r| r.method == "POST" && r.status.is_some_and(|s| s < 300))
            .count();
        anyhow::ensure!(delivered >= 2, "{delivered} deliveries");
        Ok::<_, anyhow::Error>(())
    })
    .await;
    rt.expect_no_more_tickets(Duration::from_secs(5)).await;
    let duplicates = daemon.metric("kentongan_verdicts_total", &["duplicate"]).await.unwrap_or(0.0);
    assert!(duplicates >= 1.0, "the second delivery is a duplicate, and says so");

    zabbix.send(HOST, 0).await.expect("a value");
    let resolved = rt.expect_status(ticket.id, &["resolved"], SOON).await;
    assert_eq!(resolved.key, ticket.key);
    rt.expect_no_more_tickets(Duration::from_secs(3)).await;
    daemon.stop().await;
}
