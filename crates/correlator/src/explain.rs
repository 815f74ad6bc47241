//! Why something ended as it did, and the smallest change that would have made it otherwise.
//!
//! An explanation is made from the core as it was *before* the event, and the event. What would have
//! been otherwise is never argued, it is tried: the rule that decided says which changes to try (the
//! level that was not reached, the samples that were missing, whoever stands nearer to the probe),
//! each is made to a copy of the core, and only what really came out differently is said. So an
//! explanation can be incomplete, but never wrong.
//!
//! Pure like everything here; reading the journal up to the event is the caller's business.

mod otherwise;
mod say;
mod trial;
mod why_not;
mod words;

pub use say::Said;
pub use trial::Place;
pub use words::{Answer, Became, Explanation, Had, Input, Otherwise, Rule, Step, WhyNot};

use crate::Correlator;
use crate::reach::Thing;
use crate::state::{AlarmKey, CheckIx};
use model::{AlarmState, Decision, Event, Kind, Observation, Outcome, SignalState, Verdict};
use trial::{Focus, Trial};

/// Facts of one kind are listed up to this many.
const LISTED: usize = 8;

/// Explains what event `number` came to, from the core as it was before it.
pub fn explain(before: &Correlator, number: u64, event: &Event<'_>) -> Explanation {
    let event = &event.clone().into_owned();
    let mut really = Trial::of(before);
    really.event(number, event);
    let (verdict, reason, target, incident) = really
        .said
        .iter()
        .find_map(|d| match d {
            Decision::Verdict(v) if v.event == number => Some((
                v.verdict,
                v.reason.clone().into_owned(),
                v.target.clone(),
                v.incident.clone(),
            )),
            _ => None,
        })
        .unwrap_or((Verdict::Unknown, String::new(), None, None));
    let focus = focus(&really, event);
    let mut chain = vec![happened(event)];
    chain.extend(really.said.iter().filter_map(step).take(3 * LISTED));
    if let Some(path) = focus.as_ref().and_then(|f| path(&really.core, f)) {
        chain.push(path);
    }
    Explanation {
        at: event.at,
        rules: rules(before, &really.core, event, verdict, focus.as_ref()),
        inputs: inputs(&really.core, event, focus.as_ref()),
        chain,
        otherwise: otherwise::of_event(before, &really, number, event, verdict, focus.as_ref()),
        answer: Answer::Event { event: number, target, verdict, reason, incident },
    }
}

/// The alarm that the event is evidence of; for an event that opened an incident about something
/// else (a hold ended, a neighbour was heard), an alarm of that incident.
fn focus(really: &Trial, event: &Event<'static>) -> Option<Focus> {
    let core = &really.core;
    let own = match &event.kind {
        Kind::Observation(o) => {
            let plain = Focus { target: o.target.to_string(), alarm: o.check.to_string() };
            let level = || {
                let keys = core.state.alarms.keys();
                let names = keys.filter(|k| matches!(k, AlarmKey::Level(..)));
                let mut names = names.map(|k| core.name_of(*k));
                let (target, alarm) = names
                    .find(|(t, a)| **t == *o.target && a.starts_with(&format!("{}:", o.check)))?;
                Some(Focus { target: target.to_string(), alarm: alarm.to_string() })
            };
            if core.alarm_called(&plain).is_some() { Some(plain) } else { level().or(Some(plain)) }
        }
        Kind::Signal(s) => {
            let alarm = format!("signal:{}:{}", s.source, s.key);
            let named = core.state.alarms.keys().find(|k| *core.name_of(**k).1 == alarm);
            named.map(|k| Focus { target: core.name_of(*k).0.to_string(), alarm })
        }
        _ => None,
    };
    let opened = really.opened();
    let stands = own.as_ref().is_some_and(|f| really.place(f) != Place::Nowhere);
    if stands || opened.is_empty() {
        return own;
    }
    let incident = core.state.incidents.values().find(|i| i.id == opened[0].id)?;
    let first = incident.members.iter().min_by_key(|k| {
        (core.role_in(**k, core.state.alarms[k].incident) == Verdict::SuppressedByRoot, **k)
    })?;
    let (target, alarm) = core.name_of(*first);
    Some(Focus { target: target.to_string(), alarm: alarm.to_string() })
}

