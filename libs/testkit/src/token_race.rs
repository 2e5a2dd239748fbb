//! Races of the token exchange and how each has to end (`tokenserver.md` section 12), run over HTTP against real
//! processes: two webheads and two dbwriters over any store. What nobody can see from outside, records and figures, is
//! read from the store itself.
//!
//! Must stay true: a race is repeatable by its seed as far as its requests go; who wins is left to the processes. Each race
//! says what has to hold whoever wins, and fails with the seed if it does not.

mod client;
mod crash;
mod crowd;
mod first;
mod generations;
mod key_change;
mod records;
mod retire;
mod same_time;
mod stage;

use std::{fmt, ops::Range};

use anyhow::Result;
use futures_util::future::try_join_all;

pub use client::{Client, Given, Later, Said};
pub use crash::{Crash, OF_ANY_STORE, OF_CASSANDRA, crashes, kills, settled};
pub use crowd::{Crowd, Waits, crowd};
pub use first::first_requests;
pub use generations::older_after_newer;
pub use key_change::key_changes;
pub use records::{Figures, Records};
pub use retire::retire_against_allocate;
pub use same_time::same_millisecond;
pub use stage::{ROOMY, SECRET, Stage, User};

/// What came of many races.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// In the service with room for everybody.
    pub roomy: Figures,
    /// In all crowds together.
    pub crowds: Figures,
    /// How often somebody was told to come later.
    pub waits: Waits,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { roomy, crowds, waits } = self;
        write!(
            f,
            "{} users with {} records on nodes; crowds of {} users for {} slots, {} times busy, {} times no room yet",
            roomy.users, roomy.load, crowds.users, crowds.capacity, waits.busy, waits.no_room
        )
    }
}

/// Every race in which nothing dies, one after the other, for each seed; then the crowds, `together` of them at a time, each
/// to its own nodes.
///
/// # Errors
/// The first race that ended otherwise.
pub async fn all(stage: &Stage, seeds: Range<u64>, crowds: &[Crowd], together: usize) -> Result<Tally> {
    let mut tally = Tally::default();
    tally.waits.busy = first_requests(stage, seeds.clone()).await?;
    key_changes(stage, seeds.clone()).await?;
    same_millisecond(stage, seeds.clone()).await?;
    older_after_newer(stage, seeds.clone()).await?;
    retire_against_allocate(stage, seeds).await?;
    tally.roomy = stage.records.exact_when_settled(ROOMY).await?;
    for coming in crowds.chunks(together) {
        let coming = coming.iter().map(|each| crowd(stage, *each));
        for (figures, waits) in try_join_all(coming).await? {
            tally.crowds += figures;
            tally.waits += waits;
        }
    }
    Ok(tally)
}
