//! Access tokens signed by the keysigner over gRPC and mutual TLS, beside a minimal tonic signer: the same messages,
//! certificates, key and library, without queue, limits, caller table, log lines, policy and check of the own output.

mod contender;

use std::{
    ffi::OsString,
    fs::File,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use foxhold_core::{Deadline, Timestamp, Uid};
use foxhold_keysigner::custody::ephemeral;
use foxhold_ports::{AccessTokenSigner, signer::AccessTokenOrder};
use foxhold_rpc::client::{RemoteSigner, transport};
use foxhold_runtime::{
    SystemClock, SystemRandom,
    certificates::{self, CreateOptions},
    channel::{Balanced, ChannelSettings},
    config::Secrets,
    tls::{Role, TlsIdentity, TlsSettings},
};
use foxhold_testkit::work_folder::WorkFolder;

use crate::{
    cpu,
    rounds::{Sample, middle},
    server::Server,
    table,
};

pub(crate) use contender::{ServeOptions, serve};

const TRUST_DOMAIN: &str = "loadtest.example";

/// How to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Orders at once.
    #[arg(long, default_value_t = 32)]
    at_once: usize,
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
            at_once: 32,
            secs: 4,
            rounds: 5,
        }
    }
}

/// Who is measured over gRPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// Sign and answer.
    Minimal,
    /// The tier, as its own program serves it.
    Keysigner,
}

/// Measures and prints the table.
///
/// # Errors
/// When a signer does not start, or an order is not carried out.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let work = WorkFolder::of("loadtest-signatures")?;
    make_certificates(work.path())?;
    let mut contenders = Vec::new();
    for &contender in Contender::value_variants() {
        let server = start(contender, work.path()).await?;
        let client = client(server.address, work.path())?;
        contenders.push((contender, server, client, Vec::new()));
    }
    let mut bare = Vec::new();
    for round in 1..=options.rounds {
        table::progress(&format!("signatures: round {round} of {}", options.rounds));
        bare.push(bare_signature(options.secs)?);
        for (_, server, client, samples) in &mut contenders {
            samples.push(measure(server, client, options).await?);
        }
    }
    bare.sort_by(f64::total_cmp);
    let samples: Vec<_> = contenders
        .into_iter()
        .filter_map(|(contender, _, _, samples)| Some((contender, middle(samples)?)))
        .collect();
    report(options, bare[bare.len() / 2], &samples)
}

/// A keysigner in a process of its own, which mints node tokens with a secret in the folder.
pub(crate) async fn keysigner(folder: &Path) -> Result<Server> {
    make_certificates(folder)?;
    start(Contender::Keysigner, folder).await
}

async fn start(contender: Contender, folder: &Path) -> Result<Server> {
    let name = contender.to_possible_value().context("no name")?;
    let arguments = ["serve-signer", name.get_name(), "--folder"].map(OsString::from);
    Server::start(arguments.into_iter().chain([folder.into()])).await
}

fn make_certificates(folder: &Path) -> Result<()> {
    let options = CreateOptions {
        out: folder.to_owned(),
        trust_domain: TRUST_DOMAIN.to_owned(),
        region: "here".to_owned(),
        roles: vec![Role::Webhead, Role::Keysigner],
        lifetime: Duration::from_secs(3600),
        hosts: Vec::new(),
    };
    certificates::create(&options, &SystemClock, &SystemRandom)?;
    for (name, digits) in [("node.secret", 32), ("audit.key", 64)] {
        let mut secret = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.join(name))?;
        secret.write_all(&b"0123456789abcdef".repeat(digits / 16))?;
    }
    Ok(())
}

/// Where a role finds its certificate.
fn tls(folder: &Path, role: Role) -> TlsSettings {
    certificates::settings(folder, TRUST_DOMAIN, role)
}

pub(crate) fn client(address: SocketAddr, folder: &Path) -> Result<RemoteSigner> {
    let identity = TlsIdentity::load(&tls(folder, Role::Webhead), &Secrets::default())?;
    let config = identity.client_config(Arc::new(SystemClock), Role::Keysigner)?;
    let settings = ChannelSettings {
        addresses: vec![address.to_string()],
        ..ChannelSettings::default()
    };
    Ok(RemoteSigner::new(transport(Balanced::new(
        settings,
        config,
        &SystemRandom,
    )?)))
}

