//! The required outcomes of races (`storage.md` 14).

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use foxhold_core::Deadline;
use foxhold_sqlite::rusqlite::Connection;
use foxhold_sync::storage::Refusal;
use foxhold_sync_node::store::{Denied, Store};
use futures_util::future::join_all;

use super::bench::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_at_once_all_succeed_with_different_rising_times() {
    let bench = Bench::new();
    let user = bench.user();
    let writes = (0..40).map(|n| {
        let user = user.clone();
        tokio::spawn(async move {
            user.put(&format!("/storage/c{}/a{n}", n % 3), r#"{"payload":"x"}"#)
                .await
                .ok()
                .body
        })
    });
    let times: BTreeSet<String> = join_all(writes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(times.len(), 40);
    let info = user.get("/info/collections").await.ok();
    assert_eq!(Some(info.time()), times.last().map(String::as_str));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writes_on_one_condition_exactly_one_succeeds() {
    let bench = Bench::new();
    let user = bench.user();
    let base = user.put("/storage/c/a", "{}").await.ok().body;
    let writes = (0..20).map(|n| {
        let call = user
            .request("POST", "/storage/c")
            .header("x-if-unmodified-since", &base);
        let call = call.body(format!(r#"[{{"id":"w{n}"}}]"#));
        tokio::spawn(async move { call.send().await.status })
    });
    let statuses: Vec<u16> = join_all(writes).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 19);
    assert_eq!(user.get("/storage/c").await.ok().ids().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_sees_a_commit_whole_or_not_at_all() {
    let bench = Bench::new();
    let user = bench.user();
    let items = |value: usize| -> String {
        let items: Vec<String> = (0..50)
            .map(|n| format!(r#"{{"id":"b{n}","payload":"{value}"}}"#))
            .collect();
        format!("[{}]", items.join(","))
    };
    user.post("/storage/c", &items(0)).await.ok();
    let writer = tokio::spawn({
        let (user, bodies) = (user.clone(), (1..20).map(items).collect::<Vec<_>>());
        async move {
            for body in bodies {
                let staged = user.post("/storage/c?batch=true", &body).await;
                let batch = staged.json()["batch"].as_str().unwrap().to_owned();
                user.post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
                    .await
                    .ok();
            }
        }
    });
    while !writer.is_finished() {
        let read = user.get("/storage/c?full=1").await.ok();
        let time = format!("\"modified\":{},", read.time());
        assert_eq!(
            read.body.matches(&time).count(),
            50,
            "time and content belong together"
        );
        let list = read.json();
        let payloads: BTreeSet<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["payload"].as_str().unwrap())
            .collect();
        assert_eq!(payloads.len(), 1, "one state at a time");
    }
    writer.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_is_committed_or_refused() {
    let bench = Bench::new();
    let user = bench.user();
    for round in 0..10 {
        let staged = user.post("/storage/c?batch=true", "[]").await;
        let batch = staged.json()["batch"].as_str().unwrap().to_owned();
        let append = {
            let (user, batch) = (user.clone(), batch.clone());
            tokio::spawn(async move {
                user.post(
                    &format!("/storage/c?batch={batch}"),
                    &format!(r#"[{{"id":"r{round}"}}]"#),
                )
                .await
            })
        };
        let commit = tokio::spawn({
            let user = user.clone();
            async move {
                user.post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
                    .await
                    .ok()
            }
        });
        let appended = append.await.unwrap().status;
        commit.await.unwrap();
        let there = user.get(&format!("/storage/c/r{round}")).await.status == 200;
        assert!(
            matches!((appended, there), (202, true) | (400, false)),
            "{appended} {there}"
        );
    }
}

#[tokio::test]
async fn a_write_whose_client_went_away_is_seen_by_the_next_read() {
    let bench = Bench::with(|settings| settings.shards = 1);
    let user = bench.user();
    for n in 0..20 {
        let info = user.get("/info/collections").await.ok();
        let call = user.request("PUT", &format!("/storage/c/a{n}")).body("{}");
        let mut abandoned = Box::pin(call.send());
        // Polled once, the write is in the queue, or done already.
        let _ = futures_util::poll!(abandoned.as_mut());
        drop(abandoned);
        // Whatever the shard was asked before this is done after it.
        bench.client(7).put("/storage/c/barrier", "{}").await.ok();
        let after = user.get("/info/collections").await.ok();
        assert!(
            after.time() > info.time(),
            "{n}: what is kept in memory is older than what is stored"
        );
        user.get(&format!("/storage/c/a{n}")).await.ok();
    }
}

#[tokio::test]
async fn the_clock_is_read_when_a_write_has_its_turn() {
    let bench = Bench::with(|settings| settings.shards = 1);
    let user = bench.user();
    user.put("/storage/c/a", r#"{"payload":"old","ttl":1}"#)
        .await
        .ok();
    let shard = Connection::open(bench.dir.path().join("shard-00.db")).unwrap();
    shard.execute_batch("BEGIN IMMEDIATE").unwrap();
    let call = user.request("PUT", "/storage/c/a").body(r#"{"sortindex":1}"#);
    let mut waiting = Box::pin(call.send());
    assert!(futures_util::poll!(waiting.as_mut()).is_pending());
    bench.advance_ms(2000);
    shard.execute_batch("ROLLBACK").unwrap();
    assert_eq!(waiting.await.ok().body, "1510726402.09");
    let read = user.get("/storage/c/a").await.ok().json();
    assert_eq!(
        read["payload"], "",
        "it had expired before the write had its turn"
    );
}

#[tokio::test]
async fn a_write_whose_turn_does_not_come_is_refused_and_never_done() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), 1).unwrap();
    let in_time = || Deadline::after(Duration::from_secs(60));
    let (release, held) = std::sync::mpsc::sync_channel::<()>(1);
    let stuck = store.write(1, in_time(), move |_| {
        held.recv().unwrap();
        Ok(())
    });
    let mut stuck = Box::pin(stuck);
    assert!(futures_util::poll!(stuck.as_mut()).is_pending());
    let done = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&done);
    let late = store.write(2, Deadline::after(Duration::from_millis(5)), move |_| {
        seen.store(true, Ordering::Relaxed);
        Ok(())
    });
    // The shard is still stuck: without a bound of its own this would wait for ever.
    let late = tokio::time::timeout(Duration::from_secs(30), late).await.unwrap();
    assert!(matches!(late, Err(Denied::Refused(Refusal::Busy))), "{late:?}");
    release.send(()).unwrap();
    stuck.await.unwrap();
    store.write(3, in_time(), |_| Ok(())).await.unwrap();
    assert!(!done.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_heartbeat_does_not_wait_for_a_stuck_shard() {
    let bench = Bench::with(|settings| settings.shards = 1);
    let shard = Connection::open(bench.dir.path().join("shard-00.db")).unwrap();
    shard.execute_batch("BEGIN IMMEDIATE").unwrap();
    let write = bench.user().request("PUT", "/storage/c/a").body("{}").send();
    let mut write = Box::pin(write);
    assert!(futures_util::poll!(write.as_mut()).is_pending());
    let health = bench
        .user()
        .raw_request("GET", "/__heartbeat__")
        .unsigned()
        .start();
    // The write waits five seconds for its turn, the heartbeat two for its shards. Both may be over when a busy machine
    // looks again.
    tokio::select! {
        biased;
        health = health => assert_eq!(health.status(), 503),
        write = write => panic!("the heartbeat is later than {write:?}"),
    }
}
