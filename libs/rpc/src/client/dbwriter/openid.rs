//! Registered clients and grants, over gRPC.

use async_trait::async_trait;
use foxhold_core::{
    ClientId, Deadline, Uid,
    record::{Grant, RegisteredClient},
};
use foxhold_ports::{Call, ClientAdmin, GrantWriter, WriteError, openid::spent::Replacement};

use super::op;
use crate::{
    client::{Transport, attempts, outgoing},
    status::to_write_error,
    wire::dbwriter::{
        self as pb, client_admin_client::ClientAdminClient, grant_writer_client::GrantWriterClient,
    },
};

/// [`ClientAdmin`] over gRPC.
#[derive(Clone)]
pub struct RemoteClientAdmin(Transport);

impl RemoteClientAdmin {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl ClientAdmin for RemoteClientAdmin {
    async fn put_client(&self, call: &Call, client: RegisteredClient) -> Result<(), WriteError> {
        let message = pb::PutClientRequest {
            op_id: op(call.op),
            client: Some(client.into()),
        };
        intent!(self, ClientAdminClient, call, put_client, message).map(|_| ())
    }

    async fn delete_client(&self, call: &Call, id: ClientId) -> Result<(), WriteError> {
        let message = pb::DeleteClientRequest {
            op_id: op(call.op),
            client: id.as_bytes().to_vec(),
        };
        intent!(self, ClientAdminClient, call, delete_client, message).map(|_| ())
    }
}

/// [`GrantWriter`] over gRPC.
#[derive(Clone)]
pub struct RemoteGrantWriter(Transport);

impl RemoteGrantWriter {
    /// Over a transport to the dbwriters.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }
}

#[async_trait]
impl GrantWriter for RemoteGrantWriter {
    async fn put_grant(&self, call: &Call, grant: Grant) -> Result<(), WriteError> {
        let message = pb::PutGrantRequest {
            op_id: op(call.op),
            grant: Some(grant.into()),
        };
        intent!(self, GrantWriterClient, call, put_grant, message).map(|_| ())
    }

    async fn end_grant(&self, call: &Call, uid: Uid, client: ClientId) -> Result<(), WriteError> {
        let message = pb::EndGrantRequest {
            op_id: op(call.op),
            uid: uid.as_bytes().to_vec(),
            client: client.as_bytes().to_vec(),
        };
        intent!(self, GrantWriterClient, call, end_grant, message).map(|_| ())
    }

    async fn replace_refresh_token(&self, call: &Call, replacement: Replacement) -> Result<(), WriteError> {
        let message = pb::ReplaceRefreshTokenRequest {
            op_id: op(call.op),
            replacement: Some(replacement.into()),
        };
        intent!(self, GrantWriterClient, call, replace_refresh_token, message).map(|_| ())
    }
}
