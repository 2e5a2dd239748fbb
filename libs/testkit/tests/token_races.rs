//! The races of the token exchange over SQLite, through two webheads and two dbwriters: each ends as it must, with the seeds
//! of an ordinary run. `long_token_races` has more of them.

use foxhold_testkit::{
    fleet::Store,
    report::report,
    token_race::{self, Crowd, OF_ANY_STORE, Stage},
    work_folder::WorkFolder,
};

const SEEDS: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn races_over_sqlite_end_as_they_must() {
    let work = WorkFolder::of("token_races").unwrap();
    let crowds: Vec<_> = (0..SEEDS).map(|seed| Crowd { seed, users: 2000 }).collect();
    let stage = Stage::start(work.path(), Store::Sqlite, &crowds).await.unwrap();
    let tally = token_race::all(&stage, 0..SEEDS, &crowds, 1)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", stage.fleet.logs()));
    assert_eq!(tally.waits.no_room, 0, "nothing is in doubt over SQLite");
    report(&format!("{SEEDS} seeds of every race over SQLite: {tally}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_keys_over_sqlite_may_be_cut_off_anywhere() {
    let work = WorkFolder::of("token_race_crashes").unwrap();
    let mut stage = Stage::start(work.path(), Store::Sqlite, &[]).await.unwrap();
    token_race::crashes(&mut stage, OF_ANY_STORE, 0..SEEDS)
        .await
        .unwrap();
    token_race::kills(&mut stage, 0..SEEDS).await.unwrap();
    token_race::settled(&stage).await.unwrap();
}
