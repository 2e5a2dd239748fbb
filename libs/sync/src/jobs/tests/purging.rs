//! Purge: what is erased, what is kept, and that whoever is cut off or overtaken loses nothing.

use foxhold_core::Deadline;
use foxhold_ports::{Cause, assignments::NodeChange, signer::SignError};

use super::{
    super::{
        CallFailure, Halt,
        purge::{ByUid, Order, PageEnd, Pass, Skipped, Tally, Unused},
    },
    scene::*,
};
use std::{sync::Arc, time::Duration};

/// What is due a moment after it was replaced.
fn order() -> Order {
    Order {
        grace: Duration::ZERO,
        ..Order::default()
    }
}

/// Pages of two users, until there are no more.
async fn pass(scene: &Scene, order: &Order) -> Tally {
    scene.clock.advance(Duration::from_secs(1));
    let mut pass = Pass::new(
        scene.ports(),
        scene.node_ports(),
        &scene.service,
        order,
        &scene.halt,
    );
    let mut after = None;
    while let PageEnd::Next(next) = pass.page(after.as_ref(), 2).await.unwrap() {
        after = Some(next);
    }
    pass.tally().clone()
}

fn counts(tally: &Tally) -> (u64, u64, u64) {
    (tally.fetched, tally.deleted, tally.forgotten)
}

#[tokio::test]
async fn old_data_goes_and_live_data_stays() {
    let scene = Scene::new().await;
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let old = endpoint_of(&scene.place(&alice, KEY_A, 1, FIRST).await);
    let new = endpoint_of(&scene.rekey(&alice, KEY_B, 2).await);
    let bobs = endpoint_of(&scene.place(&bob, KEY_A, 1, FIRST).await);
    let gone = endpoint_of(&scene.place(&carol, KEY_A, 1, SECOND).await);
    scene.retire(&carol).await;

    let early = pass(&scene, &Order::default()).await;
    assert_eq!((early.looked_at, early.fetched), (3, 0), "the grace is not over");
    let dry = Order {
        dry_run: true,
        ..order()
    };
    assert_eq!(counts(&pass(&scene, &dry).await), (2, 2, 0));
    assert_eq!(scene.times_asked(), 0);

    let tally = pass(&scene, &order()).await;
    assert_eq!((counts(&tally), tally.left()), ((2, 2, 0), 0));
    assert!(!scene.data().contains(&old) && !scene.data().contains(&gone));
    assert_eq!(scene.data(), [new, bobs]);
    assert!(scene.record(&alice).await.past.is_empty());
    assert_eq!(scene.record(&alice).await.old_client_states.len(), 1);
    assert_eq!(scene.record(&carol).await.current.node, None);
    let loads = (
        scene.figures(FIRST).await.current_load,
        scene.figures(SECOND).await.current_load,
    );
    assert_eq!(loads, (2, 0));
    let orders = scene.minter.orders.lock().unwrap().clone();
    assert_eq!(orders[0].fxa_uid, "alice");
    assert_eq!(
        orders[0].client_state.as_bytes(),
        KEY_A,
        "the old record's key id"
    );
    assert_eq!(pass(&scene, &order()).await.fetched, 0, "nothing is left");
}

#[tokio::test]
async fn the_place_of_a_stranger_who_never_came_again_is_taken_back() {
    let scene = Scene::new().await;
    let (once, twice) = (user("once"), user("twice"));
    let (left, _) = (
        scene.place(&once, KEY_A, 1, FIRST).await,
        scene.place(&twice, KEY_A, 1, FIRST).await,
    );
    scene.renew(&twice).await;
    scene.clock.advance(Duration::from_secs(8 * 86_400));
    let unused = |dry_run| Order {
        unused: Some(Unused {
            after: Duration::from_secs(7 * 86_400),
            own_domains: vec!["own.example".into()],
        }),
        dry_run,
        ..Order::default()
    };
    for order in [unused(true), unused(false)] {
        let tally = pass(&scene, &order).await;
        assert_eq!((tally.taken_back, counts(&tally)), (1, (0, 0, 0)));
    }
    assert_eq!(
        scene.figures(FIRST).await.current_load,
        2,
        "its data may be there"
    );
    scene.clock.advance(Duration::from_secs(86_401));
    let tally = pass(&scene, &unused(false)).await;
    assert_eq!((tally.taken_back, counts(&tally)), (0, (1, 1, 0)));
    assert_eq!(scene.figures(FIRST).await.current_load, 1);
    assert_eq!(scene.record(&once).await.current.node, None);
    assert!(!scene.data().contains(&endpoint_of(&left)));
    assert_eq!(scene.record(&twice).await.current.replaced_at, None);
}

