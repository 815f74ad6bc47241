//! `kentongan incident`.

use super::client::Client;
use super::page::{Cell, Look, Page, list, now, number, of_priority, of_state, text, texts};
use super::{Call, WRONG, print, print_json};
use crate::cli::{By, IncidentArgs, IncidentCommand, WhichIncidents};
use crate::config::instant;
use anyhow::Context as _;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use views::{IncidentFilter, Which};

pub async fn run(args: &IncidentArgs, call: &Call) -> anyhow::Result<ExitCode> {
    let client = match Client::new(call) {
        Ok(client) => client,
        Err(code) => return Ok(code),
    };
    let page = Page::new(call.color, &client.contact.locale.timezone);
    match &args.command {
        IncidentCommand::List { state, limit, json } => {
            let answer = list_of(&client, *state, *limit).await?;
            if *json { print_json(&answer)? } else { print(&listed(&answer, &page))? }
        }
        IncidentCommand::Show { id, lang, json } => {
            let reader = client.reader(*lang);
            let query = [("lang", super::client::word(reader.language))];
            let kept = |views: &views::Views| {
                let doc = views.incident(id, reader.clone())?;
                Ok(doc.map(serde_json::to_value).transpose()?)
            };
            let answer = client.ask(&["api", "v1", "incidents", id], &query, kept).await?;
            if *json {
                print_json(answer.value())?;
            } else {
                print(&shown(answer.value(), &page))?;
            }
        }
        IncidentCommand::Ack { id, note, by } => {
            let mut body = json!({});
            if let Some(note) = note {
                body["text"] = json!(note);
            }
            command(&client, id, "acknowledge", body, by, "acknowledged").await?;
        }
        IncidentCommand::Note { id, text, by } => {
            command(&client, id, "note", json!({ "text": text }), by, "noted").await?;
        }
        IncidentCommand::Resolve { id, reason, by } => {
            command(&client, id, "resolve", json!({ "reason": reason }), by, "resolved").await?;
        }
        IncidentCommand::Misroute { id, team, reason, by } => {
            let mut body = json!({});
            for (key, given) in [("team", team), ("reason", reason)] {
                if let Some(given) = given {
                    body[key] = json!(given);
                }
            }
            command(&client, id, "misroute", body, by, "said to be misrouted").await?;
        }
        IncidentCommand::Reprioritise { id, priority, reason, duration, until, by } => {
            let priority = format!("{priority:?}");
            let mut body = json!({ "priority": priority, "reason": reason });
            let until = match (duration, until) {
                (Some(d), _) => match model::time::parse_duration(d) {
                    Ok(d) => Some(now() + d),
                    Err(why) => {
                        eprintln!("kentongan: {why}");
                        return Ok(ExitCode::from(WRONG));
                    }
                },
                (None, Some(t)) => {
                    let Some(t) = instant(t, &client.contact.locale.timezone) else {
                        eprintln!("kentongan: {t:?} is no time; write it as 2026-11-24T22:00");
                        return Ok(ExitCode::from(WRONG));
                    };
                    Some(t)
                }
                (None, None) => None,
            };
            if let Some(until) = until {
                body["until"] = json!(until.to_string());
            }
            command(&client, id, "reprioritise", body, by, &format!("now {priority}")).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn command(
    client: &Client,
    id: &str,
    verb: &str,
    mut body: Value,
    by: &By,
    done: &str,
) -> anyhow::Result<()> {
    body["by"] = json!(name(by)?);
    let taken = client.post(&["api", "v1", "incidents", id, verb], &body).await?;
    if by.json {
        print_json(&taken)
    } else {
        print(&format!("{id} is {done} (event {})\n", number(&taken, "event")))
    }
}

/// Who asks: the name given, else the user.
pub fn name(by: &By) -> anyhow::Result<String> {
    let variable = |v: &&str| std::env::var(v).ok().filter(|n| !n.trim().is_empty());
    let user = || ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(variable).or_else(account);
    by.by.clone().or_else(user).context("say who you are with --by NAME")
}

/// The account that this process runs as, where the environment does not say (in a container).
fn account() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let uid = status.lines().find_map(|l| l.strip_prefix("Uid:")?.split_whitespace().next())?;
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id == uid).then(|| name.to_owned())
    })
}

