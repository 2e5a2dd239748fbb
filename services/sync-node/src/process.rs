//! What the process of a storage node is to the shell all roles share: its configuration, what is checked before it serves, and how it
//! serves. The program runs it; `foxhold config` asks it about configurations.

use std::time::Duration;

use foxhold_runtime::{
    Shutdown,
    config::{Findings, Secrets},
    process::Service,
    telemetry::LogConfig,
    traces::Destination,
};

use crate::Config;

/// The role.
pub struct SyncNodeProcess;

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

    fn check(config: &Config, secrets: &Secrets, found: &mut Findings<'_>) {
        config.look(secrets, found);
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        crate::serve(config, &secrets, shutdown).await
    }
}
