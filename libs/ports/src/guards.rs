//! Writing what guards an account beside its password: its second factor with the backup codes, and its recovery key.
//! They are read with the account. Each is replaced whole, on the account as it was read: so a code is used up by the
//! write that takes it away, and of any number of uses at once one is done.

pub mod encoding;

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{
    Uid,
    record::{Account, RecoveryKey, SecondFactor},
};
use zeroize::Zeroizing;

use crate::{Call, IntentKind, WriteError};

/// Writes guards. Each method is one intent: see the crate's first page.
#[async_trait]
pub trait AccountGuards: Send + Sync {
    /// Replaces the second factor, or removes it. The account's `version` counts one up.
    /// Refused: [`UnknownAccount`](crate::Refusal::UnknownAccount); [`Conflict`](crate::Refusal::Conflict) if the
    /// account's version is not `based_on` any more.
    async fn set_second_factor(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        factor: Option<Arc<SecondFactor>>,
    ) -> Result<(), WriteError>;

    /// Replaces the recovery key, or removes it, as [`Self::set_second_factor`] does the second factor.
    async fn set_recovery_key(
        &self,
        call: &Call,
        uid: Uid,
        based_on: u64,
        key: Option<Arc<RecoveryKey>>,
    ) -> Result<(), WriteError>;
}

/// One of both, as a store writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// The second factor, or none.
    SecondFactor(Option<Arc<SecondFactor>>),
    /// The recovery key, or none.
    RecoveryKey(Option<Arc<RecoveryKey>>),
}

impl Guard {
    /// The intent that writes it.
    #[must_use]
    pub const fn kind(&self) -> IntentKind {
        match self {
            Self::SecondFactor(_) => IntentKind::SetSecondFactor,
            Self::RecoveryKey(_) => IntentKind::SetRecoveryKey,
        }
    }

    /// Its cell; none where it is removed. Wiped when dropped.
    #[must_use]
    pub fn cell(&self) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::SecondFactor(factor) => factor.as_deref().map(encoding::encode_second_factor),
            Self::RecoveryKey(key) => key.as_deref().map(encoding::encode_recovery_key),
        }
    }

    /// The account as it is afterwards.
    #[must_use]
    pub fn applied_to(self, account: &Account) -> Account {
        let mut after = Account {
            version: account.version + 1,
            ..account.clone()
        };
        match self {
            Self::SecondFactor(factor) => after.second_factor = factor,
            Self::RecoveryKey(key) => after.recovery_key = key,
        }
        after
    }
}
