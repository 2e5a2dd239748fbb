//! A role's binary, but for what it serves: flags, configuration, secrets, logs, signals, and how it says why it failed.
//! Each `main` is one call of [`run`].

use std::{
    future::Future,
    io::{ErrorKind, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Command, CommandFactory, FromArgMatches, Parser};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    Shutdown,
    config::{self, ConfigErrors, FileWatch, Findings, Reading, SecretError, Secrets, Sources, split_fix},
    crypto_provider, metrics, shutdown,
    store::OpenError,
    telemetry::{self, LogConfig, TelemetryError},
    traces::{self, Destination, Exporting},
};

/// Exit code of a failure while running (`ecosystem.md` 3.4).
pub const FAILED: u8 = 1;
/// Exit code of a configuration or secret that cannot be used.
pub const INVALID: u8 = 3;
/// Exit code of an address that cannot be had: a retry is sensible.
pub const UNAVAILABLE: u8 = 4;
/// Exit code of what is refused until somebody decides otherwise.
pub const REFUSED: u8 = 6;

/// A role as a process.
pub trait Service: 'static {
    /// Its configuration.
    type Config: DeserializeOwned + JsonSchema + Serialize;
    /// Its name: of the configuration file, in logs.
    const ROLE: &'static str;
    /// Its program: `foxhold-` and the role.
    const PROGRAM: &'static str;
    /// What it does, for `--help`.
    const ABOUT: &'static str;

    /// Its log table.
    fn log(config: &Self::Config) -> &LogConfig;

    /// Where its traces go, if anywhere.
    fn traces(_config: &Self::Config) -> Destination<'_> {
        Destination::Nowhere
    }

    /// How long it answers "not ready" before connections are refused, when it ends.
    fn drain_delay(config: &Self::Config) -> Duration;

    /// Told once where the configuration was read: for keys that are read again while the process runs.
    fn remember(_config: &mut Self::Config, _sources: &Sources) {}

    /// Checks what `--check-config` promises: everything that can be known without listening. All faults go to `found`.
    fn check(config: &Self::Config, secrets: &Secrets, found: &mut Findings<'_>);

    /// Serves until the end.
    fn serve(
        config: Self::Config,
        secrets: Secrets,
        shutdown: Shutdown,
    ) -> impl Future<Output = anyhow::Result<()>>;
}

#[derive(Parser)]
struct Flags {
    /// Configuration file; may be repeated, later ones win. Without it: FOXHOLD_CONFIG, or /etc/foxhold/<role>.toml.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// Check the configuration and every file it names, then exit.
    #[arg(long)]
    check_config: bool,
}

/// The command line of a role.
#[must_use]
pub fn command<S: Service>(version: &'static str) -> Command {
    Flags::command().name(S::PROGRAM).about(S::ABOUT).version(version)
}

/// A configuration that can be used.
pub struct Checked<C> {
    /// What it says.
    pub config: C,
    /// How many keys have a value that is not built in.
    pub keys: usize,
    /// Where its spans go.
    traces: Option<traces::Checked>,
}

/// What a check says that has read so many keys and found nothing.
#[must_use]
pub fn no_fault(keys: usize) -> String {
    let word = if keys == 1 { "key" } else { "keys" };
    format!("{keys} {word} read, no fault")
}

/// Reads the configuration of a role and checks it, with every file it names.
///
/// # Errors
/// All faults: those of reading, or, if there are none, those of the role's rules.
pub fn check<S: Service>(reading: &Reading, secrets: &Secrets) -> Result<Checked<S::Config>, ConfigErrors> {
    let config: S::Config = reading.resolve(S::ROLE)?;
    let mut found = Findings::of(S::ROLE, reading);
    found.take_bounds(&config);
    found.take(S::log(&config).check());
    S::check(&config, secrets, &mut found);
    let traces = found.take_of("traces", S::traces(&config).checked()).flatten();
    found.told()?;
    Ok(Checked {
        config,
        traces,
        keys: reading.keys(),
    })
}

/// Runs a role from its flags to its end.
#[must_use]
pub fn run<S: Service>(version: &'static str) -> ExitCode {
    let matches = command::<S>(version).get_matches();
    let flags = Flags::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match start::<S>(flags, version) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure.error, failure.code),
    }
}

fn start<S: Service>(flags: Flags, version: &'static str) -> Result<(), Failure> {
    crypto_provider::install();
    let sources = Sources::of_process(S::ROLE, flags.config);
    let secrets = Secrets::of_env(&sources.env);
    let checked = check::<S>(&Reading::of(&sources), &secrets).map_err(Failure::invalid)?;
    if flags.check_config {
        let told = format!("{}: {}\n", S::PROGRAM, no_fault(checked.keys));
        return Ok(std::io::stdout().lock().write_all(told.as_bytes())?);
    }
    let mut config = checked.config;
    S::remember(&mut config, &sources);
    let files = sources.files.clone();
    let opened = checked
        .traces
        .map(|traces| traces::open(traces, S::ROLE, version));
    let (recorder, exporting) = opened.unzip();
    let levels = telemetry::init_with_traces(S::ROLE, S::log(&config), recorder).map_err(Failure::invalid)?;
    let log_again = move || log_of::<S>(&sources);
    let (log_watch, log) =
        FileWatch::of_paths(telemetry::PART, files, &log_again).map_err(Failure::invalid)?;
    levels.set(&log).map_err(Failure::invalid)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown::listen_for_signals(&shutdown, S::drain_delay(&config))?;
        shutdown::look_on_hangup()?;
        metrics::start(S::ROLE, version);
        tokio::spawn(async move { levels.keep_fresh(&log_watch, log_again).await });
        let exporting = exporting.map(Exporting::start);
        let served = S::serve(config, secrets, shutdown).await;
        if let Some(exporting) = exporting {
            exporting.end().await;
        }
        served
    });
    Ok(served?)
}

