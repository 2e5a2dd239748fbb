//! Requests that are not carried out: one type for handlers, and the one place where it becomes a problem document.
//!
//! Must stay true: what a store or another part says of itself goes to the log, never into an answer; no detail names a user.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use foxhold_accounts::AccountError;
use foxhold_ports::{Cause, ReadError, Refusal, WriteError};
use foxhold_runtime::layers::REQUEST_ID;

use crate::wire::{Code, FieldFault, Problem};

/// How long to wait before the same again, when a part is away.
const RETRY_AFTER_SECS: u64 = 2;

/// A request that is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) detail: String,
    pub(crate) errors: Vec<FieldFault>,
    /// Whether an audit line says so already.
    pub(crate) is_audited: bool,
}

impl Refused {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            is_audited: false,
        }
    }

    /// Parts of the request that cannot be meant.
    pub(crate) fn invalid(errors: Vec<FieldFault>) -> Self {
        Self {
            errors,
            ..Self::new(Code::InvalidRequest, "the request cannot be meant")
        }
    }

    pub(crate) fn unknown_service() -> Self {
        Self::new(Code::UnknownService, "there is no such service")
    }

    pub(crate) fn unknown_node() -> Self {
        Self::new(Code::UnknownNode, "the service has no node at this URL")
    }

    pub(crate) fn unknown_client() -> Self {
        Self::new(Code::UnknownClient, "there is no such client")
    }

    pub(crate) fn unknown_account() -> Self {
        Self::new(Code::UnknownAccount, "no account has this uid or address")
    }

    pub(crate) fn unknown_user() -> Self {
        Self::new(Code::UnknownUser, "the user has no record in this service")
    }

    pub(crate) fn contended() -> Self {
        Self::new(Code::Conflict, "others kept changing the same thing; try again")
    }

    /// What a layer or the router itself has answered.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(Code::NotFound, "there is nothing at this path"),
            StatusCode::METHOD_NOT_ALLOWED => {
                Self::new(Code::MethodNotAllowed, "this path does not take that method")
            }
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(Code::TooLarge, "the body is too long"),
            status if status.is_client_error() => Self::invalid(Vec::new()),
            _ => Self::new(Code::Internal, "a fault in Foxhold; its log has more"),
        }
    }

    fn of_cause(cause: Cause, unknown: bool) -> Self {
        match cause {
            Cause::Fault | Cause::NotPermitted | Cause::Inconsistent => {
                Self::new(Code::Internal, format!("the store or another part: {cause}"))
            }
            Cause::Unavailable | Cause::Timeout | Cause::Overloaded if unknown => Self::new(
                Code::OutcomeUnknown,
                format!("it may have been done: {cause}; the same again does no harm"),
            ),
            Cause::Unavailable | Cause::Timeout | Cause::Overloaded => {
                Self::new(Code::Unavailable, format!("nothing was done: {cause}"))
            }
        }
    }
}

/// A part of a request that cannot be meant.
pub(crate) fn fault(field: impl Into<String>, detail: impl Into<String>) -> FieldFault {
    FieldFault {
        field: field.into(),
        detail: detail.into(),
    }
}

impl From<FieldFault> for Refused {
    fn from(fault: FieldFault) -> Self {
        Self::invalid(vec![fault])
    }
}

impl From<ReadError> for Refused {
    fn from(ReadError(cause): ReadError) -> Self {
        Self::of_cause(cause, false)
    }
}

impl From<WriteError> for Refused {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::NotDone(cause) => Self::of_cause(cause, false),
            WriteError::Unknown(cause) => Self::of_cause(cause, true),
            WriteError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Conflict => return Self::contended(),
            Refusal::UnknownService => return Self::unknown_service(),
            Refusal::UnknownNode => return Self::unknown_node(),
            Refusal::UnknownAccount => return Self::unknown_account(),
            Refusal::NoNode => Code::NoNode,
            Refusal::NoUid => Code::NoUid,
            Refusal::Closed => Code::Closed,
            Refusal::TooManyPast => Code::TooManyPast,
            // Not of any intent that is put here.
            Refusal::EmailTaken | Refusal::TokenSpent | Refusal::OperationReused => Code::Internal,
        };
        Self::new(code, refusal.to_string())
    }
}

/// What the rules of accounts refuse an operator.
impl From<AccountError> for Refused {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::BadParameter(field) | AccountError::MissingParameter(field) => {
                fault(field, "the rules of accounts do not take it").into()
            }
            AccountError::Busy { .. } => Self::of_cause(Cause::Overloaded, false),
            error => Self::new(Code::Internal, error.to_string()),
        }
    }
}

/// The problem itself is written by [`write_problem`], which knows the request's id.
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = status(self.code).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

fn status(code: Code) -> StatusCode {
    StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Writes the problem document of every answer that is no success, whichever layer gave it.
pub(crate) async fn write_problem(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    let refused = parts.extensions.remove::<Refused>();
    let Refused {
        code, detail, errors, ..
    } = refused.unwrap_or_else(|| Refused::of_status(status));
    let request_id = parts.headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let problem = Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        detail,
        code,
        request_id: request_id.unwrap_or_default().to_owned(),
        errors,
    };
    if status.is_server_error() {
        tracing::warn!(
            request.id = problem.request_id,
            code = code.name(),
            detail = problem.detail,
            "an administrator's request failed"
        );
    }
    let json = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, json);
    parts.headers.remove(header::CONTENT_LENGTH);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let after = parts.headers.entry(header::RETRY_AFTER);
        after.or_insert_with(|| HeaderValue::from(RETRY_AFTER_SECS));
    }
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    Response::from_parts(parts, Body::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_wrong_says_whether_something_may_have_been_done() {
        for cause in Cause::ALL {
            let not_done = Refused::from(WriteError::NotDone(cause)).code;
            assert_eq!(Refused::from(ReadError(cause)).code, not_done, "{cause:?}");
            let unknown = Refused::from(WriteError::Unknown(cause)).code;
            let expected = match not_done {
                Code::Unavailable => Code::OutcomeUnknown,
                other => other,
            };
            assert_eq!(unknown, expected, "{cause:?}");
        }
    }

    #[test]
    fn every_refusal_has_a_code_that_is_the_caller_s_or_ours() {
        for refusal in Refusal::ALL {
            let code = Refused::from(refusal).code;
            assert!([404, 409, 500].contains(&code.status()), "{refusal:?}: {code:?}");
        }
    }
}
