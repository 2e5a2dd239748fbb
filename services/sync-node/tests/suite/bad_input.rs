//! The table of `storage.md` 19: each bad input gets its answer, changes nothing, and the node still serves.

use axum::body::Body;
use http::Request;
use tower::ServiceExt as _;

use super::bench::{Bench, NODE_URL, SECRET, UID};

#[tokio::test]
async fn strangers_are_refused_without_saying_why() {
    let bench = Bench::new();
    let user = bench.user();
    let path = "/info/collections";
    user.request("GET", path).unsigned().send().await.refused(401, 0);
    for header in [
        "Bearer x",
        "Hawk",
        "Hawk id=\"AAAA\", ts=\"1\", nonce=\"n\", mac=\"m\"",
        "Basic YTpi",
    ] {
        let call = user
            .request("GET", path)
            .unsigned()
            .header("authorization", header);
        call.send().await.refused(401, 0);
    }
    let of = |uid, secret, node, valid| bench.client_with(uid, secret, node, valid);
    of(UID, "another secret", NODE_URL, 300)
        .get(path)
        .await
        .refused(401, 0);
    of(UID, SECRET, "https://sync-2.example.com", 300)
        .get(path)
        .await
        .refused(401, 0);
    let other = of(UID + 1, SECRET, NODE_URL, 300);
    other
        .raw_request("GET", "/1.5/42/info/collections")
        .send()
        .await
        .refused(401, 0);
    other
        .raw_request("GET", "/1.5/0/info/collections")
        .send()
        .await
        .refused(401, 0);
    let body = r#"{"payload":"x"}"#;
    let hashed = |signed: &str| {
        user.request("PUT", "/storage/meta/global")
            .header("content-type", "text/plain")
            .hashed("text/plain", signed)
            .body(body)
            .send()
    };
    hashed("another body").await.refused(401, 0);
    user.get("/storage/meta/global").await.refused(404, 0);
    hashed(body).await.ok();
}

#[tokio::test]
async fn an_expired_token_only_asks_whether_there_is_anything_new() {
    let bench = Bench::new();
    bench.user().put("/storage/meta/global", "{}").await.ok();
    let late = bench.client_with(UID, SECRET, NODE_URL, -60);
    late.get("/info/collections").await.ok();
    late.request("HEAD", "/info/collections").send().await.ok();
    late.get("/info/quota").await.refused(401, 0);
    late.get("/storage/meta/global").await.refused(401, 0);
    late.get("/storage/info/collections").await.refused(401, 0);
    late.put("/storage/meta/global", "{}").await.refused(401, 0);
    let stale = bench.client_with(UID, SECRET, NODE_URL, -7201);
    stale.get("/info/collections").await.refused(401, 0);
}

