//! What there is to tell of an incident, gathered for a reader: the ticket's own text and templates
//! that a person writes are both made from it.

use crate::Correlator;
use crate::state::{Cause, Fix, Incident, IncidentIx};
use crate::window::CHANGE_ECHO;
use model::facts::{Facts, Named, Neighbour, Place, Similar};
use model::inventory::DeviceIx;
use model::{AlarmState, IncidentId, Reader};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How much of what a person wrote is kept.
const FIX_MAX_CHARS: usize = 300;
/// How many devices of a root, and joined to it, are told of.
const NEAR_MAX: usize = 8;
/// How many earlier incidents, and how many windows.
const FEW: usize = 3;
/// How many checks are named as evidence.
const EVIDENCE_MAX: usize = 6;
/// A window that begins within this time is near.
const SOON: Duration = Duration::from_hours(24);

impl Correlator {
    /// What there is to tell of an incident that is open or not yet forgotten, as of now.
    pub fn facts(&self, id: &IncidentId) -> Option<Facts> {
        let ix = self.by_id.get(id)?;
        Some(self.facts_of(self.state.incidents.get(ix)?, &self.settings.reader()))
    }

    pub(crate) fn facts_of(&self, i: &Incident, reader: &Reader) -> Facts {
        let text = |ids: &[Arc<str>]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let at = self.devices_at(i);
        let over = i.recovered_at.is_some();
        let lasted = i.recovered_at.unwrap_or(self.state.now).since(i.since);
        Facts {
            incident: i.id.to_string(),
            priority: i.priority().word().to_owned(),
            why: crate::text::priority(i, reader),
            scope: i.scope.word().to_owned(),
            root: text(&i.root),
            places: at.iter().take(NEAR_MAX).map(|d| self.stands_at(*d)).collect(),
            what: reader.sentence(&i.what),
            since: reader.time(i.since),
            lasted: reader.duration(Duration::from_secs(lasted.as_secs())),
            seen: reader.sentence(&self.seen_by(i)),
            over,
            evidence: if over { self.evidence_of_end(i, &at, reader) } else { Vec::new() },
            services: i.affected.services.iter().map(|s| self.service_named(s)).collect(),
            sites: i.affected.sites.iter().map(|s| self.site_named(s)).collect(),
            devices: text(&i.affected.devices),
            users: i.affected.users,
            neighbours: self.neighbours_of(i, &at, reader),
            similar: self.similar_to(i, reader),
            maintenance: self.windows_near(i, &at, reader),
            outlasted: i.outlasted.as_deref().map_or_else(String::new, |w| reader.sentence(w)),
            change: i.suspected_change.as_ref().map_or_else(String::new, |c| reader.sentence(&c.1)),
            recurrence_of: i.recurrence_of.as_ref().map_or_else(String::new, ToString::to_string),
            link: match &self.settings.public_url {
                Some(url) => format!("{url}/incident/{}", i.id),
                None => String::new(),
            },
            team: self.team_of(i),
            runbook: self.runbook_for(&at),
        }
    }

    /// The devices of a root, and those at the ends of its links, each once.
    fn devices_at(&self, i: &Incident) -> Vec<DeviceIx> {
        let mut at = Vec::new();
        let mut add = |d: DeviceIx| {
            if !at.contains(&d) {
                at.push(d);
            }
        };
        for id in &i.root {
            if let Some(d) = self.inventory.device(id) {
                add(d);
            }
        }
        for id in &i.root {
            if let Some(l) = self.inventory.link(id) {
                self.inventory[l].ends.into_iter().for_each(&mut add);
            } else if let Some(d) = self.inventory.device_of(id) {
                add(d);
            }
        }
        at
    }

    fn stands_at(&self, d: DeviceIx) -> Place {
        let device = &self.inventory[d];
        Place {
            device: device.id.to_string(),
            class: device.class.to_string(),
            address: device.addresses.first().cloned().unwrap_or_default(),
            site: device.site.map_or_else(Named::default, |s| {
                let site = &self.inventory[s];
                Named { id: site.id.to_string(), name: site.name.to_string() }
            }),
            tags: device.tags.clone(),
        }
    }

