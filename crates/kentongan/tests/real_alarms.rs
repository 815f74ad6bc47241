//! Real alarms of real networks through `replay`: how many incidents come of them, and whether any
//! outage is missed. Less noise is only worth something when nothing is lost for it.
//!
//! | set | what becomes of it |
//! |---|---|
//! | Huawei wireless, microwave | each alarm is a signal's problem and its OK, one key for each device and type, as a network manager sends them |
//! | Grid'5000 | each node is pinged at the default pace for a while after it changed, then now and then |
//!
//! The baseline is what a monitor with a short memory does: alarms of one device and type that are at
//! most 300 s apart are one. Alarms that are over in the second in which they began are counted apart:
//! once they are left out, and once everything is run as it is.
//!
//! Needs `../shared/data/events` beside the project (or `KENTONGAN_SHARED`); says so loudly and
//! passes when it is not there, fails then when `KENTONGAN_NO_SKIP=1`. `KENTONGAN_SOAK=1` runs all of
//! it instead of a sample.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use kentongan::config;
use kentongan::replay::{Replay, replay};
use model::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// 2026-01-01T00:00:00Z: where the sets that count seconds from nowhere begin.
const DAWN: i64 = 1_767_225_600;
/// Alarms of one device and type that are at most so many seconds apart are one for the baseline.
const APART: i64 = 300;
/// A node is pinged every so many seconds …
const PACE: i64 = 20;
/// … so often after it changed …
const SAMPLES: i64 = 6;
/// … and then every so many seconds.
const NOW_AND_THEN: i64 = 6 * 3600;
/// Three silent samples at the usual pace: what the defaults take to believe it.
const CONFIRMED: i64 = 3 * PACE;
/// How much of each set is run every day: the first so many alarms.
const SAMPLE: usize = 2_500;

fn soak() -> bool {
    std::env::var_os("KENTONGAN_SOAK").is_some()
}

fn shared() -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let at =
        std::env::var_os("KENTONGAN_SHARED").map_or_else(|| root.join("../shared"), PathBuf::from);
    let at = at.join("data/events");
    if at.is_dir() {
        return Some(at);
    }
    assert!(std::env::var_os("KENTONGAN_NO_SKIP").is_none(), "{} is missing", at.display());
    eprintln!("SKIPPED: {} is missing; real alarms were not tried", at.display());
    None
}

/// Something was wrong with a device, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Alarm {
    from: i64,
    to: i64,
    kind: u32,
    device: String,
}

impl Alarm {
    fn momentary(&self) -> bool {
        self.to <= self.from
    }
}

/// One set, ready to run.
struct Set {
    name: &'static str,
    /// By time.
    alarms: Vec<Alarm>,
    links: Vec<[String; 2]>,
    severity: fn(u32) -> &'static str,
    /// Sampled rather than told.
    pinged: bool,
}

/// How many alarms a monitor makes of it that takes those of one device and type for one when they
/// are at most [`APART`].
fn baseline<'a>(alarms: impl Iterator<Item = &'a Alarm>) -> usize {
    let mut of: BTreeMap<(&str, u32), i64> = BTreeMap::new();
    let mut sorted: Vec<&Alarm> = alarms.collect();
    sorted.sort();
    let mut count = 0;
    for a in sorted {
        let end = of.entry((&a.device, a.kind)).or_insert(i64::MIN / 2);
        if a.from - *end > APART {
            count += 1;
        }
        *end = a.to.max(*end);
    }
    count
}

#[test]
fn the_baseline_is_the_formula() {
    let alarm = |from, to, kind| Alarm { from, to, kind, device: "d".into() };
    let of = |alarms: &[Alarm]| baseline(alarms.iter());
    assert_eq!(of(&[alarm(0, 10, 1), alarm(310, 400, 1)]), 1, "a gap of 300 s");
    assert_eq!(of(&[alarm(0, 10, 1), alarm(311, 400, 1)]), 2, "a gap of 301 s");
    assert_eq!(of(&[alarm(0, 10, 1), alarm(5, 6, 2)]), 2, "another type");
    assert_eq!(of(&[alarm(0, 900, 1), alarm(10, 20, 1), alarm(1100, 1101, 1)]), 1, "inside of it");
}

// ---- the sets ----

