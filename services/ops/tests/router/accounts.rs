//! Accounts over the admin API: made, shown, listed, disabled, enabled, deleted; links; and what is refused.

use std::time::Duration;

use foxhold_core::{
    Deadline, Uid,
    record::{self, Generation},
};
use foxhold_ops::wire::{
    Account, AccountChanged, AccountOutcome, AccountState, Accounts, Code, ResetLink, UserRecords,
};
use foxhold_ports::{AccountReader as _, memory::MemoryStore};
use serde_json::json;

use crate::scene::{ACCOUNTS, DOMAIN, NOW, Scene, encoded, new_account};

const NODE: &str = "https://sync-1.example.test";

fn at(account: &str) -> String {
    format!("{ACCOUNTS}/{}", encoded(account))
}

async fn made(scene: &Scene, email: &str) -> String {
    let made: AccountChanged = scene.post(ACCOUNTS, &new_account(email)).await.of();
    assert_eq!((made.outcome, made.dry_run), (AccountOutcome::Created, false));
    made.account.expect("it was made").uid
}

async fn stored(store: &MemoryStore, uid: &str) -> Option<record::Account> {
    let uid: Uid = uid.parse().unwrap();
    let by = Deadline::after(Duration::from_secs(60));
    store.account(by, uid).await.unwrap()
}

/// Empty bodies do, too.
async fn post(scene: &Scene, path: &str) -> AccountChanged {
    scene.post(path, &json!({})).await.of()
}

#[tokio::test]
async fn an_account_is_made_shown_and_listed() {
    let scene = Scene::bare();
    let foretold: AccountChanged = scene
        .post(
            &format!("{ACCOUNTS}?dry_run=true"),
            &new_account("Ann@example.test"),
        )
        .await
        .of();
    assert!(foretold.dry_run && foretold.account.is_none());
    assert_eq!(scene.get(ACCOUNTS).await.of::<Accounts>().accounts, []);
    let uid = made(&scene, "Ann@example.test").await;
    for named in [uid.as_str(), "ann@EXAMPLE.test"] {
        let shown: Account = scene.get(&at(named)).await.of();
        let account = &shown.account;
        assert_eq!(
            (account.uid.as_str(), account.email.as_str()),
            (uid.as_str(), "Ann@example.test")
        );
        assert_eq!((account.state, account.verified), (AccountState::Active, true));
        assert_eq!(shown.keys_changed_at_ms, NOW.as_millis());
        assert_eq!((shown.sessions, shown.devices, shown.attached_clients), (0, 0, 0));
        assert!(!shown.second_factor && !shown.recovery_key);
    }
    let again = scene.post(ACCOUNTS, &new_account("ann@example.test")).await;
    assert_eq!(again.code(), Code::Conflict);
    for number in 0..4 {
        made(&scene, &format!("a{number}@example.test")).await;
    }
    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let page: Accounts = scene.get(&format!("{ACCOUNTS}?limit=2{after}")).await.of();
        listed.extend(page.accounts.into_iter().map(|account| account.uid));
        let Some(next) = page.next else { break };
        after = format!("&after={}", next.0);
    }
    let mut sorted = listed.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((listed.len(), sorted.len()), (5, 5));
}

#[tokio::test]
async fn a_disabled_account_keeps_what_it_has_and_services_refuse_what_was_signed_before() {
    let scene = Scene::with_nodes(&[NODE]).await;
    let uid = made(&scene, "ann@example.test").await;
    let user = format!("{uid}@{DOMAIN}");
    scene.place(&[&user], NODE).await;
    let records = format!("/admin/v1/services/sync-1.5/users/{}", encoded(&user));
    let generation = async || scene.get(&records).await.of::<UserRecords>().current.generation;
    let before = stored(&scene.store, &uid).await.unwrap();

    let disable = format!("{}/disable", at("ann@example.test"));
    let foretold = post(&scene, &format!("{disable}?dry_run=true")).await;
    assert!(foretold.dry_run && foretold.outcome == AccountOutcome::Disabled);
    assert_eq!(stored(&scene.store, &uid).await.as_ref(), Some(&before));
    let disabled = post(&scene, &disable).await;
    assert_eq!(disabled.outcome, AccountOutcome::Disabled);
    assert_eq!(disabled.account.unwrap().state, AccountState::Disabled);
    let account = stored(&scene.store, &uid).await.unwrap();
    assert!(account.is_disabled() && account.credentials == before.credentials);
    // What is signed from now on is let in, and nothing that was signed before.
    let raised = Generation(generation().await);
    assert!(raised.0 > before.verifier_set_at.as_millis());
    assert!(raised.0 < account.signed_since().as_millis());
    let again = post(&scene, &disable).await;
    assert_eq!(again.outcome, AccountOutcome::Unchanged);
    let refused = scene.post(&format!("{}/reset-link", at(&uid)), &json!({})).await;
    assert_eq!(refused.code(), Code::Conflict);

    let enable = format!("{}/enable", at(&uid));
    assert_eq!(post(&scene, &enable).await.outcome, AccountOutcome::Enabled);
    let enabled = stored(&scene.store, &uid).await.unwrap();
    assert!(!enabled.is_disabled());
    assert_eq!(enabled.signed_since(), account.signed_since(), "for good");
    assert_eq!(post(&scene, &enable).await.outcome, AccountOutcome::Unchanged);
}

