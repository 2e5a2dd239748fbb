//! PyFxA as it is published, against a running box, and against two of each tier over three Cassandra nodes: every password
//! call, with both password versions, codes and tokens for programs, devices, the profile, and a sign-in with a second factor.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use foxhold_testkit::{
    cassandra::shared,
    fleet::{Cassandra, Fleet, Shape, Store, Tier},
    process::target_folder,
    single_box::SingleBox,
    work_folder::WorkFolder,
};
use tokio::process::Command;

const STEPS: [&str; 11] = [
    "v1-signed-in",
    "v1-changed",
    "v1-reset",
    "v1-destroyed",
    "v2-signed-in",
    "v2-changed",
    "v2-reset",
    "v2-destroyed",
    "upgraded",
    "programs",
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
    let mailbox = format!("http://{}", running.private);
    if let Err(complaint) = journey(&running.server.root, &mailbox).await {
        panic!("{complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pyfxa_goes_all_the_way_over_cassandra() {
    let work = WorkFolder::of("pyfxa_cassandra").unwrap();
    let shape = Shape {
        webheads: 2,
        keysigners: 2,
        dbwriters: 2,
        store: Store::Cassandra(Cassandra::on_shared(&shared().await.unwrap())),
    };
    let more = [(Tier::Webhead, "[hawk]\naccept_bearer = true\n")];
    let fleet = Fleet::start_with(work.path(), shape, &more).await.unwrap();
    let mailbox = format!("http://{}", fleet.mailbox);
    if let Err(complaint) = journey(&fleet.server.root, &mailbox).await {
        panic!("{complaint}\n{}", fleet.logs());
    }
}

/// What the library did not like.
async fn journey(root: &str, mailbox: &str) -> Result<(), String> {
    let python = target_folder()
        .unwrap()
        .parent()
        .unwrap()
        .join("venv-browser/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles/pyfxa_journey.py");
    let output = Command::new(python)
        .arg(script)
        .args([root, mailbox])
        .output()
        .await
        .expect("Python of the browser tests (cargo xtask environment)");
    let said = String::from_utf8_lossy(&output.stdout);
    let is_whole = output.status.success() && said.lines().eq(STEPS);
    let complaint = String::from_utf8_lossy(&output.stderr);
    is_whole
        .then_some(())
        .ok_or_else(|| format!("{said}\n{complaint}"))
}
