//! Accounts over the admin API: made, shown, listed, disabled, enabled, deleted; links; and what is refused.

use std::{sync::Arc, time::Duration};

use foxhold_core::{
    Deadline, OpId, Secret, TokenId, Uid,
    record::{self, Generation, Verification},
};
use foxhold_ops::wire::{
    Account, AccountChanged, AccountOutcome, AccountState, Accounts, Code, ResetLink, UserRecords,
};
use foxhold_ports::{
    AccountGuards as _, AccountReader as _, AccountWriter as _, Call, Cause, accounts::SignIn,
    memory::MemoryStore,
};
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
async fn a_uid_that_nobody_ever_had_is_no_account() {
    let scene = Scene::with_nodes(&[NODE]).await;
    for query in ["", "?dry_run=true"] {
        let path = format!("{}{query}", at("00112233445566778899aabbccddeeff"));
        assert_eq!(scene.delete(&path).await.code(), Code::UnknownAccount, "{query}");
    }
    // Somebody else's record does not make it one.
    scene
        .place(&[&format!("{}@{DOMAIN}", "11".repeat(16))], NODE)
        .await;
    let known = at(&"11".repeat(16));
    let foretold: AccountChanged = scene.delete(&format!("{known}?dry_run=true")).await.of();
    assert_eq!(
        (foretold.outcome, foretold.dry_run),
        (AccountOutcome::Unchanged, true)
    );
    assert_eq!(
        scene.delete(&at(&"22".repeat(16))).await.code(),
        Code::UnknownAccount
    );
}

#[tokio::test]
async fn a_deletion_that_did_not_come_to_its_end_says_the_uid() {
    let scene = Scene::with_nodes(&[NODE]).await;
    let uid = made(&scene, "ann@example.test").await;
    scene.place(&[&format!("{uid}@{DOMAIN}")], NODE).await;
    scene.store.go_away_after_intent(Cause::Unavailable);
    let problem = scene.delete(&at("ann@example.test")).await.problem();
    assert_eq!(problem.code, Code::OutcomeUnknown);
    assert!(!problem.detail.contains(&uid), "it is logged: {}", problem.detail);
    assert_eq!(problem.errors[0].detail, format!("its uid is {uid}"));
    scene.store.set_outage(None);
    assert_eq!(
        scene.delete(&at("ann@example.test")).await.code(),
        Code::UnknownAccount
    );
    let again: AccountChanged = scene.delete(&at(&uid)).await.of();
    assert_eq!(again.outcome, AccountOutcome::Unchanged);
}

/// A request in work when the account goes makes its first record afterwards. Here the process ends before the time of the
/// second look has come.
#[tokio::test]
async fn a_record_that_comes_behind_a_deletion_is_retired() {
    let scene = Scene::with_nodes(&[NODE]).await;
    let uid = made(&scene, "ann@example.test").await;
    let user = format!("{uid}@{DOMAIN}");
    let deleted: AccountChanged = scene.delete(&at(&uid)).await.of();
    assert_eq!(deleted.outcome, AccountOutcome::Deleted);
    scene.place(&[&user], NODE).await;
    let records = format!("/admin/v1/services/sync-1.5/users/{}", encoded(&user));
    let is_retired = async || {
        let records: UserRecords = scene.get(&records).await.of();
        records.current.replaced_at_ms.is_some()
    };
    assert!(!is_retired().await);
    assert_eq!(
        scene.under_way.count(),
        1,
        "whoever ends the process waits for it"
    );
    scene.under_way.ended().await;
    assert_eq!(scene.under_way.count(), 0);
    assert!(is_retired().await);
}

/// As if the process had died between the account and the services.
#[tokio::test]
async fn disabling_again_tells_the_services_what_they_were_not_told() {
    let scene = Scene::with_nodes(&[NODE]).await;
    let uid = made(&scene, "ann@example.test").await;
    let user = format!("{uid}@{DOMAIN}");
    scene.place(&[&user], NODE).await;
    let records = format!("/admin/v1/services/sync-1.5/users/{}", encoded(&user));
    let generation = async || scene.get(&records).await.of::<UserRecords>().current.generation;
    let before = generation().await;
    let disable = format!("{}/disable", at(&uid));

    scene.store.go_away_after_intent(Cause::Unavailable);
    let open = scene.post(&disable, &json!({})).await;
    assert_eq!(open.code(), Code::OutcomeUnknown);
    scene.store.set_outage(None);
    assert!(stored(&scene.store, &uid).await.unwrap().is_disabled());
    assert_eq!(generation().await, before, "nobody has told it");

    for _ in 0..2 {
        let again = post(&scene, &disable).await;
        assert_eq!(again.outcome, AccountOutcome::Unchanged);
        let account = stored(&scene.store, &uid).await.unwrap();
        let raised = generation().await;
        assert!(raised > before && raised < account.signed_since().as_millis());
    }
}

