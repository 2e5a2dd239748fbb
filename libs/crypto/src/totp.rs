//! One-time passwords from time (RFC 6238): HMAC-SHA1, six digits, a new one every thirty seconds.

use std::time::Duration;

use foxhold_core::{Secret, Timestamp};
use ring::hmac;

use crate::mac::same;

/// How long a code is the present one.
pub const STEP: Duration = Duration::from_secs(30);
/// Digits of a code.
pub const CODE_LEN: usize = 6;

/// The number of the step that a time is in.
#[must_use]
pub fn step_of(now: Timestamp) -> u64 {
    now.as_secs() / STEP.as_secs()
}

/// The code of a step (RFC 4226 section 5.3).
#[must_use]
pub fn code(secret: &Secret<20>, step: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose());
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let mac = mac.as_ref();
    let offset = usize::from(mac[mac.len() - 1] & 0x0f);
    let bytes = mac[offset..offset + 4].try_into().expect("a MAC has 20 bytes");
    format!("{:06}", (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000)
}

/// The step whose code this is: the present one or one beside it, since clocks differ, and later than all that were used.
/// Constant time.
#[must_use]
pub fn fitting_step(secret: &Secret<20>, code: &str, now: Timestamp, used: Option<u64>) -> Option<u64> {
    let present = step_of(now);
    let mut found = None;
    for step in present.saturating_sub(1)..=present + 1 {
        let fits = same(self::code(secret, step).as_bytes(), code.as_bytes());
        if fits && used.is_none_or(|used| step > used) {
            found = found.or(Some(step));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: Secret<20> = Secret::new(*b"12345678901234567890");

    /// RFC 6238, appendix B, cut to six digits; the last is of the contract.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (secs, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (1_700_000_000, "921300"),
        ] {
            let step = step_of(Timestamp::from_secs(secs));
            assert_eq!(code(&SECRET, step), expected, "{secs}");
        }
    }

    #[test]
    fn a_code_is_right_for_one_step_around_its_own() {
        let now = Timestamp::from_secs(1_700_000_000);
        let present = step_of(now);
        for (back, expected) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let step = present.checked_add_signed(back).unwrap();
            let found = fitting_step(&SECRET, &code(&SECRET, step), now, None);
            assert_eq!(found, expected.then_some(step), "{back}");
        }
        for wrong in ["", "92130", "9213000", "000000"] {
            assert_eq!(fitting_step(&SECRET, wrong, now, None), None, "{wrong:?}");
        }
        assert_eq!(
            fitting_step(&SECRET, &code(&SECRET, 0), Timestamp::from_secs(0), None),
            Some(0)
        );
    }

    #[test]
    fn no_step_is_used_twice_and_none_before_it() {
        let now = Timestamp::from_secs(1_700_000_000);
        let present = step_of(now);
        let table = [
            (present - 1, present - 2, true),
            (present - 1, present - 1, false),
            (present, present - 1, true),
            (present, present, false),
            (present - 1, present, false),
            (present + 1, present, true),
            (present + 1, present + 1, false),
        ];
        for (step, used, is_right) in table {
            let found = fitting_step(&SECRET, &code(&SECRET, step), now, Some(used));
            assert_eq!(found, is_right.then_some(step), "{step} after {used}");
        }
    }
}
