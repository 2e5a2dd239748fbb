//! What an operator does to regions: look at them, declare one dead so that the others decide without it, and take it
//! back (`foxhold region list|declare-dead|rejoin`; design 3.3, ADR 0011).
//!
//! Must stay true: replication changes before the row does. A decision at the serial level needs a quorum of all copies
//! the keyspace is said to have, so with half of them gone no row can change before the keyspace does; a keyspace is
//! changed by any one node. Every step may be repeated, and a crash between two leaves a state that [`Condition`] names
//! and the same command finishes.

use std::collections::HashMap;

use scylla::statement::Consistency;

use super::{
    MigrateError, Node, Plan,
    admin::{Admin, Serial},
    deployment::replication_of,
};
use crate::{ConnectSettings, Region, RegionState};

const MARK: &str = "UPDATE regions SET state = ?, since = toTimestamp(now()) WHERE name = ? IF state = ?";
const STATE: &str = "SELECT state FROM regions WHERE name = ?";

/// Blocks of uids that a region that comes back leaves out, in every stripe. It may have lost its disks, and what the
/// others have of its rows may lack the last blocks it took. Those are few: nobody is given a uid while the others are
/// out of reach.
const BLOCKS_LEFT_OUT: i64 = 16;

/// Does it.
pub struct RegionOperator<'a> {
    /// How to reach the cluster. The region, and the keyspace beside the plan's, mean nothing here.
    pub settings: &'a ConnectSettings,
    /// What the deployment is.
    pub plan: &'a Plan,
}

/// A region as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionView {
    /// Its row.
    pub region: Region,
    /// Copies of every row in its data centre, by the keyspace's replication.
    pub copies: u32,
    /// The nodes of its data centre.
    pub nodes: Vec<Node>,
}

/// What the row and the replication say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// It takes part.
    Live,
    /// It has left the replication and its row does not say so yet: declaring it dead was interrupted.
    Leaving,
    /// It was declared dead.
    Dead,
    /// Its data centre has copies again, and has to be repaired before it takes part.
    Returning,
}

impl Condition {
    /// As operators and scripts see it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Leaving => "leaving",
            Self::Dead => "dead",
            Self::Returning => "returning",
        }
    }
}

/// What was done, and what is left to the operator.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Done {
    /// What was changed; nothing if it was as it should be.
    pub changed: Vec<String>,
    /// What to do next.
    pub next: Vec<String>,
}

impl RegionView {
    /// What the row and the replication say together.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        match (self.region.state, self.copies) {
            (RegionState::Live, 0) => Condition::Leaving,
            (RegionState::Live, _) => Condition::Live,
            (RegionState::Dead, 0) => Condition::Dead,
            (RegionState::Dead, _) => Condition::Returning,
        }
    }

    fn nodes_up(&self) -> usize {
        self.nodes.iter().filter(|node| node.is_up).count()
    }
}

