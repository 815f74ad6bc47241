//! From what was written to what can be walked: everything that is wrong is named at once.

use super::spec::link_id;
use super::{
    Device, DeviceIx, DeviceSpec, Element, Inventory, InventorySpec, Link, LinkIx, Needs, Probe,
    Problem, Service, Site, SiteIx,
};
use crate::graph::Graph;
use rustc_hash::{FxHashMap, FxHashSet};
use std::fmt::Write as _;
use std::sync::Arc;

/// Characters that no id may have: they mean something in our texts.
const NOT_IN_IDS: &[char] = &[' ', '\t', '\n', '|', '*', '>', '"', '\''];

pub(super) struct Builder<'a> {
    spec: &'a InventorySpec,
    out: Inventory,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(spec: &'a InventorySpec) -> Self {
        Builder { spec, out: Inventory::default(), problems: Vec::new() }
    }

    pub(super) fn run(mut self, whole: bool) -> Result<Inventory, Vec<Problem>> {
        self.sites();
        self.devices();
        self.links();
        self.services();
        self.probes();
        self.out.graph = Graph::build(
            self.out.devices.len(),
            self.out.links.iter().map(|l| (l.ends[0].0, l.ends[1].0)),
        );
        self.circles();
        // A link or a probe that is wrong may be the one that leads there; anything else says
        // nothing about who is joined to whom.
        let joined = |p: &Problem| {
            matches!((p.table, p.key), ("link", "id" | "between") | ("probe", "id" | "at"))
        };
        if whole && !self.problems.iter().any(joined) {
            self.reachability();
        }
        if self.problems.is_empty() { Ok(self.out) } else { Err(self.problems) }
    }

    fn problem(
        &mut self,
        table: &'static str,
        index: usize,
        key: &'static str,
        message: String,
        help: impl Into<String>,
    ) {
        self.problems.push(Problem { table, index, key, message, help: help.into() });
    }

    fn id_ok(&mut self, table: &'static str, index: usize, id: &str) -> bool {
        if id.is_empty() {
            self.problem(
                table,
                index,
                "id",
                "the id is empty".into(),
                "give it an id such as \"semarang/core-sw1\"",
            );
            return false;
        }
        if let Some(c) = id.chars().find(|c| NOT_IN_IDS.contains(c) || c.is_control()) {
            self.problem(
                table,
                index,
                "id",
                format!("the id {id:?} contains {c:?}"),
                "ids have no spaces, quotes and none of | * >; use - or _ instead",
            );
            return false;
        }
        true
    }

    fn sites(&mut self) {
        for (i, s) in self.spec.sites.iter().enumerate() {
            if !self.id_ok("site", i, &s.id) {
                continue;
            }
            let id: Arc<str> = s.id.as_str().into();
            let ix = SiteIx(self.out.sites.len() as u32);
            if self.out.site_by_id.insert(id.clone(), ix).is_some() {
                self.problem(
                    "site",
                    i,
                    "id",
                    format!("there are two sites called {id:?}"),
                    "rename or remove one of them",
                );
                continue;
            }
            let name = s.name.as_deref().unwrap_or(&s.id).into();
            self.out.sites.push(Site {
                id,
                name,
                users: s.users,
                contacts: s.contacts.clone(),
                devices: Vec::new(),
            });
        }
    }

    fn site_of(&self, d: &DeviceSpec) -> Option<SiteIx> {
        if let Some(site) = &d.site {
            return self.out.site(site);
        }
        let mut end = d.id.len();
        loop {
            if let Some(ix) = self.out.site(&d.id[..end]) {
                return Some(ix);
            }
            end = d.id[..end].rfind('/')?;
        }
    }

    fn devices(&mut self) {
        let mut names: FxHashMap<Arc<str>, Option<DeviceIx>> = FxHashMap::default();
        let mut kept = Vec::new();
        for (i, d) in self.spec.devices.iter().enumerate() {
            if !self.id_ok("device", i, &d.id) {
                continue;
            }
            let id: Arc<str> = d.id.as_str().into();
            let ix = DeviceIx(self.out.devices.len() as u32);
            if self.out.device_by_id.contains_key(&id) {
                self.problem(
                    "device",
                    i,
                    "id",
                    format!("there are two devices called {id:?}"),
                    "rename or remove one of them",
                );
                continue;
            }
            if let Some(site) = &d.site
                && self.out.site(site).is_none()
            {
                let help = self.did_you_mean(site, "site");
                self.problem(
                    "device",
                    i,
                    "site",
                    format!("device {id:?} stands at site {site:?}, which does not exist"),
                    help,
                );
            }
            if !d.passive
                && d.address.is_none()
                && d.addresses.is_empty()
                && d.checks.as_ref().is_none_or(|c| !c.is_empty())
            {
                self.problem(
                    "device",
                    i,
                    "id",
                    format!("device {id:?} has no address, so nothing can be asked of it"),
                    "give it an address = \"…\", or say passive = true",
                );
            }
            if d.passive && d.checks.as_ref().is_some_and(|c| !c.is_empty()) {
                self.problem(
                    "device",
                    i,
                    "checks",
                    format!("device {id:?} is passive, so its checks are never asked"),
                    "remove checks, or passive = true",
                );
            }
            self.out.device_by_id.insert(id.clone(), ix);
            let site = self.site_of(d);
            if let (Some(site), false) = (site, d.passive) {
                self.out.sites[site.0 as usize].devices.push(ix);
            }
            let addresses: Vec<String> = d.address.iter().chain(&d.addresses).cloned().collect();
            let mut seen = FxHashSet::default();
            for name in addresses.iter().chain(&d.aliases).chain(&d.name) {
                if seen.insert(name.as_str()) {
                    names.entry(name.as_str().into()).and_modify(|n| *n = None).or_insert(Some(ix));
                }
            }
            let checks = match (&d.checks, d.passive) {
                (Some(c), _) => c.clone(),
                (None, true) => Vec::new(),
                (None, false) => vec!["icmp".to_owned()],
            };
            self.out.devices.push(Device {
                id,
                name: d.name.as_deref().unwrap_or(&d.id).into(),
                addresses,
                class: d.class.as_deref().unwrap_or("").into(),
                criticality: d.criticality,
                site,
                passive: d.passive,
                needs: None,
                tags: d.tags.clone(),
                checks,
            });
            kept.push(i);
        }
        self.out.known_as = names.into_iter().filter_map(|(n, ix)| Some((n, ix?))).collect();
        // Needs may name what is written later, links too: they are resolved in `needs`.
        self.needs_of_devices(&kept);
    }

    fn needs_of_devices(&mut self, kept: &[usize]) {
        // Links are not known yet; only their ids are needed, and they are known from the spec.
        let links = self.link_ids();
        for (place, &i) in kept.iter().enumerate() {
            if let Some(needs) = &self.spec.devices[i].needs {
                let needs = self.resolve(needs, "device", i, &links);
                self.out.devices[place].needs = needs;
            }
        }
    }

    /// The ids that links have or get.
    fn link_ids(&self) -> FxHashMap<String, LinkIx> {
        let mut ids = FxHashMap::default();
        for (i, id) in self.spec.link_ids().into_iter().enumerate() {
            ids.entry(id).or_insert(LinkIx(i as u32));
        }
        ids
    }

    fn resolve(
        &mut self,
        needs: &Needs<String>,
        table: &'static str,
        index: usize,
        links: &FxHashMap<String, LinkIx>,
    ) -> Option<Needs<Element>> {
        let all = |this: &mut Self, of: &[Needs<String>]| -> Option<Vec<Needs<Element>>> {
            let resolved: Vec<_> =
                of.iter().map(|n| this.resolve(n, table, index, links)).collect();
            resolved.into_iter().collect()
        };
        match needs {
            Needs::Element(id) => {
                if let Some(d) = self.out.device(id) {
                    Some(Needs::Element(Element::Device(d)))
                } else if let Some(l) = links.get(id) {
                    Some(Needs::Element(Element::Link(*l)))
                } else {
                    let help = self.did_you_mean(id, "device");
                    self.problem(
                        table,
                        index,
                        "needs",
                        format!("needs names {id:?}, which is neither a device nor a link"),
                        help,
                    );
                    None
                }
            }
            Needs::All(of) | Needs::Any(of) | Needs::AtLeast { n: 0, of } if of.is_empty() => {
                self.problem(
                    table,
                    index,
                    "needs",
                    "needs names nothing, so it says nothing".into(),
                    "name what is needed, or remove it",
                );
                None
            }
            Needs::All(of) => all(self, of).map(Needs::All),
            Needs::Any(of) => all(self, of).map(Needs::Any),
            Needs::AtLeast { n, of } => {
                if *n as usize > of.len() {
                    self.problem(
                        table,
                        index,
                        "needs",
                        format!("at_least {n} of {} can never be met", of.len()),
                        "ask for fewer, or name more",
                    );
                }
                all(self, of).map(|of| Needs::AtLeast { n: *n, of })
            }
        }
    }

    fn did_you_mean(&self, wrong: &str, table: &str) -> String {
        let mut best: Option<(usize, &str)> = None;
        let ids: Box<dyn Iterator<Item = &Arc<str>>> = match table {
            "site" => Box::new(self.out.sites.iter().map(|s| &s.id)),
            _ => Box::new(self.out.devices.iter().map(|d| &d.id)),
        };
        for id in ids {
            let d = distance(wrong, id);
            if d <= 2 + wrong.len() / 5 && best.is_none_or(|(b, _)| d < b) {
                best = Some((d, id));
            }
        }
        match best {
            Some((_, id)) => format!("did you mean {id:?}?"),
            None => format!("add a [[{table}]] with id = {wrong:?}, or correct the id"),
        }
    }

    fn links(&mut self) {
        let mut seen: FxHashMap<String, u32> = FxHashMap::default();
        let ids = self.link_ids();
        for (i, l) in self.spec.links.iter().enumerate() {
            let id: Arc<str> = link_id(l, &mut seen).into();
            if l.id.is_some() && !self.id_ok("link", i, &id) {
                continue;
            }
            let mut ends = [DeviceIx(0); 2];
            let mut ports: [Option<Arc<str>>; 2] = [None, None];
            let mut ok = true;
            for side in 0..2 {
                let end = &l.between[side];
                if let Some(ix) = self.out.device_of(end) {
                    ends[side] = ix;
                    if **end != *self.out[ix].id {
                        ports[side] = Some(Arc::from(end.as_str()));
                    }
                } else {
                    ok = false;
                    let help = self.did_you_mean(end, "device");
                    self.problem(
                        "link",
                        i,
                        "between",
                        format!(
                            "link {id:?} ends at {end:?}, which is no device and no port of one"
                        ),
                        help,
                    );
                }
            }
            if ok && ends[0] == ends[1] {
                ok = false;
                self.problem(
                    "link",
                    i,
                    "between",
                    format!("link {id:?} joins {:?} to itself", &*self.out[ends[0]].id),
                    "a link joins two devices",
                );
            }
            let ix = LinkIx(self.out.links.len() as u32);
            if self.out.link_by_id.contains_key(&id) || self.out.device_by_id.contains_key(&id) {
                self.problem(
                    "link",
                    i,
                    "id",
                    format!("the id {id:?} is taken already"),
                    "give the link another id",
                );
                ok = false;
            }
            if !ok {
                continue;
            }
            for port in ports.iter().flatten() {
                if let Some(other) = self.out.link_by_port.insert(port.clone(), ix) {
                    let other = self.out[other].id.clone();
                    self.problem(
                        "link",
                        i,
                        "between",
                        format!("port {port:?} is an end of link {other:?} already"),
                        "a port is an end of one link; correct one of them",
                    );
                }
            }
            self.out.link_by_id.insert(id.clone(), ix);
            let needs = l.needs.as_ref().and_then(|n| self.resolve(n, "link", i, &ids));
            self.out.links.push(Link {
                id,
                ends,
                ports,
                kind: l.kind.as_deref().unwrap_or("").into(),
                needs,
            });
        }
    }

    fn services(&mut self) {
        let links = self.link_ids();
        let mut seen = FxHashSet::default();
        for (i, s) in self.spec.services.iter().enumerate() {
            if !self.id_ok("service", i, &s.id) {
                continue;
            }
            if !seen.insert(s.id.as_str()) {
                self.problem(
                    "service",
                    i,
                    "id",
                    format!("there are two services called {:?}", s.id),
                    "rename or remove one of them",
                );
                continue;
            }
            let other = if self.out.device(&s.id).is_some() {
                Some("device")
            } else if links.contains_key(&s.id) {
                Some("link")
            } else {
                self.out.site(&s.id).map(|_| "site")
            };
            if let Some(other) = other {
                self.problem(
                    "service",
                    i,
                    "id",
                    format!(
                        "service {:?} has the id of a {other}, so nobody could tell them apart",
                        s.id
                    ),
                    "give the service another id",
                );
            }
            let Some(needs) = &s.needs else {
                self.problem(
                    "service",
                    i,
                    "id",
                    format!("service {:?} needs nothing, so it can never be seen to fail", s.id),
                    "give it needs = { all = [\"…\"] }",
                );
                continue;
            };
            let Some(needs) = self.resolve(needs, "service", i, &links) else { continue };
            let place = self.out.services.len() as u32;
            needs.for_each(&mut |e| {
                let of = self.out.services_of.entry(*e).or_default();
                if of.last() != Some(&place) {
                    of.push(place);
                }
            });
            self.out.services.push(Service {
                id: s.id.as_str().into(),
                name: s.name.as_deref().unwrap_or(&s.id).into(),
                criticality: s.criticality,
                needs,
            });
        }
    }

    fn probes(&mut self) {
        let mut seen = FxHashSet::default();
        for (i, p) in self.spec.probes.iter().enumerate() {
            if !self.id_ok("probe", i, &p.id) {
                continue;
            }
            if !seen.insert(p.id.as_str()) {
                self.problem(
                    "probe",
                    i,
                    "id",
                    format!("there are two probes called {:?}", p.id),
                    "rename or remove one of them",
                );
                continue;
            }
            let at = p.at.as_ref().and_then(|at| {
                let found = self.out.device(at);
                if found.is_none() {
                    let help = self.did_you_mean(at, "device");
                    self.problem(
                        "probe",
                        i,
                        "at",
                        format!("probe {:?} stands at {at:?}, which is no device", p.id),
                        help,
                    );
                }
                found
            });
            let mut witnesses = Vec::new();
            for w in &p.witnesses {
                if let Some(ix) = self.out.device(w) {
                    witnesses.push(ix);
                } else {
                    let help = self.did_you_mean(w, "device");
                    self.problem(
                        "probe",
                        i,
                        "witnesses",
                        format!("witness {w:?} of probe {:?} is no device", p.id),
                        help,
                    );
                }
            }
            self.out.probes.push(Probe { id: p.id.as_str().into(), at, witnesses });
        }
    }

    /// What cannot do without itself could never come back.
    fn circles(&mut self) {
        const NEW: u8 = 0;
        const OPEN: u8 = 1;
        const DONE: u8 = 2;
        let mut state: FxHashMap<Element, u8> = FxHashMap::default();
        let mut circles = Vec::new();
        // Devices in the order written, links as they are met: a circle has a device in it or is
        // one of links alone, which is found from the link.
        let devices = (0..self.out.devices.len()).map(|i| Element::Device(DeviceIx(i as u32)));
        let links = (0..self.out.links.len()).map(|i| Element::Link(LinkIx(i as u32)));
        for start in devices.chain(links) {
            if state.contains_key(&start) {
                continue;
            }
            // The way down, each with what it has yet to look at.
            let mut way = vec![(start, self.needed_by(start))];
            state.insert(start, OPEN);
            while let Some((_, next)) = way.last_mut() {
                let Some(element) = next.pop() else {
                    let (done, _) = way.pop().expect("the loop has just looked at it");
                    state.insert(done, DONE);
                    continue;
                };
                match state.get(&element).copied().unwrap_or(NEW) {
                    NEW => {
                        state.insert(element, OPEN);
                        way.push((element, self.needed_by(element)));
                    }
                    OPEN => {
                        let from = way.iter().position(|(e, _)| *e == element).unwrap_or(0);
                        circles.push(way[from..].iter().map(|(e, _)| *e).collect::<Vec<_>>());
                    }
                    _ => {}
                }
            }
        }
        let links = if circles.is_empty() { Vec::new() } else { self.spec.link_ids() };
        for circle in circles {
            self.circle(&circle, &links);
        }
    }

    /// What an element cannot do without, the last named first. Two that stand in for each other
    /// may name each other, each beside something else.
    fn needed_by(&self, element: Element) -> Vec<Element> {
        let needs = match element {
            Element::Device(d) => &self.out[d].needs,
            // Where a link was left out, the numbers of the others are not their places.
            Element::Link(_) if self.out.links.len() != self.spec.links.len() => &None,
            Element::Link(l) => &self.out[l].needs,
        };
        let mut all = Vec::new();
        if let Some(needs) = needs {
            cannot_do_without(needs, &mut all);
        }
        all.reverse();
        all
    }

    fn circle(&mut self, circle: &[Element], links: &[String]) {
        let id = |e: &Element| match e {
            Element::Device(d) => self.out[*d].id.to_string(),
            Element::Link(l) => links.get(l.0 as usize).cloned().unwrap_or_default(),
        };
        let ids: Vec<String> = circle.iter().map(id).collect();
        let mut message = format!("needs goes round in a circle: {:?}", ids[0]);
        for next in ids.iter().skip(1).chain(ids.first()) {
            let _ = write!(message, " needs {next:?}");
        }
        let (table, index) = match circle[0] {
            Element::Device(_) => ("device", self.spec.devices.iter().position(|d| d.id == ids[0])),
            Element::Link(_) => ("link", links.iter().position(|l| *l == ids[0])),
        };
        let help = "what needs itself could never come back; remove one of these needs";
        self.problem(table, index.unwrap_or(0), "needs", message, help);
    }

    /// Every device with a link must have a way to where some probe stands.
    fn reachability(&mut self) {
        let starts: Vec<u32> = self.out.probes.iter().filter_map(|p| p.at).map(|d| d.0).collect();
        if starts.is_empty() {
            if !self.out.links.is_empty() {
                let message = "there are links, but no probe says where it stands, so nobody can tell what is behind what".to_owned();
                self.problem(
                    "link",
                    0,
                    "between",
                    message,
                    "add a [[probe]] with id = \"…\" and at = \"the device it is plugged into\"",
                );
            }
            return;
        }
        let reached = self.out.graph.reachable(&starts, |_| true);
        for (i, d) in self.spec.devices.iter().enumerate() {
            let Some(ix) = self.out.device(&d.id) else { continue };
            if !d.passive && !self.out.graph.neighbours(ix.0).is_empty() && !reached[ix.0 as usize]
            {
                self.problem("device", i, "id", format!("no probe can reach device {:?}: its links lead to no device that a probe stands at", d.id), "add the missing [[link]], or a [[probe]] on its side");
            }
        }
    }
}

