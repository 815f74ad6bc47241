//! `kentongan replay`: recorded events through the real core in virtual time. No network, no clock,
//! no daemon: the same input and the same configuration give the same bytes.

use crate::config::Configuration;
use anyhow::{Context, Result};
use correlator::Correlator;
use model::{Condition, Decision, IncidentId, Kind, Priority};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
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

/// Lines that could not be used are named up to this many times; the rest is counted.
const NAMED_MAX: usize = 100;

/// Runs it. Returns whether every line could be used; each that could not is named on `err` as
/// `file:line: what`.
pub fn replay(
    what: &Replay,
    configuration: &Configuration,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<bool> {
    let core = Correlator::new(configuration.inventory.clone(), configuration.settings.clone());
    let mut run = Run {
        core,
        what,
        out: BufWriter::with_capacity(1 << 18, out),
        line: Vec::with_capacity(4096),
        counts: Counts::default(),
        hash: configuration.hash.clone(),
        warned: false,
        note: None,
    };
    for file in &what.files {
        run.file(file, err)?;
    }
    if what.summary {
        let summary = run.counts.summary();
        writeln!(run.out, "{summary}")?;
    }
    run.out.flush().context("writing the decisions")?;
    if run.counts.unusable > NAMED_MAX as u64 {
        writeln!(err, "… {} unusable lines in all", run.counts.unusable)?;
    }
    Ok(run.counts.unusable == 0)
}

struct Run<'a, W: Write> {
    core: Correlator,
    what: &'a Replay,
    out: W,
    line: Vec<u8>,
    counts: Counts,
    /// The configuration in use.
    hash: String,
    /// That a recording was made under another one has been said.
    warned: bool,
    /// What there is to say of the line at hand.
    note: Option<String>,
}

impl<W: Write> Run<'_, W> {
    fn file(&mut self, file: &PathBuf, err: &mut dyn Write) -> Result<()> {
        let mut reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
            Box::new(BufReader::with_capacity(1 << 18, io::stdin()))
        } else {
            let opened = File::open(file).with_context(|| format!("opening {}", file.display()))?;
            Box::new(BufReader::with_capacity(1 << 18, opened))
        };
        let mut text = Vec::with_capacity(1024);
        for n in 1.. {
            text.clear();
            let read = reader.read_until(b'\n', &mut text);
            if read.with_context(|| format!("reading {}", file.display()))? == 0 {
                break;
            }
            let outcome = self.event(&text);
            if let Some(note) = self.note.take() {
                writeln!(err, "{}:{n}: note: {note}", file.display())?;
            }
            if let Err(why) = outcome {
                self.counts.unusable += 1;
                if self.counts.unusable <= NAMED_MAX as u64 {
                    writeln!(err, "{}:{n}: {why}", file.display())?;
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, text: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        // Some editors put a byte order mark in front.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Ok(());
        }
        let line = wire::read_event(text).map_err(|e| e.to_string())?;
        let next = self.core.last_event() + 1;
        let number = line.seq.unwrap_or(next);
        if number < next {
            return Err(format!("its seq {number} is not after the one before, {}", next - 1));
        }
        if let Kind::Config { hash, .. } = &line.event.kind
            && *hash != self.hash
            && !std::mem::replace(&mut self.warned, true)
        {
            self.note = Some(format!(
                "recorded under another configuration ({}) than the one in use ({}): what follows may differ \
                 from what was decided then",
                &hash[..hash.len().min(12)],
                &self.hash[..self.hash.len().min(12)]
            ));
        }
        self.counts.events += 1;
        self.core.handle_event(number, &line.event);
        while let Some(decision) = self.core.poll_decision() {
            self.decision(&decision).map_err(|e| format!("writing the decisions: {e}"))?;
        }
        while self.core.poll_ask().is_some() {}
        Ok(())
    }

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
    events: u64,
    unusable: u64,
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
    fn summary(&self) -> serde_json::Value {
        let mut incidents: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
        for (priority, condition) in self.incidents.values() {
            let by_condition = incidents.entry(priority.word()).or_default();
            *by_condition.entry(condition.word()).or_default() += 1;
        }
        json!({
            "events": self.events,
            "unusable": self.unusable,
            "verdicts": self.verdicts,
            "alarms": self.alarms,
            "incidents": incidents,
            "intents": self.intents,
        })
    }
}
