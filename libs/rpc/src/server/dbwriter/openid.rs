//! Registered clients and grants, as services.

use std::sync::Arc;

use foxhold_ports::{Call, ClientAdmin, GrantWriter};
use tonic::{Request, Response, Status, async_trait};

use super::{
    super::{deadline, traced},
    uid,
};
use crate::{
    convert::{self, FieldError, message},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{
        self as pb, client_admin_server::ClientAdmin as ClientService,
        grant_writer_server::GrantWriter as GrantService,
    },
};

pub(in crate::server) struct Clients(pub(in crate::server) Arc<dyn ClientAdmin>);
pub(in crate::server) struct Grants(pub(in crate::server) Arc<dyn GrantWriter>);

#[async_trait]
impl ClientService for Clients {
    async fn put_client(
        &self,
        request: Request<pb::PutClientRequest>,
    ) -> Result<Response<pb::PutClientResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                client = message("client", wire.client);
            },
            put_client(client),
            |()| pb::PutClientResponse {}
        )
    }

    async fn delete_client(
        &self,
        request: Request<pb::DeleteClientRequest>,
    ) -> Result<Response<pb::DeleteClientResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                client = convert::client_id("client", &wire.client);
            },
            delete_client(client),
            |()| pb::DeleteClientResponse {}
        )
    }
}

#[async_trait]
impl GrantService for Grants {
    async fn put_grant(
        &self,
        request: Request<pb::PutGrantRequest>,
    ) -> Result<Response<pb::PutGrantResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                grant = message("grant", wire.grant);
            },
            put_grant(grant),
            |()| pb::PutGrantResponse {}
        )
    }

    async fn end_grant(
        &self,
        request: Request<pb::EndGrantRequest>,
    ) -> Result<Response<pb::EndGrantResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                uid = uid(&wire.uid);
                client = convert::client_id("client", &wire.client);
            },
            end_grant(uid, client),
            |()| pb::EndGrantResponse {}
        )
    }

    async fn replace_refresh_token(
        &self,
        request: Request<pb::ReplaceRefreshTokenRequest>,
    ) -> Result<Response<pb::ReplaceRefreshTokenResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                replacement = message("replacement", wire.replacement);
            },
            replace_refresh_token(replacement),
            |()| pb::ReplaceRefreshTokenResponse {}
        )
    }
}
