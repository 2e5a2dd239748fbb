//! The table of `tokenserver.md` section 4: from what ended an exchange to status, `status` string and the one entry
//! of `errors`. Exhaustive, so that a new reason cannot be forgotten here.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use foxhold_core::record::Schemes;
use foxhold_ports::{Cause, ReadError};
use foxhold_sync::{ExchangeError, state::StateRefusal};
use serde_json::json;
use thiserror::Error;

use super::counted::Status;
use crate::error::secs_up;

/// What clients are told to wait where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// The same while no node has room: an operator has to act.
const RETRY_AFTER_NO_ROOM: Duration = Duration::from_secs(300);

/// Anything but a token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenServerError {
    /// The exchange ended.
    #[error("{error}")]
    Exchange {
        /// Why.
        #[source]
        error: ExchangeError,
        /// What the service that was asked for takes: whoever is refused is told. None for no service.
        schemes: Schemes,
    },
    /// Nothing lives there.
    #[error("unknown path")]
    UnknownPath,
    /// Only GET means something.
    #[error("unknown method")]
    Method,
    /// A body where none may be.
    #[error("unexpected body")]
    Body,
    /// More requests are in work than may be.
    #[error("overloaded")]
    Overloaded,
    /// A handler broke off; the panic hook has logged where.
    #[error("panicked")]
    Panicked,
    /// What operators test their alerts with.
    #[error("a deliberate error")]
    Deliberate,
}

impl From<ReadError> for TokenServerError {
    fn from(error: ReadError) -> Self {
        Self::Exchange {
            error: error.into(),
            schemes: Schemes::default(),
        }
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
    /// Terms to accept: name to URL.
    urls: Option<BTreeMap<String, String>>,
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
            urls: None,
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

impl TokenServerError {
    /// One for each scheme that the service takes.
    fn challenges(&self) -> impl Iterator<Item = &'static str> {
        let schemes = match self {
            Self::Exchange { schemes, .. } => *schemes,
            _ => Schemes::default(),
        };
        let all = [(schemes.oauth, "Bearer"), (schemes.browserid, "BrowserID")];
        all.into_iter()
            .filter_map(|(taken, challenge)| taken.then_some(challenge))
    }
}

/// The row of the table.
fn answer(error: &TokenServerError) -> Answer {
    match error {
        TokenServerError::Exchange { error, .. } => exchange_answer(error),
        TokenServerError::UnknownPath => Answer::new(StatusCode::NOT_FOUND, "error")
            .at("url", "")
            .describe("Not found"),
        TokenServerError::Method => {
            Answer::new(StatusCode::METHOD_NOT_ALLOWED, "error").describe("Method not allowed")
        }
        TokenServerError::Body => {
            Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "error").describe("A body is not allowed")
        }
        TokenServerError::Overloaded => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "error")
            .describe("Resource is not available")
            .wait(RETRY_AFTER),
        TokenServerError::Panicked | TokenServerError::Deliberate => {
            internal(StatusCode::INTERNAL_SERVER_ERROR)
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
        E::CredentialTooLong => Answer::new(StatusCode::PAYLOAD_TOO_LARGE, "error").describe("Too long"),
        E::InvalidTimestamp(_) => Answer::unauthorized("invalid-timestamp"),
        E::KeysChangedAtForm => Answer::unauthorized("invalid-credentials").describe("invalid keysChangedAt"),
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
        E::ConditionsRequired(urls) => Answer {
            urls: Some(urls.clone()),
            ..Answer::new(StatusCode::FORBIDDEN, "conditions-required")
                .at("header", "X-Conditions-Accepted")
                .describe("Need to accept conditions")
        },
        E::NewUsersDisabled => {
            Answer::unauthorized("new-users-disabled").describe("New users are not allowed")
        }
        E::NewUsersLimited(limited) => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "error")
            .describe("New users are limited")
            .wait(limited.retry_after),
        E::State(refusal) => state_answer(*refusal),
        E::NoPattern(service) => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "error")
            .describe(format!("{} has no endpoint pattern", service.0))
            .wait(RETRY_AFTER_NO_ROOM),
        E::NoNode | E::NoUid | E::TooManyPast => unavailable().wait(RETRY_AFTER_NO_ROOM),
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

