//! A dbwriter from start to end: bind, open, bootstrap, serve, drain, close.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use foxhold_core::{Clock, Deadline, Random, hex, random};
use foxhold_ports::{ReadError, WriteError};
use foxhold_rpc::server::{self, DBWRITER_SERVICES};
use foxhold_runtime::{
    Health, Shutdown, SystemClock, SystemRandom,
    config::Secrets,
    health::Need,
    private_tier::{PrivateTier, TierSettings},
    tls::Role,
};
use foxhold_store_sqlite::SqliteStore;

use crate::{Bootstrap, Config, bootstrap, hooks, store::OpenStore, watch::Watch};

/// How long one step of pruning may take.
const PRUNE_STEP_MAX: Duration = Duration::from_secs(10);
/// Steps of one pruning: what is left waits for the next.
const PRUNE_STEPS_MAX: usize = 1000;

/// Between two tries to make the services and nodes that must exist.
const BOOTSTRAP_PAUSE: Duration = Duration::from_secs(2);
/// How long it may take to look whether they are there.
const BOOTSTRAP_READ_MAX: Duration = Duration::from_secs(10);

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
    store: OpenStore,
    bootstrap: Bootstrap,
    prune_interval: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Dbwriter {
    /// Binds, and opens the store.
    ///
    /// # Errors
    /// Whatever keeps it from serving; the message names the key or file.
    pub async fn open(config: Config, secrets: &Secrets) -> anyhow::Result<Self> {
        let store = config.prepare(secrets)?;
        let clock = config.clock();
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let settings = TierSettings {
            role: Role::Dbwriter,
            listen: config.listen,
            private_listen: config.private_listen,
            tls: &config.tls,
            limits: &config.grpc,
        };
        // Certificates are judged by the machine's clock, whatever a test makes of the store's.
        let tier = PrivateTier::bind(settings, secrets, Arc::new(SystemClock)).await?;
        let store = OpenStore::open(store, &clock, &random).await?;
        config.arm();
        Ok(Self {
            tier,
            store,
            bootstrap: config.bootstrap,
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

    /// Where operators look in, if anywhere.
    #[must_use]
    pub fn private_address(&self) -> Option<SocketAddr> {
        self.tier.private_address()
    }

    /// Makes the services and nodes that must exist, serves until `shutdown`, finishes what was begun, and closes the store.
    ///
    /// # Errors
    /// The listener failed for good, or the store refuses the services and nodes. While it cannot be asked, this waits.
    pub async fn serve(self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let Self { tier, store, .. } = self;
        let clock = self.clock.as_ref();
        let name = name_of(tier.address(), self.random.as_ref());
        let health = Health::new(shutdown);
        let watch = Watch::new(&health, &store);
        // Without services and nodes an intent would be refused for good that only came too early.
        let made = health.part("bootstrap", Need::Vital);
        let upkeep = async {
            watch.until_fit(&store, clock).await;
            while let Err(error) = make(&store, &self.bootstrap, clock, self.random.as_ref()).await {
                if matches!(error, WriteError::Refused(_)) {
                    return Err(error).context("`bootstrap`: making the services and nodes that must exist");
                }
                made.fails("the services and nodes that must exist cannot be made at the moment");
                tokio::time::sleep(BOOTSTRAP_PAUSE).await;
            }
            made.works();
            tokio::select! {
                () = watch.keep(&store, clock) => Ok(()),
                kept = store.keep(clock, self.prune_interval, &name) => kept,
            }
        };
        let random = Arc::clone(&self.random);
        let routes = server::dbwriter(hooks::watched(store.ports(&self.clock, &random)));
        let ended = tokio::select! {
            served = tier.serve(routes, &DBWRITER_SERVICES, random, &health, shutdown) => served.map_err(Into::into),
            failed = upkeep => failed,
        };
        store.close().await?;
        ended
    }
}

/// Makes what is missing of the services and nodes that must exist.
async fn make(
    store: &OpenStore,
    wanted: &Bootstrap,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(), WriteError> {
    let by = Deadline::after(BOOTSTRAP_READ_MAX);
    let missing = store.missing(wanted.clone(), by).await;
    let missing = missing.map_err(|ReadError(cause)| WriteError::NotDone(cause))?;
    bootstrap(store.admin(), &missing, clock.now(), random).await
}

/// A name that no other process of the deployment has, also where all listen on the same port of machines of their own.
fn name_of(address: SocketAddr, source: &dyn Random) -> String {
    let own: [u8; 4] = random::bytes(source);
    format!("{address}-{}", hex::encode(&own))
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
