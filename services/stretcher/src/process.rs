//! What the process of a stretcher is to the shell all roles share: its configuration, what is checked before it serves, and how it
//! serves. The program runs it; `foxhold config` asks it about configurations.

use std::time::Duration;

use foxhold_runtime::{
    Shutdown,
    config::{Findings, Secrets},
    process::Service,
    telemetry::LogConfig,
    tls::TlsIdentity,
    traces::Destination,
};

use crate::Config;

/// The role.
pub struct StretcherProcess;

impl Service for StretcherProcess {
    type Config = Config;
    const ROLE: &'static str = "stretcher";
    const PROGRAM: &'static str = "foxhold-stretcher";
    const ABOUT: &'static str = "Stretches passwords for the webheads";

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
        found.take_of("pool.memory_mib", config.pool.limits().slots());
        found.take_of("tls", TlsIdentity::load(&config.tls, secrets));
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        crate::serve(config, &secrets, shutdown).await
    }
}
