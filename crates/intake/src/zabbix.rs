//! Source `zabbix`: what the webhook of a Zabbix server sends, turned into a signal.
//!
//! The body is one flat JSON object of texts; each text is a macro that Zabbix has filled in, or,
//! where the macro means nothing at that moment or in that version, the macro itself, literally
//! (`{EVENT.RECOVERY.ID}`), or `*UNKNOWN*`. Both are read as "nothing said".
//!
//! One problem is one key, its event id, in all of its messages: the problem, every update
//! (acknowledged, commented, severity changed), the recovery. An update of a problem is the
//! problem told again, so that a changed severity follows; an update that closed it is an *ok*,
//! and the recovery message that comes beside it, in either order, is the same *ok* again.
//!
//! When it happened matters: Zabbix sends in parallel and tries again, so the news that a problem is
//! over can come before the news that it began, and must not be undone by it. Its dates have no zone,
//! and 6.0 has no numeric timestamp; but a message carries its own local time beside the event's,
//! and zones differ by quarters of an hour, so the zone can be told from both (see [`zone_of`]).

use model::Timestamp;
use model::event::{Event, Kind, Severity, Signal, SignalState};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// What a webhook sent, by field. Names are in small letters with `_`, whatever was between the
/// words; numbers and booleans are texts; what is nested is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Payload(BTreeMap<String, String>);

/// Why a payload is no signal. The webhook's parameters are to be corrected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not a JSON object.
    #[error("the body is not a JSON object of texts: {0}")]
    NotJson(String),
    /// No id: it cannot be told which problem it is about.
    #[error(
        "there is no event_id: add the parameter event_id = {{EVENT.ID}} to the media type{}",
        if *.literal { " (the macro came unresolved: a test of the media type, or a message that \
                        belongs to no event, has nothing to tell)" } else { "" }
    )]
    NoId {
        /// The parameter is there, its macro was not filled in.
        literal: bool,
    },
    /// Neither a problem nor its end.
    #[error(
        "event_value is {0:?}, which is neither 1 (problem) nor 0 (recovered): add the parameter \
         event_value = {{EVENT.VALUE}} to the media type"
    )]
    NoValue(String),
}

impl Payload {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// When it is no JSON object.
    pub fn read(body: &str) -> Result<Payload, PayloadError> {
        serde_json::from_str(body).map_err(|e| PayloadError::NotJson(e.to_string()))
    }

    /// What a field says, if it says anything.
    pub fn get(&self, field: &str) -> Option<&str> {
        let text = self.0.get(field)?.trim();
        (!text.is_empty() && text != "*UNKNOWN*" && !literal_macro(text)).then_some(text)
    }

    fn number(&self, field: &str) -> Option<i64> {
        self.get(field)?.parse().ok()
    }
}

/// `{EVENT.RECOVERY.ID}`, `{$NO.SUCH.MACRO}`: a macro that was not filled in.
fn literal_macro(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    inner.is_some_and(|t| t.starts_with(|c: char| c.is_ascii_uppercase() || c == '$'))
}

/// The signal that a payload is. `resolve` knows what devices are called here.
///
/// # Errors
///
/// When it cannot be told which problem it is about, or whether it is one.
pub fn signal_of(
    payload: &Payload,
    source: &str,
    now: Timestamp,
    resolve: impl Fn(&str) -> Option<String>,
) -> Result<Event<'static>, PayloadError> {
    let Some(key) = payload.get("event_id") else {
        return Err(PayloadError::NoId { literal: payload.0.contains_key("event_id") });
    };
    let state = state(payload)?;
    let target = target(payload, resolve);
    // An ok has no severity: nothing is bad any more.
    let severity = (state == SignalState::Problem).then(|| severity(payload)).flatten();
    let summary = payload.get("event_name").or_else(|| payload.get("trigger_name"));
    Ok(Event {
        at: happened(payload, state, now),
        received: None,
        kind: Kind::Signal(Signal {
            source: source.to_owned().into(),
            key: id(key).into(),
            state,
            severity,
            target: target.map(Into::into),
            summary: summary.map(|s| wire::cut(s, wire::limits::SUMMARY_MAX).into_owned().into()),
        }),
    })
}

