//! A dbwriter of two over three Cassandra nodes is killed without warning, ten times, under sign-ups, sign-ins, sign-outs and
//! exchanges. What was acknowledged must be there, what was not must be whole or not there. `long_kills_cassandra` kills
//! a hundred times, and at every named point.

use foxhold_testkit::{
    cassandra::shared,
    fleet::{Cassandra, Fleet, Load, Shape, Store},
    report::report,
    work_folder::WorkFolder,
};

const KILLS: usize = 10;
const USERS_AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_dbwriters_over_cassandra_are_killed() {
    let work = WorkFolder::of("kills_cassandra").unwrap();
    let cassandra = Cassandra::on_shared(&shared().await.unwrap());
    let shape = Shape {
        webheads: 2,
        keysigners: 1,
        dbwriters: 2,
        store: Store::Cassandra(cassandra.clone()),
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let load = Load::start_with_operator(&mut fleet, USERS_AT_ONCE)
        .await
        .unwrap();
    load.under_kills(&mut fleet, KILLS)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    let acknowledged = load.ledger().acknowledged();
    let figures = load
        .settle(&mut fleet, &cassandra)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    assert!(
        acknowledged > KILLS * 3,
        "too little load to show anything: {acknowledged}"
    );
    report(&format!("{KILLS} dbwriter kills over Cassandra, {figures}"));
}
