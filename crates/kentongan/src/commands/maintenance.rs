//! `kentongan maintenance`.

use super::client::Client;
use super::incident::name;
use super::page::{Cell, Look, Page, list, now, number, text, texts};
use super::{Call, WRONG, print, print_json};
use crate::cli::{MaintenanceArgs, MaintenanceCommand};
use crate::config::instant;
use serde_json::{Value, json};
use std::process::ExitCode;

pub async fn run(args: &MaintenanceArgs, call: &Call) -> anyhow::Result<ExitCode> {
    let client = match Client::new(call) {
        Ok(client) => client,
        Err(code) => return Ok(code),
    };
    let page = Page::new(call.color, &client.contact.locale.timezone);
    match &args.command {
        MaintenanceCommand::List { json } => {
            let answer = match client.get(&["api", "v1", "maintenance"], &[]).await? {
                Some(answer) => answer,
                None => match configured(call) {
                    Ok(windows) => windows,
                    Err(code) => return Ok(code),
                },
            };
            if *json { print_json(&answer)? } else { print(&listed(&answer, &page))? }
        }
        MaintenanceCommand::Add {
            scope,
            duration,
            from,
            to,
            reason,
            change,
            rrule,
            id,
            silence,
            by,
        } => {
            let mut body = json!({
                "by": name(by)?, "reason": reason, "scope": scope, "silence": silence,
            });
            for (key, given) in [("start", from), ("end", to)] {
                let Some(given) = given else { continue };
                let Some(at) = instant(given, &client.contact.locale.timezone) else {
                    eprintln!("kentongan: {given:?} is no time; write it as 2026-11-24T22:00");
                    return Ok(ExitCode::from(WRONG));
                };
                body[key] = json!(at.to_string());
            }
            for (key, given) in
                [("duration", duration), ("id", id), ("change", change), ("rrule", rrule)]
            {
                if let Some(given) = given {
                    body[key] = json!(given);
                }
            }
            let taken = client.post(&["api", "v1", "maintenance"], &body).await?;
            if by.json {
                print_json(&taken)?;
            } else {
                let id = text(&taken, "id");
                print(&format!(
                    "{id} is added; end it early with `kentongan maintenance end {id}`\n"
                ))?;
            }
        }
        MaintenanceCommand::End { id, by } => {
            let body = json!({ "by": name(by)? });
            let taken = client.post(&["api", "v1", "maintenance", id, "end"], &body).await?;
            if by.json {
                print_json(&taken)?;
            } else {
                print(&format!("{id} has ended (event {})\n", number(&taken, "event")))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What stands in the configuration: all that can be known without a daemon.
fn configured(call: &Call) -> Result<Value, ExitCode> {
    let configuration = call.load()?;
    eprintln!("note: the daemon does not run; these are the windows of the configuration");
    let now = now();
    let windows: Vec<Value> = configuration
        .settings
        .windows
        .iter()
        .filter_map(|w| {
            let (start, end) = w.span_at(now, configuration.settings.zone())?;
            Some(json!({
                "id": w.id, "owner": w.owner, "reason": w.reason, "scope": w.scope,
                "change": w.change, "rrule": w.rrule,
                "start": start.to_string(), "end": end.to_string(), "silence": w.silence,
                "active": start <= now, "over": false, "hides": 0, "hid": 0, "hid_targets": [],
                "overran": [], "from": "config",
            }))
        })
        .collect();
    Ok(json!({ "windows": windows }))
}

fn listed(answer: &Value, page: &Page) -> String {
    let heading = ["WINDOW", "STATE", "FROM", "TO", "COVERS", "HIDES", "HID", "WHOSE", "WHY"];
    let mut rows: Vec<Vec<Cell>> =
        vec![heading.iter().map(|h| ((*h).to_owned(), Look::Faint)).collect()];
    for w in list(answer, "windows") {
        let active = w["active"] == json!(true);
        let over = text(w, "end").parse().is_ok_and(|end: model::Timestamp| end <= now());
        let (state, look) = match (active, over) {
            (true, _) => ("active", Look::Poor),
            (false, true) => ("over", Look::Faint),
            (false, false) => ("planned", Look::Plain),
        };
        let silence = if w["silence"] == json!(true) { " (silence)" } else { "" };
        rows.push(vec![
            (text(w, "id"), Look::Heading),
            (format!("{state}{silence}"), look),
            (page.time(&text(w, "start")), Look::Plain),
            (page.time(&text(w, "end")), Look::Plain),
            (texts(w, "scope").join(" "), Look::Plain),
            (number(w, "hides").to_string(), Look::Plain),
            (number(w, "hid").to_string(), Look::Plain),
            (text(w, "owner"), Look::Plain),
            (why(w), Look::Plain),
        ]);
    }
    if rows.len() == 1 { "no windows\n".to_owned() } else { page.table(&rows) }
}

/// Why it is there, what it is for, when it comes again, and what should be done about it.
fn why(w: &Value) -> String {
    let mut why = text(w, "reason");
    for (key, before) in [("change", "change "), ("rrule", "again by "), ("advice", "")] {
        let more = text(w, key);
        if !more.is_empty() {
            why = format!("{why}; {before}{more}");
        }
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_say_whether_they_are_in_force() {
        let page = Page::new(false, &jiff::tz::TimeZone::UTC);
        let window = |start: &str, end: &str, active: bool| {
            json!({ "id": "w", "owner": "sari", "reason": "UPS", "scope": ["semarang"], "start": start,
                    "end": end, "active": active, "silence": false, "hides": 2, "from": "command" })
        };
        let text = listed(
            &json!({ "windows": [
                window("2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z", true),
                window("2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z", false),
                window("2998-01-01T00:00:00Z", "2999-01-01T00:00:00Z", false),
            ] }),
            &page,
        );
        let states: Vec<&str> =
            text.lines().map(|l| l.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(states, ["STATE", "active", "over", "planned"]);
    }
}
