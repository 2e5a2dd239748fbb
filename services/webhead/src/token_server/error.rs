//! The table of `tokenserver.md` section 4: from what ended an exchange to status, `status` string and the one entry
//! of `errors`. Exhaustive, so that a new reason cannot be forgotten here.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use foxhold_ports::{Cause, ReadError};
use foxhold_sync::{ExchangeError, state::StateRefusal};
use serde_json::json;
use thiserror::Error;

use crate::error::secs_up;

/// What clients are told to wait where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The same while no node has room: an operator has to act.
const RETRY_AFTER_NO_ROOM: Duration = Duration::from_secs(300);

/// Anything but a token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenServerError {
    /// The exchange ended.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// Nothing lives there.
    #[error("unknown path")]
    UnknownPath,
    /// Only GET means something.
    #[error("unknown method")]
    Method,
    /// A body where none may be.
    #[error("unexpected body")]
    Body,
}

impl From<ReadError> for TokenServerError {
    fn from(error: ReadError) -> Self {
        Self::Exchange(error.into())
    }
}

/// One answer of the table.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    http: StatusCode,
    status: &'static str,
    location: &'static str,
    name: String,
    description: String,
    retry_after: Option<Duration>,
}

impl Answer {
    /// With what the table leaves out: location `body`, no name, `Unauthorized`.
    fn new(http: StatusCode, status: &'static str) -> Self {
        Self {
            http,
            status,
            location: "body",
            name: String::new(),
            description: "Unauthorized".to_owned(),
            retry_after: None,
        }
    }

    fn unauthorized(status: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, status)
    }

    fn describe(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    fn at(mut self, location: &'static str, name: impl Into<String>) -> Self {
        self.location = location;
        self.name = name.into();
        self
    }

    fn wait(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }
}

/// The row of the table.
fn answer(error: &TokenServerError) -> Answer {
    match error {
        TokenServerError::Exchange(error) => exchange_answer(error),
        TokenServerError::UnknownPath => Answer::new(StatusCode::NOT_FOUND, "error")
            .at("url", "")
            .describe("Not found"),
        TokenServerError::Method => {
            Answer::new(StatusCode::METHOD_NOT_ALLOWED, "error").describe("Method not allowed")
        }
        TokenServerError::Body => {
            Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "error").describe("A body is not allowed")
        }
    }
}

