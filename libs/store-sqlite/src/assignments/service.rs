//! Services, and the uids they hand out.

use foxhold_core::{
    ServiceUid,
    record::{Admission, Service, ServiceKey},
};
use foxhold_ports::{Refusal, assignments::FIRST_UID};
use foxhold_sqlite::rusqlite::{Connection, params};

use crate::{
    codec,
    error::{Stop, StoreError},
    row::{Columns, all, change, one, signed},
};

const SELECT_ALL: &str = "SELECT key, pattern, scope, token_lifetime_secs, uid_ceiling, policy
    FROM services ORDER BY key";
const SELECT_UIDS: &str = "SELECT next_uid, uid_ceiling FROM services WHERE key = ?1";
const SELECT_POLICY: &str = "SELECT policy FROM services WHERE key = ?1";
const USE_UP: &str = "UPDATE services SET next_uid = ?2 WHERE key = ?1 AND next_uid < ?2";
const PUT: &str = "INSERT INTO services (key, pattern, scope, token_lifetime_secs, uid_ceiling, policy,
    next_uid) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (key) DO UPDATE SET pattern = excluded.pattern, scope = excluded.scope,
    token_lifetime_secs = excluded.token_lifetime_secs, uid_ceiling = excluded.uid_ceiling,
    policy = excluded.policy";

/// The uids a service still has.
pub(super) struct Uids {
    next: u64,
    ceiling: u64,
}

impl Uids {
    /// `None` when all are handed out. Tells in good time that they will be.
    pub(super) fn next(&self, service: &ServiceKey) -> Option<ServiceUid> {
        if self.next == self.ceiling / 5 * 4 + 1 {
            tracing::warn!(service = %service.0, ceiling = self.ceiling, "four fifths of the uids are handed out");
        }
        ServiceUid::new(self.next).filter(|uid| uid.get() <= self.ceiling)
    }
}

pub(crate) fn every(db: &Connection) -> Result<Vec<Service>, StoreError> {
    all(db, SELECT_ALL, [], read)
}

/// `None` = there is no such service.
pub(super) fn uids(db: &Connection, key: &ServiceKey) -> Result<Option<Uids>, StoreError> {
    one(db, SELECT_UIDS, [&key.0], |row| {
        Ok(Uids {
            next: row.number()?,
            ceiling: row.number()?,
        })
    })
}

pub(crate) fn exists(db: &Connection, key: &ServiceKey) -> Result<bool, StoreError> {
    uids(db, key).map(|found| found.is_some())
}

/// Who gets a first record in a service that exists.
pub(super) fn admission(db: &Connection, key: &ServiceKey) -> Result<Admission, StoreError> {
    let policy = one(db, SELECT_POLICY, [&key.0], |row| {
        codec::decode_policy(row.blob()?)
    })?;
    policy
        .map(|policy| policy.admission)
        .ok_or(StoreError::Corrupt("a service vanished inside a transaction"))
}

/// `AssignmentAdmin::reserve_uids`
pub(crate) fn reserve_uids(db: &Connection, key: &ServiceKey, through: ServiceUid) -> Result<(), Stop> {
    let uids = uids(db, key)?.ok_or(Refusal::UnknownService)?;
    if through.get() > uids.ceiling {
        return Err(Refusal::NoUid.into());
    }
    Ok(use_up(db, key, through)?)
}

/// Never hands `uid` out again, nor one below.
pub(super) fn use_up(db: &Connection, key: &ServiceKey, uid: ServiceUid) -> Result<(), StoreError> {
    change(db, USE_UP, (&key.0, signed(uid.get() + 1)?)).map(drop)
}

/// `AssignmentAdmin::put_service`. The counter of uids stays.
pub(crate) fn put(db: &Connection, service: &Service) -> Result<(), StoreError> {
    let params = params![
        service.key.0,
        service.pattern,
        service.scope,
        signed(service.token_lifetime_secs)?,
        signed(service.uid_ceiling)?,
        codec::encode_policy(&service.policy),
        signed(FIRST_UID.get())?,
    ];
    change(db, PUT, params).map(drop)
}

fn read(row: &mut Columns<'_>) -> Result<Service, StoreError> {
    Ok(Service {
        key: ServiceKey(row.get()?),
        pattern: row.get()?,
        scope: row.get()?,
        token_lifetime_secs: row.number()?,
        uid_ceiling: row.number()?,
        policy: codec::decode_policy(row.blob()?)?,
    })
}
