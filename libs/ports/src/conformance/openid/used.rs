//! What is left of codes that were traded, and refresh tokens that replace each other.

use std::sync::Arc;

use foxhold_core::{ClientId, Uid, record::RefreshToken};
use tokio::sync::Barrier;

use super::OpenIdSubject;
use crate::{
    Call, Cause, Refusal, WriteError,
    conformance::{
        at_once,
        fixtures::{Maker, past, soon},
    },
    openid::spent::{Replacement, SpentCode},
    outbox::put_at,
};

const CALLERS: usize = 64;
const ROUNDS: usize = 16;

impl OpenIdSubject {
    /// A refresh token of a new account.
    async fn token(&self, make: &Maker) -> RefreshToken {
        let token = make.refresh_token(self.account(make).await, None);
        let put = self.accounts.put_refresh_token(&make.call(), token.clone()).await;
        assert_eq!(put, Ok(()));
        token
    }

    async fn replaces(&self, call: &Call, replacement: &Replacement) -> Result<(), WriteError> {
        self.grant_writer
            .replace_refresh_token(call, replacement.clone())
            .await
    }

    /// The refresh tokens of an account, each of them found by its id, too.
    async fn tokens(&self, uid: Uid) -> Vec<RefreshToken> {
        let listed = self.account_reader.refresh_tokens(soon(), uid).await;
        let listed = listed.expect("it answers");
        for token in &listed {
            let found = self.account_reader.refresh_token(soon(), token.id).await;
            assert_eq!(found.as_ref(), Ok(&Some(token.clone())));
        }
        listed
    }
}

pub(super) async fn a_code_that_was_spent_is_known(s: OpenIdSubject) {
    let make = Maker::new(112);
    let uid = s.account(&make).await;
    let session = make.plain_sign_in(uid).session.id;
    let (code, other) = (make.code(uid, session), make.code(uid, session));
    for code in [&code, &other] {
        let put = s
            .accounts
            .put_authorization_code(&make.call(), code.clone())
            .await;
        assert_eq!(put, Ok(()));
        assert_eq!(s.grant_reader.spent_code(soon(), code.id).await, Ok(None));
    }
    let spend = make.call();
    let mut expected = SpentCode {
        spent_at: put_at(spend.op),
        code: code.clone(),
    };
    expected.code.keys_jwe = None;
    for _ in 0..2 {
        let spent = s.accounts.consume_authorization_code(&spend, code.id).await;
        assert_eq!(spent, Ok(()));
        let late = s.accounts.consume_authorization_code(&make.call(), code.id).await;
        assert_eq!(late, Err(Refusal::TokenSpent.into()));
        let known = s.grant_reader.spent_code(soon(), code.id).await;
        assert_eq!(known, Ok(Some(expected.clone())));
    }
    let unspent = s.account_reader.authorization_code(soon(), code.id).await;
    assert_eq!(unspent, Ok(None));
    assert_eq!(s.grant_reader.spent_code(soon(), other.id).await, Ok(None));
    let unspent = s.account_reader.authorization_code(soon(), other.id).await;
    assert_eq!(unspent, Ok(Some(other)));
}

pub(super) async fn a_token_is_replaced_and_known_afterwards(s: OpenIdSubject) {
    let make = Maker::new(113);
    let first = s.token(&make).await;
    let other = make.refresh_token(first.uid, None);
    let put = s.accounts.put_refresh_token(&make.call(), other.clone()).await;
    assert_eq!(put, Ok(()));
    let (mut old, mut done) = (first, Vec::new());
    for _ in 0..3 {
        assert_eq!(s.grant_reader.replaced_token(soon(), old.id).await, Ok(None));
        let (call, replacement) = (make.call(), make.replacement(&old));
        assert_eq!(s.replaces(&call, &replacement).await, Ok(()));
        assert_eq!(s.account_reader.refresh_token(soon(), old.id).await, Ok(None));
        old = replacement.token.clone();
        done.push((call, replacement));
        for (call, replacement) in &done {
            let known = s.grant_reader.replaced_token(soon(), replacement.replaces).await;
            let expected = replacement.trace(put_at(call.op));
            assert_eq!(known, Ok(Some(expected)));
        }
    }
    let left = s.tokens(old.uid).await;
    let mut expected = [old, other];
    expected.sort_by_key(|token| (token.created_at, token.id));
    assert_eq!(left, expected, "the last one, and that of nobody's concern");
}

pub(super) async fn of_many_who_replace_a_token_one_does(s: OpenIdSubject) {
    let make = Maker::new(114);
    let old = s.token(&make).await;
    let answers = at_once(CALLERS, |_| {
        let (writer, call) = (Arc::clone(&s.grant_writer), make.call());
        let replacement = make.replacement(&old);
        async move {
            let answer = writer.replace_refresh_token(&call, replacement.clone()).await;
            (answer, call, replacement)
        }
    });
    let answers = answers.await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|(answer, ..)| answer.is_ok());
    let spent = Err(Refusal::TokenSpent.into());
    assert!(lost.iter().all(|(answer, ..)| *answer == spent), "{answers:?}");
    let [(_, call, replacement)] = won[..] else {
        panic!("one is done: {answers:?}")
    };
    assert_eq!(s.tokens(old.uid).await, std::slice::from_ref(&replacement.token));
    let known = s.grant_reader.replaced_token(soon(), old.id).await;
    assert_eq!(known, Ok(Some(replacement.trace(put_at(call.op)))));
}

