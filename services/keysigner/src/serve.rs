//! A keysigner from start to end: open keys and secrets, bind, prove that signing works, serve, drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use foxhold_core::{Clock, Random};
use foxhold_runtime::{
    Health, Shutdown, SystemClock, SystemRandom,
    config::{Secrets, next_look},
    health::{Need, Part},
    metrics::list as metrics,
    private_tier::{PrivateTier, TierSettings},
    tls::Role,
};

use crate::{
    Config, LocalSigner, SignerParts, audit::AuditLog, checkpoint, grpc, node_secrets::NodeSecretSources,
    signer::GOOD_FOR,
};

/// How often health is looked at, and quiet keys are made to sign.
const WATCH_INTERVAL: Duration = Duration::from_secs(GOOD_FOR.as_secs() / 5);

/// Serves until `shutdown`.
///
/// # Errors
/// Whatever keeps it from serving; the message names the key or file.
pub async fn serve(config: Config, secrets: &Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
    Keysigner::open(&config, secrets).await?.serve(&shutdown).await
}

/// A keysigner that is bound and has its keys open.
pub struct Keysigner {
    tier: PrivateTier,
    signer: Arc<LocalSigner>,
    random: Arc<dyn Random>,
}

impl Keysigner {
    /// Opens keys and secrets, then binds: a signer that cannot sign is never reachable.
    ///
    /// # Errors
    /// Whatever keeps it from serving; the message names the key or file.
    pub async fn open(config: &Config, secrets: &Secrets) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let random: Arc<dyn Random> = Arc::new(SystemRandom);
        let signer = start_signer(config, secrets, &clock, &random)?;
        let settings = TierSettings {
            role: Role::Keysigner,
            listen: config.listen,
            private_listen: config.private_listen,
            tls: &config.tls,
            limits: &config.grpc,
        };
        let tier = PrivateTier::bind(settings, secrets, clock).await?;
        Ok(Self {
            tier,
            signer: Arc::new(signer),
            random,
        })
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

    /// Serves until `shutdown` and finishes what was begun.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(self, shutdown: &Shutdown) -> anyhow::Result<()> {
        let health = Health::new(shutdown);
        let signing = health.part("signing", Need::Required);
        self.signer.probe().await;
        if let Some(fault) = self.signer.fault() {
            anyhow::bail!(fault);
        }
        let routes = grpc::routes(Arc::clone(&self.signer));
        let tier = self.tier.with_operators_routes(checkpoint::routes(&self.signer));
        tokio::select! {
            served = tier.serve(routes, &grpc::SERVICES, self.random, &health, shutdown) => served?,
            () = watch(&self.signer, &signing) => {}
        }
        self.signer.end().await;
        Ok(())
    }
}

/// Reports to `signing` whether all keys make good signatures and these can be written down, and how old the current one is, and keeps the node secrets
/// as their files are, for as long as it is polled.
pub async fn watch(signer: &LocalSigner, signing: &Part) {
    // Side by side: a probe may wait long for its turn, a revocation must not.
    tokio::join!(keep_probing(signer, signing), keep_secrets_fresh(signer));
}

async fn keep_probing(signer: &LocalSigner, signing: &Part) {
    loop {
        signer.probe().await;
        metrics::KEY_AGE
            .of(["access_token"])
            .set(signer.key_age().as_secs_f64());
        match signer.fault() {
            None => signing.works(),
            Some(fault) => signing.fails(fault),
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

async fn keep_secrets_fresh(signer: &LocalSigner) {
    loop {
        signer.node_secrets().look_again();
        next_look().await;
    }
}

fn start_signer(
    config: &Config,
    secrets: &Secrets,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> anyhow::Result<LocalSigner> {
    let keys = config.open_keys(secrets, clock.now())?;
    let node_secrets = NodeSecretSources::read(secrets, &config.node_secrets)?;
    let audit = match config.audit_key(secrets)? {
        Some((settings, key)) => Some(AuditLog::open(
            &settings.folder,
            key,
            &keys,
            Arc::clone(clock),
            &**random,
        )?),
        None => None,
    };
    let parts = SignerParts {
        issuer: config.issuer.clone(),
        domain: config.domain(),
        keys,
        node_secrets,
        limits: config.signing,
        audit,
        clock: Arc::clone(clock),
        random: Arc::clone(random),
    };
    LocalSigner::start(parts).context("starting the signer")
}
