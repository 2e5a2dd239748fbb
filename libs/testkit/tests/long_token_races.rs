//! The races of the token exchange with two hundred seeds each, over SQLite and over three Cassandra nodes.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use foxhold_testkit::{
    cassandra::shared,
    fleet::{Cassandra, Store},
    report::report,
    token_race::{self, Crash, Crowd, OF_ANY_STORE, OF_CASSANDRA, Stage},
    work_folder::WorkFolder,
};

const SEEDS: u64 = 200;
/// Seeds of one fleet: dbwriters make the nodes of all their crowds when they start.
const AT_ONCE: usize = 20;
/// Crowds at a time.
const TOGETHER: usize = 4;
/// Users of a crowd: of all of them over SQLite, of one in twenty over Cassandra, where the others are small.
const USERS: u64 = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn races_over_sqlite() {
    for first in (0..SEEDS).step_by(AT_ONCE) {
        let crowds: Vec<_> = (first..first + AT_ONCE as u64)
            .map(|seed| Crowd { seed, users: USERS })
            .collect();
        let work = WorkFolder::of("long_token_races").unwrap();
        races(&work, Store::Sqlite, "SQLite", &crowds).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn races_over_cassandra() {
    for first in (0..SEEDS).step_by(AT_ONCE) {
        let crowd = |seed| Crowd {
            seed,
            users: if seed == first { USERS } else { USERS / 20 },
        };
        let crowds: Vec<_> = (first..first + AT_ONCE as u64).map(crowd).collect();
        let cassandra = Cassandra::on_shared(&shared().await.unwrap());
        let work = WorkFolder::of("long_token_races_cassandra").unwrap();
        let store = Store::Cassandra(cassandra.clone());
        let mut stage = races(&work, store, "Cassandra", &crowds).await;
        cassandra.audit_when_settled(&mut stage.fleet).await.unwrap();
    }
}

async fn races(work: &WorkFolder, store: Store, what: &str, crowds: &[Crowd]) -> Stage {
    let first = crowds[0].seed;
    let stage = Stage::start(work.path(), store, crowds).await.unwrap();
    let tally = token_race::all(&stage, first..first + AT_ONCE as u64, crowds, TOGETHER)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.fleet.logs()));
    report(&format!(
        "{AT_ONCE} seeds of every race over {what}, from {first} on: {tally}"
    ));
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_keys_cut_off_over_sqlite() {
    let work = WorkFolder::of("long_token_race_crashes").unwrap();
    cut_off(&work, Store::Sqlite, OF_ANY_STORE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_keys_cut_off_over_cassandra() {
    let work = WorkFolder::of("long_token_race_crashes_cassandra").unwrap();
    let cassandra = Cassandra::on_shared(&shared().await.unwrap());
    let mut stage = cut_off(&work, Store::Cassandra(cassandra.clone()), OF_CASSANDRA).await;
    cassandra.audit_when_settled(&mut stage.fleet).await.unwrap();
}

async fn cut_off(work: &WorkFolder, store: Store, points: &[Crash]) -> Stage {
    let mut stage = Stage::start(work.path(), store, &[]).await.unwrap();
    token_race::crashes(&mut stage, points, 0..SEEDS).await.unwrap();
    token_race::kills(&mut stage, 0..SEEDS).await.unwrap();
    token_race::settled(&stage).await.unwrap();
    stage
}
