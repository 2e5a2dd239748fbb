//! The credential of a token exchange: taking it out of `Authorization`, and what a verified one says
//! (`tokenserver.md` sections 2 and 8).
//!
//! Called by [`exchange`](crate::exchange). Verifying needs published keys, so it stands behind [`TokenVerifier`].

use async_trait::async_trait;
use foxhold_core::{Deadline, record::Generation};
use foxhold_ports::Cause;
use thiserror::Error;

/// An `Authorization` header, taken apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Authorization<'a> {
    /// `Bearer` and the token, verbatim.
    Bearer(&'a str),
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
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return Err(AuthorizationError::UnknownScheme);
        }
        std::str::from_utf8(credential)
            .map(Self::Bearer)
            .map_err(|_| AuthorizationError::NotText)
    }
}

/// What a verified access token says. Not shown in Debug.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    /// `sub`: the account's uid.
    pub fxa_uid: String,
    /// `scope`: granted scopes, separated by blanks.
    pub scope: String,
    /// `fxa-generation`, in ms; absent = 0.
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
    /// It is no valid token of ours. The text is a reason for logs, never for clients.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// `fxa-generation` is there and not a whole number.
    #[error("the token's generation is not a number")]
    Generation,
    /// The keys it would verify under cannot be had: says nothing about the token.
    #[error("the published keys cannot be had")]
    Unavailable(#[source] Cause),
}

/// Verifies access tokens of the own issuer.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// What the token says, if its signature, type and times hold.
    async fn verify(&self, by: Deadline, token: &str) -> Result<VerifiedToken, VerifyError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_the_header() {
        use AuthorizationError::{Missing, NotText, UnknownScheme};
        type Row = (
            &'static str,
            Option<&'static [u8]>,
            Result<&'static str, AuthorizationError>,
        );
        let table: [Row; 9] = [
            ("none", None, Err(Missing)),
            ("empty", Some(b""), Err(Missing)),
            ("no blank", Some(b"Bearer"), Err(Missing)),
            ("plain", Some(b"Bearer abc"), Ok("abc")),
            ("any case", Some(b"bEARER abc"), Ok("abc")),
            (
                "verbatim after the first blank",
                Some(b"Bearer  a b "),
                Ok(" a b "),
            ),
            ("unknown", Some(b"Basic abc"), Err(UnknownScheme)),
            ("not enabled", Some(b"BrowserID a~b"), Err(UnknownScheme)),
            ("no text", Some(b"Bearer \xff"), Err(NotText)),
        ];
        for (name, header, expected) in table {
            let parsed = Authorization::parse(header).map(|Authorization::Bearer(token)| token);
            assert_eq!(parsed, expected, "{name}");
        }
    }
}
