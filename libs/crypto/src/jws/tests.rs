//! Every JWT row of `security.md` E.2, against tokens signed with a key that is for tests only; jsonwebtoken is the
//! second opinion.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use proptest::prelude::*;
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    mac,
    rsa_key::{NamedKey, RsaPublicKey},
};

const TEST_KEY: &[u8] = include_bytes!("../../testdata/rsa-2048-for-tests.der");
pub(crate) const KID: &str = "test-1";

fn key_pair() -> KeyPair {
    KeyPair::from_der(TEST_KEY).unwrap()
}

fn public_key() -> RsaPublicKey {
    let parts: RsaPublicKeyComponents<Vec<u8>> = key_pair().public().into();
    RsaPublicKey::new(&parts.n, &parts.e).unwrap()
}

/// The test key under its name, behind a key that signs nothing.
pub(crate) fn keys() -> KeySet {
    let other = RsaPublicKey::new(&[0xff; 256], &[3]).unwrap();
    KeySet::new(vec![
        NamedKey {
            kid: "other".to_owned(),
            key: other,
        },
        NamedKey {
            kid: KID.to_owned(),
            key: public_key(),
        },
    ])
}

fn rsa_signature(message: &[u8]) -> Vec<u8> {
    let pair = key_pair();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
        .unwrap();
    signature
}

pub(crate) fn signed(unsigned: Unsigned) -> String {
    let signature = rsa_signature(unsigned.signing_input());
    unsigned.with_signature(&signature)
}

