//! Where a user who needs a node goes (`tokenserver.md` 9, 14): to the one that the service is pinned to, or to the pool
//! that the service's rules name.
//!
//! Called by [`exchange`](crate::exchange) and by administrators' [`jobs`](crate::jobs). Must stay true: a user's bucket never
//! changes, whatever is released or configured, so that all processes agree on it and a growing share loses nobody.

use foxhold_core::record::{Allocation, Bucket, ServiceKey, UserKey};
use foxhold_ports::assignments::Target;
use sha2::{Digest as _, Sha256};

/// The user's place in the range that pools' rules share out: for good, and another one in each service.
#[must_use]
pub fn bucket(service: &ServiceKey, user: &UserKey) -> Bucket {
    of_parts(&[service.0.as_bytes(), user.0.as_bytes()])
}

/// The user's place in the range that shares of a node's users are taken from. It says nothing of the place among pools:
/// else a tenth of a node's users would be all of them where the node's pool gets a tenth of everybody.
#[must_use]
pub fn share_bucket(service: &ServiceKey, user: &UserKey) -> Bucket {
    of_parts(&[b"share", service.0.as_bytes(), user.0.as_bytes()])
}

/// The parts hold no zero byte, so no two lists of them read alike.
fn of_parts(parts: &[&[u8]]) -> Bucket {
    let mut hash = Sha256::new();
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            hash.update([0]);
        }
        hash.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    Bucket::of_hash(u64::from_be_bytes(first))
}

/// Where the user goes.
#[must_use]
pub fn target(allocation: &Allocation, service: &ServiceKey, user: &UserKey) -> Target {
    match &allocation.pinned_to {
        Some(node) => Target::Node(node.clone()),
        None if allocation.pools.is_empty() => Target::DEFAULT,
        None => Target::Pool(allocation.pool(user, bucket(service, user)).cloned()),
    }
}

/// Whether somebody without a record may go there. Where all go to one node there are no pools to be closed.
#[must_use]
pub fn admits(allocation: &Allocation, target: &Target) -> bool {
    match target {
        Target::Pool(pool) => allocation.admits(pool.as_ref()),
        Target::Node(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::record::{PoolName, PoolRule, Whom};
    use proptest::prelude::*;

    use super::*;

    fn sync() -> ServiceKey {
        ServiceKey("sync-1.5".into())
    }

    fn user(key: &str) -> UserKey {
        UserKey(key.into())
    }

    fn ramp(share: u16) -> Allocation {
        Allocation {
            pools: vec![PoolRule {
                whom: Whom::Everyone,
                share,
                pool: PoolName::new("new").unwrap(),
            }],
            ..Allocation::default()
        }
    }

    /// Who changes one of these moves users.
    #[test]
    fn buckets_are_for_good() {
        for (service, key, expected, share) in [
            (
                "sync-1.5",
                "a1b2c3d4e5f60718293a4b5c6d7e8f90@accounts.example",
                1658,
                9988,
            ),
            (
                "sync-1.5",
                "00000000000000000000000000000001@localhost",
                9798,
                8405,
            ),
            (
                "queue-1.0",
                "00000000000000000000000000000001@localhost",
                7262,
                4251,
            ),
        ] {
            let service = ServiceKey(service.into());
            let found = (
                bucket(&service, &user(key)).number(),
                share_bucket(&service, &user(key)).number(),
            );
            assert_eq!(found, (expected, share), "{} {key}", service.0);
        }
    }

    #[test]
    fn pins_come_before_pools_and_pools_before_the_default() {
        let pinned = Allocation {
            pinned_to: Some("https://one.example".into()),
            closed_pools: [PoolName::new("new").unwrap()].into(),
            ..ramp(10_000)
        };
        let closed = Allocation {
            pinned_to: None,
            ..pinned.clone()
        };
        let new = Target::Pool(PoolName::new("new"));
        for (name, allocation, expected, admitted) in [
            ("nothing", Allocation::default(), Target::DEFAULT, true),
            ("a pool", ramp(10_000), new.clone(), true),
            ("a closed pool", closed, new, false),
            ("a pin", pinned, Target::Node("https://one.example".into()), true),
        ] {
            let found = target(&allocation, &sync(), &user("u@x.example"));
            assert_eq!(found, expected, "{name}");
            assert_eq!(admits(&allocation, &found), admitted, "{name}");
        }
    }

    #[test]
    fn a_share_of_a_pool_s_users_is_a_share() {
        let of_pool = (0..20_000)
            .map(|number| user(&format!("{number:032x}@localhost")))
            .filter(|user| bucket(&sync(), user).number() < 1000);
        let shares: Vec<u16> = of_pool
            .map(|user| share_bucket(&sync(), &user).number())
            .collect();
        let of_tenth = shares.iter().filter(|share| **share < 1000).count();
        // 2,000 users of the pool, of whom 200 are meant.
        assert!((1800..2200).contains(&shares.len()), "{}", shares.len());
        assert!((140..260).contains(&of_tenth), "{of_tenth}");
    }

    proptest! {
        #[test]
        fn who_is_in_stays_in_while_the_ramp_rises(key in "[a-z0-9]{1,40}@[a-z.]{1,20}", a in 1u16..=10_000, b in 1u16..=10_000) {
            let (lower, higher) = (a.min(b), a.max(b));
            let at = |share| target(&ramp(share), &sync(), &user(&key));
            prop_assert!(at(lower) == Target::DEFAULT || at(higher) == at(lower));
            prop_assert_ne!(at(10_000), Target::DEFAULT);
        }
    }
}
