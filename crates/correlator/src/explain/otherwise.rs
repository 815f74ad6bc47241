//! Which changes to try for an event, by the rule that decided; and what each came to.

use super::trial::{Focus, Place, Trial, answer};
use super::{Became, Had, Otherwise};
use crate::Correlator;
use crate::state::{AlarmKey, CheckIx};
use model::{
    Command, Event, Kind, Observation, Operation, Outcome, Timestamp, Verdict, settings::Window,
};
use std::sync::Arc;
use std::time::Duration;

/// Neighbours that are tried one by one.
const NEIGHBOURS_MAX: usize = 6;
/// Samples that are added at most until something changes.
const MORE_MAX: usize = 70;
/// A value is looked for up to here.
const VALUE_MAX: f64 = 1e9;

/// What would have made this event come to something else.
pub(super) fn of_event(
    before: &Correlator,
    really: &Trial,
    number: u64,
    event: &Event<'static>,
    verdict: Verdict,
    focus: Option<&Focus>,
) -> Vec<Otherwise> {
    let tries = Tries {
        before,
        really,
        number,
        event,
        verdict,
        focus,
        place: focus.map_or(Place::Nowhere, |f| really.place(f)),
        found: Vec::new(),
    };
    tries.all()
}

struct Tries<'a> {
    before: &'a Correlator,
    really: &'a Trial,
    number: u64,
    event: &'a Event<'static>,
    verdict: Verdict,
    focus: Option<&'a Focus>,
    /// Where the alarm really stands after the event.
    place: Place,
    found: Vec<Otherwise>,
}

