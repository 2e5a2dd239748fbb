//! A new password by whoever reads the account's mail.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use foxhold_accounts::{
    AccountError, AccountEvent,
    credentials::{NewPassword, NewVersionTwo, Version},
    guards::RecoveryKeyId,
    mail::MailOptions,
    password::{Renewed, ResetRequest},
};
use foxhold_core::{
    Random, Secret, hex,
    record::{PasswordTokenKind, Verification},
};
use foxhold_ports::{limits::Action, memory::SeededRandom};

use crate::support::{Alice, Bench, EMAIL, NEW, NOW, OLD, caller, number, password_of_both, secret};

/// A reset token, by a mailed code.
async fn reset_token(bench: &Bench) -> Secret<32> {
    let sent = bench
        .accounts
        .send_reset_code(&caller(), EMAIL, &MailOptions::default())
        .await;
    let forgot = sent.unwrap().token;
    let access = bench.access(PasswordTokenKind::Forgot, &forgot).await.unwrap();
    let code = bench.mailed("X-Recovery-Code");
    let token = bench.accounts.verify_reset_code(&caller(), &access, &code).await;
    token.unwrap()
}

/// Only a password: kB is random.
fn plain(byte: u8) -> NewPassword {
    NewPassword {
        auth_pw: secret(byte),
        wrap_kb: None,
        version_two: None,
    }
}

fn request(password: NewPassword) -> ResetRequest {
    ResetRequest {
        password,
        recovery_key: None,
        session: true,
        keys: true,
    }
}

async fn reset(
    bench: &Bench,
    token: &Secret<32>,
    request: ResetRequest,
) -> Result<Option<Renewed>, AccountError> {
    let access = bench.access(PasswordTokenKind::Reset, token).await;
    let access = access.ok_or(AccountError::BadToken)?;
    bench.accounts.reset_account(&caller(), access, request).await
}

fn refusal<T>(outcome: Result<T, AccountError>) -> Option<u16> {
    outcome.err().map(|error| number(&error))
}

#[tokio::test]
async fn a_reset_begins_anew_with_other_keys_and_a_verified_address() {
    let bench = Bench::new();
    let Alice { uid, session } = bench.sign_up_unverified(EMAIL).await;
    let before = bench.account(uid).await;
    bench.clock.advance(Duration::from_secs(60));
    let link_code = bench.mailer.last_to(EMAIL).unwrap().headers[1].1.clone();
    let (token, other) = (reset_token(&bench).await, reset_token(&bench).await);
    let renewed = reset(&bench, &token, request(plain(NEW))).await;
    let renewed = renewed.unwrap().expect("a session");

    let after = bench.account(uid).await;
    let at = NOW.plus(Duration::from_secs(60));
    assert_eq!((after.verifier_set_at, after.keys_changed_at), (at, at));
    assert!(after.email_verified);
    assert_eq!(after.credentials.k_a, before.credentials.k_a);
    assert_ne!(after.credentials.auth_salt, before.credentials.auth_salt);
    assert_ne!(after.code_nonce, before.code_nonce);
    let late = bench.accounts.verify_by_link(&caller(), uid, &link_code).await;
    assert_eq!(refusal(late), Some(105), "a code that was mailed before");

    assert!(bench.signed_in(&session).await.is_none());
    let signed_in = bench
        .signed_in(&renewed.session_token)
        .await
        .expect("the new session");
    assert!(signed_in.verified());
    assert_eq!(signed_in.session.verification, Verification::Verified);
    let (_, wrap_kb) = bench.fetch_keys(&renewed.key_fetch_token.unwrap()).await;
    assert_ne!(wrap_kb, secret(1), "another kB");
    assert!(renewed.key_fetch_token_version_two.is_none());
    assert_eq!(bench.login(OLD).await, Err(103));
    assert_eq!(bench.login(NEW).await, Ok((Version::One, wrap_kb)));

    for token in [&token, &other] {
        assert_eq!(
            refusal(reset(&bench, token, request(plain(NEW))).await),
            Some(110)
        );
    }
    let told = [AccountEvent::PasswordSet { uid, generation: at }];
    assert_eq!(bench.events.take(), told);
    assert_eq!(bench.mails(), ["recovery", "recovery", "Reset"]);
    let lifted = [
        Action::AccountLogin,
        Action::PasswordCheckFailed,
        Action::PasswordChange,
        Action::AccountDestroy,
        Action::VerifySessionCode,
        Action::MailSignInTo,
    ];
    assert_eq!(*bench.limits.cleared.lock().unwrap(), lifted);
}

/// As PyFxA and our page do it.
#[tokio::test]
async fn a_client_may_bring_its_own_new_key_for_both_verifiers() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let token = reset_token(&bench).await;
    let renewed = reset(&bench, &token, request(password_of_both(NEW, 5))).await;
    let renewed = renewed.unwrap().expect("a session");
    for (token, wrapped) in [
        (renewed.key_fetch_token, 5),
        (renewed.key_fetch_token_version_two, 0x85),
    ] {
        assert_eq!(bench.fetch_keys(&token.unwrap()).await.1, secret(wrapped));
    }
    assert_eq!(bench.login(NEW | 0x80).await, Ok((Version::Two, secret(0x85))));
}

