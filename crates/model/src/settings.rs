//! What the configuration tells the core. Every default is design.md's.

pub use crate::calendar::{Season, Window};

use crate::decision::{Priority, Scope};
use crate::event::Severity;
use crate::exception::{Exception, default_exceptions};
use crate::inventory::Criticality;
use crate::route::Route;
use crate::sentence::Reader;
pub use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Everything the correlator is told besides the inventory.
///
/// Kept in the journal as it is, so that a recording can be decided again as it was: what an older
/// version did not know has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The unique name of this installation.
    pub instance: String,
    /// How each check is judged, by its name. A check that is not named is judged by
    /// [`CheckRule::default`].
    pub checks: BTreeMap<String, CheckRule>,
    /// Where a check is judged otherwise.
    pub exceptions: Vec<Exception>,
    /// The longest a confirmed alarm waits for the evidence of its possible ancestors.
    pub hold_max: Duration,
    /// The same root within this time of its recovery reopens the same incident.
    pub reopen_within: Duration,
    /// A resolved incident is closed after this time.
    pub close_after: Duration,
    /// At most one note about a growing or shrinking incident in this time.
    pub note_every: Duration,
    /// When an alarm counts as flapping.
    pub flapping: Flapping,
    /// Messages to people about one incident in an hour. The state it ends in is told in any case.
    pub notify_per_hour: u32,
    /// The explicit table.
    pub priority: PriorityTable,
    /// Windows that stand in the configuration.
    pub windows: Vec<Window>,
    /// Seasons in which some services matter more.
    pub seasons: Vec<Season>,
    /// When many incidents at once are a storm.
    pub storm: Storm,
    /// The language of what people read.
    pub language: Language,
    /// The clock on their wall, by which windows and seasons come again.
    #[serde(with = "zone_by_name")]
    pub timezone: TimeZone,
    /// Where people find the incidents, without a slash at the end; tickets carry a link then.
    pub public_url: Option<String>,
    /// What to do about a device, by its class: an address that its tickets carry.
    pub runbooks: BTreeMap<String, String>,
    /// Which tickets go where: the first that matches.
    pub routes: Vec<Route>,
}

impl Settings {
    /// Who reads what we write.
    pub fn reader(&self) -> Reader {
        Reader { language: self.language, timezone: self.timezone.clone() }
    }

    /// The time zone in which windows and seasons come again, by its IANA name.
    pub fn zone(&self) -> &str {
        match self.timezone.iana_name() {
            Some(name) => name,
            None if self.timezone == default_timezone() => "Asia/Jakarta",
            None => "UTC",
        }
    }
}

/// Western Indonesian time, UTC+7 all the year; where nothing else is configured.
pub fn default_timezone() -> TimeZone {
    TimeZone::posix("WIB-7").unwrap_or(TimeZone::UTC)
}

/// A time zone is written as its name in the IANA database, or as a POSIX rule.
mod zone_by_name {
    use super::{TimeZone, default_timezone};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(zone: &TimeZone, to: S) -> Result<S::Ok, S::Error> {
        match zone.iana_name() {
            Some(name) => to.serialize_str(name),
            None if *zone == default_timezone() => to.serialize_str("WIB-7"),
            None => to.serialize_str("UTC"),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeZone, D::Error> {
        let name = String::deserialize(from)?;
        let zone = TimeZone::get(&name).or_else(|_| TimeZone::posix(&name));
        Ok(zone.unwrap_or_else(|_| default_timezone()))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            instance: "kentongan".into(),
            checks: default_checks(),
            exceptions: default_exceptions(),
            hold_max: Duration::from_secs(90),
            reopen_within: Duration::from_mins(5),
            close_after: Duration::from_hours(72),
            note_every: Duration::from_mins(1),
            flapping: Flapping::default(),
            notify_per_hour: 2,
            priority: PriorityTable::default(),
            windows: Vec::new(),
            seasons: Vec::new(),
            storm: Storm::default(),
            language: Language::Id,
            timezone: default_timezone(),
            public_url: None,
            runbooks: BTreeMap::new(),
            routes: Vec::new(),
        }
    }
}

/// The checks that have defaults of their own.
pub fn default_checks() -> BTreeMap<String, CheckRule> {
    let icmp = CheckRule {
        thresholds: vec![
            Threshold {
                value: "loss_pct".into(),
                raise: 20.0,
                clear: 2.0,
                over: Duration::from_mins(5),
                measure: Measure::Mean,
            },
            Threshold {
                value: "loss_pct".into(),
                raise: 4.0,
                clear: 2.0,
                over: Duration::from_hours(1),
                measure: Measure::Mean,
            },
            // Of several fixed flows, how many lose everything: some ways of several are broken.
            Threshold {
                value: "flows_lost".into(),
                raise: 0.9,
                clear: 0.5,
                over: Duration::from_mins(3),
                measure: Measure::Least,
            },
            Threshold {
                value: "rtt_ms".into(),
                raise: 100.0,
                clear: 75.0,
                over: Duration::from_mins(5),
                measure: Measure::Baseline { raise: 3.0, clear: 2.0 },
            },
        ],
        ..CheckRule::default()
    };
    let if_status = CheckRule {
        interval: Duration::from_mins(1),
        down_needs: 2,
        down_of: 2,
        up_needs: 1,
        ..CheckRule::default()
    };
    let uptime = CheckRule { interval: Duration::from_mins(1), ..CheckRule::default() };
    BTreeMap::from([
        ("icmp".to_owned(), icmp),
        ("snmp:if-status".to_owned(), if_status),
        ("snmp:uptime".to_owned(), uptime),
    ])
}

/// How one kind of check is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckRule {
    /// How often it is asked.
    pub interval: Duration,
    /// Down when this many …
    pub down_needs: u8,
    /// … of the last this many samples are bad …
    pub down_of: u8,
    /// … and it has failed for this long.
    pub down_for: Duration,
    /// Up after this many good ones in a row.
    pub up_needs: u8,
    /// Evidence is stale after this many intervals.
    pub stale_after: f64,
    /// When it counts as flapping; `None`: as everything does.
    pub flapping: Option<Flapping>,
    /// Levels on its values.
    pub thresholds: Vec<Threshold>,
}

