//! Time as a value. The core never asks what time it is; it is told.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

/// An instant in UTC, to the millisecond. Finer digits of an input are cut off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(i64);

/// Why a text is not an instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an RFC 3339 time such as 2026-11-24T02:15:00.250Z")]
pub struct NotATime(pub String);

impl Timestamp {
    /// The earliest instant there is; before everything.
    pub const MIN: Timestamp = Timestamp(i64::MIN / 4);
    /// The latest instant there is; after everything.
    pub const MAX: Timestamp = Timestamp(i64::MAX / 4);

    /// From milliseconds since 1970-01-01T00:00:00Z.
    pub const fn from_millis(ms: i64) -> Self {
        Timestamp(ms)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it is not earlier.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Writes `2026-11-24T02:15:00.250Z` into `out`. The only form we print.
    pub fn write_rfc3339(self, out: &mut [u8; 24]) {
        let days = self.0.div_euclid(86_400_000);
        let ms = self.0.rem_euclid(86_400_000);
        let (y, m, d) = civil_from_days(days);
        let digits = |out: &mut [u8; 24], at: usize, n: usize, mut v: i64| {
            for i in (0..n).rev() {
                out[at + i] = b'0' + (v % 10) as u8;
                v /= 10;
            }
        };
        *out = *b"0000-00-00T00:00:00.000Z";
        digits(out, 0, 4, y.clamp(0, 9999));
        digits(out, 5, 2, m);
        digits(out, 8, 2, d);
        digits(out, 11, 2, ms / 3_600_000);
        digits(out, 14, 2, ms / 60_000 % 60);
        digits(out, 17, 2, ms / 1000 % 60);
        digits(out, 20, 3, ms % 1000);
    }
}

/// The civil date of a day number counted from 1970-01-01.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, d)
}

/// The inverse of [`civil_from_days`], from the same source.
fn days_from_civil(y: i64, m: i64, d: i64) -> i64 {
    let y = y - i64::from(m <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Reads the one form that nearly every record has, `YYYY-MM-DDTHH:MM:SS[.fff…]Z`, without
/// allocating. Anything else is left to jiff.
fn parse_common(text: &[u8]) -> Option<Timestamp> {
    if text.len() < 20 || *text.last()? != b'Z' {
        return None;
    }
    let num = |from: usize, n: usize| -> Option<i64> {
        text[from..from + n]
            .iter()
            .try_fold(0i64, |v, c| c.is_ascii_digit().then(|| v * 10 + i64::from(c - b'0')))
    };
    let sep = |at: usize, c: u8| (text[at] == c).then_some(());
    let (y, mo, d) = (num(0, 4)?, num(5, 2)?, num(8, 2)?);
    let (h, mi, s) = (num(11, 2)?, num(14, 2)?, num(17, 2)?);
    sep(4, b'-').and(sep(7, b'-')).and(sep(10, b'T')).and(sep(13, b':')).and(sep(16, b':'))?;
    let frac = &text[19..text.len() - 1];
    let ms = match frac {
        [] => 0,
        [b'.', rest @ ..] if !rest.is_empty() && rest.len() <= 9 => {
            let mut v = 0i64;
            for i in 0..3 {
                v = v * 10
                    + match rest.get(i) {
                        Some(c) if c.is_ascii_digit() => i64::from(c - b'0'),
                        Some(_) => return None,
                        None => 0,
                    };
            }
            rest.iter().all(u8::is_ascii_digit).then_some(v)?
        }
        _ => return None,
    };
    let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let longest = match mo {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&d) || h > 23 || mi > 59 || s > 59 {
        return None;
    }
    let seconds = days_from_civil(y, mo, d) * 86_400 + h * 3600 + mi * 60 + s;
    Some(Timestamp(seconds * 1000 + ms))
}

impl FromStr for Timestamp {
    type Err = NotATime;

    /// RFC 3339, any offset; fractions beyond the millisecond are cut off.
    fn from_str(text: &str) -> Result<Self, NotATime> {
        if let Some(t) = parse_common(text.as_bytes()) {
            return Ok(t);
        }
        let t: jiff::Timestamp = text.parse().map_err(|_| NotATime(text.to_owned()))?;
        Ok(Timestamp(t.as_millisecond()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buf = [0u8; 24];
        self.write_rfc3339(&mut buf);
        f.write_str(std::str::from_utf8(&buf).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Timestamp;
    fn add(self, d: Duration) -> Timestamp {
        let ms = i64::try_from(d.as_millis()).unwrap_or(i64::MAX / 4);
        Timestamp(self.0.saturating_add(ms).min(Timestamp::MAX.0))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Timestamp;
    fn sub(self, d: Duration) -> Timestamp {
        let ms = i64::try_from(d.as_millis()).unwrap_or(i64::MAX / 4);
        Timestamp(self.0.saturating_sub(ms).max(Timestamp::MIN.0))
    }
}

/// A duration as people write it: `90s`, `1h30m`, `3d`, `250ms`. Reads what [`parse_duration`] takes.
pub fn show_duration(d: Duration) -> String {
    let mut ms = d.as_millis();
    if ms == 0 {
        return "0s".into();
    }
    let mut out = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
    {
        let n = ms / size;
        if n > 0 {
            let _ = write!(out, "{n}{unit}");
            ms -= n * size;
        }
    }
    out
}

/// Reads a duration as people write it: numbers with `d`, `h`, `m`, `s`, `ms`, one after another
/// (`1h30m`, `0s`). A bare number is refused: nobody can see its unit.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration such as \"20s\", \"1h30m\" or \"3d\"");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let ms = match &rest[..end] {
            "d" => 86_400_000.0,
            "h" => 3_600_000.0,
            "m" | "min" => 60_000.0,
            "s" => 1000.0,
            "ms" => 1.0,
            _ => return Err(wrong()),
        };
        rest = rest[end..].trim_start();
        let part = number * ms;
        if !part.is_finite() || part > 1e14 {
            return Err(wrong());
        }
        total += Duration::from_millis(part as u64);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_reader_agrees_with_jiff() {
        for text in [
            "2026-11-24T02:15:00.250Z",
            "2024-02-29T23:59:59Z",
            "1970-01-01T00:00:00.1Z",
            "1999-12-31T23:59:59.999999999Z",
            "2000-03-01T00:00:00.000Z",
        ] {
            let slow: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(
                text.parse::<Timestamp>().unwrap().as_millis(),
                slow.as_millisecond(),
                "{text}"
            );
        }
        let wib: Timestamp = "2026-11-24T09:15:00.250+07:00".parse().unwrap();
        assert_eq!(wib.to_string(), "2026-11-24T02:15:00.250Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in
            ["", "now", "2026-02-30T00:00:00Z", "2026-11-24 02:15:00", "2026-13-01T00:00:00Z"]
        {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_prints_and_reads_back() {
        for day in (-200_000..200_000).step_by(97) {
            let t = Timestamp::from_millis(day * 86_400_000 / 7 + 123);
            if (0..253_402_300_800_000).contains(&t.as_millis()) {
                assert_eq!(t.to_string().parse::<Timestamp>().unwrap(), t);
            }
        }
    }

    #[test]
    fn durations_read_back() {
        for text in ["0s", "250ms", "20s", "1h30m", "3d", "1d2h3m4s5ms"] {
            assert_eq!(show_duration(parse_duration(text).unwrap()), text);
        }
        for text in ["", "20", "20x", "s", "-5s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
