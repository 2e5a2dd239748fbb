//! Standard errors (RFC 6749 section 5.2): `error`, `error_description` and our number, as under the OAuth base.
//!
//! Must stay true: a store or tier that is away is 503 `temporarily_unavailable` and never `invalid_grant`: clients throw
//! their tokens away on that.

use std::time::Duration;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use foxhold_accounts::{AccountError, error::RETRY_AFTER};
use foxhold_core::ErrorCode;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::error::{ApiError, secs_up};

/// A refused request.
#[derive(Debug)]
pub(super) struct Fault {
    error: &'static str,
    description: &'static str,
    errno: u16,
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl Fault {
    const fn bad(error: &'static str, description: &'static str, errno: u16) -> Self {
        Self {
            error,
            description,
            errno,
            status: StatusCode::BAD_REQUEST,
            retry_after: None,
        }
    }

    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self::bad("invalid_request", description, 109)
    }

    pub(super) const fn unsupported_grant_type() -> Self {
        Self::bad(
            "unsupported_grant_type",
            "authorization_code or refresh_token",
            121,
        )
    }

    pub(super) const fn invalid_client(errno: u16) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            ..Self::bad("invalid_client", "the client is not who it says", errno)
        }
    }

    const fn of_code(code: ErrorCode) -> Self {
        match code {
            ErrorCode::UnknownClient => Self::invalid_client(101),
            ErrorCode::BadClientSecret => Self::invalid_client(102),
            ErrorCode::BadRedirect => Self::bad(
                "invalid_grant",
                "the redirect URI is not the one of the code",
                103,
            ),
            ErrorCode::UnknownAuthorizationCode => {
                Self::bad("invalid_grant", "the code is unknown, spent or revoked", 105)
            }
            ErrorCode::ForeignAuthorizationCode => {
                Self::bad("invalid_grant", "the code is of another client", 106)
            }
            ErrorCode::ExpiredAuthorizationCode => Self::bad("invalid_grant", "the code has expired", 107),
            ErrorCode::PkceMismatch => Self::bad("invalid_grant", "the code_verifier does not fit", 117),
            ErrorCode::BadToken => Self::bad("invalid_grant", "the token is unknown or revoked", 108),
            ErrorCode::ScopesNotAllowed => Self::bad("invalid_scope", "more than was granted", 114),
            ErrorCode::BadParameter
            | ErrorCode::MissingParameter
            | ErrorCode::BadJson
            | ErrorCode::UnsupportedMedia => Self::invalid_request("the form cannot be read"),
            ErrorCode::Throttled => Self {
                status: StatusCode::TOO_MANY_REQUESTS,
                ..Self::bad("temporarily_unavailable", "too many requests", 114)
            },
            ErrorCode::BodyTooLarge => Self {
                status: StatusCode::PAYLOAD_TOO_LARGE,
                ..Self::invalid_request("the form is too long")
            },
            ErrorCode::Busy | ErrorCode::FeatureOff => Self {
                status: StatusCode::SERVICE_UNAVAILABLE,
                retry_after: Some(RETRY_AFTER),
                ..Self::bad("temporarily_unavailable", "try again", 201)
            },
            other => Self {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                ..Self::bad("server_error", "the request was not served", other.number())
            },
        }
    }
}

impl From<AccountError> for Fault {
    fn from(error: AccountError) -> Self {
        let fault = Self::of_code(error.code());
        match error {
            AccountError::Throttled { retry_after } | AccountError::Busy { retry_after } => Self {
                retry_after: Some(retry_after),
                ..fault
            },
            _ => fault,
        }
    }
}

impl From<ApiError> for Fault {
    fn from(error: ApiError) -> Self {
        Self::of_code(error.code())
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(errno = self.errno, "request not served");
        }
        let body = json!({
            "error": self.error,
            "error_description": self.description,
            "errno": self.errno,
        });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"foxhold\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(span) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs_up(span)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use foxhold_ports::{Cause, ReadError};

    use super::*;

    #[test]
    fn no_outage_costs_a_client_its_tokens() {
        for cause in Cause::ALL {
            let fault = Fault::from(AccountError::from(ReadError(cause)));
            assert!(fault.status.is_server_error(), "{cause:?}");
            assert_ne!(fault.error, "invalid_grant", "{cause:?}");
        }
    }

    #[test]
    fn every_code_has_a_standard_error() {
        for code in ErrorCode::ALL {
            let fault = Fault::of_code(*code);
            assert_eq!(
                fault.status == StatusCode::UNAUTHORIZED,
                fault.error == "invalid_client",
                "{code:?}"
            );
            let waits = fault.status == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(waits, fault.retry_after.is_some(), "{code:?}");
        }
    }
}
