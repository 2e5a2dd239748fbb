//! Records that come from elsewhere, beside users who come by themselves: nobody gets another's uid.

use std::{collections::BTreeSet, sync::Arc};

use foxhold_core::ServiceUid;
use foxhold_ports::{
    AssignmentAdmin as _,
    conformance::fixtures::{Maker, imported, imported_user, user},
};
use foxhold_store_cassandra::LeaseTimes;

use crate::{assign, bench::Bench, figures, served};

/// Both writers have blocks of uids in memory when uids are reserved by one of them.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_given_a_uid_that_is_reserved() {
    const RESERVED: u64 = 3500;
    let bench = Bench::new().await;
    let stores = [
        Arc::new(bench.store(LeaseTimes::default()).await),
        Arc::new(bench.store(LeaseTimes::default()).await),
    ];
    let make = Maker::new(7);
    let service = served(&stores[0], &make, "sync-1.5", 1000).await;
    let mut uids = BTreeSet::new();
    let mut number = 0;
    let mut assign_all = async |uids: &mut BTreeSet<u64>| {
        for store in &stores {
            for _ in 0..3 {
                let record = assign(store, &make, &service, number).await;
                uids.insert(record.expect("there is room").current.uid.get());
                number += 1;
            }
        }
    };
    assign_all(&mut uids).await;
    assert!(uids.iter().all(|uid| *uid <= 2000), "two blocks: {uids:?}");
    let through = ServiceUid::new(RESERVED).expect("a uid");
    let mut writes = Vec::new();
    for _ in 0..2 {
        let before = stores[0].requests();
        let reserved = stores[0].reserve_uids(&make.call(), &service.key, through).await;
        assert_eq!(reserved, Ok(()));
        writes.push((stores[0].requests() - before).conditional_writes);
    }
    // The placement, and those of the four stripes that nobody had taken from; then it is remembered.
    assert!(writes[0] >= 3 && writes[1] == 0, "{writes:?}");
    let mut later = BTreeSet::new();
    assign_all(&mut later).await;
    assert!(later.iter().all(|uid| *uid > RESERVED), "{later:?}");
    assert_eq!((uids.len(), later.len()), (6, 6));
    // On a busy machine outcomes are in doubt, and the uids of those are lost.
    let first = later.first().copied().unwrap_or_default();
    assert!(
        first <= RESERVED + 100,
        "the rest of the block is wasted: {later:?}"
    );

    for (place, uid) in [17, 900, 1500, RESERVED].into_iter().enumerate() {
        let at = user(&service, 1000 + place as u64, None);
        let records = imported_user(vec![imported(uid, "https://node-1.example")]);
        let record = stores[place % 2].import_user(&make.call(), &at, &records).await;
        assert_eq!(record.expect("there is room").current.uid.get(), uid);
    }
    let figures = figures(&stores[0], &service).await;
    assert_eq!((figures.current_load, figures.available), (16, 984));
}
