//! Records forgotten by the hundred, as a purge does: their slots come back together, and none is lost.

use std::sync::Arc;

use foxhold_core::record::Service;
use foxhold_ports::{
    AssignmentReader as _, AssignmentWriter as _,
    conformance::fixtures::{Maker, soon, user},
};
use foxhold_store_cassandra::{CassandraStore, LeaseTimes};
use tokio::task::JoinSet;

use crate::{NOW, assign, bench::Bench, figures, served};

const USERS: u64 = 400;
const CAPACITY: u64 = 1000;

/// Does something for each user, all at once, on these stores in turn.
async fn for_all<F>(
    stores: &[Arc<CassandraStore>],
    service: &Service,
    work: impl Fn(Arc<CassandraStore>, Service, u64) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for (number, store) in (0..USERS).zip(stores.iter().cycle()) {
        tasks.spawn(work(Arc::clone(store), service.clone(), number));
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_brings_all_slots_back_in_few_writes() {
    let bench = Bench::new().await;
    let stores = [
        Arc::new(bench.store(LeaseTimes::default()).await),
        Arc::new(bench.store(LeaseTimes::default()).await),
    ];
    let make = Arc::new(Maker::new(6));
    let service = served(&stores[0], &make, "sync-1.5", CAPACITY).await;
    for_all(&stores, &service, |store, service, number| {
        let make = Arc::clone(&make);
        async move {
            let record = assign(&store, &make, &service, number).await;
            let at = user(&service, number, Some(record.expect("there is room").version));
            let unassigned = store.unassign(&make.call(), &at, NOW).await;
            unassigned.expect("the version is current");
        }
    })
    .await;
    assert_eq!(figures(&stores[0], &service).await.current_load, USERS);

    let written = || -> u64 {
        let requests = stores.iter().map(|store| store.requests());
        requests.map(|requests| requests.conditional_writes).sum()
    };
    let before = written();
    for_all(&stores, &service, |store, service, number| {
        let make = Arc::clone(&make);
        async move {
            let at = user(&service, number, Some(2));
            let record = store.user_record(soon(), &service.key, &at.user).await;
            let uid = record.expect("it reads").expect("there is one").current.uid;
            let forgotten = store.forget(&make.call(), &at, uid).await;
            assert_eq!(forgotten.expect("the version is current").current.node, None);
        }
    })
    .await;
    let written = written() - before;
    assert!(
        // On a busy machine some are in doubt, and put again; a write for each slot would be twice as many.
        written <= USERS + USERS / 2,
        "one for each record, and few for all slots: {written}"
    );
    let figures = figures(&stores[0], &service).await;
    assert_eq!((figures.current_load, figures.available), (0, CAPACITY));
}
