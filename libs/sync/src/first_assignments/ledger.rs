//! Weights by key in bounded memory. Called by the budgets, which weigh keys by what they have used up.
//!
//! Must stay true: a key never weighs less than what was set for it, whoever else fills the memory. The lightest key
//! goes first, and what it weighed is what every key without a place weighs from then on: nobody gets rid of a weight by
//! filling the memory with other keys, and a new key is taken for no better than one that was forgotten.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};

/// Sixteen bytes that stand for what is counted. The value itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    /// Of a kind, and of parts that hold no zero byte, or the last one only.
    pub(super) fn of(kind: u8, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new().chain_update([kind]);
        for part in parts {
            hash = hash.chain_update([0]).chain_update(part);
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }
}

/// Weights of at most so many keys.
pub(super) struct Ledger {
    weights: HashMap<Key, u64>,
    /// The same, lightest first.
    by_weight: BTreeSet<(u64, Key)>,
    /// What keys without a place weigh.
    floor: u64,
    keys_max: usize,
}

impl Ledger {
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            weights: HashMap::new(),
            by_weight: BTreeSet::new(),
            floor: 0,
            keys_max,
        }
    }

    pub(super) fn weight(&self, key: Key) -> u64 {
        self.weights.get(&key).copied().unwrap_or(self.floor)
    }

    /// Whether the key has a place of its own.
    pub(super) fn holds(&self, key: Key) -> bool {
        self.weights.contains_key(&key)
    }

    pub(super) fn set(&mut self, key: Key, weight: u64) {
        if let Some(before) = self.weights.remove(&key) {
            self.by_weight.remove(&(before, key));
        }
        if weight <= self.floor {
            return;
        }
        self.weights.insert(key, weight);
        self.by_weight.insert((weight, key));
        if self.weights.len() > self.keys_max
            && let Some((lightest, key)) = self.by_weight.pop_first()
        {
            self.weights.remove(&key);
            self.floor = lightest;
        }
    }

    /// Forgets the keys that weigh no more than this: so little means nothing any more.
    pub(super) fn forget_up_to(&mut self, weight: u64) {
        while let Some((lightest, key)) = self.by_weight.first().copied()
            && lightest <= weight
        {
            self.by_weight.pop_first();
            self.weights.remove(&key);
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.keys_max);
    }

    /// Keys that have a place.
    pub(super) fn len(&self) -> usize {
        self.weights.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: u8) -> Key {
        Key::of(b'k', &[&[name]])
    }

    #[test]
    fn the_lightest_goes_and_leaves_its_weight_to_all_without_a_place() {
        let mut ledger = Ledger::new(2);
        ledger.set(key(1), 10);
        ledger.set(key(2), 30);
        assert_eq!(ledger.weight(key(3)), 0);
        ledger.set(key(3), 20);
        let weights = [1, 2, 3, 4].map(|name| ledger.weight(key(name)));
        assert_eq!(weights, [10, 30, 20, 10]);
        // A newcomer that is lighter than all finds no place, and weighs what it weighs all the same.
        ledger.set(key(4), 15);
        let weights = [1, 2, 3, 4].map(|name| ledger.weight(key(name)));
        assert_eq!((weights, ledger.len()), ([15, 30, 20, 15], 2));
        ledger.forget_up_to(20);
        assert_eq!((ledger.weight(key(3)), ledger.len()), (15, 1));
        ledger.clear();
        assert_eq!((ledger.weight(key(2)), ledger.len()), (0, 0));
    }

    #[test]
    fn keys_of_other_kinds_and_parts_differ() {
        let all = [
            Key::of(b'a', &[b"x", b"y"]),
            Key::of(b'b', &[b"x", b"y"]),
            Key::of(b'a', &[b"xy"]),
            Key::of(b'a', &[b"x", b"y", b""]),
        ];
        let distinct: BTreeSet<Key> = all.into();
        assert_eq!(distinct.len(), all.len());
    }

    proptest! {
        /// Against a ledger without bounds, by which every key weighs what was set for it last.
        #[test]
        fn nobody_weighs_less_than_was_set(steps in prop::collection::vec((0..8_u8, 1..100_u64), 0..200)) {
            let mut ledger = Ledger::new(3);
            let mut exact: HashMap<u8, u64> = HashMap::new();
            for (name, more) in steps {
                // As budgets use it: upon what the key weighs.
                let weight = ledger.weight(key(name)) + more;
                ledger.set(key(name), weight);
                exact.insert(name, weight);
                prop_assert!(ledger.len() <= 3);
                for (name, weight) in &exact {
                    prop_assert!(ledger.weight(key(*name)) >= *weight);
                }
            }
        }
    }
}
