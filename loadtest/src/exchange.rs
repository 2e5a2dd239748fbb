//! Token exchange of returning users: the real router, behind the real HTTP edge and layers, beside the floor of
//! `design.md` 3.15: an in-memory server that verifies the same tokens and mints the same node tokens, and nothing else.
//!
//! Every user has a token of its own, signed beforehand. The measured requests follow one that assigned the user to a
//! node, so each is one read, no write and one mint. Minting is in process on both sides.

mod contender;
mod pressure;
pub(crate) mod tokens;
pub(crate) mod world;

use std::{ffi::OsString, path::Path, time::Duration};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use foxhold_testkit::work_folder::WorkFolder;

use crate::{
    load::{self, Requests, Until},
    rounds::{Sample, middle},
    server::Server,
    signatures, table,
};

pub(crate) use contender::{ServeOptions, serve};

/// How to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Users, each with a token of its own.
    #[arg(long, default_value_t = 100_000)]
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
            users: 100_000,
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
    /// The Token Server on the store in memory, minting at a keysigner over gRPC and mutual TLS.
    Remote,
}

impl Contender {
    const fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare axum answer",
            Self::Floor => "floor: verify, hash, mint",
            Self::Memory => "Token Server, store in memory",
            Self::Sqlite => "Token Server, SQLite",
            Self::Remote => "Token Server, store in memory, keysigner of its own",
        }
    }
}

/// A server under measurement, with the signer that works for it, if that is another process.
struct Contestant {
    contender: Contender,
    server: Server,
    signer: Option<Server>,
    samples: Vec<Sample>,
}

/// Measures all contenders in turn and prints the tables.
///
/// # Errors
/// When a server does not start or answers anything but what it should.
pub(crate) async fn run(options: &Options) -> Result<()> {
    table::progress("exchange: signing tokens");
    let requests = Requests::served(tokens::requests(options.users)?);
    let work = WorkFolder::of("loadtest-exchange")?;
    let mut contestants = Vec::new();
    for &contender in Contender::value_variants() {
        let contestant = Contestant::start(contender, work.path()).await?;
        table::progress(&format!("exchange: first requests, {}", contender.title()));
        let address = contestant.server.address;
        // The first exchange of each user assigns it; not measured.
        load::run(address, &requests, options.connections, Until::AllSent).await?;
        contestants.push(contestant);
    }
    let mut verifications = Vec::new();
    for round in 1..=options.rounds {
        table::progress(&format!("exchange: round {round} of {}", options.rounds));
        verifications.push(tokens::verification(Duration::from_secs(1))?);
        for contestant in &mut contestants {
            let sample = contestant.measure(&requests, options).await?;
            contestant.samples.push(sample);
        }
    }
    verifications.sort_by(f64::total_cmp);
    report(options, verifications[verifications.len() / 2], &contestants)?;
    let memory = contestants
        .iter()
        .find(|contestant| contestant.contender == Contender::Memory)
        .context("no Token Server")?;
    pressure::run(memory, &requests, options, work.path()).await
}

impl Contestant {
    async fn start(contender: Contender, folder: &Path) -> Result<Self> {
        let signer = match contender {
            Contender::Remote => Some(signatures::keysigner(folder).await?),
            _ => None,
        };
        let name = contender.to_possible_value().context("no name")?;
        let mut arguments = ["serve-exchange", name.get_name(), "--folder"]
            .map(OsString::from)
            .to_vec();
        arguments.push(folder.into());
        if let Some(signer) = &signer {
            arguments.extend(["--signer".into(), signer.address.to_string().into()]);
        }
        Ok(Self {
            contender,
            server: Server::start(arguments).await?,
            signer,
            samples: Vec::new(),
        })
    }

    /// CPU time of all its processes.
    fn cpu_time(&self) -> Result<Duration> {
        let signer = self
            .signer
            .as_ref()
            .map_or(Ok(Duration::ZERO), Server::cpu_time)?;
        Ok(self.server.cpu_time()? + signer)
    }

    async fn measure(&self, requests: &Requests, options: &Options) -> Result<Sample> {
        let cpu_before = self.cpu_time()?;
        let until = Until::Elapsed(Duration::from_secs(options.secs));
        let load = load::run(self.server.address, requests, options.connections, until).await?;
        let cpu = self.cpu_time()?.saturating_sub(cpu_before);
        Ok(Sample {
            cpu_us: cpu.as_secs_f64() * 1_000_000.0 / load.count() as f64,
            per_sec: load.per_sec(),
            p50: load.percentile(50),
            p99: load.percentile(99),
        })
    }

    fn middle(&self) -> Result<Sample> {
        middle(self.samples.clone()).context("no samples")
    }
}

fn report(options: &Options, verification_us: f64, contestants: &[Contestant]) -> Result<()> {
    let floor = contestants
        .iter()
        .find(|contestant| contestant.contender == Contender::Floor)
        .context("no floor")?
        .middle()?;
    let mut rows = vec![vec![
        "one bare RS256 verification".to_owned(),
        format!("{verification_us:.1}"),
        format!("{:.2}", verification_us / floor.cpu_us),
        format!("{:.0}", 1_000_000.0 / verification_us),
        String::new(),
        String::new(),
    ]];
    for contestant in contestants {
        let sample = contestant.middle()?;
        rows.push(vec![
            contestant.contender.title().to_owned(),
            format!("{:.1}", sample.cpu_us),
            format!("{:.2}", sample.cpu_us / floor.cpu_us),
            format!("{:.0}", sample.per_sec),
            format!("{:.2}", sample.p50.as_secs_f64() * 1000.0),
            format!("{:.2}", sample.p99.as_secs_f64() * 1000.0),
        ]);
    }
    let how = format!(
        "{} returning users with a token each, {} connections, one server thread, middle of {} rounds of {} s. CPU of all \
         processes of a contender.",
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
