//! Creations that died half-way, written into the tables as they leave them, and what comes after.

use std::{sync::Arc, time::Duration};

use foxhold_core::{Deadline, OpId, record::Account};
use foxhold_ports::{
    AccountReader as _, AccountWriter as _, Call, Cause, ReadError, Refusal, WriteError,
    accounts::SignIn,
    conformance::fixtures::{Maker, soon},
    memory::ManualClock,
};
use foxhold_store_cassandra::CassandraStore;

use crate::bench::{Bench, NOW, blob};

/// How long a pending claim is its maker's.
const PENDING_MAX: Duration = Duration::from_secs(60);
/// Long enough to look a few times.
const A_WHILE: Duration = Duration::from_millis(500);

/// Somebody's creation.
struct Creation {
    call: Call,
    account: Account,
    sign_in: SignIn,
}

impl Creation {
    fn new(make: &Maker, address: &str, verified: bool) -> Self {
        let mut account = make.account(address);
        account.email_verified = verified;
        Self {
            call: make.call(),
            sign_in: make.sign_in(account.uid),
            account,
        }
    }

    async fn by(&self, store: &CassandraStore) -> Result<(), WriteError> {
        store
            .create_account(&self.call, self.account.clone(), self.sign_in.clone())
            .await
    }

    async fn soon(&self, store: &CassandraStore) -> Result<(), WriteError> {
        let call = Call {
            op: self.call.op,
            deadline: Deadline::after(A_WHILE),
        };
        store
            .create_account(&call, self.account.clone(), self.sign_in.clone())
            .await
    }

    /// Its claim as it stands while the account is being made.
    async fn is_pending(&self, bench: &Bench) {
        bench
            .execute(&format!(
                "INSERT INTO KS.claims (email_key, uid, claim_id, state, claimed_at) \
                 VALUES ('{}', {}, {}, 'pending', {}) IF NOT EXISTS",
                self.account.email_key.as_str(),
                blob(self.account.uid.as_bytes()),
                blob(self.call.op.as_bytes()),
                NOW.as_millis(),
            ))
            .await;
    }

    /// The same after the account's row was written.
    async fn is_written(&self, bench: &Bench, store: &CassandraStore) {
        assert_eq!(self.by(store).await, Ok(()));
        bench
            .execute(&format!(
                "UPDATE KS.claims SET state = 'pending' WHERE email_key = '{}' IF state = 'active'",
                self.account.email_key.as_str(),
            ))
            .await;
    }

    async fn holds(&self, store: &CassandraStore) -> bool {
        let holder = store.account_by_email(soon(), &self.account.email_key).await;
        let holds = holder
            .expect("it reads")
            .is_some_and(|held| held.uid == self.account.uid);
        assert_eq!(
            self.has_account(store).await,
            holds,
            "an account without its address"
        );
        holds
    }

    async fn has_account(&self, store: &CassandraStore) -> bool {
        store
            .account(soon(), self.account.uid)
            .await
            .expect("it reads")
            .is_some()
    }

