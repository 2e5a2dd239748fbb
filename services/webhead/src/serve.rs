//! A webhead as a process of its own, from start to end: bind, open the store for reading, reach the private tiers,
//! serve, drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use foxhold_accounts::registration::CurrentRegistration;
use foxhold_core::Clock;
use foxhold_crypto::outbox::OutboxKey;
use foxhold_node_calls::HttpNodeCalls;
use foxhold_outbound::Outbound;
use foxhold_pool::PoolStretcher;
use foxhold_ports::{Mailer, Stretcher};
use foxhold_rpc::client::{
    RemoteAccountGuards, RemoteAccountWriter, RemoteAssignmentAdmin, RemoteAssignmentWriter,
    RemoteCommandWriter, RemoteGrantWriter, RemoteInvitationWriter, RemoteJobTurns, RemoteOutbox,
    RemoteSigner, RemoteStretcher, Transport, transport,
};
use foxhold_runtime::{
    Health, Shutdown, SystemClock, SystemRandom,
    channel::{Balanced, ChannelSettings},
    config::{FileWatch, Secrets},
    health::{Need, Part, private_router},
    http_edge::{self, EdgeLimits},
    layers, metrics, telemetry,
    tls::{Following, Role, TlsIdentity},
};
use tokio::net::TcpListener;

use crate::{
    App,
    assembly::{Deployment, Ports, assemble},
    config::Config,
    follow_ups::FollowUps,
    jobs::{self, JobPorts, JobSettings},
    limits::live::{self as live_limits, CurrentLimits},
    mail::{CaptureMailer, RunningSender, SenderPorts, capture::mailbox_router},
    registration,
    store::{self, Readers},
    token_server::{self, Condition, TokenServer},
};

/// How often store, keysigner and dbwriters are looked at for the health answers.
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
    /// The Token Server's own listener, and what is served there.
    own: Option<(TcpListener, Router)>,
    mailbox: Option<Arc<CaptureMailer>>,
    sender: Option<RunningSender>,
    token_server: Arc<TokenServer>,
    follow_ups: FollowUps,
    health: Health,
    store: Part,
    keysigner: Part,
    dbwriter: Part,
    /// Where another accounts server tells what its users are called: before that nobody can be served.
    home: Option<Part>,
    jobs: (JobPorts, JobSettings),
    registration: (FileWatch, Arc<CurrentRegistration>),
    limits: (FileWatch, CurrentLimits),
    certificate: Following,
    config: Config,
}

impl Webhead {
    /// Binds, opens the store and makes the ways to the private tiers, without calling them yet.
    ///
    /// # Errors
    /// Whatever keeps it from serving; the message names the key or file.
    pub async fn open(config: Config, secrets: &Secrets, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let mut prepared = config.prepare(secrets)?;
        let (identity, certificate) = TlsIdentity::load_following(&config.tls, secrets)?;
        anyhow::ensure!(
            identity.id().role() == Role::Webhead,
            "`tls`: the own certificate is of the role {}, not webhead",
            identity.id().role()
        );
        let public = bind(config.listen)?;
        let private = config.private_listen.map(bind).transpose()?;
        let own = config.token_server_listen.map(bind).transpose()?;
        let address = public.local_addr().context("reading the listener's address")?;
        telemetry::place(Some(identity.id().region()), address);
        let health = Health::new(shutdown);
        let (store, keysigner, dbwriter) = (
            health.part("store", Need::Required),
            health.part("keysigner", Need::Helpful),
            health.part("dbwriter", Need::Helpful),
        );
        let readers = store::open(prepared.store).await?;
        prepared.deployment.region = readers.region;
        let tiers = Tiers::reach(&config, &identity)?;
        let outbox = tiers.outbox(&readers, &prepared.deployment);
        let mail = prepared.mail.start(outbox, shutdown)?;
        let ports = ports(&config, &identity, &tiers, readers, mail.mailer)?;
        let jobs = (
            job_ports(&tiers, &ports),
            job_settings(&config, &prepared.deployment, &ports.clock),
        );
        let mut app = assemble(prepared.deployment, ports, &health, shutdown)?;
        let registration = watch_registration(&config, &app)?;
        let limits = watch_limits(&config, &app)?;
        let token_server = app.token_server.clone().context("a webhead serves tokens")?;
        let own = own.map(|listener| {
            // It is served once, and by its own rules.
            app.token_server = None;
            let router = token_server::own_router(Arc::clone(&token_server), config.requests_max);
            (listener, router)
        });
        let home = token_server.discovers_home();
        let home = home.then(|| health.part("foreign_oauth", Need::Required));
        let follow_ups = app.follow_ups.clone();
        let router = crate::router(app);
        Ok(Self {
            public,
            private,
            address,
            router,
            own,
            mailbox: mail.mailbox,
            sender: mail.sender,
            token_server,
            follow_ups,
            health,
            store,
            keysigner,
            dbwriter,
            home,
            jobs,
            registration,
            limits,
            certificate,
            config,
        })
    }

