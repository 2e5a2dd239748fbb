//! The Token Server as a webhead runs it, on two stores, with the signer's part in process.

use std::{num::NonZeroU64, path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use foxhold_core::{
    Clock, Deadline, OpId, SecretText, Timestamp, random,
    record::{Service, ServiceKey},
};
use foxhold_crypto::{
    node_secret::NodeSecret,
    node_token::{self, NodeTokenClaims, fxa_kid},
};
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader, AssignmentWriter, Call, NodeTokenMinter, PublicKeySource,
    assignments::NewNode,
    memory::MemoryStore,
    signer::{NodeToken, NodeTokenOrder, PublicKey, SignError},
};
use foxhold_runtime::{Shutdown, SystemClock, SystemRandom};
use foxhold_store_sqlite::{SqliteReader, SqliteStore};
use foxhold_sync::{
    exchange::{Ports, Settings},
    node_type::NodeTypes,
};
use foxhold_webhead::{
    KeySetCache,
    client_address::ClientAddresses,
    limits::{LimitSettings, LocalLimits},
    token_server::{self, Discovery, ServiceCache, TokenServer},
};

use super::tokens;

pub(super) const NODE: &str = "http://localhost:8000";
pub(super) const METRICS_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub(super) const NODE_SECRET: &str = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

/// Users a node takes in these benchmarks.
const CAPACITY: u64 = 10_000_000;

/// Mints in process, and publishes the test key.
struct LocalSigner {
    secret: NodeSecret,
}

#[async_trait]
impl NodeTokenMinter for LocalSigner {
    async fn mint_node_token(&self, _by: Deadline, order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        let changed_at = order.keys_changed_at.map_or(order.generation.0, NonZeroU64::get);
        let claims = NodeTokenClaims {
            node: order.node.clone(),
            fxa_kid: fxa_kid(changed_at, order.client_state.as_bytes()),
            fxa_uid: order.fxa_uid.clone(),
            hashed_device_id: order.hashed_device_id.clone(),
            hashed_fxa_uid: order.hashed_fxa_uid.clone(),
            expires_secs: SystemClock.now().as_secs() + order.lifetime_secs,
            uid: order.uid,
            salt: random::bytes(&SystemRandom),
        };
        let minted = node_token::mint(&claims, &self.secret);
        Ok(NodeToken {
            token: SecretText::new(minted.token),
            key: minted.key,
        })
    }
}

#[async_trait]
impl PublicKeySource for LocalSigner {
    async fn public_keys(&self, _by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        let named = tokens::public_key().map_err(|_| SignError::Refused)?;
        Ok(vec![PublicKey {
            kid: named.kid,
            n: named.key.modulus().to_vec(),
            e: named.key.exponent().to_vec(),
            created_at: Timestamp::default(),
        }])
    }
}

/// On the store in memory.
pub(super) async fn memory() -> Result<Router> {
    let store = Arc::new(MemoryStore::new());
    fill(&*store).await?;
    router(store.clone(), store)
}

/// On SQLite, as the single box has it.
pub(super) async fn sqlite(folder: &Path) -> Result<Router> {
    let path = folder.join("exchange.sqlite3");
    let writer = Arc::new(SqliteStore::open_writer(&path)?);
    fill(&*writer).await?;
    let reader = Arc::new(SqliteReader::open(&path, 4)?);
    router(reader, writer)
}

async fn fill(admin: &dyn AssignmentAdmin) -> Result<()> {
    let call = |byte| Call {
        op: OpId::from_bytes([byte; 16]),
        deadline: Deadline::after(Duration::from_secs(30)),
    };
    let key = ServiceKey("sync-1.5".to_owned());
    let service = Service {
        key: key.clone(),
        pattern: "{node}/1.5/{uid}".to_owned(),
        scope: tokens::SCOPE.to_owned(),
        token_lifetime_secs: 3600,
        uid_ceiling: (1 << 31) - 1,
        accepts_new_users: true,
    };
    admin.put_service(&call(1), service).await?;
    let node = NewNode {
        service: key,
        url: NODE.to_owned(),
        node_type: None,
        capacity: CAPACITY,
        available: CAPACITY,
    };
    admin.create_node(&call(2), node).await?;
    Ok(())
}

fn router(reader: Arc<dyn AssignmentReader>, writer: Arc<dyn AssignmentWriter>) -> Result<Router> {
    let clock = Arc::new(SystemClock);
    let secret = NodeSecret::new(SecretText::new(NODE_SECRET.to_owned()));
    let signer = Arc::new(LocalSigner { secret });
    let keys = Arc::new(KeySetCache::new(signer.clone(), clock.clone()));
    // The rules as they ship, but for the one that a benchmark of few users is made to break.
    let settings = LimitSettings {
        rules: vec!["tokenIssue : uid : 100000 : 5 min : 5 min : block".to_owned()],
        ..LimitSettings::default()
    };
    let limits = LocalLimits::new(&settings, clock.clone(), &SystemRandom)?;
    let services = ServiceCache::new(reader.clone(), clock.clone());
    let server = TokenServer {
        ports: Ports {
            reader,
            writer,
            minter: signer,
            verifier: keys.clone(),
            limits: Arc::new(limits),
            clock,
            random: Arc::new(SystemRandom),
        },
        settings: Settings {
            issuer_domain: "localhost".to_owned(),
            metrics_key: Arc::new(SecretText::new(METRICS_KEY.to_owned())),
            node_types: NodeTypes::default(),
        },
        services,
        keys,
        addresses: ClientAddresses::default(),
        budget: Duration::from_secs(10),
        discovery: Discovery {
            url: "http://localhost".to_owned(),
            oauth_issuer: "localhost".to_owned(),
            oauth_server_url: "http://localhost/v1".to_owned(),
        },
        shutdown: Shutdown::new(),
    };
    Ok(token_server::router(Arc::new(server)))
}
