//! Debian's Firefox ESR, headless, unmodified but for two preferences, against a running box: a person signs up with the
//! code from the mail and syncs; a second browser signs in and the bookmark arrives.

use std::collections::BTreeMap;

use foxhold_testkit::{
    browser::{BrowserOptions, BrowserScript},
    single_box::SingleBox,
    work_folder::WorkFolder,
};

async fn run(script: &str, more: BTreeMap<&str, String>) -> Vec<String> {
    let work = WorkFolder::of(&format!("firefox_box_{script}")).unwrap();
    let running = SingleBox::start(work.path(), &[]).await.unwrap();
    let options = BrowserOptions {
        root: &running.server.root,
        mailbox: running.private,
        work: &work.path().join("browser"),
        patience: 0,
        more,
    };
    let script = BrowserScript::start(script, &options).unwrap();
    script
        .finish()
        .await
        .unwrap_or_else(|error| panic!("{error:#}\n{}", running.process.output().unwrap()))
}

/// Firefox is heavy: one after another.
#[tokio::test(flavor = "multi_thread")]
async fn firefox_signs_up_signs_in_and_syncs() {
    let steps = run("journey", BTreeMap::new()).await;
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
    run("again", BTreeMap::new()).await;
    // Confirmation through the mail's link in another tab.
    run("link", BTreeMap::new()).await;
    // What the page says to wrong input.
    run("refusals", BTreeMap::new()).await;
    // Sign-up, list and sign-out in a browser that is not pointed here.
    run("web", BTreeMap::new()).await;

    // The known answers of the page's cryptography, in the browser.
    let vectors = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../page-crypto/testdata/vectors.json"
    );
    run("vectors", BTreeMap::from([("vectors", vectors.to_owned())])).await;
}
