//! The secrets that node tokens are signed with, changed by `foxhold token` while a box runs: a rotation that nobody notices, a
//! revocation that ends every token at once, and what `foxhold doctor` says of the box meanwhile and of what is broken then.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::ensure;
use foxhold_crypto::{node_secret::NodeSecrets, node_token};
use foxhold_testkit::{
    http,
    person::{Person, exchange, storage, unique_hex},
    process::binary_path,
    single_box::SingleBox,
    wait::{wait_for_ok, wait_until},
    work_folder::WorkFolder,
};
use hyper::{Method, StatusCode};
use serde_json::Value;

const TEST: &str = "box_token_secrets";

/// What the tool said, as JSON, and how it ended.
fn foxhold(data: &Path, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = Command::new(binary_path("foxhold").unwrap())
        .args(arguments)
        .arg("--data")
        .arg(data)
        .args(["--output", "json"])
        // As for the box: how full the machine's disk is says nothing.
        .env("FOXHOLD_DISK_USED_MAX_PERCENT", "100")
        .output()
        .unwrap();
    let said = serde_json::from_slice(&output.stdout);
    let said = said.unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), said)
}

/// A user of a box.
struct Scene {
    single: SingleBox,
    access: String,
    key_id: String,
}

impl Scene {
    async fn start(work: &WorkFolder) -> Self {
        let single = SingleBox::start(work.path(), &[]).await.unwrap();
        let email = format!("{}@example.test", &unique_hex()[..20]);
        let person = Person::sign_up(&single.server, &email, &unique_hex()).await;
        let person = person.unwrap().unwrap();
        let verified = person.verify(&single.server, single.private).await.unwrap();
        assert_eq!(verified.status, StatusCode::OK);
        let access = person.access_token(&single.server).await.unwrap().unwrap();
        let key_id = person.key_id(&single.server).await.unwrap().unwrap();
        Self {
            single,
            access,
            key_id,
        }
    }

    async fn token(&self) -> Value {
        let answer = exchange(&self.single.server, &self.access, &self.key_id).await;
        let answer = answer.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json().unwrap()
    }

    async fn reads(&self, token: &Value) -> StatusCode {
        let read = storage(&self.single.server, token, Method::GET, "/info/collections", "").await;
        read.unwrap().status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_change_while_the_box_runs() {
    let work = WorkFolder::of(TEST).unwrap();
    let mut scene = Scene::start(&work).await;
    let data = work.path().join("data");
    let first = scene.token().await;
    assert_eq!(scene.reads(&first).await, StatusCode::OK);

    // A rotation: from some moment on tokens are of the new secret, and at no moment is one refused.
    let (code, said) = foxhold(&data, &["token", "rotate"]);
    assert_eq!((code, &said["secrets"]), (Some(0), &Value::from(2)), "{said}");
    let (_, listed) = foxhold(&data, &["token", "list"]);
    assert_eq!(listed["nodes"][0]["secrets"], 2, "{listed}");
    let is_of_new = |token: &Value, file: &str| {
        let newest = file.lines().next_back().unwrap();
        let secrets = NodeSecrets::of_list(newest).unwrap();
        node_token::verify(token["id"].as_str().unwrap(), &secrets).is_ok()
    };
    let file = data.join("keys/node.secret");
    let rotated = std::fs::read_to_string(&file).unwrap();
    wait_until("the signer to use the new secret", || async {
        let token = scene.token().await;
        assert_eq!(scene.reads(&token).await, StatusCode::OK);
        assert_eq!(scene.reads(&first).await, StatusCode::OK);
        is_of_new(&token, &rotated)
    })
    .await
    .unwrap();

    let (code, said) = foxhold(&data, &["doctor"]);
    assert_eq!(code, Some(0), "{said:#}");

    // A revocation: all tokens so far are refused, new ones are not.
    let second = scene.token().await;
    let (code, said) = foxhold(&data, &["token", "revoke", "--yes"]);
    assert_eq!((code, &said["dropped"]), (Some(0), &Value::from(2)), "{said}");
    wait_until("the old tokens to end", || async {
        scene.reads(&second).await == StatusCode::UNAUTHORIZED
    })
    .await
    .unwrap();
    assert_eq!(scene.reads(&first).await, StatusCode::UNAUTHORIZED);
    // The node hears of it first, the signer right after.
    let third = wait_for_ok("a token of the new secret", async || {
        let token = scene.token().await;
        ensure!(
            scene.reads(&token).await == StatusCode::OK,
            "it is of the old one"
        );
        Ok(token)
    })
    .await
    .unwrap();
    assert_eq!(third["uid"], first["uid"]);

    // The same after a start.
    scene.single.process.kill().unwrap();
    let (code, said) = foxhold(&data, &["doctor"]);
    assert_eq!(code, Some(0), "a stopped box is no failure: {said:#}");
    scene.single.restart().await.unwrap();
    assert_eq!(scene.reads(&third).await, StatusCode::OK);
    assert_eq!(scene.reads(&second).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_what_is_broken() {
    let work = WorkFolder::of("box_doctor").unwrap();
    let single = SingleBox::start(work.path(), &[]).await.unwrap();
    let data = work.path().join("data");
    let states = |said: &Value| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let checks = said["checks"].as_array().unwrap().iter();
        checks
            .map(|check| (text(&check["check"]), text(&check["state"])))
            .collect()
    };
    let (code, said) = foxhold(&data, &["doctor"]);
    assert_eq!(code, Some(0), "{said:#}");
    let found = states(&said);
    for check in [
        "settings",
        "files",
        "key",
        "secrets",
        "running",
        "public_url",
        "key_set",
        "node",
    ] {
        assert!(found.contains(&(check.into(), "ok".into())), "{check}: {said:#}");
    }

    // Another secret on the disk than the box has read, and open to all; another address than the box's.
    let file = data.join("keys/node.secret");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let other = "http://localhost:1";
    let (code, said) = foxhold(&data, &["doctor", "--public-url", other]);
    assert_eq!(code, Some(7), "{said:#}");
    let found = states(&said);
    for check in ["files", "secrets", "public_url", "key_set"] {
        assert!(
            found.contains(&(check.into(), "fail".into())),
            "{check}: {said:#}"
        );
    }
    // It goes on with what it has read before.
    let configuration = http::get(single.server.address, "/.well-known/fxa-client-configuration");
    assert_eq!(configuration.await.unwrap().status, StatusCode::OK);
}
