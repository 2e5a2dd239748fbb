//! Token exchange of returning users: the real router, behind the real HTTP edge and layers, beside the floor of
//! `design.md` 3.15: an in-memory server that verifies the same tokens and mints the same node tokens, and nothing else.
//!
//! Every user has a token of its own, signed beforehand. The measured requests follow one that assigned the user to a
//! node, so each is one read, no write and one mint. Minting is in process on both sides.

mod contender;
mod tokens;
mod world;

use std::{ffi::OsString, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use foxhold_testkit::work_folder::WorkFolder;

use crate::{
    load::{self, Requests, Until},
    rounds::{Sample, middle},
    server::Server,
    table,
};

pub(crate) use contender::{ServeOptions, serve};

/// How to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Users, each with a token of its own.
    #[arg(long, default_value_t = 4000)]
    users: usize,
    /// Connections at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 4)]
    secs: u64,
    /// Measurements of each contender.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            users: 4000,
            connections: 16,
            secs: 4,
            rounds: 5,
        }
    }
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// A bare axum answer.
    Bare,
    /// Verify, hash, mint, answer.
    Floor,
    /// The Token Server on the store in memory.
    Memory,
    /// The Token Server on SQLite.
    Sqlite,
}

impl Contender {
    const fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare axum answer",
            Self::Floor => "floor: verify, hash, mint",
            Self::Memory => "Token Server, store in memory",
            Self::Sqlite => "Token Server, SQLite",
        }
    }
}

/// Measures all contenders in turn and prints the table.
///
/// # Errors
/// When a server does not start or answers anything but 200.
pub(crate) async fn run(options: &Options) -> Result<()> {
    table::progress("exchange: signing tokens");
    let requests: Requests = tokens::requests(options.users)?.into();
    let work = WorkFolder::of("loadtest-exchange")?;
    let mut servers = Vec::new();
    for &contender in Contender::value_variants() {
        let name = contender.to_possible_value().context("no name")?;
        let arguments = ["serve-exchange", name.get_name(), "--folder"].map(OsString::from);
        let server = Server::start(arguments.into_iter().chain([work.path().into()])).await?;
        // The first exchange of each user assigns it; not measured.
        load::run(server.address, &requests, options.connections, Until::AllSent).await?;
        servers.push((contender, server, Vec::new()));
    }
    for round in 1..=options.rounds {
        table::progress(&format!("exchange: round {round} of {}", options.rounds));
        for (_, server, samples) in &mut servers {
            samples.push(measure(server, &requests, options).await?);
        }
    }
    let samples: Vec<_> = servers
        .into_iter()
        .filter_map(|(contender, _, samples)| Some((contender, middle(samples)?)))
        .collect();
    report(options, &samples)
}

fn report(options: &Options, samples: &[(Contender, Sample)]) -> Result<()> {
    let floor = samples
        .iter()
        .find(|(contender, _)| *contender == Contender::Floor)
        .context("no floor")?
        .1;
    let rows: Vec<Vec<String>> = samples
        .iter()
        .map(|(contender, sample)| {
            vec![
                contender.title().to_owned(),
                format!("{:.1}", sample.cpu_us),
                format!("{:.2}", sample.cpu_us / floor.cpu_us),
                format!("{:.0}", sample.per_sec),
                format!("{:.2}", sample.p50.as_secs_f64() * 1000.0),
                format!("{:.2}", sample.p99.as_secs_f64() * 1000.0),
            ]
        })
        .collect();
    let how = format!(
        "{} returning users with a token each, {} connections, one server thread, middle of {} rounds of {} s.",
        options.users, options.connections, options.rounds, options.secs
    );
    let head = [
        "server",
        "CPU µs a request",
        "× floor",
        "requests/s",
        "p50 ms",
        "p99 ms",
    ];
    table::print("Token exchange, returning users", &how, &head, &rows)?;
    Ok(())
}

async fn measure(server: &Server, requests: &Requests, options: &Options) -> Result<Sample> {
    let cpu_before = server.cpu_time()?;
    let until = Until::Elapsed(Duration::from_secs(options.secs));
    let load = load::run(server.address, requests, options.connections, until).await?;
    let cpu = server.cpu_time()?.saturating_sub(cpu_before);
    let answered = load.answered as f64;
    Ok(Sample {
        cpu_us: cpu.as_secs_f64() * 1_000_000.0 / answered,
        per_sec: answered / load.wall.as_secs_f64(),
        p50: load.percentile(50),
        p99: load.percentile(99),
    })
}
