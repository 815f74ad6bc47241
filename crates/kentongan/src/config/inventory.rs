//! From the inventory as it was written to [`Inventory`]: collects what stands in all files,
//! lets the model check it, and finds the place of everything that the model finds wrong.

use super::origin::{Origins, Place};
use super::raw::{self, CriticalityWord, List};
use super::read::{Key, did_you_mean};
use super::report::Finding;
use model::Criticality;
use model::inventory::{
    DeviceSpec, Inventory, InventorySpec, LinkSpec, ProbeSpec, Problem, ServiceSpec, SiteSpec,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The checks that a probe can ask.
pub(super) const CHECKS: &[&str] = &["icmp", "snmp:uptime", "snmp:if-status"];

/// Where one table of the inventory and its keys stand.
struct Stands {
    table: Place,
    keys: Vec<(&'static str, Option<Place>)>,
}

/// The inventory as written, with the place of everything in it.
#[derive(Default)]
pub(super) struct Collected {
    pub spec: InventorySpec,
    sites: Vec<Stands>,
    devices: Vec<Stands>,
    links: Vec<Stands>,
    services: Vec<Stands>,
    probes: Vec<Stands>,
    /// Something could not be read so far that its id is known, or what it joins: what seems to be
    /// missing elsewhere may be that.
    partial: bool,
}

macro_rules! stands {
    ($place:expr, $raw:expr, $($key:ident)+) => {
        Stands { table: $place, keys: vec![$((stringify!($key), $raw.$key.place())),+] }
    };
}

impl Collected {
    /// Adds the inventory of one file.
    pub fn add(&mut self, file: &raw::InventoryFile, findings: &mut Vec<Finding>) {
        self.partial |= unread(&file.site, |s| &s.id)
            || unread(&file.device, |d| &d.id)
            || unread(&file.link, |l| &l.id)
            || unread(&file.link, |l| &l.between)
            || unread(&file.service, |s| &s.id)
            || unread(&file.probe, |p| &p.id)
            || unread(&file.probe, |p| &p.at);
        for (raw, place) in items(&file.site) {
            let Some(id) = id(&raw.id, place, "[[site]]", "semarang", findings) else { continue };
            self.sites.push(stands!(place, raw, id));
            self.spec.sites.push(SiteSpec {
                id,
                name: raw.name.get().cloned(),
                users: raw.users.or(0),
                contacts: many(&raw.contacts),
            });
        }
        for (raw, place) in items(&file.device) {
            let example = "semarang/core-sw1";
            let Some(id) = id(&raw.id, place, "[[device]]", example, findings) else { continue };
            self.devices.push(stands!(place, raw, id site needs address checks));
            addresses(raw, findings);
            checks(raw, &id, findings);
            self.spec.devices.push(device(raw, id));
        }
        for (raw, place) in items(&file.link) {
            let between = match &raw.between {
                Key::Set(between, _) => between.clone(),
                Key::Bad(_) => continue,
                Key::Absent => {
                    let message = "this [[link]] does not say what it joins";
                    let help = "add between = [\"a/sw1\", \"b/sw1\"]";
                    findings.push(Finding::missing(place, "between", message, help));
                    continue;
                }
            };
            self.links.push(stands!(place, raw, id between needs));
            self.spec.links.push(LinkSpec {
                id: raw.id.get().cloned(),
                between,
                kind: raw.kind.get().cloned(),
                needs: raw.needs.get().map(|n| n.0.clone()),
            });
        }
        for (raw, place) in items(&file.service) {
            let Some(id) = id(&raw.id, place, "[[service]]", "samsat", findings) else { continue };
            if matches!(raw.needs, Key::Bad(_)) {
                continue;
            }
            self.services.push(stands!(place, raw, id needs));
            self.spec.services.push(ServiceSpec {
                id,
                name: raw.name.get().cloned(),
                criticality: criticality(&raw.criticality),
                needs: raw.needs.get().map(|n| n.0.clone()),
            });
        }
        for (raw, place) in items(&file.probe) {
            let Some(id) = id(&raw.id, place, "[[probe]]", "noc-1", findings) else { continue };
            self.probes.push(stands!(place, raw, id at witnesses));
            self.spec.probes.push(ProbeSpec {
                id,
                at: raw.at.get().cloned(),
                witnesses: many(&raw.witnesses),
            });
        }
    }

    /// Whether all of it could be read so far that its ids are known.
    pub fn is_whole(&self) -> bool {
        !self.partial
    }

    /// Where a probe's table stands.
    pub fn probe_place(&self, index: usize) -> Option<Place> {
        self.probes.get(index).map(|s| s.table)
    }

    /// The walkable inventory, when nothing is wrong with it.
    pub fn build(&self, origins: &Origins, findings: &mut Vec<Finding>) -> Option<Inventory> {
        self.same_address(findings);
        let built = if self.partial {
            Inventory::build_part(&self.spec)
        } else {
            Inventory::build(&self.spec)
        };
        match built {
            Ok(inventory) => Some(inventory),
            Err(problems) => {
                for problem in &problems {
                    findings.extend(self.locate(problem, origins));
                }
                None
            }
        }
    }

    fn locate(&self, problem: &Problem, origins: &Origins) -> Option<Finding> {
        let stands = match problem.table {
            "site" => &self.sites,
            "device" => &self.devices,
            "link" => &self.links,
            "service" => &self.services,
            _ => &self.probes,
        }
        .get(problem.index)?;
        let key = stands.keys.iter().find(|(k, _)| *k == problem.key);
        let message = problem.message.clone();
        let mut help = problem.help.clone();
        if let Some(other) = self.first_of(problem, origins) {
            help = format!("the other one is at {other}; {help}");
        }
        let Some((_, Some(place))) = key else {
            let missing = key.map_or("", |(k, _)| *k);
            return Some(Finding::missing(stands.table, missing, message, help));
        };
        Some(Finding::error(narrow(*place, &problem.message, origins), message, help))
    }

    /// Where the first thing of the same id stands.
    fn first_of(&self, problem: &Problem, origins: &Origins) -> Option<String> {
        if !problem.message.starts_with("there are two ") {
            return None;
        }
        let first = |ids: Vec<&String>, stands: &[Stands]| {
            let wrong = ids.get(problem.index)?;
            let at = ids.iter().position(|id| id == wrong)?;
            (at < problem.index).then(|| line_of(stands[at].table, origins))
        };
        match problem.table {
            "site" => first(self.spec.sites.iter().map(|s| &s.id).collect(), &self.sites),
            "device" => first(self.spec.devices.iter().map(|s| &s.id).collect(), &self.devices),
            "service" => first(self.spec.services.iter().map(|s| &s.id).collect(), &self.services),
            "probe" => first(self.spec.probes.iter().map(|s| &s.id).collect(), &self.probes),
            _ => None,
        }
    }

    /// Two devices with one address are nearly always a slip of the copying hand.
    fn same_address(&self, findings: &mut Vec<Finding>) {
        let mut seen: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for (device, stands) in self.spec.devices.iter().zip(&self.devices) {
            let Some(address) = &device.address else { continue };
            let realm = device.realm.as_deref().unwrap_or("");
            match seen.get(&(realm, address.as_str())) {
                Some(other) if **other != device.id => {
                    let key = stands.keys.iter().find_map(|(k, p)| p.filter(|_| *k == "address"));
                    findings.push(Finding::warning(
                        key.unwrap_or(stands.table),
                        format!("{address:?} is the address of device {other:?} as well"),
                        "correct one of them, or give them different realm = \"…\"",
                    ));
                }
                _ => {
                    seen.insert((realm, address), &device.id);
                }
            }
        }
    }
}

/// Whether this key of one of these is there and could not be read.
fn unread<T, K>(list: &List<T>, key: impl Fn(&T) -> &Key<K>) -> bool {
    let bad = |item: &Key<T>| match item {
        Key::Set(item, _) => matches!(key(item), Key::Bad(_)),
        Key::Bad(_) => true,
        Key::Absent => false,
    };
    matches!(list, Key::Bad(_)) || list.get().into_iter().flatten().any(bad)
}

/// The tables of a list that could be read at all.
pub(super) fn items<T>(list: &List<T>) -> impl Iterator<Item = (&T, Place)> {
    list.get().into_iter().flatten().filter_map(|item| Some((item.get()?, item.place()?)))
}

pub(super) fn many(key: &Key<super::units::OneOrMany>) -> Vec<String> {
    key.get().map(|m| m.0.clone()).unwrap_or_default()
}

pub(super) fn criticality(key: &Key<CriticalityWord>) -> Criticality {
    match key.get() {
        Some(CriticalityWord::Vital) => Criticality::Vital,
        Some(CriticalityWord::Important) => Criticality::Important,
        Some(CriticalityWord::Normal) | None => Criticality::Normal,
    }
}

fn id(
    key: &Key<String>,
    table: Place,
    what: &str,
    example: &str,
    findings: &mut Vec<Finding>,
) -> Option<String> {
    if key.is_absent() {
        let message = format!("this {what} has no id");
        findings.push(Finding::missing(table, "id", message, format!("add id = {example:?}")));
    }
    key.get().cloned()
}

fn device(raw: &raw::Device, id: String) -> DeviceSpec {
    // An address that could not be read has been reported; it is not missing as well.
    let unread = matches!(raw.address, Key::Bad(_)) || matches!(raw.passive, Key::Bad(_));
    DeviceSpec {
        id,
        name: raw.name.get().cloned(),
        address: raw.address.get().cloned().or(unread.then(String::new)),
        addresses: many(&raw.addresses),
        class: raw.class.get().cloned(),
        criticality: criticality(&raw.criticality),
        site: raw.site.get().cloned(),
        realm: raw.realm.get().cloned(),
        passive: raw.passive.or(false),
        needs: raw.needs.get().map(|n| n.0.clone()),
        tags: many(&raw.tags),
        aliases: many(&raw.aliases),
        checks: raw.checks.get().map(|c| c.0.clone()),
    }
}

fn addresses(raw: &raw::Device, findings: &mut Vec<Finding>) {
    let main = raw.address.get().into_iter().zip(raw.address.place());
    let further = raw.addresses.get().into_iter().flat_map(|a| &a.0);
    let further = further.filter_map(|a| Some((a, raw.addresses.place()?)));
    for (address, place) in main.chain(further) {
        if let Some(what) = address.parse().ok().and_then(nobody_at) {
            findings.push(Finding::error(
                place,
                format!("{address:?} is {what}: no single device answers there"),
                "write the address of the device itself",
            ));
        } else if address.parse::<IpAddr>().is_err() && !is_host_name(address) {
            findings.push(Finding::error(
                place,
                format!("{address:?} is no address"),
                "write an IPv4 or IPv6 address (or a host name, which needs DNS to work when the network does not)",
            ));
        }
    }
}

/// What an address is when it cannot be one device's.
fn nobody_at(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        a if a.is_multicast() => Some("a multicast address"),
        a if a.is_unspecified() => Some("the unspecified address"),
        IpAddr::V4(a) if a.is_broadcast() => Some("the broadcast address"),
        _ => None,
    }
}

/// Letters, digits and `-` in parts of at most 63, and not a number at the end: that would be a
/// mistyped IPv4 address.
fn is_host_name(text: &str) -> bool {
    let part = |p: &str| {
        (1..=63).contains(&p.len())
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !p.starts_with('-')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or("");
    name.len() <= 253 && name.split('.').all(part) && !last.bytes().all(|b| b.is_ascii_digit())
}

fn checks(raw: &raw::Device, id: &str, findings: &mut Vec<Finding>) {
    let (Some(checks), Some(place)) = (raw.checks.get(), raw.checks.place()) else { return };
    for check in &checks.0 {
        if CHECKS.contains(&check.as_str()) {
            continue;
        }
        let message = format!("no probe can ask the check {check:?} of device {id:?}");
        let help = did_you_mean(check, CHECKS.iter().copied());
        // A slip of the pen leaves the device unwatched; a check that others ask is fine.
        if help.starts_with("did you mean") {
            findings.push(Finding::error(place, message, help));
        } else {
            findings.push(Finding::warning(place, message, help));
        }
    }
}

/// The part of `place` that a quoted word of the message stands at.
fn narrow(place: Place, message: &str, origins: &Origins) -> Place {
    let Some(text) = origins.get(place).text.get(place.range()) else { return place };
    message
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|word| !word.is_empty())
        .find_map(|word| {
            let at = ['"', '\''].iter().find_map(|q| text.find(&format!("{q}{word}{q}")))?;
            let start = place.range().start + at;
            Some(place.part(start..start + word.len() + 2))
        })
        .unwrap_or(place)
}

fn line_of(place: Place, origins: &Origins) -> String {
    let origin = origins.get(place);
    format!("{}:{}", origin.name, origins.line(place))
}
