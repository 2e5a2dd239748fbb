//! Events of accounts in the same process: what they do to the exchanges after them, and that none is lost for a store that is
//! away for a while.

use foxhold_accounts::{AccountEvent, AccountEvents as _};
use foxhold_core::{Timestamp, Uid};
use foxhold_ports::Cause;

use super::*;
use crate::token_server::{OwnAccounts, events::After};

fn uid_of_alice() -> Uid {
    UID.parse().unwrap()
}

const fn set_at(uid: Uid, millis: u64) -> AccountEvent {
    AccountEvent::PasswordSet {
        uid,
        generation: Timestamp::from_millis(millis),
    }
}

/// Tries again on a word, twice.
fn own_accounts(world: &World, word: &Arc<tokio::sync::Notify>) -> OwnAccounts {
    let further = vec![After::Word(Arc::clone(word)), After::Word(Arc::clone(word))];
    let looks = SecondLooks::on(&Arc::default());
    OwnAccounts::with(world.server.clone(), "accounts.example".into(), looks, further)
}

/// Waits until the record of Alice has this generation.
async fn wait_for(world: &World, generation: Generation) {
    let reached = async {
        while world.record_of_alice().await.unwrap().current.generation != generation {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_password_shuts_out_older_credentials_and_a_deletion_all() {
    let world = alice().await;
    let accounts = own_accounts(&world, &Arc::default());
    for event in [set_at(uid_of_alice(), 2000), set_at(uid_of_alice(), 1500)] {
        accounts.tell(event).await;
        assert_eq!(world.record_of_alice().await.unwrap().current.generation.0, 1999);
    }
    assert_eq!(world.exchange_at(1234).await, answered(401, "invalid-generation"));
    assert_eq!(world.exchange_at(2000).await.0, 200);
    let stranger = Uid::from_bytes([0xbb; 16]);
    for event in [AccountEvent::Deleted { uid: stranger }, set_at(stranger, 9999)] {
        accounts.tell(event).await;
        assert_eq!(
            world.exchange_at(2000).await.0,
            200,
            "of somebody without a record"
        );
    }
    accounts.tell(AccountEvent::Deleted { uid: uid_of_alice() }).await;
    assert_eq!(world.exchange_at(9999).await, answered(401, "invalid-generation"));
}

#[tokio::test]
async fn an_event_that_the_store_does_not_take_is_carried_out_later() {
    let world = alice().await;
    let word = Arc::new(tokio::sync::Notify::new());
    let accounts = own_accounts(&world, &word);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let idle = tasks();
    world.store.set_outage(Some(Cause::Unavailable));
    accounts.tell(set_at(uid_of_alice(), 2000)).await;
    assert_eq!(tasks(), idle + 1);
    word.notify_one();
    // The first further attempt fails, too; the second one finds the store.
    tokio::task::yield_now().await;
    world.store.set_outage(None);
    word.notify_one();
    wait_for(&world, Generation(1999)).await;

    world.store.set_outage(Some(Cause::Unavailable));
    accounts.tell(AccountEvent::Deleted { uid: uid_of_alice() }).await;
    world.store.set_outage(None);
    word.notify_one();
    wait_for(&world, Generation::RETIRED).await;
}

/// Only a time that no store can hold is dropped.
#[tokio::test]
async fn a_time_that_no_store_holds_changes_nothing() {
    let world = alice().await;
    let accounts = own_accounts(&world, &Arc::default());
    let before = world.record_of_alice().await;
    accounts.tell(set_at(uid_of_alice(), u64::MAX)).await;
    assert_eq!(world.record_of_alice().await, before);
}
