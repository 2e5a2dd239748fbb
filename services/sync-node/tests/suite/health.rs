//! Health, version, CORS, headers that are the same everywhere, and a node that only reads.

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use super::bench::Bench;

async fn plain(bench: &Bench, method: Method, path: &str) -> (u16, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap();
    let response = bench.router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    assert!(!response.headers().contains_key("x-weave-timestamp"));
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn health_is_for_everybody() {
    let bench = Bench::new();
    assert_eq!(
        plain(&bench, Method::GET, "/__lbheartbeat__").await,
        (200, serde_json::json!({}))
    );
    let (status, heartbeat) = plain(&bench, Method::GET, "/__heartbeat__").await;
    assert_eq!(status, 200);
    assert_eq!(
        (
            heartbeat["status"].as_str(),
            heartbeat["database"].as_str(),
            heartbeat["shards"].as_u64()
        ),
        (Some("Ok"), Some("Ok"), Some(2))
    );
    assert_eq!(
        (
            heartbeat["quota"]["enabled"].as_bool(),
            heartbeat["state"].as_str()
        ),
        (Some(false), Some("active"))
    );
    let (_, version) = plain(&bench, Method::GET, "/__version__").await;
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    for path in ["/__heartbeat__", "/__lbheartbeat__", "/__version__"] {
        assert_eq!(plain(&bench, Method::POST, path).await.0, 405, "{path}");
    }
}

#[tokio::test]
async fn a_clock_an_hour_behind_fails_the_heartbeat() {
    let bench = Bench::new();
    bench.user().put("/storage/c/a", "{}").await.ok();
    bench.advance_ms(-10_000);
    assert_eq!(
        plain(&bench, Method::GET, "/__heartbeat__").await.1["clock"],
        "Behind"
    );
    bench.advance_ms(-3_589_990);
    let (status, heartbeat) = plain(&bench, Method::GET, "/__heartbeat__").await;
    assert_eq!((status, heartbeat["clock"].as_str()), (200, Some("Behind")));
    bench.advance_ms(-10);
    bench.user().put("/storage/c/a", "{}").await.refused(503, 0);
    let (status, heartbeat) = plain(&bench, Method::GET, "/__heartbeat__").await;
    assert_eq!((status, heartbeat["clock"].as_str()), (503, Some("Wrong")));
}

#[tokio::test]
async fn pages_of_other_origins_may_read() {
    let bench = Bench::new();
    let user = bench.user();
    let preflight = user
        .request("OPTIONS", "/storage/c")
        .unsigned()
        .header("origin", "https://a.test");
    let preflight = preflight
        .header(
            "access-control-request-headers",
            "authorization,x-if-unmodified-since",
        )
        .send()
        .await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), "https://a.test");
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        "GET, POST, PUT, DELETE"
    );
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        "authorization,x-if-unmodified-since"
    );
    assert_eq!(preflight.header("access-control-max-age"), "1728000");
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    let read = user
        .request("GET", "/info/collections")
        .header("origin", "https://a.test")
        .send()
        .await
        .ok();
    assert_eq!(
        (read.header("access-control-allow-origin"), read.header("vary")),
        ("https://a.test", "Origin")
    );
    assert_eq!(
        user.get("/info/collections")
            .await
            .ok()
            .header("access-control-allow-origin"),
        ""
    );
    let listed = Bench::with(|settings| settings.cors_origins = vec!["https://a.test".into()]);
    let from = |origin: &'static str| {
        listed
            .user()
            .request("GET", "/info/quota")
            .header("origin", origin)
            .send()
    };
    assert_eq!(
        from("https://a.test")
            .await
            .ok()
            .header("access-control-allow-origin"),
        "https://a.test"
    );
    assert_eq!(
        from("https://b.test")
            .await
            .ok()
            .header("access-control-allow-origin"),
        ""
    );
}

#[tokio::test]
async fn any_path_may_be_asked_for_its_methods() {
    let bench = Bench::new();
    for path in ["/__heartbeat__", "/__version__", "/1.5/42/storage", "/nowhere"] {
        let call = bench.user().raw_request("OPTIONS", path).unsigned();
        let answer = call.header("origin", "https://a.test").send().await.ok();
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "https://a.test",
            "{path}"
        );
    }
    // Not a path: it asks about the server as a whole.
    let star = Request::builder().method(Method::OPTIONS).uri("*");
    let answer = bench.router().oneshot(star.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.unwrap().status(), 404);
}

#[tokio::test]
async fn a_node_that_is_emptied_reads_but_does_not_write() {
    let bench = Bench::with(|settings| {
        settings.read_only = true;
        settings.alert = Some(r#"{"code":"soft-eol","message":"moving","url":"https://a.test"}"#.into());
    });
    bench.node().set_backoff(std::time::Duration::from_secs(60));
    let user = bench.user();
    let read = user.get("/info/collections").await.ok();
    assert_eq!(read.header("x-weave-backoff"), "60");
    assert!(read.header("x-weave-alert").contains("soft-eol"));
    let write = user.put("/storage/c/a", "{}").await.refused(503, 0);
    assert_eq!(write.header("retry-after"), "300");
    user.get("/storage/c/a").await.refused(404, 0);
    assert_eq!(
        plain(&bench, Method::GET, "/__heartbeat__").await.1["state"],
        "readonly"
    );
}

#[tokio::test]
async fn a_node_whose_disk_is_full_reads_but_does_not_write() {
    let bench = Bench::with(|settings| settings.disk_used_max_percent = 0);
    let write = bench.user().put("/storage/c/a", "{}").await.refused(503, 0);
    assert_eq!(write.header("retry-after"), "300");
    bench.user().get("/info/collections").await.ok();
    let (status, heartbeat) = plain(&bench, Method::GET, "/__heartbeat__").await;
    assert_eq!((status, heartbeat["state"].as_str()), (200, Some("readonly")));
    let used = heartbeat["disk"]["used_percent"].as_u64().unwrap();
    assert!((1..=100).contains(&used), "{used}");
}

#[tokio::test]
async fn a_collection_may_have_limits_of_its_own() {
    let bench = Bench::with(|settings| {
        let limits = foxhold_sync_node::CollectionLimits {
            max_record_payload_bytes: Some(4),
            ..Default::default()
        };
        settings.collection_limits.insert("tabs".into(), limits);
    });
    let user = bench.user();
    let body = r#"{"payload":"12345"}"#;
    user.put("/storage/tabs/a", body).await.refused(413, 17);
    user.put("/storage/other/a", body).await.ok();
    assert_eq!(
        user.get("/info/configuration").await.ok().json()["max_record_payload_bytes"],
        2_621_440
    );
}

#[tokio::test]
async fn an_overloaded_node_refuses_in_the_protocols_form() {
    let bench = Bench::new();
    let endless = axum::routing::get(std::future::pending::<()>);
    let router = bench.router().route("/endless", endless);
    let router = foxhold_sync_node::layered(router, bench.node(), 1);
    let request = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let mut in_work = std::pin::pin!(router.clone().oneshot(request("/endless")));
    // Looked at once, it has the only place.
    tokio::select! {
        biased;
        _ = &mut in_work => panic!("it does not end"),
        () = std::future::ready(()) => {}
    }
    let response = router.oneshot(request("/1.5/42/info/collections")).await.unwrap();
    assert_eq!(response.status(), 503);
    for (name, value) in [
        ("retry-after", "10"),
        ("x-weave-backoff", "10"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    assert!(response.headers().contains_key("x-weave-timestamp"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "0");
}
