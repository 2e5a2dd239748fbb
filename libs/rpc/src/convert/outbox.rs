//! Mail that waits: `foxhold.dbwriter.v1` and `foxhold_ports::outbox`.

use foxhold_core::OpId;
use foxhold_ports::outbox::{LeasedMail, MailRef, SEALED_LEN_MAX, SealedMail};

use super::{FieldError, field};
use crate::wire::dbwriter as pb;

/// A mail of a bounded length.
pub(crate) fn sealed_mail(wire: Vec<u8>) -> Result<SealedMail, FieldError> {
    let fits = (1..=SEALED_LEN_MAX).contains(&wire.len());
    field("sealed", fits.then_some(SealedMail(wire)))
}

/// Which mail, by which lease.
pub(crate) fn mail_ref(id: &[u8], lease: &[u8]) -> Result<MailRef, FieldError> {
    Ok(MailRef {
        id: field("id", OpId::from_slice(id))?,
        lease: field("lease", OpId::from_slice(lease))?,
    })
}

impl From<LeasedMail> for pb::LeasedMail {
    fn from(mail: LeasedMail) -> Self {
        Self {
            id: mail.at.id.as_bytes().to_vec(),
            lease: mail.at.lease.as_bytes().to_vec(),
            attempts: mail.attempts,
            sealed: mail.mail.0,
        }
    }
}

impl TryFrom<pb::LeasedMail> for LeasedMail {
    type Error = FieldError;

    fn try_from(wire: pb::LeasedMail) -> Result<Self, FieldError> {
        Ok(Self {
            at: mail_ref(&wire.id, &wire.lease)?,
            attempts: wire.attempts,
            mail: sealed_mail(wire.sealed)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_survives_the_wire_and_a_malformed_one_is_refused() {
        let mail = LeasedMail {
            at: MailRef {
                id: OpId::from_bytes([1; 16]),
                lease: OpId::from_bytes([2; 16]),
            },
            attempts: 3,
            mail: SealedMail(vec![4; 99]),
        };
        assert_eq!(LeasedMail::try_from(pb::LeasedMail::from(mail.clone())), Ok(mail));
        for length in [0, SEALED_LEN_MAX + 1] {
            assert_eq!(sealed_mail(vec![0; length]), Err(FieldError::new("sealed")));
        }
        assert_eq!(mail_ref(&[0; 16], &[0; 15]), Err(FieldError::new("lease")));
        assert_eq!(mail_ref(&[0; 17], &[0; 16]), Err(FieldError::new("id")));
    }
}
