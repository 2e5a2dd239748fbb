//! Backup codes (`accounts.md` (k)): each is good once in place of a code of the second factor. The store has hashes of them
//! under the deployment's code key.

use foxhold_core::{
    Random, Uid, random,
    record::{Account, BACKUP_CODES_MAX, SecondFactor},
};
use foxhold_crypto::mac::same;
use foxhold_ports::limits::Action;

use super::{Decision, second_factor::put};
use crate::{AccountError, Accounts, Caller, CodeKey, SignedIn, mail::GuardNews};

/// How many there are.
pub const BACKUP_CODES: usize = BACKUP_CODES_MAX;
/// Characters of a code that is drawn here: 50 bits.
const DRAWN_LEN: usize = 10;
/// Of a code that a client has drawn.
const CHOSEN_LEN: std::ops::RangeInclusive<usize> = 8..=20;
/// Longest code that is typed.
const TYPED_LEN_MAX: usize = 20;
/// As few are left when their owner is warned.
const FEW: usize = 2;
/// Crockford's alphabet, in the case of backup codes.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A code as it is hashed: lower case, without what is only for the eye, and what is easily mistaken set right.
#[derive(Clone, PartialEq, Eq)]
pub struct FoldedCode(String);

impl FoldedCode {
    /// A code as somebody has typed it; `None` if it cannot be one.
    #[must_use]
    pub fn typed(text: &str) -> Option<Self> {
        let is_typed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-');
        if text.len() > TYPED_LEN_MAX || !text.bytes().all(is_typed) {
            return None;
        }
        let folded = text.bytes().filter(u8::is_ascii_alphanumeric);
        Some(Self(folded.map(|byte| char::from(fold(byte))).collect()))
    }

    /// A code that a client has drawn; `None` if it is none of the alphabet, too short or too long.
    #[must_use]
    pub fn chosen(text: &str) -> Option<Self> {
        let code = Self::typed(text)?;
        let fits = CHOSEN_LEN.contains(&text.len())
            && code.0.len() == text.len()
            && code.0.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then_some(code)
    }
}

const fn fold(byte: u8) -> u8 {
    match byte.to_ascii_lowercase() {
        b'o' => b'0',
        b'i' | b'l' => b'1',
        other => other,
    }
}

/// Codes that were drawn, and what is stored of them.
pub(super) struct DrawnCodes {
    pub(super) codes: Vec<String>,
    pub(super) hashes: Vec<[u8; 32]>,
}

impl DrawnCodes {
    pub(super) fn draw(random: &dyn Random, key: &CodeKey, uid: Uid) -> Self {
        let codes: Vec<_> = (0..BACKUP_CODES).map(|_| draw(random)).collect();
        let hashes = codes.iter().map(|code| key.backup_code(uid, code)).collect();
        Self { codes, hashes }
    }
}

fn draw(random: &dyn Random) -> String {
    let bytes: [u8; DRAWN_LEN] = random::bytes(random);
    let letters = bytes.map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    letters.iter().collect()
}

impl Accounts {
    /// POST /session/verify/recoveryCode: uses a code up, and verifies the session; also one that was verified before.
    /// Answers how many are left.
    ///
    /// # Errors
    /// [`AccountError`]: 110, 114, 156, 165, 201.
    pub async fn verify_backup_code(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        code: &FoldedCode,
    ) -> Result<usize, AccountError> {
        let uid = signed_in.account.uid;
        let keys = caller.keys_of(uid);
        self.reserve(&[Action::VerifyRecoveryCode], keys).await?;
        let hash = self.code_key.backup_code(uid, &code.0);
        let used = self
            .decide_guard(caller, signed_in, |account| use_up(account, &hash))
            .await;
        if !matches!(used, Err(AccountError::UnknownBackupCode)) {
            self.give_back(&[Action::VerifyRecoveryCode], keys).await;
        }
        let remaining = used?;
        self.mark_second_factor(caller, signed_in).await?;
        let account = &signed_in.account;
        self.send_guard_mail(account, GuardNews::BackupCodeUsed).await;
        if remaining <= FEW {
            self.send_guard_mail(account, GuardNews::FewBackupCodes).await;
        }
        Ok(remaining)
    }

    /// POST /recoveryCodes: codes of the client's own while the second factor is set up, so that enabling it makes none.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 110, 138, 154, 155, 165, 201.
    pub async fn set_backup_codes(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        codes: &[FoldedCode],
    ) -> Result<(), AccountError> {
        signed_in.require_verified()?;
        let hashes = self.hashes(signed_in.account.uid, codes)?;
        self.decide_guard(caller, signed_in, |account| {
            match account.second_factor.as_deref() {
                None => Err(AccountError::TotpNotFound),
                Some(factor) if factor.enabled => Err(AccountError::TotpExists),
                Some(factor) => Ok(put(with_codes(factor, &hashes), ())),
            }
        })
        .await
    }

