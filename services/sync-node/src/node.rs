//! A storage node: its identity, its rules and its store. The single box embeds it, its own process serves it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use foxhold_core::{Clock, Deadline, Random};
use foxhold_node_auth::{NodeAuth, NodeName, NodeSecrets};
use foxhold_sync::storage::{CollectionName, Limits, LimitsError, Refusal, Tick};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    disk::Disk,
    store::{Denied, Store, StoreError},
};

/// Longest wait of a write for its turn (`storage.md` 14), and of a read for a connection.
const TURN_MAX: Duration = Duration::from_secs(5);
/// Longest wait of a heartbeat for all shards.
const PROBE_MAX: Duration = Duration::from_secs(2);
/// Small steps of one sweep, per shard.
const SWEEP_STEPS: u32 = 40;
/// Between two sweeps.
const SWEEP_PAUSE: Duration = Duration::from_secs(300);

/// Limits of one collection that differ from the node's. They are not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectionLimits {
    /// Bytes of one payload.
    pub max_record_payload_bytes: Option<u64>,
    /// Bytes of all payloads of one POST.
    pub max_post_bytes: Option<u64>,
    /// Bytes of a request's body.
    pub max_request_bytes: Option<u64>,
}

impl CollectionLimits {
    fn over(self, limits: Limits) -> Limits {
        Limits {
            max_record_payload_bytes: self
                .max_record_payload_bytes
                .unwrap_or(limits.max_record_payload_bytes),
            max_post_bytes: self.max_post_bytes.unwrap_or(limits.max_post_bytes),
            max_request_bytes: self.max_request_bytes.unwrap_or(limits.max_request_bytes),
            ..limits
        }
    }
}

/// What a node's operator decides.
#[derive(Debug, Clone)]
pub struct NodeSettings {
    /// Where the records lie; made when absent.
    pub data_dir: PathBuf,
    /// Files a new data directory gets; an existing one keeps its own number.
    pub shards: u32,
    /// The published limits.
    pub limits: Limits,
    /// Other limits for some collections, by name.
    pub collection_limits: BTreeMap<String, CollectionLimits>,
    /// Bytes each user may have; no quota when `None`.
    pub quota_bytes: Option<u64>,
    /// Refuse writes: the node is being emptied.
    pub read_only: bool,
    /// Refuse writes, too, while more percent than this of the disk are in use; 100 for never.
    pub disk_used_max_percent: u8,
    /// Origins whose pages may read answers; `*` for all, empty for none.
    pub cors_origins: Vec<String>,
    /// Sent as `X-Weave-Alert` with every answer.
    pub alert: Option<String>,
}

impl NodeSettings {
    /// The usual settings for records in `data_dir`.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            shards: 16,
            limits: Limits::default(),
            collection_limits: BTreeMap::new(),
            quota_bytes: None,
            read_only: false,
            disk_used_max_percent: 95,
            cors_origins: vec!["*".to_owned()],
            alert: None,
        }
    }
}

