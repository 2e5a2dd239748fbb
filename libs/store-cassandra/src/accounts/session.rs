//! Opening and ending sessions.
//!
//! A session stands in two tables, by its id and in its account's list; key-fetch tokens in one of their own. They are
//! written side by side. If the process dies between, the caller has been told nothing, and nobody has the secret of
//! what was written: the same operation completes it, and what nobody asks for again hurts nobody. A session that is
//! not listed is found by the audit; one that is only listed can be ended by its owner like any other.

use foxhold_core::{DeviceId, TokenId, Uid};
use foxhold_ports::{Call, ReadError, Refusal, WriteError, accounts::SignIn};

use super::{
    account_is_there, after, not_done,
    rows::NewSession,
    single_use,
    sweep::{self, Reach, few_at_once},
    together,
};
use crate::{CassandraStore, cql::AfterAStep, fail_point};

/// A sign-in for another account than it comes with is one without its account.
pub(super) fn check_owner(uid: Uid, sign_in: &SignIn) -> Result<(), WriteError> {
    let of_key_fetches = sign_in.key_fetches.iter().map(|token| token.uid);
    let mut owners = of_key_fetches.chain([sign_in.session.uid]);
    if owners.all(|owner| owner == uid) {
        Ok(())
    } else {
        Err(Refusal::UnknownAccount.into())
    }
}

/// `AccountWriter::open_session`. Repeated after its account has gone it is refused: the session went with the account.
pub(super) async fn open(store: &CassandraStore, call: &Call, sign_in: &SignIn) -> Result<(), WriteError> {
    let uid = sign_in.session.uid;
    check_owner(uid, sign_in)?;
    if !account_is_there(store, call.deadline, uid)
        .await
        .map_err(not_done)?
    {
        return Err(Refusal::UnknownAccount.into());
    }
    write(store, call, sign_in).await
}

/// Writes a session, its place in the list, and its key-fetch tokens, all at once.
pub(super) async fn write(store: &CassandraStore, call: &Call, sign_in: &SignIn) -> Result<(), WriteError> {
    let (cql, writes, by) = (&store.cql, &store.accounts.writes, call.deadline);
    let SignIn { session, key_fetches } = sign_in;
    let row = NewSession::new(session, call.op.write_timestamp());
    let listed = row.clone().listed(key_fetches);
    let tokens = key_fetches.iter();
    let tokens = tokens.map(|token| single_use::put_key_fetch(store, call, token));
    let tokens = few_at_once(tokens.collect());
    let (written, listed, mut tokens) = futures_util::join!(
        async {
            cql.write(by, &writes.put_session, row).await?;
            fail_point("sign_in.session_written");
            Ok(())
        },
        async {
            cql.write(by, &writes.list_session, listed).await?;
            fail_point("sign_in.session_listed");
            Ok(())
        },
        tokens,
    );
    tokens.extend([written, listed]);
    together(tokens)
}

/// Whether the session of a sign-in was written.
pub(super) async fn is_written(
    store: &CassandraStore,
    call: &Call,
    sign_in: &SignIn,
) -> Result<bool, ReadError> {
    let (statement, id) = (&store.accounts.writes.session_written, sign_in.session.id);
    let row: Option<(Vec<u8>, i64)> = store.cql.row(call.deadline, statement, (id.as_bytes(),)).await?;
    Ok(row.is_some_and(|(uid, _)| uid == sign_in.session.uid.as_bytes()))
}

/// Removes a sign-in whose account, or password, does not come to be.
pub(super) async fn take_back(
    store: &CassandraStore,
    call: &Call,
    sign_in: &SignIn,
) -> Result<(), WriteError> {
    let at = after(call.op.write_timestamp(), [call.op.write_timestamp()]);
    let (uid, id) = (sign_in.session.uid, sign_in.session.id);
    let tokens = sign_in.key_fetches.iter();
    let tokens = tokens.map(|token| single_use::void_key_fetch(store, call, token.id));
    let spent = few_at_once(tokens.collect());
    let (ended, unlisted, mut spent) = futures_util::join!(
        sweep::end_session(store, call, id, at, Reach::Here),
        sweep::unlist_session(store, call, uid, id, at),
        spent,
    );
    spent.extend([ended, unlisted]);
    together(spent)
}

