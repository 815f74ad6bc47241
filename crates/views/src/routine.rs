//! What the many events came to that changed nothing.
//!
//! A quiet network makes a thousand of them for each that matters, so they get no row. The core
//! writes one letter for each event of a batch; here the letters are kept as runs (letter, length)
//! in chunks of a few hundred bytes, which a quiet hour fills with three.

use model::Verdict;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Deserialize;

/// The letter for an event that has a line of its own.
pub const HAS_ROW: u8 = b'-';

/// A chunk that has grown to this many bytes is closed, so that looking up one event reads little.
const CHUNK_BYTES_MAX: usize = 1024;

/// The letter that stands for a verdict in a `routine` line: its place in [`Verdict::ALL`],
/// counted from `a`. The order of that list is therefore part of the record's form.
pub fn code_of(verdict: Verdict) -> u8 {
    const _: () = assert!(Verdict::ALL.len() <= 26, "one letter for each verdict");
    let place = Verdict::ALL.iter().position(|v| *v == verdict).expect("ALL has every verdict");
    b'a' + place as u8
}

/// The reverse of [`code_of`].
pub fn verdict_of(code: u8) -> Option<Verdict> {
    Verdict::ALL.get(usize::from(code.checked_sub(b'a')?)).copied()
}

/// `{"kind":"routine","from":N,"codes":"…"}`: event N came to the first letter, and so on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoutineLine {
    #[serde(rename = "kind")]
    _kind: RoutineKind,
    pub(crate) from: u64,
    pub(crate) codes: String,
}

#[derive(Debug, Deserialize)]
enum RoutineKind {
    #[serde(rename = "routine")]
    Routine,
}

impl RoutineLine {
    /// Reads the line, or says why not.
    pub(crate) fn read(line: &str) -> Result<RoutineLine, String> {
        let read: RoutineLine = serde_json::from_str(line).map_err(|e| e.to_string())?;
        let known = |c: u8| c == HAS_ROW || verdict_of(c).is_some();
        if let Some(c) = read.codes.bytes().find(|c| !known(*c)) {
            return Err(format!("codes has the byte {c:#04x}, which stands for no verdict"));
        }
        if i64::try_from(read.from.saturating_add(read.codes.len() as u64)).is_err() {
            return Err(format!("from is {}, which is no event's number", read.from));
        }
        Ok(read)
    }
}

/// The newest chunk, open for more.
pub(crate) struct Tail {
    first: i64,
    /// The number of the event after its last one.
    next: i64,
    runs: Vec<u8>,
    /// Where in `runs` the last run begins.
    last: usize,
    dirty: bool,
}

impl Tail {
    /// The newest chunk of the file.
    pub(crate) fn load(db: &Connection) -> rusqlite::Result<Option<Tail>> {
        let newest = "SELECT first, runs FROM routine ORDER BY first DESC LIMIT 1";
        let row: Option<(i64, Vec<u8>)> =
            db.prepare_cached(newest)?.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
        Ok(row.map(|(first, runs)| {
            let (mut next, mut last, mut at) = (first, 0, 0);
            while let Some((_, length, after)) = run_at(&runs, at) {
                (last, at) = (at, after);
                next += length;
            }
            Tail { first, next, runs, last, dirty: false }
        }))
    }

    fn push(&mut self, code: u8, count: i64) {
        match run_at(&self.runs, self.last) {
            Some((c, length, _)) if c == code => {
                self.runs.truncate(self.last);
                put_run(&mut self.runs, code, length + count);
            }
            _ => {
                self.last = self.runs.len();
                put_run(&mut self.runs, code, count);
            }
        }
        self.next += count;
        self.dirty = true;
    }

    /// Writes what is new of it.
    pub(crate) fn store(&mut self, db: &Connection, at_ms: i64) -> rusqlite::Result<()> {
        if self.dirty {
            db.prepare_cached("INSERT OR REPLACE INTO routine VALUES (?1, ?2, ?3)")?
                .execute(params![self.first, at_ms, self.runs])?;
            self.dirty = false;
        }
        Ok(())
    }
}

/// Adds a line. One that begins elsewhere than the chunk ends, or finds it full, begins a new one.
pub(crate) fn append(
    db: &Connection,
    tail: &mut Option<Tail>,
    line: &RoutineLine,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let mut from = line.from as i64;
    for same in line.codes.as_bytes().chunk_by(|a, b| a == b) {
        let fits = tail.as_ref().is_some_and(|t| t.next == from && t.runs.len() < CHUNK_BYTES_MAX);
        if !fits {
            if let Some(full) = tail {
                full.store(db, at_ms)?;
            }
            *tail = Some(Tail { first: from, next: from, runs: Vec::new(), last: 0, dirty: false });
        }
        let count = same.len() as i64;
        if let Some(t) = tail {
            t.push(same[0], count);
        }
        from += count;
    }
    Ok(())
}

