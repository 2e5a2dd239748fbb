//! The process of one dbwriter.

use std::{process::ExitCode, time::Duration};

use foxhold_dbwriter::Config;
use foxhold_runtime::{
    Shutdown,
    config::Secrets,
    process::{self, Service},
    telemetry::LogConfig,
    tls::TlsIdentity,
    traces::Destination,
};

struct DbwriterProcess;

impl Service for DbwriterProcess {
    type Config = Config;
    const ROLE: &'static str = "dbwriter";
    const PROGRAM: &'static str = "foxhold-dbwriter";
    const ABOUT: &'static str = "Writes accounts and assignments for the webheads";

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
        config.prepare(secrets)?;
        Ok(TlsIdentity::load(&config.tls, secrets).map(drop)?)
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        foxhold_dbwriter::serve(config, &secrets, shutdown).await
    }
}

fn main() -> ExitCode {
    process::run::<DbwriterProcess>(env!("CARGO_PKG_VERSION"))
}
