//! The same journey of real Firefox against tiers as processes over mutual TLS: two webheads, two keysigners, two dbwriters,
//! one sync node. Half-way one of each is killed; nothing is lost and nobody is signed out.

use std::collections::BTreeMap;

use foxhold_testkit::{
    browser::{BrowserOptions, BrowserScript},
    fleet::{Fleet, Shape, Tier},
    work_folder::WorkFolder,
};

#[tokio::test(flavor = "multi_thread")]
async fn firefox_syncs_with_a_fleet_of_which_one_of_each_is_killed_half_way() {
    let work = WorkFolder::of("firefox_fleet").unwrap();
    let shape = Shape {
        webheads: 2,
        keysigners: 2,
        dbwriters: 2,
    };
    let mut fleet = Fleet::start(work.path(), shape).await.unwrap();
    let options = BrowserOptions {
        root: &fleet.server.root.clone(),
        mailbox: fleet.mailbox,
        work: &work.path().join("browser"),
        patience: 4,
        more: BTreeMap::new(),
    };
    let mut script = BrowserScript::start("journey", &options).unwrap();
    let mut steps = Vec::new();
    loop {
        let step = script
            .next_step()
            .await
            .unwrap_or_else(|error| panic!("{error:#}\n{}", fleet.logs()));
        let Some(step) = step else { break };
        let name = step["step"].as_str().unwrap().to_owned();
        if name == "bookmark-uploaded" {
            fleet.kill(Tier::Webhead, 1).unwrap();
            fleet.kill(Tier::Keysigner, 1).unwrap();
            fleet.kill(Tier::Dbwriter, 1).unwrap();
            fleet.kill(Tier::SyncNode, 1).unwrap();
            fleet.restart(Tier::SyncNode, 1).await.unwrap();
        }
        steps.push(name);
        script.go_on().await.unwrap();
    }
    for step in [
        "signed-up",
        "first-sync-finished",
        "signed-in",
        "bookmark-arrived",
    ] {
        assert!(
            steps.iter().any(|name| name == step),
            "{step} is missing in {steps:?}"
        );
    }
}
