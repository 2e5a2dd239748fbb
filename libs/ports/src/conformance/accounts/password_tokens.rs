//! Tokens of the password calls: kept, missed, redeemed.

use std::sync::Arc;

use foxhold_core::record::{PASSWORD_TOKEN_MISSES_MAX, PasswordToken, PasswordTokenKind};

use crate::{
    Refusal, WriteError,
    conformance::{Subject, cases, fixtures::Maker},
};

use PasswordTokenKind::{Change, Forgot, Reset};

const SPENT: WriteError = WriteError::Refused(Refusal::TokenSpent);

cases![
    a_password_token_is_kept_with_its_key_fetch_token,
    a_password_token_of_nobody_is_not_kept,
    a_password_token_with_anothers_key_fetch_token_is_not_kept,
    the_last_wrong_code_spends_the_token,
    a_repeated_miss_counts_once_and_says_the_same,
    the_right_code_puts_a_reset_token_in_the_place_of_the_forgot_token,
    a_wrong_code_before_the_last_leaves_the_right_one_good,
    only_a_forgot_token_is_missed_and_redeemed,
    a_forgot_token_is_not_redeemed_for_anything_else,
    password_tokens_are_apart_from_all_others,
    a_repeated_password_token_does_not_come_back,
    a_repeated_redemption_brings_nothing_back,
    a_password_token_of_an_older_password_is_of_no_use,
    password_tokens_go_with_an_account_that_is_replaced,
];

async fn a_password_token_is_kept_with_its_key_fetch_token(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let mut kept = Vec::new();
    for kind in PasswordTokenKind::ALL {
        let token = make.password_token(&account, kind);
        let key_fetch = (kind == Change).then(|| make.key_fetch(account.uid));
        let put = s
            .account_writer
            .put_password_token(&make.call(), token.clone(), key_fetch.clone())
            .await;
        assert_eq!(put, Ok(()), "{kind:?}");
        if let Some(key_fetch) = key_fetch {
            assert_eq!(s.key_fetch(key_fetch.id).await, Some(key_fetch));
        }
        kept.push(token);
    }
    for token in kept {
        assert_eq!(s.password_token(token.id).await, Some(token));
    }
}

async fn a_password_token_of_nobody_is_not_kept(s: Arc<Subject>) {
    let make = Maker::new(2);
    let nobody = make.account("a@example.test");
    let (token, key_fetch) = (make.password_token(&nobody, Change), make.key_fetch(nobody.uid));
    let refused = s
        .account_writer
        .put_password_token(&make.call(), token.clone(), Some(key_fetch.clone()))
        .await;
    assert_eq!(refused, Err(Refusal::UnknownAccount.into()));
    s.create(&make, &nobody, &make.sign_in(nobody.uid)).await;
    assert_eq!(s.password_token(token.id).await, None);
    assert_eq!(s.key_fetch(key_fetch.id).await, None);
}

async fn a_password_token_with_anothers_key_fetch_token_is_not_kept(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (ann, _) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    let (token, key_fetch) = (make.password_token(&ann, Change), make.key_fetch(bob.uid));
    let refused = s
        .account_writer
        .put_password_token(&make.call(), token.clone(), Some(key_fetch.clone()))
        .await;
    assert_eq!(refused, Err(Refusal::UnknownAccount.into()));
    assert_eq!(s.password_token(token.id).await, None);
    assert_eq!(s.key_fetch(key_fetch.id).await, None);
}

async fn the_last_wrong_code_spends_the_token(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (token, writer) = (s.given_token(&make, &account, Forgot).await, &s.account_writer);
    for misses in 1..=PASSWORD_TOKEN_MISSES_MAX {
        let counted = writer.miss_password_token(&make.call(), token.id).await;
        assert_eq!(counted, Ok(misses));
        let left = (misses < PASSWORD_TOKEN_MISSES_MAX).then(|| PasswordToken {
            misses,
            ..token.clone()
        });
        assert_eq!(s.password_token(token.id).await, left);
    }
    let more = writer.miss_password_token(&make.call(), token.id).await;
    assert_eq!(more, Err(SPENT));
    let reset = make.password_token(&account, Reset);
    let redeemed = writer
        .redeem_password_token(&make.call(), token.id, reset.clone())
        .await;
    assert_eq!(redeemed, Err(SPENT));
    assert_eq!(s.password_token(reset.id).await, None);
}

