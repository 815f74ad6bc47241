//! `kentongan probe`.

use super::page::{Cell, Look, Page, clean};
use super::{Call, FAILED, WRONG, print, print_json};
use crate::cli::{ProbeArgs, ProbeCommand, SnmpCheck, Targets};
use crate::config::{self, Configuration};
use anyhow::{Context as _, Result};
use probe::once::{Answer, AskOptions, Asked, ask_icmp, ask_snmp};
use probe::{Check, SnmpAccess};
use secrecy::SecretString;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

/// A file of targets is no longer than this.
const FILE_BYTES_MAX: u64 = 64 << 20;

pub async fn run(args: &ProbeArgs, call: &Call) -> Result<ExitCode> {
    // Without a configuration addresses can be asked all the same.
    let configuration = config::load(&call.config).ok();
    let (targets, asked, names) = match &args.command {
        ProbeCommand::Icmp { targets, packets } => {
            let (addresses, names) = resolve(targets, configuration.as_ref())?;
            let options =
                AskOptions { timeout: targets.timeout, packets: *packets, pps: targets.pps };
            (targets, ask_icmp(&addresses, &options).await, names)
        }
        ProbeCommand::Snmp { targets, check, community_file, port, interfaces } => {
            let (addresses, names) = resolve(targets, configuration.as_ref())?;
            let access = access(configuration.as_ref(), community_file.as_deref(), *port)?;
            let checks: Vec<Check> = match check.as_slice() {
                [] => vec![Check::Uptime, Check::IfStatus],
                some => some.iter().map(|c| of(*c)).collect(),
            };
            let options =
                AskOptions { timeout: targets.timeout, pps: targets.pps, ..AskOptions::default() };
            (targets, ask_snmp(&addresses, &checks, &access, interfaces, &options).await, names)
        }
    };
    let asked = with_names(asked, &names);
    if targets.json {
        print_json(&serde_json::to_value(&asked)?)?;
    } else {
        let page = Page::new(call.color, &jiff::tz::TimeZone::UTC);
        print(&answered(&asked, &page))?;
    }
    if let Some(trouble) = &asked.trouble {
        eprintln!("kentongan: {trouble}");
    }
    if asked.answers.is_empty() {
        eprintln!("kentongan: there is nobody to ask");
        return Ok(ExitCode::from(WRONG));
    }
    let good = asked.answers.iter().all(|a| a.outcome == "reply");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn of(check: SnmpCheck) -> Check {
    match check {
        SnmpCheck::Uptime => Check::Uptime,
        SnmpCheck::IfStatus => Check::IfStatus,
    }
}

fn access(
    configuration: Option<&Configuration>,
    community_file: Option<&Path>,
    port: Option<u16>,
) -> Result<SnmpAccess> {
    let community = match (community_file, configuration) {
        (Some(file), _) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("reading the community from {}", file.display()))?;
            SecretString::from(text.trim())
        }
        (None, Some(c)) => c.probe.community.clone(),
        (None, None) => SecretString::from("public"),
    };
    let port = port.or(configuration.map(|c| c.probe.snmp_port)).unwrap_or(161);
    Ok(SnmpAccess { community, port })
}

/// The addresses to ask, and what each was called where that was an id of the inventory.
fn resolve(
    targets: &Targets,
    configuration: Option<&Configuration>,
) -> Result<(Vec<String>, HashMap<String, String>)> {
    let mut all = targets.targets.clone();
    if let Some(file) = &targets.file {
        all.extend(in_file(file)?);
    }
    let mut names = HashMap::new();
    let address = |target: String| {
        let inventory = &configuration?.inventory;
        let device = &inventory[inventory.known_as(&target)?];
        let address = device.addresses.first()?.clone();
        if address != target {
            names.insert(address.clone(), target);
        }
        Some(address)
    };
    let mut address = address;
    let addresses =
        all.into_iter().map(|target| address(target.clone()).unwrap_or(target)).collect();
    Ok((addresses, names))
}

fn in_file(file: &Path) -> Result<Vec<String>> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin()
            .take(FILE_BYTES_MAX)
            .read_to_string(&mut text)
            .context("reading targets")?;
    } else {
        std::fs::File::open(file)
            .and_then(|f| f.take(FILE_BYTES_MAX).read_to_string(&mut text))
            .with_context(|| format!("reading targets from {}", file.display()))?;
    }
    let line = |l: &str| l.split('#').next().unwrap_or("").trim().to_owned();
    Ok(text.lines().map(line).filter(|l| !l.is_empty()).collect())
}

fn with_names(mut asked: Asked, names: &HashMap<String, String>) -> Asked {
    for answer in &mut asked.answers {
        // A port is `address/port`; addresses have no slash.
        let (address, rest) = match answer.target.split_once('/') {
            Some((address, port)) => (address, format!("/{port}")),
            None => (answer.target.as_str(), String::new()),
        };
        if let Some(name) = names.get(address) {
            answer.target = format!("{name}{rest}");
        }
    }
    asked
}

fn answered(asked: &Asked, page: &Page) -> String {
    let row = |a: &Answer| -> Vec<Cell> {
        let look = match a.outcome {
            "reply" => Look::Good,
            "no-reply" => Look::Bad,
            _ => Look::Poor,
        };
        let values: Vec<String> = a.values.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let detail = a.reason.as_deref().map_or(values.join(" "), clean);
        let address = a.address.clone().filter(|ip| *ip != a.target).unwrap_or_default();
        vec![
            (clean(&a.target), Look::Plain),
            (address, Look::Faint),
            (a.check.to_owned(), Look::Plain),
            (a.outcome.to_owned(), look),
            (detail, Look::Plain),
        ]
    };
    let rows: Vec<_> = asked.answers.iter().map(row).collect();
    let mut out = page.table(&rows);
    let good = asked.answers.iter().filter(|a| a.outcome == "reply").count();
    let _ = writeln!(
        out,
        "{good} of {} answered; {} packets, {:.3} s of processor time, {:.2} s",
        asked.answers.len(),
        asked.cost.packets,
        asked.cost.cpu_s,
        asked.cost.wall_s
    );
    out
}
