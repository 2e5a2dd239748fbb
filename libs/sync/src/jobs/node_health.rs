//! Node health (`tokenserver.md` 14): a node that does not answer several times in a row becomes `unhealthy`, and gets no
//! new users and no purges until it answers several times in a row again. `downed` and `backoff` are the administrator's.
//!
//! What must stay true: where most nodes that were well fail at once it is the prober that is cut off, and nothing is
//! marked; the last healthy node of a pool is never marked, so that what is wrong with one node shuts nobody out. A node
//! that answers comes back whatever the others do.

use std::{collections::BTreeMap, time::Duration};

use foxhold_core::{
    Clock, Deadline, OpId, Random,
    record::{NodeRecord, PoolName, ServiceKey},
};
use foxhold_ports::{AssignmentAdmin, AssignmentReader, Call, ReadError, assignments::NodeChange};
use futures_util::{StreamExt as _, stream};

use super::{NodeCalls, STEP_MAX};

/// How long a node may take to answer.
const PROBE_MAX: Duration = Duration::from_secs(5);
/// Nodes asked at once.
const PROBES_MAX: usize = 16;

/// What it asks of the world.
#[derive(Clone, Copy)]
pub struct HealthPorts<'a> {
    /// Nodes.
    pub reader: &'a dyn AssignmentReader,
    /// Marks them.
    pub admin: &'a dyn AssignmentAdmin,
    /// Asks them.
    pub calls: &'a dyn NodeCalls,
    /// Operation ids.
    pub clock: &'a dyn Clock,
    /// Operation ids.
    pub random: &'a dyn Random,
}

/// How quick it is to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// Failures in a row that make a node unhealthy.
    pub failures: u32,
    /// Answers in a row that bring it back.
    pub answers: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            failures: 3,
            answers: 2,
        }
    }
}

/// What a pass over a service found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Nodes that were asked: all but those that an administrator took out of service.
    pub asked: usize,
    /// Of them, those that gave no answer.
    pub failing: usize,
    /// Whether so many failed at once that nothing was marked.
    pub is_cut_off: bool,
    /// Nodes that are marked unhealthy since, or are not any more.
    pub changed: Vec<(String, bool)>,
    /// Nodes that should have been, but the store did not take it. They are met again.
    pub not_written: usize,
}

/// Asks the nodes, and remembers how they have answered.
pub struct Prober {
    thresholds: Thresholds,
    streaks: BTreeMap<(ServiceKey, String), Streak>,
}

/// How a node has answered lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Streak {
    Failing(u32),
    Answering(u32),
}

impl Streak {
    fn and(before: Option<Self>, is_alive: bool) -> Self {
        match (before, is_alive) {
            (Some(Self::Failing(times)), false) => Self::Failing(times.saturating_add(1)),
            (Some(Self::Answering(times)), true) => Self::Answering(times.saturating_add(1)),
            (_, false) => Self::Failing(1),
            (_, true) => Self::Answering(1),
        }
    }
}

impl Prober {
    /// Knows of nothing yet.
    #[must_use]
    pub const fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            streaks: BTreeMap::new(),
        }
    }

    /// Knows of nothing any more: somebody else has asked the nodes meanwhile, or nobody.
    pub fn forget(&mut self) {
        self.streaks.clear();
    }

    /// Asks every node of a service once, and marks what follows.
    ///
    /// # Errors
    /// [`ReadError`] if the nodes are not known; then nothing was asked.
    pub async fn pass(&mut self, ports: HealthPorts<'_>, service: &ServiceKey) -> Result<Health, ReadError> {
        let mut nodes = ports.reader.nodes(Deadline::after(STEP_MAX), service).await?;
        nodes.retain(|node| !node.figures.downed);
        let alive = ask(ports.calls, &nodes).await;
        let asked = self.remember(service, nodes, &alive);
        let judged = judge(&asked, self.thresholds);
        let mut health = Health {
            asked: asked.len(),
            failing: asked.iter().filter(|node| node.is_failing()).count(),
            is_cut_off: judged.is_cut_off,
            ..Health::default()
        };
        for (place, unhealthy) in judged.changes {
            let url = &asked[place].node.url;
            if mark(ports, service, url, unhealthy).await {
                health.changed.push((url.clone(), unhealthy));
            } else {
                health.not_written += 1;
            }
        }
        Ok(health)
    }

    /// Only of nodes that are still there.
    fn remember(
        &mut self,
        service: &ServiceKey,
        nodes: Vec<NodeRecord>,
        alive: &BTreeMap<String, bool>,
    ) -> Vec<Asked> {
        let mut before = std::mem::take(&mut self.streaks);
        let mut asked = Vec::new();
        for node in nodes {
            let key = (service.clone(), node.url.clone());
            let is_alive = alive.get(&node.url).copied().unwrap_or_default();
            let streak = Streak::and(before.remove(&key), is_alive);
            self.streaks.insert(key, streak);
            asked.push(Asked { node, streak });
        }
        before.retain(|(of, _), _| of != service);
        self.streaks.append(&mut before);
        asked
    }
}

