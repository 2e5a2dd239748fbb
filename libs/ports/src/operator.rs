//! What an operator writes in an account's owner's place (`security.md` C.2: administration intents): as much of
//! [`AccountWriter`] as that takes, and no more.
//!
//! What must stay true: whoever may call this signs nobody in, and puts no token but a forgot token, which lasts no longer and
//! may be guessed at no more often than a mailed one. Its code is derived from a key that no certificate brings with it.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{
    Clock, OpId, Random, Secret, Timestamp, TokenId, Uid,
    record::{Account, PasswordToken, PasswordTokenKind, Session},
};

use crate::{AccountWriter, Call, WriteError, accounts::SignIn, repeat::settled};

/// Writes accounts in their owners' place. Each method is one intent: see the crate's first page.
#[async_trait]
pub trait OperatorWriter: Send + Sync {
    /// Makes an account, as [`AccountWriter::create_account`], and ends the session it is made with.
    async fn make_account(&self, call: &Call, account: Account, session: Session) -> Result<(), WriteError>;

    /// Removes an account, as [`AccountWriter::delete_account`].
    async fn remove_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError>;

    /// Keeps a forgot token. Refused: [`UnknownAccount`](crate::Refusal::UnknownAccount).
    async fn put_forgot_token(&self, call: &Call, token: ForgotToken) -> Result<(), WriteError>;
}

/// A forgot token as it is put: of that kind, and nobody has guessed at its code yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgotToken {
    /// The Hawk id.
    pub id: TokenId,
    /// The Hawk key.
    pub key: Arc<Secret<32>>,
    /// Whose password.
    pub uid: Uid,
    /// When it was made; the writer's time if that is earlier.
    pub created_at: Timestamp,
    /// `verifier_set_at` of the account when it was made.
    pub generation: Timestamp,
}

impl ForgotToken {
    /// As it is kept. It does not last longer than one that is made now.
    #[must_use]
    pub fn kept(self, now: Timestamp) -> PasswordToken {
        PasswordToken {
            id: self.id,
            key: self.key,
            kind: PasswordTokenKind::Forgot,
            uid: self.uid,
            created_at: self.created_at.min(now),
            generation: self.generation,
            misses: 0,
        }
    }
}

/// [`OperatorWriter`] over any [`AccountWriter`]: what stands between operators and accounts, in a dbwriter and on a box.
#[derive(Clone)]
pub struct Narrowed {
    writer: Arc<dyn AccountWriter>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Narrowed {
    /// Over a writer of accounts. `random` draws the names of operations.
    #[must_use]
    pub fn new(writer: Arc<dyn AccountWriter>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            writer,
            clock,
            random,
        }
    }
}

#[async_trait]
impl OperatorWriter for Narrowed {
    /// The session ends by an operation of its own. If that fails it stays until it has run out; nobody has its token.
    async fn make_account(&self, call: &Call, account: Account, session: Session) -> Result<(), WriteError> {
        let (uid, id) = (account.uid, session.id);
        let sign_in = SignIn {
            session,
            key_fetches: Vec::new(),
        };
        self.writer.create_account(call, account, sign_in).await?;
        let ending = Call {
            op: OpId::new(self.clock.now(), &*self.random),
            ..*call
        };
        let _ = settled(&ending, || self.writer.close_session(&ending, uid, id)).await;
        Ok(())
    }

    async fn remove_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        self.writer.delete_account(call, uid, based_on).await
    }

    async fn put_forgot_token(&self, call: &Call, token: ForgotToken) -> Result<(), WriteError> {
        let token = token.kept(self.clock.now());
        self.writer.put_password_token(call, token, None).await
    }
}
