//! Reading services, nodes and users' records.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};

use async_trait::async_trait;
use foxhold_core::{
    Deadline,
    record::{NodeRecord, Service, ServiceKey, UserKey, UserRecord},
};
use foxhold_ports::{
    AssignmentReader, ReadError,
    assignments::{Catalogue, RecordCursor, RecordPage},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use scylla::DeserializeRow;

use super::{record::Stored, table};
use crate::{
    CassandraReader, CassandraStore,
    placement::{
        state::{Lease, LeaseId, Placement},
        table::{How, Settings, read},
    },
};

/// Leases counted at once.
const AT_ONCE: usize = 16;

/// How often leases that were drawn meanwhile are counted. On a node that is nearly full each is one slot, and there may be
/// another one at every look; of what is still not counted then, all slots are taken for spent.
const ROUNDS_MAX: usize = 16;

#[derive(DeserializeRow)]
struct ServiceRow {
    service: String,
    pattern: Option<String>,
    scope: Option<String>,
    token_lifetime_secs: Option<i64>,
    uid_ceiling: Option<i64>,
    policy: Option<Vec<u8>>,
}

#[async_trait]
impl AssignmentReader for CassandraReader {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        Ok(self.catalogue(by).await?.readable)
    }

    async fn catalogue(&self, by: Deadline) -> Result<Catalogue, ReadError> {
        let rows: Vec<ServiceRow> = self.cql.rows(by, &self.nodes.reads.services, ()).await?;
        let (mut readable, mut unreadable) = (Vec::with_capacity(rows.len()), BTreeSet::new());
        for row in rows {
            let key = ServiceKey(row.service);
            let settings = Settings {
                pattern: row.pattern,
                scope: row.scope,
                token_lifetime_secs: row.token_lifetime_secs,
                uid_ceiling: row.uid_ceiling,
                policy: row.policy,
            };
            match settings.of(&key) {
                Some(service) => readable.extend(service),
                // That one cannot be served; the others can.
                None => {
                    unreadable.insert(key);
                }
            }
        }
        self.leave_out(&unreadable);
        readable.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Catalogue { readable, unreadable })
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        let mut noted = BTreeMap::new();
        let mut rounds_left = ROUNDS_MAX;
        loop {
            let placement = read(&self.cql, &self.nodes.reads, How::Quorum, by, service).await?;
            // The notes of a lease are deleted when it ends, so a count holds if the lease is open after it. There is
            // news between two reads without end: of writers' signs of life, of slots that come back, of other leases.
            let open = placement.leases.values().map(|lease| lease.id);
            let uncounted: Vec<_> = open.filter(|lease| !noted.contains_key(lease)).collect();
            if uncounted.is_empty() || rounds_left == 0 {
                return Ok(shown(service, &placement, &noted));
            }
            noted.extend(self.noted(by, uncounted).await?);
            rounds_left -= 1;
        }
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        let record = table::record(&self.cql, &self.users, by, service, user);
        let (stored, nodes) = futures_util::try_join!(record, self.nodes.nodes(by, service))?;
        let Some(stored) = stored else {
            return Ok(None);
        };
        let nodes = self.nodes.knowing(by, service, stored.nodes(), nodes).await?;
        Ok(Some(stored.on(&nodes)))
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        self.page_of_records(by, service, after, limit).await
    }
}

impl CassandraReader {
    /// Says which services cannot be read, when that is news: they are read every few seconds.
    fn leave_out(&self, damaged: &BTreeSet<ServiceKey>) {
        self.cql.left_out(damaged.len() as u64);
        let mut known = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        for service in damaged.difference(&known) {
            tracing::error!(service = %service.0, "the settings of a service are damaged, or of a later release: it is left out");
        }
        for service in known.difference(damaged) {
            tracing::info!(service = %service.0, "the settings of a service can be read again");
        }
        known.clone_from(damaged);
    }

    /// A user's records with the nodes they are on.
    pub(super) async fn resolved(
        &self,
        by: Deadline,
        service: &ServiceKey,
        stored: &Stored,
    ) -> Result<UserRecord, ReadError> {
        let nodes = self.nodes.nodes(by, service).await?;
        let nodes = self.nodes.knowing(by, service, stored.nodes(), nodes).await?;
        Ok(stored.on(&nodes))
    }

    /// Slots noted of each of these leases.
    async fn noted(&self, by: Deadline, leases: Vec<LeaseId>) -> Result<BTreeMap<LeaseId, u64>, ReadError> {
        let counts = stream::iter(leases).map(|lease| async move {
            let rows: Vec<NoteRow> = self
                .cql
                .rows(by, &self.nodes.reads.slots, (&lease.0[..],))
                .await?;
            Ok((lease, rows.len() as u64))
        });
        counts.buffer_unordered(AT_ONCE).try_collect().await
    }
}

#[derive(DeserializeRow)]
#[expect(dead_code, reason = "counted, not looked at")]
struct NoteRow {
    number: i64,
    op: Option<Vec<u8>>,
    user: Option<String>,
}

/// The figures an administrator sees: leased slots are available until they are spent.
fn shown(service: &ServiceKey, placement: &Placement, noted: &BTreeMap<LeaseId, u64>) -> Vec<NodeRecord> {
    let spent = |lease: &Lease| {
        // Slots that came back are noted as well.
        let spent = noted
            .get(&lease.id)
            .map(|noted| noted.saturating_sub(lease.freed));
        spent.unwrap_or(lease.size).min(lease.size)
    };
    let nodes = placement.nodes.iter().map(|(id, node)| {
        let mut figures = node.figures;
        for lease in placement.leases.values().filter(|lease| lease.node == *id) {
            let spent = spent(lease);
            figures.current_load += spent;
            figures.available += lease.size - spent;
        }
        NodeRecord {
            id: *id,
            service: service.clone(),
            url: node.url.clone(),
            node_type: node.node_type.clone(),
            pool: node.pool.clone(),
            figures,
        }
    });
    nodes.collect()
}

#[async_trait]
impl AssignmentReader for CassandraStore {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        self.reader.services(by).await
    }

    async fn catalogue(&self, by: Deadline) -> Result<Catalogue, ReadError> {
        self.reader.catalogue(by).await
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        self.reader.nodes(by, service).await
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        self.reader.user_record(by, service, user).await
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        self.reader.records(by, service, after, limit).await
    }
}
