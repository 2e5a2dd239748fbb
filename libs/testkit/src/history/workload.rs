//! A load of racing clients that writes down what it was told: creations of the same e-mail addresses, changes decided
//! on the same version, tokens spent by several, first assignments of the same users, and reads. Tests point it at any
//! adapters of the ports, with whatever faults they make meanwhile, and have the history judged.
//!
//! What must stay true: which client is after what is decided by the seed and the number of the turn alone, and clients
//! next to each other in time are after the same object. An object is retired after some turns, so that its history
//! stays small enough to be judged, however long a run is.

mod client;
mod intent;
mod material;
mod schedule;
mod site;
mod tally;

pub use site::Site;
pub use tally::Tally;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use foxhold_ports::{
    AssignmentAdmin,
    conformance::fixtures::{Maker, node, service},
};
use tokio::task::JoinSet;

use self::{
    client::Client,
    material::{Material, Origin},
    schedule::Schedule,
    tally::Counts,
};
use super::{History, Model, Recorder};
use crate::wait::{patiently, pause};

/// How many users a node of the stage takes: more than any run has.
const ROOM: u64 = 1_000_000;

/// What readers promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// To see every write that was answered before: they belong into the history.
    Current,
    /// Less (`security.md` D.4: another region's writes come a little later). They only serve to decide on, and a
    /// decision on something old has to be refused.
    Stale,
}

/// What the clients do, and how patient they are.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The same seed makes the same decisions. Runs over one store need different ones: objects are named by it.
    pub seed: u64,
    /// How many clients there are. All of them race for one object at a time; judging takes a look at every subset of
    /// those who were at work at once, so a dozen is plenty.
    pub clients: usize,
    /// How many objects of a kind are in use at a time.
    pub keys: u64,
    /// How often all clients come to an object before it is retired.
    pub rounds: u64,
    /// The kinds of objects.
    pub kinds: Vec<Model>,
    /// What the readers promise.
    pub reads: Reads,
    /// How long one attempt of an operation may take.
    pub attempt: Duration,
    /// How long an outcome that is not known is asked for again. Zero: not at all.
    pub patience: Duration,
    /// After this time a run that was not told to stop is a failure.
    pub longest: Duration,
}

impl Workload {
    /// Six clients and all kinds of objects.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            clients: 6,
            keys: 3,
            rounds: 4,
            kinds: vec![Model::Create, Model::Change, Model::Consume, Model::Assign],
            reads: Reads::Current,
            attempt: Duration::from_secs(5),
            patience: Duration::from_secs(30),
            longest: Duration::from_secs(600),
        }
    }

    /// Makes what the clients need: a service with nodes, and an account at each site. To be called before anything is
    /// broken.
    ///
    /// # Errors
    /// When the stores do not do it.
    pub async fn set_up(self, admin: &dyn AssignmentAdmin, sites: Vec<Site>) -> Result<Stage> {
        ensure!(self.clients > 0 && !sites.is_empty(), "nobody works, or nowhere");
        ensure!(
            self.keys > 0 && self.rounds > 0 && !self.kinds.is_empty(),
            "there is nothing to work on"
        );
        let make = Maker::new(material::mixed(self.seed, material::SET_UP, 0));
        let service = service("sync-1.5");
        let put = admin.put_service(&make.call(), service.clone()).await;
        put.context("making the service")?;
        for number in 1..=2 {
            let node = node(&service, &format!("https://node-{number}.example"), ROOM);
            let made = admin.create_node(&make.call(), node).await;
            made.context("making a node")?;
        }
        let mut origins = Vec::new();
        for (number, site) in sites.iter().enumerate() {
            let address = format!("{:016x}-site-{number}@example.test", self.seed);
            let account = make.verified_account(&address);
            let sign_in = material::sign_in(&make, account.uid, site.mark);
            let session = sign_in.session.id;
            let uid = account.uid;
            let call = make.call();
            let made = site.account_writer.create_account(&call, account, sign_in);
            made.await
                .with_context(|| format!("making an account at {}", site.name))?;
            let mark = site.mark;
            origins.push(Origin { uid, session, mark });
        }
        let schedule = Schedule {
            clients: self.clients as u64,
            keys: self.keys,
            rounds: self.rounds,
            kinds: self.kinds.clone(),
        };
        Ok(Stage(Arc::new(Inner {
            material: Material {
                seed: self.seed,
                service,
                origins,
            },
            schedule,
            sites,
            recorder: Recorder::new(),
            counts: Counts::default(),
            turns: AtomicU64::new(0),
            // Users who are only assigned have generation 1.
            generation: AtomicU64::new(2),
            workload: self,
        })))
    }
}

/// A workload ready to run.
pub struct Stage(Arc<Inner>);

/// What the clients share.
struct Inner {
    workload: Workload,
    schedule: Schedule,
    material: Material,
    sites: Vec<Site>,
    recorder: Recorder,
    counts: Counts,
    turns: AtomicU64,
    generation: AtomicU64,
}

impl Stage {
    /// Runs the clients, the number `n` of them at the site `n mod sites`, until `stop` says so: each asks it before
    /// every turn, with what has happened so far. What they are at then they finish. May be called again.
    ///
    /// # Errors
    /// When nobody said so in time, or a client panicked.
    pub async fn run(&self, stop: impl Fn(Tally) -> bool + Send + Sync + 'static) -> Result<()> {
        let stop = Arc::new(stop);
        let mut clients = JoinSet::new();
        for number in 0..self.0.workload.clients {
            let (stage, stop) = (Arc::clone(&self.0), Arc::clone(&stop));
            clients.spawn(async move {
                let client = Client::new(&stage, number);
                while !stop(stage.counts.tally()) {
                    let turn = stage.turns.fetch_add(1, Ordering::Relaxed);
                    if client.take(&stage.schedule.turn(turn)).await {
                        tokio::task::yield_now().await;
                    } else {
                        pause().await;
                    }
                }
            });
        }
        let all = async {
            while let Some(ended) = clients.join_next().await {
                ended.context("a client failed")?;
            }
            anyhow::Ok(())
        };
        let longest = self.0.workload.longest;
        tokio::time::timeout(longest, all)
            .await
            .with_context(|| format!("nobody stopped the clients within {longest:?}"))?
    }

    /// Reads every object that was in use once more, at every site, and records what it holds: so that a write which
    /// was answered and is lost shows even if nobody came after it. To be called when nothing is broken any more and,
    /// where reads are stale, the sites have had the time they are promised to agree in.
    ///
    /// # Errors
    /// When something cannot be read.
    pub async fn read_all(&self) -> Result<()> {
        let turns = self.0.turns.load(Ordering::Relaxed);
        let first_of_bursts = (0..turns).step_by(self.0.workload.clients);
        let objects: BTreeSet<(Model, u64)> = first_of_bursts
            .map(|turn| self.0.schedule.turn(turn))
            .map(|turn| (turn.model, turn.key))
            .collect();
        for site in 0..self.0.sites.len() {
            let client = Client::reader(&self.0, site);
            for (model, key) in &objects {
                let reading = async {
                    while client.read(*model, *key).await.is_err() {
                        pause().await
                    }
                };
                patiently("a last read", reading).await?;
            }
        }
        Ok(())
    }

    /// What was recorded so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.0.recorder.history()
    }

    /// How the operations ended so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.0.counts.tally()
    }
}
