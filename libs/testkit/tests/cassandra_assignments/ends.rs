//! The ends of writers: in good order, under work that others do with them, and where nobody looks.

use std::{sync::Arc, time::Duration};

use foxhold_core::ServiceUid;
use foxhold_ports::{
    AssignmentAdmin as _, WriteError,
    conformance::fixtures::{Maker, imported, imported_user, soon, user},
};
use foxhold_store_cassandra::LeaseTimes;
use foxhold_testkit::wait::wait_until;
use tokio::task::JoinSet;

use crate::{SHORT, assign, bench::Bench, figures, served};

/// A writer that goes in good order leaves nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_holds_nothing() {
    const CAPACITY: u64 = 64;
    let bench = Bench::new().await;
    let times = LeaseTimes {
        lives_for: Duration::from_secs(3600),
        ..SHORT
    };
    let (one, other) = (bench.store(times).await, bench.store(times).await);
    let make = Maker::new(2);
    let service = served(&one, &make, "sync-1.5", CAPACITY).await;
    assign(&one, &make, &service, 0).await.expect("there is room");
    one.close(soon()).await;
    for number in 1..CAPACITY {
        assign(&other, &make, &service, number)
            .await
            .expect("there is room");
    }
    assert!(matches!(
        assign(&one, &make, &service, CAPACITY).await,
        Err(WriteError::NotDone(_))
    ));
    other.close(soon()).await;
    let reader = bench.store(times).await;
    let figures = figures(&reader, &service).await;
    assert_eq!((figures.current_load, figures.available), (CAPACITY, 0));
}

/// Users with two records each come while the store is closed: who has one slot in hand and waits for its turn to get the
/// other one is not waited for in turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_closes_under_imports() {
    const USERS: u64 = 12;
    // So small that every slot is a lease of its own.
    const CAPACITY: u64 = 31;
    let bench = Bench::new().await;
    let (store, make) = (
        Arc::new(bench.store(LeaseTimes::default()).await),
        Arc::new(Maker::new(8)),
    );
    let service = served(&store, &make, "sync-1.5", CAPACITY).await;
    let through = ServiceUid::new(2 * USERS).expect("a uid");
    let reserved = store.reserve_uids(&make.call(), &service.key, through).await;
    assert_eq!(reserved, Ok(()));
    let mut work = JoinSet::new();
    for number in 0..USERS {
        let at = user(&service, number, None);
        let records = [2 * number + 1, 2 * number + 2].map(|uid| {
            let mut record = imported(uid, "https://node-1.example");
            record.holds_slot = Some(true);
            record
        });
        let (store, make) = (Arc::clone(&store), Arc::clone(&make));
        let records = imported_user(records.to_vec());
        work.spawn(async move { store.import_user(&make.call(), &at, &records).await });
    }
    let first = work.join_next().await.expect("there are some");
    first.expect("it ends").expect("there is room");
    let mut users = 1;
    store.close(soon()).await;
    assert_eq!(bench.leases(&service).await, 0);
    while let Some(done) = work.join_next().await {
        match done.expect("it ends") {
            Ok(_) => users += 1,
            Err(WriteError::NotDone(_)) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    let figures = figures(&store, &service).await;
    assert_eq!(
        (figures.current_load, figures.available),
        (2 * users, CAPACITY - 2 * users)
    );
}

/// Nobody asks for the service any more, neither of its users nor of its administrators.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_writer_held_comes_back_unasked() {
    let bench = Bench::new().await;
    let (doomed, make) = (bench.store(SHORT).await, Maker::new(9));
    let service = served(&doomed, &make, "sync-1.5", 100).await;
    assign(&doomed, &make, &service, 0).await.expect("there is room");
    drop(doomed);
    assert!(bench.leases(&service).await > 0);
    let _survivor = bench.store(SHORT).await;
    let ended = wait_until("no lease is open", async || bench.leases(&service).await == 0);
    ended.await.expect("it is ended");
}
