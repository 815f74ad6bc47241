//! Turns the crank: the world changes, the probe asks, the core hears of it, and asks back.

use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::measure::{Report, Sight, measure};
use crate::schedule::{Asking, Schedule};
use crate::world::{Fault, World};
use correlator::Correlator;
use model::doubt::Sign;
use model::settings::Window;
use model::{
    AlarmState, Command, Decision, Event, Inventory, Kind, Observation, Operation, Outcome,
    Settings, Timestamp,
};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

/// A device that was never restarted has been up this long: 30 days.
const UP_SINCE: f64 = 30.0 * 86_400.0;

/// The progress is told every so much simulated time.
const TELL_EVERY: u64 = 600_000;

/// Everything a run follows from.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The network.
    pub inventory: Arc<Inventory>,
    /// How it is judged.
    pub settings: Settings,
    /// How each check is asked; what is not named is asked as the daemon does by default.
    pub asking: BTreeMap<String, Asking>,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What people announce, and when.
    pub windows: Vec<(Duration, Window)>,
    /// The share of packets that gets lost anywhere at any time (0 to 1).
    pub background_loss: f64,
    /// When it begins.
    pub start: Timestamp,
    /// How long it takes.
    pub length: Duration,
    /// Phases and lost packets follow from it.
    pub seed: u64,
}

/// Who wants to see it while it runs.
pub trait Watcher {
    /// An event, before the core takes it.
    fn event(&mut self, _number: u64, _event: &Event<'_>) {}
    /// What the core decided.
    fn decision(&mut self, _decision: &Decision) {}
    /// So much of it has been simulated.
    fn progress(&mut self, _done: Duration) {}
}

/// Nobody.
pub struct Unwatched;

impl Watcher for Unwatched {}

/// Runs it, and measures what came of it.
pub fn run(plan: &Plan, watcher: &mut dyn Watcher) -> Report {
    let mut run = Run::new(plan, watcher);
    run.all();
    let Run { ledger, sights, schedule, .. } = run;
    measure(plan, &sights, &ledger, (schedule.normal, schedule.extra))
}

/// What happens next. Sorted by time, then by when it was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Turn { fault: u32, on: bool },
    Announce(u32),
    Ask { job: u32, stamp: u32 },
    Answer(u32),
}

/// What a sample found.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// When its first packet left.
    at: u64,
    reached: bool,
    lost: u8,
    rtt_ms: f64,
}

struct Port {
    name: Arc<str>,
    link: u32,
    end: usize,
}

