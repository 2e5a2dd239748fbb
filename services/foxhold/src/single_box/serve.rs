//! A box from start to end: bind, greet, serve both sides, drain, close.

use std::{io::Write, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::Router;
use foxhold_keysigner::signer::LocalSigner;
use foxhold_runtime::{
    Shutdown, SystemClock,
    config::FileWatch,
    health,
    http_edge::{self, EdgeLimits},
    metrics, shutdown,
    telemetry::{self, Levels},
};
use foxhold_store_sqlite::SqliteStore;
use foxhold_sync_node::SyncNode;
use foxhold_webhead::{
    App,
    limits::live::{self as live_limits, CurrentLimits},
    registration::{self, CurrentRegistration},
};
use tokio::net::TcpListener;
use url::Url;

use super::{
    admin::{self, AdminSocket},
    greeting::greeting,
    parts,
    settings::{Settings, Told},
    setup,
};
use crate::data_folder::DataFolder;

/// Storage requests in work at once.
const STORAGE_REQUESTS_MAX: usize = 1024;
/// How often what has expired is removed.
const PRUNE_INTERVAL: Duration = Duration::from_secs(3600);
/// How long a stopping box finishes what it has begun. Nobody stands behind a balancer here, so it does not wait first.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Where a box is reached, before it serves.
pub(crate) struct Listeners {
    public: TcpListener,
    private: TcpListener,
}

impl Listeners {
    /// Binds. Comes before anything is made: an address in use is the likeliest fault, and leaves nothing behind.
    pub(crate) fn bind(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self {
            public: bind("--listen", settings.listen)?,
            private: bind("--private-listen", settings.private_listen)?,
        })
    }
}

/// Serves the folder until a signal.
pub(crate) async fn serve(
    folder: DataFolder,
    listeners: Listeners,
    settings: Settings,
    site: Url,
    told: &Told<'_>,
    levels: &Levels,
) -> anyhow::Result<()> {
    metrics::start("up", env!("CARGO_PKG_VERSION"));
    let shutdown = Shutdown::new();
    shutdown::listen_for_signals(&shutdown, Duration::ZERO).context("listening for signals")?;
    shutdown::look_on_hangup().context("listening for SIGHUP")?;
    let keeps_config = folder.config().exists();
    let keys = setup::complete(&folder, &settings, &site)?;
    let parts = parts::open(&folder, &settings, &keys, &site, &shutdown).await?;
    let health = parts.app.health.clone();
    let signing = health.part("keysigner", health::Need::Required);
    probe(&parts.signer).await?;
    let address = listeners.public.local_addr();
    telemetry::place(None, address.context("reading the listener's address")?);
    let edge = edge();
    let storage = storage_routes(&parts.node);
    let (watch, registration) = watch_registration(told, &parts.app)?;
    let log_watch = watch_levels(told, levels)?;
    let (limits_watch, limits) = watch_limits(told, &parts.app)?;
    let token_server = parts.app.token_server.clone();
    let token_server = token_server.context("a box serves tokens")?;
    let follow_ups = parts.app.follow_ups.clone();
    let clients = admin::ClientPorts {
        registry: Arc::clone(&parts.app.accounts.openid.registry),
        clients: Arc::clone(&parts.store) as _,
    };
    let router = foxhold_webhead::router(parts.app).merge(storage);
    let (job_ports, job_settings) = parts.jobs;
    let of_accounts = (parts.accounts, parts.invitations);
    let of_the_end = (&shutdown, follow_ups.under_way());
    let admin_ports = admin::ports(&job_ports, clients, &job_settings, of_accounts, of_the_end);
    let admin_socket = AdminSocket::bind(&folder)?;
    let jobs = foxhold_webhead::jobs::start(job_ports, job_settings, &shutdown);
    let private_router = foxhold_webhead::private_side(&health, parts.mailbox);
    show(&greeting(&folder, keeps_config, &settings, &site))?;
    signing.works();
    let served = async {
        tokio::join!(
            http_edge::serve(listeners.public, router, edge, shutdown.clone()),
            http_edge::serve(listeners.private, private_router, edge, shutdown.clone()),
            admin_socket.serve(admin_ports, edge, shutdown.clone()),
        )
    };
    tokio::select! {
        (drained, ..) = served => tracing::info!(cut = drained.cut, "stopped"),
        () = parts.node.keep_sweeping() => {}
        () = token_server.keep_node_gauges() => {}
        () = registration::keep_fresh(&watch, &registration, || told.registration()) => {}
        () = levels.keep_fresh(&log_watch, || told.log()) => {}
        () = live_limits::keep_fresh(&limits_watch, &limits, || told.limits()) => {}
        () = foxhold_keysigner::watch(&parts.signer, &signing) => {}
        () = parts.node_secret.keep_fresh(&parts.node, &parts.signer) => {}
        () = foxhold_dbwriter::keep_pruning(&parts.store, &SystemClock, PRUNE_INTERVAL) => {}
    }
    follow_ups.ended().await;
    jobs.ended().await;
    if let Some(sender) = parts.sender {
        sender.end().await;
    }
    parts.stretcher.end().await;
    parts.signer.end().await;
    close(parts.store, parts.node).await?;
    drop(folder);
    show("foxhold has stopped\n")
}