impl Tries<'_> {
    fn all(mut self) -> Vec<Otherwise> {
        match &self.event.kind {
            Kind::Observation(o) => self.observation(o),
            Kind::Signal(s) if matches!(self.verdict, Verdict::Duplicate | Verdict::Late) => {
                let mut signal = s.clone();
                signal.key = format!("{}'", s.key).into();
                signal.state = model::SignalState::Problem;
                self.instead(Had::New, self.event.at, Kind::Signal(signal));
            }
            _ => {}
        }
        match self.place.clone() {
            Place::Held => self.heard(),
            Place::Covered { window } => self.not_covered(window),
            Place::Own { root } => {
                self.neighbours_silent();
                self.roots_answer(&root);
                self.covered(root);
            }
            Place::Under { root } => self.roots_answer(&root),
            Place::Nowhere => {}
        }
        self.found
    }

    fn observation(&mut self, o: &Observation<'static>) {
        if self.focus.is_some_and(|f| f.target != o.target) {
            // It only settled what something else was waiting for.
            return;
        }
        match self.verdict {
            Verdict::Late => {
                let last = self.before.check_called(o).map(|ix| {
                    self.before.state.checks[ix as usize].last_at + Duration::from_millis(1)
                });
                if let Some(at) = last {
                    self.instead(Had::InTime, at, self.event.kind.clone());
                }
                return;
            }
            Verdict::Duplicate => {
                let at = self.event.at + Duration::from_millis(1);
                self.instead(Had::New, at, self.event.kind.clone());
                return;
            }
            Verdict::UnmatchedTarget => {
                if let Some(target) = self.before.inventory.closest(&o.target) {
                    let mut other = o.clone();
                    other.target = target.to_string().into();
                    self.instead(Had::Called { target }, self.event.at, Kind::Observation(other));
                }
                return;
            }
            Verdict::AdminDown => {
                let Outcome::Reply(values) = &o.outcome else { return };
                let up = values
                    .iter()
                    .map(|(n, v)| (n.clone(), if n == "admin_status" { 1.0 } else { *v }));
                let other = Observation { outcome: Outcome::Reply(up.collect()), ..o.clone() };
                self.instead(Had::AdminUp, self.event.at, Kind::Observation(other));
                return;
            }
            _ => {}
        }
        let port = self.before.is_port(&o.target);
        let was_good = match &o.outcome {
            Outcome::Reply(values) => {
                let oper = values.iter().find(|(n, _)| n == "oper_status");
                !port || oper.is_none_or(|(_, v)| matches!(*v as i64, 1 | 5))
            }
            _ => false,
        };
        self.level(o);
        let target = o.target.to_string();
        if !was_good || matches!(o.outcome, Outcome::Failed { .. }) {
            let other = Observation { outcome: answer(&o.check, port, true), ..o.clone() };
            let had = Had::Answered { target: target.clone() };
            self.instead(had, self.event.at, Kind::Observation(other));
        }
        if was_good || matches!(o.outcome, Outcome::Failed { .. }) {
            let other = Observation { outcome: answer(&o.check, port, false), ..o.clone() };
            self.instead(Had::Silent { target }, self.event.at, Kind::Observation(other));
        }
        match self.verdict {
            Verdict::Suspect | Verdict::BelowThreshold => self.more(o, false),
            Verdict::Clearing => self.more(o, true),
            Verdict::Flapping => self.fewer_changes(o),
            _ => {}
        }
    }

    /// Something else in the place of the event.
    fn instead(&mut self, had: Had, at: Timestamp, kind: Kind<'static>) {
        let event = Event { at, received: self.event.received.map(|r| r.max(at)), kind };
        let mut trial = Trial::of(self.before);
        trial.event(self.number, &event);
        if let Some(verdict) = trial.verdict(self.number).filter(|v| *v != self.verdict) {
            self.found.push(Otherwise { had, became: Became::Verdict { verdict } });
        }
    }

    /// It had gone on like this: how many more samples until it comes to something else?
    fn more(&mut self, o: &Observation<'static>, good: bool) {
        let Some(ix) = self.before.check_called(o).or_else(|| self.really.core.check_called(o))
        else {
            return;
        };
        let interval = self.really.core.interval_of(ix);
        let mut trial = Trial::of(&self.really.core);
        for n in 1..=MORE_MAX {
            let at = self.event.at + interval * n as u32;
            let number = trial.core.last_event() + 1;
            let kind = Kind::Observation(o.clone());
            trial.event(number, &Event { at, received: self.event.received.map(|_| at), kind });
            let Some(verdict) = trial.verdict(number) else { return };
            let same = verdict == self.verdict
                || (self.verdict == Verdict::BelowThreshold && verdict == Verdict::Normal);
            if !same {
                let had = Had::More { samples: n, good };
                self.found.push(Otherwise { had, became: Became::Verdict { verdict } });
                return;
            }
        }
    }

    /// The value of this sample, or the mean it is part of, had been on the other side of a level.
    fn level(&mut self, o: &Observation<'static>) {
        let Outcome::Reply(values) = &o.outcome else { return };
        let core = &self.really.core;
        let Some(ix) = core.check_called(o) else { return };
        let raised = match self.focus.and_then(|f| core.alarm_called(f)) {
            Some(AlarmKey::Level(_, n)) => Some(n),
            _ => None,
        };
        let question = raised.or_else(|| core.level_in_question(ix, o));
        let Some(n) = question else { return };
        let Some(t) = core.threshold(ix, n).cloned() else { return };
        let Some((_, was)) = values.iter().find(|(v, _)| *v == t.value) else { return };
        let was = *was;
        let high_is_bad = t.raise >= t.clear;
        let was_raised = self.before.state.alarms.contains_key(&AlarmKey::Level(ix, n));
        let is_raised = core.state.alarms.contains_key(&AlarmKey::Level(ix, n));
        let with = |value: f64| {
            let mut other = o.clone();
            if let Outcome::Reply(values) = &mut other.outcome {
                for (name, v) in values.iter_mut() {
                    if *name == t.value {
                        *v = value;
                    }
                }
            }
            let mut trial = Trial::of(self.before);
            let event = Event { kind: Kind::Observation(other), ..self.event.clone() };
            trial.event(self.number, &event);
            let raised = trial.core.state.alarms.contains_key(&AlarmKey::Level(ix, n));
            (raised, trial.verdict(self.number))
        };
        // Towards the bad side while it is not raised, towards the good one while it is.
        let worse = !is_raised;
        let far = match (worse == high_is_bad, t.value.ends_with("_pct")) {
            (true, true) => 100.0,
            (true, false) => VALUE_MAX,
            (false, _) => 0.0,
        };
        let name = t.name(&o.check);
        if let Some((bound, verdict)) =
            edge(was, far, |v| (with(v).0 != is_raised).then(|| with(v).1))
            && let Some(verdict) = verdict
            && verdict != self.verdict
        {
            let had = Had::Value { name: t.value.clone(), bound, was, worse };
            self.found.push(Otherwise { had, became: Became::Verdict { verdict } });
        }
        if t.over.is_zero() || was_raised {
            return;
        }
        // The whole of what was measured over that time had been more, or less.
        let Some(mean) = core.mean_of(ix, n).or_else(|| self.before.mean_of(ix, n)) else { return };
        if mean <= 0.0 {
            return;
        }
        let scaled = |factor: f64| {
            let mut trial = Trial::of(self.before);
            trial.core.scale_mean(ix, n, factor);
            let mut other = self.event.clone();
            if let Kind::Observation(o) = &mut other.kind
                && let Outcome::Reply(values) = &mut o.outcome
            {
                for (name, v) in values.iter_mut() {
                    if *name == t.value {
                        *v *= factor;
                    }
                }
            }
            trial.event(self.number, &other);
            let raised = trial.core.state.alarms.contains_key(&AlarmKey::Level(ix, n));
            (raised, trial.verdict(self.number))
        };
        // A hair beyond the level, for the arithmetic of floating point.
        let factor = t.raise / mean * if worse == high_is_bad { 1.0 + 1e-9 } else { 1.0 - 1e-9 };
        let (raised_then, verdict) = scaled(factor);
        if raised_then != is_raised
            && let Some(verdict) = verdict.filter(|v| *v != self.verdict)
        {
            let had = Had::Mean { name, bound: t.raise, was: mean, worse };
            self.found.push(Otherwise { had, became: Became::Verdict { verdict } });
        }
    }

    fn fewer_changes(&mut self, o: &Observation<'static>) {
        let Some(ix) = self.before.check_called(o) else { return };
        let were = self.really.core.changes_lately(ix);
        let at_most = self.before.flapping_of(ix).end as usize;
        let mut trial = Trial::of(self.before);
        if let Some(changes) = trial.core.state.changes.get_mut(&ix) {
            while changes.len() > at_most {
                changes.pop_front();
            }
        }
        trial.core.look_at_flapping(ix);
        let key = AlarmKey::Silent(ix);
        if trial.core.is_flapping(key) {
            // It was in doubt at that moment: without the changes there would have been no alarm.
            trial.core.drop_alarm(key);
            trial.core.evaluate();
        }
        while trial.core.poll_decision().is_some() {}
        trial.event(self.number, self.event);
        if let Some(verdict) = trial.verdict(self.number).filter(|v| *v != self.verdict) {
            let had = Had::FewerChanges { at_most, were };
            self.found.push(Otherwise { had, became: Became::Verdict { verdict } });
        }
    }

    // ---- where the alarm stands ----

    fn key(&self) -> Option<AlarmKey> {
        self.really.core.alarm_called(self.focus?)
    }

    fn device(&self) -> Option<u32> {
        let core = &self.really.core;
        Some(core.reach.device_of(core.target_of_alarm(self.key()?))?.0)
    }

    /// The alarm would stand elsewhere, now that all evidence is in.
    fn placed(&mut self, had: Had, mut trial: Trial) {
        let Some(focus) = self.focus else { return };
        trial.settle(focus);
        let place = trial.place(focus);
        if place != self.place && place != Place::Held {
            self.found.push(Otherwise { had, became: Became::Placed { place } });
        }
    }

    /// Held: those who were waited for had been heard.
    fn heard(&mut self) {
        let (Some(key), Some(focus)) = (self.key(), self.focus) else { return };
        if let Some((had, place)) = self.really.core.when_heard(key, focus) {
            self.found.push(Otherwise { had, became: Became::Placed { place } });
        }
    }

    fn not_covered(&mut self, window: String) {
        let end = Operation::EndWindow { id: window.clone() };
        let kind = Kind::Command(Command { by: String::new(), operation: end });
        let mut trial = Trial::of(self.before);
        let now = self.before.now();
        trial.happen(now, now, kind);
        trial.core.settings.windows.retain(|w| w.id != window);
        trial.event(self.number, self.event);
        self.placed(Had::NotCovered { window }, trial);
    }

    /// The cause of an incident: had somebody nearer been silent as well, would that explain it?
    fn neighbours_silent(&mut self) {
        let Some(device) = self.device() else { return };
        for m in self.before.neighbours_that_answer(device) {
            let mut trial = Trial::of(self.before);
            for ix in self.before.reach_checks(m) {
                for _ in 0..self.before.down_needs(ix) {
                    trial.answers(ix, false);
                }
            }
            let now = trial.core.now();
            let moved =
                Event { received: self.event.received.map(|r| r.max(now)), ..self.event.clone() };
            trial.event(self.number, &moved);
            let target = self.before.inventory.devices[m as usize].id.clone();
            self.placed(Had::OtherSilent { target }, trial);
        }
    }

    /// What explains it had answered; and this had gone on failing.
    fn roots_answer(&mut self, root: &[Arc<str>]) {
        let Some(key) = self.key() else { return };
        for id in root {
            let Some(r) = self.before.inventory.device(id) else { continue };
            let own = self.device() == Some(r.0);
            if matches!(&self.event.kind, Kind::Observation(o) if *o.target == **id) {
                // That has been said of the event itself already.
                continue;
            }
            let mut trial = Trial::of(self.before);
            trial.root_answers(r.0);
            let moved = Event {
                received: self.event.received.map(|e| e.max(trial.core.now())),
                ..self.event.clone()
            };
            trial.event(self.number, &moved);
            if !own && let AlarmKey::Silent(ix) = key {
                trial.fails_on(ix, r.0);
            }
            self.placed(Had::OtherAnswered { target: id.clone() }, trial);
        }
    }

    fn covered(&mut self, root: Vec<Arc<str>>) {
        let known = root.iter().any(|r| {
            self.before.inventory.device(r).is_some() || self.before.inventory.link(r).is_some()
        });
        let Some(focus) = self.focus.filter(|_| known) else { return };
        let now = self.before.now();
        let window = Window {
            id: "\u{1}".into(),
            owner: String::new(),
            reason: String::new(),
            change: None,
            scope: root.iter().map(ToString::to_string).collect(),
            start: now,
            end: now.max(self.event.at) + Duration::from_hours(24),
            rrule: None,
            silence: false,
        };
        let operation = Operation::Maintenance(window);
        let mut trial = Trial::of(self.before);
        trial.happen(now, now, Kind::Command(Command { by: String::new(), operation }));
        trial.event(self.number, self.event);
        if matches!(trial.place(focus), Place::Covered { .. }) {
            let became = Became::Verdict { verdict: Verdict::InMaintenance };
            self.found.push(Otherwise { had: Had::Covered { root }, became });
        }
    }
}

