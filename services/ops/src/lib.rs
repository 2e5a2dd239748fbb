//! The operators' side of a deployment: services, nodes and users' records over an API of its own (`ecosystem.md` 3.1).
//!
//! What must stay true: nothing of it is ever on a public listener. Who may call is decided before a request is read: by
//! the mode of a Unix socket, or by a certificate of the role `operator`. Every change leaves a line in the audit log, and
//! no line names a user.
//!
//! Reading order: `wire` (what is said), `router` (who is let in, which routes there are), `routes` (what they do), `convert`
//! (between what is said and what the ports take), `write` (how intents are put), `serve` (a process of its own).

mod audit;
mod caller;
mod config;
mod convert;
mod cursor;
mod extract;
#[cfg(test)]
mod openapi;
pub mod process;
mod refused;
mod router;
mod routes;
mod serve;
mod store;
pub mod wire;
mod write;

pub use caller::Access;
pub use config::Config;
pub use convert::imported_user;
pub use router::{OpsLimits, OpsPorts, router};
pub use routes::{
    accounts::AccountPorts,
    invitations::{InvitationMailing, InvitationPorts},
};
pub use serve::{Ops, serve};
