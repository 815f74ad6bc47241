//! C. The daemon is killed at random moments, also between the desk doing what it was asked and us
//! hearing of it, and started again each time: one ticket a cycle, none left open.
//!
//! `KENTONGAN_SEED` repeats the moments of a run; a run prints its seed.

use crate::setting::{A_WHILE, Dice, Setting, list};
use journeys::room::Need;
use journeys::{Room, wait};
use std::time::Duration;

const KILLS_IN_A_CYCLE: u32 = 5;

/// After the last of its kills the daemon has to look at everything again before it may say anything.
const AFTER_A_KILL: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread")]
async fn c_killed_at_random_moments() {
    let Some(room) = Room::enter("C", &[Need::Root, Need::Namespaces, Need::Snmpd, Need::Rt])
    else {
        return;
    };
    let soak = std::env::var_os("KENTONGAN_SOAK").is_some_and(|v| v != "0" && !v.is_empty());
    let cycles = std::env::var("KENTONGAN_CYCLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(if soak { 50 } else { 10 });
    let mut setting =
        Setting::new(&room, "[correlator]\nreopen_within = \"0s\"\nflap_start = 0\n").await;
    setting.start_and_settle().await;
    let mut dice = Dice::new();
    let mut tickets = Vec::new();

    for cycle in 1..=cycles {
        setting.rt.mark_now().expect("the database can be read");
        let mut kills = Vec::new();

        // Every other cycle loses the answer to the create, the rest lose the one to the resolve.
        let lose_create = cycle % 2 == 1;
        if lose_create {
            setting.proxy.swallow_next("POST", "/REST/2.0/ticket");
        }
        setting.net.cut("semarang");
        for kill in 1..=KILLS_IN_A_CYCLE - 2 {
            let moment = dice.between(200, 6000);
            if lose_create && kill == 1 {
                kills
                    .push(kill_when_an_answer_is_lost(&mut setting, Duration::from_secs(25)).await);
            } else {
                kills.push(kill_after(&mut setting, moment, &mut dice).await);
            }
        }
        setting.proxy.swallow_nothing();
        let ticket = setting.rt.expect_ticket(AFTER_A_KILL).await;

        if !lose_create {
            setting.proxy.swallow_next("PUT", "/REST/2.0/ticket/*");
        }
        setting.net.mend("semarang");
        for kill in 1..=2 {
            let moment = dice.between(200, 5000);
            if !lose_create && kill == 1 {
                kills
                    .push(kill_when_an_answer_is_lost(&mut setting, Duration::from_secs(25)).await);
            } else {
                kills.push(kill_after(&mut setting, moment, &mut dice).await);
            }
        }
        setting.proxy.swallow_nothing();
        setting.rt.expect_status(ticket.id, &["resolved"], AFTER_A_KILL).await;
        setting.rt.expect_no_more_tickets(Duration::from_secs(2)).await;
        eprintln!(
            "cycle {cycle} of {cycles}: ticket {} is the only one; killed {}",
            ticket.id,
            kills.join(", ")
        );
        tickets.push(ticket.id);
    }

    setting.rt.expect_no_more_tickets(A_WHILE).await;
    let open: Vec<_> = setting
        .rt
        .tickets()
        .expect("tickets")
        .into_iter()
        .filter(|t| t.status != "resolved")
        .collect();
    assert!(open.is_empty(), "left open after recovery: {open:#?}");
    tickets.dedup();
    assert_eq!(tickets.len(), cycles as usize);
    setting.daemon.expect_ready(Duration::from_secs(30)).await;
    wait::within(Duration::from_secs(20), "every incident to be over", async || {
        let incidents = list(&setting.daemon.get("/api/v1/incidents?state=all&limit=500").await?);
        let failing: Vec<_> = incidents.iter().filter(|i| i["condition"] == "failing").collect();
        anyhow::ensure!(failing.is_empty(), "{failing:#?}");
        Ok::<_, anyhow::Error>(())
    })
    .await;
    setting.daemon.stop().await;
    setting.daemon.cli(&["journal", "verify"]);
}

async fn kill_when_an_answer_is_lost(setting: &mut Setting, patience: Duration) -> String {
    let lost = tokio::time::timeout(patience, setting.proxy.swallowed()).await.is_ok();
    setting.daemon.kill_9();
    setting.daemon.spawn();
    if lost {
        "after a lost answer".into()
    } else {
        "without the answer that should be lost".into()
    }
}

async fn kill_after(setting: &mut Setting, moment_ms: u64, dice: &mut Dice) -> String {
    tokio::time::sleep(Duration::from_millis(moment_ms)).await;
    setting.daemon.kill_9();
    setting.daemon.spawn();
    // Sometimes the next kill comes while it is still starting.
    if dice.between(0, 3) > 0 {
        setting.daemon.expect_ready(Duration::from_secs(30)).await;
    }
    format!("after {moment_ms} ms")
}
