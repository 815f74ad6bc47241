//! From rows to documents.

use crate::ViewsError;
use crate::apply::TALLY_LEFT_OUT;
use crate::diary::{self, Kept};
use crate::docs::{
    AffectedDoc, AlarmDoc, CountsDoc, DiaryLine, ExplainDoc, IncidentDetail, IncidentDoc,
    IncidentPage, TicketDoc, VerdictDoc,
};
use crate::routine;
use model::settings::Language;
use model::{Reader, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeMap;

/// Most rows that one question gets.
pub const LIMIT_MAX: usize = 500;

/// Which incidents are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// Those that still want somebody.
    #[default]
    Open,
    /// Those that do not.
    Resolved,
    /// All of them.
    All,
}

/// A question for incidents.
#[derive(Debug, Clone, Default)]
pub struct IncidentFilter {
    /// Which.
    pub which: Which,
    /// How many at most; 0 and anything above [`LIMIT_MAX`] mean that.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

const INCIDENT: &str = "SELECT id, title, open, condition, work, priority, scope, root, affected,
    since, opened_at, updated_at, recovered_at, resolved_at, closed_at, acknowledged_at,
    acknowledged_by, change, reason, into_id, recurrence_of FROM incidents";

const ALARM: &str = "SELECT target, name, state, was, since, incident, reason FROM alarms";

const TICKET: &str = "SELECT incident, desk, told, step, call, ticket, url, key, priority, open,
    attempt, next_try, since, updated_at, reason FROM tickets";

fn time(ms: i64) -> String {
    Timestamp::from_millis(ms).to_string()
}

/// The newest first.
pub(crate) fn incidents(
    db: &Connection,
    filter: &IncidentFilter,
) -> Result<IncidentPage, ViewsError> {
    let limit = match filter.limit {
        0 => LIMIT_MAX,
        n => n.min(LIMIT_MAX),
    };
    let (before, id) = match &filter.cursor {
        None => (i64::MAX, String::new()),
        Some(cursor) => cursor
            .split_once('.')
            .and_then(|(ms, id)| Some((ms.parse().ok()?, id.to_owned())))
            .ok_or(ViewsError::BadCursor)?,
    };
    let which = match filter.which {
        Which::Open => "open = 1 AND",
        Which::Resolved => "open = 0 AND",
        Which::All => "",
    };
    let sql = format!(
        "{INCIDENT} WHERE {which} (opened_at, id) < (?1, ?2) ORDER BY opened_at DESC, id DESC LIMIT ?3"
    );
    let mut rows: Vec<(i64, IncidentDoc)> = db
        .prepare_cached(&sql)?
        .query_map(params![before, id, limit as i64 + 1], |r| {
            Ok((r.get("opened_at")?, incident_doc(r)?))
        })?
        .collect::<Result<_, _>>()?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = match rows.last() {
        Some((ms, last)) if more => Some(format!("{ms}.{}", last.id)),
        _ => None,
    };
    let mut incidents: Vec<IncidentDoc> = rows.into_iter().map(|(_, doc)| doc).collect();
    for doc in &mut incidents {
        doc.tickets = tickets_of(db, &doc.id)?;
    }
    Ok(IncidentPage { incidents, next })
}

/// Those that went away last, the newest first.
pub(crate) fn recently_resolved(
    db: &Connection,
    limit: usize,
) -> Result<Vec<IncidentDoc>, ViewsError> {
    let sql = format!("{INCIDENT} WHERE open = 0 ORDER BY updated_at DESC, id DESC LIMIT ?1");
    let mut docs: Vec<IncidentDoc> = db
        .prepare_cached(&sql)?
        .query_map([limit.min(LIMIT_MAX) as i64], incident_doc)?
        .collect::<Result<_, _>>()?;
    for doc in &mut docs {
        doc.tickets = tickets_of(db, &doc.id)?;
    }
    Ok(docs)
}

/// One incident with all that belongs to it.
pub(crate) fn incident(
    db: &Connection,
    id: &str,
    reader: &Reader,
) -> Result<Option<IncidentDetail>, ViewsError> {
    let sql = format!("{INCIDENT} WHERE id = ?1");
    let found = db.prepare_cached(&sql)?.query_row([id], incident_doc).optional()?;
    let Some(mut incident) = found else { return Ok(None) };
    incident.tickets = tickets_of(db, id)?;
    incident.reason = reader.sentence(&incident.reason);

    let mut verdicts: BTreeMap<String, u64> = db
        .prepare_cached("SELECT word, n FROM tally WHERE incident = ?1")?
        .query_map([id], |r| Ok((r.get(0)?, r.get::<_, i64>(1)? as u64)))?
        .collect::<Result<_, _>>()?;
    let diary_left_out = verdicts.remove(TALLY_LEFT_OUT).unwrap_or(0);
    // The other counts of the diary.
    verdicts.retain(|word, _| !word.contains(' '));

    let diary = db
        .prepare_cached(
            "SELECT at, kind, word, subject, aside, by, event, reason FROM diary
             WHERE incident = ?1 ORDER BY n",
        )?
        .query_map([id], |r| diary_line(r, reader))?
        .collect::<Result<Vec<_>, _>>()?;
    let sql =
        format!("{ALARM} WHERE incident = ?1 AND state != 'ok' ORDER BY target, name LIMIT ?2");
    let alarms = db
        .prepare_cached(&sql)?
        .query_map(params![id, LIMIT_MAX as i64], alarm_doc)?
        .map(|a| {
            Ok(AlarmDoc { reason: reader.sentence(a.as_ref().map_or("", |a| &a.reason)), ..a? })
        })
        .collect::<Result<Vec<_>, rusqlite::Error>>()?;
    Ok(Some(IncidentDetail { incident, diary, diary_left_out, verdicts, alarms }))
}

/// Alarms that are not good, by target and check.
pub(crate) fn alarms(
    db: &Connection,
    limit: usize,
    with_ok: bool,
) -> Result<Vec<AlarmDoc>, ViewsError> {
    let which = if with_ok { "" } else { "WHERE state != 'ok'" };
    let sql = format!("{ALARM} {which} ORDER BY target, name LIMIT ?1");
    Ok(db.prepare_cached(&sql)?.query_map([limit as i64], alarm_doc)?.collect::<Result<_, _>>()?)
}

/// Tickets, those in motion and those of open incidents first.
pub(crate) fn tickets(db: &Connection, limit: usize) -> Result<Vec<TicketDoc>, ViewsError> {
    let sql = format!("{TICKET} ORDER BY open DESC, updated_at DESC, incident, desk LIMIT ?1");
    Ok(db.prepare_cached(&sql)?.query_map([limit as i64], ticket_doc)?.collect::<Result<_, _>>()?)
}

/// What an event came to; None when it is not decided yet, or too old.
pub(crate) fn verdict(db: &Connection, event: u64) -> Result<Option<VerdictDoc>, ViewsError> {
    let Ok(number) = i64::try_from(event) else { return Ok(None) };
    let row = db
        .prepare_cached(
            "SELECT at, target, verdict, incident, reason FROM verdicts WHERE event = ?1",
        )?
        .query_row([number], |r| {
            Ok(VerdictDoc {
                event,
                routine: false,
                at: time(r.get(0)?),
                target: r.get(1)?,
                verdict: r.get(2)?,
                incident: r.get(3)?,
                reason: r.get(4)?,
            })
        })
        .optional()?;
    if row.is_some() {
        return Ok(row);
    }
    Ok(routine::look_up(db, number)?.map(|(verdict, at_ms)| VerdictDoc {
        event,
        verdict: verdict.word().to_owned(),
        routine: true,
        at: time(at_ms),
        target: None,
        incident: None,
        reason: None,
    }))
}

/// The alarms of a target, or of one check of it.
pub(crate) fn alarms_of(
    db: &Connection,
    target: &str,
    check: Option<&str>,
) -> Result<Vec<AlarmDoc>, ViewsError> {
    let sql =
        format!("{ALARM} WHERE target = ?1 AND (?2 IS NULL OR name = ?2) ORDER BY name LIMIT ?3");
    Ok(db
        .prepare_cached(&sql)?
        .query_map(params![target, check, LIMIT_MAX as i64], alarm_doc)?
        .collect::<Result<_, _>>()?)
}

/// Why something is as it is. Understands an event's number, an incident's id, `last` (the newest
/// incident), a target, and `target check` or `target*check` for one alarm.
pub(crate) fn explain(
    db: &Connection,
    what: &str,
    reader: &Reader,
) -> Result<Option<ExplainDoc>, ViewsError> {
    let what = what.trim();
    let number = what.strip_prefix("event:").or(what.strip_prefix('#')).unwrap_or(what);
    if let Ok(event) = number.parse::<u64>() {
        return explain_event(db, event, reader);
    }
    let newest = || {
        db.query_row("SELECT id FROM incidents ORDER BY opened_at DESC, id DESC LIMIT 1", [], |r| {
            r.get::<_, String>(0)
        })
        .optional()
    };
    let id = if what == "last" { newest()? } else { Some(what.to_owned()) };
    if let Some(detail) = id.map(|id| incident(db, &id, reader)).transpose()?.flatten() {
        return Ok(Some(explain_incident(detail, reader)));
    }
    let (target, check) = match what.split_once([' ', '*']) {
        Some((target, check)) => (target, Some(check)),
        None => (what, None),
    };
    let alarms = alarms_of(db, target, check)?;
    let Some(worst) = alarms.iter().find(|a| a.state != "ok").or(alarms.first()) else {
        return Ok(None);
    };
    let detail = match &worst.incident {
        Some(id) => incident(db, id, reader)?,
        None => None,
    };
    let because = alarms
        .iter()
        .map(|a| {
            let since = a.since.parse().map_or_else(|_| a.since.clone(), |at| reader.time(at));
            let reason = reader.sentence(&a.reason);
            format!("{} · {}: {} ({since}). {reason}", a.target, a.check, a.state)
        })
        .collect();
    let otherwise = detail.as_ref().map(|d| otherwise_of(d, reader)).unwrap_or_default();
    let kind = if check.is_some() { "alarm" } else { "target" }.to_owned();
    Ok(Some(ExplainDoc {
        what: what.to_owned(),
        kind,
        because,
        otherwise,
        alarms,
        incident: detail,
        ..ExplainDoc::default()
    }))
}

fn explain_event(
    db: &Connection,
    event: u64,
    reader: &Reader,
) -> Result<Option<ExplainDoc>, ViewsError> {
    let Some(verdict) = verdict(db, event)? else { return Ok(None) };
    let detail = match &verdict.incident {
        Some(id) => incident(db, id, reader)?,
        None => None,
    };
    let (meaning, other) = diary::meaning(&verdict.verdict, reader.language);
    let mut because = vec![format!("{}: {meaning}", verdict.verdict)];
    because.extend(verdict.reason.as_deref().filter(|r| !r.is_empty()).map(|r| reader.sentence(r)));
    let alarms = match &verdict.target {
        Some(target) => alarms_of(db, target, None)?,
        None => Vec::new(),
    };
    Ok(Some(ExplainDoc {
        what: event.to_string(),
        kind: "event".to_owned(),
        because,
        otherwise: Some(other.to_owned()).filter(|o| !o.is_empty()).into_iter().collect(),
        verdict: Some(verdict),
        alarms,
        incident: detail,
        ..ExplainDoc::default()
    }))
}

fn explain_incident(detail: IncidentDetail, reader: &Reader) -> ExplainDoc {
    let i = &detail.incident;
    // What it is about was said when it was last (re)judged; the newest line may be a person's.
    let judged = ["opened", "updated", "rerooted", "split", "reopened", "merged"];
    let about = detail.diary.iter().rev();
    let mut about = about.filter(|l| l.kind == "incident" && judged.contains(&l.word.as_str()));
    let mut because: Vec<String> = about.next().map(|l| l.text.clone()).into_iter().collect();
    if !because.iter().any(|b| b.ends_with(i.reason.trim())) {
        because.push(i.reason.clone());
    }
    for (verdict, n) in &detail.verdicts {
        because.push(format!("{n} × {verdict}: {}", diary::meaning(verdict, reader.language).0));
    }
    ExplainDoc {
        what: i.id.clone(),
        kind: "incident".to_owned(),
        because,
        otherwise: otherwise_of(&detail, reader),
        alarms: detail.alarms.clone(),
        incident: Some(detail),
        ..ExplainDoc::default()
    }
}

fn otherwise_of(detail: &IncidentDetail, reader: &Reader) -> Vec<String> {
    let root = detail.incident.root.join(", ");
    let mut out = vec![match reader.language {
        Language::Id => {
            format!(
                "Jika {root} menjawab, insiden ini tidak dibuka dan yang di belakangnya dinilai sendiri-sendiri."
            )
        }
        Language::En => {
            format!(
                "Had {root} answered, this incident would not stand and what is behind it would be judged by itself."
            )
        }
    }];
    if detail.verdicts.contains_key("suppressed-by-root") {
        out.push(diary::meaning("suppressed-by-root", reader.language).1.to_owned());
    }
    out
}

fn tickets_of(db: &Connection, incident: &str) -> Result<Vec<TicketDoc>, ViewsError> {
    let sql = format!("{TICKET} WHERE incident = ?1 ORDER BY desk");
    Ok(db.prepare_cached(&sql)?.query_map([incident], ticket_doc)?.collect::<Result<_, _>>()?)
}

fn incident_doc(r: &Row<'_>) -> rusqlite::Result<IncidentDoc> {
    let instant = |key: &str| Ok::<_, rusqlite::Error>(r.get::<_, Option<i64>>(key)?.map(time));
    let root: Vec<String> = from_json(&r.get::<_, String>("root")?);
    let affected: serde_json::Value = from_json(&r.get::<_, String>("affected")?);
    let list = |key: &str| -> Vec<String> {
        serde_json::from_value(affected[key].clone()).unwrap_or_default()
    };
    let affected = AffectedDoc {
        devices: list("devices"),
        sites: list("sites"),
        services: list("services"),
        users: affected["users"].as_u64().unwrap_or(0),
    };
    let title: String = r.get("title")?;
    // The priority stands beside it, and may have changed since.
    let title = without_priority(&title);
    Ok(IncidentDoc {
        id: r.get("id")?,
        title: if title.is_empty() { root.join(", ") } else { title.to_owned() },
        open: r.get("open")?,
        condition: r.get("condition")?,
        work: r.get("work")?,
        priority: r.get("priority")?,
        scope: r.get("scope")?,
        root,
        counts: CountsDoc {
            devices: affected.devices.len(),
            sites: affected.sites.len(),
            services: affected.services.len(),
            users: affected.users,
        },
        affected,
        since: time(r.get("since")?),
        opened_at: time(r.get("opened_at")?),
        updated_at: time(r.get("updated_at")?),
        recovered_at: instant("recovered_at")?,
        resolved_at: instant("resolved_at")?,
        closed_at: instant("closed_at")?,
        acknowledged_at: instant("acknowledged_at")?,
        acknowledged_by: r.get("acknowledged_by")?,
        change: r.get("change")?,
        reason: r.get("reason")?,
        into: r.get("into_id")?,
        recurrence_of: r.get("recurrence_of")?,
        tickets: Vec::new(),
    })
}

/// `[P1] what` without its first word.
fn without_priority(title: &str) -> &str {
    match title.split_once("] ") {
        Some((word, rest)) if word.len() == 3 && word.starts_with("[P") => rest,
        _ => title,
    }
}

/// What we wrote ourselves; a row that was tampered with shows as empty rather than as a failure
/// of the whole page.
fn from_json<T: serde::de::DeserializeOwned + Default>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_default()
}

