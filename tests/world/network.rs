//! A small provincial network in network namespaces, with real routing:
//!
//! ```text
//!                         ┌ fibre ┐
//!  NOC ── core router ────┤       ├── semarang/sw1 ── pc1, pc2
//!   │                     ├       ├── salatiga/sw1 ── pc1, pc2
//!   │                     └       ┘── demak/sw1    ── pc1, pc2
//!   └ a wire to the machine itself, where Request Tracker and NATS are
//! ```
//!
//! Every switch is a router of its own subnet, so that what is behind a cut uplink is really
//! unreachable. A fibre is a bridge in a namespace of its own: when it is cut, both ends lose the
//! carrier while both ports stay switched on, as with a digger. The core router and the switches
//! run snmpd. All addresses are from the range that is set aside for benchmarks (198.18.0.0/15).

use crate::Room;
use crate::shell::{self, ip};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tempfile::TempDir;

/// The sites, in order; the first one's switch is vital.
pub const SITES: [&str; 3] = ["semarang", "salatiga", "demak"];

/// The community that the agents answer to.
pub const COMMUNITY: &str = "kentongan-journeys";

/// The machine's own end of its wire to the NOC.
pub const MACHINE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 255, 1));

/// The NOC's end of that wire: where the daemon's HTTP answers.
pub const NOC: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 19, 255, 2));

const STEM: &str = "kentongan";

/// How many this process has built: the kernel takes a moment to forget the names of one that is gone.
static BUILT: AtomicU32 = AtomicU32::new(0);

/// The network. Everything of it goes when this is dropped.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    agents: Vec<Child>,
    files: TempDir,
}

impl Network {
    /// Builds it; removes first what an earlier run that was killed has left behind. Whoever has the
    /// room is alone on this machine, so whatever carries our name is left behind.
    pub fn build(_room: &Room) -> Result<Network> {
        remove(&format!("{STEM}-"));
        let mut net = Network {
            prefix: format!("{STEM}-{}-{}-", std::process::id(), BUILT.fetch_add(1, Relaxed)),
            agents: Vec::new(),
            files: tempfile::tempdir()?,
        };
        net.lay().context("laying the network")?;
        net.start_agents().context("starting snmpd on the switches")?;
        Ok(net)
    }

    /// The namespace of a node: `noc`, `core`, `fibre`, `semarang-sw1`, `semarang-pc1`, …
    pub fn namespace(&self, node: &str) -> String {
        format!("{}{node}", self.prefix)
    }

