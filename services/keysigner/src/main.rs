//! The process of one keysigner.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use foxhold_core::Clock as _;
use foxhold_keysigner::{Config, node_secrets::NodeSecretSources};
use foxhold_runtime::{
    Shutdown, SystemClock,
    config::{self, Secrets, Sources},
    crypto_provider, shutdown, telemetry,
    tls::TlsIdentity,
};

/// Holds the keys: signs tokens for the webheads.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Configuration file; may be repeated, later ones win.
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Check the configuration, the keys and every secret file, then exit.
    #[arg(long)]
    check_config: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto_provider::install();
    let flags = Flags::parse();
    let sources = Sources::of_process("keysigner", flags.config);
    let config: Config = config::load("keysigner", &sources)?;
    let secrets = Secrets::of_env(&sources.env);
    if flags.check_config {
        config.open_keys(&secrets, SystemClock.now())?;
        NodeSecretSources::read(&secrets, &config.node_secrets)?;
        return Ok(TlsIdentity::load(&config.tls, &secrets).map(drop)?);
    }
    telemetry::init("keysigner", &config.log)?;
    let shutdown = Shutdown::new();
    shutdown::listen_for_signals(&shutdown, Duration::from_secs(config.drain_delay_secs))?;
    foxhold_keysigner::serve(config, &secrets, shutdown).await
}