/// What a session's end has to do with.
struct Ending {
    /// When the session was written, if it is there and the account's.
    session: Option<i64>,
    /// When it was listed, if it is.
    listed: Option<i64>,
    /// Devices that hang on it, and when they were written.
    devices: Vec<(DeviceId, i64)>,
    /// Refresh tokens that hang on it, and when they were written.
    refresh_tokens: Vec<(TokenId, i64)>,
}

/// `AccountWriter::close_session`. What hangs on the session goes first, then its place in the list, then the session:
/// as long as it is there, the same operation again has everything to find. When it has gone, only what is older than
/// the operation goes with it, so that a repetition spares what came after.
pub(super) async fn close(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    id: TokenId,
) -> Result<(), WriteError> {
    let mut ending = Ending::find(store, call, uid, id).await.map_err(not_done)?;
    let op = call.op.write_timestamp();
    if ending.session.is_none() && ending.listed.is_none() {
        ending.devices.retain(|(_, written)| *written < op);
        ending.refresh_tokens.retain(|(_, written)| *written < op);
        return ending.remove_children(store, call, uid).await;
    }
    ending.remove_children(store, call, uid).await?;
    fail_point("close_session.children_removed");
    let at = after(op, ending.session.into_iter().chain(ending.listed));
    sweep::unlist_session(store, call, uid, id, at)
        .await
        .after_a_step()?;
    fail_point("close_session.unlisted");
    sweep::end_session(store, call, id, at, Reach::Home)
        .await
        .after_a_step()
}

impl Ending {
    async fn find(store: &CassandraStore, call: &Call, uid: Uid, id: TokenId) -> Result<Self, ReadError> {
        let (cql, writes, by) = (&store.cql, &store.accounts.writes, call.deadline);
        let place = (uid.as_bytes(), id.as_bytes());
        let (session, listed, devices, refresh_tokens) = futures_util::try_join!(
            store
                .reader
                .token_row::<(Vec<u8>, i64)>(by, &writes.session_written, &id),
            cql.row::<(Vec<u8>, i64)>(by, &writes.listed_session_written, place),
            sweep::devices(store, call, uid),
            sweep::refresh_tokens(store, call, uid),
        )?;
        let of_account = |(owner, written): (Vec<u8>, i64)| (owner == uid.as_bytes()).then_some(written);
        let devices = devices.into_iter().filter(|device| device.session == id);
        let tokens = refresh_tokens
            .into_iter()
            .filter(|token| token.session == Some(id));
        Ok(Self {
            session: session.and_then(of_account),
            listed: listed.and_then(of_account),
            devices: devices.map(|device| (device.id, device.written)).collect(),
            refresh_tokens: tokens.map(|token| (token.id, token.written)).collect(),
        })
    }

    /// A device is removed as it was found: one that moves to another session meanwhile was written later, and stays.
    async fn remove_children(&self, store: &CassandraStore, call: &Call, uid: Uid) -> Result<(), WriteError> {
        let op = call.op.write_timestamp();
        let devices = self.devices.iter().map(|(id, written)| {
            let at = after(*written, [*written]);
            sweep::delete_device(store, call, uid, *id, at)
        });
        let tokens = self.refresh_tokens.iter().map(|(id, written)| {
            let at = after(op, [*written]);
            sweep::revoke(store, call, uid, *id, at, Reach::Home)
        });
        let (devices, tokens) = (few_at_once(devices.collect()), few_at_once(tokens.collect()));
        let (mut answers, tokens) = futures_util::join!(devices, tokens);
        answers.extend(tokens);
        together(answers)
    }
}
