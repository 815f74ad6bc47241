//! `kentongan doctor`: what is wrong with the installation, and what to do about it, a line each.
//! Changes nothing, except for the test ticket that it is asked for.

mod desks;

use super::client::Client;
use super::page::{Cell, Look, Page, bytes, clean, list, now, text};
use super::{Call, FAILED, WRONG, journal, print, print_json};
use crate::cli::DoctorArgs;
use crate::config::{self, Backend, Configuration};
use crate::daemon::storage::journal_dir;
use ::journal::{EmbeddedJournal, Journal as _};
use model::Timestamp;
use probe::once::{AskOptions, ask_icmp};
use serde::Serialize;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Less free than this is a warning: a day of a middle-sized network.
const FREE_BYTES_LOW: u64 = 1 << 30;

/// A clock before this is not set: the program is younger.
const CLOCK_MIN: &str = "2026-01-01T00:00:00Z";

/// What was looked at, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// How it is.
    pub state: State,
    /// In a sentence.
    pub detail: String,
    /// What to do; empty when there is nothing to do.
    pub fix: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Good,
    /// It works, but look at it.
    Warning,
    /// It does not work.
    Bad,
    /// It could not be looked at.
    Skipped,
}

impl Finding {
    fn good(check: impl Into<String>, detail: impl Into<String>) -> Finding {
        Finding {
            check: check.into(),
            state: State::Good,
            detail: detail.into(),
            fix: String::new(),
        }
    }

    fn skipped(check: impl Into<String>, detail: impl Into<String>) -> Finding {
        Finding { state: State::Skipped, ..Finding::good(check, detail) }
    }

    fn warning(
        check: impl Into<String>,
        detail: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        Finding { state: State::Warning, fix: fix.into(), ..Finding::good(check, detail) }
    }

    fn bad(check: impl Into<String>, detail: impl Into<String>, fix: impl Into<String>) -> Finding {
        Finding { state: State::Bad, ..Finding::warning(check, detail, fix) }
    }
}

pub async fn run(args: &DoctorArgs, call: &Call) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&call.config);
    let mut findings = vec![configuration(&loaded, &call.config)];
    let Ok(c) = loaded else {
        return finish(&findings, args.json, call);
    };
    if let Some(desk) = &args.test_ticket
        && !c.desks.iter().any(|d| d.name == *desk)
    {
        let names: Vec<&str> = c.desks.iter().map(|d| d.name.as_str()).collect();
        eprintln!("kentongan: there is no desk {desk:?}; there are: {}", names.join(", "));
        return Ok(ExitCode::from(WRONG));
    }
    let client = match Client::new(call) {
        Ok(client) => client,
        Err(code) => return Ok(code),
    };
    findings.push(data_dir(&c.data_dir));
    findings.push(free_space(&c.data_dir));
    findings.push(verified(&c).await);
    findings.push(clock(&c).await);
    findings.push(icmp(&c).await);
    findings.extend(daemon(&c, &client).await);
    for desk in &c.desks {
        findings.push(desks::reachable(desk, &c).await);
    }
    if let Some(name) = &args.test_ticket {
        for desk in c.desks.iter().filter(|d| d.name == *name) {
            findings.push(desks::test_ticket(desk, &c).await);
        }
    }
    finish(&findings, args.json, call)
}

