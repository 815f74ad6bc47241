//! Small worlds in which much hangs on little: one incident for one cause, whatever that carries;
//! and the real correlator and the slow one say the same at every quiet moment of random histories.
//!
//! A sample of worlds; `KENTONGAN_SOAK=1` tries ten thousand. `KENTONGAN_WORLD=N` runs one alone and
//! prints it.

mod feed;
mod lots;
mod networks;
mod reference;
mod small_worlds;

use feed::{Feed, S};
use lots::Lots;
use model::inventory::{Element, Needs};
use reference::{Reference, Root};
use small_worlds::SmallWorld;
use std::collections::BTreeSet;

/// Long enough for everything to be confirmed, waited for, asked afresh and told.
const QUIET: i64 = 6 * 60 * S;

/// The numbers of the worlds to try.
fn worlds(sample: u64, all: u64) -> Vec<u64> {
    if let Some(one) = std::env::var("KENTONGAN_WORLD").ok().and_then(|n| n.parse().ok()) {
        return vec![one];
    }
    (0..if networks::soak() { all } else { sample }).collect()
}

/// Runs all of them and says what went wrong in the first few.
fn try_all(worlds: &[u64], run: impl Fn(u64) -> Result<Tally, String>) -> Tally {
    let (mut wrong, mut sum) = (Vec::new(), Tally::default());
    for &n in worlds {
        match run(n) {
            Ok(t) => sum.add(&t),
            Err(why) => wrong.push(format!("world {n}: {why}")),
        }
    }
    println!("{} worlds, {} wrong; {sum:?}", worlds.len(), wrong.len());
    if let (Some(at), false) = (std::env::var_os("KENTONGAN_WRONG"), wrong.is_empty()) {
        std::fs::write(at, wrong.join("\n\n")).unwrap_or_else(|e| panic!("{e}"));
    }
    assert!(
        wrong.is_empty(),
        "{} of {} wrong; the first:\n{}",
        wrong.len(),
        worlds.len(),
        wrong[..wrong.len().min(2)].join("\n\n")
    );
    sum
}

/// What was seen on the way, so that nothing passes because nothing happened.
#[derive(Debug, Default)]
struct Tally {
    quiet_moments: usize,
    incidents: usize,
    shared: usize,
    merges: usize,
    reroots: usize,
    splits: usize,
    maskings: usize,
    reopened: usize,
}

impl Tally {
    fn add(&mut self, t: &Tally) {
        self.quiet_moments += t.quiet_moments;
        self.incidents += t.incidents;
        self.shared += t.shared;
        self.merges += t.merges;
        self.reroots += t.reroots;
        self.splits += t.splits;
        self.maskings += t.maskings;
        self.reopened += t.reopened;
    }

    fn book(&mut self, feed: &Feed) {
        self.incidents += feed.book.creates.len();
        self.merges += feed.book.merges;
        self.reroots += feed.book.reroots;
        self.splits += feed.book.splits;
        self.maskings += feed.book.maskings;
        self.reopened += feed.book.reopened;
    }
}

/// Whether the open incidents are these, each with one ticket.
fn compare(
    world: &SmallWorld,
    feed: &Feed,
    wanted: &BTreeSet<Root>,
    when: &str,
) -> Result<(), String> {
    let book = &feed.book;
    let got = book.roots();
    let twice = book.creates.values().any(|c| *c != 1);
    let told = book.open.keys().chain(book.masked.keys()).cloned().collect::<BTreeSet<_>>();
    if got == *wanted && got.len() == book.open.len() && !twice && told == book.tickets {
        return Ok(());
    }
    Err(format!(
        "{when}, {:?} failed\nopen:   {got:?}\nwanted: {wanted:?}\nmasked: {:?}\ntickets: {:?}\n{}\n{:?}\n{}",
        feed.failed(),
        book.masked,
        book.tickets,
        world.story,
        feed.seen(),
        book.log.join("\n")
    ))
}

fn passive(world: &SmallWorld) -> Vec<String> {
    let all = world.inventory.devices.iter().filter(|d| d.passive);
    all.map(|d| d.id.to_string()).collect()
}

