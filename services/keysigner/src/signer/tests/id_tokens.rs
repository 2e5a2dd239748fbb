//! ID tokens: signed as access tokens are, and never taken for one.

use foxhold_crypto::id_token;
use foxhold_ports::{
    IdTokenSigner as _,
    signer::{AuthMethod, IdTokenOrder},
};

use super::*;

pub(super) fn id_order() -> IdTokenOrder {
    IdTokenOrder {
        uid: "aeaa1725c7a24ff983c6295725d5fc9b".parse().unwrap(),
        client: "0123456789abcdef".parse().unwrap(),
        auth_time: Timestamp::from_millis(1_600_000_000_123),
        nonce: Some("n-0S6_WzA2Mj".into()),
        at_hash: id_token::at_hash("a token"),
        aal: 1,
        amr: vec![AuthMethod::Password],
        lifetime_secs: 300,
        profile: None,
    }
}

#[tokio::test]
async fn an_id_token_verifies_as_one_and_no_token_is_taken_for_the_other() {
    let bench = bench(of_master());
    let keys = published(&bench.signer).await;
    let id = bench.signer.sign_id_token(by(), &id_order()).await.unwrap();
    let hint = id_token::check_hint(id.expose(), &keys).unwrap();
    assert_eq!(hint.issuer, "https://accounts.example.test");
    assert_eq!(
        (&*hint.subject, &*hint.audience),
        ("aeaa1725c7a24ff983c6295725d5fc9b", "0123456789abcdef")
    );
    let as_access = access_token::check(id.expose(), &keys, NOW);
    assert_eq!(
        as_access.unwrap_err(),
        access_token::AccessTokenError::Jws(foxhold_crypto::jws::JwsError::Type)
    );
    let access = bench
        .signer
        .sign_access_token(by(), &access_order())
        .await
        .unwrap();
    let as_hint = id_token::check_hint(access.expose(), &keys);
    assert_eq!(as_hint.unwrap_err(), foxhold_crypto::jws::JwsError::Type);
    bench.signer.end().await;
}

#[tokio::test]
async fn an_id_token_leaves_only_as_the_order_s_rules_allow() {
    let bench = bench(of_master());
    let greedy = IdTokenOrder {
        lifetime_secs: 86_400,
        ..id_order()
    };
    let refused = bench.signer.sign_id_token(by(), &greedy).await;
    assert_eq!(refused, Err(SignError::Refused));
    bench.signer.end().await;
}