/// The verdict of a routine event and about when it was given.
pub(crate) fn look_up(db: &Connection, event: i64) -> rusqlite::Result<Option<(Verdict, i64)>> {
    let chunk = "SELECT first, at, runs FROM routine WHERE first <= ?1 ORDER BY first DESC LIMIT 1";
    let found: Option<(i64, i64, Vec<u8>)> = db
        .prepare_cached(chunk)?
        .query_row([event], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
        .optional()?;
    let Some((first, at_ms, runs)) = found else { return Ok(None) };
    let (mut passed, mut at) = (first, 0);
    while let Some((code, length, after)) = run_at(&runs, at) {
        if event < passed + length {
            return Ok(verdict_of(code).map(|v| (v, at_ms)));
        }
        passed += length;
        at = after;
    }
    Ok(None)
}

/// Letter, then the length as LEB128.
fn put_run(out: &mut Vec<u8>, code: u8, mut length: i64) {
    out.push(code);
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// The run that begins at `at`: letter, length, where the next one begins.
fn run_at(runs: &[u8], at: usize) -> Option<(u8, i64, usize)> {
    let code = *runs.get(at)?;
    let mut length = 0i64;
    for (i, byte) in runs.get(at + 1..)?.iter().take(9).enumerate() {
        length |= i64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Some((code, length, at + 2 + i));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_verdict_has_a_letter_of_its_own() {
        for v in Verdict::ALL {
            assert_eq!(verdict_of(code_of(*v)), Some(*v));
        }
        assert_eq!(code_of(Verdict::Normal), b'a');
        assert_eq!(verdict_of(HAS_ROW), None);
    }

    #[test]
    fn what_is_no_routine_line_is_refused_and_named() {
        for line in [
            r#"{"kind":"routine","from":1}"#,
            r#"{"kind":"other","from":1,"codes":"a"}"#,
            r#"{"kind":"routine","from":1,"codes":"aZ"}"#,
            r#"{"kind":"routine","from":18446744073709551615,"codes":"aa"}"#,
            r#"{"kind":"routine","from":1,"codes":"é"}"#,
            r#"{"kind":"routine","from":1,"codes":"a","more":1}"#,
        ] {
            assert!(RoutineLine::read(line).is_err(), "{line}");
        }
    }

    fn table() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE routine (first INTEGER PRIMARY KEY, at INTEGER, runs BLOB)")
            .unwrap();
        db
    }

    proptest! {
        #[test]
        fn reading_any_bytes_as_runs_ends(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut at = 0;
            while let Some((_, _, after)) = run_at(&bytes, at) {
                prop_assert!(after > at);
                at = after;
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            let _ = RoutineLine::read(&text);
            let line = format!(r#"{{"kind":"routine","from":1,"codes":{}}}"#, serde_json::json!(text));
            let known = text.bytes().all(|c| c == HAS_ROW || verdict_of(c).is_some());
            prop_assert_eq!(RoutineLine::read(&line).is_ok(), known);
        }

        /// However the letters are cut into lines and transactions, each is found again.
        #[test]
        fn every_event_is_found(
            lines in proptest::collection::vec(
                (proptest::collection::vec(("[a-d\\-]", 1usize..200), 1..12), any::<bool>(), 0u64..3),
                1..12,
            )
        ) {
            let db = table();
            let mut tail = None;
            let mut next = 1u64;
            let mut expected = Vec::new();
            for (runs, reload, hole) in lines {
                let codes: String = runs.iter().map(|(code, n)| code.repeat(*n)).collect();
                next += hole;
                for (i, c) in codes.bytes().enumerate() {
                    expected.push((next + i as u64, verdict_of(c)));
                }
                let from = next;
                next += codes.len() as u64;
                let line = RoutineLine { _kind: RoutineKind::Routine, from, codes };
                append(&db, &mut tail, &line, 7).unwrap();
                if reload {
                    tail.as_mut().unwrap().store(&db, 7).unwrap();
                    tail = Tail::load(&db).unwrap();
                }
            }
            tail.as_mut().unwrap().store(&db, 7).unwrap();
            for (event, verdict) in expected {
                let found = look_up(&db, event as i64).unwrap();
                prop_assert_eq!(found.map(|(v, _)| v), verdict, "event {}", event);
            }
            prop_assert_eq!(look_up(&db, next as i64).unwrap(), None);
        }
    }
}
