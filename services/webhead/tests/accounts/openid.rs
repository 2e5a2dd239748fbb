//! OpenID Connect for registered clients, where a client library does not look: races, outages, what ends a grant, who may
//! read answers across origins.

mod rotation;

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use foxhold_core::{
    ClientId, Deadline, OpId, Timestamp,
    record::{ClientKind, ClientSecret, ClientSwitches, RegisteredClient},
};
use foxhold_crypto::{
    id_token::{NewIdToken, ProfileClaims},
    mac::sha256,
};
use foxhold_ports::{
    Call, Cause, ClientAdmin as _, ClientRegistry as _, GrantWriter as _, memory::SeededRandom,
};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::support::{Answer, Bench, EMAIL, NOW, Options, ROOT, SignedUp, signature};

const CB: &str = "https://wiki.example.test/cb";
const ID: &str = "0909090909090909";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn client(kind: ClientKind) -> RegisteredClient {
    let is_public = kind == ClientKind::Public;
    let secret = ClientSecret {
        hash: sha256(&[&[0xab; 32]]),
        created_at: NOW,
    };
    RegisteredClient {
        id: ID.parse().unwrap(),
        name: "Wiki".into(),
        image_uri: None,
        kind,
        secrets: if is_public { vec![] } else { vec![secret] },
        redirect_uris: vec![CB.into()],
        post_logout_redirect_uris: vec!["https://wiki.example.test/bye".into()],
        scope: "openid profile email offline_access".into(),
        switches: ClientSwitches {
            require_pkce: is_public,
            ..ClientSwitches::default()
        },
        allowed: vec![],
        created_at: NOW,
        version: 1,
    }
}

struct Scene {
    bench: Arc<Bench>,
    user: SignedUp,
    client: RegisteredClient,
}

impl Scene {
    async fn new(kind: ClientKind) -> Self {
        Self::with(kind, Options::default()).await
    }

    async fn with(kind: ClientKind, options: Options) -> Self {
        let bench = Bench::with(options);
        let user = bench.sign_up_verified(EMAIL).await;
        Self::of(bench, user, kind).await
    }

    async fn of(bench: Bench, user: SignedUp, kind: ClientKind) -> Self {
        let scene = Self {
            bench: Arc::new(bench),
            user,
            client: client(kind),
        };
        scene.put(&scene.client).await;
        scene
    }

    async fn put(&self, client: &RegisteredClient) {
        let done = self.bench.store.put_client(&self.call(), client.clone()).await;
        done.unwrap();
    }

    fn call(&self) -> Call {
        use foxhold_core::Clock as _;
        let seed = self.bench.clock.now().as_millis() + self.client.version;
        Call {
            op: OpId::new(self.bench.clock.now(), &SeededRandom::new(seed)),
            deadline: Deadline::after(Duration::from_secs(60)),
        }
    }

    async fn change(&mut self, change: impl Fn(&mut RegisteredClient)) {
        change(&mut self.client);
        self.client.version += 1;
        self.put(&self.client).await;
    }