    /// PUT /recoveryCodes: others of the client's own in place of all.
    ///
    /// # Errors
    /// [`AccountError`]: 107, 110, 138, 155, 165, 201.
    pub async fn replace_backup_codes(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        codes: &[FoldedCode],
    ) -> Result<(), AccountError> {
        signed_in.require_second_factor()?;
        let hashes = self.hashes(signed_in.account.uid, codes)?;
        self.put_backup_codes(caller, signed_in, &hashes).await
    }

    /// GET /recoveryCodes: new ones in place of all.
    ///
    /// # Errors
    /// [`AccountError`]: 110, 138, 155, 165, 201.
    pub async fn renew_backup_codes(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
    ) -> Result<Vec<String>, AccountError> {
        signed_in.require_second_factor()?;
        let drawn = DrawnCodes::draw(&*self.random, &self.code_key, signed_in.account.uid);
        self.put_backup_codes(caller, signed_in, &drawn.hashes).await?;
        Ok(drawn.codes)
    }

    async fn put_backup_codes(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        hashes: &[[u8; 32]],
    ) -> Result<(), AccountError> {
        self.decide_guard(caller, signed_in, |account| {
            let factor = account.enabled_second_factor();
            let factor = factor.ok_or(AccountError::TotpNotFound)?;
            Ok(put(with_codes(factor, hashes), ()))
        })
        .await?;
        self.send_guard_mail(&signed_in.account, GuardNews::NewBackupCodes)
            .await;
        Ok(())
    }

    fn hashes(&self, uid: Uid, codes: &[FoldedCode]) -> Result<Vec<[u8; 32]>, AccountError> {
        let is_new = |(number, code): (usize, &FoldedCode)| !codes[..number].contains(code);
        if codes.len() != BACKUP_CODES || !codes.iter().enumerate().all(is_new) {
            return Err(AccountError::BadParameter("recoveryCodes"));
        }
        let hash = |code: &FoldedCode| self.code_key.backup_code(uid, &code.0);
        Ok(codes.iter().map(hash).collect())
    }
}

fn with_codes(factor: &SecondFactor, hashes: &[[u8; 32]]) -> SecondFactor {
    SecondFactor {
        backup_codes: hashes.to_vec(),
        ..factor.clone()
    }
}

/// The account's second factor without this code; how many are left is told.
fn use_up(account: &Account, hash: &[u8; 32]) -> Result<Decision<usize>, AccountError> {
    let factor = account.enabled_second_factor();
    let factor = factor.ok_or(AccountError::UnknownBackupCode)?;
    let mut left = factor.backup_codes.clone();
    left.retain(|known| !same(known, hash));
    if left.len() == factor.backup_codes.len() {
        return Err(AccountError::UnknownBackupCode);
    }
    let remaining = left.len();
    Ok(put(with_codes(factor, &left), remaining))
}

#[cfg(test)]
mod tests {
    use foxhold_ports::memory::SeededRandom;

    use super::*;

    #[test]
    fn typed_codes_are_folded() {
        let table = [
            ("7h3kz0q1vw", Some("7h3kz0q1vw")),
            ("7H3KZ-0Q1VW", Some("7h3kz0q1vw")),
            (" 7h3kz oqlvw ", Some("7h3kz0q1vw")),
            ("7h3kz0qIvw", Some("7h3kz0q1vw")),
            ("", Some("")),
            ("012345678901234567890", None),
            ("7h3kz_0q1vw", None),
            ("7h3kzöq1vw", None),
        ];
        for (text, expected) in table {
            let folded = FoldedCode::typed(text).map(|code| code.0);
            assert_eq!(folded.as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn chosen_codes_are_of_the_alphabet_and_neither_short_nor_long() {
        let table = [
            ("7h3kz0q1vw", true),
            ("7H3KZ0Q1", true),
            ("01234567890123456789", true),
            ("7h3kz0q", false),
            ("012345678901234567890", false),
            ("7h3kz 0q1vw", false),
            ("7h3kz0q1vu", false),
        ];
        for (text, expected) in table {
            assert_eq!(FoldedCode::chosen(text).is_some(), expected, "{text:?}");
        }
    }

    #[test]
    fn drawn_codes_can_be_chosen_and_differ() {
        let key = CodeKey::new(foxhold_core::Secret::new([5; 32]));
        let drawn = DrawnCodes::draw(&SeededRandom::new(1), &key, Uid::from_bytes([1; 16]));
        assert_eq!((drawn.codes.len(), drawn.hashes.len()), (8, 8));
        for (number, code) in drawn.codes.iter().enumerate() {
            assert_eq!(code.len(), DRAWN_LEN);
            assert!(
                FoldedCode::chosen(code).is_some_and(|folded| folded.0 == *code),
                "{code}"
            );
            assert!(!drawn.codes[..number].contains(code));
        }
    }
}
