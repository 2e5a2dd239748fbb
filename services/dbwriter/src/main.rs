//! The process of one dbwriter.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use foxhold_dbwriter::Config;
use foxhold_runtime::{
    Shutdown,
    config::{self, Secrets, Sources},
    crypto_provider, shutdown, telemetry,
    tls::TlsIdentity,
};

/// Writes accounts and assignments for the webheads.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Configuration file; may be repeated, later ones win.
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Check the configuration and the certificate, then exit.
    #[arg(long)]
    check_config: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto_provider::install();
    let flags = Flags::parse();
    let sources = Sources::of_process("dbwriter", flags.config);
    let config: Config = config::load("dbwriter", &sources)?;
    let secrets = Secrets::of_env(&sources.env);
    if flags.check_config {
        return Ok(TlsIdentity::load(&config.tls, &secrets).map(drop)?);
    }
    telemetry::init("dbwriter", &config.log)?;
    let shutdown = Shutdown::new();
    shutdown::listen_for_signals(&shutdown, Duration::from_secs(config.drain_delay_secs))?;
    foxhold_dbwriter::serve(config, &secrets, shutdown).await
}
