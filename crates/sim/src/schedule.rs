//! A probe as the daemon has it, without its sockets: every check has its place in the interval; a
//! first bad answer is asked again every two seconds until the core has confirmed it, a first good
//! one after a failure as well; and what the core wants to know is asked at once, twice an interval.
//!
//! The same rules as `probe::schedule`, which says why they are so. There, phases follow from names;
//! here they are thrown, so that each seed tries others.

use crate::dice::Dice;
use crate::world::probed;
use model::Inventory;
use model::doubt::{Doubt, Sign};
use std::collections::BTreeMap;
use std::time::Duration;

/// How a check is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// How often.
    pub interval: Duration,
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// Packets in one sample of `icmp`.
    pub packets: u8,
    /// How soon again at the first sign of failure; zero: not at all.
    pub ask_again: Duration,
    /// At most this many times.
    pub down_of: u8,
    /// Good answers in a row that end a failure.
    pub up_needs: u8,
}

impl Asking {
    /// What the daemon does when nothing is configured.
    pub fn of(check: &str) -> Asking {
        let ports = check == "snmp:if-status";
        Asking {
            interval: Duration::from_secs(if check == "icmp" { 20 } else { 60 }),
            timeout: Duration::from_secs(2),
            packets: 3,
            ask_again: Duration::from_secs(2),
            down_of: if ports { 2 } else { 5 },
            up_needs: 2,
        }
    }
}

/// Answers to asks at once, an interval.
const ASKS_PER_INTERVAL: f64 = 2.0;

/// The checks that the daemon's own probe can ask.
pub(crate) const CHECKS: [&str; 3] = ["icmp", "snmp:if-status", "snmp:uptime"];

/// One check of one device by one probe. Times are milliseconds from the beginning.
pub(crate) struct Job {
    pub(crate) probe: u32,
    pub(crate) device: u32,
    pub(crate) check: &'static str,
    pub(crate) asking: Asking,
    /// Of its entry that counts.
    pub(crate) stamp: u32,
    normal: u64,
    extra: Option<u64>,
    in_flight: bool,
    wanted_again: bool,
    deferred: bool,
    doubt: Doubt,
    tokens: f64,
    tokens_at: u64,
    began: u64,
    ports_down: Option<Vec<u32>>,
}

/// All jobs.
pub(crate) struct Schedule {
    pub(crate) jobs: Vec<Job>,
    index: BTreeMap<(u32, &'static str), Vec<u32>>,
    /// Samples taken on the grid, and beside it.
    pub(crate) normal: u64,
    pub(crate) extra: u64,
}

impl Schedule {
    /// Everything that the inventory says is asked, by each of its probes.
    pub(crate) fn new(
        inventory: &Inventory,
        asking: &BTreeMap<String, Asking>,
        dice: &mut Dice,
    ) -> Schedule {
        let mut jobs = Vec::new();
        let mut index: BTreeMap<(u32, &'static str), Vec<u32>> = BTreeMap::new();
        for probe in 0..inventory.probes.len().max(1) as u32 {
            for (d, device) in inventory.devices.iter().enumerate() {
                let d = d as u32;
                for check in CHECKS {
                    if !probed(inventory, d) || !device.checks.iter().any(|c| c == check) {
                        continue;
                    }
                    let asking = asking.get(check).copied().unwrap_or_else(|| Asking::of(check));
                    let first = dice.between(Duration::ZERO, asking.interval).as_millis() as u64;
                    index.entry((d, check)).or_default().push(jobs.len() as u32);
                    jobs.push(Job {
                        probe,
                        device: d,
                        check,
                        asking,
                        stamp: 0,
                        normal: first,
                        extra: None,
                        in_flight: false,
                        wanted_again: false,
                        deferred: false,
                        doubt: Doubt::default(),
                        tokens: ASKS_PER_INTERVAL,
                        tokens_at: 0,
                        began: 0,
                        ports_down: None,
                    });
                }
            }
        }
        Schedule { jobs, index, normal: 0, extra: 0 }
    }

    /// The jobs that ask this of that device.
    pub(crate) fn of(&self, device: u32, check: &str) -> Vec<u32> {
        let check = CHECKS.into_iter().find(|c| {
            check.strip_prefix(c).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        });
        check.and_then(|c| self.index.get(&(device, c))).cloned().unwrap_or_default()
    }

    /// A sample of this job begins.
    pub(crate) fn begin(&mut self, job: u32, now: u64) {
        let j = &mut self.jobs[job as usize];
        let extra = j.normal > now;
        *(if extra { &mut self.extra } else { &mut self.normal }) += 1;
        j.extra = None;
        if std::mem::take(&mut j.deferred) && !extra {
            // The grid was faster: the ask has its answer and costs nothing.
            j.tokens += 1.0;
        }
        j.in_flight = true;
        j.began = now;
        j.skip_to(now);
    }

    /// Its answer is here. Gives when it is asked next.
    pub(crate) fn answered(
        &mut self,
        job: u32,
        sign: Sign,
        ports_down: Option<Vec<u32>>,
        now: u64,
    ) -> u64 {
        let j = &mut self.jobs[job as usize];
        j.in_flight = false;
        j.skip_to(now);
        let again = now.max(j.began + j.asking.ask_again.as_millis() as u64);
        if j.doubt.feel(sign, j.asking.down_of, j.asking.up_needs) && !j.asking.ask_again.is_zero()
        {
            j.extra = Some(again);
        }
        if let Some(down) = ports_down {
            if j.ports_down.as_ref().map_or(!down.is_empty(), |was| *was != down) {
                j.extra = Some(now);
            }
            j.ports_down = Some(down);
        }
        if std::mem::take(&mut j.wanted_again) && j.due() > now {
            j.ask(now);
        }
        j.stamp += 1;
        j.due()
    }

    /// The core wants fresh evidence. Gives when it is asked, when that changed.
    pub(crate) fn ask(&mut self, job: u32, now: u64) -> Option<u64> {
        let j = &mut self.jobs[job as usize];
        if j.in_flight {
            j.wanted_again = true;
            return None;
        }
        if j.due() <= now {
            return None;
        }
        j.ask(now);
        j.stamp += 1;
        Some(j.due())
    }

    /// The core knows: asking again says nothing new. Gives when it is asked, when that changed.
    pub(crate) fn confirmed(&mut self, job: u32) -> Option<u64> {
        let j = &mut self.jobs[job as usize];
        if !j.doubt.confirmed() || j.in_flight {
            return None;
        }
        j.extra = None;
        j.deferred = false;
        j.stamp += 1;
        Some(j.due())
    }
}

impl Job {
    pub(crate) fn due(&self) -> u64 {
        self.extra.map_or(self.normal, |extra| extra.min(self.normal))
    }

    fn interval(&self) -> u64 {
        (self.asking.interval.as_millis() as u64).max(100)
    }

    fn skip_to(&mut self, now: u64) {
        if self.normal <= now {
            self.normal += self.interval() * ((now - self.normal) / self.interval() + 1);
        }
    }

    fn ask(&mut self, now: u64) {
        if self.deferred {
            return;
        }
        let each = self.asking.interval.as_millis() as f64 / ASKS_PER_INTERVAL;
        let since = now.saturating_sub(self.tokens_at) as f64 / each;
        self.tokens = (self.tokens + since).min(ASKS_PER_INTERVAL) - 1.0;
        self.tokens_at = now;
        let at = now + ((-self.tokens).max(0.0) * each) as u64;
        self.extra = Some(self.extra.map_or(at, |extra| extra.min(at)));
        self.deferred = at > now;
    }
}
