//! Events: what happened, as lines.

use crate::flat::{Flat, Key, cut_short};
use crate::words::{self, did_you_mean};
use crate::{json, limits};
use model::event::{
    Command, DeskNews, Event, Kind, Observation, Operation, Outcome, Signal, Values,
};
use model::settings::Window;
use model::{IncidentId, Priority, Timestamp};
use std::borrow::Cow;

/// An event with its place in the order of its journal, where it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// The event's number, in a line that was exported from a journal.
    pub seq: Option<u64>,
    /// The event.
    pub event: Event<'a>,
}

/// Why a line is not an event. The line is at fault; reading it again gives the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Longer than [`limits::LINE_MAX`].
    #[error("the line has {bytes} bytes; an event has at most {}", limits::LINE_MAX)]
    TooLong {
        /// How long it is.
        bytes: usize,
    },
    /// Not a JSON object.
    #[error("not a JSON object (column {column}): {what}")]
    NotJson {
        /// What the JSON reader says.
        what: String,
        /// Where, counted from 1 in bytes.
        column: usize,
    },
    /// A key that no event has.
    #[error("unknown key {key:?}; {what} has {}{}", .allowed.join(", "), hint(*.meant))]
    UnknownKey {
        /// The key.
        key: String,
        /// What it was found in.
        what: &'static str,
        /// The keys that are known there.
        allowed: Vec<&'static str>,
        /// The key that was probably meant.
        meant: Option<&'static str>,
    },
    /// A key that events have, but not this kind of event.
    #[error("key {key:?} does not belong to {what}, which has {}", .allowed.join(", "))]
    Misplaced {
        /// The key.
        key: &'static str,
        /// What it does not belong to.
        what: &'static str,
        /// The keys that do.
        allowed: Vec<&'static str>,
    },
    /// The same key twice in one object.
    #[error("key {key:?} is there twice")]
    Twice {
        /// The key.
        key: Cow<'static, str>,
    },
    /// A key that has to be there is not.
    #[error("key {key:?} is missing; {what} needs it")]
    Missing {
        /// The key.
        key: &'static str,
        /// What needs it.
        what: &'static str,
    },
    /// A word that is none of those allowed.
    #[error("{key} {word:?} is unknown; allowed: {}{}", .allowed.join(", "), hint(*.meant))]
    UnknownWord {
        /// The key.
        key: &'static str,
        /// The word.
        word: String,
        /// The words it may be.
        allowed: &'static [&'static str],
        /// The word that was probably meant.
        meant: Option<&'static str>,
    },
    /// A value that cannot be what its key says.
    #[error("{key} {problem}")]
    Wrong {
        /// The key.
        key: Cow<'static, str>,
        /// What is wrong with the value.
        problem: String,
    },
}

fn hint(word: Option<&str>) -> String {
    word.map(|w| format!("; did you mean {w:?}?")).unwrap_or_default()
}

/// Reads one event. A summary that is too long is cut, everything else that is wrong is an error.
///
/// # Errors
///
/// When the line is no event; the error names the key and what it may say.
pub fn read_event(line: &str) -> Result<Line<'_>, EventError> {
    if line.len() > limits::LINE_MAX {
        return Err(EventError::TooLong { bytes: line.len() });
    }
    Flat::read(line)?.line()
}

/// Writes one event without the end of the line. Values that are no numbers are left out.
pub fn write_event(out: &mut Vec<u8>, seq: Option<u64>, event: &Event<'_>) {
    out.push(b'{');
    stamps(out, seq, event.received);
    out.extend_from_slice(b"\"kind\":\"");
    let kind = match &event.kind {
        Kind::Observation(_) => "observation",
        Kind::Signal(_) => "signal",
        Kind::Command(_) => "command",
        Kind::Desk(_) => "desk",
        Kind::Config { .. } => "config",
        Kind::Gap { .. } => "gap",
        Kind::Tick => "tick",
    };
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
    json::time_of(out, "at", event.at);
    match &event.kind {
        Kind::Observation(o) => write_observation(out, o),
        Kind::Signal(s) => write_signal(out, s),
        Kind::Command(c) => write_command(out, c),
        Kind::Desk(d) => {
            json::text_of(out, "desk", &d.desk);
            json::text_of(out, "incident", d.incident.as_str());
            json::word_of(out, "change", words::desk_change_word(d.change));
            if let Some(by) = &d.by {
                json::text_of(out, "by", by);
            }
            if let Some(text) = &d.text {
                json::text_of(out, "text", text);
            }
            if let Some(priority) = d.priority {
                json::word_of(out, "priority", priority.word());
            }
        }
        Kind::Config { hash, instance } => {
            json::text_of(out, "hash", hash);
            if let Some(instance) = instance {
                json::text_of(out, "instance", instance);
            }
        }
        Kind::Gap { since } => json::time_of(out, "since", *since),
        Kind::Tick => {}
    }
    out.push(b'}');
}