async fn list_of(client: &Client, state: WhichIncidents, limit: u16) -> anyhow::Result<Value> {
    let (word, which) = match state {
        WhichIncidents::Open => ("open", Which::Open),
        WhichIncidents::Resolved => ("resolved", Which::Resolved),
        WhichIncidents::All => ("all", Which::All),
    };
    let query = [("state", word.to_owned()), ("limit", limit.to_string())];
    let answer = client
        .ask(&["api", "v1", "incidents"], &query, |views| {
            let filter = IncidentFilter { which, limit: limit.into(), cursor: None };
            Ok(Some(serde_json::to_value(views.incidents(&filter)?)?))
        })
        .await?;
    Ok(answer.value().clone())
}

fn listed(answer: &Value, page: &Page) -> String {
    let incidents: Vec<&Value> = list(answer, "incidents").collect();
    if incidents.is_empty() {
        return "no incidents\n".to_owned();
    }
    let heading = ["PRIO", "INCIDENT", "SINCE", "CONDITION", "WORK", "TICKET", "WHAT"];
    let mut rows: Vec<Vec<Cell>> =
        vec![heading.iter().map(|h| ((*h).to_owned(), Look::Faint)).collect()];
    for i in &incidents {
        let (priority, condition) = (text(i, "priority"), text(i, "condition"));
        let (priority_look, condition_look) = (of_priority(&priority), of_state(&condition));
        rows.push(vec![
            (priority, priority_look),
            (text(i, "id"), Look::Heading),
            (page.time_ago(&text(i, "since")), Look::Plain),
            (condition, condition_look),
            (work(i), Look::Plain),
            (tickets(i), Look::Plain),
            (text(i, "title"), Look::Plain),
        ]);
    }
    let mut out = page.table(&rows);
    if answer["next"].is_string() {
        out.push_str("… and older ones; ask for more with --limit\n");
    }
    out
}

fn work(incident: &Value) -> String {
    match incident["acknowledged_by"].as_str() {
        Some(by) => format!("{} ({})", text(incident, "work"), super::page::clean(by)),
        None => text(incident, "work"),
    }
}

