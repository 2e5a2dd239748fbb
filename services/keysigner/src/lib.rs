//! The private tier that holds the keys (`security.md` C): webheads order, it builds the claims itself, signs, checks
//! and releases. Used as a process of a fleet and, through [`LocalSigner`], inside the single box.
//!
//! Each decision with the provider's key is in [`audit`]'s log before its signature leaves.
//!
//! What must stay true: it links no database driver and no rules of accounts or sync; it opens no connection outward;
//! no call takes bytes to sign or gives a private key.

pub mod audit;
mod checkpoint;
mod config;
pub mod custody;
pub mod grpc;
pub mod keygen;
pub mod node_secrets;
pub mod policy;
pub mod process;
pub mod rotation;
mod serve;
pub mod signer;

pub use config::{Config, ConfigError, Environment};
pub use serve::{Keysigner, serve, watch};
pub use signer::{LocalSigner, SignerParts, SigningLimits};
