//! New passwords, deletions and refreshed sessions whose writer died half-way, written into the tables as he leaves them;
//! and what the same operation, another one and readers make of that.

use std::sync::Arc;

use foxhold_core::{
    OpId, TokenId,
    record::{
        Account, Device, PasswordEffect, PasswordTokenKind, PasswordUpdate, RefreshToken, Session,
        Verification,
    },
};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, Call, Refusal, WriteError,
    accounts::SignIn,
    conformance::fixtures::{Maker, soon},
};
use foxhold_store_cassandra::CassandraStore;

use crate::bench::{Bench, blob};

const SPENT: Result<(), WriteError> = Err(WriteError::Refused(Refusal::TokenSpent));
const CONFLICT: Result<(), WriteError> = Err(WriteError::Refused(Refusal::Conflict));

/// Somebody with an account, a session and what hangs on them.
struct Scene {
    bench: Bench,
    store: Arc<CassandraStore>,
    make: Maker,
    account: Account,
    /// When the account was made, and so its session.
    made: Call,
    sign_in: SignIn,
    device: Device,
    bound: RefreshToken,
    free: RefreshToken,
}

impl Scene {
    async fn new(seed: u64) -> Self {
        let bench = Bench::new().await;
        let (store, make) = (bench.store().await, Maker::new(seed));
        let mut account = make.account(&format!("a@passwords{seed}.example"));
        account.email_verified = true;
        let (made, sign_in) = (make.call(), make.sign_in(account.uid));
        let done = store
            .create_account(&made, account.clone(), sign_in.clone())
            .await;
        assert_eq!(done, Ok(()));
        let (uid, id) = (account.uid, sign_in.session.id);
        let device = make.device(uid, id);
        assert_eq!(store.put_device(&make.call(), device.clone()).await, Ok(()));
        let [bound, free] = [Some(id), None].map(|session| make.refresh_token(uid, session));
        for token in [&bound, &free] {
            let put = store.put_refresh_token(&make.call(), token.clone()).await;
            assert_eq!(put, Ok(()));
        }
        Self {
            bench,
            store,
            make,
            account,
            made,
            sign_in,
            device,
            bound,
            free,
        }
    }

    async fn token(&self, kind: PasswordTokenKind) -> TokenId {
        let token = self.make.password_token(&self.account, kind);
        let id = token.id;
        let put = self
            .store
            .put_password_token(&self.make.call(), token, None)
            .await;
        assert_eq!(put, Ok(()));
        id
    }

    async fn update(&self, effect: PasswordEffect) -> PasswordUpdate {
        let token = self.token(effect.wants()).await;
        self.make.password_update(&self.account, token, effect)
    }

    async fn set(
        &self,
        call: &Call,
        update: &PasswordUpdate,
        sign_in: Option<&SignIn>,
    ) -> Result<(), WriteError> {
        self.store
            .set_password(call, update.clone(), sign_in.cloned())
            .await
    }

    /// The account's row changes on its version, and names the operation.
    async fn changes_row(&self, op: &OpId, assignments: &str) {
        let (uid, version) = (blob(self.account.uid.as_bytes()), self.account.version);
        let next = version + 1;
        self.bench
            .execute(&format!(
                "UPDATE KS.accounts SET {assignments}, version = {next} WHERE uid = {uid} IF version = {version}"
            ))
            .await;
        self.bench
            .execute(&format!(
                "INSERT INTO KS.accounts (uid, op, kind) VALUES ({uid}, {}, 30) IF NOT EXISTS",
                blob(op.as_bytes())
            ))
            .await;
    }

    async fn verifies_again(&self) {
        // As a change of the row that is nothing of a password.
        self.changes_row(&self.make.call().op, "email_verified = true")
            .await;
    }

    async fn holds(&self, op: &OpId, token: TokenId) {
        self.bench
            .execute(&format!(
                "UPDATE KS.password_tokens SET spent_by = {} WHERE id = {} \
                 IF spent_by = 0x00000000000000000000000000000000",
                blob(op.as_bytes()),
                blob(token.as_bytes())
            ))
            .await;
    }

