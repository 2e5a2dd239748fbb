//! Benchmarks as ratios: each measures Foxhold beside a floor, the least that the same work can cost, in one run on one
//! machine, so that a figure means the same on any machine. `cargo run --release -p foxhold-loadtest -- all`.
//!
//! Servers run as processes of their own, because CPU time is read per process.

mod cpu;
mod exchange;
mod load;
mod logins;
mod rounds;
mod table;

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
    /// Logins, beside bare scrypt; with the memory of 300 at once.
    Logins(logins::Options),
    /// A server under measurement; started by the benchmarks themselves.
    #[command(hide = true)]
    Serve(exchange::ServeOptions),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::All => {
            exchange::run(&exchange::Options::default()).await?;
            logins::run(&logins::Options::default()).await
        }
        Benchmark::Exchange(options) => exchange::run(&options).await,
        Benchmark::Logins(options) => logins::run(&options).await,
        Benchmark::Serve(options) => exchange::serve(options).await,
    }
}
