//! One question to one target, from the name to the observations.

use crate::ping::SampleSpec;
use crate::plan::{Check, CheckPlan, Target};
use crate::ports;
use crate::reason::Reason;
use crate::run::Engines;
use crate::schedule::Finding;
use crate::snmp::{Agent, SnmpError};
use crate::uptime;
use model::doubt::Sign;
use model::{Event, Kind, Observation, Outcome, Timestamp, Values};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use tokio::time::timeout;

/// A table takes many requests. An agent that needs more than this many time-outs for all of them
/// is as good as silent.
const TIME_OUTS_MAX: u32 = 5;

/// What came back.
pub(crate) struct Answered {
    pub observations: Vec<Event<'static>>,
    pub finding: Finding,
    /// What the metric says: `reply`, `no-reply`, `failed` …
    pub outcome: &'static str,
    /// … and why.
    pub reason: Option<Reason>,
    /// Where it was asked.
    pub address: Option<SocketAddr>,
}

/// Asks. The observations carry the time at which the first packet was about to leave: what
/// they say is true from then on, and nothing about the time before.
pub(crate) async fn ask(
    engines: &Engines,
    probe: &str,
    target: &Target,
    plan: CheckPlan,
) -> Answered {
    let Some(address) = engines.names.address(&target.address).await else {
        let at = engines.now();
        return answered(at, probe, target, plan.check, Answer::failed(Reason::NoName), None);
    };
    let mut at = engines.now();
    let answer = match plan.check {
        Check::Icmp => {
            let spec = SampleSpec { packets: plan.packets.max(1), timeout: plan.timeout };
            let sample = engines.ping.sample(address, spec).await;
            at = at + sample.waited;
            Answer { outcome: sample.outcome(), reason: sample.fault, ports: Vec::new() }
        }
        Check::Uptime | Check::IfStatus => ask_snmp(engines, target, plan, address).await,
    };
    answered(at, probe, target, plan.check, answer, Some(address))
}

/// The answer of the engine went missing, or it never gave one: that is on us.
pub(crate) fn lost(engines: &Engines, probe: &str, target: &Target, check: Check) -> Answered {
    answered(engines.now(), probe, target, check, Answer::failed(Reason::ProbeError), None)
}

/// The answer of the device, or, for a device that answered about its ports, one of each.
struct Answer {
    outcome: Outcome<'static>,
    reason: Option<Reason>,
    ports: Vec<ports::Port>,
}

impl Answer {
    fn failed(reason: Reason) -> Answer {
        Answer {
            outcome: Outcome::Failed { reason: reason.word().into() },
            reason: Some(reason),
            ports: Vec::new(),
        }
    }

    fn reply(values: Values<'static>) -> Answer {
        Answer { outcome: Outcome::Reply(values), reason: None, ports: Vec::new() }
    }
}

async fn ask_snmp(
    engines: &Engines,
    target: &Target,
    plan: CheckPlan,
    mut address: SocketAddr,
) -> Answer {
    let Some(access) = &target.snmp else { return Answer::failed(Reason::NoCommunity) };
    address.set_port(access.port);
    let agent = Agent { address, community: access.community.clone(), timeout: plan.timeout };
    let read = async {
        match plan.check {
            Check::IfStatus => ports::read(&*engines.snmp, &agent, &target.ports)
                .await
                .map(|ports| Answer { ports, ..Answer::reply(Values::new()) }),
            _ => uptime::read(&*engines.snmp, &agent)
                .await
                .map(|up| Answer::reply([(Cow::Borrowed("uptime_s"), up)].into_iter().collect())),
        }
    };
    let answer = timeout(plan.timeout * TIME_OUTS_MAX, read).await;
    answer.unwrap_or(Err(SnmpError::NoReply)).unwrap_or_else(|error| match error {
        SnmpError::NoReply => Answer { outcome: Outcome::NoReply, reason: None, ports: Vec::new() },
        SnmpError::TooBig => Answer::failed(Reason::AgentError),
        SnmpError::Failed(reason) => Answer::failed(reason),
    })
}

fn answered(
    at: Timestamp,
    probe: &str,
    target: &Target,
    check: Check,
    answer: Answer,
    address: Option<SocketAddr>,
) -> Answered {
    let event = |target: String, outcome: Outcome<'static>| Event {
        at,
        received: None,
        kind: Kind::Observation(Observation {
            probe: probe.to_owned().into(),
            target: target.into(),
            check: check.word().into(),
            outcome,
        }),
    };
    let (sign, word) = match &answer.outcome {
        Outcome::Reply(_) => (Sign::Good, "reply"),
        Outcome::NoReply => (Sign::Bad, "no-reply"),
        Outcome::Failed { .. } => (Sign::Unsure, "failed"),
    };
    let reason = answer.reason.filter(|_| sign == Sign::Unsure);
    let (observations, ports_down) = match (check, sign) {
        (Check::IfStatus, Sign::Good) => {
            let down: BTreeSet<String> = answer
                .ports
                .iter()
                .filter(|port| port.state.is_some_and(ports::PortState::is_down))
                .map(|port| port.name.clone())
                .collect();
            let observations = answer
                .ports
                .into_iter()
                .map(|port| {
                    let outcome = match port.state {
                        Some(state) => Outcome::Reply(
                            [
                                (Cow::Borrowed("oper_status"), state.oper as f64),
                                (Cow::Borrowed("admin_status"), state.admin as f64),
                            ]
                            .into_iter()
                            .collect(),
                        ),
                        None => Outcome::Failed { reason: Reason::NoSuchPort.word().into() },
                    };
                    event(format!("{}/{}", target.id, port.name), outcome)
                })
                .collect();
            (observations, Some(down))
        }
        _ => (vec![event(target.id.to_string(), answer.outcome)], None),
    };
    Answered { observations, finding: Finding { sign, ports_down }, outcome: word, reason, address }
}
