//! A device answers again: whom to ask afresh before anything is made of what still fails.

use crate::Correlator;
use crate::reach::{Thing, held, silent};
use crate::state::{AlarmKey, Cause, CheckIx, Phase};
use model::AlarmState;
use model::inventory::DeviceIx;
use std::collections::{BTreeMap, BTreeSet};

/// Why one that was explained by another is asked afresh.
const EXPLAINED: &str = "what explained it answers again; it is asked afresh";
/// Why one that explained others is asked afresh.
const LEADS: &str = "what it leads to answers again; it is asked afresh";

impl Correlator {
    /// Confirmed, part of no incident yet, and covered by no window.
    pub(crate) fn waits_to_be_told(&self, key: AlarmKey) -> bool {
        let alarm = self.state.alarms.get(&key);
        alarm.is_some_and(|a| held(a.state) && a.incident.is_none() && a.covered_by.is_none())
    }

    /// Covered by a window that is about something nearer, not about this device.
    fn covered_with_another(&self, key: AlarmKey, device: u32) -> bool {
        let alarm = self.state.alarms.get(&key);
        let own = std::slice::from_ref(&self.inventory.devices[device as usize].id);
        alarm.is_some_and(|a| held(a.state) && a.incident.is_none() && a.covered_by.is_some())
            && self.window_over(own, device).is_none()
    }

    /// The ports of an unreachable device that were asked afresh when it was not, or was only in
    /// doubt: nobody hears what they say now, and they go where it goes.
    pub(crate) fn asked_in_vain(&self, device: u32) -> Vec<AlarmKey> {
        let port = |ix: &&CheckIx| {
            let target = self.state.checks[**ix as usize].target;
            matches!(self.reach.things[target as usize], Thing::Port(_, Some(_)))
        };
        let told = |k: &AlarmKey| {
            let alarm = self.state.alarms.get(k);
            alarm.is_some_and(|a| a.state == AlarmState::Suspect && a.incident.is_some())
        };
        let ports = self.reach.checks_of_device(device).iter().filter(port);
        ports.map(|ix| silent(*ix)).filter(told).collect()
    }

    /// Whether an alarm is about a port of a device that does not answer: nobody hears of it.
    pub(crate) fn unheard(&self, key: AlarmKey) -> bool {
        let of = self.reach.things[self.target_of_alarm(key) as usize];
        matches!(of, Thing::Port(d, _) if self.reach.devices[d.0 as usize].down())
    }

    /// Confirmed, and about its own device, port or link alone.
    pub(crate) fn waits_alone(&self, key: AlarmKey) -> bool {
        self.state.alarms.get(&key).is_some_and(|a| held(a.state)) && !self.is_reach(key)
    }

    /// A device answers again. What was explained by its silence is asked afresh before anything is
    /// made of it: it may only need a moment longer. So may what leads to it and fell silent with it:
    /// half an outage on its way to none is no better explained.
    pub(crate) fn root_came_back(&mut self, device: DeviceIx) {
        let target = self.reach.devices[device.0 as usize].target;
        let mut afresh: BTreeMap<AlarmKey, &str> = BTreeMap::new();
        if let Some(i) = self.open.get(&Cause::Device(target)) {
            for key in &self.state.incidents[i].members {
                let of = self.reach.things[self.target_of_alarm(*key) as usize];
                // Nobody tells of the ports of one that is silent still: they go where it goes.
                let untold = self.unheard(*key);
                if matches!(key, AlarmKey::Silent(_)) && of != Thing::Device(device) && !untold {
                    afresh.insert(*key, EXPLAINED);
                }
            }
            self.touched.insert(*i);
        }
        let mut seen = BTreeSet::new();
        let came_back = &self.inventory[device].id;
        for m in self.reach.down_beside(&self.inventory, device.0) {
            if !seen.contains(&m) {
                let around = self.reach.all_around(&self.inventory, m);
                for x in self.with_those_through(around) {
                    seen.insert(x);
                    let own = Cause::Device(self.reach.devices[x as usize].target);
                    for k in self.reach_alarms(x) {
                        let incident = self.state.alarms.get(&k).and_then(|a| a.incident);
                        let incident = incident.map(|i| &self.state.incidents[&i]);
                        if incident.is_some_and(|i| i.cause != own)
                            || self.waits_to_be_told(k)
                            || self.covered_with_another(k, x)
                        {
                            afresh.insert(k, EXPLAINED);
                        } else if incident.is_some_and(|i| i.affected.devices.contains(came_back))
                            && self.answers_behind(x).is_some()
                        {
                            afresh.insert(k, LEADS);
                        }
                    }
                }
            }
        }
        // What was confirmed while it could not be reached, and waited to be explained by that.
        for key in self.local_alarms_of(device.0) {
            if let AlarmKey::Silent(ix) = key
                && !self.proves_reach(ix)
                && self.waits_to_be_told(key)
            {
                afresh.insert(key, EXPLAINED);
            }
            self.dirty.alarms.insert(key);
        }
        for (key, why) in afresh {
            // What gave a good sign already needs no more than another one.
            let AlarmKey::Silent(ix) = key else { continue };
            let settled = match self.state.alarms.get(&key).map(|a| a.state) {
                None | Some(AlarmState::Clearing) => true,
                Some(AlarmState::Flapping) => self.state.checks[ix as usize].phase != Phase::Bad,
                Some(_) => false,
            };
            if !settled {
                self.confirm_afresh(key, why);
            }
        }
    }
}
