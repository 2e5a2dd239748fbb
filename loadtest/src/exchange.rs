//! Token exchange of returning users: the real router, behind the real HTTP edge and layers, beside the floor of
//! `design.md` 3.15: an in-memory server that verifies the same tokens and mints the same node tokens, and nothing else.
//!
//! Every user has a token of its own, signed beforehand. The measured requests follow one that assigned the user to a
//! node, so each is one read, no write and one mint. Minting is in process on both sides.

mod contender;
mod tokens;
mod world;

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use foxhold_testkit::work_folder::WorkFolder;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    cpu,
    load::{self, Requests, Until},
    rounds::{Sample, middle},
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
    for contender in Contender::value_variants() {
        let server = Server::start(*contender, work.path()).await?;
        // The first exchange of each user assigns it; not measured.
        load::run(server.address, &requests, options.connections, Until::AllSent).await?;
        servers.push((server, Vec::new()));
    }
    for round in 1..=options.rounds {
        table::progress(&format!("exchange: round {round} of {}", options.rounds));
        for (server, samples) in &mut servers {
            samples.push(server.measure(&requests, options).await?);
        }
    }
    let samples: Vec<_> = servers
        .into_iter()
        .filter_map(|(server, samples)| Some((server.contender, middle(samples)?)))
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

/// A contender's process.
struct Server {
    contender: Contender,
    address: SocketAddr,
    process: Child,
}

impl Server {
    async fn start(contender: Contender, work: &std::path::Path) -> Result<Self> {
        let name = contender.to_possible_value().context("no name")?;
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", name.get_name(), "--folder"])
            .arg(work)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let output = process.stdout.take().context("no output")?;
        let line = BufReader::new(output)
            .lines()
            .next_line()
            .await?
            .context("the server ended")?;
        Ok(Self {
            contender,
            address: line.parse()?,
            process,
        })
    }

    async fn measure(&self, requests: &Requests, options: &Options) -> Result<Sample> {
        let id = self.process.id().context("the server ended")?;
        let cpu_before = cpu::time_of(id)?;
        let until = Until::Elapsed(Duration::from_secs(options.secs));
        let load = load::run(self.address, requests, options.connections, until).await?;
        let cpu = cpu::time_of(id)?.saturating_sub(cpu_before);
        let answered = load.answered as f64;
        Ok(Sample {
            cpu_us: cpu.as_secs_f64() * 1_000_000.0 / answered,
            per_sec: answered / load.wall.as_secs_f64(),
            p50: load.percentile(50),
            p99: load.percentile(99),
        })
    }
}
