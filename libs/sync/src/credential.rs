//! The credential of a token exchange: taking it out of `Authorization`, and what a verified one says
//! (`tokenserver.md` sections 2 and 8).
//!
//! Called by [`exchange`](crate::exchange). Verifying needs published keys, or another server's opinion, so it stands
//! behind [`TokenVerifier`] and [`AssertionVerifier`].

use std::{net::IpAddr, num::NonZeroU64};

use async_trait::async_trait;
use foxhold_core::{
    Deadline, Timestamp,
    record::{Generation, ServicePolicy, UserKey},
};
use foxhold_ports::Cause;
use thiserror::Error;

use crate::reason::Reason;

/// An `Authorization` header, taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// `Bearer` and the token, verbatim.
    Bearer(&'a str),
    /// `BrowserID`, in its spelling of today or of before 2014, and the bundle, verbatim.
    BrowserId(&'a str),
}

/// An `Authorization` header that leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AuthorizationError {
    /// There is none, or there is no blank in it.
    #[error("no usable authorization header")]
    Missing,
    /// The scheme is unknown or not enabled.
    #[error("authorization scheme not supported")]
    UnknownScheme,
    /// The credential is no text.
    #[error("the credential is not text")]
    NotText,
}

impl<'a> Authorization<'a> {
    /// Splits once at the first blank; the scheme's case does not matter.
    ///
    /// # Errors
    /// [`AuthorizationError`].
    pub fn parse(header: Option<&'a [u8]>) -> Result<Self, AuthorizationError> {
        let header = header.ok_or(AuthorizationError::Missing)?;
        let blank = header
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or(AuthorizationError::Missing)?;
        let (scheme, credential) = (&header[..blank], &header[blank + 1..]);
        let of_scheme = Self::of_scheme(scheme).ok_or(AuthorizationError::UnknownScheme)?;
        std::str::from_utf8(credential)
            .map(of_scheme)
            .map_err(|_| AuthorizationError::NotText)
    }

    fn of_scheme(scheme: &[u8]) -> Option<fn(&'a str) -> Self> {
        let is = |name: &[u8]| scheme.eq_ignore_ascii_case(name);
        if is(b"bearer") {
            Some(Self::Bearer)
        } else if is(b"browserid") || is(b"browser-id") {
            Some(Self::BrowserId)
        } else {
            None
        }
    }
}

/// Uids are 32 digits; other issuers may have other ideas, but not of any length.
pub(crate) const UID_LEN_MAX: usize = 255;

/// Whether a text can be the uid in a user key: nothing in it may be taken for the domain, or for white space.
#[must_use]
pub fn is_uid(text: &str) -> bool {
    let is_usable = |letter: char| letter != '@' && !letter.is_whitespace() && !letter.is_control();
    (1..=UID_LEN_MAX).contains(&text.len()) && text.chars().all(is_usable)
}

/// What an access token says that holds. Not shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// The account's uid: `sub` of a signed token.
    pub fxa_uid: String,
    /// Granted scopes, separated by blanks.
    pub scope: String,
    /// `fxa-generation` of a signed token, in ms; absent = 0.
    pub generation: Generation,
}

impl std::fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifiedToken(..)")
    }
}

/// A token that was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// It is no valid token of the issuer's. The reason is for logs, never for clients.
    #[error("the token is not valid: {}", .0.code())]
    Invalid(Reason),
    /// `fxa-generation` is there and not a whole number.
    #[error("the token's generation is not a number")]
    Generation,
    /// The keys it would verify under cannot be had, or its issuer not be asked: says nothing about the token.
    #[error("the issuer did not answer")]
    Unavailable(#[source] Cause),
}

/// Verifies access tokens of the one issuer whose users the Token Server has.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// What the token says, if it holds now: by signature, type and times, or in its issuer's word. `from` is the client's
    /// address: where somebody has to be asked, no client may keep the others waiting.
    async fn verify(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        token: &str,
    ) -> Result<VerifiedToken, VerifyError>;
}

