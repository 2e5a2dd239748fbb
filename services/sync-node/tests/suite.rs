//! The storage node over its router, in process, on real SQLite files: what a client sees, what survives, what races.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, unreachable_pub, reason = "a test binary has no public surface")]

mod suite {
    pub mod bench;

    mod bad_input;
    mod batches;
    mod concurrency;
    mod durability;
    mod firefox;
    mod health;
    mod lists;
    mod metrics;
    mod quota;
    mod records;
}
