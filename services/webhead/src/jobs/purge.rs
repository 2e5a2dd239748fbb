//! The purge of all services, once through, and its counts.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Deadline, SecretText, record::Service};
use foxhold_ports::ReadError;
use foxhold_runtime::metrics::{amount, label, list as metrics, purge::Page};
use foxhold_sync::jobs::{
    Halt, Ports,
    purge::{NodePorts, Order, PageEnd, Pass, Tally},
};

use super::{JobPorts, PurgeSettings, Work};

/// How long the services may take to be read.
const READ_MAX: Duration = Duration::from_secs(10);

pub(super) struct PurgeWork {
    ports: JobPorts,
    order: Order,
    batch: u32,
    metrics_key: Arc<SecretText>,
}

impl PurgeWork {
    pub(super) fn new(ports: JobPorts, settings: &PurgeSettings, metrics_key: Arc<SecretText>) -> Self {
        let order = Order {
            grace: Duration::from_secs(settings.grace_secs),
            records_max: settings.records_max,
            by_uid: settings.by_uid(),
            unused_after: settings.unused_after(),
            ..Order::default()
        };
        Self {
            ports,
            order,
            batch: settings.batch,
            metrics_key,
        }
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
            metrics_key: &self.metrics_key,
        };
        let mut pass = Pass::new(ports, nodes, service, &self.order, halt);
        let mut after = None;
        loop {
            let before = pass.tally().clone();
            let page = pass.page(after.as_ref(), self.batch).await;
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