/// Each ticket as `desk #id`, with what is not certain about it.
fn tickets(incident: &Value) -> String {
    let one = |t: &Value| {
        let told = text(t, "told");
        let id = match t["ticket"].as_str() {
            Some(id) => format!("{} #{}", text(t, "desk"), super::page::clean(id)),
            None => text(t, "desk"),
        };
        if told == "told" { id } else { format!("{id} {told}") }
    };
    let all: Vec<String> = list(incident, "tickets").map(one).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

/// One incident with its alarms and its diary.
pub fn shown(detail: &Value, page: &Page) -> String {
    let i = &detail["incident"];
    let (priority, condition) = (text(i, "priority"), text(i, "condition"));
    let mut out = format!(
        "{} {} {}\n",
        page.paint(&priority, of_priority(&priority)),
        page.paint(&text(i, "id"), Look::Heading),
        page.paint(&text(i, "title"), Look::Heading),
    );
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut row = |what: &str, detail: String, look: Look| {
        if !detail.is_empty() {
            rows.push(vec![(format!("  {what}"), Look::Faint), (detail, look)]);
        }
    };
    row("condition", condition.clone(), of_state(&condition));
    row("work", work(i), Look::Plain);
    row("since", page.time_ago(&text(i, "since")), Look::Plain);
    for (what, key) in
        [("recovered", "recovered_at"), ("resolved", "resolved_at"), ("closed", "closed_at")]
    {
        row(what, i[key].as_str().map_or(String::new(), |t| page.time_ago(t)), Look::Plain);
    }
    row("root", texts(i, "root").join(", "), Look::Plain);
    row("affected", affected(i), Look::Plain);
    row("why", text(i, "reason"), Look::Plain);
    row("goes on in", text(i, "into"), Look::Plain);
    row("was before", text(i, "recurrence_of"), Look::Plain);
    for t in list(i, "tickets") {
        let id = t["ticket"]
            .as_str()
            .map_or_else(String::new, |id| format!(" #{}", super::page::clean(id)));
        let mut line = format!("{}{id}: {}", text(t, "desk"), text(t, "reason"));
        if let Some(url) = t["url"].as_str() {
            let _ = write!(line, " ({})", super::page::clean(url));
        }
        let look = if text(t, "told") == "told" { Look::Plain } else { Look::Poor };
        row("ticket", line, look);
    }
    out.push_str(&page.table(&rows));
    if list(detail, "alarms").next().is_some() {
        let _ = writeln!(out, "\n{}", page.paint("alarms", Look::Heading));
        out.push_str(&alarms(detail, page));
    }
    if list(detail, "diary").next().is_some() {
        let _ = writeln!(out, "\n{}", page.paint("diary", Look::Heading));
        out.push_str(&diary(detail, page));
    }
    out
}

fn affected(incident: &Value) -> String {
    let (counts, names) = (&incident["counts"], &incident["affected"]);
    let mut parts = Vec::new();
    for key in ["devices", "sites", "services"] {
        let n = number(counts, key);
        if n == 0 {
            continue;
        }
        let named = texts(names, key);
        let few = if (1..=4).contains(&named.len()) && named.len() as u64 == n {
            format!(" ({})", named.join(", "))
        } else {
            String::new()
        };
        let word = if n == 1 { &key[..key.len() - 1] } else { key };
        parts.push(format!("{n} {word}{few}"));
    }
    let users = number(counts, "users");
    if users > 0 {
        parts.push(format!("{users} people"));
    }
    parts.join(", ")
}

/// A list of alarms.
pub fn alarms(doc: &Value, page: &Page) -> String {
    let rows: Vec<Vec<Cell>> = list(doc, "alarms")
        .map(|a| {
            let state = text(a, "state");
            let look = of_state(&state);
            vec![
                (format!("  {state}"), look),
                (text(a, "target"), Look::Plain),
                (text(a, "check"), Look::Plain),
                (page.time_ago(&text(a, "since")), Look::Plain),
                (text(a, "reason"), Look::Plain),
            ]
        })
        .collect();
    page.table(&rows)
}

fn diary(detail: &Value, page: &Page) -> String {
    let rows: Vec<Vec<Cell>> = list(detail, "diary")
        .map(|d| {
            let mut word = text(d, "word");
            if let Some(by) = d["by"].as_str() {
                let _ = write!(word, " by {}", super::page::clean(by));
            }
            vec![
                (format!("  {}", page.time(&text(d, "at"))), Look::Faint),
                (word, Look::Plain),
                (text(d, "subject"), Look::Plain),
                (text(d, "text"), Look::Plain),
            ]
        })
        .collect();
    let mut out = page.table(&rows);
    let left_out = number(detail, "diary_left_out");
    if left_out > 0 {
        let _ = writeln!(out, "  … and {left_out} lines that were not kept");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn incident() -> Value {
        json!({
            "id": "k7f3-17", "title": "semarang/core-sw1 is down\u{1b}[2J", "priority": "P1",
            "condition": "failing", "work": "assigned", "acknowledged_by": "sari",
            "since": "2020-11-24T02:15:00.250Z", "root": ["semarang/core-sw1"],
            "counts": { "devices": 2, "sites": 1, "services": 0, "users": 1200 },
            "affected": { "devices": ["a", "b"], "sites": ["semarang"], "services": [] },
            "reason": "masif and vital", "recovered_at": null,
            "tickets": [{ "desk": "rt", "ticket": "42", "told": "told", "reason": "told at once", "url": "http://rt/42" },
                        { "desk": "glpi", "ticket": null, "told": "pending", "reason": "the desk does not answer" }]
        })
    }

    #[test]
    fn a_list_is_a_line_each() {
        let page = Page::new(false, &TimeZone::UTC);
        let text = listed(&json!({ "incidents": [incident()], "next": null }), &page);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("P1    k7f3-17   2020-11-24 02:15:00 UTC ("), "{text}");
        assert!(
            lines[1].ends_with(
                "failing    assigned (sari)  rt #42, glpi pending  semarang/core-sw1 is down [2J"
            ),
            "{text}"
        );
        assert_eq!(listed(&json!({ "incidents": [] }), &page), "no incidents\n");
    }

    #[test]
    fn one_is_shown_with_its_diary() {
        let page = Page::new(false, &TimeZone::UTC);
        let detail = json!({
            "incident": incident(),
            "alarms": [{ "target": "a", "check": "icmp", "state": "raised", "since": "2020-11-24T02:15:00Z", "reason": "3 of 5" }],
            "diary": [{ "at": "2020-11-24T02:15:04Z", "word": "opened", "subject": null, "by": null, "text": "two devices" }],
            "diary_left_out": 3
        });
        let text = shown(&detail, &page);
        for part in [
            "2 devices (a, b), 1 site (semarang), 1200 people",
            "ticket     glpi: the desk does not answer",
            "  raised  a  icmp",
            "02:15:04 UTC  opened",
            "and 3 lines that were not kept",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
