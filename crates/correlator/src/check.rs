//! The state machine of one check: good, suspect, confirmed, clearing; and what it cannot know.
//!
//! Silence is confirmed when n of the last m samples are silent, and over after a few good ones in a
//! row. A port that *says* it is down needs one re-read. That we could not ask is neither: it leaves
//! a confirmed failure standing, and turns everything else into *unknown*.

use crate::reach::{Thing, silent};
use crate::resolver::NO_NAME;
use crate::state::{AlarmKey, Check, CheckIx, Phase, TargetIx, Timer};
use crate::{Correlator, state};
use model::{AlarmState, Observation, Outcome, Timestamp, Verdict};
use std::borrow::Cow;

/// Samples remembered of each check.
const SAMPLES_MAX: u8 = 32;

/// The newest `n` samples of a history.
fn last(n: u8) -> u32 {
    if n >= SAMPLES_MAX { u32::MAX } else { (1 << n) - 1 }
}

/// A sample, as the state machine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sample {
    Good,
    Bad,
    /// The port is switched off on purpose.
    AdminDown,
    /// It could not be asked, or the answer says nothing.
    Unknown,
}

impl Correlator {
    pub(crate) fn handle_observation(&mut self, at: Timestamp, o: &Observation<'_>) {
        let Some(target) = self.target_of(&o.target) else {
            let reason = format!("nothing in the inventory is called {:?}", o.target);
            self.verdict(at, None, Verdict::UnmatchedTarget, None, reason, false);
            return;
        };
        let ix = match self.check_of(target, o) {
            Ok(ix) => ix,
            Err(why) => return self.verdict(at, Some(target), Verdict::Unknown, None, why, false),
        };
        let probe = self.state.checks[ix as usize].probe;
        self.heard_from(probe);
        let last_at = self.state.checks[ix as usize].last_at;
        let sample = self.sample(ix, o);
        if at < last_at {
            self.verdict(
                at,
                Some(target),
                Verdict::Late,
                None,
                "an answer from before the last one",
                false,
            );
            return;
        }
        if at == last_at && self.same_as_last(ix, sample) {
            self.verdict(
                at,
                Some(target),
                Verdict::Duplicate,
                None,
                "the same answer was taken already",
                false,
            );
            return;
        }
        self.state.checks[ix as usize].last_at = at;
        if self.is_isolated(probe) {
            self.dirty.probes.insert(u32::from(probe));
            if !self.is_guard(ix) {
                self.isolated_observes(ix, at, sample == Sample::Good);
                self.evaluate();
                let name = self.state.probes.name(u32::from(probe));
                let reason = format!("{name} is isolated; what it observes means nothing");
                self.verdict(at, Some(target), Verdict::Unknown, None, reason, true);
                return;
            }
        }
        self.seen_again(ix);
        // Only an answer ends anything.
        let answered = matches!(o.outcome, Outcome::Reply(_));
        if answered {
            self.agent_answered(ix, at);
        }
        let before = if answered { self.alarm_behind(ix) } else { None };
        let before = before.and_then(|k| self.state.alarms[&k].incident);
        match &o.outcome {
            Outcome::Failed { reason } if reason == NO_NAME => self.has_no_name(ix, at),
            _ => self.has_a_name(ix),
        }
        let restarted = self.look_at_uptime(ix, o);
        let (mut verdict, mut reason, mut routine) = match sample {
            Sample::Good => self.good(ix, at),
            Sample::Bad => self.bad(ix, at),
            Sample::AdminDown => self.admin_down(ix, at),
            Sample::Unknown => self.unknown(ix, o),
        };
        if let Outcome::Reply(values) = &o.outcome
            && !self.is_isolated(probe)
            && let Some((v, r, quiet)) = self.handle_levels(ix, at, values)
        {
            (verdict, reason, routine) = (v, r, quiet && routine);
        }
        if let Some(r) = restarted {
            (verdict, reason, routine) = (Verdict::Updated, r.into(), false);
        }
        if !self.state.waiting.is_empty()
            && let Some(d) = self.reach.device_of(target)
        {
            self.heard_of(d.0);
        }
        if self.unsettled() {
            self.evaluate();
        }
        if verdict == Verdict::Recovered {
            self.verdict(at, Some(target), verdict, before, reason, routine);
            return;
        }
        self.conclude(at, target, ix, verdict, reason, routine);
    }

