//! The database of a box, and what must be in it: the service, and the box itself as its node. `parts` opens it at every
//! start.
//!
//! Must stay true: a user's data lies in this folder, so whatever the box's address becomes, the user's node stays the
//! same one.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use foxhold_core::{
    Deadline, NodeId, OpId, Random, Timestamp,
    record::{NodeRecord, ServiceKey},
};
use foxhold_dbwriter::{
    AdmissionSetting, Bootstrap, NodeSettings, SchemeSetting, ServiceSettings, bootstrap,
};
use foxhold_ports::{AssignmentAdmin, AssignmentReader, Call};
use foxhold_runtime::store::tell_schema;
use foxhold_store_sqlite::{SqliteReader, SqliteStore};

/// Connections that read the database.
const READERS: usize = 8;
/// Users the one node of a box may have; more than any one machine's disk will like.
const NODE_CAPACITY: u64 = 100_000;
/// The one service of a box.
pub(crate) const SERVICE: &str = "sync-1.5";
/// How long one step at start may take.
const STEP_MAX: Duration = Duration::from_secs(30);

/// Opens the database, for a box that is reached by `public_url` and whose users are those of the domain `issuer`.
pub(super) async fn open(
    database: &Path,
    public_url: &str,
    issuer: &str,
    now: Timestamp,
    random: &dyn Random,
) -> anyhow::Result<(Arc<SqliteStore>, Arc<SqliteReader>)> {
    let store =
        SqliteStore::open_writer(database).with_context(|| format!("opening {}", database.display()))?;
    let reader =
        SqliteReader::open(database, READERS).with_context(|| format!("reading {}", database.display()))?;
    tell_schema(foxhold_store_sqlite::latest());
    follow_address(&store, &reader, public_url, now, random)
        .await
        .context("giving the node its new address")?;
    let missing = first_service(public_url, issuer).missing(&reader, Deadline::after(STEP_MAX));
    let missing = missing.await.context("reading the services and nodes")?;
    bootstrap(&store, &missing, now, random)
        .await
        .context("making the service and its node")?;
    Ok((Arc::new(store), Arc::new(reader)))
}

/// The number of the box's own node: it is the first that was ever made, and no number is used twice.
const OWN_NODE: NodeId = NodeId(1);

/// A box that moved to another address is still the node its users are on. Nodes that an administrator has added are others.
async fn follow_address(
    admin: &dyn AssignmentAdmin,
    reader: &dyn AssignmentReader,
    public_url: &str,
    now: Timestamp,
    random: &dyn Random,
) -> anyhow::Result<()> {
    let service = ServiceKey(SERVICE.to_owned());
    let by = Deadline::after(STEP_MAX);
    let nodes = reader.nodes(by, &service).await?;
    let Some(NodeRecord { url, .. }) = nodes.iter().find(|node| node.id == OWN_NODE) else {
        return Ok(());
    };
    if nodes.iter().any(|node| node.url == public_url) {
        return Ok(());
    }
    let call = Call {
        op: OpId::new(now, random),
        deadline: by,
    };
    admin.rename_node(&call, &service, url, public_url).await?;
    tracing::info!(from = %url, to = %public_url, "the address has changed; users keep their data");
    Ok(())
}

/// Sync, for whom the box itself vouches, and the box itself as its node.
fn first_service(node_url: &str, issuer: &str) -> Bootstrap {
    let service = ServiceSettings {
        key: SERVICE.to_owned(),
        pattern: "{node}/1.5/{uid}".to_owned(),
        scope: foxhold_crypto::scoped_key::OLDSYNC_SCOPE.to_owned(),
        token_lifetime_secs: 3600,
        uid_ceiling: i32::MAX as u64,
        schemes: vec![SchemeSetting::OAuth, SchemeSetting::BrowserId],
        allowed_issuers: vec![issuer.to_owned()],
        trusted_issuers: Vec::new(),
        allowed_email_domains: Vec::new(),
        admission: AdmissionSetting::Everyone,
        conditions: BTreeMap::new(),
        auth_max_age_secs: None,
        pinned_to: None,
        pools: Vec::new(),
        closed_pools: BTreeSet::new(),
    };
    let node = NodeSettings {
        service: service.key.clone(),
        url: node_url.to_owned(),
        node_type: None,
        pool: None,
        capacity: NODE_CAPACITY,
        available: None,
    };
    Bootstrap {
        services: vec![service],
        nodes: vec![node],
    }
}