fn finish(findings: &[Finding], json: bool, call: &Call) -> anyhow::Result<ExitCode> {
    if json {
        print_json(&serde_json::to_value(findings)?)?;
    } else {
        print(&shown(findings, &Page::new(call.color, &jiff::tz::TimeZone::UTC)))?;
    }
    let bad = findings.iter().any(|f| f.state == State::Bad);
    Ok(if bad { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn shown(findings: &[Finding], page: &Page) -> String {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for f in findings {
        let (word, look) = match f.state {
            State::Good => ("good", Look::Good),
            State::Warning => ("look", Look::Poor),
            State::Bad => ("BAD", Look::Bad),
            State::Skipped => ("-", Look::Faint),
        };
        rows.push(vec![
            (word.to_owned(), look),
            (f.check.clone(), Look::Heading),
            (clean(&f.detail), Look::Plain),
        ]);
        if !f.fix.is_empty() {
            rows.push(vec![
                (String::new(), Look::Plain),
                (String::new(), Look::Plain),
                (format!("→ {}", clean(&f.fix)), Look::Plain),
            ]);
        }
    }
    page.table(&rows)
}

fn configuration(loaded: &Result<Configuration, config::Report>, path: &Path) -> Finding {
    let name = "configuration";
    match loaded {
        Err(report) => {
            let n = report.problems().len();
            let first = report.problems().first().map_or(String::new(), |p| {
                format!("; the first: {}:{}: {}", p.file, p.line, p.message)
            });
            let detail = format!("{} has {n} problem(s){first}", path.display());
            Finding::bad(name, detail, "kentongan check names them all")
        }
        Ok(c) if !c.warnings.is_empty() => {
            let n = c.warnings.problems().len();
            let detail = format!("{} has {n} warning(s)", path.display());
            Finding::warning(name, detail, "kentongan check names them")
        }
        Ok(c) => {
            let devices = c.inventory.devices.len();
            Finding::good(name, format!("{} ({devices} devices)", path.display()))
        }
    }
}

fn data_dir(dir: &Path) -> Finding {
    let name = "data directory";
    if !dir.exists() {
        let detail = format!("{} does not exist yet; the daemon makes it", dir.display());
        // Whether it can: ask the nearest folder that is there.
        let parent = dir.ancestors().skip(1).find(|p| p.as_os_str().is_empty() || p.exists());
        let parent = parent.filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return match writable(parent) {
            Ok(()) => Finding::good(name, detail),
            Err(e) => {
                let fix = format!(
                    "install -d -o USER {} (the user that kentongan runs as)",
                    dir.display()
                );
                Finding::bad(
                    name,
                    format!("{detail}, but {} cannot be written: {e}", parent.display()),
                    fix,
                )
            }
        };
    }
    match writable(dir) {
        Ok(()) => Finding::good(name, format!("{} can be written", dir.display())),
        Err(e) => {
            let fix = format!(
                "chown -R USER {} (the user that kentongan runs as; run doctor as that user)",
                dir.display()
            );
            Finding::bad(name, format!("{} cannot be written: {e}", dir.display()), fix)
        }
    }
}

/// Whether a file can be made in the folder. It is gone again at once.
fn writable(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".kentongan-doctor-{}", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)
}

fn free_space(dir: &Path) -> Finding {
    let name = "disk";
    let there = dir.ancestors().find(|p| p.exists()).unwrap_or(Path::new("."));
    match rustix::fs::statvfs(there) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let detail = format!("{} free", bytes(free));
            if free < FREE_BYTES_LOW {
                let fix = "make room, or shorten [journal] retention; when the disk is full the intake refuses, decisions go on into the reserve";
                Finding::warning(name, detail, fix)
            } else {
                Finding::good(name, detail)
            }
        }
        Err(e) => Finding::skipped(name, format!("cannot be asked: {e}")),
    }
}

async fn verified(c: &Configuration) -> Finding {
    let name = "journal";
    if let Backend::Nats(nats) = &c.journal.backend {
        let detail = format!(
            "in the cluster at {}; verify it with kentongan journal verify",
            without_user(&nats.url)
        );
        return Finding::skipped(name, detail);
    }
    let dir = journal_dir(&c.data_dir);
    if !dir.exists() {
        return Finding::good(name, "there is none yet; the daemon makes it");
    }
    let asked = dir.clone();
    let found = tokio::task::spawn_blocking(move || ::journal::verify_dir(&asked)).await;
    let fix = "stop the daemon, keep the folder for the inquiry, and put back a backup: kentongan journal restore DIR";
    match found {
        Ok(Ok(found)) if found.touched.is_some() => Finding::bad(name, journal::told(&found), fix),
        Ok(Ok(found)) => Finding::good(name, journal::told(&found)),
        Ok(Err(e)) => Finding::bad(name, e.to_string(), fix),
        Err(e) => Finding::skipped(name, format!("the check did not end: {e}")),
    }
}

