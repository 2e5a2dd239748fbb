//! Shows what the public stack adds to a request, and that an overloaded listener refuses at once.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::Request,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use foxhold_core::{Deadline, RequestId};
use foxhold_runtime::{
    SystemRandom,
    http_edge::{BodyFault, read_body},
    layers::{self, REQUEST_ID, RequestLimits},
};
use tokio::sync::Notify;
use tower::ServiceExt;

fn request(method: &str, path: &str, body: &'static str) -> Request {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body))
        .expect("method and path are good")
}

#[tokio::test]
async fn a_request_gets_a_name_a_deadline_and_a_body_limit() {
    let limits = RequestLimits {
        budget: Duration::from_secs(60),
        body_len_max: 3,
        ..RequestLimits::default()
    };
    let named = |Extension(id): Extension<RequestId>, Extension(by): Extension<Deadline>| async move {
        assert!(by.remaining().is_some_and(|left| left <= Duration::from_secs(60)));
        id.to_string()
    };
    let sized = |request: Request| async move {
        match read_body(request).await {
            Ok((_, body)) => body.into_response(),
            Err(BodyFault::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "errno 113").into_response(),
            Err(_) => StatusCode::BAD_REQUEST.into_response(),
        }
    };
    let broken = async || -> StatusCode { panic!("an invariant") };
    let router = Router::new()
        .route("/named", get(named))
        .route("/sized", post(sized))
        .route("/broken", get(broken));
    let app = layers::public(router, limits, Arc::new(SystemRandom));

    let answer = app.clone().oneshot(request("GET", "/named", "")).await.unwrap();
    let id = answer.headers()[REQUEST_ID].clone();
    let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
    assert_eq!(body, id.as_bytes());
    let absent = app.clone().oneshot(request("GET", "/absent", "")).await.unwrap();
    assert!(
        absent.headers().contains_key(REQUEST_ID),
        "also what no route knows has a name"
    );
    let broken = app.clone().oneshot(request("GET", "/broken", "")).await.unwrap();
    assert_eq!(broken.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(broken.headers().contains_key(REQUEST_ID), "and what panics");

    for (body, expected) in [("abc", StatusCode::OK), ("abcd", StatusCode::PAYLOAD_TOO_LARGE)] {
        let answer = app
            .clone()
            .oneshot(request("POST", "/sized", body))
            .await
            .unwrap();
        assert_eq!(answer.status(), expected, "{body}");
    }
}

#[tokio::test]
async fn one_more_than_may_be_in_work_is_refused_in_the_services_own_words() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (says, waits) = (Arc::clone(&begun), Arc::clone(&go));
    let slow = get(move || async move {
        says.notify_one();
        waits.notified().await;
    });
    let limits = RequestLimits {
        in_work_max: 1,
        retry_after_secs: 7,
        overloaded: |path, secs| {
            let told = format!("errno 201 at {path}, {secs} s");
            (StatusCode::SERVICE_UNAVAILABLE, told).into_response()
        },
        ..RequestLimits::default()
    };
    let app = layers::public(Router::new().route("/", slow), limits, Arc::new(SystemRandom));
    let first = tokio::spawn(app.clone().oneshot(request("GET", "/", "")));
    begun.notified().await;
    let refused = app.clone().oneshot(request("GET", "/a?b", "")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "7");
    let body = axum::body::to_bytes(refused.into_body(), 100).await.unwrap();
    assert_eq!(body, "errno 201 at /a, 7 s");
    go.notify_one();
    assert_eq!(first.await.unwrap().unwrap().status(), StatusCode::OK);
    go.notify_one();
    let next = app.oneshot(request("GET", "/", "")).await.unwrap();
    assert_eq!(next.status(), StatusCode::OK, "the slot is free again");
}