    async fn authorize(&self, more: Value) -> Answer {
        let mut body = json!({
            "client_id": ID, "redirect_uri": CB, "scope": "openid email offline_access", "consent": true,
            "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let path = "/v1/oauth/authorization";
        self.bench.signed_post(path, &self.user.session, &body).await
    }

    async fn code(&self) -> String {
        self.authorize(json!({})).await.ok()["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn login(&self) -> String {
        match self.client.kind {
            ClientKind::Public => format!("client_id={ID}"),
            ClientKind::Confidential => format!("client_id={ID}&client_secret={}", "ab".repeat(32)),
        }
    }

    async fn form(&self, path: &str, form: &str) -> Answer {
        let body = format!("{}&{form}", self.login());
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.bench.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn trade(&self, code: &str) -> Answer {
        let form = format!(
            "grant_type=authorization_code&code={code}&code_verifier={VERIFIER}&redirect_uri=https%3A%2F%2Fwiki.example.test%2Fcb"
        );
        self.form("/v1/token", &form).await
    }

    async fn refresh(&self, token: &Value) -> Answer {
        let form = format!(
            "grant_type=refresh_token&refresh_token={}",
            token.as_str().unwrap()
        );
        self.form("/v1/token", &form).await
    }

    async fn userinfo(&self, token: &Value) -> Answer {
        self.bench.get_as("/v1/userinfo", token.as_str().unwrap()).await
    }
}

fn error(answer: &Answer) -> (u16, &str) {
    (
        answer.status.as_u16(),
        answer.body["error"].as_str().unwrap_or_default(),
    )
}

#[tokio::test]
async fn of_parallel_trades_of_one_code_one_is_answered() {
    let scene = Arc::new(Scene::new(ClientKind::Confidential).await);
    let code = scene.code().await;
    let trades = (0..16).map(|_| {
        let (scene, code) = (Arc::clone(&scene), code.clone());
        tokio::spawn(async move { scene.trade(&code).await })
    });
    let mut answers = Vec::new();
    for trade in trades.collect::<Vec<_>>() {
        answers.push(trade.await.unwrap());
    }
    let granted: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK)
        .collect();
    assert_eq!(granted.len(), 1);
    let others = answers
        .iter()
        .filter(|answer| error(answer) == (400, "invalid_grant"));
    assert_eq!(others.count(), 15);
    let info = scene.userinfo(&granted[0].body["access_token"]).await.ok();
    assert_eq!(
        info,
        json!({ "sub": scene.user.uid, "email": EMAIL, "email_verified": true })
    );
}

#[tokio::test]
async fn what_the_signer_is_told_is_what_was_asked() {
    let mut scene = Scene::new(ClientKind::Confidential).await;
    scene
        .change(|client| client.switches.id_token_profile = true)
        .await;
    let authorized = scene
        .authorize(json!({ "nonce": "n 1", "scope": "openid profile" }))
        .await
        .ok();
    let granted = scene.trade(authorized["code"].as_str().unwrap()).await.ok();
    assert!(granted["refresh_token"].is_null(), "offline was not asked for");
    assert_eq!(granted["id_token"], "an ID token");
    let orders = scene.bench.signer.id_tokens.lock().unwrap();
    let [order] = orders.as_slice() else {
        panic!("one order")
    };
    assert_eq!(
        (order.uid.to_string(), order.client.to_string()),
        (scene.user.uid.clone(), ID.into())
    );
    assert_eq!(
        (order.nonce.as_deref(), order.aal, order.lifetime_secs),
        (Some("n 1"), 1, 300)
    );
    assert_eq!(order.auth_time, NOW);
    let access_token = granted["access_token"].as_str().unwrap();
    assert_eq!(order.at_hash, foxhold_crypto::id_token::at_hash(access_token));
    let profile = order.profile.as_ref().unwrap();
    assert_eq!(
        (profile.email.clone(), profile.preferred_username.as_deref()),
        (None, Some("alice"))
    );
}

#[tokio::test]
async fn an_outage_never_costs_a_client_its_tokens() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let granted = scene.trade(&scene.code().await).await.ok();
    let code = scene.code().await;
    for cause in [Cause::Unavailable, Cause::Timeout, Cause::Overloaded] {
        scene.bench.store.set_outage(Some(cause));
        let answers = [
            scene.trade(&code).await,
            scene.refresh(&granted["refresh_token"]).await,
            scene.form("/v1/introspect", "token=x").await,
            scene.form("/v1/destroy", "token=x").await,
            scene.userinfo(&granted["access_token"]).await,
        ];
        for answer in answers {
            assert_eq!(error(&answer), (503, "temporarily_unavailable"), "{cause:?}");
            assert!(answer.headers.contains_key(header::RETRY_AFTER), "{cause:?}");
        }
        let uri = format!("/authorization?client_id={ID}&redirect_uri={CB}");
        assert_eq!(
            scene.bench.get(&uri).await.status,
            StatusCode::SERVICE_UNAVAILABLE
        );
        scene.bench.store.set_outage(None);
    }
    *scene.bench.signer.outage.lock().unwrap() = Some(Cause::Unavailable);
    assert_eq!(error(&scene.trade(&code).await), (503, "temporarily_unavailable"));
    *scene.bench.signer.outage.lock().unwrap() = None;
    scene.trade(&code).await.ok();
    scene.refresh(&granted["refresh_token"]).await.ok();
}

#[tokio::test]
async fn what_ends_a_grant_ends_all_that_hangs_on_it() {
    let mut scene = Scene::new(ClientKind::Public).await;
    let granted = scene.trade(&scene.code().await).await.ok();
    // Signing out does not: offline is offline.
    let body = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
    let again = SignedUp::of(&scene.bench.post("/v1/account/login?keys=true", &body).await.ok());
    let destroyed = scene
        .bench
        .signed_post("/v1/session/destroy", &scene.user.session, &json!({}))
        .await;
    destroyed.ok();
    scene.user = again;
    scene.refresh(&granted["refresh_token"]).await.ok();
    scene.authorize(json!({ "consent": false })).await.ok();

    // While a client is disabled nothing is granted, and nothing is lost.
    scene.change(|client| client.switches.disabled = true).await;
    assert_eq!(
        error(&scene.refresh(&granted["refresh_token"]).await),
        (401, "invalid_client")
    );
    assert_eq!(scene.authorize(json!({})).await.refusal(), (400, 162));
    assert_eq!(
        scene.userinfo(&granted["access_token"]).await.status,
        StatusCode::UNAUTHORIZED
    );
    scene.change(|client| client.switches.disabled = false).await;
    scene.refresh(&granted["refresh_token"]).await.ok();

    // More scopes are agreed to anew; fewer are not.
    assert_eq!(
        scene
            .authorize(json!({ "consent": false, "scope": "openid" }))
            .await
            .status,
        StatusCode::OK
    );
    let more = json!({ "consent": false, "scope": "openid profile" });
    let asked = scene.authorize(more).await;
    assert_eq!(asked.refusal(), (403, 1005));
    assert_eq!(
        (&asked.body["clientId"], &asked.body["scopes"]),
        (&json!(ID), &json!("openid profile"))
    );
    let prompted = json!({ "consent": false, "scope": "openid", "prompt": "consent" });
    assert_eq!(scene.authorize(prompted).await.refusal(), (403, 1005));

    // An account that goes takes everything with it.
    let code = scene.code().await;
    let gone = scene.bench.post("/v1/account/destroy", &body).await;
    gone.ok();
    assert_eq!(error(&scene.trade(&code).await), (400, "invalid_grant"));
    assert_eq!(
        error(&scene.refresh(&granted["refresh_token"]).await),
        (400, "invalid_grant")
    );
    assert_eq!(
        scene.userinfo(&granted["access_token"]).await.status,
        StatusCode::UNAUTHORIZED
    );
}

/// A browser names all the languages its user reads, and as many as it likes.
#[tokio::test]
async fn a_program_is_told_one_language_and_not_a_header() {
    let many = format!("de-CH, {}", "en;q=0.5, ".repeat(50));
    for (header, expected) in [
        (many.as_str(), json!("de-CH")),
        ("*", Value::Null),
        ("<de>, fr", json!("fr")),
    ] {
        let bench = Bench::new();
        let body = json!({ "email": EMAIL, "authPW": "11".repeat(32) });
        let request = Request::post("/v1/account/create?keys=true")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT_LANGUAGE, header);
        let made = bench.send(request.body(Body::from(body.to_string())).unwrap());
        let user = SignedUp::of(&made.await.ok());
        let mut scene = Scene::of(bench, user, ClientKind::Confidential).await;
        scene
            .change(|client| client.switches.id_token_profile = true)
            .await;
        let code = json!({ "code": scene.bench.mailed(EMAIL, "X-Verify-Short-Code") });
        let path = "/v1/session/verify_code";
        scene
            .bench
            .signed_post(path, &scene.user.session, &code)
            .await
            .ok();
        let authorized = scene.authorize(json!({ "scope": "openid profile" })).await.ok();
        let granted = scene.trade(authorized["code"].as_str().unwrap()).await.ok();
        let info = scene.userinfo(&granted["access_token"]).await.ok();
        assert_eq!(info["locale"], expected, "{header}");
        let orders = scene.bench.signer.id_tokens.lock().unwrap();
        let profile = orders[0].profile.as_ref().unwrap();
        assert_eq!(profile.locale.as_deref(), expected.as_str(), "{header}");
    }
}

/// Wherever an access token is shown: none of these calls is for registered clients alone.
#[tokio::test]
async fn what_was_given_to_a_client_is_worth_nothing_while_it_is_disabled_and_after_it_is_deleted() {
    const SHOWN: [&str; 6] = [
        "/v1/profile",
        "/v1/email",
        "/v1/uid",
        "/v1/avatar",
        "/v1/account/profile",
        "/v1/userinfo",
    ];
    let mut scene = Scene::new(ClientKind::Confidential).await;
    let authorized = scene.authorize(json!({ "scope": "openid profile email" })).await;
    let granted = scene.trade(authorized.ok()["code"].as_str().unwrap()).await.ok();
    let token = granted["access_token"].as_str().unwrap().to_owned();
    let shown = json!({ "token": token });
    let check = async |scene: &Scene, name: &str, counts: bool| {
        for path in SHOWN {
            let answer = scene.bench.get_as(path, &token).await;
            let expected = if counts { 200 } else { 401 };
            assert_eq!(answer.status.as_u16(), expected, "{path}, {name}");
        }
        let verified = scene.bench.post("/v1/verify", &shown).await;
        assert_eq!(verified.status == StatusCode::OK, counts, "{name}");
        let introspected = scene.bench.post("/v1/introspect", &shown).await.ok();
        assert_eq!(introspected["active"], counts, "{name}");
    };
    check(&scene, "registered", true).await;
    scene.change(|client| client.switches.disabled = true).await;
    check(&scene, "disabled", false).await;
    scene.change(|client| client.switches.disabled = false).await;
    check(&scene, "enabled again", true).await;
    scene.bench.clock.advance(Duration::from_secs(1));
    let (call, id) = (scene.call(), scene.client.id);
    scene.bench.store.delete_client(&call, id).await.unwrap();
    check(&scene, "deleted", false).await;
}

#[tokio::test]
async fn a_removed_client_is_nobody_and_its_tokens_end() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let granted = scene.trade(&scene.code().await).await.ok();
    let id: ClientId = ID.parse().unwrap();
    scene.bench.clock.advance(Duration::from_secs(1));
    scene.bench.store.delete_client(&scene.call(), id).await.unwrap();
    assert_eq!(
        scene.bench.store.client(scene.call().deadline, id).await,
        Ok(None)
    );
    assert_eq!(
        error(&scene.refresh(&granted["refresh_token"]).await),
        (401, "invalid_client")
    );
    assert_eq!(
        scene.userinfo(&granted["access_token"]).await.status,
        StatusCode::UNAUTHORIZED
    );
    let listed = scene
        .bench
        .signed_get("/v1/account/attached_clients", &scene.user.session)
        .await
        .ok();
    assert!(
        listed
            .as_array()
            .unwrap()
            .iter()
            .all(|entry| entry["clientId"] != ID),
        "{listed}"
    );
}

