//! How urgent an incident is: computed from how far it reaches and the most critical thing that it
//! breaks, and effective as people see it.
//!
//! The two differ for two reasons. A person may want another one (with a name, a reason and, if they
//! like, an end, at which the computed one is effective again). And a priority that follows every
//! breath of an outage is worse than one that is a few minutes old: at most two changes are shown in
//! ten minutes, and one that falls waits until nothing changed for ten minutes, so that the second
//! is kept for one that rises. Whatever waits is told when its time comes: the last value always is.

use crate::Correlator;
use crate::reach::Thing;
use crate::season::Critical;
use crate::state::{AlarmKey, Cause, Incident, IncidentIx, Override, Timer};
use crate::text::Telling;
use model::inventory::{Criticality, DeviceIx};
use model::{Affected, Change, IntentOp, Priority, Scope, Severity};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// At most [`CHANGES_MAX`] changes of a computed priority are shown in this time.
const CHANGES_WITHIN: Duration = Duration::from_mins(10);
/// See [`CHANGES_WITHIN`].
const CHANGES_MAX: usize = 2;
/// A change that has to wait while an incident dissolves is looked at again after this time.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// The most critical of several things, and why it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Urgency {
    level: Criticality,
    of: Option<Arc<str>>,
    /// The season that makes it so.
    season: Option<Arc<str>>,
}

impl Urgency {
    /// Takes a device into account.
    pub(crate) fn device(&mut self, core: &Correlator, d: DeviceIx) {
        self.take(core.criticality_of_device(d), &core.inventory[d].id);
    }

    /// Takes a service into account.
    pub(crate) fn service(&mut self, core: &Correlator, s: u32) {
        self.take(core.criticality_of_service(s), &core.inventory.services[s as usize].id);
    }

    fn take(&mut self, (level, season): Critical, id: &Arc<str>) {
        if level > self.level {
            *self = Urgency { level, of: Some(id.clone()), season };
        }
    }

    fn words(&self) -> String {
        let level = criticality_word(self.level);
        match (&self.of, &self.season) {
            (Some(id), Some(season)) => {
                format!("{level} (most critical: {id}, because of the season {season})")
            }
            (Some(id), None) => format!("{level} (most critical: {id})"),
            (None, _) => level.to_owned(),
        }
    }
}

impl Correlator {
    /// The computed priority, and the sentence that says why.
    pub(crate) fn priority_of(
        &self,
        i: &Incident,
        down: &BTreeSet<u32>,
        scope: Scope,
        urgency: &Urgency,
        affected: &Affected,
    ) -> (Priority, String) {
        if let Cause::Blind(_) = i.cause {
            let why = "who watches from there sees nothing, so it is P1 whatever is behind it";
            return (Priority::P1, why.into());
        }
        let severity = self.worst_severity(i);
        let known =
            matches!(i.cause, Cause::Other(t) if self.reach.things[t as usize] != Thing::Stranger);
        if let (Cause::Other(_), true, false) =
            (i.cause, i.members.iter().all(|k| matches!(k, AlarmKey::Signal(_))), known)
        {
            let severity = severity.unwrap_or(Severity::Average);
            let p = self.settings.priority.of_severity(severity);
            return (
                p,
                format!(
                    "{p}, for a signal of severity {} about something the inventory does not know",
                    severity_word(severity)
                ),
            );
        }
        let table = self.settings.priority.of(scope, urgency.level);
        let why = format!(
            "{scope} × {} = {table}: {} device(s), {} site(s), {} service(s), {} user(s)",
            urgency.words(),
            affected.devices.len(),
            affected.sites.len(),
            affected.services.len(),
            affected.users
        );
        if !down.is_empty() {
            return (table, why);
        }
        // Nothing is unreachable: how bad it can be is limited by how we know of it.
        let only_signals = i.members.iter().all(|k| matches!(k, AlarmKey::Signal(_)));
        match severity {
            Some(Severity::Info) if only_signals => {
                (Priority::P4, format!("{why}; a signal of severity info alone is P4"))
            }
            Some(Severity::Warning) if only_signals => (
                table.max(Priority::P3),
                format!("{why}; a signal of severity warning alone is at most P3"),
            ),
            _ if self.only_paths(i) => {
                (table.max(Priority::P3), format!("{why}; other probes reach it, so at most P3"))
            }
            _ if self.only_agents(i) => {
                (table.max(Priority::P3), format!("{why}; it answers otherwise, so at most P3"))
            }
            _ if matches!(i.cause, Cause::Link(_)) && affected.services.is_empty() => (
                table.max(Priority::P3),
                format!("{why}; both ends answer: redundancy is lost, at most P3"),
            ),
            _ => (table, why),
        }
    }

