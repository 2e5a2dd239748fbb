//! Second factors and recovery keys: replaced whole, on the account as it was read.

use std::sync::Arc;

use foxhold_core::record::{Account, PasswordEffect, RecoveryKey, SecondFactor, Session, Verification};

use super::races::{CALLERS, assert_one_winner};
use crate::{
    Cause, Refusal, WriteError,
    accounts::SignIn,
    conformance::{
        Subject, at_once, cases,
        fixtures::{Maker, past},
    },
    guards::Guard,
};

const CONFLICT: Result<(), WriteError> = Err(WriteError::Refused(Refusal::Conflict));
const UNKNOWN: Result<(), WriteError> = Err(WriteError::Refused(Refusal::UnknownAccount));

cases![
    a_guard_is_set_replaced_and_removed,
    a_guard_without_anything_optional_is_kept,
    an_account_that_has_changed_keeps_its_guards,
    nobody_has_no_guards,
    of_many_who_use_a_backup_code_one_does,
    of_many_who_use_one_step_one_does,
    one_guard_sent_many_times_at_once_is_set_once,
    a_repeated_guard_does_not_undo_a_later_one,
    a_repeated_guard_does_not_undo_the_other,
    a_change_and_an_upgrade_leave_both_guards,
    a_reset_takes_the_recovery_key_and_leaves_the_second_factor,
    a_reset_decided_on_another_recovery_key_is_not_done,
    a_deleted_account_leaves_no_guards_to_the_next,
    a_session_that_waits_is_kept_with_its_tokens,
    what_a_session_waits_for_is_given_in_it,
    after_its_deadline_no_guard_is_set,
];

impl Subject {
    async fn set_guard(&self, make: &Maker, account: &Account, guard: Guard) -> Result<(), WriteError> {
        let (call, uid, based_on) = (make.call(), account.uid, account.version);
        match guard {
            Guard::SecondFactor(factor) => {
                let guards = &self.account_guards;
                guards.set_second_factor(&call, uid, based_on, factor).await
            }
            Guard::RecoveryKey(key) => {
                let guards = &self.account_guards;
                guards.set_recovery_key(&call, uid, based_on, key).await
            }
        }
    }

    /// Sets it, and answers the account as it is read after.
    async fn guarded(&self, make: &Maker, account: &Account, guard: Guard) -> Account {
        assert_eq!(self.set_guard(make, account, guard.clone()).await, Ok(()));
        let found = self.account(account.uid).await.expect("the account is there");
        assert!(found == guard.applied_to(account), "nothing else of it is new");
        found
    }

    async fn guarded_by_both(&self, make: &Maker, account: &Account) -> Account {
        let account = self.guarded(make, account, second(make)).await;
        self.guarded(make, &account, recovery(make)).await
    }
}

fn second(make: &Maker) -> Guard {
    Guard::SecondFactor(Some(make.second_factor()))
}

fn recovery(make: &Maker) -> Guard {
    Guard::RecoveryKey(Some(make.recovery_key()))
}

async fn a_guard_is_set_replaced_and_removed(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (other, _) = s.signed_up(&make, "other@example.test").await;
    let (mut account, sign_in) = s.signed_up(&make, "a@example.test").await;
    for guard in [second(&make), recovery(&make), second(&make), recovery(&make)] {
        account = s.guarded(&make, &account, guard).await;
        assert!(s.holder(&account.email_key).await.as_ref() == Some(&account));
    }
    account = s.guarded(&make, &account, Guard::RecoveryKey(None)).await;
    assert!(account.second_factor.is_some());
    for guard in [Guard::SecondFactor(None), Guard::SecondFactor(None)] {
        account = s.guarded(&make, &account, guard).await;
    }
    s.assert_signed_in(&sign_in).await;
    assert!(s.account(other.uid).await == Some(other));
}

async fn a_guard_without_anything_optional_is_kept(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let factor = SecondFactor {
        enabled: false,
        last_step: None,
        backup_codes: Vec::new(),
        ..(*make.second_factor()).clone()
    };
    let key = RecoveryKey {
        data: "x".repeat(1024),
        enabled: false,
        hint: None,
        ..(*make.recovery_key()).clone()
    };
    let account = s
        .guarded(&make, &account, Guard::SecondFactor(Some(Arc::new(factor))))
        .await;
    s.guarded(&make, &account, Guard::RecoveryKey(Some(Arc::new(key))))
        .await;
}

async fn an_account_that_has_changed_keeps_its_guards(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (read, _) = s.signed_up(&make, "a@example.test").await;
    let guarded = s.guarded_by_both(&make, &read).await;
    for guard in [
        second(&make),
        recovery(&make),
        Guard::SecondFactor(None),
        Guard::RecoveryKey(None),
    ] {
        assert_eq!(s.set_guard(&make, &read, guard.clone()).await, CONFLICT);
        let verified = s.account_writer.verify_email(&make.call(), read.uid).await;
        assert_eq!(verified, Ok(()));
        assert_eq!(s.set_guard(&make, &guarded, guard).await, CONFLICT);
    }
    let found = s.account(read.uid).await.expect("the account is there");
    assert!(found.second_factor == guarded.second_factor && found.recovery_key == guarded.recovery_key);
}

