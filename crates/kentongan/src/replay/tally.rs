//! What one configuration made of a recording: incidents with their lives, tickets, messages by
//! shift, what was suppressed.

use crate::config::Locale;
use jiff::civil::Date;
use model::{
    Change, Condition, Decision, IncidentId, IncidentLine, IntentOp, Priority, Timestamp, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The life of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Its id under this configuration.
    pub id: IncidentId,
    /// Everything that was ever thought to be its root.
    pub roots: BTreeSet<Arc<str>>,
    /// Its root as it was thought of last.
    pub root: Vec<Arc<str>>,
    /// Every device that it ever explained.
    pub devices: BTreeSet<Arc<str>>,
    /// The most urgent it ever was.
    pub priority: Priority,
    /// From the first sign to the recovery, as often as it failed; `None`: it still does.
    pub spans: Vec<(Timestamp, Option<Timestamp>)>,
    /// It turned out to be the same as another.
    pub merged: bool,
}

impl Life {
    /// Whether it failed at some time between these two.
    pub fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.spans.iter().any(|(a, b)| *a <= to && b.is_none_or(|b| from <= b))
    }

    /// From the first sign of it to the end of it.
    pub fn extent(&self) -> (Timestamp, Timestamp) {
        let from = self.spans.first().map_or(Timestamp::MAX, |s| s.0);
        let to = self.spans.iter().map(|s| s.1.unwrap_or(Timestamp::MAX)).max();
        (from, to.unwrap_or(Timestamp::MAX))
    }

    /// Whether it is over.
    pub fn over(&self) -> bool {
        self.spans.iter().all(|s| s.1.is_some())
    }
}

/// A shift: the local day on which it began, and which of the day's it is.
type Shift = (Date, usize);

/// What became of a recording.
pub struct Tally {
    locale: Locale,
    lives: BTreeMap<IncidentId, Life>,
    /// In the order in which they were opened.
    order: Vec<IncidentId>,
    /// Tickets, by their priority when they were made.
    pub tickets: BTreeMap<Priority, u64>,
    messages: BTreeMap<Shift, u64>,
    /// Events that came to no incident of their own, by the word that says why.
    pub suppressed: BTreeMap<&'static str, u64>,
    /// When a device's failure was known, and on purpose not made an incident of.
    on_purpose: BTreeMap<Arc<str>, Vec<Timestamp>>,
}

/// Messages in one of the day's shifts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// `07:00–15:00`.
    pub shift: String,
    /// In all of them.
    pub all: u64,
    /// In the busiest one, and the day on which it began.
    pub most: Option<(u64, Date)>,
}

impl Tally {
    /// Nothing yet; shifts are those of `locale`.
    pub fn new(locale: &Locale) -> Tally {
        Tally {
            locale: locale.clone(),
            lives: BTreeMap::new(),
            order: Vec::new(),
            tickets: BTreeMap::new(),
            messages: BTreeMap::new(),
            suppressed: BTreeMap::new(),
            on_purpose: BTreeMap::new(),
        }
    }

    /// Takes the next decision.
    pub fn take(&mut self, decision: &Decision) {
        match decision {
            Decision::Verdict(v) => {
                let why = match v.verdict {
                    Verdict::SuppressedByRoot | Verdict::Flapping | Verdict::BelowThreshold => {
                        v.verdict
                    }
                    Verdict::InMaintenance | Verdict::Silenced | Verdict::Unknown => {
                        if let Some(target) = &v.target {
                            self.on_purpose.entry(target.clone()).or_default().push(v.at);
                        }
                        v.verdict
                    }
                    _ => return,
                };
                *self.suppressed.entry(why.word()).or_default() += 1;
            }
            Decision::Alarm(_) => {}
            Decision::Incident(line) => self.incident(line),
            Decision::Intent(intent) => match intent.op {
                IntentOp::Create => *self.tickets.entry(intent.priority).or_default() += 1,
                IntentOp::Notify => {
                    let shift = self.shift(intent.at);
                    *self.messages.entry(shift).or_default() += 1;
                }
                _ => {}
            },
        }
    }

    fn incident(&mut self, line: &IncidentLine) {
        let life = self.lives.entry(line.id.clone()).or_insert_with(|| {
            self.order.push(line.id.clone());
            Life {
                id: line.id.clone(),
                roots: BTreeSet::new(),
                root: Vec::new(),
                devices: BTreeSet::new(),
                priority: line.priority,
                spans: Vec::new(),
                merged: false,
            }
        });
        life.roots.extend(line.root.iter().cloned());
        life.root.clone_from(&line.root);
        life.devices.extend(line.affected.devices.iter().cloned());
        life.priority = life.priority.min(line.priority);
        life.merged |= line.change == Change::Merged;
        let failing = line.condition != Condition::Clear;
        match life.spans.last_mut() {
            Some((_, to @ None)) if !failing => *to = Some(line.at),
            Some((_, None)) => {}
            _ if failing => life.spans.push((line.since, None)),
            _ => {}
        }
    }

    /// Every incident, in the order in which they were opened.
    pub fn lives(&self) -> impl Iterator<Item = &Life> {
        self.order.iter().filter_map(|id| self.lives.get(id))
    }

    /// Incidents by the most urgent they ever were.
    pub fn incidents(&self) -> BTreeMap<Priority, u64> {
        let mut by_priority = BTreeMap::new();
        for life in self.lives.values() {
            *by_priority.entry(life.priority).or_default() += 1;
        }
        by_priority
    }

    /// Whether a device's failure in this time was known and on purpose not made an incident of:
    /// maintenance, a silence, or our own blindness.
    pub fn on_purpose(&self, device: &str, from: Timestamp, to: Timestamp) -> bool {
        let known = self.on_purpose.get(device);
        known.is_some_and(|at| at.iter().any(|at| (from..=to).contains(at)))
    }

    fn shift(&self, at: Timestamp) -> Shift {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
        let local = self.locale.timezone.to_datetime(at);
        let begins = &self.locale.shifts;
        match begins.iter().rposition(|begin| *begin <= local.time()) {
            Some(n) => (local.date(), n),
            // Before the day's first one: the last one of yesterday still goes on.
            None => (local.date().yesterday().unwrap_or(local.date()), begins.len() - 1),
        }
    }

    /// Messages in each of the day's shifts.
    pub fn messages(&self) -> Vec<Messages> {
        let begins = &self.locale.shifts;
        (0..begins.len())
            .map(|n| {
                let of = self.messages.iter().filter(|((_, shift), _)| *shift == n);
                let most = of.clone().map(|((date, _), m)| (*m, *date));
                let end = begins[(n + 1) % begins.len()];
                Messages {
                    shift: format!("{}–{}", begins[n].strftime("%H:%M"), end.strftime("%H:%M")),
                    all: of.map(|(_, m)| m).sum(),
                    most: most.max_by_key(|(m, date)| (*m, std::cmp::Reverse(*date))),
                }
            })
            .collect()
    }
}
