//! Many callers at once around a password: one decision wins, and it is whole.

use std::sync::Arc;

use foxhold_core::record::{
    Account, PASSWORD_TOKEN_MISSES_MAX, PasswordEffect, PasswordTokenKind, PasswordUpdate, Session,
};

use super::races::{Answers, CALLERS, assert_one_whole_account, assert_one_winner, rivals};
use crate::{
    Refusal, WriteError,
    accounts::SignIn,
    conformance::{Subject, at_once, cases, fixtures::Maker},
};

const SPENT: Result<(), WriteError> = Err(WriteError::Refused(Refusal::TokenSpent));
const CONFLICT: Result<(), WriteError> = Err(WriteError::Refused(Refusal::Conflict));
const UNKNOWN: Result<(), WriteError> = Err(WriteError::Refused(Refusal::UnknownAccount));

cases![
    of_many_passwords_with_one_token_one_is_set,
    of_many_upgrades_with_one_token_one_is_stored,
    of_many_passwords_with_tokens_of_their_own_one_is_set,
    one_password_sent_many_times_at_once_is_set_once,
    of_many_who_redeem_a_forgot_token_one_does,
    of_many_wrong_codes_at_once_only_the_first_few_count,
    a_wrong_and_a_right_code_at_once_leave_one_outcome,
    sessions_that_end_while_the_password_changes_stay_ended,
    sessions_that_open_while_the_password_changes_do_not_disturb_it,
    a_session_that_is_refreshed_while_the_password_changes_is_gone,
    a_session_that_ends_while_it_is_refreshed_stays_ended,
    an_account_is_deleted_or_gets_a_password,
    an_account_that_is_deleted_leaves_its_address_to_one,
];

type Attempt = (PasswordUpdate, SignIn);

fn attempt(make: &Maker, account: &Account, token: foxhold_core::TokenId, effect: PasswordEffect) -> Attempt {
    let update = make.password_update(account, token, effect);
    let sign_in = make.sign_in_to(&update.applied_to(account));
    (update, sign_in)
}

async fn set_all(s: &Arc<Subject>, make: &Maker, attempts: &[Attempt]) -> Answers {
    at_once(attempts.len(), |number| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        let (update, sign_in) = attempts[number].clone();
        async move { writer.set_password(&call, update, Some(sign_in)).await }
    })
    .await
}

/// One was told that it was done, and one password is there with all that comes with it; of the others nothing is.
async fn assert_one_password(s: &Subject, account: &Account, attempts: &[Attempt], answers: &Answers) {
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let lost = answers
        .iter()
        .filter(|answer| [SPENT, CONFLICT].contains(answer))
        .count();
    assert_eq!((won, lost), (1, attempts.len() - 1), "{answers:?}");
    let now = s.account(account.uid).await.expect("the account is there");
    let mut set = 0;
    for (update, sign_in) in attempts {
        if now == update.applied_to(account) {
            set += 1;
            s.assert_signed_in(sign_in).await;
        } else {
            s.assert_not_signed_in(sign_in).await;
        }
    }
    assert_eq!(set, 1, "no two are blended");
}

async fn of_many_passwords_with_one_token_one_is_set(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (account, old) = s.signed_up(&make, "a@example.test").await;
    let token = s.given_token(&make, &account, PasswordTokenKind::Change).await;
    let attempts: Vec<_> = (0..CALLERS)
        .map(|_| attempt(&make, &account, token.id, make.change()))
        .collect();
    let answers = set_all(&s, &make, &attempts).await;
    assert_one_password(&s, &account, &attempts, &answers).await;
    s.assert_not_signed_in(&old).await;
    assert_eq!(s.sessions(account.uid).await.len(), 1);
}

async fn of_many_upgrades_with_one_token_one_is_stored(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, old) = s.signed_up(&make, "a@example.test").await;
    let token = s.given_token(&make, &account, PasswordTokenKind::Change).await;
    let attempts: Vec<_> = (0..CALLERS)
        .map(|_| attempt(&make, &account, token.id, PasswordEffect::Upgrade))
        .collect();
    let answers = set_all(&s, &make, &attempts).await;
    assert_one_password(&s, &account, &attempts, &answers).await;
    s.assert_signed_in(&old).await;
    assert_eq!(s.sessions(account.uid).await.len(), 2);
}

