//! One of three nodes is killed, comes back, then another is frozen for half a minute, while a fleet serves a steady
//! stream of requests (`security.md` D.5, first row). Nothing acknowledged is lost and nobody is told anything wrong;
//! how long requests take before, in the first ten seconds and afterwards is reported, not judged: the machine of a test
//! run has other things to do.

#[path = "long_node_faults/pace.rs"]
mod pace;

use anyhow::{Context, Result, ensure};
use foxhold_testkit::{
    audit,
    cassandra::{Cluster, Layout, Options},
    fleet::{Cassandra, Fleet, Load, Shape, Store},
    report::report,
    work_folder::WorkFolder,
};

use pace::{Figures, Pace};

/// Requests of the steady stream in a second.
const RATE: u64 = 10;
/// How long things are normal before anything happens.
const NORMAL_SECS: u64 = 30;
/// The drivers and nodes may take so long to learn of it.
const LEARNING_SECS: u64 = 10;
/// What of a freeze of 30 s is left after that, and for how long a dead node is looked at.
const LATER_SECS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_and_a_node_frozen_lose_nothing() {
    let work = WorkFolder::of("long_node_faults").unwrap();
    let options = Options {
        optimised: true,
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
    let fleet = Fleet::start(work.path(), shape).await.unwrap();
    let done = under_load(&mut cluster, &fleet).await;
    done.unwrap_or_else(|error| panic!("{error:#}\n{}\n{}", fleet.logs(), cluster.logs()));
    audit::expect_nothing(&settings).await.unwrap();
}

async fn under_load(cluster: &mut Cluster, fleet: &Fleet) -> Result<()> {
    let pace = Pace::start(&fleet.server, fleet.mailbox, RATE).await?;
    let load = Load::start(&fleet.servers, fleet.mailbox, 1);
    // The first requests meet cold caches and connections.
    pace.window(LEARNING_SECS).await?;
    let normal = pace.window(NORMAL_SECS).await?;
    report(&format!(
        "{RATE} requests a second to a fleet over three nodes: {normal}"
    ));

    cluster.kill(3)?;
    told(&pace, &normal, "one node killed").await?;
    cluster.restart(3).await?;
    pace.window(LEARNING_SECS).await?;
    let back = pace.window(LATER_SECS).await?;
    report(&format!("the node is back: {back}"));

    cluster.freeze(2)?;
    told(&pace, &normal, "one node frozen for 30 s").await?;
    cluster.thaw(2).await?;
    let back = pace.window(LATER_SECS).await?;
    report(&format!("the node goes on: {back}"));

    pace.end().await?;
    let ledger = load.end().await?;
    let summary = ledger.summary();
    ledger
        .settle(&fleet.server)
        .await
        .context("what was acknowledged")?;
    report(&format!(
        "beside it, users who sign up and sign in: {summary}; nothing lost"
    ));
    Ok(())
}

async fn told(pace: &Pace, normal: &Figures, what: &str) -> Result<()> {
    let first = pace.window(LEARNING_SECS).await?;
    let later = pace.window(LATER_SECS).await?;
    report(&format!(
        "{what}: first {LEARNING_SECS} s: {first}; then: {later}, p99 {:.1} times that of before (3 promised)",
        later.p99.as_secs_f64() / normal.p99.as_secs_f64()
    ));
    ensure!(later.done > 0, "nothing is served any more");
    Ok(())
}