    fn service_named(&self, id: &str) -> Named {
        let name = self.inventory.services.iter().find(|s| &*s.id == id).map(|s| &s.name);
        Named { id: id.to_owned(), name: name.map_or(id, |n| n).to_owned() }
    }

    fn site_named(&self, id: &str) -> Named {
        let name = self.inventory.site(id).map(|s| &*self.inventory[s].name);
        Named { id: id.to_owned(), name: name.unwrap_or(id).to_owned() }
    }

    /// What is joined to the root and is none of it: what is down first.
    fn neighbours_of(&self, i: &Incident, at: &[DeviceIx], reader: &Reader) -> Vec<Neighbour> {
        let mut near = BTreeSet::new();
        for d in at {
            for &(n, _) in self.inventory.graph.neighbours(d.0) {
                let id = &self.inventory.devices[n as usize].id;
                if !i.root.contains(id) && !at.contains(&DeviceIx(n)) {
                    near.insert(n);
                }
            }
        }
        // The ends of a link that both answer are each other's neighbours.
        if !i.outage && i.root.iter().all(|id| self.inventory.device(id).is_none()) {
            near.extend(at.iter().map(|d| d.0));
        }
        let mut all: Vec<(u8, Neighbour)> = near
            .into_iter()
            .map(|n| {
                let (view, d) =
                    (&self.reach.devices[n as usize], &self.inventory.devices[n as usize]);
                let (order, state, said) = if view.down() {
                    (0, "down", reader.say("tidak menjawab", "does not answer"))
                } else if view.observed {
                    (1, "answers", reader.say("menjawab", "answers"))
                } else if d.passive {
                    (3, "passive", reader.say("pasif", "passive"))
                } else {
                    (2, "unobserved", reader.say("tidak diamati", "is not observed"))
                };
                let said = said.to_owned();
                (order, Neighbour { id: d.id.to_string(), state: state.to_owned(), said })
            })
            .collect();
        all.sort_by(|a, b| (a.0, &a.1.id).cmp(&(b.0, &b.1.id)));
        all.into_iter().take(NEAR_MAX).map(|(_, n)| n).collect()
    }

    fn similar_to(&self, i: &Incident, reader: &Reader) -> Vec<Similar> {
        let Some(over) = self.over.get(&i.cause) else { return Vec::new() };
        let before = over.iter().rev().filter_map(|ix| self.state.incidents.get(ix));
        before
            .filter(|b| b.id != i.id && (!matches!(i.cause, Cause::Other(_)) || b.root == i.root))
            .take(FEW)
            .map(|b| Similar {
                id: b.id.to_string(),
                since: reader.time(b.since),
                lasted: b.recovered_at.map_or_else(String::new, |end| {
                    reader.duration(Duration::from_secs(end.since(b.since).as_secs()))
                }),
                what: reader.sentence(&b.what),
                fix: b.fix.as_ref().map_or_else(String::new, |f| format!("{}: {}", f.by, f.text)),
            })
            .collect()
    }

