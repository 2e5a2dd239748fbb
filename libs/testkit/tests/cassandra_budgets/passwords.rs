//! What a change and a reset of the password ask of the cluster, step by step.

use foxhold_core::{Secret, hex};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_store_cassandra::Requests;
use foxhold_testkit::person::{Person, unique_hex};
use hyper::Method;
use serde_json::{Value, json};

use crate::{granted, world::World};

/// Of what begins a change, and of the change.
pub(crate) async fn change(world: &World, person: &Person) -> [Requests; 2] {
    let Person { email, auth_pw, .. } = person;
    let body = json!({ "email": email, "oldAuthPW": auth_pw });
    let asked = async || world.server.post("/v1/password/change/start", &body).await;
    let (answer, begun) = world.spending(granted(asked)).await;
    let token = token(TokenKind::PasswordChange, &answer["passwordChangeToken"]);
    let body = json!({
        "authPW": unique_hex(),
        "wrapKb": unique_hex(),
        "sessionToken": hex::encode(person.session.id.as_bytes()),
    });
    let path = "/v1/password/change/finish?keys=true";
    let asked = async || world.server.signed(Method::POST, path, &token, Some(&body)).await;
    let (_, changed) = world.spending(granted(asked)).await;
    [begun, changed]
}

/// Of what sends the code, of typing it in, and of the reset.
pub(crate) async fn reset(world: &World, person: &Person) -> [Requests; 3] {
    let body = json!({ "email": person.email });
    let asked = async || world.server.post("/v1/password/forgot/send_code", &body).await;
    let (answer, forgotten) = world.spending(granted(asked)).await;
    let forgot = token(TokenKind::PasswordForgot, &answer["passwordForgotToken"]);
    let body = json!({ "code": world.mailed(person, "x-recovery-code").await });
    let path = "/v1/password/forgot/verify_code";
    let asked = async || {
        world
            .server
            .signed(Method::POST, path, &forgot, Some(&body))
            .await
    };
    let (answer, typed) = world.spending(granted(asked)).await;
    let reset = token(TokenKind::AccountReset, &answer["accountResetToken"]);
    let body = json!({ "authPW": unique_hex(), "sessionToken": true });
    let path = "/v1/account/reset?keys=true";
    let asked = async || world.server.signed(Method::POST, path, &reset, Some(&body)).await;
    let (_, reset) = world.spending(granted(asked)).await;
    [forgotten, typed, reset]
}

fn token(kind: TokenKind, text: &Value) -> TokenKeys {
    let text = text.as_str().expect("a token");
    let token = Secret::new(hex::decode(text).expect("hex"));
    TokenKeys::derive(kind, &token)
}
