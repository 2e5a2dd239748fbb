//! The Token Server as a webhead runs it, on two stores, with the signer's part in process.

use std::{collections::BTreeMap, num::NonZeroU64, path::Path, sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use axum::Router;
use foxhold_core::{
    Clock, Deadline, OpId, SecretText, Timestamp, random,
    record::{Service, ServiceKey, ServicePolicy},
};
use foxhold_crypto::{
    node_secret::NodeSecret,
    node_token::{self, NodeTokenClaims, fxa_kid},
};
use foxhold_outbound::Outbound;
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader, AssignmentWriter, Call, NodeTokenMinter, PublicKeySource,
    assignments::NewNode,
    memory::MemoryStore,
    signer::{NodeToken, NodeTokenOrder, PublicKey, SignError},
};
use foxhold_runtime::{Shutdown, SystemClock, SystemRandom};
use foxhold_store_sqlite::{SqliteReader, SqliteStore};
use foxhold_sync::{exchange::Ports, first_assignments::FirstAssignments, node_type::NodeTypes};
use foxhold_webhead::{
    KeySetCache,
    assertions::{Assertions, SlowProofs},
    client_address::ClientAddresses,
    follow_ups::FollowUps,
    home_domain::HomeDomain,
    issuer_documents::{IssuerDocuments, OwnDomain},
    limits::{FirstAssignmentSettings, LimitSettings, LocalLimits},
    token_server::{
        self, Discovery, HomeSettings, LastFound, NodesInBackoff, RenewalWriter, ServiceCache, TokenServer,
        WithoutRoom, metered,
    },
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
            retires_at: None,
        }])
    }
}

/// On the store in memory.
pub(super) async fn memory() -> Result<Router> {
    let store = Arc::new(MemoryStore::new());
    fill(&*store).await?;
    router(store.clone(), store)
}

/// On the store in memory, with a keysigner that is another process.
pub(super) async fn remote(minter: Arc<dyn NodeTokenMinter>) -> Result<Router> {
    let store = Arc::new(MemoryStore::new());
    fill(&*store).await?;
    router_with(store.clone(), store, minter)
}

/// On SQLite, as the single box has it.
pub(super) async fn sqlite(folder: &Path) -> Result<Router> {
    let path = folder.join("exchange.sqlite3");
    let writer = Arc::new(SqliteStore::open_writer(&path)?);
    fill(&*writer).await?;
    let reader = Arc::new(SqliteReader::open(&path, 4)?);
    router(reader, writer)
}

/// A service, and a node in it.
pub(crate) async fn fill(admin: &dyn AssignmentAdmin) -> Result<()> {
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
        policy: ServicePolicy::default(),
    };
    admin.put_service(&call(1), service).await?;
    let node = NewNode {
        service: key,
        url: NODE.to_owned(),
        node_type: None,
        pool: None,
        capacity: CAPACITY,
        available: CAPACITY,
    };
    admin.create_node(&call(2), node).await?;
    Ok(())
}

/// For a service that takes none.
fn assertions(keys: &Arc<KeySetCache>, clock: Arc<SystemClock>) -> Assertions {
    let own = OwnDomain {
        domain: "localhost".to_owned(),
        keys: keys.clone(),
    };
    let outbound = Arc::new(Outbound::new());
    Assertions {
        audience: "http://localhost".to_owned(),
        home: Arc::new(HomeDomain::configured("localhost")),
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

/// The Token Server's routes over these ends of a store.
pub(crate) fn router(reader: Arc<dyn AssignmentReader>, writer: Arc<dyn AssignmentWriter>) -> Result<Router> {
    router_with(reader, writer, Arc::new(local_signer()))
}

fn local_signer() -> LocalSigner {
    let secret = NodeSecret::new(SecretText::new(NODE_SECRET.to_owned()));
    LocalSigner { secret }
}

fn router_with(
    reader: Arc<dyn AssignmentReader>,
    writer: Arc<dyn AssignmentWriter>,
    minter: Arc<dyn NodeTokenMinter>,
) -> Result<Router> {
    let clock = Arc::new(SystemClock);
    let keys = Arc::new(KeySetCache::new(Arc::new(local_signer()), clock.clone()));
    // The rules as they ship, but for the one that a benchmark of few users is made to break.
    let settings = LimitSettings {
        rules: vec!["tokenIssue : uid : 100000 : 5 min : 5 min : block".to_owned()],
        ..LimitSettings::default()
    };
    let limits = LocalLimits::new(&settings, clock.clone(), &SystemRandom)?;
    let services = ServiceCache::new(reader.clone(), clock.clone());
    let server = TokenServer {
        ports: metered(Ports {
            reader,
            writer,
            minter,
            verifier: keys.clone(),
            assertions: Arc::new(assertions(&keys, clock.clone())),
            limits: Arc::new(limits),
            first_assignments: Arc::new(FirstAssignments::new(&FirstAssignmentSettings::default())),
            clock,
            random: Arc::new(SystemRandom),
        }),
        settings: HomeSettings::new(
            Arc::new(HomeDomain::configured("localhost")),
            "localhost".to_owned(),
            Arc::new(SecretText::new(METRICS_KEY.to_owned())),
            NodeTypes::default(),
        ),
        services,
        keys,
        account_events: None,
        dbwriters: None,
        in_backoff: NodesInBackoff::default(),
        last_found: LastFound::default(),
        without_room: WithoutRoom::default(),
        addresses: ClientAddresses::default(),
        budget: Duration::from_secs(10),
        error_endpoint: false,
        discovery: Discovery {
            url: "http://localhost".to_owned(),
            oauth_issuer: Some("localhost".to_owned()),
            oauth_server_url: "http://localhost/v1".to_owned(),
        },
        shutdown: Shutdown::new(),
        follow_ups: FollowUps::default(),
        renewals: RenewalWriter::default(),
    };
    Ok(token_server::router(Arc::new(server)))
}
