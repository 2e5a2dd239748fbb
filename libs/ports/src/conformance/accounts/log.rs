//! What only a store with a log of operations promises about accounts.

use std::sync::Arc;

use foxhold_core::record::PasswordTokenKind;

use crate::{
    Refusal,
    conformance::{
        Subject, cases,
        fixtures::{Maker, soon},
    },
};

cases![
    a_refusal_is_final_for_its_operation,
    a_refusal_around_a_password_is_final_for_its_operation,
    an_operation_id_serves_one_kind_of_intent,
];

async fn a_refusal_is_final_for_its_operation(s: Arc<Subject>) {
    let make = Maker::new(10);
    let account = make.account("a@example.test");
    let (sign_in, writer) = (make.sign_in(account.uid), &s.account_writer);
    let (open, verify, spend) = (make.call(), make.call(), make.call());
    let key_fetch = sign_in.key_fetches[0].id;
    let later = make.sign_in(account.uid);
    for round in ["before the account is there", "after"] {
        let unknown = Err(Refusal::UnknownAccount.into());
        assert_eq!(
            writer.open_session(&open, later.clone()).await,
            unknown,
            "{round}"
        );
        assert_eq!(
            writer.verify_email(&verify, account.uid).await,
            unknown,
            "{round}"
        );
        let spent = writer.consume_key_fetch(&spend, key_fetch).await;
        assert_eq!(spent, Err(Refusal::TokenSpent.into()), "{round}");
        if s.account(account.uid).await.is_none() {
            s.create(&make, &account, &sign_in).await;
        }
    }
    assert_eq!(s.session(later.session.id).await, None);
    // Another operation is another intent.
    assert_eq!(writer.open_session(&make.call(), later).await, Ok(()));
    assert_eq!(writer.consume_key_fetch(&make.call(), key_fetch).await, Ok(()));
}

async fn a_refusal_around_a_password_is_final_for_its_operation(s: Arc<Subject>) {
    let make = Maker::new(12);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let writer = &s.account_writer;
    let [change, forgot, reset] = PasswordTokenKind::ALL.map(|kind| make.password_token(&account, kind));
    let update = make.password_update(&account, change.id, make.change());
    let later = make.sign_in(account.uid);
    let [miss, redeem, set, delete, refresh] = [(); 5].map(|()| make.call());
    for round in ["before the tokens and the session are there", "after"] {
        let answers = [
            writer.miss_password_token(&miss, forgot.id).await.map(|_| ()),
            writer
                .redeem_password_token(&redeem, forgot.id, reset.clone())
                .await,
            writer.set_password(&set, update.clone(), None).await,
            writer
                .refresh_session(&refresh, later.session.clone(), Vec::new())
                .await,
        ];
        assert_eq!(answers, [Err(Refusal::TokenSpent.into()); 4], "{round}");
        let deleted = writer
            .delete_account(&delete, account.uid, account.version + 1)
            .await;
        assert_eq!(deleted, Err(Refusal::Conflict.into()), "{round}");
        assert!(s.account(account.uid).await.as_ref() == Some(&account), "{round}");
        if s.password_token(forgot.id).await.is_none() {
            for token in [&change, &forgot] {
                let put = writer.put_password_token(&make.call(), token.clone(), None).await;
                assert_eq!(put, Ok(()), "{round}");
            }
            let opened = writer.open_session(&make.call(), later.clone()).await;
            assert_eq!(opened, Ok(()), "{round}");
        }
    }
    assert_eq!(s.password_token(reset.id).await, None);
    assert_eq!(s.password_token(forgot.id).await, Some(forgot));
    // The version has come to be what the deletion asked for; its operation stays refused.
    assert_eq!(writer.verify_email(&make.call(), account.uid).await, Ok(()));
    let deleted = writer
        .delete_account(&delete, account.uid, account.version + 1)
        .await;
    assert_eq!(deleted, Err(Refusal::Conflict.into()));
    assert!(s.account(account.uid).await.is_some());
}

async fn an_operation_id_serves_one_kind_of_intent(s: Arc<Subject>) {
    let make = Maker::new(11);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (uid, session, writer) = (account.uid, sign_in.session.id, &s.account_writer);
    let used = make.call();
    assert_eq!(writer.verify_email(&used, uid).await, Ok(()));
    let fresh = make.account("b@example.test");
    let (device, code) = (make.device(uid, session), make.code(uid, session));
    let token = make.refresh_token(uid, None);
    let [change, forgot, reset] = PasswordTokenKind::ALL.map(|kind| make.password_token(&account, kind));
    let put = writer
        .put_password_token(&make.call(), forgot.clone(), None)
        .await;
    assert_eq!(put, Ok(()));
    let update = make.password_update(&account, change.id, make.change());
    let answers = [
        writer
            .create_account(&used, fresh.clone(), make.sign_in(fresh.uid))
            .await,
        writer.open_session(&used, make.sign_in(uid)).await,
        writer.close_session(&used, uid, session).await,
        writer.consume_key_fetch(&used, sign_in.key_fetches[0].id).await,
        writer.put_device(&used, device.clone()).await,
        writer.delete_device(&used, uid, device.id).await,
        writer.put_authorization_code(&used, code.clone()).await,
        writer.consume_authorization_code(&used, code.id).await,
        writer.put_refresh_token(&used, token.clone()).await,
        writer.delete_refresh_token(&used, token.id).await,
        writer.put_password_token(&used, change, None).await,
        writer.miss_password_token(&used, forgot.id).await.map(|_| ()),
        writer
            .redeem_password_token(&used, forgot.id, reset.clone())
            .await,
        writer.set_password(&used, update, None).await,
        writer.delete_account(&used, uid, account.version + 1).await,
        writer.refresh_session(&used, make.session(uid), Vec::new()).await,
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer, Err(Refusal::OperationReused.into()), "intent {number}");
    }
    assert!(s.account(fresh.uid).await.is_none());
    assert!(s.account(uid).await.is_some());
    assert_eq!(s.password_token(forgot.id).await, Some(forgot));
    assert_eq!(s.password_token(reset.id).await, None);
    assert_eq!(s.sessions(uid).await, vec![sign_in.session]);
    assert_eq!(s.devices(uid).await, vec![]);
    assert_eq!(
        s.account_reader.authorization_code(soon(), code.id).await,
        Ok(None)
    );
    assert_eq!(s.account_reader.refresh_tokens(soon(), uid).await, Ok(vec![]));
    assert_eq!(
        writer.verify_email(&used, uid).await,
        Ok(()),
        "it still belongs to its own intent"
    );
}
