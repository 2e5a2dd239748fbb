//! An accounts server for tests, over plain HTTP on loopback: it answers what it is told to answer, and remembers what it
//! was asked.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::ForeignOauthSettings;
use crate::key_set::signing::{KID, UID, jwk};

/// Second half of its users' keys.
pub(crate) const DOMAIN: &str = "accounts.elsewhere.example";
/// Where its key set is.
pub(crate) const JWKS: &str = "/v1/jwks";
/// Where it is asked about tokens.
pub(crate) const VERIFY: &str = "/v1/verify";
/// A key of nobody (RFC 7638 section 3.1).
const OTHER_N: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

/// The server, until the test ends.
pub(crate) struct AccountsServer {
    address: SocketAddr,
    desk: Arc<Desk>,
    serving: JoinHandle<()>,
}

struct Desk {
    answers: Mutex<HashMap<String, (u16, String)>>,
    asked: watch::Sender<Vec<Asked>>,
    is_held: watch::Sender<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    /// Method and path.
    call: String,
    body: String,
}

impl AccountsServer {
    /// Publishes the test key, and refuses all tokens it is asked about.
    pub(crate) async fn start() -> Self {
        // Each at an address of its own: when it has stopped, nobody else of this process listens there.
        static COUNT: AtomicU16 = AtomicU16::new(1);
        let [high, low] = COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let listener = TcpListener::bind((Ipv4Addr::new(127, 80, high, low), 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let desk = Arc::new(Desk {
            answers: Mutex::default(),
            asked: watch::Sender::default(),
            is_held: watch::Sender::default(),
        });
        let router = Router::new().fallback(answer).with_state(desk.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let server = Self {
            address,
            desk,
            serving,
        };
        server.publish(&[jwk(KID)]);
        server.answer(VERIFY, 400, r#"{"code":400,"errno":108}"#);
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What a webhead has to be told.
    pub(crate) fn settings(&self) -> ForeignOauthSettings {
        ForeignOauthSettings {
            server_url: self.url("/v1"),
            domain: Some(DOMAIN.to_owned()),
            issuer: None,
            key_files: Vec::new(),
            verify_remotely: true,
            verifying_max: 64,
        }
    }

    pub(crate) fn answer(&self, path: &str, status: u16, body: impl Into<String>) {
        let mut answers = self.desk.answers.lock().unwrap();
        answers.insert(path.to_owned(), (status, body.into()));
    }

    pub(crate) fn publish(&self, keys: &[Value]) {
        self.answer(JWKS, 200, json!({"keys": keys}).to_string());
    }

    /// Nobody is there any more.
    pub(crate) async fn stop(&mut self) {
        self.serving.abort();
        (&mut self.serving).await.unwrap_err();
    }

    /// Keeps all answers back, or gives them.
    pub(crate) fn hold(&self, is_held: bool) {
        self.desk.is_held.send_replace(is_held);
    }

    /// Waits for questions.
    pub(crate) async fn until_asked(&self) {
        let mut asked = self.desk.asked.subscribe();
        asked.wait_for(|asked| !asked.is_empty()).await.unwrap();
    }

    /// The bodies of all `call`s since the last look at anything.
    pub(crate) fn asked(&self, call: &str) -> Vec<String> {
        let all = self.desk.asked.send_replace(Vec::new());
        let of_call = all.into_iter().filter(|asked| asked.call == call);
        of_call.map(|asked| asked.body).collect()
    }
}

/// A key that has signed nothing.
pub(crate) fn other_jwk(kid: &str) -> Value {
    json!({"kty": "RSA", "alg": "RS256", "kid": kid, "n": OTHER_N, "e": "AQAB"})
}

/// What the server says of a token that it takes.
pub(crate) fn verdict() -> Value {
    json!({
        "user": UID,
        "client_id": "5882386c6d801776",
        "scope": ["profile", "https://identity.mozilla.com/apps/oldsync"],
        "generation": 1234,
        "profile_changed_at": 1234,
        "issuer": DOMAIN,
    })
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let asked = Asked {
        call: format!("{} {}", head.method, head.uri.path()),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    desk.asked.send_modify(|all| all.push(asked));
    let mut is_held = desk.is_held.subscribe();
    is_held.wait_for(|is_held| !is_held).await.unwrap();
    let known = desk.answers.lock().unwrap().get(head.uri.path()).cloned();
    let (status, body) = known.unwrap_or((404, String::new()));
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
