//! Codes for whoever has forgotten a password: three tries, and one reset token.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use foxhold_accounts::{
    AccountError, Accounts,
    mail::MailOptions,
    password::{Forgotten, ForgottenStatus},
};
use foxhold_core::{RegionMark, Secret, hex, record::PasswordTokenKind};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_ports::{
    Cause, Mailer,
    limits::Action,
    mail::{Mail, MailError},
    memory::SeededRandom,
};

use crate::support::{Alice, Bench, EMAIL, OLD, caller, number, password};

const HOUR: Duration = Duration::from_secs(3600);
const NO_CODE: &str = "00000000000000000000000000000000";

async fn send(bench: &Bench) -> Forgotten {
    let sent = bench
        .accounts
        .send_reset_code(&caller(), EMAIL, &MailOptions::default())
        .await;
    sent.expect("a forgot token")
}

async fn verify(bench: &Bench, token: &Secret<32>, code: &str) -> Result<Secret<32>, AccountError> {
    let access = bench.access(PasswordTokenKind::Forgot, token).await;
    let access = access.ok_or(AccountError::BadToken)?;
    bench.accounts.verify_reset_code(&caller(), &access, code).await
}

fn refusal<T>(outcome: Result<T, AccountError>) -> Option<u16> {
    outcome.err().map(|error| number(&error))
}

#[tokio::test]
async fn the_mailed_code_changes_one_token_for_the_other() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let Forgotten { token, status } = send(&bench).await;
    assert_eq!(status, ForgottenStatus { tries: 3, ttl: HOUR });
    let code = bench.mailed("X-Recovery-Code");
    assert_eq!(code.len(), 32);
    assert_eq!(
        bench.mailed("X-Token"),
        hex::encode(token.expose()),
        "for the link"
    );

    let reset = verify(&bench, &token, &code).await.unwrap();
    assert!(bench.access(PasswordTokenKind::Reset, &reset).await.is_some());
    assert!(bench.access(PasswordTokenKind::Change, &reset).await.is_none());
    assert_eq!(refusal(verify(&bench, &token, &code).await), Some(110), "spent");
    bench.clock.advance(Duration::from_secs(15 * 60));
    assert!(
        bench.access(PasswordTokenKind::Reset, &reset).await.is_none(),
        "run out"
    );
}

#[tokio::test]
async fn a_mail_that_is_sent_again_says_the_same() {
    for region in [None, RegionMark::new(5)] {
        let bench = Bench::with(region, Arc::new(SeededRandom::new(3)));
        bench.sign_up(EMAIL).await;
        let Forgotten { token, .. } = send(&bench).await;
        let marks = |mark: RegionMark| mark.marks(&TokenKeys::derive(TokenKind::PasswordForgot, &token).id);
        assert!(region.is_none_or(marks));
        let (code, link) = (bench.mailed("X-Recovery-Code"), bench.mailed("X-Token"));
        bench.clock.advance(Duration::from_secs(60));
        let access = bench.access(PasswordTokenKind::Forgot, &token).await.unwrap();
        assert_eq!(refusal(verify(&bench, &token, NO_CODE).await), Some(105));
        let again = bench.access(PasswordTokenKind::Forgot, &token).await.unwrap();
        for (access, tries) in [(&access, 3), (&again, 2)] {
            let sent = bench
                .accounts
                .resend_reset_code(&caller(), access, "other@example.test", &MailOptions::default())
                .await
                .unwrap();
            assert!(sent.token == token);
            let ttl = HOUR - Duration::from_secs(60);
            assert_eq!(sent.status, ForgottenStatus { tries, ttl });
            assert_eq!(bench.accounts.forgotten_status(access), sent.status);
            assert_eq!(
                (bench.mailed("X-Recovery-Code"), bench.mailed("X-Token")),
                (code.clone(), link.clone())
            );
        }
        assert_eq!(bench.mails(), ["recovery"; 3]);
    }
}

#[tokio::test]
async fn two_mails_of_one_moment_are_two_tokens() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let first = send(&bench).await.token;
    let of_first = bench.mailed("X-Recovery-Code");
    let second = send(&bench).await.token;
    let of_second = bench.mailed("X-Recovery-Code");
    assert!(first != second && of_first != of_second);
    assert_eq!(
        refusal(verify(&bench, &first, &of_second).await),
        Some(105),
        "another's code"
    );
    assert!(verify(&bench, &second, &of_second).await.is_ok());
    assert!(verify(&bench, &first, &of_first).await.is_ok());
}

