//! The store a dbwriter was configured with, open: what differs between SQLite and Cassandra while the process runs stands
//! here, so that the rest does not ask which it is.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use foxhold_core::{Clock, Deadline, Random};
use foxhold_ports::{AssignmentAdmin, Cause, ReadError, WriteError, operator::Narrowed, outbox::Bounded};
use foxhold_rpc::server::DbwriterPorts;
use foxhold_runtime::store::{self, OpenError, Store};
use foxhold_store_cassandra::{
    CassandraStore, ClockSkew, ConnectError, Probe,
    migrate::{self, REPORT_INTERVAL},
};
use foxhold_store_open::connect_settings;
use foxhold_store_sqlite::SqliteStore;

use crate::{Bootstrap, keep_pruning};

/// How long giving back may take; what is not given back runs out by itself.
const CLOSE_MAX: Duration = Duration::from_secs(5);
/// How long a report may take.
const REPORT_MAX: Duration = Duration::from_secs(10);

/// The store, open.
pub(crate) enum OpenStore {
    /// One file.
    Sqlite(Arc<SqliteStore>),
    /// A cluster, and what it is asked for health.
    Cassandra(Arc<CassandraStore>, Box<Probe>),
}

impl OpenStore {
    /// Opens it; waits a while for a cluster that is not there yet. What waiting does not mend is told at once.
    pub(crate) async fn open(
        settings: Store,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> anyhow::Result<Self> {
        match settings {
            Store::Sqlite { path, .. } => {
                let what = format!("`store.path`: opening {}", path.display());
                let opened = tokio::task::spawn_blocking(move || SqliteStore::open_writer(path));
                let store = opened.await.context("opening the store")?.with_context(|| what)?;
                store::tell_schema(foxhold_store_sqlite::latest());
                Ok(Self::Sqlite(Arc::new(store)))
            }
            Store::Cassandra(cluster) => {
                let settings = connect_settings(cluster);
                let connect = || CassandraStore::connect(&settings, Arc::clone(clock), Arc::clone(random));
                let store = store::opened(connect, ConnectError::is_lasting)
                    .await
                    .context("`store`")?;
                let probe = store.probe().await.context("`store`")?;
                store::tell_schema(migrate::latest());
                Ok(Self::Cassandra(Arc::new(store), Box::new(probe)))
            }
        }
    }

    /// As the gRPC services take it. Operators get at accounts only as far as [`Narrowed`] lets them, and nobody puts mail off
    /// beyond the bound.
    pub(crate) fn ports(&self, clock: &Arc<dyn Clock>, random: &Arc<dyn Random>) -> DbwriterPorts {
        let narrowed = |accounts, region| {
            let narrowed = Narrowed::new(accounts, Arc::clone(clock), Arc::clone(random));
            Arc::new(narrowed.in_region(region))
        };
        let bounded = |outbox| Arc::new(Bounded::new(outbox, Arc::clone(clock)));
        match self {
            Self::Sqlite(store) => DbwriterPorts {
                accounts: Arc::clone(store) as _,
                guards: Arc::clone(store) as _,
                account_admin: Arc::clone(store) as _,
                operator: narrowed(Arc::clone(store) as _, None),
                commands: Arc::clone(store) as _,
                invitations: Arc::clone(store) as _,
                assignments: Arc::clone(store) as _,
                admin: Arc::clone(store) as _,
                clients: Arc::clone(store) as _,
                grants: Arc::clone(store) as _,
                turns: Arc::clone(store) as _,
                outbox: bounded(Arc::clone(store) as _),
            },
            Self::Cassandra(store, _) => DbwriterPorts {
                accounts: Arc::clone(store) as _,
                guards: Arc::clone(store) as _,
                account_admin: Arc::clone(store) as _,
                operator: narrowed(Arc::clone(store) as _, store.regions().mark()),
                commands: Arc::clone(store) as _,
                invitations: Arc::clone(store) as _,
                assignments: Arc::clone(store) as _,
                admin: Arc::clone(store) as _,
                clients: Arc::clone(store) as _,
                grants: Arc::clone(store) as _,
                turns: Arc::clone(store) as _,
                outbox: bounded(Arc::clone(store) as _),
            },
        }
    }

    pub(crate) fn admin(&self) -> &dyn AssignmentAdmin {
        match self {
            Self::Sqlite(store) => store.as_ref(),
            Self::Cassandra(store, _) => store.as_ref(),
        }
    }

    /// What of the services and nodes that must exist has to be made. A file is not asked: making again what is there
    /// changes nothing, and cannot fail because somebody else is away.
    pub(crate) async fn missing(&self, wanted: Bootstrap, by: Deadline) -> Result<Bootstrap, ReadError> {
        match self {
            Self::Sqlite(_) => Ok(wanted),
            Self::Cassandra(store, _) => wanted.missing(store.as_ref(), by).await,
        }
    }

    /// Why an intent could not be carried out now, if so: words for an operator.
    pub(crate) async fn fault(&self, by: Deadline) -> Option<String> {
        let failed = match self {
            Self::Sqlite(store) => store.probe(by).await.err().map(anyhow::Error::from),
            Self::Cassandra(_, probe) => probe.answers(by).await.err().map(anyhow::Error::from),
        };
        failed.map(|error| format!("{error:#}"))
    }

    /// Whether the store's own clocks are compared with this process's: files have none.
    pub(crate) const fn has_clocks(&self) -> bool {
        matches!(self, Self::Cassandra(..))
    }

    /// How far the own clock is off the store's; `None` if none of them can be read.
    pub(crate) async fn clock_skew(&self, by: Deadline, clock: &dyn Clock) -> Option<ClockSkew> {
        match self {
            Self::Sqlite(_) => None,
            Self::Cassandra(_, probe) => probe.clock_skew(by, clock).await,
        }
    }

    /// What has to be done now and then, for as long as it is polled: from a file, what has expired is removed; a cluster
    /// does that by itself, and is told which process (`name`) runs and what schema it needs.
    ///
    /// # Errors
    /// The login may not write.
    pub(crate) async fn keep(
        &self,
        clock: &dyn Clock,
        prune_interval: Duration,
        name: &str,
    ) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(store) => {
                keep_pruning(store, clock, prune_interval).await;
                Ok(())
            }
            Self::Cassandra(store, _) => keep_reporting(store, name).await,
        }
    }

    /// Finishes what waits, and gives back what this process holds. After this nothing is written.
    pub(crate) async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(store) => tokio::task::spawn_blocking(move || store.close())
                .await
                .context("closing the store"),
            Self::Cassandra(store, _) => {
                store.close(Deadline::after(CLOSE_MAX)).await;
                Ok(())
            }
        }
    }
}

/// The first report is also the first write: a login that may not write is told at once, not by every user's failure.
async fn keep_reporting(store: &CassandraStore, name: &str) -> anyhow::Result<()> {
    let mut is_first = true;
    loop {
        let by = Deadline::after(REPORT_MAX);
        let version = env!("CARGO_PKG_VERSION");
        match store.report_process(name, "dbwriter", version, by).await {
            Err(WriteError::NotDone(Cause::NotPermitted)) if is_first => {
                let why = anyhow!(
                    "this login may not write\nfix: see `store.user`: a dbwriter's role needs SELECT and MODIFY, \
                     which `foxhold schema apply` grants"
                );
                return Err(OpenError::Lasting(why).into());
            }
            Err(error) => tracing::warn!(%error, "reporting that this process runs; the next time goes on"),
            Ok(()) => {}
        }
        is_first = false;
        tokio::time::sleep(REPORT_INTERVAL).await;
    }
}