#[tokio::test]
async fn pages_of_public_clients_may_read_what_is_for_them() {
    let ask = |method: Method, path: &str, origin: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ORIGIN, origin);
        let request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
        request.body(Body::empty()).unwrap()
    };
    for (kind, shared) in [(ClientKind::Public, true), (ClientKind::Confidential, false)] {
        let scene = Scene::new(kind).await;
        let table = [
            ("/v1/token", "https://wiki.example.test", shared),
            ("/v1/userinfo", "https://wiki.example.test", shared),
            ("/v1/destroy", "https://wiki.example.test", shared),
            ("/v1/introspect", "https://wiki.example.test", false),
            ("/v1/account/login", "https://wiki.example.test", false),
            ("/v1/token", "https://evil.example.test", false),
            ("/v1/token", "http://wiki.example.test", false),
        ];
        for (path, origin, expected) in table {
            let answer = scene.bench.send(ask(Method::OPTIONS, path, origin)).await;
            let allowed = answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(allowed.is_some(), expected, "{kind:?} {path} {origin}");
            assert!(allowed.is_none_or(|allowed| allowed == origin), "{path}");
        }
    }
}

/// Only who asks is looked at.
#[tokio::test]
async fn whatever_a_client_takes_back_it_is_told_that_it_is_done() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let unknown = format!("token={}", "00".repeat(32));
    for form in ["", "token=", "token=x", &unknown, "token_type_hint=access_token"] {
        assert_eq!(scene.form("/v1/destroy", form).await.ok(), json!({}), "{form}");
    }
    let request =
        Request::post("/v1/destroy").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let nobody = scene
        .bench
        .send(request.body(Body::from("token=x")).unwrap())
        .await;
    assert_eq!(error(&nobody), (401, "invalid_client"));
}

