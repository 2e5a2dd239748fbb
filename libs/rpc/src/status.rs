//! The one table between the ports' errors and gRPC statuses. Both ways are here and nowhere else.
//!
//! What must stay true: an error of a port crosses as a number in the metadata entry [`CODE_KEY`] and comes back as the
//! same error. A status without a number was made by the transport, by a middle box or by the deadline: whether the call
//! was carried out is then *unknown*, unless the status carries [`NOT_DONE_KEY`] or its code rules it out.

use std::time::Duration;

use foxhold_ports::{Cause, Refusal, WriteError, signer::SignError, stretcher::StretchError};
use tonic::{Code, Status, metadata::MetadataValue};

use crate::convert::FieldError;

/// Metadata: which error of a port it is, as a decimal number.
pub const CODE_KEY: &str = "foxhold-code";

/// Metadata: set by whoever turned a call away before any of it was carried out. `foxhold_runtime::grpc_status` sets it.
pub const NOT_DONE_KEY: &str = "foxhold-not-done";

/// Metadata: when to come back, in milliseconds.
pub const RETRY_AFTER_KEY: &str = "foxhold-retry-after-ms";

/// Numbers of refusals are below, see [`refusal_number`].
const NOT_DONE: u16 = 100;
const UNKNOWN: u16 = 200;
const ORDER_REFUSED: u16 = 301;
const NO_NODE_SECRET: u16 = 302;
const UNFIT_KEY: u16 = 303;
const STRETCHER_BUSY: u16 = 401;
const BAD_FIELD: u16 = 501;

const fn cause_number(cause: Cause) -> u16 {
    match cause {
        Cause::Unavailable => 1,
        Cause::Timeout => 2,
        Cause::Overloaded => 3,
        Cause::NotPermitted => 4,
        Cause::Fault => 5,
        Cause::Inconsistent => 6,
    }
}

const fn refusal_number(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::EmailTaken => 1,
        Refusal::UnknownAccount => 2,
        Refusal::TokenSpent => 3,
        Refusal::Conflict => 4,
        Refusal::UnknownService => 5,
        Refusal::NoNode => 6,
        Refusal::NoUid => 7,
        Refusal::OperationReused => 8,
        Refusal::UnknownNode => 9,
        Refusal::Closed => 10,
        Refusal::TooManyPast => 11,
    }
}

const fn cause_code(cause: Cause) -> Code {
    match cause {
        Cause::Unavailable => Code::Unavailable,
        Cause::Timeout => Code::DeadlineExceeded,
        Cause::Overloaded => Code::ResourceExhausted,
        Cause::NotPermitted => Code::PermissionDenied,
        Cause::Fault => Code::Internal,
        Cause::Inconsistent => Code::DataLoss,
    }
}

const fn refusal_code(refusal: Refusal) -> Code {
    match refusal {
        Refusal::EmailTaken | Refusal::OperationReused => Code::AlreadyExists,
        Refusal::UnknownAccount | Refusal::UnknownService | Refusal::UnknownNode => Code::NotFound,
        Refusal::TokenSpent | Refusal::NoNode | Refusal::NoUid | Refusal::Closed | Refusal::TooManyPast => {
            Code::FailedPrecondition
        }
        Refusal::Conflict => Code::Aborted,
    }
}

/// What a status that carries no number says of the way there.
const fn code_cause(code: Code) -> Cause {
    match code {
        Code::Unavailable | Code::Cancelled | Code::Aborted => Cause::Unavailable,
        Code::DeadlineExceeded => Cause::Timeout,
        Code::ResourceExhausted => Cause::Overloaded,
        Code::PermissionDenied | Code::Unauthenticated => Cause::NotPermitted,
        Code::Ok
        | Code::Unknown
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Cause::Fault,
    }
}

/// A status with a number in its metadata.
fn numbered(code: Code, number: u16, message: String) -> Status {
    let mut status = Status::new(code, message);
    status
        .metadata_mut()
        .insert(CODE_KEY, MetadataValue::from(number));
    status
}

fn number(status: &Status) -> Option<u16> {
    status.metadata().get(CODE_KEY)?.to_str().ok()?.parse().ok()
}

/// The cause a number names in the block that starts at `base`.
fn cause_in(base: u16, number: u16) -> Option<Cause> {
    Cause::ALL
        .into_iter()
        .find(|cause| base + cause_number(*cause) == number)
}

