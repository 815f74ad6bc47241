//! Seasons: times in which some services matter more, and with them the devices that they need.

use crate::Correlator;
use crate::state::{IncidentIx, Timer};
use model::inventory::{Criticality, DeviceIx, Element};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How much something matters now, and the season that makes it so.
pub(crate) type Critical = (Criticality, Option<Arc<str>>);

/// What matters more today than on other days. Follows from the settings, the inventory and the
/// time of the last turn of a season.
#[derive(Debug, Default)]
pub(crate) struct InSeason {
    devices: BTreeMap<u32, (Criticality, Arc<str>)>,
    services: BTreeMap<u32, (Criticality, Arc<str>)>,
}

impl Correlator {
    /// How much a device matters now.
    pub(crate) fn criticality_of_device(&self, d: DeviceIx) -> Critical {
        in_season(self.inventory[d].criticality, self.in_season.devices.get(&d.0))
    }

    /// How much a service matters now.
    pub(crate) fn criticality_of_service(&self, s: u32) -> Critical {
        let usual = self.inventory.services[s as usize].criticality;
        in_season(usual, self.in_season.services.get(&s))
    }

    /// Learns which seasons it is, and when to look again.
    pub(crate) fn look_at_the_calendar(&mut self) {
        let now = self.state.now;
        self.in_season = InSeason::default();
        for n in 0..self.settings.seasons.len() {
            let season = &self.settings.seasons[n];
            let zone = self.settings.zone();
            let Some((start, end)) = season.span_at(now, zone) else { continue };
            let (name, level) = (Arc::<str>::from(&*season.name), season.criticality);
            let next = if start <= now { end } else { start };
            self.set_timer(next, Timer::Season(n as u32));
            if now < start {
                continue;
            }
            for id in self.settings.seasons[n].services.clone() {
                let found = self.inventory.services.iter().position(|s| *s.id == *id);
                let Some(s) = found else { continue };
                raise(&mut self.in_season.services, s as u32, level, &name);
                for d in self.needed_by(s) {
                    raise(&mut self.in_season.devices, d.0, level, &name);
                }
            }
        }
    }

    /// A season begins or ends: what is open is weighed again.
    pub(crate) fn season_turns(&mut self) {
        self.look_at_the_calendar();
        let open: Vec<IncidentIx> = self.open.values().copied().collect();
        for ix in open {
            self.revise(ix);
        }
    }
}

impl Correlator {
    /// The devices that a service needs, and those that they need in their turn.
    fn needed_by(&self, service: usize) -> BTreeSet<DeviceIx> {
        let (mut found, mut links) = (BTreeSet::new(), BTreeSet::new());
        let mut look_at = Vec::new();
        self.inventory.services[service].needs.for_each(&mut |e| look_at.push(*e));
        while let Some(element) = look_at.pop() {
            let (new, needs) = match element {
                Element::Device(d) => (found.insert(d), &self.inventory[d].needs),
                Element::Link(l) => (links.insert(l), &self.inventory[l].needs),
            };
            if let (true, Some(needs)) = (new, needs) {
                needs.for_each(&mut |e| look_at.push(*e));
            }
        }
        found
    }
}

fn in_season(usual: Criticality, now: Option<&(Criticality, Arc<str>)>) -> Critical {
    match now {
        Some((level, season)) if *level > usual => (*level, Some(season.clone())),
        _ => (usual, None),
    }
}

fn raise(
    of: &mut BTreeMap<u32, (Criticality, Arc<str>)>,
    ix: u32,
    level: Criticality,
    season: &Arc<str>,
) {
    let now = of.entry(ix).or_insert_with(|| (level, season.clone()));
    if level > now.0 {
        *now = (level, season.clone());
    }
}