#[tokio::test]
async fn signing_out_leads_back_only_where_the_client_is_registered() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let bye = "https://wiki.example.test/bye";
    let table = [
        (String::new(), StatusCode::OK),
        (format!("?client_id={ID}"), StatusCode::OK),
        (
            format!("?client_id={ID}&post_logout_redirect_uri={bye}"),
            StatusCode::OK,
        ),
        (
            format!("?client_id={ID}&post_logout_redirect_uri={bye}/"),
            StatusCode::BAD_REQUEST,
        ),
        (
            format!("?post_logout_redirect_uri={bye}"),
            StatusCode::BAD_REQUEST,
        ),
        (
            format!("?client_id=0000000000000000&post_logout_redirect_uri={bye}"),
            StatusCode::BAD_REQUEST,
        ),
        (
            format!("?id_token_hint=forged&post_logout_redirect_uri={bye}"),
            StatusCode::BAD_REQUEST,
        ),
    ];
    for (query, expected) in table {
        let answer = scene.bench.get(&format!("/oauth/logout{query}")).await;
        assert_eq!(answer.status, expected, "{query}");
        assert!(!answer.headers.contains_key(header::LOCATION), "{query}");
    }
}

/// An ID token of the scene's user, as a program shows it again.
fn id_token(scene: &Scene, kid: &str, is_signed: bool) -> String {
    let unsigned = NewIdToken {
        issuer: ROOT,
        uid: scene.user.uid.parse().unwrap(),
        client_id: scene.client.id,
        issued_at: Timestamp::from_secs(1_600_000_000),
        expires: Timestamp::from_secs(1_600_000_300),
        auth_time: Timestamp::from_secs(1_600_000_000),
        nonce: None,
        at_hash: [0; 16],
        acr: "AAL1",
        amr: &["pwd"],
        profile: ProfileClaims::default(),
    }
    .unsigned(kid);
    let signature = match is_signed {
        true => signature(unsigned.signing_input()),
        false => vec![7; 256],
    };
    unsigned.with_signature(&signature)
}