fn refusal_of(number: u16) -> Option<Refusal> {
    Refusal::ALL
        .into_iter()
        .find(|refusal| refusal_number(*refusal) == number)
}

/// Whether a status without number proves that nothing was carried out. Unimplemented does: there was nobody to do it.
fn was_turned_away(status: &Status) -> bool {
    status.metadata().contains_key(NOT_DONE_KEY) || status.code() == Code::Unimplemented
}

/// A message whose field is missing or has the wrong form: INVALID_ARGUMENT.
#[must_use]
pub fn of_field_error(error: &FieldError) -> Status {
    numbered(Code::InvalidArgument, BAD_FIELD, error.to_string())
}

/// A write that was not carried out, or may not have been.
#[must_use]
pub fn of_write_error(error: WriteError) -> Status {
    let (code, number) = match error {
        WriteError::Refused(refusal) => (refusal_code(refusal), refusal_number(refusal)),
        WriteError::NotDone(cause) => (cause_code(cause), NOT_DONE + cause_number(cause)),
        WriteError::Unknown(cause) => (cause_code(cause), UNKNOWN + cause_number(cause)),
    };
    numbered(code, number, error.to_string())
}

/// What a write's status says.
#[must_use]
pub fn to_write_error(status: &Status) -> WriteError {
    if let Some(number) = number(status) {
        if let Some(refusal) = refusal_of(number) {
            return WriteError::Refused(refusal);
        }
        if let Some(cause) = cause_in(NOT_DONE, number) {
            return WriteError::NotDone(cause);
        }
        if let Some(cause) = cause_in(UNKNOWN, number) {
            return WriteError::Unknown(cause);
        }
        if number == BAD_FIELD {
            return WriteError::NotDone(Cause::Fault);
        }
    }
    let cause = code_cause(status.code());
    if was_turned_away(status) {
        WriteError::NotDone(cause)
    } else {
        WriteError::Unknown(cause)
    }
}

/// An order that was not carried out.
#[must_use]
pub fn of_sign_error(error: SignError) -> Status {
    let (code, number) = match error {
        SignError::Refused => (Code::InvalidArgument, ORDER_REFUSED),
        SignError::UnfitKey => (Code::InvalidArgument, UNFIT_KEY),
        SignError::NoNodeSecret => (Code::FailedPrecondition, NO_NODE_SECRET),
        SignError::NotDone(cause) => (cause_code(cause), NOT_DONE + cause_number(cause)),
    };
    numbered(code, number, error.to_string())
}

/// What a signer's status says. An order that reached nobody and one whose answer got lost are the same to the caller:
/// it has no token, and another order is harmless.
#[must_use]
pub fn to_sign_error(status: &Status) -> SignError {
    match number(status) {
        Some(ORDER_REFUSED | BAD_FIELD) => SignError::Refused,
        Some(UNFIT_KEY) => SignError::UnfitKey,
        Some(NO_NODE_SECRET) => SignError::NoNodeSecret,
        Some(number) => SignError::NotDone(cause_in(NOT_DONE, number).unwrap_or(Cause::Fault)),
        None => SignError::NotDone(code_cause(status.code())),
    }
}

/// A stretching that did not happen.
#[must_use]
pub fn of_stretch_error(error: StretchError) -> Status {
    match error {
        StretchError::Busy { retry_after } => {
            let mut status = numbered(Code::ResourceExhausted, STRETCHER_BUSY, error.to_string());
            let millis = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
            status
                .metadata_mut()
                .insert(RETRY_AFTER_KEY, MetadataValue::from(millis));
            status
        }
        StretchError::NotDone(cause) => numbered(
            cause_code(cause),
            NOT_DONE + cause_number(cause),
            error.to_string(),
        ),
    }
}

/// What a stretcher's status says.
#[must_use]
pub fn to_stretch_error(status: &Status) -> StretchError {
    match number(status) {
        Some(STRETCHER_BUSY) => StretchError::Busy {
            retry_after: retry_after(status),
        },
        Some(number) => StretchError::NotDone(cause_in(NOT_DONE, number).unwrap_or(Cause::Fault)),
        None => StretchError::NotDone(code_cause(status.code())),
    }
}

/// The longest a peer may send us away for: more is a fault of its clock or ours.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

