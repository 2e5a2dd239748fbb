//! The account ports over Cassandra: `read` for every tier, the rest for the writer, one module for each intent.
//!
//! Must stay true: an account is what its own row says, and that row is changed by conditions only; everything else that
//! belongs to an account is worth nothing without it. What has been told *done* is at a quorum of the region.

mod access;
mod admin;
mod commands;
mod create;
mod deletion;
mod device;
mod guards;
mod invitations;
mod judge;
mod operations;
mod password;
mod password_token;
pub(crate) mod read;
mod refresh;
mod refresh_token;
pub(crate) mod replaced_token;
mod rows;
mod session;
mod single_use;
mod standing;
mod statements;
mod sweep;
mod validity;
mod verify;

use async_trait::async_trait;
use foxhold_core::{
    Deadline, DeviceId, TokenId, Uid,
    record::{
        Account, AuthorizationCode, Device, EmailKey, KeyFetch, PasswordToken, PasswordUpdate, RefreshToken,
        Session,
    },
};
use foxhold_ports::{
    AccountWriter, Call, ReadError, WriteError,
    accounts::{SessionAccess, SignIn},
};

use commands::CommandDecisions;
pub(crate) use commands::CommandReads;
use invitations::InvitationDecisions;
pub(crate) use invitations::InvitationReads;
pub(crate) use statements::AccountReads;
use statements::{AccountDecisions, AccountWrites, TokenDecisions};

use crate::{
    CassandraStore, ConnectError,
    cql::{Cql, KeyedLocks},
};

/// What a writer of accounts holds beside the connection.
pub(crate) struct AccountWriting {
    decisions: AccountDecisions,
    tokens: TokenDecisions,
    writes: AccountWrites,
    commands: CommandDecisions,
    invitations: InvitationDecisions,
    /// Creations of this process take turns for an address.
    addresses: KeyedLocks<EmailKey>,
    /// Changes of an account's row.
    uids: KeyedLocks<Uid>,
    /// Those who spend a token.
    spenders: KeyedLocks<TokenId>,
    /// Those who refresh a session.
    sessions: KeyedLocks<TokenId>,
}

impl AccountWriting {
    pub(crate) async fn prepare(cql: &Cql) -> Result<Self, ConnectError> {
        Ok(Self {
            decisions: AccountDecisions::prepare(cql).await?,
            tokens: TokenDecisions::prepare(cql).await?,
            writes: AccountWrites::prepare(cql).await?,
            commands: CommandDecisions::prepare(cql).await?,
            invitations: InvitationDecisions::prepare(cql).await?,
            addresses: KeyedLocks::default(),
            uids: KeyedLocks::default(),
            spenders: KeyedLocks::default(),
            sessions: KeyedLocks::default(),
        })
    }
}

#[async_trait]
impl AccountWriter for CassandraStore {
    async fn create_account(&self, call: &Call, account: Account, sign_in: SignIn) -> Result<(), WriteError> {
        create::create(self, call, &account, &sign_in).await
    }

    async fn open_session(&self, call: &Call, sign_in: SignIn) -> Result<(), WriteError> {
        session::open(self, call, &sign_in).await
    }

    async fn close_session(&self, call: &Call, uid: Uid, session: TokenId) -> Result<(), WriteError> {
        session::close(self, call, uid, session).await
    }

    async fn verify_email(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        verify::verify_email(self, call, uid).await
    }

    async fn consume_key_fetch(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        single_use::consume_key_fetch(self, call, id).await
    }

    async fn note_access(&self, call: &Call, uid: Uid, access: SessionAccess) -> Result<(), WriteError> {
        access::note(self, call, uid, access).await
    }

    async fn put_device(&self, call: &Call, device: Device) -> Result<(), WriteError> {
        device::put(self, call, &device).await
    }

    async fn delete_device(&self, call: &Call, uid: Uid, device: DeviceId) -> Result<(), WriteError> {
        device::delete(self, call, uid, device).await
    }

    async fn put_authorization_code(&self, call: &Call, code: AuthorizationCode) -> Result<(), WriteError> {
        single_use::put_code(self, call, &code).await
    }

    async fn consume_authorization_code(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        single_use::consume_code(self, call, id).await
    }

    async fn put_refresh_token(&self, call: &Call, token: RefreshToken) -> Result<(), WriteError> {
        refresh_token::put(self, call, &token).await
    }

    async fn delete_refresh_token(&self, call: &Call, id: TokenId) -> Result<(), WriteError> {
        refresh_token::delete(self, call, id).await
    }

