//! Vectors of `accounts.md` (a), (b), (e), through the API where the server computes them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::body::Body;
use foxhold_core::{
    Deadline, OpId, Secret, Timestamp, Uid, hex,
    record::{Account, Credentials, EmailKey, Session, Verification, Verifier, VersionTwo},
};
use foxhold_crypto::token::{KeyBundle, TokenKind};
use foxhold_ports::{AccountWriter, Call, accounts::SignIn};
use http::{Request, header};
use serde_json::json;

use crate::support::{Bench, NOW, Options, Token};

const EMAIL: &str = "andr\u{e9}@example.org";
const UID: &str = "aeaa1725c7a24ff983c6295725d5fc9b";
const CLIENT_SALT: &str = "identity.mozilla.com/picl/v1/quickStretchV2:c2dc400c9cc1a93dd3cd3af1b05ebd60";

fn secret(text: &str) -> Secret<32> {
    Secret::new(hex::decode(text).unwrap())
}

fn consecutive(first: u8) -> [u8; 32] {
    std::array::from_fn(|at| first + u8::try_from(at).unwrap())
}

/// The account of the vectors: its salt, verifiers and keys as they are stored.
fn account() -> Account {
    let mut auth_salt = [0; 32];
    auth_salt[1] = 0xf0;
    let verifier = |hash: &str, wrapped: &str| Verifier {
        verify_hash: secret(hash),
        wrap_wrap_kb: secret(wrapped),
    };
    let credentials = Credentials {
        auth_salt,
        k_a: Secret::new(consecutive(0x20)),
        version_one: verifier(
            "a4765bf103dc057f4cf4bc2c131ddb6716e8a4333cc55e1d3c449f31f0eec4f1",
            "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
        ),
        version_two: Some(VersionTwo {
            verifier: verifier(
                "d74d13afd2b8f4202e3477c8796851e03a2e6fb4d949299860e3f539b120eca1",
                "f4fcb51bcbe038d8ef332d4c2b3f8c4d0d521a9934735f4c4e3cbdae998dcda0",
            ),
            client_salt: CLIENT_SALT.into(),
        }),
    };
    let changed_at = Timestamp::from_millis(1_700_000_000_123);
    Account {
        uid: UID.parse().unwrap(),
        email: EMAIL.into(),
        email_key: EmailKey::from_normalized(EMAIL.into()),
        email_verified: true,
        credentials: Arc::new(credentials),
        code_nonce: [1; 16],
        created_at: changed_at,
        verifier_set_at: changed_at,
        keys_changed_at: changed_at,
        profile_changed_at: changed_at,
        locale: None,
        second_factor: None,
        recovery_key: None,
        disabled: None,
        version: 0,
    }
}

/// A bench whose store has that account, signed in with the session token of the vectors.
async fn bench(root: &'static str) -> (Bench, Token) {
    let bench = Bench::with(Options {
        root,
        ..Options::default()
    });
    bench.clock.set(Timestamp::from_millis(1_700_000_000_500));
    let token = Token::new(TokenKind::Session, consecutive(0xa0));
    let keys = token.keys();
    let account = account();
    let session = Session {
        id: keys.id,
        key: Arc::new(keys.key),
        uid: account.uid,
        created_at: account.created_at,
        auth_at: account.created_at,
        verification: Verification::Verified,
        must_verify: true,
        generation: account.verifier_set_at,
        user_agent: String::new(),
    };
    let call = Call {
        op: OpId::from_bytes([1; 16]),
        deadline: Deadline::after(Duration::from_secs(60)),
    };
    let sign_in = SignIn {
        session,
        key_fetches: Vec::new(),
    };
    bench.store.create_account(&call, account, sign_in).await.unwrap();
    (bench, token)
}

