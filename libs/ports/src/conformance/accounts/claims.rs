//! Addresses and the accounts that hold them.

use std::sync::Arc;

use foxhold_core::{Uid, record::Account};

use crate::{
    Refusal,
    conformance::{
        Subject, cases,
        fixtures::{Maker, email_key, soon},
    },
};

cases![
    before_the_first_write_there_is_nothing,
    an_account_comes_with_its_sign_in,
    an_account_may_have_nothing_optional,
    addresses_are_told_apart,
    a_verified_holder_keeps_the_address,
    an_account_may_be_created_verified,
    an_unverified_holder_is_replaced_with_all_that_was_its,
    nothing_can_be_added_to_a_replaced_account,
    what_is_put_for_an_account_that_is_gone_is_not_seen,
    an_account_may_be_made_again_under_its_own_uid,
    an_address_is_verified_once_and_for_all,
    nobody_has_no_address_to_verify,
    a_sign_in_of_another_account_makes_no_account,
];

async fn before_the_first_write_there_is_nothing(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (uid, reader) = (make.account("a@example.test").uid, &s.account_reader);
    let id = make.session(uid).id;
    assert_eq!(
        reader
            .account_by_email(soon(), &email_key("a@example.test"))
            .await,
        Ok(None)
    );
    assert_eq!(reader.account(soon(), uid).await, Ok(None));
    assert_eq!(reader.session(soon(), id).await, Ok(None));
    assert_eq!(reader.sessions(soon(), uid).await, Ok(vec![]));
    assert_eq!(reader.key_fetch(soon(), id).await, Ok(None));
    assert_eq!(reader.devices(soon(), uid).await, Ok(vec![]));
    assert_eq!(reader.authorization_code(soon(), id).await, Ok(None));
    assert_eq!(reader.refresh_token(soon(), id).await, Ok(None));
    assert_eq!(reader.refresh_tokens(soon(), uid).await, Ok(vec![]));
    assert_eq!(reader.password_token(soon(), id).await, Ok(None));
}

async fn an_account_comes_with_its_sign_in(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, sign_in) = s.signed_up(&make, "Ann@Example.test").await;
    assert!(s.account(account.uid).await.as_ref() == Some(&account));
    assert!(s.holder(&account.email_key).await.as_ref() == Some(&account));
    assert_eq!(
        s.session(sign_in.session.id).await.as_ref(),
        Some(&sign_in.session)
    );
    assert_eq!(s.sessions(account.uid).await, vec![sign_in.session]);
    for token in sign_in.key_fetches {
        assert_eq!(
            s.account_reader.key_fetch(soon(), token.id).await,
            Ok(Some(token))
        );
    }
}

async fn an_account_may_have_nothing_optional(s: Arc<Subject>) {
    let make = Maker::new(3);
    let account = make.verified_account("a@example.test");
    let sign_in = make.plain_sign_in(account.uid);
    s.create(&make, &account, &sign_in).await;
    assert!(s.account(account.uid).await == Some(account));
    assert_eq!(s.session(sign_in.session.id).await, Some(sign_in.session));
}

async fn addresses_are_told_apart(s: Arc<Subject>) {
    let make = Maker::new(4);
    let addresses = [
        "a@example.test",
        "a@example.tes",
        "ä@example.test",
        "a%@example.test",
        "a_@example.test",
    ];
    let mut accounts = Vec::new();
    for address in addresses {
        accounts.push(s.signed_up(&make, address).await.0);
    }
    for account in accounts {
        assert_eq!(
            s.holder(&account.email_key).await.map(|held| held.uid),
            Some(account.uid)
        );
    }
    assert!(s.holder(&email_key("b@example.test")).await.is_none());
}

async fn a_verified_holder_keeps_the_address(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (first, sign_in) = s.signed_up(&make, "a@example.test").await;
    assert_eq!(
        s.account_writer.verify_email(&make.call(), first.uid).await,
        Ok(())
    );

    let second = make.account("a@example.test");
    let late = make.sign_in(second.uid);
    let refused = s
        .account_writer
        .create_account(&make.call(), second.clone(), late.clone())
        .await;
    assert_eq!(refused, Err(Refusal::EmailTaken.into()));
    assert_eq!(
        s.holder(&first.email_key).await.map(|held| held.uid),
        Some(first.uid)
    );
    assert_eq!(s.session(sign_in.session.id).await, Some(sign_in.session));
    assert!(s.account(second.uid).await.is_none());
    assert_eq!(s.session(late.session.id).await, None);
    assert_eq!(
        s.account_reader.key_fetch(soon(), late.key_fetches[0].id).await,
        Ok(None)
    );
}

async fn an_account_may_be_created_verified(s: Arc<Subject>) {
    let make = Maker::new(6);
    let account = make.verified_account("a@example.test");
    s.create(&make, &account, &make.plain_sign_in(account.uid)).await;
    let second = make.account("a@example.test");
    let sign_in = make.sign_in(second.uid);
    let refused = s
        .account_writer
        .create_account(&make.call(), second, sign_in)
        .await;
    assert_eq!(refused, Err(Refusal::EmailTaken.into()));
}

