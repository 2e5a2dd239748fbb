//! What the exchange is told of the deployment, once the domain of its users is known.

use std::sync::{Arc, OnceLock};

use foxhold_core::{Deadline, SecretText};
use foxhold_ports::Cause;
use foxhold_sync::{exchange::Settings, node_type::NodeTypes};

use crate::home_domain::HomeDomain;

/// The settings, complete as soon as the domain is.
pub struct HomeSettings {
    home: Arc<HomeDomain>,
    own_domain: String,
    metrics_key: Arc<SecretText>,
    node_types: NodeTypes,
    known: OnceLock<Settings>,
}

impl HomeSettings {
    /// `home` is the domain of the users with access tokens, `own_domain` that of the accounts served here.
    #[must_use]
    pub const fn new(
        home: Arc<HomeDomain>,
        own_domain: String,
        metrics_key: Arc<SecretText>,
        node_types: NodeTypes,
    ) -> Self {
        Self {
            home,
            own_domain,
            metrics_key,
            node_types,
            known: OnceLock::new(),
        }
    }

    /// The settings.
    ///
    /// # Errors
    /// Why the domain is not known.
    pub async fn get(&self, by: Deadline) -> Result<&Settings, Cause> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let domain = self.home.get(by).await?;
        Ok(self.known.get_or_init(|| Settings {
            issuer_domain: domain.to_owned(),
            other_own_domain: (domain != self.own_domain).then(|| self.own_domain.clone()),
            metrics_key: Arc::clone(&self.metrics_key),
            node_types: self.node_types.clone(),
        }))
    }

    /// The domain, and how to find it.
    pub(super) const fn home(&self) -> &Arc<HomeDomain> {
        &self.home
    }
}
