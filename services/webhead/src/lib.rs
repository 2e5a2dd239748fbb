//! The webhead: everything a browser talks to. It reads the store itself and holds no private key.
//!
//! A request goes `extract` (who, with what) -> `routes` (which call) -> the accounts area (may they, what then) ->
//! `error` or JSON. `router` makes all public routes from an [`App`], so that the single box and a process of a fleet
//! serve the same.

pub mod accesses;
pub mod app;
pub mod assembly;
pub mod assertions;
pub mod client_address;
pub mod client_origins;
pub mod config;
pub mod error;
pub mod extract;
pub mod follow_ups;
pub mod foreign_oauth;
pub mod hawk;
mod headers;
pub mod home_domain;
pub mod issuer_documents;
pub mod jobs;
pub mod json;
pub mod key_set;
pub mod limits;
pub mod mail;
pub mod mail_templates;
mod page;
pub mod process;
pub mod qr;
mod query;
pub mod registration;
mod routes;
mod serve;
mod store;
pub mod token_server;
mod turns;

pub use app::{App, Site};
pub use config::Config;
pub use key_set::KeySetCache;
pub use routes::router;
pub use serve::{Webhead, private_side, serve};
