//! The process of one webhead.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use foxhold_runtime::{
    Shutdown,
    config::{self, Secrets, Sources},
    crypto_provider, shutdown, telemetry,
    tls::TlsIdentity,
};
use foxhold_webhead::Config;

/// Serves the sign-in page, accounts, OAuth, profiles and the Token Server.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Configuration file; may be repeated, later ones win.
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Check the configuration, the certificate and every secret file, then exit.
    #[arg(long)]
    check_config: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto_provider::install();
    let flags = Flags::parse();
    let sources = Sources::of_process("webhead", flags.config);
    let config: Config = config::load("webhead", &sources)?;
    let secrets = Secrets::of_env(&sources.env);
    if flags.check_config {
        config.prepare(&secrets)?;
        return Ok(TlsIdentity::load(&config.tls, &secrets).map(drop)?);
    }
    telemetry::init("webhead", &config.log)?;
    let shutdown = Shutdown::new();
    shutdown::listen_for_signals(&shutdown, Duration::from_secs(config.drain_delay_secs))?;
    foxhold_webhead::serve(config, &secrets, shutdown).await
}
