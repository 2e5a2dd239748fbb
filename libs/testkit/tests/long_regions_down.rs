//! A region that is away as a whole (`security.md` D.5, "region down"). Of three regions any two do everything. Of two the
//! other one keeps whoever is there and refuses what only a majority may decide, until an operator declares the dead one
//! dead; then it decides alone, and takes the other one back later.

#[path = "long_regions_down/newcomers.rs"]
mod newcomers;
#[path = "long_regions_down/strangers.rs"]
mod strangers;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use foxhold_core::{Deadline, record::Service};
use foxhold_ports::{
    AccountReader as _, AssignmentAdmin as _, AssignmentReader as _,
    conformance::fixtures::{Maker, node, service, soon},
};
use foxhold_store_cassandra::{RegionState, migrate::regions::RegionOperator};
use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options},
    race::{Daily, Deployment, Store, User, sign_up, wait_for_hints},
    report::report,
    wait::{pause, wait_until, within},
    work_folder::WorkFolder,
};

use newcomers::Newcomers;
use strangers::Strangers;

/// People there before, in each region.
const AT_HOME: usize = 8;
/// People who come, and users who get a node, while a region is away; in each region that is not.
const NEW: usize = 30;
/// How long a whole command of an operator may take.
const COMMAND: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn of_three_regions_any_two_do_everything() {
    let work = WorkFolder::of("long_regions_down_three").unwrap();
    let options = Options::default();
    let mut cluster = Cluster::start(work.path(), Layout::three_regions(), options)
        .await
        .unwrap();
    // Boxed: unoptimised, it would not fit on a test's stack.
    let done = Box::pin(one_of_three_is_away(&mut cluster)).await;
    done.unwrap_or_else(|error| panic!("{error:#}\n{}", cluster.logs()));
}