/// What was signed before the disabling would count again, if nobody had told them by then.
#[tokio::test]
async fn enabling_tells_the_services_first_what_disabling_did_not() {
    let scene = Scene::with_nodes(&[NODE]).await;
    let uid = made(&scene, "ann@example.test").await;
    let user = format!("{uid}@{DOMAIN}");
    scene.place(&[&user], NODE).await;
    let records = format!("/admin/v1/services/sync-1.5/users/{}", encoded(&user));
    let generation = async || scene.get(&records).await.of::<UserRecords>().current.generation;
    let before = generation().await;
    scene.store.go_away_after_intent(Cause::Unavailable);
    scene.post(&format!("{}/disable", at(&uid)), &json!({})).await;
    scene.store.set_outage(None);
    assert_eq!(generation().await, before, "nobody has told it");

    let enable = format!("{}/enable", at(&uid));
    let foretold = post(&scene, &format!("{enable}?dry_run=true")).await;
    assert_eq!(foretold.outcome, AccountOutcome::Enabled);
    assert_eq!(generation().await, before, "nothing was done");
    scene.store.go_away_after_intent(Cause::Unavailable);
    let open = scene.post(&enable, &json!({})).await;
    assert_eq!(open.code(), Code::OutcomeUnknown);
    scene.store.set_outage(None);
    let account = stored(&scene.store, &uid).await.unwrap();
    assert!(account.is_disabled(), "services come first");
    assert_eq!(post(&scene, &enable).await.outcome, AccountOutcome::Enabled);
    assert!(!stored(&scene.store, &uid).await.unwrap().is_disabled());
    let raised = generation().await;
    assert!(raised > before && raised < account.signed_since().as_millis());
}

#[tokio::test]
async fn sessions_that_have_run_out_do_not_count() {
    let scene = Scene::bare();
    let uid = made(&scene, "ann@example.test").await;
    let account = stored(&scene.store, &uid).await.unwrap();
    let session = record::Session {
        id: TokenId::from_bytes([3; 32]),
        key: Arc::new(Secret::new([4; 32])),
        uid: account.uid,
        created_at: NOW,
        auth_at: NOW,
        verification: Verification::Verified,
        must_verify: false,
        generation: account.verifier_set_at,
        user_agent: String::new(),
    };
    let call = Call {
        op: OpId::from_bytes([1; 16]),
        deadline: Deadline::after(Duration::from_secs(60)),
    };
    let sign_in = SignIn {
        session,
        key_fetches: Vec::new(),
    };
    assert_eq!(scene.store.open_session(&call, sign_in).await, Ok(()));
    let count = async || scene.get(&at(&uid)).await.of::<Account>().sessions;
    assert_eq!(count().await, 1);
    scene.clock.advance(Duration::from_secs(28 * 86_400));
    assert_eq!(count().await, 1);
    scene.clock.advance(Duration::from_secs(1));
    assert_eq!(count().await, 0);
}

#[tokio::test]
async fn a_second_factor_is_taken_off_and_nothing_else() {
    let scene = Scene::bare();
    let uid = made(&scene, "ann@example.test").await;
    let path = format!("{}/second-factor", at("ann@example.test"));
    let none: AccountChanged = scene.delete(&path).await.of();
    assert_eq!(none.outcome, AccountOutcome::Unchanged);
    let account = stored(&scene.store, &uid).await.unwrap();
    let factor = record::SecondFactor {
        secret: Arc::new(Secret::new([1; 20])),
        enabled: true,
        last_step: None,
        backup_codes: vec![[2; 32]],
    };
    let call = Call {
        op: OpId::from_bytes([1; 16]),
        deadline: Deadline::after(Duration::from_secs(60)),
    };
    let factor = Some(Arc::new(factor));
    let set = scene
        .store
        .set_second_factor(&call, account.uid, account.version, factor);
    assert_eq!(set.await, Ok(()));
    let guarded = stored(&scene.store, &uid).await.unwrap();

    let foretold: AccountChanged = scene.delete(&format!("{path}?dry_run=true")).await.of();
    assert_eq!(
        (foretold.outcome, foretold.dry_run),
        (AccountOutcome::Changed, true)
    );
    assert!(scene.get(&at(&uid)).await.of::<Account>().second_factor);
    let done: AccountChanged = scene.delete(&path).await.of();
    assert_eq!(
        (done.outcome, done.account.unwrap().uid),
        (AccountOutcome::Changed, uid.clone())
    );
    let after = record::Account {
        second_factor: None,
        version: guarded.version + 1,
        ..guarded
    };
    assert!(stored(&scene.store, &uid).await == Some(after));
    assert!(!scene.get(&at(&uid)).await.of::<Account>().second_factor);
    let path = format!("{}/second-factor", at("bob@example.test"));
    assert_eq!(scene.delete(&path).await.code(), Code::UnknownAccount);
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