impl RegionOperator<'_> {
    /// All regions, by mark.
    ///
    /// # Errors
    /// [`MigrateError`]
    pub async fn list(&self) -> Result<Vec<RegionView>, MigrateError> {
        let admin = self.connect(None).await?;
        self.views(&admin).await
    }

    /// Whether a region may be declared dead now: it is one, another lives, and none of its nodes is up.
    ///
    /// # Errors
    /// [`MigrateError`], which says what stands against it.
    pub async fn may_declare_dead(&self, name: &str) -> Result<RegionView, MigrateError> {
        let admin = self.connect(Some(name)).await?;
        self.condemned(&admin, name).await
    }

    /// Takes a region's data centre out of the keyspace's replication, then marks the region dead. To be put to a
    /// surviving region.
    ///
    /// # Errors
    /// [`MigrateError`]. Repeat it until it is done.
    pub async fn declare_dead(&self, name: &str) -> Result<Done, MigrateError> {
        let admin = self.connect(Some(name)).await?;
        let view = self.condemned(&admin, name).await?;
        let mut done = Done::default();
        let mut copies = self.copies(&admin).await?;
        if copies.remove(&view.region.data_centre).is_some() {
            self.replicate(&admin, &copies).await?;
            done.changed.push(format!(
                "data centre {} has no copies of the keyspace any more",
                view.region.data_centre
            ));
        }
        if view.region.state == RegionState::Live {
            mark(&admin, name, RegionState::Live, RegionState::Dead).await?;
            done.changed.push(format!("region {name} is dead"));
        }
        done.next.push(format!(
            "on every node of the other regions: nodetool repair --paxos-only {}",
            self.plan.keyspace
        ));
        Ok(done)
    }

    /// Gives a dead region's data centre its copies back. It takes part only after [`Self::finish_rejoin`].
    ///
    /// # Errors
    /// [`MigrateError`]. Repeat it until it is done.
    pub async fn begin_rejoin(&self, name: &str) -> Result<Done, MigrateError> {
        let admin = self.connect(Some(name)).await?;
        let view = self.coming_back(&admin, name).await?;
        let mut done = Done::default();
        if view.condition() == Condition::Live {
            return Ok(done);
        }
        let mut copies = self.copies(&admin).await?;
        let wanted = view.region.replication.to_string();
        if copies.get(&view.region.data_centre) != Some(&wanted) {
            copies.insert(view.region.data_centre.clone(), wanted);
            self.replicate(&admin, &copies).await?;
            done.changed.push(format!(
                "data centre {} has {} copies of the keyspace, without their rows yet",
                view.region.data_centre, view.region.replication
            ));
        }
        let keyspace = &self.plan.keyspace;
        let from = self.surviving(name).next().unwrap_or_default();
        done.next = vec![
            format!("on every node of region {name}: nodetool rebuild --keyspace {keyspace} -- {from}"),
            format!(
                "then on every node of every region, one after another: nodetool repair --full {keyspace}"
            ),
            format!("then on every node of region {name}: nodetool repair --paxos-only {keyspace}"),
            format!("then: foxhold region rejoin {name} --repaired"),
            format!("then start the tiers of region {name}, and run: foxhold audit run"),
        ];
        Ok(done)
    }

    /// Marks a region live that was rebuilt and repaired.
    ///
    /// # Errors
    /// [`MigrateError`]. Repeat it until it is done.
    pub async fn finish_rejoin(&self, name: &str) -> Result<Done, MigrateError> {
        let admin = self.connect(Some(name)).await?;
        let view = self.coming_back(&admin, name).await?;
        let mut done = Done::default();
        match view.condition() {
            Condition::Live => return Ok(done),
            Condition::Returning => {}
            Condition::Dead | Condition::Leaving => {
                return Err(MigrateError::Refused {
                    what: format!("region {name} has no copies of the keyspace"),
                    fix: format!("foxhold region rejoin {name}, then what that says"),
                });
            }
        }
        let left_out = self.leave_out_blocks(&view.region).await?;
        if left_out > 0 {
            done.changed.push(format!(
                "{BLOCKS_LEFT_OUT} blocks of uids are left out in {left_out} stripes of region {name}"
            ));
        }
        mark(&admin, name, RegionState::Dead, RegionState::Live).await?;
        done.changed.push(format!("region {name} is live"));
        done.next = vec![
            format!("start the tiers of region {name}"),
            "foxhold audit run".to_owned(),
        ];
        Ok(done)
    }

    /// A connection to another region than this one, if one is named and there is another.
    async fn connect(&self, but: Option<&str>) -> Result<Admin, MigrateError> {
        self.plan.check()?;
        // That one last: if nobody else can be reached, what comes next says why not.
        let but = but.unwrap_or_default();
        let itself = self.plan.regions.iter().filter(|region| region.name == but);
        let itself = itself.map(|region| region.data_centre.as_str());
        let near = self.surviving(but).chain(itself);
        let admin = Admin::connect(self.settings, &self.plan.keyspace, near).await?;
        if admin.replication(&self.plan.keyspace).await?.is_none() || admin.regions().await?.is_empty() {
            return Err(MigrateError::NoSchema(self.plan.keyspace.clone()));
        }
        Ok(admin)
    }

    fn surviving(&self, but: &str) -> impl Iterator<Item = &str> {
        let others = self.plan.regions.iter().filter(move |region| region.name != but);
        others.map(|region| region.data_centre.as_str())
    }

    async fn views(&self, admin: &Admin) -> Result<Vec<RegionView>, MigrateError> {
        let copies = self.copies(admin).await?;
        let nodes = admin.nodes();
        let view = |region: Region| RegionView {
            copies: copies
                .get(&region.data_centre)
                .and_then(|copies| copies.parse().ok())
                .unwrap_or(0),
            nodes: nodes
                .iter()
                .filter(|node| node.data_centre == region.data_centre)
                .cloned()
                .collect(),
            region,
        };
        Ok(admin.regions().await?.into_iter().map(view).collect())
    }

    /// A region that may be declared dead.
    async fn condemned(&self, admin: &Admin, name: &str) -> Result<RegionView, MigrateError> {
        let views = self.views(admin).await?;
        let others_live = views
            .iter()
            .any(|view| view.region.name != name && view.condition() == Condition::Live);
        let view = one(views, name)?;
        if !others_live {
            return Err(MigrateError::Refused {
                what: format!("region {name} is the last one that lives"),
                fix: "take another one back first: foxhold region rejoin".to_owned(),
            });
        }
        if let Some(up) = view.nodes.iter().find(|node| node.is_up) {
            return Err(MigrateError::Refused {
                what: format!("region {name} is not dead: its node {} is up", up.address),
                fix: format!(
                    "stop the tiers of region {name}, then end its Cassandra nodes as a power cut would (kill -9): \
                     ones that are stopped in order tell the others, which then change no replication"
                ),
            });
        }
        Ok(view)
    }

    /// A region whose nodes are there again.
    async fn coming_back(&self, admin: &Admin, name: &str) -> Result<RegionView, MigrateError> {
        let views = self.views(admin).await?;
        let is_seen = |view: &RegionView| {
            view.region.name != name && view.condition() == Condition::Live && view.nodes_up() > 0
        };
        let others_seen = views.iter().any(is_seen);
        let view = one(views, name)?;
        if !others_seen {
            return Err(MigrateError::Refused {
                what: format!(
                    "no other region than {name} can be reached, and only those know what was decided"
                ),
                fix: "run it where a region that lives can be reached".to_owned(),
            });
        }
        if view.condition() == Condition::Leaving {
            return Err(MigrateError::Refused {
                what: format!("declaring region {name} dead was interrupted"),
                fix: format!("foxhold region declare-dead {name}"),
            });
        }
        let enough = usize::try_from(view.region.replication).is_ok_and(|copies| view.nodes.len() >= copies);
        if !enough || view.nodes_up() < view.nodes.len() {
            return Err(MigrateError::Refused {
                what: format!(
                    "of the nodes of region {name}, {} of {} are up, and {} copies need as many",
                    view.nodes_up(),
                    view.nodes.len(),
                    view.region.replication
                ),
                fix: "start its Cassandra nodes, and none of its tiers; replace or remove what is lost"
                    .to_owned(),
            });
        }
        Ok(view)
    }

    /// Copies by data centre, as the keyspace has them.
    async fn copies(&self, admin: &Admin) -> Result<HashMap<String, String>, MigrateError> {
        let mut found = admin.replication(&self.plan.keyspace).await?.unwrap_or_default();
        found.retain(|name, _| self.plan.data_centres().any(|planned| planned == name));
        Ok(found)
    }

    async fn replicate(&self, admin: &Admin, copies: &HashMap<String, String>) -> Result<(), MigrateError> {
        let mut copies: Vec<_> = copies
            .iter()
            .map(|(name, copies)| (name.as_str(), copies.parse().unwrap_or(0)))
            .collect();
        copies.sort_unstable();
        let text = format!(
            "ALTER KEYSPACE \"{}\" WITH replication = {} AND durable_writes = true",
            self.plan.keyspace,
            replication_of(copies)
        );
        let changed = admin.change("changing the keyspace's replication", &text).await;
        changed.map_err(|error| match error.unsettled_nodes() {
            Some(words) => MigrateError::Refused {
                what: format!("the cluster changes no replication now: {words}"),
                fix: "nodes that were stopped in order: on a node that is up, nodetool assassinate ADDRESS for each; \
                      nodes that join or leave: wait for them"
                    .to_owned(),
            },
            None => error,
        })
    }

    /// Moves every stripe of a region on, so that no uid it may have given out is given out again. The region decides about
    /// its stripes alone, so this is put to one of its nodes. How many stripes there were.
    async fn leave_out_blocks(&self, region: &Region) -> Result<usize, MigrateError> {
        let home = std::iter::once(region.data_centre.as_str());
        let mut admin = Admin::connect(self.settings, &self.plan.keyspace, home).await?;
        admin.decide_at(Serial::NearDataCentre);
        let what = "leaving out blocks of uids";
        let text = "SELECT service, stripe FROM uid_stripes";
        let stripes: Vec<(String, i32)> = admin.rows(what, text, (), Consistency::LocalQuorum).await?;
        let own = |stripe: &i32| u32::try_from(*stripe).is_ok_and(|stripe| region.stripes.contains(&stripe));
        let mut moved = 0;
        for (service, stripe) in stripes.into_iter().filter(|(_, stripe)| own(stripe)) {
            let select = "SELECT blocks FROM uid_stripes WHERE service = ? AND stripe = ?";
            let key = (service.as_str(), stripe);
            let rows: Vec<(i64,)> = admin.serial_rows(what, select, key).await?;
            let Some((blocks,)) = rows.into_iter().next() else {
                continue;
            };
            let update = "UPDATE uid_stripes SET blocks = ? WHERE service = ? AND stripe = ? IF blocks = ?";
            let values = (blocks + BLOCKS_LEFT_OUT, service.as_str(), stripe, blocks);
            // Not applied, or applied twice after doubt: somebody else moved it on. Then one of us left them out.
            admin
                .decide(what, update, values, Consistency::LocalQuorum)
                .await?;
            moved += 1;
        }
        Ok(moved)
    }
}

fn one(views: Vec<RegionView>, name: &str) -> Result<RegionView, MigrateError> {
    let mut views = views.into_iter();
    views
        .find(|view| view.region.name == name)
        .ok_or_else(|| MigrateError::UnknownRegion(name.to_owned()))
}

/// Changes a region's state, and looks whether it did.
async fn mark(admin: &Admin, name: &str, from: RegionState, to: RegionState) -> Result<(), MigrateError> {
    let what = format!("marking region {name} as {}", to.name());
    let values = (to.name(), name, from.name());
    admin
        .decide(&what, MARK, values, Consistency::LocalQuorum)
        .await?;
    let rows: Vec<(String,)> = admin.serial_rows(&what, STATE, (name,)).await?;
    match rows.into_iter().next() {
        Some((state,)) if state == to.name() => Ok(()),
        state => Err(MigrateError::Answer {
            what,
            answer: format!("{state:?}"),
        }),
    }
}
