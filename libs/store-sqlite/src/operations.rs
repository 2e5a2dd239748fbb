//! The operation log: an intent is decided once, and its outcome is kept in the transaction that carries it out.
//!
//! Must stay true: a decision that ends in a refusal has written nothing, since the transaction goes on to keep the
//! refusal. So every intent looks first and writes after.

use std::time::Duration;

use foxhold_core::{OpId, Timestamp, record::UserRecord};
use foxhold_ports::{IntentKind, Refusal, openid::spent::REPLACED_KEPT};
use foxhold_sqlite::rusqlite::Connection;

use crate::{
    codec,
    error::{Stop, StoreError},
    row::{change, millis, one},
};

const SELECT: &str = "SELECT kind, refusal, answer FROM operations WHERE op = ?1";
const INSERT: &str = "INSERT INTO operations (op, kind, refusal, answer) VALUES (?1, ?2, ?3, ?4)";
const PRUNE: &str =
    "DELETE FROM operations WHERE op IN (SELECT op FROM operations WHERE op < ?1 ORDER BY op LIMIT ?2)";
const PRUNE_CODES: &str = "DELETE FROM authorization_codes WHERE id IN
    (SELECT id FROM authorization_codes WHERE created_at_ms < ?1 AND (spent_at_ms IS NULL OR created_at_ms < ?2)
    ORDER BY created_at_ms LIMIT ?3)";

const PRUNE_REPLACED_TOKENS: &str = "DELETE FROM replaced_tokens WHERE id IN
    (SELECT id FROM replaced_tokens WHERE replaced_at_ms < ?1 ORDER BY replaced_at_ms LIMIT ?2)";

const PRUNE_PASSWORD_TOKENS: &str = "DELETE FROM password_tokens WHERE id IN
    (SELECT id FROM password_tokens WHERE created_at_ms < ?1 ORDER BY created_at_ms LIMIT ?2)";

const PRUNE_MAILS: &str =
    "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE id < ?1 ORDER BY id LIMIT ?2)";

const PRUNE_COMMANDS: &str = "DELETE FROM device_commands WHERE (uid, device, place) IN
    (SELECT uid, device, place FROM device_commands WHERE expires_at_ms <= ?1 ORDER BY expires_at_ms LIMIT ?2)";

const PRUNE_SESSIONS: &str = "DELETE FROM sessions WHERE id IN
    (SELECT id FROM sessions WHERE created_at_ms < ?1 AND NOT EXISTS
    (SELECT 1 FROM devices WHERE devices.uid = sessions.uid AND devices.session = sessions.id) AND NOT EXISTS
    (SELECT 1 FROM refresh_tokens WHERE refresh_tokens.uid = sessions.uid AND refresh_tokens.session = sessions.id)
    ORDER BY created_at_ms LIMIT ?2)";

const PRUNE_KEY_FETCHES: &str = "DELETE FROM key_fetches WHERE id IN
    (SELECT id FROM key_fetches WHERE created_at_ms < ?1 ORDER BY created_at_ms LIMIT ?2)";

/// How long an outcome is remembered: far longer than anybody tries again.
const OPERATION_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
/// How long an authorization code lives (`accounts.md` (e)).
const CODE_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long one that was traded is known after it was made.
const SPENT_CODE_KEPT: Duration = Duration::from_secs(3600);
/// How long a password token is kept: far longer than any of them lives (`accounts.md` (a), Tokens).
const PASSWORD_TOKEN_KEPT: Duration = Duration::from_secs(86_400);
/// How long a session without a device is kept: it ends after 28 days (`accounts.md` (a), Tokens), and clocks disagree. One that
/// a refresh token hangs on stays: the token is good for as long as it is there.
const SESSION_KEPT: Duration = Duration::from_secs(29 * 86_400);
/// How long a key-fetch token waits for its client, whose owner may not have confirmed the address yet; as in a fleet.
const KEY_FETCH_KEPT: Duration = Duration::from_secs(28 * 86_400);
/// How long a mail lies that nobody sends: longer than any is worth sending.
const MAIL_KEPT: Duration = Duration::from_secs(2 * 86_400);
/// Rows of one table removed in one step, so that other writes do not wait long.
const PRUNED_AT_ONCE: u32 = 500;

