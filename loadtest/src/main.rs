//! Benchmarks as ratios: each measures Foxhold beside a floor, the least that the same work can cost, in one run on one
//! machine, so that a figure means the same on any machine. `cargo run --release -p foxhold-loadtest -- all`.
//!
//! Servers run as processes of their own, because CPU time is read per process.

mod allocations;
mod cassandra;
mod cpu;
mod exchange;
mod load;
mod logins;
mod rounds;
mod server;
mod sessions;
mod signatures;
mod table;
mod tally;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures what Foxhold costs beside the least it could cost.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Every benchmark, one after the other.
    All,
    /// Token exchange of returning users, beside the same cryptography without Foxhold.
    Exchange(exchange::Options),
    /// First assignments of users nobody has seen before, on SQLite, beside SQLite alone.
    Allocations(allocations::Options),
    /// Reads that a session authenticates, on a running single box, beside a bare axum answer.
    Sessions(sessions::Options),
    /// Access tokens and certificates signed by the keysigner over gRPC and mutual TLS, beside a minimal tonic signer.
    Signatures(signatures::Options),
    /// Logins, beside bare scrypt; with the memory of 300 at once, and ten times as many as get in.
    Logins(logins::Options),
    /// The exchange and first assignments over three Cassandra nodes, beside the driver alone.
    Cassandra(cassandra::Options),
    /// A server under measurement; started by the benchmarks themselves.
    #[command(hide = true)]
    ServeExchange(exchange::ServeOptions),
    /// A server under measurement; started by the benchmarks themselves.
    #[command(hide = true)]
    ServeSigner(signatures::ServeOptions),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::All => {
            exchange::run(&exchange::Options::default()).await?;
            allocations::run(&allocations::Options::default()).await?;
            sessions::run(&sessions::Options::default()).await?;
            signatures::run(&signatures::Options::default()).await?;
            logins::run(&logins::Options::default()).await
        }
        Benchmark::Allocations(options) => allocations::run(&options).await,
        Benchmark::Cassandra(options) => cassandra::run(&options).await,
        Benchmark::Exchange(options) => exchange::run(&options).await,
        Benchmark::Logins(options) => logins::run(&options).await,
        Benchmark::Sessions(options) => sessions::run(&options).await,
        Benchmark::Signatures(options) => signatures::run(&options).await,
        Benchmark::ServeExchange(options) => exchange::serve(options).await,
        Benchmark::ServeSigner(options) => signatures::serve(options).await,
    }
}
