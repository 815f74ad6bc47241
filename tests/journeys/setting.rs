//! What the journeys on the network have in common: the setting, and the words for looking at it.

use journeys::{Daemon, Network, Proxy, RequestTracker, Room, network, rt, wait};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// What the acceptance allows from the cut to the ticket, and from the splice to its resolution.
pub const AT_ONCE: Duration = Duration::from_secs(20);

/// How long surplus is watched for.
pub const A_WHILE: Duration = Duration::from_secs(8);

/// RT's number for each priority, as the desk has it by default.
pub const P1_IN_RT: i64 = 100;

/// A network, a ticket system behind a proxy, and a daemon that is installed on the NOC's host.
#[derive(Debug)]
pub struct Setting {
    // Dropped in this order: the daemon before the ground under it.
    pub daemon: Daemon,
    pub proxy: Proxy,
    pub rt: RequestTracker,
    pub net: Network,
}

impl Setting {
    /// Lays everything out; `more` is added to the configuration. The daemon does not run yet.
    pub async fn new(room: &Room, more: &str) -> Setting {
        let net = Network::build(room).expect("the network can be laid");
        let rt = RequestTracker::open().expect("Request Tracker runs");
        let upstream = rt::ADDRESS.parse().expect("an address");
        let proxy = Proxy::start(network::MACHINE, upstream).await.expect("the proxy listens");
        let configuration = format!("{}\n{more}", configuration(&proxy.url(), rt.token()));
        let daemon = Daemon::in_noc(&net, &configuration).expect("the daemon can be installed");
        Setting { daemon, proxy, rt, net }
    }

    /// Starts the daemon and waits until it knows every device, so that a cut is a change.
    pub async fn start_and_settle(&mut self) {
        self.daemon.start().await;
        expect_devices_ok(&self.daemon, &[], Duration::from_secs(30)).await;
    }

    /// Cuts Semarang off and expects what the acceptance says: one ticket, its priority, its root, the affected.
    pub async fn expect_the_cut_of_semarang(&mut self) -> rt::Ticket {
        self.net.cut("semarang");
        let ticket = self.rt.expect_ticket(AT_ONCE).await;
        assert_eq!(ticket.priority, P1_IN_RT, "all of a site, and its switch is vital: {ticket:?}");
        let text = self.rt.text(ticket.id).expect("the ticket can be read");
        assert!(text.contains("semarang/sw1"), "the root is named: {text}");
        // The hosts may come a moment later, as a note.
        for host in ["semarang/pc1", "semarang/pc2"] {
            wait::within(AT_ONCE, "the affected in the ticket", async || {
                let text = self.rt.text(ticket.id)?;
                if text.contains(host) {
                    Ok(())
                } else {
                    Err(anyhow::anyhow!("{host} is not in: {text}"))
                }
            })
            .await;
        }
        // Whoever answers next to it may be named as a neighbour, and nowhere else.
        let text = self.rt.text(ticket.id).expect("text");
        let affected = |line: &&str| !line.contains("Neighbours:") && !line.contains("Tetangga:");
        for spared in ["salatiga", "demak"] {
            for line in text.lines().filter(affected) {
                assert!(!line.contains(spared), "{spared} has nothing to do with it: {line}");
            }
        }
        ticket
    }
}

fn configuration(desk: &str, token: &str) -> String {
    let mut text = format!("[probe]\nid = \"noc-1\"\ncommunity = \"{}\"\n", network::COMMUNITY);
    for check in ["icmp", "snmp:if-status", "snmp:uptime"] {
        write!(text, "\n[check.\"{check}\"]\ninterval = \"2s\"\n").expect("writing to a string");
    }
    write!(
        text,
        "\n[[desk]]\nname = \"rt\"\nkind = \"rt\"\nurl = \"{desk}\"\ntoken = \"{token}\"\nqueue = \"Network\"\n\
         key_field = \"AlertKey\"\nrequestor = \"noc@journeys.invalid\"\ncommit_delay = \"3s\"\nvisibility_delay = \"1s\"\nretry_max = \"5s\"\nnote_every = \"0s\"\n"
    )
    .expect("writing to a string");
    text
}

/// Waits until every device is known to be well, but for those that are named.
pub async fn expect_devices_ok(daemon: &Daemon, except: &[&str], limit: Duration) {
    wait::within(limit, "every device to be known as well", async || {
        let targets = list(&daemon.get("/api/v1/targets").await?);
        anyhow::ensure!(!targets.is_empty(), "no targets yet");
        for target in &targets {
            let id = target["id"].as_str().unwrap_or_default();
            let state = target["state"].as_str().unwrap_or_default();
            anyhow::ensure!(except.contains(&id) || state == "up", "{id} is {state:?}");
        }
        Ok::<_, anyhow::Error>(())
    })
    .await;
}

/// The list in an answer of the API, whether it stands alone or under a name.
pub fn list(answer: &Value) -> Vec<Value> {
    match answer {
        Value::Array(items) => items.clone(),
        Value::Object(fields) => {
            fields.values().find_map(Value::as_array).cloned().unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// No secret of the setting in anything that the daemon says.
pub async fn expect_no_secret(daemon: &Daemon, secrets: &[&str]) {
    let mut said = vec![("the log", daemon.log())];
    for page in [
        "/metrics",
        "/",
        "/api/v1/incidents",
        "/api/v1/tickets",
        "/api/v1/status",
        "/api/v1/targets",
    ] {
        if let Ok((_, text)) = daemon.get_text(page, "*/*").await {
            said.push((page, text));
        }
    }
    for (place, text) in said {
        for secret in secrets {
            assert!(!text.contains(secret), "{place} gives a secret away");
        }
    }
}

/// A small generator (xorshift64*), so that a run can be repeated.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// From `KENTONGAN_SEED`, else from the clock; says which.
    pub fn new() -> Dice {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |d| d.as_nanos() as u64);
        let seed =
            std::env::var("KENTONGAN_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(now | 1);
        eprintln!("KENTONGAN_SEED={seed}");
        Dice(seed)
    }

    /// A number of these, both ends included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        low + self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % (high - low + 1)
    }
}
