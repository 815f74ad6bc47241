//! What people see: times on their own clock, columns that line up, a little colour.

use jiff::tz::TimeZone;
use model::Timestamp;
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How something is printed.
pub struct Page {
    color: bool,
    timezone: TimeZone,
    now: Timestamp,
}

/// How a cell looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// As the rest.
    Plain,
    /// A heading.
    Heading,
    /// Needs somebody now.
    Bad,
    /// Not as it should be.
    Poor,
    /// As it should be.
    Good,
    /// Beside the point.
    Faint,
}

/// A cell of a table.
pub type Cell = (String, Look);

impl Page {
    pub fn new(color: bool, timezone: &TimeZone) -> Page {
        Page { color, timezone: timezone.clone(), now: now() }
    }

    /// A text in a look.
    pub fn paint(&self, text: &str, look: Look) -> String {
        let code = match look {
            Look::Plain => "",
            Look::Heading => "1",
            Look::Bad => "1;31",
            Look::Poor => "33",
            Look::Good => "32",
            Look::Faint => "2",
        };
        if self.color && !code.is_empty() && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Columns that line up; the last one is as long as it is.
    pub fn table(&self, rows: &[Vec<Cell>]) -> String {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |c: usize| {
            rows.iter().filter_map(|r| r.get(c)).map(|(t, _)| t.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut out = String::new();
        for row in rows {
            let mut line = String::new();
            for (c, (text, look)) in row.iter().enumerate() {
                line.push_str(&self.paint(text, *look));
                if c + 1 < row.len() {
                    let gap = widths[c] - text.chars().count() + 2;
                    line.extend(std::iter::repeat_n(' ', gap));
                }
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// A time of the API on the reader's clock, with its zone: the day only when it is not today.
    pub fn time(&self, text: &str) -> String {
        let Ok(at) = text.parse::<Timestamp>() else { return text.to_owned() };
        let zoned = |t: Timestamp| {
            jiff::Timestamp::from_millisecond(t.as_millis())
                .map(|t| t.to_zoned_datetime(self.timezone.clone()))
        };
        match (zoned(at), zoned(self.now)) {
            (Ok(at), Ok(now)) if at.date() == now.date() => at.strftime("%H:%M:%S %Z").to_string(),
            (Ok(at), _) => at.strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
            _ => text.to_owned(),
        }
    }

    /// The same, with how long ago that was.
    pub fn time_ago(&self, text: &str) -> String {
        match text.parse::<Timestamp>() {
            Ok(at) if at <= self.now => {
                format!("{} ({})", self.time(text), short(self.now.since(at)))
            }
            _ => self.time(text),
        }
    }
}

/// The look of a priority.
pub fn of_priority(priority: &str) -> Look {
    match priority {
        "P1" => Look::Bad,
        "P2" => Look::Poor,
        _ => Look::Plain,
    }
}

/// The look of an alarm state or an incident's condition.
pub fn of_state(state: &str) -> Look {
    match state {
        "raised" | "failing" | "down" => Look::Bad,
        "suspect" | "held" | "clearing" | "flapping" | "unknown" | "masked" => Look::Poor,
        "ok" | "clear" | "up" => Look::Good,
        _ => Look::Plain,
    }
}

/// A duration in at most two units: nobody wants the milliseconds of three days.
pub fn short(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m", s / 60),
        3600..86_400 => format!("{}h{:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d{}h", s / 86_400, s / 3600 % 24),
    }
}

/// Bytes as people read them.
pub fn bytes(n: u64) -> String {
    let mut size = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return if unit == "B" { format!("{n} B") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} TiB")
}

/// What time it is.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 4))
}

/// A text of the API; empty when it is not there. Control characters are left out: titles come
/// from other monitors, and a terminal obeys.
pub fn text(value: &Value, key: &str) -> String {
    clean(value[key].as_str().unwrap_or_default())
}

/// A number of the API.
pub fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_default()
}

/// The items of a list of the API.
pub fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Texts of a list of the API.
pub fn texts(value: &Value, key: &str) -> Vec<String> {
    list(value, key).filter_map(Value::as_str).map(clean).collect()
}

/// Without what a terminal would obey.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let page = Page::new(false, &TimeZone::UTC);
        let plain = |t: &str| (t.to_owned(), Look::Plain);
        let rows = [
            vec![plain("P1"), plain("é"), plain("x")],
            vec![plain("PRIO"), plain("id"), plain("y")],
        ];
        assert_eq!(page.table(&rows), "P1    é   x\nPRIO  id  y\n");
    }

    #[test]
    fn durations_and_sizes_are_short() {
        let cases = [(0, "0s"), (59, "59s"), (60, "1m"), (3700, "1h01m"), (90_000, "1d1h")];
        for (s, want) in cases {
            assert_eq!(short(Duration::from_secs(s)), want);
        }
        assert_eq!(
            (bytes(0), bytes(1536), bytes(5 << 30)),
            ("0 B".into(), "1.5 KiB".into(), "5.0 GiB".into())
        );
    }

    #[test]
    fn a_title_cannot_command_the_terminal() {
        assert_eq!(clean("a\x1b[2Jb\n"), "a [2Jb ");
    }

    #[test]
    fn today_needs_no_date() {
        let mut page = Page::new(false, &TimeZone::get("Asia/Jakarta").unwrap());
        page.now = "2026-11-24T03:00:00Z".parse().unwrap();
        assert_eq!(page.time_ago("2026-11-24T02:15:00.250Z"), "09:15:00 WIB (44m)");
        assert_eq!(page.time("2026-11-23T16:59:59Z"), "2026-11-23 23:59:59 WIB");
    }
}