fn exchange_answer(error: &ExchangeError) -> Answer {
    use ExchangeError as E;
    match error {
        E::UnknownApp => Answer::new(StatusCode::NOT_FOUND, "error")
            .at("url", "application")
            .describe("Unsupported application"),
        E::UnknownVersion(version) => Answer::new(StatusCode::NOT_FOUND, "error")
            .at("url", version.as_str())
            .describe("Unsupported application version"),
        E::ClientStateForm => Answer::new(StatusCode::BAD_REQUEST, "error")
            .at("header", "X-Client-State")
            .describe("Invalid client state value"),
        E::NoAuthorization => Answer::unauthorized("error"),
        E::UnknownScheme => Answer::unauthorized("error").describe("Unsupported"),
        E::InvalidCredentials(_) => Answer::unauthorized("invalid-credentials"),
        E::GenerationForm => Answer::unauthorized("invalid-generation"),
        E::MissingKeyId => Answer::unauthorized("invalid-key-id")
            .at("header", "")
            .describe("Missing X-KeyID header"),
        E::NonAsciiKeyId => Answer::unauthorized("invalid-key-id")
            .at("header", "")
            .describe("Invalid X-KeyID header"),
        E::ClientStateMismatch => Answer::unauthorized("invalid-client-state"),
        E::Throttled { retry_after } => Answer::new(StatusCode::TOO_MANY_REQUESTS, "error")
            .describe("Too many requests")
            .wait(*retry_after),
        E::NewUsersDisabled => {
            Answer::unauthorized("new-users-disabled").describe("New users are not allowed")
        }
        E::State(refusal) => state_answer(*refusal),
        E::NoPattern(service) => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "error")
            .describe(format!("{} has no endpoint pattern", service.0))
            .wait(RETRY_AFTER_NO_ROOM),
        E::NoNode | E::NoUid => unavailable().wait(RETRY_AFTER_NO_ROOM),
        E::Contended => unavailable(),
        E::NoKeys(_) => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "error")
            .describe("Resource is not available")
            .wait(RETRY_AFTER),
        E::Store(Cause::Timeout) => Answer::new(StatusCode::GATEWAY_TIMEOUT, "elapsed")
            .describe("Elapsed")
            .wait(RETRY_AFTER),
        E::Store(Cause::Unavailable | Cause::Overloaded | Cause::Inconsistent)
        | E::Signer(Cause::Unavailable | Cause::Overloaded | Cause::Timeout | Cause::Inconsistent) => {
            unavailable()
        }
        E::Store(Cause::NotPermitted | Cause::Fault)
        | E::Signer(Cause::NotPermitted | Cause::Fault)
        | E::Broken(_) => internal(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn state_answer(refusal: StateRefusal) -> Answer {
    let client_state = |reason: &str| {
        Answer::unauthorized("invalid-client-state")
            .at("header", "X-Client-State")
            .describe(format!("Unacceptable client-state value {reason}"))
    };
    match refusal {
        StateRefusal::Generation => Answer::unauthorized("invalid-generation"),
        StateRefusal::KeysChangedAt => Answer::unauthorized("invalid-keysChangedAt"),
        StateRefusal::EmptyClientState => client_state("empty string"),
        StateRefusal::StaleClientState => client_state("stale value"),
        StateRefusal::NoGenerationChange => client_state("new value with no generation change"),
        StateRefusal::NoKeysChangedAtChange => client_state("new value with no keys_changed_at change"),
    }
}

/// What went wrong behind us is never told.
fn internal(http: StatusCode) -> Answer {
    Answer::new(http, "internal-error")
        .at("internal", "")
        .describe("Server error")
}

fn unavailable() -> Answer {
    internal(StatusCode::SERVICE_UNAVAILABLE).wait(RETRY_AFTER)
}

impl IntoResponse for TokenServerError {
    fn into_response(self) -> Response {
        let answer = answer(&self);
        log(&self, answer.http);
        let entry =
            json!({"location": answer.location, "name": answer.name, "description": answer.description});
        let body = Json(json!({"status": answer.status, "errors": [entry]}));
        let mut response = (answer.http, body).into_response();
        let headers = response.headers_mut();
        if answer.http == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if answer.http == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        if let Some(span) = answer.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs_up(span)));
        }
        response
    }
}

/// Reasons for operators; nothing of the user or the credential is in them.
fn log(error: &TokenServerError, http: StatusCode) {
    match error {
        TokenServerError::UnknownPath | TokenServerError::Method | TokenServerError::Body => {}
        TokenServerError::Exchange(ExchangeError::UnknownVersion(_)) => {
            tracing::info!(reason = "unknown version of the application", "token refused");
        }
        TokenServerError::Exchange(error) if http == StatusCode::INTERNAL_SERVER_ERROR => {
            tracing::error!(reason = %error, cause = cause(error), "token not issued");
        }
        TokenServerError::Exchange(error) if http.is_server_error() => {
            tracing::warn!(reason = %error, cause = cause(error), "token not issued");
        }
        TokenServerError::Exchange(error) => tracing::info!(reason = %error, "token refused"),
    }
}