fn huawei(at: &Path, name: &'static str, folder: &str) -> Set {
    let folder = at.join("huawei-alarms").join(folder);
    let mut text = String::new();
    let file = std::fs::File::open(folder.join("alarms.csv.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut alarms: Vec<Alarm> = text
        .lines()
        .skip(1)
        .map(|line| {
            let [from, to, kind, device] = fields(line);
            Alarm {
                from: DAWN + from.parse::<i64>().unwrap(),
                to: DAWN + to.parse::<i64>().unwrap(),
                kind: kind.parse().unwrap(),
                device: format!("ran/d{device}"),
            }
        })
        .collect();
    alarms.sort();
    let links = match std::fs::read_to_string(folder.join("links.json")) {
        Ok(text) => {
            let links: Vec<[u32; 2]> = serde_json::from_str(&text).unwrap();
            links.iter().map(|l| l.map(|n| format!("ran/d{n}"))).collect()
        }
        Err(_) => Vec::new(),
    };
    // The set has no severities; the first types are the ones the others follow from.
    let severity = |kind| if kind < 4 { "high" } else { "average" };
    Set { name, alarms, links, severity, pinged: false }
}

fn grid5000(at: &Path, name: &'static str, file: &str) -> Set {
    let packed = std::fs::read(at.join("grid5000").join(file)).unwrap();
    let mut text = String::new();
    lzma_rust2::XzReader::new(&packed[..], true).read_to_string(&mut text).unwrap();
    let mut alarms: Vec<Alarm> = text
        .lines()
        .skip(1)
        .map(|line| {
            let [device, up, from, to] = fields(line);
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            // `kind` 1: up. Only what is down is an alarm; the rest says when a node answers.
            Alarm { from, to, kind: up.parse().unwrap(), device: device.to_owned() }
        })
        .collect();
    alarms.sort();
    Set { name, alarms, links: Vec::new(), severity: |_| "high", pinged: true }
}

fn fields(line: &str) -> [&str; 4] {
    line.split(',').collect::<Vec<_>>().try_into().unwrap()
}

// ---- events ----

impl Set {
    /// What is run of it: with the momentary ones or without; all of it or the beginning.
    fn part(&self, momentary: bool) -> Set {
        let alarms = self.alarms.iter().filter(|a| momentary || !a.momentary()).cloned();
        let alarms = alarms.take(if soak() { usize::MAX } else { SAMPLE }).collect();
        Set { alarms, links: self.links.clone(), ..*self }
    }

    /// As events, one line each, by time.
    fn events(&self) -> String {
        let alarms = self.alarms.iter();
        let mut lines = if self.pinged { pings(alarms) } else { self.signals(alarms) };
        // A stable sort: what happened in the same second keeps its order.
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line).collect()
    }

    /// One key for each device and type. It stands as long as any of its alarms does.
    fn signals<'a>(&self, alarms: impl Iterator<Item = &'a Alarm>) -> Vec<(i64, String)> {
        // Ends before beginnings; a momentary alarm begins and ends after both.
        let mut steps: Vec<(i64, u8, bool, &Alarm)> = Vec::new();
        for a in alarms {
            let (begin, end) = if a.momentary() { (2, 2) } else { (1, 0) };
            steps.push((a.from, begin, true, a));
            steps.push((a.to, end, false, a));
        }
        steps.sort_by_key(|(at, order, _, _)| (*at, *order));
        let mut standing: BTreeMap<(&str, u32), u32> = BTreeMap::new();
        let mut lines = Vec::new();
        for (at, _, begins, a) in steps {
            let depth = standing.entry((&a.device, a.kind)).or_default();
            *depth = if begins { *depth + 1 } else { *depth - 1 };
            let (key, time) = (key_of(a), time(at));
            if begins {
                let (severity, kind) = ((self.severity)(a.kind), a.kind);
                lines.push((at, format!(
                    "{{\"kind\":\"signal\",\"at\":\"{time}\",\"source\":\"nms\",\"key\":\"{key}\",\"state\":\"problem\",\
                     \"severity\":\"{severity}\",\"target\":\"{}\",\"summary\":\"alarm type {kind}\"}}\n",
                    a.device
                )));
            } else if *depth == 0 {
                lines.push((at, format!(
                    "{{\"kind\":\"signal\",\"at\":\"{time}\",\"source\":\"nms\",\"key\":\"{key}\",\"state\":\"ok\"}}\n"
                )));
            }
        }
        lines
    }

    /// What is wrong: for the pinged sets, being down.
    fn wrong(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.iter().filter(|a| !self.pinged || a.kind == 0)
    }

    fn inventory(&self) -> String {
        let devices: BTreeSet<&str> = self
            .alarms
            .iter()
            .map(|a| a.device.as_str())
            .chain(self.links.iter().flatten().map(String::as_str))
            .collect();
        let mut text = String::new();
        for (n, id) in devices.iter().enumerate() {
            let (a, b) = (n / 250, 1 + n % 250);
            writeln!(text, "[[device]]\nid = \"{id}\"\naddress = \"10.7.{a}.{b}\"").unwrap();
        }
        // Where the watcher stood is not known, and nothing is pinged: one stands on every island.
        for (n, at) in self.islands().iter().enumerate() {
            writeln!(text, "[[probe]]\nid = \"p{n}\"\nat = \"{at}\"").unwrap();
        }
        for [a, b] in &self.links {
            writeln!(text, "[[link]]\nbetween = [\"{a}\", \"{b}\"]\nkind = \"radio\"").unwrap();
        }
        text
    }
}

