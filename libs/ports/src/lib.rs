//! All that Foxhold asks of the world, as traits: one per role. Reading this crate tells what a store, a signer or a
//! mailer must be able to do; `conformance` says it in tests that every adapter runs.
//!
//! What must stay true: a writer's method is one *intent*, one atomic decision that a store without transactions across
//! rows can carry out; repeating it with the same [`OpId`](foxhold_core::OpId) gives the same answer; it answers done,
//! refused or unknown, and never done before the write is durable. A reader answers `None` only if it knows that there
//! is nothing: a store that cannot be asked is an error, never an absence.

pub mod accounts;
pub mod assignments;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod intent;
pub mod limits;
pub mod mail;
pub mod memory;
pub mod signer;
pub mod stretcher;

pub use accounts::{AccountReader, AccountWriter};
pub use assignments::{AssignmentAdmin, AssignmentReader, AssignmentWriter};
pub use error::{Cause, ReadError, Refusal, WriteError};
pub use intent::IntentKind;
pub use limits::Limits;
pub use mail::Mailer;
pub use signer::{AccessTokenSigner, NodeTokenMinter, PublicKeySource};
pub use stretcher::Stretcher;

use foxhold_core::{Deadline, OpId};

/// What goes with every intent: its name for good, and how long the caller waits.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Repeating an intent with the same id gets the same answer.
    pub op: OpId,
    /// When the caller stops waiting.
    pub deadline: Deadline,
}
