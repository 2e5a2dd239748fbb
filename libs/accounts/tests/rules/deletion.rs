//! An account that goes for good.

use std::sync::Arc;

use foxhold_accounts::{
    AccountError, AccountEvent,
    deletion::DeletionRequest,
    password::{FinishRequest, StartRequest},
};
use foxhold_core::record::PasswordTokenKind;
use foxhold_ports::{AccountReader, AccountWriter, Cause, limits::Action};

use crate::support::{Alice, Bench, EMAIL, NEW, OLD, by, caller, number, password, password_of_both, secret};

fn deletion(email: &str, byte: u8) -> DeletionRequest {
    DeletionRequest {
        email: email.to_owned(),
        auth_pw: secret(byte),
    }
}

async fn destroy(bench: &Bench) -> Result<(), AccountError> {
    bench
        .accounts
        .destroy_account(&caller(), None, deletion(EMAIL, OLD))
        .await
}

fn refusal<T>(outcome: Result<T, AccountError>) -> Option<u16> {
    outcome.err().map(|error| number(&error))
}

async fn is_there(bench: &Bench, alice: &Alice) -> bool {
    bench.store.account(by(), alice.uid).await.unwrap().is_some()
}

#[tokio::test]
async fn an_account_goes_with_all_its_own_and_its_address_is_free() {
    for verified in [true, false] {
        let bench = Bench::new();
        let alice = if verified {
            bench.sign_up(EMAIL).await
        } else {
            bench.sign_up_unverified(EMAIL).await
        };
        let bob = bench.sign_up("bob@example.test").await;
        assert!(destroy(&bench).await.is_ok());
        assert!(!is_there(&bench, &alice).await && is_there(&bench, &bob).await);
        assert!(bench.signed_in(&alice.session).await.is_none());
        assert!(bench.signed_in(&bob.session).await.is_some());
        assert_eq!(bench.events.take(), [AccountEvent::Deleted { uid: alice.uid }]);
        assert_eq!(
            bench.mails(),
            Vec::<String>::new(),
            "there is no address to write to"
        );
        assert_eq!(refusal(destroy(&bench).await), Some(102));
        let again = bench.sign_up(EMAIL).await;
        assert_ne!(again.uid, alice.uid);
    }
}

#[tokio::test]
async fn the_password_is_asked_for_as_at_sign_in() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    let bob = bench.sign_up("bob@example.test").await;
    let of_bob = bench.signed_in(&bob.session).await;
    let all = [
        Action::AccountDestroy,
        Action::AccountDestroyFailed,
        Action::PasswordCheckFailed,
    ];
    let table = [
        ("wrong", &None, EMAIL, NEW, 103),
        (
            "wrong, in another spelling",
            &None,
            "Alice@example.test",
            NEW,
            120,
        ),
        ("nobody's", &None, "carol@example.test", OLD, 102),
        ("another account's session", &of_bob, EMAIL, OLD, 102),
        ("no address", &None, "alice", OLD, 107),
    ];
    for (name, signed_in, email, byte, expected) in table {
        let told = bench
            .accounts
            .destroy_account(&caller(), signed_in.as_ref(), deletion(email, byte))
            .await;
        assert_eq!(refusal(told), Some(expected), "{name}");
        let counted = if expected == 107 { vec![] } else { all.to_vec() };
        assert_eq!(bench.limits.take(), counted, "{name}");
    }
    for action in all {
        *bench.limits.refused.lock().unwrap() = Some(action);
        assert_eq!(refusal(destroy(&bench).await), Some(114), "{action:?}");
    }
    assert!(is_there(&bench, &alice).await);
    assert_eq!(bench.events.take(), []);
    *bench.limits.refused.lock().unwrap() = None;
    bench.limits.take();
    let of_alice = bench.signed_in(&alice.session).await;
    let told = bench
        .accounts
        .destroy_account(&caller(), of_alice.as_ref(), deletion(EMAIL, OLD))
        .await;
    assert!(told.is_ok());
    assert_eq!(bench.limits.take(), [], "a right password is nobody's guess");
}

