//! The process of one storage node.

use std::{path::PathBuf, time::Duration};

use clap::Parser;
use foxhold_runtime::{
    Shutdown,
    config::{self, Secrets, Sources},
    crypto_provider, shutdown, telemetry,
};
use foxhold_sync_node::Config;

/// Keeps the encrypted records of Sync users.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Configuration file; may be repeated, later ones win.
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Check the configuration and every secret file, then exit.
    #[arg(long)]
    check_config: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    crypto_provider::install();
    let flags = Flags::parse();
    let sources = Sources::of_process("sync-node", flags.config);
    let config: Config = config::load("sync-node", &sources)?;
    let secrets = Secrets::of_env(&sources.env);
    if flags.check_config {
        return Ok(config.auth(&secrets).map(drop)?);
    }
    telemetry::init("sync-node", &config.log)?;
    let shutdown = Shutdown::new();
    shutdown::listen_for_signals(&shutdown, Duration::from_secs(config.drain_delay_secs))?;
    foxhold_sync_node::serve(config, &secrets, shutdown).await
}