    /// A sign-in as an operation leaves it that has not come to its end.
    async fn signs_in(&self, op: OpId) -> SignIn {
        let sign_in = self.make.sign_in(self.account.uid);
        let call = Call { op, deadline: soon() };
        let opened = self.store.open_session(&call, sign_in.clone()).await;
        assert_eq!(opened, Ok(()));
        sign_in
    }

    async fn session(&self, id: TokenId) -> Option<Session> {
        self.store.session(soon(), id).await.expect("it reads")
    }

    async fn is_token_there(&self, id: TokenId) -> bool {
        let found = self.store.password_token(soon(), id).await;
        found.expect("it reads").is_some()
    }

    async fn assert_not_signed_in(&self, sign_in: &SignIn) {
        assert_eq!(self.session(sign_in.session.id).await, None);
        let listed = self.store.sessions(soon(), self.account.uid).await;
        assert!(!listed.expect("it reads").contains(&sign_in.session));
        for token in &sign_in.key_fetches {
            assert_eq!(self.store.key_fetch(soon(), token.id).await, Ok(None));
        }
    }

    /// What hung on the account is removed, not only dead.
    async fn assert_swept(&self) {
        self.assert_not_signed_in(&self.sign_in).await;
        let uid = blob(self.account.uid.as_bytes());
        for table in ["sessions_by_account", "devices", "refresh_tokens_by_account"] {
            let rows = self.bench.count(&format!("KS.{table} WHERE uid = {uid}")).await;
            assert_eq!(rows, 0, "{table}");
        }
        for token in [&self.bound, &self.free] {
            let id = blob(token.id.as_bytes());
            let rows = self
                .bench
                .count(&format!("KS.refresh_tokens WHERE id = {id}"))
                .await;
            assert_eq!(rows, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_password_ended_is_dead_before_it_is_removed() {
    let scene = Scene::new(101).await;
    let (store, uid) = (&scene.store, scene.account.uid);
    let (reset, call) = (scene.make.reset(false), scene.make.call());
    let at = reset.verifier_set_at().expect("a reset has one").as_millis();
    let change = scene.token(PasswordTokenKind::Change).await;
    let update = scene.update(reset).await;
    let reset_at = format!("verifier_set_at = {at}, reset_at = {at}");
    scene.changes_row(&call.op, &reset_at).await;

    for token in [&scene.bound, &scene.free] {
        assert_eq!(store.refresh_token(soon(), token.id).await, Ok(None));
    }
    assert_eq!(store.refresh_tokens(soon(), uid).await, Ok(vec![]));
    for token in &scene.sign_in.key_fetches {
        assert_eq!(store.key_fetch(soon(), token.id).await, Ok(None));
        assert_eq!(store.consume_key_fetch(&scene.make.call(), token.id).await, SPENT);
    }
    assert!(!scene.is_token_there(update.spends).await && !scene.is_token_there(change).await);
    let other = scene.set(&scene.make.call(), &update, None).await;
    assert_eq!(other, SPENT, "another operation");
    // Rules tell by their generation that these are dead.
    assert!(scene.session(scene.sign_in.session.id).await.is_some());
    let devices = store.devices(soon(), uid).await;
    assert_eq!(devices, Ok(vec![scene.device.clone()]));

    assert_eq!(scene.set(&call, &update, None).await, Ok(()), "the same one");
    scene.assert_swept().await;
}

/// A reset ends all refresh tokens, a change those of sessions.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_died_goes_on_under_its_operation_and_leaves_what_outlasts_it() {
    let scene = Scene::new(102).await;
    let (store, uid) = (&scene.store, scene.account.uid);
    let (change, call) = (scene.make.change(), scene.make.call());
    let at = change.verifier_set_at().expect("a change has one").as_millis();
    let update = scene.update(change).await;
    scene
        .changes_row(&call.op, &format!("verifier_set_at = {at}"))
        .await;
    let left = vec![scene.free.clone()];
    assert_eq!(store.refresh_tokens(soon(), uid).await, Ok(left.clone()));
    // Signed in since, with the new password.
    let now = update.applied_to(&scene.account);
    let since = scene.make.sign_in_to(&now);
    let opened = store.open_session(&scene.make.call(), since.clone()).await;
    assert_eq!(opened, Ok(()));
    let mut device = scene.device.clone();
    device.session = since.session.id;
    let moved = store.put_device(&scene.make.call(), device.clone()).await;
    assert_eq!(moved, Ok(()));

    assert_eq!(scene.set(&call, &update, None).await, Ok(()));
    scene.assert_not_signed_in(&scene.sign_in).await;
    assert_eq!(store.sessions(soon(), uid).await, Ok(vec![since.session]));
    assert_eq!(store.devices(soon(), uid).await, Ok(vec![device]));
    assert_eq!(store.refresh_tokens(soon(), uid).await, Ok(left));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_died_holding_its_token_goes_on_or_gives_it_back() {
    for (seed, changed_since) in [(103, false), (104, true)] {
        let scene = Scene::new(seed).await;
        let (update, call) = (scene.update(PasswordEffect::Upgrade).await, scene.make.call());
        scene.holds(&call.op, update.spends).await;
        let written = scene.signs_in(call.op).await;
        assert!(!scene.is_token_there(update.spends).await);
        let other = scene.set(&scene.make.call(), &update, None).await;
        assert_eq!(other, SPENT, "another operation");
        if changed_since {
            scene.verifies_again().await;
            let same = scene.set(&call, &update, Some(&written)).await;
            assert_eq!(same, CONFLICT);
            scene.assert_not_signed_in(&written).await;
            assert!(scene.is_token_there(update.spends).await, "given back");
            let again = PasswordUpdate {
                based_on: scene.account.version + 1,
                ..update
            };
            let next = scene.set(&scene.make.call(), &again, None).await;
            assert_eq!(next, Ok(()));
        } else {
            let same = scene.set(&call, &update, Some(&written)).await;
            assert_eq!(same, Ok(()));
            assert!(scene.session(written.session.id).await.is_some());
            assert!(!scene.is_token_there(update.spends).await);
        }
        assert!(scene.session(scene.sign_in.session.id).await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_comes_too_late_takes_back_what_came_with_it() {
    let scene = Scene::new(105).await;
    let (update, call) = (scene.update(scene.make.change()).await, scene.make.call());
    let written = scene.signs_in(call.op).await;
    scene.verifies_again().await;
    assert_eq!(scene.set(&call, &update, Some(&written)).await, CONFLICT);
    scene.assert_not_signed_in(&written).await;
    assert!(scene.is_token_there(update.spends).await);
}

/// How far a deletion came.
#[derive(Debug, Clone, Copy)]
enum Step {
    Condemned,
    Released,
}

/// Who comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    SameOperation,
    AnotherDeletion,
    SignUp,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_died_is_brought_to_its_end_by_whoever_comes_next() {
    let cases = [
        (Step::Condemned, Next::SameOperation),
        (Step::Condemned, Next::AnotherDeletion),
        (Step::Condemned, Next::SignUp),
        (Step::Released, Next::SameOperation),
    ];
    for (seed, (step, next)) in (110..).zip(cases) {
        let scene = Scene::new(seed).await;
        let (store, account, call) = (&scene.store, &scene.account, scene.make.call());
        scene
            .changes_row(&call.op, "state = 'deleting', email = null")
            .await;
        if matches!(step, Step::Released) {
            scene
                .bench
                .execute(&format!(
                    "DELETE FROM KS.claims WHERE email_key = '{}' IF EXISTS",
                    account.email_key.as_str()
                ))
                .await;
        }
        let found = store.account(soon(), account.uid).await.expect("it reads");
        let holder = store.account_by_email(soon(), &account.email_key).await;
        assert!(found.is_none() && holder.expect("it reads").is_none(), "{step:?}");

        let delete = |call| async move { store.delete_account(&call, account.uid, account.version).await };
        match next {
            Next::SameOperation => assert_eq!(delete(call).await, Ok(())),
            Next::AnotherDeletion => assert_eq!(delete(scene.make.call()).await, Ok(())),
            Next::SignUp => {}
        }
        let mut newcomer = scene.make.account("somebody@else.example");
        newcomer.email_key = account.email_key.clone();
        let sign_in = scene.make.sign_in(newcomer.uid);
        let made = store
            .create_account(&scene.make.call(), newcomer.clone(), sign_in)
            .await;
        assert_eq!(made, Ok(()), "{step:?}, then {next:?}");
        scene.assert_swept().await;
        let row = blob(account.uid.as_bytes());
        let named = scene
            .bench
            .count(&format!(
                "KS.accounts WHERE uid = {row} AND email_key = '{}' ALLOW FILTERING",
                account.email_key.as_str()
            ))
            .await;
        assert_eq!(named, 0, "{step:?}, then {next:?}: the address is still there");
        // The first deletion again spares who came after.
        assert_eq!(delete(call).await, Ok(()));
        let holder = store.account_by_email(soon(), &account.email_key).await;
        assert!(
            holder.expect("it reads") == Some(newcomer),
            "{step:?}, then {next:?}"
        );
    }
}

impl Scene {
    fn refreshed(&self) -> Session {
        Session {
            auth_at: self.make.now(),
            verification: Verification::Verified,
            must_verify: false,
            ..self.sign_in.session.clone()
        }
    }

    async fn refresh(&self, call: &Call, refreshed: &Session) -> Result<(), WriteError> {
        self.store.refresh_session(call, refreshed.clone(), vec![]).await
    }

    async fn listed(&self) -> Vec<Session> {
        let listed = self.store.sessions(soon(), self.account.uid).await;
        listed.expect("it reads")
    }
}

/// A sign-out has read when the session was written, and deletes a microsecond later at the earliest.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_out_that_read_before_a_refresh_ends_the_session_whichever_comes_first() {
    for (seed, sign_out_first) in [(120, false), (121, true)] {
        let scene = Scene::new(seed).await;
        let (uid, id) = (scene.account.uid, scene.sign_in.session.id);
        let at = scene.made.op.write_timestamp() + 1;
        let (uid, row) = (blob(uid.as_bytes()), blob(id.as_bytes()));
        let refreshed = scene.refreshed();
        if !sign_out_first {
            assert_eq!(scene.refresh(&scene.make.call(), &refreshed).await, Ok(()));
            assert_eq!(scene.session(id).await.as_ref(), Some(&refreshed));
            assert_eq!(scene.listed().await, vec![refreshed.clone()]);
        }
        let list = format!(
            "DELETE FROM KS.sessions_by_account USING TIMESTAMP {at} WHERE uid = {uid} AND id = {row}"
        );
        scene.bench.execute(&list).await;
        if sign_out_first {
            // Found while the list has lost it already, and the session is still there.
            assert_eq!(scene.refresh(&scene.make.call(), &refreshed).await, Ok(()));
        }
        let end = format!("DELETE FROM KS.sessions USING TIMESTAMP {at} WHERE id = {row}");
        scene.bench.execute(&end).await;
        assert_eq!(scene.session(id).await, None);
        assert_eq!(scene.listed().await, vec![]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_died_between_its_rows_goes_on_under_its_operation() {
    let scene = Scene::new(122).await;
    let (call, refreshed) = (scene.make.call(), scene.refreshed());
    let of = &scene.sign_in.session;
    let time = |at: foxhold_core::Timestamp| at.as_millis();
    let (id, uid, key) = (
        blob(of.id.as_bytes()),
        blob(of.uid.as_bytes()),
        blob(of.key.expose()),
    );
    scene
        .bench
        .execute(&format!(
            "INSERT INTO KS.sessions (id, uid, key, created_at, auth_at, verification, must_verify, generation, \
             user_agent, refreshed_by) VALUES ({id}, {uid}, {key}, {}, {}, 0, false, {}, '{}', {}) USING TIMESTAMP {}",
            time(of.created_at),
            time(refreshed.auth_at),
            time(of.generation),
            of.user_agent,
            blob(call.op.as_bytes()),
            scene.made.op.write_timestamp() + 1,
        ))
        .await;
    assert_eq!(scene.session(of.id).await.as_ref(), Some(&refreshed));
    assert_eq!(scene.listed().await, vec![of.clone()]);
    assert_eq!(scene.refresh(&call, &refreshed).await, Ok(()));
    assert_eq!(scene.listed().await, vec![refreshed.clone()]);
    let later = scene.refreshed();
    assert_eq!(scene.refresh(&scene.make.call(), &later).await, Ok(()));
    assert_eq!(scene.refresh(&call, &refreshed).await, Ok(()), "again");
    assert_eq!(scene.session(later.id).await.as_ref(), Some(&later));
    assert_eq!(scene.listed().await, vec![later]);
}
