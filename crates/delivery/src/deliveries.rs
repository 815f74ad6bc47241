//! Every incident on every desk, and whose turn it is.

use crate::answer::{Answer, Call, Changes, Outcome};
use crate::backoff::backoff;
use crate::breaker::BreakerState;
use crate::desired::Destination;
use crate::entry::{Entry, Name, Next, Plan, Way};
use crate::queue::{Desk, Line, Place};
use crate::rules::DeskRules;
use model::id::ticket_key;
use model::{DeliveryLine, DeliveryStep, IncidentId, Intent, IntentOp, TicketRef, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The most pairs of incident and desk that are looked after at once. Above it no intent is taken
/// in until some are settled and forgotten; the intents wait where they are, on record.
pub const TICKETS_MAX: usize = 200_000;

/// A desk that cannot tell which tickets changed is asked again after so many polls at the latest.
const CHANGES_PAUSE_MAX: u32 = 10;

/// What the desks should be told and what they were told.
///
/// # How to turn it
///
/// - `handle_*` says what happened: [`handle_intent`](Self::handle_intent) (an intent that is on
///   record), [`handle_recorded`](Self::handle_recorded) (lines are durable now),
///   [`handle_answer`](Self::handle_answer) (a request ended).
/// - `poll_*` says what should happen: [`poll_step`](Self::poll_step) until it returns `None`, then
///   [`poll_timeout`](Self::poll_timeout) for when to come back without being called.
/// - [`forget`](Self::forget) is said once an incident is closed.
///
/// The order of polling: take steps until there is none; append all lines among them to the journal
/// in one go; call `handle_recorded`; start again. **No request leaves before the line that
/// announces it was handed to `handle_recorded`.** When lines cannot be made durable, keep them and
/// try again: nothing moves meanwhile.
///
/// After a restart: [`resume`](Self::resume) from the newest snapshot,
/// [`apply`](Self::apply) every line behind it, hand every intent behind it to `handle_intent`
/// again (in any order between the two; both may start earlier than the snapshot), then poll.
pub struct Deliveries {
    /// The unique name of the installation, part of every key.
    instance: Arc<str>,
    desks: BTreeMap<Arc<str>, Desk>,
    /// What is on record: incident and desk. Incident first, so that one incident's are together.
    entries: BTreeMap<(IncidentId, Arc<str>), Box<Entry>>,
    /// Desks that have dropped the key of the last ticket that was read back.
    keyless: BTreeSet<Arc<str>>,
    /// Lines that nobody has taken yet.
    lines: VecDeque<DeliveryLine>,
    /// Lines that were taken and are not durable yet, the oldest first.
    taken: VecDeque<DeliveryLine>,
    /// The number of the newest line that was taken.
    last_number: u64,
    /// Nothing new begins.
    draining: bool,
}

/// What should happen next.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "a step lives for a moment")]
pub enum Step {
    /// Make this line durable, then say so with its number.
    Record {
        /// Counts the lines; each is one more than the one before.
        number: u64,
        /// The line.
        line: DeliveryLine,
    },
    /// Send this request now; its line, where it needs one, is durable.
    Call(Box<Request>),
    /// Ask this desk which tickets changed last, then say so to
    /// [`handle_changes`](Deliveries::handle_changes).
    Changes {
        /// Which.
        desk: Arc<str>,
        /// When to stop waiting for the answer.
        deadline: Timestamp,
    },
}

/// A request to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// To which desk.
    pub desk: Arc<str>,
    /// For which incident.
    pub incident: IncidentId,
    /// What to ask.
    pub call: Call,
    /// When to stop waiting for the answer.
    pub deadline: Timestamp,
    /// When the journal took the event behind the ticket.
    pub received: Timestamp,
    /// There is no ticket yet, and nothing was asked about it before by this process.
    pub first: bool,
}

/// Why to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// When a pause between two tries, or before a look, is over.
    Pause,
    /// When the desk may be asked again under its limit a minute, or after it failed too often.
    Pace,
    /// When it is looked at what people did.
    Watch,
}

/// How far an incident's tickets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Some desk has no ticket yet.
    Pending,
    /// Every desk has its ticket.
    Told,
    /// Nobody knows what became of a request.
    Doubtful,
}

