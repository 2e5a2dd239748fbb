//! What jobs ask of storage nodes.

use async_trait::async_trait;
use foxhold_core::Deadline;
use foxhold_ports::signer::NodeToken;
use thiserror::Error;

/// Why a node did not do what it was asked: the words of `tokenserver.md` 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum CallFailure {
    /// It refused.
    #[error("http_4xx")]
    Http4xx,
    /// It failed.
    #[error("http_5xx")]
    Http5xx,
    /// It did not answer in time.
    #[error("timeout")]
    Timeout,
    /// It cannot be reached.
    #[error("connect")]
    Connect,
    /// Anything else: no token for it, an answer that makes no sense, a store that did not take the news.
    #[error("unknown")]
    Unknown,
}

impl CallFailure {
    /// Every failure, for tests and translations that walk them all.
    pub const ALL: [Self; 5] = [
        Self::Http4xx,
        Self::Http5xx,
        Self::Timeout,
        Self::Connect,
        Self::Unknown,
    ];

    /// The word for it, as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Http4xx => "http_4xx",
            Self::Http5xx => "http_5xx",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the node gave no sign at all.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::Timeout | Self::Connect)
    }
}

/// Calls of the operator's own storage nodes.
#[async_trait]
pub trait NodeCalls: Send + Sync {
    /// `DELETE {endpoint}`, signed with the token: erases everything that the token's user has there. Done, too, if the
    /// node has nothing (404).
    ///
    /// # Errors
    /// [`CallFailure`]. The data may be gone nevertheless.
    async fn delete_user_data(
        &self,
        by: Deadline,
        endpoint: &str,
        token: &NodeToken,
    ) -> Result<(), CallFailure>;

    /// Whether the node at this URL answers: `GET {node}/__lbheartbeat__`, and anything but a server's failure. A node that
    /// does not know that path is alive, too.
    async fn is_alive(&self, by: Deadline, node: &str) -> bool;
}
