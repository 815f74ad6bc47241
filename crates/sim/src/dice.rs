//! Chance from a seed: the same seed throws the same dice on every machine.

use std::time::Duration;

/// A stream of numbers that follows from its seed alone.
///
/// SplitMix64; source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators"
/// (OOPSLA 2014). Not for secrets.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A stream of its own for one purpose, so that another throw here changes nothing there.
    pub fn apart(&self, purpose: u64) -> Dice {
        let mut seed = Dice(self.0 ^ purpose.wrapping_mul(0xd605_1a7b_6a1b_2a35));
        Dice(seed.throw())
    }

    /// Any number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    pub fn unit(&mut self) -> f64 {
        (self.throw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True in this share of the throws.
    pub fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.unit() < share
    }

    /// One of 0 to `n` - 1; 0 when there is none.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { (self.throw() % n as u64) as usize }
    }

    /// Evenly from the one to the other, to the millisecond.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let width = to.saturating_sub(from).as_millis() as u64;
        from + Duration::from_millis(self.throw() % (width + 1))
    }

    /// One of these.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// Takes one of these out.
    pub fn draw<T>(&mut self, of: &mut Vec<T>) -> Option<T> {
        if of.is_empty() { None } else { Some(of.swap_remove(self.below(of.len()))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_throws_the_same_and_another_does_not() {
        let of = |seed| {
            let mut d = Dice::new(seed);
            [d.throw(), d.throw(), d.throw()]
        };
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        // The first outputs of seed 1234567 as the authors' reference gives them.
        assert_eq!(Dice::new(1_234_567).throw(), 6_457_827_717_110_365_317);
        assert_ne!(Dice::new(7).apart(1).throw(), Dice::new(7).apart(2).throw());
    }

    #[test]
    fn shares_are_what_they_say() {
        let mut d = Dice::new(1);
        let hits = (0..100_000).filter(|_| d.chance(0.05)).count();
        assert!((4_700..5_300).contains(&hits), "{hits}");
        let (lo, hi) = (Duration::from_secs(1), Duration::from_secs(2));
        assert!((0..1000).map(|_| d.between(lo, hi)).all(|x| lo <= x && x <= hi));
        assert_eq!(d.between(hi, hi), hi);
        assert_eq!(d.below(0), 0);
    }
}
