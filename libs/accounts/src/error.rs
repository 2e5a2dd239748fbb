//! Why an account call is refused, with what the client is told beside the code (`accounts.md`, Errors).
//! The webhead turns this into its one error envelope.

use std::time::Duration;

use foxhold_core::{ClientId, DeviceId, ErrorCode, Timestamp};
use foxhold_ports::{Cause, ReadError, limits::Throttled, signer::SignError, stretcher::StretchError};
use thiserror::Error;

/// How long a client waits before it comes back when nothing better is known.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// A refused call. Addresses in it are the client's own words or belong to whom it has named; they go into the answer
/// and never into a log, so there is no Debug of theirs to leak: [`fmt::Debug`](std::fmt::Debug) shows the code only.
#[derive(Error)]
pub enum AccountError {
    /// 101; the stored spelling.
    #[error("account already exists")]
    AccountExists {
        /// As stored.
        email: String,
    },
    /// 102; the address as sent, if the call named one.
    #[error("unknown account")]
    UnknownAccount {
        /// As sent.
        email: Option<String>,
    },
    /// 103; the address as sent.
    #[error("incorrect password")]
    WrongPassword {
        /// As sent.
        email: String,
    },
    /// 104.
    #[error("unverified account")]
    UnverifiedAccount,
    /// 105.
    #[error("invalid verification code")]
    WrongCode,
    /// 105, for the code of a forgotten password.
    #[error("invalid reset code")]
    WrongResetCode {
        /// How many more may be tried.
        tries: u8,
        /// For how long.
        ttl: Duration,
    },
    /// 107; the field's name.
    #[error("invalid parameter in request body")]
    BadParameter(&'static str),
    /// 108; the field's name.
    #[error("missing parameter in request body")]
    MissingParameter(&'static str),
    /// 110.
    #[error("invalid, unknown or expired token")]
    BadToken,
    /// 114.
    #[error("too many requests")]
    Throttled {
        /// When the block ends.
        retry_after: Duration,
    },
    /// 120; the stored spelling, which is the salt the client has to use.
    #[error("incorrect e-mail case")]
    EmailCase {
        /// As stored.
        email: String,
    },
    /// 123.
    #[error("unknown device")]
    UnknownDevice,
    /// 124; the device the session is bound to.
    #[error("session already registered by another device")]
    DeviceConflict {
        /// That device.
        device: DeviceId,
    },
    /// 125: by an operator. The password was right, or nobody asked for it.
    #[error("the account is disabled")]
    AccountDisabled,
    /// 138.
    #[error("unverified session")]
    UnverifiedSession,
    /// 151.
    #[error("mail could not be sent")]
    MailNotSent {
        /// To an address that this very call has brought: another one may help.
        new_address: bool,
    },
    /// 152: a code to type, told by the older call.
    #[error("invalid token verification code")]
    WrongTokenCode,
    /// 153: one that was right once, told by the older call.
    #[error("expired token verification code")]
    ExpiredTokenCode,
    /// 154.
    #[error("a second factor is enabled")]
    TotpExists,
    /// 155.
    #[error("no second factor")]
    TotpNotFound,
    /// 156.
    #[error("unknown backup code")]
    UnknownBackupCode,
    /// 157.
    #[error("device command unavailable")]
    CommandUnavailable,
    /// 158.
    #[error("unknown recovery key")]
    UnknownRecoveryKey,
    /// 159.
    #[error("another recovery key")]
    WrongRecoveryKey,
    /// 161.
    #[error("a recovery key exists")]
    RecoveryKeyExists,
    /// 162.
    #[error("unknown client")]
    UnknownClient {
        /// As sent.
        client: ClientId,
    },
    /// 163; the scopes that are too much.
    #[error("requested scopes are not allowed")]
    ScopesNotAllowed {
        /// Separated by blanks.
        scopes: String,
    },
    /// 164.
    #[error("stale authentication")]
    StaleAuth {
        /// When the session's password was given.
        auth_at: Timestamp,
    },
    /// 167.
    #[error("incorrect redirect URI")]
    BadRedirect,
    /// 168.
    #[error("invalid response type")]
    BadResponseType,
    /// 169.
    #[error("public clients require PKCE")]
    MissingPkce,
    /// 170.
    #[error("a second factor is required")]
    AcrTooLow,
    /// 171.
    #[error("the client did not show its secret")]
    BadClientSecret,
    /// 172.
    #[error("unknown authorization code")]
    UnknownCode,
    /// 173.
    #[error("the authorization code belongs to another client")]
    ForeignCode,
    /// 174.
    #[error("expired authorization code")]
    ExpiredCode,
    /// 175.
    #[error("incorrect code verifier")]
    PkceMismatch,
    /// 1001.
    #[error("registration is closed")]
    RegistrationClosed,
    /// 1002.
    #[error("an invitation is needed")]
    InvitationNeeded,
    /// 1003: unknown, used, expired or for another address.
    #[error("the invitation does not help")]
    BadInvitation,
    /// 1004.
    #[error("no new accounts with addresses of this domain")]
    MailDomainNotAllowed,
    /// 1005; what the user has to agree to.
    #[error("the user has to agree")]
    ConsentNeeded {
        /// To which client.
        client: ClientId,
        /// Separated by blanks.
        scopes: String,
    },
    /// 1006.
    #[error("the account may not use this client")]
    ClientNotAllowed,
    /// 165: two writes met.
    #[error("conflicting write")]
    StoreConflict,
    /// 201.
    #[error("service unavailable")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// 202.
    #[error("feature not enabled")]
    FeatureOff,
    /// 203.
    #[error("a backend service request failed")]
    BackendFault {
        /// Which tier.
        service: &'static str,
        /// What it was asked for.
        operation: &'static str,
    },
    /// 999.
    #[error("internal error")]
    Internal,
}

impl AccountError {
    /// Whether it is nothing the caller did: something of ours was away, or failed.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::BackendFault { .. } | Self::MailNotSent { .. } | Self::Internal
        )
    }

