//! Maintenance and silences: spans of time with an end, in which alarms of a scope are expected or
//! unwanted.
//!
//! What a window covers is *held*, never dropped: it names the window, and when the window ends it
//! is looked at again, and told if it still stands. A window covers a failure only if it covers what
//! failed; that something behind it is in maintenance hides nothing.

use crate::Correlator;
use crate::state::{AlarmKey, Timer};
use model::settings::Window;
use model::{AlarmState, Timestamp};
use std::sync::Arc;

impl Correlator {
    /// The window that covers a failure of these roots, of which `device` is the device.
    pub(crate) fn window_over(&self, root: &[Arc<str>], device: u32) -> Option<String> {
        let now = self.state.now;
        let active = self.windows().filter(|w| w.start <= now && now < w.end);
        // Of several, the one that lasts longest; maintenance before silence.
        active
            .filter(|w| w.scope.iter().any(|s| self.in_scope(s, root, device)))
            .max_by_key(|w| (!w.silence, w.end, std::cmp::Reverse(w.id.clone())))
            .map(|w| w.id.clone())
    }

    fn in_scope(&self, scope: &str, root: &[Arc<str>], device: u32) -> bool {
        if root.iter().any(|r| &**r == scope) {
            return true;
        }
        let Some(d) = self.inventory.devices.get(device as usize) else { return false };
        if let Some(class) = scope.strip_prefix("class:") {
            return &*d.class == class;
        }
        if let Some(tag) = scope.strip_prefix("tag:") {
            return d.tags.iter().any(|t| t == tag);
        }
        &*d.id == scope || d.site.is_some_and(|s| &*self.inventory[s].id == scope)
    }

    /// These alarms are held until the window ends.
    pub(crate) fn cover(&mut self, alarms: &[AlarmKey], window: &str) {
        let Some((word, end)) = self
            .windows()
            .find(|w| w.id == window)
            .map(|w| (if w.silence { "silence" } else { "maintenance" }, w.end))
        else {
            return;
        };
        for key in alarms {
            let Some(alarm) = self.state.alarms.get_mut(key) else { continue };
            if alarm.covered_by.as_deref() == Some(window) {
                continue;
            }
            alarm.covered_by = Some(window.to_owned());
            let was = alarm.state;
            self.alarm_line(
                *key,
                AlarmState::Held,
                was,
                None,
                format!("{word} {window} covers it until {end}"),
            );
        }
    }

    /// The window that covers an alarm: whether it is a silence, and its id.
    pub(crate) fn covering(&self, key: AlarmKey) -> Option<(bool, String)> {
        let id = self.state.alarms.get(&key)?.covered_by.clone()?;
        let silence = self.windows().find(|w| w.id == id).is_some_and(|w| w.silence);
        Some((silence, id))
    }

    /// A window that a person asked for. One of the same id is replaced.
    pub(crate) fn add_window(&mut self, w: Window) {
        self.set_timer(w.start, Timer::Window(w.id.clone()));
        self.set_timer(w.end, Timer::Window(w.id.clone()));
        self.state.windows.insert(w.id.clone(), w);
    }

    /// Comes back when the windows of the configuration begin and end.
    pub(crate) fn watch_windows(&mut self) {
        let turns: Vec<(Timestamp, String)> = self
            .settings
            .windows
            .iter()
            .flat_map(|w| [(w.start, w.id.clone()), (w.end, w.id.clone())])
            .collect();
        for (at, id) in turns {
            if at > self.state.now {
                self.set_timer(at, Timer::Window(id));
            }
        }
    }

    /// A window begins or ends: what it covered is looked at again.
    pub(crate) fn window_turns(&mut self, id: &str) {
        let now = self.state.now;
        let over = self.windows().find(|w| w.id == id).is_none_or(|w| w.end <= now);
        if over {
            self.state.windows.remove(id);
            for alarm in self.state.alarms.values_mut() {
                if alarm.covered_by.as_deref() == Some(id) {
                    alarm.covered_by = None;
                }
            }
        }
        self.dirty.all = true;
        self.evaluate();
    }
}
