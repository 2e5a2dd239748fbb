//! Who is after what when: a pure function of the number of a turn, so that clients need not agree on anything.

use crate::history::Model;

/// How turns follow each other: a burst of as many turns as there are clients for one object, then one for an object of
/// the next kind. Of each kind `keys` objects take turns, `rounds` bursts each; then come `keys` new ones.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    pub(super) clients: u64,
    pub(super) keys: u64,
    pub(super) rounds: u64,
    pub(super) kinds: Vec<Model>,
}

/// What a client does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// The kind of object.
    pub(super) model: Model,
    /// Which one.
    pub(super) key: u64,
    /// How many bursts it has had before.
    pub(super) round: u64,
    /// Which turn of the burst this is.
    pub(super) place: u64,
}

impl Schedule {
    pub(super) fn turn(&self, number: u64) -> Turn {
        let (burst, place) = (number / self.clients, number % self.clients);
        let kinds = self.kinds.len() as u64;
        let kind = usize::try_from(burst % kinds).expect("a remainder of a length is an index");
        let visit = burst / kinds;
        let (generation, within) = (
            visit / (self.keys * self.rounds),
            visit % (self.keys * self.rounds),
        );
        Turn {
            model: self.kinds[kind],
            key: generation * self.keys + within % self.keys,
            round: within / self.keys,
            place,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_object_has_its_bursts_in_order_and_then_rests() {
        let schedule = Schedule {
            clients: 3,
            keys: 2,
            rounds: 4,
            kinds: vec![Model::Create, Model::Assign],
        };
        let mut seen: BTreeMap<(Model, u64), Vec<(u64, u64)>> = BTreeMap::new();
        // Two generations.
        for number in 0..3 * 2 * 4 * 2 * 2 {
            let turn = schedule.turn(number);
            let of_object = seen.entry((turn.model, turn.key)).or_default();
            of_object.push((turn.round, turn.place));
        }
        let all: Vec<_> = (0..4)
            .flat_map(|round| (0..3).map(move |place| (round, place)))
            .collect();
        assert_eq!(seen.len(), 8);
        assert!(seen.values().all(|turns| *turns == all), "{seen:?}");
        assert_eq!(schedule.turn(0).key, 0);
        assert_eq!(schedule.turn(3).model, Model::Assign);
    }
}
