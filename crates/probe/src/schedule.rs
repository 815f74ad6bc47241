//! When each check is asked. Opens no socket, reads no clock: instants are arguments.
//!
//! Every (target, check) is a *job* with a place of its own in the interval, taken from a hash of
//! its names: the checks spread evenly, a restart asks in the same order, and a reload moves
//! nobody. Beside this grid a job may have one *extra* time, for one of three causes:
//!
//! * **doubt** — a bad answer is asked again every `ask_again`, so that three silent samples take
//!   six seconds and not a minute; it ends with a good answer, after `down_of` times, or when the
//!   core has confirmed it. The other way round as well: the first good answer after a failure is
//!   asked again until `up_needs` of them came in a row;
//! * **a port turned** — its table is read once more at once;
//! * **an ask** — the core needs fresh evidence. A target bears three times its normal packets: two
//!   asks an interval are answered at once, further ones when their time comes.
//!
//! Doubt has its own end, so the two bounds add up: a target never gets more than
//! `down_of + up_needs` extra samples for a change of state and two an interval for asks.
//!
//! Called in order: `handle_*` for what happened, then [`Schedule::poll_start`] until it gives
//! nothing, then sleep until [`Schedule::poll_timeout`].

use crate::plan::{Ask, Check, CheckPlan, Plan, Target};
use model::doubt::{Doubt, Sign};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The most echo samples in flight: at two seconds each for silent targets, a thousand a second.
const ICMP_IN_FLIGHT_MAX: usize = 2048;

/// The most SNMP readings in flight; at four thousand, one shared socket was seen to lose answers.
const SNMP_IN_FLIGHT_MAX: usize = 512;

/// No check is asked more often than this, whatever the plan says.
const INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Asks of the core that are answered at once, an interval.
const ASKS_PER_INTERVAL: f64 = 2.0;

/// What a finished sample tells the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub sign: Sign,
    /// The ports that are down now, when ports were read.
    pub ports_down: Option<BTreeSet<String>>,
}

/// A sample to take now.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub ticket: Ticket,
    pub target: Arc<Target>,
    pub plan: CheckPlan,
    /// How long ago it was due.
    pub lag: Duration,
    /// It is off the grid: doubt, a port, or an ask.
    pub extra: bool,
}

/// Says which job a sample belongs to, when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    job: u32,
    serial: u64,
    lane: usize,
    began: Instant,
}

/// What became of an ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is asked now.
    Asked,
    /// It was due already.
    Joined,
    /// The target has had its share; it is asked when it may be.
    Deferred,
    /// Nobody of that name is asked that.
    Unknown,
}

impl Heard {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Heard::Asked => "asked",
            Heard::Joined => "joined",
            Heard::Deferred => "deferred",
            Heard::Unknown => "unknown",
        }
    }
}

/// All jobs and their times.
pub(crate) struct Schedule {
    /// The grid is counted from here.
    origin: Instant,
    jobs: Vec<Option<Job>>,
    free: Vec<u32>,
    index: HashMap<Arc<str>, [Option<u32>; Check::ALL.len()]>,
    /// One for each engine, so that a slow one does not hold the other back.
    lanes: [Lane; 2],
    next_serial: u64,
}

struct Lane {
    protocol: &'static str,
    /// (due, job, stamp); an entry whose stamp is not the job's is void.
    due: BinaryHeap<Reverse<(Instant, u32, u32)>>,
    in_flight: usize,
    in_flight_max: usize,
    /// Something is due and waits for room.
    held: bool,
}

struct Job {
    target: Arc<Target>,
    plan: CheckPlan,
    /// A sample that comes back with another serial is about something we ask no more.
    serial: u64,
    /// Of its valid entry in the heap.
    stamp: u32,
    /// Its next place on the grid.
    normal: Instant,
    /// Off the grid.
    extra: Option<Instant>,
    in_flight: bool,
    /// Asked for while it was in flight.
    wanted_again: bool,
    /// An ask waits for its time, and has been paid for.
    deferred: bool,
    doubt: Doubt,
    asks: Budget,
    /// As last read.
    ports_down: Option<BTreeSet<String>>,
}

struct Budget {
    tokens: f64,
    at: Instant,
}

