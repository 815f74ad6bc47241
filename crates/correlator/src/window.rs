//! Maintenance and silences: spans of time with an end, in which alarms of a scope are expected or
//! unwanted.
//!
//! What a window covers is *held*, never dropped: it names the window, and when the window ends it
//! is looked at again, and told if it still stands. A window covers a failure only if it covers what
//! failed; that something behind it is in maintenance hides nothing. A window remembers what it
//! held back, so that a silence nobody needs any more can be told from one that works.

use crate::Correlator;
use crate::bounds::{ENDED_WINDOWS_MAX, HIDDEN_TARGETS_MAX, WINDOWS_MAX};
use crate::state::{AlarmKey, Cause, Ended, Hidden, IncidentIx, Timer};
use model::settings::Window;
use model::time::show_duration;
use model::{AlarmState, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What fails on the scope of a change within this time of its end may be its doing.
pub(crate) const CHANGE_ECHO: Duration = Duration::from_hours(2);
/// A silence that held back nothing for this long is proposed for removal.
const IDLE: Duration = Duration::from_hours(1);

/// A window as the core sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowLook {
    /// The window.
    pub window: Window,
    /// When it lasts: now, or the next time, or the last time when it is over …
    pub start: Timestamp,
    /// … until here.
    pub end: Timestamp,
    /// A person asked for it; otherwise it stands in the configuration.
    pub asked_for: bool,
    /// It has ended, and does not come again.
    pub over: bool,
    /// Alarms that it holds back now.
    pub hides: usize,
    /// Alarms that it has held back since it began, the ones of now included.
    pub hid: u64,
    /// What they were about. Sorted; the first [`HIDDEN_TARGETS_MAX`] of them.
    pub hid_targets: Vec<Arc<str>>,
    /// What still failed when it ended: it has overrun.
    pub overran: Vec<Arc<str>>,
    /// What should be done about it, if anything.
    pub advice: Option<String>,
}

impl Correlator {
    /// The window that covers a failure of these roots, of which `device` is the device.
    pub(crate) fn window_over(&self, root: &[Arc<str>], device: u32) -> Option<String> {
        let now = self.state.now;
        let active = self.windows().filter_map(|w| {
            let (start, end) = *self.spans.get(&w.id)?;
            (start <= now && now < end && self.covers(w, root, device)).then_some((w, end))
        });
        // Of several, the one that lasts longest; maintenance before silence.
        active
            .max_by_key(|(w, end)| (!w.silence, *end, std::cmp::Reverse(w.id.clone())))
            .map(|(w, _)| w.id.clone())
    }

    /// Whether a window covers what failed. The elements of a root cannot be told apart: each of
    /// them would explain all of it, so it is enough that work on one of them was announced.
    fn covers(&self, w: &Window, root: &[Arc<str>], device: u32) -> bool {
        let any = |id: &Arc<str>| {
            if w.scope.iter().any(|s| **s == **id) {
                return true;
            }
            if let Some(d) = self.inventory.device(id) {
                return self.in_scope(w, d.0);
            }
            // Both ends of a link that is a root of its own answer: no outage is hidden with it.
            let link = self.inventory.link(id).filter(|_| root.len() == 1);
            link.is_some_and(|l| self.inventory[l].ends.iter().any(|d| self.in_scope(w, d.0)))
        };
        root.iter().any(any) || self.in_scope(w, device)
    }

    fn in_scope(&self, w: &Window, device: u32) -> bool {
        let Some(d) = self.inventory.devices.get(device as usize) else { return false };
        let site = d.site.map(|s| &self.inventory[s].id);
        w.scope.iter().any(|scope| {
            if let Some(class) = scope.strip_prefix("class:") {
                return &*d.class == class;
            }
            if let Some(tag) = scope.strip_prefix("tag:") {
                return d.tags.iter().any(|t| t == tag);
            }
            &*d.id == scope || site.is_some_and(|s| **s == **scope)
        })
    }

