//! `kentongan explain`.

use super::client::Client;
use super::page::{Look, Page, list, text, texts};
use super::{Call, incident, print, print_json};
use crate::cli::ExplainArgs;
use serde_json::Value;
use std::fmt::Write as _;
use std::process::ExitCode;

pub async fn run(args: &ExplainArgs, call: &Call) -> anyhow::Result<ExitCode> {
    let client = match Client::new(call) {
        Ok(client) => client,
        Err(code) => return Ok(code),
    };
    let what = match &args.check {
        Some(check) => format!("{} {check}", args.id),
        None => args.id.clone(),
    };
    let language = client.language();
    let answer = client
        .ask(&["api", "v1", "explain", &what], &[], |views| {
            let doc = views.explain(&what, language)?;
            Ok(doc.map(serde_json::to_value).transpose()?)
        })
        .await?;
    if args.json {
        print_json(answer.value())?;
    } else {
        let page = Page::new(call.color, &client.contact.locale.timezone);
        print(&explained(answer.value(), &page))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explained(doc: &Value, page: &Page) -> String {
    let mut out = format!("{} {}\n", text(doc, "kind"), text(doc, "what"));
    let verdict = &doc["verdict"];
    if !verdict.is_null() {
        let word = text(verdict, "verdict");
        let at = page.time_ago(&text(verdict, "at"));
        let _ = writeln!(out, "verdict: {} at {at}", page.paint(&word, Look::Heading));
    }
    for (heading, key) in [("because", "because"), ("it would have been otherwise", "otherwise")] {
        let lines = texts(doc, key);
        if !lines.is_empty() {
            let _ = writeln!(out, "\n{}", page.paint(heading, Look::Heading));
            for line in lines {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    if list(doc, "alarms").next().is_some() {
        let _ = writeln!(out, "\n{}", page.paint("alarms", Look::Heading));
        out.push_str(&incident::alarms(doc, page));
    }
    if !doc["incident"].is_null() {
        out.push('\n');
        out.push_str(&incident::shown(&doc["incident"], page));
    }
    out
}
