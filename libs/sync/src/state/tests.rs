//! The rules as tables, rule by rule, and what must hold for any order of events.

use foxhold_core::{ServiceUid, Timestamp};
use proptest::prelude::*;

use super::*;

const TOMBSTONE: u64 = i64::MAX as u64;

fn state(hex_pairs: &str) -> ClientState {
    ClientState::new(hex_pairs.as_bytes().to_vec()).unwrap()
}

fn seen((generation, changed, key): (u64, u64, &str)) -> Seen {
    Seen {
        generation: Generation(generation),
        keys_changed_at: NonZeroU64::new(changed),
        client_state: state(key),
    }
}

fn values((generation, changed, key): (u64, u64, &str)) -> UserValues {
    UserValues {
        generation: Generation(generation),
        keys_changed_at: NonZeroU64::new(changed),
        client_state: state(key),
    }
}

fn record((generation, changed, key): (u64, u64, &str), old: &[&str]) -> UserRecord {
    UserRecord {
        current: Assignment {
            uid: ServiceUid::new(7).unwrap(),
            generation: Generation(generation),
            keys_changed_at: NonZeroU64::new(changed),
            client_state: state(key),
            created_at: Timestamp::from_millis(1),
            replaced_at: None,
            node: Some("https://node.example".into()),
            node_type: None,
        },
        past: Vec::new(),
        old_client_states: old.iter().map(|key| state(key)).collect(),
        first_seen_at: Timestamp::from_millis(1),
        version: 1,
    }
}

