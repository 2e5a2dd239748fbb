//! A role's binary, but for what it serves: flags, configuration, secrets, logs, signals, and how it says why it failed.
//! Each `main` is one call of [`run`].

use std::{future::Future, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::{CommandFactory, FromArgMatches, Parser};
use serde::de::DeserializeOwned;

use crate::{
    Shutdown,
    config::{self, ConfigErrors, SecretError, Secrets, Sources},
    crypto_provider, shutdown,
    telemetry::{self, LogConfig},
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
pub trait Service {
    /// Its configuration.
    type Config: DeserializeOwned;
    /// Its name: of the configuration file, in logs.
    const ROLE: &'static str;
    /// Its program: `foxhold-` and the role.
    const PROGRAM: &'static str;
    /// What it does, for `--help`.
    const ABOUT: &'static str;

    /// Its log table.
    fn log(config: &Self::Config) -> &LogConfig;

    /// How long it answers "not ready" before connections are refused, when it ends.
    fn drain_delay(config: &Self::Config) -> Duration;

    /// Checks what `--check-config` promises: everything that can be known without listening.
    ///
    /// # Errors
    /// The first fault, with its key.
    fn check(config: &Self::Config, secrets: &Secrets) -> anyhow::Result<()>;

    /// Serves until the end.
    fn serve(
        config: Self::Config,
        secrets: Secrets,
        shutdown: Shutdown,
    ) -> impl Future<Output = anyhow::Result<()>>;
}

#[derive(Parser)]
struct Flags {
    /// Configuration file; may be repeated, later ones win.
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Check the configuration and every file it names, then exit.
    #[arg(long)]
    check_config: bool,
}

/// Runs a role from its flags to its end.
#[must_use]
pub fn run<S: Service>(version: &'static str) -> ExitCode {
    let command = Flags::command().name(S::PROGRAM).about(S::ABOUT).version(version);
    let flags = Flags::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    match start::<S>(flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, exit_code(&error)),
    }
}

fn start<S: Service>(flags: Flags) -> anyhow::Result<()> {
    crypto_provider::install();
    let sources = Sources::of_process(S::ROLE, flags.config);
    let config: S::Config = config::load(S::ROLE, &sources)?;
    let secrets = Secrets::of_env(&sources.env);
    if flags.check_config {
        return S::check(&config, &secrets);
    }
    telemetry::init(S::ROLE, S::log(&config))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        shutdown::listen_for_signals(&shutdown, S::drain_delay(&config))?;
        S::serve(config, secrets, shutdown).await
    })
}

/// Says on standard error what failed and why, a line each.
#[must_use]
pub fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    let mut text = format!("error: {error}\n");
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Some messages repeat their cause.
        if !said.contains(&cause) {
            text.push_str("cause: ");
            text.push_str(&cause);
            text.push('\n');
            said = cause;
        }
    }
    // With standard error gone, the exit code is all that is left to say.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(code)
}

/// The exit code for the faults that every process knows.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigErrors>() || error.chain().any(|cause| cause.is::<SecretError>()) {
        return INVALID;
    }
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::AddrInUse | std::io::ErrorKind::AddrNotAvailable) => UNAVAILABLE,
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
    }
}