async fn of_many_passwords_with_tokens_of_their_own_one_is_set(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let mut attempts = Vec::new();
    for number in 0..CALLERS {
        let effect = if number % 2 == 0 {
            make.change()
        } else {
            make.reset(false)
        };
        let token = s.given_token(&make, &account, effect.wants()).await;
        attempts.push(attempt(&make, &account, token.id, effect));
    }
    let answers = set_all(&s, &make, &attempts).await;
    assert_one_password(&s, &account, &attempts, &answers).await;
    for (update, _) in attempts {
        assert_eq!(s.password_token(update.spends).await, None);
    }
}

async fn one_password_sent_many_times_at_once_is_set_once(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (account, old) = s.signed_up(&make, "a@example.test").await;
    let token = s.given_token(&make, &account, PasswordTokenKind::Change).await;
    let (update, sign_in) = attempt(&make, &account, token.id, make.change());
    let call = make.call();
    let answers = at_once(CALLERS, |_| {
        let (writer, update, sign_in) = (Arc::clone(&s.account_writer), update.clone(), sign_in.clone());
        async move { writer.set_password(&call, update, Some(sign_in)).await }
    });
    assert_eq!(answers.await, vec![Ok(()); CALLERS]);
    assert!(s.account(account.uid).await == Some(update.applied_to(&account)));
    s.assert_signed_in(&sign_in).await;
    s.assert_not_signed_in(&old).await;
}

async fn of_many_who_redeem_a_forgot_token_one_does(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let forgot = s.given_token(&make, &account, PasswordTokenKind::Forgot).await.id;
    let resets: Vec<_> = (0..CALLERS)
        .map(|_| make.password_token(&account, PasswordTokenKind::Reset))
        .collect();
    let answers = at_once(CALLERS, |number| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        let reset = resets[number].clone();
        async move { (number, writer.redeem_password_token(&call, forgot, reset).await) }
    });
    let (numbers, answers): (Vec<_>, Vec<_>) = answers.await.into_iter().unzip();
    assert_one_winner(&answers, Refusal::TokenSpent);
    assert_eq!(s.password_token(forgot).await, None);
    for (number, answer) in numbers.into_iter().zip(answers) {
        let reset = &resets[number];
        let found = s.password_token(reset.id).await;
        assert_eq!(found.as_ref(), answer.is_ok().then_some(reset));
    }
}

async fn of_many_wrong_codes_at_once_only_the_first_few_count(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let id = s.given_token(&make, &account, PasswordTokenKind::Forgot).await.id;
    let answers = at_once(CALLERS, |_| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        async move { writer.miss_password_token(&call, id).await }
    });
    let answers = answers.await;
    let mut counted: Vec<u8> = answers.iter().copied().filter_map(Result::ok).collect();
    counted.sort_unstable();
    let expected: Vec<u8> = (1..=PASSWORD_TOKEN_MISSES_MAX).collect();
    assert_eq!(counted, expected, "{answers:?}");
    let spent = Err(Refusal::TokenSpent.into());
    let lost = answers.iter().filter(|answer| **answer == spent).count();
    assert_eq!(lost, CALLERS - expected.len(), "{answers:?}");
    assert_eq!(s.password_token(id).await, None);
}

async fn a_wrong_and_a_right_code_at_once_leave_one_outcome(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let forgot = s.given_token(&make, &account, PasswordTokenKind::Forgot).await.id;
    let reset = make.password_token(&account, PasswordTokenKind::Reset);
    let answers = at_once(CALLERS, |number| {
        let (writer, call, reset) = (Arc::clone(&s.account_writer), make.call(), reset.clone());
        async move {
            match number {
                0 => (
                    true,
                    writer
                        .redeem_password_token(&call, forgot, reset)
                        .await
                        .map(|()| 0),
                ),
                _ => (false, writer.miss_password_token(&call, forgot).await),
            }
        }
    });
    let (redeemed, missed): (Vec<_>, Vec<_>) = answers.await.into_iter().partition(|(redeems, _)| *redeems);
    let redeemed = redeemed[0].1.is_ok();
    let counted = missed.iter().filter(|(_, answer)| answer.is_ok()).count();
    let all = usize::from(PASSWORD_TOKEN_MISSES_MAX);
    // Either the right code came before the last wrong one, or all wrong ones that count came before it.
    assert!(
        if redeemed { counted < all } else { counted == all },
        "{missed:?}"
    );
    assert_eq!(s.password_token(forgot).await, None);
    assert_eq!(s.password_token(reset.id).await, redeemed.then_some(reset));
}