/// One room, strip, duct or mute switch fails: one incident names it, and when it is mended nothing
/// is left of it.
#[test]
fn one_passive_element_fails_and_is_one_incident() {
    let tally = try_all(&worlds(600, 10_000), |n| {
        let mut lots = Lots(n);
        let world = small_worlds::draw(&mut lots);
        let all = passive(&world);
        if all.is_empty() {
            return Ok(Tally::default());
        }
        let what = lots.one_of(&all).clone();
        let mut feed = Feed::new(&world.inventory, lots.percent(50), n);
        feed.fail(std::slice::from_ref(&what));
        feed.run(QUIET);
        let seen = feed.seen();
        let wanted = reference::at_once(&world.inventory, &seen);
        compare(&world, &feed, &wanted, "after the failure")?;
        let mut tally = Tally { quiet_moments: 2, ..Tally::default() };
        if reference::visible(&world.inventory, &seen).len() >= 2 {
            tally.shared += 1;
            let named = wanted.iter().filter(|r| r.contains(&what)).count();
            // What carries nothing but one machine is not named beside it.
            let instead = wanted.iter().flatten().any(|e| seen.silent.contains_key(e));
            if wanted.len() != 1 || (named != 1 && !instead) {
                return Err(format!("{what} failed and {wanted:?} is blamed\n{}", world.story));
            }
        }
        feed.mend(std::slice::from_ref(&what));
        feed.run(QUIET);
        compare(&world, &feed, &BTreeSet::new(), "after it was mended")?;
        tally.book(&feed);
        Ok(tally)
    });
    assert!(tally.shared > 10);
}

/// Everything that an element carries fails but for one thing, which is well: the element is not
/// blamed.
#[test]
fn one_good_member_and_it_is_not_blamed() {
    let tally = try_all(&worlds(600, 10_000), |n| {
        let mut lots = Lots(n + 500_000);
        let world = small_worlds::draw(&mut lots);
        let all = passive(&world);
        if all.is_empty() {
            return Ok(Tally::default());
        }
        let what = lots.one_of(&all).clone();
        let mut carried: Vec<String> = world
            .inventory
            .devices
            .iter()
            .filter(|d| {
                let met = |n: &Needs<Element>| n.met(&|e| **world.inventory.id_of(*e) != *what);
                d.needs.as_ref().is_some_and(|n| !met(n)) && !d.passive
            })
            .map(|d| d.id.to_string())
            .collect();
        if carried.len() < 3 {
            return Ok(Tally::default());
        }
        let good = carried.remove(lots.below(carried.len() as i64) as usize);
        let mut feed = Feed::new(&world.inventory, lots.percent(50), n);
        feed.fail(&carried);
        feed.run(QUIET);
        let seen = feed.seen();
        compare(&world, &feed, &reference::at_once(&world.inventory, &seen), "after the failures")?;
        if !seen.answering.contains(&good) {
            return Ok(Tally::default());
        }
        if feed.book.open.values().any(|r| r.contains(&what)) {
            return Err(format!("{what} is blamed though {good} is well\n{}", world.story));
        }
        let mut tally = Tally { quiet_moments: 1, shared: 1, ..Tally::default() };
        tally.book(&feed);
        Ok(tally)
    });
    assert!(tally.shared > 3);
}

/// Things fail and are mended in any order, and at every quiet moment both say the same.
#[test]
fn both_say_the_same_of_every_history() {
    let tally = try_all(&worlds(1_200, 10_000), |n| {
        let mut lots = Lots(n + 1_000_000);
        let world = small_worlds::draw(&mut lots);
        let mut feed = Feed::new(&world.inventory, lots.percent(50), n);
        let mut reference = Reference::default();
        let mut tally = Tally::default();
        let mut told = String::new();
        for _ in 0..2 + lots.below(5) {
            let failed: Vec<String> = feed.failed().iter().cloned().collect();
            if !failed.is_empty() && lots.percent(45) {
                let what = lots.one_of(&failed).clone();
                told = format!("{told}{what} mended, ");
                feed.mend(&[what]);
            } else {
                let mut what = BTreeSet::new();
                for _ in 0..=i64::from(lots.percent(20)) {
                    what.insert(lots.one_of(&world.breakable).clone());
                }
                let what: Vec<String> =
                    what.into_iter().filter(|w| !feed.failed().contains(w)).collect();
                told = format!("{told}{what:?} fail, ");
                feed.fail(&what);
            }
            feed.run(QUIET);
            let wanted = reference.look(&world.inventory, &feed.seen());
            tally.quiet_moments += 1;
            tally.shared += usize::from(wanted.iter().any(|r| r.len() > 2));
            compare(&world, &feed, &wanted, &told)?;
        }
        let failed: Vec<String> = feed.failed().iter().cloned().collect();
        feed.mend(&failed);
        feed.run(QUIET);
        compare(&world, &feed, &BTreeSet::new(), &format!("{told}all mended"))?;
        tally.book(&feed);
        Ok(tally)
    });
    assert!(tally.incidents > 100);
}