async fn nobody_has_no_guards(s: Arc<Subject>) {
    let make = Maker::new(4);
    let nobody = make.account("a@example.test");
    for guard in [second(&make), recovery(&make), Guard::SecondFactor(None)] {
        assert_eq!(s.set_guard(&make, &nobody, guard).await, UNKNOWN);
    }
    assert!(s.account(nobody.uid).await.is_none());
}

/// What each of many finds left when it has used one code: the others.
async fn of_many_who_use_a_backup_code_one_does(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let account = s.guarded(&make, &account, second(&make)).await;
    let before = account.second_factor.clone().expect("it was set");
    let mut after = (*before).clone();
    after.backup_codes.remove(3);
    let after = Arc::new(after);
    let answers = at_once(CALLERS, |_| {
        let (guards, call) = (Arc::clone(&s.account_guards), make.call());
        let (uid, version, factor) = (account.uid, account.version, Arc::clone(&after));
        async move { guards.set_second_factor(&call, uid, version, Some(factor)).await }
    });
    assert_one_winner(&answers.await, Refusal::Conflict);
    let found = s.account(account.uid).await.expect("the account is there");
    assert!(found == Guard::SecondFactor(Some(after)).applied_to(&account));
}

/// Half of them at first sight, half on what has come of the first code.
async fn of_many_who_use_one_step_one_does(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (mut account, _) = s.signed_up(&make, "a@example.test").await;
    account = s.guarded(&make, &account, second(&make)).await;
    for _ in 0..2 {
        let mut used = (**account.second_factor.as_ref().expect("it was set")).clone();
        used.last_step = used.last_step.map(|step| step + 1);
        let used = Arc::new(used);
        let answers = at_once(CALLERS, |_| {
            let (guards, call) = (Arc::clone(&s.account_guards), make.call());
            let (uid, version, factor) = (account.uid, account.version, Arc::clone(&used));
            async move { guards.set_second_factor(&call, uid, version, Some(factor)).await }
        });
        assert_one_winner(&answers.await, Refusal::Conflict);
        account = Guard::SecondFactor(Some(used)).applied_to(&account);
        assert!(s.account(account.uid).await.as_ref() == Some(&account));
    }
}

async fn one_guard_sent_many_times_at_once_is_set_once(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (call, key) = (make.call(), make.recovery_key());
    let answers = at_once(CALLERS, |_| {
        let (guards, key) = (Arc::clone(&s.account_guards), Arc::clone(&key));
        let (uid, version) = (account.uid, account.version);
        async move { guards.set_recovery_key(&call, uid, version, Some(key)).await }
    });
    assert!(answers.await.iter().all(Result::is_ok));
    let found = s.account(account.uid).await.expect("the account is there");
    assert!(found == Guard::RecoveryKey(Some(key)).applied_to(&account));
}

async fn a_repeated_guard_does_not_undo_a_later_one(s: Arc<Subject>) {
    let make = Maker::new(8);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (call, first) = (make.call(), make.second_factor());
    let set = || {
        let first = Some(Arc::clone(&first));
        s.account_guards
            .set_second_factor(&call, account.uid, account.version, first)
    };
    assert_eq!(set().await, Ok(()));
    let guarded = Guard::SecondFactor(Some(Arc::clone(&first))).applied_to(&account);
    let later = s.guarded(&make, &guarded, second(&make)).await;
    assert_eq!(set().await, Ok(()), "it was done");
    assert!(s.account(account.uid).await == Some(later));
}

async fn a_repeated_guard_does_not_undo_the_other(s: Arc<Subject>) {
    let make = Maker::new(9);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (call, key) = (make.call(), make.recovery_key());
    let set = || {
        let key = Some(Arc::clone(&key));
        s.account_guards
            .set_recovery_key(&call, account.uid, account.version, key)
    };
    assert_eq!(set().await, Ok(()));
    let guarded = Guard::RecoveryKey(Some(Arc::clone(&key))).applied_to(&account);
    let both = s.guarded(&make, &guarded, second(&make)).await;
    assert_eq!(set().await, Ok(()));
    assert!(s.account(account.uid).await == Some(both));
}

async fn a_change_and_an_upgrade_leave_both_guards(s: Arc<Subject>) {
    let make = Maker::new(10);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let mut account = s.guarded_by_both(&make, &account).await;
    for effect in [PasswordEffect::Upgrade, make.change()] {
        let token = s.given_token(&make, &account, effect.wants()).await;
        let update = make.password_update(&account, token.id, effect);
        assert_eq!(s.set_password(&make, &update, None).await, Ok(()));
        let after = s.account(account.uid).await.expect("the account is there");
        assert!(after == update.applied_to(&account), "{update:?}");
        assert!(after.second_factor.is_some() && after.recovery_key.is_some());
        account = after;
    }
}

