//! The randomness of a process. The only place that asks the operating system for it; everything else is handed a
//! `foxhold_core::Random`.

use foxhold_core::Random;

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where randomness enters a process"
    )]
    fn fill(&self, dest: &mut [u8]) {
        getrandom::fill(dest).expect("the operating system gives randomness from its start on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut one, mut two) = ([0; 32], [0; 32]);
        SystemRandom.fill(&mut one);
        SystemRandom.fill(&mut two);
        assert_ne!(one, two);
    }
}
