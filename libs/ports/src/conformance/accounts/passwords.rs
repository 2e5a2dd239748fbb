//! New passwords.

use std::sync::Arc;

use foxhold_core::{
    TokenId,
    record::{Account, PasswordEffect, PasswordTokenKind, PasswordUpdate},
};

use crate::{
    Call, Cause, Refusal, WriteError,
    accounts::SignIn,
    conformance::{
        Subject, cases,
        fixtures::{Maker, past},
    },
};

use PasswordTokenKind::{Change, Forgot, Reset};

const SPENT: WriteError = WriteError::Refused(Refusal::TokenSpent);

cases![
    an_upgrade_ends_nothing,
    a_change_ends_what_is_signed_in,
    a_reset_ends_everything_and_verifies_the_address,
    a_reset_with_a_recovery_key_keeps_the_keys,
    a_password_may_come_without_a_sign_in,
    nobody_gets_no_password,
    a_foreign_sign_in_sets_no_password,
    a_password_wants_a_token_of_its_own,
    a_token_sets_one_password,
    an_account_that_has_changed_keeps_its_password_and_the_token,
    a_spent_token_is_told_before_a_conflict,
    a_repeated_password_does_not_undo_a_later_one,
    a_repeated_upgrade_stores_nothing_again,
    a_refused_password_stays_refused,
    after_its_deadline_no_password_is_set,
];

impl Subject {
    pub(super) async fn set_password(
        &self,
        make: &Maker,
        update: &PasswordUpdate,
        sign_in: Option<&SignIn>,
    ) -> Result<(), WriteError> {
        let (update, sign_in) = (update.clone(), sign_in.cloned());
        self.account_writer
            .set_password(&make.call(), update, sign_in)
            .await
    }

    pub(super) async fn assert_signed_in(&self, sign_in: &SignIn) {
        let SignIn { session, key_fetches } = sign_in;
        assert_eq!(self.session(session.id).await.as_ref(), Some(session));
        assert!(self.sessions(session.uid).await.contains(session));
        for token in key_fetches {
            assert_eq!(self.key_fetch(token.id).await.as_ref(), Some(token));
        }
    }

    pub(super) async fn assert_not_signed_in(&self, sign_in: &SignIn) {
        let SignIn { session, key_fetches } = sign_in;
        assert_eq!(self.session(session.id).await, None);
        assert!(!self.sessions(session.uid).await.contains(session));
        for token in key_fetches {
            assert_eq!(self.key_fetch(token.id).await, None);
        }
    }

    /// What a password is set with.
    async fn ready(
        &self,
        make: &Maker,
        account: &Account,
        effect: PasswordEffect,
    ) -> (PasswordUpdate, SignIn) {
        let token = self.given_token(make, account, effect.wants()).await;
        let update = make.password_update(account, token.id, effect);
        let sign_in = make.sign_in_to(&update.applied_to(account));
        (update, sign_in)
    }

    /// Nothing of it has happened, but the token may have been spent by another.
    async fn assert_not_set(&self, account: &Account, sign_in: &SignIn) {
        let uid = account.uid;
        assert!(self.account(uid).await.as_ref() == Some(account));
        self.assert_not_signed_in(sign_in).await;
    }
}

async fn an_upgrade_ends_nothing(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let had = s.furnish(&make, &account, sign_in).await;
    let (update, new) = s.ready(&make, &account, PasswordEffect::Upgrade).await;
    assert_eq!(s.set_password(&make, &update, Some(&new)).await, Ok(()));
    assert!(s.account(account.uid).await == Some(update.applied_to(&account)));
    assert!(s.holder(&account.email_key).await == Some(update.applied_to(&account)));
    s.assert_all_there(&had).await;
    s.assert_signed_in(&new).await;
    assert_eq!(s.password_token(update.spends).await, None);
}

/// What hangs on another account is none of its business.
async fn neighbour(s: &Subject, make: &Maker) -> super::belongings::Belongings {
    let (account, sign_in) = s.signed_up(make, "neighbour@example.test").await;
    s.furnish(make, &account, sign_in).await
}

