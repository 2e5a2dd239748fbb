//! Jobs that one process of a deployment runs at a time.
//!
//! What must stay true: a job does no harm if two processes run it for a while. The turn saves work; it decides nothing.

use std::time::Duration;

use async_trait::async_trait;
use foxhold_core::{Random, Timestamp};

use crate::{Call, WriteError};

/// How long a turn lasts unless it is taken again.
pub const TURN: Duration = Duration::from_secs(60);

/// A job, by a stable number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Job {
    /// Purges the data of replaced records (`tokenserver.md` 11).
    Purge = 1,
    /// Asks nodes whether they are alive.
    NodeHealth = 2,
}

impl Job {
    /// Every job, for tests that walk them all.
    pub const ALL: &[Self] = &[Self::Purge, Self::NodeHealth];

    /// The number it is stored under, for good.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
}

/// A process that wants a turn, as long as it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Runner(pub [u8; 16]);

impl Runner {
    /// A new one.
    #[must_use]
    pub fn random(random: &dyn Random) -> Self {
        Self(foxhold_core::random::bytes(random))
    }
}

/// Whether a runner may take a job's turn, given whose it is and until when. A turn that ends later than any taken now
/// could was taken by a clock far ahead, and counts as over: else its owner's end would leave the job to nobody.
#[must_use]
pub fn may_take(held: Option<(Runner, Timestamp)>, runner: Runner, now: Timestamp) -> bool {
    held.is_none_or(|(whose, until)| whose == runner || until <= now || until > turn_end(turn_end(now)))
}

/// When a turn that is taken now is over.
#[must_use]
pub fn turn_end(now: Timestamp) -> Timestamp {
    now.plus(TURN)
}

/// Hands out turns.
#[async_trait]
pub trait JobTurns: Send + Sync {
    /// Takes the turn at a job until [`TURN`] after `now`, or prolongs it: `true` if the job is the runner's, `false` if it
    /// is another's whose turn is not over at `now`. `now` is the caller's clock; clocks that differ make a turn shorter
    /// or longer, no worse. One intent.
    async fn take_turn(
        &self,
        call: &Call,
        job: Job,
        runner: Runner,
        now: Timestamp,
    ) -> Result<bool, WriteError>;

    /// Gives the turn back, if it is the runner's; done, too, if not. One intent.
    async fn end_turn(&self, call: &Call, job: Job, runner: Runner) -> Result<(), WriteError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_anothers_until_it_is_over() {
        let (me, other) = (Runner([1; 16]), Runner([2; 16]));
        let now = Timestamp::from_secs(1_000);
        let at = |secs| Timestamp::from_secs(secs);
        for (name, held, expected) in [
            ("nobody's", None, true),
            ("mine", Some((me, at(1_030))), true),
            ("another's", Some((other, at(1_030))), false),
            (
                "another's, by a clock a little ahead",
                Some((other, at(1_100))),
                false,
            ),
            ("over", Some((other, now)), true),
            ("another's, by a clock far ahead", Some((other, at(1_121))), true),
        ] {
            assert_eq!(may_take(held, me, now), expected, "{name}");
        }
    }
}
