//! How long to wait before trying again.

use sha2::{Digest, Sha256};
use std::time::Duration;

/// The pause before try number `attempt + 1`: doubles from `first` up to `max`, less up to a
/// quarter by a hash of key and attempt, so that the tickets which failed together do not come back
/// together. The same arguments give the same pause.
pub fn backoff(key: &str, attempt: u32, first: Duration, max: Duration) -> Duration {
    let doublings = attempt.saturating_sub(1).min(20);
    let full = first.saturating_mul(1 << doublings).min(max).max(Duration::from_millis(1));
    let mut hash = Sha256::new();
    hash.update(key.as_bytes());
    hash.update(attempt.to_be_bytes());
    let share = u32::from(hash.finalize()[0]);
    full.mul_f64(1.0 - f64::from(share) / 255.0 / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_stay_below_the_cap_and_differ_between_tickets() {
        let (first, max) = (Duration::from_secs(1), Duration::from_secs(30));
        let pauses: Vec<_> = (1..40).map(|n| backoff("kent-a", n, first, max)).collect();
        assert!(pauses.iter().all(|p| *p <= max && *p >= first * 3 / 4));
        assert!(pauses[0] < pauses[2] && pauses[2] < pauses[4]);
        assert!(pauses[30] >= max * 3 / 4);
        assert_eq!(backoff("kent-a", 3, first, max), pauses[2]);
        let others: std::collections::BTreeSet<_> =
            (0..50).map(|n| backoff(&format!("kent-{n}"), 3, first, max)).collect();
        assert!(others.len() > 30);
    }
}
