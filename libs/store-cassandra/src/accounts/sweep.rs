//! Removing what hangs on an account or on a session, or is older than an account's password.
//!
//! Must stay true: what is found by a list is removed before its place in the list, so that whoever repeats this finds
//! what is left; every deletion is later than what it deletes.

use std::{collections::HashSet, time::Duration};

use foxhold_core::{DeviceId, Timestamp, TokenId, Uid};
use foxhold_ports::{Call, ReadError, WriteError};
use futures_util::{StreamExt as _, stream};
use scylla::{DeserializeRow, value::CqlTimestamp};

use super::{access, after, not_done, read::sound, rows::read_time, single_use, together};
use crate::{CassandraStore, cql::Plain};

/// Writes of one intent that are under way at a time.
const AT_ONCE: usize = 16;

/// A device, and when it was written.
pub(super) struct DeviceWritten {
    pub(super) id: DeviceId,
    pub(super) session: TokenId,
    pub(super) written: i64,
}

/// A refresh token, and when it was written.
pub(super) struct RefreshTokenWritten {
    pub(super) id: TokenId,
    pub(super) session: Option<TokenId>,
    pub(super) generation: Timestamp,
    pub(super) written: i64,
}

/// The same as it is read.
#[derive(DeserializeRow)]
struct RefreshTokenRow {
    id: Vec<u8>,
    session: Option<Vec<u8>>,
    generation: CqlTimestamp,
    written_at: i64,
}

/// A session of an account's list, and when it was written.
struct SessionWritten {
    id: TokenId,
    key_fetches: Vec<TokenId>,
    generation: Timestamp,
    written: i64,
}

/// The same as it is read.
#[derive(DeserializeRow)]
struct SessionRow {
    id: Vec<u8>,
    key_fetches: Option<Vec<Vec<u8>>>,
    generation: CqlTimestamp,
    written_at: i64,
}

/// How far a deletion has to reach before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// This region. For what has lost its worth with its account already.
    Here,
    /// Its home region, too: who misses the token here will ask there.
    Home,
}

/// Removes all that hangs on an account, except perhaps one session: the new one of an account that is made again.
///
/// The account is condemned, so nothing of it is of use any more, wherever it is seen.
pub(super) async fn sweep(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    spared: Option<TokenId>,
) -> Result<(), WriteError> {
    let (sessions, devices, refresh_tokens) = futures_util::try_join!(
        sessions(store, call, uid),
        self::devices(store, call, uid),
        self::refresh_tokens(store, call, uid),
    )
    .map_err(not_done)?;
    let op = call.op.write_timestamp();
    let sessions = sessions.into_iter().filter(|session| Some(session.id) != spared);
    let sessions = sessions
        .map(|session| remove(store, call, uid, session))
        .collect();
    let devices = devices.into_iter().map(|device| {
        let at = after(op, [device.written]);
        delete_device(store, call, uid, device.id, at)
    });
    let tokens = refresh_tokens.into_iter().map(|token| {
        let at = after(op, [token.written]);
        revoke(store, call, uid, token.id, at, Reach::Here)
    });
    let (sessions, devices, tokens, accesses) = futures_util::join!(
        few_at_once(sessions),
        few_at_once(devices.collect()),
        few_at_once(tokens.collect()),
        access::forget(store, call, uid),
    );
    together([sessions, devices, tokens, vec![accesses]].concat())?;
    store.end_grants(call, uid).await
}

async fn remove(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    session: SessionWritten,
) -> Result<(), WriteError> {
    let at = after(call.op.write_timestamp(), [session.written]);
    let tokens = session.key_fetches.into_iter();
    let tokens = tokens.map(|id| single_use::void_of_condemned(store, call, id));
    let (ended, mut answers) = futures_util::join!(
        end_session(store, call, session.id, at, Reach::Here),
        few_at_once(tokens.collect()),
    );
    answers.push(ended);
    together(answers)?;
    unlist_session(store, call, uid, session.id, at).await
}

