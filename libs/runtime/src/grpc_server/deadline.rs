//! How long a call may take: the caller says it in `grpc-timeout`; who says nothing gets a second (`security.md` C.2).

use std::time::Duration;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue},
    middleware::Next,
    response::Response,
};
use foxhold_core::Deadline;
use tokio::time::timeout_at;
use tonic::{Code, Status};

use crate::grpc_status::refusal;

const DEFAULT: Duration = Duration::from_secs(1);
/// Longer than any caller has a reason to wait.
const MAX: Duration = Duration::from_secs(60);
/// With less than this left no work is begun.
pub(super) const LEFT_MIN: Duration = Duration::from_millis(20);

/// Sets the call's [`Deadline`] as an extension and ends the call when it has passed. What a call that was ended had
/// done by then is not known, so this refusal is not marked as "not done"; the one before the work is.
pub(super) async fn bound(mut request: Request, next: Next) -> Response {
    let Some(span) = asked_for(request.headers()) else {
        return refusal(Code::InvalidArgument, "grpc-timeout has the wrong form");
    };
    if span < LEFT_MIN {
        return refusal(Code::DeadlineExceeded, "too little time is left to begin");
    }
    let deadline = Deadline::after(span);
    request.extensions_mut().insert(deadline);
    match timeout_at(deadline.instant().into(), next.run(request)).await {
        Ok(response) => response,
        Err(_) => Status::deadline_exceeded("no answer before the deadline").into_http(),
    }
}

/// The time a caller gives; `None` if it says so in a way that is not gRPC's.
fn asked_for(headers: &HeaderMap<HeaderValue>) -> Option<Duration> {
    match headers.get("grpc-timeout") {
        None => Some(DEFAULT),
        Some(value) => parse(value.to_str().ok()?).map(|span| span.min(MAX)),
    }
}

/// One to eight digits and a unit (gRPC over HTTP/2, Requests).
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let table = [
            ("1S", Some(Duration::from_secs(1))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("5n", Some(Duration::from_nanos(5))),
            ("2M", Some(Duration::from_secs(120))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("", None),
            ("S", None),
            ("1", None),
            ("-1S", None),
            ("+1S", None),
            ("1.5S", None),
            ("123456789S", None),
            ("1s", None),
            ("1 S", None),
            ("1é", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn nobody_waits_for_ever_and_silence_is_a_second() {
        let mut headers = HeaderMap::new();
        assert_eq!(asked_for(&headers), Some(DEFAULT));
        headers.insert("grpc-timeout", HeaderValue::from_static("99H"));
        assert_eq!(asked_for(&headers), Some(MAX));
        headers.insert("grpc-timeout", HeaderValue::from_static("soon"));
        assert_eq!(asked_for(&headers), None);
    }
}
