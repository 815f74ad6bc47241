//! What the core said while the world ran: counted, and for each incident its story.

use model::{
    AlarmState, Condition, Decision, Event, IncidentId, IncidentLine, IntentOp, Kind, Priority,
    Timestamp, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that was said.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Events by kind.
    pub(crate) events: BTreeMap<&'static str, u64>,
    /// Verdicts by name.
    pub(crate) verdicts: BTreeMap<Verdict, u64>,
    /// Of those, the ones of events that changed nothing.
    pub(crate) routine: u64,
    /// How often an alarm went into each state.
    pub(crate) alarms: BTreeMap<AlarmState, u64>,
    /// By incident, in the order of their first mention.
    pub(crate) stories: Vec<Story>,
    index: BTreeMap<IncidentId, usize>,
    /// When each alarm was confirmed last.
    confirmed: BTreeMap<(Arc<str>, Arc<str>), Timestamp>,
}

/// What became of one incident.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) id: IncidentId,
    pub(crate) opened: Option<Timestamp>,
    /// The first sign of it, as the core has it.
    pub(crate) since: Timestamp,
    /// When the first alarm in it was confirmed.
    pub(crate) confirmed: Option<Timestamp>,
    /// When the ticket was decided, and how often.
    pub(crate) ticket: Option<Timestamp>,
    pub(crate) creates: u32,
    /// When people were to be told.
    pub(crate) told: Vec<Timestamp>,
    /// The highest it had.
    pub(crate) priority: Priority,
    /// The last root, and every element that was one.
    pub(crate) root: Vec<Arc<str>>,
    pub(crate) roots: BTreeSet<Arc<str>>,
    /// Every device that was affected at some time.
    pub(crate) affected: BTreeSet<Arc<str>>,
    /// The checks whose alarms were part of it.
    pub(crate) checks: BTreeSet<Arc<str>>,
    pub(crate) condition: Condition,
    /// When it was open.
    pub(crate) open: Vec<(Timestamp, Option<Timestamp>)>,
    /// The incident that goes on.
    pub(crate) into: Option<IncidentId>,
}

impl Ledger {
    pub(crate) fn event(&mut self, event: &Event<'_>) {
        let kind = match event.kind {
            Kind::Observation(_) => "observation",
            Kind::Signal(_) => "signal",
            Kind::Command(_) => "command",
            Kind::Desk(_) => "desk",
            Kind::Config { .. } => "config",
            Kind::Gap { .. } => "gap",
            Kind::Tick => "tick",
        };
        *self.events.entry(kind).or_default() += 1;
    }

    pub(crate) fn decision(&mut self, decision: &Decision) {
        match decision {
            Decision::Verdict(v) => {
                *self.verdicts.entry(v.verdict).or_default() += 1;
                self.routine += u64::from(v.routine);
            }
            Decision::Alarm(a) => {
                if a.state != a.was {
                    *self.alarms.entry(a.state).or_default() += 1;
                }
                let name = (a.target.clone(), a.check.clone());
                if a.state == AlarmState::Held && a.was != AlarmState::Held {
                    self.confirmed.insert(name, a.at);
                } else if let Some(id) = &a.incident
                    && matches!(a.state, AlarmState::Raised | AlarmState::Flapping)
                {
                    let confirmed = self.confirmed.get(&name).copied();
                    let story = self.story(id);
                    story.checks.insert(a.check.clone());
                    if story.ticket.is_none() {
                        story.confirmed = story.confirmed.into_iter().chain(confirmed).min();
                    }
                }
            }
            Decision::Incident(i) => self.story(&i.id).line(i),
            Decision::Intent(i) => {
                let story = self.story(&i.incident);
                match i.op {
                    IntentOp::Create => {
                        story.creates += 1;
                        story.ticket.get_or_insert(i.at);
                    }
                    IntentOp::Notify => story.told.push(i.at),
                    _ => {}
                }
            }
        }
    }

    fn story(&mut self, id: &IncidentId) -> &mut Story {
        let n = *self.index.entry(id.clone()).or_insert_with(|| {
            self.stories.push(Story {
                id: id.clone(),
                opened: None,
                since: Timestamp::MAX,
                confirmed: None,
                ticket: None,
                creates: 0,
                told: Vec::new(),
                priority: Priority::P4,
                root: Vec::new(),
                roots: BTreeSet::new(),
                affected: BTreeSet::new(),
                checks: BTreeSet::new(),
                condition: Condition::Failing,
                open: Vec::new(),
                into: None,
            });
            self.stories.len() - 1
        });
        &mut self.stories[n]
    }
}

impl Story {
    fn line(&mut self, i: &IncidentLine) {
        self.opened.get_or_insert(i.at);
        self.since = self.since.min(i.since);
        self.priority = self.priority.min(i.priority);
        self.condition = i.condition;
        if self.into.is_none() {
            self.into.clone_from(&i.into);
        }
        self.roots.extend(i.root.iter().cloned());
        self.root.clone_from(&i.root);
        self.affected.extend(i.affected.devices.iter().cloned());
        let open = i.condition != Condition::Clear && i.into.is_none();
        let was_open = self.open.last().is_some_and(|(_, until)| until.is_none());
        match (was_open, open) {
            (false, true) => self.open.push((i.at, None)),
            (true, false) => self.open.last_mut().expect("it is open").1 = Some(i.at),
            _ => {}
        }
    }

    /// About loss, and nothing of it says that anybody is down: an agent may miss a request, too.
    pub(crate) fn of_loss(&self) -> bool {
        let loss = |c: &Arc<str>| c.contains("loss");
        self.checks.iter().any(loss)
            && self.checks.iter().all(|c| loss(c) || c.starts_with("snmp:"))
    }

    /// Nothing but agents that do not answer.
    pub(crate) fn of_agents(&self) -> bool {
        !self.checks.is_empty() && self.checks.iter().all(|c| c.starts_with("snmp:"))
    }

    /// Whether it was open at some time between these.
    pub(crate) fn open_between(&self, from: Timestamp, until: Timestamp) -> bool {
        self.open.iter().any(|(a, b)| *a <= until && b.is_none_or(|b| b >= from))
    }

    /// Whether it is open at the end.
    pub(crate) fn open_now(&self) -> bool {
        self.open.last().is_some_and(|(_, until)| until.is_none())
    }
}
