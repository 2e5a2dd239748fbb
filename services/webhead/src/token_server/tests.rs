//! The Token Server through its router: wire forms, outages and races.

mod browserid;
mod events;
mod foreign;
mod jwt;
mod lines;
mod metrics;
mod new_users;
mod one_service;
mod outside;
mod renewals;
mod world;

use std::sync::atomic::{AtomicBool, Ordering};

use foxhold_core::{
    OpId, Timestamp,
    record::{Admission, Service, ServiceKey, ServicePolicy, UserKey},
};
use foxhold_crypto::{node_secret::NodeSecrets, node_token};
use foxhold_ports::{
    AssignmentAdmin, AssignmentReader, Call, Cause,
    memory::{ManualClock, SeededRandom},
    signer::SignError,
};
use foxhold_sync::node_type::NodeTypes;
use serde_json::json;
use tower::ServiceExt;

use self::world::{NODE, World, get, good, secret, service};
use super::*;
use crate::{
    home_domain::HomeDomain,
    key_set::signing::{NOW, SCOPE, UID, claims, token},
    limits::{LimitSettings, LocalLimits},
};

#[tokio::test]
async fn a_token_as_clients_and_nodes_read_it() {
    let world = World::new().await;
    let answer = world.exchange(&token(&claims())).await;
    assert_eq!(answer.http, 200, "{answer:?}");
    let body = answer.body.as_object().unwrap();
    assert_eq!(body["uid"], 1);
    assert_eq!(body["api_endpoint"], "https://sync-1.example.com/1.5/1");
    assert_eq!(body["duration"], 3600);
    assert_eq!(body["hashalg"], "sha256");
    assert_eq!(body["hashed_fxa_uid"], "7274c705df1ec833444a175b1d34eb37");
    assert_eq!(body["node_type"], "sqlite");
    assert_eq!(body.len(), 8);

    let secrets = NodeSecrets::new(vec![secret()]).unwrap();
    let read = node_token::verify(body["id"].as_str().unwrap(), &secrets).unwrap();
    assert_eq!((read.node.as_str(), read.uid.get()), (NODE, 1));
    assert_eq!(read.key.expose(), body["key"].as_str().unwrap());
    assert_eq!(read.fxa_uid.as_deref(), Some(UID));
    assert_eq!(read.fxa_kid.as_deref(), Some("0000000001234-qqo"));
    assert_eq!(read.expires, Timestamp::from_secs(NOW.as_secs() + 3600));
}

#[tokio::test]
async fn a_nodes_label_is_that_of_the_first_glob_or_else_its_own() {
    for (lines, expected) in [
        (
            &["big:https://big-*", "example:https://sync-?.example.com"][..],
            "example",
        ),
        (&["all:*", "example:https://sync-?.example.com"], "all"),
        (&["big:https://big-*"], "sqlite"),
    ] {
        let mut world = World::new().await;
        let types = NodeTypes::parse(lines).unwrap();
        let home = HomeDomain::configured("accounts.example");
        Arc::get_mut(&mut world.server).unwrap().settings = world::labelled(home, types);
        let answer = world.exchange(&token(&claims())).await;
        assert_eq!(answer.body["node_type"], expected, "{lines:?}");
    }
}

#[tokio::test]
async fn duration_is_taken_from_the_query() {
    let world = World::new().await;
    for (query, expected) in [
        ("duration=60", 60),
        ("a=b&duration=7200", 3600),
        ("duration=6x", 3600),
    ] {
        let request = good(&token(&claims())).uri(format!("/1.0/sync/1.5?{query}"));
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.body["duration"], expected, "{query}");
    }
}

