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

/// A message over the limit: RESOURCE_EXHAUSTED, and nothing past the limit is kept.
pub(super) async fn limit(State(len_max): State<usize>, request: Request, next: Next) -> Response {
    let left = len_max.saturating_add(PREFIX_LEN);
    next.run(request.map(|inner| Body::new(Limited { inner, left })))
        .await
}

struct Limited {
    inner: Body,
    left: usize,
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let frame = match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            None => return Poll::Ready(None),
        };
        let len = frame.data_ref().map_or(0, Bytes::len);
        Poll::Ready(Some(match self.left.checked_sub(len) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(turned_away(Code::ResourceExhausted, "the message is too long").into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