/// (a): both passwords of the vectors sign in, and kA and each wrapKb come out of the bundle. Two true scrypts.
#[tokio::test]
async fn the_key_protocol_end_to_end() {
    let (bench, _) = bench("http://localhost:9000").await;
    bench.stretcher.real.store(true, Ordering::SeqCst);
    let table = [
        (
            "247b675ffb4c46310bc87e26d712153abe5e1c90ef00a4784594f97ef54f2375",
            "keyFetchToken",
            "7effe354abecbcb234a8dfc2d7644b4ad339b525589738f2d27341bb8622ecd8",
        ),
        (
            "28c81379c31905d16f9aa9c63fcf0950094e413e16a9c9be41f52dbb09af518e",
            "keyFetchTokenVersion2",
            "4154367e5f12b1396ffaf4abb4c0e7fd7235ce690a4868e6a1b7d0e81c5a9b62",
        ),
    ];
    for (auth_pw, name, wrap_kb) in table {
        let body = json!({ "email": EMAIL, "authPW": auth_pw });
        let answer = bench.post("/v1/account/login?keys=true", &body).await.ok();
        let token = Token::of(TokenKind::KeyFetch, &answer[name]);
        let bundle = bench.signed_get("/v1/account/keys", &token).await.ok();
        let bundle = KeyBundle::from_bytes(hex::decode(bundle["bundle"].as_str().unwrap()).unwrap());
        let (k_a, opened) = bundle.open(&token.keys().bundle_key).unwrap();
        assert_eq!(k_a, Secret::new(consecutive(0x20)), "{name}");
        assert_eq!(opened, secret(wrap_kb), "{name}");
    }
    let status = bench
        .post("/v1/account/credentials/status", &json!({ "email": EMAIL }))
        .await
        .ok();
    assert_eq!(status["clientSalt"], CLIENT_SALT);
}

/// (b), first vector: the header as the contract has it is taken.
#[tokio::test]
async fn a_signed_post_of_the_contract_is_taken() {
    let (bench, token) = bench("https://accounts.example.test").await;
    let body = r#"{"client_id":"5882386c6d801776","grant_type":"fxa-credentials","scope":"profile"}"#;
    let header = format!(
        r#"Hawk id="{}", ts="1700000000", nonce="j4h3g2", hash="AbgVCOfndrWS8J0g4wEqBDsmJzezGp8eg1FwLSaoYt0=", mac="Dcsla0Kerz1Wp+ieGv/fAQYq0Qv2NDKeHY7HGoEm4Hc=""#,
        token.keys().id
    );
    let request = Request::post("/v1/oauth/token")
        .header(header::AUTHORIZATION, header)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8");
    let answer = bench.send(request.body(Body::from(body)).unwrap()).await.ok();
    assert_eq!(answer["scope"], "profile");
}

/// (b), second vector.
#[tokio::test]
async fn a_signed_get_of_the_contract_is_taken() {
    let (bench, token) = bench("http://localhost:9000").await;
    let header = format!(
        r#"Hawk id="{}", ts="1700000000", nonce="j4h3g2", mac="OaIm65iAJFQNQUHW4UELI9kFGB7I638fsxFkuTTSnMo=""#,
        token.keys().id
    );
    let request = Request::get("/v1/account/devices?filterIdleDevicesTimestamp=1698185600000")
        .header(header::AUTHORIZATION, header)
        .header(header::CONTENT_TYPE, "text/plain");
    assert_eq!(
        bench.send(request.body(Body::empty()).unwrap()).await.ok(),
        json!([])
    );
}

/// (e): the key rotation timestamp of the vectors, unchanged by anything but a reset.
#[tokio::test]
async fn scoped_key_data_of_the_contract() {
    let (bench, token) = bench("http://localhost:9000").await;
    let scope = "https://identity.mozilla.com/apps/oldsync";
    let wanted = json!({ "client_id": "5882386c6d801776", "scope": scope });
    for _ in 0..2 {
        let data = bench
            .signed_post("/v1/account/scoped-key-data", &token, &wanted)
            .await
            .ok();
        assert_eq!(data[scope]["keyRotationTimestamp"], 1_700_000_000_123_u64);
        bench.clock.advance(Duration::from_secs(60));
    }
    let order_uid: Uid = UID.parse().unwrap();
    let grant = json!({ "client_id": "5882386c6d801776", "scope": scope });
    bench.signed_post("/v1/oauth/token", &token, &grant).await.ok();
    let order = bench.signer.orders.lock().unwrap()[0].clone();
    assert_eq!(
        (order.uid, order.generation.as_millis()),
        (order_uid, 1_700_000_000_123)
    );
    assert!(NOW < order.generation);
}
