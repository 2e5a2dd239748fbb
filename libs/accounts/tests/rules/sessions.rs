//! Sessions that are refreshed, doubled and ended from elsewhere, and the older call for a typed code.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use foxhold_accounts::{
    AccountError, SignedIn, credentials::Version, detach::DetachRequest, device::DeviceRequest,
};
use foxhold_core::{
    ClientId, DeviceId, Secret, TokenId, Uid,
    record::{RefreshToken, Verification},
};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_ports::{AccountReader, AccountWriter, Cause, limits::Action};

use crate::support::{Alice, Bench, EMAIL, NEW, NOW, OLD, by, caller, login, number, secret};

fn refusal<T>(outcome: Result<T, AccountError>) -> Option<u16> {
    outcome.err().map(|error| number(&error))
}

async fn signed_in(bench: &Bench, alice: &Alice) -> SignedIn {
    bench.signed_in(&alice.session).await.expect("a session")
}

#[tokio::test]
async fn a_session_is_as_if_it_were_opened_now() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    bench.clock.advance(Duration::from_secs(3600));
    let before = signed_in(&bench, &alice).await;
    let renewed = bench
        .accounts
        .reauthenticate(&caller(), &before, login(EMAIL, OLD))
        .await
        .unwrap();
    assert!(renewed.session_token.is_none(), "the client has it");
    let (version, token) = renewed.key_fetch_token.expect("keys were asked for");
    assert_eq!(
        (version, bench.fetch_keys(&token).await.1),
        (Version::One, secret(1))
    );
    let after = signed_in(&bench, &alice).await.session;
    assert_eq!(after.auth_at, NOW.plus(Duration::from_secs(3600)));
    assert_eq!(after.created_at, before.session.created_at);
    assert_eq!(after.verification, Verification::Verified);
    assert!(after.must_verify && after == renewed.signed_in.session);
    assert_eq!(bench.limits.take(), []);

    let mut without_keys = login(EMAIL, OLD);
    without_keys.keys = false;
    let again = bench
        .accounts
        .reauthenticate(&caller(), &before, without_keys)
        .await;
    assert!(again.unwrap().key_fetch_token.is_none());
}

#[tokio::test]
async fn a_session_is_refreshed_by_its_own_accounts_password_only() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    bench.sign_up("bob@example.test").await;
    let session = signed_in(&bench, &alice).await;
    bench.clock.advance(Duration::from_secs(60));
    let guesses = [Action::AccountLogin, Action::PasswordCheckFailed];
    for (name, request, expected) in [
        ("wrong", login(EMAIL, NEW), 103),
        ("another spelling", login("ALICE@example.test", NEW), 120),
        ("another account", login("bob@example.test", OLD), 102),
        ("nobody", login("carol@example.test", OLD), 102),
    ] {
        let told = bench.accounts.reauthenticate(&caller(), &session, request).await;
        assert_eq!(refusal(told), Some(expected), "{name}");
        assert_eq!(bench.limits.take(), guesses, "{name}");
        assert!(!bench.limits.by_email.load(Ordering::SeqCst), "{name}");
    }
    let told = bench.accounts.login(&caller(), login(EMAIL, NEW)).await;
    assert_eq!(refusal(told), Some(103));
    assert_eq!(bench.limits.take(), guesses);
    assert!(bench.limits.by_email.load(Ordering::SeqCst), "of a stranger");
    for action in guesses {
        *bench.limits.refused.lock().unwrap() = Some(action);
        let told = bench
            .accounts
            .reauthenticate(&caller(), &session, login(EMAIL, OLD))
            .await;
        assert_eq!(refusal(told), Some(114), "{action:?}");
    }
    assert_eq!(signed_in(&bench, &alice).await.session.auth_at, NOW);
}

/// What has ended meanwhile is not brought back.
#[tokio::test]
async fn a_session_that_has_ended_stays_ended() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    let session = signed_in(&bench, &alice).await;
    let (store, call, uid, id) = (bench.store.clone(), bench.call(), alice.uid, session.session.id);
    bench.stretcher.meanwhile(async move {
        store.close_session(&call, uid, id).await.unwrap();
    });
    let told = bench
        .accounts
        .reauthenticate(&caller(), &session, login(EMAIL, OLD))
        .await;
    assert_eq!(refusal(told), Some(110));
    assert!(bench.signed_in(&alice.session).await.is_none());
}

