//! The box's own node, as the box's jobs call it: in the process, since the address by which browsers reach the box may
//! lead nowhere from where the box stands. Other nodes are called over the network.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{Router, body::Body};
use foxhold_core::{Clock, Deadline, Random};
use foxhold_node_calls::{HttpNodeCalls, judge_delete, signed_delete};
use foxhold_outbound::Outbound;
use foxhold_ports::signer::NodeToken;
use foxhold_sync::jobs::{CallFailure, NodeCalls};
use foxhold_sync_node::SyncNode;
use http::{Method, Request, header};
use tower::ServiceExt as _;

/// Calls the node in this process, and others beyond it.
pub(super) struct OwnNode {
    url: String,
    router: Router,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    beyond: HttpNodeCalls,
}

impl OwnNode {
    /// The node that users reach by `url`.
    pub(super) fn new(
        url: String,
        node: Arc<SyncNode>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let outbound = Arc::new(Outbound::new());
        let beyond = HttpNodeCalls::new(outbound, Arc::clone(&clock), Arc::clone(&random));
        Self {
            url,
            router: foxhold_sync_node::router(node),
            clock,
            random,
            beyond,
        }
    }

    fn is_here(&self, endpoint: &str) -> bool {
        let rest = endpoint.strip_prefix(&self.url);
        rest.is_some_and(|rest| rest.starts_with('/'))
    }
}

#[async_trait]
impl NodeCalls for OwnNode {
    async fn delete_user_data(
        &self,
        by: Deadline,
        endpoint: &str,
        token: &NodeToken,
    ) -> Result<(), CallFailure> {
        if !self.is_here(endpoint) {
            return self.beyond.delete_user_data(by, endpoint, token).await;
        }
        let signed =
            signed_delete(endpoint, token, &*self.clock, &*self.random).ok_or(CallFailure::Unknown)?;
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(signed.path)
            .header(header::AUTHORIZATION, signed.authorization)
            .body(Body::empty())
            .map_err(|_| CallFailure::Unknown)?;
        let answering = self.router.clone().oneshot(request);
        let answer = tokio::time::timeout_at(by.instant().into(), answering).await;
        let answer = answer.map_err(|_| CallFailure::Timeout)?;
        answer.map_or_else(|never| match never {}, |answer| judge_delete(answer.status()))
    }

    async fn is_alive(&self, by: Deadline, node: &str) -> bool {
        node == self.url || self.beyond.is_alive(by, node).await
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::{SecretText, ServiceUid};
    use foxhold_crypto::{
        node_secret::{NodeSecret, NodeSecrets},
        node_token::{self, NodeTokenClaims},
    };
    use foxhold_node_auth::{NodeAuth, NodeName};
    use foxhold_runtime::{SystemClock, SystemRandom};
    use foxhold_sync_node::NodeSettings;

    use super::*;

    const URL: &str = "https://sync.example.org";

    fn token(secret: &str) -> NodeToken {
        let claims = NodeTokenClaims {
            node: URL.to_owned(),
            fxa_kid: "0000000001234-qqo".into(),
            fxa_uid: "a1b2".into(),
            hashed_device_id: "0".repeat(32),
            hashed_fxa_uid: "0".repeat(32),
            expires_secs: SystemClock.now().as_secs() + 300,
            uid: ServiceUid::new(7).unwrap(),
            salt: [1, 2, 3],
        };
        let minted = node_token::mint(&claims, &NodeSecret::new(SecretText::new(secret.into())));
        NodeToken {
            token: SecretText::new(minted.token),
            key: minted.key,
        }
    }

    #[tokio::test]
    async fn the_own_node_is_called_in_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let (clock, random): (Arc<dyn Clock>, Arc<dyn Random>) =
            (Arc::new(SystemClock), Arc::new(SystemRandom));
        let secrets = NodeSecrets::new(vec![NodeSecret::new(SecretText::new("secret".into()))]).unwrap();
        let auth = NodeAuth::new(vec![NodeName::parse(URL).unwrap()], secrets);
        let settings = NodeSettings::new(folder.path().to_owned());
        let node = SyncNode::open(settings, auth, Arc::clone(&clock), Arc::clone(&random)).unwrap();
        let own = OwnNode::new(URL.to_owned(), Arc::new(node), clock, random);
        let by = Deadline::after(std::time::Duration::from_secs(30));
        let endpoint = format!("{URL}/1.5/7");
        let delete =
            async |endpoint: &str, secret: &str| own.delete_user_data(by, endpoint, &token(secret)).await;
        assert_eq!(delete(&endpoint, "secret").await, Ok(()));
        assert_eq!(delete(&endpoint, "another").await, Err(CallFailure::Http4xx));
        let other_user = format!("{URL}/1.5/8");
        assert_eq!(delete(&other_user, "secret").await, Err(CallFailure::Http4xx));
        assert!(own.is_alive(by, URL).await);
        assert!(!own.is_here("https://sync.example.org.evil.example/1.5/7"));
        assert!(!own.is_here("https://other.example.org/1.5/7"));
    }
}
