//! The races of the token exchange over three Cassandra nodes, through two webheads and two dbwriters: each ends as it must,
//! with the seeds of an ordinary run, and the audit finds nothing afterwards. `long_token_races` has more of them.

use foxhold_testkit::{
    cassandra::shared,
    fleet::{Cassandra, Store},
    report::report,
    token_race::{self, Crowd, OF_CASSANDRA, Stage},
    work_folder::WorkFolder,
};

const SEEDS: u64 = 10;
/// Crowds at a time: much of what a small one takes is waiting until writers have handed back what they held.
const TOGETHER: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn races_over_cassandra_end_as_they_must() {
    let work = WorkFolder::of("cassandra_token_races").unwrap();
    let cassandra = Cassandra::on_shared(&shared().await.unwrap());
    // Ten big crowds take a test's cluster minutes; one shows what size shows.
    let crowds: Vec<_> = (0..SEEDS)
        .map(|seed| Crowd {
            seed,
            users: if seed == 0 { 2000 } else { 100 },
        })
        .collect();
    let store = Store::Cassandra(cassandra.clone());
    let mut stage = Stage::start(work.path(), store, &crowds).await.unwrap();
    let tally = token_race::all(&stage, 0..SEEDS, &crowds, TOGETHER)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.fleet.logs()));
    report(&format!("{SEEDS} seeds of every race over Cassandra: {tally}"));
    cassandra.audit_when_settled(&mut stage.fleet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_keys_over_cassandra_may_be_cut_off_at_every_step() {
    let work = WorkFolder::of("cassandra_token_race_crashes").unwrap();
    let cassandra = Cassandra::on_shared(&shared().await.unwrap());
    let store = Store::Cassandra(cassandra.clone());
    let mut stage = Stage::start(work.path(), store, &[]).await.unwrap();
    token_race::crashes(&mut stage, OF_CASSANDRA, 0..SEEDS)
        .await
        .unwrap();
    token_race::kills(&mut stage, 0..SEEDS).await.unwrap();
    token_race::settled(&stage).await.unwrap();
    cassandra.audit_when_settled(&mut stage.fleet).await.unwrap();
}
