//! The process of one keysigner.

use std::{process::ExitCode, time::Duration};

use foxhold_core::Clock as _;
use foxhold_keysigner::{Config, node_secrets::NodeSecretSources};
use foxhold_runtime::{
    Shutdown, SystemClock,
    config::Secrets,
    process::{self, Service},
    telemetry::LogConfig,
    tls::TlsIdentity,
    traces::Destination,
};

struct KeysignerProcess;

impl Service for KeysignerProcess {
    type Config = Config;
    const ROLE: &'static str = "keysigner";
    const PROGRAM: &'static str = "foxhold-keysigner";
    const ABOUT: &'static str = "Holds the keys: signs tokens for the webheads";

    fn log(config: &Config) -> &LogConfig {
        &config.log
    }

    fn traces(config: &Config) -> Destination<'_> {
        Destination::Local(&config.traces)
    }

    fn drain_delay(config: &Config) -> Duration {
        Duration::from_secs(config.drain_delay_secs)
    }

    fn check(config: &Config, secrets: &Secrets) -> anyhow::Result<()> {
        config.open_keys(secrets, SystemClock.now())?;
        config.audit_key(secrets)?;
        NodeSecretSources::read(secrets, &config.node_secrets)?;
        Ok(TlsIdentity::load(&config.tls, secrets).map(drop)?)
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        foxhold_keysigner::serve(config, &secrets, shutdown).await
    }
}

fn main() -> ExitCode {
    process::run::<KeysignerProcess>(env!("CARGO_PKG_VERSION"))
}