/// The value nearest to `from`, on the way to `far`, at which `test` says something.
fn edge<T>(from: f64, far: f64, test: impl Fn(f64) -> Option<T>) -> Option<(f64, T)> {
    test(far)?;
    let (mut no, mut yes) = (from, far);
    for _ in 0..60 {
        let middle =
            if yes.abs() > 2.0 * no.abs().max(1.0) { yes / 2.0 } else { f64::midpoint(no, yes) };
        if (yes - no).abs() <= (yes - from).abs() * 0.01 {
            break;
        }
        if test(middle).is_some() { yes = middle } else { no = middle }
    }
    // As few digits as are still true.
    for digits in [0, 1, 2] {
        let scale = 10_f64.powi(digits);
        let round =
            |v: f64| if far >= from { (v * scale).ceil() } else { (v * scale).floor() } / scale;
        let rounded = round(yes);
        let on_the_way = (rounded - from) * (far - from) > 0.0;
        let close = (rounded - yes).abs() <= (yes - from).abs() * 0.02;
        if on_the_way
            && close
            && let Some(said) = test(rounded)
        {
            return Some((rounded, said));
        }
    }
    test(yes).map(|said| (yes, said))
}

impl Trial {
    /// A device answers as often as it takes to be believed.
    pub(super) fn root_answers(&mut self, device: u32) {
        for ix in self.core.reach_checks(device) {
            for _ in 0..self.core.up_needs(ix) {
                self.answers(ix, true);
            }
        }
    }

