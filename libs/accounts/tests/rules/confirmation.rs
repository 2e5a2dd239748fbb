//! Sign-ins that are confirmed by mail: what a password alone opens waits for the code of its own mail.

use std::{sync::Arc, time::Duration};

use foxhold_accounts::{
    AccountError, SignedIn,
    login::LoggedIn,
    mail::{ConfirmBy, MailOptions},
    password::StartRequest,
};
use foxhold_core::{
    Secret,
    record::{SecondFactor, Verification},
};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_ports::{AccountGuards as _, limits::Action};

use crate::support::{Alice, Bench, EMAIL, OLD, by, caller, login, number, secret};

const DAY: Duration = Duration::from_secs(86_400);

async fn sign_in(bench: &Bench, wished: Option<&str>) -> LoggedIn {
    let mut request = login(EMAIL, OLD);
    request.verification_method = wished.map(str::to_owned);
    let done = bench.accounts.login(&caller(), request).await;
    done.unwrap_or_else(|error| panic!("{}", number(&error)))
}

/// The session as it is now.
async fn session_of(bench: &Bench, logged_in: &LoggedIn) -> SignedIn {
    let token = logged_in.session_token.as_ref().expect("a session");
    bench.signed_in(token).await.expect("it is good")
}

async fn is_verified(bench: &Bench, logged_in: &LoggedIn) -> bool {
    let signed_in = session_of(bench, logged_in).await;
    assert_eq!(signed_in.verified(), signed_in.session_verified());
    signed_in.verified()
}

/// What asking for the keys comes to.
async fn keys(bench: &Bench, logged_in: &LoggedIn) -> Result<(), u16> {
    let (_, token) = logged_in.key_fetch_token.as_ref().expect("keys were asked for");
    let id = TokenKeys::derive(TokenKind::KeyFetch, token).id;
    let access = bench.accounts.key_fetch_access(by(), id).await.unwrap();
    let access = access.expect("a key-fetch token");
    let fetched = bench.accounts.fetch_keys(&caller(), &access).await;
    fetched.map(drop).map_err(|error| number(&error))
}

async fn type_code(bench: &Bench, logged_in: &LoggedIn, code: &str) -> Result<(), u16> {
    let signed_in = session_of(bench, logged_in).await;
    let done = bench
        .accounts
        .verify_by_short_code(&caller(), &signed_in, code)
        .await;
    done.map_err(|error| number(&error))
}

async fn follow_link(bench: &Bench, alice: &Alice, code: &str) -> Result<(), u16> {
    let done = bench.accounts.verify_by_link(&caller(), alice.uid, code).await;
    done.map_err(|error| number(&error))
}

fn refusal<T>(outcome: Result<T, AccountError>) -> Option<u16> {
    outcome.err().map(|error| number(&error))
}

#[tokio::test]
async fn digits_confirm_the_sign_in_they_were_mailed_for() {
    let bench = Bench::confirming();
    bench.sign_up(EMAIL).await;
    let of_account = bench.mailed("X-Verify-Short-Code");
    let first = sign_in(&bench, Some("email-2fa")).await;
    let code = bench.mailed("X-Code");
    let other = sign_in(&bench, Some("email-otp")).await;
    let other_code = bench.mailed("X-Code");
    assert_eq!(bench.mails(), ["sign-in by Digits", "sign-in by Digits"]);
    assert_eq!(first.verification_method.as_deref(), Some("email-2fa"));
    assert!(!first.signed_in.verified() && !first.signed_in.session_verified());
    assert_eq!(keys(&bench, &first).await, Err(104));
    for wrong in [&of_account, &other_code, "000000", ""] {
        assert_eq!(type_code(&bench, &first, wrong).await, Err(105), "{wrong}");
    }
    assert!(!is_verified(&bench, &first).await);
    for _ in 0..2 {
        assert_eq!(type_code(&bench, &first, &code).await, Ok(()));
        assert!(is_verified(&bench, &first).await);
    }
    assert_eq!(keys(&bench, &first).await, Ok(()));
    assert!(
        !is_verified(&bench, &other).await,
        "the other one goes on waiting"
    );
    assert_eq!(keys(&bench, &other).await, Err(104));
    bench.clock.advance(Duration::from_secs(3600));
    assert_eq!(type_code(&bench, &other, &other_code).await, Err(105), "run out");
}

#[tokio::test]
async fn a_link_confirms_the_sign_in_it_was_mailed_for() {
    let bench = Bench::confirming();
    let alice = bench.sign_up(EMAIL).await;
    let of_account = bench.mailed("X-Verify-Code");
    for wished in [None, Some("email"), Some("email-captcha"), Some("totp-2fa")] {
        let logged_in = sign_in(&bench, wished).await;
        let told = wished.filter(|method| *method != "totp-2fa").unwrap_or("email");
        assert_eq!(logged_in.verification_method.as_deref(), Some(told));
        let code = bench.mailed("X-Code");
        assert_eq!(
            follow_link(&bench, &alice, &of_account).await,
            Ok(()),
            "of the address"
        );
        assert_eq!(follow_link(&bench, &alice, &"0".repeat(32)).await, Err(105));
        assert!(!is_verified(&bench, &logged_in).await, "{wished:?}");
        for _ in 0..2 {
            assert_eq!(follow_link(&bench, &alice, &code).await, Ok(()), "{wished:?}");
            assert!(is_verified(&bench, &logged_in).await, "{wished:?}");
        }
        assert_eq!(keys(&bench, &logged_in).await, Ok(()));
    }
    assert_eq!(bench.mails(), ["sign-in by Link"; 4]);
    let late = sign_in(&bench, None).await;
    let code = bench.mailed("X-Code");
    bench.clock.advance(2 * DAY);
    assert_eq!(follow_link(&bench, &alice, &code).await, Err(105), "run out");
    assert!(!is_verified(&bench, &late).await);
}

