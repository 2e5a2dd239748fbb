//! Registered clients, changed by conditional writes, and grants, written plainly in their user's partition.
//!
//! Must stay true: of two changes of one client that were made of the same version, one is done; a deleted client's row
//! stays, without its cell, so that no operation put late brings it back.

use async_trait::async_trait;
use foxhold_core::{
    ClientId, Deadline, TokenId, Uid,
    record::{Grant, RegisteredClient},
};
use foxhold_ports::{
    Call, ClientAdmin, ClientRegistry, GrantReader, GrantWriter, ReadError, Refusal, WriteError,
    openid::{
        encoding::{decode_client, decode_grant, encode_client, encode_grant},
        spent::{ReplacedToken, Replacement, SpentCode},
    },
};
use scylla::DeserializeRow;

use crate::{
    CassandraReader, CassandraStore,
    accounts::{account_is_there, after, read::sound, replaced_token},
    cql::{Doubts, Level, Settled, decide_or_look, look_patiently, pause, statements},
    placement::table::signed,
};

/// Operations that a client's row remembers.
const OPERATIONS_MAX: usize = 8;
const OP_LEN: usize = 16;

statements! {
    /// What every tier reads.
    OpenIdReads {
        client: Read = "SELECT client FROM oauth_clients WHERE id = ?";
        clients: Read = "SELECT client FROM oauth_clients";
        grant: Read = "SELECT granted FROM oauth_grants WHERE uid = ? AND client = ?";
        grants: Read = "SELECT granted FROM oauth_grants WHERE uid = ?";
    }
}

statements! {
    /// Changes of clients and grants.
    OpenIdWrites {
        client_standing: Read = "SELECT client, version, ops FROM oauth_clients WHERE id = ?";
        change_client: Conditional = "UPDATE oauth_clients SET client = ?, version = ?, ops = ? WHERE id = ?
            IF version = ?";
        put_grant: Plain = "INSERT INTO oauth_grants (uid, client, granted) VALUES (?, ?, ?) USING TIMESTAMP ?";
        end_grant: Plain = "DELETE FROM oauth_grants USING TIMESTAMP ? WHERE uid = ? AND client = ?";
        grants_written: Read = "SELECT WRITETIME(granted) AS written_at FROM oauth_grants WHERE uid = ?";
        end_grants: Plain = "DELETE FROM oauth_grants USING TIMESTAMP ? WHERE uid = ?";
    }
}

#[async_trait]
impl ClientRegistry for CassandraReader {
    async fn client(&self, by: Deadline, id: ClientId) -> Result<Option<RegisteredClient>, ReadError> {
        let row = self
            .cql
            .row(by, &self.openid.client, (&id.as_bytes()[..],))
            .await?;
        let cell = row.and_then(|(cell,): (Option<Vec<u8>>,)| cell);
        cell.map(|cell| sound(decode_client(&cell))).transpose()
    }

    async fn clients(&self, by: Deadline) -> Result<Vec<RegisteredClient>, ReadError> {
        let rows: Vec<(Option<Vec<u8>>,)> = self.cql.rows(by, &self.openid.clients, ()).await?;
        let cells = rows.into_iter().filter_map(|(cell,)| cell);
        let mut clients: Vec<_> = cells
            .map(|cell| sound(decode_client(&cell)))
            .collect::<Result<_, _>>()?;
        clients.sort_by_key(|client: &RegisteredClient| client.id);
        Ok(clients)
    }
}

#[async_trait]
impl GrantReader for CassandraReader {
    async fn grant(&self, by: Deadline, uid: Uid, client: ClientId) -> Result<Option<Grant>, ReadError> {
        let at = (&uid.as_bytes()[..], &client.as_bytes()[..]);
        let row: Option<(Vec<u8>,)> = self.cql.row(by, &self.openid.grant, at).await?;
        row.map(|(cell,)| sound(decode_grant(&cell))).transpose()
    }

    async fn grant_behind(
        &self,
        by: Deadline,
        uid: Uid,
        client: ClientId,
        code: &TokenId,
    ) -> Result<Option<Grant>, ReadError> {
        let regions = self.cql.regions();
        let Some(home) = regions.foreign_home(code) else {
            return self.grant(by, uid, client).await;
        };
        let at = (&uid.as_bytes()[..], &client.as_bytes()[..]);
        let row: Option<(Vec<u8>,)> = self.cql.row_in(home, by, &self.openid.grant, at).await?;
        row.map(|(cell,)| sound(decode_grant(&cell))).transpose()
    }

