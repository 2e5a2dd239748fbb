//! A webhead as a process of its own, from start to end: bind, open the store for reading, reach the private tiers,
//! serve, drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use foxhold_accounts::{Accounts, CodeKey, Settings, oauth::Clients};
use foxhold_core::Clock;
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
use foxhold_sync::{exchange, node_type::NodeTypes};
use tokio::net::TcpListener;

use crate::{
    App, KeySetCache, Site,
    config::{Config, MailSettings, Prepared},
    hawk::HawkRules,
    limits::{LocalLimits, LocalReplayGuard},
    mail::{CaptureMailer, LogMailer, NoMailer, SmtpMailer, capture::mailbox_router},
    mail_templates::MailTemplates,
    token_server::{Condition, Discovery, ServiceCache, TokenServer},
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
        let (mailer, mailbox) = mailer(&config, &prepared)?;
        let tiers = Tiers::reach(&config, &identity).await?;
        let app = app(&config, prepared, tiers, mailer, &health, shutdown)?;
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
            let router = match self.mailbox {
                Some(mailbox) => private_router(&self.health).merge(mailbox_router(mailbox)),
                None => private_router(&self.health),
            };
            let router = layers::private(router, Arc::new(SystemRandom));
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
struct Tiers {
    reader: Arc<SqliteReader>,
    accounts: Arc<RemoteAccountWriter>,
    assignments: Arc<RemoteAssignmentWriter>,
    signer: Arc<RemoteSigner>,
    stretcher: Arc<dyn Stretcher>,
}

impl Tiers {
    async fn reach(config: &Config, identity: &TlsIdentity) -> anyhow::Result<Self> {
        let channel = |key: &str, settings: &ChannelSettings, role| channel(key, settings, identity, role);
        let dbwriter = channel("dbwriter", &config.dbwriter, Role::Dbwriter)?;
        let keysigner = channel("keysigner", &config.keysigner, Role::Keysigner)?;
        let stretcher: Arc<dyn Stretcher> = match &config.stretcher {
            Some(settings) => Arc::new(RemoteStretcher::new(channel(
                "stretcher",
                settings,
                Role::Stretcher,
            )?)),
            None => {
                let pool = PoolStretcher::start(config.stretch.limits(), Arc::new(SystemRandom));
                Arc::new(pool.context("`stretch.memory_mib`")?)
            }
        };
        Ok(Self {
            reader: Arc::new(open_store(config).await?),
            accounts: Arc::new(RemoteAccountWriter::new(dbwriter.clone())),
            assignments: Arc::new(RemoteAssignmentWriter::new(dbwriter)),
            signer: Arc::new(RemoteSigner::new(keysigner)),
            stretcher,
        })
    }
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
    loop {
        let (path, connections) = (config.store.path.clone(), config.store.connections);
        let opened = tokio::task::spawn_blocking(move || SqliteReader::open(path, connections));
        match opened.await.context("opening the store")? {
            Err(error) if tokio::time::Instant::now() < until => {
                tracing::info!(%error, "the store is not there yet");
                tokio::time::sleep(STORE_PAUSE).await;
            }
            opened => {
                return opened
                    .with_context(|| format!("`store.path`: reading {}", config.store.path.display()));
            }
        }
    }
}

/// A mailer, and its mailbox if somebody is to look into it.
type Mail = (Arc<dyn Mailer>, Option<Arc<CaptureMailer>>);

fn mailer(config: &Config, prepared: &Prepared) -> anyhow::Result<Mail> {
    Ok(match (&config.mail, &prepared.smtp) {
        (MailSettings::Smtp(_), Some(smtp)) => (Arc::new(SmtpMailer::start(smtp).context("`mail`")?), None),
        (MailSettings::Capture, _) => {
            let mailbox = Arc::new(CaptureMailer::new());
            (Arc::clone(&mailbox) as Arc<dyn Mailer>, Some(mailbox))
        }
        (MailSettings::Log, _) => (Arc::new(LogMailer::stdout().context("`mail`")?), None),
        (MailSettings::None | MailSettings::Smtp(_), _) => (Arc::new(NoMailer), None),
    })
}

fn app(
    config: &Config,
    prepared: Prepared,
    tiers: Tiers,
    mailer: Arc<dyn Mailer>,
    health: &Health,
    shutdown: &Shutdown,
) -> anyhow::Result<App> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let limits = LocalLimits::new(&config.limits, Arc::clone(&clock), &SystemRandom).context("`limits`")?;
    let limits = Arc::new(limits);
    let keys = Arc::new(KeySetCache::new(
        Arc::clone(&tiers.signer) as _,
        Arc::clone(&clock),
    ));
    let token_server = token_server(config, &prepared, &tiers, &limits, &keys, shutdown);
    let replay = LocalReplayGuard::new(Arc::clone(&clock), config.hawk.remembered_max);
    let own_origin = || vec![prepared.public_url.clone()];
    Ok(App {
        keys,
        hawk: HawkRules {
            origin: prepared.origin.clone(),
            window: Duration::from_secs(config.hawk.window_secs),
            replay: Arc::new(replay),
            accept_bearer: config.hawk.accept_bearer,
        },
        addresses: prepared.addresses.clone(),
        site: Site {
            public_url: prepared.public_url.clone(),
            token_server_url: prepared.token_server_url.clone(),
            hsts: config
                .hsts
                .unwrap_or_else(|| prepared.public_url.starts_with("https:")),
            allowed_origins: config.allowed_origins.clone().unwrap_or_else(own_origin),
        },
        budget: config.budget(),
        in_work_max: config.requests_max,
        health: health.clone(),
        token_server: Some(Arc::new(token_server)),
        accounts: accounts(prepared, tiers, mailer, limits)?,
    })
}

