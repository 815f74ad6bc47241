//! Small worlds with everything that many things can hang on: rooms, power strips, ducts, machines
//! that carry virtual ones, switches nobody can ask, sites with one uplink or two, dual feeds.

#![allow(dead_code, reason = "each test uses what it needs")]

use crate::lots::Lots;
use model::Inventory;
use model::inventory::{DeviceSpec, InventorySpec, LinkSpec, Needs, ProbeSpec};
use std::fmt::Write;
use std::sync::Arc;

pub struct SmallWorld {
    pub inventory: Arc<Inventory>,
    /// Whatever can fail: every device but the one the probe stands at, and every link.
    pub breakable: Vec<String>,
    /// The same for a person, in the words of the scripts.
    pub story: String,
}

/// The world while it is drawn.
#[derive(Default)]
struct Draft {
    spec: InventorySpec,
    /// Devices that have links, which others can be hung on.
    nodes: Vec<String>,
}

impl Draft {
    fn device(&mut self, id: &str, needs: Option<Needs<String>>) -> String {
        self.spec.devices.push(DeviceSpec {
            id: id.into(),
            address: Some("192.0.2.1".into()),
            needs,
            ..DeviceSpec::default()
        });
        id.to_owned()
    }

    fn passive(&mut self, id: &str, needs: Option<Needs<String>>) -> String {
        self.spec.devices.push(DeviceSpec {
            id: id.into(),
            passive: true,
            needs,
            ..DeviceSpec::default()
        });
        id.to_owned()
    }

    fn link(&mut self, a: &str, b: &str, needs: Option<Needs<String>>) -> String {
        let n = self.spec.links.len();
        let id = format!("l{n}");
        self.spec.links.push(LinkSpec {
            id: Some(id.clone()),
            between: [format!("{a}/p{n}"), format!("{b}/p{n}")],
            needs,
            ..LinkSpec::default()
        });
        id
    }

    fn node(&self, lots: &mut Lots) -> String {
        lots.one_of(&self.nodes).clone()
    }

    /// What carries a new thing: now and then one power strip, now and then two of which one is
    /// enough.
    fn feed(pdus: &[String], lots: &mut Lots) -> Option<Needs<String>> {
        if pdus.is_empty() || lots.percent(30) {
            return None;
        }
        let one = lots.one_of(pdus).clone();
        let other = lots.one_of(pdus).clone();
        Some(if one != other && lots.percent(30) {
            Needs::Any(vec![Needs::Element(one), Needs::Element(other)])
        } else {
            Needs::Element(one)
        })
    }
}

/// Draws a world.
pub fn draw(lots: &mut Lots) -> SmallWorld {
    let mut w = Draft::default();
    w.device("core", None);
    w.nodes.push("core".into());

    // A room or two, and power strips in them.
    let rooms: Vec<String> =
        (0..lots.below(3)).map(|r| w.passive(&format!("room{r}"), None)).collect();
    let mut pdus = Vec::new();
    for p in 0..lots.below(4) {
        let room = (!rooms.is_empty() && lots.percent(70)).then(|| lots.one_of(&rooms).clone());
        pdus.push(w.passive(&format!("pdu{p}"), room.map(Needs::Element)));
    }
    // Ducts, each with the cables that run through it.
    let ducts: Vec<String> =
        (0..lots.below(3)).map(|d| w.passive(&format!("duct{d}"), None)).collect();
    let cable = |lots: &mut Lots| {
        (!ducts.is_empty() && lots.percent(40)).then(|| Needs::Element(lots.one_of(&ducts).clone()))
    };

    // Switches in a tree, with a second way here and there, or a bundle of two.
    for n in 0..2 + lots.below(5) {
        let parent = w.node(lots);
        let needs = Draft::feed(&pdus, lots);
        let id = w.device(&format!("s{n}"), needs);
        let through = cable(lots);
        w.link(&parent, &id, through);
        if lots.percent(30) {
            let other = w.node(lots);
            let through = cable(lots);
            w.link(&other, &id, through);
        }
        w.nodes.push(id);
    }
    // A switch that nobody can ask, with something behind it.
    if lots.percent(35) {
        let parent = w.node(lots);
        let needs = Draft::feed(&pdus, lots);
        w.passive("mute", needs);
        w.link(&parent, "mute", None);
        for n in 0..=lots.below(3) {
            let id = w.device(&format!("m{n}"), None);
            w.link("mute", &id, None);
        }
    }
    // A machine with virtual ones, which stand in no cable plan or hang on its switch.
    if lots.percent(35) {
        let parent = w.node(lots);
        let needs = Draft::feed(&pdus, lots);
        let host = w.device("host", needs);
        w.link(&parent, &host, None);
        let wired = lots.percent(40);
        for n in 0..=lots.below(3) {
            let id = w.device(&format!("v{n}"), Some(Needs::Element(host.clone())));
            if wired {
                w.link(&parent, &id, None);
            }
        }
    }
    // A site that goes dark as a whole, with one uplink or two.
    if lots.percent(35) {
        let power = w.passive("site", None);
        let needs = || Some(Needs::Element(power.clone()));
        let (a, b) = (w.device("site/r1", needs()), w.device("site/r2", needs()));
        let parent = w.node(lots);
        w.link(&parent, &a, None);
        w.link(&a, &b, None);
        if lots.percent(60) {
            let parent = w.node(lots);
            w.link(&parent, &b, None);
        }
        let c = w.device("site/h", needs());
        w.link(&b, &c, None);
    }
    // Something that stands beside the probe and needs power.
    if lots.percent(20) {
        let needs = Draft::feed(&pdus, lots);
        w.device("alone", needs);
    }
    w.spec.probes.push(ProbeSpec {
        id: "p".into(),
        at: Some("core".into()),
        ..ProbeSpec::default()
    });

    let story = tell(&w.spec);
    let devices = w.spec.devices.iter().skip(1).map(|d| d.id.clone());
    let breakable = devices.chain(w.spec.links.iter().filter_map(|l| l.id.clone())).collect();
    let inventory = Inventory::build(&w.spec).unwrap_or_else(|p| panic!("{p:#?}\n{story}"));
    SmallWorld { inventory: Arc::new(inventory), breakable, story }
}

fn tell(spec: &InventorySpec) -> String {
    let needs = |n: &Option<Needs<String>>| match n {
        None => String::new(),
        Some(Needs::Element(e)) => format!(" needs={e}"),
        Some(Needs::Any(of)) => {
            let of: Vec<_> = of
                .iter()
                .map(|n| match n {
                    Needs::Element(e) => e.as_str(),
                    _ => "…",
                })
                .collect();
            format!(" needs=any:{}", of.join(","))
        }
        Some(other) => format!(" needs={other:?}"),
    };
    let mut s = String::new();
    for d in &spec.devices {
        let passive = if d.passive { " passive" } else { "" };
        let _ = writeln!(s, "device {}{passive}{}", d.id, needs(&d.needs));
    }
    for l in &spec.links {
        let id = l.id.as_deref().unwrap_or("-");
        let [a, b] = &l.between;
        let _ = writeln!(s, "link {a} {b} id={id}{}", needs(&l.needs));
    }
    s
}
