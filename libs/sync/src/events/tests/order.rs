//! What must hold for any order of events and exchanges, each of them told once or more often.

use proptest::{prelude::*, sample::Index};

use super::*;

/// One step of an account's life: when, and whether it brought a new sync key (a reset) or not (a change).
#[derive(Debug, Clone, Copy)]
struct Step {
    at: u64,
    brings_key: bool,
}

/// What reaches the Token Server.
#[derive(Debug, Clone)]
enum Arrival {
    /// A device with the credentials of that step.
    Exchange(usize),
    /// The event of that step.
    Changed(usize),
    Gone,
}

/// The account's life, from the first step on.
fn life() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..1000_u64, any::<bool>());
    prop::collection::vec(step, 1..6).prop_map(|steps| {
        let mut at = 0;
        let timed = steps.into_iter().map(|(pause, brings_key)| {
            at += pause;
            Step { at, brings_key }
        });
        timed.collect()
    })
}

/// Credentials as of a step.
fn credential(life: &[Step], step: usize) -> Seen {
    let keys = life[1..=step].iter().filter(|step| step.brings_key);
    let changed = life[1..=step].iter().rfind(|step| step.brings_key);
    let key = u8::try_from(keys.count()).unwrap();
    seen(life[step].at, changed.map_or(life[0].at, |step| step.at), key)
}

/// All events of a life and a few exchanges, in any order; `gone` says whether the account ends.
fn arrivals() -> impl Strategy<Value = (Vec<Step>, Vec<Arrival>, bool)> {
    let picks = prop::collection::vec(any::<Index>(), 0..12);
    (life(), picks.clone(), picks, any::<bool>())
        .prop_map(|(life, exchanges, repeats, gone)| {
            let mut told: Vec<Arrival> = (1..life.len()).map(Arrival::Changed).collect();
            told.extend(gone.then_some(Arrival::Gone));
            let step = |pick: Index| pick.index(life.len());
            told.extend(exchanges.into_iter().map(step).map(Arrival::Exchange));
            let some = repeats.into_iter().filter(|_| !told.is_empty());
            let again: Vec<_> = some.map(|pick| told[pick.index(told.len())].clone()).collect();
            told.extend(again);
            (life, told, gone)
        })
        .prop_flat_map(|(life, told, gone)| (Just(life), Just(told).prop_shuffle(), Just(gone)))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

async fn carry_out(world: &World, life: &[Step], told: &Arrival) {
    match told {
        // Whether it is refused depends on what came before.
        Arrival::Exchange(step) => {
            let _ = world.exchange(KEY, &credential(life, *step)).await;
        }
        Arrival::Changed(step) => {
            let event = AccountEvent::credentials_changed_at(life[*step].at).unwrap();
            world.tell(event).await.unwrap();
        }
        Arrival::Gone => {
            world.tell(retire()).await.unwrap();
        }
    }
}

const KEY: &str = SERVICES[2];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_order_ends_the_same((life, told, gone) in arrivals()) {
        run(async {
            let world = World::new().await;
            world.exchange(KEY, &credential(&life, 0)).await.unwrap();
            let mut before = world.record(KEY).await.unwrap();
            let mut was_retired = false;
            for told in &told {
                carry_out(&world, &life, told).await;
                let record = world.record(KEY).await.unwrap();
                assert!(record.current.generation >= before.current.generation, "{told:?}");
                assert!(record.current.keys_changed_at >= before.current.keys_changed_at, "{told:?}");
                was_retired |= matches!(told, Arrival::Gone);
                assert_eq!(is_active(&record), !was_retired, "{told:?}");
                before = record;
            }
            let newest = credential(&life, life.len() - 1);
            let last = world.exchange(KEY, &newest).await;
            let after = world.record(KEY).await.unwrap().current;
            if gone {
                assert_eq!(last, Err(StateRefusal::Generation));
                assert_eq!(after.generation, Generation::RETIRED);
            } else {
                // The newest credential is always good, and no trace is left of what came before it.
                assert_eq!(last, Ok(()));
                assert_eq!(
                    (after.generation, after.keys_changed_at, after.client_state),
                    (newest.generation, newest.keys_changed_at, newest.client_state)
                );
                for older in 0..life.len() - 1 {
                    let late = world.exchange(KEY, &credential(&life, older)).await;
                    assert!(late.is_err(), "{older}");
                }
            }
        });
    }

    /// Events alone leave the same record in whatever order and however often they come.
    #[test]
    fn events_commute(
        events in prop::collection::vec((prop::bool::weighted(0.1), 1..50_u64), 1..8),
        repeats in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let events: Vec<_> = events
            .into_iter()
            .map(|(is_end, at)| if is_end { retire() } else { raise(at) })
            .collect();
        let mut other: Vec<_> = events.iter().rev().copied().collect();
        other.extend(repeats.into_iter().map(|pick| events[pick.index(events.len())]));
        run(async {
            let mut left = Vec::new();
            for order in [&events, &other] {
                let world = World::new().await;
                world.exchange(KEY, &seen(10, 10, 1)).await.unwrap();
                for event in order {
                    world.tell(*event).await.unwrap();
                }
                left.push(world.record(KEY).await.unwrap().current);
            }
            assert_eq!(left[0], left[1]);
            let strongest = events.iter().max().copied();
            let expected = match strongest {
                Some(AccountEvent::Retire) => Generation::RETIRED,
                Some(AccountEvent::RaiseGeneration(generation)) => generation.max(Generation(10)),
                None => Generation(10),
            };
            assert_eq!(left[0].generation, expected);
        });
    }
}
