//! From records to rows.

use crate::routine::{self, RoutineLine, Tail};
use journal::{Record, RecordKind};
use model::decision::{Change, Decision, IncidentLine, Intent, IntentOp, Verdict, Work};
use model::{AlarmLine, DeliveryLine, DeliveryStep, IncidentId, Timestamp, VerdictLine};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::time::Duration;

/// Rows older than this are dropped: thirteen months, so that a month can be compared with the
/// same one of the year before (design.md, journal files).
pub const KEPT: Duration = Duration::from_hours(396 * 24);

/// Routine verdicts are dropped with the event frames they stand beside.
pub const ROUTINE_KEPT: Duration = Duration::from_hours(35 * 24);

/// Lines of diary kept for one incident; what comes after is counted (`diary_left_out`). A person
/// reads the first hundred; a flapping week makes many more.
pub const DIARY_LINES_MAX: i64 = 1000;

/// Of these, lines of the kinds that come in hundreds when much fails at once (an alarm of each
/// device, each growth of the incident, each note about it), so that they leave room for what
/// people and desks did.
pub const DIARY_CHATTY_MAX: i64 = 400;

/// Longest text kept of a reason, a note or a title, in bytes.
const TEXT_BYTES_MAX: usize = 4000;

/// Unreadable lines kept with their error; all are counted.
const UNREADABLE_KEPT_MAX: i64 = 1000;

/// Rows are dropped this often by the records' own time …
const PRUNE_EVERY: Duration = Duration::from_hours(1);

/// … and so many of a table at once, so that no transaction becomes long.
const PRUNE_ROWS_MAX: i64 = 5000;

/// Words under which the diary's own counts stand in `tally`; verdicts have no blank in them.
const TALLY_KEPT: &str = "diary lines";
const TALLY_CHATTY: &str = "diary chatty";
pub(crate) const TALLY_LEFT_OUT: &str = "diary left out";

/// One transaction: the rows of some records.
pub(crate) struct Applying<'a> {
    tx: &'a Transaction<'a>,
    tail: Option<Tail>,
    /// Lines that could not be read.
    pub(crate) unreadable: u64,
}

impl<'a> Applying<'a> {
    pub(crate) fn new(tx: &'a Transaction<'a>) -> rusqlite::Result<Self> {
        Ok(Applying { tx, tail: Tail::load(tx)?, unreadable: 0 })
    }

    /// Turns one record into rows. A line that this version cannot read is noted and passed over:
    /// the record stays in the journal for the version that can.
    pub(crate) fn record(&mut self, record: &Record) -> rusqlite::Result<()> {
        let body = String::from_utf8_lossy(&record.body);
        let lines = body.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
        for (n, line) in lines {
            let read = match record.kind {
                RecordKind::Epoch => return Ok(()),
                RecordKind::Decisions if line.starts_with(r#"{"kind":"routine""#) => {
                    match RoutineLine::read(line) {
                        Ok(routine) => {
                            let at_ms = record.at.as_millis();
                            Ok(routine::append(self.tx, &mut self.tail, &routine, at_ms)?)
                        }
                        Err(e) => Err(e),
                    }
                }
                RecordKind::Decisions => match wire::read_decision(line) {
                    Ok(decision) => Ok(self.decision(&decision)?),
                    Err(e) => Err(e.to_string()),
                },
                RecordKind::Delivery => match wire::read_delivery(line) {
                    Ok(step) => Ok(self.delivery(&step)?),
                    Err(e) => Err(e.to_string()),
                },
            };
            if let Err(error) = read {
                self.not_understood(record.number, n, &error)?;
            }
        }
        Ok(())
    }

    /// What remains to be written at the end of the transaction.
    pub(crate) fn finish(mut self, last: &Record) -> rusqlite::Result<u64> {
        if let Some(tail) = &mut self.tail {
            tail.store(self.tx, last.at.as_millis())?;
        }
        self.tx
            .prepare_cached("UPDATE progress SET record = ?1, hash = ?2")?
            .execute(params![last.number as i64, last.hash.as_slice()])?;
        self.prune(last.at)?;
        Ok(self.unreadable)
    }

    fn decision(&mut self, decision: &Decision) -> rusqlite::Result<()> {
        match decision {
            Decision::Verdict(line) => self.verdict(line),
            Decision::Alarm(line) => self.alarm(line),
            Decision::Incident(line) => self.incident(line),
            Decision::Intent(intent) => self.intent(intent),
        }
    }