#[tokio::test]
async fn an_order_is_about_what_it_names() {
    let scene = Scene::new().await;
    for (name, node) in [("a", FIRST), ("b", SECOND), ("c", FIRST)] {
        scene.place(&user(name), KEY_A, 1, node).await;
        scene.rekey(&user(name), KEY_B, 2).await;
    }
    let cases = [
        (
            "a node",
            Order {
                node: Some(FIRST.into()),
                ..order()
            },
            2,
        ),
        (
            "uids",
            Order {
                uids: 1..=4,
                ..order()
            },
            2,
        ),
        (
            "no uids",
            Order {
                uids: 7..=9,
                ..order()
            },
            0,
        ),
        (
            "a node's uids",
            Order {
                node: Some(FIRST.into()),
                uids: 2..=9,
                ..order()
            },
            1,
        ),
    ];
    for (name, order, expected) in cases {
        let dry = Order {
            dry_run: true,
            ..order
        };
        assert_eq!(pass(&scene, &dry).await.deleted, expected, "{name}");
    }
    let one = Order {
        records_max: Some(1),
        ..order()
    };
    assert_eq!(counts(&pass(&scene, &one).await).1, 1);
    let elsewhere = Order {
        override_node: Some("https://copy.example".into()),
        ..order()
    };
    assert_eq!(pass(&scene, &elsewhere).await.deleted, 2);
    let asked = scene.nodes.asked.lock().unwrap().clone();
    assert!(asked[1].starts_with("https://copy.example/1.5/"), "{asked:?}");
    let orders = scene.minter.orders.lock().unwrap();
    assert_eq!(orders[1].node, "https://copy.example", "with that node's secret");
}

#[tokio::test]
async fn nodes_out_of_service_are_left_alone_unless_forced() {
    for change in [
        NodeChange {
            downed: Some(true),
            ..NodeChange::default()
        },
        NodeChange {
            unhealthy: Some(true),
            ..NodeChange::default()
        },
    ] {
        let scene = Scene::new().await;
        scene.place(&user("a"), KEY_A, 1, FIRST).await;
        scene.rekey(&user("a"), KEY_B, 2).await;
        scene.change_node(FIRST, change).await;
        let tally = pass(&scene, &order()).await;
        assert_eq!((counts(&tally), tally.left()), ((1, 0, 0), 1));
        assert_eq!(tally.skipped.get(&Skipped::NodeOut), Some(&1));
        let forced = Order {
            force: true,
            ..order()
        };
        assert_eq!(counts(&pass(&scene, &forced).await), (1, 1, 0));
        assert_eq!(scene.times_asked(), 1);
    }
}

#[tokio::test]
async fn of_a_node_that_is_gone_the_record_is_forgotten() {
    let scene = Scene::new().await;
    scene.place(&user("a"), KEY_A, 1, FIRST).await;
    scene.rekey(&user("a"), KEY_B, 2).await;
    scene.remove_node(FIRST).await;
    assert_eq!(counts(&pass(&scene, &order()).await), (1, 0, 1));
    assert_eq!(scene.times_asked(), 0);
    assert!(scene.record(&user("a")).await.past.is_empty());
}

