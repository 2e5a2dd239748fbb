//! The stretcher's service.

use std::sync::Arc;

use foxhold_ports::Stretcher as StretcherPort;
use tonic::{Request, Response, Status, async_trait};

use super::{deadline, traced};
use crate::{
    convert,
    status::{of_field_error, of_stretch_error},
    trace,
    wire::stretcher::{self as pb, stretcher_server::Stretcher},
};

pub(super) struct Stretching(pub(super) Arc<dyn StretcherPort>);

#[async_trait]
impl Stretcher for Stretching {
    async fn stretch(
        &self,
        request: Request<pb::StretchRequest>,
    ) -> Result<Response<pb::StretchResponse>, Status> {
        let (by, id) = (deadline(&request), trace::take(request.metadata()));
        let wire = request.into_inner();
        let auth_pw = convert::secret("auth_pw", wire.auth_pw).map_err(|error| of_field_error(&error))?;
        let salt = convert::array("salt", &wire.salt).map_err(|error| of_field_error(&error))?;
        let stretched = traced(id, self.0.stretch(by, auth_pw, salt))
            .await
            .map_err(of_stretch_error)?;
        Ok(Response::new(pb::StretchResponse {
            stretched: stretched.expose().to_vec(),
        }))
    }
}
