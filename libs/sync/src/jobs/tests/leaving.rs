//! Users leave a node: who, in which way, and what becomes of those who are faster.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use foxhold_core::{
    Deadline,
    record::{Bucket, NodeRecord, PoolName, PoolRule, Service, ServiceKey, UserKey, UserRecord, Whom},
};
use foxhold_ports::{
    AssignmentReader, Cause, ReadError,
    assignments::{NodeChange, RecordCursor, RecordPage, Target},
};

use super::{
    super::{
        Halt, Ports,
        leave::{LeaveFailure, LeavePage, Leaving, Way, leave},
    },
    scene::*,
};

async fn run(scene: &Scene, leaving: &Leaving) -> LeavePage {
    let mut sum = LeavePage::default();
    let mut after = None;
    loop {
        let page = leave(
            scene.ports(),
            &scene.service,
            leaving,
            after.as_ref(),
            3,
            &scene.halt,
        );
        let page = page.await.unwrap();
        sum.looked_at += page.looked_at;
        sum.matched += page.matched;
        sum.changed += page.changed;
        for (why, users) in page.failed {
            *sum.failed.entry(why).or_default() += users;
        }
        after = page.next;
        if after.is_none() {
            return sum;
        }
    }
}

fn counts(done: &LeavePage) -> (u64, u64, u64) {
    (done.looked_at, done.matched, done.changed)
}

async fn crowd(scene: &Scene, users: usize, node: &str) -> Vec<UserKey> {
    let all: Vec<UserKey> = (0..users).map(|number| user(&format!("{number:032x}"))).collect();
    for user in &all {
        scene.place(user, KEY_A, 1, node).await;
    }
    all
}

async fn on(scene: &Scene, node: &str) -> BTreeSet<UserKey> {
    let page = scene.store.records(soon(), &scene.service.key, None, 1000).await;
    let records = page.unwrap().records.into_iter();
    let there = records.filter(|(_, record)| {
        record.current.replaced_at.is_none() && record.current.node.as_deref() == Some(node)
    });
    there.map(|(user, _)| user).collect()
}

#[tokio::test]
async fn all_leave_once() {
    let scene = Scene::new().await;
    crowd(&scene, 5, FIRST).await;
    scene.place(&user("elsewhere"), KEY_A, 1, SECOND).await;
    let dry = Leaving {
        dry_run: true,
        ..Leaving::all(FIRST.into(), Way::Unassign)
    };
    assert_eq!(counts(&run(&scene, &dry).await), (6, 5, 5));
    assert_eq!(on(&scene, FIRST).await.len(), 5);
    let leaving = Leaving::all(FIRST.into(), Way::Unassign);
    assert_eq!(counts(&run(&scene, &leaving).await), (6, 5, 5));
    assert_eq!(counts(&run(&scene, &leaving).await), (6, 0, 0));
    assert_eq!(
        (on(&scene, FIRST).await.len(), on(&scene, SECOND).await.len()),
        (0, 1)
    );
    assert_eq!(
        scene.figures(FIRST).await.current_load,
        5,
        "their data is still there"
    );
}

#[tokio::test]
async fn a_larger_share_is_more_of_the_same() {
    let scene = Scene::new().await;
    let more = NodeChange {
        capacity: Some(1000),
        ..NodeChange::default()
    };
    scene.change_node(FIRST, more).await;
    crowd(&scene, 200, FIRST).await;
    let mut stay = on(&scene, FIRST).await;
    for (share, expected) in [
        (0, 0..1),
        (1000, 5..40),
        (5000, 75..125),
        (Bucket::COUNT, 200..201),
    ] {
        let leaving = Leaving {
            share,
            ..Leaving::all(FIRST.into(), Way::Unassign)
        };
        run(&scene, &leaving).await;
        let still = on(&scene, FIRST).await;
        assert!(still.is_subset(&stay));
        assert!(
            expected.contains(&(200 - still.len())),
            "{share}: {}",
            still.len()
        );
        stay = still;
    }
}

#[tokio::test]
async fn moved_users_keep_their_values_and_leave_a_record_to_purge() {
    let scene = Scene::new().await;
    let all = crowd(&scene, 3, FIRST).await;
    let before = scene.record(&all[0]).await;
    let leaving = Leaving::all(FIRST.into(), Way::Move(Some(Target::Node(SECOND.into()))));
    assert_eq!(counts(&run(&scene, &leaving).await), (3, 3, 3));
    let after = scene.record(&all[0]).await;
    assert_eq!(after.current.node.as_deref(), Some(SECOND));
    assert_eq!(after.current.client_state, before.current.client_state);
    assert_eq!(after.current.generation, before.current.generation);
    assert_eq!(after.past[0].uid, before.current.uid);
    assert!(after.past[0].holds_slot);
}

