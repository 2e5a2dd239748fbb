//! Devices: written whole, and the last write wins, by the time in its operation's id. A caller that replaces or removes
//! what it has read asks with a later time than that was written at.

use foxhold_core::{DeviceId, Uid, record::Device};
use foxhold_ports::{Call, WriteError};

use super::{account_is_there, not_done, rows::NewDevice, sweep};
use crate::CassandraStore;

/// `AccountWriter::put_device`. The device of an account that is gone is gone with it.
pub(super) async fn put(store: &CassandraStore, call: &Call, device: &Device) -> Result<(), WriteError> {
    if !account_is_there(store, call.deadline, device.uid)
        .await
        .map_err(not_done)?
    {
        return Ok(());
    }
    let row = NewDevice::new(device, call.op.write_timestamp());
    let statement = &store.accounts.writes.put_device;
    store.cql.write(call.deadline, statement, row).await
}

/// `AccountWriter::delete_device`. Not at a time after what is there: the same operation again must spare a device that
/// was registered anew since.
pub(super) async fn delete(
    store: &CassandraStore,
    call: &Call,
    uid: Uid,
    id: DeviceId,
) -> Result<(), WriteError> {
    sweep::delete_device(store, call, uid, id, call.op.write_timestamp()).await
}
