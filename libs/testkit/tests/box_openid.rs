//! Another program signs its users in at a running box: Authlib, by the discovery URL alone, as a client that was registered
//! by the operator's tool.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::Path};

use foxhold_testkit::{
    browser::{BrowserOptions, BrowserScript},
    process::{binary_path, target_folder},
    single_box::SingleBox,
    work_folder::WorkFolder,
};
use serde_json::Value;
use tokio::process::Command;

const STEPS: [&str; 9] = [
    "discovered",
    "confidential-client_secret_basic",
    "confidential-client_secret_post",
    "public",
    "replaced",
    "asked-once",
    "revoked",
    "hostile",
    "second-factor",
];

/// `foxhold client …` on the folder of a box, running or stopped.
async fn tool(data: &Path, arguments: &[&str]) -> (bool, Value) {
    let output = Command::new(binary_path("foxhold").unwrap())
        .arg("client")
        .args(arguments)
        .args(["--output", "json", "--data"])
        .arg(data)
        .output()
        .await
        .unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.success(), said)
}

async fn done(data: &Path, arguments: &[&str]) -> Value {
    let (success, said) = tool(data, arguments).await;
    assert!(success, "{arguments:?}: {said}");
    said
}

fn text<'a>(said: &'a Value, at: &str) -> &'a str {
    said.pointer(at)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{at} in {said}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_signs_its_users_in() {
    let work = WorkFolder::of("openid").unwrap();
    let mut running = SingleBox::start(work.path(), &[]).await.unwrap();
    let data = work.path().join("data");
    // One is registered while the box runs, one while it is stopped.
    let wiki = done(
        &data,
        &[
            "create",
            "--name",
            "Wiki",
            "--redirect-uri",
            "https://wiki.example.test/callback?from=foxhold",
            "--scope",
            "openid",
            "--scope",
            "profile",
            "--scope",
            "email",
            "--scope",
            "offline_access",
        ],
    )
    .await;
    running.process.terminate().await.unwrap();
    let file = data.join("foxhold.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    // PyFxA sends derived token ids alone.
    std::fs::write(&file, format!("accept_bearer = true\n{settings}")).unwrap();
    let app = done(
        &data,
        &[
            "create",
            "--name",
            "Notes app",
            "--public",
            "--redirect-uri",
            "http://127.0.0.1/callback",
            "--scope",
            "openid",
            "--scope",
            "offline_access",
        ],
    )
    .await;
    assert!(app["secret"].is_null(), "{app}");
    running.restart().await.unwrap();

    let python = target_folder()
        .unwrap()
        .parent()
        .unwrap()
        .join("venv-browser/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles/openid_client.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&running.server.root)
        .arg(format!("http://{}", running.private))
        .args([
            text(&wiki, "/client/id"),
            text(&wiki, "/secret"),
            text(&app, "/client/id"),
        ])
        .output()
        .await
        .expect("Python of the browser tests (cargo xtask environment)");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    assert_eq!(said.lines().collect::<Vec<_>>(), STEPS, "{complaint}");
}

/// The sign-in page, in a Firefox that is not pointed here.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_signs_a_user_in_to_another_program() {
    let work = WorkFolder::of("openid-page").unwrap();
    let running = SingleBox::start(work.path(), &[]).await.unwrap();
    let uri = "http://127.0.0.1/callback";
    let app = done(
        &work.path().join("data"),
        &[
            "create",
            "--name",
            "Notes app",
            "--public",
            "--redirect-uri",
            uri,
            "--post-logout-redirect-uri",
            uri,
        ],
    )
    .await;
    let options = BrowserOptions {
        root: &running.server.root,
        mailbox: running.private,
        work: &work.path().join("browser"),
        patience: 0,
        more: BTreeMap::from([("client", text(&app, "/client/id").to_owned())]),
    };
    let finished = BrowserScript::start("program", &options).unwrap().finish().await;
    if finished.is_err() {
        // The browser's profile and the box's log are in it.
        work.keep();
    }
    let steps = finished.unwrap();
    for step in ["declined", "agreed", "password-again", "signed-out"] {
        assert!(
            steps.iter().any(|name| name == step),
            "{step} is missing in {steps:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_changed_and_removed_by_the_tool() {
    let work = WorkFolder::of("openid-clients").unwrap();
    let mut running = SingleBox::start(work.path(), &[]).await.unwrap();
    let data = work.path().join("data");
    let uri = ["--redirect-uri", "https://wiki.example.test/cb"];
    let dry = done(&data, &["create", "--name", "Wiki", uri[0], uri[1], "--dry-run"]).await;
    assert!(dry["secret"].is_null() && dry["dry_run"] == true, "{dry}");
    assert_eq!(done(&data, &["list"]).await["clients"], serde_json::json!([]));
    let made = done(&data, &["create", "--name", "Wiki", uri[0], uri[1]]).await;
    let id = text(&made, "/client/id").to_owned();
    assert_eq!(text(&made, "/secret").len(), 64);
    let (success, _) = tool(
        &data,
        &[
            "create",
            "--name",
            "W",
            "--redirect-uri",
            "http://wiki.example.test/",
        ],
    )
    .await;
    assert!(!success, "plain http beyond this machine");

    let changed = done(
        &data,
        &["update", &id, "--trusted", "true", "--allow", "example.test"],
    )
    .await;
    assert_eq!(changed["outcome"], "changed");
    assert_eq!(changed["client"]["settings"]["trusted"], true);
    let rotated = done(&data, &["rotate", &id]).await;
    assert_ne!(rotated["secret"], made["secret"]);
    running.process.terminate().await.unwrap();
    let shown = done(&data, &["show", &id]).await;
    assert_eq!(shown["secrets_made_at_ms"].as_array().unwrap().len(), 2);
    assert_eq!(
        done(&data, &["disable", &id]).await["client"]["settings"]["disabled"],
        true
    );
    assert_eq!(done(&data, &["disable", &id]).await["outcome"], "unchanged");
    assert_eq!(done(&data, &["delete", &id, "--yes"]).await["outcome"], "deleted");
    let (success, _) = tool(&data, &["show", &id]).await;
    assert!(!success, "it is gone");
}
