//! Signing through the keysigner.

use async_trait::async_trait;
use foxhold_core::{Deadline, SecretText};
use foxhold_ports::{
    AccessTokenSigner, Cause, CertificateSigner, IdTokenSigner, NodeTokenMinter, PublicKeySource,
    signer::{
        AccessTokenOrder, CertificateOrder, IdTokenOrder, NodeToken, NodeTokenOrder, PublicKey, SignError,
    },
};
use tonic::{Response, Status};

use super::{
    Transport,
    attempts::{self, Attempts},
    outgoing,
};
use crate::{
    convert::{self, FieldError},
    status::to_sign_error,
    wire::keysigner::{self as pb, keysigner_client::KeysignerClient},
};

/// The signer's ports over gRPC.
#[derive(Clone)]
pub struct RemoteSigner(Transport);

impl RemoteSigner {
    /// Over a transport to the keysigners.
    #[must_use]
    pub const fn new(transport: Transport) -> Self {
        Self(transport)
    }

    /// Asks until there is an answer or the deadline has passed.
    async fn ask<T, F>(
        &self,
        by: Deadline,
        attempt: impl Fn(KeysignerClient<Transport>, Deadline) -> F,
    ) -> Result<T, SignError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        attempts::ask(
            Attempts::sharing(by),
            |until| {
                let answer = attempt(KeysignerClient::new(self.0.clone()), until);
                async {
                    answer
                        .await
                        .map(Response::into_inner)
                        .map_err(|status| to_sign_error(&status))
                }
            },
            |error: &SignError| match error {
                SignError::NotDone(cause) => Some(*cause),
                SignError::Refused | SignError::UnfitKey | SignError::NoNodeSecret => None,
            },
            SignError::NotDone(Cause::Timeout),
        )
        .await
    }
}

/// An answer that makes no sense.
fn nonsense(error: FieldError) -> SignError {
    tracing::error!(%error, "the keysigner's answer makes no sense");
    SignError::NotDone(Cause::Fault)
}

#[async_trait]
impl AccessTokenSigner for RemoteSigner {
    async fn sign_access_token(
        &self,
        by: Deadline,
        order: &AccessTokenOrder,
    ) -> Result<SecretText, SignError> {
        let message = pb::SignAccessTokenRequest::from(order);
        let answer = self
            .ask(by, |mut client, until| {
                let request = outgoing(message.clone(), until);
                async move { client.sign_access_token(request).await }
            })
            .await?;
        convert::secret_text("token", answer.token).map_err(nonsense)
    }
}

#[async_trait]
impl CertificateSigner for RemoteSigner {
    async fn sign_certificate(
        &self,
        by: Deadline,
        order: &CertificateOrder,
    ) -> Result<SecretText, SignError> {
        let message = pb::SignCertificateRequest::from(order);
        let answer = self
            .ask(by, |mut client, until| {
                let request = outgoing(message.clone(), until);
                async move { client.sign_certificate(request).await }
            })
            .await?;
        convert::secret_text("certificate", answer.certificate).map_err(nonsense)
    }
}

#[async_trait]
impl IdTokenSigner for RemoteSigner {
    async fn sign_id_token(&self, by: Deadline, order: &IdTokenOrder) -> Result<SecretText, SignError> {
        let message = pb::SignIdTokenRequest::from(order);
        let answer = self
            .ask(by, |mut client, until| {
                let request = outgoing(message.clone(), until);
                async move { client.sign_id_token(request).await }
            })
            .await?;
        convert::secret_text("token", answer.token).map_err(nonsense)
    }
}

#[async_trait]
impl NodeTokenMinter for RemoteSigner {
    async fn mint_node_token(&self, by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        let message = pb::MintNodeTokenRequest::from(order);
        let answer = self
            .ask(by, |mut client, until| {
                let request = outgoing(message.clone(), until);
                async move { client.mint_node_token(request).await }
            })
            .await?;
        NodeToken::try_from(answer).map_err(nonsense)
    }
}

#[async_trait]
impl PublicKeySource for RemoteSigner {
    async fn public_keys(&self, by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        let answer = self
            .ask(by, |mut client, until| {
                let request = outgoing(pb::GetPublicKeysRequest {}, until);
                async move { client.get_public_keys(request).await }
            })
            .await?;
        convert::messages("keys", answer.keys).map_err(nonsense)
    }
}
