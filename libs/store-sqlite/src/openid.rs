//! Registered clients and grants, decided and written in one transaction.

use foxhold_core::{
    ClientId, Uid,
    record::{Grant, RegisteredClient},
};
use foxhold_ports::{
    Refusal,
    openid::encoding::{decode_client, decode_grant, encode_client, encode_grant},
};
use foxhold_sqlite::rusqlite::{Connection, params};

use crate::{
    accounts::account,
    error::{Stop, StoreError},
    row::{Columns, all, change, one, signed},
};

const CLIENT: &str = "SELECT client FROM oauth_clients WHERE id = ?1";
const CLIENTS: &str = "SELECT client FROM oauth_clients WHERE client IS NOT NULL ORDER BY id";
const STANDING: &str = "SELECT version, client IS NULL FROM oauth_clients WHERE id = ?1";
const PUT_CLIENT: &str = "INSERT INTO oauth_clients (id, client, version) VALUES (?1, ?2, ?3)
    ON CONFLICT (id) DO UPDATE SET client = excluded.client, version = excluded.version";
const DELETE_CLIENT: &str = "UPDATE oauth_clients SET client = NULL WHERE id = ?1";
const GRANT: &str = "SELECT granted FROM oauth_grants WHERE uid = ?1 AND client = ?2";
const GRANTS: &str = "SELECT granted FROM oauth_grants WHERE uid = ?1 ORDER BY client";
const PUT_GRANT: &str = "INSERT INTO oauth_grants (uid, client, granted) VALUES (?1, ?2, ?3)
    ON CONFLICT (uid, client) DO UPDATE SET granted = excluded.granted";
const END_GRANTS: &str = "DELETE FROM oauth_grants WHERE uid = ?1";
const END_GRANT: &str = "DELETE FROM oauth_grants WHERE uid = ?1 AND client = ?2";

pub(crate) fn client(db: &Connection, id: ClientId) -> Result<Option<RegisteredClient>, StoreError> {
    let found = one(db, CLIENT, [id.as_bytes()], |row| {
        let cell: Option<Vec<u8>> = row.get()?;
        cell.map(|cell| read_client(&cell)).transpose()
    })?;
    Ok(found.flatten())
}

pub(crate) fn clients(db: &Connection) -> Result<Vec<RegisteredClient>, StoreError> {
    all(db, CLIENTS, (), |row| read_client(row.blob()?))
}

fn read_client(cell: &[u8]) -> Result<RegisteredClient, StoreError> {
    decode_client(cell).ok_or(StoreError::Corrupt("a client's cell is damaged"))
}

/// `ClientAdmin::put_client`
pub(crate) fn put_client(db: &Connection, client: &RegisteredClient) -> Result<(), Stop> {
    let standing = one(db, STANDING, [client.id.as_bytes()], |row| {
        Ok((row.number()?, row.get::<bool>()?))
    })?;
    let fits = match standing {
        None => client.version == 1,
        Some((version, is_deleted)) => !is_deleted && client.version == version + 1,
    };
    if !fits {
        return Err(Refusal::Conflict.into());
    }
    let params = params![
        client.id.as_bytes(),
        encode_client(client),
        signed(client.version)?
    ];
    change(db, PUT_CLIENT, params)?;
    Ok(())
}

/// `ClientAdmin::delete_client`
pub(crate) fn delete_client(db: &Connection, id: ClientId) -> Result<(), Stop> {
    change(db, DELETE_CLIENT, [id.as_bytes()])?;
    Ok(())
}

pub(crate) fn grant(db: &Connection, uid: Uid, client: ClientId) -> Result<Option<Grant>, StoreError> {
    one(db, GRANT, params![uid.as_bytes(), client.as_bytes()], read_grant)
}

pub(crate) fn grants(db: &Connection, uid: Uid) -> Result<Vec<Grant>, StoreError> {
    all(db, GRANTS, [uid.as_bytes()], read_grant)
}

fn read_grant(row: &mut Columns<'_>) -> Result<Grant, StoreError> {
    decode_grant(row.blob()?).ok_or(StoreError::Corrupt("a grant's cell is damaged"))
}

/// `GrantWriter::put_grant`
pub(crate) fn put_grant(db: &Connection, grant: &Grant) -> Result<(), Stop> {
    if account::exists(db, grant.uid)? {
        let params = params![grant.uid.as_bytes(), grant.client.as_bytes(), encode_grant(grant)];
        change(db, PUT_GRANT, params)?;
    }
    Ok(())
}

/// Ends all grants of an account.
pub(crate) fn end_grants(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, END_GRANTS, [uid.as_bytes()]).map(drop)
}

/// `GrantWriter::end_grant`
pub(crate) fn end_grant(db: &Connection, uid: Uid, client: ClientId) -> Result<(), Stop> {
    change(db, END_GRANT, params![uid.as_bytes(), client.as_bytes()])?;
    Ok(())
}
