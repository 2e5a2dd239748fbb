//! What an operator writes in an account's owner's place (`security.md` C.2: administration intents): as much of
//! [`AccountWriter`] as that takes, and no more.
//!
//! What must stay true: whoever may call this signs nobody in, names no session and has the key of none, and puts no token but a
//! forgot token, which lasts no longer and may be guessed at no more often than a mailed one. Its code is derived from a key that
//! no certificate brings with it.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{
    Clock, OpId, Random, RegionMark, Secret, Timestamp, TokenId, Uid, random,
    record::{Account, PasswordToken, PasswordTokenKind, Session, Verification},
};

use crate::{AccountWriter, Call, WriteError, accounts::SignIn, repeat::settled};

/// Writes accounts in their owners' place. Each method is one intent: see the crate's first page.
#[async_trait]
pub trait OperatorWriter: Send + Sync {
    /// Makes an account, as [`AccountWriter::create_account`]. The session that every account is made with is drawn here, and ends
    /// at once.
    async fn make_account(&self, call: &Call, account: Account) -> Result<(), WriteError>;

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
    region: Option<RegionMark>,
}

impl Narrowed {
    /// Over a writer of accounts. `random` draws the names of operations, and keys that nobody is told.
    #[must_use]
    pub fn new(writer: Arc<dyn AccountWriter>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            writer,
            clock,
            random,
            region: None,
        }
    }

    /// In a region whose token ids bear a mark.
    #[must_use]
    pub fn in_region(self, region: Option<RegionMark>) -> Self {
        Self { region, ..self }
    }
}

/// What the ids of sessions begin with that accounts are made with here, but for their region's mark. Ids of tokens are hashes:
/// none begins so by chance, so nobody's session is written over.
const ID_BEGIN: [u8; 16] = *b"foxhold operator";

impl Narrowed {
    /// The session that an account is made with. Its id follows from the operation: the same one again ends the session that it has
    /// made before. Its key is drawn, and nobody has it.
    fn session(&self, op: OpId, account: &Account) -> Session {
        let now = self.clock.now();
        Session {
            id: self.session_id(op),
            key: Arc::new(Secret::new(random::bytes(&*self.random))),
            uid: account.uid,
            created_at: now,
            auth_at: now,
            verification: Verification::AwaitsSecondFactor,
            must_verify: true,
            generation: account.verifier_set_at,
            user_agent: String::new(),
        }
    }

    fn session_id(&self, op: OpId) -> TokenId {
        let mut id = [0; 32];
        let (begin, end) = id.split_at_mut(ID_BEGIN.len());
        begin.copy_from_slice(&ID_BEGIN);
        end.copy_from_slice(op.as_bytes());
        if let Some(region) = self.region {
            begin[0] = region.get() << 4 | begin[0] & 0x0f;
        }
        TokenId::from_bytes(id)
    }
}

#[async_trait]
impl OperatorWriter for Narrowed {
    /// The session ends by an operation of its own. If that fails it stays until it has run out; nobody has its key.
    async fn make_account(&self, call: &Call, account: Account) -> Result<(), WriteError> {
        let session = self.session(call.op, &account);
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
