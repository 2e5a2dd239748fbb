//! The Authorization header: `Hawk name="value", …`, read strictly.

use thiserror::Error;

use super::{Artifacts, Request, payload_hash, request_mac};
use crate::mac;

/// A header as sent. Nothing in it is proven before [`Header::is_signed_by`] said so.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    id: &'a str,
    mac: &'a str,
    ts_secs: u64,
    artifacts: Artifacts<'a>,
}

/// Why a header is no Hawk header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Another scheme (accounts: 401/110).
    #[error("not the Hawk scheme")]
    OtherScheme,
    /// The Hawk scheme with anything else than it allows (accounts: 401/109).
    #[error("malformed Hawk header")]
    Malformed,
}

impl<'a> Header<'a> {
    /// The longest header that is read.
    pub const LEN_MAX: usize = 4096;

    /// Reads the value of an Authorization header. Allowed are `id ts nonce hash ext mac app dlg`, each at most once,
    /// with values of printable ASCII; `id ts nonce mac` must be there.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn parse(value: &'a [u8]) -> Result<Self, HeaderError> {
        let rest = after_scheme(value).ok_or(HeaderError::OtherScheme)?;
        if value.len() > Self::LEN_MAX {
            return Err(HeaderError::Malformed);
        }
        let text = std::str::from_utf8(rest).map_err(|_| HeaderError::Malformed)?;
        Attributes::parse(text)
            .and_then(Attributes::complete)
            .ok_or(HeaderError::Malformed)
    }

    /// The id as sent: its form is the caller's to check.
    #[must_use]
    pub const fn id(&self) -> &'a str {
        self.id
    }

    /// The time the client signed at, by its own clock, in seconds.
    #[must_use]
    pub const fn ts_secs(&self) -> u64 {
        self.ts_secs
    }

    /// Whether the client signed a payload hash.
    #[must_use]
    pub const fn has_payload_hash(&self) -> bool {
        self.artifacts.hash.is_some()
    }

    /// Whether the payload hash, if there is one, is that of this body. Constant time.
    #[must_use]
    pub fn payload_matches(&self, content_type: &str, body: &[u8]) -> bool {
        self.artifacts
            .hash
            .is_none_or(|hash| mac::same(hash.as_bytes(), payload_hash(content_type, body).as_bytes()))
    }

    /// Whether the MAC is right for this key and request. Constant time.
    #[must_use]
    pub fn is_signed_by(&self, key: &[u8], request: &Request<'_>) -> bool {
        mac::same(
            self.mac.as_bytes(),
            request_mac(key, request, &self.artifacts).as_bytes(),
        )
    }

    /// What an exact replay has in common with its first use, and nothing else has: for the memory of used nonces.
    #[must_use]
    pub fn replay_mark(&self) -> [u8; 16] {
        // A quote cannot be in a value, so no two headers read alike.
        let [id, ts, nonce, mac] =
            [self.id, self.artifacts.ts, self.artifacts.nonce, self.mac].map(str::as_bytes);
        let digest = mac::sha256(&[id, b"\"", ts, b"\"", nonce, b"\"", mac]);
        let (mark, _) = digest.split_first_chunk().expect("a SHA-256 has 32 bytes");
        *mark
    }
}

/// What follows `Hawk` and at least one blank.
fn after_scheme(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(4)?;
    (scheme.eq_ignore_ascii_case(b"hawk") && (rest.is_empty() || rest[0] == b' ')).then_some(rest)
}

#[derive(Default)]
struct Attributes<'a> {
    id: Option<&'a str>,
    mac: Option<&'a str>,
    ts: Option<&'a str>,
    nonce: Option<&'a str>,
    hash: Option<&'a str>,
    ext: Option<&'a str>,
    app: Option<&'a str>,
    dlg: Option<&'a str>,
}

impl<'a> Attributes<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut found = Self::default();
        let mut rest = text.trim_matches(' ');
        loop {
            let (name, after_name) = rest.split_once("=\"")?;
            let (value, after_value) = after_name.split_once('"')?;
            if !is_value(value) || found.slot(name)?.replace(value).is_some() {
                return None;
            }
            let after_value = after_value.trim_start_matches(' ');
            if after_value.is_empty() {
                return Some(found);
            }
            rest = after_value.strip_prefix(',')?.trim_start_matches(' ');
        }
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        match name {
            "id" => Some(&mut self.id),
            "ts" => Some(&mut self.ts),
            "nonce" => Some(&mut self.nonce),
            "hash" => Some(&mut self.hash),
            "ext" => Some(&mut self.ext),
            "mac" => Some(&mut self.mac),
            "app" => Some(&mut self.app),
            "dlg" => Some(&mut self.dlg),
            _ => None,
        }
    }

    fn complete(self) -> Option<Header<'a>> {
        let ts = self.ts?;
        let ts_secs = ts
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then(|| ts.parse().ok())??;
        // "With app two more lines follow": dlg alone would be outside of the MAC.
        if self.dlg.is_some() && self.app.is_none() {
            return None;
        }
        let artifacts = Artifacts {
            ts,
            nonce: self.nonce?,
            hash: self.hash,
            ext: self.ext,
            app: self.app,
            dlg: self.dlg,
        };
        Some(Header {
            id: self.id?,
            mac: self.mac?,
            ts_secs,
            artifacts,
        })
    }
}

/// Printable ASCII without backslash, not empty. The quote has ended the value already.
fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\')
}