async fn sessions_that_end_while_the_password_changes_stay_ended(s: Arc<Subject>) {
    let make = Maker::new(8);
    let (account, old) = s.signed_up(&make, "a@example.test").await;
    let (uid, closed) = (account.uid, old.session.id);
    let had = s.furnish(&make, &account, old).await;
    let token = s.given_token(&make, &account, PasswordTokenKind::Change).await;
    let (update, sign_in) = attempt(&make, &account, token.id, make.change());
    let answers = at_once(CALLERS, |number| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        let (update, sign_in) = (update.clone(), sign_in.clone());
        async move {
            match number {
                0 => writer.set_password(&call, update, Some(sign_in)).await,
                _ => writer.close_session(&call, uid, closed).await,
            }
        }
    });
    assert_eq!(answers.await, vec![Ok(()); CALLERS]);
    assert!(s.account(uid).await == Some(update.applied_to(&account)));
    s.assert_gone(&make, &had, true).await;
    s.assert_signed_in(&sign_in).await;
    assert_eq!(s.sessions(uid).await, vec![sign_in.session]);
}

/// Whoever opens a session has read the old password. It may be there afterwards: its generation tells that it is dead.
async fn sessions_that_open_while_the_password_changes_do_not_disturb_it(s: Arc<Subject>) {
    let make = Maker::new(9);
    let (account, old) = s.signed_up(&make, "a@example.test").await;
    let token = s.given_token(&make, &account, PasswordTokenKind::Change).await;
    let (update, sign_in) = attempt(&make, &account, token.id, make.change());
    let opened: Vec<_> = (0..CALLERS).map(|_| make.sign_in_to(&account)).collect();
    let answers = at_once(CALLERS, |number| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        let (update, sign_in, opened) = (update.clone(), sign_in.clone(), opened[number].clone());
        async move {
            match number {
                0 => writer.set_password(&call, update, Some(sign_in)).await,
                _ => writer.open_session(&call, opened).await,
            }
        }
    });
    assert_eq!(answers.await, vec![Ok(()); CALLERS]);
    let now = update.applied_to(&account);
    assert!(s.account(account.uid).await.as_ref() == Some(&now));
    s.assert_signed_in(&sign_in).await;
    s.assert_not_signed_in(&old).await;
    let alive: Vec<_> = s
        .sessions(account.uid)
        .await
        .into_iter()
        .filter(|session| session.generation >= now.verifier_set_at)
        .collect();
    assert_eq!(alive, vec![sign_in.session]);
}

async fn a_session_that_is_refreshed_while_the_password_changes_is_gone(s: Arc<Subject>) {
    let make = Maker::new(10);
    let (account, old) = s.signed_up(&make, "a@example.test").await;
    let token = s.given_token(&make, &account, PasswordTokenKind::Change).await;
    let (update, sign_in) = attempt(&make, &account, token.id, make.change());
    let refreshed: Vec<_> = (0..CALLERS)
        .map(|_| later(&make, &account, &old.session))
        .collect();
    let answers = at_once(CALLERS, |number| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        let (update, sign_in, refreshed) = (update.clone(), sign_in.clone(), refreshed[number].clone());
        async move {
            match number {
                0 => (true, writer.set_password(&call, update, Some(sign_in)).await),
                _ => (false, writer.refresh_session(&call, refreshed, Vec::new()).await),
            }
        }
    });
    for (sets, answer) in answers.await {
        assert!(answer == Ok(()) || (!sets && answer == SPENT), "{answer:?}");
    }
    s.assert_not_signed_in(&old).await;
    assert_eq!(s.session(old.session.id).await, None);
    s.assert_signed_in(&sign_in).await;
    assert_eq!(s.sessions(account.uid).await, vec![sign_in.session]);
}

/// The session, with the password given again.
fn later(make: &Maker, account: &Account, session: &Session) -> Session {
    Session {
        auth_at: make.now(),
        generation: account.verifier_set_at,
        ..session.clone()
    }
}

