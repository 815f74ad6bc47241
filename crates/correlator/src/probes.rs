//! Those who watch: which probe can be believed, and what is said when one sees nothing.
//!
//! A probe is *isolated* when all its witnesses fail, or, without any, when the device it stands at
//! falls silent and so does everybody else. From then on what it observes means nothing: not one
//! device behind it is called down, and nothing is cleared because of it. One incident says so. When
//! it is over, everything is observed again before anything changes.
//!
//! A probe is *silent* when nothing was heard of it for 2.5 intervals. Where another one watches, it
//! is left out until it is heard again, and nobody waits for it.
//!
//! A night watchman in a windowless cellar does not report that the town is dark. He reports that he
//! cannot see it.

use crate::Correlator;
use crate::reach::Thing;
use crate::state::{AlarmKey, Cause, CheckIx, IncidentIx, Phase, Timer, Watcher};
use model::{AlarmState, Condition, Scope, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Evidence is stale after this many intervals (design.md section 6).
const STALE_AFTER: f64 = 2.5;
/// A pause longer than so many intervals is none that a probe is used to.
const USED_TO_MAX: u32 = 4;
/// An isolated probe without witnesses sees again after this many answers of others.
const ANSWERS: u8 = 2;

/// What follows from inventory and settings about a probe.
#[derive(Debug, Clone, Default)]
pub(crate) struct Post {
    /// The device it stands at.
    pub(crate) at: Option<u32>,
    /// The devices that tell whether it sees anything.
    pub(crate) witnesses: Vec<u32>,
    /// How often it observes, by its most frequent check.
    interval: Option<Duration>,
}

impl Post {
    /// Whether a device tells about the isolation of this probe.
    fn guards(&self, device: u32) -> bool {
        if self.witnesses.is_empty() {
            self.at == Some(device)
        } else {
            self.witnesses.contains(&device)
        }
    }
}

/// Whether a probe sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Sees,
    /// What it observes next will tell.
    InDoubt,
    Blind,
}

impl Correlator {
    /// Derives what follows from inventory and settings about each probe.
    pub(crate) fn man_posts(&mut self) {
        self.posts.clear();
        self.learn_probes();
        for ix in 0..self.state.checks.len() {
            let c = &self.state.checks[ix];
            self.observes_as_often(c.probe, c.name);
        }
    }

    /// Learns who the probes are that were named since.
    pub(crate) fn learn_probes(&mut self) {
        for p in self.posts.len()..self.state.probes.len() {
            let known = self.inventory.probe(self.state.probes.name(p as u32));
            self.posts.push(known.map_or_else(Post::default, |known| Post {
                at: known.at.map(|d| d.0),
                witnesses: known.witnesses.iter().map(|d| d.0).collect(),
                interval: None,
            }));
        }
        self.state.watchers.resize_with(self.state.probes.len(), Watcher::default);
    }

    /// A probe has a check of this name.
    pub(crate) fn observes_as_often(&mut self, probe: u16, name: u16) {
        let interval = self.rules[usize::from(name)].interval;
        let of = &mut self.posts[usize::from(probe)].interval;
        *of = Some(of.map_or(interval, |i| i.min(interval)));
    }

    /// What a check is called in an alarm: by its name, with the probe where there are several and it
    /// is not the first one, so that no two alarms of a target have one name.
    pub(crate) fn seen_from(&self, probe: u16, check: &Arc<str>) -> Arc<str> {
        let name = self.state.probes.name(u32::from(probe));
        match &self.inventory.probes[..] {
            [first, _, ..] if first.id != *name => format!("{check}@{name}").into(),
            _ => check.clone(),
        }
    }

