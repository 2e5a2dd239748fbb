//! A webhead over in-memory adapters, and a client that signs as Firefox does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use foxhold_accounts::{
    AccountEvent, AccountEvents, Accounts, CodeKey, Settings,
    mail::MailSwitches,
    oauth::{Clients, OpenIdPorts},
    registration::CurrentRegistration,
};
use foxhold_core::{ClientId, Clock, Deadline, RegionMark, Secret, SecretText, Timestamp, hex};
use foxhold_crypto::{
    access_token::NewAccessToken,
    hawk::{self, Credentials, Payload, Target},
    mac::sha256,
    token::{TokenKeys, TokenKind},
};
use foxhold_openapi::Described;
use foxhold_ports::{
    AccessTokenSigner, Cause, CertificateSigner, IdTokenSigner, Limits, Mailer, PublicKeySource, Stretcher,
    memory::{ManualClock, MemoryMailer, MemoryStore, NoLimits, SeededRandom},
    signer::{AccessTokenOrder, CertificateOrder, IdTokenOrder, PublicKey, SignError},
    stretcher::StretchError,
};
use foxhold_runtime::{Health, Shutdown};
use foxhold_webhead::{
    App, KeySetCache, Site, accesses::AccessNotes, client_address::ClientAddresses,
    client_origins::ClientOrigins, follow_ups::FollowUps, hawk::HawkRules, limits::LocalReplayGuard,
    mail_templates::MailTemplates,
};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};
use serde_json::Value;
use tower::ServiceExt;

pub(crate) const ROOT: &str = "http://localhost:9000";
/// Whose account tests make.
pub(crate) const EMAIL: &str = "alice@example.test";
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

const TEST_KEY: &[u8] = include_bytes!("../../../../libs/crypto/testdata/rsa-2048-for-tests.der");

/// Signs as the keysigner would, with a key that is for tests only.
pub(crate) struct TestSigner {
    clock: Arc<ManualClock>,
    issuer: String,
    pub(crate) outage: std::sync::Mutex<Option<Cause>>,
    pub(crate) orders: std::sync::Mutex<Vec<AccessTokenOrder>>,
    pub(crate) certificates: std::sync::Mutex<Vec<CertificateOrder>>,
    pub(crate) id_tokens: std::sync::Mutex<Vec<IdTokenOrder>>,
}

impl TestSigner {
    fn check(&self) -> Result<(), SignError> {
        self.outage
            .lock()
            .unwrap()
            .map_or(Ok(()), |cause| Err(SignError::NotDone(cause)))
    }

    /// A token of Firefox that no call has asked for.
    pub(crate) fn signed(&self, uid: &str, generation: Timestamp, scope: &str) -> String {
        self.token(&AccessTokenOrder {
            uid: uid.parse().unwrap(),
            client: ClientId::from_bytes([0x58, 0x82, 0x38, 0x6c, 0x6d, 0x80, 0x17, 0x76]),
            audience: "anybody".into(),
            scope: scope.into(),
            lifetime_secs: 3600,
            jti: [2; 32],
            generation,
            profile_changed_at: generation,
        })
    }

    fn token(&self, order: &AccessTokenOrder) -> String {
        let now = self.clock.now();
        let unsigned = NewAccessToken {
            issuer: &self.issuer,
            uid: order.uid,
            audience: &order.audience,
            client_id: order.client,
            issued_at: now,
            expires: now.plus(Duration::from_secs(order.lifetime_secs)),
            jti: &hex::encode(&order.jti),
            scope: &order.scope,
            generation: order.generation,
            profile_changed_at: Some(order.profile_changed_at),
        }
        .unsigned("test-1");
        let signature = signature(unsigned.signing_input());
        unsigned.with_signature(&signature)
    }
}

/// By the key that is published as `test-1`.
pub(crate) fn signature(input: &[u8]) -> Vec<u8> {
    let pair = KeyPair::from_der(TEST_KEY).unwrap();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input, &mut signature)
        .unwrap();
    signature
}

