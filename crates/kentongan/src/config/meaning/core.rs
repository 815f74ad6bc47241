//! How events become incidents: the correlator, priorities, windows, seasons, time zone.

use super::super::Locale;
use super::super::inventory::{criticality, items, many};
use super::super::origin::Place;
use super::super::raw::{self, LanguageWord, PriorityWord};
use super::super::read::Key;
use super::super::units::{OneOrMany, Span, When};
use super::Reading;
use jiff::civil::Time;
use model::calendar::check_rule;
use model::settings::{Flapping, Language, PriorityTable, Season, Settings, Storm, Window};
use model::time::show_duration;
use model::{Criticality, Priority, Timestamp};
use std::time::Duration;

impl Reading<'_> {
    pub(super) fn correlator(&mut self, root: &raw::Root) -> Settings {
        let default = Settings::default();
        let none = raw::Correlator::default();
        let c = root.correlator.get().unwrap_or(&none);
        let span = |key: &Key<Span>, default| key.or(Span(default)).0;
        let flapping = Flapping {
            start: c.flap_start.or(default.flapping.start),
            end: c.flap_end.or(default.flapping.end),
            window: span(&c.flap_window, default.flapping.window),
        };
        let storm = Storm { above: c.storm_above.or(default.storm.above), ..default.storm };
        let settings = Settings {
            storm,
            hold_max: span(&c.hold_max, default.hold_max),
            reopen_within: span(&c.reopen_within, default.reopen_within),
            close_after: span(&c.close_after, default.close_after),
            note_every: span(&c.note_every, default.note_every),
            flapping,
            notify_per_hour: c.notify_per_hour.or(default.notify_per_hour),
            ..default
        };
        if let Some(place) = c.hold_max.place()
            && settings.hold_max > Duration::from_hours(1)
        {
            let message = "a dead device would be held back for more than an hour";
            self.error(place, message, "the default is \"90s\"");
        }
        if let Key::Set(0, place) = &c.notify_per_hour {
            let message = "nobody would ever be told of an incident";
            self.error(*place, message, "at least 1; the default is 2");
        }
        if let Some(place) = c.close_after.place().or(c.reopen_within.place())
            && settings.close_after < settings.reopen_within
        {
            let message = format!(
                "an incident is closed after {}, but could be reopened for {}",
                show_duration(settings.close_after),
                show_duration(settings.reopen_within)
            );
            self.error(place, message, "make close_after at least reopen_within");
        }
        if flapping.start > 0 {
            self.not_zero(&c.flap_window);
            if let Some(place) = c.flap_end.place().or(c.flap_start.place())
                && flapping.end >= flapping.start
            {
                let message = format!(
                    "flapping would start at {} changes and end at {}",
                    flapping.start, flapping.end
                );
                self.error(
                    place,
                    message,
                    "make flap_end less than flap_start, or flap_start = 0 to turn it off",
                );
            }
        }
        settings
    }

    pub(super) fn windows(&mut self, root: &raw::Root, locale: &Locale) -> Vec<(Window, Place)> {
        let mut windows: Vec<(Window, Place)> = Vec::new();
        for (raw, table) in items(&root.maintenance) {
            if raw.scope.is_absent() {
                self.missing(
                    table,
                    "scope",
                    "this [[maintenance]] covers nothing",
                    "add scope = [\"semarang\"]",
                );
            }
            if raw.reason.or(String::new()).trim().is_empty() {
                let help = "add reason = \"…\": whoever reads the list at night has only this";
                let message = "this [[maintenance]] does not say why";
                match raw.reason.place() {
                    None => self.missing(table, "reason", message, help),
                    Some(place) => self.error(place, message, help),
                }
            }
            let start = self.instant(&raw.start, table, "start", locale);
            let end = match (raw.duration.get(), raw.duration.place()) {
                (Some(long), Some(place)) if !raw.end.is_absent() => {
                    let message =
                        format!("this lasts {}, and has an end as well", show_duration(long.0));
                    self.error(place, message, "remove duration or end");
                    None
                }
                (Some(long), _) => {
                    self.not_zero(&raw.duration);
                    start.map(|start| start + long.0)
                }
                _ => self.instant(&raw.end, table, "end", locale),
            };
            let (Some(start), Some(end), Some(scope)) = (start, end, raw.scope.get()) else {
                continue;
            };
            let rrule = self.recurrence(&raw.rrule, start, end, locale);
            if let (true, Some(place)) = (end <= start, raw.end.place()) {
                self.error(place, "this ends before it has begun", "make end later than start");
            }
            let id = raw.id.get().cloned().unwrap_or_else(|| {
                let scope = scope.0.join(" ");
                format!("window-{}", model::id::short_hash(&[&scope, &start.to_string()], 6))
            });
            if windows.iter().any(|(w, _)| w.id == id) {
                let place = raw.id.place().unwrap_or(table);
                self.error(
                    place,
                    format!("there are two windows called {id:?}"),
                    "rename or remove one of them",
                );
            }
            let place = raw.scope.place().unwrap_or(table);
            let window = Window {
                id,
                owner: raw.owner.or(String::new()),
                reason: raw.reason.or(String::new()),
                change: raw.change.get().cloned(),
                scope: scope.0.clone(),
                start,
                end,
                rrule,
                silence: raw.silence.or(false),
            };
            windows.push((window, place));
        }
        windows
    }

    pub(super) fn seasons(&mut self, root: &raw::Root, locale: &Locale) -> Vec<Season> {
        let mut seasons = Vec::new();
        for (raw, table) in items(&root.season) {
            if raw.name.is_absent() {
                self.missing(table, "name", "this [[season]] has no name", "add name = \"…\"");
            }
            let from = self.instant(&raw.from, table, "from", locale);
            let to = self.instant(&raw.to, table, "to", locale);
            let (Some(from), Some(to)) = (from, to) else { continue };
            if let (true, Some(place)) = (to <= from, raw.to.place()) {
                self.error(place, "this ends before it has begun", "make to later than from");
            }
            let matters = match raw.criticality {
                Key::Absent => Criticality::Vital,
                ref given => criticality(given),
            };
            let name = raw.name.or(String::new());
            let services = many(&raw.services);
            let rrule = self.recurrence(&raw.rrule, from, to, locale);
            seasons.push(Season { name, from, to, rrule, services, criticality: matters });
        }
        seasons
    }

    /// A rule by which a span comes again.
    fn recurrence(
        &mut self,
        key: &Key<String>,
        start: Timestamp,
        end: Timestamp,
        locale: &Locale,
    ) -> Option<String> {
        let (rule, place) = (key.get()?, key.place()?);
        // That it ends before it begins is said already.
        if end <= start {
            return None;
        }
        match check_rule(rule, start, end, &zone_name(locale)) {
            Ok(rule) => Some(rule),
            Err(e) => {
                self.error(place, e.why, e.help);
                None
            }
        }
    }

    pub(super) fn instant(
        &mut self,
        key: &Key<When>,
        table: Place,
        name: &'static str,
        locale: &Locale,
    ) -> Option<Timestamp> {
        let example = "2026-11-24T22:00:00+07:00";
        match key {
            Key::Absent => {
                let message = format!("{name} is missing");
                self.missing(table, name, &message, &format!("add {name} = \"{example}\""));
                None
            }
            Key::Bad(_) => None,
            Key::Set(When(text), place) => {
                let at = instant(text, &locale.timezone);
                if at.is_none() {
                    let help = format!(
                        "write it as \"{example}\", or without an offset for the time zone of [locale]"
                    );
                    self.error(*place, format!("{text:?} is no time"), help);
                }
                at
            }
        }
    }

    pub(super) fn locale(&mut self, root: &raw::Root) -> Locale {
        let none = raw::Locale::default();
        let locale = root.locale.get().unwrap_or(&none);
        let language = match locale.language.get() {
            Some(LanguageWord::En) => Language::En,
            Some(LanguageWord::Id) => Language::Id,
            None => Language::default(),
        };
        let name = locale.timezone.or("Asia/Jakarta".into());
        let timezone = jiff::tz::TimeZone::get(&name).unwrap_or_else(|_| {
            if let Some(place) = locale.timezone.place() {
                let help = "use a name of the IANA time zone database, such as \"Asia/Jakarta\"";
                self.error(place, format!("there is no time zone {name:?}"), help);
            }
            jiff::tz::TimeZone::UTC
        });
        let shifts = self.shifts(&locale.shifts);
        Locale { language, timezone, shifts }
    }

    /// When a shift begins; the three of the field when nobody says.
    fn shifts(&mut self, key: &Key<OneOrMany>) -> Vec<Time> {
        const HELP: &str =
            "write times of the day, the earliest first: [\"07:00\", \"15:00\", \"23:00\"]";
        let mut shifts: Vec<Time> = Vec::new();
        for (text, place) in super::each(key) {
            match text.parse::<Time>() {
                Ok(begin) if shifts.last().is_none_or(|before| *before < begin) => {
                    shifts.push(begin);
                }
                Ok(_) => {
                    self.error(place, format!("{text:?} is not after the one before it"), HELP);
                }
                Err(_) => self.error(place, format!("{text:?} is no time of the day"), HELP),
            }
        }
        if shifts.is_empty() {
            if let Some(place) = key.place().filter(|_| super::each(key).next().is_none()) {
                self.error(place, "there is no shift in it", HELP);
            }
            shifts.extend([7, 15, 23].map(|hour| jiff::civil::time(hour, 0, 0, 0)));
        }
        shifts
    }
}

