//! Logins against a running single box, beside bare scrypt on the same machine; the memory that 300 at once take; and what
//! ten times too many do to those that get in, and to the health page.
//!
//! A login costs one scrypt of 64 MiB. The box bounds how many run at once, refuses what would wait too long (503), and
//! a client comes back: so all 300 get in, and the memory stays where the pool holds it.

mod overload;

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use clap::Args;
use foxhold_core::Secret;
use foxhold_crypto::scrypt;
use foxhold_testkit::{
    person::{Person, Server, unique_hex},
    process::{Process, binary_path, free_address},
    single_box::is_ready,
    wait::wait_until,
    work_folder::WorkFolder,
};

use crate::{cpu, table};
use overload::Overload;

/// How to measure.
#[derive(Args, Clone)]
pub(crate) struct Options {
    /// Accounts.
    #[arg(long, default_value_t = 20)]
    accounts: usize,
    /// Logins measured with as many at once as there are cores.
    #[arg(long, default_value_t = 100)]
    logins: usize,
    /// Logins at once for the memory's peak.
    #[arg(long, default_value_t = 300)]
    at_once: usize,
    /// Seconds of ten times as many logins as get in.
    #[arg(long, default_value_t = 20)]
    overload_secs: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            accounts: 20,
            logins: 100,
            at_once: 300,
            overload_secs: 20,
        }
    }
}

/// Measures and prints the table.
///
/// # Errors
/// When the box does not start, or answers a login with anything but 200, 429 or 503.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    table::progress("logins: bare scrypt");
    let bare = bare_scrypt(cores, options.logins)?;

    let work = WorkFolder::of("loadtest-logins")?;
    let (server, running) = start_box(work.path()).await?;
    let people = Arc::new(accounts(&server, options.accounts).await?);
    let process = running.id();
    let (idle_mib, _) = cpu::memory_mib(process)?;

    table::progress("logins: as many at once as cores");
    let steady = logins(&server, &people, options.logins, cores, process).await?;
    table::progress(&format!("logins: {} at once", options.at_once));
    let burst = logins(&server, &people, options.at_once, options.at_once, process).await?;
    let per_sec = options.logins as f64 / steady.wall.as_secs_f64();
    let overload = Overload::put_on(&server, &people, per_sec * 10.0, options.overload_secs).await?;
    let (_, peak_mib) = cpu::memory_mib(process)?;
    report(options, cores, bare, &steady, &burst, (idle_mib, peak_mib))?;
    Ok(overload.report(per_sec)?)
}

/// A single box on a folder of its own: all accounts sign in from one address here, so limits are off.
pub(crate) async fn start_box(work: &Path) -> Result<(Server, Process)> {
    let (listen, private) = (free_address()?, free_address()?);
    let mut command = Command::new(binary_path("foxhold")?);
    command
        .args(["up", "--mail", "capture", "--listen", &listen.to_string()])
        .args(["--private-listen", &private.to_string(), "--data"])
        .arg(work.join("data"))
        .env("FOXHOLD_LIMITS__PROFILE", "off")
        .env("FOXHOLD_DISK_USED_MAX_PERCENT", "100");
    let mut process = Process::spawn(work, "box", command)?;
    wait_until("the box to be ready", || {
        let ended = !process.is_running();
        async move { ended || is_ready(private).await }
    })
    .await?;
    ensure!(process.is_running(), "the box ended:\n{}", process.output()?);
    let root = format!("http://localhost:{}", listen.port());
    Ok((
        Server {
            address: listen,
            root,
        },
        process,
    ))
}

/// What a run of logins saw.
struct Logins {
    wall: Duration,
    cpu: Duration,
    refused: usize,
}

/// One scrypt, while every core does nothing else: wall time by the machine, and CPU time.
fn bare_scrypt(cores: usize, jobs: usize) -> Result<(Duration, Duration)> {
    let own = std::process::id();
    let (began, cpu_before) = (Instant::now(), cpu::time_of(own)?);
    let per_core = jobs.div_ceil(cores);
    std::thread::scope(|scope| {
        for core in 0..cores {
            scope.spawn(move || stretch_many(core, per_core));
        }
    });
    let done = u32::try_from(per_core * cores)?;
    Ok((
        began.elapsed() / done,
        cpu::time_of(own)?.saturating_sub(cpu_before) / done,
    ))
}

