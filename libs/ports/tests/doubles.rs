//! Shows what tests elsewhere lean on: faults that can be switched on, a clock that stands, a mailer that remembers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use foxhold_core::{Clock, Deadline, OpId, Timestamp, TokenId};
use foxhold_ports::{
    AccountReader, AccountWriter, Call, Cause, Mailer, ReadError, Refusal, WriteError,
    mail::{Mail, MailError},
    memory::{ManualClock, MemoryMailer, MemoryStore},
};

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn call(op: u8) -> Call {
    Call {
        op: OpId::from_bytes([op; 16]),
        deadline: soon(),
    }
}

#[tokio::test]
async fn an_outage_is_an_error_and_never_an_absence() {
    let store = MemoryStore::new();
    let id = TokenId::from_bytes([1; 32]);
    store.set_outage(Some(Cause::Unavailable));
    assert_eq!(
        store.session(soon(), id).await,
        Err(ReadError(Cause::Unavailable))
    );
    assert_eq!(
        store.consume_key_fetch(&call(1), id).await,
        Err(WriteError::NotDone(Cause::Unavailable))
    );
    store.set_outage(None);
    assert_eq!(store.session(soon(), id).await, Ok(None));
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_the_same_operation() {
    let store = MemoryStore::new();
    let id = TokenId::from_bytes([1; 32]);
    store.lose_answers(1);
    assert_eq!(
        store.consume_key_fetch(&call(1), id).await,
        Err(WriteError::Unknown(Cause::Timeout))
    );
    assert_eq!(
        store.consume_key_fetch(&call(1), id).await,
        Err(WriteError::Refused(Refusal::TokenSpent))
    );
}

#[test]
fn the_clock_moves_by_hand_only() {
    let clock = ManualClock::new(Timestamp::from_secs(10));
    clock.advance(Duration::from_millis(1500));
    assert_eq!(clock.now(), Timestamp::from_millis(11_500));
    clock.set(Timestamp::from_secs(5));
    assert_eq!(clock.now(), Timestamp::from_secs(5));
}

#[tokio::test]
async fn the_mailer_remembers_until_it_is_full() {
    let mail = |to: &str, subject: &str| Mail {
        to: to.into(),
        subject: subject.into(),
        text: String::new(),
        html: String::new(),
        headers: Vec::new(),
    };
    let mailer = MemoryMailer::new();
    for (to, subject) in [
        ("a@example.test", "1"),
        ("a@example.test", "2"),
        ("b@example.test", "3"),
    ] {
        mailer.post(mail(to, subject)).await.unwrap();
    }
    assert_eq!(mailer.last_to("a@example.test").unwrap().subject, "2");
    assert!(mailer.last_to("c@example.test").is_none());
    mailer.set_full(true);
    assert_eq!(mailer.post(mail("c@example.test", "4")).await, Err(MailError));
    assert_eq!(mailer.mails().len(), 3);
}
