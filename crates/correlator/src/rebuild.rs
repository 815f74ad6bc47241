//! Going on without a snapshot that can be read: after another version, or when a crash came between
//! a change of the configuration and the next snapshot. What was decided stands; the checks are
//! asked again.

use crate::Correlator;
use crate::reach::Thing;
use crate::state::{
    Alarm, AlarmKey, Cause, Check, Heard, Incident, Phase, SignalState, State, Timer,
};
use model::{AlarmLine, AlarmState, IncidentLine, Inventory, Settings, Severity, Timestamp, Work};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the record of decisions says of the time before.
#[derive(Debug, Clone, Default)]
pub struct Past {
    /// The unique name of the installation.
    pub instance: String,
    /// The number of the last event that was decided on.
    pub last_event: u64,
    /// When it was received.
    pub last_received: Timestamp,
    /// The last line of each incident that is not closed, with the revision of its last intent and
    /// whether a `create` was among them; oldest first.
    pub incidents: Vec<(IncidentLine, u32, bool)>,
    /// The last line of each alarm that is not ok.
    pub alarms: Vec<AlarmLine>,
}

impl Correlator {
    /// Goes on from what was decided. Raised alarms stand until they are seen otherwise; whatever
    /// was only suspect or held is forgotten, for it is asked again. Feed a `gap` event next.
    pub fn rebuild(inventory: Arc<Inventory>, settings: Settings, past: &Past) -> Self {
        let mut this = Correlator::new(inventory, settings);
        this.state = State {
            now: past.last_received,
            last_event: past.last_event,
            last_received: past.last_received,
            instance: past.instance.clone(),
            ..std::mem::take(&mut this.state)
        };
        for (line, revision, ticketed) in &past.incidents {
            this.take_incident(line, *revision, *ticketed);
        }
        for line in &past.alarms {
            this.take_alarm(line);
        }
        this.take_up_the_storm();
        let Correlator { inventory, settings, state, .. } = this;
        Correlator::restore(inventory, settings, state)
    }

