//! Decisions: what the core said, as lines.

use crate::{json, limits};
use model::decision::{
    Affected, AlarmLine, Change, Condition, Decision, IncidentLine, Intent, IntentOp, Scope,
    VerdictLine, Work,
};
use model::{AlarmState, IncidentId, Priority, Timestamp, Verdict};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// Why a line is not a decision. A line that another version wrote may be one of these: keep it,
/// say so, and leave it for that version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecisionError {
    /// Not a JSON object, or not with these keys.
    #[error("not a decision: {0}")]
    Form(String),
    /// A `kind` that is none of `verdict`, `alarm`, `incident`, `intent`.
    #[error("kind {0:?} is unknown; allowed: verdict, alarm, incident, intent")]
    Kind(String),
    /// A word that is not one of those its key may say.
    #[error("{key} {word:?} is unknown")]
    Word {
        /// The key.
        key: &'static str,
        /// The word.
        word: String,
    },
    /// A time that is none.
    #[error("{key} {text:?} is not a time")]
    Time {
        /// The key.
        key: &'static str,
        /// The text.
        text: String,
    },
}

/// Writes one decision without the end of the line.
pub fn write_decision(out: &mut Vec<u8>, decision: &Decision) {
    match decision {
        Decision::Verdict(v) => write_verdict(out, v),
        Decision::Alarm(a) => write_alarm(out, a),
        Decision::Incident(i) => write_incident(out, i),
        Decision::Intent(i) => write_intent(out, i),
    }
    out.push(b'}');
}

pub(crate) fn open(out: &mut Vec<u8>, kind: &str, at: Timestamp) {
    out.extend_from_slice(b"{\"kind\":\"");
    out.extend_from_slice(kind.as_bytes());
    out.push(b'"');
    json::time_of(out, "at", at);
}

pub(crate) fn incident_of(out: &mut Vec<u8>, name: &str, incident: Option<&IncidentId>) {
    if let Some(incident) = incident {
        json::text_of(out, name, incident.as_str());
    }
}

fn write_verdict(out: &mut Vec<u8>, v: &VerdictLine) {
    open(out, "verdict", v.at);
    json::count_of(out, "event", v.event);
    if let Some(target) = &v.target {
        json::text_of(out, "target", target);
    }
    json::word_of(out, "verdict", v.verdict.word());
    incident_of(out, "incident", v.incident.as_ref());
    json::text_of(out, "reason", &v.reason);
    if v.routine {
        out.extend_from_slice(b",\"routine\":true");
    }
}

fn write_alarm(out: &mut Vec<u8>, a: &AlarmLine) {
    open(out, "alarm", a.at);
    json::text_of(out, "target", &a.target);
    json::text_of(out, "check", &a.check);
    json::word_of(out, "state", a.state.word());
    json::word_of(out, "was", a.was.word());
    incident_of(out, "incident", a.incident.as_ref());
    json::text_of(out, "reason", &a.reason);
}

fn write_incident(out: &mut Vec<u8>, i: &IncidentLine) {
    open(out, "incident", i.at);
    json::text_of(out, "id", i.id.as_str());
    json::word_of(out, "change", i.change.word());
    json::word_of(out, "condition", i.condition.word());
    json::word_of(out, "work", i.work.word());
    json::word_of(out, "priority", i.priority.word());
    json::word_of(out, "scope", i.scope.word());
    json::list_of(out, "root", &i.root);
    json::key(out, "affected");
    // The first key of an object has no comma in front: it takes the brace in its place.
    let brace = out.len();
    json::list_of(out, "devices", &i.affected.devices);
    out[brace] = b'{';
    json::list_of(out, "sites", &i.affected.sites);
    json::list_of(out, "services", &i.affected.services);
    json::count_of(out, "users", i.affected.users);
    out.push(b'}');
    json::text_of(out, "reason", &i.reason);
    json::time_of(out, "since", i.since);
    incident_of(out, "into", i.into.as_ref());
    incident_of(out, "recurrence_of", i.recurrence_of.as_ref());
    if let Some(by) = &i.by {
        json::text_of(out, "by", by);
    }
}