fn happened(event: &Event<'static>) -> Step {
    let step = |what, by: &str, target: &str, check: &str, more: String| Step::Happened {
        what,
        by: by.to_owned(),
        target: target.to_owned(),
        check: check.to_owned(),
        more,
    };
    match &event.kind {
        Kind::Observation(o) => {
            let (what, more) = match &o.outcome {
                Outcome::Reply(values) => {
                    let values: Vec<String> =
                        values.iter().map(|(n, v)| format!("{n} {v}")).collect();
                    ("reply", values.join(", "))
                }
                Outcome::NoReply => ("no-reply", String::new()),
                Outcome::Failed { reason } => ("failed", reason.to_string()),
            };
            step(what, &o.probe, &o.target, &o.check, more)
        }
        Kind::Signal(s) => {
            let what = if s.state == SignalState::Problem { "problem" } else { "ok" };
            let target = s.target.as_deref().unwrap_or("");
            step(what, &s.source, target, &s.key, s.summary.as_deref().unwrap_or("").to_owned())
        }
        Kind::Command(c) => step("command", &c.by, "", "", String::new()),
        Kind::Desk(d) => step("desk", &d.desk, d.incident.as_str(), "", String::new()),
        Kind::Config { hash, .. } => step("config", "", "", "", hash.chars().take(12).collect()),
        Kind::Gap { since } => step("gap", "", "", "", since.to_string()),
        Kind::Tick => step("tick", "", "", "", String::new()),
    }
}

fn step(d: &Decision) -> Option<Step> {
    Some(match d {
        Decision::Verdict(_) => return None,
        Decision::Alarm(a) => Step::Alarm {
            target: a.target.clone(),
            check: a.check.clone(),
            state: a.state,
            was: a.was,
            reason: a.reason.clone(),
        },
        Decision::Incident(i) => Step::Incident {
            id: i.id.clone(),
            change: i.change,
            priority: i.priority,
            root: i.root.clone(),
            reason: i.reason.clone(),
        },
        Decision::Intent(i) => Step::Told { op: i.op, title: i.title.clone() },
    })
}

/// From a suppressed device to what explains it.
fn path(core: &Correlator, focus: &Focus) -> Option<Step> {
    let key = core.alarm_called(focus)?;
    let Place::Under { root } = core.place_of(key) else { return None };
    let from = core.reach.device_of(core.target_of_alarm(key))?.0;
    let goal = |d: u32| root.contains(&core.inventory.devices[d as usize].id);
    let mut came: std::collections::BTreeMap<u32, u32> = [(from, from)].into();
    let mut queue = std::collections::VecDeque::from([from]);
    while let Some(n) = queue.pop_front() {
        if goal(n) {
            let mut devices = vec![core.inventory.devices[n as usize].id.clone()];
            let mut at = n;
            while came[&at] != at {
                at = came[&at];
                devices.push(core.inventory.devices[at as usize].id.clone());
            }
            devices.reverse();
            return (devices.len() > 1).then_some(Step::Path { devices });
        }
        for &(m, _) in core.inventory.graph.neighbours(n) {
            came.entry(m).or_insert_with(|| {
                queue.push_back(m);
                n
            });
        }
    }
    None
}

fn rules(
    before: &Correlator,
    after: &Correlator,
    event: &Event<'static>,
    verdict: Verdict,
    focus: Option<&Focus>,
) -> Vec<Rule> {
    let mut rules = Vec::new();
    let key = focus.and_then(|f| after.alarm_called(f).or_else(|| before.alarm_called(f)));
    match (key, &event.kind) {
        (Some(AlarmKey::Level(ix, n)), _) => rules.extend(after.level_rule(ix, n)),
        (Some(AlarmKey::Signal(_)), _) | (None, Kind::Signal(_)) => rules.push(Rule::Signal),
        (Some(AlarmKey::Silent(ix)), _) => rules.push(after.samples_rule(ix)),
        (None, Kind::Observation(o)) => {
            if let Some(ix) = after.check_called(o) {
                if verdict == Verdict::BelowThreshold {
                    let n = after.level_in_question(ix, o).unwrap_or(0);
                    rules.extend(after.level_rule(ix, n));
                } else {
                    rules.push(after.samples_rule(ix));
                }
            }
        }
        _ => {}
    }
    match verdict {
        Verdict::Held => {
            rules.push(Rule::Hold { at_most: after.settings.hold_max });
        }
        Verdict::InMaintenance | Verdict::Silenced => rules.push(Rule::Window),
        Verdict::Flapping => {
            let f = after.settings.flapping;
            rules.push(Rule::Flapping { start: f.start, end: f.end, window: f.window });
        }
        Verdict::Duplicate | Verdict::Late => rules = vec![Rule::Order],
        Verdict::UnmatchedTarget => rules = vec![Rule::Inventory],
        Verdict::AdminDown => rules = vec![Rule::AdminDown],
        Verdict::Unknown => rules = vec![Rule::CannotAsk],
        Verdict::Command | Verdict::Desk | Verdict::Config => rules.push(Rule::People),
        Verdict::Gap | Verdict::Time => rules.push(Rule::Clock),
        Verdict::Normal if matches!(&event.kind, Kind::Observation(o) if after.is_unlinked(&o.target)) =>
        {
            rules = vec![Rule::Unlinked];
        }
        _ => {}
    }
    let explained = |key| matches!(after.place_of(key), Place::Own { .. } | Place::Under { .. });
    if let Some(key @ AlarmKey::Silent(_)) = key
        && explained(key)
    {
        rules.push(Rule::Frontier);
    }
    rules
}

