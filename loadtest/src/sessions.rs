//! Reads that a session authenticates, on a running single box, beside a bare axum answer: `GET /v1/session/status` signed by
//! Hawk, which is two reads of the store, a MAC, a nonce that is remembered, and the edge with its limits and its log line.
//!
//! Every request is signed before it is measured and sent once: a nonce is good for one.

use std::{ffi::OsString, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use axum::http::Method;
use clap::Args;
use foxhold_core::hex;
use foxhold_crypto::hawk::Credentials;
use foxhold_testkit::{
    person::{self, Person},
    work_folder::WorkFolder,
};

use crate::{
    cpu,
    load::{self, Requests, Until},
    logins,
    rounds::{Sample, middle},
    server::Server,
    table,
};

const STATUS: &str = "/v1/session/status";

/// How to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Accounts, each with a session.
    #[arg(long, default_value_t = 20)]
    accounts: usize,
    /// Reads of each measurement.
    #[arg(long, default_value_t = 20_000)]
    reads: usize,
    /// Connections, each with one request in flight.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Measurements of each contender.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accounts: 20,
            reads: 20_000,
            connections: 16,
            rounds: 5,
        }
    }
}

/// Measures and prints the table.
///
/// # Errors
/// When a server does not start, or does not answer a read with 200.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let work = WorkFolder::of("loadtest-sessions")?;
    let arguments = ["serve-exchange", "bare", "--folder"].map(OsString::from);
    let bare = Server::start(arguments.into_iter().chain([work.path().into()])).await?;
    let (server, running) = logins::start_box(work.path()).await?;
    let people = logins::accounts(&server, options.accounts).await?;
    let unsigned = vec![plain(bare.address); options.reads];
    let unsigned = Requests::served(unsigned);
    let (mut of_bare, mut of_box) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        table::progress(&format!("sessions: round {round} of {}", options.rounds));
        let cpu_time = || bare.cpu_time();
        of_bare.push(measure(bare.address, &unsigned, options, cpu_time).await?);
        let signed = signed(&server, &people, options.reads)?;
        let cpu_time = || cpu::time_of(running.id());
        of_box.push(measure(server.address, &signed, options, cpu_time).await?);
    }
    let floor = middle(of_bare).context("no floor")?;
    report(options, &floor, &middle(of_box).context("no samples")?)
}

fn plain(address: SocketAddr) -> Vec<u8> {
    format!("GET /1.0/sync/1.5 HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes()
}

/// Reads of all the people in turn, each with a nonce of its own.
fn signed(server: &person::Server, people: &[Person], count: usize) -> Result<Requests> {
    let request = |person: &Person| -> Result<Vec<u8>> {
        let id = hex::encode(person.session.id.as_bytes());
        let credentials = Credentials {
            id: &id,
            key: person.session.key.expose(),
        };
        let header = server.sign(&Method::GET, STATUS, &credentials, None)?;
        let host = server.address;
        let text = format!("GET {STATUS} HTTP/1.1\r\nhost: {host}\r\nauthorization: {header}\r\n\r\n");
        Ok(text.into_bytes())
    };
    let all = people.iter().cycle().take(count).map(request);
    Ok(Requests::served(all.collect::<Result<_>>()?))
}

async fn measure(
    address: SocketAddr,
    requests: &Requests,
    options: &Options,
    cpu_time: impl Fn() -> Result<Duration>,
) -> Result<Sample> {
    let cpu_before = cpu_time()?;
    let load = load::run(address, requests, options.connections, Until::AllSent).await?;
    let cpu = cpu_time()?.saturating_sub(cpu_before);
    Ok(Sample {
        cpu_us: cpu.as_secs_f64() * 1_000_000.0 / load.count() as f64,
        per_sec: load.per_sec(),
        p50: load.percentile(50),
        p99: load.percentile(99),
    })
}

fn report(options: &Options, floor: &Sample, reads: &Sample) -> Result<()> {
    let row = |title: &str, sample: &Sample| {
        vec![
            title.to_owned(),
            format!("{:.1}", sample.cpu_us),
            format!("{:.0}", 1_000_000.0 / sample.cpu_us),
            format!("{:.2}", floor.cpu_us / sample.cpu_us),
            format!("{:.0}", sample.per_sec),
            format!("{:.2}", sample.p50.as_secs_f64() * 1000.0),
            format!("{:.2}", sample.p99.as_secs_f64() * 1000.0),
        ]
    };
    let how = format!(
        "`GET {STATUS}`, signed by Hawk, of {} users on a single box (SQLite, a log line each), {} connections, middle of {} \
         rounds of {} reads.",
        options.accounts, options.connections, options.rounds, options.reads
    );
    let head = [
        "server",
        "CPU µs a request",
        "a second and core",
        "of bare",
        "requests/s",
        "p50 ms",
        "p99 ms",
    ];
    let rows = [row("bare axum answer", floor), row("session status", reads)];
    table::print("Reads by a session", &how, &head, &rows)?;
    Ok(())
}