/// Keys are rotated, and programs keep ID tokens for as long as their users stay signed in.
#[tokio::test]
async fn a_hint_under_a_key_that_is_gone_is_none_and_one_that_we_did_not_sign_is_forged() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let bye = "https://wiki.example.test/bye";
    let base = format!("response_type=code&client_id={ID}&redirect_uri={CB}&scope=openid");
    let ours = id_token(&scene, "test-1", true);
    let forged = id_token(&scene, "test-1", false);
    let old = id_token(&scene, "retired", false);
    let location = |answer: &Answer| {
        let found = answer.headers.get(header::LOCATION);
        found.map_or(String::new(), |found| found.to_str().unwrap().to_owned())
    };
    let ask = async |hint: &str| {
        let path = format!("/authorization?{base}&id_token_hint={hint}&state=s");
        scene.bench.get(&path).await
    };
    assert_eq!(ask(&ours).await.status, StatusCode::OK);
    let refused = ask(&forged).await;
    assert!(
        location(&refused).starts_with(&format!("{CB}?error=invalid_request&")),
        "{refused:?}"
    );
    let without = location(&ask(&old).await);
    let path = without.strip_prefix(ROOT).unwrap();
    assert!(path.starts_with("/authorization?response_type=code&") && path.ends_with("&state=s"));
    assert!(!path.contains("id_token_hint"), "{path}");
    assert_eq!(scene.bench.get(path).await.status, StatusCode::OK);

    // Whose token it is, whether its client is named, and what comes of signing out.
    let table = [
        (&ours, false, (200, "")),
        (&ours, true, (200, "")),
        (&forged, false, (400, "")),
        (&forged, true, (400, "")),
        (&old, true, (200, "")),
        (&old, false, (303, "http://localhost:9000/oauth/logout")),
    ];
    for (hint, is_named, expected) in table {
        let named = if is_named {
            format!("&client_id={ID}")
        } else {
            String::new()
        };
        let path = format!("/oauth/logout?id_token_hint={hint}&post_logout_redirect_uri={bye}{named}");
        let answer = scene.bench.get(&path).await;
        let told = (answer.status.as_u16(), &*location(&answer));
        assert_eq!(told, expected, "{hint}, {is_named}");
    }
}