#[tokio::test]
async fn paths_and_methods() {
    let world = World::new().await;
    let app = ("error", "url", "application", "Unsupported application");
    let unknown = ("error", "url", "", "Not found");
    let table = [
        ("/1.0/other/1.5", app),
        ("/1.0/%F0%9F%A6%8A/1.5", app),
        (
            "/1.0/sync/1.1",
            ("error", "url", "1.1", "Unsupported application version"),
        ),
        ("/1.0/sync", unknown),
        ("/1.0/sync/1.5/more", unknown),
        ("/1.0/%FF/1.5", unknown),
        ("/1.0/", unknown),
        ("/2.0/sync/1.5", unknown),
        ("/..%2f..%2fetc/passwd", unknown),
    ];
    for (path, (status, location, name, description)) in table {
        let answer = world.send(get(path)).await;
        assert_eq!(
            answer.error(),
            (404, status, location, name, description),
            "{path}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "HEAD"] {
        for path in ["/1.0/sync/1.5", "/", "/__heartbeat__"] {
            let request = axum::http::Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty())
                .unwrap();
            let response = own_router(world.server.clone(), 8)
                .oneshot(request)
                .await
                .unwrap();
            assert_eq!(response.status().as_u16(), 405, "{method} {path}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.headers()["allow"], "GET");
        }
    }
    // Before any authentication: an unknown service is that, whoever asks.
    assert_eq!(world.send(get("/1.0/sync/9")).await.http, 404);
}

#[tokio::test]
async fn a_body_is_refused_before_it_is_read() {
    let world = World::new().await;
    let answer = world
        .send(good(&token(&claims())).body(Body::from("x")).unwrap())
        .await;
    assert_eq!(answer.status(), (413, "error"));
}

#[tokio::test]
async fn headers_that_are_wrong_or_sent_twice() {
    let world = World::new().await;
    let valid = token(&claims());
    let bearer = format!("Bearer {valid}");
    let state = "Invalid client state value";
    let unauthorized = ("body", "", "Unauthorized");
    type Row<'a> = (
        &'a str,
        Vec<(&'a str, &'a [u8])>,
        (u16, &'a str, &'a str, &'a str, &'a str),
    );
    let table: Vec<Row<'_>> = vec![
        ("nothing", vec![], (401, "error", "body", "", "Unauthorized")),
        (
            "scheme",
            vec![("authorization", b"Hawk x")],
            (401, "error", "body", "", "Unsupported"),
        ),
        (
            "two credentials",
            vec![
                ("authorization", bearer.as_bytes()),
                ("authorization", bearer.as_bytes()),
            ],
            (401, "error", unauthorized.0, unauthorized.1, unauthorized.2),
        ),
        (
            "client state",
            vec![("x-client-state", b"a b")],
            (400, "error", "header", "X-Client-State", state),
        ),
        (
            "no key id",
            vec![("authorization", bearer.as_bytes())],
            (401, "invalid-key-id", "header", "", "Missing X-KeyID header"),
        ),
        (
            "key id not ASCII",
            vec![
                ("authorization", bearer.as_bytes()),
                ("x-keyid", b"1234-\xc3\xa9"),
            ],
            (401, "invalid-key-id", "header", "", "Invalid X-KeyID header"),
        ),
        (
            "key id without dash",
            vec![("authorization", bearer.as_bytes()), ("x-keyid", b"1234")],
            (401, "invalid-credentials", "body", "", "Unauthorized"),
        ),
        (
            "key id of 17 bytes",
            vec![
                ("authorization", bearer.as_bytes()),
                ("x-keyid", b"1-AAAAAAAAAAAAAAAAAAAAAAA"),
            ],
            (400, "error", "header", "X-Client-State", state),
        ),
        (
            "another client state than the key id's",
            vec![
                ("authorization", bearer.as_bytes()),
                ("x-keyid", b"1234-qqo"),
                ("x-client-state", b"abcd"),
            ],
            (401, "invalid-client-state", "body", "", "Unauthorized"),
        ),
        (
            "two client states",
            vec![
                ("authorization", bearer.as_bytes()),
                ("x-keyid", b"1234-qqo"),
                ("x-client-state", b"aaaa"),
                ("x-client-state", b"aaaa"),
            ],
            (400, "error", "header", "X-Client-State", state),
        ),
    ];
    for (name, headers, expected) in table {
        let mut request = axum::http::Request::builder().uri("/1.0/sync/1.5");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.error(), expected, "{name}");
    }
}

#[tokio::test]
async fn state_refusals_reach_the_wire() {
    let world = World::new().await;
    assert_eq!(world.exchange(&token(&claims())).await.http, 200);
    let mut older = claims();
    older["fxa-generation"] = json!(1233);
    assert_eq!(
        world.exchange(&token(&older)).await.status(),
        (401, "invalid-generation")
    );
    let mut text = claims();
    text["fxa-generation"] = json!("1234");
    assert_eq!(
        world.exchange(&token(&text)).await.status(),
        (401, "invalid-generation")
    );

    let with_key = |key_id: &'static str| {
        let mut request = good(&token(&claims()));
        request
            .headers_mut()
            .unwrap()
            .insert("X-KeyID", HeaderValue::from_static(key_id));
        world.send(request.body(Body::empty()).unwrap())
    };
    assert_eq!(
        with_key("1233-qqo").await.status(),
        (401, "invalid-keysChangedAt")
    );
    let new_key = with_key("1234-u7s").await;
    let description = "Unacceptable client-state value new value with no generation change";
    assert_eq!(
        new_key.error(),
        (
            401,
            "invalid-client-state",
            "header",
            "X-Client-State",
            description
        )
    );
}