impl Set {
    /// The first device of each part that the links join.
    fn islands(&self) -> Vec<&str> {
        let mut neighbours: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for [a, b] in &self.links {
            neighbours.entry(a).or_default().push(b);
            neighbours.entry(b).or_default().push(a);
        }
        let mut islands = Vec::new();
        let mut seen = BTreeSet::new();
        for start in neighbours.keys() {
            if !seen.insert(*start) {
                continue;
            }
            islands.push(*start);
            let mut shore = vec![*start];
            while let Some(at) = shore.pop() {
                shore.extend(neighbours[at].iter().filter(|n| seen.insert(**n)));
            }
        }
        islands
    }
}

fn pings<'a>(alarms: impl Iterator<Item = &'a Alarm>) -> Vec<(i64, String)> {
    let mut lines = Vec::new();
    for a in alarms {
        let answer = if a.kind == 1 { "reply\",\"values\":{\"rtt_ms\":1.5}" } else { "no-reply\"" };
        let mut at = a.from;
        let mut n = 0;
        while at < a.to {
            lines.push((at, format!(
                "{{\"kind\":\"observation\",\"at\":\"{}\",\"probe\":\"p\",\"target\":\"{}\",\"check\":\"icmp\",\"outcome\":\"{answer}}}\n",
                time(at), a.device
            )));
            n += 1;
            at += if n < SAMPLES { PACE } else { NOW_AND_THEN };
        }
    }
    lines
}

fn key_of(a: &Alarm) -> String {
    format!("{}:{}", a.device, a.kind)
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

// ---- what came of it ----

/// What the decisions say.
#[derive(Default)]
struct Outcome {
    incidents: usize,
    tickets: usize,
    messages: usize,
    /// From when to when something was said to be wrong with a device, by incident.
    spans: BTreeMap<String, Vec<(i64, i64)>>,
    /// From when on a signal was part of an incident, or no longer.
    explained: BTreeMap<String, Vec<(i64, bool)>>,
}

fn outcome(decisions: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let mut failing: BTreeMap<String, (i64, BTreeSet<String>)> = BTreeMap::new();
    let seconds = |v: &Value| v.as_str().unwrap().parse::<Timestamp>().unwrap().as_millis() / 1000;
    let words = |v: &Value| -> Vec<String> {
        v.as_array().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect()
    };
    for line in decisions.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        match line["kind"].as_str().unwrap() {
            "incident" => {
                // A digest presents incidents that are counted already.
                let digest = line["root"] == serde_json::json!(["storm"]);
                outcome.incidents += usize::from(line["change"] == "opened" && !digest);
                let id = line["id"].as_str().unwrap().to_owned();
                let (_, devices) = failing
                    .entry(id.clone())
                    .or_insert_with(|| (seconds(&line["since"]), BTreeSet::new()));
                devices.extend(
                    words(&line["root"]).into_iter().chain(words(&line["affected"]["devices"])),
                );
                if line["condition"] == "clear"
                    && let Some((from, devices)) = failing.remove(&id)
                {
                    let to = seconds(&line["at"]);
                    for device in devices {
                        outcome.spans.entry(device).or_default().push((from, to));
                    }
                }
            }
            "intent" => {
                outcome.tickets += usize::from(line["op"] == "create");
                outcome.messages += usize::from(line["op"] == "notify");
            }
            "alarm" => {
                if let Some(key) = line["check"].as_str().unwrap().strip_prefix("signal:nms:") {
                    let state = line["state"].as_str().unwrap();
                    let explained = !line["incident"].is_null() && state != "ok";
                    outcome
                        .explained
                        .entry(key.into())
                        .or_default()
                        .push((seconds(&line["at"]), explained));
                }
            }
            _ => {}
        }
    }
    for (_, (from, devices)) in failing {
        for device in devices {
            outcome.spans.entry(device).or_default().push((from, i64::MAX));
        }
    }
    outcome
}