#[tokio::test]
async fn by_the_rules_nobody_is_moved_back() {
    let mut scene = Scene::new().await;
    crowd(&scene, 4, FIRST).await;
    let leaving = Leaving::all(FIRST.into(), Way::Move(None));
    assert_eq!(
        counts(&run(&scene, &leaving).await),
        (4, 0, 0),
        "they belong there"
    );

    let new = PoolName::new("new").unwrap();
    let pool = NodeChange {
        pool: Some(Some(new.clone())),
        ..NodeChange::default()
    };
    scene.change_node(SECOND, pool).await;
    scene.service.policy.allocation.pools = vec![PoolRule {
        whom: Whom::Users([user(&format!("{:032x}", 1)).0].into()),
        share: Bucket::COUNT,
        pool: new,
    }];
    assert_eq!(
        counts(&run(&scene, &leaving).await),
        (4, 1, 1),
        "only whom a rule sends"
    );
    assert_eq!(on(&scene, SECOND).await.len(), 1);

    let backoff = NodeChange {
        backoff: Some(true),
        ..NodeChange::default()
    };
    scene.change_node(FIRST, backoff).await;
    let done = run(&scene, &leaving).await;
    assert_eq!((done.matched, done.changed), (3, 0));
    assert_eq!(
        done.failed.get(&LeaveFailure::NoNode),
        Some(&3),
        "no other node of their pool"
    );
}

/// No time is left for a page: it looks at one user, and the next one goes on behind that one, whatever became of it.
#[tokio::test]
async fn a_page_without_time_gets_on_all_the_same() {
    let mut scene = Scene::new().await;
    crowd(&scene, 4, FIRST).await;
    scene.halt = Halt::at(Deadline::after(Duration::ZERO));
    let nobody = Leaving::all(
        FIRST.into(),
        Way::Move(Some(Target::Node("https://no.example".into()))),
    );
    let failed = run(&scene, &nobody).await;
    assert_eq!(counts(&failed), (4, 4, 0));
    assert_eq!(failed.failed.values().sum::<u64>(), 4);
    let all = Leaving::all(FIRST.into(), Way::Unassign);
    let page = leave(scene.ports(), &scene.service, &all, None, 3, &scene.halt);
    let page = page.await.unwrap();
    assert_eq!((counts(&page), page.next.is_some()), ((1, 1, 1), true));
    assert_eq!(counts(&run(&scene, &all).await), (4, 3, 3));
}

/// Lists records once, and then no more.
struct ListsOnce<'a> {
    scene: &'a Scene,
    has_listed: AtomicBool,
}

#[async_trait]
impl AssignmentReader for ListsOnce<'_> {
    async fn services(&self, by: Deadline) -> Result<Vec<Service>, ReadError> {
        self.scene.store.services(by).await
    }

    async fn nodes(&self, by: Deadline, service: &ServiceKey) -> Result<Vec<NodeRecord>, ReadError> {
        self.scene.store.nodes(by, service).await
    }

    async fn user_record(
        &self,
        by: Deadline,
        service: &ServiceKey,
        user: &UserKey,
    ) -> Result<Option<UserRecord>, ReadError> {
        self.scene.store.user_record(by, service, user).await
    }

    async fn records(
        &self,
        by: Deadline,
        service: &ServiceKey,
        after: Option<&RecordCursor>,
        limit: u32,
    ) -> Result<RecordPage, ReadError> {
        if self.has_listed.swap(true, Ordering::SeqCst) {
            return Err(ReadError(Cause::Unavailable));
        }
        self.scene.store.records(by, service, after, limit).await
    }
}

#[tokio::test]
async fn a_page_that_loses_its_place_tells_what_it_did() {
    let mut scene = Scene::new().await;
    crowd(&scene, 4, FIRST).await;
    scene.halt = Halt::at(Deadline::after(Duration::ZERO));
    let all = Leaving::all(FIRST.into(), Way::Unassign);
    let foretold = Leaving {
        dry_run: true,
        ..all.clone()
    };
    let away = ReadError(Cause::Unavailable);
    for (leaving, expected) in [(&foretold, Err(away)), (&all, Ok((1, 1, 1)))] {
        let reader = ListsOnce {
            scene: &scene,
            has_listed: AtomicBool::new(false),
        };
        let ports = Ports {
            reader: &reader,
            ..scene.ports()
        };
        let page = leave(ports, &scene.service, leaving, None, 3, &scene.halt).await;
        if let Ok(page) = &page {
            assert_eq!(page.lost, Some(away));
        }
        assert_eq!(page.map(|page| counts(&page)), expected);
    }
    assert_eq!(counts(&run(&scene, &all).await), (4, 3, 3));
}

/// Whoever waits for a page is answered in time, though the store is not.
#[tokio::test]
async fn no_call_of_a_page_outlasts_whoever_waits() {
    let scene = Scene::new().await;
    crowd(&scene, 1, FIRST).await;
    let all = Leaving::all(FIRST.into(), Way::Unassign);
    let late = Ports {
        by: Some(Deadline::after(Duration::ZERO)),
        ..scene.ports()
    };
    let page = leave(late, &scene.service, &all, None, 3, &scene.halt).await;
    assert!(page.is_err(), "{page:?}");
}

#[tokio::test]
async fn who_fails_stops_no_other() {
    let scene = Scene::new().await;
    crowd(&scene, 4, FIRST).await;
    let one = NodeChange {
        capacity: Some(1),
        ..NodeChange::default()
    };
    scene.change_node(SECOND, one).await;
    let leaving = Leaving::all(FIRST.into(), Way::Move(Some(Target::Node(SECOND.into()))));
    let done = run(&scene, &leaving).await;
    assert_eq!((done.matched, done.changed), (4, 1));
    assert_eq!(done.failed.get(&LeaveFailure::NoNode), Some(&3));
    scene.store.lose_answers(2);
    let done = run(&scene, &Leaving::all(FIRST.into(), Way::Unassign)).await;
    assert_eq!(
        (done.changed, done.failed.len()),
        (3, 0),
        "outcomes in doubt are settled"
    );
}
