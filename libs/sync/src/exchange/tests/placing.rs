//! Pools and pins around the exchange: where users go who need a node, and whom a closed pool keeps out.

use foxhold_core::record::{Allocation, Bucket, PoolName, PoolRule, Whom};
use foxhold_ports::assignments::NodeChange;

use super::*;

const NEW: &str = "https://node-2.example";

fn new_pool() -> PoolName {
    PoolName::new("new").unwrap()
}

/// Users of a share go to the second node's pool.
fn ramp(share: u16) -> Allocation {
    Allocation {
        pools: vec![PoolRule {
            whom: Whom::Everyone,
            share,
            pool: new_pool(),
        }],
        ..Allocation::default()
    }
}

async fn world(allocation: Allocation) -> World {
    let mut world = World::with(service(), 100).await;
    let node = NewNode {
        service: service().key,
        url: NEW.into(),
        node_type: None,
        pool: Some(new_pool()),
        capacity: 100,
        available: 100,
    };
    world.store.create_node(&call(&world), node).await.unwrap();
    world.services.readable[0].policy.allocation = allocation;
    world
}

fn call(world: &World) -> Call {
    Call {
        op: OpId::new(world.ports.clock.now(), &*world.ports.random),
        deadline: soon(),
    }
}

async fn node(world: &World, uid: &str, generation: u64, key_id: &str) -> Result<String, ExchangeError> {
    let authorization = format!("Bearer {uid},{generation}");
    let request = Request {
        authorization: Some(authorization.as_bytes()),
        ..good(key_id)
    };
    world.ask(request).await.map(|token| token.node)
}

#[tokio::test]
async fn users_go_where_the_rules_send_them_and_stay_there() {
    let mut world = world(ramp(Bucket::COUNT)).await;
    assert_eq!(node(&world, "a", 1, "1-qqo").await.unwrap(), NEW);
    world.services.readable[0].policy.allocation = Allocation::default();
    assert_eq!(node(&world, "b", 1, "1-qqo").await.unwrap(), NODE);
    // Rules are for who needs a node: with a node, old keys or new, a user stays.
    assert_eq!(node(&world, "a", 1, "1-qqo").await.unwrap(), NEW);
    assert_eq!(node(&world, "a", 2, "2-u7s").await.unwrap(), NEW);
    world
        .store
        .remove_node(&call(&world), &service().key, NEW)
        .await
        .unwrap();
    assert_eq!(node(&world, "a", 2, "2-u7s").await.unwrap(), NODE);
}

#[tokio::test]
async fn a_share_goes_there_by_the_user_s_bucket() {
    let world = world(ramp(5000)).await;
    let mut there = 0;
    for number in 0..40 {
        let uid = format!("{number:032x}");
        let user = UserKey(format!("{uid}@accounts.example"));
        let is_of_share = pools::bucket(&service().key, &user).number() < 5000;
        let expected = if is_of_share { NEW } else { NODE };
        assert_eq!(node(&world, &uid, 1, "1-qqo").await.unwrap(), expected);
        there += usize::from(is_of_share);
    }
    assert!((5..35).contains(&there), "{there}");
}

#[tokio::test]
async fn a_closed_pool_takes_nobody_new_and_keeps_who_is_there() {
    let mut world = world(ramp(Bucket::COUNT)).await;
    assert_eq!(node(&world, "a", 1, "1-qqo").await.unwrap(), NEW);
    world.services.readable[0].policy.allocation.closed_pools = [new_pool()].into();
    world.store_calls();
    let refused = node(&world, "b", 1, "1-qqo").await;
    assert_eq!(refused, Err(ExchangeError::NewUsersDisabled));
    assert_eq!(world.store_calls(), (1, 0), "nothing was written");
    assert_eq!(node(&world, "a", 1, "1-qqo").await.unwrap(), NEW);
    assert_eq!(node(&world, "a", 2, "2-u7s").await.unwrap(), NEW);
    // Also who needs a node again.
    let at = RecordRef {
        service: service().key,
        user: UserKey("a@accounts.example".into()),
        version: Some(2),
    };
    let now = world.ports.clock.now();
    world.store.unassign(&call(&world), &at, now).await.unwrap();
    assert_eq!(node(&world, "a", 2, "2-u7s").await.unwrap(), NEW);
}

#[tokio::test]
async fn a_pinned_service_has_one_node_also_in_backoff() {
    let pinned = Allocation {
        pinned_to: Some(NEW.into()),
        closed_pools: [new_pool()].into(),
        ..ramp(1)
    };
    let world = world(pinned).await;
    let backoff = NodeChange {
        backoff: Some(true),
        ..NodeChange::default()
    };
    let changed = world
        .store
        .update_node(&call(&world), &service().key, NEW, backoff)
        .await;
    changed.unwrap();
    assert_eq!(node(&world, "a", 1, "1-qqo").await.unwrap(), NEW);
    let full = NodeChange {
        capacity: Some(1),
        ..NodeChange::default()
    };
    let changed = world
        .store
        .update_node(&call(&world), &service().key, NEW, full)
        .await;
    changed.unwrap();
    assert_eq!(node(&world, "b", 1, "1-qqo").await, Err(ExchangeError::NoNode));
}
