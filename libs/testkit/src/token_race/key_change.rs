//! Two changes of keys at once.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use foxhold_ports::memory::SeededRandom;

use super::{ROOMY, Said, Stage, User, client::at_once};

/// How many times each of the two is asked for at once: a client may have several requests under way.
const COPIES: u64 = 3;

/// For each seed, two clients of a user come at once, each with a new key of its own: of two keys of one time one wins,
/// and the other is refused by the state rules; of two keys of different times the newer one wins, and the older one came
/// before it or is refused.
///
/// # Errors
/// With the seed of the first race that ended otherwise.
pub async fn key_changes(stage: &Stage, seeds: Range<u64>) -> Result<()> {
    for seed in seeds {
        race(stage, seed)
            .await
            .with_context(|| format!("key changes, seed {seed}"))?;
    }
    Ok(())
}

async fn race(stage: &Stage, seed: u64) -> Result<()> {
    let (dice, user) = (SeededRandom::new(seed), User::new());
    let begun = stage.credential(&user, 1000, 1)?;
    let before = stage.records.load(ROOMY).await?;
    let (first, _) = stage.client.ask_patiently(seed, ROOMY, &begun).await?;
    // Even seeds: both keys are of one time.
    let (older, newer) = (2000, 2000 + seed % 2);
    let one = stage.credential(&user, older, 2)?;
    let other = stage.credential(&user, newer, 3)?;
    let mut asked = Vec::new();
    for _ in 0..COPIES {
        asked.push(stage.client.asking(dice.below(2), ROOMY, &one));
        let at = usize::try_from(dice.below(asked.len() as u64 + 1))?;
        asked.insert(at, stage.client.asking(dice.below(2), ROOMY, &other));
    }
    let said = at_once(asked).await?;
    let record = stage.records.active(ROOMY, &user).await?;
    let current = record.current.uid.get();
    let key_ids = |time: u64, state: u8| foxhold_crypto::node_token::fxa_kid(time, &[state; 16]);
    let (mut winners, mut losers) = (0, 0);
    for (said, _) in &said {
        match said {
            Said::Token(given) if given.uid == current => winners += 1,
            // The older key came first, and was replaced by the newer one.
            Said::Token(given) => ensure!(
                newer > older
                    && given.key_id == Some(key_ids(older, 2))
                    && record.past.iter().any(|past| past.uid.get() == given.uid),
                "{given:?} is nowhere in {record:?}"
            ),
            Said::Refused(status, why) => {
                let is_late = why == "Unacceptable client-state value new value with no generation change";
                let is_stale = why == "Unacceptable client-state value stale value";
                ensure!(
                    status == "invalid-client-state" && (is_late || is_stale),
                    "the loser was told {said:?}"
                );
                losers += 1;
            }
            Said::Later(..) => bail!("there is room for everybody: {said:?}"),
        }
    }
    ensure!(winners > 0, "nobody has the current record: {said:?}");
    ensure!(newer > older || losers > 0, "both have won: {said:?}");
    ensure!(
        newer == older || record.current.client_state.as_bytes() == [3; 16],
        "the older key is the last: {record:?}"
    );
    let taken = stage.records.load_becomes(ROOMY, before + 1).await;
    taken.context("a change of keys takes no slot")?;
    let uid = first.token()?.uid;
    ensure!(
        record.past.first().is_some_and(|past| past.uid.get() == uid),
        "the first record is not in {record:?}"
    );
    loser_stays_out(stage, &record, [(&one, 2), (&other, 3)]).await
}

/// Once decided it stays so, at every webhead.
async fn loser_stays_out(
    stage: &Stage,
    record: &foxhold_core::record::UserRecord,
    contestants: [(&crate::accounts_elsewhere::Credential, u8); 2],
) -> Result<()> {
    for (credential, state) in contestants {
        let has_won = record.current.client_state.as_bytes() == [state; 16];
        for webhead in 0..2 {
            let (said, _) = stage.client.ask_patiently(webhead, ROOMY, credential).await?;
            let is_right = match &said {
                Said::Token(given) => has_won && given.uid == record.current.uid.get(),
                other => !has_won && other.is_refused("invalid-client-state"),
            };
            ensure!(is_right, "afterwards it is {said:?} for {record:?}");
        }
    }
    Ok(())
}
