//! The servers under measurement, each in a process of its own with one thread for requests.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    routing::get,
};
use clap::Args;
use foxhold_core::{Clock, Random, SecretText, ServiceUid, random};
use foxhold_crypto::{
    access_token,
    node_secret::NodeSecret,
    node_token::{self, MetricsIds, NodeTokenClaims, fxa_kid},
    rsa_key::KeySet,
};
use foxhold_runtime::{
    Shutdown, SystemClock, SystemRandom,
    http_edge::{self, EdgeLimits},
    layers::{self, RequestLimits},
};
use foxhold_sync::key_id::KeyId;
use serde_json::{Value, json};

use super::{Contender, tokens, world};
use crate::{server::say_address, signatures};

/// Which server, and where it may put files.
#[derive(Args)]
pub(crate) struct ServeOptions {
    contender: Contender,
    #[arg(long)]
    folder: PathBuf,
    /// The keysigner of [`Contender::Remote`].
    #[arg(long)]
    signer: Option<SocketAddr>,
}

/// Serves until the process is ended; says its address first.
///
/// # Errors
/// When it cannot listen.
pub(crate) async fn serve(options: ServeOptions) -> Result<()> {
    // One thread, so that CPU time a request is not blurred by threads handing work to each other.
    let serving = std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(serve_here(&options))
    });
    tokio::task::spawn_blocking(move || serving.join())
        .await?
        .ok()
        .context("the server panicked")?
}

async fn serve_here(options: &ServeOptions) -> Result<()> {
    let contender = options.contender;
    let listener = foxhold_runtime::listen((Ipv4Addr::LOCALHOST, 0).into())?;
    let address = listener.local_addr()?;
    let router = match contender {
        Contender::Bare => Router::new().route("/1.0/sync/1.5", get(|| async { Json(json!({})) })),
        Contender::Floor => floor()?,
        Contender::Memory => world::memory().await?,
        Contender::Sqlite => world::sqlite(&options.folder).await?,
        Contender::Remote => {
            let address = options.signer.context("no signer")?;
            world::remote(Arc::new(signatures::client(address, &options.folder)?)).await?
        }
    };
    say_address(address)?;
    match contender {
        Contender::Bare | Contender::Floor => axum::serve(listener, router).await?,
        Contender::Memory | Contender::Sqlite | Contender::Remote => {
            let router = layers::public(router, RequestLimits::default(), Arc::new(SystemRandom));
            http_edge::serve(listener, router, EdgeLimits::default(), Shutdown::new()).await;
        }
    }
    Ok(())
}

/// What the floor knows.
struct Floor {
    keys: KeySet,
    metrics_key: SecretText,
    node_secret: NodeSecret,
}

fn floor() -> Result<Router> {
    let floor = Floor {
        keys: tokens::key_set()?,
        metrics_key: SecretText::new(world::METRICS_KEY.to_owned()),
        node_secret: NodeSecret::new(SecretText::new(world::NODE_SECRET.to_owned())),
    };
    Ok(Router::new()
        .route("/1.0/sync/1.5", get(exchange))
        .with_state(Arc::new(floor)))
}

async fn exchange(State(floor): State<Arc<Floor>>, headers: HeaderMap) -> Result<Json<Value>, StatusCode> {
    mint(&floor, &headers).map(Json).ok_or(StatusCode::UNAUTHORIZED)
}

fn mint(floor: &Floor, headers: &HeaderMap) -> Option<Value> {
    let now = SystemClock.now();
    let bearer = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")?;
    let token = access_token::check(bearer, &floor.keys, now).ok()?;
    let key_id = KeyId::parse(headers.get("x-keyid")?.to_str().ok()?).ok()?;
    let metrics = MetricsIds::derive(&floor.metrics_key, &token.subject, None);
    let hashed_fxa_uid = metrics.hashed_fxa_uid().to_owned();
    let uid = ServiceUid::new(1)?;
    let claims = NodeTokenClaims {
        node: world::NODE.to_owned(),
        fxa_kid: fxa_kid(key_id.keys_changed_at?.get(), key_id.client_state.as_bytes()),
        fxa_uid: token.subject,
        hashed_device_id: metrics.hashed_device_id,
        hashed_fxa_uid: hashed_fxa_uid.clone(),
        expires_secs: now.as_secs() + 3600,
        uid,
        salt: random::bytes(&SystemRandom as &dyn Random),
    };
    let minted = node_token::mint(&claims, &floor.node_secret);
    Some(json!({
        "id": minted.token,
        "key": minted.key.expose(),
        "uid": uid.get(),
        "api_endpoint": format!("{}/1.5/{uid}", world::NODE),
        "duration": 3600,
        "hashalg": "sha256",
        "hashed_fxa_uid": hashed_fxa_uid,
        "node_type": null,
    }))
}
