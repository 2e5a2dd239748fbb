//! Mailed codes are derived from the account's nonce and the deployment's code key, not stored: sending one again needs
//! no write, short ones expire by themselves, and a new nonce voids all that were mailed before.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use foxhold_core::{Secret, Timestamp, TokenId, Uid, hex};
use foxhold_crypto::{
    invitation::InvitationCode,
    mac::{hmac_sha256, same},
};

/// Short codes change this often.
const SHORT_STEP: Duration = Duration::from_secs(15 * 60);
/// How many earlier short codes are still right: a code lives for 45 to 60 minutes.
const SHORT_STEPS_BACK: u64 = 3;
/// How many codes before those are known as ones that were right: a day's.
const SHORT_STEPS_KNOWN: u64 = 96;

/// The link of a sign-in changes this often, and the one before is still right: it is good for one to two days.
const SIGN_IN_LINK_STEP: Duration = Duration::from_secs(24 * 3600);

/// How long the digits of a forgotten password are good.
pub(crate) const OTP_SPAN: Duration = Duration::from_secs(15 * 60);
/// How many there are.
const OTPS: u64 = 100_000_000;

/// Eight digits of a mail for a forgotten password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Otp(u64);

impl Otp {
    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number % OTPS)
    }
}

impl fmt::Display for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}", self.0)
    }
}

impl FromStr for Otp {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 8 || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(());
        }
        text.parse().map(Self).map_err(|_| ())
    }
}

/// What a typed code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShortCode {
    /// One of the last hour.
    Right,
    /// One of the last day.
    Expired,
    /// None of the account's.
    Wrong,
}

/// The secret of the deployment that codes are derived with (`accounts.md` (k), Backup codes).
#[derive(Clone)]
pub struct CodeKey(Arc<Secret<32>>);

impl CodeKey {
    /// Takes the key over.
    #[must_use]
    pub fn new(key: Secret<32>) -> Self {
        Self(Arc::new(key))
    }