/// How one desk stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskStatus {
    /// Its name.
    pub desk: Arc<str>,
    /// Nothing is sent to it.
    pub dry_run: bool,
    /// Tickets that are not yet what they should be.
    pub pending: usize,
    /// When the oldest thing that it does not show yet was decided.
    pub oldest: Option<Timestamp>,
    /// Tickets with a request of which nobody knows what became.
    pub doubtful: usize,
    /// Requests under way.
    pub in_flight: usize,
    /// It has dropped the key of the last ticket that was read back.
    pub keyless: bool,
    /// Whether it is asked at all.
    pub breaker: BreakerState,
}

/// No room for another ticket: see [`TICKETS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{TICKETS_MAX} tickets wait for their desks; the intent has to wait on record")
    }
}

impl std::error::Error for Full {}

/// Everything that is on record, as plain values for a snapshot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DeliveryState {
    entries: Vec<(IncidentId, Arc<str>, Entry)>,
    keyless: Vec<Arc<str>>,
}

impl Deliveries {
    /// Nothing told to anybody yet.
    pub fn new(instance: &str, desks: Vec<DeskRules>) -> Deliveries {
        Deliveries::resume(instance, desks, DeliveryState::default())
    }

    /// As it was when the snapshot was taken. A desk that is not configured any more keeps what is
    /// on record about it, and nothing is done there.
    pub fn resume(instance: &str, desks: Vec<DeskRules>, state: DeliveryState) -> Deliveries {
        let mut deliveries = Deliveries {
            instance: instance.into(),
            desks: desks.into_iter().map(|r| (r.name.clone(), Desk::new(r))).collect(),
            entries: BTreeMap::new(),
            keyless: state.keyless.into_iter().collect(),
            lines: VecDeque::new(),
            taken: VecDeque::new(),
            last_number: 0,
            draining: false,
        };
        for (incident, desk, entry) in state.entries {
            deliveries.entries.insert((incident.clone(), desk.clone()), Box::new(entry));
            deliveries.place(&incident, &desk);
        }
        deliveries
    }

    // --- getters ---

    /// What is on record, for a snapshot. Lines that are not durable yet are not in it.
    pub fn snapshot(&self) -> DeliveryState {
        DeliveryState {
            entries: self
                .entries
                .iter()
                .map(|((incident, desk), entry)| {
                    (incident.clone(), desk.clone(), Entry::clone(entry))
                })
                .collect(),
            keyless: self.keyless.iter().cloned().collect(),
        }
    }

    /// How every desk stands.
    pub fn status(&self) -> Vec<DeskStatus> {
        self.desks
            .iter()
            .map(|(name, desk)| DeskStatus {
                desk: name.clone(),
                dry_run: desk.rules.dry_run,
                pending: desk.unsettled.len(),
                oldest: desk.unsettled.first().map(|(since, _)| *since),
                doubtful: desk.doubtful,
                in_flight: desk.in_flight,
                keyless: self.keyless.contains(name),
                breaker: desk.breaker.state(),
            })
            .collect()
    }

    /// How far the tickets of `incident` are; `None` when no desk shall have one.
    pub fn told(&self, incident: &IncidentId) -> Option<Told> {
        let mut told = None;
        for (_, entry) in self.of(incident).filter(|(_, e)| e.desired.wanted && !e.passed()) {
            told = Some(match (told, entry.ticket()) {
                (Some(Told::Doubtful), _) => Told::Doubtful,
                _ if entry.doubtful() => Told::Doubtful,
                (Some(Told::Pending), _) | (_, None) => Told::Pending,
                _ => Told::Told,
            });
        }
        told
    }

    /// The tickets of `incident`, with their desks.
    pub fn tickets(&self, incident: &IncidentId) -> Vec<(Arc<str>, TicketRef)> {
        self.of(incident)
            .filter_map(|(desk, e)| Some((desk.clone(), e.ticket()?.clone())))
            .collect()
    }

    /// When the journal took the event behind the ticket of `incident` on `desk`.
    pub fn received(&self, desk: &str, incident: &IncidentId) -> Option<Timestamp> {
        let entry = self.entries.get(&(incident.clone(), Arc::from(desk)))?;
        entry.desired.wanted.then_some(entry.desired.received)
    }

