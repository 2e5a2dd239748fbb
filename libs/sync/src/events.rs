//! Account events (`tokenserver.md` section 10): an account is gone, or its credentials have changed.
//!
//! They are told by a queue ([`message`]), by a webhook, whose claims [`security_event`] reads, and by the
//! accounts area of the same process. [`apply`] carries one out in all services. What must stay true: events come more
//! than once and in any order, so both effects may be repeated and neither lowers a number; a user who had a record when
//! retired has no active one afterwards, whoever writes at the same time.

mod apply;
pub mod message;
pub mod security_event;

use foxhold_core::{
    Timestamp,
    record::{Generation, UserKey},
};

pub use apply::{Applied, ApplyError, Ports, apply};

use crate::credential::is_uid;

/// The longest name of a domain.
const DOMAIN_LEN_MAX: usize = 253;

/// What has happened to an account, as far as it matters to its records. The greater of two events includes the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountEvent {
    /// Credentials of before do not count any more: no record has a lower generation than this.
    RaiseGeneration(Generation),
    /// The account is gone.
    Retire,
}

impl AccountEvent {
    /// The credentials changed at `millis`. `None` for what no store can hold.
    ///
    /// The generation is one less than the new credentials': the event does not tell the client state that comes with
    /// them, and state rule 5 refuses a new one that brings no newer generation.
    #[must_use]
    pub fn credentials_changed_at(millis: u64) -> Option<Self> {
        let generation = Generation(millis.saturating_sub(1));
        (millis <= Generation::RETIRED.0).then_some(Self::RaiseGeneration(generation))
    }
}

impl AccountEvent {
    /// Its kind, as metrics and logs name it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Retire => "retire",
            Self::RaiseGeneration(_) => "raise_generation",
        }
    }
}

/// How far the clock of whoever tells of events may be ahead.
const AHEAD_MAX_MILLIS: u64 = 86_400_000;

impl AccountEvent {
    /// Whether it tells of what cannot have happened yet, as for a time in microseconds. A number never falls again, so
    /// that would shut a user out for good.
    #[must_use]
    pub const fn is_ahead_of(self, now: Timestamp) -> bool {
        match self {
            Self::RaiseGeneration(generation) => {
                generation.0 > now.as_millis().saturating_add(AHEAD_MAX_MILLIS)
            }
            Self::Retire => false,
        }
    }
}

/// An event, and whom it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The user, by the same key that the account's credentials lead to.
    pub user: UserKey,
    /// What has happened.
    pub event: AccountEvent,
}

/// The key of a user, if uid and domain can be those of one.
fn user_key(fxa_uid: &str, domain: &str) -> Option<UserKey> {
    // What may not be in a uid has no place in a domain either.
    let is_user = is_uid(fxa_uid) && is_uid(domain) && domain.len() <= DOMAIN_LEN_MAX;
    is_user.then(|| UserKey(format!("{fxa_uid}@{domain}")))
}

#[cfg(test)]
mod tests;
