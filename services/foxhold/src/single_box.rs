//! The single box: all tiers in one process on one folder, plugged together without a network between them.
//!
//! Reading order: `settings` (what it is told), `setup` (what the first start makes), `store` (what must be in the
//! database), `parts` (adapters to rules), `serve` (listeners and the end), `greeting` (what its owner sees).

mod admin;
pub(crate) mod greeting;
pub(crate) mod look;
mod node_secret;
mod own_node;
mod parts;
mod serve;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod stopped;
mod store;

pub(crate) use {
    node_secret::NodeSecretError,
    parts::mail as mail_settings,
    serve::{Listeners, serve},
    store::SERVICE,
};
