//! Calls of the operator's own storage nodes over HTTP (`tokenserver.md` 6, 11; `storage.md` 16): [`HttpNodeCalls`] is the
//! adapter of [`NodeCalls`]; [`signed_delete`] is the request alone, for a node in the same process.
//!
//! What must stay true: nodes are reached where the operator has put them, also at addresses that are not public; nothing
//! is asked of anything but a node's URL as the store has it; no redirect is followed, and no answer is longer or later
//! than it may be.

use std::sync::Arc;

use async_trait::async_trait;
use foxhold_core::{Clock, Deadline, Random, hex, random};
use foxhold_crypto::hawk::{self, Credentials, Target};
use foxhold_outbound::{Outbound, OutboundError, Reach};
use foxhold_ports::signer::NodeToken;
use foxhold_sync::jobs::{CallFailure, NodeCalls};
use http::{HeaderValue, StatusCode, Uri};

/// What nodes answer is not looked at, and short.
const BODY_MAX: usize = 64 * 1024;

/// Calls nodes over HTTP.
pub struct HttpNodeCalls {
    outbound: Arc<Outbound>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl HttpNodeCalls {
    /// Has called nobody yet.
    #[must_use]
    pub fn new(outbound: Arc<Outbound>, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self {
            outbound,
            clock,
            random,
        }
    }
}

/// A `DELETE` with what proves that it may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedDelete {
    /// Path and query.
    pub path: String,
    /// `Authorization`. Marked so that it is not shown.
    pub authorization: HeaderValue,
}

/// Signs `DELETE {endpoint}` with a token of the node. `None` if the endpoint is no address.
#[must_use]
pub fn signed_delete(
    endpoint: &str,
    token: &NodeToken,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Option<SignedDelete> {
    let target = Target::parse(endpoint).ok()?;
    let credentials = Credentials {
        id: token.token.expose(),
        key: token.key.expose().as_bytes(),
    };
    let nonce = hex::encode(&random::bytes::<8>(random));
    let request = target.request("DELETE");
    let header = hawk::sign(&credentials, &request, clock.now().as_secs(), &nonce, None);
    let mut authorization = HeaderValue::try_from(header).ok()?;
    authorization.set_sensitive(true);
    Some(SignedDelete {
        path: target.path_and_query.clone(),
        authorization,
    })
}

/// What a node's answer to a `DELETE` means.
///
/// # Errors
/// [`CallFailure`], if it is not that the data is gone.
pub fn judge_delete(status: StatusCode) -> Result<(), CallFailure> {
    match status {
        StatusCode::NOT_FOUND => Ok(()),
        _ if status.is_success() => Ok(()),
        _ if status.is_client_error() => Err(CallFailure::Http4xx),
        _ if status.is_server_error() => Err(CallFailure::Http5xx),
        _ => Err(CallFailure::Unknown),
    }
}

#[async_trait]
impl NodeCalls for HttpNodeCalls {
    async fn delete_user_data(
        &self,
        by: Deadline,
        endpoint: &str,
        token: &NodeToken,
    ) -> Result<(), CallFailure> {
        let signed = signed_delete(endpoint, token, &*self.clock, &*self.random);
        let (Some(signed), Ok(uri)) = (signed, endpoint.parse::<Uri>()) else {
            return Err(CallFailure::Unknown);
        };
        let answer = self
            .outbound
            .delete(by, &uri, Reach::Configured, signed.authorization, BODY_MAX)
            .await;
        match answer {
            Ok(answer) => judge_delete(answer.status),
            Err(error) => Err(failure(by, &error)),
        }
    }

    async fn is_alive(&self, by: Deadline, node: &str) -> bool {
        let Ok(uri) = format!("{node}/__lbheartbeat__").parse::<Uri>() else {
            return false;
        };
        let answer = self.outbound.get(by, &uri, Reach::Configured, BODY_MAX).await;
        match answer {
            Ok(answer) => !answer.status.is_server_error(),
            // Somebody is there and has too much to say, as a page of errors does.
            Err(OutboundError::TooLong) => true,
            Err(_) => false,
        }
    }
}

fn failure(by: Deadline, error: &OutboundError) -> CallFailure {
    match error {
        OutboundError::NoAnswer if by.has_passed() => CallFailure::Timeout,
        OutboundError::NoAnswer => CallFailure::Connect,
        OutboundError::Target(_)
        | OutboundError::Forbidden
        | OutboundError::Identity
        | OutboundError::TooLong
        | OutboundError::Encoded
        | OutboundError::Senseless => CallFailure::Unknown,
    }
}
