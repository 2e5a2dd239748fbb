//! Rules of the sync area: users to nodes, credentials to tokens, records in collections.
//!
//! [`storage`] holds the storage node's rules; the others are the Token Server's. The two share nothing. Rules are pure
//! functions over values, without clock, randomness or I/O; only [`exchange`], [`events`] and [`jobs`] ask the ports, as the use
//! cases they are.

pub mod credential;
mod endpoint;
pub mod events;
pub mod exchange;
pub mod first_assignments;
pub mod jobs;
pub mod key_id;
pub mod node_type;
pub mod pools;
pub mod reason;
pub mod scope;
pub mod state;
pub mod storage;

pub use exchange::{ExchangeError, exchange};
