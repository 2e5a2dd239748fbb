//! Stretching on machines of their own.

use async_trait::async_trait;
use foxhold_core::{Deadline, Secret};
use foxhold_ports::{Cause, Stretcher, stretcher::StretchError};
use tonic::Response;

use super::{
    Transport,
    attempts::{self, Attempts},
    outgoing,
};
use crate::{
    convert,
    status::to_stretch_error,
    wire::stretcher::{self as pb, stretcher_client::StretcherClient},
};

/// [`Stretcher`] over gRPC.
#[derive(Clone)]
pub struct RemoteStretcher(Transport);

impl RemoteStretcher {
    /// Over a transport to the stretchers.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }

    async fn attempt(
        &self,
        until: Deadline,
        message: pb::StretchRequest,
    ) -> Result<Secret<32>, StretchError> {
        let answer = StretcherClient::new(self.0.clone())
            .stretch(outgoing(message, until))
            .await
            .map_err(|status| to_stretch_error(&status))?;
        convert::secret("stretched", Response::into_inner(answer).stretched).map_err(|error| {
            tracing::error!(%error, "the stretcher's answer makes no sense");
            StretchError::NotDone(Cause::Fault)
        })
    }
}

#[async_trait]
impl Stretcher for RemoteStretcher {
    async fn stretch(
        &self,
        by: Deadline,
        auth_pw: Secret<32>,
        salt: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        let message = || pb::StretchRequest {
            auth_pw: auth_pw.expose().to_vec(),
            salt: salt.to_vec(),
        };
        attempts::ask(
            Attempts::patient(by),
            |until| self.attempt(until, message()),
            |error: &StretchError| match error {
                // A lost connection costs another eighth of a second elsewhere; a slow answer would cost it for nothing.
                StretchError::NotDone(Cause::Unavailable) => Some(Cause::Unavailable),
                StretchError::NotDone(_) | StretchError::Busy { .. } => None,
            },
            StretchError::NotDone(Cause::Timeout),
        )
        .await
    }
}