    async fn put_password_token(
        &self,
        call: &Call,
        token: PasswordToken,
        key_fetch: Option<KeyFetch>,
    ) -> Result<(), WriteError> {
        password_token::put(self, call, &token, key_fetch.as_ref()).await
    }

    async fn miss_password_token(&self, call: &Call, id: TokenId) -> Result<u8, WriteError> {
        password_token::miss(self, call, id).await
    }

    async fn redeem_password_token(
        &self,
        call: &Call,
        forgot: TokenId,
        reset: PasswordToken,
    ) -> Result<(), WriteError> {
        password_token::redeem(self, call, forgot, &reset).await
    }

    async fn set_password(
        &self,
        call: &Call,
        update: PasswordUpdate,
        sign_in: Option<SignIn>,
    ) -> Result<(), WriteError> {
        password::set(self, call, &update, sign_in.as_ref()).await
    }

    async fn delete_account(&self, call: &Call, uid: Uid, based_on: u64) -> Result<(), WriteError> {
        deletion::delete(self, call, uid, based_on).await
    }

    async fn refresh_session(
        &self,
        call: &Call,
        session: Session,
        key_fetches: Vec<KeyFetch>,
    ) -> Result<(), WriteError> {
        refresh::refresh(self, call, &session, &key_fetches).await
    }
}

/// All statements about accounts, for the test that looks at every statement.
#[cfg(test)]
pub(crate) const fn catalogue() -> [&'static [crate::cql::Entry]; 8] {
    [
        AccountReads::CATALOGUE,
        CommandReads::CATALOGUE,
        CommandDecisions::CATALOGUE,
        InvitationReads::CATALOGUE,
        InvitationDecisions::CATALOGUE,
        AccountDecisions::CATALOGUE,
        TokenDecisions::CATALOGUE,
        AccountWrites::CATALOGUE,
    ]
}

/// A read that a write needs: what it could not learn, the write did not do.
fn not_done(ReadError(cause): ReadError) -> WriteError {
    WriteError::NotDone(cause)
}

/// Several writes that were put together, as one answer: not done only if none of them can have been.
pub(crate) fn together(answers: Vec<Result<(), WriteError>>) -> Result<(), WriteError> {
    let some = answers
        .iter()
        .any(|answer| !matches!(answer, Err(WriteError::NotDone(_))));
    let worst = answers.into_iter().find_map(Result::err);
    match worst {
        Some(WriteError::NotDone(cause)) if some => Err(WriteError::Unknown(cause)),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The time of a deletion: never before what it deletes (`security.md` D.1.5), whatever the clocks said.
pub(crate) fn after(op: i64, written: impl IntoIterator<Item = i64>) -> i64 {
    written
        .into_iter()
        .map(|written| written.saturating_add(1))
        .fold(op, i64::max)
}

/// Whether there is an account. Its absence is looked at twice: another region's may not have come here yet.
pub(crate) async fn account_is_there(
    store: &CassandraStore,
    by: Deadline,
    uid: Uid,
) -> Result<bool, ReadError> {
    let validity = validity::surely(&store.reader, by, uid, |_| true);
    Ok(validity.await?.is_some())
}

#[cfg(test)]
mod tests {
    use foxhold_ports::{Cause, Refusal};

    use super::*;

    #[test]
    fn writes_together_are_not_done_only_if_none_is() {
        let (not_done, unknown) = (
            Err(WriteError::NotDone(Cause::Unavailable)),
            Err(WriteError::Unknown(Cause::Unavailable)),
        );
        let refused = Err(WriteError::Refused(Refusal::TokenSpent));
        let table = [
            (vec![], Ok(())),
            (vec![Ok(()), Ok(())], Ok(())),
            (vec![not_done, not_done], not_done),
            (vec![Ok(()), not_done], unknown),
            (vec![not_done, unknown], unknown),
            (vec![unknown, Ok(())], unknown),
            (vec![refused], refused),
        ];
        for (answers, expected) in table {
            assert_eq!(together(answers.clone()), expected, "{answers:?}");
        }
    }

    #[test]
    fn a_deletion_is_later_than_what_it_deletes() {
        for (op, written, expected) in [
            (10, vec![], 10),
            (10, vec![3, 9], 10),
            (10, vec![10], 11),
            (10, vec![20], 21),
        ] {
            assert_eq!(after(op, written.clone()), expected, "{op} {written:?}");
        }
        assert_eq!(after(0, [i64::MAX]), i64::MAX);
    }
}
