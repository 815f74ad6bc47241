//! What the settings say about the inventory, and whether that is there.

use super::super::inventory::{Collected, items};
use super::super::origin::Place;
use super::super::raw;
use super::super::read::{Key, did_you_mean};
use super::{Reading, each};
use model::inventory::{Inventory, ProbeSpec};
use model::settings::Window;

impl Reading<'_> {
    /// The inventory of all files, and the id of the probe that this process is.
    pub(super) fn collect(&mut self, root: &raw::Root) -> (Collected, String) {
        let mut collected = Collected::default();
        let findings = &mut self.written.findings;
        for file in &self.written.inventory {
            collected.add(file, findings);
        }
        let settings = root.probe.get();
        let own = self.own_probe(settings, &collected);
        if collected.spec.probes.is_empty() {
            collected.spec.probes.push(ProbeSpec { id: own.clone(), ..ProbeSpec::default() });
        }
        (collected, own)
    }

    pub(super) fn own_probe(
        &mut self,
        settings: Option<&raw::ProbeSettings>,
        all: &Collected,
    ) -> String {
        let probes = &all.spec.probes;
        let enabled = settings.is_none_or(|s| s.enabled.or(true));
        match settings.map(|s| &s.id) {
            Some(Key::Set(id, place)) => {
                let known = probes.iter().any(|p| p.id == *id);
                if !known && !probes.is_empty() && !self.written.unreadable {
                    let help = did_you_mean(id, probes.iter().map(|p| p.id.as_str()));
                    self.error(*place, format!("no [[probe]] is called {id:?}"), help);
                }
                id.clone()
            }
            _ => match probes.first() {
                Some(first) => {
                    if let (true, true, Some(place)) =
                        (enabled, probes.len() > 1, all.probe_place(1))
                    {
                        let message = format!(
                            "there are several probes, and [probe] id does not say which one this process is: it takes itself for {:?}",
                            first.id
                        );
                        self.warning(
                            place,
                            message,
                            "add [probe] id = \"…\", or set KENTONGAN__PROBE__ID",
                        );
                    }
                    first.id.clone()
                }
                None => "noc-1".into(),
            },
        }
    }

    pub(super) fn inventory(&mut self, collected: &Collected) -> Option<Inventory> {
        // What seems to dangle may be defined in the part that cannot be read.
        if self.written.unreadable {
            return None;
        }
        collected.build(&self.written.origins, &mut self.written.findings)
    }

    pub(super) fn scopes(&mut self, windows: &[(Window, Place)], inventory: &Inventory) {
        let devices = &inventory.devices;
        for (window, place) in windows {
            for id in &window.scope {
                if let Some(class) = id.strip_prefix("class:") {
                    if !devices.iter().any(|d| &*d.class == class) {
                        self.warning(*place, format!("no device has the class {class:?}"), "");
                    }
                } else if let Some(tag) = id.strip_prefix("tag:") {
                    if !devices.iter().any(|d| d.tags.iter().any(|t| t == tag)) {
                        self.warning(*place, format!("no device has the tag {tag:?}"), "");
                    }
                } else if inventory.device(id).is_none()
                    && inventory.link(id).is_none()
                    && inventory.site(id).is_none()
                {
                    let ids = (devices.iter().map(|d| &*d.id))
                        .chain(inventory.sites.iter().map(|s| &*s.id));
                    let help = nearest(id, ids, "name a site, a device, a link, class:… or tag:…");
                    self.error(*place, format!("{id:?} is no site, device or link"), help);
                }
            }
        }
    }

    pub(super) fn routes_exist(&mut self, root: &raw::Root, inventory: &Inventory) {
        for (route, _) in items(&root.route) {
            let Some(what) = route.r#match.get() else { continue };
            for (site, place) in each(&what.site) {
                if inventory.site(site).is_none() {
                    let sites = inventory.sites.iter().map(|s| &*s.id);
                    let help = nearest(site, sites, "name a [[site]]");
                    self.error(place, format!("there is no site {site:?}"), help);
                }
            }
            for (class, place) in each(&what.class) {
                if !inventory.devices.iter().any(|d| *d.class == *class) {
                    self.warning(place, format!("no device has the class {class:?}"), "");
                }
            }
            for (tag, place) in each(&what.tag) {
                if !inventory.devices.iter().any(|d| d.tags.contains(tag)) {
                    self.warning(place, format!("no device has the tag {tag:?}"), "");
                }
            }
        }
    }

    pub(super) fn seasons_exist(&mut self, root: &raw::Root, inventory: &Inventory) {
        for (season, _) in items(&root.season) {
            for (service, place) in each(&season.services) {
                if !inventory.services.iter().any(|s| *s.id == *service) {
                    let services = inventory.services.iter().map(|s| &*s.id);
                    let help = nearest(service, services, "name a [[service]]");
                    self.error(place, format!("there is no service {service:?}"), help);
                }
            }
        }
    }
}

/// The nearest id, or what to do; never a list of a thousand of them.
fn nearest<'a>(wrong: &str, all: impl Iterator<Item = &'a str> + Clone, else_do: &str) -> String {
    let help = did_you_mean(wrong, all);
    if help.starts_with("did you mean") { help } else { else_do.to_owned() }
}