/// Writes a line that [`write_event`] wrote without stamps, now with its number and the time at
/// which the journal took it: the same bytes as if it had been written so at once. `line` has to
/// be one object.
pub fn stamp_event(out: &mut Vec<u8>, seq: u64, received: Timestamp, line: &[u8]) {
    out.push(b'{');
    stamps(out, Some(seq), Some(received));
    out.extend_from_slice(line.strip_prefix(b"{").unwrap_or(line));
}

/// The stamps of the journal stand in front, so that an export puts them there without reading
/// the rest.
fn stamps(out: &mut Vec<u8>, seq: Option<u64>, received: Option<Timestamp>) {
    if let Some(seq) = seq {
        out.extend_from_slice(b"\"seq\":");
        json::count(out, seq);
        out.push(b',');
    }
    if let Some(received) = received {
        out.extend_from_slice(b"\"received\":");
        json::time(out, received);
        out.push(b',');
    }
}

fn write_observation(out: &mut Vec<u8>, o: &Observation<'_>) {
    json::text_of(out, "probe", &o.probe);
    json::text_of(out, "target", &o.target);
    json::text_of(out, "check", &o.check);
    match &o.outcome {
        Outcome::Reply(values) => {
            json::word_of(out, "outcome", "reply");
            write_values(out, values);
        }
        Outcome::NoReply => json::word_of(out, "outcome", "no-reply"),
        Outcome::Failed { reason } => {
            json::word_of(out, "outcome", "failed");
            json::text_of(out, "reason", reason);
        }
    }
}

fn write_values(out: &mut Vec<u8>, values: &Values<'_>) {
    let mut first = true;
    for (name, v) in values.iter().filter(|(_, v)| v.is_finite()) {
        out.extend_from_slice(if first { b",\"values\":{" } else { b"," });
        first = false;
        json::text(out, name);
        out.push(b':');
        json::number(out, *v);
    }
    if !first {
        out.push(b'}');
    }
}

fn write_signal(out: &mut Vec<u8>, s: &Signal<'_>) {
    json::text_of(out, "source", &s.source);
    json::text_of(out, "key", &s.key);
    json::word_of(out, "state", words::state_word(s.state));
    if let Some(severity) = s.severity {
        json::word_of(out, "severity", words::severity_word(severity));
    }
    if let Some(target) = &s.target {
        json::text_of(out, "target", target);
    }
    if let Some(summary) = &s.summary {
        json::text_of(out, "summary", summary);
    }
}

fn write_command(out: &mut Vec<u8>, c: &Command) {
    let op = |out: &mut Vec<u8>, op: &str| json::word_of(out, "op", op);
    let about = |out: &mut Vec<u8>, name: &str, incident: &IncidentId| {
        op(out, name);
        json::text_of(out, "incident", incident.as_str());
    };
    let by = |out: &mut Vec<u8>| json::text_of(out, "by", &c.by);
    let reason = |out: &mut Vec<u8>, reason: &str| {
        if !reason.is_empty() {
            json::text_of(out, "reason", reason);
        }
    };
    match &c.operation {
        Operation::Acknowledge { incident } => {
            about(out, "acknowledge", incident);
            by(out);
        }
        Operation::Note { incident, text } => {
            about(out, "note", incident);
            by(out);
            json::text_of(out, "text", text);
        }
        Operation::Resolve { incident, reason: why } => {
            about(out, "resolve", incident);
            by(out);
            reason(out, why);
        }
        Operation::Reprioritise { incident, priority, reason: why, until } => {
            about(out, "reprioritise", incident);
            by(out);
            json::word_of(out, "priority", priority.word());
            reason(out, why);
            if let Some(until) = until {
                json::time_of(out, "until", *until);
            }
        }
        Operation::Misroute { incident, team, reason: why } => {
            about(out, "misroute", incident);
            by(out);
            if let Some(team) = team {
                json::text_of(out, "team", team);
            }
            reason(out, why);
        }
        Operation::Maintenance(w) | Operation::Silence(w) => {
            let silence = matches!(c.operation, Operation::Silence(_));
            op(out, if silence { "silence" } else { "maintenance" });
            by(out);
            json::text_of(out, "id", &w.id);
            json::text_of(out, "owner", &w.owner);
            reason(out, &w.reason);
            json::list_of(out, "scope", &w.scope);
            json::time_of(out, "start", w.start);
            json::time_of(out, "end", w.end);
            for (key, given) in [("rrule", &w.rrule), ("change", &w.change)] {
                if let Some(given) = given {
                    json::text_of(out, key, given);
                }
            }
        }
        Operation::EndWindow { id } => {
            op(out, "end-window");
            by(out);
            json::text_of(out, "id", id);
        }
    }
}

