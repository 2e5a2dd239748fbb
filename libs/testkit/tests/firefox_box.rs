//! Debian's Firefox ESR, headless, unmodified but for two preferences, against a running box: a person signs up with the
//! code from the mail and syncs; a second browser signs in and the bookmark arrives.

use std::collections::BTreeMap;

use anyhow::Result;
use foxhold_testkit::{
    browser::{BrowserOptions, BrowserScript},
    single_box::SingleBox,
    work_folder::WorkFolder,
};

async fn run(script: &str, more: BTreeMap<&str, String>) -> Result<Vec<String>> {
    let work = WorkFolder::of(&format!("firefox_box_{script}"))?;
    let running = match script {
        "confirm" => SingleBox::start_confirming(work.path()).await?,
        _ => SingleBox::start(work.path(), &[]).await?,
    };
    let options = BrowserOptions {
        root: &running.server.root,
        mailbox: running.private,
        work: &work.path().join("browser"),
        patience: 0,
        more,
    };
    let finished = BrowserScript::start(script, &options)?.finish().await;
    if finished.is_err() {
        // The browser's profile and the box's log are in it.
        work.keep();
    }
    finished
}

/// Firefox is heavy: one after another.
#[tokio::test(flavor = "multi_thread")]
async fn firefox_signs_up_signs_in_and_syncs() {
    let steps = run("journey", BTreeMap::new()).await.unwrap();
    for step in [
        "signed-up",
        "first-sync-finished",
        "bookmark-uploaded",
        "signed-in",
        "bookmark-arrived",
    ] {
        assert!(
            steps.iter().any(|name| name == step),
            "{step} is missing in {steps:?}"
        );
    }

    // Settings opened from Firefox, sign-out, and a second sign-in in the same profile.
    run("again", BTreeMap::new()).await.unwrap();
    // Confirmation through the mail's link in another tab.
    run("link", BTreeMap::new()).await.unwrap();
    // What the page says to wrong input.
    run("refusals", BTreeMap::new()).await.unwrap();
    // Sign-up, list and sign-out in a browser that is not pointed here.
    run("web", BTreeMap::new()).await.unwrap();
    // A password changed in the settings, and a forgotten one set by the mail's link.
    run("passwords", BTreeMap::new()).await.unwrap();

    // A password forgotten with a recovery key at hand; a second factor.
    run("recovery", BTreeMap::new()).await.unwrap();
    run("factor", BTreeMap::new()).await.unwrap();
    // A sign-in that is confirmed by mail.
    run("confirm", BTreeMap::new()).await.unwrap();
    // Another session signed out, and the account deleted.
    run("leave", BTreeMap::new()).await.unwrap();

    // The known answers of the page's cryptography, in the browser.
    let vectors = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../page-crypto/testdata/vectors.json"
    );
    run("vectors", BTreeMap::from([("vectors", vectors.to_owned())]))
        .await
        .unwrap();
}