/// The IANA name of the time zone.
pub(super) fn zone_name(locale: &Locale) -> String {
    locale.timezone.iana_name().unwrap_or("UTC").to_owned()
}

/// An instant as people write it: RFC 3339, or a local time of `timezone`.
pub(crate) fn instant(text: &str, timezone: &jiff::tz::TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let local: jiff::civil::DateTime = text.parse().ok()?;
    let at = timezone.to_zoned_datetime(local).ok()?;
    Some(Timestamp::from_millis(at.timestamp().as_millisecond()))
}

/// An instant in the past as people write it: as [`instant`] reads it, or a time of day of
/// `timezone` alone, the last one before `now`.
pub(crate) fn past_instant(
    text: &str,
    timezone: &jiff::tz::TimeZone,
    now: Timestamp,
) -> Option<Timestamp> {
    instant(text, timezone).or_else(|| {
        let time: jiff::civil::Time = text.trim().parse().ok()?;
        let now = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
        let today = timezone.to_datetime(now).date();
        [today, today.yesterday().ok()?].into_iter().find_map(|day| {
            let at = timezone.to_zoned_datetime(day.to_datetime(time)).ok()?.timestamp();
            (at <= now).then(|| Timestamp::from_millis(at.as_millisecond()))
        })
    })
}

