//! What can be seen of the core from outside, for boards and for routing; changes nothing.

use crate::Correlator;
use crate::state::{AlarmKey, Phase};
use model::inventory::DeviceIx;
use model::{AlarmState, IncidentId, Timestamp};
use std::sync::Arc;

/// A device as the core sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLook {
    /// Where it stands: `Ok` up, `Raised` down, `Held` confirmed and not explained yet, …
    /// `None`: never observed.
    pub state: Option<AlarmState>,
    /// Since when it fails, when it does.
    pub since: Option<Timestamp>,
    /// When it answered last.
    pub last_seen: Option<Timestamp>,
    /// The incident that explains its state.
    pub incident: Option<IncidentId>,
    /// The window that covers it.
    pub covered_by: Option<String>,
    /// Each check: its name, its target, its state, and when it was asked last.
    pub checks: Vec<(Arc<str>, Arc<str>, AlarmState, Timestamp)>,
}

/// How well a probe sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// Nothing was ever heard of it.
    Unheard,
    /// It observes.
    Watching,
    /// Nothing is heard of it.
    Silent,
    /// It sees nothing: what it observes means nothing.
    Isolated,
}

impl Sight {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Sight::Unheard => "unheard",
            Sight::Watching => "watching",
            Sight::Silent => "silent",
            Sight::Isolated => "isolated",
        }
    }
}

/// A probe as the core sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeLook {
    /// Its id.
    pub id: Arc<str>,
    /// The device it stands at.
    pub at: Option<Arc<str>>,
    /// How well it sees.
    pub sight: Sight,
    /// Since when it is silent or isolated.
    pub since: Option<Timestamp>,
    /// When its last observation was received.
    pub heard: Option<Timestamp>,
}

impl Correlator {
    /// The probes of the inventory, as the core sees them now.
    pub fn probes(&self) -> Vec<ProbeLook> {
        let look = |p: &model::inventory::Probe| {
            let known = self.state.probes.get(&p.id);
            let w = known.and_then(|ix| self.state.watchers.get(ix as usize));
            let heard = w.map(|w| w.heard).filter(|at| *at > Timestamp::default());
            let (sight, since) = match w {
                Some(w) if w.isolated.is_some() => (Sight::Isolated, w.isolated),
                Some(w) if w.silent.is_some() => (Sight::Silent, w.silent),
                Some(_) if heard.is_some() => (Sight::Watching, None),
                _ => (Sight::Unheard, None),
            };
            let at = p.at.map(|d| self.inventory[d].id.clone());
            ProbeLook { id: p.id.clone(), at, sight, since, heard }
        };
        self.inventory.probes.iter().map(look).collect()
    }

    /// A device as the core sees it now.
    pub fn look_at(&self, device: DeviceIx) -> DeviceLook {
        let view = &self.reach.devices[device.0 as usize];
        let mut look = DeviceLook {
            state: view.observed.then_some(AlarmState::Ok),
            since: None,
            last_seen: (view.last_reply > Timestamp::MIN).then_some(view.last_reply),
            incident: None,
            covered_by: None,
            checks: Vec::new(),
        };
        for &ix in self.reach.checks_of_device(device.0) {
            let c = &self.state.checks[ix as usize];
            let key = AlarmKey::Silent(ix);
            let alarm = self.state.alarms.get(&key);
            let state = match (alarm, c.phase) {
                (Some(a), _) => a.state,
                (None, _) if self.state.watchers[usize::from(c.probe)].out => AlarmState::Unknown,
                (None, Phase::Ok) => AlarmState::Ok,
                (None, Phase::Suspect) => AlarmState::Suspect,
                (None, _) => AlarmState::Unknown,
            };
            let of_device = self.reach.device_of(c.target) == Some(device)
                && self.inventory.device(self.state.targets.name(c.target)).is_some();
            if of_device && (worse(state) > look.state.map_or(0, worse)) {
                look.state = Some(state);
                look.since = match alarm {
                    Some(a) => Some(a.onset),
                    None if state == AlarmState::Suspect => Some(c.onset),
                    None => None,
                };
                look.incident = alarm
                    .and_then(|a| a.incident)
                    .and_then(|i| Some(self.state.incidents.get(&i)?.id.clone()));
                look.covered_by = alarm.and_then(|a| a.covered_by.clone());
            }
            look.checks.push((
                self.state.check_names.name(u32::from(c.name)).clone(),
                self.state.targets.name(c.target).clone(),
                state,
                c.last_at,
            ));
        }
        look
    }

    /// The root of an incident that is open or not yet closed.
    pub fn root_of(&self, id: &IncidentId) -> Option<&[Arc<str>]> {
        Some(self.state.incidents.get(self.by_id.get(id)?)?.root.as_slice())
    }

    /// The sources whose signals are evidence of an incident.
    pub fn sources_of(&self, id: &IncidentId) -> Vec<Arc<str>> {
        let Some(i) = self.by_id.get(id).and_then(|ix| self.state.incidents.get(ix)) else {
            return Vec::new();
        };
        let signals = i.members.iter().filter_map(|k| match k {
            AlarmKey::Signal(ix) => self.state.signals.get(ix),
            _ => None,
        });
        signals.map(|s| s.source.clone()).collect()
    }

    /// How many alarms each window holds back now.
    pub fn hidden_by(&self, window: &str) -> usize {
        self.state.alarms.values().filter(|a| a.covered_by.as_deref() == Some(window)).count()
    }

    /// Whether a window asked for by a person, rather than one of the configuration, is called that.
    pub fn window_is_asked_for(&self, window: &str) -> bool {
        self.state.windows.contains_key(window)
    }

    /// Alarms explained by an incident of something else.
    pub fn suppressed(&self) -> usize {
        self.state
            .alarms
            .iter()
            .filter(|(k, a)| {
                a.incident.is_some()
                    && self.role_in(**k, a.incident) == model::Verdict::SuppressedByRoot
            })
            .count()
    }
}

/// The worst of several checks is what a device is shown as.
fn worse(state: AlarmState) -> u8 {
    match state {
        AlarmState::Ok => 1,
        AlarmState::Unknown => 2,
        AlarmState::Suspect => 3,
        AlarmState::Clearing => 4,
        AlarmState::Held => 5,
        AlarmState::Flapping => 6,
        AlarmState::Raised => 7,
    }
}
