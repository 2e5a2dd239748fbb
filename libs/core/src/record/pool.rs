//! Which nodes of a service a user may be placed on (`tokenserver.md` 14): nodes belong to pools, and rules send users to
//! them. An administrator changes both while everything runs; only who needs a new node is concerned.
//!
//! Must stay true: a user's pool follows from the service's rules, the user's key and the user's bucket alone, so that
//! everybody who asks gets the same one; and as the share of a rule rises, nobody who was in it leaves it.

use std::{collections::BTreeSet, fmt};

use super::{UserKey, policy::PolicyFault};

/// The name of a pool: 1 to 32 of `a-z`, `0-9` and `-`. Nodes without one are the default pool.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolName(String);

impl PoolName {
    /// `None` if it has another form.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_name = (1..=32).contains(&name.len())
            && name
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        is_name.then(|| Self(name.to_owned()))
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a place in a hash's range puts a user: a number below [`Bucket::COUNT`] that is the user's for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(u16);

impl Bucket {
    /// Buckets there are: a hundred to the percent.
    pub const COUNT: u16 = 10_000;

    /// The bucket of a hash of the user's key that is spread evenly.
    #[must_use]
    pub const fn of_hash(hash: u64) -> Self {
        // Below 10,000, so it fits.
        #[allow(clippy::cast_possible_truncation)]
        Self((hash % Self::COUNT as u64) as u16)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// How the users of a service who need a node are spread over its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allocation {
    /// All go to the node at this URL; absent = to their pool.
    pub pinned_to: Option<String>,
    /// The first that holds for a user names the pool; without one it is the default pool.
    pub pools: Vec<PoolRule>,
    /// Pools that take no new users. Who has a record stays welcome.
    pub closed_pools: BTreeSet<PoolName>,
}

/// Sends users to a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolRule {
    /// Which users.
    pub whom: Whom,
    /// How many of them, in hundredths of a percent: 1 to [`Bucket::COUNT`]. The rest goes on to the next rule.
    pub share: u16,
    /// Where to.
    pub pool: PoolName,
}

/// Whom a rule is about. Users are not shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub enum Whom {
    /// Everybody.
    Everyone,
    /// Users of these issuers' domains: what stands after the `@` of their keys.
    Domains(BTreeSet<String>),
    /// These users, by their keys.
    Users(BTreeSet<String>),
}

impl fmt::Debug for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everyone => f.write_str("Everyone"),
            Self::Domains(domains) => write!(f, "Domains({domains:?})"),
            Self::Users(users) => write!(f, "Users({} users)", users.len()),
        }
    }
}

impl Whom {
    /// How many domains or users it names.
    fn named(&self) -> usize {
        match self {
            Self::Everyone => 0,
            Self::Domains(named) | Self::Users(named) => named.len(),
        }
    }

    fn includes(&self, user: &UserKey) -> bool {
        match self {
            Self::Everyone => true,
            Self::Domains(domains) => user.domain().is_some_and(|domain| domains.contains(domain)),
            Self::Users(users) => users.contains(&user.0),
        }
    }
}

impl Allocation {
    /// Rules of a service.
    pub const RULES_MAX: usize = 64;
    /// Domains or users of one rule.
    pub const NAMED_MAX: usize = 1000;
    /// Domains and users of all rules together: a service must fit one message, and is read often.
    pub const NAMED_MAX_IN_ALL: usize = 4000;

    /// The pool of a user; `None` = the default pool.
    #[must_use]
    pub fn pool(&self, user: &UserKey, bucket: Bucket) -> Option<&PoolName> {
        let rule = self
            .pools
            .iter()
            .find(|rule| bucket.number() < rule.share && rule.whom.includes(user));
        rule.map(|rule| &rule.pool)
    }

    /// Whether a user of that pool may get a first record.
    #[must_use]
    pub fn admits(&self, pool: Option<&PoolName>) -> bool {
        pool.is_none_or(|pool| !self.closed_pools.contains(pool))
    }

