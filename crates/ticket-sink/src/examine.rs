//! A test ticket, opened and closed on request, to see whether a desk is set up as it has to be.

use crate::desk::Desk;
use delivery::{Draft, Note, Outcome};
use model::id::short_hash;
use model::{Priority, TicketRef};
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

/// How often the new ticket is searched for while it may not be visible yet.
const SEARCH_EVERY: Duration = Duration::from_millis(500);

/// What came of a test ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The desk's name.
    pub desk: String,
    /// The ticket, where one was opened. When `closed` is false a person should close it.
    pub ticket: Option<TicketRef>,
    /// It was resolved at the end.
    pub closed: bool,
    /// What was tried, in order.
    pub checks: Vec<Check>,
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What: `create`, `key kept`, `found`, `note`, `note readable`, `priority`, `resolve`.
    pub name: &'static str,
    /// How it went.
    pub verdict: CheckVerdict,
    /// One sentence.
    pub detail: String,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckVerdict {
    /// As it should.
    Good,
    /// The desk has no such operation; what is lost by that is said.
    Missing,
    /// Not as it should; what to do is said.
    Bad,
}

impl Report {
    /// Nothing was bad.
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|c| c.verdict != CheckVerdict::Bad)
    }

    fn add(&mut self, name: &'static str, verdict: CheckVerdict, detail: impl Into<String>) {
        self.checks.push(Check { name, verdict, detail: detail.into() });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let word = match check.verdict {
                CheckVerdict::Good => "good   ",
                CheckVerdict::Missing => "missing",
                CheckVerdict::Bad => "BAD    ",
            };
            writeln!(f, "{word} {}: {}: {}", self.desk, check.name, check.detail)?;
        }
        Ok(())
    }
}

/// Opens a ticket on the desk, looks whether its key was kept and can be searched for, leaves a
/// note, changes the priority, and resolves it. The desk's dry run does not count here: this is
/// asked for by a person.
pub async fn test_ticket(desk: &dyn Desk) -> Report {
    let report = examined(desk).await;
    desk.close().await;
    report
}

async fn examined(desk: &dyn Desk) -> Report {
    let rules = desk.rules();
    let mut report =
        Report { desk: rules.name.to_string(), ticket: None, closed: false, checks: Vec::new() };
    let nonce = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let nonce = format!("{}-{}", nonce.as_nanos(), std::process::id());
    let key = format!("kent-{}", short_hash(&["test", &nonce], 26));
    let draft = Draft {
        key: key.clone(),
        incident: "test".into(),
        title: "kentongan: tiket uji / test ticket – é 😀".into(),
        text: format!(
            "Dibuat oleh kentongan untuk memeriksa pemasangan; boleh diabaikan.\n\
             Made by kentongan to check the installation; it can be ignored.\n\n[kent:{key}]"
        ),
        priority: Priority::P3,
        group: None,
        category: None,
    };
    let ticket = match desk.create(&draft).await {
        Outcome::Done(ticket) => {
            report.add("create", CheckVerdict::Good, format!("ticket {}", ticket.id));
            ticket
        }
        other => {
            report.add("create", CheckVerdict::Bad, sentence(other));
            return report;
        }
    };
    report.ticket = Some(ticket.clone());
    key_kept(desk, &ticket, &key, &mut report).await;
    found(desk, &ticket, &key, &mut report).await;
    note(desk, &ticket, &key, &mut report).await;
    if rules.can.priority {
        match desk.set_priority(&ticket, Priority::P2).await {
            Outcome::Done(()) => report.add("priority", CheckVerdict::Good, "was changed"),
            other => report.add("priority", CheckVerdict::Bad, sentence(other)),
        }
    } else {
        let lost = "changes of priority are only told in notes";
        report.add("priority", CheckVerdict::Missing, lost);
    }
    if rules.can.resolve {
        match desk.resolve(&ticket).await {
            Outcome::Done(()) => {
                report.closed = true;
                report.add("resolve", CheckVerdict::Good, "was resolved");
            }
            other => report.add("resolve", CheckVerdict::Bad, sentence(other)),
        }
    } else {
        let lost = "tickets stay open; recovery is only told in a note";
        report.add("resolve", CheckVerdict::Missing, lost);
    }
    report
}

