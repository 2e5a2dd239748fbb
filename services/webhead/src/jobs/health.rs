//! The health of all services' nodes, asked once.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Deadline, record::ServiceKey};
use foxhold_sync::jobs::{
    Halt,
    node_health::{HealthPorts, Prober, Thresholds},
};

use super::{JobPorts, NodeHealthSettings, Work};

/// How long the services may take to be read.
const READ_MAX: Duration = Duration::from_secs(10);

pub(super) struct HealthWork {
    ports: JobPorts,
    prober: Prober,
    /// Services most of whose nodes did not answer the last time: told once.
    cut_off: BTreeSet<ServiceKey>,
}

impl HealthWork {
    pub(super) fn new(ports: JobPorts, settings: &NodeHealthSettings) -> Self {
        let thresholds = Thresholds {
            failures: settings.failures,
            answers: settings.answers,
        };
        Self {
            ports,
            prober: Prober::new(thresholds),
            cut_off: BTreeSet::new(),
        }
    }

    async fn look(&mut self, service: &ServiceKey) {
        let ports = HealthPorts {
            reader: &*self.ports.reader,
            admin: &*self.ports.admin,
            calls: &*self.ports.calls,
            clock: &*self.ports.clock,
            random: &*self.ports.random,
        };
        let health = match self.prober.pass(ports, service).await {
            Ok(health) => health,
            Err(error) => {
                tracing::warn!(service = %service.0, %error, "nodes were not asked");
                return;
            }
        };
        if !health.is_cut_off {
            self.cut_off.remove(service);
        } else if self.cut_off.insert(service.clone()) {
            let (asked, failing) = (health.asked, health.failing);
            tracing::warn!(service = %service.0, asked, failing, "most nodes do not answer here, so none is put out of service");
        }
    }
}

#[async_trait]
impl Work for HealthWork {
    async fn run(&mut self, halt: &Halt) {
        let services = match self.ports.reader.services(Deadline::after(READ_MAX)).await {
            Ok(services) => services,
            Err(error) => {
                tracing::warn!(%error, "nodes were not asked");
                return;
            }
        };
        for service in services.iter().take_while(|_| !halt.is_called()) {
            self.look(&service.key).await;
        }
    }

    /// Failures in a row are such only without gaps.
    fn turn_lost(&mut self) {
        self.prober.forget();
        self.cut_off.clear();
    }
}
