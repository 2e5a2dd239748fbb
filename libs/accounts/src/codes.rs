//! Mailed codes are derived from the account's nonce and the deployment's code key, not stored: sending one again needs
//! no write, short ones expire by themselves, and a new nonce voids all that were mailed before.

use std::{sync::Arc, time::Duration};

use foxhold_core::{Secret, Timestamp, Uid, hex};
use foxhold_crypto::mac::{hmac_sha256, same};

/// Short codes change this often.
const SHORT_STEP: Duration = Duration::from_secs(15 * 60);
/// How many earlier short codes are still right: a code lives for 45 to 60 minutes.
const SHORT_STEPS_BACK: u64 = 3;

/// The secret of the deployment that codes are derived with (`accounts.md` (k), Backup codes).
#[derive(Clone)]
pub struct CodeKey(Arc<Secret<32>>);

impl CodeKey {
    /// Takes the key over.
    #[must_use]
    pub fn new(key: Secret<32>) -> Self {
        Self(Arc::new(key))
    }

    /// The code in the link of a verification mail, 32 hex digits.
    #[must_use]
    pub fn link_code(&self, uid: Uid, nonce: &[u8; 16]) -> String {
        let mac = self.mac(&[b"verify-link\0", uid.as_bytes(), nonce]);
        hex::encode(&mac[..16])
    }

    /// Whether this is the code of the account's link. Constant time.
    #[must_use]
    pub fn is_link_code(&self, uid: Uid, nonce: &[u8; 16], code: &str) -> bool {
        same(self.link_code(uid, nonce).as_bytes(), code.as_bytes())
    }

    /// The code a person types, 6 digits.
    #[must_use]
    pub fn short_code(&self, uid: Uid, nonce: &[u8; 16], now: Timestamp) -> String {
        self.short_code_of(uid, nonce, step_of(now))
    }

    /// Whether this is one of the account's short codes of the last hour. Constant time.
    #[must_use]
    pub fn is_short_code(&self, uid: Uid, nonce: &[u8; 16], now: Timestamp, code: &str) -> bool {
        let newest = step_of(now);
        (newest.saturating_sub(SHORT_STEPS_BACK)..=newest)
            .map(|step| same(self.short_code_of(uid, nonce, step).as_bytes(), code.as_bytes()))
            // Not `any`: which step it was must not show in the time.
            .fold(false, |found, this| found | this)
    }

    fn short_code_of(&self, uid: Uid, nonce: &[u8; 16], step: u64) -> String {
        let mac = self.mac(&[b"verify-short\0", uid.as_bytes(), nonce, &step.to_be_bytes()]);
        let (number, _) = mac.split_first_chunk::<8>().expect("a MAC has 32 bytes");
        format!("{:06}", u64::from_be_bytes(*number) % 1_000_000)
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        hmac_sha256(self.0.expose(), parts)
    }
}

fn step_of(now: Timestamp) -> u64 {
    now.as_secs() / SHORT_STEP.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_key() -> CodeKey {
        let mut bytes = [0; 32];
        for (byte, value) in bytes.iter_mut().zip(0..) {
            *byte = value;
        }
        CodeKey::new(Secret::new(bytes))
    }

    const UID: Uid = Uid::from_bytes([0xae; 16]);
    const NONCE: [u8; 16] = [7; 16];
    const NOW: Timestamp = Timestamp::from_secs(1_700_000_100);

    #[test]
    fn a_short_code_lives_for_three_further_steps() {
        let code = code_key().short_code(UID, &NONCE, NOW);
        assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()));
        let table = [
            (0, true),
            (15, true),
            (30, true),
            (45, true),
            (60, false),
            (75, false),
        ];
        for (minutes, expected) in table {
            let later = NOW.plus(Duration::from_secs(minutes * 60));
            assert_eq!(
                code_key().is_short_code(UID, &NONCE, later, &code),
                expected,
                "{minutes} min later"
            );
        }
        let before = NOW.minus(Duration::from_secs(15 * 60));
        assert!(
            !code_key().is_short_code(UID, &NONCE, before, &code),
            "a code of the future"
        );
    }

    #[test]
    fn codes_belong_to_one_account_nonce_and_key() {
        let keys = code_key();
        let other_key = CodeKey::new(Secret::new([9; 32]));
        let other_uid = Uid::from_bytes([0xaf; 16]);
        let (link, short) = (keys.link_code(UID, &NONCE), keys.short_code(UID, &NONCE, NOW));
        assert!(keys.is_link_code(UID, &NONCE, &link));
        assert_eq!(link.len(), 32);
        for (name, key, uid, nonce) in [
            ("uid", &keys, other_uid, NONCE),
            ("nonce", &keys, UID, [8; 16]),
            ("code key", &other_key, UID, NONCE),
        ] {
            assert!(!key.is_link_code(uid, &nonce, &link), "{name}");
            assert!(!key.is_short_code(uid, &nonce, NOW, &short), "{name}");
        }
        for code in [
            "",
            "0",
            &link[..31],
            &link.to_uppercase()[..],
            &format!("{link}0"),
        ] {
            assert!(!keys.is_link_code(UID, &NONCE, code), "{code:?}");
        }
    }
}
