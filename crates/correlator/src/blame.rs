//! Who was blamed for what many show stays so until something of it is well: also while something
//! nearer hides part of it, and when others fail beside it later.
//!
//! An everyday picture: the fuse was found to be blown. That the street is dark an hour later makes
//! nobody put it back into the drawer as good.

use crate::Correlator;
use crate::falls::Fallen;
use crate::reach::Thing;
use crate::shared_risk::{Choice, Part, Symptom};
use crate::state::{AlarmKey, Incident, IncidentIx};
use model::Timestamp;
use model::inventory::LinkIx;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// So often what one blame stood on is looked at before an event is done.
const ON_TOP_MAX: usize = 8;

impl Correlator {
    /// Looks at what changed, and then at what was blamed on top of a blame that this ended.
    pub(crate) fn evaluate(&mut self) {
        for _ in 0..ON_TOP_MAX {
            let blamed = self.sharing.clone();
            self.look_once();
            if !self.stood_on_what_ended(&blamed) {
                return;
            }
        }
    }

    /// The elements that are blamed already and may still be, with what they explain of `left`, which
    /// is taken out of it; also those of the suspects of which something nearer hides all.
    pub(crate) fn still_blamed(
        &self,
        left: &mut BTreeMap<Part, Symptom>,
        suspects: &BTreeSet<Part>,
    ) -> (Vec<Part>, Vec<Rc<Choice>>) {
        let (mut blamed, mut chosen) = (Vec::new(), Vec::new());
        let mut before = self.blamed_for(left.keys());
        before.extend(self.blaming(suspects));
        for ix in before {
            let i = &self.state.incidents[&ix];
            let Some(span) = i.shared.filter(|span| !self.may_grow(ix, *span, left)) else {
                continue;
            };
            // What failed before it did so on its own account.
            let older = left.iter().filter(|(_, s)| s.onset < span.0).map(|(p, _)| *p);
            let already: Vec<Part> = blamed.iter().copied().chain(older).collect();
            let before = self.fall(&already);
            let mut still: Vec<(Part, BTreeSet<Part>)> = Vec::new();
            for e in i.root.iter().filter_map(|id| self.part_named(id)) {
                let with: Vec<Part> = already.iter().copied().chain([e]).collect();
                let falls = self.seen_in(&self.fall(&with), &before);
                let fails = falls.iter().any(|p| self.seen_to_fail(*p));
                if fails && !falls.iter().any(|p| self.well(*p, span.1)) {
                    still.push((e, falls));
                }
            }
            let most = still.iter().map(|(_, falls)| falls.len()).max();
            still.retain(|(_, falls)| Some(falls.len()) == most);
            let Some((e, falls)) = still.iter().min_by_key(|(e, _)| self.id_of(*e)) else {
                continue;
            };
            let covers: Vec<Part> =
                falls.iter().copied().filter(|p| left.contains_key(p)).collect();
            blamed.push(*e);
            left.retain(|p, _| !covers.contains(p));
            let alike: Vec<Part> = still.iter().map(|(e, _)| *e).collect();
            chosen.extend(self.choice_of(&alike, covers, span).map(Rc::new));
        }
        (blamed, chosen)
    }

    /// The open incidents for which one of these is blamed.
    pub(crate) fn blaming(&self, elements: &BTreeSet<Part>) -> Vec<IncidentIx> {
        let named = |id: &Arc<str>| self.part_named(id).is_some_and(|e| elements.contains(&e));
        let blames = |ix: &&IncidentIx| {
            self.state
                .incidents
                .get(ix)
                .is_some_and(|i| i.open() && i.shared.is_some() && i.root.iter().any(named))
        };
        self.sharing.iter().filter(blames).copied().collect()
    }

