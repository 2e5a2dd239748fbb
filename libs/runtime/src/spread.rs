//! Spreads what would otherwise happen everywhere at once: ages of connections, pauses before another attempt.

use foxhold_core::{Random, random};

/// A number from 0 to 1.
pub(crate) fn zero_to_one(source: &dyn Random) -> f64 {
    f64::from(u32::from_be_bytes(random::bytes(source))) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);
    impl Random for Fixed {
        fn fill(&self, dest: &mut [u8]) {
            dest.fill(self.0);
        }
    }

    #[test]
    fn the_range_is_closed() {
        assert!((zero_to_one(&Fixed(0)) - 0.0).abs() < f64::EPSILON);
        assert!((zero_to_one(&Fixed(0xff)) - 1.0).abs() < f64::EPSILON);
    }
}
