//! Users' records, as they are told.

use std::num::NonZeroU64;

use foxhold_core::{
    hex,
    record::{Assignment, ClientState, PastRecord, UserKey, UserRecord},
};

use crate::wire::{self, Record, User, UserRecords};

pub(crate) fn user_records(user: &UserKey, of: UserRecord) -> UserRecords {
    UserRecords {
        user: User(user.0.clone()),
        first_seen_at_ms: of.first_seen_at.as_millis(),
        version: of.version,
        current: current(of.current),
        past: of.past.into_iter().map(past).collect(),
        old_client_states: of.old_client_states.iter().map(digits).collect(),
    }
}

fn current(of: Assignment) -> Record {
    Record {
        uid: of.uid.get(),
        generation: of.generation.0,
        keys_changed_at_ms: of.keys_changed_at.map(NonZeroU64::get),
        client_state: digits(&of.client_state),
        created_at_ms: of.created_at.as_millis(),
        replaced_at_ms: of.replaced_at.map(|at| at.as_millis()),
        node: of.node,
        node_type: of.node_type,
    }
}

fn past(of: PastRecord) -> wire::PastRecord {
    wire::PastRecord {
        uid: of.uid.get(),
        generation: of.generation.0,
        keys_changed_at_ms: of.keys_changed_at.map(NonZeroU64::get),
        client_state: digits(&of.client_state),
        created_at_ms: of.created_at.as_millis(),
        replaced_at_ms: of.replaced_at.as_millis(),
        node: of.node,
        holds_slot: of.holds_slot,
    }
}

fn digits(state: &ClientState) -> String {
    hex::encode(state.as_bytes())
}