    /// Checks what an administrator gives.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), PolicyFault> {
        let fault = |field, fix| Err(PolicyFault { field, fix });
        if self.pools.len() > Self::RULES_MAX || self.closed_pools.len() > Self::RULES_MAX {
            return fault("pools", "give at most 64 rules, and close at most 64 pools");
        }
        if !self
            .pools
            .iter()
            .all(|rule| (1..=Bucket::COUNT).contains(&rule.share))
        {
            return fault("pools", "give each rule a share of 0.01 to 100 percent");
        }
        let names_few = |rule: &PoolRule| match &rule.whom {
            Whom::Everyone => true,
            Whom::Domains(named) | Whom::Users(named) => {
                (1..=Self::NAMED_MAX).contains(&named.len())
                    && named.iter().all(|name| (1..=320).contains(&name.len()))
            }
        };
        if !self.pools.iter().all(names_few) {
            return fault(
                "pools",
                "name 1 to 1000 domains or users in a rule, or leave both out for everyone",
            );
        }
        if self.pools.iter().map(|rule| rule.whom.named()).sum::<usize>() > Self::NAMED_MAX_IN_ALL {
            return fault(
                "pools",
                "name at most 4000 domains and users in all rules together",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str) -> PoolName {
        PoolName::new(name).unwrap()
    }

    fn rule(whom: Whom, share: u16, to: &str) -> PoolRule {
        PoolRule {
            whom,
            share,
            pool: pool(to),
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        let long = "a".repeat(33);
        for (name, expected) in [
            ("new-disks", true),
            ("0", true),
            (&long[1..], true),
            ("", false),
            ("New", false),
            ("a b", false),
            ("a/b", false),
            (&long, false),
        ] {
            assert_eq!(PoolName::new(name).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn the_first_rule_that_holds_names_the_pool() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let allocation = Allocation {
            pools: vec![
                rule(Whom::Users(named(&["a@x.example"])), 10_000, "chosen"),
                rule(Whom::Domains(named(&["x.example"])), 5_000, "half"),
                rule(Whom::Everyone, 100, "ramp"),
            ],
            ..Allocation::default()
        };
        for (user, bucket, expected) in [
            ("a@x.example", 9_999, Some("chosen")),
            ("b@x.example", 4_999, Some("half")),
            ("b@x.example", 5_000, None),
            ("b@x.example", 99, Some("half")),
            ("b@y.example", 99, Some("ramp")),
            ("b@y.example", 100, None),
            ("b", 99, Some("ramp")),
            ("x.example", 4_999, None),
        ] {
            let found = allocation.pool(&UserKey(user.to_owned()), Bucket::of_hash(bucket));
            assert_eq!(found.map(PoolName::as_str), expected, "{user} {bucket}");
        }
    }

    #[test]
    fn closed_pools_admit_nobody() {
        let allocation = Allocation {
            closed_pools: [pool("full")].into(),
            ..Allocation::default()
        };
        assert!(!allocation.admits(Some(&pool("full"))));
        assert!(allocation.admits(Some(&pool("other"))));
        assert!(allocation.admits(None));
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused() {
        let of = |pools: Vec<PoolRule>| Allocation {
            pools,
            ..Allocation::default()
        };
        let everyone = |share| rule(Whom::Everyone, share, "a");
        let users = |count: usize| Whom::Users((0..count).map(|user| format!("{user}@d")).collect());
        let naming = |count| rule(users(count), 1, "a");
        for (name, allocation, expected) in [
            ("nothing", of(vec![]), true),
            ("as many as may be", of(vec![everyone(10_000); 64]), true),
            ("too many", of(vec![everyone(1); 65]), false),
            ("as many named as may be", of(vec![naming(1000); 4]), true),
            ("too many named in a rule", of(vec![naming(1001)]), false),
            ("too many named in all", of(vec![naming(801); 5]), false),
            ("no share", of(vec![everyone(0)]), false),
            ("more than all", of(vec![everyone(10_001)]), false),
            (
                "nobody",
                of(vec![rule(Whom::Users(BTreeSet::new()), 1, "a")]),
                false,
            ),
            (
                "a nameless domain",
                of(vec![rule(Whom::Domains([String::new()].into()), 1, "a")]),
                false,
            ),
        ] {
            assert_eq!(allocation.check().is_ok(), expected, "{name}");
        }
    }
}