async fn a_change_ends_what_is_signed_in(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (had, other) = (
        s.furnish(&make, &account, sign_in).await,
        neighbour(&s, &make).await,
    );
    let second = make.sign_in(account.uid);
    let opened = s.account_writer.open_session(&make.call(), second.clone()).await;
    assert_eq!(opened, Ok(()));
    let (update, new) = s.ready(&make, &account, make.change()).await;
    assert_eq!(s.set_password(&make, &update, Some(&new)).await, Ok(()));
    let after = update.applied_to(&account);
    assert!(s.account(account.uid).await.as_ref() == Some(&after));
    assert!(s.holder(&account.email_key).await == Some(after));
    s.assert_gone(&make, &had, true).await;
    s.assert_not_signed_in(&second).await;
    s.assert_signed_in(&new).await;
    assert_eq!(s.sessions(account.uid).await, vec![new.session]);
    assert_eq!(s.password_token(update.spends).await, None);
    s.assert_all_there(&other).await;
}

async fn a_reset_ends_everything_and_verifies_the_address(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (had, other) = (
        s.furnish(&make, &account, sign_in).await,
        neighbour(&s, &make).await,
    );
    let (update, new) = s.ready(&make, &account, make.reset(false)).await;
    assert_eq!(s.set_password(&make, &update, Some(&new)).await, Ok(()));
    let after = update.applied_to(&account);
    assert!(after.email_verified && !account.email_verified);
    assert!(s.account(account.uid).await == Some(after));
    s.assert_gone(&make, &had, false).await;
    s.assert_signed_in(&new).await;
    assert_eq!(s.sessions(account.uid).await, vec![new.session]);
    assert_eq!(s.password_token(update.spends).await, None);
    s.assert_all_there(&other).await;

    // The address is the owner's now.
    let late = make.account("a@example.test");
    let sign_in = make.sign_in(late.uid);
    let refused = s.account_writer.create_account(&make.call(), late, sign_in).await;
    assert_eq!(refused, Err(Refusal::EmailTaken.into()));
}

async fn a_reset_with_a_recovery_key_keeps_the_keys(s: Arc<Subject>) {
    let make = Maker::new(4);
    let account = make.verified_account("a@example.test");
    let sign_in = make.sign_in(account.uid);
    s.create(&make, &account, &sign_in).await;
    let had = s.furnish(&make, &account, sign_in).await;
    let (update, new) = s.ready(&make, &account, make.reset(true)).await;
    assert_eq!(s.set_password(&make, &update, Some(&new)).await, Ok(()));
    let after = update.applied_to(&account);
    assert_eq!(after.keys_changed_at, account.keys_changed_at);
    assert!(s.account(account.uid).await == Some(after));
    s.assert_gone(&make, &had, false).await;
    s.assert_signed_in(&new).await;
}

async fn a_password_may_come_without_a_sign_in(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (update, _) = s.ready(&make, &account, make.change()).await;
    assert_eq!(s.set_password(&make, &update, None).await, Ok(()));
    assert!(s.account(account.uid).await == Some(update.applied_to(&account)));
    s.assert_not_signed_in(&sign_in).await;
    assert_eq!(s.sessions(account.uid).await, vec![]);
}

async fn nobody_gets_no_password(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (other, _) = s.signed_up(&make, "other@example.test").await;
    let nobody = make.account("a@example.test");
    let token = s.given_token(&make, &other, Change).await;
    let update = make.password_update(&nobody, token.id, make.change());
    let sign_in = make.sign_in_to(&update.applied_to(&nobody));
    let refused = s.set_password(&make, &update, Some(&sign_in)).await;
    assert_eq!(refused, Err(Refusal::UnknownAccount.into()));
    assert!(s.account(nobody.uid).await.is_none());
    s.assert_not_signed_in(&sign_in).await;
    assert_eq!(s.password_token(token.id).await, Some(token));
}

async fn a_foreign_sign_in_sets_no_password(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (ann, _) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    let (update, _) = s.ready(&make, &ann, make.change()).await;
    let foreign_key_fetch = SignIn {
        session: make.session(ann.uid),
        key_fetches: vec![make.key_fetch(bob.uid)],
    };
    for sign_in in [make.sign_in(bob.uid), foreign_key_fetch] {
        let refused = s.set_password(&make, &update, Some(&sign_in)).await;
        assert_eq!(refused, Err(Refusal::UnknownAccount.into()));
        s.assert_not_set(&ann, &sign_in).await;
    }
    assert_eq!(s.set_password(&make, &update, None).await, Ok(()));
}