/// A URL without what may stand before the @.
fn without_user(url: &str) -> String {
    let one = |server: &str| match (server.find("://"), server.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}{}", &server[..scheme + 3], &server[at + 1..])
        }
        _ => server.to_owned(),
    };
    url.split(',').map(one).collect::<Vec<_>>().join(",")
}

/// Whether the clock can be right: it is set, and has not gone back behind what was written.
async fn clock(c: &Configuration) -> Finding {
    let name = "clock";
    let fix =
        "let chrony or systemd-timesyncd keep the clock: every event, SLA and night depends on it";
    let now = now();
    if CLOCK_MIN.parse::<Timestamp>().is_ok_and(|min| now < min) {
        return Finding::bad(name, format!("it says {now}, which cannot be"), fix);
    }
    if let Some(last) = last_received(c).await
        && last > now
    {
        let ahead = super::page::short(last.since(now));
        let detail = format!("it says {now}, but the journal has an event from {ahead} later");
        return Finding::bad(name, detail, fix);
    }
    // Both are how those two say that they keep it.
    let kept = [
        "/run/systemd/timesync/synchronized",
        "/run/chrony/chronyd.pid",
        "/run/chronyd.pid",
        "/run/ntpd.pid",
    ];
    if kept.iter().any(|p| Path::new(p).exists()) {
        Finding::good(name, format!("{now}, kept by the network"))
    } else {
        Finding::warning(name, format!("{now}, and nobody seems to keep it"), fix)
    }
}

async fn last_received(c: &Configuration) -> Option<Timestamp> {
    if !matches!(c.journal.backend, Backend::Embedded) {
        return None;
    }
    let dir = journal_dir(&c.data_dir);
    let journal = tokio::task::spawn_blocking(move || EmbeddedJournal::open_read_only(&dir))
        .await
        .ok()?
        .ok()?;
    let last = journal.last_event().await.ok().filter(|n| *n > 0)?;
    journal.read_events(last, 1).await.ok()?.last().map(|f| f.received)
}

/// Whether we may send echo requests: asks this machine itself, as the daemon would.
async fn icmp(c: &Configuration) -> Finding {
    let name = "icmp";
    if !c.probe.enabled {
        return Finding::skipped(name, "the probe is switched off");
    }
    let options =
        AskOptions { timeout: Duration::from_secs(1), packets: 1, ..AskOptions::default() };
    let asked = ask_icmp(&["127.0.0.1".to_owned()], &options).await;
    match asked.answers.first() {
        Some(a) if a.outcome == "reply" => match asked.trouble {
            None => Finding::good(name, "echo requests can be sent"),
            Some(trouble) => Finding::warning(name, "echo requests can be sent", trouble),
        },
        answer => {
            let reason = answer
                .and_then(|a| a.reason.clone())
                .unwrap_or("this machine does not answer itself".into());
            let fix = asked.trouble.unwrap_or_else(|| {
                "sysctl -w net.ipv4.ping_group_range=\"0 2147483647\", or setcap cap_net_raw+ep on the binary".into()
            });
            Finding::bad(name, format!("no echo request can be sent: {reason}"), fix)
        }
    }
}

/// The daemon when it runs; else whether it could listen.
async fn daemon(c: &Configuration, client: &Client) -> Vec<Finding> {
    let name = "daemon";
    match client.get(&["api", "v1", "status"], &[]).await {
        Ok(Some(status)) => {
            let version = text(&status, "version");
            let mut found = vec![if version == env!("CARGO_PKG_VERSION") {
                Finding::good(name, format!("runs at {} (version {version})", client.address()))
            } else {
                let detail =
                    format!("runs version {version}, this is {}", env!("CARGO_PKG_VERSION"));
                Finding::warning(name, detail, "restart it after an upgrade")
            }];
            found.extend(ready(client).await);
            found.extend(list(&status, "watchers").filter_map(blind));
            let refused = status["config"]["refused"].as_str();
            if let Some(refused) = refused {
                found.push(Finding::bad(
                    "reload",
                    format!("the newest configuration was refused: {refused}"),
                    "kentongan check",
                ));
            } else if status["config"]["hash"].as_str().is_some_and(|h| h != c.hash) {
                found.push(Finding::warning(
                    "reload",
                    "the daemon runs on another configuration than this one",
                    "kill -HUP it, or systemctl reload kentongan",
                ));
            }
            found
        }
        Ok(None) => vec![listen(c)],
        Err(e) => vec![Finding::bad(
            name,
            format!("{e:#}"),
            format!("see who listens there: ss -ltnp 'sport = :{}'", c.http.listen.port()),
        )],
    }
}