#[tokio::test]
async fn outages_are_5xx_with_a_time_and_never_401() {
    let world = World::new().await;
    let valid = token(&claims());
    // No key was ever fetched: nothing can be said about any token, also not about a bad one, if it is one at all.
    world.published.fail(Some(SignError::NotDone(Cause::Unavailable)));
    let description = "Resource is not available";
    assert_eq!(
        world.exchange(&valid).await.error(),
        (503, "error", "body", "", description)
    );
    let of_nobody = format!("{}AAAA", &valid[..valid.len() - 4]);
    assert_eq!(
        world.exchange(&of_nobody).await.error(),
        (503, "error", "body", "", description)
    );
    world.published.times_asked();
    assert_eq!(
        world.exchange("nonsense").await.status(),
        (401, "invalid-credentials")
    );
    assert_eq!(world.published.times_asked(), 0);
    world.published.fail(None);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(world.exchange(&valid).await.http, 200);

    // With keys in the cache the signer's absence shows in minting only.
    world.published.fail(Some(SignError::NotDone(Cause::Unavailable)));
    assert_eq!(world.exchange(&valid).await.http, 200);
    *world.minter.failure.lock().unwrap() = Some(SignError::NotDone(Cause::Unavailable));
    assert_eq!(world.exchange(&valid).await.status(), (503, "internal-error"));
    *world.minter.failure.lock().unwrap() = Some(SignError::NoNodeSecret);
    assert_eq!(world.exchange(&valid).await.status(), (500, "internal-error"));
    *world.minter.failure.lock().unwrap() = None;

    for (cause, expected) in [
        (Cause::Unavailable, (503, "internal-error")),
        (Cause::Overloaded, (503, "internal-error")),
        (Cause::Timeout, (504, "elapsed")),
    ] {
        world.store.set_outage(Some(cause));
        world.clock.advance(Duration::from_secs(10));
        let answer = world.exchange(&valid).await;
        assert_eq!(answer.status(), expected, "{cause}");
        assert!(answer.headers.contains_key("retry-after"));
    }
    world.store.set_outage(None);
    assert_eq!(world.exchange(&valid).await.http, 200);
}

#[tokio::test]
async fn too_many_tokens_of_one_account() {
    let settings = LimitSettings::default();
    let clock = Arc::new(ManualClock::new(NOW));
    let limits = LocalLimits::new(&settings, clock, &SeededRandom::new(5)).unwrap();
    let world = World::with_limits(Arc::new(limits)).await;
    let valid = token(&claims());
    for round in 0..60 {
        assert_eq!(world.exchange(&valid).await.http, 200, "round {round}");
    }
    let answer = world.exchange(&valid).await;
    assert_eq!(answer.error(), (429, "error", "body", "", "Too many requests"));
    assert_eq!(answer.headers["retry-after"], "300");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_first_exchanges_at_once_get_one_uid() {
    let world = Arc::new(World::new().await);
    let valid = token(&claims());
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (world, valid) = (world.clone(), valid.clone());
            tokio::spawn(async move { world.exchange(&valid).await })
        })
        .collect();
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!((answer.http, &answer.body["uid"]), (200, &json!(1)), "{answer:?}");
    }
    let by = Deadline::after(Duration::from_secs(30));
    let nodes = world.store.nodes(by, &service().key).await.unwrap();
    assert_eq!(nodes[0].figures.current_load, 1);
}

#[tokio::test]
async fn discovery_and_heartbeats() {
    let world = World::new().await;
    assert_eq!(
        world.send(get("/")).await.body,
        json!({
            "services": {"sync": ["1.5"]},
            "auth": "https://token.example",
            "oauth": {
                "default_issuer": "accounts.example",
                "scope": SCOPE,
                "server_url": "https://accounts.example/v1",
            },
        })
    );
    let beat = world.send(get("/__heartbeat__")).await;
    let version = env!("CARGO_PKG_VERSION");
    let ok = json!({
        "status": "Ok", "version": version, "database": "Ok", "keysigner": "Ok", "nodes": "Ok",
    });
    assert_eq!((beat.http, beat.body), (200, ok));
    world.store.set_outage(Some(Cause::Unavailable));
    let beat = world.send(get("/__heartbeat__")).await;
    assert_eq!(beat.http, 200, "nobody is asked again at once");
    world.clock.advance(Duration::from_secs(1));
    let beat = world.send(get("/__heartbeat__")).await;
    let err = json!({
        "status": "Err", "version": version, "database": "Unknown", "keysigner": "Ok", "nodes": "Ok",
    });
    assert_eq!((beat.http, beat.body), (503, err));
    world.store.set_outage(None);
    world.published.fail(Some(SignError::NotDone(Cause::Unavailable)));
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(
        world.send(get("/__heartbeat__")).await.body["keysigner"],
        "Unknown"
    );

    assert_eq!(world.send(get("/__version__")).await.body["version"], version);
    let beat = world.send(get("/__lbheartbeat__")).await;
    assert_eq!((beat.http, beat.body), (200, json!({})));
    world.server.shutdown.trigger();
    let beat = world.send(get("/__lbheartbeat__")).await;
    assert_eq!((beat.http, beat.body), (503, json!({})));
}

