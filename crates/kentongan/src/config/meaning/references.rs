//! What the settings say about the inventory, and whether that is there.

use super::super::inventory::{Collected, items};
use super::super::origin::Place;
use super::super::raw;
use super::super::read::{Key, did_you_mean};
use super::{Reading, each};
use model::inventory::{Inventory, InventorySpec, ProbeSpec};
use model::settings::Window;
use std::collections::BTreeSet;

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

    /// Whatever else is wrong with the inventory: the ids in it are known.
    pub(super) fn references(
        &mut self,
        root: &raw::Root,
        windows: &[(Window, Place)],
        collected: &Collected,
    ) {
        // Unless what seems to be missing stands in the part that cannot be read.
        if self.written.unreadable || !collected.is_whole() {
            return;
        }
        let known = Known::of(&collected.spec);
        self.scopes(windows, &known);
        self.routes_exist(root, &known);
        self.runbooks_exist(root, &known);
        self.exceptions_exist(root, &known);
        self.seasons_exist(root, &known);
        self.witnesses_answer(collected);
    }

    /// A witness that nobody asks never says anything: its probe would count as seeing for ever.
    fn witnesses_answer(&mut self, collected: &Collected) {
        let spec = &collected.spec;
        for (n, probe) in spec.probes.iter().enumerate() {
            let Some(place) = collected.probe_place(n) else { continue };
            for witness in &probe.witnesses {
                let Some(d) = spec.devices.iter().find(|d| d.id == *witness) else { continue };
                let asked = d.checks.as_ref().is_none_or(|c| !c.is_empty());
                let why = if d.passive {
                    "it is passive"
                } else if d.address.is_none() && d.addresses.is_empty() {
                    "it has no address"
                } else if !asked {
                    "it has no checks"
                } else {
                    continue;
                };
                self.warning(
                    place,
                    format!("witness {witness:?} of probe {:?} is never asked: {why}", probe.id),
                    "a witness tells whether the probe sees anything; name devices that are asked and answer",
                );
            }
        }
    }

    fn scopes(&mut self, windows: &[(Window, Place)], known: &Known<'_>) {
        for (window, place) in windows {
            for id in &window.scope {
                if let Some(class) = id.strip_prefix("class:") {
                    self.class_exists(class, *place, known);
                } else if let Some(tag) = id.strip_prefix("tag:") {
                    self.tag_exists(tag, *place, known);
                } else if !known.devices.contains(id.as_str())
                    && !known.links.contains(id)
                    && !known.sites.contains(id.as_str())
                    && !known.services.contains(id.as_str())
                {
                    let ids = known.devices.iter().chain(&known.sites).copied();
                    let help = nearest(
                        id,
                        ids,
                        "name a site, a device, a link, a service, class:… or tag:…",
                    );
                    self.error(*place, format!("{id:?} is no site, device, link or service"), help);
                }
            }
        }
    }

    fn routes_exist(&mut self, root: &raw::Root, known: &Known<'_>) {
        for (route, _) in items(&root.route) {
            let Some(what) = route.r#match.get() else { continue };
            for (site, place) in each(&what.site) {
                if !known.sites.contains(site.as_str()) {
                    let help = nearest(site, known.sites.iter().copied(), "name a [[site]]");
                    self.error(place, format!("there is no site {site:?}"), help);
                }
            }
            for (class, place) in each(&what.class) {
                self.class_exists(class, place, known);
            }
            for (tag, place) in each(&what.tag) {
                self.tag_exists(tag, place, known);
            }
        }
    }

    fn runbooks_exist(&mut self, root: &raw::Root, known: &Known<'_>) {
        for (class, url) in root.runbook.get().into_iter().flatten() {
            if let Key::Set(_, place) = url {
                self.class_exists(class, *place, known);
            }
        }
    }

    fn exceptions_exist(&mut self, root: &raw::Root, known: &Known<'_>) {
        let checks = root.check.get().into_iter().flatten().filter_map(|(_, key)| key.get());
        for (rule, _) in checks.flat_map(|c| items(&c.r#for)) {
            let Some(m) = rule.r#match.get() else { continue };
            if let Key::Set(target, place) = &m.target
                && !known.has_device_of(target)
            {
                let help = nearest(target, known.devices.iter().copied(), "name a [[device]]");
                self.error(*place, format!("there is no device {target:?}"), help);
            }
            if let Key::Set(site, place) = &m.site
                && !known.sites.contains(site.as_str())
            {
                let help = nearest(site, known.sites.iter().copied(), "name a [[site]]");
                self.error(*place, format!("there is no site {site:?}"), help);
            }
            if let Key::Set(class, place) = &m.class {
                self.class_exists(class, *place, known);
            }
            if let Key::Set(tag, place) = &m.tag {
                self.tag_exists(tag, *place, known);
            }
        }
    }

    fn class_exists(&mut self, class: &str, place: Place, known: &Known<'_>) {
        if !known.classes.contains(class) {
            self.warning(place, format!("no device has the class {class:?}"), "");
        }
    }

    fn tag_exists(&mut self, tag: &str, place: Place, known: &Known<'_>) {
        if !known.tags.contains(tag) {
            self.warning(place, format!("no device has the tag {tag:?}"), "");
        }
    }

    fn seasons_exist(&mut self, root: &raw::Root, known: &Known<'_>) {
        for (season, _) in items(&root.season) {
            for (service, place) in each(&season.services) {
                if !known.services.contains(service.as_str()) {
                    let help =
                        nearest(service, known.services.iter().copied(), "name a [[service]]");
                    self.error(place, format!("there is no service {service:?}"), help);
                }
            }
        }
    }
}

/// What the inventory knows by name, as it was written.
struct Known<'a> {
    devices: BTreeSet<&'a str>,
    links: BTreeSet<String>,
    sites: BTreeSet<&'a str>,
    services: BTreeSet<&'a str>,
    classes: BTreeSet<&'a str>,
    tags: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    fn of(spec: &'a InventorySpec) -> Known<'a> {
        let devices = &spec.devices;
        Known {
            devices: devices.iter().map(|d| d.id.as_str()).collect(),
            links: spec.link_ids().into_iter().collect(),
            sites: spec.sites.iter().map(|s| s.id.as_str()).collect(),
            services: spec.services.iter().map(|s| s.id.as_str()).collect(),
            classes: devices.iter().map(|d| d.class.as_deref().unwrap_or("")).collect(),
            tags: devices.iter().flat_map(|d| &d.tags).map(String::as_str).collect(),
        }
    }
}

/// The nearest id, or what to do; never a list of a thousand of them.
fn nearest<'a>(wrong: &str, all: impl Iterator<Item = &'a str> + Clone, else_do: &str) -> String {
    let help = did_you_mean(wrong, all);
    if help.starts_with("did you mean") { help } else { else_do.to_owned() }
}

impl Known<'_> {
    /// Whether a target is a device or a port of one.
    fn has_device_of(&self, target: &str) -> bool {
        let cuts = target.match_indices('/').map(|(at, _)| &target[..at]);
        cuts.chain([target]).any(|id| self.devices.contains(id))
    }
}
