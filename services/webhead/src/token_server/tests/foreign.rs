//! Users whose accounts are on another server, through the router: one user by every credential, and which answer comes
//! when.

use std::collections::BTreeMap;

use foxhold_outbound::Outbound;
use serde_json::Value;

use super::*;
use crate::{
    assertions::{Assertions, SlowProofs},
    foreign_oauth::{
        ForeignTokens,
        stand_in::{AccountsServer, DOMAIN, JWKS, VERIFY, other_jwk, verdict},
    },
    home_domain::HomeDomain,
    issuer_documents::{IssuerDocuments, OwnDomain},
    key_set::signing::{KID, bundle, certificate, jwk},
};

const OPAQUE: &str = "5d2f1b0c5d2f1b0c5d2f1b0c5d2f1b0c5d2f1b0c5d2f1b0c5d2f1b0c5d2f1b0c";
const DOCUMENT: &str = "/.well-known/browserid";
const UNAVAILABLE: (u16, &str, &str) = (503, "error", "Resource is not available");
const INVALID: (u16, &str, &str) = (401, "invalid-credentials", "Unauthorized");

/// An issuer that the service trusts with users of other domains.
const TRUSTED: &str = "trusted.example";

struct Elsewhere {
    world: World,
    server: AccountsServer,
}

impl Elsewhere {
    async fn new() -> Self {
        let server = AccountsServer::start().await;
        let document =
            json!({"public-key": jwk(KID), "authentication": "/sign-in", "provisioning": "/provision"});
        server.answer(DOCUMENT, 200, document.to_string());
        let mut world = World::new().await;
        let (clock, outbound) = (world.clock.clone(), Arc::new(Outbound::new()));
        let settings = server.settings().prepare("accounts.example").unwrap();
        let own = OwnDomain {
            domain: "accounts.example".to_owned(),
            keys: world.server.keys.clone(),
        };
        let document = || server.url(DOCUMENT).parse().unwrap();
        let documents = [DOMAIN, TRUSTED].map(|domain| (domain.to_owned(), document()));
        let documents = BTreeMap::from(documents);
        let documents = IssuerDocuments::new(own, documents, outbound.clone(), clock.clone());
        let token_server = Arc::get_mut(&mut world.server).unwrap();
        let home = Arc::new(HomeDomain::configured(DOMAIN));
        token_server.settings = world::settings(HomeDomain::configured(DOMAIN));
        token_server.ports.verifier = Arc::new(ForeignTokens::new(&settings, &home, outbound, clock.clone()));
        token_server.ports.assertions = Arc::new(Assertions {
            audience: "https://token.example".to_owned(),
            home,
            documents: Arc::new(documents),
            slow: SlowProofs::default(),
            clock,
        });
        let policy = ServicePolicy {
            schemes: Schemes {
                oauth: true,
                browserid: true,
            },
            allowed_issuers: vec![DOMAIN.to_owned(), TRUSTED.to_owned()],
            trusted_issuers: vec![TRUSTED.to_owned()],
            ..ServicePolicy::default()
        };
        world.put_policy(policy).await;
        Self { world, server }
    }

    async fn assert_refused(&self, name: &str, token: &str, (http, status, description): (u16, &str, &str)) {
        let answer = self.world.exchange(token).await;
        assert_eq!(answer.error(), (http, status, "body", "", description), "{name}");
    }
}

/// An exchange with an issuer's certificate for the user of a domain.
fn vouched(issuer: &str, domain: &str) -> axum::http::Request<Body> {
    let mut certificate = certificate();
    certificate["iss"] = json!(issuer);
    certificate["principal"] = json!({"email": format!("{UID}@{domain}")});
    let assertion = json!({"aud": "https://token.example", "exp": NOW.as_millis() + 300_000});
    let authorization = format!("BrowserID {}", bundle(&certificate, &assertion));
    let request = axum::http::Request::builder()
        .uri("/1.0/sync/1.5")
        .header("authorization", authorization)
        .header("x-client-state", "aaaa");
    request.body(Body::empty()).unwrap()
}

/// However far a service trusts an issuer: the users of that server have another credential, which it cannot make.
#[tokio::test]
async fn no_trusted_issuer_speaks_for_users_with_access_tokens() {
    let Elsewhere { world, .. } = Elsewhere::new().await;
    for (domain, http) in [(DOMAIN, 401), ("accounts.example", 401), ("third.example", 200)] {
        let answer = world.send(vouched(TRUSTED, domain)).await;
        assert_eq!(answer.http, http, "{domain}: {answer:?}");
    }
}

#[tokio::test]
async fn every_credential_of_an_account_leads_to_one_user() {
    let Elsewhere { world, server } = Elsewhere::new().await;
    server.answer(VERIFY, 200, verdict().to_string());
    let signed = world.exchange(&token(&claims())).await;
    let opaque = world.exchange(OPAQUE).await;
    let bundled = world.send(vouched(DOMAIN, DOMAIN)).await;
    assert!(metrics::are_fetched("foreign_oauth"));
    let secrets = NodeSecrets::new(vec![secret()]).unwrap();
    for answer in [signed, opaque, bundled] {
        assert_eq!((answer.http, &answer.body["uid"]), (200, &json!(1)), "{answer:?}");
        let read = node_token::verify(answer.body["id"].as_str().unwrap(), &secrets).unwrap();
        assert_eq!(read.fxa_uid.as_deref(), Some(UID));
        assert_eq!(read.fxa_kid.as_deref(), Some("0000000001234-qqo"));
    }
}

