//! The ports, reached over gRPC. A webhead makes one [`Transport`] per tier (the runtime's balanced channel) and one
//! remote adapter per port on it.

mod attempts;
mod dbwriter;
mod signer;
mod stretcher;

use foxhold_core::Deadline;
use tonic::{Request, Status, body::Body};
use tower::{Service, util::BoxCloneSyncService};

pub use dbwriter::{
    RemoteAccountAdmin, RemoteAccountGuards, RemoteAccountWriter, RemoteAssignmentAdmin,
    RemoteAssignmentWriter, RemoteClientAdmin, RemoteCommandWriter, RemoteGrantWriter,
    RemoteInvitationWriter, RemoteJobTurns, RemoteOperatorWriter, RemoteOutbox,
};
pub use signer::RemoteSigner;
pub use stretcher::RemoteStretcher;

/// What carries calls to a tier. How a call failed that got no answer is a status, too.
pub type Transport = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// Makes a transport of a channel or of a server that is plugged in directly.
pub fn transport<S>(service: S) -> Transport
where
    S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + Sync + 'static,
    S::Error: Into<tonic::codegen::StdError>,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(tower::ServiceExt::map_err(service, |error: S::Error| {
        Status::from_error(error.into())
    }))
}

/// A message on its way: with what is left of the deadline, for the server as header and for the transport as
/// extension, and with the request's id.
fn outgoing<M>(message: M, deadline: Deadline) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(deadline.remaining().unwrap_or_default());
    request.extensions_mut().insert(deadline);
    crate::trace::put(request.metadata_mut());
    request
}
