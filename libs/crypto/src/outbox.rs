//! How a mail lies in the outbox (docs/adr/0016): AES-256-GCM under a key of its own, derived from the deployment's code
//! key and the mail's id. A copy of the store shows neither receivers nor codes, and no mail can be put in another's place.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use foxhold_core::{OpId, Secret};
use zeroize::Zeroizing;

use crate::hkdf;

/// What the keys are for.
const INFO: &[u8] = b"foxhold outbox v1";
/// Bytes that stand before what was sealed.
const NONCE_LEN: usize = 12;

/// The key of a deployment's outbox.
pub struct OutboxKey(Secret<32>);

impl OutboxKey {
    /// From the key that mailed codes are derived with.
    #[must_use]
    pub fn derive(code_key: &Secret<32>) -> Self {
        Self(hkdf::derive(code_key.expose(), &[], &[INFO]))
    }

    /// Seals a mail. `nonce` is drawn by the caller.
    ///
    /// # Panics
    /// Never: nothing here is as long as the cipher cannot take.
    #[must_use]
    pub fn seal(&self, id: OpId, nonce: [u8; NONCE_LEN], mail: &[u8]) -> Vec<u8> {
        let payload = Payload {
            msg: mail,
            aad: id.as_bytes(),
        };
        let sealed = self
            .cipher(id)
            .encrypt(&Nonce::from(nonce), payload)
            .expect("a mail is shorter than 64 GiB");
        [&nonce[..], &sealed].concat()
    }

    /// Opens it. `None` if it was sealed with another code key or for another id, or is damaged.
    #[must_use]
    pub fn open(&self, id: OpId, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let payload = Payload {
            msg: sealed,
            aad: id.as_bytes(),
        };
        let opened = self.cipher(id).decrypt(&Nonce::from(*nonce), payload);
        opened.ok().map(Zeroizing::new)
    }

    /// A key a mail: no number of mails wears one out.
    fn cipher(&self, id: OpId) -> Aes256Gcm {
        let key = hkdf::derive::<32>(self.0.expose(), id.as_bytes(), &[INFO]);
        Aes256Gcm::new(&(*key.expose()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_mail_opens_with_its_key_under_its_id_and_whole() {
        let (key, id) = (
            OutboxKey::derive(&Secret::new([1; 32])),
            OpId::from_bytes([2; 16]),
        );
        let sealed = key.seal(id, [3; 12], b"code 123456");
        assert_eq!(key.open(id, &sealed).unwrap().as_slice(), b"code 123456");
        assert!(!sealed.windows(6).any(|bytes| bytes == b"123456"));
        let other = OutboxKey::derive(&Secret::new([9; 32]));
        assert!(other.open(id, &sealed).is_none(), "another key");
        assert!(
            key.open(OpId::from_bytes([9; 16]), &sealed).is_none(),
            "another id"
        );
        for length in 0..sealed.len() {
            assert!(key.open(id, &sealed[..length]).is_none(), "{length}");
        }
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(key.open(id, &changed).is_none(), "{place}");
        }
    }
}
