//! Commands that wait for devices, over gRPC.

use async_trait::async_trait;
use foxhold_core::Deadline;
use foxhold_ports::{
    Call, CommandWriter, WriteError,
    device_commands::{DeviceCommand, DeviceRef},
};

use super::op;
use crate::{
    client::{Transport, attempts, outgoing},
    status::to_write_error,
    wire::dbwriter::{self as pb, command_writer_client::CommandWriterClient},
};

/// [`CommandWriter`] over gRPC.
#[derive(Clone)]
pub struct RemoteCommandWriter(Transport);

impl RemoteCommandWriter {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl CommandWriter for RemoteCommandWriter {
    async fn put_command(
        &self,
        call: &Call,
        to: DeviceRef,
        command: DeviceCommand,
    ) -> Result<u64, WriteError> {
        let message = pb::PutCommandRequest {
            op_id: op(call.op),
            uid: to.uid.as_bytes().to_vec(),
            device: to.device.as_bytes().to_vec(),
            command: Some(command.into()),
        };
        intent!(self, CommandWriterClient, call, put_command, message).map(|answer| answer.index)
    }
}
