//! Records of one and the same millisecond.

use std::{num::NonZeroU64, ops::Range};

use anyhow::{Context, Result, ensure};
use foxhold_core::record::{ClientState, Generation, UserRecord};
use foxhold_ports::{Refusal, WriteError, assignments::UserValues, memory::SeededRandom};

use super::{ROOMY, Stage, User, records::reference};

/// Changes of keys in that millisecond.
const CHANGES: u8 = 4;

/// For each seed, all of a user's records are made in the millisecond of the first one, two writers at it at once: only one
/// is active, the order of the others is theirs, and every webhead serves the same one.
///
/// # Errors
/// With the seed of the first race that ended otherwise.
pub async fn same_millisecond(stage: &Stage, seeds: Range<u64>) -> Result<()> {
    for seed in seeds {
        race(stage, seed)
            .await
            .with_context(|| format!("same millisecond, seed {seed}"))?;
    }
    Ok(())
}

async fn race(stage: &Stage, seed: u64) -> Result<()> {
    let (dice, user) = (SeededRandom::new(seed), User::new());
    let begun = stage.credential(&user, 1000, 1)?;
    let (said, _) = stage.client.ask_patiently(seed, ROOMY, &begun).await?;
    said.token()?;
    let mut record = stage.records.active(ROOMY, &user).await?;
    let now = record.current.created_at;
    let mut uids = vec![record.current.uid];
    for change in 0..CHANGES {
        let at = reference(ROOMY, &user, &record);
        let states = [change * 2 + 10, change * 2 + 11];
        let values = states.map(|state| values(1000 + u64::from(state), state));
        // Whichever begins first.
        let (one, other) = if dice.below(2) == 0 { (0, 1) } else { (1, 0) };
        let (first, second) = tokio::join!(
            stage.records.rekey(&at, &values[one], now),
            stage.records.rekey(&at, &values[other], now)
        );
        record = only_one(first, second)?;
        uids.push(record.current.uid);
    }
    ensure!(
        stage.records.active(ROOMY, &user).await? == record,
        "it was answered {record:?}"
    );
    let in_order: Vec<_> = record
        .past
        .iter()
        .map(|past| (past.uid, past.created_at, past.replaced_at))
        .collect();
    let expected: Vec<_> = uids[..uids.len() - 1]
        .iter()
        .map(|uid| (*uid, now, now))
        .collect();
    ensure!(
        in_order == expected && record.current.created_at == now,
        "{record:?}, made as {uids:?}"
    );
    webheads_agree(stage, &user, &record).await
}

fn values(time: u64, state: u8) -> UserValues {
    UserValues {
        generation: Generation(time),
        keys_changed_at: NonZeroU64::new(time),
        client_state: ClientState::new(vec![state; 16]).unwrap_or_default(),
    }
}

fn only_one(
    first: Result<UserRecord, WriteError>,
    second: Result<UserRecord, WriteError>,
) -> Result<UserRecord> {
    match (first, second) {
        (Ok(record), Err(WriteError::Refused(Refusal::Conflict)))
        | (Err(WriteError::Refused(Refusal::Conflict)), Ok(record)) => Ok(record),
        other => anyhow::bail!("not one winner: {other:?}"),
    }
}

/// All serve the current record, and go on from it.
async fn webheads_agree(stage: &Stage, user: &User, record: &UserRecord) -> Result<()> {
    let time = record.current.generation.0;
    let state = record.current.client_state.as_bytes()[0];
    let credential = stage.credential(user, time, state)?;
    for webhead in 0..2 {
        let (said, _) = stage.client.ask_patiently(webhead, ROOMY, &credential).await?;
        ensure!(
            said.token()?.uid == record.current.uid.get(),
            "{said:?} for {record:?}"
        );
    }
    for past in &record.past {
        let state = past.client_state.as_bytes()[0];
        let stale = stage.credential(user, 5000, state)?;
        let (said, _) = stage.client.ask_patiently(0, ROOMY, &stale).await?;
        ensure!(
            said.is_refused("invalid-client-state"),
            "an earlier key was told {said:?}"
        );
    }
    let next = stage.credential(user, 5000, 99)?;
    let (said, _) = stage.client.ask_patiently(1, ROOMY, &next).await?;
    let uid = said.token()?.uid;
    let after = stage.records.active(ROOMY, user).await?;
    ensure!(
        after.current.uid.get() == uid && after.past.len() == record.past.len() + 1,
        "{after:?}"
    );
    Ok(())
}
