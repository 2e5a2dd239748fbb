//! Users' records against services, nodes, uids and figures (`tokenserver.md` 9, 11, 12): each record is on a node that is
//! or was there, has a uid that was handed out and that nobody else has, and, if it holds a slot, is counted in the load of
//! its node. Past ones, too; only their node may be any: where there is none of its number, they read as without one.

use foxhold_core::{
    NodeId, ServiceUid,
    record::{ServiceKey, UserKey},
};
use scylla::DeserializeRow;

use super::{
    Audit, AuditError, Finding, Notes, Verdict,
    figures::{self, Counted},
    leases,
    scan::{Pages, settle, soon},
    uids::{self, Uids},
};
use crate::{
    assignments::past::{self, Past, Seat},
    cql::Outcome,
    placement::{
        state::Placement,
        table::{self, How},
    },
};

#[derive(Debug, DeserializeRow)]
struct ServiceRow {
    service: String,
}

#[derive(Debug, DeserializeRow)]
pub(super) struct RecordRow {
    pub(super) service: String,
    pub(super) user: String,
    uid: Option<i64>,
    node: Option<i64>,
    slot: Option<Vec<u8>>,
    past: Option<Vec<u8>>,
    version: Option<i64>,
}

impl RecordRow {
    /// `None` if it has none that can be one.
    pub(super) fn uid(&self) -> Option<u64> {
        let uid = u64::try_from(self.uid?).ok()?;
        ServiceUid::new(uid).map(ServiceUid::get)
    }

    /// `None` = the node has gone, and the record says so.
    fn node(&self) -> Option<NodeId> {
        // What is no number of a node is the number of none.
        self.node
            .map(|node| NodeId(u64::try_from(node).unwrap_or(u64::MAX)))
    }

    /// The past records; `None` = they cannot be read.
    fn past(&self) -> Option<Vec<Past>> {
        self.past
            .as_deref()
            .map_or_else(|| Some(Vec::new()), past::decode)
    }

    /// The uids of all records, as far as they can be read.
    pub(super) fn uids(&self) -> impl Iterator<Item = u64> {
        let past = self.past().unwrap_or_default();
        let past = past.into_iter().map(|past| past.record.uid.get());
        self.uid().into_iter().chain(past)
    }

    /// Where its records hold slots.
    fn slots(&self) -> impl Iterator<Item = Seat> {
        let current = self.node().map(|node| Seat {
            node: Some(node),
            slot: self.slot.clone(),
        });
        let past = self.past().unwrap_or_default().into_iter();
        current
            .into_iter()
            .chain(past.filter(|past| past.record.holds_slot).map(|past| past.seat))
    }
}

/// Whether a slot is of a lease that is still open: then it counts when that ends.
fn counts_later(slot: Option<&[u8]>, placement: &Placement) -> bool {
    let Some(lease) = slot.and_then(<[u8]>::first_chunk::<16>) else {
        return false;
    };
    placement.leases.values().any(|open| open.id.0 == *lease)
}

/// A user's id without what follows it, for examples.
pub(super) fn fxa_uid(user: &str) -> String {
    UserKey(user.to_owned()).fxa_uid().to_owned()
}

/// A service with what is counted for it.
pub(super) struct Service {
    pub(super) key: ServiceKey,
    /// As it was before anything was counted.
    pub(super) before: Placement,
    pub(super) counted: Counted,
}

/// Goes through all records.
pub(super) async fn audit(audit: &Audit<'_>, notes: &mut Notes<'_>) -> Result<(), AuditError> {
    let mut services = services(audit, notes).await?;
    let mut uids = Uids::of(audit, &services).await?;
    let mut pages = Pages::of(audit, &audit.statements.records, "assignments");
    while let Some(rows) = pages.next::<RecordRow>(notes).await? {
        for row in rows {
            let place = services.iter().position(|service| service.key.0 == row.service);
            if fault(&row, place.map(|place| &services[place].before)).is_some() {
                settle(notes, async || look(audit, &row).await).await?;
            }
            if let (Some(place), Some(_)) = (place, row.version) {
                count(&mut services[place], &row);
                row.uids().for_each(|uid| uids.count(place, uid));
            }
        }
    }
    uids::look_for_twins(audit, notes, &services, &mut uids).await?;
    uids::compare(audit, notes, &services, &uids).await?;
    for service in &services {
        figures::compare(audit, notes, service).await?;
    }
    Ok(())
}