#[cfg(test)]
mod tests {
    use foxhold_core::record::{Admission, ClientState, Generation, UserKey, UserRecord};
    use foxhold_ports::{
        AssignmentWriter as _,
        assignments::{NewNode, RecordRef, Target, UserValues},
        memory::SeededRandom,
    };

    use super::*;

    const HOME: &str = "http://localhost:8000";
    const PUBLIC: &str = "https://sync.example.org";

    /// A folder that a box is started on, again and again.
    struct Folder {
        dir: tempfile::TempDir,
        random: SeededRandom,
    }

    impl Folder {
        fn new() -> Self {
            Self {
                dir: tempfile::tempdir().unwrap(),
                random: SeededRandom::new(1),
            }
        }

        async fn start(&self, url: &str) -> (Arc<SqliteStore>, Arc<SqliteReader>) {
            let database = self.dir.path().join("foxhold.db");
            open(&database, url, "localhost", NOW, &self.random)
                .await
                .unwrap()
        }

        fn call(&self) -> Call {
            Call {
                op: OpId::new(NOW, &self.random),
                deadline: Deadline::after(STEP_MAX),
            }
        }

        async fn assign(&self, store: &SqliteStore) -> UserRecord {
            let values = UserValues {
                generation: Generation(1),
                keys_changed_at: None,
                client_state: ClientState::new(vec![1; 16]).unwrap(),
            };
            store
                .assign(&self.call(), &user(), &values, &Target::DEFAULT, NOW)
                .await
                .unwrap()
        }
    }

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn user() -> RecordRef {
        RecordRef {
            service: ServiceKey(SERVICE.into()),
            user: UserKey("u@localhost".into()),
            version: None,
        }
    }

    async fn record(reader: &SqliteReader) -> UserRecord {
        let by = Deadline::after(STEP_MAX);
        let found = reader.user_record(by, &user().service, &user().user).await;
        found.unwrap().expect("the user has a record")
    }

    async fn urls(reader: &SqliteReader) -> Vec<String> {
        let nodes = reader.nodes(Deadline::after(STEP_MAX), &user().service).await;
        nodes.unwrap().into_iter().map(|node| node.url).collect()
    }

    #[tokio::test]
    async fn a_box_that_moves_takes_its_users_along() {
        let folder = Folder::new();
        let mut expected = {
            let (store, _) = folder.start(HOME).await;
            folder.assign(&store).await
        };
        // Moved, started again there, and moved back.
        for url in [PUBLIC, PUBLIC, HOME] {
            let (_store, reader) = folder.start(url).await;
            expected.current.node = Some(url.into());
            assert_eq!(record(&reader).await, expected);
            assert_eq!(urls(&reader).await, [url]);
        }
    }

    #[tokio::test]
    async fn what_an_administrator_has_set_outlives_a_start() {
        let folder = Folder::new();
        let closed = {
            let (store, reader) = folder.start(HOME).await;
            let mut services = reader.services(Deadline::after(STEP_MAX)).await.unwrap();
            let mut service = services.remove(0);
            service.policy.admission = Admission::Nobody;
            store.put_service(&folder.call(), service.clone()).await.unwrap();
            [service]
        };
        let (_store, reader) = folder.start(HOME).await;
        let services = reader.services(Deadline::after(STEP_MAX)).await.unwrap();
        assert_eq!(services, closed);
    }

    #[tokio::test]
    async fn a_box_takes_no_other_node_for_its_own() {
        let folder = Folder::new();
        let other = "https://other.example.org";
        {
            let (store, _) = folder.start(HOME).await;
            let node = NewNode {
                service: user().service,
                url: other.into(),
                node_type: None,
                pool: None,
                capacity: 10,
                available: 10,
            };
            store.create_node(&folder.call(), node).await.unwrap();
        }
        let (store, reader) = folder.start(PUBLIC).await;
        assert_eq!(urls(&reader).await, [PUBLIC, other]);
        let service = user().service;
        store.remove_node(&folder.call(), &service, PUBLIC).await.unwrap();
        drop((store, reader));
        let (_store, reader) = folder.start(HOME).await;
        assert_eq!(
            urls(&reader).await,
            [other],
            "what an administrator took away stays away"
        );
    }
}
