//! The same calls under the OAuth base, without `oauth/`: errors have numbers of their own there
//! (`accounts.md`, Errors, last paragraph).

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use foxhold_core::ErrorCode;
use http::StatusCode;

use crate::{
    App,
    error::ApiError,
    extract::{OpenCall, OptionalSessionCall, SessionCall},
    routes::{Answer, account},
};

/// POST {oauth}/authorization.
pub(in crate::routes) async fn authorization(
    app: State<Arc<App>>,
    call: Result<SessionCall<true>, ApiError>,
) -> Result<Response, OauthError> {
    answer(super::authorization(app, call?).await)
}

/// POST {oauth}/token.
pub(in crate::routes) async fn token(
    app: State<Arc<App>>,
    call: Result<OptionalSessionCall<false>, ApiError>,
) -> Result<Response, OauthError> {
    let call = call?;
    let is_refresh = call.fields.has("refresh_token");
    match super::token(app, call).await {
        Err(error) if is_refresh => Err(OauthError::of_body(error)),
        answered => answer(answered),
    }
}

/// POST {oauth}/verify.
pub(in crate::routes) async fn verify(
    app: State<Arc<App>>,
    call: Result<OpenCall, ApiError>,
) -> Result<Response, OauthError> {
    let verified = super::verify(app, call?).await;
    Ok(verified.map_err(OauthError::of_body)?.into_response())
}

/// POST {oauth}/introspect.
pub(in crate::routes) async fn introspect(
    app: State<Arc<App>>,
    call: Result<OpenCall, ApiError>,
) -> Result<Response, OauthError> {
    answer(super::introspect(app, call?).await)
}

/// POST {oauth}/key-data.
pub(in crate::routes) async fn key_data(
    app: State<Arc<App>>,
    call: Result<SessionCall<true>, ApiError>,
) -> Result<Response, OauthError> {
    answer(account::scoped_key_data(app, call?).await)
}

/// GET {oauth}/client/{id}.
pub(in crate::routes) async fn client(
    app: State<Arc<App>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, OauthError> {
    answer(super::client(app, id).await)
}

fn answer(answer: Answer) -> Result<Response, OauthError> {
    Ok(answer?.into_response())
}

/// A refusal with the numbers of the OAuth base.
pub(in crate::routes) enum OauthError {
    /// Whose number goes by its code alone.
    Coded(ApiError),
    /// The token of the body is not good; a session that is not good has the same code and another number.
    BodyToken(ApiError),
}

impl OauthError {
    /// Of a call whose token is in the body, not in the header.
    fn of_body(error: ApiError) -> Self {
        if error.code() == ErrorCode::BadToken {
            Self::BodyToken(error)
        } else {
            Self::Coded(error)
        }
    }
}

impl From<ApiError> for OauthError {
    fn from(error: ApiError) -> Self {
        Self::Coded(error)
    }
}

/// Number and status there; `None` for what is told as everywhere: throttling, outages, faults, routing.
pub(in crate::routes) const fn translated(code: ErrorCode) -> Option<(u16, StatusCode)> {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    match code {
        ErrorCode::UnknownClient => Some((101, BAD)),
        ErrorCode::BadClientSecret => Some((102, BAD)),
        ErrorCode::BadRedirect => Some((103, BAD)),
        ErrorCode::BadSignature | ErrorCode::BadToken | ErrorCode::StaleTimestamp | ErrorCode::Replayed => {
            Some((111, StatusCode::UNAUTHORIZED))
        }
        ErrorCode::UnknownAuthorizationCode => Some((105, BAD)),
        ErrorCode::ForeignAuthorizationCode => Some((106, BAD)),
        ErrorCode::ExpiredAuthorizationCode => Some((107, BAD)),
        ErrorCode::BadParameter | ErrorCode::MissingParameter | ErrorCode::BadJson => Some((109, BAD)),
        ErrorCode::BadResponseType => Some((110, BAD)),
        ErrorCode::UnverifiedSession | ErrorCode::UnverifiedAccount => Some((112, StatusCode::FORBIDDEN)),
        ErrorCode::UnsupportedMedia => Some((113, StatusCode::UNSUPPORTED_MEDIA_TYPE)),
        ErrorCode::ScopesNotAllowed => Some((114, BAD)),
        ErrorCode::NotPublicClient => Some((116, BAD)),
        ErrorCode::PkceMismatch => Some((117, BAD)),
        ErrorCode::MissingPkce => Some((118, BAD)),
        ErrorCode::StaleAuth => Some((119, StatusCode::UNAUTHORIZED)),
        ErrorCode::AcrTooLow => Some((120, BAD)),
        ErrorCode::AccountExists
        | ErrorCode::UnknownAccount
        | ErrorCode::WrongPassword
        | ErrorCode::WrongCode
        | ErrorCode::NoLength
        | ErrorCode::BodyTooLarge
        | ErrorCode::Throttled
        | ErrorCode::Gone
        | ErrorCode::EmailCase
        | ErrorCode::UnknownDevice
        | ErrorCode::DeviceConflict
        | ErrorCode::RequestBlocked
        | ErrorCode::MailNotSent
        | ErrorCode::WrongTokenCode
        | ErrorCode::ExpiredTokenCode
        | ErrorCode::TotpExists
        | ErrorCode::TotpNotFound
        | ErrorCode::UnknownBackupCode
        | ErrorCode::CommandUnavailable
        | ErrorCode::UnknownRecoveryKey
        | ErrorCode::WrongRecoveryKey
        | ErrorCode::RecoveryKeyExists
        | ErrorCode::StoreConflict
        | ErrorCode::Busy
        | ErrorCode::FeatureOff
        | ErrorCode::BackendFault
        | ErrorCode::NotFound
        | ErrorCode::MethodNotAllowed
        | ErrorCode::Internal
        | ErrorCode::RegistrationClosed
        | ErrorCode::InvitationNeeded
        | ErrorCode::BadInvitation
        | ErrorCode::MailDomainNotAllowed
        | ErrorCode::ConsentNeeded
        | ErrorCode::ClientNotAllowed => None,
    }
}

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let (error, translation) = match self {
            Self::Coded(error) => {
                let translation = translated(error.code());
                (error, translation)
            }
            Self::BodyToken(error) => (error, Some((108, StatusCode::BAD_REQUEST))),
        };
        let Some((number, status)) = translation else {
            return error.into_response();
        };
        // None of these has a waiting time: they are the client's to mend.
        (status, Json(error.into_envelope(number, status))).into_response()
    }
}