#[async_trait]
impl AccessTokenSigner for TestSigner {
    async fn sign_access_token(
        &self,
        _by: Deadline,
        order: &AccessTokenOrder,
    ) -> Result<SecretText, SignError> {
        self.check()?;
        self.orders.lock().unwrap().push(order.clone());
        Ok(SecretText::new(self.token(order)))
    }
}

/// No ID tokens: what was ordered is what tests look at.
#[async_trait]
impl IdTokenSigner for TestSigner {
    async fn sign_id_token(&self, _by: Deadline, order: &IdTokenOrder) -> Result<SecretText, SignError> {
        self.check()?;
        self.id_tokens.lock().unwrap().push(order.clone());
        Ok(SecretText::new("an ID token".into()))
    }
}

/// No certificates: what was ordered is what tests look at.
#[async_trait]
impl CertificateSigner for TestSigner {
    async fn sign_certificate(
        &self,
        _by: Deadline,
        order: &CertificateOrder,
    ) -> Result<SecretText, SignError> {
        self.check()?;
        self.certificates.lock().unwrap().push(order.clone());
        Ok(SecretText::new("a certificate".into()))
    }
}

#[async_trait]
impl PublicKeySource for TestSigner {
    async fn public_keys(&self, _by: Deadline) -> Result<Vec<PublicKey>, SignError> {
        self.check()?;
        let pair = KeyPair::from_der(TEST_KEY).unwrap();
        let parts: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
        Ok(vec![PublicKey {
            kid: "test-1".into(),
            n: parts.n,
            e: parts.e,
            created_at: NOW,
            retires_at: None,
        }])
    }
}

/// Notes what is told of accounts.
#[derive(Default)]
pub(crate) struct NotingEvents(std::sync::Mutex<Vec<AccountEvent>>);

impl NotingEvents {
    /// All since the last time.
    pub(crate) fn take(&self) -> Vec<AccountEvent> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[async_trait]
impl AccountEvents for NotingEvents {
    async fn tell(&self, event: AccountEvent) {
        self.0.lock().unwrap().push(event);
    }
}

/// Not scrypt, so that tests are quick: a hash of both inputs. Counts, can be full, and works while nobody holds the gate.
#[derive(Default)]
pub(crate) struct QuickStretcher {
    pub(crate) jobs: AtomicU64,
    pub(crate) gate: tokio::sync::RwLock<()>,
    pub(crate) full: std::sync::atomic::AtomicBool,
    pub(crate) real: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl Stretcher for QuickStretcher {
    async fn stretch(
        &self,
        _by: Deadline,
        auth_pw: Secret<32>,
        salt: [u8; 32],
    ) -> Result<Secret<32>, StretchError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(StretchError::Busy {
                retry_after: Duration::from_secs(7),
            });
        }
        self.jobs.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.read().await);
        if self.real.load(Ordering::SeqCst) {
            return Ok(foxhold_crypto::scrypt::stretch(&auth_pw, &salt));
        }
        Ok(Secret::new(sha256(&[auth_pw.expose(), &salt])))
    }
}

/// The webhead and what a test looks at.
pub(crate) struct Bench {
    pub(crate) router: Router,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) mailer: Arc<MemoryMailer>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) signer: Arc<TestSigner>,
    pub(crate) stretcher: Arc<QuickStretcher>,
    pub(crate) registration: Arc<CurrentRegistration>,
    pub(crate) events: Arc<NotingEvents>,
    pub(crate) follow_ups: FollowUps,
    target: Target,
    nonces: AtomicU64,
}

/// An answer, its body read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.body
    }

    /// Status and errno.
    pub(crate) fn refusal(&self) -> (u16, u64) {
        (self.status.as_u16(), self.body["errno"].as_u64().unwrap_or(0))
    }
}

