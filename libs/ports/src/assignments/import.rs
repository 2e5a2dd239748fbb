//! How records from elsewhere become a user's records here (`tokenserver.md` 5, 11, 12): pure, and the same for every store.
//!
//! Must stay true: one current record, whatever comes; numbers never fall; done again it changes nothing but the version.

use std::{cmp::Ordering, collections::BTreeMap};

use foxhold_core::{
    ServiceUid, Timestamp,
    record::{Assignment, ClientState, PastRecord, UserRecord},
};

use super::{ImportedRecord, ImportedUser, PAST_MAX, change::IMPORTED};
use crate::Refusal;

/// What an import does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The user's records afterwards. The label of the current one's node is the store's to fill in.
    pub record: UserRecord,
    /// Nodes on which a slot is taken that was not held before, by URL; one entry a slot.
    pub takes: Vec<String>,
    /// Nodes on which a slot is given back; one entry a slot.
    pub frees: Vec<String>,
}

/// The user's records after `import_user`. `is_node` tells whether a URL has a node here: a record on another one dangles.
///
/// # Errors
/// [`Refusal::Conflict`] without any record; [`Refusal::TooManyPast`]
pub fn imported(
    before: Option<&UserRecord>,
    user: &ImportedUser,
    is_node: impl Fn(&str) -> bool,
) -> Result<Imported, Refusal> {
    if user.records.is_empty() {
        return Err(Refusal::Conflict);
    }
    let mut all = merged(before, user, is_node);
    if all.len() > PAST_MAX + 1 {
        return Err(Refusal::TooManyPast);
    }
    all.sort_by(precedence);
    let current = all.pop().ok_or(Refusal::Conflict)?;
    let record = composed(before, user, current, all);
    let held = before.map_or_else(Vec::new, slots);
    let holds = slots(&record);
    Ok(Imported {
        takes: beyond(&holds, &held),
        frees: beyond(&held, &holds),
        record,
    })
}

/// Each record once, by uid: what is here already and what comes.
fn merged(
    before: Option<&UserRecord>,
    user: &ImportedUser,
    is_node: impl Fn(&str) -> bool,
) -> Vec<ImportedRecord> {
    let mut all: BTreeMap<ServiceUid, ImportedRecord> = BTreeMap::new();
    for known in before.into_iter().flat_map(as_imported) {
        all.insert(known.uid, known);
    }
    for record in &user.records {
        let mut record = record.clone();
        record.node.take_if(|url| !is_node(url));
        all.entry(record.uid)
            .and_modify(|known| raise(known, &record))
            .or_insert(record);
    }
    all.into_values().collect()
}

/// A record that is known keeps all but what may only grow, or only come to an end.
fn raise(known: &mut ImportedRecord, other: &ImportedRecord) {
    known.generation = known.generation.max(other.generation);
    known.keys_changed_at = known.keys_changed_at.max(other.keys_changed_at);
    known.replaced_at = known.replaced_at.or(other.replaced_at);
}

fn as_imported(record: &UserRecord) -> Vec<ImportedRecord> {
    let current = &record.current;
    let current = ImportedRecord {
        uid: current.uid,
        generation: current.generation,
        keys_changed_at: current.keys_changed_at,
        client_state: current.client_state.clone(),
        created_at: current.created_at,
        replaced_at: current.replaced_at,
        node: current.node.clone(),
        holds_slot: Some(current.node.is_some()),
    };
    let past = record.past.iter().map(|past| ImportedRecord {
        uid: past.uid,
        generation: past.generation,
        keys_changed_at: past.keys_changed_at,
        client_state: past.client_state.clone(),
        created_at: past.created_at,
        replaced_at: Some(past.replaced_at),
        node: past.node.clone(),
        holds_slot: Some(past.holds_slot),
    });
    past.chain([current]).collect()
}

/// The last one is the current one (`tokenserver.md` 12).
fn precedence(a: &ImportedRecord, b: &ImportedRecord) -> Ordering {
    let key = |record: &ImportedRecord| {
        (
            record.generation,
            record.keys_changed_at,
            record.created_at,
            record.uid,
        )
    };
    key(a).cmp(&key(b))
}

fn composed(
    before: Option<&UserRecord>,
    user: &ImportedUser,
    current: ImportedRecord,
    others: Vec<ImportedRecord>,
) -> UserRecord {
    let everyone = || others.iter().chain([&current]);
    let oldest = everyone().map(|record| record.created_at).min();
    let first_seen = [
        oldest,
        user.first_seen_at,
        before.map(|before| before.first_seen_at),
    ];
    let first_seen_at = first_seen.into_iter().flatten().min();
    let keys_changed_at = everyone().map(|record| record.keys_changed_at).max().flatten();
    let old_client_states = old_states(before, user, &others, &current.client_state);
    let past = past(others, &current);
    UserRecord {
        first_seen_at: first_seen_at.unwrap_or(current.created_at),
        current: Assignment {
            uid: current.uid,
            generation: current.generation,
            keys_changed_at,
            client_state: current.client_state,
            created_at: current.created_at,
            replaced_at: current.replaced_at,
            node: current.node,
            node_type: None,
        },
        past,
        old_client_states,
        version: before.map_or(IMPORTED, |before| before.version + 1),
    }
}

/// The others as past records, in the order in which they stopped being current.
fn past(others: Vec<ImportedRecord>, current: &ImportedRecord) -> Vec<PastRecord> {
    let mut replaced: Vec<(Timestamp, ImportedRecord)> = others
        .into_iter()
        .map(|record| (record.replaced_at.unwrap_or(current.created_at), record))
        .collect();
    replaced.sort_by_key(|(at, record)| (*at, record.created_at, record.uid));
    let nodes: Vec<Option<String>> = replaced
        .iter()
        .map(|(_, record)| record.node.clone())
        .chain([current.node.clone()])
        .collect();
    let next_nodes = nodes.into_iter().skip(1);
    replaced
        .into_iter()
        .zip(next_nodes)
        .map(|((replaced_at, record), next)| {
            let holds = record.holds_slot.unwrap_or(record.node != next);
            PastRecord {
                uid: record.uid,
                generation: record.generation,
                keys_changed_at: record.keys_changed_at,
                client_state: record.client_state,
                created_at: record.created_at,
                replaced_at,
                holds_slot: holds && record.node.is_some(),
                node: record.node,
            }
        })
        .collect()
}

/// Each once, without the current one's: those known here, those given, then those of the other records.
fn old_states(
    before: Option<&UserRecord>,
    user: &ImportedUser,
    others: &[ImportedRecord],
    current: &ClientState,
) -> Vec<ClientState> {
    let known = before.map_or(&[][..], |before| &before.old_client_states);
    let of_others = others.iter().map(|record| &record.client_state);
    let mut states: Vec<ClientState> = Vec::new();
    for state in known.iter().chain(&user.old_client_states).chain(of_others) {
        if state != current && !states.contains(state) {
            states.push(state.clone());
        }
    }
    states
}

/// The nodes on which a user's records hold slots, one entry a slot.
fn slots(record: &UserRecord) -> Vec<String> {
    let past = record.past.iter().filter(|past| past.holds_slot);
    let past = past.filter_map(|past| past.node.clone());
    record.current.node.clone().into_iter().chain(past).collect()
}

/// What is in `more` and not in `less`, each as often.
fn beyond(more: &[String], less: &[String]) -> Vec<String> {
    let mut rest = more.to_vec();
    for url in less {
        if let Some(place) = rest.iter().position(|other| other == url) {
            rest.remove(place);
        }
    }
    rest
}

#[cfg(test)]
mod tests;