/// The log table cannot be taken from the files as they are now.
#[derive(Debug, Error)]
enum LogFault {
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Level(#[from] TelemetryError),
}

/// The log table as the files have it now.
fn log_of<S: Service>(sources: &Sources) -> Result<LogConfig, LogFault> {
    let config: S::Config = config::load(S::ROLE, sources)?;
    Ok(S::log(&config).clone())
}

/// Why a process ends, and with which code.
struct Failure {
    error: anyhow::Error,
    code: u8,
}

impl Failure {
    fn invalid(error: impl Into<anyhow::Error>) -> Self {
        Self {
            error: error.into(),
            code: INVALID,
        }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        let code = exit_code(&error);
        Self { error, code }
    }
}

/// Says on standard error what failed, why, and what to do, a line each.
#[must_use]
pub fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    // With standard error gone, the exit code is all that is left to say.
    let _ = std::io::stderr().lock().write_all(told(error).as_bytes());
    ExitCode::from(code)
}

/// `error:`, then `cause:` for what is below it, then `fix:` where a message holds one or the fault is a usual one.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut fix = usual_fix(error).map(str::to_owned);
    let mut said = String::new();
    for message in error.chain().map(ToString::to_string) {
        let what = match split_fix(&message) {
            Some((what, its_fix)) => {
                fix = Some(its_fix.to_owned());
                what
            }
            None => &message,
        };
        // Some messages repeat their cause.
        if said.contains(what) {
            continue;
        }
        text.push_str(if text.is_empty() { "error: " } else { "cause: " });
        text.push_str(what);
        text.push('\n');
        what.clone_into(&mut said);
    }
    if let Some(fix) = fix {
        text.push_str("fix: ");
        text.push_str(&fix);
        text.push('\n');
    }
    text
}

fn usual_fix(error: &anyhow::Error) -> Option<&'static str> {
    match io_kind(error)? {
        ErrorKind::AddrInUse => Some("stop what listens there, or give another address"),
        ErrorKind::AddrNotAvailable => Some("give an address of this machine, or 0.0.0.0 for all of them"),
        ErrorKind::PermissionDenied => Some("give this user the right to it, or choose another"),
        _ => None,
    }
}

fn io_kind(error: &anyhow::Error) -> Option<ErrorKind> {
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.map(std::io::Error::kind)
}

/// The exit code for the faults that every process knows.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let is_invalid = |cause: &(dyn std::error::Error + 'static)| {
        cause.is::<SecretError>() || matches!(cause.downcast_ref(), Some(OpenError::Lasting(_)))
    };
    if error.is::<ConfigErrors>() || error.chain().any(is_invalid) {
        return INVALID;
    }
    match io_kind(error) {
        Some(ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable) => UNAVAILABLE,
        _ => FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_the_codes_that_scripts_go_by() {
        let in_use = std::io::Error::from(std::io::ErrorKind::AddrInUse);
        assert_eq!(
            exit_code(&anyhow::Error::from(in_use).context("listening")),
            UNAVAILABLE
        );
        let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
        assert_eq!(exit_code(&anyhow::Error::from(gone)), FAILED);
        assert_eq!(exit_code(&anyhow::anyhow!("something")), FAILED);
        let no_store = |failed: fn(anyhow::Error) -> OpenError| {
            anyhow::Error::from(failed(anyhow::anyhow!("no store"))).context("`store`")
        };
        assert_eq!(exit_code(&no_store(OpenError::Away)), FAILED);
        assert_eq!(exit_code(&no_store(OpenError::Lasting)), INVALID);
    }

    #[test]
    fn a_failure_is_told_as_what_why_and_what_to_do() {
        let in_use = || anyhow::Error::from(std::io::Error::from(ErrorKind::AddrInUse));
        let table = [
            (
                in_use().context("listening on 127.0.0.1:1"),
                "error: listening on 127.0.0.1:1\ncause: address in use\n\
                 fix: stop what listens there, or give another address\n",
            ),
            (
                anyhow::anyhow!("the file a is open to all. fix: chmod 600 a").context("opening the key"),
                "error: opening the key\ncause: the file a is open to all\nfix: chmod 600 a\n",
            ),
            (
                anyhow::anyhow!("too little\nfix: give more"),
                "error: too little\nfix: give more\n",
            ),
            (
                anyhow::anyhow!("gone").context("reading: gone"),
                "error: reading: gone\n",
            ),
            (anyhow::anyhow!("two\na\n  fix: b"), "error: two\na\n  fix: b\n"),
        ];
        for (error, expected) in table {
            assert_eq!(told(&error), expected);
        }
    }
}
