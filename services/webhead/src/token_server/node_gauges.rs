//! What nodes are like, read from the store now and then, whether or not anybody is assigned meanwhile: how full they are,
//! for operators, and which are in backoff, for the clients that are on them.
//!
//! Must stay true: no request waits for this. What a client is told is at most as old as a look and a pause; of a service
//! that cannot be looked at, as old as the last look at it, which keeps nobody from looking at the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    http::{HeaderName, HeaderValue},
    response::Response,
};
use foxhold_core::{
    Deadline,
    record::{NodeFigures, NodeRecord, ServiceKey},
};
use foxhold_ports::ReadError;
use foxhold_runtime::metrics::{amount, label, list as metrics};
use foxhold_sync::exchange::Token;
use futures_util::future::join_all;

use super::TokenServer;

/// Short enough for an operator who spares a node, long enough for the store: counting slots asks more of a cluster than a
/// user's record does.
const PAUSE: Duration = Duration::from_secs(10);
/// How long one look at the services may take, and one at the nodes of each.
const READ_MAX: Duration = Duration::from_secs(10);

/// How long clients of a node in backoff are told to stay away, in seconds. Their tokens last longer.
const BACKOFF_SECS: u32 = 600;
const X_BACKOFF: HeaderName = HeaderName::from_static("x-backoff");

/// A node by its labels.
type Node = [&'static str; 2];

/// What was shown last.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// The nodes of each service that could ever be looked at.
    pub(super) nodes: BTreeMap<ServiceKey, Vec<NodeRecord>>,
    /// Services that could not be looked at the last time: theirs are older.
    pub(super) silent: BTreeSet<ServiceKey>,
}

impl Shown {
    fn figures(&self) -> BTreeMap<Node, NodeFigures> {
        let nodes = self.nodes.values().flatten();
        nodes.map(|node| (labels(node), node.figures)).collect()
    }

    /// Says which services cannot be looked at, when that is news.
    fn silent_are(&mut self, silent: BTreeMap<&ServiceKey, ReadError>) {
        for (service, error) in &silent {
            if !self.silent.contains(*service) {
                tracing::warn!(service = %service.0, %error, "the nodes of a service cannot be looked at: what is told of them stays");
            }
        }
        for service in self.silent.iter().filter(|service| !silent.contains_key(service)) {
            tracing::info!(service = %service.0, "the nodes of a service are looked at again");
        }
        self.silent = silent.into_keys().cloned().collect();
    }
}

/// Nodes whose clients are to stay away for a while. Empty as long as nobody looks.
#[derive(Debug, Default)]
pub struct NodesInBackoff(RwLock<Arc<BTreeSet<String>>>);

impl NodesInBackoff {
    /// Whether the node at this URL is one of them.
    pub(super) fn includes(&self, url: &str) -> bool {
        let nodes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        nodes.contains(url)
    }

    fn set(&self, nodes: BTreeSet<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(nodes);
    }
}

impl TokenServer {
    /// The answer, with word to stay away where the user's node is to be spared.
    pub(super) fn sparing_nodes(&self, token: &Token, mut response: Response) -> Response {
        if self.in_backoff.includes(&token.node) {
            response
                .headers_mut()
                .insert(X_BACKOFF, HeaderValue::from(BACKOFF_SECS));
        }
        response
    }

    /// Keeps the gauges of all nodes, and what clients on them are told, for as long as it is polled.
    pub async fn keep_node_gauges(&self) {
        let mut shown = Shown::default();
        loop {
            // While the store is away the figures stay as they were; that it is away is told elsewhere.
            let _ = self.show_nodes(&mut shown).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Shows every node as it is, and those that were `shown` before and are gone without slots.
    ///
    /// # Errors
    /// [`ReadError`] if it is not known which services there are.
    pub(super) async fn show_nodes(&self, shown: &mut Shown) -> Result<(), ReadError> {
        let services = self.services.all(Deadline::after(READ_MAX)).await?;
        let looks = services.keys().map(|service| async move {
            let by = Deadline::after(READ_MAX);
            (service, self.ports.reader.nodes(by, service).await)
        });
        let before = shown.figures();
        let (mut nodes, mut silent) = (BTreeMap::new(), BTreeMap::new());
        for (service, found) in join_all(looks).await {
            let found = match found {
                Ok(found) => Some(found),
                Err(error) => {
                    silent.insert(service, error);
                    shown.nodes.remove(service)
                }
            };
            nodes.extend(found.map(|found| (service.clone(), found)));
        }
        shown.silent_are(silent);
        shown.nodes = nodes;
        let all = shown.nodes.values().flatten();
        let in_backoff = all.filter(|node| node.figures.backoff);
        self.in_backoff
            .set(in_backoff.map(|node| node.url.clone()).collect());
        self.without_room.look(&shown.nodes);
        let now = shown.figures();
        for (node, figures) in &now {
            set(*node, *figures);
            let released = before.get(node).map_or(0, |before| released(*before, *figures));
            metrics::TOKEN_NODE_RELEASED.of(*node).increment(released);
        }
        for gone in before.keys().filter(|node| !now.contains_key(*node)) {
            set(*gone, NodeFigures::default());
        }
        Ok(())
    }
}

fn labels(node: &NodeRecord) -> Node {
    [label::named(&node.service.0), label::named(&node.url)]
}

/// Slots released between two looks: a user who comes or goes leaves the sum of load and available slots as it is.
fn released(before: NodeFigures, after: NodeFigures) -> u64 {
    let sum = |figures: NodeFigures| figures.available.saturating_add(figures.current_load);
    sum(after).saturating_sub(sum(before))
}

fn set(node: Node, figures: NodeFigures) {
    metrics::TOKEN_NODE_CAPACITY
        .of(node)
        .set(amount(figures.capacity));
    metrics::TOKEN_NODE_AVAILABLE
        .of(node)
        .set(amount(figures.available));
    metrics::TOKEN_NODE_LOAD
        .of(node)
        .set(amount(figures.current_load));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_show_in_the_sum() {
        let of = |current_load, available| NodeFigures {
            capacity: 100,
            current_load,
            available,
            ..NodeFigures::default()
        };
        for (name, before, after, expected) in [
            ("nothing", of(10, 5), of(10, 5), 0),
            ("three users came", of(10, 5), of(13, 2), 0),
            ("one left", of(10, 5), of(9, 6), 0),
            ("one left, and all was released", of(10, 90), of(9, 90), 0),
            ("ten were released", of(10, 0), of(10, 10), 10),
            ("ten, and users came", of(10, 1), of(18, 3), 10),
            ("an operator took some back", of(10, 10), of(10, 0), 0),
        ] {
            assert_eq!(released(before, after), expected, "{name}");
        }
    }
}
