//! Source `events`: our own event schema (`schemas/event.schema.json`), one event or one a line.

use crate::problem::Rejected;
use model::{Event, event::Kind};

/// How many of the events that cannot be used are named; the rest is only counted.
pub const REJECTED_NAMED_MAX: usize = 100;

/// What was in a body.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    /// The events that can be used, in their order.
    pub events: Vec<Event<'static>>,
    /// The line that each of them stood on.
    pub(crate) lines: Vec<usize>,
    /// The lines that cannot, the first [`REJECTED_NAMED_MAX`] of them.
    pub rejected: Vec<Rejected>,
    /// How many lines cannot.
    pub rejected_count: u64,
}

/// Reads a body. `lines`: it is said to have one event a line; otherwise that is found out: one
/// event may be spread over several lines, and is one when its first line alone is no JSON.
pub fn read(body: &str, lines: bool) -> Batch {
    let mut batch = Batch::default();
    let first = body.trim_start().lines().next().unwrap_or("");
    let several =
        body.trim().contains('\n') && serde_json::from_str::<serde::de::IgnoredAny>(first).is_ok();
    if lines || several {
        for (i, line) in body.lines().enumerate() {
            if !line.trim().is_empty() {
                batch.take(i + 1, line);
            }
        }
    } else {
        batch.take(1, body.trim_end());
    }
    batch
}

impl Batch {
    /// Holds what was read against who sent it. A signal that speaks for another configured source
    /// is refused, for it could end that source's problems; a command keeps its person's name with
    /// the source that passed it on, for nobody has seen that person.
    pub fn sent_by(mut self, source: &str, is_configured: impl Fn(&str) -> bool) -> Batch {
        let mut kept = Vec::with_capacity(self.events.len());
        for (line, mut event) in self.lines.drain(..).zip(self.events) {
            match &mut event.kind {
                Kind::Signal(s) if s.source != source && is_configured(&s.source) => {
                    let problem = format!(
                        "this token belongs to source {source:?}, and the signal speaks for source {:?}, which \
                         has a token of its own",
                        s.source
                    );
                    self.rejected_count += 1;
                    if self.rejected.len() < REJECTED_NAMED_MAX {
                        self.rejected.push(Rejected { line, problem });
                    }
                    continue;
                }
                Kind::Command(c) => c.by = format!("{} (via {source})", c.by),
                _ => {}
            }
            kept.push(event);
        }
        self.events = kept;
        self.rejected.sort_by_key(|r| r.line);
        self
    }

    fn take(&mut self, line: usize, text: &str) {
        match event(text) {
            Ok(event) => {
                self.events.push(event);
                self.lines.push(line);
            }
            Err(problem) => {
                self.rejected_count += 1;
                if self.rejected.len() < REJECTED_NAMED_MAX {
                    self.rejected.push(Rejected { line, problem });
                }
            }
        }
    }
}

/// One event from outside. Its number and the time at which it was received are ours to give; what
/// the line says of them (an export has both) does not count.
fn event(text: &str) -> Result<Event<'static>, String> {
    if text.trim_start().starts_with('[') {
        return Err("a list of events: send one event a line instead (NDJSON)".to_owned());
    }
    let mut event = wire::read_event(text).map_err(|e| e.to_string())?.event;
    event.received = None;
    let inner = match event.kind {
        Kind::Observation(_) | Kind::Signal(_) | Kind::Command(_) => {
            return Ok(event.into_owned());
        }
        Kind::Desk(_) => "desk",
        Kind::Config { .. } => "config",
        Kind::Gap { .. } => "gap",
        Kind::Tick => "tick",
    };
    Err(format!(
        "kind {inner:?} is written by kentongan itself and not taken from outside; \
         allowed here: observation, signal, command"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OK: &str =
        r#"{"kind":"signal","at":"2026-11-24T02:15:00Z","source":"x","key":"1","state":"ok"}"#;

    #[test]
    fn one_or_many() {
        let pretty = OK.replace(",\"", ",\n  \"");
        for (body, lines, events, rejected) in [
            (OK.to_owned(), false, 1, vec![]),
            (format!("\n\n{OK}\n\n"), false, 1, vec![]),
            (pretty.clone(), false, 1, vec![]),
            (pretty, true, 0, vec![1, 2, 3, 4, 5]),
            (format!("{OK}\n{OK}"), false, 2, vec![]),
            (format!("{OK}\r\n{OK}\r\n"), false, 2, vec![]),
            (format!("{OK}\n\nnonsense\n{OK}\n"), false, 2, vec![3]),
            (format!("17\n{OK}"), false, 1, vec![1]),
            (format!("nonsense\n{OK}"), true, 1, vec![1]),
            (format!("[{OK}]"), false, 0, vec![1]),
        ] {
            let batch = read(&body, lines);
            assert_eq!(batch.events.len(), events, "{body}");
            assert_eq!(
                batch.rejected.iter().map(|r| r.line).collect::<Vec<_>>(),
                rejected,
                "{body}"
            );
        }
    }

    #[test]
    fn nobody_speaks_for_another_source() {
        let signal = |source: &str| OK.replace("\"x\"", &format!("{source:?}"));
        let ack = r#"{"kind":"command","at":"2026-11-24T02:15:00Z","op":"acknowledge","incident":"a-1","by":"sari"}"#;
        let body =
            [signal("zabbix"), signal("lab"), signal("elsewhere"), ack.to_owned()].join("\n");
        let batch = read(&body, true).sent_by("lab", |s| ["lab", "zabbix"].contains(&s));
        assert_eq!((batch.events.len(), batch.rejected_count, batch.rejected[0].line), (3, 1, 1));
        assert!(batch.rejected[0].problem.contains("\"zabbix\""), "{:?}", batch.rejected);
        let Kind::Command(c) = &batch.events[2].kind else { panic!("a command") };
        assert_eq!(c.by, "sari (via lab)");
    }

    #[test]
    fn what_is_ours_to_write_is_refused_and_stamps_do_not_count() {
        for line in [
            r#"{"kind":"tick","at":"2026-11-24T02:15:00Z"}"#,
            r#"{"kind":"gap","at":"2026-11-24T02:15:00Z","since":"2026-11-24T02:15:00Z"}"#,
            r#"{"kind":"config","at":"2026-11-24T02:15:00Z","hash":"x"}"#,
            r#"{"kind":"desk","at":"2026-11-24T02:15:00Z","desk":"rt","incident":"a-1","change":"closed"}"#,
        ] {
            assert!(event(line).unwrap_err().contains("not taken from outside"), "{line}");
        }
        let stamped = OK.replacen('{', r#"{"seq":9,"received":"2026-11-24T02:15:01Z","#, 1);
        assert_eq!(event(&stamped).unwrap().received, None);
    }

    #[test]
    fn only_so_many_are_named() {
        let batch = read(&"{}\n".repeat(250), true);
        assert_eq!((batch.rejected.len(), batch.rejected_count), (REJECTED_NAMED_MAX, 250));
    }

    proptest! {
        #[test]
        fn every_line_is_taken_or_rejected(
            lines in proptest::collection::vec(
                prop_oneof![Just(OK.to_owned()), "[^\\r\\n]{0,40}", Just("{}".to_owned())], 0..8),
        ) {
            let body = lines.join("\n");
            let batch = read(&body, true);
            let meant = lines.iter().filter(|l| !l.trim().is_empty()).count() as u64;
            prop_assert_eq!(batch.events.len() as u64 + batch.rejected_count, meant);
            for r in &batch.rejected {
                prop_assert!(!lines[r.line - 1].trim().is_empty());
            }
        }
    }
}
