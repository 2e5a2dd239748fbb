//! Requests to servers outside of the deployment: an issuer's keys, another server's opinion of a token.
//!
//! Called by the webhead's adapters. What must stay true (`security.md` E.2): a name is resolved once and the connection
//! goes to just that address; where a stranger chose the name, no packet leaves for an address that is not public; no
//! redirect is followed, no encoding undone, and no answer is longer or later than the caller allows.

mod address;
mod client;
mod target;

pub use address::is_public;
pub use client::{Answer, Content, Outbound, OutboundError, Resolver, SystemResolver};
pub use target::{Reach, Target, TargetError};
