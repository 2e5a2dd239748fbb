//! Tables of services, nodes and users' records, and the intents over them: decided by exact figures inside the
//! writer's transaction (`tokenserver.md` 9).

pub(crate) mod node;
pub(crate) mod service;
pub(crate) mod user;

use foxhold_core::{NodeId, Timestamp, record::UserRecord};
use foxhold_ports::{
    Refusal,
    assignments::{
        RecordRef, UserValues,
        change::{self, Place},
        choice,
    },
};
use foxhold_sqlite::rusqlite::Connection;

use crate::error::{Stop, StoreError};

/// `AssignmentWriter::assign`
pub(crate) fn assign(
    db: &Connection,
    at: &RecordRef,
    values: &UserValues,
    now: Timestamp,
) -> Result<UserRecord, Stop> {
    let uids = service::uids(db, &at.service)?.ok_or(Refusal::UnknownService)?;
    let before = user::find(db, &at.service, &at.user)?;
    change::check_version(at, before.as_ref().map(|stored| &stored.record))?;

    let candidates = node::candidates(db, &at.service)?;
    let mut chosen = candidates.clone();
    let node = choice::take_slot(&mut chosen).ok_or(Refusal::NoNode)?;
    let uid = uids.next().ok_or(Refusal::NoUid)?;
    let place = node::place(db, node)?;

    let after = change::replaced(
        before.as_ref().map(|stored| &stored.record),
        values,
        uid,
        place,
        now,
    );
    for (figures, _) in chosen.iter().zip(&candidates).filter(|(new, old)| new != old) {
        node::put_figures(db, figures)?;
    }
    service::use_up(db, &at.service, uid)?;
    replace(db, at, before, &after, node, now)?;
    Ok(after)
}

/// `AssignmentWriter::raise`
pub(crate) fn raise(db: &Connection, at: &RecordRef, values: &UserValues) -> Result<UserRecord, Stop> {
    let stored = user::find(db, &at.service, &at.user)?;
    let before = change::active(at, stored.as_ref().map(|stored| &stored.record))?;
    let after = change::raised(before, values);
    user::put(db, at, &after, stored.as_ref().and_then(|stored| stored.node))?;
    Ok(after)
}

/// `AssignmentWriter::rekey`
pub(crate) fn rekey(
    db: &Connection,
    at: &RecordRef,
    values: &UserValues,
    now: Timestamp,
) -> Result<UserRecord, Stop> {
    let stored = user::find(db, &at.service, &at.user)?;
    let before = change::active(at, stored.as_ref().map(|stored| &stored.record))?;
    let node = stored
        .as_ref()
        .and_then(|stored| stored.node)
        .ok_or(Refusal::Conflict)?;
    let place = Place {
        node: before.current.node.clone().ok_or(Refusal::Conflict)?,
        node_type: before.current.node_type.clone(),
    };
    let uids = service::uids(db, &at.service)?.ok_or(Refusal::Conflict)?;
    let uid = uids.next().ok_or(Refusal::NoUid)?;

    let after = change::replaced(Some(before), values, uid, place, now);
    service::use_up(db, &at.service, uid)?;
    replace(db, at, stored, &after, node, now)?;
    Ok(after)
}

fn replace(
    db: &Connection,
    at: &RecordRef,
    before: Option<user::Stored>,
    after: &UserRecord,
    node: NodeId,
    now: Timestamp,
) -> Result<(), StoreError> {
    if let Some(before) = before {
        user::keep_former(db, at, &before, now)?;
    }
    user::put(db, at, after, Some(node))
}
