//! The connection as the HTTP library sees it: bytes judged by [`Framing`], heads and idle times with an end, and a
//! reader of answers that must keep reading.
//!
//! What must stay true: after a violation the library gets bytes that no parser accepts and then the end, so the
//! refusal goes its usual way (400 after the answers still due, then close) and nothing after the violation is read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::{EdgeLimits, Patience, framing::Framing};

/// No request line, header or chunk length may hold a NUL.
const POISON: &[u8] = b"\0\r\n\r\n";

/// How long and how much is read from a refused client so that it sees the answer before the connection breaks.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Whom the guard waits for while it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For the rest of a head, or the first one.
    Head,
    /// For the next request.
    Idle,
    /// For a body: that has a deadline of its own.
    Body,
}

/// A guarded byte stream.
pub(super) struct Guarded<S> {
    io: S,
    // Read before the protocol was known.
    ahead: Vec<u8>,
    // None for HTTP/2, which frames by itself.
    framing: Option<Framing>,
    // What is left of the poison, once a violation was met.
    poison: Option<&'static [u8]>,
    waiting: Waiting,
    read_timer: Pin<Box<Sleep>>,
    head_timeout: Duration,
    idle_timeout: Duration,
    write: WriteWatch,
    linger: Option<Linger>,
}

impl<S> Guarded<S> {
    /// HTTP/1, with bytes read ahead; the first head is due by `head_due`.
    pub(super) fn http1(io: S, ahead: Vec<u8>, limits: &EdgeLimits, head_due: Instant) -> Self {
        Self {
            framing: Some(Framing::new(limits.head_len_max)),
            read_timer: Box::pin(tokio::time::sleep_until(head_due)),
            ..Self::http2(io, ahead, limits)
        }
    }

    /// HTTP/2: only the writing is watched.
    pub(super) fn http2(io: S, ahead: Vec<u8>, limits: &EdgeLimits) -> Self {
        Self {
            io,
            ahead,
            framing: None,
            poison: None,
            waiting: Waiting::Head,
            read_timer: Box::pin(tokio::time::sleep(limits.idle_timeout)),
            head_timeout: limits.head_timeout,
            idle_timeout: limits.idle_timeout,
            write: WriteWatch {
                patience: limits.write,
                stalled: None,
            },
            linger: None,
        }
    }

    /// Sets the timer for what is waited for now.
    fn wait_for(&mut self, waiting: Waiting, from_now: bool) {
        if self.waiting != waiting || from_now {
            self.waiting = waiting;
            let span = if waiting == Waiting::Head {
                self.head_timeout
            } else {
                self.idle_timeout
            };
            self.read_timer.as_mut().reset(Instant::now() + span);
        }
    }

    /// Judges what was just read and cuts it at a violation.
    fn judge(&mut self, buffer: &mut ReadBuf<'_>, from: usize) {
        let Some(framing) = &mut self.framing else { return };
        let verdict = framing.judge(&buffer.filled()[from..]);
        let (in_head, between) = (framing.is_in_head(), framing.is_between());
        if let Err(violation) = verdict {
            buffer.set_filled(from + violation.fine);
            let fits = buffer.remaining().min(POISON.len());
            buffer.put_slice(&POISON[..fits]);
            self.poison = Some(&POISON[fits..]);
        } else if in_head {
            self.wait_for(Waiting::Head, false);
        } else if between {
            self.wait_for(Waiting::Idle, true);
        } else {
            self.waiting = Waiting::Body;
        }
    }

    /// Whether something the peer sends may still be under way.
    fn is_mid_request(&self) -> bool {
        self.poison.is_some() || self.framing.as_ref().is_some_and(|framing| !framing.is_between())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Some(poison) = &mut this.poison {
            let (now, later) = poison.split_at(poison.len().min(buffer.remaining()));
            buffer.put_slice(now);
            *poison = later;
            return Poll::Ready(Ok(()));
        }
        let from = buffer.filled().len();
        if !this.ahead.is_empty() {
            let fits = this.ahead.len().min(buffer.remaining());
            buffer.put_slice(&this.ahead[..fits]);
            this.ahead.drain(..fits);
            this.judge(buffer, from);
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut this.io).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                this.judge(buffer, from);
                Poll::Ready(Ok(()))
            }
            Poll::Pending if this.framing.is_some() && this.waiting != Waiting::Body => {
                ready!(this.read_timer.as_mut().poll(context));
                match this.waiting {
                    // As if the peer had ended the connection itself.
                    Waiting::Idle => Poll::Ready(Ok(())),
                    Waiting::Head | Waiting::Body => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                }
            }
            pending_or_error => pending_or_error,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let wrote = Pin::new(&mut this.io).poll_write(context, bytes);
        this.after_write(context, wrote, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let wrote = Pin::new(&mut this.io).poll_write_vectored(context, slices);
        this.after_write(context, wrote, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        match Pin::new(&mut this.io).poll_flush(context) {
            Poll::Pending => this.write.poll_stalled(context).map(Err),
            done => done,
        }
    }

    /// Ends our side, and for a request that was cut off reads on a little: closing with unread bytes would reset
    /// the connection and could take the answer away from the client.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            match Pin::new(&mut this.io).poll_shutdown(context) {
                Poll::Pending => return this.write.poll_stalled(context).map(Err),
                Poll::Ready(ended) => ended?,
            }
            if !this.is_mid_request() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(Linger::new);
        linger.poll(&mut this.io, context).map(Ok)
    }
}

impl<S> Guarded<S> {
    fn after_write(
        &mut self,
        context: &mut Context<'_>,
        wrote: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Pending => self.write.poll_stalled(context).map(Err),
            Poll::Ready(Ok(len)) => {
                self.write.progress(len, offered);
                if self.waiting == Waiting::Idle {
                    self.wait_for(Waiting::Idle, true);
                }
                Poll::Ready(Ok(len))
            }
            failed => failed,
        }
    }
}

/// How long the peer may keep us from writing.
struct WriteWatch {
    patience: Patience,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl WriteWatch {
    /// Ready once the peer has used up our patience.
    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let at_most = self.patience.at_most;
        let timer = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(at_most)));
        timer
            .as_mut()
            .poll(context)
            .map(|()| io::ErrorKind::TimedOut.into())
    }

    /// All was taken: the clock stops. A part was taken: it earns time.
    fn progress(&mut self, wrote: usize, offered: usize) {
        if wrote == offered {
            self.stalled = None;
        } else if let Some(timer) = &mut self.stalled {
            let due = timer.deadline() + self.patience.earned_by(wrote);
            timer.as_mut().reset(due);
        }
    }
}

/// Reads and drops what a refused client still sends.
struct Linger {
    timer: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    fn new() -> Self {
        Self {
            timer: Box::pin(tokio::time::sleep(LINGER)),
            left: LINGER_BYTES,
        }
    }

    fn poll<S: AsyncRead + Unpin>(&mut self, io: &mut S, context: &mut Context<'_>) -> Poll<()> {
        let mut waste = [0; 4096];
        while self.left > 0 {
            let mut buffer = ReadBuf::new(&mut waste);
            match Pin::new(&mut *io).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.timer.as_mut().poll(context),
            }
        }
        Poll::Ready(())
    }
}
