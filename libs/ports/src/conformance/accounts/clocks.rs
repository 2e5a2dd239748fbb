//! Clocks that disagree (`security.md` D.1.5): a sign-out is never lost, also if the process that takes it is behind the
//! one that wrote what it ends.

use std::sync::Arc;

use crate::conformance::{
    Subject, cases,
    fixtures::{Maker, soon},
};

cases![
    a_slow_clock_ends_a_session_with_all_that_hangs_on_it,
    a_slow_clock_revokes_a_refresh_token,
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