fn retry_after(status: &Status) -> Duration {
    let millis = status
        .metadata()
        .get(RETRY_AFTER_KEY)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(1000);
    Duration::from_millis(millis).min(RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a peer sees it: through headers and back.
    fn over_the_wire(status: Status) -> Status {
        let response = status.into_http::<tonic::body::Body>();
        Status::from_header_map(response.headers()).unwrap()
    }

    #[test]
    fn every_write_error_comes_back_as_itself() {
        let refused = Refusal::ALL.map(WriteError::Refused);
        let not_done = Cause::ALL.map(WriteError::NotDone);
        let unknown = Cause::ALL.map(WriteError::Unknown);
        for error in refused.into_iter().chain(not_done).chain(unknown) {
            assert_eq!(to_write_error(&over_the_wire(of_write_error(error))), error);
        }
    }

    #[test]
    fn every_sign_error_comes_back_as_itself() {
        let not_done = Cause::ALL.map(SignError::NotDone);
        for error in [SignError::Refused, SignError::UnfitKey, SignError::NoNodeSecret]
            .into_iter()
            .chain(not_done)
        {
            assert_eq!(to_sign_error(&over_the_wire(of_sign_error(error))), error);
        }
    }

    #[test]
    fn every_stretch_error_comes_back_as_itself() {
        let busy = StretchError::Busy {
            retry_after: Duration::from_millis(1500),
        };
        for error in Cause::ALL.map(StretchError::NotDone).into_iter().chain([busy]) {
            assert_eq!(to_stretch_error(&over_the_wire(of_stretch_error(error))), error);
        }
    }

    #[test]
    fn no_two_errors_share_a_number() {
        let mut numbers: Vec<u16> = Refusal::ALL.map(refusal_number).to_vec();
        for base in [NOT_DONE, UNKNOWN] {
            numbers.extend(Cause::ALL.map(|cause| base + cause_number(cause)));
        }
        numbers.extend([ORDER_REFUSED, NO_NODE_SECRET, STRETCHER_BUSY, BAD_FIELD]);
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }

    #[test]
    fn a_status_of_nobodys_is_unknown_to_a_writer() {
        let table = [
            (Code::Unavailable, Cause::Unavailable),
            (Code::Cancelled, Cause::Unavailable),
            (Code::DeadlineExceeded, Cause::Timeout),
            (Code::ResourceExhausted, Cause::Overloaded),
            (Code::PermissionDenied, Cause::NotPermitted),
            (Code::Internal, Cause::Fault),
            (Code::Unknown, Cause::Fault),
            (Code::Ok, Cause::Fault),
            (Code::NotFound, Cause::Fault),
        ];
        for (code, cause) in table {
            let bare = Status::new(code, "");
            assert_eq!(to_write_error(&bare), WriteError::Unknown(cause), "{code:?}");
            assert_eq!(to_sign_error(&bare), SignError::NotDone(cause), "{code:?}");
            assert_eq!(to_stretch_error(&bare), StretchError::NotDone(cause), "{code:?}");

            let mut marked = Status::new(code, "");
            marked.metadata_mut().insert(NOT_DONE_KEY, MetadataValue::from(1));
            assert_eq!(to_write_error(&marked), WriteError::NotDone(cause), "{code:?}");
        }
        let unimplemented = Status::unimplemented("");
        assert_eq!(to_write_error(&unimplemented), WriteError::NotDone(Cause::Fault));
    }

    #[test]
    fn a_number_nobody_knows_is_no_refusal() {
        for text in ["0", "12", "99", "107", "999", "70000", "-1", "x", ""] {
            let mut status = Status::internal("");
            status.metadata_mut().insert(CODE_KEY, text.parse().unwrap());
            assert_eq!(
                to_write_error(&status),
                WriteError::Unknown(Cause::Fault),
                "{text}"
            );
        }
    }

    #[test]
    fn a_bad_field_is_a_fault_of_the_caller_and_nothing_was_done() {
        let status = over_the_wire(of_field_error(&FieldError::new("op_id")));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains("op_id"));
        assert_eq!(to_write_error(&status), WriteError::NotDone(Cause::Fault));
        assert_eq!(to_sign_error(&status), SignError::Refused);
    }

    #[test]
    fn nobody_is_sent_away_for_long() {
        let error = StretchError::Busy {
            retry_after: Duration::from_secs(86_400),
        };
        let back = to_stretch_error(&over_the_wire(of_stretch_error(error)));
        assert_eq!(
            back,
            StretchError::Busy {
                retry_after: RETRY_AFTER_MAX
            }
        );
    }
}
