//! What an unmodified Firefox and the mobile client do (`storage.md` 21), in their order.

use http::StatusCode;

use super::bench::Bench;

#[tokio::test]
async fn a_fresh_account_finds_an_empty_node_and_uploads_everything() {
    let bench = Bench::new();
    let user = bench.user();
    let info = user.get("/info/collections").await.ok();
    assert_eq!(
        (info.body.as_str(), info.time(), info.header("x-weave-records")),
        ("{}", "0.00", "0")
    );
    let configuration = user.get("/info/configuration").await.ok();
    assert_eq!(configuration.time(), "0.00");
    let limits = configuration.json();
    assert_eq!(limits["max_post_bytes"], 2_621_440);
    assert_eq!(limits.as_object().unwrap().len(), 6);
    user.get("/storage/meta/global").await.refused(404, 0);
    let wiped = user
        .request("DELETE", "/storage")
        .header("x-confirm-delete", "1")
        .send()
        .await
        .ok();
    assert_eq!(wiped.body, format!("{{\"modified\":{}}}", wiped.time()));
    let only_if_absent = |path: &str, body: &str| {
        user.request("PUT", path)
            .header("content-type", "text/plain")
            .header("x-if-unmodified-since", "0")
            .body(body)
            .send()
    };
    let meta = only_if_absent(
        "/storage/meta/global",
        r#"{"id":"global","payload":"{\"syncID\":\"x\"}"}"#,
    )
    .await
    .ok();
    assert_eq!(meta.body, meta.time());
    let keys = only_if_absent(
        "/storage/crypto/keys",
        r#"{"id":"keys","payload":"{\"IV\":\"abc==\"}"}"#,
    )
    .await
    .ok();
    only_if_absent("/storage/crypto/keys", r#"{"payload":"again"}"#)
        .await
        .refused(412, 0);
    let info = user.get("/info/collections").await.ok();
    assert_eq!(
        info.body,
        format!("{{\"crypto\":{},\"meta\":{}}}", keys.body, meta.body)
    );
    let read = user.get("/storage/crypto/keys").await.ok();
    assert_eq!(read.time(), keys.body);
    let expected = format!(
        r#"{{"id":"keys","modified":{},"payload":"{{\"IV\":\"abc==\"}}"}}"#,
        keys.body
    );
    assert_eq!(read.body, expected);
}

#[tokio::test]
async fn an_engine_wipes_uploads_in_one_request_and_downloads_what_is_newer() {
    let bench = Bench::new();
    let user = bench.user();
    user.delete("/storage/bookmarks").await.ok();
    let upload = user.request("POST", "/storage/bookmarks?batch=true&commit=true");
    let upload = upload
        .header("content-type", "text/plain")
        .header("x-if-unmodified-since", "0.00");
    let upload = upload
        .body(r#"[{"id":"a","payload":"1","sortindex":3},{"id":"b","payload":"2"}]"#)
        .send()
        .await
        .ok();
    let expected = format!(
        r#"{{"modified":{},"success":["a","b"],"failed":{{}}}}"#,
        upload.time()
    );
    assert_eq!(upload.body, expected);
    let first = upload.time().to_owned();
    bench.advance_ms(5000);
    user.post(
        "/storage/bookmarks?batch=true&commit=true",
        r#"[{"id":"c","payload":"3"}]"#,
    )
    .await
    .ok();
    let newer = user.request(
        "GET",
        &format!("/storage/bookmarks?full=1&newer={first}&limit=1000"),
    );
    let newer = newer
        .header("accept", "application/json;q=0.9,*/*;q=0.2")
        .send()
        .await
        .ok();
    assert_eq!(newer.ids(), ["c"]);
    assert_eq!(
        (
            newer.header("x-weave-records"),
            newer.header("x-weave-next-offset")
        ),
        ("1", "")
    );
    let backfill = user
        .get("/storage/bookmarks?full=1&ids=a,b&sort=newest")
        .await
        .ok();
    assert_eq!(backfill.ids(), ["b", "a"]);
    user.delete("/storage/bookmarks?ids=a,c,zzz").await.ok();
    assert_eq!(user.get("/storage/bookmarks").await.ok().ids(), ["b"]);
}

#[tokio::test]
async fn the_mobile_client_wipes_on_the_base_url() {
    let bench = Bench::new();
    let user = bench.user();
    user.request("PUT", "/storage/tabs/x")
        .header("content-type", "application/json")
        .body(r#"{"payload":"t"}"#)
        .send()
        .await
        .ok();
    let before = user.get("/info/collections").await.ok();
    let wiped = user.delete("").await.ok();
    assert!(wiped.time() > before.time());
    let after = user.get("/info/collections").await.ok();
    assert_eq!((after.body.as_str(), after.time()), ("{}", wiped.time()));
    user.get("/storage/tabs/x").await.refused(404, 0);
}

#[tokio::test]
async fn a_node_under_a_path_serves_there_and_nowhere_else() {
    let bench = Bench::at("https://sync-1.example.com/sync", |_| {});
    let user = bench.user();
    user.put("/storage/meta/global", "{}").await.ok();
    let info = user.get("/info/collections").await.ok();
    assert!(info.body.starts_with("{\"meta\":"));
    let outside = tower::ServiceExt::oneshot(
        bench.router(),
        http::Request::get("/1.5/42/info/collections")
            .body(axum::body::Body::empty())
            .unwrap(),
    );
    assert_eq!(outside.await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_clock_may_stand_still_or_step_back() {
    let bench = Bench::new();
    let user = bench.user();
    bench.advance_ms(30);
    assert_eq!(
        user.put("/storage/meta/global", "{}").await.ok().body,
        "1510726400.12"
    );
    bench.advance_ms(-30);
    let second = user.put("/storage/clients/x", "{}").await.ok();
    assert_eq!(
        (second.body.as_str(), second.header("x-weave-timestamp")),
        ("1510726400.13", "1510726400.13")
    );
    assert_eq!(
        user.put("/storage/clients/y", "{}").await.ok().body,
        "1510726400.14"
    );
    bench.advance_ms(-3_700_000);
    user.put("/storage/clients/z", "{}").await.refused(503, 0);
    assert_eq!(user.get("/info/collections").await.ok().time(), "1510726400.14");
}
