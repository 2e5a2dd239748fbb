//! Clocks that disagree (`security.md` D.1.5): a sign-out is never lost, also if the process that takes it is behind the
//! one that wrote what it ends. The same holds for a new password and for the end of an account.

use std::sync::Arc;

use foxhold_core::record::PasswordTokenKind;

use crate::conformance::{
    Subject, cases,
    fixtures::{Maker, soon},
};

cases![
    a_slow_clock_ends_a_session_with_all_that_hangs_on_it,
    a_slow_clock_revokes_a_refresh_token,
    a_slow_clock_sets_a_password,
    a_slow_clock_deletes_an_account,
    a_slow_clock_refreshes_a_session,
];

async fn a_slow_clock_ends_a_session_with_all_that_hangs_on_it(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (uid, reader, writer) = (account.uid, &s.account_reader, &s.account_writer);
    let ending = make.sign_in(uid);
    let id = ending.session.id;
    assert_eq!(writer.open_session(&make.call(), ending).await, Ok(()));
    let device = make.device(uid, id);
    assert_eq!(writer.put_device(&make.call(), device.clone()).await, Ok(()));
    let token = make.refresh_token(uid, Some(id));
    let put = writer.put_refresh_token(&make.call(), token.clone()).await;
    assert_eq!(put, Ok(()));

    let slow = make.slow_call();
    for round in ["once", "again"] {
        assert_eq!(writer.close_session(&slow, uid, id).await, Ok(()), "{round}");
        assert_eq!(s.session(id).await, None, "{round}");
        assert!(
            s.sessions(uid).await.iter().all(|session| session.id != id),
            "{round}"
        );
        assert_eq!(s.devices(uid).await, vec![], "{round}");
        assert_eq!(reader.refresh_token(soon(), token.id).await, Ok(None), "{round}");
        assert_eq!(reader.refresh_tokens(soon(), uid).await, Ok(vec![]), "{round}");
    }
    // The slow process has not made the device's id unusable.
    let next = make.plain_sign_in(uid);
    assert_eq!(writer.open_session(&make.call(), next.clone()).await, Ok(()));
    let mut back = device;
    back.session = next.session.id;
    assert_eq!(writer.put_device(&make.call(), back.clone()).await, Ok(()));
    assert_eq!(s.devices(uid).await, vec![back]);
}

async fn a_slow_clock_revokes_a_refresh_token(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (token, writer) = (make.refresh_token(account.uid, None), &s.account_writer);
    let put = writer.put_refresh_token(&make.call(), token.clone()).await;
    assert_eq!(put, Ok(()));
    let deleted = writer.delete_refresh_token(&make.slow_call(), token.id).await;
    assert_eq!(deleted, Ok(()));
    let (one, all) = (
        s.account_reader.refresh_token(soon(), token.id).await,
        s.account_reader.refresh_tokens(soon(), account.uid).await,
    );
    assert_eq!((one, all), (Ok(None), Ok(vec![])));
}

async fn a_slow_clock_sets_a_password(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let had = s.furnish(&make, &account, sign_in).await;
    let [change, ..] = PasswordTokenKind::ALL;
    let token = s.given_token(&make, &account, change).await;
    let update = make.password_update(&account, token.id, make.change());
    let (now, slow) = (update.applied_to(&account), make.slow_call());
    let new = make.sign_in_to(&now);
    for round in ["once", "again"] {
        let set = s
            .account_writer
            .set_password(&slow, update.clone(), Some(new.clone()))
            .await;
        assert_eq!(set, Ok(()), "{round}");
        assert!(s.account(now.uid).await.as_ref() == Some(&now), "{round}");
        s.assert_gone(&make, &had, true).await;
        s.assert_signed_in(&new).await;
    }
}

async fn a_slow_clock_deletes_an_account(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let had = s.furnish(&make, &account, sign_in).await;
    let slow = make.slow_call();
    for round in ["once", "again"] {
        let deleted = s
            .account_writer
            .delete_account(&slow, account.uid, account.version)
            .await;
        assert_eq!(deleted, Ok(()), "{round}");
        assert!(s.account(account.uid).await.is_none(), "{round}");
        assert!(s.holder(&account.email_key).await.is_none(), "{round}");
        s.assert_gone(&make, &had, false).await;
    }
    // The slow process has not made the address unusable.
    let (next, sign_in) = s.signed_up(&make, "a@example.test").await;
    assert!(s.holder(&account.email_key).await == Some(next));
    s.assert_signed_in(&sign_in).await;
}

async fn a_slow_clock_refreshes_a_session(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (uid, writer) = (account.uid, &s.account_writer);
    let mut session = sign_in.session;
    session.auth_at = make.now();
    session.must_verify = false;
    let refreshed = writer
        .refresh_session(&make.slow_call(), session.clone(), Vec::new())
        .await;
    assert_eq!(refreshed, Ok(()));
    assert_eq!(s.session(session.id).await.as_ref(), Some(&session));
    assert_eq!(s.sessions(uid).await, vec![session.clone()]);
    let closed = writer.close_session(&make.slow_call(), uid, session.id).await;
    assert_eq!(closed, Ok(()));
    assert_eq!(s.session(session.id).await, None);
    assert_eq!(s.sessions(uid).await, vec![]);
}
