//! The JWT rows of `security.md` E.2 against the exchange.

use foxhold_crypto::jws::Unsigned;
use serde_json::{Value, json};

use super::world::World;
use crate::key_set::signing::{KID, NOW, SCOPE, claims, sign, token, token_of};

/// JSON text as a part of a token: by way of a JWS whose claims it is.
fn encoded(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    let unsigned = Unsigned::new("x", "x", &value);
    let input = String::from_utf8(unsigned.signing_input().to_vec()).unwrap();
    input.split_once('.').unwrap().1.to_owned()
}

/// A token whose header is replaced after signing. What is refused here is refused for the header already.
fn with_header(header: &str) -> String {
    let valid = token(&claims());
    let (_, rest) = valid.split_once('.').unwrap();
    format!("{}.{rest}", encoded(header))
}

#[tokio::test]
async fn json_web_tokens_that_are_not_ours() {
    let world = World::new().await;
    let valid = token(&claims());
    let parts: Vec<&str> = valid.split('.').collect();
    let mut expired = claims();
    expired["exp"] = json!(NOW.as_secs() - 61);
    let mut no_expiry = claims();
    no_expiry.as_object_mut().unwrap().remove("exp");
    let mut future = claims();
    future["iat"] = json!(NOW.as_secs() + 120);
    let mut scope = claims();
    scope["scope"] = json!("profile");
    let mut commas = claims();
    commas["scope"] = json!(format!("profile,{SCOPE}"));
    let table = [
        ("alg none", with_header(r#"{"alg":"none","typ":"at+jwt"}"#)),
        ("alg None", with_header(r#"{"alg":"None","typ":"at+jwt"}"#)),
        (
            "alg none, no signature",
            format!("{}.{}.", encoded(r#"{"alg":"none","typ":"at+jwt"}"#), parts[1]),
        ),
        ("HS256", with_header(r#"{"alg":"HS256","typ":"at+jwt"}"#)),
        ("ES256", with_header(r#"{"alg":"ES256","typ":"at+jwt"}"#)),
        ("RS512", with_header(r#"{"alg":"RS512","typ":"at+jwt"}"#)),
        (
            "jwk",
            with_header(r#"{"alg":"RS256","typ":"at+jwt","jwk":{"kty":"RSA","n":"AQ","e":"AQ"}}"#),
        ),
        (
            "jku",
            with_header(r#"{"alg":"RS256","typ":"at+jwt","jku":"https://evil.example/jwks"}"#),
        ),
        (
            "x5u",
            with_header(r#"{"alg":"RS256","typ":"at+jwt","x5u":"https://evil.example/"}"#),
        ),
        (
            "crit",
            with_header(r#"{"alg":"RS256","typ":"at+jwt","crit":["exp"]}"#),
        ),
        (
            "b64 false",
            with_header(r#"{"alg":"RS256","typ":"at+jwt","b64":false}"#),
        ),
        ("other type", sign(Unsigned::new(KID, "JWT", &claims()))),
        (
            "changed header",
            with_header(r#"{"alg":"RS256","typ":"at+jwt","kid":"test-1","a":1}"#),
        ),
        (
            "changed claims",
            format!("{}.{}.{}", parts[0], encoded(r#"{"sub":"me"}"#), parts[2]),
        ),
        ("empty signature", format!("{}.{}.", parts[0], parts[1])),
        ("cut signature", valid[..valid.len() - 2].to_owned()),
        ("two signatures", format!("{valid}.{}", parts[2])),
        ("padded", format!("{valid}==")),
        ("whitespace", format!("{}. {}.{}", parts[0], parts[1], parts[2])),
        ("leading blank", format!(" {valid}")),
        (
            "JSON serialization",
            r#"{"payload":"e30","signatures":[]}"#.to_owned(),
        ),
        ("opaque", "0123456789abcdef".repeat(4)),
        ("nothing", String::new()),
        ("over-long", "A".repeat(9_000)),
        ("expired", token(&expired)),
        ("no expiry", token(&no_expiry)),
        ("of the future", token(&future)),
        ("scope missing", token(&scope)),
        ("scope by commas", token(&commas)),
        (
            "claims are no object",
            sign(Unsigned::new(KID, "at+jwt", &json!([]))),
        ),
    ];
    for (name, bad) in table {
        let answer = world.exchange(&bad).await;
        assert_eq!(
            answer.error(),
            (401, "invalid-credentials", "body", "", "Unauthorized"),
            "{name}"
        );
    }
    assert_eq!(
        world.exchange(&valid).await.http,
        200,
        "and the process still serves"
    );
}

#[tokio::test]
async fn tokens_that_are_ours_in_other_spellings() {
    let world = World::new().await;
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        let token = sign(Unsigned::new(KID, typ, &claims()));
        assert_eq!(world.exchange(&token).await.http, 200, "{typ}");
    }
    assert_eq!(
        world.exchange(&token_of("of another name", &claims())).await.http,
        200
    );
    let mut late = claims();
    late["exp"] = json!(NOW.as_secs() - 59);
    assert_eq!(
        world.exchange(&token(&late)).await.http,
        200,
        "a minute of leeway"
    );
    let mut audience = claims();
    audience["aud"] = json!("https://token.example.evil");
    assert_eq!(
        world.exchange(&token(&audience)).await.http,
        200,
        "tokens are issued for clients"
    );
}
