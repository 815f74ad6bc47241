//! What people did to a ticket: the difference between what is read and what we left.
//!
//! Only one thing at a time is asked about a ticket, and what is read is compared only when it was
//! asked for after our last request about it could be seen. So a difference is a person's, and our
//! own writes never come back as news.

use super::{Entry, Known, Name, Next, Watch};
use crate::answer::{Note, Outcome, Snapshot};
use crate::backoff::backoff;
use crate::rules::DeskRules;
use model::event::DESK_TEXT_MAX;
use model::id::short_hash;
use model::{
    DeliveryLine, DeliveryStep, DeskCall, DeskChange, Heard, IncidentId, News, Priority, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a list tells what changed, a ticket that is not on it is read this many polls apart all the
/// same; so is one whose incident is over.
const SELDOM: u32 = 10;

/// The most notes that one look hears; the others with the next.
const REMARKS_MAX: usize = 20;

/// The longest name of a person that is kept, in bytes.
const BY_MAX: usize = 128;

/// After this many looks before a write it is written: other writes of the desk may have come in
/// between each time.
const PEEKS_MAX: u32 = 3;

/// The longest until a ticket is opened again, however often a person closes it.
const REOPEN_MAX: Duration = Duration::from_hours(24);

/// What people did to a ticket, as far as it was heard.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct People {
    /// Who owned it last. One that it had when it was opened took nothing.
    pub(super) owner: Option<String>,
    /// The newest note that was heard.
    note: Option<String>,
    /// How often it was closed while the failure lasted.
    closures: u32,
    /// Its priority is a person's from now on.
    priority: bool,
    /// A person opened or closed it last.
    state: Option<State>,
    /// A person merged ours into it: it is somebody's ticket, and ours is a guest there.
    guest: bool,
}

/// That a person opened or closed it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    open: bool,
    /// When it was heard.
    at: Timestamp,
    /// The newest intent at that time: a later one about the state has its way again.
    revision: u32,
    /// They were told that the failure lasts.
    answered: bool,
}

impl People {
    pub(super) fn answered(&mut self) {
        if let Some(state) = &mut self.state {
            state.answered = true;
        }
    }
}

impl Entry {
    // --- what is on record ---

    pub(super) fn apply_heard(&mut self, line: &DeliveryLine) {
        let Some(heard) = &line.heard else { return };
        let Some(known) = &mut self.known else { return };
        if let Some(ticket) = &line.ticket {
            known.ticket = ticket.clone();
        }
        (known.open, known.priority) = (line.open, line.priority);
        let people = &mut self.people;
        people.owner.clone_from(&heard.owner);
        people.note.clone_from(&heard.note);
        people.closures = heard.closures;
        for news in &heard.news {
            match news.change {
                DeskChange::Reprioritised => {
                    people.priority = true;
                    // Whoever chose it need not be told of it.
                    if line.priority.is_some() {
                        known.said_priority = line.priority;
                    }
                }
                DeskChange::Closed | DeskChange::Reopened => {
                    people.state = Some(State {
                        open: line.open,
                        at: line.at,
                        revision: line.revision,
                        answered: false,
                    });
                }
                DeskChange::Merged => people.guest = true,
                DeskChange::Taken | DeskChange::Noted | DeskChange::Deleted => {}
            }
        }
    }

    /// Whether a line is about the answer to the person who closed it.
    pub(super) fn is_objection(&self, line: &DeliveryLine) -> bool {
        line.call == Some(DeskCall::Note)
            && line.operation.as_deref()
                == Some(objection(&self.key, self.people.closures).as_str())
    }

    // --- what comes next ---

    /// The field that is to be written, where there is one that is ours to write.
    pub(super) fn next_field(
        &self,
        known: &Known,
        rules: &DeskRules,
        now: Timestamp,
    ) -> Option<Next> {
        if self.people.guest {
            return None;
        }
        let wanted = self.desired.priority;
        let field = if !self.people.priority && known.priority.is_some_and(|p| p != wanted) {
            Next::SetPriority
        } else if known.open != self.desired.open && !self.left_as_it_is(rules, now) {
            Next::SetState
        } else {
            return None;
        };
        if !rules.hears() {
            return Some(field);
        }
        let fresh = self.look.fresh.is_some_and(|at| now.since(at) <= rules.poll);
        if fresh || self.look.peeks >= PEEKS_MAX {
            return Some(field);
        }
        let visible = self.visible(rules);
        Some(if visible > now { Next::Wait(visible) } else { Next::Peek })
    }