    fn verdict(&mut self, v: &VerdictLine) -> rusqlite::Result<()> {
        let incident = v.incident.as_ref().map(IncidentId::as_str);
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO verdicts VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![
                v.event as i64,
                v.at.as_millis(),
                v.target.as_deref(),
                v.verdict.word(),
                incident,
                cut(&v.reason)
            ])?;
        let Some(incident) = incident else { return Ok(()) };
        self.count(incident, v.verdict.word(), 1)?;
        // An alarm's way is told by its own lines; of the verdicts only those belong into the
        // diary that no other line tells.
        if matches!(v.verdict, Verdict::Opened | Verdict::Command | Verdict::Desk) {
            self.diary(&Entry {
                incident,
                at: v.at,
                kind: "verdict",
                word: v.verdict.word(),
                subject: v.target.as_deref(),
                event: Some(v.event),
                reason: &v.reason,
                ..Entry::default()
            })?;
        }
        Ok(())
    }

    fn alarm(&mut self, a: &AlarmLine) -> rusqlite::Result<()> {
        let incident = a.incident.as_ref().map(IncidentId::as_str);
        self.tx
            .prepare_cached("INSERT OR REPLACE INTO alarms VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                &*a.target,
                &*a.check,
                a.state.word(),
                a.was.word(),
                a.at.as_millis(),
                incident,
                cut(&a.reason)
            ])?;
        let Some(incident) = incident else { return Ok(()) };
        self.diary(&Entry {
            incident,
            at: a.at,
            kind: "alarm",
            word: a.state.word(),
            subject: Some(&a.target),
            aside: Some(&a.check),
            reason: &a.reason,
            ..Entry::default()
        })
    }

    fn incident(&mut self, i: &IncidentLine) -> rusqlite::Result<()> {
        let id = i.id.as_str();
        let open = i.into.is_none()
            && i.change != Change::Merged
            && !matches!(i.work, Work::Resolved | Work::Closed);
        let at = i.at.as_millis();
        let when = |yes: bool| yes.then_some(at);
        // Whoever takes the ticket has seen it.
        let seen = matches!(i.change, Change::Acknowledged | Change::Assigned);
        let affected = serde_json::json!({
            "devices": i.affected.devices, "sites": i.affected.sites,
            "services": i.affected.services, "users": i.affected.users,
        });
        let root = serde_json::json!(i.root);
        // Instants are set by the change that they belong to, and taken back when it is undone.
        self.tx
            .prepare_cached(
                "INSERT INTO incidents (id, open, title, condition, work, priority, scope, root,
                    affected, since, opened_at, updated_at, recovered_at, resolved_at, closed_at,
                    acknowledged_at, acknowledged_by, change, reason, into_id, recurrence_of)
                 VALUES (?1, ?2, coalesce((SELECT title FROM titles WHERE incident = ?1), ''),
                    ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
                 ON CONFLICT (id) DO UPDATE SET open = ?2, condition = ?3, work = ?4,
                    priority = ?5, scope = ?6, root = ?7, affected = ?8, since = ?9,
                    updated_at = ?10,
                    recovered_at = iif(?20, NULL, coalesce(?11, recovered_at)),
                    resolved_at = iif(?2, NULL, coalesce(?12, resolved_at)),
                    closed_at = iif(?2, NULL, coalesce(?13, closed_at)),
                    acknowledged_at = coalesce(?14, acknowledged_at),
                    acknowledged_by = coalesce(?15, acknowledged_by),
                    change = ?16,
                    -- What a person did, or that it is over, is no reason why it is an incident.
                    reason = iif(?16 IN ('opened', 'updated', 'rerooted', 'reopened', 'merged'), ?17, reason),
                    into_id = coalesce(?18, into_id), recurrence_of = coalesce(?19, recurrence_of)",
            )?
            .execute(params![
                id,
                open,
                i.condition.word(),
                i.work.word(),
                i.priority.word(),
                i.scope.word(),
                root.to_string(),
                affected.to_string(),
                i.since.as_millis(),
                at,
                when(i.change == Change::Recovered),
                when(!open && i.change != Change::Closed),
                when(matches!(i.change, Change::Closed)),
                when(seen),
                seen.then_some(i.by.as_deref()).flatten(),
                i.change.word(),
                cut(&i.reason),
                i.into.as_ref().map(IncidentId::as_str),
                i.recurrence_of.as_ref().map(IncidentId::as_str),
                i.condition == model::Condition::Failing,
            ])?;
        let aside = format!("{} {}", i.priority.word(), i.scope.word());
        self.diary(&Entry {
            incident: id,
            at: i.at,
            kind: "incident",
            word: i.change.word(),
            subject: i.into.as_ref().map(IncidentId::as_str),
            aside: Some(&aside),
            by: i.by.as_deref(),
            reason: &i.reason,
            ..Entry::default()
        })
    }

    fn intent(&mut self, i: &Intent) -> rusqlite::Result<()> {
        let incident = i.incident.as_str();
        if !i.title.is_empty() {
            let title = cut(&i.title);
            self.tx
                .prepare_cached("INSERT OR REPLACE INTO titles VALUES (?1, ?2)")?
                .execute(params![incident, title])?;
            self.tx
                .prepare_cached("UPDATE incidents SET title = ?2 WHERE id = ?1")?
                .execute(params![incident, title])?;
        }
        // The whole text of a ticket is on the ticket; the diary says what it was about.
        let said = match i.op {
            IntentOp::Note | IntentOp::Resolve | IntentOp::Reopen | IntentOp::Merge => &i.text,
            IntentOp::Create | IntentOp::Reprioritise | IntentOp::Notify => &i.title,
        };
        self.diary(&Entry {
            incident,
            at: i.at,
            kind: "intent",
            word: i.op.word(),
            aside: Some(i.priority.word()),
            event: Some(i.event),
            reason: said,
            ..Entry::default()
        })
    }

    fn delivery(&mut self, d: &DeliveryLine) -> rusqlite::Result<()> {
        let incident = d.incident.as_str();
        let ticket = d.ticket.as_ref();
        self.tx
            .prepare_cached(
                "INSERT INTO tickets VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,
                    ?14, ?15, ?15, ?16)
                 ON CONFLICT (incident, desk) DO UPDATE SET key = ?3, generation = ?4, told = ?5,
                    step = ?6, call = ?7, ticket = ?8, url = ?9, priority = ?10, open = ?11,
                    revision = ?12, attempt = ?13, next_try = ?14, updated_at = ?15, reason = ?16",
            )?
            .execute(params![
                incident,
                &*d.desk,
                d.key,
                d.generation,
                told(d),
                d.step.word(),
                d.call.map(model::DeskCall::word),
                ticket.map(|t| t.id.as_str()),
                ticket.and_then(|t| t.url.as_deref()),
                d.priority.map(model::Priority::word),
                d.open,
                d.revision,
                d.attempt,
                d.next_try.map(Timestamp::as_millis),
                d.at.as_millis(),
                cut(&d.reason),
            ])?;
        if !worth_telling(d) {
            return Ok(());
        }
        let aside = match (d.call, ticket) {
            (Some(call), Some(t)) => format!("{call} {}", t.id),
            (Some(call), None) => call.word().to_owned(),
            (None, Some(t)) => format!("- {}", t.id),
            (None, None) => "-".to_owned(),
        };
        self.diary(&Entry {
            incident,
            at: d.at,
            kind: "delivery",
            word: d.step.word(),
            subject: Some(&d.desk),
            aside: Some(&aside),
            reason: &d.reason,
            ..Entry::default()
        })
    }

    fn diary(&mut self, e: &Entry<'_>) -> rusqlite::Result<()> {
        let chatty =
            matches!((e.kind, e.word), ("alarm", _) | ("incident", "updated") | (_, "note"));
        if chatty && self.count(e.incident, TALLY_CHATTY, 1)? > DIARY_CHATTY_MAX {
            self.count(e.incident, TALLY_LEFT_OUT, 1)?;
            return Ok(());
        }
        let n = self.count(e.incident, TALLY_KEPT, 1)?;
        if n > DIARY_LINES_MAX {
            self.count(e.incident, TALLY_LEFT_OUT, 1)?;
            return Ok(());
        }
        self.tx
            .prepare_cached("INSERT INTO diary VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?
            .execute(params![
                e.incident,
                n,
                e.at.as_millis(),
                e.kind,
                e.word,
                e.subject,
                e.aside,
                e.by,
                e.event.map(|n| n as i64),
                cut(e.reason)
            ])?;
        Ok(())
    }

    /// Counts, and says how many it are now.
    fn count(&self, incident: &str, word: &str, by: i64) -> rusqlite::Result<i64> {
        self.tx
            .prepare_cached(
                "INSERT INTO tally VALUES (?1, ?2, ?3)
                 ON CONFLICT (incident, word) DO UPDATE SET n = n + ?3 RETURNING n",
            )?
            .query_row(params![incident, word, by], |r| r.get(0))
    }

    fn not_understood(&mut self, record: u64, line: usize, error: &str) -> rusqlite::Result<()> {
        self.unreadable += 1;
        tracing::warn!(record, line, error, "a line of a record cannot be read and is passed over");
        let kept: i64 = self.tx.query_row("SELECT count(*) FROM unreadable", [], |r| r.get(0))?;
        if kept < UNREADABLE_KEPT_MAX {
            self.tx.execute(
                "INSERT INTO unreadable VALUES (?1, ?2, ?3)",
                params![record as i64, line as i64, cut(error)],
            )?;
        }
        Ok(())
    }

    /// Drops what is too old, an hour's worth at a time. An incident that is still open stays,
    /// with all that belongs to it.
    fn prune(&self, now: Timestamp) -> rusqlite::Result<()> {
        let pruned_at: i64 =
            self.tx.query_row("SELECT pruned_at FROM progress", [], |r| r.get(0))?;
        if now.since(Timestamp::from_millis(pruned_at)) < PRUNE_EVERY {
            return Ok(());
        }
        let old = (now - KEPT).as_millis();
        let drop_from = |sql: &str, arg: Value| self.tx.execute(sql, params![arg, PRUNE_ROWS_MAX]);
        drop_from(
            "DELETE FROM verdicts WHERE event IN
                (SELECT event FROM verdicts WHERE at < ?1 LIMIT ?2)",
            old.into(),
        )?;
        drop_from(
            "DELETE FROM routine WHERE first IN
                (SELECT first FROM routine WHERE at < ?1 ORDER BY first LIMIT ?2)",
            (now - ROUTINE_KEPT).as_millis().into(),
        )?;
        drop_from(
            "DELETE FROM alarms WHERE (target, name) IN
                (SELECT target, name FROM alarms WHERE state = 'ok' AND since < ?1 LIMIT ?2)",
            old.into(),
        )?;
        let mut gone = self.tx.prepare_cached(
            "SELECT id FROM incidents WHERE updated_at < ?1 AND open = 0 LIMIT ?2",
        )?;
        let gone: Vec<String> = gone
            .query_map(params![old, PRUNE_ROWS_MAX / 10], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        for id in gone {
            for (table, key) in [
                ("incidents", "id"),
                ("diary", "incident"),
                ("tally", "incident"),
                ("titles", "incident"),
                ("tickets", "incident"),
            ] {
                self.tx
                    .prepare_cached(&format!("DELETE FROM {table} WHERE {key} = ?1"))?
                    .execute([&id])?;
            }
        }
        self.tx.execute("UPDATE progress SET pruned_at = ?1", [now.as_millis()])?;
        Ok(())
    }
}

/// A line for the diary.
#[derive(Default)]
struct Entry<'a> {
    incident: &'a str,
    at: Timestamp,
    kind: &'a str,
    word: &'a str,
    subject: Option<&'a str>,
    aside: Option<&'a str>,
    by: Option<&'a str>,
    event: Option<u64>,
    reason: &'a str,
}