async fn a_password_wants_a_token_of_its_own(s: Arc<Subject>) {
    let make = Maker::new(8);
    let (ann, _) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    let [reset, change] = [
        s.given_token(&make, &ann, Reset).await,
        s.given_token(&make, &ann, Change).await,
    ];
    let forgot = s.given_token(&make, &ann, Forgot).await;
    let of_bob = [
        s.given_token(&make, &bob, Reset).await,
        s.given_token(&make, &bob, Change).await,
    ];
    let never = TokenId::random(make.random());
    let table = [
        (
            PasswordEffect::Upgrade,
            [reset.id, forgot.id, of_bob[1].id, never],
        ),
        (make.change(), [reset.id, forgot.id, of_bob[1].id, never]),
        (make.reset(false), [change.id, forgot.id, of_bob[0].id, never]),
    ];
    for (effect, tokens) in table {
        for (number, token) in tokens.into_iter().enumerate() {
            let update = make.password_update(&ann, token, effect.clone());
            let sign_in = make.sign_in_to(&update.applied_to(&ann));
            let refused = s.set_password(&make, &update, Some(&sign_in)).await;
            assert_eq!(refused, Err(SPENT), "{effect:?} with token {number}");
            s.assert_not_set(&ann, &sign_in).await;
        }
    }
    for token in [reset, change, forgot].into_iter().chain(of_bob) {
        assert_eq!(s.password_token(token.id).await, Some(token));
    }
}

async fn a_token_sets_one_password(s: Arc<Subject>) {
    let make = Maker::new(9);
    for (number, effect) in [PasswordEffect::Upgrade, make.change(), make.reset(true)]
        .into_iter()
        .enumerate()
    {
        let (account, _) = s.signed_up(&make, &format!("a{number}@example.test")).await;
        let (update, new) = s.ready(&make, &account, effect.clone()).await;
        assert_eq!(s.set_password(&make, &update, Some(&new)).await, Ok(()));
        let now = update.applied_to(&account);
        let again = make.password_update(&now, update.spends, effect);
        let sign_in = make.sign_in_to(&again.applied_to(&now));
        let refused = s.set_password(&make, &again, Some(&sign_in)).await;
        assert_eq!(refused, Err(SPENT), "{update:?}");
        s.assert_not_set(&now, &sign_in).await;
        s.assert_signed_in(&new).await;
    }
}

async fn an_account_that_has_changed_keeps_its_password_and_the_token(s: Arc<Subject>) {
    let make = Maker::new(10);
    let (before, old) = s.signed_up(&make, "a@example.test").await;
    let verified = s.account_writer.verify_email(&make.call(), before.uid).await;
    assert_eq!(verified, Ok(()));
    let account = s.account(before.uid).await.expect("the account is there");
    for effect in [PasswordEffect::Upgrade, make.change(), make.reset(false)] {
        let (update, new) = s.ready(&make, &before, effect).await;
        let refused = s.set_password(&make, &update, Some(&new)).await;
        assert_eq!(refused, Err(Refusal::Conflict.into()), "{update:?}");
        s.assert_not_set(&account, &new).await;
        s.assert_signed_in(&old).await;
        let token = s.password_token(update.spends).await;
        assert!(token.is_some(), "{update:?}");
    }
    let (update, new) = s.ready(&make, &before, make.change()).await;
    let refused = s.set_password(&make, &update, Some(&new)).await;
    assert_eq!(refused, Err(Refusal::Conflict.into()));
    let again = PasswordUpdate {
        based_on: account.version,
        ..update
    };
    assert_eq!(s.set_password(&make, &again, Some(&new)).await, Ok(()));
    assert!(s.account(account.uid).await == Some(again.applied_to(&account)));
    s.assert_signed_in(&new).await;
}

