//! Power of two choices: of two instances picked at random the less busy one. Nearly as even as looking at all of them,
//! and no instance that looks idle is run over by everybody at once.

use std::sync::atomic::{AtomicU64, Ordering};

use foxhold_core::{Random, random};

/// Cheap even numbers for spreading load: seeded once from the process's randomness, good for nothing secret.
pub(super) struct Dice(AtomicU64);

impl Dice {
    pub(super) fn seeded(source: &dyn Random) -> Self {
        Self(AtomicU64::new(u64::from_be_bytes(random::bytes(source))))
    }

    /// A number below `end`, which is not zero.
    fn below(&self, end: usize) -> usize {
        // splitmix64 (Steele, Lea, Flood 2014): a counter and a mixer, so that it needs no lock.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let end = u64::try_from(end).unwrap_or(u64::MAX);
        usize::try_from(mixed % end).unwrap_or_default()
    }
}

/// Which of the loads to add to; `None` if there is none.
pub(super) fn less_busy(loads: &[usize], dice: &Dice) -> Option<usize> {
    match loads.len() {
        0 => None,
        1 => Some(0),
        count => {
            let one = dice.below(count);
            // Of the others, so that the two differ.
            let other = (one + 1 + dice.below(count - 1)) % count;
            Some(if loads[other] < loads[one] { other } else { one })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Random for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(42);
        }
    }

    #[test]
    fn idle_instances_share_evenly() {
        let dice = Dice::seeded(&Fixed);
        let mut hits = [0u32; 3];
        for _ in 0..3000 {
            hits[less_busy(&[0, 0, 0], &dice).unwrap()] += 1;
        }
        assert!(hits.iter().all(|hit| (800..1200).contains(hit)), "{hits:?}");
    }

    #[test]
    fn the_busiest_is_never_picked_and_nobody_is_no_choice() {
        let dice = Dice::seeded(&Fixed);
        assert_eq!(less_busy(&[], &dice), None);
        assert_eq!(less_busy(&[9], &dice), Some(0));
        for _ in 0..1000 {
            assert_ne!(less_busy(&[1, 100, 1], &dice), Some(1));
        }
    }
}
