//! The bench on two data centres of three nodes: the network between them is cut, each side sees the other go, clients of
//! one side reach nobody on the other, and all is well again when the cut is healed.

use anyhow::{Result, ensure};
use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options, Partition, cql},
    own_network,
    report::report,
    wait::{patiently, pause},
    work_folder::WorkFolder,
};

#[tokio::test(flavor = "multi_thread")]
async fn data_centres_are_cut_apart_and_joined() {
    own_network::run("data_centres_are_cut_apart_and_joined", apart_and_joined())
        .await
        .unwrap();
}

async fn apart_and_joined() -> Result<()> {
    let work = WorkFolder::of("long_partition")?;
    let options = Options {
        proxied: true,
        ..Options::default()
    };
    let began = std::time::Instant::now();
    let cluster = Cluster::start(work.path(), Layout::two_regions(), options).await?;
    report(&format!(
        "six nodes in two data centres up after {:.0?}",
        began.elapsed()
    ));
    for client in [1, 2] {
        for node in 1..=6 {
            ensure!(
                reaches(&cluster, client, node).await,
                "client of dc{client}, node {node}"
            );
        }
    }

    let cut = Partition::between(&cluster, 1, 2)?;
    for (client, own, foreign) in [(1, 1..=3, 4..=6), (2, 4..=6, 1..=3)] {
        for node in own {
            ensure!(
                reaches(&cluster, client, node).await,
                "client of dc{client}, node {node}"
            );
        }
        for node in foreign {
            ensure!(
                !reaches(&cluster, client, node).await,
                "client of dc{client}, node {node}: not cut"
            );
        }
    }
    wait_for_up(&cluster, 1, 3).await?;
    wait_for_up(&cluster, 4, 3).await?;

    cut.heal()?;
    wait_for_up(&cluster, 1, 6).await?;
    wait_for_up(&cluster, 4, 6).await?;
    ensure!(
        reaches(&cluster, 1, 4).await && reaches(&cluster, 2, 3).await,
        "healed, but not joined"
    );
    Ok(())
}

async fn reaches(cluster: &Cluster, client: usize, node: usize) -> bool {
    cql::answers_from(cluster.client_address(client), cluster.address(node)).await
}

/// Until `node` takes so many nodes for up, itself included.
async fn wait_for_up(cluster: &Cluster, node: usize, up: usize) -> Result<()> {
    let what = format!("node {node} to see {up} nodes up");
    let asking = async {
        while cluster
            .nodetool(node, &["status"])
            .await?
            .matches("\nUN ")
            .count()
            != up
        {
            pause().await;
        }
        anyhow::Ok(())
    };
    patiently(&what, asking).await?
}
