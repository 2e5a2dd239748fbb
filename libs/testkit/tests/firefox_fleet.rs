//! The same journey of real Firefox against tiers as processes over mutual TLS: two webheads, two keysigners, two dbwriters,
//! one sync node. Half-way one of each is killed; nothing is lost and nobody is signed out.

use foxhold_testkit::{
    fleet::{Fleet, Shape, Store, Tier, journey},
    work_folder::WorkFolder,
};

#[tokio::test(flavor = "multi_thread")]
async fn firefox_syncs_with_a_fleet_of_which_one_of_each_is_killed_half_way() {
    let work = WorkFolder::of("firefox_fleet").unwrap();
    let shape = Shape {
        webheads: 2,
        keysigners: 2,
        dbwriters: 2,
        store: Store::Sqlite,
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let half_way = async |fleet: &mut Fleet| {
        for tier in [Tier::Webhead, Tier::Keysigner, Tier::Dbwriter, Tier::SyncNode] {
            fleet.kill(tier, 1)?;
        }
        fleet.restart(Tier::SyncNode, 1).await
    };
    journey(&mut fleet, work.path(), half_way).await.unwrap();
}
