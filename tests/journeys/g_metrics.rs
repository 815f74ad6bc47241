//! G. Prometheus's own tools find nothing to complain about, and a real Prometheus scrapes us.

use anyhow::{Context, Result};
use journeys::room::Need;
use journeys::{Daemon, Room, wait};
use serde_json::Value;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn g_prometheus_is_content() {
    let Some(_room) = Room::enter("G", &[Need::Prometheus]) else { return };
    let inventory = "[[device]]\nid = \"lab/here\"\naddress = \"127.0.0.1\"\n";
    let source = "[[source]]\nname = \"lab\"\nkind = \"events\"\ntoken = \"token-of-the-lab\"\n";
    let mut daemon = Daemon::on_machine(source, inventory).expect("the daemon can be installed");
    daemon.start().await;
    let ready = daemon.get("/readyz").await.expect("a fresh machine gets ready");
    assert_eq!(ready["ok"], true, "{ready}");
    let event = serde_json::json!({"kind": "signal", "at": "2026-11-24T02:15:00Z", "source": "lab", "key": "1", "state": "problem", "severity": "high", "target": "lab/here", "summary": "Kabel putus"});
    let (status, body) =
        daemon.post("/api/v1/intake/events", "token-of-the-lab", &event).await.expect("an answer");
    assert!(status < 300, "{status}: {body}");
    wait::within(Duration::from_secs(10), "the signal in the metrics", async || {
        let opened = daemon.metric("kentongan_verdicts_total", &["opened"]).await?;
        anyhow::ensure!(opened >= 1.0, "{opened}");
        Ok(())
    })
    .await;

    let (kind, text) =
        daemon.get_text("/metrics", "text/plain;version=0.0.4").await.expect("metrics");
    assert!(kind.starts_with("text/plain"), "{kind}");
    promtool_is_content(&text);
    assert!(text.contains("kentongan_build_info{"), "{text}");
    assert!(!text.contains("lab/here"), "no target is a label");

    let (kind, text) = daemon
        .get_text("/metrics", "application/openmetrics-text; version=1.0.0")
        .await
        .expect("metrics");
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(text.ends_with("# EOF\n"), "an OpenMetrics page has an end");

    let prometheus =
        Prometheus::start(daemon.url("").trim_start_matches("http://")).expect("Prometheus starts");
    wait::within(Duration::from_secs(30), "Prometheus to have scraped us", async || {
        let up = prometheus.ask("up{job=\"kentongan\"}").await?;
        anyhow::ensure!(up > 0.5, "up is {up}");
        let opened = prometheus.ask("sum(kentongan_verdicts_total{verdict=\"opened\"})").await?;
        anyhow::ensure!(opened >= 1.0, "verdicts are {opened}");
        Ok(())
    })
    .await;
    daemon.stop().await;
}

fn promtool_is_content(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool can be started");
    promtool.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("promtool reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success() && said.trim().is_empty(), "promtool: {said}");
}

struct Prometheus {
    child: Child,
    address: String,
    _home: tempfile::TempDir,
}

impl Prometheus {
    fn start(target: &str) -> Result<Prometheus> {
        let home = tempfile::tempdir()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let configuration = home.path().join("prometheus.yml");
        std::fs::write(
            &configuration,
            format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: kentongan\n  static_configs: [{{targets: ['{target}']}}]\n"
            ),
        )?;
        let log = std::fs::File::create(home.path().join("log"))?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", configuration.display()))
            .arg(format!("--storage.tsdb.path={}", home.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        Ok(Prometheus { child, address, _home: home })
    }

    async fn ask(&self, query: &str) -> Result<f64> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://{}/api/v1/query", self.address);
        let answer = client.get(url).query(&[("query", query)]).send().await?.text().await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let value = answer["data"]["result"][0]["value"][1]
            .as_str()
            .with_context(|| format!("nothing yet: {answer}"))?;
        Ok(value.parse()?)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
