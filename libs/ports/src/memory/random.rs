//! Repeatable "randomness" for tests: the splitmix64 sequence of a seed. Not for keys.

use std::sync::atomic::{AtomicU64, Ordering};

use foxhold_core::Random;

/// The same seed gives the same bytes, call by call.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl SeededRandom {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// The next number of the sequence.
    pub fn next_u64(&self) -> u64 {
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, near enough to uniform for tests.
    ///
    /// # Panics
    /// If `bound` is zero.
    pub fn below(&self, bound: u64) -> u64 {
        self.next_u64() % bound
    }
}

impl Random for SeededRandom {
    fn fill(&self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of splitmix64 for seed 1234567, as published with the algorithm.
    #[test]
    fn known_sequence() {
        let random = SeededRandom::new(1_234_567);
        let numbers: Vec<_> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn odd_lengths_are_filled() {
        let bytes: [u8; 11] = foxhold_core::random::bytes(&SeededRandom::new(1));
        assert_ne!(bytes[8..], [0; 3]);
    }
}
