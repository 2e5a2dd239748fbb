//! A dbwriter from start to end: bind, open, bootstrap, serve, drain, close.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use foxhold_core::{Clock, Deadline, Random};
use foxhold_rpc::server::{self, DBWRITER_SERVICES, DbwriterPorts};
use foxhold_runtime::{
    Health, Shutdown, SystemClock, SystemRandom,
    config::Secrets,
    health::Need,
    private_tier::{PrivateTier, TierSettings},
    tls::Role,
};
use foxhold_store_sqlite::SqliteStore;

use crate::{Config, bootstrap};

/// How long one step of pruning may take.
const PRUNE_STEP_MAX: Duration = Duration::from_secs(10);
/// Steps of one pruning: what is left waits for the next.
const PRUNE_STEPS_MAX: usize = 1000;

/// Serves until `shutdown`.
///
/// # Errors
/// Whatever keeps it from serving; the message names the key or file.
pub async fn serve(config: Config, secrets: &Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
    Dbwriter::open(config, secrets).await?.serve(&shutdown).await
}

/// A dbwriter that is bound and has its store open.
pub struct Dbwriter {
    tier: PrivateTier,
    store: Arc<SqliteStore>,
    prune_interval: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Dbwriter {
    /// Binds, opens the store, and makes the services and nodes that must exist.
    ///
    /// # Errors
    /// Whatever keeps it from serving; the message names the key or file.
    pub async fn open(config: Config, secrets: &Secrets) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        config.bootstrap.check()?;
        let settings = TierSettings {
            role: Role::Dbwriter,
            listen: config.listen,
            private_listen: config.private_listen,
            tls: &config.tls,
            limits: &config.grpc,
        };
        let tier = PrivateTier::bind(settings, secrets, Arc::clone(&clock)).await?;
        let path = config.store.path.clone();
        let store = tokio::task::spawn_blocking(move || SqliteStore::open_writer(path))
            .await
            .context("opening the store")?
            .with_context(|| format!("`store.path`: opening {}", config.store.path.display()))?;
        bootstrap(&store, &config.bootstrap, clock.now(), random.as_ref())
            .await
            .context("`bootstrap`: making the services and nodes that must exist")?;
        Ok(Self {
            tier,
            store: Arc::new(store),
            prune_interval: Duration::from_secs(config.prune_interval_secs.max(1)),
            clock,
            random,
        })
    }

    /// Where intents are taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.tier.address()
    }

    /// Serves until `shutdown`, finishes what was begun, and closes the store.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let health = Health::new(shutdown);
        health.part("store", Need::Required).works();
        let ports = DbwriterPorts {
            accounts: Arc::clone(&self.store) as _,
            assignments: Arc::clone(&self.store) as _,
            admin: Arc::clone(&self.store) as _,
        };
        let routes = server::dbwriter(ports);
        tokio::select! {
            served = self.tier.serve(routes, &DBWRITER_SERVICES, self.random, &health, shutdown) => served?,
            () = keep_pruning(&self.store, self.clock.as_ref(), self.prune_interval) => {}
        }
        let store = self.store;
        // Finishes the waiting writes and closes the file; blocks meanwhile.
        tokio::task::spawn_blocking(move || store.close())
            .await
            .context("closing the store")
    }
}

/// Removes what has expired, now and then, for as long as it is polled.
pub async fn keep_pruning(store: &SqliteStore, clock: &dyn Clock, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        for _ in 0..PRUNE_STEPS_MAX {
            match store.prune(Deadline::after(PRUNE_STEP_MAX), clock.now()).await {
                Ok(pruned) if pruned.is_full_step() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "removing what has expired; the next time goes on");
                    break;
                }
            }
        }
    }
}
