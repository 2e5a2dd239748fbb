//! PyFxA as it is published, against a running box: every password call, with both password versions, and a
//! sign-in with a second factor.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use foxhold_testkit::{process::target_folder, single_box::SingleBox, work_folder::WorkFolder};
use tokio::process::Command;

const STEPS: [&str; 10] = [
    "v1-signed-in",
    "v1-changed",
    "v1-reset",
    "v1-destroyed",
    "v2-signed-in",
    "v2-changed",
    "v2-reset",
    "v2-destroyed",
    "upgraded",
    "second-factor",
];

/// The library sends derived token ids alone, which is off unless an operator allows it.
async fn start(work: &WorkFolder) -> SingleBox {
    let mut running = SingleBox::start(work.path(), &[]).await.unwrap();
    running.process.terminate().await.unwrap();
    let file = work.path().join("data/foxhold.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("accept_bearer = true\n{settings}")).unwrap();
    running.restart().await.unwrap();
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn pyfxa_goes_all_the_way() {
    let work = WorkFolder::of("pyfxa").unwrap();
    let running = start(&work).await;
    let python = target_folder()
        .unwrap()
        .parent()
        .unwrap()
        .join("venv-browser/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles/pyfxa_journey.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&running.server.root)
        .arg(format!("http://{}", running.private))
        .output()
        .await
        .expect("Python of the browser tests (cargo xtask environment)");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    assert_eq!(said.lines().collect::<Vec<_>>(), STEPS, "{complaint}");
}