pub(crate) struct Options {
    pub(crate) root: &'static str,
    pub(crate) limits: Arc<dyn Limits>,
    pub(crate) mailer: Option<Arc<dyn Mailer>>,
    pub(crate) accept_bearer: bool,
    pub(crate) region: Option<RegionMark>,
    pub(crate) certificates: bool,
    pub(crate) error_endpoint: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: ROOT,
            limits: Arc::new(NoLimits),
            mailer: None,
            accept_bearer: false,
            region: None,
            certificates: true,
            error_endpoint: false,
        }
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let store = Arc::new(MemoryStore::new());
        let mailer = Arc::new(MemoryMailer::new());
        let clock = Arc::new(ManualClock::new(NOW));
        let stretcher = Arc::new(QuickStretcher::default());
        let events = Arc::new(NotingEvents::default());
        let signer = Arc::new(TestSigner {
            clock: clock.clone(),
            issuer: options.root.to_owned(),
            outage: std::sync::Mutex::default(),
            orders: std::sync::Mutex::default(),
            certificates: std::sync::Mutex::default(),
            id_tokens: std::sync::Mutex::default(),
        });
        let registration = Arc::new(CurrentRegistration::default());
        let accounts = Accounts {
            reader: store.clone(),
            writer: store.clone(),
            guards: store.clone(),
            command_reader: store.clone(),
            command_writer: store.clone(),
            invitation_reader: store.clone(),
            invitation_writer: store.clone(),
            signer: signer.clone(),
            openid: OpenIdPorts {
                registry: store.clone(),
                grant_reader: store.clone(),
                grant_writer: store.clone(),
                signer: signer.clone(),
                issuer: options.root.to_owned(),
            },
            certificates: signer.clone(),
            stretcher: stretcher.clone(),
            mailer: options.mailer.unwrap_or_else(|| mailer.clone()),
            templates: Arc::new(MailTemplates::new(options.root, None).unwrap()),
            events: events.clone(),
            follow_ups: Arc::new(FollowUps::default()),
            limits: options.limits,
            clock: clock.clone(),
            random: Arc::new(SeededRandom::new(7)),
            code_key: CodeKey::new(Secret::new([5; 32])),
            registration: registration.clone(),
            settings: Arc::new(Settings {
                domain: "localhost".into(),
                token_server_url: format!("{}/tokens", options.root),
                clients: Clients::built_in(options.root),
                pre_verified_allowed: false,
                region: options.region,
                mail_switches: MailSwitches::default(),
                confirm_sign_ins: false,
            }),
        };
        let target = Target::parse(options.root).unwrap();
        let follow_ups = FollowUps::default();
        let app = App {
            accounts,
            keys: Arc::new(KeySetCache::new(signer.clone(), clock.clone())),
            hawk: HawkRules {
                origin: target.clone(),
                window: Duration::from_secs(900),
                replay: Arc::new(LocalReplayGuard::new(clock.clone(), 1000)),
                accept_bearer: options.accept_bearer,
            },
            addresses: ClientAddresses::default(),
            client_origins: ClientOrigins::new(store.clone(), clock.clone()),
            certificates: options.certificates,
            site: Site {
                public_url: options.root.into(),
                token_server_url: format!("{}/tokens", options.root),
                hsts: options.root.starts_with("https"),
                allowed_origins: vec![options.root.into()],
            },
            domain: "accounts.localhost".into(),
            budget: Duration::from_secs(30),
            in_work_max: 100,
            error_endpoint: options.error_endpoint,
            follow_ups: follow_ups.clone(),
            access_notes: AccessNotes::default(),
            health: Health::new(&Shutdown::new()),
            token_server: None,
            limits: None,
        };
        let router = foxhold_webhead::router(app);
        Self {
            router,
            store,
            mailer,
            clock,
            signer,
            stretcher,
            registration,
            events,
            follow_ups,
            target,
            nonces: AtomicU64::new(0),
        }
    }

    /// Each answer has to be one that the document describes.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let asked = (request.method().to_string(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let media = parts.headers.get(header::CONTENT_TYPE);
        let media = media.map_or("", |media| media.to_str().unwrap());
        Described::open("accounts.json")
            .check((&asked.0, &asked.1), parts.status.as_u16(), media, &bytes)
            .unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            text,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get_as(&self, path: &str, bearer: &str) -> Answer {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    /// A header as a client of this token sends it; with a body, its hash is covered.
    pub(crate) fn authorization(
        &self,
        token: &Token,
        method: &Method,
        path: &str,
        body: Option<&str>,
    ) -> String {
        let keys = token.keys();
        let id = keys.id.to_string();
        let nonce = format!("n{}", self.nonces.fetch_add(1, Ordering::SeqCst));
        let target = Target {
            path_and_query: path.to_owned(),
            ..self.target.clone()
        };
        let payload = body.map(|body| Payload {
            content_type: "application/json",
            body: body.as_bytes(),
        });
        let credentials = Credentials {
            id: &id,
            key: keys.key.expose(),
        };
        let now = self.clock.now().as_secs();
        hawk::sign(
            &credentials,
            &target.request(method.as_str()),
            now,
            &nonce,
            payload,
        )
    }

    pub(crate) async fn signed_get(&self, path: &str, token: &Token) -> Answer {
        let authorization = self.authorization(token, &Method::GET, path, None);
        let request = Request::get(path).header(header::AUTHORIZATION, authorization);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn signed_post(&self, path: &str, token: &Token, body: &Value) -> Answer {
        let body = body.to_string();
        let authorization = self.authorization(token, &Method::POST, path, Some(&body));
        let request = Request::post(path)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    /// What the server's clock says, in seconds.
    pub(crate) fn clock_secs(&self) -> u64 {
        self.clock.now().as_secs()
    }

    /// Signs up, version 1, with keys.
    pub(crate) async fn sign_up(&self, email: &str) -> SignedUp {
        let body = serde_json::json!({ "email": email, "authPW": "11".repeat(32) });
        let answer = self.post("/v1/account/create?keys=true", &body).await.ok();
        SignedUp::of(&answer)
    }

    /// Signs up and types the code of the mail.
    pub(crate) async fn sign_up_verified(&self, email: &str) -> SignedUp {
        let signed_up = self.sign_up(email).await;
        let body = serde_json::json!({ "code": self.mailed(email, "X-Verify-Short-Code") });
        self.signed_post("/v1/session/verify_code", &signed_up.session, &body)
            .await
            .ok();
        signed_up
    }

    /// Signs in to an account made by `sign_up`.
    pub(crate) async fn sign_in(&self, email: &str) -> Token {
        let body = serde_json::json!({ "email": email, "authPW": "11".repeat(32) });
        Token::of(
            TokenKind::Session,
            &self.post("/v1/account/login", &body).await.ok()["sessionToken"],
        )
    }

    /// A header of the newest mail to an address.
    pub(crate) fn mailed(&self, email: &str, name: &str) -> String {
        let mail = self.mailer.last_to(email).expect("a mail was sent");
        mail.headers
            .into_iter()
            .find(|(known, _)| *known == name)
            .expect("the mail has that header")
            .1
    }
}

/// A token as a client holds it.
pub(crate) struct Token {
    kind: TokenKind,
    bytes: [u8; 32],
}

impl Token {
    pub(crate) fn new(kind: TokenKind, bytes: [u8; 32]) -> Self {
        Self { kind, bytes }
    }

    #[track_caller]
    pub(crate) fn of(kind: TokenKind, text: &Value) -> Self {
        Self {
            kind,
            bytes: hex::decode(text.as_str().expect("a token")).unwrap(),
        }
    }

    pub(crate) fn keys(&self) -> TokenKeys {
        TokenKeys::derive(self.kind, &Secret::new(self.bytes))
    }
}

/// What a sign-up gives.
pub(crate) struct SignedUp {
    pub(crate) uid: String,
    pub(crate) session: Token,
    pub(crate) key_fetch: Token,
}

impl SignedUp {
    #[track_caller]
    pub(crate) fn of(answer: &Value) -> Self {
        Self {
            uid: answer["uid"].as_str().unwrap().to_owned(),
            session: Token::of(TokenKind::Session, &answer["sessionToken"]),
            key_fetch: Token::of(TokenKind::KeyFetch, &answer["keyFetchToken"]),
        }
    }
}