    /// These alarms are held until the window ends.
    pub(crate) fn cover(&mut self, alarms: &[AlarmKey], window: &str) {
        let Some(word) = self.window_called(window).map(Window::word) else { return };
        let Some(&(_, end)) = self.spans.get(window) else { return };
        let now = self.state.now;
        for key in alarms {
            let Some(alarm) = self.state.alarms.get_mut(key) else { continue };
            if alarm.covered_by.as_deref() == Some(window) {
                continue;
            }
            alarm.covered_by = Some(window.to_owned());
            let was = alarm.state;
            let (target, _) = self.name_of(*key);
            let hidden = self.state.hidden.entry(window.to_owned()).or_default();
            hidden.count += 1;
            hidden.last = now;
            if hidden.targets.len() < HIDDEN_TARGETS_MAX {
                hidden.targets.insert(target);
            } else if !hidden.targets.contains(&target) {
                self.state.met.hidden_targets += 1;
            }
            let reason = format!("{word} {window} covers it until {end}");
            self.alarm_line(*key, AlarmState::Held, was, None, reason);
        }
    }

    /// The window that covers an alarm: whether it is a silence, and its id.
    pub(crate) fn covering(&self, key: AlarmKey) -> Option<(bool, String)> {
        let id = self.state.alarms.get(&key)?.covered_by.clone()?;
        let silence = self.window_called(&id).is_some_and(|w| w.silence);
        Some((silence, id))
    }

    fn window_called(&self, id: &str) -> Option<&Window> {
        self.state.windows.get(id).or_else(|| self.settings.windows.iter().find(|w| w.id == id))
    }

    /// A window that a person asked for. One of the same id is replaced. Says what came of it.
    pub(crate) fn add_window(&mut self, w: Window, by: &str) -> String {
        let word = w.word();
        if self.settings.windows.iter().any(|c| c.id == w.id) {
            return format!("{} stands in the configuration; choose another id", w.id);
        }
        if self.state.windows.len() >= WINDOWS_MAX && !self.state.windows.contains_key(&w.id) {
            self.state.met.windows += 1;
            return format!(
                "{word} {} is not taken: there are {WINDOWS_MAX} windows; end one first",
                w.id
            );
        }
        let zone = self.settings.zone();
        let mut w = w;
        if let Some(rule) = &w.rrule {
            match model::calendar::check_rule(rule, w.start, w.end, zone) {
                Ok(rule) => w.rrule = Some(rule),
                Err(e) => {
                    return format!(
                        "{word} {} is not taken: its rule: {} ({})",
                        w.id, e.why, e.help
                    );
                }
            }
        }
        let Some(span) = w.span_at(self.state.now, zone) else {
            return format!("{word} {} is not taken: it is over already", w.id);
        };
        let (id, again) = (w.id.clone(), w.rrule.as_ref());
        let again = again.map_or(String::new(), |rule| format!(", and again by {rule}"));
        let change =
            w.change.as_ref().map_or(String::new(), |change| format!(" (change {change})"));
        let said = format!("{word} {id} by {by} until {}{again}: {}{change}", span.1, w.reason);
        if self.state.windows.insert(id.clone(), w).is_some() {
            self.uncover(&id, false);
        }
        if let Some(before) = self.spans.insert(id.clone(), span) {
            self.do_not_turn(&id, before);
        }
        self.set_timer(span.0, Timer::Window(id.clone()));
        self.set_timer(span.1, Timer::Window(id));
        said
    }

    /// Says when each window lasts, and comes back when one begins or ends.
    pub(crate) fn watch_windows(&mut self) {
        let (now, zone) = (self.state.now, self.settings.zone());
        let spans: BTreeMap<String, (Timestamp, Timestamp)> =
            self.windows().filter_map(|w| Some((w.id.clone(), w.span_at(now, zone)?))).collect();
        for (id, (start, end)) in &spans {
            for at in [*start, *end] {
                if at > now {
                    self.set_timer(at, Timer::Window(id.clone()));
                }
            }
        }
        self.spans = spans;
    }