/// Whether the desk has been told: one word for the many steps.
fn told(d: &DeliveryLine) -> &'static str {
    use DeliveryStep::{
        Checked, Confirmed, Doubtful, DryRun, Found, GivenUp, Gone, Heard, NotFound, Refused,
        Reserved, Sending, Settled, Twin, Unable, Unanswered, Unkeyed,
    };
    let known = d.ticket.is_some();
    match d.step {
        DryRun => "dry-run",
        // It was over before there was a ticket, and gets none.
        Settled if !known => "passed",
        Doubtful => "doubtful",
        // A look after a doubt that shows nothing, or fails, leaves the doubt as it was; a look
        // before anything was sent has no deadline to be in doubt about.
        NotFound | Unanswered if !known && d.deadline.is_some() => "doubtful",
        Confirmed | Found | Checked | Settled | GivenUp | Unable | Unkeyed | Twin | Heard
            if known =>
        {
            "told"
        }
        Reserved | Sending | Refused | NotFound | Unanswered | Confirmed | Found | Checked
        | Settled | GivenUp | Unable | Unkeyed | Twin | Heard | Gone => "pending",
    }
}

/// Whether a step belongs into the diary: what changed something or explains a wait, not each of
/// two hundred tries of a night in which the desk was away (the powers of two of them do).
fn worth_telling(d: &DeliveryLine) -> bool {
    match d.step {
        DeliveryStep::Reserved
        | DeliveryStep::Sending
        | DeliveryStep::Checked
        // The desk's news are events, and tell it themselves.
        | DeliveryStep::Heard => false,
        DeliveryStep::Settled => d.ticket.is_none(),
        DeliveryStep::Refused | DeliveryStep::Unanswered => d.attempt.is_power_of_two(),
        DeliveryStep::Confirmed
        | DeliveryStep::Doubtful
        | DeliveryStep::Found
        | DeliveryStep::NotFound
        | DeliveryStep::GivenUp
        | DeliveryStep::Unkeyed
        | DeliveryStep::Unable
        | DeliveryStep::Twin
        | DeliveryStep::Gone
        | DeliveryStep::DryRun => true,
    }
}

/// The text up to the bound, at a character's edge.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The number of the last record whose rows are here, with its hash.
pub(crate) fn progress(db: &Connection) -> rusqlite::Result<(u64, Option<[u8; 32]>)> {
    let row: Option<(i64, Option<Vec<u8>>)> = db
        .prepare_cached("SELECT record, hash FROM progress")?
        .query_row([], |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let (record, hash) = row.unwrap_or((0, None));
    Ok((record as u64, hash.and_then(|h| h.try_into().ok())))
}
