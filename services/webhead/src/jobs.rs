//! The Token Server's jobs (`tokenserver.md` 11, 14): the purge of replaced records and the health of nodes, each run by one
//! process of the deployment at a time.
//!
//! Called by the webhead's process and by the single box, with ports of their own. Must stay true: no request waits for a
//! job; a job that fails is tried again after its pause; a process that ends lets a job finish the record it is at, and no
//! longer than [`END_MAX`].

mod health;
mod purge;
mod settings;
mod turn;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_core::{Clock, Random, SecretText};
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader, AssignmentWriter, JobTurns, NodeTokenMinter,
    jobs::{Job, Runner},
};
use foxhold_runtime::Shutdown;
use foxhold_sync::jobs::{Halt, NodeCalls};
use tokio::task::JoinSet;

pub use settings::{JobsFault, NodeHealthSettings, PurgeSettings};

use crate::home_domain::HomeDomain;

use self::{
    health::HealthWork,
    purge::PurgeWork,
    turn::{Pace, Turns, keep},
};

/// How long a job may take to finish what it is at when the process ends. Being cut off does no harm.
const END_MAX: Duration = Duration::from_secs(5);

/// What jobs work with.
#[derive(Clone)]
pub struct JobPorts {
    /// Services, nodes and users' records.
    pub reader: Arc<dyn AssignmentReader>,
    /// Forgets records.
    pub writer: Arc<dyn AssignmentWriter>,
    /// Marks nodes.
    pub admin: Arc<dyn AssignmentAdmin>,
    /// Mints the tokens that nodes are called with.
    pub minter: Arc<dyn NodeTokenMinter>,
    /// Calls nodes.
    pub calls: Arc<dyn NodeCalls>,
    /// Hands out turns; absent = this process is the only one.
    pub turns: Option<Arc<dyn JobTurns>>,
    /// What is due.
    pub clock: Arc<dyn Clock>,
    /// Operation ids, and pauses that differ.
    pub random: Arc<dyn Random>,
}

/// What a deployment sets about jobs.
#[derive(Clone)]
pub struct JobSettings {
    /// Purge.
    pub purge: PurgeSettings,
    /// Node health.
    pub node_health: NodeHealthSettings,
    /// Whether nodes are asked for their health where nothing is set.
    pub node_health_by_default: bool,
    /// Hashes users' ids in tokens.
    pub metrics_key: Arc<SecretText>,
    /// Domain of the accounts served here.
    pub own_domain: String,
    /// Domain of the users with access tokens.
    pub home: Arc<HomeDomain>,
}

/// Jobs that run. Dropped, they end at once.
#[must_use]
pub struct RunningJobs(JoinSet<()>);

/// Starts every job that is enabled; each ends with `shutdown`.
pub fn start(ports: JobPorts, settings: JobSettings, shutdown: &Shutdown) -> RunningJobs {
    let runner = Runner::random(&*ports.random);
    let turns = |job| {
        let turns = ports.turns.clone();
        Turns::new(
            turns,
            job,
            runner,
            Arc::clone(&ports.clock),
            Arc::clone(&ports.random),
        )
    };
    let mut running = JoinSet::new();
    if settings.purge.enabled {
        let pace = Pace::of_secs(settings.purge.interval_secs);
        let work = PurgeWork::new(ports.clone(), settings.clone());
        running.spawn(keep(turns(Job::Purge), pace, shutdown.clone(), Box::new(work)));
    }
    if settings
        .node_health
        .enabled
        .unwrap_or(settings.node_health_by_default)
    {
        let pace = Pace::of_secs(settings.node_health.interval_secs);
        let work = HealthWork::new(ports.clone(), &settings.node_health);
        running.spawn(keep(
            turns(Job::NodeHealth),
            pace,
            shutdown.clone(),
            Box::new(work),
        ));
    }
    RunningJobs(running)
}

impl RunningJobs {
    /// Returns when all have ended: soon after the process was told to.
    pub async fn ended(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

/// What a job does in its turn.
#[async_trait]
trait Work: Send {
    /// Once through everything, or until it is halted.
    async fn run(&mut self, halt: &Halt);

    /// Another process may run the job from now on: what was remembered of this one's runs is old by the time that it has the
    /// turn again.
    fn turn_lost(&mut self) {}
}

#[cfg(test)]
mod tests;
