//! Tables of services, nodes and users' records, and the intents over them: decided by exact figures inside the
//! writer's transaction (`tokenserver.md` 9).

pub(crate) mod import;
pub(crate) mod node;
pub(crate) mod service;
pub(crate) mod user;

use foxhold_core::{ServiceUid, Timestamp, record::UserRecord};
use foxhold_ports::{
    Refusal,
    assignments::{
        RecordRef, Target, UserValues,
        change::{self, Forgotten},
        choice,
    },
};
use foxhold_sqlite::rusqlite::Connection;

use crate::error::Stop;

/// `AssignmentWriter::assign`
pub(crate) fn assign(
    db: &Connection,
    at: &RecordRef,
    values: &UserValues,
    target: &Target,
    now: Timestamp,
) -> Result<UserRecord, Stop> {
    let uids = service::uids(db, &at.service)?.ok_or(Refusal::UnknownService)?;
    let before = user::find(db, &at.service, &at.user)?;
    let record = before.as_ref().map(|stored| &stored.record);
    change::check_version(at, record)?;
    record.map_or(Ok(()), change::check_past)?;

    if record.is_none() {
        let users = || node::users(db, &at.service).map_err(Stop::from);
        change::check_admission(at, &service::admission(db, &at.service)?, users)?;
    }
    let nodes = node::candidates(db, &at.service, target)?;
    let mut candidates = nodes.clone();
    let node = choice::take_slot(&mut candidates, target).ok_or(Refusal::NoNode)?;
    let uid = uids.next(&at.service).ok_or(Refusal::NoUid)?;

    let after = change::replaced(record, values, uid, node::place(db, node)?, now);
    let before_it = nodes.iter().map(|node| (node.id, node.figures));
    node::put_changed(db, before_it, candidates.iter().map(|node| node.figures))?;
    service::use_up(db, &at.service, uid)?;
    if let Some(before) = &before {
        user::keep_past(db, at, &after, before.node)?;
    }
    user::put(db, at, &after, Some(node))?;
    Ok(after)
}

/// `AssignmentWriter::raise`
pub(crate) fn raise(db: &Connection, at: &RecordRef, values: &UserValues) -> Result<UserRecord, Stop> {
    let stored = user::find(db, &at.service, &at.user)?;
    let before = change::known(at, stored.as_ref().map(|stored| &stored.record))?;
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
    change::check_past(before)?;
    let node = stored.as_ref().and_then(|stored| stored.node);
    let uids = service::uids(db, &at.service)?.ok_or(Refusal::Conflict)?;
    let uid = uids.next(&at.service).ok_or(Refusal::NoUid)?;

    let after = change::rekeyed(before, values, uid, now);
    service::use_up(db, &at.service, uid)?;
    user::keep_past(db, at, &after, node)?;
    user::put(db, at, &after, node)?;
    Ok(after)
}

/// `AssignmentWriter::retire`
pub(crate) fn retire(db: &Connection, at: &RecordRef, now: Timestamp) -> Result<UserRecord, Stop> {
    in_place(db, at, |before| change::retired(before, now))
}

/// `AssignmentWriter::unassign`
pub(crate) fn unassign(db: &Connection, at: &RecordRef, now: Timestamp) -> Result<UserRecord, Stop> {
    in_place(db, at, |before| change::unassigned(before, now))
}

/// Changes what a user's current record says, not where it points.
fn in_place(
    db: &Connection,
    at: &RecordRef,
    changed: impl FnOnce(&UserRecord) -> UserRecord,
) -> Result<UserRecord, Stop> {
    let stored = user::find(db, &at.service, &at.user)?;
    let after = changed(change::known(at, stored.as_ref().map(|stored| &stored.record))?);
    user::put(db, at, &after, stored.and_then(|stored| stored.node))?;
    Ok(after)
}

/// `AssignmentWriter::forget`
pub(crate) fn forget(db: &Connection, at: &RecordRef, uid: ServiceUid) -> Result<UserRecord, Stop> {
    let stored = user::find(db, &at.service, &at.user)?;
    let before = change::known(at, stored.as_ref().map(|stored| &stored.record))?;
    let Forgotten { record: after, freed } = change::forgotten(before, uid)?;
    if let Some(url) = freed {
        node::give_back(db, &at.service, &url)?;
    }
    user::drop_past(db, at, uid)?;
    let node = stored.and_then(|stored| stored.node);
    user::put(db, at, &after, node.filter(|_| after.current.node.is_some()))?;
    Ok(after)
}
