//! Tiers as processes in two regions over one keyspace: who signs up in one is known in the other, tokens bear the mark of
//! where they were issued and are spent once wherever they are shown, and a user has one node.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use foxhold_testkit::{
    cassandra::{Cluster, Layout, Options},
    fleet::{Cassandra, Fleet, Load, Shape, Store},
    person::{Person, Server, exchange, unique_hex},
    report::report,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};

const USERS_AT_ONCE: usize = 2;
/// Answers acknowledged by both regions together.
const ENOUGH: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn two_regions_are_one_service() {
    let work = WorkFolder::of("long_fleet_regions").unwrap();
    let layout = Layout::of(&[1, 1]).unwrap();
    let cluster = Cluster::start(&work.path().join("cluster"), layout, Options::default())
        .await
        .unwrap();
    let cassandra = Cassandra::on(&cluster);
    let shape = Shape {
        webheads: 2,
        keysigners: 2,
        dbwriters: 2,
        store: Store::Cassandra(cassandra.clone()),
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let mut uids = Vec::new();
    for (mark, [here, there]) in [[0, 1], [1, 0]].into_iter().enumerate() {
        let (here, there) = (&fleet.servers[here], &fleet.servers[there]);
        let mark = u8::try_from(mark).unwrap();
        uids.push(goes_between(&fleet, here, there, mark).await);
    }
    assert_ne!(uids[0], uids[1]);
    let load = Load::start_with_operator(&mut fleet, USERS_AT_ONCE)
        .await
        .unwrap();
    load.goes_on(ENOUGH, || false).await.unwrap();
    let figures = load
        .settle(&mut fleet, &cassandra)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    report(&format!("two regions, {figures}"));
}

/// Somebody signs up `here` and goes on `there`; returns the uid at the node.
async fn goes_between(fleet: &Fleet, here: &Server, there: &Server, mark: u8) -> u64 {
    let email = format!("{}@example.test", &unique_hex()[..20]);
    let entered = Person::sign_up(here, &email, &unique_hex()).await.unwrap();
    let person = entered.unwrap_or_else(|answer| panic!("{answer:?}\n{}", fleet.logs()));
    for token in [&person.session, &person.key_fetch] {
        assert_eq!(token.id.as_bytes()[0] >> 4, mark);
    }
    let verified = person.verify(there, fleet.mailbox).await.unwrap();
    assert_eq!(verified.status, StatusCode::OK);
    let keys = async |server: &Server| {
        let answer = server
            .signed(Method::GET, "/v1/account/keys", &person.key_fetch, None)
            .await;
        answer.unwrap().status
    };
    assert_eq!(keys(there).await, StatusCode::OK, "spent in the other region");
    assert_eq!(
        keys(here).await,
        StatusCode::UNAUTHORIZED,
        "and so spent in its own"
    );
    let elsewhere = Person::sign_in(there, &email, &person.auth_pw)
        .await
        .unwrap()
        .unwrap();
    let ids = [
        node_uid(fleet, here, &person).await,
        node_uid(fleet, there, &person).await,
        node_uid(fleet, here, &elsewhere).await,
    ];
    assert_eq!(ids, [ids[0]; 3]);
    ids[0]
}

async fn node_uid(fleet: &Fleet, server: &Server, person: &Person) -> u64 {
    let key_id = person.key_id(server).await.unwrap().unwrap();
    let token = person.access_token(server).await.unwrap().unwrap();
    let answer = exchange(server, &token, &key_id).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}\n{}", fleet.logs());
    answer.json().unwrap()["uid"].as_u64().unwrap()
}
