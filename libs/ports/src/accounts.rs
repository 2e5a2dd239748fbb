//! Reading and writing accounts, sessions, single-use tokens, devices and OAuth grants.
//!
//! Readers open the store themselves; writers are the dbwriter's intents, in process on one box and remote in a fleet.

pub mod encoding;

use async_trait::async_trait;
use foxhold_core::{
    Deadline, DeviceId, Timestamp, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, EmailKey, KeyFetch, PasswordToken, PasswordUpdate, RefreshToken,
        Session,
    },
};

use crate::{Call, ReadError, WriteError};

/// Reads about accounts. `None` and empty lists are facts; what cannot be known is a [`ReadError`].
#[async_trait]
pub trait AccountReader: Send + Sync {
    /// The account that holds an address, checked against the account's own record: a claim that does not fit its
    /// account is a fault (`security.md` D.2, sanity check), and a claim that is still pending is no account.
    async fn account_by_email(&self, by: Deadline, key: &EmailKey) -> Result<Option<Account>, ReadError>;

    /// An account by its id.
    async fn account(&self, by: Deadline, uid: Uid) -> Result<Option<Account>, ReadError>;

    /// A session by its Hawk id.
    async fn session(&self, by: Deadline, id: TokenId) -> Result<Option<Session>, ReadError>;

    /// All sessions of an account, newest first.
    async fn sessions(&self, by: Deadline, uid: Uid) -> Result<Vec<Session>, ReadError>;

    /// When sessions of an account were in use, as far as that was noted: in no order, each once. A session that was not
    /// used yet need not be among them, and one that has ended may be.
    async fn accesses(&self, by: Deadline, uid: Uid) -> Result<Vec<SessionAccess>, ReadError>;

    /// An unspent key-fetch token by its Hawk id.
    async fn key_fetch(&self, by: Deadline, id: TokenId) -> Result<Option<KeyFetch>, ReadError>;

    /// All devices of an account, oldest first.
    async fn devices(&self, by: Deadline, uid: Uid) -> Result<Vec<Device>, ReadError>;

    /// An unspent authorization code by its SHA-256.
    async fn authorization_code(
        &self,
        by: Deadline,
        id: TokenId,
    ) -> Result<Option<AuthorizationCode>, ReadError>;

    /// A refresh token by its SHA-256.
    async fn refresh_token(&self, by: Deadline, id: TokenId) -> Result<Option<RefreshToken>, ReadError>;

    /// All refresh tokens of an account, oldest first.
    async fn refresh_tokens(&self, by: Deadline, uid: Uid) -> Result<Vec<RefreshToken>, ReadError>;

    /// An unspent password token of any kind by its Hawk id: none when its account is gone, or has another password
    /// than when it was made ([`PasswordToken::is_of`]).
    async fn password_token(&self, by: Deadline, id: TokenId) -> Result<Option<PasswordToken>, ReadError>;
}

/// What a sign-up or sign-in leaves behind beside the account: a session and, if keys were asked for, key-fetch tokens
/// (one per verifier the account was made with, so at most two).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// The new session.
    pub session: Session,
    /// Key-fetch tokens, none to two.
    pub key_fetches: Vec<KeyFetch>,
}

/// When a session was in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionAccess {
    /// Its Hawk id.
    pub session: TokenId,
    /// When.
    pub at: Timestamp,
}

/// Writes about accounts. Each method is one intent: see the crate's first page.
#[async_trait]
pub trait AccountWriter: Send + Sync {
    /// Makes an account and signs it in. An *unverified* holder of the same address is replaced: its uid, sessions and
    /// tokens are dead from then on. Refused: [`EmailTaken`](crate::Refusal::EmailTaken) if the holder is verified.
    /// At no moment is there an account without its session, or a session without its account.
    async fn create_account(&self, call: &Call, account: Account, sign_in: SignIn) -> Result<(), WriteError>;

    /// Adds a session, and key-fetch tokens, to an account.
    /// Refused: [`UnknownAccount`](crate::Refusal::UnknownAccount).
    async fn open_session(&self, call: &Call, sign_in: SignIn) -> Result<(), WriteError>;

    /// Ends a session, with the device and the refresh tokens that hang on it. Ending one that is gone is done, too.
    async fn close_session(&self, call: &Call, uid: Uid, session: TokenId) -> Result<(), WriteError>;

    /// Marks the account's address as verified; done, too, if it was before.
    /// Refused: [`UnknownAccount`](crate::Refusal::UnknownAccount).
    async fn verify_email(&self, call: &Call, uid: Uid) -> Result<(), WriteError>;

    /// Spends a key-fetch token. Of all callers with different operation ids exactly one is told done; the others are
    /// refused: [`TokenSpent`](crate::Refusal::TokenSpent).
    async fn consume_key_fetch(&self, call: &Call, id: TokenId) -> Result<(), WriteError>;

