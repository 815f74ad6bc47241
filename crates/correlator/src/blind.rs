//! A probe that sees nothing, and what is said of it.
//!
//! A probe is *isolated* when all its witnesses fail, or, without any, when the device it stands at
//! falls silent and so does everybody else. From then on what it observes means nothing: not one
//! device behind it is called down, and nothing is cleared because of it. One incident says so. When
//! it is over, everything is observed again before anything changes.
//!
//! A night watchman in a windowless cellar does not report that the town is dark. He reports that he
//! cannot see it.

use crate::Correlator;
use crate::reach::Thing;
use crate::state::{AlarmKey, Cause, CheckIx, IncidentIx, Phase, Watcher};
use model::{AlarmState, Scope, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An isolated probe without witnesses sees again after this many answers of others.
const ANSWERS: u8 = 2;

/// Whether a probe sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    Sees,
    /// What it observes next will tell.
    InDoubt,
    Blind,
}

impl Correlator {
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
        // While it is in doubt this is asked at each of its observations: the first one settles it.
        self.state.checks.iter().enumerate().any(|(ix, c)| {
            u32::from(c.probe) == probe
                && matches!(c.phase, Phase::Ok | Phase::Suspect)
                && self.is_behind(ix as CheckIx)
        })
    }

    /// The checks of a device by this probe.
    fn own_checks(&self, probe: u32, device: u32) -> impl Iterator<Item = CheckIx> + '_ {
        let checks = self.reach.checks_of_device(device).iter().copied();
        checks.filter(move |ix| u32::from(self.state.checks[*ix as usize].probe) == probe)
    }

    /// All checks by this probe.
    pub(crate) fn checks_by(&self, probe: u32) -> Vec<CheckIx> {
        let all = 0..self.state.checks.len() as CheckIx;
        all.filter(|ix| u32::from(self.state.checks[*ix as usize].probe) == probe).collect()
    }

    fn observed_by(&self, probe: u32, device: u32) -> bool {
        self.own_checks(probe, device).any(|ix| {
            let c = &self.state.checks[ix as usize];
            c.phase != Phase::Unknown || c.last_reply > Timestamp::MIN || c.onset > Timestamp::MIN
        })
    }

    /// Since when a device is confirmed silent for this probe, and by which check.
    fn fails_for(&self, probe: u32, device: u32) -> Option<(Timestamp, CheckIx)> {
        let silent = self.own_checks(probe, device).filter(|ix| {
            let c = &self.state.checks[*ix as usize];
            matches!(c.phase, Phase::Bad | Phase::Clearing) && self.proves_reach(*ix)
        });
        let newest = silent
            .map(|ix| (self.state.checks[ix as usize].onset, ix))
            .max_by_key(|(at, _)| *at)?;
        let answers = self.own_checks(probe, device).any(|ix| {
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
            if self.state.alarms.get(&key).is_some_and(|a| elsewhere(a)) {
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
            self.own_checks(p, d).any(|ix| {
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
        self.own_checks(u32::from(probe), device)
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
            wanted.extend(self.may_be_blind(probe, alarm.onset + self.race_of(key, alarm)));
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
}
