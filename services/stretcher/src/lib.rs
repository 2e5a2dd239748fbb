//! Stretches passwords for the webheads, on machines of its own: 64 MiB and a core for an eighth of a second each, so
//! that a rush of logins starves nothing else (`security.md` A.3, A.4).
//!
//! What must stay true: it holds nothing, reaches nobody, and its memory is bounded by its configuration.

mod config;
pub mod process;
mod serve;

pub use config::{Config, PoolSettings};
pub use serve::{StretcherService, serve};
