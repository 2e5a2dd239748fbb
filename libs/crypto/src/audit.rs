//! What an audit log is sealed with (`security.md` C.6): names that hide accounts, and signatures over the newest hash.
//! The log itself is the keysigner's.

use foxhold_core::{Secret, Timestamp, Uid};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::{hkdf, mac};

/// A SHA-256.
pub type Hash = [u8; 32];

/// The key of one log, apart from all keys that sign anything else.
pub struct AuditKey {
    pseudonyms: Secret<32>,
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditKey(..)")
    }
}

impl AuditKey {
    /// Both uses from one secret.
    #[must_use]
    pub fn new(master: &Secret<32>) -> Self {
        let part =
            |name: &str| hkdf::derive::<32>(master.expose(), &[], &[b"foxhold audit ", name.as_bytes()]);
        let pair = Ed25519KeyPair::from_seed_unchecked(part("heads").expose());
        Self {
            pseudonyms: part("accounts"),
            pair: pair.expect("any 32 bytes are a seed"),
        }
    }

    /// What the log calls an account. Whoever has the key can look for one; nobody else can tell which it is.
    #[must_use]
    pub fn pseudonym(&self, uid: Uid) -> Hash {
        mac::hmac_sha256(self.pseudonyms.expose(), &[uid.as_bytes()])
    }

    /// What heads verify under.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        let public = self.pair.public_key().as_ref().try_into();
        public.expect("an Ed25519 key has 32 bytes")
    }

    /// Signs the head of the log.
    #[must_use]
    pub fn sign(&self, head: &Head) -> [u8; 64] {
        let signature = self.pair.sign(&head.message());
        signature
            .as_ref()
            .try_into()
            .expect("an Ed25519 signature has 64 bytes")
    }
}

/// How far a log had come: whoever keeps one can tell later that nothing up to there was changed or is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Which log.
    pub log: [u8; 8],
    /// The number of its newest record.
    pub seq: u64,
    /// That record's hash.
    pub hash: Hash,
    /// When it was signed.
    pub at: Timestamp,
}

impl Head {
    fn message(&self) -> Vec<u8> {
        let (seq, at) = (self.seq.to_be_bytes(), self.at.as_millis().to_be_bytes());
        [&b"foxhold audit head"[..], &self.log, &seq, &self.hash, &at].concat()
    }

    /// Whether the owner of `public` signed this.
    #[must_use]
    pub fn is_signed(&self, public: &[u8; 32], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, public);
        key.verify(&self.message(), signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            log: [1; 8],
            seq: 1000,
            hash: [2; 32],
            at: Timestamp::from_millis(1_700_000_000_000),
        }
    }

    #[test]
    fn a_head_is_good_as_it_was_signed_and_under_its_key() {
        let (key, other) = (
            AuditKey::new(&Secret::new([7; 32])),
            AuditKey::new(&Secret::new([8; 32])),
        );
        let signature = key.sign(&head());
        assert!(head().is_signed(&key.public(), &signature));
        assert!(!head().is_signed(&other.public(), &signature));
        type Change = fn(&mut Head);
        let table: [(&str, Change); 4] = [
            ("another log", |head| head.log[7] ^= 1),
            ("another number", |head| head.seq += 1),
            ("another hash", |head| head.hash[0] ^= 1),
            ("another time", |head| head.at = Timestamp::from_millis(1)),
        ];
        for (name, change) in table {
            let mut changed = head();
            change(&mut changed);
            assert!(!changed.is_signed(&key.public(), &signature), "{name}");
        }
        assert!(!head().is_signed(&key.public(), &signature[1..]));
        assert!(!head().is_signed(&key.public(), &[]));
    }

    #[test]
    fn one_account_has_one_name_under_one_key() {
        let key = |byte| AuditKey::new(&Secret::new([byte; 32]));
        let uid = Uid::from_bytes([9; 16]);
        assert_eq!(key(7).pseudonym(uid), key(7).pseudonym(uid));
        assert_ne!(key(7).pseudonym(uid), key(8).pseudonym(uid));
        assert_ne!(key(7).pseudonym(uid), key(7).pseudonym(Uid::from_bytes([10; 16])));
    }
}