/// What a new password ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Older {
    /// What is of an older generation than this.
    pub(super) than: Timestamp,
    /// The session that came with the password.
    pub(super) spared: Option<TokenId>,
    /// Whether refresh tokens that hang on no session are meant, too.
    pub(super) every_refresh_token: bool,
}

/// Removes what is older than an account's password: sessions, the devices of all but those that stay, refresh tokens.
///
/// Whatever of it is not reached is dead by its generation all the same. Key-fetch tokens and codes are left to that: not
/// all of them can be found, and spending one is a decision in its own region. Repeated, it removes what is left, and
/// nothing of a session that was opened since.
pub(super) async fn sweep_older(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    older: Older,
) -> Result<(), WriteError> {
    // Devices before sessions: one that is found has its session then, or had none any more.
    let (devices, refresh_tokens) = futures_util::try_join!(
        self::devices(store, call, uid),
        self::refresh_tokens(store, call, uid)
    )
    .map_err(not_done)?;
    let sessions = sessions(store, call, uid).await.map_err(not_done)?;
    let stays =
        |session: &SessionWritten| session.generation >= older.than || Some(session.id) == older.spared;
    let (left, ended): (Vec<_>, Vec<_>) = sessions.into_iter().partition(stays);
    let left: HashSet<TokenId> = left.into_iter().map(|session| session.id).collect();
    let op = call.op.write_timestamp();
    let sessions = ended.into_iter().map(|session| async move {
        let at = after(op, [session.written]);
        end_session(store, call, session.id, at, Reach::Here).await?;
        unlist_session(store, call, uid, session.id, at).await
    });
    let devices = devices
        .into_iter()
        .filter(|device| !left.contains(&device.session));
    let devices = devices.map(|device| {
        // As it was found: one that moves to another session meanwhile was written later, and stays.
        let at = after(device.written, [device.written]);
        delete_device(store, call, uid, device.id, at)
    });
    let is_ended = |token: &RefreshTokenWritten| {
        token.generation < older.than && (older.every_refresh_token || token.session.is_some())
    };
    let tokens = refresh_tokens.into_iter().filter(is_ended).map(|token| {
        let at = after(op, [token.written]);
        revoke(store, call, uid, token.id, at, Reach::Here)
    });
    let (sessions, devices, tokens) = futures_util::join!(
        few_at_once(sessions.collect()),
        few_at_once(devices.collect()),
        few_at_once(tokens.collect()),
    );
    together([sessions, devices, tokens].concat())
}

/// Carries out writes side by side, some at a time.
pub(super) async fn few_at_once<F: Future>(writes: Vec<F>) -> Vec<F::Output> {
    stream::iter(writes).buffer_unordered(AT_ONCE).collect().await
}

/// Deletes the row of a session.
pub(super) async fn end_session(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
    at: i64,
    reach: Reach,
) -> Result<(), WriteError> {
    delete_token(store, call, &store.accounts.writes.end_session, id, at, reach).await
}

/// Deletes a session's place in its account's list.
pub(super) async fn unlist_session(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    id: TokenId,
    at: i64,
) -> Result<(), WriteError> {
    let (statement, values) = (
        &store.accounts.writes.unlist_session,
        (at, uid.as_bytes(), id.as_bytes()),
    );
    store.cql.write(call.deadline, statement, values).await
}

/// How long a device's end waits for its commands to go, too.
const DROP_MAX: Duration = Duration::from_secs(1);

/// Deletes a device, and then what waits for it. That is decided by all regions, and a sign-out must not wait for one that is
/// cut off: without its device nobody reads a command any more, and what is left expires.
pub(super) async fn delete_device(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    id: DeviceId,
    at: i64,
) -> Result<(), WriteError> {
    let (statement, values) = (
        &store.accounts.writes.delete_device,
        (at, uid.as_bytes(), id.as_bytes()),
    );
    store.cql.write(call.deadline, statement, values).await?;
    let dropping = Call {
        deadline: call.deadline.at_most(DROP_MAX),
        ..*call
    };
    if let Err(error) = store.drop_commands(&dropping, uid, id).await {
        tracing::warn!(%error, "commands of a device that is gone are left to expire");
    }
    Ok(())
}