type Triple = (u64, u64, &'static str);

fn rekey(triple: Triple) -> Result<Decision, StateRefusal> {
    Ok(Decision::Rekey(values(triple)))
}

fn raise(triple: Triple) -> Result<Decision, StateRefusal> {
    Ok(Decision::Raise(values(triple)))
}

#[test]
fn worked_cases_of_the_contract() {
    use StateRefusal::*;
    let unchanged = || Ok(Decision::Unchanged);
    let table: [(Triple, Triple, Result<Decision, StateRefusal>); 11] = [
        ((1232, 1234, "aaaa"), (1235, 1236, "aaaa"), Err(KeysChangedAt)),
        (
            (1232, 1234, "aaaa"),
            (1233, 1234, "aaaa"),
            raise((1233, 1234, "aaaa")),
        ),
        (
            (1232, 1234, "aaaa"),
            (0, 1235, "aaaa"),
            raise((1235, 1235, "aaaa")),
        ),
        (
            (1234, 1234, "aaaa"),
            (1234, 1234, "bbbb"),
            Err(NoGenerationChange),
        ),
        (
            (1234, 1234, "aaaa"),
            (1235, 1234, "bbbb"),
            Err(NoKeysChangedAtChange),
        ),
        (
            (1234, 1234, "aaaa"),
            (1235, 1235, "bbbb"),
            rekey((1235, 1235, "bbbb")),
        ),
        ((1234, 0, "aaaa"), (1234, 2345, "bbbb"), Err(KeysChangedAt)),
        ((0, 0, ""), (1234, 1234, "bbbb"), rekey((1234, 1234, "bbbb"))),
        ((1234, 0, "aaaa"), (1234, 0, "aaaa"), unchanged()),
        ((1234, 1234, "aaaa"), (0, 1234, "aaaa"), unchanged()),
        ((1234, 1234, "aaaa"), (1234, 1234, "aaaa"), unchanged()),
    ];
    for (stored, request, expected) in table {
        assert_eq!(
            judge(Some(&record(stored, &[])), &seen(request)),
            expected,
            "{stored:?} + {request:?}"
        );
    }
    // The key of a replaced record again, with anything.
    for request in [(1235, 1235, "aaaa"), (9999, 9999, "aaaa"), (0, 9999, "aaaa")] {
        let stored = record((1235, 1235, "bbbb"), &["aaaa"]);
        assert_eq!(
            judge(Some(&stored), &seen(request)),
            Err(StaleClientState),
            "{request:?}"
        );
    }
}

#[test]
fn every_rule_refuses_by_itself() {
    use StateRefusal::*;
    let table: [(&str, Triple, Triple, StateRefusal); 13] = [
        (
            "1: retired, older",
            (TOMBSTONE, 10, "a"),
            (50, 10, "a"),
            Generation,
        ),
        (
            "1: retired, no generation",
            (TOMBSTONE, 10, "a"),
            (0, 10, "a"),
            Generation,
        ),
        ("1 before 4", (TOMBSTONE, 10, "a"), (50, 10, "old"), Generation),
        (
            "2: key newer than credential",
            (20, 10, "a"),
            (20, 21, "a"),
            KeysChangedAt,
        ),
        (
            "2: also when none was stored",
            (20, 0, "a"),
            (20, 21, "a"),
            KeysChangedAt,
        ),
        ("3: empty state", (20, 10, "a"), (20, 10, ""), EmptyClientState),
        ("4: old state", (20, 10, "a"), (30, 30, "old"), StaleClientState),
        ("4 before 5", (20, 10, "a"), (20, 10, "old"), StaleClientState),
        (
            "5: same generation",
            (20, 10, "a"),
            (20, 15, "b"),
            NoGenerationChange,
        ),
        (
            "6: same key time",
            (20, 10, "a"),
            (21, 10, "b"),
            NoKeysChangedAtChange,
        ),
        ("7: older generation", (20, 10, "a"), (19, 10, "a"), Generation),
        ("8: older key time", (20, 10, "a"), (21, 9, "a"), KeysChangedAt),
        ("9: key time gone", (20, 10, "a"), (21, 0, "a"), KeysChangedAt),
    ];
    for (name, stored, request, expected) in table {
        assert_eq!(
            judge(Some(&record(stored, &["old"])), &seen(request)),
            Err(expected),
            "{name}"
        );
    }
}

#[test]
fn first_contact_takes_what_the_credential_says() {
    for request in [(0, 0, ""), (5, 9, "a"), (0, 9, "a")] {
        assert_eq!(
            judge(None, &seen(request)),
            Ok(Decision::Assign(values(request))),
            "{request:?}"
        );
    }
}

#[test]
fn without_a_generation_a_new_key_time_proves_one() {
    let table: [(&str, Triple, Triple, Decision); 4] = [
        (
            "above both",
            (5, 4, "a"),
            (0, 9, "a"),
            Decision::Raise(values((9, 9, "a"))),
        ),
        (
            "not above the generation",
            (9, 4, "a"),
            (0, 8, "a"),
            Decision::Raise(values((9, 8, "a"))),
        ),
        (
            "with a new key",
            (5, 4, "a"),
            (0, 9, "b"),
            Decision::Rekey(values((9, 9, "b"))),
        ),
        (
            "key time first reported",
            (5, 0, "a"),
            (5, 5, "a"),
            Decision::Raise(values((5, 5, "a"))),
        ),
    ];
    for (name, stored, request, expected) in table {
        assert_eq!(
            judge(Some(&record(stored, &[])), &seen(request)),
            Ok(expected),
            "{name}"
        );
    }
}

#[test]
fn a_replaced_or_homeless_record_is_judged_first_and_then_reassigned() {
    type Change = fn(&mut Assignment);
    let changes: [(&str, Change); 2] = [
        ("replaced", |record| {
            record.replaced_at = Some(Timestamp::from_millis(9))
        }),
        ("node gone", |record| record.node = None),
    ];
    for (name, change) in changes {
        let mut stored = record((20, 10, "a"), &["old"]);
        change(&mut stored.current);
        let reassign = |triple| Ok(Decision::Reassign(values(triple)));
        let table: [(Triple, Result<Decision, StateRefusal>); 5] = [
            ((20, 10, "a"), reassign((20, 10, "a"))),
            ((25, 10, "a"), reassign((25, 10, "a"))),
            ((25, 25, "b"), reassign((25, 25, "b"))),
            ((0, 10, "a"), reassign((20, 10, "a"))),
            ((19, 10, "a"), Err(StateRefusal::Generation)),
        ];
        for (request, expected) in table {
            assert_eq!(
                judge(Some(&stored), &seen(request)),
                expected,
                "{name} {request:?}"
            );
        }
    }
}

#[test]
fn a_retired_user_never_gets_a_record() {
    let mut stored = record((TOMBSTONE, 10, "a"), &[]);
    stored.current.replaced_at = Some(Timestamp::from_millis(9));
    assert_eq!(
        judge(Some(&stored), &seen((TOMBSTONE, 10, "a"))),
        Ok(Decision::Unchanged)
    );
    stored.current.node = None;
    assert_eq!(
        judge(Some(&stored), &seen((TOMBSTONE, 10, "a"))),
        Ok(Decision::Unchanged)
    );
}

/// One user's records, changed only by what `judge` decides and by an operator's hand.
#[derive(Default)]
struct Model {
    records: Vec<Assignment>,
}

impl Model {
    fn read(&self) -> Option<UserRecord> {
        let rank = |r: &&Assignment| (r.generation, r.keys_changed_at, r.created_at, r.uid);
        let current = self.records.iter().max_by_key(rank)?.clone();
        let old = self
            .records
            .iter()
            .filter(|r| r.client_state != current.client_state);
        Some(UserRecord {
            past: Vec::new(),
            old_client_states: old.map(|r| r.client_state.clone()).collect(),
            first_seen_at: self.records[0].created_at,
            version: 1,
            current,
        })
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.records.len() as u64 + 1)
    }

    fn replace_active(&mut self) {
        let now = self.now();
        for record in self.records.iter_mut().filter(|r| r.replaced_at.is_none()) {
            record.replaced_at = Some(now);
        }
    }

    fn exchange(&mut self, request: &Seen) -> Result<Decision, StateRefusal> {
        let stored = self.read();
        let decision = judge(stored.as_ref(), request)?;
        match &decision {
            Decision::Unchanged => {}
            Decision::Raise(values) => {
                let uid = stored.expect("only a stored record is raised").current.uid;
                let current = self
                    .records
                    .iter_mut()
                    .find(|r| r.uid == uid)
                    .expect("it was read");
                current.generation = values.generation;
                current.keys_changed_at = values.keys_changed_at;
            }
            Decision::Assign(values) | Decision::Rekey(values) | Decision::Reassign(values) => {
                self.replace_active();
                let mut new = record((1, 1, ""), &[]).current;
                new.uid = ServiceUid::new(self.records.len() as u64 + 1).unwrap();
                new.generation = values.generation;
                new.keys_changed_at = values.keys_changed_at;
                new.client_state = values.client_state.clone();
                new.created_at = self.now();
                self.records.push(new);
            }
        }
        Ok(decision)
    }

    fn retire(&mut self) {
        self.replace_active();
        for record in &mut self.records {
            record.generation = Generation::RETIRED;
        }
    }

    fn active(&self) -> usize {
        self.records.iter().filter(|r| r.replaced_at.is_none()).count()
    }

    fn numbers(&self) -> (Generation, Option<NonZeroU64>) {
        self.read().map_or_else(Default::default, |r| {
            (r.current.generation, r.current.keys_changed_at)
        })
    }
}

