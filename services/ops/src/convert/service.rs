//! Services.

use std::collections::BTreeSet;

use foxhold_core::{
    ServiceUid,
    record::{
        self, PoolName, Schemes, ServiceKey, ServicePolicy,
        pool::{self},
    },
};
use foxhold_ports::{
    assignments::{PATTERN_FIX, SCOPE_FIX, is_pattern, is_scope},
    signer::LIFETIME_SECS_MAX,
};
use serde_json::Value;

use super::{node_url, pool_name, within};
use crate::{
    refused::fault,
    wire::{
        Admission, Allocation, FieldChange, FieldFault, PoolRule, Scheme, Service, ServiceSettings, Whom,
    },
};

/// The longest pattern or scope.
const TEXT_LEN_MAX: usize = 1024;

/// As it is told.
pub(crate) fn settings(of: record::Service) -> Service {
    let policy = of.policy;
    let schemes = [
        (policy.schemes.oauth, Scheme::OAuth),
        (policy.schemes.browserid, Scheme::BrowserId),
    ];
    Service {
        key: of.key.0,
        settings: ServiceSettings {
            pattern: of.pattern,
            scope: of.scope,
            token_lifetime_secs: of.token_lifetime_secs,
            uid_ceiling: of.uid_ceiling,
            schemes: schemes
                .into_iter()
                .filter_map(|(is_on, scheme)| is_on.then_some(scheme))
                .collect(),
            allowed_issuers: policy.allowed_issuers,
            trusted_issuers: policy.trusted_issuers,
            allowed_email_domains: policy.allowed_email_domains,
            admission: match policy.admission {
                record::Admission::Everyone => Admission::Everyone,
                record::Admission::Nobody => Admission::Nobody,
                record::Admission::Listed(accounts) => Admission::Listed(accounts),
                record::Admission::First(users) => Admission::First(users),
            },
            conditions: policy.conditions,
            auth_max_age_secs: policy.auth_max_age_secs,
            allocation: told_allocation(policy.allocation),
        },
    }
}

fn told_allocation(of: record::Allocation) -> Allocation {
    let rule = |rule: pool::PoolRule| PoolRule {
        whom: match rule.whom {
            pool::Whom::Everyone => Whom::Everyone,
            pool::Whom::Domains(domains) => Whom::Domains(domains),
            pool::Whom::Users(users) => Whom::Users(users),
        },
        share_basis_points: rule.share,
        pool: rule.pool.as_str().to_owned(),
    };
    Allocation {
        pinned_to: of.pinned_to,
        pools: of.pools.into_iter().map(rule).collect(),
        closed_pools: of
            .closed_pools
            .iter()
            .map(|pool| pool.as_str().to_owned())
            .collect(),
    }
}

/// As the ports take it.
///
/// # Errors
/// What cannot be meant.
pub(crate) fn service(key: ServiceKey, of: ServiceSettings) -> Result<record::Service, FieldFault> {
    for (field, value) in [("pattern", &of.pattern), ("scope", &of.scope)] {
        let is_text = value.len() <= TEXT_LEN_MAX && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !is_text {
            return Err(fault(field, "give at most 1024 characters of ASCII"));
        }
    }
    if !is_pattern(&of.pattern) {
        return Err(fault("pattern", PATTERN_FIX));
    }
    if !is_scope(&of.scope) {
        return Err(fault("scope", SCOPE_FIX));
    }
    if of.scope.trim().is_empty() && of.schemes.contains(&Scheme::OAuth) {
        return Err(fault(
            "scope",
            "give the scope that access tokens for this service must grant",
        ));
    }
    within(
        "token_lifetime_secs",
        of.token_lifetime_secs,
        1,
        LIFETIME_SECS_MAX,
    )?;
    within("uid_ceiling", of.uid_ceiling, 1, ServiceUid::MAX)?;
    let policy = ServicePolicy {
        schemes: Schemes {
            oauth: of.schemes.contains(&Scheme::OAuth),
            browserid: of.schemes.contains(&Scheme::BrowserId),
        },
        allowed_issuers: of.allowed_issuers,
        trusted_issuers: of.trusted_issuers,
        allowed_email_domains: of.allowed_email_domains,
        admission: match of.admission {
            Admission::Everyone => record::Admission::Everyone,
            Admission::Nobody => record::Admission::Nobody,
            Admission::Listed(accounts) => record::Admission::Listed(accounts),
            Admission::First(users) => record::Admission::First(users),
        },
        conditions: of.conditions,
        auth_max_age_secs: of.auth_max_age_secs,
        allocation: allocation(of.allocation)?,
    };
    policy.check().map_err(|found| fault(found.field, found.fix))?;
    Ok(record::Service {
        key,
        pattern: of.pattern,
        scope: of.scope,
        token_lifetime_secs: of.token_lifetime_secs,
        uid_ceiling: of.uid_ceiling,
        policy,
    })
}

fn allocation(of: Allocation) -> Result<record::Allocation, FieldFault> {
    if let Some(url) = &of.pinned_to {
        node_url("allocation.pinned_to", url)?;
    }
    let rule = |(at, rule): (usize, PoolRule)| {
        Ok(pool::PoolRule {
            whom: match rule.whom {
                Whom::Everyone => pool::Whom::Everyone,
                Whom::Domains(domains) => pool::Whom::Domains(domains),
                Whom::Users(users) => pool::Whom::Users(users),
            },
            share: rule.share_basis_points,
            pool: pool_name(&format!("allocation.pools[{at}].pool"), &rule.pool)?,
        })
    };
    let closed = |pool: &String| pool_name("allocation.closed_pools", pool);
    Ok(record::Allocation {
        pinned_to: of.pinned_to,
        pools: of
            .pools
            .into_iter()
            .enumerate()
            .map(rule)
            .collect::<Result<_, FieldFault>>()?,
        closed_pools: of
            .closed_pools
            .iter()
            .map(closed)
            .collect::<Result<BTreeSet<PoolName>, _>>()?,
    })
}

/// What differs, member by member.
pub(crate) fn changes<T: serde::Serialize>(before: &T, after: &T) -> Vec<FieldChange> {
    let members = |of: &T| match serde_json::to_value(of) {
        Ok(Value::Object(members)) => members,
        // Settings are an object.
        _ => serde_json::Map::new(),
    };
    let before = members(before);
    let differing = members(after).into_iter().filter_map(|(field, to)| {
        let from = before.get(&field).cloned().unwrap_or_default();
        (from != to).then_some(FieldChange { field, from, to })
    });
    differing.collect()
}