    /// Where it is served.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators look in, if anywhere.
    #[must_use]
    pub fn private_address(&self) -> Option<SocketAddr> {
        self.private.as_ref()?.local_addr().ok()
    }

    /// Where the Token Server is served, if on a listener of its own.
    #[must_use]
    pub fn token_server_address(&self) -> Option<SocketAddr> {
        self.own.as_ref()?.0.local_addr().ok()
    }

    /// Serves until `shutdown`, then finishes what was begun.
    ///
    /// # Errors
    /// None today.
    pub async fn serve(self, shutdown: Shutdown) -> anyhow::Result<()> {
        if let Some(address) = self.token_server_address() {
            tracing::info!(token_server_listen = %address, "serving the Token Server");
        }
        tracing::info!(listen = %self.address, "serving");
        let edge =
            |listener, router| http_edge::serve(listener, router, EdgeLimits::default(), shutdown.clone());
        let private = async {
            let Some(listener) = self.private else { return };
            edge(listener, private_side(&self.health, self.mailbox)).await;
        };
        let own = async {
            match self.own {
                Some((listener, router)) => edge(listener, router).await.cut,
                None => 0,
            }
        };
        let (ports, settings) = self.jobs;
        let jobs = jobs::start(ports, settings, &shutdown);
        let (watch, rules) = &self.registration;
        let (limits_watch, limits) = &self.limits;
        let parts = Probed {
            store: &self.store,
            keysigner: &self.keysigner,
            dbwriter: &self.dbwriter,
            home: self.home.as_ref(),
        };
        let public = edge(self.public, self.router);
        let listeners = async {
            let (public, own, ()) = tokio::join!(public, own, private);
            public.cut + own
        };
        tokio::select! {
            cut = listeners => tracing::info!(cut, "stopped"),
            () = keep_probing(&self.token_server, parts) => {}
            () = self.token_server.keep_node_gauges() => {}
            () = registration::keep_fresh(watch, rules, || self.config.registration_again()) => {}
            () = live_limits::keep_fresh(limits_watch, limits, || self.config.limits_again()) => {}
            never = self.certificate.run() => never,
        }
        self.follow_ups.ended().await;
        jobs.ended().await;
        if let Some(sender) = self.sender {
            sender.end().await;
        }
        Ok(())
    }
}

/// What operators see: health, metrics, and the mailbox if mails are captured.
pub fn private_side(health: &Health, mailbox: Option<Arc<CaptureMailer>>) -> Router {
    let router = match mailbox {
        Some(mailbox) => private_router(health).merge(mailbox_router(mailbox)),
        None => private_router(health),
    };
    layers::private(router, Arc::new(SystemRandom))
}

/// Puts the rules in force as the files have them from now on.
fn watch_registration(config: &Config, app: &App) -> anyhow::Result<(FileWatch, Arc<CurrentRegistration>)> {
    let files = config.sources.files.clone();
    let (watch, rules) = FileWatch::of_paths(registration::PART, files, || config.registration_again())?;
    let current = Arc::clone(&app.accounts.registration);
    current.replace(rules);
    Ok((watch, current))
}

/// The same for the limits.
fn watch_limits(config: &Config, app: &App) -> anyhow::Result<(FileWatch, CurrentLimits)> {
    let files = config.sources.files.clone();
    let (watch, limiting) = FileWatch::of_paths(live_limits::PART, files, || config.limits_again())?;
    let current = app.limits.clone().context("a webhead has limits")?;
    current.replace(limiting);
    Ok((watch, current))
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    foxhold_runtime::listen(address).with_context(|| format!("listening on {address}"))
}

/// The parts that are behind this process.
#[derive(Clone, Copy)]
struct Probed<'a> {
    store: &'a Part,
    keysigner: &'a Part,
    dbwriter: &'a Part,
    home: Option<&'a Part>,
}

/// Looks at what is behind this process now and then, for as long as it is polled.
async fn keep_probing(token_server: &TokenServer, probed: Probed<'_>) {
    loop {
        let found = token_server.dependencies().await;
        let parts = [
            (probed.store, found.database),
            (probed.keysigner, found.keysigner),
        ];
        let dbwriter = found.dbwriter.map(|condition| (probed.dbwriter, condition));
        let home = probed.home.map(|home| (home, found.home));
        for (part, condition) in parts.into_iter().chain(dbwriter).chain(home) {
            match condition {
                Condition::Ok => part.works(),
                Condition::Unknown => part.fails("no answer"),
            }
        }
        tokio::time::sleep(PROBE_PAUSE).await;
    }
}

/// The tiers behind that everything is done with.
struct Tiers {
    dbwriters: Balanced,
    dbwriter: Transport,
    signer: Arc<RemoteSigner>,
}

