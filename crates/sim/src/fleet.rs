//! A network to try things on: a province with a data centre, regencies on fibre rings and single
//! fibres, hundreds of agencies behind them, some at the end of a radio tail; and what all of it
//! hangs on without anybody probing it: ducts, power distribution, hypervisors.

use crate::dice::Dice;
use model::Criticality;
use model::inventory::{
    DeviceSpec, InventorySpec, LinkSpec, Needs, ProbeSpec, ServiceSpec, SiteSpec,
};
use std::collections::{BTreeMap, BTreeSet};

/// The 35 regencies and cities of Central Java.
const REGENCIES: [&str; 35] = [
    "semarang",
    "surakarta",
    "magelang",
    "pekalongan",
    "salatiga",
    "tegal",
    "banjarnegara",
    "banyumas",
    "batang",
    "blora",
    "boyolali",
    "brebes",
    "cilacap",
    "demak",
    "grobogan",
    "jepara",
    "karanganyar",
    "kebumen",
    "kendal",
    "klaten",
    "kudus",
    "pati",
    "pemalang",
    "purbalingga",
    "purworejo",
    "rembang",
    "sragen",
    "sukoharjo",
    "temanggung",
    "wonogiri",
    "wonosobo",
    "kab-semarang",
    "kab-magelang",
    "kab-pekalongan",
    "kab-tegal",
];

/// Fewer devices than this are no province.
pub const DEVICES_MIN: usize = 40;
/// More than this are not made.
pub const DEVICES_MAX: usize = 200_000;

/// About this many probed devices, drawn with these dice.
pub fn province(devices: usize, dice: &mut Dice) -> InventorySpec {
    let mut b = Builder {
        out: InventorySpec::default(),
        dice,
        ports: BTreeMap::new(),
        masts: BTreeSet::new(),
        probed: 0,
    };
    b.centre();
    let regencies = (devices / 16).clamp(3, REGENCIES.len());
    for name in &REGENCIES[..regencies] {
        b.regency(name);
    }
    b.backbone(&REGENCIES[..regencies]);
    let mut n = 0;
    while b.probed < devices {
        b.agency(REGENCIES[n % regencies], n / regencies + 1, devices);
        n += 1;
    }
    b.services(&REGENCIES[..regencies]);
    b.out
}

struct Builder<'a> {
    out: InventorySpec,
    dice: &'a mut Dice,
    /// How many ports each device has in use.
    ports: BTreeMap<String, u32>,
    masts: BTreeSet<String>,
    probed: usize,
}

