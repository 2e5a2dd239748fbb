//! Access tokens and BrowserID certificates signed by the keysigner over gRPC and mutual TLS, each written to the durable log of
//! signatures first, beside a minimal tonic signer: the same messages, TLS, key and library, without queue, limits, caller
//! table, log lines, log of signatures, policy and check of the own output.

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
        atomic::{self, AtomicUsize},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use foxhold_core::{Deadline, Timestamp, Uid};
use foxhold_keysigner::custody::ephemeral;
use foxhold_ports::{
    AccessTokenSigner as _, CertificateSigner as _,
    signer::{AccessTokenOrder, AuthMethod, CertificateOrder, SubjectNumbers},
};
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
    tally::Tally,
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

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    AccessToken,
    Certificate,
}

/// A signer under measurement, and what was measured of it.
struct Contestant {
    contender: Contender,
    server: Server,
    client: RemoteSigner,
    samples: [Vec<Sample>; 2],
}

impl Kind {
    const ALL: [Self; 2] = [Self::AccessToken, Self::Certificate];

    const fn title(self) -> &'static str {
        match self {
            Self::AccessToken => "access tokens",
            Self::Certificate => "certificates",
        }
    }

    async fn order(self, client: &RemoteSigner, subject: &SubjectNumbers, number: usize) -> Result<()> {
        let by = Deadline::after(Duration::from_secs(10));
        match self {
            Self::AccessToken => client.sign_access_token(by, &access_token(number)?).await?,
            Self::Certificate => client.sign_certificate(by, &certificate(number, subject)).await?,
        };
        Ok(())
    }
}

/// Measures and prints the table.
///
/// # Errors
/// When a signer does not start, or an order is not carried out.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let work = WorkFolder::of("loadtest-signatures")?;
    make_certificates(work.path())?;
    let mut contestants = Vec::new();
    for &contender in Contender::value_variants() {
        let server = start(contender, work.path()).await?;
        contestants.push(Contestant {
            client: client(server.address, work.path())?,
            contender,
            server,
            samples: [Vec::new(), Vec::new()],
        });
    }
    let subject = subject()?;
    let mut bare = Vec::new();
    for round in 1..=options.rounds {
        table::progress(&format!("signatures: round {round} of {}", options.rounds));
        bare.push(bare_signature(options.secs)?);
        for contestant in &mut contestants {
            contestant.measure(&subject, options).await?;
        }
    }
    bare.sort_by(f64::total_cmp);
    report(options, bare[bare.len() / 2], &contestants)
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

/// Of a user who is asked for once in a round: limits of one user's certificates are not met.
fn user(number: usize) -> Uid {
    let mut uid = [7; 16];
    uid[..8].copy_from_slice(&(number as u64).to_be_bytes());
    Uid::from_bytes(uid)
}

fn access_token(number: usize) -> Result<AccessTokenOrder> {
    Ok(AccessTokenOrder {
        uid: user(number),
        client: "5882386c6d801776".parse()?,
        audience: "https://token.example".to_owned(),
        scope: "https://identity.mozilla.com/apps/oldsync".to_owned(),
        lifetime_secs: 21_600,
        jti: [9; 32],
        generation: Timestamp::from_secs(1_700_000_000),
        profile_changed_at: Timestamp::from_secs(1_700_000_000),
    })
}

fn certificate(number: usize, subject: &SubjectNumbers) -> CertificateOrder {
    let long_ago = Timestamp::from_secs(1_700_000_000);
    CertificateOrder {
        uid: user(number),
        subject: subject.clone(),
        duration_millis: 21_600_000,
        generation: long_ago,
        last_auth_at: long_ago,
        verified_email: "somebody@example.com".to_owned(),
        device: None,
        token_verified: true,
        amr: vec![AuthMethod::Password],
        aal: 1,
        profile_changed_at: long_ago,
        keys_changed_at: long_ago,
    }
}

