//! Operation ids and deadlines: an intent that was done answers done again and is carried out once; one that was refused
//! wrote nothing.

use std::sync::Arc;

use crate::{
    Call, Cause, ReadError, Refusal, WriteError,
    conformance::{
        Subject, cases,
        fixtures::{Maker, past, soon},
    },
};

cases![
    a_repeated_creation_is_done_once,
    a_repeated_sign_in_does_not_come_back,
    a_repeated_sign_out_ends_nothing_new,
    a_repeated_verification_is_done,
    a_repeated_consumption_is_done,
    a_repeated_device_write_does_not_undo_a_later_one,
    a_repeated_device_removal_spares_a_new_one,
    a_repeated_code_does_not_come_back,
    a_repeated_refresh_token_does_not_come_back,
    a_refusal_wrote_nothing_and_stands_while_its_cause_does,
    a_refusal_whose_cause_is_gone_is_what_the_store_shows,
    after_its_deadline_nothing_is_done,
];

async fn a_repeated_creation_is_done_once(s: Arc<Subject>) {
    let make = Maker::new(1);
    let account = make.account("a@example.test");
    let (sign_in, call, writer) = (make.sign_in(account.uid), make.call(), &s.account_writer);
    let create = || writer.create_account(&call, account.clone(), sign_in.clone());
    assert_eq!(create().await, Ok(()));
    assert_eq!(writer.verify_email(&make.call(), account.uid).await, Ok(()));
    let spent = sign_in.key_fetches[0].id;
    assert_eq!(writer.consume_key_fetch(&make.call(), spent).await, Ok(()));

    assert_eq!(create().await, Ok(()), "although the address is taken now");
    assert!(
        s.account(account.uid)
            .await
            .is_some_and(|found| found.email_verified)
    );
    assert_eq!(s.account_reader.key_fetch(soon(), spent).await, Ok(None));
}

async fn a_repeated_sign_in_does_not_come_back(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (sign_in, call, writer) = (make.sign_in(account.uid), make.call(), &s.account_writer);
    assert_eq!(writer.open_session(&call, sign_in.clone()).await, Ok(()));
    let id = sign_in.session.id;
    assert_eq!(writer.close_session(&make.call(), account.uid, id).await, Ok(()));
    assert_eq!(writer.open_session(&call, sign_in).await, Ok(()));
    assert_eq!(s.session(id).await, None);
}

async fn a_repeated_sign_out_ends_nothing_new(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (call, writer, id) = (make.call(), &s.account_writer, sign_in.session.id);
    assert_eq!(writer.close_session(&call, account.uid, id).await, Ok(()));
    let later = make.refresh_token(account.uid, Some(id));
    assert_eq!(
        writer.put_refresh_token(&make.call(), later.clone()).await,
        Ok(())
    );
    assert_eq!(writer.close_session(&call, account.uid, id).await, Ok(()));
    assert_eq!(
        s.account_reader.refresh_token(soon(), later.id).await,
        Ok(Some(later))
    );
}

async fn a_repeated_verification_is_done(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let call = make.call();
    for _ in 0..2 {
        assert_eq!(s.account_writer.verify_email(&call, account.uid).await, Ok(()));
    }
    assert!(
        s.account(account.uid)
            .await
            .is_some_and(|found| found.email_verified)
    );
}

async fn a_repeated_consumption_is_done(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (key_fetch, writer) = (sign_in.key_fetches[0].id, &s.account_writer);
    let code = make.code(account.uid, sign_in.session.id);
    assert_eq!(
        writer.put_authorization_code(&make.call(), code.clone()).await,
        Ok(())
    );
    let (for_key_fetch, for_code) = (make.call(), make.call());
    for _ in 0..2 {
        assert_eq!(writer.consume_key_fetch(&for_key_fetch, key_fetch).await, Ok(()));
        assert_eq!(
            writer.consume_authorization_code(&for_code, code.id).await,
            Ok(())
        );
    }
}

async fn a_repeated_device_write_does_not_undo_a_later_one(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (call, first) = (make.call(), make.device(account.uid, sign_in.session.id));
    let mut second = first.clone();
    second.name = "renamed".into();
    assert_eq!(s.account_writer.put_device(&call, first.clone()).await, Ok(()));
    assert_eq!(
        s.account_writer.put_device(&make.call(), second.clone()).await,
        Ok(())
    );
    assert_eq!(s.account_writer.put_device(&call, first).await, Ok(()));
    assert_eq!(s.devices(account.uid).await, vec![second]);
}

async fn a_repeated_device_removal_spares_a_new_one(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (call, writer) = (make.call(), &s.account_writer);
    let device = make.device(account.uid, sign_in.session.id);
    assert_eq!(writer.put_device(&make.call(), device.clone()).await, Ok(()));
    assert_eq!(writer.delete_device(&call, account.uid, device.id).await, Ok(()));
    assert_eq!(writer.put_device(&make.call(), device.clone()).await, Ok(()));
    assert_eq!(writer.delete_device(&call, account.uid, device.id).await, Ok(()));
    assert_eq!(s.devices(account.uid).await, vec![device]);
}