/// A token with any header, rightly signed.
fn signed_with_header(header: &str) -> String {
    let input = format!(
        "{}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(header),
        BASE64_URL_SAFE_NO_PAD.encode(r#"{"sub":"s"}"#)
    );
    format!(
        "{input}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(rsa_signature(input.as_bytes()))
    )
}

#[test]
fn what_we_sign_a_second_implementation_accepts() {
    let token = signed(Unsigned::new(KID, "at+jwt", &json!({"sub": "s"})));
    assert_eq!(verify(&token, "at+jwt", &keys()).unwrap(), br#"{"sub":"s"}"#);
    let key = public_key();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let decoding_key = DecodingKey::from_rsa_raw_components(key.modulus(), key.exponent());
    let decoded = jsonwebtoken::decode::<Value>(&token, &decoding_key, &validation).unwrap();
    assert_eq!(decoded.header.kid.as_deref(), Some(KID));
    assert_eq!(decoded.claims, json!({"sub": "s"}));
}

#[test]
fn what_a_second_implementation_signs_we_accept() {
    let mut header = jsonwebtoken::Header::new(Algorithm::RS256);
    header.typ = Some("application/AT+JWT".to_owned());
    let token = jsonwebtoken::encode(
        &header,
        &json!({"sub": "é"}),
        &EncodingKey::from_rsa_der(TEST_KEY),
    )
    .unwrap();
    assert_eq!(
        verify(&token, "at+jwt", &keys()).unwrap(),
        r#"{"sub":"é"}"#.as_bytes()
    );
}

#[test]
fn headers_that_are_allowed_and_not() {
    let table: [(&str, Result<(), JwsError>); 25] = [
        (r#"{"alg":"RS256","typ":"at+jwt"}"#, Ok(())),
        (
            r#"{"alg":"RS256","kid":"test-1","typ":"at+jwt","cty":"x","more":[{}]}"#,
            Ok(()),
        ),
        (
            r#"{ "alg" : "RS256", "kid" : "unknown", "typ" : "Application/At+Jwt" }"#,
            Ok(()),
        ),
        (
            r#"{"alg":"RS256","kid":"test\u002d1","typ":"at\u002bjwt"}"#,
            Ok(()),
        ),
        (
            r#"{"alg":"RS256","kid":"other","typ":"at+jwt"}"#,
            Err(JwsError::Signature),
        ),
        (r#"{"alg":"RS256","typ":"JWT"}"#, Err(JwsError::Type)),
        (r#"{"alg":"RS256","typ":"text/at+jwt"}"#, Err(JwsError::Type)),
        (r#"{"alg":"RS256"}"#, Err(JwsError::Type)),
        (r#"{"alg":"RS256","typ":"application/é"}"#, Err(JwsError::Type)),
        (r#"{"alg":"none","typ":"at+jwt"}"#, Err(JwsError::Header)),
        (r#"{"alg":"NONE","typ":"at+jwt"}"#, Err(JwsError::Header)),
        (r#"{"alg":"rs256","typ":"at+jwt"}"#, Err(JwsError::Header)),
        (r#"{"alg":"PS256","typ":"at+jwt"}"#, Err(JwsError::Header)),
        (
            r#"{"alg":"RS256","typ":"at+jwt","jwk":{}}"#,
            Err(JwsError::Header),
        ),
        (
            r#"{"alg":"RS256","typ":"at+jwt","jku":"https://a.test"}"#,
            Err(JwsError::Header),
        ),
        (
            r#"{"alg":"RS256","typ":"at+jwt","x5u":"https://a.test"}"#,
            Err(JwsError::Header),
        ),
        (
            r#"{"alg":"RS256","typ":"at+jwt","x5c":[]}"#,
            Err(JwsError::Header),
        ),
        (
            r#"{"alg":"RS256","typ":"at+jwt","crit":["exp"]}"#,
            Err(JwsError::Header),
        ),
        (
            r#"{"alg":"RS256","typ":"at+jwt","crit":null}"#,
            Err(JwsError::Header),
        ),
        (
            r#"{"alg":"RS256","typ":"at+jwt","b64":false}"#,
            Err(JwsError::Header),
        ),
        (
            r#"{"alg":"RS256","alg":"RS256","typ":"at+jwt"}"#,
            Err(JwsError::Malformed),
        ),
        (r#"{"typ":"at+jwt"}"#, Err(JwsError::Malformed)),
        (r#"{"alg":["RS256"],"typ":"at+jwt"}"#, Err(JwsError::Malformed)),
        (r#"{"alg":"RS256","typ":"at+jwt"} x"#, Err(JwsError::Malformed)),
        ("", Err(JwsError::Malformed)),
    ];
    for (header, expected) in table {
        assert_eq!(
            verify(&signed_with_header(header), "at+jwt", &keys()).map(drop),
            expected,
            "{header}"
        );
    }
    let long = format!(r#"{{"alg":"RS256","typ":"at+jwt","x":"{}"}}"#, "x".repeat(600));
    assert_eq!(
        verify(&signed_with_header(&long), "at+jwt", &keys()),
        Err(JwsError::Malformed)
    );
}

#[test]
fn a_kind_of_token_that_not_every_issuer_names() {
    let table: [(&str, Result<(), JwsError>); 8] = [
        (r#"{"alg":"RS256"}"#, Ok(())),
        (r#"{"alg":"RS256","typ":"secevent+jwt"}"#, Ok(())),
        (r#"{"alg":"RS256","typ":"application/SecEvent+JWT"}"#, Ok(())),
        (r#"{"alg":"RS256","typ":"JWT"}"#, Ok(())),
        (r#"{"alg":"RS256","typ":"at+jwt"}"#, Err(JwsError::Type)),
        (r#"{"alg":"RS256","typ":""}"#, Err(JwsError::Type)),
        (r#"{"alg":"none"}"#, Err(JwsError::Header)),
        (r#"{"alg":"RS256","kid":"other"}"#, Err(JwsError::Signature)),
    ];
    for (header, expected) in table {
        let token = signed_with_header(header);
        let verified = verify_unnamed(&token, &["secevent+jwt", "JWT"], &keys());
        assert_eq!(verified.map(drop), expected, "{header}");
    }
}

#[test]
fn a_key_that_is_not_in_the_set() {
    let token = signed(Unsigned::new("new", "at+jwt", &json!({})));
    assert!(verify(&token, "at+jwt", &keys()).is_ok());
    let old = KeySet::new(keys().keys()[..1].to_vec());
    assert_eq!(verify(&token, "at+jwt", &old), Err(JwsError::UnknownKey));
    let nameless = signed_with_header(r#"{"alg":"RS256","typ":"at+jwt"}"#);
    assert_eq!(verify(&nameless, "at+jwt", &old), Err(JwsError::Signature));
    assert_eq!(
        verify(&nameless, "at+jwt", &KeySet::default()),
        Err(JwsError::Signature)
    );
}

#[test]
fn the_public_key_is_no_hmac_secret() {
    let keys = keys();
    let named = &keys.keys()[1];
    let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"at+jwt"}"#);
    let input = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode("{}"));
    for secret in [named.key.modulus(), named.to_jwk().as_bytes()] {
        let mac = mac::hmac_sha256(secret, &[input.as_bytes()]);
        let token = format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac));
        assert_eq!(verify(&token, "at+jwt", &keys), Err(JwsError::Header));
    }
}

#[test]
fn forms_that_are_no_compact_jws() {
    let token = signed(Unsigned::new(KID, "at+jwt", &json!({"sub": "s"})));
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        unreachable!()
    };
    let json_form = format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#);
    // "eyJzdWIiOiJzIn0" ends in 2 of 6 bits: '1' for '0' sets a bit that belongs to nothing.
    let not_canonical = format!("{header}.{}1.{signature}", &payload[..payload.len() - 1]);
    let table = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "opaque token with spaces".to_owned(),
        format!("{header}.{payload}"),
        format!("{token}.{signature}"),
        format!("{header}.{payload}.{payload}.{signature}"),
        json_form,
        not_canonical,
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{token}=="),
        format!(" {token}"),
        format!("{token}\n"),
        token.replace(payload, &format!("{payload}\r\n")),
        token.replace('_', "/").replace('-', "+"),
        format!("{header}.{payload}.{}", "A".repeat(LEN_MAX)),
    ];
    for form in table {
        assert_eq!(
            verify(&form, "at+jwt", &keys()),
            Err(JwsError::Malformed),
            "{form}"
        );
    }
    assert_eq!(
        verify(&format!("{header}.{payload}."), "at+jwt", &keys()),
        Err(JwsError::Signature)
    );
    assert_eq!(
        verify(&format!("{header}..{signature}"), "at+jwt", &keys()),
        Err(JwsError::Signature)
    );
}

#[test]
fn anything_changed_breaks_the_signature() {
    let token = signed(Unsigned::new(KID, "at+jwt", &json!({"sub": "s"})));
    let (_, signature) = token.rsplit_once('.').unwrap();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    for changed in [
        &bytes[1..],
        &[&[0], bytes.as_slice()].concat(),
        &vec![0; 256],
        &[bytes.as_slice(), &[0]].concat(),
    ] {
        let token = token.replace(signature, &BASE64_URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(verify(&token, "at+jwt", &keys()), Err(JwsError::Signature));
    }
    let other = token.replace("eyJzdWIiOiJzIn0", "eyJzdWIiOiJ0In0");
    assert_ne!(other, token);
    assert_eq!(verify(&other, "at+jwt", &keys()), Err(JwsError::Signature));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}", header in "\\PC{0,60}", any in "\\PC{0,60}") {
        let keys = keys();
        let _ = verify(&text, "at+jwt", &keys);
        let _ = verify(&any, "at+jwt", &keys);
        let header = BASE64_URL_SAFE_NO_PAD.encode(header);
        let _ = verify(&format!("{header}.{text}"), "at+jwt", &keys);
    }
}