async fn ask(calls: &dyn NodeCalls, nodes: &[NodeRecord]) -> BTreeMap<String, bool> {
    let urls: Vec<String> = nodes.iter().map(|node| node.url.clone()).collect();
    let asking = urls.into_iter().map(|url| async move {
        let is_alive = calls.is_alive(Deadline::after(PROBE_MAX), &url).await;
        (url, is_alive)
    });
    stream::iter(asking).buffer_unordered(PROBES_MAX).collect().await
}

async fn mark(ports: HealthPorts<'_>, service: &ServiceKey, node: &str, unhealthy: bool) -> bool {
    let call = Call {
        op: OpId::new(ports.clock.now(), ports.random),
        deadline: Deadline::after(STEP_MAX),
    };
    let change = NodeChange {
        unhealthy: Some(unhealthy),
        ..NodeChange::default()
    };
    match ports.admin.update_node(&call, service, node, change).await {
        Ok(()) => {
            tracing::warn!(service = %service.0, node, unhealthy, "a node's health has changed");
            true
        }
        Err(error) => {
            tracing::warn!(service = %service.0, node, unhealthy, %error, "a node's health was not written");
            false
        }
    }
}

/// A node that was asked.
struct Asked {
    node: NodeRecord,
    streak: Streak,
}

impl Asked {
    const fn is_failing(&self) -> bool {
        matches!(self.streak, Streak::Failing(_))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Judged {
    is_cut_off: bool,
    /// Which of those asked become unhealthy, or well again.
    changes: Vec<(usize, bool)>,
}

/// Pure: what follows from how the nodes have answered.
fn judge(asked: &[Asked], thresholds: Thresholds) -> Judged {
    let well = || asked.iter().filter(|node| !node.node.figures.unhealthy);
    let failing = well().filter(|node| node.is_failing()).count();
    let is_cut_off = failing * 2 > well().count();
    let mut changes = Vec::new();
    let mut healthy: BTreeMap<Option<&PoolName>, usize> = BTreeMap::new();
    for (place, node) in asked.iter().enumerate() {
        let is_back = matches!(node.streak, Streak::Answering(times) if times >= thresholds.answers);
        if node.node.figures.unhealthy && is_back {
            changes.push((place, false));
        }
        if takes_users(node) && (!node.node.figures.unhealthy || is_back) {
            *healthy.entry(node.node.pool.as_ref()).or_default() += 1;
        }
    }
    if is_cut_off {
        return Judged { is_cut_off, changes };
    }
    for (place, node) in asked.iter().enumerate() {
        let is_lost = matches!(node.streak, Streak::Failing(times) if times >= thresholds.failures);
        if node.node.figures.unhealthy || !is_lost {
            continue;
        }
        if !takes_users(node) {
            changes.push((place, true));
        } else if let Some(left) = healthy.get_mut(&node.node.pool.as_ref())
            && *left > 1
        {
            *left -= 1;
            changes.push((place, true));
        }
    }
    Judged { is_cut_off, changes }
}

/// A node in backoff is no help to those who need one: that it answers must not take the last other one away.
const fn takes_users(node: &Asked) -> bool {
    !node.node.figures.backoff
}

#[cfg(test)]
mod tests;