async fn an_unverified_holder_is_replaced_with_all_that_was_its(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (first, old) = s.signed_up(&make, "a@example.test").await;
    let (uid, session, writer) = (first.uid, old.session.id, &s.account_writer);
    let (code, token) = (make.code(uid, session), make.refresh_token(uid, Some(session)));
    assert_eq!(
        writer.put_device(&make.call(), make.device(uid, session)).await,
        Ok(())
    );
    assert_eq!(
        writer.put_authorization_code(&make.call(), code.clone()).await,
        Ok(())
    );
    assert_eq!(
        writer.put_refresh_token(&make.call(), token.clone()).await,
        Ok(())
    );

    let (second, new) = s.signed_up(&make, "A@example.test").await;
    assert!(s.holder(&first.email_key).await == Some(second));
    assert_eq!(s.session(new.session.id).await, Some(new.session));
    assert!(s.account(uid).await.is_none());
    assert_eq!(s.session(session).await, None);
    assert_eq!(s.sessions(uid).await, vec![]);
    assert_eq!(s.devices(uid).await, vec![]);
    let reader = &s.account_reader;
    assert_eq!(reader.key_fetch(soon(), old.key_fetches[0].id).await, Ok(None));
    assert_eq!(reader.authorization_code(soon(), code.id).await, Ok(None));
    assert_eq!(reader.refresh_token(soon(), token.id).await, Ok(None));
    assert_eq!(reader.refresh_tokens(soon(), uid).await, Ok(vec![]));
}

async fn nothing_can_be_added_to_a_replaced_account(s: Arc<Subject>) {
    let make = Maker::new(8);
    let (first, _) = s.signed_up(&make, "a@example.test").await;
    let (second, _) = s.signed_up(&make, "a@example.test").await;
    let late = make.sign_in(first.uid);
    let unknown = Err(Refusal::UnknownAccount.into());
    assert_eq!(
        s.account_writer.open_session(&make.call(), late.clone()).await,
        unknown
    );
    assert_eq!(
        s.account_writer.verify_email(&make.call(), first.uid).await,
        unknown
    );
    assert_eq!(s.session(late.session.id).await, None);
    assert_eq!(
        s.account(second.uid).await.map(|held| held.email_verified),
        Some(false)
    );
}

/// These are done, not refused: whoever asks has been signed out by the same event, and hears of it at the next call.
async fn what_is_put_for_an_account_that_is_gone_is_not_seen(s: Arc<Subject>) {
    let make = Maker::new(13);
    let (replaced, sign_in) = s.signed_up(&make, "a@example.test").await;
    s.signed_up(&make, "a@example.test").await;
    let nobody = make.account("never@example.test").uid;
    let (reader, writer) = (&s.account_reader, &s.account_writer);
    for (name, uid) in [("replaced", replaced.uid), ("never there", nobody)] {
        let session = sign_in.session.id;
        let put = writer.put_device(&make.call(), make.device(uid, session)).await;
        assert_eq!(put, Ok(()), "{name}");
        let token = make.refresh_token(uid, Some(session));
        let put = writer.put_refresh_token(&make.call(), token.clone()).await;
        assert_eq!(put, Ok(()), "{name}");
        let code = make.code(uid, session);
        let put = writer.put_authorization_code(&make.call(), code.clone()).await;
        assert_eq!(put, Ok(()), "{name}");

        assert_eq!(s.devices(uid).await, vec![], "{name}");
        assert_eq!(reader.refresh_token(soon(), token.id).await, Ok(None), "{name}");
        assert_eq!(reader.refresh_tokens(soon(), uid).await, Ok(vec![]), "{name}");
        assert_eq!(
            reader.authorization_code(soon(), code.id).await,
            Ok(None),
            "{name}"
        );
        let spent = writer.consume_authorization_code(&make.call(), code.id).await;
        assert_eq!(spent, Err(Refusal::TokenSpent.into()), "{name}");
    }
}

async fn an_account_may_be_made_again_under_its_own_uid(s: Arc<Subject>) {
    let make = Maker::new(9);
    let (first, old) = s.signed_up(&make, "a@example.test").await;
    let mut again = make.account("a@example.test");
    again.uid = first.uid;
    let sign_in = make.sign_in(again.uid);
    s.create(&make, &again, &sign_in).await;
    assert!(s.holder(&first.email_key).await == Some(again));
    assert_eq!(s.session(old.session.id).await, None);
    assert_eq!(s.sessions(first.uid).await, vec![sign_in.session]);
}

async fn an_address_is_verified_once_and_for_all(s: Arc<Subject>) {
    let make = Maker::new(10);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    assert_eq!(
        s.account_writer.verify_email(&make.call(), account.uid).await,
        Ok(())
    );
    let verified = s.account(account.uid).await.expect("the account is there");
    assert!(verified.email_verified);
    assert!(verified.version > account.version);
    let version = verified.version;
    let expected = Account {
        email_verified: true,
        version,
        ..account.clone()
    };
    assert!(verified == expected, "nothing else has changed");

    assert_eq!(
        s.account_writer.verify_email(&make.call(), account.uid).await,
        Ok(())
    );
    assert!(
        s.account(account.uid).await == Some(expected),
        "done, too, if it was before"
    );
}

async fn nobody_has_no_address_to_verify(s: Arc<Subject>) {
    let make = Maker::new(11);
    let nobody = Uid::from_bytes([9; 16]);
    let refused = s.account_writer.verify_email(&make.call(), nobody).await;
    assert_eq!(refused, Err(Refusal::UnknownAccount.into()));
}

async fn a_sign_in_of_another_account_makes_no_account(s: Arc<Subject>) {
    let make = Maker::new(12);
    let (other, _) = s.signed_up(&make, "other@example.test").await;
    let account = make.account("a@example.test");
    let foreign = make.sign_in(other.uid);
    let answer = s
        .account_writer
        .create_account(&make.call(), account.clone(), foreign.clone())
        .await;
    assert!(answer.is_err());
    assert!(s.account(account.uid).await.is_none());
    assert!(s.holder(&account.email_key).await.is_none());
    assert_eq!(s.session(foreign.session.id).await, None);
}
