//! Answers that no route has made: of what breaks off, and of what is refused because too much is in work.

use foxhold_ports::{
    NodeTokenMinter,
    signer::{NodeToken, NodeTokenOrder},
};
use tokio::sync::Notify;

use super::*;

/// Breaks off.
struct Broken;

#[async_trait::async_trait]
impl NodeTokenMinter for Broken {
    async fn mint_node_token(&self, _by: Deadline, _order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        panic!("an invariant")
    }
}

/// Says that it is asked, and waits until it is let go.
#[derive(Default)]
struct Waiting {
    asked: Notify,
    go: Notify,
}

#[async_trait::async_trait]
impl NodeTokenMinter for Waiting {
    async fn mint_node_token(&self, _by: Deadline, _order: &NodeTokenOrder) -> Result<NodeToken, SignError> {
        self.asked.notify_one();
        self.go.notified().await;
        Err(SignError::NotDone(Cause::Unavailable))
    }
}

fn request() -> Request {
    good(&token(&claims())).body(Body::empty()).unwrap()
}

async fn read(response: Response) -> (u16, HeaderMap, serde_json::Value) {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, 10_000).await.unwrap();
    for (name, expected) in [
        ("content-type", "application/json"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(parts.headers[name], expected);
    }
    assert!(parts.headers.contains_key("x-timestamp"));
    (
        parts.status.as_u16(),
        parts.headers,
        serde_json::from_slice(&body).unwrap(),
    )
}

#[tokio::test]
async fn what_breaks_off_is_a_server_error_wherever_it_is_served() {
    let mut world = World::new().await;
    Arc::get_mut(&mut world.server).unwrap().ports.minter = Arc::new(Broken);
    let entry = json!({"location": "internal", "name": "", "description": "Server error"});
    for app in [own_router(world.server.clone(), 8), router(world.server.clone())] {
        let (http, _, body) = read(app.oneshot(request()).await.unwrap()).await;
        assert_eq!(http, 500);
        assert_eq!(
            body,
            json!({"status": "internal-error", "errors": [entry.clone()]})
        );
    }
}

#[tokio::test]
async fn more_than_may_be_in_work_is_told_to_come_back() {
    let mut world = World::new().await;
    let minter = Arc::new(Waiting::default());
    Arc::get_mut(&mut world.server).unwrap().ports.minter = minter.clone();
    let app = own_router(world.server.clone(), 1);
    let first = tokio::spawn(app.clone().oneshot(request()));
    minter.asked.notified().await;
    let entry = json!({"location": "body", "name": "", "description": "Resource is not available"});
    for path in ["/", "/1.0/sync/1.5", "/__heartbeat__", "/nothing"] {
        let (http, headers, body) = read(app.clone().oneshot(get(path)).await.unwrap()).await;
        assert_eq!(
            (http, &headers["retry-after"]),
            (503, &HeaderValue::from(5)),
            "{path}"
        );
        assert_eq!(
            body,
            json!({"status": "error", "errors": [entry.clone()]}),
            "{path}"
        );
    }
    minter.go.notify_one();
    assert_eq!(first.await.unwrap().unwrap().status(), 503);
    let (http, ..) = read(app.oneshot(get("/__version__")).await.unwrap()).await;
    assert_eq!(http, 200, "the slot is free again");
}
