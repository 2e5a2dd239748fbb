//! Whatever comes: no budget is ever exceeded, and strangers never get the last tenth of a node.

use std::collections::{BTreeMap, BTreeSet};

use foxhold_ports::assignments::{
    Target,
    choice::{Candidate, is_out, take_slot},
};
use proptest::prelude::*;

use super::*;

/// One new user: how long after the one before, of which issuer, from which block, and what became of it.
#[derive(Debug, Clone, Copy)]
struct Step {
    after: Duration,
    issuer: u32,
    block: u32,
    fate: Fate,
}

#[derive(Debug, Clone, Copy)]
enum Fate {
    Written,
    Refused,
    /// Refused, but only when the next one has come.
    RefusedLate,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let after = prop_oneof![
        4 => Just(0),
        4 => 0..20_000_u64,
        1 => 0..200_000_u64,
        1 => 0..90_000_000_u64,
    ];
    let fate = prop_oneof![
        3 => Just(Fate::Written),
        1 => Just(Fate::Refused),
        1 => Just(Fate::RefusedLate),
    ];
    let step = (after, 0..5_u32, 0..5_u32, fate).prop_map(|(after, issuer, block, fate)| Step {
        after: Duration::from_millis(after),
        issuer,
        block,
        fate,
    });
    prop::collection::vec(step, 0..150)
}

/// In no span of time are there more than the burst and what came back meanwhile.
fn keeps_rate(times: &[Timestamp], burst: usize, every: Duration) -> bool {
    times.iter().enumerate().all(|(first, from)| {
        let rest = times[first..].iter().enumerate();
        rest.into_iter().all(|(more, to)| {
            let back = to.since(*from).as_millis() / every.as_millis();
            (more + 1) as u128 <= burst as u128 + back
        })
    })
}

proptest! {
    /// Three issuers and blocks find a place at a time, of five.
    #[test]
    fn no_budget_is_ever_exceeded(steps in steps()) {
        let settings = FirstAssignmentSettings {
            issuer_burst: 3,
            issuer_per_minute: 6,
            issuer_day_percent: 5,
            block_burst: 2,
            block_per_hour: 60,
            keys_max: 3,
            ..FirstAssignmentSettings::default()
        };
        let mut budgets = Budgets::new(&settings);
        let mut now = NOW;
        let mut late: Option<Charge> = None;
        let mut of_issuer: BTreeMap<u32, Vec<Timestamp>> = BTreeMap::new();
        let mut of_block: BTreeMap<u32, Vec<Timestamp>> = BTreeMap::new();
        for step in steps {
            now = now.plus(step.after);
            let keys = Keys::of(&service(), &stranger(step.issuer), address(step.block));
            let judged = budgets.judge(now, keys, 200);
            if let Ok(charge) = &judged {
                budgets.charge(charge);
            }
            if let Some(charge) = late.take() {
                budgets.give_back(&charge);
            }
            let Ok(charge) = judged else { continue };
            match step.fate {
                Fate::Refused => budgets.give_back(&charge),
                Fate::RefusedLate => late = Some(charge),
                Fate::Written => {
                    of_issuer.entry(step.issuer).or_default().push(now);
                    of_block.entry(step.block).or_default().push(now);
                }
            }
        }
        for times in of_issuer.values() {
            prop_assert!(keeps_rate(times, 3, Duration::from_secs(10)));
            let days: BTreeSet<u64> = times.iter().map(|time| time.as_secs() / 86_400).collect();
            for day in days {
                let on_day = times.iter().filter(|time| time.as_secs() / 86_400 == day).count();
                prop_assert!(on_day <= 10);
            }
        }
        for times in of_block.values() {
            prop_assert!(keeps_rate(times, 2, Duration::from_secs(60)));
        }
    }

    /// One process, and a store that sends others to the nodes with released slots. What those take of a node's last tenth
    /// until the figures are read again, no stranger has.
    #[test]
    fn strangers_never_get_the_last_tenth(
        nodes in prop::collection::vec((1..40_u64, 0..40_u64, 0..40_u64, 0..8_u8), 1..5),
        steps in prop::collection::vec(0..4_u8, 0..100),
    ) {
        let mut store: Vec<Candidate> = nodes
            .iter()
            .zip(1..)
            .map(|(&(capacity, load, available, flags), id)| {
                let current_load = load.min(capacity);
                let figures = NodeFigures {
                    capacity,
                    available: available.min(capacity - current_load),
                    current_load,
                    downed: flags == 0,
                    backoff: flags == 1,
                    unhealthy: flags == 2,
                };
                Candidate { id: NodeId(id), fits: true, figures }
            })
            .collect();
        let records = |store: &[Candidate]| -> Vec<NodeRecord> {
            let record = |held: &Candidate| NodeRecord {
                figures: held.figures,
                ..node(held.id.0, 0, 1)
            };
            store.iter().map(record).collect()
        };
        let url = |held: &Candidate| node(held.id.0, 0, 1).url;
        let mut room = Room::default();
        let mut now = NOW;
        let mut others: BTreeMap<NodeId, u64> = BTreeMap::new();
        for step in steps {
            let is_stranger = step > 0;
            if step == 3 {
                now = now.plus(SOON);
            }
            if let Some(reading) = room.begin_reading(now) {
                room.install(&reading, &records(&store));
                others.clear();
            }
            let target = match is_stranger.then(|| room.take_open(10)) {
                Some(None) => continue,
                Some(Some(url)) => Target::Node(url),
                None => {
                    room.take();
                    Target::DEFAULT
                }
            };
            for node in &mut store {
                node.fits = target.includes(&url(node), None);
            }
            if let Some(id) = take_slot(&mut store, &target) {
                let other = others.entry(id).or_default();
                *other += u64::from(!is_stranger);
                let node = store.iter().find(|node| node.id == id).expect("it was chosen").figures;
                let is_kept = (node.current_load - *other) * 10 <= node.capacity * 9;
                prop_assert!(!is_stranger || is_kept, "{id:?} of {store:?}");
                prop_assert!(!is_stranger || (!is_out(&node) && !node.backoff));
            }
            room.settle();
        }
    }
}
