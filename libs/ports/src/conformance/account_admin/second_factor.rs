//! Taking off the second factor of an account whose owner has lost it.

use std::sync::Arc;

use foxhold_core::record::{Account, Verification};

use super::{CALLERS, CONFLICT, UNKNOWN};
use crate::{
    Cause, WriteError,
    conformance::{
        Subject, at_once, cases,
        fixtures::{Maker, past, soon},
    },
    guards::Guard,
};

cases![
    a_second_factor_is_deleted_with_its_backup_codes_and_nothing_else,
    who_waits_for_a_second_factor_that_is_deleted_goes_on_waiting,
    an_account_that_has_changed_keeps_its_second_factor,
    nobody_has_no_second_factor,
    a_repeated_deletion_does_not_take_a_later_second_factor,
    one_deletion_sent_many_times_at_once_is_done_once,
    after_its_deadline_no_second_factor_is_deleted,
];

impl Subject {
    /// A new account with a second factor, as it is read.
    async fn with_second_factor(&self, make: &Maker) -> Account {
        let (account, _) = self.signed_up(make, "a@example.test").await;
        self.second_factor_set(make, &account).await
    }

    async fn second_factor_set(&self, make: &Maker, account: &Account) -> Account {
        let guard = Guard::SecondFactor(Some(make.second_factor()));
        let Guard::SecondFactor(factor) = guard.clone() else {
            unreachable!("it was made as one");
        };
        let (guards, uid, version) = (&self.account_guards, account.uid, account.version);
        let set = guards.set_second_factor(&make.call(), uid, version, factor).await;
        assert_eq!(set, Ok(()));
        guard.applied_to(account)
    }

    async fn delete_factor(&self, make: &Maker, account: &Account) -> Result<(), WriteError> {
        let (admin, call) = (&self.account_admin, make.call());
        admin
            .delete_second_factor(&call, account.uid, account.version)
            .await
    }
}

fn without(account: &Account) -> Account {
    Guard::SecondFactor(None).applied_to(account)
}

async fn a_second_factor_is_deleted_with_its_backup_codes_and_nothing_else(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (other, _) = s.signed_up(&make, "other@example.test").await;
    let other = s.second_factor_set(&make, &other).await;
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let account = s.second_factor_set(&make, &account).await;
    let (guards, key) = (&s.account_guards, Some(make.recovery_key()));
    let call = make.call();
    let set = guards.set_recovery_key(&call, account.uid, account.version, key.clone());
    assert_eq!(set.await, Ok(()));
    let mut account = Guard::RecoveryKey(key).applied_to(&account);
    // And once more, when there is none.
    for _ in 0..2 {
        assert_eq!(s.delete_factor(&make, &account).await, Ok(()));
        account = without(&account);
        assert!(s.found(account.uid).await.as_ref() == Some(&account));
    }
    assert!(account.recovery_key.is_some());
    let session = s.account_reader.session(soon(), sign_in.session.id).await;
    assert_eq!(session, Ok(Some(sign_in.session)));
    assert!(s.found(other.uid).await == Some(other));
}

async fn who_waits_for_a_second_factor_that_is_deleted_goes_on_waiting(s: Arc<Subject>) {
    let make = Maker::new(2);
    let account = s.with_second_factor(&make).await;
    let mut sign_in = make.sign_in(account.uid);
    sign_in.session.verification = Verification::AwaitsSecondFactor;
    sign_in.key_fetches.clear();
    let session = sign_in.session.clone();
    let opened = s.account_writer.open_session(&make.call(), sign_in).await;
    assert_eq!(opened, Ok(()));
    assert_eq!(s.delete_factor(&make, &account).await, Ok(()));
    let found = s.account_reader.session(soon(), session.id).await;
    assert_eq!(found, Ok(Some(session)));
}

async fn an_account_that_has_changed_keeps_its_second_factor(s: Arc<Subject>) {
    let make = Maker::new(3);
    let read = s.with_second_factor(&make).await;
    let verified = s.account_writer.verify_email(&make.call(), read.uid).await;
    assert_eq!(verified, Ok(()));
    assert_eq!(s.delete_factor(&make, &read).await, CONFLICT);
    let found = s.found(read.uid).await.expect("the account is there");
    assert!(found.second_factor == read.second_factor);
    assert_eq!(s.delete_factor(&make, &found).await, Ok(()));
}

async fn nobody_has_no_second_factor(s: Arc<Subject>) {
    let make = Maker::new(4);
    let nobody = make.account("a@example.test");
    assert_eq!(s.delete_factor(&make, &nobody).await, UNKNOWN);
    assert!(s.found(nobody.uid).await.is_none());
}

async fn a_repeated_deletion_does_not_take_a_later_second_factor(s: Arc<Subject>) {
    let make = Maker::new(5);
    let account = s.with_second_factor(&make).await;
    let (admin, call) = (&s.account_admin, make.call());
    let delete = || admin.delete_second_factor(&call, account.uid, account.version);
    assert_eq!(delete().await, Ok(()));
    let later = s.second_factor_set(&make, &without(&account)).await;
    assert_eq!(delete().await, Ok(()), "it was done");
    assert!(s.found(account.uid).await == Some(later));
}

async fn one_deletion_sent_many_times_at_once_is_done_once(s: Arc<Subject>) {
    let make = Maker::new(6);
    let account = s.with_second_factor(&make).await;
    let call = make.call();
    let answers = at_once(CALLERS, |_| {
        let (admin, uid, version) = (Arc::clone(&s.account_admin), account.uid, account.version);
        async move { admin.delete_second_factor(&call, uid, version).await }
    });
    assert!(answers.await.iter().all(Result::is_ok));
    assert!(s.found(account.uid).await == Some(without(&account)));
}

async fn after_its_deadline_no_second_factor_is_deleted(s: Arc<Subject>) {
    let make = Maker::new(7);
    let account = s.with_second_factor(&make).await;
    let mut call = make.call();
    call.deadline = past();
    let admin = &s.account_admin;
    let deleted = admin.delete_second_factor(&call, account.uid, account.version);
    assert_eq!(deleted.await, Err(WriteError::NotDone(Cause::Timeout)));
    assert!(s.found(account.uid).await == Some(account));
}