#[tokio::test]
async fn what_is_refused_or_away_keeps_the_token() {
    let bench = Bench::new();
    let Alice { uid, session } = bench.sign_up(EMAIL).await;
    let token = reset_token(&bench).await;
    let before = bench.account(uid).await;
    let wrap_only = NewPassword {
        wrap_kb: Some(secret(1)),
        ..plain(NEW)
    };
    let with_key = ResetRequest {
        recovery_key: Some(RecoveryKeyId::parse("07c78d9d5b185d059ab32e8ef4305b88").unwrap()),
        ..request(password_of_both(NEW, 1))
    };
    let keys_only = ResetRequest {
        session: false,
        ..request(plain(NEW))
    };
    for (name, request, expected) in [
        ("a kB for one verifier", request(wrap_only), 107),
        ("a recovery key that nobody has", with_key, 158),
        ("keys without a session", keys_only, 108),
    ] {
        assert_eq!(
            refusal(reset(&bench, &token, request).await),
            Some(expected),
            "{name}"
        );
    }

    bench.stretcher.full.store(true, Ordering::SeqCst);
    assert_eq!(
        refusal(reset(&bench, &token, request(plain(NEW))).await),
        Some(201)
    );
    bench.stretcher.full.store(false, Ordering::SeqCst);
    bench.fail_next_write();
    assert_eq!(
        refusal(reset(&bench, &token, request(plain(NEW))).await),
        Some(201)
    );
    bench.store.set_outage(None);

    assert!(bench.account(uid).await == before);
    assert!(bench.signed_in(&session).await.is_some());
    assert_eq!(
        (bench.events.take(), bench.mails()),
        (vec![], vec!["recovery".to_owned()])
    );
    assert!(reset(&bench, &token, request(plain(NEW))).await.is_ok());
}

#[tokio::test]
async fn a_lost_answer_loses_nothing_that_follows() {
    for lost in [1, 2] {
        let bench = Bench::new();
        let Alice { uid, .. } = bench.sign_up(EMAIL).await;
        let token = reset_token(&bench).await;
        bench.store.lose_answers(lost);
        let renewed = reset(&bench, &token, request(plain(NEW))).await.unwrap();
        let session = renewed.expect("a session").session_token;
        assert!(bench.signed_in(&session).await.is_some(), "{lost} lost");
        let generation = bench.account(uid).await.verifier_set_at;
        let told = [AccountEvent::PasswordSet { uid, generation }];
        assert_eq!(bench.events.take(), told, "{lost} lost");
        assert_eq!(bench.mails(), ["recovery", "Reset"], "{lost} lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_reset_with_one_token_one_does() {
    let bench = Arc::new(Bench::new());
    bench.sign_up(EMAIL).await;
    let token = reset_token(&bench).await;
    let tasks: Vec<_> = (0..16_u8)
        .map(|n| {
            let (bench, token) = (bench.clone(), Secret::new(*token.expose()));
            tokio::spawn(async move { reset(&bench, &token, request(plain(0x40 + n))).await.is_ok() })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += usize::from(task.await.unwrap());
    }
    assert_eq!((done, bench.events.take().len()), (1, 1));
}

/// Gives the contract's salt while it is told to.
struct SaltOfTheContract {
    other: SeededRandom,
    on: AtomicBool,
}

impl Random for SaltOfTheContract {
    fn fill(&self, dest: &mut [u8]) {
        if self.on.swap(false, Ordering::SeqCst) {
            for (byte, value) in dest.iter_mut().zip(0xc0..) {
                *byte = value;
            }
        } else {
            self.other.fill(dest);
        }
    }
}

/// `accounts.md` (k), vector: what is stored of the password `battery staple`. Three true scrypts.
#[tokio::test]
async fn what_a_reset_stores_is_the_contracts() {
    let of = |text: &str| Secret::new(hex::decode(text).unwrap());
    let random = Arc::new(SaltOfTheContract {
        other: SeededRandom::new(1),
        on: AtomicBool::new(false),
    });
    let bench = Bench::with(None, random.clone());
    let Alice { uid, .. } = bench.sign_up(EMAIL).await;
    let token = reset_token(&bench).await;
    let new = NewPassword {
        auth_pw: of("61cce40ba8cf7dacf4ce1ccd5e30aaa46612c679f8e02ea916c458ad75590ce5"),
        wrap_kb: Some(of(
            "2c8994bdf29538bced8194aab70aba498a1d744c3009e4861dfbccd7c37aab1a",
        )),
        version_two: Some(NewVersionTwo {
            auth_pw: of("d9eaec063f48055ef165f47535de65939a672c3077b71a333829028bca983a89"),
            wrap_kb: of("c0b68eacd2b77c37e4fa81d6d54a65cf4b58ac104dc41c5589910cb7ad88ab7a"),
            client_salt: "identity.mozilla.com/picl/v1/quickStretchV2:00112233445566778899aabbccddeeff"
                .into(),
        }),
    };
    bench.stretcher.real.store(true, Ordering::SeqCst);
    random.on.store(true, Ordering::SeqCst);
    assert!(reset(&bench, &token, request(new)).await.is_ok());
    let stored = bench.account(uid).await.credentials;
    assert_eq!((stored.auth_salt[0], stored.auth_salt[31]), (0xc0, 0xdf));
    let two = &stored.version_two.as_ref().unwrap().verifier;
    let table = [
        (
            &stored.version_one.verify_hash,
            "7f5e0c8131a0793cdfc642fe2cc4065e5d024de1ba21f1006417dcdb1c922162",
        ),
        (
            &stored.version_one.wrap_wrap_kb,
            "6a8b5efa7e0edec227c5c53420f28c07755c0c561363faf7f006300f374d4b9b",
        ),
        (
            &two.verify_hash,
            "ac0939626c98b43ec90ae363ad2adf308acefa05ce034acc890456d2650ddf42",
        ),
        (
            &two.wrap_wrap_kb,
            "1d823cf02ad8ccc2e0581c09bf878c9128eb3da2eee2bc8125de62b79e16804e",
        ),
    ];
    for (found, expected) in table {
        assert_eq!(hex::encode(found.expose()), expected);
    }
}