/// What an intent answers, as the log keeps it.
pub(crate) trait Answer: Sized {
    fn encode(&self) -> Option<Vec<u8>>;
    fn decode(cell: Option<Vec<u8>>) -> Result<Self, StoreError>;
}

impl Answer for () {
    fn encode(&self) -> Option<Vec<u8>> {
        None
    }

    fn decode(_: Option<Vec<u8>>) -> Result<Self, StoreError> {
        Ok(())
    }
}

impl Answer for bool {
    fn encode(&self) -> Option<Vec<u8>> {
        Some(vec![u8::from(*self)])
    }

    fn decode(cell: Option<Vec<u8>>) -> Result<Self, StoreError> {
        match cell.as_deref() {
            Some([0]) => Ok(false),
            Some([1]) => Ok(true),
            _ => Err(StoreError::Corrupt("an operation lacks its answer")),
        }
    }
}

impl Answer for u8 {
    fn encode(&self) -> Option<Vec<u8>> {
        Some(vec![*self])
    }

    fn decode(cell: Option<Vec<u8>>) -> Result<Self, StoreError> {
        match cell.as_deref() {
            Some([count]) => Ok(*count),
            _ => Err(StoreError::Corrupt("an operation lacks its answer")),
        }
    }
}

impl Answer for u64 {
    fn encode(&self) -> Option<Vec<u8>> {
        Some(self.to_be_bytes().to_vec())
    }

    fn decode(cell: Option<Vec<u8>>) -> Result<Self, StoreError> {
        let bytes = cell.and_then(|cell| cell.try_into().ok());
        let bytes = bytes.ok_or(StoreError::Corrupt("an operation lacks its answer"))?;
        Ok(Self::from_be_bytes(bytes))
    }
}

impl Answer for UserRecord {
    fn encode(&self) -> Option<Vec<u8>> {
        Some(codec::encode_record(self))
    }

    fn decode(cell: Option<Vec<u8>>) -> Result<Self, StoreError> {
        codec::decode_record(&cell.ok_or(StoreError::Corrupt("an operation lacks its answer"))?)
    }
}

/// The outcome of an operation: the one it had before, or the one `decide` comes to now. An error is no outcome: then
/// the caller undoes all of it.
pub(crate) fn once<T: Answer>(
    db: &Connection,
    op: OpId,
    kind: IntentKind,
    decide: impl FnOnce(&Connection) -> Result<T, Stop>,
) -> Result<Result<T, Refusal>, StoreError> {
    let known = one(db, SELECT, [op.as_bytes()], |row| {
        Ok((row.get::<u8>()?, row.get::<u8>()?, row.get()?))
    })?;
    if let Some((known_kind, refusal, answer)) = known {
        if known_kind != kind.number() {
            return Ok(Err(Refusal::OperationReused));
        }
        return match refusal {
            0 => T::decode(answer).map(Ok),
            number => refusal_numbered(number).map(Err),
        };
    }
    let (outcome, refusal, answer) = match decide(db) {
        Ok(answer) => {
            let cell = answer.encode();
            (Ok(answer), 0, cell)
        }
        Err(Stop::Refused(refusal)) => (Err(refusal), refusal_number(refusal), None),
        Err(Stop::Failed(error)) => return Err(error),
    };
    change(db, INSERT, (op.as_bytes(), kind.number(), refusal, answer))?;
    Ok(outcome)
}