/// `text`, or as much of it as fits into `max` bytes together with the `…` that says so.
pub fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let mut end = max.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…", &text[..end]))
}

/// What is wrong with an id, if anything is.
pub(crate) fn id_problem(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("must not be empty".into());
    }
    if id.len() > limits::ID_MAX {
        return Err(format!("has {} bytes; at most {} are allowed", id.len(), limits::ID_MAX));
    }
    let ascii_control = id.bytes().any(|b| b < 0x20 || b == 0x7f);
    if ascii_control || (!id.is_ascii() && id.chars().any(char::is_control)) {
        return Err("has a control character".into());
    }
    Ok(())
}

const STAMPS: u64 = Key::Seq.bit() | Key::Received.bit() | Key::Kind.bit() | Key::At.bit();

/// The bits of several keys.
macro_rules! bits {
    ($($key:ident)*) => { STAMPS $(| Key::$key.bit())* };
}

impl<'a> Flat<'a> {
    fn line(&mut self) -> Result<Line<'a>, EventError> {
        if !self.has(Key::Kind) {
            return Err(EventError::Missing { key: "kind", what: "an event" });
        }
        let kind = self.take(Key::Kind);
        let kind = match &*kind {
            "observation" => Kind::Observation(self.observation()?),
            "signal" => Kind::Signal(self.signal()?),
            "command" => Kind::Command(self.command()?),
            "desk" => Kind::Desk(self.desk()?),
            "config" => {
                self.only(bits!(Hash Instance), "a config event")?;
                let hash = self.id(Key::Hash, "a config event")?.into_owned();
                Kind::Config {
                    hash,
                    instance: self.optional_id(Key::Instance)?.map(Cow::into_owned),
                }
            }
            "gap" => {
                self.only(bits!(Since), "a gap")?;
                Kind::Gap { since: self.time(Key::Since, "a gap")? }
            }
            "tick" => {
                self.only(bits!(), "a tick")?;
                Kind::Tick
            }
            _ => return Err(unknown_word("kind", &kind, words::KINDS)),
        };
        let at = self.time(Key::At, "an event")?;
        let stamped = self.has(Key::Received);
        let received = stamped.then(|| self.time(Key::Received, "an event")).transpose()?;
        let seq = self.has(Key::Seq).then_some(self.seq);
        Ok(Line { seq, event: Event { at, received, kind } })
    }

    fn observation(&mut self) -> Result<Observation<'a>, EventError> {
        const WHAT: &str = "an observation";
        let outcome = self.needed(Key::Outcome, WHAT)?;
        let (allowed, what) = match &*outcome {
            "reply" => (bits!(Probe Target Check Outcome Values), "a reply"),
            "no-reply" => (bits!(Probe Target Check Outcome), "a no-reply observation"),
            "failed" => (bits!(Probe Target Check Outcome Reason), "a failed observation"),
            _ => return Err(unknown_word("outcome", &outcome, words::OUTCOMES)),
        };
        self.only(allowed, what)?;
        Ok(Observation {
            probe: self.id(Key::Probe, WHAT)?,
            target: self.id(Key::Target, WHAT)?,
            check: self.id(Key::Check, WHAT)?,
            outcome: match &*outcome {
                "reply" => Outcome::Reply(std::mem::take(&mut self.values)),
                "no-reply" => Outcome::NoReply,
                _ => Outcome::Failed { reason: self.id(Key::Reason, what)? },
            },
        })
    }

    fn signal(&mut self) -> Result<Signal<'a>, EventError> {
        const WHAT: &str = "a signal";
        self.only(bits!(Source Key State Severity Target Summary), WHAT)?;
        let state = self.needed(Key::State, WHAT)?;
        let severity = if self.has(Key::Severity) {
            let word = self.take(Key::Severity);
            let severity = words::severity(&word);
            Some(severity.ok_or_else(|| unknown_word("severity", &word, words::SEVERITIES))?)
        } else {
            None
        };
        let summary = self.has(Key::Summary).then(|| match self.take(Key::Summary) {
            Cow::Borrowed(s) => cut(s, limits::SUMMARY_MAX),
            Cow::Owned(s) if s.len() <= limits::SUMMARY_MAX => Cow::Owned(s),
            Cow::Owned(s) => Cow::Owned(cut(&s, limits::SUMMARY_MAX).into_owned()),
        });
        Ok(Signal {
            source: self.id(Key::Source, WHAT)?,
            key: self.id(Key::Key, WHAT)?,
            state: words::state(&state)
                .ok_or_else(|| unknown_word("state", &state, words::STATES))?,
            severity,
            target: self.optional_id(Key::Target)?,
            summary,
        })
    }

    fn command(&mut self) -> Result<Command, EventError> {
        const WHAT: &str = "a command";
        let op = self.needed(Key::Op, WHAT)?;
        let operation = match &*op {
            "acknowledge" => {
                self.only(bits!(Op Incident By), "acknowledge")?;
                Operation::Acknowledge { incident: self.incident("acknowledge")? }
            }
            "note" => {
                self.only(bits!(Op Incident By Text), "note")?;
                let text = self.needed(Key::Text, "note")?;
                if text.trim().is_empty() {
                    return Err(wrong("text", "must not be empty"));
                }
                Operation::Note { incident: self.incident("note")?, text: long(Key::Text, text)? }
            }
            "resolve" => {
                self.only(bits!(Op Incident By Reason), "resolve")?;
                Operation::Resolve { incident: self.incident("resolve")?, reason: self.reason()? }
            }
            "reprioritise" => {
                const OP: &str = "reprioritise";
                self.only(bits!(Op Incident By Priority Reason Until), OP)?;
                let word = self.needed(Key::Priority, OP)?;
                let priority = Priority::from_word(&word)
                    .ok_or_else(|| unknown_word("priority", &word, words::PRIORITIES))?;
                Operation::Reprioritise {
                    incident: self.incident(OP)?,
                    priority,
                    reason: self.reason()?,
                    until: self.has(Key::Until).then(|| self.time(Key::Until, OP)).transpose()?,
                }
            }
            "misroute" => {
                self.only(bits!(Op Incident By Team Reason), "misroute")?;
                Operation::Misroute {
                    incident: self.incident("misroute")?,
                    team: self.optional_id(Key::Team)?.map(Cow::into_owned),
                    reason: self.reason()?,
                }
            }
            "maintenance" => Operation::Maintenance(self.window("maintenance", false)?),
            "silence" => Operation::Silence(self.window("silence", true)?),
            "end-window" => {
                self.only(bits!(Op By Id), "end-window")?;
                Operation::EndWindow { id: self.id(Key::Id, "end-window")?.into_owned() }
            }
            _ => return Err(unknown_word("op", &op, words::OPERATIONS)),
        };
        Ok(Command { by: self.id(Key::By, WHAT)?.into_owned(), operation })
    }

    /// Whose window it is when nobody says: his who asks for it. From when: from now on.
    fn window(&mut self, op: &'static str, silence: bool) -> Result<Window, EventError> {
        self.only(bits!(Op By Id Owner Reason Scope Start End Rrule Change), op)?;
        let start = if self.has(Key::Start) { Key::Start } else { Key::At };
        let start = self.time(start, op)?;
        if !self.has(Key::End) {
            return Err(wrong(
                "end",
                "is missing: a window without an end hides what it covers for ever",
            ));
        }
        let end = self.time(Key::End, op)?;
        if end <= start {
            return Err(wrong("end", "is not after its start"));
        }
        if !self.has(Key::Scope) {
            return Err(EventError::Missing { key: "scope", what: op });
        }
        if self.scope.is_empty() {
            return Err(wrong("scope", "is empty: such a window covers nothing"));
        }
        let id = self.id(Key::Id, op)?.into_owned();
        let owner = match self.optional_id(Key::Owner)? {
            Some(owner) => owner.into_owned(),
            None => self.texts[Key::By as usize].clone().into_owned(),
        };
        let scope = std::mem::take(&mut self.scope);
        let change = self.optional_id(Key::Change)?.map(Cow::into_owned);
        let rrule = self.optional_id(Key::Rrule)?.map(Cow::into_owned);
        let reason = self.reason()?;
        Ok(Window { id, owner, reason, change, scope, start, end, rrule, silence })
    }

    fn desk(&mut self) -> Result<DeskNews, EventError> {
        const WHAT: &str = "desk news";
        self.only(bits!(Desk Incident Change By Text Priority), WHAT)?;
        let change = self.needed(Key::Change, WHAT)?;
        Ok(DeskNews {
            desk: self.id(Key::Desk, WHAT)?.into_owned(),
            incident: self.incident(WHAT)?,
            change: words::desk_change(&change)
                .ok_or_else(|| unknown_word("change", &change, words::DESK_CHANGES))?,
            by: self.optional_id(Key::By)?.map(Cow::into_owned),
            text: if self.has(Key::Text) {
                let text = self.take(Key::Text);
                Some(long(Key::Text, text)?)
            } else {
                None
            },
            priority: if self.has(Key::Priority) {
                let word = self.take(Key::Priority);
                let priority = Priority::from_word(&word);
                Some(priority.ok_or_else(|| unknown_word("priority", &word, words::PRIORITIES))?)
            } else {
                None
            },
        })
    }

    fn has(&self, key: Key) -> bool {
        self.seen & key.bit() != 0
    }

    fn take(&mut self, key: Key) -> Cow<'a, str> {
        std::mem::replace(&mut self.texts[key as usize], Cow::Borrowed(""))
    }

    fn needed(&mut self, key: Key, what: &'static str) -> Result<Cow<'a, str>, EventError> {
        if !self.has(key) {
            return Err(EventError::Missing { key: key.name(), what });
        }
        Ok(self.take(key))
    }

    fn only(&self, allowed: u64, what: &'static str) -> Result<(), EventError> {
        let surplus = self.seen & !allowed;
        if surplus == 0 && self.stranger.is_none() {
            return Ok(());
        }
        let names = Key::names(allowed);
        Err(match (&self.stranger, Key::names(surplus).first()) {
            (Some(key), _) => EventError::UnknownKey {
                key: cut_short(key),
                what,
                meant: did_you_mean(key, &names),
                allowed: names,
            },
            (None, key) => {
                EventError::Misplaced { key: key.copied().unwrap_or(""), what, allowed: names }
            }
        })
    }

    fn id(&mut self, key: Key, what: &'static str) -> Result<Cow<'a, str>, EventError> {
        let id = self.needed(key, what)?;
        match id_problem(&id) {
            Ok(()) => Ok(id),
            Err(problem) => Err(EventError::Wrong { key: key.name().into(), problem }),
        }
    }

    fn optional_id(&mut self, key: Key) -> Result<Option<Cow<'a, str>>, EventError> {
        if self.has(key) { self.id(key, "").map(Some) } else { Ok(None) }
    }

    fn incident(&mut self, what: &'static str) -> Result<IncidentId, EventError> {
        Ok(IncidentId::from_text(&self.id(Key::Incident, what)?))
    }

    fn reason(&mut self) -> Result<String, EventError> {
        let reason = self.take(Key::Reason);
        long(Key::Reason, reason)
    }

    /// A time that we can print again: RFC 3339 has four digits for the year.
    fn time(&self, key: Key, what: &'static str) -> Result<Timestamp, EventError> {
        const YEAR_0: i64 = -62_167_219_200_000;
        const YEAR_10000: i64 = 253_402_300_800_000;
        if !self.has(key) {
            return Err(EventError::Missing { key: key.name(), what });
        }
        let text = &self.texts[key as usize];
        match text.parse::<Timestamp>() {
            Ok(t) if (YEAR_0..YEAR_10000).contains(&t.as_millis()) => Ok(t),
            _ => Err(EventError::Wrong {
                key: key.name().into(),
                problem: format!(
                    "{:?} is not an RFC 3339 time such as 2026-11-24T02:15:00.250Z",
                    cut_short(text)
                ),
            }),
        }
    }
}

fn long(key: Key, text: Cow<'_, str>) -> Result<String, EventError> {
    if text.len() > limits::TEXT_MAX {
        let problem = format!("has {} bytes; at most {} are allowed", text.len(), limits::TEXT_MAX);
        return Err(EventError::Wrong { key: key.name().into(), problem });
    }
    Ok(text.into_owned())
}

fn wrong(key: &'static str, problem: &str) -> EventError {
    EventError::Wrong { key: key.into(), problem: problem.to_owned() }
}

fn unknown_word(key: &'static str, word: &str, allowed: &'static [&'static str]) -> EventError {
    EventError::UnknownWord {
        key,
        word: cut_short(word),
        allowed,
        meant: did_you_mean(word, allowed),
    }
}