/// Finishes a change to that password, as another client.
async fn change_to(bench: &Bench, byte: u8) {
    let request = StartRequest {
        email: EMAIL.to_owned(),
        old_auth_pw: secret(OLD),
    };
    let started = bench.accounts.start_change(&caller(), None, request).await;
    let token = started.unwrap().password_change_token;
    let access = bench.access(PasswordTokenKind::Change, &token).await.unwrap();
    let request = FinishRequest {
        password: if byte == OLD {
            password_of_both(byte, 1)
        } else {
            password(byte, 1)
        },
        session: None,
        keys: false,
    };
    let done = bench.accounts.finish_change(&caller(), access, request).await;
    assert!(done.is_ok());
}

#[tokio::test]
async fn the_password_counts_for_later_versions_as_long_as_it_is_the_password() {
    // The address is verified meanwhile.
    let bench = Bench::new();
    let alice = bench.sign_up_unverified(EMAIL).await;
    let (store, call, uid) = (bench.store.clone(), bench.call(), alice.uid);
    bench.stretcher.meanwhile(async move {
        store.verify_email(&call, uid).await.unwrap();
    });
    assert!(destroy(&bench).await.is_ok());
    assert!(!is_there(&bench, &alice).await);

    // The same password again, and another one.
    for (byte, expected) in [(OLD, None), (NEW, Some(103))] {
        let bench = Arc::new(Bench::new());
        let alice = bench.sign_up(EMAIL).await;
        let other = bench.clone();
        bench
            .stretcher
            .meanwhile(async move { change_to(&other, byte).await });
        assert_eq!(refusal(destroy(&bench).await), expected);
        assert_eq!(is_there(&bench, &alice).await, expected.is_some());
        let deleted = AccountEvent::Deleted { uid: alice.uid };
        assert_eq!(bench.events.take().contains(&deleted), expected.is_none());
    }

    // Somebody else deletes it: it is gone either way.
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    let (store, call, uid) = (bench.store.clone(), bench.call(), alice.uid);
    let version = bench.account(uid).await.version;
    bench.stretcher.meanwhile(async move {
        store.delete_account(&call, uid, version).await.unwrap();
    });
    assert!(destroy(&bench).await.is_ok());
    assert_eq!(bench.events.take(), [AccountEvent::Deleted { uid }]);
}

/// Nobody knows whether the account has gone, and the store cannot be asked: as soon as it can, others are told.
#[tokio::test]
async fn what_follows_a_deletion_waits_for_a_store_that_has_gone() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    bench.store.go_away_after_intent(Cause::Unavailable);
    assert_eq!(refusal(destroy(&bench).await), Some(201));
    assert_eq!(bench.follow_ups.attempt().await, (0, 1));
    assert_eq!(bench.events.take(), []);
    bench.store.set_outage(None);
    assert_eq!(bench.follow_ups.attempt().await, (1, 0));
    assert_eq!(bench.events.take(), [AccountEvent::Deleted { uid: alice.uid }]);
}

#[tokio::test]
async fn a_store_that_is_away_deletes_nothing_and_a_lost_answer_is_looked_up() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    bench.fail_next_write();
    assert_eq!(refusal(destroy(&bench).await), Some(201));
    bench.store.set_outage(None);
    assert!(is_there(&bench, &alice).await);
    assert_eq!(bench.events.take(), []);
    for lost in [1, 2] {
        let bench = Bench::new();
        let alice = bench.sign_up(EMAIL).await;
        bench.store.lose_answers(lost);
        assert!(destroy(&bench).await.is_ok(), "{lost} lost");
        assert!(!is_there(&bench, &alice).await, "{lost} lost");
        let told = [AccountEvent::Deleted { uid: alice.uid }];
        assert_eq!(bench.events.take(), told, "{lost} lost");
    }
}
