//! How a process reaches the cluster.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use foxhold_core::SecretText;
use rustls::ClientConfig;
use scylla::{client::session::TlsContext, statement::SerialConsistency};

/// What a process has to know to connect. Everything else stands in the cluster itself.
#[derive(Debug)]
pub struct ConnectSettings {
    /// Some nodes, `host:port`; the others are found.
    pub contact_points: Vec<String>,
    /// The keyspace.
    pub keyspace: String,
    /// The region this process runs in: a name of the `regions` table.
    pub region: String,
    /// The role it logs in as; no authentication when absent.
    pub login: Option<(String, SecretText)>,
    /// TLS to the nodes; none when absent.
    pub tls: Option<TlsConfig>,
    /// The address connections are made from; any when absent.
    pub local_address: Option<IpAddr>,
    /// How old the table of nodes may be that a read of a user's record names its node by.
    pub node_table_age: Duration,
}

/// How to speak TLS to the nodes: whose certificates are believed, and which one is shown.
#[derive(Clone)]
pub struct TlsConfig(Arc<ClientConfig>);

impl TlsConfig {
    pub(crate) fn context(&self) -> TlsContext {
        TlsContext::from(Arc::clone(&self.0))
    }

    /// Whether the nodes can get to see a certificate.
    pub(crate) fn shows_certificate(&self) -> bool {
        self.0.client_auth_cert_resolver.has_certs()
    }
}

impl From<Arc<ClientConfig>> for TlsConfig {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self(config)
    }
}

/// Without the certificate, and above all its key.
impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").finish_non_exhaustive()
    }
}

/// Where decisions that must be unique are serialized (design 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SerialLevel {
    /// Over all regions.
    Serial,
    /// Within one: allowed only where there is no other.
    LocalSerial,
}

impl SerialLevel {
    /// As it stands in the `deployment` table and in configurations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serial => "SERIAL",
            Self::LocalSerial => "LOCAL_SERIAL",
        }
    }

    /// The level of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Serial, Self::LocalSerial]
            .into_iter()
            .find(|level| level.name() == name)
    }

    pub(crate) const fn consistency(self) -> SerialConsistency {
        match self {
            Self::Serial => SerialConsistency::Serial,
            Self::LocalSerial => SerialConsistency::LocalSerial,
        }
    }
}