    /// The verdict, now that the incidents have been looked at.
    fn conclude(
        &mut self,
        at: Timestamp,
        target: TargetIx,
        ix: CheckIx,
        verdict: Verdict,
        reason: Cow<'static, str>,
        routine: bool,
    ) {
        let key = match verdict {
            Verdict::Held | Verdict::Joined | Verdict::Clearing => self.alarm_behind(ix),
            _ => None,
        };
        let Some(key) = key else {
            self.verdict(at, Some(target), verdict, None, reason, routine);
            return;
        };
        let alarm = &self.state.alarms[&key];
        let incident = alarm.incident;
        if verdict == Verdict::Clearing {
            self.verdict(at, Some(target), verdict, incident, reason, routine);
            return;
        }
        let (verdict, reason) = match alarm.state {
            AlarmState::Flapping => {
                (Verdict::Flapping, Cow::from("it changes too often to mean anything"))
            }
            AlarmState::Held => match alarm.covered_by.as_ref().and_then(|_| self.covering(key)) {
                Some((silence, id)) => {
                    let word = if silence { "silence" } else { "maintenance" };
                    let verdict = if silence { Verdict::Silenced } else { Verdict::InMaintenance };
                    (verdict, format!("{word} {id} covers it until its end").into())
                }
                None => (
                    Verdict::Held,
                    "confirmed; waiting for the evidence of what may explain it".into(),
                ),
            },
            _ => match self.role_in(key, incident) {
                Verdict::Joined if !routine && self.opened_now(incident) => {
                    (Verdict::Opened, self.opened_how(incident))
                }
                Verdict::SuppressedByRoot => {
                    let root = incident
                        .map_or(String::new(), |i| self.state.incidents[&i].root.join(" or "));
                    (Verdict::SuppressedByRoot, format!("{root} failed and explains it").into())
                }
                other => (other, reason),
            },
        };
        self.verdict(at, Some(target), verdict, incident, reason, routine);
    }

    /// What is said of a port is said by the agent of its device: the silence of that agent, which
    /// stands under the device's own name, is over.
    fn agent_answered(&mut self, ix: CheckIx, at: Timestamp) {
        let c = &self.state.checks[ix as usize];
        let Thing::Port(d, _) = self.reach.things[c.target as usize] else { return };
        let of_device = (self.reach.devices[d.0 as usize].target, c.name, c.probe);
        let Some(agent) = self.reach.check_index.get(&of_device).copied() else { return };
        let c = &mut self.state.checks[agent as usize];
        if c.phase != Phase::Ok && c.last_at < at {
            c.last_at = at;
            self.good(agent, at);
        }
    }

    fn target_of(&mut self, name: &str) -> Option<TargetIx> {
        if let Some(ix) = self.state.targets.get(name) {
            let thing = self.reach.things[ix as usize];
            return matches!(thing, Thing::Device(_) | Thing::Port(..)).then_some(ix);
        }
        if self.inventory.link(name).is_some() || self.inventory.site(name).is_some() {
            return None;
        }
        self.inventory.device_of(name)?;
        Some(self.intern(name))
    }

