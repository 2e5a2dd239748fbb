//! What was answered is there after a crash, nothing is half-done, no time is issued twice (`storage.md` 14, 15).

use std::path::Path;

use foxhold_core::SecretText;
use foxhold_crypto::node_secret::{NodeSecret, NodeSecrets};
use foxhold_node_auth::{NodeAuth, NodeName};
use foxhold_sync_node::{NodeError, NodeSettings, SyncNode};
use tempfile::TempDir;

use super::bench::{Bench, NODE_URL, SECRET};

/// The files as a crash would leave them now.
fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // The shared index is memory of the crashed process; SQLite rebuilds it.
        if !entry.file_name().to_string_lossy().ends_with("-shm") {
            std::fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
        }
    }
    to
}

#[tokio::test]
async fn everything_answered_is_there_after_a_crash() {
    let mut bench = Bench::new();
    let user = bench.user();
    user.put("/storage/meta/global", r#"{"payload":"m"}"#).await.ok();
    let staged = user
        .post("/storage/c?batch=true", r#"[{"id":"a","payload":"staged"}]"#)
        .await;
    let batch = staged.json()["batch"].as_str().unwrap().to_owned();
    let last = user
        .put("/storage/d/x", r#"{"payload":"last","ttl":100}"#)
        .await
        .ok();
    let crashed = copy(bench.dir.path());
    bench.reopen_at(crashed.path());
    bench.advance_ms(-500);
    let user = bench.user();
    let info = user.get("/info/collections").await.ok();
    assert_eq!(info.time(), last.time());
    assert_eq!(user.get("/storage/d/x").await.ok().json()["payload"], "last");
    let committed = user
        .post(&format!("/storage/c?batch={batch}&commit=true"), "[]")
        .await
        .ok();
    assert!(
        committed.time() > last.time(),
        "no time twice, although the clock stepped back"
    );
    assert_eq!(user.get("/storage/c/a").await.ok().json()["payload"], "staged");
}

#[tokio::test]
async fn an_orderly_end_loses_nothing_and_frees_the_directory() {
    let mut bench = Bench::new();
    let written = bench.user().put("/storage/c/a", r#"{"payload":"x"}"#).await.ok();
    let path = bench.dir.path().to_owned();
    bench.reopen_at(&path);
    assert_eq!(bench.user().get("/storage/c/a").await.ok().time(), written.time());
    assert_eq!(bench.node().sweep().await.unwrap(), 0);
}

fn open_again(bench: &Bench, names: &[&str]) -> Result<SyncNode, NodeError> {
    let secrets = vec![NodeSecret::new(SecretText::new(SECRET.into()))];
    let names = names.iter().map(|name| NodeName::parse(name).unwrap()).collect();
    let auth = NodeAuth::new(names, NodeSecrets::new(secrets).unwrap());
    let settings = NodeSettings::new(bench.dir.path());
    SyncNode::open(settings, auth, bench.clock.clone(), bench.random.clone())
}

#[tokio::test]
async fn two_nodes_never_open_one_directory() {
    let bench = Bench::new();
    let error = open_again(&bench, &[NODE_URL]).err().unwrap();
    assert!(matches!(error, NodeError::Store(_)), "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
}

#[tokio::test]
async fn names_with_different_paths_are_refused() {
    let mut bench = Bench::new();
    bench.close();
    let other_path = ["https://a.example.com/sync", "https://b.example.com"];
    let error = open_again(&bench, &other_path).err().unwrap();
    assert!(matches!(error, NodeError::Paths), "{error}");
    let other_host = ["https://a.example.com/sync", "https://b.example.com/sync/"];
    assert!(open_again(&bench, &other_host).is_ok());
}