    /// A command that runs on a node.
    pub fn command_on(&self, node: &str, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(node), program]);
        command
    }

    /// A digger finds a site's fibre.
    pub fn cut(&self, site: &str) {
        self.carrier(site, "down");
    }

    /// The fibre is spliced.
    pub fn mend(&self, site: &str) {
        self.carrier(site, "up");
    }

    fn carrier(&self, site: &str, state: &str) {
        let (fibre, k) = (self.namespace("fibre"), number(site));
        for end in ["a", "z"] {
            ip(&format!("-n {fibre} link set {end}{k} {state}")).expect("a fibre has two ends");
        }
    }

    /// Somebody pulls a host's plug (`semarang/pc1`).
    pub fn unplug(&self, host: &str) {
        self.plug_state(host, "down");
    }

    /// Somebody puts it back.
    pub fn plug(&self, host: &str) {
        self.plug_state(host, "up");
    }

    fn plug_state(&self, host: &str, state: &str) {
        let (site, name) = host.split_once('/').expect("a host is called site/name");
        let port = name.replace("pc", "p");
        let fibre = self.namespace("fibre");
        ip(&format!("-n {fibre} link set {port}-{} {state}", number(site)))
            .expect("a host has a plug");
    }

    /// The inventory as a user would write it.
    pub fn inventory(&self) -> String {
        let mut text = String::from(
            "[[site]]\nid = \"noc\"\n\n[[device]]\nid = \"noc/core\"\naddress = \"198.18.0.1\"\nclass = \"router\"\nchecks = [\"icmp\", \"snmp:if-status\"]\n\n\
             [[probe]]\nid = \"noc-1\"\nat = \"noc/core\"\n",
        );
        for (n, site) in SITES.iter().enumerate() {
            let k = number(site);
            let criticality = if n == 0 { "vital" } else { "normal" };
            write!(
                text,
                "\n[[site]]\nid = \"{site}\"\nname = \"Kota {site}\"\nusers = {users}\n\n\
                 [[device]]\nid = \"{site}/sw1\"\naddress = \"198.18.{k}.1\"\nclass = \"switch\"\ncriticality = \"{criticality}\"\nchecks = [\"icmp\", \"snmp:if-status\", \"snmp:uptime\"]\n\n\
                 [[link]]\nbetween = [\"noc/core/to-{site}\", \"{site}/sw1/uplink\"]\nkind = \"fibre\"\n",
                users = 400 * k,
            )
            .expect("writing to a string");
            for h in [1, 2] {
                write!(
                    text,
                    "\n[[device]]\nid = \"{site}/pc{h}\"\naddress = \"198.18.{k}.1{h}\"\nclass = \"host\"\n\n\
                     [[link]]\nbetween = [\"{site}/sw1/p{h}\", \"{site}/pc{h}\"]\n",
                )
                .expect("writing to a string");
            }
        }
        text
    }

    /// The name of the machine's end of its wire to the NOC; at most 15 characters, as all of them.
    fn wire(&self) -> String {
        let name = self.prefix.trim_start_matches(STEM).trim_matches('-').replace('-', "x");
        format!("kj{name}")
    }

    fn lay(&self) -> Result<()> {
        let (noc, core, fibre) =
            (self.namespace("noc"), self.namespace("core"), self.namespace("fibre"));
        for ns in [&noc, &core, &fibre] {
            node(ns)?;
        }
        // The wire between the machine and the NOC.
        let wire = self.wire();
        ip(&format!("link add name {wire} type veth peer name machine netns {noc}"))?;
        ip(&format!("addr add {MACHINE}/30 dev {wire}"))?;
        ip(&format!("link set {wire} up"))?;
        ip(&format!("-n {noc} addr add {NOC}/30 dev machine"))?;
        ip(&format!("-n {noc} link set machine up"))?;

        veth((&noc, "eth0"), (&core, "noc"))?;
        address(&noc, "eth0", "198.18.0.10/24")?;
        address(&core, "noc", "198.18.0.1/24")?;
        ip(&format!("-n {noc} route add 198.18.0.0/16 via 198.18.0.1"))?;
        route_on(&core)?;

        for site in SITES {
            let k = number(site);
            let sw = self.namespace(&format!("{site}-sw1"));
            node(&sw)?;
            route_on(&sw)?;
            // The fibre: core ─ a ─ bridge ─ z ─ switch.
            veth((&core, &format!("to-{site}")), (&fibre, &format!("a{k}")))?;
            veth((&sw, "uplink"), (&fibre, &format!("z{k}")))?;
            bridge(&fibre, &format!("f{k}"), &[&format!("a{k}"), &format!("z{k}")])?;
            address(&core, &format!("to-{site}"), &format!("198.18.10{k}.1/30"))?;
            address(&sw, "uplink", &format!("198.18.10{k}.2/30"))?;
            ip(&format!("-n {core} route add 198.18.{k}.0/24 via 198.18.10{k}.2"))?;
            ip(&format!("-n {sw} route add default via 198.18.10{k}.1"))?;
            // The hosts, each on a wire that can be pulled without switching its port off.
            bridge(&sw, "br0", &[])?;
            address(&sw, "br0", &format!("198.18.{k}.1/24"))?;
            for h in [1, 2] {
                let pc = self.namespace(&format!("{site}-pc{h}"));
                node(&pc)?;
                veth((&sw, &format!("p{h}")), (&fibre, &format!("q{h}-{k}")))?;
                veth((&pc, "eth0"), (&fibre, &format!("p{h}-{k}")))?;
                bridge(
                    &fibre,
                    &format!("w{h}-{k}"),
                    &[&format!("q{h}-{k}"), &format!("p{h}-{k}")],
                )?;
                ip(&format!("-n {sw} link set p{h} master br0 up"))?;
                address(&pc, "eth0", &format!("198.18.{k}.1{h}/24"))?;
                ip(&format!("-n {pc} route add default via 198.18.{k}.1"))?;
            }
        }
        Ok(())
    }

    fn start_agents(&mut self) -> Result<()> {
        let nodes = std::iter::once(("core".to_owned(), "198.18.0.1".to_owned()))
            .chain(SITES.map(|site| (format!("{site}-sw1"), format!("198.18.{}.1", number(site)))));
        for (name, at) in nodes.collect::<Vec<_>>() {
            let home = self.files.path().join(&name);
            std::fs::create_dir_all(&home)?;
            let conf = home.join("snmpd.conf");
            std::fs::write(
                &conf,
                format!(
                    "agentaddress udp:161\nrwcommunity {COMMUNITY}\nsysname {name}\nsyslocation journeys\nsyscontact noc@journeys.invalid\nsysservices 72\n"
                ),
            )?;
            let log = std::fs::File::create(home.join("log"))?;
            let child = self
                .command_on(&name, "snmpd")
                .args(["-f", "-Lo", "-C", "-I", "-smux", "-c"])
                .arg(&conf)
                .arg("-p")
                .arg(home.join("pid"))
                .env("SNMP_PERSISTENT_DIR", &home)
                .env("MIBS", "")
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn()?;
            self.agents.push(child);
            self.quicken(&at, &home)?;
        }
        Ok(())
    }

    /// net-snmp reads the kernel's interfaces anew only every so many seconds; one is enough here.
    fn quicken(&self, at: &str, home: &Path) -> Result<()> {
        let cache_of_if_table = "1.3.6.1.4.1.8072.1.5.3.1.2.1.3.6.1.2.1.2.2";
        let mut last = String::new();
        for _ in 0..50 {
            let output = self
                .command_on("noc", "snmpset")
                .args([
                    "-v2c",
                    "-c",
                    COMMUNITY,
                    "-t",
                    "0.2",
                    "-r",
                    "0",
                    at,
                    cache_of_if_table,
                    "i",
                    "1",
                ])
                .env("MIBS", "")
                .env("SNMP_PERSISTENT_DIR", home)
                .output()?;
            if output.status.success() {
                return Ok(());
            }
            last = String::from_utf8_lossy(&output.stderr).into_owned();
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        anyhow::bail!("the agent at {at} does not answer: {last}")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for agent in &mut self.agents {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        let _ = ip(&format!("link del {}", self.wire()));
        remove(&self.prefix);
    }
}

fn number(site: &str) -> usize {
    1 + SITES.iter().position(|s| *s == site).unwrap_or_else(|| panic!("no site is called {site}"))
}

fn node(ns: &str) -> Result<()> {
    ip(&format!("netns add {ns}"))?;
    ip(&format!("-n {ns} link set lo up"))?;
    Ok(())
}

fn veth((ns, name): (&str, &str), (peer_ns, peer): (&str, &str)) -> Result<()> {
    ip(&format!("link add name {name} netns {ns} type veth peer name {peer} netns {peer_ns}"))?;
    ip(&format!("-n {ns} link set {name} up"))?;
    ip(&format!("-n {peer_ns} link set {peer} up"))?;
    Ok(())
}

fn bridge(ns: &str, name: &str, ports: &[&str]) -> Result<()> {
    ip(&format!("-n {ns} link add name {name} type bridge"))?;
    for port in ports {
        ip(&format!("-n {ns} link set {port} master {name}"))?;
    }
    ip(&format!("-n {ns} link set {name} up"))?;
    Ok(())
}

fn address(ns: &str, dev: &str, address: &str) -> Result<()> {
    ip(&format!("-n {ns} addr add {address} dev {dev}"))?;
    ip(&format!("-n {ns} link set {dev} up"))?;
    Ok(())
}

fn route_on(ns: &str) -> Result<()> {
    shell::run("ip", &["netns", "exec", ns, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])?;
    Ok(())
}

/// Removes every namespace whose name begins so, and what still runs inside.
fn remove(prefix: &str) {
    for ns in namespaces().into_iter().filter(|ns| ns.starts_with(prefix)) {
        for pid in ip(&format!("netns pids {ns}")).unwrap_or_default().split_whitespace() {
            let _ = shell::run("kill", &["-KILL", pid]);
        }
        let _ = ip(&format!("netns del {ns}"));
    }
}

fn namespaces() -> Vec<String> {
    let list = ip("netns list").unwrap_or_default();
    list.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}
