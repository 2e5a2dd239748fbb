//! The process of one storage node.

use std::{process::ExitCode, time::Duration};

use foxhold_runtime::{
    Shutdown,
    config::Secrets,
    process::{self, Service},
    telemetry::LogConfig,
    traces::Destination,
};
use foxhold_sync_node::Config;

struct SyncNodeProcess;

impl Service for SyncNodeProcess {
    type Config = Config;
    const ROLE: &'static str = "sync-node";
    const PROGRAM: &'static str = "foxhold-sync-node";
    const ABOUT: &'static str = "Keeps the encrypted records of Sync users";

    fn log(config: &Config) -> &LogConfig {
        &config.log
    }

    fn traces(config: &Config) -> Destination<'_> {
        Destination::Collector(&config.traces)
    }

    fn drain_delay(config: &Config) -> Duration {
        Duration::from_secs(config.drain_delay_secs)
    }

    fn check(config: &Config, secrets: &Secrets) -> anyhow::Result<()> {
        Ok(config.auth(secrets).map(drop)?)
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        foxhold_sync_node::serve(config, &secrets, shutdown).await
    }
}

fn main() -> ExitCode {
    process::run::<SyncNodeProcess>(env!("CARGO_PKG_VERSION"))
}