fn inputs(after: &Correlator, event: &Event<'static>, focus: Option<&Focus>) -> Vec<Input> {
    let mut inputs = Vec::new();
    let key = focus.and_then(|f| after.alarm_called(f));
    let check = match (key, &event.kind) {
        (Some(AlarmKey::Silent(ix) | AlarmKey::Level(ix, _)), _) => Some(ix),
        (None, Kind::Observation(o)) => after.check_called(o),
        _ => None,
    };
    if let Some(ix) = check {
        inputs.push(after.samples_of(ix));
        if let Kind::Observation(o) = &event.kind
            && after.check_called(o) == Some(ix)
        {
            inputs.extend(after.values_of(ix, event.at, o));
        }
        let changes = after.changes_lately(ix);
        if changes > 1 {
            inputs.push(Input::Changes { n: changes });
        }
    }
    let Some(key) = key else { return inputs };
    if let Some((_, id)) = after.covering(key)
        && let Some(w) = after.windows().find(|w| w.id == id)
    {
        inputs.push(Input::Window {
            id: w.id.clone(),
            owner: w.owner.clone(),
            reason: w.reason.clone(),
            end: w.end,
        });
    }
    if let Some(device) = after.reach.device_of(after.target_of_alarm(key)) {
        inputs.extend(after.beside(device.0));
        let targets = after.waited_for(device.0, key);
        if !targets.is_empty() && after.place_of(key) == Place::Held {
            inputs.push(Input::Waiting { targets });
        }
    }
    inputs
}

impl Correlator {
    /// The check of an observation, when it is known.
    fn check_called(&self, o: &Observation<'static>) -> Option<CheckIx> {
        let target = self.state.targets.get(&o.target)?;
        let name = self.state.check_names.get(&o.check)?;
        let probe = self.state.probes.get(&o.probe)?;
        self.reach.check_index.get(&(target, name as u16, probe as u16)).copied()
    }

    fn is_unlinked(&self, target: &str) -> bool {
        let thing = self.state.targets.get(target).map(|t| self.reach.things[t as usize]);
        matches!(thing, Some(Thing::Port(_, None)))
    }

    fn samples_rule(&self, ix: CheckIx) -> Rule {
        let name = self.state.checks[ix as usize].name;
        let rule = self.rule(ix);
        Rule::Samples {
            check: self.state.check_names.name(u32::from(name)).clone(),
            needs: rule.down_needs,
            of: rule.down_of,
            up: rule.up_needs,
        }
    }

    fn level_rule(&self, ix: CheckIx, n: u8) -> Option<Rule> {
        let name = self.state.checks[ix as usize].name;
        let t = self.rule(ix).thresholds.get(usize::from(n))?;
        let check = self.state.check_names.name(u32::from(name));
        Some(Rule::Level { name: t.name(check), raise: t.raise, clear: t.clear, over: t.over })
    }

    /// The last samples of a check, the newest last.
    fn samples_of(&self, ix: CheckIx) -> Input {
        let c = &self.state.checks[ix as usize];
        let sample = |n| if c.history >> n & 1 == 1 { 'x' } else { '.' };
        Input::Samples {
            target: self.state.targets.name(c.target).clone(),
            check: self.state.check_names.name(u32::from(c.name)).clone(),
            samples: (0..c.seen.min(8)).rev().map(sample).collect(),
        }
    }

    /// How the neighbours of a device stood.
    fn beside(&self, device: u32) -> Vec<Input> {
        let neighbours = self.inventory.graph.neighbours(device).iter();
        let mut seen: Vec<u32> = neighbours.map(|n| n.0).collect();
        seen.dedup();
        let one = |m: u32| {
            let look = self.look_at(model::inventory::DeviceIx(m));
            Input::Beside {
                target: self.inventory.devices[m as usize].id.clone(),
                state: look.state.unwrap_or(AlarmState::Unknown),
                last_seen: look.last_seen,
            }
        };
        seen.into_iter().take(LISTED).map(one).collect()
    }
}
