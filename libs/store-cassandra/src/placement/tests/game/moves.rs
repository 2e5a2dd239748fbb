//! What can happen in a game, and how often.

use foxhold_core::record::PoolName;
use proptest::prelude::*;

use crate::placement::rules::Seeker;

/// What a player does next.
#[derive(Debug, Clone, Copy)]
pub(super) enum Move {
    Look,
    Assign(Seeker, Whither),
    /// An administrator, or the health job, changes a node.
    Change(usize, Flag),
    EndWork {
        spent: bool,
    },
    Tend,
    Recalled,
    Die,
    /// A record is forgotten, whoever it was that made it.
    Forget(usize),
}

/// Where a user goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whither {
    DefaultPool,
    OtherPool,
    Node(usize),
    /// With a record from elsewhere.
    Exactly(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Flag {
    Downed,
    Backoff,
    Unhealthy,
    Pool,
}

pub(super) fn other_pool() -> Option<PoolName> {
    PoolName::new("other")
}

fn whither() -> impl Strategy<Value = Whither> {
    prop_oneof![
        6 => Just(Whither::DefaultPool),
        3 => Just(Whither::OtherPool),
        1 => any::<usize>().prop_map(Whither::Node),
        1 => any::<usize>().prop_map(Whither::Exactly),
    ]
}

fn flag() -> impl Strategy<Value = Flag> {
    prop_oneof![
        Just(Flag::Downed),
        Just(Flag::Backoff),
        Just(Flag::Unhealthy),
        Just(Flag::Pool)
    ]
}

pub(super) fn moves() -> impl Strategy<Value = Move> {
    prop_oneof![
        2 => Just(Move::Look),
        10 => whither().prop_map(|whither| Move::Assign(Seeker::New, whither)),
        1 => whither().prop_map(|whither| Move::Assign(Seeker::Known, whither)),
        2 => (any::<usize>(), flag()).prop_map(|(node, flag)| Move::Change(node, flag)),
        6 => any::<bool>().prop_map(|spent| Move::EndWork { spent }),
        3 => Just(Move::Tend),
        1 => Just(Move::Recalled),
        1 => Just(Move::Die),
        3 => any::<usize>().prop_map(Move::Forget),
    ]
}

pub(super) fn nodes() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let node = (1_u64..60).prop_flat_map(|capacity| {
        (0..=capacity).prop_flat_map(move |load| {
            (0..=capacity - load).prop_map(move |available| (load, capacity, available))
        })
    });
    proptest::collection::vec(node, 1..4)
}
