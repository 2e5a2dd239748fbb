//! Mails that are switched on: they go beside the call, which neither waits for the outbox nor fails with it.

use std::sync::Arc;

use foxhold_accounts::mail::MailSwitches;
use foxhold_core::{Secret, record::SecondFactor};
use foxhold_crypto::totp;
use foxhold_ports::{AccountGuards as _, limits::Action};

use crate::support::{Bench, EMAIL, NOW, OLD, caller, login};

const ALL: MailSwitches = MailSwitches {
    new_device_login: true,
    post_verify: true,
};

#[tokio::test]
async fn nobody_is_told_of_a_sign_in_unless_it_is_switched_on() {
    let others = MailSwitches {
        new_device_login: false,
        ..ALL
    };
    for (switches, expected) in [(MailSwitches::default(), 0), (others, 0), (ALL, 1)] {
        let bench = Bench::telling(switches);
        bench.sign_up(EMAIL).await;
        assert!(bench.login(OLD).await.is_ok());
        assert_eq!(bench.limits.mails(), expected, "{switches:?}");
        assert!(bench.mails().is_empty(), "the sign-in waits for no mail");
        assert_eq!(bench.follow_ups.attempt().await, (expected, 0), "{switches:?}");
        assert_eq!(bench.mails(), vec!["NewDeviceLogin"; expected], "{switches:?}");
    }
}

#[tokio::test]
async fn what_keeps_a_mail_back_keeps_no_sign_in_back() {
    let bench = Bench::telling(ALL);
    bench.sign_up(EMAIL).await;
    bench.mailer.set_full(true);
    assert!(bench.login(OLD).await.is_ok());
    assert_eq!(bench.follow_ups.attempt().await, (0, 1), "the outbox is away");
    bench.mailer.set_full(false);
    bench.follow_ups.attempt().await;
    let before = bench.mails().len();
    *bench.limits.refused.lock().unwrap() = Some(Action::MailTo);
    assert!(bench.login(OLD).await.is_ok());
    assert_eq!(bench.follow_ups.attempt().await, (0, 0), "too many mails already");
    assert_eq!(bench.mails().len(), before);
}

#[tokio::test]
async fn a_sign_in_counts_once_its_second_factor_is_given_and_its_address_verified() {
    let bench = Bench::telling(ALL);
    let alice = bench.sign_up(EMAIL).await;
    let secret = Arc::new(Secret::new([1; 20]));
    let factor = SecondFactor {
        secret: Arc::clone(&secret),
        enabled: true,
        last_step: None,
        backup_codes: vec![[2; 32]],
    };
    let (call, version) = (bench.call(), bench.account(alice.uid).await.version);
    let set = bench
        .store
        .set_second_factor(&call, alice.uid, version, Some(Arc::new(factor)));
    set.await.expect("the account is there");
    let waiting = bench.accounts.login(&caller(), login(EMAIL, OLD)).await;
    let waiting = waiting.expect("the password is right");
    assert_eq!(bench.follow_ups.attempt().await, (0, 0), "the password alone");
    let step = totp::step_of(NOW);
    for (code, expected) in [
        ("x".to_owned(), 0),
        (totp::code(&secret, step), 1),
        // The session is verified: this is no sign-in.
        (totp::code(&secret, step + 1), 0),
    ] {
        let signed_in = bench.signed_in(waiting.session_token.as_ref().unwrap()).await;
        let signed_in = signed_in.expect("a session");
        let given = bench.accounts.verify_totp(&caller(), &signed_in, &code).await;
        assert_eq!(given.unwrap().is_right, code != "x");
        assert_eq!(bench.follow_ups.attempt().await, (expected, 0), "{code}");
    }

    let unverified = Bench::telling(ALL);
    unverified.sign_up_unverified(EMAIL).await;
    assert!(
        unverified
            .accounts
            .login(&caller(), login(EMAIL, OLD))
            .await
            .is_ok()
    );
    assert_eq!(
        unverified.follow_ups.attempt().await,
        (0, 0),
        "nobody has shown the address"
    );
}

#[tokio::test]
async fn the_first_verification_is_told_once() {
    for (switches, expected) in [(MailSwitches::default(), 0), (ALL, 1)] {
        let bench = Bench::telling(switches);
        let alice = bench.sign_up_unverified(EMAIL).await;
        let code = bench.mailed("X-Verify-Code");
        for told in [expected, 0] {
            let verified = bench.accounts.verify_by_link(&caller(), alice.uid, &code).await;
            assert!(verified.is_ok());
            assert_eq!(bench.follow_ups.attempt().await, (told, 0), "{switches:?}");
        }
        assert_eq!(bench.mails(), vec!["PostVerify"; expected], "{switches:?}");
    }
}
