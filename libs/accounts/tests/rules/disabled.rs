//! An account that an operator has disabled: nothing of it counts, nothing of it ends.

use foxhold_accounts::{mail::MailOptions, signup::CreateRequest};
use foxhold_core::{
    Timestamp,
    record::{Disabled, PasswordTokenKind},
};
use foxhold_ports::{AccountAdmin, limits::Action};

use crate::support::{Alice, Bench, EMAIL, NEW, OLD, caller, login, number, password};

/// Later than everything else here.
const AT: Timestamp = Timestamp::from_secs(4_000_000_000);

async fn set(bench: &Bench, alice: &Alice, is_over: bool) {
    let version = bench.account(alice.uid).await.version;
    let disabled = Disabled { at: AT, is_over };
    let call = bench.call();
    let set = bench.store.set_disabled(&call, alice.uid, version, disabled);
    set.await.expect("the account is there");
}

#[tokio::test]
async fn only_whoever_knows_the_password_is_told() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    set(&bench, &alice, false).await;
    for (byte, expected) in [(OLD, 125), (NEW, 103)] {
        let told = bench.accounts.login(&caller(), login(EMAIL, byte)).await;
        assert_eq!(told.err().map(|error| number(&error)), Some(expected));
    }
    assert_eq!(
        bench.limits.take(),
        [Action::AccountLogin, Action::PasswordCheckFailed],
        "the right password is no guess"
    );
    set(&bench, &alice, true).await;
    assert!(bench.login(OLD).await.is_ok());
}

#[tokio::test]
async fn what_was_signed_in_counts_again_once_it_is_enabled() {
    let (bench, options) = (Bench::new(), MailOptions::default());
    let alice = bench.sign_up(EMAIL).await;
    let caller = caller();
    let sent = bench.accounts.send_reset_code(&caller, EMAIL, &options).await;
    let forgot = sent.expect("a mail").token;
    for is_over in [false, true] {
        set(&bench, &alice, is_over).await;
        assert_eq!(bench.signed_in(&alice.session).await.is_some(), is_over);
        let access = bench.access(PasswordTokenKind::Forgot, &forgot).await;
        assert_eq!(access.is_some(), is_over);
        let asked = bench.accounts.send_reset_code(&caller, EMAIL, &options).await;
        let asked = asked.err().map(|error| number(&error));
        assert_eq!(asked, (!is_over).then_some(125));
    }
}

/// Nobody who is shut out comes in again by signing up.
#[tokio::test]
async fn its_address_is_taken_though_it_was_never_verified() {
    let bench = Bench::new();
    let alice = bench.sign_up_unverified(EMAIL).await;
    set(&bench, &alice, false).await;
    let request = || CreateRequest {
        email: EMAIL.to_owned(),
        password: password(NEW, 2),
        keys: false,
        mail: MailOptions::default(),
        pre_verified: false,
        invite: None,
    };
    let refused = bench.accounts.create_account(&caller(), request()).await;
    assert_eq!(refused.err().map(|error| number(&error)), Some(101));
    set(&bench, &alice, true).await;
    let made = bench.accounts.create_account(&caller(), request()).await;
    assert!(made.is_ok());
}
