//! Cuts a message off while it comes in. Every call of ours is one message, so the bound on the body is the bound on it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::Code;

use crate::grpc_status::turned_away;

/// gRPC puts a flag and a length before each message.
const PREFIX_LEN: usize = 5;

/// A message over the limit: RESOURCE_EXHAUSTED, as soon as its length is read, and nothing past the limit is kept.
pub(super) async fn limit(State(len_max): State<usize>, request: Request, next: Next) -> Response {
    let limited = |inner| {
        Body::new(Limited {
            inner,
            left: len_max.saturating_add(PREFIX_LEN),
            len_max,
            prefix: Vec::with_capacity(PREFIX_LEN),
        })
    };
    next.run(request.map(limited)).await
}

struct Limited {
    inner: Body,
    left: usize,
    len_max: usize,
    prefix: Vec<u8>,
}

impl Limited {
    /// Whether this much more still fits, and the message says that it will.
    fn fits(&mut self, data: &[u8]) -> bool {
        let missing = PREFIX_LEN - self.prefix.len();
        self.prefix.extend_from_slice(&data[..missing.min(data.len())]);
        let declared = match self.prefix[..] {
            [_, a, b, c, d] => usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX),
            _ => 0,
        };
        match self.left.checked_sub(data.len()) {
            Some(left) if declared <= self.len_max => {
                self.left = left;
                true
            }
            Some(_) | None => false,
        }
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) if frame.data_ref().is_none_or(|data| self.fits(data)) => Some(Ok(frame)),
            Some(Ok(_)) => Some(Err(turned_away(
                Code::ResourceExhausted,
                "the message is too long",
            )
            .into())),
            Some(Err(error)) => Some(Err(error.into())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(len_max: usize) -> Limited {
        Limited {
            inner: Body::empty(),
            left: len_max + PREFIX_LEN,
            len_max,
            prefix: Vec::new(),
        }
    }

    #[test]
    fn a_length_is_judged_when_it_is_read_and_what_comes_is_counted() {
        type Case = (&'static str, &'static [&'static [u8]], bool);
        let table: [Case; 7] = [
            ("in one piece", &[&[0, 0, 0, 0, 3, 1, 2, 3]], true),
            ("in pieces", &[&[0, 0], &[0, 0], &[3, 1], &[2, 3]], true),
            ("empty", &[&[0, 0, 0, 0, 0]], true),
            ("too long by its own word", &[&[0, 0, 0, 0, 4]], false),
            ("very long by its own word", &[&[0, 255, 255, 255, 255]], false),
            ("longer than its word", &[&[0, 0, 0, 0, 3, 1, 2, 3], &[4]], false),
            ("a second message", &[&[0, 0, 0, 0, 0], &[0, 0, 0, 0]], false),
        ];
        for (name, pieces, expected) in table {
            let mut body = limited(3);
            assert_eq!(pieces.iter().all(|piece| body.fits(piece)), expected, "{name}");
        }
    }
}