fn state(payload: &Payload) -> Result<SignalState, PayloadError> {
    let said = payload.get("event_value").or_else(|| payload.get("event_status"));
    match said.unwrap_or("") {
        "1" | "PROBLEM" => Ok(SignalState::Problem),
        "0" | "RESOLVED" | "OK" => Ok(SignalState::Ok),
        other => Err(PayloadError::NoValue(wire::cut(other, 64).into_owned())),
    }
}

/// The severity as it is now: Zabbix changes the number of the event itself when a person does.
fn severity(payload: &Payload) -> Option<Severity> {
    let number =
        payload.number("event_update_nseverity").or_else(|| payload.number("event_nseverity"));
    let by_number = |n| match n {
        0 | 1 => Some(Severity::Info),
        2 => Some(Severity::Warning),
        3 => Some(Severity::Average),
        4 => Some(Severity::High),
        5 => Some(Severity::Disaster),
        _ => None,
    };
    // The words can be renamed in Zabbix; these are those of a fresh one.
    number.and_then(by_number).or_else(|| match payload.get("event_severity")? {
        "Not classified" | "Information" => Some(Severity::Info),
        "Warning" => Some(Severity::Warning),
        "Average" => Some(Severity::Average),
        "High" => Some(Severity::High),
        "Disaster" => Some(Severity::Disaster),
        _ => None,
    })
}

/// What it is about: the first of the host's names and addresses that the inventory knows,
/// otherwise what Zabbix calls the host.
fn target(payload: &Payload, resolve: impl Fn(&str) -> Option<String>) -> Option<String> {
    let names = ["host_host", "host_name"].into_iter().filter_map(|f| payload.get(f));
    // A loopback address is the Zabbix server's own, and so says nothing about which host it is.
    let addresses =
        ["host_ip", "host_conn"].into_iter().filter_map(|f| payload.get(f)).filter(|a| {
            a.parse::<IpAddr>().map_or(true, |ip| !ip.is_loopback() && !ip.is_unspecified())
        });
    let mut known = names.clone().chain(addresses.clone()).filter_map(resolve);
    known.next().or_else(|| names.chain(addresses).next().map(id))
}

/// When it happened, as well as Zabbix says it: by a numeric timestamp (from 6.4 on), by its local
/// time in the zone that the message's own local time gives away, by its age; otherwise now.
fn happened(payload: &Payload, state: SignalState, now: Timestamp) -> Timestamp {
    let (stamps, date, time): (&[&str], _, _) = match (state, payload.get("event_update_status")) {
        (_, Some("1")) => (&["event_update_timestamp"], "event_update_date", "event_update_time"),
        (SignalState::Ok, _) => {
            (&["event_recovery_timestamp"], "event_recovery_date", "event_recovery_time")
        }
        (SignalState::Problem, _) => {
            (&["event_timestamp", "event_clock", "clock"], "event_date", "event_time")
        }
    };
    let stamped = stamps.iter().find_map(|f| payload.number(f)).map(|seconds| seconds * 1000);
    let by_zone =
        || Some(local_ms(payload.get(date)?, payload.get(time)?)? + zone_of(payload, now)?);
    // The age of a problem tells when it began; the age of its end is not told.
    let by_age = || {
        let began =
            state == SignalState::Problem && payload.get("event_update_status") != Some("1");
        Some(now.as_millis() - age_ms(payload.get("event_age")?)?).filter(|_| began)
    };
    let known = stamped.or_else(by_zone).or_else(by_age).map(Timestamp::from_millis);
    // Nothing happened in the future, nor so long ago that the clock must be wrong.
    known.filter(|at| *at <= now && now.since(*at) < OLDEST).unwrap_or(now)
}

/// A problem that is older when it is told has a clock that is wrong.
const OLDEST: Duration = Duration::from_hours(24 * 400);

