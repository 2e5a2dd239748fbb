//! A new password by whoever knows the old one.

use std::{sync::Arc, time::Duration};

use foxhold_accounts::{
    AccountError, AccountEvent,
    credentials::{NewPassword, Version},
    password::{ChangeStarted, FinishRequest, Renewed, StartRequest},
};
use foxhold_core::{
    Secret, TokenId,
    record::{PasswordTokenKind, Verification},
};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_ports::{AccountWriter, Cause, limits::Action};

use crate::support::{
    Alice, Bench, EMAIL, NEW, NOW, OLD, caller, login, number, password, password_of_both, secret,
};

fn start_request(email: &str, byte: u8) -> StartRequest {
    StartRequest {
        email: email.to_owned(),
        old_auth_pw: secret(byte),
    }
}

async fn start(bench: &Bench) -> ChangeStarted {
    let started = bench
        .accounts
        .start_change(&caller(), None, start_request(EMAIL, OLD))
        .await;
    started.expect("a change token")
}

fn id_of(session: &Secret<32>) -> TokenId {
    TokenKeys::derive(TokenKind::Session, session).id
}

/// Finishes with a token, in a session, with keys.
async fn finish(
    bench: &Bench,
    token: &Secret<32>,
    password: NewPassword,
    session: Option<TokenId>,
) -> Result<Option<Renewed>, AccountError> {
    let access = bench.access(PasswordTokenKind::Change, token).await;
    let access = access.ok_or(AccountError::BadToken)?;
    let request = FinishRequest {
        password,
        session,
        keys: true,
    };
    bench.accounts.finish_change(&caller(), access, request).await
}

fn refusal<T>(outcome: Result<T, AccountError>) -> Option<u16> {
    outcome.err().map(|error| number(&error))
}

#[tokio::test]
async fn a_change_keeps_the_keys_and_ends_what_knew_the_old_password() {
    let bench = Bench::new();
    let Alice { uid, session } = bench.sign_up(EMAIL).await;
    let before = bench.account(uid).await;
    bench.clock.advance(Duration::from_secs(60));
    let started = start(&bench).await;
    assert!(started.verified);
    let (version, key_fetch) = &started.key_fetch_token;
    assert_eq!(*version, Version::One);
    let (k_a, wrap_kb) = bench.fetch_keys(key_fetch).await;
    assert_eq!(wrap_kb, secret(1), "as the client has wrapped it");

    let token = &started.password_change_token;
    let renewed = finish(&bench, token, password_of_both(NEW, 2), Some(id_of(&session))).await;
    let renewed = renewed.unwrap().expect("a session");
    let after = bench.account(uid).await;
    assert_eq!(after.verifier_set_at, NOW.plus(Duration::from_secs(60)));
    assert_eq!(after.keys_changed_at, before.keys_changed_at);
    assert_ne!(after.credentials.auth_salt, before.credentials.auth_salt);
    assert_eq!(after.code_nonce, before.code_nonce);

    assert!(bench.signed_in(&session).await.is_none(), "the old session");
    let signed_in = bench
        .signed_in(&renewed.session_token)
        .await
        .expect("the new one");
    assert!(signed_in.verified());
    for (token, wrapped) in [
        (renewed.key_fetch_token, 2),
        (renewed.key_fetch_token_version_two, 0x82),
    ] {
        let keys = bench.fetch_keys(&token.expect("a key-fetch token")).await;
        assert_eq!(keys, (Secret::new(*k_a.expose()), secret(wrapped)));
    }
    assert_eq!(bench.login(OLD).await, Err(103));
    assert_eq!(bench.login(NEW).await, Ok((Version::One, secret(2))));
    assert_eq!(bench.login(NEW | 0x80).await, Ok((Version::Two, secret(0x82))));

    let generation = after.verifier_set_at;
    assert_eq!(
        bench.events.take(),
        [AccountEvent::PasswordSet { uid, generation }]
    );
    assert_eq!(bench.mails(), ["Changed"]);
    assert_eq!(
        refusal(finish(&bench, token, password(NEW, 2), None).await),
        Some(110)
    );
}

