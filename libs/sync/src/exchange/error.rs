//! Everything that can end an exchange. The webhead's table turns each into an answer of `tokenserver.md` section 4.

use std::{collections::BTreeMap, time::Duration};

use foxhold_core::record::ServiceKey;
use foxhold_ports::{Cause, ReadError, Refusal, WriteError, limits::Throttled, signer::SignError};
use thiserror::Error;

use crate::{
    credential::{AssertionError, VerifyError},
    first_assignments::Limited,
    key_id::KeyIdError,
    reason::Reason,
    state::StateRefusal,
};

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExchangeError {
    /// No service of that app.
    #[error("unknown application")]
    UnknownApp,
    /// The app has no such version.
    #[error("unknown version of the application")]
    UnknownVersion(String),
    /// `X-Client-State`, or the client state in `X-KeyID`, has not the allowed form.
    #[error("the client state has not the allowed form")]
    ClientStateForm,
    /// No `Authorization`, or no blank in it.
    #[error("no usable authorization header")]
    NoAuthorization,
    /// Unknown scheme, or one that is not enabled.
    #[error("authorization scheme not supported")]
    UnknownScheme,
    /// The credential does not hold. The reason is for logs.
    #[error("invalid credential: {}", .0.code())]
    InvalidCredentials(Reason),
    /// The credential is longer than any that is good.
    #[error("the credential is too long")]
    CredentialTooLong,
    /// A time in the credential is over or has not come. The reason is for logs.
    #[error("credential not valid now: {}", .0.code())]
    InvalidTimestamp(Reason),
    /// The credential's time of the key change is not a number.
    #[error("the credential's time of the key change is not a number")]
    KeysChangedAtForm,
    /// The credential's generation is not a number.
    #[error("the credential's generation is not a number")]
    GenerationForm,
    /// No `X-KeyID`.
    #[error("no key id")]
    MissingKeyId,
    /// `X-KeyID` is not ASCII.
    #[error("the key id is not ASCII")]
    NonAsciiKeyId,
    /// `X-Client-State` and `X-KeyID` disagree.
    #[error("the two client states disagree")]
    ClientStateMismatch,
    /// Too many tokens.
    #[error("too many tokens")]
    Throttled {
        /// When to come back.
        retry_after: Duration,
    },
    /// The service has terms that must be accepted: name to URL.
    #[error("the terms have not been accepted")]
    ConditionsRequired(BTreeMap<String, String>),
    /// No record, and the service takes no new users, or not this one.
    #[error("the service takes no new users")]
    NewUsersDisabled,
    /// No record, and too many new users lately.
    #[error(transparent)]
    NewUsersLimited(#[from] Limited),
    /// The state rules.
    #[error("state rules: {0}")]
    State(#[from] StateRefusal),
    /// The service is known, but not where it is served.
    #[error("service {} has no endpoint pattern", .0.0)]
    NoPattern(ServiceKey),
    /// No node has room.
    #[error("unable to get a node")]
    NoNode,
    /// All uids are handed out.
    #[error("unable to get a uid")]
    NoUid,
    /// The user has changed keys more often than data of before was purged.
    #[error("too many records of the user wait to be purged")]
    TooManyPast,
    /// Others changed the same user's records, round after round.
    #[error("the user's records kept changing")]
    Contended,
    /// The keys to verify under cannot be had, or the credential's issuer not be asked.
    #[error("nobody to verify the credential with")]
    NoKeys(#[source] Cause),
    /// The store did not answer, or did not in time. Covers reads and writes.
    #[error("the store did not answer")]
    Store(#[source] Cause),
    /// The signer did not answer.
    #[error("the signer did not answer")]
    Signer(#[source] Cause),
    /// Something that must not be. The text is for logs.
    #[error("broken: {0}")]
    Broken(&'static str),
}

impl From<KeyIdError> for ExchangeError {
    fn from(error: KeyIdError) -> Self {
        match error {
            KeyIdError::Malformed => Self::InvalidCredentials(Reason::KeyIdForm),
            KeyIdError::ClientStateLength => Self::ClientStateForm,
        }
    }
}

impl From<VerifyError> for ExchangeError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Invalid(reason) => Self::InvalidCredentials(reason),
            VerifyError::Generation => Self::GenerationForm,
            VerifyError::Unavailable(cause) => Self::NoKeys(cause),
        }
    }
}

impl From<AssertionError> for ExchangeError {
    fn from(error: AssertionError) -> Self {
        match error {
            AssertionError::Invalid(reason) => Self::InvalidCredentials(reason),
            AssertionError::Time(reason) => Self::InvalidTimestamp(reason),
            AssertionError::Generation => Self::GenerationForm,
            AssertionError::KeysChangedAt => Self::KeysChangedAtForm,
            AssertionError::Unavailable(cause) => Self::NoKeys(cause),
        }
    }
}

impl From<Throttled> for ExchangeError {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled {
            retry_after: throttled.retry_after,
        }
    }
}

impl From<ReadError> for ExchangeError {
    fn from(ReadError(cause): ReadError) -> Self {
        Self::Store(cause)
    }
}

impl From<WriteError> for ExchangeError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotDone(cause) | WriteError::Unknown(cause) => Self::Store(cause),
            WriteError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for ExchangeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoNode => Self::NoNode,
            Refusal::NoUid => Self::NoUid,
            Refusal::Closed => Self::NewUsersDisabled,
            Refusal::TooManyPast => Self::TooManyPast,
            Refusal::Conflict => Self::Contended,
            // The service went away after it was looked up; a retry will say so.
            Refusal::UnknownService => Self::Store(Cause::Unavailable),
            Refusal::EmailTaken
            | Refusal::UnknownAccount
            | Refusal::TokenSpent
            | Refusal::UnknownNode
            | Refusal::OperationReused => Self::Broken("the writer refused what was not asked"),
        }
    }
}

impl From<SignError> for ExchangeError {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Refused | SignError::UnfitKey => Self::Broken("the signer refused the order"),
            SignError::NoNodeSecret => Self::Broken("the signer has no secret for the node"),
            SignError::NotDone(cause) => Self::Signer(cause),
        }
    }
}
