//! The one translation of error codes to HTTP: status, envelope, extras and headers (`accounts.md`, Errors).

use std::{fmt, time::Duration};

use axum::response::{IntoResponse, Response};
use foxhold_accounts::{AccountError, error::RETRY_AFTER};
use foxhold_core::{ErrorCode, Timestamp};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

/// A refused request, ready to be told. The extras hold what the client said, addresses too: they go into the answer and
/// never into a log, so [`fmt::Debug`] shows the code only.
pub struct ApiError {
    code: ErrorCode,
    status: StatusCode,
    message: &'static str,
    extras: Map<String, Value>,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// A refusal without extras.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        let retry_after = matches!(code, ErrorCode::Busy | ErrorCode::FeatureOff).then_some(RETRY_AFTER);
        Self {
            code,
            status: StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            message: message(code),
            extras: Map::new(),
            retry_after,
        }
    }

    /// With a member beside the envelope.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extras.insert(name.to_owned(), value.into());
        self
    }

    /// 111 and 115 tell the server's time, so that clients correct their clock.
    #[must_use]
    pub fn with_server_time(self, now: Timestamp) -> Self {
        self.with("serverTime", now.as_secs())
    }

    /// What it is.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The client has to wait before it tries again. Seconds, rounded up; never on a 401, where clients would take it
    /// for an outage.
    fn retrying_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiError({:?})", self.code)
    }
}

/// Whole seconds, rounded up, at least one.
pub(crate) fn secs_up(span: Duration) -> u64 {
    (span.as_secs() + u64::from(span.subsec_nanos() > 0)).max(1)
}

/// Whole seconds that something is good for yet, rounded up; none only if it is over.
pub(crate) fn secs_left(span: Duration) -> u64 {
    if span.is_zero() { 0 } else { secs_up(span) }
}

impl From<AccountError> for ApiError {
    fn from(error: AccountError) -> Self {
        let base = Self::new(error.code());
        match error {
            AccountError::AccountExists { email }
            | AccountError::WrongPassword { email }
            | AccountError::EmailCase { email }
            | AccountError::UnknownAccount { email: Some(email) } => base.with("email", email),
            AccountError::BadParameter(name) => {
                base.with("validation", json!({ "source": "payload", "keys": [name] }))
            }
            AccountError::MissingParameter(name) => base.with("param", name),
            AccountError::Throttled { retry_after } => base
                .with("retryAfterLocalized", in_words(secs_up(retry_after)))
                .retrying_after(retry_after),
            AccountError::WrongResetCode { tries, ttl } => {
                base.with("tries", tries).with("ttl", secs_left(ttl))
            }
            AccountError::DeviceConflict { device } => base.with("deviceId", device.to_string()),
            AccountError::UnknownClient { client } => base.with("clientId", client.to_string()),
            AccountError::ConsentNeeded { client, scopes } => {
                base.with("clientId", client.to_string()).with("scopes", scopes)
            }
            AccountError::ScopesNotAllowed { scopes } => base.with("invalidScopes", scopes),
            AccountError::StaleAuth { auth_at } => base.with("authAt", auth_at.as_secs()),
            AccountError::Busy { retry_after } => base.retrying_after(retry_after),
            AccountError::BackendFault { service, operation } => {
                base.with("service", service).with("operation", operation)
            }
            AccountError::MailNotSent { new_address: true } => Self {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                ..base
            },
            AccountError::UnknownAccount { email: None }
            | AccountError::UnverifiedAccount
            | AccountError::WrongCode
            | AccountError::BadToken
            | AccountError::UnknownDevice
            | AccountError::AccountDisabled
            | AccountError::UnverifiedSession
            | AccountError::MailNotSent { new_address: false }
            | AccountError::WrongTokenCode
            | AccountError::ExpiredTokenCode
            | AccountError::TotpExists
            | AccountError::TotpNotFound
            | AccountError::UnknownBackupCode
            | AccountError::CommandUnavailable
            | AccountError::UnknownRecoveryKey
            | AccountError::WrongRecoveryKey
            | AccountError::RecoveryKeyExists
            | AccountError::BadRedirect
            | AccountError::BadResponseType
            | AccountError::MissingPkce
            | AccountError::AcrTooLow
            | AccountError::BadClientSecret
            | AccountError::ClientNotAllowed
            | AccountError::UnknownCode
            | AccountError::ForeignCode
            | AccountError::ExpiredCode
            | AccountError::PkceMismatch
            | AccountError::RegistrationClosed
            | AccountError::InvitationNeeded
            | AccountError::BadInvitation
            | AccountError::MailDomainNotAllowed
            | AccountError::StoreConflict
            | AccountError::FeatureOff
            | AccountError::Internal => base,
        }
    }
}