async fn a_reset_takes_the_recovery_key_and_leaves_the_second_factor(s: Arc<Subject>) {
    let make = Maker::new(11);
    for (number, keeps_keys) in [false, true].into_iter().enumerate() {
        let (account, _) = s.signed_up(&make, &format!("a{number}@example.test")).await;
        let account = s.guarded_by_both(&make, &account).await;
        let effect = make.reset(keeps_keys);
        let token = s.given_token(&make, &account, effect.wants()).await;
        let update = make.password_update(&account, token.id, effect);
        assert_eq!(s.set_password(&make, &update, None).await, Ok(()));
        let after = s.account(account.uid).await.expect("the account is there");
        assert!(after == update.applied_to(&account), "{update:?}");
        assert!(after.recovery_key.is_none() && after.second_factor == account.second_factor);
    }
}

async fn a_reset_decided_on_another_recovery_key_is_not_done(s: Arc<Subject>) {
    let make = Maker::new(12);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let read = s.guarded(&make, &account, recovery(&make)).await;
    let effect = make.reset(true);
    let token = s.given_token(&make, &read, effect.wants()).await;
    let update = make.password_update(&read, token.id, effect);
    let now = s.guarded(&make, &read, recovery(&make)).await;
    assert_eq!(s.set_password(&make, &update, None).await, CONFLICT);
    assert!(s.account(read.uid).await == Some(now));
    assert_eq!(s.password_token(token.id).await, Some(token));
}

async fn a_deleted_account_leaves_no_guards_to_the_next(s: Arc<Subject>) {
    let make = Maker::new(13);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let account = s.guarded_by_both(&make, &account).await;
    let deleted = s
        .account_writer
        .delete_account(&make.call(), account.uid, account.version)
        .await;
    assert_eq!(deleted, Ok(()));
    assert_eq!(s.set_guard(&make, &account, second(&make)).await, UNKNOWN);
    let (next, _) = s.signed_up(&make, "a@example.test").await;
    assert!(s.account(next.uid).await == Some(next));
    // The same id once more, as after a creation that died and one that was told so.
    assert!(s.account(account.uid).await.is_none());
}

fn waiting(make: &Maker, account: &Account, verification: Verification) -> SignIn {
    let mut sign_in = make.sign_in(account.uid);
    sign_in.session.verification = verification;
    for token in &mut sign_in.key_fetches {
        token.verification = verification;
        token.session = Some(sign_in.session.id);
    }
    sign_in
}

async fn a_session_that_waits_is_kept_with_its_tokens(s: Arc<Subject>) {
    let make = Maker::new(14);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    for awaited in [Verification::AwaitsSecondFactor, Verification::AwaitsConfirmation] {
        let sign_in = waiting(&make, &account, awaited);
        let opened = s.account_writer.open_session(&make.call(), sign_in.clone()).await;
        assert_eq!(opened, Ok(()));
        s.assert_signed_in(&sign_in).await;
    }
}

async fn what_a_session_waits_for_is_given_in_it(s: Arc<Subject>) {
    let make = Maker::new(15);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    for (awaited, given) in [
        (Verification::AwaitsSecondFactor, Verification::SecondFactor),
        (Verification::AwaitsConfirmation, Verification::WithAccount),
    ] {
        let sign_in = waiting(&make, &account, awaited);
        let opened = s.account_writer.open_session(&make.call(), sign_in.clone()).await;
        assert_eq!(opened, Ok(()));
        let given = Session {
            verification: given,
            ..sign_in.session
        };
        for _ in 0..2 {
            let done = s
                .account_writer
                .refresh_session(&make.call(), given.clone(), Vec::new())
                .await;
            assert_eq!(done, Ok(()));
            let expected = SignIn {
                session: given.clone(),
                key_fetches: sign_in.key_fetches.clone(),
            };
            s.assert_signed_in(&expected).await;
        }
    }
}

async fn after_its_deadline_no_guard_is_set(s: Arc<Subject>) {
    let make = Maker::new(16);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let mut call = make.call();
    call.deadline = past();
    let (guards, uid, version) = (&s.account_guards, account.uid, account.version);
    let timed_out = Err(WriteError::NotDone(Cause::Timeout));
    let factor = Some(make.second_factor());
    assert_eq!(
        guards.set_second_factor(&call, uid, version, factor).await,
        timed_out
    );
    let key = Some(make.recovery_key());
    assert_eq!(guards.set_recovery_key(&call, uid, version, key).await, timed_out);
    assert!(s.account(uid).await == Some(account));
}
