//! The recovery key of an account, as its owner's browser makes and uses it (`accounts.md` (k)). The server has of it what
//! [`RecoveryKey::id`] and [`RecoveryKey::seal`] give, and opens nothing.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead, KeyInit, Payload},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use foxhold_core::{Secret, Uid, hex};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::hkdf;

/// Bytes of a key.
const LEN: usize = 20;
/// Its letters, five bits each.
const LETTERS: usize = 32;
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// The first letter of version 1.
const VERSION: u8 = b'A';

/// A key.
#[derive(Debug, PartialEq, Eq)]
pub struct RecoveryKey(Secret<LEN>);

impl RecoveryKey {
    /// Of twenty random bytes, of which five bits become the version.
    #[must_use]
    pub fn drawn(random: &Secret<LEN>) -> Self {
        let mut bytes = Zeroizing::new(*random.expose());
        bytes[0] = 0x50 | (bytes[0] & 7);
        Self(Secret::new(*bytes))
    }

    /// As its owner sees it: eight groups of four letters.
    #[must_use]
    pub fn shown(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(LETTERS + 7));
        for number in 0..LETTERS {
            if number > 0 && number % 4 == 0 {
                text.push(' ');
            }
            text.push(char::from(ALPHABET[usize::from(self.letter(number))]));
        }
        text
    }

    /// Five bits, the most significant first.
    fn letter(&self, number: usize) -> u8 {
        let bytes = self.0.expose();
        (number * 5..number * 5 + 5).fold(0, |letter, bit| {
            letter << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1)
        })
    }

    /// As its owner has typed it; `None` if it cannot be one.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let kept = text
            .chars()
            .filter(|c| !c.is_control() && !matches!(c, ' ' | '-'));
        let letters: Zeroizing<Vec<u8>> = Zeroizing::new(kept.map(folded).collect::<Option<_>>()?);
        if letters.len() != LETTERS || letters[0] != VERSION {
            return None;
        }
        let mut bytes = Zeroizing::new([0_u8; LEN]);
        for (number, letter) in letters.iter().enumerate() {
            let value = ALPHABET.iter().position(|known| known == letter)?;
            for bit in 0..5 {
                let place = number * 5 + bit;
                bytes[place / 8] |= ((value >> (4 - bit) & 1) as u8) << (7 - place % 8);
            }
        }
        Some(Self(Secret::new(*bytes)))
    }

    /// What the server knows it by, 32 hex digits.
    #[must_use]
    pub fn id(&self, uid: Uid) -> String {
        let info = b"fxa recovery fingerprint";
        hex::encode(hkdf::derive::<16>(self.0.expose(), uid.as_bytes(), &[info]).expose())
    }

    fn sealing_key(&self, uid: Uid) -> Secret<32> {
        hkdf::derive(self.0.expose(), uid.as_bytes(), &[b"fxa recovery encrypt key"])
    }

    /// `recoveryData`: the keys, sealed. `iv` must be random and used for this one call.
    #[must_use]
    pub fn seal(&self, uid: Uid, iv: [u8; 12], k_a: &Secret<32>, k_b: &Secret<32>) -> String {
        let header = format!(r#"{{"enc":"A256GCM","alg":"dir","kid":"{}"}}"#, self.id(uid));
        let header = BASE64_URL_SAFE_NO_PAD.encode(header);
        let keys = [k_a, k_b].map(|key| Zeroizing::new(hex::encode(key.expose())));
        let plain = Zeroizing::new(format!(r#"{{"kA":"{}","kB":"{}"}}"#, *keys[0], *keys[1]));
        let message = Payload {
            msg: plain.as_bytes(),
            aad: header.as_bytes(),
        };
        let sealed = self.cipher(uid).encrypt(&Nonce::from(iv), message);
        let sealed = sealed.expect("two keys are far below what the cipher takes");
        let (ciphertext, tag) = sealed.split_at(plain.len());
        let [iv, ciphertext, tag] = [&iv, ciphertext, tag].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
        format!("{header}..{iv}.{ciphertext}.{tag}")
    }

    /// kB out of `recoveryData`; `None` if it is another key's, damaged, or of another form.
    #[must_use]
    pub fn open(&self, uid: Uid, data: &str) -> Option<Secret<32>> {
        #[derive(Deserialize)]
        struct Header {
            alg: String,
            enc: String,
        }
        #[derive(Deserialize)]
        struct Keys {
            #[serde(rename = "kB")]
            k_b: String,
        }
        let parts: Vec<&str> = data.split('.').collect();
        let [header, "", iv, ciphertext, tag] = parts.as_slice() else {
            return None;
        };
        let decode = |part: &str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
        let read: Header = serde_json::from_slice(&decode(header)?).ok()?;
        let iv: [u8; 12] = decode(iv)?.try_into().ok()?;
        let (mut sealed, tag) = (decode(ciphertext)?, decode(tag)?);
        if read.alg != "dir" || read.enc != "A256GCM" || tag.len() != 16 {
            return None;
        }
        sealed.extend_from_slice(&tag);
        let message = Payload {
            msg: &sealed,
            aad: header.as_bytes(),
        };
        let opened = self.cipher(uid).decrypt(&Nonce::from(iv), message);
        let opened = Zeroizing::new(opened.ok()?);
        let keys: Keys = serde_json::from_slice(&opened).ok()?;
        let k_b = Zeroizing::new(keys.k_b);
        hex::decode(&k_b).ok().map(Secret::new)
    }

    fn cipher(&self, uid: Uid) -> Aes256Gcm {
        Aes256Gcm::new(self.sealing_key(uid).expose().into())
    }
}

/// A typed letter as it was meant.
fn folded(letter: char) -> Option<u8> {
    let letter = u8::try_from(letter.to_ascii_uppercase()).ok()?;
    Some(match letter {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // The vector of `accounts.md` (k).
    const KEY: &str = "50a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3";
    const SHOWN: &str = "A2GT 58X4 MPKA FA59 NANT SBDE NYRB 3CNK";
    const DATA: &str = "eyJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiZGlyIiwia2lkIjoiMDdjNzhkOWQ1YjE4NWQwNTlhYjMyZThlZjQzMDViODgifQ..AAECAwQFBgcICQoL.s6pYu3el99xlkGoJJCOb7mQDuu2dqGUSOuPREL3CZOk4iZtaae_MRij4MC3wAYHB_jlIHJNBrZ1G7WLWRuMPQE4UV_3YWEsVUoAt8Tw98gvfwmVnWjT3rKvfndRm76I_4AFErrP2S15Vba6HrM0bvEtBpHyuiXVbHScyapEZAXXFtjTwHxwiooDCZOjZwAwtEw.tgQ5XuY6oHLl3XUOTRbnZA";

    fn uid() -> Uid {
        "aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap()
    }

    fn key() -> RecoveryKey {
        RecoveryKey(Secret::new(hex::decode(KEY).unwrap()))
    }

    fn iv() -> [u8; 12] {
        std::array::from_fn(|number| number as u8)
    }

    #[test]
    fn a_key_is_that_of_the_contract() {
        let mut random = hex::decode::<LEN>(KEY).unwrap();
        random[0] = 0xa8;
        assert_eq!(RecoveryKey::drawn(&Secret::new(random)), key());
        assert_eq!(*key().shown(), SHOWN);
        assert_eq!(key().id(uid()), "07c78d9d5b185d059ab32e8ef4305b88");
        let sealing = "0db0bb4b4099090c6bc6688222c4c4019521da165d484e33143c881b331bfc47";
        assert_eq!(hex::encode(key().sealing_key(uid()).expose()), sealing);
    }

    #[test]
    fn what_is_sealed_is_that_of_the_contract_and_opens() {
        let opened = key().open(uid(), DATA).expect("it is the key's");
        let k_a = Secret::new(std::array::from_fn(|number| 0x20 + number as u8));
        assert_eq!(key().seal(uid(), iv(), &k_a, &opened), DATA);
        let other = RecoveryKey::drawn(&Secret::new([7; LEN]));
        assert!(other.open(uid(), DATA).is_none());
        assert!(key().open(Uid::from_bytes([1; 16]), DATA).is_none());
        let changed = DATA.replace("..AAEC", "..AAED");
        for data in ["", "a.b.c", &DATA[..DATA.len() - 1], &changed] {
            assert!(key().open(uid(), data).is_none(), "{data}");
        }
    }

    #[test]
    fn what_is_typed_is_read_as_it_was_meant() {
        let of_the_contract = "a2gt-58x4-mpka-fa59-nant-sbde-nyrb-3cnk";
        for text in [SHOWN, of_the_contract, "\tA2GT58X4MPKAFA59NANTSBDENYRB3CNK\r\n"] {
            assert_eq!(RecoveryKey::typed(text), Some(key()), "{text:?}");
        }
        let with_ones = RecoveryKey::typed("A0I1 lOoi 0000 0000 0000 0000 0000 0000");
        let meant = RecoveryKey::typed("A011 1001 0000 0000 0000 0000 0000 0000");
        assert!(with_ones.is_some() && with_ones == meant);
        for text in [
            "",
            &SHOWN[1..],
            &format!("{SHOWN}0"),
            &SHOWN.replace("A2GT", "B2GT"),
            &SHOWN.replace("58X4", "58U4"),
            &SHOWN.replace("58X4", "58ß4"),
        ] {
            assert_eq!(RecoveryKey::typed(text), None, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_key_is_typed_as_it_is_shown(random in proptest::array::uniform20(proptest::num::u8::ANY)) {
            let key = RecoveryKey::drawn(&Secret::new(random));
            proptest::prop_assert_eq!(RecoveryKey::typed(&key.shown()), Some(key));
        }
    }
}
