//! An account that is deleted while its clients ask for tokens.

use std::ops::Range;

use anyhow::{Context, Result, ensure};
use foxhold_core::record::Generation;
use foxhold_ports::memory::SeededRandom;

use super::{ROOMY, Said, Stage, User, client::at_once};
use crate::accounts_elsewhere::{Credential, Event};

/// Requests of the user at the same moment.
const AT_ONCE: u64 = 8;
/// And how often the event is told meanwhile: those who deliver events may do so more than once.
const TOLD: u64 = 2;

/// What the user's clients come with.
#[derive(Debug, Clone, Copy)]
enum Asking {
    /// Their first request.
    First,
    /// A newer credential.
    Newer,
    /// A new key.
    NewKey,
    /// Nothing new, but the operator took the user from the node: a slot is taken anew.
    Reassigned,
}

/// For each seed, the event that an account is gone races its clients: in the end there is no active record, and nobody
/// gets one any more.
///
/// # Errors
/// With the seed of the first race that ended otherwise.
pub async fn retire_against_allocate(stage: &Stage, seeds: Range<u64>) -> Result<()> {
    for seed in seeds {
        race(stage, seed)
            .await
            .with_context(|| format!("retire against allocate, seed {seed}"))?;
    }
    Ok(())
}

async fn race(stage: &Stage, seed: u64) -> Result<()> {
    let (dice, user) = (SeededRandom::new(seed), User::new());
    let asking = match seed % 4 {
        0 => Asking::First,
        1 => Asking::Newer,
        2 => Asking::NewKey,
        _ => Asking::Reassigned,
    };
    let credential = prepared(stage, &user, asking).await?;
    let event = stage.event(&user, Event::Deleted)?;
    let mut works = Vec::new();
    for _ in 0..AT_ONCE {
        let ask = stage.client.asking(dice.below(2), ROOMY, &credential);
        works.push(Box::pin(async move { ask.await.map(|(said, _)| Some(said)) }) as super::client::Work<_>);
    }
    for _ in 0..TOLD {
        let (client, event, webhead) = (stage.client.clone(), event.clone(), dice.below(2));
        let at = usize::try_from(dice.below(works.len() as u64 + 1))?;
        let tell = async move { client.tell(webhead, &event).await.map(|()| None) };
        works.insert(at, Box::pin(tell));
    }
    for said in at_once(works).await?.into_iter().flatten() {
        let is_right = match &said {
            Said::Token(_) => true,
            refused => refused.is_refused("invalid-generation"),
        };
        ensure!(is_right, "{asking:?}: {said:?}");
    }
    if matches!(asking, Asking::First) {
        // Of a user nobody knows there was nothing to end; so it is told again.
        stage.client.tell(seed, &event).await?;
    }
    is_retired(stage, &user, asking, &credential).await
}

/// Brings the user to where the race begins.
async fn prepared(stage: &Stage, user: &User, asking: Asking) -> Result<Credential> {
    let begun = stage.credential(user, 1000, 1)?;
    if matches!(asking, Asking::First) {
        return Ok(begun);
    }
    let (said, _) = stage.client.ask_patiently(0, ROOMY, &begun).await?;
    said.token()?;
    match asking {
        Asking::First => Ok(begun),
        Asking::Newer => stage.credential(user, 2000, 1),
        Asking::NewKey => stage.credential(user, 2000, 2),
        Asking::Reassigned => {
            stage.records.unassign(ROOMY, user).await?;
            Ok(begun)
        }
    }
}

async fn is_retired(stage: &Stage, user: &User, asking: Asking, last: &Credential) -> Result<()> {
    let is_over = |record: &foxhold_core::record::UserRecord| {
        record.current.replaced_at.is_some() && record.current.generation == Generation::RETIRED
    };
    let record = stage.records.of(ROOMY, user).await?;
    let record = record.context("the record is gone")?;
    ensure!(is_over(&record), "{asking:?}: it is not over: {record:?}");
    let newest = stage.credential(user, 9000, 9)?;
    for credential in [last, &newest] {
        for webhead in 0..2 {
            let (said, _) = stage.client.ask_patiently(webhead, ROOMY, credential).await?;
            ensure!(
                said.is_refused("invalid-generation"),
                "{asking:?}: after the end it was {said:?}"
            );
        }
    }
    let after = stage.records.of(ROOMY, user).await?;
    ensure!(after.as_ref() == Some(&record), "{record:?} became {after:?}");
    Ok(())
}