    async fn grants(&self, by: Deadline, uid: Uid) -> Result<Vec<Grant>, ReadError> {
        let rows: Vec<(Vec<u8>,)> = self
            .cql
            .rows(by, &self.openid.grants, (&uid.as_bytes()[..],))
            .await?;
        rows.into_iter()
            .map(|(cell,)| sound(decode_grant(&cell)))
            .collect()
    }

    async fn spent_code(&self, by: Deadline, id: TokenId) -> Result<Option<SpentCode>, ReadError> {
        replaced_token::spent_code(self, by, id).await
    }

    async fn replaced_token(&self, by: Deadline, id: TokenId) -> Result<Option<ReplacedToken>, ReadError> {
        replaced_token::find(self, by, id).await
    }
}

#[async_trait]
impl ClientRegistry for CassandraStore {
    async fn client(&self, by: Deadline, id: ClientId) -> Result<Option<RegisteredClient>, ReadError> {
        self.reader.client(by, id).await
    }

    async fn clients(&self, by: Deadline) -> Result<Vec<RegisteredClient>, ReadError> {
        self.reader.clients(by).await
    }
}

#[async_trait]
impl GrantReader for CassandraStore {
    async fn grant(&self, by: Deadline, uid: Uid, client: ClientId) -> Result<Option<Grant>, ReadError> {
        self.reader.grant(by, uid, client).await
    }

    async fn grant_behind(
        &self,
        by: Deadline,
        uid: Uid,
        client: ClientId,
        code: &TokenId,
    ) -> Result<Option<Grant>, ReadError> {
        self.reader.grant_behind(by, uid, client, code).await
    }

    async fn grants(&self, by: Deadline, uid: Uid) -> Result<Vec<Grant>, ReadError> {
        self.reader.grants(by, uid).await
    }

    async fn spent_code(&self, by: Deadline, id: TokenId) -> Result<Option<SpentCode>, ReadError> {
        self.reader.spent_code(by, id).await
    }

    async fn replaced_token(&self, by: Deadline, id: TokenId) -> Result<Option<ReplacedToken>, ReadError> {
        self.reader.replaced_token(by, id).await
    }
}

/// A client's row.
#[derive(Debug, Default, Clone, PartialEq, Eq, DeserializeRow)]
struct ClientStanding {
    client: Option<Vec<u8>>,
    version: Option<i64>,
    ops: Option<Vec<u8>>,
}

impl ClientStanding {
    fn was_changed_by(&self, op: &[u8; OP_LEN]) -> bool {
        let ops = self.ops.as_deref().unwrap_or_default();
        ops.chunks_exact(OP_LEN).any(|known| known == op)
    }

    /// The operations with a new one.
    fn ops_with(&self, op: &[u8; OP_LEN]) -> Vec<u8> {
        let mut ops = op.to_vec();
        ops.extend_from_slice(self.ops.as_deref().unwrap_or_default());
        ops.truncate(OPERATIONS_MAX * OP_LEN);
        ops
    }
}

/// What becomes of a client's row.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    /// It gets this cell, or loses its own.
    To(Option<Vec<u8>>),
    /// It stays: there is nothing to do.
    Nothing,
    Conflict,
}

fn put(standing: &ClientStanding, client: &RegisteredClient) -> Change {
    let is_deleted = standing.version.is_some() && standing.client.is_none();
    let before = standing.version.unwrap_or(0);
    if is_deleted || signed(client.version) != before.saturating_add(1) {
        return Change::Conflict;
    }
    Change::To(Some(encode_client(client)))
}

const fn deleted(standing: &ClientStanding) -> Change {
    if standing.client.is_some() {
        Change::To(None)
    } else {
        Change::Nothing
    }
}

#[async_trait]
impl ClientAdmin for CassandraStore {
    async fn put_client(&self, call: &Call, client: RegisteredClient) -> Result<(), WriteError> {
        self.change_client(call, client.id, |standing| put(standing, &client))
            .await
    }

    async fn delete_client(&self, call: &Call, id: ClientId) -> Result<(), WriteError> {
        self.change_client(call, id, deleted).await
    }
}

