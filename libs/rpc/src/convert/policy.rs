//! What a service asks of those who want a token: `foxhold.dbwriter.v1` and `foxhold_core::record`.

use foxhold_core::record::{Admission, Schemes, ServicePolicy};

use super::{FieldError, field, message, optional_message};
use crate::wire::dbwriter::{self as pb, admission::Kind};

impl TryFrom<pb::ServicePolicy> for ServicePolicy {
    type Error = FieldError;

    fn try_from(wire: pb::ServicePolicy) -> Result<Self, FieldError> {
        let policy = Self {
            schemes: field("schemes", wire.schemes)?.into(),
            allowed_issuers: wire.allowed_issuers,
            trusted_issuers: wire.trusted_issuers,
            allowed_email_domains: wire.allowed_email_domains,
            admission: message("admission", wire.admission)?,
            conditions: wire.conditions.into_iter().collect(),
            auth_max_age_secs: wire.auth_max_age_secs,
            allocation: optional_message("allocation", wire.allocation)?.unwrap_or_default(),
        };
        policy.check().map_err(|fault| FieldError::new(fault.field))?;
        Ok(policy)
    }
}

impl From<ServicePolicy> for pb::ServicePolicy {
    fn from(policy: ServicePolicy) -> Self {
        Self {
            schemes: Some(policy.schemes.into()),
            allowed_issuers: policy.allowed_issuers,
            trusted_issuers: policy.trusted_issuers,
            allowed_email_domains: policy.allowed_email_domains,
            admission: Some(policy.admission.into()),
            conditions: policy.conditions.into_iter().collect(),
            auth_max_age_secs: policy.auth_max_age_secs,
            allocation: Some(policy.allocation.into()),
        }
    }
}

impl From<pb::Schemes> for Schemes {
    fn from(wire: pb::Schemes) -> Self {
        let pb::Schemes { oauth, browserid } = wire;
        Self { oauth, browserid }
    }
}

impl From<Schemes> for pb::Schemes {
    fn from(schemes: Schemes) -> Self {
        let Schemes { oauth, browserid } = schemes;
        Self { oauth, browserid }
    }
}

impl TryFrom<pb::Admission> for Admission {
    type Error = FieldError;

    fn try_from(wire: pb::Admission) -> Result<Self, FieldError> {
        Ok(match field("kind", wire.kind)? {
            Kind::Everyone(pb::Everyone {}) => Self::Everyone,
            Kind::Nobody(pb::Nobody {}) => Self::Nobody,
            Kind::Listed(pb::Listed { accounts }) => Self::Listed(accounts.into_iter().collect()),
            Kind::First(users) => Self::First(users),
        })
    }
}

impl From<Admission> for pb::Admission {
    fn from(admission: Admission) -> Self {
        let kind = match admission {
            Admission::Everyone => Kind::Everyone(pb::Everyone {}),
            Admission::Nobody => Kind::Nobody(pb::Nobody {}),
            Admission::Listed(accounts) => Kind::Listed(pb::Listed {
                accounts: accounts.into_iter().collect(),
            }),
            Admission::First(users) => Kind::First(users),
        };
        Self { kind: Some(kind) }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::record::Allocation;

    use super::*;

    fn policy(admission: Admission) -> ServicePolicy {
        ServicePolicy {
            schemes: Schemes {
                oauth: false,
                browserid: true,
            },
            allowed_issuers: vec!["b.example".into(), "a.example".into()],
            trusted_issuers: vec!["a.example".into()],
            allowed_email_domains: vec!["d.example".into(), "c.example".into()],
            admission,
            conditions: [("terms".to_owned(), "https://example.com/terms".to_owned())].into(),
            auth_max_age_secs: Some(3600),
            allocation: Allocation {
                pinned_to: Some("https://node".into()),
                ..Allocation::default()
            },
        }
    }

    #[test]
    fn policies_survive_the_wire() {
        let listed = ["a".to_owned(), "b".to_owned()].into();
        for admission in [
            Admission::Everyone,
            Admission::Nobody,
            Admission::Listed(listed),
            Admission::First(0),
            Admission::First(u64::MAX),
        ] {
            let policy = policy(admission);
            let wire = pb::ServicePolicy::from(policy.clone());
            assert_eq!(ServicePolicy::try_from(wire), Ok(policy));
        }
        let plain = ServicePolicy::default();
        let mut wire = pb::ServicePolicy::from(plain.clone());
        assert_eq!(ServicePolicy::try_from(wire.clone()), Ok(plain.clone()));
        wire.allocation = None;
        assert_eq!(
            ServicePolicy::try_from(wire),
            Ok(plain),
            "from who knows no pools"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_its_field() {
        type Row = (fn(&mut pb::ServicePolicy), FieldError);
        let table: [Row; 7] = [
            (|wire| wire.schemes = None, FieldError::new("schemes")),
            (
                |wire| wire.schemes = Some(pb::Schemes::default()),
                FieldError::new("schemes"),
            ),
            (
                |wire| wire.allowed_issuers.clear(),
                FieldError::new("allowed_issuers"),
            ),
            (
                |wire| wire.allowed_email_domains.push("*".into()),
                FieldError::new("allowed_email_domains"),
            ),
            (|wire| wire.admission = None, FieldError::new("admission")),
            (
                |wire| wire.admission = Some(pb::Admission { kind: None }),
                FieldError::new("kind").under("admission"),
            ),
            (
                |wire| wire.allocation.as_mut().unwrap().closed_pools = vec!["A".into()],
                FieldError::new("closed_pools").under("allocation"),
            ),
        ];
        for (change, expected) in table {
            let mut wire = pb::ServicePolicy::from(policy(Admission::Nobody));
            change(&mut wire);
            assert_eq!(ServicePolicy::try_from(wire), Err(expected));
        }
    }
}
