//! The real engines against loopback, a real snmpd, and network namespaces of their own.
//!
//! What this host does not allow is skipped, loudly; with `KENTONGAN_NO_SKIP=1` it is a failure.

// What fails in a helper is to fail the test; what is compared was never computed.
#![allow(clippy::unwrap_used, clippy::float_cmp)]

use probe::once::{AskOptions, ask_icmp, ask_snmp};
use probe::{
    Check, Engines, Names, Pace, PingEngine, Reason, SampleSpec, SnmpAccess, SurgePing,
    SystemResolver,
};
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Telemetry;

/// Set for the half of a test that runs inside a namespace.
const SCENE: &str = "KENTONGAN_PROBE_SCENE";

fn skip(why: &str) {
    assert!(std::env::var("KENTONGAN_NO_SKIP").is_err(), "must not be skipped: {why}");
    eprintln!("SKIPPED: {why}");
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| (*t).to_owned()).collect()
}

async fn may_ping() -> bool {
    let asked = ask_icmp(&strings(&["127.0.0.1"]), &AskOptions::default()).await;
    if let Some(trouble) = asked.trouble {
        skip(&trouble);
        return false;
    }
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn loopback_answers_in_both_versions() {
    if !may_ping().await {
        return;
    }
    let targets = strings(&["127.0.0.1", "localhost", "::1", "no-such-name.invalid"]);
    let asked = ask_icmp(&targets, &AskOptions::default()).await;
    let told: Vec<_> = asked.answers.iter().map(|a| (a.target.as_str(), a.outcome)).collect();
    assert_eq!(&told[..2], [("127.0.0.1", "reply"), ("localhost", "reply")], "{asked:?}");
    if std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|t| t.contains(" lo\n")) {
        assert_eq!(told[2], ("::1", "reply"), "{asked:?}");
    } else {
        skip("loopback has no IPv6 address here");
        assert_eq!(told[2], ("::1", "failed"), "{asked:?}");
    }
    assert_eq!(asked.answers[3].reason.as_deref(), Some("no-name"));
    assert_eq!(asked.answers[0].values["loss_pct"], 0.0);
    assert!(asked.answers[0].values["rtt_ms"] < 100.0);
    assert!(asked.cost.packets >= 6 && asked.cost.wall_s < 10.0, "{:?}", asked.cost);
    let json = serde_json::to_string(&asked).unwrap();
    assert!(json.contains(r#"{"target":"127.0.0.1","address":"127.0.0.1","check":"icmp","outcome":"reply","values":{"loss_pct":0.0,"#), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_addresses_lose_nothing() {
    if !may_ping().await {
        return;
    }
    let targets: Vec<String> = (0..2000)
        .map(|i| format!("127.{}.{}.{}", 16 + i / 1000, i / 250 % 4, 1 + i % 250))
        .collect();
    let options = AskOptions { pps: 20_000, ..AskOptions::default() };
    let asked = ask_icmp(&targets, &options).await;
    let whole = |a: &&probe::once::Answer| a.values.get("loss_pct") == Some(&0.0);
    assert_eq!(asked.answers.iter().filter(whole).count(), 2000, "{:?}", asked.cost);
    assert_eq!(asked.cost.packets, 6000);
    eprintln!("2,000 addresses, 6,000 packets: {:?}", asked.cost);
}

/// This process was stopped for longer than the time-out while the answers lay in the buffer: they
/// count. Otherwise a pause of ours (a snapshot of the machine, a full disk) is an outage of all.
#[tokio::test]
async fn a_pause_of_ours_is_not_silence_of_theirs() {
    if !may_ping().await {
        return;
    }
    let (_, engine) = engine();
    let spec = SampleSpec { packets: 1, timeout: Duration::from_millis(300) };
    let samples = futures_util::future::join_all(
        (0..300u16)
            .map(|i| engine.sample(([127, 40, (i / 250) as u8, (i % 250) as u8], 0).into(), spec)),
    );
    let pause = async {
        // All on one thread, and polled after the samples have sent: nothing receives meanwhile.
        std::thread::sleep(Duration::from_secs(1));
    };
    let (samples, ()) = tokio::join!(samples, pause);
    let silent = samples.iter().filter(|s| s.received == 0).count();
    assert_eq!(silent, 0, "of {}", samples.len());
}

/// A snmpd of our own, ended with the test.
struct Snmpd {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Snmpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn snmpd() -> Option<Snmpd> {
    if !std::path::Path::new("/usr/sbin/snmpd").exists() {
        skip("/usr/sbin/snmpd is not installed (apt-get install --no-install-recommends snmpd)");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let conf = dir.path().join("snmpd.conf");
    let text = format!("agentaddress udp:127.0.0.1:{port}\nrocommunity public 127.0.0.1\n");
    std::fs::write(&conf, text).unwrap();
    let child = Command::new("/usr/sbin/snmpd")
        .args(["-f", "-Lo", "-C", "-c"])
        .arg(&conf)
        .args(["-I", "-smux", "-p"])
        .arg(dir.path().join("pid"))
        .env("SNMP_PERSISTENT_DIR", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Some(Snmpd { child, port, _dir: dir })
}

fn access(port: u16, community: &str) -> SnmpAccess {
    SnmpAccess { community: community.into(), port }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_agent_tells_its_uptime_and_its_ports() {
    let Some(snmpd) = snmpd() else { return };
    let host = strings(&["127.0.0.1"]);
    let options = AskOptions { timeout: Duration::from_secs(1), ..AskOptions::default() };
    let public = access(snmpd.port, "public");
    let ready = Instant::now();
    loop {
        let asked = ask_snmp(&host, &[Check::Uptime], &public, &[], &options).await;
        if asked.answers[0].outcome == "reply" {
            let up = asked.answers[0].values["uptime_s"];
            assert!((0.0..60.0).contains(&up), "{up}");
            break;
        }
        assert!(ready.elapsed() < Duration::from_secs(20), "{asked:?}");
    }

    // lo is there whatever the host; it is not a physical port.
    let named = strings(&["lo", "nonesuch"]);
    let asked = ask_snmp(&host, &[Check::IfStatus], &public, &named, &options).await;
    let told: Vec<_> = asked.answers.iter().map(|a| (a.target.as_str(), a.outcome)).collect();
    assert_eq!(told, [("127.0.0.1/lo", "reply"), ("127.0.0.1/nonesuch", "failed")], "{asked:?}");
    assert_eq!(asked.answers[0].values["oper_status"], 1.0);
    assert_eq!(asked.answers[0].values["admin_status"], 1.0);
    assert_eq!(asked.answers[1].reason.as_deref(), Some("no-such-port"));
    let asked = ask_snmp(&host, &[Check::IfStatus], &public, &[], &options).await;
    assert!(asked.answers.iter().all(|a| a.target != "127.0.0.1/lo"), "{asked:?}");
    eprintln!("every physical port: {:?}, {:?}", asked.answers.len(), asked.cost);

    // A wrong community and nobody listening are both silence, after one repetition.
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for access in [access(snmpd.port, "private"), access(nobody, "public")] {
        let checks = [Check::Uptime, Check::IfStatus];
        let began = Instant::now();
        let asked = ask_snmp(&host, &checks, &access, &[], &options).await;
        let took = began.elapsed();
        assert!(asked.answers.iter().all(|a| a.outcome == "no-reply"), "{asked:?}");
        assert_eq!(asked.answers.len(), 2, "one for the device, not one for each port");
        assert_eq!(asked.cost.packets, 4);
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
        assert!(!format!("{asked:?} {access:?}").contains("private"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_answers_rubbish_is_never_more_than_silent_or_bad() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buf = [0u8; 2048];
        let mut n = 0usize;
        while let Ok((size, from)) = socket.recv_from(&mut buf).await {
            n += 1;
            let mut answer = buf[..size].to_vec();
            // The request sent back as a response, cut, bent, or as it is.
            if let Some(at) = answer.iter().position(|b| *b == 0xa0 || *b == 0xa5) {
                answer[at] = 0xa2;
            }
            match n % 4 {
                0 => answer.truncate(size / 2),
                1 => answer[size - 2] ^= 0x55,
                2 => answer.clear(),
                _ => {}
            }
            let _ = socket.send_to(&answer, from).await;
        }
    });
    let host = vec!["127.0.0.1".to_owned(); 8];
    let options = AskOptions { timeout: Duration::from_millis(400), ..AskOptions::default() };
    let checks = [Check::Uptime, Check::IfStatus];
    let asked = ask_snmp(&host, &checks, &access(port, "public"), &[], &options).await;
    assert_eq!(asked.answers.len(), 16);
    assert!(asked.answers.iter().all(|a| a.outcome != "reply"), "{asked:?}");
}

/// Runs the test `name` of this program again as `SCENE=scene` in a network namespace made by
/// `setup`, as somebody without rights where `as_nobody`.
fn in_namespace(name: &str, scene: &str, setup: &str, as_nobody: bool) -> bool {
    if !Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|s| s.success()) {
        skip("network namespaces cannot be made here (root?)");
        return false;
    }
    // A copy that anybody may read.
    let dir = tempfile::Builder::new().prefix("kentongan-probe-").tempdir_in("/tmp").unwrap();
    let exe = dir.path().join("scene");
    std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    for path in [dir.path(), &exe] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let drop_rights = if as_nobody {
        "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all"
    } else {
        ""
    };
    let script = format!("set -eu; {setup}\nexec {drop_rights} \"$@\"");
    let out = Command::new("unshare")
        .args(["-n", "-m", "--propagation", "private", "sh", "-c", &script, "sh"])
        .arg(&exe)
        .args(["--exact", name, "--nocapture"])
        .env(SCENE, scene)
        .current_dir("/tmp")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && said.contains("1 passed"), "{scene}: {said}");
    eprintln!("{scene}: {}", said.lines().filter(|l| l.starts_with("told ")).collect::<String>());
    true
}

fn engine() -> (Arc<Pace>, SurgePing) {
    let pace = Arc::new(Pace::new(100_000));
    (pace.clone(), SurgePing::new(pace, Telemetry::new()))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_without_rights_where_the_kernel_lets_it_and_says_what_to_do_where_not() {
    let name = "it_runs_without_rights_where_the_kernel_lets_it_and_says_what_to_do_where_not";
    let spec = SampleSpec { packets: 3, timeout: Duration::from_secs(1) };
    match std::env::var(SCENE).as_deref() {
        Ok("may not") => {
            let (_, engine) = engine();
            let sample = engine.sample(([127, 0, 0, 1], 0).into(), spec).await;
            assert_eq!(sample.fault, Some(Reason::NoPermission), "{sample:?}");
            let trouble = engine.trouble().unwrap();
            for advice in ["setcap cap_net_raw+ep", "ping_group_range", "AmbientCapabilities"] {
                assert!(trouble.contains(advice), "{trouble}");
            }
        }
        Ok("may") => {
            let (pace, engine) = engine();
            for to in ["127.0.0.1:0", "[::1]:0"] {
                let sample = engine.sample(to.parse().unwrap(), spec).await;
                assert_eq!((sample.sent, sample.received), (3, 3), "{to} {sample:?}");
            }
            assert_eq!(engine.trouble(), None);
            assert!(pace.pps() < 100_000, "the buffer that one may have sets the pace");
            println!("told {} pps", pace.pps());
            let targets: Vec<String> =
                (0..1000).map(|i| format!("127.20.{}.{}", i / 250, 1 + i % 250)).collect();
            let options = AskOptions { packets: 1, pps: 100_000, ..AskOptions::default() };
            let asked = ask_icmp(&targets, &options).await;
            assert!(asked.answers.iter().all(|a| a.outcome == "reply"), "{:?}", asked.cost);
        }
        _ => {
            let no = "ip link set lo up; sysctl -qw net.ipv4.ping_group_range='1 0'";
            if in_namespace(name, "may not", no, true) {
                let yes = "ip link set lo up; sysctl -qw net.ipv4.ping_group_range='0 2147483647'";
                in_namespace(name, "may", yes, true);
            }
        }
    }
}

/// Four hosts in a row: us (10.1.0.1) — router (10.1.0.254, 10.2.0.254) — a host (10.2.0.1). The
/// far side lives in namespaces of its own, made with `ip netns` in a private /run/netns.
const ROUTED: &str = "
mount -t tmpfs none /run
mkdir -p /run/netns
ip netns add r; ip netns add h
ip link set lo up
ip link add up0 type veth peer name us netns r
ip addr add 10.1.0.1/24 dev up0; ip link set up0 up
ip route add 10.2.0.0/24 via 10.1.0.254
ip route add 10.3.0.0/24 via 10.1.0.254
ip -n r addr add 10.1.0.254/24 dev us; ip -n r link set us up; ip -n r link set lo up
ip netns exec r sysctl -qw net.ipv4.ip_forward=1
ip -n r link add far type veth peer name eth0 netns h
ip -n r addr add 10.2.0.254/24 dev far; ip -n r link set far up
ip -n h addr add 10.2.0.1/24 dev eth0; ip -n h link set eth0 up
ip -n h route add default via 10.2.0.254
";

fn ip(args: &str) {
    let done = Command::new("ip").args(args.split(' ')).status().unwrap();
    assert!(done.success(), "ip {args}");
}

#[tokio::test(flavor = "multi_thread")]
async fn which_side_a_dead_link_is_on() {
    if std::env::var(SCENE).is_err() {
        in_namespace("which_side_a_dead_link_is_on", "routed", ROUTED, false);
        return;
    }
    let telemetry = Telemetry::new();
    let engines =
        Engines { names: Names::new(Arc::new(SystemResolver)), ..Engines::real(2000, &telemetry) };
    let ask = |to: &'static str| {
        let ping = engines.ping.clone();
        async move {
            let spec = SampleSpec { packets: 3, timeout: Duration::from_secs(2) };
            let began = Instant::now();
            let sample = ping.sample(format!("{to}:0").parse().unwrap(), spec).await;
            let word = match sample.outcome() {
                model::Outcome::Reply(_) => "reply".to_owned(),
                model::Outcome::NoReply => "no-reply".to_owned(),
                model::Outcome::Failed { reason } => reason.to_string(),
            };
            println!("told {to}: {word} in {:?}; ", began.elapsed());
            word
        }
    };
    // Neighbours take a moment to be found.
    for _ in 0..10 {
        if ask("10.2.0.1").await == "reply" {
            break;
        }
    }
    assert_eq!(ask("10.2.0.1").await, "reply");
    assert_eq!(ask("10.1.0.9").await, "no-reply", "nobody there answers ARP");
    assert_eq!(ask("10.1.0.9").await, "no-reply", "also when the kernel knows that by now");
    assert_eq!(ask("10.2.0.9").await, "no-reply", "the router finds nobody");
    assert_eq!(ask("10.3.0.1").await, "no-reply", "the router has no way and says so");
    assert_eq!(ask("10.4.0.1").await, "no-route", "we have no way");

    ip("-n h link set eth0 down");
    assert_eq!(ask("10.2.0.1").await, "no-reply", "the far end of the site's uplink is down");
    ip("-n h link set eth0 up");
    ip("-n r link set far down");
    assert_eq!(ask("10.2.0.1").await, "no-reply", "its near end is down");
    ip("-n r link set far up");
    ip("-n r link set us down");
    assert_eq!(ask("10.2.0.1").await, "no-reply", "our next hop is gone");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(ask("10.2.0.1").await, "no-reply", "still, when the neighbour has expired");
    ip("link set up0 down");
    assert_eq!(ask("10.2.0.1").await, "no-route", "our own interface is down: nothing is known");
    ip("link set up0 up");
    ip("route add unreachable 10.5.0.0/24");
    assert_eq!(ask("10.5.0.1").await, "no-reply");
    ip("route add prohibit 10.6.0.0/24");
    assert_eq!(ask("10.6.0.1").await, "no-permission");
    assert!(
        telemetry.openmetrics().contains("kentongan_probe_packets_sent_total{protocol=\"icmp\"}")
    );
}
