//! The admin API as a process of its own, from start to end: bind, open the store for reading, reach dbwriters and
//! keysigners, serve, drain.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use foxhold_core::Deadline;
use foxhold_node_calls::HttpNodeCalls;
use foxhold_outbound::Outbound;
use foxhold_pool::{JOB_MEMORY, PoolLimits, PoolStretcher};
use foxhold_ports::AssignmentReader;
use foxhold_rpc::client::{
    RemoteAccountAdmin, RemoteAssignmentAdmin, RemoteAssignmentWriter, RemoteClientAdmin,
    RemoteInvitationWriter, RemoteOperatorWriter, RemoteOutbox, RemoteSigner, Transport, transport,
};
use foxhold_runtime::{
    Health, Shutdown, SystemClock, SystemRandom, UnderWay,
    channel::{Balanced, ChannelSettings},
    config::Secrets,
    health::{Need, Part, private_router},
    http_edge::{self, EdgeLimits},
    layers, telemetry,
    tls::{Following, Role, TlsIdentity},
};
use rustls::ServerConfig;
use tokio::net::TcpListener;

use crate::{
    Access, AccountPorts, InvitationMailing, InvitationPorts, OpsPorts,
    config::{AccountSettings, Config, Prepared},
    router,
    store::{self, Readers},
};

/// How often the store is looked at for the health answers, and how long that may take.
const PROBE_PAUSE: Duration = Duration::from_secs(5);

/// Serves until `shutdown`.
///
/// # Errors
/// Whatever keeps it from serving; the message names the key or file.
pub async fn serve(config: Config, secrets: &Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
    Ops::open(config, secrets, &shutdown).await?.serve(shutdown).await;
    Ok(())
}

/// An admin API that is bound and has its parts open.
pub struct Ops {
    listener: TcpListener,
    address: SocketAddr,
    private: Option<TcpListener>,
    tls: Arc<ServerConfig>,
    router: Router,
    reader: Arc<dyn AssignmentReader>,
    under_way: UnderWay,
    health: Health,
    store: Part,
    certificate: Following,
}

impl Ops {
    /// Binds, opens the store and makes the ways to the private tiers, without calling them yet.
    ///
    /// # Errors
    /// Whatever keeps it from serving; the message names the key or file.
    pub async fn open(config: Config, secrets: &Secrets, shutdown: &Shutdown) -> anyhow::Result<Self> {
        let prepared = config.prepare(secrets)?;
        let (identity, certificate) = TlsIdentity::load_following(&config.tls, secrets)?;
        anyhow::ensure!(
            identity.id().role() == Role::Ops,
            "`tls`: the own certificate is of the role {}, not ops",
            identity.id().role()
        );
        let listener = bind(config.listen).await?;
        let private = match config.private_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let address = listener.local_addr().context("reading the listener's address")?;
        telemetry::place(Some(identity.id().region()), address);
        let health = Health::new(shutdown);
        let store = health.part("store", Need::Required);
        let ports = reach(&config, &identity, prepared, shutdown).await?;
        Ok(Self {
            listener,
            address,
            private,
            tls: identity.http_server_config(Arc::new(SystemClock))?,
            reader: Arc::clone(&ports.reader),
            under_way: ports.under_way.clone(),
            router: router(ports, Access::Operators),
            health,
            store,
            certificate,
        })
    }

    /// Where it is served.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its health is served, if anywhere.
    #[must_use]
    pub fn private_address(&self) -> Option<SocketAddr> {
        self.private.as_ref()?.local_addr().ok()
    }

