//! Pools: whose users come to which nodes (`tokenserver.md` 14); and nodes that do not answer.

use std::sync::Arc;

use foxhold_core::record::{PoolName, Service};

use super::OfUser;
use crate::{
    Refusal,
    assignments::{NewNode, NodeChange, Target},
    conformance::{
        Subject, cases,
        fixtures::{Maker, node, pool, service, user},
    },
};

cases![
    a_node_is_listed_with_its_pool,
    users_of_a_pool_stay_in_it,
    a_full_pool_takes_nobody_though_others_have_room,
    slots_are_released_in_the_pool_alone,
    a_node_comes_to_another_pool_with_its_users,
    an_unhealthy_node_gets_nobody,
    an_unhealthy_node_releases_nothing,
];

const PLAIN: &str = "https://plain.example";
const DISKS: &str = "https://disks.example";

fn disks() -> PoolName {
    pool("disks")
}

fn to_disks() -> Target {
    Target::Pool(Some(disks()))
}

impl Subject {
    /// A service with a node of the default pool and one of another, released as far as that.
    async fn pooled(&self, make: &Maker, capacity: u64, available: u64) -> Service {
        let service = service("sync-1.5");
        self.put_service(make, &service).await;
        for (url, pool) in [(PLAIN, None), (DISKS, Some(disks()))] {
            let node = NewNode {
                pool,
                available,
                ..node(&service, url, capacity)
            };
            let made = self.assignment_admin.create_node(&make.call(), node).await;
            assert_eq!(made, Ok(()));
        }
        service
    }

    async fn healthy(&self, make: &Maker, service: &Service, url: &str, is_healthy: bool) {
        let change = NodeChange {
            unhealthy: Some(!is_healthy),
            ..NodeChange::default()
        };
        assert_eq!(self.update_node(make, service, url, change).await, Ok(()));
    }
}

async fn a_node_is_listed_with_its_pool(s: Arc<Subject>) {
    let make = Maker::new(1);
    let service = s.pooled(&make, 10, 10).await;
    assert_eq!(s.node_at(&service, PLAIN).await.pool, None);
    assert_eq!(s.node_at(&service, DISKS).await.pool, Some(disks()));
    let renamed = s.rename_node(&make, &service, DISKS, "https://new.example").await;
    assert_eq!(renamed, Ok(()));
    let node = s.node_at(&service, "https://new.example").await;
    assert_eq!(node.pool, Some(disks()), "by whatever URL");
}

async fn users_of_a_pool_stay_in_it(s: Arc<Subject>) {
    let make = Maker::new(2);
    let service = s.pooled(&make, 100, 100).await;
    for number in 0..8 {
        let (target, expected) = match number % 2 {
            0 => (Target::DEFAULT, PLAIN),
            _ => (to_disks(), DISKS),
        };
        let record = s.assign_to(&make, &user(&service, number, None), &target).await;
        let node = record.expect("there is room").current.node;
        assert_eq!(node.as_deref(), Some(expected), "user {number}");
    }
    assert_eq!(s.load_at(&service, PLAIN).await, (4, 96));
    assert_eq!(s.load_at(&service, DISKS).await, (4, 96));
}

async fn a_full_pool_takes_nobody_though_others_have_room(s: Arc<Subject>) {
    let make = Maker::new(3);
    let service = s.pooled(&make, 2, 2).await;
    for number in 0..2 {
        let at = user(&service, number, None);
        assert!(s.assign_to(&make, &at, &to_disks()).await.is_ok());
    }
    let at = user(&service, 9, None);
    let nowhere = Target::Pool(Some(pool("nowhere")));
    for target in [to_disks(), nowhere] {
        let refused = s.assign_to(&make, &at, &target).await;
        assert_eq!(refused, Err(Refusal::NoNode.into()), "{target:?}");
    }
    assert_eq!(s.record(&at).await, None);
    assert_eq!(s.load_at(&service, PLAIN).await, (0, 2));
    assert!(s.assign_to(&make, &at, &Target::DEFAULT).await.is_ok());
}

async fn slots_are_released_in_the_pool_alone(s: Arc<Subject>) {
    let make = Maker::new(4);
    let service = s.pooled(&make, 20, 0).await;
    let done = s.assign_to(&make, &user(&service, 1, None), &to_disks()).await;
    assert!(done.is_ok(), "{done:?}");
    assert_eq!(
        s.load_at(&service, DISKS).await,
        (1, 1),
        "a tenth of twenty, less one"
    );
    assert_eq!(s.load_at(&service, PLAIN).await, (0, 0));
}

async fn a_node_comes_to_another_pool_with_its_users(s: Arc<Subject>) {
    let make = Maker::new(5);
    let service = s.pooled(&make, 10, 10).await;
    let at = user(&service, 1, None);
    let first = s.assign_to(&make, &at, &to_disks()).await.expect("there is room");
    let first = OfUser::new(&at, first);
    let into = |pool: Option<PoolName>| NodeChange {
        pool: Some(pool),
        ..NodeChange::default()
    };
    let steps = [(PLAIN, Some(disks())), (DISKS, None)];
    for (url, pool) in steps {
        let changed = s.update_node(&make, &service, url, into(pool.clone())).await;
        assert_eq!(changed, Ok(()));
        assert_eq!(s.node_at(&service, url).await.pool, pool);
    }
    assert_eq!(
        s.record(&at).await,
        Some(first.record),
        "who is there stays there"
    );
    for (number, target, expected) in [(2, Target::DEFAULT, DISKS), (3, to_disks(), PLAIN)] {
        let record = s.assign_to(&make, &user(&service, number, None), &target).await;
        let node = record.expect("there is room").current.node;
        assert_eq!(node.as_deref(), Some(expected), "user {number}");
    }
    let nothing = s.update_node(&make, &service, PLAIN, NodeChange::default()).await;
    assert_eq!(nothing, Ok(()));
    assert_eq!(
        s.node_at(&service, PLAIN).await.pool,
        Some(disks()),
        "left out, it stays"
    );
}

async fn an_unhealthy_node_gets_nobody(s: Arc<Subject>) {
    let make = Maker::new(6);
    let service = s.served(&make, 10).await;
    let (one, other) = ("https://node-1.example", "https://node-2.example");
    s.add_node(&make, &service, other, 10).await;
    s.healthy(&make, &service, one, false).await;
    assert!(s.node_at(&service, one).await.figures.unhealthy);
    for number in 0..5 {
        let user = s.user(&make, &service, number).await;
        assert_eq!(user.record.current.node.as_deref(), Some(other));
    }
    s.healthy(&make, &service, one, true).await;
    let figures = s.node_at(&service, one).await.figures;
    assert_eq!(
        (figures.unhealthy, figures.downed, figures.available),
        (false, false, 10)
    );
    let user = s.user(&make, &service, 9).await;
    assert_eq!(user.record.current.node.as_deref(), Some(one), "it is back");
}

async fn an_unhealthy_node_releases_nothing(s: Arc<Subject>) {
    let make = Maker::new(7);
    let service = s.pooled(&make, 20, 0).await;
    s.healthy(&make, &service, DISKS, false).await;
    let at = user(&service, 1, None);
    for target in [to_disks(), Target::Node(DISKS.into())] {
        let refused = s.assign_to(&make, &at, &target).await;
        assert_eq!(refused, Err(Refusal::NoNode.into()), "{target:?}");
    }
    assert_eq!(s.load_at(&service, DISKS).await, (0, 0));
}
