//! A store with one service, and an admin API before it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use foxhold_accounts::CodeKey;
use foxhold_core::{Deadline, Secret, SecretText, Timestamp};
use foxhold_openapi::Described;
use foxhold_ops::{
    Access, AccountPorts, InvitationMailing, InvitationPorts, OpsLimits, OpsPorts, router,
    wire::{Code, Problem},
};
use foxhold_ports::{
    Cause, NodeTokenMinter, Stretcher,
    memory::{ManualClock, MemoryStore, SeededRandom},
    operator::Narrowed,
    signer::{NodeToken, NodeTokenOrder, SignError},
    stretcher::StretchError,
};
use foxhold_runtime::{Shutdown, UnderWay, http_edge::PeerCertificate};
use foxhold_sync::jobs::{CallFailure, NodeCalls, purge::ByUid};
use http_body_util::BodyExt as _;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// The tests' service, and how a path to it begins.
pub(crate) const SERVICE: &str = "sync-1.5";
pub(crate) const ACCOUNTS: &str = "/admin/v1/accounts";
pub(crate) const AT: &str = "/admin/v1/services/sync-1.5";
/// What the keys of the accounts' users end in.
pub(crate) const DOMAIN: &str = "example.test";
/// Root of the pages.
pub(crate) const ROOT: &str = "https://accounts.example.test";
/// What codes are hashed and mails sealed with.
pub(crate) const CODE_KEY: [u8; 32] = [7; 32];
/// Three in the morning of 15 January 2027.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_799_982_000);

/// Erases everything, and remembers where.
#[derive(Default)]
pub(crate) struct Nodes {
    pub(crate) erased: Mutex<Vec<String>>,
    /// After so many the store is away.
    pub(crate) last: Mutex<Option<(usize, Arc<MemoryStore>)>>,
}

#[async_trait]
impl NodeCalls for Nodes {
    async fn delete_user_data(&self, _: Deadline, endpoint: &str, _: &NodeToken) -> Result<(), CallFailure> {
        if endpoint.contains("broken") {
            return Err(CallFailure::Http5xx);
        }
        let mut erased = self.erased.lock().unwrap();
        erased.push(endpoint.to_owned());
        if let Some((last, store)) = &*self.last.lock().unwrap()
            && erased.len() == *last
        {
            store.set_outage(Some(Cause::Unavailable));
        }
        Ok(())
    }

    async fn is_alive(&self, _: Deadline, _: &str) -> bool {
        true
    }
}

struct Minter;

#[async_trait]
impl NodeTokenMinter for Minter {
    async fn mint_node_token(&self, _: Deadline, _: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        Ok(NodeToken {
            token: SecretText::new("token".to_owned()),
            key: SecretText::new("key".to_owned()),
        })
    }
}

struct NoStretching;

#[async_trait]
impl Stretcher for NoStretching {
    async fn stretch(
        &self,
        _: Deadline,
        auth_pw: Secret<32>,
        _: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        Ok(auth_pw)
    }
}

pub(crate) struct Scene {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) nodes: Arc<Nodes>,
    /// Whose requests these are.
    pub(crate) certificate: Option<PeerCertificate>,
    /// What the process waits for before it ends.
    pub(crate) under_way: UnderWay,
    pub(crate) router: Router,
}

/// With all the time in the world.
pub(crate) fn limits() -> OpsLimits {
    OpsLimits {
        budget: Duration::from_secs(600),
        page_max: Duration::from_secs(600),
        ..OpsLimits::default()
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) request_id: String,
    pub(crate) retry_after: bool,
    pub(crate) body: Value,
}

impl Answer {
    /// What it says, if it went well.
    pub(crate) fn of<T: DeserializeOwned>(self) -> T {
        assert_eq!(
            (self.status, self.content_type.as_str()),
            (200, "application/json"),
            "{}",
            self.body
        );
        serde_json::from_value(self.body).unwrap()
    }

    /// The problem, if it went wrong; its form is checked.
    pub(crate) fn problem(self) -> Problem {
        assert_eq!(self.content_type, "application/problem+json", "{}", self.body);
        let problem: Problem = serde_json::from_value(self.body).unwrap();
        assert_eq!(
            (problem.status, problem.code.status()),
            (self.status, self.status),
            "{problem:?}"
        );
        assert_eq!(problem.request_id, self.request_id);
        assert!(!problem.title.is_empty() && !problem.detail.is_empty() && problem.kind == "about:blank");
        assert_eq!(self.retry_after, self.status == 503);
        problem
    }

    pub(crate) fn code(self) -> Code {
        self.problem().code
    }
}

impl Scene {
    pub(crate) fn bare() -> Self {
        Self::before(Access::Local, limits())
    }

    pub(crate) fn before(access: Access, limits: OpsLimits) -> Self {
        Self::mailing(access, limits, |store| {
            InvitationMailing::Outbox(Arc::clone(store) as _)
        })
    }