impl Schedule {
    pub(crate) fn new(origin: Instant) -> Schedule {
        let lane = |protocol, in_flight_max| Lane {
            protocol,
            due: BinaryHeap::new(),
            in_flight: 0,
            in_flight_max,
            held: false,
        };
        Schedule {
            origin,
            jobs: Vec::new(),
            free: Vec::new(),
            index: HashMap::new(),
            lanes: [lane("icmp", ICMP_IN_FLIGHT_MAX), lane("snmp", SNMP_IN_FLIGHT_MAX)],
            next_serial: 0,
        }
    }

    /// A plan takes the place of the one before. What is the same in both goes on undisturbed.
    pub(crate) fn handle_plan(&mut self, plan: &Plan, now: Instant) {
        let mut old = std::mem::take(&mut self.index);
        for target in &plan.targets {
            let slots = self.index.entry(target.id.clone()).or_default();
            for check in &target.checks {
                if slots[slot(check.check)].is_some() {
                    // The same check twice: the first one counts.
                    continue;
                }
                let check = CheckPlan { interval: check.interval.max(INTERVAL_MIN), ..*check };
                let known = old.get_mut(&target.id).and_then(|s| s[slot(check.check)].take());
                slots[slot(check.check)] = Some(if let Some(at) = known {
                    let job = self.jobs[at as usize].as_mut().expect("indexed jobs exist");
                    job.adapt(target, check, self.next_serial, self.origin, now);
                    at
                } else {
                    let job = Job::new(target, check, self.next_serial, self.origin, now);
                    let at = self.free.pop().unwrap_or_else(|| {
                        self.jobs.push(None);
                        u32::try_from(self.jobs.len() - 1).expect("a plan fits 32 bits")
                    });
                    self.jobs[at as usize] = Some(job);
                    at
                });
                self.next_serial += 1;
            }
        }
        for gone in old.into_values().flatten().flatten() {
            self.jobs[gone as usize] = None;
            self.free.push(gone);
        }
        // Every entry is written anew: nothing void stays behind.
        for lane in &mut self.lanes {
            lane.due.clear();
        }
        for at in 0..self.jobs.len() {
            self.enter(at as u32);
        }
    }

    /// The core wants fresh evidence.
    pub(crate) fn handle_ask(&mut self, ask: &Ask, now: Instant) -> Heard {
        let Some(at) = self.find(ask) else { return Heard::Unknown };
        let job = self.jobs[at as usize].as_mut().expect("found jobs exist");
        if job.in_flight {
            if job.wanted_again {
                return Heard::Joined;
            }
            job.wanted_again = true;
            return Heard::Asked;
        }
        if job.due() <= now {
            return Heard::Joined;
        }
        let heard = job.ask(now);
        self.enter(at);
        heard
    }

    /// The core has confirmed a failure: asking again every two seconds says nothing new.
    pub(crate) fn handle_confirmed(&mut self, ask: &Ask) {
        let Some(at) = self.find(ask) else { return };
        let job = self.jobs[at as usize].as_mut().expect("found jobs exist");
        if job.doubt.confirmed() && !job.in_flight {
            job.extra = None;
            job.deferred = false;
            self.enter(at);
        }
    }

    /// A sample came back. `false`: its target is not asked any more (or has another address), and
    /// what it said is to be thrown away.
    pub(crate) fn handle_answer(&mut self, ticket: Ticket, finding: Finding, now: Instant) -> bool {
        let lane = &mut self.lanes[ticket.lane];
        lane.in_flight -= 1;
        lane.held = false;
        let Some(Some(job)) = self.jobs.get_mut(ticket.job as usize) else { return false };
        if job.serial != ticket.serial {
            return false;
        }
        job.in_flight = false;
        job.skip_to(now);
        let again = now.max(ticket.began + job.plan.ask_again);
        if job.doubt.feel(finding.sign, job.plan.down_of, job.plan.up_needs) {
            job.extra = Some(again);
        }
        if let Some(down) = finding.ports_down {
            if job.ports_down.as_ref().map_or(!down.is_empty(), |was| *was != down) {
                job.extra = Some(now);
            }
            job.ports_down = Some(down);
        }
        if std::mem::take(&mut job.wanted_again) && job.due() > now {
            job.ask(now);
        }
        self.enter(ticket.job);
        true
    }