fn cause(error: &ExchangeError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(error: ExchangeError) -> (u16, &'static str, &'static str, String, String) {
        let answer = exchange_answer(&error);
        (
            answer.http.as_u16(),
            answer.status,
            answer.location,
            answer.name,
            answer.description,
        )
    }

    #[test]
    fn the_contracts_table() {
        use ExchangeError as E;
        let unavailable = (503, "internal-error", "internal", "", "Server error");
        let broken = (500, "internal-error", "internal", "", "Server error");
        let state = |reason| (401, "invalid-client-state", "header", "X-Client-State", reason);
        let table = [
            (
                E::UnknownApp,
                (404, "error", "url", "application", "Unsupported application"),
            ),
            (
                E::UnknownVersion("9".into()),
                (404, "error", "url", "9", "Unsupported application version"),
            ),
            (
                E::ClientStateForm,
                (
                    400,
                    "error",
                    "header",
                    "X-Client-State",
                    "Invalid client state value",
                ),
            ),
            (E::NoAuthorization, (401, "error", "body", "", "Unauthorized")),
            (E::UnknownScheme, (401, "error", "body", "", "Unsupported")),
            (
                E::InvalidCredentials("x"),
                (401, "invalid-credentials", "body", "", "Unauthorized"),
            ),
            (
                E::GenerationForm,
                (401, "invalid-generation", "body", "", "Unauthorized"),
            ),
            (
                E::MissingKeyId,
                (401, "invalid-key-id", "header", "", "Missing X-KeyID header"),
            ),
            (
                E::NonAsciiKeyId,
                (401, "invalid-key-id", "header", "", "Invalid X-KeyID header"),
            ),
            (
                E::ClientStateMismatch,
                (401, "invalid-client-state", "body", "", "Unauthorized"),
            ),
            (
                E::NewUsersDisabled,
                (401, "new-users-disabled", "body", "", "New users are not allowed"),
            ),
            (
                E::Throttled {
                    retry_after: Duration::from_secs(1),
                },
                (429, "error", "body", "", "Too many requests"),
            ),
            (
                E::NoPattern(foxhold_core::record::ServiceKey("sync-1.5".into())),
                (503, "error", "body", "", "sync-1.5 has no endpoint pattern"),
            ),
            (E::NoNode, unavailable),
            (E::NoUid, unavailable),
            (E::Contended, unavailable),
            (
                E::NoKeys(Cause::Fault),
                (503, "error", "body", "", "Resource is not available"),
            ),
            (E::Store(Cause::Timeout), (504, "elapsed", "body", "", "Elapsed")),
            (E::Store(Cause::Unavailable), unavailable),
            (E::Store(Cause::Overloaded), unavailable),
            (E::Store(Cause::Inconsistent), unavailable),
            (E::Store(Cause::Fault), broken),
            (E::Signer(Cause::Timeout), unavailable),
            (E::Signer(Cause::NotPermitted), broken),
            (E::Broken("x"), broken),
            (
                E::State(StateRefusal::Generation),
                (401, "invalid-generation", "body", "", "Unauthorized"),
            ),
            (
                E::State(StateRefusal::KeysChangedAt),
                (401, "invalid-keysChangedAt", "body", "", "Unauthorized"),
            ),
            (
                E::State(StateRefusal::EmptyClientState),
                state("Unacceptable client-state value empty string"),
            ),
            (
                E::State(StateRefusal::StaleClientState),
                state("Unacceptable client-state value stale value"),
            ),
            (
                E::State(StateRefusal::NoGenerationChange),
                state("Unacceptable client-state value new value with no generation change"),
            ),
            (
                E::State(StateRefusal::NoKeysChangedAtChange),
                state("Unacceptable client-state value new value with no keys_changed_at change"),
            ),
        ];
        for (error, (http, status, location, name, description)) in table {
            let expected = (http, status, location, name.to_owned(), description.to_owned());
            assert_eq!(row(error.clone()), expected, "{error:?}");
        }
    }

    #[test]
    fn outages_say_when_to_come_back_and_refusals_do_not() {
        for cause in [Cause::Unavailable, Cause::Timeout, Cause::Overloaded] {
            for error in [
                ExchangeError::Store(cause),
                ExchangeError::Signer(cause),
                ExchangeError::NoKeys(cause),
            ] {
                let response = TokenServerError::from(error).into_response();
                assert!(
                    response.status().is_server_error() && response.headers().contains_key("retry-after")
                );
            }
        }
        for refusal in StateRefusal::ALL {
            let response = TokenServerError::from(ExchangeError::State(refusal)).into_response();
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert!(!response.headers().contains_key("retry-after"), "{refusal:?}");
        }
    }
}
