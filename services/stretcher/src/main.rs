//! The process of one stretcher.

use std::{process::ExitCode, time::Duration};

use foxhold_runtime::{
    Shutdown,
    config::Secrets,
    process::{self, Service},
    telemetry::LogConfig,
    tls::TlsIdentity,
    traces::Destination,
};
use foxhold_stretcher::Config;

struct StretcherProcess;

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

    fn check(config: &Config, secrets: &Secrets) -> anyhow::Result<()> {
        config.pool.limits().slots()?;
        Ok(TlsIdentity::load(&config.tls, secrets).map(drop)?)
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        foxhold_stretcher::serve(config, &secrets, shutdown).await
    }
}

fn main() -> ExitCode {
    process::run::<StretcherProcess>(env!("CARGO_PKG_VERSION"))
}
