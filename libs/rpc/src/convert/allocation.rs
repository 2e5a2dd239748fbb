//! Which nodes users are placed on: `foxhold.dbwriter.v1` and `foxhold_core::record`.

use foxhold_core::record::{Allocation, PoolName, PoolRule, Whom};
use foxhold_ports::assignments::Target;

use super::{FieldError, field, messages, node_url};
use crate::wire::dbwriter::{self as pb, pool_rule::Whom as WireWhom, target::Kind};

/// A pool's name has its form.
pub(super) fn pool_name(name: &'static str, wire: &str) -> Result<PoolName, FieldError> {
    field(name, PoolName::new(wire))
}

/// The name of a pool that may be absent.
pub(super) fn optional_pool(
    name: &'static str,
    wire: Option<String>,
) -> Result<Option<PoolName>, FieldError> {
    wire.map(|wire| pool_name(name, &wire)).transpose()
}

fn text(pool: &PoolName) -> String {
    pool.as_str().to_owned()
}

impl TryFrom<pb::Allocation> for Allocation {
    type Error = FieldError;

    fn try_from(wire: pb::Allocation) -> Result<Self, FieldError> {
        let pinned_to = wire.pinned_to.map(|url| node_url("pinned_to", url));
        let closed_pools = wire.closed_pools.iter();
        Ok(Self {
            pinned_to: pinned_to.transpose()?,
            pools: messages("pools", wire.pools)?,
            closed_pools: closed_pools
                .map(|pool| pool_name("closed_pools", pool))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<Allocation> for pb::Allocation {
    fn from(allocation: Allocation) -> Self {
        Self {
            pinned_to: allocation.pinned_to,
            pools: allocation.pools.into_iter().map(Into::into).collect(),
            closed_pools: allocation.closed_pools.iter().map(text).collect(),
        }
    }
}

impl TryFrom<pb::PoolRule> for PoolRule {
    type Error = FieldError;

    fn try_from(wire: pb::PoolRule) -> Result<Self, FieldError> {
        Ok(Self {
            whom: match field("whom", wire.whom)? {
                WireWhom::Everyone(pb::Everyone {}) => Whom::Everyone,
                WireWhom::Domains(pb::Domains { domains }) => Whom::Domains(domains.into_iter().collect()),
                WireWhom::Users(pb::Users { users }) => Whom::Users(users.into_iter().collect()),
            },
            share: field("share", u16::try_from(wire.share).ok())?,
            pool: pool_name("pool", &wire.pool)?,
        })
    }
}

impl From<PoolRule> for pb::PoolRule {
    fn from(rule: PoolRule) -> Self {
        let whom = match rule.whom {
            Whom::Everyone => WireWhom::Everyone(pb::Everyone {}),
            Whom::Domains(domains) => WireWhom::Domains(pb::Domains {
                domains: domains.into_iter().collect(),
            }),
            Whom::Users(users) => WireWhom::Users(pb::Users {
                users: users.into_iter().collect(),
            }),
        };
        Self {
            whom: Some(whom),
            share: rule.share.into(),
            pool: text(&rule.pool),
        }
    }
}

impl TryFrom<pb::Target> for Target {
    type Error = FieldError;

    fn try_from(wire: pb::Target) -> Result<Self, FieldError> {
        Ok(match field("kind", wire.kind)? {
            Kind::DefaultPool(pb::DefaultPool {}) => Self::Pool(None),
            Kind::Pool(pool) => Self::Pool(Some(pool_name("pool", &pool)?)),
            Kind::Node(url) => Self::Node(node_url("node", url)?),
        })
    }
}

impl From<&Target> for pb::Target {
    fn from(target: &Target) -> Self {
        let kind = match target {
            Target::Pool(None) => Kind::DefaultPool(pb::DefaultPool {}),
            Target::Pool(Some(pool)) => Kind::Pool(text(pool)),
            Target::Node(url) => Kind::Node(url.clone()),
        };
        Self { kind: Some(kind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str) -> PoolName {
        PoolName::new(name).unwrap()
    }

    fn allocation() -> Allocation {
        let rule = |whom, share| PoolRule {
            whom,
            share,
            pool: pool("a"),
        };
        Allocation {
            pinned_to: Some("https://node".into()),
            pools: vec![
                rule(Whom::Users(["u@d".to_owned()].into()), 1),
                rule(Whom::Domains(["d".to_owned(), "e".to_owned()].into()), 10_000),
                rule(Whom::Everyone, 500),
            ],
            closed_pools: [pool("b"), pool("c")].into(),
        }
    }

    #[test]
    fn allocations_survive_the_wire() {
        for allocation in [allocation(), Allocation::default()] {
            let wire = pb::Allocation::from(allocation.clone());
            assert_eq!(Allocation::try_from(wire), Ok(allocation));
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_field() {
        type Row = (fn(&mut pb::Allocation), FieldError);
        let in_rules = |name| FieldError::new(name).under("pools");
        let table: [Row; 5] = [
            (
                |wire| wire.pinned_to = Some("node".into()),
                FieldError::new("pinned_to"),
            ),
            (
                |wire| wire.closed_pools.push(String::new()),
                FieldError::new("closed_pools"),
            ),
            (|wire| wire.pools[0].whom = None, in_rules("whom")),
            (|wire| wire.pools[1].share = 65_537, in_rules("share")),
            (|wire| wire.pools[2].pool = "A".into(), in_rules("pool")),
        ];
        for (change, expected) in table {
            let mut wire = pb::Allocation::from(allocation());
            change(&mut wire);
            assert_eq!(Allocation::try_from(wire), Err(expected));
        }
    }

    #[test]
    fn targets_survive_the_wire_and_must_be_given() {
        for target in [
            Target::DEFAULT,
            Target::Pool(Some(pool("a"))),
            Target::Node("https://node".into()),
        ] {
            assert_eq!(Target::try_from(pb::Target::from(&target)), Ok(target));
        }
        for (kind, field) in [
            (None, "kind"),
            (Some(Kind::Pool(String::new())), "pool"),
            (Some(Kind::Node("https://node/".into())), "node"),
        ] {
            let refused = Target::try_from(pb::Target { kind });
            assert_eq!(refused, Err(FieldError::new(field)));
        }
    }
}