async fn one_of_three_is_away(cluster: &mut Cluster) -> Result<()> {
    let scene = Box::pin(Scene::set(cluster)).await?;
    let lost = Strangers::of(&scene.stores[2], &scene.users).await?;
    let daily = [0, 1].map(|side| Daily::start(&scene.stores[side], 21 + side as u64, &scene.users, 2));
    for people in &daily {
        people.goes_on(5).await?;
    }
    cluster.kill(3)?;
    let mut newcomers = [0, 1].map(|side| Newcomers::come(&scene, side));
    for side in 0..2 {
        lost.must_wait(&scene.stores[side]).await?;
    }
    for (side, newcomers) in newcomers.iter_mut().enumerate() {
        newcomers.be_patient();
        newcomers.all_are_there().await?;
        newcomers.change(&scene.stores[side]).await?;
        report(&format!(
            "region {} of three, another killed: {}",
            side + 1,
            newcomers.told()
        ));
    }
    // Whoever is sent to the dead region is told to come again.
    scene.must_be_silent(&scene.stores[2]).await?;
    for people in &daily {
        people.goes_on(20).await?;
    }
    for people in daily {
        let done = people.end().await?;
        done.must_have_gone_on()?;
        report(&format!("daily work beside a region that is killed: {done}"));
    }
    cluster.restart(3).await?;
    scene.all_see(&newcomers).await?;
    lost.are_known(&scene.stores[0]).await?;
    wait_for_hints(cluster, 1..=3).await?;
    let rows = scene.deployment.audit(&scene.stores[2]).await?;
    report(&format!(
        "region back: it knows everything; audit of {rows} rows: nothing found"
    ));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_regions_one_refuses_to_decide_until_the_other_is_declared_dead() {
    let work = WorkFolder::of("long_regions_down_two").unwrap();
    let options = Options::default();
    let mut cluster = Cluster::start(work.path(), Layout::two_regions(), options)
        .await
        .unwrap();
    // Boxed: unoptimised, it would not fit on a test's stack.
    let done = Box::pin(one_of_two_is_away(&mut cluster)).await;
    done.unwrap_or_else(|error| panic!("{error:#}\n{}", cluster.logs()));
}

async fn one_of_two_is_away(cluster: &mut Cluster) -> Result<()> {
    let scene = Box::pin(Scene::set(cluster)).await?;
    let lost = Strangers::of(&scene.stores[1], &scene.users).await?;
    let daily = Daily::start(&scene.stores[0], 31, &scene.users, 2);
    daily.goes_on(5).await?;
    for node in cluster.nodes_of(2) {
        cluster.kill(node)?;
    }
    let mut newcomers = Newcomers::come(&scene, 0);
    lost.must_wait(&scene.stores[0]).await?;
    wait_until("a first answer to everybody", || {
        let all = newcomers.asked() == 2 * NEW;
        async move { all }
    })
    .await?;
    newcomers.must_be_undecided()?;
    report(&format!(
        "one of two regions, the other killed: {}",
        newcomers.told()
    ));
    scene.must_be_silent(&scene.stores[1]).await?;
    daily.goes_on(20).await?;

    Box::pin(declare_dead(cluster, &scene)).await?;
    newcomers.be_patient();
    newcomers.all_are_there().await?;
    newcomers.change(&scene.stores[0]).await?;
    report(&format!(
        "after the other was declared dead: {}",
        newcomers.told()
    ));
    daily.goes_on(20).await?;
    let done = daily.end().await?;
    done.must_have_gone_on()?;
    report(&format!("daily work all the time: {done}"));

    Box::pin(rejoin(cluster, &scene)).await?;
    let back = [newcomers, Newcomers::come(&scene, 1)];
    back[1].be_patient();
    let mut back = back;
    back[1].all_are_there().await?;
    scene.all_see(&back).await?;
    lost.are_known(&scene.stores[0]).await?;
    let rows = scene.deployment.audit(&scene.stores[1]).await?;
    report(&format!(
        "region back: both know everything; audit of {rows} rows: nothing found"
    ));
    Ok(())
}

/// `foxhold region declare-dead`, and what it asks for.
async fn declare_dead(cluster: &Cluster, scene: &Scene) -> Result<()> {
    let settings = scene.deployment.settings(1);
    let operator = RegionOperator {
        settings: &settings,
        plan: &scene.deployment.plan,
    };
    let name = scene.deployment.region(2);
    let began = Instant::now();
    let declared = async {
        loop {
            // Until every node has noticed that the others are gone, this is refused, or not decided.
            match operator.declare_dead(name).await {
                Ok(done) => return done,
                Err(_) => pause().await,
            }
        }
    };
    within(COMMAND, "the region to be declared dead", declared).await?;
    for node in cluster.nodes_of(1) {
        let keyspace = &scene.deployment.plan.keyspace;
        cluster
            .nodetool(node, &["repair", "--paxos-only", keyspace])
            .await?;
    }
    let state = scene.state_of(2);
    ensure!(
        operator
            .list()
            .await?
            .iter()
            .any(|view| view.region.state == RegionState::Dead),
        "it lives"
    );
    wait_until("tiers to know that the region is dead", || {
        let dead = state() == Some(RegionState::Dead);
        async move { dead }
    })
    .await?;
    report(&format!(
        "region declared dead, with its repairs, in {:.0?}",
        began.elapsed()
    ));
    Ok(())
}

/// The nodes are started again; `foxhold region rejoin`, and what it asks for.
async fn rejoin(cluster: &mut Cluster, scene: &Scene) -> Result<()> {
    for node in cluster.nodes_of(2) {
        cluster.restart(node).await?;
    }
    let settings = scene.deployment.settings(1);
    let operator = RegionOperator {
        settings: &settings,
        plan: &scene.deployment.plan,
    };
    let (name, keyspace) = (
        scene.deployment.region(2),
        scene.deployment.plan.keyspace.as_str(),
    );
    let began = Instant::now();
    let begun = async {
        loop {
            // Until the operator's own connection sees the nodes up.
            match operator.begin_rejoin(name).await {
                Ok(done) => return done,
                Err(_) => pause().await,
            }
        }
    };
    within(COMMAND, "the region to begin to rejoin", begun).await?;
    for node in cluster.nodes_of(2) {
        cluster
            .nodetool(node, &["rebuild", "--keyspace", keyspace, "--", "dc1"])
            .await?;
    }
    for node in 1..=6 {
        cluster.nodetool(node, &["repair", "--full", keyspace]).await?;
    }
    for node in cluster.nodes_of(2) {
        cluster
            .nodetool(node, &["repair", "--paxos-only", keyspace])
            .await?;
    }
    operator.finish_rejoin(name).await.context("rejoining")?;
    let state = scene.state_of(2);
    wait_until("tiers to know that the region lives", || {
        let live = state() == Some(RegionState::Live);
        async move { live }
    })
    .await?;
    report(&format!(
        "region rejoined, with its repairs, in {:.0?}",
        began.elapsed()
    ));
    Ok(())
}

/// Regions with a service, and people in all.
struct Scene {
    deployment: Deployment,
    stores: Vec<Store>,
    service: Service,
    users: Arc<Vec<User>>,
}

impl Scene {
    async fn set(cluster: &Cluster) -> Result<Self> {
        let deployment = Deployment::make(cluster).await?;
        let stores = deployment.stores().await?;
        let (make, service) = (Maker::new(1), service("sync-1.5"));
        stores[0].put_service(&make.call(), service.clone()).await?;
        let node = node(&service, "https://node-1.example", 10_000);
        stores[0].create_node(&make.call(), node).await?;
        let mut users = Vec::new();
        for (side, store) in stores.iter().enumerate() {
            let (make, first) = (Maker::new(2 + side as u64), 100 * side as u64);
            let name = format!("at-home-{side}");
            users.extend(sign_up(store, &make, &service, &name, AT_HOME, first).await?);
        }
        let scene = Self {
            deployment,
            stores,
            service,
            users: Arc::new(users),
        };
        for store in &scene.stores {
            wait_until("people to be known everywhere", || async {
                scene.knows_all(store).await.unwrap_or(false)
            })
            .await?;
        }
        Ok(scene)
    }

    async fn knows_all(&self, store: &Store) -> Result<bool> {
        for user in self.users.iter() {
            let holder = store.account_by_email(soon(), &user.account.email_key).await?;
            let record = store.user_record(soon(), &user.at.service, &user.at.user).await?;
            if holder.as_ref() != Some(&user.account) || record.as_ref() != Some(&user.record) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What region 1 takes a region (from 1) for.
    fn state_of(&self, region: usize) -> impl Fn() -> Option<RegionState> {
        let name = self.deployment.region(region);
        move || {
            let regions = self.stores[0].regions();
            let found = regions.all().iter().find(|region| region.name == name);
            found.map(|region| region.state)
        }
    }

    /// Every question put to a region that is gone stays without an answer.
    async fn must_be_silent(&self, store: &Store) -> Result<()> {
        let by = || Deadline::after(Duration::from_secs(1));
        for user in self.users.iter().take(3) {
            let holder = store.account_by_email(by(), &user.account.email_key).await;
            let record = store.user_record(by(), &user.at.service, &user.at.user).await;
            ensure!(
                holder.is_err() && record.is_err(),
                "the dead speak: {:?}, {record:?}",
                holder.map(|found| found.is_some())
            );
        }
        Ok(())
    }

    /// All regions know all who came, and have counted their slots.
    async fn all_see(&self, newcomers: &[Newcomers]) -> Result<()> {
        let came: usize = newcomers.iter().map(|some| some.records.len()).sum();
        let records = (self.users.len() + came) as u64;
        for store in &self.stores {
            wait_until("a region to know everything", || async {
                let mut knows = self.knows_all(store).await.unwrap_or(false);
                for some in newcomers {
                    knows &= some.known_to(store).await.unwrap_or(false);
                }
                let nodes = store.nodes(soon(), &self.service.key).await.unwrap_or_default();
                knows && nodes.iter().map(|node| node.figures.current_load).sum::<u64>() == records
            })
            .await?;
        }
        report(&format!(
            "{records} records and as many slots spent, by every region"
        ));
        Ok(())
    }
}
