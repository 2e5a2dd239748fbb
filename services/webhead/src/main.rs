//! The process of one webhead.

use std::{process::ExitCode, time::Duration};

use foxhold_runtime::{
    Shutdown,
    config::{Secrets, Sources},
    process::{self, Service},
    telemetry::LogConfig,
    tls::TlsIdentity,
    traces::Destination,
};
use foxhold_webhead::Config;

struct WebheadProcess;

impl Service for WebheadProcess {
    type Config = Config;
    const ROLE: &'static str = "webhead";
    const PROGRAM: &'static str = "foxhold-webhead";
    const ABOUT: &'static str = "Serves the sign-in page, accounts, OAuth, profiles and the Token Server";

    fn log(config: &Config) -> &LogConfig {
        &config.log
    }

    fn traces(config: &Config) -> Destination<'_> {
        Destination::Collector(&config.traces)
    }

    fn drain_delay(config: &Config) -> Duration {
        Duration::from_secs(config.drain_delay_secs)
    }

    fn remember(config: &mut Config, sources: &Sources) {
        config.sources = sources.clone();
    }

    fn check(config: &Config, secrets: &Secrets) -> anyhow::Result<()> {
        config.prepare(secrets)?;
        Ok(TlsIdentity::load(&config.tls, secrets).map(drop)?)
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        foxhold_webhead::serve(config, &secrets, shutdown).await
    }
}

fn main() -> ExitCode {
    process::run::<WebheadProcess>(env!("CARGO_PKG_VERSION"))
}
