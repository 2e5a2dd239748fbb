//! The private tier that holds the keys (`security.md` C): webheads order, it builds the claims itself, signs, checks
//! and releases. Used as a process of a fleet and, through [`LocalSigner`], inside the single box.
//!
//! What must stay true: it links no database driver and no rules of accounts or sync; it opens no connection outward;
//! no call takes bytes to sign or gives a private key.

mod config;
pub mod custody;
pub mod grpc;
pub mod keygen;
pub mod node_secrets;
pub mod policy;
mod serve;
pub mod signer;

pub use config::{Config, ConfigError, Environment};
pub use serve::{Keysigner, serve, watch};
pub use signer::{LocalSigner, SignerParts, SigningLimits};