/// Who has a node gets tokens without anything being written.
#[tokio::test]
async fn dbwriters_that_are_away_show_in_the_heartbeat_and_send_nobody_away() {
    struct Tier(AtomicBool);

    #[async_trait::async_trait]
    impl Reachable for Tier {
        async fn reaches(&self, _by: Deadline) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }

    let mut world = World::new().await;
    let tier = Arc::new(Tier(AtomicBool::new(true)));
    let server = Arc::get_mut(&mut world.server).expect("nobody else has it yet");
    server.dbwriters = Some(tier.clone());
    for (is_there, word, status) in [(true, "Ok", "Ok"), (false, "Unknown", "Err"), (true, "Ok", "Ok")] {
        tier.0.store(is_there, Ordering::SeqCst);
        world.clock.advance(Duration::from_secs(1));
        let beat = world.send(get("/__heartbeat__")).await;
        let told = (&beat.body["dbwriter"], &beat.body["status"]);
        assert_eq!((beat.http, told), (200, (&json!(word), &json!(status))));
    }
}

/// Who has a node is served, so nobody is sent away: it is told, no more.
#[tokio::test]
async fn a_service_without_room_shows_in_the_heartbeat() {
    let world = World::new().await;
    let beat = async || {
        let beat = world.send(get("/__heartbeat__")).await;
        let word = |name: &str| beat.body[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(beat.http, 200);
        (word("status"), word("nodes"), word("nodes_msg"))
    };
    let good = || ("Ok".to_owned(), "Ok".to_owned(), String::new());
    let full = || {
        let message = "unable to get a node: sync-1.5".to_owned();
        ("Err".to_owned(), "Err".to_owned(), message)
    };
    let change = async |backoff| {
        let call = Call {
            op: OpId::new(NOW, &*world.server.ports.random),
            deadline: Deadline::after(Duration::from_secs(30)),
        };
        let change = foxhold_ports::assignments::NodeChange {
            backoff: Some(backoff),
            ..Default::default()
        };
        let changed = world.store.update_node(&call, &service().key, NODE, change).await;
        changed.unwrap();
    };
    let look = async || world.server.show_nodes(&mut Default::default()).await.unwrap();
    look().await;
    assert_eq!(beat().await, good());
    change(true).await;
    assert_eq!(beat().await, good(), "nobody has looked");
    assert_eq!(
        world.exchange(&token(&claims())).await.status(),
        (503, "internal-error")
    );
    assert_eq!(beat().await, full(), "somebody was turned away");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(beat().await, good(), "and nobody since");
    look().await;
    assert_eq!(beat().await, full(), "as the look found it");
    change(false).await;
    look().await;
    assert_eq!(beat().await, good());
}

#[tokio::test]
async fn the_deliberate_error_is_there_for_those_who_want_it() {
    let mut world = World::new().await;
    assert_eq!(world.send(get("/__error__")).await.status(), (404, "error"));
    Arc::get_mut(&mut world.server).unwrap().error_endpoint = true;
    assert_eq!(
        world.send(get("/__error__")).await.status(),
        (500, "internal-error")
    );
}

#[tokio::test]
async fn discovery_leaves_out_what_no_service_takes() {
    let world = World::new().await;
    let both = Schemes {
        oauth: true,
        browserid: true,
    };
    let only_browserid = Schemes { oauth: false, ..both };
    let issuers = |of: &[&str]| of.iter().map(|issuer| (*issuer).to_owned()).collect::<Vec<_>>();
    let table = [
        (
            both,
            issuers(&["a.example", "b.example"]),
            json!(["a.example", "b.example"]),
        ),
        (only_browserid, issuers(&["*"]), json!(null)),
    ];
    for (schemes, allowed_issuers, expected) in table {
        let policy = ServicePolicy {
            schemes,
            allowed_issuers,
            ..ServicePolicy::default()
        };
        world.put_policy(policy).await;
        let found = world.send(get("/")).await.body;
        assert_eq!(
            found["browserid"],
            json!({"allowed_issuers": expected, "trusted_issuers": []})
        );
        assert_eq!(found.get("oauth").is_some(), schemes.oauth);
    }
}

#[tokio::test]
async fn discovery_speaks_of_sync_whatever_else_there_is() {
    let world = World::new().await;
    let before = world.send(get("/")).await.body["oauth"]["scope"].clone();
    for key in ["a-1.0", "z-1.0"] {
        let other = Service {
            key: ServiceKey(key.into()),
            scope: "https://example.org/apps/other".into(),
            ..service()
        };
        world.put(other).await;
        let found = world.send(get("/")).await.body;
        assert_eq!(found["oauth"]["scope"], before, "{key}");
    }
}

#[tokio::test]
async fn terms_are_asked_for_with_their_urls() {
    let world = World::new().await;
    let urls = [
        ("privacy".to_owned(), "https://example.com/privacy".to_owned()),
        ("tos".to_owned(), "https://example.com/tos".to_owned()),
    ];
    let policy = ServicePolicy {
        conditions: urls.into(),
        ..ServicePolicy::default()
    };
    world.put_policy(policy).await;
    let valid = token(&claims());
    let answer = world.exchange(&valid).await;
    let expected = json!({
        "status": "conditions-required",
        "errors": [{
            "location": "header",
            "name": "X-Conditions-Accepted",
            "description": "Need to accept conditions",
        }],
        "urls": {"privacy": "https://example.com/privacy", "tos": "https://example.com/tos"},
    });
    assert_eq!((answer.http, answer.body), (403, expected));
    // Whoever has no good credential is told that first.
    assert_eq!(world.exchange("nonsense").await.http, 401);

    for value in ["1", "", "no"] {
        let request = good(&valid).header("X-Conditions-Accepted", value);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.http, 200, "{value:?}");
    }
}