/// Deletes a refresh token that was found in its account's list.
pub(super) async fn revoke(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    id: TokenId,
    at: i64,
    reach: Reach,
) -> Result<(), WriteError> {
    end_refresh_token(store, call, id, at, reach).await?;
    unlist_refresh_token(store, call, uid, id, at).await
}

/// Deletes the row of a refresh token.
pub(super) async fn end_refresh_token(
    store: &CassandraStore,
    call: &Call,
    id: TokenId,
    at: i64,
    reach: Reach,
) -> Result<(), WriteError> {
    delete_token(
        store,
        call,
        &store.accounts.writes.end_refresh_token,
        id,
        at,
        reach,
    )
    .await
}

/// Deletes a refresh token's place in its account's list.
pub(super) async fn unlist_refresh_token(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    id: TokenId,
    at: i64,
) -> Result<(), WriteError> {
    let (statement, values) = (
        &store.accounts.writes.unlist_refresh_token,
        (at, uid.as_bytes(), id.as_bytes()),
    );
    store.cql.write(call.deadline, statement, values).await
}

async fn delete_token(
    store: &CassandraStore,
    call: &Call,
    statement: &Plain,
    id: TokenId,
    at: i64,
    reach: Reach,
) -> Result<(), WriteError> {
    let (cql, by, values) = (&store.cql, call.deadline, (at, id.as_bytes()));
    let regions = cql.regions();
    match regions.foreign_home(&id) {
        Some(home) if reach == Reach::Home => {
            let (here, there) = futures_util::join!(
                cql.write(by, statement, values),
                cql.write_in(home, by, statement, values),
            );
            together(vec![here, there])
        }
        _ => cql.write(by, statement, values).await,
    }
}

/// Devices of an account.
pub(super) async fn devices(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
) -> Result<Vec<DeviceWritten>, ReadError> {
    let statement = &store.accounts.writes.devices_written;
    let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = store
        .cql
        .rows(call.deadline, statement, (uid.as_bytes(),))
        .await?;
    rows.into_iter()
        .map(|(id, session, written)| {
            Ok(DeviceWritten {
                id: sound(DeviceId::from_slice(&id))?,
                session: sound(TokenId::from_slice(&session))?,
                written,
            })
        })
        .collect()
}

/// Refresh tokens of an account.
pub(super) async fn refresh_tokens(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
) -> Result<Vec<RefreshTokenWritten>, ReadError> {
    let statement = &store.accounts.writes.refresh_tokens_written;
    let rows: Vec<RefreshTokenRow> = store
        .cql
        .rows(call.deadline, statement, (uid.as_bytes(),))
        .await?;
    rows.into_iter()
        .map(|row| {
            let session = row.session.map(|session| sound(TokenId::from_slice(&session)));
            Ok(RefreshTokenWritten {
                id: sound(TokenId::from_slice(&row.id))?,
                session: session.transpose()?,
                generation: sound(read_time(row.generation))?,
                written: row.written_at,
            })
        })
        .collect()
}

async fn sessions(store: &CassandraStore, call: &Call, uid: Uid) -> Result<Vec<SessionWritten>, ReadError> {
    let statement = &store.accounts.writes.sessions_written;
    let rows: Vec<SessionRow> = store
        .cql
        .rows(call.deadline, statement, (uid.as_bytes(),))
        .await?;
    rows.into_iter()
        .map(|row| {
            let key_fetches = row.key_fetches.unwrap_or_default();
            let key_fetches = key_fetches.iter().map(|id| sound(TokenId::from_slice(id)));
            Ok(SessionWritten {
                id: sound(TokenId::from_slice(&row.id))?,
                key_fetches: key_fetches.collect::<Result<_, _>>()?,
                generation: sound(read_time(row.generation))?,
                written: row.written_at,
            })
        })
        .collect()
}
