//! Invitations: `foxhold.dbwriter.v1` and `foxhold_ports::invitations`.

use foxhold_core::record::EmailKey;
use foxhold_ports::invitations::{InvitationTerms, Invited};

use super::{FieldError, time};
use crate::wire::dbwriter as pb;

impl From<InvitationTerms> for pb::InvitationTerms {
    fn from(terms: InvitationTerms) -> Self {
        let (address, domain) = match terms.invited {
            Invited::Anybody => (None, String::new()),
            Invited::Address(typed, key) => {
                let key = key.as_str().to_owned();
                (Some(pb::InvitedAddress { typed, key }), String::new())
            }
            Invited::Domain(domain) => (None, domain),
        };
        Self {
            address,
            domain,
            created_at_ms: terms.created_at.as_millis(),
            expires_at_ms: terms.expires_at.as_millis(),
            mailed: terms.mailed,
            note: terms.note,
            creator: terms.creator,
        }
    }
}

impl TryFrom<pb::InvitationTerms> for InvitationTerms {
    type Error = FieldError;

    fn try_from(wire: pb::InvitationTerms) -> Result<Self, FieldError> {
        let invited = match (wire.address, wire.domain) {
            (None, domain) if domain.is_empty() => Invited::Anybody,
            (None, domain) => Invited::Domain(domain),
            (Some(address), domain) if domain.is_empty() && !address.key.is_empty() => {
                Invited::Address(address.typed, EmailKey::from_normalized(address.key))
            }
            (Some(_), _) => return Err(FieldError::new("address")),
        };
        Ok(Self {
            invited,
            created_at: time(wire.created_at_ms),
            expires_at: time(wire.expires_at_ms),
            mailed: wire.mailed,
            note: wire.note,
            creator: wire.creator,
        })
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Timestamp;

    use super::*;

    #[test]
    fn whom_an_invitation_is_for_survives_the_wire() {
        let key = EmailKey::from_normalized("a@example.test".into());
        for invited in [
            Invited::Anybody,
            Invited::Address("A@example.test".into(), key),
            Invited::Domain("example.test".into()),
        ] {
            let terms = InvitationTerms {
                invited,
                created_at: Timestamp::from_millis(1),
                expires_at: Timestamp::from_millis(2),
                mailed: true,
                note: Some(String::new()),
                creator: "c".into(),
            };
            let wire = pb::InvitationTerms::from(terms.clone());
            assert_eq!(InvitationTerms::try_from(wire), Ok(terms));
        }
    }

    #[test]
    fn nobody_in_particular_is_no_address() {
        let wire = pb::InvitationTerms {
            address: Some(pb::InvitedAddress::default()),
            ..pb::InvitationTerms::default()
        };
        assert_eq!(InvitationTerms::try_from(wire), Err(FieldError::new("address")));
    }
}
