//! Which incident a failure is, when it is explained better than before: kept, rerooted, merged into
//! another, masked by another, split from another.
//!
//! # The rule
//! The incident of the same frontier element is kept. Else the one that most of the alarms belong
//! to and whose own explanation is superseded is rerooted; of several, the oldest. What is left
//! empty by that is merged. But a failure that is *older* than what hides it now is another
//! failure: its incident stays open, masked, and is looked at again when what hides it is over.
//!
//! An everyday picture: first the lamp breaks, then the power fails. When the power is back the
//! lamp is still broken, so nobody tears up its ticket because the whole street was dark meanwhile.

use crate::Correlator;
use crate::reach::Component;
use crate::shared_risk::{Choice, Findings, Part};
use crate::state::{AlarmKey, Cause, IncidentIx};
use crate::text::Telling;
use model::{AlarmState, Change, Condition, IntentOp, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What began within this time is one failure, seen less well at first: whoever is behind it may
/// fall silent up to a minute earlier, and is seen at the pace of its checks.
const ONE_FAILURE: Duration = Duration::from_secs(120);

impl Correlator {
    /// The open incident that is this failure, seen less well before.
    pub(crate) fn same_under_another_name(
        &self,
        c: &Component,
        f: u32,
        links: &[u32],
        alarms: &[AlarmKey],
        findings: &mut Findings,
    ) -> Option<IncidentIx> {
        let onset = self.silent_since(f);
        let told = alarms.iter().filter_map(|k| self.state.alarms[k].incident);
        for ix in told.collect::<BTreeSet<_>>() {
            self.see_whether_still_blamed(ix, findings);
        }
        let mut votes: BTreeMap<IncidentIx, usize> = BTreeMap::new();
        for key in alarms {
            if let Some(ix) = self.state.alarms[key].incident
                && let Some(i) = self.state.incidents.get(&ix)
                && i.open()
                && (i.shared.is_some() || i.since + ONE_FAILURE >= onset)
                && self.superseded(c, f, ix, findings)
            {
                *votes.entry(ix).or_default() += 1;
            }
        }
        // A link that leads here and was down already: the last way is gone, and it is the same
        // incident, more urgent.
        for &l in links {
            let link = self.state.targets.get(&self.inventory.links[l as usize].id);
            if let Some(i) = link.and_then(|t| self.open.get(&Cause::Link(t))) {
                *votes.entry(*i).or_default() += 1;
            }
        }
        // The most; among equals the oldest.
        votes.into_iter().max_by_key(|(i, n)| (*n, std::cmp::Reverse(*i))).map(|(i, _)| i)
    }

    /// What is blamed for several symptoms may still be, for those that are seen elsewhere.
    fn see_whether_still_blamed(&self, ix: IncidentIx, findings: &mut Findings) {
        let Some(i) = self.state.incidents.get(&ix).filter(|i| i.shared.is_some()) else { return };
        for key in &i.members {
            if findings.blames(i.cause) {
                return;
            }
            if let Some(d) = self.reach.device_of(self.target_of_alarm(*key))
                && self.is_reach(*key)
            {
                self.choice(Part::Device(d.0), findings);
            }
        }
    }

    /// When the device fell silent.
    pub(crate) fn silent_since(&self, device: u32) -> Timestamp {
        let silent = &self.reach.devices[device as usize].silent;
        let onsets = silent.iter().map(|ix| self.state.checks[*ix as usize].onset);
        onsets.min().unwrap_or(self.state.now)
    }

    /// Whether what an incident was thought to be is explained otherwise now.
    fn superseded(&self, c: &Component, f: u32, ix: IncidentIx, findings: &Findings) -> bool {
        let i = &self.state.incidents[&ix];
        match i.cause {
            Cause::Device(t) => self.reach.device_of(t).is_some_and(|d| {
                if d.0 == f || findings.blames(i.cause) {
                    return false;
                }
                if !self.reach.devices[d.0 as usize].down() {
                    // What recovered is over, and what is left is another failure; unless it was
                    // only blamed for this one.
                    return i.shared.is_some();
                }
                if c.members.binary_search(&d.0).is_ok() {
                    return !c.frontier.contains_key(&d.0);
                }
                let since = self.silent_since(d.0);
                !self.reach.beside_the_lit(&self.inventory, d.0, since)
            }),
            // Between two that are reached it fails whatever else does.
            Cause::Link(t) => {
                let stands = i.shared.is_none()
                    && self.inventory.link(self.state.targets.name(t)).is_some_and(|l| {
                        let ends = self.inventory[l].ends;
                        ends.iter().all(|d| !self.reach.devices[d.0 as usize].down())
                    });
                !stands && !findings.blames(i.cause)
            }
            Cause::Other(_) | Cause::Blind(_) | Cause::Storm(_) => false,
        }
    }

    /// The open incident of a shared element, or the oldest of what it explains.
    pub(crate) fn same_as_shared(&self, choice: &Choice) -> Option<IncidentIx> {
        if let Some(i) = self.open.get(&choice.cause) {
            return Some(*i);
        }
        let of_parts = choice.parts.iter().flat_map(|p| self.alarms_of(*p));
        let told = of_parts.filter_map(|k| self.state.alarms.get(&k)?.incident);
        let open = |ix: &IncidentIx| {
            self.state.incidents.get(ix).is_some_and(|i| {
                let own = choice.parts.iter().any(|p| self.cause_of_part(*p) == Some(i.cause));
                i.open() && (own || i.shared.is_some())
            })
        };
        told.filter(open).min()
    }

    fn cause_of_part(&self, p: Part) -> Option<Cause> {
        let names = &self.state.targets;
        match p {
            Part::Device(d) => Some(Cause::Device(self.reach.devices[d as usize].target)),
            Part::Link(l) => names.get(&self.inventory.links[l as usize].id).map(Cause::Link),
            Part::Service(s) => {
                names.get(&self.inventory.services[s as usize].id).map(Cause::Other)
            }
        }
    }

    /// What lies behind `f` and failed before it is hidden by it now.
    pub(crate) fn mask_behind(
        &mut self,
        c: &Component,
        f: u32,
        group: &[u32],
        incident: IncidentIx,
        began: Timestamp,
    ) {
        let mut hidden = Vec::new();
        for &m in group {
            if !c.frontier.contains_key(&m) {
                hidden.extend(self.open.get(&Cause::Device(self.reach.devices[m as usize].target)));
            }
            for &(_, l) in self.inventory.graph.neighbours(m) {
                let link = self.state.targets.get(&self.inventory.links[l as usize].id);
                hidden.extend(link.and_then(|t| self.open.get(&Cause::Link(t))));
            }
        }
        // What is blamed for several, all of which went behind this.
        let all_gone = |ix: &&IncidentIx| self.state.incidents[ix].members.is_empty();
        hidden.extend(self.sharing.iter().filter(all_gone));
        for ix in hidden {
            let i = &self.state.incidents[&ix];
            let before = i.masked_by.is_some() || i.since + ONE_FAILURE < began;
            let all = i.shared.is_none() || i.members.is_empty();
            if ix != incident && all && !i.fresh && before {
                self.mask(ix, incident);
            }
        }
        let own = Cause::Device(self.reach.devices[f as usize].target);
        if let Some(&ix) = self.open.get(&own) {
            self.unmask(ix);
        }
    }

    pub(crate) fn mask(&mut self, ix: IncidentIx, by: IncidentIx) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        if i.masked_by != Some(by) {
            i.masked_by = Some(by);
            self.masked.insert(ix);
            self.touched.insert(ix);
        }
    }

    pub(crate) fn unmask(&mut self, ix: IncidentIx) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        if i.masked_by.take().is_some() {
            self.masked.remove(&ix);
            self.touched.insert(ix);
        }
    }

    /// An incident is over, or part of another from now on: so is what it masked, which nothing may
    /// come by to look at again.
    pub(crate) fn masks_no_more(&mut self, ix: IncidentIx, into: Option<IncidentIx>) {
        self.masked.remove(&ix);
        let by = |m: &&IncidentIx| self.state.incidents[m].masked_by == Some(ix);
        let masked: Vec<IncidentIx> = self.masked.iter().filter(by).copied().collect();
        for m in masked {
            match into.filter(|into| *into != m) {
                Some(into) => self.mask(m, into),
                None => self.unmask(m),
            }
        }
    }

    /// A device is not unreachable any more: what was masked of it and of its links can be seen again.
    pub(crate) fn can_be_seen(&mut self, device: u32, went: &mut BTreeMap<IncidentIx, IncidentIx>) {
        let own = Cause::Device(self.reach.devices[device as usize].target);
        let mut seen: Vec<IncidentIx> = self.open.get(&own).copied().into_iter().collect();
        for &(other, l) in self.inventory.graph.neighbours(device) {
            let link = self.state.targets.get(&self.inventory.links[l as usize].id);
            if let Some(&ix) = link.and_then(|t| self.open.get(&Cause::Link(t)))
                && !self.reach.devices[other as usize].down()
            {
                seen.push(ix);
            }
        }
        seen.extend(self.hidden_and_over(device));
        for ix in seen {
            self.go_home(device, ix, went);
            self.unmask(ix);
            if self.state.incidents[&ix].members.is_empty() {
                self.touched.insert(ix);
            }
        }
    }

    /// What others say of a device, and its levels, went with what hid it. They did not begin with
    /// that, or are not over with it, so they stand in the device's own incident again.
    fn go_home(
        &mut self,
        device: u32,
        ix: IncidentIx,
        went: &mut BTreeMap<IncidentIx, IncidentIx>,
    ) {
        let own = Cause::Device(self.reach.devices[device as usize].target);
        let i = &self.state.incidents[&ix];
        let Some(by) = i.masked_by.filter(|_| i.cause == own) else { return };
        for key in self.local_alarms_of(device) {
            let a = &self.state.alarms[&key];
            let told = matches!(key, AlarmKey::Level(..) | AlarmKey::Signal(_));
            if told && a.incident == Some(by) {
                self.attach(key, ix, went);
            }
        }
    }

    /// Whether a masked incident stays as it is, since nobody can see yet whether it is over; says
    /// so once.
    pub(crate) fn stays_masked(&mut self, ix: IncidentIx) -> bool {
        let i = &self.state.incidents[&ix];
        let Some(by) = i.masked_by else { return false };
        let unseen = match i.cause {
            Cause::Device(t) => self.reach.device_of(t).is_some(),
            Cause::Storm(_) => true,
            Cause::Link(_) | Cause::Other(_) | Cause::Blind(_) => {
                i.shared.is_some() || !i.members.is_empty()
            }
        };
        if !unseen || i.fresh {
            return false;
        }
        if i.condition != Condition::Masked {
            let by: Vec<Arc<str>> =
                self.state.incidents.get(&by).map_or_else(Vec::new, |b| b.root.clone());
            let reason = format!(
                "masked by {}: it hides whether this still fails; looked at again when that is over",
                by.join(" or ")
            );
            if let Some(i) = self.state.incidents.get_mut(&ix) {
                i.condition = Condition::Masked;
            }
            self.incident_line(ix, Change::Updated, reason);
            if self.state.incidents[&ix].ticketed {
                self.intent(ix, IntentOp::Note, Telling::Masked { by });
            }
        }
        true
    }

    /// The incident of a device that answers again while a link that led to it is still down: it is
    /// that link now, whichever end tells of it first. One that names the link comes before others.
    ///
    /// The moments of the checks decide whether the port tells its second bad answer before or after
    /// the last of the others its second good one, so those that only wait for that are no reason
    /// for another incident. What fails truly behind the device gets its own.
    pub(crate) fn left_of_a_device(&self, key: AlarmKey) -> Option<IncidentIx> {
        let link = self.link_of_port(self.target_of_alarm(key))?;
        let of_link =
            |c: &u32| self.link_of_port(self.state.checks[*c as usize].target) == Some(link);
        let ends = self.inventory[link].ends;
        let ports = ends.iter().flat_map(|d| self.reach.checks_of_device(d.0)).copied();
        let told = ports.filter(of_link).map(AlarmKey::Silent);
        let all: BTreeSet<IncidentIx> = std::iter::once(key)
            .chain(told)
            .filter_map(|k| self.state.alarms.get(&k)?.incident)
            .filter(|ix| self.dissolves_into_a_link(*ix))
            .collect();
        let own = self.state.alarms.get(&key).and_then(|a| a.incident);
        let id = &self.inventory[link].id;
        let names = |ix: &IncidentIx| self.state.incidents[ix].root.contains(id);
        all.into_iter().min_by_key(|ix| (!names(ix), own != Some(*ix), *ix))
    }

    /// Whether the device an incident is about is back, and nothing is left of it but links, and
    /// what has yet to say whether it is back as well.
    fn dissolves_into_a_link(&self, ix: IncidentIx) -> bool {
        let Some(i) = self.state.incidents.get(&ix).filter(|i| i.open()) else { return false };
        let Cause::Device(t) = i.cause else { return false };
        let Some(d) = self.reach.device_of(t) else { return false };
        !self.reach.devices[d.0 as usize].down()
            && i.members.iter().all(|k| match k {
                AlarmKey::Silent(c) => {
                    self.link_of_port(self.state.checks[*c as usize].target).is_some()
                        || self.state.alarms.get(k).is_some_and(|a| {
                            matches!(a.state, AlarmState::Suspect | AlarmState::Clearing)
                        })
                }
                _ => false,
            })
    }

    /// One that was blamed for a shared failure, or a port of such a link, is good again: the blame
    /// is off, and the others are asked afresh before anything is made of it.
    pub(crate) fn blame_is_off(&mut self, key: AlarmKey) {
        let Some(ix) = self.state.alarms.get(&key).and_then(|a| a.incident) else { return };
        let Some(i) = self.state.incidents.get(&ix).filter(|i| i.shared.is_some()) else { return };
        let others: Vec<AlarmKey> = i.members.iter().copied().filter(|k| *k != key).collect();
        for k in others {
            let settled = |a: &crate::state::Alarm| {
                use model::AlarmState::{Clearing, Flapping, Suspect};
                matches!(a.state, Flapping | Clearing | Suspect)
            };
            if self.state.alarms.get(&k).is_some_and(|a| !settled(a)) {
                self.confirm_afresh(k, "one that needs the same answers again; it is asked afresh");
            }
        }
        self.touched.insert(ix);
    }
}
