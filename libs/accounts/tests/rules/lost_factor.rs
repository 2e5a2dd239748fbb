//! An account whose second factor an operator takes off: its owner signs in without; whoever waited with the password alone is
//! let no further.

use std::sync::Arc;

use foxhold_core::{
    Secret,
    record::{SecondFactor, Verification},
};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_ports::{AccountAdmin as _, AccountGuards as _};

use crate::support::{Bench, EMAIL, OLD, by, caller, login};

#[tokio::test]
async fn who_waited_goes_on_waiting_and_the_next_sign_in_asks_for_no_code() {
    let bench = Bench::new();
    let alice = bench.sign_up(EMAIL).await;
    let factor = Arc::new(SecondFactor {
        secret: Arc::new(Secret::new([1; 20])),
        enabled: true,
        last_step: None,
        backup_codes: vec![[2; 32]],
    });
    let version = bench.account(alice.uid).await.version;
    let (call, factor) = (bench.call(), Some(factor));
    let set = bench.store.set_second_factor(&call, alice.uid, version, factor);
    set.await.expect("the account is there");
    let waiting = bench.accounts.login(&caller(), login(EMAIL, OLD)).await;
    let waiting = waiting.expect("the password is right");
    let session = waiting.session_token.as_ref().expect("a new session");
    let (_, fetch) = waiting.key_fetch_token.as_ref().expect("keys were asked for");

    let (call, version) = (bench.call(), version + 1);
    let deleted = bench.store.delete_second_factor(&call, alice.uid, version);
    deleted.await.expect("the account is there");

    let still = bench.signed_in(session).await.expect("it has not ended");
    assert_eq!(still.session.verification, Verification::AwaitsSecondFactor);
    assert!(!still.verified() && still.require_verified().is_err());
    let id = TokenKeys::derive(TokenKind::KeyFetch, fetch).id;
    let access = bench.accounts.key_fetch_access(by(), id).await.unwrap();
    let access = access.expect("the token is there");
    assert!(bench.accounts.fetch_keys(&caller(), &access).await.is_err());

    let next = bench.accounts.login(&caller(), login(EMAIL, OLD)).await;
    let next = next.expect("the password is right");
    assert!(next.signed_in.verified() && next.verification_method.is_none());
    let (_, fetch) = next.key_fetch_token.expect("keys were asked for");
    bench.fetch_keys(&fetch).await;
    // A session from before the second factor is what it was.
    assert!(bench.signed_in(&alice.session).await.is_some());
}
