//! The private tiers as a fleet runs them: real listeners and channels with mutual TLS on loopback, around in-memory and
//! SQLite adapters.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "fleet/callers.rs"]
mod callers;
#[path = "fleet/conformance.rs"]
mod conformance;
#[path = "fleet/failover.rs"]
mod failover;
#[path = "fleet/hostile.rs"]
mod hostile;
#[path = "fleet/operators.rs"]
mod operators;
#[path = "fleet/support.rs"]
mod support;
