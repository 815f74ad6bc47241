//! Delivery: what was done about telling a desk, as lines.

use crate::decision::{DecisionError, incident_of, open, read, time, word};
use crate::json;
use crate::words;
use model::delivery::{DeliveryLine, DeliveryStep, DeskCall, Heard, News, TicketRef};
use model::{IncidentId, IntentOp, Priority, Timestamp};
use serde::Deserialize;
use std::borrow::Cow;

/// Writes one delivery line without its end. What is not there is left out.
pub fn write_delivery(out: &mut Vec<u8>, line: &DeliveryLine) {
    open(out, "delivery", line.at);
    incident_of(out, "incident", Some(&line.incident));
    json::text_of(out, "desk", &line.desk);
    json::text_of(out, "key", &line.key);
    json::count_of(out, "generation", line.generation.into());
    json::word_of(out, "step", line.step.word());
    if let Some(call) = line.call {
        json::word_of(out, "call", call.word());
    }
    if let Some(op) = line.op {
        json::word_of(out, "op", op.word());
    }
    if let Some(operation) = &line.operation {
        json::text_of(out, "operation", operation);
    }
    json::count_of(out, "revision", line.revision.into());
    json::count_of(out, "attempt", line.attempt.into());
    for (name, at) in [("deadline", line.deadline), ("next_try", line.next_try)] {
        if let Some(at) = at {
            json::time_of(out, name, at);
        }
    }
    for (name, ticket) in [("ticket", &line.ticket), ("about", &line.about)] {
        let Some(ticket) = ticket else { continue };
        json::key(out, name);
        out.extend_from_slice(b"{\"id\":");
        json::text(out, &ticket.id);
        if let Some(url) = &ticket.url {
            json::text_of(out, "url", url);
        }
        out.push(b'}');
    }
    if let Some(priority) = line.priority {
        json::word_of(out, "priority", priority.word());
    }
    json::key(out, "open");
    out.extend_from_slice(if line.open { b"true" } else { b"false" });
    if let Some(heard) = &line.heard {
        write_heard(out, heard);
    }
    json::text_of(out, "reason", &line.reason);
    out.push(b'}');
}

fn write_heard(out: &mut Vec<u8>, heard: &Heard) {
    json::key(out, "heard");
    out.extend_from_slice(b"{\"news\":[");
    for (n, news) in heard.news.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"change\":");
        json::text(out, words::desk_change_word(news.change));
        for (name, text) in [("by", &news.by), ("text", &news.text)] {
            if let Some(text) = text {
                json::text_of(out, name, text);
            }
        }
        if let Some(priority) = news.priority {
            json::word_of(out, "priority", priority.word());
        }
        out.push(b'}');
    }
    out.push(b']');
    for (name, text) in [("owner", &heard.owner), ("note", &heard.note)] {
        if let Some(text) = text {
            json::text_of(out, name, text);
        }
    }
    json::count_of(out, "closures", heard.closures.into());
    out.push(b'}');
}

/// Reads one delivery line.
///
/// # Errors
///
/// When the line is none, or one with keys or words that this version does not know.
pub fn read_delivery(line: &str) -> Result<DeliveryLine, DecisionError> {
    let twin = read::<DeliveryTwin<'_>>(line)?;
    if twin.kind != "delivery" {
        return Err(DecisionError::Kind(crate::event::cut(&twin.kind, 64).into_owned()));
    }
    let maybe = |key, text: Option<Cow<'_, str>>| -> Result<Option<Timestamp>, DecisionError> {
        text.map(|t| time(key, &t)).transpose()
    };
    Ok(DeliveryLine {
        at: time("at", &twin.at)?,
        incident: IncidentId::from_text(&twin.incident),
        desk: twin.desk.into(),
        key: twin.key,
        generation: twin.generation,
        step: word("step", &twin.step, DeliveryStep::from_word)?,
        call: twin.call.map(|w| word("call", &w, DeskCall::from_word)).transpose()?,
        op: twin.op.map(|w| word("op", &w, IntentOp::from_word)).transpose()?,
        operation: twin.operation,
        revision: twin.revision,
        attempt: twin.attempt,
        deadline: maybe("deadline", twin.deadline)?,
        next_try: maybe("next_try", twin.next_try)?,
        ticket: twin.ticket.map(|t| TicketRef { id: t.id, url: t.url }),
        about: twin.about.map(|t| TicketRef { id: t.id, url: t.url }),
        priority: twin.priority.map(|w| word("priority", &w, Priority::from_word)).transpose()?,
        open: twin.open,
        heard: twin.heard.map(read_heard).transpose()?,
        reason: twin.reason,
    })
}

fn read_heard(twin: HeardTwin<'_>) -> Result<Heard, DecisionError> {
    let news = twin.news.into_iter().map(|n| {
        Ok(News {
            change: word("change", &n.change, words::desk_change)?,
            by: n.by,
            text: n.text,
            priority: n.priority.map(|w| word("priority", &w, Priority::from_word)).transpose()?,
        })
    });
    Ok(Heard {
        news: news.collect::<Result<_, _>>()?,
        owner: twin.owner,
        note: twin.note,
        closures: twin.closures,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeliveryTwin<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    at: Cow<'a, str>,
    #[serde(borrow)]
    incident: Cow<'a, str>,
    #[serde(borrow)]
    desk: Cow<'a, str>,
    key: String,
    generation: u32,
    #[serde(borrow)]
    step: Cow<'a, str>,
    #[serde(borrow, default)]
    call: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    op: Option<Cow<'a, str>>,
    #[serde(default)]
    operation: Option<String>,
    revision: u32,
    attempt: u32,
    #[serde(borrow, default)]
    deadline: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    next_try: Option<Cow<'a, str>>,
    #[serde(default)]
    ticket: Option<TicketTwin>,
    #[serde(default)]
    about: Option<TicketTwin>,
    #[serde(borrow, default)]
    priority: Option<Cow<'a, str>>,
    open: bool,
    #[serde(borrow, default)]
    heard: Option<HeardTwin<'a>>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeardTwin<'a> {
    #[serde(borrow)]
    news: Vec<NewsTwin<'a>>,
    #[serde(default)]
    owner: Option<String>,
    #[serde(default)]
    note: Option<String>,
    closures: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewsTwin<'a> {
    #[serde(borrow)]
    change: Cow<'a, str>,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(borrow, default)]
    priority: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TicketTwin {
    id: String,
    #[serde(default)]
    url: Option<String>,
}
