//! Rules of the sync area: users to nodes, credentials to tokens, records in collections.
//!
//! [`storage`] holds the storage node's rules; the others are the Token Server's. The two share nothing. Rules are pure
//! functions over values, without clock, randomness or I/O; only [`exchange`] asks the ports, as the use case it is.

pub mod credential;
pub mod exchange;
pub mod key_id;
pub mod node_type;
pub mod scope;
pub mod state;
pub mod storage;

pub use exchange::{ExchangeError, exchange};
