//! The world of a story: an inventory, what is broken in it, a probe that asks everybody in turn,
//! and the decisions that came of it, one short line each.

#![allow(clippy::unwrap_used, reason = "a story that cannot be read is a broken test")]

mod needs;

use correlator::Correlator;
use model::event::{Command, Observation, Operation, Outcome, Severity, Signal, SignalState};
use model::exception::{Exception, Match, RuleChange};
use model::inventory::{
    DeviceSpec, InventorySpec, LinkSpec, Needs, ProbeSpec, ServiceSpec, SiteSpec,
};
use model::settings::{Measure, Season, Threshold, Window};
use model::{Decision, Event, IncidentId, Inventory, Kind, Priority, Settings, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// When every story begins: 2026-11-24T00:00:00Z.
pub const DAWN: Timestamp = Timestamp::from_millis(1_795_478_400_000);

#[derive(Default)]
pub struct Story {
    spec: InventorySpec,
    settings: Settings,
    core: Option<Correlator>,
    now: Duration,
    event: u64,
    broken: BTreeSet<String>,
    mute: BTreeSet<String>,
    unasked: BTreeSet<String>,
    stopped: BTreeSet<String>,
    show_asks: bool,
    /// Whose name does not resolve.
    nameless: BTreeSet<String>,
    /// Who loses packets: how much of a hundred, and what of it is not lost yet.
    losing: BTreeMap<String, (f64, f64)>,
    /// How long the way there takes, in milliseconds, when it is not 1.
    slow: BTreeMap<String, f64>,
    /// Exceptions said so far.
    judged: usize,
    pub out: String,
    /// Every decision, for those who want more than the lines.
    pub decisions: Vec<Decision>,
    /// Every event.
    pub events: Vec<Event<'static>>,
}

impl Story {
    pub fn line(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rest = |n: usize| words[n..].iter().map(|w| (*w).to_owned());
        match words[0] {
            "site" => self.spec.sites.push(SiteSpec {
                id: words[1].into(),
                users: option(&words, "users").map_or(0, |u| u.parse().unwrap()),
                ..SiteSpec::default()
            }),
            "device" => self.spec.devices.push(DeviceSpec {
                id: words[1].into(),
                address: Some("192.0.2.1".into()),
                criticality: criticality(&words),
                passive: words.contains(&"passive"),
                needs: needs::read(&words),
                class: option(&words, "class").map(str::to_owned),
                tags: option(&words, "tag").into_iter().map(str::to_owned).collect(),
                ..DeviceSpec::default()
            }),
            "link" => self.spec.links.push(LinkSpec {
                id: option(&words, "id").map(str::to_owned),
                between: [words[1].into(), words[2].into()],
                kind: option(&words, "kind").map(str::to_owned),
                needs: needs::read(&words),
            }),
            "service" => {
                let all = words[2..]
                    .iter()
                    .filter(|w| !["vital", "important"].contains(*w))
                    .map(|w| Needs::Element((*w).to_owned()))
                    .collect();
                self.spec.services.push(ServiceSpec {
                    id: words[1].into(),
                    criticality: criticality(&words),
                    needs: needs::read(&words).or(Some(Needs::All(all))),
                    ..ServiceSpec::default()
                });
            }
            "probe" => self.spec.probes.push(ProbeSpec {
                id: words[1].into(),
                at: Some(words[2].into()),
                witnesses: option(&words, "witnesses")
                    .map(|w| w.split(',').map(str::to_owned).collect())
                    .unwrap_or_default(),
            }),
            "set" => {
                let (key, value) = words[1].split_once('=').unwrap();
                let duration = || model::time::parse_duration(value).unwrap();
                match key {
                    "reopen_within" => self.settings.reopen_within = duration(),
                    "flap_start" => self.settings.flapping.start = value.parse().unwrap(),
                    "storm_above" => self.settings.storm.above = value.parse().unwrap(),
                    "note_every" => self.settings.note_every = duration(),
                    "public_url" => self.settings.public_url = Some(value.to_owned()),
                    "english" => self.settings.language = model::settings::Language::En,
                    // `set runbook=switch,https://…`
                    "runbook" => {
                        let (class, url) = value.split_once(',').unwrap();
                        self.settings.runbooks.insert(class.to_owned(), url.to_owned());
                    }
                    other => panic!("unknown setting {other}"),
                }
            }
            // `judge icmp class=camera down_for=5m`: an exception, before the ones written later.
            "judge" => {
                let text = |key| option(&words, key).map(str::to_owned);
                let number = |key| option(&words, key).map(|v| v.parse::<u8>().unwrap());
                let of = Match {
                    target: text("target"),
                    site: text("site"),
                    class: text("class"),
                    tag: text("tag"),
                    link: text("link"),
                };
                let change = RuleChange {
                    down_needs: number("down_needs"),
                    down_of: number("down_of"),
                    up_needs: number("up_needs"),
                    flap_start: number("flap_start").map(u32::from),
                    down_for: option(&words, "down_for")
                        .map(|d| model::time::parse_duration(d).unwrap()),
                    ..RuleChange::default()
                };
                let exception = Exception { check: words[1].into(), of, change };
                self.settings.exceptions.insert(self.judged, exception);
                self.judged += 1;
            }
            // `rise room celsius 5 10m`: so much within so long.
            "rise" => {
                let by: f64 = words[3].parse().unwrap();
                let rule = self.settings.checks.entry(words[1].into()).or_default();
                rule.thresholds.push(Threshold {
                    value: words[2].into(),
                    raise: by,
                    clear: by / 2.0,
                    over: model::time::parse_duration(words[4]).unwrap(),
                    measure: Measure::Rise,
                });
            }
            "nameless" => self.nameless.extend(rest(1)),
            "named" => rest(1).for_each(|w| assert!(self.nameless.remove(&w), "{w} had a name")),
            "lose" => {
                self.losing.insert(words[1].into(), (words[2].parse().unwrap(), 0.0));
            }
            "slow" => {
                self.slow.insert(words[1].into(), words[2].parse().unwrap());
            }
            "break" => self.broken.extend(rest(1)),
            "mend" => rest(1).for_each(|w| assert!(self.broken.remove(&w), "{w} was not broken")),
            "mute" => self.mute.extend(rest(1)),
            "unmute" => rest(1).for_each(|w| assert!(self.mute.remove(&w), "{w} was not mute")),
            "asks" => self.show_asks = true,
            "stop" => self.stopped.extend(rest(1)),
            "start" => {
                rest(1).for_each(|w| assert!(self.stopped.remove(&w), "{w} was not stopped"));
            }
            "unasked" => self.unasked.extend(rest(1)),
            "run" => self.run(model::time::parse_duration(words[1]).unwrap()),
            "wait" => self.now += model::time::parse_duration(words[1]).unwrap(),
            "tick" => self.happens(Kind::Tick),
            "gap" => {
                let since = self.at();
                self.now += model::time::parse_duration(words[1]).unwrap();
                self.happens(Kind::Gap { since });
            }
            "restart" => {
                let core = self.core.take().unwrap();
                let bytes = postcard::to_allocvec(core.state()).unwrap();
                let state = postcard::from_bytes(&bytes).unwrap();
                self.core = Some(Correlator::restore(
                    core.inventory().clone(),
                    core.settings().clone(),
                    state,
                ));
            }
            "remove" => {
                self.spec.devices.retain(|d| d.id != words[1]);
                self.spec.links.retain(|l| !l.between.iter().any(|e| e == words[1]));
                let inventory = Arc::new(Inventory::build(&self.spec).unwrap());
                let settings = self.settings.clone();
                self.core().reconfigure(inventory, settings);
                self.happens(Kind::Config { hash: "another".into(), instance: None });
            }
            // The inventory as it is written now, with what was added since.
            "reload" => {
                let inventory = Arc::new(Inventory::build(&self.spec).unwrap());
                let settings = self.settings.clone();
                self.core().reconfigure(inventory, settings);
                self.happens(Kind::Config { hash: "another".into(), instance: None });
            }
            // An answer with a time of its own: so much before or after it arrives.
            "stamped" => {
                let (sign, how_much) = words[1].split_at(1);
                let by = model::time::parse_duration(how_much).unwrap();
                let at = if sign == "-" { self.at() - by } else { self.at() + by };
                let outcome = match words[3] {
                    "answers" => Outcome::Reply([("rtt_ms".into(), 1.0)].into_iter().collect()),
                    "silent" => Outcome::NoReply,
                    other => panic!("answers or silent, not {other:?}"),
                };
                let kind = Kind::Observation(Observation {
                    probe: self.spec.probes[0].id.clone().into(),
                    target: words[2].to_owned().into(),
                    check: "icmp".into(),
                    outcome,
                });
                self.happens_at(at, Some(self.at()), kind);
            }
            "problem" => self.happens(Kind::Signal(Signal {
                source: words[1].to_owned().into(),
                key: words[2].to_owned().into(),
                state: SignalState::Problem,
                severity: Some(severity(words[3])),
                target: (words[4] != "-").then(|| words[4].to_owned().into()),
                summary: Some(words[5..].join(" ").into()),
            })),
            "over" => self.happens(Kind::Signal(Signal {
                source: words[1].to_owned().into(),
                key: words[2].to_owned().into(),
                state: SignalState::Ok,
                severity: None,
                target: None,
                summary: None,
            })),
            "port" => {
                let value = |name: &'static str, v: &str| (name.into(), v.parse::<f64>().unwrap());
                let values = [
                    value("oper_status", words[2]),
                    value("admin_status", words.get(3).unwrap_or(&"1")),
                ];
                self.observe(
                    words[1],
                    "snmp:if-status",
                    Outcome::Reply(values.into_iter().collect()),
                );
            }
            "value" => {
                let values = words[3..].chunks(2);
                let values = values.map(|v| (v[0].to_owned().into(), v[1].parse::<f64>().unwrap()));
                self.observe(words[1], words[2], Outcome::Reply(values.collect()));
            }
            "silent" => self.observe(words[1], words[2], Outcome::NoReply),
            "failed" => self.observe(
                words[1],
                words[2],
                Outcome::Failed { reason: words[3].to_owned().into() },
            ),
            "ack" => self.command(
                words[2],
                Operation::Acknowledge { incident: IncidentId::from_text(&self.id(words[1])) },
            ),
            "note" => self.command(
                words[2],
                Operation::Note {
                    incident: IncidentId::from_text(&self.id(words[1])),
                    text: words[3..].join(" "),
                },
            ),
            "resolve" => self.command(
                words[2],
                Operation::Resolve {
                    incident: IncidentId::from_text(&self.id(words[1])),
                    reason: words[3..].join(" "),
                },
            ),
            "reprioritise" => self.command(
                words[3],
                Operation::Reprioritise {
                    incident: IncidentId::from_text(&self.id(words[1])),
                    priority: Priority::from_word(words[2]).unwrap(),
                    reason: without_options(&words[4..]),
                    until: option(&words, "for")
                        .map(|d| self.at() + model::time::parse_duration(d).unwrap()),
                },
            ),
            // `route NAME class=switch team=Jaringan`
            "route" => self.settings.routes.push(model::Route {
                name: words[1].into(),
                classes: option(&words, "class").into_iter().map(str::to_owned).collect(),
                sites: option(&words, "site").into_iter().map(str::to_owned).collect(),
                team: option(&words, "team").map(str::to_owned),
                ..model::Route::default()
            }),
            "misroute" => self.command(
                words[2],
                Operation::Misroute {
                    incident: IncidentId::from_text(&self.id(words[1])),
                    team: option(&words, "team").map(str::to_owned),
                    reason: without_options(&words[3..]),
                },
            ),
            "maintenance" | "silence" => {
                let start = option(&words, "in")
                    .map_or(Duration::ZERO, |d| model::time::parse_duration(d).unwrap());
                let start = self.at() + start;
                let end = start + model::time::parse_duration(words[3]).unwrap();
                let w = Window {
                    id: words[1].into(),
                    owner: "sari".into(),
                    reason: "planned".into(),
                    change: option(&words, "change").map(str::to_owned),
                    rrule: option(&words, "rrule").map(str::to_owned),
                    scope: words[2].split(',').map(str::to_owned).collect(),
                    start,
                    end,
                    silence: words[0] == "silence",
                };
                self.command(
                    "sari",
                    if w.silence { Operation::Silence(w) } else { Operation::Maintenance(w) },
                );
            }
            "end" => self.command("sari", Operation::EndWindow { id: words[1].into() }),
            "windows" => self.show_windows(),
            "season" => {
                let after = |w: &str| DAWN + model::time::parse_duration(w).unwrap();
                self.settings.seasons.push(Season {
                    name: words[1].into(),
                    from: after(words[3]),
                    to: after(words[4]),
                    rrule: option(&words, "rrule").map(str::to_owned),
                    services: vec![words[2].into()],
                    criticality: model::Criticality::Vital,
                });
            }
            other => panic!("unknown word {other:?} in a story"),
        }
    }

    /// What `kentongan maintenance list` shows.
    fn show_windows(&mut self) {
        let now = self.at();
        let looks = self.core().window_looks();
        let since = |at: Timestamp| {
            model::time::show_duration(Duration::from_secs(at.since(DAWN).as_secs()))
        };
        let at = since(now);
        if looks.is_empty() {
            let _ = writeln!(self.out, "{at} no windows");
        }
        for w in looks {
            let state = match (w.over, w.start <= now) {
                (true, _) => "over",
                (false, true) => "active",
                (false, false) => "planned",
            };
            let targets = |of: &[Arc<str>]| of.join(",");
            let _ = writeln!(
                self.out,
                "{at} window {} {} {state} {}..{} hides={} hid={} [{}] overran=[{}]{}",
                w.window.word(),
                w.window.id,
                since(w.start),
                since(w.end),
                w.hides,
                w.hid,
                targets(&w.hid_targets),
                targets(&w.overran),
                w.advice.map_or(String::new(), |a| format!(" | {a}"))
            );
        }
    }

    /// `#n` is the nth incident of the story, from 1.
    fn id(&self, word: &str) -> String {
        let Some(n) = word.strip_prefix('#') else { return word.to_owned() };
        let mut ids = Vec::new();
        for d in &self.decisions {
            if let Decision::Incident(i) = d
                && !ids.contains(&i.id.to_string())
            {
                ids.push(i.id.to_string());
            }
        }
        ids[n.parse::<usize>().unwrap() - 1].clone()
    }

    fn command(&mut self, by: &str, operation: Operation) {
        self.happens(Kind::Command(Command { by: by.into(), operation }));
    }

    pub fn core(&mut self) -> &mut Correlator {
        if self.core.is_none() {
            let inventory = Inventory::build(&self.spec).unwrap_or_else(|p| panic!("{p:#?}"));
            self.core = Some(Correlator::new(Arc::new(inventory), self.settings.clone()));
        }
        self.core.as_mut().unwrap()
    }

    /// The core before anything happened.
    #[allow(dead_code, reason = "not every test that tells stories goes back in one")]
    pub fn untouched(&self) -> Correlator {
        let inventory = Inventory::build(&self.spec).unwrap_or_else(|p| panic!("{p:#?}"));
        Correlator::new(Arc::new(inventory), self.settings.clone())
    }

    /// How often a check is asked.
    #[allow(dead_code, reason = "not every test that tells stories asks for it")]
    pub fn interval(&self, check: &str) -> Duration {
        self.settings.checks.get(check).map_or(Duration::from_secs(20), |r| r.interval)
    }

    fn at(&self) -> Timestamp {
        DAWN + self.now
    }

    /// Who can be reached by a probe, routing round what is broken.
    fn reachable(&mut self, probe: usize) -> Vec<bool> {
        let inventory = self.core().inventory().clone();
        let at = inventory.probes.get(probe).and_then(|p| p.at);
        needs::reachable(&inventory, &self.broken, at)
    }

    /// Every device is asked every 20 s by every probe, spread evenly over them.
    fn run(&mut self, how_long: Duration) {
        let end = self.now + how_long;
        let devices: Vec<_> =
            self.core().inventory().devices.iter().map(|d| (d.id.to_string(), d.passive)).collect();
        let probes: Vec<String> =
            self.core().inventory().probes.iter().map(|p| p.id.to_string()).collect();
        let n = devices.len() as u64;
        let mut turn: Vec<(Duration, usize, usize)> = Vec::new();
        let mut reachable = Vec::new();
        for p in 0..probes.len().max(1) {
            reachable.push(self.reachable(p));
            for i in 0..devices.len() {
                let phase = (20_000 * i as u64 / n + 7_000 * p as u64) % 20_000;
                let mut round = self.now.as_millis() as u64 / 20_000;
                loop {
                    let at = Duration::from_millis(round * 20_000 + phase);
                    if at >= end {
                        break;
                    }
                    if at >= self.now {
                        turn.push((at, p, i));
                    }
                    round += 1;
                }
            }
        }
        turn.sort();
        for (at, p, i) in turn {
            let (id, passive) = &devices[i];
            let probe = probes.get(p).map_or("noc-1", |p| p);
            self.now = at;
            if *passive || self.unasked.contains(id) || self.stopped.contains(probe) {
                continue;
            }
            let to = format!("{probe}>{id}");
            if self.unasked.contains(&to) {
                continue;
            }
            let mute = self.mute.contains(id) || self.mute.contains(&to);
            let outcome = if self.nameless.contains(id) {
                Outcome::Failed { reason: "no-name".into() }
            } else if reachable[p][i] && !mute {
                self.answer(id)
            } else {
                Outcome::NoReply
            };
            self.observe(&to, "icmp", outcome);
        }
        self.now = end;
    }

    /// One sample of three packets. What is lost is spread evenly over the samples.
    fn answer(&mut self, id: &str) -> Outcome<'static> {
        let rtt = self.slow.get(id).copied().unwrap_or(1.0);
        let mut values = vec![("rtt_ms".into(), rtt)];
        if let Some((pct, left)) = self.losing.get_mut(id) {
            *left += *pct * 3.0 / 100.0;
            let lost = left.floor().min(3.0);
            *left -= lost;
            if lost >= 3.0 {
                return Outcome::NoReply;
            }
            // As our probe tells it: rounded to thousandths.
            values.push(("loss_pct".into(), (lost * 100_000.0 / 3.0).round() / 1000.0));
        }
        Outcome::Reply(values.into_iter().collect())
    }

    /// Observed by the first probe, or by the one before the `>`.
    fn observe(&mut self, target: &str, check: &str, outcome: Outcome<'static>) {
        let first = self.spec.probes.first().map_or("noc-1", |p| &p.id);
        let (probe, target) = target.split_once('>').unwrap_or((first, target));
        let (probe, target) = (probe.to_owned(), target.to_owned());
        self.happens(Kind::Observation(Observation {
            probe: probe.into(),
            target: target.into(),
            check: check.to_owned().into(),
            outcome,
        }));
    }

    fn happens(&mut self, kind: Kind<'static>) {
        self.happens_at(self.at(), None, kind);
    }

    fn happens_at(&mut self, at: Timestamp, received: Option<Timestamp>, kind: Kind<'static>) {
        let event = Event { at, received, kind };
        self.event += 1;
        let number = self.event;
        self.core().handle_event(number, &event);
        self.events.push(event);
        while let Some(d) = self.core().poll_decision() {
            self.show(&d);
            self.decisions.push(d);
        }
        let mut asked = Vec::new();
        while let Some(ask) = self.core().poll_ask() {
            asked.push(format!("{} {}", ask.target, ask.check));
        }
        if self.show_asks && !asked.is_empty() {
            let t = model::time::show_duration(Duration::from_secs(self.now.as_secs()));
            let _ = writeln!(self.out, "{t} ASK {}", asked.join(", "));
        }
    }

    fn show(&mut self, d: &Decision) {
        let t = |at: Timestamp| {
            model::time::show_duration(Duration::from_secs(at.since(DAWN).as_secs()))
        };
        let _ = match d {
            Decision::Verdict(v) if v.routine || v.verdict.word() == "normal" => Ok(()),
            Decision::Verdict(v) => writeln!(
                self.out,
                "{} verdict {} {}: {}",
                t(v.at),
                v.target.as_deref().unwrap_or("-"),
                v.verdict,
                v.reason
            ),
            Decision::Alarm(a) => writeln!(
                self.out,
                "{} alarm {} {} {} (was {}): {}",
                t(a.at),
                a.target,
                a.check,
                a.state,
                a.was,
                a.reason
            ),
            Decision::Incident(i) => writeln!(
                self.out,
                "{} INCIDENT {} {} {} {} {} {} root={} devices={} sites={} services={} users={}{}: {}",
                t(i.at),
                i.id,
                i.change,
                i.condition,
                i.work,
                i.priority,
                i.scope,
                i.root.join("+"),
                i.affected.devices.join(","),
                i.affected.sites.join(","),
                i.affected.services.join(","),
                i.affected.users,
                i.into.as_ref().map_or(String::new(), |x| format!(" into={x}")),
                i.reason
            ),
            Decision::Intent(i) => writeln!(
                self.out,
                "{} INTENT {} {} {} | {}",
                t(i.at),
                i.id,
                i.op,
                i.priority,
                i.title
            ),
        };
    }
}

fn without_options(words: &[&str]) -> String {
    let words: Vec<&str> = words.iter().filter(|w| !w.contains('=')).copied().collect();
    words.join(" ")
}

fn option<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
}

fn criticality(words: &[&str]) -> model::Criticality {
    if words.contains(&"vital") {
        model::Criticality::Vital
    } else if words.contains(&"important") {
        model::Criticality::Important
    } else {
        model::Criticality::Normal
    }
}

fn severity(word: &str) -> Severity {
    match word {
        "info" => Severity::Info,
        "warning" => Severity::Warning,
        "average" => Severity::Average,
        "high" => Severity::High,
        "disaster" => Severity::Disaster,
        other => panic!("unknown severity {other:?}"),
    }
}