    /// Notes that a session of an account was in use; of all times noted the latest stays. It brings nothing back: where
    /// there is no such session it is done, and nobody is signed in by it.
    async fn note_access(&self, call: &Call, uid: Uid, access: SessionAccess) -> Result<(), WriteError>;

    /// Writes a device whole; the last write wins.
    async fn put_device(&self, call: &Call, device: Device) -> Result<(), WriteError>;

    /// Removes a device; removing one that is gone is done, too.
    async fn delete_device(&self, call: &Call, uid: Uid, device: DeviceId) -> Result<(), WriteError>;

    /// Keeps an authorization code until it is spent or expires.
    async fn put_authorization_code(&self, call: &Call, code: AuthorizationCode) -> Result<(), WriteError>;

    /// Spends an authorization code, as [`Self::consume_key_fetch`] does a key-fetch token.
    async fn consume_authorization_code(&self, call: &Call, id: TokenId) -> Result<(), WriteError>;

    /// Keeps a refresh token.
    async fn put_refresh_token(&self, call: &Call, token: RefreshToken) -> Result<(), WriteError>;

    /// Removes a refresh token; removing one that is gone is done, too. Nothing
    /// [replaces](crate::GrantWriter::replace_refresh_token) one of no session from then on: whoever has removed it and then
    /// finds that it was not [replaced](crate::GrantReader::replaced_token) may be sure that it never will be.
    async fn delete_refresh_token(&self, call: &Call, id: TokenId) -> Result<(), WriteError>;

    /// Keeps a password token of any kind and, for a change of the password, a key-fetch token: both or neither.
    /// Refused: [`UnknownAccount`](crate::Refusal::UnknownAccount), also if the two are not of one account.
    async fn put_password_token(
        &self,
        call: &Call,
        token: PasswordToken,
        key_fetch: Option<KeyFetch>,
    ) -> Result<(), WriteError>;

    /// Counts a wrong code for a forgot token, and tells how many there are now. The same operation again counts once
    /// and tells the same. The miss that makes it
    /// [`PASSWORD_TOKEN_MISSES_MAX`](foxhold_core::record::PASSWORD_TOKEN_MISSES_MAX) spends the token.
    /// Refused: [`TokenSpent`](crate::Refusal::TokenSpent) if [`AccountReader::password_token`] would not find it, or it
    /// is no forgot token.
    async fn miss_password_token(&self, call: &Call, id: TokenId) -> Result<u8, WriteError>;

    /// Spends a forgot token and keeps a reset token in its place. Of all callers with different operation ids exactly
    /// one is told done, and of the reset tokens only his can be read.
    /// Refused: [`TokenSpent`](crate::Refusal::TokenSpent) if [`AccountReader::password_token`] would not find the forgot
    /// token, if it is no forgot token, or if `reset` is no reset token of the same account.
    async fn redeem_password_token(
        &self,
        call: &Call,
        forgot: TokenId,
        reset: PasswordToken,
    ) -> Result<(), WriteError>;

    /// Sets a new password and spends the token it is set with; `sign_in` comes with it, all or nothing. The account is
    /// [`PasswordUpdate::applied_to`] the one it was decided on. What its effect says is dead cannot be read from then on.
    /// What is written for the old password at the same time, or later, may be: by its `generation` it is dead, too.
    ///
    /// Refused, the first that applies; none of them spends the token:
    /// - [`UnknownAccount`](crate::Refusal::UnknownAccount), also if `sign_in` is not of the account.
    /// - [`TokenSpent`](crate::Refusal::TokenSpent) if [`AccountReader::password_token`] would not find the token, if it
    ///   is another account's, or not of the kind the effect [wants](foxhold_core::record::PasswordEffect::wants).
    /// - [`Conflict`](crate::Refusal::Conflict) if the account's version is not `based_on` any more.
    ///
    /// Of callers with different operation ids and the same token at most one is done.
    async fn set_password(
        &self,
        call: &Call,
        update: PasswordUpdate,
        sign_in: Option<SignIn>,
    ) -> Result<(), WriteError>;

    /// Removes an account with all that is its own. Its address is free from then on. Removing one that is gone is done,
    /// too. Refused: [`Conflict`](crate::Refusal::Conflict) if the account's version is not `based_on` any more.
    async fn delete_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError>;

    /// Writes that the password was given again in a session, or a code of the second factor: its `auth_at`, `generation`, `verification` and
    /// `must_verify`, and nothing else of the record; and adds key-fetch tokens. It never brings back a session that ends
    /// at the same time, and leaves no key-fetch token to be read where it is refused.
    /// Refused: [`TokenSpent`](crate::Refusal::TokenSpent) if the account has no such session; once that is so, also for
    /// an operation that was done before. [`UnknownAccount`](crate::Refusal::UnknownAccount) if a key-fetch token is
    /// another account's.
    async fn refresh_session(
        &self,
        call: &Call,
        session: Session,
        key_fetches: Vec<KeyFetch>,
    ) -> Result<(), WriteError>;
}
