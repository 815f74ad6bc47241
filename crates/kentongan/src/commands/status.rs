//! `kentongan status`.

use super::client::{Answer, Client};
use super::page::{Cell, Look, Page, bytes, list, now, number, of_priority, short, text};
use super::{Call, FAILED, print, print_json};
use crate::cli::JsonArgs;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use views::IncidentFilter;

pub async fn run(args: &JsonArgs, call: &Call) -> anyhow::Result<ExitCode> {
    let client = match Client::new(call) {
        Ok(client) => client,
        Err(code) => return Ok(code),
    };
    let answer = client
        .ask(&["api", "v1", "status"], &[], |views| {
            let page = views.incidents(&IncidentFilter::default())?;
            Ok(Some(json!({
                "running": false,
                "record": views.applied(),
                "open": page.incidents,
                "now": now().to_string(),
            })))
        })
        .await?;
    let page = Page::new(call.color, &client.contact.locale.timezone);
    match (&answer, args.json) {
        (answer, true) => print_json(answer.value())?,
        (Answer::Live(status), false) => print(&live(status, &page, &client.address()))?,
        (Answer::Kept(kept), false) => print(&without_daemon(kept, &page, &client.address()))?,
    }
    // Whoever asks in a script wants to know that nothing runs.
    Ok(if matches!(answer, Answer::Live(_)) { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn live(status: &Value, page: &Page, address: &str) -> String {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut row = |what: &str, look: Look, detail: String| {
        rows.push(vec![(what.to_owned(), Look::Heading), (detail, look)]);
    };
    let up = short(Duration::from_secs(number(status, "uptime_s")));
    row(
        "kentongan",
        Look::Plain,
        format!(
            "{} {:?} ({}), role {}, up {up}, board at {address}/",
            text(status, "version"),
            text(status, "instance"),
            text(status, "identity"),
            text(status, "role")
        ),
    );
    let (look, detail) = core(&status["core"]);
    row("core", look, detail);
    let (look, detail) = journal(&status["journal"], page);
    row("journal", look, detail);
    if !status["probe"].is_null() {
        let (look, detail) = probe(&status["probe"], page);
        row("probe", look, detail);
    }
    for watcher in list(status, "watchers") {
        if let Some((look, detail)) = watcher_in_need(watcher, page) {
            row("", look, detail);
        }
    }
    for desk in list(status, "desks") {
        let (look, detail) = of_desk(desk, page);
        row("desk", look, detail);
    }
    let (look, detail) = heartbeat(&status["heartbeat"], page);
    row("heartbeat", look, detail);
    let config = &status["config"];
    let hash: String = text(config, "hash").chars().take(12).collect();
    let loaded = page.time_ago(&text(config, "loaded_at"));
    row("config", Look::Plain, format!("{hash} since {loaded}"));
    if let Some(refused) = config["refused"].as_str() {
        row("", Look::Bad, format!("a newer one was refused: {}", super::page::clean(refused)));
    }
    page.table(&rows)
}

fn core(core: &Value) -> (Look, String) {
    let beat = Duration::from_millis(number(core, "beat_age_ms"));
    let open = number(core, "open_incidents");
    let detail = format!(
        "{open} incidents open; alarms: {} held, {} suppressed, {} flapping; event {}, {} behind",
        number(core, "held"),
        number(core, "suppressed"),
        number(core, "flapping"),
        number(core, "last_event"),
        number(core, "behind"),
    );
    let wrong: Vec<String> = list(core, "misroutes")
        .map(|m| format!("{} by {}", number(m, "times"), text(m, "route")))
        .collect();
    let detail = match wrong.as_slice() {
        [] => detail,
        wrong => format!("{detail}; to the wrong team: {}", wrong.join(", ")),
    };
    if beat > Duration::from_secs(15) {
        (Look::Bad, format!("it has not turned for {}; {detail}", short(beat)))
    } else {
        (if open > 0 { Look::Poor } else { Look::Good }, detail)
    }
}

fn journal(journal: &Value, page: &Page) -> (Look, String) {
    let mut detail = format!("{}, {}", text(journal, "kind"), bytes(number(journal, "bytes")));
    if let Some(oldest) = journal["oldest"].as_str() {
        let _ = write!(detail, ", since {}", page.time(oldest));
    }
    let spool = number(journal, "spool_events");
    if spool > 0 {
        let _ = write!(detail, ", {spool} events wait for the broker");
    }
    let error = text(journal, "last_error");
    if journal["writable"] == json!(false) {
        (Look::Bad, format!("cannot be written: {error}; {detail}"))
    } else if journal["connected"] == json!(false) {
        (Look::Poor, format!("the broker does not answer: {error}; {detail}"))
    } else {
        (Look::Good, format!("writable, {detail}"))
    }
}

fn probe(probe: &Value, page: &Page) -> (Look, String) {
    let id = text(probe, "id");
    if probe["enabled"] == json!(false) {
        return (Look::Faint, format!("{id} is switched off"));
    }
    let last = match probe["last_sample"].as_str() {
        Some(last) => format!("last sample {}", page.time_ago(last)),
        None => "no sample yet".to_owned(),
    };
    let detail = format!(
        "{id}: {} targets, {:.1} samples/s, {last}",
        number(probe, "targets"),
        probe["samples_per_s"].as_f64().unwrap_or_default(),
    );
    match probe["last_error"].as_str() {
        Some(error) => (Look::Bad, format!("{}; {detail}", super::page::clean(error))),
        None => (Look::Good, detail),
    }
}

/// A probe that sees nothing, or of which nothing is heard; all others go without saying.
fn watcher_in_need(watcher: &Value, page: &Page) -> Option<(Look, String)> {
    let id = text(watcher, "id");
    let since = watcher["since"].as_str().map(|s| format!(" since {}", page.time_ago(s)));
    let since = since.unwrap_or_default();
    match watcher["sight"].as_str() {
        Some("isolated") => Some((
            Look::Bad,
            format!("{id} is isolated{since}: what it observes means nothing until it sees again"),
        )),
        Some("silent") => Some((Look::Poor, format!("{id} is silent{since}"))),
        Some("unheard") => Some((Look::Poor, format!("{id} was never heard"))),
        _ => None,
    }
}

fn of_desk(desk: &Value, page: &Page) -> (Look, String) {
    let (name, kind) = (text(desk, "name"), text(desk, "kind"));
    let mut detail = if name == kind { name } else { format!("{name} ({kind})") };
    if desk["dry_run"] == json!(true) {
        detail.push_str(", dry run: nothing is sent");
    }
    let mut look = match desk["reachable"].as_bool() {
        Some(true) => Look::Good,
        Some(false) => {
            let error = text(desk, "last_error");
            let _ = write!(detail, ", does not answer: {error}");
            Look::Bad
        }
        None => {
            detail.push_str(", not asked yet");
            Look::Plain
        }
    };
    let waiting = number(desk, "waiting");
    if waiting > 0 {
        let oldest = desk["oldest"].as_str().map(|o| format!(", since {}", page.time_ago(o)));
        let _ = write!(detail, ", {waiting} wait{}", oldest.unwrap_or_default());
        look = if look == Look::Bad { Look::Bad } else { Look::Poor };
    }
    let doubtful = number(desk, "doubtful");
    if doubtful > 0 {
        let _ = write!(detail, ", {doubtful} doubtful");
        look = if look == Look::Bad { Look::Bad } else { Look::Poor };
    }
    match (desk["breaker"].as_str(), desk["tried_at"].as_str()) {
        (Some("open"), Some(at)) => {
            let _ = write!(detail, ", left alone, tried again at {}", page.time(at));
        }
        (Some("half-open"), _) => detail.push_str(", being tried with one request"),
        _ => {}
    }
    (look, detail)
}

fn heartbeat(heartbeat: &Value, page: &Page) -> (Look, String) {
    if heartbeat["configured"] == json!(false) {
        let detail = "none: nobody outside would notice if this died ([instance] heartbeat_url)";
        return (Look::Faint, detail.to_owned());
    }
    let last = match heartbeat["last_ok"].as_str() {
        Some(last) => format!("last heard {}", page.time_ago(last)),
        None => "not heard yet".to_owned(),
    };
    match heartbeat["last_error"].as_str() {
        Some(error) => (Look::Poor, format!("{last}; {}", super::page::clean(error))),
        None => (Look::Good, last),
    }
}

fn without_daemon(kept: &Value, page: &Page, address: &str) -> String {
    let open: Vec<&Value> = list(kept, "open").collect();
    let mut out = page.paint("the daemon does not run", Look::Bad);
    let _ = writeln!(
        out,
        ": nothing listens at {address}\nincidents open when it stopped: {}",
        open.len()
    );
    let rows: Vec<Vec<Cell>> = open
        .iter()
        .map(|i| {
            let priority = text(i, "priority");
            let look = of_priority(&priority);
            vec![
                (priority, look),
                (text(i, "id"), Look::Plain),
                (page.time(&text(i, "since")), Look::Plain),
                (text(i, "title"), Look::Plain),
            ]
        })
        .collect();
    out.push_str(&page.table(&rows));
    out
}
