//! What operators do with accounts.

mod second_factor;

use std::{collections::BTreeSet, sync::Arc};

use foxhold_core::{
    Timestamp, Uid,
    record::{Account, Disabled},
};

use super::{
    Case, Subject, at_once, cases,
    fixtures::{Maker, past, soon},
};
use crate::{
    Cause, ReadError, Refusal, WriteError,
    account_admin::{AccountCursor, ListedAccount, disabled_as},
};

pub(super) fn cases() -> Vec<Case> {
    [CASES, second_factor::CASES].concat()
}

pub(super) fn log_cases() -> Vec<Case> {
    log::CASES.to_vec()
}

cases![
    an_account_is_disabled_and_enabled_and_keeps_all_it_has,
    an_account_that_has_changed_is_not_disabled,
    nobody_is_disabled,
    a_repeated_disabling_does_not_undo_an_enabling,
    one_disabling_sent_many_times_at_once_is_done_once,
    a_new_password_enables_nothing,
    a_deleted_account_leaves_nothing_to_the_next,
    a_disabled_account_gives_its_address_to_nobody,
    after_its_deadline_nothing_is_disabled,
    every_account_stands_in_one_page,
    a_place_of_another_store_is_a_fault,
];

const CALLERS: usize = 8;
const DISABLED: Disabled = Disabled {
    at: Timestamp::from_secs(1_700_100_000),
    is_over: false,
};
const ENABLED: Disabled = Disabled {
    is_over: true,
    ..DISABLED
};
const CONFLICT: Result<(), WriteError> = Err(WriteError::Refused(Refusal::Conflict));
const UNKNOWN: Result<(), WriteError> = Err(WriteError::Refused(Refusal::UnknownAccount));

impl Subject {
    async fn found(&self, uid: Uid) -> Option<Account> {
        let found = self.account_reader.account(soon(), uid).await;
        found.expect("the store reads")
    }

    async fn disable(&self, make: &Maker, account: &Account, disabled: Disabled) -> Result<(), WriteError> {
        let (admin, call) = (&self.account_admin, make.call());
        admin
            .set_disabled(&call, account.uid, account.version, disabled)
            .await
    }

    /// Disables or enables it, and answers the account as it is read after.
    async fn disabled(&self, make: &Maker, account: &Account, disabled: Disabled) -> Account {
        assert_eq!(self.disable(make, account, disabled).await, Ok(()));
        let found = self.found(account.uid).await.expect("the account is there");
        assert!(
            found == disabled_as(account, disabled),
            "nothing else of it is new"
        );
        found
    }

    /// All accounts, by pages of that size.
    async fn listed(&self, size: u32) -> Vec<ListedAccount> {
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let page = self
                .account_directory
                .accounts(soon(), after.as_ref(), size)
                .await;
            let page = page.expect("the store reads");
            assert!(page.accounts.len() <= size as usize);
            listed.extend(page.accounts);
            after = page.next;
            if after.is_none() {
                return listed;
            }
        }
    }
}

async fn an_account_is_disabled_and_enabled_and_keeps_all_it_has(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (other, _) = s.signed_up(&make, "other@example.test").await;
    let (mut account, sign_in) = s.signed_up(&make, "a@example.test").await;
    assert_eq!(s.found(account.uid).await.and_then(|found| found.disabled), None);
    let again = Disabled {
        at: Timestamp::from_secs(1_700_200_000),
        ..DISABLED
    };
    for disabled in [DISABLED, ENABLED, again] {
        account = s.disabled(&make, &account, disabled).await;
        let by_address = s
            .account_reader
            .account_by_email(soon(), &account.email_key)
            .await;
        assert!(by_address == Ok(Some(account.clone())));
        let session = s.account_reader.session(soon(), sign_in.session.id).await;
        assert_eq!(session, Ok(Some(sign_in.session.clone())));
    }
    assert!(s.found(other.uid).await == Some(other));
}

