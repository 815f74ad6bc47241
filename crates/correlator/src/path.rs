//! What only some probes cannot reach: the way there fails, not the device.
//!
//! One incident for all that hangs together and that the same probe misses, named by what is nearest
//! to where it stands. It is about the device as any other incident of it is: when nobody reaches it
//! any more, the same incident says so.

use crate::Correlator;
use crate::state::{AlarmKey, Cause, CheckIx, Incident, IncidentIx, Phase};
use model::Timestamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

impl Correlator {
    /// Whether a check says that one probe does not get through to a device that another one reaches.
    pub(crate) fn is_path(&self, ix: CheckIx) -> bool {
        let c = &self.state.checks[ix as usize];
        if self.posts.len() < 2 || !matches!(c.phase, Phase::Bad | Phase::Clearing) {
            return false;
        }
        let Some(d) = self.reach.device_of(c.target) else { return false };
        let view = &self.reach.devices[d.0 as usize];
        if !view.silent.contains(&ix) || view.down() {
            return false;
        }
        let answers = |by_it: bool| {
            self.reach.checks_of_device(d.0).iter().any(|other| {
                let o = &self.state.checks[*other as usize];
                (o.probe == c.probe) == by_it
                    && !view.silent.contains(other)
                    && o.last_reply > c.onset
            })
        };
        answers(false) && !answers(true)
    }

    /// The check by which this probe does not get through to a device.
    fn path_to(&self, probe: u16, device: u32) -> Option<CheckIx> {
        let checks = self.reach.checks_of_device(device).iter().copied();
        checks
            .filter(|ix| self.state.checks[*ix as usize].probe == probe)
            .find(|ix| self.is_path(*ix))
    }

    /// Whose answer to the same probe is wanted before it is known where the way ends.
    pub(crate) fn unsure_on_the_way(
        &self,
        ix: CheckIx,
        device: u32,
        since: Timestamp,
    ) -> BTreeSet<u32> {
        let probe = self.state.checks[ix as usize].probe;
        let unsure = |m: &u32| {
            self.reach.checks_of_device(*m).iter().any(|other| {
                let c = &self.state.checks[*other as usize];
                c.probe == probe
                    && self.proves_reach(*other)
                    && (c.phase == Phase::Suspect
                        || (c.phase == Phase::Ok && c.last_reply <= since))
            })
        };
        self.reach.nearer(&self.inventory, device).filter(unsure).collect()
    }

    /// Explains a device that one probe does not get through to, with all that it misses around it.
    /// `false`: it is covered, and treated as any other alarm about its device.
    pub(crate) fn look_at_path(
        &mut self,
        ix: CheckIx,
        device: u32,
        went: &mut BTreeMap<IncidentIx, IncidentIx>,
    ) -> bool {
        let probe = self.state.checks[ix as usize].probe;
        let mut group = BTreeMap::from([(device, ix)]);
        let mut queue = VecDeque::from([device]);
        while let Some(n) = queue.pop_front() {
            for &(m, _) in self.inventory.graph.neighbours(n) {
                if let (false, Some(to)) = (group.contains_key(&m), self.path_to(probe, m)) {
                    group.insert(m, to);
                    queue.push_back(m);
                }
            }
        }
        let nearest = self.nearest_to(probe, &group);
        let keys: Vec<AlarmKey> = group
            .values()
            .map(|to| AlarmKey::Silent(*to))
            .filter(|k| self.state.alarms.get(k).is_some_and(|a| a.covered_by.is_none()))
            .collect();
        let of = |d: u32| Cause::Device(self.reach.devices[d as usize].target);
        let cause = of(nearest);
        let root = vec![self.inventory.devices[nearest as usize].id.clone()];
        let incident = if let Some(i) = self.open.get(&cause) {
            *i
        } else {
            let known = group.keys().filter_map(|d| self.open.get(&of(*d)).copied());
            match known.min().filter(|i| self.only_paths(&self.state.incidents[i])) {
                Some(i) => {
                    self.reroot(i, cause, root, None);
                    i
                }
                None if self.window_over(&root, nearest).is_some() => return false,
                None => self.open_or_reopen(cause, &root, &keys),
            }
        };
        for key in keys {
            self.attach(key, incident, went);
        }
        true
    }

    /// Which of these is nearest to where a probe stands.
    fn nearest_to(&self, probe: u16, group: &BTreeMap<u32, CheckIx>) -> u32 {
        let first = *group.keys().next().expect("a group has a member");
        let Some(at) = self.posts[usize::from(probe)].at else { return first };
        let mut seen = BTreeSet::from([at]);
        let mut queue = VecDeque::from([at]);
        while let Some(n) = queue.pop_front() {
            if group.contains_key(&n) {
                return n;
            }
            for &(m, _) in self.inventory.graph.neighbours(n) {
                if seen.insert(m) {
                    queue.push_back(m);
                }
            }
        }
        first
    }

    /// Whether all an incident has is ways that fail while others get through.
    pub(crate) fn only_paths(&self, i: &Incident) -> bool {
        i.members.iter().all(|k| matches!(k, AlarmKey::Silent(ix) if self.is_path(*ix)))
    }

    /// Whether an incident says that a probe sees nothing.
    pub(crate) fn is_blind(&self, ix: IncidentIx) -> bool {
        self.state.incidents.get(&ix).is_some_and(|i| matches!(i.cause, Cause::Blind(_)))
    }
}
