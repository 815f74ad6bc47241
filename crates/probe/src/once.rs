//! Asks a list of targets once, as the daemon would, and says what it cost.

use crate::check;
use crate::plan::{Check, CheckPlan, SnmpAccess, Target};
use crate::run::Engines;
use crate::socket::cpu_time;
use futures_util::StreamExt;
use futures_util::stream;
use model::{Kind, Outcome};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Telemetry;

/// Targets asked at the same time; what leaves is paced all the same.
const AT_ONCE: usize = 512;

/// How to ask.
#[derive(Debug, Clone)]
pub struct AskOptions {
    /// How long an answer may take.
    pub timeout: Duration,
    /// Echo requests to each target.
    pub packets: u16,
    /// The most packets a second.
    pub pps: u32,
}

impl Default for AskOptions {
    fn default() -> Self {
        AskOptions { timeout: Duration::from_secs(2), packets: 3, pps: 2000 }
    }
}

/// What came back from one target (or one of its ports).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// As it was given; a port as `target/port`.
    pub target: String,
    /// Where it was asked, unless its name did not resolve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Which check.
    pub check: &'static str,
    /// `reply`, `no-reply` or `failed`.
    pub outcome: &'static str,
    /// The values of a reply.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What asking cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Packets sent.
    pub packets: u64,
    /// Processor time of this process, in seconds.
    pub cpu_s: f64,
    /// Time that passed, in seconds.
    pub wall_s: f64,
}

/// The answers, in the order of the targets, and the cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Asked {
    /// One for each target; for ports, one for each port of a target that answered.
    pub answers: Vec<Answer>,
    /// What it cost.
    pub cost: Cost,
    /// What is wrong on our own side and what to do about it, when something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// One sample of echo requests to each target (an address or a name).
pub async fn ask_icmp(targets: &[String], options: &AskOptions) -> Asked {
    ask(targets, &[Check::Icmp], None, &[], options).await
}

/// `checks` (of [`Check::Uptime`] and [`Check::IfStatus`]) of each target, in that order; `ports` as in
/// [`Target::ports`].
pub async fn ask_snmp(
    targets: &[String],
    checks: &[Check],
    access: &SnmpAccess,
    ports: &[String],
    options: &AskOptions,
) -> Asked {
    ask(targets, checks, Some(access), ports, options).await
}

async fn ask(
    targets: &[String],
    checks: &[Check],
    access: Option<&SnmpAccess>,
    ports: &[String],
    options: &AskOptions,
) -> Asked {
    let telemetry = Telemetry::new();
    let engines = Engines::real(options.pps, &telemetry);
    let (cpu, wall) = (cpu_time(), Instant::now());
    let questions: Vec<(Arc<Target>, CheckPlan)> = targets
        .iter()
        .flat_map(|name| {
            let target = Arc::new(Target {
                id: name.as_str().into(),
                address: name.clone(),
                checks: Vec::new(),
                snmp: access.cloned(),
                ports: ports.to_vec(),
            });
            checks.iter().map(move |check| {
                let plan = CheckPlan {
                    timeout: options.timeout,
                    packets: options.packets,
                    ..CheckPlan::of(*check)
                };
                (target.clone(), plan)
            })
        })
        .collect();
    let answers = stream::iter(questions)
        .map(|(target, plan)| {
            let engines = engines.clone();
            async move { check::ask(&engines, "", &target, plan).await }
        })
        .buffered(AT_ONCE)
        .flat_map(|answered| {
            let address = answered.address.map(|a| a.ip().to_string());
            stream::iter(
                answered
                    .observations
                    .into_iter()
                    .filter_map(move |event| answer(event.kind, address.clone())),
            )
        })
        .collect()
        .await;
    Asked {
        answers,
        cost: Cost {
            packets: engines.ping.packets_sent() + engines.snmp.packets_sent(),
            cpu_s: cpu_time().saturating_sub(cpu).as_secs_f64(),
            wall_s: wall.elapsed().as_secs_f64(),
        },
        trouble: engines.ping.trouble(),
    }
}

fn answer(kind: Kind<'static>, address: Option<String>) -> Option<Answer> {
    let Kind::Observation(observation) = kind else { return None };
    let (outcome, values, reason) = match observation.outcome {
        Outcome::Reply(values) => {
            ("reply", values.into_iter().map(|(k, v)| (k.into_owned(), v)).collect(), None)
        }
        Outcome::NoReply => ("no-reply", BTreeMap::new(), None),
        Outcome::Failed { reason } => ("failed", BTreeMap::new(), Some(reason.into_owned())),
    };
    let check = Check::from_word(&observation.check)?.word();
    Some(Answer {
        target: observation.target.into_owned(),
        address,
        check,
        outcome,
        values,
        reason,
    })
}