fn write_intent(out: &mut Vec<u8>, i: &Intent) {
    open(out, "intent", i.at);
    json::text_of(out, "id", &i.id);
    json::text_of(out, "incident", i.incident.as_str());
    json::word_of(out, "op", i.op.word());
    json::count_of(out, "revision", i.revision.into());
    json::word_of(out, "priority", i.priority.word());
    json::text_of(out, "title", &i.title);
    json::text_of(out, "text", &i.text);
    incident_of(out, "into", i.into.as_ref());
    json::count_of(out, "event", i.event);
    json::time_of(out, "received", i.received);
}

/// Reads one decision.
///
/// # Errors
///
/// When the line is none, or one with keys or words that this version does not know.
pub fn read_decision(line: &str) -> Result<Decision, DecisionError> {
    Ok(match &*kind_of(line)? {
        "verdict" => Decision::Verdict(read::<VerdictTwin<'_>>(line)?.into_model()?),
        "alarm" => Decision::Alarm(read::<AlarmTwin<'_>>(line)?.into_model()?),
        "incident" => Decision::Incident(Box::new(read::<IncidentTwin<'_>>(line)?.into_model()?)),
        "intent" => Decision::Intent(Box::new(read::<IntentTwin<'_>>(line)?.into_model()?)),
        other => return Err(DecisionError::Kind(crate::event::cut(other, 64).into_owned())),
    })
}

/// What kind of line it is. Our own lines say it first; any other JSON is asked properly.
fn kind_of(line: &str) -> Result<Cow<'_, str>, DecisionError> {
    #[derive(Deserialize)]
    struct KindOnly<'a> {
        #[serde(borrow)]
        kind: Cow<'a, str>,
    }
    let ours = line.strip_prefix("{\"kind\":\"").and_then(|rest| rest.split_once('"'));
    match ours {
        Some((kind, _)) if !kind.contains('\\') => Ok(Cow::Borrowed(kind)),
        _ => Ok(read::<KindOnly<'_>>(line)?.kind),
    }
}

pub(crate) fn read<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, DecisionError> {
    serde_json::from_str(line).map_err(|e| DecisionError::Form(e.to_string()))
}

pub(crate) fn time(key: &'static str, text: &str) -> Result<Timestamp, DecisionError> {
    text.parse().map_err(|_| DecisionError::Time {
        key,
        text: crate::event::cut(text, limits::ID_MAX).into_owned(),
    })
}

pub(crate) fn word<T>(
    key: &'static str,
    word: &str,
    from: fn(&str) -> Option<T>,
) -> Result<T, DecisionError> {
    from(word)
        .ok_or_else(|| DecisionError::Word { key, word: crate::event::cut(word, 64).into_owned() })
}

fn incident(id: Option<Cow<'_, str>>) -> Option<IncidentId> {
    id.map(|id| IncidentId::from_text(&id))
}

fn ids(list: Vec<Cow<'_, str>>) -> Vec<Arc<str>> {
    list.into_iter().map(Arc::from).collect()
}

/// The key that was read already to know which twin this is.
type Known = serde::de::IgnoredAny;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerdictTwin<'a> {
    #[serde(rename = "kind")]
    _kind: Known,
    #[serde(borrow)]
    at: Cow<'a, str>,
    event: u64,
    #[serde(borrow, default)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow)]
    verdict: Cow<'a, str>,
    #[serde(borrow, default)]
    incident: Option<Cow<'a, str>>,
    reason: String,
    #[serde(default)]
    routine: bool,
}

impl VerdictTwin<'_> {
    fn into_model(self) -> Result<VerdictLine, DecisionError> {
        Ok(VerdictLine {
            at: time("at", &self.at)?,
            event: self.event,
            target: self.target.map(Arc::from),
            verdict: word("verdict", &self.verdict, Verdict::from_word)?,
            incident: incident(self.incident),
            reason: Cow::Owned(self.reason),
            routine: self.routine,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AlarmTwin<'a> {
    #[serde(rename = "kind")]
    _kind: Known,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    check: Cow<'a, str>,
    #[serde(borrow)]
    state: Cow<'a, str>,
    #[serde(borrow)]
    was: Cow<'a, str>,
    #[serde(borrow, default)]
    incident: Option<Cow<'a, str>>,
    reason: String,
}

impl AlarmTwin<'_> {
    fn into_model(self) -> Result<AlarmLine, DecisionError> {
        Ok(AlarmLine {
            at: time("at", &self.at)?,
            target: self.target.into(),
            check: self.check.into(),
            state: word("state", &self.state, AlarmState::from_word)?,
            was: word("was", &self.was, AlarmState::from_word)?,
            incident: incident(self.incident),
            reason: self.reason,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IncidentTwin<'a> {
    #[serde(rename = "kind")]
    _kind: Known,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    change: Cow<'a, str>,
    #[serde(borrow)]
    condition: Cow<'a, str>,
    #[serde(borrow)]
    work: Cow<'a, str>,
    #[serde(borrow)]
    priority: Cow<'a, str>,
    #[serde(borrow)]
    scope: Cow<'a, str>,
    #[serde(borrow)]
    root: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    affected: AffectedTwin<'a>,
    reason: String,
    #[serde(borrow)]
    since: Cow<'a, str>,
    #[serde(borrow, default)]
    into: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    recurrence_of: Option<Cow<'a, str>>,
    #[serde(default)]
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AffectedTwin<'a> {
    #[serde(borrow)]
    devices: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    sites: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    services: Vec<Cow<'a, str>>,
    users: u64,
}

impl IncidentTwin<'_> {
    fn into_model(self) -> Result<IncidentLine, DecisionError> {
        Ok(IncidentLine {
            at: time("at", &self.at)?,
            id: IncidentId::from_text(&self.id),
            change: word("change", &self.change, Change::from_word)?,
            condition: word("condition", &self.condition, Condition::from_word)?,
            work: word("work", &self.work, Work::from_word)?,
            priority: word("priority", &self.priority, Priority::from_word)?,
            scope: word("scope", &self.scope, Scope::from_word)?,
            root: ids(self.root),
            affected: Affected {
                devices: ids(self.affected.devices),
                sites: ids(self.affected.sites),
                services: ids(self.affected.services),
                users: self.affected.users,
            },
            since: time("since", &self.since)?,
            reason: self.reason,
            into: incident(self.into),
            recurrence_of: incident(self.recurrence_of),
            by: self.by,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IntentTwin<'a> {
    #[serde(rename = "kind")]
    _kind: Known,
    #[serde(borrow)]
    at: Cow<'a, str>,
    id: String,
    #[serde(borrow)]
    incident: Cow<'a, str>,
    #[serde(borrow)]
    op: Cow<'a, str>,
    revision: u32,
    #[serde(borrow)]
    priority: Cow<'a, str>,
    title: String,
    text: String,
    #[serde(borrow, default)]
    into: Option<Cow<'a, str>>,
    event: u64,
    #[serde(borrow)]
    received: Cow<'a, str>,
}

impl IntentTwin<'_> {
    fn into_model(self) -> Result<Intent, DecisionError> {
        Ok(Intent {
            at: time("at", &self.at)?,
            id: self.id,
            incident: IncidentId::from_text(&self.incident),
            op: word("op", &self.op, IntentOp::from_word)?,
            revision: self.revision,
            priority: word("priority", &self.priority, Priority::from_word)?,
            title: self.title,
            text: self.text,
            into: incident(self.into),
            event: self.event,
            received: time("received", &self.received)?,
        })
    }
}