async fn a_spent_token_is_told_before_a_conflict(s: Arc<Subject>) {
    let make = Maker::new(11);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (update, new) = s.ready(&make, &account, make.change()).await;
    assert_eq!(s.set_password(&make, &update, Some(&new)).await, Ok(()));
    let now = update.applied_to(&account);
    let late = make.password_update(&account, update.spends, make.change());
    let sign_in = make.sign_in_to(&late.applied_to(&account));
    assert_eq!(s.set_password(&make, &late, Some(&sign_in)).await, Err(SPENT));
    s.assert_not_set(&now, &sign_in).await;
}

async fn a_repeated_password_does_not_undo_a_later_one(s: Arc<Subject>) {
    let make = Maker::new(12);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let ((update, new), call) = (s.ready(&make, &account, make.change()).await, make.call());
    let writer = &s.account_writer;
    let set = || writer.set_password(&call, update.clone(), Some(new.clone()));
    for _ in 0..2 {
        assert_eq!(set().await, Ok(()));
    }
    let first = update.applied_to(&account);
    assert!(s.account(account.uid).await.as_ref() == Some(&first));
    s.assert_signed_in(&new).await;
    let closed = writer
        .close_session(&make.call(), account.uid, new.session.id)
        .await;
    assert_eq!(closed, Ok(()));
    assert_eq!(set().await, Ok(()));
    assert_eq!(s.session(new.session.id).await, None);

    let (later, newer) = s.ready(&make, &first, make.reset(false)).await;
    assert_eq!(s.set_password(&make, &later, Some(&newer)).await, Ok(()));
    let had = s.furnish(&make, &later.applied_to(&first), newer).await;
    assert_eq!(set().await, Ok(()));
    assert!(s.account(account.uid).await == Some(later.applied_to(&first)));
    s.assert_not_signed_in(&new).await;
    s.assert_all_there(&had).await;
}

async fn a_repeated_upgrade_stores_nothing_again(s: Arc<Subject>) {
    let make = Maker::new(13);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (update, new) = s.ready(&make, &account, PasswordEffect::Upgrade).await;
    let (call, writer) = (make.call(), &s.account_writer);
    let set = || writer.set_password(&call, update.clone(), Some(new.clone()));
    assert_eq!(set().await, Ok(()));
    let first = update.applied_to(&account);
    let (later, _) = s.ready(&make, &first, PasswordEffect::Upgrade).await;
    assert_eq!(s.set_password(&make, &later, None).await, Ok(()));
    assert_eq!(set().await, Ok(()));
    assert!(s.account(account.uid).await == Some(later.applied_to(&first)));
    s.assert_signed_in(&new).await;
}

async fn a_refused_password_stays_refused(s: Arc<Subject>) {
    let make = Maker::new(14);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let nobody = make.account("b@example.test");
    let (mut conflict, new) = s.ready(&make, &account, make.change()).await;
    conflict.based_on += 1;
    let spent = make.password_update(&account, TokenId::random(make.random()), make.change());
    let unknown = make.password_update(&nobody, conflict.spends, make.change());
    let calls = [(); 3].map(|()| make.call());
    for round in ["at first", "again"] {
        let table = [
            (&conflict, Refusal::Conflict),
            (&spent, Refusal::TokenSpent),
            (&unknown, Refusal::UnknownAccount),
        ];
        for (call, (update, refusal)) in calls.iter().zip(table) {
            let answer = s.account_writer.set_password(call, update.clone(), None).await;
            assert_eq!(answer, Err(refusal.into()), "{round}");
        }
        s.assert_not_set(&account, &new).await;
    }
    assert!(s.password_token(conflict.spends).await.is_some());
}

async fn after_its_deadline_no_password_is_set(s: Arc<Subject>) {
    let make = Maker::new(15);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let ((update, new), call) = (s.ready(&make, &account, make.change()).await, make.call());
    let late = Call {
        op: call.op,
        deadline: past(),
    };
    let writer = &s.account_writer;
    let answer = writer
        .set_password(&late, update.clone(), Some(new.clone()))
        .await;
    assert_eq!(answer, Err(WriteError::NotDone(Cause::Timeout)));
    s.assert_not_set(&account, &new).await;
    assert!(s.password_token(update.spends).await.is_some());
    let answer = writer
        .set_password(&call, update.clone(), Some(new.clone()))
        .await;
    assert_eq!(answer, Ok(()));
    s.assert_signed_in(&new).await;
}