impl Default for CheckRule {
    fn default() -> Self {
        CheckRule {
            interval: Duration::from_secs(20),
            down_needs: 3,
            down_of: 5,
            down_for: Duration::ZERO,
            up_needs: 2,
            stale_after: 2.5,
            flapping: None,
            thresholds: Vec::new(),
        }
    }
}

/// A level on a value, with a separate level to clear it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The value's name.
    pub value: String,
    /// Raised when the mean is at or above this (below this, when `raise < clear`) …
    pub raise: f64,
    /// … cleared when it is below this (above this, when `raise < clear`).
    pub clear: f64,
    /// The mean is taken over this time; zero: the last value alone. A rise: within this time.
    pub over: Duration,
    /// What is held against the levels.
    #[serde(default)]
    pub measure: Measure,
}

/// What of a value is held against its levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum Measure {
    /// The mean.
    #[default]
    Mean,
    /// The mean, which must be beyond these multiples of what is usual for the target as well: what
    /// a satellite link always takes is no failure, and four times nothing is none either.
    Baseline {
        /// Raised when it is at or above so many times the usual as well …
        raise: f64,
        /// … cleared when it is below so many times the usual.
        clear: f64,
    },
    /// How much it rose.
    Rise,
    /// The least of all values: it is so all the time, and not on the average.
    Least,
}

impl Threshold {
    /// What an alarm of this level is called, for a check of this name: `icmp:loss_pct/5m`.
    pub fn name(&self, check: &str) -> String {
        let over = if self.over.is_zero() {
            String::new()
        } else {
            format!("/{}", crate::time::show_duration(self.over))
        };
        let rise = if self.measure == Measure::Rise { ":rise" } else { "" };
        format!("{check}:{}{rise}{over}", self.value)
    }
}

/// When an alarm counts as flapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flapping {
    /// This many confirmed changes within `window` start it; 0 turns it off.
    pub start: u32,
    /// This many or fewer within `window` end it.
    pub end: u32,
    /// The window.
    pub window: Duration,
}

impl Default for Flapping {
    fn default() -> Self {
        Flapping { start: 5, end: 2, window: Duration::from_hours(1) }
    }
}

/// When many incidents at once are a storm. Its P3s are presented as one digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// More new incidents than this within `window` are a storm; 0 turns it off.
    pub above: u32,
    /// The window.
    pub window: Duration,
}

impl Default for Storm {
    fn default() -> Self {
        Storm { above: 30, window: Duration::from_mins(1) }
    }
}

/// Priority by scope and urgency; by severity for a signal without a known target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PriorityTable {
    /// `[scope][criticality]`, in the order of the enums (lokal, situs, masif; normal, important, vital).
    pub table: [[Priority; 3]; 3],
    /// By severity, in the order of the enum (info … disaster).
    pub by_severity: [Priority; 5],
}

impl Default for PriorityTable {
    fn default() -> Self {
        use Priority::{P1, P2, P3, P4};
        PriorityTable {
            table: [[P3, P3, P2], [P3, P2, P1], [P2, P1, P1]],
            by_severity: [P4, P3, P3, P2, P1],
        }
    }
}

impl PriorityTable {
    /// The priority of a failure that reaches `scope` and whose most critical part is `urgency`.
    pub fn of(&self, scope: Scope, urgency: Criticality) -> Priority {
        self.table[scope as usize][urgency as usize]
    }

    /// The priority of a signal about something the inventory does not know.
    pub fn of_severity(&self, severity: Severity) -> Priority {
        self.by_severity[severity as usize]
    }
}

/// The language of what people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Language {
    /// Indonesian.
    #[default]
    Id,
    /// English.
    En,
}