/// As a person reads it.
fn in_words(secs: u64) -> String {
    match secs {
        0..60 => "in less than a minute".to_owned(),
        60..120 => "in a minute".to_owned(),
        120..7200 => format!("in {} minutes", secs.div_ceil(60)),
        _ => format!("in {} hours", secs.div_ceil(3600)),
    }
}

impl ApiError {
    /// The body, under a number and a status.
    pub(crate) fn into_envelope(self, number: u16, status: StatusCode) -> Map<String, Value> {
        let mut body = Map::from_iter([
            ("code".to_owned(), json!(status.as_u16())),
            ("errno".to_owned(), json!(number)),
            (
                "error".to_owned(),
                json!(status.canonical_reason().unwrap_or("Error")),
            ),
            ("message".to_owned(), json!(self.message)),
            ("info".to_owned(), json!(format!("docs/api.md#error-{number}"))),
        ]);
        body.extend(self.extras);
        if let Some(span) = self.retry_after {
            body.insert("retryAfter".to_owned(), json!(secs_up(span)));
        }
        body
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (number, status) = (self.code.number(), self.status);
        if status.is_server_error() || self.code == ErrorCode::MailNotSent {
            tracing::warn!(errno = number, "request not served");
        }
        let retry_after = self.retry_after;
        let mut response = (status, axum::Json(self.into_envelope(number, status))).into_response();
        if let Some(span) = retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(secs_up(span)));
        }
        response
    }
}