/// What must be there by all means: not what another may stand in for.
fn cannot_do_without(needs: &Needs<Element>, all: &mut Vec<Element>) {
    match needs {
        Needs::Element(e) => all.push(*e),
        Needs::Any(of) if of.len() != 1 => {}
        Needs::AtLeast { n, of } if (*n as usize) < of.len() => {}
        Needs::All(of) | Needs::Any(of) | Needs::AtLeast { of, .. } => {
            for n in of {
                cannot_do_without(n, all);
            }
        }
    }
}

/// Levenshtein distance, for "did you mean".
pub(super) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let here = (before + usize::from(ca != *cb)).min(row[j] + 1).min(row[j + 1] + 1);
            before = row[j + 1];
            row[j + 1] = here;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{LinkSpec, ProbeSpec, ServiceSpec, SiteSpec};

    fn device(id: &str) -> DeviceSpec {
        DeviceSpec { id: id.into(), address: Some("10.0.0.1".into()), ..DeviceSpec::default() }
    }

    fn link(a: &str, b: &str) -> LinkSpec {
        LinkSpec { between: [a.into(), b.into()], ..LinkSpec::default() }
    }

    fn probe(at: &str) -> ProbeSpec {
        ProbeSpec { id: "noc-1".into(), at: Some(at.into()), ..ProbeSpec::default() }
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let spec = InventorySpec {
            sites: vec![SiteSpec { id: "a".into(), ..SiteSpec::default() }],
            devices: vec![
                device("a/sw1"),
                device("a/sw1"),
                device("b sw"),
                DeviceSpec { site: Some("aa".into()), ..device("c") },
            ],
            links: vec![link("a/sw1/p1", "a/sw2")],
            services: vec![ServiceSpec {
                id: "s".into(),
                needs: Some(Needs::Element("x".into())),
                ..ServiceSpec::default()
            }],
            probes: vec![probe("nowhere")],
        };
        let problems = Inventory::build(&spec).unwrap_err();
        let what: Vec<_> = problems.iter().map(|p| (p.table, p.index, p.key)).collect();
        assert_eq!(
            what,
            [
                ("device", 1, "id"),
                ("device", 2, "id"),
                ("device", 3, "site"),
                ("link", 0, "between"),
                ("service", 0, "needs"),
                ("probe", 0, "at")
            ]
        );
        assert_eq!(problems[3].help, "did you mean \"a/sw1\"?");
    }

    #[test]
    fn a_device_nobody_can_reach_is_a_problem() {
        let spec = InventorySpec {
            devices: vec![device("a"), device("b"), device("c"), device("d"), device("alone")],
            links: vec![link("a", "b"), link("c", "d")],
            probes: vec![probe("a")],
            ..InventorySpec::default()
        };
        let problems = Inventory::build(&spec).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.index).collect::<Vec<_>>(), [2, 3]);
    }

    /// Whatever else is wrong: unless it is a link or where a probe stands.
    #[test]
    fn what_cannot_be_reached_is_told_with_the_rest() {
        let needs = |id: &str| Some(Needs::Element(id.to_owned()));
        let mut spec = InventorySpec {
            devices: vec![
                device("a"),
                device("b"),
                DeviceSpec { site: Some("nowhere".into()), ..device("c") },
                DeviceSpec { needs: needs("nothing"), ..device("d") },
            ],
            links: vec![link("a", "b"), LinkSpec { needs: needs("duct"), ..link("c", "d") }],
            probes: vec![ProbeSpec { witnesses: vec!["w".into()], ..probe("a") }],
            ..InventorySpec::default()
        };
        let what = |problems: &[Problem]| -> Vec<_> {
            problems.iter().map(|p| (p.table, p.index, p.key)).collect()
        };
        let rest = [
            ("device", 2, "site"),
            ("device", 3, "needs"),
            ("link", 1, "needs"),
            ("probe", 0, "witnesses"),
        ];
        let unreached = [("device", 2, "id"), ("device", 3, "id")];
        let problems = Inventory::build(&spec).unwrap_err();
        assert_eq!(what(&problems), [&rest[..], &unreached].concat());
        assert_eq!(what(&Inventory::build_part(&spec).unwrap_err()), rest);
        // The link that dangles may be the one that leads there.
        spec.links.push(link("b", "cc"));
        let problems = what(&Inventory::build(&spec).unwrap_err());
        assert!(problems.contains(&("link", 2, "between")), "{problems:?}");
        assert!(!problems.contains(&unreached[0]), "{problems:?}");
    }

    #[test]
    fn needs_that_go_round_in_a_circle_are_named() {
        let needing = |id: &str, of: &[&str]| DeviceSpec {
            needs: Some(Needs::All(of.iter().map(|n| Needs::Element((*n).to_owned())).collect())),
            ..device(id)
        };
        let spec = InventorySpec {
            devices: vec![
                needing("top", &["a", "ups"]),
                needing("a", &["ups", "b"]),
                needing("b", &["c"]),
                needing("c", &["ups", "a"]),
                needing("own", &["own"]),
                device("ups"),
                needing("x", &["x|y"]),
                device("y"),
            ],
            links: vec![LinkSpec { needs: Some(Needs::Element("x".into())), ..link("x", "y") }],
            probes: vec![probe("x")],
            ..InventorySpec::default()
        };
        let problems = Inventory::build(&spec).unwrap_err();
        let said: Vec<_> =
            problems.iter().map(|p| (p.table, p.index, p.message.as_str())).collect();
        assert_eq!(
            said,
            [
                (
                    "device",
                    1,
                    "needs goes round in a circle: \"a\" needs \"b\" needs \"c\" needs \"a\""
                ),
                ("device", 4, "needs goes round in a circle: \"own\" needs \"own\""),
                ("device", 6, "needs goes round in a circle: \"x\" needs \"x|y\" needs \"x\""),
            ]
        );
    }

    /// Each of a pair may live on the other, as long as each has something else to live on.
    #[test]
    fn two_that_stand_in_for_each_other_are_no_circle() {
        let or = |id: &str, of: [&str; 2]| DeviceSpec {
            needs: Some(Needs::Any(of.map(|n| Needs::Element(n.to_owned())).to_vec())),
            ..device(id)
        };
        let devices = vec![or("a", ["b", "grid"]), or("b", ["a", "grid"]), device("grid")];
        assert!(Inventory::build(&InventorySpec { devices, ..InventorySpec::default() }).is_ok());
    }

    /// A chain of a hundred thousand is no circle, and is followed without a stack of that depth.
    #[test]
    fn a_long_chain_of_needs_is_followed() {
        let n = 100_000;
        let devices = (0..n).map(|i| DeviceSpec {
            needs: (i + 1 < n).then(|| Needs::Element(format!("d{}", i + 1))),
            ..device(&format!("d{i}"))
        });
        let spec = InventorySpec { devices: devices.collect(), ..InventorySpec::default() };
        assert!(Inventory::build(&spec).is_ok());
    }

    #[test]
    fn what_says_nothing_or_two_things_is_a_problem() {
        let needs = |of| Some(Needs::All(vec![Needs::Element("a".to_owned()), of]));
        let service = |id: &str| ServiceSpec {
            id: id.into(),
            needs: Some(Needs::Element("a".into())),
            ..ServiceSpec::default()
        };
        let spec = InventorySpec {
            sites: vec![SiteSpec { id: "s".into(), ..SiteSpec::default() }],
            devices: vec![
                device("a"),
                DeviceSpec { needs: Some(Needs::All(Vec::new())), ..device("b") },
                DeviceSpec { needs: needs(Needs::Any(Vec::new())), ..device("c") },
                DeviceSpec { passive: true, checks: Some(vec!["icmp".into()]), ..device("d") },
                DeviceSpec { passive: true, checks: Some(Vec::new()), ..device("e") },
            ],
            links: vec![LinkSpec { id: Some("duct".into()), ..link("a", "b") }],
            services: vec![service("a"), service("duct"), service("s"), service("fine")],
            probes: vec![probe("a")],
        };
        let problems = Inventory::build(&spec).unwrap_err();
        let said: Vec<_> = problems.iter().map(|p| (p.table, p.index, p.key)).collect();
        assert_eq!(
            said,
            [
                ("device", 3, "checks"),
                ("device", 1, "needs"),
                ("device", 2, "needs"),
                ("service", 0, "id"),
                ("service", 1, "id"),
                ("service", 2, "id"),
            ]
        );
        assert!(problems[3].message.contains("the id of a device"), "{}", problems[3].message);
        assert!(problems[4].message.contains("the id of a link"), "{}", problems[4].message);
        assert!(problems[5].message.contains("the id of a site"), "{}", problems[5].message);
    }

    #[test]
    fn parallel_links_and_ports_get_names() {
        let spec = InventorySpec {
            sites: vec![SiteSpec { id: "a".into(), ..SiteSpec::default() }],
            devices: vec![device("a/r1"), device("a/r1/sub")],
            links: vec![
                link("a/r1/xe0", "a/r1/sub/Gi0/1"),
                link("a/r1", "a/r1/sub"),
                link("a/r1", "a/r1/sub"),
            ],
            probes: vec![probe("a/r1")],
            ..InventorySpec::default()
        };
        let inv = Inventory::build(&spec).unwrap();
        let ids: Vec<_> = inv.links.iter().map(|l| &*l.id).collect();
        assert_eq!(ids, ["a/r1/xe0|a/r1/sub/Gi0/1", "a/r1|a/r1/sub", "a/r1|a/r1/sub#2"]);
        assert_eq!(inv.link_at("a/r1/sub/Gi0/1"), Some(LinkIx(0)));
        assert_eq!(inv.device_of("a/r1/sub/Gi0/1"), inv.device("a/r1/sub"));
        assert_eq!(inv[inv.device("a/r1").unwrap()].site, inv.site("a"));
    }
}