#[tokio::test]
async fn a_second_session_is_as_good_as_the_first() {
    let bench = Bench::new();
    let alice = bench.sign_up_unverified(EMAIL).await;
    bench.clock.advance(Duration::from_secs(60));
    let first = signed_in(&bench, &alice).await;
    let doubled = bench
        .accounts
        .duplicate_session(&caller(), &first, Some("because"))
        .await
        .unwrap();
    let second = bench.signed_in(&doubled.session_token).await.expect("a session");
    assert_ne!(second.session.id, first.session.id);
    assert_eq!(second.session.auth_at, NOW, "nobody has given a password since");
    assert_eq!(second.session.created_at, NOW, "nor is it younger");
    assert_eq!(second.session.verification, first.session.verification);
    assert!(!second.verified());
    assert_eq!(bench.limits.take(), [Action::SessionDuplicate]);

    let long = "r".repeat(17);
    let told = bench
        .accounts
        .duplicate_session(&caller(), &first, Some(&long))
        .await;
    assert_eq!(refusal(told), Some(107));
    *bench.limits.refused.lock().unwrap() = Some(Action::SessionDuplicate);
    let told = bench.accounts.duplicate_session(&caller(), &first, None).await;
    assert_eq!(refusal(told), Some(114));
    *bench.limits.refused.lock().unwrap() = None;
    bench.store.set_outage(Some(Cause::Unavailable));
    let told = bench.accounts.duplicate_session(&caller(), &first, None).await;
    assert_eq!(refusal(told), Some(201));
    bench.store.set_outage(None);
    let version = bench.account(alice.uid).await.version;
    bench
        .store
        .delete_account(&bench.call(), alice.uid, version)
        .await
        .unwrap();
    let told = bench.accounts.duplicate_session(&caller(), &first, None).await;
    assert_eq!(
        refusal(told),
        Some(110),
        "the account has gone, and the session with it"
    );
}

/// Session after session would go on for ever.
#[tokio::test]
async fn doubled_sessions_run_out_with_the_first_one() {
    const DAY: Duration = Duration::from_secs(86_400);
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    let first = signed_in(&bench, &alice).await;
    bench.clock.advance(27 * DAY);
    let double = async |of: &SignedIn| {
        let doubled = bench.accounts.duplicate_session(&caller(), of, None).await;
        doubled.unwrap().session_token
    };
    let second = double(&first).await;
    let third = double(&bench.signed_in(&second).await.unwrap()).await;
    bench.clock.advance(2 * DAY);
    for token in [&second, &third] {
        assert!(bench.signed_in(token).await.is_none());
    }

    // What a device keeps alive gives others the usual time, and those give no more.
    bench.clock.set(NOW);
    let request = DeviceRequest {
        name: Some("Laptop".into()),
        kind: Some("desktop".into()),
        available_commands: Some(BTreeMap::new()),
        ..DeviceRequest::default()
    };
    bench
        .accounts
        .put_device(&caller(), &first, request)
        .await
        .unwrap();
    bench.clock.advance(100 * DAY);
    let first = signed_in(&bench, &alice).await;
    let second = double(&first).await;
    bench.clock.advance(27 * DAY);
    let third = double(&bench.signed_in(&second).await.expect("it is young")).await;
    bench.clock.advance(2 * DAY);
    for token in [&second, &third] {
        assert!(bench.signed_in(token).await.is_none());
    }
    assert!(bench.signed_in(&alice.session).await.is_some());
}

#[tokio::test]
async fn the_older_call_tells_what_is_wrong_with_a_code() {
    let bench = Bench::new();
    let alice = bench.sign_up_unverified(EMAIL).await;
    let session = signed_in(&bench, &alice).await;
    let code = bench.mailed("X-Verify-Short-Code");
    let other = if code == "000000" { "000001" } else { "000000" };
    let verify = async |code: &str, uid: Option<Uid>| {
        let told = bench
            .accounts
            .verify_by_token_code(&caller(), &session, code, uid)
            .await;
        refusal(told)
    };
    let nobody = Uid::from_bytes([0; 16]);
    assert_eq!(verify(other, None).await, Some(152));
    assert_eq!(verify(&code, Some(nobody)).await, Some(107));
    bench.clock.advance(Duration::from_secs(3600));
    assert_eq!(verify(&code, None).await, Some(153));
    assert_eq!(bench.limits.take(), [Action::VerifySessionCode; 2]);
    let told = bench
        .accounts
        .verify_by_short_code(&caller(), &session, &code)
        .await;
    assert_eq!(refusal(told), Some(105), "the newer one says one thing");
    bench.clock.set(NOW);
    assert_eq!(verify(&code, Some(alice.uid)).await, None);
    assert!(bench.account(alice.uid).await.email_verified);
}

const CLIENT: ClientId = ClientId::from_bytes([1; 8]);
const OTHER_CLIENT: ClientId = ClientId::from_bytes([2; 8]);

/// Somebody with three sessions, one of them with a device, and three refresh tokens of two clients.
struct Crowd {
    alice: Alice,
    sessions: [TokenId; 3],
    device: DeviceId,
    tokens: [TokenId; 3],
}

impl Crowd {
    async fn sign_up(bench: &Bench, email: &str, mark: u8) -> Self {
        let alice = bench.sign_up(email).await;
        let first = signed_in(bench, &alice).await;
        let mut sessions = vec![first.session.id];
        for _ in 0..2 {
            let doubled = bench.accounts.duplicate_session(&caller(), &first, None).await;
            sessions.push(id_of(&doubled.unwrap().session_token));
        }
        let second = bench
            .accounts
            .signed_in(by(), sessions[1])
            .await
            .unwrap()
            .unwrap();
        let request = DeviceRequest {
            name: Some("Laptop".into()),
            kind: Some("desktop".into()),
            available_commands: Some(BTreeMap::new()),
            ..DeviceRequest::default()
        };
        let device = bench
            .accounts
            .put_device(&caller(), &second, request)
            .await
            .unwrap();
        let mut tokens = Vec::new();
        for (n, client) in [(1, CLIENT), (2, CLIENT), (3, OTHER_CLIENT)] {
            let token = RefreshToken {
                id: TokenId::from_bytes([mark | n; 32]),
                uid: alice.uid,
                client,
                scope: "profile".into(),
                session: None,
                created_at: NOW,
                generation: NOW,
            };
            tokens.push(token.id);
            bench.store.put_refresh_token(&bench.call(), token).await.unwrap();
        }
        Self {
            alice,
            sessions: sessions.try_into().unwrap(),
            device: device.id,
            tokens: tokens.try_into().unwrap(),
        }
    }