#[tokio::test]
async fn three_wrong_codes_spend_the_token() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let Forgotten { token, .. } = send(&bench).await;
    let code = bench.mailed("X-Recovery-Code");
    bench.clock.advance(Duration::from_secs(600));
    // A lost answer of the store does not count a second time.
    bench.store.lose_answers(1);
    for left in [2, 1, 0] {
        let told = verify(&bench, &token, NO_CODE).await;
        let Err(AccountError::WrongResetCode { tries, ttl }) = told else {
            panic!("{left} left");
        };
        assert_eq!((tries, ttl), (left, HOUR - Duration::from_secs(600)));
    }
    assert_eq!(refusal(verify(&bench, &token, &code).await), Some(110));
    let counted = bench.limits.take();
    let wrong = counted
        .iter()
        .filter(|action| **action == Action::PasswordForgotVerifyCode);
    assert_eq!(wrong.count(), 3);
}

#[tokio::test]
async fn tokens_that_are_not_good_any_more() {
    let bench = Bench::new();
    let Alice { uid, .. } = bench.sign_up(EMAIL).await;
    let Forgotten { token, .. } = send(&bench).await;
    bench.clock.advance(HOUR - Duration::from_secs(1));
    assert!(bench.access(PasswordTokenKind::Forgot, &token).await.is_some());
    bench.clock.advance(Duration::from_secs(1));
    assert!(
        bench.access(PasswordTokenKind::Forgot, &token).await.is_none(),
        "run out"
    );

    let Forgotten { token, .. } = send(&bench).await;
    let version = bench.account(uid).await.version;
    let call = bench.call();
    foxhold_ports::AccountWriter::delete_account(&*bench.store, &call, uid, version)
        .await
        .unwrap();
    assert!(
        bench.access(PasswordTokenKind::Forgot, &token).await.is_none(),
        "the account has gone"
    );
}

#[tokio::test]
async fn who_may_be_mailed() {
    let bench = Bench::new();
    bench.sign_up_unverified(EMAIL).await;
    let bad_service = MailOptions {
        service: Some("a b".into()),
        ..MailOptions::default()
    };
    let fine = MailOptions::default();
    let table = [
        (
            "unverified",
            EMAIL,
            &fine,
            None,
            vec![Action::PasswordForgotSendCode],
        ),
        (
            "nobody",
            "bob@example.test",
            &fine,
            Some(102),
            vec![Action::PasswordForgotSendCode, Action::LoadAccountFailed],
        ),
        ("no address", "bob", &fine, Some(107), vec![]),
        ("a bad field", EMAIL, &bad_service, Some(107), vec![]),
    ];
    for (name, email, options, expected, counted) in table {
        let sent = bench.accounts.send_reset_code(&caller(), email, options).await;
        assert_eq!(refusal(sent), expected, "{name}");
        assert_eq!(bench.limits.take(), counted, "{name}");
    }
    bench.mailer.set_full(true);
    let sent = bench.accounts.send_reset_code(&caller(), EMAIL, &fine).await;
    assert!(matches!(
        sent,
        Err(AccountError::MailNotSent { new_address: false })
    ));
    bench.mailer.set_full(false);
    for (cause, expected) in [(Cause::Unavailable, 201), (Cause::Fault, 203)] {
        bench.store.set_outage(Some(cause));
        let sent = bench.accounts.send_reset_code(&caller(), EMAIL, &fine).await;
        assert_eq!(refusal(sent), Some(expected));
    }
    bench.store.set_outage(None);
    bench.store.lose_answers(2);
    let sent = bench.accounts.send_reset_code(&caller(), EMAIL, &fine).await;
    assert_eq!(refusal(sent), Some(201));
    assert_eq!(bench.limits.mails(), 0, "nobody was mailed");
    assert_eq!(bench.limits.take(), [], "and nobody has asked for too much");
}

