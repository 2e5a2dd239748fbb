//! The only writer of the store (design, the tiers): takes intents over gRPC from webheads, and administration from
//! operators; the store's adapter carries them out.
//!
//! What must stay true: no answer leaves before the write is durable; nothing here decides about accounts or users; when
//! the process ends, intents that were begun are finished.

mod bootstrap;
mod config;
mod hooks;
pub mod process;
mod serve;
mod store;
mod watch;

pub use bootstrap::{
    AdmissionSetting, Bootstrap, BootstrapFault, NodeSettings, PoolSetting, PoolSettings, SchemeSetting,
    ServiceSettings, bootstrap,
};
pub use config::Config;
pub use serve::{Dbwriter, keep_pruning, serve};