#[tokio::test]
async fn unknown_places_and_methods() {
    let bench = Bench::new();
    let user = bench.user();
    for path in [
        "/nonexistent/url",
        "/info/collections/",
        "/storage/a$b",
        &format!("/storage/{}", "c".repeat(33)),
        &format!("/storage/c/{}", "X".repeat(65)),
    ] {
        user.get(path).await.refused(404, 0);
        user.request("GET", path).unsigned().send().await.refused(404, 0);
    }
    for (method, path, allowed) in [
        ("PATCH", "/storage/x", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("PUT", "/info/quota", "GET, HEAD, OPTIONS"),
        ("DELETE", "/info/collections", "GET, HEAD, OPTIONS"),
        ("GET", "", "DELETE, OPTIONS"),
        ("GET", "/storage", "DELETE, OPTIONS"),
        ("PUT", "/storage/c", "GET, HEAD, POST, DELETE, OPTIONS"),
        ("POST", "/storage/c/id", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("TRACE", "/storage/c/id", "GET, HEAD, PUT, DELETE, OPTIONS"),
    ] {
        let answer = user.request(method, path).unsigned().send().await.refused(405, 0);
        assert_eq!(answer.header("allow"), allowed, "{method} {path}");
    }
    for path in [
        "/",
        "/1.5",
        "/..%2f..%2fetc/passwd",
        "//1.5/42/storage",
        "/1.5/42/storage/c/%2e%2e/x/y",
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(
            bench.router().oneshot(request).await.unwrap().status(),
            404,
            "{path}"
        );
    }
}

#[tokio::test]
async fn malformed_queries_and_headers() {
    let bench = Bench::new();
    let user = bench.user();
    user.post("/storage/c", r#"[{"id":"a"}]"#).await.ok();
    let many_ids = format!("ids={}", vec!["x"; 101].join(","));
    let long_id = format!("ids={}", "X".repeat(65));
    for query in [
        "newer=abc",
        "older=-1",
        "limit=-1",
        "limit=x",
        "sort=up",
        "offset=!!",
        &many_ids,
        &long_id,
    ] {
        user.get(&format!("/storage/c?{query}")).await.refused(400, 0);
    }
    user.get(&format!("/storage/c?ids={}", vec!["x"; 100].join(",")))
        .await
        .ok();
    assert_eq!(user.get("/storage/c?blabla=1").await.ok().ids(), ["a"]);
    for query in [
        "newer=1",
        "older=1",
        "limit=1",
        "offset=x",
        "sort=newest",
        "full=1",
    ] {
        user.delete(&format!("/storage/c?{query}")).await.refused(400, 0);
    }
    for (name, value) in [
        ("x-if-modified-since", "-3"),
        ("x-if-modified-since", "abc"),
        ("x-if-unmodified-since", ""),
    ] {
        user.request("GET", "/storage/c")
            .header(name, value)
            .send()
            .await
            .refused(400, 0);
    }
    let both = user
        .request("PUT", "/storage/c/b")
        .header("x-if-modified-since", "1")
        .header("x-if-unmodified-since", "1");
    both.body("{}").send().await.refused(400, 0);
    let accept = |value| user.request("GET", "/storage/c").header("accept", value).send();
    accept("x/yy").await.refused(406, 0);
    user.request("GET", "/storage/c/a")
        .header("accept", "x/yy")
        .send()
        .await
        .ok();
    assert_eq!(user.get("/storage/c").await.ok().ids(), ["a"]);
}

#[tokio::test]
async fn bodies_nobody_can_store() {
    let bench = Bench::new();
    let user = bench.user();
    let zero_iv = r#"{"payload":"{\"IV\":\"AAAAAAAAAAAAAAAAAAAAAA==\"}"}"#;
    let puts = [
        (r#""notabso""#, 8),
        ("42", 8),
        (r#"{"payload":42}"#, 8),
        (r#"{"ttl":"eh"}"#, 8),
        (r#"{"ttl":-1}"#, 8),
        (r#"{"sortindex":"2.6"}"#, 8),
        (r#"{"sortindex":1000000000}"#, 8),
        (r#"{"unexpected":1}"#, 8),
        (r#"{"id":["1"]}"#, 8),
        (r#"{"id":"other"}"#, 8),
        (zero_iv, 8),
        (r#"{"payload":"#, 6),
        ("[[[[[[[[[1]]]]]]]]]", 6),
        ("", 6),
    ];
    for (body, number) in puts {
        user.put("/storage/crypto/keys", body).await.refused(400, number);
    }
    let posts = [
        (r#""x""#, 8),
        ("{}", 8),
        (r#"[{"id":"a"},"BAD"]"#, 8),
        (r#"[{"payload":"no id"}]"#, 8),
        (r#"[{"id":"a"},{"id":"a"}]"#, 8),
        ("[{", 6),
        ("", 6),
    ];
    for (body, number) in posts {
        user.post("/storage/crypto", body).await.refused(400, number);
    }
    user.request("PUT", "/storage/crypto/keys")
        .body(b"{\"payload\":\"\xff\"}")
        .send()
        .await
        .refused(400, 6);
    let octets = user
        .request("POST", "/storage/crypto")
        .header("content-type", "application/octet-stream");
    octets.body("[]").send().await.refused(415, 0);
    let latin = user
        .request("PUT", "/storage/crypto/keys")
        .header("content-type", "application/json; charset=latin1");
    latin.body("{}").send().await.refused(415, 0);
    let gzip = user
        .request("PUT", "/storage/crypto/keys")
        .header("content-encoding", "gzip");
    gzip.body("{}").send().await.refused(415, 0);
    assert_eq!(user.get("/info/collections").await.ok().body, "{}");
    user.put("/storage/elsewhere/keys", zero_iv).await.ok();
}

#[tokio::test]
async fn bodies_too_large_are_refused_before_they_are_read() {
    let bench = Bench::new();
    let user = bench.user();
    let endless = Body::from_stream(futures_util::stream::pending::<
        Result<bytes::Bytes, std::io::Error>,
    >());
    let signed = user
        .request("POST", "/storage/c")
        .header("content-length", "2686977")
        .start()
        .await;
    assert_eq!(signed.status(), 413);
    drop(endless);
    let large = format!(r#"{{"payload":"{}"}}"#, "x".repeat(2_621_441));
    user.put("/storage/c/a", &large).await.refused(413, 17);
    let fits = format!(r#"{{"payload":"{}"}}"#, "x".repeat(2_621_440));
    user.put("/storage/c/a", &fits).await.ok();
    let too_long = " ".repeat(2_686_977);
    user.post("/storage/c", &too_long).await.refused(413, 17);
}

#[tokio::test]
async fn announced_sizes_are_held_against_the_limits() {
    let bench = Bench::new();
    let user = bench.user();
    let post = |query: &str, name: &str, value: &str| {
        user.request("POST", &format!("/storage/c{query}"))
            .header(name, value)
            .body("[]")
            .send()
    };
    post("?batch=true", "x-weave-total-bytes", "262144000")
        .await
        .is(http::StatusCode::ACCEPTED);
    post("?batch=true", "x-weave-total-bytes", "262144001")
        .await
        .refused(400, 17);
    post("?batch=true", "x-weave-total-bytes", "x")
        .await
        .refused(400, 1);
    post("?batch=true", "x-weave-total-records", "10001")
        .await
        .refused(400, 17);
    post("", "x-weave-total-records", "1").await.refused(400, 1);
    post("", "x-weave-records", "101").await.refused(400, 17);
    post("", "x-weave-bytes", "2621441").await.refused(400, 17);
    post("", "x-weave-bytes", "-1").await.refused(400, 1);
    for query in ["?batch=sammich", "?commit=true", "?batch=true&commit=yes"] {
        user.post(&format!("/storage/c{query}"), "[]")
            .await
            .refused(400, 0);
    }
}

#[tokio::test]
async fn a_refusal_shows_the_earliest_check_that_failed() {
    let bench = Bench::new();
    let user = bench.user();
    user.put("/storage/c/a", "{}").await.ok();
    // Method before sender, sender before size, size before media, media before syntax, syntax before body, body
    // before precondition.
    user.request("PATCH", "/storage/c")
        .unsigned()
        .header("content-length", "9999999")
        .send()
        .await
        .refused(405, 0);
    user.request("POST", "/storage/c")
        .unsigned()
        .header("content-length", "9999999")
        .send()
        .await
        .refused(401, 0);
    let call = user
        .request("POST", "/storage/c?batch=sammich")
        .header("content-type", "a/b")
        .header("content-length", "9999999");
    call.send().await.refused(413, 17);
    user.request("POST", "/storage/c?batch=sammich")
        .header("content-type", "a/b")
        .body("{")
        .send()
        .await
        .refused(415, 0);
    user.request("POST", "/storage/c?batch=sammich")
        .body("{")
        .send()
        .await
        .refused(400, 0);
    user.request("GET", "/storage/c?limit=x")
        .header("accept", "x/yy")
        .header("x-if-modified-since", "abc")
        .send()
        .await
        .refused(406, 0);
    let call = |body| {
        user.request("POST", "/storage/c")
            .header("x-if-unmodified-since", "0")
            .body(body)
            .send()
    };
    call("{").await.refused(400, 6);
    call("[]").await.refused(412, 0);
}
