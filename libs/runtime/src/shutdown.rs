//! How a process ends: first it says that it is not ready, waits until balancers have heard it, then stops accepting
//! and finishes what it has begun (`ecosystem.md` 3.6). One [`Shutdown`] is shared by all parts of a process.
//!
//! What must stay true: phases only go forward, and a part that starts late sees the phase that already holds.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::config::look_now;

/// How far a process is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// It serves.
    Running,
    /// It still serves, but says that it is not ready, so that balancers send traffic elsewhere.
    Draining,
    /// It accepts nothing new and finishes what it has begun.
    Stopping,
}

/// Handle on the end of a process; clones speak of the same end.
#[derive(Debug, Clone)]
pub struct Shutdown(Arc<watch::Sender<Phase>>);

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A process that runs.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Running)))
    }

    /// The phase that holds now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Whether the end has begun: health answers must say "not ready".
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.phase() >= Phase::Draining
    }

    /// Ends the process the orderly way: not ready at once, stop accepting after `drain_delay`.
    pub async fn drain(&self, drain_delay: Duration) {
        self.advance(Phase::Draining);
        tokio::select! {
            () = tokio::time::sleep(drain_delay) => {}
            () = self.wait() => {}
        }
        self.advance(Phase::Stopping);
    }

    /// Stop accepting now, without telling balancers first.
    pub fn trigger(&self) {
        self.advance(Phase::Stopping);
    }

    /// Returns when new work must not be accepted any more.
    pub async fn wait(&self) {
        self.reached(Phase::Stopping).await;
    }

    /// Returns when at least `phase` holds.
    pub async fn reached(&self, phase: Phase) {
        let mut phases = self.0.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = phases.wait_for(|now| *now >= phase).await;
    }

    fn advance(&self, to: Phase) {
        self.0.send_if_modified(|now| {
            let forward = to > *now;
            if forward {
                *now = to;
            }
            forward
        });
    }
}

/// Starts to listen for SIGHUP, for whoever serves: it ends nothing then, and files that are read again on a change are looked
/// at at once. Commands end by it, as their terminal does.
///
/// # Errors
/// The operating system refuses the signal handler.
pub fn look_on_hangup() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!("asked to look whether files have changed");
            look_now();
        }
    });
    Ok(())
}

/// Starts to listen for SIGTERM and SIGINT: the first one drains, a second one stops without waiting.
///
/// # Errors
/// The operating system refuses the signal handlers.
pub fn listen_for_signals(shutdown: &Shutdown, drain_delay: Duration) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} };
        tokio::select! {
            () = next() => {}
            () = shutdown.wait() => return,
        }
        tracing::info!(
            drain_delay_ms = drain_delay.as_millis(),
            "asked to stop, draining"
        );
        tokio::select! {
            () = shutdown.drain(drain_delay) => {}
            () = next() => shutdown.trigger(),
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_go_forward_and_late_listeners_see_them() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.has_begun());
        shutdown.trigger();
        shutdown.drain(Duration::from_secs(3600)).await;
        assert_eq!(shutdown.phase(), Phase::Stopping);
        shutdown.clone().wait().await;
    }

    #[tokio::test]
    async fn draining_is_not_ready_first_and_stops_after_the_delay() {
        let shutdown = Shutdown::new();
        let (ending, other) = (shutdown.clone(), shutdown.clone());
        let drain = tokio::spawn(async move { ending.drain(Duration::from_secs(3600)).await });
        other.reached(Phase::Draining).await;
        assert_eq!(
            other.phase(),
            Phase::Draining,
            "still accepts while balancers look away"
        );
        // The second signal cuts the delay short.
        other.trigger();
        drain.await.unwrap();
        assert_eq!(shutdown.phase(), Phase::Stopping);

        let quick = Shutdown::new();
        quick.drain(Duration::ZERO).await;
        assert_eq!(quick.phase(), Phase::Stopping);
    }
}
