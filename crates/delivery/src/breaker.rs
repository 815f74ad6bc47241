//! Whether a desk is asked at all. After several failures in a row it is left alone for a while, then
//! tried with one request; what that one comes to decides for all.
//!
//! Without it, a thousand tickets that wait for a desk that is away would each try on their own. Known
//! to this process only: a new one begins by asking. Each desk has its own, so that none delays another.

use crate::answer::{Answer, Outcome};
use crate::backoff::backoff;
use crate::rules::DeskRules;
use model::{IncidentId, Timestamp};
use std::time::Duration;

/// After so many failures in a row a desk is left alone.
const FAILURES: u32 = 5;

/// The first pause; it doubles up to the desk's `retry_max`, or stays at that where that is shorter.
const FIRST_PAUSE: Duration = Duration::from_secs(2);

/// How a desk is asked at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BreakerState {
    /// As usual.
    #[default]
    Closed,
    /// Not at all until then: it failed several times in a row.
    Open {
        /// When one request tries it.
        until: Timestamp,
    },
    /// With one request, which is under way.
    HalfOpen {
        /// When that one counts as gone, should nothing be heard of it.
        until: Timestamp,
    },
}

impl BreakerState {
    /// The word for status and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            BreakerState::Closed => "closed",
            BreakerState::Open { .. } => "open",
            BreakerState::HalfOpen { .. } => "half-open",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Breaker {
    state: BreakerState,
    /// Failures in a row while it is closed.
    failures: u32,
    /// How often it opened in a row.
    opened: u32,
    /// Whose request tried the desk last, so that the next one is another's: a ticket that the desk
    /// chokes on shall not speak for all.
    tried: Option<IncidentId>,
}

impl Breaker {
    pub(crate) fn state(&self) -> BreakerState {
        self.state
    }

    /// Nothing leaves before; `None`: whatever is due may.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        match self.state {
            BreakerState::Closed => None,
            BreakerState::Open { until } | BreakerState::HalfOpen { until } => Some(until),
        }
    }

    pub(crate) fn lets_pass(&self, now: Timestamp) -> bool {
        self.until().is_none_or(|until| until <= now)
    }

    /// Whose turn it was last, while the desk is only tried.
    pub(crate) fn tried(&self) -> Option<&IncidentId> {
        self.tried.as_ref().filter(|_| self.state != BreakerState::Closed)
    }

    /// A request of `incident` is about to leave.
    pub(crate) fn asks(&mut self, incident: &IncidentId, rules: &DeskRules, now: Timestamp) {
        if self.state != BreakerState::Closed {
            // Should it be called off, or its answer be lost on the way here, another one tries.
            self.state = BreakerState::HalfOpen { until: now + rules.timeout * 2 };
            self.tried = Some(incident.clone());
        }
    }

    /// An answer came. A desk that refuses is there; one that fails or says nothing may not be.
    pub(crate) fn heard(&mut self, answer: &Answer, rules: &DeskRules, now: Timestamp) {
        if !failed(answer) {
            *self = Breaker::default();
            return;
        }
        match self.state {
            BreakerState::Closed => {
                self.failures += 1;
                if self.failures >= FAILURES {
                    self.open(rules, now);
                }
            }
            // One that was under way when it opened says nothing new.
            BreakerState::Open { .. } => {}
            BreakerState::HalfOpen { .. } => self.open(rules, now),
        }
    }

    fn open(&mut self, rules: &DeskRules, now: Timestamp) {
        self.opened += 1;
        self.failures = 0;
        let pause =
            backoff(&rules.name, self.opened, FIRST_PAUSE.min(rules.retry_max), rules.retry_max);
        self.state = BreakerState::Open { until: now + pause };
    }
}

fn failed(answer: &Answer) -> bool {
    fn of<T>(outcome: &Outcome<T>) -> bool {
        matches!(outcome, Outcome::Rejected { retry: true, .. } | Outcome::Unknown { .. })
    }
    match answer {
        Answer::Rows(o) => of(o),
        Answer::Created(o) => of(o),
        Answer::Written(o) => of(o),
        Answer::Ticket(o) => of(o),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(kind: u8) -> Answer {
        let reason = String::new();
        Answer::Written(match kind {
            0 => Outcome::Done(()),
            1 => Outcome::Rejected { retry: false, reason },
            2 => Outcome::Rejected { retry: true, reason },
            _ => Outcome::Unknown { reason },
        })
    }

    proptest! {
        /// Whatever a desk answers and whenever: it is never left alone for longer than its longest
        /// pause, an answer that shows that it is there ends the pause at once, fewer failures than
        /// it takes change nothing, and the same answers give the same.
        #[test]
        fn a_desk_is_left_alone_for_a_bounded_time_and_asked_again(
            answers in prop::collection::vec((0u8..4, 0u64..20_000), 1..200)
        ) {
            let rules = DeskRules::new("rt");
            let incident = IncidentId::from_text("a");
            let (mut one, mut two) = (Breaker::default(), Breaker::default());
            let mut now = Timestamp::from_millis(1_000_000);
            let mut in_a_row = 0;
            for (kind, gap) in answers {
                now = now + Duration::from_millis(gap);
                for breaker in [&mut one, &mut two] {
                    if breaker.lets_pass(now) {
                        breaker.asks(&incident, &rules, now);
                    }
                    breaker.heard(&answer(kind), &rules, now);
                }
                prop_assert_eq!(one.state(), two.state());
                in_a_row = if kind < 2 { 0 } else { in_a_row + 1 };
                if let Some(until) = one.until() {
                    prop_assert!(until.since(now) <= rules.retry_max.max(rules.timeout * 2));
                    prop_assert!(in_a_row >= FAILURES);
                } else {
                    prop_assert!(in_a_row < FAILURES);
                }
            }
        }
    }

    #[test]
    fn one_request_tries_a_desk_and_one_that_is_never_heard_of_gives_way_to_another() {
        let rules = DeskRules::new("rt");
        let mut breaker = Breaker::default();
        let now = Timestamp::from_millis(0);
        for _ in 0..FAILURES {
            assert!(breaker.lets_pass(now));
            breaker.heard(&answer(3), &rules, now);
        }
        assert!(!breaker.lets_pass(now));
        let later = breaker.until().unwrap();
        assert!(breaker.lets_pass(later));
        breaker.asks(&IncidentId::from_text("a"), &rules, later);
        assert_eq!(breaker.state().word(), "half-open");
        assert!(!breaker.lets_pass(later));
        assert!(breaker.lets_pass(later + rules.timeout * 2));
        breaker.heard(&answer(2), &rules, later);
        // Longer than the first time.
        assert!(breaker.until().unwrap().since(later) > later.since(now));
        breaker.heard(&answer(1), &rules, later);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }
}