/// Without a session of the caller's none is opened. A second verifier that the new password does not bring is gone.
#[tokio::test]
async fn a_change_without_a_session_answers_nothing() {
    let bench = Bench::new();
    let Alice { uid, .. } = bench.sign_up(EMAIL).await;
    for (byte, two) in [(OLD, true), (NEW, false)] {
        let started = start(&bench).await;
        let new = if two {
            password_of_both(byte, 1)
        } else {
            password(byte, 1)
        };
        let token = started.password_change_token;
        let renewed = finish(&bench, &token, new, None).await;
        assert!(matches!(renewed, Ok(None)));
        let present = bench.account(uid).await.credentials;
        assert_eq!(present.version_two.is_some(), two);
    }
}

/// As PyFxA upgrades an account when it signs in: nothing ends, nobody is told.
#[tokio::test]
async fn the_same_password_again_brings_only_the_second_verifier() {
    let bench = Bench::new();
    let Alice { uid, session } = bench.sign_up(EMAIL).await;
    let before = bench.account(uid).await;
    bench.clock.advance(Duration::from_secs(60));
    let id = Some(id_of(&session));

    let started = start(&bench).await;
    let token = started.password_change_token;
    let renewed = finish(&bench, &token, password_of_both(OLD, 9), id).await;
    let renewed = renewed.unwrap().expect("a session");
    let after = bench.account(uid).await;
    assert_eq!(after.verifier_set_at, before.verifier_set_at);
    assert_eq!(after.credentials.auth_salt, before.credentials.auth_salt);
    assert_eq!(after.credentials.version_one, before.credentials.version_one);
    let of_one = renewed.key_fetch_token.expect("a key-fetch token");
    let of_two = renewed.key_fetch_token_version_two.expect("a second one");
    assert_eq!(
        bench.fetch_keys(&of_one).await.1,
        secret(1),
        "not as was sent now"
    );
    assert_eq!(bench.fetch_keys(&of_two).await.1, secret(0x89));
    assert_eq!(bench.login(OLD).await, Ok((Version::One, secret(1))));
    assert_eq!(bench.login(OLD | 0x80).await, Ok((Version::Two, secret(0x89))));
    for token in [&session, &renewed.session_token] {
        assert!(bench.signed_in(token).await.is_some());
    }

    // Once more, without a second verifier: the one that is there stays.
    let started = start(&bench).await;
    let token = started.password_change_token;
    assert!(finish(&bench, &token, password(OLD, 1), id).await.is_ok());
    assert_eq!(bench.account(uid).await.credentials, after.credentials);
    assert_eq!(
        refusal(finish(&bench, &token, password(OLD, 1), id).await),
        Some(110)
    );
    assert_eq!((bench.events.take(), bench.mails()), (vec![], vec![]));
}

#[tokio::test]
async fn the_old_password_is_asked_for_as_at_sign_in() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    let bob = bench.sign_up("bob@example.test").await;
    let of_alice = bench.signed_in(&alice.session).await;
    let of_bob = bench.signed_in(&bob.session).await;
    let all = [
        Action::PasswordChange,
        Action::PasswordChangeStartFailed,
        Action::PasswordCheckFailed,
    ];
    let table = [
        ("right", &None, EMAIL, OLD, None),
        ("right, in the session", &of_alice, EMAIL, OLD, None),
        (
            "right, in another spelling",
            &None,
            "ALICE@example.test",
            OLD,
            None,
        ),
        ("wrong", &None, EMAIL, NEW, Some(103)),
        (
            "wrong, in another spelling",
            &None,
            "ALICE@example.test",
            NEW,
            Some(120),
        ),
        ("nobody's", &None, "carol@example.test", OLD, Some(102)),
        ("another account's session", &of_bob, EMAIL, OLD, Some(102)),
        ("no address", &None, "alice", OLD, Some(107)),
    ];
    for (name, signed_in, email, byte, expected) in table {
        let started = bench
            .accounts
            .start_change(&caller(), signed_in.as_ref(), start_request(email, byte))
            .await;
        assert_eq!(refusal(started), expected, "{name}");
        let counted = match expected {
            Some(102 | 103 | 120) => all.to_vec(),
            _ => Vec::new(),
        };
        assert_eq!(bench.limits.take(), counted, "{name}");
    }
    for action in all {
        *bench.limits.refused.lock().unwrap() = Some(action);
        let started = bench
            .accounts
            .start_change(&caller(), None, start_request(EMAIL, OLD))
            .await;
        assert_eq!(refusal(started), Some(114), "{action:?}");
        assert_eq!(bench.limits.take(), [], "{action:?}: all or none");
    }
}