fn alarm_doc(r: &Row<'_>) -> rusqlite::Result<AlarmDoc> {
    Ok(AlarmDoc {
        target: r.get(0)?,
        check: r.get(1)?,
        state: r.get(2)?,
        was: r.get(3)?,
        since: time(r.get(4)?),
        incident: r.get(5)?,
        reason: r.get(6)?,
    })
}

fn ticket_doc(r: &Row<'_>) -> rusqlite::Result<TicketDoc> {
    Ok(TicketDoc {
        incident: r.get(0)?,
        desk: r.get(1)?,
        told: r.get(2)?,
        step: r.get(3)?,
        call: r.get(4)?,
        ticket: r.get(5)?,
        url: r.get(6)?,
        key: r.get(7)?,
        priority: r.get(8)?,
        open: r.get(9)?,
        attempt: r.get(10)?,
        next_try: r.get::<_, Option<i64>>(11)?.map(time),
        since: time(r.get(12)?),
        updated_at: time(r.get(13)?),
        reason: r.get(14)?,
    })
}

fn diary_line(r: &Row<'_>, reader: &Reader) -> rusqlite::Result<DiaryLine> {
    let kept = Kept {
        kind: r.get(1)?,
        word: r.get(2)?,
        subject: r.get(3)?,
        aside: r.get(4)?,
        by: r.get(5)?,
        reason: r.get(7)?,
    };
    Ok(DiaryLine {
        at: time(r.get(0)?),
        text: diary::sentence(&kept, reader),
        kind: kept.kind,
        word: kept.word,
        subject: kept.subject,
        by: kept.by,
        event: r.get::<_, Option<i64>>(6)?.map(|n| n as u64),
    })
}