/// A user's key of 2048 bits.
fn subject() -> Result<SubjectNumbers> {
    let key = ephemeral::generate(Timestamp::default())?;
    let public = &key.public_key().key;
    Ok(SubjectNumbers::Rsa {
        n: public.modulus().to_vec(),
        e: public.exponent().to_vec(),
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

impl Contestant {
    async fn measure(&mut self, subject: &SubjectNumbers, options: &Options) -> Result<()> {
        for (kind, samples) in Kind::ALL.into_iter().zip(&mut self.samples) {
            let ordering = Ordering {
                kind,
                client: self.client.clone(),
                subject: subject.clone(),
            };
            samples.push(ordering.measure(&self.server, options).await?);
        }
        Ok(())
    }
}

/// Orders of one kind.
#[derive(Clone)]
struct Ordering {
    kind: Kind,
    client: RemoteSigner,
    subject: SubjectNumbers,
}

impl Ordering {
    async fn measure(self, server: &Server, options: &Options) -> Result<Sample> {
        // Connects, and is not measured.
        self.kind.order(&self.client, &self.subject, 0).await?;
        let (began, cpu_before) = (Instant::now(), server.cpu_time()?);
        let end = began + Duration::from_secs(options.secs);
        let next = Arc::new(AtomicUsize::new(1));
        let loops: Vec<_> = (0..options.at_once)
            .map(|_| tokio::spawn(self.clone().until(next.clone(), end)))
            .collect();
        let mut latencies = Vec::new();
        for ordering in loops {
            latencies.extend(ordering.await??);
        }
        let cpu = server.cpu_time()?.saturating_sub(cpu_before);
        let signed = Tally::new(latencies, began.elapsed());
        Ok(Sample {
            cpu_us: cpu.as_secs_f64() * 1_000_000.0 / signed.count() as f64,
            per_sec: signed.per_sec(),
            p50: signed.percentile(50),
            p99: signed.percentile(99),
        })
    }

    async fn until(self, next: Arc<AtomicUsize>, end: Instant) -> Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        while Instant::now() < end {
            let (number, sent) = (next.fetch_add(1, atomic::Ordering::Relaxed), Instant::now());
            self.kind.order(&self.client, &self.subject, number).await?;
            latencies.push(sent.elapsed());
        }
        Ok(latencies)
    }
}

fn report(options: &Options, bare_us: f64, contestants: &[Contestant]) -> Result<()> {
    let mut rows = vec![vec![
        "bare RSA-2048 signature, one thread".to_owned(),
        format!("{bare_us:.0}"),
        String::new(),
        format!("{:.0}", 1_000_000.0 / bare_us),
        String::new(),
        String::new(),
        String::new(),
    ]];
    for (place, kind) in Kind::ALL.into_iter().enumerate() {
        let middles = contestants.iter().filter_map(|contestant| {
            Some((contestant.contender, middle(contestant.samples[place].clone())?))
        });
        let middles: Vec<_> = middles.collect();
        let floor = middles
            .iter()
            .find(|(contender, _)| *contender == Contender::Minimal);
        let floor = floor.context("no floor")?.1;
        rows.extend(
            middles
                .iter()
                .map(|(contender, sample)| row(kind, *contender, sample, &floor)),
        );
    }
    let how = format!(
        "{} orders at once from one client on the same machine, middle of {} rounds of {} s.",
        options.at_once, options.rounds, options.secs
    );
    let head = [
        "signer",
        "CPU µs each",
        "of minimal, a core",
        "a second",
        "of minimal",
        "p50 ms",
        "p99 ms",
    ];
    table::print("Access tokens and certificates signed", &how, &head, &rows)?;
    Ok(())
}

fn row(kind: Kind, contender: Contender, sample: &Sample, floor: &Sample) -> Vec<String> {
    let title = match contender {
        Contender::Minimal => "minimal tonic signer, mutual TLS",
        Contender::Keysigner => "keysigner, log of signatures durable",
    };
    vec![
        format!("{}: {title}", kind.title()),
        format!("{:.0}", sample.cpu_us),
        format!("{:.2}", floor.cpu_us / sample.cpu_us),
        format!("{:.0}", sample.per_sec),
        format!("{:.2}", sample.per_sec / floor.per_sec),
        format!("{:.2}", sample.p50.as_secs_f64() * 1000.0),
        format!("{:.2}", sample.p99.as_secs_f64() * 1000.0),
    ]
}