    /// Whether all it has is silence of checks while the device answers others.
    fn only_agents(&self, i: &Incident) -> bool {
        i.members.iter().all(|k| match k {
            AlarmKey::Silent(ix) => matches!(
                self.reach.things[self.state.checks[*ix as usize].target as usize],
                Thing::Device(_)
            ),
            _ => false,
        })
    }

    fn worst_severity(&self, i: &Incident) -> Option<Severity> {
        let signals = i.members.iter().filter_map(|k| match k {
            AlarmKey::Signal(ix) => self.state.signals.get(ix),
            _ => None,
        });
        signals.map(|s| s.severity.unwrap_or(Severity::Average)).max()
    }

    // ---- from computed to effective ----

    /// An incident was weighed: shows its computed priority, or sees to it that it is shown when
    /// enough time has gone by since the last change.
    pub(crate) fn present(&mut self, ix: IncidentIx) {
        let now = self.state.now;
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.moves.retain(|at| now < *at + CHANGES_WITHIN);
        let rises = i.computed < i.shown;
        // Nobody has seen the old one: it is new, or was recorded only, or a person's stands before it.
        let unseen = i.fresh || i.reopening || !i.ticketed || i.wanted.is_some();
        if i.computed == i.shown {
        } else if unseen {
            i.shown = i.computed;
        } else if i.moves.is_empty() || (rises && i.moves.len() < CHANGES_MAX) {
            i.moves.push(now);
            i.shown = i.computed;
        } else {
            let last = if rises { i.moves.first() } else { i.moves.last() };
            let at = last.map_or(now, |at| *at + CHANGES_WITHIN);
            self.set_timer(at, Timer::Weigh(ix));
        }
    }

    /// Enough time has gone by: whatever the priority is now may be shown.
    pub(crate) fn weigh_again(&mut self, ix: IncidentIx) {
        if !self.state.incidents.get(&ix).is_some_and(Incident::open) {
            return;
        }
        self.revise(ix);
        let i = &self.state.incidents[&ix];
        if i.computed != i.shown && i.moves.len() < CHANGES_MAX {
            self.set_timer(self.state.now + LOOK_AGAIN, Timer::Weigh(ix));
        }
    }

    /// The time for which a person wanted another priority is over.
    pub(crate) fn override_ends(&mut self, ix: IncidentIx) {
        let now = self.state.now;
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        let due = |w: &mut Override| w.until.is_some_and(|until| until <= now);
        let Some(over) = i.wanted.take_if(due) else { return };
        if !i.open() {
            return;
        }
        self.weigh(ix);
        let i = &self.state.incidents[&ix];
        let (priority, why, ticketed) = (i.priority(), i.why.clone(), i.ticketed);
        let reason = format!(
            "{} wanted {} until now; it is {priority} again, as computed: {why}",
            over.by, over.priority
        );
        self.incident_line(ix, Change::Updated, reason);
        if ticketed && Self::desk_priority(priority) == Self::desk_priority(over.priority) {
            self.intent(ix, IntentOp::Note, Telling::OverrideOver { over: over.clone() });
        }
        self.reprioritise(ix, over.priority);
    }
}

impl Incident {
    /// Why an incident has the priority that people see.
    pub(crate) fn why_this_priority(&self) -> String {
        match &self.wanted {
            Some(o) => {
                let until = o.until.map_or(String::new(), |t| format!(" until {t}"));
                let because = if o.reason.trim().is_empty() { "" } else { ": " };
                format!(
                    "{} as {} wants it{until}{because}{} (computed: {})",
                    o.priority, o.by, o.reason, self.why
                )
            }
            None if self.shown != self.computed => {
                let last =
                    if self.computed < self.shown { self.moves.first() } else { self.moves.last() };
                let until = last.map_or(self.since, |at| *at + CHANGES_WITHIN);
                format!(
                    "{}; it stays {} until {until} at least: at most {CHANGES_MAX} changes in {}",
                    self.why,
                    self.shown,
                    model::time::show_duration(CHANGES_WITHIN)
                )
            }
            None => self.why.clone(),
        }
    }
}

pub(crate) fn severity_word(s: Severity) -> &'static str {
    match s {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Average => "average",
        Severity::High => "high",
        Severity::Disaster => "disaster",
    }
}

fn criticality_word(c: Criticality) -> &'static str {
    match c {
        Criticality::Normal => "normal",
        Criticality::Important => "important",
        Criticality::Vital => "vital",
    }
}