async fn a_repeated_code_does_not_come_back(s: Arc<Subject>) {
    let make = Maker::new(8);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (call, writer) = (make.call(), &s.account_writer);
    let code = make.code(account.uid, sign_in.session.id);
    assert_eq!(writer.put_authorization_code(&call, code.clone()).await, Ok(()));
    assert_eq!(
        writer.consume_authorization_code(&make.call(), code.id).await,
        Ok(())
    );
    assert_eq!(writer.put_authorization_code(&call, code.clone()).await, Ok(()));
    assert_eq!(
        s.account_reader.authorization_code(soon(), code.id).await,
        Ok(None)
    );
    let again = writer.consume_authorization_code(&make.call(), code.id).await;
    assert_eq!(again, Err(Refusal::TokenSpent.into()));
}

async fn a_repeated_refresh_token_does_not_come_back(s: Arc<Subject>) {
    let make = Maker::new(9);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (put, delete, writer) = (make.call(), make.call(), &s.account_writer);
    let token = make.refresh_token(account.uid, None);
    for _ in 0..2 {
        assert_eq!(writer.put_refresh_token(&put, token.clone()).await, Ok(()));
        assert_eq!(writer.delete_refresh_token(&delete, token.id).await, Ok(()));
    }
    assert_eq!(writer.put_refresh_token(&put, token.clone()).await, Ok(()));
    assert_eq!(s.account_reader.refresh_token(soon(), token.id).await, Ok(None));
}

async fn a_refusal_wrote_nothing_and_stands_while_its_cause_does(s: Arc<Subject>) {
    let make = Maker::new(10);
    let (holder, _) = s.signed_up(&make, "taken@example.test").await;
    let (nobody, writer) = (make.account("a@example.test"), &s.account_writer);
    let verified = writer.verify_email(&make.call(), holder.uid).await;
    assert_eq!(verified, Ok(()));
    let late = make.account("taken@example.test");
    let (of_late, of_nobody) = (make.sign_in(late.uid), make.sign_in(nobody.uid));
    let code = make.code(holder.uid, of_nobody.session.id);
    let [create, open, verify, spend, redeem] = [(); 5].map(|()| make.call());
    for round in ["at first", "again"] {
        let answers = [
            writer
                .create_account(&create, late.clone(), of_late.clone())
                .await,
            writer.open_session(&open, of_nobody.clone()).await,
            writer.verify_email(&verify, nobody.uid).await,
            writer
                .consume_key_fetch(&spend, of_nobody.key_fetches[0].id)
                .await,
            writer.consume_authorization_code(&redeem, code.id).await,
        ];
        let expected = [
            Refusal::EmailTaken,
            Refusal::UnknownAccount,
            Refusal::UnknownAccount,
            Refusal::TokenSpent,
            Refusal::TokenSpent,
        ];
        assert_eq!(answers, expected.map(|refusal| Err(refusal.into())), "{round}");
        assert!(s.account(late.uid).await.is_none(), "{round}");
        assert!(s.account(nobody.uid).await.is_none(), "{round}");
        for sign_in in [&of_late, &of_nobody] {
            assert_eq!(s.session(sign_in.session.id).await, None, "{round}");
            assert_eq!(s.sessions(sign_in.session.uid).await, vec![], "{round}");
            for token in &sign_in.key_fetches {
                let found = s.account_reader.key_fetch(soon(), token.id).await;
                assert_eq!(found, Ok(None), "{round}");
            }
        }
        let held = s.holder(&late.email_key).await.map(|held| held.uid);
        assert_eq!(held, Some(holder.uid), "{round}");
    }
}

/// A store with a log refuses for good, one without judges again: what it answers is what has happened.
async fn a_refusal_whose_cause_is_gone_is_what_the_store_shows(s: Arc<Subject>) {
    let make = Maker::new(11);
    let account = make.account("a@example.test");
    let (sign_in, later) = (make.sign_in(account.uid), make.sign_in(account.uid));
    let (open, verify, writer) = (make.call(), make.call(), &s.account_writer);
    let unknown = Err(Refusal::UnknownAccount.into());
    assert_eq!(writer.open_session(&open, later.clone()).await, unknown);
    assert_eq!(writer.verify_email(&verify, account.uid).await, unknown);
    s.create(&make, &account, &sign_in).await;

    let opened = writer.open_session(&open, later.clone()).await;
    assert!(opened == Ok(()) || opened == unknown, "{opened:?}");
    let session = s.session(later.session.id).await;
    assert_eq!(session, opened.is_ok().then_some(later.session));
    let verified = writer.verify_email(&verify, account.uid).await;
    assert!(verified == Ok(()) || verified == unknown, "{verified:?}");
    let found = s.account(account.uid).await.expect("the account is there");
    assert_eq!(found.email_verified, verified.is_ok());
}

async fn after_its_deadline_nothing_is_done(s: Arc<Subject>) {
    let make = Maker::new(12);
    let account = make.account("a@example.test");
    let (sign_in, call) = (make.sign_in(account.uid), make.call());
    let late = Call {
        op: call.op,
        deadline: past(),
    };
    let create = |call: Call| {
        let (writer, account, sign_in) = (&s.account_writer, account.clone(), sign_in.clone());
        async move { writer.create_account(&call, account, sign_in).await }
    };
    assert_eq!(create(late).await, Err(WriteError::NotDone(Cause::Timeout)));
    assert!(s.account(account.uid).await.is_none());
    assert!(s.holder(&account.email_key).await.is_none());
    assert_eq!(s.session(sign_in.session.id).await, None);
    let read = s.account_reader.account(past(), account.uid).await;
    assert!(matches!(read, Err(ReadError(Cause::Timeout))));
    assert_eq!(
        create(call).await,
        Ok(()),
        "not done, so the same operation may still be"
    );
    assert!(s.account(account.uid).await.is_some());
}