#[tokio::test]
async fn who_waits_for_something_else_or_has_nothing_to_wait_for_gets_no_mail() {
    use Verification::{AwaitsSecondFactor, Verified, WithAccount};
    let unverified = Bench::confirming();
    unverified.sign_up_unverified(EMAIL).await;
    let switched_off = Bench::new();
    switched_off.sign_up(EMAIL).await;
    let guarded = Bench::confirming();
    let alice = guarded.sign_up(EMAIL).await;
    let factor = SecondFactor {
        secret: Arc::new(Secret::new([1; 20])),
        enabled: true,
        last_step: None,
        backup_codes: Vec::new(),
    };
    let (call, version) = (guarded.call(), guarded.account(alice.uid).await.version);
    let set = guarded
        .store
        .set_second_factor(&call, alice.uid, version, Some(Arc::new(factor)));
    set.await.expect("the account is there");
    for (name, bench, expected) in [
        ("unverified", unverified, WithAccount),
        ("switched off", switched_off, Verified),
        ("second factor", guarded, AwaitsSecondFactor),
    ] {
        let logged_in = sign_in(&bench, None).await;
        assert_eq!(logged_in.signed_in.session.verification, expected, "{name}");
        assert_eq!(bench.mails(), <[&str; 0]>::default(), "{name}");
    }
}

#[tokio::test]
async fn a_mail_that_is_kept_back_keeps_no_sign_in_back_and_another_can_be_asked_for() {
    let bench = Bench::confirming();
    bench.sign_up(EMAIL).await;
    bench.mailer.set_full(true);
    let waiting = sign_in(&bench, None).await;
    assert!(!is_verified(&bench, &waiting).await);
    let signed_in = session_of(&bench, &waiting).await;
    let resend = async |by| {
        let (caller, options) = (caller(), MailOptions::default());
        refusal(
            bench
                .accounts
                .resend_code(&caller, &signed_in, by, &options)
                .await,
        )
    };
    assert_eq!(resend(ConfirmBy::Digits).await, Some(151));
    bench.mailer.set_full(false);
    assert_eq!(
        (resend(ConfirmBy::Link).await, resend(ConfirmBy::Digits).await),
        (None, None)
    );
    assert_eq!(bench.mails(), ["sign-in by Link", "sign-in by Digits"]);
    *bench.limits.refused.lock().unwrap() = Some(Action::MailSignInTo);
    assert_eq!(resend(ConfirmBy::Digits).await, Some(114));
    let uncounted = sign_in(&bench, None).await;
    assert!(!is_verified(&bench, &uncounted).await, "too many mails already");
    *bench.limits.refused.lock().unwrap() = None;
    assert_eq!(type_code(&bench, &waiting, &bench.mailed("X-Code")).await, Ok(()));
    let confirmed = session_of(&bench, &waiting).await;
    let (caller, options) = (caller(), MailOptions::default());
    let again = bench
        .accounts
        .resend_code(&caller, &confirmed, ConfirmBy::Link, &options);
    assert_eq!(refusal(again.await), None);
    assert_eq!(bench.mails().len(), 2, "nothing to confirm any more");
}

#[tokio::test]
async fn a_password_alone_gets_nowhere() {
    let bench = Bench::confirming();
    bench.sign_up(EMAIL).await;
    let waiting = sign_in(&bench, Some("email-2fa")).await;
    let code = bench.mailed("X-Code");
    let start = async |signed_in: Option<&SignedIn>| {
        let request = StartRequest {
            email: EMAIL.to_owned(),
            old_auth_pw: secret(OLD),
        };
        refusal(bench.accounts.start_change(&caller(), signed_in, request).await)
    };
    let before = session_of(&bench, &waiting).await;
    assert_eq!(
        (start(None).await, start(Some(&before)).await),
        (Some(138), Some(138))
    );
    let renewed = bench
        .accounts
        .reauthenticate(&caller(), &before, login(EMAIL, OLD))
        .await;
    assert!(
        !renewed.unwrap().signed_in.session_verified(),
        "the password once more"
    );
    assert!(!is_verified(&bench, &waiting).await);
    let doubled = bench.accounts.duplicate_session(&caller(), &before, None).await;
    let doubled = doubled.unwrap();
    assert_eq!(type_code(&bench, &waiting, &code).await, Ok(()));
    let twin = bench.signed_in(&doubled.session_token).await.expect("a session");
    assert!(
        !twin.session_verified(),
        "what was doubled before is not confirmed with it"
    );
    let after = session_of(&bench, &waiting).await;
    assert_eq!((start(None).await, start(Some(&after)).await), (Some(138), None));
    assert_eq!(after.auth_methods().len(), 2, "by password and mail");
}