impl Builder<'_> {
    fn device(&mut self, id: &str, class: &str, criticality: Criticality) -> &mut DeviceSpec {
        let n = self.probed;
        self.probed += 1;
        let network = matches!(class, "router" | "switch");
        self.out.devices.push(DeviceSpec {
            id: id.to_owned(),
            address: Some(format!("10.{}.{}.{}", 20 + n / 62_500, n / 250 % 250, n % 250 + 1)),
            class: Some(class.to_owned()),
            criticality,
            checks: network.then(|| vec!["icmp".to_owned(), "snmp:if-status".to_owned()]),
            ..DeviceSpec::default()
        });
        self.out.devices.last_mut().expect("it was just put there")
    }

    fn passive(&mut self, id: &str, class: &str) {
        self.out.devices.push(DeviceSpec {
            id: id.to_owned(),
            class: Some(class.to_owned()),
            passive: true,
            ..DeviceSpec::default()
        });
    }

    fn needs(&mut self, id: &str, what: &str) {
        let device = self.out.devices.iter_mut().rev().find(|d| d.id == id);
        if let Some(d) = device {
            d.needs = Some(Needs::Element(what.to_owned()));
        }
    }

    /// The next free port of a device, as `device/port`.
    fn port(&mut self, device: &str) -> String {
        let n = self.ports.entry(device.to_owned()).or_default();
        *n += 1;
        format!("{device}/Gi0/{n}")
    }

    /// Both ends by port.
    fn link(&mut self, a: &str, b: &str, kind: &str) -> &mut LinkSpec {
        let between = [self.port(a), self.port(b)];
        self.push_link(between, kind)
    }

    /// The far end is an office's device whose ports nobody reads.
    fn drop_link(&mut self, a: &str, b: &str, kind: &str) {
        let between = [self.port(a), b.to_owned()];
        self.push_link(between, kind);
    }

    fn push_link(&mut self, between: [String; 2], kind: &str) -> &mut LinkSpec {
        self.out.links.push(LinkSpec {
            between,
            kind: Some(kind.to_owned()),
            ..LinkSpec::default()
        });
        self.out.links.last_mut().expect("it was just put there")
    }

    /// The operations centre, where the probe stands, and the data centre beside it.
    fn centre(&mut self) {
        use Criticality::{Important, Vital};
        for (id, name, users) in [("noc", "Pusat operasi", 20), ("dc", "Pusat data", 60)] {
            self.out.sites.push(SiteSpec {
                id: id.into(),
                name: Some(name.into()),
                users,
                ..SiteSpec::default()
            });
        }
        self.device("noc/rtr1", "router", Vital);
        for core in ["dc/core1", "dc/core2"] {
            self.device(core, "router", Vital);
            self.link("noc/rtr1", core, "fibre");
        }
        self.link("dc/core1", "dc/core2", "fibre");
        self.passive("dc/pdu1", "pdu");
        self.passive("dc/pdu2", "pdu");
        for (n, sw) in ["dc/sw1", "dc/sw2"].into_iter().enumerate() {
            self.device(sw, "switch", Vital);
            self.needs(sw, &format!("dc/pdu{}", n + 1));
            self.link("dc/core1", sw, "copper");
            self.link("dc/core2", sw, "copper");
        }
        for (n, hv) in ["dc/hv1", "dc/hv2"].into_iter().enumerate() {
            let sw = format!("dc/sw{}", n + 1);
            self.device(hv, "server", Important);
            self.drop_link(&sw, hv, "copper");
            for vm in 1..=4 {
                let id = format!("dc/vm{}", n * 4 + vm);
                self.device(&id, "vm", if vm == 1 { Vital } else { Important });
                self.needs(&id, hv);
                // Its frames leave through the hypervisor's uplink, which is the switch's port.
                self.out.links.push(LinkSpec {
                    between: [sw.clone(), id],
                    kind: Some("virtual".into()),
                    ..LinkSpec::default()
                });
            }
        }
        self.out.probes.push(ProbeSpec {
            id: "noc-1".into(),
            at: Some("noc/rtr1".into()),
            ..ProbeSpec::default()
        });
    }

    /// A router at the fibre, and two switches behind it on one power distribution unit or on two.
    fn regency(&mut self, name: &str) {
        let users = 40 + self.dice.below(160) as u64;
        self.out.sites.push(SiteSpec {
            id: name.to_owned(),
            name: Some(name.to_owned()),
            users,
            contacts: vec![format!("pic-{name}")],
        });
        let router = format!("{name}/rtr1");
        self.device(&router, "router", Criticality::Vital);
        let shared = self.dice.chance(0.5);
        let pdus: &[&str] = if shared { &["pdu1", "pdu1"] } else { &["pdu1", "pdu2"] };
        for pdu in &pdus[..if shared { 1 } else { 2 }] {
            self.passive(&format!("{name}/{pdu}"), "pdu");
        }
        for (n, pdu) in pdus.iter().enumerate() {
            let switch = format!("{name}/sw{}", n + 1);
            self.device(&switch, "switch", Criticality::Important);
            self.needs(&switch, &format!("{name}/{pdu}"));
            self.link(&router, &switch, "copper");
        }
    }

    /// Two regencies in three lie on rings of four between the two core routers; of the others two
    /// at a time share a duct on their way to one of them.
    fn backbone(&mut self, names: &[&str]) {
        let on_rings = names.len() * 2 / 3 / 4 * 4;
        for ring in names[..on_rings].chunks(4) {
            let mut before = "dc/core1".to_owned();
            for name in ring {
                let router = format!("{name}/rtr1");
                self.link(&before, &router, "fibre");
                before = router;
            }
            self.link(&before, "dc/core2", "fibre");
        }
        for (n, pair) in names[on_rings..].chunks(2).enumerate() {
            let duct = format!("duct-{}", n + 1);
            self.passive(&duct, "duct");
            for name in pair {
                let core = if n % 2 == 0 { "dc/core1" } else { "dc/core2" };
                self.link(core, &format!("{name}/rtr1"), "fibre").needs =
                    Some(Needs::Element(duct.clone()));
            }
        }
    }

    /// An office: a host on a switch; one in six hangs on a mast with up to three others.
    fn agency(&mut self, name: &str, n: usize, devices: usize) {
        let switch = format!("{name}/sw{}", 1 + n % 2);
        let id = format!("{name}/opd{n:02}");
        if n.is_multiple_of(6) && self.probed + 2 < devices {
            let mast = format!("{name}/radio{}", n / 6);
            self.device(&mast, "radio", Criticality::Normal);
            self.drop_link(&switch, &mast, "radio");
            self.masts.insert(mast.clone());
            self.device(&id, "host", Criticality::Normal);
            self.push_link([mast, id], "radio");
            return;
        }
        self.device(&id, "host", Criticality::Normal);
        let mast = format!("{name}/radio{}", n / 6);
        let on_mast = n % 6 < 3 && self.masts.contains(&mast);
        if on_mast {
            self.push_link([mast, id], "radio");
        } else {
            self.drop_link(&switch, &id, "fibre");
        }
    }

    fn services(&mut self, names: &[&str]) {
        let element = |id: &str| Needs::Element(id.to_owned());
        let mut service = |id: &str, name: &str, criticality, needs| {
            self.out.services.push(ServiceSpec {
                id: id.into(),
                name: Some(name.into()),
                criticality,
                needs: Some(needs),
            });
        };
        let either = Needs::Any(vec![element("dc/vm2"), element("dc/vm6")]);
        service(
            "samsat",
            "Samsat Online",
            Criticality::Vital,
            Needs::All(vec![element("dc/vm1"), either]),
        );
        service("dukcapil", "Dukcapil", Criticality::Vital, element("dc/vm5"));
        service("ppdb", "PPDB", Criticality::Important, element("dc/vm3"));
        let first = format!("{}/rtr1", names[0]);
        service("perizinan", "Perizinan", Criticality::Important, element(&first));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Inventory;

    #[test]
    fn a_province_is_an_inventory_of_about_the_asked_size() {
        for (devices, seed) in [(40, 1), (100, 2), (1000, 3)] {
            let spec = province(devices, &mut Dice::new(seed));
            let inventory = Inventory::build(&spec).unwrap_or_else(|p| panic!("{p:#?}"));
            let probed = inventory.devices.iter().filter(|d| !d.passive).count();
            assert!((devices..devices + 3).contains(&probed), "{probed} of {devices}");
            assert_eq!(province(devices, &mut Dice::new(seed)), spec);
        }
    }
}
