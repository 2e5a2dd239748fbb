//! A dbwriter of two is killed without warning, fifty times, under sign-ups, logins and exchanges; then a keysigner and a
//! webhead. What was acknowledged must be there, what was not must be whole or not there, and a tier that is away is
//! "come back later", never "you are signed out".

use foxhold_testkit::{
    fleet::{Fleet, Load, Shape, Store, Tier},
    person::{Person, exchange, unique_hex},
    report::report,
    wait::wait_until,
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};

const KILLS: usize = 50;
const USERS_AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_dbwriters_are_killed() {
    let work = WorkFolder::of("kills_fleet").unwrap();
    let shape = Shape {
        webheads: 2,
        keysigners: 1,
        dbwriters: 2,
        store: Store::Sqlite,
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let load = Load::start_with_operator(&mut fleet, USERS_AT_ONCE)
        .await
        .unwrap();
    load.under_kills(&mut fleet, KILLS).await.unwrap();
    let ledger = load
        .end()
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    let told = ledger.summary();
    let acknowledged = ledger.acknowledged();
    ledger
        .settle(&fleet.server)
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
    assert!(
        acknowledged > KILLS * 3,
        "too little load to show anything: {acknowledged}"
    );
    report(&format!("{KILLS} dbwriter kills, {told}; nothing lost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_that_is_away_is_busy_and_what_needs_it_not_goes_on() {
    let work = WorkFolder::of("tiers_away").unwrap();
    let mut fleet = Fleet::start(
        work.path(),
        Shape {
            webheads: 1,
            keysigners: 1,
            dbwriters: 1,
            store: Store::Sqlite,
        },
    )
    .await
    .unwrap();
    let server = fleet.server.clone();
    let email = format!("{}@example.test", &unique_hex()[..20]);
    let person = Person::sign_up(&server, &email, &unique_hex())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        person.verify(&server, fleet.mailbox).await.unwrap().status,
        StatusCode::OK
    );
    let key_id = person.key_id(&server).await.unwrap().unwrap();
    let token = person.access_token(&server).await.unwrap().unwrap();
    assert_eq!(
        exchange(&server, &token, &key_id).await.unwrap().status,
        StatusCode::OK
    );

    // Without a writer: reads, signing and the node token of a user who has one go on; writes are refused for now.
    fleet.kill(Tier::Dbwriter, 1).unwrap();
    let status = server
        .signed(Method::GET, "/v1/session/status", &person.session, None)
        .await
        .unwrap();
    assert_eq!(status.status, StatusCode::OK);
    let token = person.access_token(&server).await.unwrap().unwrap();
    assert_eq!(
        exchange(&server, &token, &key_id).await.unwrap().status,
        StatusCode::OK
    );
    let refused = Person::sign_in(&server, &email, &person.auth_pw)
        .await
        .unwrap()
        .err()
        .expect("a sign-in cannot be kept");
    assert_busy(&refused, Some(201));
    fleet.restart(Tier::Dbwriter, 1).await.unwrap();
    // The webhead leaves an instance alone for a while after it failed; then it tries again by itself.
    wait_until("the writer to be used again", || async {
        matches!(Person::sign_in(&server, &email, &person.auth_pw).await, Ok(Ok(_)))
    })
    .await
    .unwrap();

    // Without a signer: sessions go on; what needs a signature is refused for now, and never as "bad credentials".
    fleet.kill(Tier::Keysigner, 1).unwrap();
    let status = server
        .signed(Method::GET, "/v1/session/status", &person.session, None)
        .await
        .unwrap();
    assert_eq!(status.status, StatusCode::OK);
    assert!(
        Person::sign_in(&server, &email, &person.auth_pw)
            .await
            .unwrap()
            .is_ok()
    );
    assert_busy(
        &person.access_token(&server).await.unwrap().unwrap_err(),
        Some(201),
    );
    assert_busy(&exchange(&server, &token, &key_id).await.unwrap(), None);
    fleet.restart(Tier::Keysigner, 1).await.unwrap();
    wait_until("the signer to be used again", || async {
        matches!(exchange(&server, &token, &key_id).await, Ok(answer) if answer.status == StatusCode::OK)
    })
    .await
    .unwrap();
}

fn assert_busy(answer: &foxhold_testkit::http::Answer, errno: Option<u64>) {
    let body = answer.json().expect("the answer is JSON");
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    assert!(!answer.header("retry-after").is_empty(), "no Retry-After: {body}");
    assert_eq!(body["errno"].as_u64(), errno, "{body}");
}
