//! How often a desk may be asked: so many requests a minute, a few of them at once.

use model::Timestamp;
use std::time::Duration;

/// A meter that lets requests through evenly, with a small burst for a desk that was quiet.
/// (GCRA: one instant is all the memory it needs.)
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// Between two requests at full speed; all three are in microseconds.
    step: i64,
    /// How far ahead of full speed a burst may run.
    burst_time: i64,
    /// When the next request would be due at full speed.
    due: i64,
}

impl Pace {
    /// `per_minute` requests a minute, `burst` of them at once.
    pub(crate) fn new(per_minute: u32, burst: u32) -> Pace {
        let step = 60_000_000 / i64::from(per_minute.max(1));
        Pace { step, burst_time: step * i64::from(burst.max(1)), due: i64::MIN / 4 }
    }

    /// When the next request may leave: now, or later.
    pub(crate) fn next(&self, now: Timestamp) -> Timestamp {
        let earliest = self.due + self.step - self.burst_time;
        let wait = earliest - now.as_millis() * 1000;
        if wait <= 0 {
            now
        } else {
            now + Duration::from_millis(u64::try_from(wait).unwrap_or(0).div_ceil(1000))
        }
    }

    /// When one may leave that half of a burst is kept free for.
    pub(crate) fn next_leaving_half(&self, now: Timestamp) -> Timestamp {
        Pace { burst_time: self.burst_time / 2 / self.step * self.step, ..self.clone() }.next(now)
    }

    /// One leaves.
    pub(crate) fn take(&mut self, now: Timestamp) {
        self.due = self.due.max(now.as_millis() * 1000) + self.step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_minute_is_kept() {
        let mut pace = Pace::new(60, 5);
        let start = Timestamp::from_millis(1_000_000);
        let mut now = start;
        let mut left = 0;
        while now < start + Duration::from_mins(1) {
            if pace.next(now) <= now {
                pace.take(now);
                left += 1;
            }
            now = now + Duration::from_millis(10);
        }
        assert!((60..=66).contains(&left), "{left}");
    }
}
