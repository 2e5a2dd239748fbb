//! Hawk (`accounts.md` (b), `storage.md` section 3): the header parser, the MAC and the payload hash, for accounts
//! (hex id, 32-byte key) and storage nodes (token as id, key as text); and the signing side for the page, tests and
//! load. Only syntax and cryptography: clock skew, replay and look-up are the caller's rules.

mod header;
mod target;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::Mac;
use sha2::{Digest, Sha256};

pub use self::{
    header::{Header, HeaderError},
    target::{Target, TargetError},
};
use crate::mac;

/// What of a request is under the MAC.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// As on the request line, upper case.
    pub method: &'a str,
    /// Path and query exactly as on the request line.
    pub path_and_query: &'a str,
    /// From the configured public address, never from the listener; the case does not count.
    pub host: &'a str,
    /// From the configured public address; 80 or 443 where that names none.
    pub port: u16,
}

/// The attributes of a header that are under the MAC.
#[derive(Debug, Clone, Copy, Default)]
struct Artifacts<'a> {
    ts: &'a str,
    nonce: &'a str,
    hash: Option<&'a str>,
    ext: Option<&'a str>,
    app: Option<&'a str>,
    dlg: Option<&'a str>,
}

/// The MAC as header text.
fn request_mac(key: &[u8], request: &Request<'_>, artifacts: &Artifacts<'_>) -> String {
    let mut mac = mac::keyed(key);
    let port = request.port.to_string();
    let host = request.host.to_ascii_lowercase();
    let mut line = |text: &str| {
        mac.update(text.as_bytes());
        mac.update(b"\n");
    };
    line("hawk.1.header");
    line(artifacts.ts);
    line(artifacts.nonce);
    line(request.method);
    line(request.path_and_query);
    line(&host);
    line(&port);
    line(artifacts.hash.unwrap_or_default());
    line(artifacts.ext.unwrap_or_default());
    if let Some(app) = artifacts.app {
        line(app);
        line(artifacts.dlg.unwrap_or_default());
    }
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// The payload hash: of the media type without parameters, in lower case, and the body as sent.
#[must_use]
pub fn payload_hash(content_type: &str, body: &[u8]) -> String {
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let mut hash = Sha256::new();
    for part in [
        b"hawk.1.payload\n".as_slice(),
        media_type.as_bytes(),
        b"\n",
        body,
        b"\n",
    ] {
        hash.update(part);
    }
    BASE64_STANDARD.encode(hash.finalize())
}

/// What a client signs with.
pub struct Credentials<'a> {
    /// The token id in hex, or a node token.
    pub id: &'a str,
    /// The key's bytes; for a node token the bytes of its text.
    pub key: &'a [u8],
}

/// A body that the signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Payload<'a> {
    /// The Content-Type header.
    pub content_type: &'a str,
    /// The body as sent.
    pub body: &'a [u8],
}

/// The value of the Authorization header for `request` (client side). `nonce` must be new for each request and free
/// of `"` and `\`; `ts_secs` is the time in seconds.
#[must_use]
pub fn sign(
    credentials: &Credentials<'_>,
    request: &Request<'_>,
    ts_secs: u64,
    nonce: &str,
    payload: Option<Payload<'_>>,
) -> String {
    let ts = ts_secs.to_string();
    let hash = payload.map(|payload| payload_hash(payload.content_type, payload.body));
    let artifacts = Artifacts {
        ts: &ts,
        nonce,
        hash: hash.as_deref(),
        ..Artifacts::default()
    };
    let mac = request_mac(credentials.key, request, &artifacts);
    let id = credentials.id;
    match hash {
        Some(hash) => format!(r#"Hawk id="{id}", ts="{ts}", nonce="{nonce}", hash="{hash}", mac="{mac}""#),
        None => format!(r#"Hawk id="{id}", ts="{ts}", nonce="{nonce}", mac="{mac}""#),
    }
}

#[cfg(test)]
mod tests;