/// What has to be added to a local time of the server to get UTC, in milliseconds: the difference
/// between now and the message's own local time, rounded to the quarter of an hour that zones
/// differ by. What is rounded off is how long the message was on its way (less than half of it).
fn zone_of(payload: &Payload, now: Timestamp) -> Option<i64> {
    const QUARTER: i64 = 15 * 60 * 1000;
    let told = local_ms(payload.get("date")?, payload.get("time")?)?;
    let difference = now.as_millis() - told;
    let zone = (difference + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    (zone.abs() <= 15 * 60 * 60 * 1000).then_some(zone)
}

/// `2026.11.24` and `03:36:59` as if they were UTC, in milliseconds.
fn local_ms(date: &str, time: &str) -> Option<i64> {
    let utc = format!("{}T{time}Z", date.replace('.', "-"));
    utc.parse::<Timestamp>().ok().map(Timestamp::as_millis)
}

/// `4s`, `37s`, `1h 2m 3s`, `2d 4h`, in milliseconds. Months and years are too vague to use.
fn age_ms(age: &str) -> Option<i64> {
    if age.contains(['y', 'M']) {
        return None;
    }
    let age = model::time::parse_duration(age).ok()?;
    i64::try_from(age.as_millis()).ok()
}

/// A text of Zabbix as an id of ours: no control characters, not too long.
fn id(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    wire::cut(&clean, wire::limits::ID_MAX).into_owned()
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Payload;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if let Scalar(Some(text)) = map.next_value()? {
                        fields
                            .insert(name.to_ascii_lowercase().replace(['.', '-', ' '], "_"), text);
                    }
                }
                Ok(Payload(fields))
            }
        }
        d.deserialize_map(V)
    }
}

