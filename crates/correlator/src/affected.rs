//! What fails because of an incident, and how far it reaches.

use crate::Correlator;
use crate::priority::Urgency;
use crate::reach::Thing;
use crate::state::{AlarmKey, Cause, Incident, IncidentIx};
use model::inventory::{DeviceIx, Element};
use model::{Affected, Condition, Scope};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Correlator {
    /// Weighs an incident: affected, scope, computed priority, and why.
    pub(crate) fn weigh(&mut self, ix: IncidentIx) {
        let i = &self.state.incidents[&ix];
        if matches!(i.cause, Cause::Storm(_)) {
            return;
        }
        let down = self.down_of(i);
        let (affected, urgency, whole_sites) = self.affected_by(i, &down);
        // How far *this* reaches: a site that others took down in part is not wholly of its doing.
        let own = |s: &&u32| self.active_devices(**s).all(|d| down.contains(&d.0));
        let own_sites: Vec<&u32> = whole_sites.iter().filter(own).collect();
        let massive =
            own_sites.len() >= 3 || own_sites.iter().any(|s| self.active_devices(**s).count() >= 2);
        let scope = match affected.devices.len() {
            _ if matches!(i.cause, Cause::Blind(_)) => self.scope_of_the_blind(),
            _ if massive => Scope::Masif,
            0 | 1 => Scope::Lokal,
            _ => Scope::Situs,
        };
        let behind = self.passes_through(i);
        let mut what = self.what_fails(ix, i, !down.is_empty());
        if let Some(hint) = self.hint(i, behind.as_deref(), &affected) {
            what = format!("{what}; {hint}");
        }
        let (mut computed, mut why) = self.priority_of(i, &down, scope, &urgency, &affected);
        if behind.is_some() {
            computed = computed.max(model::Priority::P3);
            why = format!("{why}; what only it leads to answers, so at most P3");
        }
        let condition = self.condition_of(i);
        let since =
            i.members.iter().filter_map(|k| self.state.alarms.get(k)).map(|a| a.onset).min();
        let (computed, why) =
            if down.is_empty() { self.for_a_bad_way(ix, computed, why) } else { (computed, why) };
        if self.state.incidents[&ix].outage && down.is_empty() {
            self.may_be_overruled(ix);
        }
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.since = since.map_or(i.since, |s| s.min(i.since));
        i.outage = !down.is_empty();
        i.affected = affected;
        i.scope = scope;
        i.computed = computed;
        i.condition = condition;
        i.what = what;
        i.why = why;
        self.present(ix);
    }

    /// The unreachable devices that an incident explains.
    fn down_of(&self, i: &Incident) -> BTreeSet<u32> {
        let devices = i
            .members
            .iter()
            .filter(|k| self.is_reach(**k))
            .filter_map(|k| self.reach.device_of(self.target_of_alarm(*k)));
        devices.map(|d| d.0).collect()
    }

    fn active_devices(&self, site: u32) -> impl Iterator<Item = DeviceIx> + '_ {
        self.inventory.sites[site as usize].devices.iter().copied()
    }

    fn affected_by(
        &self,
        i: &Incident,
        down: &BTreeSet<u32>,
    ) -> (Affected, Urgency, BTreeSet<u32>) {
        let mut devices = down.clone();
        if let Cause::Device(t) = i.cause
            && let Some(d) = self.reach.device_of(t)
        {
            devices.insert(d.0);
        }
        let on_the_way = i.members.iter().filter(|k| self.is_about_the_way(**k));
        let on_the_way = on_the_way.map(|k| self.target_of_alarm(*k));
        devices.extend(on_the_way.filter_map(|t| self.reach.device_of(t)).map(|d| d.0));
        if let Cause::Blind(_) = i.cause {
            let told = i.members.iter().map(|k| self.target_of_alarm(*k));
            devices.extend(told.filter_map(|t| self.reach.device_of(t)).map(|d| d.0));
        }
        let mut sites = BTreeSet::new();
        let mut services = BTreeSet::new();
        let mut urgency = Urgency::default();
        for &d in &devices {
            let device = &self.inventory.devices[d as usize];
            sites.extend(device.site.map(|s| s.0));
            services.extend(self.inventory.services_of(Element::Device(DeviceIx(d))));
            urgency.device(self, DeviceIx(d));
        }
        for id in &i.root {
            if let Some(l) = self.inventory.link(id) {
                services.extend(self.inventory.services_of(Element::Link(l)));
            }
        }
        // A signal about a site or a service says that it fails, whatever its devices say.
        let mut said_broken = None;
        if let Cause::Other(t) = i.cause {
            match self.reach.things[t as usize] {
                Thing::Site(s) => {
                    sites.insert(s.0);
                    for d in &self.inventory[s].devices {
                        urgency.device(self, *d);
                    }
                }
                Thing::Service(s) => said_broken = Some(s),
                _ => {}
            }
        }
        let broken: Vec<u32> = services
            .into_iter()
            .filter(|s| !self.inventory.services[*s as usize].needs.met(&|e| self.reach.works(*e)))
            .chain(said_broken)
            .collect();
        for &s in &broken {
            urgency.service(self, s);
        }
        let whole: BTreeSet<u32> = sites
            .iter()
            .copied()
            .filter(|s| self.active_devices(*s).all(|d| self.reach.devices[d.0 as usize].down()))
            .collect();
        let affected = Affected {
            devices: sorted(devices.iter().map(|d| self.inventory.devices[*d as usize].id.clone())),
            sites: sorted(sites.iter().map(|s| self.inventory.sites[*s as usize].id.clone())),
            services: sorted(
                broken.iter().map(|s| self.inventory.services[*s as usize].id.clone()),
            ),
            users: whole.iter().map(|s| self.inventory.sites[*s as usize].users).sum(),
        };
        (affected, urgency, whole)
    }

    pub(crate) fn condition_of(&self, i: &Incident) -> Condition {
        if self.all_unseen(&i.members) {
            return Condition::Unknown;
        }
        if i.masked_by.is_some() {
            return Condition::Masked;
        }
        let Cause::Device(t) = i.cause else { return Condition::Failing };
        let Some(d) = self.reach.device_of(t) else { return Condition::Failing };
        let view = &self.reach.devices[d.0 as usize];
        let explained_elsewhere =
            view.down() && !view.silent.iter().any(|ix| i.members.contains(&AlarmKey::Silent(*ix)));
        if explained_elsewhere && !self.shows_elsewhere(i) {
            Condition::Masked
        } else {
            Condition::Failing
        }
    }

    /// What answers behind a silent device that alone leads there: it passes traffic on.
    fn passes_through(&self, i: &Incident) -> Option<Arc<str>> {
        let Cause::Device(t) = i.cause else { return None };
        let d = self.reach.device_of(t).filter(|_| i.shared.is_none())?;
        self.answers_behind(d.0)
    }

    /// What the evidence around it says besides, in half a sentence.
    fn hint(&self, i: &Incident, behind: Option<&str>, affected: &Affected) -> Option<String> {
        if i.shared.is_some() {
            return None;
        }
        if let Some(x) = behind {
            return Some(format!(
                "but {x} answers, which only it leads to: it is not answering rather than down, or a link is missing in the inventory"
            ));
        }
        let spare = match i.cause {
            Cause::Device(t) => {
                let d = self.reach.device_of(t)?;
                if !self.reach.devices[d.0 as usize].down() {
                    return None;
                }
                if let Some(hint) = self.port_hint(d.0) {
                    return Some(hint);
                }
                self.inventory.services_of(Element::Device(d))
            }
            Cause::Link(_) | Cause::Other(_) | Cause::Blind(_) | Cause::Storm(_) => &[],
        };
        // A service that is met without it has one fewer to fall back on.
        let id = |s: &u32| &self.inventory.services[*s as usize].id;
        let whole: Vec<&str> =
            spare.iter().map(id).filter(|s| !affected.services.contains(s)).map(|s| &**s).collect();
        (!whole.is_empty()).then(|| format!("redundancy of {} is lost", whole.join(", ")))
    }

    /// Whether what is blamed is seen to be unreachable itself.
    pub(crate) fn seen_itself(&self, i: &Incident) -> bool {
        i.members.iter().any(|k| {
            self.is_reach(*k) && i.root.contains(self.state.targets.name(self.target_of_alarm(*k)))
        })
    }

    /// What fails, in one sentence.
    fn what_fails(&self, ix: IncidentIx, i: &Incident, unreachable: bool) -> String {
        let root = i.root.join(" or ");
        if let Cause::Blind(p) = i.cause {
            return self.blind_words(p);
        }
        if i.shared.is_some() {
            let targets = i.members.iter().map(|k| self.target_of_alarm(*k));
            let failing: BTreeSet<&Arc<str>> = targets
                .map(|t| self.state.targets.name(t))
                .filter(|n| !i.root.contains(*n))
                .collect();
            let first: Vec<&str> = failing.iter().take(3).map(|n| &***n).collect();
            let more = match failing.len().saturating_sub(first.len()) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            if !failing.is_empty() {
                return format!(
                    "{root}: all that needs it and can be seen fails ({}{more}), {}",
                    first.join(", "),
                    self.seen_by(i)
                );
            }
        }
        if unreachable {
            return format!("{root} does not answer, {}", self.seen_by(i));
        }
        let mut parts: BTreeSet<String> = BTreeSet::new();
        let own_path = |k: &&AlarmKey| {
            matches!(k, AlarmKey::Silent(c) if self.is_path(*c))
                && self.role_in(**k, Some(ix)) == model::Verdict::Joined
        };
        let explained = i.members.iter().any(|k| own_path(&k));
        for key in &i.members {
            // What is missed further on is missed because of it.
            if explained
                && !own_path(&key)
                && matches!(key, AlarmKey::Silent(c) if self.is_path(*c))
            {
                continue;
            }
            let (target, check) = self.name_of(*key);
            let part = match key {
                AlarmKey::Signal(ix) => self
                    .state
                    .signals
                    .get(ix)
                    .map_or_else(String::new, |s| format!("{} says: {}", s.source, s.summary)),
                AlarmKey::Level(..) if self.is_about_the_way(*key) => {
                    let Some(part) = self.way_words(i, *key, &target) else { continue };
                    part
                }
                AlarmKey::Level(c, n) if self.is_a_rise(*c, *n) => {
                    let said = self.state.alarms.get(key).map_or("", |a| a.said.as_str());
                    format!("{said}, at {target}")
                }
                AlarmKey::Level(..) => format!("{check} of {target} is beyond its level"),
                AlarmKey::Silent(_) if matches!(i.cause, Cause::Link(_)) => {
                    // What else is left of a device that is back says nothing of the link.
                    if !self.is_root_link(self.target_of_alarm(*key), i) {
                        continue;
                    }
                    format!("link {root} is down, seen at {target}")
                }
                AlarmKey::Silent(_) if self.inventory.device(&target).is_none() => {
                    format!("port {target} is down")
                }
                AlarmKey::Silent(ix) if self.is_path(*ix) => {
                    let probe = self.state.checks[*ix as usize].probe;
                    let probe = self.state.probes.name(u32::from(probe));
                    format!("path {probe} → {target}: {probe} gets no answer, others do")
                }
                AlarmKey::Silent(_) => format!("{target} does not answer {check}"),
            };
            parts.insert(part);
        }
        parts.into_iter().take(5).collect::<Vec<_>>().join("; ")
    }

    /// By which checks of which probes it was seen.
    pub(crate) fn seen_by(&self, i: &Incident) -> String {
        let mut seen = BTreeSet::new();
        for key in &i.members {
            match key {
                AlarmKey::Silent(ix) | AlarmKey::Level(ix, _) => {
                    let c = &self.state.checks[*ix as usize];
                    seen.insert(format!(
                        "{} from {}",
                        self.state.check_names.name(u32::from(c.name)),
                        self.state.probes.name(u32::from(c.probe))
                    ));
                }
                AlarmKey::Signal(ix) => {
                    seen.extend(self.state.signals.get(ix).map(|s| s.source.to_string()));
                }
            }
        }
        format!("seen by {}", seen.into_iter().take(5).collect::<Vec<_>>().join(", "))
    }
}

fn sorted(ids: impl Iterator<Item = Arc<str>>) -> Vec<Arc<str>> {
    let mut ids: Vec<Arc<str>> = ids.collect();
    ids.sort();
    ids
}
