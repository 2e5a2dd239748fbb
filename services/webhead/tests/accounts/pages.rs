//! Documents, pages and the headers that go with every answer.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::json;

use crate::support::{Answer, Bench, NOW, Options, ROOT};

async fn as_browser(bench: &Bench, path: &str) -> Answer {
    let request = Request::get(path).header(header::ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
    bench.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn firefox_finds_each_part_by_the_configuration_document() {
    let bench = Bench::new();
    let answer = bench.get("/.well-known/fxa-client-configuration").await;
    assert!(
        answer.headers["cache-control"]
            .to_str()
            .unwrap()
            .contains("max-age")
    );
    let expected = json!({
        "auth_server_base_url": ROOT,
        "oauth_server_base_url": ROOT,
        "profile_server_base_url": ROOT,
        "sync_tokenserver_base_url": format!("{ROOT}/tokens"),
    });
    assert_eq!(answer.ok(), expected);
    let discovery = bench.get("/.well-known/openid-configuration").await;
    assert_eq!(discovery.headers["access-control-allow-origin"], "*");
    let discovery = discovery.ok();
    assert_eq!(discovery["issuer"], ROOT);
    assert_eq!(discovery["jwks_uri"], format!("{ROOT}/v1/jwks"));
}

#[tokio::test]
async fn keys_are_published_as_rsa_only() {
    let bench = Bench::new();
    let answer = bench.get("/v1/jwks").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let keys = answer.ok();
    assert_eq!(keys["keys"][0]["kty"], "RSA");
    assert_eq!(keys["keys"][0]["kid"], "test-1");
    assert_eq!(
        (&keys["keys"][0]["alg"], &keys["keys"][0]["use"]),
        (&json!("RS256"), &json!("sig"))
    );
}

#[tokio::test]
async fn clients_are_described() {
    let bench = Bench::new();
    let client = bench.get("/v1/oauth/client/5882386c6d801776").await.ok();
    assert_eq!(
        (&client["name"], &client["trusted"]),
        (&json!("Firefox"), &json!(true))
    );
    let unknown = bench.get("/v1/oauth/client/0000000000000000").await;
    assert_eq!(
        (unknown.refusal(), &unknown.body["clientId"]),
        ((400, 162), &json!("0000000000000000"))
    );
    assert_eq!(
        bench.get("/v1/client/0000000000000000").await.refusal(),
        (400, 101)
    );
    assert_eq!(bench.get("/v1/oauth/client/zz").await.refusal(), (400, 107));
}

#[tokio::test]
async fn the_root_is_a_page_for_people_and_a_version_for_programs() {
    let bench = Bench::new();
    let page = as_browser(&bench, "/?context=oauth_webchannel_v1").await;
    assert!(page.text.starts_with("<!doctype html>"));
    assert_eq!(page.headers["vary"], "accept");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
    let version = bench.get("/").await.ok();
    assert_eq!(version, bench.get("/__version__").await.ok());
    assert!(version["version"].is_string());
    for path in [
        "/settings",
        "/settings/clients",
        "/pair",
        "/connect_another_device",
        "/verify_email",
        "/unknown",
    ] {
        let page = as_browser(&bench, &format!("{path}?uid=1")).await;
        assert!(page.text.starts_with("<!doctype html>"), "{path}");
        assert_eq!(
            bench.get(path).await.refusal(),
            (404, 404),
            "{path} without a browser"
        );
    }
    for path in [
        "/v1/unknown",
        "/page/unknown",
        "/.well-known/unknown",
        "/a/../b",
        "/%2e%2e/etc",
    ] {
        assert_eq!(as_browser(&bench, path).await.status, 404, "{path}");
    }
    let beat = bench.get("/__lbheartbeat__").await;
    assert_eq!((beat.status.as_u16(), beat.text.as_str()), (200, "{}"));
    let version = env!("CARGO_PKG_VERSION");
    let well = json!({"status": "Ok", "version": version, "ready": true, "degraded": []});
    let beat = bench.get("/__heartbeat__").await;
    assert_eq!((beat.status.as_u16(), beat.body), (200, well));
}

#[tokio::test]
async fn the_deliberate_error_is_there_for_those_who_want_it() {
    for (error_endpoint, expected) in [(false, (404, 404)), (true, (500, 999))] {
        let bench = Bench::with(Options {
            error_endpoint,
            ..Options::default()
        });
        assert_eq!(bench.get("/__error__").await.refusal(), expected);
    }
}

/// Every file of the page that the document or a script names is served, with its type, and cheap to ask for again.
#[tokio::test]
async fn every_file_of_the_page_is_served() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
    let bench = Bench::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "index.html" {
            continue;
        }
        let path = format!("/page/{name}");
        let answer = bench.get(&path).await;
        assert_eq!(answer.status, 200, "{name}: is it in the list of page.rs?");
        assert_eq!(answer.headers["cache-control"], "no-cache", "{name}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{name}");
        let again = Request::get(&path).header(header::IF_NONE_MATCH, &answer.headers["etag"]);
        assert_eq!(
            bench.send(again.body(Body::empty()).unwrap()).await.status,
            304,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_profile_shows_what_its_token_grants() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified("alice@example.test").await;
    let token = async |scope: &str| {
        let grant = json!({ "client_id": "5882386c6d801776", "scope": scope });
        let granted = bench
            .signed_post("/v1/oauth/token", &signed_up.session, &grant)
            .await
            .ok();
        granted["access_token"].as_str().unwrap().to_owned()
    };
    let whole = token("profile").await;
    assert_eq!(
        bench.get_as("/v1/email", &whole).await.ok(),
        json!({ "email": "alice@example.test" })
    );
    assert_eq!(
        bench.get_as("/v1/uid", &whole).await.ok(),
        json!({ "uid": signed_up.uid })
    );
    assert_eq!(
        bench.get_as("/v1/avatar", &whole).await.ok()["url"],
        format!("{ROOT}/page/avatar.svg")
    );
    let first = bench.get_as("/v1/profile", &whole).await;
    let again = Request::get("/v1/profile")
        .header(header::AUTHORIZATION, format!("Bearer {whole}"))
        .header(header::IF_NONE_MATCH, &first.headers["etag"]);
    assert_eq!(bench.send(again.body(Body::empty()).unwrap()).await.status, 304);
    let sync = token("https://identity.mozilla.com/apps/oldsync").await;
    assert_eq!(
        bench.get_as("/v1/profile", &sync).await.refusal(),
        (401, 110),
        "for something else"
    );
    let part = token("profile:uid").await;
    assert_eq!(
        bench.get_as("/v1/profile", &part).await.ok(),
        json!({ "uid": signed_up.uid })
    );
    assert_eq!(bench.get_as("/v1/email", &part).await.refusal(), (401, 110));
    for bad in ["", "x", &whole[1..], &format!("{whole}A"), &"0".repeat(64)] {
        assert_eq!(
            bench.get_as("/v1/profile", bad).await.refusal(),
            (401, 110),
            "{bad:?}"
        );
    }
    assert_eq!(bench.get("/v1/profile").await.refusal(), (401, 110));
    bench.clock.advance(std::time::Duration::from_secs(86_400 + 200));
    assert_eq!(
        bench.get_as("/v1/profile", &whole).await.refusal(),
        (401, 110),
        "expired"
    );
}

/// RFC 9110 section 13.1.2.
#[tokio::test]
async fn a_profile_is_sent_once_and_known_by_its_tag() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified("alice@example.test").await;
    let grant = json!({ "client_id": "5882386c6d801776", "scope": "profile" });
    let path = "/v1/oauth/token";
    let granted = bench.signed_post(path, &signed_up.session, &grant).await.ok();
    let bearer = format!("Bearer {}", granted["access_token"].as_str().unwrap());
    let ask = async |tags: &[&str]| {
        let mut request = Request::get("/v1/profile").header(header::AUTHORIZATION, &bearer);
        for tag in tags {
            request = request.header(header::IF_NONE_MATCH, *tag);
        }
        bench.send(request.body(Body::empty()).unwrap()).await
    };
    let first = ask(&[]).await;
    let tag = first.headers["etag"].to_str().unwrap();
    let weak = format!("W/{tag}");
    let listed = format!("\"a\",{weak} , \"b\"");
    let unquoted = tag.trim_matches('"');
    let table: [(&[&str], u16); 9] = [
        (&[tag], 304),
        (&[&weak], 304),
        (&[&listed], 304),
        (&["\"a\"", tag], 304),
        (&["*"], 304),
        (&["\"a\""], 200),
        (&[unquoted], 200),
        (&[""], 200),
        (&["W/W/*"], 200),
    ];
    for (tags, status) in table {
        let answer = ask(tags).await;
        assert_eq!(answer.status.as_u16(), status, "{tags:?}");
        assert_eq!(answer.text.is_empty(), status == 304, "{tags:?}");
        assert_eq!(answer.headers["etag"], tag, "{tags:?}");
        assert_eq!(answer.headers["cache-control"], "private, no-cache", "{tags:?}");
    }
    bench.store.set_outage(Some(foxhold_ports::Cause::Unavailable));
    assert_eq!(ask(&[tag]).await.status, 503, "not known to be the same");
}

#[tokio::test]
async fn the_account_s_profile_is_for_sessions_and_tokens() {
    let bench = Bench::new();
    let signed_up = bench.sign_up_verified("alice@example.test").await;
    let path = "/v1/account/profile";
    let whole = json!({
        "email": "alice@example.test", "authenticationMethods": ["pwd", "email"], "authenticatorAssuranceLevel": 1,
        "profileChangedAt": NOW.as_millis(), "keysChangedAt": NOW.as_millis(),
    });
    let seen = bench.signed_get(path, &signed_up.session).await;
    assert_eq!(seen.headers["cache-control"], "no-store");
    assert_eq!(seen.ok(), whole);
    let token = async |scope: &str| {
        let grant = json!({ "client_id": "5882386c6d801776", "scope": scope });
        let granted = bench.signed_post("/v1/oauth/token", &signed_up.session, &grant);
        granted.await.ok()["access_token"].as_str().unwrap().to_owned()
    };
    assert_eq!(bench.get_as(path, &token("profile").await).await.ok(), whole);
    let changed_at = json!({ "profileChangedAt": NOW.as_millis() });
    let mut email = changed_at.clone();
    email["email"] = "alice@example.test".into();
    assert_eq!(
        bench.get_as(path, &token("profile:email").await).await.ok(),
        email
    );
    for other in ["profile:uid", "https://identity.mozilla.com/apps/oldsync"] {
        let seen = bench.get_as(path, &token(other).await).await.ok();
        assert_eq!(seen, changed_at, "{other}");
    }
    for bad in [
        "x".to_owned(),
        "0".repeat(64),
        format!("fxs_{}", signed_up.session.keys().id),
    ] {
        assert_eq!(bench.get_as(path, &bad).await.refusal(), (401, 110), "{bad}");
    }
    assert_eq!(bench.get(path).await.refusal(), (401, 110));
    bench.store.set_outage(Some(foxhold_ports::Cause::Unavailable));
    assert_eq!(
        bench.signed_get(path, &signed_up.session).await.refusal(),
        (503, 201)
    );
}

/// Where derived ids are taken as bearers, one of them is a session and no access token.
#[tokio::test]
async fn a_session_s_id_as_bearer_is_a_session() {
    let bench = Bench::with(Options {
        accept_bearer: true,
        ..Options::default()
    });
    let signed_up = bench.sign_up_verified("alice@example.test").await;
    let bearer = format!("fxs_{}", signed_up.session.keys().id);
    let seen = bench.get_as("/v1/account/profile", &bearer).await.ok();
    assert_eq!(seen["email"], "alice@example.test");
}

#[tokio::test]
async fn links_of_old_mails_lead_to_their_page() {
    let bench = Bench::new();
    for target in [
        "/verify_email?uid=0123&code=4567&service=sync",
        "/verify_email",
        "/complete_reset_password?email=a%40example.test&token=ab&code=cd",
        "/complete_reset_password?next=https://evil.example/%0d%0aSet-Cookie:x",
    ] {
        let answer = bench.get(&format!("/v1{target}")).await;
        assert_eq!(answer.status, 302, "{target}");
        assert_eq!(answer.headers["location"], format!("{ROOT}{target}").as_str());
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn locking_an_account_is_gone() {
    let bench = Bench::new();
    for path in [
        "/v1/account/lock",
        "/v1/account/unlock/resend_code",
        "/v1/account/unlock/verify_code",
    ] {
        assert_eq!(bench.post(path, &json!({})).await.refusal(), (410, 116), "{path}");
        assert_eq!(bench.get(path).await.refusal(), (410, 116), "{path}");
    }
    assert_eq!(bench.get("/v1/account/unlock").await.refusal(), (404, 404));
}

#[tokio::test]
async fn every_answer_has_the_time_and_only_known_origins_may_read_it() {
    let bench = Bench::new();
    let answer = bench.get("/v1/account/status").await;
    assert_eq!(answer.headers["timestamp"], NOW.as_secs().to_string().as_str());
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
    assert!(!answer.headers.contains_key("strict-transport-security"));
    for (origin, allowed) in [(ROOT, true), ("http://localhost:9001", false), ("null", false)] {
        let request = Request::get("/v1/account/status").header(header::ORIGIN, origin);
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            answer.headers.contains_key("access-control-allow-origin"),
            allowed,
            "{origin}"
        );
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri("/v1/account/login")
            .header(header::ORIGIN, origin)
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
        let answer = bench.send(preflight.body(Body::empty()).unwrap()).await;
        assert_eq!(
            answer.status.as_u16(),
            if allowed { 204 } else { 405 },
            "{origin}"
        );
    }
    let bench = Bench::with(Options {
        root: "https://accounts.example.test",
        ..Options::default()
    });
    let answer = bench.get("/v1/nothing").await;
    assert_eq!(
        answer.headers["strict-transport-security"],
        "max-age=15552000; includeSubDomains"
    );
}