#[tokio::test]
async fn a_deleted_account_is_gone_from_all_services() {
    let scene = Scene::with_nodes(&[NODE]).await;
    let uid = made(&scene, "ann@example.test").await;
    let user = format!("{uid}@{DOMAIN}");
    scene.place(&[&user], NODE).await;
    let foretold: AccountChanged = scene.delete(&format!("{}?dry_run=true", at(&uid))).await.of();
    assert!(foretold.dry_run && foretold.outcome == AccountOutcome::Deleted);
    assert!(stored(&scene.store, &uid).await.is_some());
    let deleted: AccountChanged = scene.delete(&at("ann@example.test")).await.of();
    assert_eq!(deleted.outcome, AccountOutcome::Deleted);
    assert!(stored(&scene.store, &uid).await.is_none());
    let records = format!("/admin/v1/services/sync-1.5/users/{}", encoded(&user));
    let records: UserRecords = scene.get(&records).await.of();
    assert!(records.current.replaced_at_ms.is_some(), "retired");
    for answer in [
        scene.get(&at(&uid)).await,
        scene.delete(&at("ann@example.test")).await,
    ] {
        assert_eq!(answer.code(), Code::UnknownAccount);
    }
    made(&scene, "ann@example.test").await;
}

#[tokio::test]
async fn a_deletion_is_asked_for_again_by_the_uid_and_tells_what_it_could_not() {
    let scene = Scene::with_nodes(&[NODE]).await;
    // The account has gone, and its record has not been told.
    let uid = "00112233445566778899aabbccddeeff";
    let user = format!("{uid}@{DOMAIN}");
    scene.place(&[&user], NODE).await;
    for _ in 0..2 {
        let again: AccountChanged = scene.delete(&at(uid)).await.of();
        assert_eq!((again.outcome, again.account), (AccountOutcome::Unchanged, None));
    }
    let records = format!("/admin/v1/services/sync-1.5/users/{}", encoded(&user));
    let records: UserRecords = scene.get(&records).await.of();
    assert!(records.current.replaced_at_ms.is_some(), "retired");
}

#[tokio::test]
async fn a_link_is_made_for_who_is_there() {
    let scene = Scene::bare();
    made(&scene, "ann@example.test").await;
    let path = format!("{}/reset-link", at("ann@example.test"));
    let foretold: ResetLink = scene.post(&format!("{path}?dry_run=true"), &json!({})).await.of();
    assert!(foretold.dry_run && foretold.link.is_none() && foretold.expires_at_ms.is_none());
    let made: ResetLink = scene.post(&path, &json!({})).await.of();
    let link = made.link.unwrap();
    let begins = "https://accounts.example.test/complete_reset_password?email=ann%40example.test&token=";
    assert!(link.starts_with(begins), "{link}");
    assert_eq!(made.expires_at_ms, Some(NOW.as_millis() + 3_600_000));
    let nobody = scene
        .post(&format!("{}/reset-link", at("bob@example.test")), &json!({}))
        .await;
    assert_eq!(nobody.code(), Code::UnknownAccount);
}

#[tokio::test]
async fn what_cannot_be_meant_is_named() {
    let scene = Scene::bare();
    let table = [
        ("email", json!("nobody")),
        ("auth_pw", json!("01")),
        ("wrap_kb", json!("zz".repeat(32))),
        ("auth_pw_version2", json!("")),
        ("wrap_kb_version2", json!("0".repeat(63))),
        ("client_salt", json!("salt")),
    ];
    for (member, value) in table {
        let mut body = new_account("ann@example.test");
        body[member] = value.clone();
        let problem = scene.post(ACCOUNTS, &body).await.problem();
        assert_eq!(problem.code, Code::InvalidRequest, "{member} {value}");
        assert_eq!(problem.errors[0].field, member, "{value}");
    }
    assert_eq!(scene.get(&at("neither")).await.code(), Code::InvalidRequest);
    let foreign = scene.get(&format!("{ACCOUNTS}?after=%21")).await;
    assert_eq!(foreign.code(), Code::InvalidRequest);
    assert_eq!(scene.get(ACCOUNTS).await.of::<Accounts>().accounts, []);
}