    /// The next sample to take. Ask until there is none.
    pub(crate) fn poll_start(&mut self, now: Instant) -> Option<Start> {
        for (number, lane) in self.lanes.iter_mut().enumerate() {
            while let Some(Reverse((due, at, stamp))) = lane.due.peek().copied() {
                let valid = self.jobs[at as usize].as_mut().filter(|j| j.stamp == stamp);
                let Some(job) = valid else {
                    lane.due.pop();
                    continue;
                };
                if due > now || lane.in_flight >= lane.in_flight_max {
                    break;
                }
                lane.due.pop();
                lane.in_flight += 1;
                let extra = job.normal > now;
                job.extra = None;
                if std::mem::take(&mut job.deferred) && !extra {
                    // The grid was faster: the ask has its answer and costs nothing.
                    job.asks.tokens += 1.0;
                }
                job.in_flight = true;
                job.stamp = job.stamp.wrapping_add(1);
                job.skip_to(now);
                return Some(Start {
                    ticket: Ticket { job: at, serial: job.serial, lane: number, began: now },
                    target: job.target.clone(),
                    plan: job.plan,
                    lag: now - due,
                    extra,
                });
            }
        }
        None
    }

    /// When to come back. A lane without room is woken by an answer instead.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.lanes
            .iter()
            .filter(|lane| lane.in_flight < lane.in_flight_max)
            .filter_map(|lane| lane.due.peek().map(|Reverse((due, ..))| *due))
            .min()
    }

    /// The lanes in which something has begun to wait for room since this was last asked.
    pub(crate) fn poll_held(&mut self, now: Instant) -> impl Iterator<Item = &'static str> {
        self.lanes.iter_mut().filter_map(move |lane| {
            let full = lane.in_flight >= lane.in_flight_max
                && lane.due.peek().is_some_and(|Reverse((due, ..))| *due <= now);
            (full && !std::mem::replace(&mut lane.held, true)).then_some(lane.protocol)
        })
    }

    /// Checks on the schedule.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len() - self.free.len()
    }

    /// Samples in flight, by protocol.
    pub(crate) fn in_flight(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.lanes.iter().map(|lane| (lane.protocol, lane.in_flight))
    }

    /// Writes the job's next time into its lane.
    fn enter(&mut self, at: u32) {
        let Some(job) = self.jobs[at as usize].as_mut() else { return };
        job.stamp = job.stamp.wrapping_add(1);
        if !job.in_flight {
            let lane = &mut self.lanes[usize::from(job.plan.check.protocol() == "snmp")];
            lane.due.push(Reverse((job.due(), at, job.stamp)));
        }
    }

    /// `semarang/sw1` with `icmp:loss` is the job (`semarang/sw1`, icmp); `semarang/sw1/Gi0/1` is
    /// a port of the longest device that is a prefix of it.
    fn find(&self, ask: &Ask) -> Option<u32> {
        let check = Check::ALL.into_iter().find(|c| {
            ask.check.strip_prefix(c.word()).is_some_and(|r| r.is_empty() || r.starts_with(':'))
        })?;
        let mut name: &str = &ask.target;
        loop {
            if let Some(job) = self.index.get(name).and_then(|slots| slots[slot(check)]) {
                return Some(job);
            }
            name = &name[..name.rfind('/')?];
        }
    }
}

impl Job {
    fn new(
        target: &Arc<Target>,
        plan: CheckPlan,
        serial: u64,
        origin: Instant,
        now: Instant,
    ) -> Job {
        Job {
            target: target.clone(),
            plan,
            serial,
            stamp: 0,
            normal: next_on_grid(origin, &target.id, &plan, now),
            extra: None,
            in_flight: false,
            wanted_again: false,
            deferred: false,
            doubt: Doubt::default(),
            asks: Budget { tokens: ASKS_PER_INTERVAL, at: now },
            ports_down: None,
        }
    }

