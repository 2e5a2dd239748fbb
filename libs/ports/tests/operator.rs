//! What operators may do of what writers of accounts can: it signs nobody in, and a token of theirs is a forgot token.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use foxhold_core::{
    Clock as _, RegionMark, Timestamp,
    record::{Account, PasswordToken, PasswordTokenKind, Session},
};
use foxhold_ports::{
    AccountReader as _, Cause, OperatorWriter as _, Refusal, WriteError,
    conformance::fixtures::{Maker, soon},
    memory::{ManualClock, MemoryStore, SeededRandom},
    operator::{ForgotToken, Narrowed},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

struct Scene {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    operator: Narrowed,
    make: Maker,
}

impl Scene {
    fn new() -> Self {
        Self::seeded(1, None)
    }

    fn seeded(seed: u64, region: Option<RegionMark>) -> Self {
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(ManualClock::new(NOW));
        let random = Arc::new(SeededRandom::new(seed));
        let operator = Narrowed::new(Arc::clone(&store) as _, Arc::clone(&clock) as _, random);
        Self {
            operator: operator.in_region(region),
            store,
            clock,
            make: Maker::new(1),
        }
    }

    fn wanted(&self) -> Account {
        self.make.account("a@example.test")
    }

    async fn made(&self) -> Account {
        let (account, call) = (self.wanted(), self.make.call());
        let made = self.operator.make_account(&call, account.clone());
        assert_eq!(made.await, Ok(()));
        account
    }

    async fn sessions(&self, account: &Account) -> Vec<Session> {
        let sessions = self.store.sessions(soon(), account.uid).await;
        sessions.unwrap()
    }

    /// A token as it is read after it was put.
    async fn kept(&self, account: &Account, created_at: Timestamp) -> PasswordToken {
        let token = self.token(account, created_at);
        let id = token.id;
        let put = self.operator.put_forgot_token(&self.make.call(), token).await;
        assert_eq!(put, Ok(()));
        self.store.password_token(soon(), id).await.unwrap().unwrap()
    }

    fn token(&self, account: &Account, created_at: Timestamp) -> ForgotToken {
        let drawn = self.make.password_token(account, PasswordTokenKind::Change);
        ForgotToken {
            id: drawn.id,
            key: drawn.key,
            uid: drawn.uid,
            created_at,
            generation: drawn.generation,
        }
    }
}

#[tokio::test]
async fn an_account_is_made_and_nobody_is_signed_in() {
    let scene = Scene::new();
    let (account, call) = (scene.wanted(), scene.make.call());
    for _ in 0..2 {
        let made = scene.operator.make_account(&call, account.clone());
        assert_eq!(made.await, Ok(()));
        let found = scene.store.account(soon(), account.uid).await.unwrap();
        assert!(found.as_ref() == Some(&account));
        assert!(scene.sessions(&account).await.is_empty());
    }
}

/// Whatever its fate, the session is of no use to who asked for the account: it says nothing of it but the operation.
#[tokio::test]
async fn a_lost_answer_is_settled_by_the_same_operation() {
    let region = RegionMark::new(3);
    let mut keys = Vec::new();
    for seed in [1, 2] {
        let scene = Scene::seeded(seed, region);
        let (account, call) = (scene.wanted(), scene.make.call());
        let make = || scene.operator.make_account(&call, account.clone());
        scene.store.lose_answers(1);
        assert_eq!(make().await, Err(WriteError::Unknown(Cause::Timeout)));
        let open = scene.sessions(&account).await;
        assert_eq!(open.len(), 1);
        let Session { id, verification, .. } = open[0];
        assert_eq!(region, Some(RegionMark::of(&id)));
        assert!(!verification.holds(true), "no sign-in");
        assert_eq!(id.as_bytes()[16..], *call.op.as_bytes());
        keys.push(Arc::clone(&open[0].key));
        assert_eq!(make().await, Ok(()));
        assert!(scene.sessions(&account).await.is_empty());
    }
    assert!(keys[0] != keys[1], "drawn, and nobody is told");
}

#[tokio::test]
async fn a_token_lasts_no_longer_than_one_that_is_made_now() {
    let scene = Scene::new();
    let account = scene.made().await;
    let hour = Duration::from_secs(3600);
    let table = [
        (NOW, NOW),
        (NOW.minus(hour), NOW.minus(hour)),
        (NOW.plus(hour), NOW),
        (Timestamp::from_millis(u64::MAX), NOW),
    ];
    for (said, expected) in table {
        let kept = scene.kept(&account, said).await;
        assert_eq!(
            (kept.kind, kept.misses, kept.created_at),
            (PasswordTokenKind::Forgot, 0, expected),
            "{said:?}"
        );
        assert!(kept.is_of(&account));
    }
    scene.clock.advance(hour);
    let later = scene.clock.now();
    assert_eq!(scene.kept(&account, later).await.created_at, later);
}

#[tokio::test]
async fn a_token_of_nobody_is_refused_and_an_account_is_removed() {
    let scene = Scene::new();
    let account = scene.made().await;
    for (version, expected) in [
        (account.version + 1, Err(WriteError::Refused(Refusal::Conflict))),
        (account.version, Ok(())),
    ] {
        let call = scene.make.call();
        let removed = scene.operator.remove_account(&call, account.uid, version);
        assert_eq!(removed.await, expected);
    }
    assert_eq!(scene.store.account(soon(), account.uid).await, Ok(None));
    let token = scene.token(&account, NOW);
    let put = scene.operator.put_forgot_token(&scene.make.call(), token).await;
    assert_eq!(put, Err(WriteError::Refused(Refusal::UnknownAccount)));
}