/// The number a refusal is stored under, for good.
const fn refusal_number(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::EmailTaken => 1,
        Refusal::UnknownAccount => 2,
        Refusal::TokenSpent => 3,
        Refusal::Conflict => 4,
        Refusal::UnknownService => 5,
        Refusal::NoNode => 6,
        Refusal::NoUid => 7,
        Refusal::OperationReused => 8,
        Refusal::UnknownNode => 9,
        Refusal::Closed => 10,
        Refusal::TooManyPast => 11,
    }
}

fn refusal_numbered(number: u8) -> Result<Refusal, StoreError> {
    Refusal::ALL
        .into_iter()
        .find(|refusal| refusal_number(*refusal) == number)
        .ok_or(StoreError::Corrupt("an operation has an unknown refusal"))
}

/// What one step of pruning removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Operations older than seven days.
    pub operations: usize,
    /// Authorization codes that nobody came for in time, or that were traded an hour ago.
    pub authorization_codes: usize,
    /// What was left of refresh tokens that were replaced thirty days ago.
    pub replaced_tokens: usize,
    /// Password tokens older than a day.
    pub password_tokens: usize,
    /// Sessions without a device that ended a day ago.
    pub sessions: usize,
    /// Key-fetch tokens that nobody came for in 28 days.
    pub key_fetches: usize,
    /// Mails that nobody has sent for two days.
    pub mails: usize,
    /// Commands to devices that have expired.
    pub device_commands: usize,
}

impl Pruned {
    /// Whether another step would find more.
    #[must_use]
    pub fn is_full_step(&self) -> bool {
        let most = self.operations.max(self.authorization_codes);
        let most = most.max(self.password_tokens).max(self.mails);
        let most = most.max(self.sessions).max(self.key_fetches);
        most.max(self.device_commands).max(self.replaced_tokens) >= PRUNED_AT_ONCE as usize
    }
}

/// Removes a bounded number of rows whose time is over.
pub(crate) fn prune(db: &Connection, now: Timestamp) -> Result<Pruned, StoreError> {
    Ok(Pruned {
        operations: change(
            db,
            PRUNE,
            (first_of(now.minus(OPERATION_LIFETIME)), PRUNED_AT_ONCE),
        )?,
        authorization_codes: change(
            db,
            PRUNE_CODES,
            (
                millis(now.minus(CODE_LIFETIME))?,
                millis(now.minus(SPENT_CODE_KEPT))?,
                PRUNED_AT_ONCE,
            ),
        )?,
        replaced_tokens: change(
            db,
            PRUNE_REPLACED_TOKENS,
            (millis(now.minus(REPLACED_KEPT))?, PRUNED_AT_ONCE),
        )?,
        password_tokens: change(
            db,
            PRUNE_PASSWORD_TOKENS,
            (millis(now.minus(PASSWORD_TOKEN_KEPT))?, PRUNED_AT_ONCE),
        )?,
        sessions: change(
            db,
            PRUNE_SESSIONS,
            (millis(now.minus(SESSION_KEPT))?, PRUNED_AT_ONCE),
        )?,
        key_fetches: change(
            db,
            PRUNE_KEY_FETCHES,
            (millis(now.minus(KEY_FETCH_KEPT))?, PRUNED_AT_ONCE),
        )?,
        mails: change(db, PRUNE_MAILS, (first_of(now.minus(MAIL_KEPT)), PRUNED_AT_ONCE))?,
        device_commands: change(db, PRUNE_COMMANDS, (millis(now)?, PRUNED_AT_ONCE))?,
    })
}

/// The smallest operation id that can have been made at `time`: they begin with it.
pub(crate) fn first_of(time: Timestamp) -> [u8; 16] {
    let mut id = [0; 16];
    id[..6].copy_from_slice(&time.as_millis().to_be_bytes()[2..]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_a_number_of_its_own() {
        for refusal in Refusal::ALL {
            assert_eq!(refusal_numbered(refusal_number(refusal)).unwrap(), refusal);
        }
        for unknown in [0, 12, 255] {
            assert!(refusal_numbered(unknown).is_err());
        }
    }
}
