//! What cannot be meant is refused by every route, in one form, and names what is wrong.

use foxhold_ops::wire::{Code, Problem};
use serde_json::{Value, json};

use crate::scene::{AT, Scene, node_path, settings, user_path};

const A: &str = "https://a.example";

/// Every route that takes a body, with one that it takes.
fn bodies() -> Vec<(&'static str, String, Value)> {
    let node = node_path(A);
    vec![
        ("PUT", AT.to_owned(), settings()),
        (
            "POST",
            format!("{AT}/nodes"),
            json!({"url": "https://b.example", "capacity": 1}),
        ),
        ("PATCH", node.clone(), json!({"backoff": false})),
        ("POST", format!("{node}/rename"), json!({"to": A})),
        ("POST", format!("{node}/unassign"), json!({"limit": 1})),
        (
            "POST",
            format!("{node}/move"),
            json!({"limit": 1, "to": "https://b.example"}),
        ),
        ("POST", user_path("u@x", "place"), json!({})),
        ("POST", user_path("u@x", "forget"), json!({"uid": 9})),
        (
            "POST",
            format!("{AT}/purge"),
            json!({"grace_secs": 1, "limit": 1}),
        ),
        (
            "POST",
            format!("{AT}/import"),
            json!({"users": [{"user": "v@x", "records": [{"uid": 1, "generation": 0, "client_state": "", "created_at_ms": 1}]}]}),
        ),
        ("POST", format!("{AT}/uids/reserve"), json!({"through": 1})),
        ("POST", "/admin/v1/events".to_owned(), json!({"messages": [null]})),
    ]
}

async fn scene() -> Scene {
    let scene = Scene::with_nodes(&[A]).await;
    scene.place(&["u@x"], A).await;
    scene
}

#[tokio::test]
async fn a_body_has_one_form_and_no_member_nobody_knows() {
    let scene = scene().await;
    for (method, path, body) in bodies() {
        let dry = format!("{path}?dry_run=true");
        let ask = async |media: &str, body: Vec<u8>| scene.ask(method, &dry, Some((media, body))).await;
        let good = ask("Application/JSON; charset=utf-8", body.to_string().into_bytes()).await;
        assert!(
            good.status == 200 || path.ends_with("/move"),
            "{method} {path}: {}",
            good.body
        );
        let mut surprised = body.clone();
        surprised["surprise"] = json!(1);
        for (name, bad) in [
            ("a surprise", surprised.to_string()),
            ("no JSON", "{".to_owned()),
            ("nothing", String::new()),
            ("a list", "[]".to_owned()),
            ("null", "null".to_owned()),
            ("more behind it", format!("{body} {{}}")),
            ("too deep", "[".repeat(10_000)),
        ] {
            let problem = ask("application/json", bad.into_bytes()).await.problem();
            assert_eq!(problem.code, Code::InvalidRequest, "{method} {path}: {name}");
            assert_eq!(problem.errors[0].field, "body", "{method} {path}: {name}");
        }
        let bytes = body.to_string().into_bytes();
        assert_eq!(
            ask("text/plain", bytes.clone()).await.code(),
            Code::UnsupportedMediaType
        );
        let huge = vec![b' '; 4 * 1024 * 1024 + 1];
        assert_eq!(
            ask("application/json", huge).await.code(),
            Code::TooLarge,
            "{method} {path}"
        );
        let misspelt = scene
            .ask(
                method,
                &format!("{path}?dryrun=true"),
                Some(("application/json", bytes)),
            )
            .await;
        assert_eq!(misspelt.problem().errors[0].field, "query", "{method} {path}");
    }
}

