//! Lists: filters, orders, paging, formats, large answers (`storage.md` 8).

use foxhold_sqlite::rusqlite::Connection;
use http_body_util::BodyExt as _;

use super::bench::{Bench, Client};

/// Five items over three ticks, two pairs in one tick each.
async fn fill(bench: &Bench) -> (Client, [String; 3]) {
    let user = bench.user();
    let mut times = Vec::new();
    for body in [
        r#"[{"id":"a","payload":"1","sortindex":1},{"id":"b","payload":"2","sortindex":9}]"#,
        r#"[{"id":"c","payload":"3"},{"id":"d","payload":"4","sortindex":1}]"#,
        r#"[{"id":"e","payload":"5"}]"#,
    ] {
        times.push(user.post("/storage/c", body).await.ok().time().to_owned());
        bench.advance_ms(1000);
    }
    (user, times.try_into().unwrap())
}

#[tokio::test]
async fn filters_and_orders() {
    let bench = Bench::new();
    let (user, [t1, t2, t3]) = fill(&bench).await;
    let table = [
        ("".to_owned(), vec!["e", "d", "c", "b", "a"]),
        ("?sort=newest".into(), vec!["e", "d", "c", "b", "a"]),
        ("?sort=oldest".into(), vec!["a", "b", "c", "d", "e"]),
        ("?sort=index".into(), vec!["b", "a", "d", "c", "e"]),
        (format!("?newer={t1}"), vec!["e", "d", "c"]),
        (format!("?older={t3}"), vec!["d", "c", "b", "a"]),
        (format!("?newer={t1}&older={t3}&sort=oldest"), vec!["c", "d"]),
        (format!("?newer={t2}5"), vec!["e"]),
        ("?ids=e,a,zzz".into(), vec!["e", "a"]),
        (format!("?ids=e,a&newer={t1}"), vec!["e"]),
        ("?ids=".into(), vec![]),
        ("?limit=0".into(), vec![]),
        ("?limit=5".into(), vec!["e", "d", "c", "b", "a"]),
    ];
    for (query, expected) in table {
        let ids = user.get(&format!("/storage/c{query}")).await.ok();
        assert_eq!(ids.ids(), expected, "{query}");
        assert_eq!(
            ids.header("x-weave-records"),
            expected.len().to_string(),
            "{query}"
        );
        assert_eq!(ids.header("x-weave-next-offset"), "", "{query}");
        assert_eq!(ids.time(), t3);
        let separator = if query.is_empty() { "?" } else { "&" };
        let full = user.get(&format!("/storage/c{query}{separator}full")).await.ok();
        assert_eq!(full.ids(), expected, "{query}");
    }
    let unknown = user.get("/storage/unknown").await.ok();
    assert_eq!(
        (
            unknown.body.as_str(),
            unknown.time(),
            unknown.header("x-weave-records")
        ),
        ("[]", "0.00", "0")
    );
}

#[tokio::test]
async fn pages_follow_the_key_whatever_is_written_or_removed_between() {
    for sort in ["newest", "oldest", "index"] {
        let bench = Bench::new();
        let (user, _) = fill(&bench).await;
        let whole = user.get(&format!("/storage/c?sort={sort}")).await.ok().ids();
        let mut paged = Vec::new();
        let mut offset = String::new();
        loop {
            let page = user
                .get(&format!("/storage/c?full=1&sort={sort}&limit=2{offset}"))
                .await
                .ok();
            paged.extend(page.ids());
            let next = page.header("x-weave-next-offset");
            if next.is_empty() {
                break;
            }
            assert_eq!(page.header("x-weave-records"), "2");
            offset = format!("&offset={next}");
        }
        assert_eq!(paged, whole, "{sort}");
        let first = user.get(&format!("/storage/c?sort={sort}&limit=2")).await.ok();
        let next = first.header("x-weave-next-offset").to_owned();
        user.delete(&format!("/storage/c/{}", first.ids()[1])).await.ok();
        let rest = user
            .get(&format!("/storage/c?sort={sort}&offset={next}"))
            .await
            .ok();
        assert_eq!(rest.ids(), whole[2..], "{sort}");
        for other in ["newest", "oldest", "index"]
            .into_iter()
            .filter(|other| *other != sort)
        {
            user.get(&format!("/storage/c?sort={other}&offset={next}"))
                .await
                .refused(400, 0);
        }
    }
}