fn order(number: usize) -> Result<AccessTokenOrder> {
    let mut uid = [7; 16];
    uid[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Ok(AccessTokenOrder {
        uid: Uid::from_bytes(uid),
        client: "5882386c6d801776".parse()?,
        audience: "https://token.example".to_owned(),
        scope: "https://identity.mozilla.com/apps/oldsync".to_owned(),
        lifetime_secs: 21_600,
        jti: [9; 32],
        generation: Timestamp::from_secs(1_700_000_000),
        profile_changed_at: Timestamp::from_secs(1_700_000_000),
    })
}

/// CPU time of one signature without anything around it, in microseconds.
fn bare_signature(secs: u64) -> Result<f64> {
    let key = ephemeral::generate(Timestamp::default())?;
    let message = [b'x'; 600];
    let own = std::process::id();
    let (began, cpu_before, mut signed) = (Instant::now(), cpu::time_of(own)?, 0_u32);
    while began.elapsed() < Duration::from_secs(secs) {
        std::hint::black_box(key.sign(&message)?);
        signed += 1;
    }
    let cpu = cpu::time_of(own)?.saturating_sub(cpu_before);
    Ok(cpu.as_secs_f64() * 1_000_000.0 / f64::from(signed))
}

async fn measure(server: &Server, client: &RemoteSigner, options: &Options) -> Result<Sample> {
    // Connects, and is not measured.
    client
        .sign_access_token(Deadline::after(Duration::from_secs(10)), &order(0)?)
        .await?;
    let (began, cpu_before) = (Instant::now(), server.cpu_time()?);
    let end = began + Duration::from_secs(options.secs);
    let next = Arc::new(AtomicUsize::new(0));
    let loops: Vec<_> = (0..options.at_once)
        .map(|_| tokio::spawn(order_until(client.clone(), next.clone(), end)))
        .collect();
    let mut latencies = Vec::new();
    for ordering in loops {
        latencies.extend(ordering.await??);
    }
    let (wall, cpu) = (began.elapsed(), server.cpu_time()?.saturating_sub(cpu_before));
    latencies.sort_unstable();
    let signed = latencies.len() as f64;
    let percentile = |percent| {
        latencies
            .get(latencies.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    };
    Ok(Sample {
        cpu_us: cpu.as_secs_f64() * 1_000_000.0 / signed,
        per_sec: signed / wall.as_secs_f64(),
        p50: percentile(50),
        p99: percentile(99),
    })
}

async fn order_until(client: RemoteSigner, next: Arc<AtomicUsize>, end: Instant) -> Result<Vec<Duration>> {
    let mut latencies = Vec::new();
    while Instant::now() < end {
        let (order, sent) = (order(next.fetch_add(1, Ordering::Relaxed))?, Instant::now());
        client
            .sign_access_token(Deadline::after(Duration::from_secs(10)), &order)
            .await?;
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

fn report(options: &Options, bare_us: f64, samples: &[(Contender, Sample)]) -> Result<()> {
    let minimal = samples
        .iter()
        .find(|(contender, _)| *contender == Contender::Minimal)
        .context("no floor")?
        .1;
    let mut rows = vec![vec![
        "bare RSA-2048 signature, one thread".to_owned(),
        format!("{bare_us:.0}"),
        format!("{:.2}", bare_us / minimal.cpu_us),
        format!("{:.0}", 1_000_000.0 / bare_us),
        "-".to_owned(),
        "-".to_owned(),
        "-".to_owned(),
    ]];
    rows.extend(samples.iter().map(|(contender, sample)| {
        let title = match contender {
            Contender::Minimal => "minimal tonic signer, mutual TLS",
            Contender::Keysigner => "keysigner",
        };
        vec![
            title.to_owned(),
            format!("{:.0}", sample.cpu_us),
            format!("{:.2}", sample.cpu_us / minimal.cpu_us),
            format!("{:.0}", sample.per_sec),
            format!("{:.2}", sample.per_sec / minimal.per_sec),
            format!("{:.2}", sample.p50.as_secs_f64() * 1000.0),
            format!("{:.2}", sample.p99.as_secs_f64() * 1000.0),
        ]
    }));
    let how = format!(
        "{} orders at once from one client on the same machine, middle of {} rounds of {} s.",
        options.at_once, options.rounds, options.secs
    );
    let head = [
        "signer",
        "CPU µs a token",
        "× minimal",
        "tokens/s",
        "of minimal",
        "p50 ms",
        "p99 ms",
    ];
    table::print("Access tokens signed", &how, &head, &rows)?;
    Ok(())
}
