//! Two failures in a real network, the second ten minutes after the first, mended in either order:
//! at every quiet moment what is open is what should be, no cause has two tickets, and none is lost.
//!
//! `KENTONGAN_SOAK=1` runs every pair instead of a sample; `KENTONGAN_SCENARIO=N` runs one.

mod feed;
mod lots;
mod networks;
mod reference;

use feed::{Feed, S};
use model::IncidentId;
use networks::{Net, Scenario};
use reference::Root;
use std::collections::{BTreeMap, BTreeSet};

const QUIET: i64 = 10 * 60 * S;

#[derive(Debug, Default)]
struct Counted {
    quiet_moments: usize,
    incidents: usize,
    merges: usize,
    reroots: usize,
    splits: usize,
    maskings: usize,
    reopened: usize,
}

/// One pair of failures from health to health: `first` fails first, `mended` is mended first.
fn run(
    net: &Net,
    s: &Scenario,
    snmp: bool,
    first: usize,
    mended: usize,
    seed: u64,
) -> Result<Counted, String> {
    let inventory = networks::inventory(net, s.noc);
    let mut feed = Feed::new(&inventory, snmp, seed);
    let mut counted = Counted::default();
    // Which incident named an element, when it was last looked.
    let mut named: BTreeMap<String, IncidentId> = BTreeMap::new();
    let steps = [(true, first), (true, 1 - first), (false, mended), (false, 1 - mended)];
    for (n, (fails, which)) in steps.into_iter().enumerate() {
        let what = std::slice::from_ref(&s.fail[which]);
        if fails {
            feed.fail(what);
        } else {
            feed.mend(what);
        }
        feed.run(QUIET);
        counted.quiet_moments += 1;
        let wanted = reference::at_once(&inventory, &feed.seen());
        if n == 1 {
            assert_eq!(&wanted, if snmp { &s.snmp } else { &s.ping }, "the reference is wrong");
        }
        check(&feed, &wanted, fails, &mut named)
            .map_err(|why| tell(&feed, &wanted, &why, &s.fail, n))?;
        named.retain(|e, _| feed.failed().contains(e));
    }
    let book = &feed.book;
    counted.incidents = book.creates.len();
    counted.merges = book.merges;
    counted.reroots = book.reroots;
    counted.splits = book.splits;
    counted.maskings = book.maskings;
    counted.reopened = book.reopened;
    Ok(counted)
}

fn check(
    feed: &Feed,
    wanted: &BTreeSet<Root>,
    failed_now: bool,
    named: &mut BTreeMap<String, IncidentId>,
) -> Result<(), String> {
    let book = &feed.book;
    if book.roots() != *wanted || book.open.len() != wanted.len() {
        return Err("not what should be open".into());
    }
    if book.creates.values().any(|c| *c != 1) {
        return Err("an incident with two tickets".into());
    }
    let standing: BTreeSet<IncidentId> =
        book.open.keys().chain(book.masked.keys()).cloned().collect();
    if standing != book.tickets {
        return Err("tickets that stand are not those of the incidents that stand".into());
    }
    if failed_now && !book.recovered.is_empty() {
        return Err(format!("recovered while nothing was mended: {:?}", book.recovered));
    }
    if feed.failed().is_empty() && !book.masked.is_empty() {
        return Err("hidden by nothing".into());
    }
    // As long as an element stays failed, whatever names it is one incident.
    for e in feed.failed() {
        let naming: Vec<&IncidentId> =
            book.open.iter().filter(|(_, root)| root.contains(e)).map(|(id, _)| id).collect();
        if let [one] = naming[..] {
            if let Some(before) = named.get(e)
                && book.survivor(before) != *one
            {
                return Err(format!("{e} was named by {before}, and by {one} now"));
            }
            named.insert(e.clone(), one.clone());
        }
    }
    Ok(())
}

fn tell(feed: &Feed, wanted: &BTreeSet<Root>, why: &str, fail: &[String], step: usize) -> String {
    let book = &feed.book;
    format!(
        "{why}, in step {step} of {fail:?}; failed: {:?}\nopen:   {:?}\nwanted: {wanted:?}\nmasked: {:?}\ntickets: {:?}\n{}",
        feed.failed(),
        book.open,
        book.masked,
        book.tickets,
        book.log.join("\n")
    )
}

#[test]
fn two_failures_in_either_order_are_two_causes() {
    let Some(at) = networks::shared() else { return };
    let (nets, scenarios) = (networks::nets(&at), networks::scenarios(&at));
    let one: Option<usize> = std::env::var("KENTONGAN_SCENARIO").ok().and_then(|n| n.parse().ok());
    let step = if networks::soak() { 1 } else { 389 };
    let pairs = scenarios.iter().enumerate().filter(|(_, s)| s.fail.len() == 2);
    let (mut tried, mut wrong, mut sum) = (0, Vec::new(), Counted::default());
    for (place, (n, s)) in pairs.enumerate() {
        if one.map_or(place % step != 0, |one| n != one) {
            continue;
        }
        for (snmp, first, mended) in
            [false, true].into_iter().flat_map(|p| [(p, 0, 0), (p, 0, 1), (p, 1, 0), (p, 1, 1)])
        {
            tried += 1;
            match run(&nets[&s.net], s, snmp, first, mended, n as u64) {
                Ok(c) => {
                    sum.quiet_moments += c.quiet_moments;
                    sum.incidents += c.incidents;
                    sum.merges += c.merges;
                    sum.reroots += c.reroots;
                    sum.splits += c.splits;
                    sum.maskings += c.maskings;
                    sum.reopened += c.reopened;
                }
                Err(why) => wrong.push(format!(
                    "scenario {n} ({} from n{}, ports: {snmp}, {} first, {} mended first): {why}",
                    s.net, s.noc, s.fail[first], s.fail[mended]
                )),
            }
        }
    }
    println!("{tried} sequences, {} wrong; {sum:?}", wrong.len());
    if let (Some(at), false) = (std::env::var_os("KENTONGAN_WRONG"), wrong.is_empty()) {
        std::fs::write(at, wrong.join("\n\n")).unwrap_or_else(|e| panic!("{e}"));
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried} wrong; the first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(2)].join("\n\n")
    );
    assert!(one.is_some() || sum.incidents > 20);
}
