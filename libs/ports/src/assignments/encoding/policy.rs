//! A service's policy as one cell.

use foxhold_core::record::{
    Admission, Allocation, PoolName, Schemes, ServicePolicy,
    pool::{PoolRule, Whom},
};

use crate::cell::{Decoder, Encoder};

const FORMAT: u8 = 2;
/// The same, and the domains of users behind it. Cells without any stay what they were, for processes that know no more.
const FORMAT_WITH_DOMAINS: u8 = 3;

const OAUTH: u8 = 1;
const BROWSERID: u8 = 2;

const EVERYONE: u8 = 0;
const NOBODY: u8 = 1;
const LISTED: u8 = 2;
const FIRST: u8 = 3;

const WHOM_EVERYONE: u8 = 0;
const WHOM_DOMAINS: u8 = 1;
const WHOM_USERS: u8 = 2;

/// The cell.
#[must_use]
pub fn encode(policy: &ServicePolicy) -> Vec<u8> {
    let domains = &policy.allowed_email_domains;
    let mut cell = Encoder::new(if domains.is_empty() {
        FORMAT
    } else {
        FORMAT_WITH_DOMAINS
    });
    let Schemes { oauth, browserid } = policy.schemes;
    cell.bytes(&[(u8::from(oauth) * OAUTH) | (u8::from(browserid) * BROWSERID)]);
    match &policy.admission {
        Admission::Everyone => cell.bytes(&[EVERYONE]),
        Admission::Nobody => cell.bytes(&[NOBODY]),
        Admission::Listed(uids) => {
            cell.bytes(&[LISTED]);
            texts(&mut cell, uids.iter(), uids.len());
        }
        Admission::First(users) => {
            cell.bytes(&[FIRST]);
            cell.number(*users);
        }
    }
    for issuers in [&policy.allowed_issuers, &policy.trusted_issuers] {
        texts(&mut cell, issuers.iter(), issuers.len());
    }
    let conditions = &policy.conditions;
    let names_and_urls = conditions.iter().flat_map(|(name, url)| [name, url]);
    texts(&mut cell, names_and_urls, conditions.len());
    cell.option(policy.auth_max_age_secs, Encoder::number);
    allocation(&mut cell, &policy.allocation);
    if !domains.is_empty() {
        texts(&mut cell, domains.iter(), domains.len());
    }
    cell.finish_plain()
}

/// What a cell holds; `None` if it is damaged or of another format.
#[must_use]
pub fn decode(cell: &[u8]) -> Option<ServicePolicy> {
    let has_domains = cell.first() == Some(&FORMAT_WITH_DOMAINS);
    let format = if has_domains { FORMAT_WITH_DOMAINS } else { FORMAT };
    let mut cell = Decoder::new(cell, format)?;
    let mut policy = ServicePolicy {
        schemes: schemes(&mut cell)?,
        admission: admission(&mut cell)?,
        allowed_issuers: cell.list(Decoder::text)?,
        trusted_issuers: cell.list(Decoder::text)?,
        allowed_email_domains: Vec::new(),
        conditions: cell.list(|cell| Some((cell.text()?, cell.text()?)))?,
        auth_max_age_secs: cell.option(Decoder::number)?,
        allocation: decode_allocation(&mut cell)?,
    };
    if has_domains {
        policy.allowed_email_domains = cell.list(Decoder::text)?;
    }
    cell.finish(policy)
}

fn allocation(cell: &mut Encoder, allocation: &Allocation) {
    cell.option(allocation.pinned_to.as_ref(), |cell, url| {
        cell.sized(url.as_bytes())
    });
    cell.number(allocation.pools.len() as u64);
    for PoolRule { whom, share, pool } in &allocation.pools {
        match whom {
            Whom::Everyone => cell.bytes(&[WHOM_EVERYONE]),
            Whom::Domains(named) => {
                cell.bytes(&[WHOM_DOMAINS]);
                texts(cell, named.iter(), named.len());
            }
            Whom::Users(named) => {
                cell.bytes(&[WHOM_USERS]);
                texts(cell, named.iter(), named.len());
            }
        }
        cell.number(u64::from(*share));
        cell.sized(pool.as_str().as_bytes());
    }
    let closed = &allocation.closed_pools;
    cell.number(closed.len() as u64);
    closed
        .iter()
        .for_each(|pool| cell.sized(pool.as_str().as_bytes()));
}

fn decode_allocation(cell: &mut Decoder<'_>) -> Option<Allocation> {
    Some(Allocation {
        pinned_to: cell.option(Decoder::text)?,
        pools: cell.list(|cell| {
            Some(PoolRule {
                whom: match cell.array()? {
                    [WHOM_EVERYONE] => Whom::Everyone,
                    [WHOM_DOMAINS] => Whom::Domains(cell.list(Decoder::text)?),
                    [WHOM_USERS] => Whom::Users(cell.list(Decoder::text)?),
                    _ => return None,
                },
                share: u16::try_from(cell.number()?).ok()?,
                pool: pool_name(cell)?,
            })
        })?,
        closed_pools: cell.list(pool_name)?,
    })
}

fn pool_name(cell: &mut Decoder<'_>) -> Option<PoolName> {
    PoolName::new(&cell.text()?)
}

/// Texts after their number, or that of their groups.
fn texts<'a>(cell: &mut Encoder, texts: impl Iterator<Item = &'a String>, number: usize) {
    cell.number(number as u64);
    texts.for_each(|text| cell.sized(text.as_bytes()));
}

fn schemes(cell: &mut Decoder<'_>) -> Option<Schemes> {
    let [bits] = cell.array()?;
    (bits & !(OAUTH | BROWSERID) == 0).then_some(Schemes {
        oauth: bits & OAUTH != 0,
        browserid: bits & BROWSERID != 0,
    })
}