pub(super) fn priorities(root: &raw::Root) -> PriorityTable {
    let mut table = PriorityTable::default();
    let Some(p) = root.priority.get() else { return table };
    let level = |word: PriorityWord| match word {
        PriorityWord::P1 => Priority::P1,
        PriorityWord::P2 => Priority::P2,
        PriorityWord::P3 => Priority::P3,
        PriorityWord::P4 => Priority::P4,
    };
    for (row, key) in table.table.iter_mut().zip([&p.lokal, &p.situs, &p.masif]) {
        if let Some(words) = key.get() {
            // People write the worst first; the table counts upwards.
            *row = [level(words[2]), level(words[1]), level(words[0])];
        }
    }
    if let Some(s) = p.by_severity.get() {
        let keys = [&s.info, &s.warning, &s.average, &s.high, &s.disaster];
        for (cell, key) in table.by_severity.iter_mut().zip(keys) {
            *cell = key.get().map_or(*cell, |w| level(*w));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_the_last_one() {
        let jakarta = jiff::tz::TimeZone::get("Asia/Jakarta").expect("a zone");
        let at = |text: &str| instant(text, &jakarta).expect("an instant");
        let now = at("2026-11-24T03:30");
        assert_eq!(past_instant("03:10", &jakarta, now), Some(at("2026-11-24T03:10")));
        assert_eq!(past_instant("23:50", &jakarta, now), Some(at("2026-11-23T23:50")));
        assert_eq!(past_instant("2026-11-01T08:00", &jakarta, now), Some(at("2026-11-01T08:00")));
        assert_eq!(past_instant("25:10", &jakarta, now), None);
    }
}