#[tokio::test]
async fn newlines_on_request() {
    let bench = Bench::new();
    let (user, [t1, ..]) = fill(&bench).await;
    let lines = |path: &str| {
        user.request("GET", path)
            .header("accept", "application/newlines")
            .send()
    };
    let ids = lines("/storage/c?sort=oldest").await.ok();
    assert_eq!(
        (ids.header("content-type"), ids.body.as_str()),
        ("application/newlines", "\"a\"\n\"b\"\n\"c\"\n\"d\"\n\"e\"\n")
    );
    let full = lines("/storage/c?sort=oldest&limit=1&full=1").await.ok();
    assert_eq!(
        full.body,
        format!("{{\"id\":\"a\",\"modified\":{t1},\"payload\":\"1\",\"sortindex\":1}}\n")
    );
    assert_eq!(lines("/storage/unknown").await.ok().body, "");
}

/// Twelve records of a megabyte: more than is held in memory at once.
async fn fill_large(user: &Client) -> String {
    let payload = "x".repeat(1 << 20);
    for n in 0..12 {
        user.put(
            &format!("/storage/large/b{n:02}"),
            &format!(r#"{{"payload":"{payload}"}}"#),
        )
        .await
        .ok();
    }
    user.get("/storage/large").await.ok().time().to_owned()
}

#[tokio::test]
async fn a_large_answer_is_streamed_whole() {
    let bench = Bench::new();
    let user = bench.user();
    let time = fill_large(&user).await;
    for accept in ["application/json", "application/newlines"] {
        let answer = user
            .request("GET", "/storage/large?full=1&sort=oldest")
            .header("accept", accept)
            .send()
            .await;
        assert_eq!(
            (answer.status, answer.time(), answer.header("x-weave-records")),
            (200, time.as_str(), "12")
        );
        let items: Vec<serde_json::Value> = match accept {
            "application/json" => serde_json::from_str(&answer.body).unwrap(),
            _ => answer
                .body
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
        };
        assert_eq!(items.len(), 12);
        assert!(
            items
                .iter()
                .enumerate()
                .all(|(n, item)| item["id"] == format!("b{n:02}"))
        );
        assert!(
            items
                .iter()
                .all(|item| item["payload"].as_str().unwrap().len() == 1 << 20)
        );
    }
}

#[tokio::test]
async fn a_large_answer_is_cut_when_the_collection_changes_meanwhile() {
    let bench = Bench::new();
    let user = bench.user();
    fill_large(&user).await;
    let mut body = user
        .request("GET", "/storage/large?full=1")
        .start()
        .await
        .into_body();
    body.frame().await.unwrap().unwrap();
    // A write to another collection does not matter, one to this does.
    user.put("/storage/other/x", "{}").await.ok();
    body.frame().await.unwrap().unwrap();
    user.put("/storage/large/b00", r#"{"payload":"changed"}"#)
        .await
        .ok();
    let rest = body.collect().await;
    assert!(rest.is_err(), "the download must not end as if it were whole");
}

#[tokio::test]
async fn a_long_list_of_small_records_is_streamed_too() {
    let bench = Bench::with(|settings| settings.shards = 1);
    let user = bench.user();
    user.put("/storage/small/x", "{}").await.ok();
    let shard = Connection::open(bench.dir.path().join("shard-00.db")).unwrap();
    let fill = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 80000)
        INSERT INTO bso (uid, cid, id, modified, size) SELECT 42, cid, printf('%064d', n), 151072640009, 0 FROM n, names";
    shard.execute_batch(fill).unwrap();
    let mut body = user
        .request("GET", "/storage/small?full=1")
        .start()
        .await
        .into_body();
    let (mut longest, mut whole) = (0, Vec::new());
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        longest = longest.max(data.len());
        whole.extend_from_slice(&data);
    }
    assert!(whole.len() > 8 << 20);
    assert!(longest < 2 << 20, "{longest} bytes at once");
    let items: Vec<serde_json::Value> = serde_json::from_slice(&whole).unwrap();
    assert_eq!(items.len(), 80_001);
}
