//! First renewals through the router: written down once, whether or not the store takes it at that moment.

use std::time::Duration;

use super::*;

/// How often the user's records were written, once all that goes on beside requests has ended.
async fn version(world: &World) -> u64 {
    world.server.follow_ups.ended().await;
    let by = Deadline::after(Duration::from_secs(30));
    let user = UserKey(format!("{UID}@accounts.example"));
    let record = world.store.user_record(by, &service().key, &user).await;
    record.unwrap().expect("the user came").version
}

#[tokio::test]
async fn a_first_renewal_is_written_down_beside_the_answer() {
    let world = World::new().await;
    let token = token(&claims());
    for (later, expected) in [(0, 1), (0, 1), (301, 2), (301, 2)] {
        world.clock.advance(Duration::from_secs(later));
        assert_eq!(world.exchange(&token).await.http, 200);
        assert_eq!(version(&world).await, expected, "{later}");
    }
}
