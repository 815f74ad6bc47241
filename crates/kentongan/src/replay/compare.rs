//! `kentongan replay --config A --against B`: the same events under two configurations, side by
//! side, so that a change of a threshold is tried on last month before it is tried on the night.
//!
//! What counts as an outage is the same for both: a device that did not answer for as long as the
//! quicker of the two takes to confirm it. So a configuration that looks away longer is seen to
//! miss what the other one found.

use super::feed::{self, Counted, Item};
use super::matching::{Differences, differences};
use super::obeyed::Obeyed;
use super::outages::{Outage, Outages};
use super::tally::{Life, Tally};
use crate::config::{Configuration, Locale};
use anyhow::Result;
use model::{Priority, Settings, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// One of the two sides.
#[derive(Debug, Clone, Copy)]
pub enum Under<'a> {
    /// This configuration throughout.
    Given(&'a Configuration),
    /// The configurations that stand in the recording.
    Recorded,
}

/// What to compare.
#[derive(Debug, Clone)]
pub struct Compare<'a> {
    /// Files of events, as for a replay.
    pub files: Vec<PathBuf>,
    /// The first side, with what it is called.
    pub a: (String, Under<'a>),
    /// The second side; its inventory says who a device is and who is not, its locale when a shift
    /// begins.
    pub b: (String, &'a Configuration),
    /// What counts as an outage; `None`: what the quicker of the two confirms.
    pub outage: Option<Duration>,
}

/// What came of it.
pub struct Compared {
    /// Events, and lines that could not be used.
    counted: Counted,
    /// What counted as an outage.
    outage: Duration,
    /// How many there were.
    outages: usize,
    a: Side,
    b: Side,
}

struct Side {
    name: String,
    tally: Tally,
    /// Outages that no incident explains.
    missed: Vec<Outage>,
}

/// Runs the events under both.
///
/// # Errors
/// When a file cannot be read.
pub fn compare(what: &Compare<'_>, err: &mut dyn Write) -> Result<Compared> {
    let configuration = what.b.1;
    let mut a = match what.a.1 {
        Under::Given(c) => Obeyed::given(c),
        Under::Recorded => Obeyed::as_recorded(),
    };
    let mut b = Obeyed::given(configuration);
    b.is_told_that_it_differs();
    let quickest = match what.a.1 {
        Under::Given(c) => confirms_in(&c.settings).min(confirms_in(&configuration.settings)),
        Under::Recorded => confirms_in(&configuration.settings),
    };
    let outage = what.outage.unwrap_or(quickest);
    let mut outages = Outages::new(configuration.inventory.clone(), outage);
    let locale: &Locale = &configuration.locale;
    let (mut tally_a, mut tally_b) = (Tally::new(locale), Tally::new(locale));
    let counted = feed::feed(&what.files, err, &mut |item| match item {
        Item::Configuration(recorded) => Ok(a.learn(&recorded)),
        Item::Event(number, event) => {
            outages.take(&event);
            let said = a.take(number, &event, |decision| {
                tally_a.take(&decision);
                Ok::<(), anyhow::Error>(())
            })?;
            b.take(number, &event, |decision| {
                tally_b.take(&decision);
                Ok::<(), anyhow::Error>(())
            })?;
            Ok(said)
        }
    })?;
    let outages = outages.finish();
    let missed = |tally: &Tally| missed_of(&outages, tally);
    Ok(Compared {
        counted,
        outage,
        outages: outages.len(),
        a: Side { name: what.a.0.clone(), missed: missed(&tally_a), tally: tally_a },
        b: Side { name: what.b.0.clone(), missed: missed(&tally_b), tally: tally_b },
    })
}

/// How long a device is silent before it counts as down, when it is asked at the usual pace.
fn confirms_in(settings: &Settings) -> Duration {
    let rule = settings.checks.get("icmp").cloned().unwrap_or_default();
    rule.interval * u32::from(rule.down_needs)
}

/// The outages that no incident explains and that nobody wanted left out.
fn missed_of(outages: &[Outage], tally: &Tally) -> Vec<Outage> {
    let mut by_device: BTreeMap<&Arc<str>, Vec<&Life>> = BTreeMap::new();
    for life in tally.lives() {
        for device in life.devices.union(&life.roots) {
            by_device.entry(device).or_default().push(life);
        }
    }
    let explained = |o: &&Outage| {
        let lives = by_device.get(&o.device).into_iter().flatten();
        lives.clone().any(|life| life.overlaps(o.from, o.to))
            || tally.on_purpose(&o.device, o.from, o.to)
    };
    outages.iter().filter(|o| !explained(o)).cloned().collect()
}

impl Compared {
    /// Whether every line could be used.
    pub fn good(&self) -> bool {
        self.counted.unusable == 0
    }

    /// Both sides, the first one first.
    fn sides(&self) -> [&Side; 2] {
        [&self.a, &self.b]
    }

    fn differences(&self) -> Differences<'_> {
        differences(self.a.tally.lives(), self.b.tally.lives())
    }

    /// As one object.
    pub fn json(&self) -> Value {
        let side = |s: &Side| {
            let shifts = s.tally.messages().into_iter().map(|m| {
                json!({
                    "shift": m.shift,
                    "messages": m.all,
                    "most": m.most.map(|(n, _)| n),
                    "most_on": m.most.map(|(_, date)| date.to_string()),
                })
            });
            let incidents = s.tally.incidents();
            let by = |of: &BTreeMap<Priority, u64>| {
                let every = Priority::ALL
                    .iter()
                    .map(|p| (p.word().to_owned(), Value::from(of.get(p).copied().unwrap_or(0))));
                Value::Object(every.collect())
            };
            json!({
                "configuration": s.name,
                "incidents": by(&incidents),
                "tickets": by(&s.tally.tickets),
                "messages": s.tally.messages().iter().map(|m| m.all).sum::<u64>(),
                "shifts": shifts.collect::<Vec<_>>(),
                "suppressed": s.tally.suppressed,
                "missed": s.missed.iter().map(|o| json!({
                    "device": &*o.device,
                    "from": o.from.to_string(),
                    "to": o.to.to_string(),
                    "seconds": o.lasted().as_secs(),
                })).collect::<Vec<_>>(),
            })
        };
        let found = self.differences();
        let life = |l: &&Life| {
            let (from, to) = l.extent();
            json!({
                "id": l.id.as_str(),
                "root": l.root.iter().map(|r| &**r).collect::<Vec<_>>(),
                "priority": l.priority.word(),
                "from": from.to_string(),
                "to": l.over().then(|| to.to_string()),
            })
        };
        json!({
            "events": self.counted.events,
            "unusable": self.counted.unusable,
            "outage_seconds": self.outage.as_secs(),
            "outages": self.outages,
            "a": side(&self.a),
            "b": side(&self.b),
            "differences": {
                "only_a": found.only_a.iter().map(life).collect::<Vec<_>>(),
                "only_b": found.only_b.iter().map(life).collect::<Vec<_>>(),
                "priority": found.other_priority.iter()
                    .map(|(a, b)| json!({ "a": life(a), "b": life(b) }))
                    .collect::<Vec<_>>(),
            },
        })
    }

    /// The figures that a person compares: a name, and what each side says.
    pub fn figures(&self) -> Vec<(String, [u64; 2])> {
        let mut figures = Vec::new();
        let mut figure = |name: String, of: &dyn Fn(&Side) -> u64| {
            let both = self.sides().map(of);
            figures.push((name, both));
        };
        let all = |by: &BTreeMap<Priority, u64>| by.values().sum::<u64>();
        figure("incidents".into(), &|s| all(&s.tally.incidents()));
        for p in Priority::ALL {
            figure(format!("  {p}"), &|s| s.tally.incidents().get(p).copied().unwrap_or(0));
        }
        figure("tickets".into(), &|s| all(&s.tally.tickets));
        for p in Priority::ALL.iter().filter(|p| **p != Priority::P4) {
            figure(format!("  {p}"), &|s| s.tally.tickets.get(p).copied().unwrap_or(0));
        }
        figure("messages".into(), &|s| s.tally.messages().iter().map(|m| m.all).sum());
        for (n, shift) in self.a.tally.messages().into_iter().enumerate() {
            figure(format!("  {}", shift.shift), &|s| s.tally.messages()[n].all);
            figure("    in the busiest".into(), &|s| {
                s.tally.messages()[n].most.map_or(0, |(most, _)| most)
            });
        }
        figure("suppressed events".into(), &|s| s.tally.suppressed.values().sum());
        let words: BTreeSet<&str> =
            self.sides().iter().flat_map(|s| s.tally.suppressed.keys().copied()).collect();
        for word in words {
            figure(format!("  {word}"), &|s| s.tally.suppressed.get(word).copied().unwrap_or(0));
        }
        figure("missed outages".into(), &|s| s.missed.len() as u64);
        figures
    }

    /// What the two sides are called.
    pub fn names(&self) -> [&str; 2] {
        self.sides().map(|s| s.name.as_str())
    }

    /// Events, outages among them, and what counted as one.
    pub fn measured(&self) -> (u64, usize, Duration) {
        (self.counted.events, self.outages, self.outage)
    }

    /// What differs, in the order of time: when, what it is about, and how urgent each side found
    /// it (`None`: not at all).
    pub fn differing(&self) -> Vec<Differing> {
        let found = self.differences();
        let one = |l: &Life, a: Option<Priority>, b: Option<Priority>| Differing {
            from: l.extent().0,
            root: l.root.join(" "),
            priorities: [a, b],
            missed: [false, false],
        };
        let only_a = found.only_a.iter().map(|l| one(l, Some(l.priority), None));
        let only_b = found.only_b.iter().map(|l| one(l, None, Some(l.priority)));
        let both = found.other_priority.iter();
        let both = both.map(|(a, b)| one(a, Some(a.priority), Some(b.priority)));
        let mut all: Vec<Differing> = only_a.chain(only_b).chain(both).collect();
        let of = |n: usize| self.sides()[n].missed.iter();
        let missed = |o: &Outage, missed: [bool; 2]| Differing {
            from: o.from,
            root: format!(
                "{} did not answer for {}",
                o.device,
                model::time::show_duration(Duration::from_secs(o.lasted().as_secs()))
            ),
            priorities: [None, None],
            missed,
        };
        all.extend(of(0).map(|o| missed(o, [true, self.b.missed.contains(o)])));
        all.extend(of(1).filter(|o| !self.a.missed.contains(o)).map(|o| missed(o, [false, true])));
        all.sort_by(|a, b| (a.from, &a.root).cmp(&(b.from, &b.root)));
        all
    }
}

/// Something that is not the same on both sides, or that both of them missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Differing {
    /// When it began.
    pub from: Timestamp,
    /// What it is about.
    pub root: String,
    /// How urgent each side found it; `None`: it made no incident of it.
    pub priorities: [Option<Priority>; 2],
    /// An outage that this side made nothing of.
    pub missed: [bool; 2],
}