    /// A check goes on failing, while what is around it and `beside` answer.
    pub(super) fn fails_on(&mut self, ix: CheckIx, beside: u32) {
        let device = self.core.reach.device_of(self.core.state.checks[ix as usize].target);
        for _ in 0..self.core.down_needs(ix) {
            self.answers(ix, false);
        }
        for check in self.core.reach_checks(beside) {
            self.answers(check, true);
        }
        if let Some(d) = device {
            self.neighbours_answer(d.0);
        }
    }
}

impl Correlator {
    fn is_port(&self, target: &str) -> bool {
        self.inventory.device(target).is_none() && self.inventory.device_of(target).is_some()
    }

    pub(super) fn interval_of(&self, ix: CheckIx) -> Duration {
        self.rule(ix).interval
    }

    pub(super) fn down_needs(&self, ix: CheckIx) -> u8 {
        self.confirmed_by(ix).0.max(1)
    }

    pub(super) fn up_needs(&self, ix: CheckIx) -> u8 {
        self.rule(ix).up_needs.max(1)
    }

    /// Neighbours of a device that are asked and answer.
    pub(super) fn neighbours_that_answer(&self, device: u32) -> Vec<u32> {
        let mut all: Vec<u32> =
            self.inventory.graph.neighbours(device).iter().map(|n| n.0).collect();
        all.dedup();
        all.retain(|m| {
            let view = &self.reach.devices[*m as usize];
            view.observed && !view.down() && !self.reach_checks(*m).is_empty()
        });
        all.truncate(NEIGHBOURS_MAX);
        all
    }