    /// The same job in a new plan. At another address it is about somebody else: what is on its way
    /// does not count, and nothing is known.
    fn adapt(
        &mut self,
        target: &Arc<Target>,
        plan: CheckPlan,
        serial: u64,
        origin: Instant,
        now: Instant,
    ) {
        if self.target.address != target.address {
            self.serial = serial;
            self.in_flight = false;
            self.doubt = Doubt::default();
            self.ports_down = None;
        }
        if self.plan.interval != plan.interval {
            self.normal = next_on_grid(origin, &target.id, &plan, now);
        }
        self.target = target.clone();
        self.plan = plan;
    }

    fn due(&self) -> Instant {
        self.extra.map_or(self.normal, |extra| extra.min(self.normal))
    }

    /// Moves the grid's next place behind `now`.
    fn skip_to(&mut self, now: Instant) {
        if self.normal <= now {
            let behind = (now - self.normal).as_nanos() / self.plan.interval.as_nanos();
            self.normal += self.plan.interval * (u32::try_from(behind).unwrap_or(u32::MAX - 1) + 1);
        }
    }

    /// Asks now, or when the target bears it.
    fn ask(&mut self, now: Instant) -> Heard {
        if self.deferred {
            return Heard::Deferred;
        }
        let at = self.asks.take(now, self.plan.interval);
        self.extra = Some(self.extra.map_or(at, |extra| extra.min(at)));
        self.deferred = at > now;
        if self.deferred { Heard::Deferred } else { Heard::Asked }
    }
}

impl Budget {
    /// Takes one, and says from when on it may be used.
    fn take(&mut self, now: Instant, interval: Duration) -> Instant {
        let each = interval.as_secs_f64() / ASKS_PER_INTERVAL;
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + since / each).min(ASKS_PER_INTERVAL) - 1.0;
        self.at = now;
        now + Duration::from_secs_f64((-self.tokens).max(0.0) * each)
    }
}

fn slot(check: Check) -> usize {
    match check {
        Check::Icmp => 0,
        Check::Uptime => 1,
        Check::IfStatus => 2,
    }
}

/// The first place of a job on its grid that is not before `now`.
fn next_on_grid(origin: Instant, target: &str, plan: &CheckPlan, now: Instant) -> Instant {
    let share = phase(target, plan.check.word());
    let first = origin + plan.interval.mul_f64(share);
    if first >= now {
        return first;
    }
    let behind = (now - first).as_nanos().div_ceil(plan.interval.as_nanos());
    first + plan.interval * u32::try_from(behind).unwrap_or(u32::MAX)
}

