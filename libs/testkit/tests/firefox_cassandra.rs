//! The same journey of real Firefox over three Cassandra nodes: two webheads, two keysigners, two dbwriters, one sync node.
//! Half-way one of each tier and one node of the cluster are killed; nothing is lost and nobody is signed out.

use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options},
    fleet::{Cassandra, Fleet, Shape, Store, Tier, journey},
    work_folder::WorkFolder,
};

#[tokio::test(flavor = "multi_thread")]
async fn firefox_syncs_over_cassandra_while_one_of_each_tier_and_a_node_are_killed() {
    let work = WorkFolder::of("firefox_cassandra").unwrap();
    let nodes = work.path().join("cluster");
    let mut cluster = Cluster::start(&nodes, Layout::three(), Options::default())
        .await
        .unwrap();
    let shape = Shape {
        webheads: 2,
        keysigners: 2,
        dbwriters: 2,
        store: Store::Cassandra(Cassandra::on(&cluster)),
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let half_way = async |fleet: &mut Fleet| {
        cluster.kill(1)?;
        for tier in [Tier::Webhead, Tier::Keysigner, Tier::Dbwriter, Tier::SyncNode] {
            fleet.kill(tier, 1)?;
        }
        fleet.restart(Tier::SyncNode, 1).await
    };
    journey(&mut fleet, work.path(), half_way).await.unwrap();
}
