//! The cluster bench itself, without any driver: three nodes behind proxies start, let us in, fail in each way the bench
//! knows, and come back; and what was acknowledged is still there.

use std::time::Duration;

use anyhow::{Result, ensure};
use foxhold_testkit::{
    cassandra::{
        Cluster, Layout, Options, PASSWORD, USER,
        cql::{self, Connection},
    },
    wait::{patiently, pause, wait_for_ok, wait_until, within},
    work_folder::WorkFolder,
};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_fail_as_they_are_told_and_come_back() {
    let work = WorkFolder::of("cassandra_bench").unwrap();
    let options = Options {
        proxied: true,
        ..Options::default()
    };
    let mut cluster = Cluster::start(work.path(), Layout::three(), options)
        .await
        .unwrap();
    let refusal = Connection::login(cluster.address(2), USER, "guess")
        .await
        .unwrap_err();
    assert!(refusal.to_string().contains("0x0100"), "{refusal:#}");
    // What a node has told of itself takes a moment to arrive everywhere.
    wait_for_ok("all to be seen up and normal", async || {
        let status = cluster.nodetool(2, &["status"]).await?;
        ensure!(status.matches("\nUN ").count() == 3, "{status}");
        Ok(())
    })
    .await
    .unwrap();

    let mut first = login(&cluster, 1).await.unwrap();
    make_table(&cluster, &mut first).await.unwrap();
    cluster.freeze(3).unwrap();
    acknowledged(&mut first, 1).await;
    cluster.thaw(3).await.unwrap();
    cluster.kill(2).unwrap();
    acknowledged(&mut first, 2).await;
    cluster.restart(2).await.unwrap();
    cluster.stop(3).await.unwrap();
    acknowledged(&mut first, 3).await;
    cluster.restart(3).await.unwrap();
    proxies_do_as_they_are_told(&cluster).await.unwrap();
    cluster.kill(1).unwrap();
    let mut second = login(&cluster, 2).await.unwrap();
    let counting = async {
        loop {
            // Until node 2 knows that node 1 is gone, it may ask it and get no answer.
            if let Ok(rows) = second.number("SELECT count(*) FROM bench.things").await {
                return rows;
            }
        }
    };
    let rows = patiently("a quorum of two nodes", counting).await.unwrap();
    assert_eq!(rows, 4, "acknowledged: three; sent without an answer: one");
}

async fn proxies_do_as_they_are_told(cluster: &Cluster) -> Result<()> {
    let mut third = login(cluster, 3).await?;
    cluster.drop_replies(3).await?;
    let unanswered = within(Duration::from_secs(2), "an answer", put(&mut third, 4)).await;
    assert!(unanswered.is_err(), "answered: {unanswered:?}");
    // Within a second, which may be less than a busy machine takes.
    let answers = async || cql::answers(cluster.direct_address(3)).await;
    wait_until("an answer: only the proxy is ill", answers).await?;
    cluster.heal(3).await?;
    let mut third = login(cluster, 3).await?;
    // It was carried out although nobody was told.
    let there = "SELECT count(*) FROM bench.things WHERE id = 4";
    let looking = async {
        while !matches!(third.number(there).await, Ok(1)) {
            pause().await;
        }
    };
    patiently("the unanswered row", looking).await?;
    cluster.cut(3).await?;
    assert!(!cql::answers(cluster.address(3)).await, "cut, but it answers");
    assert!(
        put(&mut third, 5).await.is_err(),
        "cut, but the old connection lives"
    );
    cluster.heal(3).await?;
    cluster.delay(3, 1500).await?;
    assert!(
        !cql::answers(cluster.address(3)).await,
        "it answers within a second"
    );
    cluster.heal(3).await?;
    let answers = async || cql::answers(cluster.address(3)).await;
    wait_until("an answer: all is healed", answers).await
}

/// Nodes read together who may log in, and may for a moment ask one that is gone.
async fn login(cluster: &Cluster, node: usize) -> Result<Connection> {
    let login = async || Connection::login(cluster.address(node), USER, PASSWORD).await;
    wait_for_ok("a login", login).await
}

/// A table that every node knows of.
async fn make_table(cluster: &Cluster, connection: &mut Connection) -> Result<()> {
    for statement in [
        "CREATE KEYSPACE bench WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 3}",
        "CREATE TABLE bench.things (id int PRIMARY KEY)",
    ] {
        connection.execute(statement).await?;
    }
    for node in 1..=3 {
        let mut connection = login(cluster, node).await?;
        let knows = async {
            while connection.execute("SELECT id FROM bench.things").await.is_err() {
                pause().await;
            }
        };
        patiently("the table to be known", knows).await?;
    }
    Ok(())
}

/// Puts a row until two nodes have acknowledged it: one that has just gone, or come back, may be waited for in vain.
async fn acknowledged(connection: &mut Connection, id: u32) {
    let putting = async {
        while put(connection, id).await.is_err() {
            pause().await;
        }
    };
    let put = patiently("an acknowledged row", putting).await;
    put.expect("two nodes are there");
}

/// A row that two nodes have acknowledged.
async fn put(connection: &mut Connection, id: u32) -> Result<()> {
    let statement = format!("INSERT INTO bench.things (id) VALUES ({id})");
    connection.execute_at_quorum(&statement).await
}