/// A probe that sees nothing, or of which nothing is heard.
fn blind(watcher: &serde_json::Value) -> Option<Finding> {
    let name = format!("probe {}", text(watcher, "id"));
    match watcher["sight"].as_str()? {
        "isolated" => Some(Finding::bad(
            name,
            "isolated: its witnesses, or the device it stands at, fail; what it observes means nothing",
            "mend the way from that machine into the network; kentongan incident list names the incident",
        )),
        "silent" => Some(Finding::warning(
            name,
            "nothing was heard of it for a while",
            "see whether kentongan runs on that machine and reaches the journal",
        )),
        "unheard" => Some(Finding::warning(
            name,
            "it was never heard",
            "start kentongan on that machine, or take the [[probe]] out of the inventory",
        )),
        _ => None,
    }
}

async fn ready(client: &Client) -> Vec<Finding> {
    let url = format!("{}/readyz", client.address());
    let Ok(http) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()
    else {
        return Vec::new();
    };
    let answer = match http.get(url).send().await {
        Ok(response) => response.json::<serde_json::Value>().await,
        Err(e) => Err(e),
    };
    match answer {
        Ok(health) => list(&health, "checks")
            .filter(|check| check["ok"] == serde_json::json!(false))
            .map(|check| {
                let name = format!("daemon: {}", text(check, "name"));
                Finding::bad(name, text(check, "detail"), "kentongan status, and the daemon's log")
            })
            .collect(),
        Err(e) => vec![Finding::bad("daemon: ready", e.to_string(), "see the daemon's log")],
    }
}

fn listen(c: &Configuration) -> Finding {
    let name = "listen";
    let address = c.http.listen;
    match TcpListener::bind(address) {
        Ok(_) => Finding::good(name, format!("the daemon does not run; {address} is free for it")),
        Err(e) => {
            let fix = match e.kind() {
                ErrorKind::AddrInUse => format!(
                    "see who has it: ss -ltnp 'sport = :{}'; or change [http] listen",
                    address.port()
                ),
                ErrorKind::PermissionDenied => {
                    "ports below 1024 need a right; take a higher one in [http] listen".into()
                }
                ErrorKind::AddrNotAvailable => {
                    "this machine has no such address; change [http] listen".into()
                }
                _ => "change [http] listen".into(),
            };
            Finding::bad(name, format!("the daemon could not listen on {address}: {e}"), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_thing_has_a_fix_on_its_own_line() {
        let findings = [Finding::good("a", "fine"), Finding::bad("long name", "broken", "mend it")];
        let text = shown(&findings, &Page::new(false, &jiff::tz::TimeZone::UTC));
        assert_eq!(
            text,
            "good  a          fine\nBAD   long name  broken\n                 → mend it\n"
        );
    }

    #[test]
    fn a_user_in_a_url_is_not_shown() {
        assert_eq!(without_user("nats://u:p@a:1,b"), "nats://a:1,b");
    }

    #[test]
    fn a_folder_that_can_be_made_is_good() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(data_dir(&folder.path().join("a/b")).state, State::Good);
        assert_eq!(data_dir(folder.path()).state, State::Good);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_port_that_is_taken_is_said() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kentongan.toml");
        std::fs::write(&path, format!("[http]\nlisten = \"{}\"\n", taken.local_addr().unwrap()))
            .unwrap();
        let c = config::load_with(&path, Vec::new()).unwrap();
        let found = listen(&c);
        assert_eq!(found.state, State::Bad);
        assert!(found.fix.contains("ss -ltnp"), "{found:?}");
        drop(taken);
        assert_eq!(listen(&c).state, State::Good);
    }
}