    /// With another way of mailing invitations.
    pub(crate) fn mailing(
        access: Access,
        limits: OpsLimits,
        mailing: impl FnOnce(&Arc<MemoryStore>) -> InvitationMailing,
    ) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::new(NOW));
        let nodes = Arc::new(Nodes::default());
        let under_way = UnderWay::lasting(Duration::from_secs(3600));
        let ports = OpsPorts {
            reader: Arc::clone(&store) as _,
            writer: Arc::clone(&store) as _,
            admin: Arc::clone(&store) as _,
            registry: Arc::clone(&store) as _,
            clients: Arc::clone(&store) as _,
            minter: Arc::new(Minter),
            node_calls: Arc::clone(&nodes) as _,
            clock: Arc::clone(&clock) as _,
            random: Arc::new(SeededRandom::new(1)),
            metrics_key: Arc::new(SecretText::new("super-sekrit".to_owned())),
            accounts: Some(AccountPorts {
                reader: Arc::clone(&store) as _,
                directory: Arc::clone(&store) as _,
                writer: Arc::new(Narrowed::new(
                    Arc::clone(&store) as _,
                    Arc::clone(&clock) as _,
                    Arc::new(SeededRandom::new(2)),
                )),
                admin: Arc::clone(&store) as _,
                stretcher: Arc::new(NoStretching),
                code_key: CodeKey::new(Secret::new(CODE_KEY)),
                domain: DOMAIN.to_owned(),
                root: ROOT.to_owned(),
                region: None,
            }),
            invitations: Some(InvitationPorts {
                reader: Arc::clone(&store) as _,
                writer: Arc::clone(&store) as _,
                code_key: Arc::new(Secret::new(CODE_KEY)),
                root: ROOT.to_owned(),
                mailing: mailing(&store),
            }),
            by_uid: ByUid::All,
            limits,
            shutdown: Shutdown::new(),
            under_way: under_way.clone(),
        };
        Self {
            router: router(ports, access),
            certificate: None,
            under_way,
            store,
            clock,
            nodes,
        }
    }

    /// The second looks at deleted users come now.
    pub(crate) async fn second_looks(&self) {
        self.under_way.ended().await;
    }

    /// With the service, and nodes of ten users each.
    pub(crate) async fn with_nodes(urls: &[&str]) -> Self {
        Self::bare().and_nodes(urls).await
    }

    /// With the service, and nodes of ten users each.
    pub(crate) async fn and_nodes(self, urls: &[&str]) -> Self {
        let scene = self;
        let answer = scene.put(AT, &settings()).await;
        assert_eq!(answer.body["outcome"], "created");
        for url in urls {
            let node = json!({"url": url, "capacity": 10, "available": 10});
            assert_eq!(scene.post(&format!("{AT}/nodes"), &node).await.status, 200);
        }
        scene
    }

    /// Gives users records on a node.
    pub(crate) async fn place(&self, users: &[&str], node: &str) {
        for user in users {
            let answer = self.post(&user_path(user, "place"), &json!({"node": node})).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        let request = axum::http::Request::builder().method(method).uri(path);
        let request = match body {
            Some((media, body)) => request.header("content-type", media).body(Body::from(body)),
            None => request.body(Body::empty()),
        };
        let mut request = request.unwrap();
        if let Some(certificate) = &self.certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let header = |name: &str| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let (content_type, request_id) = (header("content-type"), header("x-request-id"));
        let retry_after = header("retry-after").is_some();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let media = content_type.as_deref().unwrap_or_default();
        Described::open("admin.json")
            .check((method, path), status, media, &bytes)
            .unwrap();
        Answer {
            status,
            content_type: content_type.unwrap_or_default(),
            request_id: request_id.unwrap_or_default(),
            retry_after,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    async fn with_body(&self, method: &str, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_vec(body).unwrap();
        self.ask(method, path, Some(("application/json", body))).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None).await
    }

    pub(crate) async fn put(&self, path: &str, body: &impl Serialize) -> Answer {
        self.with_body("PUT", path, body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &impl Serialize) -> Answer {
        self.with_body("PATCH", path, body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> Answer {
        self.with_body("POST", path, body).await
    }
}

/// Percent-encoded as far as tests' URLs and users need it.
pub(crate) fn encoded(segment: &str) -> String {
    segment
        .replace(':', "%3A")
        .replace('/', "%2F")
        .replace('@', "%40")
}

pub(crate) fn node_path(url: &str) -> String {
    format!("{AT}/nodes/{}", encoded(url))
}

pub(crate) fn user_path(user: &str, what: &str) -> String {
    format!("{AT}/users/{}/{what}", encoded(user))
}

pub(crate) fn settings() -> Value {
    json!({
        "pattern": "{node}/1.5/{uid}",
        "scope": "https://identity.mozilla.com/apps/oldsync",
        "token_lifetime_secs": 3600,
        "uid_ceiling": 1000,
        "schemes": ["oauth"],
        "allowed_issuers": [],
        "trusted_issuers": [],
        "allowed_email_domains": [],
        "admission": "everyone",
        "conditions": {},
        "auth_max_age_secs": null,
        "allocation": {"pinned_to": null, "pools": [], "closed_pools": []},
    })
}

const SALT: &str = "identity.mozilla.com/picl/v1/quickStretchV2:000102030405060708090a0b0c0d0e0f";

/// What the tool sends for a new account.
pub(crate) fn new_account(email: &str) -> Value {
    let hex = |byte: &str| byte.repeat(32);
    json!({
        "email": email, "auth_pw": hex("01"), "wrap_kb": hex("02"), "auth_pw_version2": hex("03"),
        "wrap_kb_version2": hex("04"), "client_salt": SALT, "verified": true,
    })
}
