//! Who stands in line for one desk, and whose turn it is.

use crate::breaker::Breaker;
use crate::deliveries::Step;
use crate::pace::Pace;
use crate::rules::DeskRules;
use model::{IncidentId, Priority, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One desk: its rules and who stands in line for it.
pub(crate) struct Desk {
    pub(crate) rules: DeskRules,
    pub(crate) pace: Pace,
    pub(crate) breaker: Breaker,
    pub(crate) in_flight: usize,
    /// Whose next thing is a line and no request.
    pub(crate) writing: BTreeSet<Turn>,
    /// Whose next thing is a request.
    pub(crate) asking: BTreeSet<Turn>,
    /// Whose next thing is a look of a sweep, for when there is nothing else to ask.
    pub(crate) sweeping: BTreeSet<Turn>,
    /// Whose next thing is a look for what people did, once its time has come: first those of which
    /// something is known to have changed.
    pub(crate) watching: BTreeSet<(bool, Timestamp, IncidentId)>,
    /// When the desk is asked next which tickets changed; `None` while it is being asked.
    pub(crate) changes_due: Option<Timestamp>,
    /// How often that failed, in a row.
    pub(crate) changes_failed: u32,
    /// Whose request is announced on record and may leave.
    pub(crate) outgoing: BTreeSet<Turn>,
    /// Who waits for an instant.
    pub(crate) waiting: BTreeSet<(Timestamp, IncidentId)>,
    /// Who is not settled, by since when.
    pub(crate) unsettled: BTreeSet<(Timestamp, IncidentId)>,
    pub(crate) doubtful: usize,
    /// Where each entry stands in the sets above.
    pub(crate) places: BTreeMap<IncidentId, Place>,
}

/// The order in which a desk is asked: the urgent first, then the older.
pub(crate) type Turn = (Priority, Timestamp, IncidentId);

#[derive(Default)]
pub(crate) struct Place {
    pub(crate) line: Option<Line>,
    pub(crate) unsettled: Option<Timestamp>,
    pub(crate) doubtful: bool,
    pub(crate) in_flight: bool,
}

pub(crate) enum Line {
    Writing(Turn),
    Asking(Turn),
    Sweeping(Turn),
    Watching((bool, Timestamp, IncidentId)),
    Outgoing(Turn),
    Waiting(Timestamp),
}

impl Desk {
    pub(crate) fn new(rules: DeskRules) -> Desk {
        Desk {
            breaker: Breaker::default(),
            pace: Pace::new(rules.per_minute, rules.max_in_flight.max(rules.per_minute / 10)),
            changes_due: Some(Timestamp::MIN),
            changes_failed: 0,
            watching: BTreeSet::new(),
            rules,
            in_flight: 0,
            writing: BTreeSet::new(),
            asking: BTreeSet::new(),
            sweeping: BTreeSet::new(),
            outgoing: BTreeSet::new(),
            waiting: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            doubtful: 0,
            places: BTreeMap::new(),
        }
    }

    pub(crate) fn has_slot(&self) -> bool {
        self.in_flight < self.rules.max_in_flight as usize
    }

    /// Whose turn it is, if anybody's.
    pub(crate) fn turn(&mut self, now: Timestamp) -> Option<IncidentId> {
        if let Some((_, _, incident)) = self.outgoing.first() {
            return Some(incident.clone());
        }
        if let Some((_, _, incident)) = self.writing.first() {
            return Some(incident.clone());
        }
        if !self.breaker.lets_pass(now) {
            return None;
        }
        let free = self.has_slot() && self.pace.next(now) <= now;
        let asking = if self.asking.is_empty() { &self.sweeping } else { &self.asking };
        // While it is only tried, by one after the other.
        let after = self.breaker.tried().and_then(|tried| {
            let last = asking.iter().position(|(_, _, incident)| incident == tried)?;
            asking.iter().nth(last + 1)
        });
        let asking = after.or_else(|| asking.first());
        let next = asking.filter(|_| free).map(|(_, _, incident)| incident.clone());
        next.or_else(|| self.watched(now))
    }

    /// Who is looked at now for what people did. Only part of what the desk lets through is used for
    /// that, so that a write that comes next need not wait.
    fn watched(&self, now: Timestamp) -> Option<IncidentId> {
        let due = |hinted: bool| {
            let first = self.watching.range((!hinted, Timestamp::MIN, IncidentId::from_text(""))..);
            first.take(1).find(|(_, at, _)| *at <= now)
        };
        let (_, _, incident) = due(true).or_else(|| due(false))?;
        self.has_slot_for_watching(now).then(|| incident.clone())
    }

    fn has_slot_for_watching(&self, now: Timestamp) -> bool {
        let slots = (self.rules.max_in_flight as usize).div_ceil(2);
        self.in_flight < slots && self.pace.next_leaving_half(now) <= now
    }

    /// When somebody is looked at next, if there is a slot for it.
    pub(crate) fn watches_at(&self, now: Timestamp) -> Option<Timestamp> {
        let first = |hinted: bool| {
            let from = (!hinted, Timestamp::MIN, IncidentId::from_text(""));
            self.watching.range(from..).next().map(|(_, at, _)| *at)
        };
        let slots = (self.rules.max_in_flight as usize).div_ceil(2);
        let watched = first(true).into_iter().chain(first(false)).min();
        let watched = watched
            .filter(|_| self.in_flight < slots)
            .map(|at| at.max(self.pace.next_leaving_half(now)));
        let changes = self.changes_due.filter(|_| self.wants_changes());
        let changes = changes.map(|at| at.max(self.pace.next(now)));
        let until = self.breaker.until().unwrap_or(now);
        watched.into_iter().chain(changes).map(|at| at.max(until)).min()
    }

    fn wants_changes(&self) -> bool {
        self.rules.hears() && self.rules.can.changes && !self.watching.is_empty()
    }

    /// The desk is asked which tickets changed, where it can tell and it is time. It is one request
    /// for all of them, and goes before everything else.
    pub(crate) fn asks_changes(&mut self, name: &Arc<str>, now: Timestamp) -> Option<Step> {
        let due = self.changes_due.is_some_and(|at| at <= now) && self.wants_changes();
        if !due || self.pace.next(now) > now || !self.breaker.lets_pass(now) {
            return None;
        }
        self.changes_due = None;
        self.pace.take(now);
        Some(Step::Changes { desk: name.clone(), deadline: now + self.rules.timeout })
    }

    pub(crate) fn insert(&mut self, incident: &IncidentId, place: Place) {
        match &place.line {
            Some(Line::Writing(turn)) => self.writing.insert(turn.clone()),
            Some(Line::Asking(turn)) => self.asking.insert(turn.clone()),
            Some(Line::Sweeping(turn)) => self.sweeping.insert(turn.clone()),
            Some(Line::Watching(at)) => self.watching.insert(at.clone()),
            Some(Line::Outgoing(turn)) => self.outgoing.insert(turn.clone()),
            Some(Line::Waiting(until)) => self.waiting.insert((*until, incident.clone())),
            None => true,
        };
        if let Some(since) = place.unsettled {
            self.unsettled.insert((since, incident.clone()));
        }
        self.doubtful += usize::from(place.doubtful);
        self.in_flight += usize::from(place.in_flight);
        self.places.insert(incident.clone(), place);
    }

    pub(crate) fn remove(&mut self, incident: &IncidentId) {
        let Some(place) = self.places.remove(incident) else { return };
        match &place.line {
            Some(Line::Writing(turn)) => self.writing.remove(turn),
            Some(Line::Asking(turn)) => self.asking.remove(turn),
            Some(Line::Sweeping(turn)) => self.sweeping.remove(turn),
            Some(Line::Watching(at)) => self.watching.remove(at),
            Some(Line::Outgoing(turn)) => self.outgoing.remove(turn),
            Some(Line::Waiting(until)) => self.waiting.remove(&(*until, incident.clone())),
            None => true,
        };
        if let Some(since) = place.unsettled {
            self.unsettled.remove(&(since, incident.clone()));
        }
        self.doubtful -= usize::from(place.doubtful);
        self.in_flight -= usize::from(place.in_flight);
    }
}