#[tokio::test]
async fn a_page_that_posts_may_post_to_the_program_and_nowhere_else() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let base = format!("/authorization?response_type=code&client_id={ID}&redirect_uri={CB}&scope=openid");
    for (query, expected) in [
        ("", "form-action 'none'"),
        (
            "&response_mode=form_post",
            "form-action https://wiki.example.test;",
        ),
    ] {
        let answer = scene.bench.get(&format!("{base}{query}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{query}");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains(expected), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}

/// What no page could mend is told in the way that was asked for.
#[tokio::test]
async fn errors_are_posted_where_answers_would_be() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let query = format!(
        "client_id={ID}&redirect_uri={CB}&scope=openid&response_type=token&state=%22%3E%3Cscript%3E%27%26"
    );
    let answer = scene.bench.get(&format!("/authorization?{query}")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let posted = format!("/authorization?{query}&response_mode=form_post");
    let answer = scene.bench.get(&posted).await;
    assert_eq!(answer.status, StatusCode::OK);
    let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(
        policy.contains("form-action https://wiki.example.test;"),
        "{policy}"
    );
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    for part in [
        "<form method=\"post\" action=\"https://wiki.example.test/cb\">",
        "name=\"error\" value=\"unsupported_response_type\"",
        "name=\"state\" value=\"&quot;&gt;&lt;script&gt;&#39;&amp;\"",
        "name=\"iss\" value=\"http://localhost:9000\"",
        "<script src=\"/page/post.js\"></script>",
    ] {
        assert!(answer.text.contains(part), "{part} in {}", answer.text);
    }
    let script = scene.bench.get("/page/post.js").await;
    assert_eq!(script.status, StatusCode::OK);
}

#[tokio::test]
async fn a_parameter_that_is_ignored_may_not_stand_there_twice_either() {
    let scene = Scene::new(ClientKind::Confidential).await;
    let base = format!("/authorization?client_id={ID}&redirect_uri={CB}&scope=openid&response_type=code");
    for (more, expected) in [
        ("&display=page&claims_locales=de", StatusCode::OK),
        ("&display=page&display=popup", StatusCode::SEE_OTHER),
        ("&claims_locales=de&claims_locales=en", StatusCode::SEE_OTHER),
        ("&nobody=1&nobody=2", StatusCode::OK),
    ] {
        let answer = scene.bench.get(&format!("{base}{more}")).await;
        assert_eq!(answer.status, expected, "{more}");
    }
}