    /// The probe that an alarm's name tells of, and the name of its check.
    pub(crate) fn told_from<'a>(&self, alarm: &'a str) -> (Arc<str>, &'a str) {
        if let Some((check, probe)) = alarm.rsplit_once('@')
            && let Some(known) = self.inventory.probe(probe)
        {
            return (known.id.clone(), check);
        }
        let first = self.inventory.probes.first().map_or_else(|| "probe".into(), |p| p.id.clone());
        (first, alarm)
    }

    // ---- silent ----

    /// Something was heard of a probe.
    pub(crate) fn heard_from(&mut self, probe: u16) {
        let now = self.state.now;
        let w = &mut self.state.watchers[usize::from(probe)];
        if w.heard == Timestamp::default() {
            w.heard = now;
            let due = now + self.time_out(probe);
            self.set_timer(due, Timer::Watch(u32::from(probe)));
            return;
        }
        w.pause = w.pause.max(now.since(w.heard));
        w.heard = now;
        if w.silent.is_some() {
            self.heard_again(u32::from(probe));
        }
    }

    /// How long a probe may say nothing. One that observes less often than it should is used to it.
    fn time_out(&self, probe: u16) -> Duration {
        let interval = self.posts[usize::from(probe)].interval.unwrap_or(Duration::from_secs(20));
        let used_to = self.state.watchers[usize::from(probe)].pause.min(interval * USED_TO_MAX);
        interval.max(used_to).mul_f64(STALE_AFTER)
    }

    /// The time-out of a probe is over, unless something was heard since.
    pub(crate) fn look_for(&mut self, probe: u32) {
        let now = self.state.now;
        let due = self.state.watchers[probe as usize].heard + self.time_out(probe as u16);
        let w = &mut self.state.watchers[probe as usize];
        if now < due {
            w.pause = Duration::ZERO;
            self.set_timer(due, Timer::Watch(probe));
            return;
        }
        if w.silent.is_some() {
            return;
        }
        w.silent = Some(now);
        self.unseen_by(probe);
        self.who_counts();
        self.recondition(probe);
        self.evaluate();
    }

    fn heard_again(&mut self, probe: u32) {
        let w = &mut self.state.watchers[probe as usize];
        w.silent = None;
        let was_out = w.out;
        let due = self.state.now + self.time_out(probe as u16);
        self.set_timer(due, Timer::Watch(probe));
        if was_out && self.state.watchers[probe as usize].isolated.is_none() {
            self.start_over(probe);
        }
        self.who_counts();
    }

    /// After a stop nobody is silent before his time is up again.
    pub(crate) fn everybody_has_time(&mut self) {
        for w in &mut self.state.watchers {
            if w.silent.is_none() && w.heard > Timestamp::default() {
                w.heard = self.state.now;
            }
        }
    }

    /// Sees whose evidence counts: that of the isolated does not, nor that of the silent while
    /// another one watches.
    fn who_counts(&mut self) {
        let watches = |w: &Watcher| {
            w.isolated.is_none() && w.silent.is_none() && w.heard > Timestamp::default()
        };
        let somebody = self.state.watchers.iter().any(watches);
        let mut changed = false;
        for p in 0..self.state.watchers.len() {
            let w = &mut self.state.watchers[p];
            let out = w.isolated.is_some() || (w.silent.is_some() && (somebody || w.out));
            changed |= std::mem::replace(&mut w.out, out) != out;
            if out {
                self.nobody_waits_for(p as u32);
            }
        }
        if changed {
            self.reach.count_probes(&self.inventory, &self.state);
            self.dirty.all = true;
        }
    }

    /// What a probe only suspects stalls nobody while it does not count.
    fn nobody_waits_for(&mut self, probe: u32) {
        for ix in self.checks_by(probe) {
            self.no_longer_suspect(ix);
        }
    }

    // ---- isolated ----

    /// Whether a probe's observations mean nothing now.
    pub(crate) fn is_isolated(&self, probe: u16) -> bool {
        self.state.watchers[usize::from(probe)].isolated.is_some()
    }

    /// Whether a check tells about the isolation of its own probe.
    pub(crate) fn is_guard(&self, ix: CheckIx) -> bool {
        let c = &self.state.checks[ix as usize];
        match self.reach.things[c.target as usize] {
            Thing::Device(d) => self.posts[usize::from(c.probe)].guards(d.0),
            _ => false,
        }
    }

    /// An answer that a probe had, or a silence that is new to it: whoever doubts it looks again.
    pub(crate) fn probe_had(&mut self, ix: CheckIx, at: Timestamp, answer: bool) {
        let probe = usize::from(self.state.checks[ix as usize].probe);
        if !self.is_behind(ix) {
            return;
        }
        let w = &mut self.state.watchers[probe];
        let newest = if answer { &mut w.answered } else { &mut w.missed };
        *newest = (*newest).max(at);
        if w.in_doubt {
            self.dirty.probes.insert(probe as u32);
        }
    }

    /// Whether a check is of something behind the device that its probe stands at. What has no link
    /// stands beside the probe, and what it answers never passed there.
    fn is_behind(&self, ix: CheckIx) -> bool {
        let c = &self.state.checks[ix as usize];
        self.reach.device_of(c.target).is_some_and(|d| {
            self.posts[usize::from(c.probe)].at != Some(d.0)
                && !self.inventory.graph.neighbours(d.0).is_empty()
        })
    }

    /// What an isolated probe observed of something that is no witness of its own.
    pub(crate) fn isolated_observes(&mut self, ix: CheckIx, at: Timestamp, answer: bool) {
        if !answer || !self.is_behind(ix) {
            return;
        }
        let probe = self.state.checks[ix as usize].probe;
        let w = &mut self.state.watchers[usize::from(probe)];
        if self.posts[usize::from(probe)].witnesses.is_empty() {
            w.answers = w.answers.saturating_add(1);
            if w.answers >= ANSWERS {
                w.answered = at;
                self.dirty.probes.insert(u32::from(probe));
            }
        }
    }

    /// A check that tells about isolation was confirmed, or is over.
    pub(crate) fn guard_changed(&mut self, ix: CheckIx) {
        if self.is_guard(ix) {
            self.dirty.probes.insert(u32::from(self.state.checks[ix as usize].probe));
        }
    }

    /// Sees which probes became isolated, and which see again.
    pub(crate) fn look_at_probes(&mut self) {
        for probe in std::mem::take(&mut self.dirty.probes) {
            if probe as usize >= self.posts.len() {
                continue;
            }
            let was = self.state.watchers[probe as usize].isolated.is_some();
            let sight = self.sight(probe);
            let w = &mut self.state.watchers[probe as usize];
            let doubted = std::mem::replace(&mut w.in_doubt, sight == Sight::InDoubt);
            if let (true, Sight::Sees, Some(at)) = (doubted, sight, self.posts[probe as usize].at) {
                self.dirty.devices.insert(at);
                self.heard_of(at);
            }
            match (was, sight) {
                (false, Sight::Blind) => self.goes_blind(probe),
                (true, Sight::Sees) => self.sees_again(probe),
                _ => {}
            }
        }
    }

    fn sight(&self, probe: u32) -> Sight {
        let post = &self.posts[probe as usize];
        if !post.witnesses.is_empty() {
            let mut heard = post.witnesses.iter().filter(|w| self.observed_by(probe, **w));
            let mut any = false;
            let all = heard.all(|w| {
                any = true;
                self.fails_for(probe, *w).is_some()
            });
            return if any && all { Sight::Blind } else { Sight::Sees };
        }
        let Some((onset, ix)) = post.at.and_then(|at| self.fails_for(probe, at)) else {
            return Sight::Sees;
        };
        // It may be silent and pass on what others say: then it is not the probe that is blind.
        let w = &self.state.watchers[probe as usize];
        let interval = self.rules[usize::from(self.state.checks[ix as usize].name)].interval;
        let alarm = self.state.alarms.get(&AlarmKey::Silent(ix));
        let confirmed = alarm.map_or(onset, |a| a.confirmed);
        let from = onset.max(confirmed - interval);
        let forced = alarm.is_none_or(|a| a.hold_until <= self.state.now);
        if w.answered > from {
            Sight::Sees
        } else if w.isolated.is_some() || w.missed > from || forced || !self.observes_behind(probe)
        {
            Sight::Blind
        } else {
            Sight::InDoubt
        }
    }

    /// Whether anything behind the device that a probe stands at answered it lately.
    fn observes_behind(&self, probe: u32) -> bool {
        self.checks_by(probe).into_iter().any(|ix| {
            let phase = self.state.checks[ix as usize].phase;
            matches!(phase, Phase::Ok | Phase::Suspect) && self.is_behind(ix)
        })
    }

    /// The checks of a device by this probe.
    fn checks_of(&self, probe: u32, device: u32) -> impl Iterator<Item = CheckIx> + '_ {
        let checks = self.reach.checks_of_device(device).iter().copied();
        checks.filter(move |ix| u32::from(self.state.checks[*ix as usize].probe) == probe)
    }

    /// All checks by this probe.
    fn checks_by(&self, probe: u32) -> Vec<CheckIx> {
        let all = 0..self.state.checks.len() as CheckIx;
        all.filter(|ix| u32::from(self.state.checks[*ix as usize].probe) == probe).collect()
    }

    fn observed_by(&self, probe: u32, device: u32) -> bool {
        self.checks_of(probe, device).any(|ix| {
            let c = &self.state.checks[ix as usize];
            c.last_reply > Timestamp::MIN || c.onset > Timestamp::MIN
        })
    }

    /// Since when a device is confirmed silent for this probe, and by which check.
    fn fails_for(&self, probe: u32, device: u32) -> Option<(Timestamp, CheckIx)> {
        let silent = self.checks_of(probe, device).filter(|ix| {
            let c = &self.state.checks[*ix as usize];
            matches!(c.phase, Phase::Bad | Phase::Clearing) && self.proves_reach(*ix)
        });
        let newest = silent
            .map(|ix| (self.state.checks[ix as usize].onset, ix))
            .max_by_key(|(at, _)| *at)?;
        let answers = self.checks_of(probe, device).any(|ix| {
            let c = &self.state.checks[ix as usize];
            ix != newest.1 && c.phase == Phase::Ok && c.last_reply > newest.0
        });
        (!answers).then_some(newest)
    }

    /// What a blind probe's incident names: the probe and what it stands at, which cannot be told
    /// apart; its witnesses where it is not known where it stands.
    fn blind_root(&self, probe: u32) -> Vec<Arc<str>> {
        let post = &self.posts[probe as usize];
        let mut root = vec![self.state.probes.name(probe).clone()];
        let devices = post.at.map_or_else(|| post.witnesses.clone(), |at| vec![at]);
        root.extend(devices.iter().map(|d| self.inventory.devices[*d as usize].id.clone()));
        root.sort();
        root.dedup();
        root
    }

    /// What a blind probe is behind, and how that is known.
    pub(crate) fn blind_words(&self, probe: u32) -> String {
        let name = self.state.probes.name(probe);
        let Some(post) = self.posts.get(probe as usize) else { return format!("{name} is blind") };
        let id = |d: u32| &*self.inventory.devices[d as usize].id;
        let witnesses: Vec<&str> = post.witnesses.iter().map(|w| id(*w)).collect();
        let behind = post.at.map_or_else(|| witnesses.join(", "), |at| id(at).to_owned());
        let how = if witnesses.is_empty() {
            format!("neither it nor anybody else answers {name}")
        } else {
            format!("no witness of {name} answers ({})", witnesses.join(", "))
        };
        format!("blind behind {behind}: {how}; what {name} observes means nothing until one does")
    }

    /// How far it reaches that a probe sees nothing: everywhere, where nobody else watches.
    pub(crate) fn scope_of_the_blind(&self) -> Scope {
        let watches = |w: &Watcher| !w.out && w.heard > Timestamp::default();
        if self.state.watchers.iter().any(watches) { Scope::Lokal } else { Scope::Masif }
    }

    fn goes_blind(&mut self, probe: u32) {
        let w = &mut self.state.watchers[probe as usize];
        (w.isolated, w.answers, w.in_doubt) = (Some(self.state.now), 0, false);
        let why = format!("{} is isolated", self.state.probes.name(probe));
        let guards: Vec<CheckIx> = self
            .checks_by(probe)
            .into_iter()
            .filter(|ix| {
                let phase = self.state.checks[*ix as usize].phase;
                matches!(phase, Phase::Bad | Phase::Clearing)
                    && self.is_guard(*ix)
                    && self.proves_reach(*ix)
            })
            .collect();
        let held = |this: &Self, ix: &CheckIx| {
            let alarm = this.state.alarms.get(&AlarmKey::Silent(*ix));
            alarm.is_some_and(|a| a.state == AlarmState::Held)
        };
        // What failed before on its own stays where it is, as long as something else says it.
        let new: Vec<CheckIx> = guards.iter().copied().filter(|ix| held(self, ix)).collect();
        let telling = if new.is_empty() { guards } else { new };
        for &ix in &telling {
            self.set_aside(ix);
        }
        for ix in self.checks_by(probe) {
            if !telling.contains(&ix) {
                self.take_back(ix, &why);
            }
        }
        let checks = &self.state.checks;
        self.state.means.retain(|(c, _), _| u32::from(checks[*c as usize].probe) != probe);
        self.unseen_by(probe);
        self.who_counts();
        self.recondition(probe);
    }

    /// A check that tells of its probe, and no longer of its device.
    pub(crate) fn set_aside(&mut self, ix: CheckIx) {
        self.state.aside.insert(ix);
        if let Some(d) = self.reach.device_of(self.state.checks[ix as usize].target) {
            self.no_longer_silent(ix, d.0);
            self.dirty.devices.insert(d.0);
        }
    }

    /// What a probe that sees nothing had not told anybody yet is not told.
    fn take_back(&mut self, ix: CheckIx, why: &str) {
        let key = AlarmKey::Silent(ix);
        let levels = AlarmKey::Level(ix, 0)..=AlarmKey::Level(ix, u8::MAX);
        let mut keys: Vec<AlarmKey> = self.state.alarms.range(levels).map(|(k, _)| *k).collect();
        keys.push(key);
        keys.retain(|k| self.state.alarms.get(k).is_some_and(|a| a.state == AlarmState::Held));
        if self.state.alarms.get(&key).is_some_and(|a| a.incident.is_some()) {
            // It was asked afresh, and has its place in an incident until it answers.
            if keys.contains(&key) {
                self.confirm_afresh(key, why);
            }
            keys.retain(|k| *k != key);
        } else if keys.contains(&key) {
            self.not_known(ix);
        }
        for k in keys {
            self.alarm_line(k, AlarmState::Unknown, AlarmState::Held, None, why.to_owned());
            self.drop_alarm(k);
        }
        self.forget_samples(ix, why);
    }

    /// Nothing is known of a check any more.
    fn not_known(&mut self, ix: CheckIx) {
        let c = &mut self.state.checks[ix as usize];
        (c.phase, c.history, c.seen, c.good_run) = (Phase::Unknown, 0, 0, 0);
        match self.reach.things[c.target as usize] {
            Thing::Port(_, Some(l)) => {
                self.reach.links[l.0 as usize].down.remove(&ix);
            }
            Thing::Device(d) => self.no_longer_silent(ix, d.0),
            _ => {}
        }
    }

    fn no_longer_silent(&mut self, ix: CheckIx, device: u32) {
        let view = &mut self.reach.devices[device as usize];
        view.suspect.remove(&ix);
        if view.silent.remove(&ix) && view.silent.is_empty() {
            view.answers_elsewhere = 0;
            self.state.elsewhere.remove(&view.target);
        }
    }

    fn sees_again(&mut self, probe: u32) {
        let name = self.state.probes.name(probe).clone();
        self.state.watchers[probe as usize].isolated = None;
        let why = format!("{name} sees again; it is asked afresh");
        let aside: Vec<CheckIx> = self
            .state
            .aside
            .iter()
            .copied()
            .filter(|ix| u32::from(self.state.checks[*ix as usize].probe) == probe)
            .collect();
        for ix in aside {
            self.state.aside.remove(&ix);
            let key = AlarmKey::Silent(ix);
            if let Some(a) = self.state.alarms.get(&key) {
                let (was, incident) = (a.state, a.incident);
                self.alarm_line(key, AlarmState::Unknown, was, incident, why.clone());
                self.drop_alarm(key);
            }
            if self.state.checks[ix as usize].phase != Phase::Ok {
                self.not_known(ix);
            }
        }
        self.touched.extend(self.open.get(&Cause::Blind(probe)));
        self.who_counts();
    }

    /// What a probe suspects it must see again from the start; what is confirmed stands.
    fn start_over(&mut self, probe: u32) {
        let why = format!("{} was silent for a while", self.state.probes.name(probe));
        for ix in self.checks_by(probe) {
            self.forget_samples(ix, &why);
        }
    }

    /// A device is reached. What a probe that does not count said of it before is overruled, and what
    /// another one says is asked afresh.
    pub(crate) fn overruled(&mut self, device: u32, by: CheckIx) {
        let reached_by = self.state.checks[by as usize].probe;
        for ix in self.reach.devices[device as usize].silent.clone() {
            let probe = self.state.checks[ix as usize].probe;
            if probe == reached_by || ix == by {
                continue;
            }
            let key = AlarmKey::Silent(ix);
            let name = self.state.probes.name(u32::from(reached_by)).clone();
            if self.state.watchers[usize::from(probe)].out {
                self.not_known(ix);
                self.end_alarm(key, &format!("{name} reaches it, and nobody else can tell"));
            } else if self.state.alarms.get(&key).is_some_and(|a| {
                matches!(a.state, AlarmState::Raised | AlarmState::Held) && a.incident.is_some()
            }) {
                self.confirm_afresh(key, &format!("{name} reaches it; it is asked afresh"));
            }
        }
    }

    /// Tells of each isolated probe, in one incident each.
    pub(crate) fn tell_of_the_blind(&mut self, went: &mut BTreeMap<IncidentIx, IncidentIx>) {
        let mut by: BTreeMap<u32, Vec<AlarmKey>> = BTreeMap::new();
        for &ix in &self.state.aside {
            let key = AlarmKey::Silent(ix);
            let probe = u32::from(self.state.checks[ix as usize].probe);
            let blind = self.open.get(&Cause::Blind(probe)).copied();
            let elsewhere = |a: &crate::state::Alarm| {
                a.state == AlarmState::Held || a.incident.is_none() || a.incident != blind
            };
            if self.state.alarms.get(&key).is_some_and(elsewhere) {
                by.entry(probe).or_default().push(key);
            }
        }
        for (probe, keys) in by {
            let root = self.blind_root(probe);
            let cause = Cause::Blind(probe);
            let incident = if let Some(i) = self.open.get(&cause) {
                *i
            } else {
                let at = self.posts[probe as usize].at.unwrap_or(u32::MAX);
                if let Some(window) = self.window_over(&root, at) {
                    self.cover(&keys, &window);
                    continue;
                }
                self.open_or_reopen(cause, &root, &keys)
            };
            for key in keys {
                self.attach(key, incident, went);
            }
        }
    }

    /// Whether a probe may be isolated since then, and who has to be heard to know.
    pub(crate) fn may_be_blind(&self, probe: u16, since: Timestamp) -> Vec<u32> {
        let p = u32::from(probe);
        let post = &self.posts[usize::from(probe)];
        let answered = |d: u32| {
            self.checks_of(p, d).any(|ix| {
                let c = &self.state.checks[ix as usize];
                c.phase == Phase::Ok && c.last_reply > since
            })
        };
        if !post.witnesses.is_empty() {
            let heard: Vec<u32> =
                post.witnesses.iter().copied().filter(|w| self.observed_by(p, *w)).collect();
            if heard.iter().any(|w| answered(*w)) {
                return Vec::new();
            }
            return heard.into_iter().filter(|w| self.fails_for(p, *w).is_none()).collect();
        }
        let Some(at) = post.at.filter(|at| self.observed_by(p, *at) && !answered(*at)) else {
            return Vec::new();
        };
        if self.fails_for(p, at).is_none() || self.state.watchers[usize::from(probe)].in_doubt {
            vec![at]
        } else {
            // It does not answer, and passes on what others say.
            Vec::new()
        }
    }

    /// Whether a device answered this probe since then, by any check.
    pub(crate) fn hears_otherwise(&self, probe: u16, device: u32, since: Timestamp) -> bool {
        self.checks_of(u32::from(probe), device)
            .any(|ix| self.state.checks[ix as usize].last_reply > since)
    }

    /// Who has to be heard before the silence of a device can be explained: those who tell whether
    /// its probe sees at all, and the device itself while another probe may reach it.
    pub(crate) fn unsure_of(&self, device: u32) -> BTreeSet<u32> {
        let mut wanted = BTreeSet::new();
        for key in self.reach_alarms(device) {
            let AlarmKey::Silent(ix) = key else { continue };
            let held = self
                .state
                .alarms
                .get(&key)
                .filter(|a| a.state == AlarmState::Held && a.covered_by.is_none());
            let Some(alarm) = held else { continue };
            let probe = self.state.checks[ix as usize].probe;
            wanted.extend(self.may_be_blind(probe, alarm.onset + self.race(key)));
            if self.posts.len() > 1 && self.another_may_reach(device, probe) {
                wanted.insert(device);
            }
        }
        wanted
    }

    fn another_may_reach(&self, device: u32, probe: u16) -> bool {
        self.reach.checks_of_device(device).iter().any(|ix| {
            let c = &self.state.checks[*ix as usize];
            c.probe != probe
                && !self.state.watchers[usize::from(c.probe)].out
                && matches!(c.phase, Phase::Ok | Phase::Suspect)
                && self.proves_reach(*ix)
        })
    }

    // ---- what is not known ----

    /// What fails by the word of this probe was not observed since.
    fn unseen_by(&mut self, probe: u32) {
        let unseen = self.state.alarms.keys().filter_map(|k| match k {
            AlarmKey::Silent(ix) | AlarmKey::Level(ix, _) => Some(*ix),
            AlarmKey::Signal(_) => None,
        });
        let by = |ix: &CheckIx| u32::from(self.state.checks[*ix as usize].probe) == probe;
        let aside = &self.state.aside;
        let unseen: Vec<CheckIx> = unseen.filter(by).filter(|ix| !aside.contains(ix)).collect();
        self.state.unseen.extend(unseen);
    }

    /// A failing check is observed again: its incident is no longer unknown.
    pub(crate) fn seen_again(&mut self, ix: CheckIx) {
        if self.state.unseen.is_empty() || !self.state.unseen.remove(&ix) {
            return;
        }
        let levels = AlarmKey::Level(ix, 0)..=AlarmKey::Level(ix, u8::MAX);
        let alarms = self.state.alarms.range(levels).map(|(_, a)| a);
        let all: BTreeSet<IncidentIx> = alarms
            .chain(self.state.alarms.get(&AlarmKey::Silent(ix)))
            .filter_map(|a| a.incident)
            .collect();
        for i in all {
            if self.state.incidents[&i].condition == Condition::Unknown {
                self.say_condition(i, "it is observed again");
            }
        }
    }

    /// Incidents of which nothing is observed any more are neither failing nor over.
    fn recondition(&mut self, probe: u32) {
        let name = self.state.probes.name(probe);
        let why = if self.state.watchers[probe as usize].isolated.is_some() {
            format!("{name} is isolated, and nobody else observes it")
        } else {
            format!("nothing is heard from {name}, and nobody else observes it")
        };
        let by = |ix: CheckIx| u32::from(self.state.checks[ix as usize].probe) == probe;
        for i in self.incidents_with(by) {
            self.say_condition(i, &why);
        }
    }

    fn incidents_with(&self, of: impl Fn(CheckIx) -> bool) -> BTreeSet<IncidentIx> {
        let members = self.state.alarms.iter().filter(|(k, _)| match k {
            AlarmKey::Silent(ix) | AlarmKey::Level(ix, _) => of(*ix),
            AlarmKey::Signal(_) => false,
        });
        members.filter_map(|(_, a)| a.incident).collect()
    }

    pub(crate) fn say_condition(&mut self, ix: IncidentIx, why: &str) {
        let Some(i) = self.state.incidents.get(&ix).filter(|i| i.open() && !i.fresh) else {
            return;
        };
        let now = self.condition_of(i);
        if now == i.condition || (now != Condition::Unknown && i.condition != Condition::Unknown) {
            return;
        }
        if let Some(i) = self.state.incidents.get_mut(&ix) {
            i.condition = now;
        }
        self.incident_line(ix, model::Change::Updated, why.to_owned());
    }

    /// Whether all that fails of an incident was not observed for too long.
    pub(crate) fn all_unseen(&self, members: &BTreeSet<AlarmKey>) -> bool {
        !self.state.unseen.is_empty()
            && !members.is_empty()
            && members.iter().all(|k| match k {
                AlarmKey::Silent(ix) | AlarmKey::Level(ix, _) => self.state.unseen.contains(ix),
                AlarmKey::Signal(_) => false,
            })
    }
}
