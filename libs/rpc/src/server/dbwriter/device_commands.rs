//! Commands that wait for devices, as a service.

use std::sync::Arc;

use foxhold_ports::{Call, CommandWriter};
use tonic::{Request, Response, Status, async_trait};

use super::super::{deadline, traced};
use crate::{
    convert::{self, FieldError, device_ref, message},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, command_writer_server::CommandWriter as CommandService},
};

pub(in crate::server) struct Commands(pub(in crate::server) Arc<dyn CommandWriter>);

#[async_trait]
impl CommandService for Commands {
    async fn put_command(
        &self,
        request: Request<pb::PutCommandRequest>,
    ) -> Result<Response<pb::PutCommandResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                to = device_ref(&wire.uid, &wire.device);
                command = message("command", wire.command);
            },
            put_command(to, command),
            |index| pb::PutCommandResponse { index }
        )
    }
}
