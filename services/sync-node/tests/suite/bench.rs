//! The bench of these tests: a node in a folder of its own, a clock that is set by hand, and clients that sign.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, body::Body};
use foxhold_core::{Clock, Random, SecretText, ServiceUid, Timestamp};
use foxhold_crypto::{
    hawk::{Credentials, Payload, Target, sign},
    node_secret::{NodeSecret, NodeSecrets},
    node_token::{NodeTokenClaims, mint},
};
use foxhold_node_auth::{NodeAuth, NodeName};
use foxhold_sync_node::{NodeSettings, SyncNode, standalone_router};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

pub const NODE_URL: &str = "https://sync-1.example.com";
pub const SECRET: &str = "a secret of the test bench";
/// 1510726400.09: the clock of the contract's examples.
pub const START: Timestamp = Timestamp::from_millis(1_510_726_400_090);
pub const UID: u64 = 42;

pub struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Counts up: no two draws are alike, every run is.
#[derive(Default)]
pub struct CountingRandom(AtomicU64);

impl Random for CountingRandom {
    fn fill(&self, dest: &mut [u8]) {
        for chunk in dest.chunks_mut(8) {
            let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

pub struct Bench {
    pub dir: TempDir,
    pub clock: Arc<TestClock>,
    pub random: Arc<CountingRandom>,
    node: Option<Arc<SyncNode>>,
    router: Router,
    url: &'static str,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut NodeSettings)) -> Self {
        Self::at(NODE_URL, change)
    }

    pub fn at(url: &'static str, change: impl FnOnce(&mut NodeSettings)) -> Self {
        let dir = TempDir::new().unwrap();
        let clock = Arc::new(TestClock(AtomicU64::new(START.as_millis())));
        let random = Arc::new(CountingRandom::default());
        let mut settings = NodeSettings {
            shards: 2,
            // The machine's disk is not what is tried here.
            disk_used_max_percent: 100,
            ..NodeSettings::new(dir.path())
        };
        change(&mut settings);
        let node = open(settings, url, &clock, &random);
        let router = standalone_router(Arc::clone(&node));
        Self {
            dir,
            clock,
            random,
            node: Some(node),
            router,
            url,
        }
    }

    /// Closes the node and opens it again over the files in `path`.
    pub fn reopen_at(&mut self, path: &Path) {
        self.close();
        let settings = NodeSettings {
            disk_used_max_percent: 100,
            ..NodeSettings::new(path)
        };
        let node = open(settings, self.url, &self.clock, &self.random);
        self.router = standalone_router(Arc::clone(&node));
        self.node = Some(node);
    }

    pub fn close(&mut self) {
        self.router = Router::new();
        self.node = None;
    }

    pub fn node(&self) -> &Arc<SyncNode> {
        self.node.as_ref().unwrap()
    }

    pub fn router(&self) -> Router {
        self.router.clone()
    }

    pub fn advance_ms(&self, ms: i64) {
        let now = self.clock.0.load(Ordering::Relaxed);
        self.clock
            .0
            .store(now.saturating_add_signed(ms), Ordering::Relaxed);
    }

    pub fn client(&self, uid: u64) -> Client {
        self.client_with(uid, SECRET, self.url, 300)
    }

    pub fn client_with(&self, uid: u64, secret: &str, node: &str, valid_secs: i64) -> Client {
        let claims = NodeTokenClaims {
            node: node.to_owned(),
            fxa_kid: "1510726317000-ASNFZ4mrze8BI0VniavN7w".into(),
            fxa_uid: "a1b2c3d4e5f60718293a4b5c6d7e8f90".into(),
            hashed_device_id: "1af774d3de55e6d70e950353f2df662f".into(),
            hashed_fxa_uid: "7274c705df1ec833444a175b1d34eb37".into(),
            expires_secs: self.clock.now().as_secs().saturating_add_signed(valid_secs),
            uid: ServiceUid::new(uid).unwrap(),
            salt: [1, 2, 3],
        };
        let token = mint(&claims, &NodeSecret::new(SecretText::new(secret.into())));
        Client {
            uid,
            token: Arc::new((token.token, token.key)),
            router: self.router.clone(),
            clock: Arc::clone(&self.clock),
            url: self.url,
        }
    }

    /// The usual client.
    pub fn user(&self) -> Client {
        self.client(UID)
    }
}

fn open(
    settings: NodeSettings,
    url: &str,
    clock: &Arc<TestClock>,
    random: &Arc<CountingRandom>,
) -> Arc<SyncNode> {
    let secrets = vec![NodeSecret::new(SecretText::new(SECRET.into()))];
    let auth = NodeAuth::new(
        vec![NodeName::parse(url).unwrap()],
        NodeSecrets::new(secrets).unwrap(),
    );
    let (clock, random) = (Arc::clone(clock), Arc::clone(random));
    Arc::new(SyncNode::open(settings, auth, clock, random).unwrap())
}

/// Signs requests for one user.
#[derive(Clone)]
pub struct Client {
    uid: u64,
    token: Arc<(String, SecretText)>,
    router: Router,
    clock: Arc<TestClock>,
    url: &'static str,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Client {
    /// A request for a path under `{node}/1.5/{uid}`.
    pub fn request(&self, method: &'static str, path: &str) -> Call {
        self.raw_request(method, &format!("/1.5/{}{path}", self.uid))
    }

    /// A request for any path under the node's URL.
    pub fn raw_request(&self, method: &'static str, path: &str) -> Call {
        Call {
            client: self.clone(),
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            signed: true,
            hash: None,
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    pub async fn put(&self, path: &str, body: &str) -> Answer {
        self.request("PUT", path).body(body).send().await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path).body(body).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }
}

pub struct Call {
    client: Client,
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    signed: bool,
    hash: Option<(String, Vec<u8>)>,
}

impl Call {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub fn unsigned(mut self) -> Self {
        self.signed = false;
        self
    }

    /// Signs a payload hash of this body, whatever is sent.
    pub fn hashed(mut self, content_type: &str, body: &str) -> Self {
        self.hash = Some((content_type.to_owned(), body.as_bytes().to_vec()));
        self
    }

    pub async fn send(self) -> Answer {
        let response = self.start().await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// Sends, and leaves the body of the answer unread.
    pub async fn start(self) -> http::Response<Body> {
        let target = Target::parse(&format!("{}{}", self.client.url, self.path)).unwrap();
        let mut request = Request::builder().method(self.method).uri(&target.path_and_query);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.signed {
            let (token, key) = &*self.client.token;
            let credentials = Credentials {
                id: token,
                key: key.expose().as_bytes(),
            };
            let payload = self
                .hash
                .as_ref()
                .map(|(content_type, body)| Payload { content_type, body });
            let ts = self.client.clock.now().as_secs();
            let header = sign(&credentials, &target.request(self.method), ts, "n0nce", payload);
            request = request.header("authorization", header);
        }
        self.client
            .router
            .oneshot(request.body(Body::from(self.body)).unwrap())
            .await
            .unwrap()
    }
}

impl Answer {
    /// A header as text; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// The answer, which must be a success in the form every success has.
    pub fn ok(self) -> Self {
        self.is(StatusCode::OK)
    }

    pub fn is(self, status: StatusCode) -> Self {
        assert_eq!(self.status, status.as_u16(), "{} {:?}", self.body, self.headers);
        assert!(!self.header("x-last-modified").is_empty(), "{:?}", self.headers);
        assert!(!self.header("x-weave-timestamp").is_empty());
        assert_eq!(self.header("retry-after"), "");
        if self.header("content-type") == "application/json" && !self.body.is_empty() {
            self.json();
        }
        self
    }

    /// The answer must be this refusal, in the form every refusal has.
    pub fn refused(self, status: u16, number: u8) -> Self {
        assert_eq!(
            (self.status, self.body.as_str()),
            (status, number.to_string().as_str())
        );
        assert_eq!(self.header("content-type"), "application/json");
        assert!(!self.header("x-weave-timestamp").is_empty());
        assert_eq!(self.header("retry-after").is_empty(), status != 503);
        assert_eq!(self.header("www-authenticate") == "Hawk", status == 401);
        assert_eq!(self.header("x-last-modified").is_empty(), status != 412);
        self
    }

    /// `X-Last-Modified` as the text it is.
    pub fn time(&self) -> &str {
        self.header("x-last-modified")
    }

    /// Ids of a list answer.
    pub fn ids(&self) -> Vec<String> {
        let list = self.json();
        let items = list.as_array().unwrap().iter();
        items
            .map(|item| item.as_str().or(item["id"].as_str()).unwrap().to_owned())
            .collect()
    }
}