    /// What a person did to the state that stands: nothing was decided about it since.
    fn state_of_a_person(&self) -> Option<&State> {
        self.people.state.as_ref().filter(|s| s.revision >= self.desired.state_revision)
    }

    /// A person has closed it while it should be open.
    fn closed_too_early(&self) -> Option<&State> {
        let open = self.known.as_ref().is_some_and(|k| k.open);
        self.state_of_a_person().filter(|s| !s.open && !open && self.desired.open)
    }

    fn left_as_it_is(&self, rules: &DeskRules, now: Timestamp) -> bool {
        self.state_of_a_person().is_some()
            && (self.closed_too_early().is_none()
                || self.opens_again(rules).is_none_or(|at| now < at))
    }

    /// When the ticket that a person closed too early is opened again; `None`: not by itself.
    pub(super) fn opens_again(&self, rules: &DeskRules) -> Option<Timestamp> {
        let after = reopen_after(rules, self.people.closures)?;
        (!self.people.guest).then_some(())?;
        self.closed_too_early().map(|s| s.at + after)
    }

    /// The person who closed it too early was not answered yet.
    pub(super) fn objects(&self) -> bool {
        self.closed_too_early().is_some_and(|s| !s.answered)
    }

    pub(super) fn objection(&self, incident: &IncidentId, rules: &DeskRules) -> Note {
        let operation = objection(&self.key, self.people.closures);
        let (id, en) = match reopen_after(rules, self.people.closures) {
            Some(after) if !self.people.guest => {
                let minutes = after.as_secs().div_ceil(60);
                (
                    format!("Jika belum pulih, tiket ini dibuka kembali dalam {minutes} menit."),
                    format!(
                        "Unless it is over by then, the ticket is opened again in {minutes} min."
                    ),
                )
            }
            _ => (
                "Tiket ini tidak dibuka kembali secara otomatis.".to_owned(),
                "The ticket is not opened again by itself.".to_owned(),
            ),
        };
        let text = format!(
            "Tiket ditutup, tetapi gangguan {incident} masih berlangsung. {id}\n\
             The ticket was closed while the failure {incident} lasts. {en}\n\n{}",
            Note::marker(&operation)
        );
        Note { operation, text }
    }

    /// When to look next what people did; `None`: never.
    pub(super) fn next_watch(&self, rules: &DeskRules) -> Option<Next> {
        if self.closing || !rules.hears() {
            return self.opens_again(rules).map(Next::Wait);
        }
        let due = if self.watch.hinted { Timestamp::MIN } else { self.watch.due };
        let due = due.max(self.visible(rules));
        Some(Next::Watch(self.opens_again(rules).map_or(due, |at| due.min(at))))
    }

    /// From when on a look shows what we did last.
    fn visible(&self, rules: &DeskRules) -> Timestamp {
        self.touched + rules.visibility_delay
    }

    // --- what is heard ---

    /// Whether a read that ended was to hear of people, and not for anything of our own.
    pub(super) fn listens(&self, rules: &DeskRules) -> bool {
        rules.hears()
            && self.doubt.is_none()
            && self.rereads(rules).is_none()
            && self.known.as_ref().is_some_and(|k| k.checked && !k.dry)
    }

    /// A field is to be written, and this look goes before it.
    fn peeks(&self, rules: &DeskRules, now: Timestamp) -> bool {
        let field = self.standing(rules).and_then(|k| self.next_field(k, rules, now));
        field == Some(Next::Peek)
    }

