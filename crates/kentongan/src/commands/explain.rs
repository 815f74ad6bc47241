//! `kentongan explain`.

use super::client::{Answer, Client, word};
use super::page::{Look, Page, list, now, text, texts};
use super::{Call, WRONG, incident, print, print_json};
use crate::cli::ExplainArgs;
use crate::config;
use crate::daemon::storage::journal_dir;
use crate::explain::moment::{Progress, Until};
use crate::explain::{self, Question};
use anyhow::{Context as _, Result, bail};
use journal::{EmbeddedJournal, Journal};
use model::Timestamp;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use views::{ExplainDoc, Reader};

/// How often it is said how far the events have been run again.
const SAY_EVERY: Duration = Duration::from_millis(500);

pub async fn run(args: &ExplainArgs, call: &Call) -> Result<ExitCode> {
    let client = match Client::new(call) {
        Ok(client) => client,
        Err(code) => return Ok(code),
    };
    let reader = client.reader(args.lang);
    let answer = match (&args.why_not, &args.id) {
        (Some(asked), _) => {
            let (target, at) = match asked.rsplit_once('@') {
                Some((target, at)) => {
                    let zone = &client.contact.locale.timezone;
                    let Some(at) = config::past_instant(at, zone, now()) else {
                        eprintln!("kentongan: {at:?} is no time such as 03:10 or 2026-11-24T03:10");
                        return Ok(ExitCode::from(WRONG));
                    };
                    (target, Some(at))
                }
                None => (asked.as_str(), None),
            };
            why_not(&client, call, target, at, &reader).await?
        }
        (None, Some(id)) => {
            let what = match &args.check {
                Some(check) => format!("{id} {check}"),
                None => id.clone(),
            };
            of(&client, call, &what, &reader).await?
        }
        (None, None) => return Ok(ExitCode::from(WRONG)),
    };
    if args.json {
        print_json(answer.value())?;
    } else {
        let page = Page::new(call.color, &client.contact.locale.timezone);
        print(&explained(answer.value(), &page, &reader))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the daemon until the events have been run again; `None` when there is no daemon.
async fn live(client: &Client, path: &[&str], query: &[(&str, String)]) -> Result<Option<Value>> {
    let shown = std::io::stderr().is_terminal();
    loop {
        let Some(doc) = client.get(path, query).await? else { return Ok(None) };
        let Some(percent) = doc["pending"].as_u64() else { return Ok(Some(doc)) };
        if shown {
            eprint!("\rrunning the events again: {percent} % ");
        }
        tokio::time::sleep(SAY_EVERY).await;
    }
}

async fn of(client: &Client, call: &Call, what: &str, reader: &Reader) -> Result<Answer> {
    let query = [("lang", word(reader.language))];
    if let Some(doc) = live(client, &["api", "v1", "explain", what], &query).await? {
        return Ok(Answer::Live(doc));
    }
    let views = client.views().await?;
    eprintln!("note: the daemon does not run; this is what it wrote last");
    let doc = if let Some(mut doc) = views.explain(what, reader.clone())? {
        let question = match explain::event_behind(&doc) {
            Some(event) => Some(Question::Event(event)),
            None if doc.kind == "incident" => None,
            None => Some(as_it_was(what)),
        };
        if let Some(question) = question {
            match find(call, &question).await {
                Ok(found) => explain::add(&mut doc, &found, reader),
                Err(why) => doc.notes.push(why),
            }
        }
        doc
    } else {
        let target = what.split([' ', '*']).next().unwrap_or(what);
        if target.parse::<u64>().is_ok() {
            // An event that no record tells of: it is too old, or not there yet.
            find(call, &Question::Event(target.parse()?)).await.map_err(anyhow::Error::msg)?;
            bail!("event {target} is not decided yet");
        }
        let found = find(call, &as_it_was(target)).await.map_err(anyhow::Error::msg)?;
        explain::of_target(target, "target", &found, reader)
    };
    Ok(Answer::Kept(serde_json::to_value(doc)?))
}

fn as_it_was(target: &str) -> Question {
    let target = target.split([' ', '*']).next().unwrap_or(target);
    Question::WhyNot(target.to_owned(), Until::Time(Timestamp::MAX))
}

async fn why_not(
    client: &Client,
    call: &Call,
    target: &str,
    at: Option<Timestamp>,
    reader: &Reader,
) -> Result<Answer> {
    let mut query = vec![("lang", word(reader.language))];
    query.extend(at.map(|at| ("at", at.to_string())));
    if let Some(doc) = live(client, &["api", "v1", "why-not", target], &query).await? {
        return Ok(Answer::Live(doc));
    }
    eprintln!("note: the daemon does not run; this is what it wrote last");
    let until = Until::Time(at.unwrap_or(Timestamp::MAX));
    let question = Question::WhyNot(target.to_owned(), until);
    let found = find(call, &question).await.map_err(anyhow::Error::msg)?;
    let what = at.map_or_else(|| target.to_owned(), |at| format!("{target}@{at}"));
    let doc: ExplainDoc = explain::of_target(&what, "why-not", &found, reader);
    Ok(Answer::Kept(serde_json::to_value(doc)?))
}

/// Runs the events of the data directory again, saying how far it is.
async fn find(call: &Call, question: &Question) -> Result<explain::Found, String> {
    let broken = |_| "the configuration has problems, so the events cannot be run again".to_owned();
    let configuration = call.load().map_err(broken)?;
    if !matches!(configuration.journal.backend, config::Backend::Embedded) {
        return Err("the journal is in a cluster; ask the running daemon".to_owned());
    }
    let dir = journal_dir(&configuration.data_dir);
    let opened = EmbeddedJournal::open_read_only(&dir)
        .with_context(|| format!("opening the journal in {}", dir.display()));
    let journal: Arc<dyn Journal> = Arc::new(opened.map_err(|e| format!("{e:#}"))?);
    let progress = Progress::default();
    let shown = std::io::stderr().is_terminal();
    let mut work = std::pin::pin!(explain::find(&journal, &configuration, question, &progress));
    loop {
        tokio::select! {
            found = &mut work => return found,
            () = tokio::time::sleep(SAY_EVERY) => {
                if shown && let Some(percent) = progress.percent() {
                    eprint!("\rrunning the events again: {percent} % ");
                }
            }
        }
    }
}

fn explained(doc: &Value, page: &Page, reader: &Reader) -> String {
    let mut out = format!("{} {}\n", text(doc, "kind"), text(doc, "what"));
    let verdict = &doc["verdict"];
    if !verdict.is_null() {
        let word = text(verdict, "verdict");
        let at = page.time_ago(&text(verdict, "at"));
        let _ = writeln!(out, "{}: {}", page.paint(&word, Look::Heading), at);
    }
    let parts = [
        ("because", ("karena", "because")),
        ("rules", ("aturannya", "the rules")),
        ("inputs", ("yang dinilai", "what they were applied to")),
        ("chain", ("urutannya", "what led to what")),
        ("otherwise", ("lain halnya", "it would have been otherwise")),
        ("notes", ("catatan", "notes")),
    ];
    for (key, (id, en)) in parts {
        let lines = texts(doc, key);
        if !lines.is_empty() {
            let _ = writeln!(out, "\n{}", page.paint(reader.say(id, en), Look::Heading));
            for line in lines {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    if list(doc, "alarms").next().is_some() && doc["incident"].is_null() {
        let _ = writeln!(out, "\n{}", page.paint("alarms", Look::Heading));
        out.push_str(&incident::alarms(doc, page));
    }
    if !doc["incident"].is_null() {
        out.push('\n');
        out.push_str(&incident::shown(&doc["incident"], page));
    }
    out
}