struct Scalar(Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: Error>(self, v: &str) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_owned())))
            }
            fn visit_u64<E: Error>(self, v: u64) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_string())))
            }
            fn visit_i64<E: Error>(self, v: i64) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_string())))
            }
            fn visit_f64<E: Error>(self, v: f64) -> Result<Scalar, E> {
                Ok(Scalar(Some(v.to_string())))
            }
            fn visit_bool<E: Error>(self, v: bool) -> Result<Scalar, E> {
                Ok(Scalar(Some(u8::from(v).to_string())))
            }
            fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
                Ok(Scalar(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar(None))
            }
        }
        d.deserialize_any(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_491_420_000);

    fn known(name: &str) -> Option<String> {
        match name {
            "sw-core-1" | "Switch sw-core-1" | "10.20.0.1" => Some("semarang/core-sw1".to_owned()),
            "127.0.0.1" | "::1" => Some("noc/zabbix".to_owned()),
            _ => None,
        }
    }

    /// NOW is 03:37:00 UTC; the server's clock runs in WIB, seven hours ahead.
    #[test]
    fn news_that_comes_late_keeps_the_time_at_which_it_happened() {
        let at = |fields: &[(&str, &str)]| {
            let mut all = vec![("event_id", "5"), ("event_value", "1")];
            all.extend_from_slice(fields);
            let body: BTreeMap<&str, &str> = all.into_iter().collect();
            let body = serde_json::to_string(&body).unwrap();
            let payload = Payload::read(&body).unwrap();
            NOW.since(signal_of(&payload, "zabbix", NOW, known).unwrap().at).as_secs()
        };
        let began = [("event_date", "2026.11.24"), ("event_time", "10:36:00")];
        let told = |time| [began[0], began[1], ("date", "2026.11.24"), ("time", time)];
        // Told at once, and told after three minutes of trying: it began a minute ago.
        assert_eq!(at(&told("10:37:00")), 60);
        assert_eq!(at(&told("10:34:00")), 60);
        assert_eq!(at(&[("event_age", "1h 2m 3s")]), 3723);
        // Nothing to tell by, or nonsense: it happened when it came.
        assert_eq!(at(&[]), 0);
        assert_eq!(at(&[began[0], began[1]]), 0);
        assert_eq!(at(&[("event_age", "3M"), ("event_timestamp", "0")]), 0);
        assert_eq!(at(&[("event_timestamp", "9999999999")]), 0);
    }

    /// `field=value` pairs in, `state severity target summary at` out.
    fn check(fields: &[(&str, &str)], wanted: &str) {
        let body: BTreeMap<&str, &str> = fields.iter().copied().collect();
        let body = serde_json::to_string(&body).unwrap();
        let got = Payload::read(&body).and_then(|p| signal_of(&p, "zabbix", NOW, known));
        let said = match got {
            Err(e) => e.to_string(),
            Ok(event) => {
                let mut line = Vec::new();
                wire::write_event(&mut line, None, &event);
                let line = String::from_utf8(line).unwrap();
                // Whatever a webhook says, the journal can read it back.
                assert_eq!(wire::read_event(&line).unwrap().event.into_owned(), event);
                line
            }
        };
        assert!(said.contains(wanted), "{body}\ngives {said}\nlacks {wanted}");
    }

    #[test]
    fn value_and_update_status_say_what_it_is() {
        for (value, update, state) in [
            ("1", "0", "problem"),
            ("1", "1", "problem"),
            ("0", "0", "ok"),
            ("0", "1", "ok"),
            ("1", "{EVENT.UPDATE.STATUS}", "problem"),
            ("0", "", "ok"),
        ] {
            let fields =
                [("event_id", "5"), ("event_value", value), ("event_update_status", update)];
            check(&fields, &format!("\"key\":\"5\",\"state\":\"{state}\""));
        }
        check(&[("event_id", "5"), ("event_status", "RESOLVED")], "\"state\":\"ok\"");
        check(&[("event_id", "5"), ("event_value", "2")], "neither 1 (problem) nor 0");
        check(
            &[("event_id", "5"), ("event_value", "{EVENT.VALUE}")],
            "event_value = {EVENT.VALUE}",
        );
        check(&[("event_value", "1")], "there is no event_id");
        check(&[("event_id", "{EVENT.ID}"), ("event_value", "1")], "came unresolved");
        check(&[("event_id", "*UNKNOWN*"), ("event_value", "1")], "came unresolved");
        // The names of the macros themselves are understood too.
        check(&[("EVENT.ID", "5"), ("EVENT.VALUE", "1")], "\"key\":\"5\",\"state\":\"problem\"");
    }

    #[test]
    fn severity_follows_the_number() {
        for (n, word) in [
            ("0", "info"),
            ("1", "info"),
            ("2", "warning"),
            ("3", "average"),
            ("4", "high"),
            ("5", "disaster"),
        ] {
            check(
                &[("event_id", "5"), ("event_value", "1"), ("event_nseverity", n)],
                &format!("\"severity\":\"{word}\""),
            );
        }
        check(
            &[
                ("event_id", "5"),
                ("event_value", "1"),
                ("event_nseverity", "4"),
                ("event_update_nseverity", "5"),
            ],
            "\"severity\":\"disaster\"",
        );
        check(
            &[
                ("event_id", "5"),
                ("event_value", "1"),
                ("event_nseverity", "4"),
                ("event_update_nseverity", "{EVENT.UPDATE.NSEVERITY}"),
            ],
            "\"severity\":\"high\"",
        );
        check(
            &[("event_id", "5"), ("event_value", "1"), ("event_severity", "Average")],
            "\"severity\":\"average\"",
        );
        check(
            &[("event_id", "5"), ("event_value", "1"), ("event_nseverity", "77")],
            "\"state\":\"problem\"}",
        );
    }

    #[test]
    fn the_target_is_the_first_name_that_is_known() {
        let base = [("event_id", "5"), ("event_value", "1")];
        for (fields, target) in [
            (vec![("host_host", "sw-core-1"), ("host_ip", "127.0.0.1")], "semarang/core-sw1"),
            (vec![("host_host", "x"), ("host_name", "Switch sw-core-1")], "semarang/core-sw1"),
            (vec![("host_host", "x"), ("host_ip", "10.20.0.1")], "semarang/core-sw1"),
            (vec![("host_host", "x"), ("host_conn", "10.20.0.1")], "semarang/core-sw1"),
            (vec![("host_host", "x"), ("host_ip", "127.0.0.1")], "x"),
            (vec![("host_host", "x"), ("host_conn", "::1"), ("host_ip", "0.0.0.0")], "x"),
            (vec![("host_host", "{HOST.HOST}"), ("host_name", "Web\u{7}server")], "Web server"),
            (vec![("host_host", "*UNKNOWN*"), ("host_ip", "192.0.2.7")], "192.0.2.7"),
        ] {
            let all: Vec<_> = base.into_iter().chain(fields).collect();
            check(&all, &format!("\"target\":\"{target}\""));
        }
        check(
            &[("event_id", "5"), ("event_value", "1"), ("host_ip", "127.0.0.1")],
            "\"state\":\"problem\"}",
        );
    }

    #[test]
    fn time_is_taken_only_where_it_has_no_zone_to_guess() {
        let of = |update: &'static str, value: &'static str| {
            vec![
                ("event_id", "5"),
                ("event_value", value),
                ("event_update_status", update),
                ("event_date", "2020.01.01"),
                ("event_time", "00:00:00"),
                ("event_timestamp", "1795491000"),
                ("event_update_timestamp", "1795491010"),
                ("event_recovery_timestamp", "1795491020"),
            ]
        };
        let at = |s: i64| format!("\"at\":\"{}\"", Timestamp::from_millis(s * 1000));
        check(&of("0", "1"), &at(1_795_491_000));
        check(&of("1", "1"), &at(1_795_491_010));
        check(&of("0", "0"), &at(1_795_491_020));
        let now = format!("\"at\":\"{NOW}\"");
        check(
            &[("event_id", "5"), ("event_value", "1"), ("event_timestamp", "{EVENT.TIMESTAMP}")],
            &now,
        );
        check(&[("event_id", "5"), ("event_value", "1"), ("event_timestamp", "12")], &now);
        // The time of the problem is not that of its end.
        check(&[("event_id", "5"), ("event_value", "0"), ("event_timestamp", "1795491000")], &now);
    }

    #[test]
    fn long_and_strange_texts_are_made_to_fit() {
        let name = "é".repeat(4000);
        check(&[("event_id", "5"), ("event_value", "1"), ("event_name", &name)], "é…\"}");
        check(&[("event_id", "5"), ("event_value", "1"), ("host_host", &name)], "é…\"}");
        let id = "9".repeat(300);
        check(&[("event_id", &id), ("event_value", "1")], "9…\"");
    }

    #[test]
    fn numbers_and_nested_things_do_no_harm() {
        let body = r#"{"event_id":5,"event_value":true,"event_nseverity":4,"event_tagsjson":[{"tag":"a"}],"x":{"y":[[[]]]},"z":null}"#;
        let payload = Payload::read(body).unwrap();
        assert_eq!(payload.get("event_id"), Some("5"));
        let Kind::Signal(s) = signal_of(&payload, "z", NOW, known).unwrap().kind else { panic!() };
        assert_eq!((s.state, s.severity), (SignalState::Problem, Some(Severity::High)));
        for body in ["[]", "\"x\"", "5", "null", "{", "{\"a\":}", &"[".repeat(100_000)] {
            assert!(matches!(Payload::read(body), Err(PayloadError::NotJson(_))));
        }
        let deep = format!("{{\"x\":{}", "[".repeat(100_000));
        assert!(Payload::read(&deep).is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_signal_that_reads_back_or_an_error(
            fields in proptest::collection::btree_map(
                proptest::sample::select(vec!["event_id", "event_value", "event_update_status",
                    "event_nseverity", "event_name", "host_host", "host_name", "host_ip",
                    "event_timestamp", "event_recovery_timestamp", "event_update_timestamp"]),
                prop_oneof![any::<String>(), "[0-5]", "[0-9]{8,12}", Just("{A}".to_owned()), "\\PC{1,9}"],
                0..11),
        ) {
            let body = serde_json::to_string(&fields).unwrap();
            if let Ok(event) = Payload::read(&body).and_then(|p| signal_of(&p, "zabbix", NOW, known)) {
                let mut line = Vec::new();
                wire::write_event(&mut line, None, &event);
                let line = String::from_utf8(line).unwrap();
                let back = wire::read_event(&line).map_err(|e| TestCaseError::fail(format!("{line}: {e}")))?;
                prop_assert_eq!(back.event.into_owned(), event);
            }
        }

        #[test]
        fn any_bytes_are_a_payload_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = Payload::read(&text).and_then(|p| signal_of(&p, "zabbix", NOW, known));
        }
    }
}
