//! Opening and ending sessions, and what hangs on them.

use std::sync::Arc;

use crate::{
    Refusal,
    accounts::SignIn,
    conformance::{
        Subject, cases,
        fixtures::{Maker, soon},
    },
};

cases![
    sessions_are_listed_newest_first,
    nobody_signs_in,
    a_foreign_key_fetch_token_opens_no_session,
    a_session_ends_with_all_that_hangs_on_it,
    ending_a_session_that_is_gone_is_done,
    nobody_ends_the_session_of_another,
    a_device_that_moved_on_survives_its_old_session,
];

async fn sessions_are_listed_newest_first(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (account, first) = s.signed_up(&make, "a@example.test").await;
    let second = make.sign_in(account.uid);
    let third = make.plain_sign_in(account.uid);
    // Opened in another order than they were made in: the time in the record counts.
    for sign_in in [&third, &second] {
        let done = s.account_writer.open_session(&make.call(), sign_in.clone()).await;
        assert_eq!(done, Ok(()));
    }
    let listed = s.sessions(account.uid).await;
    assert_eq!(listed, vec![third.session, second.session.clone(), first.session]);
    assert_eq!(s.session(second.session.id).await, Some(second.session));
    for token in second.key_fetches {
        assert_eq!(
            s.account_reader.key_fetch(soon(), token.id).await,
            Ok(Some(token))
        );
    }
}

async fn nobody_signs_in(s: Arc<Subject>) {
    let make = Maker::new(2);
    let sign_in = make.sign_in(make.account("a@example.test").uid);
    let refused = s.account_writer.open_session(&make.call(), sign_in.clone()).await;
    assert_eq!(refused, Err(Refusal::UnknownAccount.into()));
    assert_eq!(s.session(sign_in.session.id).await, None);
    assert_eq!(
        s.account_reader
            .key_fetch(soon(), sign_in.key_fetches[0].id)
            .await,
        Ok(None)
    );
}

async fn a_foreign_key_fetch_token_opens_no_session(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (ann, _) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    let sign_in = SignIn {
        session: make.session(ann.uid),
        key_fetches: vec![make.key_fetch(bob.uid)],
    };
    let answer = s.account_writer.open_session(&make.call(), sign_in.clone()).await;
    assert!(answer.is_err());
    assert_eq!(s.session(sign_in.session.id).await, None);
    assert_eq!(
        s.account_reader
            .key_fetch(soon(), sign_in.key_fetches[0].id)
            .await,
        Ok(None)
    );
}

async fn a_session_ends_with_all_that_hangs_on_it(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (account, ending) = s.signed_up(&make, "a@example.test").await;
    let (uid, writer) = (account.uid, &s.account_writer);
    let staying = make.sign_in(uid);
    assert_eq!(writer.open_session(&make.call(), staying.clone()).await, Ok(()));
    let devices = [&ending, &staying].map(|sign_in| make.device(uid, sign_in.session.id));
    for device in &devices {
        assert_eq!(writer.put_device(&make.call(), device.clone()).await, Ok(()));
    }
    let tokens = [Some(ending.session.id), Some(staying.session.id), None]
        .map(|session| make.refresh_token(uid, session));
    for token in &tokens {
        assert_eq!(
            writer.put_refresh_token(&make.call(), token.clone()).await,
            Ok(())
        );
    }

    assert_eq!(
        writer.close_session(&make.call(), uid, ending.session.id).await,
        Ok(())
    );
    assert_eq!(s.session(ending.session.id).await, None);
    assert_eq!(s.sessions(uid).await, vec![staying.session]);
    assert_eq!(s.devices(uid).await, vec![devices[1].clone()]);
    let left = s.account_reader.refresh_tokens(soon(), uid).await;
    assert_eq!(left, Ok(tokens[1..].to_vec()));
    assert_eq!(
        s.account_reader.refresh_token(soon(), tokens[0].id).await,
        Ok(None)
    );
}

async fn ending_a_session_that_is_gone_is_done(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    for _ in 0..2 {
        let done = s
            .account_writer
            .close_session(&make.call(), account.uid, sign_in.session.id)
            .await;
        assert_eq!(done, Ok(()));
    }
    assert_eq!(s.session(sign_in.session.id).await, None);
}

async fn nobody_ends_the_session_of_another(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (ann, sign_in) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    let device = make.device(ann.uid, sign_in.session.id);
    assert_eq!(
        s.account_writer.put_device(&make.call(), device.clone()).await,
        Ok(())
    );
    let done = s
        .account_writer
        .close_session(&make.call(), bob.uid, sign_in.session.id)
        .await;
    assert_eq!(done, Ok(()));
    assert_eq!(s.session(sign_in.session.id).await, Some(sign_in.session));
    assert_eq!(s.devices(ann.uid).await, vec![device]);
}

async fn a_device_that_moved_on_survives_its_old_session(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (account, old) = s.signed_up(&make, "a@example.test").await;
    let new = make.plain_sign_in(account.uid);
    let writer = &s.account_writer;
    let mut device = make.device(account.uid, old.session.id);
    assert_eq!(writer.put_device(&make.call(), device.clone()).await, Ok(()));
    assert_eq!(writer.open_session(&make.call(), new.clone()).await, Ok(()));
    device.session = new.session.id;
    assert_eq!(writer.put_device(&make.call(), device.clone()).await, Ok(()));

    let closed = writer
        .close_session(&make.call(), account.uid, old.session.id)
        .await;
    assert_eq!(closed, Ok(()));
    assert_eq!(s.devices(account.uid).await, vec![device]);
}
