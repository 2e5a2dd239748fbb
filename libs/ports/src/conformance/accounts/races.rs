//! Many callers at once: exactly one wins what only one may have.

use std::sync::Arc;

use foxhold_core::record::Account;

use crate::{
    Refusal, WriteError,
    accounts::SignIn,
    conformance::{
        Subject, at_once, cases,
        fixtures::{Maker, soon},
    },
};

pub(super) const CALLERS: usize = 64;

cases![
    of_many_who_spend_a_key_fetch_token_one_does,
    of_many_who_spend_a_code_one_does,
    a_code_is_spent_once_also_while_its_session_ends,
    one_operation_sent_many_times_at_once_is_done_for_all,
    of_many_verified_accounts_one_gets_the_address,
    of_many_unverified_accounts_one_is_left_and_whole,
    a_verification_and_many_creations_leave_one_whole_account,
];

pub(super) type Answers = Vec<Result<(), WriteError>>;

pub(super) fn assert_one_winner(answers: &Answers, loser: Refusal) {
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let lost = answers
        .iter()
        .filter(|answer| **answer == Err(loser.into()))
        .count();
    assert_eq!((won, lost), (1, answers.len() - 1), "{answers:?}");
}

async fn of_many_who_spend_a_key_fetch_token_one_does(s: Arc<Subject>) {
    let make = Arc::new(Maker::new(1));
    let (_, sign_in) = s.signed_up(&make, "a@example.test").await;
    let id = sign_in.key_fetches[0].id;
    let answers = at_once(CALLERS, |_| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        async move { writer.consume_key_fetch(&call, id).await }
    });
    assert_one_winner(&answers.await, Refusal::TokenSpent);
    assert_eq!(s.account_reader.key_fetch(soon(), id).await, Ok(None));
}

async fn of_many_who_spend_a_code_one_does(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let code = make.code(account.uid, sign_in.session.id);
    let id = code.id;
    assert_eq!(
        s.account_writer.put_authorization_code(&make.call(), code).await,
        Ok(())
    );
    let answers = at_once(CALLERS, |_| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        async move { writer.consume_authorization_code(&call, id).await }
    });
    assert_one_winner(&answers.await, Refusal::TokenSpent);
}

/// A sign-out ends the session and what may be revoked; it neither spends a code nor brings one back.
async fn a_code_is_spent_once_also_while_its_session_ends(s: Arc<Subject>) {
    const CLOSERS: usize = 4;
    let make = Maker::new(8);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (uid, session) = (account.uid, sign_in.session.id);
    let code = make.code(uid, session);
    let (id, writer) = (code.id, &s.account_writer);
    assert_eq!(writer.put_authorization_code(&make.call(), code).await, Ok(()));
    let device = make.device(uid, session);
    assert_eq!(writer.put_device(&make.call(), device).await, Ok(()));
    let answers = at_once(CALLERS, |number| {
        let (writer, call) = (Arc::clone(writer), make.call());
        async move {
            if number < CLOSERS {
                (true, writer.close_session(&call, uid, session).await)
            } else {
                (false, writer.consume_authorization_code(&call, id).await)
            }
        }
    });
    let (closed, consumed): (Vec<_>, Vec<_>) = answers.await.into_iter().partition(|(closes, _)| *closes);
    assert!(closed.iter().all(|(_, answer)| *answer == Ok(())), "{closed:?}");
    let consumed = consumed.into_iter().map(|(_, answer)| answer).collect();
    assert_one_winner(&consumed, Refusal::TokenSpent);
    assert_eq!(s.account_reader.authorization_code(soon(), id).await, Ok(None));
    assert_eq!(s.session(session).await, None);
    assert_eq!(s.devices(uid).await, vec![]);
    assert!(s.account(uid).await.is_some());
}

