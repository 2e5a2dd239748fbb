//! Request bodies with an end: a time by which they must have come, and a length that handlers enforce by reading
//! through [`read_body`].

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::{Request, request::Parts};
use hyper::body::{Frame, SizeHint};
use thiserror::Error;
use tokio::time::{Instant, Sleep};

use super::Patience;

/// How long a body may be; the layers put it into every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimit(pub usize);

/// A body that was not read whole. Each service answers it in its contract's own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BodyFault {
    /// Longer than the limit, as declared or as sent.
    #[error("the body is too long")]
    TooLarge,
    /// It did not come in time. Whatever the handler answers, the client gets 408 and the connection ends.
    #[error("the body did not come in time")]
    TooSlow,
    /// The connection broke or the framing is wrong.
    #[error("the body is incomplete")]
    Broken,
}

/// Reads the whole body, at most as much as the request's [`BodyLimit`] says (16 KiB without one). A longer declared
/// length is refused before a byte is read.
///
/// # Errors
/// [`BodyFault`].
pub async fn read_body(request: Request<Body>) -> Result<(Parts, Bytes), BodyFault> {
    let (parts, mut body) = request.into_parts();
    let limit = parts
        .extensions
        .get::<BodyLimit>()
        .map_or(16 * 1024, |limit| limit.0);
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyFault::TooLarge);
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = next_frame(&mut body).await {
        let Ok(data) = frame.map_err(|error| fault_of(&error))?.into_data() else {
            continue;
        };
        if collected.len() + data.len() > limit {
            return Err(BodyFault::TooLarge);
        }
        if collected.is_empty() && body.is_end_stream() {
            return Ok((parts, data));
        }
        collected.extend_from_slice(&data);
    }
    Ok((parts, collected.freeze()))
}

async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, axum::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

fn fault_of(error: &axum::Error) -> BodyFault {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref::<BodyFault>() {
            return *fault;
        }
        cause = error.source();
    }
    BodyFault::Broken
}

/// A body that must keep coming.
pub(super) struct TimedBody<B> {
    inner: B,
    patience: Patience,
    due: Instant,
    // Made when it is first waited for: most bodies are there already.
    timer: Option<Pin<Box<Sleep>>>,
    // Told to the connection, which then ends it.
    late: Arc<AtomicBool>,
}

impl<B> TimedBody<B> {
    pub(super) fn new(inner: B, patience: Patience, late: Arc<AtomicBool>) -> Self {
        Self {
            inner,
            due: Instant::now() + patience.at_most,
            timer: None,
            patience,
            late,
        }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for TimedBody<B> {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = &mut *self;
        match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.due += this.patience.earned_by(data.len());
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(BodyFault::Broken))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let due = this.due;
                let timer = this
                    .timer
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                std::task::ready!(timer.as_mut().poll(context));
                this.late.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(BodyFault::TooSlow)))
            }
        }
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

    fn request(limit: usize, body: Body) -> Request<Body> {
        Request::builder()
            .extension(BodyLimit(limit))
            .body(body)
            .expect("a plain request")
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        let sent = [
            ("declared", Body::from("12345")),
            ("chunked", chunks(&["12", "345"])),
        ];
        for (name, body) in sent {
            let (_, bytes) = read_body(request(5, body)).await.expect(name);
            assert_eq!(bytes, "12345", "{name}");
        }
        for (name, body) in [
            ("declared", Body::from("123456")),
            ("chunked", chunks(&["12", "3456"])),
        ] {
            assert_eq!(
                read_body(request(5, body)).await.unwrap_err(),
                BodyFault::TooLarge,
                "{name}"
            );
        }
    }

    fn chunks(parts: &'static [&'static str]) -> Body {
        Body::from_stream(futures_util::stream::iter(
            parts.iter().map(|part| Ok::<_, BodyFault>(*part)),
        ))
    }
}
