//! What came of a simulated world, for a person and for a program.

use super::super::page::{Cell, Look, Page, of_priority, short};
use crate::cli::SimulateArgs;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use sim::{Came, Cause, Plan, Report, Stages, What, quantile};
use std::fmt::Write as _;
use std::time::Duration;

/// As many causes are shown; of a long night the rest is counted.
const SHOWN_MAX: usize = 40;

/// What the stages mean to somebody who waits for the ticket.
const STAGES: [&str; 4] = [
    "until the first packet found nobody",
    "until it was certain",
    "until it was known what explains it",
    "until the ticket was decided",
];

pub fn page(
    plan: &Plan,
    args: &SimulateArgs,
    report: &Report,
    page: &Page,
    timezone: &TimeZone,
) -> String {
    let mut out = headline(plan, args, page);
    out.push_str(&page.table(&happened(plan, report, timezone)));
    if report.causes.len() > SHOWN_MAX {
        let _ = writeln!(out, "… and {} more", report.causes.len() - SHOWN_MAX);
    }
    let _ = writeln!(out, "\n{}", funnel(report));
    out.push_str(&latency(report, page));
    out.push('\n');
    out.push_str(&verdict(report, page));
    out
}

fn headline(plan: &Plan, args: &SimulateArgs, page: &Page) -> String {
    let inventory = &plan.inventory;
    let probed = inventory.devices.iter().filter(|d| !d.passive).count();
    let mut out = format!(
        "{}: {}\n",
        page.paint(args.scenario.0.word(), Look::Heading),
        args.scenario.0.about()
    );
    let _ = writeln!(
        out,
        "{probed} devices, {} links, {} sites for {}; {} % of all packets get lost; seed {}\n",
        inventory.links.len(),
        inventory.sites.len(),
        model::time::show_duration(Duration::from_secs(plan.length.as_secs())),
        args.loss,
        args.seed
    );
    out
}

/// What really happened, the first cause first, each with its tickets.
fn happened(plan: &Plan, report: &Report, timezone: &TimeZone) -> Vec<Vec<Cell>> {
    let head = |text: &str| (text.to_owned(), Look::Heading);
    let mut rows = vec![vec![
        head("WHEN"),
        head("WHAT HAPPENED"),
        head("FOR"),
        head("DEVICES"),
        head("TICKET"),
    ]];
    let mut causes: Vec<&Cause> = report.causes.iter().collect();
    causes.sort_by_key(|c| c.from);
    for c in causes.into_iter().take(SHOWN_MAX) {
        let what = match c.what {
            What::Loss(share) => {
                format!("{} loses {:.0} % of the packets", c.element, share * 100.0)
            }
            What::Down if c.times > 1 => format!("{} comes and goes, {} times", c.element, c.times),
            What::Down => format!("{} is down", c.element),
        };
        let plain = |text: String| (text, Look::Plain);
        rows.push(vec![
            (clock(plan, c.from, timezone), Look::Faint),
            plain(what),
            plain(lasted(c.lasted())),
            plain(c.devices.to_string()),
            ticket(report, c),
        ]);
    }
    rows
}

fn ticket(report: &Report, c: &Cause) -> Cell {
    let mine = report.incidents.iter().filter(|i| c.incidents.contains(&i.id));
    let best = mine.filter(|i| i.ticket.is_some()).min_by_key(|i| i.priority);
    let after = c.stages.map_or(String::new(), |s| format!(" after {}", seconds(s.whole())));
    match (c.came, best) {
        (Came::Missed, _) => ("MISSED".into(), Look::Bad),
        (_, Some(i)) if c.doubled() > 0 => {
            let n = c.tickets;
            (format!("{n} TICKETS, the first {} {}{after}", i.priority, i.id), Look::Bad)
        }
        (_, Some(i)) => (format!("{} {}{after}", i.priority, i.id), of_priority(i.priority.word())),
        (Came::Ticketed, None) => ("told with another".into(), Look::Plain),
        (Came::Covered, None) => ("none: planned".into(), Look::Faint),
        (Came::Minor, None) => ("none: too short or too little".into(), Look::Faint),
        (Came::Unseen, None) => ("none: no check could see it".into(), Look::Faint),
    }
}

