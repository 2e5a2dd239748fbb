//! /totp/… and POST /session/verify/totp: codes that a program of the account's owner makes of a secret and the time.

use std::sync::Arc;

use foxhold_core::{
    Secret, Timestamp, random,
    record::{Account, SecondFactor},
};
use foxhold_crypto::totp;
use foxhold_ports::{guards::Guard, limits::Action};

use super::{Decision, backup_codes::DrawnCodes};
use crate::{AccountError, Accounts, Caller, SignedIn, mail::GuardNews};

/// What became of a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotpVerified {
    /// Whether it was right; then it is used up.
    pub is_right: bool,
    /// New backup codes, where it has enabled the second factor and there were none.
    pub recovery_codes: Option<Vec<String>>,
}

/// Where a code is counted until it turns out to be right.
const COUNTED: [Action; 2] = [Action::VerifyTotpCode, Action::VerifyTotpCodeFailed];

/// What a code does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Wrong,
    Right,
    /// The first one: sign-ins ask for a code from now on.
    Enabled {
        /// Whether the drawn backup codes are the account's.
        with_codes: bool,
    },
}

impl Accounts {
    /// POST /totp/create: a new secret, which nothing asks for before a code of it is shown.
    ///
    /// # Errors
    /// [`AccountError`]: 110, 114, 138, 154, 165, 201.
    pub async fn create_totp(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
    ) -> Result<Arc<Secret<20>>, AccountError> {
        signed_in.require_verified()?;
        let keys = caller.keys_of(signed_in.account.uid);
        self.limits.count(Action::TotpCreate, keys).await?;
        let secret = Arc::new(Secret::new(random::bytes(&*self.random)));
        self.decide_guard(caller, signed_in, |account| {
            let present = account.second_factor.as_deref();
            if present.is_some_and(|factor| factor.enabled) {
                return Err(AccountError::TotpExists);
            }
            let factor = SecondFactor {
                secret: Arc::clone(&secret),
                enabled: false,
                last_step: None,
                backup_codes: present.map_or_else(Vec::new, |factor| factor.backup_codes.clone()),
            };
            Ok(put(factor, ()))
        })
        .await?;
        Ok(secret)
    }

    /// POST /session/verify/totp. The first right code enables the second factor; every right one is used up, and verifies
    /// the session.
    ///
    /// # Errors
    /// [`AccountError`]: 110, 114, 138, 155, 165, 201.
    pub async fn verify_totp(
        &self,
        caller: &Caller,
        signed_in: &SignedIn,
        code: &str,
    ) -> Result<TotpVerified, AccountError> {
        let uid = signed_in.account.uid;
        let keys = caller.keys_of(uid);
        self.reserve(&COUNTED, keys).await?;
        let drawn = DrawnCodes::draw(&*self.random, &self.code_key, uid);
        let now = self.now();
        let judged = self
            .decide_guard(caller, signed_in, |account| {
                judge(signed_in, account, code, now, &drawn)
            })
            .await;
        if !matches!(judged, Ok(Outcome::Wrong)) {
            self.give_back(&COUNTED, keys).await;
        }
        let outcome = judged?;
        if outcome != Outcome::Wrong {
            self.mark_second_factor(caller, signed_in).await?;
        }
        if let Outcome::Enabled { .. } = outcome {
            self.send_guard_mail(&signed_in.account, GuardNews::TotpEnabled)
                .await;
        }
        let with_codes = outcome == Outcome::Enabled { with_codes: true };
        Ok(TotpVerified {
            is_right: outcome != Outcome::Wrong,
            recovery_codes: with_codes.then_some(drawn.codes),
        })
    }

    /// POST /totp/destroy: no second factor and no backup codes from then on. Done, too, if there were none.
    ///
    /// # Errors
    /// [`AccountError`]: 110, 138, 165, 201.
    pub async fn destroy_totp(&self, caller: &Caller, signed_in: &SignedIn) -> Result<(), AccountError> {
        signed_in.require_verified()?;
        let was_enabled = self
            .decide_guard(caller, signed_in, |account| {
                let Some(factor) = account.second_factor.as_deref() else {
                    return Ok(Decision::Keep(false));
                };
                if factor.enabled {
                    signed_in.require_second_factor()?;
                }
                Ok(Decision::Put(Guard::SecondFactor(None), factor.enabled))
            })
            .await?;
        if was_enabled {
            self.send_guard_mail(&signed_in.account, GuardNews::TotpRemoved)
                .await;
        }
        Ok(())
    }
}

pub(super) fn put<T>(factor: SecondFactor, told: T) -> Decision<T> {
    Decision::Put(Guard::SecondFactor(Some(Arc::new(factor))), told)
}

/// What a code does on the account as it is.
fn judge(
    signed_in: &SignedIn,
    account: &Account,
    code: &str,
    now: Timestamp,
    drawn: &DrawnCodes,
) -> Result<Decision<Outcome>, AccountError> {
    let factor = account.second_factor.as_deref();
    let factor = factor.ok_or(AccountError::TotpNotFound)?;
    if !factor.enabled {
        signed_in.require_verified()?;
    }
    let Some(step) = totp::fitting_step(&factor.secret, code, now, factor.last_step) else {
        return Ok(Decision::Keep(Outcome::Wrong));
    };
    let with_codes = !factor.enabled && factor.backup_codes.is_empty();
    let outcome = if factor.enabled {
        Outcome::Right
    } else {
        Outcome::Enabled { with_codes }
    };
    let used = SecondFactor {
        enabled: true,
        last_step: Some(step),
        backup_codes: if with_codes {
            drawn.hashes.clone()
        } else {
            factor.backup_codes.clone()
        },
        ..factor.clone()
    };
    Ok(put(used, outcome))
}
