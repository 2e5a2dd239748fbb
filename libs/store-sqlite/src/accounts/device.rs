//! Devices: written whole, the last write wins.

use foxhold_core::{DeviceId, TokenId, Uid, record::Device};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::account;
use crate::{
    codec,
    error::StoreError,
    row::{Columns, all, change, millis, one},
};

const SELECT_OF: &str =
    "SELECT uid, id, session, name, kind, created_at_ms, last_access_at_ms, push, commands
    FROM devices WHERE uid = ?1 ORDER BY created_at_ms, id";
/// Not by REPLACE, which removes what is there, and with it what waits for the device.
const PUT: &str = "INSERT INTO devices (uid, id, session, name, kind, created_at_ms, last_access_at_ms,
    push, commands) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (uid, id) DO UPDATE SET session = excluded.session, name = excluded.name, kind = excluded.kind,
    created_at_ms = excluded.created_at_ms, last_access_at_ms = excluded.last_access_at_ms, push = excluded.push,
    commands = excluded.commands";
const EXISTS: &str = "SELECT 1 FROM devices WHERE uid = ?1 AND id = ?2";
const DELETE: &str = "DELETE FROM devices WHERE uid = ?1 AND id = ?2";
const DELETE_OF_SESSION: &str = "DELETE FROM devices WHERE uid = ?1 AND session = ?2";
const DELETE_OF: &str = "DELETE FROM devices WHERE uid = ?1";

pub(crate) fn of_account(db: &Connection, uid: Uid) -> Result<Vec<Device>, StoreError> {
    all(db, SELECT_OF, [uid.as_bytes()], read)
}

pub(super) fn exists(db: &Connection, uid: Uid, id: DeviceId) -> Result<bool, StoreError> {
    let found = one(db, EXISTS, (uid.as_bytes(), id.as_bytes()), |_| Ok(()))?;
    Ok(found.is_some())
}

/// `AccountWriter::put_device`. The device of an account that is gone is gone with it.
pub(crate) fn put(db: &Connection, device: &Device) -> Result<(), StoreError> {
    if !account::exists(db, device.uid)? {
        return Ok(());
    }
    let params = params![
        device.uid.as_bytes(),
        device.id.as_bytes(),
        device.session.as_bytes(),
        device.name,
        device.kind,
        millis(device.created_at)?,
        millis(device.last_access_at)?,
        device.push.as_ref().map(codec::encode_push),
        codec::encode_commands(&device.available_commands),
    ];
    change(db, PUT, params).map(drop)
}

/// `AccountWriter::delete_device`
pub(crate) fn delete(db: &Connection, uid: Uid, id: DeviceId) -> Result<(), StoreError> {
    change(db, DELETE, (uid.as_bytes(), id.as_bytes())).map(drop)
}

pub(super) fn delete_of_session(db: &Connection, uid: Uid, session: TokenId) -> Result<(), StoreError> {
    change(db, DELETE_OF_SESSION, (uid.as_bytes(), session.as_bytes())).map(drop)
}

pub(super) fn delete_of_account(db: &Connection, uid: Uid) -> Result<(), StoreError> {
    change(db, DELETE_OF, [uid.as_bytes()]).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<Device, StoreError> {
    Ok(Device {
        uid: row.uid()?,
        id: row.get().map(DeviceId::from_bytes)?,
        session: row.token()?,
        name: row.get()?,
        kind: row.get()?,
        created_at: row.time()?,
        last_access_at: row.time()?,
        push: row
            .get::<Option<Vec<u8>>>()?
            .map(|cell| codec::decode_push(&cell))
            .transpose()?,
        available_commands: codec::decode_commands(row.blob()?)?,
    })
}