impl Outcome {
    /// Whether an alarm is part of an incident at some moment of its life.
    fn explains(&self, a: &Alarm, pinged: bool) -> bool {
        if pinged {
            let spans = self.spans.get(&a.device).map_or(&[][..], Vec::as_slice);
            return spans.iter().any(|(from, to)| *from < a.to && a.from < *to);
        }
        let told = self.explained.get(&key_of(a)).map_or(&[][..], Vec::as_slice);
        let at_its_begin = told.partition_point(|(at, _)| *at < a.from);
        told[..at_its_begin].last().is_some_and(|(_, explained)| *explained)
            || told[at_its_begin..].iter().take_while(|(at, _)| *at < a.to).any(|(_, e)| *e)
    }
}

/// Runs the events through `replay`, under the defaults and this inventory.
fn run(folder: &Path, set: &Set) -> Outcome {
    let toml = folder.join("kentongan.toml");
    std::fs::write(&toml, set.inventory()).unwrap();
    let configuration = config::load(&toml)
        .map_err(|r| r.render(false).chars().take(400).collect::<String>())
        .unwrap();
    let file = folder.join("events.ndjson");
    std::fs::write(&file, set.events()).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let what = Replay { files: vec![file], ..Replay::default() };
    let good = replay(&what, Some(&configuration), &mut out, &mut err).unwrap();
    assert!(good, "{}", String::from_utf8_lossy(&err));
    outcome(&String::from_utf8(out).unwrap())
}

#[test]
fn real_alarms_become_fewer_incidents_and_none_is_missed() {
    let Some(at) = shared() else { return };
    let sets = [
        huawei(&at, "Huawei wireless", "18V_55N_Wireless"),
        huawei(&at, "Huawei microwave", "24V_439N_Microwave"),
        grid5000(&at, "Grid'5000 site 3", "site3.csv.xz"),
        grid5000(&at, "Grid'5000 site 7", "site7.csv.xz"),
    ];
    let mut table = format!(
        "\n{:<18} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}\n",
        "set", "raw", "momentary", "baseline", "incidents", "tickets", "messages", "missed", "s"
    );
    let mut wrong = Vec::new();
    for whole in sets {
        let momentary = whole.wrong().filter(|a| a.momentary()).count();
        for all in [false, true] {
            if all && momentary == 0 {
                continue;
            }
            let set = whole.part(all);
            let raw = set.wrong().count();
            let began = Instant::now();
            let folder = tempfile::tempdir().unwrap();
            let outcome = run(folder.path(), &set);
            let baseline = baseline(set.wrong());
            let confirmed = if set.pinged { CONFIRMED } else { 1 };
            let outages = set.wrong().filter(|a| a.to - a.from >= confirmed);
            let missed: Vec<&Alarm> =
                outages.filter(|a| !outcome.explains(a, set.pinged)).collect();
            writeln!(
                table,
                "{:<18} {raw:>7} {:>9} {baseline:>9} {:>9} {:>9} {:>9} {:>7} {:>7.1}",
                set.name,
                if all { format!("+{momentary}") } else { momentary.to_string() },
                outcome.incidents,
                outcome.tickets,
                outcome.messages,
                missed.len(),
                began.elapsed().as_secs_f64(),
            )
            .unwrap();
            if soak() {
                // It takes minutes: said as it comes.
                eprintln!("{}", table.lines().last().unwrap_or_default());
            }
            if outcome.incidents >= baseline {
                wrong.push(format!(
                    "{}: {} incidents, baseline {baseline}",
                    set.name, outcome.incidents
                ));
            }
            if let Some(first) = missed.first() {
                wrong.push(format!(
                    "{}: {} missed, the first one {first:?}",
                    set.name,
                    missed.len()
                ));
            }
        }
    }
    eprintln!("{table}");
    assert!(wrong.is_empty(), "{table}\n{wrong:#?}");
}