    /// Another configuration: what is no longer in it covers nothing any more.
    pub(crate) fn let_go_of_windows(&mut self) {
        let gone: Vec<String> = {
            let covering = self.state.alarms.values().filter_map(|a| a.covered_by.as_ref());
            covering.filter(|id| !self.spans.contains_key(*id)).cloned().collect()
        };
        for id in gone {
            self.uncover(&id, false);
        }
        let spans = &self.spans;
        self.state.hidden.retain(|id, _| spans.contains_key(id));
    }

    /// A window begins or ends: what it covered is looked at again.
    pub(crate) fn window_turns(&mut self, id: &str) {
        let now = self.state.now;
        match self.spans.get(id) {
            Some((_, end)) if *end <= now => self.window_ends(id),
            Some((start, _)) if *start <= now => {
                self.dirty.all = true;
                self.evaluate();
            }
            // It was moved since.
            _ => {}
        }
    }

    /// A person ends a window now. Says what came of it.
    pub(crate) fn end_window(&mut self, id: &str, by: &str) -> String {
        let Some(window) = self.state.windows.remove(id) else {
            return format!("there is no window {id} that could end");
        };
        let span = self.spans.remove(id);
        if let Some(span) = span {
            self.do_not_turn(id, span);
        }
        if let Some((start, _)) = span.filter(|(start, _)| *start <= self.state.now) {
            self.finish(window, start, Some(by));
        }
        self.dirty.all = true;
        self.evaluate();
        format!("{id} ends now, says {by}")
    }

    /// Nobody has to come back for a window as it was.
    fn do_not_turn(&mut self, id: &str, (start, end): (Timestamp, Timestamp)) {
        for at in [start, end] {
            self.state.timers.remove(&(at, Timer::Window(id.to_owned())));
        }
    }

    fn window_ends(&mut self, id: &str) {
        let Some(window) = self.window_called(id).cloned() else { return };
        let Some((start, _)) = self.spans.remove(id) else { return };
        match window.span_at(self.state.now, self.settings.zone()) {
            Some(next) => {
                self.spans.insert(id.to_owned(), next);
                self.set_timer(next.0, Timer::Window(id.to_owned()));
                self.set_timer(next.1, Timer::Window(id.to_owned()));
            }
            None => drop(self.state.windows.remove(id)),
        }
        self.finish(window, start, None);
        self.dirty.all = true;
        self.evaluate();
    }

    /// A window has ended: what it covered stands by itself, and what it did is remembered a while.
    fn finish(&mut self, window: Window, start: Timestamp, by: Option<&str>) {
        let end = self.state.now;
        let overran = self.uncover(&window.id, true);
        let hidden = self.state.hidden.remove(&window.id).unwrap_or_default();
        let ended = &mut self.state.ended_windows;
        ended.retain(|_, e| end < e.end + CHANGE_ECHO);
        ended.insert(
            window.id.clone(),
            Ended { window, start, end, hidden, overran, by: by.map(str::to_owned) },
        );
        if ended.len() > ENDED_WINDOWS_MAX
            && let Some(oldest) = ended.iter().min_by_key(|(_, e)| e.end).map(|(id, _)| id.clone())
        {
            ended.remove(&oldest);
            self.state.met.ended_windows += 1;
        }
    }

    /// A window covers nothing any more. What it covered, with `overrun` when that should be said.
    fn uncover(&mut self, id: &str, overrun: bool) -> Vec<Arc<str>> {
        let covered: Vec<AlarmKey> = {
            let by_it = |a: &&AlarmKey| self.state.alarms[*a].covered_by.as_deref() == Some(id);
            self.state.alarms.keys().filter(by_it).copied().collect()
        };
        let mut targets = BTreeSet::new();
        for key in covered {
            targets.insert(self.name_of(key).0);
            if let Some(alarm) = self.state.alarms.get_mut(&key) {
                alarm.covered_by = None;
                alarm.outlasted = overrun.then(|| id.to_owned());
            }
        }
        targets.into_iter().take(HIDDEN_TARGETS_MAX).collect()
    }

    // ---- what an incident owes to a window ----

