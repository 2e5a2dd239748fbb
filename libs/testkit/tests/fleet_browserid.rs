//! BrowserID through a fleet's processes: a test issuer's user gets a token that the sync node takes, and an issuer that is
//! away is "come back later".

use std::net::SocketAddr;

use foxhold_testkit::{
    fleet::{Fleet, Shape, Store, Tier},
    http::{self, Answer},
    issuer::{Claim, Issuer},
    person::{Server, storage, unique_hex},
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};

/// The issuer that the fleets of the test bench allow.
const DOMAIN: &str = "issuer.test";

async fn present(server: &Server, bundle: &str) -> Answer {
    let authorization = format!("BrowserID {bundle}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-client-state", "0123456789abcdef0123456789abcdef"),
    ];
    let address: SocketAddr = server.address;
    http::send(address, &Method::GET, "/1.0/sync/1.5", &headers, "")
        .await
        .expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_leads_to_the_node() {
    let work = WorkFolder::of("fleet_browserid").unwrap();
    let shape = Shape {
        webheads: 1,
        keysigners: 1,
        dbwriters: 1,
        store: Store::Sqlite,
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let issuer = Issuer::start(DOMAIN).await.unwrap();
    let configuration = issuer.configuration();
    fleet
        .add_to_configuration(Tier::Webhead, 1, &configuration)
        .unwrap();
    fleet.kill(Tier::Webhead, 1).unwrap();
    fleet.restart(Tier::Webhead, 1).await.unwrap();

    let mut claim = Claim {
        uid: unique_hex(),
        changed_at: 1_700_000_000_000,
        audience: fleet.server.root.clone(),
    };
    let bundle = issuer.bundle(&claim).unwrap();
    let answer = present(&fleet.server, &bundle).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}\n{}", fleet.logs());
    let token = answer.json().unwrap();
    let listed = storage(&fleet.node, &token, Method::GET, "/info/collections", "").await;
    assert_eq!(listed.unwrap().status, StatusCode::OK);
    let again = present(&fleet.server, &bundle).await.json().unwrap();
    assert_eq!(again["uid"], token["uid"]);

    // The certificate goes on being good while its issuer is away; one of an issuer that was never asked is in doubt.
    issuer.stop();
    assert_eq!(present(&fleet.server, &bundle).await.status, StatusCode::OK);
    fleet.kill(Tier::Webhead, 1).unwrap();
    fleet.restart(Tier::Webhead, 1).await.unwrap();
    let unknown = present(&fleet.server, &bundle).await;
    assert_eq!(unknown.status, StatusCode::SERVICE_UNAVAILABLE, "{unknown:?}");
    assert_eq!(
        unknown.json().unwrap()["errors"][0]["description"],
        "Resource is not available"
    );

    // What is wrong in itself is refused all the same.
    claim.audience = "https://other.example".to_owned();
    let refused = present(&fleet.server, &issuer.bundle(&claim).unwrap()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json().unwrap()["status"], "invalid-credentials");
}
