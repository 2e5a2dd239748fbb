//! What a change and a reset of the password ask of the cluster, step by step.

use foxhold_core::{Secret, hex};
use foxhold_crypto::token::{TokenKeys, TokenKind};
use foxhold_store_cassandra::Requests;
use foxhold_testkit::person::{Person, unique_hex};
use hyper::Method;
use serde_json::{Value, json};

use crate::{answered, world::World};

/// Of what begins a change, and of the change.
pub(crate) async fn change(world: &World, person: &Person) -> [Requests; 2] {
    let Person { email, auth_pw, .. } = person;
    let body = json!({ "email": email, "oldAuthPW": auth_pw });
    let asked = world.server.post("/v1/password/change/start", &body);
    let (answer, begun) = world.spending(answered(asked)).await;
    let token = token(TokenKind::PasswordChange, &answer["passwordChangeToken"]);
    let body = json!({
        "authPW": unique_hex(),
        "wrapKb": unique_hex(),
        "sessionToken": hex::encode(person.session.id.as_bytes()),
    });
    let path = "/v1/password/change/finish?keys=true";
    let asked = world.server.signed(Method::POST, path, &token, Some(&body));
    let (_, changed) = world.spending(answered(asked)).await;
    [begun, changed]
}

/// Of what sends the code, of typing it in, and of the reset.
pub(crate) async fn reset(world: &World, person: &Person) -> [Requests; 3] {
    let body = json!({ "email": person.email });
    let asked = world.server.post("/v1/password/forgot/send_code", &body);
    let (answer, forgotten) = world.spending(answered(asked)).await;
    let forgot = token(TokenKind::PasswordForgot, &answer["passwordForgotToken"]);
    let body = json!({ "code": world.mailed(person, "x-recovery-code").await });
    let path = "/v1/password/forgot/verify_code";
    let asked = world.server.signed(Method::POST, path, &forgot, Some(&body));
    let (answer, typed) = world.spending(answered(asked)).await;
    let reset = token(TokenKind::AccountReset, &answer["accountResetToken"]);
    let body = json!({ "authPW": unique_hex(), "sessionToken": true });
    let path = "/v1/account/reset?keys=true";
    let asked = world.server.signed(Method::POST, path, &reset, Some(&body));
    let (_, reset) = world.spending(answered(asked)).await;
    [forgotten, typed, reset]
}

fn token(kind: TokenKind, text: &Value) -> TokenKeys {
    let text = text.as_str().expect("a token");
    let token = Secret::new(hex::decode(text).expect("hex"));
    TokenKeys::derive(kind, &token)
}
