//! Users' records that come from elsewhere. Every number is held to what all stores can keep.

use std::num::NonZeroU64;

use data_encoding::HEXLOWER_PERMISSIVE;
use foxhold_core::{
    ServiceUid, Timestamp,
    record::{ClientState, Generation, UserKey},
};
use foxhold_ports::assignments::{ImportedRecord, ImportedUser, PAST_MAX};

use super::{user_key, within};
use crate::{
    refused::fault,
    wire::{FieldFault, ImportRecord, ImportUser, User},
};

/// The longest URL of a node, also of one that is none here.
const NODE_LEN_MAX: usize = 256;
/// Client states of one user: one for each past record, and those that are purged.
const STATES_MAX: usize = 1000;

/// As the ports take it. `at` is where the user stands in the request.
///
/// # Errors
/// What cannot be meant.
pub fn imported_user(at: usize, of: ImportUser) -> Result<(UserKey, ImportedUser), FieldFault> {
    let field = |name: &str| format!("users[{at}].{name}");
    let User(key) = &of.user;
    let user = user_key(&field("user"), key)?;
    within(&field("records"), of.records.len(), 1, PAST_MAX + 1)?;
    within(
        &field("old_client_states"),
        of.old_client_states.len(),
        0,
        STATES_MAX,
    )?;
    let of_record = |(index, record)| imported_record(&field(&format!("records[{index}]")), record);
    let of_state = |state: &String| client_state(&field("old_client_states"), state);
    let imported = ImportedUser {
        records: of
            .records
            .into_iter()
            .enumerate()
            .map(of_record)
            .collect::<Result<_, _>>()?,
        old_client_states: of
            .old_client_states
            .iter()
            .map(of_state)
            .collect::<Result<_, _>>()?,
        first_seen_at: optional_time(&field("first_seen_at_ms"), of.first_seen_at_ms)?,
    };
    Ok((user, imported))
}

fn imported_record(at: &str, of: ImportRecord) -> Result<ImportedRecord, FieldFault> {
    let field = |name: &str| format!("{at}.{name}");
    let most = Generation::RETIRED.0;
    let uid = ServiceUid::new(of.uid);
    let node = of.node.filter(|node| !node.is_empty());
    let is_short = node
        .as_ref()
        .is_none_or(|node| node.len() <= NODE_LEN_MAX && node.bytes().all(|byte| byte.is_ascii_graphic()));
    if !is_short {
        return Err(fault(
            field("node"),
            "give at most 256 visible characters of ASCII",
        ));
    }
    let keys_changed_at = of.keys_changed_at_ms.unwrap_or_default();
    Ok(ImportedRecord {
        uid: uid.ok_or_else(|| fault(field("uid"), format!("give 1 to {}", ServiceUid::MAX)))?,
        generation: Generation(within(&field("generation"), of.generation, 0, most)?),
        keys_changed_at: NonZeroU64::new(within(&field("keys_changed_at_ms"), keys_changed_at, 0, most)?),
        client_state: client_state(&field("client_state"), &of.client_state)?,
        created_at: time(&field("created_at_ms"), of.created_at_ms)?,
        replaced_at: optional_time(&field("replaced_at_ms"), of.replaced_at_ms)?,
        node,
        holds_slot: of.holds_slot,
    })
}

fn time(field: &str, millis: u64) -> Result<Timestamp, FieldFault> {
    // What a clock in ms can say: up to the year 10889, and no number of µs.
    const MOST: u64 = 1 << 48;
    within(field, millis, 0, MOST).map(Timestamp::from_millis)
}

fn optional_time(field: &str, millis: Option<u64>) -> Result<Option<Timestamp>, FieldFault> {
    millis.map(|millis| time(field, millis)).transpose()
}

fn client_state(field: &str, digits: &str) -> Result<ClientState, FieldFault> {
    let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
    let state = bytes.and_then(ClientState::new);
    state.ok_or_else(|| fault(field, "give at most 32 hexadecimal digits, in pairs"))
}
