//! Bounds that come from a configuration, as semaphores. A bound of nothing would be a process that serves nobody, and
//! one beyond what a semaphore can hold a panic at start: both are brought to what can be.

use tokio::sync::Semaphore;

/// A semaphore with `wanted` slots, at least one.
pub(crate) fn slots(wanted: usize) -> Semaphore {
    Semaphore::new(wanted.clamp(1, Semaphore::MAX_PERMITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setting_shuts_everybody_out_or_panics() {
        for (wanted, got) in [(0, 1), (7, 7), (usize::MAX, Semaphore::MAX_PERMITS)] {
            assert_eq!(slots(wanted).available_permits(), got, "{wanted}");
        }
    }
}
