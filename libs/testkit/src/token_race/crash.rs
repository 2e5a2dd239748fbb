//! Dbwriters that die in the middle of a change of keys.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use foxhold_ports::memory::SeededRandom;

use super::{Figures, ROOMY, Said, Stage, User};
use crate::{
    accounts_elsewhere::Credential,
    fleet::Tier,
    wait::{patiently, pause, wait_until},
};

/// A step of a change of keys, and after which the dbwriter dies.
#[derive(Debug, Clone, Copy)]
pub struct Crash {
    /// The point's name.
    pub point: &'static str,
    /// Whether the operator took the user from the node before, so that a node has to be found, too.
    pub reassigned: bool,
}

const fn at(point: &'static str, reassigned: bool) -> Crash {
    Crash { point, reassigned }
}

/// Where a change of keys can be cut off over any store: before anything is written, and between commit and answer. In a
/// file all of it is one transaction.
pub const OF_ANY_STORE: &[Crash] = &[
    at("rekey.asked", false),
    at("rekey.done", false),
    at("assign.asked", true),
    at("assign.done", true),
];

/// The same over Cassandra, with every step between.
pub const OF_CASSANDRA: &[Crash] = &[
    at("rekey.asked", false),
    at("uids.drawn", false),
    at("rekey.done", false),
    at("assign.asked", true),
    at("lease.drawn", true),
    at("uids.drawn", true),
    at("assign.slot_noted", true),
    at("assign.written", true),
    at("assign.done", true),
];

/// Users who change their keys at once while dbwriters are killed.
const USERS: u64 = 12;
/// Users who come when all is over: enough that every dbwriter is asked.
const NEWCOMERS: u64 = 16;

/// For each seed, one of `all` in turn: a dbwriter dies there while it is the only one; another, or the same one again, goes
/// on. The next exchange finds or makes exactly one active record.
///
/// # Errors
/// With the seed and the point of the first one that ended otherwise.
pub async fn crashes(stage: &mut Stage, all: &[Crash], seeds: Range<u64>) -> Result<()> {
    for seed in seeds {
        let (round, at) = (seed / all.len() as u64, usize::try_from(seed)? % all.len());
        let crash = all[at];
        let ended = die(stage, crash, seed + round).await;
        ended.with_context(|| format!("{crash:?}, seed {seed}\n{}", stage.fleet.logs()))?;
    }
    Ok(())
}

async fn die(stage: &mut Stage, crash: Crash, seed: u64) -> Result<()> {
    let user = User::new();
    let (old, new) = (
        stage.credential(&user, 1000, 1)?,
        stage.credential(&user, 2000, 2)?,
    );
    let (begun, _) = stage.client.ask_patiently(seed, ROOMY, &old).await?;
    let first = begun.token()?.uid;
    if crash.reassigned {
        stage.records.unassign(ROOMY, &user).await?;
    }
    for number in [1, 2] {
        stage.fleet.kill(Tier::Dbwriter, number)?;
    }
    stage.arm(1, Some(crash.point))?;
    stage.fleet.launch(Tier::Dbwriter, 1)?;
    ask_until_dead(stage, &new).await?;
    stage.arm(1, None)?;
    // Whoever comes first: the other one, or the same.
    let (next, last) = if seed.is_multiple_of(2) { (1, 2) } else { (2, 1) };
    drop(stage.fleet.kill(Tier::Dbwriter, 1));
    stage.fleet.restart(Tier::Dbwriter, next).await?;
    let (said, _) = stage.client.ask_patiently(seed, ROOMY, &new).await?;
    let uid = said.token()?.uid;
    has_changed(stage, &user, first, uid).await?;
    let (stale, _) = stage.client.ask_patiently(seed + 1, ROOMY, &old).await?;
    ensure!(
        stale.is_refused("invalid-client-state"),
        "the key before was told {stale:?}"
    );
    stage.fleet.restart(Tier::Dbwriter, last).await
}

/// Nobody can be told that it is done, and nobody that it is not allowed.
async fn ask_until_dead(stage: &mut Stage, credential: &Credential) -> Result<()> {
    let dying = async {
        loop {
            if !stage.fleet.is_running(Tier::Dbwriter, 1)? {
                return Ok(());
            }
            match stage.client.ask(0, ROOMY, credential).await? {
                Said::Later(..) => pause().await,
                other => bail!("it did not die, and said {other:?}"),
            }
        }
    };
    patiently("the dbwriter to die", dying).await?
}

/// The new key's record is the only active one, and the one before is kept.
async fn has_changed(stage: &Stage, user: &User, first: u64, uid: u64) -> Result<()> {
    let record = stage.records.active(ROOMY, user).await?;
    let now = &record.current;
    ensure!(
        now.uid.get() == uid && now.generation.0 == 2000 && now.client_state.as_bytes() == [2; 16],
        "{uid} was told, and there is {record:?}"
    );
    let past: Vec<u64> = record.past.iter().map(|past| past.uid.get()).collect();
    ensure!(past == [first], "{first}, then {uid}: {record:?}");
    Ok(())
}

/// For each seed, a dbwriter is killed while users change their keys, at a moment that the seed chooses by how many are done.
/// Everybody ends with one active record, the new key's.
///
/// # Errors
/// With the seed of the first one that ended otherwise.
pub async fn kills(stage: &mut Stage, seeds: Range<u64>) -> Result<()> {
    for seed in seeds {
        let ended = kill(stage, seed).await;
        ended.with_context(|| format!("a kill, seed {seed}\n{}", stage.fleet.logs()))?;
    }
    Ok(())
}

/// The figures once those who run have ended what the dead ones held: then they are exact again. New users come first, for
/// a dbwriter looks after the nodes of a service as long as somebody asks for slots of it.
///
/// # Errors
/// When they do not become exact.
pub async fn settled(stage: &Stage) -> Result<Figures> {
    for webhead in 0..NEWCOMERS {
        let credential = stage.credential(&User::new(), 1000, 1)?;
        let (said, _) = stage.client.ask_patiently(webhead, ROOMY, &credential).await?;
        said.token()?;
    }
    stage.records.exact_when_settled(ROOMY).await
}

async fn kill(stage: &mut Stage, seed: u64) -> Result<()> {
    let dice = SeededRandom::new(seed);
    let mut begun = Vec::new();
    for _ in 0..USERS {
        let user = User::new();
        let (old, new) = (
            stage.credential(&user, 1000, 1)?,
            stage.credential(&user, 2000, 2)?,
        );
        let (said, _) = stage.client.ask_patiently(seed, ROOMY, &old).await?;
        begun.push((user, said.token()?.uid, new));
    }
    let change = |(user, first, new): (User, u64, Credential)| {
        let (client, webhead) = (stage.client.clone(), dice.below(2));
        let change = tokio::spawn(async move { client.ask_patiently(webhead, ROOMY, &new).await });
        (user, first, change)
    };
    let changing: Vec<_> = begun.into_iter().map(change).collect();
    let enough = usize::try_from(dice.below(USERS))?;
    wait_until("some keys to be changed", || {
        let done = changing
            .iter()
            .filter(|(.., change)| change.is_finished())
            .count();
        async move { done >= enough }
    })
    .await?;
    let number = 1 + usize::try_from(dice.below(2))?;
    stage.fleet.kill(Tier::Dbwriter, number)?;
    stage.fleet.restart(Tier::Dbwriter, number).await?;
    for (user, first, change) in changing {
        let (said, _) = change.await.context("a client failed")??;
        has_changed(stage, &user, first, said.token()?.uid).await?;
    }
    Ok(())
}