    /// The incidents that are looked after, each once. After a restart, [`forget`](Self::forget)
    /// those among them that were closed meanwhile: that they were is on no delivery line.
    pub fn incidents(&self) -> Vec<IncidentId> {
        let mut all: Vec<IncidentId> = self.entries.keys().map(|(i, _)| i.clone()).collect();
        all.dedup();
        all
    }

    /// How many pairs of incident and desk are looked after.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nothing is looked after.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Nothing is left to do, now or later, and no request is under way.
    pub fn is_idle(&self) -> bool {
        self.lines.is_empty()
            && self.taken.is_empty()
            && self.desks.values().all(|d| {
                d.in_flight == 0
                    && d.writing.is_empty()
                    && d.asking.is_empty()
                    && d.sweeping.is_empty()
                    && d.outgoing.is_empty()
                    && d.waiting.is_empty()
            })
    }

    /// How many requests are announced, about to leave or under way.
    pub fn in_flight(&self) -> usize {
        self.desks.values().map(|d| d.in_flight).sum()
    }

    fn of(&self, incident: &IncidentId) -> impl Iterator<Item = (&Arc<str>, &Entry)> {
        let from = (incident.clone(), Arc::from(""));
        self.entries
            .range(from..)
            .take_while(move |((i, _), _)| i == incident)
            .map(|((_, desk), entry)| (desk, &**entry))
    }

    // --- what happened ---

    /// Takes in an intent that is on record. A create names the desks that shall have a ticket; what
    /// comes later concerns the desks that the create named, whatever is routed where by then, and
    /// takes only the wording from `desks`. An intent that was taken in before changes nothing.
    pub fn handle_intent(&mut self, desks: &[Destination], intent: &Intent) -> Result<(), Full> {
        if intent.op == IntentOp::Notify {
            return Ok(());
        }
        if intent.op == IntentOp::Create {
            let new = desks
                .iter()
                .filter(|d| !self.entries.contains_key(&(intent.incident.clone(), d.desk.clone())))
                .count();
            if new > 0 && self.entries.len() + new > TICKETS_MAX {
                return Err(Full);
            }
            for destination in desks {
                let key = (intent.incident.clone(), destination.desk.clone());
                let entry = self.entries.entry(key).or_insert_with(|| {
                    Box::new(Entry::new(ticket_key(&intent.incident, &self.instance, 0)))
                });
                if !entry.desired.wanted {
                    entry.desired.group.clone_from(&destination.group);
                    entry.desired.category.clone_from(&destination.category);
                    entry.fold(destination.worded(intent).as_ref().unwrap_or(intent));
                }
                self.place(&intent.incident, &destination.desk);
            }
            return Ok(());
        }
        let told: Vec<Arc<str>> = self.of(&intent.incident).map(|(desk, _)| desk.clone()).collect();
        for desk in told {
            if let Some(entry) = self.entries.get_mut(&(intent.incident.clone(), desk.clone())) {
                let worded = desks.iter().find(|d| d.desk == desk).and_then(|d| d.worded(intent));
                entry.fold(worded.as_ref().unwrap_or(intent));
            }
            self.place(&intent.incident, &desk);
        }
        Ok(())
    }

