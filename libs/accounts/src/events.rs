//! What others are told about an account (`tokenserver.md` 10): its credentials have changed, or it is gone.

use async_trait::async_trait;
use foxhold_core::{Timestamp, Uid};

/// What has happened to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountEvent {
    /// It has a new password: credentials of before do not count any more.
    PasswordSet {
        /// Whose.
        uid: Uid,
        /// The account's `verifier_set_at` from then on: the generation of its credentials.
        generation: Timestamp,
    },
    /// It is gone.
    Deleted {
        /// Whose.
        uid: Uid,
    },
}

/// Is told what has happened to accounts, once it cannot be undone any more. Events may come more than once.
#[async_trait]
pub trait AccountEvents: Send + Sync {
    /// Takes the event. Whatever becomes of it is the listener's to see to: what has happened has happened, and the client
    /// is told so.
    async fn tell(&self, event: AccountEvent);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoListener;

#[async_trait]
impl AccountEvents for NoListener {
    async fn tell(&self, _event: AccountEvent) {}
}