    /// A look for what people did has failed. `None`: the next one comes by itself.
    pub(super) fn listened_in_vain(
        &mut self,
        name: Name<'_>,
        outcome: &Outcome<Snapshot>,
        rules: &DeskRules,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let (reason, for_now) = match outcome {
            Outcome::Done(_) => return None,
            Outcome::Rejected { reason, retry } => (reason, *retry),
            Outcome::Unknown { reason } => (reason, true),
        };
        let writes = self.peeks(rules, now);
        if writes && for_now {
            return self.look_failed(name, reason, rules, now);
        }
        if writes {
            // We may not read it; that is no reason to leave it as it is.
            self.look.peeks = PEEKS_MAX;
        }
        self.look.failed += 1;
        let first = rules.poll.max(rules.retry_first);
        let pause = backoff(&self.key, self.look.failed, first, first * SELDOM);
        self.watch = Watch { due: now + pause, ..self.watch.clone() };
        None
    }

    /// What a ticket that was read tells of people.
    pub(super) fn listen(
        &mut self,
        name: Name<'_>,
        snapshot: &Snapshot,
        rules: &DeskRules,
        asked: Timestamp,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        self.look.failed = 0;
        self.look.not_before = None;
        let whole = self.watch.with_notes || !rules.can.remarks;
        if whole {
            self.looked(snapshot, rules, now);
        }
        if asked < self.visible(rules) {
            self.watch.due = self.watch.due.min(self.visible(rules));
            return None;
        }
        self.look.fresh = None;
        let Some(line) = self.differs(name, snapshot, rules, now) else {
            let peeked = self.peeks(rules, now);
            self.look.fresh = Some(asked);
            self.look.peeks = if peeked { self.look.peeks + 1 } else { 0 };
            return None;
        };
        if !whole {
            self.look.thorough = true;
            return None;
        }
        self.look.thorough = false;
        Some(line)
    }

    /// When to look again after a look that saw everything.
    pub(super) fn looked(&mut self, snapshot: &Snapshot, rules: &DeskRules, now: Timestamp) {
        let moved = snapshot.changed.is_none() || snapshot.changed != self.watch.changed;
        let over = !self.desired.open && !snapshot.open;
        // What changed within the same second as this looks the same: one more look soon.
        let seldom = over || (rules.can.changes && !moved);
        let pause = if seldom { rules.poll * SELDOM } else { rules.poll };
        self.watch.due = now + pause;
        self.watch.hinted = false;
        self.watch.changed.clone_from(&snapshot.changed);
    }

    fn differs(
        &self,
        name: Name<'_>,
        snapshot: &Snapshot,
        rules: &DeskRules,
        now: Timestamp,
    ) -> Option<DeliveryLine> {
        let known = self.known.as_ref()?;
        let by = snapshot.last.as_deref().and_then(name_of);
        let mut heard = Heard {
            news: Vec::new(),
            owner: self.people.owner.clone(),
            note: self.people.note.clone(),
            closures: self.people.closures,
        };
        let news = |change, by: Option<String>| News { change, by, text: None, priority: None };
        let base = DeliveryLine {
            call: Some(DeskCall::Read),
            ..self.line(name, DeliveryStep::Heard, now)
        };
        if let Some(into) = snapshot.merged_into.as_ref().filter(|t| t.id != known.ticket.id) {
            heard.news.push(news(DeskChange::Merged, by));
            return Some(DeliveryLine {
                about: Some(known.ticket.clone()),
                ticket: Some(into.clone()),
                open: snapshot.open,
                priority: snapshot.priorities.first().copied(),
                reason: format!("{} went on as {}", known.ticket.id, into.id),
                heard: Some(heard),
                ..base
            });
        }
        if !self.people.guest && snapshot.key.as_ref().is_some_and(|k| *k != self.key) {
            let why =
                format!("ticket {} is another one by now: it has another key", known.ticket.id);
            return Some(self.deleted_line(name, snapshot, &why, now));
        }
        let owner = snapshot.owner.as_deref().and_then(name_of);
        if owner.is_some() && owner != self.people.owner {
            heard.news.push(news(DeskChange::Taken, owner.clone()));
            heard.owner = owner;
        }
        self.remarks(snapshot, &mut heard);
        let priority = priority_of(known, snapshot, rules);
        if priority != known.priority {
            heard.news.push(News { priority, ..news(DeskChange::Reprioritised, by.clone()) });
        }
        // Where we cannot resolve, the ticket is open although we count it as resolved.
        let open = snapshot.open && (known.open || rules.can.resolve);
        if open != known.open {
            heard.closures += u32::from(!open && self.desired.open);
            let change = if open { DeskChange::Reopened } else { DeskChange::Closed };
            heard.news.push(news(change, by));
        }
        if heard.news.is_empty() {
            return None;
        }
        let reason = heard.news.iter().map(sentence).collect::<Vec<_>>().join("; ");
        Some(DeliveryLine { open, priority, reason, heard: Some(heard), ..base })
    }