    /// When those that a held alarm waits for have been heard: what would come of it.
    pub(super) fn when_heard(&self, key: AlarmKey, focus: &Focus) -> Option<(Had, Place)> {
        let alarm = self.state.alarms.get(&key)?;
        let after = alarm.onset + self.race(key);
        let mut trial = Trial::of(self);
        let targets = trial.hear(focus);
        let place = trial.place(focus);
        (place != Place::Held).then_some((Had::Heard { targets, after }, place))
    }

    /// The level that a sample was held against: the one it is worse than good for.
    pub(super) fn level_in_question(&self, ix: CheckIx, o: &Observation<'static>) -> Option<u8> {
        let Outcome::Reply(values) = &o.outcome else { return None };
        let worse = |(n, t): (usize, &model::settings::Threshold)| {
            let (_, value) = values.iter().find(|(v, _)| *v == t.value)?;
            self.is_beyond_clear(ix, n, *value).then_some(n as u8)
        };
        self.rule(ix).thresholds.iter().enumerate().find_map(worse)
    }

    pub(super) fn threshold(&self, ix: CheckIx, n: u8) -> Option<&model::settings::Threshold> {
        let rule = self.rule(ix);
        rule.thresholds.get(usize::from(n))
    }

    pub(super) fn scale_mean(&mut self, ix: CheckIx, n: u8, factor: f64) {
        if let Some(mean) = self.state.means.get_mut(&(ix, n)) {
            for (_, sum, _) in &mut mean.slots {
                *sum *= factor;
            }
        }
    }

    /// The values of a sample that a level is on.
    pub(super) fn values_of(
        &self,
        ix: CheckIx,
        _at: Timestamp,
        o: &Observation<'static>,
    ) -> Vec<super::Input> {
        let Outcome::Reply(values) = &o.outcome else { return Vec::new() };
        let rule = self.rule(ix);
        let one = |(n, t): (usize, &model::settings::Threshold)| {
            let (_, value) = values.iter().find(|(v, _)| *v == t.value)?;
            let mean = self.mean_of(ix, n as u8).unwrap_or(*value);
            // What is quiet needs no line.
            let quiet = !self.is_beyond_clear(ix, n, *value);
            let raised = self.state.alarms.contains_key(&AlarmKey::Level(ix, n as u8));
            (!quiet || raised).then(|| super::Input::Value {
                name: t.name(&o.check),
                value: *value,
                mean,
            })
        };
        rule.thresholds.iter().enumerate().filter_map(one).collect()
    }
}
