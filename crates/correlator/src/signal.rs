//! States told by others: one alarm for each source and key, joined to what we see ourselves
//! through the target.

use crate::Correlator;
use crate::bounds::ENDED_SIGNALS_MAX;
use crate::state::{AlarmKey, IncidentIx, Phase, SignalState, Stood, TargetIx, Timer};
use model::{AlarmState, Severity, Signal, SignalState as Said, Timestamp, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// Others may say for so long after us that an outage is not over.
const OVERRULED_AFTER: Duration = Duration::from_mins(15);
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
        if !self.takes_another_signal() {
            self.turn_away(at);
            return;
        }
        let target = match s.target.as_deref() {
            Some(t) if !t.is_empty() => self.intern(t),
            _ => self.intern(&format!("{}:{}", s.source, s.key)),
        };
        let summary: String =
            s.summary.as_deref().unwrap_or("a problem").chars().take(SUMMARY_MAX).collect();
        let key = self.raise_signal(at, name, target, s.severity, summary);
        self.say_where_it_went(at, key);
    }

    /// What an overruled problem that is told again comes to.
    fn insists(&mut self, at: Timestamp, ix: u32, s: &Signal<'_>) {
        let Some(state) = self.state.signals.get_mut(&ix) else { return };
        state.overruled = None;
        state.severity = s.severity.or(state.severity);
        let (target, said) = (state.target, state.summary.clone());
        self.reach.signal_stands(target, ix);
        self.raise_alarm(AlarmKey::Signal(ix), at, AlarmState::Ok, said);
        self.say_where_it_went(at, AlarmKey::Signal(ix));
    }

    fn say_where_it_went(&mut self, at: Timestamp, key: AlarmKey) {
        let target = self.target_of_alarm(key);
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

    /// A problem that somebody told stands from here on.
    pub(crate) fn raise_signal(
        &mut self,
        at: Timestamp,
        name: (Arc<str>, Arc<str>),
        target: TargetIx,
        severity: Option<Severity>,
        summary: String,
    ) -> AlarmKey {
        let ix = self.state.next_signal;
        self.state.next_signal += 1;
        let (source, key) = name.clone();
        let said = summary.clone();
        self.state
            .signals
            .insert(ix, SignalState { source, key, severity, target, summary, overruled: None });
        self.signal_index.insert(name, ix);
        self.reach.signal_stands(target, ix);
        self.raise_alarm(AlarmKey::Signal(ix), at, AlarmState::Ok, said);
        AlarmKey::Signal(ix)
    }

    /// A problem that somebody told stands no more.
    pub(crate) fn forget_signal(&mut self, ix: u32) {
        if let Some(s) = self.state.signals.remove(&ix) {
            self.reach.signal_is_over(s.target, ix);
        }
    }

    // ---- overruled ----

    /// The outage of an incident is over by our own evidence; what others still say of it has some
    /// time left to be taken back.
    pub(crate) fn may_be_overruled(&mut self, incident: IncidentIx) {
        let due = self.state.now + OVERRULED_AFTER;
        let signals: Vec<u32> = self.state.incidents[&incident]
            .members
            .iter()
            .filter_map(|k| match k {
                AlarmKey::Signal(ix) => Some(*ix),
                _ => None,
            })
            .collect();
        for ix in signals {
            self.set_timer(due, Timer::Overrule(ix));
        }
    }

    /// Others said that a device failed when we saw it fail, and say so still, long after we see it
    /// answer: they are overruled, and that is said. Told again, the problem stands again.
    pub(crate) fn overrule(&mut self, ix: u32) {
        let Some(s) = self.state.signals.get(&ix) else { return };
        let Some(d) = self.reach.device_of(s.target) else { return };
        let key = AlarmKey::Signal(ix);
        let Some(alarm) = self.state.alarms.get(&key) else { return };
        let answered_since = self.state.now - OVERRULED_AFTER;
        let view = &self.reach.devices[d.0 as usize];
        let mut own = self.reach.checks_of_device(d.0).iter().filter(|c| self.proves_reach(**c));
        // Whoever is asked must have answered all the while, and lately.
        let steady = own.all(|c| {
            let (check, rule) = (&self.state.checks[*c as usize], self.rule(*c));
            check.phase == Phase::Ok
                && check.onset < answered_since
                && check.last_reply + rule.interval.mul_f64(rule.stale_after) >= self.state.now
        });
        if alarm.state != AlarmState::Raised || view.down() || !view.observed || !steady {
            return;
        }
        let reason = format!(
            "overruled: {} still says {:?}, but {} has answered us for {}",
            s.source,
            s.summary,
            self.inventory[d].id,
            model::time::show_duration(OVERRULED_AFTER)
        );
        let target = s.target;
        self.reach.signal_is_over(target, ix);
        if let Some(s) = self.state.signals.get_mut(&ix) {
            s.overruled = Some(self.state.now);
            self.none_overruled = false;
        }
        if let Some(i) = alarm.incident.and_then(|i| self.state.incidents.get_mut(&i)) {
            i.overruled = true;
        }
        self.end_alarm(key, &reason);
        self.evaluate();
    }

    /// The same problem is told again, perhaps with another severity or other words.
    fn again(&mut self, at: Timestamp, ix: u32, s: &Signal<'_>) {
        if self.state.signals.get(&ix).is_some_and(|s| s.overruled.is_some()) {
            self.insists(at, ix, s);
            return;
        }
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
        self.there_is_room();
        self.evaluate();
        let incident =
            incident.filter(|i| self.state.incidents.get(i).map(|i| &i.id) == id.as_ref());
        self.verdict(at, target, Verdict::Recovered, incident, "the source says it is over", false);
    }

    fn remember_end(&mut self, name: (Arc<str>, Arc<str>), end: Stood) {
        let ended = &mut self.state.ended_signals;
        ended.insert(name, end);
        if ended.len() > ENDED_SIGNALS_MAX {
            // An eighth at a time, for finding the oldest means looking at all of them; by name where
            // many ended at once.
            let mut all: Vec<_> = ended.iter().map(|(name, end)| (end.at, name.clone())).collect();
            let (oldest, ..) = all.select_nth_unstable(ENDED_SIGNALS_MAX / 8);
            for (_, name) in &*oldest {
                ended.remove(name);
            }
            self.state.met.ended_signals += oldest.len() as u64;
        }
    }
}