async fn a_repeated_miss_counts_once_and_says_the_same(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let id = s.given_token(&make, &account, Forgot).await.id;
    let [first, second, last] = [(); 3].map(|()| make.call());
    // The call, what it answers, and how many misses the token has then.
    let table = [
        (&first, 1, Some(1)),
        (&first, 1, Some(1)),
        (&second, 2, Some(2)),
        (&first, 1, Some(2)),
        (&last, 3, None),
        (&last, 3, None),
        (&first, 1, None),
        (&second, 2, None),
    ];
    for (number, (call, answer, left)) in table.into_iter().enumerate() {
        let counted = s.account_writer.miss_password_token(call, id).await;
        assert_eq!(counted, Ok(answer), "row {number}");
        let misses = s.password_token(id).await.map(|token| token.misses);
        assert_eq!(misses, left, "row {number}");
    }
}

async fn the_right_code_puts_a_reset_token_in_the_place_of_the_forgot_token(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (forgot, call) = (s.given_token(&make, &account, Forgot).await, make.call());
    let [reset, late] = [(); 2].map(|()| make.password_token(&account, Reset));
    let writer = &s.account_writer;
    for round in ["once", "again"] {
        let redeemed = writer
            .redeem_password_token(&call, forgot.id, reset.clone())
            .await;
        assert_eq!(redeemed, Ok(()), "{round}");
        assert_eq!(s.password_token(forgot.id).await, None, "{round}");
        assert_eq!(s.password_token(reset.id).await.as_ref(), Some(&reset), "{round}");
    }
    let another = writer
        .redeem_password_token(&make.call(), forgot.id, late.clone())
        .await;
    assert_eq!(another, Err(SPENT));
    assert_eq!(s.password_token(late.id).await, None);
    let missed = writer.miss_password_token(&make.call(), forgot.id).await;
    assert_eq!(missed, Err(SPENT));
    assert_eq!(s.password_token(reset.id).await, Some(reset));
}

async fn a_wrong_code_before_the_last_leaves_the_right_one_good(s: Arc<Subject>) {
    let make = Maker::new(7);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let forgot = s.given_token(&make, &account, Forgot).await;
    for misses in 1..PASSWORD_TOKEN_MISSES_MAX {
        let counted = s
            .account_writer
            .miss_password_token(&make.call(), forgot.id)
            .await;
        assert_eq!(counted, Ok(misses));
    }
    let reset = make.password_token(&account, Reset);
    let redeemed = s
        .account_writer
        .redeem_password_token(&make.call(), forgot.id, reset.clone())
        .await;
    assert_eq!(redeemed, Ok(()));
    assert_eq!(s.password_token(reset.id).await, Some(reset));
}

async fn only_a_forgot_token_is_missed_and_redeemed(s: Arc<Subject>) {
    let make = Maker::new(8);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    for kind in [Change, Reset] {
        let token = s.given_token(&make, &account, kind).await;
        let missed = s.account_writer.miss_password_token(&make.call(), token.id).await;
        assert_eq!(missed, Err(SPENT), "{kind:?}");
        let reset = make.password_token(&account, Reset);
        let redeemed = s
            .account_writer
            .redeem_password_token(&make.call(), token.id, reset.clone())
            .await;
        assert_eq!(redeemed, Err(SPENT), "{kind:?}");
        assert_eq!(s.password_token(reset.id).await, None, "{kind:?}");
        assert_eq!(s.password_token(token.id).await, Some(token), "{kind:?}");
    }
}

async fn a_forgot_token_is_not_redeemed_for_anything_else(s: Arc<Subject>) {
    let make = Maker::new(9);
    let (ann, _) = s.signed_up(&make, "ann@example.test").await;
    let (bob, _) = s.signed_up(&make, "bob@example.test").await;
    let forgot = s.given_token(&make, &ann, Forgot).await;
    for (account, kind) in [(&ann, Change), (&ann, Forgot), (&bob, Reset)] {
        let other = make.password_token(account, kind);
        let refused = s
            .account_writer
            .redeem_password_token(&make.call(), forgot.id, other.clone())
            .await;
        assert_eq!(refused, Err(SPENT), "{kind:?}");
        assert_eq!(s.password_token(other.id).await, None, "{kind:?}");
        assert_eq!(
            s.password_token(forgot.id).await.as_ref(),
            Some(&forgot),
            "{kind:?}"
        );
    }
}

