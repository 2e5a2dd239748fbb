//! The limits of new users on the wire (`security.md` B.5).

use std::net::SocketAddr;

use foxhold_runtime::metrics::{self, scraped};

use super::*;
use crate::limits::{FirstAssignmentSettings, Profile};

impl World {
    /// The exchange of the account with this number.
    async fn exchange_from(&self, account: u32, peer: SocketAddr) -> world::Answer {
        let mut claims = claims();
        claims["sub"] = json!(format!("{account:032x}"));
        let mut request = good(&token(&claims)).body(Body::empty()).unwrap();
        request.extensions_mut().insert(PeerAddress(peer));
        self.send(request).await
    }
}

fn peer(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4000))
}

#[tokio::test]
async fn new_users_beyond_the_limit_are_told_when_to_come_back_and_others_are_served() {
    let world = World::new().await;
    for account in 0..20 {
        let answer = world.exchange_from(account, peer(account as u8)).await;
        assert_eq!(answer.http, 200, "account {account}");
    }
    let refused = world.exchange_from(20, peer(20)).await;
    assert_eq!(
        refused.error(),
        (503, "error", "body", "", "New users are limited")
    );
    assert_eq!(refused.headers["retry-after"], "360");
    let counted = scraped::read(&metrics::text()).expect("all of it is on the list");
    let labels = [("service", "sync-1.5"), ("budget", "block")];
    assert!(scraped::sum(&counted, "foxhold_token_new_users_limited_total", &labels) >= 1.0);

    assert_eq!(world.exchange_from(7, peer(7)).await.http, 200);
    let elsewhere = SocketAddr::from(([198, 51, 100, 1], 4000));
    assert_eq!(world.exchange_from(20, elsewhere).await.http, 200);
}

#[tokio::test]
async fn the_limits_go_off_with_the_profile() {
    let settings = LimitSettings {
        profile: Profile::Off,
        ..LimitSettings::default()
    };
    let limits = settings.of_new_users(&FirstAssignmentSettings::default());
    let mut world = World::new().await;
    let server = Arc::get_mut(&mut world.server).unwrap();
    server.ports.first_assignments = Arc::new(limits);
    for account in 0..30 {
        assert_eq!(world.exchange_from(account, peer(1)).await.http, 200);
    }
}
