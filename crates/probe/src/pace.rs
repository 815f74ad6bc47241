//! Lets packets leave evenly.
//!
//! A burst of a thousand echo requests brings a thousand answers at once, and what does not fit
//! the receive buffer is loss that we made ourselves. So each packet takes a slot from here first:
//! a token bucket kept as one instant (GCRA), the time at which the next slot is free.

use std::sync::Mutex;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How much of a second may leave at once after a silence.
const BURST: Duration = Duration::from_millis(10);

/// The smallest burst, so that one sample never waits on an idle line.
const BURST_PACKETS_MIN: u32 = 8;

/// Lets packets leave evenly, at most so many a second. Shared by all engines.
#[derive(Debug)]
pub struct Pace {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What the plan wants.
    wanted: u32,
    /// What the receive buffers bear.
    bearable: u32,
    /// When the next slot is free.
    next: Option<Instant>,
}

impl Pace {
    /// At most `pps` packets a second (0 counts as 1).
    pub fn new(pps: u32) -> Pace {
        Pace { state: Mutex::new(State { wanted: pps.max(1), bearable: u32::MAX, next: None }) }
    }

    /// Changes the rate.
    pub fn set(&self, pps: u32) {
        self.lock().wanted = pps.max(1);
    }

    /// Keeps the rate at or below what a receive buffer bears, whatever the plan wants.
    pub fn bear(&self, pps: u32) {
        let mut state = self.lock();
        state.bearable = state.bearable.min(pps.max(1));
    }

    /// The rate in force.
    pub fn pps(&self) -> u32 {
        let state = self.lock();
        state.wanted.min(state.bearable)
    }

    /// Waits until one packet may leave.
    pub async fn take(&self) {
        let now = Instant::now();
        let slot = self.lock().reserve(now);
        if slot > now {
            sleep_until(slot).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    fn reserve(&mut self, now: Instant) -> Instant {
        let gap = Duration::from_secs(1) / self.wanted.min(self.bearable);
        let burst = BURST.max(gap * BURST_PACKETS_MIN);
        let earliest = now.checked_sub(burst).unwrap_or(now);
        let slot = self.next.map_or(earliest, |next| next.max(earliest));
        self.next = Some(slot + gap);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thousand_packets_at_a_thousand_a_second_take_a_second() {
        let pace = Pace::new(1000);
        let start = Instant::now();
        let mut last = start;
        let mut in_window = 0;
        let mut most = 0;
        for _ in 0..1000 {
            pace.take().await;
            let now = Instant::now();
            if now - last >= Duration::from_millis(10) {
                last = now;
                in_window = 0;
            }
            in_window += 1;
            most = most.max(in_window);
        }
        let took = start.elapsed();
        assert!(
            took > Duration::from_millis(950) && took < Duration::from_millis(1050),
            "{took:?}"
        );
        assert!(most <= 25, "{most} packets within 10 ms");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_buffer_bears_wins_over_the_plan() {
        let pace = Pace::new(1000);
        pace.bear(100);
        pace.set(5000);
        assert_eq!(pace.pps(), 100);
        let start = Instant::now();
        for _ in 0..108 {
            pace.take().await;
        }
        assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    }
}
