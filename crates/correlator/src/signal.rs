//! States told by others: one alarm for each source and key, joined to what we see ourselves
//! through the target.

use crate::Correlator;
use crate::state::{AlarmKey, SignalState, Stood};
use model::{AlarmState, Signal, SignalState as Said, Timestamp, Verdict};
use std::sync::Arc;

/// Ends of problems remembered, so that news that comes late does not open them again.
const ENDED_MAX: usize = 4096;
/// The longest summary kept.
const SUMMARY_MAX: usize = 400;

impl Correlator {
    pub(crate) fn handle_signal(&mut self, at: Timestamp, s: &Signal<'_>) {
        let name: (Arc<str>, Arc<str>) = (s.source.as_ref().into(), s.key.as_ref().into());
        match s.state {
            Said::Problem => self.problem(at, s, name),
            Said::Ok => self.problem_over(at, name),
        }
    }

    fn problem(&mut self, at: Timestamp, s: &Signal<'_>, name: (Arc<str>, Arc<str>)) {
        if let Some(ix) = self.signal_index.get(&name).copied() {
            self.again(at, ix, s);
            return;
        }
        if self.state.ended_signals.get(&name).is_some_and(|ended| ended.covers(at)) {
            self.verdict(at, None, Verdict::Late, None, "that problem ended already", false);
            return;
        }
        let target = match s.target.as_deref() {
            Some(t) if !t.is_empty() => self.intern(t),
            _ => self.intern(&format!("{}:{}", s.source, s.key)),
        };
        let ix = self.state.next_signal;
        self.state.next_signal += 1;
        let summary: String =
            s.summary.as_deref().unwrap_or("a problem").chars().take(SUMMARY_MAX).collect();
        self.state.signals.insert(
            ix,
            SignalState {
                source: name.0.clone(),
                key: name.1.clone(),
                severity: s.severity,
                target,
                summary: summary.clone(),
            },
        );
        self.signal_index.insert(name, ix);
        self.reach.signal_stands(target, ix);
        let key = AlarmKey::Signal(ix);
        self.raise_alarm(key, at, AlarmState::Ok, summary);
        self.evaluate();
        let Some(alarm) = self.state.alarms.get(&key) else { return };
        let incident = alarm.incident;
        let (verdict, reason) = match alarm.state {
            AlarmState::Held => match self.covering(key) {
                Some((true, id)) => {
                    (Verdict::Silenced, format!("silence {id} covers it until its end"))
                }
                Some((false, id)) => {
                    (Verdict::InMaintenance, format!("maintenance {id} covers it until its end"))
                }
                None => (Verdict::Held, "waiting for our own evidence of its device".into()),
            },
            _ if self.opened_now(incident) => {
                (Verdict::Opened, self.opened_how(incident).into_owned())
            }
            _ if self.role_in(key, incident) == Verdict::SuppressedByRoot => {
                (Verdict::SuppressedByRoot, "something nearer failed and explains it".into())
            }
            _ => (Verdict::Joined, "evidence of an incident that is open already".into()),
        };
        self.verdict(at, Some(target), verdict, incident, reason, false);
    }

    /// The same problem is told again, perhaps with another severity or other words.
    fn again(&mut self, at: Timestamp, ix: u32, s: &Signal<'_>) {
        let Some(state) = self.state.signals.get_mut(&ix) else { return };
        let (target, key) = (state.target, AlarmKey::Signal(ix));
        let incident = self.state.alarms.get(&key).and_then(|a| a.incident);
        if s.severity.is_none_or(|new| state.severity == Some(new)) {
            self.verdict(
                at,
                Some(target),
                Verdict::Duplicate,
                incident,
                "this problem stands already",
                false,
            );
            return;
        }
        state.severity = s.severity;
        self.touched.extend(incident);
        self.evaluate();
        self.verdict(at, Some(target), Verdict::Updated, incident, "its severity changed", false);
    }

    fn problem_over(&mut self, at: Timestamp, name: (Arc<str>, Arc<str>)) {
        let standing = self.signal_index.get(&name).map(|ix| AlarmKey::Signal(*ix));
        let began = standing.and_then(|key| self.state.alarms.get(&key)).map(|a| a.onset);
        self.remember_end(name.clone(), Stood { began, at });
        let Some(ix) = self.signal_index.remove(&name) else {
            self.verdict(
                at,
                None,
                Verdict::Duplicate,
                None,
                "no problem of this key stands",
                false,
            );
            return;
        };
        let key = AlarmKey::Signal(ix);
        let target = self.state.signals.get(&ix).map(|s| s.target);
        let incident = self.state.alarms.get(&key).and_then(|a| a.incident);
        let id = incident.and_then(|i| self.state.incidents.get(&i)).map(|i| i.id.clone());
        self.end_alarm(key, &format!("{} says it is over", name.0));
        if let Some(target) = target {
            self.reach.signal_is_over(target, ix);
        }
        self.state.signals.remove(&ix);
        self.evaluate();
        let incident =
            incident.filter(|i| self.state.incidents.get(i).map(|i| &i.id) == id.as_ref());
        self.verdict(at, target, Verdict::Recovered, incident, "the source says it is over", false);
    }

    fn remember_end(&mut self, name: (Arc<str>, Arc<str>), end: Stood) {
        let ended = &mut self.state.ended_signals;
        ended.insert(name, end);
        if ended.len() > ENDED_MAX
            && let Some(oldest) = ended.iter().min_by_key(|(_, end)| end.at).map(|(k, _)| k.clone())
        {
            ended.remove(&oldest);
        }
    }
}