impl CassandraStore {
    /// Puts a change until it is decided.
    async fn change_client(
        &self,
        call: &Call,
        id: ClientId,
        decide: impl Fn(&ClientStanding) -> Change,
    ) -> Result<(), WriteError> {
        let (by, op) = (call.deadline, call.op.as_bytes());
        let look = async || {
            let at = (&id.as_bytes()[..],);
            let row = self
                .cql
                .serial_row(Level::Deployment, by, &self.openid.client_standing, at);
            Ok::<_, ReadError>(row.await?.unwrap_or_default())
        };
        let seen = look_patiently(by, look).await;
        let mut standing: ClientStanding = seen.map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
        let mut doubts = Doubts::default();
        loop {
            if standing.was_changed_by(op) {
                return Ok(());
            }
            let cell = match decide(&standing) {
                Change::To(cell) => cell,
                Change::Nothing => return Ok(()),
                Change::Conflict => return Err(Refusal::Conflict.into()),
            };
            let values = (
                cell,
                standing.version.unwrap_or(0).saturating_add(1),
                standing.ops_with(op),
                &id.as_bytes()[..],
                standing.version,
            );
            let decided = self.cql.decide(by, &self.openid.change_client, values);
            match doubts.weigh(decide_or_look(by, decided, look).await)? {
                Settled::Applied => return Ok(()),
                Settled::Look { view, doubt } => {
                    doubts.note(doubt);
                    standing = view;
                }
            }
            pause(by, self.random.as_ref()).await;
        }
    }

    /// Ends the grants of an account that are older than the operation: repeated, it spares what was agreed to since.
    pub(crate) async fn end_grants_of_before(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        let values = (call.op.write_timestamp(), &uid.as_bytes()[..]);
        self.cql
            .write(call.deadline, &self.openid.end_grants, values)
            .await
    }

    /// Ends all grants of an account that is condemned.
    pub(crate) async fn end_grants(&self, call: &Call, uid: Uid) -> Result<(), WriteError> {
        let of_user = (&uid.as_bytes()[..],);
        let read = self.cql.rows(call.deadline, &self.openid.grants_written, of_user);
        let written: Vec<(i64,)> = read
            .await
            .map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
        if written.is_empty() {
            return Ok(());
        }
        let at = after(call.op.write_timestamp(), written.into_iter().map(|(at,)| at));
        let values = (at, &uid.as_bytes()[..]);
        self.cql
            .write(call.deadline, &self.openid.end_grants, values)
            .await
    }
}

#[async_trait]
impl GrantWriter for CassandraStore {
    async fn put_grant(&self, call: &Call, grant: Grant) -> Result<(), WriteError> {
        let there = account_is_there(self, call.deadline, grant.uid).await;
        if !there.map_err(|ReadError(cause)| WriteError::NotDone(cause))? {
            return Ok(());
        }
        let values = (
            &grant.uid.as_bytes()[..],
            &grant.client.as_bytes()[..],
            encode_grant(&grant),
            call.op.write_timestamp(),
        );
        self.cql
            .write(call.deadline, &self.openid.put_grant, values)
            .await
    }

    /// Not at a time after what is there: the same operation again must spare a grant that was given anew since.
    async fn end_grant(&self, call: &Call, uid: Uid, client: ClientId) -> Result<(), WriteError> {
        let values = (
            call.op.write_timestamp(),
            &uid.as_bytes()[..],
            &client.as_bytes()[..],
        );
        self.cql
            .write(call.deadline, &self.openid.end_grant, values)
            .await
    }

    async fn replace_refresh_token(&self, call: &Call, replacement: Replacement) -> Result<(), WriteError> {
        replaced_token::replace(self, call, &replacement).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OP: [u8; OP_LEN] = [7; OP_LEN];

    #[test]
    fn a_row_remembers_the_last_operations_that_changed_it() {
        let mut standing = ClientStanding::default();
        assert!(!standing.was_changed_by(&OP));
        for number in 0..=OPERATIONS_MAX {
            let op = [u8::try_from(number).unwrap(); OP_LEN];
            standing.ops = Some(standing.ops_with(&op));
        }
        assert_eq!(standing.ops.as_ref().unwrap().len(), OPERATIONS_MAX * OP_LEN);
        assert!(standing.was_changed_by(&[1; OP_LEN]) && standing.was_changed_by(&[8; OP_LEN]));
        assert!(!standing.was_changed_by(&[0; OP_LEN]), "it was too long ago");
    }

    #[test]
    fn only_a_client_that_is_there_can_be_deleted() {
        let there = ClientStanding {
            client: Some(vec![1]),
            version: Some(3),
            ops: None,
        };
        let gone = ClientStanding {
            client: None,
            ..there.clone()
        };
        assert_eq!(deleted(&there), Change::To(None));
        assert_eq!(deleted(&gone), Change::Nothing);
        assert_eq!(deleted(&ClientStanding::default()), Change::Nothing);
    }
}
