//! The judge is judged: the slow correlator against real networks, whose answers are known, and
//! against trying every possible failure in small worlds.
//!
//! `KENTONGAN_SOAK=1` tries every scenario and more worlds.

mod lots;
mod networks;
mod reference;
mod small_worlds;

use lots::Lots;
use model::Inventory;
use networks::Scenario;
use reference::{Root, Seen};
use std::collections::BTreeSet;

/// What is seen of a network when these elements have failed for as long as anybody remembers.
fn seen_of(inventory: &Inventory, failed: &BTreeSet<String>, snmp: bool) -> Seen {
    let mut seen = Seen { device_interval: 20, port_interval: 60, ..Seen::default() };
    let fallen = reference::fallen(inventory, failed);
    for d in inventory.devices.iter().filter(|d| !d.checks.is_empty()) {
        if fallen.contains(&*d.id) {
            seen.silent.insert(d.id.to_string(), 0);
        } else {
            seen.answering.insert(d.id.to_string());
        }
    }
    for l in inventory.links.iter().filter(|_| snmp) {
        for (end, port) in l.ends.iter().zip(&l.ports) {
            let at = (l.id.to_string(), inventory[*end].id.to_string());
            if port.is_none() || !seen.answering.contains(&at.1) {
                continue;
            }
            if fallen.contains(&*l.id) {
                seen.down.insert(at, 0);
            } else {
                seen.up.insert(at);
            }
        }
    }
    seen
}

#[test]
fn the_reference_knows_the_answer_to_every_real_failure() {
    let Some(at) = networks::shared() else { return };
    let (nets, scenarios) = (networks::nets(&at), networks::scenarios(&at));
    let step = if networks::soak() { 1 } else { 67 };
    let (mut tried, mut several) = (0, 0);
    for s in scenarios.iter().step_by(step) {
        let Scenario { net, noc, fail, ping, snmp } = s;
        let inventory = networks::inventory(&nets[net], *noc);
        let failed = fail.iter().cloned().collect();
        for (by_ports, wanted) in [(false, ping), (true, snmp)] {
            let seen = seen_of(&inventory, &failed, by_ports);
            assert_eq!(
                &reference::at_once(&inventory, &seen),
                wanted,
                "{net} watched from n{noc}, {fail:?} failed, ports: {by_ports}"
            );
            tried += 1;
            several += usize::from(wanted.len() > 1);
        }
    }
    println!("{tried} failures, {several} of them with several causes");
    assert!(several > 20);
}

/// Every set of failures of this size that would look like this.
fn all_that_look_like(
    inventory: &Inventory,
    seen: &Seen,
    how_many: usize,
) -> Vec<BTreeSet<String>> {
    let devices = inventory.devices.iter().map(|d| d.id.to_string());
    let links = inventory.links.iter().map(|l| l.id.to_string());
    let elements: Vec<String> = devices.chain(links).collect();
    let mut sets = vec![BTreeSet::new()];
    for _ in 0..how_many {
        sets = sets
            .iter()
            .flat_map(|s: &BTreeSet<String>| {
                elements.iter().filter(|e| s.last().is_none_or(|l| l < *e)).map(|e| {
                    let mut with = s.clone();
                    with.insert(e.clone());
                    with
                })
            })
            .collect();
    }
    let looks = |s: &BTreeSet<String>| {
        let fallen = reference::fallen(inventory, s);
        let told = |l: &str| seen.down.keys().chain(&seen.up).any(|(x, _)| x == l);
        seen.silent.keys().all(|d| fallen.contains(d))
            && seen.answering.iter().all(|d| !fallen.contains(d))
            && seen.down.keys().all(|(l, _)| fallen.contains(l))
            && seen.up.iter().all(|(l, _)| !fallen.contains(l) && told(l))
    };
    sets.into_iter().filter(looks).collect()
}

