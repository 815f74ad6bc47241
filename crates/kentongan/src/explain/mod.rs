//! `explain`: what the record says, and, by running the events again, the rule, its inputs and what
//! would have made it otherwise.

pub mod moment;

use crate::config::Configuration;
use correlator::explain::{Answer, Explanation, explain};
use journal::Journal;
use moment::{Moment, Progress, Until};
use std::sync::Arc;
use views::{ExplainDoc, Reader};

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// What an event came to.
    Event(u64),
    /// Why there was no incident for a target then.
    WhyNot(String, Until),
}

/// What running the events again has given.
#[derive(Debug, Clone)]
pub struct Found {
    /// The explanation.
    pub explanation: Explanation,
    /// The first event that was run again.
    pub from: u64,
    /// Something happened under a configuration that nobody knows any more.
    pub another_configuration: bool,
}

/// Runs the events again, and explains.
///
/// # Errors
/// Why it cannot be said any more, in a sentence.
pub async fn find(
    journal: &Arc<dyn Journal>,
    c: &Configuration,
    question: &Question,
    progress: &Progress,
) -> Result<Found, String> {
    let until = match question {
        Question::Event(n) => Until::Event(*n),
        Question::WhyNot(_, until) => *until,
    };
    let moment = moment::moment(journal, c, until, progress).await.map_err(|e| format!("{e:#}"))?;
    let question = question.clone();
    // Trying changes takes a while where there are many targets.
    let tried = tokio::task::spawn_blocking(move || said(&question, moment));
    tried.await.map_err(|e| format!("explaining it broke: {e}"))
}

fn said(question: &Question, moment: Moment) -> Found {
    let Moment { core, event, from, another_configuration } = moment;
    let explanation = match (question, event) {
        (Question::Event(n), Some(event)) => explain(&core, *n, &event),
        (Question::WhyNot(target, _), _) => core.why_not(target),
        (Question::Event(_), None) => core.why_not(""),
    };
    Found { explanation, from, another_configuration }
}

/// The event that a document is about: the one asked for, or the one that opened the incident.
pub fn event_behind(doc: &ExplainDoc) -> Option<u64> {
    if let Some(v) = &doc.verdict {
        return Some(v.event);
    }
    if doc.kind != "incident" {
        return None;
    }
    let id = &doc.incident.as_ref()?.incident.id;
    let (_, number) = id.rsplit_once('-')?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

/// Adds to what the record says what was found by running the events again.
pub fn add(doc: &mut ExplainDoc, found: &Found, reader: &Reader) {
    let said = found.explanation.said(reader);
    if found.another_configuration {
        doc.notes.push(
            reader
                .say(
                    "Sebagian terjadi di bawah konfigurasi yang tidak dikenal lagi; ini penilaian konfigurasi sekarang.",
                    "Some of it happened under a configuration that nobody knows any more; this is what today's makes of it.",
                )
                .to_owned(),
        );
    }
    if let (Answer::Event { verdict, .. }, Some(kept)) = (&found.explanation.answer, &doc.verdict)
        && verdict.word() != kept.verdict
    {
        // What is on record stands; what would be said today is no explanation of it.
        doc.notes.push(format!(
            "{} {verdict}; {} {}.",
            reader.say("Dijalankan lagi hasilnya", "Run again it comes to"),
            reader.say("yang tercatat adalah", "on record is"),
            kept.verdict
        ));
        return;
    }
    let about_event = doc.kind != "incident";
    if about_event {
        doc.because = said.because;
    }
    doc.rules = said.rules;
    doc.inputs = said.inputs;
    doc.chain = said.chain;
    doc.otherwise = said.otherwise;
    doc.tried = true;
}

/// A document about a target, from the core.
pub fn of_target(what: &str, kind: &str, found: &Found, reader: &Reader) -> ExplainDoc {
    let mut doc =
        ExplainDoc { what: what.to_owned(), kind: kind.to_owned(), ..ExplainDoc::default() };
    add(&mut doc, found, reader);
    doc
}