    /// After a restart: derives who is open and what stands; decides nothing.
    pub(crate) fn index_again(&mut self) {
        self.open = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.open())
            .map(|(ix, i)| (i.cause, *ix))
            .collect();
        let blames = self.open.values().filter(|ix| self.state.incidents[ix].shared.is_some());
        self.sharing = blames.copied().collect();
        let masked = self.open.values().filter(|ix| self.state.incidents[ix].masked_by.is_some());
        self.masked = masked.copied().collect();
        self.over.clear();
        self.over_since.clear();
        for (ix, i) in self.state.incidents.iter().filter(|(_, i)| !i.open()) {
            self.over.entry(i.cause).or_default().insert(*ix);
            self.over_since.extend(i.recovered_at.map(|since| (since, *ix)));
        }
        self.by_id = self.state.incidents.iter().map(|(ix, i)| (i.id.clone(), *ix)).collect();
        for (ix, s) in self.state.signals.iter().filter(|(_, s)| s.overruled.is_none()) {
            self.reach.signal_stands(s.target, *ix);
        }
        self.signal_index = self
            .state
            .signals
            .iter()
            .map(|(ix, s)| ((s.source.clone(), s.key.clone()), *ix))
            .collect();
    }

    fn take_incident(&mut self, line: &IncidentLine, revision: u32, ticketed: bool) {
        let ix = self.state.next_incident;
        self.state.next_incident += 1;
        let device = line.root.iter().find(|r| self.inventory.device(r).is_some());
        let link = line.root.iter().find(|r| self.inventory.link(r).is_some());
        let probe = line
            .root
            .iter()
            .find(|r| self.inventory.probe(r).is_some() && self.inventory.device(r).is_none());
        let blind = probe.map(|p| self.state.probes.intern(p));
        let cause = match (device, link, line.root.first()) {
            _ if line.root.iter().any(|r| &**r == crate::storm::ROOT) => Cause::Storm(ix),
            _ if blind.is_some() => Cause::Blind(blind.unwrap_or_default()),
            (Some(d), ..) => Cause::Device(self.intern(&d.clone())),
            (None, Some(l), _) => Cause::Link(self.intern(&l.clone())),
            (None, None, Some(other)) => Cause::Other(self.intern(&other.clone())),
            (None, None, None) => Cause::Other(self.intern(line.id.as_str())),
        };
        let over = line.work >= Work::Resolved && line.condition == model::Condition::Clear;
        if over {
            self.set_timer(line.at + self.settings.close_after, Timer::Close(ix));
        }
        let told = line.affected.devices.iter().chain(&line.affected.services).cloned().collect();
        self.by_id.insert(line.id.clone(), ix);
        self.state.incidents.insert(
            ix,
            Incident {
                id: line.id.clone(),
                cause,
                root: line.root.clone(),
                members: BTreeSet::new(),
                condition: line.condition,
                work: line.work,
                computed: line.priority,
                shown: line.priority,
                moves: Vec::new(),
                wanted: None,
                scope: line.scope,
                affected: line.affected.clone(),
                since: line.since,
                opened_at: line.since,
                opened_by: 0,
                fresh: false,
                reopening: false,
                reopened: false,
                removed: false,
                overruled: false,
                recovered_at: over.then_some(line.at),
                last_sign: Timestamp::MIN,
                why: line.reason.clone(),
                what: line.reason.clone(),
                digest: None,
                outlasted: None,
                suspected_change: None,
                revision,
                ticketed,
                last_note: Timestamp::MIN,
                note_due: false,
                heard: Heard::default(),
                told,
                said: line.affected.clone(),
                outage: !line.affected.devices.is_empty(),
                rerooted_from: None,
                shared: None,
                masked_by: None,
                split_from: None,
                recurrence_of: line.recurrence_of.clone(),
                by: line.by.clone(),
                fix: None,
                routed: None,
                misrouted: false,
            },
        );
    }

    fn take_alarm(&mut self, line: &AlarmLine) {
        let Some(ix) = line
            .incident
            .as_ref()
            .and_then(|id| self.by_id.get(id).copied())
            .filter(|ix| self.state.incidents[ix].open())
        else {
            return;
        };
        if !matches!(
            line.state,
            AlarmState::Raised | AlarmState::Clearing | AlarmState::Flapping | AlarmState::Suspect
        ) {
            return;
        }
        let target = self.intern(&line.target.clone());
        let key = if let Some(signal) = line.check.strip_prefix("signal:") {
            let (source, key) = signal.split_once(':').unwrap_or((signal, ""));
            let n = self.state.next_signal;
            self.state.next_signal += 1;
            self.state.signals.insert(
                n,
                SignalState {
                    source: source.into(),
                    key: key.into(),
                    severity: Some(Severity::High),
                    target,
                    summary: line.reason.clone(),
                    overruled: None,
                },
            );
            AlarmKey::Signal(n)
        } else {
            if self.reach.things[target as usize] == Thing::Stranger {
                return;
            }
            let (probe, check) = self.told_from(&line.check);
            let (name, level) = self.level_called(check);
            let name = self.state.check_names.intern(&name) as u16;
            let probe = self.state.probes.intern(&probe) as u16;
            let c = self.state.checks.len() as u32;
            self.state.checks.push(Check {
                target,
                name,
                probe,
                phase: if level.is_some() { Phase::Ok } else { Phase::Bad },
                history: if level.is_some() { 0 } else { u32::MAX },
                seen: 32,
                good_run: 0,
                learned: 0,
                last_at: line.at,
                last_reply: Timestamp::MIN,
                onset: line.at,
            });
            level.map_or(AlarmKey::Silent(c), |n| AlarmKey::Level(c, n))
        };
        self.state.alarms.insert(
            key,
            Box::new(Alarm {
                state: AlarmState::Raised,
                onset: line.at,
                confirmed: line.at,
                hold_until: line.at,
                incident: Some(ix),
                said: line.reason.clone(),
                covered_by: None,
                outlasted: None,
            }),
        );
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.members.insert(key);
        }
    }

    /// The check behind an alarm's name and, when the alarm is about a level, which one.
    fn level_called(&self, alarm: &str) -> (String, Option<u8>) {
        for (check, rule) in &self.settings.checks {
            for (n, t) in rule.thresholds.iter().enumerate() {
                if t.name(check) == alarm {
                    return (check.clone(), Some(n as u8));
                }
            }
        }
        (alarm.to_owned(), None)
    }
}