#[tokio::test]
async fn members_of_the_wrong_type_are_refused() {
    let scene = scene().await;
    for (method, path, body) in bodies() {
        for name in body.as_object().unwrap().keys() {
            for wrong in [json!({"a": 1}), json!(-1), json!(1.5), json!("\u{0}/")] {
                let mut body = body.clone();
                body[name] = wrong.clone();
                let bytes = body.to_string().into_bytes();
                let answer = scene.ask(method, &path, Some(("application/json", bytes))).await;
                assert_eq!(
                    answer.code(),
                    Code::InvalidRequest,
                    "{method} {path} {name}: {wrong}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_takes_no_body_takes_no_member() {
    let scene = scene().await;
    let routes = [
        ("DELETE", node_path(A)),
        ("POST", user_path("u@x", "unassign")),
        ("POST", user_path("u@x", "retire")),
        ("POST", "/admin/v1/users/u%40x/retire".to_owned()),
    ];
    for (method, path) in routes {
        let body = json!({"dry_run": true}).to_string().into_bytes();
        let answer = scene.ask(method, &path, Some(("application/json", body))).await;
        assert_eq!(answer.code(), Code::InvalidRequest, "{method} {path}");
        for query in [
            "?dry_run=yes",
            "?dry_run",
            "?dry_run=true&dry_run=true",
            "?limit=1",
        ] {
            let answer = scene.ask(method, &format!("{path}{query}"), None).await;
            assert_eq!(
                answer.problem().errors[0].field,
                "query",
                "{method} {path}{query}"
            );
        }
    }
}

#[tokio::test]
async fn pages_have_bounds_and_cursors_are_their_own_service_s() {
    let scene = scene().await;
    scene.place(&["v@x"], A).await;
    let page = scene.get(&format!("{AT}/records?limit=1")).await.body;
    let next = page["next"].as_str().unwrap();
    scene.put("/admin/v1/services/other-1.0", &settings()).await;
    let foreign = scene
        .get(&format!("/admin/v1/services/other-1.0/records?after={next}"))
        .await;
    assert_eq!(foreign.problem().errors[0].field, "after");
    for query in [
        "limit=0",
        "limit=1001",
        "limit=-1",
        "limit=a",
        "after=",
        "after=!!",
        "after=AAAA",
        "page=1",
    ] {
        for what in ["records", "count"] {
            let problem = scene.get(&format!("{AT}/{what}?{query}")).await.problem();
            assert_eq!(problem.code, Code::InvalidRequest, "{what} {query}");
        }
    }
    let node = node_path(A);
    for (path, body) in [
        (format!("{node}/unassign"), json!({"limit": 0})),
        (format!("{node}/unassign"), json!({"limit": 1001})),
        (
            format!("{node}/unassign"),
            json!({"limit": 1, "share_basis_points": 0}),
        ),
        (
            format!("{node}/unassign"),
            json!({"limit": 1, "share_basis_points": 10_001}),
        ),
        (format!("{node}/unassign"), json!({"limit": 1, "after": "AAAA"})),
        (format!("{node}/move"), json!({"limit": 0})),
        (format!("{AT}/purge"), json!({"limit": 0, "grace_secs": 1})),
        (
            format!("{AT}/purge"),
            json!({"limit": 1, "grace_secs": 1, "after": next[1..].to_owned()}),
        ),
    ] {
        let problem = scene.post(&path, &body).await.problem();
        assert_eq!(
            (problem.code, problem.errors.len()),
            (Code::InvalidRequest, 1),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn paths_are_percent_encoded_and_lead_somewhere_or_nowhere() {
    let scene = scene().await;
    // Everything may be encoded, not only what has to be.
    let all = "https://a.example"
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect::<String>();
    assert_eq!(scene.get(&format!("{AT}/nodes/{all}")).await.status, 200);
    let table: [(&str, &str, String, Code); 13] = [
        ("no such path", "GET", "/admin/v1/nothing".into(), Code::NotFound),
        ("no version", "GET", "/admin/services".into(), Code::NotFound),
        ("the root", "GET", "/".into(), Code::NotFound),
        (
            "a trailing slash",
            "GET",
            "/admin/v1/services/".into(),
            Code::NotFound,
        ),
        (
            "a URL as it is",
            "GET",
            format!("{AT}/nodes/https://a.example"),
            Code::NotFound,
        ),
        ("no text", "GET", format!("{AT}/nodes/%FF"), Code::InvalidRequest),
        ("no URL", "GET", format!("{AT}/nodes/a"), Code::UnknownNode),
        (
            "no service",
            "GET",
            "/admin/v1/services/other-1.0/nodes".into(),
            Code::UnknownService,
        ),
        (
            "no key of a service",
            "GET",
            "/admin/v1/services/%2F/nodes".into(),
            Code::UnknownService,
        ),
        (
            "no user's key",
            "GET",
            format!("{AT}/users/u"),
            Code::InvalidRequest,
        ),
        (
            "a user of nobody",
            "GET",
            format!("{AT}/users/w%40x"),
            Code::UnknownUser,
        ),
        ("another method", "DELETE", AT.into(), Code::MethodNotAllowed),
        (
            "a method of nobody",
            "BREW",
            format!("{AT}/purge"),
            Code::MethodNotAllowed,
        ),
    ];
    for (name, method, path, code) in table {
        assert_eq!(scene.ask(method, &path, None).await.code(), code, "{name}");
    }
    let refused: Problem = scene.put("/admin/v1/services/sync", &settings()).await.problem();
    assert_eq!(refused.errors[0].field, "service");
}

#[tokio::test]
async fn every_route_of_a_service_says_that_it_is_unknown() {
    let scene = Scene::bare();
    let reads = [
        "",
        "/nodes",
        "/nodes/https%3A%2F%2Fa",
        "/records",
        "/count",
        "/users/u%40x",
    ];
    for path in reads {
        let answer = scene.get(&format!("{AT}{path}")).await;
        assert_eq!(answer.code(), Code::UnknownService, "{path}");
    }
    for (method, path, body) in bodies() {
        if path == AT || !path.starts_with(AT) {
            continue;
        }
        let bytes = body.to_string().into_bytes();
        let answer = scene.ask(method, &path, Some(("application/json", bytes))).await;
        assert_eq!(answer.code(), Code::UnknownService, "{method} {path}");
    }
    for what in ["unassign", "retire"] {
        let answer = scene.ask("POST", &user_path("u@x", what), None).await;
        assert_eq!(answer.code(), Code::UnknownService, "{what}");
    }
}
