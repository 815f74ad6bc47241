//! What stands on what in a story: `needs=pdu1`, `needs=all:a,b`, `needs=any:a,b`, `needs=2:a,b,c`;
//! and what of the world still works when some of it is broken.

use model::Inventory;
use model::inventory::{DeviceIx, Element, Needs};
use std::collections::BTreeSet;

/// Reads `needs=…` among the words of a line.
pub fn read(words: &[&str]) -> Option<Needs<String>> {
    let text = words.iter().find_map(|w| w.strip_prefix("needs="))?;
    let elements = |of: &str| of.split(',').map(|e| Needs::Element(e.to_owned())).collect();
    Some(match text.split_once(':') {
        None => Needs::Element(text.to_owned()),
        Some(("all", of)) => Needs::All(elements(of)),
        Some(("any", of)) => Needs::Any(elements(of)),
        Some((n, of)) => Needs::AtLeast {
            n: n.parse().unwrap_or_else(|_| panic!("needs=all:…, any:… or a number, not {n:?}")),
            of: elements(of),
        },
    })
}

/// By device: whether the probe that stands at `at` reaches it, when these have failed, with all that stands on them.
/// Routing goes round what is broken.
pub fn reachable(
    inventory: &Inventory,
    broken: &BTreeSet<String>,
    at: Option<DeviceIx>,
) -> Vec<bool> {
    let is_broken = |id: &str| broken.contains(id);
    let mut devices: Vec<bool> = inventory.devices.iter().map(|d| !is_broken(&d.id)).collect();
    let mut links: Vec<bool> = inventory.links.iter().map(|l| !is_broken(&l.id)).collect();
    loop {
        let before = (devices.clone(), links.clone());
        let works = |e: &Element| match e {
            Element::Device(d) => before.0[d.0 as usize],
            Element::Link(l) => before.1[l.0 as usize],
        };
        let met = |needs: &Option<Needs<Element>>| needs.as_ref().is_none_or(|n| n.met(&works));
        let edges: Vec<(u32, u32)> = inventory
            .links
            .iter()
            .enumerate()
            .filter(|(n, l)| before.1[*n] && met(&l.needs))
            .map(|(_, l)| (l.ends[0].0, l.ends[1].0))
            .collect();
        let graph = model::graph::Graph::build(inventory.devices.len(), edges.into_iter());
        let up = |d: u32| before.0[d as usize] && met(&inventory.devices[d as usize].needs);
        let beside_the_probe = (0..inventory.devices.len() as u32)
            .filter(|d| inventory.graph.neighbours(*d).is_empty());
        let stands = at.map(|d| d.0).into_iter();
        let starts: Vec<u32> = stands.chain(beside_the_probe).filter(|d| up(*d)).collect();
        devices = graph.reachable(&starts, up);
        for (n, l) in inventory.links.iter().enumerate() {
            links[n] &= met(&l.needs) && l.ends.iter().all(|d| devices[d.0 as usize]);
        }
        if (&devices, &links) == (&before.0, &before.1) {
            return devices;
        }
    }
}