async fn a_session_that_ends_while_it_is_refreshed_stays_ended(s: Arc<Subject>) {
    const CLOSERS: usize = 4;
    let make = Maker::new(11);
    let (account, old) = s.signed_up(&make, "a@example.test").await;
    let (uid, id) = (account.uid, old.session.id);
    let refreshed: Vec<_> = (0..CALLERS)
        .map(|_| (later(&make, &account, &old.session), make.key_fetch(uid)))
        .collect();
    let answers = at_once(CALLERS, |number| {
        let (writer, call) = (Arc::clone(&s.account_writer), make.call());
        let (session, key_fetch) = refreshed[number].clone();
        async move {
            let answer = if number < CLOSERS {
                writer.close_session(&call, uid, id).await
            } else {
                writer.refresh_session(&call, session, vec![key_fetch]).await
            };
            (number, answer)
        }
    });
    for (number, answer) in answers.await {
        let token = s.key_fetch(refreshed[number].1.id).await;
        if number < CLOSERS {
            assert_eq!(answer, Ok(()), "caller {number}");
            continue;
        }
        assert!([Ok(()), SPENT].contains(&answer), "caller {number}: {answer:?}");
        assert_eq!(token.is_some(), answer.is_ok(), "caller {number}");
    }
    assert_eq!(s.session(id).await, None);
    assert_eq!(s.sessions(uid).await, vec![]);
}

async fn an_account_is_deleted_or_gets_a_password(s: Arc<Subject>) {
    const ROUNDS: usize = 8;
    for round in 0..ROUNDS {
        let make = Maker::new(100 + round as u64);
        let (account, old) = s.signed_up(&make, &format!("a{round}@example.test")).await;
        let had = s.furnish(&make, &account, old).await;
        let (uid, version) = (account.uid, account.version);
        let token = s.given_token(&make, &account, PasswordTokenKind::Reset).await;
        let (update, sign_in) = attempt(&make, &account, token.id, make.reset(false));
        let answers = at_once(4, |number| {
            let (writer, call) = (Arc::clone(&s.account_writer), make.call());
            let (update, sign_in) = (update.clone(), sign_in.clone());
            async move {
                // Either may set off first.
                match (number + round) % 4 {
                    0 => (true, writer.set_password(&call, update, Some(sign_in)).await),
                    _ => (false, writer.delete_account(&call, uid, version).await),
                }
            }
        });
        let (set, deleted): (Vec<_>, Vec<_>) = answers.await.into_iter().partition(|(sets, _)| *sets);
        let was_set = set[0].1 == Ok(());
        assert!(was_set || set[0].1 == UNKNOWN, "{set:?}");
        let expected = if was_set { CONFLICT } else { Ok(()) };
        assert!(
            deleted.iter().all(|(_, answer)| *answer == expected),
            "{deleted:?}"
        );
        s.assert_gone(&make, &had, false).await;
        if was_set {
            assert!(s.account(uid).await == Some(update.applied_to(&account)));
            s.assert_signed_in(&sign_in).await;
        } else {
            assert!(s.account(uid).await.is_none());
            assert!(s.holder(&account.email_key).await.is_none());
            s.assert_not_signed_in(&sign_in).await;
        }
    }
}

async fn an_account_that_is_deleted_leaves_its_address_to_one(s: Arc<Subject>) {
    let make = Maker::new(13);
    let rivals = rivals(&make, true);
    let (first, sign_in) = &rivals[0];
    s.create(&make, first, sign_in).await;
    let answers = at_once(CALLERS, |number| {
        let (writer, call, uid, version) = (
            Arc::clone(&s.account_writer),
            make.call(),
            first.uid,
            first.version,
        );
        let (account, sign_in) = rivals[number].clone();
        async move {
            match number {
                0 => (true, writer.delete_account(&call, uid, version).await),
                _ => (false, writer.create_account(&call, account, sign_in).await),
            }
        }
    });
    let (deleted, created): (Vec<_>, Vec<_>) = answers.await.into_iter().partition(|(deletes, _)| *deletes);
    assert_eq!(deleted[0].1, Ok(()));
    let won = created.iter().filter(|(_, answer)| answer.is_ok()).count();
    let taken = Err(Refusal::EmailTaken.into());
    let lost = created.iter().filter(|(_, answer)| *answer == taken).count();
    assert!(won <= 1 && won + lost == created.len(), "{created:?}");
    assert!(s.account(first.uid).await.is_none());
    s.assert_not_signed_in(sign_in).await;
    if won == 1 {
        let holder = assert_one_whole_account(&s, &rivals).await;
        assert!(holder.uid != first.uid);
    } else {
        assert!(s.holder(&first.email_key).await.is_none());
    }
}
