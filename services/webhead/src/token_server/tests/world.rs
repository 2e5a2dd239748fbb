//! A Token Server over the in-memory store and a minter that makes real tokens.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use axum::http::StatusCode;
use foxhold_core::{
    OpId, SecretText,
    record::{Service, ServiceKey, ServicePolicy},
};
use foxhold_crypto::{
    node_secret::NodeSecret,
    node_token::{self, NodeTokenClaims, fxa_kid},
};
use foxhold_openapi::Described;
use foxhold_outbound::Outbound;
use foxhold_ports::{
    AssignmentAdmin, Call, NodeTokenMinter,
    assignments::NewNode,
    memory::{ManualClock, MemoryStore, NoLimits, SeededRandom},
    signer::{NodeToken, NodeTokenOrder, SignError},
};
use foxhold_sync::{
    first_assignments::{FirstAssignmentSettings, FirstAssignments},
    node_type::NodeTypes,
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::super::*;
use crate::{
    assertions::{Assertions, SlowProofs},
    home_domain::HomeDomain,
    issuer_documents::{IssuerDocuments, OwnDomain},
    key_set::signing::{KID, NOW, Published, SCOPE},
};

pub(super) const NODE: &str = "https://sync-1.example.com";
pub(super) const SECRET: &str = "Ted Koppel is a robot";

/// What the keysigner does.
#[derive(Default)]
pub(super) struct Minter {
    pub(super) failure: Mutex<Option<SignError>>,
}

pub(super) fn secret() -> NodeSecret {
    NodeSecret::new(SecretText::new(SECRET.into()))
}

#[async_trait]
impl NodeTokenMinter for Minter {
    async fn mint_node_token(&self, _by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        if let Some(failure) = *self.failure.lock().unwrap() {
            return Err(failure);
        }
        let changed_at = order
            .keys_changed_at
            .map_or(order.generation.0, std::num::NonZeroU64::get);
        let claims = NodeTokenClaims {
            node: order.node.clone(),
            fxa_kid: fxa_kid(changed_at, order.client_state.as_bytes()),
            fxa_uid: order.fxa_uid.clone(),
            hashed_device_id: order.hashed_device_id.clone(),
            hashed_fxa_uid: order.hashed_fxa_uid.clone(),
            expires_secs: NOW.as_secs() + order.lifetime_secs,
            uid: order.uid,
            salt: [1, 2, 3],
        };
        let minted = node_token::mint(&claims, &secret());
        Ok(NodeToken {
            token: SecretText::new(minted.token),
            key: minted.key,
        })
    }
}

pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) published: Arc<Published>,
    pub(super) minter: Arc<Minter>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) server: Arc<TokenServer>,
}

pub(super) fn service() -> Service {
    Service {
        key: ServiceKey("sync-1.5".into()),
        pattern: "{node}/1.5/{uid}".into(),
        scope: SCOPE.into(),
        token_lifetime_secs: 3600,
        uid_ceiling: (1 << 31) - 1,
        policy: ServicePolicy::default(),
    }
}

pub(super) async fn store() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let call = |byte| Call {
        op: OpId::from_bytes([byte; 16]),
        deadline: Deadline::after(Duration::from_secs(30)),
    };
    store.put_service(&call(1), service()).await.unwrap();
    let node = NewNode {
        service: service().key,
        url: NODE.into(),
        node_type: Some("sqlite".into()),
        pool: None,
        capacity: 100,
        available: 100,
    };
    store.create_node(&call(2), node).await.unwrap();
    store
}

/// Of a deployment whose own accounts are at `accounts.example`.
pub(super) fn settings(home: HomeDomain) -> HomeSettings {
    labelled(home, NodeTypes::default())
}

/// The same, with labels for its nodes.
pub(super) fn labelled(home: HomeDomain, node_types: NodeTypes) -> HomeSettings {
    HomeSettings::new(
        Arc::new(home),
        "accounts.example".into(),
        Arc::new(SecretText::new("super-sekrit".into())),
        node_types,
    )
}

