//! Digits for whoever has forgotten a password, as PyFxA asks for them.

use std::{sync::Arc, time::Duration};

use foxhold_accounts::{AccountError, mail::MailOptions, password::OtpVerified};
use foxhold_core::{RegionMark, record::PasswordTokenKind};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_ports::{Cause, limits::Action, memory::SeededRandom};

use crate::support::{Alice, Bench, EMAIL, caller, number};

async fn send(bench: &Bench, email: &str) -> Option<u16> {
    let sent = bench
        .accounts
        .send_reset_otp(&caller(), email, &MailOptions::default())
        .await;
    sent.err().map(|error| number(&error))
}

async fn verify(bench: &Bench, email: &str, digits: &str) -> Result<OtpVerified, u16> {
    let verified = bench.accounts.verify_reset_otp(&caller(), email, digits).await;
    verified.map_err(|error: AccountError| number(&error))
}

fn other_than(digits: &str) -> &'static str {
    if digits == "00000000" {
        "00000001"
    } else {
        "00000000"
    }
}

#[tokio::test]
async fn right_digits_lead_to_a_reset_token_once() {
    for region in [None, RegionMark::new(5)] {
        let bench = Bench::with(region, Arc::new(SeededRandom::new(3)));
        let Alice { uid, .. } = bench.sign_up(EMAIL).await;
        assert_eq!(send(&bench, EMAIL).await, None);
        let digits = bench.mailed("X-Otp");
        assert!(digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_digit()));
        assert_eq!(verify(&bench, EMAIL, other_than(&digits)).await.err(), Some(105));
        let verified = verify(&bench, "Alice@example.test", &digits).await.ok().unwrap();
        assert_eq!((verified.uid, verified.email.as_str()), (uid, EMAIL));
        let marks =
            |mark: RegionMark| mark.marks(&TokenKeys::derive(TokenKind::PasswordForgot, &verified.token).id);
        assert!(region.is_none_or(marks));
        let access = bench.access(PasswordTokenKind::Forgot, &verified.token).await;
        let reset = bench
            .accounts
            .verify_reset_code(&caller(), &access.unwrap(), &verified.code)
            .await
            .unwrap();
        assert!(bench.access(PasswordTokenKind::Reset, &reset).await.is_some());
        assert_eq!(verify(&bench, EMAIL, &digits).await.err(), Some(105), "used");
    }
}

#[tokio::test]
async fn digits_are_for_one_account_and_a_quarter_of_an_hour() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    bench.sign_up("bob@example.test").await;
    send(&bench, EMAIL).await;
    let digits = bench.mailed("X-Otp");
    assert_eq!(verify(&bench, "bob@example.test", &digits).await.err(), Some(105));
    assert_eq!(
        verify(&bench, "carol@example.test", &digits).await.err(),
        Some(105)
    );
    for none in ["", "1234567", "123456789", "+1234567", "1234567\u{661}"] {
        assert_eq!(verify(&bench, EMAIL, none).await.err(), Some(107), "{none}");
    }
    bench.clock.advance(Duration::from_secs(15 * 60 - 1));
    assert!(verify(&bench, EMAIL, &digits).await.is_ok());
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(verify(&bench, EMAIL, &digits).await.err(), Some(105));
}

#[tokio::test]
async fn what_counts() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    assert_eq!(send(&bench, EMAIL).await, None);
    assert_eq!(bench.limits.mails(), 1);
    assert_eq!(bench.limits.take(), [Action::PasswordForgotSendOtp]);
    assert_eq!(send(&bench, "carol@example.test").await, Some(102));
    assert_eq!(
        bench.limits.take(),
        [Action::PasswordForgotSendOtp, Action::LoadAccountFailed]
    );
    let digits = bench.mailed("X-Otp");
    assert!(verify(&bench, EMAIL, &digits).await.is_ok());
    assert_eq!(bench.limits.take(), []);
    for email in [EMAIL, "carol@example.test"] {
        assert_eq!(verify(&bench, email, other_than(&digits)).await.err(), Some(105));
        assert_eq!(bench.limits.take(), [Action::PasswordForgotVerifyOtp], "{email}");
    }
    bench.store.set_outage(Some(Cause::Unavailable));
    assert_eq!(verify(&bench, EMAIL, &digits).await.err(), Some(201));
    assert_eq!(send(&bench, EMAIL).await, Some(201));
    bench.store.set_outage(None);
    bench.mailer.set_full(true);
    assert_eq!(send(&bench, EMAIL).await, Some(151));
    assert_eq!(bench.limits.mails(), 0);
    assert_eq!(bench.limits.take(), []);
    *bench.limits.refused.lock().unwrap() = Some(Action::PasswordForgotVerifyOtp);
    assert_eq!(verify(&bench, EMAIL, &digits).await.err(), Some(114));
}
