//! Single-use tokens and refresh tokens.

use std::sync::Arc;

use crate::{
    Refusal,
    conformance::{
        Subject, cases,
        fixtures::{Maker, soon},
    },
};

cases![
    a_key_fetch_token_is_spent_once,
    an_authorization_code_is_spent_once,
    a_code_may_carry_no_keys,
    what_never_was_is_spent,
    refresh_tokens_are_listed_oldest_first,
    a_removed_refresh_token_is_gone,
];

async fn a_key_fetch_token_is_spent_once(s: Arc<Subject>) {
    let make = Maker::new(1);
    let (_, sign_in) = s.signed_up(&make, "a@example.test").await;
    let [spent, other] = [0, 1].map(|i| sign_in.key_fetches[i].clone());
    let writer = &s.account_writer;
    assert_eq!(writer.consume_key_fetch(&make.call(), spent.id).await, Ok(()));
    assert_eq!(s.account_reader.key_fetch(soon(), spent.id).await, Ok(None));
    let again = writer.consume_key_fetch(&make.call(), spent.id).await;
    assert_eq!(again, Err(Refusal::TokenSpent.into()));
    assert_eq!(
        s.account_reader.key_fetch(soon(), other.id).await,
        Ok(Some(other))
    );
}

async fn an_authorization_code_is_spent_once(s: Arc<Subject>) {
    let make = Maker::new(2);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let code = make.code(account.uid, sign_in.session.id);
    let (reader, writer) = (&s.account_reader, &s.account_writer);
    assert_eq!(
        writer.put_authorization_code(&make.call(), code.clone()).await,
        Ok(())
    );
    assert_eq!(
        reader.authorization_code(soon(), code.id).await,
        Ok(Some(code.clone()))
    );
    assert_eq!(
        writer.consume_authorization_code(&make.call(), code.id).await,
        Ok(())
    );
    assert_eq!(reader.authorization_code(soon(), code.id).await, Ok(None));
    let again = writer.consume_authorization_code(&make.call(), code.id).await;
    assert_eq!(again, Err(Refusal::TokenSpent.into()));
}

async fn a_code_may_carry_no_keys(s: Arc<Subject>) {
    let make = Maker::new(3);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let mut code = make.code(account.uid, sign_in.session.id);
    code.keys_jwe = None;
    code.offline = false;
    let put = s
        .account_writer
        .put_authorization_code(&make.call(), code.clone())
        .await;
    assert_eq!(put, Ok(()));
    assert_eq!(
        s.account_reader.authorization_code(soon(), code.id).await,
        Ok(Some(code))
    );
}

async fn what_never_was_is_spent(s: Arc<Subject>) {
    let make = Maker::new(4);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (code, writer) = (make.code(account.uid, sign_in.session.id), &s.account_writer);
    let spent = Err(Refusal::TokenSpent.into());
    assert_eq!(
        writer.consume_authorization_code(&make.call(), code.id).await,
        spent
    );
    assert_eq!(writer.consume_key_fetch(&make.call(), code.id).await, spent);
    // The two kinds of token are apart.
    let key_fetch = sign_in.key_fetches[0].id;
    assert_eq!(
        writer.consume_authorization_code(&make.call(), key_fetch).await,
        spent
    );
    assert_eq!(writer.consume_key_fetch(&make.call(), key_fetch).await, Ok(()));
}

async fn refresh_tokens_are_listed_oldest_first(s: Arc<Subject>) {
    let make = Maker::new(5);
    let (account, sign_in) = s.signed_up(&make, "a@example.test").await;
    let (other, _) = s.signed_up(&make, "b@example.test").await;
    let sessions = [Some(sign_in.session.id), None, Some(sign_in.session.id)];
    let tokens = sessions.map(|session| make.refresh_token(account.uid, session));
    let foreign = make.refresh_token(other.uid, None);
    for token in [&tokens[2], &foreign, &tokens[0], &tokens[1]] {
        let put = s
            .account_writer
            .put_refresh_token(&make.call(), token.clone())
            .await;
        assert_eq!(put, Ok(()));
    }
    let reader = &s.account_reader;
    assert_eq!(
        reader.refresh_tokens(soon(), account.uid).await,
        Ok(tokens.to_vec())
    );
    assert_eq!(reader.refresh_token(soon(), foreign.id).await, Ok(Some(foreign)));
}

async fn a_removed_refresh_token_is_gone(s: Arc<Subject>) {
    let make = Maker::new(6);
    let (account, _) = s.signed_up(&make, "a@example.test").await;
    let token = make.refresh_token(account.uid, None);
    assert_eq!(
        s.account_writer
            .put_refresh_token(&make.call(), token.clone())
            .await,
        Ok(())
    );
    for _ in 0..2 {
        let done = s
            .account_writer
            .delete_refresh_token(&make.call(), token.id)
            .await;
        assert_eq!(done, Ok(()), "removing one that is gone is done, too");
    }
    assert_eq!(s.account_reader.refresh_token(soon(), token.id).await, Ok(None));
    assert_eq!(
        s.account_reader.refresh_tokens(soon(), account.uid).await,
        Ok(vec![])
    );
}
