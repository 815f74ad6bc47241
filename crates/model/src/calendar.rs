//! What is planned: maintenance and silences, and the seasons of the year. Spans of time with an
//! end, once or again and again.
//!
//! A span that recurs does so by a rule of RFC 5545 (`FREQ=WEEKLY;BYDAY=TU`) in the time zone of the
//! installation; what it lasts is what its first one lasts. Whoever asks says what time it is and
//! gets one span back: the one that lasts, or the next. Nothing is ever expanded into a list.

use crate::inventory::Criticality;
use crate::time::Timestamp;
use chrono::TimeZone;
use rrule::{RRule, RRuleSet, Tz, Unvalidated};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A span of time in which alarms of its scope are expected (maintenance) or unwanted (silence).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The change that it is for, as the change process calls it.
    pub change: Option<String>,
    /// Ids of devices, links, services and sites; or `class:x`, `tag:x`. A site covers its devices,
    /// a device its ports and the links that end at it.
    pub scope: Vec<String>,
    /// From here …
    pub start: Timestamp,
    /// … to here. There is always an end.
    pub end: Timestamp,
    /// It comes again by this rule; `start` and `end` are its first span then.
    pub rrule: Option<String>,
    /// A silence rather than maintenance.
    pub silence: bool,
}

impl Window {
    /// From when to when it lasts, at `now` or the next time after; `None`: it is over.
    pub fn span_at(&self, now: Timestamp, zone: &str) -> Option<(Timestamp, Timestamp)> {
        span_at(self.start, self.end, self.rrule.as_deref(), now, zone)
    }

    /// `maintenance` or `silence`.
    pub fn word(&self) -> &'static str {
        if self.silence { "silence" } else { "maintenance" }
    }
}

/// A season in which some services matter more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Season {
    /// Its name.
    pub name: String,
    /// From here …
    pub from: Timestamp,
    /// … to here.
    pub to: Timestamp,
    /// It comes again by this rule.
    pub rrule: Option<String>,
    /// The ids of the services that matter more.
    pub services: Vec<String>,
    /// How much they matter then, and the devices that they need.
    pub criticality: Criticality,
}

impl Season {
    /// From when to when it lasts, at `now` or the next time after; `None`: it is over.
    pub fn span_at(&self, now: Timestamp, zone: &str) -> Option<(Timestamp, Timestamp)> {
        span_at(self.from, self.to, self.rrule.as_deref(), now, zone)
    }
}

/// Why a rule cannot be used, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {help}")]
pub struct WrongRule {
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub help: String,
}

/// The rule as it is kept: upper case, without `RRULE:` before it.
///
/// # Errors
/// It is no rule, it never happens, or one span would begin before the one before it has ended.
pub fn check_rule(
    rule: &str,
    start: Timestamp,
    end: Timestamp,
    zone: &str,
) -> Result<String, WrongRule> {
    let rule = tidy(rule);
    let set = parse(&rule, start, zone)?;
    let long = end.since(start);
    let first: Vec<Timestamp> = set.all(LOOKED_AT).dates.iter().map(instant_of).collect();
    if first.is_empty() {
        return Err(wrong(format!("{rule:?} never happens"), "look at its BY… parts and UNTIL"));
    }
    let overlap = first.iter().zip(first.iter().skip(1)).find(|(a, b)| **b < **a + long);
    if let Some((_, again)) = overlap {
        let long = crate::time::show_duration(long);
        let why = format!("it lasts {long}, but comes again at {again} already");
        return Err(wrong(why, "make it shorter, or let it come less often"));
    }
    Ok(rule)
}

/// Whether a rule ends by itself: by `COUNT` or `UNTIL`.
pub fn rule_ends(rule: &str) -> bool {
    let rule = tidy(rule);
    rule.split(';').any(|p| p.starts_with("COUNT=") || p.starts_with("UNTIL="))
}

/// How many spans of a rule are looked at before it is believed: two years of weeks.
const LOOKED_AT: u16 = 104;

/// The parts that a rule may have.
const PARTS: &[&str] = &[
    "FREQ",
    "INTERVAL",
    "COUNT",
    "UNTIL",
    "BYDAY",
    "BYMONTHDAY",
    "BYMONTH",
    "BYSETPOS",
    "BYWEEKNO",
    "BYYEARDAY",
    "WKST",
];
/// How often something may come.
const FREQUENCIES: &[&str] = &["DAILY", "WEEKLY", "MONTHLY", "YEARLY"];