impl Tiers {
    fn reach(config: &Config, identity: &TlsIdentity) -> anyhow::Result<Self> {
        let dbwriters = channel("dbwriter", &config.dbwriter, identity, Role::Dbwriter)?;
        let keysigner = channel("keysigner", &config.keysigner, identity, Role::Keysigner)?;
        Ok(Self {
            dbwriter: transport(dbwriters.clone()),
            dbwriters,
            signer: Arc::new(RemoteSigner::new(transport(keysigner))),
        })
    }
}

impl Tiers {
    /// Where mail waits: the dbwriters keep it, and any webhead may send what no other has in hand.
    fn outbox(&self, readers: &Readers, deployment: &Deployment) -> SenderPorts {
        SenderPorts {
            outbox: Arc::new(RemoteOutbox::new(self.dbwriter.clone())),
            reader: Arc::clone(&readers.outbox),
            invitations: Arc::clone(&readers.invitations),
            templates: Arc::clone(&deployment.mail_templates) as _,
            key: Arc::new(OutboxKey::derive(&deployment.code_key)),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            is_alone: false,
        }
    }
}

/// The tiers behind, as ports.
fn ports(
    config: &Config,
    identity: &TlsIdentity,
    tiers: &Tiers,
    readers: Readers,
    mailer: Arc<dyn Mailer>,
) -> anyhow::Result<Ports> {
    let stretcher: Arc<dyn Stretcher> = match &config.stretcher {
        Some(settings) => {
            let stretcher = channel("stretcher", settings, identity, Role::Stretcher)?;
            Arc::new(RemoteStretcher::new(transport(stretcher)))
        }
        None => {
            let pool = PoolStretcher::start(config.stretch.limits(), Arc::new(SystemRandom));
            let pool = Arc::new(pool.context("`stretch.memory_mib`")?);
            metrics::follow_stretching(&pool, PoolStretcher::running_and_refused);
            pool
        }
    };
    Ok(Ports {
        account_reader: readers.accounts,
        account_writer: Arc::new(RemoteAccountWriter::new(tiers.dbwriter.clone())),
        account_guards: Arc::new(RemoteAccountGuards::new(tiers.dbwriter.clone())),
        command_reader: readers.commands,
        command_writer: Arc::new(RemoteCommandWriter::new(tiers.dbwriter.clone())),
        invitation_reader: readers.invitations,
        invitation_writer: Arc::new(RemoteInvitationWriter::new(tiers.dbwriter.clone())),
        assignment_reader: readers.assignments,
        assignment_writer: Arc::new(RemoteAssignmentWriter::new(tiers.dbwriter.clone())),
        signer: Arc::clone(&tiers.signer) as _,
        registry: readers.registry,
        grant_reader: readers.grants,
        grant_writer: Arc::new(RemoteGrantWriter::new(tiers.dbwriter.clone())),
        id_tokens: Arc::clone(&tiers.signer) as _,
        certificates: Arc::clone(&tiers.signer) as _,
        minter: Arc::clone(&tiers.signer) as _,
        public_keys: Arc::clone(&tiers.signer) as _,
        dbwriters: Some(Arc::new(tiers.dbwriters.clone())),
        stretcher,
        mailer,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
    })
}

/// The same for jobs, which take turns with those of other webheads.
fn job_ports(tiers: &Tiers, ports: &Ports) -> JobPorts {
    let (clock, random) = (Arc::clone(&ports.clock), Arc::clone(&ports.random));
    let outbound = Arc::new(Outbound::new());
    JobPorts {
        reader: Arc::clone(&ports.assignment_reader),
        writer: Arc::clone(&ports.assignment_writer),
        admin: Arc::new(RemoteAssignmentAdmin::new(tiers.dbwriter.clone())),
        minter: Arc::clone(&ports.minter),
        calls: Arc::new(HttpNodeCalls::new(
            outbound,
            Arc::clone(&clock),
            Arc::clone(&random),
        )),
        turns: Some(Arc::new(RemoteJobTurns::new(tiers.dbwriter.clone()))),
        clock,
        random,
    }
}

fn job_settings(config: &Config, deployment: &Deployment, clock: &Arc<dyn Clock>) -> JobSettings {
    JobSettings {
        purge: config.purge.clone(),
        node_health: config.node_health.clone(),
        node_health_by_default: true,
        metrics_key: Arc::clone(&deployment.metrics_key),
        own_domain: deployment.domain.clone(),
        home: Arc::new(deployment.home(clock)),
    }
}

fn channel(
    key: &str,
    settings: &ChannelSettings,
    identity: &TlsIdentity,
    role: Role,
) -> anyhow::Result<Balanced> {
    let tls = identity.client_config(Arc::new(SystemClock), role)?;
    let balanced = Balanced::new(settings.clone(), tls, &SystemRandom);
    let balanced = balanced.with_context(|| format!("`{key}.addresses`"))?;
    Ok(balanced.shown_as(role))
}
