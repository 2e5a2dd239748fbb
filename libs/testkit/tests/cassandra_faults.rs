//! What a fleet over three Cassandra nodes answers while something of it is away (`security.md` D.5): a node frozen and
//! killed, two nodes, the replies of a node, all writers, all signers. Whatever cannot be done now is "come back later"
//! (503 with Retry-After), never "you are signed out" or "there is no such account"; whatever was acknowledged is there
//! afterwards. One cluster behind proxies, one fleet, one thing away after the other.

#[path = "cassandra_faults/asks.rs"]
mod asks;
#[path = "cassandra_faults/replies.rs"]
mod replies;
#[path = "cassandra_faults/scene.rs"]
mod scene;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use foxhold_testkit::{
    audit,
    cassandra::{Cluster, Layout, Options},
    fleet::{Cassandra, Fleet, Load, Shape, Store, Tier},
    ledger::Ledger,
    report::report,
    work_folder::WorkFolder,
};

use asks::{Ask, Expect};
use scene::Scene;

/// Users at work while a node is frozen and killed.
const USERS_AT_ONCE: usize = 3;
/// Answers that must be acknowledged before, while it is frozen, and after it was killed.
const ENOUGH: usize = 40;
/// How often everything is asked while a quorum is away: at first nodes still hope for each other.
const WAVES: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_wrong_is_answered_while_nodes_or_tiers_are_away() {
    let work = WorkFolder::of("cassandra_faults").unwrap();
    let options = Options {
        proxied: true,
        ..Options::default()
    };
    let nodes = work.path().join("cluster");
    let mut cluster = Cluster::start(&nodes, Layout::three(), options).await.unwrap();
    let cassandra = Cassandra::on(&cluster);
    let settings = cassandra.as_superuser(0);
    let shape = Shape {
        webheads: 2,
        keysigners: 1,
        dbwriters: 2,
        store: Store::Cassandra(cassandra),
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let done = all(&mut cluster, &mut fleet).await;
    done.unwrap_or_else(|error| panic!("{error:#}\n{}\n{}", fleet.logs(), cluster.logs()));
    audit::expect_nothing(&settings).await.unwrap();
}

async fn all(cluster: &mut Cluster, fleet: &mut Fleet) -> Result<()> {
    let mut scene = Scene::set(fleet).await.context("setting the scene")?;
    scene.works_again().await.context("all is well")?;
    let load = a_node_is_frozen_then_killed(cluster, fleet).await?;
    two_nodes_are_away(cluster, &mut scene).await?;
    load.settle(&fleet.server)
        .await
        .context("what was acknowledged")?;
    writers_are_away(fleet, &mut scene).await?;
    signers_are_away(fleet, &mut scene).await?;
    replies::are_dropped(cluster, fleet).await
}

/// Leaves node 3 dead.
async fn a_node_is_frozen_then_killed(cluster: &mut Cluster, fleet: &Fleet) -> Result<Arc<Ledger>> {
    let load = Load::start(&fleet.servers, fleet.mailbox, USERS_AT_ONCE);
    load.goes_on(ENOUGH, || false).await?;
    let before = load.ledger().acknowledged();
    cluster.freeze(3)?;
    load.goes_on(ENOUGH, || false).await.context("a node is frozen")?;
    let frozen = load.ledger().acknowledged();
    cluster.kill(3)?;
    load.goes_on(ENOUGH, || false).await.context("a node is killed")?;
    let ledger = load.end().await?;
    report(&format!(
        "one of three nodes frozen, then killed: {} acknowledged before, {} while frozen, {} after; {}",
        before,
        frozen - before,
        ledger.acknowledged() - frozen,
        ledger.summary()
    ));
    Ok(ledger)
}

/// Node 3 is dead already; both are back afterwards.
async fn two_nodes_are_away(cluster: &mut Cluster, scene: &mut Scene) -> Result<()> {
    scene
        .prepare(WAVES)
        .await
        .context("before the second node goes")?;
    cluster.stop(2).await?;
    let before = scene.answers();
    for wave in 1..=WAVES {
        let asked = scene.wave(|_| Expect::Later).await;
        asked.with_context(|| format!("two of three nodes away, wave {wave}"))?;
    }
    let answers = scene.answers() - before;
    ensure!(answers >= WAVES * Ask::ALL.len(), "only {answers} answers");
    cluster.restart(2).await?;
    scene.works_again().await.context("a quorum is back")?;
    cluster.restart(3).await?;
    scene.works_again().await.context("all nodes are back")?;
    report(&format!(
        "two of three nodes away: {answers} answers to {} kinds of requests, all 503; nobody signed out",
        Ask::ALL.len()
    ));
    Ok(())
}

async fn writers_are_away(fleet: &mut Fleet, scene: &mut Scene) -> Result<()> {
    scene.prepare(1).await?;
    for number in 1..=fleet.count(Tier::Dbwriter) {
        fleet.stop(Tier::Dbwriter, number).await?;
    }
    let asked = scene.wave(|ask| {
        if ask.writes() {
            Expect::Later
        } else {
            Expect::Works
        }
    });
    let (works, later) = asked.await.context("no writer")?;
    for number in 1..=fleet.count(Tier::Dbwriter) {
        fleet.launch(Tier::Dbwriter, number)?;
    }
    scene.works_again().await.context("writers are back")?;
    report(&format!(
        "no dbwriter: {works} answered, {later} (all writes) 503"
    ));
    Ok(())
}

async fn signers_are_away(fleet: &mut Fleet, scene: &mut Scene) -> Result<()> {
    scene.prepare(1).await?;
    fleet.kill(Tier::Keysigner, 1)?;
    let asked = scene.wave(|ask| if ask.signs() { Expect::Later } else { Expect::Works });
    let (works, later) = asked.await.context("no signer")?;
    fleet.restart(Tier::Keysigner, 1).await?;
    scene.works_again().await.context("the signer is back")?;
    report(&format!(
        "no keysigner: {works} answered, {later} (all that need a signature) 503"
    ));
    Ok(())
}