/// After a move with the same keys, the old record's data may be the live data.
#[tokio::test]
async fn data_of_the_active_keys_is_erased_only_where_it_lies_by_uid() {
    for (name, by_uid, erased) in [
        ("nothing is known", ByUid::default(), false),
        (
            "another is known",
            ByUid::Nodes([SECOND.to_owned()].into()),
            false,
        ),
        ("it is known", ByUid::Nodes([FIRST.to_owned()].into()), true),
        ("all are", ByUid::All, true),
    ] {
        let scene = Scene::new().await;
        scene.place(&user("a"), KEY_A, 1, FIRST).await;
        scene.unassign(&user("a")).await;
        scene.place(&user("a"), KEY_A, 1, FIRST).await;
        let order = Order { by_uid, ..order() };
        let tally = pass(&scene, &order).await;
        assert_eq!(scene.times_asked() == 1, erased, "{name}");
        assert_eq!(tally.skipped.contains_key(&Skipped::SameKeys), !erased, "{name}");
        assert_eq!(scene.record(&user("a")).await.past.is_empty(), erased, "{name}");
        // What was kept goes once the keys are others.
        scene.rekey(&user("a"), KEY_B, 2).await;
        pass(&scene, &order).await;
        assert_eq!(scene.data(), [format!("{FIRST}/1.5/3")], "{name}");
        assert_eq!(scene.figures(FIRST).await.current_load, 1, "{name}");
    }
}

#[tokio::test]
async fn what_is_kept_shuts_nobody_out() {
    let scene = Scene::new().await;
    for round in 0..120 {
        let node = [FIRST, SECOND][round % 2];
        scene.place(&user("a"), KEY_A, 1, node).await;
        scene
            .change_node(
                node,
                NodeChange {
                    capacity: Some(1000),
                    ..NodeChange::default()
                },
            )
            .await;
        pass(&scene, &order()).await;
    }
    assert_eq!(
        scene.record(&user("a")).await.past.len(),
        super::super::purge::KEPT_MAX
    );
    assert_eq!(scene.times_asked(), 0);
}

#[tokio::test]
async fn one_that_fails_stops_no_other_and_is_met_again() {
    let scene = Scene::new().await;
    for name in ["a", "b", "c", "d", "e", "f"] {
        scene.place(&user(name), KEY_A, 1, FIRST).await;
        scene.rekey(&user(name), KEY_B, 2).await;
    }
    let failures = CallFailure::ALL.map(Err);
    scene.script(&failures);
    let tally = pass(&scene, &order()).await;
    assert_eq!((counts(&tally), tally.left()), ((6, 1, 0), 5));
    for failure in CallFailure::ALL {
        assert_eq!(tally.failed.get(&failure), Some(&1), "{failure}");
    }
    *scene.minter.failure.lock().unwrap() = Some(SignError::NoNodeSecret);
    let no_secret = pass(&scene, &order()).await;
    assert_eq!(no_secret.failed.get(&CallFailure::Unknown), Some(&5));
    *scene.minter.failure.lock().unwrap() = None;
    assert_eq!(counts(&pass(&scene, &order()).await), (5, 5, 0));
    assert_eq!(scene.data().len(), 6);
}

#[tokio::test]
async fn a_silent_node_is_not_waited_for_again_and_again() {
    let scene = Scene::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        scene.place(&user(name), KEY_A, 1, FIRST).await;
        scene.rekey(&user(name), KEY_B, 2).await;
    }
    scene.place(&user("f"), KEY_A, 1, SECOND).await;
    scene.rekey(&user("f"), KEY_B, 2).await;
    let answers = [CallFailure::Timeout, CallFailure::Connect, CallFailure::Timeout].map(Err);
    scene.script(&answers);
    let tally = pass(&scene, &order()).await;
    assert_eq!(tally.skipped.get(&Skipped::Silent), Some(&2));
    assert_eq!(
        (scene.times_asked(), tally.deleted),
        (4, 1),
        "the other node was asked"
    );
    assert_eq!(
        pass(&scene, &order()).await.deleted,
        5,
        "the next pass asks again"
    );
}

