//! What the process of a keysigner is to the shell all roles share: its configuration, what is checked before it serves, and how it
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

use crate::{Config, node_secrets::NodeSecretSources};

/// The role.
pub struct KeysignerProcess;

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

    fn check(config: &Config, secrets: &Secrets, found: &mut Findings<'_>) {
        config.look(secrets, found);
        found.take(NodeSecretSources::read(secrets, &config.node_secrets));
        found.take_of("tls", TlsIdentity::load(&config.tls, secrets));
    }

    async fn serve(config: Config, secrets: Secrets, shutdown: Shutdown) -> anyhow::Result<()> {
        crate::serve(config, &secrets, shutdown).await
    }
}
