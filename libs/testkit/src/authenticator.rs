//! The device of a person with a second factor.

use anyhow::{Context, Result};
use foxhold_core::Secret;
use foxhold_crypto::totp;

use crate::person::now_secs;

/// What shows the codes.
pub struct Authenticator(Secret<20>);

impl Authenticator {
    /// Of the secret as `POST /totp/create` tells it.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(secret: &str) -> Result<Self> {
        let secret = Secret::from_slice(&base32(secret));
        Ok(Self(secret.context("no secret of an authenticator")?))
    }

    /// What it keeps.
    #[must_use]
    pub const fn secret(&self) -> &Secret<20> {
        &self.0
    }

    /// The present code.
    #[must_use]
    pub fn code(&self) -> String {
        self.code_after(0)
    }

    /// The code so many steps from now.
    #[must_use]
    pub fn code_after(&self, steps: u64) -> String {
        totp::code(&self.0, now_secs() / totp::STEP.as_secs() + steps)
    }
}

/// RFC 4648 without padding; what is none of its letters counts as nothing.
fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => continue,
        };
        bits = (bits << 5) | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_be_bytes()[3]);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}

#[test]
fn letters_are_those_of_the_standard() {
    assert_eq!(
        base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        b"12345678901234567890"
    );
    assert_eq!(base32("MZXW6YTBOI"), b"foobar");
}