/// From raw events to tickets, in a line.
fn funnel(report: &Report) -> String {
    let alarms = report.alarms.get(&model::AlarmState::Raised).copied().unwrap_or(0);
    let tickets = report.tickets();
    let by: Vec<String> = tickets.iter().map(|(p, n)| format!("{n} {p}")).collect();
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
    format!(
        "{} events → {} that said something → {} alarms raised → {} → {}{by}, {}",
        number(report.events_in_all()),
        number(report.events_in_all() - report.routine),
        number(alarms),
        several(report.incidents.len(), "incident"),
        several(tickets.values().sum(), "ticket"),
        several(report.incidents.iter().map(|i| i.messages).sum(), "message"),
    )
}

fn latency(report: &Report, page: &Page) -> String {
    let all = report.latencies();
    let whole: Vec<Duration> = all.iter().map(Stages::whole).collect();
    if whole.is_empty() {
        return String::new();
    }
    let mut out = format!(
        "From outage to ticket ({}): half within {}, 95 % within {}, the slowest {}\n",
        several(whole.len(), "outage"),
        seconds(quantile(&whole, 0.5)),
        seconds(quantile(&whole, 0.95)),
        seconds(quantile(&whole, 1.0))
    );
    let sum: f64 = whole.iter().map(Duration::as_secs_f64).sum();
    let rows: Vec<Vec<Cell>> = (0..STAGES.len())
        .map(|n| {
            let mut part: Vec<Duration> = all.iter().map(|s| s.parts()[n].1).collect();
            let share = part.iter().map(Duration::as_secs_f64).sum::<f64>() / sum.max(1e-9) * 100.0;
            part.sort();
            let cell = |text: String| (text, Look::Plain);
            vec![
                cell(format!("  {}", STAGES[n])),
                cell(format!("{share:.0} %")),
                cell(format!("half {}", seconds(quantile(&part, 0.5)))),
                cell(format!("95 % {}", seconds(quantile(&part, 0.95)))),
                cell(format!("slowest {}", seconds(quantile(&part, 1.0)))),
            ]
        })
        .collect();
    out.push_str(&page.table(&rows));
    out
}

/// What was not as it should be.
fn verdict(report: &Report, page: &Page) -> String {
    let word = |n: usize, name: &str| {
        page.paint(&format!("{n} {name}"), if n == 0 { Look::Good } else { Look::Bad })
    };
    let mut out = format!(
        "{}, {}, {}, {}\n",
        word(report.missed(), "missed"),
        word(report.invented(), "without a cause"),
        word(report.doubled() as usize, "told twice"),
        word(report.left_open(), "left open")
    );
    for c in report.causes.iter().filter(|c| c.came == Came::Missed) {
        let _ = writeln!(out, "  missed: {} for {}", c.element, lasted(c.lasted()));
    }
    for c in report.causes.iter().filter(|c| c.doubled() > 0) {
        let ids: Vec<&str> = c.incidents.iter().map(model::IncidentId::as_str).collect();
        let _ = writeln!(out, "  told twice: {} as {}", c.element, ids.join(", "));
    }
    for i in report.incidents.iter().filter(|i| i.cause.is_none() && !i.merged) {
        let _ = writeln!(out, "  without a cause: {} about {}", i.id, i.root.join(" or "));
    }
    for i in report.incidents.iter().filter(|i| i.left_open) {
        let _ = writeln!(out, "  left open: {} about {}", i.id, i.root.join(" or "));
    }
    out
}