/// Repeated it brings nothing back, whatever became of the new token.
pub(super) async fn a_repeated_replacement_is_done_once(s: OpenIdSubject) {
    let make = Maker::new(115);
    let old = s.token(&make).await;
    let (call, replacement) = (make.call(), make.replacement(&old));
    for _ in 0..2 {
        assert_eq!(s.replaces(&call, &replacement).await, Ok(()));
        assert_eq!(s.tokens(old.uid).await, std::slice::from_ref(&replacement.token));
    }
    let next = make.replacement(&replacement.token);
    assert_eq!(s.replaces(&make.call(), &next).await, Ok(()));
    assert_eq!(s.replaces(&call, &replacement).await, Ok(()), "it was done");
    assert_eq!(s.tokens(old.uid).await, std::slice::from_ref(&next.token));
    let ended = s.accounts.delete_refresh_token(&make.call(), next.token.id).await;
    assert_eq!(ended, Ok(()));
    assert_eq!(s.replaces(&call, &replacement).await, Ok(()), "it was done");
    assert_eq!(s.tokens(old.uid).await, []);
}

pub(super) async fn what_does_not_fit_replaces_nothing(s: OpenIdSubject) {
    let make = Maker::new(116);
    let old = s.token(&make).await;
    let never = make.refresh_token(old.uid, None);
    let fitting = || make.replacement(&old);
    let (mut of_client, mut of_user, mut of_time) = (fitting(), fitting(), fitting());
    of_client.token.client = ClientId::random(make.random());
    of_user.token.uid = Uid::random(make.random());
    of_time.token.created_at = make.now();
    let mut by_itself = fitting();
    by_itself.token.id = old.id;
    for (name, replacement) in [
        ("one that never was", make.replacement(&never)),
        ("another client's", of_client),
        ("another user's", of_user),
        ("of another grant", of_time),
        ("itself", by_itself),
    ] {
        let answer = s.replaces(&make.call(), &replacement).await;
        assert_eq!(answer, Err(Refusal::TokenSpent.into()), "{name}");
        assert_eq!(s.tokens(old.uid).await, std::slice::from_ref(&old), "{name}");
        let known = s.grant_reader.replaced_token(soon(), replacement.replaces).await;
        assert_eq!(known, Ok(None), "{name}");
    }
    let late = Call {
        op: make.call().op,
        deadline: past(),
    };
    let answer = s.replaces(&late, &fitting()).await;
    assert_eq!(answer, Err(WriteError::NotDone(Cause::Timeout)));
    assert_eq!(s.tokens(old.uid).await, [old]);
}

/// A token that was taken back cannot be replaced, and one whose user has gone leads nowhere.
pub(super) async fn what_has_ended_is_not_replaced(s: OpenIdSubject) {
    let make = Maker::new(117);
    let old = s.token(&make).await;
    let ended = s.accounts.delete_refresh_token(&make.call(), old.id).await;
    assert_eq!(ended, Ok(()));
    let answer = s.replaces(&make.call(), &make.replacement(&old)).await;
    assert_eq!(answer, Err(Refusal::TokenSpent.into()));

    let account = make.account("leaving@example.test");
    let (uid, version) = (account.uid, account.version);
    let sign_in = make.plain_sign_in(uid);
    let made = s.accounts.create_account(&make.call(), account, sign_in).await;
    assert_eq!(made, Ok(()));
    let token = make.refresh_token(uid, None);
    let put = s.accounts.put_refresh_token(&make.call(), token.clone()).await;
    assert_eq!(put, Ok(()));
    let replacement = make.replacement(&token);
    assert_eq!(s.replaces(&make.call(), &replacement).await, Ok(()));
    let gone = s.accounts.delete_account(&make.call(), uid, version).await;
    assert_eq!(gone, Ok(()));
    assert_eq!(s.tokens(uid).await, []);
    let next = make.replacement(&replacement.token);
    let answer = s.replaces(&make.call(), &next).await;
    assert_eq!(answer, Err(Refusal::TokenSpent.into()));
    assert_eq!(s.tokens(uid).await, []);
}

/// Of taking a token back and replacing it one is first, and both agree which: whoever has taken it back and sees no other
/// in its place may go.
pub(super) async fn of_taking_back_and_replacing_one_is_first(s: OpenIdSubject) {
    let make = Maker::new(118);
    let uid = s.account(&make).await;
    for round in 0..ROUNDS {
        let old = make.refresh_token(uid, None);
        let put = s.accounts.put_refresh_token(&make.call(), old.clone()).await;
        assert_eq!(put, Ok(()));
        let (taking, call, replacement) = (make.call(), make.call(), make.replacement(&old));
        let barrier = Arc::new(Barrier::new(2));
        let taken = {
            let (s, barrier) = (s.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                barrier.wait().await;
                let taken = s.accounts.delete_refresh_token(&taking, old.id).await;
                (taken, s.grant_reader.replaced_token(soon(), old.id).await)
            })
        };
        let replaced = {
            let (s, replacement) = (s.clone(), replacement.clone());
            tokio::spawn(async move {
                barrier.wait().await;
                s.replaces(&call, &replacement).await
            })
        };
        let (taken, seen) = taken.await.expect("it ends");
        assert_eq!(taken, Ok(()), "round {round}");
        match replaced.await.expect("it ends") {
            Ok(()) => {
                let trace = replacement.trace(put_at(call.op));
                assert_eq!(seen, Ok(Some(trace)), "round {round}");
                let next = std::slice::from_ref(&replacement.token);
                assert_eq!(s.tokens(uid).await, next, "round {round}");
            }
            refused => {
                assert_eq!(refused, Err(Refusal::TokenSpent.into()), "round {round}");
                assert_eq!(seen, Ok(None), "round {round}");
                assert_eq!(s.tokens(uid).await, [], "round {round}");
            }
        }
        let next = replacement.token.id;
        let ended = s.accounts.delete_refresh_token(&make.call(), next).await;
        assert_eq!(ended, Ok(()));
        assert_eq!(s.tokens(uid).await, []);
    }
}