fn stretch_many(seed: usize, count: usize) {
    let input = Secret::new([u8::try_from(seed % 256).unwrap_or_default(); 32]);
    for n in 0..count {
        let salt = [u8::try_from(n % 256).unwrap_or_default(); 32];
        std::hint::black_box(scrypt::stretch(&input, &salt));
    }
}

/// Makes the accounts, one after the other.
pub(crate) async fn accounts(server: &Server, count: usize) -> Result<Vec<Person>> {
    let mut people = Vec::new();
    for n in 0..count {
        table::progress(&format!("logins: account {} of {count}", n + 1));
        let email = format!("{}@example.com", &unique_hex()[..20]);
        match Person::sign_up(server, &email, &unique_hex()).await? {
            Ok(person) => people.push(person),
            Err(answer) => bail!("sign-up: {} {:?}", answer.status, answer.body),
        }
    }
    Ok(people)
}

/// `count` logins, `at_once` at a time. Who is told to come back comes back.
async fn logins(
    server: &Server,
    people: &Arc<Vec<Person>>,
    count: usize,
    at_once: usize,
    process: u32,
) -> Result<Logins> {
    let (began, cpu_before) = (Instant::now(), cpu::time_of(process)?);
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let (server, people, next) = (server.clone(), Arc::clone(people), Arc::clone(&next));
            tokio::spawn(async move {
                let mut refused = 0;
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= count {
                        return anyhow::Ok(refused);
                    }
                    refused += login(&server, &people[place % people.len()]).await?;
                }
            })
        })
        .collect();
    let mut refused = 0;
    for worker in workers {
        refused += worker.await??;
    }
    let cpu = cpu::time_of(process)?.saturating_sub(cpu_before);
    Ok(Logins {
        wall: began.elapsed(),
        cpu,
        refused,
    })
}

/// One login; how often it was refused before it got in.
async fn login(server: &Server, person: &Person) -> Result<usize> {
    let mut refused = 0;
    loop {
        let answer = match Person::sign_in(server, &person.email, &person.auth_pw).await? {
            Ok(_) => return Ok(refused),
            Err(answer) => answer,
        };
        ensure!(
            answer.status.as_u16() == 503,
            "login: {} {:?}",
            answer.status,
            answer.body
        );
        let secs: u64 = answer.header("retry-after").parse()?;
        refused += 1;
        tokio::time::sleep(Duration::from_secs(secs)).await;
    }
}

fn report(
    options: &Options,
    cores: usize,
    (bare_wall, bare_cpu): (Duration, Duration),
    steady: &Logins,
    burst: &Logins,
    (idle_mib, peak_mib): (u64, u64),
) -> Result<()> {
    let row = |name: String, per_sec: f64, cpu: Duration, refused: String| {
        let ratio = per_sec * bare_wall.as_secs_f64();
        let cpu_ms = format!("{:.1}", cpu.as_secs_f64() * 1000.0);
        let cpu_ratio = format!("{:.2}", cpu.as_secs_f64() / bare_cpu.as_secs_f64());
        vec![
            name,
            format!("{per_sec:.2}"),
            format!("{ratio:.2}"),
            cpu_ms,
            cpu_ratio,
            refused,
        ]
    };
    let of = |name: String, logins: &Logins, count: usize| -> Result<Vec<String>> {
        let per_sec = count as f64 / logins.wall.as_secs_f64();
        Ok(row(
            name,
            per_sec,
            logins.cpu / u32::try_from(count)?,
            logins.refused.to_string(),
        ))
    };
    let rows = [
        row(
            format!("bare scrypt, {cores} threads"),
            1.0 / bare_wall.as_secs_f64(),
            bare_cpu,
            "-".into(),
        ),
        of(format!("logins, {cores} at once"), steady, options.logins)?,
        of(
            format!("logins, {} at once", options.at_once),
            burst,
            options.at_once,
        )?,
    ];
    let how = format!(
        "{} accounts, one single box, limits off. Memory of the box: {idle_mib} MiB before the logins, peak \
         {peak_mib} MiB. Refused: 503 answers before all got in.",
        options.accounts
    );
    let head = [
        "",
        "a second",
        "of bare scrypt",
        "CPU ms each",
        "× bare scrypt",
        "refused",
    ];
    table::print("Logins", &how, &head, &rows)?;
    Ok(())
}
