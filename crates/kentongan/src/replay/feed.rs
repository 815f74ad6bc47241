//! Files of recorded events, line by line: each usable one with its number, each other one named
//! on standard error.

use anyhow::{Context, Result};
use model::Event;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use wire::Recorded;

/// Lines that could not be used are named up to this many times; the rest is counted.
const NAMED_MAX: usize = 100;
/// How much of a file is read at once.
const BUFFER: usize = 1 << 18;

/// What a line holds.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every one is an event, and lives for a moment"
)]
pub enum Item<'a> {
    /// An event and its number.
    Event(u64, Event<'a>),
    /// What a configuration's hash means.
    Configuration(Box<Recorded>),
}

/// What whoever takes an item has to say of it.
pub enum Said {
    /// Nothing.
    Nothing,
    /// Something that should be known.
    Note(String),
    /// It could not be used.
    Unusable(String),
}

/// Counts over all files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Events handed on.
    pub events: u64,
    /// Lines that could not be used.
    pub unusable: u64,
}

/// Reads the files in this order and hands on what is in them. `-` is standard input.
pub fn feed(
    files: &[PathBuf],
    err: &mut dyn Write,
    take: &mut dyn FnMut(Item<'_>) -> Result<Said>,
) -> Result<Counted> {
    let mut feed = Feed { last: 0, counted: Counted::default() };
    for file in files {
        feed.file(file, err, take)?;
    }
    if feed.counted.unusable > NAMED_MAX as u64 {
        writeln!(err, "… {} unusable lines in all", feed.counted.unusable)?;
    }
    Ok(feed.counted)
}

struct Feed {
    /// The number of the last event.
    last: u64,
    counted: Counted,
}

impl Feed {
    fn file(
        &mut self,
        file: &Path,
        err: &mut dyn Write,
        take: &mut dyn FnMut(Item<'_>) -> Result<Said>,
    ) -> Result<()> {
        let mut reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
            Box::new(BufReader::with_capacity(BUFFER, io::stdin()))
        } else {
            let opened = File::open(file).with_context(|| format!("opening {}", file.display()))?;
            Box::new(BufReader::with_capacity(BUFFER, opened))
        };
        let mut text = Vec::with_capacity(1024);
        for n in 1.. {
            text.clear();
            let read = reader.read_until(b'\n', &mut text);
            if read.with_context(|| format!("reading {}", file.display()))? == 0 {
                break;
            }
            match self.line(&text, take)? {
                Said::Nothing => {}
                Said::Note(note) => writeln!(err, "{}:{n}: note: {note}", file.display())?,
                Said::Unusable(why) => {
                    self.counted.unusable += 1;
                    if self.counted.unusable <= NAMED_MAX as u64 {
                        writeln!(err, "{}:{n}: {why}", file.display())?;
                    }
                }
            }
        }
        Ok(())
    }

    fn line(
        &mut self,
        text: &[u8],
        take: &mut dyn FnMut(Item<'_>) -> Result<Said>,
    ) -> Result<Said> {
        let Ok(text) = std::str::from_utf8(text) else {
            return Ok(Said::Unusable("it is not UTF-8".to_owned()));
        };
        // Some editors put a byte order mark in front.
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Ok(Said::Nothing);
        }
        if wire::is_configuration(text) {
            return match wire::read_configuration(text) {
                Ok(recorded) => take(Item::Configuration(Box::new(recorded))),
                Err(why) => Ok(Said::Unusable(why)),
            };
        }
        let line = match wire::read_event(text) {
            Ok(line) => line,
            Err(why) => return Ok(Said::Unusable(why.to_string())),
        };
        let number = line.seq.unwrap_or(self.last + 1);
        if number <= self.last {
            let why = format!("its seq {number} is not after the one before, {}", self.last);
            return Ok(Said::Unusable(why));
        }
        self.last = number;
        self.counted.events += 1;
        take(Item::Event(number, line.event))
    }
}