/// Each mail counts for its address, whichever call sends it, and one that is not sent does not.
#[tokio::test]
async fn mails_to_one_address_are_counted_together() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let Forgotten { token, .. } = send(&bench).await;
    let access = bench.access(PasswordTokenKind::Forgot, &token).await.unwrap();
    let resend = async || {
        let options = MailOptions::default();
        let sent = bench
            .accounts
            .resend_reset_code(&caller(), &access, EMAIL, &options)
            .await;
        refusal(sent)
    };
    assert_eq!(resend().await, None);
    assert_eq!(bench.limits.mails(), 2);
    bench.limits.take();
    bench.mailer.set_full(true);
    assert_eq!(resend().await, Some(151));
    assert_eq!(bench.limits.mails(), 0);
    assert_eq!(bench.limits.take(), []);
    bench.mailer.set_full(false);
    *bench.limits.refused.lock().unwrap() = Some(Action::MailTo);
    assert_eq!(resend().await, Some(114));
    let sent = bench
        .accounts
        .send_reset_code(&caller(), EMAIL, &MailOptions::default())
        .await;
    assert_eq!(refusal(sent), Some(114));
    assert_eq!(bench.mails(), ["recovery", "recovery"]);
}

/// The code works once: if the answer is lost the store tells, and the token is not.
#[tokio::test]
async fn a_right_code_whose_answer_is_lost_is_answered() {
    for lost in [1, 2] {
        let bench = Bench::new();
        bench.sign_up(EMAIL).await;
        let Forgotten { token, .. } = send(&bench).await;
        let code = bench.mailed("X-Recovery-Code");
        bench.store.lose_answers(lost);
        let reset = verify(&bench, &token, &code).await.expect("a reset token");
        assert!(
            bench.access(PasswordTokenKind::Reset, &reset).await.is_some(),
            "{lost} lost"
        );
    }
}

/// Nobody is mailed, so nobody can forget a password here.
struct NoMail;

#[async_trait]
impl Mailer for NoMail {
    async fn post(&self, _mail: Mail) -> Result<(), MailError> {
        Err(MailError)
    }

    fn delivers(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn without_mail_the_calls_are_off() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let Forgotten { token, .. } = send(&bench).await;
    let access = bench.access(PasswordTokenKind::Forgot, &token).await.unwrap();
    let accounts = Accounts {
        mailer: Arc::new(NoMail),
        ..Accounts::clone(&bench.accounts)
    };
    let options = MailOptions::default();
    for email in [EMAIL, "bob@example.test"] {
        let sent = accounts.send_reset_code(&caller(), email, &options).await;
        assert_eq!(refusal(sent), Some(202), "{email}");
    }
    let sent = accounts
        .resend_reset_code(&caller(), &access, EMAIL, &options)
        .await;
    assert_eq!(refusal(sent), Some(202));
}

#[tokio::test]
async fn a_store_that_is_away_keeps_the_token() {
    let bench = Bench::new();
    bench.sign_up(EMAIL).await;
    let Forgotten { token, .. } = send(&bench).await;
    let code = bench.mailed("X-Recovery-Code");
    let access = bench.access(PasswordTokenKind::Forgot, &token).await.unwrap();
    bench.store.set_outage(Some(Cause::Unavailable));
    for code in [NO_CODE, &code] {
        let told = bench.accounts.verify_reset_code(&caller(), &access, code).await;
        assert_eq!(refusal(told), Some(201), "{code}");
    }
    bench.store.set_outage(None);
    bench.store.lose_answers(1);
    let reset = verify(&bench, &token, &code).await.unwrap();
    assert!(bench.access(PasswordTokenKind::Reset, &reset).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_right_codes_one_is_answered() {
    let bench = Arc::new(Bench::new());
    bench.sign_up(EMAIL).await;
    let Forgotten { token, .. } = send(&bench).await;
    let code = bench.mailed("X-Recovery-Code");
    let access = bench.access(PasswordTokenKind::Forgot, &token).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (bench, access, code) = (bench.clone(), access.clone(), code.clone());
            tokio::spawn(async move {
                let caller = caller();
                let told = bench.accounts.verify_reset_code(&caller, &access, &code).await;
                told.map_err(|error| number(&error))
            })
        })
        .collect();
    let mut given = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => given += 1,
            Err(refused) => assert_eq!(refused, 110),
        }
    }
    assert_eq!(given, 1);
    // Nobody's password has changed by all that.
    assert!(bench.login(OLD).await.is_ok());
    assert!(password(OLD, 1).check().is_ok());
}