pub fn json(plan: &Plan, args: &SimulateArgs, report: &Report) -> Value {
    let secs = |d: Duration| d.as_millis() as f64 / 1000.0;
    let stages = |s: Stages| {
        let mut all = json!({ "outage_to_ticket": secs(s.whole()) });
        for (name, d) in s.parts() {
            all[name] = json!(secs(d));
        }
        all
    };
    let at = |d: Duration| (plan.start + d).to_string();
    let causes: Vec<Value> = report
        .causes
        .iter()
        .map(|c| {
            let loss = if let What::Loss(share) = c.what { Some(share * 100.0) } else { None };
            json!({
                "element": &*c.element,
                "loss_pct": loss,
                "from": at(c.from),
                "until": at(c.until),
                "times": c.times,
                "devices": c.devices,
                "came_to": c.came.word(),
                "incidents": c.incidents.iter().map(model::IncidentId::as_str).collect::<Vec<_>>(),
                "tickets": c.tickets,
                "tickets_allowed": c.tickets_allowed,
                "named": c.named,
                "seconds": c.stages.map(stages),
            })
        })
        .collect();
    let incidents: Vec<Value> = report
        .incidents
        .iter()
        .map(|i| {
            json!({
                "id": i.id.as_str(),
                "root": i.root.iter().map(|r| &**r).collect::<Vec<_>>(),
                "priority": i.priority.word(),
                "opened": at(i.opened),
                "ticket": i.ticket.map(at),
                "cause": i.cause.map(|c| &*report.causes[c].element),
                "merged": i.merged,
                "left_open": i.left_open,
                "messages": i.messages,
                "messages_in_an_hour": i.messages_in_an_hour,
            })
        })
        .collect();
    let all = report.latencies();
    let whole: Vec<Duration> = all.iter().map(Stages::whole).collect();
    let sum: f64 = whole.iter().map(Duration::as_secs_f64).sum();
    let mut share = json!({});
    for n in 0..STAGES.len() {
        let part: f64 = all.iter().map(|s| s.parts()[n].1.as_secs_f64()).sum();
        share[Stages::default().parts()[n].0] =
            json!((part / sum.max(1e-9) * 1000.0).round() / 1000.0);
    }
    json!({
        "scenario": args.scenario.0.word(),
        "seed": args.seed,
        "devices": plan.inventory.devices.iter().filter(|d| !d.passive).count(),
        "hours": plan.length.as_secs_f64() / 3600.0,
        "events": report.events_in_all(),
        "events_by_kind": report.events,
        "routine": report.routine,
        "samples": report.samples,
        "samples_extra": report.samples_extra,
        "verdicts": report.verdicts.iter().map(|(v, n)| (v.word(), *n)).collect::<std::collections::BTreeMap<_, _>>(),
        "alarms": report.alarms.iter().map(|(s, n)| (s.word(), *n)).collect::<std::collections::BTreeMap<_, _>>(),
        "tickets": report.tickets().iter().map(|(p, n)| (p.word(), *n)).collect::<std::collections::BTreeMap<_, _>>(),
        "missed": report.missed(),
        "without_cause": report.invented(),
        "doubled": report.doubled(),
        "merged": report.merged(),
        "left_open": report.left_open(),
        "outage_to_ticket_s": {
            "p50": secs(quantile(&whole, 0.5)),
            "p95": secs(quantile(&whole, 0.95)),
            "worst": secs(quantile(&whole, 1.0)),
            "share": share,
        },
        "causes": causes,
        "incidents": incidents,
    })
}

/// The time on the reader's clock in that world.
fn clock(plan: &Plan, after: Duration, timezone: &TimeZone) -> String {
    jiff::Timestamp::from_millisecond((plan.start + after).as_millis()).map_or_else(
        |_| String::new(),
        |t| t.to_zoned_datetime(timezone.clone()).strftime("%H:%M:%S").to_string(),
    )
}

fn lasted(d: Duration) -> String {
    if d < Duration::from_mins(10) { seconds(d) } else { short(d) }
}

/// Seconds as people say them: what waits for a ticket is counted in them up to minutes.
fn seconds(d: Duration) -> String {
    let s = d.as_secs_f64();
    if s < 1.0 {
        "0s".into()
    } else if s < 120.0 {
        format!("{s:.0}s")
    } else {
        format!("{}m{:02}s", d.as_secs() / 60, d.as_secs() % 60)
    }
}

fn several(n: usize, one: &str) -> String {
    format!("{} {one}{}", number(n as u64), if n == 1 { "" } else { "s" })
}

/// With a comma at every thousand.
fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!(
            (number(0), number(999), number(1_234_567)),
            ("0".into(), "999".into(), "1,234,567".into())
        );
        assert_eq!(seconds(Duration::from_millis(400)), "0s");
        assert_eq!(seconds(Duration::from_millis(21_666)), "22s");
        assert_eq!(seconds(Duration::from_secs(125)), "2m05s");
    }
}
