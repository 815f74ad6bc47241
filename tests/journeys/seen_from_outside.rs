//! What those who watch the watcher hear: the service manager (ready, alive, stopping) and the one
//! who expects our heartbeat.

use axum::routing::get;
use journeys::{Daemon, Room, wait};
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const INVENTORY: &str = "[[device]]\nid = \"lab/here\"\naddress = \"127.0.0.1\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_service_manager_hears_ready_alive_and_stopping() {
    let Some(_room) = Room::enter("service manager", &[]) else { return };
    let mut daemon = Daemon::on_machine("", INVENTORY).expect("the daemon can be installed");
    let path = daemon.home().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    daemon.set("NOTIFY_SOCKET", path.to_str().expect("a path in UTF-8"));
    daemon.set("WATCHDOG_USEC", "2000000");
    // A service manager always listens; so does this one.
    let said = Arc::new(Mutex::new(Vec::new()));
    let ear = said.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n) = socket.recv(&mut buffer) {
            let words = String::from_utf8_lossy(&buffer[..n]).into_owned();
            ear.lock().expect("no holder panics").extend(words.lines().map(str::to_owned));
        }
    });
    let hear = |word: &str| {
        let said = said.lock().expect("no holder panics");
        anyhow::ensure!(said.iter().any(|line| line == word), "so far: {said:?}");
        Ok::<_, anyhow::Error>(())
    };

    daemon.start().await;
    wait::within(Duration::from_secs(5), "READY=1", async || hear("READY=1")).await;
    wait::within(Duration::from_secs(5), "WATCHDOG=1", async || hear("WATCHDOG=1")).await;
    daemon.stop().await;
    wait::within(Duration::from_secs(1), "STOPPING=1", async || hear("STOPPING=1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heartbeat_comes_while_the_whole_way_works() {
    let Some(_room) = Room::enter("heartbeat", &[]) else { return };
    let beats = Arc::new(AtomicU32::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/beat", listener.local_addr().expect("an address"));
    let count = beats.clone();
    let beat = move || async move { count.fetch_add(1, Ordering::SeqCst).to_string() };
    let app = axum::Router::new().route("/beat", get(beat.clone()).post(beat));
    tokio::spawn(async move { axum::serve(listener, app).await });

    let mut daemon = Daemon::on_machine("", INVENTORY).expect("the daemon can be installed");
    // Given in the environment, as every setting can be.
    daemon.set("KENTONGAN__INSTANCE__HEARTBEAT_URL", &url);
    daemon.set("KENTONGAN__INSTANCE__HEARTBEAT_EVERY", "1s");
    daemon.start().await;
    wait::within(Duration::from_secs(15), "three heartbeats", async || {
        let heard = beats.load(Ordering::SeqCst);
        anyhow::ensure!(heard >= 3, "{heard} heartbeats");
        Ok::<_, anyhow::Error>(())
    })
    .await;
    daemon.kill_9();
    let at_death = beats.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(beats.load(Ordering::SeqCst), at_death, "and none from the dead");
}