fn token_server(
    config: &Config,
    prepared: &Prepared,
    tiers: &Tiers,
    limits: &Arc<LocalLimits>,
    keys: &Arc<KeySetCache>,
    shutdown: &Shutdown,
) -> TokenServer {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    TokenServer {
        ports: exchange::Ports {
            reader: Arc::clone(&tiers.reader) as _,
            writer: Arc::clone(&tiers.assignments) as _,
            minter: Arc::clone(&tiers.signer) as _,
            verifier: Arc::clone(keys) as _,
            limits: Arc::clone(limits) as _,
            clock: Arc::clone(&clock),
            random: Arc::new(SystemRandom),
        },
        settings: exchange::Settings {
            issuer_domain: prepared.domain.clone(),
            metrics_key: Arc::clone(&prepared.metrics_key),
            node_types: NodeTypes::default(),
        },
        services: ServiceCache::new(Arc::clone(&tiers.reader) as _, clock),
        keys: Arc::clone(keys),
        addresses: prepared.addresses.clone(),
        budget: config.budget(),
        discovery: Discovery {
            url: prepared.token_server_url.clone(),
            oauth_issuer: prepared.public_url.clone(),
            oauth_server_url: format!("{}/v1", prepared.public_url),
        },
        shutdown: shutdown.clone(),
    }
}

fn accounts(
    prepared: Prepared,
    tiers: Tiers,
    mailer: Arc<dyn Mailer>,
    limits: Arc<LocalLimits>,
) -> anyhow::Result<Accounts> {
    let templates = MailTemplates::new(&prepared.public_url).context("reading the mail templates")?;
    Ok(Accounts {
        reader: tiers.reader,
        writer: tiers.accounts,
        signer: tiers.signer,
        stretcher: tiers.stretcher,
        mailer,
        templates: Arc::new(templates),
        limits,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        code_key: CodeKey::new(prepared.code_key),
        settings: Arc::new(Settings {
            domain: prepared.host,
            token_server_url: prepared.token_server_url,
            clients: Clients::built_in(&prepared.public_url),
            pre_verified_allowed: false,
        }),
    })
}
