//! The daemon as a user runs it: the real binary with a configuration in a folder of its own, a
//! process that can be killed at any moment and started again on what it left behind.

use crate::{Network, network, shell, wait};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The bearer token of the daemon's own API.
pub const API_TOKEN: &str = "journeys-api-token";

/// How many of its last log lines a failing test shows.
const LOG_LINES_SHOWN: usize = 120;

/// One installation of the daemon, running or not.
#[derive(Debug)]
pub struct Daemon {
    home: TempDir,
    namespace: Option<String>,
    base: String,
    child: Option<Child>,
    client: reqwest::Client,
    environment: Vec<(String, String)>,
    /// How often it was started.
    pub starts: u32,
}

impl Daemon {
    /// Installs it on the machine itself, with this configuration (all but `[instance]` and `[http]`) and inventory.
    pub fn on_machine(configuration: &str, inventory: &str) -> Result<Daemon> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Daemon::install(&address.to_string(), &address.to_string(), None, configuration, inventory)
    }

    /// Installs it on the NOC's host of a network.
    pub fn in_noc(network: &Network, configuration: &str) -> Result<Daemon> {
        let reached = format!("{}:8640", network::NOC);
        Daemon::install(
            "0.0.0.0:8640",
            &reached,
            Some(network.namespace("noc")),
            configuration,
            &network.inventory(),
        )
    }

    fn install(
        listen: &str,
        reached: &str,
        namespace: Option<String>,
        configuration: &str,
        inventory: &str,
    ) -> Result<Daemon> {
        let home = tempfile::tempdir()?;
        let base = format!("http://{reached}");
        std::fs::write(home.path().join("inventory.toml"), inventory)?;
        std::fs::write(
            home.path().join("kentongan.toml"),
            format!(
                "inventory = [\"inventory.toml\"]\n\n[instance]\nname = \"noc\"\ndata_dir = \"data\"\n\n\
                 [http]\nlisten = \"{listen}\"\npublic_url = \"{base}\"\ntoken = \"{API_TOKEN}\"\n\n{configuration}"
            ),
        )?;
        let client =
            reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        Ok(Daemon {
            home,
            namespace,
            base,
            child: None,
            client,
            environment: Vec::new(),
            starts: 0,
        })
    }

    /// The folder that it lives in: `kentongan.toml`, `inventory.toml`, `data/`, `log`.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Where its HTTP answers.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sets a variable of its environment, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it and waits until it is ready.
    pub async fn start(&mut self) {
        self.spawn();
        self.expect_ready(Duration::from_secs(30)).await;
    }

    /// Starts it, ready or not.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.home.path().join("log"))
            .expect("the log can be opened");
        let mut command = self.command(&["run"]);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be cloned"))
            .stderr(log);
        self.child = Some(command.spawn().expect("the daemon can be started"));
        self.starts += 1;
    }

    /// Waits until it says that it is ready.
    pub async fn expect_ready(&mut self, limit: Duration) {
        let (client, url) = (self.client.clone(), self.url("/readyz"));
        let child = self.child.as_mut().expect("it was started");
        wait::within(limit, "the daemon to be ready", async || {
            if let Some(status) = child.try_wait()? {
                panic!("the daemon ended by itself: {status}");
            }
            let answer: Value =
                serde_json::from_str(&client.get(&url).send().await?.text().await?)?;
            // A desk that is away, or was not asked yet, keeps nobody from watching.
            let checks = answer["checks"].as_array().context("no checks")?;
            match checks.iter().find(|c| c["ok"] != true && c["name"] != "desks") {
                Some(check) => bail!("{check}"),
                None => Ok(()),
            }
        })
        .await;
    }

    /// Kills it where it stands.
    pub fn kill_9(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a child can be killed");
            child.wait().expect("a child can be waited for");
        }
    }

    /// Asks it to end, and sees that it does so cleanly.
    pub async fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        signal(child.id(), "TERM");
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("a child can be waited for") {
                assert!(status.success(), "on SIGTERM the daemon ended with {status}");
                return;
            }
            if started.elapsed() > Duration::from_secs(20) {
                self.child = Some(child);
                panic!("the daemon does not end on SIGTERM");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks it to read its configuration again.
    pub fn reload(&self) {
        signal(self.child.as_ref().expect("it runs").id(), "HUP");
    }

    /// Its process number.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// A command of the same binary on the same configuration, at the same place.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = match &self.namespace {
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(binary());
                command
            }
            None => Command::new(binary()),
        };
        command.arg("--config").arg(self.home.path().join("kentongan.toml"));
        command.args(words).current_dir(self.home.path());
        command.env("RUST_BACKTRACE", "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs such a command to its end and gives its output; it must succeed.
    pub fn cli(&self, words: &[&str]) -> Vec<u8> {
        let output = self.cli_any(words);
        assert!(
            output.status.success(),
            "kentongan {}: {}\n{}",
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// Runs such a command to its end, however it ends.
    pub fn cli_any(&self, words: &[&str]) -> Output {
        self.command(words).stdin(Stdio::null()).output().expect("kentongan can be started")
    }

    /// `GET`, as JSON.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer =
            self.client.get(self.url(path)).send().await.with_context(|| format!("GET {path}"))?;
        let status = answer.status();
        let body = answer.text().await?;
        if !status.is_success() {
            bail!("GET {path}: {status}: {body}");
        }
        serde_json::from_str(&body).with_context(|| format!("GET {path}: {body}"))
    }

    /// `GET`, as text, with the media type that came back.
    pub async fn get_text(&self, path: &str, accept: &str) -> Result<(String, String)> {
        let answer = self
            .client
            .get(self.url(path))
            .header("accept", accept)
            .send()
            .await?
            .error_for_status()?;
        let kind = answer
            .headers()
            .get("content-type")
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
            .to_owned();
        Ok((kind, answer.text().await?))
    }

    /// `POST` of JSON with a bearer token.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Result<(u16, String)> {
        let answer = self.client.post(self.url(path)).bearer_auth(token).json(body).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// The source "lab" says that a target of its own fails, or is well again; panics when that is not
    /// taken.
    pub async fn signal(&self, token: &str, key: &str, target: &str, state: &str) {
        let event = serde_json::json!({
            "kind": "signal", "at": jiff::Timestamp::now().to_string(), "source": "lab", "key": key,
            "state": state, "severity": "high", "target": target, "summary": "tidak menjawab",
        });
        let (status, body) =
            self.post("/api/v1/intake/events", token, &event).await.expect("an answer");
        assert!(status < 300, "{status}: {body}");
    }

    /// A person's word on an incident; panics when it is not taken.
    pub async fn act(&self, id: &str, word: &str, body: &Value) {
        let path = format!("/api/v1/incidents/{id}/{word}");
        let (status, answer) = self.post(&path, API_TOKEN, body).await.expect("an answer");
        assert_eq!(status, 202, "{path}: {answer}");
    }

    /// The sum of a metric's samples whose labels contain all of these words.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let (_, text) = self.get_text("/metrics", "text/plain").await?;
        let mut found = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((sample, value)) = line.rsplit_once(' ') else { continue };
            let this = sample.split('{').next().unwrap_or_default();
            if this == name && labels.iter().all(|label| sample.contains(label)) {
                *found.get_or_insert(0.0) += value.parse::<f64>()?;
            }
        }
        found.with_context(|| format!("no metric {name} with {labels:?}"))
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill_9();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!(
                "--- the last of the daemon's log, started {} times ---\n{}\n---",
                self.starts,
                shown.join("\n")
            );
            if std::env::var_os("KENTONGAN_KEEP").is_some() {
                self.home.disable_cleanup(true);
                eprintln!("its folder is kept: {}", self.home.path().display());
            }
        }
    }
}

fn signal(pid: u32, name: &str) {
    shell::run("kill", &[&format!("-{name}"), &pid.to_string()])
        .expect("a running process takes a signal");
}

/// The binary under test: `KENTONGAN_BIN`, else what `cargo build -p kentongan` makes of the tree as it is.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("KENTONGAN_BIN").filter(|v| !v.is_empty()) {
            let given = PathBuf::from(given);
            return if given.is_absolute() { given } else { shell::workspace().join(given) };
        }
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "-q", "-p", "kentongan"])
            .current_dir(shell::workspace())
            .status()
            .expect("cargo can be started");
        assert!(status.success(), "kentongan does not build");
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| shell::workspace().join("target"), PathBuf::from);
        target.join("debug/kentongan")
    })
}
