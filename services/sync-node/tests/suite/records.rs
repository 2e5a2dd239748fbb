//! Single BSOs: fields, expiry, times, preconditions, deletes (`storage.md` 5, 6, 7, 9).

use super::bench::Bench;

#[tokio::test]
async fn absent_keeps_null_resets_and_a_ttl_alone_keeps_the_time() {
    let bench = Bench::new();
    let user = bench.user();
    let path = "/storage/c/a";
    let first = user
        .put(path, r#"{"payload":"p","sortindex":7,"ttl":1000}"#)
        .await
        .ok();
    bench.advance_ms(1000);
    let touched = user.put(path, r#"{"ttl":2000}"#).await.ok();
    let read = user.get(path).await.ok();
    assert_eq!(read.time(), first.time());
    assert_eq!(user.get("/storage/c").await.ok().time(), touched.time());
    assert_eq!(read.json()["sortindex"], 7);
    bench.advance_ms(1000);
    let cleared = user.put(path, r#"{"payload":null,"sortindex":null}"#).await.ok();
    let read = user.get(path).await.ok();
    assert_eq!(
        read.body,
        format!(r#"{{"id":"a","modified":{},"payload":""}}"#, cleared.time())
    );
    assert_eq!(user.get("/info/collection_usage").await.ok().body, r#"{"c":0.0}"#);
}

#[tokio::test]
async fn an_expired_bso_is_absent_in_every_respect() {
    let bench = Bench::new();
    let user = bench.user();
    bench.advance_ms(40);
    // Written at .13 with two seconds to live.
    user.put("/storage/c/a", r#"{"payload":"old","sortindex":7,"ttl":2}"#)
        .await
        .ok();
    user.put("/storage/c/never", r#"{"payload":"x","ttl":0}"#)
        .await
        .ok();
    user.get("/storage/c/never").await.refused(404, 0);
    bench.advance_ms(1990);
    user.get("/storage/c/a").await.ok();
    bench.advance_ms(10);
    user.get("/storage/c/a").await.refused(404, 0);
    user.delete("/storage/c/a").await.refused(404, 0);
    assert_eq!(user.get("/storage/c").await.ok().body, "[]");
    assert_eq!(user.get("/storage/c?ids=a").await.ok().body, "[]");
    assert_eq!(user.get("/info/collection_counts").await.ok().body, r#"{"c":0}"#);
    assert_eq!(user.get("/info/collection_usage").await.ok().body, r#"{"c":0.0}"#);
    assert_eq!(user.get("/info/quota").await.ok().body, "[0.0,null]");
    let fresh = user
        .request("PUT", "/storage/c/a")
        .header("x-if-unmodified-since", "0")
        .body(r#"{"ttl":9}"#)
        .send()
        .await
        .ok();
    let read = user.get("/storage/c/a").await.ok();
    assert_eq!(
        read.body,
        format!(r#"{{"id":"a","modified":{},"payload":""}}"#, fresh.time())
    );
}

#[tokio::test]
async fn sweeping_changes_nothing_anybody_sees() {
    let bench = Bench::new();
    let user = bench.user();
    user.put("/storage/c/a", r#"{"payload":"old","ttl":2}"#)
        .await
        .ok();
    user.put("/storage/c/b", r#"{"payload":"stays"}"#).await.ok();
    user.put("/storage/d/x", r#"{"payload":"deleted"}"#).await.ok();
    user.post("/storage/c?batch=true", r#"[{"id":"s","payload":"staged"}]"#)
        .await;
    user.delete("/storage/d").await.ok();
    bench.advance_ms(3 * 3_600_000);
    let user = bench.user();
    let before = user.get("/info/collections").await.ok();
    assert!(bench.node().sweep().await.unwrap() >= 3);
    assert_eq!(bench.node().sweep().await.unwrap(), 0);
    let after = user.get("/info/collections").await.ok();
    assert_eq!(
        (after.body, after.headers["x-last-modified"].clone()),
        (before.body, before.headers["x-last-modified"].clone())
    );
    assert_eq!(
        user.get("/storage/c?full=1").await.ok().json()[0]["payload"],
        "stays"
    );
    assert_eq!(
        user.get("/info/collection_usage").await.ok().body,
        r#"{"c":0.0048828125}"#
    );
}

#[tokio::test]
async fn every_read_and_write_honours_its_resources_time() {
    let bench = Bench::new();
    let user = bench.user();
    let one = user.put("/storage/c/a", r#"{"payload":"1"}"#).await.ok().body;
    bench.advance_ms(1000);
    let two = user.put("/storage/c/b", r#"{"payload":"2"}"#).await.ok().body;
    let reads = [
        ("/storage/c/a", one.as_str()),
        ("/storage/c", &two),
        ("/info/collections", &two),
        ("/info/collection_counts", &two),
        ("/info/collection_usage", &two),
        ("/info/quota", &two),
        ("/storage/absent", "0.00"),
    ];
    for (path, time) in reads {
        let since = |name: &str, value: &str| user.request("GET", path).header(name, value).send();
        let unchanged = since("x-if-modified-since", time).await;
        assert_eq!(
            (unchanged.status, unchanged.body.as_str(), unchanged.time()),
            (304, "", time),
            "{path}"
        );
        assert_eq!(unchanged.header("content-type"), "");
        since("x-if-unmodified-since", time).await.ok();
        if time != "0.00" {
            since("x-if-modified-since", "1").await.ok();
            assert_eq!(
                since("x-if-unmodified-since", "1").await.refused(412, 0).time(),
                time,
                "{path}"
            );
        }
    }
    let absent = user
        .request("GET", "/storage/c/none")
        .header("x-if-modified-since", "0")
        .send()
        .await;
    assert_eq!((absent.status, absent.time()), (304, "0.00"));
    let write = |method, path: &str| user.request(method, path).header("x-if-unmodified-since", &one);
    write("PUT", "/storage/c/b")
        .body("{}")
        .send()
        .await
        .refused(412, 0);
    write("POST", "/storage/c")
        .body("[]")
        .send()
        .await
        .refused(412, 0);
    write("POST", "/storage/c?batch=true")
        .body("[]")
        .send()
        .await
        .refused(412, 0);
    write("DELETE", "/storage/c/b").send().await.refused(412, 0);
    write("DELETE", "/storage/c?ids=a").send().await.refused(412, 0);
    write("DELETE", "/storage/c").send().await.refused(412, 0);
    write("DELETE", "/storage").send().await.refused(412, 0);
    write("DELETE", "").send().await.refused(412, 0);
    assert_eq!(user.get("/info/collections").await.ok().time(), two);
    write("PUT", "/storage/c/a").body("{}").send().await.ok();
    let configuration = user
        .request("GET", "/info/configuration")
        .header("x-if-unmodified-since", "0")
        .send()
        .await
        .ok();
    assert_eq!(configuration.time(), "0.00");
}

#[tokio::test]
async fn a_javascript_number_is_as_good_as_our_own_text() {
    let bench = Bench::new();
    let user = bench.user();
    bench.advance_ms(10);
    assert_eq!(user.put("/storage/c/a", "{}").await.ok().body, "1510726400.10");
    let since = |value: &str| {
        user.request("PUT", "/storage/c/a")
            .header("x-if-unmodified-since", value)
            .body(r#"{"payload":"x"}"#)
            .send()
    };
    since("1510726400.1").await.ok();
    since("1510726400.1").await.refused(412, 0);
    since("1.51072640011e9").await.ok();
}

#[tokio::test]
async fn ids_may_hold_anything_printable() {
    let bench = Bench::new();
    let user = bench.user();
    for (path, id) in [
        ("a%2Fb", "a/b"),
        ("%7Bx%7D,%20y", "{x}, y"),
        ("%25", "%"),
        ("~", "~"),
    ] {
        user.put(&format!("/storage/c/{path}"), "{}").await.ok();
        assert_eq!(
            user.get(&format!("/storage/c/{path}")).await.ok().json()["id"],
            id
        );
    }
    assert_eq!(
        user.get("/storage/c?sort=index").await.ok().ids(),
        ["%", "a/b", "{x}, y", "~"]
    );
}

#[tokio::test]
async fn deletes_say_when() {
    let bench = Bench::new();
    let user = bench.user();
    let t1 = user
        .post(
            "/storage/c",
            r#"[{"id":"a","payload":"1"},{"id":"b","payload":"2"}]"#,
        )
        .await
        .ok();
    let modified = |time: &str| format!("{{\"modified\":{time}}}");
    let one = user.delete("/storage/c/a").await.ok();
    assert!(one.time() > t1.time());
    assert_eq!(one.body, modified(one.time()));
    user.delete("/storage/c/a").await.refused(404, 0);
    let none = user.delete("/storage/c?ids=zzz").await.ok();
    assert!(
        none.time() > one.time(),
        "the collection moves even if nothing matched"
    );
    let nothing = user.delete("/storage/c?ids=").await.ok();
    assert_eq!(nothing.body, modified(none.time()));
    assert_eq!(
        user.get("/info/collections").await.ok().body,
        format!("{{\"c\":{}}}", none.time())
    );
    for path in ["/storage/unknown", "/storage/unknown?ids=a"] {
        assert_eq!(user.delete(path).await.ok().body, modified(none.time()), "{path}");
    }
    let all = user.delete("/storage/c").await.ok();
    let info = user.get("/info/collections").await.ok();
    assert_eq!((info.body.as_str(), info.time()), ("{}", all.time()));
    assert_eq!(user.get("/storage/c").await.ok().time(), "0.00");
    let stranger = bench.client(7);
    stranger.delete("/storage").await.ok();
}

#[tokio::test]
async fn an_emptied_collection_still_exists() {
    let bench = Bench::new();
    let user = bench.user();
    user.put("/storage/c/a", "{}").await.ok();
    let emptied = user.delete("/storage/c/a").await.ok();
    assert_eq!(
        user.get("/info/collections").await.ok().body,
        format!("{{\"c\":{}}}", emptied.time())
    );
    assert_eq!(user.get("/storage/c").await.ok().time(), emptied.time());
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let bench = Bench::new();
    let user = bench.user();
    user.put("/storage/c/a", r#"{"payload":"x"}"#).await.ok();
    for path in [
        "/storage/c/a",
        "/storage/c?full=1",
        "/info/collections",
        "/info/quota",
    ] {
        let get = user.get(path).await.ok();
        let head = user.request("HEAD", path).send().await;
        assert_eq!(
            (head.status, head.body.as_str(), head.time()),
            (200, "", get.time()),
            "{path}"
        );
    }
    assert_eq!(user.request("HEAD", "/storage/c/none").send().await.status, 404);
}

#[tokio::test]
async fn uploads_report_each_element() {
    let bench = Bench::new();
    let user = bench.user();
    let body = r#"[{"id":"good","payload":"1"},{"id":"A\nB"},{"id":"t","ttl":1000000000},{"id":"ok","ttl":999999999}]"#;
    let answer = user.post("/storage/c", body).await.ok();
    let expected = format!(
        r#"{{"modified":{},"success":["good","ok"],"failed":{{"A\nB":"invalid id","t":"invalid ttl"}}}}"#,
        answer.time()
    );
    assert_eq!(answer.body, expected);
    let items: Vec<String> = (0..105).map(|n| format!(r#"{{"id":"b{n}"}}"#)).collect();
    let answer = user
        .post("/storage/d", &format!("[{}]", items.join(",")))
        .await
        .ok()
        .json();
    assert_eq!(answer["success"].as_array().unwrap().len(), 100);
    assert_eq!(answer["failed"].as_object().unwrap().len(), 5);
    assert_eq!(answer["failed"]["b104"], "retry bso");
    let lines = user
        .request("POST", "/storage/e")
        .header("content-type", "application/newlines");
    let lines = lines.body("{\"id\":\"a\"}\n{\"id\":\"b\"}\n").send().await.ok();
    assert_eq!(lines.json()["success"].as_array().unwrap().len(), 2);
    let before = user.get("/storage/e").await.ok();
    let empty = user.post("/storage/e", "[]").await.ok();
    assert!(
        empty.time() > before.time(),
        "the collection moves even with no item"
    );
}

#[tokio::test]
async fn users_do_not_see_each_other() {
    let bench = Bench::new();
    for uid in 1..20 {
        bench
            .client(uid)
            .put("/storage/c/a", &format!(r#"{{"payload":"of {uid}"}}"#))
            .await
            .ok();
    }
    bench.client(3).delete("/storage").await.ok();
    for uid in (1..20).filter(|uid| *uid != 3) {
        let read = bench.client(uid).get("/storage/c?full=1").await.ok();
        assert_eq!(read.json()[0]["payload"], format!("of {uid}"));
    }
}
