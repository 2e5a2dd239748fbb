//! The end of an account.

use std::sync::Arc;

use crate::{
    Refusal,
    conformance::{Subject, cases, fixtures::Maker},
};

cases![
    a_deleted_account_is_gone_with_all_that_was_its,
    the_address_of_a_deleted_account_is_free,
    deleting_an_account_that_is_gone_is_done,
    an_account_that_has_changed_is_not_deleted,
    a_repeated_deletion_spares_who_came_after,
    nothing_can_be_added_to_a_deleted_account,
];

async fn a_deleted_account_is_gone_with_all_that_was_its(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (other, of_other) = s.signed_up(&make, "other@example.test").await;
    let stays = s.furnish(&make, &other, of_other).await;
    // An account need not be verified to end.
    for (number, verified) in [false, true].into_iter().enumerate() {
        let mut account = make.account(&format!("a{number}@example.test"));
        account.email_verified = verified;
        let sign_in = make.sign_in(account.uid);
        s.create(&make, &account, &sign_in).await;
        let had = s.furnish(&make, &account, sign_in).await;
        let deleted = s
            .account_writer
            .delete_account(&make.call(), account.uid, account.version)
            .await;
        assert_eq!(deleted, Ok(()), "{account:?}");
        assert!(s.account(account.uid).await.is_none(), "{account:?}");
        assert!(s.holder(&account.email_key).await.is_none(), "{account:?}");
        assert_eq!(s.sessions(account.uid).await, vec![], "{account:?}");
        s.assert_gone(&make, &had, false).await;
    }
    assert!(s.account(other.uid).await == Some(other));
    s.assert_all_there(&stays).await;
}

async fn the_address_of_a_deleted_account_is_free(s: Arc<Subject>) {
    let make = Maker::new(2);
    let first = make.verified_account("a@example.test");
    s.create(&make, &first, &make.sign_in(first.uid)).await;
    let deleted = s
        .account_writer
        .delete_account(&make.call(), first.uid, first.version)
        .await;
    assert_eq!(deleted, Ok(()));
    let (second, sign_in) = s.signed_up(&make, "a@example.test").await;
    assert!(s.holder(&first.email_key).await == Some(second));
    s.assert_signed_in(&sign_in).await;
    assert!(s.account(first.uid).await.is_none());
}

async fn deleting_an_account_that_is_gone_is_done(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let nobody = make.account("b@example.test");
    for uid in [account.uid, account.uid, nobody.uid] {
        let deleted = s
            .account_writer
            .delete_account(&make.call(), uid, account.version)
            .await;
        assert_eq!(deleted, Ok(()));
        assert!(s.account(uid).await.is_none());
    }
}

async fn an_account_that_has_changed_is_not_deleted(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (before, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (uid, writer) = (before.uid, &s.account_writer);
    assert_eq!(writer.verify_email(&make.call(), uid).await, Ok(()));
    let account = s.account(uid).await.expect("the account is there");
    let had = s.furnish(&make, &account, sign_in).await;
    let call = make.call();
    for round in ["at first", "again"] {
        let refused = writer.delete_account(&call, uid, before.version).await;
        assert_eq!(refused, Err(Refusal::Conflict.into()), "{round}");
        assert!(s.account(uid).await.as_ref() == Some(&account), "{round}");
        assert!(s.holder(&account.email_key).await.is_some(), "{round}");
        s.assert_all_there(&had).await;
    }
    let deleted = writer.delete_account(&make.call(), uid, account.version).await;
    assert_eq!(deleted, Ok(()));
    s.assert_gone(&make, &had, false).await;
}

async fn a_repeated_deletion_spares_who_came_after(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (first, _) = s.signed_up(&make, "a@example.test").await;
    let call = make.call();
    let delete = || s.account_writer.delete_account(&call, first.uid, first.version);
    assert_eq!(delete().await, Ok(()));
    let (second, sign_in) = s.signed_up(&make, "a@example.test").await;
    let had = s.furnish(&make, &second, sign_in).await;
    assert_eq!(delete().await, Ok(()));
    assert!(s.holder(&first.email_key).await == Some(second));
    s.assert_all_there(&had).await;
}

async fn nothing_can_be_added_to_a_deleted_account(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (uid, session, writer) = (account.uid, sign_in.session.id, &s.account_writer);
    let [change, ..] = foxhold_core::record::PasswordTokenKind::ALL;
    let token = s.given_token(&make, &account, change).await;
    let deleted = writer.delete_account(&make.call(), uid, account.version).await;
    assert_eq!(deleted, Ok(()));

    let unknown = Err(Refusal::UnknownAccount.into());
    let late = make.sign_in(uid);
    assert_eq!(writer.open_session(&make.call(), late.clone()).await, unknown);
    assert_eq!(writer.verify_email(&make.call(), uid).await, unknown);
    let put = make.password_token(&account, change);
    assert_eq!(writer.put_password_token(&make.call(), put, None).await, unknown);
    let update = make.password_update(&account, token.id, make.change());
    assert_eq!(s.set_password(&make, &update, Some(&late)).await, unknown);
    s.assert_not_signed_in(&late).await;
    let device = make.device(uid, session);
    assert_eq!(writer.put_device(&make.call(), device).await, Ok(()));
    assert_eq!(s.devices(uid).await, vec![]);
    assert!(s.account(uid).await.is_none());
}
