//! The mail that brings somebody an invitation (`accounts.md` (i) and (k), Registration): what it says, and how that waits in
//! the outbox. Whoever invites words nothing: the process that sends the mail does, with its templates (docs/adr/0016).
//!
//! Must stay true: facts like these lie in outboxes, sealed; their form is followed by another, never changed.

use foxhold_core::{OpId, SecretText, Timestamp, TokenId};
use foxhold_crypto::outbox::OutboxKey;
use foxhold_ports::{
    cell::{Decoder, Encoder},
    outbox::SealedMail,
};

/// Below every character that the name of a template begins with, which is how other mails begin.
const FORMAT: u8 = 1;

/// An invitation's mail.
pub struct InvitationMail {
    /// To whom, as typed.
    pub to: String,
    /// Which invitation: it must be there, and unused, when the mail is sent.
    pub id: TokenId,
    /// Its code, as people read it.
    pub code: SecretText,
    /// Who invites, where the mail is to say so.
    pub from_name: Option<String>,
    /// From when on it invites nobody.
    pub expires_at: Timestamp,
}

impl InvitationMail {
    /// As it waits in the outbox under an id. `nonce` is drawn by the caller.
    #[must_use]
    pub fn seal(&self, key: &OutboxKey, id: OpId, nonce: [u8; 12]) -> SealedMail {
        let mut cell = Encoder::new(FORMAT);
        cell.sized(self.to.as_bytes());
        cell.bytes(self.id.as_bytes());
        cell.sized(self.code.expose().as_bytes());
        cell.option(self.from_name.as_ref(), |cell, name| cell.sized(name.as_bytes()));
        cell.number(self.expires_at.as_millis());
        SealedMail(key.seal(id, nonce, &cell.finish()))
    }

    /// What was unsealed; `None` if it is another kind of mail.
    #[must_use]
    pub fn read(plain: &[u8]) -> Option<Self> {
        let mut cell = Decoder::new(plain, FORMAT)?;
        let mail = Self {
            to: cell.text()?,
            id: TokenId::from_bytes(cell.array()?),
            code: SecretText::new(cell.text()?),
            from_name: cell.option(Decoder::text)?,
            expires_at: Timestamp::from_millis(cell.number()?),
        };
        cell.finish(mail)
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::Secret;
    use proptest::prelude::*;

    use super::*;

    fn mail(to: String, from_name: Option<String>) -> InvitationMail {
        InvitationMail {
            to,
            id: TokenId::from_bytes([7; 32]),
            code: SecretText::new("A1B2-C3D4-E5F6-G7H8".to_owned()),
            from_name,
            expires_at: Timestamp::from_millis(1_800_000_000_000),
        }
    }

    fn opened(sealed: &SealedMail) -> Option<InvitationMail> {
        let key = OutboxKey::derive(&Secret::new([1; 32]));
        let plain = key.open(OpId::from_bytes([2; 16]), &sealed.0)?;
        InvitationMail::read(&plain)
    }

    fn sealed(mail: &InvitationMail) -> SealedMail {
        let key = OutboxKey::derive(&Secret::new([1; 32]));
        mail.seal(&key, OpId::from_bytes([2; 16]), [3; 12])
    }

    proptest! {
        #[test]
        fn facts_survive_the_outbox(to in any::<String>(), from_name in any::<Option<String>>()) {
            let mail = mail(to, from_name);
            let opened = opened(&sealed(&mail)).expect("its own");
            prop_assert_eq!((&opened.to, &opened.from_name), (&mail.to, &mail.from_name));
            prop_assert_eq!((opened.id, opened.expires_at), (mail.id, mail.expires_at));
            prop_assert_eq!(opened.code.expose(), mail.code.expose());
        }

        #[test]
        fn no_bytes_panic(plain in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = InvitationMail::read(&plain);
        }
    }

    #[test]
    fn neither_address_nor_code_is_seen_from_outside() {
        let sealed = sealed(&mail("ann@example.test".into(), None)).0;
        for word in [&b"ann@"[..], b"A1B2"] {
            assert!(!sealed.windows(word.len()).any(|bytes| bytes == word));
        }
    }

    #[test]
    fn a_mail_that_is_worded_already_is_another_kind() {
        assert!(InvitationMail::read(b"verify\nann@example.test\nSubject: a\r\n\r\nb").is_none());
        assert!(InvitationMail::read(b"").is_none());
    }
}
