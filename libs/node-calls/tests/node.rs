//! Calls of a small node that checks who asks as any node written in Rust would, and of nodes that are broken.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{OriginalUri, State},
    http::{HeaderMap, Method, StatusCode},
    response::{IntoResponse, Response},
};
use foxhold_core::{Clock, Deadline, SecretText, ServiceUid, Timestamp};
use foxhold_crypto::{
    node_secret::{NodeSecret, NodeSecrets},
    node_token::{self, NodeTokenClaims},
};
use foxhold_node_auth::{NodeAuth, NodeName, SignedRequest};
use foxhold_node_calls::{HttpNodeCalls, signed_delete};
use foxhold_outbound::Outbound;
use foxhold_ports::{
    memory::{ManualClock, SeededRandom},
    signer::NodeToken,
};
use foxhold_sync::jobs::{CallFailure, NodeCalls as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket},
};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);
const UID: u64 = 42;

struct Node {
    auth: NodeAuth,
    /// How the next request that is let in is answered.
    status: Mutex<u16>,
    erased: Mutex<Vec<u64>>,
}

/// Keeps nothing; what it is asked to erase is remembered.
async fn serve(
    State(node): State<Arc<Node>>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    if uri.path() == "/__lbheartbeat__" {
        return StatusCode::from_u16(*node.status.lock().unwrap())
            .unwrap()
            .into_response();
    }
    let uid = uri.path().rsplit('/').next().and_then(|uid| uid.parse().ok());
    let request = SignedRequest {
        method: method.as_str(),
        path_and_query: uri.path_and_query().unwrap().as_str(),
        authorization: headers.get("authorization").map(|value| value.as_bytes()),
        host: None,
        uid: uid.unwrap_or_default(),
        serves_expired: false,
    };
    match node.auth.check(&request, NOW) {
        Err(failure) => (StatusCode::UNAUTHORIZED, failure.label()).into_response(),
        Ok(user) if method == Method::DELETE => {
            node.erased.lock().unwrap().push(user.uid.get());
            StatusCode::from_u16(*node.status.lock().unwrap())
                .unwrap()
                .into_response()
        }
        Ok(_) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn secret(text: &str) -> NodeSecret {
    NodeSecret::new(SecretText::new(text.into()))
}

/// A node on loopback, and its URL.
async fn start(path: &str) -> (Arc<Node>, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    let secrets = NodeSecrets::new(vec![secret("of before"), secret("of today")]).unwrap();
    let node = Arc::new(Node {
        auth: NodeAuth::new(vec![NodeName::parse(&url).unwrap()], secrets),
        status: Mutex::new(200),
        erased: Mutex::default(),
    });
    let router = Router::new().fallback(serve).with_state(Arc::clone(&node));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (node, url)
}

fn token(node: &str, secret_text: &str, uid: u64) -> NodeToken {
    let claims = NodeTokenClaims {
        node: node.to_owned(),
        fxa_kid: "0000000001234-qqo".into(),
        fxa_uid: "a1b2".into(),
        hashed_device_id: "0".repeat(32),
        hashed_fxa_uid: "0".repeat(32),
        expires_secs: NOW.as_secs() + 300,
        uid: ServiceUid::new(uid).unwrap(),
        salt: [1, 2, 3],
    };
    let minted = node_token::mint(&claims, &secret(secret_text));
    NodeToken {
        token: SecretText::new(minted.token),
        key: minted.key,
    }
}

fn calls() -> HttpNodeCalls {
    let clock = Arc::new(ManualClock::new(NOW));
    HttpNodeCalls::new(Arc::new(Outbound::new()), clock, Arc::new(SeededRandom::new(1)))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

#[tokio::test]
async fn a_node_lets_the_erasure_in() {
    for path in ["", "/storage"] {
        let (node, url) = start(path).await;
        let endpoint = format!("{url}/1.5/{UID}");
        let calls = calls();
        let done = calls
            .delete_user_data(soon(), &endpoint, &token(&url, "of today", UID))
            .await;
        assert_eq!(done, Ok(()));
        assert_eq!(*node.erased.lock().unwrap(), [UID]);
    }
}

#[tokio::test]
async fn a_node_lets_nothing_else_in() {
    let (node, url) = start("").await;
    let calls = calls();
    for (name, token, uid) in [
        ("another secret", token(&url, "of another", UID), UID),
        (
            "another node",
            token("https://other.example", "of today", UID),
            UID,
        ),
        ("another user", token(&url, "of today", UID), 43),
    ] {
        let endpoint = format!("{url}/1.5/{uid}");
        let done = calls.delete_user_data(soon(), &endpoint, &token).await;
        assert_eq!(done, Err(CallFailure::Http4xx), "{name}");
    }
    assert!(node.erased.lock().unwrap().is_empty());
}

#[tokio::test]
async fn answers_are_told_apart() {
    let (node, url) = start("").await;
    let (endpoint, calls) = (format!("{url}/1.5/{UID}"), calls());
    for (status, deleted, alive) in [
        (204, Ok(()), true),
        (404, Ok(()), true),
        (403, Err(CallFailure::Http4xx), true),
        (429, Err(CallFailure::Http4xx), true),
        (500, Err(CallFailure::Http5xx), false),
        (503, Err(CallFailure::Http5xx), false),
        (307, Err(CallFailure::Unknown), true),
    ] {
        *node.status.lock().unwrap() = status;
        let token = token(&url, "of today", UID);
        let done = calls.delete_user_data(soon(), &endpoint, &token).await;
        assert_eq!(done, deleted, "{status}");
        assert_eq!(calls.is_alive(soon(), &url).await, alive, "{status}");
    }
}

/// Takes what comes and answers with these bytes, or, without any, never.
async fn broken(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let Ok(1..) = stream.read(&mut asked).await else {
                continue;
            };
            stream.write_all(answer).await.ok();
            if answer.is_empty() {
                open.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn failures_are_told_apart() {
    // Held, so that nobody else of this process comes to listen there.
    let held = TcpSocket::new_v4().unwrap();
    held.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let nobody = held.local_addr().unwrap();
    let (silent, mad) = (broken(b"").await, broken(b"220 mail.example ESMTP\r\n\r\n").await);
    let calls = calls();
    for (name, endpoint, by, expected) in [
        (
            "silent",
            format!("http://{silent}/1.5/1"),
            Deadline::after(Duration::from_millis(50)),
            CallFailure::Timeout,
        ),
        (
            "nobody there",
            format!("http://{nobody}/1.5/1"),
            soon(),
            CallFailure::Connect,
        ),
        (
            "another protocol",
            format!("http://{mad}/1.5/1"),
            soon(),
            CallFailure::Unknown,
        ),
        (
            "no address",
            "sync/1.5/1".to_owned(),
            soon(),
            CallFailure::Unknown,
        ),
    ] {
        let token = token("https://node.example", "of today", 1);
        let done = calls.delete_user_data(by, &endpoint, &token).await;
        assert_eq!(done, Err(expected), "{name}");
    }
    let short = Deadline::after(Duration::from_millis(50));
    assert!(!calls.is_alive(short, &format!("http://{silent}")).await);
    assert!(!calls.is_alive(soon(), &format!("http://{nobody}")).await);
    assert!(!calls.is_alive(soon(), "nowhere").await);
}

#[test]
fn no_two_requests_are_the_same_and_none_shows_its_secret() {
    let (clock, random) = (ManualClock::new(NOW), SeededRandom::new(1));
    let sign = || {
        let token = token("https://node.example", "of today", 1);
        signed_delete("https://node.example/1.5/1", &token, &clock, &random).unwrap()
    };
    let (one, other) = (sign(), sign());
    assert_eq!(one.path, "/1.5/1");
    assert_ne!(one.authorization, other.authorization);
    assert!(!format!("{one:?}").contains("mac="), "{one:?}");
    assert_eq!(clock.now(), NOW);
}
