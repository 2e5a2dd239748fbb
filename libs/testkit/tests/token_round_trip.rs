//! All the way: a client of ours has an account of ours, or a certificate of an issuer, changes it for a token, and is let in by
//! a service node that is none of ours and knows nothing but its secret and `foxhold-node-auth`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::header::AUTHORIZATION,
    response::{IntoResponse as _, Response},
    routing::get,
};
use foxhold_core::{SecretText, Timestamp};
use foxhold_crypto::node_secret::{NodeSecret, NodeSecrets};
use foxhold_node_auth::{NodeAuth, NodeName, SignedRequest};
use foxhold_testkit::{
    fleet::{Fleet, Shape, Store, Tier},
    http::{self, Answer},
    issuer::{Claim, Issuer},
    person::{OLDSYNC, Person, Server, exchange, now_secs, storage, unique_hex},
    work_folder::{WorkFolder, write_private},
};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

/// The issuer that the service allows.
const DOMAIN: &str = "issuer.test";
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const CLIENT_STATE: &str = "0123456789abcdef0123456789abcdef";

/// A service node as anybody might write one.
struct Node {
    auth: NodeAuth,
}

impl Node {
    /// Serves on a free port until the test ends.
    async fn start() -> Server {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let root = format!("http://localhost:{}", address.port());
        let secrets =
            ["an older secret", SECRET].map(|text| NodeSecret::new(SecretText::new(text.to_owned())));
        let node = Self {
            auth: NodeAuth::new(
                vec![NodeName::parse(&root).unwrap()],
                NodeSecrets::new(secrets.into()).unwrap(),
            ),
        };
        let routes = Router::new()
            .route("/1.5/{uid}/{*rest}", get(who))
            .with_state(Arc::new(node));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Server { address, root }
    }
}

/// Tells users who they are.
async fn who(
    State(node): State<Arc<Node>>,
    Path((uid, _)): Path<(u64, String)>,
    request: Request,
) -> Response {
    let signed = SignedRequest {
        method: request.method().as_str(),
        path_and_query: request.uri().path(),
        authorization: request.headers().get(AUTHORIZATION).map(|value| value.as_bytes()),
        host: None,
        uid,
        serves_expired: false,
    };
    match node.auth.check(&signed, Timestamp::from_secs(now_secs())) {
        Ok(user) => Json(json!({
            "uid": user.uid.get(),
            "key_id": user.fxa_kid,
            "hashed_fxa_uid": user.hashed_fxa_uid,
        }))
        .into_response(),
        Err(failure) => (StatusCode::UNAUTHORIZED, failure.label()).into_response(),
    }
}

/// A fleet whose users go to `node`.
async fn start(work: &WorkFolder, node: &Server, issuer: &Issuer) -> Fleet {
    let secret = work.path().join("nodes.secret");
    write_private(&secret, SECRET).unwrap();
    let service = format!(
        "[[bootstrap.services]]\nkey = \"sync-1.5\"\npattern = \"{{node}}/1.5/{{uid}}\"\nscope = {OLDSYNC:?}\n\
         schemes = [\"oauth\", \"browserid\"]\nallowed_issuers = [{DOMAIN:?}]\n\
         [[bootstrap.nodes]]\nservice = \"sync-1.5\"\nurl = {:?}\ncapacity = 100\n",
        node.root
    );
    let keysigner = format!("[node_secrets]\nfixed_file = {secret:?}\n");
    let webhead = issuer.configuration();
    let shape = Shape {
        webheads: 1,
        keysigners: 1,
        dbwriters: 1,
        store: Store::Sqlite,
    };
    let more = [
        (Tier::Webhead, webhead.as_str()),
        (Tier::Keysigner, keysigner.as_str()),
        (Tier::Dbwriter, service.as_str()),
    ];
    Fleet::start_with(work.path(), shape, &more).await.unwrap()
}

/// The node lets the token's holder in, as who the token says, and nobody else.
async fn is_let_in(node: &Server, token: &Value, key_id: &str) {
    let ask = async |token: &Value| {
        storage(node, token, Method::GET, "/info/collections", "")
            .await
            .unwrap()
    };
    let answer = ask(token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let expected = json!({"uid": token["uid"], "key_id": key_id, "hashed_fxa_uid": token["hashed_fxa_uid"]});
    assert_eq!(answer.json().unwrap(), expected);
    type Change = fn(&mut Value);
    let table: [(&str, Change, &str); 3] = [
        ("another key", |token| token["key"] = json!("another"), "mac"),
        (
            "another user",
            |token| token["uid"] = json!(token["uid"].as_u64().unwrap() + 1),
            "uid",
        ),
        (
            "a changed token",
            |token| token["id"] = json!(format!("A{}", token["id"].as_str().unwrap())),
            "",
        ),
    ];
    for (name, change, expected) in table {
        let mut changed = token.clone();
        change(&mut changed);
        let refused = ask(&changed).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{name}");
        assert!(refused.body.ends_with(expected.as_bytes()), "{name}: {refused:?}");
    }
}

fn assert_endpoint(answer: Answer, node: &Server) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let token = answer.json().unwrap();
    let endpoint = format!("{}/1.5/{}", node.root, token["uid"]);
    assert_eq!(token["api_endpoint"], endpoint.as_str());
    token
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_or_a_certificate_leads_to_a_node_of_somebody_elses() {
    let work = WorkFolder::of("token_round_trip").unwrap();
    let (node, issuer) = (Node::start().await, Issuer::start(DOMAIN).await.unwrap());
    let fleet = start(&work, &node, &issuer).await;
    let server = &fleet.server;

    let email = format!("{}@example.test", &unique_hex()[..20]);
    let person = Person::sign_up(server, &email, &unique_hex())
        .await
        .unwrap()
        .ok()
        .unwrap();
    let verified = person.verify(server, fleet.mailbox).await.unwrap();
    assert_eq!(verified.status, StatusCode::OK);
    let key_id = person.key_id(server).await.unwrap().ok().unwrap();
    let access = person.access_token(server).await.unwrap().ok().unwrap();
    let of_account = assert_endpoint(exchange(server, &access, &key_id).await.unwrap(), &node);
    is_let_in(&node, &of_account, &key_id).await;

    let claim = Claim {
        uid: unique_hex(),
        changed_at: 1_700_000_000_000,
        audience: server.root.clone(),
    };
    let assertion = format!("BrowserID {}", issuer.bundle(&claim).unwrap());
    let headers = [
        ("authorization", assertion.as_str()),
        ("x-client-state", CLIENT_STATE),
    ];
    let address: SocketAddr = server.address;
    let answer = http::send(address, &Method::GET, "/1.0/sync/1.5", &headers, "")
        .await
        .unwrap();
    let of_assertion = assert_endpoint(answer, &node);
    is_let_in(&node, &of_assertion, "1700000000000-ASNFZ4mrze8BI0VniavN7w").await;

    // Each is somebody of their own.
    assert_ne!(of_account["uid"], of_assertion["uid"]);
    let swapped = json!({"id": of_account["id"], "key": of_assertion["key"], "uid": of_account["uid"]});
    let refused = storage(&node, &swapped, Method::GET, "/info/collections", "")
        .await
        .unwrap();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
}