/// One failure in a small world with shared risks: whoever could have done it alone is found by
/// trying everybody. The reference must name one of them, or all of them where they cover several
/// symptoms.
#[test]
fn one_failure_is_named_as_trying_everything_would() {
    let worlds = if networks::soak() { 20_000 } else { 600 };
    let (mut shared, mut alone) = (0, 0);
    for n in 0..worlds {
        let mut lots = Lots(n);
        let world = small_worlds::draw(&mut lots);
        let snmp = lots.below(2) == 0;
        let what = world.breakable[lots.below(world.breakable.len() as i64) as usize].clone();
        let seen = seen_of(&world.inventory, &BTreeSet::from([what.clone()]), snmp);
        let roots = reference::at_once(&world.inventory, &seen);
        let told = format!("world {n}, {what} fails, ports: {snmp}\n{}\n{seen:?}", world.story);
        if seen.silent.is_empty() && seen.down.is_empty() {
            assert!(roots.is_empty(), "nothing is seen to fail: {roots:?} in {told}");
            continue;
        }
        let possible: BTreeSet<String> =
            all_that_look_like(&world.inventory, &seen, 1).into_iter().flatten().collect();
        assert!(possible.contains(&what), "{told}");
        assert_eq!(roots.len(), 1, "one cause, one incident: {roots:?} in {told}");
        let root: BTreeSet<String> = roots.into_iter().flatten().collect();
        let named = root.intersection(&possible).count();
        assert!(named > 0, "{root:?}, possible are {possible:?} in {told}");
        if reference::visible(&world.inventory, &seen).len() >= 2 {
            let silent = root.iter().any(|e| seen.silent.contains_key(e));
            let named = |e: &&String| {
                let d = world.inventory.device(e);
                !silent || d.is_none_or(|d| !world.inventory[d].passive)
            };
            assert_eq!(root, possible.iter().filter(named).cloned().collect(), "{told}");
            shared += 1;
        } else {
            alone += 1;
        }
    }
    println!("{shared} failures with several symptoms, {alone} with one");
    assert!(shared > worlds as usize / 20 && alone > worlds as usize / 20);
}

/// One element of each root, in every way.
fn one_of_each(roots: &BTreeSet<Root>) -> Vec<BTreeSet<String>> {
    roots.iter().fold(vec![BTreeSet::new()], |sets, root| {
        let with = |s: &BTreeSet<String>, e: &String| {
            let mut with = s.clone();
            with.insert(e.clone());
            with
        };
        sets.iter().flat_map(|s| root.iter().map(move |e| with(s, e))).collect()
    })
}

/// Two failures at once: there is never a simpler explanation than the one that the reference
/// gives, and what it names would look exactly like what is seen.
#[test]
fn two_failures_are_explained_and_nothing_else_is() {
    let worlds = if networks::soak() { 2_000 } else { 150 };
    let (mut same, mut more) = (0, 0);
    for n in 0..worlds {
        let mut lots = Lots(n + 1_000_000);
        let world = small_worlds::draw(&mut lots);
        let snmp = lots.below(2) == 0;
        let failed: BTreeSet<String> = (0..2)
            .map(|_| world.breakable[lots.below(world.breakable.len() as i64) as usize].clone())
            .collect();
        let seen = seen_of(&world.inventory, &failed, snmp);
        let roots = reference::at_once(&world.inventory, &seen);
        let told = format!("world {n}, {failed:?} fail, ports: {snmp}\n{}\n{seen:?}", world.story);
        let explains = |named: &BTreeSet<String>| {
            let fallen = reference::fallen(&world.inventory, named);
            seen.silent.keys().all(|d| fallen.contains(d))
                && !seen.answering.iter().any(|d| fallen.contains(d))
        };
        let explained = one_of_each(&roots).iter().any(explains);
        assert!(explained, "{roots:?} does not explain all, or too much, in {told}");
        let least = (0..=2).find(|k| !all_that_look_like(&world.inventory, &seen, *k).is_empty());
        let least = least.unwrap_or_else(|| panic!("the truth is one of them: {told}"));
        if roots.len() == least {
            same += 1;
        } else {
            more += 1;
        }
        assert!(roots.len() >= least, "{roots:?} in {told}");
    }
    println!("{same} with the fewest causes possible, {more} with more");
}