    /// Its public number.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::AccountExists { .. } => ErrorCode::AccountExists,
            Self::UnknownAccount { .. } => ErrorCode::UnknownAccount,
            Self::WrongPassword { .. } => ErrorCode::WrongPassword,
            Self::UnverifiedAccount => ErrorCode::UnverifiedAccount,
            Self::WrongCode | Self::WrongResetCode { .. } => ErrorCode::WrongCode,
            Self::BadParameter(_) => ErrorCode::BadParameter,
            Self::MissingParameter(_) => ErrorCode::MissingParameter,
            Self::BadToken => ErrorCode::BadToken,
            Self::Throttled { .. } => ErrorCode::Throttled,
            Self::EmailCase { .. } => ErrorCode::EmailCase,
            Self::UnknownDevice => ErrorCode::UnknownDevice,
            Self::DeviceConflict { .. } => ErrorCode::DeviceConflict,
            Self::AccountDisabled => ErrorCode::RequestBlocked,
            Self::UnverifiedSession => ErrorCode::UnverifiedSession,
            Self::MailNotSent { .. } => ErrorCode::MailNotSent,
            Self::WrongTokenCode => ErrorCode::WrongTokenCode,
            Self::ExpiredTokenCode => ErrorCode::ExpiredTokenCode,
            Self::TotpExists => ErrorCode::TotpExists,
            Self::TotpNotFound => ErrorCode::TotpNotFound,
            Self::UnknownBackupCode => ErrorCode::UnknownBackupCode,
            Self::CommandUnavailable => ErrorCode::CommandUnavailable,
            Self::UnknownRecoveryKey => ErrorCode::UnknownRecoveryKey,
            Self::WrongRecoveryKey => ErrorCode::WrongRecoveryKey,
            Self::RecoveryKeyExists => ErrorCode::RecoveryKeyExists,
            Self::UnknownClient { .. } => ErrorCode::UnknownClient,
            Self::ScopesNotAllowed { .. } => ErrorCode::ScopesNotAllowed,
            Self::StaleAuth { .. } => ErrorCode::StaleAuth,
            Self::BadRedirect => ErrorCode::BadRedirect,
            Self::BadResponseType => ErrorCode::BadResponseType,
            Self::MissingPkce => ErrorCode::MissingPkce,
            Self::AcrTooLow => ErrorCode::AcrTooLow,
            Self::BadClientSecret => ErrorCode::BadClientSecret,
            Self::ConsentNeeded { .. } => ErrorCode::ConsentNeeded,
            Self::ClientNotAllowed => ErrorCode::ClientNotAllowed,
            Self::UnknownCode => ErrorCode::UnknownAuthorizationCode,
            Self::ForeignCode => ErrorCode::ForeignAuthorizationCode,
            Self::ExpiredCode => ErrorCode::ExpiredAuthorizationCode,
            Self::PkceMismatch => ErrorCode::PkceMismatch,
            Self::RegistrationClosed => ErrorCode::RegistrationClosed,
            Self::InvitationNeeded => ErrorCode::InvitationNeeded,
            Self::BadInvitation => ErrorCode::BadInvitation,
            Self::MailDomainNotAllowed => ErrorCode::MailDomainNotAllowed,
            Self::StoreConflict => ErrorCode::StoreConflict,
            Self::Busy { .. } => ErrorCode::Busy,
            Self::FeatureOff => ErrorCode::FeatureOff,
            Self::BackendFault { .. } => ErrorCode::BackendFault,
            Self::Internal => ErrorCode::Internal,
        }
    }

    /// What a tier that did not do its work means for the client: try again, unless that cannot help. Never an
    /// absence and never a 401 (`security.md`, Absent is not invalid).
    #[must_use]
    pub const fn from_cause(cause: Cause, service: &'static str, operation: &'static str) -> Self {
        match cause {
            Cause::Unavailable | Cause::Timeout | Cause::Overloaded | Cause::Inconsistent => Self::Busy {
                retry_after: RETRY_AFTER,
            },
            Cause::NotPermitted | Cause::Fault => Self::BackendFault { service, operation },
        }
    }
}