struct Run<'a> {
    plan: &'a Plan,
    watcher: &'a mut dyn Watcher,
    core: Correlator,
    world: World,
    schedule: Schedule,
    ledger: Ledger,
    /// What each fault does, and when it could be seen.
    sights: Vec<Sight>,
    active: Vec<bool>,
    dice: Dice,
    queue: BinaryHeap<Reverse<(u64, u64, Act)>>,
    planned: u64,
    found: Vec<Option<Found>>,
    ports: Vec<Vec<Port>>,
    probes: Vec<Arc<str>>,
    /// When each device was started last, in milliseconds from the beginning.
    booted: BTreeMap<u32, u64>,
    number: u64,
    now: u64,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, watcher: &'a mut dyn Watcher) -> Run<'a> {
        let inventory = &plan.inventory;
        let seeded = Dice::new(plan.seed);
        let schedule = Schedule::new(inventory, &plan.asking, &mut seeded.apart(1));
        let mut ports: Vec<Vec<Port>> = inventory.devices.iter().map(|_| Vec::new()).collect();
        for (l, link) in inventory.links.iter().enumerate() {
            for end in 0..2 {
                if let Some(name) = &link.ports[end] {
                    let port = Port { name: name.clone(), link: l as u32, end };
                    ports[link.ends[end].0 as usize].push(port);
                }
            }
        }
        let mut probes: Vec<Arc<str>> = inventory.probes.iter().map(|p| p.id.clone()).collect();
        if probes.is_empty() {
            probes.push("noc-1".into());
        }
        let mut run = Run {
            core: Correlator::new(inventory.clone(), plan.settings.clone()),
            world: World::new(inventory.clone()),
            sights: Sight::of(plan),
            active: vec![false; plan.faults.len()],
            found: vec![None; schedule.jobs.len()],
            ledger: Ledger::default(),
            dice: seeded.apart(2),
            queue: BinaryHeap::new(),
            planned: 0,
            booted: BTreeMap::new(),
            number: 0,
            now: 0,
            watcher,
            plan,
            schedule,
            ports,
            probes,
        };
        for (f, fault) in plan.faults.iter().enumerate() {
            for (from, until) in &fault.spans {
                run.at(millis(*from), Act::Turn { fault: f as u32, on: true });
                run.at(millis(*until), Act::Turn { fault: f as u32, on: false });
            }
        }
        for (w, (at, _)) in plan.windows.iter().enumerate() {
            run.at(millis(*at), Act::Announce(w as u32));
        }
        for job in 0..run.schedule.jobs.len() {
            let due = run.schedule.jobs[job].due();
            run.at(due, Act::Ask { job: job as u32, stamp: 0 });
        }
        run
    }

    fn at(&mut self, time: u64, act: Act) {
        self.planned += 1;
        self.queue.push(Reverse((time, self.planned, act)));
    }

    fn all(&mut self) {
        let end = millis(self.plan.length);
        let mut told = 0;
        while let Some(Reverse((time, _, act))) = self.queue.pop() {
            if time >= end {
                break;
            }
            self.timers_until(time);
            self.now = time;
            if time >= told + TELL_EVERY {
                told = time - time % TELL_EVERY;
                self.watcher.progress(Duration::from_millis(told));
            }
            match act {
                Act::Turn { fault, on } => self.turn(fault, on),
                Act::Announce(w) => self.announce(w),
                Act::Ask { job, stamp } if self.schedule.jobs[job as usize].stamp == stamp => {
                    self.ask(job);
                }
                Act::Ask { .. } => {}
                Act::Answer(job) => self.answer(job),
            }
        }
        self.timers_until(end);
        self.now = end;
        for sight in &mut self.sights {
            sight.seen(self.now, false);
        }
    }

    /// A live run journals a tick when a timer is due.
    fn timers_until(&mut self, time: u64) {
        let limit = self.plan.start + Duration::from_millis(time);
        while let Some((due, _)) = self.core.poll_timeout()
            && due < limit
        {
            let due = due.max(self.core.now());
            self.now = self.now.max(due.since(self.plan.start).as_millis() as u64);
            self.happens(due, due, Kind::Tick);
        }
    }

    fn turn(&mut self, fault: u32, on: bool) {
        let before = self.world.dead.clone();
        self.world.turn(&self.plan.faults[fault as usize], on);
        self.active[fault as usize] = on;
        self.world.settle();
        for (d, was) in before.into_iter().enumerate() {
            if was && !self.world.dead[d] {
                self.booted.insert(d as u32, self.now);
            }
        }
        for (sight, active) in self.sights.iter_mut().zip(&self.active) {
            let visible = *active && sight.visible(&self.world);
            sight.seen(self.now, visible);
        }
    }

    fn announce(&mut self, window: u32) {
        let (_, window) = &self.plan.windows[window as usize];
        let operation = if window.silence {
            Operation::Silence(window.clone())
        } else {
            Operation::Maintenance(window.clone())
        };
        let at = self.time(self.now);
        let command = Command { by: window.owner.clone(), operation };
        self.happens(at, at, Kind::Command(command));
    }

    /// A sample begins: what it will find is settled now, when its packets leave.
    fn ask(&mut self, job: u32) {
        self.schedule.begin(job, self.now);
        let j = &self.schedule.jobs[job as usize];
        let way = self.world.ways[j.probe as usize][j.device as usize];
        let pass = way.map_or(0.0, |w| w.pass) * (1.0 - self.plan.background_loss);
        let timeout = millis(j.asking.timeout);
        let rtt_ms = way.map_or(0.0, |w| f64::from(w.hops) * 0.8 + self.dice.unit() * 3.0);
        let (lost, took) = if j.check == "icmp" {
            let packets = j.asking.packets.max(1);
            let lost = (0..packets).filter(|_| !self.dice.chance(pass)).count() as u8;
            let gap = 333.min(timeout / (2 * u64::from(packets)));
            let whole = gap * u64::from(packets - 1) + rtt_ms as u64 + 1;
            (lost, if lost == 0 { whole } else { timeout })
        } else {
            // A request and its one repetition.
            let lost = u8::from(!self.dice.chance(pass) && !self.dice.chance(pass));
            (lost, if lost == 0 { 20 + rtt_ms as u64 * 4 } else { timeout })
        };
        let all = if j.check == "icmp" { j.asking.packets.max(1) } else { 1 };
        let found = Found { at: self.now, reached: way.is_some() && lost < all, lost, rtt_ms };
        self.found[job as usize] = Some(found);
        // The journal takes it a moment later.
        let lag = 2 + self.dice.below(40) as u64;
        self.at(self.now + took + lag, Act::Answer(job));
    }

    fn answer(&mut self, job: u32) {
        let Some(found) = self.found[job as usize].take() else { return };
        let plan = self.plan;
        let inventory: &'a Inventory = &plan.inventory;
        let (device, check, probe, packets) = {
            let j = &self.schedule.jobs[job as usize];
            (j.device, j.check, self.probes[j.probe as usize].clone(), j.asking.packets.max(1))
        };
        let sign = if found.reached { Sign::Good } else { Sign::Bad };
        let ports = (check == "snmp:if-status" && found.reached).then(|| self.ports_down(device));
        let due = self.schedule.answered(job, sign, ports, self.now);
        let stamp = self.schedule.jobs[job as usize].stamp;
        self.at(due.max(self.now), Act::Ask { job, stamp });
        let (at, received) = (self.time(found.at), self.time(self.now));
        let id: &'a str = &inventory.devices[device as usize].id;
        if check == "snmp:if-status" && found.reached {
            for n in 0..self.ports[device as usize].len() {
                let port = &self.ports[device as usize][n];
                let up = self.world.port_up(port.link, port.end);
                let name = port.name.clone();
                let values = [
                    (Cow::Borrowed("oper_status"), if up { 1.0 } else { 2.0 }),
                    (Cow::Borrowed("admin_status"), 1.0),
                ];
                let kind = Kind::Observation(Observation {
                    probe: Cow::Borrowed(&probe),
                    target: Cow::Borrowed(&name),
                    check: Cow::Borrowed(check),
                    outcome: Outcome::Reply(values.into_iter().collect()),
                });
                self.happens(at, received, kind);
            }
            return;
        }
        let outcome = if !found.reached {
            Outcome::NoReply
        } else if check == "icmp" {
            let loss = 100.0 * f64::from(found.lost) / f64::from(packets);
            let values = [("rtt_ms", round(found.rtt_ms, 3)), ("loss_pct", round(loss, 1))];
            Outcome::Reply(values.into_iter().map(|(n, v)| (Cow::Borrowed(n), v)).collect())
        } else {
            let up = match self.booted.get(&device) {
                Some(at) => (self.now - at) as f64 / 1000.0,
                None => UP_SINCE + self.now as f64 / 1000.0,
            };
            Outcome::Reply([(Cow::Borrowed("uptime_s"), up.floor())].into_iter().collect())
        };
        let kind = Kind::Observation(Observation {
            probe: Cow::Borrowed(&probe),
            target: Cow::Borrowed(id),
            check: Cow::Borrowed(check),
            outcome,
        });
        self.happens(at, received, kind);
    }

    fn ports_down(&self, device: u32) -> Vec<u32> {
        let ports = self.ports[device as usize].iter();
        ports.filter(|p| !self.world.port_up(p.link, p.end)).map(|p| p.link).collect()
    }

    fn time(&self, ms: u64) -> Timestamp {
        self.plan.start + Duration::from_millis(ms)
    }

    fn happens(&mut self, at: Timestamp, received: Timestamp, kind: Kind<'_>) {
        self.number += 1;
        let event = Event { at, received: Some(received), kind };
        self.watcher.event(self.number, &event);
        self.ledger.event(&event);
        self.core.handle_event(self.number, &event);
        let mut known = Vec::new();
        while let Some(decision) = self.core.poll_decision() {
            self.watcher.decision(&decision);
            self.ledger.decision(&decision);
            if let Decision::Alarm(a) = &decision
                && matches!(a.state, AlarmState::Held | AlarmState::Raised)
            {
                known.push((a.target.clone(), a.check.clone()));
            }
        }
        for (target, check) in known {
            for job in self.jobs_of(&target, &check) {
                if let Some(due) = self.schedule.confirmed(job) {
                    self.again(job, due);
                }
            }
        }
        while let Some(ask) = self.core.poll_ask() {
            for job in self.jobs_of(&ask.target, ask.check) {
                if let Some(due) = self.schedule.ask(job, self.now) {
                    self.again(job, due);
                }
            }
        }
    }

    fn again(&mut self, job: u32, due: u64) {
        let stamp = self.schedule.jobs[job as usize].stamp;
        self.at(due.max(self.now), Act::Ask { job, stamp });
    }

    fn jobs_of(&self, target: &str, check: &str) -> Vec<u32> {
        let device = self.plan.inventory.device_of(target);
        device.map(|d| self.schedule.of(d.0, check)).unwrap_or_default()
    }
}

fn millis(d: Duration) -> u64 {
    d.as_millis() as u64
}

fn round(x: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (x * scale).round() / scale
}