/// As after a crash between the two: the data is gone, the record is not.
#[tokio::test]
async fn a_crash_after_the_erasure_costs_one_more() {
    let scene = Scene::new().await;
    scene.place(&user("a"), KEY_A, 1, FIRST).await;
    scene.rekey(&user("a"), KEY_B, 2).await;
    let store = Arc::clone(&scene.store);
    *scene.nodes.meanwhile.lock().unwrap() = Some(Box::new(move || {
        store.set_outage(Some(Cause::Unavailable));
        Box::pin(async {})
    }));
    let tally = pass(&scene, &order()).await;
    assert_eq!(tally.failed.get(&CallFailure::Unknown), Some(&1));
    scene.store.set_outage(None);
    assert_eq!(
        (scene.data().len(), scene.record(&user("a")).await.past.len()),
        (1, 1)
    );
    assert_eq!(counts(&pass(&scene, &order()).await), (1, 1, 0));
    assert_eq!(
        (scene.times_asked(), scene.figures(FIRST).await.current_load),
        (2, 1)
    );
}

#[tokio::test]
async fn an_outcome_in_doubt_is_settled() {
    for lost in [1, 2, 3] {
        let scene = Scene::new().await;
        scene.place(&user("a"), KEY_A, 1, FIRST).await;
        scene.unassign(&user("a")).await;
        scene.store.lose_answers(lost);
        let tally = pass(&scene, &order()).await;
        assert_eq!(tally.deleted == 1, lost < 3, "{lost}");
        pass(&scene, &order()).await;
        // The slot went back once, whatever was known of it.
        let figures = scene.figures(FIRST).await;
        assert_eq!((figures.current_load, figures.available), (0, 10), "{lost}");
    }
}

/// The user comes back while the data of the replaced record is erased.
#[tokio::test]
async fn a_user_who_comes_back_meanwhile_is_not_touched() {
    let scene = Arc::new(Scene::new().await);
    scene.place(&user("a"), KEY_A, 1, FIRST).await;
    scene.unassign(&user("a")).await;
    let there = Arc::clone(&scene);
    *scene.nodes.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            there.place(&user("a"), KEY_A, 1, SECOND).await;
        })
    }));
    let tally = pass(&scene, &order()).await;
    assert_eq!(
        counts(&tally),
        (1, 1, 0),
        "erased once, forgotten on the new version"
    );
    let record = scene.record(&user("a")).await;
    assert!(record.past.is_empty() && record.current.replaced_at.is_none());
    assert_eq!(scene.data(), [endpoint_of(&record)]);
}

/// Between the page and the record's turn the user comes back with the same keys: what the page said would erase live data.
#[tokio::test]
async fn a_user_who_came_back_since_the_page_is_judged_anew() {
    let scene = Arc::new(Scene::new().await);
    scene.place(&user("a"), KEY_A, 1, FIRST).await;
    scene.unassign(&user("a")).await;
    scene.place(&user("b"), KEY_A, 1, FIRST).await;
    scene.unassign(&user("b")).await;
    let there = Arc::clone(&scene);
    *scene.nodes.meanwhile.lock().unwrap() = Some(Box::new(move || {
        Box::pin(async move {
            there.place(&user("b"), KEY_A, 1, FIRST).await;
        })
    }));
    let tally = pass(&scene, &order()).await;
    assert_eq!(tally.skipped.get(&Skipped::SameKeys), Some(&1));
    assert_eq!((scene.times_asked(), tally.deleted), (1, 1));
}

#[tokio::test]
async fn it_ends_when_told_and_the_store_s_silence_is_no_answer() {
    let scene = Arc::new(Scene::new().await);
    for name in ["a", "b"] {
        scene.place(&user(name), KEY_A, 1, FIRST).await;
        scene.rekey(&user(name), KEY_B, 2).await;
    }
    let there = Arc::clone(&scene);
    *scene.nodes.meanwhile.lock().unwrap() = Some(Box::new(move || {
        there.halt.call();
        Box::pin(async {})
    }));
    assert_eq!(
        pass(&scene, &order()).await.deleted,
        1,
        "the record it was at is finished"
    );
    scene.store.set_outage(Some(Cause::Timeout));
    let order = order();
    let mut pass = Pass::new(
        scene.ports(),
        scene.node_ports(),
        &scene.service,
        &order,
        &scene.halt,
    );
    assert!(pass.page(None, 2).await.is_err());
}