async fn password_tokens_are_apart_from_all_others(s: Arc<Subject>) {
    let make = Maker::new(10);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (forgot, writer) = (s.given_token(&make, &account, Forgot).await, &s.account_writer);
    let key_fetch = sign_in.key_fetches[0].clone();
    let code = make.code(account.uid, sign_in.session.id);
    let put = writer.put_authorization_code(&make.call(), code.clone()).await;
    assert_eq!(put, Ok(()));

    assert_eq!(
        writer.consume_key_fetch(&make.call(), forgot.id).await,
        Err(SPENT)
    );
    let consumed = writer.consume_authorization_code(&make.call(), forgot.id).await;
    assert_eq!(consumed, Err(SPENT));
    for foreign in [key_fetch.id, code.id, sign_in.session.id] {
        assert_eq!(s.password_token(foreign).await, None);
        let missed = writer.miss_password_token(&make.call(), foreign).await;
        assert_eq!(missed, Err(SPENT));
        let reset = make.password_token(&account, Reset);
        let redeemed = writer.redeem_password_token(&make.call(), foreign, reset).await;
        assert_eq!(redeemed, Err(SPENT));
    }
    assert_eq!(s.key_fetch(forgot.id).await, None);
    assert_eq!(s.key_fetch(key_fetch.id).await, Some(key_fetch));
    assert_eq!(s.password_token(forgot.id).await, Some(forgot));
    assert_eq!(
        writer.consume_authorization_code(&make.call(), code.id).await,
        Ok(())
    );
}

async fn a_repeated_password_token_does_not_come_back(s: Arc<Subject>) {
    let make = Maker::new(11);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (forgot, call) = (make.password_token(&account, Forgot), make.call());
    let (key_fetch, writer) = (make.key_fetch(account.uid), &s.account_writer);
    let put = || writer.put_password_token(&call, forgot.clone(), Some(key_fetch.clone()));
    assert_eq!(put().await, Ok(()));
    assert_eq!(writer.miss_password_token(&make.call(), forgot.id).await, Ok(1));
    assert_eq!(put().await, Ok(()));
    let misses = s.password_token(forgot.id).await.map(|token| token.misses);
    assert_eq!(misses, Some(1), "a miss is not forgotten");
    let reset = make.password_token(&account, Reset);
    let redeemed = writer.redeem_password_token(&make.call(), forgot.id, reset).await;
    assert_eq!(redeemed, Ok(()));
    let consumed = writer.consume_key_fetch(&make.call(), key_fetch.id).await;
    assert_eq!(consumed, Ok(()));

    assert_eq!(put().await, Ok(()));
    assert_eq!(s.password_token(forgot.id).await, None);
    assert_eq!(s.key_fetch(key_fetch.id).await, None);
}

async fn a_repeated_redemption_brings_nothing_back(s: Arc<Subject>) {
    let make = Maker::new(12);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let forgot = s.given_token(&make, &account, Forgot).await;
    let (reset, call) = (make.password_token(&account, Reset), make.call());
    let writer = &s.account_writer;
    let redeem = || writer.redeem_password_token(&call, forgot.id, reset.clone());
    assert_eq!(redeem().await, Ok(()));
    let update = make.password_update(&account, reset.id, make.reset(false));
    let set = writer.set_password(&make.call(), update, None).await;
    assert_eq!(set, Ok(()));
    assert_eq!(redeem().await, Ok(()));
    assert_eq!(s.password_token(forgot.id).await, None);
    assert_eq!(s.password_token(reset.id).await, None);
}

async fn a_password_token_of_an_older_password_is_of_no_use(s: Arc<Subject>) {
    let make = Maker::new(13);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let (change, writer) = (s.given_token(&make, &account, Change).await, &s.account_writer);
    let update = make.password_update(&account, change.id, make.change());
    let now = update.applied_to(&account);
    assert_eq!(writer.set_password(&make.call(), update, None).await, Ok(()));
    // Put by whoever read the account before.
    let late = PasswordTokenKind::ALL.map(|kind| make.password_token(&account, kind));
    for token in &late {
        let put = writer.put_password_token(&make.call(), token.clone(), None).await;
        assert_eq!(put, Ok(()), "{token:?}");
        assert_eq!(s.password_token(token.id).await, None, "{token:?}");
    }
    let [change, forgot, reset] = late.map(|token| token.id);
    let missed = writer.miss_password_token(&make.call(), forgot).await;
    assert_eq!(missed, Err(SPENT));
    let fresh = make.password_token(&now, Reset);
    let redeemed = writer
        .redeem_password_token(&make.call(), forgot, fresh.clone())
        .await;
    assert_eq!(redeemed, Err(SPENT));
    assert_eq!(s.password_token(fresh.id).await, None);
    for (token, effect) in [(change, make.change()), (reset, make.reset(true))] {
        let update = make.password_update(&now, token, effect);
        let set = writer.set_password(&make.call(), update, None).await;
        assert_eq!(set, Err(SPENT));
    }
    assert!(s.account(now.uid).await == Some(now));
}

async fn password_tokens_go_with_an_account_that_is_replaced(s: Arc<Subject>) {
    let make = Maker::new(14);
    let (first, sign_in) = s.signed_up(&make, "a@example.test").await;
    let had = s.furnish(&make, &first, sign_in).await;
    s.assert_all_there(&had).await;
    s.signed_up(&make, "a@example.test").await;
    s.assert_gone(&make, &had, false).await;
}