    /// How many sessions, devices and refresh tokens are left.
    async fn left(&self, bench: &Bench) -> (usize, usize, usize) {
        let uid = self.alice.uid;
        let sessions = bench.store.sessions(by(), uid).await.unwrap();
        let devices = bench.store.devices(by(), uid).await.unwrap();
        let tokens = bench.store.refresh_tokens(by(), uid).await.unwrap();
        (sessions.len(), devices.len(), tokens.len())
    }
}

fn id_of(session: &Secret<32>) -> TokenId {
    TokenKeys::derive(TokenKind::Session, session).id
}

#[tokio::test]
async fn one_entry_is_signed_out_and_nobody_elses() {
    type Ids = fn(&Crowd) -> DetachRequest;
    let table: [(&str, Ids, (usize, usize, usize)); 8] = [
        (
            "a session",
            |of| DetachRequest {
                session: Some(of.sessions[2]),
                ..DetachRequest::default()
            },
            (2, 1, 3),
        ),
        (
            "a session and its device",
            |of| DetachRequest {
                session: Some(of.sessions[1]),
                device: Some(of.device),
                ..DetachRequest::default()
            },
            (2, 0, 3),
        ),
        (
            "a device",
            |of| DetachRequest {
                device: Some(of.device),
                ..DetachRequest::default()
            },
            (2, 0, 3),
        ),
        (
            "a refresh token",
            |of| DetachRequest {
                client: Some(CLIENT),
                refresh_token: Some(of.tokens[0]),
                ..DetachRequest::default()
            },
            (3, 1, 2),
        ),
        (
            "another client's refresh token",
            |of| DetachRequest {
                client: Some(OTHER_CLIENT),
                refresh_token: Some(of.tokens[0]),
                ..DetachRequest::default()
            },
            (3, 1, 3),
        ),
        (
            "a whole client",
            |_| DetachRequest {
                client: Some(CLIENT),
                ..DetachRequest::default()
            },
            (3, 1, 1),
        ),
        (
            "a session, with a client beside it",
            |of| DetachRequest {
                client: Some(CLIENT),
                session: Some(of.sessions[2]),
                ..DetachRequest::default()
            },
            (2, 1, 3),
        ),
        (
            "the session that asks",
            |of| DetachRequest {
                session: Some(of.sessions[0]),
                ..DetachRequest::default()
            },
            (2, 1, 3),
        ),
    ];
    for (name, ids, expected) in table {
        let bench = Bench::new();
        let alice = Crowd::sign_up(&bench, EMAIL, 0x10).await;
        let bob = Crowd::sign_up(&bench, "bob@example.test", 0x20).await;
        let of_alice = signed_in(&bench, &alice.alice).await;
        // By the ids of another account first: nothing happens, and nothing is told.
        let foreign = ids(&bob);
        let alone = foreign.session.is_some() || foreign.device.is_some() || foreign.refresh_token.is_some();
        if alone {
            assert!(
                bench.accounts.detach(&caller(), &of_alice, foreign).await.is_ok(),
                "{name}"
            );
            assert_eq!(alice.left(&bench).await, (3, 1, 3), "{name}");
        }
        for _ in 0..2 {
            let told = bench.accounts.detach(&caller(), &of_alice, ids(&alice)).await;
            assert!(told.is_ok(), "{name}");
            assert_eq!(alice.left(&bench).await, expected, "{name}");
        }
        assert_eq!(bob.left(&bench).await, (3, 1, 3), "{name}");
    }
}

#[tokio::test]
async fn ids_that_do_not_name_an_entry() {
    let bench = Bench::new();
    let alice = Crowd::sign_up(&bench, EMAIL, 0x10).await;
    let of_alice = signed_in(&bench, &alice.alice).await;
    let token_alone = DetachRequest {
        refresh_token: Some(alice.tokens[0]),
        ..DetachRequest::default()
    };
    for (name, request) in [("none", DetachRequest::default()), ("no client", token_alone)] {
        let told = bench.accounts.detach(&caller(), &of_alice, request).await;
        assert_eq!(refusal(told), Some(108), "{name}");
    }
    bench.store.set_outage(Some(Cause::Unavailable));
    let session = DetachRequest {
        session: Some(alice.sessions[2]),
        ..DetachRequest::default()
    };
    let told = bench.accounts.detach(&caller(), &of_alice, session).await;
    assert_eq!(refusal(told), Some(201));
}
