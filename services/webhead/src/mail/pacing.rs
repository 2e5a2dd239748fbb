//! How long to wait before a mail is tried again: longer with each attempt, and with each failure of the domain it goes
//! to, so that a domain in trouble is not run over by all its mail at once.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use foxhold_core::{Random, random};
use foxhold_ports::outbox::DEFERRED_MAX;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Domains whose failures are counted; beyond, counting begins anew.
const DOMAINS_MAX: usize = 10_000;

/// The failures of domains in a row.
#[derive(Default)]
pub(super) struct Pacing(Mutex<HashMap<String, u32>>);

impl Pacing {
    /// A mail to the domain was taken.
    pub(super) fn works(&self, domain: &str) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(domain);
    }

    /// A mail to the domain was not taken, after so many attempts that were not either.
    pub(super) fn pause(&self, domain: &str, attempts: u32, random: &dyn Random) -> Duration {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= DOMAINS_MAX {
            failures.clear();
        }
        let of_domain = failures.entry(domain.to_ascii_lowercase()).or_insert(0);
        // Mails that fail at once count as one failure of their domain.
        *of_domain = (*of_domain).max(attempts);
        let doublings = *of_domain;
        drop(failures);
        jittered(FIRST.saturating_mul(1 << doublings.min(20)).min(LONGEST), random)
    }
}

/// Up to 30 % more or less, so that mails and processes do not keep step.
pub(super) fn jittered(span: Duration, random: &dyn Random) -> Duration {
    let part = f64::from(u16::from_be_bytes(random::bytes(random))) / f64::from(u16::MAX);
    span.mul_f64(0.7 + 0.6 * part)
}

const _: () = assert!(
    LONGEST.as_secs() * 13 < DEFERRED_MAX.as_secs() * 10,
    "writers take every pause of ours as it is"
);

#[cfg(test)]
mod tests {
    use foxhold_ports::memory::SeededRandom;

    use super::*;

    #[test]
    fn pauses_grow_with_attempts_and_with_the_domains_failures_to_a_bound() {
        let (pacing, random) = (Pacing::default(), SeededRandom::new(1));
        let within = |pause: Duration, secs: f64| {
            let pause = pause.as_secs_f64();
            assert!((secs * 0.69..=secs * 1.31).contains(&pause), "{pause} for {secs}");
        };
        for (attempts, secs) in [(0, 1.0), (0, 1.0), (1, 2.0), (4, 16.0), (30, 900.0), (0, 900.0)] {
            within(pacing.pause("Example.test", attempts, &random), secs);
        }
        within(pacing.pause("other.test", 0, &random), 1.0);
        pacing.works("example.test");
        within(pacing.pause("example.test", 0, &random), 1.0);
    }
}