impl TokenServerError {
    /// The answer. Whoever takes it writes the log line.
    pub(super) fn respond(self) -> Response {
        let answer = answer(&self);
        let entry =
            json!({"location": answer.location, "name": answer.name, "description": answer.description});
        let mut body = json!({"status": answer.status, "errors": [entry]});
        if let Some(urls) = answer.urls {
            body["urls"] = json!(urls);
        }
        let mut response = (answer.http, Json(body)).into_response();
        response.extensions_mut().insert(Status(answer.status));
        let headers = response.headers_mut();
        if answer.http == StatusCode::UNAUTHORIZED {
            for challenge in self.challenges() {
                headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        if answer.http == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        if let Some(span) = answer.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs_up(span)));
        }
        response
    }

    /// The word for it in logs: of [`Reason`], or one that says all by itself.
    ///
    /// [`Reason`]: foxhold_sync::reason::Reason
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Exchange { error, .. } => error.reason().code(),
            Self::UnknownPath => "unknown-path",
            Self::Method => "unknown-method",
            Self::Body => "unexpected-body",
            Self::Overloaded => "overloaded",
            Self::Panicked => "panicked",
            Self::Deliberate => "deliberate",
        }
    }

    /// What of ours is behind it, for operators; nothing of the user or the credential is in it.
    pub(super) fn cause(&self) -> Option<String> {
        match self {
            Self::Exchange {
                error: ExchangeError::Broken(what),
                ..
            } => Some((*what).to_owned()),
            Self::Exchange { error, .. } => std::error::Error::source(error).map(ToString::to_string),
            _ => None,
        }
    }

    fn log(&self, http: StatusCode) {
        let (reason, cause) = (self.reason(), self.cause());
        if http == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(reason, cause, "not done");
        } else if http.is_server_error() {
            tracing::warn!(reason, cause, "not done");
        } else if let Self::Exchange { .. } = self {
            tracing::info!(reason, "refused");
        }
    }
}

impl IntoResponse for TokenServerError {
    fn into_response(self) -> Response {
        self.log(answer(&self).http);
        self.respond()
    }
}

/// Status, `status` string and description of a row, for the OpenAPI document.
#[cfg(test)]
pub(super) fn told(error: &TokenServerError) -> (u16, &'static str, String) {
    let answer = answer(error);
    (answer.http.as_u16(), answer.status, answer.description)
}

#[cfg(test)]
mod tests {
    use foxhold_sync::{
        first_assignments::{Budget, Limited},
        reason::Reason,
    };

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
                E::InvalidCredentials(Reason::TokenScope),
                (401, "invalid-credentials", "body", "", "Unauthorized"),
            ),
            (E::CredentialTooLong, (413, "error", "body", "", "Too long")),
            (
                E::InvalidTimestamp(Reason::BundleNotYetValid),
                (401, "invalid-timestamp", "body", "", "Unauthorized"),
            ),
            (
                E::KeysChangedAtForm,
                (401, "invalid-credentials", "body", "", "invalid keysChangedAt"),
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
                E::ConditionsRequired(BTreeMap::new()),
                (
                    403,
                    "conditions-required",
                    "header",
                    "X-Conditions-Accepted",
                    "Need to accept conditions",
                ),
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
                E::NewUsersLimited(Limited {
                    by: Budget::Issuer,
                    retry_after: Duration::from_secs(3),
                }),
                (503, "error", "body", "", "New users are limited"),
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
                let response = refused(error, Schemes::default());
                assert!(
                    response.status().is_server_error() && response.headers().contains_key("retry-after")
                );
            }
        }
        for refusal in StateRefusal::ALL {
            let response = refused(ExchangeError::State(refusal), Schemes::default());
            assert!(!response.headers().contains_key("retry-after"), "{refusal:?}");
        }
    }

    fn refused(error: ExchangeError, schemes: Schemes) -> Response {
        TokenServerError::Exchange { error, schemes }.into_response()
    }

    #[test]
    fn a_401_names_each_scheme_that_the_service_takes() {
        let table: [(bool, bool, &[&str]); 4] = [
            (true, false, &["Bearer"]),
            (false, true, &["BrowserID"]),
            (true, true, &["Bearer", "BrowserID"]),
            (false, false, &[]),
        ];
        for (oauth, browserid, expected) in table {
            let schemes = Schemes { oauth, browserid };
            for (error, is_challenged) in [
                (ExchangeError::NoAuthorization, true),
                (ExchangeError::UnknownScheme, true),
                (ExchangeError::NewUsersDisabled, true),
                (ExchangeError::ConditionsRequired(BTreeMap::new()), false),
                (ExchangeError::NoNode, false),
            ] {
                let response = refused(error.clone(), schemes);
                let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
                let expected = if is_challenged { expected } else { &[] };
                assert_eq!(challenges, expected, "{error:?} {schemes:?}");
            }
        }
    }
}
