//! Commands that wait for devices: numbered within their device, and gone with it.

use foxhold_core::{DeviceId, Timestamp};
use foxhold_ports::{
    Refusal,
    device_commands::{CommandPage, DeviceCommand, DeviceRef, WAITING_MAX, WaitingCommand, next_index},
};
use foxhold_sqlite::rusqlite::{Connection, params};

use super::device;
use crate::{
    error::{Stop, StoreError},
    row::{Columns, all, change, millis, one, signed},
};

const SELECT_FROM: &str =
    "SELECT place, name, payload, sender, created_at_ms, expires_at_ms FROM device_commands
    WHERE uid = ?1 AND device = ?2 AND place >= ?3 ORDER BY place";
const LAST: &str = "SELECT last FROM device_command_places WHERE uid = ?1 AND device = ?2";
const SET_LAST: &str = "INSERT INTO device_command_places (uid, device, last) VALUES (?1, ?2, ?3)
    ON CONFLICT (uid, device) DO UPDATE SET last = excluded.last";
const INSERT: &str =
    "INSERT INTO device_commands (uid, device, place, name, payload, sender, created_at_ms, expires_at_ms)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const DELETE_OLDEST: &str = "DELETE FROM device_commands WHERE uid = ?1 AND device = ?2 AND place <=
    (SELECT place FROM device_commands WHERE uid = ?1 AND device = ?2 ORDER BY place DESC LIMIT 1 OFFSET ?3)";

pub(crate) fn waiting(
    db: &Connection,
    to: DeviceRef,
    from: u64,
    limit: usize,
    now: Timestamp,
) -> Result<CommandPage, StoreError> {
    // Nothing has a number that the store cannot hold.
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let params = (to.uid.as_bytes(), to.device.as_bytes(), from);
    Ok(CommandPage::of(all(db, SELECT_FROM, params, read)?, limit, now))
}

/// `CommandWriter::put_command`
pub(crate) fn put(db: &Connection, to: DeviceRef, command: &DeviceCommand) -> Result<u64, Stop> {
    if !device::exists(db, to.uid, to.device)? {
        return Err(Refusal::Conflict.into());
    }
    let (uid, device) = (to.uid.as_bytes(), to.device.as_bytes());
    let last = one(db, LAST, (uid, device), |row| row.number())?;
    let index = next_index(last, command.created_at);
    let place = signed(index)?;
    let row = params![
        uid,
        device,
        place,
        command.name,
        command.payload,
        command.sender.as_ref().map(DeviceId::as_bytes),
        millis(command.created_at)?,
        millis(command.expires_at)?,
    ];
    change(db, SET_LAST, (uid, device, place))?;
    change(db, INSERT, row)?;
    change(db, DELETE_OLDEST, (uid, device, signed(WAITING_MAX as u64)?))?;
    Ok(index)
}

fn read(row: &mut Columns<'_>) -> Result<WaitingCommand, StoreError> {
    Ok(WaitingCommand {
        index: row.number()?,
        command: DeviceCommand {
            name: row.get()?,
            payload: row.get()?,
            sender: row.get::<Option<_>>()?.map(DeviceId::from_bytes),
            created_at: row.time()?,
            expires_at: row.time()?,
        },
    })
}