async fn services(audit: &Audit<'_>, notes: &mut Notes<'_>) -> Result<Vec<Service>, AuditError> {
    let mut services = Vec::new();
    let mut pages = Pages::of(audit, &audit.statements.services, "placement");
    while let Some(rows) = pages.next::<ServiceRow>(notes).await? {
        for row in rows {
            let key = ServiceKey(row.service);
            leases::audit(audit, notes, &key).await?;
            let before = audit.placement(&key).await?;
            services.push(Service {
                key,
                before,
                counted: Counted::default(),
            });
        }
    }
    Ok(services)
}

fn count(service: &mut Service, row: &RecordRow) {
    for seat in row.slots() {
        if let Some(node) = seat.node.filter(|node| service.before.nodes.contains_key(node)) {
            let is_settled = !counts_later(seat.slot.as_deref(), &service.before);
            service.counted.add(node, is_settled);
        }
    }
}

/// What is wrong with a record beside the placement of its service.
fn fault(row: &RecordRow, placement: Option<&Placement>) -> Option<Finding> {
    // Operations outlive the record they were about.
    row.version?;
    if row.uid().is_none() || row.past().is_none() {
        return Some(Finding::UnreadableRow);
    }
    let node = row.node()?;
    // Who is on a node that was removed is given another at the next request.
    let is_known = placement
        .is_some_and(|placement| placement.nodes.contains_key(&node) || placement.removed.contains(&node));
    (!is_known).then_some(Finding::RecordOnUnknownNode)
}

async fn look(audit: &Audit<'_>, row: &RecordRow) -> Result<Verdict, AuditError> {
    let placement = audit.placement(&ServiceKey(row.service.clone())).await?;
    let Some(record) = audit.record(&row.service, &row.user).await? else {
        return Ok(Verdict::Fine);
    };
    let Some(finding) = fault(&record, Some(&placement)) else {
        return Ok(Verdict::Fine);
    };
    let example = format!("service {}, user {}", row.service, fxa_uid(&row.user));
    let Some(version) = record.version.filter(|_| finding == Finding::RecordOnUnknownNode) else {
        return Ok(Verdict::Found(finding, example));
    };
    if !audit.options.repair {
        return Ok(Verdict::Found(finding, example));
    }
    let values = (version.saturating_add(1), &row.service, &row.user, version);
    let outcome = audit.cql.decide(soon(), &audit.statements.take_from_node, values);
    Ok(match outcome.await? {
        Outcome::Applied => Verdict::Repaired(finding, example),
        Outcome::NotApplied | Outcome::InDoubt(_) => Verdict::Changed,
    })
}

impl Audit<'_> {
    /// A record after every decision that can still be made about it.
    pub(super) async fn record(&self, service: &str, user: &str) -> Result<Option<RecordRow>, AuditError> {
        self.decided(&self.statements.record, (service, user)).await
    }

    /// A placement after every decision that can still be made about it.
    pub(super) async fn placement(&self, service: &ServiceKey) -> Result<Placement, AuditError> {
        let reads = &self.placements.reads;
        Ok(table::read(self.cql, reads, How::Serial, soon(), service).await?)
    }

    /// Changes a placement, if it is still as it was.
    pub(super) async fn change_placement(
        &self,
        service: &ServiceKey,
        before: &Placement,
        after: &Placement,
    ) -> Result<bool, AuditError> {
        let writes = &self.placements.writes;
        let written = table::write(self.cql, writes, soon(), service, before, after, None);
        Ok(written.await? == Outcome::Applied)
    }
}