    /// An incident opens: whether a window that has ended has to do with it.
    pub(crate) fn learn_circumstances(&mut self, ix: IncidentIx, alarms: &[AlarmKey]) {
        let i = &self.state.incidents[&ix];
        let device = match i.cause {
            Cause::Device(t) | Cause::Other(t) => self.reach.device_of(t).map_or(u32::MAX, |d| d.0),
            Cause::Link(_) | Cause::Blind(_) | Cause::Storm(_) => u32::MAX,
        };
        let outlasted = self.outlasted(alarms);
        let suspected = self.suspected_change(&i.root, device);
        let Some(i) = self.state.incidents.get_mut(&ix) else { return };
        i.outlasted = outlasted;
        i.suspected_change = suspected;
    }

    /// The window at whose end these alarms still stood, in words.
    fn outlasted(&self, alarms: &[AlarmKey]) -> Option<String> {
        let id = alarms.iter().find_map(|k| self.state.alarms.get(k)?.outlasted.as_ref())?;
        let Some(e) = self.state.ended_windows.get(id) else {
            return Some(format!("still down at the end of window {id}"));
        };
        let how = match &e.by {
            Some(by) => format!("{by} ended it"),
            None => "it has overrun".to_owned(),
        };
        let Window { owner, reason, .. } = &e.window;
        let word = e.window.word();
        Some(format!("still down at the end of {word} {id} ({owner}: {reason}): {how}"))
    }

    /// The change that ended a short while ago on what fails now: its id, and the words for it.
    fn suspected_change(&self, root: &[Arc<str>], device: u32) -> Option<(String, String)> {
        let now = self.state.now;
        let lately = self.state.ended_windows.values().filter(|e| {
            e.window.change.is_some()
                && now < e.end + CHANGE_ECHO
                && self.covers(&e.window, root, device)
        });
        let e = lately.max_by_key(|e| (e.end, std::cmp::Reverse(e.window.id.clone())))?;
        let change = e.window.change.clone()?;
        let ago = Duration::from_secs(now.since(e.end).as_secs());
        let when = match ago {
            Duration::ZERO => "which ends now".to_owned(),
            ago => format!("which ended {} before", show_duration(ago)),
        };
        let words = format!("suspected change: {change} ({}, {when})", e.window.reason);
        Some((change, words))
    }

    // ---- for people ----

    /// The maintenance windows and silences, those that ended lately among them.
    pub fn window_looks(&self) -> Vec<WindowLook> {
        let now = self.state.now;
        let held = |id: &str| self.hidden_by(id);
        let mut looks = Vec::new();
        for w in self.windows() {
            let Some(&(start, end)) = self.spans.get(&w.id) else { continue };
            let none = Hidden::default();
            let hidden = self.state.hidden.get(&w.id).unwrap_or(&none);
            let hides = held(&w.id);
            let idle = now.since(start.max(hidden.last));
            let useless = w.silence && start <= now && hides == 0 && idle >= IDLE;
            looks.push(WindowLook {
                window: w.clone(),
                start,
                end,
                asked_for: self.window_is_asked_for(&w.id),
                over: false,
                hides,
                hid: hidden.count,
                hid_targets: hidden.targets.iter().cloned().collect(),
                overran: Vec::new(),
                advice: useless.then(|| {
                    let idle = show_duration(Duration::from_secs(idle.as_secs() / 60 * 60));
                    format!("it matches nothing for {idle}: consider ending it")
                }),
            });
        }
        for (id, e) in &self.state.ended_windows {
            if now >= e.end + CHANGE_ECHO || self.spans.contains_key(id) {
                continue;
            }
            looks.push(WindowLook {
                window: e.window.clone(),
                start: e.start,
                end: e.end,
                asked_for: !self.settings.windows.iter().any(|w| w.id == *id),
                over: true,
                hides: 0,
                hid: e.hidden.count,
                hid_targets: e.hidden.targets.iter().cloned().collect(),
                overran: e.overran.clone(),
                advice: (!e.overran.is_empty() && e.by.is_none()).then(|| {
                    format!("it has overrun: {} still failed when it ended", e.overran.len())
                }),
            });
        }
        looks
    }
}
