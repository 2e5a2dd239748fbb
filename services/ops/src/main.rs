//! The process of the admin API.

use std::{process::ExitCode, time::Duration};

use foxhold_ops::Config;
use foxhold_runtime::{
    Shutdown,
    config::Secrets,
    process::{self, Service},
    telemetry::LogConfig,
    tls::TlsIdentity,
    traces::Destination,
};

struct OpsProcess;

impl Service for OpsProcess {
    type Config = Config;
    const ROLE: &'static str = "ops";
    const PROGRAM: &'static str = "foxhold-ops";
    const ABOUT: &'static str = "Serves the admin API: services, nodes, users' records";

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
        config.check(secrets)?;
        Ok(TlsIdentity::load(&config.tls, secrets).map(drop)?)
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        foxhold_ops::serve(config, &secrets, shutdown).await
    }
}

fn main() -> ExitCode {
    process::run::<OpsProcess>(env!("CARGO_PKG_VERSION"))
}
