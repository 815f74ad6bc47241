//! The pieces of the world, tried by themselves: a journey that fails should mean the daemon.

use journeys::room::Need::{Namespaces, Nats, Root, Rt, Snmpd, Zabbix};
use journeys::{Network, Proxy, RequestTracker, Room, network, rt, shell};
use std::time::Duration;

const CREATE: &str = r#"{"Queue":"Network","Subject":"harness ä€","Content":"Kabel putus","ContentType":"text/plain","Priority":60,"CustomFields":{"AlertKey":"harness"}}"#;

fn answers(net: &Network, address: &str) -> bool {
    let mut ping = net.command_on("noc", "ping");
    ping.args(["-c", "1", "-W", "1", address]).output().is_ok_and(|o| o.status.success())
}

/// (oper, admin) of a port by its name, as the agent tells it.
fn port(net: &Network, agent: &str, name: &str) -> (String, String) {
    let walk = |column: &str| {
        let mut walk = net.command_on("noc", "snmpwalk");
        walk.args([
            "-v2c",
            "-c",
            network::COMMUNITY,
            "-t",
            "1",
            "-Oqv",
            agent,
            &format!("1.3.6.1.2.1.2.2.1.{column}"),
        ]);
        let output = walk.env("MIBS", "").output().expect("snmpwalk can be started");
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|l| l.trim_matches('"').to_owned())
            .collect::<Vec<_>>()
    };
    let (names, admin, oper) = (walk("2"), walk("7"), walk("8"));
    let n = names
        .iter()
        .position(|n| n == name)
        .unwrap_or_else(|| panic!("no port {name} among {names:?}"));
    (oper[n].clone(), admin[n].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_fibre_really_cuts_and_both_ends_see_it() {
    let Some(room) = Room::enter("harness: network", &[Root, Namespaces, Snmpd]) else { return };
    let net = Network::build(&room).expect("a network");
    if !shell::installed("ping") {
        eprintln!("without ping the reachability is seen only through snmpd");
    }
    for address in ["198.18.0.1", "198.18.1.1", "198.18.1.11", "198.18.2.12", "198.18.3.1"] {
        assert!(answers(&net, address), "{address} answers");
    }
    assert_eq!(port(&net, "198.18.0.1", "to-semarang"), ("1".into(), "1".into()));
    assert_eq!(port(&net, "198.18.1.1", "uplink"), ("1".into(), "1".into()));

    net.cut("semarang");
    for address in ["198.18.1.1", "198.18.1.11", "198.18.1.12"] {
        assert!(!answers(&net, address), "{address} is cut off");
    }
    for address in ["198.18.0.1", "198.18.2.1", "198.18.3.12"] {
        assert!(answers(&net, address), "{address} still answers");
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // Down, though nobody switched it off: a cut, not a removed link.
    assert_eq!(port(&net, "198.18.0.1", "to-semarang"), ("2".into(), "1".into()));

    net.mend("semarang");
    for address in ["198.18.1.1", "198.18.1.11", "198.18.1.12"] {
        assert!(answers(&net, address), "{address} is back");
    }

    net.unplug("salatiga/pc2");
    assert!(!answers(&net, "198.18.2.12"));
    assert!(answers(&net, "198.18.2.11"));
    net.plug("salatiga/pc2");
    assert!(answers(&net, "198.18.2.12"));

    let names = shell::ip("netns list").expect("namespaces can be listed");
    assert!(names.contains(&net.namespace("noc")));
    let noc = net.namespace("noc");
    drop(net);
    assert!(
        !shell::ip("netns list").expect("namespaces can be listed").contains(&noc),
        "nothing is left behind"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_loses_an_answer_after_the_work_was_done() {
    let Some(_room) = Room::enter("harness: proxy and Request Tracker", &[Root, Rt]) else {
        return;
    };
    let rt = RequestTracker::open().expect("Request Tracker");
    let mut proxy = Proxy::start([127, 0, 0, 1].into(), rt::ADDRESS.parse().expect("an address"))
        .await
        .expect("a proxy");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let create = || {
        let url = format!("{}/REST/2.0/ticket", proxy.url());
        client
            .post(url)
            .header("authorization", format!("token {}", rt.token()))
            .header("content-type", "application/json")
            .body(CREATE)
            .send()
    };

    proxy.swallow_next("POST", "/REST/2.0/ticket");
    assert!(create().await.is_err(), "the answer is lost");
    proxy.swallowed().await;
    let ticket = rt.expect_ticket(Duration::from_secs(1)).await;
    assert_eq!((ticket.priority, ticket.key.as_deref()), (60, Some("harness")));
    assert_eq!(ticket.subject, "harness ä€");
    assert!(rt.text(ticket.id).expect("text").contains("Kabel putus"));
    assert_eq!(proxy.requests()[0].status, Some(201));
    assert!(proxy.requests()[0].swallowed);

    assert_eq!(create().await.expect("the next one passes").status(), 201);
    assert_eq!(
        rt.tickets().expect("tickets").len(),
        2,
        "and is a second ticket, as a blind retry would be"
    );
    assert_eq!(rt.history(ticket.id).expect("history")[0].what, "Create");

    proxy.refuse().await;
    let url = proxy.url();
    assert!(client.get(&url).send().await.expect_err("nothing listens").is_connect());
    proxy.accept().await.expect("it listens again");
    assert!(client.get(&url).send().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn request_tracker_goes_and_comes_back_with_its_tickets() {
    let Some(_room) = Room::enter("harness: Request Tracker", &[Root, Rt]) else { return };
    let rt = RequestTracker::open().expect("Request Tracker");
    rt.stop();
    assert!(std::net::TcpStream::connect(rt::ADDRESS).is_err());
    rt.start();
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let answer = client
        .get(format!("http://{}/REST/2.0/rt", rt::ADDRESS))
        .header("authorization", format!("token {}", rt.token()))
        .send()
        .await;
    assert_eq!(answer.expect("it answers").status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_keeps_its_store_over_a_kill() {
    let Some(_room) = Room::enter("harness: nats-server", &[Nats]) else { return };
    let mut nats = journeys::nats::Nats::start([127, 0, 0, 1].into()).expect("nats-server");
    nats.kill();
    nats.up().expect("it comes back on the same address");
}

#[tokio::test(flavor = "multi_thread")]
async fn zabbix_takes_the_shipped_media_type_and_calls() {
    let Some(_room) = Room::enter("harness: Zabbix", &[Root, Zabbix]) else { return };
    let (told, mut calls) = tokio::sync::mpsc::unbounded_channel();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let app = axum::Router::new().route(
        "/api/v1/intake/zabbix",
        axum::routing::post(move |headers: axum::http::HeaderMap, body: String| async move {
            told.send((headers, body)).expect("the test listens");
            r#"{"accepted":1}"#
        }),
    );
    tokio::spawn(async move { axum::serve(listener, app).await });

    let zabbix = journeys::zabbix::Zabbix::start().await.expect("Zabbix");
    zabbix.provision("sw-harness", &url, "harness-token").await.expect("it is set up");
    zabbix.send("sw-harness", 1).await.expect("a value");
    let call = tokio::time::timeout(Duration::from_secs(30), calls.recv()).await;
    let Ok(Some((headers, body))) = call else {
        panic!("Zabbix does not call: {:?}", zabbix.alerts().await)
    };
    assert_eq!(headers["authorization"], "Bearer harness-token");
    let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["event_value"], "1", "{problem}");
    assert_eq!(problem["host_host"], "sw-harness");
    assert_eq!(
        problem["event_id"],
        zabbix.problems("sw-harness").await.expect("problems")[0]["eventid"]
    );

    zabbix.send("sw-harness", 0).await.expect("a value");
    let (_, body) = tokio::time::timeout(Duration::from_secs(30), calls.recv())
        .await
        .expect("in time")
        .expect("a call");
    let recovery: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (&recovery["event_value"], &recovery["event_id"]),
        (&"0".into(), &problem["event_id"])
    );
}
