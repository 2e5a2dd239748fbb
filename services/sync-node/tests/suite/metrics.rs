//! What a node tells operators of its requests: which routes, how they ended, and not a word of whose.

use axum::{Router, body::Body};
use foxhold_runtime::{
    Health, Shutdown,
    health::private_router,
    metrics::scraped::{read, sum},
};
use foxhold_sync_node::layered;
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::bench::Bench;

async fn send(router: &Router, method: &str, path: &str) -> String {
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.into()).unwrap()
}

#[tokio::test]
async fn requests_are_counted_by_route_without_their_users_and_collections() {
    let bench = Bench::new();
    let router = layered(bench.router(), bench.node(), 100);
    for (method, path) in [
        ("GET", "/1.5/4242424/info/collections"),
        ("PUT", "/1.5/4242424/storage/diary/entry"),
        ("GET", "/1.5/4242424/nowhere/at/all"),
        ("GET", "/__lbheartbeat__"),
    ] {
        send(&router, method, path).await;
    }
    let private = private_router(&Health::new(&Shutdown::new()));
    let text = send(&private, "GET", "/metrics").await;
    let samples = read(&text).expect("all of it is on the list");
    for (route, method, code) in [
        ("/info/collections", "GET", "4xx"),
        ("/storage/{collection}/{id}", "PUT", "4xx"),
        ("/1.5/{*path}", "GET", "4xx"),
        ("/__lbheartbeat__", "GET", "2xx"),
    ] {
        let labels = [("route", route), ("method", method), ("code", code)];
        let counted = sum(&samples, "foxhold_http_requests_total", &labels);
        assert!(counted >= 1.0, "{method} {route} {code}\n{text}");
    }
    let refused = sum(
        &samples,
        "foxhold_storage_auth_failures_total",
        &[("reason", "header")],
    );
    assert!(refused >= 2.0, "{refused}");
    // In the labels: a value may have any digits.
    for label in samples.iter().flat_map(|sample| sample.labels.values()) {
        for secret in ["4242424", "diary", "entry", "nowhere"] {
            assert!(!label.contains(secret), "{secret}\n{text}");
        }
    }
}
