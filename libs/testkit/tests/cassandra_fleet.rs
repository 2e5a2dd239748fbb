//! Tiers as processes over Cassandra: a dbwriter whose clock is off writes nothing and says why, and goes on once it is set
//! right.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use foxhold_testkit::{
    cassandra::shared,
    fleet::{Cassandra, Fleet, Shape, Store, Tier},
    insist::{Decided, insist, is_later},
    person::{Person, unique_hex},
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::StatusCode;

/// Ten minutes.
const OFF_MS: i64 = 600_000;

async fn sign_up(fleet: &Fleet) -> anyhow::Result<Decided<Person>> {
    let email = format!("{}@example.test", &unique_hex()[..20]);
    Person::sign_up(&fleet.server, &email, &unique_hex()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dbwriter_whose_clock_is_off_writes_nothing_until_it_is_right() {
    let work = WorkFolder::of("cassandra_fleet").unwrap();
    let shape = Shape {
        webheads: 1,
        keysigners: 1,
        dbwriters: 2,
        store: Store::Cassandra(Cassandra::on_shared(&shared().await.unwrap())),
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    for off in [OFF_MS, -OFF_MS] {
        fleet.stop(Tier::Dbwriter, 1).await.unwrap();
        let test = format!("[test]\nclock_offset_ms = {off}\n");
        fleet.add_to_configuration(Tier::Dbwriter, 1, &test).unwrap();
        fleet.launch(Tier::Dbwriter, 1).unwrap();
        wait_until("the clock to be noticed", || async {
            let health = fleet.health(Tier::Dbwriter, 1).await.unwrap();
            let why = health
                .as_ref()
                .and_then(|health| health["degraded"]["clock"].as_str());
            why.is_some_and(|why| why.contains(if off < 0 { "ms behind" } else { "ms ahead" }))
        })
        .await
        .unwrap();
        // The other one does what there is to do, whichever a call meets first.
        for _ in 0..5 {
            let signed_up = insist("a sign-up", async || sign_up(&fleet).await).await;
            signed_up.unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
        }
        fleet.stop(Tier::Dbwriter, 2).await.unwrap();
        let refused = sign_up(&fleet).await.unwrap().err().expect("nobody may write");
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        is_later(&refused).unwrap();
        fleet.kill(Tier::Dbwriter, 1).unwrap();
        fleet.add_to_configuration(Tier::Dbwriter, 1, "").unwrap();
        fleet.launch(Tier::Dbwriter, 1).unwrap();
        fleet.restart(Tier::Dbwriter, 2).await.unwrap();
        let writes_again = insist("the writers to be used again", async || sign_up(&fleet).await);
        writes_again.await.unwrap();
    }
}