    /// What an invitation is kept under.
    #[must_use]
    pub fn invitation_id(&self, code: &InvitationCode) -> TokenId {
        code.id(&self.0)
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

    /// What a typed code is. Constant time.
    #[must_use]
    pub fn judge_short_code(&self, uid: Uid, nonce: &[u8; 16], now: Timestamp, code: &str) -> ShortCode {
        judge_digits(code, now, |step| self.short_code_of(uid, nonce, step))
    }

    /// The code in the link of a mail that confirms a sign-in, 32 hex digits.
    #[must_use]
    pub fn sign_in_link_code(&self, uid: Uid, nonce: &[u8; 16], session: &TokenId, now: Timestamp) -> String {
        self.sign_in_link_code_of(uid, nonce, session, link_step_of(now))
    }

    /// Whether this is the code of the session's link. Constant time.
    #[must_use]
    pub fn is_sign_in_link_code(
        &self,
        uid: Uid,
        nonce: &[u8; 16],
        session: &TokenId,
        now: Timestamp,
        code: &str,
    ) -> bool {
        let newest = link_step_of(now);
        let is_of = |step| {
            same(
                self.sign_in_link_code_of(uid, nonce, session, step).as_bytes(),
                code.as_bytes(),
            )
        };
        is_of(newest) | is_of(newest.saturating_sub(1))
    }

    /// The code that a person types to confirm a sign-in, 6 digits.
    #[must_use]
    pub fn sign_in_short_code(
        &self,
        uid: Uid,
        nonce: &[u8; 16],
        session: &TokenId,
        now: Timestamp,
    ) -> String {
        self.sign_in_short_code_of(uid, nonce, session, step_of(now))
    }

    /// What a code is that was typed to confirm a sign-in. Constant time.
    #[must_use]
    pub fn judge_sign_in_code(
        &self,
        uid: Uid,
        nonce: &[u8; 16],
        session: &TokenId,
        now: Timestamp,
        code: &str,
    ) -> ShortCode {
        judge_digits(code, now, |step| {
            self.sign_in_short_code_of(uid, nonce, session, step)
        })
    }

    /// The code of a forgot token, 32 hex digits.
    #[must_use]
    pub fn reset_code(&self, uid: Uid, nonce: &[u8; 16], token: &TokenId) -> String {
        let mac = self.mac(&[b"reset-code\0", uid.as_bytes(), nonce, token.as_bytes()]);
        hex::encode(&mac[..16])
    }

    /// Whether this is the code of the forgot token. Constant time.
    #[must_use]
    pub fn is_reset_code(&self, uid: Uid, nonce: &[u8; 16], token: &TokenId, code: &str) -> bool {
        same(self.reset_code(uid, nonce, token).as_bytes(), code.as_bytes())
    }

    /// A forgot token: the link of a mail that is sent again bears it again, and the store does not have it. `number` keeps
    /// two of the same time apart.
    #[must_use]
    pub fn forgot_token(&self, uid: Uid, nonce: &[u8; 16], made: Timestamp, number: u16) -> Secret<32> {
        let made = made.as_millis().to_be_bytes();
        let parts: [&[u8]; 5] = [
            b"forgot-token\0",
            uid.as_bytes(),
            nonce,
            &made,
            &number.to_be_bytes(),
        ];
        Secret::new(self.mac(&parts))
    }

    /// What is stored of a backup code, folded (`accounts.md` (k)).
    #[must_use]
    pub fn backup_code(&self, uid: Uid, folded: &str) -> [u8; 32] {
        self.mac(&[b"backup-code\0", uid.as_bytes(), folded.as_bytes()])
    }

    /// The forgot token that digits stand for.
    pub(crate) fn otp_token(&self, uid: Uid, nonce: &[u8; 16], otp: Otp) -> Secret<32> {
        let digits = otp.to_string();
        Secret::new(self.mac(&[b"forgot-otp\0", uid.as_bytes(), nonce, digits.as_bytes()]))
    }

    fn short_code_of(&self, uid: Uid, nonce: &[u8; 16], step: u64) -> String {
        six_digits(&self.mac(&[b"verify-short\0", uid.as_bytes(), nonce, &step.to_be_bytes()]))
    }

    fn sign_in_short_code_of(&self, uid: Uid, nonce: &[u8; 16], session: &TokenId, step: u64) -> String {
        let (label, step) = (b"sign-in-short\0", step.to_be_bytes());
        six_digits(&self.mac(&[label, uid.as_bytes(), nonce, session.as_bytes(), &step]))
    }

    fn sign_in_link_code_of(&self, uid: Uid, nonce: &[u8; 16], session: &TokenId, step: u64) -> String {
        let (label, step) = (b"sign-in-link\0", step.to_be_bytes());
        let mac = self.mac(&[label, uid.as_bytes(), nonce, session.as_bytes(), &step]);
        hex::encode(&mac[..16])
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        hmac_sha256(self.0.expose(), parts)
    }
}

fn step_of(now: Timestamp) -> u64 {
    now.as_secs() / SHORT_STEP.as_secs()
}

fn link_step_of(now: Timestamp) -> u64 {
    now.as_secs() / SIGN_IN_LINK_STEP.as_secs()
}

fn six_digits(mac: &[u8; 32]) -> String {
    let (number, _) = mac.split_first_chunk::<8>().expect("a MAC has 32 bytes");
    format!("{:06}", u64::from_be_bytes(*number) % 1_000_000)
}

/// What typed digits are, given which are right in a step.
fn judge_digits(code: &str, now: Timestamp, digits_of: impl Fn(u64) -> String) -> ShortCode {
    let is_one_of = |first: u64, last: u64| {
        (first..=last)
            .map(|step| same(digits_of(step).as_bytes(), code.as_bytes()))
            // Not `any`: which step it was must not show in the time.
            .fold(false, |found, this| found | this)
    };
    let newest = step_of(now);
    let oldest = newest.saturating_sub(SHORT_STEPS_BACK);
    let right = is_one_of(oldest, newest);
    let expired = is_one_of(oldest.saturating_sub(SHORT_STEPS_KNOWN), oldest.saturating_sub(1));
    match (right, expired) {
        (true, _) => ShortCode::Right,
        (false, true) => ShortCode::Expired,
        (false, false) => ShortCode::Wrong,
    }
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
                code_key().judge_short_code(UID, &NONCE, later, &code) == ShortCode::Right,
                expected,
                "{minutes} min later"
            );
        }
        let before = NOW.minus(Duration::from_secs(15 * 60));
        assert_eq!(
            code_key().judge_short_code(UID, &NONCE, before, &code),
            ShortCode::Wrong,
            "a code of the future"
        );
    }

    #[test]
    fn a_short_code_is_known_for_a_day_after_it_was_right() {
        let code = code_key().short_code(UID, &NONCE, NOW);
        let judged = |minutes: u64, code: &str| {
            let later = NOW.plus(Duration::from_secs(minutes * 60));
            code_key().judge_short_code(UID, &NONCE, later, code)
        };
        for (minutes, expected) in [
            (45, ShortCode::Right),
            (60, ShortCode::Expired),
            (24 * 60, ShortCode::Expired),
            (25 * 60, ShortCode::Wrong),
        ] {
            assert_eq!(judged(minutes, &code), expected, "{minutes} min later");
        }
        assert_eq!(judged(0, "x"), ShortCode::Wrong);
        let first = Timestamp::from_secs(0);
        let code = code_key().short_code(UID, &NONCE, first);
        assert_eq!(
            code_key().judge_short_code(UID, &NONCE, first, &code),
            ShortCode::Right
        );
    }

    #[test]
    fn the_codes_of_a_sign_in_belong_to_it_and_to_their_time() {
        let keys = code_key();
        let (session, other) = (TokenId::from_bytes([1; 32]), TokenId::from_bytes([2; 32]));
        let link = keys.sign_in_link_code(UID, &NONCE, &session, NOW);
        let short = keys.sign_in_short_code(UID, &NONCE, &session, NOW);
        let hours = |hours: u64| NOW.plus(Duration::from_secs(hours * 3600));
        let other_uid = Uid::from_bytes([0xaf; 16]);
        let table = [
            ("at once", UID, NONCE, session, NOW, (true, ShortCode::Right)),
            (
                "an hour later",
                UID,
                NONCE,
                session,
                hours(1),
                (true, ShortCode::Expired),
            ),
            (
                "a day later",
                UID,
                NONCE,
                session,
                hours(24),
                (true, ShortCode::Expired),
            ),
            (
                "two days later",
                UID,
                NONCE,
                session,
                hours(48),
                (false, ShortCode::Wrong),
            ),
            (
                "another sign-in",
                UID,
                NONCE,
                other,
                NOW,
                (false, ShortCode::Wrong),
            ),
            (
                "another account",
                other_uid,
                NONCE,
                session,
                NOW,
                (false, ShortCode::Wrong),
            ),
            (
                "another nonce",
                UID,
                [8; 16],
                session,
                NOW,
                (false, ShortCode::Wrong),
            ),
        ];
        for (name, uid, nonce, session, now, expected) in table {
            let judged = (
                keys.is_sign_in_link_code(uid, &nonce, &session, now, &link),
                keys.judge_sign_in_code(uid, &nonce, &session, now, &short),
            );
            assert_eq!(judged, expected, "{name}");
        }
        // The account's own codes confirm no sign-in, nor the other way round.
        assert!(!keys.is_link_code(UID, &NONCE, &link));
        let of_account = keys.link_code(UID, &NONCE);
        assert!(!keys.is_sign_in_link_code(UID, &NONCE, &session, NOW, &of_account));
        assert_ne!(keys.short_code(UID, &NONCE, NOW), short);
    }

    #[test]
    fn reset_codes_and_forgot_tokens_belong_to_all_they_are_made_of() {
        let keys = code_key();
        let (token, other_token) = (TokenId::from_bytes([1; 32]), TokenId::from_bytes([2; 32]));
        let (code, secret) = (
            keys.reset_code(UID, &NONCE, &token),
            keys.forgot_token(UID, &NONCE, NOW, 7),
        );
        assert!(code.len() == 32 && keys.is_reset_code(UID, &NONCE, &token, &code));
        assert!(keys.forgot_token(UID, &NONCE, NOW, 7) == secret, "made again");
        let other_key = CodeKey::new(Secret::new([9; 32]));
        let other_uid = Uid::from_bytes([0xaf; 16]);
        let later = NOW.plus(Duration::from_millis(1));
        for (name, key, uid, nonce, token, made, number) in [
            ("uid", &keys, other_uid, NONCE, token, NOW, 7),
            ("nonce", &keys, UID, [8; 16], token, NOW, 7),
            ("code key", &other_key, UID, NONCE, token, NOW, 7),
            ("token, time", &keys, UID, NONCE, other_token, later, 7),
            ("token, number", &keys, UID, NONCE, other_token, NOW, 8),
        ] {
            assert!(!key.is_reset_code(uid, &nonce, &token, &code), "{name}");
            assert!(key.forgot_token(uid, &nonce, made, number) != secret, "{name}");
        }
        assert_ne!(keys.link_code(UID, &NONCE), code);
        for code in ["", &code[..31], &code.to_uppercase()[..], &format!("{code}0")] {
            assert!(!keys.is_reset_code(UID, &NONCE, &token, code), "{code:?}");
        }
    }

    /// The vector of `accounts.md` (k).
    #[test]
    fn backup_codes_are_stored_as_the_contract_says() {
        let uid = "aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap();
        assert_eq!(
            hex::encode(&code_key().backup_code(uid, "7h3kz0q1vw")),
            "c2ef95a4674839af88efe478d34af1724682f438e239e3f846e3b3023f448aa1"
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
            let judged = key.judge_short_code(uid, &nonce, NOW, &short);
            assert_eq!(judged, ShortCode::Wrong, "{name}");
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