fn span_at(
    start: Timestamp,
    end: Timestamp,
    rule: Option<&str>,
    now: Timestamp,
    zone: &str,
) -> Option<(Timestamp, Timestamp)> {
    let Some(rule) = rule else { return (now < end).then_some((start, end)) };
    let long = end.since(start);
    let set = parse(rule, start, zone).ok()?;
    // The first that has not ended: it begins later than this long before now.
    let after = datetime(now - long + Duration::from_secs(1), zone_called(zone)?)?;
    let begin = set.after(after).all(1).dates.first().map(instant_of)?;
    Some((begin, begin + long))
}

fn tidy(rule: &str) -> String {
    let rule = rule.trim().to_ascii_uppercase();
    rule.strip_prefix("RRULE:").unwrap_or(&rule).trim_end_matches(';').replace(' ', "")
}

fn parse(rule: &str, start: Timestamp, zone: &str) -> Result<RRuleSet, WrongRule> {
    const EXAMPLE: &str = "write it like \"FREQ=WEEKLY;BYDAY=TU\"";
    let tz = zone_called(zone).ok_or_else(|| {
        wrong(
            format!("no rule can be reckoned in the time zone {zone:?}"),
            "use one of the IANA data base",
        )
    })?;
    for part in rule.split(';') {
        let Some((key, value)) = part.split_once('=') else {
            return Err(wrong(format!("{part:?} in the rule is not KEY=VALUE"), EXAMPLE));
        };
        if !PARTS.contains(&key) {
            let why = format!("{key:?} is no part of a rule");
            return Err(wrong(why, &meant(key, PARTS)));
        }
        if key == "FREQ" && !FREQUENCIES.contains(&value) {
            return Err(wrong(format!("FREQ is {value:?}"), &meant(value, FREQUENCIES)));
        }
    }
    let start = datetime(start, tz)
        .ok_or_else(|| wrong(format!("{start} is out of range"), "begin some time this century"))?;
    let rule = until_in_utc(rule, tz);
    let refused = |e: rrule::RRuleError| {
        let e = e.to_string();
        let why = e.split_once("error: ").map_or(&*e, |(_, why)| why).replace('`', "\"");
        wrong(why.trim_end_matches('.').to_owned(), EXAMPLE)
    };
    let parsed: RRule<Unvalidated> = rule.parse().map_err(refused)?;
    parsed.build(start).map_err(refused)
}

/// `UNTIL` as people write it is a day or a local time; the standard wants UTC.
fn until_in_utc(rule: &str, tz: Tz) -> String {
    let part = |p: &str| -> Option<String> {
        let until = p.strip_prefix("UNTIL=").filter(|u| !u.ends_with('Z'))?;
        let text = if until.len() == 8 { format!("{until}T235959") } else { until.to_owned() };
        let local = chrono::NaiveDateTime::parse_from_str(&text, "%Y%m%dT%H%M%S").ok()?;
        let utc = tz.from_local_datetime(&local).earliest()?.with_timezone(&chrono::Utc);
        Some(format!("UNTIL={}", utc.format("%Y%m%dT%H%M%SZ")))
    };
    let parts: Vec<String> =
        rule.split(';').map(|p| part(p).unwrap_or_else(|| p.to_owned())).collect();
    parts.join(";")
}

fn zone_called(name: &str) -> Option<Tz> {
    name.parse::<chrono_tz::Tz>().ok().map(Tz::from)
}

/// To the second: rules know no finer time.
fn datetime(t: Timestamp, tz: Tz) -> Option<chrono::DateTime<Tz>> {
    tz.timestamp_opt(t.as_millis().div_euclid(1000), 0).single()
}

fn instant_of(t: &chrono::DateTime<Tz>) -> Timestamp {
    Timestamp::from_millis(t.timestamp() * 1000)
}

fn wrong(why: String, help: &str) -> WrongRule {
    WrongRule { why, help: help.to_owned() }
}