/// What a verified BrowserID bundle says. Not shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedAssertion {
    /// The principal: the same key that an access token of this account leads to.
    pub user: UserKey,
    /// Whose certificate vouches for it: the principal's domain, or an issuer that is trusted with others'.
    pub issuer: String,
    /// `fxa-generation`, in ms; absent = 0.
    pub generation: Generation,
    /// `fxa-keysChangedAt`, in ms.
    pub keys_changed_at: Option<NonZeroU64>,
    /// `fxa-deviceId`.
    pub device_id: Option<String>,
    /// `fxa-lastAuthAt`: when the user last typed the password.
    pub last_auth_at: Option<Timestamp>,
}

impl std::fmt::Debug for VerifiedAssertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VerifiedAssertion(..)")
    }
}

/// A bundle that was not accepted. The reasons are for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AssertionError {
    /// It proves nothing, or nothing to this service.
    #[error("the bundle is not valid: {}", .0.code())]
    Invalid(Reason),
    /// One of its times is over or has not come.
    #[error("the bundle is not valid now: {}", .0.code())]
    Time(Reason),
    /// `fxa-generation` is there and not a whole number.
    #[error("the bundle's generation is not a number")]
    Generation,
    /// `fxa-keysChangedAt` is there and not a whole number.
    #[error("the bundle's time of the key change is not a number")]
    KeysChangedAt,
    /// Its issuer cannot be asked: says nothing about the bundle.
    #[error("the issuer did not answer")]
    Unavailable(#[source] Cause),
}

/// Verifies BrowserID bundles.
#[async_trait]
pub trait AssertionVerifier: Send + Sync {
    /// Whom the bundle stands for, if its signatures and times hold and `policy` takes its issuer. `from` as for tokens.
    async fn verify(
        &self,
        by: Deadline,
        from: Option<IpAddr>,
        bundle: &str,
        policy: &ServicePolicy,
    ) -> Result<VerifiedAssertion, AssertionError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_that_can_stand_in_a_user_key() {
        let (long, longer) = ("a".repeat(255), "a".repeat(256));
        for good in ["a1b2c3d4e5f60718293a4b5c6d7e8f90", "x", "\u{e9}", &long] {
            assert!(is_uid(good), "{good}");
        }
        for bad in ["", "a@b", "@", "a b", "a\n", "a\0", "\u{a0}", &longer] {
            assert!(!is_uid(bad), "{bad:?}");
        }
    }

    #[test]
    fn forms_of_the_header() {
        use AuthorizationError::{Missing, NotText, UnknownScheme};
        type Row = (
            &'static str,
            Option<&'static [u8]>,
            Result<(&'static str, &'static str), AuthorizationError>,
        );
        let table: [Row; 12] = [
            ("none", None, Err(Missing)),
            ("empty", Some(b""), Err(Missing)),
            ("no blank", Some(b"Bearer"), Err(Missing)),
            ("plain", Some(b"Bearer abc"), Ok(("token", "abc"))),
            ("any case", Some(b"bEARER abc"), Ok(("token", "abc"))),
            (
                "verbatim after the first blank",
                Some(b"Bearer  a b "),
                Ok(("token", " a b ")),
            ),
            ("unknown", Some(b"Basic abc"), Err(UnknownScheme)),
            ("a bundle", Some(b"BrowserID a~b"), Ok(("bundle", "a~b"))),
            ("in any case", Some(b"browserid a~b"), Ok(("bundle", "a~b"))),
            (
                "as it once was called",
                Some(b"Browser-ID a~b"),
                Ok(("bundle", "a~b")),
            ),
            ("nearly", Some(b"Browser a~b"), Err(UnknownScheme)),
            ("no text", Some(b"Bearer \xff"), Err(NotText)),
        ];
        for (name, header, expected) in table {
            let parsed = Authorization::parse(header).map(|parsed| match parsed {
                Authorization::Bearer(token) => ("token", token),
                Authorization::BrowserId(bundle) => ("bundle", bundle),
            });
            assert_eq!(parsed, expected, "{name}");
        }
    }
}