/// What a developer reads beside the number.
const fn message(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::AccountExists => "Account already exists",
        ErrorCode::UnknownAccount => "Unknown account",
        ErrorCode::WrongPassword => "Incorrect password",
        ErrorCode::UnverifiedAccount => "Unverified account",
        ErrorCode::WrongCode => "Invalid verification code",
        ErrorCode::BadJson => "Invalid JSON in request body",
        ErrorCode::BadParameter => "Invalid parameter in request",
        ErrorCode::MissingParameter => "Missing parameter in request",
        ErrorCode::BadSignature => "Invalid request signature",
        ErrorCode::BadToken => "Invalid, unknown or expired authentication token",
        ErrorCode::StaleTimestamp => "Invalid timestamp in request signature",
        ErrorCode::NoLength => "Missing content-length header",
        ErrorCode::BodyTooLarge => "Request body too large",
        ErrorCode::Throttled => "Client has sent too many requests",
        ErrorCode::Replayed => "Invalid nonce in request signature",
        ErrorCode::Gone => "This endpoint is no longer supported",
        ErrorCode::EmailCase => "Incorrect e-mail case",
        ErrorCode::UnknownDevice => "Unknown device",
        ErrorCode::RequestBlocked => "The account is disabled",
        ErrorCode::DeviceConflict => "Session already registered by another device",
        ErrorCode::UnverifiedSession => "Unverified session",
        ErrorCode::MailNotSent => "Failed to send mail",
        ErrorCode::WrongTokenCode => "Invalid token verification code",
        ErrorCode::ExpiredTokenCode => "Expired token verification code",
        ErrorCode::TotpExists => "A TOTP token is set up already",
        ErrorCode::TotpNotFound => "TOTP token not found",
        ErrorCode::UnknownBackupCode => "Backup code not found",
        ErrorCode::CommandUnavailable => "Unavailable device command",
        ErrorCode::UnknownRecoveryKey => "Unknown recovery key",
        ErrorCode::WrongRecoveryKey => "Recovery key is not valid",
        ErrorCode::RecoveryKeyExists => "Recovery key already exists",
        ErrorCode::UnknownClient => "Unknown client_id",
        ErrorCode::ScopesNotAllowed => "Requested scopes are not allowed",
        ErrorCode::StaleAuth => "Stale authentication timestamp",
        ErrorCode::StoreConflict => "Conflicting write",
        ErrorCode::NotPublicClient => "Not a public client",
        ErrorCode::BadRedirect => "Incorrect redirect URI",
        ErrorCode::BadResponseType => "Invalid response_type",
        ErrorCode::MissingPkce => "Public clients require PKCE OAuth parameters",
        ErrorCode::AcrTooLow => "A second factor is required",
        ErrorCode::BadClientSecret => "Incorrect client secret",
        ErrorCode::ConsentNeeded => "The user has to agree first",
        ErrorCode::ClientNotAllowed => "This account may not use this client",
        ErrorCode::UnknownAuthorizationCode => "Unknown authorization code",
        ErrorCode::ForeignAuthorizationCode => "The authorization code belongs to another client",
        ErrorCode::ExpiredAuthorizationCode => "Expired authorization code",
        ErrorCode::PkceMismatch => "Incorrect PKCE code verifier",
        ErrorCode::Busy => "Service unavailable",
        ErrorCode::FeatureOff => "Feature not enabled",
        ErrorCode::BackendFault => "A backend service request failed",
        ErrorCode::NotFound => "No such endpoint",
        ErrorCode::MethodNotAllowed => "This endpoint does not know the method",
        ErrorCode::UnsupportedMedia => "The body's encoding is not supported",
        ErrorCode::Internal => "Unspecified error",
        ErrorCode::RegistrationClosed => "This server makes no new accounts",
        ErrorCode::InvitationNeeded => "An invitation is needed to make an account",
        ErrorCode::BadInvitation => "The invitation is unknown, used, expired or for another address",
        ErrorCode::MailDomainNotAllowed => "No new accounts with addresses of this domain",
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn told(error: ApiError) -> (StatusCode, Option<String>, Value) {
        let response = error.into_response();
        let retry_after = response
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, retry_after, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn every_code_has_an_envelope_and_no_401_a_retry_after() {
        for &code in ErrorCode::ALL {
            let (status, retry_after, body) = told(ApiError::new(code)).await;
            assert_eq!(body["code"], status.as_u16(), "{code:?}");
            assert_eq!(body["errno"], code.number(), "{code:?}");
            for member in ["error", "message", "info"] {
                assert!(
                    body[member].as_str().is_some_and(|text| !text.is_empty()),
                    "{code:?} {member}"
                );
            }
            assert!(
                status != StatusCode::UNAUTHORIZED || retry_after.is_none(),
                "{code:?}"
            );
            assert!(
                status != StatusCode::SERVICE_UNAVAILABLE || retry_after.is_some(),
                "{code:?}"
            );
        }
    }

    #[test]
    fn debug_shows_no_extras() {
        let error = ApiError::from(AccountError::WrongPassword {
            email: "alice@example.test".into(),
        });
        assert_eq!(format!("{error:?}"), "ApiError(WrongPassword)");
    }

    #[tokio::test]
    async fn waiting_times_are_whole_seconds_rounded_up_in_header_and_body() {
        let error = AccountError::Throttled {
            retry_after: Duration::from_millis(90_001),
        };
        let (status, retry_after, body) = told(error.into()).await;
        assert_eq!((status.as_u16(), retry_after.as_deref()), (429, Some("91")));
        assert_eq!(body["retryAfter"], 91);
        assert_eq!(body["retryAfterLocalized"], "in a minute");
    }

    #[test]
    fn what_is_left_is_rounded_up_and_nothing_only_at_the_end() {
        let millis = Duration::from_millis;
        for (span, secs) in [(0, 0), (1, 1), (1000, 1), (3_599_999, 3600), (3_600_000, 3600)] {
            assert_eq!(secs_left(millis(span)), secs, "{span} ms");
        }
    }

    #[tokio::test]
    async fn extras_stand_beside_the_envelope() {
        let (_, _, body) = told(AccountError::BadParameter("email").into()).await;
        assert_eq!(body["validation"]["keys"][0], "email");
        let (_, _, body) = told(AccountError::MissingParameter("email").into()).await;
        assert_eq!(body["param"], "email");
        let (_, _, body) = told(
            AccountError::EmailCase {
                email: "A@b.c".into(),
            }
            .into(),
        )
        .await;
        assert_eq!(body["email"], "A@b.c");
        let wrong = AccountError::WrongResetCode {
            tries: 2,
            ttl: Duration::from_millis(59_999),
        };
        let (status, _, body) = told(wrong.into()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(
            (&body["errno"], &body["tries"], &body["ttl"]),
            (&json!(105), &json!(2), &json!(60))
        );
    }
}