impl std::fmt::Debug for AccountError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountError({:?})", self.code())
    }
}

impl From<ReadError> for AccountError {
    fn from(error: ReadError) -> Self {
        Self::from_cause(error.0, "store", "read")
    }
}

impl From<SignError> for AccountError {
    fn from(error: SignError) -> Self {
        of_signer(error, "signAccessToken")
    }
}

/// No certificate: a key that is none to certify is the client's fault, and the only one that is left to it by the time
/// the signer is asked.
pub(crate) const fn of_certificate(error: SignError) -> AccountError {
    match error {
        SignError::UnfitKey => AccountError::BadParameter("publicKey"),
        other => of_signer(other, "signCertificate"),
    }
}

const fn of_signer(error: SignError, operation: &'static str) -> AccountError {
    let service = "keysigner";
    match error {
        SignError::NotDone(cause) => AccountError::from_cause(cause, service, operation),
        SignError::Refused | SignError::UnfitKey | SignError::NoNodeSecret => {
            AccountError::BackendFault { service, operation }
        }
    }
}

impl From<StretchError> for AccountError {
    fn from(error: StretchError) -> Self {
        match error {
            StretchError::Busy { retry_after } => Self::Busy { retry_after },
            StretchError::NotDone(cause) => Self::from_cause(cause, "stretcher", "stretch"),
        }
    }
}

impl From<Throttled> for AccountError {
    fn from(throttled: Throttled) -> Self {
        Self::Throttled {
            retry_after: throttled.retry_after,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_failure_of_a_tier_looks_like_a_bad_token_or_an_absence() {
        for cause in Cause::ALL {
            let errors = [
                AccountError::from(ReadError(cause)),
                AccountError::from(SignError::NotDone(cause)),
                of_certificate(SignError::NotDone(cause)),
                AccountError::from(StretchError::NotDone(cause)),
            ];
            for error in errors {
                assert_eq!(error.code(), cause.code(), "{cause:?}");
                assert!(error.code().http_status() >= 500, "{cause:?}");
            }
        }
    }

    #[test]
    fn only_a_key_that_is_none_to_certify_is_the_clients_fault() {
        for (error, number) in [
            (SignError::UnfitKey, 107),
            (SignError::Refused, 203),
            (SignError::NoNodeSecret, 203),
        ] {
            assert_eq!(of_certificate(error).code().number(), number, "{error:?}");
            assert_eq!(AccountError::from(error).code().number(), 203, "{error:?}");
        }
    }

    #[test]
    fn debug_shows_no_address() {
        let error = AccountError::EmailCase {
            email: "alice@example.test".into(),
        };
        assert_eq!(format!("{error:?}"), "AccountError(EmailCase)");
    }
}
