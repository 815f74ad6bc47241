//! Why there is no incident for a target, as the core stands: and what would make one.

use super::trial::{Focus, Place, Trial};
use super::{Answer, Became, Explanation, Had, Input, LISTED, Otherwise, Rule, WhyNot};
use crate::Correlator;
use crate::reach::Thing;
use crate::state::{AlarmKey, CheckIx, Phase};
use model::inventory::{DeviceIx, Element};
use model::{AlarmState, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Samples that are tried until an incident is there.
const SILENT_MAX: u32 = 16;

impl Correlator {
    /// How a target stands: a device, a port, a link, a site, a service; and if there is no
    /// incident for it, why not, and what would make one.
    pub fn why_not(&self, target: &str) -> Explanation {
        let mut e = Explanation {
            at: self.now(),
            answer: Answer::Target {
                target: target.to_owned(),
                why: WhyNot::Healthy,
                last_seen: None,
            },
            rules: Vec::new(),
            inputs: Vec::new(),
            chain: Vec::new(),
            otherwise: Vec::new(),
        };
        let (why, last_seen) = self.why(target, &mut e);
        e.answer = Answer::Target { target: target.to_owned(), why, last_seen };
        e
    }

    fn why(&self, target: &str, e: &mut Explanation) -> (WhyNot, Option<Timestamp>) {
        if let Some(d) = self.inventory.device(target) {
            return self.why_device(d, e);
        }
        if let Some(whole) = self.whole(target) {
            return (whole, None);
        }
        let thing = self.state.targets.get(target).map(|t| (t, self.reach.things[t as usize]));
        match thing {
            Some((t, Thing::Port(_, link))) => {
                let checks = self.checks_named(t);
                let last = checks.iter().map(|ix| self.state.checks[*ix as usize].last_reply).max();
                let last = last.filter(|at| *at > Timestamp::MIN);
                if link.is_none() {
                    e.rules.push(Rule::Unlinked);
                    return (WhyNot::Unlinked, last);
                }
                if self.state.admin_down.contains(&t) {
                    e.rules.push(Rule::AdminDown);
                    return (WhyNot::AdminDown, last);
                }
                (self.why_checks(&checks, e).unwrap_or(WhyNot::Healthy), last)
            }
            None if self.inventory.device_of(target).is_some() => (WhyNot::NeverAsked, None),
            Some((t, Thing::Stranger)) if self.stranger_incident(t).is_some() => {
                (self.stranger_incident(t).unwrap_or(WhyNot::Healthy), None)
            }
            _ => {
                e.rules.push(Rule::Inventory);
                (WhyNot::NotInInventory { closest: self.inventory.closest(target) }, None)
            }
        }
    }

    fn stranger_incident(&self, target: u32) -> Option<WhyNot> {
        let key = self.state.alarms.keys().find(|k| self.target_of_alarm(**k) == target)?;
        self.in_incident(*key)
    }

    /// A site, a service or a link.
    fn whole(&self, target: &str) -> Option<WhyNot> {
        let down = |d: &DeviceIx| self.reach.devices[d.0 as usize].down();
        let id = |d: &DeviceIx| self.inventory[*d].id.clone();
        if let Some(s) = self.inventory.site(target) {
            let devices = &self.inventory[s].devices;
            let failing = devices.iter().filter(|d| down(d)).map(id).collect();
            return Some(WhyNot::Whole { kind: "site", failing, of: devices.len() });
        }
        if let Some(l) = self.inventory.link(target) {
            let ends = &self.inventory[l].ends;
            let ports = self.reach.links[l.0 as usize].down.iter();
            let ports = ports
                .map(|ix| self.state.targets.name(self.state.checks[*ix as usize].target).clone());
            let failing = ends.iter().filter(|d| down(d)).map(id).chain(ports).collect();
            return Some(WhyNot::Whole { kind: "link", failing, of: 2 });
        }
        let service = self.inventory.services.iter().find(|s| *s.id == *target)?;
        let mut elements: Vec<Element> = Vec::new();
        service.needs.for_each(&mut |e| elements.push(*e));
        let name = |e: &Element| match e {
            Element::Device(d) => self.inventory[*d].id.clone(),
            Element::Link(l) => self.inventory[*l].id.clone(),
        };
        let failing = elements.iter().filter(|e| !self.reach.works(**e)).map(name).collect();
        Some(WhyNot::Whole { kind: "service", failing, of: elements.len() })
    }

    fn checks_named(&self, target: u32) -> Vec<CheckIx> {
        let all = self.state.checks.iter().enumerate();
        all.filter(|(_, c)| c.target == target).map(|(ix, _)| ix as CheckIx).collect()
    }

    fn why_device(&self, d: DeviceIx, e: &mut Explanation) -> (WhyNot, Option<Timestamp>) {
        let device = &self.inventory[d];
        let look = self.look_at(d);
        if device.passive || (device.checks.is_empty() && look.state.is_none()) {
            return (WhyNot::Passive, None);
        }
        let checks: Vec<CheckIx> = self.reach.checks_of_device(d.0).to_vec();
        let own: Vec<CheckIx> = checks
            .iter()
            .copied()
            .filter(|ix| {
                let t = self.state.checks[*ix as usize].target;
                matches!(self.reach.things[t as usize], Thing::Device(_))
            })
            .collect();
        e.inputs.extend(own.iter().take(LISTED).map(|ix| self.samples_of(*ix)));
        let why = match self.why_checks(&own, e) {
            Some(why) => why,
            None if own.is_empty() => WhyNot::NeverAsked,
            None => WhyNot::Healthy,
        };
        if matches!(why, WhyNot::Healthy | WhyNot::NotConfirmed { .. } | WhyNot::CannotAsk) {
            let reach = self.reach_checks(d.0).into_iter().next();
            if let Some(ix) = reach.or(own.first().copied()) {
                if e.rules.is_empty() {
                    e.rules.push(self.samples_rule(ix));
                }
                e.otherwise.extend(self.if_silent(ix, d.0));
            }
        }
        (why, look.last_seen)
    }

    /// What the checks say; `None`: nothing against it.
    fn why_checks(&self, checks: &[CheckIx], e: &mut Explanation) -> Option<WhyNot> {
        let mut keys: Vec<AlarmKey> = Vec::new();
        for ix in checks {
            keys.extend(
                [AlarmKey::Silent(*ix)].into_iter().filter(|k| self.state.alarms.contains_key(k)),
            );
            let levels = AlarmKey::Level(*ix, 0)..=AlarmKey::Level(*ix, u8::MAX);
            keys.extend(self.state.alarms.range(levels).map(|(k, _)| *k));
        }
        if let Some(first) = checks.first()
            && let Some(d) = self.reach.device_of(self.state.checks[*first as usize].target)
        {
            let signals = self.reach.signals.get(&d.0).into_iter().flatten();
            keys.extend(signals.map(|ix| AlarmKey::Signal(*ix)));
        }
        // An alarm of its own says most, then one that is held, then one that something explains.
        if let Some(was) = keys.iter().find_map(|k| match self.place_of(*k) {
            Place::Own { .. } => self.in_incident(*k),
            _ => None,
        }) {
            return Some(was);
        }
        for key in &keys {
            let (target, alarm) = self.name_of(*key);
            let focus = Focus { target: target.to_string(), alarm: alarm.to_string() };
            let device = self.reach.device_of(self.target_of_alarm(*key)).map(|d| d.0);
            match self.place_of(*key) {
                Place::Covered { window } => {
                    return Some(self.why_covered(&focus, window, e));
                }
                Place::Held => {
                    let a = &self.state.alarms[key];
                    let waiting_for = device.map_or(Vec::new(), |d| self.waited_for(d, *key));
                    let why = WhyNot::Held { since: a.confirmed, waiting_for, until: a.hold_until };
                    e.rules.push(Rule::Hold { at_most: self.settings.hold_max });
                    e.inputs.extend(device.map(|d| self.beside(d)).into_iter().flatten());
                    let heard = self.when_heard(*key, &focus);
                    e.otherwise.extend(
                        heard.map(|(had, place)| Otherwise {
                            had,
                            became: Became::Placed { place },
                        }),
                    );
                    return Some(why);
                }
                Place::Under { root } => {
                    e.rules.push(Rule::Frontier);
                    e.chain.extend(super::path(self, &focus));
                    e.otherwise.extend(self.if_roots_answer(*key, &focus, &root));
                    let incident = self.state.alarms[key].incident?;
                    let incident = self.state.incidents.get(&incident)?.id.clone();
                    return Some(WhyNot::Suppressed { incident, root });
                }
                _ => {}
            }
        }
        for ix in checks {
            let c = &self.state.checks[*ix as usize];
            if c.phase == Phase::Suspect {
                e.rules.push(self.samples_rule(*ix));
                let check = self.state.check_names.name(u32::from(c.name)).clone();
                return Some(WhyNot::NotConfirmed { check, since: c.onset });
            }
        }
        for ix in checks {
            let levels = (*ix, 0)..=(*ix, u8::MAX);
            let mut below = self.state.means.range(levels).map(|(k, _)| *k);
            if let Some((ix, n)) = below.next() {
                e.rules.extend(self.level_rule(ix, n));
                e.otherwise.extend(self.if_mean(ix, n));
                if let Some(Rule::Level { name, .. }) = e.rules.last() {
                    let mean = self.mean_of(ix, n).unwrap_or(0.0);
                    e.inputs.push(Input::Value { name: name.clone(), value: mean, mean });
                }
                return Some(WhyNot::BelowLevel);
            }
        }
        let unknown = |ix: &CheckIx| self.state.checks[*ix as usize].phase == Phase::Unknown;
        if !checks.is_empty() && checks.iter().all(unknown) {
            e.rules.push(Rule::CannotAsk);
            return Some(WhyNot::CannotAsk);
        }
        None
    }

    fn in_incident(&self, key: AlarmKey) -> Option<WhyNot> {
        let i = self.state.incidents.get(&self.state.alarms.get(&key)?.incident?)?;
        Some(WhyNot::Was { incident: i.id.clone(), root: i.root.clone() })
    }

    fn why_covered(&self, focus: &Focus, window: String, e: &mut Explanation) -> WhyNot {
        e.rules.push(Rule::Window);
        let found = self.windows().find(|w| w.id == window).cloned();
        let (silence, until) =
            found.as_ref().map_or((false, Timestamp::MAX), |w| (w.silence, w.end));
        e.inputs.extend(found.map(|w| Input::Window {
            id: w.id,
            owner: w.owner,
            reason: w.reason,
            end: w.end,
        }));
        let mut trial = Trial::of(self);
        trial.core.settings.windows.retain(|w| w.id != window);
        trial.core.state.windows.remove(&window);
        trial.core.window_turns(&window);
        while trial.core.poll_decision().is_some() {}
        trial.settle(focus);
        let place = trial.place(focus);
        if matches!(place, Place::Own { .. } | Place::Under { .. }) {
            e.otherwise.push(Otherwise {
                had: Had::NotCovered { window: window.clone() },
                became: Became::Placed { place },
            });
        }
        WhyNot::Covered { window, silence, until }
    }

    /// How many silent samples in a row it would take, while everybody around it answers.
    fn if_silent(&self, ix: CheckIx, device: u32) -> Option<Otherwise> {
        let c = &self.state.checks[ix as usize];
        let focus = Focus {
            target: self.state.targets.name(c.target).to_string(),
            alarm: self.state.check_names.name(u32::from(c.name)).to_string(),
        };
        let mut trial = Trial::of(self);
        for n in 1..=SILENT_MAX {
            trial.answers(ix, false);
            trial.neighbours_answer(device);
            let mut place = trial.place(&focus);
            if place == Place::Held {
                trial.settle(&focus);
                place = trial.place(&focus);
            }
            if !matches!(place, Place::Nowhere | Place::Held) {
                let had = Had::More { samples: n as usize, good: false };
                return Some(Otherwise { had, became: Became::Placed { place } });
            }
        }
        None
    }

    fn if_roots_answer(&self, key: AlarmKey, focus: &Focus, root: &[Arc<str>]) -> Vec<Otherwise> {
        let here = self.place_of(key);
        let one = |id: &Arc<str>| {
            let r = self.inventory.device(id)?;
            let mut trial = Trial::of(self);
            trial.root_answers(r.0);
            if let AlarmKey::Silent(ix) = key {
                trial.fails_on(ix, r.0);
            }
            trial.settle(focus);
            let place = trial.place(focus);
            (place != here && place != Place::Held).then(|| Otherwise {
                had: Had::OtherAnswered { target: id.clone() },
                became: Became::Placed { place },
            })
        };
        root.iter().filter_map(one).collect()
    }

    /// Had the mean been at its level: the next sample of the kind there was is judged with it.
    fn if_mean(&self, ix: CheckIx, n: u8) -> Option<Otherwise> {
        let Some(Rule::Level { name, raise, clear, .. }) = self.level_rule(ix, n) else {
            return None;
        };
        let was = self.mean_of(ix, n).filter(|m| *m > 0.0)?;
        let high_is_bad = raise >= clear;
        let mut trial = Trial::of(self);
        let hair = if high_is_bad { 1.0 + 1e-9 } else { 1.0 - 1e-9 };
        trial.core.scale_mean(ix, n, raise / was * hair);
        let c = &self.state.checks[ix as usize];
        let target = self.state.targets.name(c.target).to_string();
        let probe = self.state.probes.name(u32::from(c.probe)).to_string();
        let check = self.state.check_names.name(u32::from(c.name)).to_string();
        let value = self.threshold(ix, n)?.value.clone();
        let at = c.last_at + Duration::from_millis(1);
        let observation = model::Observation {
            probe: probe.into(),
            target: target.clone().into(),
            check: check.into(),
            outcome: model::Outcome::Reply([(value.into(), raise)].into_iter().collect()),
        };
        trial.happen(at, at, model::Kind::Observation(observation));
        let focus = Focus { target, alarm: name.clone() };
        trial.settle(&focus);
        let place = trial.place(&focus);
        let raised = matches!(place, Place::Own { .. } | Place::Under { .. });
        let had = Had::Mean { name, bound: raise, was, worse: true };
        raised.then_some(Otherwise { had, became: Became::Placed { place } })
    }

    /// Since when a target is as it is, as far as the core knows.
    pub fn state_of(&self, target: &str) -> Option<(AlarmState, Option<Timestamp>)> {
        let d = self.inventory.device(target)?;
        let look = self.look_at(d);
        look.state.map(|s| (s, look.since))
    }
}