/// An address that is not verified yet may change its password; keys are given out only afterwards.
#[tokio::test]
async fn an_unverified_account_can_change_its_password() {
    let bench = Bench::new();
    let Alice { uid, session } = bench.sign_up_unverified(EMAIL).await;
    let started = start(&bench).await;
    assert!(!started.verified);
    let token = started.password_change_token;
    let renewed = finish(&bench, &token, password(NEW, 1), Some(id_of(&session))).await;
    let renewed = renewed.unwrap().expect("a session");
    assert_eq!(renewed.signed_in.session.verification, Verification::WithAccount);
    assert!(!renewed.signed_in.verified());
    assert!(!bench.account(uid).await.email_verified);
}

#[tokio::test]
async fn tokens_that_are_not_good_any_more() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let good = async |token: &Secret<32>, kind| bench.access(kind, token).await.is_some();
    let (late, other) = (start(&bench).await, start(&bench).await);
    let (late, other) = (late.password_change_token, other.password_change_token);
    for kind in [PasswordTokenKind::Forgot, PasswordTokenKind::Reset] {
        assert!(!good(&late, kind).await, "{kind:?}");
    }
    bench.clock.advance(Duration::from_secs(15 * 60 - 1));
    assert!(good(&late, PasswordTokenKind::Change).await);
    assert!(finish(&bench, &other, password(NEW, 1), None).await.is_ok());
    assert!(
        !good(&late, PasswordTokenKind::Change).await,
        "of the old password"
    );

    let started = bench
        .accounts
        .start_change(&caller(), None, start_request(EMAIL, NEW))
        .await;
    let token = started.unwrap().password_change_token;
    bench.clock.advance(Duration::from_secs(15 * 60));
    assert!(!good(&token, PasswordTokenKind::Change).await, "run out");
}

#[tokio::test]
async fn what_is_refused_costs_nothing() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    let bob = bench.sign_up("bob@example.test").await;
    let token = start(&bench).await.password_change_token;
    let no_wrap = NewPassword {
        wrap_kb: None,
        ..password(NEW, 1)
    };
    let mut bad_salt = password_of_both(NEW, 1);
    if let Some(two) = &mut bad_salt.version_two {
        two.client_salt = "salt".into();
    }
    let nobody = TokenId::from_bytes([9; 32]);
    let table = [
        ("no wrapKb", no_wrap, None, Some(108)),
        ("a salt that is none", bad_salt, None, Some(107)),
        (
            "another's session",
            password(NEW, 1),
            Some(id_of(&bob.session)),
            Some(110),
        ),
        ("nobody's session", password(NEW, 1), Some(nobody), Some(110)),
        ("right", password(NEW, 1), Some(id_of(&alice.session)), None),
    ];
    for (name, new, session, expected) in table {
        let finished = finish(&bench, &token, new, session).await;
        assert_eq!(refusal(finished), expected, "{name}");
    }
}

#[tokio::test]
async fn a_store_or_pool_that_is_away_keeps_token_and_session() {
    let bench = Bench::new();
    let Alice { uid, session } = bench.sign_up(EMAIL).await;
    let before = bench.account(uid).await;
    let token = start(&bench).await.password_change_token;
    let id = Some(id_of(&session));

    bench
        .stretcher
        .full
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let busy = finish(&bench, &token, password(NEW, 1), id).await;
    assert!(matches!(busy, Err(AccountError::Busy { retry_after }) if retry_after == Duration::from_secs(7)));
    bench
        .stretcher
        .full
        .store(false, std::sync::atomic::Ordering::SeqCst);

    bench.fail_next_write();
    let away = finish(&bench, &token, password(NEW, 1), id).await;
    assert_eq!(refusal(away), Some(201));
    bench.store.set_outage(None);
    assert!(bench.account(uid).await == before);
    assert!(bench.signed_in(&session).await.is_some());
    assert_eq!((bench.events.take(), bench.mails()), (vec![], vec![]));

    assert!(finish(&bench, &token, password(NEW, 1), id).await.is_ok());
    assert_eq!(bench.mails(), ["Changed"]);
}

