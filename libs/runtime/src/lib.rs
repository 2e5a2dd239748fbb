//! The shell of every Foxhold process: how it starts, stops, is configured and seen. Services call it from `main` and
//! `serve`; no rule of the business lives here.
//!
//! What must stay true: clock, randomness, environment and signals enter a process here and nowhere else.

pub mod callers;
pub mod certificates;
pub mod channel;
pub mod clock;
pub mod config;
pub mod crypto_provider;
pub mod grpc_server;
pub mod grpc_status;
pub mod health;
pub mod http_edge;
pub mod layers;
mod listener;
pub mod metrics;
pub mod peer;
pub mod private_tier;
pub mod process;
pub mod random;
pub mod shutdown;
mod slots;
mod spread;
pub mod store;
pub mod telemetry;
pub mod tls;
pub mod traces;
mod under_way;

pub use clock::SystemClock;
pub use health::Health;
pub use listener::listen;
pub use random::SystemRandom;
pub use shutdown::{Phase, Shutdown};
pub use under_way::{Begun, UnderWay};