async fn an_account_that_has_changed_is_not_disabled(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (read, _) = s.signed_up(&make, "a@example.test").await;
    let verified = s.account_writer.verify_email(&make.call(), read.uid).await;
    assert_eq!(verified, Ok(()));
    assert_eq!(s.disable(&make, &read, DISABLED).await, CONFLICT);
    let found = s.found(read.uid).await.expect("the account is there");
    assert_eq!(found.disabled, None);
    s.disabled(&make, &found, DISABLED).await;
}

async fn nobody_is_disabled(s: Arc<Subject>) {
    let make = Maker::new(3);
    let nobody = make.account("a@example.test");
    assert_eq!(s.disable(&make, &nobody, DISABLED).await, UNKNOWN);
    assert!(s.found(nobody.uid).await.is_none());
}

async fn a_repeated_disabling_does_not_undo_an_enabling(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (admin, call) = (&s.account_admin, make.call());
    let set = || admin.set_disabled(&call, account.uid, account.version, DISABLED);
    assert_eq!(set().await, Ok(()));
    let disabled = disabled_as(&account, DISABLED);
    let enabled = s.disabled(&make, &disabled, ENABLED).await;
    assert_eq!(set().await, Ok(()), "it was done");
    assert!(s.found(account.uid).await == Some(enabled));
}

async fn one_disabling_sent_many_times_at_once_is_done_once(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let call = make.call();
    let answers = at_once(CALLERS, |_| {
        let (admin, uid, version) = (Arc::clone(&s.account_admin), account.uid, account.version);
        async move { admin.set_disabled(&call, uid, version, DISABLED).await }
    });
    assert!(answers.await.iter().all(Result::is_ok));
    assert!(s.found(account.uid).await == Some(disabled_as(&account, DISABLED)));
}

async fn a_new_password_enables_nothing(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let account = s.disabled(&make, &account, DISABLED).await;
    let effect = make.reset(false);
    let token = make.password_token(&account, effect.wants());
    let put = s
        .account_writer
        .put_password_token(&make.call(), token.clone(), None)
        .await;
    assert_eq!(put, Ok(()));
    let update = make.password_update(&account, token.id, effect);
    let set = s
        .account_writer
        .set_password(&make.call(), update.clone(), None)
        .await;
    assert_eq!(set, Ok(()));
    let found = s.found(account.uid).await.expect("the account is there");
    assert!(found == update.applied_to(&account));
    assert_eq!(found.disabled, Some(DISABLED));
}

async fn a_deleted_account_leaves_nothing_to_the_next(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let account = s.disabled(&make, &account, DISABLED).await;
    let deleted = s
        .account_writer
        .delete_account(&make.call(), account.uid, account.version)
        .await;
    assert_eq!(deleted, Ok(()));
    assert_eq!(s.disable(&make, &account, ENABLED).await, UNKNOWN);
    let (next, _) = s.signed_up(&make, "a@example.test").await;
    let found = s.found(next.uid).await.expect("the account is there");
    assert_eq!(found.disabled, None);
}

async fn a_disabled_account_gives_its_address_to_nobody(s: Arc<Subject>) {
    let make = Maker::new(12);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    assert!(!account.email_verified, "one that would give way");
    let account = s.disabled(&make, &account, DISABLED).await;
    let other = make.account("a@example.test");
    let sign_in = make.sign_in(other.uid);
    let refused = s
        .account_writer
        .create_account(&make.call(), other, sign_in)
        .await;
    assert_eq!(refused, Err(Refusal::EmailTaken.into()));
    let enabled = s.disabled(&make, &account, ENABLED).await;
    assert!(!enabled.is_disabled());
    let (next, _) = s.signed_up(&make, "a@example.test").await;
    assert!(s.found(next.uid).await.is_some() && s.found(account.uid).await.is_none());
}

async fn after_its_deadline_nothing_is_disabled(s: Arc<Subject>) {
    let make = Maker::new(8);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let mut call = make.call();
    call.deadline = past();
    let admin = &s.account_admin;
    let set = admin.set_disabled(&call, account.uid, account.version, DISABLED);
    assert_eq!(set.await, Err(WriteError::NotDone(Cause::Timeout)));
    assert!(s.found(account.uid).await == Some(account));
}

