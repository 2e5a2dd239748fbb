//! The purge of all services, once through, and its counts.

use std::time::Duration;

use async_trait::async_trait;
use foxhold_core::{Deadline, record::Service};
use foxhold_ports::ReadError;
use foxhold_runtime::metrics::{amount, label, list as metrics, purge::Page};
use foxhold_sync::jobs::{
    Halt, Ports,
    purge::{NodePorts, Order, PageEnd, Pass, Tally, Unused},
};

use super::{JobPorts, JobSettings, Work};

/// How long the services may take to be read.
const READ_MAX: Duration = Duration::from_secs(10);

pub(super) struct PurgeWork {
    ports: JobPorts,
    order: Order,
    settings: JobSettings,
}

impl PurgeWork {
    pub(super) fn new(ports: JobPorts, settings: JobSettings) -> Self {
        let purge = &settings.purge;
        let order = Order {
            grace: Duration::from_secs(purge.grace_secs),
            records_max: purge.records_max,
            by_uid: purge.by_uid(),
            ..Order::default()
        };
        Self {
            ports,
            order,
            settings,
        }
    }

    /// Which places this pass takes back: none before it is known who is no stranger.
    async fn unused(&self) -> Option<Unused> {
        let after = self.settings.purge.unused_after()?;
        let home = self.settings.home.get(Deadline::after(READ_MAX)).await;
        let home = home.inspect_err(|cause| {
            tracing::warn!(
                ?cause,
                "no unused place is taken back: the domain of the users is not known"
            );
        });
        Some(Unused {
            after,
            own_domains: vec![home.ok()?.to_owned(), self.settings.own_domain.clone()],
        })
    }

    async fn purge(&self, service: &Service, halt: &Halt) -> Result<Tally, ReadError> {
        let ports = Ports {
            reader: &*self.ports.reader,
            writer: &*self.ports.writer,
            clock: &*self.ports.clock,
            random: &*self.ports.random,
            by: None,
        };
        let nodes = NodePorts {
            minter: &*self.ports.minter,
            calls: &*self.ports.calls,
            metrics_key: &self.settings.metrics_key,
        };
        let mut pass = Pass::new(ports, nodes, service, &self.order, halt);
        let mut after = None;
        loop {
            let before = pass.tally().clone();
            let page = pass.page(after.as_ref(), self.settings.purge.batch).await;
            count(service, &pass.tally().since(&before));
            match page? {
                PageEnd::Next(next) => after = Some(next),
                PageEnd::Last | PageEnd::Cut(_) => return Ok(pass.tally().clone()),
            }
        }
    }
}

#[async_trait]
impl Work for PurgeWork {
    async fn run(&mut self, halt: &Halt) {
        let services = match self.ports.reader.services(Deadline::after(READ_MAX)).await {
            Ok(services) => services,
            Err(error) => {
                tracing::warn!(%error, "nothing was purged");
                return;
            }
        };
        self.order.unused = self.unused().await;
        for service in services.iter().take_while(|_| !halt.is_called()) {
            match self.purge(service, halt).await {
                Ok(tally) => self.tell(service, &tally, halt),
                Err(error) => tracing::warn!(service = %service.key.0, %error, "the purge was cut off"),
            }
        }
    }
}

impl PurgeWork {
    fn tell(&self, service: &Service, tally: &Tally, halt: &Halt) {
        let forgotten = tally.deleted + tally.forgotten;
        let is_whole = !halt.is_called() && self.order.records_max.is_none_or(|max| forgotten < max);
        if is_whole {
            metrics::TOKEN_PURGE_BACKLOG
                .of([label::named(&service.key.0)])
                .set(amount(tally.left()));
        }
        if tally.taken_back > 0 {
            let taken_back = tally.taken_back;
            tracing::info!(service = %service.key.0, taken_back, "places that nobody used were taken back");
        }
        if tally.fetched > 0 {
            let (fetched, deleted, left) = (tally.fetched, tally.deleted, tally.left());
            let forgotten = tally.forgotten;
            tracing::info!(service = %service.key.0, fetched, deleted, forgotten, left, "replaced records were purged");
        }
    }
}

/// Counts what a page has added.
fn count(service: &Service, page: &Tally) {
    if page.taken_back > 0 {
        metrics::TOKEN_PLACES_TAKEN_BACK
            .of([label::named(&service.key.0)])
            .increment(page.taken_back);
    }
    Page {
        fetched: page.fetched,
        deleted: page.deleted + page.forgotten,
        failed: page.failed.iter().map(|(why, number)| (why.label(), *number)),
        skipped: page.skipped.iter().map(|(why, number)| (why.label(), *number)),
    }
    .count(&service.key.0);
}
