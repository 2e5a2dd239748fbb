//! Batches (`storage.md` 10).

use http::StatusCode;

use super::bench::{Answer, Bench, Client};

async fn open(user: &Client, body: &str) -> (String, Answer) {
    let answer = user
        .post("/storage/c?batch=true", body)
        .await
        .is(StatusCode::ACCEPTED);
    (answer.json()["batch"].as_str().unwrap().to_owned(), answer)
}

#[tokio::test]
async fn staged_items_appear_together_at_the_commit() {
    let bench = Bench::new();
    let user = bench.user();
    let (batch, opened) = open(&user, r#"[{"id":"a","payload":"1"},{"id":"A\n"}]"#).await;
    assert_eq!(opened.time(), "0.00");
    assert_eq!(
        opened.body,
        format!(r#"{{"batch":"{batch}","success":["a"],"failed":{{"A\n":"invalid id"}}}}"#)
    );
    let appended = user
        .post(
            &format!("/storage/c?batch={batch}"),
            r#"[{"id":"b","payload":"2"}]"#,
        )
        .await;
    let appended = appended.is(StatusCode::ACCEPTED);
    assert_eq!(appended.json()["batch"], batch);
    assert_eq!(user.get("/info/collections").await.ok().body, "{}");
    assert_eq!(user.get("/storage/c").await.ok().body, "[]");
    assert_eq!(user.get("/info/quota").await.ok().body, "[0.0,null]");
    bench.advance_ms(2000);
    let committed = user
        .post(
            &format!("/storage/c?batch={batch}&commit=true"),
            r#"[{"id":"z","payload":"3"}]"#,
        )
        .await
        .ok();
    assert_eq!(
        committed.body,
        format!(
            r#"{{"modified":{},"success":["z"],"failed":{{}}}}"#,
            committed.time()
        )
    );
    let all = user.get("/storage/c?full=1&sort=oldest").await.ok();
    assert_eq!(all.ids(), ["a", "b", "z"]);
    let modified = format!("\"modified\":{},", committed.time());
    assert_eq!(all.body.matches(&modified).count(), 3);
    assert_eq!(all.time(), committed.time());
    user.post(&format!("/storage/c?batch={batch}"), "[]")
        .await
        .refused(400, 0);
    user.post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
        .await
        .refused(400, 0);
}

#[tokio::test]
async fn fields_merge_over_requests_and_over_what_is_stored() {
    let bench = Bench::new();
    let user = bench.user();
    let stored = user
        .put("/storage/c/x", r#"{"payload":"stored","sortindex":5}"#)
        .await
        .ok();
    user.put("/storage/c/ttl", r#"{"payload":"keeps its time"}"#)
        .await
        .ok();
    let ttl_time = user.get("/storage/c/ttl").await.ok().time().to_owned();
    bench.advance_ms(1000);
    let (batch, opened) = open(
        &user,
        r#"[{"id":"x","payload":"first"},{"id":"y","payload":"gone","sortindex":1},{"id":"ttl","ttl":60}]"#,
    )
    .await;
    assert_eq!(opened.time(), ttl_time);
    user.post(
        &format!("/storage/c?batch={batch}"),
        r#"[{"id":"x","sortindex":null},{"id":"y","payload":null}]"#,
    )
    .await;
    user.post(
        &format!("/storage/c?batch={batch}&commit=true"),
        r#"[{"id":"y","sortindex":2}]"#,
    )
    .await
    .ok();
    let x = user.get("/storage/c/x").await.ok();
    assert_eq!(
        (x.json()["payload"].as_str(), x.json().get("sortindex")),
        (Some("first"), None)
    );
    assert!(x.time() > stored.time());
    let y = user.get("/storage/c/y").await.ok().json();
    assert_eq!(
        (y["payload"].as_str(), y["sortindex"].as_i64()),
        (Some(""), Some(2))
    );
    let ttl = user.get("/storage/c/ttl").await.ok();
    assert_eq!(
        (ttl.time(), ttl.json()["payload"].as_str()),
        (ttl_time.as_str(), Some("keeps its time"))
    );
    bench.advance_ms(61_000);
    user.get("/storage/c/ttl").await.refused(404, 0);
}

#[tokio::test]
async fn a_ttl_counts_from_the_commit() {
    let bench = Bench::new();
    let user = bench.user();
    bench.advance_ms(-90);
    let (batch, _) = open(&user, r#"[{"id":"a","ttl":3}]"#).await;
    bench.advance_ms(1500);
    user.post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
        .await
        .ok();
    bench.advance_ms(2990);
    user.get("/storage/c/a").await.ok();
    bench.advance_ms(10);
    user.get("/storage/c/a").await.refused(404, 0);
}

#[tokio::test]
async fn a_batch_belongs_to_one_user_and_one_collection_for_two_hours() {
    let bench = Bench::new();
    let user = bench.user();
    let (batch, _) = open(&user, r#"[{"id":"a"}]"#).await;
    let stranger = bench.client(44);
    for suffix in ["", "&commit=true"] {
        user.post(&format!("/storage/d?batch={batch}{suffix}"), "[]")
            .await
            .refused(400, 0);
        stranger
            .post(&format!("/storage/c?batch={batch}{suffix}"), "[]")
            .await
            .refused(400, 0);
        user.post(&format!("/storage/c?batch=AAAAAAAAAAAAAAAAAAAAAA{suffix}"), "[]")
            .await
            .refused(400, 0);
        user.post(&format!("/storage/c?batch={batch}{suffix}"), "{}")
            .await
            .refused(400, 8);
        user.post(&format!("/storage/c?batch={batch}{suffix}"), "")
            .await
            .refused(400, 6);
    }
    bench.advance_ms(2 * 3_600_000 - 10);
    let user = bench.user();
    user.post(&format!("/storage/c?batch={batch}"), "[]")
        .await
        .is(StatusCode::ACCEPTED);
    bench.advance_ms(10);
    user.post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
        .await
        .refused(400, 0);
}

#[tokio::test]
async fn the_fifty_first_batch_drops_the_oldest() {
    let bench = Bench::new();
    let user = bench.user();
    let mut batches = Vec::new();
    for _ in 0..51 {
        batches.push(open(&user, "[]").await.0);
        bench.advance_ms(10);
    }
    user.post(&format!("/storage/c?batch={}", batches[0]), "[]")
        .await
        .refused(400, 0);
    user.post(&format!("/storage/c?batch={}", batches[1]), "[]")
        .await
        .is(StatusCode::ACCEPTED);
    user.post(&format!("/storage/c?batch={}", batches[50]), "[]")
        .await
        .is(StatusCode::ACCEPTED);
}

#[tokio::test]
async fn totals_are_counted_by_the_node_and_a_refused_request_leaves_the_batch_as_it_was() {
    let bench = Bench::with(|settings| {
        settings.limits.max_total_records = 3;
        settings.limits.max_total_bytes = 10;
    });
    let user = bench.user();
    let (batch, _) = open(&user, r#"[{"id":"a","payload":"12345"},{"id":"b"}]"#).await;
    let append = |suffix: &str, body: &str| {
        let (user, path, body) = (
            user.clone(),
            format!("/storage/c?batch={batch}{suffix}"),
            body.to_owned(),
        );
        async move { user.post(&path, &body).await }
    };
    append("", r#"[{"id":"c"},{"id":"d"}]"#).await.refused(400, 17);
    append("", r#"[{"id":"a","payload":"12345678901"}]"#)
        .await
        .refused(400, 17);
    append("&commit=true", r#"[{"id":"c","payload":"123456"}]"#)
        .await
        .refused(400, 17);
    append("", r#"[{"id":"a","payload":"1234567890"}]"#)
        .await
        .is(StatusCode::ACCEPTED);
    append(
        "",
        r#"[{"id":"a","payload":"1"},{"id":"c","payload":"123456789"}]"#,
    )
    .await
    .is(StatusCode::ACCEPTED);
    append("&commit=true", "[]").await.ok();
    let all = user.get("/storage/c?full=1&sort=index").await.ok().json();
    let payloads: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["payload"].as_str().unwrap())
        .collect();
    assert_eq!(payloads, ["1", "", "123456789"]);
}

#[tokio::test]
async fn no_batch_survives_the_deletion_of_its_collection() {
    let bench = Bench::new();
    let user = bench.user();
    for path in ["/storage/c", "/storage", ""] {
        let (batch, _) = open(&user, r#"[{"id":"a","payload":"1"}]"#).await;
        user.delete(path).await.ok();
        user.post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
            .await
            .refused(400, 0);
        assert_eq!(user.get("/info/collections").await.ok().body, "{}", "{path}");
    }
}

#[tokio::test]
async fn a_batch_replaces_payloads_and_the_old_ones_leave_the_files() {
    let bench = Bench::new();
    let user = bench.user();
    user.post(
        "/storage/c",
        r#"[{"id":"a","payload":"old a"},{"id":"b","payload":"old b"}]"#,
    )
    .await
    .ok();
    let (batch, _) = open(&user, r#"[{"id":"a","payload":"new"},{"id":"b","payload":null}]"#).await;
    user.post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
        .await
        .ok();
    assert_eq!(
        user.get("/info/collection_usage").await.ok().body,
        r#"{"c":0.0029296875}"#
    );
    bench.node().sweep().await.unwrap();
    let all = user.get("/storage/c?full=1&sort=index").await.ok().json();
    assert_eq!(
        (all[0]["payload"].as_str(), all[1]["payload"].as_str()),
        (Some("new"), Some(""))
    );
}
