//! Whether each desk can be reached and, on request, whether it does what it has to.

use super::Finding;
use crate::config::Configuration;
use delivery::{DeskRules, Outcome};
use std::fmt::Write as _;
use std::sync::Arc;
use ticket_sink::{CheckVerdict, Desk, DeskConfig, DeskKind, Desks};

/// A key that no ticket has: looking for it changes nothing and needs every right that reading does.
const NOBODYS_KEY: &str = "kent-doctor";

/// Asks the desk a question that changes nothing.
pub async fn reachable(config: &DeskConfig, c: &Configuration) -> Finding {
    let name = format!("desk {}", config.name);
    if config.kind == DeskKind::Builtin {
        return Finding::good(name, "is kept by kentongan itself");
    }
    let desk = match open(config, c) {
        Ok(desk) => desk,
        Err(why) => return Finding::bad(name, why, "correct its [[desk]] table"),
    };
    if !desk.rules().can.find {
        let detail = "cannot be asked without changing something";
        return Finding { fix: test(config), ..Finding::skipped(name, detail) };
    }
    let dry = if config.dry_run { " (dry run: nothing is sent)" } else { "" };
    let found = desk.find(NOBODYS_KEY).await;
    desk.close().await;
    match found {
        Outcome::Done(_) => Finding::good(name, format!("answers{dry}; {}", hears(desk.rules()))),
        Outcome::Rejected { reason, .. } => Finding::bad(
            name,
            format!("refuses: {reason}"),
            "look at url, token and the rights of its user",
        ),
        Outcome::Unknown { reason } => Finding::bad(
            name,
            format!("does not answer: {reason}"),
            "look at url, and at the network between",
        ),
    }
}

/// What of people the desk tells.
fn hears(rules: &DeskRules) -> String {
    if rules.poll.is_zero() || !rules.can.read {
        return "people are not heard there".to_owned();
    }
    let can = &rules.can;
    let all = [
        (can.owner, "taking"),
        (can.remarks, "notes"),
        (true, "closing"),
        (can.priority, "priority"),
        (true, "deleting"),
    ];
    let list = |which| {
        let words = all.iter().filter(|(told, _)| *told == which).map(|(_, word)| *word);
        words.collect::<Vec<_>>().join(", ")
    };
    let how = if can.changes { "one search for all" } else { "each ticket read" };
    let every = rules.poll.as_secs();
    let not = match list(false) {
        none if none.is_empty() => none,
        some => format!("; NOT heard: {some}"),
    };
    format!("people are heard every {every} s ({how}): {}{not}", list(true))
}

/// Opens a ticket and closes it again.
pub async fn test_ticket(config: &DeskConfig, c: &Configuration) -> Finding {
    let name = format!("test ticket on {}", config.name);
    let desk = match open(config, c) {
        Ok(desk) => desk,
        Err(why) => return Finding::bad(name, why, "correct its [[desk]] table"),
    };
    let report = ticket_sink::test_ticket(&*desk).await;
    let mut detail = String::new();
    for check in &report.checks {
        let word = match check.verdict {
            CheckVerdict::Good => "",
            CheckVerdict::Missing => "not possible: ",
            CheckVerdict::Bad => "BAD: ",
        };
        let sep = if detail.is_empty() { "" } else { "; " };
        let _ = write!(detail, "{sep}{}: {word}{}", check.name, check.detail);
    }
    let left = report.ticket.as_ref().filter(|_| !report.closed);
    let fix = left.map(|t| format!("ticket {} is still open: close it by hand", t.id));
    if report.is_good() {
        Finding { fix: fix.unwrap_or_default(), ..Finding::good(name, detail) }
    } else {
        let fix = fix.unwrap_or_else(|| "see what is said of it above".into());
        Finding::bad(name, detail, fix)
    }
}

fn test(config: &DeskConfig) -> String {
    format!("try it with kentongan doctor --test-ticket {}", config.name)
}

fn open(config: &DeskConfig, c: &Configuration) -> Result<Arc<dyn Desk>, String> {
    let desks = Desks::open(std::slice::from_ref(config), &c.data_dir).map_err(|problems| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    })?;
    desks.all.into_values().next().ok_or_else(|| "cannot be opened".to_owned())
}
