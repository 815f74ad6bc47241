//! The contracts as JSON Schema 2020-12, built from the same words and bounds that the readers use.

use crate::{limits, words};
use serde_json::{Value, json};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// `schemas/event.schema.json`: what may be posted to `/api/v1/intake/events`, stands in a replay
/// file and comes out of an export.
pub fn event_schema() -> Value {
    let observation = |outcome: &str, more: Value, required: &[&str], about: &str| {
        let mut properties = json!({
            "probe": id("Who asked."),
            "target": id("Of whom: a device of the inventory, or a port as device/port."),
            "check": id("What: icmp, snmp:if-status, …"),
            "outcome": {"const": outcome},
        });
        extend(&mut properties, more);
        let mut needed = vec!["probe", "target", "check", "outcome"];
        needed.extend_from_slice(required);
        event("observation", properties, &needed, about)
    };
    let values = json!({
        "description": "Named numbers; the unit ends the name (rtt_ms, loss_pct). Booleans count as 0 and 1.",
        "type": "object",
        "maxProperties": limits::VALUES_MAX,
        "propertyNames": id("A name."),
        "additionalProperties": {"type": ["number", "boolean"]},
    });
    let command = |op: &str, more: Value, required: &[&str], about: &str| {
        let mut properties = json!({"op": {"const": op}, "by": id("The person.")});
        extend(&mut properties, more);
        let mut needed = vec!["op", "by"];
        needed.extend_from_slice(required);
        event("command", properties, &needed, about)
    };
    let incident = || id("The incident's id.");
    let reason = || long_text("Why, in the person's words.");
    let window = || {
        json!({
            "id": id("The window's id; it stays the same until it ends."),
            "owner": id("Whose it is; by default his who asks for it."),
            "reason": reason(),
            "scope": {
                "description": "Ids of devices, links, services and sites, or class:x, tag:x. A site covers its devices.",
                "type": "array", "minItems": 1, "maxItems": limits::SCOPE_MAX, "items": id("An id."),
            },
            "start": time("From here; by default from at."),
            "end": time("To here. There is always an end."),
            "rrule": id("It comes again by this rule of RFC 5545, in the time zone of the installation; start and end are its first span."),
            "change": id("The change that it is for: what fails on its scope within two hours of its end is suspected to be its doing."),
        })
    };
    let window_needs = ["id", "scope", "end"];
    let variants = vec![
        observation("reply", json!({"values": values}), &[], "An answer to a check."),
        observation("no-reply", json!({}), &[], "The target was asked and is silent."),
        observation(
            "failed",
            json!({"reason": id("Why not, as a short word: no-buffer, no-route, no-permission, …")}),
            &["reason"],
            "The target could not be asked. That is never a sign that it is down.",
        ),
        event(
            "signal",
            json!({
                "source": id("Who says so: the name of a [[source]]."),
                "key": id("The source's own key of the problem: the same in its problem and its ok."),
                "state": {"enum": words::STATES},
                "severity": {"enum": words::SEVERITIES},
                "target": id("What it is about: an id of the inventory, or what the source calls it."),
                "summary": {
                    "description": format!("In the source's words; cut after {} bytes.", limits::SUMMARY_MAX),
                    "type": "string",
                },
            }),
            &["source", "key", "state"],
            "A state told by another monitor.",
        ),
        command(
            "acknowledge",
            json!({"incident": incident()}),
            &["incident"],
            "I have seen it and am on it.",
        ),
        command(
            "note",
            json!({"incident": incident(), "text": nonempty_text("The note.")}),
            &["incident", "text"],
            "A note for the diary and the ticket.",
        ),
        command(
            "resolve",
            json!({"incident": incident(), "reason": reason()}),
            &["incident"],
            "The work is done, whatever the checks say.",
        ),
        command(
            "reprioritise",
            json!({"incident": incident(), "priority": {"enum": words::PRIORITIES}, "reason": reason(),
                   "until": time("When the computed one is effective again; by default not before the incident ends.")}),
            &["incident", "priority"],
            "The priority is this, until the incident ends or until comes.",
        ),
        command(
            "misroute",
            json!({"incident": incident(), "team": id("Whose it is, where the person knows."), "reason": reason()}),
            &["incident"],
            "The ticket went to the wrong team: the rule that sent it is wrong.",
        ),
        command("maintenance", window(), &window_needs, "A window in which alarms are expected."),
        command(
            "silence",
            window(),
            &window_needs,
            "A window in which nobody wants to hear of it.",
        ),
        command(
            "end-window",
            json!({"id": id("The window's id.")}),
            &["id"],
            "A maintenance window or silence ends now.",
        ),
        event(
            "desk",
            json!({
                "desk": id("On which desk."),
                "incident": incident(),
                "change": {"enum": words::DESK_CHANGES},
                "by": id("By whom, where the desk says so."),
                "text": {"description": "What a note says.", "type": "string", "maxLength": limits::TEXT_MAX},
                "priority": {"enum": words::PRIORITIES, "description": "The priority that was chosen, where it corresponds to one of ours."},
            }),
            &["desk", "incident", "change"],
            "What was seen on a ticket of ours.",
        ),
        event(
            "config",
            json!({
                "hash": id("SHA-256 of the configuration's text, hex."),
                "instance": id("The unique name of this installation; on the first one of a journal."),
            }),
            &["hash"],
            "A configuration takes effect here.",
        ),
        event(
            "gap",
            json!({"since": time("The last instant before the stop.")}),
            &["since"],
            "Nothing was watched between since and at.",
        ),
        event("tick", json!({}), &[], "Time passes; nothing else happens."),
    ];
    json!({
        "$schema": DIALECT,
        "$id": "https://kentongan.invalid/schemas/event.schema.json",
        "title": "A kentongan event",
        "description": format!(
            "One thing that happened, as one JSON object of at most {} bytes. In NDJSON, one a line.",
            limits::LINE_MAX
        ),
        "oneOf": variants,
        "$defs": defs(),
    })
}