/// Page after page, each a pass of its own, as an administrator's purge goes: where each was cut off, the next one goes on.
async fn pages(scene: &Scene, order: &Order) -> Vec<Tally> {
    let (mut tallies, mut after) = (Vec::new(), None);
    loop {
        let ports = (scene.ports(), scene.node_ports());
        let mut pass = Pass::new(ports.0, ports.1, &scene.service, order, &scene.halt);
        let end = pass.page(after.as_ref(), 10).await.unwrap();
        tallies.push(pass.tally().clone());
        match end {
            PageEnd::Next(next) | PageEnd::Cut(Some(next)) => after = Some(next),
            PageEnd::Last | PageEnd::Cut(None) => return tallies,
        }
    }
}

/// There is time for one record a page; the first two users fail each time.
#[tokio::test]
async fn those_who_fail_slowly_hold_up_nobody() {
    let mut scene = Scene::new().await;
    for name in ["a", "b", "c", "d"] {
        scene.place(&user(name), KEY_A, 1, FIRST).await;
        scene.rekey(&user(name), KEY_B, 2).await;
    }
    scene.rekey(&user("a"), KEY_A, 3).await;
    scene.clock.advance(Duration::from_secs(1));
    scene.halt = Halt::at(Deadline::after(Duration::ZERO));
    scene.script(&[CallFailure::Timeout, CallFailure::Timeout].map(Err));
    let tallies = pages(&scene, &order()).await;
    let counts = tallies.iter().map(|tally| (tally.looked_at, tally.deleted));
    assert_eq!(counts.collect::<Vec<_>>(), [(1, 0), (1, 0), (1, 1), (1, 1)]);
    let mut all = Tally::default();
    tallies.iter().for_each(|tally| all.add(tally));
    assert_eq!(
        (all.fetched, all.not_come_to()),
        (5, 1),
        "the other record of the first user"
    );
    assert_eq!(all.failed.get(&CallFailure::Timeout), Some(&2));
    let rest = pages(&scene, &order()).await;
    assert_eq!(rest.iter().map(|tally| tally.deleted).sum::<u64>(), 2);
}

#[tokio::test]
async fn no_more_are_purged_than_may_be_and_the_rest_is_found() {
    let scene = Scene::new().await;
    for name in ["a", "b", "c"] {
        scene.place(&user(name), KEY_A, 1, FIRST).await;
        scene.rekey(&user(name), KEY_B, 2).await;
        scene.rekey(&user(name), KEY_A, 3).await;
    }
    scene.clock.advance(Duration::from_secs(1));
    for dry_run in [true, false] {
        let some = Order {
            records_max: Some(3),
            dry_run,
            ..order()
        };
        let mut pass = Pass::new(
            scene.ports(),
            scene.node_ports(),
            &scene.service,
            &some,
            &scene.halt,
        );
        let end = pass.page(None, 10).await.unwrap();
        assert!(matches!(end, PageEnd::Cut(Some(_))), "{end:?}");
        assert_eq!((counts(pass.tally()), pass.tally().not_come_to()), ((3, 3, 0), 0));
    }
    assert_eq!(counts(&pass(&scene, &order()).await), (3, 3, 0));
}

/// A record that cannot be read before its data is erased is one that failed; the others are purged.
#[tokio::test]
async fn a_record_that_is_not_read_stops_no_other() {
    let scene = Scene::new().await;
    for name in ["a", "b"] {
        scene.place(&user(name), KEY_A, 1, FIRST).await;
        scene.rekey(&user(name), KEY_B, 2).await;
    }
    let store = Arc::clone(&scene.store);
    *scene.nodes.meanwhile.lock().unwrap() = Some(Box::new(move || {
        store.set_outage(Some(Cause::Timeout));
        Box::pin(async {})
    }));
    scene.clock.advance(Duration::from_secs(1));
    let order = order();
    let mut pass = Pass::new(
        scene.ports(),
        scene.node_ports(),
        &scene.service,
        &order,
        &scene.halt,
    );
    assert_eq!(pass.page(None, 10).await, Ok(PageEnd::Last));
    assert_eq!(pass.tally().failed.get(&CallFailure::Unknown), Some(&2));
}