fn admission(cell: &mut Decoder<'_>) -> Option<Admission> {
    match cell.array()? {
        [EVERYONE] => Some(Admission::Everyone),
        [NOBODY] => Some(Admission::Nobody),
        [LISTED] => cell.list(Decoder::text).map(Admission::Listed),
        [FIRST] => cell.number().map(Admission::First),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::cell::tests::{check, must_not_panic};

    fn any_admission() -> impl Strategy<Value = Admission> {
        prop_oneof![
            Just(Admission::Everyone),
            Just(Admission::Nobody),
            any::<BTreeSet<String>>().prop_map(Admission::Listed),
            any::<u64>().prop_map(Admission::First),
        ]
    }

    fn any_policy() -> impl Strategy<Value = ServicePolicy> {
        let schemes = any::<(bool, bool)>().prop_map(|(oauth, browserid)| Schemes { oauth, browserid });
        let rest = any::<([Vec<String>; 3], BTreeMap<String, String>, Option<u64>)>();
        let all = (schemes, any_admission(), rest, any_allocation());
        all.prop_map(|(schemes, admission, rest, allocation)| {
            let ([allowed_issuers, trusted_issuers, allowed_email_domains], conditions, age) = rest;
            ServicePolicy {
                schemes,
                admission,
                allowed_issuers,
                trusted_issuers,
                allowed_email_domains,
                conditions,
                auth_max_age_secs: age,
                allocation,
            }
        })
    }

    fn any_pool() -> impl Strategy<Value = PoolName> {
        "[a-z0-9-]{1,32}".prop_map(|name| PoolName::new(&name).unwrap())
    }

    fn any_allocation() -> impl Strategy<Value = Allocation> {
        let whom = prop_oneof![
            Just(Whom::Everyone),
            any::<BTreeSet<String>>().prop_map(Whom::Domains),
            any::<BTreeSet<String>>().prop_map(Whom::Users),
        ];
        let rule =
            (whom, any::<u16>(), any_pool()).prop_map(|(whom, share, pool)| PoolRule { whom, share, pool });
        let pools = proptest::collection::vec(rule, 0..4);
        let closed = proptest::collection::btree_set(any_pool(), 0..4);
        (any::<Option<String>>(), pools, closed).prop_map(|(pinned_to, pools, closed_pools)| Allocation {
            pinned_to,
            pools,
            closed_pools,
        })
    }

    proptest! {
        #[test]
        fn policies_survive(policy in any_policy()) {
            check(&policy, &encode(&policy), decode);
        }

        #[test]
        fn no_bytes_panic(cell in proptest::collection::vec(any::<u8>(), 0..200)) {
            must_not_panic(cell, decode);
        }
    }

    #[test]
    fn numbers_that_lie_cost_nothing() {
        let mut cell = vec![FORMAT, 1, LISTED];
        cell.extend(u64::MAX.to_be_bytes());
        assert_eq!(decode(&cell), None);
        assert_eq!(decode(&[FORMAT, 4, EVERYONE]), None, "a scheme that nobody knows");
        assert_eq!(decode(&[FORMAT, 1, 9]), None, "an admission that nobody knows");
    }

    /// Cells like these lie in stores.
    #[test]
    fn the_format_is_this_one_for_good() {
        let policy = ServicePolicy {
            schemes: Schemes {
                oauth: false,
                browserid: true,
            },
            allowed_issuers: vec!["a".into(), "bc".into()],
            trusted_issuers: vec![],
            allowed_email_domains: vec![],
            admission: Admission::Listed(["u".to_owned()].into()),
            conditions: [("t".to_owned(), "h".to_owned())].into(),
            auth_max_age_secs: Some(7),
            allocation: Allocation {
                pinned_to: Some("n".into()),
                pools: vec![PoolRule {
                    whom: Whom::Domains(["d".to_owned()].into()),
                    share: 500,
                    pool: PoolName::new("p").unwrap(),
                }],
                closed_pools: [PoolName::new("q").unwrap()].into(),
            },
        };
        let number = |number: u64| number.to_be_bytes().to_vec();
        let text = |text: &str| [number(text.len() as u64), text.into()].concat();
        let expected = [
            vec![2, 2],
            [vec![2], number(1), text("u")].concat(),
            [number(2), text("a"), text("bc")].concat(),
            number(0),
            [number(1), text("t"), text("h")].concat(),
            [vec![1], number(7)].concat(),
            [vec![1], text("n")].concat(),
            [number(1), vec![1], number(1), text("d"), number(500), text("p")].concat(),
            [number(1), text("q")].concat(),
        ];
        assert_eq!(encode(&policy), expected.concat());

        let mut with_domains = policy;
        with_domains.allowed_email_domains = vec!["e".into(), "fg".into()];
        let mut expected = expected.concat();
        assert_eq!(decode(&expected).unwrap().allowed_email_domains, [""; 0]);
        expected[0] = 3;
        expected.extend([number(2), text("e"), text("fg")].concat());
        assert_eq!(encode(&with_domains), expected);

        let of = |admission| ServicePolicy {
            admission,
            ..ServicePolicy::default()
        };
        let rest = vec![0; 42];
        let table = [
            (Admission::Everyone, vec![0]),
            (Admission::Nobody, vec![1]),
            (Admission::First(9), [vec![3], number(9)].concat()),
        ];
        for (admission, cell) in table {
            let expected = [vec![2, 1], cell, rest.clone()].concat();
            assert_eq!(encode(&of(admission.clone())), expected, "{admission:?}");
        }
    }
}
