//! Clocks that are ten minutes off (`security.md` D.5, "clock skew"). First those of writers, with nobody keeping them
//! from writing: one writer begins what another ends, each way round. Then that of one Cassandra node. No sign-out, no
//! verification, no change is lost, nothing is spent twice, no address has two accounts. That a dbwriter whose clock is
//! off leaves rotation is shown by `cassandra_fleet`.

#[path = "long_clock_skew/scene.rs"]
mod scene;

use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options, shared},
    fleet::Cassandra,
    report::report,
    work_folder::WorkFolder,
};

use scene::Scene;

/// Ten minutes.
const OFF_SECS: i64 = 600;

#[tokio::test(flavor = "multi_thread")]
async fn writers_with_wrong_clocks_lose_nothing_of_each_other() {
    let keyspace = Cassandra::on_shared(&shared().await.unwrap());
    let clocks = [("right", 0), ("fast", OFF_SECS), ("slow", -OFF_SECS)];
    let mut scene = Scene::set(&keyspace, &clocks).await.unwrap();
    let done = async {
        scene.everybody_ends_what_others_began(1).await?;
        scene.race_for_addresses().await?;
        scene.race_for_nodes().await?;
        scene.audit().await
    };
    let figures = done
        .await
        .unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
    report(&format!(
        "writers ten minutes fast, right and ten minutes slow: {figures}"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_wrong_clock_loses_nothing() {
    let work = WorkFolder::of("long_clock_skew").unwrap();
    // By default a node drops what seems to have been on its way for too long, so one whose clock is off hardly takes part.
    let options = Options {
        more: vec![("internode_timeout", "false".to_owned())],
        ..Options::default()
    };
    let mut cluster = Cluster::start(work.path(), Layout::three(), options)
        .await
        .unwrap();
    let done = with_node(&mut cluster).await;
    done.unwrap_or_else(|error| panic!("{error:#}\n{}", cluster.logs()));
}

async fn with_node(cluster: &mut Cluster) -> anyhow::Result<()> {
    let keyspace = Cassandra::on(cluster);
    let mut scene = Scene::set(&keyspace, &[("one", 0), ("other", 0)]).await?;
    for (off, name) in [(OFF_SECS, "fast"), (-OFF_SECS, "slow")] {
        cluster.stop(3).await?;
        cluster.restart_with_clock(3, off).await?;
        scene.answers_again().await?;
        scene.everybody_ends_what_others_began(2).await?;
        // Every read needs the one that is off.
        cluster.kill(2)?;
        scene.answers_again().await?;
        let facts = scene.hold().await?;
        cluster.restart(2).await?;
        scene.answers_again().await?;
        scene.race_for_addresses().await?;
        report(&format!(
            "a node ten minutes {name}: {facts} facts hold where it is needed; {}",
            scene.figures()
        ));
    }
    cluster.stop(3).await?;
    cluster.restart_with_clock(3, 0).await?;
    scene.answers_again().await?;
    let figures = scene.audit().await?;
    report(&format!("the node's clock set right: {figures}"));
    Ok(())
}
