//! What people ask for, what was seen on tickets, and what is let go when the inventory changes.

use crate::Correlator;
use crate::reach::Thing;
use crate::state::{AlarmKey, Cause, IncidentIx, Override, Timer};
use crate::text::Telling;
use model::{
    Change, Command, DeskChange, DeskNews, IncidentId, IntentOp, Operation, Timestamp, Verdict,
    Work,
};

impl Correlator {
    pub(crate) fn handle_command(&mut self, at: Timestamp, c: &Command) {
        let (incident, reason) = match &c.operation {
            Operation::Maintenance(w) | Operation::Silence(w) => {
                (None, self.add_window(w.clone(), &c.by))
            }
            Operation::EndWindow { id } => (None, self.end_window(id, &c.by)),
            Operation::Acknowledge { incident }
            | Operation::Note { incident, .. }
            | Operation::Resolve { incident, .. }
            | Operation::Reprioritise { incident, .. }
            | Operation::Misroute { incident, .. } => {
                let Some(ix) = self.find(incident) else {
                    self.verdict(
                        at,
                        None,
                        Verdict::Command,
                        None,
                        format!("there is no incident {incident}"),
                        false,
                    );
                    return;
                };
                self.acting = Some(c.by.clone());
                let reason = self.on_incident(ix, c);
                self.acting = None;
                (Some(ix), reason)
            }
        };
        self.verdict(at, None, Verdict::Command, incident, reason, false);
    }

