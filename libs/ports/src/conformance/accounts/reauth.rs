//! The password, given again in a session.

use std::sync::Arc;

use foxhold_core::record::{Session, Verification};

use crate::{
    Refusal, WriteError,
    conformance::{Subject, cases, fixtures::Maker},
};

const SPENT: WriteError = WriteError::Refused(Refusal::TokenSpent);

cases![
    a_session_is_refreshed_in_what_the_password_says,
    a_session_that_is_gone_is_not_refreshed,
    nobody_refreshes_the_session_of_another,
    a_foreign_key_fetch_token_refreshes_no_session,
    a_repeated_refresh_does_not_undo_a_later_one,
    a_repeated_refresh_does_not_bring_a_session_back,
    a_refreshed_session_ends_with_all_that_hangs_on_it,
];

/// The same session later: with a new time and kind of sign-in.
fn later(make: &Maker, session: &Session) -> Session {
    Session {
        auth_at: make.now(),
        generation: make.now(),
        verification: Verification::Verified,
        must_verify: false,
        ..session.clone()
    }
}

async fn a_session_is_refreshed_in_what_the_password_says(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let second = make.plain_sign_in(account.uid);
    let opened = s.account_writer.open_session(&make.call(), second.clone()).await;
    assert_eq!(opened, Ok(()));
    let expected = later(&make, &sign_in.session);
    let key_fetches = vec![make.key_fetch(account.uid), make.key_fetch(account.uid)];
    // The rest of a session is written once.
    let put = Session {
        key: make.session(account.uid).key,
        created_at: make.now(),
        user_agent: "another".into(),
        ..expected.clone()
    };
    let done = s
        .account_writer
        .refresh_session(&make.call(), put, key_fetches.clone())
        .await;
    assert_eq!(done, Ok(()));
    assert_eq!(s.session(expected.id).await.as_ref(), Some(&expected));
    assert_eq!(
        s.sessions(account.uid).await,
        vec![second.session, expected.clone()]
    );
    for token in key_fetches.into_iter().chain(sign_in.key_fetches) {
        assert_eq!(s.key_fetch(token.id).await, Some(token));
    }
    // And back.
    let back = Session {
        verification: Verification::WithAccount,
        must_verify: true,
        ..expected
    };
    let done = s
        .account_writer
        .refresh_session(&make.call(), back.clone(), Vec::new())
        .await;
    assert_eq!(done, Ok(()));
    assert_eq!(s.session(back.id).await, Some(back));
}

async fn a_session_that_is_gone_is_not_refreshed(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let closed = s
        .account_writer
        .close_session(&make.call(), account.uid, sign_in.session.id)
        .await;
    assert_eq!(closed, Ok(()));
    let nobody = make.account("b@example.test");
    for gone in [
        sign_in.session,
        make.session(account.uid),
        make.session(nobody.uid),
    ] {
        let (key_fetch, call) = (make.key_fetch(gone.uid), make.call());
        for round in ["at first", "again"] {
            let refused = s
                .account_writer
                .refresh_session(&call, later(&make, &gone), vec![key_fetch.clone()])
                .await;
            assert_eq!(refused, Err(SPENT), "{round}");
            assert_eq!(s.session(gone.id).await, None, "{round}");
            assert_eq!(s.sessions(gone.uid).await, vec![], "{round}");
            assert_eq!(s.key_fetch(key_fetch.id).await, None, "{round}");
        }
    }
}

async fn nobody_refreshes_the_session_of_another(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (_, of_ann) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    let foreign = Session {
        uid: bob.uid,
        ..later(&make, &of_ann.session)
    };
    let key_fetch = make.key_fetch(bob.uid);
    let refused = s
        .account_writer
        .refresh_session(&make.call(), foreign, vec![key_fetch.clone()])
        .await;
    assert_eq!(refused, Err(SPENT));
    assert_eq!(s.key_fetch(key_fetch.id).await, None);
    s.assert_signed_in(&of_ann).await;
    assert_eq!(s.sessions(bob.uid).await.len(), 1);
}

async fn a_foreign_key_fetch_token_refreshes_no_session(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (_, of_ann) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    let key_fetch = make.key_fetch(bob.uid);
    let refused = s
        .account_writer
        .refresh_session(
            &make.call(),
            later(&make, &of_ann.session),
            vec![key_fetch.clone()],
        )
        .await;
    assert_eq!(refused, Err(Refusal::UnknownAccount.into()));
    assert_eq!(s.key_fetch(key_fetch.id).await, None);
    s.assert_signed_in(&of_ann).await;
}

async fn a_repeated_refresh_does_not_undo_a_later_one(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (call, key_fetch) = (make.call(), make.key_fetch(account.uid));
    let first = later(&make, &sign_in.session);
    let writer = &s.account_writer;
    let refresh = || writer.refresh_session(&call, first.clone(), vec![key_fetch.clone()]);
    for _ in 0..2 {
        assert_eq!(refresh().await, Ok(()));
        assert_eq!(s.session(first.id).await.as_ref(), Some(&first));
    }
    let consumed = writer.consume_key_fetch(&make.call(), key_fetch.id).await;
    assert_eq!(consumed, Ok(()));
    let mut second = later(&make, &first);
    second.must_verify = true;
    let done = writer
        .refresh_session(&make.call(), second.clone(), Vec::new())
        .await;
    assert_eq!(done, Ok(()));
    assert_eq!(refresh().await, Ok(()));
    assert_eq!(s.session(second.id).await.as_ref(), Some(&second));
    assert_eq!(s.sessions(account.uid).await, vec![second]);
    assert_eq!(s.key_fetch(key_fetch.id).await, None);
}

/// A store with a log still says that it was done, one without that the session is gone: either is true.
async fn a_repeated_refresh_does_not_bring_a_session_back(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (call, key_fetch) = (make.call(), make.key_fetch(account.uid));
    let refreshed = later(&make, &sign_in.session);
    let writer = &s.account_writer;
    let refresh = || writer.refresh_session(&call, refreshed.clone(), vec![key_fetch.clone()]);
    assert_eq!(refresh().await, Ok(()));
    let closed = writer
        .close_session(&make.call(), account.uid, refreshed.id)
        .await;
    assert_eq!(closed, Ok(()));
    let again = refresh().await;
    let expected = if s.remembers {
        [Ok(()); 2]
    } else {
        [Ok(()), Err(SPENT)]
    };
    assert!(expected.contains(&again), "{again:?}");
    assert_eq!(s.session(refreshed.id).await, None);
    assert_eq!(s.sessions(account.uid).await, vec![]);
}

async fn a_refreshed_session_ends_with_all_that_hangs_on_it(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (uid, writer) = (account.uid, &s.account_writer);
    let device = make.device(uid, sign_in.session.id);
    assert_eq!(writer.put_device(&make.call(), device.clone()).await, Ok(()));
    let done = writer
        .refresh_session(&make.call(), later(&make, &sign_in.session), Vec::new())
        .await;
    assert_eq!(done, Ok(()));
    assert_eq!(s.devices(uid).await, vec![device]);
    let closed = writer.close_session(&make.call(), uid, sign_in.session.id).await;
    assert_eq!(closed, Ok(()));
    assert_eq!(s.session(sign_in.session.id).await, None);
    assert_eq!(s.sessions(uid).await, vec![]);
    assert_eq!(s.devices(uid).await, vec![]);
}
