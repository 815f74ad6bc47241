//! Lots drawn the same everywhere.

#![allow(dead_code, reason = "each test uses what it needs")]

/// A stream of numbers that is the same everywhere (SplitMix64).
pub struct Lots(pub u64);

impl Lots {
    pub fn below(&mut self, n: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as i64
    }

    /// True in `n` of a hundred.
    pub fn percent(&mut self, n: i64) -> bool {
        self.below(100) < n
    }

    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as i64) as usize]
    }
}
