//! Services and nodes as operators change them, as a service.

use std::sync::Arc;

use foxhold_ports::{AssignmentAdmin, Call, assignments::NodeChange};
use tonic::{Request, Response, Status, async_trait};

use super::super::{deadline, traced};
use crate::{
    convert::{self, FieldError, message, node_url, service_key, service_uid},
    status::{of_field_error, of_write_error},
    trace,
    wire::dbwriter::{self as pb, assignment_admin_server::AssignmentAdmin as AdminService},
};

pub(in crate::server) struct Administration(pub(in crate::server) Arc<dyn AssignmentAdmin>);

#[async_trait]
impl AdminService for Administration {
    async fn put_service(
        &self,
        request: Request<pb::PutServiceRequest>,
    ) -> Result<Response<pb::PutServiceResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = message("service", wire.service);
            },
            put_service(service),
            |()| pb::PutServiceResponse {}
        )
    }

    async fn create_node(
        &self,
        request: Request<pb::CreateNodeRequest>,
    ) -> Result<Response<pb::CreateNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                node = message("node", wire.node);
            },
            create_node(node),
            |()| pb::CreateNodeResponse {}
        )
    }

    async fn rename_node(
        &self,
        request: Request<pb::RenameNodeRequest>,
    ) -> Result<Response<pb::RenameNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                from = node_url("from", wire.from);
                to = node_url("to", wire.to);
            },
            rename_node(&service, &from, &to),
            |()| pb::RenameNodeResponse {}
        )
    }

    async fn update_node(
        &self,
        request: Request<pb::UpdateNodeRequest>,
    ) -> Result<Response<pb::UpdateNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                url = node_url("url", wire.url);
                change = message("change", wire.change);
            },
            update_node(&service, &url, change),
            |()| pb::UpdateNodeResponse {}
        )
    }

    async fn mark_node(
        &self,
        request: Request<pb::MarkNodeRequest>,
    ) -> Result<Response<pb::MarkNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                url = node_url("url", wire.url);
                change = Ok::<_, FieldError>(NodeChange {
                    unhealthy: Some(wire.unhealthy),
                    ..NodeChange::default()
                });
            },
            update_node(&service, &url, change),
            |()| pb::MarkNodeResponse {}
        )
    }

    async fn remove_node(
        &self,
        request: Request<pb::RemoveNodeRequest>,
    ) -> Result<Response<pb::RemoveNodeResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                url = node_url("url", wire.url);
            },
            remove_node(&service, &url),
            |()| pb::RemoveNodeResponse {}
        )
    }

    async fn import_user(
        &self,
        request: Request<pb::ImportUserRequest>,
    ) -> Result<Response<pb::ImportUserResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                at = message("at", wire.at);
                user = message("user", wire.user);
            },
            import_user(&at, &user),
            |record| pb::ImportUserResponse {
                record: Some(record.into())
            }
        )
    }

    async fn reserve_uids(
        &self,
        request: Request<pb::ReserveUidsRequest>,
    ) -> Result<Response<pb::ReserveUidsResponse>, Status> {
        intent!(
            self,
            request,
            |wire| {
                service = service_key("service", wire.service);
                through = service_uid("through", wire.through);
            },
            reserve_uids(&service, through),
            |()| pb::ReserveUidsResponse {}
        )
    }
}
