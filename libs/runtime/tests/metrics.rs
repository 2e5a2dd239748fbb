//! Shows what a scrape of the private listener tells of the requests of the public one: routes by their templates, methods and
//! statuses by closed sets, and nothing of what clients made up.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use foxhold_runtime::{
    Health, Shutdown, SystemRandom,
    health::private_router,
    layers::{self, RequestLimits, RouteName},
    metrics::{
        self,
        scraped::{self, Sample},
    },
};
use tower::ServiceExt as _;

async fn send(router: &Router, method: &str, path: &str) -> Response {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let request = Request::builder().method(method).uri(path);
    let request = request.body(Body::empty()).expect("a request");
    router
        .clone()
        .oneshot(request)
        .await
        .expect("routers do not fail")
}

/// What an operator sees.
async fn scrape() -> String {
    let health = Health::new(&Shutdown::new());
    let private = layers::private(private_router(&health), Arc::new(SystemRandom));
    let answer = send(&private, "GET", "/metrics").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let form = &answer.headers()[header::CONTENT_TYPE];
    assert_eq!(form, "text/plain; version=0.0.4; charset=utf-8");
    let body = to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
    String::from_utf8(body.into()).expect("text")
}

fn count(samples: &[Sample], route: &str, method: &str, code: &str) -> f64 {
    let labels = [("route", route), ("method", method), ("code", code)];
    let counted = scraped::sum(samples, "foxhold_http_requests_total", &labels);
    let timed = scraped::sum(samples, "foxhold_http_request_duration_seconds_count", &labels);
    assert!(
        (counted - timed).abs() < 0.5,
        "{route}: counted {counted}, timed {timed}"
    );
    counted
}

#[tokio::test]
async fn requests_are_counted_by_their_route_and_nothing_of_a_client_is_told() {
    metrics::start("test", "0.0.0");
    let renamed = || async {
        let mut response = StatusCode::NO_CONTENT.into_response();
        response
            .extensions_mut()
            .insert(RouteName("/storage/{collection}"));
        response
    };
    let router = Router::new()
        .route("/users/{uid}", get(|| async { "hello" }))
        .route("/1.5/{*path}", any(renamed))
        .route("/broken", get(async || -> StatusCode { panic!("an invariant") }));
    let router = layers::public(router, RequestLimits::default(), Arc::new(SystemRandom));
    for (method, path) in [
        ("GET", "/users/alice"),
        ("GET", "/users/bob"),
        ("HEAD", "/users/carol"),
        ("POST", "/users/dave"),
        ("BREW", "/users/erin"),
        ("PUT", "/1.5/frank/storage/passwords"),
        ("GET", "/mallory/was/here"),
        ("GET", "/broken"),
    ] {
        send(&router, method, path).await;
    }
    let text = scrape().await;
    let samples = scraped::read(&text).expect("all of it is on the list");
    for (route, method, code, expected) in [
        ("/users/{uid}", "GET", "2xx", 2.0),
        ("/users/{uid}", "HEAD", "2xx", 1.0),
        ("/users/{uid}", "POST", "4xx", 1.0),
        ("/users/{uid}", "other", "4xx", 1.0),
        ("/storage/{collection}", "PUT", "2xx", 1.0),
        ("none", "GET", "4xx", 1.0),
        ("/broken", "GET", "5xx", 1.0),
    ] {
        let counted = count(&samples, route, method, code);
        assert!(
            (counted - expected).abs() < 0.5,
            "{method} {route} {code}: {counted}"
        );
    }
    for secret in [
        "alice",
        "erin",
        "BREW",
        "mallory",
        "frank",
        "passwords",
        "/metrics",
    ] {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
    for line in [
        "foxhold_build_info{role=\"test\",version=\"0.0.0\"} 1",
        "# TYPE foxhold_http_request_duration_seconds histogram",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    }
}