    /// The incidents in which these symptoms are told and for which a shared element is blamed, the
    /// oldest first.
    fn blamed_for<'a>(&self, parts: impl Iterator<Item = &'a Part>) -> BTreeSet<IncidentIx> {
        let told = parts.filter_map(|p| self.told_in(*p));
        told.filter(|ix| {
            self.state.incidents.get(ix).is_some_and(|i| i.open() && i.shared.is_some())
        })
        .collect()
    }

    /// Whether another symptom began together with those of this incident: then it is one failure,
    /// seen less well before, and whoever explains most of it all is looked for again.
    fn may_grow(
        &self,
        ix: IncidentIx,
        (first, last): (Timestamp, Timestamp),
        left: &BTreeMap<Part, Symptom>,
    ) -> bool {
        left.iter().any(|(p, s)| {
            let told = self.told_in(*p);
            let late = self.state.now >= last + s.interval * 2 + self.settings.hold_max;
            told != Some(ix)
                && (told.is_none() || !late)
                && s.onset + s.interval * 2 >= last
                && s.onset <= first + s.interval * 2
        })
    }

    /// The masked incidents of what was blamed for this device, or for a link of it, and is blamed no
    /// more: something of it is well, or nothing of it fails.
    pub(crate) fn hidden_and_over(&self, device: u32) -> Vec<IncidentIx> {
        let gone = |ix: &IncidentIx| {
            let i = &self.state.incidents[ix];
            i.masked_by.is_some() && i.members.is_empty()
        };
        if !self.sharing.iter().any(gone) {
            return Vec::new();
        }
        let links = self.inventory.graph.neighbours(device).iter().map(|(_, l)| Part::Link(*l));
        let above = links.chain([Part::Device(device)]).flat_map(|p| self.explained_above(p));
        let blamed: BTreeSet<IncidentIx> = above.filter(gone).collect();
        blamed.into_iter().filter(|ix| !self.may_still_be(*ix)).collect()
    }

    fn may_still_be(&self, ix: IncidentIx) -> bool {
        let i = &self.state.incidents[&ix];
        let since = i.shared.map_or(i.since, |span| span.1);
        let nothing = Fallen::default();
        i.root.iter().filter_map(|id| self.part_named(id)).any(|e| {
            let falls = self.seen_in(&self.fall(&[e]), &nothing);
            falls.iter().any(|p| self.seen_to_fail(*p))
                && !falls.iter().any(|p| self.well(*p, since))
        })
    }

    /// Where a blame ended, what is still blamed may have been so on top of it: all of it is looked at
    /// again. Says whether there is any.
    fn stood_on_what_ended(&mut self, blamed: &BTreeSet<IncidentIx>) -> bool {
        if blamed.is_subset(&self.sharing) {
            return false;
        }
        let still = blamed.intersection(&self.sharing);
        let members = still.flat_map(|ix| &self.state.incidents[ix].members);
        let devices = members.filter_map(|k| self.reach.device_of(self.target_of_alarm(*k)));
        let devices: Vec<u32> = devices.map(|d| d.0).collect();
        self.dirty.devices.extend(&devices);
        !devices.is_empty()
    }

    /// Whether something that an element is blamed for is seen itself, where the element is hidden.
    pub(crate) fn shows_elsewhere(&self, i: &Incident) -> bool {
        let part = |k: &AlarmKey| match self.reach.things[self.target_of_alarm(*k) as usize] {
            Thing::Device(d) if self.is_reach(*k) => Some(Part::Device(d.0)),
            Thing::Port(_, Some(l)) => Some(Part::Link(l.0)),
            Thing::Service(s) => Some(Part::Service(s)),
            _ => None,
        };
        i.shared.is_some() && i.members.iter().filter_map(part).any(|p| self.symptom(p).is_some())
    }

    fn part_named(&self, id: &str) -> Option<Part> {
        let device = self.inventory.device(id).map(|d| Part::Device(d.0));
        device.or_else(|| self.inventory.link(id).map(|l| Part::Link(l.0)))
    }

    fn seen_to_fail(&self, p: Part) -> bool {
        match p {
            Part::Device(d) => self.reach.devices[d as usize].down(),
            Part::Link(l) => !self.reach.links[l as usize].down.is_empty(),
            Part::Service(_) => true,
        }
    }

    /// Whether this is well for certain, since what is blamed for it began.
    fn well(&self, p: Part, since: Timestamp) -> bool {
        match p {
            Part::Device(d) => {
                let view = &self.reach.devices[d as usize];
                view.observed && !view.down() && view.suspect.is_empty() && view.last_reply > since
            }
            Part::Link(l) => {
                self.reach.links[l as usize].down.is_empty()
                    && self.port_up(LinkIx(l), since).is_some()
            }
            Part::Service(_) => false,
        }
    }
}
