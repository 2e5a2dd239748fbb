//! Which of several keys signs, and which are published (`security.md` C.4): next, active, retiring, retired. Pure: decided
//! from when each key signs, anew at each moment, so that all signers of a deployment change at the same one, and nobody
//! has to tell them.

use std::time::Duration;

use foxhold_core::Timestamp;
use foxhold_ports::signer::LIFETIME_SECS_MAX;

/// How long the next key is published before it signs: longer than anybody keeps a document of ours.
pub const PUBLISHED_BEFORE: Duration = Duration::from_secs(24 * 3600);

/// How long a key is published after it last signed: the longest life of what it signed, and ten minutes for clocks.
pub const PUBLISHED_AFTER: Duration = Duration::from_secs(LIFETIME_SECS_MAX + 600);

/// What a key is at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It is published and signs.
    Active,
    /// It is published and signs no more. Until then, if that is known: a key that never had its turn, because another
    /// was listed before it, stays for good.
    Retiring(Option<Timestamp>),
    /// It is published and will sign from then on.
    Next(Timestamp),
    /// Nothing that it signed is still good.
    Retired,
}

impl KeyState {
    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retiring(_) => "retiring",
            Self::Next(_) => "next",
            Self::Retired => "retired",
        }
    }

    /// Whether others have to know it.
    #[must_use]
    pub fn is_published(self) -> bool {
        self != Self::Retired
    }

    /// When it will no longer be published, as far as that is known.
    #[must_use]
    pub const fn retires_at(self) -> Option<Timestamp> {
        match self {
            Self::Retiring(at) => at,
            Self::Active | Self::Next(_) | Self::Retired => None,
        }
    }
}

/// The state of each key, in the order they are listed in, from when each signs. Zero is "always": of several such keys the
/// first one signs.
#[must_use]
pub fn states(signs_from: &[Timestamp], now: Timestamp) -> Vec<KeyState> {
    let active = active(signs_from, now);
    signs_from
        .iter()
        .enumerate()
        .map(|(at, from)| {
            if Some(at) == active {
                return KeyState::Active;
            }
            if *from > now {
                return KeyState::Next(*from);
            }
            // It signed until the next one's turn came.
            let successor = signs_from
                .iter()
                .filter(|other| *other > from && **other <= now)
                .min();
            match successor.map(|at| at.plus(PUBLISHED_AFTER)) {
                Some(end) if end <= now => KeyState::Retired,
                end => KeyState::Retiring(end),
            }
        })
        .collect()
}

/// The key that signs: of those whose turn has come the last one. Before all turns, as with a clock that stepped back, the
/// first one.
#[must_use]
pub fn active(signs_from: &[Timestamp], now: Timestamp) -> Option<usize> {
    let has_come = |(_, from): &(usize, &Timestamp)| **from <= now;
    // Of equals the one that is listed first.
    let last = signs_from
        .iter()
        .enumerate()
        .rev()
        .filter(has_come)
        .max_by_key(|(_, from)| **from);
    let first = || signs_from.iter().enumerate().min_by_key(|(_, from)| **from);
    last.or_else(first).map(|(at, _)| at)
}

/// In which order keys are published: the active one, those that signed before it, the latest first, then those to come.
#[must_use]
pub fn published(signs_from: &[Timestamp], now: Timestamp) -> Vec<(usize, KeyState)> {
    let states = states(signs_from, now);
    let mut order: Vec<(usize, KeyState)> = states.into_iter().enumerate().collect();
    order.retain(|(_, state)| state.is_published());
    order.sort_by_key(|(at, state)| {
        let from = signs_from[*at].as_millis();
        match state {
            KeyState::Active => (0, 0, *at),
            KeyState::Retiring(_) => (1, u64::MAX - from, *at),
            KeyState::Next(_) => (2, from, *at),
            KeyState::Retired => (3, 0, *at),
        }
    });
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_secs(secs)
    }

    fn names(signs_from: &[u64], now: u64) -> Vec<&'static str> {
        let signs_from: Vec<_> = signs_from.iter().map(|secs| at(*secs)).collect();
        states(&signs_from, at(now))
            .iter()
            .map(|state| state.name())
            .collect()
    }

    #[test]
    fn a_key_goes_through_its_states() {
        const DAY: u64 = 86_400;
        let after = PUBLISHED_AFTER.as_secs();
        let table: [(&str, &[u64], &[&str]); 9] = [
            ("one", &[0], &["active"]),
            (
                "listed as before",
                &[0, 0, 0],
                &["active", "retiring", "retiring"],
            ),
            ("prepared", &[0, NOW + DAY], &["active", "next"]),
            ("at its moment", &[0, NOW], &["retiring", "active"]),
            (
                "the last second of the old one",
                &[0, NOW - after + 1],
                &["retiring", "active"],
            ),
            ("retired", &[0, NOW - after], &["retired", "active"]),
            (
                "listed the other way round",
                &[NOW - 1, 0],
                &["active", "retiring"],
            ),
            (
                "two turns",
                &[0, NOW - after - 1, NOW - 1],
                &["retired", "retiring", "active"],
            ),
            ("none has come", &[NOW + DAY, NOW + 1], &["next", "active"]),
        ];
        for (name, signs_from, expected) in table {
            assert_eq!(names(signs_from, NOW), expected, "{name}");
        }
        assert_eq!(states(&[], at(NOW)), []);
    }

    #[test]
    fn the_active_one_stands_first_and_the_next_last() {
        let signs_from = [at(0), at(NOW + 5), at(NOW - 20), at(NOW - 10)];
        let order: Vec<_> = published(&signs_from, at(NOW))
            .into_iter()
            .map(|(at, _)| at)
            .collect();
        assert_eq!(order, [3, 2, 0, 1]);
        let states = states(&signs_from, at(NOW));
        assert_eq!(states[2].retires_at(), Some(at(NOW - 10).plus(PUBLISHED_AFTER)));
    }

    proptest! {
        /// Whatever was signed stays verifiable as long as it lives: at the moment of signing and at each later one.
        #[test]
        fn no_key_disappears_before_what_it_signed(
            turns in proptest::collection::vec(0..10_000_000_u64, 1..6),
            signed_at in 0..10_000_000_u64,
            age in 0..=LIFETIME_SECS_MAX,
        ) {
            let signs_from: Vec<_> = turns.iter().map(|secs| at(*secs)).collect();
            let signer = active(&signs_from, at(signed_at)).unwrap();
            // Unless no turn had come: then the clock was wrong.
            prop_assume!(signs_from[signer] <= at(signed_at));
            let later = published(&signs_from, at(signed_at + age));
            prop_assert!(later.iter().any(|(at, _)| *at == signer));
        }

        #[test]
        fn exactly_one_key_signs(turns in proptest::collection::vec(0..1000_u64, 1..8), now in 0..1000_u64) {
            let signs_from: Vec<_> = turns.iter().map(|secs| at(*secs)).collect();
            let states = states(&signs_from, at(now));
            prop_assert_eq!(states.iter().filter(|state| **state == KeyState::Active).count(), 1);
            prop_assert_eq!(published(&signs_from, at(now))[0].1, KeyState::Active);
        }
    }
}