fn meant(word: &str, allowed: &[&str]) -> String {
    let near = allowed
        .iter()
        .map(|a| (strsim::damerau_levenshtein(word, a), *a))
        .filter(|(far, _)| *far <= 2)
        .min();
    match near {
        Some((_, a)) => format!("did you mean {a}?"),
        None => format!("it may be one of {}", allowed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAKARTA: &str = "Asia/Jakarta";

    fn t(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn at(rule: &str, now: &str) -> Option<(String, String)> {
        // Tuesday 22:00 WIB, for two hours.
        let (start, end) = (t("2026-11-24T22:00:00+07:00"), t("2026-11-25T00:00:00+07:00"));
        span_at(start, end, Some(rule), t(now), JAKARTA)
            .map(|(a, b)| (a.to_string(), b.to_string()))
    }

    #[test]
    fn it_comes_again_in_local_time() {
        let weekly = "FREQ=WEEKLY;BYDAY=TU";
        let first = Some(("2026-11-24T15:00:00.000Z".into(), "2026-11-24T17:00:00.000Z".into()));
        let second = Some(("2026-12-01T15:00:00.000Z".into(), "2026-12-01T17:00:00.000Z".into()));
        assert_eq!(at(weekly, "2026-01-01T00:00:00Z"), first, "before the first");
        assert_eq!(at(weekly, "2026-11-24T16:59:59.999Z"), first, "just before its end");
        assert_eq!(at(weekly, "2026-11-24T17:00:00Z"), second, "at its end it is the next");
        // A Wednesday rule that starts on a Tuesday evening begins on the Wednesday.
        let first = at("FREQ=WEEKLY;BYDAY=WE", "2026-11-24T15:30:00Z").unwrap().0;
        assert_eq!(first, "2026-11-25T15:00:00.000Z");
        assert_eq!(at("FREQ=DAILY;COUNT=2", "2026-11-26T00:00:00Z"), None, "it is over");
    }

    #[test]
    fn a_year_has_its_summer_time_where_there_is_one() {
        let (start, end) = (t("2026-03-01T22:00:00+01:00"), t("2026-03-01T23:00:00+01:00"));
        let (summer, _) =
            span_at(start, end, Some("FREQ=DAILY"), t("2026-07-01T00:00:00Z"), "Europe/Berlin")
                .unwrap();
        assert_eq!(summer.to_string(), "2026-07-01T20:00:00.000Z");
    }

    #[test]
    fn until_may_be_a_local_day() {
        let rule = "FREQ=DAILY;UNTIL=20261126";
        assert!(at(rule, "2026-11-26T15:30:00Z").is_some(), "the last evening");
        assert_eq!(at(rule, "2026-11-26T17:00:00Z"), None);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_to_do() {
        let (start, end) = (t("2026-11-24T22:00:00+07:00"), t("2026-11-25T00:00:00+07:00"));
        let refused = |rule: &str| check_rule(rule, start, end, JAKARTA).unwrap_err().to_string();
        assert_eq!(refused("FREQ=WEEKYL"), "FREQ is \"WEEKYL\"; did you mean WEEKLY?");
        assert_eq!(
            refused("FREQ=HOURLY"),
            "FREQ is \"HOURLY\"; it may be one of DAILY, WEEKLY, MONTHLY, YEARLY"
        );
        assert_eq!(
            refused("FREQ=WEEKLY;BYDAYS=TU"),
            "\"BYDAYS\" is no part of a rule; did you mean BYDAY?"
        );
        assert!(
            refused("FREQ=WEEKLY;BYDAY=DI").contains("DI"),
            "{}",
            refused("FREQ=WEEKLY;BYDAY=DI")
        );
        assert!(refused("every tuesday").contains("is not KEY=VALUE"));
        assert!(refused("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30").contains("never happens"));
        assert!(refused("BYDAY=TU").contains("FREQ"), "{}", refused("BYDAY=TU"));
        let long = check_rule("FREQ=DAILY", start, start + Duration::from_hours(25), JAKARTA);
        assert!(long.unwrap_err().to_string().contains("comes again"), "25 hours every day");
        assert_eq!(
            check_rule("rrule:freq=weekly;byday=tu", start, end, JAKARTA).unwrap(),
            "FREQ=WEEKLY;BYDAY=TU"
        );
    }

    #[test]
    fn a_rule_that_began_long_ago_is_answered_at_once() {
        let (start, end) = (t("2000-01-01T00:00:00Z"), t("2000-01-01T01:00:00Z"));
        let begun = std::time::Instant::now();
        assert!(
            span_at(start, end, Some("FREQ=DAILY"), t("2035-01-01T00:30:00Z"), JAKARTA).is_some()
        );
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
}