    /// Every line through `number` is durable. Requests that they announce may leave now.
    pub fn handle_recorded(&mut self, number: u64) {
        let older = self.last_number.saturating_sub(number);
        while self.taken.len() as u64 > older {
            let Some(line) = self.taken.pop_front() else { break };
            self.apply(&line);
            let key = (line.incident.clone(), line.desk.clone());
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.way = match std::mem::take(&mut entry.way) {
                    Way::Recording(Some(call)) => Way::Outgoing(call),
                    _ => Way::Rest,
                };
            }
            self.place(&line.incident, &line.desk);
        }
    }

    /// Makes a line that is on record part of what is known. Only for starting again; afterwards
    /// [`handle_recorded`](Self::handle_recorded) does it.
    pub fn apply(&mut self, line: &DeliveryLine) {
        let key = (line.incident.clone(), line.desk.clone());
        self.entries
            .entry(key)
            .or_insert_with(|| Box::new(Entry::new(line.key.clone())))
            .apply(line);
        match line.step {
            DeliveryStep::Unkeyed => {
                self.keyless.insert(line.desk.clone());
            }
            DeliveryStep::Checked => {
                self.keyless.remove(&line.desk);
            }
            _ => {}
        }
        self.place(&line.incident, &line.desk);
    }

    /// What came back for the request of `incident` on `desk`.
    pub fn handle_answer(
        &mut self,
        desk: &str,
        incident: &IncidentId,
        answer: Answer,
        now: Timestamp,
    ) {
        let Some(at) = self.desks.get_mut(desk) else { return };
        at.breaker.heard(&answer, &at.rules, now);
        let name = at.rules.name.clone();
        let keyless = self.keyless.contains(&name);
        let key = (incident.clone(), name.clone());
        let Some(entry) = self.entries.get_mut(&key) else { return };
        let name = Name { instance: &self.instance, desk: &name, incident };
        let line = entry.handle_answer(name, answer, &at.rules, keyless, now);
        self.lines.extend(line);
        self.place(incident, &key.1);
    }

    /// The incident is closed. Each of its tickets is forgotten as soon as its desk shows what it
    /// should; until then it is worked on as before.
    pub fn forget(&mut self, incident: &IncidentId) {
        let told: Vec<Arc<str>> = self.of(incident).map(|(desk, _)| desk.clone()).collect();
        for desk in told {
            if let Some(entry) = self.entries.get_mut(&(incident.clone(), desk.clone())) {
                entry.closing = true;
            }
            self.place(incident, &desk);
        }
    }

    /// Looks at every ticket once more, whenever its desk has nothing else to do: whether it is still
    /// there, and whether it is the only one with its key.
    pub fn sweep(&mut self) {
        let all: Vec<(IncidentId, Arc<str>)> = self.entries.keys().cloned().collect();
        for (incident, desk) in all {
            let rules = self.desks.get(&desk).map(|d| &d.rules);
            if rules.is_none_or(|r| r.dry_run || !r.can.find) || self.keyless.contains(&desk) {
                continue;
            }
            if let Some(entry) = self.entries.get_mut(&(incident.clone(), desk.clone())) {
                entry.to_sweep = entry.ticket().is_some();
            }
            self.place(&incident, &desk);
        }
    }

    /// Which tickets of `desk` changed last, in answer to [`Step::Changes`]: those that are ours and
    /// that we have not seen so are read, and so are those that should be among them and are not.
    pub fn handle_changes(&mut self, desk: &str, answer: Outcome<Changes>, now: Timestamp) {
        let Some((name, at)) = self.desks.get_key_value(desk) else { return };
        let (name, rules) = (name.clone(), at.rules.clone());
        let changes = match answer {
            Outcome::Done(changes) => changes,
            Outcome::Rejected { .. } | Outcome::Unknown { .. } => {
                if let Some(at) = self.desks.get_mut(&name) {
                    at.changes_failed += 1;
                    let most = rules.poll.saturating_mul(CHANGES_PAUSE_MAX);
                    let pause = backoff(&name, at.changes_failed, rules.poll, most);
                    at.changes_due = Some(now + pause);
                }
                return;
            }
        };
        if let Some(at) = self.desks.get_mut(&name) {
            at.changes_failed = 0;
            at.changes_due = Some(now + rules.poll);
        }
        let oldest = changes.rows.iter().map(|r| r.changed.as_str()).min();
        let rows: BTreeMap<&str, &str> =
            changes.rows.iter().map(|r| (r.id.as_str(), r.changed.as_str())).collect();
        let moved: Vec<IncidentId> = self
            .entries
            .iter()
            .filter(|((_, d), entry)| {
                let seen = entry.watch.changed.as_deref();
                *d == name
                    && entry.ticket().is_some_and(|t| match rows.get(t.id.as_str()) {
                        Some(changed) => seen != Some(*changed),
                        // It should be on the list and is not: deleted, or merged into another.
                        None => changes.complete || (seen.is_some() && seen > oldest),
                    })
            })
            .map(|((incident, _), _)| incident.clone())
            .collect();
        for incident in moved {
            self.hint_entry(&incident, &name);
        }
    }

    /// Somebody says that something happened to this ticket of `desk`: it is read soon. Nothing else
    /// is believed. `false`: it is none of ours.
    pub fn hint(&mut self, desk: &str, ticket: &str) -> bool {
        let Some((name, _)) = self.desks.get_key_value(desk) else { return false };
        let name = name.clone();
        let found = self
            .entries
            .iter()
            .find(|((_, d), entry)| *d == name && entry.ticket().is_some_and(|t| t.id == ticket))
            .map(|((incident, _), _)| incident.clone());
        if let Some(incident) = &found {
            self.hint_entry(incident, &name);
        }
        found.is_some()
    }

    fn hint_entry(&mut self, incident: &IncidentId, name: &Arc<str>) {
        if let Some(entry) = self.entries.get_mut(&(incident.clone(), name.clone())) {
            entry.watch.hinted = true;
        }
        self.place(incident, name);
    }

    /// The process is about to end: from now on no request leaves. What is announced and has not
    /// left is called off on record; what is under way is waited for by whoever turns this.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    // --- what should happen ---

    /// The next thing to do: lines that wait, then requests that may leave, then whoever's turn it
    /// is. Desks do not wait for one another.
    pub fn poll_step(&mut self, now: Timestamp) -> Option<Step> {
        self.wake(now);
        loop {
            if let Some(line) = self.lines.pop_front() {
                self.last_number += 1;
                self.taken.push_back(line.clone());
                return Some(Step::Record { number: self.last_number, line });
            }
            if self.draining {
                if self.call_off_one(now) {
                    continue;
                }
                return None;
            }
            if let Some(step) =
                self.desks.iter_mut().find_map(|(name, d)| d.asks_changes(name, now))
            {
                return Some(step);
            }
            let (name, incident) = self
                .desks
                .iter_mut()
                .find_map(|(name, desk)| Some((name.clone(), desk.turn(now)?)))?;
            if let Some(request) = self.advance(&name, &incident, now) {
                return Some(Step::Call(Box::new(request)));
            }
        }
    }

    /// When to come back even if nothing happens, and why.
    pub fn poll_timeout(&self, now: Timestamp) -> Option<(Timestamp, Wake)> {
        let waits = self.desks.values().filter_map(|d| d.waiting.first());
        let pause = waits.map(|(until, _)| (*until, Wake::Pause)).min();
        let asks = |d: &&Desk| !(d.asking.is_empty() && d.sweeping.is_empty());
        let held = self.desks.values().filter(asks).filter(|d| d.has_slot());
        let pace = held.map(|d| {
            let until = d.breaker.until().unwrap_or(now);
            (d.pace.next(now).max(until), Wake::Pace)
        });
        let watch = self.desks.values().filter(|_| !self.draining);
        let watch = watch.filter_map(|d| d.watches_at(now)).map(|at| (at, Wake::Watch)).min();
        pause.into_iter().chain(pace.min()).chain(watch).min()
    }

    /// Calls one request off that is announced and has not left. Its line is then to be taken.
    fn call_off_one(&mut self, now: Timestamp) -> bool {
        let next = |(name, d): (&Arc<str>, &Desk)| {
            d.outgoing.first().map(|(_, _, incident)| (name.clone(), incident.clone()))
        };
        let Some((name, incident)) = self.desks.iter().find_map(next) else { return false };
        if let Some(entry) = self.entries.get_mut(&(incident.clone(), name.clone())) {
            let who = Name { instance: &self.instance, desk: &name, incident: &incident };
            self.lines.extend(entry.call_off(who, "we are about to stop", now));
        }
        self.place(&incident, &name);
        true
    }

    /// Ends the pauses that are over.
    fn wake(&mut self, now: Timestamp) {
        for name in self.desks.keys().cloned().collect::<Vec<_>>() {
            let over = |d: &Desk| {
                d.waiting.first().filter(|(until, _)| *until <= now).map(|(_, i)| i.clone())
            };
            while let Some(incident) = self.desks.get(&name).and_then(over) {
                self.place_at(&incident, &name, now);
            }
        }
    }

    /// Does what is next for one entry. Lines go to `lines`; a request is returned.
    fn advance(
        &mut self,
        name: &Arc<str>,
        incident: &IncidentId,
        now: Timestamp,
    ) -> Option<Request> {
        let desk = self.desks.get_mut(name)?;
        let entry = self.entries.get_mut(&(incident.clone(), name.clone()))?;
        let who = Name { instance: &self.instance, desk: name, incident };
        let request = |entry: &Entry, call: Call, deadline| Request {
            desk: name.clone(),
            incident: incident.clone(),
            call,
            deadline,
            received: entry.desired.received,
            first: entry.ticket().is_none() && !entry.asked,
        };
        let mut out = None;
        if let Way::Outgoing(_) = entry.way {
            let deadline = entry.sending_deadline().unwrap_or(now);
            if now >= deadline {
                self.lines.extend(entry.call_off(
                    who,
                    "its line took too long to become durable",
                    now,
                ));
            } else if let Way::Outgoing(call) = std::mem::take(&mut entry.way) {
                entry.way = Way::Calling(call.kind(), now);
                out = Some(request(entry, *call, deadline.min(now + desk.rules.timeout)));
            }
        } else {
            let next = entry.next(&desk.rules, now);
            if let Next::Wait(_) | Next::Nothing = next {
                // What it was to be looked at for has to wait for something else.
                self.place_at(incident, name, now);
                return None;
            }
            if Entry::needs_request(next, &desk.rules) {
                desk.pace.take(now);
            }
            match entry
                .plan(who, next, &desk.rules, now)
                .expect("whose turn it is has something to do")
            {
                Plan::Line(line) => {
                    entry.way = Way::Recording(None);
                    self.lines.push_back(line);
                }
                Plan::Send(line, call) => {
                    desk.breaker.asks(incident, &desk.rules, now);
                    entry.way = Way::Recording(Some(Box::new(call)));
                    self.lines.push_back(line);
                }
                Plan::Ask(call) => {
                    entry.watch.with_notes = matches!(call, Call::Read { notes: true, .. });
                    desk.breaker.asks(incident, &desk.rules, now);
                    entry.way = Way::Calling(call.kind(), now);
                    out = Some(request(entry, call, now + desk.rules.timeout));
                }
            }
        }
        if out.is_some() {
            entry.asked = true;
        }
        self.place(incident, name);
        out
    }

    /// Puts an entry where it belongs in its desk's lines, or forgets it. Whether a pause is over is
    /// seen by `wake`, not here.
    fn place(&mut self, incident: &IncidentId, name: &Arc<str>) {
        self.place_at(incident, name, Timestamp::MIN);
    }

    fn place_at(&mut self, incident: &IncidentId, name: &Arc<str>, now: Timestamp) {
        let key = (incident.clone(), name.clone());
        let Some(entry) = self.entries.get(&key) else { return };
        let resting = matches!(entry.way, Way::Rest);
        let configured = self.desks.contains_key(name);
        if entry.closing && resting && (!entry.unsettled() || !configured) {
            self.entries.remove(&key);
            if let Some(desk) = self.desks.get_mut(name) {
                desk.remove(incident);
            }
            return;
        }
        let Some(desk) = self.desks.get_mut(name) else { return };
        desk.remove(incident);
        let turn = || (entry.desired.priority, entry.desired.received, incident.clone());
        let line = match (&entry.way, entry.next(&desk.rules, now)) {
            (Way::Outgoing(_), _) => Some(Line::Outgoing(turn())),
            (_, Next::Nothing) => None,
            (_, Next::Wait(until)) => Some(Line::Waiting(until)),
            (_, Next::Sweep | Next::Verify) => Some(Line::Sweeping(turn())),
            (_, Next::Watch(due)) => {
                Some(Line::Watching((!entry.watch.hinted, due, incident.clone())))
            }
            (_, next) if Entry::needs_request(next, &desk.rules) => Some(Line::Asking(turn())),
            _ => Some(Line::Writing(turn())),
        };
        let unsettled = entry
            .unsettled()
            .then(|| entry.desired.waiting_since.unwrap_or(entry.desired.received));
        let place =
            Place { line, unsettled, doubtful: entry.doubtful(), in_flight: entry.in_flight() };
        desk.insert(incident, place);
    }
}
