//! Quota (`storage.md` 11): off by default, exact when on.

use http::StatusCode;

use super::bench::Bench;

#[tokio::test]
async fn usage_is_exact_without_a_quota() {
    let bench = Bench::new();
    let user = bench.user();
    let put = |id: &str, len: usize| {
        user.request("PUT", &format!("/storage/c/{id}"))
            .body(format!(r#"{{"payload":"{}"}}"#, "x".repeat(len)))
            .send()
    };
    let first = put("a", 3).await.ok();
    assert_eq!(first.header("x-weave-quota-remaining"), "");
    put("b", 500).await.ok();
    assert_eq!(
        user.get("/info/collection_usage").await.ok().body,
        r#"{"c":0.4912109375}"#
    );
    assert_eq!(user.get("/info/quota").await.ok().body, "[0.4912109375,null]");
    assert_eq!(user.get("/info/collection_counts").await.ok().body, r#"{"c":2}"#);
}

#[tokio::test]
async fn a_quota_counts_staged_bytes_and_frees_what_is_deleted() {
    let bench = Bench::with(|settings| settings.quota_bytes = Some(2048));
    let user = bench.user();
    let item = |id: &str, len: usize| format!(r#"{{"id":"{id}","payload":"{}"}}"#, "x".repeat(len));
    let first = user.put("/storage/c/a", &item("a", 1024)).await.ok();
    assert_eq!(first.header("x-weave-quota-remaining"), "1.00");
    assert_eq!(user.get("/info/quota").await.ok().body, "[1.0,2.0]");
    user.put("/storage/c/b", &item("b", 1025)).await.refused(403, 14);
    user.post("/storage/c", &format!("[{},{}]", item("b", 1000), item("c", 25)))
        .await
        .refused(403, 14);
    let staged = user
        .post("/storage/c?batch=true", &format!("[{}]", item("b", 1000)))
        .await
        .is(StatusCode::ACCEPTED);
    assert_eq!(staged.header("x-weave-quota-remaining"), "0.02");
    let batch = staged.json()["batch"].as_str().unwrap().to_owned();
    user.put("/storage/c/c", &item("c", 25)).await.refused(403, 14);
    user.post(
        &format!("/storage/c?batch={batch}"),
        &format!("[{}]", item("c", 25)),
    )
    .await
    .refused(403, 14);
    user.put("/storage/c/c", &item("c", 24)).await.ok();
    let committed = user
        .post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
        .await
        .ok();
    assert_eq!(committed.header("x-weave-quota-remaining"), "0.00");
    let freed = user.delete("/storage/c/a").await.ok();
    assert_eq!(freed.header("x-weave-quota-remaining"), "1.00");
    assert_eq!(
        user.delete("").await.ok().header("x-weave-quota-remaining"),
        "2.00"
    );
}

#[tokio::test]
async fn deletes_that_change_nothing_say_what_is_left_too() {
    let bench = Bench::with(|settings| settings.quota_bytes = Some(2048));
    let user = bench.user();
    user.put(
        "/storage/c/a",
        &format!(r#"{{"payload":"{}"}}"#, "x".repeat(1024)),
    )
    .await
    .ok();
    for path in [
        "/storage/c?ids=",
        "/storage/c?ids=none",
        "/storage/none",
        "/storage/none?ids=a",
    ] {
        let deleted = user.delete(path).await.ok();
        assert_eq!(deleted.header("x-weave-quota-remaining"), "1.00", "{path}");
    }
}
