//! `kentongan replay`: recorded events through the real core in virtual time. No network, no clock,
//! no daemon: the same input and the same configuration give the same bytes.
//!
//! Two configurations side by side are [`compare`]'s.

mod compare;
mod feed;
mod matching;
mod obeyed;
mod outages;
mod tally;

pub use compare::{Compare, Compared, Differing, Under, compare};

use crate::config::Configuration;
use anyhow::{Context, Result};
use feed::{Counted, Item};
use model::{Condition, Decision, IncidentId, Priority};
use obeyed::Obeyed;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// What to replay, and what to print of it.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    /// Files of events, one object a line; `-` is standard input. In this order.
    pub files: Vec<PathBuf>,
    /// Print routine verdicts as well.
    pub all: bool,
    /// Print one object with counts instead of the decisions.
    pub summary: bool,
}

/// Runs it under `configuration`, or, without one, under those that stand in the recording. Returns
/// whether every line could be used; each that could not is named on `err` as `file:line: what`.
///
/// # Errors
/// When a file cannot be read or the output cannot be written.
pub fn replay(
    what: &Replay,
    configuration: Option<&Configuration>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<bool> {
    let mut core = configuration.map_or_else(Obeyed::as_recorded, Obeyed::given);
    let mut printed = Printed {
        what,
        out: BufWriter::with_capacity(1 << 18, out),
        line: Vec::with_capacity(4096),
        counts: Counts::default(),
    };
    let counted = feed::feed(&what.files, err, &mut |item| match item {
        Item::Configuration(recorded) => Ok(core.learn(&recorded)),
        Item::Event(number, event) => core
            .take(number, &event, |decision| printed.decision(&decision))
            .context("writing the decisions"),
    })?;
    if what.summary {
        let summary = printed.counts.summary(counted);
        writeln!(printed.out, "{summary}").context("writing the counts")?;
    }
    printed.out.flush().context("writing the decisions")?;
    Ok(counted.unusable == 0)
}

struct Printed<'a, W: Write> {
    what: &'a Replay,
    out: W,
    line: Vec<u8>,
    counts: Counts,
}

impl<W: Write> Printed<'_, W> {
    fn decision(&mut self, decision: &Decision) -> io::Result<()> {
        if self.what.summary {
            self.counts.count(decision);
            return Ok(());
        }
        if let Decision::Verdict(v) = decision
            && v.routine
            && !self.what.all
        {
            return Ok(());
        }
        self.line.clear();
        wire::write_decision(&mut self.line, decision);
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

#[derive(Default)]
struct Counts {
    verdicts: BTreeMap<&'static str, u64>,
    alarms: BTreeMap<&'static str, u64>,
    intents: BTreeMap<&'static str, u64>,
    incidents: BTreeMap<IncidentId, (Priority, Condition)>,
}

impl Counts {
    fn count(&mut self, decision: &Decision) {
        match decision {
            Decision::Verdict(v) => *self.verdicts.entry(v.verdict.word()).or_default() += 1,
            Decision::Alarm(a) => *self.alarms.entry(a.state.word()).or_default() += 1,
            Decision::Intent(i) => *self.intents.entry(i.op.word()).or_default() += 1,
            Decision::Incident(i) => {
                self.incidents.insert(i.id.clone(), (i.priority, i.condition));
            }
        }
    }

    /// One object: events, verdicts by name, alarm changes by state, incidents by priority and
    /// condition as they ended, intents by operation.
    fn summary(&self, counted: Counted) -> serde_json::Value {
        let mut incidents: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for (priority, condition) in self.incidents.values() {
            let by_condition = incidents.entry(priority.word()).or_default();
            *by_condition.entry(condition.word()).or_default() += 1;
        }
        json!({
            "events": counted.events,
            "unusable": counted.unusable,
            "verdicts": self.verdicts,
            "alarms": self.alarms,
            "incidents": incidents,
            "intents": self.intents,
        })
    }
}