/// Knows the own issuer, and asks no other.
fn assertions(keys: &Arc<KeySetCache>, clock: Arc<ManualClock>) -> Assertions {
    let own = OwnDomain {
        domain: "accounts.example".into(),
        keys: keys.clone(),
    };
    let outbound = Arc::new(Outbound::new());
    Assertions {
        audience: "https://token.example".into(),
        home: Arc::new(HomeDomain::configured("accounts.example")),
        documents: Arc::new(IssuerDocuments::new(
            own,
            BTreeMap::new(),
            outbound,
            clock.clone(),
        )),
        slow: SlowProofs::default(),
        clock,
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with_limits(Arc::new(NoLimits)).await
    }

    pub(super) async fn with_limits(limits: Arc<dyn foxhold_ports::Limits>) -> Self {
        let store = store().await;
        let published = Arc::new(Published::new(KID));
        let minter = Arc::new(Minter::default());
        let clock = Arc::new(ManualClock::new(NOW));
        let keys = Arc::new(KeySetCache::new(
            dated(published.clone(), KeysOf::Own, clock.clone()),
            clock.clone(),
        ));
        let ports = exchange::Ports {
            reader: store.clone(),
            writer: store.clone(),
            minter: minter.clone(),
            verifier: keys.clone(),
            assertions: Arc::new(assertions(&keys, clock.clone())),
            limits,
            first_assignments: Arc::new(FirstAssignments::new(&FirstAssignmentSettings::default())),
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(3)),
        };
        let server = Arc::new(TokenServer {
            ports: metered(ports),
            settings: settings(HomeDomain::configured("accounts.example")),
            services: ServiceCache::new(store.clone(), clock.clone()),
            in_backoff: NodesInBackoff::default(),
            last_found: LastFound::default(),
            without_room: WithoutRoom::default(),
            keys,
            dbwriters: None,
            account_events: None,
            addresses: ClientAddresses::default(),
            budget: Duration::from_secs(30),
            error_endpoint: false,
            discovery: Discovery {
                url: "https://token.example".into(),
                oauth_issuer: Some("accounts.example".into()),
                oauth_server_url: "https://accounts.example/v1".into(),
            },
            shutdown: Shutdown::new(),
            follow_ups: FollowUps::default(),
            renewals: RenewalWriter::default(),
        });
        Self {
            store,
            published,
            minter,
            clock,
            server,
        }
    }

    /// Gives the service a policy, and waits until it is seen.
    pub(super) async fn put_policy(&self, policy: ServicePolicy) {
        self.put(Service { policy, ..service() }).await;
    }

    pub(super) async fn put(&self, service: Service) {
        let by = Deadline::after(Duration::from_secs(30));
        let call = Call {
            op: OpId::new(self.clock.now(), &*self.server.ports.random),
            deadline: by,
        };
        self.store.put_service(&call, service).await.unwrap();
        self.clock.advance(Duration::from_secs(1));
    }

    pub(super) async fn send(&self, request: Request) -> Answer {
        let asked = (request.method().to_string(), request.uri().path().to_owned());
        let response = own_router(self.server.clone(), 8).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let media = parts.headers["content-type"].to_str().unwrap();
        Described::open("token-server.json")
            .check((&asked.0, &asked.1), parts.status.as_u16(), media, &body)
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("no JSON: {body:?}"));
        // What every answer carries.
        assert_eq!(parts.headers["content-type"], "application/json");
        assert_eq!(parts.headers["x-content-type-options"], "nosniff");
        assert_eq!(
            parts.headers["x-timestamp"],
            self.clock.now().as_secs().to_string()
        );
        let challenged = parts.headers.contains_key("www-authenticate");
        assert_eq!(challenged, parts.status == StatusCode::UNAUTHORIZED);
        if parts.status == StatusCode::SERVICE_UNAVAILABLE {
            assert!(parts.headers.contains_key("retry-after"));
        }
        Answer {
            http: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    pub(super) async fn exchange(&self, token: &str) -> Answer {
        self.send(good(token).body(Body::empty()).unwrap()).await
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) http: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn status(&self) -> (u16, &str) {
        (self.http, self.body["status"].as_str().unwrap_or_default())
    }

    pub(super) fn error(&self) -> (u16, &str, &str, &str, &str) {
        assert_eq!(self.body["errors"].as_array().map(Vec::len), Some(1), "{self:?}");
        let entry = &self.body["errors"][0];
        let text = |name: &str| entry[name].as_str().unwrap();
        (
            self.http,
            self.body["status"].as_str().unwrap(),
            text("location"),
            text("name"),
            text("description"),
        )
    }
}

pub(super) fn good(token: &str) -> axum::http::request::Builder {
    axum::http::Request::builder()
        .uri("/1.0/sync/1.5")
        .header("Authorization", format!("Bearer {token}"))
        .header("X-KeyID", "1234-qqo")
}

pub(super) fn get(path: &str) -> Request {
    axum::http::Request::builder()
        .uri(path)
        .body(Body::empty())
        .unwrap()
}
