//! How each check is asked and judged.

use super::super::Asking;
use super::super::inventory::{CHECKS, Collected, items};
use super::super::origin::Place;
use super::super::raw::{self, List};
use super::super::read::{Key, did_you_mean};
use super::super::units::Span;
use super::Reading;
use model::exception::{Exception, Match, RuleChange, default_exceptions};
use model::settings::{CheckRule, Measure, Threshold, default_checks};
use model::time::show_duration;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Nothing is asked more often than this; a smaller number is a slip.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// The longest history of samples that a rule can look at.
const SAMPLES_MAX: u8 = 32;

impl Reading<'_> {
    /// How each check is asked: those that are configured and those that devices name.
    pub(super) fn asking(
        &mut self,
        root: &raw::Root,
        collected: &Collected,
    ) -> BTreeMap<String, Asking> {
        let none = raw::Check::default();
        let configured = root.check.get();
        let of_devices = collected.spec.devices.iter().filter_map(|d| d.checks.as_ref()).flatten();
        let mut names: BTreeSet<&str> = CHECKS.iter().copied().collect();
        names.extend(of_devices.map(String::as_str));
        names.extend(configured.into_iter().flatten().map(|(name, _)| name.as_str()));
        names
            .into_iter()
            .map(|name| {
                let raw = configured.and_then(|c| c.get(name)?.get()).unwrap_or(&none);
                (name.to_owned(), self.asking_of(name, raw))
            })
            .collect()
    }

    pub(super) fn asking_of(&mut self, name: &str, raw: &raw::Check) -> Asking {
        let interval = raw.interval.or(Span(default_rule(name).interval)).0;
        if let Key::Set(_, place) = &raw.interval
            && interval < INTERVAL_MIN
        {
            self.error(
                *place,
                "nothing can be asked this often",
                "at least \"100ms\"; the default is \"20s\"",
            );
        }
        // What is not given follows the interval, so that "every second" alone is a good answer.
        let two = Duration::from_secs(2);
        let default = if two < interval { two } else { interval / 2 };
        let timeout = raw.timeout.or(Span(default)).0;
        self.not_zero(&raw.timeout);
        if let Some(place) = raw.timeout.place()
            && timeout >= interval
        {
            let message = format!(
                "an answer is waited for {}, but the next question comes after {}",
                show_duration(timeout),
                show_duration(interval)
            );
            self.error(place, message, "make timeout shorter than interval");
        }
        let ask_again = raw.ask_again.or(Span(default)).0;
        if let Some(place) = raw.ask_again.place()
            && ask_again >= interval
        {
            let message = format!(
                "asking again after {} is not sooner than the usual {}",
                show_duration(ask_again),
                show_duration(interval)
            );
            self.error(
                place,
                message,
                "make ask_again shorter than interval, or \"0s\" to turn it off",
            );
        }
        let packets = raw.packets.or(3);
        if let Key::Set(_, place) = &raw.packets {
            if name != "icmp" {
                self.error(
                    *place,
                    format!("{name} sends no packets to count"),
                    "packets is for [check.icmp]",
                );
            } else if !(1..=20).contains(&packets) {
                self.error(*place, "a sample has 1 to 20 packets", "the default is 3");
            }
        }
        Asking { interval, timeout, packets, ask_again }
    }

    pub(super) fn checks(
        &mut self,
        root: &raw::Root,
        collected: &Collected,
    ) -> BTreeMap<String, CheckRule> {
        let mut rules = default_checks();
        for (name, key) in root.check.get().into_iter().flatten() {
            let Key::Set(raw, place) = key else { continue };
            self.check_known(name, *place, collected);
            let rule = self.rule(name, raw);
            rules.insert(name.clone(), rule);
        }
        rules
    }

    /// A check that others ask may have a rule; a slip of the pen would leave ours without its own.
    fn check_known(&mut self, name: &str, place: Place, collected: &Collected) {
        let of_devices = collected.spec.devices.iter().filter_map(|d| d.checks.as_ref()).flatten();
        if CHECKS.contains(&name) || of_devices.into_iter().any(|c| c == name) {
            return;
        }
        let help = did_you_mean(name, CHECKS.iter().copied());
        if help.starts_with("did you mean") {
            self.error(place, format!("nobody asks a check called {name:?}"), help);
        }
    }

    pub(super) fn rule(&mut self, name: &str, raw: &raw::Check) -> CheckRule {
        let mut rule = default_rule(name);
        rule.interval = raw.interval.or(Span(rule.interval)).0;
        rule.up_needs = raw.up_needs.or(rule.up_needs);
        rule.stale_after = raw.stale_after.or(rule.stale_after);
        let explicit = raw.down_needs.place().or(raw.down_of.place());
        // One of the two alone: the other follows, rather than contradict it by a default.
        rule.down_needs = raw.down_needs.or(rule.down_needs.min(raw.down_of.or(u8::MAX)));
        rule.down_of = raw.down_of.or(rule.down_of.max(rule.down_needs));
        rule.down_for = raw.down_for.or(Span(rule.down_for)).0;
        for key in [&raw.down_needs, &raw.down_of, &raw.up_needs] {
            self.samples(key);
        }
        if let Some(place) = explicit
            && rule.down_needs > rule.down_of
        {
            let message = format!(
                "{} of the last {} samples can never be bad",
                rule.down_needs, rule.down_of
            );
            self.error(place, message, "make down_needs at most down_of");
        }
        self.stale(&raw.stale_after);
        self.loss(name, raw, &mut rule);
        if let Key::Set(_, place) = &raw.thresholds {
            if raw.loss_raise_pct.place().or(raw.loss_raise_slow_pct.place()).is_some() {
                self.error(
                    *place,
                    "thresholds replaces the levels of loss, which are given as well",
                    "say everything in thresholds",
                );
            }
            self.one_baseline(&raw.thresholds);
            rule.thresholds =
                items(&raw.thresholds).filter_map(|(t, at)| self.threshold(t, at)).collect();
        }
        rule
    }

    pub(super) fn loss(&mut self, name: &str, raw: &raw::Check, rule: &mut CheckRule) {
        let levels = [&raw.loss_raise_pct, &raw.loss_raise_slow_pct, &raw.loss_clear_pct];
        for key in levels {
            let Key::Set(pct, place) = key else { continue };
            if name != "icmp" {
                self.error(*place, format!("{name} knows no loss"), "this key is for [check.icmp]");
            } else if !(*pct > 0.0 && *pct <= 100.0) {
                self.error(
                    *place,
                    format!("{pct} is no percentage of loss"),
                    "above 0, at most 100",
                );
            }
        }
        if name != "icmp" {
            return;
        }
        for (threshold, raise) in rule.thresholds.iter_mut().zip(&levels[..2]) {
            threshold.raise = raise.or(threshold.raise);
            threshold.clear = levels[2].or(threshold.clear.min(threshold.raise / 2.0));
            if let Some(place) = levels[2].place().or(raise.place())
                && threshold.clear >= threshold.raise
            {
                let message = format!(
                    "loss would be raised at {} % and cleared below {} %",
                    threshold.raise, threshold.clear
                );
                self.error(place, message, "clear at less than it is raised");
                return;
            }
        }
    }

    pub(super) fn threshold(&mut self, raw: &raw::Threshold, at: Place) -> Option<Threshold> {
        if raw.value.is_absent() {
            self.missing(at, "value", "this threshold names no value", "add value = \"rtt_ms\"");
        }
        if let Key::Set(rise, place) = &raw.rise {
            return self.rise(raw, rise, *place);
        }
        if raw.raise.is_absent() {
            self.missing(at, "raise", "this threshold has no level to raise at", "add raise = 200");
        }
        if raw.clear.is_absent() {
            self.missing(at, "clear", "this threshold has no level to clear at", "add clear = 150");
        }
        let (value, raise, clear) =
            (raw.value.get()?.clone(), *raw.raise.get()?, *raw.clear.get()?);
        self.apart(raise, clear, raw.clear.place().unwrap_or(at));
        let measure = match &raw.baseline {
            Key::Set(baseline, place) => self.baseline(baseline, *place, raise > clear)?,
            _ => Measure::Mean,
        };
        Some(Threshold { value, raise, clear, over: raw.over.or(Span(Duration::ZERO)).0, measure })
    }

    fn apart(&mut self, raise: f64, clear: f64, place: Place) {
        if !raise.is_finite() || !clear.is_finite() || (raise - clear).abs() < f64::EPSILON {
            let help = "leave room between them, or the alarm goes up and down all day";
            self.error(place, "raise and clear must be two different numbers", help);
        }
    }

    fn baseline(&mut self, raw: &raw::Baseline, at: Place, high_is_bad: bool) -> Option<Measure> {
        let help = "write baseline = { raise = 3.0, clear = 2.0 }";
        for (name, key) in [("raise", &raw.raise), ("clear", &raw.clear)] {
            if key.is_absent() {
                self.missing(at, name, "the usual is not said how many times", help);
            }
        }
        let (raise, clear) = (*raw.raise.get()?, *raw.clear.get()?);
        if !(raise > clear && clear > 1.0 && raise.is_finite()) {
            let message = format!("raised at {raise} times the usual, cleared below {clear} times");
            self.error(at, message, "raise at more than it is cleared at, and both above 1");
        }
        if !high_is_bad {
            self.error(
                at,
                "what is usual counts where high is bad only",
                "raise at more than it is cleared at, or leave baseline away",
            );
        }
        Some(Measure::Baseline { raise, clear })
    }

    fn rise(&mut self, raw: &raw::Threshold, rise: &raw::Rise, at: Place) -> Option<Threshold> {
        let others = [raw.raise.place(), raw.clear.place(), raw.over.place(), raw.baseline.place()];
        if let Some(place) = others.into_iter().flatten().next() {
            self.error(
                place,
                "a threshold is about a level or about a rise, not about both",
                "write another [[check.….thresholds]] for the other one",
            );
        }
        let help = "write rise = { by = 5.0, within = \"10m\" }";
        if rise.by.is_absent() {
            self.missing(at, "by", "it is not said how much it may rise", help);
        }
        if rise.within.is_absent() {
            self.missing(at, "within", "it is not said within which time", help);
        }
        self.not_zero(&rise.within);
        let (value, by) = (raw.value.get()?.clone(), *rise.by.get()?);
        if !(by > 0.0 && by.is_finite()) {
            self.error(rise.by.place().unwrap_or(at), "no rise is by this much", "above 0");
        }
        let over = rise.within.get()?.0;
        Some(Threshold { value, raise: by, clear: by / 2.0, over, measure: Measure::Rise })
    }

    /// What is usual is remembered once for each check.
    fn one_baseline(&mut self, thresholds: &List<raw::Threshold>) {
        let mut all = items(thresholds).filter(|(t, _)| t.baseline.get().is_some());
        let Some((first, _)) = all.next() else { return };
        if let Some((_, place)) = all.find(|(t, _)| t.value.get() != first.value.get()) {
            self.error(
                place,
                "a check has one value whose usual is known",
                "give the other one a level of its own, without baseline",
            );
        }
    }

    /// Where checks are judged otherwise: what is written first, then what is so by default.
    pub(super) fn exceptions(&mut self, root: &raw::Root) -> Vec<Exception> {
        let mut all = Vec::new();
        for (name, key) in root.check.get().into_iter().flatten() {
            let Key::Set(check, _) = key else { continue };
            for (raw, at) in items(&check.r#for) {
                all.extend(self.exception(name, raw, at));
            }
        }
        all.extend(default_exceptions());
        all
    }

    fn exception(&mut self, check: &str, raw: &raw::CheckFor, at: Place) -> Option<Exception> {
        let text = |key: &Key<String>| key.get().cloned();
        let none = raw::CheckMatch::default();
        let m = raw.r#match.get().unwrap_or(&none);
        let of = Match {
            target: text(&m.target),
            site: text(&m.site),
            class: text(&m.class),
            tag: text(&m.tag),
            link: text(&m.link),
        };
        if of == Match::default() {
            let help = "write match = { class = \"radio\" }, or site, target, tag, link";
            self.missing(at, "match", "it is not said for which targets", help);
            return None;
        }
        for key in [&raw.down_needs, &raw.down_of, &raw.up_needs] {
            self.samples(key);
        }
        if let (Some(needs), Some(of), Some(place)) =
            (raw.down_needs.get(), raw.down_of.get(), raw.down_needs.place())
            && needs > of
        {
            let message = format!("{needs} of the last {of} samples can never be bad");
            self.error(place, message, "make down_needs at most down_of");
        }
        self.stale(&raw.stale_after);
        if let (Some(start), Some(end), Some(place)) =
            (raw.flap_start.get(), raw.flap_end.get(), raw.flap_end.place())
            && *start > 0
            && end >= start
        {
            let message = format!("flapping would start at {start} changes and end at {end}");
            self.error(place, message, "make flap_end less than flap_start, or flap_start = 0");
        }
        self.not_zero(&raw.flap_window);
        self.one_baseline(&raw.thresholds);
        let thresholds = (!raw.thresholds.is_absent())
            .then(|| items(&raw.thresholds).filter_map(|(t, at)| self.threshold(t, at)).collect());
        let change = RuleChange {
            down_needs: raw.down_needs.get().copied(),
            down_of: raw.down_of.get().copied(),
            down_for: raw.down_for.get().map(|s| s.0),
            up_needs: raw.up_needs.get().copied(),
            stale_after: raw.stale_after.get().copied(),
            flap_start: raw.flap_start.get().copied(),
            flap_end: raw.flap_end.get().copied(),
            flap_window: raw.flap_window.get().map(|s| s.0),
            thresholds,
        };
        Some(Exception { check: check.to_owned(), of, change })
    }

    fn samples(&mut self, key: &Key<u8>) {
        if let Key::Set(n, place) = key
            && !(1..=SAMPLES_MAX).contains(n)
        {
            self.error(*place, format!("{n} samples cannot be"), format!("1 to {SAMPLES_MAX}"));
        }
    }

    fn stale(&mut self, key: &Key<f64>) {
        if let Key::Set(stale, place) = key
            && !(*stale >= 1.0 && *stale <= 1000.0)
        {
            let help = "at least 1, since the next answer is one interval away; the default is 2.5";
            self.error(*place, format!("evidence cannot be stale after {stale} intervals"), help);
        }
    }
}

fn default_rule(name: &str) -> CheckRule {
    default_checks()
        .remove(name)
        .unwrap_or_else(|| CheckRule { interval: Duration::from_mins(1), ..CheckRule::default() })
}