/// `schemas/decision.schema.json`: the lines that `replay` prints and the journal keeps.
pub fn decision_schema() -> Value {
    fn all<T: Copy>(list: &[T], word: fn(T) -> &'static str) -> Value {
        json!({"enum": list.iter().map(|w| word(*w)).collect::<Vec<_>>()})
    }
    let count = |about: &str| json!({"description": about, "type": "integer", "minimum": 0});
    let ids =
        |about: &str| json!({"description": about, "type": "array", "items": {"type": "string"}});
    let said = |about: &str| json!({"description": about, "type": "string"});
    let incident = || said("The incident it has to do with.");
    let states = || all(model::AlarmState::ALL, model::AlarmState::word);
    let priorities = || all(model::Priority::ALL, model::Priority::word);
    let variants = vec![
        object(
            "verdict",
            json!({
                "at": time("When the event happened."),
                "event": count("The number of the event."),
                "target": said("What it was about, where it was about something."),
                "verdict": all(model::Verdict::ALL, model::Verdict::word),
                "incident": incident(),
                "reason": said("One sentence for a person."),
                "routine": {"description": "Only there when the event changed nothing.", "const": true},
            }),
            &["at", "event", "verdict", "reason"],
            "The named reason that ends the way of an event. Exactly one for each event.",
        ),
        object(
            "alarm",
            json!({
                "at": time("When, by the core's clock."),
                "target": said("A device, a port, or source:key of a signal without a known target."),
                "check": said("Which check."),
                "state": states(),
                "was": states(),
                "incident": incident(),
                "reason": said("One sentence for a person."),
            }),
            &["at", "target", "check", "state", "was", "reason"],
            "An alarm changed its state.",
        ),
        object(
            "incident",
            json!({
                "at": time("When, by the core's clock."),
                "id": said("Its id, which never changes."),
                "change": all(model::Change::ALL, model::Change::word),
                "condition": all(model::Condition::ALL, model::Condition::word),
                "work": all(model::Work::ALL, model::Work::word),
                "priority": priorities(),
                "scope": all(model::Scope::ALL, model::Scope::word),
                "root": ids("The ids that cannot be told apart."),
                "affected": {
                    "description": "What fails because of it.",
                    "type": "object",
                    "properties": {
                        "devices": ids("Devices unreachable or broken, the root's included."),
                        "sites": ids("Sites with at least one of them."),
                        "services": ids("Services whose needs are false."),
                        "users": count("People at sites with no device reachable."),
                    },
                    "required": ["devices", "sites", "services", "users"],
                    "additionalProperties": false,
                },
                "reason": said("What happened and why this priority, for a person."),
                "since": time("When the first sign of it was seen."),
                "into": said("The incident that goes on, when change is merged."),
                "recurrence_of": said("The earlier incident of the same root."),
                "by": said("Who did it, when a person did."),
            }),
            &[
                "at",
                "id",
                "change",
                "condition",
                "work",
                "priority",
                "scope",
                "root",
                "affected",
                "reason",
                "since",
            ],
            "An incident changed; everything that is true of it afterwards.",
        ),
        object(
            "intent",
            json!({
                "at": time("When it was decided, by the core's clock."),
                "id": said("INCIDENT.REVISION: doing it twice changes nothing."),
                "incident": incident(),
                "op": all(model::IntentOp::ALL, model::IntentOp::word),
                "revision": {"description": "Counts the intents of an incident from 1.",
                             "type": "integer", "minimum": 0, "maximum": u32::MAX},
                "priority": priorities(),
                "title": said("A line that names the root and the scope."),
                "text": said("What to say."),
                "into": said("The incident that goes on, for merge."),
                "event": count("The number of the event behind it."),
                "received": time("When the journal took that event."),
            }),
            &[
                "at", "id", "incident", "op", "revision", "priority", "title", "text", "event",
                "received",
            ],
            "Somebody should be told.",
        ),
    ];
    json!({
        "$schema": DIALECT,
        "$id": "https://kentongan.invalid/schemas/decision.schema.json",
        "title": "A kentongan decision",
        "description": "What the correlator said, one JSON object a line. The order of keys is fixed: the same journal and the same program give the same bytes.",
        "oneOf": variants,
        "$defs": defs(),
    })
}