    /// Windows that last, ended a moment ago or begin soon, on the root, beside it or at its site.
    fn windows_near(&self, i: &Incident, at: &[DeviceIx], reader: &Reader) -> Vec<String> {
        let now = self.state.now;
        let mut devices: BTreeSet<u32> = at.iter().map(|d| d.0).collect();
        for d in at {
            devices.extend(self.inventory.graph.neighbours(d.0).iter().map(|(n, _)| *n));
        }
        let sites: BTreeSet<_> =
            at.iter().filter_map(|d| self.inventory[*d].site).map(|s| s.0).collect();
        let touches = |scope: &str| {
            i.root.iter().any(|r| **r == *scope)
                || self.inventory.device(scope).is_some_and(|d| {
                    devices.contains(&d.0)
                        || self.inventory[d].site.is_some_and(|s| sites.contains(&s.0))
                })
                || self.inventory.site(scope).is_some_and(|s| sites.contains(&s.0))
                || self
                    .inventory
                    .link(scope)
                    .is_some_and(|l| self.inventory[l].ends.iter().any(|d| devices.contains(&d.0)))
                || at.iter().any(|d| {
                    let d = &self.inventory[*d];
                    scope.strip_prefix("class:").is_some_and(|c| c == &*d.class)
                        || scope.strip_prefix("tag:").is_some_and(|t| d.tags.iter().any(|x| x == t))
                })
        };
        let running = self.windows().filter(|w| !w.silence).filter_map(|w| {
            let (start, end) = *self.spans.get(&w.id)?;
            Some((w, start, end))
        });
        let ended = self.state.ended_windows.iter().filter(|(id, e)| {
            !e.window.silence && !self.spans.contains_key(*id) && now < e.end + CHANGE_ECHO
        });
        let mut near: Vec<_> = running
            .chain(ended.map(|(_, e)| (&e.window, e.start, e.end)))
            .filter(|(_, start, end)| *start <= now + SOON && now < *end + CHANGE_ECHO)
            .filter(|(w, ..)| w.scope.iter().any(|s| touches(s)))
            .collect();
        near.sort_by(|a, b| (a.1, &a.0.id).cmp(&(b.1, &b.0.id)));
        let say = |(w, start, end): (&model::settings::Window, _, _)| {
            let why = if w.reason.is_empty() { &w.id } else { &w.reason };
            let whose = if w.owner.is_empty() { String::new() } else { format!(" ({})", w.owner) };
            format!("{why}{whose}: {} – {}", reader.time(start), reader.time(end))
        };
        near.into_iter().take(FEW).map(say).collect()
    }

    /// What shows that it is over: the checks of the root that are good now.
    fn evidence_of_end(&self, i: &Incident, at: &[DeviceIx], reader: &Reader) -> Vec<String> {
        if i.removed {
            return Vec::new();
        }
        if i.overruled {
            let own = "pengamatan kita sendiri baik; yang lain masih melaporkan gangguan";
            return vec![
                reader
                    .say(own, "our own observations are good; others still report a failure")
                    .to_owned(),
            ];
        }
        let roots = |id: &str| i.root.iter().any(|r| **r == *id);
        let mut good = Vec::new();
        for d in at {
            let device = &self.inventory[*d].id;
            let ports = self.inventory.links.iter().filter(|l| roots(&l.id));
            let ports: Vec<&Arc<str>> = ports.flat_map(|l| l.ports.iter().flatten()).collect();
            for (check, target, state, seen) in self.look_at(*d).checks {
                let of_root = (roots(device) && target == *device)
                    || roots(&target)
                    || ports.contains(&&target)
                    || (ports.is_empty() && target == *device);
                if of_root && state == AlarmState::Ok {
                    good.push((target, check, seen));
                }
            }
        }
        good.sort();
        good.dedup();
        let named = good.iter().take(EVIDENCE_MAX).map(|(target, check, seen)| {
            format!("{target} {check}: {}, {}", reader.say("baik", "good"), reader.time(*seen))
        });
        let named: Vec<String> = named.collect();
        if named.is_empty() && matches!(i.cause, Cause::Other(_)) {
            let said = reader.say("sumbernya menyatakan pulih", "its source says that it is over");
            return vec![said.to_owned()];
        }
        named
    }

    /// The team that the rule names which sends, or sent, its ticket.
    fn team_of(&self, i: &Incident) -> String {
        let route = match &i.routed {
            Some(name) => self.settings.routes.iter().find(|r| r.name == *name),
            None => self.route_of(&i.id),
        };
        route.and_then(|r| r.team.clone()).unwrap_or_default()
    }

    fn runbook_for(&self, at: &[DeviceIx]) -> String {
        let of = |d: &DeviceIx| self.settings.runbooks.get(&*self.inventory[*d].class);
        at.iter().find_map(of).cloned().unwrap_or_default()
    }

    /// Remembers what a person wrote of it, for the tickets of those that come after.
    pub(crate) fn learn_fix(&mut self, ix: IncidentIx, by: &str, text: &str, resolved: bool) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if line.is_empty() || (!resolved && i.fix.as_ref().is_some_and(|f| f.resolved)) {
            return;
        }
        let text = line.chars().take(FIX_MAX_CHARS).collect();
        i.fix = Some(Fix { by: by.to_owned(), text, resolved });
    }
}
