//! Access tokens that nobody signed who may (`security.md` E.2, the row of JWTs): made from a good one and the published
//! keys, which is all that an attacker has.

use anyhow::{Context, Result};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use foxhold_crypto::mac::{hmac_sha256, sha256};
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};
use serde_json::{Value, json};

use crate::{hostile::stage::Stage, http};

/// The attacker's own key.
const OWN_KEY: &[u8] = include_bytes!("../../../../crypto/testdata/rsa-2048-for-tests.der");

/// What the server publishes.
pub struct Keys {
    kid: String,
    n: Vec<u8>,
    e: Vec<u8>,
    own: KeyPair,
}

impl Keys {
    /// Reads the key set.
    ///
    /// # Errors
    /// When it is not there or not RSA.
    pub async fn published(stage: &Stage) -> Result<Self> {
        let set = http::get(stage.server().address, "/v1/jwks").await?.json()?;
        let key = &set["keys"][0];
        let text = |name: &str| key[name].as_str().with_context(|| set.to_string());
        Ok(Self {
            kid: text("kid")?.to_owned(),
            n: decode(text("n")?)?,
            e: decode(text("e")?)?,
            own: KeyPair::from_der(OWN_KEY).map_err(|error| anyhow::anyhow!("{error}"))?,
        })
    }