#[derive(Debug, Clone)]
enum Event {
    Exchange(Seen),
    Unassign,
    LoseNode,
}

fn any_seen() -> impl Strategy<Value = Seen> {
    (0..8u64, 0..8u64, "[abc]{0,1}").prop_map(|(generation, changed, key)| Seen {
        generation: Generation(generation),
        keys_changed_at: NonZeroU64::new(changed),
        client_state: ClientState::new(key.into_bytes()).unwrap(),
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![8 => any_seen().prop_map(Event::Exchange), 1 => Just(Event::Unassign), 1 => Just(Event::LoseNode)]
}

/// What one honest account's credentials say over its life: passwords change, now and then the key with them.
fn honest_history() -> impl Strategy<Value = Vec<Seen>> {
    prop::collection::vec((1..5u64, any::<bool>()), 1..7).prop_map(|steps| {
        let (mut time, mut changed, mut key) = (100, 100, 0u8);
        let mut history = Vec::new();
        for (pause, new_key) in steps {
            time += pause;
            if new_key {
                (changed, key) = (time, key + 1);
            }
            history.push(Seen {
                generation: Generation(time),
                keys_changed_at: NonZeroU64::new(changed),
                client_state: ClientState::new(vec![key]).unwrap(),
            });
        }
        history
    })
}

proptest! {
    #[test]
    fn numbers_never_fall_and_at_most_one_record_is_active(events in prop::collection::vec(any_event(), 1..24)) {
        let mut model = Model::default();
        for event in events {
            let before = model.numbers();
            match event {
                Event::Exchange(request) => {
                    let accepted = model.exchange(&request);
                    prop_assert!(accepted.is_err() || model.active() == 1);
                }
                Event::Unassign => model.replace_active(),
                Event::LoseNode => model.records.iter_mut().for_each(|r| r.node = None),
            }
            let after = model.numbers();
            prop_assert!(after.0 >= before.0 && after.1 >= before.1, "{before:?} -> {after:?}");
            prop_assert!(model.active() <= 1);
        }
    }

    #[test]
    fn an_accepted_credential_is_unchanged_the_second_time(
        events in prop::collection::vec(any_seen(), 0..12),
        last in any_seen(),
    ) {
        let mut model = Model::default();
        for event in &events {
            let _ = model.exchange(event);
        }
        if model.exchange(&last).is_ok() {
            prop_assert_eq!(model.exchange(&last), Ok(Decision::Unchanged));
        }
    }

    #[test]
    fn any_order_of_an_honest_accounts_credentials_converges(
        (history, order) in honest_history().prop_flat_map(|history| {
            let places = prop::collection::vec(0..history.len(), 0..20);
            (Just(history), places)
        })
    ) {
        let mut model = Model::default();
        for place in &order {
            let _ = model.exchange(&history[*place]);
        }
        // Whatever came before, in whatever order: the newest credential is let in, and no older one changes it.
        let newest = history.last().unwrap();
        prop_assert!(model.exchange(newest).is_ok());
        for place in order {
            let _ = model.exchange(&history[place]);
        }
        let current = model.read().unwrap().current;
        prop_assert_eq!(
            (current.generation, current.keys_changed_at, &current.client_state),
            (newest.generation, newest.keys_changed_at, &newest.client_state)
        );
    }

    #[test]
    fn after_retirement_nothing_gets_a_record(
        before in prop::collection::vec(any_seen(), 1..6),
        after in prop::collection::vec(any_seen(), 1..6),
    ) {
        let mut model = Model::default();
        for event in &before {
            let _ = model.exchange(event);
        }
        model.retire();
        for event in &after {
            prop_assert_eq!(model.exchange(event), Err(StateRefusal::Generation));
        }
        prop_assert_eq!(model.active(), 0);
    }
}
