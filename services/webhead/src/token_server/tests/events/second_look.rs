//! A retirement that came before the record it should have found.

use super::*;

/// A record that a request in work made behind the event's back is retired after all.
#[tokio::test]
async fn a_record_that_comes_behind_a_retirement_is_retired() {
    let (mut world, _) = nobody_and_issuer().await;
    let word = Arc::new(tokio::sync::Notify::new());
    let server = Arc::get_mut(&mut world.server).unwrap();
    server.account_events.as_mut().unwrap().second_looks = SecondLooks::on(&word);
    assert_eq!(world.tell_of(&deleted()).await.http, 200);
    // Its credential was verified before: what follows is what such a request still does.
    assert_eq!(world.exchange(&token(&claims())).await.http, 200);
    word.notify_one();
    let retired = async {
        loop {
            let record = world.record_of_alice().await.unwrap().current;
            if record.generation == Generation::RETIRED && record.replaced_at.is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), retired)
        .await
        .unwrap();
    assert_eq!(world.exchange_at(9999).await, answered(401, "invalid-generation"));
}

/// There is no more than one look for each retirement, and none for what only raises a number.
#[tokio::test]
async fn only_retirements_are_looked_at_again() {
    let world = alice().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let idle = tasks();
    let changed = event_token(&json!({PASSWORD: {"changeTime": 2000}}));
    assert_eq!(world.tell_of(&changed).await.http, 200);
    assert_eq!(tasks(), idle);
    assert_eq!(world.tell_of(&deleted()).await.http, 200);
    assert_eq!(tasks(), idle + 1);
}
