//! What a sign-up counts: nothing that is none of the caller's doing, and a mail only where one is sent.

use std::sync::atomic::Ordering;

use foxhold_accounts::{AccountError, mail::MailOptions, signup::CreateRequest};
use foxhold_ports::{AccountReader, Cause, limits::Action};

use crate::support::{Bench, EMAIL, NEW, by, caller, number, password};

async fn create(bench: &Bench, email: &str) -> Option<u16> {
    let request = CreateRequest {
        email: email.to_owned(),
        password: password(NEW, 1),
        keys: false,
        mail: MailOptions::default(),
        pre_verified: false,
        invite: None,
    };
    let created = bench.accounts.create_account(&caller(), request).await;
    created.err().map(|error: AccountError| number(&error))
}

#[tokio::test]
async fn only_mails_that_are_sent_count_as_mails() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    for _ in 0..11 {
        assert_eq!(create(&bench, EMAIL).await, Some(101));
    }
    assert_eq!(bench.limits.mails(), 0);
    assert_eq!(
        bench.limits.take(),
        [Action::AccountCreate; 11],
        "each asks who is there"
    );
    for expected in 1..=2 {
        assert_eq!(
            create(&bench, "bob@example.test").await,
            None,
            "and in place of it"
        );
        assert_eq!(bench.limits.mails(), expected);
    }
}

#[tokio::test]
async fn a_sign_up_that_fails_here_is_none() {
    let bench = Bench::new();
    let fails = async |expected: u16, name: &str| {
        assert_eq!(create(&bench, EMAIL).await, Some(expected), "{name}");
        assert_eq!(bench.limits.mails(), 0, "{name}");
        assert_eq!(bench.limits.take(), [], "{name}");
    };
    bench.store.set_outage(Some(Cause::Unavailable));
    fails(201, "no store").await;
    bench.store.set_outage(Some(Cause::Fault));
    fails(203, "a broken store").await;
    bench.store.set_outage(None);
    bench.stretcher.full.store(true, Ordering::SeqCst);
    fails(201, "no slot").await;
    bench.stretcher.full.store(false, Ordering::SeqCst);
    bench.fail_next_write();
    fails(201, "no write").await;
    bench.store.set_outage(None);
    bench.mailer.set_full(true);
    fails(151, "no mail").await;
}

/// Too many mails: refused before anything is spent.
#[tokio::test]
async fn who_has_got_enough_mail_gets_no_account() {
    let bench = Bench::new();
    *bench.limits.refused.lock().unwrap() = Some(Action::MailTo);
    bench.stretcher.full.store(true, Ordering::SeqCst);
    assert_eq!(create(&bench, EMAIL).await, Some(114));
    let key = foxhold_core::record::EmailKey::from_normalized(EMAIL.to_owned());
    assert!(bench.store.account_by_email(by(), &key).await.unwrap().is_none());
}