    fn check_of(&mut self, target: TargetIx, o: &Observation<'_>) -> Result<CheckIx, &'static str> {
        if let Some(ix) = self.reach.first_of(&self.state, target, o) {
            return Ok(ix);
        }
        let (name, probe) = self.names_of(o)?;
        let key = (target, name, probe);
        if let Some(ix) = self.reach.check_of(&self.state, key) {
            return Ok(ix);
        }
        self.takes_another_check(target, o)?;
        let ix = self.state.checks.len() as CheckIx;
        let checks = &mut self.state.checks;
        if checks.len() == checks.capacity() {
            // There may be a million, and a vector that doubles wastes half of them.
            checks.reserve_exact(checks.len() / 8 + 16);
        }
        checks.push(Check {
            target,
            name,
            probe,
            phase: Phase::Unknown,
            history: 0,
            seen: 0,
            good_run: 0,
            learned: 0,
            last_at: Timestamp::MIN,
            last_reply: Timestamp::MIN,
            onset: Timestamp::MIN,
        });
        self.reach.index_check(key, ix);
        self.learn_rules();
        self.observes_as_often(probe, name);
        Ok(ix)
    }

    fn sample(&self, ix: CheckIx, o: &Observation<'_>) -> Sample {
        let check = &self.state.checks[ix as usize];
        match &o.outcome {
            Outcome::Failed { .. } => Sample::Unknown,
            // That nobody told us about a port does not mean that it is down.
            Outcome::NoReply
                if matches!(self.reach.things[check.target as usize], Thing::Port(..)) =>
            {
                Sample::Unknown
            }
            Outcome::NoReply => Sample::Bad,
            Outcome::Reply(values) => {
                if !matches!(self.reach.things[check.target as usize], Thing::Port(..)) {
                    return Sample::Good;
                }
                let value = |name: &str| values.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
                // ifAdminStatus and ifOperStatus of IF-MIB (RFC 2863): up 1, down 2, testing 3,
                // unknown 4, dormant 5, notPresent 6, lowerLayerDown 7.
                if value("admin_status") == Some(2.0) {
                    return Sample::AdminDown;
                }
                match value("oper_status").map(|v| v as i64) {
                    None | Some(1 | 5) => Sample::Good,
                    Some(2 | 6 | 7) => Sample::Bad,
                    Some(_) => Sample::Unknown,
                }
            }
        }
    }

    fn same_as_last(&self, ix: CheckIx, sample: Sample) -> bool {
        let check = &self.state.checks[ix as usize];
        match sample {
            Sample::Good => {
                check.seen > 0 && check.history & 1 == 0 && check.phase != Phase::Unknown
            }
            Sample::Bad => check.seen > 0 && check.history & 1 == 1,
            Sample::AdminDown => self.state.admin_down.contains(&check.target),
            Sample::Unknown => check.phase == Phase::Unknown,
        }
    }

    fn good(&mut self, ix: CheckIx, at: Timestamp) -> (Verdict, Cow<'static, str>, bool) {
        let (target, phase, lost) = {
            let c = &mut self.state.checks[ix as usize];
            let lost = if c.phase == Phase::Suspect { c.history.trailing_ones() } else { 0 };
            c.history <<= 1;
            c.seen = c.seen.saturating_add(1).min(SAMPLES_MAX);
            c.good_run = c.good_run.saturating_add(1);
            (c.target, c.phase, lost)
        };
        if lost > 0
            && !self.is_isolated(self.state.checks[ix as usize].probe)
            && !self.state.alarms.contains_key(&silent(ix))
        {
            self.count_lost(ix, at, lost);
        }
        self.back_from_admin_down(target);
        if phase == Phase::Ok {
            // The way of nearly every observation there is.
            self.heard(ix, at);
            return (Verdict::Normal, "answered".into(), true);
        }
        self.heard(ix, at);
        let up_needs = self.rule(ix).up_needs.max(1);
        let window = last(self.rule(ix).down_of);
        let c = &mut self.state.checks[ix as usize];
        match phase {
            Phase::Ok => unreachable!("handled above"),
            Phase::Suspect if self.state.alarms.contains_key(&silent(ix)) => {
                // It is asked afresh, after its root came back or after a gap.
                if c.good_run < up_needs {
                    return (Verdict::Clearing, "a first good answer".into(), false);
                }
                c.phase = Phase::Ok;
                c.history = 0;
                self.no_longer_suspect(ix);
                self.recovered(ix, "it answers again");
                if self.is_flapping(silent(ix)) {
                    return (
                        Verdict::Flapping,
                        "it answers, but changes too often to be believed".into(),
                        false,
                    );
                }
                (Verdict::Recovered, "it answers again".into(), false)
            }
            Phase::Suspect | Phase::Unknown => {
                let first = phase == Phase::Unknown && c.seen == 1 && c.onset == Timestamp::MIN;
                if phase == Phase::Suspect && c.history & window != 0 && c.good_run < up_needs {
                    return (
                        Verdict::Normal,
                        "answered; the failures before it are not forgotten yet".into(),
                        false,
                    );
                }
                c.phase = Phase::Ok;
                let was =
                    if phase == Phase::Suspect { AlarmState::Suspect } else { AlarmState::Unknown };
                self.no_longer_suspect(ix);
                if !first {
                    self.alarm_line(
                        silent(ix),
                        AlarmState::Ok,
                        was,
                        self.lingering(ix),
                        "it answers".into(),
                    );
                }
                self.part_of(ix);
                if phase == Phase::Suspect {
                    self.only_doubted(ix);
                }
                (Verdict::Normal, "answered".into(), first)
            }
            Phase::Bad | Phase::Clearing if c.good_run < up_needs => {
                c.phase = Phase::Clearing;
                let key = silent(ix);
                self.shift(key, AlarmState::Clearing, "a first good answer; another one ends it");
                (Verdict::Clearing, "a first good answer".into(), false)
            }
            Phase::Bad | Phase::Clearing => {
                c.phase = Phase::Ok;
                c.history = 0;
                self.recovered(ix, "it answers again");
                if self.state.alarms.contains_key(&silent(ix)) {
                    return (
                        Verdict::Flapping,
                        "it answers, but changes too often to be believed".into(),
                        false,
                    );
                }
                (Verdict::Recovered, "it answers again".into(), false)
            }
        }
    }

    fn bad(&mut self, ix: CheckIx, at: Timestamp) -> (Verdict, Cow<'static, str>, bool) {
        let target = {
            let c = &mut self.state.checks[ix as usize];
            c.history = (c.history << 1) | 1;
            c.seen = c.seen.saturating_add(1).min(SAMPLES_MAX);
            c.good_run = 0;
            c.target
        };
        if let Thing::Port(_, None) = self.reach.things[target as usize] {
            // An office switches its computers off at night; only declared links are watched.
            self.heard(ix, at);
            return (
                Verdict::Normal,
                "it is down, and no link of the inventory ends there".into(),
                true,
            );
        }
        self.back_from_admin_down(target);
        self.observed(ix);
        if matches!(self.state.checks[ix as usize].phase, Phase::Ok | Phase::Suspect) {
            self.probe_had(ix, at, false);
        }
        if let Thing::Port(..) = self.reach.things[target as usize] {
            // A port that says it is down was heard through a device that answers.
            self.heard(ix, at);
        }
        let (needs, of) = self.confirmed_by(ix);
        let (needs, of) = (needs.clamp(1, SAMPLES_MAX), of.clamp(1, SAMPLES_MAX));
        let lasts = self.rule(ix).down_for;
        let c = &mut self.state.checks[ix as usize];
        let bad = (c.history & last(of)).count_ones() as u8;
        // A failure that has to last begins with its first bad sample.
        let since = if c.phase == Phase::Suspect { c.onset } else { at };
        let confirmed = bad >= needs && at >= since + lasts;
        match c.phase {
            Phase::Ok | Phase::Unknown if !confirmed => {
                let was = if c.phase == Phase::Ok { AlarmState::Ok } else { AlarmState::Unknown };
                c.phase = Phase::Suspect;
                c.onset = at;
                let reason = if lasts.is_zero() {
                    format!("bad {bad} of the last {of}; {needs} confirm it")
                } else {
                    let lasts = model::time::show_duration(lasts);
                    format!("bad {bad} of the last {of}; {needs} in {lasts} confirm it")
                };
                self.now_suspect(ix);
                if self.proves_reach(ix) {
                    self.shows_again(ix, at);
                    self.ask_around(ix);
                }
                self.ask_when_it_has_lasted(ix, lasts);
                if self.is_flapping(silent(ix)) {
                    return (
                        Verdict::Flapping,
                        "it changes too often to mean anything".into(),
                        false,
                    );
                }
                self.alarm_line(silent(ix), AlarmState::Suspect, was, self.lingering(ix), reason);
                (Verdict::Suspect, "a first sign of failure".into(), false)
            }
            Phase::Suspect if !confirmed => (Verdict::Suspect, "not confirmed yet".into(), false),
            Phase::Ok | Phase::Unknown | Phase::Suspect => {
                let was = match c.phase {
                    Phase::Ok => AlarmState::Ok,
                    Phase::Unknown => AlarmState::Unknown,
                    _ => AlarmState::Suspect,
                };
                if c.phase != Phase::Suspect {
                    c.onset = at;
                }
                c.phase = Phase::Bad;
                self.confirmed(ix, was, format!("bad {bad} of the last {of}"));
                (Verdict::Held, "confirmed".into(), false)
            }
            Phase::Clearing => {
                c.phase = Phase::Bad;
                let key = silent(ix);
                let back = match self.state.alarms.get(&key) {
                    Some(a) if a.incident.is_some() => AlarmState::Raised,
                    _ => AlarmState::Held,
                };
                self.shift(key, back, "bad again before it was over");
                (Verdict::Joined, "bad again before it was over".into(), false)
            }
            Phase::Bad => (Verdict::Joined, "it still fails".into(), true),
        }
    }

    fn unknown(&mut self, ix: CheckIx, o: &Observation<'_>) -> (Verdict, Cow<'static, str>, bool) {
        let reason = match &o.outcome {
            Outcome::Failed { reason } if reason == NO_NAME => {
                "its name does not resolve, which says nothing about it".into()
            }
            Outcome::Failed { reason } => format!("it could not be asked: {reason}"),
            Outcome::NoReply => "nobody answered for this port".into(),
            Outcome::Reply(_) => "the answer says nothing about its state".into(),
        };
        let c = &mut self.state.checks[ix as usize];
        c.good_run = 0;
        let was = match c.phase {
            Phase::Ok => AlarmState::Ok,
            Phase::Suspect => AlarmState::Suspect,
            Phase::Unknown => return (Verdict::Unknown, reason.into(), true),
            // In doubt the incident stays open.
            Phase::Bad | Phase::Clearing => {
                return (
                    Verdict::Unknown,
                    format!("{reason}; the failure stands until it answers").into(),
                    false,
                );
            }
        };
        c.phase = Phase::Unknown;
        c.onset = c.last_at;
        c.seen = 0;
        c.history = 0;
        self.no_longer_suspect(ix);
        if !self.is_flapping(silent(ix)) {
            let incident = self.lingering(ix);
            self.alarm_line(silent(ix), AlarmState::Unknown, was, incident, reason.clone());
        }
        (Verdict::Unknown, reason.into(), false)
    }

    fn admin_down(&mut self, ix: CheckIx, at: Timestamp) -> (Verdict, Cow<'static, str>, bool) {
        let target = self.state.checks[ix as usize].target;
        self.heard(ix, at);
        let news = self.state.admin_down.insert(target);
        if news {
            if let Thing::Port(_, Some(l)) = self.reach.things[target as usize] {
                self.reach.links[l.0 as usize].admin_down.insert(target);
            }
            let c = &mut self.state.checks[ix as usize];
            (c.phase, c.history, c.good_run) = (Phase::Ok, 0, 0);
            self.no_longer_suspect(ix);
            if self.state.alarms.contains_key(&silent(ix)) {
                self.recovered(ix, "it was switched off on purpose");
            }
            self.link_changed(target);
        }
        (Verdict::AdminDown, "switched off on purpose".into(), !news)
    }

    fn back_from_admin_down(&mut self, target: TargetIx) {
        if !self.state.admin_down.is_empty() && self.state.admin_down.remove(&target) {
            if let Thing::Port(_, Some(l)) = self.reach.things[target as usize] {
                self.reach.links[l.0 as usize].admin_down.remove(&target);
            }
            self.link_changed(target);
        }
    }

    /// A link is there again, or no longer: what is at its ends may be explained otherwise.
    fn link_changed(&mut self, port: TargetIx) {
        if let Thing::Port(_, Some(l)) = self.reach.things[port as usize] {
            self.dirty.devices.extend(self.inventory[l].ends.map(|d| d.0));
        }
    }

    /// Uptime that runs backwards is a restart.
    fn look_at_uptime(&mut self, ix: CheckIx, o: &Observation<'_>) -> Option<String> {
        let Outcome::Reply(values) = &o.outcome else { return None };
        let (_, uptime) = values.iter().find(|(n, _)| n == "uptime_s")?;
        let before = self.state.uptimes.insert(ix, *uptime)?;
        // sysUpTime is a 32-bit count of hundredths and wraps after 497 days: not a restart.
        let wrapped = before > 42_900_000.0 && *uptime < 600.0;
        if *uptime + 1.0 >= before || wrapped {
            return None;
        }
        let reason = format!("it restarted: uptime fell from {before:.0} s to {uptime:.0} s");
        self.alarm_line(silent(ix), AlarmState::Ok, AlarmState::Ok, None, reason.clone());
        Some(reason)
    }

    // ---- what the device and the link make of it ----

    fn observed(&mut self, ix: CheckIx) {
        let target = self.state.checks[ix as usize].target;
        if let Some(d) = self.reach.device_of(target) {
            let view = &mut self.reach.devices[d.0 as usize];
            if !view.observed {
                view.observed = true;
                self.dirty.devices.insert(d.0);
            }
        }
    }

    /// The device answered, by this check.
    fn heard(&mut self, ix: CheckIx, at: Timestamp) {
        let Check { target, probe, .. } = self.state.checks[ix as usize];
        if self.is_isolated(probe) {
            // It may end the isolation. Until it has, it says nothing of the device.
            return;
        }
        self.state.checks[ix as usize].last_reply = at;
        let Some(d) = self.reach.device_of(target) else { return };
        self.probe_had(ix, at, true);
        let view = &mut self.reach.devices[d.0 as usize];
        view.last_reply = view.last_reply.max(at);
        if !std::mem::replace(&mut view.observed, true) {
            self.dirty.devices.insert(d.0);
        }
        let elsewhere = !view.silent.is_empty()
            && !view.silent.contains(&ix)
            && view.answers_elsewhere < 2
            && view.silent.iter().all(|s| at > self.state.checks[*s as usize].onset);
        if elsewhere {
            view.answers_elsewhere += 1;
            self.state.elsewhere.insert(view.target, view.answers_elsewhere);
            if view.answers_elsewhere == 2 {
                self.dirty.devices.insert(d.0);
                self.root_came_back(d);
                self.overruled(d.0, ix);
            }
        }
    }

    pub(crate) fn proves_reach(&self, ix: CheckIx) -> bool {
        self.reach.proves_reach(&self.inventory, &self.state, &self.state.checks[ix as usize])
    }

    pub(crate) fn now_suspect(&mut self, ix: CheckIx) {
        let c = &self.state.checks[ix as usize];
        if self.proves_reach(ix)
            && !self.state.watchers[usize::from(c.probe)].out
            && let Some(d) = self.reach.device_of(c.target)
        {
            self.reach.devices[d.0 as usize].suspect.insert(ix);
        }
    }

    pub(crate) fn no_longer_suspect(&mut self, ix: CheckIx) {
        if let Some(d) = self.reach.device_of(self.state.checks[ix as usize].target) {
            self.reach.devices[d.0 as usize].suspect.remove(&ix);
        }
    }

    /// It is confirmed: from here on there is an alarm.
    fn confirmed(&mut self, ix: CheckIx, was: AlarmState, reason: String) {
        self.no_longer_suspect(ix);
        let (target, onset) = {
            let c = &self.state.checks[ix as usize];
            (c.target, c.onset)
        };
        if self.proves_reach(ix) {
            if self.is_guard(ix) && self.is_isolated(self.state.checks[ix as usize].probe) {
                self.set_aside(ix);
            } else if let Some(d) = self.reach.device_of(target) {
                self.reach.devices[d.0 as usize].silent.insert(ix);
                let others = self.other_reply_after(d.0, onset);
                let view = &mut self.reach.devices[d.0 as usize];
                view.answers_elsewhere = if others { 2 } else { 0 };
                self.state.elsewhere.insert(view.target, view.answers_elsewhere);
            }
            let of_it = self.state.means.range((ix, 0)..=(ix, u8::MAX)).map(|(k, _)| *k);
            for key in of_it.collect::<Vec<_>>() {
                self.state.means.remove(&key);
            }
        } else if let Thing::Port(_, Some(l)) = self.reach.things[target as usize] {
            self.reach.links[l.0 as usize].down.insert(ix);
        }
        let key = silent(ix);
        let flapping = self.count_change(ix);
        if let Some(alarm) = self.state.alarms.get_mut(&key) {
            // It flaps, or its root recovered and it was asked afresh.
            let incident = alarm.incident;
            if alarm.state != AlarmState::Flapping {
                alarm.onset = onset;
                let hold = self.state.now + self.settings.hold_max;
                alarm.state = AlarmState::Held;
                alarm.confirmed = self.state.now;
                alarm.hold_until = hold;
                self.set_timer(hold, Timer::Hold(key));
                self.alarm_line(key, AlarmState::Held, was, incident, reason);
            }
        } else {
            self.raise_alarm(key, onset, was, reason);
        }
        if flapping {
            self.begin_flapping(ix);
        }
        self.look_again_at(key);
        self.guard_changed(ix);
    }

    /// A new alarm, held until it is known what explains it.
    pub(crate) fn raise_alarm(
        &mut self,
        key: AlarmKey,
        onset: Timestamp,
        was: AlarmState,
        reason: String,
    ) {
        let now = self.state.now;
        let hold_until = now + self.settings.hold_max;
        self.state.alarms.insert(
            key,
            Box::new(state::Alarm {
                state: AlarmState::Held,
                onset,
                confirmed: now,
                hold_until,
                incident: None,
                said: reason.clone(),
                covered_by: None,
                outlasted: None,
            }),
        );
        self.set_timer(hold_until, Timer::Hold(key));
        self.alarm_line(key, AlarmState::Held, was, None, reason);
        self.look_again_at(key);
    }

    /// Whether the device answered another check after `onset`.
    fn other_reply_after(&self, device: u32, onset: Timestamp) -> bool {
        let silent = &self.reach.devices[device as usize].silent;
        self.reach.checks_of_device(device).iter().any(|other| {
            let c = &self.state.checks[*other as usize];
            c.last_reply > onset
                && !silent.contains(other)
                && !self.state.watchers[usize::from(c.probe)].out
        })
    }

    /// It is over.
    fn recovered(&mut self, ix: CheckIx, reason: &str) {
        let key = silent(ix);
        let target = self.state.checks[ix as usize].target;
        let flapping = self.count_change(ix);
        if let Some(d) = self.reach.device_of(target) {
            let explains = self.explains_while_in_doubt(ix, d);
            let view = &mut self.reach.devices[d.0 as usize];
            let was_down = view.down() || explains;
            view.silent.remove(&ix);
            if view.silent.is_empty() {
                view.answers_elsewhere = 0;
                self.state.elsewhere.remove(&view.target);
            }
            if !view.silent.is_empty() && !self.state.aside.contains(&ix) {
                // It answers again, by this check: whatever else is silent.
                view.answers_elsewhere = 2;
                self.state.elsewhere.insert(view.target, 2);
                self.overruled(d.0, ix);
            }
            if was_down && !self.reach.devices[d.0 as usize].down() {
                self.root_came_back(d);
            }
        }
        self.guard_changed(ix);
        if let Thing::Port(_, Some(l)) = self.reach.things[target as usize] {
            self.reach.links[l.0 as usize].down.remove(&ix);
        }
        if let Some(d) = self.reach.device_of(target) {
            self.dirty.devices.insert(d.0);
        }
        self.blame_is_off(key);
        let Some(alarm) = self.state.alarms.get(&key) else { return };
        if alarm.state == AlarmState::Flapping || flapping {
            self.begin_flapping(ix);
            return;
        }
        self.end_alarm(key, reason);
    }

    /// The incident that an alarm asked afresh still belongs to.
    pub(crate) fn lingering(&self, ix: CheckIx) -> Option<u32> {
        self.state.alarms.get(&silent(ix)).and_then(|a| a.incident)
    }
}
