//! The state rules of the Token Server (`tokenserver.md` section 5) as one pure function.
//!
//! Called by [`exchange`](crate::exchange) between the read of a user's record and the write that follows from it. What
//! must stay true: no decision lowers a stored number, and a refusal writes nothing.

use std::num::NonZeroU64;

use foxhold_core::record::{Assignment, ClientState, Generation, UserRecord};
use foxhold_ports::assignments::UserValues;
use thiserror::Error;

/// What a verified credential says of its user. Zero and absent are the same (`Generation(0)`, `None`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The last credential change the credential knows of, in ms.
    pub generation: Generation,
    /// The last change of the sync key it knows of, in ms.
    pub keys_changed_at: Option<NonZeroU64>,
    /// The fingerprint of the sync key.
    pub client_state: ClientState,
}

/// What has to be written before a token may be minted. The values go into the record as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: the record is as the credential says. The hot path.
    Unchanged,
    /// First contact: a first record, on a newly chosen node.
    Assign(UserValues),
    /// Generation or key change time grow in place. Same uid, same node.
    Raise(UserValues),
    /// The sync key is another: a new uid on the same node; the record before becomes replaced.
    Rekey(UserValues),
    /// The record was replaced or lost its node: a new uid on a newly chosen node.
    Reassign(UserValues),
}

/// Why a credential is refused. Each is a 401 of `tokenserver.md` section 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum StateRefusal {
    /// The credential is older than one seen before, or the user is retired.
    #[error("the generation is older than seen, or the user is retired")]
    Generation,
    /// The key change time is older than seen, or newer than the credential itself.
    #[error("the key change time does not fit what was seen")]
    KeysChangedAt,
    /// A client state was reported before and is not now.
    #[error("empty client state")]
    EmptyClientState,
    /// The client state is one of an earlier key.
    #[error("client state of an earlier key")]
    StaleClientState,
    /// A new client state needs a newer generation.
    #[error("new client state with no generation change")]
    NoGenerationChange,
    /// A new client state needs a newer key change time.
    #[error("new client state with no change of the key change time")]
    NoKeysChangedAtChange,
}

impl StateRefusal {
    /// Every refusal, for translations and tests that walk them all.
    pub const ALL: [Self; 6] = [
        Self::Generation,
        Self::KeysChangedAt,
        Self::EmptyClientState,
        Self::StaleClientState,
        Self::NoGenerationChange,
        Self::NoKeysChangedAtChange,
    ];
}

/// Judges a credential against what is stored of its user.
///
/// # Errors
/// The first rule of section 5 that the credential breaks.
pub fn judge(stored: Option<&UserRecord>, request: &Seen) -> Result<Decision, StateRefusal> {
    let Some(record) = stored else {
        return Ok(Decision::Assign(UserValues {
            generation: request.generation,
            keys_changed_at: request.keys_changed_at,
            client_state: request.client_state.clone(),
        }));
    };
    match broken_rule(&record.current, &record.old_client_states, request) {
        Some(refusal) => Err(refusal),
        None => Ok(accepted(&record.current, request)),
    }
}

/// The rules 1 to 9, in their order: the first that matches is the answer.
fn broken_rule(stored: &Assignment, old: &[ClientState], request: &Seen) -> Option<StateRefusal> {
    let (stored_generation, generation) = (stored.generation, request.generation);
    let (stored_changed, changed) = (millis(stored.keys_changed_at), millis(request.keys_changed_at));
    let reported = generation != Generation::default();
    let new_key = request.client_state != stored.client_state;

    let rules = [
        // 1: nobody but the tombstone itself passes a tombstone, a credential without generation neither.
        (
            stored_generation == Generation::RETIRED && generation < stored_generation,
            StateRefusal::Generation,
        ),
        // 2: a key cannot be newer than the credential that reports it.
        (
            changed > stored_changed && reported && generation.0 < changed,
            StateRefusal::KeysChangedAt,
        ),
        // 3
        (
            !stored.client_state.is_empty() && request.client_state.is_empty(),
            StateRefusal::EmptyClientState,
        ),
        // 4
        (
            old.contains(&request.client_state),
            StateRefusal::StaleClientState,
        ),
        // 5
        (
            new_key && reported && generation <= stored_generation,
            StateRefusal::NoGenerationChange,
        ),
        // 6
        (
            new_key && changed != 0 && stored_changed != 0 && changed <= stored_changed,
            StateRefusal::NoKeysChangedAtChange,
        ),
        // 7
        (
            reported && generation < stored_generation,
            StateRefusal::Generation,
        ),
        // 8
        (
            changed != 0 && changed < stored_changed,
            StateRefusal::KeysChangedAt,
        ),
        // 9: who reported a key change time once has to go on doing so.
        (changed == 0 && stored_changed != 0, StateRefusal::KeysChangedAt),
    ];
    rules
        .into_iter()
        .find(|(broken, _)| *broken)
        .map(|(_, refusal)| refusal)
}

/// What follows from a credential that broke no rule.
fn accepted(stored: &Assignment, request: &Seen) -> Decision {
    let values = UserValues {
        generation: new_generation(stored, request),
        keys_changed_at: request.keys_changed_at.max(stored.keys_changed_at),
        client_state: request.client_state.clone(),
    };
    if stored.generation == Generation::RETIRED {
        // Only a credential with the tombstone as its generation gets here. It is served from the old record and must
        // not make a new one: a retired user has no active record.
        Decision::Unchanged
    } else if stored.replaced_at.is_some() || stored.node.is_none() {
        Decision::Reassign(values)
    } else if request.client_state != stored.client_state {
        Decision::Rekey(values)
    } else if values.generation > stored.generation || values.keys_changed_at > stored.keys_changed_at {
        Decision::Raise(values)
    } else {
        Decision::Unchanged
    }
}

/// A credential without a generation still proves one: its key change time, if that is news.
fn new_generation(stored: &Assignment, request: &Seen) -> Generation {
    let changed = Generation(millis(request.keys_changed_at));
    let proves_more = request.generation == Generation::default()
        && request.keys_changed_at > stored.keys_changed_at
        && changed > stored.generation;
    if proves_more {
        changed
    } else {
        request.generation.max(stored.generation)
    }
}

fn millis(time: Option<NonZeroU64>) -> u64 {
    time.map_or(0, NonZeroU64::get)
}

#[cfg(test)]
mod tests;