async fn key_kept(desk: &dyn Desk, ticket: &TicketRef, key: &str, report: &mut Report) {
    if !desk.rules().can.read {
        let lost = "tickets cannot be read back, so it is not known whether the key is kept";
        return report.add("key kept", CheckVerdict::Missing, lost);
    }
    match desk.read(ticket, false).await {
        Outcome::Done(seen) if seen.key.as_deref() == Some(key) => {
            report.add("key kept", CheckVerdict::Good, "the ticket carries the key");
        }
        Outcome::Done(_) => report.add(
            "key kept",
            CheckVerdict::Bad,
            "the ticket does not carry the key: make the field, and give our user the right to \
             write and to see it; without it a lost answer cannot be cleared up",
        ),
        other => report.add("key kept", CheckVerdict::Bad, sentence(other)),
    }
}

async fn found(desk: &dyn Desk, ticket: &TicketRef, key: &str, report: &mut Report) {
    let rules = desk.rules();
    if !rules.can.find {
        let lost = "tickets cannot be searched for; a lost answer stays a doubt for a person";
        return report.add("found", CheckVerdict::Missing, lost);
    }
    let started = Instant::now();
    loop {
        let problem = match desk.find(key).await {
            Outcome::Done(rows) => {
                let ours = rows.iter().filter(|r| r.key.as_deref() == Some(key)).count();
                let strangers = rows.len() - ours;
                if ours == 1 && strangers == 0 && rows[0].ticket.id == ticket.id {
                    let took = started.elapsed();
                    let detail = format!("by its key, {} ms after it was opened", took.as_millis());
                    return report.add("found", CheckVerdict::Good, detail);
                }
                if strangers > 0 {
                    format!(
                        "the search returned {strangers} tickets without the key: is the filter ignored?"
                    )
                } else if ours == 0 {
                    "the search does not find it".to_owned()
                } else {
                    "the search finds another ticket with the same key".to_owned()
                }
            }
            other => sentence(other),
        };
        if started.elapsed() > rules.visibility_delay {
            let detail = format!("{problem} (within visibility_delay)");
            return report.add("found", CheckVerdict::Bad, detail);
        }
        tokio::time::sleep(SEARCH_EVERY.min(rules.visibility_delay)).await;
    }
}

async fn note(desk: &dyn Desk, ticket: &TicketRef, key: &str, report: &mut Report) {
    if !desk.rules().can.note {
        let lost = "changes of an incident are not told";
        return report.add("note", CheckVerdict::Missing, lost);
    }
    let operation = format!("{key}.1");
    let text = format!("Catatan uji / test note.\n\n{}", Note::marker(&operation));
    match desk.note(ticket, &Note { operation: operation.clone(), text }).await {
        Outcome::Done(()) => report.add("note", CheckVerdict::Good, "was added"),
        other => return report.add("note", CheckVerdict::Bad, sentence(other)),
    }
    if !desk.rules().can.read_notes {
        let lost = "notes cannot be read back; one with a lost answer is not said again";
        return report.add("note readable", CheckVerdict::Missing, lost);
    }
    match desk.read(ticket, true).await {
        Outcome::Done(seen) if seen.notes.contains(&operation) => {
            report.add("note readable", CheckVerdict::Good, "the note is read back");
        }
        Outcome::Done(_) => report.add(
            "note readable",
            CheckVerdict::Bad,
            "the note is not read back: give our user the right to see comments; without it a note \
             with a lost answer would be said twice",
        ),
        other => report.add("note readable", CheckVerdict::Bad, sentence(other)),
    }
}

/// Why it was not done.
fn sentence<T>(outcome: Outcome<T>) -> String {
    match outcome {
        Outcome::Done(_) => "done".into(),
        Outcome::Rejected { reason, .. } => reason,
        Outcome::Unknown { reason } => format!("no certain answer: {reason}"),
    }
}
