//! The requests an HTTP/2 connection has open. HTTP/2 lets a peer keep an answer open by granting no room for it,
//! unseen by the socket; here each answer has a time by which it must have moved on.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

use super::Patience;

/// The open requests of one connection.
#[derive(Debug)]
pub(super) struct Streams {
    patience: Patience,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    next: u64,
    // When each answer must have moved on; None while the request is still in work.
    due: HashMap<u64, Option<Instant>>,
    idle_since: Instant,
}

/// What is wrong with a connection as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// Nothing was asked for a long time.
    Idle,
    /// An answer does not move.
    Stalled,
}

impl Streams {
    pub(super) fn new(patience: Patience) -> Arc<Self> {
        let open = Open {
            next: 0,
            due: HashMap::new(),
            idle_since: Instant::now(),
        };
        Arc::new(Self {
            patience,
            open: Mutex::new(open),
        })
    }

    pub(super) fn judge(&self, idle_timeout: Duration) -> Verdict {
        let open = self.lock();
        let now = Instant::now();
        if open.due.values().flatten().any(|due| *due < now) {
            Verdict::Stalled
        } else if open.due.is_empty() && open.idle_since + idle_timeout < now {
            Verdict::Idle
        } else {
            Verdict::Fine
        }
    }

    /// A request has come.
    pub(super) fn begin(self: &Arc<Self>) -> Stream {
        let mut open = self.lock();
        let id = open.next;
        open.next += 1;
        open.due.insert(id, None);
        Stream {
            id,
            streams: Arc::clone(self),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing between lock and unlock can fail half-way, so a poisoned lock is as good as new.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One open request; it is over when this is dropped.
#[derive(Debug)]
pub(super) struct Stream {
    id: u64,
    streams: Arc<Streams>,
}

impl Stream {
    /// The answer begins: its body holds the request open.
    pub(super) fn answer(self, body: Body) -> Body {
        let first_due = Instant::now() + self.streams.patience.at_most;
        self.streams.lock().due.insert(self.id, Some(first_due));
        Body::new(WatchedBody {
            inner: body,
            stream: self,
        })
    }

    fn moved(&self, len: usize) {
        let earned = self.streams.patience.earned_by(len);
        if let Some(Some(due)) = self.streams.lock().due.get_mut(&self.id) {
            *due += earned;
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut open = self.streams.lock();
        open.due.remove(&self.id);
        open.idle_since = Instant::now();
    }
}

struct WatchedBody {
    inner: Body,
    stream: Stream,
}

impl HttpBody for WatchedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.stream.moved(data.len());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