#[tokio::test]
async fn about_opaque_tokens_an_outage_is_503_and_a_refusal_401() {
    let elsewhere = Elsewhere::new().await;
    let of_scope = |scope: Value| {
        let mut verdict = verdict();
        verdict["scope"] = scope;
        verdict.to_string()
    };
    let table = [
        ("refused", 400, String::new(), INVALID),
        ("not known", 404, String::new(), INVALID),
        ("another scope", 200, of_scope(json!(["profile"])), INVALID),
        ("no scope", 200, of_scope(json!([])), INVALID),
        (
            "scopes by commas",
            200,
            of_scope(json!([format!("profile,{SCOPE}")])),
            INVALID,
        ),
        ("too often", 429, String::new(), UNAVAILABLE),
        ("broken", 500, String::new(), UNAVAILABLE),
        ("in maintenance", 503, String::new(), UNAVAILABLE),
        ("elsewhere", 307, String::new(), UNAVAILABLE),
        ("garbage", 200, "<html>".to_owned(), UNAVAILABLE),
        ("no array", 200, of_scope(json!(SCOPE)), UNAVAILABLE),
    ];
    for (name, status, body, expected) in table {
        elsewhere.server.answer(VERIFY, status, body);
        elsewhere.assert_refused(name, OPAQUE, expected).await;
    }
    let by = Deadline::after(Duration::from_secs(30));
    let nodes = elsewhere.world.store.nodes(by, &service().key).await.unwrap();
    assert_eq!(nodes[0].figures.current_load, 0, "nobody got a slot");
}

#[tokio::test]
async fn about_signed_tokens_an_outage_is_503_and_a_refusal_401() {
    let elsewhere = Elsewhere::new().await;
    let valid = token(&claims());
    elsewhere.server.answer(JWKS, 500, "");
    elsewhere.assert_refused("no keys", &valid, UNAVAILABLE).await;
    elsewhere.server.answer(JWKS, 200, "<html>");
    elsewhere.world.clock.advance(Duration::from_secs(10));
    elsewhere.assert_refused("garbage", &valid, UNAVAILABLE).await;
    elsewhere.server.publish(&[jwk(KID)]);
    elsewhere.world.clock.advance(Duration::from_secs(10));
    assert_eq!(elsewhere.world.exchange(&valid).await.http, 200);

    let of_nobody = format!("{}AAAA", &valid[..valid.len() - 4]);
    elsewhere.assert_refused("signature", &of_nobody, INVALID).await;
    let mut no_number = claims();
    no_number["fxa-generation"] = json!("1234");
    let generation = (401, "invalid-generation", "Unauthorized");
    elsewhere
        .assert_refused("generation", &token(&no_number), generation)
        .await;
    // With keys in hand the server may be away.
    elsewhere.server.answer(JWKS, 500, "");
    elsewhere.world.clock.advance(Duration::from_secs(3000));
    assert_eq!(elsewhere.world.exchange(&valid).await.http, 200);
}

/// The own key set does not count for another server's users.
#[tokio::test]
async fn tokens_of_the_own_accounts_are_those_of_strangers() {
    let elsewhere = Elsewhere::new().await;
    elsewhere.server.publish(&[other_jwk("elsewhere")]);
    elsewhere
        .assert_refused("own token", &token(&claims()), INVALID)
        .await;
    assert_eq!(elsewhere.world.published.times_asked(), 0);
}

/// Until the other server has told what its users are called, nobody is told anything; then they are who they were.
#[tokio::test]
async fn without_a_domain_there_are_no_users() {
    let Elsewhere { mut world, server } = Elsewhere::new().await;
    server.answer("/config", 503, "");
    let discovered = |world: &World| {
        let (uri, clock) = (server.url("/config").parse().unwrap(), world.clock.clone());
        HomeDomain::discovered(uri, "accounts.example", Arc::new(Outbound::new()), clock)
    };
    let settings = world::settings(discovered(&world));
    let token_server = Arc::get_mut(&mut world.server).unwrap();
    token_server.settings = settings;
    token_server.discovery.oauth_issuer = None;
    let valid = token(&claims());
    let answer = world.exchange(&valid).await;
    let (http, status, description) = UNAVAILABLE;
    assert_eq!(answer.error(), (http, status, "body", "", description));
    assert_eq!(world.send(get("/1.0/other/1.5")).await.http, 404, "whoever asks");
    let beat = world.send(get("/__heartbeat__")).await;
    assert_eq!((beat.http, &beat.body["foreign_oauth"]), (503, &json!("Unknown")));
    assert_eq!(world.send(get("/")).await.http, 503);

    server.answer(
        "/config",
        200,
        json!({"browserid": {"issuer": DOMAIN}}).to_string(),
    );
    world.clock.advance(Duration::from_secs(1));
    let answer = world.exchange(&valid).await;
    assert_eq!(answer.http, 200, "{answer:?}");
    let by_bundle = world.send(vouched(DOMAIN, DOMAIN)).await;
    assert_eq!(by_bundle.body["uid"], answer.body["uid"]);
    let beat = world.send(get("/__heartbeat__")).await;
    assert_eq!((beat.http, &beat.body["foreign_oauth"]), (200, &json!("Ok")));
    let told = world.send(get("/")).await;
    assert_eq!(told.body["oauth"]["default_issuer"], DOMAIN);
}
