//! SIGHUP takes a new configuration when it is right, and keeps the old one, saying so, when it is not.

use crate::setting::list;
use journeys::{Daemon, Room, wait};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_changes_nothing() {
    let Some(_room) = Room::enter("reload", &[]) else { return };
    let inventory = "[[device]]\nid = \"lab/here\"\naddress = \"127.0.0.1\"\n";
    let mut daemon = Daemon::on_machine("", inventory).expect("the daemon can be installed");
    daemon.start().await;
    expect_targets(&daemon, &["lab/here"]).await;

    let file = daemon.home().join("inventory.toml");
    std::fs::write(
        &file,
        format!("{inventory}\n[[device]]\nid = \"lab/there\"\nadress = \"127.0.0.2\"\n"),
    )
    .expect("the inventory can be written");
    daemon.reload();
    wait::within(SOON, "the daemon to say what is wrong", async || {
        anyhow::ensure!(daemon.log().contains("adress"), "it says nothing of the key");
        Ok::<_, anyhow::Error>(())
    })
    .await;
    expect_targets(&daemon, &["lab/here"]).await;

    std::fs::write(
        &file,
        format!("{inventory}\n[[device]]\nid = \"lab/there\"\naddress = \"127.0.0.2\"\n"),
    )
    .expect("the inventory can be written");
    daemon.reload();
    expect_targets(&daemon, &["lab/here", "lab/there"]).await;
    daemon.stop().await;
}

async fn expect_targets(daemon: &Daemon, wanted: &[&str]) {
    wait::within(SOON, "the targets", async || {
        let targets = list(&daemon.get("/api/v1/targets").await?);
        let mut ids: Vec<_> = targets.iter().filter_map(|t| t["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        anyhow::ensure!(ids == wanted, "{ids:?}");
        Ok::<_, anyhow::Error>(())
    })
    .await;
}