/// What a connection may do: heads are as long as the node allows.
fn edge() -> EdgeLimits {
    EdgeLimits {
        head_len_max: foxhold_sync_node::HEAD_LEN_MAX,
        drain_timeout: DRAIN_TIMEOUT,
        ..EdgeLimits::default()
    }
}

/// A box whose keys cannot sign is not served.
async fn probe(signer: &LocalSigner) -> anyhow::Result<()> {
    signer.probe().await;
    match signer.fault() {
        Some(fault) => anyhow::bail!(fault),
        None => Ok(()),
    }
}

fn storage_routes(node: &Arc<SyncNode>) -> Router {
    let routes = foxhold_sync_node::router(Arc::clone(node));
    foxhold_sync_node::layered(routes, node, STORAGE_REQUESTS_MAX)
}

/// Finishes the waiting writes and closes the files; blocks meanwhile.
async fn close(store: Arc<SqliteStore>, node: Arc<SyncNode>) -> anyhow::Result<()> {
    let closing = tokio::task::spawn_blocking(move || {
        store.close();
        drop(node);
    });
    closing.await.context("closing the store")
}

/// Puts the rules in force as the file has them from now on: it is there since the first start made it.
fn watch_registration(told: &Told<'_>, app: &App) -> anyhow::Result<(FileWatch, Arc<CurrentRegistration>)> {
    let files = vec![told.file.clone()];
    let (watch, rules) = FileWatch::of_paths(registration::PART, files, || told.registration())?;
    let current = Arc::clone(&app.accounts.registration);
    current.replace(rules);
    Ok((watch, current))
}

/// The same for the levels of the log.
fn watch_levels(told: &Told<'_>, levels: &Levels) -> anyhow::Result<FileWatch> {
    let files = vec![told.file.clone()];
    let (watch, log) = FileWatch::of_paths(telemetry::PART, files, || told.log())?;
    levels.set(&log)?;
    Ok(watch)
}

/// The same for the limits.
fn watch_limits(told: &Told<'_>, app: &App) -> anyhow::Result<(FileWatch, CurrentLimits)> {
    let files = vec![told.file.clone()];
    let (watch, limiting) = FileWatch::of_paths(live_limits::PART, files, || told.limits())?;
    let current = app.limits.clone().context("a box has limits")?;
    current.replace(limiting);
    Ok((watch, current))
}

fn bind(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    foxhold_runtime::listen(address).with_context(|| {
        format!("listening on {address}\nfix: give a free address of this machine with {flag}")
    })
}

fn show(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .context("writing to the terminal")
}