    fn remarks(&self, snapshot: &Snapshot, heard: &mut Heard) {
        let after = self.people.note.as_deref().map(super::answered::natural);
        let new = |id: &str| after.as_ref().is_none_or(|a| super::answered::natural(id) > *a);
        for remark in snapshot.remarks.iter().filter(|r| new(&r.id)).take(REMARKS_MAX) {
            heard.news.push(News {
                change: DeskChange::Noted,
                by: remark.by.as_deref().and_then(name_of),
                text: Some(cut(remark.text.trim(), DESK_TEXT_MAX).to_owned()),
                priority: None,
            });
            heard.note = Some(remark.id.clone());
        }
    }

    /// A person deleted the ticket.
    pub(super) fn deleted_line(
        &self,
        name: Name<'_>,
        snapshot: &Snapshot,
        why: &str,
        now: Timestamp,
    ) -> DeliveryLine {
        let by = snapshot.last.as_deref().and_then(name_of);
        let news = News { change: DeskChange::Deleted, by, text: None, priority: None };
        DeliveryLine {
            heard: Some(Heard { news: vec![news], ..Heard::default() }),
            ..self.gone_line(name, why, now)
        }
    }
}

/// How long after a closure the ticket is opened again: longer each time, so that nobody has to
/// fight us for it.
fn reopen_after(rules: &DeskRules, closures: u32) -> Option<Duration> {
    let times = 1 << closures.saturating_sub(1).min(10);
    let longest = REOPEN_MAX.max(rules.reopen_after);
    (!rules.reopen_after.is_zero() && rules.can.reopen)
        .then(|| rules.reopen_after.saturating_mul(times).min(longest))
}

/// The operation id of the answer to the person who closed it for the so many-th time.
fn objection(key: &str, closures: u32) -> String {
    format!("{key}.{}", short_hash(&["closed", &closures.to_string()], 8))
}

fn priority_of(known: &Known, snapshot: &Snapshot, rules: &DeskRules) -> Option<Priority> {
    let same = known.priority.is_some_and(|p| snapshot.priorities.contains(&p));
    let unsaid = snapshot.priorities.is_empty() && !rules.can.priority_told;
    if same || unsaid || !rules.can.priority {
        return known.priority;
    }
    snapshot.priorities.first().copied()
}

/// A name as it may stand in an event; `None` when nothing is left of it.
fn name_of(text: &str) -> Option<String> {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name = cut(plain.trim(), BY_MAX).trim();
    (!name.is_empty()).then(|| name.to_owned())
}

fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn sentence(news: &News) -> String {
    let by = news.by.as_deref().unwrap_or("somebody");
    match (news.change, news.priority) {
        (DeskChange::Taken, _) => format!("{by} took it"),
        (DeskChange::Noted, _) => format!("{by} wrote a note"),
        (DeskChange::Closed, _) => format!("{by} closed it"),
        (DeskChange::Reopened, _) => format!("{by} opened it again"),
        (DeskChange::Reprioritised, Some(p)) => format!("{by} made it {p}"),
        (DeskChange::Reprioritised, None) => {
            format!("{by} gave it a priority that is none of ours")
        }
        (DeskChange::Merged, _) => format!("{by} merged it"),
        (DeskChange::Deleted, _) => format!("{by} deleted it"),
    }
}
