//! Older credentials that arrive after newer ones.

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use foxhold_ports::memory::SeededRandom;

use super::{ROOMY, Said, Stage, User, client::at_once};

/// Credentials of different times, all under way at once.
const AT_ONCE: u64 = 16;
const FIRST: u64 = 1000;

/// For each seed, a user's credentials of many times come in any order: the numbers that are kept never fall meanwhile,
/// the newest stands in the end, and whatever is older than that is refused from then on.
///
/// # Errors
/// With the seed of the first race that ended otherwise.
pub async fn older_after_newer(stage: &Stage, seeds: Range<u64>) -> Result<()> {
    for seed in seeds {
        race(stage, seed)
            .await
            .with_context(|| format!("older after newer, seed {seed}"))?;
    }
    Ok(())
}

async fn race(stage: &Stage, seed: u64) -> Result<()> {
    let (dice, user) = (SeededRandom::new(seed), User::new());
    // Odd seeds: the key is the same all along, but said to be of another time with every credential.
    let credential = |at: u64| {
        let keys_changed_at = if seed.is_multiple_of(2) { 500 } else { at };
        stage.credential_since(&user, at, keys_changed_at)
    };
    let (begun, _) = stage
        .client
        .ask_patiently(seed, ROOMY, &credential(FIRST)?)
        .await?;
    let uid = begun.token()?.uid;
    let mut times: Vec<u64> = (FIRST + 1..=FIRST + AT_ONCE).collect();
    for at in (1..times.len()).rev() {
        times.swap(at, usize::try_from(dice.below(at as u64 + 1))?);
    }
    let asked: Result<Vec<_>> = times
        .iter()
        .map(|at| Ok(stage.client.asking(dice.below(2), ROOMY, &credential(*at)?)))
        .collect();
    let asked = asked?;
    let is_over = Arc::new(AtomicBool::new(false));
    let watching = watch(stage, &user, Arc::clone(&is_over));
    let racing = async {
        let said = at_once(asked).await;
        is_over.store(true, Ordering::Relaxed);
        said
    };
    let (watched, said) = tokio::join!(watching, racing);
    watched?;
    let newest = FIRST + AT_ONCE;
    for (at, (said, _)) in times.iter().zip(said?) {
        let is_right = match &said {
            Said::Token(given) => given.uid == uid,
            Said::Refused(status, _) => {
                *at < newest && (status == "invalid-generation" || status == "invalid-keysChangedAt")
            }
            Said::Later(..) => false,
        };
        ensure!(is_right, "{at} was told {said:?}");
    }
    for (webhead, at) in [(0, FIRST), (1, newest - 1)] {
        let (said, _) = stage
            .client
            .ask_patiently(webhead, ROOMY, &credential(at)?)
            .await?;
        ensure!(
            said.is_refused("invalid-generation"),
            "{at} was told {said:?} after {newest}"
        );
    }
    let record = stage.records.active(ROOMY, &user).await?;
    ensure!(
        record.current.generation.0 == newest && record.current.uid.get() == uid && record.past.is_empty(),
        "{record:?}"
    );
    Ok(())
}

/// Reads the record again and again: its numbers must never fall.
async fn watch(stage: &Stage, user: &User, is_over: Arc<AtomicBool>) -> Result<()> {
    let (mut generation, mut keys_changed_at, mut version) = (FIRST, None, 0);
    while !is_over.load(Ordering::Relaxed) {
        let record = stage.records.active(ROOMY, user).await?;
        let now = &record.current;
        ensure!(
            now.generation.0 >= generation
                && now.keys_changed_at >= keys_changed_at
                && record.version >= version,
            "after {generation}, {keys_changed_at:?}, version {version} it was {record:?}"
        );
        (generation, keys_changed_at, version) = (now.generation.0, now.keys_changed_at, record.version);
    }
    Ok(())
}
