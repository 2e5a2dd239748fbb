//! A stretcher from start to end: bind, start the pool, serve, drain, end the pool.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use foxhold_core::{Clock, Random};
use foxhold_pool::PoolStretcher;
use foxhold_rpc::server::{self, STRETCHER_SERVICES};
use foxhold_runtime::{
    Health, Shutdown, SystemClock, SystemRandom,
    config::Secrets,
    health::Need,
    metrics,
    private_tier::{PrivateTier, TierSettings},
    tls::Role,
};

use crate::Config;

/// Serves until `shutdown`.
///
/// # Errors
/// Whatever keeps it from serving; the message names the key or file.
pub async fn serve(config: Config, secrets: &Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
    StretcherService::open(config, secrets)
        .await?
        .serve(&shutdown)
        .await
}

/// A stretcher that is bound and has its pool running.
pub struct StretcherService {
    tier: PrivateTier,
    pool: Arc<PoolStretcher>,
    random: Arc<dyn Random>,
}

impl StretcherService {
    /// Binds and starts the pool.
    ///
    /// # Errors
    /// Whatever keeps it from serving; the message names the key or file.
    pub async fn open(config: Config, secrets: &Secrets) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let settings = TierSettings {
            role: Role::Stretcher,
            listen: config.listen,
            private_listen: config.private_listen,
            tls: &config.tls,
            limits: &config.grpc,
        };
        let tier = PrivateTier::bind(settings, secrets, clock).await?;
        let pool = PoolStretcher::start(config.pool.limits(), Arc::clone(&random))
            .context("`pool.memory_mib`: starting the pool")?;
        let pool = Arc::new(pool);
        metrics::follow_stretching(&pool, PoolStretcher::running_and_refused);
        Ok(Self { tier, pool, random })
    }

    /// Where orders are taken.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.tier.address()
    }

    /// Where operators look in, if anywhere.
    #[must_use]
    pub fn private_address(&self) -> Option<SocketAddr> {
        self.tier.private_address()
    }

    /// Serves until `shutdown`, then finishes what runs and refuses what waits.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let health = Health::new(shutdown);
        health.part("pool", Need::Required).works();
        let routes = server::stretcher(Arc::clone(&self.pool) as _);
        let served = self
            .tier
            .serve(routes, &STRETCHER_SERVICES, self.random, &health, shutdown);
        let end = async {
            shutdown.wait().await;
            if !self.pool.end().await {
                tracing::warn!("stretchings were still running when the time to finish was over");
            }
        };
        tokio::try_join!(async { served.await.map_err(anyhow::Error::from) }, async {
            end.await;
            Ok(())
        })?;
        Ok(())
    }
}
