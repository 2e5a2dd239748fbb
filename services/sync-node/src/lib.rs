//! A Sync 1.5 storage node (`storage.md`): it keeps users' encrypted records and reads nothing but ciphertext.
//!
//! A request goes `edge` (order of checks) -> `action` (what it asks for) -> `handlers` -> `store` (SQLite), with the rules of
//! `foxhold_sync::storage` and the sender known by `foxhold_node_auth`. It knows the Token Server only by the secrets
//! they share.

mod action;
pub mod config;
mod cors;
mod disk;
mod edge;
mod handlers;
pub mod health;
pub mod node;
pub mod process;
mod reply;
mod route;
pub mod serve;
pub mod store;

use std::sync::Arc;

use axum::{Router, routing::any};

pub use config::Config;
pub use disk::used_percent;
pub use node::{CollectionLimits, NodeError, NodeSettings, SyncNode};
pub use serve::{HEAD_LEN_MAX, layered, serve};

/// The routes of the protocol, all under `{path of the node's name}/1.5/`: for a router that serves other things
/// beside them.
pub fn router(node: Arc<SyncNode>) -> Router {
    let root = format!("{}/1.5/", node.path_prefix());
    Router::new()
        .route(&root, any(edge::handle))
        .route(&format!("{root}{{*path}}"), any(edge::handle))
        .with_state(node)
}

/// The routes of a node that has a listener to itself: the protocol, health, and 404 in the protocol's form.
pub fn standalone_router(node: Arc<SyncNode>) -> Router {
    let health = Router::new()
        .route("/__heartbeat__", any(health::other_method).get(health::heartbeat))
        .route(
            "/__lbheartbeat__",
            any(health::other_method).get(health::lb_heartbeat),
        )
        .route("/__version__", any(health::other_method).get(health::version));
    health
        .fallback(edge::handle)
        .with_state(Arc::clone(&node))
        .merge(router(node))
}
