//! Services whose users can get no node at present, for the heartbeat (`tokenserver.md` section 14): those without a node
//! that has room, as the last look at all nodes found them, and those of whose users one was turned away just now, which also
//! tells of a single pool that is full.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use foxhold_core::{
    Timestamp,
    record::{NodeFigures, NodeRecord, ServiceKey},
};

/// How long it is told that somebody was turned away.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// The services. None as long as nobody looks and nobody is turned away.
#[derive(Debug, Default)]
pub struct WithoutRoom(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    full: BTreeSet<String>,
    /// When a user was last turned away; there are as many as services.
    refused: BTreeMap<String, Timestamp>,
}

impl WithoutRoom {
    /// A user of the service got no node.
    pub(super) fn refused(&self, service: &str, now: Timestamp) {
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        found.refused.insert(service.to_owned(), now);
    }

    /// The nodes of each service, as they are. Of a service that is not among them nothing is known.
    pub(super) fn look(&self, nodes: &BTreeMap<ServiceKey, Vec<NodeRecord>>) {
        let has_room = |nodes: &[NodeRecord]| nodes.iter().any(|node| takes(&node.figures));
        let full = nodes.iter().filter(|(_, nodes)| !has_room(nodes));
        let full = full.map(|(service, _)| service.0.clone()).collect();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).full = full;
    }

    /// The keys of the services.
    pub(super) fn services(&self, now: Timestamp) -> BTreeSet<String> {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = found
            .refused
            .iter()
            .filter(|(_, at)| now.since(**at) < TOLD_FOR)
            .map(|(service, _)| service.clone());
        found.full.iter().cloned().chain(lately).collect()
    }
}

/// Whether a node would take one more user, now or once more of it is released.
const fn takes(figures: &NodeFigures) -> bool {
    let is_out = figures.downed || figures.unhealthy || figures.backoff;
    figures.capacity > figures.current_load && !is_out
}