    /// Serves until `shutdown`, then finishes what was begun.
    pub async fn serve(self, shutdown: Shutdown) {
        tracing::info!(listen = %self.address, "serving");
        let limits = EdgeLimits::default();
        let private = async {
            let Some(listener) = self.private else { return };
            let router = layers::private(private_router(&self.health), Arc::new(SystemRandom));
            http_edge::serve(listener, router, limits, shutdown.clone()).await;
        };
        let (listener, tls) = (self.listener, self.tls);
        let operators =
            http_edge::serve_with_certificates(listener, tls, self.router, limits, shutdown.clone());
        let listeners = async { tokio::join!(operators, private).0 };
        tokio::select! {
            drained = listeners => tracing::info!(cut = drained.cut, "stopped"),
            () = keep_probing(&*self.reader, &self.store) => {}
            never = self.certificate.run() => never,
        }
        let early = self.under_way.count();
        if early > 0 {
            tracing::warn!(
                early,
                "second looks at deleted users come before requests of webheads are over, which may still give one a record; \
                 the same deletion again, by the account's uid, looks again"
            );
        }
        self.under_way.ended().await;
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address}"))
}

/// Looks at the store now and then, for as long as it is polled.
async fn keep_probing(reader: &dyn AssignmentReader, store: &Part) {
    loop {
        match reader.services(Deadline::after(PROBE_PAUSE)).await {
            Ok(_) => store.works(),
            Err(error) => store.fails(&format!("no answer: {}", error.0)),
        }
        tokio::time::sleep(PROBE_PAUSE).await;
    }
}

/// The store and the tiers behind, as ports.
async fn reach(
    config: &Config,
    identity: &TlsIdentity,
    prepared: Prepared,
    shutdown: &Shutdown,
) -> anyhow::Result<OpsPorts> {
    let dbwriter = channel("dbwriter", &config.dbwriter, identity, Role::Dbwriter)?;
    let keysigner = channel("keysigner", &config.keysigner, identity, Role::Keysigner)?;
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let calls = HttpNodeCalls::new(Arc::new(Outbound::new()), clock.clone(), random.clone());
    let readers = store::open(prepared.store).await?;
    let accounts = prepared
        .accounts
        .map(|settings| accounts(settings, &readers, &dbwriter))
        .transpose()?;
    let invitation_reader = readers.invitations;
    let invitation_writer = Arc::new(RemoteInvitationWriter::new(dbwriter.clone()));
    let outbox = RemoteOutbox::new(dbwriter.clone());
    let invitations = prepared.invitations.map(|settings| InvitationPorts {
        reader: invitation_reader,
        writer: invitation_writer,
        code_key: settings.code_key,
        root: settings.root,
        mailing: if settings.mail {
            InvitationMailing::Outbox(Arc::new(outbox))
        } else {
            InvitationMailing::Off("`mail = true` in [invitations], where webheads send mail")
        },
    });
    Ok(OpsPorts {
        accounts,
        invitations,
        reader: readers.assignments,
        registry: readers.registry,
        clients: Arc::new(RemoteClientAdmin::new(dbwriter.clone())),
        writer: Arc::new(RemoteAssignmentWriter::new(dbwriter.clone())),
        admin: Arc::new(RemoteAssignmentAdmin::new(dbwriter)),
        minter: Arc::new(RemoteSigner::new(keysigner)),
        node_calls: Arc::new(calls),
        clock,
        random,
        metrics_key: prepared.metrics_key,
        by_uid: prepared.by_uid,
        limits: prepared.limits,
        shutdown: shutdown.clone(),
        under_way: UnderWay::default(),
    })
}

/// What accounts are administered with. New ones are few: one password is stretched at a time.
fn accounts(
    settings: AccountSettings,
    readers: &Readers,
    dbwriter: &Transport,
) -> anyhow::Result<AccountPorts> {
    let limits = PoolLimits::of_machine(JOB_MEMORY);
    let stretcher = PoolStretcher::start(limits, Arc::new(SystemRandom)).context("`[accounts]`")?;
    Ok(AccountPorts {
        reader: Arc::clone(&readers.accounts),
        directory: Arc::clone(&readers.directory),
        writer: Arc::new(RemoteOperatorWriter::new(dbwriter.clone())),
        admin: Arc::new(RemoteAccountAdmin::new(dbwriter.clone())),
        stretcher: Arc::new(stretcher),
        code_key: settings.code_key,
        domain: settings.domain,
        root: settings.root,
        region: readers.region,
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
    let balanced = balanced.with_context(|| format!("`{key}.addresses`"))?;
    Ok(transport(balanced.shown_as(role)))
}