fn defs() -> Value {
    json!({
        "id": {
            "description": format!("At most {} bytes, without control characters.", limits::ID_MAX),
            "type": "string", "minLength": 1, "maxLength": limits::ID_MAX,
            "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$",
        },
        "time": {
            "description": "RFC 3339; kept to the millisecond.",
            "type": "string", "format": "date-time",
        },
    })
}

fn id(about: &str) -> Value {
    json!({"description": about, "$ref": "#/$defs/id"})
}

fn time(about: &str) -> Value {
    json!({"description": about, "$ref": "#/$defs/time"})
}

fn long_text(about: &str) -> Value {
    json!({"description": about, "type": "string", "maxLength": limits::TEXT_MAX})
}

fn nonempty_text(about: &str) -> Value {
    json!({"description": about, "type": "string", "maxLength": limits::TEXT_MAX, "pattern": "\\S"})
}

fn extend(properties: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (properties, more) {
        into.extend(more);
    }
}

fn event(kind: &str, mut properties: Value, required: &[&str], about: &str) -> Value {
    extend(
        &mut properties,
        json!({
            "at": time("When it happened, by its producer."),
            "seq": {"description": "Its number, in an export of a journal.",
                    "type": "integer", "minimum": 0, "maximum": u64::MAX},
            "received": time("When the journal took it, in an export."),
        }),
    );
    let mut needed = vec!["at"];
    needed.extend_from_slice(required);
    object(kind, properties, &needed, about)
}

fn object(kind: &str, mut properties: Value, required: &[&str], about: &str) -> Value {
    extend(&mut properties, json!({"kind": {"const": kind}}));
    let mut needed = vec!["kind"];
    needed.extend_from_slice(required);
    json!({
        "description": about,
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": false,
    })
}
