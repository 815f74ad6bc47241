//! A cut in front of 435 devices is one ticket, whoever falls silent first.

#![allow(clippy::unwrap_used, reason = "a test")]

mod desk;
mod lots;

use desk::{Desk, device};
use lots::Lots;
use model::event::Severity;
use model::inventory::{InventorySpec, LinkSpec, ProbeSpec, SiteSpec};
use model::{Criticality, Priority};

const S: i64 = 1000;
const MIN: i64 = 60 * S;
const REGENCIES: usize = 35;
const HOSTS: usize = 400;

/// The probe at `noc/fw`; behind the core link 35 regency routers, behind those 400 agency hosts.
fn province() -> InventorySpec {
    let mut spec = InventorySpec::default();
    let link = |a: &str, b: &str| LinkSpec { between: [a.into(), b.into()], ..LinkSpec::default() };
    for id in ["noc/fw", "core", "noc/printer"] {
        spec.devices.push(device(id, Criticality::Normal));
    }
    spec.links.push(link("noc/fw", "core"));
    spec.links.push(link("noc/fw", "noc/printer"));
    spec.sites.push(SiteSpec { id: "noc".into(), ..SiteSpec::default() });
    for r in 0..REGENCIES {
        spec.sites.push(SiteSpec { id: format!("kab-{r}"), users: 100, ..SiteSpec::default() });
        let router = format!("kab-{r}/rtr");
        spec.devices.push(device(&router, Criticality::Vital));
        spec.links.push(link("core", &router));
    }
    for h in 0..HOSTS {
        let (host, router) = (format!("kab-{}/h{h}", h % REGENCIES), h % REGENCIES);
        spec.devices.push(device(&host, Criticality::Normal));
        spec.links.push(link(&format!("kab-{router}/rtr"), &host));
    }
    let at = Some("noc/fw".into());
    spec.probes.push(ProbeSpec { id: "noc-1".into(), at, ..ProbeSpec::default() });
    spec
}

#[test]
fn a_cut_core_link_is_one_ticket_naming_35_sites() {
    for seed in 1..=3 {
        let spec = province();
        let mut lots = Lots(seed);
        let mut desk = Desk::new(&spec);
        let cut = 5 * MIN;
        // (asked first, silent from when, who)
        let mut plan: Vec<(i64, i64, String)> = Vec::new();
        for d in &spec.devices {
            let behind = d.id == "core" || d.id.starts_with("kab");
            let late = d.id.contains("/h") && lots.below(20) == 0;
            // The core link was cut; whoever is behind it answered last up to a minute before.
            let early = if d.id == "core" { 0 } else { lots.below(60) * S };
            let silent = match &*d.id {
                "noc/printer" => cut + 10 * S,
                _ if behind => cut - early,
                _ => i64::MAX,
            };
            // Some are asked for the first time minutes after the cut.
            let first = if late { cut + MIN + lots.below(8 * MIN) } else { 0 };
            plan.push((first + lots.below(20 * S), silent, d.id.clone()));
        }
        let mut turns: Vec<(i64, usize, bool)> = Vec::new();
        for (n, (first, _, id)) in plan.iter().enumerate() {
            let times = (0..).map(|k| first + k * 20 * S).take_while(|t| *t < 16 * MIN);
            turns.extend(times.map(|t| (t, n, false)));
            // Another monitor says the same of a quarter of them, up to ten minutes late; of those that
            // we have not asked ourselves, not before the cause is known.
            if id.contains("/h") && lots.below(4) == 0 {
                let least = if *first > MIN { 2 * MIN } else { 0 };
                turns.push((cut + least + lots.below(10 * MIN - least), n, true));
            }
        }
        turns.sort_unstable();
        let mut first_ticket = None;
        for (t, n, told) in turns {
            let (_, silent, id) = &plan[n];
            if told {
                desk.signal(t, id, Some(id), Some(Severity::High));
            } else {
                desk.ping(t, id, t < *silent);
            }
            if first_ticket.is_none() && !desk.creates.is_empty() {
                first_ticket = Some(t - cut);
            }
        }
        desk.accounts_for_everything();
        let urgent: Vec<_> = desk.creates.iter().filter(|c| c.2 == Priority::P1).collect();
        let roots: Vec<_> = desk
            .incidents
            .values()
            .map(|i| (&i.root, i.affected.devices.len(), i.change))
            .collect();
        assert_eq!(urgent.len(), 1, "seed {seed}: {:?}\n{roots:?}", desk.creates);
        assert_eq!(
            desk.creates.len(),
            2,
            "seed {seed}: the printer has its own: {:?}",
            desk.creates
        );
        let cause = &desk.incidents[&urgent[0].1];
        assert_eq!(cause.root.iter().map(|r| &**r).collect::<Vec<_>>(), ["core", "noc/fw|core"]);
        let regencies = cause.affected.sites.iter().filter(|s| s.starts_with("kab-")).count();
        assert_eq!(regencies, REGENCIES, "seed {seed}");
        assert_eq!(cause.affected.devices.len(), 1 + REGENCIES + HOSTS, "late children joined");
        assert_eq!(cause.affected.users, 3500);
        assert_eq!(desk.incidents.len(), 2, "nobody else had an incident, not even for a moment");
        println!("seed {seed}: first ticket {} s after the cut", first_ticket.unwrap() / S);
    }
}
