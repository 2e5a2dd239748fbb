//! The private tiers over gRPC: what their ports look like on the wire, and back.
//!
//! Services plug adapters into [`server`], webheads take the remote adapters of [`client`]. What must stay true: no
//! generated type leaves this crate; every error crosses as one row of [`status`] and comes back as what it was; what a
//! client cannot know is *unknown*, never *not done*.

pub mod client;
mod convert;
pub mod server;
pub mod status;
pub mod trace;
mod wire;

pub use convert::FieldError;
pub use wire::METHODS;
