//! A storage node as a process of its own: opens the node, listens, drains, closes.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use axum::{Router, response::Response};
use foxhold_core::Clock as _;
use foxhold_runtime::{
    Health, Phase, Shutdown, SystemClock, SystemRandom,
    config::{FileWatch, Secrets, next_look},
    health::{Need, Part, private_router},
    http_edge::{self, EdgeLimits},
    layers::{self, RequestLimits},
    telemetry,
};
use foxhold_sync::storage::{Refusal, Tick};

use crate::{
    Config,
    node::SyncNode,
    reply::{Reply, X_WEAVE_BACKOFF},
    standalone_router,
};

/// Longest head of a request to a node: 100 percent-encoded ids fit (`storage.md` 11).
pub const HEAD_LEN_MAX: usize = 32 * 1024;
/// What clients are asked to wait while the node drains.
const DRAIN_BACKOFF: Duration = Duration::from_secs(300);
/// Between two looks at the shards.
const PROBE_PAUSE: Duration = Duration::from_secs(10);

/// Opens the node and serves it until `shutdown`.
///
/// # Errors
/// Whatever keeps the node from serving; the message names the key or file.
pub async fn serve(config: Config, secrets: &Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
    let watched = config.secret_files.clone();
    let (watch, auth) = FileWatch::reading("node_secrets", secrets, watched, || config.auth(secrets))?;
    let settings = config.settings();
    let node = tokio::task::spawn_blocking(move || {
        SyncNode::open(settings, auth, Arc::new(SystemClock), Arc::new(SystemRandom))
    });
    let node = Arc::new(
        node.await
            .context("opening the node")?
            .context("opening the node")?,
    );
    let listener = foxhold_runtime::listen(config.listen);
    let listener = listener.with_context(|| format!("listening on {}", config.listen))?;
    let health = Health::new(&shutdown);
    let part = health.part("store", Need::Required);
    node.probe().await.context("probing the shards")?;
    part.works();
    let address = listener.local_addr().context("reading the listener's address")?;
    telemetry::place(None, address);
    tracing::info!(listen = %address, "serving");
    let router = layered(standalone_router(Arc::clone(&node)), &node, config.requests_max);
    let edge_limits = EdgeLimits {
        head_len_max: HEAD_LEN_MAX,
        ..EdgeLimits::default()
    };
    let listeners = async {
        let public = async { Ok(http_edge::serve(listener, router, edge_limits, shutdown.clone()).await) };
        tokio::try_join!(public, serve_private(&config, &health, &shutdown)).map(|(drained, ())| drained)
    };
    let background = async {
        tokio::join!(
            node.keep_sweeping(),
            keep_probing(&node, &part),
            keep_secrets_fresh(&node, &watch, &config, secrets),
            announce_drain(&node, &shutdown)
        )
    };
    let drained = tokio::select! {
        drained = listeners => drained?,
        _ = background => anyhow::bail!("the background work never ends"),
    };
    tracing::info!(cut = drained.cut, "stopped");
    // Finishes the waiting writes and closes the files; blocks meanwhile.
    tokio::task::spawn_blocking(move || drop(node))
        .await
        .context("closing the node")
}

/// Wraps routes of `node` in the public layers: at most `requests_max` at once, bodies up to the node's limit, and
/// refusals in the protocol's form.
pub fn layered(router: Router, node: &SyncNode, requests_max: usize) -> Router {
    let limits = RequestLimits {
        in_work_max: requests_max,
        body_len_max: usize::try_from(node.settings.limits.max_request_bytes).unwrap_or(usize::MAX),
        retry_after_secs: 10,
        overloaded,
        ..RequestLimits::default()
    };
    layers::public(router, limits, Arc::clone(&node.random))
}

async fn serve_private(config: &Config, health: &Health, shutdown: &Shutdown) -> anyhow::Result<()> {
    let Some(address) = config.private_listen else {
        return Ok(());
    };
    let listener = foxhold_runtime::listen(address).with_context(|| format!("listening on {address}"))?;
    let router = layers::private(private_router(health), Arc::new(SystemRandom));
    http_edge::serve(listener, router, EdgeLimits::default(), shutdown.clone()).await;
    Ok(())
}

/// Reports for as long as the process lives whether the shards can be read and written.
async fn keep_probing(node: &SyncNode, part: &Part) {
    loop {
        tokio::time::sleep(PROBE_PAUSE).await;
        match node.probe().await {
            Ok(()) => part.works(),
            Err(error) => part.fails(&error.to_string()),
        }
    }
}

/// Takes over what changes in the secrets' files, for as long as the process lives. What the orders of node and signer
/// lead to is told where the signer does the same (`services/keysigner/src/node_secrets.rs`).
async fn keep_secrets_fresh(node: &SyncNode, watch: &FileWatch, config: &Config, secrets: &Secrets) {
    loop {
        next_look().await;
        if let Some(fresh) = watch.look(|| config.node_secrets(secrets)) {
            node.replace_secrets(fresh);
        }
    }
}

/// Tells clients to stay away from the moment the end begins.
async fn announce_drain(node: &SyncNode, shutdown: &Shutdown) {
    shutdown.reached(Phase::Draining).await;
    node.set_backoff(DRAIN_BACKOFF);
}

/// The protocol's form of "too much to do"; the layer adds `Retry-After`.
fn overloaded(_path: &str, retry_after_secs: u64) -> Response {
    let now = Tick::from_timestamp(SystemClock.now());
    let mut reply = Reply::refusal(Refusal::Busy);
    reply.set(X_WEAVE_BACKOFF, &retry_after_secs.to_string());
    reply.into_response(now, false)
}