/// Why a node was not opened.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The store was not opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The limits contradict each other.
    #[error("limits: {0}")]
    Limits(#[from] LimitsError),
    /// A collection's limits contradict each other, or its name cannot exist.
    #[error("limits of the collection {name:?}: {reason}")]
    CollectionLimits {
        /// The collection as configured.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The node has no name, so no token could be for it.
    #[error("a node needs at least one name")]
    Nameless,
    /// Its routes lie under one path, so users of the other name would find nothing.
    #[error("all names of a node must have the same path")]
    Paths,
}

/// A storage node that is open for requests.
pub struct SyncNode {
    pub(crate) auth: NodeAuth,
    pub(crate) settings: NodeSettings,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    collection_limits: BTreeMap<String, Limits>,
    backoff_secs: AtomicU32,
    disk: Disk,
}

impl SyncNode {
    /// Opens the store. The routes lie under the path that `auth`'s names share.
    ///
    /// # Errors
    /// [`NodeError`], also when another process has the data directory open.
    pub fn open(
        settings: NodeSettings,
        auth: NodeAuth,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, NodeError> {
        let first = auth.names.first().ok_or(NodeError::Nameless)?;
        if auth
            .names
            .iter()
            .any(|name| name.path_prefix() != first.path_prefix())
        {
            return Err(NodeError::Paths);
        }
        settings.limits.validate()?;
        let mut collection_limits = BTreeMap::new();
        for (name, limits) in &settings.collection_limits {
            let refuse = |reason: String| NodeError::CollectionLimits {
                name: name.clone(),
                reason,
            };
            CollectionName::parse(name).ok_or_else(|| refuse("no collection can have this name".into()))?;
            let limits = limits.over(settings.limits);
            limits.validate().map_err(|error| refuse(error.to_string()))?;
            collection_limits.insert(name.clone(), limits);
        }
        let store = Store::open(&settings.data_dir, settings.shards)?;
        let disk = Disk::new(settings.data_dir.clone(), settings.disk_used_max_percent);
        let node = Self {
            auth,
            settings,
            store,
            clock,
            random,
            collection_limits,
            backoff_secs: AtomicU32::new(0),
            disk,
        };
        node.look_at_disk();
        Ok(node)
    }

    fn look_at_disk(&self) {
        if let Err(error) = self.disk.look() {
            tracing::warn!(%error, "the disk's state cannot be seen");
        }
    }

    /// Takes other secrets, from the next request on.
    pub fn replace_secrets(&self, secrets: NodeSecrets) {
        self.auth.replace_secrets(secrets);
    }

    /// Percent of the disk in use at the last look.
    pub(crate) fn disk_used_percent(&self) -> u64 {
        self.disk.used_percent()
    }

    /// Whether writes are refused: the node is being emptied, or its disk is full.
    pub(crate) fn is_read_only(&self) -> bool {
        self.settings.read_only || self.disk.is_full()
    }

    pub(crate) fn path_prefix(&self) -> &str {
        self.auth.names.first().map_or("", NodeName::path_prefix)
    }

    pub(crate) fn now(&self) -> Tick {
        Tick::from_timestamp(self.clock.now())
    }

    pub(crate) fn limits_of(&self, collection: &CollectionName) -> &Limits {
        self.collection_limits
            .get(collection.as_str())
            .unwrap_or(&self.settings.limits)
    }

    /// By when a read or write must have had its turn.
    #[expect(clippy::unused_self, reason = "reads as a rule of the node")]
    pub(crate) fn turn_deadline(&self) -> Deadline {
        Deadline::after(TURN_MAX)
    }

    /// Asks clients to stay away for so long, with every answer from now on; zero ends it. Call it before a drain.
    pub fn set_backoff(&self, span: Duration) {
        self.backoff_secs.store(
            u32::try_from(span.as_secs()).unwrap_or(u32::MAX),
            Ordering::Relaxed,
        );
    }

    pub(crate) fn backoff_secs(&self) -> Option<u32> {
        Some(self.backoff_secs.load(Ordering::Relaxed)).filter(|secs| *secs > 0)
    }

    /// Whether every shard can be read and written now. Looks at the disk, too, which decides about writes.
    ///
    /// # Errors
    /// The first shard's trouble.
    pub async fn probe(&self) -> Result<(), Denied> {
        self.look_at_disk();
        let by = Deadline::after(PROBE_MAX);
        // What a shard has begun it may not end, either.
        let probed = tokio::time::timeout_at(by.instant().into(), self.store.probe(by)).await;
        probed.unwrap_or(Err(Refusal::Busy.into()))
    }

    /// How far the clock lies behind the times already handed out, in ticks; zero when it is right.
    pub(crate) fn clock_behind(&self) -> u64 {
        self.store.highest_time().get().saturating_sub(self.now().get())
    }

    /// Removes expired records, old batches and payloads without owner once.
    ///
    /// # Errors
    /// A shard that could not be swept; the next sweep tries again.
    pub async fn sweep(&self) -> Result<u64, Denied> {
        self.look_at_disk();
        self.store
            .sweep(self.now(), SWEEP_STEPS, || Deadline::after(TURN_MAX))
            .await
    }

    /// Sweeps every few minutes, for as long as the future lives. A process runs one beside its listener.
    pub async fn keep_sweeping(&self) {
        loop {
            tokio::time::sleep(SWEEP_PAUSE).await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "swept"),
                Err(error) => tracing::warn!(%error, "a sweep ended early"),
            }
        }
    }
}