    /// Whether the sign-in is there, whole or not at all.
    async fn is_signed_in(&self, store: &CassandraStore) -> bool {
        let session = store.session(soon(), self.sign_in.session.id).await;
        let is_there = session.expect("it reads").is_some();
        let listed = store.sessions(soon(), self.account.uid).await.expect("it reads");
        assert_eq!(listed.len(), usize::from(is_there), "listed");
        for token in &self.sign_in.key_fetches {
            let found = store.key_fetch(soon(), token.id).await.expect("it reads");
            assert_eq!(found.is_some(), is_there, "a key-fetch token");
        }
        is_there
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_died_is_waited_for_and_then_replaced() {
    let bench = Bench::new().await;
    let (store, make) = (bench.store().await, Maker::new(1));
    for (address, verified) in [("a@test1.example", false), ("b@test1.example", true)] {
        let dead = Creation::new(&make, address, verified);
        let next = Creation::new(&make, address, verified);
        bench.clock.set(NOW);
        dead.is_pending(&bench).await;
        assert!(!dead.holds(&store).await, "a pending claim is no account");
        let waited = next.soon(&store).await;
        assert!(
            matches!(waited, Err(WriteError::NotDone(_) | WriteError::Unknown(_))),
            "{waited:?}"
        );
        assert!(!next.holds(&store).await && !next.is_signed_in(&store).await);

        bench.clock.advance(PENDING_MAX);
        assert_eq!(next.by(&store).await, Ok(()));
        assert!(next.holds(&store).await && next.is_signed_in(&store).await);

        // It was only asleep: too late, now and for ever.
        let too_late = match verified {
            true => Refusal::EmailTaken.into(),
            false => WriteError::NotDone(Cause::Timeout),
        };
        for _ in 0..2 {
            assert_eq!(dead.by(&store).await, Err(too_late));
            assert!(!dead.holds(&store).await && !dead.is_signed_in(&store).await);
            assert!(next.holds(&store).await && next.is_signed_in(&store).await);
        }
        assert_eq!(next.by(&store).await, Ok(()), "the same operation again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_died_goes_on_under_its_operation() {
    let bench = Bench::new().await;
    let (store, make) = (bench.store().await, Maker::new(2));
    let dead = Creation::new(&make, "a@test2.example", false);
    dead.is_pending(&bench).await;
    assert_eq!(dead.by(&store).await, Ok(()));
    assert!(dead.holds(&store).await && dead.is_signed_in(&store).await);

    let written = Creation::new(&make, "b@test2.example", false);
    written.is_written(&bench, &store).await;
    assert_eq!(written.by(&store).await, Ok(()));
    assert!(written.holds(&store).await && written.is_signed_in(&store).await);
}

/// An account whose row was written is made, whoever says so; then it is replaced, or keeps its address, like any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_died_after_its_row_is_finished_by_the_next() {
    let bench = Bench::new().await;
    let (store, make) = (bench.store().await, Maker::new(3));
    let kept = Creation::new(&make, "a@test3.example", true);
    kept.is_written(&bench, &store).await;
    let refused = Creation::new(&make, "a@test3.example", false).by(&store).await;
    assert_eq!(refused, Err(Refusal::EmailTaken.into()));
    assert!(kept.holds(&store).await && kept.is_signed_in(&store).await);

    let replaced = Creation::new(&make, "b@test3.example", false);
    replaced.is_written(&bench, &store).await;
    let next = Creation::new(&make, "b@test3.example", false);
    assert_eq!(next.by(&store).await, Ok(()));
    assert!(next.holds(&store).await && next.is_signed_in(&store).await);
    assert!(!replaced.is_signed_in(&store).await);
    assert_eq!(
        replaced.by(&store).await,
        Ok(()),
        "it was made, and replaced since"
    );
    assert!(next.holds(&store).await && !replaced.is_signed_in(&store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_died_is_finished_by_the_next() {
    let bench = Bench::new().await;
    let (store, make) = (bench.store().await, Maker::new(4));
    let condemned = Creation::new(&make, "a@test4.example", false);
    assert_eq!(condemned.by(&store).await, Ok(()));
    bench
        .execute(&format!(
            "UPDATE KS.accounts SET state = 'deleting', version = 2 WHERE uid = {} IF version = 1",
            blob(condemned.account.uid.as_bytes()),
        ))
        .await;
    assert!(
        !condemned.holds(&store).await,
        "neither the account nor its claim"
    );
    let verified = store.verify_email(&make.call(), condemned.account.uid).await;
    assert_eq!(verified, Err(Refusal::UnknownAccount.into()));

    let next = Creation::new(&make, "a@test4.example", false);
    assert_eq!(next.by(&store).await, Ok(()));
    assert!(next.holds(&store).await && next.is_signed_in(&store).await);
    assert!(!condemned.is_signed_in(&store).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_and_an_account_that_do_not_fit_together_are_nobodys() {
    let bench = Bench::new().await;
    let (store, make) = (bench.store().await, Maker::new(5));
    let (lost, other) = (
        Creation::new(&make, "a@test5.example", false),
        Creation::new(&make, "b@test5.example", true),
    );
    assert_eq!(other.by(&store).await, Ok(()));
    for (name, uid) in [
        ("no account", lost.account.uid),
        ("another's account", other.account.uid),
    ] {
        bench
            .execute("DELETE FROM KS.claims WHERE email_key = 'a@test5.example' IF EXISTS")
            .await;
        bench
            .execute(&format!(
                "INSERT INTO KS.claims (email_key, uid, claim_id, state, claimed_at) \
                 VALUES ('a@test5.example', {}, {}, 'active', 0) IF NOT EXISTS",
                blob(uid.as_bytes()),
                blob(OpId::from_bytes([7; 16]).as_bytes()),
            ))
            .await;
        let held = store.account_by_email(soon(), &lost.account.email_key).await;
        assert!(held == Err(ReadError(Cause::Inconsistent)), "{name}");
        let next = Creation::new(&make, "a@test5.example", false);
        let created = next.by(&store).await;
        assert_eq!(created, Err(WriteError::NotDone(Cause::Inconsistent)), "{name}");
        assert!(
            !next.has_account(&store).await && !next.is_signed_in(&store).await,
            "{name}"
        );
    }
    assert!(other.holds(&store).await && other.is_signed_in(&store).await);
}

/// Writers whose clocks are ten minutes apart: the one ahead takes every claim that is being made for an old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_hasty_writer_cannot_make_a_second_account() {
    const ROUNDS: usize = 8;
    let bench = Bench::new().await;
    let hasty = bench.store().await;
    let behind = ManualClock::new(NOW.minus(10 * PENDING_MAX));
    let (slow, make) = (bench.store_by(Arc::new(behind)).await, Maker::new(6));
    for round in 0..ROUNDS {
        let address = format!("round{round}@example.test");
        let (one, other) = (
            Creation::new(&make, &address, true),
            Creation::new(&make, &address, true),
        );
        let (by_slow, by_hasty) = tokio::join!(one.by(&slow), other.by(&hasty));
        let won = usize::from(one.holds(&slow).await) + usize::from(other.holds(&slow).await);
        assert_eq!(won, 1, "{by_slow:?} {by_hasty:?}");
        for (creation, answer) in [(&one, by_slow), (&other, by_hasty)] {
            assert_eq!(creation.holds(&slow).await, answer.is_ok(), "{answer:?}");
            assert_eq!(creation.is_signed_in(&slow).await, answer.is_ok(), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_which_one_half_is_missing_can_be_ended() {
    let bench = Bench::new().await;
    let (store, make) = (bench.store().await, Maker::new(7));
    let creation = Creation::new(&make, "a@test7.example", true);
    assert_eq!(creation.by(&store).await, Ok(()));
    let (uid, key) = (creation.account.uid, blob(creation.account.uid.as_bytes()));
    for table in ["sessions_by_account", "sessions"] {
        let sign_in = make.plain_sign_in(uid);
        let id = sign_in.session.id;
        assert_eq!(store.open_session(&make.call(), sign_in).await, Ok(()));
        let device = make.device(uid, id);
        assert_eq!(store.put_device(&make.call(), device).await, Ok(()));
        let of_account = if table == "sessions" {
            String::new()
        } else {
            format!("uid = {key} AND ")
        };
        bench
            .execute(&format!(
                "DELETE FROM KS.{table} WHERE {of_account}id = {}",
                blob(id.as_bytes())
            ))
            .await;
        assert_eq!(
            store.close_session(&make.call(), uid, id).await,
            Ok(()),
            "{table}"
        );
        assert_eq!(store.session(soon(), id).await, Ok(None), "{table}");
        let listed = store.sessions(soon(), uid).await.expect("it reads");
        assert!(listed.iter().all(|session| session.id != id), "{table}");
        assert_eq!(store.devices(soon(), uid).await, Ok(vec![]), "{table}");
    }
}
