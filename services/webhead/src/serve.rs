//! A webhead as a process of its own, from start to end: bind, open the store for reading, reach the private tiers,
//! serve, drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use foxhold_pool::PoolStretcher;
use foxhold_ports::{Mailer, Stretcher};
use foxhold_rpc::client::{
    RemoteAccountWriter, RemoteAssignmentWriter, RemoteSigner, RemoteStretcher, Transport, transport,
};
use foxhold_runtime::{
    Health, Shutdown, SystemClock, SystemRandom,
    channel::{Balanced, ChannelSettings},
    config::Secrets,
    health::{Need, Part, private_router},
    http_edge::{self, EdgeLimits},
    layers,
    tls::{Role, TlsIdentity},
};
use foxhold_store_sqlite::SqliteReader;
use tokio::net::TcpListener;

use crate::{
    assembly::{Ports, assemble},
    config::Config,
    mail::{CaptureMailer, capture::mailbox_router},
    token_server::{Condition, TokenServer},
};

/// How long a starting webhead waits for the store: tiers are started in any order.
const STORE_WAIT: Duration = Duration::from_secs(30);
const STORE_PAUSE: Duration = Duration::from_millis(250);
/// How often store and keysigner are looked at for the health answers.
const PROBE_PAUSE: Duration = Duration::from_secs(5);

/// Serves until `shutdown`.
///
/// # Errors
/// Whatever keeps it from serving; the message names the key or file.
pub async fn serve(config: Config, secrets: &Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
    Webhead::open(config, secrets, &shutdown)
        .await?
        .serve(shutdown)
        .await
}

/// A webhead that is bound and has its parts open.
pub struct Webhead {
    public: TcpListener,
    private: Option<TcpListener>,
    address: SocketAddr,
    router: Router,
    mailbox: Option<Arc<CaptureMailer>>,
    token_server: Arc<TokenServer>,
    health: Health,
    store: Part,
    keysigner: Part,
}

impl Webhead {
    /// Binds, opens the store and makes the ways to the private tiers, without calling them yet.
    ///
    /// # Errors
    /// Whatever keeps it from serving; the message names the key or file.
    pub async fn open(config: Config, secrets: &Secrets, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let prepared = config.prepare(secrets)?;
        let identity = TlsIdentity::load(&config.tls, secrets)?;
        anyhow::ensure!(
            identity.id().role() == Role::Webhead,
            "`tls`: the own certificate is of the role {}, not webhead",
            identity.id().role()
        );
        let public = bind(config.listen).await?;
        let private = match config.private_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let address = public.local_addr().context("reading the listener's address")?;
        let health = Health::new(shutdown);
        let (store, keysigner) = (
            health.part("store", Need::Required),
            health.part("keysigner", Need::Helpful),
        );
        let (mailer, mailbox) = prepared.mail.start()?;
        let ports = reach(&config, &identity, mailer).await?;
        let app = assemble(prepared.deployment, ports, &health, shutdown)?;
        let token_server = app.token_server.clone().context("a webhead serves tokens")?;
        let router = crate::router(app);
        Ok(Self {
            public,
            private,
            address,
            router,
            mailbox,
            token_server,
            health,
            store,
            keysigner,
        })
    }

    /// Where it is served.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then finishes what was begun.
    ///
    /// # Errors
    /// None today.
    pub async fn serve(self, shutdown: Shutdown) -> anyhow::Result<()> {
        tracing::info!(listen = %self.address, "serving");
        let private = async {
            let Some(listener) = self.private else { return };
            let router = private_side(&self.health, self.mailbox);
            http_edge::serve(listener, router, EdgeLimits::default(), shutdown.clone()).await;
        };
        let public = http_edge::serve(self.public, self.router, EdgeLimits::default(), shutdown.clone());
        let listeners = async { tokio::join!(public, private).0 };
        tokio::select! {
            drained = listeners => tracing::info!(cut = drained.cut, "stopped"),
            () = keep_probing(&self.token_server, &self.store, &self.keysigner) => {}
        }
        Ok(())
    }
}

/// What operators see: health, and the mailbox if mails are captured.
pub fn private_side(health: &Health, mailbox: Option<Arc<CaptureMailer>>) -> Router {
    let router = match mailbox {
        Some(mailbox) => private_router(health).merge(mailbox_router(mailbox)),
        None => private_router(health),
    };
    layers::private(router, Arc::new(SystemRandom))
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}"))
}

/// Looks at store and keysigner now and then, for as long as it is polled.
async fn keep_probing(token_server: &TokenServer, store: &Part, keysigner: &Part) {
    loop {
        let found = token_server.dependencies().await;
        for (part, condition) in [(store, found.database), (keysigner, found.keysigner)] {
            match condition {
                Condition::Ok => part.works(),
                Condition::Unknown => part.fails("no answer"),
            }
        }
        tokio::time::sleep(PROBE_PAUSE).await;
    }
}

/// The tiers behind, as ports.
async fn reach(config: &Config, identity: &TlsIdentity, mailer: Arc<dyn Mailer>) -> anyhow::Result<Ports> {
    let channel = |key: &str, settings: &ChannelSettings, role| channel(key, settings, identity, role);
    let dbwriter = channel("dbwriter", &config.dbwriter, Role::Dbwriter)?;
    let keysigner = channel("keysigner", &config.keysigner, Role::Keysigner)?;
    let stretcher: Arc<dyn Stretcher> = match &config.stretcher {
        Some(settings) => {
            let stretcher = channel("stretcher", settings, Role::Stretcher)?;
            Arc::new(RemoteStretcher::new(stretcher))
        }
        None => {
            let pool = PoolStretcher::start(config.stretch.limits(), Arc::new(SystemRandom));
            Arc::new(pool.context("`stretch.memory_mib`")?)
        }
    };
    let reader = Arc::new(open_store(config).await?);
    let signer = Arc::new(RemoteSigner::new(keysigner));
    Ok(Ports {
        account_reader: Arc::clone(&reader) as _,
        account_writer: Arc::new(RemoteAccountWriter::new(dbwriter.clone())),
        assignment_reader: reader,
        assignment_writer: Arc::new(RemoteAssignmentWriter::new(dbwriter)),
        signer: Arc::clone(&signer) as _,
        minter: Arc::clone(&signer) as _,
        public_keys: signer,
        stretcher,
        mailer,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    })
}

fn channel(
    key: &str,
    settings: &ChannelSettings,
    identity: &TlsIdentity,
    role: Role,
) -> anyhow::Result<Transport> {
    let tls = identity.client_config(Arc::new(SystemClock), role)?;
    let balanced = Balanced::new(settings.clone(), tls, &SystemRandom);
    Ok(transport(balanced.with_context(|| format!("`{key}.addresses`"))?))
}

/// The file is the dbwriters' to make: one that starts at the same time may not have come to it yet.
async fn open_store(config: &Config) -> anyhow::Result<SqliteReader> {
    let until = tokio::time::Instant::now() + STORE_WAIT;
    let mut told = false;
    loop {
        let (path, connections) = (config.store.path.clone(), config.store.connections);
        let opened = tokio::task::spawn_blocking(move || SqliteReader::open(path, connections));
        match opened.await.context("opening the store")? {
            Err(error) if tokio::time::Instant::now() < until => {
                if !told {
                    tracing::info!(%error, "the store is not there yet");
                    told = true;
                }
                tokio::time::sleep(STORE_PAUSE).await;
            }
            opened => {
                return opened
                    .with_context(|| format!("`store.path`: reading {}", config.store.path.display()));
            }
        }
    }
}