#[tokio::test]
async fn challenges_are_those_of_the_service_asked_for() {
    let world = World::new().await;
    let only_browserid = ServicePolicy {
        schemes: Schemes {
            oauth: false,
            browserid: true,
        },
        allowed_issuers: vec!["*".into()],
        ..ServicePolicy::default()
    };
    let valid = token(&claims());
    let challenge = |answer: &world::Answer| answer.headers["www-authenticate"].clone();
    assert_eq!(challenge(&world.exchange("nonsense").await), "Bearer");
    world.put_policy(only_browserid).await;
    let answer = world.exchange(&valid).await;
    assert_eq!(answer.error(), (401, "error", "body", "", "Unsupported"));
    assert_eq!(challenge(&answer), "BrowserID");
}

#[tokio::test]
async fn a_closed_service_refuses_new_users_and_no_others() {
    let world = World::new().await;
    let admit = |admission| {
        world.put_policy(ServicePolicy {
            admission,
            ..ServicePolicy::default()
        })
    };
    let mut other = claims();
    other["sub"] = json!("b".repeat(32));
    let (known, new) = (token(&claims()), token(&other));
    assert_eq!(world.exchange(&known).await.http, 200);
    let refused = (401, "new-users-disabled", "body", "", "New users are not allowed");
    for admission in [
        Admission::Nobody,
        Admission::Listed([UID.to_owned()].into()),
        Admission::First(1),
    ] {
        admit(admission.clone()).await;
        assert_eq!(world.exchange(&known).await.http, 200, "{admission:?}");
        assert_eq!(world.exchange(&new).await.error(), refused, "{admission:?}");
    }
    admit(Admission::First(2)).await;
    assert_eq!(world.exchange(&new).await.http, 200);
}

#[tokio::test]
async fn services_are_read_seldom_and_outlive_a_short_outage() {
    let world = World::new().await;
    let by = || Deadline::after(Duration::from_secs(30));
    let call = Call {
        op: OpId::from_bytes([9; 16]),
        deadline: by(),
    };
    assert_eq!(world.server.services.all(by()).await.unwrap().readable.len(), 1);
    let other = Service {
        key: ServiceKey("notes-1.0".into()),
        ..service()
    };
    world.store.put_service(&call, other).await.unwrap();
    assert_eq!(world.server.services.all(by()).await.unwrap().readable.len(), 1);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.server.services.all(by()).await.unwrap().readable.len(), 2);
    world.store.set_outage(Some(Cause::Unavailable));
    world.clock.advance(Duration::from_secs(200));
    assert_eq!(world.server.services.all(by()).await.unwrap().readable.len(), 2);
    world.clock.advance(Duration::from_secs(100));
    assert!(world.server.services.all(by()).await.is_err());
}
