//! Access tokens and the requests that carry them, signed beforehand by a key that is for tests only.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use foxhold_core::{Clock, Timestamp, Uid};
use foxhold_crypto::{
    access_token::NewAccessToken,
    rsa_key::{KeySet, NamedKey, RsaPublicKey},
};
use foxhold_runtime::SystemClock;
use ring::{
    rand::SystemRandom,
    rsa::KeyPair,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};

use crate::cpu;

const KEY: &[u8] = include_bytes!("../../../libs/crypto/testdata/rsa-2048-for-tests.der");
const KID: &str = "loadtest";

/// The scope of sync.
pub(super) const SCOPE: &str = "https://identity.mozilla.com/apps/oldsync";

fn key_pair() -> Result<KeyPair> {
    KeyPair::from_der(KEY).ok().context("the test key")
}

/// The public key, under its name.
pub(super) fn public_key() -> Result<NamedKey> {
    let parts: RsaPublicKeyComponents<Vec<u8>> = key_pair()?.public().into();
    Ok(NamedKey {
        kid: KID.to_owned(),
        key: RsaPublicKey::new(&parts.n, &parts.e)?,
    })
}

/// The key set that verifies the tokens.
pub(super) fn key_set() -> Result<KeySet> {
    Ok(KeySet::new(vec![public_key()?]))
}

/// CPU time of one bare verification, in microseconds: of as many tokens as fit into `span`, on one thread.
pub(super) fn verification(span: Duration) -> Result<f64> {
    let (key, random) = (key_pair()?, SystemRandom::new());
    let parts: RsaPublicKeyComponents<Vec<u8>> = key.public().into();
    let message = vec![b'x'; 700];
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature)
        .ok()
        .context("signing")?;
    let process = std::process::id();
    let (began, before) = (Instant::now(), cpu::time_of(process)?);
    let mut verified = 0_u32;
    while began.elapsed() < span {
        for _ in 0..100 {
            let holds = parts.verify(&RSA_PKCS1_2048_8192_SHA256, &message, &signature);
            holds.ok().context("the signature does not hold")?;
            verified += 1;
        }
    }
    let spent = cpu::time_of(process)?.saturating_sub(before);
    Ok(spent.as_secs_f64() * 1_000_000.0 / f64::from(verified))
}

/// One request a user, ready to be sent.
pub(crate) fn requests(users: usize) -> Result<Vec<Vec<u8>>> {
    let (key, random, now) = (key_pair()?, SystemRandom::new(), SystemClock.now());
    (0..users).map(|user| request(&key, &random, now, user)).collect()
}

/// What is wrong with a credential, and requests with such ones.
type Refused = (&'static str, Vec<Vec<u8>>);

/// Requests that are refused, so many of each kind.
pub(super) fn refused(number: usize) -> Result<Vec<Refused>> {
    let good = requests(number)?;
    let with = |change: &dyn Fn(&str) -> String| -> Result<Vec<Vec<u8>>> {
        good.iter().map(|request| with_token(request, change)).collect()
    };
    Ok(vec![
        ("a forged signature", with(&forged)?),
        ("not a token", with(&|_| "garbage".to_owned())?),
        (
            "no key id",
            good.iter()
                .map(|request| without_key_id(request))
                .collect::<Result<_>>()?,
        ),
    ])
}

/// Another digit in the middle of the signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let middle = signature.len() / 2;
    let other = if signature[middle..].starts_with('A') {
        'B'
    } else {
        'A'
    };
    format!(
        "{signed}.{}{other}{}",
        &signature[..middle],
        &signature[middle + 1..]
    )
}

fn with_token(request: &[u8], change: &dyn Fn(&str) -> String) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(request)?;
    let (before, rest) = text.split_once("Bearer ").context("no token")?;
    let (token, after) = rest.split_once("\r\n").context("no end")?;
    Ok(format!("{before}Bearer {}\r\n{after}", change(token)).into_bytes())
}

fn without_key_id(request: &[u8]) -> Result<Vec<u8>> {
    let text = std::str::from_utf8(request)?;
    let (before, _) = text.split_once("X-KeyID").context("no key id")?;
    Ok(format!("{before}\r\n").into_bytes())
}

fn request(key: &KeyPair, random: &SystemRandom, now: Timestamp, user: usize) -> Result<Vec<u8>> {
    let mut uid = [7; 16];
    uid[..8].copy_from_slice(&(user as u64).to_be_bytes());
    let new = NewAccessToken {
        issuer: "http://localhost",
        uid: Uid::from_bytes(uid),
        audience: "5882386c6d801776",
        client_id: "5882386c6d801776".parse()?,
        issued_at: now,
        expires: Timestamp::from_secs(now.as_secs() + 21_600),
        jti: &format!("{user:064x}"),
        scope: SCOPE,
        generation: now,
        profile_changed_at: Some(now),
    };
    let unsigned = new.unsigned(KID);
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        random,
        unsigned.signing_input(),
        &mut signature,
    )
    .ok()
    .context("signing")?;
    let token = unsigned.with_signature(&signature);
    let key_id = format!("{}-AAAAAAAAAAAAAAAAAAAAAA", now.as_millis());
    Ok(format!(
        "GET /1.0/sync/1.5 HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0\r\n\
         Authorization: Bearer {token}\r\nX-KeyID: {key_id}\r\n\r\n"
    )
    .into_bytes())
}