async fn every_account_stands_in_one_page(s: Arc<Subject>) {
    let make = Maker::new(9);
    let mut made = Vec::new();
    for number in 0..7 {
        let (account, _) = s.signed_up(&make, &format!("a{number}@example.test")).await;
        made.push(account);
    }
    let verified = s.account_writer.verify_email(&make.call(), made[1].uid).await;
    assert_eq!(verified, Ok(()));
    made[1] = s.found(made[1].uid).await.expect("the account is there");
    made[3] = s.disabled(&make, &made[3], DISABLED).await;
    made[4] = s.disabled(&make, &made[4], ENABLED).await;
    let gone = made.remove(5);
    let deleted = s
        .account_writer
        .delete_account(&make.call(), gone.uid, gone.version)
        .await;
    assert_eq!(deleted, Ok(()));
    made.sort_by_key(|account| account.uid);
    let expected: Vec<ListedAccount> = made.iter().map(Into::into).collect();
    let ours: BTreeSet<Uid> = made.iter().map(|account| account.uid).collect();
    for size in [1, 2, 3, 6, 100] {
        let mut listed = s.listed(size).await;
        // Of a store that others use, too.
        listed.retain(|account| ours.contains(&account.uid) || account.uid == gone.uid);
        listed.sort_by_key(|account| account.uid);
        assert!(listed == expected, "pages of {size}");
    }
}

async fn a_place_of_another_store_is_a_fault(s: Arc<Subject>) {
    let foreign = AccountCursor(b"somewhere else".to_vec());
    let page = s.account_directory.accounts(soon(), Some(&foreign), 1).await;
    assert_eq!(page, Err(ReadError(Cause::Fault)));
}

mod log {
    use super::{Arc, CONFLICT, DISABLED, Maker, Refusal, Subject, WriteError, cases};

    cases![
        a_refusal_is_final_for_its_operation,
        an_operation_id_serves_one_kind_of_intent,
        deleting_a_second_factor_is_no_other_intent,
    ];

    async fn a_refusal_is_final_for_its_operation(s: Arc<Subject>) {
        let make = Maker::new(1);
        let (account, _) = s.signed_up(&make, "a@example.test").await;
        let (admin, call) = (&s.account_admin, make.call());
        let set = || admin.set_disabled(&call, account.uid, account.version + 1, DISABLED);
        assert_eq!(set().await, CONFLICT);
        let verified = s.account_writer.verify_email(&make.call(), account.uid).await;
        assert_eq!(verified, Ok(()));
        assert_eq!(set().await, CONFLICT);
        let found = s.found(account.uid).await.expect("the account is there");
        assert_eq!(found.disabled, None);
    }

    async fn an_operation_id_serves_one_kind_of_intent(s: Arc<Subject>) {
        let make = Maker::new(2);
        let (account, _) = s.signed_up(&make, "a@example.test").await;
        let call = make.call();
        let verified = s.account_writer.verify_email(&call, account.uid).await;
        assert_eq!(verified, Ok(()));
        let admin = &s.account_admin;
        let set = admin.set_disabled(&call, account.uid, account.version + 1, DISABLED);
        assert_eq!(set.await, Err(WriteError::Refused(Refusal::OperationReused)));
    }

    async fn deleting_a_second_factor_is_no_other_intent(s: Arc<Subject>) {
        let make = Maker::new(3);
        let (account, _) = s.signed_up(&make, "a@example.test").await;
        let call = make.call();
        let guards = &s.account_guards;
        let set = guards.set_second_factor(&call, account.uid, account.version, None);
        assert_eq!(set.await, Ok(()));
        let admin = &s.account_admin;
        let deleted = admin.delete_second_factor(&call, account.uid, account.version + 1);
        assert_eq!(deleted.await, Err(WriteError::Refused(Refusal::OperationReused)));
    }
}
