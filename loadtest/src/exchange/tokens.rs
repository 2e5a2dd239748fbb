//! Access tokens and the requests that carry them, signed beforehand by a key that is for tests only.

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
    signature::{RSA_PKCS1_SHA256, RsaPublicKeyComponents},
};

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

/// One request a user, ready to be sent.
pub(super) fn requests(users: usize) -> Result<Vec<Vec<u8>>> {
    let (key, random, now) = (key_pair()?, SystemRandom::new(), SystemClock.now());
    (0..users).map(|user| request(&key, &random, now, user)).collect()
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
