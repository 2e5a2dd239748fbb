//! Rows that are damaged, or name what is not there: one of them costs nobody else anything.

use foxhold_core::record::{Service, ServiceKey};
use foxhold_ports::{
    AssignmentReader as _,
    conformance::fixtures::{Maker, soon, user},
};
use foxhold_store_cassandra::{CassandraStore, LeaseTimes};

use crate::{assign, bench::Bench, served};

const USERS: u64 = 5;

/// Users of all pages, and how many rows were left out.
async fn users(store: &CassandraStore, service: &Service) -> (usize, u64) {
    let before = store.requests();
    let (mut users, mut after) = (0, None);
    loop {
        let page = store.records(soon(), &service.key, after.as_ref(), 2).await;
        let page = page.expect("a damaged row stops no job");
        users += page.records.len();
        after = page.next;
        if after.is_none() {
            return (users, (store.requests() - before).left_out);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_is_left_out_and_the_others_are_not() {
    let bench = Bench::new().await;
    let store = bench.store(LeaseTimes::default()).await;
    let make = Maker::new(8);
    let service = served(&store, &make, "sync-1.5", 1000).await;
    for number in 0..USERS {
        assign(&store, &make, &service, number)
            .await
            .expect("there is room");
    }
    assert_eq!(users(&store, &service).await, (5, 0));
    bench
        .execute(
            "INSERT INTO KS.assignments (service, user, version) VALUES ('sync-1.5', 'a@damaged.example', 1)",
        )
        .await;
    let (found, left_out) = users(&store, &service).await;
    assert_eq!(found, 5);
    assert!(left_out > 0, "it is counted");

    bench
        .execute("INSERT INTO KS.placement (service, pattern) VALUES ('damaged', '{node}')")
        .await;
    let before = store.requests();
    let services = store.catalogue(soon()).await;
    let services = services.expect("a damaged service stops no other");
    assert_eq!(services.readable, [service]);
    let damaged = ServiceKey("damaged".into());
    assert_eq!(services.unreadable, [damaged].into(), "it is there nevertheless");
    assert_eq!((store.requests() - before).left_out, 1);
}

/// A record that names no node costs one look more, not one at each request.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_not_there_is_looked_for_once() {
    let bench = Bench::new().await;
    let store = bench.store_that_remembers_nodes().await;
    let make = Maker::new(9);
    let service = served(&store, &make, "sync-1.5", 1000).await;
    assign(&store, &make, &service, 0).await.expect("there is room");
    let at = user(&service, 0, None);
    bench
        .execute(&format!(
            "UPDATE KS.assignments SET node = 99 WHERE service = 'sync-1.5' AND user = '{}'",
            at.user.0
        ))
        .await;
    let mut reads = Vec::new();
    for _ in 0..3 {
        let before = store.requests();
        let record = store.user_record(soon(), &service.key, &at.user).await;
        let record = record.expect("it reads").expect("there is one");
        assert_eq!(record.current.node, None);
        let spent = store.requests() - before;
        reads.push(spent.reads + spent.serial_reads);
    }
    assert_eq!(reads[1..], [1, 1], "{reads:?}");
}
