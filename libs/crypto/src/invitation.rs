//! Codes that invite somebody to make an account (`accounts.md` (k), Registration): 80 random bits as 16 Crockford
//! characters. Only their MAC is kept, so what is in a store invites nobody.

use foxhold_core::{Random, Secret, SecretText, TokenId, random};
use zeroize::Zeroizing;

use crate::mac::hmac_sha256;

/// As Crockford has it: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code.
const LEN: usize = 16;
/// Characters of a group, as a code is shown.
const GROUP: usize = 4;
/// The longest that a code may be typed.
const TYPED_LEN_MAX: usize = 64;

/// A code, folded: upper case, nothing between the characters.
pub struct InvitationCode(Zeroizing<[u8; LEN]>);

impl InvitationCode {
    /// A new one.
    #[must_use]
    pub fn random(source: &dyn Random) -> Self {
        let mut bits = u128::from_be_bytes(random::bytes(source));
        let mut code = Zeroizing::new([0; LEN]);
        for character in code.iter_mut() {
            *character = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(code)
    }

    /// Reads what somebody typed: blanks, hyphens and control characters do not matter, nor does the case; O is a zero, I
    /// and L are ones. `None` if it is no code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TYPED_LEN_MAX {
            return None;
        }
        let meant = text.chars().filter(|c| !c.is_control() && *c != ' ' && *c != '-');
        let mut code = Zeroizing::new([0; LEN]);
        let mut length = 0;
        for character in meant.map(folded) {
            let place = code.get_mut(length)?;
            *place = u8::try_from(character)
                .ok()
                .filter(|byte| ALPHABET.contains(byte))?;
            length += 1;
        }
        (length == LEN).then_some(Self(code))
    }

    /// What it is kept under, with the deployment's code key.
    #[must_use]
    pub fn id(&self, code_key: &Secret<32>) -> TokenId {
        TokenId::from_bytes(hmac_sha256(code_key.expose(), &[b"invite\0", &*self.0]))
    }

    /// For a person: four groups of four.
    #[must_use]
    pub fn shown(&self) -> SecretText {
        let groups: Vec<&str> = self
            .0
            .chunks(GROUP)
            .map(|group| std::str::from_utf8(group).unwrap_or_default())
            .collect();
        SecretText::new(groups.join("-"))
    }
}

const fn folded(character: char) -> char {
    match character.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::hex;

    use super::*;

    struct Counting;

    impl Random for Counting {
        fn fill(&self, dest: &mut [u8]) {
            for (number, byte) in (0..).zip(dest) {
                *byte = number;
            }
        }
    }

    fn key() -> Secret<32> {
        let mut key = [0; 32];
        Counting.fill(&mut key);
        Secret::new(key)
    }

    #[test]
    fn the_contracts_code_is_kept_under_the_contracts_mac() {
        let code = InvitationCode::parse("A1B2C3D4E5F6G7H8").unwrap();
        assert_eq!(
            hex::encode(code.id(&key()).as_bytes()),
            "52c2524d78486cd39288f2c9d2599e1933665383d3495dc43fe63c60b852dc1b"
        );
    }

    #[test]
    fn a_code_is_taken_as_people_type_it() {
        let good = InvitationCode::parse("A1B2-C3D4-E5F6-G0H1").unwrap();
        for typed in [
            "a1b2-c3d4-e5f6-g0h1",
            " AIB2 C3D4 E5F6 GOHL ",
            "alb2c3d4e5f6gohi\r\n",
            "a-1-b-2-c-3-d-4-e-5-f-6-g-0-h-1",
        ] {
            let code = InvitationCode::parse(typed).unwrap();
            assert_eq!(*code.0, *good.0, "{typed:?}");
        }
        let long = "A1B2C3D4E5F6G0H1".to_owned() + &"-".repeat(64);
        for bad in [
            "",
            "A1B2-C3D4-E5F6-G0H",
            "A1B2-C3D4-E5F6-G0H11",
            "A1B2-C3D4-E5F6-G0HU",
            "A1B2_C3D4_E5F6_G0H1",
            "A1B2-C3D4-E5F6-G0H\u{ff11}",
            &long,
        ] {
            assert!(InvitationCode::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        let code = InvitationCode::random(&Counting);
        let shown = code.shown();
        assert_eq!(shown.expose().len(), 19);
        assert_eq!(*InvitationCode::parse(shown.expose()).unwrap().0, *code.0);
    }
}