async fn one_operation_sent_many_times_at_once_is_done_for_all(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (_, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (id, call) = (sign_in.key_fetches[0].id, make.call());
    let answers = at_once(CALLERS, |_| {
        let writer = Arc::clone(&s.account_writer);
        async move { writer.consume_key_fetch(&call, id).await }
    });
    assert_eq!(answers.await, vec![Ok(()); CALLERS]);
}

/// Accounts with their sign-ins, all after one address.
pub(super) fn rivals(make: &Maker, verified: bool) -> Vec<(Account, SignIn)> {
    let rival = |_| {
        let mut account = make.account("a@example.test");
        account.email_verified = verified;
        let sign_in = make.sign_in(account.uid);
        (account, sign_in)
    };
    (0..CALLERS).map(rival).collect()
}

async fn create_all(s: &Arc<Subject>, make: &Maker, rivals: &[(Account, SignIn)]) -> Answers {
    at_once(rivals.len(), |number| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        let (account, sign_in) = rivals[number].clone();
        async move { writer.create_account(&call, account, sign_in).await }
    })
    .await
}

/// Exactly one of the rivals is there: with its claim, its session and its tokens. Of the others nothing is.
pub(super) async fn assert_one_whole_account(s: &Subject, rivals: &[(Account, SignIn)]) -> Account {
    let key = &rivals[0].0.email_key;
    let holder = s.holder(key).await.expect("somebody holds the address");
    for (account, sign_in) in rivals {
        let is_it = account.uid == holder.uid;
        assert_eq!(s.account(account.uid).await.is_some(), is_it);
        assert_eq!(s.sessions(account.uid).await.len(), usize::from(is_it));
        assert_eq!(s.session(sign_in.session.id).await.is_some(), is_it);
        for token in &sign_in.key_fetches {
            let found = s.account_reader.key_fetch(soon(), token.id).await;
            assert_eq!(found.map(|found| found.is_some()), Ok(is_it));
        }
    }
    holder
}

async fn of_many_verified_accounts_one_gets_the_address(s: Arc<Subject>) {
    let make = Maker::new(4);
    let rivals = rivals(&make, true);
    let answers = create_all(&s, &make, &rivals).await;
    assert_one_winner(&answers, Refusal::EmailTaken);
    assert_one_whole_account(&s, &rivals).await;
}

async fn of_many_unverified_accounts_one_is_left_and_whole(s: Arc<Subject>) {
    let make = Maker::new(5);
    let rivals = rivals(&make, false);
    let answers = create_all(&s, &make, &rivals).await;
    assert_eq!(answers, vec![Ok(()); CALLERS], "each replaced the one before");
    assert_one_whole_account(&s, &rivals).await;
}

async fn a_verification_and_many_creations_leave_one_whole_account(s: Arc<Subject>) {
    let make = Maker::new(6);
    let rivals = rivals(&make, false);
    let (first, sign_in) = &rivals[0];
    s.create(&make, first, sign_in).await;
    let answers = at_once(CALLERS, |number| {
        let (writer, call, verified) = (Arc::clone(&s.account_writer), make.call(), first.uid);
        let (account, sign_in) = rivals[number].clone();
        async move {
            match number {
                0 => writer.verify_email(&call, verified).await,
                _ => writer.create_account(&call, account, sign_in).await,
            }
        }
    });
    let answers = answers.await;
    let holder = assert_one_whole_account(&s, &rivals).await;
    // Either the verification came first and everybody else was too late, or it found its account replaced.
    let verified_first = holder.uid == first.uid;
    assert_eq!(holder.email_verified, verified_first);
    let count = |wanted: Result<(), WriteError>| answers.iter().filter(|answer| **answer == wanted).count();
    let taken = count(Err(Refusal::EmailTaken.into()));
    let unknown = count(Err(Refusal::UnknownAccount.into()));
    let expected = if verified_first { (CALLERS - 1, 0) } else { (0, 1) };
    assert_eq!((taken, unknown), expected, "{answers:?}");
}
