//! The life of an incident: opened, revised, recovered, opened again, merged, closed; and what
//! desks and people should hear of each step.

use crate::Correlator;
use crate::state::{AlarmKey, Cause, CheckIx, Incident, IncidentIx, Timer};
use crate::text::Telling;
use model::{
    AlarmState, Change, Condition, Decision, IncidentId, IncidentLine, Intent, IntentOp, Priority,
    Timestamp, Work,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What is affected is told this long after it changed, so that what fails together is told together.
pub(crate) const GATHER: Duration = Duration::from_secs(5);
/// Up to this many members, each newcomer is weighed at once; beyond, when the next note is due.
const WEIGH_AT_ONCE: usize = 64;

impl Correlator {
    /// A new incident, or the one that recovered a moment ago.
    pub(crate) fn open_or_reopen(
        &mut self,
        cause: Cause,
        root: &[Arc<str>],
        alarms: &[AlarmKey],
    ) -> IncidentIx {
        let now = self.state.now;
        let onset = alarms
            .iter()
            .filter_map(|k| self.state.alarms.get(k))
            .map(|a| a.onset)
            .min()
            .unwrap_or(now);
        // What is lost by the hour was lost long before it is told.
        let began = alarms.iter().filter_map(|k| self.loss_began(*k)).fold(onset, Timestamp::min);
        let before = self.over.get(&cause).and_then(|all| all.last()).map(|ix| {
            let i = &self.state.incidents[ix];
            // A key of another monitor may come back about something else: that is another failure.
            let same = !matches!(cause, Cause::Other(_)) || i.root == root;
            (*ix, i.recovered_at.filter(|_| same), i.id.clone(), i.work)
        });
        if let Some((ix, Some(recovered), _, work)) = &before
            && began.min(now)
                < self.state.incidents[ix].last_sign.max(*recovered) + self.settings.reopen_within
            && *work != Work::Closed
        {
            self.state.timers.remove(&(*recovered + self.settings.close_after, Timer::Close(*ix)));
            self.is_not_over(*ix);
            if let Some(i) = self.state.incidents.get_mut(ix) {
                i.recovered_at = None;
                i.condition = Condition::Failing;
                i.work = Work::New;
                i.opened_by = self.event.number;
                i.reopening = true;
                i.reopened = true;
                i.overruled = false;
                // The failure at hand, not the one before.
                i.since = onset;
                (i.shared, i.masked_by, i.split_from) = (None, None, None);
            }
            self.sharing.remove(ix);
            self.masked.remove(ix);
            self.open.insert(cause, *ix);
            self.learn_circumstances(*ix, alarms);
            self.touched.insert(*ix);
            return *ix;
        }
        // Not from one that nobody has heard of, and only if it is its own failure that moves.
        let own = alarms.iter().filter(|k| match cause {
            Cause::Device(t) => self.target_of_alarm(**k) == t,
            Cause::Link(_) | Cause::Other(_) | Cause::Blind(_) | Cause::Storm(_) => true,
        });
        let split_from = own.into_iter().find_map(|k| {
            let from = self.state.incidents.get(&self.state.alarms.get(k)?.incident?)?;
            (from.open() && !from.fresh).then(|| from.id.clone())
        });
        let before = before.map(|(_, _, id, _)| id);
        let ix = self.new_incident(cause, root, onset, before);
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.split_from = split_from;
        }
        self.learn_circumstances(ix, alarms);
        self.touched.insert(ix);
        ix
    }

    /// An incident that nobody has heard of yet.
    pub(crate) fn new_incident(
        &mut self,
        cause: Cause,
        root: &[Arc<str>],
        since: Timestamp,
        recurrence_of: Option<IncidentId>,
    ) -> IncidentIx {
        let now = self.state.now;
        let ix = self.state.next_incident;
        self.state.next_incident += 1;
        let id = IncidentId::of(&self.tag(), self.event.number, self.event.opened);
        self.event.opened += 1;
        let incident = Incident {
            id,
            cause,
            root: root.to_vec(),
            members: BTreeSet::new(),
            condition: Condition::Failing,
            work: Work::New,
            computed: Priority::P4,
            shown: Priority::P4,
            moves: Vec::new(),
            wanted: None,
            scope: model::Scope::Lokal,
            affected: model::Affected::default(),
            since,
            opened_at: now,
            opened_by: self.event.number,
            fresh: true,
            reopening: false,
            reopened: false,
            removed: false,
            overruled: false,
            recovered_at: None,
            last_sign: Timestamp::MIN,
            why: String::new(),
            what: String::new(),
            digest: None,
            outlasted: None,
            suspected_change: None,
            revision: 0,
            ticketed: false,
            last_note: Timestamp::MIN,
            note_due: false,
            heard: crate::state::Heard::default(),
            told: BTreeSet::new(),
            said: model::Affected::default(),
            outage: false,
            rerooted_from: None,
            shared: None,
            masked_by: None,
            split_from: None,
            recurrence_of,
            by: None,
            fix: None,
            routed: None,
            misrouted: false,
        };
        self.by_id.insert(incident.id.clone(), ix);
        self.state.incidents.insert(ix, incident);
        self.open.insert(cause, ix);
        ix
    }

    /// The best explanation of an incident is this now.
    pub(crate) fn reroot(
        &mut self,
        ix: IncidentIx,
        cause: Cause,
        root: Vec<Arc<str>>,
        shared: Option<(Timestamp, Timestamp)>,
    ) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.shared = shared;
        if shared.is_some() {
            self.sharing.insert(ix);
        } else {
            self.sharing.remove(&ix);
        }
        if i.cause == cause && i.root == root {
            return;
        }
        if self.open.get(&i.cause) == Some(&ix) {
            self.open.remove(&i.cause);
        }
        let before = std::mem::replace(&mut i.root, root);
        i.cause = cause;
        self.open.insert(cause, ix);
        self.touched.insert(ix);
        if !i.fresh && i.rerooted_from.is_none() {
            i.rerooted_from = Some(before);
        }
    }

    /// Whether this incident was opened by the event at hand.
    pub(crate) fn opened_now(&self, incident: Option<IncidentIx>) -> bool {
        incident
            .and_then(|i| self.state.incidents.get(&i))
            .is_some_and(|i| i.opened_by == self.event.number)
    }

    /// In which way an event opened an incident.
    pub(crate) fn opened_how(&self, incident: Option<IncidentIx>) -> Cow<'static, str> {
        match incident.and_then(|i| self.state.incidents.get(&i)) {
            Some(i) if i.reopened => "it opened the same incident again".into(),
            _ => "it opened an incident".into(),
        }
    }

    /// Brings every incident that was touched in line, and says what changed.
    pub(crate) fn settle_touched(&mut self, went: &BTreeMap<IncidentIx, IncidentIx>) {
        let mut opening: Vec<IncidentIx> = Vec::new();
        for ix in std::mem::take(&mut self.touched) {
            let Some(i) = self.state.incidents.get(&ix) else { continue };
            if !i.open() || matches!(i.cause, Cause::Storm(_)) || self.stays_masked(ix) {
                continue;
            }
            let heard_of = |i: &Incident| !i.members.is_empty() && !i.fresh && !i.reopening;
            if self.state.incidents.get(&ix).is_some_and(heard_of) {
                self.flaps_or_not(ix);
            }
            let Some(i) = self.state.incidents.get(&ix) else { continue };
            if i.members.is_empty() {
                match went.get(&ix) {
                    Some(&into) if into != ix && (self.still_fails(ix) || self.is_blind(into)) => {
                        self.merge(ix, into);
                    }
                    _ => self.recover(ix),
                }
            } else if i.fresh || i.reopening {
                self.weigh(ix);
                opening.push(ix);
            } else if i.rerooted_from.is_some() {
                self.tell_reroot(ix);
            } else if i.members.len() <= WEIGH_AT_ONCE {
                self.revise(ix);
            } else {
                self.note_soon(ix);
            }
        }
        // Of what opens at the same moment the most urgent is told first.
        opening.sort_by_key(|ix| (self.state.incidents[ix].priority(), *ix));
        for ix in opening {
            self.tell_opening(ix);
        }
    }

    fn tell_opening(&mut self, ix: IncidentIx) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        let reopening = i.reopening;
        (i.fresh, i.reopening) = (false, false);
        i.last_note = Timestamp::MIN;
        i.note_due = false;
        let ticketed = i.ticketed;
        let stands = self.standing(&self.state.incidents[&ix]);
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.heard.on_desk = Some(stands);
        }
        let change = if reopening { Change::Reopened } else { Change::Opened };
        let recorded_only = self.state.incidents[&ix].priority() == Priority::P4 && !ticketed;
        if !reopening && !recorded_only {
            self.count_opening();
        }
        let digested = !recorded_only && self.digested(ix);
        let mut reason = self.reason(ix);
        let from = self.state.incidents[&ix].split_from.as_ref();
        if let Some(from) = from.filter(|_| !reopening) {
            reason = format!("split from {from}; {reason}");
        }
        self.incident_line(ix, change, reason);
        if recorded_only || digested {
            return;
        }
        if reopening && ticketed {
            self.intent(ix, IntentOp::Reopen, Telling::Reopened);
        } else {
            self.create(ix);
        }
        self.notify(ix, if reopening { Telling::Reopened } else { Telling::Opened });
    }

    fn tell_reroot(&mut self, ix: IncidentIx) {
        let was = self.state.incidents[&ix].priority();
        self.weigh(ix);
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        let Some(before) = i.rerooted_from.take() else { return };
        let ticketed = i.ticketed;
        let i = &self.state.incidents[&ix];
        let reason = format!(
            "{} explains it better than {}; {}; {}",
            i.root.join(" or "),
            before.join(" or "),
            i.what,
            i.why_this_priority()
        );
        self.incident_line(ix, Change::Rerooted, reason);
        if ticketed {
            self.intent(ix, IntentOp::Note, Telling::Rerooted { before });
        }
        self.reprioritise(ix, was);
    }

    /// Whether what an incident is about still fails, whoever explains it now.
    fn still_fails(&self, ix: IncidentIx) -> bool {
        if self.state.incidents[&ix].shared.is_some() {
            return true;
        }
        match self.state.incidents[&ix].cause {
            Cause::Device(t) => self.reach.device_of(t).is_some_and(|d| {
                self.reach.devices[d.0 as usize].down()
                    || self.local_alarms_of(d.0).iter().any(|k| self.is_about_the_way(*k))
            }),
            Cause::Link(_) => true,
            Cause::Other(_) | Cause::Blind(_) | Cause::Storm(_) => false,
        }
    }

    fn create(&mut self, ix: IncidentIx) {
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.ticketed = true;
        }
        self.learn_route(ix);
        self.intent(ix, IntentOp::Create, Telling::Opened);
    }

    /// Weighs an open incident again; says at once what changes how urgent it is, and gathers the rest.
    ///
    /// While it dissolves (members give good signs, or are asked afresh) it is left as it is: half
    /// an outage on the way to none is no smaller outage that anybody should hear of.
    pub(crate) fn revise(&mut self, ix: IncidentIx) {
        let before = &self.state.incidents[&ix];
        if self.all_unseen(&before.members) {
            self.say_condition(ix, "nobody observes any more what is left of it");
            return;
        }
        let dissolving = |k: &AlarmKey| {
            self.state.alarms.get(k).is_some_and(|a| match a.state {
                AlarmState::Suspect | AlarmState::Clearing => !self.unheard(*k),
                AlarmState::Flapping => !self.is_reach(*k),
                _ => false,
            })
        };
        if before.members.iter().any(dissolving) {
            return;
        }
        let was = (before.priority(), before.scope, before.condition);
        let affected = before.affected.clone();
        self.weigh(ix);
        let i = &self.state.incidents[&ix];
        if (i.priority(), i.scope, i.condition) != was {
            self.incident_line(ix, Change::Updated, self.reason(ix));
            if was.2 == Condition::Masked && self.state.incidents[&ix].ticketed {
                self.intent(ix, IntentOp::Note, Telling::SeenAgain);
            }
            self.reprioritise(ix, was.0);
        }
        if self.state.incidents[&ix].affected != affected {
            self.note_soon(ix);
        }
    }

    /// Tells the desk of another priority, or creates the ticket that it now deserves.
    pub(crate) fn reprioritise(&mut self, ix: IncidentIx, was: Priority) {
        let i = &self.state.incidents[&ix];
        let now = i.priority();
        match (i.ticketed, now) {
            (false, Priority::P4) => {}
            // It is over: there is nothing left to open a ticket for.
            (false, _) if !i.open() => {}
            (false, _) if self.digested(ix) => {}
            (false, _) => {
                self.wanted_again(ix);
                self.create(ix);
                self.leaves_digest(ix);
                self.notify(ix, Telling::Opened);
            }
            (true, _) if Self::desk_priority(now) != Self::desk_priority(was) => {
                self.intent(ix, IntentOp::Reprioritise, Telling::Reprioritised { was });
            }
            (true, _) => {}
        }
    }

    /// A person resolved it when it was worth no ticket. Now it is: it is work again, and the ticket
    /// ends with it.
    fn wanted_again(&mut self, ix: IncidentIx) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        if i.work == Work::Resolved {
            i.work = Work::New;
            self.incident_line(ix, Change::Reopened, self.reason(ix));
        }
    }

    /// What stands on a ticket: it was opened for P3 at least, and stays there.
    pub(crate) fn desk_priority(p: Priority) -> Priority {
        p.min(Priority::P3)
    }

    /// Sees to it that what changed about an incident is said before long.
    fn note_soon(&mut self, ix: IncidentIx) {
        let every = self.settings.note_every;
        let now = self.state.now;
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        if !i.note_due {
            i.note_due = true;
            let at = (now + GATHER).max(i.last_note + every);
            self.set_timer(at, Timer::Note(ix));
        }
    }

    /// A note is due: says what changed about an incident.
    pub(crate) fn note_is_due(&mut self, ix: IncidentIx) {
        let now = self.state.now;
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        if !i.note_due || !i.open() {
            return;
        }
        i.note_due = false;
        if i.masked_by.is_some() {
            return;
        }
        i.last_note = now;
        let (was, told) = (i.priority(), i.told.clone());
        self.weigh(ix);
        let i = &self.state.incidents[&ix];
        if i.affected == i.said && i.priority() == was {
            return;
        }
        self.incident_line(ix, Change::Updated, self.reason(ix));
        self.reprioritise(ix, was);
        let i = &self.state.incidents[&ix];
        let more: Vec<Arc<str>> = i
            .affected
            .devices
            .iter()
            .chain(&i.affected.services)
            .filter(|d| !told.contains(*d))
            .cloned()
            .collect();
        if i.ticketed && !more.is_empty() {
            self.intent(ix, IntentOp::Note, Telling::Grown { more });
        }
    }

    /// Nothing of it fails any more.
    pub(crate) fn recover(&mut self, ix: IncidentIx) {
        let now = self.state.now;
        self.masks_no_more(ix, None);
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.condition = Condition::Clear;
        i.recovered_at = Some(now);
        i.note_due = false;
        let unheard = i.fresh;
        let resolved_already = i.work == Work::Resolved;
        i.masked_by = None;
        if self.open.get(&i.cause) == Some(&ix) {
            self.open.remove(&i.cause);
        }
        self.sharing.remove(&ix);
        if unheard {
            // Opened and over within one event: nobody heard of it.
            self.forget(ix);
            return;
        }
        self.is_over(ix);
        self.leaves_digest(ix);
        let i = &self.state.incidents[&ix];
        let since = now.since(i.since);
        let reason = match (&i.removed, i.cause) {
            (true, _) => "it was removed from the inventory".to_owned(),
            (false, Cause::Blind(p)) => format!(
                "{} sees again; everything is observed again before anything changes",
                self.state.probes.name(p)
            ),
            (false, _) if i.overruled => format!(
                "what others still say of it is overruled by our own evidence, after {}",
                model::time::show_duration(Duration::from_secs(since.as_secs()))
            ),
            (false, _) => format!(
                "nothing of it fails any more, after {}",
                model::time::show_duration(Duration::from_secs(since.as_secs()))
            ),
        };
        self.incident_line(ix, Change::Recovered, reason.clone());
        if !resolved_already {
            if let Some(i) = self.state.incidents.get_mut(&ix) {
                i.work = Work::Resolved;
            }
            self.incident_line(ix, Change::Resolved, reason);
        }
        if self.state.incidents[&ix].ticketed {
            if !resolved_already {
                self.intent(ix, IntentOp::Resolve, Telling::Recovered);
            }
            self.notify(ix, Telling::Recovered);
        }
        self.set_timer(now + self.settings.close_after, Timer::Close(ix));
    }

    /// It was the same cause as another, which goes on.
    pub(crate) fn merge(&mut self, ix: IncidentIx, into: IncidentIx) {
        let now = self.state.now;
        self.masks_no_more(ix, Some(into));
        let target = self.state.incidents[&into].id.clone();
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.condition = Condition::Clear;
        i.work = Work::Closed;
        i.recovered_at = Some(now);
        let (fresh, ticketed) = (i.fresh, i.ticketed);
        if self.open.get(&i.cause) == Some(&ix) {
            self.open.remove(&i.cause);
        }
        self.sharing.remove(&ix);
        if fresh {
            self.forget(ix);
            return;
        }
        self.forget_notice(ix);
        self.is_over(ix);
        self.leaves_digest(ix);
        let reason =
            format!("{} explains all of it", self.state.incidents[&into].root.join(" or "));
        self.incident_line_into(ix, Change::Merged, reason, Some(target.clone()));
        if ticketed {
            self.intent_into(
                ix,
                IntentOp::Merge,
                Telling::Merged { into: target.clone() },
                Some(target),
            );
        }
        self.set_timer(now + self.settings.close_after, Timer::Close(ix));
    }

    /// A resolved incident is closed, and forgotten here.
    pub(crate) fn close(&mut self, ix: IncidentIx) {
        let after = model::time::show_duration(self.settings.close_after);
        self.close_because(ix, format!("it stayed resolved for {after}"));
    }

    /// The same, with the reason.
    pub(crate) fn close_because(&mut self, ix: IncidentIx, reason: String) {
        if self.state.incidents.get(&ix).is_none_or(Incident::open) {
            return;
        }
        self.last_notice(ix);
        if self.state.incidents[&ix].work != Work::Closed {
            if let Some(i) = self.state.incidents.get_mut(&ix) {
                i.work = Work::Closed;
            }
            self.incident_line(ix, Change::Closed, reason);
        }
        self.forget(ix);
    }

    // ---- who was there before ----

    /// An incident is open no more: the next one of its cause looks here.
    fn is_over(&mut self, ix: IncidentIx) {
        let cause = self.state.incidents[&ix].cause;
        self.over.entry(cause).or_default().insert(ix);
        self.note_over(ix);
    }

    fn is_not_over(&mut self, ix: IncidentIx) {
        let Incident { cause, recovered_at, .. } = self.state.incidents[&ix];
        if let Some(since) = recovered_at {
            self.over_since.remove(&(since, ix));
        }
        if let Some(all) = self.over.get_mut(&cause) {
            all.remove(&ix);
            if all.is_empty() {
                self.over.remove(&cause);
            }
        }
    }

    fn forget(&mut self, ix: IncidentIx) {
        self.is_not_over(ix);
        self.masked.remove(&ix);
        if let Some(i) = self.state.incidents.remove(&ix) {
            self.by_id.remove(&i.id);
        }
    }

    /// The alarm that an observation of this check is evidence of.
    pub(crate) fn alarm_behind(&self, ix: CheckIx) -> Option<AlarmKey> {
        let key = AlarmKey::Silent(ix);
        if self.state.alarms.contains_key(&key) {
            return Some(key);
        }
        self.state
            .alarms
            .range(AlarmKey::Level(ix, 0)..=AlarmKey::Level(ix, u8::MAX))
            .next()
            .map(|(k, _)| *k)
    }

    // ---- alarms leaving ----

    /// An alarm is over.
    pub(crate) fn end_alarm(&mut self, key: AlarmKey, reason: &str) {
        let Some(alarm) = self.state.alarms.get(&key) else { return };
        let (was, incident) = (alarm.state, alarm.incident);
        self.alarm_line(key, AlarmState::Ok, was, incident, reason.to_owned());
        self.drop_alarm(key);
    }

    /// Takes an alarm out of everything, without a word.
    pub(crate) fn drop_alarm(&mut self, key: AlarmKey) {
        self.clear_hold(key);
        let Some(alarm) = self.state.alarms.remove(&key) else { return };
        if let Some(ix) = alarm.incident {
            if let Some(i) = self.state.incidents.get_mut(&ix) {
                i.members.remove(&key);
            }
            self.touched.insert(ix);
        }
    }

    /// Another state of an alarm that stands; a flapping one keeps flapping.
    pub(crate) fn shift(&mut self, key: AlarmKey, state: AlarmState, reason: &str) {
        let Some(alarm) = self.state.alarms.get_mut(&key) else { return };
        if alarm.state == AlarmState::Flapping
            || alarm.state == state
            || (alarm.state == AlarmState::Held && state == AlarmState::Clearing)
        {
            return;
        }
        let was = std::mem::replace(&mut alarm.state, state);
        let incident = alarm.incident;
        self.alarm_line(key, state, was, incident, reason.to_owned());
    }

    /// The time for which an alarm may be held is over.
    pub(crate) fn hold_ends(&mut self, key: AlarmKey) {
        let waits =
            |a: &crate::state::Alarm| matches!(a.state, AlarmState::Held | AlarmState::Flapping);
        if self.state.alarms.get(&key).is_some_and(|a| waits(a)) {
            self.look_again_at(key);
            if let AlarmKey::Silent(ix) = key {
                self.guard_changed(ix);
            }
            self.evaluate();
        }
    }

    /// An alarm has to be looked at: with its device when it is about reachability, else alone.
    pub(crate) fn look_again_at(&mut self, key: AlarmKey) {
        let device = self.reach.device_of(self.target_of_alarm(key));
        match device {
            Some(d) if self.is_reach(key) => {
                self.dirty.devices.insert(d.0);
            }
            _ => {
                self.dirty.alarms.insert(key);
            }
        }
    }

    pub(crate) fn clear_hold(&mut self, key: AlarmKey) {
        if let Some(alarm) = self.state.alarms.get(&key) {
            self.state.timers.remove(&(alarm.hold_until, Timer::Hold(key)));
        }
    }

    // ---- lines ----

    /// What happened and why this priority, in one sentence.
    pub(crate) fn reason(&self, ix: IncidentIx) -> String {
        let i = &self.state.incidents[&ix];
        let mut reason = format!("{}; {}", i.what, i.why_this_priority());
        if let Some(words) = &self.digest_of(i) {
            reason.push_str("; ");
            reason.push_str(words);
        }
        for words in i.outlasted.iter().chain(i.suspected_change.as_ref().map(|(_, words)| words)) {
            reason.push_str("; ");
            reason.push_str(words);
        }
        reason
    }

    pub(crate) fn incident_line(&mut self, ix: IncidentIx, change: Change, reason: String) {
        self.incident_line_into(ix, change, reason, None);
    }

    fn incident_line_into(
        &mut self,
        ix: IncidentIx,
        change: Change,
        reason: String,
        into: Option<IncidentId>,
    ) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.said.clone_from(&i.affected);
        self.out.push_back(Decision::Incident(Box::new(IncidentLine {
            at: self.state.now,
            id: i.id.clone(),
            change,
            condition: i.condition,
            work: i.work,
            priority: i.priority(),
            scope: i.scope,
            root: i.root.clone(),
            affected: i.affected.clone(),
            since: i.since,
            reason,
            into,
            recurrence_of: i.recurrence_of.clone(),
            by: self.acting.clone(),
        })));
    }

    pub(crate) fn intent(&mut self, ix: IncidentIx, op: IntentOp, telling: Telling) {
        self.intent_into(ix, op, telling, None);
    }

    fn intent_into(
        &mut self,
        ix: IncidentIx,
        op: IntentOp,
        telling: Telling,
        into: Option<IncidentId>,
    ) {
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.revision += 1;
        if op != IntentOp::Notify {
            i.told = i.affected.devices.iter().chain(&i.affected.services).cloned().collect();
        }
        let i = &self.state.incidents[&ix];
        let (title, text) = self.tell(i, &telling);
        self.out.push_back(Decision::Intent(Box::new(Intent {
            at: self.state.now,
            id: format!("{}.{}", i.id, i.revision),
            incident: i.id.clone(),
            op,
            revision: i.revision,
            priority: Self::desk_priority(i.priority()),
            title,
            text,
            into,
            event: self.event.number,
            received: self.event.received,
        })));
    }
}