/// However many answers are lost, what has happened is known and followed by all that follows it.
#[tokio::test]
async fn a_lost_answer_loses_nothing_that_follows() {
    for lost in [1, 2] {
        let bench = Bench::new();
        let Alice { uid, session } = bench.sign_up(EMAIL).await;
        let token = start(&bench).await.password_change_token;
        bench.store.lose_answers(lost);
        let renewed = finish(&bench, &token, password(NEW, 2), Some(id_of(&session))).await;
        let renewed = renewed.unwrap().expect("a session");
        assert!(
            bench.signed_in(&renewed.session_token).await.is_some(),
            "{lost} lost"
        );
        let generation = bench.account(uid).await.verifier_set_at;
        let told = [AccountEvent::PasswordSet { uid, generation }];
        assert_eq!(bench.events.take(), told, "{lost} lost");
        assert_eq!(bench.mails(), ["Changed"], "{lost} lost");
    }
    // Nothing follows an upgrade, and nothing of it can be told from the account.
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let token = start(&bench).await.password_change_token;
    bench.store.lose_answers(2);
    assert_eq!(
        refusal(finish(&bench, &token, password(OLD, 1), None).await),
        Some(201)
    );
}

#[tokio::test]
async fn what_changes_meanwhile_is_seen() {
    // The address is verified: the change goes on.
    let bench = Bench::new();
    let Alice { uid, .. } = bench.sign_up_unverified(EMAIL).await;
    let token = start(&bench).await.password_change_token;
    let (store, call) = (bench.store.clone(), bench.call());
    bench.stretcher.meanwhile(async move {
        store.verify_email(&call, uid).await.unwrap();
    });
    assert!(finish(&bench, &token, password(NEW, 2), None).await.is_ok());
    assert!(bench.account(uid).await.email_verified);
    assert_eq!(bench.login(NEW).await, Ok((Version::One, secret(2))));

    // Another client brings a second verifier for the same password: both are done, and the later one holds.
    let bench = Arc::new(Bench::new());
    bench.sign_up(EMAIL).await;
    let (first, second) = (start(&bench).await, start(&bench).await);
    let other = bench.clone();
    bench.stretcher.meanwhile(async move {
        let done = finish(
            &other,
            &second.password_change_token,
            password_of_both(OLD, 3),
            None,
        )
        .await;
        assert!(done.is_ok());
    });
    let done = finish(
        &bench,
        &first.password_change_token,
        password_of_both(OLD, 4),
        None,
    )
    .await;
    assert!(done.is_ok());
    assert_eq!(bench.login(OLD | 0x80).await, Ok((Version::Two, secret(0x84))));

    // Another client sets another password: this one is too late.
    let bench = Arc::new(Bench::new());
    bench.sign_up(EMAIL).await;
    let (first, second) = (start(&bench).await, start(&bench).await);
    let other = bench.clone();
    bench.stretcher.meanwhile(async move {
        let done = finish(&other, &second.password_change_token, password(NEW, 3), None).await;
        assert!(done.is_ok());
    });
    let late = finish(&bench, &first.password_change_token, password(0x33, 4), None).await;
    assert_eq!(refusal(late), Some(110));
    assert_eq!(bench.login(NEW).await, Ok((Version::One, secret(3))));
    assert_eq!(bench.mails(), ["Changed"]);

    // The account goes.
    let bench = Bench::new();
    let Alice { uid, .. } = bench.sign_up(EMAIL).await;
    let token = start(&bench).await.password_change_token;
    let (store, call) = (bench.store.clone(), bench.call());
    let version = bench.account(uid).await.version;
    bench.stretcher.meanwhile(async move {
        store.delete_account(&call, uid, version).await.unwrap();
    });
    assert_eq!(
        refusal(finish(&bench, &token, password(NEW, 2), None).await),
        Some(110)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_finish_with_one_token_one_does() {
    let bench = Arc::new(Bench::new());
    bench.sign_up(EMAIL).await;
    let token = start(&bench).await.password_change_token;
    let tasks: Vec<_> = (0..16_u8)
        .map(|n| {
            let (bench, token) = (bench.clone(), Secret::new(*token.expose()));
            tokio::spawn(async move { finish(&bench, &token, password(0x40 + n, 1), None).await.is_ok() })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap());
    }
    assert_eq!((done, bench.mails().len(), bench.events.take().len()), (1, 1, 1));
}

/// Whoever has an account made for another's address cannot have that one mailed by changing its password.
#[tokio::test]
async fn only_who_reads_the_mail_is_told_by_mail_and_not_without_end() {
    let bench = Bench::new();
    bench.sign_up_unverified(EMAIL).await;
    let token = start(&bench).await.password_change_token;
    assert!(finish(&bench, &token, password(NEW, 1), None).await.is_ok());
    assert_eq!(bench.mails(), Vec::<String>::new());
    assert_eq!(bench.events.take().len(), 1, "others are told");

    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let token = start(&bench).await.password_change_token;
    assert!(finish(&bench, &token, password(NEW, 1), None).await.is_ok());
    assert_eq!((bench.mails().len(), bench.limits.mails()), (1, 1));
    *bench.limits.refused.lock().unwrap() = Some(Action::MailTo);
    let started = bench
        .accounts
        .start_change(&caller(), None, start_request(EMAIL, NEW))
        .await;
    let token = started.unwrap().password_change_token;
    assert!(finish(&bench, &token, password(OLD, 1), None).await.is_ok());
    assert_eq!(bench.mails().len(), 1, "enough");
}

/// Nobody knows whether the password was set, and the store cannot be asked: as soon as it can, what follows follows.
#[tokio::test]
async fn what_follows_a_change_waits_for_a_store_that_has_gone() {
    let bench = Bench::new();
    let Alice { uid, .. } = bench.sign_up(EMAIL).await;
    let token = start(&bench).await.password_change_token;
    bench.store.go_away_after_intent(Cause::Unavailable);
    let told = finish(&bench, &token, password(NEW, 1), None).await;
    assert_eq!(refusal(told), Some(201));
    assert_eq!(bench.follow_ups.attempt().await, (0, 1));
    assert_eq!((bench.events.take(), bench.mails()), (vec![], vec![]));
    bench.store.set_outage(None);
    assert_eq!(bench.follow_ups.attempt().await, (1, 0));
    let generation = bench.account(uid).await.verifier_set_at;
    let event = AccountEvent::PasswordSet { uid, generation };
    assert_eq!(bench.events.take(), [event]);
    assert_eq!(bench.mails(), ["Changed"]);

    // Another password has been set meanwhile: that one's followers are told by whoever set it.
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let (first, second) = (start(&bench).await, start(&bench).await);
    bench.store.go_away_after_intent(Cause::Unavailable);
    let told = finish(&bench, &first.password_change_token, password(NEW, 1), None).await;
    assert_eq!(refusal(told), Some(201));
    bench.store.set_outage(None);
    let late = finish(&bench, &second.password_change_token, password(0x33, 1), None).await;
    assert_eq!(refusal(late), Some(110), "the first one was set");
    let started = bench
        .accounts
        .start_change(&caller(), None, start_request(EMAIL, NEW))
        .await;
    let token = started.unwrap().password_change_token;
    assert!(finish(&bench, &token, password(0x33, 1), None).await.is_ok());
    bench.events.take();
    assert_eq!(bench.follow_ups.attempt().await, (1, 0));
    assert_eq!(
        (bench.events.take(), bench.mails()),
        (vec![], vec!["Changed".to_owned()])
    );
}

/// A mail that is not taken does not undo a password.
#[tokio::test]
async fn a_full_outbox_does_not_fail_a_change() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let token = start(&bench).await.password_change_token;
    bench.mailer.set_full(true);
    assert!(finish(&bench, &token, password(NEW, 1), None).await.is_ok());
    assert!(bench.accounts.login(&caller(), login(EMAIL, NEW)).await.is_ok());
}