    fn on_incident(&mut self, ix: IncidentIx, c: &Command) -> String {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return String::new() };
        match &c.operation {
            Operation::Acknowledge { .. } => {
                if i.work != Work::New {
                    return format!("{} acknowledges what is {} already", c.by, i.work);
                }
                i.work = Work::Assigned;
                i.by = Some(c.by.clone());
                self.incident_line(ix, Change::Acknowledged, format!("{} has seen it", c.by));
                self.note(ix, Telling::Acknowledged { by: c.by.clone() });
                format!("{} has seen it", c.by)
            }
            Operation::Note { text, .. } => {
                self.learn_fix(ix, &c.by, text, false);
                self.note(ix, Telling::Noted { by: c.by.clone(), text: text.clone() });
                format!("{} notes: {text}", c.by)
            }
            Operation::Resolve { reason, .. } => {
                if i.work >= Work::Resolved {
                    let said = format!("{} resolves what is {} already", c.by, i.work);
                    self.learn_fix(ix, &c.by, reason, true);
                    return said;
                }
                i.work = Work::Resolved;
                i.by = Some(c.by.clone());
                let ticketed = i.ticketed;
                self.incident_line(
                    ix,
                    Change::Resolved,
                    with_reason(format!("{} resolved it", c.by), reason),
                );
                if ticketed {
                    self.intent(
                        ix,
                        IntentOp::Resolve,
                        Telling::ResolvedBy { by: c.by.clone(), reason: reason.clone() },
                    );
                }
                self.learn_fix(ix, &c.by, reason, true);
                with_reason(format!("{} resolved it", c.by), reason)
            }
            Operation::Reprioritise { priority, reason, until, .. } => {
                let was = i.priority();
                i.wanted = Some(Override {
                    priority: *priority,
                    by: c.by.clone(),
                    reason: reason.clone(),
                    until: *until,
                });
                let end = until.map_or(String::new(), |t| format!(" until {t}"));
                let said = with_reason(format!("{} makes it {priority}{end}", c.by), reason);
                if let Some(until) = *until {
                    self.set_timer(until, Timer::Override(ix));
                }
                self.incident_line(ix, Change::Updated, said.clone());
                self.reprioritise(ix, was);
                said
            }
            Operation::Misroute { team, reason, .. } => {
                self.misroute(ix, &c.by, team.as_deref(), reason)
            }
            Operation::Maintenance(_) | Operation::Silence(_) | Operation::EndWindow { .. } => {
                String::new()
            }
        }
    }

    fn note(&mut self, ix: IncidentIx, telling: Telling) {
        if self.state.incidents[&ix].ticketed {
            self.intent(ix, IntentOp::Note, telling);
        }
    }

    fn find(&self, id: &IncidentId) -> Option<IncidentIx> {
        self.by_id.get(id).copied()
    }

    pub(crate) fn handle_desk(&mut self, at: Timestamp, d: &DeskNews) {
        let by = d.by.clone().unwrap_or_else(|| "somebody".into());
        let what = match d.change {
            DeskChange::Taken => "took the ticket",
            DeskChange::Noted => "wrote a note",
            DeskChange::Closed => "closed the ticket",
            DeskChange::Reopened => "opened the ticket again",
            DeskChange::Reprioritised => "changed the ticket's priority",
            DeskChange::Merged => "merged the ticket into another",
            DeskChange::Deleted => "deleted the ticket",
        };
        let mut reason = format!("{by} {what} at {}", d.desk);
        if let Some(priority) = d.priority {
            reason = format!("{reason} to {priority}");
        }
        if let Some(text) = &d.text {
            reason = format!("{reason}: {text}");
        }
        let ix = self.find(&d.incident);
        if let Some(ix) = ix
            && d.change == DeskChange::Taken
            && let Some(i) = self.state.incidents.get_mut(&ix)
            && i.work == Work::New
        {
            i.work = Work::Assigned;
            i.by = Some(by.clone());
            self.acting = Some(by);
            self.incident_line(ix, Change::Assigned, reason.clone());
            self.acting = None;
        } else if let Some(ix) = ix
            && let Some(priority) = d.priority
            && d.change == DeskChange::Reprioritised
            && let Some(i) = self.state.incidents.get_mut(&ix)
            && i.open()
            && i.priority() != priority
        {
            // As if they had said so here; the desk that it was said at is not told again.
            let was = i.priority();
            i.wanted =
                Some(Override { priority, by: by.clone(), reason: String::new(), until: None });
            self.acting = Some(by);
            self.incident_line(ix, Change::Updated, reason.clone());
            self.reprioritise(ix, was);
            self.acting = None;
        }
        self.verdict(at, None, Verdict::Desk, ix, reason, false);
    }

    /// Lets go of alarms on what is no longer in the inventory; their incidents end with that reason.
    pub(crate) fn let_go_of_the_removed(&mut self) {
        let index: Vec<(IncidentIx, Cause)> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.open())
            .map(|(ix, i)| (*ix, i.cause))
            .collect();
        self.open = index.into_iter().map(|(ix, c)| (c, ix)).collect();
        let gone: Vec<AlarmKey> = self
            .state
            .alarms
            .keys()
            .copied()
            .filter(|k| {
                !matches!(k, AlarmKey::Signal(_))
                    && self.reach.things[self.target_of_alarm(*k) as usize] == Thing::Stranger
            })
            .collect();
        for key in gone {
            if let Some(ix) = self.state.alarms[&key].incident
                && let Some(i) = self.state.incidents.get_mut(&ix)
            {
                i.removed = true;
            }
            self.end_alarm(key, "it was removed from the inventory");
        }
        let masked: Vec<IncidentIx> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.open() && i.masked_by.is_some())
            .map(|(ix, _)| *ix)
            .collect();
        for ix in masked {
            let Some(i) = self.state.incidents.get_mut(&ix) else { continue };
            let (Cause::Device(t) | Cause::Link(t) | Cause::Other(t)) = i.cause else { continue };
            if self.reach.things[t as usize] == Thing::Stranger {
                i.removed = true;
                self.unmask(ix);
            }
        }
        let targets = &self.reach.things;
        for c in &mut self.state.checks {
            if targets[c.target as usize] == Thing::Stranger {
                c.phase = crate::state::Phase::Unknown;
                (c.history, c.seen, c.good_run) = (0, 0, 0);
            }
        }
        let nameless: Vec<u32> = self.state.nameless.keys().copied().collect();
        for ix in nameless {
            let target = self.state.checks[ix as usize].target;
            if self.reach.things[target as usize] == Thing::Stranger {
                self.has_a_name(ix);
            }
        }
        self.watch_windows();
        self.let_go_of_windows();
    }
}

/// A sentence with the reason that a person gave, where one was given.
pub(crate) fn with_reason(said: String, reason: &str) -> String {
    if reason.trim().is_empty() { said } else { format!("{said}: {reason}") }
}
