//! A mail ready for the mail server, and how it lies in the outbox meanwhile: sealed, with its receiver. Beside such mails lie
//! facts that are worded when they are sent.

use std::time::Duration;

use foxhold_accounts::invitation_mail::InvitationMail;
use foxhold_core::{OpId, TokenId};
use foxhold_crypto::outbox::OutboxKey;
use foxhold_ports::outbox::KEPT;
use foxhold_runtime::metrics::label::mail_template;
use lettre::Address;
use zeroize::Zeroizing;

/// How long a mail with a forgot token is worth sending: as long as the token lives (`accounts.md` (a), Tokens).
const RECOVERY_KEPT: Duration = Duration::from_secs(3600);
/// One with digits: as long as those are good.
const DIGITS_KEPT: Duration = Duration::from_secs(15 * 60);
/// One with the digits of a sign-in, which are good for a little longer.
const SIGN_IN_KEPT: Duration = Duration::from_secs(45 * 60);

/// A mail with its envelope. Holds a code: never shown.
pub(super) struct Parcel {
    /// The template's name, as metrics know it.
    pub(super) template: &'static str,
    pub(super) to: Address,
    /// The whole message (RFC 5322).
    pub(super) message: Zeroizing<Vec<u8>>,
    /// Which invitation it brings. Of a mail that was worded before it was put nothing is known.
    pub(super) invitation: Option<TokenId>,
}

/// What lies in the outbox.
pub(super) enum Unsealed {
    Parcel(Parcel),
    Invitation(InvitationMail),
}

impl Unsealed {
    /// `None` if it was sealed by another deployment, or is damaged.
    pub(super) fn open(key: &OutboxKey, id: OpId, sealed: &[u8]) -> Option<Self> {
        let plain = key.open(id, sealed)?;
        let invitation = InvitationMail::read(&plain).map(Self::Invitation);
        invitation.or_else(|| Parcel::read(&plain).map(Self::Parcel))
    }
}

impl Parcel {
    pub(super) fn seal(&self, key: &OutboxKey, id: OpId, nonce: [u8; 12]) -> Vec<u8> {
        let head = format!("{}\n{}\n", self.template, self.to);
        let plain = Zeroizing::new([head.as_bytes(), &self.message].concat());
        key.seal(id, nonce, &plain)
    }

    fn read(plain: &[u8]) -> Option<Self> {
        let mut parts = plain.splitn(3, |byte| *byte == b'\n');
        let template = std::str::from_utf8(parts.next()?).ok()?;
        let to = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        Some(Self {
            template: mail_template(template),
            to,
            message: Zeroizing::new(parts.next()?.to_vec()),
            invitation: None,
        })
    }

    /// How long after it was put it is worth sending.
    pub(super) fn kept(&self) -> Duration {
        match self.template {
            "recovery" => RECOVERY_KEPT,
            "passwordForgotOtp" => DIGITS_KEPT,
            "verify_login_code" => SIGN_IN_KEPT,
            _ => KEPT,
        }
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Secret;

    use super::*;

    #[test]
    fn a_parcel_survives_the_outbox() {
        let key = OutboxKey::derive(&Secret::new([7; 32]));
        let id = OpId::from_bytes([1; 16]);
        for (template, kept) in [
            ("recovery", 3600),
            ("passwordForgotOtp", 900),
            ("verify_login_code", 2700),
            ("verify_login", 86_400),
            ("verify", 86_400),
            ("other", 86_400),
        ] {
            let parcel = Parcel {
                template,
                to: "o'hara@example.test".parse().unwrap(),
                message: Zeroizing::new(b"Subject: a\r\n\r\nb\nc\n".to_vec()),
                invitation: None,
            };
            let sealed = parcel.seal(&key, id, [2; 12]);
            let Some(Unsealed::Parcel(opened)) = Unsealed::open(&key, id, &sealed) else {
                panic!("{template}: no parcel");
            };
            assert_eq!(opened.template, template);
            assert_eq!((&opened.to, &opened.message), (&parcel.to, &parcel.message));
            assert_eq!(opened.kept().as_secs(), kept);
        }
        assert_eq!(mail_template("newDeviceLogin"), "other");
        let nobody = key.seal(id, [2; 12], b"verify\nnobody\ntext");
        assert!(Unsealed::open(&key, id, &nobody).is_none());
    }
}
