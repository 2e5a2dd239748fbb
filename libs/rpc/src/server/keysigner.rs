//! The keysigner's service.

use foxhold_ports::signer::{AccessTokenOrder, CertificateOrder, IdTokenOrder, NodeTokenOrder};
use tonic::{Request, Response, Status, async_trait};

use super::{KeysignerPorts, deadline, traced};
use crate::{
    status::{of_field_error, of_sign_error},
    trace,
    wire::keysigner::{self as pb, keysigner_server::Keysigner},
};

pub(super) struct Signer(pub(super) KeysignerPorts);

#[async_trait]
impl Keysigner for Signer {
    async fn sign_access_token(
        &self,
        request: Request<pb::SignAccessTokenRequest>,
    ) -> Result<Response<pb::SignAccessTokenResponse>, Status> {
        let (by, id) = (deadline(&request), trace::take(request.metadata()));
        let order =
            AccessTokenOrder::try_from(request.into_inner()).map_err(|error| of_field_error(&error))?;
        let token = traced(id, self.0.access_tokens.sign_access_token(by, &order))
            .await
            .map_err(of_sign_error)?;
        Ok(Response::new(pb::SignAccessTokenResponse {
            token: token.expose().to_owned(),
        }))
    }

    async fn sign_certificate(
        &self,
        request: Request<pb::SignCertificateRequest>,
    ) -> Result<Response<pb::SignCertificateResponse>, Status> {
        let (by, id) = (deadline(&request), trace::take(request.metadata()));
        let order =
            CertificateOrder::try_from(request.into_inner()).map_err(|error| of_field_error(&error))?;
        let certificate = traced(id, self.0.certificates.sign_certificate(by, &order))
            .await
            .map_err(of_sign_error)?;
        Ok(Response::new(pb::SignCertificateResponse {
            certificate: certificate.expose().to_owned(),
        }))
    }

    async fn sign_id_token(
        &self,
        request: Request<pb::SignIdTokenRequest>,
    ) -> Result<Response<pb::SignIdTokenResponse>, Status> {
        let (by, id) = (deadline(&request), trace::take(request.metadata()));
        let order = IdTokenOrder::try_from(request.into_inner()).map_err(|error| of_field_error(&error))?;
        let token = traced(id, self.0.id_tokens.sign_id_token(by, &order))
            .await
            .map_err(of_sign_error)?;
        Ok(Response::new(pb::SignIdTokenResponse {
            token: token.expose().to_owned(),
        }))
    }

    async fn mint_node_token(
        &self,
        request: Request<pb::MintNodeTokenRequest>,
    ) -> Result<Response<pb::MintNodeTokenResponse>, Status> {
        let (by, id) = (deadline(&request), trace::take(request.metadata()));
        let order = NodeTokenOrder::try_from(request.into_inner()).map_err(|error| of_field_error(&error))?;
        let minted = traced(id, self.0.node_tokens.mint_node_token(by, &order))
            .await
            .map_err(of_sign_error)?;
        Ok(Response::new(minted.into()))
    }

    async fn get_public_keys(
        &self,
        request: Request<pb::GetPublicKeysRequest>,
    ) -> Result<Response<pb::GetPublicKeysResponse>, Status> {
        let (by, id) = (deadline(&request), trace::take(request.metadata()));
        let keys = traced(id, self.0.public_keys.public_keys(by))
            .await
            .map_err(of_sign_error)?;
        Ok(Response::new(pb::GetPublicKeysResponse {
            keys: keys.into_iter().map(Into::into).collect(),
        }))
    }
}