/// A job's place in its interval, from 0 to 1: FNV-1a over the names, finished as in SplitMix64,
/// since FNV alone leaves neighbouring names close together.
fn phase(target: &str, check: &str) -> f64 {
    let mut h = 0xcbf2_9ce4_8422_2325_u64;
    for byte in target.bytes().chain([0]).chain(check.bytes()) {
        h = (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^= h >> 31;
    (h >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
#[allow(clippy::unchecked_time_subtraction)] // where it is less than zero, the test is to fail
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn plan_of(targets: &[(&str, &str)], interval: Duration) -> Plan {
        plan_with(targets, CheckPlan { interval, ..CheckPlan::of(Check::Icmp) })
    }

    fn plan_with(targets: &[(&str, &str)], check: CheckPlan) -> Plan {
        let targets = targets
            .iter()
            .map(|(id, address)| {
                Arc::new(Target {
                    id: (*id).into(),
                    address: (*address).into(),
                    checks: vec![check],
                    snmp: None,
                    ports: vec![],
                })
            })
            .collect();
        Plan { probe: "p".into(), pps: 1000, targets }
    }

    fn ask(target: &str, check: &str) -> Ask {
        Ask { target: target.into(), check: check.into() }
    }

    fn finding(sign: Sign) -> Finding {
        Finding { sign, ports_down: None }
    }

    /// Runs the schedule alone: each sample takes `took(sign)` and its sign is `answer(when, id)`.
    /// Gives every start as (time since the origin, target).
    fn drive(
        schedule: &mut Schedule,
        from: Instant,
        until: Instant,
        mut answer: impl FnMut(Duration, &str) -> Sign,
    ) -> Vec<(Duration, String)> {
        let origin = schedule.origin;
        let mut starts = Vec::new();
        let mut flying: Vec<(Instant, Ticket, Sign)> = Vec::new();
        let mut now = from;
        loop {
            flying.sort_by_key(|f| f.0);
            while flying.first().is_some_and(|f| f.0 <= now) {
                let (_, ticket, sign) = flying.remove(0);
                schedule.handle_answer(ticket, finding(sign), now);
            }
            while let Some(start) = schedule.poll_start(now) {
                let sign = answer(now - origin, &start.target.id);
                let took = if sign == Sign::Good { S / 10 } else { start.plan.timeout };
                starts.push((now - origin, start.target.id.to_string()));
                flying.push((now + took, start.ticket, sign));
            }
            let next = schedule.poll_timeout().into_iter().chain(flying.iter().map(|f| f.0)).min();
            match next {
                Some(next) if next <= until => now = next.max(now),
                _ => return starts,
            }
        }
    }

    #[test]
    fn checks_spread_evenly_over_the_interval() {
        let ids: Vec<String> = (0..2000).map(|i| format!("site{}/sw{}", i / 20, i % 20)).collect();
        let pairs: Vec<(&str, &str)> = ids.iter().map(|i| (i.as_str(), "10.0.0.1")).collect();
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&pairs, 20 * S), t0);
        assert_eq!(schedule.len(), 2000);
        let mut starts = drive(&mut schedule, t0, t0 + 40 * S, |_, _| Sign::Good);
        let again = starts.split_off(2000);
        let mut seconds = [0u32; 20];
        for (at, _) in &starts {
            seconds[(at.as_secs() as usize).min(19)] += 1;
        }
        // 100 each; four standard deviations of a fair spread are 40.
        assert!(seconds.iter().all(|n| (60..=140).contains(n)), "{seconds:?}");
        assert_eq!(again.len(), 2000);
        assert!(starts.iter().zip(&again).all(|(a, b)| a.1 == b.1 && b.0 - a.0 == 20 * S));
    }

    #[test]
    fn a_silent_target_is_asked_again_every_two_seconds_and_then_as_usual() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "10.0.0.1")], 20 * S), t0);
        let mut silent_since = None;
        let starts = drive(&mut schedule, t0, t0 + 100 * S, |at, _| {
            if at > 25 * S {
                silent_since.get_or_insert(at);
                Sign::Bad
            } else {
                Sign::Good
            }
        });
        let since = silent_since.unwrap();
        let after: Vec<u64> =
            starts.iter().filter(|s| s.0 >= since).map(|s| (s.0 - since).as_secs()).collect();
        // The first sample, five re-asks, then the grid.
        assert_eq!(after, [0, 2, 4, 6, 8, 10, 20, 40, 60][..after.len()]);
        assert!(after.len() >= 8, "{after:?}");
    }

    #[test]
    fn doubt_ends_with_a_good_answer_and_when_the_core_has_confirmed() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "10.0.0.1")], 60 * S), t0);
        // Two silent samples, then good.
        let mut n = 0;
        let starts = drive(&mut schedule, t0, t0 + 60 * S, |_, _| {
            n += 1;
            if n <= 2 { Sign::Bad } else { Sign::Good }
        });
        assert_eq!(starts.len(), 3, "{starts:?}");

        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "10.0.0.1")], 60 * S), t0);
        let first = schedule.poll_timeout().unwrap();
        let starts = drive(&mut schedule, t0, first + 3 * S, |_, _| Sign::Bad);
        assert_eq!(starts.len(), 2);
        schedule.handle_confirmed(&ask("a", "icmp"));
        let starts = drive(&mut schedule, first + 4 * S, first + 59 * S, |_, _| Sign::Bad);
        // The sample that was in flight was the last of them: `drive` forgets it.
        assert!(starts.is_empty(), "{starts:?}");
    }

    #[test]
    fn a_first_good_answer_after_a_failure_is_asked_again_too() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "10.0.0.1")], 60 * S), t0);
        let first = schedule.poll_timeout().unwrap() - t0;
        let starts = drive(&mut schedule, t0, t0 + first + 200 * S, |at, _| {
            if at < first + 59 * S { Sign::Bad } else { Sign::Good }
        });
        let at: Vec<u64> = starts.iter().map(|s| (s.0 - first).as_secs()).collect();
        assert_eq!(at, [0, 2, 4, 6, 8, 10, 60, 62, 120, 180]);
    }

    #[test]
    fn that_we_could_not_ask_is_no_suspicion() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "10.0.0.1")], 20 * S), t0);
        let starts = drive(&mut schedule, t0, t0 + 100 * S, |_, _| Sign::Unsure);
        assert_eq!(starts.len(), 5);
    }

    #[test]
    fn an_interval_shorter_than_a_silent_sample_does_not_pile_up() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "10.0.0.1")], S), t0);
        let starts = drive(&mut schedule, t0, t0 + 60 * S, |_, _| Sign::Bad);
        assert!((20..=31).contains(&starts.len()), "{}", starts.len());
        assert!(starts.windows(2).all(|w| w[1].0 - w[0].0 >= 2 * S));
    }

    #[test]
    fn asks_are_answered_at_once_within_the_share_of_a_target() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a/sw1", "10.0.0.1")], 60 * S), t0);
        // Away from the grid, so that the counts below are of asks alone.
        let mut now = schedule.poll_timeout().unwrap() + S;
        drive(&mut schedule, t0, now, |_, _| Sign::Good);
        let take = |schedule: &mut Schedule, now| {
            let start = schedule.poll_start(now)?;
            schedule.handle_answer(start.ticket, finding(Sign::Good), now);
            Some(start.lag)
        };
        assert_eq!(schedule.handle_ask(&ask("a/sw1", "icmp:loss"), now), Heard::Asked);
        assert_eq!(schedule.handle_ask(&ask("a/sw1", "icmp"), now), Heard::Joined);
        assert_eq!(take(&mut schedule, now), Some(Duration::ZERO));
        assert_eq!(take(&mut schedule, now), None, "two asks, one sample");
        now += S;
        assert_eq!(schedule.handle_ask(&ask("a/sw1/Gi0/1", "icmp"), now), Heard::Asked);
        assert!(take(&mut schedule, now).is_some());
        now += S;
        assert_eq!(schedule.handle_ask(&ask("a/sw1", "icmp"), now), Heard::Deferred);
        assert_eq!(take(&mut schedule, now), None);
        assert!(schedule.poll_timeout().unwrap() <= now + 30 * S, "when its share has grown again");
        for other in [ask("b", "icmp"), ask("a/sw1", "snmp:uptime"), ask("a/sw1", "icmpx")] {
            assert_eq!(schedule.handle_ask(&other, now), Heard::Unknown, "{other:?}");
        }
    }

    #[test]
    fn however_often_the_core_asks_a_target_gets_three_times_its_packets() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "10.0.0.1")], 20 * S), t0);
        let mut samples = 0;
        for ms in (0..200_000).step_by(50) {
            let now = t0 + Duration::from_millis(ms);
            schedule.handle_ask(&ask("a", "icmp"), now);
            while let Some(start) = schedule.poll_start(now) {
                samples += 1;
                schedule.handle_answer(start.ticket, finding(Sign::Good), now);
            }
        }
        // Ten of the grid, twenty asks, and the two the target had saved up.
        assert!((30..=33).contains(&samples), "{samples}");
    }

    #[test]
    fn an_ask_during_a_sample_brings_another_one_after_it() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "10.0.0.1")], 60 * S), t0);
        let now = schedule.poll_timeout().unwrap();
        let start = schedule.poll_start(now).unwrap();
        assert_eq!(schedule.handle_ask(&ask("a", "icmp"), now), Heard::Asked);
        assert_eq!(schedule.handle_ask(&ask("a", "icmp"), now), Heard::Joined);
        assert!(schedule.poll_start(now).is_none(), "never two at a time");
        assert!(schedule.handle_answer(start.ticket, finding(Sign::Good), now + S));
        assert!(schedule.poll_start(now + S).unwrap().extra);
    }

    #[test]
    fn a_port_that_turns_is_read_once_more_at_once() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_with(&[("a", "h")], CheckPlan::of(Check::IfStatus)), t0);
        let mut now = schedule.poll_timeout().unwrap();
        let read = |schedule: &mut Schedule, now: Instant, down: &[&str]| {
            let start = schedule.poll_start(now).expect("due");
            let ports_down = Some(down.iter().map(|p| (*p).to_owned()).collect());
            schedule.handle_answer(start.ticket, Finding { sign: Sign::Good, ports_down }, now);
            schedule.poll_timeout().unwrap() == now
        };
        assert!(!read(&mut schedule, now, &[]), "all up: as usual");
        now = schedule.poll_timeout().unwrap();
        assert!(read(&mut schedule, now, &["Gi0/1"]), "down: at once");
        assert!(!read(&mut schedule, now, &["Gi0/1"]), "still down: known");
        now = schedule.poll_timeout().unwrap();
        assert!(!read(&mut schedule, now, &["Gi0/1"]), "and no more");
        now = schedule.poll_timeout().unwrap();
        assert!(read(&mut schedule, now, &[]), "up again: at once");
    }

    #[test]
    fn a_reload_moves_nobody_and_forgets_who_is_gone() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "1"), ("b", "2"), ("c", "3")], 20 * S), t0);
        let before = drive(&mut schedule, t0, t0 + 20 * S, |_, _| Sign::Good);
        let place = |starts: &[(Duration, String)], id: &str| {
            starts.iter().find(|s| s.1 == id).map(|s| s.0)
        };
        // b gone, d new, c elsewhere.
        let now = t0 + 20 * S;
        schedule.handle_plan(&plan_of(&[("a", "1"), ("d", "4"), ("c", "9")], 20 * S), now);
        assert_eq!(schedule.len(), 3);
        let after = drive(&mut schedule, now, now + 20 * S, |_, _| Sign::Good);
        assert_eq!(place(&after, "a"), place(&before, "a").map(|t| t + 20 * S));
        assert_eq!(place(&after, "c"), place(&before, "c").map(|t| t + 20 * S));
        assert_eq!(place(&after, "b"), None);
        assert!(place(&after, "d").is_some());
        assert_eq!(after.len(), 3);
    }

    #[test]
    fn what_comes_back_after_a_reload_is_thrown_away_when_it_is_about_somebody_else() {
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        schedule.handle_plan(&plan_of(&[("a", "1"), ("b", "2")], 20 * S), t0);
        let now = t0 + 20 * S;
        let mut flying = Vec::new();
        while let Some(start) = schedule.poll_start(now) {
            flying.push(start);
        }
        assert_eq!(flying.len(), 2);
        schedule.handle_plan(&plan_of(&[("a", "9")], 20 * S), now);
        for start in flying {
            assert!(!schedule.handle_answer(start.ticket, finding(Sign::Bad), now));
        }
        assert_eq!(schedule.in_flight().map(|f| f.1).sum::<usize>(), 0);
        assert!(schedule.poll_timeout().unwrap() > now);
    }

    #[test]
    fn the_most_samples_in_flight_are_bounded_and_the_other_engine_goes_on() {
        let ids: Vec<String> = (0..3000).map(|i| format!("d{i}")).collect();
        let t0 = Instant::now();
        let mut schedule = Schedule::new(t0);
        let mut plan = Plan::default();
        for id in &ids {
            plan.targets.push(Arc::new(Target {
                id: id.as_str().into(),
                address: "h".into(),
                checks: vec![CheckPlan::of(Check::Icmp), CheckPlan::of(Check::Uptime)],
                snmp: None,
                ports: vec![],
            }));
        }
        schedule.handle_plan(&plan, t0);
        let now = t0 + 60 * S;
        let mut flying = Vec::new();
        while let Some(start) = schedule.poll_start(now) {
            flying.push(start.ticket);
        }
        assert_eq!(flying.len(), ICMP_IN_FLIGHT_MAX + SNMP_IN_FLIGHT_MAX);
        assert_eq!(schedule.poll_held(now).collect::<Vec<_>>(), ["icmp", "snmp"]);
        assert_eq!(schedule.poll_held(now).count(), 0, "told once");
        assert_eq!(schedule.poll_timeout(), None, "woken by an answer");
        schedule.handle_answer(flying[0], finding(Sign::Good), now);
        assert!(schedule.poll_start(now).is_some());
        assert!(schedule.poll_start(now).is_none());
    }
}
