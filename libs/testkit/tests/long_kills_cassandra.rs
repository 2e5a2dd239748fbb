//! Dbwriters over three Cassandra nodes die a hundred times at points nobody chose, and once at every point between two
//! steps of an intent that has a name. What was acknowledged must be there, what was not must be whole or not there.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use foxhold_store_cassandra::fail_points;
use foxhold_testkit::{
    cassandra::shared,
    fleet::{Cassandra, Fleet, Load, Shape, Store, Tier},
    person::{Person, Server, unique_hex},
    report::report,
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::StatusCode;

const KILLS: usize = 100;
const USERS_AT_ONCE: usize = 4;
/// Come past only a minute after both dbwriters died between two steps of one sign-up.
const SLEEPER_BARRED: &str = "create.sleeper_barred";
/// A point that was not come past with so much acknowledged is one that nobody comes past.
const ENOUGH: usize = 400;

async fn fleet(work: &WorkFolder) -> (Fleet, Cassandra) {
    let cassandra = Cassandra::on_shared(&shared().await.unwrap());
    let shape = Shape {
        webheads: 2,
        keysigners: 1,
        dbwriters: 2,
        store: Store::Cassandra(cassandra.clone()),
    };
    (Fleet::start(work.path(), shape).await.unwrap(), cassandra)
}

async fn settle(load: Load, fleet: &mut Fleet, cassandra: &Cassandra, what: &str) {
    let figures = load
        .settle(fleet, cassandra)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    report(&format!("{what}, {figures}"));
}

/// From its next start on, the dbwriter of this number dies at `point`.
fn arm(fleet: &mut Fleet, number: usize, point: &str) {
    let test = format!("[test]\nfail_point = {point:?}\n");
    fleet.add_to_configuration(Tier::Dbwriter, number, &test).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_lose_nothing() {
    let work = WorkFolder::of("long_kills_random").unwrap();
    let (mut fleet, cassandra) = fleet(&work).await;
    let load = Load::start_with_operator(&mut fleet, USERS_AT_ONCE)
        .await
        .unwrap();
    load.under_kills(&mut fleet, KILLS)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    let what = format!("{KILLS} dbwriter kills over Cassandra");
    settle(load, &mut fleet, &cassandra, &what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_at_every_named_point_loses_nothing() {
    let work = WorkFolder::of("long_kills_points").unwrap();
    let (mut fleet, cassandra) = fleet(&work).await;
    let load = Load::start_with_operator(&mut fleet, USERS_AT_ONCE)
        .await
        .unwrap();
    let mut not_reached = Vec::new();
    let points = fail_points::ALL.iter().filter(|point| **point != SLEEPER_BARRED);
    for point in points {
        fleet.kill(Tier::Dbwriter, 1).unwrap();
        arm(&mut fleet, 1, point);
        fleet.launch(Tier::Dbwriter, 1).unwrap();
        let died = load.goes_on(ENOUGH, || !fleet.is_running(Tier::Dbwriter, 1).unwrap_or(true));
        died.await.unwrap_or_else(|error| panic!("{point}: {error:#}"));
        if fleet.is_running(Tier::Dbwriter, 1).unwrap() {
            not_reached.push(*point);
            fleet.kill(Tier::Dbwriter, 1).unwrap();
        }
        fleet.add_to_configuration(Tier::Dbwriter, 1, "").unwrap();
        fleet
            .restart(Tier::Dbwriter, 1)
            .await
            .unwrap_or_else(|error| panic!("after {point}: {error:#}"));
    }
    let what = format!("a death at each of {} points", fail_points::ALL.len() - 1);
    settle(load, &mut fleet, &cassandra, &what).await;
    assert!(not_reached.is_empty(), "nobody came past {not_reached:?}");
}

/// A sign-up of which nothing but the claim is left is waited for; then the next one takes over, and may die at that, too.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_whose_sign_up_died_is_had_by_the_next_one() {
    let work = WorkFolder::of("long_kills_sleeper").unwrap();
    let (mut fleet, cassandra) = fleet(&work).await;
    // Were there another writer, it would be asked the same, and finish what the first one began.
    for number in [1, 2] {
        fleet.kill(Tier::Dbwriter, number).unwrap();
    }
    arm(&mut fleet, 1, "create.claimed");
    fleet.restart(Tier::Dbwriter, 1).await.unwrap();
    let email = format!("{}@example.test", &unique_hex()[..20]);
    let sign_up =
        async |server: &Server, auth_pw: &str| Person::sign_up(server, &email, auth_pw).await.unwrap();
    let refused = sign_up(&fleet.server, &unique_hex())
        .await
        .err()
        .expect("it died");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!fleet.is_running(Tier::Dbwriter, 1).unwrap());
    arm(&mut fleet, 1, SLEEPER_BARRED);
    fleet.launch(Tier::Dbwriter, 1).unwrap();
    wait_until("the death at the point", || {
        let died = !fleet.is_running(Tier::Dbwriter, 1).unwrap_or(true);
        let server = fleet.server.clone();
        let email = email.clone();
        async move {
            if !died {
                let early = Person::sign_up(&server, &email, &unique_hex()).await.unwrap();
                let refused = early.err().expect("nobody can have it yet");
                assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
            }
            died
        }
    })
    .await
    .unwrap();
    for number in [1, 2] {
        fleet.add_to_configuration(Tier::Dbwriter, number, "").unwrap();
        fleet.launch(Tier::Dbwriter, number).unwrap();
    }
    let auth_pw = unique_hex();
    wait_until("the address to be had", || async {
        sign_up(&fleet.server, &auth_pw).await.is_ok()
    })
    .await
    .unwrap();
    // The other webhead may still leave the writers alone, which it has seen dead.
    wait_until("a sign-in", || async {
        match Person::sign_in(&fleet.server, &email, &auth_pw).await.unwrap() {
            Ok(_) => true,
            Err(answer) => {
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
                false
            }
        }
    })
    .await
    .unwrap();
    cassandra
        .audit_when_settled(&mut fleet)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
}