    fn sign(&self, input: &str) -> Result<String> {
        let mut signature = vec![0; self.own.public().modulus_len()];
        let signed = self.own.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            input.as_bytes(),
            &mut signature,
        );
        signed.map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(format!("{input}.{}", encode(&signature)))
    }

    fn own_jwk(&self) -> Value {
        let public: RsaPublicKeyComponents<Vec<u8>> = self.own.public().into();
        json!({ "kty": "RSA", "n": encode(&public.n), "e": encode(&public.e) })
    }

    /// All that somebody could take for the secret of an HMAC.
    fn secrets(&self) -> Vec<(&'static str, Vec<u8>)> {
        let pkcs1 = der(0x30, &[integer(&self.n), integer(&self.e)].concat());
        let rsa = [0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        let bits = der(0x03, &[vec![0], pkcs1.clone()].concat());
        let spki = der(0x30, &[der(0x30, &rsa), bits].concat());
        let jwk = json!({ "kty": "RSA", "n": encode(&self.n), "e": encode(&self.e) });
        vec![
            ("its PEM", pem("PUBLIC KEY", &spki).into_bytes()),
            (
                "its PEM without line end",
                pem("PUBLIC KEY", &spki).trim_end().into(),
            ),
            ("its PKCS#1 PEM", pem("RSA PUBLIC KEY", &pkcs1).into_bytes()),
            ("its DER", spki),
            ("its PKCS#1 DER", pkcs1),
            ("its modulus", self.n.clone()),
            ("its modulus in base64url", encode(&self.n).into_bytes()),
            ("its JWK", jwk.to_string().into_bytes()),
            ("its name", self.kid.clone().into_bytes()),
            ("nothing", Vec::new()),
        ]
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok().context("no base64url")
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut bytes = vec![tag];
    match len.to_be_bytes() {
        [.., low] if len < 128 => bytes.push(low),
        [.., low] if len < 256 => bytes.extend([0x81, low]),
        [.., high, low] => bytes.extend([0x82, high, low]),
    }
    bytes.extend_from_slice(content);
    bytes
}

fn integer(number: &[u8]) -> Vec<u8> {
    // The published numbers have no leading zeros; a set top bit would read as a sign.
    let sign: &[u8] = if number.first().is_some_and(|first| *first >= 0x80) {
        &[0]
    } else {
        &[]
    };
    der(0x02, &[sign, number].concat())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

/// A good token, taken apart.
struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    keys: &'a Keys,
}

/// Forged tokens by name. None may be accepted anywhere.
///
/// # Errors
/// When the good token is none.
pub fn forgeries(good: &str, keys: &Keys) -> Result<Vec<(String, String)>> {
    let (rest, signature) = good.rsplit_once('.').context("no token")?;
    let (header, payload) = rest.split_once('.').context("no token")?;
    let parts = Parts {
        header,
        payload,
        signature,
        keys,
    };
    let mut forged = parts.other_algorithms();
    forged.extend(parts.own_signatures()?);
    forged.extend(parts.other_claims()?);
    forged.extend(parts.other_signatures()?);
    forged.extend(parts.other_spellings());
    forged.extend(parts.no_tokens());
    Ok(forged)
}

fn named(name: &str, token: impl Into<String>) -> (String, String) {
    (name.to_owned(), token.into())
}

impl Parts<'_> {
    fn header_with(&self, change: &Value) -> Value {
        let mut header = json!({ "alg": "RS256", "kid": self.keys.kid, "typ": "at+jwt" });
        for (name, value) in change.as_object().into_iter().flatten() {
            header[name] = value.clone();
        }
        if let Some(members) = header.as_object_mut() {
            members.retain(|_, value| value != "OUT");
        }
        header
    }

    fn input(&self, change: &Value) -> String {
        format!(
            "{}.{}",
            encode(self.header_with(change).to_string().as_bytes()),
            self.payload
        )
    }

    fn other_algorithms(&self) -> Vec<(String, String)> {
        let mut forged = Vec::new();
        for alg in ["none", "None", "NONE", "nOnE", "none ", ""] {
            let input = self.input(&json!({ "alg": alg }));
            forged.push((format!("alg {alg:?}, no signature"), format!("{input}.")));
            forged.push((
                format!("alg {alg:?}, the old signature"),
                format!("{input}.{}", self.signature),
            ));
        }
        for alg in [
            "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "HS256", "rs256", "RS256 ", "RSA",
        ] {
            let input = self.input(&json!({ "alg": alg }));
            forged.push((
                format!("alg {alg}, the old signature"),
                format!("{input}.{}", self.signature),
            ));
        }
        for (name, alg) in [
            ("no alg", json!("OUT")),
            ("alg null", Value::Null),
            ("alg a number", json!(256)),
            ("alg a list", json!(["RS256"])),
            ("alg an object", json!({ "RS256": true })),
        ] {
            let input = self.input(&json!({ "alg": alg }));
            forged.push((name.to_owned(), format!("{input}.{}", self.signature)));
        }
        let zeros = encode(&[0; 64]);
        forged.push(named(
            "ES256 of zeros",
            format!("{}.{zeros}", self.input(&json!({ "alg": "ES256" }))),
        ));
        for (name, secret) in self.keys.secrets() {
            let input = self.input(&json!({ "alg": "HS256" }));
            let mac = encode(&hmac_sha256(&secret, &[input.as_bytes()]));
            forged.push((format!("HS256, secret {name}"), format!("{input}.{mac}")));
        }
        forged
    }

    /// Signed well, by somebody else.
    fn own_signatures(&self) -> Result<Vec<(String, String)>> {
        let jwk = self.keys.own_jwk();
        let headers = [
            ("the same key id", json!({})),
            ("no key id", json!({ "kid": "OUT" })),
            ("an unknown key id", json!({ "kid": "unknown" })),
            (
                "a key id that is a path",
                json!({ "kid": "../../../../../../dev/null" }),
            ),
            ("a key id that is SQL", json!({ "kid": "' UNION SELECT 'a" })),
            ("a key id that is a number", json!({ "kid": 1 })),
            ("a long key id", json!({ "kid": "k".repeat(2000) })),
            ("its own key", json!({ "jwk": jwk })),
            ("its own key and no id", json!({ "jwk": jwk, "kid": "OUT" })),
            ("an address of keys", json!({ "jku": "http://127.0.0.1:9/jwks" })),
            (
                "an address of a certificate",
                json!({ "x5u": "http://127.0.0.1:9/a.pem" }),
            ),
            (
                "a certificate",
                json!({ "x5c": [BASE64_STANDARD.encode(OWN_KEY)] }),
            ),
            ("a critical extension", json!({ "crit": ["exp"], "exp": 1 })),
            ("an unknown critical extension", json!({ "crit": ["x"], "x": 1 })),
            ("an empty list of critical ones", json!({ "crit": [] })),
            (
                "a payload that is not encoded",
                json!({ "b64": false, "crit": ["b64"] }),
            ),
            ("b64 alone", json!({ "b64": false })),
            ("type JWT", json!({ "typ": "JWT" })),
            ("no type", json!({ "typ": "OUT" })),
            ("compression", json!({ "zip": "DEF" })),
        ];
        let signed = headers.into_iter().map(|(name, header)| {
            let token = self.keys.sign(&self.input(&header))?;
            Ok((format!("signed by another key: {name}"), token))
        });
        signed.chain([self.of_exponent_one()]).collect()
    }

    /// With the exponent 1 a signature is the padded digest itself.
    fn of_exponent_one(&self) -> Result<(String, String)> {
        let jwk = json!({ "kty": "RSA", "n": encode(&self.keys.n), "e": "AQ" });
        let input = self.input(&json!({ "jwk": jwk, "kid": "OUT" }));
        let prefix = [
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
            0x00, 0x04, 0x20,
        ];
        let digest = sha256(&[input.as_bytes()]);
        let filling = self
            .keys
            .n
            .len()
            .checked_sub(3 + prefix.len() + digest.len())
            .context("short key")?;
        let padded = [&[0, 1][..], &vec![0xff; filling], &[0], &prefix, &digest].concat();
        Ok(named(
            "an exponent of one",
            format!("{input}.{}", encode(&padded)),
        ))
    }

    /// Another payload under the old signature.
    fn other_claims(&self) -> Result<Vec<(String, String)>> {
        let claims: Value = serde_json::from_slice(&decode(self.payload)?)?;
        let changes = [
            ("another user", "sub", json!("0".repeat(32))),
            (
                "another scope",
                "scope",
                json!("https://identity.mozilla.com/apps/oldsync profile"),
            ),
            ("another end", "exp", json!(4_102_444_800_u64)),
            ("another generation", "fxa-generation", json!(1)),
        ];
        let changed = changes.into_iter().map(|(name, claim, value)| {
            let mut claims = claims.clone();
            claims[claim] = value;
            let payload = encode(claims.to_string().as_bytes());
            named(name, format!("{}.{payload}.{}", self.header, self.signature))
        });
        Ok(changed.collect())
    }

    /// Other signatures under the old payload.
    fn other_signatures(&self) -> Result<Vec<(String, String)>> {
        let good = decode(self.signature)?;
        let flipped: Vec<u8> = good
            .iter()
            .enumerate()
            .map(|(at, byte)| byte ^ u8::from(at == 17))
            .collect();
        let signatures = [
            ("an empty signature", Vec::new()),
            ("a signature cut by one", good[..good.len() - 1].to_vec()),
            ("a signature longer by one", [&good[..], &[0]].concat()),
            ("a signature with a zero before it", [&[0], &good[..]].concat()),
            ("a signature twice", [&good[..], &good[..]].concat()),
            ("a signature with one bit changed", flipped),
            ("a signature of zeros", vec![0; good.len()]),
            ("a signature of one", [vec![0; good.len() - 1], vec![1]].concat()),
            ("a signature of ones", vec![0xff; good.len()]),
            ("the modulus as signature", self.keys.n.clone()),
            ("a signature of 4 KB", vec![1; 3000]),
        ];
        Ok(signatures
            .into_iter()
            .map(|(name, signature)| {
                named(
                    name,
                    format!("{}.{}.{}", self.header, self.payload, encode(&signature)),
                )
            })
            .collect())
    }

    /// The same token, spelt otherwise.
    fn other_spellings(&self) -> Vec<(String, String)> {
        let Self {
            header,
            payload,
            signature,
            ..
        } = self;
        let token = format!("{header}.{payload}.{signature}");
        let general = json!({
            "payload": payload,
            "signatures": [
                { "protected": header, "signature": signature },
                { "protected": header, "signature": signature },
            ],
        });
        let flattened = json!({ "payload": payload, "protected": header, "signature": signature });
        let doubled = format!(
            "{{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"{}\",\"typ\":\"at+jwt\"}}",
            self.keys.kid
        );
        vec![
            named("a padded signature", format!("{token}==")),
            named("a padded header", format!("{header}=.{payload}.{signature}")),
            named("a padded payload", format!("{header}.{payload}==.{signature}")),
            named(
                "a signature with stray bits",
                format!("{header}.{payload}.{}", with_stray_bits(signature)),
            ),
            named("a blank inside", format!("{header}.{payload}. {signature}")),
            named(
                "a blank before the payload",
                format!("{header}. {payload}.{signature}"),
            ),
            named("a tab inside", format!("{header}.\t{payload}.{signature}")),
            named(
                "the standard alphabet",
                format!("{header}.{payload}.+/{}", &signature[2..]),
            ),
            named("two signatures", format!("{token}.{signature}")),
            named("two tokens", format!("{token},{token}")),
            named("two tokens with a blank", format!("{token} {token}")),
            named("a dot before it", format!(".{token}")),
            named("a dot behind it", format!("{token}.")),
            named("in quotes", format!("\"{token}\"")),
            named("general JSON", general.to_string()),
            named("flattened JSON", flattened.to_string()),
            named("encoded once more", encode(token.as_bytes())),
            named(
                "alg twice",
                format!("{}.{payload}.{signature}", encode(doubled.as_bytes())),
            ),
            named("the shape of a JWE", format!("{token}.AAAA.AAAA")),
            named("no signature part", format!("{header}.{payload}")),
            named("no payload", format!("{header}..{signature}")),
            named("no header", format!(".{payload}.{signature}")),
        ]
    }

    /// What is no token at all.
    fn no_tokens(&self) -> Vec<(String, String)> {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        let header = |bytes: &[u8]| format!("{}.{}.{}", encode(bytes), self.payload, self.signature);
        vec![
            named("64 hex digits", "ab".repeat(32)),
            named("one letter", "a"),
            named("a dot", "."),
            named("two dots", ".."),
            named("three dots", "..."),
            named("6 KB of dots", ".".repeat(6000)),
            named("6 KB of letters", "a".repeat(6000)),
            named("an empty object", "e30.e30.e30"),
            named("a header that is a list", header(b"[]")),
            named("a header that is null", header(b"null")),
            named("a header that is no UTF-8", header(b"{\"alg\":\"\xff\"}")),
            named(
                "a header with something behind it",
                header(br#"{"alg":"RS256","typ":"at+jwt"} x"#),
            ),
            named("a header that is deep", header(deep.as_bytes())),
            named(
                "a header with a byte order mark",
                header(b"\xef\xbb\xbf{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}"),
            ),
        ]
    }
}

/// The last letter of an encoding carries bits that mean nothing; lax readers take any.
fn with_stray_bits(text: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = text.split_at(text.len() - 1);
    let at = ALPHABET.find(last).unwrap_or_default();
    let next = ALPHABET.chars().nth(at ^ 1).unwrap_or('A');
    format!("{rest}{next}")
}
