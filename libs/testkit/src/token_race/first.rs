//! Many first requests of one user.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use foxhold_ports::memory::SeededRandom;

use super::{ROOMY, Stage, User, client::at_once};

/// Requests of one user at the same moment.
const AT_ONCE: u64 = 64;

/// For each seed, a new user's first requests come to all webheads at once: one record, one uid, one slot, and nobody is
/// told anything else. Whoever was told that the store is busy asks again; how often, for a report.
///
/// # Errors
/// With the seed of the first race that ended otherwise.
pub async fn first_requests(stage: &Stage, seeds: Range<u64>) -> Result<u64> {
    let mut busy = 0;
    for seed in seeds {
        let ended = race(stage, seed).await;
        busy += ended.with_context(|| format!("first requests, seed {seed}"))?;
    }
    Ok(busy)
}

async fn race(stage: &Stage, seed: u64) -> Result<u64> {
    let (dice, user) = (SeededRandom::new(seed), User::new());
    let credential = stage.credential(&user, 1000 + dice.below(1000), 1)?;
    let before = stage.records.load(ROOMY).await?;
    let asking = |_| stage.client.asking(dice.below(2), ROOMY, &credential);
    let said = at_once((0..AT_ONCE).map(asking).collect()).await?;
    let first = said[0].0.token()?;
    for (other, _) in &said {
        ensure!(other.token()? == first, "{other:?}, and not {first:?}");
    }
    let record = stage.records.active(ROOMY, &user).await?;
    ensure!(
        record.current.uid.get() == first.uid && record.past.is_empty(),
        "{record:?} where all were told {first:?}"
    );
    let taken = stage.records.load_becomes(ROOMY, before + 1).await;
    taken.context("one user takes one slot")?;
    Ok(said.iter().map(|(_, busy)| busy).sum())
}
