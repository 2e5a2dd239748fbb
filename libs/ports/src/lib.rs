//! All that Foxhold asks of the world, as traits: one per role. Reading this crate tells what a store, a signer or a
//! mailer must be able to do; `conformance` says it in tests that every adapter runs.
//!
//! What must stay true: a writer's method is one *intent*, one atomic decision that a store without transactions across
//! rows can carry out; it answers done, refused or unknown, and never done before the write is durable. A reader answers
//! `None` only if it knows that there is nothing: a store that cannot be asked is an error, never an absence.
//!
//! An intent repeated with the same [`OpId`](foxhold_core::OpId) (`docs/adr/0010-what-the-same-operation-id-means.md`):
//! - *Done* is for good. The same operation again answers done, with the same record if it answers one, and changes
//!   nothing more, whatever has happened since. This is how an unknown outcome is settled.
//! - *Refused* wrote nothing. The same operation again is refused as long as the cause stands. When the cause is gone, a
//!   store with a log of operations still refuses, one without judges anew; either answer is what really happened.
//! - An operation id belongs to one intent with its arguments: a caller makes a new one for anything else. A store with
//!   a log refuses one that comes with another *kind* of intent; none compares the arguments, so with others the answer
//!   is that of the first, or a decision of its own.

pub mod account_admin;
pub mod accounts;
pub mod assignments;
pub mod cell;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod device_commands;
pub mod error;
pub mod follow_ups;
pub mod guards;
pub mod intent;
pub mod invitations;
pub mod jobs;
pub mod limits;
pub mod mail;
pub mod memory;
pub mod openid;
pub mod operator;
pub mod outbox;
pub mod repeat;
pub mod signer;
pub mod stretcher;

pub use account_admin::{AccountAdmin, AccountDirectory};
pub use accounts::{AccountReader, AccountWriter};
pub use assignments::{AssignmentAdmin, AssignmentReader, AssignmentWriter};
pub use device_commands::{CommandReader, CommandWriter};
pub use error::{Cause, ReadError, Refusal, WriteError};
pub use follow_ups::FollowUps;
pub use guards::AccountGuards;
pub use intent::IntentKind;
pub use invitations::{InvitationReader, InvitationWriter};
pub use jobs::JobTurns;
pub use limits::Limits;
pub use mail::Mailer;
pub use openid::{ClientAdmin, ClientRegistry, GrantReader, GrantWriter};
pub use operator::OperatorWriter;
pub use outbox::{Outbox, OutboxReader};
pub use signer::{AccessTokenSigner, CertificateSigner, IdTokenSigner, NodeTokenMinter, PublicKeySource};
pub use stretcher::Stretcher;

use foxhold_core::{Deadline, OpId};

/// What goes with every intent: its name for good, and how long the caller waits.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its name for good: see the crate's first page for what the same id again means.
    pub op: OpId,
    /// When the caller stops waiting.
    pub deadline: Deadline,
}
